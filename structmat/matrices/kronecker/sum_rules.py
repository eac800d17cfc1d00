"""What `+` makes of Kronecker structures: the rules of two types for sums."""

import numpy as np

from structmat._rules import register
from structmat.matrices.elementary import Diagonal, Identity
from structmat.matrices.kronecker.matrix import Kronecker
from structmat.matrices.kronecker.modes import constant_of
from structmat.matrices.kronecker.plus_diagonal import KroneckerPlusDiagonal
from structmat.matrices.kronecker.rules import merged_sum
from structmat.matrices.kronecker.sum import KroneckerSum, shifted
from structmat.matrices.kronecker.two_term import KroneckerTwoTerm

__all__ = []

# ---------------------------------------------------------------- K + D, K + L


def _square(K):
    return all(A.shape[0] == A.shape[1] for A in K.factors)


def _as_diagonal(K):
    """The diagonals of a Kronecker product of diagonal matrices, else None."""
    if not all(isinstance(A, Diagonal | Identity) for A in K.factors):
        return None
    xp = K._namespace or np
    return tuple(xp.asarray(A.diagonal()) for A in K.factors)


def _plus(K, d):
    if not _square(K):
        return NotImplemented
    # `d` counts with its dtype, as an array does, even where only its value is kept.
    return KroneckerPlusDiagonal(K.astype(np.result_type(K.dtype, d.dtype)), d)


def _plus_diagonal(K, D):
    c = constant_of(D)
    return _plus(K, D.values if c is None else c)


@register("add", Kronecker, Identity)
def _(K, eye):
    return _plus(K, eye.dtype.type(1))


@register("add", Identity, Kronecker)
def _(eye, K):
    return _plus(K, eye.dtype.type(1))


@register("add", Kronecker, Diagonal)
def _(K, D):
    return _plus_diagonal(K, D)


@register("add", Diagonal, Kronecker)
def _(D, K):
    return _plus_diagonal(K, D)


@register("add", Kronecker, Kronecker)
def _(A, B):
    if [F.shape for F in A.factors] != [F.shape for F in B.factors]:
        return NotImplemented
    merged = merged_sum(A, B)
    if merged is not NotImplemented:
        return merged
    for K, D in ((A, B), (B, A)) if _square(A) else ():
        parts = _as_diagonal(D)
        if parts is not None:
            return KroneckerPlusDiagonal(K, parts)
    return KroneckerTwoTerm(A, B)


def _more(A, d):
    """A + diag(d) for a NumPy number or an array d."""
    return _plus(A.kronecker, A._d() + d)


@register("add", KroneckerPlusDiagonal, Identity)
def _(A, eye):
    return _more(A, eye.dtype.type(1))


@register("add", Identity, KroneckerPlusDiagonal)
def _(eye, A):
    return _more(A, eye.dtype.type(1))


@register("add", KroneckerPlusDiagonal, Diagonal)
def _(A, D):
    c = constant_of(D)
    return _more(A, D.values if c is None else c)


@register("add", Diagonal, KroneckerPlusDiagonal)
def _(D, A):
    c = constant_of(D)
    return _more(A, D.values if c is None else c)


# ---------------------------------------------------------------- A (+) B + c I


def _plus_identity(A, c):
    return KroneckerSum(shifted(A.factors[0], c), *A.factors[1:])


@register("add", KroneckerSum, KroneckerSum)
def _(A, B):
    if A._sizes() != B._sizes():
        return NotImplemented
    return KroneckerSum(*(F + G for F, G in zip(A.factors, B.factors)))


@register("add", KroneckerSum, Identity)
def _(A, B):
    return _plus_identity(A, B.dtype.type(1))


@register("add", Identity, KroneckerSum)
def _(A, B):
    return _plus_identity(B, A.dtype.type(1))


@register("add", KroneckerSum, Diagonal)
def _(A, B):
    c = constant_of(B)
    return NotImplemented if c is None else _plus_identity(A, c)


@register("add", Diagonal, KroneckerSum)
def _(A, B):
    c = constant_of(A)
    return NotImplemented if c is None else _plus_identity(B, c)
