"""The density of N(0, K + s I), its gradient, and samples of it, for any structure.

Equations are those of `structmat.estimators.gp`.
"""

import math

import numpy as np

from structmat import _checks, _rules, linalg
from structmat.estimators.traces import DENSE_ORDER, congruence, trace_solve
from structmat.linalg import _door
from structmat.matrices.elementary import Identity

__all__ = ["log_marginal_likelihood", "sample_normal"]


def log_marginal_likelihood(K, y, *, noise=0.0, derivatives=None, return_info=False):
    """Logarithm of the density of N(0, K + noise I) at y, and its gradient.

    Parameters
    ----------
    K : StructuredMatrix or array, shape (n, n)
        Covariance: real, symmetric.
    y : array, shape (n,)
        Observations.
    noise : float
        Variance of the observations' noise.
    derivatives : sequence of StructuredMatrix or array, optional
        dK/dt for every hyper-parameter t.
    return_info : bool
        Also return the certificate of the solve (a second factorisation).

    Returns
    -------
    value : float
        The log marginal likelihood.
    gradient : ndarray, shape (len(derivatives) + 1,)
        Only with `derivatives`; the last entry is the derivative with respect to `noise`.
    info : structmat.linalg.Info
        Only with ``return_info=True``.

    Raises
    ------
    numpy.linalg.LinAlgError
        K + noise I is singular or not positive definite.
    ValueError
        Shapes that do not fit, K is not symmetric, NaN or infinity in `y`, or a negative noise.
    TypeError
        Complex arguments, or a noise that is not one number.
    NotImplementedError
        The structure has no factorisation, or no trace for the gradient, and is large.

    Warns
    -----
    scipy.linalg.LinAlgWarning
        K + noise I is singular to working precision.

    Notes
    -----
    Rasmussen and Williams (2006), eqs. (5.8) and (5.9). One factorisation gives all of it.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> from structmat.estimators.gp import log_marginal_likelihood
    >>> value = log_marginal_likelihood(sm.Identity(2), np.zeros(2))
    >>> bool(value == -np.log(2 * np.pi))
    True
    """
    A, y, noise = model(K, y, noise)
    value, weights, factor = evidence(A, y)
    answer: tuple = (value,)
    if derivatives is not None:
        derivatives = [_rules.lift(D) for D in derivatives]
        for D in derivatives:
            if D.shape != A.shape:
                raise _checks.pair_mismatch("a derivative of K", A, D)
        answer += (gradient_of(A, weights, factor, derivatives),)
    if return_info:
        answer += (linalg.solve(A, y, return_info=True)[1],)
    return answer if len(answer) > 1 else value


def model(K, y, noise):
    """(K + noise I, y, noise) in one real dtype, checked."""
    K = _rules.lift(K)
    n = _checks.square(K, "a covariance")
    y = _checks.as_parameter(y, "y")
    if y.shape != (n,):
        raise ValueError(f"`y` must have shape ({n},) to fit a covariance {K.shape}; got {y.shape}")
    if K.dtype.kind == "c" or y.dtype.kind == "c":
        raise TypeError(
            "a Gaussian process here is real; stack real and imaginary parts of complex data"
        )
    _checks.finite(y, "y")
    _door.require_hermitian(K, "a covariance")
    noise = one_variance(noise)
    dtype = np.result_type(K.dtype, y.dtype)
    K = K.astype(dtype)
    return (K + noise * Identity(n, dtype) if noise else K), y.astype(dtype, copy=False), noise


def one_variance(noise):
    """The variance of the noise, a number."""
    if np.ndim(noise):
        raise TypeError(
            f"`noise` must be one number; got shape {np.shape(noise)}. For noise of a variance at "
            "each point, pass K + structmat.Diagonal(noise) as the covariance"
        )
    return _checks.tolerance(noise, "noise")


def evidence(A, y):
    """(log p(y), A^-1 y, factorisation of A)."""
    factor = linalg.factorize(A)
    weights = factor.solve(y)  # warns when A is singular to working precision
    sign, logdet = factor.slogdet()
    _require_positive_definite(A, factor, sign)
    value = -0.5 * float(y @ weights) - 0.5 * float(logdet) - 0.5 * len(y) * math.log(2 * math.pi)
    return value, weights, factor


def _require_positive_definite(A, factor, sign):
    """The sign of a determinant does not tell an even number of negative eigenvalues."""
    found = congruence(factor)
    if found is not None:
        smallest = float(found[1].real.min()) if len(found[1]) else 1.0
        if not smallest > 0:
            raise _checks.not_positive_definite(
                f"the covariance ({factor.structure})", f"smallest eigenvalue {smallest:.3g}"
            )
    elif A._cholesky() is NotImplemented and A.shape[0] <= DENSE_ORDER:
        linalg.cholesky(A)
    elif not sign > 0:
        raise _checks.not_positive_definite(f"the covariance ({factor.structure})")


def gradient_of(A, weights, factor, derivatives):
    """Eq. (5.9) for every derivative of K, and for the noise."""
    slopes = []
    for D in [*derivatives, Identity(A.shape[0], A.dtype)]:
        quadratic = float(weights @ (D @ weights))
        slopes.append(0.5 * quadratic - 0.5 * trace_solve(A, D, factor))
    return np.array(slopes)


def sample_normal(K, n_samples=1, *, rng=None):
    """Draw from N(0, K).

    Parameters
    ----------
    K : StructuredMatrix or array, shape (n, n)
        Covariance: real, symmetric, positive semidefinite.
    n_samples : int
        How many.
    rng : Generator, int or None
        Randomness.

    Returns
    -------
    array, shape (n, n_samples)
        The samples, as columns.

    Raises
    ------
    numpy.linalg.LinAlgError
        K is not positive semidefinite.
    ValueError
        K is not symmetric.

    Notes
    -----
    ``L z`` with a structured Cholesky factor, or the principal square root where K is definite only
    up to rounding.

    Examples
    --------
    >>> import structmat as sm
    >>> from structmat.estimators.gp import sample_normal
    >>> sample_normal(sm.Kronecker([[2.0]], [[1.0, 0.5], [0.5, 1.0]]), 5, rng=0).shape
    (2, 5)
    """
    K = _rules.lift(K)
    n = _checks.square(K, "sample_normal")
    if K.dtype.kind == "c":
        raise TypeError("sample_normal draws real samples; got a complex covariance")
    _door.require_hermitian(K, "sample_normal")
    z = np.random.default_rng(rng).standard_normal((n, _checks.size(n_samples, "n_samples")))
    return _square_root(K) @ (K._namespace or np).asarray(z.astype(K.dtype))


def _square_root(K):
    """S with S S^T = K: structured if possible, a Cholesky factor if possible."""
    try:
        root = K._cholesky()
    except np.linalg.LinAlgError:
        root = NotImplemented
    if root is NotImplemented:
        root = K._sqrtm()
    if root is NotImplemented:
        root = linalg.sqrtm(K)
    root = _rules.lift(root)
    if root.dtype.kind == "c":
        raise _checks.not_positive_definite("the covariance")
    return root
