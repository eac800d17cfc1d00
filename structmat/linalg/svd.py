"""Singular values and vectors."""

import numpy as np

from structmat import _checks, _rules, iterative
from structmat._results import Info, SVDResult
from structmat.linalg import _certify, _door

__all__ = ["matrix_rank", "svd", "svds", "svdvals"]


@_certify.certified(_certify.singular)
def svd(A, full_matrices=True):
    """Singular value decomposition A = U @ diag(S) @ Vh.

    Parameters
    ----------
    A : StructuredMatrix, array, sparse array or LinearOperator, shape (m, n)
        The matrix.
    full_matrices : bool
        True: U (m, m), Vh (n, n); False: U (m, k), Vh (k, n) with k = min(m, n).
    method : {"auto", "direct", "dense"}
        "direct" takes the family's rule or raises NotImplementedError, "dense" takes LAPACK on
        ``A.toarray()``, "auto" the first that there is.
    return_info : bool
        Also return a certificate :class:`structmat.linalg.Info`, whose backward error tells how
        well the result reproduces the matrix on random vectors.

    Returns
    -------
    SVDResult
        ``(U, S, Vh)``, S real and descending; U and Vh are structured matrices where the family
        allows (those of a Kronecker product are Kronecker products times permutations), else
        arrays. Signs, and the order within repeated values, are not specified.

    Raises
    ------
    ValueError
        NaN or infinity in the matrix.
    MemoryError
        No structured rule and too large for a dense matrix.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> U, S, Vh = np.linalg.svd(sm.Kronecker(np.diag([3.0, 1.0]), np.diag([2.0, 1.0])))
    >>> S
    array([6., 3., 2., 1.])
    """
    A = _rules.lift(A)
    result = A._svd(bool(full_matrices))
    if result is NotImplemented:
        result = _door.dense(A, "svd")._svd(bool(full_matrices))
    return SVDResult(*result)


def svdvals(A):
    """Singular values, real and descending, shape (min(m, n),).

    Parameters
    ----------
    A : StructuredMatrix, array, sparse array or LinearOperator, shape (m, n)
        The matrix.

    Returns
    -------
    ndarray
        The values.

    Examples
    --------
    >>> import structmat as sm
    >>> sm.linalg.svdvals(sm.Diagonal([1.0, -2.0]))
    array([2., 1.])
    """
    A = _rules.lift(A)
    values = A._svdvals()
    if values is NotImplemented:
        full = A._svd(False)
        values = full if full is NotImplemented else full[1]
    return _door.dense(A, "svdvals")._svdvals() if values is NotImplemented else values


def svds(A, k=6, *, rtol=None, maxiter=None, rng=None, return_info=False):
    """The k largest singular triplets.

    Parameters
    ----------
    A : StructuredMatrix, array, sparse array or LinearOperator, shape (m, n)
        The matrix.
    k : int
        How many, ``0 < k <= min(m, n)``.
    rtol : float, optional
        Largest residual ``|A v - s u|`` relative to the largest value, for the iterative way.
    maxiter : int, optional
        Largest number of block iterations.
    rng : Generator, int or None
        Random start of the iterative way.
    return_info : bool
        Also return the certificate.

    Returns
    -------
    SVDResult
        ``U (m, k), S (k,) descending, Vh (k, n)``.
    info : Info
        Only with ``return_info=True``.

    Raises
    ------
    structmat.ConvergenceError
        The iteration did not converge; ``.result`` holds the partial SVDResult.

    Notes
    -----
    The family's rule where there is one (a heap over factor values for a Kronecker product), the
    dense SVD up to order 2048, else randomised block Krylov iteration [1]_.

    References
    ----------
    .. [1] C. Musco and C. Musco, Randomized block Krylov methods for stronger and faster
       approximate singular value decomposition, NeurIPS 2015, Algorithm 2.

    Examples
    --------
    >>> import structmat as sm
    >>> sm.linalg.svds(sm.Diagonal([1.0, 3.0, 2.0]), k=2).S
    array([3., 2.])
    """
    A = _rules.lift(A)
    k = _checks.count(k, min(A.shape), "k")
    result, info = A._svds(k), Info("structured")
    if result is NotImplemented and (_door.small(A) or 2 * k > min(A.shape)):
        U, S, Vh = svd(A, full_matrices=False)
        result, info = SVDResult(_leading(U, k), S[:k], _leading_rows(Vh, k)), Info("full SVD")
    if result is NotImplemented:
        options = {n: v for n, v in (("rtol", rtol), ("maxiter", maxiter)) if v is not None}
        found = iterative.svds(
            A.__matmul__, A._adjoint().__matmul__, A.shape, A.dtype, k, rng=rng,
            xp=A._namespace or np, **options,
        )  # fmt: skip
        result = SVDResult(found.U, found.S, found.Vh)
        worst = float(np.max(_door.as_numpy(found.residual), initial=0.0))
        info = Info("block Krylov", None, None, worst, found.n_iter, bool(found.converged))
        if not found.converged:
            raise _checks.ConvergenceError(
                f"svds did not converge: residual {worst:.2g} after {found.n_iter} iterations; "
                "raise `maxiter` or relax `rtol`",
                result=result,
                info=info,
            )
    result = SVDResult(*result)
    return (result, info) if return_info else result


def _leading(U, k):
    return U[:, :k]


def _leading_rows(Vh, k):
    return Vh[:k]


def matrix_rank(A, *, rtol=None, tol=None):
    """Numerical rank: how many singular values exceed the tolerance.

    Parameters
    ----------
    A : StructuredMatrix, array, sparse array or LinearOperator, shape (m, n)
        The matrix.
    rtol : float, optional
        Relative to the largest singular value; default ``max(m, n) * eps``.
    tol : float, optional
        Absolute tolerance instead.

    Returns
    -------
    int
        The rank.

    Examples
    --------
    >>> import structmat as sm
    >>> sm.linalg.matrix_rank(sm.Diagonal([1.0, 0.0, 2.0]))
    2
    """
    A = _rules.lift(A)
    _checks.tolerance(rtol, "rtol")
    _checks.tolerance(tol, "tol")
    if tol is None:
        rtol = max(A.shape, default=1) * _door.eps(A.dtype) if rtol is None else float(rtol)
        rank = A._rank(rtol)
        if rank is not NotImplemented:
            return int(rank)
    S = svdvals(A)
    if not len(S):
        return 0
    return int((S > (rtol * S[0] if tol is None else tol)).sum())
