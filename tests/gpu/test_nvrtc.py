"""Gate 1: every kernel compiles for the GPUs that we name, within its budget, with no GPU here."""

import os
import platform
from concurrent.futures import ThreadPoolExecutor

import pytest
from gpu import nvrtc
from gpu.kernels import source

from structmat._backend import gpu

ARCHITECTURES = {"sm_80": 164 * 1024, "sm_90": 228 * 1024}  # shared memory of a multiprocessor
RESERVED = 1024  # bytes of it that each resident block costs besides its own
INSTANCES = gpu.instances()

everything = pytest.mark.parametrize(
    ("instance", "arch"),
    [(instance, arch) for instance in INSTANCES for arch in ARCHITECTURES],
    ids=lambda x: x if isinstance(x, str) else f"{x.package}.{x.name}",
)


@pytest.fixture(scope="module", autouse=True)
def compiler():
    if nvrtc.load() is None:
        if platform.system() == "Linux" and os.environ.get("CI"):
            pytest.fail("the NVRTC wheel is missing; the extra `test` installs it")
        pytest.skip("needs NVRTC: pip install nvidia-cuda-nvrtc (Linux)")


@pytest.fixture(scope="module")
def built(compiler):
    """(instance, arch) -> what was built, or the error; two at a time (NVRTC is thread-safe)."""

    def build(key):
        instance, arch = key
        try:
            return key, nvrtc.compile(gpu.source_of(instance), instance.name, arch)
        except nvrtc.CompileError as error:
            return key, error

    keys = [(instance, arch) for instance in INSTANCES for arch in ARCHITECTURES]
    with ThreadPoolExecutor(2) as pool:
        return dict(pool.map(build, keys))


def problems(instance, arch, use):
    """What is wrong with a build, in words."""
    allocated = -(-use.registers // 8) * 8  # a warp gets its registers in units of 256
    found = {
        "does not fit a cubin": use.cubin[:4] != b"\x7fELF",
        f"spills {use.spill_stores} bytes": use.spill_stores or use.spill_loads,
        f"{use.stack} bytes of stack a thread": use.stack,
        f"{use.static_shared} bytes of static shared memory": use.static_shared,
        f"{use.registers} registers, budget {instance.registers}": (
            use.registers > instance.registers
        ),
        f"{use.registers} registers for {instance.threads} threads": (
            allocated * instance.threads > gpu.REGISTERS
        ),
        f"launch bound {use.threads}, declared {instance.threads}": (
            use.threads != instance.threads
        ),
        f"{use.blocks} resident blocks of {instance.shared} bytes do not fit": (
            arch == "sm_90" and use.blocks * (instance.shared + RESERVED) > ARCHITECTURES[arch]
        ),
    }
    return [what for what, wrong in found.items() if wrong]


@everything
def test_every_instance_builds_within_its_budget(built, instance, arch):
    result = built[instance, arch]
    if isinstance(result, Exception):
        raise result
    assert not problems(instance, arch, result)


def test_there_is_something_to_build():
    assert INSTANCES


# ---------------------------------------------------------------- the gate itself can fail


def build(text, name, **changed):
    """Problems of a small kernel, declared as it is but for what `changed` says."""
    declared = {"threads": 64, "shared": 0, "registers": 64, "signature": ("float*",), **changed}
    instance = gpu.Instance("tests", "kernel.cu", name, **declared)
    use = nvrtc.compile(gpu.with_port(text, "kernel.cu"), name, "sm_90")
    return problems(instance, "sm_90", use)


COPY = """#include "port.cuh"
template <int blocks> SM_KERNEL(64, blocks) copy(float* x) {
    SM_SHARED(float, s);
    s[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    x[threadIdx.x] = s[63 - threadIdx.x];
}
"""
# 300 values that live across a loop, in 255 registers.
SPILLS = """#include "port.cuh"
SM_KERNEL(64, 1) spills(float* x) {
    float a[300];
    SM_UNROLL
    for (int i = 0; i < 300; ++i) a[i] = x[i * 64 + threadIdx.x];
    for (int k = 0; k < 9; ++k) {
        SM_UNROLL
        for (int i = 0; i < 300; ++i) a[i] = a[i] * a[(i + 7) % 300] + x[k];
    }
    SM_UNROLL
    for (int i = 0; i < 300; ++i) x[i * 64 + threadIdx.x] = a[i];
}
"""
# An array that is indexed by data cannot live in registers.
STACK = """#include "port.cuh"
SM_KERNEL(64, 1) stack(float* x) {
    float count[16] = {};
    for (int i = 0; i < 99; ++i) count[int(x[i]) & 15] += x[i];
    for (int i = 0; i < 16; ++i) x[i] = count[i];
}
"""


def test_a_good_kernel_has_no_problems():
    assert build(COPY, "copy<1>") == []


@pytest.mark.parametrize(
    ("text", "name", "changed", "problem"),
    [
        (SPILLS, "spills", {"registers": 255}, "spills"),
        (STACK, "stack", {}, "bytes of stack"),
        (COPY, "copy<1>", {"registers": 4}, "budget 4"),
        (COPY, "copy<1>", {"threads": 128}, "launch bound 64, declared 128"),
        (COPY, "copy<8>", {"shared": 40 * 1024}, "8 resident blocks"),
    ],
    ids=lambda x: x if isinstance(x, str) and "\n" not in x else "",
)
def test_a_bad_kernel_is_refused(text, name, changed, problem):
    assert problem in " ".join(build(text, name, **changed))


def test_errors_name_the_file_and_the_line():
    text = '// a comment\n#include "port.cuh"\n\nSM_KERNEL(32, 1) f(float* x) { x[0] = nope; }\n'
    with pytest.raises(nvrtc.CompileError, match=r"room/kernels.cu\(4\).*\n?.*nope"):
        nvrtc.compile(gpu.with_port(text, "room/kernels.cu"), "f", "sm_90")


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("transform", "transform<float, 256>"),
        ("transform", "transform<double, 64>"),
        ("warps", "sum_of_squares<256>"),
        ("warps", "prefix_sums<i32>"),
        ("warps", "votes<96>"),
    ],
)
def test_the_emulator_is_tested_on_sources_that_are_cuda(file, name, arch):
    assert nvrtc.compile(source(file), name, arch).spill_stores == 0
