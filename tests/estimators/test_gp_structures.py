"""Gaussian processes on covariances that are not grids: low rank, blocks."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

import structmat as sm
from structmat.estimators import gp


def covariances(rng):
    X = rng.random((300, 3))
    yield sm.LowRank(X, X)
    blocks = rng.standard_normal((40, 4, 4))
    yield sm.BlockDiagonal(blocks @ blocks.transpose(0, 2, 1))
    yield sm.Diagonal(rng.random(50))


@pytest.mark.parametrize("which", range(3))
def test_likelihood_on_any_covariance(which, rng):
    K = list(covariances(rng))[which]
    n = K.shape[0]
    y = rng.standard_normal(n)
    dense = K.toarray() + 0.1 * np.eye(n)
    expected = multivariate_normal(np.zeros(n), dense, allow_singular=True).logpdf(y)
    assert gp.log_marginal_likelihood(K, y, noise=0.1) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("which", range(3))
def test_trace_of_a_solve_by_structure(which, rng):
    K = list(covariances(rng))[which]
    n = K.shape[0]
    A = K + 0.1 * sm.eye(n)
    for B in (K, sm.eye(n)):
        expected = np.trace(np.linalg.solve(A.toarray(), B.toarray()))
        assert gp.trace_solve(A, B) == pytest.approx(expected, rel=1e-9)


def test_large_low_rank_covariance_has_a_gradient(rng):
    X = rng.random((3000, 2))
    K = sm.LowRank(X, X)
    assert np.isfinite(gp.trace_solve(K + sm.eye(3000), K))


def test_the_factorisation_of_an_update_gives_its_determinant(rng):
    U = rng.standard_normal((300, 2))
    A = sm.DiagonalPlusLowRank(np.ones(300), U, U)
    assert A.factorize().slogdet() == pytest.approx(np.linalg.slogdet(A.toarray()))


def test_a_list_of_points_is_refused_because_it_may_mean_axes(rng):
    x = np.arange(4.0)
    model = gp.GaussianProcess(gp.GridKernel(x, x, lengthscales=1.0))
    y = np.add.outer(np.sin(x), np.cos(x)).ravel() + 0.1 * rng.standard_normal(16)
    model.fit(y)
    with pytest.raises(TypeError, match="tuple of axes"):
        model.predict([[1.0, 1.0], [2.0, 0.5]])
    assert model.predict(np.array([[1.0, 1.0], [2.0, 0.5]])).shape == (2,)
