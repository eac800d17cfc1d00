"""The iterative layer: theorems by name, on lambdas whose spectrum is known."""

import warnings

import fake_cupy
import numpy as np
import pytest
import scipy.linalg as sla
from hypothesis import given, settings
from hypothesis import strategies as st

from structmat import _checks, iterative

DTYPES = ["float32", "float64", "complex64", "complex128"]
SOLVERS = {"cg": iterative.cg, "minres": iterative.minres, "gmres": iterative.gmres}


def draw(rng, shape, dtype):
    Z = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        Z = Z + 1j * rng.standard_normal(shape)
    return Z.astype(dtype)


def rotated(rng, values, dtype):
    """Hermitian (for real values) with the given eigenvalues."""
    n = len(values)
    Q, _ = np.linalg.qr(draw(rng, (n, n), dtype))
    A = (Q * np.asarray(values)) @ Q.conj().T
    return A.astype(dtype)


def matrix_for(name, rng, n, dtype):
    if name == "cg":
        return rotated(rng, np.linspace(1, 10, n), dtype)
    if name == "minres":
        values = np.linspace(1, 10, n)
        values[::2] *= -1
        return rotated(rng, values, dtype)
    return (draw(rng, (n, n), dtype) / np.sqrt(n) + 2 * np.eye(n)).astype(dtype)


def loose(dtype):
    return 2e-4 if np.finfo(dtype).eps > 1e-10 else 1e-8


def true_residual(A, X, B):
    size = np.linalg.norm(B, axis=0)
    return np.linalg.norm(B - A @ X, axis=0) / np.where(size > 0, size, 1)


# ---------------------------------------------------------------- square systems


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("preconditioned", [False, True])
def test_solutions_match_dense_ones(name, dtype, preconditioned, rng):
    n, k = 30, 4
    A, B = matrix_for(name, rng, n, dtype), draw(rng, (n, k), dtype)
    M = rotated(rng, np.linspace(0.5, 2, n), dtype)
    options = {"preconditioner": lambda X: M @ X} if preconditioned else {}
    result = SOLVERS[name](lambda X: A @ X, B, **options)
    X = np.linalg.solve(A, B)
    assert result.converged
    assert result.X.dtype == B.dtype
    assert np.abs(result.X - X).max() <= loose(dtype) * np.abs(X).max()
    np.testing.assert_allclose(result.residual, true_residual(A, result.X, B), rtol=0.05, atol=1e-6)
    assert (result.backward_error <= result.residual).all()


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("distinct", [1, 2, 3, 5])
def test_krylov_solvers_are_exact_after_as_many_steps_as_distinct_eigenvalues(name, distinct, rng):
    values = np.repeat(np.arange(1.0, distinct + 1), 6)
    if name == "minres":
        values *= np.where(values % 2, 1, -1)
    A, B = rotated(rng, values, float), rng.standard_normal((len(values), 3))
    result = SOLVERS[name](lambda X: A @ X, B)
    assert result.converged
    assert result.n_iter == distinct


def test_cg_minimises_the_energy_norm_and_minres_the_residual(rng):
    A = rotated(rng, np.linspace(1, 100, 40), float)
    B = rng.standard_normal((40, 1))
    X = np.linalg.solve(A, B)
    energy, residual = [], []
    iterative.cg(
        lambda Y: A @ Y, B, callback=lambda Y: energy.append(((Y - X).T @ A @ (Y - X))[0, 0])
    )
    iterative.minres(
        lambda Y: A @ Y, B, callback=lambda Y: residual.append(np.linalg.norm(B - A @ Y))
    )
    assert (np.diff(energy) <= 1e-12 * energy[0]).all()
    assert (np.diff(residual) <= 1e-12 * residual[0]).all()
    # The optimum over the Krylov space itself, step 5.
    K = np.hstack([np.linalg.matrix_power(A, i) @ B for i in range(5)])
    best = np.linalg.norm(B - A @ K @ np.linalg.lstsq(A @ K, B)[0])
    assert residual[4] == pytest.approx(best, rel=1e-6)


@pytest.mark.parametrize("name", SOLVERS)
def test_lockstep_equals_column_by_column(name, rng):
    A = matrix_for(name, rng, 40, float)
    B = rng.standard_normal((40, 5)) * 10.0 ** np.arange(-100, 150, 50)
    together = SOLVERS[name](lambda X: A @ X, B)
    assert together.converged
    for j in range(5):
        alone = SOLVERS[name](lambda X: A @ X, B[:, j : j + 1])
        size = np.abs(alone.X).max()
        assert np.abs(together.X[:, j : j + 1] - alone.X).max() <= 1e-8 * size


@pytest.mark.parametrize("name", SOLVERS)
def test_zero_columns_and_exact_starts_cost_nothing(name, rng):
    A = matrix_for(name, rng, 20, float)
    calls = []

    def apply(X):
        calls.append(X.shape)
        return A @ X

    zero = SOLVERS[name](apply, np.zeros((20, 3)))
    assert zero.converged
    assert zero.n_iter == 0
    assert not zero.X.any()
    assert not zero.residual.any()
    assert not calls
    X = rng.standard_normal((20, 3))
    exact = SOLVERS[name](apply, A @ X, x0=X)
    assert exact.converged
    assert exact.n_iter == 0
    assert len(calls) == 1
    # A zero right-hand side has the zero solution, from any start; its neighbours are solved.
    B = np.c_[np.zeros(20), rng.standard_normal(20)]
    mixed = SOLVERS[name](apply, B, x0=X[:, :2])
    assert mixed.converged
    assert not mixed.X[:, 0].any()
    assert max(shape[1] for shape in calls[2:]) <= 2


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("shape", [(0, 2), (3, 0), (0, 0)])
def test_empty_blocks(name, shape):
    result = SOLVERS[name](lambda X: X, np.zeros(shape))
    assert result.X.shape == shape
    assert result.converged


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("scale", [1e150, 1e-150])
def test_extreme_sizes_iterate_as_moderate_ones(name, scale, rng):
    A, B = matrix_for(name, rng, 20, float), rng.standard_normal((20, 2))
    plain = SOLVERS[name](lambda X: A @ X, B)
    for a, b in ((scale, 1.0), (1.0, scale), (scale, scale)):
        result = SOLVERS[name](lambda X, a=a: (a * A) @ X, b * B)
        assert result.converged
        assert result.n_iter == pytest.approx(plain.n_iter, abs=1)
        np.testing.assert_allclose(result.X * a / b, plain.X, rtol=1e-6, atol=1e-8)


def test_unrepresentable_solution_is_refused():
    with pytest.raises(OverflowError, match="scale the right-hand side"):
        iterative.cg(lambda X: 1e-200 * X, np.full((3, 1), 1e200))


@pytest.mark.parametrize("name", SOLVERS)
def test_maxiter_returns_the_partial_result(name, rng):
    A = rotated(rng, np.logspace(0, 4, 40), float)
    B = rng.standard_normal((40, 3))
    result = SOLVERS[name](lambda X: A @ X, B, maxiter=7)
    assert not result.converged
    assert result.n_iter == 7
    assert result.X.any()
    np.testing.assert_allclose(result.residual, true_residual(A, result.X, B), rtol=1e-6)
    assert SOLVERS[name](lambda X: A @ X, B, maxiter=0).n_iter == 0


@pytest.mark.parametrize("name", SOLVERS)
def test_singular_consistent_systems_are_solved(name, rng):
    values = np.r_[np.zeros(3), np.linspace(1, 5, 17)]
    A = rotated(rng, values, float)
    B = A @ rng.standard_normal((20, 2))
    result = SOLVERS[name](lambda X: A @ X, B)
    assert result.converged
    assert true_residual(A, result.X, B).max() <= 1e-9


@pytest.mark.parametrize("name", SOLVERS)
def test_singular_inconsistent_systems_do_not_converge_and_hold_no_nan(name):
    d = np.linspace(0, 1, 30)[:, None]
    B = np.ones((30, 2))
    result = SOLVERS[name](lambda X: d * X, B)
    assert not result.converged
    assert np.isfinite(result.X).all()
    if name != "cg":  # both minimise the residual: what is left is the null component
        np.testing.assert_allclose(result.residual, 1 / np.sqrt(30), rtol=1e-6)


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_breakdown_is_reported_not_returned(name, value):
    result = SOLVERS[name](lambda X: np.full_like(X, value), np.ones((5, 2)))
    assert not result.converged
    assert np.isfinite(result.X).all()
    assert not np.isnan(result.residual).any()


def test_cg_says_that_a_matrix_is_indefinite():
    d = np.array([1.0, 2.0, -3.0])[:, None]
    result = iterative.cg(lambda X: d * X, np.ones((3, 1)))
    assert result.indefinite
    assert not result.converged
    assert not iterative.cg(lambda X: abs(d) * X, np.ones((3, 1))).indefinite


def test_gmres_lengthens_a_cycle_that_stagnates(rng):
    # The cyclic shift stands still until iteration n (Greenbaum, Ptak and Strakos, 1996).
    B = rng.standard_normal((130, 2))
    shift = lambda X: np.roll(X, 1, axis=0)  # noqa: E731
    result = iterative.gmres(shift, B)
    assert result.converged
    np.testing.assert_allclose(result.X, np.roll(B, -1, axis=0), atol=1e-9)
    stuck = iterative.gmres(shift, np.eye(130)[:, :1], restart=10)
    assert not stuck.converged
    assert stuck.n_iter == 10


def test_rounding_limits_are_met_by_starting_again_from_the_true_residual(rng):
    A = rotated(rng, np.logspace(0, 7, 30), float)
    B = A @ rng.standard_normal((30, 2))
    result = iterative.cg(lambda X: A @ X, B, rtol=1e-14, maxiter=2000)
    assert true_residual(A, result.X, B).max() <= 1e-13


@pytest.mark.parametrize("name", [*SOLVERS, "lsmr"])
def test_callback_is_called_once_an_iteration_and_its_errors_propagate(name, rng):
    A = matrix_for(name if name in SOLVERS else "cg", rng, 20, float)
    B = rng.standard_normal((20, 3))
    seen = []

    def solve(callback):
        if name == "lsmr":
            return iterative.lsmr(lambda X: A @ X, lambda X: A.T @ X, B, callback=callback)
        return SOLVERS[name](lambda X: A @ X, B, callback=callback)

    result = solve(seen.append)
    assert len(seen) == result.n_iter
    np.testing.assert_allclose(seen[-1], result.X, rtol=1e-12)
    assert seen[0] is not seen[1]

    def stop(X):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        solve(stop)


@pytest.mark.parametrize("name", SOLVERS)
def test_refusals(name):
    solve = SOLVERS[name]
    with pytest.raises(ValueError, match="infs or NaNs"):
        solve(lambda X: X, np.array([[1.0], [np.nan]]))
    with pytest.raises(ValueError, match=r"\(n, k\)"):
        solve(lambda X: X, np.ones(3))
    with pytest.raises(ValueError, match="shape of `B`"):
        solve(lambda X: X, np.ones((3, 1)), x0=np.ones((2, 1)))
    with pytest.raises(TypeError, match="complex128"):
        solve(lambda X: 1j * X, np.ones((3, 1)))
    with pytest.raises(ValueError, match="rtol"):
        solve(lambda X: X, np.ones((3, 1)), rtol=-1)
    with pytest.raises(ValueError, match="restart"):
        iterative.gmres(lambda X: X, np.ones((3, 1)), restart=0)


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 20),
    k=st.integers(1, 4),
    dtype=st.sampled_from(DTYPES),
    name=st.sampled_from(sorted(SOLVERS)),
    seed=st.integers(0, 2**32 - 1),
)
def test_converged_means_that_the_true_residual_is_small(n, k, dtype, name, seed):
    rng = np.random.default_rng(seed)
    A, B = matrix_for(name, rng, n, dtype), draw(rng, (n, k), dtype)
    result = SOLVERS[name](lambda X: A @ X, B)
    rtol = 1e-5 if np.finfo(dtype).eps > 1e-10 else 1e-10
    assert result.converged == bool((result.residual <= rtol).all())
    assert not result.converged or true_residual(A, result.X, B).max() <= 2 * rtol


# ---------------------------------------------------------------- least squares


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("m", "n", "rank"), [(30, 12, 12), (12, 30, 12), (20, 20, 20), (30, 20, 7)]
)
def test_lsmr_finds_the_shortest_least_squares_solution(m, n, rank, dtype, rng):
    U, V = (np.linalg.qr(draw(rng, (s, rank), dtype))[0] for s in (m, n))
    A = ((U * np.linspace(1, 10, rank)) @ V.conj().T).astype(dtype)
    B = draw(rng, (m, 4), dtype)
    B[:, 1] = A @ draw(rng, n, dtype)
    B[:, 2] = 0
    result = iterative.lsmr(lambda X: A @ X, lambda Y: A.conj().T @ Y, B)
    rcond = 100 * np.finfo(dtype).eps
    X = np.linalg.pinv(A, rcond=rcond) @ B
    assert result.converged
    assert result.X.dtype == B.dtype
    tolerance = 1e-2 if np.finfo(dtype).eps > 1e-10 else 1e-7
    assert np.abs(result.X - X).max() <= tolerance * np.abs(X).max()
    assert not result.X[:, 2].any()
    residual = np.linalg.norm(B - A @ result.X, axis=0)
    np.testing.assert_allclose(
        result.residual, residual / np.where(residual > 0, np.linalg.norm(B, axis=0), 1), atol=1e-5
    )


@pytest.mark.parametrize("scale", [1e150, 1e-150])
def test_lsmr_at_extreme_sizes(scale, rng):
    A, B = rng.standard_normal((20, 8)), rng.standard_normal((20, 2))
    result = iterative.lsmr(lambda X: scale * (A @ X), lambda Y: scale * (A.T @ Y), B)
    assert result.converged
    np.testing.assert_allclose(result.X * scale, np.linalg.lstsq(A, B)[0], rtol=1e-6)


def test_lsmr_partial_result_orthogonal_right_hand_side_and_empty(rng):
    A = rotated(rng, np.logspace(0, 5, 30), float)
    B = rng.standard_normal((30, 2))
    partial = iterative.lsmr(lambda X: A @ X, lambda Y: A.T @ Y, B, maxiter=5)
    assert not partial.converged
    assert partial.n_iter == 5
    np.testing.assert_allclose(partial.residual, true_residual(A, partial.X, B), rtol=1e-6)
    E = np.eye(5)[:, :2]
    none = iterative.lsmr(lambda X: E @ X, lambda Y: E.T @ Y, np.eye(5)[:, 3:])
    assert none.converged
    assert not none.X.any()
    assert iterative.lsmr(lambda X: E @ X, lambda Y: E.T @ Y, np.zeros((5, 0))).X.shape == (2, 0)


# ---------------------------------------------------------------- singular values, eigenvalues


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("m", "n", "k"), [(50, 35, 4), (35, 50, 4), (6, 3, 3), (1, 1, 1), (60, 60, 20)]
)
def test_svds_match_the_dense_svd(m, n, k, dtype, rng):
    A = draw(rng, (m, n), dtype)
    result = iterative.svds(lambda X: A @ X, lambda Y: A.conj().T @ Y, (m, n), dtype, k)
    S = np.linalg.svd(A, compute_uv=False)
    eps = np.finfo(dtype).eps
    assert result.converged
    assert np.abs(result.S - S[:k]).max() <= 1e4 * eps * S[0]
    assert result.U.dtype == A.dtype
    for W in (result.U, result.Vh.conj().T):
        assert np.abs(W.conj().T @ W - np.eye(k)).max() <= 100 * eps
    gap = A @ result.Vh.conj().T - result.U * result.S
    np.testing.assert_allclose(
        np.maximum(np.linalg.norm(gap, axis=0) / S[0], 30 * eps),
        np.maximum(result.residual, 30 * eps), rtol=2,
    )  # fmt: skip


def test_svds_restarts_until_the_residuals_are_small(rng):
    d = np.linspace(1, 2, 400)[:, None]
    result = iterative.svds(lambda X: d * X, lambda Y: d * Y, (400, 400), float, 2, maxiter=2000)
    assert result.converged
    assert result.n_iter > 8  # more than one round
    assert np.abs(result.S - [2, d[-2, 0]]).max() <= 1e-9
    partial = iterative.svds(lambda X: d * X, lambda Y: d * Y, (400, 400), float, 2, maxiter=4)
    assert not partial.converged
    assert partial.residual.max() > 1e-10
    assert (partial.S <= 2 + 1e-14).all()


@pytest.mark.parametrize("scale", [0.0, 1e-150, 1.0, 1e150])
@pytest.mark.parametrize("rank", [1, 3])
def test_svds_of_fewer_ranks_than_asked_for(rank, scale, rng):
    A = scale * (rng.standard_normal((30, rank)) @ rng.standard_normal((rank, 20)))
    result = iterative.svds(lambda X: A @ X, lambda Y: A.T @ Y, (30, 20), float, 6)
    assert result.converged
    assert np.abs(result.U.T @ result.U - np.eye(6)).max() <= 1e-13
    assert np.abs(result.Vh @ result.Vh.T - np.eye(6)).max() <= 1e-13
    S = np.linalg.svd(A, compute_uv=False)[:6]
    assert np.abs(result.S - S).max() <= 1e-14 * S[0]
    again = iterative.svds(lambda X: A @ X, lambda Y: A.T @ Y, (30, 20), float, 6)
    np.testing.assert_array_equal(result.U, again.U)


def test_svds_refuses_more_triplets_than_there_are():
    for k in (0, 4):
        with pytest.raises(ValueError, match="0 < k <= 3"):
            iterative.svds(lambda X: X, lambda X: X, (3, 3), float, k)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("which", ["LM", "SM", "LA", "SA", "BE"])
def test_eigsh_matches_the_dense_eigenvalues(which, dtype, rng):
    values = np.r_[np.linspace(-3, -1, 15), np.linspace(1.03, 3.2, 15)]
    A = rotated(rng, values, dtype)
    inverse = np.linalg.inv(A)
    w, V = iterative.eigsh(lambda X: A @ X, 30, dtype, 4, which, solve=lambda B: inverse @ B)
    order = {
        "LM": np.argsort(-abs(values))[:4], "SM": np.argsort(abs(values))[:4],
        "LA": [26, 27, 28, 29], "SA": [0, 1, 2, 3], "BE": [0, 1, 28, 29],
    }[which]  # fmt: skip
    np.testing.assert_allclose(w, np.sort(values[order]), atol=loose(dtype))
    assert np.abs(A @ V - V * w).max() <= loose(dtype)
    again = iterative.eigsh(lambda X: A @ X, 30, dtype, 4, which, solve=lambda B: inverse @ B)
    np.testing.assert_array_equal(w, again.eigenvalues)


def test_eigs_matches_the_dense_eigenvalues(rng):
    A = rng.standard_normal((30, 30))
    values = np.linalg.eigvals(A)
    for which, key in (("LM", -abs(values)), ("LR", -values.real), ("SR", values.real)):
        found, V = iterative.eigs(lambda X: A @ X, 30, float, 4, which)
        assert np.abs(A @ V - V * found).max() <= 1e-9
        np.testing.assert_allclose(
            np.sort(abs(found))[-2:], np.sort(abs(values[np.argsort(key)[:4]]))[-2:], rtol=1e-8
        )
    inverse = np.linalg.inv(A)
    found = iterative.eigs(lambda X: A @ X, 30, float, 3, "SM", solve=lambda B: inverse @ B)
    assert abs(found.eigenvalues).min() == pytest.approx(abs(values).min())


def test_arpack_on_the_identity_and_on_zero():
    for factor in (1.0, 0.0):
        w, V = iterative.eigsh(lambda X, factor=factor: factor * X, 12, float, 3)
        np.testing.assert_allclose(w, [factor] * 3)
        np.testing.assert_allclose(V.T @ V, np.eye(3), atol=1e-12)
        np.testing.assert_allclose(
            iterative.eigs(lambda X, factor=factor: factor * X, 12, float, 3)[0], factor
        )


def test_arpack_carries_its_partial_result_and_refuses_too_many():
    d = np.linspace(1, 2, 200)[:, None]
    with pytest.raises(_checks.ConvergenceError, match="of 5 eigenvalues") as caught:
        iterative.eigsh(lambda X: d * X, 200, float, 5, maxiter=1)
    assert caught.value.result.eigenvectors.shape[0] == 200
    with pytest.raises(ValueError, match="use eigh of the dense matrix"):
        iterative.eigsh(lambda X: X, 5, float, 5)
    with pytest.raises(ValueError, match="use eig of the dense matrix"):
        iterative.eigs(lambda X: X, 5, float, 4)
    with pytest.raises(ValueError, match="needs `solve`"):
        iterative.eigsh(lambda X: X, 5, float, 2, "SM")


# ---------------------------------------------------------------- estimates


@pytest.mark.parametrize("dtype", DTYPES)
def test_trace_is_exact_from_n_samples_on(dtype, rng):
    A = draw(rng, (70, 70), dtype)
    estimate = iterative.trace(lambda X: A @ X, 70, dtype, 70)
    assert estimate.value.dtype == A.dtype
    assert abs(estimate.value - np.trace(A)) <= 100 * np.finfo(dtype).eps * np.abs(A).max()
    assert estimate.stderr == 0
    assert estimate.n_samples == 70
    np.testing.assert_allclose(
        iterative.diagonal(lambda X: A @ X, 70, dtype, 99).value, np.diag(A), rtol=1e-6
    )


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_hutchpp_is_exact_on_low_rank(dtype, rng):
    A = draw(rng, (60, 4), dtype) @ draw(rng, (4, 60), dtype)
    estimate = iterative.trace(lambda X: A @ X, 60, dtype, 18, rng=0)
    assert abs(estimate.value - np.trace(A)) <= 1e-11 * np.linalg.norm(A)
    found = iterative.diagonal(
        lambda X: A @ X, 60, dtype, 18, rng=0, apply_adjoint=lambda X: A.conj().T @ X
    )
    assert np.abs(found.value - np.diag(A)).max() <= 1e-11 * np.linalg.norm(A)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("n_samples", [4, 24])
def test_estimates_are_unbiased_with_honest_standard_errors(dtype, n_samples, rng):
    A = draw(rng, (40, 40), dtype)
    runs = 200
    generator = np.random.default_rng(3)
    traces = [
        iterative.trace(lambda X: A @ X, 40, dtype, n_samples, rng=generator) for _ in range(runs)
    ]
    values = np.array([t.value for t in traces])
    spread = np.sqrt(np.mean(abs(values - np.trace(A)) ** 2))
    assert abs(values.mean() - np.trace(A)) <= 4 * spread / np.sqrt(runs)
    claimed = np.sqrt(np.mean([t.stderr**2 for t in traces]))
    assert claimed == pytest.approx(spread, rel=0.35)
    diagonals = [
        iterative.diagonal(lambda X: A @ X, 40, dtype, n_samples, rng=generator)
        for _ in range(runs)
    ]
    values = np.array([d.value for d in diagonals])
    spread = np.sqrt(np.mean(abs(values - np.diag(A)) ** 2))
    assert np.abs(values.mean(axis=0) - np.diag(A)).max() <= 6 * spread / np.sqrt(runs)
    claimed = np.sqrt(np.mean([d.stderr**2 for d in diagonals]))
    assert claimed == pytest.approx(spread, rel=0.35)


def test_estimates_are_reproducible_and_one_sample_has_no_error_bar(rng):
    A = rng.standard_normal((50, 50))
    for estimate in (iterative.trace, iterative.diagonal):
        first = estimate(lambda X: A @ X, 50, float, 12, rng=7)
        again = estimate(lambda X: A @ X, 50, float, 12, rng=np.random.default_rng(7))
        np.testing.assert_array_equal(first.value, again.value)
        assert np.isinf(estimate(lambda X: A @ X, 50, float, 1, rng=0).stderr).all()
        with pytest.raises(ValueError, match="at least 1"):
            estimate(lambda X: A @ X, 50, float, 0)
    assert iterative.trace(lambda X: X, 0, float).value == 0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(20, 20), (60, 50), (45, 60)])
def test_norm1_is_a_lower_bound_within_a_factor_three(shape, dtype, rng):
    for _ in range(5):
        A = draw(rng, shape, dtype)
        exact = np.abs(A).sum(axis=0).max()
        found = iterative.norm1(
            lambda X, A=A: A @ X, lambda Y, A=A: A.conj().T @ Y, shape, dtype, rng=rng
        )
        assert exact / 3 <= found.value <= exact * (1 + 1e-5)
        if shape[1] <= 32:
            assert found.value == pytest.approx(exact, rel=1e-5)
    assert iterative.norm1(lambda X: 0 * X, lambda X: 0 * X, (50, 50), float, rng=0).value == 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_norm2_lies_in_its_interval(dtype, rng):
    for values in (np.linspace(0, 1, 60), np.logspace(0, -3, 60), np.ones(60)):
        A = rotated(rng, values * np.where(np.arange(60) % 2, 1, -1), dtype)
        found = iterative.norm2(
            lambda X, A=A: A @ X, lambda Y, A=A: A.conj().T @ Y, (60, 60), dtype, rng=rng
        )
        exact = np.linalg.svd(A.astype(complex), compute_uv=False)[0]
        slack = 1 + 10 * np.finfo(dtype).eps
        assert found.lower <= exact * slack
        assert exact <= found.upper * slack
        assert found.upper <= found.lower * 1.1 * (1 + 1e-4)
    zero = iterative.norm2(lambda X: 0 * X, lambda X: 0 * X, (9, 9), float)
    assert zero.value == 0
    huge = iterative.norm2(lambda X: 1e200 * X, lambda X: 1e200 * X, (9, 9), float, rng=0)
    assert huge.value == pytest.approx(1e200)


# ---------------------------------------------------------------- functions


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("f", [np.exp, np.sqrt, lambda x: 1 / x, lambda x: np.exp(1j * x)])
def test_lanczos_functions_match_the_spectral_definition(f, dtype, rng):
    values = np.linspace(0.5, 4, 30)
    A, B = rotated(rng, values, dtype), draw(rng, (30, 3), dtype)
    B[:, 1] = 0
    w, V = np.linalg.eigh(A)
    expected = (V * f(w)) @ (V.conj().T @ B)
    result = iterative.lanczos_funm(lambda X: A @ X, B, f)
    assert result.converged
    assert result.X.dtype == np.result_type(B.dtype, f(w).dtype)
    assert np.abs(result.X - expected).max() <= loose(dtype) * np.abs(expected).max()


def test_lanczos_is_exact_for_polynomials_of_lower_degree(rng):
    A, B = rotated(rng, np.linspace(-1, 1, 40), float), rng.standard_normal((40, 2))
    result = iterative.lanczos_funm(lambda X: A @ X, B, lambda x: x**3 - x, maxiter=4)
    np.testing.assert_allclose(result.X, (A @ A @ A - A) @ B, atol=1e-12)
    assert result.n_iter == 4


def test_lanczos_stops_where_the_krylov_space_is_invariant(rng):
    A = rotated(rng, np.repeat([1.0, 2.0, 5.0], 8), float)
    B = rng.standard_normal((24, 2))
    w, V = np.linalg.eigh(A)
    B[:, 1] = V[:, 0]  # an eigenvector ends after one step, the other column after three
    result = iterative.lanczos_funm(lambda X: A @ X, B, np.log)
    assert result.n_iter == 3
    assert result.converged
    assert not result.residual.any()
    np.testing.assert_allclose(result.X, (V * np.log(w)) @ (V.T @ B), atol=1e-12)


def test_lanczos_names_the_place_where_f_fails_and_says_when_it_has_not_settled(rng):
    d = np.linspace(-1, 1, 40)[:, None]
    with pytest.raises(ValueError, match="f is not finite at -"), np.errstate(invalid="ignore"):
        iterative.lanczos_funm(lambda X: d * X, np.ones((40, 1)), np.sqrt)
    slow = iterative.lanczos_funm(lambda X: (d + 1.001) * X, np.ones((40, 1)), np.log, maxiter=6)
    assert not slow.converged
    assert slow.residual[0] > 1e-10
    assert iterative.lanczos_funm(lambda X: X, np.zeros((4, 2)), np.exp).converged
    assert iterative.lanczos_funm(lambda X: X, np.zeros((0, 2)), np.exp).X.shape == (0, 2)


@pytest.mark.parametrize("dtype", DTYPES)
def test_expm_multiply_warns_of_nothing_and_matches_expm(dtype, rng):
    A, B = draw(rng, (20, 20), dtype) / 3, draw(rng, (20, 3), dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for trace in (None, np.trace(A)):
            X = iterative.expm_multiply(lambda Y: A @ Y, lambda Y: A.conj().T @ Y, B, trace=trace)
            expected = sla.expm(A) @ B
            assert np.abs(X - expected).max() <= 1e-5 * np.abs(expected).max()
    times = iterative.expm_multiply(
        lambda Y: A @ Y, lambda Y: A.conj().T @ Y, B[:, 0], start=0, stop=1, num=3
    )
    np.testing.assert_allclose(times[2], sla.expm(A) @ B[:, 0], rtol=1e-3, atol=1e-4)


# ---------------------------------------------------------------- the other namespace


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_same_code_runs_on_the_other_namespace(dtype, rng, monkeypatch):
    """Host and device agree: nothing is converted on the way, and random numbers are the same."""
    n = 24
    A, B = matrix_for("cg", rng, n, dtype), draw(rng, (n, 3), dtype)
    B[:, 1] = 0
    inverse = np.linalg.inv(A)
    cupy = fake_cupy.install(monkeypatch)

    def agree(function):
        """`function(A, A^H, A^{-1}, B, xp)` gives the same in both."""
        results = []
        for xp in (np, cupy):
            a, i, b = (xp.asarray(x) for x in (A, inverse, B))
            ah = xp.asarray(A.conj().T)
            results.append(function(lambda X: a @ X, lambda X: ah @ X, lambda X: i @ X, b, xp))  # noqa: B023
        plain, other = results
        for left, right in zip(plain, other):
            if isinstance(left, np.ndarray):
                right = right.get() if hasattr(right, "get") else right
                np.testing.assert_allclose(abs(right), abs(left), rtol=1e-3, atol=1e-4)

    for solve in SOLVERS.values():
        agree(lambda A, AH, M, B, xp: solve(A, B, x0=0 * B + 1, callback=lambda X: X.sum()))  # noqa: B023
        agree(lambda A, AH, M, B, xp: solve(A, B, preconditioner=M))  # noqa: B023
    agree(lambda A, AH, M, B, xp: iterative.lsmr(A, AH, B, callback=lambda X: X.sum()))
    agree(lambda A, AH, M, B, xp: iterative.svds(A, AH, (n, n), dtype, 3, xp=xp))
    for which in ("LM", "SM", "BE"):
        agree(lambda A, AH, M, B, xp: iterative.eigsh(A, n, dtype, 3, which, solve=M, xp=xp))  # noqa: B023
    agree(lambda A, AH, M, B, xp: [abs(iterative.eigs(A, n, dtype, 3, xp=xp)[0]).max()])
    for samples in (9, n):
        agree(lambda A, AH, M, B, xp: iterative.trace(A, n, dtype, samples, rng=0, xp=xp))  # noqa: B023
        agree(lambda A, AH, M, B, xp: iterative.diagonal(A, n, dtype, samples, rng=0, xp=xp))  # noqa: B023
    agree(lambda A, AH, M, B, xp: iterative.norm1(A, AH, (n, n), dtype, rng=0, xp=xp))
    agree(lambda A, AH, M, B, xp: iterative.norm2(A, AH, (n, n), dtype, rng=0, xp=xp))
    agree(lambda A, AH, M, B, xp: iterative.lanczos_funm(A, B, xp.log))
    with pytest.raises(NotImplementedError, match="lanczos_funm"):
        iterative.expm_multiply(lambda X: X, lambda X: X, cupy.asarray(B))


def test_norm1_of_the_other_namespace_above_the_exact_size(rng, monkeypatch):
    cupy = fake_cupy.install(monkeypatch)
    A = rng.standard_normal((50, 40))
    a = cupy.asarray(A)
    other = iterative.norm1(lambda X: a @ X, lambda Y: a.T @ Y, (50, 40), float, rng=1, xp=cupy)
    plain = iterative.norm1(lambda X: A @ X, lambda Y: A.T @ Y, (50, 40), float, rng=1)
    assert other == plain
