"""Every verb on every case against dense LAPACK, through NumPy's name and through ours."""

import warnings

import numpy as np
import pytest
import scipy.linalg
from support import (
    all_cases,
    dense,
    eps,
    norm1,
    ratio_eigh,
    ratio_factors,
    ratio_orthogonal,
    ratio_solve,
    ratio_svd,
)

import structmat as sm

CASES = all_cases()
# LAPACK's thresholds are 30 (solve) to 60; ours are 10 on dense-like paths and 30 on structured
# ones, and a case does not say which path it takes: 30 for all.
LIMIT = 30


def having(*tags, but=()):
    chosen = [c for c in CASES if set(tags) <= c.tags and not set(but) & c.tags]
    return pytest.mark.parametrize("case", chosen, ids=lambda case: case.name)


def reference(case):
    return case.dense.astype(np.result_type(case.dense, np.float64))


def randn(rng, shape, dtype):
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape) if np.dtype(dtype).kind == "c" else x).astype(dtype)


def assert_values(actual, expected, scale, like, factor=300):
    """Sorted values agree to `factor * eps * scale` (the backward error of their LAPACK driver)."""
    actual = np.asarray(actual)
    assert actual.shape == expected.shape
    if actual.size:
        assert not np.abs(actual - expected).max() > factor * len(expected) * eps(like) * scale


# ---------------------------------------------------------------- systems


@having("square", but=["singular"])
@pytest.mark.parametrize("columns", [None, 1, 3])
def test_solve(case, columns, rng):
    n = len(case.dense)
    b = randn(rng, n if columns is None else (n, columns), case.dense.dtype)
    x = np.linalg.solve(case.matrix, b)
    assert x.shape == b.shape
    assert x.dtype == case.dense.dtype
    assert ratio_solve(case.dense, x, b) < LIMIT
    assert np.array_equal(case.matrix.solve(b), x), "A.solve is the same function"


@having("square", but=["singular"])
def test_solve_certificate(case, rng):
    b = randn(rng, len(case.dense), case.dense.dtype)
    x, info = sm.linalg.solve(case.matrix, b, return_info=True)
    assert info.converged
    assert isinstance(info.method, str)
    assert info.backward_error < LIMIT * max(len(b), 1) * eps(case.dense)


@having("square", but=["singular"])
def test_solve_with_a_complex_right_hand_side(case, rng):
    b = randn(rng, len(case.dense), np.complex128)
    x = case.matrix.solve(b)
    assert x.dtype == np.complex128
    assert ratio_solve(case.dense, x, b) < LIMIT


@having("square", but=["singular"])
def test_factorize_solves_many_times(case, rng):
    factor = case.matrix.factorize()
    b = randn(rng, (len(case.dense), 2), case.dense.dtype)
    assert ratio_solve(case.dense, factor.solve(b), b) < LIMIT
    assert ratio_solve(case.dense, factor.solve(b[:, 0]), b[:, 0]) < LIMIT
    assert isinstance(repr(factor), str)


@having("square", "singular")
def test_singular_is_loud(case):
    if np.linalg.matrix_rank(case.dense) == len(case.dense):
        pytest.fail(f"{case.name} is tagged singular and is not")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises((np.linalg.LinAlgError, scipy.linalg.LinAlgWarning)):
            case.matrix.solve(np.ones(len(case.dense), case.dense.dtype))


@having("square", but=["singular"])
def test_inv(case, rng):
    inverse = np.linalg.inv(case.matrix)
    assert isinstance(inverse, sm.StructuredMatrix)
    A, X = reference(case), dense(inverse)
    residual = norm1(np.eye(len(A)) - X @ A)
    assert not residual > LIMIT * max(len(A), 1) * norm1(A) * norm1(X) * eps(case.dense)


@having()
def test_pinv(case):
    X = dense(np.linalg.pinv(case.matrix))
    expected = np.linalg.pinv(reference(case), rcond=max(case.dense.shape) * eps(case.dense))
    S = np.linalg.svd(reference(case), compute_uv=False)
    kept = S[S > max(case.dense.shape) * eps(case.dense) * S[:1].sum()]
    cond = kept[0] / kept[-1] if len(kept) else 1.0
    assert X.shape == expected.shape
    scale = np.abs(expected).max(initial=0.0)
    bound = 100 * max(case.dense.shape) * eps(case.dense) * cond * scale
    assert not np.abs(X - expected).max(initial=0.0) > bound


@having()
def test_lstsq(case, rng):
    m, n = case.dense.shape
    b = randn(rng, (m, 2), case.dense.dtype)
    x, residuals, rank, _ = np.linalg.lstsq(case.matrix, b)
    A = reference(case)
    expected, res, expected_rank, S = (
        scipy.linalg.lstsq(A, b, cond=max(m, n) * eps(case.dense))
        if A.size
        else (np.zeros((n, 2)), None, 0, np.ones(1))
    )
    assert x.shape == (n, 2)
    assert x.dtype == case.dense.dtype
    if rank is not None:
        assert rank == expected_rank
    if not A.size:
        return
    kept = S[:expected_rank]
    cond = kept[0] / kept[-1] if len(kept) else 1.0
    # The normal-equations residual A^H (b - A x) tells optimality at any conditioning; the
    # distance to the minimum-norm solution is bounded by cond^2 for a large residual.
    gradient = np.abs(A.conj().T @ (b - A @ x)).max()
    size = norm1(A) * (np.abs(b).sum() + norm1(A) * np.abs(x).sum())
    assert not gradient > 100 * max(m, n) * eps(case.dense) * size
    bound = 200 * max(m, n) * eps(case.dense) * cond**2 * np.abs(expected).max(initial=1e-300)
    assert not np.abs(x - expected).max() > bound + 1e3 * eps(case.dense) * np.abs(b).max() * (
        cond / kept[0] if len(kept) else 0
    )


# ---------------------------------------------------------------- determinants and other numbers


@having("square")
def test_slogdet(case):
    sign, logabsdet = np.linalg.slogdet(case.matrix)
    expected_sign, expected = np.linalg.slogdet(reference(case))
    n = len(case.dense)
    if "singular" in case.tags:
        tiny = np.log(eps(case.dense)) / 2 + n * np.log(np.abs(reference(case)).max(initial=1e-300))
        assert sign == 0 or logabsdet < max(tiny, 0.0)
        return
    cond = np.linalg.cond(reference(case)) if n else 1.0
    bound = LIMIT * eps(case.dense) * (abs(expected) + n * min(cond, 1 / eps(case.dense)) ** 0.5)
    assert not abs(logabsdet - expected) > bound + LIMIT * eps(case.dense) * n * cond
    assert not abs(sign - expected_sign) > max(0.5 * (case.dense.dtype.kind != "c"), bound + 1e-4)


@having("square", but=["singular", "hard"])
def test_det(case):
    expected = np.linalg.det(reference(case))
    assert np.linalg.det(case.matrix) == pytest.approx(expected, rel=1e-3)


@having()
@pytest.mark.parametrize("ord", [None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf])
def test_norm(case, ord):
    A = reference(case)
    if not A.size:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if ord in (None, "fro"):
                assert np.linalg.norm(case.matrix, ord) == 0
        return
    expected = np.linalg.norm(A, ord)
    scale = norm1(A) if ord == -2 else expected
    assert np.linalg.norm(case.matrix, ord) == pytest.approx(
        expected, rel=100 * max(A.shape) * eps(case.dense),
        abs=100 * max(A.shape) * eps(case.dense) * scale,
    )  # fmt: skip


@having(but=["singular"])
def test_cond(case):
    A = reference(case)
    if not A.size:
        return
    expected = np.linalg.cond(A)
    if expected * eps(case.dense) < 1e-3:
        rel = 100 * max(A.shape) * eps(case.dense) * expected + 1e-3
        assert np.linalg.cond(case.matrix) == pytest.approx(expected, rel=rel)
    if A.shape[0] == A.shape[1] and np.linalg.cond(A, 1) * eps(case.dense) < 1e-3:
        assert np.linalg.cond(case.matrix, 1) == pytest.approx(np.linalg.cond(A, 1), rel=1e-2)


@having()
def test_matrix_rank(case):
    A = reference(case)
    expected = np.linalg.matrix_rank(A, rtol=max(A.shape) * eps(case.dense)) if A.size else 0
    assert np.linalg.matrix_rank(case.matrix) == expected


# ---------------------------------------------------------------- SVD and eigenvalues


@having()
@pytest.mark.parametrize("full_matrices", [True, False])
def test_svd(case, full_matrices):
    U, S, Vh = np.linalg.svd(case.matrix, full_matrices=full_matrices)
    m, n = case.dense.shape
    k = min(m, n)
    assert S.shape == (k,)
    assert S.dtype == np.finfo(case.dense.dtype).dtype
    assert (S >= 0).all()
    assert (np.diff(S) <= 0).all()
    assert U.shape == (m, m if full_matrices else k)
    assert Vh.shape == (n if full_matrices else k, n)
    if not case.dense.size:
        return
    assert ratio_svd(case.dense, U, S, Vh) < LIMIT
    assert ratio_orthogonal(U, S) < LIMIT
    assert ratio_orthogonal(dense(Vh).conj().T, S) < LIMIT


@having()
def test_svdvals(case):
    expected = np.linalg.svd(reference(case), compute_uv=False)
    actual = np.linalg.svdvals(case.matrix)
    assert_values(actual, expected, expected[:1].sum(), case.dense)


@having()
def test_svds(case):
    if min(case.dense.shape) < 2:
        return
    U, S, Vh = sm.linalg.svds(case.matrix, k=2)
    expected = np.linalg.svd(reference(case), compute_uv=False)
    assert_values(S, expected[:2], expected[0], case.dense)
    U, Vh = dense(U), dense(Vh)
    residual = np.abs(case.dense @ Vh.conj().T - U * S).max()
    assert not residual > 300 * max(case.dense.shape) * eps(case.dense) * expected[0]


@having("hermitian")
def test_eigh(case):
    w, V = np.linalg.eigh(case.matrix)
    expected = np.linalg.eigvalsh(reference(case))
    assert w.dtype == np.finfo(case.dense.dtype).dtype
    assert (np.diff(w) >= 0).all()
    scale = np.abs(expected).max(initial=0)
    assert_values(w, expected, scale, case.dense)
    assert_values(np.linalg.eigvalsh(case.matrix), expected, scale, case.dense)
    assert ratio_eigh(case.dense, w, V) < LIMIT
    assert ratio_orthogonal(V, case.dense) < LIMIT


@having("hermitian")
@pytest.mark.parametrize("which", ["LM", "SM", "LA", "SA"])
def test_eigsh(case, which):
    n = len(case.dense)
    if n < 3:
        return
    w, V = sm.linalg.eigsh(case.matrix, k=2, which=which)
    full = np.linalg.eigvalsh(reference(case))
    key = {"LM": -abs(full), "SM": abs(full), "LA": -full, "SA": full}[which]
    chosen = np.sort(full[np.argsort(key, kind="stable")[:2]])
    scale = abs(full).max()
    if which in ("LM", "SM"):  # ties in magnitude may be broken either way
        w, chosen = np.sort(abs(w)), np.sort(abs(chosen))
    assert_values(w, chosen, scale, case.dense)
    V = dense(V)
    if which in ("LA", "SA"):
        assert not np.abs(case.dense @ V - V * w).max() > 300 * n * eps(case.dense) * scale


@having("square", but=["hermitian"])
def test_eig(case):
    w, V = np.linalg.eig(case.matrix)
    if not case.dense.size:
        return
    V = dense(V)
    scale = norm1(case.dense) or 1.0
    residual = norm1(case.dense @ V - V * w)
    assert not residual > 1000 * len(w) * eps(case.dense) * scale * max(norm1(V), 1)
    # The sum and the sum of squares identify the multiset well enough at any conditioning.
    trace = np.trace(reference(case))
    assert np.abs(w.sum() - trace) <= 1000 * len(w) * eps(case.dense) * max(scale, 1e-300)
    values = np.linalg.eigvals(case.matrix)
    assert np.abs(values.sum() - trace) <= 1000 * len(w) * eps(case.dense) * max(scale, 1e-300)


# ---------------------------------------------------------------- factors and functions


@having()
def test_qr(case):
    Q, R = np.linalg.qr(case.matrix)
    k = min(case.dense.shape)
    assert Q.shape == (case.dense.shape[0], k)
    assert R.shape == (k, case.dense.shape[1])
    if not case.dense.size:
        return
    Q, R = dense(Q), dense(R)
    assert ratio_factors(case.dense, Q @ R) < LIMIT
    assert ratio_orthogonal(Q, case.dense) < LIMIT
    assert np.abs(np.tril(R, -1)).max() == 0


@having("posdef")
def test_cholesky(case):
    L = np.linalg.cholesky(case.matrix)
    L = dense(L)
    assert np.abs(np.triu(L, 1)).max(initial=0) == 0
    assert ratio_factors(case.dense, L @ L.conj().T) < LIMIT


@having("hermitian", "square", but=["posdef"])
def test_cholesky_refuses_indefinite(case):
    if not len(case.dense) or np.linalg.eigvalsh(reference(case))[0] > -1e-6 * norm1(case.dense):
        return
    with pytest.raises(np.linalg.LinAlgError):
        case.matrix.cholesky()


@having("square")
@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_matrix_power(case, n):
    if "hard" in case.tags and n > 1:
        return
    power = case.matrix**n
    expected = np.linalg.matrix_power(reference(case), n)
    scale = norm1(case.dense) ** n if n else 1.0
    error = np.abs(dense(power) - expected).max(initial=0)
    assert not error > 100 * max(len(case.dense), 1) * eps(case.dense) * scale


@having("square", but=["singular", "hard"])
def test_negative_power(case):
    A = reference(case)
    cond = np.linalg.cond(A) if A.size else 1.0
    expected = np.linalg.matrix_power(A, -2)
    error = np.abs(dense(case.matrix**-2) - expected).max(initial=0)
    bound = 300 * max(len(A), 1) * eps(case.dense) * cond**2
    assert not error > bound * np.abs(expected).max(initial=1e-300)


@having("square", but=["hard"])
def test_expm(case):
    A = reference(case)
    if not A.size or norm1(A) > 20:  # exp(20) is where a normwise bound still says something
        return
    expected = scipy.linalg.expm(A)
    actual = sm.linalg.expm(case.matrix)
    bound = 1000 * len(A) * eps(case.dense) * np.exp(norm1(A))
    assert not np.abs(dense(actual) - expected).max() > bound
    b = np.ones(len(A), case.dense.dtype)
    assert not np.abs(sm.linalg.expm_multiply(case.matrix, b) - expected @ b).max() > bound * len(A)


@having("posdef")
def test_sqrtm_and_logm(case):
    X = dense(sm.linalg.sqrtm(case.matrix))
    scale = norm1(case.dense) or 1.0
    bound = 300 * max(len(X), 1) * eps(case.dense) * scale
    assert not np.abs(X @ X - case.dense).max(initial=0) > bound
    if "hard" in case.tags or not len(X):
        return
    L = dense(sm.linalg.logm(case.matrix))
    cond = np.linalg.cond(reference(case))
    back = scipy.linalg.expm(np.asarray(L, np.result_type(L, np.float64)))
    assert not np.abs(back - case.dense).max() > bound * (10 + np.log(cond))


@having("hermitian", but=["hard"])
def test_funm(case):
    actual = dense(sm.linalg.funm(case.matrix, np.cos))
    w, V = np.linalg.eigh(reference(case))
    expected = (V * np.cos(w)) @ V.conj().T
    bound = 300 * max(len(w), 1) * eps(case.dense) * (1 + norm1(case.dense))
    assert not np.abs(actual - expected).max(initial=0) > bound


@having("square", but=["singular"])
def test_estimates(case):
    if not case.dense.size:
        return
    A = reference(case)
    estimate = sm.linalg.norm_est(case.matrix, 1).value
    assert norm1(A) / 10 <= estimate <= norm1(A) * (1 + 1e-3)
    two = sm.linalg.norm_est(case.matrix, 2, rng=0).value
    expected = np.linalg.norm(A, 2)
    assert expected * 0.5 <= two <= expected * (1 + 1e-3)
    n = len(A)
    exact = sm.linalg.trace_est(case.matrix, n_samples=3 * n + 3, rng=0)
    tolerance = 100 * n * eps(case.dense) * norm1(A) * n
    assert abs(exact.value - np.trace(A)) <= tolerance + 6 * exact.stderr
    diagonal = sm.linalg.diag_est(case.matrix, n_samples=3 * n + 3, rng=0)
    assert np.abs(diagonal.value - np.diagonal(A)).max() <= tolerance + 6 * np.max(diagonal.stderr)
    cond = sm.linalg.cond_est(case.matrix)
    if np.linalg.cond(A, 1) * eps(case.dense) < 1e-2:
        assert np.linalg.cond(A, 1) / 30 <= cond <= np.linalg.cond(A, 1) * 1.1


@having("square")
@pytest.mark.parametrize("verb", ["matmul", "solve", "slogdet", "svd", "eigh"])
def test_explain(case, verb):
    told = case.matrix.explain(verb, ncols=2)
    assert told.seconds > 0
    assert told.dense_seconds > 0
    assert verb in str(told)


@having()
def test_diagonals(case):
    for offset in range(-3, 4):
        expected = np.diagonal(case.dense, offset)
        actual = sm.linalg.diagonal(case.matrix, offset)
        assert actual.shape == expected.shape
        if expected.size:
            assert not np.abs(actual - expected).max() > 100 * eps(case.dense) * max(
                norm1(case.dense), norm1(case.dense.T)
            ) * max(case.dense.shape)


# ---------------------------------------------------------------- certificates


def certified(verb, case, **options):
    _, info = getattr(sm.linalg, verb)(case.matrix, return_info=True, **options)
    assert info.converged
    assert info.method
    assert not info.backward_error > LIMIT * max(*case.dense.shape, 1) * eps(case.dense), verb


@having()
def test_factors_bring_a_certificate(case):
    certified("svd", case)
    certified("svd", case, full_matrices=False)
    certified("qr", case)
    certified("qr", case, mode="r")
    certified("pinv", case)


@having("square", but=["singular"])
def test_inverses_and_eigenvectors_bring_a_certificate(case):
    certified("inv", case)
    if "hermitian" not in case.tags:
        certified("eig", case)
    _, info = sm.linalg.slogdet(case.matrix, return_info=True)
    assert info.cond >= 0.1


@having("hermitian")
def test_hermitian_factors_bring_a_certificate(case):
    certified("eigh", case)
    if "posdef" in case.tags:
        certified("cholesky", case)
        certified("sqrtm", case)


def test_a_certificate_finds_a_wrong_inverse():
    class Wrong(sm.Diagonal):
        def _inv(self):
            return sm.Diagonal(1 / self.values + 1e-8)

    _, info = sm.linalg.inv(Wrong(np.array([1.0, 2.0])), return_info=True)
    assert info.backward_error > 1e-9


@having("square", but=["hermitian", "hard", "singular"])
def test_funm_of_a_general_matrix(case):
    if not case.dense.size or norm1(case.dense) > 20:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # repeated eigenvalues lose digits, and say so
        F = dense(sm.linalg.funm(case.matrix, np.cos))
    w, V = np.linalg.eig(reference(case))
    cond = np.linalg.cond(V)
    gaps = np.abs(w[:, None] - w) + 10 * np.eye(len(w))
    if cond < 1e3 and gaps.min() > 1e-2:
        expected = (V * np.cos(w)) @ np.linalg.inv(V)
        error = np.abs(F - expected).max()
        assert not error > 1e4 * len(w) * eps(case.dense) * cond**2 * np.abs(np.cos(w)).max()


@having("square", but=["singular"])
@pytest.mark.parametrize("verb", ["svd", "inv", "qr", "slogdet", "eig", "pinv"])
def test_method_chooses(case, verb):
    function = getattr(sm.linalg, verb)
    with pytest.raises(ValueError, match="'auto', 'dense', 'direct'"):
        function(case.matrix, method="iterative")
    _, info = function(case.matrix, method="dense", return_info=True)
    assert verb == "slogdet" or "dense" in info.method
    try:
        _, info = function(case.matrix, method="direct", return_info=True)
    except NotImplementedError as error:
        assert "no rule for" in str(error)
        return
    assert "dense LAPACK" not in info.method
