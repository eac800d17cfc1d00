"""Singular values and eigenvalues of a Kronecker product: all products of those of its factors."""

import functools

import numpy as np

from structmat import _checks, linalg
from structmat._backend import dense as lapack
from structmat._backend.arrays import is_array, namespace_of
from structmat._results import SVDResult
from structmat.matrices.elementary import Block, Diagonal, Permutation, Zeros
from structmat.matrices.kronecker import ranked
from structmat.matrices.kronecker.modes import is_hermitian, size_of
from structmat.matrices.kronecker.products import each, together

__all__ = ["columns", "eig", "eigvals", "factor_svds", "host", "outer", "svd", "svds", "svdvals"]


def host(x):
    """A small list of values as a NumPy array."""
    return x if isinstance(x, np.ndarray) else x.get()


def outer(values):
    """All products of one entry of each vector, in the order of np.kron."""
    return functools.reduce(lambda a, b: (a[:, None] * b).reshape(-1), together(values))


def columns(Q, order):
    """Q[:, order] as a lazy product with a permutation."""
    return Q @ Permutation(_inverse(order), dtype=Q.dtype)


def _inverse(order):
    """Permutation(p) @ x = x[p], so column j of Q P is column i of Q with p[i] = j."""
    inverse = namespace_of(order).empty_like(order)
    inverse[order] = namespace_of(order).arange(len(order))
    return inverse


# ---------------------------------------------------------------- singular values


def factor_svds(factors, full_matrices=False):
    """The SVD of every factor."""
    return each(
        lambda F: lapack.svd(F, full_matrices) if is_array(F) else linalg.svd(F, full_matrices),
        factors,
    )


def _factor_svdvals(F):
    return lapack.svdvals(F) if is_array(F) else linalg.svdvals(F)


def svdvals(A):
    """All min(m, n) singular values, descending; zeros where tall and wide factors meet."""
    _checks.guard_dense((min(A.shape), 1), A.dtype, "svdvals")
    S = outer(each(_factor_svdvals, A._parts))
    xp = namespace_of(S)
    return xp.concatenate([xp.sort(S)[::-1], xp.zeros(min(A.shape) - len(S), S.dtype)])


def svd(A, full_matrices, Kronecker):
    """(U, S, Vh): U and Vh are Kronecker products times a permutation, or a choice of columns.

    A product with a_i rows and b_i columns has prod min(a_i, b_i) singular values of its own. Where
    tall and wide factors meet that is less than min(m, n), and the SVD is completed by zeros and by
    null vectors, which are columns of the Kronecker product of the full U_i and V_i.
    """
    m, n = A.shape
    k = min(m, n)
    _checks.guard_dense((max(m, n), 1), A.dtype, "svd")
    own = size_of(min(F.shape) for F in A.factors)
    full = full_matrices or own < k
    parts = factor_svds(A._parts, full)
    S = outer([S for _, S, _ in parts])
    xp = namespace_of(S)
    order = xp.argsort(-S, stable=True) if xp is np else xp.argsort(-S)
    U = Kronecker(*(U for U, _, _ in parts))
    Vh = Kronecker(*(Vh for _, _, Vh in parts))
    S = xp.concatenate([S[order], xp.zeros(k - own, S.dtype)])
    ranks = [min(F.shape) for F in A.factors]
    at_left = _positions(order, ranks, [part[0].shape[1] for part in parts])
    at_right = _positions(order, ranks, [part[2].shape[0] for part in parts])
    left = _chosen(U, at_left, m if full_matrices else k)
    right = _chosen(Vh._adjoint(), at_right, n if full_matrices else k)
    return left, S, right._adjoint()


def _positions(order, ranks, widths):
    """Flat indices in `widths` of the multi-indices whose flat indices in `ranks` are `order`."""
    if ranks == widths:
        return order
    xp = namespace_of(order)
    return xp.ravel_multi_index(xp.unravel_index(order, ranks), widths)


def _chosen(Q, position, wanted):
    """The columns `position` of Q, then as many others as make `wanted`, as a lazy product."""
    width = Q.shape[1]
    xp = namespace_of(position)
    if len(position) < width:
        others = xp.ones(width, bool)
        others[position] = False
        position = xp.concatenate([position, xp.flatnonzero(others)])
    every = columns(Q, position)
    if wanted == width:
        return every
    ones = Diagonal(xp.ones(wanted, Q.dtype))  # an identity on the device of Q
    return every @ Block([[ones], [Zeros(width - wanted, wanted, Q.dtype)]])


def svds(A, k):
    """The k largest singular triplets, from k log k candidates."""
    if k > size_of(min(F.shape) for F in A.factors):
        return NotImplemented  # null vectors are wanted: the full SVD knows them
    parts = factor_svds(A._parts)
    S, index = ranked.leading([host(S) for _, S, _ in parts], k)
    U = selected([U for U, _, _ in parts], index, A.shape[0])
    V = selected([_adjoint(Vh) for _, _, Vh in parts], index, A.shape[1])
    xp = A._namespace or np
    return SVDResult(U, xp.asarray(S), V.conj().T)


def _adjoint(M):
    return M.conj().T if is_array(M) else M._adjoint()


def selected(matrices, index, rows):
    """Columns q_1 (x) ... (x) q_d, q_i = matrices[i][:, index[:, i]]: an array, or lazy when large.

    The limit is that of a `DensifyWarning`; a KhatriRao holds (n_1 + ... + n_d) k numbers instead.
    """
    blocks = together([M[:, index[:, i]] for i, M in enumerate(matrices)])
    if _checks.dense_bytes((rows, len(index)), blocks[0].dtype) > _checks.DENSIFY_WARN_BYTES:
        from structmat.matrices.kronecker.khatri_rao import KhatriRao

        return KhatriRao(*blocks)
    return functools.reduce(
        lambda a, b: (a[:, None, :] * b[None, :, :]).reshape(-1, a.shape[1]), blocks
    )


# ---------------------------------------------------------------- eigenvalues


def _factor_eig(F):
    """Eigenvalues and vectors; orthonormal ones for a Hermitian factor."""
    if not is_array(F):
        return linalg.eigh(F) if is_hermitian(F) else linalg.eig(F)
    return lapack.eigh(F) if is_hermitian(F) else lapack.eig(F)


def _factor_eigvals(F):
    if not is_array(F):
        return linalg.eigvalsh(F) if is_hermitian(F) else linalg.eigvals(F)
    return lapack.eigvalsh(F) if is_hermitian(F) else lapack.eigvals(F)


def eig(factors):
    """(w, [V_i]): eigenvalues in the order of np.kron, the vectors of every factor."""
    pairs = each(_factor_eig, factors)
    size = size_of(len(w) for w, _ in pairs)
    _checks.guard_dense((size, 1), np.complex128, "eig")
    return outer([w for w, _ in pairs]), [V for _, V in pairs]


def eigvals(factors):
    """All products of the factors' eigenvalues."""
    values = each(_factor_eigvals, factors)
    _checks.guard_dense((size_of(len(w) for w in values), 1), np.complex128, "eigvals")
    return outer(values)
