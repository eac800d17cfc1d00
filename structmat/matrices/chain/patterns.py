"""Patterns (a, b, c, d) of Kronecker-sparse factors, and their arithmetic. No numbers of a matrix.

A pattern stands for the support ``I_a (x) ones(b, c) (x) I_d``: a*d independent dense blocks of
shape (b, c), interleaved. Row ``i b d + j d + l`` and column ``i c d + k d + l`` meet in
entry (j, k) of block (i, l) [1]_.

References
----------
.. [1] L. Zheng, Q.-T. Le, E. Riccietti and R. Gribonval, Butterfly factorization with error
   guarantees, SIAM J. Matrix Anal. Appl. 46(4), 2025.
"""

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from structmat import _checks

__all__ = [
    "Pattern",
    "chainable",
    "checked",
    "dyadic",
    "merge",
    "monarch",
    "rank",
    "rectangular",
    "redundant",
    "refines",
    "square",
    "transpose",
]


class Pattern(NamedTuple):
    """The support I_a (x) ones(b, c) (x) I_d."""

    a: int
    b: int
    c: int
    d: int

    @property
    def shape(self):
        """(a b d, a c d)."""
        return self.a * self.b * self.d, self.a * self.c * self.d

    @property
    def nnz(self):
        """a b c d, the numbers that a factor holds."""
        return self.a * self.b * self.c * self.d


def checked(pattern):
    """Four sizes as a Pattern."""
    pattern = tuple(pattern) if np.ndim(pattern) == 1 else ()
    if len(pattern) != 4:
        raise ValueError("a pattern is four integers (a, b, c, d)")
    try:
        return Pattern(*(_checks.size(x, "pattern") for x in pattern))
    except TypeError:
        raise TypeError(
            f"a pattern is four integers (a, b, c, d): each must be an integer; got {pattern}"
        ) from None


def transpose(p):
    """The pattern of the transpose."""
    return Pattern(p.a, p.c, p.b, p.d)


def rank(p, q):
    """Largest rank of a slice of the product of two factors; None where slices are not disjoint.

    Blocks of a chain refine from left to right, a1 | a2 and d2 | d1, with
    ``r = a1 c1 / a2 = b2 d2 / d1`` [1]_, or from right to left (the transpose of such a chain).
    """
    if p.shape[1] != q.shape[0]:
        return None
    found = _refining(p, q)
    return _refining(transpose(q), transpose(p)) if found is None else found


def _refining(p, q):
    if not (_divides(p.a, q.a) and _divides(q.d, p.d)):
        return None
    if not (_divides(q.a, p.a * p.c) and _divides(p.d, q.b * q.d)):
        return None
    return p.a * p.c // q.a if q.a else q.b * q.d // p.d if p.d else 0


def _divides(n, m):
    """True when n divides m; zero divides zero alone (a matrix without rows)."""
    return m % n == 0 if n else m == 0


def chainable(*chain):
    """True for patterns of a chain: all neighbours refine to the right, or all to the left."""
    return refines(*chain) or refines(*[transpose(p) for p in chain[::-1]])


def refines(*chain):
    """True when each pattern's blocks are unions of slices of the next: a1 | a2 and d2 | d1."""
    return all(p.shape[1] == q.shape[0] and _refining(p, q) is not None for p, q in pairwise(chain))


def merge(p, q):
    """The pattern of the product of two chainable factors."""
    if refines(p, q):
        return Pattern(p.a, p.b * p.d // q.d, q.a * q.c // p.a, q.d)
    if refines(transpose(q), transpose(p)):
        return transpose(merge(transpose(q), transpose(p)))
    raise ValueError(f"patterns {tuple(p)} and {tuple(q)} are not chainable")


def redundant(p, q):
    """True when a product holds no more numbers than its factors can set: r >= min(b1, c2)."""
    r = rank(p, q)
    return r is not None and r >= min(p.b, q.c)


def square(radices):
    """Patterns (n_1 ... n_(i-1), n_i, n_i, n_(i+1) ... n_L) of a square chain of rank one."""
    return rectangular(radices, radices)


def rectangular(rows, columns, rank=1):
    """Patterns of an (m_1 ... m_L) x (n_1 ... n_L) chain whose splits all have the given rank.

    Factor i is ``(n_1 ... n_(i-1), m_i r, n_i r, m_(i+1) ... m_L)``, without the r on the two
    outer sides; two of them are the patterns of a Monarch matrix.
    """
    last = len(rows) - 1
    return tuple(
        Pattern(
            math.prod(columns[:i]),
            m * (rank if i else 1),
            n * (rank if i < last else 1),
            math.prod(rows[i + 1 :]),
        )
        for i, (m, n) in enumerate(zip(rows, columns, strict=True))
    )


def dyadic(n):
    """The log2 n patterns (2^i, 2, 2, n / 2^(i+1)) of a butterfly of order n."""
    if n < 1 or n & (n - 1):
        raise ValueError(f"a dyadic butterfly has an order that is a power of two; got {n}")
    return square((2,) * (n.bit_length() - 1)) if n > 1 else (Pattern(1, 1, 1, 1),)


def monarch(l, s, k, p, r=1):
    """The two patterns of a Monarch matrix of (l s) x (k p) with slices of rank r."""
    return rectangular((s, l), (k, p), r)
