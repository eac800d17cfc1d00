"""Bit reversal of long rows on the CPU, tile by tile.

A gather in bit-reversed order reads one entry from every cache line it touches, and all lines of a
tile map to the same few cache sets. Split the m bits of an index into (a, b, c), with q bits in a
and in c:

    out[rev(c), rev(b), rev(a)] = x[a, b, c]

For each b, a tile of 2^q rows of 2^q entries is read row by row, and its columns are written row by
row: whole cache lines both ways (Carter and Gatlin, FOCS 1998).
"""

import numpy as np

from structmat._backend import workers
from structmat._backend.cpu import jit
from structmat.transforms.orders import permutation

__all__ = ["WORTHWHILE", "reverse"]

# Below this length the caches hold the row and NumPy gathers as fast; at 2^20 tiles take a third.
# (The margin keeps Numba, 0.3 s to import, away from short transforms.)
WORTHWHILE = 2**18
_BITS = 5  # a tile of 32 x 32 complex128 is half of an L1 cache
_CHUNK = 2**17  # entries a task: 0.1 ms


def reverse(x):
    """``x[:, bit_reversal(n)]`` for a C-contiguous (rows, n) array with n >= 2^(2 q)."""
    rows, n = x.shape
    if not (x.flags.writeable and x.flags.aligned):
        x = x.copy()  # kernels are compiled for one type of array
    out = np.empty_like(x)
    side = permutation("dyadic", 2**_BITS)
    middle = permutation("dyadic", n >> 2 * _BITS)
    step = max(1, _CHUNK >> 2 * _BITS)
    tasks = [
        (x[row], side, middle, start, stop, out[row])
        for row in range(rows)
        for start, stop in workers.chunks(len(middle), step)
    ]
    workers.run(_reverse, tasks)
    return out


@jit
def _reverse(x, side, middle, start, stop, out):  # (n,), (2^q,), (n / 4^q,), ., ., (n,)
    q, m = side.size, middle.size
    tile = np.empty((q, q), x.dtype)
    for b in range(start, stop):
        for a in range(q):
            row = (a * m + b) * q
            for c in range(q):
                tile[c, side[a]] = x[row + c]
        for c in range(q):
            row = (side[c] * m + middle[b]) * q
            for a in range(q):
                out[row + a] = tile[c, a]
