"""The Walsh-Hadamard transform on the CPU: depth-first, in vectors, every pass at a cache's speed.

``H_n = H_2 (x) ... (x) H_2`` is log2(n) levels of butterflies, level l on entries 2^l apart. A
block of 16 KiB goes through its levels in the L1 cache, the lowest of them in registers. Then, as
soon as two, four or eight finished neighbours are there, the levels that join them are done, and so
on upwards: whatever the caches are, a block of their size is finished before it leaves them. Of the
levels above a cache, three are done in one pass over it.

Measured on one core with 1 MiB of L2 cache and AVX-512 (Zen 4): a pass of radix 16 over rows 4 KiB
apart and more takes twice the time of radix 8, because the eight ways of the L1 cache hold fewer
lines than its sixteen; and a pass through a buffer, all levels above the L2 cache in one sweep of
memory, gains nothing over three levels a pass.
"""

import numpy as np

from structmat._backend import workers
from structmat._backend.cpu import deferred, jit

__all__ = ["fwht", "vector"]

simd = deferred("structmat._backend.simd_walsh")

_DOUBLE, _SINGLE = np.dtype(np.float64), np.dtype(np.float32)
_BLOCK = 2**14  # bytes of a block that stays in the L1 cache
_NEAR = 2**11  # bytes between rows up to which radix 16 keeps its lines in the L1 cache
_NARROW = 64  # bytes of a row below which columns are transposed: a vector of a wide machine
_TASK = 2**21  # bytes of a task, and of the smallest array that is cut into tasks
_LONG = 2**24  # bytes of one transform from which several threads help: memory is shared
_SPLIT = 8  # a single long transform is cut into so many, joined by a pass of this radix


def vector(x, overwrite):
    """H_n x of one plain vector that a single task transforms; None for anything else.

    What every call costs beside the kernel counts here: at n = 1,000 it is the larger part.
    """
    dtype, n = x.dtype, x.size
    if dtype is not _DOUBLE and dtype is not _SINGLE:
        return None
    if not x.flags.carray or n & (n - 1) or not 0 < x.nbytes < 2 * _TASK:
        return None
    y = x if overwrite is True else np.empty(n, dtype)
    _line(x, y)
    return y


def fwht(x, out, outer, n, inner, scale):
    """out = scale * (I_outer (x) H_n (x) I_inner) x, H_n in natural (Hadamard) order.

    Parameters
    ----------
    x : ndarray
        C-contiguous, outer * n * inner entries of float32, float64 or int64.
    out : ndarray
        Like `x`; it may be `x` itself, else it does not overlap it.
    outer, n, inner : int
        n a power of two.
    scale : float or int
        1 for int64.

    Notes
    -----
    n log2(n) additions for each of outer * inner transforms. Every sum is the same tree whatever
    the number of threads.
    """
    if x.ndim != 1:
        x, out = x.reshape(-1), out.reshape(-1)
    if not x.flags.writeable:  # kernels are compiled for one type of array: seconds for each
        out[...] = x
        x = out
    if inner > 2 and n > 4 and inner * x.itemsize < _NARROW:
        # The lowest levels of 3 columns are scalar work: transposed, all takes half of the time,
        # and a ninth for long columns.
        rows = x.reshape(outer, n, inner).swapaxes(1, 2).reshape(-1)
        fwht(rows, rows, outer * inner, n, 1, scale)
        out.reshape(outer, n, inner)[...] = rows.reshape(outer, inner, n).swapaxes(1, 2)
        return
    scale = x.dtype.type(scale)
    if x.nbytes < 2 * _TASK:
        _transform(x, out, 0, outer, n, inner, scale)
        return
    size = n * inner
    if size * x.itemsize < _LONG or n < _SPLIT:
        rows = max(1, _TASK // (size * x.itemsize))
        tasks = [
            (x, out, start * size, stop - start, n, inner, scale)
            for start, stop in workers.chunks(outer, rows)
        ]
        workers.run(_transform, tasks)
        return
    part = size // _SPLIT
    starts = range(0, x.size, part)
    workers.run(_transform, [(x, out, start, 1, n // _SPLIT, inner, scale) for start in starts])
    columns = max(_TASK // (_SPLIT * x.itemsize), 64)
    workers.run(
        _join,
        [
            (out, start + first, part, last - first)
            for start in range(0, x.size, size)
            for first, last in workers.chunks(part, columns)
        ],
    )


@jit
def _line(x, y):
    _transform(x, y, 0, 1, x.size, 1, x.dtype.type(1))


@jit
def _transform(x, y, start, count, n, inner, scale):
    """`count` transforms of (n, inner) from offset `start` on, one after the other."""
    size, v = n * inner, simd.lanes(x)
    if inner == 1 and n <= simd.BASE * v:
        _short(x, y, start, start + count * n, n)
        _multiply(y, start, count * n, scale)
        return
    rows = n
    while rows > 1 and rows * inner * x.itemsize > _BLOCK:
        rows //= 2
    if inner > 2 and inner % v:
        rows = min(max(rows, v), n)  # whole vectors between the rows of what follows
    block, levels = rows * inner, 0
    while rows << levels < n:
        levels += 1
    # As many radix 8 as possible, but never a pass for a single level more: 16 = 4 x 4. The
    # small ones come first, where a pass is cheap.
    fours = 0 if levels == 1 else (3 - levels % 3) % 3
    for k in range(count * (n // rows)):
        first = start + k * block
        _block(x, y, first, rows, inner)
        _multiply(y, first, block, scale)
        h, done, stage = block, k % (n // rows) + 1, 0
        while h < size:
            radix = 2 if levels == 1 else 4 if stage < fours else 8
            if done % radix:
                break
            done //= radix
            _pass(y, y, first + block - radix * h, radix, h, h)
            h *= radix
            stage += 1


@jit
def _block(x, y, start, rows, inner):
    """All levels of a block; its first pass reads x, the others work in y."""
    v = simd.lanes(x)
    size = rows * inner
    h, source = inner, x
    if rows == 1:
        for i in range(start, start + size):
            y[i] = x[i]
    elif inner == 1:
        h, source = simd.BASE * v, y
        simd.base(x, y, start, simd.BASE, size // h)
    elif inner == 2 and size >= v:
        h, source = v, y
        simd.lane_base(x, y, start, 0, size // v)
    elif inner % v:
        # Rows that are no whole vectors: level by level, up to where v of them are.
        while h < size and h < v * inner:
            for i in range(start, start + size, 2 * h):
                _pass(source, y, i, 2, h, h)
            h *= 2
            source = y
    near = _NEAR // x.itemsize
    while h < size:
        q = size // h
        radix = 8
        if h <= near and (q == 16 or q == 128 or q >= 1024):
            radix = 16
        elif q < 8:
            radix = q
        elif q == 16:
            radix = 4
        for i in range(start, start + size, radix * h):
            _pass(source, y, i, radix, h, h)
        h *= radix
        source = y


@jit
def _pass(x, y, i, radix, h, columns):
    """The levels h, 2h .. radix h / 2 of `radix` rows h apart: `columns` columns from i on."""
    v = simd.lanes(x)
    vectors = columns // v
    if vectors:
        simd.radix(x, y, i, radix, h, vectors)
    for j in range(i + vectors * v, i + columns):
        _scalar_levels(x, y, j, radix, h)


@jit
def _scalar_levels(x, y, j, radix, h):
    """`_pass` of one column."""
    for r in range(j, j + radix * h, h):
        y[r] = x[r]
    level = h
    while level < radix * h:
        for r in range(j, j + radix * h, 2 * level):
            for q in range(r, r + level, h):
                a, b = y[q], y[q + level]
                y[q] = a + b
                y[q + level] = a - b
        level *= 2


@jit
def _short(x, y, start, stop, n):
    """Contiguous transforms that fit the registers: all of them in one loop."""
    v = simd.lanes(x)
    if n >= v:
        simd.base(x, y, start, n // v, (stop - start) // n)
        return
    vectors = (stop - start) // v
    if n > 1 and vectors:
        simd.lane_base(x, y, start, n, vectors)
        start += vectors * v
    for i in range(start, stop, n):
        _scalar_levels(x, y, i, n, 1)


@jit
def _multiply(y, start, size, scale):
    if scale != 1:
        for i in range(start, start + size):
            y[i] *= scale


@jit
def _join(y, i, h, columns):
    """The three highest levels of a transform that was done in eight parts."""
    _pass(y, y, i, 8, h, columns)
