"""The ranks of a chain's splits: chosen for a number of parameters, or for an error.

Factor i holds ``w_i r_(i-1) r_i`` numbers, r_i the rank of split i. Both choices start from the
curves E_i(r)^2, the squared tails of the slices of the target at every split. A sweep leaves more
than the largest tail and less than their sum; what it keeps is close to ``|A|^2`` times the product
of ``1 - E_i(r_i)^2 / |A|^2``, as if what the splits cut off were independent. So each split
loses ``-log(1 - E^2 / |A|^2)``, losses add up, and dynamic programming along the chain finds the
least loss for every number of parameters. Where the estimate cannot tell, sweeps decide.
"""

import bisect
import functools

import numpy as np

from structmat.matrices.chain.project import sweep

__all__ = ["Plan", "chosen_for", "full", "numbers", "within"]

# Points of a frontier that are kept for each rank of a split: where the numbers span a factor of
# 150 a step wastes at most 4 % of those so far, and nothing up to three splits of rank eleven.
_KEPT = 128
# Choices near the estimated best that are swept: in 350 cases (96 x 96 noise, low rank in noise,
# graded rows, kernels; two and three splits) the best of all choices was among them every time.
_SWEPT = 8
# Shares of the numbers that are then tried where an error is to be reached, in turn. In 420 such
# cases the last alone came to the fewest numbers of all (without it up to 1.29 times as many); the
# others tell for many splits.
_SHARES = (0.95, 0.98, 1)
# Splits beyond which a chain that would hold more than the dense matrix is not searched for: there
# is nothing to save, and noise of order 2048 took twenty sweeps of a second each.
_THOROUGH = 3


def full(chain):
    """The rank of a full slice at every split."""
    halves = [(sweep.whole(chain[:i]), sweep.whole(chain[i:])) for i in range(1, len(chain))]
    return [min(p.b, q.c) for p, q in halves]


def numbers(chain, ranks):
    """How many numbers the factors hold."""
    return sum(p.nnz for p in sweep.with_ranks(chain, ranks))


def within(budget, chain, most, curves, error2):
    """Ranks whose factors hold at most `budget` numbers, for the smallest error found.

    `curves` is a function: one split needs none. `error2` is that of `chosen_for`.
    """
    used = numbers(chain, [1] * len(most))
    if used > budget:
        least = "rank one at every split" if most else "the numbers of the pattern"
        raise ValueError(f"`budget` must be at least {used}, {least}; got {budget}")
    if len(most) < 2:
        return [max(min(budget // max(used, 1), r), 1) for r in most]
    tails = [curve[: r + 1] for curve, r in zip(curves(), most)]
    best, least2 = None, np.inf
    for ranks in _plan(chain, tails, budget).near(budget)[:_SWEPT]:
        # No sweep leaves less than the largest tail.
        if max(tail[r] for tail, r in zip(tails, ranks)) < least2:
            left2 = error2(ranks)
            if left2 < least2:
                best, least2 = ranks, left2
    return list(best or [1] * len(most))


def chosen_for(allowed2, chain, most, curves, error2):
    """The fewest numbers found whose sweep leaves a squared error of at most `allowed2`.

    Parameters
    ----------
    most : list of int
        Largest ranks; what they leave, where that is more than allowed.
    curves : list of lists
        Squared tails of every split by rank.
    error2 : callable
        ``error2(ranks)``, what a sweep leaves.
    """
    tails = [curve[: r + 1] for curve, r in zip(curves, most)]
    if len(most) < 2:
        return [next((r for r in range(1, m) if t[r] <= allowed2), m) for m, t in zip(most, tails)]

    @functools.cache
    def reached(ranks):
        left = [tail[r] for tail, r in zip(tails, ranks)]
        return max(left) <= allowed2 and (sum(left) <= allowed2 or error2(ranks) <= allowed2)

    plan = _plan(chain, tails, numbers(chain, most))
    points = plan.points
    low, high = -1, len(points) - 1
    if not reached(points[high]):
        return most
    if len(most) > _THOROUGH:
        dense = sweep.whole(chain).nnz
        saving = bisect.bisect_left(points, dense, key=functools.partial(numbers, chain))
        if not saving or not reached(points[saving - 1]):
            # The fewest numbers for which the tails vouch without a sweep.
            sums = (sum(tail[r] for tail, r in zip(tails, ranks)) for ranks in points)
            return list(next((p for p, x in zip(points, sums) if x <= allowed2), points[high]))
        high = saving - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(points[middle]) else (middle, high)
    best = points[high]
    for share in _SHARES:
        fewer = plan.near(int(share * (numbers(chain, best) - 1)))[:_SWEPT]
        good = [ranks for ranks in fewer if reached(ranks)]
        best = min(good, key=functools.partial(numbers, chain), default=best)
    return list(best)


# ---------------------------------------------------------------- dynamic programming


def _plan(chain, tails, budget):
    """The frontiers of a chain with the losses of its tails."""
    weights = [p.nnz for p in sweep.with_ranks(chain, [1] * len(tails))]
    size2 = max(max(tail[0] for tail in tails), np.finfo(float).tiny)
    losses = [-np.log1p(-np.minimum(np.array(tail) / size2, 1 - 1e-15)) for tail in tails]
    return Plan(weights, losses, budget)


class Plan:
    """The least sum of losses for every number of parameters up to a limit.

    Parameters
    ----------
    weights : list of int
        Numbers in every factor where all ranks are one.
    losses : list of arrays
        Of every split, by rank from zero on.
    limit : int
        No choice holds more.
    """

    def __init__(self, weights, losses, limit):
        self._losses = losses
        # After the last factor comes one more split, of rank one, where nothing is lost.
        self._left = _frontiers(weights, [*losses, np.zeros(2)], limit)
        self._right = _frontiers(weights[::-1], [*losses[::-1], np.zeros(2)], limit)[-2::-1]

    @property
    def points(self):
        """Ranks on the frontier of all choices, the fewest numbers first."""
        return [tuple(int(r) for r in ranks[:-1]) for ranks in self._left[-1][0][2]]

    def near(self, budget):
        """The best choices of at most `budget` numbers for each rank of each split, least first."""
        found = {}
        for lefts, rights, losses in zip(self._left, self._right, self._losses):
            for left, right, loss in zip(lefts, rights, losses[1:]):
                best = _joined(left, right, budget)
                if best is not None:
                    found[best[0]] = best[1] - loss
        return sorted(found, key=found.get)


def _frontiers(weights, losses, limit):
    """For each split and rank: (numbers, losses, ranks) of what no other choice so far betters."""
    found, points = [], (np.zeros(1, np.int64), np.zeros(1), np.ones((1, 0), np.int64))
    for i, loss in enumerate(losses):
        cost, past, paths = points
        last = paths[:, -1] if i else 1
        here = []
        for r in range(1, len(loss)):
            room = limit - r * sum(weights[i + 1 : i + 2]) - sum(weights[i + 2 :])
            held = cost + weights[i] * last * r
            here.append(_lowest(held, past + loss[r], paths, r, room))
        found.append(here)
        points = [np.concatenate(column) for column in zip(*here)]
    return found


def _lowest(cost, loss, paths, r, limit):
    """Of the choices within a limit those that no other one betters; of close ones the last."""
    order = np.lexsort((loss, cost))
    order = order[: np.searchsorted(cost[order], limit, "right")]
    before = np.minimum.accumulate(np.append(np.inf, loss[order]))[:-1]
    order = order[loss[order] < before]
    if len(order) > _KEPT:
        edges = np.geomspace(cost[order[0]], cost[order[-1]], _KEPT)
        place = np.searchsorted(edges, cost[order])
        order = order[np.append(True, place[1:] < np.append(place[2:], _KEPT + 1))]
    ranks = np.column_stack([paths[order], np.full(len(order), r)])
    return cost[order], loss[order], ranks


def _joined(left, right, budget):
    """(ranks, loss of both) of the best two halves that meet in one rank, or None."""
    partner = np.searchsorted(right[0], budget - left[0], "right") - 1
    fits = np.flatnonzero(partner >= 0)
    if not len(fits):
        return None
    sums = left[1][fits] + right[1][partner[fits]]
    i = int(sums.argmin())
    back = right[2][partner[fits[i]]][-2::-1]
    return tuple(int(r) for r in (*left[2][fits[i]], *back)), float(sums[i])
