"""Toeplitz, Hankel and circulant matrices: what only they promise."""

import itertools
import math

import fake_cupy
import numpy as np
import pytest
import scipy.linalg
from cases.displacement import circulant, hankel, symmetric, toeplitz
from hypothesis import given
from hypothesis import strategies as st
from support import DTYPES, dense, eps, norm1, randn, ratio_orthogonal, ratio_svd

import structmat as sm
from structmat.matrices.displacement import convolve
from structmat.matrices.displacement.windows import window_sums

FAMILIES = {"toeplitz": sm.Toeplitz, "hankel": sm.Hankel, "circulant": sm.Circulant}
dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)


def draw(family, n, rng, dtype=np.float64, m=None):
    """A matrix of a family and its dense form."""
    c, r = randn(m or n, rng, dtype), randn(n, rng, dtype)
    if family == "circulant":
        return sm.Circulant(c), circulant(c)
    if family == "hankel":
        return sm.Hankel(c, r), scipy.linalg.hankel(c, r)
    return sm.Toeplitz(c, r), scipy.linalg.toeplitz(c, r)


# ---------------------------------------------------------------- parameters


def test_the_arguments_are_scipys():
    c, r = [1.0, 2.0, 3.0], [9.0, 5.0, 6.0, 7.0]
    assert np.array_equal(sm.Toeplitz(c, r).toarray(), scipy.linalg.toeplitz(c, r))
    assert np.array_equal(sm.Hankel(c, r).toarray(), scipy.linalg.hankel(c, r))
    assert np.array_equal(sm.Circulant(c).toarray(), scipy.linalg.circulant(c))
    assert np.array_equal(sm.Toeplitz(c).toarray(), scipy.linalg.toeplitz(c))
    assert np.array_equal(sm.Hankel(c).toarray(), scipy.linalg.hankel(c))
    z = np.array([1 + 1j, 2 - 1j, 3j])
    assert np.array_equal(sm.Toeplitz(z).toarray(), scipy.linalg.toeplitz(z))


def test_the_corner_is_that_of_the_column_and_arguments_are_left_alone():
    c, r = np.array([1.0, 2.0]), np.array([9.0, 5.0])
    T, H = sm.Toeplitz(c, r), sm.Hankel(c, r)
    assert r[0] == 9.0
    assert T == sm.Toeplitz(c, [1.0, 5.0])
    assert H == sm.Hankel(c, [2.0, 5.0])
    assert sm.Toeplitz(c, c).r is c, "stored as given"


def test_mixed_dtypes_meet_and_integers_are_floats():
    assert sm.Toeplitz([1, 2], np.array([1, 2j])).dtype == np.complex128
    assert sm.Hankel(np.float32([1, 2]), np.float64([2, 3])).dtype == np.float64
    assert sm.Circulant([1, 2, 3]).dtype == np.float64


@pytest.mark.parametrize("family", FAMILIES)
def test_bad_parameters_are_refused(family):
    make = FAMILIES[family]
    with pytest.raises(ValueError, match="dimension"):
        make(np.ones((2, 2)))
    with pytest.raises(TypeError, match="float16"):
        make(np.ones(2, np.float16))
    with pytest.raises(TypeError, match="object"):
        make(np.array([1, "a"], object))
    if family != "circulant":
        with pytest.raises(ValueError, match="`r` must be one-dimensional"):
            make(np.ones(2), np.ones((1, 2)))


# ---------------------------------------------------------------- products


@dtypes
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("n", [1, 2, 7, 63, 256, 257, 600, 1021])
def test_products_are_right_on_either_side_of_the_crossover(family, n, dtype, rng):
    A, D = draw(family, n, rng, dtype)
    for shape in (n, (n, 1), (n, 3), (n, 8), (n, 19)):
        x = randn(shape, rng, dtype)
        expected = D.astype(np.result_type(D, np.float64)) @ x
        bound = math.sqrt(norm1(D) * norm1(D.T)) * np.linalg.norm(x)  # |D|_2 |x|_2 or a bit more
        assert np.abs(A @ x - expected).max() < 10 * eps(D) * bound


@pytest.mark.parametrize("family", ["toeplitz", "hankel"])
@pytest.mark.parametrize("shape", [(1, 900), (900, 1), (3, 2000), (2000, 3), (400, 500)])
def test_rectangular_products(family, shape, rng):
    m, n = shape
    A, D = draw(family, n, rng, m=m)
    for k in (1, 5, 8):
        x = rng.standard_normal((n, k))
        assert np.abs(A @ x - D @ x).max() < 1e-12 * np.linalg.norm(D) * np.linalg.norm(x)
        y = rng.standard_normal((m, k))
        assert np.abs(A.T @ y - D.T @ y).max() < 1e-12 * np.linalg.norm(D) * np.linalg.norm(y)


@dtypes
@given(m=st.integers(1, 40), n=st.integers(1, 40), k=st.integers(1, 20), flip=st.booleans())
def test_direct_and_fft_agree(dtype, m, n, k, flip):
    rng = np.random.default_rng([m, n, k])
    h, X = randn(m + n - 1, rng, dtype), randn((n, k), rng, dtype)
    direct = convolve.direct(h, X, m, flip)
    by_fft = convolve.cyclic(np, h, X if flip else X[::-1], 2 * (m + n))[n - 1 : n - 1 + m]
    assert direct.dtype == by_fft.dtype == dtype
    assert np.abs(direct - by_fft).max() < 20 * eps(h) * np.linalg.norm(h) * np.linalg.norm(X)


def test_the_direct_product_has_the_error_of_a_dense_one(rng):
    """Entry by entry: the FFT's error is relative to the largest entry."""
    c = 10.0 ** -np.arange(200.0)
    A, x = sm.Toeplitz(c, np.zeros(200)), np.ones(200)
    x[0] = 1e100
    expected = scipy.linalg.toeplitz(c, np.zeros(200)) @ x
    assert np.abs((A @ x - expected) / expected).max() < 200 * eps(x)


@pytest.mark.parametrize("family", FAMILIES)
def test_sums_inside_an_fft_do_not_overflow(family):
    n = 1 << 16
    c, top = np.full(n, 1e15, np.float32), np.float32(1e18)
    for A in (FAMILIES[family](c), FAMILIES[family](c[:2000])):
        y = A @ np.full(A.shape[1], top)
        assert np.isfinite(y).all()
        assert y.max() == pytest.approx(1e33 * A.shape[1], rel=1e-5)


def test_products_do_not_depend_on_the_number_of_workers(rng):
    A, X = sm.Toeplitz(rng.standard_normal(30000)), rng.standard_normal((30000, 20))
    with sm.set_workers(1):
        one = A @ X
    with sm.set_workers(2):
        assert np.array_equal(A @ X, one)


# ---------------------------------------------------------------- numbers


def test_window_sums_lose_nothing_beside_large_values():
    values = np.array([1e200, 1.0, 1e-200, 1e-200, 3e-200, 1.0, 1e200])
    expected = [math.fsum(values[i : i + 2]) for i in range(6)]
    assert np.array_equal(window_sums(values, 2), expected)
    assert window_sums(values, 7) == math.fsum(values)
    assert np.array_equal(window_sums(values, 1), values)
    assert window_sums(values, 8).size == 0


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("ord", ["fro", 1, -1, np.inf, -np.inf])
def test_norms_of_badly_scaled_matrices(family, ord, rng):
    A, D = draw(family, 9, rng)
    for scale in (1e150, 1e-150, 1e300):
        expected = np.linalg.norm(D, ord) * scale
        assert np.linalg.norm(A * scale, ord) == pytest.approx(expected, rel=1e-14)
    if family != "circulant":
        A, D = draw(family, 3, rng, m=11)
        assert np.linalg.norm(A, ord) == pytest.approx(np.linalg.norm(D, ord), rel=1e-14)
        A, D = draw(family, 11, rng, m=3)
        assert np.linalg.norm(A, ord) == pytest.approx(np.linalg.norm(D, ord), rel=1e-14)


# ---------------------------------------------------------------- circulants


@pytest.mark.parametrize("n", [*range(1, 10), 64, 97])
def test_everything_of_a_real_circulant_is_real(n, rng):
    c = randn(n, rng)
    C, D = sm.Circulant(c), circulant(c)
    sign, value = C.slogdet()
    assert np.isrealobj(sign)
    assert (sign, value) == pytest.approx(tuple(np.linalg.slogdet(D)), rel=1e-9)
    assert isinstance(C.inv(), sm.Circulant)
    assert C.inv().dtype == C.pinv().dtype == sm.linalg.expm(C).dtype == np.float64
    U, S, Vh = C.svd()
    assert U.dtype == Vh.dtype == np.float64
    assert ratio_svd(D, U, S, Vh) < 10
    assert ratio_orthogonal(U, S) < 10
    w, V = sm.Circulant(symmetric(c)).eigh()
    assert w.dtype == V.dtype == np.float64
    assert ratio_orthogonal(V, w) < 10


@dtypes
def test_circulants_are_closed(dtype, rng):
    (A, D), (B, E) = (draw("circulant", 8, rng, dtype) for _ in range(2))
    for result, expected in (
        (A + B, D + E),
        (A - B, D - E),
        (A @ B, D @ E),
        (3 * A, 3 * D),
        (A.T, D.T),
        (A.H, D.conj().T),
        (A.inv(), np.linalg.inv(D)),
        (A**-2, np.linalg.matrix_power(D, -2)),
        (A**3, np.linalg.matrix_power(D, 3)),
        (A + 2 * sm.Identity(8, dtype), D + 2 * np.eye(8)),
        (sm.Identity(8, dtype) - A, np.eye(8) - D),
        (np.linalg.solve(A, B), np.linalg.solve(D, E)),
        (sm.hadamard(A, B), D * E),
    ):
        assert type(result) is sm.Circulant
        assert result.dtype == dtype
        tolerance = 1e4 * eps(D) * np.linalg.cond(D) ** 2 * np.abs(expected).max()
        assert np.abs(result.toarray() - expected).max() < tolerance


def test_a_singular_circulant_names_the_frequency():
    for c, place in (([1.0, -1, 0, 0], 0), ([1.0, 1, 1, 1], 1), ([1.0, 1.0], 1)):
        C = sm.Circulant(c)
        for verb in (lambda: C.solve(np.ones(len(c))), C.inv, C.factorize):  # noqa: B023
            with pytest.raises(np.linalg.LinAlgError, match=f"Circulant.*frequency {place}"):
                verb()
        assert C.slogdet() == (0, -np.inf)
        assert C.matrix_rank() < len(c)
        assert C.cond() == np.inf
        assert np.allclose(C.pinv().toarray(), np.linalg.pinv(C.toarray()))


@dtypes
@pytest.mark.parametrize("n", [2, 97, 1009, 1 << 14])
def test_circulant_solves_are_backward_stable_in_the_2_norm(n, dtype, rng):
    C = sm.Circulant(randn(n, rng, dtype) / np.arange(1, n + 1))
    wide = C.astype(np.result_type(dtype, np.float64))
    B = randn((n, 3), rng, dtype)
    B[:, 2] = np.eye(1, n)[0]
    X = C.solve(B)
    residual = np.linalg.norm(B - wide @ X, axis=0)
    size = wide.norm(2) * np.linalg.norm(X, axis=0)
    assert (residual < 4 * eps(B) * math.log2(2 * n) * size).all()


def test_an_ill_conditioned_circulant_warns(rng):
    values = np.ones(9)
    values[3] = values[6] = 1e-17
    c = np.fft.ifft(values).real
    with pytest.warns(scipy.linalg.LinAlgWarning, match="Circulant"):
        sm.Circulant(c).solve(np.ones(9))


def test_roots_and_logarithms_leave_the_reals_only_where_they_must(rng):
    c = symmetric(randn(7, rng) / 8)
    c[0] = 3
    root = sm.linalg.sqrtm(sm.Circulant(c))
    assert root.dtype == np.float64
    assert np.allclose((root @ root).toarray(), circulant(c))
    minus = sm.linalg.sqrtm(sm.Circulant(-c))
    assert type(minus) is sm.Circulant
    assert minus.dtype == np.complex128
    assert np.allclose((minus @ minus).toarray(), circulant(-c))
    log = sm.linalg.logm(sm.Circulant(-c))
    assert np.allclose(log.eigvals().imag, np.pi)
    assert np.allclose(sm.linalg.expm(log).toarray(), circulant(-c))
    turn = sm.linalg.logm(sm.Circulant([0.0, 1.0, 0.0]))
    assert turn.dtype == np.float64
    assert np.allclose(sm.linalg.expm(turn).toarray(), circulant([0.0, 1.0, 0.0]))
    with pytest.raises(np.linalg.LinAlgError, match="frequency 0"):
        sm.linalg.logm(sm.Circulant([1.0, -1.0]))


def test_eigenvectors_of_a_circulant_are_structured(rng):
    c = randn(12, rng)
    w, V = sm.Circulant(c).eig()
    assert isinstance(V, sm.StructuredMatrix)
    assert np.allclose(circulant(c) @ dense(V), dense(V) * w)
    assert np.allclose(w, np.fft.fft(c))
    _, V = sm.Circulant(symmetric(c)).eigh()
    assert isinstance(V, sm.StructuredMatrix)


def test_overflow_of_a_spectrum_is_loud():
    with pytest.raises(OverflowError, match="eigenvalues of a Circulant"):
        sm.Circulant(np.full(4, 1e308)).eigvals()
    with pytest.raises(OverflowError, match="expm"):
        sm.linalg.expm(sm.Circulant([1e3, 0.0, 0.0]))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinity_are_refused(family, bad):
    c = np.array([2.0, 1.0, bad, 0.5])
    A = FAMILIES[family](c)
    with pytest.raises(ValueError, match="infs or NaNs"):
        A.solve(np.ones(4))
    with pytest.raises(ValueError, match="infs or NaNs"):
        A.slogdet()
    with pytest.raises(ValueError, match="infs or NaNs"):
        FAMILIES[family]([2.0, 1.0, 0.0, 0.5]).solve([1.0, bad, 0.0, 0.0])


# ---------------------------------------------------------------- closure


def test_toeplitz_and_hankel_are_closed(rng):
    (T, D), (S, E) = (draw("toeplitz", 5, rng, m=7) for _ in range(2))
    (H, F), (K, G) = (draw("hankel", 5, rng, m=7) for _ in range(2))
    J7, J5 = sm.Permutation(np.arange(7)[::-1]), sm.Permutation(np.arange(5)[::-1])
    for kind, result, expected in (
        (sm.Toeplitz, T + S, D + E),
        (sm.Toeplitz, T - S, D - E),
        (sm.Toeplitz, 2 * T, 2 * D),
        (sm.Toeplitz, T.T, D.T),
        (sm.Toeplitz, sm.hadamard(T, S), D * E),
        (sm.Hankel, H + K, F + G),
        (sm.Hankel, H / 2, F / 2),
        (sm.Hankel, H.T, F.T),
        (sm.Hankel, sm.hadamard(H, K), F * G),
        (sm.Hankel, T @ J5, D[:, ::-1]),
        (sm.Hankel, J7 @ T, D[::-1]),
        (sm.Toeplitz, H @ J5, F[:, ::-1]),
        (sm.Toeplitz, J7 @ H, F[::-1]),
    ):
        assert type(result) is kind
        assert np.allclose(result.toarray(), expected, rtol=1e-14)


def test_square_toeplitz_sums(rng):
    (T, D), (C, E) = draw("toeplitz", 6, rng), draw("circulant", 6, rng)
    for result, expected in (
        (T + C, D + E),
        (C - T, E - D),
        (T + sm.Identity(6), D + np.eye(6)),
        (T - 3 * sm.Identity(6), D - 3 * np.eye(6)),
        (2j * sm.Identity(6) + T, 2j * np.eye(6) + D),
        (sm.hadamard(C, T), E * D),
        (sm.hadamard(T, C), E * D),
    ):
        assert type(result) is sm.Toeplitz
        assert np.allclose(result.toarray(), expected)
    other = T + sm.Diagonal(np.arange(6.0))
    assert not isinstance(other, sm.Toeplitz)
    assert np.allclose(other.toarray(), D + np.diag(np.arange(6.0)))
    assert not isinstance(T @ sm.Permutation([1, 0, 2, 3, 4, 5]), sm.Hankel)


# ---------------------------------------------------------------- projection


SHAPES = [*itertools.product(FAMILIES, [(6, 6), (1, 1)]), ("toeplitz", (4, 7)), ("hankel", (7, 4))]


@pytest.mark.parametrize(("family", "shape"), SHAPES)
def test_projection_is_the_least_squares_fit(family, shape, rng):
    m, n = shape
    M = randn(shape, rng)
    found = sm.project(M, FAMILIES[family])
    assert type(found.matrix) is FAMILIES[family]
    # The family is linear: its basis, entry by entry, gives the same fit by dense least squares.
    size = n if family == "circulant" else m + n - 1
    columns = []
    for e in np.eye(size):
        if family == "circulant":
            columns.append(circulant(e).ravel())
        elif family == "toeplitz":
            columns.append(toeplitz(e[n - 1 :], e[:n][::-1]).ravel())
        else:
            columns.append(hankel(e[:m], e[m - 1 :]).ravel())
    basis = np.array(columns).T
    x = np.linalg.lstsq(basis, M.ravel())[0]
    assert np.allclose(found.matrix.toarray().ravel(), basis @ x)
    error = np.linalg.norm(basis @ x - M.ravel()) / np.linalg.norm(M)
    assert found.error == pytest.approx(error, abs=1e-15)
    assert found.lower_bound == found.upper_bound == found.error


@dtypes
@pytest.mark.parametrize("family", FAMILIES)
def test_members_project_to_themselves(family, dtype, rng):
    A, D = draw(family, 9, rng, dtype)
    for M in (A, D):
        found = sm.project(M, FAMILIES[family])
        assert found.matrix.dtype == dtype
        assert found.error < 10 * eps(D)


def test_a_circulant_projection_is_square():
    with pytest.raises(ValueError, match="square"):
        sm.project(np.ones((2, 3)), sm.Circulant)


# ---------------------------------------------------------------- devices


def device(monkeypatch):
    """CuPy's stand-in with its module of FFTs."""
    cupy = fake_cupy.install(monkeypatch)
    if not hasattr(cupy, "fft"):
        cupy.fft = type(cupy)("cupy.fft")
        for name in ("fft", "ifft", "rfft", "irfft"):
            setattr(cupy.fft, name, fake_cupy._function(getattr(np.fft, name)))
    return cupy


@dtypes
@pytest.mark.parametrize("family", FAMILIES)
def test_device_arrays(family, dtype, rng, monkeypatch):
    cupy = device(monkeypatch)
    A, D = draw(family, 6, rng, dtype)
    on_device = A.to_device("cuda")
    X = randn((6, 3), rng, dtype)
    b = cupy.asarray(X)
    scale = 100 * eps(D) * norm1(D) * np.linalg.cond(D)
    assert np.abs((on_device @ b).get() - D @ X).max() < scale
    assert np.array_equal(on_device.toarray().get(), D)
    assert np.abs(on_device.solve(b).get() - np.linalg.solve(D, X)).max() < scale
    assert np.abs((on_device.H @ b).get() - D.conj().T @ X).max() < scale
    assert np.array_equal(on_device.diagonal().get(), D.diagonal())
    for ord in ("fro", 1, np.inf):
        assert on_device.norm(ord) == pytest.approx(np.linalg.norm(D, ord), rel=1e-5)
    assert (on_device + on_device).to_device("cpu") == A + A
    with pytest.raises(TypeError, match=r"to_device"):
        on_device @ X
    sign, value = on_device.slogdet()
    assert (sign, value) == pytest.approx(tuple(np.linalg.slogdet(D)), rel=1e-3)


@dtypes
def test_iteration_on_a_device_is_preconditioned(dtype, rng, monkeypatch):
    cupy = device(monkeypatch)
    c = (randn(200, rng, dtype) / np.arange(1, 201)).astype(dtype)
    c[0] = 4
    b = randn(200, rng, dtype)
    for r in (c.conj(), randn(200, rng, dtype) * c):
        A = sm.Toeplitz(c, r)
        x, info = sm.linalg.solve(
            A.to_device("cuda"), cupy.asarray(b), method="iterative", return_info=True
        )
        assert isinstance(x, cupy.ndarray)
        assert info.n_iter < 40
        assert np.allclose(A @ x.get(), b, atol=1e3 * eps(b) ** 0.75)


@dtypes
def test_a_circulant_on_a_device_answers_every_verb(dtype, rng, monkeypatch):
    device(monkeypatch)
    C, D = draw("circulant", 6, rng, dtype)
    A = C.to_device("cuda")
    assert np.allclose(A.inv().toarray().get(), np.linalg.inv(D), rtol=1e-3, atol=1e-3)
    assert np.allclose(A.pinv().toarray().get(), np.linalg.pinv(D), rtol=1e-3, atol=1e-3)
    assert np.allclose(np.linalg.svdvals(A).get(), np.linalg.svdvals(D), rtol=1e-3)
    assert np.allclose(A.eigvals().get(), np.fft.fft(C.c), rtol=1e-3, atol=1e-5)
    assert np.allclose(sm.linalg.expm(A).toarray().get(), scipy.linalg.expm(D), rtol=1e-3)
    assert A.cond() == pytest.approx(np.linalg.cond(D), rel=1e-3)
    assert A.matrix_rank() == 6
