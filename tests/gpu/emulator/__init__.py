"""CUDA kernels on the CPU, on NumPy arrays, with what a GPU does not check. See README.md.

`Module(code, names).kernel(name)` has the call of a `cupy.RawKernel`; each call runs the kernel
under several orders of threads and blocks, which must agree bit for bit.
"""

import ctypes
import threading
import weakref

import numpy as np

from .build import CompileError, available, library

__all__ = ["CompileError", "Kernel", "KernelError", "Module", "available"]

ORDERS = (("forward", 0, 0), ("reverse", 1, 0), ("shuffled", 2, 1), ("shuffled", 2, 2))
POINTER, SIGNED, UNSIGNED, FLOATING = 1, 2, 3, 4
KINDS = {"i": SIGNED, "u": UNSIGNED, "f": FLOATING}

_running = threading.RLock()  # a library has one block, in static memory


class KernelError(RuntimeError):
    """The kernel did something that is wrong on a GPU."""


class Parameter(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name in ("kind", "size", "target", "width", "const")]

    def takes_array(self):
        return self.kind == POINTER


class Module:
    """A source compiled for the CPU, with the kernels `names` (C++ expressions)."""

    def __init__(self, code, names, options=()):
        self._library = ctypes.CDLL(str(library(code, names, options)))
        self._library.emulator_message.restype = ctypes.c_char_p
        self._library.emulator_allocate.restype = ctypes.c_void_p
        self._library.emulator_allocate.argtypes = [ctypes.c_size_t]
        self._library.emulator_free.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
        self._names = list(names)

    def kernel(self, name):
        return Kernel(self._library, name, self._names.index(name))


class Kernel:
    """Callable as `kernel(grid, block, args, shared_mem=0)`.

    `parameters` are those of the source. `reached` are the places (file, line) of the barriers and
    warp operations that the last call reached.
    """

    def __init__(self, lib, name, index):
        self.name = name
        self.reached = set()
        self._lib = lib
        self._run = getattr(lib, f"emulator_run_{index}")
        self._run.argtypes = [
            *[ctypes.c_void_p] * 2,
            ctypes.c_uint,
            ctypes.c_size_t,
            ctypes.c_int,
            ctypes.c_uint64,
        ]
        found = (Parameter * 64)()
        count = getattr(lib, f"emulator_describe_{index}")(found)
        self.parameters = tuple(found[:count])
        weakref.finalize(self, _release, lib)

    def __call__(self, grid, block, args, *, shared_mem=0, orders=ORDERS):
        if len(args) != len(self.parameters):
            raise KernelError(f"{self.name}: {len(self.parameters)} arguments, got {len(args)}")
        for i, (x, parameter) in enumerate(zip(args, self.parameters)):
            self._check(i, x, parameter)
        if tuple(block[1:]) not in ((), (1,), (1, 1)):
            raise KernelError(f"{self.name}: blocks have one dimension, got {block}")
        with _running:
            first = None
            for _, order, seed in orders:
                memory = self._once(grid, block[0], args, shared_mem, order, seed)
                if first is None:
                    first = memory
                elif any(first[root] != memory[root] for root in first):
                    raise KernelError(f"{self.name}: the result depends on the order of threads")
        for x in args:
            if _is_array(x) and (root := _root(x)).flags.writeable:
                ctypes.memmove(_bounds(root)[0], first[id(root)], len(first[id(root)]))

    def _check(self, i, x, parameter):
        where = f"{self.name}: argument {i}"
        kind, size = KINDS.get(x.dtype.kind), x.dtype.itemsize
        if _is_array(x):
            if not parameter.takes_array():
                raise KernelError(f"{where} is an array, the kernel takes a value")
            if (kind, size) != (parameter.target, parameter.width):
                raise KernelError(f"{where}: dtype {x.dtype} is not the kernel's pointer type")
            if not parameter.const and not x.flags.writeable:
                raise KernelError(f"{where}: a read-only array for a pointer that is written")
        elif (kind, size) != (parameter.kind, parameter.size):
            raise KernelError(f"{where}: a {x.dtype} value is not the kernel's parameter type")

    def _once(self, grid, threads, args, shared, order, seed):
        """Run on guarded copies; what they hold afterwards, by the id of the copied array."""
        roots = {id(root): root for root in map(_root, filter(_is_array, args))}
        guarded = {}
        try:
            for key, root in roots.items():
                guarded[key] = _Guarded(root, self._lib)
            slots, keep = self._slots(args, guarded)
            blocks = (ctypes.c_uint * 3)(*grid, *[1] * (3 - len(grid)))
            if self._run(slots, blocks, threads, shared, order, seed):
                raise KernelError(f"{self.name}: {self._lib.emulator_message().decode()}")
            self.reached = self._places()
            del keep
            return {key: buffer.bytes() for key, buffer in guarded.items()}
        finally:
            spoiled = [buffer.free() for buffer in guarded.values()]
            if any(spoiled):
                raise KernelError(f"{self.name}: write outside an array argument")

    @staticmethod
    def _slots(args, guarded):
        """The void** that a launch takes, and what must live as long as it."""
        slots, keep = (ctypes.c_void_p * max(1, len(args)))(), []
        for i, x in enumerate(args):
            if _is_array(x):
                value = np.uint64(guarded[id(_root(x))].address(x)).reshape(1)
            else:
                value = np.array([x])
            keep.append(value)
            slots[i] = value.ctypes.data
        return slots, keep

    def _places(self):
        files, lines = (ctypes.c_char_p * 256)(), (ctypes.c_int * 256)()
        count = self._lib.emulator_reached(files, lines)
        return {(files[i].decode(), lines[i]) for i in range(count)}


def _release(lib):
    """Stacks are made again when another kernel of the library runs."""
    with _running:
        lib.emulator_release()


class _Guarded:
    """A copy of a whole array between poisoned bytes and closed pages."""

    def __init__(self, root, lib):
        self._lib = lib
        self._low, high = _bounds(root)
        self._size = high - self._low if root.size else 0
        self._data = lib.emulator_allocate(self._size)
        if not self._data:
            raise MemoryError("no address space for a guarded copy")
        ctypes.memmove(self._data, self._low, self._size)

    def address(self, x):
        return self._data + (x.ctypes.data - self._low if x.size else 0)

    def bytes(self):
        return ctypes.string_at(self._data, self._size)

    def free(self):
        return bool(self._lib.emulator_free(self._data, self._size))


def _is_array(x):
    return isinstance(x, np.ndarray)


def _bounds(x):
    return np.lib.array_utils.byte_bounds(x)


def _root(x):
    """The array that owns the memory: views of one array must see each other's writes."""
    while isinstance(x.base, np.ndarray):
        x = x.base
    return x
