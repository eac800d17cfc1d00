"""What K + s I needs besides eigenvectors: its parameter s, its Schur form, extremes of products."""

import math

import numpy as np

from structmat import _checks
from structmat._backend.arrays import is_array, namespace_of
from structmat._results import Factorization
from structmat.matrices.kronecker import modes as _modes
from structmat.matrices.kronecker import substitution
from structmat.matrices.kronecker.eigenbasis import log_of_chunks, rotated
from structmat.matrices.kronecker.modes import outer_product, size_of, times_power

__all__ = [
    "ShiftedSchur",
    "describe_shift",
    "extreme_products",
    "has_imaginary",
    "separated",
    "shift_parameter",
]


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
            e = math.frexp(float(abs(T).max(initial=0)))[1]
            triangles.append(times_power(T, -e))
            exponent += e
        top = max(exponent, math.frexp(abs(s))[1])
        a, b = math.ldexp(1.0, max(exponent - top, -1070)), _scaled(s, -top)
        self.exponent = top
        self.pivots = a * outer_product([T.diagonal() for T in triangles]) + dtype.type(b)
        zero = self.pivots == 0
        if bool(zero.any()):
            raise _checks.singular(self.structure, describe_shift(A._sizes(), s)(int(zero.argmax())))
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


# ---------------------------------------------------------------- parameters and numbers


def shift_parameter(D, sizes):
    """A Python number, an array (N,), or a tuple of arrays (n_i,)."""
    if isinstance(D, tuple) and D and all(np.ndim(d) == 1 for d in D):
        parts = tuple(_checks.as_parameter(d, "shift", ndim=1) for d in D)
        if [d.shape[0] for d in parts] != sizes:
            raise ValueError(
                f"a diagonal of {len(sizes)} factors of orders {sizes} was expected; got "
                f"{[d.shape[0] for d in parts]}"
            )
        return parts
    if np.ndim(D) == 0:
        D = complex(D)
        _checks.finite(np.asarray(D), "shift")
        return D if D.imag else D.real
    D = _checks.as_parameter(D, "shift", ndim=1)
    if D.shape[0] != size_of(sizes):
        raise ValueError(
            f"`shift` must have shape ({size_of(sizes)},); got {tuple(D.shape)}"
        )
    return separated(D, sizes)


def separated(D, sizes):
    """The array as a Kronecker product of diagonals where it is one to rounding, else as it is."""
    if len(sizes) == 1 or not D.shape[0]:
        return D
    xp = namespace_of(D)
    at = _modes.digits(np.asarray(int(abs(D).argmax())), sizes)
    pivot = D[int(abs(D).argmax())]
    if not bool(pivot != 0) or not bool(xp.isfinite(pivot)):
        return D
    grid = D.reshape(sizes)
    parts = []
    for i in range(len(sizes)):
        line = grid[tuple(slice(None) if j == i else int(at[j]) for j in range(len(sizes)))]
        parts.append(line if i == 0 else line / pivot)
    product = outer_product(parts)
    close = abs(product - D) <= 4 * len(sizes) * float(np.finfo(D.dtype).eps) * abs(D)
    return tuple(parts) if bool(close.all()) else D


def _scaled(s, e):
    if isinstance(s, complex):
        return complex(_scaled(s.real, e), _scaled(s.imag, e))
    return math.ldexp(s, max(e, -2200))


def has_imaginary(d):
    if is_array(d):
        return d.dtype.kind == "c" and bool((d.imag != 0).any())
    return complex(d).imag != 0


def extreme_products(values):
    """Smallest and largest product of one entry of each real vector: an interval product."""
    low = high = 1.0
    exponent = 0
    for v in values:
        ends = float(v.min()), float(v.max())
        products = [x * y for x in (low, high) for y in ends]
        low, high = min(products), max(products)
        e = math.frexp(max(abs(low), abs(high)))[1]
        low, high, exponent = math.ldexp(low, -e), math.ldexp(high, -e), exponent + e
    return tuple(float(times_power(np.float64(x), exponent)) for x in (low, high))


def describe_shift(sizes, s):
    def describe(index):
        names = " times ".join(_modes.place(index, sizes))
        return f"{names} is minus the shift {s:.6g}"

    return describe
