"""Laws on random members of every family: sizes, dtypes, layouts and seeds are drawn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import DTYPES, dense, eps, layouts, norm1, randn, ratio_solve

import structmat as sm

SQUARE = [
    sm.Identity,
    sm.Diagonal,
    sm.Permutation,
    sm.BlockDiagonal,
    sm.Banded,
    sm.Tridiagonal,
    sm.Triangular,
    sm.Sparse,
    sm.DiagonalPlusLowRank,
    sm.Dense,
    sm.Kronecker,
    sm.KroneckerSum,
    sm.KroneckerPlusDiagonal,
    sm.KroneckerTwoTerm,
    sm.KroneckerSparse,
    sm.Chain,
    sm.Butterfly,
    sm.Monarch,
]
RECTANGULAR = [
    sm.Zeros,
    sm.LowRank,
    sm.Dense,
    sm.Kronecker,
    sm.KhatriRao,
    sm.FaceSplitting,
    sm.Block,
    sm.KroneckerSparse,
    sm.Chain,
    sm.Butterfly,
    sm.Monarch,
]

sizes = st.integers(1, 24)
seeds = st.integers(0, 2**32 - 1)
dtypes = st.sampled_from(DTYPES)


def wide(A):
    return A.astype(np.result_type(A, np.float64))


@st.composite
def square_matrices(draw):
    A = sm.random(draw(st.sampled_from(SQUARE)), draw(sizes), rng=draw(seeds), dtype=draw(dtypes))
    return A, A.toarray()


@st.composite
def matrices(draw):
    if draw(st.booleans()):
        return draw(square_matrices())
    shape = draw(sizes), draw(sizes)
    family = draw(st.sampled_from(RECTANGULAR))
    A = sm.random(family, shape, rng=draw(seeds), dtype=draw(dtypes))
    return A, A.toarray()


@pytest.mark.parametrize("family", [*SQUARE, *RECTANGULAR], ids=lambda f: f.__name__)
def test_every_family_has_random_members(family):
    for n in (1, 2, 7, 12):
        for dtype in DTYPES:
            A = sm.random(family, (n, n), rng=n, dtype=dtype)
            assert type(A) is family
            assert A.shape == (n, n)
            assert A.dtype == dtype
            assert A == sm.random(family, (n, n), rng=n, dtype=dtype), "same seed, same matrix"


@given(matrices(), st.integers(0, 4), seeds, dtypes)
def test_products(pair, k, seed, dtype):
    A, full = pair
    X = randn((full.shape[1], k), np.random.default_rng(seed), dtype)
    expected = wide(full) @ X
    bound = 50 * max(full.shape) * max(eps(full), eps(X)) * (norm1(full.T) * 6 + 1e-300)
    for name, Y in layouts(X):
        assert not np.abs(A @ Y - expected).max(initial=0) > bound, (type(A), name)


@given(matrices(), seeds)
def test_adjoint(pair, seed):
    A, full = pair
    rng = np.random.default_rng(seed)
    x, y = randn(full.shape[1], rng, full.dtype), randn(full.shape[0], rng, full.dtype)
    size = norm1(full) * np.abs(x).sum() * np.abs(y).sum()
    assert (
        not abs(np.vdot(y, A @ x) - np.vdot(A.H @ y, x)) > 50 * max(full.shape) * eps(full) * size
    )


@given(square_matrices(), st.integers(1, 3), seeds)
def test_solves(pair, k, seed):
    A, full = pair
    cond = np.linalg.cond(wide(full))
    if not cond * eps(full) < 0.1:
        return  # singular to working precision: the bad-input tests ask what happens then
    b = randn((len(full), k), np.random.default_rng(seed), full.dtype)
    assert ratio_solve(full, A.solve(b), b) < 30


@given(square_matrices())
def test_determinants(pair):
    A, full = pair
    cond = np.linalg.cond(wide(full))
    if not cond * eps(full) < 1e-2:
        return
    sign, value = np.linalg.slogdet(A)
    expected_sign, expected = np.linalg.slogdet(wide(full))
    error = 30 * eps(full) * len(full) * (cond + abs(expected))
    assert not abs(value - expected) > error
    assert not abs(sign - expected_sign) > error + 10 * eps(full)


@given(matrices())
def test_singular_values(pair):
    A, full = pair
    expected = np.linalg.svd(wide(full), compute_uv=False)
    bound = 100 * max(full.shape) * eps(full) * (expected[0] if len(expected) else 0)
    assert not np.abs(np.linalg.svdvals(A) - expected).max(initial=0) > bound


@given(matrices(), matrices())
def test_kronecker_products_of_any_two(left, right):
    (A, full_a), (B, full_b) = left, right
    if full_a.size * full_b.size > 40_000:
        return
    K = np.kron(A, B)
    expected = np.kron(wide(full_a), wide(full_b))
    bound = 50 * max(eps(full_a), eps(full_b)) * np.abs(expected).max(initial=0)
    assert not np.abs(dense(K) - expected).max(initial=0) > bound * 4


@given(square_matrices(), square_matrices())
def test_sums_and_products_of_any_two(left, right):
    (A, full_a), (B, full_b) = left, right
    if full_a.shape != full_b.shape:
        return
    u = max(eps(full_a), eps(full_b)) * 50 * len(full_a)
    size = norm1(full_a) + norm1(full_b)
    assert not np.abs(dense(A + B) - (wide(full_a) + full_b)).max() > u * size
    assert not np.abs(dense(A - B) - (wide(full_a) - full_b)).max() > u * size
    product = wide(full_a) @ full_b
    assert not np.abs(dense(A @ B) - product).max() > u * norm1(full_a) * norm1(full_b)
