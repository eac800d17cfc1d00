"""fit_butterfly, refinement of factors and MM* recovery, against definitions and stored results."""

import functools
import itertools
import math

import fake_cupy
import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg
import support
from hypothesis import given
from hypothesis import strategies as st
from numpy.polynomial import legendre
from support import DTYPES, eps, layouts, orthogonal, randn

import structmat as sm
from structmat.matrices.chain import patterns
from structmat.matrices.chain.learn import kaleidoscope, search
from structmat.matrices.chain.learn.learned import fit_butterfly
from structmat.matrices.chain.learn.mm_star import factor_mm_star
from structmat.matrices.chain.learn.refine import refine

# ---------------------------------------------------------------- definitions


def factor_by_loops(values):
    """A Kronecker-sparse factor, entry by entry."""
    a, d, b, c = values.shape
    F = np.zeros((a * b * d, a * c * d), np.result_type(values, np.float64))
    for i, l, j, k in itertools.product(range(a), range(d), range(b), range(c)):
        F[i * b * d + j * d + l, i * c * d + k * d + l] = values[i, l, j, k]
    return F


def product(factors):
    return functools.reduce(
        np.matmul,
        [np.eye(len(F))[F] if F.ndim == 1 else factor_by_loops(F) for F in factors],
    )


def relative(A, B):
    return float(np.linalg.norm(A - B) / np.linalg.norm(A))


def numbers(chain):
    return sum(F.values.size for F in chain.factors if isinstance(F, sm.KroneckerSparse))


def tail2(S, r):
    """Squared singular values beyond r."""
    return float((np.linalg.svd(S, compute_uv=False)[r:] ** 2).sum())


def split_tail2(M, k, l, r):
    """Squared tail of a split, slice by slice."""
    p = M.shape[1] // k
    return sum(tail2(M[i::l, j * p : (j + 1) * p], r) for i in range(l) for j in range(k))


SHAPES = {
    "dyadic": [(1, 8, 2, 2), (2, 4, 2, 2), (4, 2, 2, 2), (8, 1, 2, 2)],
    "to the left": [(8, 1, 2, 2), (4, 2, 2, 2), (2, 4, 2, 2), (1, 8, 2, 2)],
    "rectangular, rank 2": [(1, 3, 4, 8), (4, 1, 6, 5)],
    "low rank": [(1, 1, 7, 3), (1, 1, 3, 5)],
    "one factor": [(3, 2, 4, 5)],
    "block": [(2, 2, 3, 2), (4, 1, 2, 3)],
    "redundant": [(1, 4, 2, 4), (2, 2, 4, 4), (4, 1, 4, 2)],
    "BB*": [(1, 4, 2, 2), (2, 2, 2, 2), (4, 1, 2, 2), (2, 2, 2, 2), (1, 4, 2, 2)],
    "MM*": [(1, 3, 2, 2), (3, 1, 2, 2), (1, 3, 2, 2)],
}
shapes = pytest.mark.parametrize("name", SHAPES)
dtypes = pytest.mark.parametrize("dtype", DTYPES)


def random_factors(name, rng, dtype=np.float64):
    return [randn(shape, rng, dtype) for shape in SHAPES[name]]


# ---------------------------------------------------------------- refinement


@shapes
@dtypes
def test_refinement_never_loses_and_reports_its_error(name, dtype, rng):
    factors = random_factors(name, rng, dtype)
    M = randn(product(factors).shape, rng, dtype)
    before = [F.copy() for F in factors]
    found, error = refine(M, factors, 10)
    assert all(np.array_equal(F, G) for F, G in zip(factors, before, strict=True))
    assert [F.shape for F in found] == [F.shape for F in factors]
    assert all(F.dtype == dtype for F in found)
    assert error <= relative(M, product(factors))
    assert abs(error - relative(M, product(found))) < 1e3 * eps(M)
    assert error <= 1.0


@shapes
def test_refinement_keeps_what_is_exact(name, rng):
    factors = random_factors(name, rng)
    found, error = refine(product(factors), factors, 5)
    assert error < 1e-14
    assert relative(product(factors), product(found)) < 1e-14


@shapes
def test_refinement_finds_a_neighbour(name, rng):
    factors = random_factors(name, rng)
    near = [F + 1e-3 * randn(F.shape, rng) for F in factors]
    _, error = refine(product(factors), near, 200, 1e-8)
    assert error < 1e-12


@shapes
def test_no_factor_can_be_improved_alone_at_the_end(name, rng):
    factors = random_factors(name, rng)
    M = randn(product(factors).shape, rng)
    found, error = refine(M, factors, 500, 1e-9)
    for i, F in enumerate(found):
        left, right = (product(x) if x else None for x in (found[:i], found[i + 1 :]))
        columns = []
        for index in np.ndindex(F.shape):
            unit = np.zeros(F.shape)
            unit[index] = 1
            K = factor_by_loops(unit)
            K = K if left is None else left @ K
            columns.append((K if right is None else K @ right).ravel())
        J = np.array(columns).T
        best = M.ravel() - J @ np.linalg.lstsq(J, M.ravel(), rcond=1e-10)[0]
        assert error <= np.linalg.norm(best) / np.linalg.norm(M) * (1 + 1e-3) + 1e-12


def test_refinement_between_permutations(rng):
    factors = random_factors("BB*", rng)
    p, q = rng.permutation(8), rng.permutation(8)
    chain = [p, *factors[:3], q, *factors[3:]]
    near = [F if F.ndim == 1 else F + 1e-3 * randn(F.shape, rng) for F in chain]
    found, error = refine(product(chain), near, 200, 1e-8)
    assert error < 1e-12
    assert np.array_equal(found[0], p)
    assert np.array_equal(found[4], q)


@pytest.mark.parametrize("scale", [1e150, 1e-150])
@pytest.mark.parametrize("name", ["dyadic", "BB*"])
def test_refinement_at_any_scale(name, scale, rng):
    factors = random_factors(name, rng)
    M = randn(product(factors).shape, rng)
    each = scale ** (1 / len(factors))
    found, error = refine(scale * M, [each * F for F in factors], 10)
    assert abs(error - relative(M, product(found) / scale)) < 1e-13
    assert abs(error - refine(M, factors, 10)[1]) < 1e-6


def test_refinement_of_zero(rng):
    found, error = refine(np.zeros((8, 8)), random_factors("BB*", rng), 3)
    assert error == 0
    assert not any(F.any() for F in found)


def test_refinement_tells_of_every_sweep(rng):
    factors, seen = random_factors("BB*", rng), []
    _, error = refine(randn((8, 8), rng), factors, 30, 1e-12, seen.append)
    assert len(seen) > 1
    assert all(y <= x for x, y in itertools.pairwise(seen))
    assert abs(seen[-1] - error) < 1e-12


# ---------------------------------------------------------------- search


@pytest.mark.parametrize(("k", "l"), [(1, 1), (2, 3), (4, 6), (1, 6), (8, 1)])
def test_tails_of_a_split(k, l, rng):
    M = randn((12, 16), rng)
    M /= np.linalg.norm(M)
    found = search.tail2(M, k, l)
    for r in range(min(12 // l, 16 // k) + 1):
        assert abs(found[r] - split_tail2(M, k, l, r)) < 1e-13


def test_tails_of_many_slices_are_estimated(rng):
    M = randn((1024, 1024), rng)
    M /= np.linalg.norm(M)
    found = search.tail2(M, 512, 256)[1]
    exact = sum(
        float(
            (
                np.linalg.svd(M[i::256].reshape(4, 512, 2).transpose(1, 0, 2), compute_uv=False)[
                    :, 1
                ]
                ** 2
            ).sum()
        )
        for i in range(256)
    )
    assert abs(found - exact) < 0.05 * exact


def test_chains_have_the_splits_that_they_are_made_from():
    for splits in ([(2, 6, 1)], [(1, 6, 2), (4, 2, 3)], [(2, 4, 1), (2, 4, 1)], []):
        chain = search.chain_of(12, 16, splits)
        assert patterns.refines(*chain)
        assert (chain[0].shape[0], chain[-1].shape[1]) == (12, 16)
        assert [patterns.rank(p, q) for p, q in itertools.pairwise(chain)] == [
            r for *_, r in splits
        ]
    assert search.chain_of(12, 16, [(5, 2, 1)]) is None
    assert search.chain_of(12, 12, [(2, 6, 1), (3, 2, 2)]) is None


@given(st.integers(4, 40), st.integers(4, 40), st.integers(0, 10**6))
def test_ranked_chains_keep_to_the_budget(m, n, seed):
    M = np.random.default_rng(seed).standard_normal((m, n))
    budget = m + n + seed % (m * n)
    found = search.ranked(M / np.linalg.norm(M), budget)
    assert found
    for splits in found:
        assert sum(p.nnz for p in search.chain_of(m, n, splits)) <= budget


@given(st.sampled_from([(1, 2, 1), (2, 3, 1), (4, 2, 2), (3, 4, 1)]), st.integers(0, 10**6))
def test_exchanges_report_what_they_reach(split, seed):
    k, l, r = split
    rng = np.random.default_rng(seed)
    M = rng.standard_normal((4 * l, 5 * k))
    M /= np.linalg.norm(M)
    tail, p, q = search.exchanged(M, split, rng)
    assert sorted(p) == list(range(4 * l))
    assert sorted(q) == list(range(5 * k))
    assert abs(tail - split_tail2(M[p][:, q], k, l, r)) < 1e-12
    assert tail <= split_tail2(M, k, l, r) + 1e-12


def test_exchanges_find_a_hidden_order(rng):
    blocks = [
        [np.outer(rng.standard_normal(4), rng.standard_normal(4)) for _ in range(2)]
        for _ in range(2)
    ]
    M = np.zeros((8, 8))
    for i, j in itertools.product(range(2), range(2)):
        M[i::2, 4 * j : 4 * j + 4] = blocks[i][j]
    M = M[rng.permutation(8)][:, rng.permutation(8)] / np.linalg.norm(M)
    best = min(
        search.exchanged(M[p][:, q], (2, 2, 1), rng)[0]
        for p, q in ((rng.permutation(8), rng.permutation(8)) for _ in range(20))
    )
    assert best < 1e-14


def test_orders_are_permutations_and_hold_the_identity():
    for n in (0, 1, 2, 7, 8, 32):
        found = search.orders(n)
        assert np.array_equal(found[0], np.arange(n))
        assert all(np.array_equal(np.sort(p), np.arange(n)) for p in found)
        assert len({p.tobytes() for p in found}) == len(found)


# ---------------------------------------------------------------- the table of Dao et al. (2019)

# Root mean square errors that the authors of the BP model stored with their code (rmse.pkl of
# HazyResearch/butterfly) for n = 8, 16, ..., 1024.
STORED = {
    "legendre": [3.401e-2, 2.919e-2, 2.364e-2, 1.377e-2, 7.926e-3, 4.492e-3, 2.589e-3, 1.571e-3],
    "hilbert": [6.380e-3, 5.908e-3, 4.153e-3, 2.746e-3, 1.619e-3, 1.067e-3, 6.503e-4, 3.727e-4],
    "gaussian": [1.391e-1, 1.585e-1, 1.444e-1, 1.134e-1, 8.393e-2, 6.100e-2, 4.406e-2, 3.119e-2],
}
SIZES = [8, 16, 32, 64, 128, 256, 512, 1024]


def target(name, n, seed=0):
    """The targets of that table, each as its authors define it."""
    if name == "legendre":
        grid = np.linspace(-1, 1, n + 2)[1:-1]
        return legendre.legvander(grid, n - 1).T / math.sqrt(n)
    if name == "hilbert":
        H = scipy.linalg.hilbert(n)
        return H / np.linalg.norm(H, 2)
    return np.random.RandomState(seed).randn(n, n) / math.sqrt(n)


def dyadic_numbers(n):
    """2 n log2 n: a real butterfly without tied weights."""
    return 2 * n * (n.bit_length() - 1)


def trained_numbers(n):
    """8 (n - 1): the real parameters of the complex model with tied weights that was trained."""
    return 8 * (n - 1)


def rmse(A, result):
    return float(np.linalg.norm(A - result.matrix.toarray())) / len(A)


@pytest.fixture
def large(request):
    return request.config.getoption("--exhaustive")


@pytest.mark.parametrize("count", [dyadic_numbers, trained_numbers])
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("name", STORED)
def test_below_the_stored_errors_at_equal_count(name, n, count, large):
    if n > 128 and not large:
        pytest.skip("seconds each; run with --exhaustive")
    budget = min(count(n), dyadic_numbers(n))
    A = target(name, n)
    result = fit_butterfly(A, budget=budget, rng=0)
    assert numbers(result.matrix) <= budget
    assert rmse(A, result) <= STORED[name][SIZES.index(n)]
    assert 0 <= result.lower_bound <= result.error <= result.upper_bound
    assert abs(result.error - relative(A, result.matrix.toarray())) < 1e-14


@pytest.mark.parametrize("n", [16, 32, 64])
def test_other_gaussian_draws_are_below_as_well(n):
    stored = STORED["gaussian"][SIZES.index(n)]
    for seed in range(1, 4):
        A = target("gaussian", n, seed)
        assert rmse(A, fit_butterfly(A, rng=0)) <= stored


@pytest.mark.parametrize("n", [8, 16, 32, 64, 128])
def test_hadamard_and_fourier_are_exact(n):
    for A in (scipy.linalg.hadamard(n) / math.sqrt(n), scipy.linalg.dft(n, "sqrtn")):
        result = fit_butterfly(A, rng=0)
        assert numbers(result.matrix) <= dyadic_numbers(n)
        assert rmse(A, result) <= 1e-14
        assert result.error < 1e-13


@pytest.mark.parametrize("n", [16, 64, 128])
def test_hartley_is_exact_with_rank_two(n):
    F = scipy.linalg.dft(n, "sqrtn")
    A = F.real - F.imag
    result = fit_butterfly(A, budget=4 * dyadic_numbers(n), rng=0)
    assert result.matrix.dtype == np.float64
    assert rmse(A, result) <= 1e-14


# ---------------------------------------------------------------- bounds


@given(st.integers(5, 24), st.integers(5, 24), st.integers(0, 10**6))
def test_bounds_hold(m, n, seed):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((m, n))
    result = fit_butterfly(A, budget=64 + seed % (m * n // 2), rng=0, restarts=1)
    assert result.matrix.shape == (m, n)
    assert result.lower_bound <= result.error <= result.upper_bound
    assert abs(result.error - relative(A, result.matrix.toarray())) < 1e-13
    # Another member with the same patterns and order is no nearer than the lower bound.
    factors = [
        sm.KroneckerSparse(F.values + 1e-2 * rng.standard_normal(F.values.shape))
        if isinstance(F, sm.KroneckerSparse)
        else F
        for F in result.matrix.factors
    ]
    other = sm.Chain(factors, result.matrix.shape)
    assert relative(A, other.toarray()) >= result.lower_bound - 1e-13


# ---------------------------------------------------------------- several butterflies


@pytest.mark.parametrize("n", [8, 16])
def test_a_circulant_is_a_butterfly_times_another_transposed(n, rng):
    A = scipy.linalg.circulant(rng.standard_normal(n)).astype(complex)
    result = fit_butterfly(A, depth=2, rng=0, maxiter=300, tol=1e-5)
    assert result.error < 1e-12
    assert result.matrix.patterns[: n.bit_length() - 1] == patterns.dyadic(n)
    assert result.matrix.patterns[n.bit_length() - 2 :] == patterns.dyadic(n)[::-1]


@pytest.mark.parametrize("depth", [2, 3])
def test_more_butterflies_are_not_worse(depth, rng):
    A = randn((16, 16), rng)
    one = fit_butterfly(A, budget=dyadic_numbers(16), permutation=None, rng=0)
    several = fit_butterfly(A, depth, permutation=None, rng=0, restarts=1, maxiter=40)
    assert numbers(several.matrix) == 32 * (3 * depth + 1)
    assert several.error <= one.error
    assert abs(several.error - relative(A, several.matrix.toarray())) < 1e-13
    assert (several.lower_bound, several.upper_bound) == (0.0, several.error)


@pytest.mark.parametrize("depth", [2, 3])
@pytest.mark.parametrize("n", [1, 2, 4])
def test_starts_of_several_are_never_above_one_butterfly(n, depth, rng):
    M = randn((n, n), rng)
    for values in itertools.islice(kaleidoscope._starts(M, depth, 0, rng), depth):
        assert [F.shape for F in values] == kaleidoscope._shapes(n, depth)
        assert relative(M, product(values)) <= 1.0


def test_several_of_any_shape(rng):
    A = randn((5, 7), rng)
    result = fit_butterfly(A, 2, rng=0, restarts=1, maxiter=5)
    assert result.matrix.shape == (5, 7)
    assert result.matrix.full_shape == (8, 8)
    assert abs(result.error - relative(A, result.matrix.toarray())) < 1e-13


# ---------------------------------------------------------------- what is taken


@pytest.mark.parametrize(
    "shape", [(0, 0), (0, 3), (1, 1), (1, 9), (2, 2), (4, 4), (5, 3), (11, 11)]
)
def test_small_matrices_are_held_exactly(shape, rng):
    A = randn(shape, rng)
    budget = max(A.size, 1)
    result = fit_butterfly(A, budget=budget)
    assert result.matrix.shape == shape
    assert result.error < 1e-15
    assert np.allclose(result.matrix.toarray(), A, rtol=1e-15, atol=0)


@pytest.mark.parametrize("n", [7, 11, 13, 24, 30, 97])
def test_any_order(n, rng):
    A = randn((n, n), rng)
    result = fit_butterfly(A, rng=0, restarts=0)
    assert result.matrix.shape == (n, n)
    assert result.error < 1


@dtypes
def test_dtypes_stay(dtype, rng):
    A = randn((16, 16), rng, dtype)
    for depth in (1, 2):
        result = fit_butterfly(A, depth, rng=0, restarts=1, maxiter=5)
        assert result.matrix.dtype == dtype
        assert all(F.dtype == dtype for F in result.matrix.factors)
        assert abs(result.error - relative(A, result.matrix.toarray())) < 10 * eps(A)


def test_integers_and_lists():
    A = scipy.linalg.hadamard(16)
    assert fit_butterfly(A).matrix.dtype == np.float64
    assert fit_butterfly(A.tolist()).error < 1e-14


@pytest.mark.parametrize(
    ("dtype", "scale"),
    [(np.float64, 1e150), (np.float64, 1e-150), (np.float32, 1e15), (np.float32, 1e-15)],
)
def test_scales(dtype, scale, rng):
    A = randn((16, 16), rng, dtype)
    same, other = (fit_butterfly(x, rng=0, restarts=1) for x in (A, A * dtype(scale)))
    assert abs(same.error - other.error) < 100 * eps(A)
    assert np.isfinite(other.matrix.toarray()).all()


def test_entries_near_the_largest_number(rng):
    A = randn((16, 16), rng)
    A *= 1e307 / np.abs(A).max()
    assert fit_butterfly(A, rng=0, restarts=0).error < 1


def test_layouts(rng):
    A = randn((12, 16), rng)
    expected = fit_butterfly(A, rng=0, restarts=1).error
    for name, view in layouts(A):
        assert abs(fit_butterfly(view, rng=0, restarts=1).error - expected) < 1e-14, name


def test_zero_matrix():
    result = fit_butterfly(np.zeros((16, 16)))
    assert result.error == result.lower_bound == 0
    assert not result.matrix.toarray().any()
    assert not fit_butterfly(np.zeros((8, 8)), 2, restarts=1).matrix.toarray().any()


def test_operators_and_functions(rng):
    A = randn((12, 16), rng)
    expected = fit_butterfly(A, rng=0, restarts=0).matrix.toarray()
    asked = [
        (scipy.sparse.linalg.aslinearoperator(A), None),
        (scipy.sparse.csr_array(A), None),
        (sm.Dense(A), None),
        (lambda X: A @ X, (12, 16)),
    ]
    for source, shape in asked:
        found = fit_butterfly(source, shape=shape, rng=0, restarts=0).matrix.toarray()
        assert np.allclose(found, expected, rtol=0, atol=1e-12)


def test_same_seed_same_chain(rng):
    A = randn((16, 16), rng)
    first, second = (fit_butterfly(A, rng=7) for _ in range(2))
    assert first.matrix == second.matrix


def test_permutation_of_columns(rng):
    F = scipy.linalg.dft(16)
    p = search.permuted.bit_reversal(16)
    for permutation in (p, sm.Permutation(p), "bit_reversal"):
        result = fit_butterfly(F, permutation=permutation)
        assert result.error < 1e-14
        assert isinstance(result.matrix.factors[-1], sm.Permutation)
    assert isinstance(fit_butterfly(F[:, p], permutation=None).matrix, sm.Butterfly)
    assert fit_butterfly(F, permutation=None).error > 0.1
    assert fit_butterfly(F, 2, permutation="bit_reversal", restarts=0, maxiter=5).error < 1e-14


def test_callback_sees_errors_fall(rng):
    seen = []
    result = fit_butterfly(
        randn((16, 16), rng), 2, rng=0, restarts=0, maxiter=30, tol=0, callback=seen.append
    )
    assert len(seen) > 3
    assert all(y <= x for x, y in itertools.pairwise(seen))
    assert abs(seen[-1] - result.error) < 1e-12


# ---------------------------------------------------------------- what is refused

A16 = np.arange(256.0).reshape(16, 16) + np.eye(16)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"A": np.full((4, 4), np.nan)}, ValueError, "infs or NaNs"),
        ({"A": np.ones(4)}, ValueError, "must be a matrix"),
        ({"A": np.ones((2, 2, 2))}, ValueError, "must be a matrix"),
        ({"A": np.ones((4, 4), np.float16)}, TypeError, "float16"),
        ({"A": A16, "depth": 0}, ValueError, "depth"),
        ({"A": A16, "depth": 1.5}, TypeError, "depth"),
        ({"A": A16, "budget": 31}, ValueError, "at least 32"),
        ({"A": A16, "budget": 64.0}, TypeError, "budget"),
        ({"A": A16, "budget": 64, "depth": 2}, ValueError, "depth=1"),
        ({"A": A16, "permutation": "fold"}, ValueError, "permutation"),
        ({"A": A16, "permutation": "fold", "depth": 2}, ValueError, "permutation"),
        ({"A": A16, "permutation": 3}, TypeError, "permutation"),
        ({"A": A16, "permutation": [0, 0]}, ValueError, "p"),
        ({"A": A16, "permutation": [1, 0]}, ValueError, "2 entries"),
        ({"A": np.ones((24, 24)), "permutation": "bit_reversal"}, ValueError, "power of two"),
        ({"A": A16, "maxiter": -1}, ValueError, "maxiter"),
        ({"A": A16, "restarts": -1}, ValueError, "restarts"),
        ({"A": A16, "tol": math.nan}, ValueError, "tol"),
        ({"A": A16, "shape": (16, 16)}, ValueError, "shape"),
        ({"A": lambda X: X}, ValueError, "shape"),
        ({"A": lambda X: X[:3], "shape": (4, 4)}, ValueError, r"\(3, 4\)"),
        ({"A": lambda X: X[:, 0], "shape": (4, 4)}, ValueError, "block"),
        ({"A": lambda X: X * math.inf, "shape": (4, 4)}, ValueError, "infs or NaNs"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_refusals(arguments, error, words):
    with pytest.raises(error, match=words):
        fit_butterfly(**arguments)


# ---------------------------------------------------------------- MM*


def mm_star(b, s, rng, dtype=np.float64):
    """A member, block by block: M[i::b, j::b] = A_i D_ij C_j."""
    M = np.zeros((b * s, b * s), dtype)
    left, right = ([orthogonal(s, rng, dtype) for _ in range(b)] for _ in range(2))
    for i, j in itertools.product(range(b), range(b)):
        d = np.exp(rng.uniform(-1, 1, s)) * np.sign(rng.standard_normal(s))
        M[i::b, j::b] = left[i] @ np.diag(d) @ right[j]
    return M


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
@pytest.mark.parametrize(
    ("b", "s"), [(5, 5), (4, 8), (8, 4), (3, 7), (1, 6), (6, 1), (2, 2), (16, 16)]
)
def test_mm_star_is_recovered(b, s, dtype, rng):
    for seed in range(5):
        M = mm_star(b, s, rng, dtype)
        result, info = factor_mm_star(M, b, rng=seed, return_info=True)
        assert result.matrix.patterns == ((1, s, s, b), (s, b, b, 1), (1, s, s, b))
        assert result.error <= 1e-10
        assert info.residual <= 1e-10
        assert info.cond >= 1 - 1e-12
        assert (
            abs(result.error - relative(M, product([F.values for F in result.matrix.factors])))
            < 1e-14
        )


@pytest.mark.parametrize(("n", "b"), [(16, 4), (36, 6), (64, 8), (60, 5)])
def test_mm_star_of_a_circulant(n, b, rng):
    c = rng.standard_normal(n)
    c[0] += 4 * math.sqrt(n)
    result = factor_mm_star(scipy.linalg.circulant(c), b, rng=0)
    assert result.error <= 1e-10
    assert result.lower_bound == 0
    assert result.upper_bound == result.error


def test_mm_star_stays_real_where_eigenvalues_are(rng):
    assert factor_mm_star(mm_star(4, 4, rng), 4, rng=0).matrix.dtype == np.float64
    C = scipy.linalg.circulant(rng.standard_normal(16))
    assert factor_mm_star(C, 4, rng=0).matrix.dtype == np.complex128


def test_mm_star_in_single_precision(rng):
    result = factor_mm_star(mm_star(4, 4, rng).astype(np.float32), 4, rng=0)
    assert result.matrix.dtype == np.float32
    assert result.error < 1e-4


@pytest.mark.parametrize("scale", [1e150, 1e-150])
def test_mm_star_at_any_scale(scale, rng):
    result = factor_mm_star(scale * mm_star(4, 4, rng), 4, rng=0)
    assert result.error <= 1e-10


def test_mm_star_allows_singular_blocks_elsewhere(rng):
    M = mm_star(4, 4, rng)
    M[1::4, 2::4] = 0
    assert factor_mm_star(M, 4, rng=0).error <= 1e-10


def test_mm_star_of_a_noisy_member_is_near_the_noise(rng):
    M = mm_star(4, 6, rng)
    noise = 1e-3 * rng.standard_normal(M.shape)
    with pytest.warns(RuntimeWarning, match="not in the class MM"):
        result, info = factor_mm_star(M + noise, 4, rng=0, return_info=True)
    assert result.error < 3 * np.linalg.norm(noise) / np.linalg.norm(M)
    assert info.residual > 1e-5


def test_mm_star_outside_the_class_says_so(rng):
    M = rng.standard_normal((25, 25))
    with pytest.warns(RuntimeWarning, match="5 x 5 blocks"):
        result, info = factor_mm_star(M, 5, rng=0, return_info=True)
    assert 0.1 < result.error < 1
    assert info.residual > 0.1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_toeplitz_matrix_is_outside_the_class_and_a_circulant_one_inside(rng, dtype):
    c, r = rng.standard_normal((2, 24)).astype(dtype)
    with pytest.warns(RuntimeWarning, match="not in the class MM"):
        outside = factor_mm_star(scipy.linalg.toeplitz(c, r), 4, rng=0)
    assert outside.error > 0.1
    assert factor_mm_star(scipy.linalg.circulant(c), 4, rng=0).error < 100 * np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64])
def test_operators_keep_their_precision(rng, dtype):
    M = support.randn((8, 8), rng, dtype)
    operator = scipy.sparse.linalg.aslinearoperator(M)
    assert fit_butterfly(operator, rng=0, restarts=0).matrix.dtype == dtype
    circulant = scipy.sparse.linalg.aslinearoperator(scipy.linalg.circulant(M[0]))
    found = factor_mm_star(circulant, 2, rng=0).matrix
    assert np.finfo(found.dtype).eps == np.finfo(dtype).eps


def test_no_guarantee_is_worse_than_zero(rng):
    for n in (8, 32):
        result = fit_butterfly(rng.standard_normal((n, n)), permutation=None, rng=0, restarts=0)
        assert result.error <= result.upper_bound <= 1


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: fit_butterfly(np.eye(8), callback=3), TypeError, "`callback`"),
        (lambda: fit_butterfly(lambda X: X, shape=8), TypeError, "`shape`"),
        (lambda: fit_butterfly(lambda X: X, shape=(8, 8, 8)), TypeError, "`shape`"),
        (lambda: factor_mm_star(np.zeros((0, 0)), 1), ValueError, "`blocks`"),
    ],
)
def test_arguments_are_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_mm_star_takes_operators(rng):
    M = mm_star(3, 4, rng)
    for source in (sm.Dense(M), scipy.sparse.linalg.aslinearoperator(M), M.tolist()):
        assert factor_mm_star(source, 3, rng=0).error <= 1e-10


@pytest.mark.parametrize(
    ("M", "blocks", "error", "words"),
    [
        (np.ones((6, 4)), 2, ValueError, "square"),
        (np.eye(6), 4, ValueError, "divide"),
        (np.eye(6), 0, ValueError, "divide"),
        (np.eye(6), 2.0, TypeError, "blocks"),
        (np.full((4, 4), np.inf), 2, ValueError, "infs or NaNs"),
        (np.ones(4), 2, ValueError, "matrix"),
        (np.zeros((4, 4)), 2, np.linalg.LinAlgError, "zero matrix"),
        (np.ones((4, 4)), 2, np.linalg.LinAlgError, "singular"),
        (np.eye(6), 2, np.linalg.LinAlgError, "singular"),
    ],
)
def test_mm_star_refusals(M, blocks, error, words):
    with pytest.raises(error, match=words):
        factor_mm_star(M, blocks)


# ---------------------------------------------------------------- the array that you pass decides


@pytest.mark.parametrize("name", ["dyadic", "rectangular, rank 2", "BB*"])
def test_refinement_stays_on_the_device(name, rng, monkeypatch):
    cupy = fake_cupy.install(monkeypatch)
    factors = random_factors(name, rng)
    M = randn(product(factors).shape, rng)
    found, error = refine(cupy.asarray(M), [cupy.asarray(F) for F in factors], 6)
    assert all(isinstance(F, cupy.ndarray) for F in found)
    assert abs(error - refine(M, factors, 6)[1]) < 1e-12


@pytest.mark.parametrize("depth", [1, 2])
def test_fit_stays_on_the_device(depth, rng, monkeypatch):
    cupy = fake_cupy.install(monkeypatch)
    A = randn((16, 16), rng)
    found = fit_butterfly(cupy.asarray(A), depth, rng=0, restarts=1, maxiter=5)
    assert isinstance(found.matrix.toarray(), cupy.ndarray)
    assert abs(found.error - fit_butterfly(A, depth, rng=0, restarts=1, maxiter=5).error) < 1e-12


def test_mm_star_says_that_it_runs_on_the_host(rng, monkeypatch):
    cupy = fake_cupy.install(monkeypatch)
    with pytest.raises(NotImplementedError, match="host"):
        factor_mm_star(cupy.asarray(randn((4, 4), rng)), 2)
