"""One butterfly near a matrix: which chain, in which order of rows and columns.

Chains within a budget are ranked by the tails of their splits (`search`); the best are swept and
refined, in the order at hand and in the best of the candidate orders.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from structmat._backend.arrays import namespace_of
from structmat.matrices.chain.learn.learned import search
from structmat.matrices.chain.learn.refine import refine
from structmat.matrices.chain.project import permuted, sweep

__all__ = ["EXACT", "Found", "best_chain", "merit", "ordered", "refined", "told"]

# How many ranked chains are swept, and how many of those refined.
_SWEPT, _REFINED = 12, 3
# Orders are judged by all chains of one split up to this many entries, and by three splits above;
# one must be better than another by this much to replace it.
_SMALL, _WORTH = 2**12, 1e-2
# Above this many entries, a third as many chains are swept.
_LARGE = 2**16
# Orders are searched by exchanges up to this many entries, for so many splits of a start.
_EXCHANGED_SIZE, _EXCHANGED = 2**10, 4
# Random orders are exchanged as well up to this many entries.
_RESTARTED_SIZE = 2**8
# Squared errors below this are rounding.
EXACT = 1e-28


class Found(NamedTuple):
    """Values of the factors of a chain near ``M[rows][:, columns]``, and the squared error."""

    values: Any
    rows: Any
    columns: Any
    error2: float


def ordered(M, found):
    """M, padded where the order has more indices, with its rows and columns in that order."""
    xp = namespace_of(M)
    M = search.padded(M, len(found.rows), len(found.columns))
    return M[xp.asarray(found.rows)][:, xp.asarray(found.columns)]


def best_chain(M, budget, permutation, restarts, rng, refining):
    """The best chain found within the budget, in the best order found."""
    m, n = M.shape
    as_is = Found(None, np.arange(m), np.arange(n), math.inf)
    start = _order(M, budget, permutation, as_is)
    most = _SWEPT if m * n <= _LARGE else _SWEPT // 3
    found = _swept(M, budget, start, most)
    searched = _is(permutation, "auto")
    if searched and start is not as_is:
        found += _swept(M, budget, as_is, most)
    found.sort(key=merit)
    if searched and m * n <= _EXCHANGED_SIZE and found[0].error2 > EXACT:
        found += _exchanged(M, budget, start, rng, restarts)
    found.sort(key=merit)
    return min((refined(M, x, refining) for x in found[:_REFINED]), key=merit)


def merit(found):
    """Smaller is better: error, then numbers; errors at rounding are equal."""
    return max(found.error2, EXACT), sum(F.size for F in found.values)


def _swept(M, budget, order, most):
    """Fits of the best ranked chains in one order."""
    B = ordered(M, order)
    m, n = M.shape
    ranked = search.ranked(B, budget, _dyadic(m, n, budget))
    return [_fit(M, order, splits) for splits in ranked[:most]]


def _dyadic(m, n, budget):
    """Splits of the dyadic butterflies of ranks 1, 2 and 4 within the budget."""
    if m != n or n & (n - 1):
        return []
    found = [search.dyadic_splits(n, r) for r in (1, 2, 4)]
    return [x for x in found if x and sum(p.nnz for p in search.chain_of(m, n, x)) <= budget]


def refined(M, found, refining):
    """The fit after refinement."""
    if found.error2 <= EXACT:
        return found
    values, error = refine(ordered(M, found), found.values, *refining)
    return found._replace(values=values, error2=error**2)


def _order(M, budget, permutation, start):
    """As it is, as told, or the best of the candidates: for columns, then for rows."""
    m, n = M.shape
    if permutation is None:
        return start
    if not _is(permutation, "auto"):
        return start._replace(columns=told(permutation, n))
    judge = _judge(M, budget)
    best, merit = start, judge(M)
    for side, size in (("columns", n), ("rows", m)):
        for p in search.orders(size)[1:]:
            order = best._replace(**{side: p})
            gained = judge(ordered(M, order))
            if gained < merit * (1 - _WORTH):
                best, merit = order, gained
    return best


def _is(permutation, name):
    return isinstance(permutation, str) and permutation == name


def told(permutation, n):
    """The order of n columns that was asked for: a bit reversal, or indices (the rest follow)."""
    if not _is(permutation, "bit_reversal"):
        return _extended(permutation, n)
    if n & (n - 1):
        raise ValueError(f"a bit reversal needs a power of two; the matrix has {n} columns")
    return permuted.bit_reversal(n)


def _judge(M, budget):
    """How good an order is: by chains of one split, or by three splits where those cost less."""
    m, n = M.shape
    if m * n <= _SMALL:
        return lambda B: search.promise(B, budget, _dyadic(m, n, budget))
    rows, columns = (search.divisors(size)[1:-1] or [1] for size in (m, n))
    splits = [(columns[i], rows[-1 - i]) for i in (0, min(map(len, (rows, columns))) // 2)]
    splits.append((columns[-1], rows[0]))
    return lambda B: sum(search.tail2(B, k, l)[1] for k, l in splits)


def _exchanged(M, budget, start, rng, restarts):
    """Fits after exchanges of rows and columns, from the order at hand and from random ones."""
    m, n = M.shape
    starts = [start]
    for _ in range(restarts if m * n <= _RESTARTED_SIZE else 0):
        starts.append(start._replace(rows=rng.permutation(m), columns=rng.permutation(n)))
    found = []
    for order in starts:
        B = ordered(M, order)
        for _, split in search.uneven_splits(B, budget)[:_EXCHANGED]:
            tail, p, q = search.exchanged(search.grouped(B, *split[:2]), split, rng)
            rows, columns = _extended(order.rows, len(p))[p], _extended(order.columns, len(q))[q]
            found.append((tail, split, Found(None, rows, columns, math.inf)))
    found.sort(key=lambda x: x[0])
    return [_fit(M, order, [split]) for _, split, order in found[:_REFINED]]


def _extended(p, n):
    return np.concatenate([p, np.arange(len(p), n)])


def _fit(M, order, splits):
    """The swept chain of these splits in one order."""
    B = ordered(M, order)
    swept = sweep.sweep(B[None, None], search.chain_of(*B.shape, splits))
    return order._replace(values=swept.values, error2=sum(swept.error2))
