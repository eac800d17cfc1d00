"""LU with partial pivoting of a Toeplitz matrix, in O(n^2): its Cauchy-like form (GKO)."""

import functools
import math

import numpy as np

from structmat import _checks, iterative
from structmat.matrices.displacement import convolve, cpu
from structmat.matrices.elementary import _shared
from structmat.matrices.elementary.permutation import Permutation

__all__ = ["CauchyLU"]

# Steps of elimination between two orthonormalisations of the generators.
_EVERY = 8


class CauchyLU:
    """P C2 T C4 = L U, with the orthogonal cosine transforms C2 (type II) and C4 (type IV).

    Parameters
    ----------
    h : array, shape (2 n - 1,)
        The sequence of T: t[-(n-1)] ... t[n-1], in double precision and of moderate size.
    norm1 : float
        The 1-norm of T.
    structure : str
        What is factored, for messages.

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

    method = "LU with partial pivoting of the Cauchy-like form"
    sound = False  # generators may grow: every solution is checked

    def __init__(self, h, norm1, structure):
        n = (len(h) + 1) // 2
        self._shape, self._norm1 = (n, n), norm1
        cosine = convolve.transforms(np).dct
        G, H = _generators(h[n - 1 :], h[:n][::-1])
        G = cosine(G, 2, axis=1, norm="ortho")
        H = cosine(H, 4, axis=1, norm="ortho")
        cosecants = 1 / _odd_sines(n)
        differences = np.concatenate([-cosecants[:n][::-1], cosecants[: n - 1]]) / -4
        self._factors, self._p = np.empty((n, n), h.dtype), np.empty(n, np.intp)
        step = cpu.cauchy_lu(G, H, cosecants, differences, self._factors, self._p, _EVERY)
        if step < n:
            raise _checks.singular(structure, f"pivot {step} is exactly zero")

    def solve(self, B):
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

    def solve_adjoint(self, B):
        """T^H = J conj(T) J for the reversal J, hence no second code."""
        return self.solve(B[::-1].conj())[::-1].conj()

    @functools.cached_property
    def rcond(self):
        """Reciprocal condition number in the 1-norm, estimated from a few solves."""
        with np.errstate(all="ignore"):
            solves = self.solve, self.solve_adjoint
            inverse = iterative.norm1(*solves, self._shape, self._factors.dtype, t=1, rng=0).value
            cond = float(inverse) * self._norm1
        return 1 / cond if 0 < cond < math.inf else 0.0

    def slogdet(self):
        """From the pivots; det C2 det C4 = 1 for every n."""
        sign, value = _shared.slogdet(self._factors.diagonal())
        return Permutation(self._p)._slogdet()[0] * sign, value


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
