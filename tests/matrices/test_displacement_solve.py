"""Toeplitz and Hankel systems: the structured LU against LAPACK's test ratio, on hard cases."""

import math
import warnings

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st
from support import DTYPES, eps, randn, ratio_solve

import structmat as sm
from structmat import _checks
from structmat.matrices.displacement import cauchy
from structmat.matrices.displacement.cauchy import CauchyLU
from structmat.matrices.displacement.toeplitz_lu import DenseLU, ToeplitzLU

LIMIT = 30
ORDERS = (1, 2, 3, 17, 64, 257, 1000)


def hard(n):
    """Names and (first column, first row) of order n."""
    rng = np.random.default_rng(n)
    c, r = rng.standard_normal(n), rng.standard_normal(n)
    k, unit = np.arange(n), np.eye(1, n)[0]
    one = np.eye(1, n, min(1, n - 1))[0]
    z = c + 1j * rng.standard_normal(n)
    z[0] = 1
    yield "random", c, r
    yield "random complex", z, r - 1j * c
    yield "complex Hermitian", z, z.conj()
    yield "indefinite, zero diagonal", c * (k > 0) + unit * (n == 1), c
    yield "Kac-Murdock-Szego", 0.5**k, 0.5**k
    yield "Kac-Murdock-Szego, near the ones", 0.999**k, 0.999**k
    prolate = 2 * 0.25 * np.sinc(2 * 0.25 * k)
    yield "prolate", prolate, prolate  # condition 1e16 from n = 20 on
    yield "Gaussian", np.exp(-((k / 8) ** 2)), np.exp(-((k / 8) ** 2))
    yield "Grcar", unit - one * (n > 1), (k < 4).astype(float)
    yield "second difference", 2 * unit - one * (n > 1), 2 * unit - one * (n > 1)
    yield "growth of dense LU", 2 * unit - 1, unit + np.eye(1, n, n - 1)[0] * (n > 1)
    yield "nearly singular", np.where(k == 1, math.sqrt(0.5) + 1e-13, np.where(k, c, 1)), c
    yield "graded", c * 10.0 ** (-8 * k / n), r * 10.0 ** (8 * k / n)
    yield "ones and noise", 1 + 1e-10 * c, 1 + 1e-10 * r
    yield "identity and noise", unit + 1e-12 * c, unit + 1e-12 * r
    yield "ramp", k + 1.0, n - k + 0.5
    yield "checkerboard", (-1.0) ** k + 1e-6 * c, (-1.0) ** k + 1e-6 * r
    yield "corner", unit * 1e-3 + np.eye(1, n, n - 1)[0], unit * 1e-3
    yield "huge", 1e300 * c, 1e300 * r
    yield "tiny", 1e-300 * c, 1e-300 * r


CASES = [(n, *case) for n in ORDERS for case in hard(n)]
cases = pytest.mark.parametrize(
    ("n", "name", "c", "r"), CASES, ids=[f"{n}-{name}" for n, name, *_ in CASES]
)


def right_hand_sides(n, dtype, rng):
    """Two random ones and a unit vector, whose solution may be a few entries."""
    B = randn((n, 3), rng, dtype)
    B[:, 2] = 0
    B[n // 2, 2] = 1
    return B


@cases
def test_the_structured_lu_has_lapacks_ratio(n, name, c, r, rng):
    T = sm.Toeplitz(c, r)
    D = scipy.linalg.toeplitz(c, r)
    B = right_hand_sides(n, T.dtype, rng)
    factor = ToeplitzLU(T, "Toeplitz")
    assert ratio_solve(D, factor._solve(B), B) < LIMIT
    # Sixteen decades along the diagonals are where dense LU may have to help.
    assert name == "graded" or factor.method == CauchyLU.method


@cases
def test_solve_has_it_too_from_every_door(n, name, c, r, rng):
    D = scipy.linalg.toeplitz(c, r)
    T, H = sm.Toeplitz(c, r), sm.Hankel(D[:, -1], D[-1, ::-1])
    B = right_hand_sides(n, T.dtype, rng)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", scipy.linalg.LinAlgWarning)
        assert ratio_solve(D, np.linalg.solve(T, B), B) < LIMIT
        assert ratio_solve(D[:, ::-1], np.linalg.solve(H, B), B) < LIMIT
        assert ratio_solve(D.T, np.linalg.solve(T.T, B[:, 0]), B[:, 0]) < LIMIT


@pytest.mark.parametrize("n", [*range(1, 21), 300])
@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_slogdet_has_the_right_sign_for_every_order(n, dtype, rng):
    for _ in range(3):
        c, r = randn(n, rng, dtype), randn(n, rng, dtype)
        T, D = sm.Toeplitz(c, r), scipy.linalg.toeplitz(c, r)
        expected = np.linalg.slogdet(D)
        tolerance = 1e-12 * n * np.linalg.cond(D)
        sign, value = ToeplitzLU(T, "Toeplitz").slogdet()
        assert abs(sign - expected.sign) < tolerance
        assert value == pytest.approx(expected.logabsdet, abs=tolerance)
        H = sm.Hankel(D[:, -1], D[-1, ::-1])
        sign, value = H.slogdet()
        expected = np.linalg.slogdet(D[:, ::-1])
        assert abs(sign - expected.sign) < tolerance
        assert value == pytest.approx(expected.logabsdet, abs=tolerance)


@pytest.mark.parametrize("scale", [1e150, 1e-150, 1e300, 1e-300])
def test_slogdet_of_badly_scaled_matrices(scale, rng):
    c, r = rng.standard_normal(400), rng.standard_normal(400)
    sign, value = sm.Toeplitz(scale * c, scale * r).slogdet()
    expected = np.linalg.slogdet(scipy.linalg.toeplitz(c, r))
    assert sign == expected.sign
    assert value == pytest.approx(expected.logabsdet + 400 * math.log(scale), rel=1e-12)


# ---------------------------------------------------------------- what Levinson's algorithm refuses


def test_a_well_conditioned_matrix_that_scipy_refuses():
    c, r = np.array([-2.0, -2, -2, 0]), np.array([-2.0, -2, 0, -1])
    D = scipy.linalg.toeplitz(c, r)
    assert np.linalg.cond(D) < 8.8
    assert np.linalg.det(D[:2, :2]) == pytest.approx(0)
    b = np.array([1.0, 2.0, 3.0, 4.0])
    with pytest.raises(np.linalg.LinAlgError, match="[Ss]ingular"):
        scipy.linalg.solve_toeplitz((c, r), b)
    T = sm.Toeplitz(c, r)
    assert ratio_solve(D, T.solve(b), b) < 10
    assert ratio_solve(D, ToeplitzLU(T, "Toeplitz")._solve(b[:, None]), b) < 10


@pytest.mark.parametrize("n", [5, 64, 401])
def test_singular_leading_minors(n, rng):
    """A random one with a zero diagonal and equal neighbours: minors 1 and 3 vanish."""
    c, r = rng.standard_normal(n), rng.standard_normal(n)
    c[0] = r[0] = 0
    c[2] = r[2] = 0
    D = scipy.linalg.toeplitz(c, r)
    assert np.linalg.det(D[:3, :3]) == 0
    B = rng.standard_normal((n, 4))
    assert ratio_solve(D, ToeplitzLU(sm.Toeplitz(c, r), "Toeplitz")._solve(B), B) < LIMIT


# ---------------------------------------------------------------- the pieces


@pytest.mark.parametrize("n", [1, 2, 3, 4, 9])
def test_the_displacement_has_these_generators(n, rng):
    c, r = randn(n, rng, complex), randn(n, rng, complex)
    r[0] = c[0]
    Y = np.eye(n, k=1) + np.eye(n, k=-1)
    Y[0, 0] += 1
    first, second = Y.copy(), Y.copy()
    first[-1, -1] += 1
    second[-1, -1] -= 1
    T = scipy.linalg.toeplitz(c, r)
    G, H = cauchy._generators(c, r)
    assert np.allclose(first @ T - T @ second, G.T @ H, rtol=0, atol=1e-14)


@pytest.mark.parametrize("n", [1, 2, 5, 100, 3000])
def test_differences_of_nodes_are_accurate_to_the_last_places(n):
    """2 cos(k pi / n) - 2 cos((2 l + 1) pi / (2 n)), which subtraction would take n^2 eps from."""
    s = cauchy._odd_sines(n)
    k = np.unique(np.linspace(0, n - 1, 50).astype(int))
    pi = np.longdouble("3.14159265358979323846264338327950288")
    for i in k:
        for j in np.unique(np.clip([i - 1, i, i + 1, 0, n - 1], 0, n - 1)):
            below = s[i - j - 1] if i > j else -s[j - i]
            actual = -4 * s[i + j] * below
            half = pi / (4 * np.longdouble(n))
            exact = -4 * np.sin((2 * i + 2 * j + 1) * half) * np.sin((2 * i - 2 * j - 1) * half)
            assert abs(actual / exact - 1) < 8 * 2**-53


def test_cosine_transforms_have_determinants_of_equal_sign():
    from scipy.fft import dct

    for n in range(1, 30):
        both = [np.linalg.det(dct(np.eye(n), kind, norm="ortho", axis=0)) for kind in (2, 4)]
        assert both[0] * both[1] == pytest.approx(1)


@given(
    n=st.integers(1, 60),
    k=st.integers(1, 5),
    dtype=st.sampled_from(DTYPES),
    hermitian=st.booleans(),
    exponent=st.integers(-30, 30),
)
def test_random_systems(n, k, dtype, hermitian, exponent):
    rng = np.random.default_rng([n, k, hermitian])
    c, r = randn(n, rng, dtype), randn(n, rng, dtype)
    c[0] = c[0].real
    r = c.conj() if hermitian else r
    c, r = (np.ldexp(x.view(x.real.dtype), exponent).view(dtype) for x in (c, r))
    D = scipy.linalg.toeplitz(c, r)
    B = randn((n, k), rng, dtype)
    X = ToeplitzLU(sm.Toeplitz(c, r), "Toeplitz")._solve(B)
    assert X.dtype == dtype
    assert ratio_solve(D, X, B) < LIMIT


# ---------------------------------------------------------------- certificates


def growing(n, rng):
    """A solution that grows by a factor a row: its last entries carry all of its norm."""
    c = rng.standard_normal(n)
    return c, np.eye(1, n)[0] * c[0] + 1e-30 * np.eye(1, n, 1)[0]


def spoil(monkeypatch, kind):
    """Factors of one kind solve wrongly, and do not know it."""
    right = kind.solve
    monkeypatch.setattr(kind, "solve", lambda self, B: 2 * right(self, B[::-1].copy()))
    monkeypatch.setattr(kind, "sound", False, raising=False)


def test_the_other_factors_take_over_and_say_so(rng, monkeypatch):
    """A certificate that the first factors cannot reach."""
    n = 400
    c, r = rng.standard_normal(n), rng.standard_normal(n)
    T, D = sm.Toeplitz(c, r), scipy.linalg.toeplitz(c, r)
    b = rng.standard_normal(n)
    with monkeypatch.context() as patch:
        spoil(patch, CauchyLU)
        x, info = sm.linalg.solve(T, b, return_info=True)
        assert info.method == f"{CauchyLU.method}, {DenseLU.method} where that was inaccurate"
        assert ratio_solve(D, x, b) < LIMIT
        assert T.slogdet() == pytest.approx(tuple(np.linalg.slogdet(D)), rel=1e-12)
        assert info.cond == pytest.approx(np.linalg.cond(D, 1), rel=0.9)
        patch.setattr(_checks, "fits", lambda nbytes: nbytes < n**2 * 12)
        with pytest.raises(sm.ConvergenceError, match="order 400.*does not fit"):
            T.solve(b)
    factor = ToeplitzLU(T, "Toeplitz", dense_first=True)
    factor._first.sound = False
    factor._first.solve = np.copy
    assert ratio_solve(D, factor.solve(b), b) < LIMIT
    assert factor.method == f"{DenseLU.method}, {CauchyLU.method} where that was inaccurate"
    factor._second.solve = np.copy
    with pytest.raises(sm.ConvergenceError, match="not be representable"):
        factor.solve(b)
    assert factor.method.count("inaccurate") == 1, "of bounded length, however often that happens"


@pytest.mark.parametrize("n", [60, 200])
def test_growth_of_dense_lu_is_noticed(n, rng):
    """LAPACK's own solution of this one has no correct digit and no warning."""
    c, r = -np.ones(n), np.eye(1, n, n - 1)[0]
    c[0] = 1
    D, b = scipy.linalg.toeplitz(c, r), rng.standard_normal(n)
    assert ratio_solve(D, np.linalg.solve(D, b), b) > 1e6
    x, info = sm.linalg.solve(sm.Toeplitz(c, r), b, return_info=True)
    assert ratio_solve(D, x, b) < LIMIT
    assert n == 60 or "inaccurate" in info.method  # refinement bridges a growth of 2^59


def test_a_growing_solution_is_certified(rng):
    c, r = growing(400, rng)
    T = sm.Toeplitz(c, r)
    b = np.eye(1, 400)[0]
    with pytest.warns(scipy.linalg.LinAlgWarning, match="Toeplitz"):
        x, info = sm.linalg.solve(T, b, return_info=True)
    assert info.backward_error < LIMIT / 2 * eps(x)


@pytest.mark.parametrize("n", [400, 500])
def test_the_condition_number_is_estimated(n, rng):
    for dtype in (np.float64, np.complex128):
        c, r = randn(n, rng, dtype), randn(n, rng, dtype)
        T = sm.Toeplitz(c, r)
        _, info = sm.linalg.solve(T, np.ones(n, dtype), return_info=True)
        exact = np.linalg.cond(T.toarray(), 1)
        assert exact / 10 < info.cond < exact * 1.001
        assert info.method == "LU with partial pivoting of the Cauchy-like form"
        assert info.backward_error < LIMIT * eps(c)


def test_singular_matrices_are_loud(rng):
    n = 330
    with pytest.raises(np.linalg.LinAlgError, match="Toeplitz"):
        sm.Toeplitz(np.zeros(n)).solve(np.ones(n))
    with pytest.raises(np.linalg.LinAlgError, match="Hankel"):
        sm.Hankel(np.zeros(n)).solve(np.ones(n))
    with pytest.raises(np.linalg.LinAlgError, match="Toeplitz.*triangular"):
        sm.Toeplitz(np.arange(5.0), np.zeros(5)).solve(np.ones(5))
    assert sm.Toeplitz(np.zeros(n)).slogdet() == (0, -np.inf)
    wave = np.cos(np.arange(n) / 3.0)  # rank 2
    with pytest.warns(scipy.linalg.LinAlgWarning, match="Toeplitz"):
        sm.Toeplitz(wave).solve(rng.standard_normal(n))
    with pytest.raises(np.linalg.LinAlgError, match="zero"):
        ToeplitzLU(sm.Toeplitz(np.zeros(3)), "Toeplitz")


def test_triangular_systems_are_substitution(rng):
    n = 700
    c = 0.5 ** np.arange(n)
    lower = sm.Toeplitz(c, np.zeros(n))
    for A in (lower, lower.T):
        b = rng.standard_normal(n)
        x, info = sm.linalg.solve(A, b, return_info=True)
        assert info.method == "substitution"
        assert ratio_solve(A.toarray(), x, b) < 10
        assert A.slogdet() == (1, 0)
    powers = sm.Toeplitz([1.0, -3.0] + 1500 * [0.0], np.zeros(1502))  # x_i = 3 x_(i-1) + 1
    with pytest.raises(OverflowError, match="solve"):
        powers.solve(np.ones(1502))


@pytest.mark.parametrize("dtype", DTYPES)
def test_single_precision_is_factored_in_double(dtype, rng):
    n = 700
    c, r = randn(n, rng, dtype), randn(n, rng, dtype)
    T, b = sm.Toeplitz(c, r), randn(n, rng, dtype)
    x = T.solve(b)
    assert x.dtype == dtype
    # Rounded once from a double-precision solution; in double the bound of structured solves.
    single = np.finfo(dtype).eps > 1e-10
    assert ratio_solve(T.toarray(), x, b) < (10 if single else 30)
    factor = T.factorize()
    assert factor.solve(b).dtype == dtype
    assert np.array_equal(factor.solve(b), x)


# ---------------------------------------------------------------- many right-hand sides, iteration


@pytest.mark.parametrize("family", [sm.Toeplitz, sm.Hankel])
def test_an_inverse_holds_its_factors(family, rng):
    n = 350
    A = family(np.eye(1, n)[0] * 30 + rng.standard_normal(n), rng.standard_normal(n))
    inverse = A.inv()
    assert isinstance(inverse, sm.Inverse)
    b = rng.standard_normal((n, 7))
    assert np.array_equal(inverse @ b, A.solve(b))
    assert np.allclose(A @ (inverse @ b), b)


def positive_definite(n):
    return sm.Toeplitz(0.9 ** np.arange(n) + np.eye(1, n)[0])


def test_iteration_is_preconditioned(rng):
    n = 3000
    b = rng.standard_normal(n)
    x, info = sm.linalg.solve(positive_definite(n), b, method="iterative", return_info=True)
    assert info.method == "conjugate gradients"
    assert info.n_iter < 15
    assert np.allclose(x, positive_definite(n).solve(b), rtol=1e-6, atol=1e-8)
    k = np.arange(1.0, n)
    general = sm.Toeplitz(np.append(4.0, 1 / k), np.append(4.0, -0.5 / k**1.5))
    _, info = sm.linalg.solve(general, b, method="iterative", return_info=True)
    assert info.method == "GMRES"
    assert info.n_iter < 20


def test_a_matrix_whose_factors_do_not_fit_is_iterated(rng, monkeypatch):
    n = 2500
    monkeypatch.setattr(_checks, "fits", lambda nbytes: nbytes < n**2 * 8)
    _, info = sm.linalg.solve(positive_definite(n), rng.standard_normal(n), return_info=True)
    assert info.method == "conjugate gradients"
    assert info.backward_error < 1e-10


def test_explain_tells_the_algorithm(rng):
    T = sm.Toeplitz(rng.standard_normal(1000))
    assert "Cauchy-like" in T.explain("solve").algorithm
    assert "FFT" in T.explain("matmul").algorithm
    assert "windows" in sm.Hankel(np.ones(64)).explain("matmul").algorithm
    assert "FFT" in sm.Circulant(np.ones(64)).explain("solve").algorithm
    assert T.explain("solve", ncols=64).seconds < T.explain("solve", ncols=64).dense_seconds
