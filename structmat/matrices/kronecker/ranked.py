"""Extreme products of sorted lists, and how many there are: N = n_1 ... n_d values, never formed.

Singular values and eigenvalues of a Kronecker product are all products of one value of each factor.
For lists that descend, the product at ranks (i, j), counted from 1, is at most each of the i j
products at ranks up to (i, j); so the k largest are among the pairs with i j <= k, about k log k of
them. Lists are taken in one after the other, keeping k products, which one sort does for all
candidates at once where a heap would pop them one by one.
"""

import math

import numpy as np

__all__ = ["count_above", "extreme", "leading"]

# Products held while counting; beyond this the undecided ones do not fit.
_HELD = 2**26


def _staircase(p, q, k):
    """All (i, j) with i < p, j < q and (i + 1) (j + 1) <= k."""
    rows = np.arange(min(p, k))
    lengths = np.minimum(q, k // (rows + 1))
    i = np.repeat(rows, lengths)
    starts = np.cumsum(lengths) - lengths
    return i, np.arange(len(i)) - np.repeat(starts, lengths)


def _pairs(left, right, k, sign):
    """The first k products of two sorted (values, index rows) lists; `sign` -1 for descending."""
    (a, ia), (b, ib) = left, right
    i, j = _staircase(len(a), len(b), k)
    values = a[i] * b[j]
    return _first((values, np.concatenate([ia[i], ib[j]], axis=1)), k, sign)


def _first(found, k, sign):
    values, index = found
    keep = np.argsort(sign * values, kind="stable")[:k]
    return values[keep], index[keep]


def leading(lists, k, smallest=False):
    """The k largest (or smallest) products of one entry of each list.

    Parameters
    ----------
    lists : sequence of (n_i,) arrays
        Non-negative, in any order.
    k : int
        How many; all of them where there are fewer.
    smallest : bool
        The smallest instead.

    Returns
    -------
    values : (k,) array
        Sorted, the most extreme first.
    index : (k, d) array of int
        Which entry of each list.
    """
    sign = 1 if smallest else -1
    best = None
    for values in lists:
        order = np.argsort(sign * values, kind="stable")[:k]
        entry = values[order], order[:, None]
        best = entry if best is None else _pairs(best, entry, k, sign)
    return best


def extreme(lists, k):
    """The k algebraically largest products of real numbers of any sign.

    Parameters
    ----------
    lists : sequence of (n_i,) arrays
        Real, in any order.
    k : int
        How many, at most the number of products.

    Returns
    -------
    values : (k,) array
        Descending.
    index : (k, d) array of int
        Which entry of each list.

    Notes
    -----
    Products are kept by sign: a positive one comes of two equal signs. Positive ones are wanted
    with the largest modulus; where there are not k of them, zeros, and then negative ones with the
    smallest modulus.
    """
    positive, zero, _ = _by_sign(lists, k, smallest=False)
    pieces = [positive, zero]
    missing = k - sum(len(v) for v, _ in pieces)
    if missing > 0:
        _, _, negative = _by_sign(lists, missing, smallest=True)
        pieces.append((-negative[0], negative[1]))
    values = np.concatenate([v for v, _ in pieces])[:k]
    return values, np.concatenate([i for _, i in pieces])[:k]


def _by_sign(lists, k, smallest):
    """(positive, zero, negative) products: k each, moduli sorted, with the entries they come of."""
    sign = 1 if smallest else -1
    state = None
    for values in lists:
        entry = []
        for chosen in (values > 0, values == 0, values < 0):
            index = np.flatnonzero(chosen)
            modulus = abs(values[index])
            entry.append(_first((modulus, index[:, None]), k, sign))
        if state is None:
            state = entry
            continue
        (p, z, n), (q, y, m) = state, entry
        state = [
            _merge([_pairs(p, q, k, sign), _pairs(n, m, k, sign)], k, sign),
            _merge([_all(z, c, k) for c in entry] + [_all(c, y, k) for c in (p, n)], k, sign),
            _merge([_pairs(p, m, k, sign), _pairs(n, q, k, sign)], k, sign),
        ]
    return state


def _merge(parts, k, sign):
    found = np.concatenate([v for v, _ in parts]), np.concatenate([i for _, i in parts])
    return _first(found, k, sign)


def _all(left, right, k):
    """The first k pairs of two lists one of which holds zeros: any will do."""
    (a, ia), (b, ib) = left, right
    pair = np.arange(min(k, len(a) * len(b)))
    i, j = pair // max(len(b), 1), pair % max(len(b), 1)
    return a[i] * b[j], np.concatenate([ia[i], ib[j]], axis=1)


def count_above(lists, threshold):
    """How many products of one entry of each list exceed `threshold` times the largest product.

    Parameters
    ----------
    lists : sequence of (n_i,) arrays
        Non-negative, in any order, none empty.
    threshold : float
        Relative to the largest product, below 1.

    Returns
    -------
    int
        A Python integer: it may pass 2**63.

    Raises
    ------
    MemoryError
        Too many products lie near the threshold to be told apart.

    Notes
    -----
    Lists are scaled to a largest entry of 1, so a partial product at or below the threshold is lost
    whatever follows, and one that exceeds it even with the smallest of all that follows is in with
    all its continuations. Only those in between are carried on, and the last list is searched.
    """
    scaled = []
    for values in lists:
        top = float(values.max())
        if top == 0:
            return 0
        scaled.append(np.sort(values.astype(np.float64) / top))
    # The longest list last, for the search.
    scaled.sort(key=len)
    total, open_ = 0, np.ones(1)
    for step, values in enumerate(scaled[:-1]):
        rest = scaled[step + 1 :]
        smallest_rest = math.prod(float(v[0]) for v in rest)
        if len(open_) * len(values) > _HELD:
            raise MemoryError(
                "matrix_rank: too many products of singular values lie near the cut-off to be "
                "told apart; choose another `rtol`"
            )
        open_ = (open_[:, None] * values).reshape(-1)
        open_ = open_[open_ > threshold]
        sure = open_ * smallest_rest > threshold
        total += int(np.count_nonzero(sure)) * math.prod(len(v) for v in rest)
        open_ = open_[~sure]
    last = scaled[-1]
    with np.errstate(over="ignore"):
        below = np.searchsorted(last, threshold / open_, side="right")
    return total + len(last) * len(open_) - int(below.sum())
