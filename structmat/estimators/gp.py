"""Exact Gaussian processes on any structured covariance, through solve, slogdet and sampling.

The model is y = f + e with f ~ N(0, K) and e ~ N(0, s I). Everything follows from A = K + s I
[1]_::

    log p(y)           = -1/2 y^T A^-1 y - 1/2 log det A - n/2 log 2 pi              (2.30), (5.8)
    d log p(y) / dt    =  1/2 a^T (dA/dt) a - 1/2 tr(A^-1 dA/dt),  a = A^-1 y        (5.9)
    mean of f at X*    =  K* a                                                       (2.25)
    covariance         =  K** - K* A^-1 K*^T                                         (2.26)

Nothing is approximated: where A is a Kronecker product plus a multiple of the identity, a grid of
N = n_1 ... n_d points costs ``O(n_1^3 + ... + n_d^3 + N (n_1 + ... + n_d))`` an evaluation [2]_. A
family with another structure brings its own factorisation and, for gradients, the two methods that
``structmat.estimators.traces`` asks for.

References
----------
.. [1] C. E. Rasmussen and C. K. I. Williams, *Gaussian Processes for Machine Learning*, MIT Press,
   2006.
.. [2] Y. Saatci, *Scalable Inference for Structured Gaussian Process Models*, PhD thesis,
   University of Cambridge, 2011, chapter 5.
"""

import math
import warnings
from typing import Any, NamedTuple

import numpy as np

from structmat import _checks, linalg
from structmat._backend.arrays import namespace_of
from structmat.estimators._base import Estimator, NotFittedError
from structmat.estimators.kernels import GridKernel
from structmat.estimators.likelihood import (
    evidence,
    gradient_of,
    log_marginal_likelihood,
    model,
    one_variance,
    sample_normal,
)
from structmat.estimators.traces import quadratic_diagonal, trace_solve

__all__ = [
    "GaussianProcess",
    "GridKernel",
    "NotFittedError",
    "Step",
    "log_marginal_likelihood",
    "quadratic_diagonal",
    "sample_normal",
    "trace_solve",
]


class Step(NamedTuple):
    """One evaluation of the likelihood, as the callback of :class:`GaussianProcess` sees it."""

    evaluation: int
    log_marginal_likelihood: float
    gradient: Any
    parameters: dict


class GaussianProcess(Estimator):
    """Exact Gaussian-process regression with hyper-parameters of largest marginal likelihood.

    Parameters
    ----------
    covariance : GridKernel or callable
        Called with a dict of hyper-parameters, returns ``(K, [dK/dt, ...])``; its attribute
        ``parameters`` is a dict of names and positive starting values. For predictions elsewhere
        it has the methods of :class:`GridKernel`: ``cross``, ``prior``, ``prior_diagonal``.
    noise : float
        Variance of the noise where optimisation starts, positive.
    fixed : sequence of str
        Hyper-parameters that keep their starting value; "noise" is one of them.
    bounds : dict, optional
        (low, high) by name; by default four orders of magnitude to either side of the start.
    max_iter : int
        Iterations of L-BFGS-B; 0 takes the starting values.
    tol : float
        Relative change of the likelihood per observation at which to stop.
    n_restarts : int
        Further starts, drawn log-uniformly within the bounds.
    random_state : int, Generator or None
        For the restarts.
    callback : callable, optional
        Called with a :class:`Step` after every evaluation of the likelihood.

    Attributes
    ----------
    parameters_ : dict
        The hyper-parameters found, "noise" among them.
    log_marginal_likelihood_ : float
        At `parameters_`.
    initial_log_marginal_likelihood_ : float
        At the starting values.
    n_iter_, n_evaluations_ : int
        Of the optimisation, all starts together.
    converged_ : bool
        Whether it stopped by itself.
    weights_ : array, shape (n,)
        (K + noise I)^-1 y.
    info_ : structmat.linalg.Info
        The certificate of `weights_`.
    factorization_ : structmat.linalg.Factorization
        Of K + noise I.

    Notes
    -----
    L-BFGS-B runs on the logarithms of the hyper-parameters with the exact gradient, Rasmussen and
    Williams (2006), eq. (5.9). The mean of the process is zero: subtract one from `y` if need be.

    Examples
    --------
    >>> import numpy as np
    >>> from structmat.estimators.gp import GaussianProcess, GridKernel
    >>> t, rng = np.linspace(0, 1, 30), np.random.default_rng(0)
    >>> f = np.sin(6 * t)[:, None] * np.cos(4 * t)
    >>> y = f.ravel() + 0.1 * rng.standard_normal(f.size)
    >>> gp = GaussianProcess(GridKernel(t, t, kernel="matern52"), noise=0.1).fit(y)
    >>> bool(abs(gp.parameters_["noise"] - 0.01) < 0.001)
    True
    >>> mean, std = gp.predict(return_std=True)
    >>> bool(np.sqrt(np.mean((mean - f.ravel()) ** 2)) < 0.03)
    True
    """

    def __init__(
        self, covariance, *, noise=1.0, fixed=(), bounds=None, max_iter=100, tol=1e-9,
        n_restarts=0, random_state=None, callback=None,
    ):  # fmt: skip
        self.covariance = covariance
        self.noise = noise
        self.fixed = fixed
        self.bounds = bounds
        self.max_iter = max_iter
        self.tol = tol
        self.n_restarts = n_restarts
        self.random_state = random_state
        self.callback = callback

    def fit(self, y):
        """Find the hyper-parameters, and the posterior given observations `y`.

        Parameters
        ----------
        y : array, shape (n,)
            Observations, in the order of the rows of the covariance.

        Returns
        -------
        GaussianProcess
            Itself.

        Raises
        ------
        numpy.linalg.LinAlgError
            The covariance is not positive definite; the message has a note with the
            hyper-parameters.
        ValueError, TypeError, NotImplementedError
            As :func:`log_marginal_likelihood`; or names in `fixed` and `bounds` that are unknown.

        Warns
        -----
        RuntimeWarning
            The optimisation stopped early, or at a bound.
        """
        start, bounds = self._starting_point()
        objective = _Objective(self.covariance, y, start, list(bounds), self.callback)
        self.n_iter_, self.converged_ = 0, True
        best = None
        for x0 in self._starts(start, bounds):
            found = self._minimise(objective, x0, list(bounds.values()))
            best = found if best is None or found[0] < best[0] else best
        self.parameters_ = objective.parameters(best[1])
        self._warn(bounds, best[2])
        self.n_evaluations_ = objective.evaluations
        self.initial_log_marginal_likelihood_ = objective.first
        self._condition(y)
        return self

    def _condition(self, y):
        """The posterior at `parameters_`."""
        K, _ = self.covariance(self.parameters_)
        A, y, noise = model(K, y, self.parameters_["noise"])
        self._K, self._A, self._y, self._s = K.astype(A.dtype), A, y, noise
        self.log_marginal_likelihood_, _, self.factorization_ = evidence(A, y)
        self.weights_, self.info_ = linalg.solve(A, y, return_info=True)

    def _starting_point(self):
        start = {**self.covariance.parameters, "noise": one_variance(self.noise)}
        unknown = (set(self.fixed) | set(self.bounds or {})) - set(start)
        if unknown:
            raise ValueError(f"unknown hyper-parameters {sorted(unknown)}; there are {list(start)}")
        free = [name for name in start if name not in self.fixed]
        bounds = {name: (1e-4 * start[name], 1e4 * start[name]) for name in free}
        bounds.update((name, pair) for name, pair in (self.bounds or {}).items() if name in bounds)
        for name, (low, high) in bounds.items():
            if not 0 < low <= start[name] <= high < math.inf:
                raise ValueError(
                    f"`{name}` must start at a positive number within its bounds; got "
                    f"{start[name]} in ({low}, {high}). To keep it there, use fixed=({name!r},)"
                )
        return start, bounds

    def _starts(self, start, bounds):
        yield np.log([start[name] for name in bounds])
        rng = np.random.default_rng(self.random_state)
        low, high = np.log(np.array(list(bounds.values())).reshape(-1, 2)).T
        for _ in range(_checks.size(self.n_restarts, "n_restarts")):
            yield rng.uniform(low, high)

    def _minimise(self, objective, x0, bounds):
        """(value, x, message or None) from one start."""
        if not len(x0) or _checks.size(self.max_iter, "max_iter") == 0:
            return objective(x0)[0], x0, None
        from scipy.optimize import minimize

        found = minimize(
            objective, x0, jac=True, method="L-BFGS-B", bounds=np.log(bounds),
            options={"maxiter": self.max_iter, "ftol": max(self.tol, objective.eps), "gtol": 1e-7},
        )  # fmt: skip
        self.n_iter_ += int(found.nit)
        self.converged_ = self.converged_ and bool(found.success)
        return found.fun, found.x, None if found.success else str(found.message)

    def _warn(self, bounds, message):
        if message is not None:
            warnings.warn(
                f"the likelihood was not maximised: {message}; raise max_iter or tol",
                RuntimeWarning,
                stacklevel=3,
            )
        for name, (low, high) in bounds.items():
            value = self.parameters_[name]
            if low < high and not 1.0001 * low < value < high / 1.0001 and self.max_iter:
                warnings.warn(
                    f"`{name}` stopped at its bound {value:.3g}; widen bounds={{{name!r}: ...}}, "
                    "or use fixed=",
                    RuntimeWarning,
                    stacklevel=3,
                )

    def predict(self, points=None, *, return_std=False, return_cov=False):
        """Mean of the process, and its uncertainty.

        Parameters
        ----------
        points : tuple of arrays or array, shape (m, d), optional
            The axes of another grid, or single points; where the observations are by default. A
            list is refused, because it may mean either.
        return_std : bool
            Also the posterior standard deviation of f (of an observation: add the noise's
            variance to its square).
        return_cov : bool
            Also the posterior covariance of f, as a structured matrix.

        Returns
        -------
        mean : array, shape (m,)
            K* (K + noise I)^-1 y.
        std : array, shape (m,)
            Only with `return_std`. A variance that is negative within rounding of the prior's is
            zero.
        cov : StructuredMatrix, shape (m, m)
            Only with `return_cov`.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            Both are asked for.
        numpy.linalg.LinAlgError
            A variance is negative beyond rounding.
        """
        self._require_fitted("weights_")
        if return_std and return_cov:
            raise ValueError("ask for one of return_std and return_cov")
        C = self._K if points is None else self._ask("cross", points).astype(self._A.dtype)
        mean = C @ self.weights_
        if return_std:
            return mean, self._std(C, points)
        if return_cov:
            prior = self._K if points is None else self._ask("prior", points)
            return mean, prior.astype(C.dtype) - C @ self._A.inv() @ C.T
        return mean

    def _ask(self, method, points):
        try:
            function = getattr(self.covariance, method)
        except AttributeError:
            raise TypeError(
                f"predicting at other points needs `covariance.{method}(points, parameters)`; "
                f"{type(self.covariance).__name__} does not have it"
            ) from None
        return function(points, self.parameters_)

    def _std(self, C, points):
        prior = self._K.diagonal() if points is None else self._ask("prior_diagonal", points)
        variance = prior - quadratic_diagonal(self._A, C, self.factorization_)
        # C A^-1 C^T <= prior; computed, it may pass it by rounding, which grows with cond(A).
        rounding = 10 * np.finfo(C.dtype).eps * max(1.0, 1 / self.factorization_.rcond)
        if not bool((variance >= -rounding * abs(prior)).all()):
            raise _checks.not_positive_definite(
                "the posterior covariance", f"variance {float(variance.min()):.3g}"
            )
        return np.sqrt(np.maximum(variance, 0))

    def sample(self, n_samples=1, *, rng=None):
        """Draw from the posterior of f where the observations are; before `fit`, from the prior.

        Parameters
        ----------
        n_samples : int
            How many.
        rng : Generator, int or None
            Randomness.

        Returns
        -------
        array, shape (n, n_samples)
            The samples, as columns.

        Notes
        -----
        The posterior by Matheron's rule [1]_, ``f + K A^-1 (y - f - e)`` with f and e from the
        prior: one solve a sample and no factor of the posterior covariance.

        References
        ----------
        .. [1] J. T. Wilson et al., Efficiently sampling functions from Gaussian process posteriors,
           Proc. ICML, PMLR 119 (2020), eq. (9).
        """
        rng = np.random.default_rng(rng)
        if not hasattr(self, "weights_"):
            return sample_normal(self.covariance(self.covariance.parameters)[0], n_samples, rng=rng)
        f = sample_normal(self._K, n_samples, rng=rng)
        e = namespace_of(f).asarray(rng.standard_normal(f.shape).astype(f.dtype))
        residual = self._y[:, None] - f - math.sqrt(self._s) * e
        return f + self._K @ self.factorization_.solve(residual)


class _Objective:
    """-log p(y) / n and its gradient in the logarithms of the free hyper-parameters."""

    def __init__(self, covariance, y, start, free, callback):
        self.covariance, self.y, self.start = covariance, y, start
        self.free, self.callback = free, callback
        self.evaluations, self.first, self.eps = 0, None, 0.0

    def parameters(self, x):
        return self.start | {name: math.exp(value) for name, value in zip(self.free, x)}

    def __call__(self, x):
        parameters = self.parameters(x)
        try:
            K, derivatives = self.covariance(parameters)
            A, y, _ = model(K, self.y, parameters["noise"])
            value, weights, factor = evidence(A, y)
            names = [*self.covariance.parameters, "noise"]
            gradient = gradient_of(A, weights, factor, derivatives)
        except np.linalg.LinAlgError as error:
            told = ", ".join(f"{name}={value:.3g}" for name, value in parameters.items())
            error.add_note(f"at {told}; a larger noise, or a bound on it from below, may help")
            raise
        self.eps = float(np.finfo(A.dtype).eps)
        self.evaluations += 1
        self.first = value if self.first is None else self.first
        slopes = np.array([gradient[names.index(name)] * parameters[name] for name in self.free])
        if self.callback is not None:
            self.callback(Step(self.evaluations, value, slopes, parameters))
        return -value / max(len(y), 1), -slopes / max(len(y), 1)
