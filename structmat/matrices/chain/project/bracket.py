"""How near the best chain can be: lower and upper bounds from the single splits of the target.

A chain's product has slices of rank at most r_s at every split s, so no member is nearer than E_s,
the root of the summed squared tails of the slices of split s. The sweep's step s leaves at most E_s
(a projection does not raise tails), and steps are orthogonal. With off the part that lies off the
support::

    max_s E_s^2 + off^2 <= best^2 <= error^2 <= sum_s E_s^2 + off^2 <= (L - 1) best^2

The last step is the constant sqrt(L - 1) of the bound [1]_.

References
----------
.. [1] L. Zheng, Q.-T. Le, E. Riccietti and R. Gribonval, Butterfly factorization with error
   guarantees, SIAM J. Matrix Anal. Appl. 46(4), 2025.
"""

import itertools
import math

import numpy as np

from structmat._backend.arrays import namespace_of
from structmat.matrices.chain.project import slices, sweep

__all__ = ["bracket", "curves", "sampled"]

# Slices of every split that stand for all of them where permutations are compared.
_SAMPLE = 32


def _cuts(values, chain):
    """The slices of the target at every split, (a, delta, d, alpha, b, c) each."""
    first, last = chain[0], chain[-1]
    for p, q in itertools.pairwise(chain):
        yield sweep.cut(values, q.a // first.a, p.d // last.d)


def bracket(values, chain, swept=None):
    """(lower, upper) bounds on squared errors on the support, of the best and of the sweep.

    Parameters
    ----------
    values : array, shape (a, d, b, c)
        The target on the support of the chain.
    chain : sequence of Pattern
        Refines to the right, with the ranks of the class.
    swept : Swept, optional
        Of the same chain: its first step is the first split.
    """
    # Redundant neighbours bound nothing: their product holds every matrix of its support.
    chain = [sweep.pattern_of(node) for node in sweep.merged(chain)]
    lower, upper = 0.0, 0.0
    for i, (S, r) in enumerate(zip(_cuts(values, chain), sweep.ranks_of(chain))):
        if i == 0 and swept is not None and len(swept.error2) == len(chain) - 1:
            error2, lower2 = swept.error2[0], swept.lower2[0]
        else:
            _, _, error2, lower2 = slices.leading(sweep.stacked(S), r)
            error2, lower2 = float(error2.sum()), float(lower2.sum())
        lower, upper = max(lower, lower2), upper + error2
    return lower, upper


def curves(values, chain):
    """Squared tails E_s(r)^2 for r = 0, 1, ..., of every split of a chain of any ranks."""
    return [slices.tails(sweep.stacked(S)) for S in _cuts(values, chain)]


def sampled(values, chain):
    """An estimate of the sum of squared tails, from a few slices of every split."""
    total = 0.0
    for S, r in zip(_cuts(values, chain), sweep.ranks_of(chain)):
        count = math.prod(S.shape[:4])
        some = np.unique(np.linspace(0, count - 1, min(count, _SAMPLE)).astype(int))
        where = np.unravel_index(some, S.shape[:4])
        stack = S[tuple(namespace_of(S).asarray(i) for i in where)]
        total += slices.tails(stack)[min(r, *S.shape[4:])] * count / len(some)
    return total
