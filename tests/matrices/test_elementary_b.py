"""What only BlockDiagonal, Block, LowRank and DiagonalPlusLowRank promise."""

import warnings

import numpy as np
import pytest
from numpy.linalg import LinAlgError
from scipy.linalg import LinAlgWarning, expm
from support import (
    DTYPES,
    eps,
    orthogonal,
    randn,
    randsvd,
    ratio_eigh,
    ratio_inverse,
    ratio_orthogonal,
    ratio_solve,
    ratio_svd,
)

import structmat as sm
from structmat.matrices.elementary import stacks, woodbury
from structmat.matrices.elementary.completion import completed

dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)


# ---------------------------------------------------------------- BlockDiagonal


def test_equal_blocks_of_a_list_are_stored_in_one_array():
    A = sm.BlockDiagonal([np.eye(2), 2 * np.eye(2)])
    assert A.blocks.shape == (2, 2, 2)
    given = np.ones((3, 2, 2))
    assert sm.BlockDiagonal(given).blocks is given


def test_ragged_blocks_are_grouped_by_shape_and_held_once():
    A = sm.BlockDiagonal([np.eye(2), np.eye(3), np.eye(2), sm.Diagonal([1.0])])
    assert len(A._groups) == 3
    assert A.nbytes == 8 * (4 + 9 + 4 + 1)


def test_many_blocks_take_no_loop():
    B = np.random.default_rng(0).standard_normal((20_000, 2, 2)) + 3 * np.eye(2)
    A = sm.BlockDiagonal(B)
    b = np.ones(A.shape[0])
    x, info = sm.linalg.solve(A, b, return_info=True)
    assert info.backward_error < 1e-15
    np.testing.assert_allclose(A.slogdet().logabsdet, np.linalg.slogdet(B)[1].sum())
    assert A.eigvals().shape == b.shape
    U, S, Vh = A.svd()
    assert (np.diff(S) <= 0).all()
    np.testing.assert_allclose(U @ (S * (Vh @ b)), A @ b)


@dtypes
@pytest.mark.parametrize("p", [2, 40])
@pytest.mark.parametrize("kind", ["even", "graded", "clustered", "random"])
def test_block_solves_have_lapack_ratios(dtype, p, kind):
    rng = np.random.default_rng(p)
    cond = 0.1 / np.finfo(dtype).eps
    blocks = np.stack([randsvd(p, kind, cond, seed, dtype) for seed in range(3)])
    A = sm.BlockDiagonal(blocks)
    for k in (1, 7):  # the inverse with refinement, and LU
        b = randn((3 * p, k), rng, dtype)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LinAlgWarning)
            x = A.solve(b)
        for i in range(3):
            rows = slice(i * p, (i + 1) * p)
            assert ratio_solve(blocks[i], x[rows], b[rows]) < 10


@dtypes
def test_block_spectra_have_lapack_ratios(dtype):
    rng = np.random.default_rng(1)
    blocks = [randn(s, rng, dtype) for s in ((6, 4), (3, 5), (6, 4), (2, 2))]
    A = sm.BlockDiagonal(blocks)
    dense = A.toarray()
    for full in (True, False):
        U, S, Vh = sm.linalg.svd(A, full_matrices=full)
        assert S.dtype == np.finfo(dtype).dtype
        assert ratio_svd(dense, U, S, Vh) < 30
        assert ratio_orthogonal(U, S) < 30
        assert ratio_orthogonal(Vh.H, S) < 30
    H = np.stack([B @ B.conj().T for B in (blocks[3], 2 * blocks[3])])
    A = sm.BlockDiagonal(H)
    w, V = A.eigh()
    assert ratio_eigh(A, w, V) < 30
    assert isinstance(A.inv(), sm.BlockDiagonal)
    assert ratio_inverse(A, A.inv()) < 10


def test_singular_blocks_are_named():
    blocks = np.stack([np.eye(3)] * 4)
    blocks[3, 2, 2] = 0
    for verb in (lambda A: A.solve(np.ones(12)), lambda A: A.inv(), lambda A: A.factorize()):
        with pytest.raises(LinAlgError, match="diagonal block 3, pivot 2"):
            verb(sm.BlockDiagonal(blocks))
    ragged = sm.BlockDiagonal([np.eye(2), blocks[3], np.eye(2)])
    with pytest.raises(LinAlgError, match="diagonal block 1, pivot 2"):
        ragged.solve(np.ones(7))
    blocks[3, 2, 2] = -1
    with pytest.raises(LinAlgError, match="diagonal block 3"):
        sm.BlockDiagonal(blocks).cholesky()
    by_shape = sm.BlockDiagonal([np.ones((1, 2)), np.ones((2, 1))])
    with pytest.raises(LinAlgError, match=r"diagonal block 0 has shape \(1, 2\)"):
        by_shape.solve(np.ones(3))
    assert by_shape.slogdet() == (0, -np.inf)


def test_condition_is_that_of_the_worst_block():
    A = sm.BlockDiagonal(np.stack([1e-200 * np.eye(2), np.eye(2), 1e200 * np.eye(2)]))
    assert A.factorize().rcond == 1
    assert A.slogdet() == (1, 0)
    np.testing.assert_allclose(A.solve(np.array([1e-200, 0, 1, 0, 1e200, 0])), [1, 0] * 3)
    A = sm.BlockDiagonal(np.array([np.eye(2), [[1, 1], [1, 1 + 1e-16 * 4]]]))
    with pytest.warns(LinAlgWarning, match="BlockDiagonal"):
        A.solve(np.ones(4))
    with pytest.warns(LinAlgWarning, match="BlockDiagonal"):
        A.inv()


@dtypes
@pytest.mark.parametrize("size", [1e-3, 1.0, 30.0])
def test_batched_exponential_is_scipys(dtype, size):
    rng = np.random.default_rng(2)
    stack = (randn((5, 4, 4), rng, dtype) * np.array([0, 1e-3, 0.3, 1, 1])[:, None, None]) * size
    stack = stack.astype(dtype) / 4
    expected = expm(stack.astype(np.result_type(dtype, np.float64)))
    scale = np.abs(expected).max((1, 2), keepdims=True)
    assert (np.abs(stacks.expm(stack) - expected) / scale).max() < 500 * np.finfo(dtype).eps
    with pytest.raises(OverflowError, match="overflows"):
        stacks.expm(np.full((1, 2, 2), 1e6, dtype))


def test_block_diagonal_algebra_keeps_structure(rng):
    B, C = rng.standard_normal((2, 3, 2, 2))
    A = sm.BlockDiagonal(B)
    ragged = sm.BlockDiagonal([B[0], sm.Diagonal([1.0, 2.0]), C[0]])
    for result in (
        A @ sm.BlockDiagonal(C), A + sm.BlockDiagonal(C), A @ ragged, ragged + A, 2 * A,
        A + sm.Identity(6), sm.Diagonal(np.arange(6.0)) - A, A @ sm.Diagonal(np.arange(6.0)),
        sm.hadamard(A, sm.BlockDiagonal(C)), A**3, A.inv(), sm.linalg.expm(A), A.pinv(),
        np.linalg.solve(A, ragged), sm.Diagonal(np.arange(1.0, 7)).solve(ragged),
    ):  # fmt: skip
        assert isinstance(result, sm.BlockDiagonal)
    other = sm.BlockDiagonal(rng.standard_normal((2, 3, 3)))
    np.testing.assert_allclose((A @ other).toarray(), A.toarray() @ other.toarray())


def test_blocks_are_checked():
    with pytest.raises(ValueError, match=r"blocks\[1\]"):
        sm.BlockDiagonal([np.eye(2), np.ones(2)])
    with pytest.raises(ValueError, match="3 dimension"):
        sm.BlockDiagonal(np.eye(2))


def test_project_onto_block_diagonals(rng):
    M = rng.standard_normal((6, 6))
    found = sm.project(M, sm.BlockDiagonal, block_size=2)
    rest = M - found.matrix.toarray()
    assert found.error == pytest.approx(np.linalg.norm(rest) / np.linalg.norm(M), rel=1e-14)
    assert found.lower_bound == found.error == found.upper_bound
    exact = sm.BlockDiagonal([M[:1, :1], M[1:4, 1:4], M[4:, 4:]])
    found = sm.project(exact, sm.BlockDiagonal)
    assert found.error == 0
    assert [b.shape for b in found.matrix.blocks] == [(1, 1), (3, 3), (2, 2)]
    noisy = exact.toarray() + 1e-6 * M
    assert len(sm.project(noisy, sm.BlockDiagonal, rtol=1e-4).matrix.blocks) == 3
    assert sm.project(noisy, sm.BlockDiagonal, rtol=1e-9).matrix.shape == (6, 6)
    assert len(sm.project(noisy, sm.BlockDiagonal, budget=6).matrix.blocks) == 6
    found = sm.project(M[:4], sm.BlockDiagonal, sizes=[(1, 2), (3, 4)])
    np.testing.assert_array_equal(found.matrix.blocks[1], M[1:4, 2:])
    with pytest.raises(ValueError, match="do not tile"):
        sm.project(M, sm.BlockDiagonal, block_size=4)
    with pytest.raises(ValueError, match="ambiguous"):
        sm.project(M[:4], sm.BlockDiagonal)


# ---------------------------------------------------------------- Block


def test_grids_are_checked():
    for grid, words in (
        ([[np.eye(2), None], [None, None]], "all None"),
        ([[np.eye(2)], [np.eye(2), np.eye(2)]], "one length"),
        ([[np.eye(2), np.eye(3)]], "different sizes"),
        ([], "one length"),
    ):
        with pytest.raises(ValueError, match=words):
            sm.Block(grid)


@dtypes
@pytest.mark.parametrize("flip", [False, True])
def test_bordered_diagonal_by_schur_complement(dtype, flip, rng):
    n, k = 30, 2
    d = rng.uniform(1, 2, n).astype(dtype)
    B, C, D = (randn(s, rng, dtype) for s in ((n, k), (k, n), (k, k)))
    grid = [[sm.Diagonal(d), B], [C, D]]
    if flip:
        grid = [[D, C], [B, sm.Diagonal(d)]]
    A = sm.Block(grid)
    factor = A.factorize()
    assert "Schur" in factor.method
    b = randn((n + k, 3), rng, dtype)
    assert ratio_solve(A.toarray(), factor.solve(b), b) < 30
    sign, value = A.slogdet()
    expected = np.linalg.slogdet(A.toarray())
    assert sign == pytest.approx(expected.sign, rel=1e3 * eps(d))
    assert value == pytest.approx(expected.logabsdet, rel=1e3 * eps(d))


@pytest.mark.parametrize("pivot", [1e-18, 1e-9, 0.0])
def test_a_bad_pivot_block_does_not_spoil_the_solution(pivot, rng):
    n, k = 12, 3
    d = rng.uniform(1, 2, n)
    d[0] = pivot
    A = sm.Block(
        [[sm.Diagonal(d), rng.standard_normal((n, k))], [rng.standard_normal((k, n)), None]]
    )
    b = rng.standard_normal(n + k)
    assert ratio_solve(A.toarray(), A.solve(b), b) < 30
    expected = np.linalg.slogdet(A.toarray())
    assert A.slogdet().logabsdet == pytest.approx(expected.logabsdet, rel=1e-10)


@pytest.mark.parametrize("lower", [False, True])
def test_block_substitution(lower, rng):
    d = rng.uniform(1, 2, (3, 4))
    F = [[None] * 3 for _ in range(3)]
    for i in range(3):
        F[i][i] = sm.Diagonal(d[i])
        for j in range(i) if lower else range(i + 1, 3):
            F[i][j] = rng.standard_normal((4, 4))
    A = sm.Block(F)
    factor = A.factorize()
    assert factor.method == "block substitution"
    b = rng.standard_normal((12, 2))
    assert ratio_solve(A.toarray(), factor.solve(b), b) < 30
    assert A.slogdet().logabsdet == pytest.approx(np.log(d).sum())
    F[1][1] = sm.Diagonal([1.0, 0.0, 1.0, 1.0])
    with pytest.raises(LinAlgError, match="entry 1"):
        sm.Block(F).solve(b)
    assert sm.Block(F).slogdet() == (0, -np.inf)


def test_block_products_and_sums_stay_blocks(rng):
    X = rng.standard_normal((2, 3))
    A = sm.Block([[sm.Diagonal([1.0, 2.0]), X], [None, sm.Identity(3)]])
    B = sm.Block([[None, X], [X.T, None]])
    for result, expected in (
        (A @ B, A.toarray() @ B.toarray()),
        (A + B, A.toarray() + B.toarray()),
        (A @ A, A.toarray() @ A.toarray()),
        (3 * A, 3 * A.toarray()),
    ):
        assert isinstance(result, sm.Block)
        np.testing.assert_allclose(result.toarray(), expected)
    assert isinstance((A @ A).grid[0][0], sm.Diagonal)


# ---------------------------------------------------------------- LowRank


@dtypes
@pytest.mark.parametrize(("m", "n"), [(30, 20), (20, 30), (25, 25)])
def test_low_rank_svd_completes_orthonormal_vectors(dtype, m, n):
    rng = np.random.default_rng(m)
    A = sm.LowRank(randn((m, 4), rng, dtype), randn((n, 4), rng, dtype))
    for full in (True, False):
        U, S, Vh = sm.linalg.svd(A, full_matrices=full)
        assert U.shape == (m, m if full else min(m, n))
        assert ratio_svd(A.toarray(), U, S, Vh) < 30
        assert ratio_orthogonal(U, S) < 30
        assert ratio_orthogonal(Vh.conj().T, S) < 30


def test_null_vectors_of_a_large_matrix_take_no_memory():
    n = 50_000
    rng = np.random.default_rng(0)
    A = sm.LowRank(rng.standard_normal((n, 3)), rng.standard_normal((n, 3)))
    U, S, Vh = A.svd()
    assert U.shape == (n, n)
    assert U.nbytes < 100 * n
    assert sm.linalg.matrix_rank(A) == 3
    x = rng.standard_normal(n)
    np.testing.assert_allclose(U @ (S * (Vh @ x)), A @ x, atol=1e-12 * S[0] * np.linalg.norm(x))
    np.testing.assert_allclose(U.H @ (U @ x), x, atol=1e-12)


@dtypes
@pytest.mark.parametrize("k", [1, 3, 8])
def test_completion_of_any_orthonormal_columns(dtype, k):
    """Also of unit vectors, of their negatives, and of vectors orthogonal to them."""
    rng = np.random.default_rng(k)
    eye = np.eye(8, dtype=dtype)
    for Q in (orthogonal(8, rng, dtype)[:, :k].astype(dtype), eye[:, :k], -eye[:, :k],
              eye[:, ::-1][:, :k]):  # fmt: skip
        for columns in range(k, 9):
            B = completed(Q, np.eye(k, dtype=dtype), columns)
            assert B.shape == (8, columns)
            assert ratio_orthogonal(B, Q) < 10
            dense = B if isinstance(B, np.ndarray) else B.toarray()
            assert np.abs(dense[:, :k] - Q).max() < 20 * eps(Q)


def test_low_rank_is_singular_by_its_shape():
    A = sm.LowRank(np.ones((4, 2)), np.ones((4, 2)))
    with pytest.raises(LinAlgError, match="rank is at most 2 of 4"):
        A.solve(np.ones(4))
    with pytest.raises(LinAlgError, match="LowRank is not positive definite"):
        A.cholesky()
    assert A.slogdet() == (0, -np.inf)
    with pytest.raises(ValueError, match="same number of columns"):
        sm.LowRank(np.ones((4, 2)), np.ones((4, 3)))


def test_low_rank_spectra_of_factors_of_wild_scales(rng):
    """Columns of U and V that scale each other away do no harm: QR does not see them."""
    scale = 10.0 ** np.array([-140, 0, 140])
    U, V = rng.standard_normal((20, 3)), rng.standard_normal((15, 3))
    S = sm.LowRank(U * scale, V / scale).svdvals()
    np.testing.assert_allclose(S[:3], np.linalg.svd(U @ V.T)[1][:3], rtol=1e-13)
    assert not S[3:].any()


def test_low_rank_algebra_keeps_structure(rng):
    A, B = (sm.LowRank(*rng.standard_normal((2, 9, 2))) for _ in range(2))
    D = sm.Diagonal(np.arange(1.0, 10))
    P = sm.Permutation(rng.permutation(9))
    for result, expected, rank in (
        (A + B, A.toarray() + B.toarray(), 4),
        (A @ B, A.toarray() @ B.toarray(), 2),
        (A @ P, A.toarray() @ P.toarray(), 2),
        (P @ A, P.toarray() @ A.toarray(), 2),
        (D @ A, D.toarray() @ A.toarray(), 2),
        (D.solve(A), np.linalg.solve(D.toarray(), A.toarray()), 2),
        (sm.hadamard(A, B), A.toarray() * B.toarray(), 4),
        (A**3, np.linalg.matrix_power(A.toarray(), 3), 2),
        (A.pinv(), np.linalg.pinv(A.toarray(), rcond=1e-12), 2),
    ):
        assert isinstance(result, sm.LowRank)
        assert result.U.shape[1] == rank
        np.testing.assert_allclose(result.toarray(), expected, atol=1e-11 * np.abs(expected).max())
    assert isinstance(A + D, sm.DiagonalPlusLowRank)
    assert isinstance(sm.Identity(9) + A, sm.DiagonalPlusLowRank)
    exponential = sm.linalg.expm(A)
    assert isinstance(exponential, sm.DiagonalPlusLowRank)
    np.testing.assert_allclose(exponential.toarray(), expm(A.toarray()), rtol=1e-9, atol=1e-9)


def test_round_takes_ranks_down():
    rng = np.random.default_rng(3)
    A = sm.LowRank(*rng.standard_normal((2, 12, 3)))
    B = (A + 2 * A - A).round()
    assert B.U.shape == (12, 3)
    np.testing.assert_allclose(B.toarray(), 2 * A.toarray(), atol=1e-13)
    Q, P = orthogonal(12, rng), orthogonal(12, rng)
    S = 10.0 ** -np.arange(6)
    C = sm.LowRank(Q[:, :6] * S, P[:, :6])
    for rtol, rank in ((0.5, 1), (2e-2, 2), (2e-4, 4), (0, 6)):
        assert C.round(rtol).U.shape[1] == rank
    assert (A - A).round().U.shape[1] == 0


@pytest.mark.parametrize("dtype", [np.float32, np.complex128])
def test_project_onto_low_rank(dtype, rng):
    M = randsvd(20, "graded", 1e6, dtype=dtype, m=15)
    S = np.linalg.svd(M.astype(np.result_type(dtype, float)))[1]
    found = sm.project(M, sm.LowRank, rank=3)
    error = np.linalg.norm(S[3:]) / np.linalg.norm(S)
    assert found.error == pytest.approx(error, rel=1e-3 if dtype == np.float32 else 1e-9)
    assert found.matrix.dtype == dtype
    loose = sm.project(M, sm.LowRank, rtol=1e-2)
    assert loose.error <= 1e-2
    k = loose.matrix.U.shape[1]
    assert np.linalg.norm(S[k - 1 :]) / np.linalg.norm(S) > 1e-2
    assert sm.project(M, sm.LowRank, budget=70).matrix.U.shape[1] == 2
    assert sm.project(np.zeros((3, 2)), sm.LowRank).matrix.U.shape[1] == 0
    operator = sm.Diagonal(np.arange(1.0, 5)) @ sm.Permutation([1, 0, 3, 2])
    assert sm.project(operator, sm.LowRank, rank=4).error < 1e-15


def test_project_a_large_operator_by_krylov_iteration():
    rng = np.random.default_rng(4)
    n = 3000
    U, V = (np.linalg.qr(rng.standard_normal((n, 5)))[0] for _ in range(2))
    exact = sm.LowRank(U * [5, 4, 3, 2, 1], V)
    target = sm.Permutation(np.arange(n)) @ exact.H.H  # its action and norm are all that is known
    found = sm.project(target, sm.LowRank, rank=3)
    assert found.lower_bound <= np.sqrt(5 / 55) + 1e-12
    assert found.error == pytest.approx(np.sqrt(5 / 55), rel=1e-6)
    assert sm.project(target, sm.LowRank, rtol=1e-3).matrix.U.shape[1] == 5


# ---------------------------------------------------------------- DiagonalPlusLowRank


def hard_updates(dtype, k):
    """(name, d, U, V): what makes Woodbury's formula lose digits."""
    rng = np.random.default_rng(k)
    n, e = 10 * k + 20, np.finfo(dtype).eps
    U, V, d = randn((n, k), rng, dtype), randn((n, k), rng, dtype), randn(n, rng, dtype)
    span = 8 if e < 1e-10 else 4
    yield "plain", d, U, V
    for name, entries, value in (
        ("one tiny", 1, e**2), ("k zeros", k, 0), ("2 k of sqrt(eps)", 2 * k, e**0.5),
        ("3 k of eps", 3 * k, e), ("one of 1e-30", 1, 1e-30),
    ):  # fmt: skip
        small = d.copy()
        small[:entries] *= value
        yield name, small, U, V
    graded = np.logspace(-span, span, n).astype(dtype)
    yield "graded", graded, U, V
    yield "graded Hermitian", graded, U, U
    Q = np.linalg.qr(U)[0].astype(dtype)
    yield "update near -1", np.ones(n, dtype), (-Q * (1 - 10 * e**0.5)).astype(dtype), Q
    yield "update at -1", np.ones(n, dtype), (-Q * (1 - 10 * e)).astype(dtype), Q
    yield "large update", d, U * 10 ** (span / 2), V * 10 ** (span / 2)
    mixed = (U @ np.diag(np.logspace(0, -span, k)) @ randn((k, k), rng, dtype)).astype(dtype)
    yield "dependent columns", d, mixed, (V * 10**span).astype(dtype)


HARD = [
    pytest.param(*case, id=f"{case[0]}-{k}-{np.dtype(dtype).name}")
    for dtype in DTYPES for k in (1, 4) for case in hard_updates(dtype, k)
]  # fmt: skip


@pytest.mark.parametrize(("name", "d", "U", "V"), HARD)
def test_solutions_of_hard_updates_are_backward_stable(name, d, U, V):
    A = sm.DiagonalPlusLowRank(d, U, V)
    b = randn((len(d), 2), np.random.default_rng(9), d.dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LinAlgWarning)  # some are singular to working precision
        x = A._certified().solve(b)  # A.solve takes LAPACK for orders as small as these
    assert ratio_solve(A.toarray(), x, b) < 30


@pytest.mark.parametrize(("name", "d", "U", "V"), HARD)
def test_determinants_of_hard_updates_are_those_of_nearby_matrices(name, d, U, V):
    A = sm.DiagonalPlusLowRank(d, U, V)
    full = A.toarray().astype(np.result_type(d.dtype, np.float64))
    size = np.linalg.norm(full, 1) + np.linalg.norm(U, 1) * np.linalg.norm(V, np.inf)
    # d log det A = trace(A^-1 dA) for a change of A by a few eps in norm.
    allowed = 50 * eps(d) * (np.linalg.norm(np.linalg.inv(full), 1) * size + len(d))
    sign, value = A._structured_slogdet()
    expected = np.linalg.slogdet(full)
    if allowed < 0.1:
        assert abs(sign - expected.sign) < 10 * allowed
        assert abs(value - expected.logabsdet) < allowed + 50 * eps(d) * abs(expected.logabsdet)
    assert np.isfinite(value)


@pytest.mark.parametrize(("name", "d", "U", "V"), HARD)
def test_the_stable_embedding_alone(name, d, U, V):
    """What takes over when Woodbury fails: solves, adjoint solves and determinant."""
    A = sm.DiagonalPlusLowRank(d, U, V)
    stable = woodbury.Embedding(woodbury.Normalised(d, U, V))
    b = randn((len(d), 2), np.random.default_rng(9), d.dtype)
    assert ratio_solve(A.toarray(), stable.solve(b), b) < 100
    assert ratio_solve(A.H.toarray(), stable.solve(b, adjoint=True), b) < 100
    if name in ("plain", "k zeros"):
        expected = np.linalg.slogdet(A.toarray())
        sign, value = stable.slogdet()
        assert sign == pytest.approx(expected.sign, rel=1e3 * eps(d))
        assert value == pytest.approx(expected.logabsdet, rel=1e4 * eps(d))


@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 31])
def test_the_embedding_at_any_size(n, rng):
    k = min(n, 3)
    d, U, V = rng.uniform(1, 2, n), *rng.standard_normal((2, n, k))
    full = sm.DiagonalPlusLowRank(d, U, V).toarray()
    stable = woodbury.Embedding(woodbury.Normalised(d, U, V))
    b = rng.standard_normal((n, 1))
    assert ratio_solve(full, stable.solve(b), b) < 30
    assert stable.slogdet()[1] == pytest.approx(np.linalg.slogdet(full)[1], rel=1e-10)


def test_small_orders_go_to_lapack_and_large_ones_do_not(rng):
    for n, words in ((20, "LU"), (400, "Woodbury")):
        A = sm.DiagonalPlusLowRank(rng.uniform(1, 2, n), *rng.standard_normal((2, n, 2)))
        b = rng.standard_normal(n)
        x, info = sm.linalg.solve(A, b, return_info=True)
        assert words in info.method
        assert ratio_solve(A.toarray(), x, b) < 30
        assert A.slogdet().logabsdet == pytest.approx(np.linalg.slogdet(A.toarray())[1])


def test_an_update_that_erases_large_entries_is_loud(rng):
    """A is the identity, but d and U V^H hold 1e6: no solver can certify digits they lack."""
    n = 200
    d, E = np.ones(n), np.zeros((n, 1))
    d[0], E[0] = 1e6, 1
    A = sm.DiagonalPlusLowRank(d, -(1e6 - 1) * E, E)
    b = rng.standard_normal(n)
    with pytest.warns(LinAlgWarning, match="backward error"):
        x = A.solve(b)
    assert np.abs(x - b).max() < 1e-8
    d[0] = 1e17
    A = sm.DiagonalPlusLowRank(d, -1e17 * E, E)
    with pytest.raises(LinAlgError, match=r"singular|no accurate solution"):
        A.solve(b)


def test_more_zeros_than_the_rank_can_repair(rng):
    d = np.ones(200)
    d[:3] = 0
    U, V = rng.standard_normal((2, 200, 2))
    A = sm.DiagonalPlusLowRank(d, U, V)
    with pytest.raises(LinAlgError, match="3 zeros on the diagonal and an update of rank 2"):
        A.solve(np.ones(200))
    assert A.slogdet() == (0, -np.inf)


@dtypes
def test_inverse_stays_in_the_family_and_is_confirmed(dtype, rng):
    n = 40
    d = rng.uniform(1, 2, n).astype(dtype)
    U, V = randn((n, 2), rng, dtype) / 8, randn((n, 2), rng, dtype)
    A = sm.DiagonalPlusLowRank(d, U, V)
    X = A.inv()
    assert isinstance(X, sm.DiagonalPlusLowRank)
    assert ratio_inverse(A, X) < 30
    d = d.copy()
    d[5] = 1e-12 * d[5]
    A = sm.DiagonalPlusLowRank(d, U, V)
    X = A.inv()
    x = A.solve(np.ones(n))
    assert np.abs(X @ np.ones(n) - x).max() <= 1e3 * eps(d) * np.abs(x).max() / A.factorize().rcond


@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_extreme_scales(scale, rng):
    d, U, V = rng.uniform(1, 2, 20), *rng.standard_normal((2, 20, 2))
    A = sm.DiagonalPlusLowRank(d, U, V)
    B = sm.DiagonalPlusLowRank(d * scale, U * scale**2, V / scale)
    b = rng.standard_normal(20)
    for factor in (B._certified(), B):
        np.testing.assert_allclose(factor.solve(b) * scale, A.solve(b), rtol=1e-9)
    for found in (B._structured_slogdet(), B.slogdet()):
        np.testing.assert_allclose(found[1] - 20 * np.log(scale), A.slogdet().logabsdet)
    np.testing.assert_allclose(B.norm() / scale, A.norm())


def test_frobenius_norm_does_not_cancel():
    n = 30
    E = np.zeros((n, 1))
    E[3] = 1
    d = np.zeros(n)
    d[3] = -1
    assert sm.DiagonalPlusLowRank(d, E, E).norm() == 0
    d[3], d[4] = -1, 1e-9
    assert sm.DiagonalPlusLowRank(d, E, E).norm() == pytest.approx(1e-9, rel=1e-14)


@dtypes
def test_constant_diagonal_has_structured_spectra(dtype):
    rng = np.random.default_rng(6)
    n, k = 40, 3
    U, V = randn((n, k), rng, dtype), randn((n, k), rng, dtype)
    A = -2 * sm.Identity(n, dtype) + sm.LowRank(U, V)
    assert isinstance(A, sm.DiagonalPlusLowRank)
    U_, S, Vh = A.svd()
    assert not isinstance(U_, np.ndarray)
    assert ratio_svd(A.toarray(), U_, S, Vh) < 30
    assert ratio_orthogonal(U_, S) < 30
    H = -2 * sm.Identity(n, dtype) + sm.LowRank(U, U)
    w, Q = H.eigh()
    assert ratio_eigh(H.toarray(), w, Q) < 30
    assert ratio_orthogonal(Q, w) < 30
    w, W = A.eig()
    residual = A.toarray() @ W.toarray() - W.toarray() * w
    assert np.abs(residual).max() < 1e3 * eps(S) * A.norm()


@pytest.mark.parametrize("c", [3.0, 1.5 + 1j])
def test_functions_of_identity_plus_low_rank(c):
    rng = np.random.default_rng(8)
    U, V = rng.standard_normal((2, 20, 2)) / 5
    A = c * sm.Identity(20) + sm.LowRank(U, V)
    full = A.toarray()
    root, logarithm = sm.linalg.sqrtm(A), sm.linalg.logm(A)
    for result, expected in (
        (sm.linalg.expm(A), expm(full)), (A**5, np.linalg.matrix_power(full, 5)),
        (root @ root, full), (sm.linalg.expm(logarithm), full),
    ):  # fmt: skip
        assert isinstance(result, sm.DiagonalPlusLowRank)
        np.testing.assert_allclose(result.toarray(), expected, atol=1e-11 * np.abs(expected).max())


def test_diagonal_plus_low_rank_algebra_keeps_structure(rng):
    d, U, V = rng.uniform(1, 2, 9), *rng.standard_normal((2, 9, 2))
    A, L, D = sm.DiagonalPlusLowRank(d, U, V), sm.LowRank(V, U), sm.Diagonal(d[::-1])
    for result, expected in (
        (A + L, A.toarray() + L.toarray()),
        (L - A, L.toarray() - A.toarray()),
        (A + D, A.toarray() + D.toarray()),
        (sm.Identity(9) - A, np.eye(9) - A.toarray()),
        (A @ A.H, A.toarray() @ A.toarray().T),
        (A @ D, A.toarray() @ D.toarray()),
        (D @ A, D.toarray() @ A.toarray()),
        (A + A, 2 * A.toarray()),
    ):
        assert isinstance(result, sm.DiagonalPlusLowRank)
        np.testing.assert_allclose(result.toarray(), expected, atol=1e-13)
    assert isinstance(A @ L, sm.LowRank)
    with pytest.raises(ValueError, match="must fit"):
        sm.DiagonalPlusLowRank(d, U, V[:, :1])


def test_many_unknowns():
    n = 200_000
    rng = np.random.default_rng(0)
    U = rng.standard_normal((n, 2)) / n**0.5
    A = sm.DiagonalPlusLowRank(rng.uniform(1, 2, n), U, U)
    x = rng.standard_normal(n)
    found, info = sm.linalg.solve(A, A @ x, return_info=True)
    assert info.backward_error < 1e-15
    np.testing.assert_allclose(found, x, rtol=1e-9, atol=1e-9)
    sign, value = A.slogdet()
    core = np.eye(2) + U.T @ (U / A.d[:, None])
    assert value == pytest.approx(np.log(A.d).sum() + np.linalg.slogdet(core)[1], rel=1e-12)
    assert sign == 1
