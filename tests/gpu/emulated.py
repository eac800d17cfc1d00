"""The emulator in CuPy's place: the library's own dispatch and launches, on arrays of the stand-in.

`install(monkeypatch)` gives a fake `cupy` whose RawModule compiles with g++ and whose kernels run
on the memory of its arrays. `mutants` are the texts of a source with one barrier removed.
"""

import re
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

import fake_cupy
from gpu import emulator

from structmat._backend import gpu

BARRIER = re.compile(r"\b__sync(?:threads|warp)\s*\(\s*\)\s*;")
LINE = re.compile(r'^#line (\d+) "(.*)"$')
DEFAULT_SHARED = 48 * 1024


def install(monkeypatch, reached=None):
    """The fake cupy module, in place for one test, with nothing compiled.

    `reached`, a defaultdict of sets, collects the barriers that the kernels of each name reach.
    """
    cupy = fake_cupy.install(monkeypatch)
    monkeypatch.setattr(gpu, "_kernels", {})
    reached = defaultdict(set) if reached is None else reached
    cupy.RawModule = lambda **arguments: RawModule(reached, **arguments)
    return cupy


class RawModule:
    """As cupy.RawModule."""

    def __init__(self, reached, *, code, options=(), name_expressions=()):
        self._reached = reached
        self._module = emulator.Module(code, name_expressions)

    def get_function(self, name):
        return RawKernel(self._module.kernel(name), self._reached)


class RawKernel:
    """As cupy.RawKernel, on arrays of the stand-in: above 48 KiB shared memory is asked for."""

    def __init__(self, kernel, reached):
        self._kernel = kernel
        self._reached = reached
        self.max_dynamic_shared_size_bytes = DEFAULT_SHARED

    def __call__(self, grid, block, args, *, shared_mem=0):
        if shared_mem > self.max_dynamic_shared_size_bytes:
            raise emulator.KernelError(f"{shared_mem} bytes of shared memory were not asked for")
        hosts = [x._host if isinstance(x, fake_cupy.ndarray) else x for x in args]
        self._kernel(grid, block, hosts, shared_mem=shared_mem)
        self._reached[self._kernel.name] |= self._kernel.reached


def mutants(source):
    """{(file, line): the source without the barrier of that line}, for every barrier.

    The text keeps its lines, so places mean the same in all of them.
    """
    found = {}
    lines = source.split("\n")
    file, number = "", 0
    for i, line in enumerate(lines):
        if directive := LINE.match(line):
            file, number = directive[2], int(directive[1])
            continue
        without, count = BARRIER.subn(";", line.split("//")[0])
        if count > 1:
            raise ValueError(f"{file}:{number}: one barrier a line, or a mutant would lose two")
        if count:
            found[file, number] = "\n".join([*lines[:i], without, *lines[i + 1 :]])
        number += 1
    return found


def compile_all(pairs, processes=2):
    """Compile (source, name) pairs ahead, a few at a time; the cache then has them."""
    with ThreadPoolExecutor(processes) as pool:
        list(pool.map(lambda pair: emulator.build.library(pair[0], (pair[1],)), pairs))
