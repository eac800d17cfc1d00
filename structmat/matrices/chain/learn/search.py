"""Which chain, and in which order of rows and columns? Judged by the tails of single splits.

A split (k, l, r) cuts an (m, n) matrix into k l slices: rows of equal index modulo l, columns of
one of k contiguous groups. A chain with the splits (k_i, l_i, r_i), k growing and l falling, has ::

    sum_i r_(i-1) l_(i-1) k_(i+1) r_(i+1),    r_0 l_0 = m,  k_L r_L = n,

numbers, and the best of its kind is between the largest tail of its splits and the root of their
summed squares (see `bracket`). So chains are ranked by tails of splits, each computed once, before
any of them is fitted; and where a chain has one split, exchanging two columns (or rows) changes two
groups of slices, whose new tails say at once what the exchange is worth.
"""

import itertools

import numpy as np

from structmat._backend.arrays import namespace_of
from structmat.matrices.chain import patterns
from structmat.matrices.chain.patterns import Pattern
from structmat.matrices.chain.project import permuted

__all__ = [
    "chain_of",
    "divisors",
    "dyadic_splits",
    "exchanged",
    "grouped",
    "orders",
    "padded",
    "promise",
    "ranked",
    "tail2",
    "uneven_splits",
]

# Eigenvalues of a Gram matrix are right to this multiple of its trace; less is taken for zero.
_ROUNDING = 1e-13
# Slices that tails are estimated from, and their entries; up to 16 slices all count.
_SAMPLED, _SAMPLED_ENTRIES = 4096, 2**18
# Largest rank of a slice in a chain of three factors.
_MOST_RANK = 8
# Exchanges tried at a time, and bytes of slices that one try may hold.
_TRIED = 512
_TRIED_BYTES = 64 * 2**20


def chain_of(m, n, splits):
    """Patterns of the chain with these splits; None when sizes or groups do not divide."""
    ks, ls = [1, *(k for k, _, _ in splits)], [*(l for _, l, _ in splits), 1]
    rows = [m, *(r * l for _, l, r in splits)]
    columns = [*(r * k for k, _, r in splits), n]
    if any(x % l for x, l in zip(rows, ls)) or any(x % k for x, k in zip(columns, ks)):
        return None
    chain = tuple(
        Pattern(k, row // l, column // k, l) for k, row, column, l in zip(ks, rows, columns, ls)
    )
    return chain if patterns.refines(*chain) else None


def dyadic_splits(n, r=1):
    """The splits of a square dyadic chain of order n = 2^L and ranks r, where they can bind."""
    levels = range(r.bit_length(), n.bit_length() - r.bit_length())
    return [(2**i, n // 2**i, r) for i in levels]


def divisors(n):
    """All of them, ascending."""
    return [k for k in range(1, n + 1) if n % k == 0]


# ---------------------------------------------------------------- tails


def _slices(M, k, l):
    """(k l, m / l, n / k): the slices of a split, or a fixed random sample of many small ones."""
    m, n = M.shape
    S = M.reshape(m // l, l, k, n // k).transpose(1, 2, 0, 3)
    most = max(16, min(_SAMPLED, _SAMPLED_ENTRIES // (S.shape[2] * S.shape[3])))
    if k * l <= most:
        return namespace_of(M).ascontiguousarray(S).reshape(k * l, m // l, n // k)
    chosen = np.random.default_rng(k * l).choice(k * l, most, replace=False)
    i, j = (namespace_of(M).asarray(x) for x in np.divmod(chosen, k))
    return S[i, j]


def _spectrum(S):
    """Squared singular values of stacked slices, ascending, from the smaller Gram matrix."""
    xp = namespace_of(S)
    Sh = S.swapaxes(-1, -2)
    Sh = Sh.conj() if S.dtype.kind == "c" else Sh
    return xp.linalg.eigvalsh(S @ Sh if S.shape[-2] <= S.shape[-1] else Sh @ S)


def _left(spectrum, r):
    """What rank r leaves of every slice."""
    keep = spectrum.shape[-1] - r
    return spectrum[..., : max(keep, 0)].clip(0).sum(-1)


def tail2(M, k, l):
    """Squared tails of a split of M, |M| = 1, for r = 0, 1, ... (of a sample: estimates)."""
    S = _slices(M, k, l)
    each = _spectrum(S).clip(0).sum(0) * (k * l / len(S))
    left = [float(x) for x in namespace_of(M).cumsum(each)]
    return [0.0 if x < _ROUNDING else x for x in [*left[::-1], 0.0]]


class Tails:
    """Tails of the splits of one matrix, each computed when it is first asked for."""

    def __init__(self, M):
        self.M, self.known = M, {}

    def __call__(self, k, l, r):
        if (k, l) not in self.known:
            self.known[k, l] = tail2(self.M, k, l)
        left = self.known[k, l]
        return left[min(r, len(left) - 1)]


# ---------------------------------------------------------------- chains


def _one_split(m, n, budget):
    """(splits, numbers) of the chains of two factors within the budget, of every useful rank."""
    for k, l in itertools.product(divisors(n), divisors(m)):
        most = min(budget // (m * k + l * n), min(m // l, n // k) - 1)
        for r in range(1, most + 1):
            yield [(k, l, r)], r * (m * k + l * n)


def uneven_splits(M, budget):
    """[(squared tail, split)] with any numbers of groups, |M| = 1, best first.

    Groups of ceil(m / l) rows and ceil(n / k) columns: see `grouped`.
    """
    found = []
    for k, l in itertools.product(range(1, M.shape[1] + 1), range(1, M.shape[0] + 1)):
        m, n = _whole_groups(M.shape, k, l)
        most = min(budget // (m * k + l * n), min(m // l, n // k) - 1)
        if most > 0:
            found.append((tail2(grouped(M, k, l), k, l)[most], (k, l, most)))
    return sorted(found)


def _whole_groups(shape, k, l):
    m, n = shape
    return -(-m // l) * l, -(-n // k) * k


def grouped(M, k, l):
    """M with zero rows and columns appended, to l equal groups of rows and k of columns."""
    return padded(M, *_whole_groups(M.shape, k, l))


def padded(M, rows, columns):
    """M with zero rows and columns after its own: they add no singular values to a slice."""
    if M.shape == (rows, columns):
        return M
    full = namespace_of(M).zeros((rows, columns), M.dtype)
    full[: M.shape[0], : M.shape[1]] = M
    return full


def _two_splits(m, n, budget):
    """(splits, numbers) of the chains of three factors within the budget, with largest ranks."""
    for (k1, k2), (l2, l1) in itertools.product(
        itertools.combinations_with_replacement(divisors(n), 2),
        itertools.combinations_with_replacement(divisors(m), 2),
    ):
        if (k1, l1) == (k2, l2):
            continue
        for r1 in range(1, _MOST_RANK + 1):
            if m * k1 * r1 >= budget:
                break
            r2 = min((budget - m * k1 * r1) // (r1 * l1 * k2 + l2 * n), _MOST_RANK)
            if r2 < 1:
                break
            splits = [(k1, l1, r1), (k2, l2, r2)]
            chain = chain_of(m, n, splits)
            if chain and _pays(chain, splits):
                yield splits, sum(p.nnz for p in chain)


def _pays(chain, splits):
    """Every split binds: less than the full rank of its two sides."""
    return all(r < min(p.b, q.c) for p, q, (_, _, r) in zip(chain, chain[1:], splits, strict=False))


def ranked(M, budget, extra=()):
    """Splits of the chains within the budget, |M| = 1, the most promising first.

    The best error of a chain lies between the two bounds and mostly near the lower one (measured:
    at 1.0 to 1.3 of it), which therefore counts three times. `extra` are splits to judge as well.
    """
    m, n = M.shape
    left, found = Tails(M), []
    chains = itertools.chain(_one_split(m, n, budget), _two_splits(m, n, budget))
    sized = ((splits, sum(p.nnz for p in chain_of(m, n, splits))) for splits in extra)
    for splits, numbers in itertools.chain(chains, sized):
        tails = [left(*split) for split in splits]
        found.append((3 * max(tails) + sum(tails), numbers, splits))
    return [splits for _, _, splits in sorted(found, key=lambda x: x[:2])]


def promise(M, budget, extra=()):
    """The smallest sum of squared tails of a chain of one split, or of the `extra`, |M| = 1."""
    left = Tails(M)
    chains = itertools.chain((splits for splits, _ in _one_split(*M.shape, budget)), extra)
    return min(sum(left(*split) for split in splits) for splits in chains)


# ---------------------------------------------------------------- orders


def orders(n):
    """Index arrays that are worth a try: BP permutations, both ends inwards, and inverses."""
    i = np.arange(n)
    found = [i, np.concatenate([i[::2], i[1::2]]), np.where(i % 2, n - 1 - i // 2, i // 2)]
    if n and n & (n - 1) == 0:
        found += [permuted.bp(n, *steps) for steps in itertools.product((False, True), repeat=3)]
    found += [np.argsort(p) for p in found]
    return list({p.tobytes(): p for p in found}.values())


def exchanged(M, split, rng, steps=200):
    """(squared tail, p, q): a split of ``M[p][:, q]`` after exchanging rows and columns, |M| = 1.

    Each step tries exchanges of columns between groups, or of rows, all of them or a random sample,
    and makes the best ones that share no group. Ends where neither side gains.
    """
    k, l, r = split
    m, n = M.shape
    xp = namespace_of(M)
    X = M.reshape(m // l, l, k, n // k).transpose(1, 0, 2, 3)
    p = np.arange(m).reshape(m // l, l).T.ravel()
    q = np.arange(n)
    X, p = xp.ascontiguousarray(X), p
    idle = 0
    for step in range(steps):
        columns = step % 2 == 0
        Y = X if columns else X.transpose(2, 3, 0, 1)
        swaps, whole = _exchanges(Y, r, rng)
        if swaps is None:
            idle += 3 if whole else 1
        else:
            idle = 0
            i, j = swaps
            order = np.arange(Y.shape[2] * Y.shape[3])
            order[i], order[j] = j, i
            Y = Y.reshape(*Y.shape[:2], -1)[:, :, xp.asarray(order)].reshape(Y.shape)
            X = xp.ascontiguousarray(Y if columns else Y.transpose(2, 3, 0, 1))
            if columns:
                q = q[order]
            else:
                p = p[order]
        if idle >= 6:
            break
    tail = float(_left(_spectrum(X.transpose(0, 2, 1, 3)), r).sum())
    return tail, p.reshape(l, m // l).T.ravel(), q


def _exchanges(X, r, rng):
    """(columns (i, j) to exchange in X (l, s, k, p), or None; whether all pairs were tried)."""
    l, s, k, p = X.shape
    if k == 1:
        return None, True
    xp = namespace_of(X)
    i, j, whole = _pairs(k, p, max(1, min(_TRIED, _TRIED_BYTES // (2 * l * s * p * 8))), rng)
    S = X.transpose(2, 0, 1, 3)  # k l s p
    now = _left(_spectrum(S), r).sum(1)
    (gi, ui), (gj, uj) = np.divmod(i, p), np.divmod(j, p)
    pairs = xp.arange(len(i))
    gain = 0.0
    for (g, u), (h, v) in (((gi, ui), (gj, uj)), ((gj, uj), (gi, ui))):
        g, u, h, v = (xp.asarray(x) for x in (g, u, h, v))
        changed = S[g]
        changed[pairs, :, :, u] = S[h, :, :, v]
        gain = gain + now[g] - _left(_spectrum(changed), r).sum(1)
    gain = np.array(gain.tolist())
    chosen, used = [], set()
    for x in np.argsort(-gain):
        if gain[x] <= 1e-9:
            break
        if gi[x] not in used and gj[x] not in used:
            chosen.append(x)
            used |= {gi[x], gj[x]}
    return ((i[chosen], j[chosen]) if chosen else None), whole


def _pairs(k, p, most, rng):
    """(i, j, all): pairs of indices of different groups of p, at most so many."""
    n = k * p
    if n * (n - p) // 2 <= most:
        i, j = np.triu_indices(n, 1)
        apart = i // p != j // p
        return i[apart], j[apart], True
    i = rng.integers(n, size=most)
    j = (i // p * p + p + rng.integers(n - p, size=most)) % n
    return i, j, False
