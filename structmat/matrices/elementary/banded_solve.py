"""Factorisations of a band: LAPACK's LU with partial pivoting, and bands that are triangles."""

import math

import numpy as np

from structmat import _checks
from structmat._backend.lapack import routine
from structmat._results import Factorization
from structmat.matrices.elementary import _shared

__all__ = ["BandedLU", "TriangularBand"]


class _Band(Factorization):
    structure = "Banded"

    def __init__(self, A, bands, lower, upper):
        self.shape, self.dtype = A.shape, A.dtype
        with np.errstate(over="ignore"):
            norm1 = _shared.sum_norm(abs(bands).sum(0), 1)
        # Column sums that overflow would spoil the condition estimate: work on A / 2^k then.
        self.scale = _shared.power_of_two_below(norm1, lower + upper + 1, bands)
        if self.scale != 1:
            bands = bands * self.dtype.type(self.scale)
            norm1 = _shared.sum_norm(abs(bands).sum(0), 1)
        self.rcond = 1.0
        if A.shape[0]:
            self._factor(bands, lower, upper)
            self.rcond = float(self._gbcon(norm1)[0])

    def _gbcon(self, norm1):
        gbcon = routine("gbcon", self.dtype)
        return gbcon(self.lower, self.upper, self.factors, self.pivots, norm1, norm=self.which)

    def _solve(self, B):
        if not B.size:
            return B.copy()
        gbtrs = routine("gbtrs", self.dtype)
        X, _ = gbtrs(self.factors, self.lower, self.upper, B, self.pivots, trans=self.trans)
        return X if self.scale == 1 else X * self.dtype.type(self.scale)

    def _slogdet(self):
        if not self.shape[0]:
            return 1.0, 0.0
        sign, value = _shared.slogdet(self.factors[self.lower + self.upper])
        value -= self.shape[0] * math.log(self.scale)
        return sign * _shared.parity(self.pivots), value


class BandedLU(_Band):
    """P A = L U by gbtrf: U has lower + upper diagonals above the main one."""

    method = "band LU with partial pivoting"
    trans, which = 0, "1"

    def _factor(self, bands, lower, upper):
        self.lower, self.upper = lower, upper
        work = np.zeros((2 * lower + upper + 1, bands.shape[1]), self.dtype, order="F")
        work[lower:] = bands
        self.factors, self.pivots, info = routine("gbtrf", self.dtype)(
            work, lower, upper, overwrite_ab=True
        )
        if info > 0:
            raise _checks.singular(self.structure, f"pivot {info - 1} is exactly zero")


class TriangularBand(_Band):
    """A band that is a triangle is its own factor: no elimination and no pivots.

    An upper triangle is U of the trivial factorisation L = I. A lower one is solved through its
    transpose, which pivoting would otherwise destroy: A = U^T.
    """

    method = "band substitution"

    def _factor(self, bands, lower, upper):
        zero = _shared.first_zero(bands[upper])
        if zero is not None:
            raise _checks.singular(self.structure, f"diagonal entry {zero} is zero")
        n = bands.shape[1]
        self.lower, self.upper = 0, lower + upper
        self.pivots = np.arange(n, dtype=np.int32)
        self.trans, self.which = (1, "I") if lower else (0, "1")
        if lower:
            # Diagonal r of A, shifted by r columns, is diagonal -r of A^T.
            transposed = np.zeros_like(bands, order="F")
            for r in range(lower + 1):
                transposed[lower - r, r:] = bands[r, : n - r]
            bands = transposed
        self.factors = np.asfortranarray(bands)
