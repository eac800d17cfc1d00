"""Systems with a circulant matrix: division by its eigenvalues, refined where that needs it."""

import math

import numpy as np

from structmat import _checks
from structmat._results import Factorization
from structmat.matrices.displacement import convolve
from structmat.matrices.displacement.refine import ACCEPTED, refine
from structmat.matrices.displacement.scaling import moderate, times_power

__all__ = ["CirculantFactorization"]


class CirculantFactorization(Factorization):
    """Division by the eigenvalues, with refinement where that is not small in the 1-norm.

    Notes
    -----
    The residual of the division is below ``4 eps log2(2 n) |C|_2 |x|_2`` in the 2-norm. Where |x|_1
    is near |x|_2 (few large entries) and |C|_1 near |C|_2 (few entries), that can be sqrt(n) times
    more than a solve should leave in the 1-norm: those columns are checked, and refined with a
    residual in the next wider precision.
    """

    method = "division by the eigenvalues, by FFT; 2-norm condition"
    structure = "Circulant"

    def __init__(self, C):
        self.shape, self.dtype, self._matrix = C.shape, C.dtype, C
        self._spectrum, self._exponent = C._invertible()
        self._c, _ = moderate(C.c)
        self._norm1 = float(abs(self._c).sum())
        size = abs(self._spectrum)
        self._norm2 = float(size.max()) if len(size) else 1.0
        self.rcond = float(size.min()) / self._norm2 if len(size) else 1.0

    def _solve(self, B):
        if not B.size:
            return B.copy()
        B, exponent = moderate(B)
        with np.errstate(all="ignore"):
            X = self._divide(B)
            doubtful = self._doubtful(X)
            if doubtful.size:
                X[:, doubtful] = self._refined(B[:, doubtful], X[:, doubtful])
            X = times_power(X, exponent - self._exponent)
        return _checks.representable(X, "solve")

    def _divide(self, B):
        return self._matrix._filter(self._spectrum, B, divide=True)

    def _doubtful(self, X):
        """Columns for which the bound in the 2-norm does not imply the one in the 1-norm."""
        xp, n = self._matrix._namespace, X.shape[0]
        if self.rcond < np.finfo(self.dtype).eps:  # refinement would not converge
            return xp.arange(0)
        size = abs(X)
        error = 4 * math.log2(2 * n) * math.sqrt(n) * self._norm2 * xp.sqrt((size * size).sum(0))
        return xp.flatnonzero(error > ACCEPTED * self._norm1 * size.sum(0))

    def _refined(self, B, X):
        xp, c, n = self._matrix._namespace, self._c, X.shape[0]
        wider = np.longdouble if xp is np and c.real.dtype == np.float64 else np.float64
        wide = c.astype(np.result_type(c.dtype, wider))

        def quick(X):
            return convolve.cyclic(xp, c, X, n)

        def accurate(X):
            return convolve.cyclic(xp, wide, X.astype(wide.dtype), n)

        bound = ACCEPTED * float(np.finfo(self.dtype).eps) * self._norm1
        refine(B, X, (quick, accurate), self._divide, bound)
        return X

    def _slogdet(self):
        return self._matrix._slogdet()
