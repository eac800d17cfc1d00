"""Triangular: one triangle of an array."""

import functools

import numpy as np
from scipy.linalg import blas

from structmat import _checks, _rules
from structmat._backend import dense
from structmat._backend.lapack import routine
from structmat._results import Cost, Factorization, QRResult
from structmat.matrices.base import StructuredMatrix
from structmat.matrices.elementary import _shared
from structmat.matrices.elementary.dense import Dense, closed_with_dense
from structmat.matrices.elementary.diagonal import Diagonal, closed_with_diagonal
from structmat.matrices.elementary.identity import Identity

__all__ = ["Triangular"]


class Triangular(StructuredMatrix):
    """A triangular matrix: A[i, j] = array[i, j] for i >= j (lower) or i <= j, else 0.

    Only one triangle of the array is read, so the packed factors of an LU decomposition can be used
    as they are.

    ==================  =================================================
    product             n^2 flops a column (trmm)
    solve               n^2 flops a column, substitution (trtrs)
    slogdet, eigvals    O(n), from the diagonal
    inverse             n^3 / 3 (trtri), triangular again
    ==================  =================================================

    Parameters
    ----------
    array : array, shape (n, n)
        Holds the triangle; the rest is ignored, NaN included.
    lower : bool, optional
        True, the default: the lower triangle; False: the upper one.
    unit_diagonal : bool, optional
        The diagonal is 1 and that of the array is ignored.

    Raises
    ------
    ValueError
        The array is not square.

    References
    ----------
    .. [1] N. J. Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed., 2002, chapter 8.

    Examples
    --------
    >>> import structmat as sm
    >>> L = sm.Triangular([[2.0, 9.0], [1.0, 4.0]])
    >>> L.toarray()
    array([[2., 0.],
           [1., 4.]])
    >>> L.inv()
    <2x2 Triangular of dtype float64, 32 B, 1 of dense>
    """

    _parameters = ("array", "lower", "unit_diagonal")

    def __init__(self, array, lower=True, unit_diagonal=False):
        self.array = _checks.as_parameter(array, "array", ndim=2)
        if self.array.shape[0] != self.array.shape[1]:
            raise ValueError(f"`array` must be square; got shape {self.array.shape}")
        self.lower = _checks.flag(lower, "lower")
        self.unit_diagonal = _checks.flag(unit_diagonal, "unit_diagonal")
        super().__init__(self.array.dtype, self.array.shape)

    def _column_major(self):
        """(array, lower, transposed): as BLAS reads the memory, without a copy where possible."""
        if self.array.flags.f_contiguous:
            return self.array, self.lower, False
        return self.array.T, not self.lower, True

    def _apply(self, X):
        if not self._host:
            return self._clean() @ X
        if not X.size:
            return np.zeros_like(X)
        array, lower, transposed = self._column_major()
        if X.shape[1] == 1:
            y = _blas("trmv", self.dtype)(
                array, X.reshape(-1), lower=lower, trans=int(transposed), diag=self.unit_diagonal
            )
            return y.reshape(-1, 1)
        # Row-major X is X^T to BLAS: Y^T = X^T A^T, from the right.
        trmm = _blas("trmm", self.dtype)
        return trmm(
            1.0, array, X.T, side=1, lower=lower, trans_a=int(not transposed),
            diag=self.unit_diagonal,
        ).T  # fmt: skip

    def _adjoint(self):
        array = self.array.T if self.dtype.kind != "c" else self.array.conj().T
        return Triangular(array, not self.lower, self.unit_diagonal)

    def _transpose(self):
        return Triangular(self.array.T, not self.lower, self.unit_diagonal)

    def _toarray(self):
        return self._clean()

    def _clean(self):
        """The dense matrix: zeros beyond the triangle, ones on a unit diagonal."""
        xp = self._namespace
        clean = xp.tril(self.array) if self.lower else xp.triu(self.array)
        if self.unit_diagonal:
            xp.fill_diagonal(clean, 1)
        return clean

    def _factorize(self):
        return _Substitution(self)

    def _inv(self):
        clean = self._invertible()
        if not self.shape[0]:
            return self
        if not self._host:
            eye = self._namespace.eye(self.shape[0], dtype=self.dtype)
            X = dense.solve_triangular(clean, eye, self.lower, check_finite=False)
            return Triangular(X, self.lower, self.unit_diagonal)
        # The row-major array is its transpose to LAPACK, and so is the result.
        X, _ = routine("trtri", self.dtype)(
            clean.T, lower=not self.lower, unitdiag=self.unit_diagonal, overwrite_c=True
        )
        return Triangular(_checks.representable(X.T, "inv"), self.lower, self.unit_diagonal)

    def _invertible(self):
        """The dense matrix, checked for NaN and for zeros on the diagonal."""
        clean = _checks.finite(self._clean())
        zero = dense.zero_on_diagonal(clean)
        if zero is not None:
            raise _checks.singular("Triangular", f"diagonal entry {zero} is zero")
        return clean

    def _slogdet(self):
        _checks.finite(self._clean())
        return _shared.slogdet(self._diagonal())

    def _diagonal(self):
        if self.unit_diagonal:
            return self._namespace.ones(self.shape[0], self.dtype)
        return self.array.diagonal().copy()

    def _trace(self):
        return self._diagonal().sum()

    def _entries(self, i, j):
        xp = self._namespace
        i, j = xp.asarray(i), xp.asarray(j)
        values = xp.where(i >= j if self.lower else i <= j, self.array[i, j], self.dtype.type(0))
        return xp.where(i == j, self.dtype.type(1), values) if self.unit_diagonal else values

    def _is_hermitian(self):
        """A Hermitian triangle is a real diagonal."""
        clean = self._clean()
        off = clean - self._namespace.diag(clean.diagonal())
        return not bool(off.any()) and Diagonal(self._diagonal())._is_hermitian()

    def _eigh(self):
        return Diagonal(self._diagonal())._eigh()

    def _eigvalsh(self):
        return Diagonal(self._diagonal())._eigvalsh()

    def _eigvals(self):
        _checks.finite(self._clean())
        return self._diagonal()

    def _cholesky(self):
        return Diagonal(self._diagonal())._cholesky()

    def _qr(self):
        if self.lower:
            return NotImplemented
        _checks.finite(self._clean())
        return QRResult(Identity(self.shape[0], self.dtype), self)

    def _norm(self, ord):
        return NotImplemented if ord in (2, -2, "nuc") else dense.norm(self._clean(), ord)

    def _expm(self):
        return self._like(Dense(self._clean())._expm())

    def _sqrtm(self):
        # The Schur form of an upper triangle is itself; a lower one is transposed to be that.
        clean = self._clean()
        if not self.lower:
            return self._like(Dense(clean)._sqrtm())
        return Triangular(Dense(clean.T)._sqrtm().array.T)

    def _logm(self):
        clean = self._invertible()
        if not self.lower:
            return Triangular(Dense(clean)._logm().array, False)
        return Triangular(Dense(clean.T)._logm().array.T)

    def _like(self, dense_matrix):
        return Triangular(dense_matrix.array, self.lower)

    def _scale(self, c):
        return Triangular((self._clean() if self.unit_diagonal else self.array) * c, self.lower)

    def _cost(self, verb, ncols):
        n, each = float(self.shape[0]), 4.0 if self.dtype.kind == "c" else 1.0
        if verb == "matmul":
            return Cost("triangular product", each * n * n * ncols, self.nbytes / 2)
        if verb == "solve":
            return Cost("substitution", each * n * n * ncols, self.nbytes / 2)
        return Cost("diagonal", each * n, n) if verb == "slogdet" else NotImplemented

    @classmethod
    def _random(cls, shape, rng, dtype, lower=True):
        """Small entries beside a diagonal between 1 and 2: random triangles are else singular."""
        if shape[0] != shape[1]:
            raise ValueError(f"a Triangular is square; got shape {shape}")
        n = shape[0]
        G = rng.uniform(-1, 1, (n, n)) / max(n, 1)
        if dtype.kind == "c":
            G = G * np.exp(2j * np.pi * rng.uniform(size=(n, n)))
        np.fill_diagonal(G, rng.uniform(1, 2, n))
        return cls((np.tril(G) if lower else np.triu(G)).astype(dtype), lower)

    @classmethod
    def _project(cls, M, rtol, budget, *, lower=True):
        M = _shared.lifted(M)
        if M.shape[0] != M.shape[1]:
            raise ValueError(f"a Triangular is square; got `M` of shape {M.shape}")
        array = M.array if isinstance(M, Dense) else _checks.densify(M, "project")
        nearest = cls(cls(array, lower)._clean(), lower)
        return _shared.projection(Dense(array), nearest)

    def _rows(self, op, s):
        return Triangular(op(self._clean(), s[:, None]), self.lower)

    def _columns(self, op, s):
        return Triangular(op(self._clean(), s), self.lower)


class _Substitution(Factorization):
    method = "substitution"
    structure = "Triangular"

    def __init__(self, A):
        self.shape, self.dtype, self.matrix = A.shape, A.dtype, A
        self.rcond = dense.rcond_triangular(A._invertible(), A.lower)

    def _solve(self, B):
        A = self.matrix
        return dense.solve_triangular(
            A.array, B, A.lower, unit_diagonal=A.unit_diagonal, check_finite=False
        )

    def _slogdet(self):
        return self.matrix._slogdet()


@functools.cache
def _blas(name, dtype):
    return getattr(blas, {"f": "s", "d": "d", "F": "c", "D": "z"}[dtype.char] + name)


# ---------------------------------------------------------------- closure

closed_with_dense(Triangular)
closed_with_diagonal(Triangular)


@_rules.maker("triangular")
def _make(array, lower=True):
    return Triangular(array, lower)


@_rules.register("matmul", Triangular, Triangular)
def _(A, B):
    product = A @ B._clean()
    if A.lower == B.lower:
        return Triangular(product, A.lower, A.unit_diagonal and B.unit_diagonal)
    return Dense(product)


@_rules.register("add", Triangular, Triangular)
def _(A, B):
    total = A._clean() + B._clean()
    return Triangular(total, A.lower) if A.lower == B.lower else Dense(total)


@_rules.register("solve", Triangular, Triangular)
def _(A, B):
    X = A.solve(B._clean())
    return Triangular(X, A.lower) if A.lower == B.lower else Dense(X)


def _plus_diagonal(A, B):
    total = A._clean().astype(np.result_type(A.dtype, B.dtype), copy=False)
    i = A._namespace.arange(A.shape[0])
    total[i, i] += B.dtype.type(1) if isinstance(B, Identity) else B.values
    return Triangular(total, A.lower)


for _other in (Diagonal, Identity):
    _rules.register("add", Triangular, _other)(_plus_diagonal)
    _rules.register("add", _other, Triangular)(lambda A, B: _plus_diagonal(B, A))


@_rules.register("hadamard", Triangular, Triangular)
def _(A, B):
    if A.lower != B.lower:
        return Diagonal(A._diagonal() * B._diagonal())
    return Triangular(A._clean() * B._clean(), A.lower)


@_rules.register("hadamard", Triangular, Dense)
def _(A, B):
    return Triangular(A._clean() * Triangular(B.array, A.lower)._clean(), A.lower)


@_rules.register("hadamard", Dense, Triangular)
def _(A, B):
    return _rules.combine("hadamard", B, A)
