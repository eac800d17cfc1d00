"""The Haar transform of contiguous rows: all levels of a chunk while it is in the cache.

A chunk of 2^12 entries goes through up to 12 levels in two buffers; its differences go to their
places in the result, its last averages to the row of averages, which is the input of the next round
of up to 12 levels. One reading and one writing of memory instead of two of each.
"""

import math

import numpy as np

from structmat._backend import workers
from structmat._backend.cpu import jit

__all__ = ["forward", "inverse"]

_ROUND = 12  # levels, and log2 of the chunk: two buffers of float64 are 64 KiB
_ROOT = math.sqrt(0.5)
_TASK = 2**16  # entries a task: 50 microseconds


def forward(x, levels):
    """W x along the last axis of a C-contiguous array, levels >= 1."""
    return _by_rows(_forward, x, levels)


def inverse(x, levels):
    """W^T x along the last axis of a C-contiguous array, levels >= 1."""
    return _by_rows(_inverse, x, levels)


def _by_rows(kernel, x, levels):
    n = x.shape[-1]
    out = np.empty(x.shape, x.dtype)
    if not (x.flags.writeable and x.flags.aligned):
        x = x.copy()  # kernels are compiled for one type of array: 2 s for each
    rows, result = x.reshape(-1, n), out.reshape(-1, n)
    tasks = [
        (rows[start:stop], levels, result[start:stop])
        for start, stop in workers.chunks(len(rows), max(1, _TASK // n))
    ]
    workers.run(kernel, tasks)
    return out


@jit
def _forward(x, levels, out):  # (rows, n), ., (rows, n)
    rows, n = x.shape
    buffers = np.empty((2, 1 << _ROUND), x.dtype)
    averages = np.empty(n >> min(levels, _ROUND), x.dtype)
    for r in range(rows):
        source, left = x[r], levels
        while left > 0:
            count = min(left, _ROUND)
            # In place after the first: a chunk is read in full before its averages are written.
            _forward_round(source, count, levels - left, averages, out[r], buffers)
            left -= count
            source = averages[: n >> (levels - left)]
        half = n >> levels
        scale = x.dtype.type(_ROOT if levels % 2 else 1.0)
        for i in range(half):
            out[r, i] = averages[i] * scale


@jit
def _forward_round(a, levels, done, averages, out, buffers):
    one = a.dtype.type(1)
    unit = 1 << levels
    step = max(unit, (buffers.shape[1] >> levels) << levels)
    for start in range(0, a.size, step):
        size = min(step, a.size - start)
        source = buffers[1]
        for i in range(size):
            source[i] = a[start + i]
        for level in range(1, levels + 1):
            into = buffers[(level + 1) % 2]
            source = buffers[level % 2]
            size //= 2
            place = (a.size + start) >> level
            odd = (done + level) % 2
            alpha = one if odd else one / 2
            beta = a.dtype.type(_ROOT) if odd else one / 2
            for i in range(size):
                even, other = source[2 * i], source[2 * i + 1]
                into[i] = (even + other) * alpha
                out[place + i] = (even - other) * beta
        into = buffers[(levels + 1) % 2]
        for i in range(size):
            averages[(start >> levels) + i] = into[i]


@jit
def _inverse(x, levels, out):  # (rows, n), ., (rows, n)
    rows, n = x.shape
    buffers = np.empty((2, 1 << _ROUND), x.dtype)
    for r in range(rows):
        row = out[r]
        half = n >> levels
        scale = x.dtype.type(2 * _ROOT if levels % 2 else 1.0)
        for i in range(half):
            row[i] = x[r, i] * scale
        left = levels
        while left > 0:
            count = left % _ROUND if left % _ROUND else _ROUND
            _inverse_round(x[r], left, count, row, buffers)
            left -= count


@jit
def _inverse_round(x, left, levels, row, buffers):
    one = x.dtype.type(1)
    n = x.size >> (left - levels)
    unit = 1 << levels
    step = max(unit, (buffers.shape[1] >> levels) << levels)
    # From the last chunk to the first: averages lie in front of what is written over them.
    for start in range((n - 1) // step * step, -1, -step):
        stop = min(start + step, n)
        size = (stop - start) >> levels
        source = buffers[0]
        for i in range(size):
            source[i] = row[(start >> levels) + i]
        for k in range(levels):
            source, into = buffers[k % 2], buffers[(k + 1) % 2]
            place = (n + start) >> (levels - k)
            odd = (left - k) % 2
            alpha = one / 2 if odd else one
            beta = x.dtype.type(_ROOT) if odd else one
            for i in range(size):
                a, d = source[i] * alpha, x[place + i] * beta
                into[2 * i] = a + d
                into[2 * i + 1] = a - d
            size *= 2
        into = buffers[levels % 2]
        for i in range(size):
            row[start + i] = into[i]
