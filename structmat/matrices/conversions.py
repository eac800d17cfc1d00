"""A.to(cls): a matrix in another family, exactly. The one module that may import two families.

Every family goes to Dense and Sparse. Between the others only conversions that are exact for every
member are listed; for the nearest member of a family use :func:`structmat.project`.
"""

import numpy as np

from structmat import _rules
from structmat.matrices.elementary import (
    Banded,
    Dense,
    Diagonal,
    Identity,
    LowRank,
    Permutation,
    Sparse,
    Tridiagonal,
    Zeros,
)
from structmat.matrices.kronecker import Kronecker, KroneckerSum

__all__ = ["convert"]

_table: dict = {}


def _conversion(source, target):
    def add(function):
        _table[source, target] = function
        return function

    return add


@_rules.maker("convert")
def convert(A, cls, options):
    """`A` as a `cls`, by the rule of the nearest base class; TypeError when there is none."""
    if type(A) is cls:
        return A
    if cls is Dense:
        return Dense(A.toarray())
    for base in type(A).__mro__:
        if (base, cls) in _table:
            return _table[base, cls](A, **options)
    if cls is Sparse:
        return Sparse(A.tosparse())
    raise TypeError(
        f"{type(A).__name__} has no exact conversion to {getattr(cls, '__name__', cls)}; "
        "for the nearest one use structmat.project(A, cls)"
    )


@_conversion(Identity, Diagonal)
def _(A):
    return Diagonal(np.ones(A.shape[0], A.dtype))


@_conversion(Diagonal, Tridiagonal)
def _(A):
    zeros = np.zeros(max(A.shape[0] - 1, 0), A.dtype)
    return Tridiagonal(zeros, A.values, zeros)


@_conversion(Diagonal, Banded)
def _(A):
    return Banded(A.values[None, :], 0, 0)


@_conversion(Tridiagonal, Banded)
def _(A):
    n = A.shape[0]
    bands = np.zeros((3, n), A.dtype)
    bands[1] = A.diag
    bands[0, 1:], bands[2, : max(n - 1, 0)] = A.upper, A.lower
    return Banded(bands, 1, 1)


@_conversion(Permutation, Sparse)
def _(A):
    n = A.shape[0]
    return Sparse((np.ones(n, A.dtype), A.p, np.arange(n + 1), (n, n)))


@_conversion(Zeros, LowRank)
def _(A):
    return LowRank(*(np.zeros((size, 0), A.dtype) for size in A.shape))


@_conversion(Diagonal, Sparse)
def _(A):
    n = A.shape[0]
    return Sparse((A.values, np.arange(n), np.arange(n + 1), (n, n)))


@_conversion(Kronecker, Sparse)
def _(A):
    """Kronecker product of the factors' sparse arrays: cost and memory of the non-zeros only."""
    from scipy.sparse import csr_array, kron

    result = csr_array(np.ones((1, 1), A.dtype))
    for factor in A.factors:
        result = kron(result, _rules.lift(factor).to(Sparse).tosparse(), format="csr")
    return Sparse(csr_array(result))


@_conversion(KroneckerSum, Kronecker)
def _(A):
    """Only a Kronecker sum of one factor is a Kronecker product."""
    if len(A.factors) != 1:
        raise TypeError("a Kronecker sum of several factors is not a Kronecker product")
    return Kronecker(*A.factors)
