"""Zeros: a matrix that holds nothing but its shape."""

import math

import numpy as np

from structmat import _checks, _rules
from structmat._backend.arrays import namespace_of
from structmat._results import (
    Cost,
    EighResult,
    EigResult,
    LstsqResult,
    ProjectionResult,
    QRResult,
    SVDResult,
)
from structmat.matrices.base import StructuredMatrix
from structmat.matrices.elementary import _shared
from structmat.matrices.elementary.identity import Identity, Unchanged, promoted, real

__all__ = ["Zeros"]


class Zeros(StructuredMatrix):
    """The zero matrix, A[i, j] = 0.

    Parameters
    ----------
    m, n : int
        Rows and columns.
    dtype : dtype, optional
        float32, float64 (default), complex64 or complex128.

    Raises
    ------
    ValueError
        A size is negative.
    TypeError
        A size is not an integer, or the dtype is not supported.

    Notes
    -----
    ``Zeros @ B`` is Zeros whatever B holds: a NaN in B does not propagate.

    Examples
    --------
    >>> import structmat as sm
    >>> sm.Zeros(2, 3) + sm.Dense([[1.0, 2.0, 3.0]] * 2)
    <2x3 Dense of dtype float64, 48 B, 1 of dense>
    """

    _parameters = ("m", "n", "dtype")

    def __init__(self, m, n, dtype=np.float64):
        self.m, self.n = _checks.size(m, "m"), _checks.size(n, "n")
        super().__init__(_checks.result_dtype(dtype, "Zeros"), (self.m, self.n))

    def _apply(self, X):
        return namespace_of(X).zeros((self.m, X.shape[1]), self.dtype)

    def _adjoint(self):
        return Zeros(self.n, self.m, self.dtype)

    def _toarray(self):
        return np.zeros(self.shape, self.dtype)

    def tosparse(self):
        """The matrix as a :class:`scipy.sparse.csr_array`."""
        from scipy.sparse import csr_array

        return csr_array(self.shape, dtype=self.dtype)

    def _factorize(self):
        if self.n:
            raise _checks.singular("Zeros", "every entry is zero")
        return Unchanged(self)

    def _inv(self):
        if self.n:
            raise _checks.singular("Zeros", "every entry is zero")
        return self

    def _pinv(self, rcond):
        return self._adjoint()

    def _slogdet(self):
        return (0.0, -math.inf) if self.n else (1.0, 0.0)

    def _diagonal(self):
        return np.zeros(min(self.shape), self.dtype)

    def _trace(self):
        return self.dtype.type(0)

    def _entries(self, i, j):
        return np.zeros(np.broadcast_shapes(i.shape, j.shape), self.dtype)

    def _unit(self, n, k):
        """The first k columns of the identity of order n."""
        return Identity(n, self.dtype) if n == k else np.eye(n, k, dtype=self.dtype)

    def _svd(self, full_matrices):
        k = min(self.shape)
        U = self._unit(self.m, self.m if full_matrices else k)
        V = self._unit(self.n, self.n if full_matrices else k)
        return SVDResult(U, self._svdvals(), V.T)

    def _svdvals(self):
        return np.zeros(min(self.shape), real(self.dtype))

    def _svds(self, k):
        left, right = (np.eye(size, k, dtype=self.dtype) for size in self.shape)
        return SVDResult(left, np.zeros(k, real(self.dtype)), right.T)

    def _eigh(self):
        return EighResult(self._svdvals(), Identity(self.n, self.dtype))

    def _eigvalsh(self):
        return self._svdvals()

    def _eigsh(self, k, which):
        zeros = np.zeros(k, real(self.dtype))
        return EighResult(zeros, np.eye(self.n, k, dtype=self.dtype))

    def _eig(self):
        return EigResult(self._diagonal(), Identity(self.n, self.dtype))

    def _eigvals(self):
        return self._diagonal()

    def _is_hermitian(self):
        return self.m == self.n

    def _qr(self):
        k = min(self.shape)
        return QRResult(self._unit(self.m, k), Zeros(k, self.n, self.dtype))

    def _cholesky(self):
        if self.n:
            raise _checks.not_positive_definite("Zeros", "diagonal entry 0")
        return self

    def _norm(self, ord):
        return 0.0

    def _lstsq(self, B, rcond):
        xp = namespace_of(B)
        x = xp.zeros((self.n, B.shape[1]), self.dtype)
        return LstsqResult(x, None, 0, xp.asarray(self._svdvals()))

    def _rank(self, rtol):
        return 0

    def _power(self, n):
        return self

    def _expm(self):
        return Identity(self.n, self.dtype)

    def _sqrtm(self):
        return self

    def _logm(self):
        if self.n:
            raise _checks.singular("Zeros", "there is no logarithm")
        return self

    def _scale(self, c):
        return Zeros(self.m, self.n, np.result_type(self.dtype, c))

    def _cost(self, verb, ncols):
        return Cost("nothing to do", 0.0, 1.0 * self.m * ncols * self.dtype.itemsize)

    @classmethod
    def _random(cls, shape, rng, dtype):
        return cls(*shape, dtype)

    @classmethod
    def _project(cls, M, rtol, budget):
        from structmat import linalg

        M = _shared.lifted(M)
        error = 1.0 if linalg.norm(M) else 0.0
        return ProjectionResult(cls(*M.shape, M.dtype), error, error, error)


# ---------------------------------------------------------------- closure

_rules.maker("zeros")(Zeros)


@_rules.register("matmul", Zeros, StructuredMatrix)
@_rules.register("matmul", StructuredMatrix, Zeros)
@_rules.register("matmul", Zeros, Zeros)
@_rules.register("matmul", Zeros, Identity)
@_rules.register("matmul", Identity, Zeros)
def _(A, B):
    return Zeros(A.shape[0], B.shape[1], np.result_type(A.dtype, B.dtype))


@_rules.register("add", Zeros, StructuredMatrix)
@_rules.register("add", Zeros, Zeros)
def _(A, B):
    return promoted(B, A)


@_rules.register("add", StructuredMatrix, Zeros)
def _(A, B):
    return promoted(A, B)


@_rules.register("kron", Zeros, StructuredMatrix)
@_rules.register("kron", StructuredMatrix, Zeros)
@_rules.register("kron", Zeros, Zeros)
def _(A, B):
    m, n = (s * t for s, t in zip(A.shape, B.shape))
    return Zeros(m, n, np.result_type(A.dtype, B.dtype))


@_rules.register("hadamard", Zeros, StructuredMatrix)
@_rules.register("hadamard", StructuredMatrix, Zeros)
@_rules.register("hadamard", Zeros, Zeros)
def _(A, B):
    return Zeros(*A.shape, np.result_type(A.dtype, B.dtype))
