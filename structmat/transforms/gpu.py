"""The fast Walsh-Hadamard transform on the GPU: which kernel of kernels.cu does which bits.

The same function as cpu.py's, on CuPy arrays. An array is seen as (outer, n, inner), and H_n is a
butterfly for each of the log2 n bits of the middle index; a pass over the memory does as many of
them as a block can hold.
"""

import functools
from typing import NamedTuple

from structmat._backend import gpu
from structmat._backend.arrays import namespace_of, require_cupy

__all__ = ["INSTANCES", "Pass", "cost", "fwht", "passes"]

LINE = 128  # bytes that a warp should move side by side
CHUNK = 12  # log2 of the largest chunk of which many share a multiprocessor: work hides loads
STRIP = 5  # bits that a pass down the columns takes at least: fewer leave its threads idle

# (threads, budget of registers) for elements of 4 and of 8 bytes, by log2 of the elements
# of a chunk (fwht_rows) or of the rows of a tile (fwht_columns). The threads are the launch bounds
# of the source. The budgets leave a little above what NVRTC 13.5 takes for sm_80 and sm_90, up to
# what the launch bounds allow.
_RESOURCES = {
    ("fwht_rows", 4): {12: (256, 48), 13: (256, 72), 14: (512, 72), 15: (512, 128)},
    ("fwht_rows", 8): {12: (256, 64), 13: (256, 128), 14: (512, 128)},
    ("fwht_columns", 4): {
        3: (128, 40),
        5: (128, 64),
        6: (256, 48),
        7: (256, 64),
        8: (512, 64),
        9: (512, 64),
    },
    ("fwht_columns", 8): {
        3: (128, 56),
        5: (128, 128),
        6: (128, 64),
        7: (128, 64),
        8: (256, 64),
        9: (256, 128),
    },
}
_TALLEST = max(_RESOURCES["fwht_columns", 4])
_ARGUMENTS = {"fwht_rows": ("i64", "u32"), "fwht_columns": ("i64", "i64", "i32")}
_TYPES = {  # in C++, as an array and as a scalar argument, bytes
    "float32": ("float", "float*", "f32", 4),
    "float64": ("double", "double*", "f64", 8),
    "int64": ("long long", "i64*", "i64", 8),
}


def _shared(kernel, itemsize, size):
    """Bytes of shared memory of a block."""
    if kernel == "fwht_columns":  # the tile, where a thread does not hold its column alone
        return LINE << size if size > 5 else 0
    chunk = itemsize << size
    return chunk + chunk // LINE * itemsize  # one element of padding for each line


# `out` is not declared write-only, because it may be `x`.
INSTANCES = {
    (kernel, dtype, size): gpu.Instance(
        package=__package__,
        source="kernels.cu",
        name=f"{kernel}<{name}, {size}>",
        signature=(f"const {array}", array, *_ARGUMENTS[kernel], scalar),
        threads=threads,
        shared=_shared(kernel, itemsize, size),
        registers=registers,
    )
    for dtype, (name, array, scalar, itemsize) in _TYPES.items()
    for kernel in _ARGUMENTS
    for size, (threads, registers) in _RESOURCES[kernel, itemsize].items()
}


class Pass(NamedTuple):
    """One launch: each element is read once and written once."""

    kernel: str
    size: int  # log2 of the elements of a chunk, or of the rows of a tile
    grid: int
    numbers: tuple[int, ...]  # the arguments between the arrays and the scale


@functools.lru_cache(maxsize=1024)
def passes(outer, n, inner, itemsize, shared=gpu.MAX_SHARED):
    """The launches that transform an array of shape (outer, n, inner), in their order.

    Parameters
    ----------
    outer, n, inner : int
        n is a power of two.
    itemsize : int
        Bytes of an element, 4 or 8.
    shared : int
        Bytes of shared memory that a block may have on the device.

    Returns
    -------
    tuple of Pass
        Empty when there is nothing to transform.

    Notes
    -----
    `fwht_rows` does low bits of the index, up to 2^15 elements of 4 bytes or 2^14 of 8 on a large
    GPU, of which an inner dimension takes its share. `fwht_columns` does up to 9 bits a pass at any
    stride. The fewest passes win; among equals the rows where the inner dimension is narrower than
    a line, else the columns. To run both passes on pieces that stay in the L2 cache would need
    launches of some 5 microseconds each, less than Python takes to make them.
    """
    bits, count = n.bit_length() - 1, outer * n * inner
    if not bits or not count:
        return ()
    sizes = [
        size
        for size in _RESOURCES["fwht_rows", itemsize]
        if _shared("fwht_rows", itemsize, size) <= shared
    ]
    skip, reach = inner.bit_length() - 1, max(sizes)
    tall = -(-bits // _TALLEST)  # passes by columns alone
    low = 0  # bits that the rows do
    # Packets must be whole, and 2 rows of n = 2 floats make one; a stride needs a power of two.
    if inner == 1 << skip and skip < reach and count * itemsize % gpu.ALIGNMENT == 0:
        rest = max(0, -(-(bits + skip - reach) // _TALLEST))  # passes by columns above the rows
        if rest + 1 < tall + (inner * itemsize < LINE):
            tall = rest
            high = min(rest * _TALLEST, max(STRIP, bits + skip - CHUNK)) if rest else 0
            low = bits - high
    plan = []
    below = bits
    for k in range(tall):  # the high bits first, evenly
        some = -(-(below - low) // (tall - k))
        below -= some
        plan.append(_columns(count, 1 << some, inner << below, itemsize))
    if low:
        size = min(size for size in sizes if size >= low + skip)
        plan.append(Pass("fwht_rows", size, -(-count >> size), (count, ((1 << low) - 1) << skip)))
    return tuple(plan)


def _columns(count, n, inner, itemsize):
    """The pass along the middle one of (count/(n inner), n, inner)."""
    size = min(size for size in _RESOURCES["fwht_columns", itemsize] if n <= 1 << size)
    threads, _ = _RESOURCES["fwht_columns", itemsize][size]
    width = LINE // itemsize if _shared("fwht_columns", itemsize, size) else threads
    columns = count // n
    return Pass("fwht_columns", size, -(-columns // width), (columns, inner, n))


def fwht(x, out, outer, n, inner, scale):
    """out = scale * (I_outer ⊗ H_n ⊗ I_inner) x, H_n in natural order.

    x and out are C-contiguous CuPy arrays of outer*n*inner elements of one dtype among float32,
    float64 and int64; out may be x, and overlaps it in no other way. `scale` is a float, an int for
    int64. Nothing is allocated, except that an `out` off the 16-byte grid (of packets, and of the
    launcher) costs a copy of the array; an x off it is first copied to out.
    """
    plan = passes(outer, n, inner, x.dtype.itemsize, _shared_limit())
    if not plan:
        if n == 1 and (scale != 1 or x is not out):
            namespace_of(x).multiply(x.reshape(-1), scale, out.reshape(-1))
        return
    source, target = x, out
    if not _aligned(out):
        target = namespace_of(x).empty(out.size, out.dtype)
    if not _aligned(x):
        target.reshape(-1)[:] = x.reshape(-1)
        source = target
    for k, (kernel, size, grid, numbers) in enumerate(plan, 1):
        factor = scale if k == len(plan) else type(scale)(1)
        instance = INSTANCES[kernel, x.dtype.name, size]
        gpu.launch(instance, grid, (source, target, *numbers, factor))
        source = target
    if target is not out:
        out.reshape(-1)[:] = target


def _aligned(x):
    return x.data.ptr % gpu.ALIGNMENT == 0


def _shared_limit():
    cp = require_cupy()
    return _shared_of(cp, cp.cuda.runtime.getDevice())


@functools.cache
def _shared_of(cp, device):
    return cp.cuda.Device(device).attributes["MaxSharedMemoryPerBlockOptin"]


def cost(outer, n, inner, itemsize):
    """(operations, bytes): the additions, and one read and one write of every element."""
    count = outer * n * inner
    return count * (n.bit_length() - 1), 2 * count * itemsize
