"""NVIDIA's run-time compiler through ctypes: CUDA C++ to machine code, with neither GPU nor driver.

It comes in the wheel `nvidia-cuda-nvrtc`, which the `test` extra installs on Linux.
"""

import ctypes
import functools
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

# What CuPy gives NVRTC besides the architecture; the source must compile under exactly these.
CUPY_OPTIONS = ("-ftz=true", "--std=c++17", "--device-as-default-execution-space")


@functools.cache
def load():
    """The library, or None where the wheel is not installed."""
    spec = importlib.util.find_spec("nvidia")
    for root in spec.submodule_search_locations if spec else ():
        for path in sorted(Path(root).glob("**/libnvrtc.so.*"), reverse=True):
            lib = ctypes.CDLL(str(path))
            lib.nvrtcGetErrorString.restype = ctypes.c_char_p
            return lib
    return None


@dataclass(frozen=True)
class Use:
    """What one kernel takes of a multiprocessor, as ptxas and the PTX say."""

    registers: int
    stack: int  # bytes a thread, in local memory
    spill_stores: int
    spill_loads: int
    static_shared: int
    threads: int  # the launch bound
    blocks: int  # that the source wants resident at once
    cubin: bytes


class CompileError(RuntimeError):
    """NVRTC refuses the source."""


def compile(source, name, arch, options=()):
    """Compile the kernel `name` (a C++ expression) of a source to a cubin for `arch` ("sm_90")."""
    lib, program = load(), ctypes.c_void_p()

    def check(code):
        if code:
            raise CompileError(lib.nvrtcGetErrorString(code).decode())

    def fetch(what):
        size = ctypes.c_size_t()
        check(getattr(lib, f"nvrtcGet{what}Size")(program, ctypes.byref(size)))
        buffer = ctypes.create_string_buffer(size.value)
        check(getattr(lib, f"nvrtcGet{what}")(program, buffer))
        return buffer.raw

    check(
        lib.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernel.cu", 0, None, None)
    )
    try:
        check(lib.nvrtcAddNameExpression(program, name.encode()))
        flags = [f"-arch={arch}", "--ptxas-options=-v", *options, *CUPY_OPTIONS]
        array = (ctypes.c_char_p * len(flags))(*(flag.encode() for flag in flags))
        failed = lib.nvrtcCompileProgram(program, len(flags), array)
        log = fetch("ProgramLog").rstrip(b"\0").decode()
        if failed:
            raise CompileError(f"{name} for {arch}:\n{log}")
        return _use(log, fetch("PTX").decode(), fetch("CUBIN"))
    finally:
        lib.nvrtcDestroyProgram(ctypes.byref(program))


def _use(log, ptx, cubin):
    entries = log.split("Compiling entry function")[1:]
    if len(entries) != 1:
        raise CompileError(f"{len(entries)} kernels in the report of ptxas, not 1:\n{log}")

    def number(pattern, text, missing=None):
        found = re.search(pattern, text)
        if not found and missing is None:
            raise CompileError(f"the report of ptxas has no {pattern!r}:\n{log}")
        return int(found[1]) if found else missing

    return Use(
        registers=number(r"Used (\d+) registers", entries[0]),
        stack=number(r"(\d+) bytes stack frame", entries[0]),
        spill_stores=number(r"(\d+) bytes spill stores", entries[0]),
        spill_loads=number(r"(\d+) bytes spill loads", entries[0]),
        static_shared=number(r"(\d+) bytes smem", entries[0], missing=0),
        threads=number(r"\.maxntid (\d+)", ptx, missing=0),
        blocks=number(r"\.minnctapersm (\d+)", ptx, missing=1),
        cubin=cubin,
    )
