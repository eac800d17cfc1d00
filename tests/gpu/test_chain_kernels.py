"""Chains on the device: plans, products through the emulator, cuBLAS by leading dimensions."""

import ctypes
import sys
import types

import numpy as np
import pytest
from gpu.kernel_cases.chain import by_definition, integers, product, run_of
from hypothesis import given
from hypothesis import strategies as st

import structmat as sm
from structmat._backend import cublas
from structmat.matrices.chain import gpu
from structmat.matrices.chain.patterns import Pattern, dyadic, transpose

DTYPES = ("float32", "float64", "complex64", "complex128")
every_dtype = pytest.mark.parametrize("dtype", DTYPES)


@pytest.fixture
def rng():
    return np.random.default_rng(20240317)


def compare(cp, values, X):
    found = product(cp, values, X)
    assert found.dtype == X.dtype
    np.testing.assert_array_equal(found, by_definition(values, X))


# ---------------------------------------------------------------- the reference


def test_the_reference_is_the_definition(rng):
    """values[i, l, j, k] stands in row i b d + j d + l and column i c d + k d + l."""
    a, b, c, d = 2, 3, 4, 5
    V = rng.standard_normal((a, d, b, c))
    full = np.zeros((a * b * d, a * c * d))
    for i in range(a):
        for l in range(d):
            for j in range(b):
                for k in range(c):
                    full[i * b * d + j * d + l, i * c * d + k * d + l] = V[i, l, j, k]
    X = rng.standard_normal((a * c * d, 3))
    np.testing.assert_allclose(by_definition([V], X), full @ X, atol=1e-13)


# ---------------------------------------------------------------- products by the kernels


@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize(
    ("A", "L", "D", "k"),
    [
        (1, 1, 1, 1),
        (3, 2, 1, 1),
        (1, 9, 1, 1),
        (1, 9, 1, 2),
        (2, 5, 1, 8),
        (1, 7, 3, 2),
        (5, 3, 7, 1),
    ],
)
def test_butterflies_of_few_columns(emulated, rng, A, L, D, k, down):
    X = integers(rng, (A * D << L, k), "float32", -3, 3)
    compare(emulated, run_of(rng, A, L, D, "float32", down), X)


@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize(("L", "k"), [(13, 1), (11, 4), (11, 12), (10, 9)])
def test_several_passes(emulated, rng, L, k, down):
    values = run_of(rng, 1, L, 1, "float32", down)
    plan = gpu.passes(_patterns(values), (down,) * L, k, "float32")
    assert len(plan) > 1
    compare(emulated, values, integers(rng, (1 << L, k), "float32", -1, 1))


@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("k", [1, 64])
def test_blocks_stored_either_way(emulated, rng, down, stored, k):
    X = integers(rng, (16, k), "complex64", -3, 3)
    compare(emulated, run_of(rng, 1, 4, 1, "complex64", down, stored), X)


def test_a_factor_that_is_no_neighbour_ends_a_run(emulated, rng):
    up = run_of(rng, 1, 4, 2, "float64")
    values = [up[0], up[2], up[3], up[2], up[1], *run_of(rng, 1, 5, 1, "float64", down=True)]
    compare(emulated, values, integers(rng, (32, 12), "float64"))


@every_dtype
@pytest.mark.parametrize("shape", [(2, 3, 1, 4), (1, 1, 5, 3), (3, 9, 16, 2), (4, 2, 2, 3)])
@pytest.mark.parametrize("k", [1, 7])
def test_small_blocks(emulated, rng, dtype, shape, k):
    a, b, c, d = shape
    V = integers(rng, (a, d, b, c), dtype)
    X = integers(rng, (a * c * d, k), dtype, -3, 3)
    compare(emulated, [V], X)
    compare(emulated, [V.transpose(0, 1, 3, 2)], integers(rng, (a * b * d, k), dtype, -3, 3))


def test_no_columns_and_empty_factors(emulated):
    values = [np.ones((2, 3, 2, 2))] * 2
    assert product(emulated, values, np.ones((12, 0))).shape == (12, 0)
    for shape in ((2, 3, 0, 2), (0, 3, 2, 2)):
        rows = shape[0] * shape[1] * shape[2]
        found = product(emulated, [np.ones(shape)], np.ones((shape[0] * 2 * 3, 4)))
        np.testing.assert_array_equal(found, np.zeros((rows, 4)))
    found = product(emulated, [np.ones((2, 3, 4, 0))], np.ones((0, 4)))
    np.testing.assert_array_equal(found, np.zeros((24, 4)))


def test_arrays_off_the_grid_of_packets(emulated, rng):
    values = run_of(rng, 1, 5, 1, "float32")
    X = integers(rng, (32, 16), "float32")
    odd = emulated.asarray(np.concatenate([[0], X.ravel()]).astype("float32"))[1:].reshape(32, 16)
    shifted = [
        emulated.asarray(np.concatenate([[0], V.ravel()]).astype("float32"))[1:].reshape(V.shape)
        for V in values
    ]
    assert odd.data.ptr % 16
    found = gpu._product(_patterns(values), shifted, [None] * 5, odd)
    np.testing.assert_array_equal(found.get(), by_definition(values, X))
    np.testing.assert_array_equal(odd.get(), X)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_value_stays_in_its_column(emulated, rng, bad):
    values = [np.abs(V) + 1 for V in run_of(rng, 1, 6, 1, "float64")]
    X = integers(rng, (64, 8), "float64")
    X[5, 3] = bad
    found = product(emulated, values, X)
    assert not np.isfinite(found[:, 3]).any()
    rest = np.delete(np.arange(8), 3)
    np.testing.assert_array_equal(found[:, rest], by_definition(values, X[:, rest]))


@every_dtype
def test_rounding(emulated, rng, dtype):
    """Two products and one sum a factor: at most (2 L + ...) eps of the sums of absolute values."""
    values = [
        (V + rng.standard_normal(V.shape)).astype(dtype) for V in run_of(rng, 1, 10, 1, dtype)
    ]
    X = rng.standard_normal((1024, 4)).astype(dtype)
    error = np.abs(product(emulated, values, X) - by_definition(values, X))
    size = by_definition([np.abs(V) for V in values], np.abs(X))
    assert (error / size).max() < 3 * 10 * np.finfo(dtype).eps


# ---------------------------------------------------------------- through the public face


def test_chains_of_the_library(emulated, rng):
    """A cropped butterfly, its adjoint, a permutation, a Monarch, one factor."""
    n = 16
    values = [rng.standard_normal((p.a, p.d, p.b, p.c)) for p in dyadic(n)]
    matrices = [
        sm.Butterfly(values),
        sm.Butterfly(values, shape=(13, 11)),
        sm.Chain([*values[:2], sm.Permutation(rng.permutation(n)), values[0]]),
        sm.Monarch(rng.standard_normal((4, 3, 5, 2)), rng.standard_normal((5, 4, 2, 3))),
        sm.KroneckerSparse(rng.standard_normal((2, 3, 20, 18))),
    ]
    for A in matrices:
        B = A.to_device("cuda")
        for F, G in ((A, B), (A.H, B.H), (A.T, B.T)):
            for shape in ((F.shape[1],), (F.shape[1], 5), (F.shape[1], 16)):
                X = rng.standard_normal(shape)
                found = G @ emulated.asarray(X)
                np.testing.assert_allclose(found.get(), F.toarray() @ X, rtol=0, atol=1e-11)


# ---------------------------------------------------------------- cuBLAS by leading dimensions


class Blas:
    """The bindings behind CuPy, by NumPy on the addresses that they are given."""

    def __init__(self):
        self.calls = []
        for prefix, dtype in zip("sdcz", DTYPES):
            setattr(self, f"{prefix}gemmStridedBatched", self._strided(dtype))
            setattr(self, f"{prefix}gemmBatched", self._by_pointers(dtype))

    def _strided(self, dtype):
        size = np.dtype(dtype).itemsize

        def gemm(handle, ta, tb, m, n, k, one, A, lda, sA, B, ldb, sB, zero, C, ldc, sC, count):
            self.calls.append("strided")
            for i in range(count):
                at = (A + i * sA * size, B + i * sB * size, C + i * sC * size)
                self._gemm(dtype, handle, ta, tb, m, n, k, one, zero, at, (lda, ldb, ldc))

        return gemm

    def _by_pointers(self, dtype):
        def gemm(handle, ta, tb, m, n, k, one, A, lda, B, ldb, zero, C, ldc, count):
            self.calls.append("pointers")
            lists = [_memory(p, count, np.uint64) for p in (A, B, C)]
            for at in zip(*(pointers.tolist() for pointers in lists)):
                self._gemm(dtype, handle, ta, tb, m, n, k, one, zero, at, (lda, ldb, ldc))

        return gemm

    @staticmethod
    def _gemm(dtype, handle, ta, tb, m, n, k, one, zero, at, leading):
        assert handle == "a handle"
        assert ta == 0
        assert _memory(one, 1, dtype)[0] == 1
        assert _memory(zero, 1, dtype)[0] == 0
        lda, ldb, ldc = leading
        assert lda >= m
        assert ldc >= m
        assert ldb >= (n if tb else k)
        A = _columns(at[0], m, k, lda, dtype)
        B = _columns(at[1], *((n, k) if tb else (k, n)), ldb, dtype)
        _columns(at[2], m, n, ldc, dtype)[...] = A @ (B.T if tb else B)


def _memory(address, count, dtype):
    size = count * np.dtype(dtype).itemsize
    return np.frombuffer((ctypes.c_char * size).from_address(address), dtype)


def _columns(address, m, n, leading, dtype):
    """m x n by columns, `leading` apart, at an address."""
    flat = _memory(address, (n - 1) * leading + m, dtype)
    size = np.dtype(dtype).itemsize
    return np.lib.stride_tricks.as_strided(flat, (m, n), (size, leading * size))


@pytest.fixture
def blas(emulated, monkeypatch):
    found = Blas()
    emulated.cuda.Device = lambda i=0: types.SimpleNamespace(cublas_handle="a handle")
    monkeypatch.setitem(sys.modules, "cupy_backends.cuda.libs.cublas", found)
    monkeypatch.setattr(cublas, "_bindings", lambda: found)
    cublas._offsets.cache_clear()
    yield found
    cublas._offsets.cache_clear()


@every_dtype
@pytest.mark.parametrize("stored", ["natural", "transposed", "strided"])
@pytest.mark.parametrize(
    ("shape", "how"),
    [
        ((3, 20, 17, 1), "strided"),
        ((1, 20, 17, 4), "strided"),
        ((1, 1, 40, 4), "strided"),
        ((4, 40, 1, 1), "strided"),
        ((3, 20, 17, 4), "pointers"),
        ((2, 1, 40, 3), "pointers"),
    ],
)
@pytest.mark.parametrize("k", [1, 6])
def test_large_blocks(emulated, blas, rng, dtype, shape, how, stored, k):
    a, b, c, d = shape
    V = integers(rng, (a, d, b, c), dtype)
    on_device = emulated.asarray(V)
    if stored == "transposed":
        flipped = emulated.asarray(V.transpose(0, 1, 3, 2).copy())
        on_device = flipped.transpose(0, 1, 3, 2)
    elif stored == "strided":
        wide = emulated.zeros((a, d, 2 * b, 3 * c), dtype)
        on_device = wide[:, :, ::2, ::3]
        on_device[...] = emulated.asarray(V)
    X = integers(rng, (a * c * d, k), dtype, -3, 3)
    found = gpu._blocks(on_device, emulated.asarray(X)).get()
    assert blas.calls == [how]
    np.testing.assert_array_equal(found, by_definition([V], X))


def test_without_the_bindings_stacks_are_multiplied(emulated, monkeypatch, rng):
    monkeypatch.setattr(cublas, "_bindings", lambda: None)
    V, X = integers(rng, (3, 4, 20, 17), "float64"), integers(rng, (204, 6), "float64")
    compare(emulated, [V], X)


def test_what_the_32_bits_of_blas_cannot_count_is_left_to_others(emulated, blas):
    values = types.SimpleNamespace(shape=(1, 1 << 16, 20, 20))
    X = types.SimpleNamespace(shape=(1, 20, 1 << 16, 1 << 15))
    assert cublas.block_products(values, X, None) is False
    assert not blas.calls


def test_bindings_that_are_missing_are_no_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy_backends.cuda.libs.cublas", None)
    cublas._bindings.cache_clear()
    try:
        assert cublas._bindings() is None
    finally:
        cublas._bindings.cache_clear()


# ---------------------------------------------------------------- plans


def _patterns(values):
    return tuple(Pattern(a, b, c, d) for a, d, b, c in (V.shape for V in values))


@given(
    L=st.integers(1, 30),
    outer=st.integers(1, 9),
    depth=st.integers(1, 40),
    k=st.integers(1, 300),
    dtype=st.sampled_from(DTYPES),
    down=st.booleans(),
)
def test_a_plan_has_every_factor_once_and_in_order(L, outer, depth, k, dtype, down):
    up = [Pattern(outer << i, 2, 2, depth << (L - 1 - i)) for i in range(L - 1, -1, -1)]
    run = tuple(transpose(p) for p in up[::-1]) if down else tuple(up)
    plan = gpu.passes(run, (down,) * L, k, dtype)
    assert [i for step in plan for i in step.factors] == list(range(L))
    size = np.dtype(dtype).itemsize
    elements = (outer * depth << L) * k
    for step in plan:
        instance = gpu.INSTANCES[step.kernel, dtype, step.size]
        assert step.down == down or L == 1
        assert len(instance.signature) == 2 + (10 if step.size else 12) + len(step.numbers)
        if step.kernel == "butterfly_rows":
            count, rows, stages, inner, columns, downwards = step.numbers
            assert (count, columns, downwards) == (elements, k, step.down)
            assert 0 < rows * (inner << stages) * size <= gpu.CHUNK
            assert step.grid == -(-elements // (rows * (inner << stages)))
            assert inner % k == 0
        else:
            lanes, inner, columns, deep = step.numbers
            stages, vector, _ = step.size
            assert stages == len(step.factors)
            assert lanes * vector << stages == elements
            assert (inner, columns) == (deep * k, k)
            assert k % vector == 0
            assert inner * size >= gpu.SECTOR
            assert step.grid == -(-lanes // gpu._tile(dtype, stages, vector).lanes)


def test_wide_butterflies_take_one_pass_up_to_ten_bits():
    for L in range(1, 11):
        plan = gpu.passes(dyadic(1 << L)[::-1], (False,) * L, 1 << 12, "float32")
        assert [step.size for step in plan] == [(L, 4, False)]
    assert len(gpu.passes(dyadic(1 << 14)[::-1], (False,) * 14, 1 << 13, "float64")) == 2
    assert len(gpu.passes(dyadic(1 << 20)[::-1], (False,) * 20, 1, "float32")) == 2


@pytest.mark.parametrize("several", sorted(set(gpu.STAGES.values())))
def test_bits_are_split_into_the_fewest_passes(several):
    for L in range(40):
        parts = gpu._parts_of(L, several)
        assert sum(parts) == L
        assert set(parts) <= set(several)
        assert len(parts) <= -(-L // max(several)) + 1


def test_tiles_fit_a_multiprocessor():
    for kernel, dtype, size in gpu.INSTANCES:
        if kernel == "butterfly_columns":
            tile = gpu._tile(dtype, *size[:2])
            assert tile.threads % 32 == 0
            assert tile.shared <= 64 * 1024


def test_the_cost_counts_multiply_adds_and_bytes():
    patterns = (Pattern(2, 3, 4, 5), Pattern(1, 6, 6, 5))
    flops, nbytes = gpu.cost(patterns, 7, 8)
    assert flops == 7 * (2 * 3 * 4 * 5 + 6 * 6 * 5)
    assert nbytes == 8 * (120 + 180 + 7 * (40 + 30))
    assert gpu.cost((patterns[0], None), 7, 8, complex_numbers=True)[0] == 4 * 7 * 120


# ---------------------------------------------------------------- what a card runs


def test_the_cases_of_a_card_launch_every_instance():
    chains = pytest.importorskip("gpu_run_support") and _stages().chains
    for cases in (chains.cases(0, 80 << 30), chains.smallest(0)):
        reached = {
            (step.kernel, case.dtype, step.size)
            for case in cases
            if case.k
            for step in gpu.passes(
                case.patterns, (case.flipped,) * len(case.patterns), case.k, case.dtype
            )
        }
        assert set(gpu.INSTANCES) <= reached


def _stages():
    import gpu_stages.chain_peers
    import gpu_stages.chains

    return gpu_stages


def test_small_cases_of_a_card_pass_on_the_emulator(emulated):
    pytest.importorskip("gpu_run_support")
    chains = _stages().chains
    found = [c for c in chains.cases(7, 1 << 30) if c.patterns[0].shape[1] * c.k <= 600]
    assert len(found) > 100
    for case in found[::5]:
        verdict = case.judged(emulated)
        assert verdict["ok"], (str(case), verdict)


def test_the_peers_multiply_by_the_same_chain(rng):
    pytest.importorskip("gpu_run_support")
    peers = _stages().chain_peers
    X = rng.standard_normal((24, 5))
    values = [rng.standard_normal(V.shape) for V in run_of(rng, 3, 3, 1, "float64")]
    expected = by_definition(values, X)
    np.testing.assert_allclose(peers.permuted(values, X), expected, atol=1e-12)
    np.testing.assert_allclose(peers.stages(np, values, X), expected, atol=1e-12)


def test_numbers_that_no_kernel_knows(emulated, rng):
    """Whole numbers and half precision: products of stacks, in their own type."""
    for dtype in ("int64", "float16"):
        values = run_of(rng, 1, 3, 1, dtype)
        compare(emulated, values, integers(rng, (8, 5), dtype, -3, 3))
