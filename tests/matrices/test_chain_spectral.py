"""Singular values, eigenvalues, norms, condition numbers of chains and of one factor."""

import math
import warnings

import numpy as np
import pytest
import support
from hypothesis import given, settings
from hypothesis import strategies as st

import structmat as sm
from structmat.matrices.chain import patterns
from structmat.matrices.chain.systems import blocks
from structmat.matrices.chain.systems.isometries import scale_of_isometry

RATIO = 30.0
PATTERNS = [(1, 1, 1, 1), (3, 2, 2, 4), (2, 4, 3, 3), (2, 3, 5, 2), (1, 6, 6, 1), (4, 1, 3, 2)]


def factor(pattern, rng, dtype=np.float64):
    a, b, c, d = pattern
    return sm.KroneckerSparse(support.randn((a, d, b, c), rng, dtype))


def isometry(pattern, rng, dtype=np.float64, scale=1.0):
    """A factor whose blocks have orthonormal columns (rows, where they are wide), times scale."""
    a, b, c, d = pattern
    U, _, Vh = np.linalg.svd(support.randn((a, d, b, c), rng, dtype), full_matrices=False)
    return sm.KroneckerSparse((U @ Vh * scale).astype(dtype))


def hadamard(n):
    """The butterfly of [[1, 1], [1, -1]] in every block: H^2 = n I."""
    H = np.array([[1.0, 1.0], [1.0, -1.0]])
    shapes = [(p.a, p.d, 2, 2) for p in patterns.dyadic(n)]
    return [sm.KroneckerSparse(np.broadcast_to(H, s).copy()) for s in shapes]


def fourier(n):
    """Factors of the unnormalised DFT of order n = 2^q: twiddled butterflies and bit reversal."""
    factors, q = [], n.bit_length() - 1
    for i in range(q):
        # Blocks (i, l) of the pattern (2^(q-1-s), 2, 2, 2^s), s = q - 1 - i.
        d = 2 ** (q - 1 - i)
        w = np.exp(-2j * np.pi * np.arange(d) / (2 * d))
        one = np.ones(d)
        blocks = np.stack([np.stack([one, w], -1), np.stack([one, -w], -1)], -2)
        factors.append(sm.KroneckerSparse(np.broadcast_to(blocks, (2**i, d, 2, 2)).copy()))
    reverse = np.array([int(format(k, f"0{q}b")[::-1], 2) for k in range(n)])
    return [*factors, sm.Permutation(reverse)]


def matches(A, D, full=False):
    """A's SVD against the definition and NumPy's values."""
    U, S, Vh = A.svd(full_matrices=full)
    m, n = D.shape
    k = min(m, n)
    assert U.shape == ((m, m) if full else (m, k))
    assert Vh.shape == ((n, n) if full else (k, n))
    assert np.all(np.diff(S) <= 0)
    exact = np.linalg.svd(D.astype(np.result_type(D, np.float64)), compute_uv=False)
    assert np.abs(S - exact).max(initial=0) <= 30 * support.eps(S) * (exact.max(initial=0) or 1)
    assert support.ratio_svd(D, U, S, Vh) < RATIO
    assert support.ratio_orthogonal(U, D) < RATIO
    assert support.ratio_orthogonal(support.dense(Vh).conj().T, D) < RATIO
    return U, S, Vh


# ---------------------------------------------------------------- one factor


@pytest.mark.parametrize("dtype", support.DTYPES)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_factor_svd(pattern, dtype):
    F = factor(pattern, np.random.default_rng(1), dtype)
    D = F.toarray()
    for full in (False, True):
        U, _, Vh = matches(F, D, full)
        assert not isinstance(U, np.ndarray)
        assert not isinstance(Vh, np.ndarray)
    k = (min(D.shape) + 1) // 2
    U, S, Vh = F.svds(k) if hasattr(F, "svds") else sm.linalg.svds(F, k)
    exact = np.linalg.svd(D.astype(np.result_type(D, np.float64)), compute_uv=False)
    assert np.allclose(S, exact[:k], rtol=50 * support.eps(S))
    assert np.allclose(D @ Vh.conj().T, U * S, atol=200 * support.eps(S) * exact[0])
    assert S.dtype == U.real.dtype == np.zeros(0, dtype).real.dtype


@pytest.mark.parametrize("dtype", support.DTYPES)
@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("ord", ["fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf])
def test_factor_norms(ord, pattern, dtype):
    F = factor(pattern, np.random.default_rng(2), dtype)
    D = F.toarray().astype(np.result_type(dtype, np.float64))
    expected = np.linalg.norm(D, ord)
    size = np.linalg.norm(D, "fro")
    assert abs(F.norm(ord) - expected) < 30 * support.eps(F.values) * max(expected, size)


@pytest.mark.parametrize("scale", [1e150, 1e-150])
def test_factor_norms_of_extreme_scale(scale):
    F = factor((2, 3, 3, 2), np.random.default_rng(3))
    for ord in ("fro", "nuc", 1, 2, -2, np.inf):
        assert (F * scale).norm(ord) == pytest.approx(F.norm(ord) * scale, rel=1e-12)


def test_factor_condition():
    F = factor((2, 3, 3, 2), np.random.default_rng(4))
    for p in (None, 1, 2, -2, np.inf, "fro"):
        assert F.cond(p) == pytest.approx(np.linalg.cond(F.toarray(), p), rel=1e-10)


@pytest.mark.parametrize("dtype", support.DTYPES)
def test_factor_eigenvalues(dtype):
    rng = np.random.default_rng(5)
    F = factor((2, 3, 3, 4), rng, dtype)
    D = F.toarray().astype(np.complex128)
    w, V = F.eig()
    assert isinstance(V, sm.KroneckerSparse)
    V = support.dense(V)
    assert np.abs(D @ V - V * w).max() < 100 * support.eps(F.values) * np.linalg.norm(D, 2)
    expected = np.linalg.eigvals(D)
    for found in (w, F.eigvals()):
        distance = np.abs(found[:, None] - expected).min(0)
        assert distance.max() < 1e3 * support.eps(F.values)
    H = sm.KroneckerSparse(F.values + F.values.conj().transpose(0, 1, 3, 2))
    D = H.toarray()
    w, V = H.eigh()
    assert np.all(np.diff(w) >= 0)
    assert support.ratio_eigh(D, w, V) < RATIO
    assert support.ratio_orthogonal(V, D) < RATIO
    assert np.allclose(H.eigvalsh(), w, atol=100 * support.eps(D) * np.abs(w).max())
    for which in ("LM", "SM", "LA", "SA"):
        some, vectors = sm.linalg.eigsh(H, 5, which)
        key = {"LM": -abs(w), "SM": abs(w), "LA": -w, "SA": w}[which]
        chosen = np.sort(w[np.argsort(key)[:5]])
        assert np.allclose(some, chosen, atol=100 * support.eps(D) * np.abs(w).max())
        assert np.allclose(D @ vectors, vectors * some, atol=100 * support.eps(D) * np.abs(w).max())
    with pytest.raises(ValueError, match="Hermitian"):
        F.eigh()


@pytest.mark.parametrize("dtype", support.DTYPES)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_factor_qr(pattern, dtype):
    F = factor(pattern, np.random.default_rng(6), dtype)
    Q, R = F.qr()
    assert isinstance(Q, sm.KroneckerSparse)
    assert isinstance(R, sm.KroneckerSparse)
    assert np.array_equal(np.tril(R.toarray(), -1), np.zeros(R.shape))
    assert support.ratio_factors(F.toarray(), (Q @ R).toarray()) < RATIO
    assert support.ratio_orthogonal(Q, F.values) < RATIO


@pytest.mark.parametrize("dtype", support.DTYPES)
def test_factor_functions_keep_the_pattern(dtype):
    rng = np.random.default_rng(7)
    F = factor((3, 3, 3, 2), rng, dtype)
    definite = F.values @ F.values.conj().transpose(0, 1, 3, 2) + 3 * np.eye(3, dtype=dtype)
    P = sm.KroneckerSparse(definite)
    D = P.toarray()
    eps = support.eps(D) * np.linalg.norm(D, 2)
    L = P.cholesky()
    assert isinstance(L, sm.KroneckerSparse)
    assert np.abs(np.triu(L.toarray(), 1)).max() == 0
    assert np.abs((L @ L.H).toarray() - D).max() < 30 * eps
    root = sm.linalg.sqrtm(P)
    assert isinstance(root, sm.KroneckerSparse)
    assert np.abs((root @ root).toarray() - D).max() < 50 * eps
    logarithm = sm.linalg.logm(P)
    assert np.abs(sm.linalg.expm(logarithm).toarray() - D).max() < 200 * eps
    cube = P**3
    assert isinstance(cube, sm.KroneckerSparse)
    assert np.abs(cube.toarray() - D @ D @ D).max() < 200 * eps * np.linalg.norm(D, 2) ** 2
    general = sm.linalg.sqrtm(F.astype(np.result_type(dtype, np.complex64)))
    assert np.abs((general @ general).toarray() - F.toarray()).max() < 1e4 * support.eps(D)


def test_factor_that_is_not_definite_names_its_block():
    values = np.tile(np.eye(2), (2, 3, 1, 1))
    values[1, 0] = [[1.0, 2.0], [2.0, 1.0]]
    with pytest.raises(np.linalg.LinAlgError, match=r"KroneckerSparse.*block \(i, l\) = \(1, 0\)"):
        sm.KroneckerSparse(values).cholesky()


# ---------------------------------------------------------------- isometries


@pytest.mark.parametrize("dtype", support.DTYPES)
@pytest.mark.parametrize("scale", [1.0, 3.0, 1e-3])
def test_isometries_are_recognised(scale, dtype):
    rng = np.random.default_rng(8)
    for pattern in ((2, 3, 3, 4), (1, 32, 32, 8), (3, 5, 2, 2)):
        F = isometry(pattern, rng, dtype, scale)
        assert scale_of_isometry(F) == pytest.approx(scale, rel=1e-5)
        values = F.values.copy()
        values[-1, -1, -1, -1] += scale * 200 * pattern[1] * support.eps(values)
        assert scale_of_isometry(sm.KroneckerSparse(values)) is None
    assert scale_of_isometry(isometry((3, 2, 5, 2), rng, dtype)) is None
    assert scale_of_isometry(sm.Permutation([1, 0])) == 1
    assert scale_of_isometry(sm.KroneckerSparse(np.zeros((1, 1, 2, 2)))) is None
    with np.errstate(invalid="ignore"):
        assert scale_of_isometry(sm.KroneckerSparse(np.full((1, 1, 2, 2), np.nan))) is None


def test_one_unitary_block_of_another_scale_is_no_isometry():
    F = isometry((2, 2, 2, 2), np.random.default_rng(9))
    values = F.values.copy()
    values[1, 1] *= 2
    assert scale_of_isometry(sm.KroneckerSparse(values)) is None


@pytest.mark.parametrize("n", [2, 8, 64])
def test_hadamard_is_known_exactly(n):
    A = sm.Butterfly(hadamard(n))
    assert np.allclose(A.svdvals(), math.sqrt(n), rtol=1e-14)
    matches(A, A.toarray())
    assert A.cond() == pytest.approx(1, abs=1e-14)
    assert A.norm(2) == pytest.approx(math.sqrt(n), rel=1e-14)
    assert A.norm(-2) == pytest.approx(math.sqrt(n), rel=1e-14)
    assert A.norm("nuc") == pytest.approx(n**1.5, rel=1e-14)


@pytest.mark.parametrize("n", [2, 16, 64])
def test_fourier_is_known_exactly(n):
    A = sm.Chain(fourier(n))
    D = A.toarray()
    assert np.allclose(D, np.fft.fft(np.eye(n)), atol=1e-12)
    U, S, Vh = matches(A, D)
    assert np.allclose(S, math.sqrt(n), rtol=1e-14)
    assert A.cond() == pytest.approx(1, abs=1e-14)


def test_large_fourier_without_a_dense_matrix():
    n = 2**14
    A = sm.Chain(fourier(n))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert A.cond() == pytest.approx(1, abs=1e-13)
        assert A.norm(2) == pytest.approx(128, rel=1e-13)
        U, S, Vh = A.svd()
        x = np.random.default_rng(0).standard_normal(n) + 0j
        assert np.linalg.norm(U @ (S * (Vh @ x)) - np.fft.fft(x)) < 1e-12 * np.linalg.norm(x) * 128


@pytest.mark.parametrize("dtype", support.DTYPES)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_general_factor_between_isometries(place, dtype):
    rng = np.random.default_rng(10)
    shapes = [(1, 3, 3, 8), (3, 4, 4, 2), (12, 2, 2, 1)]
    factors = [isometry(p, rng, dtype, 2.0) for p in shapes]
    factors[place] = factor(shapes[place], rng, dtype)
    factors.insert(1, sm.Permutation(rng.permutation(24)))
    A = sm.Chain(factors)
    D = A.toarray()
    for full in (False, True):
        U, S, Vh = matches(A, D, full)
    assert isinstance(U, sm.Chain | sm.KroneckerSparse)
    assert A.svd(method="direct").S.shape == (24,)
    assert np.allclose(A.svdvals(), S, rtol=1e3 * support.eps(S))
    U, S, Vh = sm.linalg.svds(A, 5)
    assert np.allclose(D @ Vh.conj().T, U * S, atol=100 * support.eps(D) * S[0])
    assert np.allclose(S, A.svdvals()[:5], rtol=1e3 * support.eps(S))
    assert A.cond() == pytest.approx(np.linalg.cond(D), rel=1e4 * support.eps(D))


@pytest.mark.parametrize(
    "shapes",
    [
        [(2, 6, 4, 3), (4, 3, 3, 2)],  # tall isometry, square
        [(2, 3, 3, 4), (1, 4, 7, 6)],  # square, wide isometry
        [(2, 6, 4, 3), (4, 3, 5, 2)],  # tall isometry, wide
    ],
)
def test_rectangular_isometries(shapes):
    rng = np.random.default_rng(11)
    core = 0 if shapes[0][1] == 3 else 1
    factors = [isometry(p, rng) if i != core else factor(p, rng) for i, p in enumerate(shapes)]
    A = sm.Chain(factors)
    D = A.toarray()
    matches(A, D)
    matches(A, D, full=True)


def test_two_general_factors_are_left_to_the_dense_matrix():
    rng = np.random.default_rng(12)
    A = sm.Chain([factor((1, 3, 3, 8), rng), factor((3, 4, 4, 2), rng)])
    matches(A, A.toarray(), full=True)
    with pytest.raises(NotImplementedError):
        A.svd(method="direct")


def test_cropped_chain_has_no_exact_values():
    A = sm.Butterfly(hadamard(8), shape=(7, 7))
    D = A.toarray()
    matches(A, D)
    assert A.cond() == pytest.approx(np.linalg.cond(D), rel=1e-10)


@pytest.mark.parametrize("ord", ["fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf])
def test_norms_of_a_general_chain(ord):
    rng = np.random.default_rng(13)
    A = sm.Butterfly([factor(p, rng) for p in patterns.dyadic(16)])
    assert A.norm(ord) == pytest.approx(np.linalg.norm(A.toarray(), ord), rel=1e-10)


def test_condition_numbers_of_a_general_chain():
    rng = np.random.default_rng(14)
    A = sm.Butterfly([factor(p, rng) for p in patterns.square((3, 4, 2))])
    for p in (None, 1, 2, np.inf, "fro"):
        assert A.cond(p) == pytest.approx(np.linalg.cond(A.toarray(), p), rel=1e-8)


def test_large_general_chain_is_measured_by_iteration():
    """n = 2^12 above the dense limit: extreme singular values of A and of its inverse."""
    rng = np.random.default_rng(15)
    S = rng.uniform(0.5, 2, (64, 64))
    S[0, 0], S[1, 1] = 10, 0.01  # well separated ends
    first = isometry((64, 64, 64, 1), rng).values * np.where(np.arange(64) % 2, 1.0, 1.25)
    second = isometry((1, 64, 64, 64), rng).values * S[None, :, None, :]
    A = sm.Chain([first, second, isometry((64, 64, 64, 1), rng)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        top, found, bottom = A.norm(2), A.cond(), A.norm(-2)
    X = A.inv()
    largest, smallest = powered(A, rng), 1 / powered(X, rng)
    assert top == pytest.approx(largest, rel=1e-6)
    assert bottom == pytest.approx(smallest, rel=1e-6)
    assert found == pytest.approx(largest / smallest, rel=1e-6)


def powered(A, rng):
    """The largest singular value, well separated, by the power method."""
    x = rng.standard_normal(A.shape[1])
    for _ in range(60):
        x = A.H @ (A @ (x / np.linalg.norm(x)))
    return np.linalg.norm(A @ x) / np.linalg.norm(x)


def test_nan_is_loud():
    values = np.ones((1, 2, 2, 2))
    values[0, 0, 0, 0] = np.nan
    A = sm.Chain([values, *hadamard(4)[1:]])
    for verb in (A.svd, A.svdvals, A.cond, A.eig):
        with pytest.raises(ValueError, match="infs or NaNs"):
            verb()


# ---------------------------------------------------------------- eigenvalues


@pytest.mark.parametrize("dtype", [np.float64, np.complex128, np.float32])
def test_similarity_gives_eigenvalues(dtype):
    rng = np.random.default_rng(16)
    X = [isometry((1, 3, 3, 8), rng, dtype, 2.0), isometry((3, 4, 4, 2), rng, dtype)]
    M = factor((12, 2, 2, 1), rng, dtype)
    A = sm.Chain([*X, M, X[1].H, X[0].H])
    D = A.toarray().astype(np.complex128)
    w, V = A.eig(method="direct")
    V = support.dense(V)
    scale = np.linalg.norm(D, 2)
    assert np.abs(D @ V - V * w).max() < 200 * support.eps(M.values) * scale
    distance = np.abs(np.linalg.eigvals(D)[:, None] - w).min(1)
    assert distance.max() < 1e4 * support.eps(M.values) * scale
    assert np.allclose(np.sort_complex(A.eigvals() + 0j), np.sort_complex(w + 0j))
    H = sm.KroneckerSparse(M.values + M.values.conj().transpose(0, 1, 3, 2))
    A = sm.Chain([*X, H, X[1].H, X[0].H])
    D = A.toarray()
    w, V = A.eigh(method="direct")
    assert np.all(np.diff(w) >= 0)
    assert support.ratio_eigh(D, w, V) < RATIO
    assert support.ratio_orthogonal(V, D) < RATIO
    assert np.allclose(A.eigvalsh(), w, atol=100 * support.eps(D) * scale)


def test_similarity_that_is_not_unitary():
    rng = np.random.default_rng(17)
    F = sm.KroneckerSparse(np.array([[2.0, 1.0], [0.0, 4.0]]) * np.ones((2, 3, 1, 1)))
    M = factor((1, 4, 4, 3), rng)
    A = sm.Chain([F, M, F.inv()])
    w, V = A.eig(method="direct")
    D, V = A.toarray(), support.dense(V)
    assert np.abs(D @ V - V * w).max() < 1e-12
    S = sm.Chain([F, sm.KroneckerSparse(M.values + M.values.transpose(0, 1, 3, 2)), F.inv()])
    with pytest.raises(ValueError, match="Hermitian"):
        S.eigh()


def test_negative_multiples_keep_the_order():
    rng = np.random.default_rng(18)
    Q, M = isometry((2, 2, 2, 3), rng), factor((1, 4, 4, 3), rng)
    M = sm.KroneckerSparse(M.values + M.values.transpose(0, 1, 3, 2))
    A = sm.Chain([Q, M, Q.H * -3])
    D = A.toarray()
    w, V = A.eigh(method="direct")
    assert np.all(np.diff(w) >= 0)
    assert support.ratio_eigh(D, w, V) < RATIO
    assert np.allclose(A.eigvalsh(), w, atol=1e-13)
    w = A.eigvals()
    assert np.allclose(np.sort(w.real), np.linalg.eigvalsh(D), atol=1e-12)


def test_a_multiple_of_the_identity():
    Q = isometry((2, 2, 2, 3), np.random.default_rng(19), np.complex128)
    A = sm.Chain([Q, Q.H * 2j])
    w, V = A.eig()
    assert np.allclose(w, 2j)
    assert np.allclose(support.dense(V), np.eye(12))
    assert np.allclose(A.eigvals(), 2j)


def test_permutations_around_a_factor():
    rng = np.random.default_rng(20)
    P, M = sm.Permutation(rng.permutation(12)), factor((2, 3, 3, 2), rng)
    A = sm.Chain([P, M, P.H])
    w, V = A.eig(method="direct")
    assert np.allclose(A.toarray() @ support.dense(V), support.dense(V) * w, atol=1e-12)
    B = sm.Chain([P, M, P])
    if (P.p[P.p] != np.arange(12)).any():
        with pytest.raises(NotImplementedError):
            B.eig(method="direct")


def test_circulant_by_its_chain():
    """F^H diag(d) F / n: eigenvalues d, vectors the Fourier chain; no dense matrix at n = 2^13."""
    n = 2**13
    rng = np.random.default_rng(21)
    F, d = fourier(n), rng.standard_normal(n) + 0j
    adjoint = [f._adjoint() for f in F[::-1]]
    A = sm.Chain([*adjoint, d.reshape(n, 1, 1, 1) / n, *F])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        w, V = A.eig()
        x = rng.standard_normal(n) + 0j
        assert np.linalg.norm(A @ (V @ x) - V @ (w * x)) < 1e-12 * np.linalg.norm(V @ x) * 10
        assert np.allclose(np.sort_complex(w), np.sort_complex(d), rtol=1e-12)
        assert A.cond() == pytest.approx(abs(d).max() / abs(d).min(), rel=1e-10)


# ---------------------------------------------------------------- properties


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=3),
    st.integers(0, 3),
    st.sampled_from(support.DTYPES),
    st.integers(0, 2**32 - 1),
)
def test_singular_values_of_any_radices(radices, place, dtype, seed):
    rng = np.random.default_rng(seed)
    chain = patterns.square(radices)
    place %= len(chain)
    factors = [(factor if i == place else isometry)(p, rng, dtype) for i, p in enumerate(chain)]
    A = sm.Butterfly(factors)
    matches(A, A.toarray(), full=bool(seed % 2))
    assert A.norm(2) == pytest.approx(
        np.linalg.norm(A.toarray(), 2), rel=1e3 * support.eps(factors[0].values)
    )


# ---------------------------------------------------------------- vectors of norm one, permutations


def near_identity(shape, rng, dtype):
    return np.eye(shape[-1]) + 0.1 * support.randn(shape, rng, dtype)


def dense(V):
    return V.toarray() if hasattr(V, "toarray") else V


def checked_eig(A):
    """Eigenvectors of norm one, A V = V W to rounding relative to |A| |V|."""
    D = A.toarray()
    w, V = A.eig()
    V = dense(V)
    eps = support.eps(D)
    assert np.abs(np.linalg.norm(V, axis=0) - 1).max() < RATIO * eps
    error = np.abs(D @ V - V * w).sum(0).max()
    assert error / np.abs(D).sum(0).max() / eps < RATIO
    return w, V


@pytest.mark.parametrize("dtype", support.DTYPES)
@pytest.mark.parametrize("power", [0, 100])
def test_eigenvectors_of_a_similarity_have_norm_one(power, dtype):
    """Outer factors of 2^-100: their product is zero in single precision, A's own is not."""
    rng = np.random.default_rng(30)
    shapes = [(2, 2, 2, 2), (1, 4, 2, 2), (2, 2, 2, 2)]
    X1, X2, M = (near_identity(shape, rng, dtype) for shape in shapes)
    s = float(2.0**-power)
    inverses = [np.linalg.inv(X.astype(np.result_type(dtype, float))) / s for X in (X2, X1)]
    factors = [X1 * s, X2 * s, M, *inverses]
    checked_eig(sm.Chain([F.astype(dtype) for F in factors]))


MIDDLES = [[3, 2, 1, 0], [1, 2, 3, 0], [1, 0, 3, 2], [0, 1, 2, 3]]


def around(kind, middle, rng):
    P = sm.Permutation([3, 0, 1, 2])
    Q = np.linalg.qr(rng.standard_normal((1, 2, 2, 2)))[0]
    X = sm.KroneckerSparse(Q)
    return {
        "permutation": lambda: [P, middle, P.H],
        "orthogonal": lambda: [X, middle, X.H],
        "multiple": lambda: [2 * X, middle, -3 * X.H],
        "similar": lambda: [sm.KroneckerSparse(Q + 1), middle, sm.KroneckerSparse(Q + 1).inv()],
    }[kind]()


@pytest.mark.parametrize("kind", ["permutation", "orthogonal", "multiple", "similar"])
@pytest.mark.parametrize("p", MIDDLES)
def test_a_permutation_in_the_middle_of_a_similarity(p, kind):
    rng = np.random.default_rng(31)
    A = sm.Chain(around(kind, sm.Permutation(p), rng))
    D = A.toarray()
    w, _ = checked_eig(A)
    expected = np.sort_complex(np.linalg.eigvals(D).round(8))
    assert np.abs(np.sort_complex(w.round(8)) - expected).max() < 1e-7
    assert np.abs(np.sort_complex(A.eigvals().round(8)) - expected).max() < 1e-7
    if kind == "similar" or np.abs(D - D.T).max() > 1e-13:
        return
    w, V = A.eigh()
    V = dense(V)
    assert np.abs(w - np.linalg.eigvalsh(D)).max() < 1e-13
    assert np.abs(A.eigvalsh() - w).max() < 1e-13
    assert np.abs(V.T @ V - np.eye(4)).max() < 1e-14
    assert np.abs(D @ V - V * w).max() < 1e-13
    few = sm.linalg.eigsh(A, 2, which="LA").eigenvalues
    assert np.abs(few - w[-2:]).max() < 1e-13


@pytest.mark.parametrize("p", [2, -2])
def test_one_decomposition_makes_a_condition_number(p, monkeypatch):
    rng = np.random.default_rng(32)
    A = sm.Chain([factor((1, 4, 4, 4), rng), factor((4, 4, 4, 1), rng)])
    calls, svd = [], sm.Dense._svdvals
    monkeypatch.setattr(sm.Dense, "_svdvals", lambda D: calls.append(1) or svd(D))
    expected = np.linalg.cond(A.toarray(), p)
    assert abs(A.cond(p) / expected - 1) < 1e-10
    assert len(calls) == 1
    F = A.factors[0]
    assert abs(blocks.cond(F, p) / np.linalg.cond(F.toarray(), p) - 1) < 1e-10
    assert blocks.cond(F, 1) is NotImplemented


@pytest.mark.parametrize("verb", ["svdvals", "nuc", "svd"])
def test_dense_work_on_a_large_chain_is_announced_before_it_begins(verb):
    rng = np.random.default_rng(33)
    A = sm.Butterfly([factor(p, rng) for p in patterns.square((2,) * 12)])
    verbs = {
        "svdvals": lambda: sm.linalg.svdvals(A),
        "nuc": lambda: A.norm("nuc"),
        "svd": lambda: A.svd(),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error", sm.DensifyWarning)
        with pytest.raises(sm.DensifyWarning, match="dense array"):
            verbs[verb]()
