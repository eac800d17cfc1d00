"""Sums, products and elementwise products of bands."""

import numpy as np

from structmat import _rules
from structmat.matrices.base import StructuredMatrix
from structmat.matrices.elementary.banded import Banded
from structmat.matrices.elementary.diagonal import Diagonal
from structmat.matrices.elementary.identity import Identity

__all__ = ["add", "as_banded", "multiply", "on_bands"]


def add(A, B):
    """The sum of two bands is a band of the larger widths."""
    lower, upper = max(A.lower, B.lower), max(A.upper, B.upper)
    bands = A._widened(lower, upper) + B._widened(lower, upper)
    return Banded(bands, lower, upper, A.shape)


def multiply(A, B):
    """The widths of a product add; it is declined where the result would be as large as dense.

    C[i, j] = sum_k A[i, k] B[k, j]: diagonal s of B, k = j + s - upper_B, multiplies whole columns
    of A's bands, which then lie s rows lower in C's.
    """
    lower, upper = A.lower + B.lower, A.upper + B.upper
    if 2 * (lower + upper + 1) > A.shape[0] + B.shape[1] + 8:
        return NotImplemented
    xp, n = A._namespace, B.shape[1]
    bands = xp.zeros((lower + upper + 1, n), np.result_type(A.dtype, B.dtype))
    left, right = A._clean(), B.bands
    for s in range(len(right)):
        down = s - B.upper
        first, last = max(0, -down), min(n, B.shape[0] - down)
        if first < last:
            columns = left[:, first + down : last + down] * right[s, first:last]
            bands[s : s + len(left), first:last] += columns
    return Banded(bands, lower, upper, (A.shape[0], n))


def as_banded(A):
    """A band, a diagonal, or a family that says `_banded` (Tridiagonal) as a Banded."""
    if isinstance(A, Banded):
        return A
    if isinstance(A, Diagonal | Identity):
        return Banded(A.diagonal()[None, :], 0, 0)
    return A._banded()


def on_bands(rule):
    """`rule` for two bands, or a band and a diagonal."""
    return lambda A, B: rule(as_banded(A), as_banded(B))


for _pair in ((Banded, Banded), (Banded, Diagonal), (Diagonal, Banded), (Banded, Identity),
              (Identity, Banded)):  # fmt: skip
    _rules.register("add", *_pair)(on_bands(add))
_rules.register("matmul", Banded, Banded)(multiply)


@_rules.register("hadamard", Banded, StructuredMatrix)
def _(A, B):
    if isinstance(B, Diagonal | Identity):
        return NotImplemented
    xp, (m, n) = A._namespace, A.shape
    j = xp.broadcast_to(xp.arange(n), A.bands.shape)
    i = j + (xp.arange(len(A.bands)) - A.upper)[:, None]
    inside = A._inside()
    values = B._entries(xp.where(inside, i, 0), j) if A.bands.size and m else A._clean()
    if values is NotImplemented:
        return NotImplemented
    return Banded(A._clean() * xp.where(inside, values, 0), A.lower, A.upper, A.shape)


@_rules.register("hadamard", StructuredMatrix, Banded)
def _(A, B):
    return _rules.combine("hadamard", B, A) if not isinstance(A, Banded) else NotImplemented
