"""Estimates from a few products: norms, condition, trace, diagonal. Random ones carry `.stderr`."""

import numpy as np

from structmat import _checks, _rules, iterative
from structmat.linalg.solve import inv

__all__ = ["cond_est", "diag_est", "norm_est", "trace_est"]


def norm_est(A, ord=2, *, rng=None):
    """Estimate of the 1-, 2- or inf-norm from a few products with A and its adjoint.

    Parameters
    ----------
    A : StructuredMatrix, array, sparse array or LinearOperator, shape (m, n)
        The matrix (square for the 1- and inf-norms).
    ord : {1, 2, inf}
        Which norm. The 1-norm estimate is a lower bound, nearly always within a factor of 3.
    rng : Generator, int or None
        Randomness of the 2-norm estimate.

    Returns
    -------
    Estimate
        ``.value``, ``.stderr``, ``.n_samples``.

    Examples
    --------
    >>> import structmat as sm
    >>> float(sm.linalg.norm_est(sm.Diagonal([1.0, -3.0]), 1).value)
    3.0
    """
    A = _rules.lift(A)
    _checks.choice(ord, "ord", (1, 2, np.inf))
    if ord == 2:
        return iterative.norm2(
            A.__matmul__, A._adjoint().__matmul__, A.shape, A.dtype, rng=rng, xp=A._namespace or np
        )
    if ord == np.inf:
        A = A._adjoint()
    return iterative.norm1(
        A.__matmul__, A._adjoint().__matmul__, A.shape, A.dtype, rng=rng, xp=A._namespace or np
    )


def cond_est(A, p=1, *, rng=None):
    """Estimate of the condition number from a factorisation and a few solves.

    Parameters
    ----------
    A : StructuredMatrix, array, sparse array or LinearOperator, shape (n, n)
        The matrix.
    p : {1, 2, inf}
        Norm.
    rng : Generator, int or None
        Randomness of the 2-norm estimate.

    Returns
    -------
    float
        ``norm_est(A, p) * norm_est(inv(A), p)``; inf when A is singular.

    Examples
    --------
    >>> import structmat as sm
    >>> float(sm.linalg.cond_est(sm.Diagonal([1.0, 4.0])))
    4.0
    """
    A = _rules.lift(A)
    _checks.square(A, "cond_est")
    try:
        inverse = inv(A)
    except np.linalg.LinAlgError:
        return np.inf
    return float(norm_est(A, p, rng=rng).value * norm_est(inverse, p, rng=rng).value)


def trace_est(A, n_samples=30, *, rng=None):
    """Stochastic estimate of the trace, with its standard error (Hutch++).

    Parameters
    ----------
    A : StructuredMatrix, array, sparse array or LinearOperator, shape (n, n)
        The matrix, known by its action.
    n_samples : int
        Products to spend; exact from n_samples = n on.
    rng : Generator, int or None
        Randomness.

    Returns
    -------
    Estimate
        ``.value``, ``.stderr``, ``.n_samples``.

    References
    ----------
    .. [1] R. A. Meyer, C. Musco, C. Musco and D. P. Woodruff, Hutch++: optimal stochastic trace
       estimation, SOSA 2021, Algorithm 1.

    Examples
    --------
    >>> import structmat as sm
    >>> float(sm.linalg.trace_est(sm.Identity(4), rng=0).value)
    4.0
    """
    A = _rules.lift(A)
    n = _checks.square(A, "trace_est")
    return iterative.trace(
        A.__matmul__, n, A.dtype, _checks.size(n_samples, "n_samples"), rng=rng,
        xp=A._namespace or np,
    )  # fmt: skip


def diag_est(A, n_samples=30, *, rng=None):
    """Stochastic estimate of the diagonal, with standard errors.

    Parameters
    ----------
    A : StructuredMatrix, array, sparse array or LinearOperator, shape (n, n)
        The matrix, known by its action.
    n_samples : int
        Products to spend; exact from n_samples = n on.
    rng : Generator, int or None
        Randomness.

    Returns
    -------
    Estimate
        ``.value (n,)``, ``.stderr (n,)``, ``.n_samples``.

    Examples
    --------
    >>> import structmat as sm
    >>> sm.linalg.diag_est(sm.Identity(3), rng=0).value
    array([1., 1., 1.])
    """
    A = _rules.lift(A)
    n = _checks.square(A, "diag_est")
    return iterative.diagonal(
        A.__matmul__, n, A.dtype, _checks.size(n_samples, "n_samples"), rng=rng,
        xp=A._namespace or np,
    )  # fmt: skip
