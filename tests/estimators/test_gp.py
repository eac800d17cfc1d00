"""Gaussian processes against the dense formulas, Rasmussen and Williams (2006), chapter 2 and 5."""

import itertools
import math
import warnings

import numpy as np
import pytest
from scipy.linalg import LinAlgWarning
from scipy.stats import multivariate_normal

import structmat as sm
from structmat.estimators import gp
from structmat.estimators.gp import (
    GaussianProcess,
    GridKernel,
    log_marginal_likelihood,
    quadratic_diagonal,
    sample_normal,
    trace_solve,
)

CORRELATIONS = {  # of s = r / l, as Rasmussen and Williams write them
    "exponential": lambda s: math.exp(-s),
    "matern32": lambda s: (1 + math.sqrt(3) * s) * math.exp(-math.sqrt(3) * s),
    "matern52": lambda s: (1 + math.sqrt(5) * s + 5 * s * s / 3) * math.exp(-math.sqrt(5) * s),
    "squared_exponential": lambda s: math.exp(-s * s / 2),
}
AXES = (np.array([0.0, 0.4, 1.1, 1.9]), np.array([-1.0, 0.3, 0.5, 2.0, 2.2]), np.array([3.0, 1.0]))
NEW = (np.array([0.2, 3.0]), np.array([0.1, 0.3, 5.0]), np.array([2.0]))


def by_loops(X, Z, kernels, scales, variance):
    """Covariance of two lists of points from the definition."""
    K = np.empty((len(X), len(Z)))
    for i, x in enumerate(X):
        for j, z in enumerate(Z):
            distances = [abs(a - b) for a, b in zip(x, z)]
            parts = [CORRELATIONS[k](r / s) for k, r, s in zip(kernels, distances, scales)]
            K[i, j] = variance * math.prod(parts)
    return K


def points(axes):
    return list(itertools.product(*axes))


def hyper(covariance, *values):
    return dict(zip(covariance.parameters, values))


def scenery(d, kernel="matern32", seed=0):
    """(covariance, parameters, dense K, y) on a grid of d axes."""
    covariance = GridKernel(*AXES[:d], kernel=kernel)
    scales = (0.7, 1.3, 2.0)[:d]
    K = by_loops(points(AXES[:d]), points(AXES[:d]), (kernel,) * d, scales, 1.7)
    y = np.random.default_rng(seed).standard_normal(len(K))
    return covariance, hyper(covariance, 1.7, *scales), K, y


# ---------------------------------------------------------------- likelihood and gradient


@pytest.mark.parametrize("kernel", CORRELATIONS)
@pytest.mark.parametrize("d", [1, 2, 3])
def test_the_covariance_is_its_definition(kernel, d):
    covariance, parameters, dense, _ = scenery(d, kernel)
    K, _ = covariance(parameters)
    assert isinstance(K, sm.Kronecker)
    np.testing.assert_allclose(K.toarray(), dense, rtol=1e-14)


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("noise", [0.0, 1e-3, 0.5])
def test_likelihood_is_the_normal_density(d, noise):
    covariance, parameters, dense, y = scenery(d)
    value = log_marginal_likelihood(covariance(parameters)[0], y, noise=noise)
    expected = multivariate_normal(cov=dense + noise * np.eye(len(dense))).logpdf(y)
    assert abs(value - expected) < 1e-11 * (abs(expected) + len(y))


@pytest.mark.parametrize("kernel", CORRELATIONS)
@pytest.mark.parametrize("d", [1, 2, 3])
def test_gradient_is_the_derivative(kernel, d):
    covariance, parameters, _, y = scenery(d, kernel)
    noise = 0.2

    def value(p, s):
        return log_marginal_likelihood(covariance(p)[0], y, noise=s)

    K, derivatives = covariance(parameters)
    _, gradient = log_marginal_likelihood(K, y, noise=noise, derivatives=derivatives)
    h = 1e-5
    for name, slope in zip(parameters, gradient):
        up, down = (parameters | {name: parameters[name] + step} for step in (h, -h))
        assert abs((value(up, noise) - value(down, noise)) / (2 * h) - slope) < 1e-7 * (
            1 + abs(slope)
        )
    numeric = (value(parameters, noise + h) - value(parameters, noise - h)) / (2 * h)
    assert abs(numeric - gradient[-1]) < 1e-7 * (1 + abs(numeric))


def structured(n=12):
    rng = np.random.default_rng(5)
    G = rng.standard_normal((n, n))
    S = G @ G.T / n
    T = rng.random((3, 3))
    yield sm.Dense(S + np.eye(n))
    yield sm.Diagonal(1 + rng.random(n))
    off, diag = rng.random(n - 1), rng.random(4)
    yield sm.Tridiagonal(off, 3 + rng.random(n), off)
    yield sm.Kronecker(T @ T.T + np.eye(3), S[:4, :4] + np.eye(4))
    yield sm.Kronecker(T @ T.T, S[:4, :4]) + sm.Diagonal(np.full(n, 0.3))
    yield sm.Kronecker(T @ T.T, S[:4, :4]) + sm.kron(sm.Diagonal([1.0, 2, 3]), sm.Diagonal(diag))
    yield sm.Kronecker(T @ T.T, S[:4, :4]) + sm.Kronecker(
        T @ T.T + np.eye(3), S[4:8, 4:8] + np.eye(4)
    )
    yield sm.DiagonalPlusLowRank(1 + rng.random(n), G[:, :2], G[:, :2])


@pytest.mark.parametrize("K", list(structured()), ids=lambda K: type(K).__name__)
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_any_structure_will_do(K, noise):
    dense = K.toarray()
    y = np.arange(12.0)
    derivatives = [
        sm.Dense(dense**2),
        sm.Diagonal(np.arange(12.0)),
        sm.Kronecker(np.ones((3, 3)), np.eye(4)),
    ]
    derivatives.append(sm.Identity(12) + sm.Permutation(np.arange(12)[::-1]))
    value, gradient = log_marginal_likelihood(K, y, noise=noise, derivatives=derivatives)
    A = dense + noise * np.eye(12)
    assert abs(value - multivariate_normal(cov=A).logpdf(y)) < 1e-10 * abs(value)
    a = np.linalg.solve(A, y)
    for D, slope in zip([*derivatives, sm.Identity(12)], gradient):
        D = D.toarray()
        expected = 0.5 * a @ D @ a - 0.5 * np.trace(np.linalg.solve(A, D))
        assert abs(slope - expected) < 1e-10 * (1 + abs(expected))


def test_certificate():
    covariance, parameters, _, y = scenery(2)
    K, derivatives = covariance(parameters)
    value, gradient, info = log_marginal_likelihood(
        K, y, noise=0.1, derivatives=derivatives, return_info=True
    )
    assert info.backward_error < 1e-15
    assert len(gradient) == 4
    assert value == log_marginal_likelihood(K, y, noise=0.1)


# ---------------------------------------------------------------- traces


def test_traces_by_structure(rng):
    S = [np.cov(rng.standard_normal((n, 3 * n))) for n in (3, 4, 2)]
    B = [rng.standard_normal((n, n)) for n in (3, 4, 2)]
    A = sm.Kronecker(*S) + 0.2 * sm.eye(24)
    d = rng.standard_normal(24)
    for C in (
        sm.Kronecker(*B),
        sm.Kronecker(sm.Diagonal(d[:3]), B[1], sm.Dense(B[2])),
        sm.Identity(24),
        sm.Diagonal(d),
        sm.Scaled(3.0, sm.Kronecker(*B)),
        sm.Sum(sm.Kronecker(*B), sm.Diagonal(d)),
        sm.Permutation(rng.permutation(24)),
        np.outer(d, d),
    ):
        expected = np.trace(np.linalg.solve(A.toarray(), C @ np.eye(24)))
        assert abs(trace_solve(A, C) - expected) < 1e-11 * (1 + abs(expected))


def test_large_trace_without_structure_names_the_way_out():
    n = 50
    K = np.exp(-abs(np.subtract.outer(np.arange(n), np.arange(n))) / 3)
    A = sm.Kronecker(K, K) + 0.1 * sm.eye(n * n)
    with pytest.raises(NotImplementedError, match="trace_est"):
        trace_solve(A, sm.Permutation(np.arange(n * n)[::-1]))


def test_noise_that_differs_along_an_axis_keeps_the_structure():
    n = 50
    t = np.arange(n) / 10
    K, derivatives = GridKernel(t, t)({"variance": 1.0, "lengthscale_0": 1, "lengthscale_1": 2})
    d = np.linspace(0.1, 1, n)
    D = sm.Kronecker(sm.Diagonal(d), sm.Identity(n))
    A = K + D
    y = np.sin(np.add.outer(t, t)).ravel()
    _, gradient = log_marginal_likelihood(A, y, derivatives=derivatives)  # order 2,500: no fallback
    h = 1e-5
    up, down = (log_marginal_likelihood(c * K + D, y) for c in (1 + h, 1 - h))
    assert abs((up - down) / (2 * h) - gradient[0]) < 1e-6 * abs(gradient[0])


def test_a_factorisation_may_bring_its_own(rng):
    class Own(sm.linalg.Factorization):
        shape, dtype = (2, 2), np.dtype(float)

        def _trace_solve(self, B):
            return 42.0

        def _quadratic_diagonal(self, C):
            return np.array([43.0])

    A = sm.Diagonal([1.0, 2.0])
    assert trace_solve(A, A, Own()) == 42
    assert quadratic_diagonal(A, np.ones((1, 2)), Own()) == [43]


def test_quadratic_diagonals(rng):
    S = [np.cov(rng.standard_normal((n, 3 * n))) for n in (3, 4)]
    A = sm.Kronecker(*S) + 0.2 * sm.eye(12)
    for C in (
        sm.Kronecker(rng.random((2, 3)), rng.random((5, 4))),
        sm.KhatriRao(rng.random((3, 7)), rng.random((4, 7))).T,
        rng.random((3, 12)),
        sm.Identity(12),
        np.zeros((0, 12)),
    ):
        for B in (A, sm.Kronecker(*S) + sm.Kronecker(sm.Diagonal([1.0, 2, 3]), sm.Identity(4))):
            dense = C @ np.eye(12)
            expected = np.diag(dense @ np.linalg.solve(B.toarray(), dense.T))
            np.testing.assert_allclose(quadratic_diagonal(B, C), expected, rtol=1e-11, atol=1e-13)
    with pytest.raises(TypeError, match="real"):
        quadratic_diagonal(A, np.ones((2, 12)) * 1j)


# ---------------------------------------------------------------- prediction


@pytest.fixture(scope="module")
def fitted():
    covariance, parameters, dense, y = scenery(3)
    covariance.parameters = parameters
    return GaussianProcess(covariance, noise=0.2, max_iter=0).fit(y), dense, y


def posterior(dense, y, noise, cross, prior):
    A = dense + noise * np.eye(len(dense))
    return cross @ np.linalg.solve(A, y), prior - cross @ np.linalg.solve(A, cross.T)


@pytest.mark.parametrize("where", ["observations", "grid", "points"])
def test_prediction_is_the_conditional_distribution(fitted, where):
    process, dense, y = fitted
    single = np.random.default_rng(1).uniform(-1, 3, (6, 3))
    at = {"observations": None, "grid": NEW, "points": single}[where]
    X = points(AXES)
    Z = {"observations": X, "grid": points(NEW), "points": list(single)}[where]
    options = (("matern32",) * 3, (0.7, 1.3, 2.0), 1.7)
    mean, cov = posterior(dense, y, 0.2, by_loops(Z, X, *options), by_loops(Z, Z, *options))
    np.testing.assert_allclose(process.predict(at), mean, atol=1e-12)
    found, std = process.predict(at, return_std=True)
    np.testing.assert_allclose(found, mean, atol=1e-12)
    np.testing.assert_allclose(std, np.sqrt(np.diag(cov)), atol=1e-12)
    found, operator = process.predict(at, return_cov=True)
    assert isinstance(operator, sm.StructuredMatrix)
    np.testing.assert_allclose(operator.toarray(), cov, atol=1e-12)


def test_far_away_the_prior_comes_back(fitted):
    mean, std = fitted[0].predict(np.full((1, 3), 1e4), return_std=True)
    assert mean[0] == 0
    assert abs(std[0] - math.sqrt(1.7)) < 1e-15


def test_without_noise_the_mean_interpolates():
    covariance, parameters, _, y = scenery(2)
    covariance.parameters = parameters
    process = GaussianProcess(covariance, noise=0.0, max_iter=0, fixed=("noise",)).fit(y)
    mean, std = process.predict(return_std=True)
    np.testing.assert_allclose(mean, y, atol=1e-12)
    assert (std < 1e-6).all()  # the square root of rounding
    np.testing.assert_allclose(process.sample(2, rng=0), np.stack([y, y], 1), atol=1e-11)


# ---------------------------------------------------------------- fitting


def test_fit_finds_the_maximum():
    covariance, _, _, _ = scenery(2)
    K, _ = covariance(hyper(covariance, 2.0, 0.8, 1.0))
    y = (sample_normal(K, rng=3)[:, 0]) + 0.3 * np.random.default_rng(4).standard_normal(20)
    steps = []
    process = GaussianProcess(
        covariance, noise=0.1, callback=steps.append, bounds={"noise": (0.05, 1.0)}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # twenty points may end at a bound
        assert process.fit(y) is process
    best = process.log_marginal_likelihood_
    assert best >= process.initial_log_marginal_likelihood_
    assert process.initial_log_marginal_likelihood_ == steps[0].log_marginal_likelihood
    assert len(steps) == process.n_evaluations_ == steps[-1].evaluation
    assert process.converged_
    assert process.info_.backward_error < 1e-15
    found = process.parameters_
    for name, value in found.items():
        low, high = (0.05, 1.0) if name == "noise" else (0, np.inf)
        for other in (value * 1.05, value / 1.05):
            p = found | {name: min(max(other, low), high)}
            near = log_marginal_likelihood(covariance(p)[0], y, noise=p["noise"])
            assert near <= best + 1e-5


def test_fit_recovers_the_hyperparameters():
    t = np.arange(40.0)
    truth = {"variance": 2.0, "lengthscale_0": 3.0, "lengthscale_1": 6.0}
    covariance = GridKernel(t, t, kernel="exponential", lengthscales=(1, 1))
    y = sample_normal(covariance(truth)[0], rng=0)[:, 0]
    y = y + 0.5 * np.random.default_rng(1).standard_normal(len(y))
    found = GaussianProcess(covariance, noise=1.0).fit(y).parameters_
    assert abs(math.log(found["noise"] / 0.25)) < 0.2
    for name, value in truth.items():
        assert abs(math.log(found[name] / value)) < 0.5


def test_fixed_hyperparameters_stay():
    covariance, _, _, y = scenery(2)
    covariance.parameters = hyper(covariance, 1.0, 0.5, 0.25)
    fixed = ("lengthscale_0", "lengthscale_1", "variance", "noise")
    process = GaussianProcess(covariance, noise=0.3, fixed=fixed).fit(y)
    assert process.parameters_ == covariance.parameters | {"noise": 0.3}
    assert process.n_iter_ == 0


def test_restarts_are_reproducible_and_never_worse():
    t = np.arange(6.0)
    y = np.sin(np.add.outer(t, 2 * t)).ravel()
    bounds = dict.fromkeys(("variance", "lengthscale_0", "lengthscale_1", "noise"), (0.05, 20.0))

    def fit(n):
        process = GaussianProcess(
            GridKernel(t, t, lengthscales=(9, 9)), noise=0.5, bounds=bounds, n_restarts=n,
            random_state=7,
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            return process.fit(y)

    once, more, again = fit(0), fit(3), fit(3)
    assert more.log_marginal_likelihood_ >= once.log_marginal_likelihood_ - 1e-9
    assert more.parameters_ == again.parameters_


def test_stopping_early_is_told():
    covariance, _, _, y = scenery(2)
    with pytest.warns(RuntimeWarning, match="max_iter"):
        process = GaussianProcess(covariance, noise=5.0, max_iter=1, tol=0).fit(y)
    assert not process.converged_


def test_stopping_at_a_bound_is_told():
    covariance, _, _, y = scenery(2)
    bounds = {"noise": (20.0, 30.0)}
    fixed = ("variance", "lengthscale_0", "lengthscale_1")
    with pytest.warns(RuntimeWarning, match="`noise` stopped at its bound 20"):
        GaussianProcess(covariance, noise=25.0, bounds=bounds, fixed=fixed).fit(y)


# ---------------------------------------------------------------- sampling


def test_samples_have_the_covariance():
    covariance, parameters, dense, _ = scenery(2)
    draws = sample_normal(covariance(parameters)[0], 40_000, rng=0)
    # The standard error of an entry is at most sqrt(2 / 40,000) of the variance, 0.7%.
    assert abs(np.cov(draws) - dense).max() < 6 * math.sqrt(2 / 40_000) * 1.7
    assert abs(draws.mean(1)).max() < 6 * math.sqrt(1.7 / 40_000)


def test_semidefinite_to_rounding_can_be_sampled():
    t = np.linspace(0, 1, 40)
    covariance = GridKernel(t, t, kernel="squared_exponential", lengthscales=(1, 1))
    K, _ = covariance(covariance.parameters)
    draws = sample_normal(K, 3, rng=0)
    assert np.isfinite(draws).all()
    with pytest.raises(np.linalg.LinAlgError):
        sample_normal(np.diag([1.0, -1.0]), rng=0)


def test_posterior_samples(fitted):
    process, dense, y = fitted
    mean, cov = posterior(dense, y, 0.2, dense, dense)
    draws = process.sample(40_000, rng=0)
    assert abs(draws.mean(1) - mean).max() < 6 * math.sqrt(cov.max() / 40_000)
    assert abs(np.cov(draws) - cov).max() < 6 * math.sqrt(2 / 40_000) * cov.max()
    assert (process.sample(2, rng=0) == process.sample(2, rng=0)).all()


def test_before_fit_samples_are_the_prior():
    covariance, _, _, _ = scenery(2)
    assert GaussianProcess(covariance).sample(3, rng=0).shape == (20, 3)


# ---------------------------------------------------------------- refusals and small things


def test_refusals():
    covariance, parameters, dense, y = scenery(2)
    K, _ = covariance(parameters)
    for wrong in (np.nan, np.inf):
        with pytest.raises(ValueError, match="infs or NaNs"):
            log_marginal_likelihood(K, np.where(np.arange(20) == 3, wrong, y), noise=1)
    with pytest.raises(ValueError, match=r"shape \(20,\)"):
        log_marginal_likelihood(K, y[:-1], noise=1)
    with pytest.raises(ValueError, match=r"shape \(20,\)"):
        log_marginal_likelihood(K, y.reshape(4, 5), noise=1)
    with pytest.raises(ValueError, match="square"):
        log_marginal_likelihood(dense[:3], y)
    with pytest.raises(ValueError, match="noise"):
        log_marginal_likelihood(K, y, noise=-1.0)
    with pytest.raises(ValueError, match="derivative"):
        log_marginal_likelihood(K, y, noise=1, derivatives=[np.eye(3)])
    with pytest.raises(TypeError, match="real"):
        log_marginal_likelihood(K, y + 0j, noise=1)
    with pytest.raises(TypeError, match="real"):
        log_marginal_likelihood(dense + 0j, y, noise=1)
    with pytest.raises(TypeError, match="complex"):
        sample_normal(dense + 0j)
    with pytest.raises(TypeError, match="masked"):
        log_marginal_likelihood(K, np.ma.masked_array(y, y > 0), noise=1)
    process = GaussianProcess(covariance)
    with pytest.raises(gp.NotFittedError, match="fit"):
        process.predict()
    with pytest.raises(ValueError, match="unknown hyper-parameters"):
        GaussianProcess(covariance, fixed=("nois",)).fit(y)
    with pytest.raises(ValueError, match="fixed="):
        GaussianProcess(covariance, noise=0.0).fit(y)


def test_grid_kernel_refusals():
    t = np.arange(3.0)
    for arguments, options, error, words in (
        ((), {}, ValueError, "at least one axis"),
        ((t[:, None],), {}, ValueError, "dimension"),
        ((np.array([0, np.nan]),), {}, ValueError, "NaN"),
        ((t + 0j,), {}, TypeError, "real"),
        ((t,), {"kernel": "mattern"}, ValueError, "matern32"),
        ((t, t), {"kernel": ("matern32",)}, ValueError, "one for each"),
        ((t, t), {"lengthscales": (1,)}, ValueError, "2 entries"),
        ((t,), {"lengthscales": (-1,)}, ValueError, "lengthscale_0"),
        ((t,), {"variance": 0.0}, ValueError, "variance"),
    ):
        with pytest.raises(error, match=words):
            GridKernel(*arguments, **options)
    covariance = GridKernel(t, t)
    for wrong in ((t,), np.ones((4, 3))):
        with pytest.raises(ValueError, match="axes"):
            covariance.cross(wrong, covariance.parameters)


def test_singular_covariances_are_loud():
    y = np.arange(4.0)
    with pytest.raises(np.linalg.LinAlgError):
        log_marginal_likelihood(np.ones((4, 4)), y)
    twice = GridKernel(np.array([0.0, 0.0]), np.array([0.0, 1.0]))
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        log_marginal_likelihood(twice(twice.parameters)[0], y)
    t = np.linspace(0, 1, 12)
    smooth = GridKernel(t, kernel="squared_exponential", lengthscales=(3,))
    with pytest.raises((np.linalg.LinAlgError, LinAlgWarning)):
        log_marginal_likelihood(smooth(smooth.parameters)[0], t)


def test_two_negative_eigenvalues_do_not_pass():
    y = np.ones(4)
    indefinite = np.diag([1.0, -1.0, -1.0, 1.0])  # its determinant is positive
    H = np.array([[0.0, 1.0], [1.0, 0.0]])
    for K in (indefinite, sm.Diagonal(np.diag(indefinite)), sm.Kronecker(H, H)):
        with pytest.raises(np.linalg.LinAlgError, match="definite"):
            log_marginal_likelihood(K, y)
    with pytest.raises(np.linalg.LinAlgError, match="definite"):
        log_marginal_likelihood(sm.Kronecker(H, H), y, noise=0.5)


def test_a_failing_fit_tells_where():
    twice = GridKernel(np.array([0.0, 0.0]), np.array([0.0, 1.0]))
    process = GaussianProcess(twice, noise=0.0, fixed=("noise",))
    with pytest.raises(np.linalg.LinAlgError) as caught:
        process.fit(np.arange(4.0))
    assert "noise=0" in caught.value.__notes__[0]


def test_single_precision():
    t = np.linspace(0, 1, 9, dtype=np.float32)
    covariance = GridKernel(t, t, kernel="exponential", lengthscales=(0.5, 0.5))
    K, derivatives = covariance(covariance.parameters)
    assert K.dtype == np.float32
    y = np.sin(np.add.outer(t, t)).ravel()
    options = {"noise": 0.1}
    value, gradient = log_marginal_likelihood(K, y, derivatives=derivatives, **options)
    wide = [D.astype(np.float64) for D in derivatives]
    exact, slopes = log_marginal_likelihood(K.astype(np.float64), y, derivatives=wide, **options)
    assert abs(value - exact) < 1e-4 * abs(exact)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-3)
    process = GaussianProcess(covariance, noise=0.1, max_iter=0).fit(y)
    mean, std = process.predict(return_std=True)
    assert mean.dtype == std.dtype == np.float32
    assert process.sample(2, rng=0).dtype == np.float32


def test_one_observation():
    covariance = GridKernel(np.array([2.0]), lengthscales=(1.0,))
    K, _ = covariance(covariance.parameters)
    value = log_marginal_likelihood(K, np.array([0.5]), noise=0.25)
    assert abs(value - multivariate_normal(cov=1.25).logpdf(0.5)) < 1e-15
    process = GaussianProcess(covariance, noise=0.25, max_iter=0).fit(np.array([0.5]))
    np.testing.assert_allclose(process.predict(), [0.4], rtol=1e-15)


def test_a_callable_covariance_is_enough():
    class Line:
        """Exponential covariance on a line, dense."""

        parameters = {"scale": 1.0}  # noqa: RUF012

        def __call__(self, parameters):
            r = abs(np.subtract.outer(np.arange(8.0), np.arange(8.0)))
            k = np.exp(-r / parameters["scale"])
            return sm.Dense(k), [sm.Dense(k * r / parameters["scale"] ** 2)]

    y = np.sin(np.arange(8.0))
    process = GaussianProcess(Line(), noise=0.1, bounds={"noise": (0.1, 1)}, fixed=("noise",))
    process.fit(y)
    assert process.predict().shape == (8,)
    with pytest.raises(TypeError, match="cross"):
        process.predict(np.ones((1, 1)))


def test_parameters_in_scikit_learns_protocol():
    covariance = GridKernel(np.arange(3.0))
    process = GaussianProcess(covariance, noise=0.5)
    copy = GaussianProcess(**process.get_params())
    assert copy.get_params() == process.get_params()
    assert copy.set_params(noise=2.0).noise == 2.0
    assert "noise=2.0" in repr(copy)
    with pytest.raises(ValueError, match="nois"):
        copy.set_params(nois=1)
