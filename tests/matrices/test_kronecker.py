"""What only a Kronecker product has: hard factors, huge sizes, its own closure, refusals."""

import functools
import itertools
import math
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from support import (
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
from structmat.matrices.kronecker import direct, ranked, triangles

LIMIT = 30


def kron(*factors):
    return functools.reduce(np.kron, factors)


def spd(n, rng, dtype=np.float64, cond=10.0):
    Q, _ = np.linalg.qr(randn((n, n), rng, dtype))
    A = (Q * np.linspace(1 / cond, 1, n)) @ Q.conj().T
    return ((A + A.conj().T) / 2).astype(dtype)


# ---------------------------------------------------------------- the examples of the references


def test_slogdet_is_not_clamped():
    sign, logabsdet = np.linalg.slogdet(sm.Kronecker(*[1e-3 * np.eye(4)] * 3))
    assert sign == 1
    assert logabsdet == pytest.approx(64 * 3 * math.log(1e-3), rel=1e-14)
    assert round(float(logabsdet), 2) == -1326.29


def test_slogdet_of_minus_identities_is_that_of_the_identity():
    assert np.linalg.slogdet(sm.Kronecker(-np.eye(3), -np.eye(3))) == (1.0, 0.0)
    assert np.linalg.slogdet(sm.Kronecker(-np.eye(3), np.eye(3))) == (-1.0, 0.0)


def test_slogdet_phases_of_complex_factors():
    rng = np.random.default_rng(0)
    factors = [randn((n, n), rng, np.complex128) for n in (3, 2, 4)]
    sign, logabsdet = np.linalg.slogdet(sm.Kronecker(*factors))
    expected_sign, expected = np.linalg.slogdet(kron(*factors))
    assert abs(sign - expected_sign) < 1e-13
    assert logabsdet == pytest.approx(expected, rel=1e-13)


def test_phase_power_of_huge_exponents_stays_on_the_circle():
    phase = complex(np.exp(0.1j))
    assert direct.phase_power(phase, 3) == pytest.approx(np.exp(0.3j))
    assert abs(abs(direct.phase_power(phase, 10**40)) - 1) < 1e-15
    assert direct.phase_power(-1.0, 10**40 + 1) == -1.0
    assert direct.phase_power(-1.0 + 0j, 10**40) == 1.0


def test_square_roots_do_not_distribute_over_negative_definite_factors():
    A = sm.Kronecker(-np.eye(2), -np.eye(3))
    X = sm.linalg.sqrtm(A).toarray()
    assert np.allclose(X, np.eye(6)), "the principal root of the identity"
    indefinite = sm.Kronecker(np.diag([1.0, -1.0]), np.diag([1.0, -2.0]))
    assert indefinite._sqrtm() is NotImplemented
    assert sm.Kronecker(-np.eye(2), np.eye(2))._sqrtm() is NotImplemented


def test_logarithm_is_a_kronecker_sum():
    rng = np.random.default_rng(1)
    A = sm.Kronecker(-spd(3, rng), -spd(2, rng))
    L = sm.linalg.logm(A)
    assert isinstance(L, sm.KroneckerSum)
    assert np.allclose(sm.linalg.expm(L).toarray(), A.toarray())


def test_a_square_product_of_rectangular_factors_is_singular_by_shape():
    rng = np.random.default_rng(2)
    A = sm.Kronecker(rng.standard_normal((4, 2)), rng.standard_normal((2, 4)))
    assert np.linalg.slogdet(A) == (0.0, -np.inf)
    for verb in (lambda: A.solve(np.ones(8)), A.inv, A.factorize):
        with pytest.raises(np.linalg.LinAlgError, match=r"\(4, 2\).*rank at most 4"):
            verb()
    assert A.cond() == np.inf
    assert np.linalg.norm(A, -2) == 0
    assert np.linalg.matrix_rank(A) == 4


def test_a_singular_factor_is_named_with_its_pivot():
    S = np.ones((3, 3))
    with pytest.raises(np.linalg.LinAlgError, match=r"Kronecker factor 1 \(Dense\): pivot 1"):
        sm.Kronecker(np.eye(2), S).solve(np.ones(6))
    with pytest.raises(np.linalg.LinAlgError, match=r"Kronecker factor 0 \(Diagonal\): entry 1"):
        sm.Kronecker(sm.Diagonal([1.0, 0.0]), np.eye(2)).inv()
    assert np.linalg.slogdet(sm.Kronecker(np.eye(2), S)) == (0.0, -np.inf)


def test_cholesky_names_the_factor():
    bad = np.diag([1.0, 1.0, -1.0])
    with pytest.raises(np.linalg.LinAlgError, match="factor 1: leading minor of order 3"):
        sm.Kronecker(np.eye(2), bad).cholesky()
    with pytest.raises(np.linalg.LinAlgError, match="signs multiply to -1"):
        sm.Kronecker(np.eye(2), -np.eye(2)).cholesky()
    with pytest.raises(ValueError, match="Hermitian"):
        sm.Kronecker(np.triu(np.ones((2, 2))), np.eye(2)).cholesky()


def test_refusals():
    with pytest.raises(ValueError, match="at least one"):
        sm.Kronecker()
    with pytest.raises(ValueError, match=r"x\[:, None\]"):
        sm.Kronecker(np.eye(2), np.ones(3))
    with pytest.raises(ValueError, match="stack|BlockDiagonal"):
        sm.Kronecker(np.ones((2, 2, 2)))
    with pytest.raises(TypeError, match="float16"):
        sm.Kronecker(np.eye(2, dtype=np.float16))
    with pytest.raises(TypeError, match="masked"):
        sm.Kronecker(np.ma.array(np.eye(2)))
    bad = np.eye(2)
    bad[0, 0] = np.nan
    for verb in ("solve", "slogdet", "svd", "inv", "pinv"):
        with pytest.raises(ValueError, match="infs or NaNs"):
            getattr(sm.Kronecker(np.eye(2), bad), verb)(*([np.ones(4)] if verb == "solve" else []))


# ---------------------------------------------------------------- structure is kept


def test_nested_factors_are_flattened_and_dense_ones_unwrapped():
    A, B, C = np.eye(2), np.ones((2, 3)), np.full((1, 2), 2.0)
    K = sm.Kronecker(sm.Kronecker(A, B), sm.Dense(C))
    assert len(K.factors) == 3
    assert K.factors[0] is A, "stored as given"
    assert K.factors[2] is C


def test_results_are_kronecker_products():
    rng = np.random.default_rng(3)
    A = sm.Kronecker(spd(3, rng), spd(4, rng))
    for B in (A.inv(), A.pinv(), A.cholesky(), A**3, A.T, A.H, 2 * A, A @ A, sm.linalg.sqrtm(A)):
        assert type(B) is sm.Kronecker
    assert all(type(B) is sm.Kronecker for B in A.qr())
    assert type(A.eig().eigenvectors) is sm.Kronecker
    assert type(np.kron(A, np.eye(2))) is sm.Kronecker
    assert type(np.kron(np.eye(2), A)) is sm.Kronecker
    P, L, U = A.factorize().lu()
    assert np.allclose((P @ L @ U).toarray(), A.toarray())
    assert np.allclose(np.triu(U.toarray()), U.toarray())


def test_mixed_product_rule_merges_compatible_neighbours():
    rng = np.random.default_rng(4)
    a, b, c = (rng.standard_normal(s) for s in ((2, 3), (4, 2), (2, 5)))
    left = sm.Kronecker(a, b, c)
    right = sm.Kronecker(rng.standard_normal((6, 2)), rng.standard_normal((5, 3)))
    product = left @ right
    assert type(product) is sm.Kronecker
    assert [F.shape for F in product.factors] == [(8, 2), (2, 3)]
    assert np.allclose(product.toarray(), left.toarray() @ right.toarray())
    clash = sm.Kronecker(np.ones((2, 2)), np.ones((2, 3))) @ sm.Kronecker(
        np.ones((3, 2)), np.ones((2, 2))
    )
    assert np.allclose(clash.toarray(), 6.0)


def test_a_product_of_thin_factors_is_not_multiplied_out():
    rng = np.random.default_rng(5)
    U, V = rng.standard_normal((60, 2)), rng.standard_normal((2, 60))
    product = sm.Kronecker(U, U) @ sm.Kronecker(V, V)
    assert type(product) is sm.Kronecker
    assert product.nbytes < 4 * (U.nbytes + V.nbytes)
    x = rng.standard_normal(3600)
    assert np.allclose(product @ x, np.kron(U, U) @ (np.kron(V, V) @ x))


def test_sums_that_differ_in_one_factor():
    rng = np.random.default_rng(6)
    A, B, C = (rng.standard_normal((3, 3)) for _ in range(3))
    for total, expected in (
        (sm.Kronecker(A, B) + sm.Kronecker(A, C), np.kron(A, B + C)),
        (sm.Kronecker(A, B) - sm.Kronecker(A, C), np.kron(A, B - C)),
        (sm.Kronecker(A, B) + sm.Kronecker(-A, C), np.kron(A, B - C)),
        (sm.Kronecker(A, C) + sm.Kronecker(B, C), np.kron(A + B, C)),
        (sm.Kronecker(A, B) + sm.Kronecker(A, B), 2 * np.kron(A, B)),
        (sm.Kronecker(A, B) - sm.Kronecker(A, B), 0 * np.kron(A, B)),
        (sm.Kronecker(A, sm.Diagonal(B[0])) + sm.Kronecker(A, C), np.kron(A, np.diag(B[0]) + C)),
    ):
        assert type(total) is sm.Kronecker
        assert np.allclose(total.toarray(), expected)
    two = sm.Kronecker(A, B) + sm.Kronecker(B, C)
    assert np.allclose(two.toarray(), np.kron(A, B) + np.kron(B, C))


def test_hadamard_and_solve_with_kronecker_right_hand_sides():
    rng = np.random.default_rng(7)
    A, B = rng.standard_normal((3, 3)), rng.standard_normal((2, 2))
    C, D = rng.standard_normal((3, 4)), rng.standard_normal((2, 1))
    product = sm.hadamard(sm.Kronecker(A, B), sm.Kronecker(B[:1, :1] * A, B))
    assert type(product) is sm.Kronecker
    assert np.allclose(product.toarray(), np.kron(A, B) * np.kron(B[0, 0] * A, B))
    X = np.linalg.solve(sm.Kronecker(A, B), sm.Kronecker(C, D))
    assert type(X) is sm.Kronecker
    assert np.allclose(X.toarray(), np.linalg.solve(np.kron(A, B), np.kron(C, D)))
    with pytest.raises(np.linalg.LinAlgError, match="factor 1"):
        np.linalg.solve(sm.Kronecker(A, np.zeros((2, 2))), sm.Kronecker(C, D))


# ---------------------------------------------------------------- huge sizes


def test_sizes_past_two_to_the_63():
    n, d = 1000, 12
    A = np.diag(np.arange(1.0, n + 1)) + np.eye(n, k=1)
    K = sm.Kronecker(*[A] * d)
    assert K.shape == (10**36, 10**36)
    assert K.size == 10**72
    assert K[10**36 - 1, 10**36 - 1] == 1000.0**12
    assert K[0, 1] == 1.0
    big = [3, 10**35 + 7, 10**36 - 2]
    assert np.allclose(K[big, big], [_digits_product(i, n, d) for i in big], rtol=1e-14)
    assert K.nbytes == d * A.nbytes
    assert "Kronecker" in repr(K)
    assert K.T.H.conj().shape == K.shape
    with pytest.raises(MemoryError):
        K.toarray()
    with pytest.raises(MemoryError):
        K.diagonal()
    with pytest.raises(IndexError):
        K[10**36, 0]


def _digits_product(i, n, d):
    product = 1.0
    for _ in range(d):
        i, digit = divmod(i, n)
        product *= digit + 1
    return product


def test_numbers_of_a_product_past_two_to_the_63():
    d = np.array([1.0, 2.0, 4.0])
    A, D = sm.Kronecker(*[np.diag(d)] * 50), 3**50
    assert D > 2**63
    assert A.trace() == pytest.approx(7.0**50, rel=1e-14)
    assert float(np.linalg.norm(A, 2)) == 4.0**50
    assert float(np.linalg.norm(A, -2)) == 1.0
    assert np.linalg.norm(A, "fro") == pytest.approx(math.sqrt(21.0) ** 50)
    assert A.cond() == 4.0**50
    sign, logabsdet = A.slogdet()
    assert sign == 1
    assert logabsdet == pytest.approx(50 * 3**49 * math.log(8.0))
    assert np.linalg.matrix_rank(A) == D
    assert A._rank(3.5 / 4) == 1
    assert A._rank(0.25) == 1 + 50
    S = sm.linalg.svds(A, k=3)
    assert np.array_equal(S.S, [4.0**50, 4.0**49 * 2, 4.0**49 * 2])
    assert S.U.shape == (D, 3)
    assert S.U.nbytes < 10**5
    w, V = sm.linalg.eigsh(A, k=2, which="SM")
    assert np.array_equal(w, [1.0, 2.0])
    assert V.shape == (D, 2)
    X = A.inv() @ A
    assert type(X) is sm.Kronecker
    assert X[0, 0] == 1.0


def test_a_determinant_that_is_no_number_is_refused():
    with pytest.raises(OverflowError, match="log"):
        sm.Kronecker(*[np.diag([2.0, 3.0])] * 1100).slogdet()
    assert sm.Kronecker(*[np.eye(2)] * 1100).slogdet() == (1.0, 0.0)


# ---------------------------------------------------------------- magnitudes


@pytest.mark.parametrize(
    "scales", [(1e200, 1e200, 1e-300), (1e-200, 1e-200, 1e300), (1e150, 1e-150, 1.0)]
)
def test_partial_products_do_not_overflow(scales):
    rng = np.random.default_rng(8)
    factors = [randsvd(n, "even", 1e2, seed=n) for n in (3, 4, 2)]
    A = sm.Kronecker(*(s * F for s, F in zip(scales, factors)))
    total = scales[0] * scales[2] * scales[1]
    dense = kron(*factors) * total
    assert np.allclose(A.toarray(), dense, rtol=1e-12, atol=0)
    x = rng.standard_normal((24, 3))
    assert np.allclose(A @ x, dense @ x, rtol=1e-10, atol=1e-12 * total)
    b = dense @ x
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ratio_solve(dense, A.solve(b), b) < LIMIT
    assert np.linalg.norm(A) == pytest.approx(np.linalg.norm(dense / total) * total)
    S = np.linalg.svd(dense / total, compute_uv=False) * total
    assert np.allclose(A.svdvals(), S, rtol=1e-12, atol=1e-14 * S[0])
    assert A.slogdet()[1] == pytest.approx(
        sum(
            24 / len(F) * (np.linalg.slogdet(F)[1] + len(F) * math.log(s))
            for s, F in zip(scales, factors)
        )
    )
    assert np.allclose(A.inv().toarray() * total, np.linalg.inv(dense / total), rtol=1e-9)


def test_single_precision_stays_single_and_is_rebalanced():
    rng = np.random.default_rng(9)
    F, G = (randsvd(n, "even", 1e2, seed=n).astype(np.float32) for n in (4, 5))
    A = sm.Kronecker(np.float32(1e15) * F, np.float32(1e15) * G, np.full((1, 1), 1e-30, np.float32))
    dense = kron(F, G).astype(np.float64)
    x = rng.standard_normal(20).astype(np.float32)
    y = A @ x
    assert y.dtype == np.float32
    assert np.allclose(y, dense @ x, rtol=1e-4, atol=1e-5)
    assert A.solve(x).dtype == np.float32
    assert ratio_solve(A.toarray(), A.solve(x), x) < LIMIT
    assert A.svdvals().dtype == np.float32
    assert A.inv().dtype == np.float32


def test_balancing_keeps_entries_that_would_sink():
    D = np.diag([1e200, 1e-250])
    A = sm.Kronecker(D, np.eye(2) * 1e-290)
    assert A._parts is A.factors
    assert A.slogdet()[1] == pytest.approx(
        2 * math.log(1e200) + 2 * math.log(1e-250) + 4 * math.log(1e-290)
    )


def test_a_norm_that_is_not_representable_is_refused():
    A = sm.Kronecker(np.eye(2) * 1e200, np.eye(2) * 1e200)
    with pytest.raises(OverflowError):
        np.linalg.norm(A)


# ---------------------------------------------------------------- accuracy


HARD = [
    ("random", lambda n, s, t: randn((n, n), np.random.default_rng(s), t)),
    ("graded", lambda n, s, t: randsvd(n, "graded", 1e7 if t == np.float64 else 1e2, s, t)),
    ("clustered", lambda n, s, t: randsvd(n, "clustered", 1e7 if t == np.float64 else 1e2, s, t)),
    ("near-singular", lambda n, s, t: randsvd(n, "random", 0.01 / np.sqrt(eps(t(0))), s, t)),
    (
        "row-graded",
        lambda n, s, t: (
            10.0 ** -np.linspace(0, 6 if t == np.float64 else 2, n)[:, None]
            * randn((n, n), np.random.default_rng(s))
        ).astype(t),
    ),
    ("up", lambda n, s, t: (1e150 if t == np.float64 else 1e15) * randsvd(n, "even", 10, s, t)),
    ("down", lambda n, s, t: (1e-150 if t == np.float64 else 1e-15) * randsvd(n, "even", 10, s, t)),
]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("left", "right"), list(itertools.combinations(HARD, 2)))
@pytest.mark.filterwarnings("ignore:ill-conditioned")
def test_lapack_ratios(left, right, dtype):
    F, G = left[1](9, 1, dtype).astype(dtype), right[1](7, 2, dtype).astype(dtype)
    A, dense = sm.Kronecker(F, G), np.kron(F.astype(np.float64), G.astype(np.float64))
    rng = np.random.default_rng(3)
    for b in (
        rng.standard_normal((63, 2)).astype(dtype),
        (dense @ rng.standard_normal((63, 2))).astype(dtype),
    ):
        assert ratio_solve(dense, A.solve(b), b) < LIMIT
        wide = np.repeat(b, 40, axis=1)  # many columns: products instead of substitution
        assert ratio_solve(dense, A.solve(wide), wide) < LIMIT
    U, S, Vh = A.svd()
    assert ratio_svd(dense, U, S, Vh) < LIMIT
    assert ratio_orthogonal(U, S) < LIMIT
    assert ratio_orthogonal(Vh.H, S) < LIMIT
    Q, R = A.qr()
    assert norm_ratio(dense, Q.toarray().astype(float) @ R.toarray(), dtype) < LIMIT
    H = sm.Kronecker(F + F.T, G + G.T)
    w, V = H.eigh()
    assert ratio_eigh(np.kron((F + F.T).astype(float), (G + G.T).astype(float)), w, V) < LIMIT
    assert ratio_orthogonal(V, w) < LIMIT
    assert ratio_inverse(dense, A.inv().toarray().astype(dtype)) < LIMIT


def norm_ratio(A, B, dtype):
    """|A - B| / (n |A| eps) with eps of the precision that was computed in."""
    return ratio_factors(A, B) * eps(A) / eps(dtype(0))


@pytest.mark.parametrize("kind", ["even", "graded", "clustered", "random"])
@pytest.mark.parametrize("n", [40, 64])
def test_many_columns_are_as_accurate_as_substitution(kind, n):
    F = randsvd(n, kind, 1e10, seed=n)
    A = sm.Kronecker(F, np.eye(3))
    rng = np.random.default_rng(1)
    for B in (rng.standard_normal((3 * n, 200)), A @ rng.standard_normal((3 * n, 200))):
        assert ratio_solve(np.kron(F, np.eye(3)), A.solve(B), B) < LIMIT


@pytest.mark.parametrize("dtype", [np.float32, np.complex128])
def test_substitution_by_products_and_by_trsm_agree(dtype):
    rng = np.random.default_rng(2)
    F = (randn((33, 33), rng, dtype) + 3 * np.eye(33)).astype(dtype)
    lu = direct._lu(F)
    fast = triangles.Substitution(lu)
    assert fast.stable
    slow = triangles.Substitution(lu)
    slow.stable = False
    for left, right in ((1, 1400), (1400, 1), (70, 20), (1, 140), (141, 1), (7, 20), (2, 900)):
        X = randn((left, 33, right), rng, dtype)
        expected = np.linalg.solve(F, X)
        for solve in (fast, slow):
            Y = solve(X.copy(), left, right).reshape(X.shape)
            assert Y.dtype == dtype
            assert np.allclose(
                Y,
                expected,
                rtol=1e-3 if dtype == np.float32 else 1e-10,
                atol=1e-4 if dtype == np.float32 else 1e-10,
            )


# ---------------------------------------------------------------- cut-off on products


def test_pinv_and_rank_cut_off_products_of_singular_values():
    F, G = np.diag([1.0, 1e-9]), np.diag([1.0, 1e-9, 1e-12])
    A = sm.Kronecker(F, G)
    dense = np.kron(F, G)
    for rtol in (1e-8, 1e-10, 1e-15, 1e-20, 1e-30):
        assert np.linalg.matrix_rank(A, rtol=rtol) == np.linalg.matrix_rank(dense, rtol=rtol)
        X = sm.linalg.pinv(A, rtol=rtol).toarray()
        assert np.allclose(X, np.linalg.pinv(dense, rtol), rtol=1e-12, atol=0)
        x, _, rank, _ = sm.linalg.lstsq(A, np.ones(6), rtol=rtol)
        assert rank == np.linalg.matrix_rank(dense, rtol=rtol)
        assert np.allclose(x, X @ np.ones(6))
    assert type(sm.linalg.pinv(A, rtol=1e-30)) is sm.Kronecker
    assert type(sm.linalg.pinv(A, rtol=1e-15)) is not sm.Kronecker


def test_small_factors_are_full_rank_beside_others():
    A = sm.Kronecker(1e-200 * np.eye(2), np.diag([1.0, 2.0]))
    assert np.linalg.matrix_rank(A) == 4
    assert np.allclose(A.pinv().toarray() * 1e-200, np.diag([1, 0.5, 1, 0.5]))


def test_lstsq_of_tall_and_wide_factors_has_the_smallest_norm():
    rng = np.random.default_rng(4)
    F, G = rng.standard_normal((5, 2)), rng.standard_normal((2, 4))
    A, dense = sm.Kronecker(F, G), np.kron(F, G)
    b = rng.standard_normal((10, 3))
    expected, _, rank, S = np.linalg.lstsq(dense, b)
    result = np.linalg.lstsq(A, b)
    assert np.allclose(result[0], expected)
    assert result[2] == rank == 4
    assert np.allclose(result[3], S, atol=1e-14)


# ---------------------------------------------------------------- extreme products

lists = st.lists(
    st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=5), min_size=1, max_size=4
)


@given(lists, st.integers(1, 40))
def test_extreme_products_are_those_of_the_full_list(values, k):
    arrays = [np.array(v) for v in values]
    everything = functools.reduce(np.multiply.outer, arrays).ravel()
    k = min(k, len(everything))
    for modulus in (False, True):
        chosen = [abs(a) for a in arrays] if modulus else arrays
        full = np.sort(abs(everything) if modulus else everything)
        if modulus:
            found, index = ranked.leading(chosen, k)
            assert np.array_equal(found, full[::-1][:k])
            small, _ = ranked.leading(chosen, k, smallest=True)
            assert np.array_equal(small, full[:k])
        else:
            found, index = ranked.extreme(chosen, k)
            assert np.array_equal(found, full[::-1][:k])
        assert len(set(map(tuple, index))) == k, "each product once"
        again = math.prod(a[index[:, i]] for i, a in enumerate(chosen))
        assert np.array_equal(again, found)


@given(lists, st.sampled_from([0.0, 0.05, 0.3, 0.7, 0.99]))
def test_products_above_a_threshold_are_counted(values, threshold):
    arrays = [abs(np.array(v)) for v in values]
    everything = functools.reduce(np.multiply.outer, arrays).ravel()
    top = everything.max()
    expected = int((everything > threshold * top).sum()) if top else 0
    assert ranked.count_above(arrays, threshold) == expected


@pytest.mark.parametrize("which", ["LM", "SM", "LA", "SA"])
@pytest.mark.parametrize("kind", ["indefinite", "positive", "negative", "phases", "zeros"])
def test_eigsh_keeps_the_signs(which, kind):
    rng = np.random.default_rng(5)
    F, G, H = (spd(n, rng, np.complex128 if kind == "phases" else np.float64) for n in (4, 3, 2))
    if kind == "indefinite":
        F, G = F - 0.4 * np.eye(4), G - 0.5 * np.eye(3)
    elif kind == "negative":
        F = -F
    elif kind == "phases":
        F, G = np.exp(0.3j) * F, np.exp(-0.3j) * (G - 0.5 * np.eye(3))
    elif kind == "zeros":
        F, G = np.diag([0.0, 0.0, -1.0, -2.0]), np.diag([0.0, 1.0, 3.0])
    A, dense = sm.Kronecker(F, G, H), kron(F, G, H)
    full = np.linalg.eigvalsh(dense)
    for k in (1, 5, 24):
        w, V = sm.linalg.eigsh(A, k=k, which=which)
        key = {"LM": -abs(full), "SM": abs(full), "LA": -full, "SA": full}[which]
        expected = np.sort(full[np.argsort(key, kind="stable")[:k]])
        assert np.allclose(
            np.sort(abs(w)) if "M" in which else w,
            np.sort(abs(expected)) if "M" in which else expected,
            atol=1e-13,
        )
        assert np.allclose(dense @ V, V * w, atol=1e-12)
        assert np.allclose(V.conj().T @ V, np.eye(k), atol=1e-12)


def test_skew_symmetric_factors():
    rng = np.random.default_rng(6)
    F, G = rng.standard_normal((4, 4)), rng.standard_normal((3, 3))
    A = sm.Kronecker(F - F.T, G - G.T)
    dense = A.toarray()
    assert sm.linalg._door.is_hermitian(A)
    assert np.allclose(A.eigvalsh(), np.linalg.eigvalsh(dense))
    w, V = A.eigh()
    V = V.toarray() if hasattr(V, "toarray") else V
    assert V.dtype == np.float64
    assert np.allclose(dense @ V, V * w)
    assert not sm.linalg._door.is_hermitian(sm.Kronecker(F - F.T, G + G.T))


def test_svds_beyond_the_products_completes_null_vectors():
    rng = np.random.default_rng(7)
    A = sm.Kronecker(rng.standard_normal((4, 2)), rng.standard_normal((2, 4)))
    U, S, Vh = sm.linalg.svds(A, k=6)
    assert np.allclose(S[4:], 0)
    assert np.allclose(U.T @ U, np.eye(6))
    assert np.allclose((U * S) @ Vh, A.toarray())


def test_large_vectors_come_as_a_khatri_rao_product():
    A = sm.Kronecker(*[np.diag([1.0, 2.0, 3.0] * 40)] * 4)
    U, S, Vh = sm.linalg.svds(A, k=2)
    assert isinstance(U, sm.KhatriRao)
    assert Vh.shape == (2, 120**4)
    assert np.allclose(S, 81)


# ---------------------------------------------------------------- nearest Kronecker product


def rearranged(M, shapes):
    (m1, n1), (m2, n2) = shapes
    return M.reshape(m1, m2, n1, n2).transpose(0, 2, 1, 3).reshape(m1 * n1, m2 * n2)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128])
@pytest.mark.parametrize("terms", [1, 3])
def test_project_is_van_loan_and_pitsianis(dtype, terms):
    rng = np.random.default_rng(8)
    shapes = [(3, 2), (4, 5)]
    M = randn((12, 10), rng, dtype)
    S = np.linalg.svd(rearranged(M, shapes), compute_uv=False)
    expected = np.linalg.norm(S[terms:]) / np.linalg.norm(M)
    for target in (M, sp.csr_array(M), sm.aslinearoperator(sp.linalg.aslinearoperator(M))):
        result = sm.project(target, sm.Kronecker, shapes=shapes, terms=terms)
        assert result.error == pytest.approx(expected, rel=1e-4 if dtype == np.float32 else 1e-9)
        assert result.lower_bound == result.error == result.upper_bound
        K = result.matrix
        assert K.dtype == dtype
        actual = np.linalg.norm(M - K.toarray()) / np.linalg.norm(M)
        assert actual == pytest.approx(expected, rel=1e-4 if dtype == np.float32 else 1e-9)


def test_project_by_the_action_alone():
    from structmat.matrices.kronecker.fit import _by_svd
    from structmat.matrices.kronecker.rearranged import ActionMatrix

    rng = np.random.default_rng(9)
    shapes = [(4, 3), (5, 6)]
    M = kron(rng.standard_normal((4, 3)), rng.standard_normal((5, 6)))
    M = M + 0.1 * rng.standard_normal(M.shape)
    source = ActionMatrix(sm.Dense(M), shapes)
    columns, error, _ = _by_svd(source, 2, None, False, shapes)
    S = np.linalg.svd(rearranged(M, shapes), compute_uv=False)
    assert error == pytest.approx(np.linalg.norm(S[2:]))
    assert np.allclose(source._apply(np.eye(30)), rearranged(M, shapes))
    assert np.allclose(source._apply_adjoint(np.eye(12)), rearranged(M, shapes).T)
    assert len(columns) == 2


def test_project_meets_a_tolerance_and_a_budget():
    rng = np.random.default_rng(10)
    shapes = [(3, 3), (3, 3)]
    M = sum(
        10.0**-t * kron(rng.standard_normal((3, 3)), rng.standard_normal((3, 3))) for t in range(5)
    )
    errors = [sm.project(M, sm.Kronecker, shapes=shapes, terms=t).error for t in range(1, 6)]
    assert errors[-1] < 1e-14
    for rtol in (0.5, 1e-2, 1e-3):
        result = sm.project(M, sm.Kronecker, shapes=shapes, rtol=rtol)
        assert result.error <= rtol
        assert result.error in errors
    assert sm.project(M, sm.Kronecker, shapes=shapes, budget=40).error == errors[1]
    with pytest.raises(ValueError, match="at least 18"):
        sm.project(M, sm.Kronecker, shapes=shapes, budget=17)


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_project_keeps_positive_definite(dtype):
    rng = np.random.default_rng(11)
    M = spd(12, rng, dtype)
    K = sm.project(M, sm.Kronecker, shapes=[(3, 3), (4, 4)]).matrix
    for F in K.factors:
        assert np.array_equal(F, F.conj().T)
        assert np.linalg.eigvalsh(F)[0] > 0
    assert sm.project(-M, sm.Kronecker, shapes=[(3, 3), (4, 4)]).matrix.trace().real < 0
    # The identity has a repeated leading value in no axis, a permuted one may: still Hermitian.
    K = sm.project(np.diag([1.0, 0, 0, 1.0]), sm.Kronecker, shapes=[(2, 2), (2, 2)]).matrix
    assert all(np.array_equal(F, F.T) for F in K.factors)


def test_project_of_sums_is_exact_from_their_factors():
    rng = np.random.default_rng(12)
    A, B, C, D, E, F = (spd(4, rng) for _ in range(6))
    M = sm.Sum(sm.Kronecker(A, B), sm.Kronecker(C, D), sm.Kronecker(E, F), 0.5 * sm.Identity(16))
    shapes = [(4, 4), (4, 4)]
    dense = M.toarray()
    S = np.linalg.svd(rearranged(dense, shapes), compute_uv=False)
    for terms in (1, 2, 4):
        result = sm.project(M, sm.Kronecker, shapes=shapes, terms=terms)
        expected = np.linalg.norm(S[terms:]) / np.linalg.norm(S)
        assert result.error == pytest.approx(expected, abs=1e-14)
        actual = np.linalg.norm(result.matrix.toarray() - dense) / np.linalg.norm(dense)
        assert actual == pytest.approx(expected, abs=1e-14)
    big = sm.Kronecker(*[np.eye(200)] * 2) * 1.0
    assert sm.project(big, sm.Kronecker, shapes=[(200, 200)] * 2).error < 1e-14


def test_project_onto_three_factors_is_bracketed():
    rng = np.random.default_rng(13)
    shapes = [(2, 3), (3, 2), (2, 2)]
    exact = kron(*(rng.standard_normal(s) for s in shapes))
    for target in (exact, sp.csr_array(exact), 1e150 * exact):
        result = sm.project(target, sm.Kronecker, shapes=shapes)
        assert result.error < 1e-12
    M = exact + 0.3 * rng.standard_normal(exact.shape)
    previous = 1.0
    for terms in (1, 2, 4):
        result = sm.project(M, sm.Kronecker, shapes=shapes, terms=terms)
        actual = np.linalg.norm(result.matrix.toarray() - M) / np.linalg.norm(M)
        assert actual == pytest.approx(result.error, rel=1e-9)
        assert 0 < result.lower_bound <= result.error <= previous
        previous = result.error
    two = exact + kron(*(rng.standard_normal(s) for s in shapes))
    assert sm.project(two, sm.Kronecker, shapes=shapes, rtol=1e-6).error <= 1e-6
    S = spd(12, rng)
    K = sm.project(S, sm.Kronecker, shapes=[(3, 3), (2, 2), (2, 2)]).matrix
    assert all(np.linalg.eigvalsh(F)[0] > 0 for F in K.factors)


def test_project_refusals_and_trivial_targets():
    M = np.ones((4, 4))
    with pytest.raises(ValueError, match="shapes"):
        sm.project(M, sm.Kronecker)
    with pytest.raises(ValueError, match="multiply to"):
        sm.project(M, sm.Kronecker, shapes=[(2, 2), (3, 2)])
    with pytest.raises(ValueError, match="pairs"):
        sm.project(M, sm.Kronecker, shapes=[(2, 2, 2)])
    zero = sm.project(0 * M, sm.Kronecker, shapes=[(2, 2), (2, 2)])
    assert zero.error == 0
    assert np.array_equal(zero.matrix.toarray(), 0 * M)
    one = sm.project(M, sm.Kronecker, shapes=[(4, 4)])
    assert np.allclose(one.matrix.toarray(), M)
    assert one.error < 1e-15
    scaled = sm.project(1e200 * M, sm.Kronecker, shapes=[(2, 2), (2, 2)])
    assert scaled.error < 1e-14
    assert np.allclose(scaled.matrix.toarray(), 1e200)


def test_a_sum_of_many_is_preconditioned_by_the_nearest_product():
    rng = np.random.default_rng(14)
    n = 46
    terms = [sm.Kronecker(spd(n, rng, cond=1e3), spd(n, rng, cond=1e3)) for _ in range(3)]
    near = sm.Kronecker(50 * spd(n, rng, cond=1e4), spd(n, rng, cond=1e4))
    A = sm.Sum(near, *terms)
    inverse = A._preconditioner()
    assert type(inverse) is sm.Kronecker
    b = rng.standard_normal(n * n)
    x, info = sm.linalg.solve(A, b, return_info=True)
    assert info.n_iter < 60
    assert np.linalg.norm(A @ x - b) < 1e-9 * np.linalg.norm(b)
    plain = sm.Sum(sm.Sparse(sp.csr_array((4, 4))), sm.Kronecker(np.eye(2), np.eye(2)))
    assert plain._preconditioner() is NotImplemented


# ---------------------------------------------------------------- structured factors


def test_structured_factors_are_never_densified(monkeypatch):
    n = 300
    rng = np.random.default_rng(15)
    D, T = (
        sm.Diagonal(rng.uniform(1, 2, n)),
        sm.Tridiagonal(np.ones(n - 1), np.full(n, 4.0), np.ones(n - 1)),
    )
    K = sm.Kronecker(D, spd(3, rng), T)
    for cls in (sm.Diagonal, sm.Tridiagonal):
        monkeypatch.setattr(cls, "toarray", lambda self: pytest.fail("densified"))
    x = rng.standard_normal((K.shape[1], 2))
    y = K @ x
    assert ratio(K, K.solve(y), y) < 1e-12
    assert np.isfinite(K.slogdet()[1])
    assert np.linalg.norm(K, 1) > 0
    assert K[5, 5] > 0
    assert K.trace() > 0
    assert K.diagonal().shape == (K.shape[0],)


def ratio(A, x, b):
    return np.linalg.norm(A @ x - b) / np.linalg.norm(b)


def test_the_generic_loop_agrees_with_the_kernels(rng):
    from structmat.matrices.kronecker import cpu, products

    for shapes in (((2, 3), (4, 4), (5, 1)), ((1, 4), (3, 2)), ((3, 3),), ((0, 2), (2, 2))):
        factors = [rng.standard_normal(s) for s in shapes]
        for k in (0, 1, 4):
            X = rng.standard_normal((math.prod(n for _, n in shapes), k))
            expected = kron(*factors) @ X
            for apply in (cpu.apply, products.apply):
                assert np.allclose(apply(factors, X), expected)


def test_explain_prefers_the_cheaper_order():
    A = sm.Kronecker(np.ones((2, 40)), np.ones((30, 2)))
    told = A.explain("matmul")
    assert told.flops == 2 * (2 * 40 * 2) + 2 * (30 * 2 * 2)
    assert "LU of every factor" in sm.Kronecker(np.eye(3), np.eye(3)).explain("solve").algorithm
