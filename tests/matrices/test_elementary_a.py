"""What Identity, Zeros, Diagonal, Permutation, Dense, Sparse and the band families promise alone."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.linalg import LinAlgWarning
from support import (
    DTYPES,
    eps,
    norm1,
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

LinAlgError = np.linalg.LinAlgError
LIMIT = 10
dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)

# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: sm.Identity(2.0), TypeError, "integer"),
        (lambda: sm.Identity(-1), ValueError, "non-negative"),
        (lambda: sm.Identity(3, np.float16), TypeError, "float16"),
        (lambda: sm.Zeros(2, True), TypeError, "bool"),
        (lambda: sm.Diagonal([[1.0]]), ValueError, "1 dimension"),
        (lambda: sm.Diagonal(["a"]), TypeError, "dtype"),
        (lambda: sm.Permutation([0, 0, 2]), ValueError, "0 is repeated"),
        (lambda: sm.Permutation([0, 3]), ValueError, "lie in 0..1"),
        (lambda: sm.Permutation([0.0, 1.0]), TypeError, "integers"),
        (lambda: sm.Permutation([[0, 1]]), ValueError, "one-dimensional"),
        (lambda: sm.Dense([1.0]), ValueError, "2 dimension"),
        (lambda: sm.Dense(sp.eye_array(2)), ValueError, "Sparse"),
        (lambda: sm.Sparse(np.eye(2)), TypeError, "structmat.Dense"),
        (lambda: sm.Sparse(([1.0], [5], [0, 1], (1, 2))), ValueError, "column|indices|index"),
        (lambda: sm.Banded(np.ones((2, 3)), 1, 1), ValueError, "3 rows"),
        (lambda: sm.Banded(np.ones((3, 3)), 1, 1, (3, 4)), ValueError, r"\(m, 3\)"),
        (lambda: sm.Banded.from_dense(np.ones((3, 3)), 1, 1), ValueError, "project"),
        (lambda: sm.Tridiagonal([1.0], [1.0], [1.0]), ValueError, "one entry less"),
        (lambda: sm.Triangular(np.ones((2, 3))), ValueError, "square"),
    ],
)
def test_refuses(make, error, words):
    with pytest.raises(error, match=words):
        make()


# ---------------------------------------------------------------- singular matrices


def singular_matrices():
    T = np.triu(np.ones((4, 4)))
    T[2, 2] = 0
    S = sp.csr_array(np.array([[1.0, 1.0, 0.0], [2.0, 1.0, 0.0], [0.0, 3.0, 0.0]]))
    yield sm.Zeros(3, 3), "every entry"
    yield sm.Diagonal([1.0, 0.0, 2.0, 0.0]), "entry 1"
    yield sm.Dense(np.ones((3, 3))), "pivot 1"
    yield sm.Triangular(T, False), "diagonal entry 2"
    yield sm.Banded(np.array([[0.0, 1.0, 1.0], [1.0, 1.0, 0.0]]), 0, 1), "diagonal entry 2"
    yield sm.Banded(np.array([[1.0, 0.0, 1.0], [1.0, 1.0, 0.0]]), 1, 0), "diagonal entry 1"
    yield sm.Banded.from_dense(np.array([[1.0, 1, 0], [1, 1, 0], [0, 0, 1]]), 1, 1), "pivot 1"
    yield sm.Tridiagonal([1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0], [1.0, 0.0, 0.0]), "pivot 1"
    yield sm.Tridiagonal([1.0], [1.0, 1.0], [1.0]), "pivot 1"
    yield sm.Sparse(S), "structural rank 2 of 3, no pivot for column 2"
    yield sm.Sparse(sp.csr_array(np.ones((2, 2)))), "exactly zero"


@pytest.mark.parametrize(("A", "place"), singular_matrices())
def test_singular_matrices_are_refused_with_the_place(A, place):
    name = type(A).__name__
    for verb in (lambda: A.solve(np.ones(A.shape[0])), A.inv):
        with pytest.raises(LinAlgError, match=f"{name}.*{place}"):
            verb()
    assert A.slogdet() == (0, -np.inf)
    assert A.det() == 0


@pytest.mark.parametrize(
    ("A", "place"),
    [
        (sm.Diagonal([1.0, -1.0]), "entry 1"),
        (sm.Permutation([0, 2, 1]), "entry 1"),
        (sm.Dense([[1.0, 2.0], [2.0, 1.0]]), "order 2"),
        (sm.Tridiagonal([2.0, 0.0], [1.0, 1.0, 1.0], [2.0, 0.0]), "order 2"),
        (sm.Banded([[0.0, 2.0, 0], [1.0, 1.0, 1.0], [2.0, 0.0, 0.0]], 1, 1), "order 2"),
        (sm.Zeros(2, 2), "entry 0"),
    ],
)
def test_cholesky_names_the_failing_minor(A, place):
    with pytest.raises(LinAlgError, match=f"{type(A).__name__} is not positive definite.*{place}"):
        A.cholesky()


def test_nearly_singular_matrices_warn():
    T = sm.Tridiagonal(np.ones(3), np.array([1.0, 1 + 1e-16, 1, 1e-17]), np.ones(3))
    L = sm.Triangular(np.array([[1e-20, 0], [1, 1]]))
    S = sm.Sparse(sp.csr_array(np.array([[1.0, 1.0], [1.0, 1 + 1e-15]])))
    for A in (L, S):
        with pytest.warns(LinAlgWarning, match=type(A).__name__):
            A.solve(np.ones(2))
    assert np.isfinite(T.solve(np.ones(4))).all()


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
    for A in (sm.Dense(M), sm.Triangular(M), sm.Triangular(M, False), sm.Triangular(M / 9, True, True),
              sm.Diagonal(M[0]), sm.Permutation(rng.permutation(20), dtype)):  # fmt: skip
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
    assert_allclose(sm.Diagonal(z).logdet().real if False else sm.Diagonal(z).slogdet()[1],
                    2 * (np.log(1.2e308) + 0.5 * np.log(2)), rtol=1e-14)  # fmt: skip
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


# ---------------------------------------------------------------- permutations


@given(st.permutations(range(9)), st.permutations(range(9)))
def test_permutations_form_a_group(p, q):
    P, Q = sm.Permutation(p), sm.Permutation(q)
    D, E = np.eye(9)[list(p)], np.eye(9)[list(q)]
    assert np.array_equal((P @ Q).toarray(), D @ E)
    assert np.array_equal((P**3).toarray(), np.linalg.matrix_power(D, 3))
    assert P.inv() @ P == sm.Permutation(np.arange(9))
    assert P.slogdet().sign == round(np.linalg.det(D))
    assert np.array_equal(sm.kron(P, Q).toarray(), np.kron(D, E))
    w, V = P.eig()
    V = V.toarray()
    assert np.abs(D @ V - V * w).max() < 1e-15
    assert np.abs(V.conj().T @ V - np.eye(9)).max() < 1e-14
    assert np.abs(np.sort_complex(w) - np.sort_complex(P.eigvals())).max() == 0
    reference = np.linalg.eigvals(D)
    assert all(np.abs(reference - z).min() < 1e-7 for z in w)


def test_eigenvalues_of_a_permutation_are_exact_where_they_can_be():
    w = sm.Permutation([1, 2, 3, 0]).eigvals()
    assert set(w.tolist()) == {1, 1j, -1, -1j}
    w = sm.Permutation([1, 0, 2]).eigvals()
    assert w.dtype == np.float64
    assert sorted(w.tolist()) == [-1, 1, 1]
    big = np.roll(np.arange(1000), 1)
    assert abs(np.prod(sm.Permutation(big).eigvals()) - sm.Permutation(big).det()) < 1e-11


# ---------------------------------------------------------------- closure

SIZE = 6
families = {
    "identity": lambda r: sm.Identity(SIZE),
    "zeros": lambda r: sm.Zeros(SIZE, SIZE),
    "diagonal": lambda r: sm.Diagonal(r.standard_normal(SIZE)),
    "permutation": lambda r: sm.Permutation(r.permutation(SIZE)),
    "tridiagonal": lambda r: sm.random(sm.Tridiagonal, SIZE, rng=r),
    "banded": lambda r: sm.random(sm.Banded, SIZE, rng=r, lower=1, upper=2),
    "lower": lambda r: sm.random(sm.Triangular, SIZE, rng=r),
    "upper": lambda r: sm.random(sm.Triangular, SIZE, rng=r, lower=False),
    "sparse": lambda r: sm.random(sm.Sparse, SIZE, rng=r, density=0.2),
    "dense": lambda r: sm.random(sm.Dense, SIZE, rng=r),
}
EXPECTED = {  # (left, right): (sum, product)
    ("diagonal", "diagonal"): (sm.Diagonal, sm.Diagonal),
    ("diagonal", "identity"): (sm.Diagonal, sm.Diagonal),
    ("identity", "identity"): (sm.Diagonal, sm.Identity),
    ("diagonal", "tridiagonal"): (sm.Tridiagonal, sm.Tridiagonal),
    ("tridiagonal", "tridiagonal"): (sm.Tridiagonal, sm.Banded),
    ("tridiagonal", "banded"): (sm.Banded, sm.Banded),
    ("banded", "banded"): (sm.Banded, sm.Banded),
    ("diagonal", "banded"): (sm.Banded, sm.Banded),
    ("diagonal", "lower"): (sm.Triangular, sm.Triangular),
    ("lower", "lower"): (sm.Triangular, sm.Triangular),
    ("upper", "upper"): (sm.Triangular, sm.Triangular),
    ("lower", "upper"): (sm.Dense, sm.Dense),
    ("diagonal", "sparse"): (sm.Sparse, sm.Sparse),
    ("banded", "sparse"): (sm.Sparse, sm.Sparse),
    ("permutation", "sparse"): (sm.Sparse, sm.Sparse),
    ("sparse", "sparse"): (sm.Sparse, sm.Sparse),
    ("diagonal", "dense"): (sm.Dense, sm.Dense),
    ("permutation", "dense"): (sm.Dense, sm.Dense),
    ("lower", "dense"): (sm.Dense, sm.Dense),
    ("dense", "dense"): (sm.Dense, sm.Dense),
    ("zeros", "dense"): (sm.Dense, sm.Zeros),
    ("zeros", "diagonal"): (sm.Diagonal, sm.Zeros),
}


@pytest.mark.parametrize("right", families)
@pytest.mark.parametrize("left", families)
def test_closure(left, right):
    rng = np.random.default_rng(11)
    A, B = families[left](rng), families[right](rng)
    D, E = A.toarray(), B.toarray()
    total, product = A + B, A @ B
    assert_allclose(total.toarray(), D + E, atol=1e-14)
    assert_allclose(product.toarray(), D @ E, atol=1e-13)
    for pair in ((left, right), (right, left)):
        if pair in EXPECTED:
            assert (type(total), type(product)) == EXPECTED[pair]
    mixed = A.astype(np.float32) @ B.astype(np.complex64)
    assert mixed.dtype == np.complex64
    try:
        hadamard = sm.hadamard(A, B)
    except NotImplementedError:
        assert {left, right} <= {"lower", "upper", "dense", "permutation"}
    else:
        assert_allclose(hadamard.toarray(), D * E, atol=1e-15)
    if left != "zeros" and abs(np.linalg.det(D)) > 1e-3:
        X = A.solve(B)
        assert_allclose(X.toarray(), np.linalg.solve(D, E), atol=1e-11)
        if left in ("diagonal", "identity", "permutation") and right not in ("zeros", "permutation"):
            assert left == "permutation" or isinstance(X, type(B) | sm.Diagonal)


def test_a_scaled_identity_is_a_diagonal():
    A = 2.5 * sm.Identity(4, np.float32)
    assert type(A) is sm.Diagonal
    assert A.dtype == np.float32
    assert type(sm.Tridiagonal([1.0], [1.0, 2.0], [1.0]) + 3 * sm.Identity(2)) is sm.Tridiagonal


def test_kronecker_products_that_stay_elementary():
    rng = np.random.default_rng(4)
    D = sm.Diagonal(rng.standard_normal(3))
    for A, B, kind in (
        (D, D, sm.Diagonal),
        (D, sm.Identity(2), sm.Diagonal),
        (sm.Identity(2), D, sm.Diagonal),
        (sm.Identity(2), sm.Identity(3), sm.Identity),
        (sm.Zeros(2, 1), D, sm.Zeros),
        (sm.random(sm.Sparse, 3, rng=1), sm.random(sm.Sparse, 4, rng=2), sm.Sparse),
    ):
        K = sm.kron(A, B)
        assert type(K) is kind
        assert_allclose(K.toarray(), np.kron(A.toarray(), B.toarray()))


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(0, 4), st.integers(0, 4),
       st.integers(0, 4), st.integers(0, 4), st.integers(0, 99))  # fmt: skip
def test_bands_of_any_shape(m, k, n, l1, u1, l2, u2, seed):
    rng = np.random.default_rng(seed)
    A = sm.Banded(rng.standard_normal((l1 + u1 + 1, k)), l1, u1, (m, k))
    B = sm.Banded(rng.standard_normal((l2 + u2 + 1, n)), l2, u2, (k, n))
    D, E = A.toarray(), B.toarray()
    assert_allclose((A @ B).toarray(), D @ E, atol=1e-13)
    assert np.array_equal(A.T.toarray(), D.T)
    assert np.array_equal(A.tosparse().toarray(), D)
    x, X = rng.standard_normal(k), rng.standard_normal((k, 3))
    assert_allclose(A @ x, D @ x, atol=1e-13)
    assert_allclose(A @ X, D @ X, atol=1e-13)
    assert np.array_equal(sm.linalg.diagonal(A), np.diagonal(D))
    for ord in ("fro", 1, np.inf):
        expected = np.linalg.norm(D, ord) if D.size else 0
        assert_allclose(A.norm(ord), expected, rtol=1e-14)
    if k == m:
        C = sm.Banded(rng.standard_normal((l2 + u2 + 1, k)), l2, u2)
        assert_allclose((A + C).toarray(), D + C.toarray(), atol=1e-15)
        assert np.array_equal(sm.hadamard(A, C).toarray(), D * C.toarray())


# ---------------------------------------------------------------- projections


@pytest.mark.parametrize(
    ("cls", "options", "part"),
    [
        (sm.Diagonal, {}, lambda M: np.diag(np.diag(M))),
        (sm.Tridiagonal, {}, lambda M: bands_of(M, 1, 1)),
        (sm.Banded, {"lower": 2, "upper": 0}, lambda M: bands_of(M, 2, 0)),
        (sm.Triangular, {}, np.tril),
        (sm.Triangular, {"lower": False}, np.triu),
        (sm.Zeros, {}, np.zeros_like),
        (sm.Dense, {}, lambda M: M),
    ],
)
def test_projections_are_nearest_with_exact_errors(cls, options, part):
    M = np.random.default_rng(3).standard_normal((7, 7))
    for target in (M, sm.Dense(M), sp.csr_array(M)):
        nearest, error, low, high = sm.project(target, cls, **options)
        assert type(nearest) is cls
        assert_allclose(nearest.toarray(), part(M))
        assert_allclose(error, np.linalg.norm(M - part(M)) / np.linalg.norm(M), atol=1e-15)
        assert low <= error <= high
    assert sm.project(part(M), cls, **options).error == 0


def test_projections_to_a_tolerance_or_a_budget():
    i, j = np.indices((30, 30))
    M = np.exp(-abs(i - j).astype(float))
    for rtol in (1e-1, 1e-4, 1e-10):
        result = sm.project(M, sm.Banded, rtol=rtol)
        assert result.error <= rtol
        narrower = max(result.matrix.lower - 1, 0)
        tighter = sm.project(M, sm.Banded, lower=narrower, upper=narrower)
        assert tighter.error > rtol
        sparse = sm.project(M, sm.Sparse, rtol=rtol)
        assert sparse.error <= rtol
        assert sparse.matrix.nnz <= result.matrix.bands.size
    assert sm.project(M, sm.Banded, budget=150).matrix.bands.size <= 150
    assert sm.project(M, sm.Sparse, budget=50).matrix.nnz == 50
    with pytest.raises(TypeError, match="lower= and upper="):
        sm.project(M, sm.Banded)
    with pytest.raises(ValueError, match="square"):
        sm.project(np.ones((2, 3)), sm.Diagonal)


# ---------------------------------------------------------------- details


def test_what_is_stored_is_what_was_given():
    x, i = np.arange(1.0, 4.0), np.array([2, 0, 1], dtype=np.intp)
    assert sm.Diagonal(x).values is x
    assert sm.Permutation(i).p is i
    A = np.eye(3)
    assert sm.Dense(A).array is A
    S = sp.csr_array(A)
    assert np.shares_memory(sm.Sparse(S).data, S.data)
    full = sm.Dense(A).toarray()
    full[0, 0] = 5
    assert A[0, 0] == 1


def test_the_other_triangle_and_the_corners_are_never_read():
    A = np.full((5, 5), np.nan)
    A[np.tril_indices(5)] = np.random.default_rng(0).uniform(1, 2, 15)
    L = sm.Triangular(A)
    for value in (L @ np.ones((5, 2)), L @ np.ones(5), L.solve(np.ones(5)), L.inv().toarray(),
                  L.slogdet(), L.norm(), (L @ L).toarray(), (2 * L).toarray(), L.T @ np.ones(5),
                  sm.linalg.sqrtm(L).toarray(), sm.linalg.expm(L).toarray()):  # fmt: skip
        assert np.isfinite(np.asarray(value)).all()
    bands = np.ones((3, 4))
    bands[1] = 4
    bands[0, 0] = bands[2, -1] = np.nan
    B = sm.Banded(bands, 1, 1)
    for value in (B @ np.ones(4), B @ np.ones((4, 2)), B.solve(np.ones(4)), B.slogdet(), B.norm(1),
                  (B @ B).toarray(), (B + B).toarray(), B.cholesky().toarray(), B.eigvalsh(),
                  B.H.toarray(), B.tosparse().toarray()):  # fmt: skip
        assert np.isfinite(np.asarray(value)).all()


def test_functions_of_triangles_stay_triangles():
    L = sm.random(sm.Triangular, 8, rng=0)
    for A in (L, L.T):
        R = sm.linalg.sqrtm(A)
        assert type(R) is sm.Triangular
        assert_allclose((R @ R).toarray(), A.toarray(), atol=1e-13)
        E = sm.linalg.expm(sm.linalg.logm(A))
        assert type(E) is sm.Triangular
        assert_allclose(E.toarray(), A.toarray(), atol=1e-12)
    assert np.array_equal(L.eigvals(), np.diagonal(L.array))


def test_functions_of_diagonals():
    D = sm.Diagonal([4.0, 1.0])
    assert np.array_equal(sm.linalg.sqrtm(D).values, [2, 1])
    assert sm.linalg.sqrtm(sm.Diagonal([-4.0])).values[0] == 2j
    assert_allclose(sm.linalg.logm(sm.Diagonal([-1.0])).values, [1j * np.pi])
    with pytest.raises(LinAlgError, match="entry 0"):
        sm.linalg.logm(sm.Diagonal([0.0]))
    with pytest.raises(LinAlgError, match="square root"):
        sm.linalg.sqrtm(sm.Dense([[0.0, 1.0], [0.0, 0.0]]))


def test_sparse_takes_every_format_and_both_index_types():
    M = np.where(np.random.default_rng(1).uniform(size=(5, 7)) < 0.5, 1.5, 0)
    for form in ("csr", "csc", "coo", "bsr", "dia", "lil", "dok"):
        for cls in (sp.csr_array, sp.csr_matrix):
            assert np.array_equal(sm.Sparse(cls(M).asformat(form)).toarray(), M)
    S = sp.csr_array(M)
    for index in (np.int32, np.int64):
        A = sm.Sparse((S.data, S.indices.astype(index), S.indptr.astype(index), (5, 7)))
        assert_allclose(A @ np.ones(7), M @ np.ones(7))
    assert sm.Sparse(sp.csr_array(np.eye(3, dtype=int))).dtype == np.float64
    assert (A.tosparse() != S).nnz == 0
    assert isinstance(sm.linalg.solve(sp.eye_array(3), np.ones(3)), np.ndarray)


def test_hermitian_to_rounding_is_hermitian():
    X = np.random.default_rng(0).standard_normal((6, 6))
    H = X @ X.T
    H[0, 1] *= 1 + 2e-16
    sm.Dense(H).cholesky()
    H[0, 1] *= 1 + 1e-10
    with pytest.raises(ValueError, match="Hermitian"):
        sm.Dense(H).eigh()


def test_norms_agree_with_numpy():
    for build in families.values():
        A = build(np.random.default_rng(6))
        for ord in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf):
            expected = np.linalg.norm(A.toarray(), ord)
            assert_allclose(A.norm(ord), expected, rtol=1e-12, atol=1e-13 * norm1(A.toarray()))


def test_a_zero_hides_nothing_but_the_entry():
    assert np.array_equal(sm.Diagonal([2.0, 0.0]).pinv().values, [0.5, 0])
    x, _, rank, _ = sm.Diagonal([2.0, 0.0]).lstsq([4.0, 1.0])
    assert rank == 1
    assert np.array_equal(x, [2, 0])
    assert sm.linalg.matrix_rank(sm.Diagonal([1.0, 1e-20])) == 1
