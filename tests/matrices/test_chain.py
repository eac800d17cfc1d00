"""Chains of Kronecker-sparse factors: patterns, entries, closure, coarser and real chains."""

import itertools
import math
import pickle
import tracemalloc

import fake_cupy
import numpy as np
import pytest
from cases.chain import coarse, factor, monarch, permutation, product
from cases.chain import draw as draw_factor
from gpu import emulated, emulator
from hypothesis import given
from hypothesis import strategies as st
from support import DTYPES, eps, randn

import structmat as sm
from structmat.matrices.chain import entries, fuse, patterns, real, runs
from structmat.matrices.chain.products import merged_values

Pattern = patterns.Pattern


def dense(A):
    """From the definition: factors by literal loops, multiplied in double precision."""
    wide = [
        permutation(F.p) if isinstance(F, sm.Permutation) else factor(F.values) for F in A.factors
    ]
    return product(wide, A.shape)


def close(A, expected, factor=100):
    actual = A.toarray() if hasattr(A, "toarray") else np.asarray(A)
    scale = np.abs(expected).max(initial=0)
    return np.abs(actual - expected).max(initial=0) <= factor * eps(actual) * max(scale, 1e-300)


def butterfly(rng, chain, dtype=np.float64, shape=None):
    return sm.Butterfly([randn((p.a, p.d, p.b, p.c), rng, dtype) for p in chain], shape)


# ---------------------------------------------------------------- patterns

small = st.integers(1, 3)


@st.composite
def refining(draw, length=3):
    """Patterns that refine to the right, of any blocks, strides and ranks."""
    a, before, d = draw(small), draw(small), draw(st.sampled_from((1, 2, 3, 4, 6, 8)))
    chain = []
    for _ in range(length):
        alpha, r = draw(small), draw(small)
        chain.append(Pattern(a, before, alpha * r, d))
        divisors = [t for t in range(1, d + 1) if d % t == 0]
        delta = draw(st.sampled_from(divisors))
        a, d, before = a * alpha, d // delta, r * delta
    return tuple(chain)


def support(p):
    return np.kron(np.kron(np.eye(p.a), np.ones((p.b, p.c))), np.eye(p.d))


@given(refining())
def test_chainable_patterns_multiply_to_the_merged_one(chain):
    assert patterns.chainable(*chain)
    assert patterns.chainable(*[patterns.transpose(p) for p in chain[::-1]])
    for p, q in itertools.pairwise(chain):
        counts = support(p) @ support(q)
        assert np.array_equal(counts > 0, support(patterns.merge(p, q)) > 0)
        assert set(np.unique(counts)) <= {0, patterns.rank(p, q)}, "slices are not disjoint"
        assert patterns.rank(patterns.transpose(q), patterns.transpose(p)) == patterns.rank(p, q)
        holds_all = patterns.redundant(p, q)
        assert holds_all == (patterns.rank(p, q) >= min(p.b, q.c))


@st.composite
def neighbours(draw):
    """Two patterns whose sizes fit."""
    p = Pattern(*(draw(st.integers(1, 4)) for _ in range(4)))
    n = p.shape[1]
    a = draw(st.sampled_from([t for t in range(1, n + 1) if n % t == 0]))
    d = draw(st.sampled_from([t for t in range(1, n // a + 1) if n // a % t == 0]))
    return p, Pattern(a, n // (a * d), draw(st.integers(1, 4)), d)


@given(neighbours())
def test_rank_is_none_where_slices_are_not_disjoint(pair):
    p, q = pair
    r = patterns.rank(p, q)
    if r is None:
        with pytest.raises(ValueError, match="not chainable"):
            patterns.merge(p, q)
        assert not patterns.chainable(p, q)
    else:
        assert set(np.unique(support(p) @ support(q))) <= {0, r}


def test_patterns_of_well_known_chains():
    assert patterns.dyadic(8) == ((1, 2, 2, 4), (2, 2, 2, 2), (4, 2, 2, 1))
    assert patterns.monarch(7, 3, 4, 4) == ((1, 3, 4, 7), (4, 7, 4, 1))
    assert patterns.monarch(7, 3, 4, 4, 2) == ((1, 3, 8, 7), (4, 14, 4, 1))
    assert patterns.square((2, 3)) == ((1, 2, 2, 3), (2, 3, 3, 1))
    assert patterns.dyadic(1) == ((1, 1, 1, 1),)
    for n in (0, 6, -2):
        with pytest.raises(ValueError, match="power of two"):
            patterns.dyadic(n)


def test_patterns_of_matrices_without_rows():
    nothing = patterns.monarch(0, 2, 3, 1)
    assert patterns.chainable(*nothing)
    assert patterns.rank(*nothing) == 1
    assert patterns.rank(*patterns.monarch(2, 2, 3, 2, 0)) == 0
    assert sm.Monarch(np.ones((0, 2, 3, 1)), np.ones((3, 0, 1, 2))).shape == (0, 6)


# ---------------------------------------------------------------- entries


@given(refining(), st.booleans(), st.integers(0, 2**32 - 1))
def test_every_entry_of_a_chainable_chain(chain, mirrored, seed):
    rng = np.random.default_rng(seed)
    A = butterfly(rng, chain)
    A = A.T if mirrored else A
    m, n = A.shape
    shape = int(rng.integers(1, m + 1)), int(rng.integers(1, n + 1))
    p, q = rng.permutation(m), rng.permutation(n)
    B = sm.Chain([sm.Permutation(p), *A.factors, sm.Permutation(q)], shape)
    expected = dense(B)
    i, j = (x.reshape(-1) for x in np.indices(shape))
    assert close(B[i, j], expected.reshape(-1))
    assert close(B[:, :], expected)
    assert close(np.stack([B[k] for k in range(shape[0])]), expected)
    assert close(np.stack([B[:, k] for k in range(shape[1])], axis=1), expected)
    assert close(B.diagonal(), np.diagonal(expected))
    assert B.norm() == pytest.approx(np.linalg.norm(expected), rel=1e-13)


@given(refining(), st.booleans(), st.integers(0, 2**32 - 1))
def test_whole_columns_by_what_they_reach(chain, mirrored, seed):
    rng = np.random.default_rng(seed)
    A = butterfly(rng, chain)
    A = A.T if mirrored else A
    run = runs.run_of(A.factors)
    j = rng.permutation(A.shape[1])
    values = runs.flipped(run.values) if run.mirrored else run.values
    found = (entries._rows_of if run.mirrored else entries._columns_of)(values, j)
    assert close(found, dense(A)[:, j])


@pytest.mark.parametrize("dtype", DTYPES)
def test_entries_keep_the_dtype(dtype, rng):
    A = butterfly(rng, patterns.dyadic(8), dtype)
    for found in (A[1, 2], A[1], A[:, 2], A[[1, 2], [3, 4]], A.diagonal(), A.trace()):
        assert found.dtype == dtype


def test_entries_of_a_chain_that_is_not_chainable(rng):
    F, G, H = butterfly(rng, patterns.dyadic(8)).factors
    A = sm.Chain([H, F, sm.Permutation(rng.permutation(8)), G, F])
    expected = dense(A)
    assert close(A[:, :], expected)
    assert close(A[[7, 1, 1, 0], [0, 3, 3, 7]], expected[[7, 1, 1, 0], [0, 3, 3, 7]])
    assert close(A[np.arange(8), np.zeros(8, int)], expected[:, 0])
    assert close(A[np.zeros(8, int), np.arange(8)], expected[0])
    assert close(A.diagonal(2), np.diagonal(expected, 2))
    assert A[[], []].shape == (0,)


def test_entries_do_not_densify(rng):
    n = 2**18
    H = np.array([[1.0, 1.0], [1.0, -1.0]])
    A = sm.Butterfly(np.broadcast_to(H, (18, n // 2, 2, 2)))
    i, j = rng.integers(n, size=(2, 50))
    signs = [(-1.0) ** (int(a) & int(b)).bit_count() for a, b in zip(i, j)]
    A[0, 0]
    tracemalloc.start()
    assert np.array_equal(A[i, j], signs)
    assert np.array_equal(A[i[:4]][:, j], A[np.ix_(i[:4], j)])
    assert A[:3, 5].tolist() == [1.0, -1.0, 1.0]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * 8 * n * 4, "a few rows, not a matrix"


def test_indices_beyond_the_crop_are_refused():
    A = sm.random(sm.Monarch, 13, rng=0)
    assert A.full_shape == (16, 16) or A.cropped
    with pytest.raises(IndexError):
        A[13, 0]
    assert A[-1, -1] == A[12, 12]


# ---------------------------------------------------------------- trace, symmetry


def test_trace_is_taken_of_a_chainable_rotation(rng):
    A = sm.random(sm.Monarch, (24, 30), rng=rng, dtype=np.complex128)
    P = A @ A.H
    assert isinstance(P, sm.Chain)
    assert runs.run_of(P.factors) is None
    assert P._trace() == pytest.approx(A.norm() ** 2, rel=1e-13)
    B = sm.random(sm.Butterfly, 16, rng=rng)
    Q = B @ sm.Permutation(rng.permutation(16)) @ B
    assert Q._trace() is NotImplemented
    assert Q.trace() == pytest.approx(np.trace(dense(Q)), rel=1e-13)


def test_mirrored_factors_are_known_to_be_hermitian(rng):
    A = sm.random(sm.Butterfly, 12, rng=rng, dtype=np.complex128)
    P = sm.Permutation(rng.permutation(12))
    D = sm.Diagonal(rng.standard_normal(12))
    for H in (A @ A.H, A.H @ A, P @ A @ A.H @ P.T):
        assert H._is_hermitian() is True
    H = sm.KroneckerSparse(np.arange(4.0).reshape(1, 1, 2, 2) + np.zeros((6, 1, 1, 1)))
    assert (A @ (H + H.T) @ A.H)._is_hermitian() is True
    assert sm.Chain([*A.factors, H, *A.H.factors])._is_hermitian() is NotImplemented
    assert A._is_hermitian() is NotImplemented
    assert (A @ D @ A.H)._is_hermitian() is True
    assert (A @ (1j * D) @ A.H)._is_hermitian() is NotImplemented
    assert sm.random(sm.Butterfly, (6, 8), rng=rng)._is_hermitian() is False


# ---------------------------------------------------------------- Frobenius norm


def test_frobenius_norm_of_a_difference_is_zero_to_rounding(rng):
    for A in (
        sm.random(sm.Monarch, (40, 30), rng=rng, block_rank=2),
        sm.random(sm.Butterfly, 32, rng=rng),
        sm.random(sm.Butterfly, 32, rng=rng).T,
    ):
        noise = (A + A * -1.0000001).norm()
        # A Gram matrix in place of the triangular factor would lose half of the digits: 1e-8.
        assert noise == pytest.approx(1e-7 * A.norm(), rel=1e-7)


@pytest.mark.parametrize("scales", [(1e200, 1e200, 1e-300), (1e-200, 1e-200, 1e300), (1e-160,) * 3,
                                    (1e150, 1e150, 1.0), (1e-320, 1e300, 1.0)])  # fmt: skip
def test_frobenius_norm_of_extreme_factors(scales, rng):
    A = butterfly(rng, patterns.dyadic(8))
    with np.errstate(over="raise"):
        scaled = sm.Butterfly([s * F.values for s, F in zip(scales, A.factors)])
        expected = A.norm() * scales[0] * scales[2] * scales[1]
        if scales == (1e-160,) * 3:
            expected = 0.0  # 1e-480 is no number
        rel = 1e-3 if 1e-320 in scales else 1e-12
        assert scaled.norm() == pytest.approx(expected, rel=rel, abs=0)


def test_frobenius_norm_of_blocks_of_opposite_scales(rng):
    """Each slice is scaled by itself: one scale for all would lose the small block's square."""
    big = np.array([1e200, 1e-200])[:, None, None, None] * np.ones((2, 1, 1, 1))
    A = sm.Butterfly([big, big[::-1]])
    assert A.norm() == pytest.approx(math.sqrt(2), rel=1e-15)


def test_frobenius_norm_that_is_no_number_is_loud():
    A = sm.Butterfly([np.full((1, 1, 1, 1), 1e200)] * 2)
    with pytest.raises(OverflowError, match="largest number"):
        A.norm()
    for bad in (np.nan, np.inf):
        assert not np.isfinite(sm.Butterfly([np.full((1, 1, 1, 1), bad)] * 2).norm())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rank", [1, 2, 9])
def test_frobenius_norm_of_every_rank(dtype, rank, rng):
    A = butterfly(rng, patterns.rectangular((10, 2, 3), (3, 4, 2), rank), dtype, (57, 21))
    for B in (A, A.T, A.H):
        assert entries.frobenius(B) == pytest.approx(
            np.linalg.norm(dense(B)), rel=20 * eps(A.factors[0].values)
        )


# ---------------------------------------------------------------- scaling, dtypes


def test_scaling_touches_one_factor(rng):
    A = sm.random(sm.Monarch, 12, rng=rng)
    B = 2 * A
    assert type(B) is sm.Monarch
    assert B.right is A.right
    assert np.array_equal(B.left, 2 * A.left)
    assert (A * 1j).dtype == np.complex128
    assert (np.float32(2) * A.astype(np.float32)).dtype == np.float32
    P = sm.Chain([sm.Permutation([1, 0])])
    assert np.array_equal((3 * P).toarray(), [[0, 3], [3, 0]])


def test_scaling_by_an_extreme_number_stays_in_range(rng):
    F = butterfly(rng, patterns.dyadic(4)).factors
    A = sm.Butterfly([1e200 * F[0].values, 1e-200 * F[1].values])
    expected = dense(sm.Butterfly(F))
    assert close((1e150 * A) * 1e-150, expected)
    assert close((1e-150 * A) * 1e150, expected)
    assert close(1e250 * A * 1e-250, expected)


def test_single_precision_is_entered_rebalanced(rng):
    A = butterfly(rng, patterns.dyadic(8))
    scaled = sm.Butterfly([s * F.values for s, F in zip((1e150, 1e-150, 1.0), A.factors)])
    single = scaled.astype(np.complex64)
    assert type(single) is sm.Butterfly
    assert close(single, dense(A))
    assert scaled.astype(np.float64) is scaled
    with pytest.raises(TypeError, match="imaginary"):
        A.astype(complex).astype(float)


# ---------------------------------------------------------------- products


def test_product_of_chains_is_a_chain(rng):
    A, B = sm.random(sm.Monarch, (12, 20), rng=rng), sm.random(sm.Butterfly, (20, 9), rng=rng)
    assert type(A @ B) is sm.Chain
    assert close(A @ B, dense(A) @ dense(B))
    P = A @ A.H
    assert len(P.factors) == 3, "R R^H holds fewer numbers than R and R^H"
    assert close(P, dense(A) @ dense(A).T)
    assert type(P) is sm.Chain
    x = rng.standard_normal(12)
    assert np.allclose(P @ x, dense(A) @ (dense(A).T @ x))


def test_neighbours_are_merged_where_that_takes_fewer_numbers(rng):
    K, L = (sm.random(sm.KroneckerSparse, 12, rng=rng, pattern=(2, 3, 3, 2)) for _ in range(2))
    assert type(K @ L) is sm.KroneckerSparse
    assert close(K @ L, K.toarray() @ L.toarray())
    tall = sm.random(sm.KroneckerSparse, (12, 4), rng=rng, pattern=(2, 3, 1, 2))
    wide = sm.random(sm.KroneckerSparse, (4, 12), rng=rng, pattern=(2, 1, 3, 2))
    assert type(tall @ wide) is sm.Butterfly, "an outer product holds more: it stays two factors"
    assert type(wide @ tall) is sm.KroneckerSparse
    F, G, H = butterfly(rng, patterns.dyadic(8)).factors
    assert type(F @ G @ H) is sm.Butterfly
    assert (F @ G @ H).factors == (F, G, H)
    assert type(H @ F) is sm.Chain
    Q = sm.Permutation(rng.permutation(8))
    undone = (F @ Q) @ (Q.T @ F)
    assert type(undone) is sm.KroneckerSparse, "permutations cancel, and what they kept apart meets"
    assert close(undone, F.toarray() @ F.toarray())
    assert type(Q.T @ (Q @ (F @ G @ H))) is sm.Butterfly
    assert type(Q.T @ sm.Chain([Q])) is sm.Chain
    P = sm.Permutation(rng.permutation(8))
    assert [type(x) for x in (F @ P @ P @ H).factors] == [type(F), sm.Permutation, type(F)]


def test_product_across_a_crop_keeps_the_structure(rng):
    A = sm.random(sm.Monarch, 13, rng=rng)
    B = sm.random(sm.Monarch, 13, rng=rng)
    assert A.full_shape == B.full_shape
    assert type(A @ B) is sm.Chain
    assert close(A @ B, dense(A) @ dense(B))
    assert close(A @ A.H, dense(A) @ dense(A).T)
    other = sm.Monarch(np.ones((5, 3, 3, 1)), np.ones((3, 5, 1, 5)), (13, 13))
    lazy = A @ other  # the crops leave different sizes between them
    if A.full_shape[1] != other.full_shape[0]:
        assert type(lazy) is sm.Product
    assert close(lazy, dense(A) @ dense(other))


def test_permutations_diagonals_and_multiples_are_absorbed(rng):
    for n in (12, 13):
        A = sm.random(sm.Monarch, n, rng=rng)
        full = dense(A)
        P, D = sm.Permutation(rng.permutation(n)), sm.Diagonal(rng.standard_normal(n))
        p, d = P.toarray(), D.toarray()
        for B, expected, kind in (
            (D @ A, d @ full, sm.Monarch),
            (A @ D, full @ d, sm.Monarch),
            (P @ A, p @ full, sm.Chain),
            (A @ P, full @ p, sm.Chain),
            (D @ (P @ A @ P) @ D, d @ p @ full @ p @ d, sm.Chain),
            (P @ A @ P @ P @ A, p @ full @ p @ p @ full, sm.Chain),
            ((2 * P) @ A, 2 * p @ full, sm.Chain),
            (A @ (2 * P), 2 * full @ p, sm.Chain),
            (sm.Identity(n) @ A, full, sm.Monarch),
            (np.linalg.solve(D, A), np.linalg.solve(d, full), sm.Monarch),
        ):
            assert type(B) is kind
            assert close(B, expected, 1000)
    K = sm.random(sm.KroneckerSparse, 12, rng=rng)
    D = sm.Diagonal(rng.standard_normal(12) + 2j)
    assert type(D @ K @ D) is sm.KroneckerSparse
    assert close(D @ K @ D, D.toarray() @ K.toarray() @ D.toarray())


# ---------------------------------------------------------------- sums, elementwise products


def test_sums_of_one_factor(rng):
    K, L = (sm.random(sm.KroneckerSparse, 12, rng=rng, pattern=(2, 3, 3, 2)) for _ in range(2))
    D, one = sm.Diagonal(rng.standard_normal(12) + 1j), sm.Identity(12)
    for B, expected in (
        (K + L, K.toarray() + L.toarray()),
        (K + D, K.toarray() + D.toarray()),
        (D - K, D.toarray() - K.toarray()),
        (K + one, K.toarray() + np.eye(12)),
        (one - K, np.eye(12) - K.toarray()),
        (sm.hadamard(K, L), K.toarray() * L.toarray()),
    ):
        assert type(B) is sm.KroneckerSparse
        assert close(B, expected)
    other = sm.random(sm.KroneckerSparse, 12, rng=rng, pattern=(1, 4, 4, 3))
    assert type(K + other) is sm.Sum
    two_factors = sm.KroneckerSparse(np.ones((2, 2, 3, 1))) @ sm.KroneckerSparse(
        np.ones((2, 2, 1, 3))
    )
    assert type(two_factors + D) is sm.Sum


def test_block_ranks_of_monarch_matrices_add(rng):
    blocks = {"blocks": (3, 4)}
    A = sm.random(sm.Monarch, (12, 20), rng=rng, block_rank=2, **blocks)
    B = sm.random(sm.Monarch, (12, 20), rng=rng, dtype=np.complex128, **blocks)
    total = A + B
    assert type(total) is sm.Monarch
    assert total.block_rank == 3
    assert close(total, dense(A) + dense(B))
    assert (A + A).block_rank == 2, "L R + L R shares a factor"
    assert (2 * A - A).block_rank == 2
    assert (A - A).norm() == 0
    assert type(sm.hadamard(A, B)) is sm.Monarch
    assert sm.hadamard(A, B).block_rank == 2
    assert close(sm.hadamard(A, B), dense(A) * dense(B))
    other = sm.random(sm.Monarch, (12, 20), rng=rng, blocks=(4, 3))
    assert type(A + other) is sm.Sum
    assert close(A + other, dense(A) + dense(other))


@given(refining(), st.booleans(), st.integers(0, 2**32 - 1))
def test_ranks_of_butterflies_add_and_multiply(chain, mirrored, seed):
    rng = np.random.default_rng(seed)
    other, r = [], 1
    for s, p in enumerate(chain):  # the same blocks with other ranks
        before, r = r, int(rng.integers(1, 3)) if s + 1 < len(chain) else 1
        ranks = [1, *(patterns.rank(x, y) for x, y in itertools.pairwise(chain)), 1]
        other.append(Pattern(p.a, p.b // ranks[s] * before, p.c // ranks[s + 1] * r, p.d))
    m, n = chain[0].shape[0], chain[-1].shape[1]
    shape = int(rng.integers(1, m + 1)), int(rng.integers(1, n + 1))
    A, B = butterfly(rng, chain, shape=shape), butterfly(rng, other, complex, shape)
    if mirrored:
        A, B = A.T, B.T
    total, times = (A + B).to(sm.Butterfly), sm.hadamard(A, B)
    assert type(total) is type(times) is sm.Butterfly
    assert close(total, dense(A) + dense(B), 1e3)
    assert close(times, dense(A) * dense(B), 1e3)
    # Equal sizes of a split may refine both ways, and then the ranks have two readings.
    if patterns.refines(*A.patterns) and patterns.refines(*B.patterns):
        assert total.ranks == tuple(p + q for p, q in zip(A.ranks, B.ranks))
        assert times.ranks == tuple(p * q for p, q in zip(A.ranks, B.ranks))


def test_a_sum_of_two_factors_each_keeps_the_family_and_a_longer_one_is_lazy(rng):
    """Interior factors of a sum are half zeros: the lazy one is cheaper, the other on demand."""
    short = [sm.random(sm.Butterfly, 12, rng=rng, radices=(3, 4)) for _ in range(2)]
    long = [sm.random(sm.Butterfly, 12, rng=rng, radices=(2, 3, 2)) for _ in range(2)]
    assert type(short[0] + short[1]) is sm.Butterfly
    total = long[0] + long[1]
    assert type(total) is sm.Sum
    one = total.to(sm.Butterfly)
    assert type(one) is sm.Butterfly
    assert close(one, dense(long[0]) + dense(long[1]))
    with pytest.raises(TypeError, match="blocks"):
        (long[0] + short[0]).to(sm.Butterfly)


def test_sums_without_a_common_layout_are_lazy(rng):
    A = sm.random(sm.Butterfly, 12, rng=rng, radices=(2, 3, 2))
    B = sm.random(sm.Butterfly, 12, rng=rng, radices=(3, 2, 2))
    assert type(A + B) is sm.Sum
    assert close(A + B, dense(A) + dense(B))
    assert type(A + A.T) is sm.Sum
    with pytest.raises(NotImplementedError, match="elementwise"):
        sm.hadamard(A, B)


# ---------------------------------------------------------------- coarser chains


@given(refining(4), st.booleans(), st.integers(1, 4))
def test_fused_chains_are_the_same_matrix(chain, mirrored, count):
    rng = np.random.default_rng(0)
    A = butterfly(rng, chain)
    A = A.T if mirrored else A
    B = A.fuse(count)
    assert len(B.factors) == count
    assert type(B) is sm.Butterfly
    assert close(B, dense(A), 1000)
    assert close(A.fuse(), dense(A), 1000)


def test_fuse_takes_coarser_blocks_where_the_kernels_do_not_join_passes(rng):
    for n, dtype in ((2, complex), (16, complex), (1024, complex), (720, float), (2187, float)):
        A = sm.random(sm.Butterfly, n, rng=rng, dtype=dtype)
        B = A.fuse()
        assert sum(map(fuse._cost, B.patterns)) <= sum(map(fuse._cost, A.patterns))
        assert max(max(p.b, p.c) for p in B.patterns) <= 64
    assert len(sm.random(sm.Butterfly, 4096, rng=rng, dtype=complex).fuse().factors) in (3, 4)
    real_stages = sm.random(sm.Butterfly, 4096, rng=rng)
    assert real_stages.fuse() == real_stages


def test_a_count_of_factors_gives_even_blocks(rng):
    A = sm.random(sm.Butterfly, 64, rng=rng)
    assert A.fuse(3).patterns == patterns.square((4, 4, 4))
    assert A.fuse(2).patterns == patterns.square((8, 8))
    assert A.fuse(1).patterns == ((1, 64, 64, 1),)
    assert A.fuse(6) == A


def test_fuse_keeps_permutations_and_crops(rng):
    F, G, H = butterfly(rng, patterns.dyadic(8)).factors
    p, q = (sm.Permutation(rng.permutation(8)) for _ in range(2))
    A = sm.Chain([p, q, F, G, q, p, G, H, p], (7, 5))
    B = A.fuse(2)
    assert [type(x).__name__ for x in B.factors] == [
        "Permutation", "KroneckerSparse", "Permutation", "KroneckerSparse", "Permutation",
    ]  # fmt: skip
    assert B.shape == (7, 5)
    assert close(B, dense(A))
    for wrong in (0, 1, 5):
        with pytest.raises(ValueError, match="between 2 and 4"):
            A.fuse(wrong)
    assert sm.Chain([p, q]).fuse().factors == (p @ q,)


def test_fused_butterfly_is_a_monarch_matrix(rng):
    A = sm.random(sm.Butterfly, 64, rng=rng)
    M = sm.Monarch.from_chain(A.fuse(2))
    assert M.left.shape == (8, 8, 8, 1)
    assert close(M, dense(A))
    assert type(M.fuse(1)) is sm.Butterfly
    assert sm.Monarch.from_chain(M) == M
    rank_2 = sm.random(sm.Monarch, (12, 10), rng=rng, block_rank=2)
    assert sm.Monarch.from_chain(sm.Butterfly(rank_2.factors, rank_2.shape)) == rank_2
    for wrong in (A, rank_2.T, sm.Chain([sm.Permutation([1, 0])])):
        with pytest.raises(TypeError, match="two factors of the patterns"):
            sm.Monarch.from_chain(wrong)


@given(refining(), st.booleans(), st.sampled_from([np.float64, np.complex128, np.float32]))
def test_expand_is_the_way_back_from_merging(chain, flip, dtype):
    rng = np.random.default_rng(sum(chain[0]))
    for p, q in itertools.pairwise(chain):
        F = sm.random(sm.KroneckerSparse, p.shape, rng=rng, dtype=dtype, pattern=p)
        G = sm.random(sm.KroneckerSparse, q.shape, rng=rng, dtype=dtype, pattern=q)
        M = fuse.merged(G.T, F.T) if flip else fuse.merged(F, G)
        two = (patterns.transpose(q), patterns.transpose(p)) if flip else (p, q)
        left, right = M.expand(*two)
        assert (left.pattern, right.pattern) == two
        assert left.dtype == right.dtype == M.dtype
        error = np.linalg.norm((left @ right).toarray() - M.toarray())
        assert error <= 50 * np.finfo(dtype).eps * np.linalg.norm(M.toarray())
        if patterns.redundant(p, q):
            full = sm.random(sm.KroneckerSparse, M.shape, rng=rng, dtype=dtype, pattern=M.pattern)
            left, right = full.expand(*two)
            assert np.array_equal(left.toarray() @ right.toarray(), full.toarray())


def test_expand_refuses_what_is_no_product(rng):
    F = sm.KroneckerSparse(rng.standard_normal((1, 1, 4, 4)))
    with pytest.raises(ValueError, match="do not multiply to"):
        F.expand((1, 2, 2, 1), (1, 2, 2, 1))
    with pytest.raises(ValueError, match=r"slices of rank 1 .*structmat\.project"):
        F.expand((1, 2, 2, 2), (2, 2, 2, 1))
    bad = sm.KroneckerSparse(np.full((1, 1, 4, 4), np.nan))
    with pytest.raises(ValueError):
        bad.expand((1, 2, 2, 2), (2, 2, 2, 1))
    none = sm.KroneckerSparse(np.zeros((1, 1, 0, 4)))
    left, right = none.expand((1, 0, 4, 1), (1, 4, 4, 1))
    assert (left.shape, right.shape) == ((0, 4), (4, 4))


@pytest.mark.parametrize("n", [8, 64, 128, 512])
@pytest.mark.parametrize("k", [1, 3, 64])
def test_what_meets_an_infinite_entry_is_not_finite(n, k, rng):
    """Whether a row that meets it in structural zeros alone stays finite is not promised."""
    F = sm.random(sm.KroneckerSparse, (n, n), rng=rng, pattern=(n // 4, 2, 2, 2))
    B = sm.random(sm.Butterfly, n, rng=rng)
    for A in (F, B, sm.Chain([F, F])):
        X = rng.standard_normal((n, k))
        X[n // 3, k // 2] = np.inf
        with np.errstate(invalid="ignore"):
            Y = A @ X
        met = A.toarray()[:, n // 3] != 0
        assert met.any()
        assert not np.isfinite(Y[met, k // 2]).any()
        assert np.isfinite(np.delete(Y, k // 2, axis=1)).all()


def test_merged_values_are_the_product(rng):
    for p, q in ((Pattern(1, 2, 4, 6), Pattern(2, 6, 6, 2)), (Pattern(2, 3, 3, 2),) * 2):
        F, G = (sm.KroneckerSparse(randn((x.a, x.d, x.b, x.c), rng)) for x in (p, q))
        assert close(fuse.merged(F, G), factor(F.values) @ factor(G.values))
        flipped = fuse.merged(G.T, F.T)
        assert close(flipped, (factor(F.values) @ factor(G.values)).T)
        assert merged_values(F.values, G.values).shape[:2] == (p.a, q.d)


# ---------------------------------------------------------------- real and imaginary parts


@given(refining(), st.booleans(), st.integers(0, 2**32 - 1))
def test_real_and_imaginary_parts_are_real_chains(chain, mirrored, seed):
    rng = np.random.default_rng(seed)
    A = butterfly(rng, chain, complex)
    A = A.T if mirrored else A
    full = dense(A)
    for B, expected in ((real.real_part(A), full.real), (real.real_part(-1j * A), full.imag)):
        assert type(B) is sm.Butterfly
        assert B.dtype == np.float64
        assert np.abs(B.toarray() - expected).max() <= 1e3 * eps(full) * np.abs(full).max()


def test_parts_of_chains_with_permutations_and_crops(rng):
    F, G, H = butterfly(rng, patterns.dyadic(8), np.complex64).factors
    p, q = (sm.Permutation(rng.permutation(8)) for _ in range(2))
    for factors in ((F,), (p, F, q), (p, F, q, p, G, H, q, F, q), (H, F), (F, p), (p, q)):
        A = sm.Chain([*factors, sm.KroneckerSparse(np.ones((8, 1, 1, 1), np.complex64))], (7, 5))
        B = real.real_part(A)
        assert B.dtype == np.float32
        assert B.shape == (7, 5)
        assert np.abs(B.toarray() - dense(A).real).max() <= 1e3 * eps(B.toarray()) * 10
    assert real.real_part(sm.Chain([p.astype(complex), q])).dtype == np.float64
    real_already = sm.random(sm.Butterfly, 8, rng=rng)
    assert real.real_part(real_already) is real_already


def test_numpy_real_and_imag_of_a_chain(rng):
    A = sm.random(sm.Monarch, (12, 10), rng=rng, dtype=np.complex128, block_rank=2)
    for B, expected in ((np.real(A), dense(A).real), (np.imag(A), dense(A).imag)):
        assert type(B) is sm.Monarch
        assert B.block_rank == 4
        assert close(B, expected)
    K = sm.random(sm.KroneckerSparse, 12, rng=rng, dtype=np.complex64)
    assert type(np.real(K)) is sm.KroneckerSparse
    assert np.array_equal(np.imag(K).toarray(), K.toarray().imag)


# ---------------------------------------------------------------- construction, refusals


def test_one_array_is_the_dyadic_butterfly(rng):
    values = rng.standard_normal((4, 8, 2, 2))
    A = sm.Butterfly(values)
    assert A.patterns == patterns.dyadic(16)
    for i, F in enumerate(A.factors):
        assert np.array_equal(F.values.reshape(8, 2, 2), values[i])
    assert A.ranks == (1, 1, 1)
    assert pickle.loads(pickle.dumps(A)) == A
    assert sm.Butterfly(np.ones((1, 1, 2, 2), int)).dtype == np.float64
    for wrong in ((3, 3, 2, 2), (3, 4, 2, 1), (0, 1, 2, 2), (4, 4, 2, 2), (2, 2, 2)):
        with pytest.raises(ValueError, match="shape|dimension"):
            sm.Butterfly(np.ones(wrong))


def test_factors_have_one_dtype_and_are_stored_as_given(rng):
    F, G = np.ones((1, 2, 2, 2), np.float32), np.ones((2, 1, 2, 2), np.complex64)
    A = sm.Chain([F, G, sm.Permutation([0, 2, 1, 3])])
    assert A.dtype == np.complex64
    assert A.factors[1].values is G
    assert A.factors[2].dtype == np.complex64
    assert sm.Chain([F, F.transpose(1, 0, 2, 3)]).factors[0].values is F
    M = sm.Monarch(np.ones((2, 3, 2, 1), int), np.ones((2, 2, 1, 3), np.float32))
    assert M.dtype == np.float64
    assert M.left.dtype == M.right.dtype == np.float64


def test_refusals_say_what_is_wrong():
    block = np.ones((1, 2, 2, 2))
    chain, butterfly, sparse = sm.Chain, sm.Butterfly, sm.KroneckerSparse
    P = sm.Permutation([0, 1, 2, 3])
    for error, message, build, arguments in (
        (ValueError, "at least one factor", chain, ([],)),
        (ValueError, r"\(4, 4\) does not fit `fac", chain, ([block, np.ones((1, 1, 3, 3))],)),
        (TypeError, "got a Identity", chain, ([sm.Identity(4)],)),
        (TypeError, "must be a sequence", chain, (3,)),
        (TypeError, "must be a sequence", chain, (chain([block]),)),
        (ValueError, r"`factors\[0\]` must have 4", chain, ([np.ones((2, 2))],)),
        (ValueError, "at most that of the product", chain, ([block], (5, 4))),
        (ValueError, "two integers", chain, ([block], 4)),
        (ValueError, "two integers", chain, ([block], (4, 4, 4))),
        (TypeError, "`shape` must be an integer", chain, ([block], (4.0, 4))),
        (ValueError, "non-negative", chain, ([block], (-1, 4))),
        (TypeError, "use Chain", butterfly, ([block, P],)),
        (ValueError, "not chainable", butterfly, ([np.ones((4, 1, 2, 2)), np.ones((1, 4, 2, 2))],)),
        (ValueError, r"p\) = \(2, 1, 3, p\)", sm.Monarch, (np.ones((1, 2, 2, 3)), block)),
        (ValueError, "`left` must have 4", sm.Monarch, (np.ones(3), block)),
        (ValueError, r"must have shape \(a, d, b, c\)", sparse, (block, (1, 2, 2, 3))),
        (ValueError, "four integers", sparse, (block, (1, 2, 2))),
        (TypeError, "must be an integer", sparse, (block, (1.0, 2, 2, 2))),
        (TypeError, "float16", sparse, (block.astype(np.float16),)),
    ):  # fmt: skip
        with pytest.raises(error, match=message):
            build(*arguments)


@pytest.mark.parametrize("cls", [sm.KroneckerSparse, sm.Chain, sm.Butterfly, sm.Monarch])
def test_random_members_are_well_conditioned(cls, rng):
    for n in (1, 2, 12, 13, 64, 97, 100):
        for dtype in DTYPES:
            A = sm.random(cls, n, rng=n, dtype=dtype)
            assert type(A) is cls
            assert A.dtype == dtype
            assert np.linalg.cond(A.toarray()) < 10
            assert A == sm.random(cls, n, rng=n, dtype=dtype)
    for shape in ((0, 0), (0, 3), (1, 5), (7, 11), (24, 18)):
        assert sm.random(cls, shape, rng=rng).shape == shape


def test_options_of_random():
    assert sm.random(sm.Monarch, 12, rng=0, block_rank=2).block_rank == 2
    assert sm.random(sm.Monarch, (12, 20), rng=0, blocks=(3, 4)).left.shape == (3, 4, 4, 1)
    assert sm.random(sm.Butterfly, 12, rng=0, radices=(3, 2, 2)).patterns == patterns.square(
        (3, 2, 2)
    )
    assert sm.random(sm.Butterfly, 8, rng=0, block_rank=2).ranks == (2, 2)
    chain = [(2, 3, 3, 2), (1, 12, 12, 1)]
    assert sm.random(sm.Chain, 12, rng=0, patterns=chain).patterns == (*chain, None)
    assert sm.random(sm.KroneckerSparse, 12, rng=0, pattern=chain[0]).pattern == chain[0]
    for cls, options, message in (
        (sm.Butterfly, {"patterns": [(1, 2, 2, 4)]}, "at most that of the product"),
        (sm.Butterfly, {"patterns": chain, "block_rank": 2}, "says all"),
        (sm.Butterfly, {"radices": (2, 2)}, "less than the shape"),
        (sm.KroneckerSparse, {"pattern": (1, 2, 3)}, "four integers"),
        (sm.KroneckerSparse, {"pattern": (1, 2, 2, 4)}, "shape"),
        (sm.Monarch, {"blocks": 0}, "blocks"),
    ):
        with pytest.raises(ValueError, match=message):
            sm.random(cls, 12, rng=0, **options)


def test_sparse_form_holds_the_entries_of_the_pattern(rng):
    K = sm.random(sm.KroneckerSparse, (12, 18), rng=rng, pattern=(2, 2, 3, 3))
    S = K.tosparse()
    assert S.nnz == K.pattern.nnz
    assert S.has_sorted_indices
    assert np.array_equal(S.toarray(), K.toarray())
    S.data[:] = 0
    assert K.norm() > 0, "the sparse matrix has its own numbers"


def test_parameters_are_not_changed_by_algebra(rng):
    A = sm.random(sm.Monarch, 12, rng=rng)
    before = A.copy()
    _ = A @ A, A + A, 2 * A, A.fuse(1), A.norm(), A.diagonal(), A.H, A[3], A @ np.ones(12)
    (A @ sm.Diagonal(np.arange(12.0))).toarray()
    assert A == before


def test_a_kept_plan_is_no_part_of_the_matrix(rng):
    A = sm.random(sm.Butterfly, 64, rng=rng)
    B = A.copy()
    A @ np.ones(64)
    assert A == B
    assert len(pickle.dumps(A)) == len(pickle.dumps(B))
    assert A.nbytes == B.nbytes
    assert np.array_equal(A.astype(np.float32).toarray(), B.astype(np.float32).toarray())


def test_monarch_is_its_definition(rng):
    left, right = coarse((3, 2, 4, 2), rng, complex), coarse((4, 3, 2, 5), rng, complex)
    A = sm.Monarch(left, right, (5, 17))
    assert np.array_equal(A.toarray(), monarch(left, right, (5, 17)))
    assert np.array_equal(A.H.toarray(), monarch(left, right, (5, 17)).conj().T)
    assert type(A.H) is sm.Butterfly
    assert type(A.conj()) is sm.Monarch
    assert draw_factor((1, 2, 2, 3), rng).shape == (1, 3, 2, 2)


# ---------------------------------------------------------------- arrays of the device


def on_host(x):
    x = x.to_device("cpu").toarray() if isinstance(x, sm.StructuredMatrix) else x
    return x.get() if hasattr(x, "get") else np.asarray(x)


@pytest.mark.parametrize("kind", ["butterfly", "monarch", "permuted", "mirrored", "sparse"])
def test_algebra_stays_on_the_device(kind, monkeypatch, rng):
    (emulated if emulator.available() else fake_cupy).install(monkeypatch)
    A = {
        "butterfly": sm.random(sm.Butterfly, 13, rng=rng, dtype=np.complex128, block_rank=2),
        "monarch": sm.random(sm.Monarch, 13, rng=rng, dtype=np.complex128, block_rank=3),
        "permuted": sm.random(sm.Chain, 12, rng=rng, dtype=np.complex128),
        "mirrored": sm.random(sm.Butterfly, 16, rng=rng, dtype=np.complex128).T,
        "sparse": sm.random(sm.KroneckerSparse, 12, rng=rng, dtype=np.complex128),
    }[kind]
    n = A.shape[0]
    d = rng.standard_normal(n)
    P = sm.Permutation(rng.permutation(n))
    verbs = {
        "entry": lambda A, D, P: A[3, 5],
        "row": lambda A, D, P: A[3],
        "column": lambda A, D, P: A[:, 4],
        "block": lambda A, D, P: A[2:9, ::2],
        "pairs": lambda A, D, P: A[[1, 2, 2], [3, 0, 11]],
        "diagonal": lambda A, D, P: A.diagonal(),
        "trace": lambda A, D, P: A.trace(),
        "norm": lambda A, D, P: A.norm(),
        "product": lambda A, D, P: A @ A,
        "adjoint": lambda A, D, P: A @ A.H,
        "sum": lambda A, D, P: A + 2 * A,
        "scaled": lambda A, D, P: 3j * A,
        "rows": lambda A, D, P: D @ A @ D,
        "permuted": lambda A, D, P: P @ A @ P,
        "real": lambda A, D, P: A._real(),
        "fused": lambda A, D, P: A.fuse(1) if isinstance(A, sm.Butterfly) else A,
        "single": lambda A, D, P: A.astype(np.complex64),
    }
    device = [x.to_device("cuda") for x in (A, sm.Diagonal(d), P)]
    for name, verb in verbs.items():
        expected = on_host(verb(A, sm.Diagonal(d), P))
        found = verb(*device)
        if isinstance(found, sm.StructuredMatrix):
            assert found._namespace is not np, name
        elif name != "norm":
            assert name in ("entry", "trace") or not isinstance(found, np.ndarray), name
        bound = 1e-5 if name == "single" else 1e-12
        assert np.abs(on_host(found) - expected).max() <= bound * np.abs(expected).max(), name
