"""What Identity, Zeros, Diagonal, Permutation, Dense, Sparse and bands promise alone."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.linalg import LinAlgWarning
from support import norm1

import structmat as sm

LinAlgError = np.linalg.LinAlgError

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


@pytest.mark.parametrize(("A", "place"), list(singular_matrices()))
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
    S = sm.Sparse(sp.csr_array(np.array([[1.0, 1.0], [1.0, 1 + 2.3e-16]])))
    for A in (L, S, T):
        with pytest.warns(LinAlgWarning, match=type(A).__name__):
            x = A.solve(np.ones(A.shape[0]))
        assert np.isfinite(x).all()


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
        if left in ("diagonal", "identity") and right not in ("zeros", "permutation"):
            assert isinstance(X, type(B) | sm.Diagonal)


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


order, width = st.integers(0, 9), st.integers(0, 4)


@given(order, order, order, width, width, width, width, st.integers(0, 99))
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


def bands_of(M, lower, upper):
    i, j = np.indices(M.shape)
    return np.where((i - j <= lower) & (j - i <= upper), M, 0)


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
