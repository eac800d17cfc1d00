"""The shift of K + s I: what a diagonal may be given as, and extremes of products beside it."""

import math

import numpy as np

from structmat import _checks
from structmat._backend.arrays import is_array, namespace_of
from structmat.matrices.kronecker.modes import digits, outer_product, size_of, times_power

__all__ = ["extreme_products", "has_imaginary", "separated", "shift_parameter"]


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
        raise ValueError(f"`shift` must have shape ({size_of(sizes)},); got {tuple(D.shape)}")
    return separated(D, sizes)


def separated(D, sizes):
    """The array as a Kronecker product of diagonals where it is one to rounding, else as it is."""
    if len(sizes) == 1 or not D.shape[0]:
        return D
    xp = namespace_of(D)
    at = digits(np.asarray(int(abs(D).argmax())), sizes)
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


def has_imaginary(d):
    """Whether a number or array has an imaginary part that is not zero."""
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
