"""Sums and products that stay constant along diagonals."""

import numpy as np

from structmat import _rules
from structmat.matrices.displacement.circulant import Circulant
from structmat.matrices.displacement.hankel import Hankel
from structmat.matrices.displacement.toeplitz import Toeplitz
from structmat.matrices.elementary.dense import closed_with_dense
from structmat.matrices.elementary.diagonal import Diagonal
from structmat.matrices.elementary.identity import Identity
from structmat.matrices.elementary.permutation import Permutation

__all__: list[str] = []

for _family in (Circulant, Toeplitz, Hankel):
    closed_with_dense(_family)


def as_toeplitz(C):
    """A circulant matrix as a Toeplitz one."""
    return Toeplitz(C.c, C._transpose().c)


# ---------------------------------------------------------------- sums


@_rules.register("add", Circulant, Circulant)
def _(A, B):
    return Circulant(A.c + B.c)


@_rules.register("add", Toeplitz, Toeplitz)
def _(A, B):
    return Toeplitz(A.c + B.c, A.r + B.r)


@_rules.register("add", Hankel, Hankel)
def _(A, B):
    return Hankel(A.c + B.c, A.r + B.r)


@_rules.register("add", Circulant, Toeplitz)
def _(A, B):
    return as_toeplitz(A) + B


@_rules.register("add", Toeplitz, Circulant)
def _(A, B):
    return A + as_toeplitz(B)


def _constant(D):
    """The number of a multiple of the identity, None for any other diagonal matrix."""
    if isinstance(D, Identity):
        return D.dtype.type(1)
    return D.values[0] if len(D.values) and bool((D.values == D.values[0]).all()) else None


def _plus_multiple(A, D):
    value = _constant(D)
    if value is None or not A.shape[0]:
        return NotImplemented
    dtype = np.result_type(A.dtype, D.dtype)
    c = A.c.astype(dtype)  # a copy
    c[0] += value
    return Circulant(c) if isinstance(A, Circulant) else Toeplitz(c, A.r)


for _family in (Circulant, Toeplitz):
    for _other in (Identity, Diagonal):
        _rules.register("add", _family, _other)(_plus_multiple)
        _rules.register("add", _other, _family)(lambda D, A: _plus_multiple(A, D))


# ---------------------------------------------------------------- products


@_rules.register("matmul", Circulant, Circulant)
def _(A, B):
    """The first column of the product is A times that of B."""
    return Circulant(A @ B.c)


@_rules.register("solve", Circulant, Circulant)
def _(A, B):
    return Circulant(A.solve(B.c))


def _is_reversal(P):
    xp, n = P._namespace, P.shape[0]
    return bool((P.p == xp.arange(n - 1, -1, -1)).all())


@_rules.register("matmul", Toeplitz, Permutation)
@_rules.register("matmul", Hankel, Permutation)
def _(A, P):
    if not _is_reversal(P) or not A._h.size:
        return NotImplemented
    h, n = A._h.astype(np.result_type(A.dtype, P.dtype), copy=False), A.shape[1]
    if isinstance(A, Toeplitz):  # (T J)[i, j] = T[i, n - 1 - j] = h[i + j]
        return Hankel._of(h, A.shape[0])
    return Toeplitz(h[n - 1 :], h[:n][::-1])


@_rules.register("matmul", Permutation, Toeplitz)
@_rules.register("matmul", Permutation, Hankel)
def _(P, A):
    """J A = (A^T J)^T."""
    product = _rules.combine("matmul", A._transpose(), P)
    return product._transpose() if isinstance(product, Toeplitz | Hankel) else NotImplemented


# ---------------------------------------------------------------- entrywise products


@_rules.register("hadamard", Circulant, Circulant)
def _(A, B):
    return Circulant(A.c * B.c)


@_rules.register("hadamard", Toeplitz, Toeplitz)
def _(A, B):
    return Toeplitz(A.c * B.c, A.r * B.r)


@_rules.register("hadamard", Hankel, Hankel)
def _(A, B):
    return Hankel(A.c * B.c, A.r * B.r)


@_rules.register("hadamard", Circulant, Toeplitz)
def _(A, B):
    return _rules.combine("hadamard", as_toeplitz(A), B)


@_rules.register("hadamard", Toeplitz, Circulant)
def _(A, B):
    return _rules.combine("hadamard", A, as_toeplitz(B))
