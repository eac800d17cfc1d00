"""Exact scaling by powers of two, which keeps sums and quotients inside the range of numbers."""

import numpy as np

from structmat._backend.arrays import namespace_of

__all__ = ["largest", "moderate", "times_power"]


def largest(X):
    """The largest real or imaginary part, in modulus: a number, or one for every column."""
    if X.dtype.kind == "c":
        return namespace_of(X).maximum(abs(X.real).max(0), abs(X.imag).max(0))
    return abs(X).max(0)


def moderate(X):
    """(X 2^-e, e): X itself and 0 where no column is extreme, else every column scaled to about 1.

    Between the fourth root of the largest number and its reciprocal, n-term sums of products of two
    numbers, and quotients of two, neither overflow nor lose digits to underflow, in any precision.
    """
    if not X.size:
        return X, 0
    exponents = namespace_of(X).frexp(largest(X))[1]
    if int(abs(exponents).max()) <= np.finfo(X.dtype).maxexp // 4:
        return X, 0
    return times_power(X, -exponents), exponents


def times_power(x, exponent):
    """x * 2^exponent, rounded once; an exponent for all of x, or one for every column."""
    if isinstance(exponent, int) and exponent == 0:
        return x
    xp = namespace_of(x)
    if x.dtype.kind != "c":
        return xp.ldexp(x, exponent)
    parts = xp.ascontiguousarray(x).view(x.real.dtype).reshape(*x.shape, 2)
    return xp.ldexp(parts, xp.asarray(exponent)[..., None]).view(x.dtype).reshape(x.shape)
