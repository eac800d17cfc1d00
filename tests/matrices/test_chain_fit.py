"""Projection onto chains: exact members come back, certificates hold, every size and option."""

import itertools
import math

import fake_cupy
import numpy as np
import pytest
import scipy.fft
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import hadamard
from scipy.sparse import csr_array
from scipy.sparse.linalg import aslinearoperator

import structmat as sm
from structmat._backend.arrays import is_array
from structmat.matrices.chain import Chain, KroneckerSparse, Monarch, patterns
from structmat.matrices.chain.project import bracket, layouts, permuted, ranks, slices, sweep
from structmat.matrices.elementary import Permutation
from tests.support import randn

# Noise and tight tolerances are asked for on purpose here, whatever they hold.
pytestmark = pytest.mark.filterwarnings("ignore:project. a .* takes .* the dense:RuntimeWarning")

DTYPES = [np.float32, np.float64, np.complex64, np.complex128]
EXACT = {"f": 1e-5, "d": 1e-13, "F": 1e-5, "D": 1e-13}


def distance(M, found):
    """The relative error of a result, from its dense form."""
    M = M if is_array(M) else M.toarray()
    wide = M.astype(np.result_type(M.dtype, np.float64))
    return np.linalg.norm(wide - found.matrix.toarray()) / np.linalg.norm(wide)


def member(chain, rng, dtype=np.float64):
    values = [randn((p.a, p.d, p.b, p.c), rng, dtype) for p in chain]
    return Chain([KroneckerSparse(v) for v in values]).toarray()


def random_monarch(rng, l, s, k, p, r=1, dtype=np.float64):
    return Monarch(randn((l, s, k, r), rng, dtype), randn((k, l, r, p), rng, dtype))


def slices_by_loops(A, l, k):
    """The (l, k) slices of the definition: rows s l + i, columns j p + t."""
    s, p = A.shape[0] // l, A.shape[1] // k
    found = np.zeros((l, k, s, p), A.dtype)
    for i, j in itertools.product(range(l), range(k)):
        for row, column in itertools.product(range(s), range(p)):
            found[i, j, row, column] = A[row * l + i, j * p + column]
    return found


def tail(A, l, k, r):
    values = np.linalg.svd(slices_by_loops(A, l, k), compute_uv=False)
    return math.sqrt((values[..., r:] ** 2).sum()) / np.linalg.norm(A)


# ---------------------------------------------------------------- slices


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
@pytest.mark.parametrize("shape", [(2, 9), (9, 2), (5, 7), (7, 5), (6, 6), (1, 4), (4, 1), (1, 1)])
@pytest.mark.parametrize("r", [1, 2, 3, 8])
def test_leading_is_the_truncated_svd_of_every_slice(shape, r, dtype, rng):
    S = randn((11, *shape), rng, dtype)
    S[3] = 0
    S[4] *= 1e-12
    S[5] = np.outer(S[5, :, 0], S[5, 0])
    U, B, error2, lower2 = slices.leading(S, r)
    assert U.shape == (11, shape[0], r)
    assert B.shape == (11, r, shape[1])
    values = np.linalg.svd(S, compute_uv=False)
    best2 = (values[:, r:] ** 2).sum(1)
    size2 = slices.squares(S)
    made2 = slices.squares(S - U @ B)
    assert (abs(made2 - best2) <= 1e-13 * size2).all()
    assert (abs(error2 - best2) <= 1e-13 * size2).all()
    assert (lower2 <= best2 + 1e-15 * size2).all()
    assert (lower2 >= best2 * (1 - 1e-8) - 1e-26 * size2).all()
    full = min(r, *shape)
    gram = U.conj().transpose(0, 2, 1) @ U
    assert abs(gram[:, :full, :full] - np.eye(full)).max() < 1e-13


@pytest.mark.parametrize("level", [1e-2, 1e-5, 1e-8, 1e-11, 1e-14])
@pytest.mark.parametrize("r", [1, 2])
@pytest.mark.parametrize("shape", [(2, 30), (8, 12), (12, 8)])
def test_small_tails_do_not_drown_in_the_gram_matrix(level, r, shape, rng):
    if r >= min(shape):
        pytest.skip("nothing is left")
    U, V = (np.linalg.qr(randn((20, n, n), rng))[0] for n in shape)
    s = np.r_[np.geomspace(1, 10 * level, r) if r > 1 else 1.0, level * np.ones(min(shape) - r)]
    S = (U[:, :, : len(s)] * s) @ V[:, :, : len(s)].transpose(0, 2, 1)
    _, _, error2, lower2 = slices.leading(S, r)
    best = level * math.sqrt(min(shape) - r)
    assert (abs(np.sqrt(error2) - best) <= 1e-8 * best + 1e-14).all()
    assert (np.sqrt(lower2) <= best + 1e-15).all()
    assert (np.sqrt(lower2) >= best * (1 - 1e-7) - 2e-14).all()


@pytest.mark.parametrize("gap", [0.0, 1e-15, 1e-12, 1e-9, 1e-6, 1e-3])
def test_equal_and_nearly_equal_singular_values(gap, rng):
    n = 6
    U, V = (np.linalg.qr(randn((9, n, n), rng))[0] for _ in range(2))
    s = np.array([1.0, 1.0 - gap, 0.5, 0.2, 0.1, 0.1])
    S = (U * s) @ V
    for shape in ((n, n), (2, n)):
        T = S[:, : shape[0]]
        for r in (1, 2):
            _, _, error2, lower2 = slices.leading(T, r)
            best2 = (np.linalg.svd(T, compute_uv=False)[:, r:] ** 2).sum(1)
            assert (abs(error2 - best2) <= 1e-9 * best2 + 1e-14).all()
            assert (lower2 <= best2 * (1 + 1e-14)).all()
            assert (lower2 >= best2 * (1 - 1e-8) - 1e-14).all()


@given(
    st.integers(0, 2**32 - 1),
    st.integers(2, 7),
    st.integers(2, 7),
    st.integers(1, 3),
    st.sampled_from([0.0, 1e-12, 1e-9, 1e-6, 1e-3, 1.0]),
    st.sampled_from(["even", "graded", "tied"]),
)
def test_bounds_hold_for_any_subspace(seed, s, p, r, tilt, spectrum):
    """However far a basis is from the leading vectors, the lower bound stays below the optimum."""
    rng, q = np.random.default_rng(seed), min(s, p)
    if r >= q:
        return
    values = {
        "even": np.linspace(1, 0.1, q),
        "graded": 10.0 ** -np.linspace(0, 6, q),
        "tied": np.r_[np.ones(r + 1), 0.3 * np.ones(q - r - 1)],
    }[spectrum]
    X, Y = (np.linalg.qr(randn((5, n, n), rng))[0][:, :, :q] for n in (s, p))
    S = (X * values) @ Y.transpose(0, 2, 1)
    U = np.linalg.qr(X[:, :, :r] + tilt * randn((5, s, r), rng))[0]
    squared = np.linalg.svd(S, compute_uv=False) ** 2
    found, _ = slices._certified(S, U, squared[:, :r].sum(1), squared[:, r])
    best2 = squared[:, r:].sum(1)
    assert (found.lower2 <= best2 * (1 + 1e-14)).all()
    assert (found.error2 >= best2 * (1 - 1e-9) - 1e-29).all()


def test_a_stack_larger_than_one_chunk(rng, monkeypatch):
    S = randn((23, 4, 5), rng)
    whole = slices.leading(S, 2)
    monkeypatch.setattr(slices, "_CHUNK_BYTES", 4 * S[0].nbytes)
    for one, other in zip(whole, slices.leading(S, 2)):
        assert np.allclose(abs(one), abs(other), rtol=1e-12, atol=1e-13)


def test_tails_are_those_of_the_singular_values(rng):
    S = randn((3, 4, 6), rng, np.complex128)
    values = np.linalg.svd(S, compute_uv=False)
    for r, left in enumerate(slices.tails(S)):
        assert left == pytest.approx((values[:, r:] ** 2).sum(), rel=1e-13, abs=1e-14)


# ---------------------------------------------------------------- Monarch


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "sizes", [(2, 2, 2, 2, 1), (4, 4, 4, 4, 1), (3, 5, 4, 6, 2), (5, 2, 3, 9, 2), (8, 8, 8, 8, 3)]
)
def test_random_monarchs_come_back(sizes, dtype, rng):
    A = random_monarch(rng, *sizes, dtype=dtype)
    M = A.toarray()
    found = sm.project(M, sm.Monarch, blocks=(sizes[0], sizes[2]), block_rank=sizes[4])
    assert type(found.matrix) is Monarch
    assert found.matrix.dtype == dtype
    assert found.matrix.shape == M.shape
    assert found.matrix.block_rank == sizes[4]
    assert found.error <= EXACT[np.dtype(dtype).char]
    assert distance(M, found) <= EXACT[np.dtype(dtype).char]
    assert found.lower_bound <= found.error <= found.upper_bound


@pytest.mark.parametrize("n", [64, 256, 1024, 4096])
def test_random_square_monarchs_of_all_sizes(n, rng):
    q = math.isqrt(n)
    M = random_monarch(rng, q, q, q, q).toarray()
    assert sm.project(M, sm.Monarch).error < 1e-13
    if n < 4096:
        assert sm.project(M.astype(np.float32), sm.Monarch).error < 1e-5


@pytest.mark.parametrize(
    ("m", "n", "l", "k", "r"), [(768, 1536, 96, 8, 1), (1024, 768, 16, 24, 2), (768, 768, 4, 4, 3)]
)
def test_wide_layers_of_several_ranks(m, n, l, k, r, rng):
    A = random_monarch(rng, l, m // l, k, n // k, r)
    for dtype, bound in ((np.float64, 1e-12), (np.float32, 1e-4)):
        M = A.toarray().astype(dtype)
        assert distance(M, sm.project(M, sm.Monarch, blocks=(l, k), block_rank=r)) < bound


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("m", "n", "l", "k", "r"), [(12, 20, 3, 5, 1), (24, 6, 4, 2, 2)])
def test_the_error_is_the_optimum_of_every_slice(m, n, l, k, r, dtype, rng):
    M = randn((m, n), rng, dtype)
    found = sm.project(M, sm.Monarch, blocks=(l, k), block_rank=r)
    best = tail(M.astype(np.result_type(dtype, np.float64)), l, k, r)
    assert found.error == pytest.approx(best, rel=1e-6 if M.real.itemsize == 4 else 1e-10)
    assert found.lower_bound == pytest.approx(best, rel=1e-8)
    assert distance(M, found) == pytest.approx(found.error, rel=1e-6)
    left, right = found.matrix.left, found.matrix.right
    sizes = np.linalg.norm(left, axis=1).transpose(1, 0, 2), np.linalg.norm(right, axis=3)
    assert np.allclose(*sizes, rtol=1e-3)


@pytest.mark.parametrize("n", [15, 27, 36, 42, 48, 85, 160, 161, 168, 196, 512, 1024])
@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("norm", ["backward", "ortho"])
def test_a_dft_is_a_monarch_after_the_transposition(n, inverse, norm):
    F = (np.fft.ifft if inverse else np.fft.fft)(np.eye(n), norm=norm)
    found = sm.project(F, sm.Monarch, permutation="transpose")
    assert found.error <= 1e-13
    assert distance(F, found) <= 1e-13
    assert type(found.matrix) is Chain
    assert isinstance(found.matrix.factors[-1], Permutation)


@pytest.mark.parametrize(("m", "n"), [(42, 85), (160, 512), (161, 85)])
def test_two_dimensional_dfts_by_two_monarchs(m, n, rng):
    rows, columns = (
        sm.project(np.fft.fft(np.eye(q)), sm.Monarch, permutation="transpose").matrix
        for q in (m, n)
    )
    X = randn((m, n), rng, np.complex128)
    expected = np.fft.fft2(X)
    got = (columns @ (rows @ X).T).T
    assert np.linalg.norm(got - expected) < 1e-13 * np.linalg.norm(expected)


@pytest.mark.parametrize("n", [16, 64, 256])
def test_hadamard_is_exact(n):
    H = hadamard(n).astype(np.float64) / n**0.5
    for cls in (sm.Monarch, sm.Butterfly):
        found = sm.project(H, cls)
        assert found.error < 1e-14
        assert not isinstance(found.matrix.factors[-1], Permutation)


def transform(name, n):
    eye = np.eye(n)
    if name == "hartley":
        F = np.fft.fft(eye, norm="ortho")
        return F.real - F.imag
    kind = {"dct": scipy.fft.dct, "dst": scipy.fft.dst}[name[:3]]
    return kind(eye, type=int(name[3]), axis=0, norm="ortho")


@pytest.mark.parametrize(("name", "bound"), [("hartley", 0.53), ("dct2", 0.52)])
def test_hartley_and_dct_are_of_block_rank_two_not_one(name, bound):
    A = transform(name, 64)
    one = sm.project(A, sm.Monarch, permutation="auto")
    two = sm.project(A, sm.Monarch, permutation="auto", block_rank=2)
    assert one.error == pytest.approx(bound, abs=0.005)
    assert two.error < 1e-14
    assert two.matrix.dtype == np.float64


# ---------------------------------------------------------------- the table's rows by a sweep


@pytest.mark.parametrize("n", [8, 16, 32, 64, 128, 256, 512, 1024])
def test_transforms_of_the_table_are_recovered(n):
    fold = permuted._folded((2,) * (n.bit_length() - 1))
    rows = [
        (np.fft.fft(np.eye(n), norm="ortho"), {"permutation": "bit_reversal"}),
        (hadamard(n) / n**0.5, {}),
        (transform("hartley", n), {"permutation": "bit_reversal", "block_rank": 2}),
        (transform("dct2", n), {"permutation": fold, "block_rank": 2}),
        (transform("dst2", n), {"permutation": fold, "block_rank": 2}),
    ]
    for A, options in rows:
        found = sm.project(A, sm.Butterfly, **options)
        rmse = np.linalg.norm(A - found.matrix.toarray()) / n
        assert rmse <= 1e-14
        assert found.error <= 1e-13


@pytest.mark.parametrize("name", ["dct2", "dct4", "dst2", "dst4", "hartley"])
def test_auto_finds_the_order_of_a_real_transform(name):
    A = transform(name, 32)
    for cls in (sm.Monarch, sm.Butterfly):
        assert sm.project(A, cls, permutation="auto", block_rank=2).error < 1e-14


def test_auto_finds_rows_for_a_transposed_chain():
    A = transform("dct3", 16)
    mirrored = [patterns.transpose(p) for p in layouts.radices_of(16, 16)[::-1]]
    found = sm.project(A, sm.Chain, patterns=mirrored, block_rank=2, permutation="auto")
    assert found.error < 1e-14
    assert isinstance(found.matrix.factors[0], Permutation)
    assert distance(A, found) < 1e-14


@pytest.mark.parametrize("n", [60, 36])
def test_auto_finds_mixed_radix_transforms(n):
    F = np.fft.fft(np.eye(n))
    assert sm.project(F, sm.Butterfly, permutation="auto").error < 1e-13
    assert sm.project(F, sm.Monarch, permutation="auto").error < 1e-13
    assert sm.project(transform("dct2", n), sm.Monarch, permutation="auto", block_rank=2)[1] < 1e-14


# ---------------------------------------------------------------- sweeps over any patterns

CHAINS = {
    "dyadic": patterns.dyadic(16),
    "radix": patterns.square((3, 2, 4)),
    "one": (patterns.Pattern(1, 4, 6, 1),),
    "rectangular": ((1, 3, 4, 5), (4, 5, 2, 1)),
    "block rank": ((1, 2, 4, 8), (2, 4, 4, 4), (4, 4, 4, 2), (8, 4, 2, 1)),
    "redundant": ((1, 2, 6, 8), (2, 6, 2, 4), (4, 2, 2, 2), (8, 2, 2, 1)),
    "all redundant": ((1, 2, 8, 4), (2, 8, 8, 2), (4, 8, 2, 1)),
    "off support": ((2, 2, 2, 6), (4, 2, 3, 3)),
    "diagonal": ((4, 1, 1, 3), (4, 1, 1, 3)),
    "lazylinop 21x16": ((1, 3, 4, 7), (4, 7, 4, 1)),
    "lazylinop 12x25": ((1, 4, 5, 3), (5, 3, 5, 1)),
}
CHAINS = {name: tuple(patterns.Pattern(*p) for p in chain) for name, chain in CHAINS.items()}
CHAINS |= {
    f"{name}, mirrored": tuple(patterns.transpose(p) for p in chain[::-1])
    for name, chain in CHAINS.items()
}


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_members_of_any_chain_come_back(name, dtype, rng):
    chain = CHAINS[name]
    M = member(chain, rng, dtype)
    found = sm.project(M, sm.Butterfly, patterns=chain)
    assert found.matrix.patterns == chain
    assert found.matrix.dtype == dtype
    assert distance(M, found) <= EXACT[np.dtype(dtype).char]
    assert found.error <= EXACT[np.dtype(dtype).char]


@pytest.mark.parametrize("name", CHAINS)
def test_the_certificate_of_a_target_that_is_no_member(name, rng):
    chain = CHAINS[name]
    M = randn((chain[0].shape[0], chain[-1].shape[1]), rng)
    found = sm.project(M, sm.Chain, patterns=chain)
    assert type(found.matrix) is Chain
    assert found.matrix.patterns == chain
    assert found.lower_bound <= found.error <= found.upper_bound
    assert distance(M, found) == pytest.approx(found.error, rel=1e-12)
    off = sm.project(M, sm.KroneckerSparse, pattern=tuple(sweep.whole(chain))).error
    assert found.lower_bound >= off * (1 - 1e-12)
    steps = max(len(sweep.merged(chain)) - 1, 1)
    assert found.upper_bound <= math.sqrt(steps) * found.lower_bound * (1 + 1e-8) + 1e-15


def test_the_error_is_the_root_of_the_summed_tails(rng):
    M, chain = randn((32, 32), rng), patterns.dyadic(32)
    swept = sweep.sweep(M[None, None], chain)
    product = Chain([KroneckerSparse(v) for v in swept.values]).toarray()
    assert math.sqrt(sum(swept.error2)) == pytest.approx(np.linalg.norm(M - product), rel=1e-13)


def test_lower_bounds_are_the_tails_of_single_splits(rng):
    n, levels = 32, 5
    M = randn((n, n), rng)
    found = sm.project(M, sm.Butterfly)
    splits = [tail(M, n >> s, 1 << s, 1) for s in range(1, levels)]
    assert found.lower_bound == pytest.approx(max(splits), rel=1e-10)
    summed = min(math.sqrt(sum(x**2 for x in splits)), 1)
    assert found.upper_bound == pytest.approx(max(summed, found.error), rel=1e-10)


def test_redundant_chains_lose_no_more_than_merged_ones(rng):
    chain = CHAINS["redundant"]
    M = randn((16, 16), rng)
    coarse = [
        node if isinstance(node, patterns.Pattern) else node.pattern for node in sweep.merged(chain)
    ]
    assert len(coarse) == 3
    fine, merged = (sm.project(M, sm.Butterfly, patterns=c) for c in (chain, coarse))
    assert fine.error == pytest.approx(merged.error, rel=1e-13)
    assert np.allclose(fine.matrix.toarray(), merged.matrix.toarray(), rtol=0, atol=1e-12)
    full = CHAINS["all redundant"]
    assert sm.project(randn((8, 8), rng), sm.Butterfly, patterns=full).error == 0


def test_noise_is_not_amplified_by_unbalanced_factors(rng):
    chain = patterns.dyadic(64)
    values = [randn((p.a, p.d, p.b, p.c), rng) for p in chain]
    values = [v * 10.0 ** rng.integers(-2, 3, v.shape[:2])[..., None, None] for v in values]
    exact = Chain([KroneckerSparse(v) for v in values]).toarray()
    noise = randn((64, 64), rng)
    noise *= 0.1 * np.linalg.norm(exact) / np.linalg.norm(noise)
    M = exact + noise
    assert sm.project(M, sm.Butterfly).error <= 1.05 * np.linalg.norm(noise) / np.linalg.norm(M)


# ---------------------------------------------------------------- certificates on random draws


@st.composite
def draws(draw):
    kind = draw(st.sampled_from(["dyadic", "radix", "rank", "rectangular", "mirrored", "cropped"]))
    if kind == "dyadic":
        chain = patterns.dyadic(draw(st.sampled_from([4, 8, 16])))
    elif kind == "rank":
        chain = layouts.radices_of(16, 16)
        chain = sweep.with_ranks(chain, [min(2, r) for r in (2, 4, 2)])
    else:
        radix = st.integers(1, 4)
        pairs = draw(st.lists(st.tuples(radix, radix), min_size=1, max_size=3))
        chain = layouts.radices_of(1, 1, pairs)
    if kind == "mirrored":
        chain = tuple(patterns.transpose(p) for p in chain[::-1])
    full = chain[0].shape[0], chain[-1].shape[1]
    crop = (0, 0) if kind != "cropped" else draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
    shape = tuple(max(n - c, 1) for n, c in zip(full, crop))
    return chain, shape, draw(st.sampled_from(DTYPES)), draw(st.integers(0, 2**32 - 1))


@given(draws(), st.sampled_from(["gaussian", "noisy", "graded", "integers"]))
def test_lower_is_at_most_best_known_at_most_achieved_at_most_upper(drawn, kind):
    chain, (m, n), dtype, seed = drawn
    rng = np.random.default_rng(seed)
    exact = member(chain, rng, dtype)[:m, :n]
    if kind == "noisy":
        M = exact + 10.0 ** rng.integers(-9, 0) * randn((m, n), rng, dtype)
    elif kind == "graded":
        M = exact * np.exp(-rng.random(n) * 20).astype(dtype) + exact[:1]
    elif kind == "integers":
        M = rng.integers(-2, 3, (m, n)).astype(dtype)
    else:
        M = randn((m, n), rng, dtype)
    M = M.astype(dtype)
    found = sm.project(M, sm.Chain, patterns=chain)
    refined = sm.project(M, sm.Chain, patterns=chain, refine=3)
    rounding = 8 * np.finfo(dtype).eps
    size = np.linalg.norm(M.astype(np.result_type(dtype, np.float64))) or 1.0
    known = min(found.error, refined.error, np.linalg.norm(M - exact) / size + rounding)
    assert found.lower_bound <= known
    assert found.lower_bound <= found.error <= found.upper_bound
    assert refined.error <= found.error * (1 + 1e-12)
    if size != 1.0:
        assert abs(distance(M, found) - found.error) <= rounding


# ---------------------------------------------------------------- every size


@pytest.mark.parametrize(
    "shape", [(97, 97), (13, 7), (7, 13), (1, 1), (1, 5), (5, 1), (2, 3), (101, 64)]
)
@pytest.mark.parametrize("cls", [sm.Monarch, sm.Butterfly, sm.Chain])
def test_any_size_is_held_at_its_own_shape(shape, cls, rng):
    M = randn(shape, rng)
    found = sm.project(M, cls)
    assert found.matrix.shape == shape
    assert distance(M, found) == pytest.approx(found.error, rel=1e-10, abs=1e-14)
    assert found.lower_bound <= found.error <= found.upper_bound


def test_members_of_prime_order_come_back(rng):
    A = random_monarch(rng, 10, 10, 10, 10)
    M = Monarch(A.left, A.right, (97, 97)).toarray()
    # Rows and columns that were cut away leave slices of rank one, padded by zeros.
    assert sm.project(M, sm.Monarch, blocks=10).error < 1e-13
    M = member(patterns.dyadic(32), rng)[:31, :29]
    assert sm.project(M, sm.Butterfly, radices=[2] * 5).error < 1e-13


@pytest.mark.parametrize("shape", [(0, 0), (0, 4), (3, 0)])
@pytest.mark.parametrize("cls", [sm.Monarch, sm.Butterfly])
def test_empty_and_zero_targets(shape, cls):
    found = sm.project(np.zeros(shape), cls)
    assert found.matrix.shape == shape
    assert found[1:] == (0.0, 0.0, 0.0)
    assert sm.project(np.zeros(shape), cls, permutation="auto", rtol=0.1)[1:] == (0.0, 0.0, 0.0)
    zero = sm.project(np.zeros((6, 4), np.complex64), cls)
    assert zero[1:] == (0.0, 0.0, 0.0)
    assert zero.matrix.dtype == np.complex64
    assert not zero.matrix.toarray().any()


@pytest.mark.parametrize("cls", [sm.Monarch, sm.Butterfly])
@pytest.mark.parametrize(
    ("scale", "dtype"),
    [
        (1e150, np.float64),
        (1e-150, np.float64),
        (1e300, np.float64),
        (1e15, np.float32),
        (1e-15, np.float32),
        (1e30, np.complex64),
    ],
)
def test_scales(cls, scale, dtype, rng):
    M = randn((16, 16), rng, dtype)
    found, plain = sm.project((M * scale).astype(dtype), cls), sm.project(M, cls)
    assert found.error == pytest.approx(plain.error, rel=1e-5)
    assert np.isfinite(found.matrix.toarray()).all()
    tops = [abs(F.values).max() for F in found.matrix.factors]
    assert max(tops) / min(tops) < 10


@pytest.mark.parametrize("z", [1.28e308 * (1 + 1j), 1.7e308 * (1 - 1j), 1.7e308])
@pytest.mark.parametrize("cls", [sm.Monarch, sm.Butterfly, sm.Chain])
def test_moduli_beyond_the_largest_number(cls, z):
    M = np.full((4, 4), z)
    found = sm.project(M, cls)
    assert 0 <= found.lower_bound <= found.error <= found.upper_bound < 1e-14
    assert all(np.isfinite(F.values).all() for F in found.matrix.factors)
    tiny = (2.0**-1000 * found.matrix).toarray()
    assert abs(tiny / (z * 2.0**-1000) - 1).max() < 1e-14
    one = sm.project(M, sm.KroneckerSparse, pattern=(1, 4, 4, 1))
    assert one.error == 0.0
    assert np.array_equal(one.matrix.toarray(), M)


@pytest.mark.parametrize("s", [1e-161, 1e-162, 3e-162, 1e-200, 1e-308])
@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
@pytest.mark.parametrize("r", [1, 2])
def test_slices_whose_squares_underflow(s, dtype, r, rng):
    M = randn((16, 16), rng, dtype)
    M[::4] *= s
    M[1::4] *= s
    found = sm.project(M, sm.Monarch, block_rank=r)
    assert found.lower_bound <= found.error <= found.upper_bound
    kept = M.copy()
    kept[::4] = kept[1::4] = 0
    squares2 = np.linalg.svd(slices_by_loops(kept, 4, 4), compute_uv=False)[..., r:] ** 2
    expected = math.sqrt(squares2.sum()) / np.linalg.norm(kept)
    assert abs(found.error / expected - 1) < 1e-12
    F = np.zeros((16, 16), dtype)
    F[0, 0] = 1
    F[4:8, 4:8] = s * randn((4, 4), rng, dtype)
    found = sm.project(F, sm.Monarch, block_rank=r)
    assert found.error <= found.upper_bound < 1e-14
    assert abs(found.matrix.toarray() - F).max() < 1e-14
    butterfly = sm.project(F, sm.Butterfly)
    assert butterfly.lower_bound <= butterfly.error <= butterfly.upper_bound < 1e-14


def test_a_tiny_slice_is_truncated_like_any_other(rng):
    S = randn((3, 4, 5), rng, np.complex128) * np.array([1.0, 1e-162, 1e-200])[:, None, None]
    U, B, _, _ = slices.leading(S, 1)
    for slice_, best in zip(S, U @ B):
        u, s, vh = np.linalg.svd(slice_)
        assert abs(best - s[0] * np.outer(u[:, 0], vh[0])).max() < 1e-12 * s[0]


def test_a_zero_target_has_the_ranks_and_the_budget_of_any_other():
    zero = np.zeros((16, 16))
    for cls in (sm.Butterfly, sm.Monarch, sm.Chain):
        with pytest.raises(ValueError, match="budget"):
            sm.project(zero, cls, budget=1)
    with pytest.raises(ValueError, match="at least 256, the numbers of the pattern; got 1"):
        sm.project(zero, sm.KroneckerSparse, pattern=(1, 16, 16, 1), budget=1)
    found = sm.project(zero, sm.Monarch, block_rank=3)
    assert found[1:] == (0.0, 0.0, 0.0)
    assert found.matrix.block_rank == 3
    assert sm.project(zero, sm.Butterfly, block_rank=2).matrix.ranks == (2, 2, 2)
    assert sm.project(zero, sm.Butterfly, budget=300, refine=2).error == 0.0
    for option in ({"rtol": 0.0}, {"rtol": 0.5}, {"permutation": "auto"}, {"refine": 2}):
        found = sm.project(zero, sm.Butterfly, **option)
        assert found[1:] == (0.0, 0.0, 0.0)
        assert not found.matrix.toarray().any()


def test_patterns_of_rank_zero_hold_the_zero_matrix():
    chain = [(1, 16, 0, 1), (1, 0, 16, 1)]
    found = sm.project(np.ones((16, 16)), sm.Butterfly, patterns=chain)
    assert found[1:] == (1.0, 1.0, 1.0)
    assert [tuple(p) for p in found.matrix.patterns] == chain
    assert not found.matrix.toarray().any()
    assert sm.project(np.zeros((16, 16)), sm.Butterfly, patterns=chain)[1:] == (0.0, 0.0, 0.0)
    turned = sm.project(
        np.ones((16, 16)), sm.Butterfly, patterns=chain, permutation="auto", refine=1
    )
    assert turned[1:] == (1.0, 1.0, 1.0)
    mirrored = [(4, 4, 0, 1), (1, 0, 4, 4)]
    assert patterns.chainable(*(patterns.Pattern(*p) for p in mirrored))
    assert sm.project(np.ones((16, 16)), sm.Chain, patterns=mirrored).error == 1.0


def test_zero_slices_are_zero_and_finite(rng):
    M = random_monarch(rng, 4, 4, 4, 4).toarray()
    M[::4] = 0
    M[:, :4] = 0
    dense = sm.project(M, sm.Monarch).matrix.toarray()
    assert not dense[::4].any()
    assert not dense[:, :4].any()
    assert np.allclose(sm.project(M, sm.Butterfly).matrix.toarray()[::4], 0, rtol=0, atol=1e-14)


def test_targets_are_not_changed_and_need_not_be_contiguous(rng):
    M = randn((24, 30), rng)
    M.flags.writeable = False
    fixed = np.asfortranarray(M)
    fixed.flags.writeable = False
    views = [M, fixed, np.repeat(M, 2, axis=1)[:, ::2], np.flip(np.flip(M).copy()), M.astype(">f8")]
    kept = [V.copy() for V in views]
    choices = [{}, {"budget": 500}, {"rtol": 0.4}, {"permutation": "auto"}]
    for cls, options in itertools.product((sm.Monarch, sm.Butterfly), choices):
        found = [sm.project(V, cls, **options) for V in views]
        for one in found[1:]:
            assert one.error == pytest.approx(found[0].error, rel=1e-12)
            assert np.allclose(one.matrix.toarray(), found[0].matrix.toarray(), atol=1e-10)
    assert all(np.array_equal(V, copy) for V, copy in zip(views, kept))


@pytest.mark.parametrize("n", range(1, 41))
def test_every_size_and_dtype_and_choice_of_ranks(n, rng):
    shapes = [(n, n)] * 3 + [(m, n) for m in (1, 2, 3, 8, 13, 24, 31, 40)]
    for shape, dtype in zip(shapes, [np.float64, np.complex128, *[np.complex64] * 9]):
        M = randn(shape, rng, dtype)
        held = sum(F.values.size for F in sm.project(M, sm.Butterfly).matrix.factors)
        for options in ({}, {"budget": int(1.7 * held)}, {"rtol": 0.3}):
            found = sm.project(M, sm.Butterfly, **options)
            assert (found.matrix.shape, found.matrix.dtype) == (shape, dtype)
            assert found.lower_bound <= found.error <= found.upper_bound <= 1 + 1e-12
            assert distance(M, found) == pytest.approx(found.error, rel=1e-6, abs=1e-13)
            assert found.error <= options.get("rtol", 1)
            used = sum(F.values.size for F in found.matrix.factors)
            assert used <= options.get("budget", used)


def test_targets_that_are_no_arrays(rng):
    A = random_monarch(rng, 4, 4, 4, 4)
    for M in (A, csr_array(A.toarray()), aslinearoperator(A.toarray()), A + sm.Identity(16) * 0.0):
        assert sm.project(M, sm.Monarch).error < 1e-14
    H = hadamard(16)
    assert H.dtype.kind == "i"
    assert sm.project(H, sm.Butterfly).matrix.dtype == np.float64
    broken = A.toarray()
    broken[3, 3] = np.nan
    for M in (broken, csr_array(broken), aslinearoperator(broken)):
        with pytest.raises(ValueError, match="infs or NaNs"):
            sm.project(M, sm.Monarch)


# ---------------------------------------------------------------- defaults


@pytest.mark.parametrize("n", [4, 16, 64, 1024, 4096])
def test_squares_have_square_blocks(n):
    q = math.isqrt(n)
    assert layouts.blocks_of(n, n) == (q, q, q, q)


@pytest.mark.parametrize(("m", "n"), [(512, 512), (15, 15), (768, 3072), (161, 161), (640, 384)])
def test_default_blocks_divide_where_divisors_are_good(m, n):
    l, s, k, p = layouts.blocks_of(m, n)
    assert (l * s, k * p) == (m, n)
    assert l * k >= math.isqrt(m * n)
    assert m * k + n * l <= 1.5 * 2 * (m * n) ** 0.75


@given(st.integers(1, 300), st.integers(1, 300))
def test_default_layouts_hold_every_size(m, n):
    l, s, k, p = layouts.blocks_of(m, n)
    assert l * s >= m > l * s - s - l
    assert k * p >= n > k * p - k - p
    assert l * s * k + k * p * l <= 3.5 * (m * n) ** 0.75 + m + n
    chain = layouts.radices_of(m, n)
    full = chain[0].shape[0], chain[-1].shape[1]
    assert full[0] < 2 * m + 1
    assert full[1] < 2 * n + 1
    assert full[0] >= m
    assert full[1] >= n
    assert patterns.refines(*chain)
    assert set(sweep.ranks_of(chain)) <= {1}


def test_default_radices():
    assert layouts.radices_of(16, 16) == patterns.dyadic(16)
    assert layouts.radices_of(60, 60) == patterns.square((5, 3, 2, 2))
    assert layouts.radices_of(11, 11) == patterns.dyadic(16)
    assert layouts.radices_of(4, 16) == ((1, 2, 4, 2), (4, 2, 4, 1))
    assert layouts.radices_of(12, 30) == ((1, 3, 5, 4), (5, 2, 3, 2), (15, 2, 2, 1))


# ---------------------------------------------------------------- ranks by error and by budget


@pytest.mark.parametrize("rtol", [0.5, 0.1, 1e-3, 1e-8])
@pytest.mark.parametrize("cls", [sm.Monarch, sm.Butterfly])
def test_rtol_is_met_by_few_numbers(rtol, cls):
    x = np.linspace(0, 1, 64)
    M = np.exp(-((x[:, None] - x) ** 2) * 20) + np.sin(9 * np.outer(x, x))
    found = sm.project(M, cls, rtol=rtol)
    assert found.error <= rtol
    assert distance(M, found) <= rtol * (1 + 1e-6)
    if cls is sm.Monarch and found.matrix.block_rank > 1:
        less = sm.project(M, cls, block_rank=found.matrix.block_rank - 1)
        assert less.error > rtol
    if rtol >= 0.1:
        assert sum(F.values.size for F in found.matrix.factors) < M.size


def test_rtol_is_used_up_where_ranks_allow(rng):
    M = randn((64, 64), rng)
    found = sm.project(M, sm.Butterfly, rtol=0.3)
    assert found.error <= 0.3
    held = sum(F.values.size for F in found.matrix.factors)
    ranks = [patterns.rank(p, q) for p, q in zip(found.matrix.patterns, found.matrix.patterns[1:])]
    for i, r in enumerate(ranks):
        if r > 1:
            fewer = [*ranks[:i], r - 1, *ranks[i + 1 :]]
            chain = sweep.with_ranks(found.matrix.patterns, fewer)
            worse = sm.project(M, sm.Butterfly, patterns=chain)
            assert worse.error > 0.2
    assert held < sum(p.nnz for p in sweep.with_ranks(patterns.dyadic(64), [2, 4, 8, 4, 2]))


def test_a_noisy_member_gets_its_own_ranks(rng):
    chain = sweep.with_ranks(patterns.dyadic(64), [1, 2, 3, 2, 1])
    M = member(chain, rng)
    noise = randn(M.shape, rng)
    M += 1e-6 * np.linalg.norm(M) / np.linalg.norm(noise) * noise
    found = sm.project(M, sm.Butterfly, rtol=1e-5)
    assert found.error < 1e-5
    assert found.matrix.patterns == chain
    assert sm.project(M, sm.Butterfly, rtol=1e-5, permutation="auto").error < 1e-5


def test_unreachable_rtol_warns_and_returns_the_nearest(rng):
    M = randn((16, 16), rng)
    for cls in (sm.Monarch, sm.Butterfly):
        with pytest.warns(RuntimeWarning, match="above"):
            found = sm.project(M, cls, rtol=1e-3, block_rank=1)
        assert found.error == pytest.approx(sm.project(M, cls).error, rel=1e-12)


@pytest.mark.parametrize("budget", [128, 256, 400, 700])
@pytest.mark.parametrize("cls", [sm.Monarch, sm.Butterfly])
def test_budget_counts_the_numbers_of_the_factors(budget, cls, rng):
    M = randn((16, 16), rng)
    found = sm.project(M, cls, budget=budget)
    assert sum(F.values.size for F in found.matrix.factors) <= budget
    assert found.lower_bound <= found.error <= found.upper_bound
    if budget == 700:
        assert found.error < 1e-14
    with pytest.raises(ValueError, match="at least 128"):
        sm.project(M, cls, budget=127)


def test_block_rank_is_at_most_that_of_a_slice(rng):
    M = randn((16, 16), rng)
    found = sm.project(M, sm.Butterfly, block_rank=3)
    assert [
        patterns.rank(p, q) for p, q in zip(found.matrix.patterns, found.matrix.patterns[1:])
    ] == [2, 3, 2]
    assert sm.project(M, sm.Butterfly, block_rank=4).error < 1e-14
    with pytest.raises(ValueError, match="block_rank"):
        sm.project(M, sm.Monarch, block_rank=5)
    with pytest.raises(ValueError, match="block_rank"):
        sm.project(M, sm.Butterfly, block_rank=0)


RANKED = ([6, 4, 4], [4, 6, 4], [4, 3, 2, 4], [3, 2, 4, 4], [(2, 3), (4, 4), (3, 2), (4, 4)])


def target(name, n, rng):
    x = np.linspace(0, 1, n)
    if name == "noise":
        return randn((n, n), rng)
    if name == "low rank and noise":
        L, N = randn((n, 5), rng) @ randn((5, n), rng), randn((n, n), rng)
        return L / np.linalg.norm(L) + 0.3 * N / np.linalg.norm(N)
    if name == "graded":
        return randn((n, n), rng) * np.geomspace(1, 0.01, n)
    if name == "oscillating":
        return np.cos(60 * np.outer(x, x))
    return np.exp(-40 * (x[:, None] - x) ** 2)


def every_choice(M, radices):
    """(numbers, relative error of the sweep) of all ranks, by patterns of these ranks."""
    chain = layouts.radices_of(*M.shape, radices)
    found = {}
    for choice in itertools.product(*(range(1, r + 1) for r in ranks.full(chain))):
        ranked = sweep.with_ranks(chain, choice)
        left = sweep.sweep(M[None, None], ranked).error2
        found[ranked] = sum(p.nnz for p in ranked), math.sqrt(sum(left)) / np.linalg.norm(M)
    return found


@pytest.mark.parametrize("radices", RANKED)
@pytest.mark.parametrize(
    "name", ["noise", "low rank and noise", "graded", "oscillating", "smooth kernel"]
)
def test_ranks_are_near_the_best_of_all(name, radices, rng):
    """Against exhaustive search: the error within a budget, and the numbers within an error."""
    M = target(name, 96, rng)
    choices = every_choice(M, radices)
    for budget in (1600, 2304, 3400, 4608, 6500):
        found = sm.project(M, sm.Butterfly, radices=radices, budget=budget)
        assert sum(F.values.size for F in found.matrix.factors) <= budget
        best = min(error for held, error in choices.values() if held <= budget)
        assert found.error <= 1.02 * best + 1e-14
    for rtol in (0.8, 0.6, 0.3, 0.1, 0.01, 1e-4):
        found = sm.project(M, sm.Butterfly, radices=radices, rtol=rtol)
        assert found.error <= rtol
        held = sum(F.values.size for F in found.matrix.factors)
        assert held <= 1.02 * min(held for held, error in choices.values() if error <= rtol)


@pytest.mark.parametrize(("budget", "choice"), [(384**2 // 4, (2, 4)), (384**2 // 2, (4, 5))])
def test_a_budget_is_spread_over_the_splits_of_noise(budget, choice, rng):
    found = sm.project(randn((384, 384), rng), sm.Butterfly, radices=[8, 6, 8], budget=budget)
    assert tuple(sweep.ranks_of(found.matrix.patterns)) == choice


def test_ranks_of_many_splits_are_no_worse_than_even_ones(rng):
    """Eight splits, too many for exhaustive search: against every even rank at its own cost."""
    M = target("graded", 512, rng)
    for rank in (1, 2, 3, 5):
        even = sm.project(M, sm.Butterfly, block_rank=rank)
        held = sum(F.values.size for F in even.matrix.factors)
        found = sm.project(M, sm.Butterfly, budget=held)
        assert sum(F.values.size for F in found.matrix.factors) <= held
        assert found.error <= even.error
        reached = sm.project(M, sm.Butterfly, rtol=even.error * (1 + 1e-12))
        assert sum(F.values.size for F in reached.matrix.factors) <= held


def test_noise_is_not_swept_to_find_more_numbers_than_it_has(rng, monkeypatch):
    swept = []
    monkeypatch.setattr(sweep, "sweep", lambda *args, f=sweep.sweep: swept.append(0) or f(*args))
    M = randn((256, 256), rng)
    found = sm.project(M, sm.Butterfly, rtol=0.5)
    assert found.error <= 0.5
    assert distance(M, found) <= 0.5 * (1 + 1e-12)
    assert len(swept) <= 4
    # A member in noise is searched as before, and found.
    A = sm.random(sm.Butterfly, 256, rng=0, block_rank=2).toarray()
    A += 1e-3 * np.linalg.norm(A) / 256 * M
    found = sm.project(A, sm.Butterfly, rtol=2e-3)
    assert found.error <= 2e-3
    assert max(found.matrix.ranks) <= 2


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.floats(1, 3))
def test_the_frontier_holds_every_best_choice(seed, splits, spread):
    """Additive losses by exhaustive search; below the number of kept points nothing is lost."""
    rng = np.random.default_rng(seed)
    most = rng.integers(1, 4, splits)
    weights = [int(w) for w in rng.integers(1, 20, splits + 1)]
    losses = [np.sort(rng.random(r + 1) ** spread)[::-1] for r in most]
    all_ranks = list(itertools.product(*(range(1, r + 1) for r in most)))
    cost = [
        sum(w * r * s for w, r, s in zip(weights, (1, *choice), (*choice, 1)))
        for choice in all_ranks
    ]
    loss = [sum(x[r] for x, r in zip(losses, choice)) for choice in all_ranks]
    plan = ranks.Plan(weights, losses, max(cost))
    for budget in np.linspace(min(cost), max(cost), 7).astype(int):
        best = min(l for c, l in zip(cost, loss) if c <= budget)
        near = plan.near(budget)
        assert len(set(near)) == len(near)
        assert loss[all_ranks.index(near[0])] == pytest.approx(best, rel=1e-12)
        assert all(cost[all_ranks.index(choice)] <= budget for choice in near)
    points = [all_ranks.index(choice) for choice in plan.points]
    assert all(cost[i] < cost[j] and loss[i] > loss[j] for i, j in itertools.pairwise(points))


# ---------------------------------------------------------------- refinement


@pytest.mark.parametrize("dtype", [np.float64, np.complex64])
def test_refinement_is_never_worse_and_helps_where_the_target_is_no_chain(dtype, rng):
    M = randn((32, 32), rng, dtype)
    plain, refined = sm.project(M, sm.Butterfly), sm.project(M, sm.Butterfly, refine=5)
    assert refined.error < plain.error
    assert refined.lower_bound <= refined.error <= refined.upper_bound
    assert distance(M, refined) == pytest.approx(refined.error, rel=1e-6)
    cropped = sm.project(M[:29, :31], sm.Butterfly, refine=5)
    assert cropped.error <= sm.project(M[:29, :31], sm.Butterfly).error
    assert sm.project(M, sm.Butterfly, refine=2, permutation="bit_reversal").error < 1


# ---------------------------------------------------------------- Kronecker-sparse


@pytest.mark.parametrize("pattern", [(1, 3, 4, 2), (2, 3, 2, 2), (3, 1, 2, 2), (6, 1, 1, 2)])
def test_kronecker_sparse_keeps_the_entries_on_its_support(pattern, rng):
    a, b, c, d = pattern
    M = randn((a * b * d, a * c * d), rng, np.complex128)
    support = np.kron(np.kron(np.eye(a), np.ones((b, c))), np.eye(d))
    found = sm.project(M, sm.KroneckerSparse, pattern=pattern)
    assert np.array_equal(found.matrix.toarray(), M * support)
    off = np.linalg.norm(M * (1 - support)) / np.linalg.norm(M)
    assert found.error == pytest.approx(off, rel=1e-14)
    assert found.lower_bound == found.error == found.upper_bound


def test_kronecker_sparse_options(rng):
    M = randn((6, 8), rng)
    with pytest.raises(ValueError, match="needs `pattern"):
        sm.project(M, sm.KroneckerSparse)
    with pytest.raises(ValueError, match="has shape"):
        sm.project(M, sm.KroneckerSparse, pattern=(1, 2, 4, 2))
    with pytest.raises(ValueError, match="at least"):
        sm.project(M, sm.KroneckerSparse, pattern=(1, 3, 4, 2), budget=5)
    with pytest.warns(RuntimeWarning, match="above"):
        sm.project(M, sm.KroneckerSparse, pattern=(1, 3, 4, 2), rtol=1e-3)


# ---------------------------------------------------------------- permutations


def bp_by_definition(n, even_odd, first, second):
    """P_1 (I_2 (x) P_2) ... as dense matrices, level by level: A x of the definition."""
    P = np.eye(n)
    size = n
    while size > 1:
        h = size // 2
        step = np.eye(size)
        if even_odd:
            step = step[[*range(0, size, 2), *range(1, size, 2)]]
        order = [*(range(h)[::-1] if first else range(h))]
        order += [*(range(h, size)[::-1] if second else range(h, size))]
        P = np.kron(np.eye(n // size), step[order]) @ P
        size = h
    return P


@pytest.mark.parametrize("steps", list(itertools.product((False, True), repeat=3)))
def test_bp_permutations_are_products_of_levels(steps):
    assert np.array_equal(np.eye(16)[permuted.bp(16, *steps)], bp_by_definition(16, *steps))


def test_bit_reversal_is_a_digit_reversal_and_the_even_odd_bp():
    expected = [int(f"{i:04b}"[::-1], 2) for i in range(16)]
    assert permuted.digit_reversal((2,) * 4).tolist() == expected
    assert permuted.bp(16, True, False, False).tolist() == expected
    assert permuted.digit_reversal((2, 3)).tolist() == [0, 2, 4, 1, 3, 5]


@pytest.mark.parametrize("cls", [sm.Monarch, sm.Butterfly])
@pytest.mark.parametrize("n", [16, 13])
def test_a_given_permutation_goes_on_the_columns(cls, n, rng):
    p = rng.permutation(n)
    A = sm.project(randn((n, n), rng), cls).matrix
    M = (A @ Permutation(p)).toarray()
    for given_as in (p, list(p), Permutation(p)):
        found = sm.project(M, cls, permutation=given_as)
        assert found.error < 1e-13
        assert distance(M, found) < 1e-13
        assert found.matrix.shape == (n, n)


def test_refused_options(rng):
    M = randn((12, 12), rng)
    with pytest.raises(ValueError, match="bit reversal needs"):
        sm.project(M, sm.Butterfly, permutation="bit_reversal")
    with pytest.raises(ValueError, match="must be one of"):
        sm.project(M, sm.Butterfly, permutation="reverse")
    with pytest.raises(TypeError, match="permutation"):
        sm.project(M, sm.Butterfly, permutation=3)
    with pytest.raises(ValueError, match="5 entries"):
        sm.project(M, sm.Butterfly, permutation=np.arange(5))
    with pytest.raises(ValueError, match="13 entries"):
        sm.project(M, sm.Butterfly, permutation=np.arange(13))
    with pytest.raises(ValueError, match="not both"):
        sm.project(M, sm.Butterfly, radices=[3, 4], patterns=patterns.square((3, 4)))
    with pytest.raises(ValueError, match="less than the shape"):
        sm.project(M, sm.Butterfly, radices=[3, 3])
    with pytest.raises(ValueError, match="radices"):
        sm.project(M, sm.Butterfly, radices=[])
    with pytest.raises(TypeError, match="radices"):
        sm.project(M, sm.Butterfly, radices=[3.0, 4])
    with pytest.raises(ValueError, match="not chainable"):
        sm.project(M, sm.Chain, patterns=[(2, 2, 2, 3), (1, 3, 3, 4)])
    with pytest.raises(ValueError, match="of shape"):
        sm.project(M, sm.Chain, patterns=patterns.dyadic(8))
    with pytest.raises(TypeError, match="four integers"):
        sm.project(M, sm.Chain, patterns=[(2, 2, 2)])
    with pytest.raises(ValueError, match="at least one"):
        sm.project(M, sm.Chain, patterns=[])
    with pytest.raises(ValueError, match="pair"):
        sm.project(M, sm.Monarch, blocks=(2, 3, 4))
    with pytest.raises(ValueError, match="blocks"):
        sm.project(M, sm.Monarch, blocks=0)
    with pytest.raises(TypeError, match="blocks"):
        sm.project(M, sm.Monarch, blocks=2.5)
    with pytest.raises(ValueError, match="refine"):
        sm.project(M, sm.Butterfly, refine=-1)
    with pytest.raises(TypeError, match="not an option"):
        sm.project(M, sm.Monarch, radices=[3, 4])
    with pytest.raises(TypeError, match="`radices` must be a sequence"):
        sm.project(M, sm.Butterfly, radices=2)
    with pytest.raises(ValueError, match="blocks"):
        sm.project(M, sm.Monarch, blocks=np.array([[4, 4]]))
    with pytest.raises(TypeError, match="blocks"):
        sm.project(M, sm.Monarch, blocks=np.array([4.0, 4.0]))
    with pytest.raises(ValueError, match="at least 48, the numbers of the pattern"):
        sm.project(M, sm.KroneckerSparse, pattern=(3, 4, 4, 1), budget=20)
    with pytest.raises(TypeError, match="four integers"):
        sm.KroneckerSparse(np.ones((1, 1, 2, 2)), pattern=(1.0, 2, 2, 1))


@pytest.mark.parametrize("p", [np.arange(12.0), [0.5] * 12, np.eye(12), [0] * 12, [12] * 12])
def test_a_permutation_that_is_none_is_named_as_the_option(p):
    with pytest.raises((TypeError, ValueError, IndexError), match="`permutation`") as caught:
        sm.project(np.ones((12, 12)), sm.Monarch, permutation=p)
    assert "`p`" not in str(caught.value)


def test_blocks_as_one_integer(rng):
    found = sm.project(np.ones((8, 8)), sm.Monarch, blocks=np.array([4, 2]))
    assert found.matrix.left.shape == (4, 2, 2, 1)
    radices = np.array([[2, 2], [2, 2]])
    assert sm.project(np.ones((4, 4)), sm.Butterfly, radices=radices).error < 1e-14
    found = sm.project(randn((12, 18), rng), sm.Monarch, blocks=3)
    assert found.matrix.left.shape[:3] == (3, 4, 3)
    assert found.matrix.right.shape[3] == 6


def test_bounds_reuse_nothing_that_is_not_theirs(rng):
    """The first step of a sweep stands for the first split only where both have the same splits."""
    chain = CHAINS["redundant"]
    M = randn((16, 16), rng)
    swept = sweep.sweep(M[None, None], chain)
    assert bracket.bracket(M[None, None], chain, swept) == pytest.approx(
        bracket.bracket(M[None, None], chain), rel=1e-12
    )


# ---------------------------------------------------------------- the other array library


@pytest.mark.parametrize("dtype", [np.float32, np.complex128])
def test_a_device_array_stays_on_its_device(dtype, rng, monkeypatch):
    cupy = fake_cupy.install(monkeypatch)
    M = randn((18, 20), rng, dtype)
    M[0] = 0
    options = [
        (sm.Monarch, {"blocks": (3, 4), "block_rank": 2}),
        (sm.Monarch, {"permutation": "auto"}),
        (sm.Monarch, {"rtol": 0.3}),
        (sm.Butterfly, {"radices": [(3, 2), (2, 5), (4, 2)]}),
        (sm.Butterfly, {"budget": 300}),
        (sm.KroneckerSparse, {"pattern": (2, 9, 10, 1)}),
    ]
    for cls, given_options in options:
        host = sm.project(M, cls, **given_options)
        device = sm.project(cupy.asarray(M), cls, **given_options)
        assert type(device.matrix.toarray()) is cupy.ndarray
        assert device.error == pytest.approx(host.error, rel=1e-6)
        assert np.allclose(device.matrix.toarray().get(), host.matrix.toarray(), atol=1e-4)
