"""The loader and the launcher: what they refuse, and what a kernel is handed."""

import sys
import threading

import fake_cupy
import numpy as np
import pytest
from gpu import emulator

import structmat as sm
from structmat._backend import gpu
from structmat._backend.arrays import require_cupy

KERNELS = {
    "kernels.cu": """// y = a x + b, the bytes of the numbers, and a grid of three dimensions.
#include "port.cuh"

template <typename T>
SM_KERNEL(64, 1) affine(const T* x, T* y, i64 n, T a, T b) {
    const i64 i = i64(blockIdx.x) * 64 + threadIdx.x;
    if (i < n) y[i] = a * x[i] + b;
}

template <typename T>
SM_KERNEL(32, 1) numbers(T* out, i32 a, i64 b, u32 c, u64 d, float e, double f) {
    if (threadIdx.x == 0) out[0] = a, out[1] = b, out[2] = c, out[3] = d, out[4] = e, out[5] = f;
}

template <typename T>
SM_KERNEL(32, 1) grids(T* out) {
    const i64 block = blockIdx.x + i64(gridDim.x) * (blockIdx.y + i64(gridDim.y) * blockIdx.z);
    if (threadIdx.x == 0) out[block] = T(block);
}

template <typename T>
SM_KERNEL(64, 1) half(T* out, i64 n) {  // leaves the other half as it is
    const i64 i = i64(blockIdx.x) * 64 + threadIdx.x;
    if (i < n / 2) out[i] = 1;
}
"""
}


def instance(name, *signature, threads=32, shared=0, registers=32):
    return gpu.Instance("room", "kernels.cu", name, signature, threads, shared, registers)


AFFINE = instance("affine<float>", "const float*", "out float*", "i64", "f32", "f32", threads=64)
WIDE = instance("affine<double>", "const double*", "out double*", "i64", "f64", "f64", threads=64)
NUMBERS = instance("numbers<double>", "out double*", "i32", "i64", "u32", "u64", "f32", "f64")
GRIDS = instance("grids<i32>", "out i32*")


@pytest.fixture(autouse=True)
def room(monkeypatch):
    """A package `room` that has one source."""
    read = gpu._read
    monkeypatch.setattr(
        gpu,
        "_read",
        lambda package, name: KERNELS[name] if package == "room" else read(package, name),
    )
    gpu._assembled.cache_clear()
    yield
    gpu._assembled.cache_clear()


# ---------------------------------------------------------------- what arrives


@pytest.mark.parametrize(("kernel", "dtype"), [(AFFINE, np.float32), (WIDE, np.float64)])
def test_a_launch_runs_the_kernel(emulated, kernel, dtype):
    x = np.arange(100, dtype=dtype)
    y = emulated.empty(100, dtype)
    gpu.launch(kernel, 2, (emulated.asarray(x), y, 100, 3, np.float64(0.5)))
    np.testing.assert_array_equal(y.get(), 3 * x + dtype(0.5))


def test_numbers_arrive_in_their_declared_types(emulated):
    out = emulated.empty(6, np.float64)
    sent = (-(2**31), -(2**63), 2**32 - 1, 2**63, 0.1, 0.1)
    gpu.launch(NUMBERS, (1,), (out, *sent))
    expected = [*map(float, sent[:4]), float(np.float32(0.1)), 0.1]
    np.testing.assert_array_equal(out.get(), expected)


def test_integers_of_numpy_are_numbers_too(emulated):
    out = emulated.empty(6, np.float64)
    gpu.launch(
        NUMBERS, 1, (out, np.int8(-1), np.uint8(2), np.int64(3), np.int32(4), 5, np.int64(6))
    )
    np.testing.assert_array_equal(out.get(), [-1, 2, 3, 4, 5, 6])


def test_infinities_and_nans_pass(emulated):
    out = emulated.empty(6, np.float64)
    gpu.launch(NUMBERS, 1, (out, 0, 0, 0, 0, float("inf"), float("nan")))
    np.testing.assert_array_equal(out.get()[4:], [np.inf, np.nan])


@pytest.mark.parametrize("grid", [24, (24,), (2, 12), (2, 3, 4), (np.int64(4), 6, 1)])
def test_grids_of_one_to_three_dimensions(emulated, grid):
    out = emulated.empty(24, np.int32)
    gpu.launch(GRIDS, grid, (out,))
    np.testing.assert_array_equal(out.get(), np.arange(24))


@pytest.mark.parametrize("grid", [0, (0,), (3, 0), (2, 2, 0)])
def test_an_empty_grid_compiles_and_launches_nothing(emulated, grid, monkeypatch):
    monkeypatch.setattr(emulated, "RawModule", None)
    gpu.launch(GRIDS, grid, (emulated.empty(0, np.int32),))


# ---------------------------------------------------------------- refusals


def arguments(cp, **changed):
    """Good arguments for AFFINE, and what is changed of them."""
    args = {"x": cp.ones(8, np.float32), "y": cp.ones(8, np.float32), "n": 8, "a": 1.0, "b": 0.0}
    return tuple({**args, **changed}.values())


@pytest.mark.parametrize(
    ("changed", "error", "match"),
    [
        (
            {"x": np.ones(8, np.float32)},
            TypeError,
            r"argument 0 \(const float\*\) needs a CuPy array",
        ),
        ({"x": 1.0}, TypeError, "needs a CuPy array; got float"),
        ({"y": None}, TypeError, r"argument 1 \(out float\*\) needs a CuPy array; got NoneType"),
        ({"n": 8.0}, TypeError, r"argument 2 \(i64\) needs a number; got float"),
        ({"n": True}, TypeError, "needs a number; got bool"),
        ({"n": "8"}, TypeError, "needs a number; got str"),
        ({"n": None}, TypeError, "needs a number; got NoneType"),
        ({"n": 2**63}, OverflowError, "got 9223372036854775808"),
        ({"a": 1e39}, OverflowError, r"argument 3 \(f32\) got 1e\+39"),
        ({"a": 1j}, TypeError, "needs a number; got complex"),
        ({"a": np.complex64(1)}, TypeError, "needs a number; got complex64"),
        ({"a": np.ones(1)}, TypeError, "needs a number; got ndarray"),
        ({"c": 1}, TypeError, r"affine<float> takes 5 arguments; got 6"),
    ],
)
def test_wrong_arguments_are_refused(emulated, changed, error, match):
    with pytest.raises(error, match=match):
        gpu.launch(AFFINE, 1, arguments(emulated, **changed))


@pytest.mark.parametrize(
    ("view", "error", "match"),
    [
        (lambda x: x.astype(np.float64), TypeError, "got dtype float64"),
        (lambda x: x.view(np.int32), TypeError, "got dtype int32"),
        (lambda x: x[::2], ValueError, "is not C-contiguous; a kernel sees no strides"),
        (lambda x: x.reshape(4, 4).T, ValueError, "is not C-contiguous"),
        (lambda x: x[1:], ValueError, "is not aligned to 16 bytes"),
    ],
)
def test_wrong_arrays_are_refused(emulated, view, error, match):
    x = view(emulated.ones(16, np.float32))
    with pytest.raises(error, match=match):
        gpu.launch(AFFINE, 1, arguments(emulated, x=x))


def test_an_array_of_another_device_is_refused(emulated, monkeypatch):
    args = arguments(emulated)
    monkeypatch.setattr(emulated.cuda.runtime, "getDevice", lambda: 1)
    with pytest.raises(ValueError, match="is on device 0, the current one is 1"):
        gpu.launch(AFFINE, 1, args)


@pytest.mark.parametrize("value", [-(2**31) - 1, 2**31])
def test_a_number_beyond_32_bits_is_refused(emulated, value):
    args = (emulated.empty(6, np.float64), value, 0, 0, 0, 0, 0)
    with pytest.raises(OverflowError, match=rf"argument 1 \(i32\) got {value}"):
        gpu.launch(NUMBERS, 1, args)


def test_a_negative_number_for_an_unsigned_one_is_refused(emulated):
    with pytest.raises(OverflowError, match=r"argument 3 \(u32\) got -1"):
        gpu.launch(NUMBERS, 1, (emulated.empty(6, np.float64), 0, 0, -1, 0, 0, 0))


@pytest.mark.parametrize("grid", [-1, 2**31, (1, 65536), (1, 1, 65536), (1, 1, 1, 1), (1, -1)])
def test_a_grid_beyond_the_limits_is_refused(emulated, grid):
    with pytest.raises(ValueError, match="limits are|three dimensions"):
        gpu.launch(GRIDS, grid, (emulated.empty(24, np.int32),))


def test_a_grid_of_floats_is_refused(emulated):
    with pytest.raises(TypeError, match="float"):
        gpu.launch(GRIDS, 24.0, (emulated.empty(24, np.int32),))


def test_wrong_arguments_are_refused_for_an_empty_grid_too(emulated):
    with pytest.raises(TypeError, match="takes 1 arguments"):
        gpu.launch(GRIDS, 0, ())


# ---------------------------------------------------------------- declarations


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"signature": ("float",)}, "unknown kernel argument 'float'"),
        ({"signature": ("const i64",)}, "unknown kernel argument 'const i64'"),
        ({"signature": ("inout float*",)}, "unknown kernel argument 'inout float"),
        ({"threads": 48}, "48 threads; a block has whole warps of 32"),
        ({"threads": 0}, "0 threads"),
        ({"threads": 1056}, "at most 1024 threads"),
        ({"shared": -1}, "-1 bytes of shared memory"),
        ({"shared": 227 * 1024 + 1}, "a block has 232448"),
        ({"registers": 256}, "a thread has 255"),
        ({"registers": 0}, "0 registers"),
        ({"threads": 1024, "registers": 65}, "a multiprocessor 65536"),
    ],
)
def test_an_impossible_instance_is_refused(changed, match):
    good = {"signature": ("float*",), "threads": 32, "shared": 0, "registers": 32}
    with pytest.raises(ValueError, match=match):
        gpu.Instance("room", "kernels.cu", "f", **{**good, **changed})


@pytest.mark.parametrize(("text", "count"), [("", 0), ('#include "port.cuh"\n' * 2, 2)])
def test_a_source_includes_the_port_once(text, count):
    with pytest.raises(ValueError, match=f"room/k.cu has {count} lines"):
        gpu.with_port(text, "room/k.cu")


def test_the_text_is_the_port_and_the_source_with_their_lines():
    text = gpu.source_of(AFFINE).split("\n")
    assert text[0] == '#line 1 "room/kernels.cu"'
    assert '#line 1 "structmat/_backend/port.cuh"' in text
    after = text.index('#line 3 "room/kernels.cu"')
    assert text[after + 1 :] == KERNELS["kernels.cu"].split("\n")[2:]


def test_the_digest_changes_with_the_source_and_with_the_port(monkeypatch):
    digests = {gpu.digest(AFFINE)}
    for package, name in (("room", "kernels.cu"), ("structmat._backend", "port.cuh")):
        read = gpu._read
        monkeypatch.setattr(
            gpu,
            "_read",
            lambda p, n, hit=(package, name), read=read: read(p, n) + "//" * ((p, n) == hit),
        )
        gpu._assembled.cache_clear()
        digests.add(gpu.digest(AFFINE))
    assert len(digests) == 3
    assert all(len(digest) == 64 for digest in digests)


def test_every_room_of_the_package_is_found():
    found = gpu.instances()
    assert len(set(found)) == len(found) > 0
    for each in found:
        assert f"{each.package}.gpu" in sys.modules
        assert "port.cuh" in gpu.source_of(each)


# ---------------------------------------------------------------- compiling


def test_an_instance_compiles_once_for_a_device(emulated, monkeypatch):
    built = []
    module = emulated.RawModule

    def counted(**arguments):
        built.append(arguments["name_expressions"])
        return module(**arguments)

    monkeypatch.setattr(emulated, "RawModule", counted)
    threads = [threading.Thread(target=gpu.prepare, args=(AFFINE,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gpu.launch(AFFINE, 1, arguments(emulated))
    assert built == [("affine<float>",)]
    monkeypatch.setattr(emulated.cuda.runtime, "getDevice", lambda: 1)
    assert gpu.prepare(AFFINE) is gpu.prepare(AFFINE)
    assert built == [("affine<float>",)] * 2


def test_the_compiler_is_handed_the_text_and_the_name(emulated, monkeypatch):
    handed = {}
    module = emulated.RawModule
    monkeypatch.setattr(
        emulated, "RawModule", lambda **arguments: handed.update(arguments) or module(**arguments)
    )
    gpu.prepare(AFFINE)
    assert handed["code"] == gpu.source_of(AFFINE)
    assert handed["options"] == ("--std=c++17",)


def test_a_source_that_does_not_compile_is_tried_again(emulated, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setitem(KERNELS, "kernels.cu", '#include "port.cuh"\nnonsense\n')
        gpu._assembled.cache_clear()
        with pytest.raises(emulator.CompileError, match=r"room/kernels\.cu:2"):
            gpu.prepare(AFFINE)
    gpu._assembled.cache_clear()
    gpu.launch(AFFINE, 1, arguments(emulated))


def test_shared_memory_above_48_kib_is_asked_for(emulated):
    large = instance("grids<i32>", "out i32*", shared=100 * 1024)
    gpu.launch(large, 24, (emulated.empty(24, np.int32),))
    assert gpu.prepare(large).max_dynamic_shared_size_bytes == 100 * 1024
    assert gpu.prepare(GRIDS).max_dynamic_shared_size_bytes == 48 * 1024


def test_a_device_with_too_little_shared_memory_says_so(emulated, monkeypatch):
    small = {"MaxSharedMemoryPerBlockOptin": 99 * 1024}
    monkeypatch.setattr(
        emulated.cuda, "Device", lambda i: type("Device", (), {"attributes": small})
    )
    large = instance("grids<i32>", "out i32*", shared=100 * 1024)
    with pytest.raises(RuntimeError, match="needs 102400 bytes of shared memory.*has 101376"):
        gpu.launch(large, 24, (emulated.empty(24, np.int32),))


# ---------------------------------------------------------------- STRUCTMAT_GPU_CHECK


@pytest.mark.parametrize(
    ("value", "checked"), [("1", True), ("0", False), ("", False), (None, False)]
)
def test_what_a_kernel_does_not_write_shows(emulated, monkeypatch, value, checked):
    waited = []
    monkeypatch.setattr(emulated.cuda.runtime, "deviceSynchronize", lambda: waited.append(True))
    if value is None:
        monkeypatch.delenv("STRUCTMAT_GPU_CHECK", raising=False)
    else:
        monkeypatch.setenv("STRUCTMAT_GPU_CHECK", value)
    for dtype, name in (("out float*", "float"), ("out i64*", "i64"), ("float*", "float")):
        out = emulated.zeros((2, 4), np.int64 if name == "i64" else np.float32)
        gpu.launch(instance(f"half<{name}>", dtype, "i64", threads=64), 1, (out, 8))
        untouched = out.get().reshape(-1)[4:]
        poisoned = checked and dtype.startswith("out")
        expected = 0 if not poisoned else -1 if name == "i64" else np.nan
        np.testing.assert_array_equal(untouched, np.full(4, expected))
        np.testing.assert_array_equal(out.get().reshape(-1)[:4], 1)
    assert bool(waited) == checked


# ---------------------------------------------------------------- no CuPy, no device


def test_without_cupy_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    for call in (require_cupy, lambda: gpu.prepare(AFFINE), lambda: gpu.launch(AFFINE, 1, ())):
        with pytest.raises(
            ImportError, match=r"the GPU needs CuPy: pip install 'structmat\[cuda13\]'"
        ):
            call()


def test_without_a_device_the_driver_is_named(monkeypatch):
    cupy = fake_cupy.install(monkeypatch)
    monkeypatch.setattr(cupy.cuda, "is_available", lambda: False)
    for call in (
        require_cupy,
        lambda: gpu.launch(AFFINE, 1, ()),
        lambda: sm.Diagonal([1.0]).to_device("cuda"),
    ):
        with pytest.raises(RuntimeError, match="no CUDA device answers; CuPy is installed"):
            call()
