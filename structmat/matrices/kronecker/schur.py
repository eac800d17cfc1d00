"""Factorisations by Schur forms of the factors, for Kronecker sums and for K + s I."""

import math

import numpy as np

from structmat import _checks
from structmat._results import Factorization
from structmat.matrices.kronecker import substitution
from structmat.matrices.kronecker.eigenbasis import describe_sum, log_of_chunks, rotated
from structmat.matrices.kronecker.modes import (
    describe_shift,
    exponent_of,
    outer_product,
    partial_sums,
    times_power,
)

__all__ = ["SchurSum", "ShiftedSchur"]


class SchurSum(Factorization):
    """Schur forms of the factors; solves by substitution over the modes."""

    method = "Schur forms of the factors (Bartels-Stewart)"

    def __init__(self, A, parts):
        self.shape, self.dtype, self.structure = A.shape, A.dtype, "KroneckerSum"
        self.parts = parts
        self.values = [m.values for m in parts]
        for at, s in enumerate(partial_sums(self.values)):
            if not bool((s != 0).all()):
                zero = at * len(s) + int((s == 0).argmax())
                raise _checks.singular("KroneckerSum", describe_sum(parts)(zero))
        self._triangular = substitution.sum_solver(parts)
        dtype = np.result_type(*(m.T.dtype for m in parts))
        size = sum(substitution.triangular_norm(m.T) for m in parts)
        self.rcond = substitution.reciprocal_condition(
            (*self._triangular, self.shape[0]), dtype, size
        )

    def _solve(self, B):
        Y = substitution.solved(*self._triangular, rotated(self.parts, B, inverse=True))
        X = rotated(self.parts, Y)
        return X.real.astype(self.dtype) if X.dtype.kind != self.dtype.kind else X

    def _slogdet(self):
        return log_of_chunks(partial_sums(self.values), real=self.dtype.kind != "c")


class ShiftedSchur(Factorization):
    """Z (T_1 (x) ... (x) T_d + s I) Z^H, the T_i upper triangular."""

    method = "Schur forms of the factors"

    def __init__(self, A, parts):
        self.shape, self.dtype, self.structure = A.shape, A.dtype, "KroneckerPlusDiagonal"
        self.parts, s = parts, A.shift
        dtype = np.result_type(A.dtype, *(m.T.dtype for m in parts))
        triangles, exponent = [], 0
        for m in parts:
            T = (np.diag(m.T) if m.T.ndim == 1 else m.T).astype(dtype)
            e = exponent_of(T)
            triangles.append(times_power(T, -e))
            exponent += e
        top = max(exponent, math.frexp(abs(s))[1])
        a, b = math.ldexp(1.0, max(exponent - top, -1070)), _scaled(s, -top)
        self.exponent = top
        self.pivots = a * outer_product([T.diagonal() for T in triangles]) + dtype.type(b)
        zero = self.pivots == 0
        if bool(zero.any()):
            raise _checks.singular(
                self.structure, describe_shift(A._sizes(), s)(int(zero.argmax()))
            )
        self._triangular = substitution.pair_solver([(T, None) for T in triangles], (a, b), 0)
        size = a * math.prod(substitution.triangular_norm(T) for T in triangles) + abs(b)
        self.rcond = substitution.reciprocal_condition(
            (*self._triangular, self.shape[0]), dtype, size
        )
        self._work = dtype

    def _solve(self, B):
        B = times_power(B.astype(self._work, copy=False), -self.exponent)
        Y = substitution.solved(*self._triangular, rotated(self.parts, B, inverse=True))
        X = rotated(self.parts, Y)
        return X.real.astype(self.dtype) if X.dtype.kind != self.dtype.kind else X

    def _slogdet(self):
        sign, total = log_of_chunks([self.pivots], real=self.dtype.kind != "c")
        return sign, total + self.shape[0] * self.exponent * math.log(2)


def _scaled(s, e):
    if isinstance(s, complex):
        return complex(_scaled(s.real, e), _scaled(s.imag, e))
    return math.ldexp(s, max(e, -2200))
