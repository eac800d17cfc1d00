"""Dense to chain: a sweep of truncated SVDs from left to right, whose error is exact.

Split s of a chain that refines to the right cuts the matrix into disjoint slices of rank at most
r_s [1]_. The sweep takes the leading r_1 left vectors of the slices of the first split as the first
factor, and goes on with what is right of it, ``B = U^H S``. Slices of one split are disjoint and U
is orthonormal in each, so errors of different splits are orthogonal: the squared error is the sum
of the squared tails. Chains that refine to the left are transposes.

References
----------
.. [1] L. Zheng, Q.-T. Le, E. Riccietti and R. Gribonval, Butterfly factorization with error
   guarantees, SIAM J. Matrix Anal. Appl. 46(4), 2025.
"""

import functools
import itertools
import math
from typing import Any, NamedTuple

from structmat._backend.arrays import namespace_of
from structmat.matrices.chain import patterns
from structmat.matrices.chain.patterns import Pattern
from structmat.matrices.chain.project import slices

__all__ = [
    "Swept",
    "cut",
    "merged",
    "on_support",
    "pattern_of",
    "ranks_of",
    "stacked",
    "sweep",
    "whole",
    "with_ranks",
]


class Swept(NamedTuple):
    """Values of every factor, and the squared tail of every step: made, and least possible."""

    values: Any
    error2: list
    lower2: list


# ---------------------------------------------------------------- patterns


def ranks_of(chain):
    """The rank of every split of a chain that refines to the right."""
    return [patterns.rank(p, q) for p, q in itertools.pairwise(chain)]


def with_ranks(chain, ranks):
    """The chain with the same slices and other ranks: b = r d1 / d2 and c = r a2 / a1."""
    left = [chain[0].b, *(r * p.d // q.d for r, p, q in zip(ranks, chain, chain[1:]))]
    right = [*(r * q.a // p.a for r, p, q in zip(ranks, chain, chain[1:])), chain[-1].c]
    return tuple(Pattern(p.a, b, c, p.d) for p, b, c in zip(chain, left, right))


def whole(chain):
    """The pattern of the product."""
    return functools.reduce(patterns.merge, chain)


class Pair(NamedTuple):
    """Two redundant neighbours, merged."""

    pattern: Pattern
    first: Any
    second: Any


def merged(chain):
    """The chain without redundant neighbours, as a list of patterns and of nested `Pair`."""
    nodes = list(chain)
    i = 0
    while i + 1 < len(nodes):
        p, q = pattern_of(nodes[i]), pattern_of(nodes[i + 1])
        if patterns.redundant(p, q):
            nodes[i : i + 2] = [Pair(patterns.merge(p, q), nodes[i], nodes[i + 1])]
            i = max(i - 1, 0)
        else:
            i += 1
    return nodes


def pattern_of(node):
    """Of a pattern, or of a `Pair`."""
    return node.pattern if isinstance(node, Pair) else node


# ---------------------------------------------------------------- slices of a split


def on_support(A, pattern):
    """(values of A on the support of a pattern, squared norm of what is off it)."""
    a, b, c, d = pattern
    xp = namespace_of(A)
    if a == d == 1:
        return A.reshape(1, 1, b, c), 0.0
    diagonal = "ijlikl->iljk"
    values = xp.ascontiguousarray(xp.einsum(diagonal, A.reshape(a, b, d, a, c, d)))
    rest = A.copy()
    i, l = xp.arange(a)[:, None], xp.arange(d)[None, :]
    rest.reshape(a, b, d, a, c, d)[i, :, l, i, :, l] = 0
    return values, float(slices.squares(rest[None])[0])


def cut(values, alpha, delta):
    """Slices of a product in two: values (a, d, b delta, alpha c) -> (a, delta, d, alpha, b, c)."""
    a, d, rows, columns = values.shape
    S = values.reshape(a, d, rows // delta, delta, alpha, columns // alpha)
    return S.transpose(0, 3, 1, 4, 2, 5)


def stacked(S):
    """Slices in one stack (N, b, c)."""
    return namespace_of(S).ascontiguousarray(S).reshape(math.prod(S.shape[:4]), *S.shape[4:])


def _pushed_apart(U, B, dims):
    """Values of the left factor and of what is right of it, from the bases of all slices."""
    a, delta, d, alpha, b, c = dims
    r = U.shape[2]
    U = U.reshape(a, delta, d, alpha, b, r).transpose(0, 1, 2, 4, 3, 5)
    B = B.reshape(a, delta, d, alpha, r, c).transpose(0, 3, 2, 4, 1, 5)
    return U.reshape(a, delta * d, b, alpha * r), B.reshape(a * alpha, d, r * delta, c)


# ---------------------------------------------------------------- the sweep


def sweep(values, chain):
    """Factor `values`, on the support of the whole chain, into its factors.

    Parameters
    ----------
    values : array, shape (a, d, b, c)
        In the pattern of the product. Double precision.
    chain : sequence of Pattern
        Refines to the right.
    """
    nodes = merged(chain)
    chain = [pattern_of(node) for node in nodes]
    last, found, error2, lower2 = chain[-1], [], [], []
    for p, q, r in zip(chain, chain[1:], ranks_of(chain)):
        S = cut(values, q.a // p.a, p.d // last.d)
        U, B, left, least = slices.leading(stacked(S), r)
        first, values = _pushed_apart(U, B, S.shape)
        found.append(first)
        error2.append(float(left.sum()))
        lower2.append(float(least.sum()))
    found.append(values)
    factors = [F for node, values in zip(nodes, found) for F in _expanded(node, values)]
    return Swept(factors, error2, lower2)


def _expanded(node, values):
    """Values of the factors that were merged: one of two redundant ones holds all, exactly."""
    if not isinstance(node, Pair):
        return [values]
    first, second = split(values, pattern_of(node.first), pattern_of(node.second))
    return [*_expanded(node.first, first), *_expanded(node.second, second)]


def split(values, p, q):
    """Values of factors of the patterns p and q, p refining to q, whose product is `values`.

    Exact where the two are redundant, and then one of them holds all; else the nearest product.
    """
    S = cut(values, q.a // p.a, p.d // q.d)
    stack, r = stacked(S), patterns.rank(p, q)
    xp = namespace_of(stack)
    N, b, c = stack.shape
    if r < min(b, c):
        U, B, _, _ = slices.leading(stack, r)
        return _pushed_apart(U, B, S.shape)
    U, B = xp.zeros((N, b, r), stack.dtype), xp.zeros((N, r, c), stack.dtype)
    if b <= r:
        U[:, xp.arange(b), xp.arange(b)] = 1
        B[:, :b] = stack
    else:
        U[:, :, :c] = stack
        B[:, xp.arange(c), xp.arange(c)] = 1
    return _pushed_apart(U, B, S.shape)
