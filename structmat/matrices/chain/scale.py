"""Magnitudes of a chain: scalings of one factor, rebalancing; symmetry that the factors show."""

import math

import numpy as np

from structmat._backend.arrays import namespace_of

__all__ = ["balanced_for", "chosen", "columns", "is_hermitian", "rows", "times"]


def _sparse(A):
    """Positions of the factors that hold numbers."""
    return [i for i, F in enumerate(A.factors) if hasattr(F, "pattern")]


def _size(F):
    with np.errstate(over="ignore"):
        return float(abs(F.values).max()) if F.values.size else 0.0


def _replaced(A, at, F):
    return A._like((*A.factors[:at], F, *A.factors[at + 1 :]))


def times(A, c):
    """c A: one factor is scaled, for an extreme c the one that stays nearest to one."""
    at = chosen(A, c)
    return NotImplemented if at is None else _replaced(A, at, A.factors[at]._scale(c))


def chosen(A, c):
    """Which factor takes the scalar, None if there is only permutations."""
    where = _sparse(A)
    if not where or 2.0**-16 <= abs(c) <= 2.0**16:
        return where[0] if where else None
    pick = min if abs(c) > 1 else max
    return pick(where, key=lambda i: _size(A.factors[i]))


def rows(A, op, s):
    """Rows multiplied or divided by s: those of the first factor that holds numbers."""
    where = _sparse(A)
    if not where:
        return NotImplemented
    s = _extended(s, A.full_shape[0])
    for P in A.factors[: where[0]]:  # D P = P D' with d'[p] = d
        moved = namespace_of(s).empty_like(s)
        moved[P.p] = s
        s = moved
    return _replaced(A, where[0], A.factors[where[0]]._rows(op, s))


def columns(A, op, s):
    """Columns multiplied or divided by s: those of the last factor that holds numbers."""
    where = _sparse(A)
    if not where:
        return NotImplemented
    s = _extended(s, A.full_shape[1])
    for P in A.factors[: where[-1] : -1]:  # P D = D' P with d' = d[p]
        s = s[P.p]
    return _replaced(A, where[-1], A.factors[where[-1]]._columns(op, s))


def _extended(s, n):
    """Ones for the rows that a cropped chain leaves out."""
    xp = namespace_of(s)
    return s if len(s) == n else xp.concatenate([s, xp.ones(n - len(s), s.dtype)])


def balanced_for(A, dtype):
    """A with factors of like magnitude, exactly, where one is out of the range of `dtype`."""
    where = _sparse(A)
    limits = np.finfo(dtype)
    sizes = [_size(A.factors[i]) for i in where]
    if len(where) < 2 or not all(0 < s < math.inf for s in sizes):
        return A
    if limits.tiny / limits.eps <= min(sizes) and max(sizes) <= limits.max * limits.eps:
        return A
    exponents = [math.frexp(s)[1] for s in sizes]
    mean, rest = divmod(sum(exponents), len(where))
    factors = list(A.factors)
    for place, (i, e) in enumerate(zip(where, exponents)):
        shift = mean + (place < rest) - e
        values = factors[i].values
        shifted = values * 2.0 ** (shift // 2) * 2.0 ** (shift - shift // 2)
        back = shifted * 2.0 ** -(shift // 2) * 2.0 ** (shift // 2 - shift)
        if not bool((back == values).all()):
            return A  # entries would sink below the smallest number: then nothing is moved
        factors[i] = type(factors[i])(shifted)
    return A._like(tuple(factors))


def is_hermitian(A):
    """True where the factors mirror each other; otherwise they do not tell."""
    if A.shape[0] != A.shape[1]:
        return False
    for F, G in zip(A.factors, A.factors[::-1]):
        if getattr(F, "pattern", None) != _mirrored(G):
            return NotImplemented
    half = len(A.factors) // 2
    for F, G in zip(A.factors[:half], A.factors[::-1]):
        if F != G._adjoint():
            return NotImplemented
    middle = len(A.factors) % 2 == 0 or A.factors[half]._is_hermitian() is True
    return True if middle else NotImplemented


def _mirrored(G):
    return (G.pattern.a, G.pattern.c, G.pattern.b, G.pattern.d) if hasattr(G, "pattern") else None
