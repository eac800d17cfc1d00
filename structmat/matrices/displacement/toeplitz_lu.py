"""Certified LU of a Toeplitz matrix: two kinds of factors, where one stands by for the other."""

import functools
import math
import threading

import numpy as np

from structmat import _checks
from structmat._backend import dense
from structmat._results import Factorization
from structmat.matrices.displacement import convolve
from structmat.matrices.displacement.cauchy import CauchyLU
from structmat.matrices.displacement.refine import ACCEPTED, refine
from structmat.matrices.displacement.scaling import moderate, times_power
from structmat.matrices.displacement.windows import window_sums

__all__ = ["ToeplitzLU"]

# LAPACK's solutions are not checked up to this order, where that would take as long as the solve,
# if entries grew in its elimination by less than this times sqrt(n). Random matrices grow 1 to 3
# times sqrt(n); ratios below 10 were seen under the limit (and 43 at order 380).
_ORDER, _GROWTH = 128, 4.0
_making_factors = threading.Lock()


class DenseLU:
    """LAPACK's LU of the dense matrix, in its own precision."""

    method = "LU with partial pivoting of the dense matrix"

    def __init__(self, h, dtype, structure):
        n, item = (len(h) + 1) // 2, h.itemsize
        # Row i of T^T is h[n - 1 - i : 2 n - 1 - i]: a view, column-major when turned.
        rows = np.ndarray((n, n), h.dtype, h, max(n - 1, 0) * item, (-item, item))
        self._lu = dense.lu_factor(rows.astype(dtype, order="C").T, check_finite=False)
        if self._lu.zero_pivot is not None:
            place = f"pivot {self._lu.zero_pivot} is exactly zero"
            raise _checks.singular(structure, place)
        # The multipliers in L are at most 1. (LAPACK's lange takes 15 times as long for that.)
        largest = float(abs(self._lu.factors).max(initial=0.0))
        limit = _GROWTH * math.sqrt(n) * float(abs(h).max(initial=0.0))
        self.sound = n <= _ORDER and largest <= limit

    @property
    def rcond(self):
        return self._lu.rcond

    def solve(self, B):
        X = self._lu.solve(B.astype(self._lu.factors.dtype, copy=False), check_finite=False)
        return X.astype(B.dtype, order="C", copy=False)

    def slogdet(self):
        return self._lu.slogdet()


class ToeplitzLU(Factorization):
    """Solves that are checked: by one kind of factors, and what they miss by the other kind.

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
    Small orders without the structure are checked only where entries grew. The factors that
    stand by are made when a column needs them, once, and serve such columns alone.
    """

    def __init__(self, A, structure, dense_first=False):
        self.shape, self.dtype, self.structure = A.shape, A.dtype, structure
        h, self._exponent = moderate(_checks.finite(A._h))
        self._h = h.astype(np.result_type(A.dtype, np.float64), copy=False)
        self._dense_first = dense_first
        self._first, self._second = self._make(dense_first), None

    def _make(self, dense):
        if dense:
            return DenseLU(self._h, self.dtype, self.structure)
        return CauchyLU(self._h, self._norm1, self.structure)

    @functools.cached_property
    def _norm1(self):
        return float(window_sums(abs(self._h), self.shape[0]).max())

    @property
    def method(self):
        """What was factored how, and what stood by for it."""
        if self._second is None:
            return self._first.method
        return f"{self._first.method}, {self._second.method} where that was inaccurate"

    @property
    def rcond(self):
        """In the 1-norm, estimated; by the factors that solved what the first ones could not."""
        return (self._second or self._first).rcond

    def _solve(self, B):
        if not B.size:
            return B.copy()
        B, exponent = moderate(B)
        with np.errstate(all="ignore"):  # what overflows is refused below
            X = self._certified(B.astype(self._h.dtype, copy=False))
            X = times_power(X, exponent - self._exponent).astype(self.dtype, copy=False)
        return _checks.representable(X, "solve")

    def _certified(self, B):
        """X with a small residual for the scaled matrix."""
        X, missed = self._attempt(self._first, B)
        if missed.size:
            some, still = self._attempt(self._other(), np.ascontiguousarray(B[:, missed]))
            if still.size:
                raise self._failed()
            X[:, missed] = some
        return X

    def _attempt(self, factors, B):
        """(X, the columns of it that are not right)."""
        X = factors.solve(B)
        if factors.sound:
            return X, np.flatnonzero(~np.isfinite(X).all(0))

        def quick(X):
            return convolve.correlate(np, self._h, X, len(X), True)

        def accurate(X):
            return convolve.direct(self._h, np.ascontiguousarray(X), len(X), True)

        bound = ACCEPTED * float(np.finfo(self.dtype).eps) * self._norm1
        return X, refine(B, X, (quick, accurate), factors.solve, bound)

    def _other(self):
        """The factors that stand by. Dense LU has its bad cases too: growth of 2^(n - 1)."""
        with _making_factors:
            if self._second is None:
                twice = 2 * _checks.dense_bytes(self.shape, self.dtype)
                if not self._dense_first and not _checks.fits(twice):
                    raise _checks.ConvergenceError(
                        f"the structured LU of this {self.structure} matrix of order "
                        f"{self.shape[0]} (rcond={self.rcond:.2g}) missed its backward error, and "
                        "a dense LU does not fit"
                    )
                self._second = self._make(not self._dense_first)
        return self._second

    def _failed(self):
        return _checks.ConvergenceError(
            f"no LU factorisation of this {self.structure} matrix of order {self.shape[0]} "
            f"(rcond={self.rcond:.2g}) solves with a small backward error; the solution may "
            f"not be representable in {self.dtype}"
        )

    def _slogdet(self):
        sign, value = self._trusted.slogdet()
        return sign, value + self.shape[0] * int(self._exponent) * math.log(2)

    @functools.cached_property
    def _trusted(self):
        """Factors that are right. A determinant has no residual: they are tried on a system."""
        if self._first.sound:
            return self._first
        n = self.shape[0]
        b = np.random.default_rng(n).standard_normal((n, 1)).astype(self._h.dtype)
        with np.errstate(all="ignore"):
            if not self._attempt(self._first, b)[1].size:
                return self._first
            if not self._attempt(self._other(), b)[1].size:
                return self._second
        raise self._failed()
