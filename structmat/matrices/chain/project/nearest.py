"""The way of every projection: pad, permute, sweep, bracket, refine, round, put the scale back."""

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from structmat._backend.arrays import namespace_of
from structmat._results import ProjectionResult
from structmat.matrices.chain import patterns, scale
from structmat.matrices.chain.project import bracket, permuted, ranks, scaling, slices, sweep

__all__ = ["project"]

# Of the permutations that "auto" looks at, so many are fitted.
_MOST_FITTED = 3


class _Fit(NamedTuple):
    """Values of every factor and absolute bounds: what one target and chain give."""

    values: Any
    error: float
    lower: float
    upper: float


def project(M, chain, rtol, budget, block_rank, permutation, refine, build, shared=False):
    """The certified result for a dense target.

    Parameters
    ----------
    M : array, shape (m, n)
        At most of the shape of the chain.
    chain : sequence of Pattern
    rtol, budget, block_rank, permutation, refine
        As documented in `fit`; without the first three the ranks are those of the chain.
    build : callable
        Makes the matrix from the values of the factors.
    shared : bool
        Whether two factors get equal parts of every singular value.
    """
    m, n = M.shape
    dtype, xp = M.dtype, namespace_of(M)
    full = chain[0].shape[0], chain[-1].shape[1]
    tried = permuted.candidates(permutation, n, *permuted.digits(chain))
    if not M.size:
        values = [xp.zeros((p.a, p.d, p.b, p.c), dtype) for p in chain]
        return ProjectionResult(build(values), 0.0, 0.0, 0.0)
    A, exponent = scaling.padded(M, full, scale.size(M))
    size = math.sqrt(float(slices.squares(A[None])[0]))
    aim = None if rtol is None else rtol * size
    rounding = 32 * float(np.finfo(dtype).eps) * size
    best = chosen = None
    for candidate in _promising(A, tried, chain, block_rank):
        found = _fit(permuted.applied(A, candidate), chain, aim, budget, block_rank)
        if best is None or _key(found, aim) < _key(best, aim):
            best, chosen = found, candidate
        if best.error <= rounding and aim is None:
            break
    F = permuted.applied(A, chosen)
    kept = None if full == (m, n) else permuted.inside(chosen, full, m, n)

    def rounded(values):
        values = scaling.shared(*values) if shared else values
        return [v.astype(dtype) for v in scaling.evened(values)]

    values, error = rounded(best.values), best.error
    if dtype != A.dtype or kept is not None:
        error = scaling.distance(F, values, kept)
    if refine and error > 0 and all(v.size for v in values):
        moved = rounded(_refined(F, best.values, refine))
        reached = scaling.distance(F, moved, kept)
        values, error = (moved, reached) if reached < error else (values, error)
    matrix = permuted.composed(build(scaling.scaled(values, exponent)), chosen)
    lower, upper = min(best.lower, error), max(min(best.upper, size), error)
    size = size or 1.0  # a target of zeros has no error
    return ProjectionResult(matrix, error / size, lower / size, upper / size)


def _key(found, aim):
    """Smaller is better: the error or, for those within the aim, what they hold."""
    if aim is None:
        return (found.error,)
    return found.error > aim * (1 + 1e-12), sum(v.size for v in found.values), found.error


def _promising(A, tried, chain, block_rank):
    """The permutations with the smallest tails on a sample of slices, the smallest first."""
    if len(tried) <= 1:
        return tried
    score = {}
    for i, candidate in enumerate(tried):
        F, facing = _facing_right(permuted.applied(A, candidate), chain)
        if block_rank is not None:
            facing = sweep.with_ranks(facing, [min(block_rank, r) for r in ranks.full(facing)])
        values, off2 = sweep.on_support(F, sweep.whole(facing))
        score[i] = off2 + bracket.sampled(values, facing)
    return [tried[i] for i in sorted(score, key=score.get)[:_MOST_FITTED]]


def _facing_right(A, chain):
    """(A, chain), or the transposes of a chain that refines to the left."""
    if patterns.refines(*chain):
        return A, chain
    return A.T, tuple(patterns.transpose(p) for p in chain[::-1])


def _fit(A, chain, aim, budget, block_rank):
    """Sweep and bracket of one padded target."""
    F, facing = _facing_right(A, chain)
    values, off2 = sweep.on_support(F, sweep.whole(facing))
    allowed2 = None if aim is None else aim**2 - off2
    ranked = _with_ranks(values, facing, allowed2, budget, block_rank)
    if 0 in sweep.ranks_of(ranked):  # the product of such factors is zero
        factors = [namespace_of(F).zeros((p.a, p.d, p.b, p.c), F.dtype) for p in ranked]
        lower2 = error2 = upper2 = float(slices.squares(values.reshape(1, -1, 1))[0])
    else:
        swept = sweep.sweep(values, ranked)
        lower2, upper2 = bracket.bracket(values, ranked, swept)
        factors, error2 = swept.values, sum(swept.error2)
        lower2, upper2 = min(lower2, error2), max(upper2, error2)
    if facing is not chain:
        factors = [v.transpose(0, 1, 3, 2) for v in factors[::-1]]
    return _Fit(factors, *(math.sqrt(off2 + x) for x in (error2, lower2, upper2)))


def _with_ranks(values, chain, allowed2, budget, block_rank):
    """The chain with the ranks that were asked for, or chosen."""
    most = ranks.full(chain)
    if block_rank is not None:
        most = [min(block_rank, r) for r in most]
    elif budget is None and allowed2 is None:
        return chain
    curves = functools.cache(lambda: bracket.curves(values, chain))

    def error2(found):
        return sum(sweep.sweep(values, sweep.with_ranks(chain, found)).error2)

    if budget is not None:
        most = ranks.within(budget, chain, most, curves, error2)
    if allowed2 is not None:
        most = ranks.chosen_for(allowed2, chain, most, curves(), error2)
    return sweep.with_ranks(chain, most)


def _refined(F, values, sweeps):
    """Alternating least squares from what the sweep found."""
    from structmat.matrices.chain.learn import refine

    return refine.refine(F, scaling.evened(values), sweeps)[0]
