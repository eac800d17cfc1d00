"""Dense: an array as a structured matrix, with LAPACK behind every verb."""

import warnings

import numpy as np

from structmat import _checks, _rules
from structmat._backend import dense
from structmat._backend.arrays import namespace_of
from structmat._results import (
    Cost,
    EighResult,
    EigResult,
    Factorization,
    ProjectionResult,
    QRResult,
    SVDResult,
)
from structmat.matrices.base import StructuredMatrix
from structmat.matrices.elementary import _shared

__all__ = ["Dense"]


class Dense(StructuredMatrix):
    """A matrix without structure: an array that takes part in structured algebra.

    Every verb is LAPACK's, in the array's own precision. It is what ``_rules.lift`` makes of an
    array, and what a verb falls back to when a family has no rule.

    ==================  ==========================================
    product             2 m n flops a column
    solve, slogdet      2/3 n^3, LU with partial pivoting
    svd                 about 20 n^3, divide and conquer
    eigh                9 n^3, divide and conquer
    ==================  ==========================================

    Parameters
    ----------
    array : array, shape (m, n)
        The entries, any strides; stored as given.

    Raises
    ------
    ValueError
        Not two-dimensional.
    TypeError
        Of a dtype that is not supported.

    References
    ----------
    .. [1] E. Anderson et al., *LAPACK Users' Guide*, 3rd ed., SIAM, 1999.

    Examples
    --------
    >>> import structmat as sm
    >>> A = sm.Dense([[2.0, 1.0], [1.0, 3.0]])
    >>> A.solve([3.0, 4.0])
    array([1., 1.])
    """

    _parameters = ("array",)

    def __init__(self, array):
        self.array = _checks.as_parameter(array, "array", ndim=2)
        super().__init__(self.array.dtype, self.array.shape)

    def _apply(self, X):
        return self.array @ X

    def _adjoint(self):
        return Dense(self.array.T if self.dtype.kind != "c" else self.array.conj().T)

    def _transpose(self):
        return Dense(self.array.T)

    def _toarray(self):
        return self.array.copy()

    def _factorize(self):
        return _DenseLU(self)

    def _slogdet(self):
        return dense.slogdet(self.array)

    def _inv(self):
        return Dense(_DenseLU(self).lu.inv())

    def _diagonal(self):
        return self.array.diagonal().copy()

    def _trace(self):
        return self.array.trace()

    def _entries(self, i, j):
        xp = self._namespace
        return self.array[xp.asarray(i), xp.asarray(j)]

    def _svd(self, full_matrices):
        return SVDResult(*dense.svd(self.array, full_matrices))

    def _svdvals(self):
        return dense.svdvals(self.array)

    def _eigh(self):
        return EighResult(*dense.eigh(self.array))

    def _eigvalsh(self):
        return dense.eigvalsh(self.array)

    def _eig(self):
        return EigResult(*dense.eig(self.array))

    def _eigvals(self):
        return dense.eigvals(self.array)

    def _is_hermitian(self):
        adjoint = self.array.conj().T
        return self.shape[0] == self.shape[1] and _shared.same_to_rounding(self.array, adjoint)

    def _qr(self):
        return QRResult(*dense.qr(self.array))

    def _cholesky(self):
        L, minor = dense.cholesky(self.array)
        if minor is not None:
            raise _checks.not_positive_definite("Dense", f"leading minor of order {minor}")
        return _rules.make("triangular", L)

    def _norm(self, ord):
        return dense.norm(self.array, ord)

    def _pinv(self, rcond):
        U, S, Vh = dense.svd(self.array)
        keep = S > (rcond * S[0] if len(S) else 0)
        weights = keep / (S + ~keep)
        return Dense(((Vh.conj().T * weights) @ U.conj().T).astype(self.dtype, copy=False))

    def _power(self, n):
        _checks.finite(self.array)
        with np.errstate(over="ignore", invalid="ignore"):
            power = self._namespace.linalg.matrix_power(self.array, n)
        return Dense(_checks.representable(power, "A ** n"))

    def _expm(self):
        import scipy.linalg

        _checks.host_only(self, "expm")
        _checks.finite(self.array)
        if not self.shape[0]:
            return self
        with np.errstate(over="ignore", invalid="ignore"):
            exponential = scipy.linalg.expm(self.array)
        return Dense(_checks.representable(exponential, "expm").astype(self.dtype, copy=False))

    def _sqrtm(self):
        import scipy.linalg

        X = self._function(scipy.linalg.sqrtm, "sqrtm")
        # A singular matrix may have no square root at all; LAPACK-like code then returns something.
        with np.errstate(all="ignore"):
            error = dense.norm(X @ X - self.array, 1)
        tolerance = 1e3 * max(len(X), 1) * float(np.finfo(self.dtype).eps)
        if not error <= tolerance * max(dense.norm(X, 1) ** 2, dense.norm(self.array, 1)):
            raise np.linalg.LinAlgError("sqrtm: this singular matrix has no principal square root")
        return Dense(X)

    def _logm(self):
        import scipy.linalg

        pivot = dense.lu_factor(self.array).zero_pivot
        if pivot is not None:
            raise _checks.singular("Dense", f"pivot {pivot} is exactly zero: there is no logarithm")
        return Dense(_checks.finite(self._function(scipy.linalg.logm, "logm"), "logm: the result"))

    def _function(self, f, verb):
        """One of SciPy's matrix functions in the precision of the matrix, real where possible."""
        _checks.host_only(self, verb)
        _checks.finite(self.array)
        if not self.shape[0]:
            return self.array
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            X = f(self.array)
        if X.dtype.kind == "c" and self.dtype.kind != "c" and not X.imag.any():
            X = X.real
        complex_ = X.dtype.kind == "c"
        return X.astype(np.result_type(self.dtype, np.complex64) if complex_ else self.dtype)

    def _scale(self, c):
        return Dense(self.array * c)

    def _cost(self, verb, ncols):
        m, n = self.shape
        moved = float(_checks.dense_bytes(self.shape, self.dtype))
        each = 4.0 if self.dtype.kind == "c" else 1.0
        if verb == "matmul":
            return Cost("BLAS product", each * 2.0 * m * n * ncols, moved)
        if verb == "solve":
            return Cost("LAPACK LU", each * (2 / 3 * n**3 + 2.0 * n * n * ncols), moved)
        if verb == "slogdet":
            return Cost("LAPACK LU", each * 2 / 3 * n**3, moved)
        return NotImplemented

    @classmethod
    def _random(cls, shape, rng, dtype):
        """I + G / (4 sqrt(n)): its singular values lie between a half and one and a half."""
        G = rng.standard_normal(shape)
        if dtype.kind == "c":
            G = (G + 1j * rng.standard_normal(shape)) / np.sqrt(2)
        return cls((np.eye(*shape) + G / (4 * np.sqrt(max(*shape, 1)))).astype(dtype))

    @classmethod
    def _project(cls, M, rtol, budget):
        """Every matrix is one of these."""
        M = _shared.lifted(M)
        M = M if isinstance(M, Dense) else cls(_checks.densify(M, "project"))
        return ProjectionResult(M, 0.0, 0.0, 0.0)

    def _rows(self, op, s):
        """Rows multiplied or divided by s: `op` is the namespace's multiply or divide."""
        return Dense(op(self.array, s[:, None]))

    def _columns(self, op, s):
        return Dense(op(self.array, s))


class _DenseLU(Factorization):
    """P A = L U of LAPACK."""

    method = "LU with partial pivoting"
    structure = "Dense"

    def __init__(self, A):
        self.shape, self.dtype = A.shape, A.dtype
        self.lu = dense.lu_factor(A.array)
        if self.lu.zero_pivot is not None:
            raise _checks.singular("Dense", f"pivot {self.lu.zero_pivot} is exactly zero")

    @property
    def rcond(self):
        return self.lu.rcond

    def _solve(self, B):
        return self.lu.solve(B, check_finite=False)

    def _slogdet(self):
        return self.lu.slogdet()


# ---------------------------------------------------------------- closure


def closed_with_dense(cls):
    """Register products and sums of a family with Dense, which stay Dense."""

    @_rules.register("matmul", cls, Dense)
    def _(A, B):
        # A tall A of few parameters would grow into a large array: that product stays lazy.
        return Dense(A @ B.array) if A.shape[0] <= 2 * A.shape[1] else NotImplemented

    @_rules.register("matmul", Dense, cls)
    def _(A, B):
        return Dense(A.array @ B) if B.shape[1] <= 2 * B.shape[0] else NotImplemented

    @_rules.register("add", cls, Dense)
    def _(A, B):
        return Dense(A.toarray() + B.array)

    @_rules.register("add", Dense, cls)
    def _(A, B):
        return Dense(A.array + B.toarray())


@_rules.register("matmul", Dense, Dense)
def _matmul(A, B):
    return Dense(A.array @ B.array)


@_rules.register("add", Dense, Dense)
def _add(A, B):
    return Dense(A.array + B.array)


@_rules.register("hadamard", Dense, Dense)
def _hadamard(A, B):
    return Dense(A.array * B.array)


@_rules.register("solve", StructuredMatrix, Dense)
def _solve(A, B):
    return Dense(A.solve(B.array))


@_rules.maker("dense")
def _make(array):
    # An array of A.toarray() in any namespace; strides are LAPACK's concern.
    return Dense(array if namespace_of(array) is not None else np.asarray(array))
