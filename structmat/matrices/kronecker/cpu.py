"""Products with A_1 (x) ... (x) A_d on the CPU: one mode product per factor, several per sweep.

``(A_1 (x) ... (x) A_d) X`` applies A_i along axis i of X seen as (n_1, ..., n_d, k). One mode product
reads and writes the whole array, so small factors, one at a time, run at the speed of memory and
not of arithmetic. A *sweep* takes adjacent factors together, tile by tile: a tile holds all entries
along the sweep's axes for a few columns, so that the passes between the first and the last factor
stay in the L2 cache. With L the axes before those of the sweep and R those after it (k included),

    X (L, q, R)  ->  Y (L, p, R),    q = n_a ... n_b,   p = m_a ... m_b,

the columns of a tile fill vectors in one of three ways:

    COLUMNS   R is at least a vector: some of the R columns of one l
    LAST      R = 1 and m_b whole vectors: the columns of A_b^T, in X (L q / n_b, n_b) @ A_b^T
    ROWS      R is less than a vector: R columns of several l, transposed on the way in and out

Factors are fused, never merged: A_i (x) A_j may overflow where A_i (A_j x) does not.
"""

import functools
import math

import numpy as np

from structmat._backend import workers
from structmat._backend.cpu import deferred, jit

__all__ = ["apply", "apply_mode"]

simd = deferred("structmat._backend.simd")

COLUMNS, LAST, ROWS, BLAS = range(4)
NEAR=3; LIMIT=1024; INP=0

# Below this many entries of X, np.matmul is within microseconds of the kernels, and a process that
# stays below never waits for Numba (0.3 s).
_SMALL = 2**14
# Bytes of one half of a tile; both halves and the factors stay in an L2 cache of 512 KiB.
_TILE = 2**17
# Bytes of a panel of B in front of a tile of registers: half an L1 cache of 32 KiB.
_PANEL = 2**14
# Tiles are whole vectors of 64 bytes, whatever this machine has.
_VECTOR = 64
# Flops of a task: about 0.1 ms, so that handing it to another thread (13 us) pays.
_TASK = 2**22
# Above this size BLAS blocks a factor for the caches better than the tiles do.
_LARGE = 512


def apply(factors, X):
    """(A_1 (x) ... (x) A_d) @ X.

    Parameters
    ----------
    factors : sequence of (m_i, n_i) ndarray
        Any strides, all of X's dtype; the first factor is the slowest axis, as in `numpy.kron`.
    X : (prod n_i, k) ndarray
        C-contiguous, float32, float64, complex64 or complex128.

    Returns
    -------
    (prod m_i, k) ndarray
        New, C-contiguous.

    Notes
    -----
    Costs ``2 N k sum(m_i)`` flops for square factors, N = prod n_i. Rectangular factors are applied
    in ascending 1/n_i - 1/m_i (the most shrinking first), which minimises the flops.
    """
    rows = math.prod([A.shape[0] for A in factors])
    if X.size < _SMALL or X.dtype.kind == "c" or rows == 0:
        return _matmul(factors, X, rows)
    plan = _plan(tuple([A.shape for A in factors]), X.shape[1], X.itemsize)
    return _sweeps(factors, X, plan).reshape(rows, X.shape[1])


def apply_mode(A, X, left, right):
    """A along the middle axis of X seen as (left, n, right); the result has left*m*right entries.

    Parameters
    ----------
    A : (m, n) ndarray
        Any strides.
    X : ndarray
        C-contiguous, ``left * n * right`` entries of A's dtype.
    left, right : int
        Products of the sizes of the axes before and after.

    Returns
    -------
    (left, m, right) ndarray
        New, C-contiguous.
    """
    m, n = A.shape
    if X.size < _SMALL or X.dtype.kind == "c" or m == 0:
        return _mode(A, X, left, right).reshape(left, m, right)
    shapes = ((left, left), (m, n))
    plan = _plan(shapes, right, X.itemsize, skip=1)
    return _sweeps((None, A), X, plan).reshape(left, m, right)


# ------------------------------------------------------------- np.matmul, one factor at a time


def _order(shapes):
    """Exchange argument: i before j saves flops when 1/n_i - 1/m_i < 1/n_j - 1/m_j."""
    # max(., 1): factors with an empty side may come in any order.
    return sorted(
        range(len(shapes)), key=lambda i: 1 / max(shapes[i][1], 1) - 1 / max(shapes[i][0], 1)
    )


def _mode(A, X, left, right, out=None):
    m, n = A.shape
    if right == 1:
        return np.matmul(X.reshape(left, n), A.T, out=out if out is None else out.reshape(left, m))
    if out is not None:
        out = out.reshape(left, m, right)
    return np.matmul(A, X.reshape(left, n, right), out=out)


def _matmul(factors, X, rows):
    k = X.shape[1]
    if rows * X.size == 0:
        return np.zeros((rows, k), X.dtype)
    sizes = [A.shape[1] for A in factors]
    if all(A.shape[0] == A.shape[1] for A in factors):
        order = range(len(factors))
    else:
        order = _order([A.shape for A in factors])
    Y = X
    for i in order:
        Y = _mode(factors[i], Y, math.prod(sizes[:i]), math.prod(sizes[i + 1 :]) * k)
        sizes[i] = factors[i].shape[0]
    return Y.reshape(rows, k) if Y is not X else X.copy()


# ------------------------------------------------------------- planning


class _Sweep:
    """One sweep: which factors, how its tiles lie, and everything `_tiles` reads."""

    __slots__ = ("factors", "geometry", "half", "in_place", "kind", "modes", "shape", "tasks", "work")


@functools.lru_cache(maxsize=256)
def _plan(shapes, k, itemsize, skip=0):
    """The sweeps for these shapes; `skip` leading factors are identities."""
    groups = [[skip + i for i in run] for run in _runs(shapes[skip:], LIMIT)]
    # The exchange argument between groups: ascending (growth - 1) / (flops per entry).
    groups.sort(key=lambda group: _gain([shapes[i] for i in group]))
    sizes = [n for _, n in shapes]
    sweeps = []
    for group in groups:
        L = math.prod(sizes[: group[0]])
        R = math.prod(sizes[group[-1] + 1 :]) * k
        sweeps.append(_sweep(group, [shapes[i] for i in group], L, R, itemsize))
        for i in group:
            sizes[i] = shapes[i][0]
    return sweeps


def _gain(shapes):
    flops, growth = 0, 1
    for i in _order(shapes):
        m, n = shapes[i]
        flops += 2 * m * growth
        growth *= m / n
    return (growth - 1) / flops


def _runs(shapes, limit):
    """Fewest runs of adjacent near-square factors whose tile column fits `limit` bytes, even ones."""
    best = [(0, 0, [])]
    for stop in range(1, len(shapes) + 1):
        candidates = []
        for start in range(stop - 1, -1, -1):
            run = shapes[start:stop]
            size = math.prod([max(s) for s in run])
            near_square = all(max(s) <= 2 * min(s) for s in run)
            if stop - start > 1 and (size > limit or not near_square):
                break
            count, largest, runs = best[start]
            candidates.append(
                (count + 1, max(largest, size), [*runs, list(range(start, stop))])
            )
        best.append(min(candidates, key=lambda c: c[:2]))
    return best[-1][2]


def _sweep(group, shapes, L, R, itemsize):
    lanes = _VECTOR // itemsize
    sizes = [n for _, n in shapes]
    q, p = math.prod(sizes), math.prod([m for m, _ in shapes])
    sweep = _Sweep()
    sweep.factors = group
    sweep.in_place = p == q and (len(group) > 1 or INP)
    sweep.shape = (L, p, R)
    m_last = shapes[-1][0]
    if len(group) == 1 and (max(shapes[0]) > _LARGE or (R < lanes and L < lanes)):
        sweep.kind = BLAS
    elif R >= lanes:
        sweep.kind = COLUMNS
    elif R == 1 and m_last % lanes == 0:
        sweep.kind = LAST
    else:
        sweep.kind = ROWS
    if sweep.kind == BLAS or (sweep.kind==LAST and len(group)==1):
        sweep.in_place = False
    if sweep.kind == BLAS:
        return sweep

    order = _order(shapes)
    if sweep.kind == LAST:
        order.remove(len(group) - 1)
        order.insert(0, len(group) - 1)
    modes, largest, flops = [], q, 0
    for i in order:
        m, n = shapes[i]
        outer, inner = math.prod(sizes[:i]), math.prod(sizes[i + 1 :])
        panel = max(_PANEL // (n * _VECTOR) // 3, 1) * 3 * lanes
        modes.append((i, m, n, outer, inner, panel))
        sizes[i] = m
        largest = max(largest, math.prod(sizes))
        flops += 2 * m * n * outer * inner

    fit = max(_TILE // (largest * itemsize), 1)  # columns of a tile
    if sweep.kind == COLUMNS:
        units = R // lanes
        across = -(-units // max(fit // lanes, 2))
        if len(group) == 1:
            across = -(-units // max(fit // lanes, 24))
        tiles = L * across
        width = (-(-units // across) + 1) * lanes
        step = across
    else:
        step = min(max(fit // R // lanes, 1) * lanes, L) if sweep.kind == ROWS else min(fit, L)
        tiles = -(-L // step)
        width = R * -(-step // lanes) * lanes if sweep.kind == ROWS else step
    if sweep.kind == COLUMNS:
        sweep.geometry = (q, p, R, step, lanes, NEAR)
    elif sweep.kind == LAST:
        sweep.geometry = (L, q, p, step)
    else:
        sweep.geometry = (L, q, p, R, step, lanes)
    sweep.modes = np.array(modes, np.int64)
    panel = max(n * 2 * columns for _, _, n, _, _, columns in modes)
    sweep.half = largest * width
    sweep.work = 2 * largest * width + panel
    sweep.tasks = workers.chunks(tiles, max(1, _TASK // (flops * width)))
    return sweep


# ------------------------------------------------------------- running a plan


def _sweeps(factors, X, plan):
    x = _writeable(X)
    y = np.empty(math.prod(plan[-1].shape), X.dtype)
    other = None
    outs = [y]
    for now, after in zip(plan[-2::-1], plan[:0:-1]):
        size = math.prod(now.shape)
        if after.in_place:
            outs.append(outs[-1])
        elif outs[-1] is not y and size <= y.size:
            outs.append(y)
        else:
            if other is None or other.size < size or outs[-1] is other:
                other = np.empty(size, X.dtype)
            outs.append(other)
    for sweep, out in zip(plan, reversed(outs)):
        size = math.prod(sweep.shape)
        if sweep.kind == BLAS:
            L, _, R = sweep.shape
            _mode(factors[sweep.factors[0]], x, L, R, out[:size])
        else:
            _run(sweep, [factors[i] for i in sweep.factors], x, out)
        x = out[:size]
    return x


def _run(sweep, factors, x, out):
    if sweep.kind == LAST:
        factors[-1] = factors[-1].T
    A = np.concatenate([F.ravel() for F in factors])
    offsets = np.zeros(len(factors), np.int64)
    for i in range(1, len(factors)):
        offsets[i] = offsets[i - 1] + factors[i - 1].size

    def task(first, last):
        work = _aligned(sweep.work, x.dtype)
        kernel = (_columns, _last, _rows)[sweep.kind]
        kernel(x, out, A, offsets, sweep.modes, sweep.geometry, work, sweep.half, first, last)

    workers.run(task, sweep.tasks)


def _writeable(X):
    """X as one dimension, in the type of array that the kernels are compiled for: writeable."""
    if X.flags.writeable:
        return X.reshape(-1)
    view = _Memory()
    view.__array_interface__ = {**X.__array_interface__, "data": (X.ctypes.data, False)}
    view.owner = X
    return np.asarray(view).reshape(-1)


class _Memory:
    pass


def _aligned(n, dtype):
    raw = np.empty(n * dtype.itemsize + _VECTOR, np.uint8)
    start = -raw.__array_interface__["data"][0] % _VECTOR
    return raw[start : start + n * dtype.itemsize].view(dtype)


# ------------------------------------------------------------- kernels


# modes: for each factor of the sweep, in the order of application,
#        (index in offsets, m, n, axes before it, axes after it, columns of a panel)
# work:  two halves of a tile, then a panel; aligned to 64 bytes
# X and Y may be one array when p == q: a tile is read whole before it is written.


@jit
def _product(A, ia, m, n, B, ib, ldb, C, ic, ldc, w, panel, ip, columns):
    # Packing pays from the second row of register tiles on, when B's rows overflow the L1 cache.
    if m > 8 and n * ldb > 4096:
        simd.gemm_packed(A, ia, n, m, B, ib, ldb, C, ic, ldc, n, w, panel, ip, columns)
    else:
        simd.gemm(A, ia, n, m, B, ib, ldb, C, ic, ldc, n, w)


@jit
def _strided(A, ia, m, n, outer, inner, B, ib, ldb, C, ic, ldc, w, panel, ip, columns):
    # One mode product between arrays whose rows of w columns are ldb and ldc apart.
    if ldb == w and ldc == w:
        w, ldb, ldc, inner = inner * w, inner * ldb, inner * ldc, 1
    for o in range(outer):
        for j in range(inner):
            _product(A, ia, m, n, B, ib + (o * n * inner + j) * ldb, inner * ldb,
                     C, ic + (o * m * inner + j) * ldc, inner * ldc, w, panel, ip, columns)


@jit
def _columns(X, Y, A, offsets, modes, geometry, work, half, first, last):
    q, p, R, across, lanes, near = geometry
    end = modes.shape[0] - 1
    if R % lanes:  # a whole vector is computed where a row ends inside it
        for i in range(work.size):
            work[i] = 0
    for t in range(first, last):
        l, c = t // across, t % across
        start = c * (R // lanes) // across * lanes
        stop = (c + 1) * (R // lanes) // across * lanes
        if c == across - 1:
            stop = R
        w = stop - start
        ld = (w + lanes - 1) // lanes * lanes
        x, y = l * q * R + start, l * p * R + start
        source = 0
        if near & 1 == 0:
            simd.copy_block(X, x, R, work, 0, ld, q, w)
        for s in range(end + 1):
            f, m, n, outer, inner, columns = modes[s]
            a = offsets[f]
            target = half - source
            if s == 0 and near & 1:
                if s == end and near & 2:
                    _strided(A, a, m, n, outer, inner, X, x, R, Y, y, R, w, work, 2 * half, columns)
                else:
                    _strided(A, a, m, n, outer, inner, X, x, R, work, target, ld, w, work, 2 * half, columns)
            elif s == end and near & 2:
                _strided(A, a, m, n, outer, inner, work, source, ld, Y, y, R, w, work, 2 * half, columns)
            else:
                _strided(A, a, m, n, outer, inner, work, source, ld, work, target, ld, ld, work, 2 * half, columns)
            source = target
        if near & 2 == 0:
            simd.copy_block(work, source, ld, Y, y, R, p, w)


@jit
def _last(X, Y, A, offsets, modes, geometry, work, half, first, last):
    L, q, p, step = geometry
    end = modes.shape[0] - 1
    for t in range(first, last):
        l = t * step
        count = min(step, L - l)
        source = 0
        for s in range(end + 1):
            f, m, n, outer, inner, columns = modes[s]
            a = offsets[f]
            target = half - source
            if s == 0:
                if s == end:
                    simd.gemm(X, l * q, n, count * outer, A, a, m, Y, l * p, m, n, m)
                else:
                    simd.gemm(X, l * q, n, count * outer, A, a, m, work, target, m, n, m)
            elif s == end:
                _strided(A, a, m, n, count * outer, 1, work, source, inner, Y, l * p, inner, inner, work, 2 * half, columns)
            else:
                _strided(A, a, m, n, count * outer, 1, work, source, inner, work, target, inner, inner, work, 2 * half, columns)
            source = target


@jit
def _rows(X, Y, A, offsets, modes, geometry, work, half, first, last):
    L, q, p, R, step, lanes = geometry
    for i in range(work.size):
        work[i] = 0
    for t in range(first, last):
        l = t * step
        used = min(step, L - l)
        b = (used + lanes - 1) // lanes * lanes
        simd.transpose_block(X, l * q * R, q * R, work, 0, b, used, q * R)
        source = 0
        for s in range(modes.shape[0]):
            f, m, n, outer, inner, columns = modes[s]
            target = half - source
            _strided(A, offsets[f], m, n, outer, inner, work, source, R * b, work, target, R * b, R * b, work, 2 * half, columns)
            source = target
        simd.transpose_block(work, source, b, Y, l * p * R, p * R, p * R, used)
