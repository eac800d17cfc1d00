"""Outputs that tell on a kernel: poisoned with NaN bytes, between two zones of 256 canary bytes."""

from typing import NamedTuple

import numpy as np

ZONE = 256  # a multiple of every alignment that a kernel may ask for
CANARY = 0xA5
POISON = 0xFF  # NaN in every floating-point type, -1 in every integer type


class Guarded(NamedTuple):
    """`array` lies inside `raw`, `ZONE` bytes from each end."""

    raw: object
    array: object

    def intact(self):
        """True if nothing was written outside the array."""
        ends = (self.raw[:ZONE], self.raw[len(self.raw) - ZONE :])
        return all(bool((end == CANARY).all()) for end in ends)


def poisoned(xp, shape, dtype):
    """An array of NaN bytes inside its canaries."""
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    raw = xp.full(size + 2 * ZONE, CANARY, dtype="uint8")
    raw[ZONE : ZONE + size] = POISON
    return Guarded(raw, raw[ZONE : ZONE + size].view(dtype).reshape(shape))


def holding(xp, x):
    """A copy of `x` inside canaries, for what works in place."""
    guarded = poisoned(xp, x.shape, x.dtype)
    guarded.array[...] = x
    return guarded


def same_bytes(xp, a, b):
    """Bitwise equality, NaNs included, of two arrays of one shape and dtype."""
    if not a.size:
        return True
    left, right = (xp.ascontiguousarray(x).reshape(-1).view("uint8") for x in (a, b))
    return bool((left == right).all())
