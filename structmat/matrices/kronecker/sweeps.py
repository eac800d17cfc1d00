"""How a product with A_1 (x) ... (x) A_d is cut into sweeps, tiles and tasks: sizes, no arrays.

A plan depends on the shapes, the number of columns and the size of an entry, never on the number of
threads, so that results do not either. What a sweep and a tile are: see `cpu`, which runs the plan.
"""

import functools
import itertools
import math

import numpy as np

from structmat._backend import workers

__all__ = ["BLAS", "COLUMNS", "LAST", "ROWS", "VECTOR", "order", "plan"]

COLUMNS, LAST, ROWS, BLAS = range(4)  # BLAS: too large, or too few columns, for tiles

# Bytes of one half of a tile: both halves, the factors and a panel stay in an L2 cache of 1 MiB.
# Measured on 8^6 and 16^4, 64 columns: 2^17 costs 5-10%, 2^16 40%.
_TILE = 2**18
# Rows of a tile of two factors and of more. Three factors of 8 in one sweep read memory less often
# than three sweeps of two, and are slower (0.85): their rows are too short to stream.
_PAIR, _MORE = 2**10, 2**6
# Bytes of a panel of B in front of a tile of registers: half an L1 cache of 32 KiB.
_PANEL = 2**14
# Tiles are whole vectors of 64 bytes, whatever this machine has.
VECTOR = 64
# Flops of a task (40-80 us). A sweep of fewer than _SERIAL stays whole: with its two sweeps of
# 0.1 ms in two tasks each, 16^4 took 1.7 times as long when the other core was not idle.
_TASK, _SERIAL = 2**22, 2**24
# Above this size BLAS blocks a factor for the caches better than the tiles do.
_LARGE = 512


def order(shapes):
    """Exchange argument: i before j saves flops when 1/n_i - 1/m_i < 1/n_j - 1/m_j."""
    return sorted(range(len(shapes)), key=lambda i: 1 / shapes[i][1] - 1 / shapes[i][0])


class _Sweep:
    """One sweep: which factors, how its tiles lie, and the arguments of its kernel."""

    __slots__ = (
        "factors", "geometry", "half", "in_place", "kind", "modes", "offsets", "shape", "size",
        "tasks", "work",
    )  # fmt: skip


class _Plan:
    """The sweeps of a product, and where they write."""

    __slots__ = ("sizes", "sweeps", "targets", "work")


@functools.lru_cache(maxsize=256)
def plan(shapes, k, itemsize, skip=0):
    """The sweeps for these shapes; `skip` leading factors are identities."""
    groups = [[skip + i for i in run] for run in _runs(shapes[skip:])]
    # The exchange argument between groups: ascending (growth - 1) / (flops per entry).
    groups.sort(key=lambda group: _gain([shapes[i] for i in group]))
    sizes = [n for _, n in shapes]
    sweeps = []
    for group in groups:
        L = math.prod(sizes[: group[0]])
        R = math.prod(sizes[group[-1] + 1 :]) * k
        sweeps.append(_sweep(group, [shapes[i] for i in group], L, R, itemsize, not sweeps))
        for i in group:
            sizes[i] = shapes[i][0]
    whole = _Plan()
    whole.sweeps, whole.work = sweeps, max([sweep.work for sweep in sweeps])
    whole.targets, whole.sizes = _targets(sweeps)
    return whole


def _targets(sweeps):
    """Which buffer each sweep writes, and their sizes: 0 the result, 1 and 2 spares."""
    targets, sizes = [0], [sweeps[-1].size, 0, 0]
    for sweep, after in zip(sweeps[-2::-1], sweeps[:0:-1]):
        target = targets[-1]
        if not after.in_place:
            # Not what `after` writes; the result itself where it is large enough.
            free = [i for i in range(3) if i != target and (i or sweep.size <= sizes[0])]
            target = free[0]
        # Whole vectors, so that what lies behind a spare is aligned too.
        if target:
            sizes[target] = max(sizes[target], -(-sweep.size // VECTOR) * VECTOR)
        targets.append(target)
    return targets[::-1], sizes


def _gain(shapes):
    flops, growth = 0, 1
    for i in order(shapes):
        m, n = shapes[i]
        flops += 2 * m * growth
        growth *= m / n
    return (growth - 1) / flops


def _runs(shapes):
    """Fewest runs of adjacent factors that fit a tile, and among those the most even ones."""
    best = [(0, 0, [])]
    for stop in range(1, len(shapes) + 1):
        candidates = []
        for start in range(stop - 1, -1, -1):
            run = shapes[start:stop]
            size = math.prod([max(s) for s in run])
            # Far from square, the order of the factors matters more than the passes over memory.
            square = all(max(s) <= 2 * min(s) for s in run)
            if len(run) > 1 and (not square or size > (_PAIR if len(run) == 2 else _MORE)):
                break
            count, largest, runs = best[start]
            candidates.append((count + 1, max(largest, size), [*runs, list(range(start, stop))]))
        # Of equals the one with the longest last run, where a vector is transposed: 1 2 2, not
        # 2 2 1.
        best.append(min(reversed(candidates), key=lambda c: c[:2]))
    return best[-1][2]


def _sweep(group, shapes, L, R, itemsize, first):
    lanes = VECTOR // itemsize
    sizes = [n for _, n in shapes]
    q, p = math.prod(sizes), math.prod([m for m, _ in shapes])
    sweep = _Sweep()
    sweep.factors = group
    sweep.shape = (L, p, R)
    sweep.size = L * p * R
    single = len(group) == 1
    sweep.in_place = p == q and not first  # the first sweep reads the caller's array
    if single and (max(shapes[0]) > _LARGE or (R < lanes and L < lanes)):
        sweep.kind = BLAS
        sweep.in_place = False
        sweep.work = 0
        return sweep

    sequence = order(shapes)
    if R >= lanes:
        sweep.kind = COLUMNS
    elif R == 1 and shapes[-1][0] % lanes == 0:
        sweep.kind = LAST
        sequence = [len(group) - 1, *[i for i in sequence if i < len(group) - 1]]
        sweep.in_place = sweep.in_place and not single
    else:
        sweep.kind = ROWS
    ends = [0, *itertools.accumulate([m * n for m, n in shapes])]
    sweep.offsets = np.array(ends[:-1], np.int64)
    modes, largest, flops = [], max(p, q), 0
    for i in sequence:
        m, n = shapes[i]
        outer, inner = math.prod(sizes[:i]), math.prod(sizes[i + 1 :])
        panel = max(_PANEL // (n * VECTOR) // 3, 1) * 3 * lanes
        modes.append((i, m, n, outer, inner, panel))
        sizes[i] = m
        largest = max(largest, math.prod(sizes))
        flops += 2 * m * n * outer * inner
    sweep.modes = np.array(modes, np.int64)

    fit = _TILE // (largest * itemsize)  # columns of a tile
    if single:
        fit = min(fit, 6 * lanes)  # no more than a panel: finer tasks for the threads
    if sweep.kind == COLUMNS:
        units = R // lanes
        across = -(-units // max(fit // lanes, 2))
        tiles = L * across
        width = (-(-units // across) + 1) * lanes
        # One factor needs no tile between X and Y, unless they are one array.
        direct_in = not (single and sweep.in_place)
        sweep.half = 0 if single and direct_in else largest * width
        sweep.geometry = (q, p, R, across, lanes, direct_in)
    elif sweep.kind == LAST:
        step = min(max(fit, 1), L)
        tiles = -(-L // step)
        width = step
        sweep.half = 0 if single else largest * width
        sweep.geometry = (L, q, p, step)
    else:
        step = min(max(fit // R // lanes, 1) * lanes, L)
        tiles = -(-L // step)
        width = R * -(-step // lanes) * lanes
        sweep.half = largest * width
        sweep.geometry = (L, q, p, R, step, lanes)
    sweep.work = 2 * sweep.half + max(n * 2 * panel for _, _, n, _, _, panel in modes)
    work = flops * L * R
    sweep.tasks = workers.chunks(tiles, tiles if work < _SERIAL else -(-tiles * _TASK // work))
    return sweep
