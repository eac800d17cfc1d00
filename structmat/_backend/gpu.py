"""The one CUDA loader and the one launcher: rooms declare kernels in a gpu.py and launch them here.

A kernel source (`kernels.cu`, beside that gpu.py) is C++ templates in the language of `port.cuh`.
Each set of template arguments that the room uses is an `Instance`; it is compiled by itself, when
it is first launched on a device, and CuPy keeps the binary on disk. CuPy checks nothing that is
handed to a kernel and passes a Python float as a double, so everything is checked and cast here,
against the signature that the instance declares.
"""

import functools
import hashlib
import importlib
import importlib.resources
import math
import operator
import os
import pkgutil
import re
import threading
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from structmat._backend.arrays import require_cupy

__all__ = ["Instance", "digest", "instances", "launch", "prepare", "source_of", "with_port"]

WARP = 32
MAX_THREADS = 1024
REGISTERS = 65536  # of a multiprocessor, since compute capability 3.5
MAX_SHARED = 227 * 1024  # for one block, on compute capability 9.0
DEFAULT_SHARED = 48 * 1024  # more must be asked for by name
ALIGNMENT = 16  # what a packet load of port.cuh needs
GRID_LIMITS = (2**31 - 1, 65535, 65535)
OPTIONS = ("--std=c++17",)

_SCALARS = {
    "i32": np.int32,
    "i64": np.int64,
    "u32": np.uint32,
    "u64": np.uint64,
    "f32": np.float32,
    "f64": np.float64,
}
_POINTERS = {
    "float*": np.float32,
    "double*": np.float64,
    **{f"{name}*": kind for name, kind in _SCALARS.items() if name[0] != "f"},
}
_INTEGERS = (int, np.integer)
_NUMBERS = (int, float, np.integer, np.floating)


@dataclass(frozen=True)
class Instance:
    """One kernel with its template arguments: what is compiled, and how it is launched.

    Attributes
    ----------
    package, source : str
        Where the source is: ``"structmat.transforms"``, ``"kernels.cu"``.
    name : str
        The kernel as a C++ expression: ``"fwht_rows<float, 10>"``.
    signature : tuple of str
        One entry an argument. Arrays: ``"float*"``, ``"double*"``, ``"i32*"``, ``"i64*"``,
        ``"u32*"``, ``"u64*"``, with ``"const "`` in front when they are only read, or ``"out "``
        when every element is written and none is read. Scalars: ``"i32"``, ``"i64"``, ``"u32"``,
        ``"u64"``, ``"f32"``, ``"f64"``.
    threads : int
        Threads of a block, the launch bound of the source.
    shared : int
        Bytes of dynamic shared memory of a block.
    registers : int
        Registers that a thread may take; the build fails above it.
    """

    package: str
    source: str
    name: str
    signature: tuple[str, ...]
    threads: int
    shared: int
    registers: int

    def __post_init__(self):
        _parameters(self.signature)
        if self.threads % WARP or not 0 < self.threads <= MAX_THREADS:
            raise ValueError(
                f"{self.name}: {self.threads} threads; a block has whole warps of {WARP}, "
                f"at most {MAX_THREADS} threads"
            )
        if not 0 <= self.shared <= MAX_SHARED:
            raise ValueError(
                f"{self.name}: {self.shared} bytes of shared memory; a block has {MAX_SHARED}"
            )
        if not 0 < self.registers <= 255 or self.registers * self.threads > REGISTERS:
            raise ValueError(
                f"{self.name}: {self.threads} threads of {self.registers} registers; a thread has "
                f"255 and a multiprocessor {REGISTERS}"
            )


class _Parameter(NamedTuple):
    """An entry of a signature, worked out once: a small kernel takes less time than that does."""

    kind: type  # of a scalar
    dtype: np.dtype | None  # of an array
    written_only: bool
    low: int | float
    high: int | float


@functools.cache
def _parameters(signature):
    return tuple(_parameter(entry, signature) for entry in signature)


def _parameter(entry, signature):
    qualifier, _, name = entry.rpartition(" ")
    if name in _POINTERS and qualifier in ("", "const", "out"):
        kind = _POINTERS[name]
        return _Parameter(kind, np.dtype(kind), qualifier == "out", 0, 0)
    if name in _SCALARS and not qualifier:
        kind = _SCALARS[name]
        if name[0] == "f":
            high = float(np.finfo(kind).max)
            return _Parameter(kind, None, False, -high, high)
        return _Parameter(kind, None, False, int(np.iinfo(kind).min), int(np.iinfo(kind).max))
    raise ValueError(f"unknown kernel argument {entry!r} in {signature}")


# ---------------------------------------------------------------- sources


@functools.cache
def instances():
    """Every instance of the package, in the order of module and declaration. Needs no CuPy.

    A room declares its own as ``INSTANCES`` in its gpu.py, a dict whose keys are the room's.
    """
    package = importlib.import_module(__package__.partition(".")[0])
    modules = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    rooms = sorted(m.name for m in modules if m.name.endswith(".gpu") and m.name != __name__)
    return tuple(x for room in rooms for x in importlib.import_module(room).INSTANCES.values())


_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"port\.cuh"[^\n]*$', re.MULTILINE)


def with_port(text, path):
    """A source with port.cuh in place of its include; compiler messages name the real files."""
    found = list(_INCLUDE.finditer(text))
    if len(found) != 1:
        raise ValueError(f'{path} has {len(found)} lines `#include "port.cuh"`, not 1')
    before, after = text[: found[0].start()], text[found[0].end() :]
    following = before.count("\n") + 2
    return (
        f'#line 1 "{path}"\n{before}'
        f'#line 1 "{_path(__package__, "port.cuh")}"\n{_read(__package__, "port.cuh")}'
        f'#line {following} "{path}"{after}'
    )


@functools.cache
def _assembled(package, source):
    return with_port(_read(package, source), _path(package, source))


def _read(package, name):
    return importlib.resources.files(package).joinpath(name).read_text(encoding="utf-8")


def _path(package, name):
    return package.replace(".", "/") + "/" + name


def source_of(instance):
    """The text that is compiled for an instance."""
    return _assembled(instance.package, instance.source)


def digest(instance):
    """SHA-256 of `source_of`: which text of a kernel a recorded measurement is about."""
    return hashlib.sha256(source_of(instance).encode()).hexdigest()


# ---------------------------------------------------------------- compiling

_kernels: dict = {}  # (instance, device) -> compiled kernel; CuPy would build a new one each time
_locks: dict = {}


def prepare(instance):
    """The compiled kernel of an instance for the current device (a `cupy.RawKernel`).

    Different instances compile at the same time in different threads; one instance compiles once.
    """
    cp = require_cupy()
    return _prepared(cp, instance, cp.cuda.runtime.getDevice())


def _prepared(cp, instance, device):
    key = instance, device
    kernel = _kernels.get(key)
    if kernel is None:
        with _locks.setdefault(key, threading.Lock()):
            kernel = _kernels.get(key)
            if kernel is None:
                kernel = _kernels[key] = _compiled(cp, instance, device)
    return kernel


def _compiled(cp, instance, device):
    if instance.shared > DEFAULT_SHARED:
        limit = cp.cuda.Device(device).attributes["MaxSharedMemoryPerBlockOptin"]
        if instance.shared > limit:
            raise RuntimeError(
                f"{instance.name} needs {instance.shared} bytes of shared memory a block; device "
                f"{device} has {limit}"
            )
    module = cp.RawModule(
        code=source_of(instance), options=OPTIONS, name_expressions=(instance.name,)
    )
    kernel = module.get_function(instance.name)
    if instance.shared > DEFAULT_SHARED:
        kernel.max_dynamic_shared_size_bytes = instance.shared
    return kernel


# ---------------------------------------------------------------- launching


def launch(instance, grid, args):
    """Run a kernel on the current device and stream; nothing is waited for.

    Parameters
    ----------
    instance : Instance
        What to run.
    grid : int or tuple of up to three ints
        Blocks. With none, nothing runs (CuPy would launch one).
    args : sequence
        CuPy arrays and Python or NumPy scalars, as the instance's signature says. Arrays must be
        C-contiguous, aligned to 16 bytes, of exactly the declared dtype, on the current device.

    Notes
    -----
    With ``STRUCTMAT_GPU_CHECK=1`` in the environment the arrays declared ``"out "`` are filled
    with 0xFF bytes first (NaN, or -1), so that an element which the kernel does not write shows,
    and the device is synchronised after, so that an error shows where it was made.
    """
    cp = require_cupy()
    device = cp.cuda.runtime.getDevice()
    blocks = _grid(instance, grid)
    parameters = _parameters(instance.signature)
    if len(args) != len(parameters):
        raise TypeError(f"{instance.name} takes {len(parameters)} arguments; got {len(args)}")
    values = tuple(
        [
            _scalar(instance, i, args[i], p)
            if p.dtype is None
            else _array(cp, instance, i, args[i], p.dtype, device)
            for i, p in enumerate(parameters)
        ]
    )
    if 0 in blocks:
        return
    kernel = _prepared(cp, instance, device)
    checked = os.environ.get("STRUCTMAT_GPU_CHECK", "") not in ("", "0")
    if checked:
        for x, p in zip(values, parameters):
            if p.written_only:
                x.reshape(-1).view(np.uint8).fill(0xFF)
    kernel(blocks, (instance.threads, 1, 1), values, shared_mem=instance.shared)
    if checked:
        cp.cuda.runtime.deviceSynchronize()


def _grid(instance, grid):
    given = grid if isinstance(grid, tuple) else (grid,)
    blocks = (*map(operator.index, given), 1, 1)[: max(3, len(given))]
    for n, limit in zip(blocks, GRID_LIMITS):
        if not 0 <= n <= limit:
            raise ValueError(f"{instance.name}: grid {grid}; a device's limits are {GRID_LIMITS}")
    if len(blocks) > 3:
        raise ValueError(f"{instance.name}: grid {grid} of more than three dimensions")
    return blocks


def _array(cp, instance, i, x, dtype, device):
    if not isinstance(x, cp.ndarray):
        raise _refusal(TypeError, instance, i, f"needs a CuPy array; got {type(x).__name__}")
    if x.dtype != dtype:
        raise _refusal(TypeError, instance, i, f"got dtype {x.dtype}")
    if not x.flags.c_contiguous:
        raise _refusal(ValueError, instance, i, "is not C-contiguous; a kernel sees no strides")
    if x.data.ptr % ALIGNMENT:
        raise _refusal(ValueError, instance, i, f"is not aligned to {ALIGNMENT} bytes; copy it")
    if x.size and x.device.id != device:
        raise _refusal(
            ValueError, instance, i, f"is on device {x.device.id}, the current one is {device}"
        )
    return x


def _scalar(instance, i, x, p):
    """The number in its declared type; an int passes for a float, a float not for an int."""
    whole = type(p.low) is int
    if type(x) is not (int if whole else float):
        if type(x) is bool or not isinstance(x, _INTEGERS if whole else _NUMBERS):
            raise _refusal(TypeError, instance, i, f"needs a number; got {type(x).__name__}")
        x = int(x) if whole else float(x)
    if not p.low <= x <= p.high and (whole or math.isfinite(x)):
        raise _refusal(OverflowError, instance, i, f"got {x}, beyond its range")
    return p.kind(x)


def _refusal(error, instance, i, what):
    return error(f"{instance.name}: argument {i} ({instance.signature[i]}) {what}")
