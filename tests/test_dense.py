"""The dense verbs under every family: LAPACK ratios, named failures, scales, the CuPy twin."""

import importlib
import math
import sys
import types
import warnings

import numpy as np
import pytest
import scipy.linalg as sla
from numpy.linalg import LinAlgError

from structmat._backend import dense

DTYPES = [np.float32, np.float64, np.complex64, np.complex128]
SIZES = [0, 1, 2, 3, 5, 10, 50]


def draw(m, n, dtype, seed=0, cond=None):
    """A random matrix; with `cond` its singular values are geometric from 1 down to 1/cond."""
    rng = np.random.default_rng([seed, m, n])
    A = rng.standard_normal((m, n))
    if np.dtype(dtype).kind == "c":
        A = A + 1j * rng.standard_normal((m, n))
    if cond is not None and min(m, n):
        U, _, Vh = np.linalg.svd(A, full_matrices=False)
        A = U * np.geomspace(1, 1 / cond, min(m, n)) @ Vh
    return A.astype(dtype)


def wide(A):
    return A.astype(np.result_type(A.dtype, np.float64))


def one(A):
    return float(np.linalg.norm(A, 1)) if A.size else 0.0


def ratio(residual, *scales, dtype, n):
    """LAPACK's test ratio; `not (ratio < 10)` fails, so that a NaN fails."""
    bound = max(n, 1) * float(np.finfo(dtype).eps) * math.prod(scales)
    worst = one(residual)
    return worst / bound if bound else worst


def layouts(A):
    yield np.ascontiguousarray(A)
    yield np.asfortranarray(A)
    padded = np.zeros((2 * A.shape[0], 3 * A.shape[1]), A.dtype)
    padded[::2, ::3] = A
    yield padded[::2, ::3]
    yield A[::-1, ::-1].copy()[::-1, ::-1]
    readonly = A.copy()
    readonly.flags.writeable = False
    yield readonly


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("adjoint", [False, True])
def test_lu_solves_to_lapack_ratio(n, dtype, adjoint):
    for cond in (10, 0.1 / np.finfo(dtype).eps):
        A, B = draw(n, n, dtype, cond=cond), draw(n, 4, dtype, seed=1)
        M = wide(A.conj().T if adjoint else A)
        for view in layouts(A):
            X = dense.lu_factor(view).solve(B, adjoint=adjoint)
            assert X.dtype == dtype
            assert X.shape == B.shape
            assert ratio(M @ X - B, one(M), max(one(X), 1e-300), dtype=dtype, n=n) < 10


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", SIZES)
def test_slogdet_and_inverse(n, dtype):
    A = draw(n, n, dtype, cond=10)
    before = A.copy()
    lu = dense.lu_factor(A)
    sign, logdet = lu.slogdet()
    expected = np.linalg.slogdet(wide(A))
    eps = np.finfo(dtype).eps
    assert abs(sign - expected.sign) <= 100 * n * eps
    assert abs(logdet - expected.logabsdet) <= 100 * eps * (abs(expected.logabsdet) + n)
    assert type(logdet) is float
    assert ratio(wide(A) @ lu.inv() - np.eye(n), 10, dtype=dtype, n=n) < 10
    assert np.array_equal(A, before)


def test_slogdet_keeps_the_signs_of_permutations_and_pivots():
    rng = np.random.default_rng(3)
    for _ in range(30):
        A = np.eye(6)[rng.permutation(6)] * rng.choice([-1.0, 1.0], 6)
        assert dense.slogdet(A) == tuple(np.linalg.slogdet(A))
    sign, logdet = dense.slogdet(np.diag([2j, -3.0, 1 + 1j]))
    assert abs(sign - np.prod([1j, -1, (1 + 1j) / math.sqrt(2)])) < 1e-15
    assert logdet == pytest.approx(math.log(6 * math.sqrt(2)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_rcond_is_the_one_norm_condition(dtype):
    for cond in (1, 1e2, 1e4):
        A = draw(20, 20, dtype, cond=cond)
        exact = 1 / np.linalg.cond(wide(A), 1)
        assert exact / 1.01 <= dense.lu_factor(A).rcond <= 10 * exact
        T = np.triu(A) + 3 * np.eye(20, dtype=dtype)
        for view in (T, np.asfortranarray(T)):
            estimate = dense.rcond_triangular(view)
            assert 0.99 <= estimate * np.linalg.cond(wide(T), 1) <= 10
            estimate = dense.rcond_triangular(view.T, lower=True)
            assert 0.99 <= estimate * np.linalg.cond(wide(T).T, 1) <= 10


def test_singular_matrices_name_the_pivot():
    A = draw(5, 5, np.float64)
    A[:, 3] = A[:, 0]
    A[:, 3] = 0
    lu = dense.lu_factor(A)
    assert lu.zero_pivot == 3
    assert lu.rcond == 0
    assert lu.slogdet() == (0.0, -math.inf)
    assert dense.lu_factor(A.astype(complex)).slogdet() == (0j, -math.inf)
    with pytest.raises(LinAlgError, match="pivot 3"):
        lu.solve(np.ones((5, 1)))
    with pytest.raises(LinAlgError, match="pivot 3"):
        lu.inv()
    T = np.triu(A) + np.diag([1, 1, 0, 1, 1]) * 10
    T[2, 2] = 0
    assert dense.zero_on_diagonal(T) == 2
    assert dense.zero_on_diagonal(np.eye(3)) is None
    assert dense.rcond_triangular(T) == 0
    for view in (T, np.asfortranarray(T)):
        with pytest.raises(LinAlgError, match="diagonal entry 2"):
            dense.solve_triangular(view, np.ones((5, 1)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", SIZES)
def test_cholesky_and_its_solve(n, dtype):
    G = draw(n, n, dtype, cond=100)
    A = G @ G.conj().T + np.eye(n, dtype=dtype)
    B = draw(n, 3, dtype, seed=2)
    for view in layouts(A):
        L, minor = dense.cholesky(view)
        assert minor is None
        assert L.dtype == dtype
        assert np.array_equal(L, np.tril(L))
        assert ratio(wide(L) @ L.conj().T - A, one(A), dtype=dtype, n=n) < 10
        X = dense.cho_solve(L, B)
        assert ratio(wide(A) @ X - B, one(A), max(one(X), 1e-300), dtype=dtype, n=n) < 10
    # Only the lower triangle is read.
    assert np.array_equal(dense.cholesky(np.tril(A)).L, dense.cholesky(A).L)


def test_cholesky_names_the_failing_minor():
    A = np.diag([1.0, 2.0, -3.0, 4.0])
    assert dense.cholesky(A).failing_minor == 3
    assert dense.cholesky(-np.eye(2)).failing_minor == 1
    assert dense.cholesky(A.astype(np.complex64)).failing_minor == 3


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("adjoint", [False, True])
@pytest.mark.parametrize("unit", [False, True])
def test_triangular_solves_read_one_triangle(dtype, lower, adjoint, unit):
    for n in (0, 1, 7):
        full = draw(n, n, dtype) * 0.3 + 2 * np.eye(n, dtype=dtype)
        T = np.tril(full) if lower else np.triu(full)
        if unit:
            np.fill_diagonal(T, 1)
        M = wide(T.conj().T if adjoint else T)
        B = draw(n, 2, dtype, seed=5)
        for view in layouts(full):
            X = dense.solve_triangular(view, B, lower=lower, adjoint=adjoint, unit_diagonal=unit)
            assert X.dtype == dtype
            assert ratio(M @ X - B, one(M), max(one(X), 1e-300), dtype=dtype, n=n) < 10


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (1, 1), (5, 3), (3, 5), (40, 40)])
def test_qr_and_svd(shape, dtype):
    m, n = shape
    k = min(m, n)
    A = draw(m, n, dtype, cond=1e3)
    norm = max(one(A), 1e-300)
    Q, R = dense.qr(A)
    assert (Q.shape, R.shape) == ((m, k), (k, n))
    assert Q.dtype == R.dtype == dtype
    assert ratio(wide(Q) @ R - A, norm, dtype=dtype, n=max(m, n)) < 10
    assert ratio(wide(Q).conj().T @ Q - np.eye(k), dtype=dtype, n=max(m, n)) < 10
    for full in (False, True):
        U, S, Vh = dense.svd(A, full_matrices=full)
        assert U.shape == (m, m if full else k)
        assert Vh.shape == (n if full else k, n)
        assert (U.dtype, S.dtype, Vh.dtype) == (dtype, A.real.dtype, dtype)
        assert np.all(np.diff(S) <= 0)
        assert ratio(wide(U)[:, :k] * S @ Vh[:k] - A, norm, dtype=dtype, n=max(m, n)) < 10
        assert ratio(wide(U).conj().T @ U - np.eye(U.shape[1]), dtype=dtype, n=max(m, n)) < 10
        assert ratio(wide(Vh) @ Vh.conj().T - np.eye(Vh.shape[0]), dtype=dtype, n=max(m, n)) < 10
    values = dense.svdvals(A)
    assert values.shape == (k,)
    np.testing.assert_allclose(values, S, atol=100 * np.finfo(dtype).eps)


def test_svd_falls_back_when_divide_and_conquer_fails(monkeypatch):
    svd, used = sla.svd, []

    def failing(A, *, lapack_driver, **options):
        used.append(lapack_driver)
        if lapack_driver == "gesdd":
            raise LinAlgError("SVD did not converge")
        return svd(A, lapack_driver=lapack_driver, **options)

    A = draw(6, 4, np.float64)
    expected = dense.svdvals(A)
    monkeypatch.setattr(sla, "svd", failing)
    np.testing.assert_allclose(dense.svd(A)[1], expected)
    np.testing.assert_allclose(dense.svdvals(A), expected)
    assert used == ["gesdd", "gesvd"] * 2


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", SIZES)
def test_eigenvalues(n, dtype):
    G = draw(n, n, dtype)
    A = (G + G.conj().T) / 2
    norm = max(one(A), 1e-300)
    w, V = dense.eigh(A)
    assert w.dtype == A.real.dtype
    assert V.dtype == dtype
    assert np.all(np.diff(w) >= 0)
    assert ratio(wide(A) @ V - wide(V) * w, norm, dtype=dtype, n=n) < 10
    assert ratio(wide(V).conj().T @ V - np.eye(n), dtype=dtype, n=n) < 10
    np.testing.assert_allclose(dense.eigvalsh(A), w, atol=100 * norm * np.finfo(dtype).eps)
    w, V = dense.eig(G)
    assert w.shape == (n,)
    assert ratio(wide(G) @ V - wide(V) * w, max(one(G), 1e-300), dtype=dtype, n=n) < 10
    near = np.abs(dense.eigvals(G)[:, None] - w).min(axis=1, initial=np.inf)
    assert np.all(near <= 1e3 * max(one(G), 1) * np.finfo(dtype).eps)
    for output in ("real", "complex"):
        T, Z = dense.schur(G, output)
        assert ratio(wide(Z) @ T @ Z.conj().T - G, max(one(G), 1e-300), dtype=dtype, n=n) < 10
        assert T.dtype.kind == ("c" if output == "complex" else np.dtype(dtype).kind)
        assert T.dtype.itemsize in (G.dtype.itemsize, 2 * G.dtype.itemsize)


def test_eig_is_real_where_numpy_is():
    assert dense.eig(np.diag([1.0, 2.0]))[0].dtype == np.float64
    assert dense.eigvals(np.diag([1.0, 2.0])).dtype == np.float64
    assert dense.eigvals(np.array([[0.0, -1.0], [1.0, 0.0]])).dtype == np.complex128
    assert dense.eigvals(np.eye(2, dtype=np.complex64)).dtype == np.complex64


@pytest.mark.parametrize("scale", [1e-300, 1e-150, 1e150, 1e300])
def test_extreme_scales_give_representable_answers(scale):
    base = draw(12, 12, np.float64, cond=10)
    A, b = base * scale, draw(12, 2, np.float64, seed=8)
    lu = dense.lu_factor(A)
    np.testing.assert_allclose(lu.solve(b) * scale, np.linalg.solve(base, b), rtol=1e-11)
    np.testing.assert_allclose(lu.inv() * scale, np.linalg.inv(base), rtol=1e-11, atol=1e-11)
    assert lu.rcond == pytest.approx(dense.lu_factor(base).rcond, rel=1e-6)
    assert lu.slogdet()[1] == pytest.approx(np.linalg.slogdet(base)[1] + 12 * math.log(scale))
    S = dense.svdvals(base)
    np.testing.assert_allclose(dense.svd(A)[1] / scale, S, rtol=1e-12)
    np.testing.assert_allclose(dense.svdvals(A) / scale, S, rtol=1e-12)
    H = base + base.T
    np.testing.assert_allclose(dense.eigvalsh(H * scale) / scale, np.linalg.eigvalsh(H), rtol=1e-11)
    np.testing.assert_allclose(dense.eigh(H * scale)[0] / scale, np.linalg.eigvalsh(H), rtol=1e-11)
    for w in (dense.eigvals(A), dense.eig(A)[0]):
        expected = np.sort_complex(np.linalg.eigvals(base))
        np.testing.assert_allclose(np.sort_complex(w / scale), expected, rtol=1e-10)
    T, Z = dense.schur(A, "complex")
    np.testing.assert_allclose(Z @ (T / scale) @ Z.conj().T, base, atol=1e-13)
    Q, R = dense.qr(A)
    np.testing.assert_allclose(Q @ (R / scale), base, atol=1e-14)
    for order in ("fro", 1, -1, 2, -2, math.inf, -math.inf, "nuc"):
        expected = np.linalg.norm(base, order)
        assert dense.norm(A, order) / scale == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("scale", [1e-36, 1e-15, 1e15, 1e36])
def test_extreme_scales_in_single_precision(scale):
    base = draw(10, 10, np.float32, cond=10)
    A, H = base * np.float32(scale), (base + base.T) * np.float32(scale)
    tol = {"rtol": 0, "atol": 2e-5}
    np.testing.assert_allclose(dense.svdvals(A) / scale, dense.svdvals(base), **tol)
    np.testing.assert_allclose(dense.eigvalsh(H) / scale, dense.eigvalsh(base + base.T), **tol)
    expected = np.sort_complex(dense.eigvals(base))
    np.testing.assert_allclose(np.sort_complex(dense.eigvals(A) / scale), expected, **tol)
    np.testing.assert_allclose(dense.lu_factor(A).inv() * scale, np.linalg.inv(base), rtol=1e-3)
    assert dense.norm(A) / scale == pytest.approx(dense.norm(base), rel=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64])
def test_lu_where_the_column_sums_overflow(dtype):
    base = draw(40, 40, dtype, cond=10)
    top = float(np.finfo(dtype).max) / 4
    A = (base / np.abs(base).max() * dtype(top)).astype(dtype)
    lu = dense.lu_factor(A)
    assert lu.scale < 1
    assert lu.rcond == pytest.approx(dense.lu_factor(base).rcond, rel=1e-2)
    X = lu.solve(A[:, :2] / 2)
    np.testing.assert_allclose(X, np.eye(40)[:, :2] / 2, atol=1e3 * np.finfo(dtype).eps)
    _, logdet = np.linalg.slogdet(wide(A) / top)
    assert lu.slogdet()[1] == pytest.approx(logdet + 40 * math.log(top), rel=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_norms_match_numpy_and_propagate_nan(dtype):
    A = draw(6, 4, dtype)
    for view in layouts(A):
        for order in ("fro", 1, -1, 2, -2, math.inf, -math.inf, "nuc"):
            assert dense.norm(view, order) == pytest.approx(np.linalg.norm(A, order), rel=1e-5)
        assert dense.norm(view, "max") == pytest.approx(np.abs(A).max(), rel=1e-6)
        assert dense.norm(view) == dense.norm(view, None)
    A[1, 2] = np.nan
    for order in ("fro", 1, -1, 2, -2, math.inf, "nuc", "max"):
        assert math.isnan(dense.norm(A, order))
    assert dense.norm(np.array([[1.0, -np.inf]]), 2) == math.inf
    assert dense.norm(np.empty((0, 3))) == 0.0
    with pytest.raises(ValueError, match="ord must be one of"):
        dense.norm(A, 3)


FACTORISATIONS = [
    dense.lu_factor,
    dense.slogdet,
    dense.cholesky,
    dense.qr,
    dense.svd,
    dense.svdvals,
    dense.eigh,
    dense.eigvalsh,
    dense.eig,
    dense.eigvals,
    dense.schur,
    dense.finite,
]


@pytest.mark.parametrize("verb", FACTORISATIONS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_input_is_refused(verb, bad):
    A = np.eye(4)
    A[2, 1] = bad
    with pytest.raises(ValueError, match="array must not contain infs or NaNs"):
        verb(A)
    with pytest.raises(ValueError, match="array must not contain infs or NaNs"):
        dense.lu_factor(np.eye(4)).solve(A)


@pytest.mark.parametrize("verb", [v for v in FACTORISATIONS if v is not dense.finite])
def test_wrong_input_is_refused_in_words(verb):
    with pytest.raises(ValueError, match="expected a 2-D array, got 3-D"):
        verb(np.ones((2, 2, 2)))
    for dtype in (np.float16, object, np.longdouble):
        with pytest.raises(TypeError, match="needs float32, float64, complex64 or complex128"):
            verb(np.eye(3).astype(dtype))
    if verb not in (dense.qr, dense.svd, dense.svdvals):
        with pytest.raises(ValueError, match=r"expected square matrix, got shape \(2, 3\)"):
            verb(np.ones((2, 3)))


def test_right_hand_sides_are_checked_and_complex_ones_kept():
    lu = dense.lu_factor(draw(4, 4, np.float64))
    with pytest.raises(ValueError, match=r"a.shape=\(4, 4\) and b.shape=\(3, 1\)"):
        lu.solve(np.ones((3, 1)))
    with pytest.raises(TypeError, match="float32"):
        dense.lu_factor(np.eye(2, dtype=np.float32)).solve(np.ones((2, 1)))
    B = draw(4, 3, np.complex128)
    A = draw(4, 4, np.float64)
    np.testing.assert_allclose(A @ lu.solve(B), B, atol=1e-12)
    np.testing.assert_allclose(A @ lu.solve(B.astype(np.complex64)), B, atol=1e-5)
    T = np.triu(A) + 3 * np.eye(4)
    np.testing.assert_allclose(T.T @ dense.solve_triangular(T, B, adjoint=True), B, atol=1e-12)
    L = dense.cholesky(T @ T.T).L
    np.testing.assert_allclose(T @ T.T @ dense.cho_solve(L, B), B, atol=1e-12)
    assert lu.solve(np.empty((4, 0))).shape == (4, 0)
    with pytest.raises(ValueError, match="output must be one of"):
        dense.schur(A, "upper")


def test_integers_and_foreign_byte_orders_become_native_doubles():
    A = np.array([[2, 1], [1, 3]])
    assert dense.svdvals(A).dtype == np.float64
    assert dense.slogdet(A)[1] == pytest.approx(math.log(5))
    assert dense.slogdet(np.eye(3, dtype=bool)) == (1.0, 0.0)
    assert dense.slogdet(A.astype(">f8"))[1] == pytest.approx(math.log(5))
    assert dense.eigvalsh(A.astype(">f4")).dtype == np.float32


# The CuPy twin, on a stand-in for CuPy -----------------------------------------------------------


class DeviceArray(np.ndarray):
    """A NumPy array under another name, as the twin would see CuPy's."""


@pytest.fixture
def twin(monkeypatch):
    """The CuPy twin, imported over stand-ins that answer as CuPy does, by NumPy and SciPy."""
    cupy = types.ModuleType("cupy")
    cupy.__dict__.update({name: getattr(np, name) for name in np.__all__ if hasattr(np, name)})
    cupy.asnumpy = np.array
    cupy.linalg = types.SimpleNamespace(
        **{name: getattr(np.linalg, name) for name in np.linalg.__all__}
    )
    cupyx, scipy_ = types.ModuleType("cupyx"), types.ModuleType("cupyx.scipy")
    cupyx.errstate = lambda **_: warnings.catch_warnings()
    linalg = types.ModuleType("cupyx.scipy.linalg")
    linalg.lu_solve, linalg.solve_triangular = sla.lu_solve, sla.solve_triangular

    def lu_factor(A, check_finite=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            factors, pivots = sla.lu_factor(np.array(A), check_finite=check_finite)
        if (factors.diagonal() == 0).any():
            warnings.warn("Diagonal number is exactly zero", RuntimeWarning, stacklevel=2)
        return factors.view(DeviceArray), pivots.view(DeviceArray)

    linalg.lu_factor = lu_factor
    scipy_.linalg, cupyx.scipy = linalg, scipy_
    names = {"cupy": cupy, "cupyx": cupyx, "cupyx.scipy": scipy_, "cupyx.scipy.linalg": linalg}
    for name, module in names.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "structmat._backend.dense_cupy", raising=False)
    # Not `from structmat._backend import`: the package may still hold the one of an earlier test.
    yield importlib.import_module("structmat._backend.dense_cupy")
    sys.modules.pop("structmat._backend.dense_cupy", None)


def test_twin_has_the_same_names_and_signatures(twin):
    import inspect

    ours = set(dense.__all__) - {"LU", "CholeskyFactor", "finite", "slogdet", "zero_on_diagonal"}
    assert set(twin.__all__) == ours
    for name in ours:
        host, device = (inspect.signature(getattr(m, name)) for m in (dense, twin))
        assert list(host.parameters.values()) == list(device.parameters.values())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [0, 1, 9])
def test_twin_agrees_with_the_host(twin, n, dtype):
    A = (draw(n, n, dtype) + 3 * np.eye(n)).astype(dtype)
    B = draw(n, 2, dtype, seed=1)
    D = A.view(DeviceArray)
    tol = {"rtol": 0, "atol": 2000 * np.finfo(dtype).eps}
    ours, theirs = dense.lu_factor(A), twin.lu_factor(D)
    np.testing.assert_allclose(theirs.solve(B), ours.solve(B), **tol)
    np.testing.assert_allclose(theirs.solve(B, adjoint=True), ours.solve(B, adjoint=True), **tol)
    np.testing.assert_allclose(theirs.inv(), ours.inv(), **tol)
    np.testing.assert_allclose(theirs.slogdet(), ours.slogdet(), rtol=1e-5, atol=1e-6)
    assert 0.3 <= theirs.rcond / ours.rcond <= 3
    H = A @ A.conj().T
    L = dense.cholesky(H).L
    np.testing.assert_allclose(twin.cholesky(H.view(DeviceArray))[0], L, **tol)
    np.testing.assert_allclose(twin.cho_solve(L, B), dense.cho_solve(L, B), **tol)
    np.testing.assert_allclose(twin.svdvals(D), dense.svdvals(A), **tol)
    np.testing.assert_allclose(twin.svd(D)[1], dense.svd(A)[1], **tol)
    np.testing.assert_allclose(twin.eigvalsh(H), dense.eigvalsh(H), rtol=0, atol=100 * tol["atol"])
    np.testing.assert_allclose(twin.eigh(H)[0], dense.eigh(H)[0], rtol=0, atol=100 * tol["atol"])
    np.testing.assert_allclose(np.matmul(*twin.qr(D)), A, **tol)
    w, _ = twin.eig(D)
    np.testing.assert_allclose(np.sort_complex(w), np.sort_complex(dense.eigvals(A)), **tol)
    assert 0.3 <= twin.rcond_triangular(D) / dense.rcond_triangular(A) <= 3
    for order in ("fro", 1, -1, 2, -2, math.inf, -math.inf, "nuc", "max"):
        assert twin.norm(D, order) == pytest.approx(dense.norm(A, order), rel=1e-5)


def test_twin_names_places_and_the_way_out(twin):
    singular = np.diag([1.0, 0.0, 2.0]).view(DeviceArray)
    lu = twin.lu_factor(singular)
    assert lu.zero_pivot == 1
    assert lu.rcond == 0
    assert lu.slogdet() == (0.0, -math.inf)
    with pytest.raises(LinAlgError, match="pivot 1"):
        lu.solve(np.ones((3, 1)))
    with pytest.raises(LinAlgError, match="diagonal entry 1"):
        twin.solve_triangular(singular, np.ones((3, 1)))
    assert twin.cholesky(np.diag([1.0, -1.0]).view(DeviceArray))[1] == 2
    with pytest.raises(NotImplementedError, match=r"A.to_device\(\"cpu\"\)"):
        twin.schur(singular)
    with pytest.raises(ValueError, match="array must not contain infs or NaNs"):
        twin.lu_factor(np.full((2, 2), np.nan).view(DeviceArray))
    huge = (draw(5, 5, np.float64, cond=10) * 1e300).view(DeviceArray)
    assert twin.lu_factor(huge).slogdet()[1] == pytest.approx(dense.slogdet(huge)[1])
    assert twin.norm(huge) == pytest.approx(dense.norm(huge))
