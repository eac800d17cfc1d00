"""Toeplitz, Hankel and circulant matrices at the ends of the range of numbers, and in threads."""

import threading
import warnings

import numpy as np
import pytest
import scipy.linalg
from cases.displacement import circulant
from support import DTYPES, eps, randn, ratio_solve

import structmat as sm
from structmat import _checks
from structmat.matrices.displacement import scaling
from structmat.matrices.displacement.substitution import Substitution
from structmat.matrices.displacement.toeplitz_lu import CauchyLU, DenseLU, ToeplitzLU

LIMIT = 30
FAMILIES = {"toeplitz": sm.Toeplitz, "hankel": sm.Hankel, "circulant": sm.Circulant}
families = pytest.mark.parametrize("family", FAMILIES)
dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)


@pytest.fixture(autouse=True)
def no_stray_warnings():
    """What overflows is refused in words; NumPy's own warnings never reach a user."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        yield


# ---------------------------------------------------------------- the pieces


@dtypes
def test_scaling_by_powers_of_two_is_exact(dtype, rng):
    top = np.finfo(dtype).maxexp
    X = randn((7, 3), rng, dtype)
    exponents = np.array([top - 4, 0, 12 - top])
    far = scaling.times_power(X, exponents)
    assert far.dtype == dtype
    for k, e in enumerate(exponents):
        assert np.array_equal(far[:, k], X[:, k] * np.float64(2.0) ** e)
        assert np.array_equal(far[:, k], scaling.times_power(X[:, k].copy(), int(e)))
    near, exponents = scaling.moderate(far)
    assert (scaling.largest(near) <= 1).all()
    assert (scaling.largest(near) >= 0.5).all()
    assert np.array_equal(scaling.times_power(near, exponents), far)


def test_moderate_numbers_are_not_copied(rng):
    x = rng.standard_normal((5, 2))
    near, exponent = scaling.moderate(x)
    assert near is x
    assert exponent == 0
    assert scaling.times_power(x, 0) is x
    zero = np.zeros((4, 2))
    assert np.array_equal(scaling.moderate(zero)[0], zero)
    assert scaling.moderate(zero[:0])[1] == 0


# ---------------------------------------------------------------- products


@pytest.mark.parametrize("n", [500, 3000])
@families
def test_products_whose_sums_would_overflow(family, n):
    """Finite arguments whose product is a number, though n of the entries are not."""
    for dtype, small, large in (
        (np.float64, 1e-10, 1e306),
        (np.float64, 1e306, 1e-10),
        (np.float64, 1e-320, 1e300),
        (np.float64, 1e300, 1e-320),
        (np.float32, 1e-10, 1e36),
        (np.complex128, 1e-10j, 1e306),
        (np.complex64, 1e36j, 1e-10),
    ):
        c = np.zeros(n, dtype)
        c[0] = small
        A = sm.Hankel(c, np.zeros(n, dtype)) if family == "hankel" else FAMILIES[family](c)
        x = np.full(n, large, dtype)
        y = A @ x
        assert y.dtype == dtype
        expected = c[0].astype(complex) * x[0].astype(complex)
        first = y[0] if family == "hankel" else y
        error = np.abs(first / abs(expected) - expected / abs(expected)).max()
        assert error < 1e3 * eps(x) + (0 if abs(small) > 1e-300 else 1e-3)
    full = sm.Circulant(np.full(n, 1e306)) @ np.full(n, 1e-10)
    assert full == pytest.approx(np.full(n, n * 1e296), rel=1e-13)


@families
def test_products_that_overflow_are_infinite_where_dense_ones_are(family):
    n = 1500
    c = np.zeros(n)
    c[0] = 10
    A = sm.Hankel(c, np.zeros(n)) if family == "hankel" else FAMILIES[family](c)
    x = np.full(n, 1.0)
    x[0] = 1.5e308
    y = A @ x
    assert y[0] == np.inf
    assert np.isfinite(y[1:]).all()


@families
@pytest.mark.parametrize("dtype", [np.float64, np.complex64])
def test_infinities_and_nans_go_where_dense_products_put_them(family, dtype, rng):
    n = 1100
    c = (np.abs(randn(n, rng, dtype)) + 1).astype(dtype)
    A = FAMILIES[family](c)
    D = A.toarray()
    X = randn((n, 4), rng, dtype)
    X[3, 1] = -np.inf
    X[7, 2] = np.nan
    X[5, 3], X[6, 3] = np.inf, -np.inf
    with np.errstate(all="ignore"):
        expected = D @ X
        for k in range(4):
            for y in (A @ X[:, k], (A @ X)[:, k]):
                assert np.array_equal(np.isnan(y), np.isnan(expected[:, k]))
                inf = np.isinf(expected[:, k])
                assert np.array_equal(y[inf].real, expected[inf, k].real)
                fine = np.isfinite(expected[:, k])
                assert np.allclose(y[fine], expected[fine, k], rtol=1e-3, atol=1e-2)
    c = c.copy()
    c[4] = np.inf
    A = FAMILIES[family](c)
    with np.errstate(all="ignore"):
        expected = A.toarray() @ X[:, 0]
        assert np.array_equal(np.isfinite(A @ X[:, 0]), np.isfinite(expected))


@dtypes
@pytest.mark.parametrize("k", [*range(1, 19), 32, 33])
def test_blocks_of_every_width(dtype, k, rng):
    """Columns go through whole vectors, tiles of transposed rows, pairs and single ones."""
    for m, n in ((1, 1), (3, 5), (40, 9), (70, 64)):
        h = randn(m + n - 1, rng, dtype)
        T, H = sm.Toeplitz(h[n - 1 :], h[:n][::-1]), sm.Hankel(h[:m], h[m - 1 :])
        X = randn((n, k), rng, dtype)
        for A in (T, H):
            D = A.toarray().astype(np.result_type(dtype, np.float64))
            assert np.abs(A @ X - D @ X).max() < 20 * eps(X) * np.linalg.norm(D)
            assert np.allclose(A @ X, A @ np.asfortranarray(X), rtol=1e-5)


def test_one_column_has_the_shape_that_it_came_in(rng):
    for A in (sm.Toeplitz(rng.standard_normal(9)), sm.Circulant([1.0, 2.0, 1j])):
        x = randn(A.shape[1], rng, A.dtype)
        assert (A @ x).shape == x.shape
        assert np.array_equal((A @ x[:, None])[:, 0], A @ x)
        assert (A @ x[:, None][:, :0]).shape == (len(x), 0)


# ---------------------------------------------------------------- circulant systems


@dtypes
@pytest.mark.parametrize("n", [3, 8, 400])
def test_circulant_systems_at_the_ends_of_the_range(dtype, n):
    """C = s (4 I + P), b = 5 s t ones, x = t ones: right for any s and t that give numbers."""
    limits = np.finfo(dtype)
    unit = np.zeros(n, dtype)
    unit[:2] = 4, 1
    # Powers of two, so that the examples are exact.
    tiny, huge = 2.0 ** (limits.minexp - 6), 2.0 ** (limits.maxexp - 4)
    for s, t in ((1, huge), (huge, 1), (tiny, 1), (1, tiny), (tiny, 2.0**60), (huge, tiny)):
        C = sm.Circulant((unit * s).astype(dtype))
        b = np.full(n, 5 * s * t).astype(dtype)
        factor = C.factorize()
        for x in (C.solve(b), factor.solve(b), sm.linalg.lstsq(C, b).x):
            x = scaling.times_power(x, -int(np.frexp(t)[1]) + 1)
            # A subnormal number has as many digits fewer as it is smaller.
            assert np.abs(x - 1).max() < 100 * eps(x) + (0.02 if t < limits.tiny else 0)
        assert 1 / factor.rcond == pytest.approx(np.linalg.cond(circulant(unit)), rel=1e-3)
        assert "2-norm" in factor.method
        assert C.matrix_rank() == n
        sign, value = C.slogdet()
        assert sign == pytest.approx(1, abs=1e-5)
        exact = np.linalg.slogdet(circulant(unit).astype(complex)).logabsdet + n * np.log(s)
        assert value == pytest.approx(exact, rel=1e-5 if limits.bits == 32 else 1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_circulant_of_subnormal_numbers(dtype):
    tiny = float(np.finfo(dtype).tiny) / 100
    C = sm.Circulant(np.array([2 * tiny, tiny, 0], dtype))
    D = circulant(np.array([2.0, 1, 0]))
    U, S, Vh = C.svd()
    assert np.allclose((U @ np.diag(S / dtype(tiny)) @ Vh).astype(float), D, atol=1e-3)
    assert np.allclose(C.svdvals() / dtype(tiny), np.linalg.svd(D)[1], rtol=1e-2)
    assert C.matrix_rank() == 3
    assert C.cond() == pytest.approx(np.linalg.cond(D), rel=1e-2)
    for verb in (C.inv, C.pinv):
        with pytest.raises(OverflowError, match=verb.__name__):
            verb()
    larger = sm.Circulant(C.c * 4096)
    assert np.allclose(larger.inv().c * larger.c[0], np.linalg.inv(D)[:, 0] * 2, rtol=1e-3)


@families
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_solutions_that_overflow_are_loud(family, dtype):
    tiny = float(np.finfo(dtype).tiny)
    for n in (4, 700):
        c = np.zeros(n, dtype)
        c[:2] = 2 * tiny, tiny
        if family == "hankel":
            A = sm.Hankel(c[::-1], np.append(c[0], np.full(n - 1, tiny / 8)).astype(dtype))
        elif family == "toeplitz":
            A = sm.Toeplitz(c)
        else:
            A = sm.Circulant(c)
        b = np.full(n, 1e3, dtype)
        for door in (A.solve, lambda b, A=A: A.factorize().solve(b)):
            with pytest.raises(OverflowError, match="solve"):
                door(b)
        assert np.isfinite(A.solve(b * dtype(1e-6))).all()
    with pytest.raises(OverflowError, match="lstsq"):
        sm.Circulant(np.array([2 * tiny, tiny, 0], dtype)).lstsq(np.full(3, 1e3, dtype))


@dtypes
@pytest.mark.parametrize("n", [97, 1009, 4001])
def test_circulant_solutions_of_few_large_entries(n, dtype, rng):
    """LAPACK's ratio, in the 1-norm, for matrices and solutions of a few entries."""
    c = np.zeros(n, dtype)
    c[rng.choice(n, 3, replace=False)] = randn(3, rng, dtype)
    C = sm.Circulant(c)
    X = np.zeros((n, 3), dtype)
    X[5, 0] = X[n // 2, 1] = 1
    X[:, 2] = randn(n, rng, dtype)
    wide = sm.Circulant(c.astype(np.result_type(dtype, np.float64)))
    B = (wide @ X.astype(wide.dtype)).astype(dtype)
    exact = sm.Toeplitz(wide.c, wide._transpose().c).toarray()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", scipy.linalg.LinAlgWarning)
        assert ratio_solve(exact, C.solve(B), B) < LIMIT
        assert ratio_solve(exact, C.solve(B[:, 0]), B[:, 0]) < LIMIT


def test_refinement_is_left_alone_where_it_would_not_converge(rng):
    values = np.ones(101)
    values[7] = values[-7] = 1e-18
    C = sm.Circulant(np.fft.ifft(values).real)
    B = np.eye(101, 2)
    with pytest.warns(scipy.linalg.LinAlgWarning, match="Circulant"):
        X = C.solve(B)
    residual = np.linalg.norm(B - circulant(C.c) @ X, axis=0)
    assert (residual < 4 * eps(B) * 8 * np.linalg.norm(X, axis=0)).all()


@dtypes
def test_eigenvalues_of_hermitian_circulants_have_numpys_dtype(dtype, rng):
    for c in (np.array([4, 1, 1]), np.array([2.0, 1 + 1j, 1 - 1j])):
        if np.iscomplexobj(c) and np.dtype(dtype).kind != "c":
            continue
        C = sm.Circulant(c.astype(dtype))
        assert C.eigvals().dtype == np.linalg.eigvals(C.toarray()).dtype
        w, V = C.eig()
        assert w.dtype == np.linalg.eig(C.toarray()).eigenvalues.dtype
        assert np.allclose(C @ V.toarray(), V.toarray() * w, atol=1e-5)
        assert np.allclose(w.imag, 0)


# ---------------------------------------------------------------- Toeplitz and Hankel systems


@pytest.mark.parametrize("n", [4, 60, 700])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_systems_at_the_ends_of_the_range(n, dtype, rng):
    """2^e A x = 2^f b has the solution 2^(f - e) x, whatever e and f are."""
    limits = np.finfo(dtype)
    c, r = randn(n, rng, dtype) / n, randn(n, rng, dtype) / n
    c[0] = r[0] = 3
    c, r = c.astype(dtype), r.astype(dtype)
    D = scipy.linalg.toeplitz(c, r)
    b = randn(n, rng, dtype)
    top, low = limits.maxexp - 6, limits.minexp + 24
    for e, f in ((top, 0), (top, top), (low, -10), (low, low), (0, top), (0, low), (low, top)):
        T = sm.Toeplitz(scaling.times_power(c, e), scaling.times_power(r, e))
        H = T @ sm.Permutation(np.arange(n)[::-1], dtype)
        for A, M in ((T, D), (H, D[:, ::-1])):
            B = scaling.times_power(b, f)
            if f - e > limits.maxexp:
                with pytest.raises(OverflowError, match="solve"):
                    A.solve(B)
            else:
                x = scaling.times_power(A.solve(B), e - f)
                assert ratio_solve(M, x, b) < LIMIT


@pytest.mark.parametrize("dense_first", [True, False])
def test_each_column_has_its_own_scale(dense_first, rng):
    n = 50
    c, r = rng.standard_normal(n), rng.standard_normal(n)
    D = scipy.linalg.toeplitz(c, r)
    B = rng.standard_normal((n, 4)) * np.array([1e-320, 1e-290, 1.0, 1e300])
    X = ToeplitzLU(sm.Toeplitz(c, r), "Toeplitz", dense_first)._solve(B)
    for k in (1, 2, 3):
        assert ratio_solve(D, X[:, k] / abs(B[:, k]).max(), B[:, k] / abs(B[:, k]).max()) < LIMIT
    exact = np.linalg.solve(D, B[:, 0] * 2.0**1000)
    assert np.abs(X[:, 0] * 2.0**1000 - exact).max() < 2.0**-70  # a unit or so in 2^-1074


def test_subnormal_and_huge_examples():
    for c, b, x in (
        ([2e-310, 1e-310, 0, 0], 1e-310, [0.4, 0.2, 0.2, 0.4]),
        (8e307 * np.array([2.0, 1, 0, 0]), 8e307, [0.4, 0.2, 0.2, 0.4]),
        ([2e300, 1e300, 0, 0], 1e-300, [0, 0, 0, 0]),
    ):
        assert sm.Toeplitz(c).solve(np.full(4, b)) == pytest.approx(x, rel=1e-12, abs=1e-300)


# ---------------------------------------------------------------- factors


def test_factors_are_shared_by_threads(rng, monkeypatch):
    """Each kind is made once, and every thread gets the answer that it would get alone."""
    made = []
    for kind in (CauchyLU, DenseLU):
        start = kind.__init__

        def counted(self, *args, start=start, kind=kind):
            made.append(kind)
            start(self, *args)

        monkeypatch.setattr(kind, "__init__", counted)
    right = CauchyLU.solve
    monkeypatch.setattr(CauchyLU, "solve", lambda self, B: right(self, B) * (1 + (abs(B[0]) > 0.5)))
    c, r = rng.standard_normal(400), rng.standard_normal(400)
    factor, D = ToeplitzLU(sm.Toeplitz(c, r), "Toeplitz"), scipy.linalg.toeplitz(c, r)
    B = rng.standard_normal((400, 16))
    ratios = np.full(16, np.inf)

    def work(k):
        ratios[k] = ratio_solve(D, factor._solve(B[:, k : k + 1]), B[:, k : k + 1])

    threads = [threading.Thread(target=work, args=(k,)) for k in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (ratios < LIMIT).all()
    assert made == [CauchyLU, DenseLU]
    assert ratio_solve(D, factor._solve(B), B) < LIMIT, "only some columns need the other factors"
    assert made == [CauchyLU, DenseLU]


def test_only_the_columns_that_were_missed_change_factors(rng, monkeypatch):
    c, r = rng.standard_normal(64), rng.standard_normal(64)
    factor = ToeplitzLU(sm.Toeplitz(c, r), "Toeplitz")
    B = rng.standard_normal((64, 5))
    X = factor._solve(B)
    first = factor._first.solve
    factor._first.solve = lambda B: first(B) * (1 + 1e-3 * (abs(B[0]) == abs(B).max(0)))
    B[0, 2] = 100
    seen = []
    second = factor._make(True)
    solve = second.solve
    second.solve = lambda B: seen.append(B.shape[1]) or solve(B)
    factor._second = second
    changed = factor._solve(B)
    assert seen == [1]
    assert np.array_equal(changed[:, [0, 1, 3, 4]], X[:, [0, 1, 3, 4]])


@dtypes
@pytest.mark.parametrize("n", [1, 2, 8, 31, 200])
def test_dense_factors_without_growth_are_lapacks(n, dtype, rng):
    """Not checked, and as good as what is checked."""
    for c, r in (
        (randn(n, rng, dtype), randn(n, rng, dtype)),
        (1 + 1e-6 * randn(n, rng, dtype), 1 + 1e-6 * randn(n, rng, dtype)),
        (randn(n, rng, dtype) * 0.5 ** np.arange(n), randn(n, rng, dtype)),
    ):
        T = sm.Toeplitz(c.astype(dtype), r.astype(dtype))
        factor = ToeplitzLU(T, "Toeplitz", dense_first=True)
        B = randn((n, 2), rng, dtype)
        assert ratio_solve(T.toarray(), factor._solve(B), B) < 10


# ---------------------------------------------------------------- triangular ones


@dtypes
@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 17, 300])
def test_substitution(n, dtype, rng):
    c = randn(n, rng, dtype) / np.arange(1, n + 1)
    c[0] = 2
    c, zero = c.astype(dtype), np.zeros(n, dtype)
    for A in (sm.Toeplitz(c, zero), sm.Toeplitz(zero, c) if n > 1 else sm.Toeplitz(c)):
        if A.c[0] == 0:
            A = sm.Toeplitz(np.append(c[:1], zero[1:]), c)
        D = A.toarray()
        for k in (1, 3):
            B = randn((n, k), rng, dtype)
            assert ratio_solve(D, A.solve(B), B) < 10
        factor = A.factorize()
        assert isinstance(factor, Substitution)
        assert factor.rcond == pytest.approx(1 / np.linalg.cond(D, 1), rel=1e-3)
        expected = np.linalg.slogdet(D)
        sign, value = A.slogdet()
        assert sign == pytest.approx(expected.sign, abs=1e-4)
        assert value == pytest.approx(expected.logabsdet, rel=1e-5, abs=1e-4)
        J = sm.Permutation(np.arange(n)[::-1])
        H = A @ J
        B = randn(n, rng, dtype)
        assert ratio_solve(H.toarray(), H.solve(B), B) < 10


def test_substitution_is_accurate_entry_by_entry():
    """A solution that falls over 150 decades, each entry with all of its digits."""
    n = 500
    c = np.append([1.0, -0.5], np.zeros(n - 2))
    x = sm.Toeplitz(c, np.zeros(n)).solve(np.eye(1, n)[0])
    assert np.array_equal(x, 0.5 ** np.arange(n))


def test_large_triangular_matrices_need_no_array(monkeypatch, rng):
    n = 200_000
    c = np.zeros(n)
    c[:2] = -3, 1e-3
    assert sm.Toeplitz(c, np.append(c[0], np.zeros(n - 1))).slogdet() == (1, n * np.log(3))
    odd = sm.Toeplitz(c[:-1], np.append(c[0], np.zeros(n - 2))).slogdet()
    assert odd == (-1, (n - 1) * np.log(3))
    monkeypatch.setattr(_checks, "fits", lambda nbytes: nbytes < 2**20)
    n = 3000
    A = sm.Toeplitz(c[:n], np.append(c[0], np.zeros(n - 1)))
    b = rng.standard_normal(n)
    assert np.allclose(A @ A.solve(b), b)
    assert "substitution" in A.explain("solve").algorithm


# ---------------------------------------------------------------- iteration


def test_an_empty_system_can_be_iterated():
    for family in FAMILIES.values():
        x = sm.linalg.solve(family(np.zeros(0)), np.zeros(0), method="iterative")
        assert x.shape == (0,)


def test_explain_says_that_a_matrix_whose_factors_do_not_fit_is_iterated(monkeypatch):
    monkeypatch.setattr(_checks, "fits", lambda nbytes: nbytes < 2500**2 * 4)
    T = sm.Toeplitz(0.9 ** np.arange(2500.0))
    assert "iteration" in T.explain("solve").algorithm
    assert "Cauchy-like" in sm.Toeplitz(0.9 ** np.arange(900.0)).explain("solve").algorithm
