"""LU with partial pivoting of a Toeplitz matrix, in O(n^2): its Cauchy-like form (GKO)."""

import math

import numpy as np

from structmat import _checks, iterative
from structmat._backend import dense
from structmat._results import Factorization
from structmat.matrices.displacement import convolve, cpu
from structmat.matrices.displacement.windows import window_sums
from structmat.matrices.elementary import _shared
from structmat.matrices.elementary.permutation import Permutation

__all__ = ["ToeplitzLU"]

# Steps of elimination between two orthonormalisations of the generators.
_EVERY = 8
# A column is accepted when |b - A x| <= _ACCEPTED eps |A| |x| in the 1-norm, a ratio of 24 where
# LAPACK's threshold is 30; one step of refinement nearly always brings it below 1.
_ACCEPTED = 12.0
_REFINEMENTS = 3


class ToeplitzLU(Factorization):
    """P C2 T C4 = L U, with the orthogonal cosine transforms C2 (type II) and C4 (type IV).

    Parameters
    ----------
    A : Toeplitz, shape (n, n)
        The matrix, on the host.
    structure : str
        What is solved, for messages.
    dense_first : bool
        Begin with LAPACK's LU of the dense matrix, which is faster for small orders; the structured
        one stands by as dense LU does otherwise.

    Notes
    -----
    With ``Y1 = Z + Z^T + e1 e1^T + en en^T`` and ``Y2 = Z + Z^T + e1 e1^T - en en^T`` the
    displacement ``Y1 T - T Y2`` is zero but for its outermost rows and columns, hence of rank 4. C2
    diagonalises Y1 (eigenvalues ``2 cos(k pi / n)``) and C4 diagonalises Y2 (``2 cos((2 l + 1) pi /
    (2 n))``), so that ``M = C2 T C4`` is Cauchy-like and Gaussian elimination works on the
    generators [1]_, [2]_. The factors of a real matrix are real. Its nodes never coincide, and
    their differences ``-4 sin((2k + 2l + 1) t) sin((2k - 2l - 1) t)``, t = pi / (4 n), come to full
    relative accuracy from a table of sines. Generators are kept orthonormal, against growth [3]_.

    References
    ----------
    .. [1] I. Gohberg, T. Kailath and V. Olshevsky, Fast Gaussian elimination with partial pivoting
       for matrices with displacement structure, Math. Comp. 64 (1995) 1557-1576, section 2.
    .. [2] G. Heinig, Inversion of generalized Cauchy matrices and other classes of structured
       matrices, in Linear Algebra for Signal Processing, Springer, 1995, 63-81.
    .. [3] M. Gu, Stable and efficient algorithms for structured systems of linear equations, SIAM
       J. Matrix Anal. Appl. 19 (1998) 279-306.
    """

    def __init__(self, A, structure, dense_first=False):
        self.shape, self.dtype, self.structure = A.shape, A.dtype, structure
        n = A.shape[0]
        self._rcond, self._verified = None, n == 0
        # Every entry of the scaled matrix is at most 1 in modulus: nothing overflows on the way.
        h = _checks.finite(A._h).astype(np.result_type(A.dtype, np.float64), copy=False)
        largest = _shared.norm_of(np.maximum(abs(h.real), abs(h.imag)), math.inf)
        self._exponent = -math.frexp(largest)[1]
        self._h = _times_power(h, self._exponent)
        self._norm1 = float(window_sums(abs(self._h), n).max()) if n else 0.0
        self._lu = self._factors = None
        self._factor_dense() if dense_first else self._factor()

    def _factor(self):
        n, h, dtype = self.shape[0], self._h, self._h.dtype
        self.method = "LU with partial pivoting of the Cauchy-like form"
        if not n:
            return
        cosine = convolve.transforms(np).dct
        G, H = _generators(h[n - 1 :], h[:n][::-1])
        G = cosine(G, 2, axis=1, norm="ortho")
        H = cosine(H, 4, axis=1, norm="ortho")
        cosecants = 1 / _odd_sines(n)
        differences = np.concatenate([-cosecants[:n][::-1], cosecants[: n - 1]]) / -4
        self._factors, self._p = np.empty((n, n), dtype), np.empty(n, np.intp)
        step = cpu.cauchy_lu(G, H, cosecants, differences, self._factors, self._p, _EVERY)
        if step < n:
            raise _checks.singular(self.structure, f"pivot {step} is exactly zero")

    def _factor_dense(self):
        n = self.shape[0]
        self.method = "LU with partial pivoting"
        rows = np.lib.stride_tricks.sliding_window_view(self._h, n) if n else np.empty((0, 0))
        self._lu = dense.lu_factor(rows[:, ::-1].astype(self.dtype), check_finite=False)
        if self._lu.zero_pivot is not None:
            place = f"pivot {self._lu.zero_pivot} is exactly zero"
            raise _checks.singular(self.structure, place)

    # ------------------------------------------------------------ solving

    def _solve(self, B):
        if not B.size:
            return B.copy()
        X = self._certified(B.astype(self._h.dtype, copy=False))
        return _times_power(X, self._exponent).astype(self.dtype, copy=False)

    def _certified(self, B):
        """X with a small residual for the scaled matrix, by these factors or by the other ones."""
        with np.errstate(all="ignore"):  # what overflows is refused by the certificate
            X = self._refined(B)
            if X is None:
                self._change_factors()
                X = self._refined(B)
        if X is None:
            raise _checks.ConvergenceError(
                f"no LU factorisation of this {self.structure} matrix of order {self.shape[0]} "
                f"(rcond={self.rcond:.2g}) solves with a small backward error; the solution may "
                f"not be representable in {self.dtype}"
            )
        return X

    def _refined(self, B):
        """X, refined where its residual is not small; None where that does not help."""
        n = B.shape[0]
        X = self._substitute(B)
        # The cheaper residual first. Its error is relative to |A|_2 |x|_2, up to sqrt(n) times more
        # than the certificate allows for x with few large entries: only then the direct one.
        bad = self._missed(B - convolve.correlate(np, self._h, X, n, True), X)
        for step in range(_REFINEMENTS + 1):
            if not bad.size:
                return X
            R = B[:, bad] - self._direct(X[:, bad])
            still = self._missed(R, X[:, bad])
            bad = bad[still]
            if step < _REFINEMENTS and bad.size:
                X[:, bad] += self._substitute(np.ascontiguousarray(R[:, still]))
        return None if bad.size else X

    def _direct(self, X):
        return convolve.direct(self._h, np.ascontiguousarray(X), X.shape[0], True)

    def _missed(self, R, X):
        """Columns whose residual is larger than the certificate allows, or not a number."""
        error, size = abs(R).sum(0), abs(X).sum(0)
        bound = _ACCEPTED * float(np.finfo(self.dtype).eps) * self._norm1
        return np.flatnonzero(~((error <= bound * size) & np.isfinite(size)))

    def _change_factors(self):
        """These missed the certificate. Dense LU has its bad cases too: growth of 2^(n - 1)."""
        missed = self.method
        if self._lu is None:
            if not _checks.fits(2 * _checks.dense_bytes(self.shape, self.dtype)):
                raise _checks.ConvergenceError(
                    f"the structured LU of this {self.structure} matrix of order {self.shape[0]} "
                    f"(rcond={self.rcond:.2g}) missed its backward error, a dense LU does not fit"
                )
            self._factor_dense()
            self._factors = None
            self.method += " of the dense matrix"
        else:
            self._factor()
            self._lu = None
        self.method += f" ({missed} was inaccurate)"
        self._rcond = None

    def _substitute(self, B):
        """The solution by the factors, not certified."""
        if self._lu is None:
            return self._substitute_structured(B)
        X = self._lu.solve(B.astype(self.dtype, copy=False), check_finite=False)
        return X.astype(B.dtype, order="C", copy=False)

    def _substitute_structured(self, B):
        """C4 U^-1 L^-1 P C2 B."""
        from scipy.linalg import blas

        fft, n = convolve.transforms(np), B.shape[0]
        options = convolve.workers(np, B.size)
        # The factors are stored by rows: BLAS reads them and X transposed, with nothing to copy.
        # Below the diagonal stands J L J, which wants X in reverse order.
        X = fft.dct(B, 2, axis=0, norm="ortho", **options)[self._p[::-1]]
        W, letter = self._factors.T, "z" if X.dtype.kind == "c" else "d"
        if X.shape[1] == 1:
            solve = getattr(blas, f"{letter}trsv")
            x = solve(W, X.reshape(-1), lower=0, diag=1, overwrite_x=1)[::-1].copy()
            X = solve(W, x, lower=1, trans=1, overwrite_x=1).reshape(n, 1)
        else:
            solve = getattr(blas, f"{letter}trsm")
            X = solve(1.0, W, X.T, side=1, lower=0, trans_a=1, diag=1, overwrite_b=1).T
            X = solve(1.0, W, X[::-1].copy().T, side=1, lower=1, overwrite_b=1).T
        return fft.dct(X, 4, axis=0, norm="ortho", **options)

    def _substitute_adjoint(self, B):
        """T^H = J conj(T) J for the reversal J, hence no second code."""
        return self._substitute(B[::-1].conj())[::-1].conj()

    # ------------------------------------------------------------ numbers

    @property
    def rcond(self):
        """Reciprocal condition number in the 1-norm, estimated from a few solves."""
        if self._rcond is None:
            self._rcond = self._estimate() if self.shape[0] else 1.0
        return self._rcond

    def _estimate(self):
        if self._lu is not None:
            return self._lu.rcond
        with np.errstate(all="ignore"):
            solves = self._substitute, self._substitute_adjoint
            inverse = iterative.norm1(*solves, self.shape, self._h.dtype, t=1, rng=0).value
            cond = float(inverse) * self._norm1
        return 1 / cond if 0 < cond < math.inf else 0.0

    def _slogdet(self):
        """From the pivots; det C2 det C4 = 1 for every n."""
        n = self.shape[0]
        if not self._verified:  # a determinant has no residual: the factors are tried on a system
            self._certified(np.random.default_rng(n).standard_normal((n, 1)).astype(self._h.dtype))
            self._verified = True
        if self._lu is not None:
            sign, value = self._lu.slogdet()
        elif n:
            sign, value = _shared.slogdet(self._factors.diagonal())
            sign = Permutation(self._p)._slogdet()[0] * sign
        else:
            sign, value = 1.0, 0.0
        return sign, value - n * self._exponent * math.log(2)


def _generators(c, r):
    """(G, H) of shape (4, n): Y1 T - T Y2 = G^T H, from the outermost rows and columns."""
    n, dtype = len(c), c.dtype
    top, bottom, left, right, first, last = np.zeros((6, n), dtype)
    first[0] = 1
    if n == 1:
        top[0] = 2 * c[0]
        return np.array([first, last, left, right]), np.array([top, bottom, first, last])
    last[-1] = 1
    top[0] = c[1] - r[1]
    top[1:-1] = r[1:-1] - r[2:]
    top[-1] = 2 * r[-1]
    bottom[1:-1] = c[n - 2 : 0 : -1] - c[:1:-1]
    bottom[-1] = r[1] - c[1] + 2 * c[0]
    left[1:-1] = c[2:] - c[1:-1]
    right[1:-1] = r[:1:-1] + r[n - 2 : 0 : -1]
    return np.array([first, last, left, right]), np.array([top, bottom, first, last])


def _odd_sines(n):
    """sin((2 j + 1) pi / (4 n)) for j < 2 n, each to the last place or two."""
    half = np.sin((2 * np.arange(n) + 1) * (math.pi / (4 * n)))
    # Beyond a right angle the argument itself would be rounded to less than that.
    return np.concatenate([half, half[::-1]])


def _times_power(x, exponent):
    """x * 2^exponent, exactly, for any exponent."""
    if x.dtype.kind == "c":
        parts = np.ascontiguousarray(x).view(x.real.dtype)
        return np.ldexp(parts, exponent).view(x.dtype)
    return np.ldexp(x, exponent)
