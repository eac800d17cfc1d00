"""The Walsh-Hadamard kernels against the definition, and the plans for what no test can hold."""

import functools
import inspect
import math
import re

import numpy as np
import pytest
from gpu import nvrtc
from gpu.kernel_cases.fwht import by_definition, integers, run
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import hadamard

from structmat._backend import gpu as backend
from structmat.transforms import cpu, gpu, walsh

DTYPES = ("float32", "float64", "int64")
REACH = {"float32": 15, "float64": 14, "int64": 14}  # log2 of the longest row of one pass
SHARED = (64 * 1024, 99 * 1024, 163 * 1024, 227 * 1024)  # of a block on sm_75, 86, 80, 90


@pytest.fixture
def rng():
    return np.random.default_rng(20240301)


# ---------------------------------------------------------------- results


@pytest.mark.parametrize("n", [1, 2, 8, 256, 512])
def test_the_reference_is_the_hadamard_matrix(n):
    x = np.eye(n, dtype=np.int64)[None]
    np.testing.assert_array_equal(by_definition(x)[0], hadamard(n))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bits", range(1, 16))
def test_rows_of_every_length(emulated, rng, dtype, bits):
    x = integers(rng, (3 if bits < 13 else 1, 2**bits, 1), dtype)
    expected = by_definition(x, 2)
    np.testing.assert_array_equal(run(emulated, x, 2), expected)
    np.testing.assert_array_equal(run(emulated, x, 2, in_place=True), expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("inner", [1, 3, 31, 32, 33, 64])
@pytest.mark.parametrize("bits", range(1, 10))
def test_columns_of_every_height(emulated, rng, dtype, inner, bits):
    """By the column kernels alone, also where the library would take the rows."""
    for outer in (1, 3):
        x = integers(rng, (outer, 2**bits, inner), dtype)
        given = emulated.asarray(x.copy())
        out = emulated.asarray(np.full_like(x, -12345))
        kernel, size, grid, numbers = gpu._columns(x.size, 2**bits, inner, x.itemsize)
        for target in (out, given):
            instance = gpu.INSTANCES[kernel, dtype, size]
            backend.launch(instance, grid, (given, target, *numbers, 2))
            np.testing.assert_array_equal(target.get(), by_definition(x, 2))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "shape",
    [
        (5, 2, 1),  # no whole packet of floats at the end
        (2, 8, 2),  # complex rows
        (1, 4096, 4),
        (3, 64, 16),
        (1, 1024, 32),  # one pass of rows in place of two down the columns
        (2, 1024, 3),
        (1, 2**11, 48),
        (1, 2**16, 1),
        (1, 2**15, 2),
    ],
    ids=str,
)
def test_inner_dimensions_and_several_passes(emulated, rng, dtype, shape):
    x = rng.integers(-9, 10, shape).astype(dtype)
    expected = by_definition(x)
    np.testing.assert_array_equal(run(emulated, x), expected)
    np.testing.assert_array_equal(run(emulated, x, in_place=True), expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_three_passes(emulated, rng, dtype, monkeypatch):
    """As for 2^25 and above, with tiles of 4 rows on a GPU of little shared memory."""
    plan = functools.partial(gpu.passes.__wrapped__, shared=SHARED[0])
    monkeypatch.setattr(gpu, "passes", lambda *shape_and_limit: plan(*shape_and_limit[:4]))
    monkeypatch.setattr(gpu, "_TALLEST", 2)
    x = rng.integers(-9, 10, (2, 2**16, 1)).astype(dtype)
    assert len(gpu.passes(*x.shape, x.itemsize, SHARED[0])) == 3
    np.testing.assert_array_equal(run(emulated, x, 8), by_definition(x, 8))


@pytest.mark.parametrize(
    "shape", [(3, 2**12, 1), (1, 2**15, 1), (2, 2**9, 5), (1, 2**16, 1)], ids=str
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rounding(emulated, rng, dtype, shape):
    """Each of the log2 n additions on the way to an output has an error of eps/2 of its size."""
    x = rng.standard_normal(shape).astype(dtype)
    scale = 1 / math.sqrt(shape[1])
    error = np.abs(run(emulated, x, scale) - by_definition(x, scale))
    size = scale * np.abs(x.astype(np.float64)).sum(axis=1, keepdims=True)
    assert (error / size).max() < (math.log2(shape[1]) + 2) * np.finfo(dtype).eps / 2
    assert np.linalg.norm(error) < 5 * np.finfo(dtype).eps * np.linalg.norm(x)


def test_integers_beyond_the_53_bits_of_a_double(emulated, rng):
    x = rng.integers(-(2**51), 2**51, (2, 2**11, 1)) | 1
    expected = by_definition(x)
    assert (expected.astype(np.float64).astype(np.int64) != expected).any()
    np.testing.assert_array_equal(run(emulated, x), expected)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize(("shape", "hit"), [((9, 64, 1), 3), ((2, 4, 40), 50), ((3, 2**12, 1), 1)])
def test_a_bad_value_spoils_its_own_column_only(emulated, rng, shape, hit, bad):
    """Rows share a block and tiles have empty rows; neither may pass anything on."""
    outer, n, inner = shape
    x = integers(rng, shape, "float32")
    x[hit // inner, n // 2, hit % inner] = bad
    with np.errstate(invalid="ignore"):
        y = run(emulated, x)
    spoiled = ~np.isfinite(y).all(axis=1).reshape(-1)
    assert not np.isfinite(y[hit // inner, :, hit % inner]).any()
    np.testing.assert_array_equal(np.flatnonzero(spoiled), [hit])


@pytest.mark.parametrize("which", ["x", "out", "both", "in place"])
@pytest.mark.parametrize(("dtype", "shape"), [("float32", (3, 32, 1)), ("float64", (2, 8, 33))])
def test_arrays_off_the_packet_grid(emulated, rng, dtype, shape, which):
    x = integers(rng, shape, dtype)
    buffers = [emulated.asarray(np.full(x.size + 4, 7, dtype)) for _ in range(2)]
    starts = [1 if which in (name, "both", "in place") else 0 for name in ("x", "out")]
    source, out = (buffer[k : k + x.size] for buffer, k in zip(buffers, starts))
    assert [view.data.ptr % 16 != 0 for view in (source, out)] == [k == 1 for k in starts]
    source[:] = emulated.asarray(x.reshape(-1))
    target = source if which == "in place" else out
    gpu.fwht(source, target, *shape, 2.0)
    np.testing.assert_array_equal(target.get().reshape(shape), by_definition(x, 2))
    if which != "in place":
        np.testing.assert_array_equal(source.get().reshape(shape), x)
    for buffer, k in zip(buffers, starts):
        assert (buffer.get()[[*range(k), *range(x.size + k, x.size + 4)]] == 7).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_transforms_of_length_one_scale(emulated, dtype):
    x = np.arange(12).reshape(4, 1, 3).astype(dtype)
    np.testing.assert_array_equal(run(emulated, x, 3), 3 * x)
    np.testing.assert_array_equal(run(emulated, x, 3, in_place=True), 3 * x)
    np.testing.assert_array_equal(run(emulated, x), x)
    np.testing.assert_array_equal(run(emulated, x, in_place=True), x)


@pytest.mark.parametrize("shape", [(0, 8, 3), (3, 8, 0), (0, 1, 1)])
def test_nothing_to_transform(emulated, shape):
    assert run(emulated, np.ones(shape)).shape == shape


def test_an_integer_transform_takes_no_fractional_scale(emulated):
    x = emulated.asarray(np.ones(8, np.int64))
    with pytest.raises(TypeError, match="i64"):
        gpu.fwht(x, x, 1, 8, 1, 0.5)


@pytest.mark.parametrize("dtype", [*DTYPES, "complex64", "complex128"])
@pytest.mark.parametrize(("shape", "axis"), [((3, 64), 1), ((64, 5), 0), ((2, 2**10, 4), 1)])
def test_the_public_function_agrees_with_the_cpu(emulated, rng, dtype, shape, axis):
    x = integers(rng, shape, "float64") + (1j * integers(rng, shape, "float64"))
    x = (x if dtype.startswith("complex") else x.real).astype(dtype)
    y = walsh.fwht(emulated.asarray(x), axis=axis, order="sequency")
    assert isinstance(y, emulated.ndarray)
    np.testing.assert_array_equal(y.get(), walsh.fwht(x, axis=axis, order="sequency"))


def test_cpu_and_gpu_have_one_signature():
    assert inspect.signature(gpu.fwht) == inspect.signature(cpu.fwht)


# ---------------------------------------------------------------- plans


def strides(step):
    """The strides at which a pass has butterflies."""
    if step.kernel == "fwht_columns":
        _, inner, n = step.numbers
        return [inner << k for k in range(n.bit_length() - 1)]
    return [1 << k for k in range(step.numbers[1].bit_length()) if step.numbers[1] >> k & 1]


def check_plan(outer, n, inner, dtype, shared):
    count, itemsize = outer * n * inner, np.dtype(dtype).itemsize
    plan = gpu.passes(outer, n, inner, itemsize, shared)
    expected = [inner << k for k in range(n.bit_length() - 1)] if count else []
    assert sorted(stride for step in plan for stride in strides(step)) == expected
    for step in plan:
        instance = gpu.INSTANCES[step.kernel, dtype, step.size]
        assert instance.shared <= shared
        limits = {"i32": 2**31, "u32": 2**32, "i64": 2**63}
        for number, kind in zip(step.numbers, instance.signature[2:-1], strict=True):
            assert 0 < number < limits[kind]
        assert 0 < step.grid < 2**31
        if step.kernel == "fwht_rows":
            elements, bits = step.numbers
            assert elements == count
            assert count * itemsize % 16 == 0
            assert bits < 1 << step.size
            assert count % (1 << bits.bit_length()) == 0  # whole rows in every chunk
            assert (step.grid - 1) << step.size < count <= step.grid << step.size
        else:
            columns, stride, rows = step.numbers
            width = instance.threads if not instance.shared else 128 // itemsize
            assert columns * rows == count
            assert count % (rows * stride) == 0
            assert rows <= 1 << step.size
            assert (step.grid - 1) * width < columns <= step.grid * width
    return plan


@given(
    outer=st.integers(0, 2000),
    bits=st.integers(0, 22),
    inner=st.integers(0, 2000) | st.sampled_from([2**k for k in range(12)]),
    dtype=st.sampled_from(DTYPES),
    shared=st.sampled_from(SHARED),
)
def test_every_bit_is_done_once(outer, bits, inner, dtype, shared):
    check_plan(outer, 2**bits, inner, dtype, shared)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shared", SHARED)
@pytest.mark.parametrize(
    "shape",
    [
        (2**30, 2, 1),
        (2**30 + 1, 2, 1),
        (2**30, 2**4, 1),
        (2**19, 2**13, 1),
        (1, 2**30, 1),
        (1, 2**36, 1),
        (3, 2**30, 3),
        (1, 2**31, 8),
        (3, 2, 10**10),
        (2, 2**3, 2**31),
        (2**31, 2**3, 3),
    ],
    ids=str,
)
def test_arrays_beyond_32_bits(shape, dtype, shared):
    assert math.prod(shape) >= 2**31 or shape[1] == 2**30
    check_plan(*shape, dtype, shared)


@pytest.mark.parametrize("dtype", DTYPES)
def test_number_of_passes(dtype):
    itemsize, reach = np.dtype(dtype).itemsize, REACH[dtype]
    rows = [len(gpu.passes(64, 2**k, 1, itemsize)) for k in range(31)]
    assert rows == [0] + [1] * reach + [2] * 9 + [3] * min(9, 30 - reach - 9) + [4] * max(
        0, 12 - reach
    )
    columns = [len(gpu.passes(1, 2**k, 100, itemsize)) for k in range(31)]
    assert columns == [math.ceil(k / 9) for k in range(31)]


def test_cost():
    assert gpu.cost(2, 8, 3, 4) == (2 * 8 * 3 * 3, 2 * 4 * 2 * 8 * 3)
    assert gpu.cost(5, 1, 3, 8) == (0, 2 * 8 * 15)


# ---------------------------------------------------------------- what the compiler makes of it


ROWS = [instance for (kernel, *_), instance in gpu.INSTANCES.items() if kernel == "fwht_rows"]


@pytest.mark.parametrize("instance", ROWS, ids=lambda instance: instance.name)
def test_rows_move_packets_and_nothing_lives_in_local_memory(instance, monkeypatch):
    if nvrtc.load() is None:
        pytest.skip("needs NVRTC: pip install nvidia-cuda-nvrtc (Linux)")
    seen = []
    use = nvrtc._use
    monkeypatch.setattr(nvrtc, "_use", lambda log, ptx, *_: seen.append(ptx) or use(log, ptx, *_))
    nvrtc.compile(backend.source_of(instance), instance.name, "sm_90")
    (ptx,) = seen
    # Vectors of four words or of two double words: 16 bytes either way.
    vector = r"\.v4\.[fbu]32" if "float" in instance.name else r"\.v2\.[fbsu]64"
    loads = re.findall(r"ld\.global(\S*)", ptx)
    assert loads
    assert all(re.fullmatch(vector, load) for load in loads), loads
    assert re.search(r"st\.global" + vector, ptx)
    assert ".local" not in ptx
