"""The chainable run of a chain, between permutations at its ends, and its crop."""

from itertools import pairwise
from typing import NamedTuple

from structmat._backend.arrays import namespace_of
from structmat.matrices.chain import patterns

__all__ = ["Run", "flipped", "masked", "pattern_of", "ranks", "run_of", "without"]


class Run(NamedTuple):
    """Row i of the chain is row rows[i] of the run, column j is columns[j]; None: the same."""

    rows: object
    values: tuple
    columns: object
    mirrored: bool  # blocks refine from right to left


def run_of(factors):
    """The chain as one chainable run between permutations; None where it is not one."""
    kinds = [hasattr(F, "pattern") for F in factors]
    if True not in kinds:
        return None
    first, last = kinds.index(True), len(kinds) - 1 - kinds[::-1].index(True)
    inner = factors[first : last + 1]
    if not all(kinds[first : last + 1]) or not patterns.chainable(*(F.pattern for F in inner)):
        return None
    rows = _composed(factors[:first])
    columns = _composed([P._adjoint() for P in factors[:last:-1]])
    mirrored = not patterns.refines(*(F.pattern for F in inner))
    return Run(rows, tuple(F.values for F in inner), columns, mirrored)


def _composed(permutations):
    """Row i of P_1 P_2 ... is row p[i] of what follows."""
    p = None
    for P in permutations:
        p = P.p if p is None else P.p[p]
    return p


def pattern_of(values):
    """The pattern of a factor with these values."""
    a, d, b, c = values.shape
    return patterns.Pattern(a, b, c, d)


def ranks(values):
    """Ranks of the splits, with the 1 before the first factor and the one after the last."""
    chain = [pattern_of(v) for v in values]
    return [1, *(patterns.rank(p, q) for p, q in pairwise(chain)), 1]


def flipped(values):
    """Values of the factors of the transpose."""
    return tuple(v.transpose(0, 1, 3, 2) for v in values[::-1])


# ---------------------------------------------------------------- crops


def masked(A):
    """The run of a cropped chain with zeros in place of the rows and columns that are cut off."""
    run = run_of(A.factors)
    if run is None or not A.cropped:
        return run
    m, n = A.shape
    values = list(run.values)
    values[0] = without(values[0], _kept(run.rows, m, A.full_shape[0], values[0]), rows=True)
    values[-1] = without(values[-1], _kept(run.columns, n, A.full_shape[1], values[0]), rows=False)
    return run._replace(values=tuple(values))


def _kept(order, count, size, like):
    """True for the rows of the run that the leading `count` rows of the chain are."""
    xp = namespace_of(like)
    kept = xp.zeros(size, bool)
    kept[order[:count] if order is not None else slice(count)] = True
    return kept


def without(values, kept, *, rows):
    """The values of a factor with zeros in the rows or columns that are not kept."""
    a, d, b, c = values.shape
    if rows:
        kept = kept.reshape(a, b, d).transpose(0, 2, 1)[:, :, :, None]
    else:
        kept = kept.reshape(a, c, d).transpose(0, 2, 1)[:, :, None, :]
    return namespace_of(values).where(kept, values, values.dtype.type(0))
