"""Identity: a matrix that holds nothing but its order."""

import math

import numpy as np

from structmat import _checks, _rules
from structmat._backend.arrays import namespace_of
from structmat._results import (
    Cost,
    EighResult,
    EigResult,
    Factorization,
    LstsqResult,
    QRResult,
    SVDResult,
)
from structmat.matrices.base import StructuredMatrix

__all__ = ["Identity"]


def real(dtype):
    """The real dtype of the same precision."""
    return np.finfo(dtype).dtype


class Identity(StructuredMatrix):
    """The identity: A[i, j] = 1 if i == j else 0.

    It has no arrays and therefore no device; it acts on NumPy and CuPy arrays alike. A multiple
    ``c * I`` is a :class:`Diagonal` whose constant is stored once. All verbs cost O(n) at most.

    Parameters
    ----------
    n : int
        Order.
    dtype : dtype, optional
        float32, float64 (default), complex64 or complex128.

    Raises
    ------
    ValueError
        `n` is negative.
    TypeError
        `n` is not an integer, or the dtype is not supported.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> sm.Identity(3) @ np.arange(3.0)
    array([0., 1., 2.])
    """

    _parameters = ("n", "dtype")

    def __init__(self, n, dtype=np.float64):
        self.n = _checks.size(n, "n")
        super().__init__(_checks.result_dtype(dtype, "Identity"), (self.n, self.n))

    def _apply(self, X):
        return X.copy()

    def _adjoint(self):
        return self

    def _toarray(self):
        return np.eye(self.n, dtype=self.dtype)

    def tosparse(self):
        """The matrix as a :class:`scipy.sparse.csr_array`."""
        from scipy.sparse import eye_array

        return eye_array(self.n, dtype=self.dtype, format="csr")

    def _factorize(self):
        return Unchanged(self)

    def _inv(self):
        return self

    def _pinv(self, rcond):
        return self

    def _slogdet(self):
        return 1.0, 0.0

    def _diagonal(self):
        return np.ones(self.n, self.dtype)

    def _trace(self):
        return self.dtype.type(self.n)

    def _entries(self, i, j):
        return np.asarray(i == j, dtype=self.dtype)

    def _svd(self, full_matrices):
        return SVDResult(self, self._svdvals(), self)

    def _svdvals(self):
        return np.ones(self.n, real(self.dtype))

    def _svds(self, k):
        return SVDResult(self._leading(k), np.ones(k, real(self.dtype)), self._leading(k).T)

    def _leading(self, k):
        return np.eye(self.n, k, dtype=self.dtype)

    def _eigh(self):
        return EighResult(self._svdvals(), self)

    def _eigvalsh(self):
        return self._svdvals()

    def _eigsh(self, k, which):
        return EighResult(np.ones(k, real(self.dtype)), self._leading(k))

    def _eig(self):
        return EigResult(self._diagonal(), self)

    def _eigvals(self):
        return self._diagonal()

    def _is_hermitian(self):
        return True

    def _qr(self):
        return QRResult(self, self)

    def _cholesky(self):
        return self

    def _norm(self, ord):
        if not self.n:
            return 0.0
        return {"fro": math.sqrt(self.n), "nuc": float(self.n)}.get(ord, 1.0)

    def _lstsq(self, B, rcond):
        return LstsqResult(B.copy(), None, self.n, namespace_of(B).asarray(self._svdvals()))

    def _rank(self, rtol):
        return self.n if rtol < 1 else 0

    def _power(self, n):
        return self

    def _expm(self):
        return self * math.e

    def _sqrtm(self):
        return self

    def _logm(self):
        return _rules.make("zeros", self.n, self.n, self.dtype)

    def _scale(self, c):
        constant = self.dtype.type(1) * c
        return _rules.make("diagonal", np.broadcast_to(constant, (self.n,)))

    def _cost(self, verb, ncols):
        moved = 2.0 * self.n * ncols * self.dtype.itemsize
        return Cost("nothing to do", 0.0, moved)

    @classmethod
    def _random(cls, shape, rng, dtype):
        if shape[0] != shape[1]:
            raise ValueError(f"an Identity is square; got shape {shape}")
        return cls(shape[0], dtype)


class Unchanged(Factorization):
    """Nothing to do: the identity, or a matrix of order 0."""

    method = "identity"
    structure = "Identity"

    def __init__(self, A):
        self.shape, self.dtype = A.shape, A.dtype

    def _solve(self, B):
        return B.copy()

    def _slogdet(self):
        return 1.0, 0.0


# ---------------------------------------------------------------- closure


def promoted(A, B):
    """A in the common dtype of the two."""
    return A.astype(np.result_type(A.dtype, B.dtype))


_rules.maker("identity")(Identity)


@_rules.register("matmul", Identity, StructuredMatrix)
def _(A, B):
    return promoted(B, A)


@_rules.register("matmul", StructuredMatrix, Identity)
def _(A, B):
    return promoted(A, B)


@_rules.register("solve", Identity, StructuredMatrix)
def _(A, B):
    return promoted(B, A)


@_rules.register("kron", Identity, Identity)
def _(A, B):
    return Identity(A.n * B.n, np.result_type(A.dtype, B.dtype))
