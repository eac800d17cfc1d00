"""Nearest members and random members of BlockDiagonal and LowRank."""

import math

import numpy as np

from structmat import _checks, _rules, linalg
from structmat._backend import dense
from structmat._backend.arrays import is_array
from structmat._results import ProjectionResult
from structmat.matrices.elementary import stacks

__all__ = ["nearest_block_diagonal", "nearest_low_rank", "random_blocks", "random_factors", "tails"]


# ---------------------------------------------------------------- block diagonal


def nearest_block_diagonal(cls, M, rtol, budget, *, block_size=None, sizes=None):
    """The diagonal blocks of M; the error is the norm of all other entries, without cancellation.

    Parameters
    ----------
    cls : type
        BlockDiagonal.
    M : array or StructuredMatrix, shape (m, n)
        The target. A structured one is turned into an array: every entry counts.
    rtol, budget
        Without `block_size` and `sizes`: the finest partition of a square M with at most this
        relative error, or with at most this number of entries in its blocks.
    block_size : int or (int, int), optional
        Equal blocks of this shape.
    sizes : sequence of int or (int, int), optional
        Shape of each block.
    """
    M = M if is_array(M) else _rules.lift(M).toarray()
    if block_size is not None:
        heights, widths = _equal(M.shape, block_size)
    elif sizes is not None:
        heights, widths = np.array([_pair(s, "sizes") for s in sizes]).T
        if (int(heights.sum()), int(widths.sum())) != M.shape:
            raise ValueError(f"`sizes` add up to {(heights.sum(), widths.sum())}, not {M.shape}")
    elif M.shape[0] == M.shape[1]:
        heights = widths = _finest(M, rtol, budget)
    else:
        raise ValueError(
            f"the blocks of a rectangular matrix {M.shape} are ambiguous; give `block_size` or "
            "`sizes`"
        )
    rows, columns = (np.concatenate([[0], np.cumsum(s)]) for s in (heights, widths))
    rest = M.copy()
    blocks = []
    for i in range(len(heights)):
        place = slice(rows[i], rows[i + 1]), slice(columns[i], columns[i + 1])
        blocks.append(M[place].copy())
        rest[place] = 0
    total = dense.norm(M)
    error = dense.norm(rest) / total if total else 0.0
    return ProjectionResult(cls(blocks), error, error, error)


def _pair(size, name):
    p, q = size if np.ndim(size) else (size, size)
    return _checks.size(p, name), _checks.size(q, name)


def _equal(shape, block_size):
    p, q = _pair(block_size, "block_size")
    b = shape[0] // p if p else 0
    if (b * p, b * q) != tuple(shape):
        raise ValueError(f"blocks of shape {(p, q)} do not tile the diagonal of {tuple(shape)}")
    return np.full(b, p), np.full(b, q)


def _finest(M, rtol, budget):
    """Sizes of the finest partition within `rtol` or `budget`: the cheapest cuts first."""
    n = M.shape[0]
    if n < 2:
        return np.full(n, 1)
    scale = float(abs(M).max()) or 1.0
    energy = abs(M / scale).astype(np.float64) ** 2
    # A cut before index c drops M[:c, c:] and M[c:, :c]. Sums only, so exact zeros stay zero.
    cost = np.zeros(n - 1)
    for half in (energy, energy.T):
        tails = half[:, ::-1].cumsum(1)[:, ::-1].cumsum(0)  # tails[i, c]: rows to i, columns from c
        cost += _host(tails[np.arange(n - 1), np.arange(1, n)])
    order = np.argsort(cost, kind="stable")
    spent = np.cumsum(cost[order])  # at least the error of the first cuts together
    allowed = (n * float(np.finfo(M.dtype).eps) if rtol is None else rtol) ** 2
    cuts = int(np.searchsorted(spent, allowed * float(energy.sum()), side="right"))
    while budget is not None and cuts < n - 1 and (_sizes(order[:cuts], n) ** 2).sum() > budget:
        cuts += 1
    return _sizes(order[:cuts], n)


def _sizes(cuts, n):
    return np.diff(np.concatenate([[0], np.sort(cuts) + 1, [n]]))


def _host(x):
    return x if isinstance(x, np.ndarray) else x.get()


def random_blocks(shape, rng, dtype, block_size=None):
    """Blocks I + G, |G| about 1/2: singular values between about 1/2 and 3/2."""
    if block_size is None:
        common = math.gcd(*shape)
        divisors = [d for d in range(1, math.isqrt(common) + 1) if common % d == 0]
        b = divisors[-1] if divisors else 0
        p, q = (s // b if b else 0 for s in shape)
    else:
        heights, _ = _equal(shape, block_size)
        b, (p, q) = len(heights), _pair(block_size, "block_size")
    G = _gaussian(rng, (b, p, q), dtype)
    return (np.eye(p, q) + G / (4 * math.sqrt(max(p, q, 1)))).astype(dtype)


def _gaussian(rng, shape, dtype):
    G = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        G = (G + 1j * rng.standard_normal(shape)) / math.sqrt(2)
    return G


# ---------------------------------------------------------------- low rank


def nearest_low_rank(cls, M, rtol, budget, *, rank=None):
    """Truncated SVD, the nearest matrix of its rank (Eckart and Young, 1936).

    LAPACK's SVD for arrays, the structured one or block Krylov iteration for everything else.
    """
    m, n = M.shape
    most = min(m, n)
    if rank is not None:
        rank = min(_checks.size(rank, "rank"), most)
    elif budget is not None:
        rank = min(budget // max(m + n, 1), most)
    if is_array(M) or max(m, n) <= linalg._door.DENSE_ORDER:
        M = M if is_array(M) else _rules.lift(M).toarray()
        U, S, Vh = dense.svd(M)
        total = dense.norm(S[None])
        rests = tails(S)
        if rank is None:
            allowed = max(m, n) * float(np.finfo(M.dtype).eps) if rtol is None else rtol
            rank = int((rests > allowed * total).sum())
        error = float(rests[rank]) / total if total and rank < most else 0.0
        return ProjectionResult(_balanced(cls, U, S, Vh, rank), error, error, error)
    return _low_rank_operator(cls, _rules.lift(M), rtol, rank)


def tails(S):
    """tails[r] = |(S[r], S[r+1], ...)|_2, scaled against overflow."""
    largest = float(S[0]) if len(S) else 0.0
    scaled = (S / largest if largest else S).astype(np.float64)
    return largest * (scaled[::-1] ** 2).cumsum()[::-1] ** 0.5


def _balanced(cls, U, S, Vh, rank):
    root = S[:rank] ** 0.5
    return cls(U[:, :rank] * root, Vh[:rank].conj().T * root)


def _low_rank_operator(cls, M, rtol, rank):
    """By leading singular triplets of an operator, as many as asked for or as `rtol` needs."""
    total, most = linalg.norm(M), min(M.shape)
    if total == 0 or rank == 0:
        empty = linalg.svds(M, 1)
        return ProjectionResult(_balanced(cls, *empty, 0), *(3 * (1.0 if total else 0.0,)))
    k = rank if rank is not None else min(16, most)
    while True:
        U, S, Vh = linalg.svds(M, k)
        # The discarded part by Pythagoras: a difference, known to the rounding of its terms.
        kept = (_host(S).astype(np.float64) / total) ** 2
        left = np.maximum(1 - kept.cumsum(), 0)
        slack = 16 * float(np.finfo(M.dtype).eps) * math.sqrt(most)
        wanted = np.inf if rtol is None else rtol
        if rank is not None or k == most or left[-1] <= wanted**2 + slack:
            break
        k = min(2 * k, most)
    if rank is None:
        rank = 1 + int((left > (1e-20 if rtol is None else rtol**2)).sum())
        rank = min(rank, k)
    rest = float(left[rank - 1])
    bounds = math.sqrt(max(rest - slack, 0)), math.sqrt(rest + slack)
    return ProjectionResult(
        _balanced(cls, U, S, Vh, rank), min(max(math.sqrt(rest), bounds[0]), bounds[1]), *bounds
    )


def random_factors(shape, rng, dtype, rank=None):
    """U, V with singular values of U V^H between 1 and 2."""
    m, n = shape
    rank = max(1, min(m, n) // 4) if rank is None else _checks.size(rank, "rank")
    rank = min(rank, m, n)
    U, V = (stacks.qr(_gaussian(rng, (1, s, rank), dtype))[0][0] for s in shape)
    return (U * np.linspace(2, 1, rank)).astype(dtype), V.astype(dtype)
