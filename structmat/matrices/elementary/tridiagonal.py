"""Tridiagonal: the main diagonal and its two neighbours."""

import math

import numpy as np

from structmat import _checks, _rules
from structmat._backend import dense
from structmat._backend.lapack import routine
from structmat._results import Cost, EighResult, Factorization
from structmat.matrices.base import StructuredMatrix
from structmat.matrices.elementary import _shared, cpu
from structmat.matrices.elementary.banded import Banded
from structmat.matrices.elementary.banded_algebra import add, multiply, on_bands
from structmat.matrices.elementary.dense import closed_with_dense
from structmat.matrices.elementary.diagonal import Diagonal, closed_with_diagonal
from structmat.matrices.elementary.identity import Identity

__all__ = ["Tridiagonal"]


class Tridiagonal(StructuredMatrix):
    """A tridiagonal matrix: A[i+1, i] = lower[i], A[i, i] = diag[i], A[i, i+1] = upper[i].

    ==================  ==================================================
    product             5 n flops a column
    solve, slogdet      O(n), LU with partial pivoting (gttrf)
    cholesky            O(n), L D L^H (pttrf), a band of lower width 1
    eigh                O(n^2), multiple relatively robust representations
    ==================  ==================================================

    Parameters
    ----------
    lower : array, shape (n - 1,)
        Below the diagonal.
    diag : array, shape (n,)
        The diagonal.
    upper : array, shape (n - 1,)
        Above the diagonal. Arrays of different dtypes are brought to the common one.

    Raises
    ------
    ValueError
        Lengths do not fit.
    NotImplementedError
        A factorisation of CuPy arrays: LAPACK's routines run on the host.

    References
    ----------
    .. [1] I. S. Dhillon and B. N. Parlett, Multiple representations to compute orthogonal
       eigenvectors of symmetric tridiagonal matrices, Linear Algebra Appl. 387 (2004) 1-28.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> A = sm.Tridiagonal([-1.0, -1.0], [2.0, 2.0, 2.0], [-1.0, -1.0])
    >>> A @ np.array([1.0, 2.0, 3.0])
    array([0., 0., 4.])
    >>> round(float(A.det()), 12)
    4.0
    """

    _parameters = ("lower", "diag", "upper")

    def __init__(self, lower, diag, upper):
        lower, diag, upper = (
            _checks.as_parameter(x, name, ndim=1)
            for x, name in ((lower, "lower"), (diag, "diag"), (upper, "upper"))
        )
        n = diag.shape[0]
        off = max(n - 1, 0)
        if lower.shape != (off,) or upper.shape != (off,):
            raise ValueError(
                f"`lower` and `upper` must have one entry less than `diag`, shape ({off},); "
                f"got {lower.shape} and {upper.shape} beside {diag.shape}"
            )
        dtype = np.result_type(lower.dtype, diag.dtype, upper.dtype)
        self.lower, self.diag, self.upper = (
            x.astype(dtype, copy=False) for x in (lower, diag, upper)
        )
        super().__init__(dtype, (n, n))
        if self._host:
            self._kernel_parts = tuple(
                np.ascontiguousarray(x) for x in (self.lower, self.diag, self.upper)
            )

    def _apply(self, X):
        if self._host:
            Y = np.empty_like(X)
            if X.shape[1] == 1:
                cpu.tridiagonal_vector(*self._kernel_parts, X.reshape(-1), Y.reshape(-1))
            else:
                cpu.tridiagonal_block(*self._kernel_parts, X, Y)
            return Y
        Y = self.diag[:, None] * X
        Y[1:] += self.lower[:, None] * X[:-1]
        Y[:-1] += self.upper[:, None] * X[1:]
        return Y

    def _adjoint(self):
        if self.dtype.kind != "c":
            return self._transpose()
        return Tridiagonal(self.upper.conj(), self.diag.conj(), self.lower.conj())

    def _transpose(self):
        return Tridiagonal(self.upper, self.diag, self.lower)

    def _toarray(self):
        xp, n = self._namespace, self.shape[0]
        full, i = xp.zeros((n, n), self.dtype), xp.arange(n)
        full[i, i] = self.diag
        full[i[1:], i[:-1]] = self.lower
        full[i[:-1], i[1:]] = self.upper
        return full

    def tosparse(self):
        """The matrix as a :class:`scipy.sparse.csr_array`."""
        return self._banded().tosparse()

    def _banded(self):
        """The same matrix as a band."""
        bands = self._namespace.zeros((3, self.shape[0]), self.dtype)
        bands[0, 1:], bands[1], bands[2, :-1] = self.upper, self.diag, self.lower
        return Banded(bands, 1, 1)

    def _factorize(self):
        _checks.host_only(self, "a factorisation")
        return _TridiagonalLU(self)

    def _diagonal(self):
        return self.diag.copy()

    def _trace(self):
        return self.diag.sum()

    def _entries(self, i, j):
        return self._banded()._entries(i, j)

    def _is_hermitian(self):
        same = _shared.same_to_rounding
        everything = self._namespace.concatenate
        left = everything([self.diag, self.lower])
        return same(left, everything([self.diag.conj(), self.upper.conj()]))

    # ------------------------------------------------------------ Hermitian matrices

    def _real_form(self):
        """(d, e, phases): A = P T P^H with T real symmetric (d, e), P diagonal unitary.

        A[i+1, i] = p[i+1] e[i] conj(p[i]) with e = |lower|.
        """
        _checks.host_only(self, "eigh or cholesky")
        _checks.finite(self.diag)
        _checks.finite(self.lower)
        if self.dtype.kind != "c":
            return self.diag, self.lower, None
        steps = Diagonal(self.lower)._sign()
        phases = np.cumprod(np.concatenate([np.ones(min(1, self.shape[0])), steps]))
        return self.diag.real, abs(self.lower), (phases / abs(phases)).astype(self.dtype)

    def _solve_eigen(self, **options):
        from scipy.linalg import eigh_tridiagonal

        d, e, phases = self._real_form()
        only = options.get("eigvals_only", False)
        if len(d) < 2:  # the wrappers of LAPACK want an off-diagonal
            return d.copy() if only else (d.copy(), np.ones((len(d), len(d)), self.dtype))
        # Entries near the ends of the range lose accuracy in bisection: bring them to one.
        scale = max(float(abs(d).max()), float(abs(e).max()))
        scale = 2.0 ** math.frexp(scale)[1] if scale else 1.0
        scale = d.dtype.type(scale) if math.isfinite(scale) else d.dtype.type(1)
        found = eigh_tridiagonal(d / scale, e / scale, check_finite=False, **options)
        if only:
            return found * scale
        w, V = found
        return w * scale, V if phases is None else phases[:, None] * V

    def _eigh(self):
        return EighResult(*self._solve_eigen())

    def _eigvalsh(self):
        return np.sort(self._solve_eigen(eigvals_only=True))

    def _eigsh(self, k, which):
        if which == "LM" or self.shape[0] < 2:
            return NotImplemented
        w = self._eigvalsh() if which == "SM" else np.empty(self.shape[0])
        window = _shared.chosen(w, k, which)
        return EighResult(*self._solve_eigen(select="i", select_range=window))

    def _svd(self, full_matrices):
        return _shared.svd_from_eigh(*self._eigh()) if self._is_hermitian() else NotImplemented

    def _svdvals(self):
        if not self._is_hermitian():
            return NotImplemented
        return np.sort(abs(self._eigvalsh()))[::-1]

    def _cholesky(self):
        d, _, _ = self._real_form()
        n = self.shape[0]
        if n < 2:
            return Diagonal(self.diag)._cholesky()
        d, e, info = routine("pttrf", self.dtype)(d, self.lower)
        if info > 0:
            raise _checks.not_positive_definite("Tridiagonal", f"leading minor of order {info}")
        bands = np.zeros((2, n), self.dtype)
        bands[0] = np.sqrt(d)
        bands[1, :-1] = e * bands[0, :-1]
        return Banded(bands, 1, 0)

    def _norm(self, ord):
        if ord == "fro":
            return _shared.norm_of(self._namespace.concatenate([self.lower, self.diag, self.upper]))
        if ord in (1, -1):
            sums = abs(self.diag)
            sums[:-1] += abs(self.lower)
            sums[1:] += abs(self.upper)
            return _shared.sum_norm(sums, ord)
        if ord in (math.inf, -math.inf):
            return self._transpose()._norm(math.copysign(1, ord))
        return NotImplemented

    def _scale(self, c):
        return Tridiagonal(self.lower * c, self.diag * c, self.upper * c)

    def _cost(self, verb, ncols):
        n, each = float(self.shape[0]), 4.0 if self.dtype.kind == "c" else 1.0
        moved = 2.0 * self.nbytes
        if verb == "matmul":
            return Cost("three diagonals", each * 5 * n * ncols, self.nbytes)
        if verb == "solve":
            return Cost("tridiagonal LU", each * n * (8 + 7.0 * ncols), moved)
        if verb == "slogdet":
            return Cost("tridiagonal LU", each * 8 * n, moved)
        if verb == "eigh":
            return Cost("MRRR", 20 * n * n, n * n * self.dtype.itemsize)
        return NotImplemented

    @classmethod
    def _random(cls, shape, rng, dtype):
        if shape[0] != shape[1]:
            raise ValueError(f"a Tridiagonal is square; got shape {shape}")
        band = Banded._random(shape, rng, dtype, 1, 1)
        return cls(band.bands[2, :-1].copy(), band.bands[1].copy(), band.bands[0, 1:].copy())

    @classmethod
    def _project(cls, M, rtol, budget):
        from structmat import linalg

        M = _shared.lifted(M)
        if M.shape[0] != M.shape[1]:
            raise ValueError(f"a Tridiagonal is square; got `M` of shape {M.shape}")
        nearest = cls(*(linalg.diagonal(M, offset) for offset in (-1, 0, 1)))
        return _shared.projection(M, nearest)

    def _rows(self, op, s):
        return Tridiagonal(op(self.lower, s[1:]), op(self.diag, s), op(self.upper, s[:-1]))

    def _columns(self, op, s):
        return Tridiagonal(op(self.lower, s[:-1]), op(self.diag, s), op(self.upper, s[1:]))


class _TridiagonalLU(Factorization):
    """P A = L U by gttrf: U has two diagonals above the main one."""

    method = "tridiagonal LU with partial pivoting"
    structure = "Tridiagonal"

    def __init__(self, A):
        self.shape, self.dtype = A.shape, A.dtype
        self.small = None
        for x in (A.lower, A.diag, A.upper):
            _checks.finite(x)
        with np.errstate(over="ignore"):
            norm1 = A._norm(1)
        self.scale = A.dtype.type(_shared.power_of_two_below(norm1, 3, A.diag))
        if self.scale != 1:
            A = A * self.scale
            norm1 = A._norm(1)
        if A.shape[0] < 3:  # the wrapper of gttrf wants a second super-diagonal
            self.small = dense.lu_factor(A.toarray())
            self._refuse(self.small.zero_pivot)
            self.rcond = self.small.rcond
            return
        *self.factors, info = routine("gttrf", self.dtype)(A.lower, A.diag, A.upper)
        self._refuse(info - 1 if info > 0 else None)
        factors = self.factors
        self.rcond = float(routine("gtcon", self.dtype)(*factors, norm1)[0])

    @staticmethod
    def _refuse(pivot):
        if pivot is not None:
            raise _checks.singular("Tridiagonal", f"pivot {pivot} is exactly zero")

    def _solve(self, B):
        if self.small is not None:
            X = self.small.solve(B, check_finite=False)
        else:
            X = routine("gttrs", self.dtype)(*self.factors, B)[0] if B.size else B.copy()
        return X if self.scale == 1 else X * self.scale

    def _slogdet(self):
        if self.small is not None:
            sign, value = self.small.slogdet()
        else:
            _, diagonal, _, _, pivots = self.factors
            sign, value = _shared.slogdet(diagonal)
            # gttrf counts from 1: row i was interchanged with row pivots[i] - 1.
            sign = sign * _shared.parity(pivots - 1)
        return sign, value - self.shape[0] * math.log(float(self.scale.real))


# ---------------------------------------------------------------- closure

closed_with_dense(Tridiagonal)
closed_with_diagonal(Tridiagonal)


@_rules.register("add", Tridiagonal, Tridiagonal)
def _(A, B):
    return Tridiagonal(A.lower + B.lower, A.diag + B.diag, A.upper + B.upper)


def _plus_diagonal(A, B):
    dtype = np.result_type(A.dtype, B.dtype)
    diagonal = A.diag + (B.dtype.type(1) if isinstance(B, Identity) else B.values)
    return Tridiagonal(A.lower.astype(dtype), diagonal, A.upper.astype(dtype))


for _other in (Diagonal, Identity):
    _rules.register("add", Tridiagonal, _other)(_plus_diagonal)
    _rules.register("add", _other, Tridiagonal)(lambda A, B: _plus_diagonal(B, A))

for _pair in ((Tridiagonal, Banded), (Banded, Tridiagonal)):
    _rules.register("add", *_pair)(on_bands(add))
    _rules.register("matmul", *_pair)(on_bands(multiply))
_rules.register("matmul", Tridiagonal, Tridiagonal)(on_bands(multiply))


@_rules.register("hadamard", Tridiagonal, StructuredMatrix)
def _(A, B):
    if isinstance(B, Diagonal | Identity | Banded):
        return NotImplemented
    i = A._namespace.arange(A.shape[0])
    parts = [B._entries(r, c) for r, c in ((i[1:], i[:-1]), (i, i), (i[:-1], i[1:]))]
    if any(p is NotImplemented for p in parts):
        return NotImplemented
    return Tridiagonal(A.lower * parts[0], A.diag * parts[1], A.upper * parts[2])


@_rules.register("hadamard", StructuredMatrix, Tridiagonal)
def _(A, B):
    return NotImplemented if isinstance(A, Tridiagonal) else _rules.combine("hadamard", B, A)
