"""LAPACK's test ratios of the elementary families on hard inputs; scale; size."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from support import (
    DTYPES,
    eps,
    randn,
    randsvd,
    ratio_eigh,
    ratio_factors,
    ratio_inverse,
    ratio_orthogonal,
    ratio_solve,
    ratio_svd,
)

import structmat as sm

LIMIT = 10
dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)

# ---------------------------------------------------------------- LAPACK ratios on hard inputs


def bands_of(M, lower, upper):
    i, j = np.indices(M.shape)
    return np.where((i - j <= lower) & (j - i <= upper), M, 0)


def hard_dense(n, dtype):
    """Random, graded, clustered, nearly singular, and at the ends of the range."""
    rng = np.random.default_rng(7)
    yield "random", randn((n, n), rng, dtype)
    cond = 1e4 if np.dtype(dtype).itemsize // (1 + (np.dtype(dtype).kind == "c")) == 4 else 1e12
    for kind in ("graded", "clustered", "random"):
        yield f"{kind} {cond:.0e}", randsvd(n, kind, cond, 3, dtype)
    scale = (10.0 ** -np.linspace(0, 8, n)).astype(np.finfo(dtype).dtype)
    yield "rows graded", scale[:, None] * randn((n, n), rng, dtype)
    big = 1e15 if cond == 1e4 else 1e150
    yield "large", (randn((n, n), rng, dtype) * dtype(big)).astype(dtype)
    yield "small", (randn((n, n), rng, dtype) / dtype(big)).astype(dtype)


def structured(M):
    """The families' versions of the interesting part of M."""
    B = bands_of(M, 2, 3)
    yield sm.Dense(M), M
    yield sm.Banded.from_dense(B, 2, 3), B
    T = bands_of(M, 1, 1)
    yield sm.Tridiagonal(T.diagonal(-1), T.diagonal(), T.diagonal(1)), T
    yield sm.Sparse(sp.csr_array(B)), B
    heavy = np.diag(np.abs(M).sum(1)).astype(M.dtype)
    yield sm.Triangular(M + heavy), np.tril(M + heavy)
    yield sm.Triangular(M + heavy, False), np.triu(M + heavy)
    for lower, upper in ((2, 0), (0, 2)):
        B = bands_of(M + heavy, lower, upper)
        yield sm.Banded.from_dense(B, lower, upper), B
    yield sm.Diagonal(M.diagonal()), np.diag(M.diagonal())


@pytest.mark.filterwarnings("ignore::scipy.linalg.LinAlgWarning")
@dtypes
def test_solves_and_determinants_on_hard_inputs(dtype):
    for name, M in hard_dense(24, dtype):
        for A, D in structured(M):
            b = randn((24, 2), np.random.default_rng(1), dtype)
            where = f"{type(A).__name__}, {name}"
            x = A.solve(b)
            assert x.dtype == dtype, where
            assert ratio_solve(D, x, b) < LIMIT * len(D), where  # xGET02 divides by no n
            sign, logabsdet = A.slogdet()
            wide = D.astype(np.result_type(D, np.float64))
            top = np.abs(wide).max()
            expected_sign, expected = np.linalg.slogdet(wide / top)
            expected += len(D) * np.log(top)
            # Relative perturbation eps of A moves log|det| by up to n cond eps.
            cond = min(np.linalg.cond(wide / np.abs(wide).max()), 1e12)
            tolerance = 100 * eps(D) * (len(D) * cond + abs(expected))
            assert abs(logabsdet - expected) <= tolerance, where
            if tolerance < 0.1:
                assert abs(sign - expected_sign) < 0.1 + tolerance, where


@dtypes
def test_rcond_is_within_lapacks_factor(dtype):
    M = randn((20, 20), np.random.default_rng(5), dtype) + 3 * np.eye(20, dtype=dtype)
    for A, D in structured(M):
        exact = 1 / np.linalg.cond(D.astype(np.result_type(D, np.float64)), 1)
        assert exact * 0.9 <= A.factorize().rcond <= exact * 10, type(A).__name__


@dtypes
def test_hermitian_spectra_on_hard_inputs(dtype):
    n = 24
    for name, M in hard_dense(n, dtype):
        H = M / 2 + M.conj().T / 2
        np.fill_diagonal(H, H.diagonal().real)
        T, B = bands_of(H, 1, 1), bands_of(H, 3, 3)
        for A, D in (
            (sm.Dense(H), H),
            (sm.Tridiagonal(T.diagonal(-1), T.diagonal(), T.diagonal(1)), T),
            (sm.Banded.from_dense(B, 3, 3), B),
        ):
            where = f"{type(A).__name__}, {name}"
            w, V = A.eigh()
            assert V.dtype == dtype, where
            assert ratio_eigh(D, w, V) < LIMIT, where
            assert ratio_orthogonal(V, D) < LIMIT, where
            U, S, Vh = A.svd()
            assert ratio_svd(D, U, S, Vh) < LIMIT, where
            assert_allclose(A.eigvalsh(), w, atol=30 * eps(D) * abs(w).max())
            for which in ("LA", "SA", "SM"):
                few, X = sm.linalg.eigsh(A, k=3, which=which)
                expected = {"LA": w[-3:], "SA": w[:3]}.get(
                    which, np.sort(w[np.argsort(abs(w), kind="stable")[:3]])
                )
                assert_allclose(few, expected, atol=30 * eps(D) * abs(w).max(), err_msg=where)
                assert ratio_orthogonal(X, D) < LIMIT, where


@dtypes
def test_cholesky_on_hard_inputs(dtype):
    n = 20
    for name, M in hard_dense(n, dtype):
        if name in ("large", "small"):
            continue
        B = bands_of(M @ M.conj().T, 2, 2) + np.diag(np.abs(M @ M.conj().T).sum(1)).astype(dtype)
        np.fill_diagonal(B, B.diagonal().real)
        T = bands_of(B, 1, 1)
        for A, D in (
            (sm.Dense(B), B),
            (sm.Banded.from_dense(B, 2, 2), B),
            (sm.Tridiagonal(T.diagonal(-1), T.diagonal(), T.diagonal(1)), T),
        ):
            L = A.cholesky()
            assert isinstance(L, sm.Triangular if type(A) is sm.Dense else sm.Banded)
            L = L.toarray()
            assert L.dtype == dtype
            assert ratio_factors(D, L @ L.conj().T) < LIMIT, f"{type(A).__name__}, {name}"


@dtypes
def test_inverses_stay_in_the_family(dtype):
    rng = np.random.default_rng(2)
    M = randn((20, 20), rng, dtype) + 6 * np.eye(20, dtype=dtype)
    for A in (
        sm.Dense(M), sm.Triangular(M), sm.Triangular(M, False), sm.Triangular(M / 9, True, True),
        sm.Diagonal(M[0]), sm.Permutation(rng.permutation(20), dtype),
    ):  # fmt: skip
        X = A.inv()
        assert type(X) is type(A)
        assert X.dtype == dtype
        assert ratio_inverse(A.toarray(), X.toarray()) < LIMIT


# ---------------------------------------------------------------- scale and size


def test_diagonals_at_the_ends_of_the_range():
    d = np.array([1e-300, 1e300, 1e-150, 1e150])
    D = sm.Diagonal(d)
    sign, value = D.slogdet()
    assert sign == 1
    assert_allclose(value, 0, atol=1e-10)
    assert_allclose(sm.Diagonal([3e200, 4e200]).norm(), 5e200, rtol=1e-15)
    assert_allclose(sm.Diagonal([3e-200, 4e-200]).norm(), 5e-200, rtol=1e-15)
    assert sm.Tridiagonal([3e200], [4e200, 0.0], [0.0]).norm() == pytest.approx(5e200, rel=1e-14)
    assert_allclose(sm.Diagonal(np.array([1e38, 1e38], np.float32)).slogdet()[1], 2 * np.log(1e38),
                    rtol=1e-6)  # fmt: skip
    z = np.full(2, 1.2e308 + 1.2e308j)
    expected = 2 * (np.log(1.2e308) + 0.5 * np.log(2))
    assert_allclose(sm.Diagonal(z).slogdet()[1], expected, rtol=1e-14)
    with pytest.raises(OverflowError, match="A \\*\\* n"):
        sm.Diagonal([1e200]) ** 2
    with pytest.raises(OverflowError, match="expm"):
        sm.linalg.expm(sm.Diagonal([1000.0]))
    with pytest.raises(OverflowError, match="inv"):
        sm.Diagonal([1e-310]).inv()


def test_sums_of_a_column_may_overflow():
    big = np.full(4, 1.2e308)
    T = sm.Tridiagonal(big[:3] / 2, big, big[:3] / 3)
    x = T.solve(np.full(4, 1e300))
    assert_allclose((T.toarray() / 1e300) @ x, np.ones(4), rtol=1e-14)
    assert_allclose(T.slogdet()[1], np.linalg.slogdet(T.toarray() / 1e300)[1] + 4 * np.log(1e300))
    B = T._banded()
    assert_allclose(B.solve(np.full(4, 1e300)), x, rtol=1e-14)
    assert_allclose(B.slogdet()[1], T.slogdet()[1])


def test_large_matrices_cost_what_they_should():
    n = 200_000
    rng = np.random.default_rng(0)
    b = rng.standard_normal(n)
    T = sm.random(sm.Tridiagonal, n, rng=1)
    B = sm.random(sm.Banded, n, rng=1)
    P = sm.Permutation(rng.permutation(n))
    D = sm.random(sm.Diagonal, n, rng=1)
    for A in (T, B, P, D, sm.Identity(n)):
        x = A.solve(b)
        assert np.abs(A @ x - b).max() < 1e-12
        assert np.isfinite(A.slogdet()[1])
        assert A[n - 1, n - 1] == A.diagonal()[-1]
        assert A.norm(1) > 0
        assert A.explain("solve").dense_seconds > 1e6 * A.explain("solve").seconds
    assert (P @ P.inv()).trace() == n
    assert (T @ T).lower == 2
    U, S, Vh = D.svd()
    assert np.abs(U @ (S * (Vh @ b)) - D @ b).max() < 1e-14
    assert sm.Identity(10**15).trace() == 10**15
    assert sm.Identity(10**15)[5, 5] == 1
    assert (3 * sm.Identity(10**9)).nbytes == 8
