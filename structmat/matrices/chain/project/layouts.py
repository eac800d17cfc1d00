"""Which blocks and radices a matrix of given size gets when the user names none."""

import math

import numpy as np

from structmat import _checks
from structmat.matrices.chain.patterns import Pattern

__all__ = ["blocks_of", "radices_of"]

# A size whose divisors cost more than this times the parameters of even blocks is padded.
_UNEVEN = 1.5
_LARGEST_RADIX = 7


# ---------------------------------------------------------------- Monarch


def blocks_of(m, n, blocks=None):
    """(l, s, k, p) with l s >= m and k p >= n, the least such; (l, k) as given or the cheapest.

    Without `blocks`: of the divisors l of m and k of n with at least sqrt(m n) slices, those with
    the fewest parameters m k + n l; where that is more than 1.5 times what even slices would cost
    (a prime, say), sizes are padded.
    """
    if blocks is not None:
        l, k = _pair(blocks)
        _checks.count(l, max(m, 1), "blocks")
        _checks.count(k, max(n, 1), "blocks")
    elif 0 in (m, n):
        l = k = 1
    else:
        l, k = _cheapest(m, n, _divisors(m), _divisors(n))
        if m * k + n * l > _UNEVEN * 2 * (m * n) ** 0.75:
            l, k = _cheapest(m, n, range(1, m + 1), range(1, n + 1))
    return l, -(-m // l), k, -(-n // k)


def _pair(blocks):
    pair = tuple(blocks) if np.ndim(blocks) else (blocks, blocks)
    if len(pair) != 2:
        raise ValueError(f"`blocks` must be an integer or a pair (l, k); got {blocks!r}")
    l, k = pair
    return _checks.size(l, "blocks"), _checks.size(k, "blocks")


def _divisors(n):
    return [i for i in range(1, n + 1) if n % i == 0]


def _cheapest(m, n, ls, ks):
    """For every l the least k with l k >= sqrt(m n); of these, the fewest numbers after padding."""
    slices = math.isqrt(m * n - 1) + 1
    ks, best, j = list(ks), None, len(list(ks)) - 1
    for l in ls:
        while j > 0 and l * ks[j - 1] >= slices:
            j -= 1
        k = ks[j]
        s, p = -(-m // l), -(-n // k)
        if l * k >= slices:
            cost = l * s * k + k * p * l, l * s - m + k * p - n
            best = (cost, l, k) if best is None or cost < best[0] else best
    return best[1:]


# ---------------------------------------------------------------- Butterfly


def radices_of(m, n, radices=None):
    """Patterns of rank one that hold an m x n matrix; (b_i, c_i) are radices of rows and columns.

    ``a_i = c_1 ... c_(i-1)`` and ``d_i = b_(i+1) ... b_L``.
    """
    if radices is None:
        rows, columns = _even(_radices(m), _radices(n))
    else:
        rows, columns = _given(radices, m, n)
    found = []
    for i, (b, c) in enumerate(zip(rows, columns)):
        found.append(Pattern(math.prod(columns[:i]), b, c, math.prod(rows[i + 1 :])))
    return tuple(found)


def _given(radices, m, n):
    if not np.iterable(radices):
        raise TypeError(
            "`radices` must be a sequence of integers or of pairs (rows, columns); got "
            f"{type(radices).__name__}"
        )
    pairs = [tuple(r) if np.ndim(r) else (r, r) for r in radices]
    if not pairs or any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"`radices` must hold integers or pairs (rows, columns); got {radices!r}")
    rows = [_checks.size(b, "radices") for b, _ in pairs]
    columns = [_checks.size(c, "radices") for _, c in pairs]
    full = math.prod(rows), math.prod(columns)
    if full[0] < m or full[1] < n:
        raise ValueError(
            f"`radices` {radices} multiply to {full}, less than the shape {(m, n)} of the matrix"
        )
    return rows, columns


def _radices(n):
    """The prime factors of n, largest first, where all are small; else of the next power of two."""
    found, rest = [], n
    for prime in (7, 5, 3, 2):
        while rest > 1 and rest % prime == 0:
            found.append(prime)
            rest //= prime
    if rest == 1 and n > 0:
        return found or [1]
    return [2] * max((n - 1).bit_length(), 1) if n else [1]


def _even(rows, columns):
    """Two lists of radices of one length: the longer one has its smallest two multiplied."""
    rows, columns = list(rows), list(columns)
    for longer, shorter in ((rows, columns), (columns, rows)):
        while len(longer) > len(shorter):
            x = longer.pop() * longer.pop()
            longer.append(x)
            longer.sort(reverse=True)
    return rows, columns
