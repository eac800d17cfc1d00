"""The emulator: what it must compute, and what it must catch."""

import numpy as np
import pytest
from gpu.emulated import mutants
from gpu.emulator import CompileError, KernelError, Module
from gpu.kernels import source
from scipy.linalg import hadamard

from structmat._backend import gpu

pytestmark = pytest.mark.usefixtures("compiler")
FLOAT, DOUBLE = "transform<float, 64>", "transform<double, 256>"


def transform(code, name=FLOAT, log_n=8, rows=2):
    """The transform of random rows, and what it should be."""
    rng = np.random.default_rng(1)
    dtype = np.float32 if "float" in name else np.float64
    x = rng.integers(-9, 9, (rows, 2**log_n)).astype(dtype)
    y = x.copy()
    shared = dtype().itemsize << log_n
    threads = int(name.split(",")[1][:-1])
    kernel = Module(code, (name,)).kernel(name)
    kernel((rows,), (threads,), (y, np.int32(log_n), dtype(1)), shared_mem=shared)
    return y, x @ hadamard(2**log_n)


def small(body, arguments="float* x", name="f", **shape):
    """Run the body of a kernel of 32 threads on x = zeros(64); the array."""
    code = gpu.with_port(
        f'#include "port.cuh"\nSM_KERNEL(32, 1) f({arguments}) {{ {body} }}', "small.cu"
    )
    x = np.zeros(64, np.float32)
    Module(code, (name,)).kernel(name)((1,), (32,), (x,), **shape)
    return x


# ---------------------------------------------------------------- what it computes


@pytest.mark.parametrize("log_n", [0, 1, 5, 8, 9])
@pytest.mark.parametrize("name", [FLOAT, DOUBLE])
def test_shared_memory_and_barriers(name, log_n):
    y, expected = transform(source("transform"), name, log_n)
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("n", [1, 3, 1000, 100_003])
def test_packets_shuffles_and_atomics(n):
    name = "sum_of_squares<256>"
    x = np.random.default_rng(n).integers(-3, 4, n).astype(np.float32)
    out = np.zeros(1, np.float32)
    kernel = Module(source("warps"), (name,)).kernel(name)
    kernel((4,), (256,), (x, np.int64(n), out), shared_mem=32)
    assert out[0] == (x**2).sum()


def test_prefix_sums_within_warps():
    x = np.random.default_rng(0).integers(-9, 9, 96).astype(np.int32)
    y = np.zeros_like(x)
    Module(source("warps"), ("prefix_sums<i32>",)).kernel("prefix_sums<i32>")((3,), (32,), (x, y))
    np.testing.assert_array_equal(y.reshape(3, 32), np.cumsum(x.reshape(3, 32), 1))


def test_votes():
    x = np.random.default_rng(0).integers(-9, 9, 96).astype(np.int32)
    masks, counts = np.zeros(3, np.uint32), np.zeros(2, np.int32)
    Module(source("warps"), ("votes<96>",)).kernel("votes<96>")((1,), (96,), (x, masks, counts))
    positive = (x > 0).reshape(3, 32)
    assert [int(mask).bit_count() for mask in masks] == list(positive.sum(1))
    assert list(counts) == [positive.sum(), positive[0].sum()]


@pytest.mark.parametrize("T", ["float", "double"])
def test_arithmetic_has_the_precision_of_its_type(T):
    dtype = np.dtype(T if T == "double" else "float32").type
    code = gpu.with_port(
        '#include "port.cuh"\ntemplate <typename T> SM_KERNEL(32, 1) f(T* x, T a) { '
        "if (threadIdx.x == 0) x[0] = sqrt(a), x[1] = exp(a), x[2] = log(a), x[3] = sin(a), "
        "x[4] = cos(a), x[5] = fabs(-a), x[6] = floor(a), x[7] = ceil(a), x[8] = expm1(a), "
        "x[9] = log1p(a), x[10] = fma(a, a, a), x[11] = rsqrt(a), x[12] = isnan(a), "
        "x[13] = min(a, T(1)), x[14] = max(a, T(1)); }",
        "small.cu",
    )
    if T == "float":
        code = code.replace("rsqrt", "rsqrtf")
    x, a = np.zeros(15, dtype), dtype(1.7)
    Module(code, (f"f<{T}>",)).kernel(f"f<{T}>")((1,), (32,), (x, a))
    functions = "sqrt exp log sin cos abs floor ceil expm1 log1p".split()
    expected = [getattr(np, name)(a) for name in functions]
    expected += [a * a + a, 1 / np.sqrt(a), 0, 1, a]
    np.testing.assert_allclose(x, np.array(expected, dtype), rtol=2 * np.finfo(dtype).eps)


def test_a_view_keeps_its_place_in_its_array():
    x = np.ones((4, 8), np.float32)
    kernel = Module(source("transform"), (FLOAT,)).kernel(FLOAT)
    kernel((2,), (64,), (x[1:3], np.int32(3), np.float32(1)), shared_mem=32)
    np.testing.assert_array_equal(x[:, 0], [1, 8, 8, 1])
    np.testing.assert_array_equal(x[1:3, 1:], 0)
    np.testing.assert_array_equal(x[[0, 3]], 1)


def test_two_views_of_one_array_are_the_same_memory():
    x = np.arange(8, dtype=np.float32)
    code = gpu.with_port(
        '#include "port.cuh"\nSM_KERNEL(32, 1) f(const float* x, float* y) '
        "{ if (threadIdx.x == 0) { y[0] = 7; y[1] = x[4]; } }",
        "small.cu",
    )
    Module(code, ("f",)).kernel("f")((1,), (32,), (x, x[4:]))
    assert list(x[4:6]) == [7, 7]


def test_barriers_that_were_reached():
    kernel = Module(source("transform"), (FLOAT,)).kernel(FLOAT)
    x = np.zeros(8, np.float32)
    for log_n, lines in ((0, {10}), (3, {10, 18})):
        kernel((1,), (64,), (x, np.int32(log_n), np.float32(1)), shared_mem=32)
        assert kernel.reached == {("tests/gpu/kernels/transform.cu", line) for line in lines}


# ---------------------------------------------------------------- races


def test_mutants_are_the_source_without_one_barrier():
    found = mutants(source("transform"))
    assert [line for _, line in found] == [10, 18]
    lines = source("transform").split("\n")
    for mutant in found.values():
        changed = [
            pair for pair in zip(lines, mutant.split("\n"), strict=True) if pair[0] != pair[1]
        ]
        assert [(old.strip(), new.strip()) for old, new in changed] == [("__syncthreads();", ";")]


def test_two_barriers_in_a_line_are_refused():
    with pytest.raises(ValueError, match=r"a.cu:2.*one barrier a line"):
        mutants('#line 1 "a.cu"\nint i; // __syncthreads();\n__syncthreads(); __syncwarp();\n')


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("name", [FLOAT, DOUBLE])
def test_a_missing_barrier_is_found(name, which):
    broken = list(mutants(source("transform")).values())[which]
    with pytest.raises(KernelError, match="order of threads"):
        transform(broken, name)


def test_a_missing_barrier_of_a_warp_is_found():
    body = """SM_SHARED(float, s);
        s[threadIdx.x] = threadIdx.x;
        {}
        x[threadIdx.x] = s[31 - threadIdx.x];"""
    x = small(body.format("__syncwarp();"), shared_mem=128)
    np.testing.assert_array_equal(x[:32], np.arange(32)[::-1])
    with pytest.raises(KernelError, match="order of threads"):
        small(body.format(""), shared_mem=128)


def test_a_race_between_blocks_is_found():
    code = gpu.with_port(
        '#include "port.cuh"\nSM_KERNEL(32, 1) f(float* x) { x[0] = blockIdx.x; }', "small.cu"
    )
    with pytest.raises(KernelError, match="order of threads"):
        Module(code, ("f",)).kernel("f")((3,), (32,), (np.zeros(1, np.float32),))


def test_shared_memory_that_was_not_written_is_nan():
    x = small("SM_SHARED(float, s); x[threadIdx.x] = s[threadIdx.x];", shared_mem=128)
    assert np.isnan(x[:32]).all()
    assert not np.isnan(x[32:]).any()


# ---------------------------------------------------------------- faults


@pytest.mark.parametrize(
    ("find", "put", "match"),
    [
        ("__syncthreads();", "if (t < 32) __syncthreads();", "different barriers"),
        ("s[i] = row[i];", "s[i] = row[i]; if (t == 7) return;", "63|1 of 64 threads never reach"),
        ("row[i] = scale", "row[i + n] = scale", "outside an array"),
        ("row[i] = scale", "row[i + n * 9999] = scale", "outside every array"),
        ("= row[i];", "= row[i - 4096];", "outside every array"),
        ("s[i + h] = a - b;", "s[i + h + n] = a - b;", "dynamic shared"),
        ("s[i + h] = a - b;", "s[i + h + 99 * n] = a - b;", "outside every array"),
    ],
)
def test_faults(find, put, match):
    code = source("transform")
    assert find in code
    with pytest.raises(KernelError, match=match):
        transform(code.replace(find, put, 1))


@pytest.mark.parametrize(
    ("body", "match"),
    [
        ("float s[8] = {}; x[0] = s[threadIdx.x];", "out of bounds"),
        ("x[0] = load<4>(x + 1)[0];", "misaligned"),
        (
            "int i = 2147483647 - (int)threadIdx.x; x[0] = (float)(i * 3);",
            "signed integer overflow",
        ),
        ("if (threadIdx.x < 16) x[0] = __shfl_xor_sync(full_warp, x[0], 1);", "some lanes never"),
        ("x[0] = __shfl_xor_sync(0xff00u, x[0], 1);", "another mask"),
        ("if (threadIdx.x < 9) __syncwarp();\n else __syncthreads();", "some lanes never"),
        ("if (threadIdx.x < 9) __syncwarp();\n else __syncwarp();", "different warp operations"),
        ("assert(x[0] > 0);", "assertion failed"),
        ("x[0] = 1 / (int)(threadIdx.x - threadIdx.x);", "division by zero"),
        ("x[0] = 1 << (threadIdx.x + 32);", "shift"),
        ("x[0] = (int)(1e30f + x[0]);", "conversion out of range"),
        ("float* p = nullptr; x[0] = p[threadIdx.x];", "null access|outside every array"),
        (
            "struct S { static float f(float* x, int n) { volatile char c[999]; c[n % 999] = 1; "
            "return n ? f(x, n - 1) + c[3] : x[0]; } }; x[0] = S::f(x, 9999);",
            "stack overflow",
        ),
    ],
)
def test_undefined_behaviour(body, match):
    with pytest.raises(KernelError, match=match):
        small(body)


def test_a_fault_names_the_file_the_line_and_the_thread():
    body = "\n\n if (threadIdx.x == 5) x[0] = load<4>(x + 1)[0];"
    place = r"\(structmat/_backend/port.cuh:\d+, block \(0, 0, 0\), thread 5\)"
    with pytest.raises(KernelError, match=place):
        small(body)


def test_life_goes_on_after_a_fault():
    for _ in range(3):
        with pytest.raises(KernelError, match="outside every array"):
            small("x[threadIdx.x * 99999] = 1;")
        assert small("x[threadIdx.x] = 1;").sum() == 32


def test_a_kernel_that_is_gone_leaves_no_stacks():
    """Each of its threads had a stack, two mappings, of which a process has some 65000."""
    code = '#include "port.cuh"\ntemplate <int N> SM_KERNEL(512, 1) f(float* x) { x[0] = N; }'
    module = Module(gpu.with_port(code, "small.cu"), ("f<9>",))
    before = _mappings()
    for _ in range(2):  # they come back when they are wanted again
        kernel, x = module.kernel("f<9>"), np.zeros(1, np.float32)
        kernel((1,), (512,), (x,))
        assert x[0] == 9
        assert _mappings() > before + 500
        del kernel
        assert _mappings() < before + 50


def _mappings():
    with open("/proc/self/maps") as maps:
        return sum(1 for _ in maps)


def test_the_portable_switch_of_fibers():
    code = source("warps")
    kernel = Module(code, ("votes<96>",), ("-DEMULATOR_PORTABLE",)).kernel("votes<96>")
    x = np.arange(-5, 91, dtype=np.int32)
    masks, counts = np.zeros(3, np.uint32), np.zeros(2, np.int32)
    kernel((1,), (96,), (x, masks, counts))
    assert list(counts) == [90, 26]
    broken = code.replace("x[t] > 0", "x[t - 99999] > 0")
    kernel = Module(broken, ("votes<96>",), ("-DEMULATOR_PORTABLE",)).kernel("votes<96>")
    with pytest.raises(KernelError, match="outside every array"):
        kernel((1,), (96,), (x, masks, counts))


# ---------------------------------------------------------------- the call


@pytest.mark.parametrize(
    ("args", "match"),
    [
        ((np.zeros(8), np.int32(3), np.float32(1)), "dtype float64"),
        ((np.zeros(8, "f4"), np.int64(3), np.float32(1)), "int64 value"),
        ((np.zeros(8, "f4"), np.int32(3), np.float64(1)), "float64 value"),
        ((np.zeros(8, "f4"), np.int32(3)), "3 arguments, got 2"),
        ((np.zeros(8, "f4"), np.zeros(1, "i4"), np.float32(1)), "is an array"),
        ((np.float32(0), np.int32(3), np.float32(1)), "float32 value"),
        ((np.broadcast_to(np.float32(1), 8), np.int32(3), np.float32(1)), "read-only"),
    ],
)
def test_arguments_are_checked(args, match):
    with pytest.raises(KernelError, match=match):
        Module(source("transform"), (FLOAT,)).kernel(FLOAT)((1,), (64,), args, shared_mem=32)


@pytest.mark.parametrize(
    ("grid", "block"),
    [((1,), (1056,)), ((1,), (48,)), ((1,), (0,)), ((0,), (32,)), ((1, 65536), (32,))],
)
def test_limits_of_a_launch(grid, block):
    args = (np.zeros(8, np.float32), np.int32(3), np.float32(1))
    with pytest.raises(KernelError, match="invalid configuration"):
        Module(source("transform"), (FLOAT,)).kernel(FLOAT)(grid, block, args, shared_mem=32)


def test_a_source_that_does_not_compile():
    with pytest.raises(CompileError, match=r"small.cu:2:.*\n?.*nope"):
        small("x[0] = nope;")


@pytest.mark.parametrize("body", ["__shared__ float s[8];", "x[threadIdx.y] = 1;"])
def test_what_the_language_of_kernels_leaves_out_does_not_compile(body):
    with pytest.raises(CompileError):
        small(body)
