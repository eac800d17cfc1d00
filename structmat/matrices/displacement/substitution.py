"""Systems with a triangular Toeplitz matrix, by substitution in its first column."""

import functools
import math

import numpy as np

from structmat import _checks
from structmat._results import Factorization
from structmat.matrices.displacement import cpu
from structmat.matrices.displacement.scaling import moderate, times_power
from structmat.matrices.elementary import _shared

__all__ = ["Substitution"]


class Substitution(Factorization):
    """L x = b for L[i, j] = c[i - j], or L^T x = b, which is L upside down.

    n^2 flops a column and O(n) memory, with errors that are small entry by entry. The solution may
    grow by a factor a row, beyond all numbers.
    """

    method = "substitution"

    def __init__(self, c, lower, structure):
        if len(c) and c[0] == 0:
            raise _checks.singular(structure, "triangular, with zeros on the diagonal")
        self.shape, self.dtype, self.structure = (len(c), len(c)), c.dtype, structure
        self._lower = lower
        self._c, self._exponent = moderate(np.ascontiguousarray(c))

    @functools.cached_property
    def rcond(self):
        """Exact: the inverse is triangular and Toeplitz too, its first column L^-1 e_1."""
        x = np.eye(1, self.shape[0], dtype=self.dtype)
        with np.errstate(all="ignore"):
            cpu.substitute(self._c, x)
            cond = float(abs(self._c).sum(dtype=float) * abs(x).sum(dtype=float))
        return 1 / cond if cond < math.inf else 0.0

    def _solve(self, B):
        if not B.size:
            return B.copy()
        B, exponent = moderate(B)
        down = slice(None, None, 1 if self._lower else -1)
        with np.errstate(all="ignore"):
            X = np.array(B[down].T, order="C")
            cpu.substitute(self._c, X)
            X = times_power(np.ascontiguousarray(X.T[down]), exponent - self._exponent)
        return _checks.representable(X, "solve")

    def _slogdet(self):
        n = self.shape[0]
        sign, value = _shared.slogdet(self._c[:1])
        return sign**n, n * (value + int(self._exponent) * math.log(2))
