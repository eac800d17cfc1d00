"""Fewer and larger factors: chainable neighbours multiplied out where the product gets cheaper."""

import math
from itertools import pairwise

import numpy as np

from structmat import _checks
from structmat.matrices.chain import patterns
from structmat.matrices.chain.kronecker_sparse import KroneckerSparse
from structmat.matrices.chain.products import merged_values

__all__ = ["concatenated", "expanded", "fused", "merged"]

# One pass over the operand costs as much as this many multiply-adds an entry: blocks of order 8 to
# 16 are then the cheapest, as measured for mixed radices and complex numbers, n = 1024 to 16384.
_PASS = 16
_LARGEST = 64  # order of a block: beyond it a block is dense work, and nothing is left to save


def merged(F, G):
    """The product of two chainable factors, one factor."""
    return KroneckerSparse(merged_values(F.values, G.values))


def expanded(F, p, q):
    """The way back from `merged`; see `KroneckerSparse.expand`."""
    if patterns.rank(p, q) is None or patterns.merge(p, q) != F.pattern:
        raise ValueError(
            f"patterns {tuple(p)} and {tuple(q)} do not multiply to {tuple(F.pattern)}, the "
            "pattern of the factor"
        )
    if not patterns.refines(p, q):
        second, first = expanded(F.T, patterns.transpose(q), patterns.transpose(p))
        return first.T, second.T
    from structmat.matrices.chain.project import sweep

    values = F.values
    first, second = sweep.split(values, p, q)
    scale = float(abs(values).max()) if values.size else 0.0
    error = abs(merged_values(first, second) - values).max() if values.size else 0.0
    # The slices are cut by singular vectors: exact up to rounding where their rank allows it.
    if not error <= 32 * max(values.shape) * _eps(values.dtype) * scale:
        raise ValueError(
            f"the factor is no product of patterns {tuple(p)} and {tuple(q)}: slices of rank "
            f"{patterns.rank(p, q)} leave an entry off by {error:.2g}. For the nearest product use "
            "structmat.project(F, sm.Chain, patterns=[p, q])"
        )
    return KroneckerSparse(first), KroneckerSparse(second)


def _eps(dtype):
    return float(np.finfo(dtype).eps)


def concatenated(left, right):
    """The factors of a product of chains, multiplied out in the middle where that saves numbers.

    Permutations are composed, and leave where they cancel; two factors become one where that holds
    fewer numbers than they did. Two of radix 2 stay apart: kernels for them are faster.
    """
    left, right = list(left), list(right)
    while left and right:
        F, G = left[-1], right[0]
        kinds = hasattr(F, "pattern"), hasattr(G, "pattern")
        if kinds == (False, False):
            P = F @ G
            left, right = left[:-1], right[1:]
            if bool(P._fixed().all()) and (left or right):
                continue
            return [*left, P, *right]
        if kinds == (True, True) and _shrinks(F.pattern, G.pattern):
            return [*left[:-1], merged(F, G), *right[1:]]
        break
    return [*left, *right]


def _shrinks(p, q):
    """True when the product of two chainable factors holds fewer numbers than the two."""
    if not (p.nnz and q.nnz) or patterns.rank(p, q) is None:
        return False
    return patterns.merge(p, q).nnz < p.nnz + q.nnz


def fused(A, n_factors=None):
    """A with fewer factors; see `Chain.fuse`."""
    groups, runs = _runs(A._parts)
    # A count that is asked for is a structure that is asked for: blocks as even as they can be.
    free = n_factors is None
    plans = [_plans([F.pattern for F in run], free and _staged(run[0])) for run in runs]
    if free:
        counts = [min(plan, key=lambda count, plan=plan: plan[count][0]) for plan in plans]
    else:
        counts = _shared_out(plans, _checks.size(n_factors, "n_factors"))
    factors = []
    for kind, index in groups:
        if kind == "permutation":
            factors.append(index)
            continue
        cuts = plans[index][counts[index]][1]
        run = runs[index]
        factors += [_multiplied(run[i:j]) for i, j in pairwise(cuts)]
    return A._like(factors)


def _runs(factors):
    """The order of permutations (composed) and runs of chainable factors, and those runs."""
    groups, runs = [], []
    for F in factors:
        last = groups[-1] if groups else (None, None)
        if not hasattr(F, "pattern"):
            if last[0] == "permutation":
                groups[-1] = "permutation", last[1] @ F
            else:
                groups.append(("permutation", F))
        elif last[0] == "run" and patterns.chainable(*(G.pattern for G in (*runs[-1], F))):
            runs[-1].append(F)
        else:
            groups.append(("run", len(runs)))
            runs.append([F])
    return groups, runs


def _staged(F):
    """True where the kernels take successive dyadic 2 x 2 factors through memory together."""
    return not F._host or F.dtype.kind != "c"


def _plans(chain, staged):
    """{count: (cost, cuts)}: the cheapest way to leave so many factors of a run.

    Dynamic programming over the last part of it, which is one product, or several dyadic factors
    that stay. A product is at most of order `_LARGEST` unless no other way leads to the count.
    """
    best: dict = {(0, 0): (0.0, (0,))}
    for j in range(1, len(chain) + 1):
        for i, one, kept in _last_parts(chain[:j], staged):
            for k in [k for k, end in best if end == i]:
                cost, cuts = best[k, i]
                ways = [(k + 1, cost + one, (*cuts, j))]
                if kept is not None:
                    ways.append((k + j - i, cost + kept, (*cuts, *range(i + 1, j + 1))))
                for count, total, where in ways:
                    if total < best.get((count, j), (math.inf,))[0]:
                        best[count, j] = total, where
    return {k: way for (k, end), way in best.items() if end == len(chain)}


def _last_parts(chain, staged):
    """(start, cost as one product, cost as dyadic factors or None) of every end of the chain."""
    j = len(chain)
    p, dyadic = chain[-1], staged
    for i in range(j - 1, -1, -1):
        if i < j - 1:
            if 0 in p or 0 in chain[i]:
                return
            p = patterns.merge(chain[i], p)
            dyadic = dyadic and _stages(chain[i], chain[i + 1])
        factor = 1e6 if i < j - 1 and max(p.b, p.c) > _LARGEST else 1
        kept = sum(q.nnz for q in chain[i:]) / 2 if dyadic and i < j - 1 else None
        yield i, _cost(p) * factor, kept


def _stages(p, q):
    """True for square 2 x 2 factors of which one has twice the stride of the other."""
    return (p.b, p.c, q.b, q.c) == (2, 2, 2, 2) and p.shape == q.shape and p.d in (2 * q.d, q.d / 2)


def _cost(p):
    """Multiply-adds of a product with a vector, and its pass over both ends."""
    return p.nnz + _PASS * sum(p.shape) / 2


def _shared_out(plans, n_factors):
    """Counts for each run that add up to `n_factors` at the least cost."""
    best = {0: (0.0, [])}
    for plan in plans:
        found: dict = {}
        for total, (cost, counts) in best.items():
            for count, (more, _) in plan.items():
                way = cost + more, [*counts, count]
                if total + count not in found or way < found[total + count]:
                    found[total + count] = way
        best = found
    if n_factors not in best:
        low, high = min(best), max(best)
        raise ValueError(
            f"`n_factors` must lie between {low} and {high} for this chain (factors that are not "
            f"chainable stay apart); got {n_factors}"
        )
    return best[n_factors][1]


def _multiplied(run):
    """The product of a run, neighbours with the smallest product first."""
    run = list(run)
    while len(run) > 1:
        sizes = [patterns.merge(F.pattern, G.pattern).nnz for F, G in pairwise(run)]
        at = sizes.index(min(sizes))
        run[at : at + 2] = [merged(run[at], run[at + 1])]
    return run[0]
