"""Systems with one factor, or with rectangular ones; least squares, rank, pseudo-inverse."""

import math
import warnings

import numpy as np
import pytest
import support
from chains import factor, literal, product, well
from hypothesis import given, settings
from hypothesis import strategies as st

import structmat as sm
from structmat.matrices.chain import patterns
from structmat.matrices.chain.systems import inverses

RATIO = 30.0


# ---------------------------------------------------------------- one factor

FACTORS = [(1, 1, 1, 1), (3, 2, 2, 4), (2, 3, 3, 1), (1, 5, 5, 2), (4, 1, 1, 3), (2, 7, 7, 3)]


@pytest.mark.parametrize("dtype", support.DTYPES)
@pytest.mark.parametrize("pattern", FACTORS)
def test_factor_solves(pattern, dtype):
    rng = np.random.default_rng(1)
    F = factor(pattern, rng, dtype)
    D = literal(F)
    for b in (support.randn(len(D), rng, dtype), support.randn((len(D), 3), rng, dtype)):
        x = F.solve(b)
        assert x.dtype == dtype
        assert support.ratio_solve(D, x, b) < RATIO
    inverse = F.inv()
    assert isinstance(inverse, sm.KroneckerSparse)
    assert inverse.pattern == F.pattern
    assert support.ratio_inverse(D, inverse) < RATIO
    sign, value = F.slogdet()
    expected = np.linalg.slogdet(D.astype(np.result_type(dtype, np.float64)))
    assert abs(sign - expected[0]) < 100 * support.eps(D)
    assert abs(value - expected[1]) < 100 * support.eps(D) * (abs(expected[1]) + len(D))


def test_factor_of_a_swap_is_inverted():
    F = sm.KroneckerSparse(np.tile([[0.0, 1.0], [1.0, 0.0]], (2, 3, 1, 1)))
    assert np.array_equal(F.inv().toarray(), F.toarray().T)
    assert F.slogdet() == (1.0, 0.0) or F.slogdet().sign == np.linalg.det(F.toarray())


@pytest.mark.parametrize("b", [1, 2, 3])
def test_factor_that_is_singular_names_its_block(b):
    rng = np.random.default_rng(2)
    values = rng.standard_normal((2, 3, b, b))
    values[1, 2] = 0
    F = sm.KroneckerSparse(values)
    for verb in (F.inv, F.factorize, lambda: F.solve(np.ones(6 * b))):
        with pytest.raises(
            np.linalg.LinAlgError, match=r"KroneckerSparse: block \(i, l\) = \(1, 2\)"
        ):
            verb()
    assert F.slogdet() == (0.0, -math.inf)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_factor_with_nan_is_refused(bad):
    values = np.ones((1, 2, 2, 2)) + np.eye(2)
    values[0, 1, 0, 1] = bad
    F = sm.KroneckerSparse(values)
    for verb in (F.inv, F.factorize, F.slogdet, F.svd, F.svdvals, F.qr, F.pinv, F.eig):
        with pytest.raises(ValueError, match="infs or NaNs"):
            verb()
    with pytest.raises(ValueError, match="infs or NaNs"):
        F.lstsq(np.ones(4))


@pytest.mark.parametrize("pattern", [(2, 3, 2, 4), (2, 2, 5, 3), (1, 4, 4, 2), (3, 1, 4, 2)])
@pytest.mark.parametrize("dtype", [np.float64, np.complex64])
def test_factor_least_squares(pattern, dtype):
    rng = np.random.default_rng(3)
    F = factor(pattern, rng, dtype)
    if min(pattern[1:3]) > 1:
        F.values[0, 0, 1] = F.values[0, 0, 0]  # one block loses a rank
    D = literal(F)
    b = support.randn((len(D), 2), rng, dtype)
    wide = D.astype(np.complex128)
    expected = np.linalg.pinv(wide, rcond=1e-5) @ b
    found = F.lstsq(b)
    tolerance = 1e3 * support.eps(D) * np.linalg.norm(np.linalg.pinv(wide, rcond=1e-5), 2)
    assert np.linalg.norm(found.x - expected) < tolerance * np.linalg.norm(b) * 10
    assert found.rank == np.linalg.matrix_rank(wide, rtol=1e-5) == F.matrix_rank()
    P = F.pinv()
    assert isinstance(P, sm.KroneckerSparse)
    assert np.abs(P.toarray() - np.linalg.pinv(wide, rcond=1e-5)).max() < 10 * tolerance


@pytest.mark.parametrize(
    "values", [np.zeros((0, 2, 3, 3)), np.zeros((2, 3, 0, 0)), np.zeros((2, 0, 2, 2))]
)
def test_empty_factor(values):
    F = sm.KroneckerSparse(values)
    assert F.solve(np.zeros((0, 2))).shape == (0, 2)
    assert F.lstsq(np.zeros((0, 2))).x.shape == (0, 2)
    assert F.inv().shape == (0, 0)
    assert F.slogdet() == (1.0, 0.0)
    assert F.svdvals().shape == (0,)
    assert F.svd().U.shape == (0, 0)
    assert F.matrix_rank() == 0
    assert F.eigvals().shape == (0,)


def test_factor_without_rows_or_columns():
    F = sm.KroneckerSparse(np.zeros((2, 3, 0, 4)))
    assert F.svdvals().shape == (0,)
    U, S, Vh = F.svd()
    assert (U.shape, S.shape, Vh.shape) == ((0, 0), (0,), (24, 24))
    assert F.pinv().shape == (24, 0)
    assert np.array_equal(F.lstsq(np.zeros(0)).x, np.zeros(24))


@pytest.mark.parametrize("scale", [1e150, 1e-150])
def test_factor_of_extreme_scale(scale):
    rng = np.random.default_rng(4)
    F = well((2, 3, 3, 2), rng)
    G = F * scale
    assert np.allclose(G.inv().toarray() * scale, F.inv().toarray(), rtol=1e-12)
    b = rng.standard_normal(12)
    assert np.allclose(G.solve(b) * scale, F.solve(b), rtol=1e-12)


def test_factor_whose_inverse_overflows_says_so():
    F = sm.KroneckerSparse(np.full((1, 1, 1, 1), 1e-309))
    with pytest.raises(OverflowError, match="too large"):
        F.inv()


# ---------------------------------------------------------------- other shapes of factors


def test_singular_by_shape():
    rng = np.random.default_rng(24)
    A = sm.Chain([factor((1, 6, 4, 2), rng), factor((2, 4, 6, 1), rng)])
    assert A.shape == (12, 12)
    for verb in (A.inv, A.factorize, lambda: A.solve(np.ones(12))):
        with pytest.raises(np.linalg.LinAlgError, match="factors 0 and 1 meet in 8 dimensions"):
            verb()
    assert A.slogdet() == (0.0, -math.inf)
    assert A.matrix_rank() == 8
    cropped = sm.Chain(A.factors, shape=(9, 9))
    assert cropped.slogdet() == (0.0, -math.inf)


def test_monarch_of_block_rank_two_goes_the_general_way():
    rng = np.random.default_rng(25)
    A = sm.Monarch(rng.standard_normal((6, 5, 5, 2)), rng.standard_normal((5, 6, 2, 6)))
    D, b = product(A), rng.standard_normal((30, 2))
    assert support.ratio_solve(D, A.solve(b), b) < RATIO
    assert abs(A.slogdet().logabsdet - np.linalg.slogdet(D)[1]) < 1e-10
    assert support.ratio_inverse(D, A.inv()) < RATIO
    assert "no structured rule" in A.explain("solve").reason


def test_cropped_chain_goes_the_general_way():
    rng = np.random.default_rng(26)
    A = sm.Butterfly([well(p, rng) for p in patterns.square((2, 4, 4))], shape=(31, 31))
    D, b = product(A), rng.standard_normal(31)
    assert support.ratio_solve(D, A.solve(b), b) < RATIO
    assert abs(A.slogdet().logabsdet - np.linalg.slogdet(D)[1]) < 1e-10


def near_identity(b, rng, scale):
    """A Monarch of block rank 2 of order b^2: the identity, which has rank 1, plus noise."""
    left, right = rng.standard_normal((b, b, b, 2)), rng.standard_normal((b, b, 2, b))
    left[..., 0] = np.eye(b)
    right[:, :, 0] = np.eye(b)
    return sm.Monarch(left * [1, scale], right)


@pytest.mark.parametrize("scale", [1e-3, 1.0])
def test_large_monarch_of_block_rank_two_takes_what_is_sooner(scale):
    rng = np.random.default_rng(26)
    A, b = near_identity(48, rng, scale), rng.standard_normal(2304)
    if scale == 1:
        with pytest.warns(sm.DensifyWarning, match="Monarch"):
            x, info = A.solve(b, return_info=True)
        assert "LU" in info.method
        assert info.backward_error < 30 * np.finfo(float).eps
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            x, info = A.solve(b, return_info=True)
        assert "GMRES" in info.method
        assert info.residual < 1e-9
    assert np.linalg.norm(A @ x - b) < 1e-8 * np.linalg.norm(b)


# ---------------------------------------------------------------- least squares

RECTANGULAR = {
    # tall, square, wide; what is proved: the pseudo-inverse is a chain
    "tall first": ([(2, 6, 4, 3), (4, 3, 3, 2)], True),
    "wide last": ([(2, 3, 3, 4), (1, 4, 7, 6)], True),
    "tall and wide": ([(2, 6, 4, 3), (4, 3, 3, 2), (1, 4, 7, 6)], True),
    "square": ([(2, 3, 3, 4), (4, 3, 3, 2)], True),
    # no product rule
    "square, tall": ([(4, 3, 3, 3), (2, 6, 4, 3)], False),
    "tall, tall": ([(1, 5, 4, 9), (2, 6, 3, 3)], False),
    "wide, tall": ([(2, 3, 4, 4), (4, 4, 3, 2)], False),
}


@pytest.mark.parametrize("dtype", support.DTYPES)
@pytest.mark.parametrize("name", RECTANGULAR)
def test_least_squares(name, dtype):
    rng = np.random.default_rng(27)
    shapes, exact = RECTANGULAR[name]
    A = sm.Chain([orthogonal_like(p, rng, dtype) for p in shapes])
    D = product(A)
    b = support.randn((len(D), 2), rng, dtype)
    inverse = np.linalg.pinv(D, rcond=1e-5)
    found = A.lstsq(b)
    eps = support.eps(np.zeros(0, dtype))
    cond = np.linalg.norm(inverse, 2) * np.linalg.norm(D, 2)
    error = np.linalg.norm(found.x - inverse @ b) / (np.linalg.norm(inverse, 2) * np.linalg.norm(b))
    assert error < 30 * eps * cond * len(D)
    rank = min(n for F in A.factors for n in F.shape)
    assert found.rank == A.matrix_rank() == np.linalg.matrix_rank(D, rtol=1e-5)
    P = A.pinv()
    assert isinstance(P, sm.Chain) == exact
    if exact:
        assert found.rank == rank
    assert np.linalg.norm(support.dense(P) - inverse, 2) < 30 * eps * cond * len(
        D
    ) * np.linalg.norm(inverse, 2)
    if found.rank == D.shape[1] < D.shape[0]:
        R = D @ found.x - b
        assert np.allclose(found.residuals, (abs(R) ** 2).sum(0), rtol=1e3 * eps)


def orthogonal_like(pattern, rng, dtype):
    """A factor whose blocks have singular values between 1 and 2."""
    a, b, c, d = pattern
    U, _, Vh = np.linalg.svd(support.randn((a, d, b, c), rng, dtype), full_matrices=False)
    return sm.KroneckerSparse(((U * np.linspace(1, 2, min(b, c))) @ Vh).astype(dtype))


def test_isometries_beside_a_tall_factor():
    rng = np.random.default_rng(28)
    a, b, d = 3, 4, 2
    Q = np.linalg.qr(rng.standard_normal((a, d, b, b)))[0] * 3
    A = sm.Chain(
        [
            Q,
            sm.Permutation(rng.permutation(24)),
            factor((2, 4, 3, 3), rng),
            factor((2, 3, 3, 3), rng),
        ]
    )
    assert isinstance(A.pinv(), sm.Chain)
    assert np.allclose(A.pinv().toarray(), np.linalg.pinv(product(A)), atol=1e-10)


@pytest.mark.parametrize("first", [0.0, 1e-20])
def test_rank_that_the_factors_do_not_prove_is_left_to_singular_values(first):
    rng = np.random.default_rng(29)
    F, G = orthogonal_like((2, 3, 3, 4), rng, float), orthogonal_like((4, 3, 3, 2), rng, float)
    F.values[0, 0, :, 0] *= first
    A = sm.Chain([F, G])
    D = product(A)
    assert A.matrix_rank() == np.linalg.matrix_rank(D) == 23
    b = rng.standard_normal(24)
    assert np.allclose(A.lstsq(b).x, np.linalg.lstsq(D, b, rcond=1e-10)[0], atol=1e-10)
    assert np.allclose(support.dense(A.pinv()), np.linalg.pinv(D, rcond=1e-10), atol=1e-10)


def test_large_rectangular_chain_iterates_with_a_certificate():
    rng = np.random.default_rng(30)
    A = sm.Chain(
        [orthogonal_like((64, 48, 48, 1), rng, float), orthogonal_like((1, 64, 48, 48), rng, float)]
    )
    x0 = rng.standard_normal(A.shape[1])
    b = A @ x0
    found, info = A.lstsq(b, return_info=True)
    assert "lsmr" in info.method.lower()
    assert np.linalg.norm(A.H @ (A @ found.x - b)) < 1e-6 * np.linalg.norm(b)


# ---------------------------------------------------------------- inverses of small blocks


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3), st.sampled_from(support.DTYPES), st.integers(0, 2**32 - 1))
def test_block_inverses_are_those_of_lapack(b, dtype, seed):
    rng = np.random.default_rng(seed)
    values = support.randn((2, 3, b, b), rng, dtype) * dtype(10.0) ** rng.integers(
        -8, 8, (2, 3, 1, 1)
    )
    found = inverses.inverse(values.astype(dtype), "F")
    for A, X in zip(values.reshape(6, b, b), found.values.reshape(6, b, b)):
        assert support.ratio_inverse(A.astype(dtype), X) < RATIO
        assert np.linalg.cond(A.astype(np.complex128), 1) < found.bound * (1 + 1e-5) * b
    assert found.values.dtype == dtype
