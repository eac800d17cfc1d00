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
        self._norm1, self._rcond = norm1, None if A.shape[0] else 1.0
        if A.shape[0]:
            self._factor(bands, lower, upper)

    @property
    def rcond(self):
        """Estimated from a few solves, when first asked for.

        Not by LAPACK's gbcon: its guard against overflow takes O(n^2) for long bands (15 s of the
        15.02 s of a solve with n = 200,000).
        """
        if self._rcond is None:
            self._rcond = _shared.reciprocal_condition(
                lambda B: self._gbtrs(B, self.trans), self._gbtrs_adjoint, self._norm1,
                self.shape, self.dtype,
            )  # fmt: skip
        return self._rcond

    def _gbtrs(self, B, trans):
        gbtrs = routine("gbtrs", self.dtype)
        return gbtrs(self.factors, self.lower, self.upper, B, self.pivots, trans=trans)[0]

    def _gbtrs_adjoint(self, B):
        # (U^T)^H = conj(U).
        return self._gbtrs(B.conj(), 0).conj() if self.trans else self._gbtrs(B, 2)

    def _solve(self, B):
        if not B.size:
            return B.copy()
        X = self._gbtrs(B, self.trans)
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
    trans = 0

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
        self.trans = 1 if lower else 0
        if lower:
            # Diagonal r of A, shifted by r columns, is diagonal -r of A^T.
            transposed = np.zeros_like(bands, order="F")
            for r in range(lower + 1):
                transposed[lower - r, r:] = bands[r, : n - r]
            bands = transposed
        self.factors = np.asfortranarray(bands)
