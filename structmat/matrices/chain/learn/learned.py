"""fit_butterfly: a chain for a matrix that has no exact constructor.

The target is read once, as a dense matrix of norm one; `one_butterfly` and `kaleidoscope` find the
values of factors, and their product is compared with the target in the end.
"""

import math

import numpy as np

from structmat import _checks
from structmat._backend.arrays import is_array, move, namespace_of
from structmat._results import ProjectionResult
from structmat.matrices.chain import patterns
from structmat.matrices.chain.butterfly import Butterfly
from structmat.matrices.chain.kronecker_sparse import KroneckerSparse
from structmat.matrices.chain.learn import search
from structmat.matrices.chain.learn.kaleidoscope import best_product
from structmat.matrices.chain.learn.one_butterfly import Found, best_chain, ordered
from structmat.matrices.chain.learn.operands import columns_of
from structmat.matrices.chain.learn.refine import rescaled
from structmat.matrices.chain.matrix import Chain
from structmat.matrices.chain.project import bracket
from structmat.matrices.elementary import Permutation

__all__ = ["fit_butterfly"]

# Sizes without a larger prime factor are split as they are; others are padded to a power of two.
_LARGEST_RADIX = 7


def fit_butterfly(
    A,
    depth=1,
    *,
    shape=None,
    budget=None,
    permutation="auto",
    maxiter=100,
    tol=1e-3,
    restarts=4,
    rng=None,
    callback=None,
):
    """A chain of `depth` butterflies near a matrix that has no exact constructor.

    A butterfly here is any chainable chain of Kronecker-sparse factors [3]_, square dyadic or not,
    of any block rank: which one, and in which order of rows and columns, is learned too.

    Parameters
    ----------
    A : array, sparse array, LinearOperator, StructuredMatrix or callable, shape (m, n)
        The target. A callable takes a block X of shape (n, k) to A X and needs `shape`.
    depth : int, optional
        How many. Those at even places are transposed, ``B_1 B_2^T B_3 ...`` (BB* of [2]_): dyadic,
        of the next power of two, equal neighbours merged.
    shape : (int, int), optional
        The shape of a callable's matrix.
    budget : int, optional
        Largest number of entries that the factors of one butterfly may hold; by default
        ``(m + n) log2(max(m, n))`` rounded up, as a dyadic butterfly. Only for `depth` 1.
    permutation : "auto", "bit_reversal", None, Permutation or array of int, optional
        ``"auto"`` tries the BP permutations [1]_ and a few more for columns and for rows; up to
        1024 entries it also exchanges rows and columns one by one. None: rows and columns as they
        are. An array p, or a bit reversal p: columns in the order ``A[:, p]``.
    maxiter : int, optional
        Largest number of sweeps of the refinement.
    tol : float, optional
        Refinement ends with a sweep that gains less than this part of the error.
    restarts : int, optional
        Random starts: chains where `depth` > 1 (and n <= 256), else orders of up to 256 entries.
    rng : int or numpy.random.Generator, optional
        For random starts and samples.
    callback : callable, optional
        Called with the smallest relative error so far after every sweep of a refinement.

    Returns
    -------
    ProjectionResult
        ``.matrix`` is a :class:`structmat.Butterfly`, or a :class:`structmat.Chain` where there are
        permutations or several butterflies; ``.error`` is relative in the Frobenius norm. For
        `depth` 1, ``.lower_bound`` holds for every chain with the same patterns and the same order,
        and ``.upper_bound`` is what the sweep guarantees; for more, 0 and the error.

    Raises
    ------
    ValueError
        NaN or infinity in A, a result of a callable that is not of its `shape`, a budget below
        m + n, a budget for `depth` > 1.
    TypeError
        An argument of another type.

    Notes
    -----
    One butterfly: every chain of two or three factors within the budget, and dyadic chains, are
    ranked by the tails of single splits (one batch of small eigenvalue problems each, from a sample
    where there are many); the best are fitted by sweeps of truncated SVDs [3]_ and refined by
    alternating least squares. O(n^3) operations for the low-rank end of the ranking: n = 1024 takes
    about five seconds on one core, n = 256 one. An order with a prime factor above 7 is padded with
    zeros to a power of two; the result keeps the leading part.

    Several: from a butterfly beside identities, and from random orthogonal factors, alternating
    least squares and then Levenberg-Marquardt steps over all factors, O(n^2 log n) operations for
    each step of conjugate gradients. On one core a sweep takes 0.2 s for n = 256 and `depth` 2, a
    step under a second; for n = 1024, 5 s and 20 s. Complex circulants (n = 8, 16, 32) were found
    to rounding as ``B_1 B_2^T``; in general the minimum is a local one.

    Legendre, Hilbert and Gaussian targets of [1]_, n = 8 to 1024: with 2 n log2 n numbers, and with
    8 (n - 1), as many as the real parameters of the complex tied model that was trained there, the
    root mean square error is below the stored one in every case.

    References
    ----------
    .. [1] T. Dao, A. Gu, M. Eichhorn, A. Rudra and C. Re, Learning fast algorithms for linear
       transforms using butterfly factorizations, ICML 2019, section 4.1.
    .. [2] T. Dao, N. Sohoni, A. Gu, M. Eichhorn, A. Blonder, M. Leszczynski, A. Rudra and C. Re,
       Kaleidoscope: an efficient, learnable representation for all structured linear maps, ICLR
       2020.
    .. [3] L. Zheng, Q.-T. Le, E. Riccietti and R. Gribonval, Butterfly factorization with error
       guarantees, SIAM J. Matrix Anal. Appl. 46(4), 2025.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> from numpy.polynomial import legendre
    >>> x = np.linspace(-1, 1, 34)[1:-1]
    >>> P = legendre.legvander(x, 31).T
    >>> result = sm.fit_butterfly(P)
    >>> sum(F.values.size for F in result.matrix.factors if hasattr(F, "values"))
    320
    >>> result.lower_bound <= result.error < 0.35
    True
    """
    if callback is not None and not callable(callback):
        raise TypeError(f"`callback` must be callable or None; got a {type(callback).__name__}")
    target, depth = _target(A, shape), _checks.count(depth, 64, "depth")
    maxiter, restarts = _checks.size(maxiter, "maxiter"), _checks.size(restarts, "restarts")
    tol, rng = _checks.tolerance(tol, "tol"), np.random.default_rng(rng)
    refining = maxiter, tol, None if callback is None else _smallest_so_far(callback)
    permutation = _permutation(permutation, target.shape[1])
    M, scales = _normalised(target)
    if depth == 1:
        found = _one(M, budget, permutation, restarts, rng, refining)
        chain = [patterns.Pattern(a, b, c, d) for a, d, b, c in (F.shape for F in found.values)]
        lower2, upper2 = bracket.bracket(ordered(M, found)[None, None], chain)
    else:
        if budget is not None:
            raise ValueError("`budget` is for depth=1; several butterflies have a fixed size")
        order = _power_of_two(max(M.shape))
        M = search.padded(M, order, order)
        found = best_product(M, depth, permutation, restarts, rng, refining)
        lower2, upper2 = 0.0, 0.0
    matrix = _assembled(found, scales, target.dtype, target.shape)
    error = _error(target, matrix)
    # The bounds are those of exact arithmetic, and zero has the error 1.
    lower, upper = min(math.sqrt(lower2), error), max(min(math.sqrt(upper2), 1.0), error)
    return ProjectionResult(matrix, error, lower, upper)


def _smallest_so_far(callback):
    """Several chains are refined one after the other; the caller sees one falling error."""
    best = math.inf

    def tell(error):
        nonlocal best
        best = min(best, error)
        callback(best)

    return tell


# ---------------------------------------------------------------- the target


def _target(A, shape):
    """The dense target, from an array, an operator, or a function of blocks of columns."""
    if callable(A) and not hasattr(A, "matmat"):
        return _asked(A, shape)
    if shape is not None:
        raise ValueError("`shape` is for a function; arrays and operators have their own")
    if hasattr(A, "toarray") or hasattr(A, "matmat"):
        _checks.guard_dense(A.shape, np.float64, "fit_butterfly")
        A = A.toarray() if hasattr(A, "toarray") else columns_of(A, "fit_butterfly")
    M = _checks.as_array(A, "A")
    if M.ndim != 2:
        raise ValueError(f"`A` must be a matrix; got shape {M.shape}")
    return _checks.finite(M, "A")


def _asked(product, shape):
    """The matrix of a function X -> A X."""
    if shape is None:
        raise ValueError("a function needs `shape`, the (m, n) of its matrix")
    if not isinstance(shape, tuple | list) or len(shape) != 2:
        raise TypeError(f"`shape` must be two integers, (m, n); got {shape!r}")
    m, n = (_checks.size(x, "shape") for x in shape)
    _checks.guard_dense((m, n), np.float64, "fit_butterfly")
    M = _checks.as_array(product(np.eye(n)), "A(X)")
    if M.shape != (m, n):
        raise ValueError(
            f"`A` must take a block X of shape (n, k) = {(n, n)} to A @ X of shape {(m, n)}; "
            f"it gave shape {M.shape}"
        )
    return _checks.finite(M, "A(X)")


def _permutation(permutation, n):
    """None, one of the names, or the indices of n columns."""
    if permutation is None:
        return None
    if isinstance(permutation, str):
        return _checks.choice(permutation, "permutation", ("auto", "bit_reversal"))
    if not isinstance(permutation, Permutation):
        if not (is_array(permutation) or isinstance(permutation, list | tuple)):
            raise TypeError(
                "`permutation` must be None, a name, a Permutation or an array of indices; got "
                f"{type(permutation).__name__}"
            )
        permutation = Permutation(permutation)
    if len(permutation.p) != n:
        raise ValueError(
            f"`permutation` has {len(permutation.p)} entries; the matrix has {n} columns"
        )
    return move(permutation.p, "cpu")


def _normalised(M):
    """(M in double precision with norm one, two scales whose product it was divided by)."""
    xp = namespace_of(M)
    peak = float(abs(M).max()) if M.size else 0.0
    work = M.astype(np.result_type(M.dtype, np.float64))
    if peak:
        work = work / peak
    size = float(xp.linalg.norm(work)) or 1.0
    return work / size, (peak or 1.0, size)


def _one(M, budget, permutation, restarts, rng, refining):
    """One butterfly; the matrix itself, as one dense factor, where the budget allows that."""
    N = search.padded(M, *map(_divisible, M.shape))
    budget = _budget(budget, N.shape, M.size)
    if M.size <= budget:
        return Found([M[None, None]], *map(np.arange, M.shape), 0.0)
    return best_chain(N, budget, permutation, restarts, rng, refining)


def _divisible(n):
    rest = n
    for radix in range(2, _LARGEST_RADIX + 1):
        while rest and rest % radix == 0:
            rest //= radix
    return n if rest <= 1 else _power_of_two(n)


def _power_of_two(n):
    return 1 << (n - 1).bit_length() if n else 1


def _budget(budget, shape, dense):
    m, n = shape
    if budget is None:
        return (m + n) * max(max(m, n) - 1, 1).bit_length()
    budget = _checks.size(budget, "budget")
    least = min(m + n, dense)
    if budget < least:
        raise ValueError(
            f"`budget` must be at least {least}, for a matrix of rank one and shape {(m, n)} "
            f"(padded where sizes have large prime factors); got {budget}"
        )
    return budget


# ---------------------------------------------------------------- the answer


def _assembled(found, scales, dtype, shape):
    """P^T K_1 ... K_L Q with ``M[rows][:, columns] ~ K_1 ... K_L``."""
    values = found.values
    for scale in scales:  # their product may overflow
        values = rescaled(values, scale)
    factors = [KroneckerSparse(F.astype(dtype)) for F in values]
    before, after = np.argsort(found.rows), found.columns
    if _sorted(before) and _sorted(after) and patterns.chainable(*(F.pattern for F in factors)):
        return Butterfly(factors, shape)
    xp = namespace_of(*values)
    before, after = (
        [] if _sorted(p) else [Permutation(xp.asarray(p), dtype)] for p in (before, after)
    )
    return Chain([*before, *factors, *after], shape)


def _sorted(p):
    return bool((np.diff(p) > 0).all())


def _error(target, matrix):
    """Relative Frobenius error."""
    xp = namespace_of(target)
    work = np.result_type(target.dtype, np.float64)
    scale = float(abs(target).max()) if target.size else 0.0
    if scale == 0:
        return 0.0
    difference = matrix.toarray().astype(work) / scale - target.astype(work) / scale
    return float(xp.linalg.norm(difference) / xp.linalg.norm(target.astype(work) / scale))
