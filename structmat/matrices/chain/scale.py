"""Magnitudes of a chain: scalings of one factor, rebalancing; symmetry that the factors show.

Factors of 1e150 and 1e-150 are one matrix of moderate numbers, whose partial products are not.
Exact multiples of the factors by powers of two, with the same product, take their places then.
"""

import math

import numpy as np

from structmat._backend.arrays import namespace_of
from structmat.matrices.chain.systems.balance import shifted

__all__ = [
    "balanced",
    "balanced_for",
    "chosen",
    "columns",
    "even",
    "is_hermitian",
    "rows",
    "size",
    "times",
]


def _sparse(factors):
    """Positions of the factors that hold numbers."""
    return [i for i, F in enumerate(factors) if hasattr(F, "pattern")]


def size(values):
    """Largest modulus of a real or imaginary part, 0 for no entries; NaN and infinity propagate.

    A modulus can overflow where both parts are finite.
    """
    if not values.size:
        return 0.0
    parts = (values.real, values.imag) if values.dtype.kind == "c" else (values,)
    # Two passes without a temporary: faster than one over the moduli.
    ends = [float(x) for part in parts for x in (part.max(), -part.min())]
    return math.nan if any(math.isnan(x) for x in ends) else max(ends)


def _replaced(A, at, F):
    return A._like((*A.factors[:at], F, *A.factors[at + 1 :]))


def times(A, c):
    """c A: one factor is scaled, for an extreme c the one that stays nearest to one."""
    at = chosen(A, c)
    return NotImplemented if at is None else _replaced(A, at, A.factors[at]._scale(c))


def chosen(A, c):
    """Which factor takes the scalar, None if there is only permutations."""
    where = _sparse(A.factors)
    if not where or 2.0**-16 <= abs(c) <= 2.0**16:
        return where[0] if where else None
    pick = min if abs(c) > 1 else max
    return pick(where, key=lambda i: size(A.factors[i].values))


def rows(A, op, s):
    """Rows multiplied or divided by s: those of the first factor that holds numbers."""
    where = _sparse(A.factors)
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
    where = _sparse(A.factors)
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


# ---------------------------------------------------------------- like magnitudes


def balanced(factors):
    """Factors for computing: the given ones unless a partial product could leave the number range.

    Exact multiples by powers of two, with the same product, otherwise. Partial products then lie
    between 1 and the whole one in size, so that they overflow only where that does.
    """
    where = _sparse(factors)
    exponents = _exponents(factors, where)
    if exponents is None:
        return factors
    # Room for the square of a partial product, as in A A^H, and for sums of many terms.
    limit = np.finfo(factors[where[0]].dtype).maxexp * 3 // 8
    up, down = sum(max(e, 0) for e in exponents), sum(max(-e, 0) for e in exponents)
    if max(up, down) <= limit or max(exponents) - min(exponents) <= 2:
        return factors
    return _evened(factors, where, exponents)


def even(A):
    """A chain of the factors for computing: A itself where these are its own."""
    return A if A._parts is A.factors else A._like(A._parts)


def balanced_for(A, dtype):
    """A with factors of like magnitude, exactly, where one is out of the range of `dtype`."""
    where = _sparse(A.factors)
    exponents = _exponents(A.factors, where)
    if exponents is None:
        return A
    limits = np.finfo(dtype)
    lowest, highest = limits.minexp + limits.nmant, limits.maxexp - limits.nmant
    if lowest <= min(exponents) and max(exponents) <= highest:
        return A
    factors = _evened(A.factors, where, exponents)
    return A if factors is A.factors else A._like(factors)


def _exponents(factors, where):
    """e with largest entries of m 2^e, 0.5 <= m < 1; None where nothing could be balanced."""
    if len(where) < 2:
        return None
    sizes = [size(factors[i].values) for i in where]
    if not all(0 < s < math.inf for s in sizes):
        return None
    return [math.frexp(s)[1] for s in sizes]


def _evened(factors, where, exponents):
    """The factors with largest entries within a factor of four, exactly; or as they are."""
    mean, rest = divmod(sum(exponents), len(where))
    found = list(factors)
    for place, (i, e) in enumerate(zip(where, exponents)):
        F, shift = factors[i], mean + (place < rest) - e
        values = shifted(F.values, shift)
        # Entries that sank below the smallest number would be lost: then nothing is moved.
        if not bool((shifted(values, -shift) == F.values).all()):
            return factors
        found[i] = type(F)(values)
    return tuple(found)


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
