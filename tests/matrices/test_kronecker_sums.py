"""What only Kronecker sums, K + D, two-term sums and Khatri-Rao products promise."""

import math

import numpy as np
import pytest
import scipy.linalg
from cases.kronecker_sums import columnwise, general, kron, kronsum, spd, symmetric
from support import (
    DTYPES,
    eps,
    orthogonal,
    randn,
    randsvd,
    ratio_eigh,
    ratio_orthogonal,
    ratio_solve,
    ratio_svd,
)

import structmat as sm
from structmat.matrices.kronecker import substitution
from structmat.matrices.kronecker.eigenbasis import KroneckerEigenbasis
from structmat.matrices.kronecker.modes import schur_mode

KINDS = ("even", "graded", "clustered", "random")
SCALES = {4: (1.0, 1e15, 1e-15), 8: (1.0, 1e150, 1e-150)}


def hermitian(n, kind, cond, seed, dtype):
    Q = orthogonal(n, np.random.default_rng(seed), dtype)
    A = (Q * np.linalg.svd(randsvd(n, kind, cond, seed), compute_uv=False)) @ Q.conj().T
    return ((A + A.conj().T) / 2).astype(dtype)


# ---------------------------------------------------------------- LAPACK's ratios


@pytest.mark.filterwarnings("ignore:ill-conditioned")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("which", ["general", "hermitian", "mixed", "three"])
def test_sum_solve_ratio(which, kind, dtype):
    rng = np.random.default_rng(1)
    cond = 1e12 if eps(np.zeros(1, dtype)) < 1e-10 else 1e5
    real = np.zeros(1, dtype).real.dtype
    for scale in SCALES[real.itemsize]:
        seeds = iter(range(7, 20))
        build = {
            "general": lambda n: randsvd(n, kind, cond, next(seeds), dtype),  # noqa: B023
            "hermitian": lambda n: hermitian(n, kind, cond, next(seeds), dtype),  # noqa: B023
        }
        build["mixed"] = build["general"]
        build["three"] = build["general"]
        sizes = (3, 5, 4) if which == "three" else (7, 6)
        factors = [build[which](n) * real.type(scale) for n in sizes]
        if which == "mixed":
            factors[0] = build["hermitian"](7) * real.type(scale)
        b = randn((math.prod(sizes), 3), rng, dtype)
        x = sm.KroneckerSum(*factors).solve(b)
        assert x.dtype == dtype
        assert ratio_solve(kronsum(*factors), x, b) < 30


@pytest.mark.filterwarnings("ignore:ill-conditioned")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("which", ["general", "hermitian"])
def test_shifted_and_two_term_solve_ratio(which, kind, dtype):
    rng = np.random.default_rng(2)
    cond = 1e10 if eps(np.zeros(1, dtype)) < 1e-10 else 1e4
    real = np.zeros(1, dtype).real.dtype
    for scale in SCALES[real.itemsize]:

        def factors(seed, scale=scale):
            make = hermitian if which == "hermitian" else lambda *a: randsvd(*a[:4], dtype=a[4])
            F, G = (make(n, kind, cond, seed + n, dtype) for n in (6, 5))
            # Of very different magnitude, with a representable product.
            return F * real.type(scale), G / real.type(scale)

        first, second = factors(1), factors(50)
        b = randn((30, 2), rng, dtype)
        for shift in (1e-6, 1.0):
            A = sm.KroneckerPlusDiagonal(sm.Kronecker(*first), shift)
            dense = kron(*first) + real.type(shift) * np.eye(30, dtype=dtype)
            assert ratio_solve(dense, A.solve(b), b) < 30
        A = sm.KroneckerTwoTerm(sm.Kronecker(*first), sm.Kronecker(*second))
        assert ratio_solve(kron(*first) + kron(*second), A.solve(b), b) < 30


@pytest.mark.parametrize("dtype", DTYPES)
def test_spectral_ratios(dtype):
    factors = [hermitian(n, "graded", 1e3, n, dtype) for n in (5, 6)]
    for A, dense in (
        (sm.KroneckerSum(*factors), kronsum(*factors)),
        (
            sm.Kronecker(*factors) + sm.Identity(30, dtype),
            kron(*factors) + np.eye(30, dtype=dtype),
        ),
    ):
        w, V = A.eigh()
        assert bool((w[1:] >= w[:-1]).all())
        assert ratio_eigh(dense, w, V) < 30
        assert ratio_orthogonal(V, dense) < 30
        U, S, Vh = A.svd()
        assert ratio_svd(dense, U, S, Vh) < 30
    factors = [randn((n, 4), np.random.default_rng(n), dtype) for n in (5, 7, 3)]
    A = sm.KhatriRao(*factors)
    U, S, Vh = A.svd(full_matrices=False)
    assert ratio_svd(columnwise(*factors), U, S, Vh) < 30
    assert ratio_orthogonal(U, S) < 30


# ---------------------------------------------------------------- singular, nearly singular


def test_a_singular_sum_is_refused_by_name():
    A, B = np.diag([1.0, 2.0, 5.0]), np.diag([4.0, 3.0, -5.0])
    with pytest.raises(
        np.linalg.LinAlgError, match="eigenvalue 2 of factor 0 plus eigenvalue 0 of factor 1"
    ):
        sm.KroneckerSum(A, B).solve(np.ones(9))
    B = np.array([[-5.0, 1.0], [0.0, 7.0]])  # not normal: by Schur forms
    with pytest.raises(np.linalg.LinAlgError, match=r"factor 0 plus .* factor 1 is zero"):
        sm.KroneckerSum(A, B).solve(np.ones(6))
    assert sm.KroneckerSum(A, B).slogdet() == (0.0, -np.inf)
    with pytest.raises(np.linalg.LinAlgError, match="plus"):
        sm.KroneckerSum(np.diag([1.0, 2.0]), np.diag([-2.0, 5.0])).inv()


def test_singular_shifts_and_pencils_are_refused_by_name():
    A = sm.Kronecker(np.diag([1.0, 2.0]), np.diag([3.0, 4.0])) + sm.Identity(4) * -6
    with pytest.raises(np.linalg.LinAlgError, match="eigenvalue 1 of factor 0 times eigenvalue 0"):
        A.solve(np.ones(4))
    assert A.slogdet() == (0.0, -np.inf)
    upper = np.array([[2.0, 1.0], [0.0, 4.0]])
    with pytest.raises(np.linalg.LinAlgError, match="is minus the shift -8"):
        (sm.Kronecker(upper, upper) + sm.Identity(4) * -8).solve(np.ones(4))
    first, second = (upper, np.eye(2)), (-2 * np.eye(2), np.array([[1.0, 1.0], [0.0, 1.0]]))
    with pytest.raises(np.linalg.LinAlgError, match="two terms cancel"):
        sm.KroneckerTwoTerm(sm.Kronecker(*first), sm.Kronecker(*second)).solve(np.ones(4))


@pytest.mark.parametrize("normal", [True, False])
def test_nearly_singular_warns_and_answers(normal):
    A, B = np.diag([1.0, 2.0]), np.diag([-2.0 * (1 + 2e-16), 5.0])
    if not normal:
        B[0, 1] = 1
    K = sm.KroneckerSum(A, B)
    b = np.ones(4)
    with pytest.warns(scipy.linalg.LinAlgWarning, match="KroneckerSum"):
        x = K.solve(b)
    assert ratio_solve(kronsum(A, B), x, b) < 30


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_rcond_follows_the_condition_number(dtype):
    rng = np.random.default_rng(5)
    for cond in (1e2, 1e5, 1e8):
        A, B = randsvd(6, "graded", cond, 3, dtype), randsvd(5, "graded", cond, 4, dtype)
        K = sm.KroneckerSum(A, B)
        true = 1 / np.linalg.cond(K.toarray())
        assert true / 200 < K.factorize().rcond < 50 * true
        P = sm.KroneckerPlusDiagonal(sm.Kronecker(A, B), 1e-6)
        true = 1 / np.linalg.cond(P.toarray())
        assert true / 200 < P.factorize().rcond < 50 * true
        C, D = (general(n, rng, dtype) for n in (6, 5))
        T = sm.KroneckerTwoTerm(sm.Kronecker(A, B), sm.Kronecker(C, D))
        true = 1 / np.linalg.cond(T.toarray())
        assert true / 200 < T.factorize().rcond < 50 * true


def test_nan_is_refused():
    bad = np.array([[1.0, np.nan], [0.0, 1.0]])
    for A in (
        sm.KroneckerSum(bad, np.eye(2)),
        sm.Kronecker(bad, np.eye(2)) + sm.Identity(4),
        sm.KroneckerTwoTerm(sm.Kronecker(bad, bad), sm.Kronecker(np.eye(2), np.eye(2))),
    ):
        with pytest.raises(ValueError, match="infs or NaNs"):
            A.solve(np.ones(4))
        assert np.isnan(A @ np.ones(4)).any()


# ---------------------------------------------------------------- substitution


@pytest.mark.parametrize("sizes", [(3,), (7, 4), (2, 3, 4), (2, 70, 3), (9, 8, 7, 2)])
@pytest.mark.parametrize("columns", [1, 3])
def test_triangular_solvers_and_their_adjoints(sizes, columns):
    rng = np.random.default_rng(7)
    for dtype in (np.float64, np.complex128):
        Ts = [np.triu(general(n, rng, dtype)) for n in sizes]
        Ss = [np.triu(general(n, rng, dtype)) for n in sizes]
        modes = [type(schur_mode(np.eye(1)))(T, None) for T in Ts]
        N = math.prod(sizes)
        X = randn((N, columns), rng, dtype)
        if len(sizes) > 1:  # a diagonal mode among triangles
            modes[0] = modes[0]._replace(T=Ts[0].diagonal().copy())
        dense = kronsum(*(np.diag(m.T) if m.T.ndim == 1 else m.T for m in modes))
        if any(m.T.ndim == 2 for m in modes):
            _check_solver(substitution.sum_solver(modes), dense, X)
        pairs = substitution.pair_solver(list(zip(Ts, Ss, strict=True)), (0.5, 1.0), 3)
        _check_solver(pairs, 8 * (0.5 * kron(*Ts) + kron(*Ss)), X)
        shifted = substitution.pair_solver([(T, None) for T in Ts], (0.5, 1.0), -2)
        _check_solver(shifted, (0.5 * kron(*Ts) + np.eye(N)) / 4, X)


def _check_solver(triangular, dense, X):
    before = X.copy()
    assert ratio_solve(dense, substitution.solved(*triangular, X), X) < 30
    Y = substitution.solved(*triangular, X, adjoint=True)
    assert ratio_solve(dense.conj().T, Y, X) < 30
    assert np.array_equal(X, before)


def test_columns_are_solved_as_one_block():
    rng = np.random.default_rng(8)
    A = sm.KroneckerSum(*(general(n, rng) for n in (4, 5, 3)))
    factor = A.factorize()
    B = rng.standard_normal((60, 6))
    X = factor.solve(B)
    for j in range(6):
        assert np.allclose(factor.solve(B[:, j]), X[:, j], rtol=1e-12, atol=1e-13)
    assert "Bartels" in factor.method
    assert factor.slogdet().logabsdet == pytest.approx(A.slogdet().logabsdet, rel=1e-12)


# ---------------------------------------------------------------- sizes that are never formed


def test_huge_sums_need_nothing_of_size_n():
    n = 300
    second = 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)
    A = sm.KroneckerSum(*[second] * 4)
    assert A.shape == (n**4, n**4)
    exact = 2 - 2 * np.cos(np.pi * np.arange(1, n + 1) / (n + 1))
    w, V = sm.linalg.eigsh(A, 5, "LA")
    assert np.allclose(w[-1], 4 * exact[-1], rtol=1e-13)
    assert np.allclose(w[:-1], 3 * exact[-1] + exact[-2], rtol=1e-13)
    assert V.shape == (n**4, 5)
    assert sm.linalg.norm(A, 2) == pytest.approx(4 * exact[-1], rel=1e-13)
    assert sm.linalg.trace(A) == pytest.approx(8.0 * n**4, rel=1e-13)
    fro = math.sqrt(n**4 * 64 + 4 * n**3 * 2 * (n - 1))
    assert sm.linalg.norm(A) == pytest.approx(fro, rel=1e-13)
    i = n**4 - 1
    assert A[i, i] == 8
    assert A[i, i - 1] == -1
    assert A[i, i - n - 1] == 0


def test_indices_beyond_int64():
    A = sm.KroneckerSum(*[np.diag([1.0] * 100) + np.eye(100, k=1)] * 12)
    assert A.shape[0] == 100**12
    i = 100**12 - 2
    assert A[i, i] == 12
    assert A[i, i + 1] == 1
    assert A[i + 1, i] == 0
    assert float(A.trace()) == pytest.approx(12.0 * 100**12, rel=1e-13)
    assert sm.linalg.norm(A) == pytest.approx(10**12 * math.sqrt(144 + 12 * 0.99), rel=1e-13)
    P = sm.Kronecker(*[np.eye(100)] * 12) + sm.Identity(100**12)
    assert P[i, i] == 2
    assert float(P.trace()) == 2.0 * 100**12
    K = sm.KhatriRao(*[np.arange(1.0, 301).reshape(100, 3)] * 12)
    assert K[100**12 - 1, 2] == pytest.approx(300.0**12)


@pytest.mark.parametrize("which", ["LM", "SM", "LA", "SA"])
def test_eigsh_is_the_end_of_the_spectrum(which):
    rng = np.random.default_rng(9)
    factors = [symmetric(n, rng) for n in (3, 4, 5)]
    w = np.linalg.eigvalsh(kronsum(*factors))
    key = {"LM": -abs(w), "SM": abs(w), "LA": -w, "SA": w}[which]
    expected = np.sort(w[np.argsort(key, kind="stable")[:7]])
    A = sm.KroneckerSum(*factors)
    found, V = sm.linalg.eigsh(A, 7, which)
    assert np.allclose(found, expected, atol=1e-13)
    assert np.linalg.norm(A @ V.toarray() - V.toarray() * found) < 1e-12
    for shift in (0.0, 20.0, -20.0):
        P = sm.KroneckerPlusDiagonal(sm.Kronecker(*factors), shift)
        w = np.linalg.eigvalsh(kron(*factors) + shift * np.eye(60))
        key = {"LM": -abs(w), "SM": abs(w), "LA": -w, "SA": w}[which]
        expected = np.sort(w[np.argsort(key, kind="stable")[:4]])
        assert np.allclose(sm.linalg.eigsh(P, 4, which).eigenvalues, expected, atol=1e-12)


# ---------------------------------------------------------------- functions


def test_expm_of_a_sum_is_a_product_and_does_not_overflow():
    rng = np.random.default_rng(10)
    A, B = symmetric(3, rng), symmetric(4, rng)
    E = sm.linalg.expm(sm.KroneckerSum(A + 900 * np.eye(3), B - 900 * np.eye(4)))
    assert isinstance(E, sm.Kronecker)
    assert np.allclose(E.toarray(), scipy.linalg.expm(kronsum(A, B)), rtol=1e-11)


def test_functions_of_a_covariance_stay_in_the_eigenbasis():
    rng = np.random.default_rng(11)
    A = sm.Kronecker(spd(3, rng), spd(4, rng)) + 0.1 * sm.eye(12)
    dense = A.toarray()
    root = sm.linalg.sqrtm(A)
    for found, expected in (
        (A.inv(), np.linalg.inv(dense)),
        (root, scipy.linalg.sqrtm(dense)),
        (root.inv(), np.linalg.inv(scipy.linalg.sqrtm(dense))),
        (sm.linalg.logm(A), scipy.linalg.logm(dense)),
        (A**3, dense @ dense @ dense),
        (A**-2, np.linalg.inv(dense @ dense)),
    ):
        assert isinstance(found, KroneckerEigenbasis)
        assert np.allclose(found.toarray(), expected, rtol=1e-9, atol=1e-12)


def test_logdet_when_eigenvalues_of_the_product_underflow():
    tiny = 1e-200 * np.eye(3)
    A = sm.KroneckerPlusDiagonal(sm.Kronecker(tiny, tiny), 2.0)
    assert A.logdet() == pytest.approx(9 * math.log(2))
    assert A.solve(np.ones(9)) == pytest.approx(np.full(9, 0.5))
    A = sm.KroneckerPlusDiagonal(sm.Kronecker(tiny, tiny), 0.0)
    assert A.logdet() == pytest.approx(18 * math.log(1e-200))
    mixed = sm.Kronecker(1e200 * np.eye(2), 1e200 * np.eye(2), 1e-300 * np.eye(2))
    A = sm.KroneckerPlusDiagonal(mixed, 1.0)
    assert A.logdet() == pytest.approx(8 * math.log(1e100))
    assert sm.linalg.norm(A, 2) == pytest.approx(1e100)


def test_slogdet_of_an_indefinite_covariance_has_a_sign():
    """Rounding makes K slightly indefinite: no eigenvalue is clipped."""
    K = sm.Kronecker(np.diag([1.0, -1e-8]), np.diag([1.0, 2.0, 3.0])) + 1e-9 * sm.eye(6)
    sign, logabsdet = K.slogdet()
    expected = np.linalg.slogdet(K.toarray())
    assert sign == expected.sign == -1
    assert logabsdet == pytest.approx(expected.logabsdet, rel=1e-12)


# ---------------------------------------------------------------- which algorithm


def test_any_diagonal_takes_preconditioned_conjugate_gradients():
    rng = np.random.default_rng(12)
    r = np.subtract.outer(np.arange(60.0), np.arange(60.0))
    K = sm.Kronecker(np.exp(-((r / 9) ** 2)), np.exp(-abs(r / 9)))
    d = np.exp(0.3 * rng.standard_normal(3600)) * 0.1
    A = K + sm.Diagonal(d)
    b = rng.standard_normal(3600)
    x, info = A.solve(b, return_info=True)
    assert "conjugate gradients" in info.method
    assert info.n_iter <= 40
    assert np.linalg.norm(K @ x + d * x - b) <= 1e-9 * np.linalg.norm(b)
    assert A._factorize() is NotImplemented
    with pytest.raises(NotImplementedError):
        A.factorize()


def test_a_diagonal_that_is_a_product_is_found():
    rng = np.random.default_rng(13)
    K = sm.Kronecker(spd(4, rng), spd(5, rng))
    D = sm.kron(sm.Diagonal(rng.uniform(1, 2, 4)), sm.Diagonal(rng.uniform(1, 2, 5)))
    A = K + D
    assert isinstance(A.shift, tuple)
    assert "congruence" in A.factorize().method
    b = rng.standard_normal(20)
    assert ratio_solve(A.toarray(), A.solve(b), b) < 30
    assert A.slogdet().logabsdet == pytest.approx(np.linalg.slogdet(A.toarray())[1], rel=1e-12)
    assert isinstance((K + sm.Diagonal(np.full(20, 3.0))).shift, float)
    assert (K + sm.Diagonal(rng.uniform(1, 2, 20))).shift.shape == (20,)


def test_congruence_only_where_it_is_accurate():
    rng = np.random.default_rng(14)
    good = [spd(4, rng), spd(3, rng)]
    bad = [np.diag([1.0, 1e-3, 1e-6, 1e-11]), np.eye(3)]
    S = [symmetric(4, rng), symmetric(3, rng)]
    b = rng.standard_normal(12)
    for second, method in ((good, "congruence"), (bad, "QZ")):
        A = sm.KroneckerTwoTerm(sm.Kronecker(*S), sm.Kronecker(*second))
        x, info = A.solve(b, return_info=True)
        assert method in info.method
        assert ratio_solve(kron(*S) + kron(*second), x, b) < 30
    # Negative definite pairs count as definite.
    negative = sm.Kronecker(-good[0], -good[1])
    assert "congruence" in sm.KroneckerTwoTerm(sm.Kronecker(*S), negative).factorize().method


def test_khatri_rao_least_squares_does_not_square_the_condition():
    """Columns that differ by 1e-7: the normal equations have no digit left."""
    rng = np.random.default_rng(15)
    u, v = rng.standard_normal((30, 2)).T
    A = np.stack([u, u + 1e-7 * v], axis=1)
    B = np.stack([v, v], axis=1)
    K = sm.KhatriRao(A, B)
    exact = np.array([2.0, -1.0])
    x, _, rank, S = sm.linalg.lstsq(K, K @ exact)
    assert rank == 2
    assert np.allclose(x, exact, atol=1e-7)
    assert np.allclose(S, np.linalg.svd(columnwise(A, B), compute_uv=False), rtol=1e-7)
    with np.errstate(all="ignore"):
        normal = np.linalg.pinv(K.gram()) @ (K.H @ (K @ exact))
    assert not np.allclose(normal, exact, atol=1e-3)


@pytest.mark.parametrize("columns", [1, 8, 9, 40])
def test_khatri_rao_products_by_block_size(columns, monkeypatch):
    from structmat.matrices.kronecker import columns as _columns

    monkeypatch.setattr(_columns, "BATCH", 50)
    rng = np.random.default_rng(16)
    factors = [randn((n, 5), rng, np.complex128) for n in (6, 3, 4)]
    dense, A = columnwise(*factors), sm.KhatriRao(*factors)
    X, Y = randn((5, columns), rng, np.complex128), randn((72, columns), rng, np.complex128)
    assert np.allclose(A @ X, dense @ X, rtol=1e-13)
    assert np.allclose(A.H @ Y, dense.conj().T @ Y, rtol=1e-12)
    assert np.allclose(A.gram(), dense.conj().T @ dense, rtol=1e-13)


# ---------------------------------------------------------------- closure


def test_sums_keep_their_structure():
    rng = np.random.default_rng(17)
    A, B, C, D = (general(n, rng) for n in (3, 4, 3, 4))
    K = sm.Kronecker(A, B)
    eye = sm.Identity(12)
    for found, family, expected in (
        (K + eye, sm.KroneckerPlusDiagonal, kron(A, B) + np.eye(12)),
        (2 * eye + K, sm.KroneckerPlusDiagonal, kron(A, B) + 2 * np.eye(12)),
        (K - 0.5 * eye, sm.KroneckerPlusDiagonal, kron(A, B) - 0.5 * np.eye(12)),
        ((K + eye) + 2 * eye, sm.KroneckerPlusDiagonal, kron(A, B) + 3 * np.eye(12)),
        ((K + eye) * 2, sm.KroneckerPlusDiagonal, 2 * kron(A, B) + 2 * np.eye(12)),
        ((K + eye).T, sm.KroneckerPlusDiagonal, kron(A, B).T + np.eye(12)),
        (K + sm.Kronecker(C, D), sm.KroneckerTwoTerm, kron(A, B) + kron(C, D)),
        (sm.KroneckerSum(A, B) + 2 * eye, sm.KroneckerSum, kronsum(A, B) + 2 * np.eye(12)),
        (eye + sm.KroneckerSum(A, B), sm.KroneckerSum, kronsum(A, B) + np.eye(12)),
        (sm.KroneckerSum(A, B) + sm.KroneckerSum(C, D), sm.KroneckerSum, kronsum(A + C, B + D)),
        (sm.KroneckerSum(A, B).T, sm.KroneckerSum, kronsum(A, B).T),
        (-sm.KroneckerSum(A, B), sm.KroneckerSum, -kronsum(A, B)),
    ):
        assert type(found) is family
        assert np.allclose(found.toarray(), expected, rtol=1e-14, atol=1e-14)


def test_khatri_rao_products_keep_their_structure():
    rng = np.random.default_rng(18)
    A, B = rng.standard_normal((3, 5)), rng.standard_normal((4, 5))
    C, D = rng.standard_normal((2, 3)), rng.standard_normal((6, 4))
    R = sm.KhatriRao(A, B)
    d = rng.standard_normal(5)
    for found, family, expected in (
        (sm.Kronecker(C, D) @ R, sm.KhatriRao, kron(C, D) @ columnwise(A, B)),
        (R @ sm.Diagonal(d), sm.KhatriRao, columnwise(A, B) * d),
        (R.T @ sm.Kronecker(C, D).T, type(R.T), columnwise(A, B).T @ kron(C, D).T),
        (R.T @ R, sm.Dense, columnwise(A, B).T @ columnwise(A, B)),
    ):
        assert type(found) is family
        assert np.allclose(found.toarray(), expected, rtol=1e-13, atol=1e-13)
    assert R.H.H == R


def test_single_precision_stays_single():
    rng = np.random.default_rng(19)
    K = sm.Kronecker(spd(3, rng, np.float32), spd(4, rng, np.float32))
    A = K + sm.Identity(12, np.float32)
    b = np.ones(12, np.float32)
    S = sm.KroneckerSum(*K.factors)
    for M in (A, S, A.inv(), S.inv(), sm.linalg.sqrtm(A)):
        assert M.dtype == np.float32
        assert M.solve(b).dtype == np.float32
        assert M.eigh().eigenvalues.dtype == np.float32
    assert (K + sm.Identity(12)).dtype == np.float64, "promotes as an array would"


def test_a_factor_that_is_used_twice_is_reduced_once(monkeypatch):
    from structmat.matrices.kronecker import modes

    calls = []
    reduce = modes.lapack.schur
    monkeypatch.setattr(modes.lapack, "schur", lambda *a, **k: calls.append(1) or reduce(*a, **k))
    G = general(4, np.random.default_rng(20))
    sm.KroneckerSum(G, G, G).factorize()
    assert len(calls) == 1


# ---------------------------------------------------------------- refusals


def test_refusals_say_what_came():
    rectangular = np.ones((2, 3))
    with pytest.raises(ValueError, match=r"square factors; factor 1 has shape \(2, 3\)"):
        sm.KroneckerSum(np.eye(2), rectangular)
    with pytest.raises(ValueError, match=r"square factors; factor 0 has shape \(2, 3\)"):
        sm.KroneckerPlusDiagonal(sm.Kronecker(rectangular, rectangular.T), 1.0)
    with pytest.raises(TypeError, match=r"structmat\.Kronecker; got ndarray"):
        sm.KroneckerPlusDiagonal(np.eye(2), 1.0)
    with pytest.raises(ValueError, match=r"must have shape \(4,\); got \(3,\)"):
        sm.KroneckerPlusDiagonal(sm.Kronecker(np.eye(2), np.eye(2)), np.ones(3))
    with pytest.raises(ValueError, match="orders"):
        sm.KroneckerPlusDiagonal(sm.Kronecker(np.eye(2), np.eye(2)), (np.ones(2), np.ones(3)))
    with pytest.raises(ValueError, match="same shapes, mode by mode"):
        sm.KroneckerTwoTerm(sm.Kronecker(np.eye(2), np.eye(3)), sm.Kronecker(np.eye(3), np.eye(2)))
    with pytest.raises(TypeError, match="second"):
        sm.KroneckerTwoTerm(sm.Kronecker(np.eye(2)), np.eye(2))
    with pytest.raises(ValueError, match="same number of columns"):
        sm.KhatriRao(np.ones((2, 3)), np.ones((2, 4)))
    with pytest.raises(TypeError, match="takes arrays; factor 0 is a Diagonal"):
        sm.KhatriRao(sm.Diagonal(np.ones(3)), np.ones((2, 3)))
    for family in (sm.KroneckerSum, sm.KhatriRao):
        with pytest.raises(ValueError, match="at least one factor"):
            family()
    with pytest.raises(ValueError, match="infs or NaNs"):
        sm.KroneckerPlusDiagonal(sm.Kronecker(np.eye(2)), np.nan)
    with pytest.raises(ValueError, match="must be real"):
        KroneckerEigenbasis(sm.Kronecker(np.eye(2)), np.array([1j, 1]))


@pytest.mark.parametrize(
    "family", [sm.KroneckerSum, sm.KroneckerPlusDiagonal, sm.KroneckerTwoTerm, sm.KhatriRao]
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_random_members(family, dtype):
    A = sm.random(family, 12, rng=1, dtype=dtype)
    assert type(A) is family
    assert A.dtype == dtype
    assert A.shape == (12, 12)
    assert family is sm.KhatriRao or np.linalg.cond(A.toarray()) < 100
    if family is not sm.KhatriRao:
        with pytest.raises(ValueError, match="square"):
            sm.random(family, (12, 6))
    assert sm.random(sm.KhatriRao, (12, 5), rng=1).shape == (12, 5)
