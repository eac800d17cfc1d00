"""The nearest chain, Monarch, butterfly or Kronecker-sparse matrix: `structmat.project`."""

from structmat import _checks, _rules
from structmat._backend.arrays import is_array, namespace_of
from structmat.matrices.chain import patterns as arithmetic
from structmat.matrices.chain.butterfly import Butterfly
from structmat.matrices.chain.kronecker_sparse import KroneckerSparse
from structmat.matrices.chain.matrix import Chain
from structmat.matrices.chain.monarch import Monarch
from structmat.matrices.chain.patterns import Pattern
from structmat.matrices.chain.project import layouts, nearest
from structmat.matrices.elementary import Dense

__all__ = ["project_butterfly", "project_chain", "project_kronecker_sparse", "project_monarch"]


def project_monarch(M, rtol, budget, block_rank, blocks, permutation):
    """The nearest Monarch matrix in the Frobenius norm: a truncated SVD of every slice [1]_.

    Parameters
    ----------
    M : array, sparse array, LinearOperator or StructuredMatrix, shape (m, n)
        The target; anything but an array is turned into one.
    rtol : float or None
        Take the smallest block rank with a relative error of at most this.
    budget : int or None
        Take the largest block rank with at most so many numbers in the two factors.
    block_rank : int or None
        Rank r of the slices, default 1; beside `rtol` or `budget` the largest allowed.
    blocks : int, (int, int) or None
        (l, k): the l x k slices are of shape (m / l, n / k); the left factor has l blocks, the
        right one k. One integer means l = k. By default the divisors l of m and k of n with
        ``l k >= sqrt(m n)`` and the fewest numbers ``m k + n l`` (for m = n = q^2, l = k = q); any
        l and k where divisors would cost over 1.5 times as much as even slices, as for a prime.
    permutation : None, str, array of int or Permutation
        P in ``M = F P``; see Notes.

    Returns
    -------
    ProjectionResult
        A :class:`structmat.Monarch`, or with a permutation a :class:`structmat.Chain` of its two
        factors and a Permutation. All three numbers are the error of the best there is, to 1e-9 of
        it, unless rounding to single precision or the cut of a padded matrix separates them. With
        a permutation the best there is in that order: with "auto" no bound covers the orders that
        were not chosen.

    Notes
    -----
    Sizes that (l, k) do not divide are padded with zeros; the result keeps ``shape=(m, n)``.

    `permutation` is an array p or Permutation with ``P x = x[p]`` (so ``F = M[:, p]`` is fitted),
    "transpose" (the digits of the column index in reverse order: DFTs of order n = l k have slices
    of rank one then), "bit_reversal", or "auto": none, the digit reversal, the order in which a
    DCT-II reads its input (even entries, then odd ones backwards, then digit reversal: of rank two
    for DCT and DST of types II and IV) and, for powers of two, the eight BP permutations [2]_; on
    columns and on rows (``M = P F``). The three with the smallest tails on a sample of the slices
    are fitted, until one has no error but rounding; the smallest error is kept (with `rtol` the
    fewest numbers).

    Costs O(m n t) with t the shorter side of a slice at rank one, mostly products of small
    matrices, and a small SVD or eigenvalue problem a slice for higher rank. Works in double
    precision whatever M is.

    References
    ----------
    .. [1] T. Dao et al., Monarch: expressive structured matrices for efficient and accurate
       training, ICML 2022, section 3.3 and theorem 1.
    .. [2] T. Dao, A. Gu, M. Eichhorn, A. Rudra and C. Re, Learning fast algorithms for linear
       transforms using butterfly factorizations, ICML 2019, section 3.2.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> F = np.fft.fft(np.eye(15))
    >>> sm.project(F, sm.Monarch, blocks=(3, 5), permutation="transpose").error < 1e-14
    True
    """
    M = _dense(M)
    m, n = M.shape
    l, s, k, p = layouts.blocks_of(m, n, blocks)
    if block_rank is not None:
        _checks.count(block_rank, max(min(s, p), 1), "block_rank")
    elif rtol is None and budget is None:
        block_rank = 1
    chain = arithmetic.monarch(l, s, k, p)

    def build(values):
        return Monarch(*_monarch_arrays(*values), shape=(m, n))

    return nearest.project(M, chain, rtol, budget, block_rank, permutation, 0, build, shared=True)


def project_butterfly(M, rtol, budget, radices, patterns, block_rank, permutation, refine):
    """The nearest butterfly found by one sweep of truncated SVDs [1]_, with its certificate.

    Parameters
    ----------
    M : array, sparse array, LinearOperator or StructuredMatrix, shape (m, n)
        The target; anything but an array is turned into one.
    rtol : float or None
        Choose the rank of every split for a relative error of at most this.
    budget : int or None
        Choose the ranks for at most so many numbers in the factors and the smallest error; see
        Notes.
    radices : sequence of int or of (int, int), or None
        Radices n_1, ..., n_L of the factors, or pairs (rows, columns) for a rectangular matrix,
        with products of at least m and n. By default the prime factors of m and n, largest first,
        where none exceeds 7, else those of the next power of two; of two lists the longer one has
        its smallest radices multiplied together.
    patterns : sequence of (int, int, int, int), or None
        Any chainable patterns instead of `radices`, with the ranks that they imply.
    block_rank : int or None
        Rank r of every split, or its full rank where that is less. Default 1 (or that of
        `patterns`); beside `rtol` or `budget` the largest allowed, default any.
    permutation : None, str, array of int or Permutation
        As for a Monarch: an order of the columns, "transpose", "bit_reversal" or "auto".
    refine : int
        Sweeps of alternating least squares after the SVDs, for targets that are no chain; what is
        not better is not taken. Default 0.

    Returns
    -------
    ProjectionResult
        A :class:`structmat.Butterfly`, or with a permutation a :class:`structmat.Chain`.
        ``lower_bound`` is the largest tail of a single split of M, below which no member comes;
        ``upper_bound`` is the root of their summed squares, at most sqrt(L - 1) times that. With a
        permutation both are those of M in that order: with "auto" ``lower_bound`` holds for the
        order chosen, not for every order tried.

    Notes
    -----
    Redundant neighbours are merged, fitted and expanded exactly. Sizes below the product of the
    radices are padded with zeros; the result keeps ``shape=(m, n)``. For radix 2 and rank one the
    sweep costs O(n^2); the lower bound O(n^2 sqrt(n)) in small matrix products. Works in double
    precision whatever M is.

    `budget` and `rtol` need all singular values of all slices: what the splits lose adds up nearly
    as if they were independent, dynamic programming finds the ranks of least loss for any number of
    parameters, and sweeps decide between the few best. For up to three splits these were the best
    ranks of all wherever exhaustive search told.

    References
    ----------
    .. [1] L. Zheng, Q.-T. Le, E. Riccietti and R. Gribonval, Butterfly factorization with error
       guarantees, SIAM J. Matrix Anal. Appl. 46(4), 2025.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> F = np.fft.fft(np.eye(16))
    >>> found = sm.project(F, sm.Butterfly, permutation="bit_reversal")
    >>> found.error < 1e-14, len(found.matrix.factors)
    (True, 5)
    """
    return _project_onto(
        Butterfly, M, rtol, budget, radices, patterns, block_rank, permutation, refine
    )


def project_chain(M, rtol, budget, patterns, block_rank, permutation, refine):
    """The nearest chain with given patterns: as for a butterfly, of class Chain.

    Parameters
    ----------
    M : array, sparse array, LinearOperator or StructuredMatrix, shape (m, n)
        The target; anything but an array is turned into one.
    rtol, budget, block_rank, permutation, refine
        As for a butterfly.
    patterns : sequence of (int, int, int, int), or None
        Chainable patterns (a, b, c, d) of the factors. By default those of a butterfly.

    Returns
    -------
    ProjectionResult
        A :class:`structmat.Chain` and its certificate.
    """
    return _project_onto(Chain, M, rtol, budget, None, patterns, block_rank, permutation, refine)


def project_kronecker_sparse(M, rtol, budget, pattern):
    """The nearest matrix with the support of a pattern: the entries of M on it.

    Parameters
    ----------
    M : array, sparse array, LinearOperator or StructuredMatrix, shape (m, n)
        The target; anything but an array is turned into one.
    rtol : float or None
        Nothing can be chosen to reach it; a larger error warns.
    budget : int or None
        Refused where it is less than the pattern holds.
    pattern : (int, int, int, int)
        (a, b, c, d) with ``a b d = m`` and ``a c d = n``; always.

    Returns
    -------
    ProjectionResult
        A :class:`structmat.KroneckerSparse`; its error is the best there is.
    """
    M = _dense(M)
    if pattern is None:
        raise ValueError(
            "project onto KroneckerSparse needs `pattern=(a, b, c, d)` with a b d = "
            f"{M.shape[0]} and a c d = {M.shape[1]}"
        )
    (pattern,) = _patterns([pattern], "pattern")
    if pattern.shape != tuple(M.shape):
        raise ValueError(
            f"`pattern` {tuple(pattern)} has shape {pattern.shape}; the matrix has shape "
            f"{tuple(M.shape)}"
        )

    def build(values):
        return KroneckerSparse(values[0])

    return nearest.project(M, (pattern,), None, budget, None, None, 0, build)


# ---------------------------------------------------------------- arguments


def _dense(M):
    """The target as a finite array."""
    if is_array(M):
        return M
    M = _rules.lift(M)
    M = M.array if isinstance(M, Dense) else _checks.densify(M, "project", stacklevel=5)
    return _checks.finite(_checks.as_array(M, "M"), "M")


def _project_onto(cls, M, rtol, budget, radices, patterns, block_rank, permutation, refine):
    M = _dense(M)
    m, n = M.shape
    refine = _checks.size(refine, "refine")
    if block_rank is not None:
        _checks.count(block_rank, max(m, n, 1), "block_rank")
    if patterns is None:
        chain = layouts.radices_of(m, n, radices)
        block_rank = 1 if block_rank is None and rtol is None and budget is None else block_rank
    elif radices is not None:
        raise ValueError("give `radices` or `patterns`, not both")
    else:
        chain = _patterns(patterns, "patterns")
        full = chain[0].shape[0], chain[-1].shape[1]
        if full[0] < m or full[1] < n:
            raise ValueError(f"`patterns` are of shape {full}; the matrix has shape {(m, n)}")

    def build(values):
        return cls([KroneckerSparse(v) for v in values], (m, n))

    return nearest.project(M, chain, rtol, budget, block_rank, permutation, refine, build)


def _patterns(given, name):
    try:
        chain = tuple(Pattern(*(_checks.size(x, name) for x in p)) for p in given)
    except TypeError:
        raise TypeError(
            f"`{name}` must hold four integers (a, b, c, d) each; got {given!r}"
        ) from None
    if not chain:
        raise ValueError(f"`{name}` must hold at least one (a, b, c, d)")
    if not arithmetic.chainable(*chain):
        raise ValueError(
            f"`{name}` {', '.join(str(tuple(p)) for p in chain)} are not chainable: neighbours "
            "need a1 | a2, d2 | d1 and an integer a1 c1 / a2 = b2 d2 / d1, or the same from "
            "right to left"
        )
    return chain


# ---------------------------------------------------------------- Monarch


def _monarch_arrays(first, second):
    """(left, right) from the values of two factors."""
    _, l, s, kr = first.shape
    k, _, rl, p = second.shape
    left = first.reshape(l, s, k, kr // k)
    right = second.reshape(k, rl // l, l, p).transpose(0, 2, 1, 3)
    return left, namespace_of(right).ascontiguousarray(right)
