"""Linear systems, least squares and inverses."""

import numpy as np

from structmat import _checks, _rules, iterative
from structmat._results import Info, LstsqResult
from structmat.linalg import _certify, _door
from structmat.linalg.svd import svd

__all__ = ["factorize", "inv", "lstsq", "pinv", "solve"]


def solve(
    A,
    b,
    *,
    method="auto",
    rtol=None,
    atol=0.0,
    maxiter=None,
    callback=None,
    return_info=False,
):
    """Solve A x = b for a square matrix by the algorithm its structure allows.

    Parameters
    ----------
    A : StructuredMatrix, array, sparse array or LinearOperator, shape (n, n)
        The matrix.
    b : array, shape (n,) or (n, k), or StructuredMatrix
        Right-hand side; a structured one gives a structured result where there is a rule for it.
    method : {"auto", "direct", "iterative", "dense"}
        "direct" is the family's own factorisation, "iterative" a Krylov method, "dense" LAPACK on
        ``A.toarray()``. "auto": direct; else dense up to order 2048; else iterative; else dense.
    rtol, atol : float, optional
        Tolerances of an iterative method on ``|b - A x|``; default of `rtol` 1e-10 (float64).
    maxiter : int, optional
        Largest number of iterations.
    callback : callable, optional
        Called once an iteration by an iterative method.
    return_info : bool
        Also return the certificate :class:`structmat.linalg.Info`: method, backward error,
        condition number, residual, iterations.

    Returns
    -------
    x : array, shape of `b`
        The solution, in the promoted dtype of A and b.
    info : Info
        Only with ``return_info=True``.

    Raises
    ------
    numpy.linalg.LinAlgError
        A is exactly singular; the message names the structure and the place.
    structmat.ConvergenceError
        An iteration did not converge; ``.result`` holds what it reached.
    ValueError
        Shapes do not fit, or NaN or infinity in the arguments.

    Warns
    -----
    scipy.linalg.LinAlgWarning
        The reciprocal condition number is below the unit roundoff.

    Notes
    -----
    Cost and accuracy are those of the family, see its page. The backward error of the certificate
    is normwise, ``|b - A x| / (|A| |x| + |b|)`` [1]_.

    References
    ----------
    .. [1] N. J. Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed., 2002, eq. (7.1).

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> A = sm.Kronecker([[2.0, 1.0], [1.0, 3.0]], [[4.0, 0.0], [1.0, 5.0]])
    >>> x = np.linalg.solve(A, np.ones(4))
    >>> bool(np.allclose(A @ x, 1))
    True
    """
    A = _rules.lift(A)
    _checks.square(A, "solve")
    _checks.choice(method, "method", _door.METHODS)
    _checks.tolerance(rtol, "rtol")
    _checks.tolerance(atol, "atol")
    if maxiter is not None:
        _checks.size(maxiter, "maxiter")
    if hasattr(b, "_parameters") or _checks.is_sparse(b):
        return _solve_matrix(A, _rules.lift(b))
    A, B, finish = _door.right_hand_side(A, b, "solve")
    options = {"rtol": rtol, "atol": atol, "maxiter": maxiter, "callback": callback}
    X, info = _solve_block(A, B, method, options)
    if not return_info:
        return finish(X)
    return finish(X), _with_errors(A, B, X, info)


def _solve_matrix(A, B):
    """A structured right-hand side: a rule of the two types, else the inverse times B, lazily."""
    if A.shape[0] != B.shape[0]:
        raise _checks.rhs_mismatch(A, B, "solve")
    X = _rules.combine("solve", A, B)
    return inv(A) @ B if X is NotImplemented else X


def _solve_block(A, B, method, options):
    """(X, Info) by the first way that answers."""
    factored = NotImplemented
    if method in ("auto", "direct"):
        factored = A._factorize()
    if method == "dense" or (
        factored is NotImplemented and (method == "direct" or (method == "auto" and _door.small(A)))
    ):
        factored = _door.dense(A, "solve")._factorize()
    if factored is not NotImplemented:
        return _solve_factored(factored, B)
    try:
        return _iterate(A, B, options)
    except _checks.ConvergenceError:
        dense_bytes = _checks.dense_bytes(A.shape, A.dtype)
        if method == "iterative" or options["maxiter"] is not None or not _checks.fits(dense_bytes):
            raise
    return _solve_factored(_door.dense(A, "solve")._factorize(), B)


def _solve_factored(factored, B):
    X = factored._solve(B)
    if factored.rcond < _door.eps(factored.dtype):
        _checks.ill_conditioned(factored.rcond, factored.structure, stacklevel=5)
    cond = 1 / factored.rcond if factored.rcond > 0 else np.inf
    return X, Info(method=factored.method, cond=cond, n_iter=factored.n_iter)


def _iterate(A, B, options):
    """Conjugate gradients where A is Hermitian, MINRES when it proves indefinite, else GMRES."""
    inverse = A._preconditioner()
    options = dict(options)
    options["preconditioner"] = None if inverse is NotImplemented else inverse.__matmul__
    if options["rtol"] is None:
        del options["rtol"]
    if _door.is_hermitian(A):
        result = iterative.cg(A.__matmul__, B, **options)
        if not result.converged and result.indefinite:
            options["preconditioner"] = None  # MINRES needs a definite one
            result = iterative.minres(A.__matmul__, B, **options)
    else:
        result = iterative.gmres(A.__matmul__, B, **options)
    worst = float(np.max(_door.as_numpy(result.residual), initial=0.0))
    info = Info(result.method, None, None, worst, result.n_iter, bool(result.converged))
    if not result.converged:
        raise _checks.ConvergenceError(
            f"{result.method} did not converge for {type(A).__name__} of shape {A.shape}: relative "
            f"residual {worst:.2g} after {result.n_iter} iterations; raise `maxiter`, relax "
            '`rtol`, or use method="dense"',
            result=result.X,
            info=info,
        )
    return result.X, info


def _with_errors(A, B, X, info):
    """Fill in the backward error and residual (both in the 1-norm, worst column)."""
    # In units of the largest entry of b, and in double precision: sums of numbers that fit may not.
    unit = max(float(abs(B).max()), 1.0) if B.size else 1.0
    R, size_b, size_x = ((abs(Y).astype(np.float64) / unit).sum(0) for Y in (B - A @ X, B, X))
    size_a = _certify.norm_for_certificates(A)
    scale = size_a * size_x + size_b
    zero = scale == 0
    backward = float(np.max(_door.as_numpy(R / (scale + zero)), initial=0.0))
    residual = float(np.max(_door.as_numpy(R / (size_b + (size_b == 0))), initial=0.0))
    return Info(info.method, backward, info.cond, residual, info.n_iter, info.converged)


def factorize(A):
    """Factor a square matrix once; the result solves for many right-hand sides.

    Parameters
    ----------
    A : StructuredMatrix, array, sparse array or LinearOperator, shape (n, n)
        The matrix.

    Returns
    -------
    Factorization
        Object with ``solve(b)``, ``slogdet()``, ``method``, ``rcond``.

    Raises
    ------
    numpy.linalg.LinAlgError
        A is exactly singular.
    NotImplementedError
        There is no factorisation in the structure and the dense matrix is above order 2048.

    Examples
    --------
    >>> import structmat as sm
    >>> factor = sm.Diagonal([2.0, 4.0]).factorize()
    >>> factor.solve([2.0, 2.0])
    array([1. , 0.5])
    """
    A = _rules.lift(A)
    _checks.square(A, "factorize")
    factored = A._factorize()
    if factored is NotImplemented:
        if not _door.small(A):
            raise NotImplementedError(
                f"{type(A).__name__} has no factorisation in its structure and order {A.shape[0]} "
                "is large for a dense one; use solve(A, b), which can iterate, or "
                "factorize(A.toarray())"
            )
        factored = _door.dense(A, "factorize")._factorize()
    return factored


@_certify.certified(_certify.inverse)
def inv(A):
    """Inverse of a square matrix; structured where the algebra allows.

    Parameters
    ----------
    A : StructuredMatrix, array, sparse array or LinearOperator, shape (n, n)
        The matrix.
    method : {"auto", "direct", "dense"}
        "direct" takes the family's rule or raises NotImplementedError, "dense" takes LAPACK on
        ``A.toarray()``, "auto" the first that there is.
    return_info : bool
        Also return a certificate :class:`structmat.linalg.Info`, whose backward error tells how
        well the result reproduces the matrix on random vectors.

    Returns
    -------
    StructuredMatrix
        In the same family, or a lazy ``Inverse`` that holds the factorisation of A and solves
        when it is applied.

    Raises
    ------
    numpy.linalg.LinAlgError
        A is exactly singular.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> np.linalg.inv(sm.Kronecker(2 * np.eye(2), np.eye(3)))
    <6x6 Kronecker of dtype float64, 104 B, 0.36 of dense>
    """
    A = _rules.lift(A)
    _checks.square(A, "inv")
    inverse = A._inv()
    return _rules.make("inverse", A) if inverse is NotImplemented else inverse


@_certify.certified(_certify.pseudo_inverse)
def pinv(A, *, rtol=None):
    """Moore-Penrose pseudo-inverse.

    Parameters
    ----------
    A : StructuredMatrix, array, sparse array or LinearOperator, shape (m, n)
        The matrix.
    rtol : float, optional
        Singular values up to ``rtol * largest`` count as zero; default ``max(m, n) * eps``.
    method : {"auto", "direct", "dense"}
        "direct" takes the family's rule or raises NotImplementedError, "dense" takes LAPACK on
        ``A.toarray()``, "auto" the first that there is.
    return_info : bool
        Also return a certificate :class:`structmat.linalg.Info`, whose backward error tells how
        well the result reproduces the matrix on random vectors.

    Returns
    -------
    StructuredMatrix, shape (n, m)
        In the family where the algebra allows, else ``V S^+ U^H`` as a product.

    Examples
    --------
    >>> import structmat as sm
    >>> sm.linalg.pinv(sm.Diagonal([2.0, 0.0])).toarray()
    array([[0.5, 0. ],
           [0. , 0. ]])
    """
    A = _rules.lift(A)
    rtol = _cutoff(A, rtol)
    result = A._pinv(rtol)
    if result is not NotImplemented:
        return result
    U, S, Vh = svd(A, full_matrices=False)
    keep = S > rtol * (S[0] if len(S) else 0)
    weights = _rules.make("diagonal", _reciprocal(S, keep))
    return _rules.lift(Vh)._adjoint() @ weights @ _rules.lift(U)._adjoint()


def lstsq(
    A, b, *, rtol=None, method="auto", atol=None, maxiter=None, callback=None, return_info=False
):
    """Least-squares solution of smallest norm, min ``|b - A x|``.

    Parameters
    ----------
    A : StructuredMatrix, array, sparse array or LinearOperator, shape (m, n)
        The matrix.
    b : array, shape (m,) or (m, k)
        Right-hand side.
    rtol : float, optional
        Singular values up to ``rtol * largest`` count as zero; default ``max(m, n) * eps``. For
        the iterative method, its tolerance.
    method : {"auto", "direct", "iterative", "dense"}
        As in :func:`solve`; iterative is LSMR.
    atol, maxiter, callback
        For the iterative method.
    return_info : bool
        Also return the certificate.

    Returns
    -------
    LstsqResult
        ``(x, residuals, rank, singular_values)`` as :func:`numpy.linalg.lstsq`; `rank` and
        `singular_values` are None where the method does not find them.
    info : Info
        Only with ``return_info=True``.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> A = sm.LowRank([[1.0], [2.0]], [[1.0]])
    >>> x = np.linalg.lstsq(A, [1.0, 2.0])[0]
    >>> bool(np.allclose(x, 1))
    True
    """
    A = _rules.lift(A)
    _checks.choice(method, "method", _door.METHODS)
    A, B, finish = _door.right_hand_side(A, b, "lstsq")
    cutoff = _cutoff(A, rtol)
    result, how, n_iter = NotImplemented, "direct", 0
    if method in ("auto", "direct"):
        result = A._lstsq(B, cutoff)
        if result is NotImplemented:
            result = _lstsq_svd(A._svd(False), A, B, cutoff)
    use_dense = method in ("dense", "direct") or (method == "auto" and _door.small(A))
    if result is NotImplemented and use_dense:
        D = _door.dense(A, "lstsq")
        result, how = _lstsq_svd(D._svd(False), D, B, cutoff), "dense SVD"
    if result is NotImplemented:
        result, how, n_iter = _lsmr(A, B, rtol, atol, maxiter, callback)
    x = result.x
    R = B - A @ x
    residuals = abs(R[:0]).sum(0)[:0]
    if result.rank is not None and result.rank == A.shape[1] < A.shape[0]:
        residuals = _fold((abs(R) ** 2).sum(0), B.shape[1], _checks.as_array(b, "b"))
    answer = LstsqResult(finish(x), residuals, result.rank, result.singular_values)
    if not return_info:
        return answer
    S = result.singular_values
    cond = None if S is None or not len(S) or S[-1] == 0 else float(S[0] / S[-1])
    size = abs(B).sum(0)
    worst = float(np.max(_door.as_numpy(abs(R).sum(0) / (size + (size == 0))), initial=0.0))
    return answer, Info(how, None, cond, worst, n_iter, True)


def _fold(squared, columns, b):
    """Squared residuals of a complex b on a real A, whose block had twice the columns."""
    k = 1 if b.ndim == 1 else b.shape[1]
    return squared if columns == k else squared.reshape(k, 2).sum(1)


def _lstsq_svd(svd, A, B, cutoff):
    """x = V S^+ U^H b; U and Vh may be structured."""
    if svd is NotImplemented:
        return NotImplemented
    U, S, Vh = svd
    keep = S > cutoff * (S[0] if len(S) else 0)
    Uh = _rules.lift(U)._adjoint()
    x = _rules.lift(Vh)._adjoint() @ (_reciprocal(S, keep)[:, None] * (Uh @ B)).astype(A.dtype)
    return LstsqResult(x, None, int(keep.sum()), S)


def _lsmr(A, B, rtol, atol, maxiter, callback):
    options = {"maxiter": maxiter, "callback": callback}
    options |= {k: v for k, v in (("rtol", rtol), ("atol", atol)) if v is not None}
    result = iterative.lsmr(A.__matmul__, A._adjoint().__matmul__, B, **options)
    if not result.converged:
        raise _checks.ConvergenceError(
            f"LSMR did not converge for {type(A).__name__} of shape {A.shape} in {result.n_iter} "
            "iterations; raise `maxiter` or relax `rtol`",
            result=result.X,
        )
    return LstsqResult(result.X, None, None, None), result.method, result.n_iter


def _cutoff(A, rtol):
    _checks.tolerance(rtol, "rtol")
    return max(A.shape, default=1) * _door.eps(A.dtype) if rtol is None else float(rtol)


def _reciprocal(S, keep):
    return keep / (S + ~keep)
