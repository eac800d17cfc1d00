"""The rearrangement of Van Loan and Pitsianis: a Kronecker product becomes a tensor of rank one.

For shapes (m_1, n_1) ... (m_d, n_d) the entries of an M with ``m_1 ... m_d`` rows are sorted into a
tensor of d axes, axis i for the pair (row digit i, column digit i):

    T[(i_1, j_1), ..., (i_d, j_d)] = M[(i_1 ... i_d), (j_1 ... j_d)].

It is a permutation of entries, so it keeps the Frobenius norm, and A_1 (x) ... (x) A_d becomes the
outer product of vec(A_1) ... vec(A_d). The classes here hold T as an array, as a list of entries,
or as the action of M, and answer what a fit asks.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from structmat import iterative, linalg
from structmat._backend import dense as lapack
from structmat._backend.arrays import namespace_of
from structmat.matrices.kronecker.products import digits

__all__ = ["ActionMatrix", "DenseTensor", "SparseTensor"]

# Smaller side up to which a whole SVD is cheaper than an iteration.
_WHOLE = 1024
# Entries of a sparse tensor, or of a chunk of an operator, that may be held as an array.
_CHUNK = 2**22


class Leading(NamedTuple):
    """Leading singular triplets of an unfolding.

    `S` holds all values where `whole`; `above` bounds the true leading ones from above.
    """

    U: Any
    S: Any
    V: Any
    whole: bool
    above: Any


def _found(result):
    """What the iteration found; a true value lies within `residual * S[0]` of each of S."""
    S = result.S
    return Leading(result.U, S, result.Vh.conj().T, False, S + result.residual.max() * S[0])


def _leading(matrix, r):
    """r leading triplets of an array or sparse array."""
    r = min(r, *matrix.shape)
    if min(matrix.shape) <= _WHOLE and matrix.shape[0] * matrix.shape[1] <= 4 * _CHUNK:
        array = matrix if hasattr(matrix, "flags") else matrix.toarray()
        U, S, Vh = lapack.svd(array)
        return Leading(U[:, :r], S, Vh[:r].conj().T, True, S)
    adjoint = matrix.conj().T
    return _found(
        iterative.svds(
            lambda X: matrix @ X, lambda Y: adjoint @ Y, matrix.shape, matrix.dtype, r,
            xp=namespace_of(matrix, default=np),
        )
    )  # fmt: skip


def tail(S, r, whole, norm):
    """Root of the sum of squares of the singular values behind the first r."""
    if whole:
        return float(lapack.norm(S[r:, None]))
    kept = float(lapack.norm(S[:r, None]))
    return math.sqrt(max(norm - kept, 0.0) * (norm + kept))


class DenseTensor:
    """T as an array of shape (p_1, ..., p_d)."""

    def __init__(self, T):
        self.T, self.dtype, self.dims = T, T.dtype, T.shape
        self.norm = lapack.norm(T.reshape(T.shape[0], -1)) if T.size else 0.0

    @classmethod
    def of_matrix(cls, M, shapes):
        """The rearrangement of a dense M."""
        d = len(shapes)
        rows, columns = [m for m, _ in shapes], [n for _, n in shapes]
        T = M.reshape(*rows, *columns).transpose([a for i in range(d) for a in (i, d + i)])
        return cls(T.reshape([m * n for m, n in shapes]))

    def leading(self, i, r):
        """r leading singular triplets of the unfolding along axis i."""
        xp = namespace_of(self.T)
        return _leading(xp.moveaxis(self.T, i, 0).reshape(self.dims[i], -1), r)

    def against(self, i, factors):
        """T times the conjugate columns of all factors but the i-th, (p_i, r)."""
        xp = namespace_of(self.T)
        others = [j for j in range(len(factors)) if j != i]
        X = xp.moveaxis(self.T, i, 0)
        X = X.reshape(-1, X.shape[-1]) @ factors[others[-1]].conj()
        for j in reversed(others[:-1]):
            X = xp.einsum("ajr,jr->ar", X.reshape(-1, self.dims[j], X.shape[-1]), factors[j].conj())
        return X

    def distance(self, factors):
        """Frobenius norm of T minus the sum of outer products of columns."""
        X = factors[0]
        for A in factors[1:-1]:
            X = (X[:, None, :] * A[None, :, :]).reshape(-1, A.shape[1])
        return float(lapack.norm(self.T.reshape(len(X), -1) - X @ factors[-1].T))


class SparseTensor:
    """T as a list of entries."""

    def __init__(self, index, values, dims):
        self.index, self.values, self.dims = index, values, tuple(dims)
        self.dtype = values.dtype
        self.norm = float(lapack.norm(values[:, None])) if len(values) else 0.0

    @classmethod
    def of_matrix(cls, M, shapes):
        """The rearrangement of a SciPy sparse array."""
        M = M.tocoo()
        M.sum_duplicates()
        rows = digits(M.row.astype(np.int64), [m for m, _ in shapes])
        columns = digits(M.col.astype(np.int64), [n for _, n in shapes])
        index = [i * n + j for i, j, (_, n) in zip(rows, columns, shapes)]
        return cls(index, M.data, [m * n for m, n in shapes])

    def leading(self, i, r):
        """r leading singular triplets of the unfolding along axis i."""
        return _leading(self._unfolded(i), r)

    def _unfolded(self, i):
        # Columns without an entry are left out: they add nothing to the left vectors and values.
        column = np.zeros(len(self.values), np.int64)
        for j, index in enumerate(self.index):
            if j != i:
                column = column * self.dims[j] + index
        if len(self.dims) > 2:
            _, column = np.unique(column, return_inverse=True)
            width = int(column.max(initial=-1)) + 1
        else:
            width = self.dims[1 - i]
        return csr_array((self.values, (self.index[i], column)), (self.dims[i], max(width, 1)))

    def against(self, i, factors):
        """T times the conjugate columns of all factors but the i-th, (p_i, r)."""
        X = self.values[:, None]
        for j, A in enumerate(factors):
            if j != i:
                X = X * A.conj()[self.index[j]]
        count = len(self.values)
        ones = np.ones(count, self.dtype)
        return csr_array((ones, (self.index[i], np.arange(count))), (self.dims[i], count)) @ X

    def distance(self, factors):
        """Frobenius norm of T minus the sum of outer products of columns."""
        if math.prod(self.dims) <= _CHUNK:
            T = np.zeros(self.dims, self.dtype)
            np.add.at(T, tuple(self.index), self.values)
            return DenseTensor(T).distance(factors)
        grams = math.prod(A.conj().T @ A for A in factors[1:]) * (factors[0].conj().T @ factors[0])
        own = float(grams.sum().real)
        shared = float((factors[0].conj() * self.against(0, factors)).sum().real)
        return math.sqrt(max(self.norm**2 - 2 * shared + own, 0.0))


class ActionMatrix:
    """T of two axes through products with M, a chunk of block columns at a time.

    One product with T, or with its adjoint, costs one pass over M's columns.
    """

    def __init__(self, M, shapes):
        (m1, n1), (m2, n2) = self.shapes = shapes
        self.M, self.dtype, self.dims = M, M.dtype, (m1 * n1, m2 * n2)
        self.norm = linalg.norm(M)
        self.xp = M._namespace or np

    def _chunks(self):
        """(j, rows of T as (m1, c, m2 n2)) for the block columns j ... j + c."""
        (m1, n1), (m2, n2) = self.shapes
        xp = self.xp
        step = max(1, _CHUNK // max(m1 * m2 * n2, n1 * n2, 1))
        for j in range(0, n1, step):
            c = min(step, n1 - j)
            unit = xp.zeros((n1 * n2, c * n2), self.dtype)
            unit[j * n2 : (j + c) * n2] = xp.eye(c * n2, dtype=self.dtype)
            block = (self.M @ unit).reshape(m1, m2, c, n2)
            yield j, c, xp.ascontiguousarray(block.transpose(0, 2, 1, 3)).reshape(m1, c, m2 * n2)

    def _apply(self, X):
        (m1, n1), _ = self.shapes
        out = self.xp.empty((m1, n1, X.shape[1]), self.dtype)
        for j, c, block in self._chunks():
            out[:, j : j + c] = block @ X
        return out.reshape(m1 * n1, -1)

    def _apply_adjoint(self, Y):
        (m1, n1), _ = self.shapes
        Y = Y.reshape(m1, n1, -1)
        out = self.xp.zeros((self.dims[1], Y.shape[-1]), self.dtype)
        for j, c, block in self._chunks():
            wide = block.reshape(m1 * c, -1)
            out += wide.conj().T @ Y[:, j : j + c].reshape(m1 * c, -1)
        return out

    def leading(self, i, r):
        """r leading singular triplets."""
        r = min(r, *self.dims)
        return _found(
            iterative.svds(self._apply, self._apply_adjoint, self.dims, self.dtype, r, xp=self.xp)
        )

    def against(self, i, factors):
        """T times the conjugate columns of the other factor."""
        if i == 0:
            return self._apply(factors[1].conj())
        return self._apply_adjoint(factors[0]).conj()

    def distance(self, factors):
        """Frobenius norm of T minus the sum of outer products of columns, in one pass."""
        (m1, n1), _ = self.shapes
        left = factors[0].reshape(m1, n1, -1)
        total = 0.0
        for j, c, block in self._chunks():
            rest = block - left[:, j : j + c] @ factors[1].T
            total = math.hypot(total, float(lapack.norm(rest.reshape(m1 * c, -1))))
        return total
