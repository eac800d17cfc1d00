"""Inverses of all blocks of a Kronecker-sparse factor at once, by elimination with pivoting."""

import math
from typing import Any, NamedTuple

import numpy as np

from structmat import _checks
from structmat._backend import workers
from structmat._backend.arrays import namespace_of
from structmat.matrices.elementary import stacks

__all__ = ["BlockInverse", "inverse", "largest", "place", "renamed", "require_finite"]


class BlockInverse(NamedTuple):
    """Inverses (a, d, b, b), and an upper bound of the factor's condition in the 1- and 2-norm."""

    values: Any
    bound: float


def inverse(values, structure):
    """BlockInverse of blocks (a, d, b, b).

    The certificate costs four passes: ``|A_i| <= b max|A_i|`` in the 1- and 2-norm. Raises
    LinAlgError naming `structure`, the block and the pivot.
    """
    a, d, b, _ = values.shape
    if not values.size:
        return BlockInverse(values.copy(), 1.0)
    top = require_finite(values, structure)
    blocks = values.reshape(a * d, b, b)
    found = _eliminated(blocks)
    top_of_inverse = math.nan if found is None else largest(found)
    if not math.isfinite(top_of_inverse):  # singular, or extreme numbers: the careful way
        found = _careful(blocks, (a, d), structure)
        top_of_inverse = largest(found)
    with np.errstate(over="ignore"):
        return BlockInverse(found.reshape(values.shape), b * top * b * top_of_inverse)


def require_finite(values, structure):
    """Largest modulus; ValueError that names the structure and the block of a NaN or infinity."""
    top = largest(values) if values.size else 0.0
    if math.isfinite(top):
        return top
    bad = ~namespace_of(values).isfinite(values).all((2, 3)).reshape(-1)
    if not bool(bad.any()):
        raise OverflowError(f"{structure}: the modulus of an entry passes the largest number")
    where = place(bad.argmax(), values.shape[1])
    raise ValueError(f"{structure} must not contain infs or NaNs: {where}")


def largest(values):
    """Largest modulus; NaN and infinity propagate. Two passes and no temporary for real arrays."""
    if values.dtype.kind == "c":
        return float(abs(values).max())
    low, high = float(values.min()), float(values.max())
    return -low if -low > high else high


def _eliminated(blocks):
    """The inverses, with NaN or infinity in them, or None, where a block is singular."""
    b = blocks.shape[1]
    if b <= 2:
        with np.errstate(over="ignore"):
            return (_one_by_one if b == 1 else _two_by_two)(blocks).astype(blocks.dtype, copy=False)
    try:
        # inv(A^T)^T: the rows of an array are the columns that LAPACK wants, so it copies in order.
        return _by_lapack(blocks.transpose(0, 2, 1)).transpose(0, 2, 1)
    except np.linalg.LinAlgError:
        return None


# Below 200 x 200 OpenBLAS factors and substitutes in the thread that calls, whatever its setting.
_SERIAL_ORDER = 128
_WORTH_THREADS = 2**21  # multiplications, a millisecond
_TASKS = 8


def _by_lapack(blocks):
    """LAPACK's gesv block by block, in C; several threads share the blocks of a large stack."""
    count, b, _ = blocks.shape
    threads = b <= _SERIAL_ORDER and count * b**3 >= _WORTH_THREADS and workers.get_workers() > 1
    if type(blocks) is not np.ndarray or not threads:
        return namespace_of(blocks).linalg.inv(blocks)
    found = np.empty(blocks.shape, blocks.dtype)

    def invert(start, stop):
        found[start:stop] = np.linalg.inv(blocks[start:stop])

    workers.run(invert, workers.chunks(count, -(-count // _TASKS)))
    return found


def _one_by_one(blocks):
    with np.errstate(divide="ignore", over="ignore"):
        return 1 / blocks


def _two_by_two(blocks):
    """PA = LU with partial pivoting, in double precision, and the two columns of U^-1 L^-1 P."""
    xp = namespace_of(blocks)
    blocks = blocks.astype(np.result_type(blocks.dtype, np.float64), copy=False)
    a, b, c, d = (xp.ascontiguousarray(blocks[:, i, j]) for i in (0, 1) for j in (0, 1))
    swap = abs(c) > abs(a)
    a, c = xp.where(swap, c, a), xp.where(swap, a, c)
    b, d = xp.where(swap, d, b), xp.where(swap, b, d)
    found = xp.empty_like(blocks, order="C")
    with np.errstate(all="ignore"):
        m = c / a
        pivot = d - m * b
        first = -m / pivot
        top = (1 - b * first) / a
        second = 1 / pivot
        corner = -b * second / a
    found[:, 0, 0], found[:, 0, 1] = xp.where(swap, corner, top), xp.where(swap, top, corner)
    found[:, 1, 0], found[:, 1, 1] = xp.where(swap, second, first), xp.where(swap, first, second)
    return found


def _careful(blocks, batch, structure):
    """Blocks scaled by powers of two, one by one; names the singular one."""
    try:
        found, _ = stacks.inverse(blocks, str)
    except np.linalg.LinAlgError as error:
        raise renamed(error, batch, structure) from None
    return _checks.representable(found, f"inverse of {structure}")


def place(i, d):
    """Block i of a stack in words."""
    return f"block (i, l) = {divmod(int(i), d)}"


def renamed(error, batch, structure):
    """What ``stacks`` says of "BlockDiagonal: 3, pivot 1", said of this factor and its blocks."""
    words = str(error).partition("BlockDiagonal: ")[2]
    number, comma, rest = words.partition(",")
    if number.isdigit():
        words = place(number, batch[-1]) + comma + rest
    return _checks.singular(structure, words)
