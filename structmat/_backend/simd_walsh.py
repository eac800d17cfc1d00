"""Vector instructions for Walsh-Hadamard kernels: butterflies of several vectors in registers.

The companion of `simd`, with the same manners: LLVM vector code for the widest vectors of this
machine, arrays that are one-dimensional and contiguous (float32, float64 or int64), offsets that
count elements, and no checks. Numba is imported here: reach this file through `cpu.deferred`.

An in-place loop over a strided butterfly defeats LLVM's alias analysis and stays scalar; written
with these it runs at the speed of the caches. Each is one LLVM function that loops over vectors,
not code that is inlined at every use, which takes several times as long to compile.
"""

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from structmat._backend import simd

__all__ = ["BASE", "base", "lane_base", "lanes", "radix"]

# Vectors in the registers of a base case: half of the 32 that AVX-512 has, or of 16.
BASE = 16 if simd.BYTES == 64 else 8


def _vector(dtype):
    """(LLVM vector type, lanes, alignment) of float32, float64 or int64."""
    if dtype == types.int64:
        return ir.VectorType(ir.IntType(64), simd.BYTES // 8), simd.BYTES // 8, 8
    return simd._vector(dtype)


def _is_float(v):
    return not isinstance(v.type.element, ir.IntType)


def _butterflies(builder, v):
    """H of order len(v) over a list of vectors."""
    add, sub = (builder.fadd, builder.fsub) if _is_float(v[0]) else (builder.add, builder.sub)
    v, h = list(v), 1
    while h < len(v):
        for i in range(0, len(v), 2 * h):
            for j in range(i, i + h):
                v[j], v[j + h] = add(v[j], v[j + h]), sub(v[j], v[j + h])
        h *= 2
    return v


def _lane_butterfly(builder, v, h):
    """H of order 2 between lanes h apart: (+v or -v, by lane) + the partner's lane."""
    width = v.type.count
    mask = ir.Constant(ir.VectorType(ir.IntType(32), width), [j ^ h for j in range(width)])
    partner = builder.shuffle_vector(v, v, mask)
    one = 1.0 if _is_float(v) else 1
    sign = ir.Constant(v.type, [-one if j & h else one for j in range(width)])
    if not _is_float(v):
        return builder.add(builder.mul(v, sign), partner)
    # A product with +-1 is exact: fused or not, the sum is the same.
    return builder.fadd(builder.fmul(v, sign, flags=("contract",)), partner, flags=("contract",))


@intrinsic
def lanes(typingctx, array):
    """Elements of a vector for the dtype of `array` (a constant in compiled code)."""
    width = _vector(array.dtype)[1]

    def codegen(context, builder, signature, args):
        return ir.Constant(ir.IntType(64), width)

    return types.int64(array), codegen


def _function(module, name, dtype, numbers):
    """(function, builder, is new): void name(source, target, numbers ...), once a module."""
    name = f"structmat_walsh_{dtype}_{simd.BYTES}_{name}"
    if name in module.globals:
        return module.globals[name], None
    pointer, i64 = _vector(dtype)[0].element.as_pointer(), ir.IntType(64)
    kind = ir.FunctionType(ir.VoidType(), [pointer, pointer] + [i64] * numbers)
    function = ir.Function(module, kind, name)
    function.linkage = "linkonce_odr"
    function.attributes.add("noinline")
    return function, ir.IRBuilder(function.append_basic_block())


def _radix_function(module, dtype, radix):
    function, builder = _function(module, f"radix{radix}", dtype, 2)
    if builder is None:
        return function
    vector, width, align = _vector(dtype)
    source, target, h, vectors = function.args
    rows = [builder.mul(h, simd._index(h, k)) for k in range(radix)]
    with cgutils.for_range(builder, vectors, intp=h.type) as loop:
        c = builder.mul(loop.index, simd._index(h, width))
        places = [builder.add(row, c) for row in rows]
        v = [simd._load(builder, builder.gep(source, [i]), vector, align) for i in places]
        for value, i in zip(_butterflies(builder, v), places):
            simd._store(builder, value, builder.gep(target, [i]), align)
    builder.ret_void()
    return function


def _base_function(module, dtype, vectors, nearest, order):
    name = f"base{vectors}_{nearest}_{order}"
    function, builder = _function(module, name, dtype, 1)
    if builder is None:
        return function
    vector, width, align = _vector(dtype)
    source, target, count = function.args
    with cgutils.for_range(builder, count, intp=count.type) as loop:
        start = builder.mul(loop.index, simd._index(count, vectors * width))
        places = [builder.add(start, simd._index(count, k * width)) for k in range(vectors)]
        v = []
        for i in places:
            value = simd._load(builder, builder.gep(source, [i]), vector, align)
            h = nearest
            while h < min(order or width, width):
                value = _lane_butterfly(builder, value, h)
                h *= 2
            v.append(value)
        for value, i in zip(_butterflies(builder, v), places):
            simd._store(builder, value, builder.gep(target, [i]), align)
    builder.ret_void()
    return function


def _make(build, variants, numbers):
    """An intrinsic f(source, target, i, which, *numbers) that calls variant `which`."""

    def codegen(context, builder, signature, args):
        source, target, i, which, *rest = args
        dtype = signature.args[0].dtype
        pointers = [
            simd._start(context, builder, signature.args[k], array, i)
            for k, array in enumerate((source, target))
        ]
        end = builder.append_basic_block()
        switch = builder.switch(which, end)
        for value, arguments in variants.items():
            block = builder.append_basic_block()
            switch.add_case(ir.Constant(which.type, value), block)
            with builder.goto_block(block):
                builder.call(build(builder.module, dtype, *arguments), [*pointers, *rest])
                builder.branch(end)
        builder.position_at_end(end)
        return context.get_dummy_value()

    def typed(source, target):
        return types.void(source, target, *[types.int64] * (2 + numbers))

    return typed, codegen


_radices = _make(_radix_function, {r: (r,) for r in (2, 4, 8, 16)}, 2)
_bases = _make(_base_function, {v: (v, 1, 0) for v in (1, 2, 4, 8, 16)}, 1)
_lanes = _make(_base_function, {0: (1, 2, 0)} | {n: (1, 1, n) for n in (2, 4, 8)}, 1)


@intrinsic
def radix(typingctx, source, target, i, which, h, vectors):
    """H of order `which` (2, 4, 8, 16) on rows h apart: `vectors` vectors from offset i on."""
    typed, codegen = _radices
    return typed(source, target), codegen


@intrinsic
def base(typingctx, source, target, i, which, count):
    """H of `which` (1, 2, 4, 8, 16) contiguous vectors, in registers, `count` times."""
    typed, codegen = _bases
    return typed(source, target), codegen


@intrinsic
def lane_base(typingctx, source, target, i, which, count):
    """H of order `which` (2, 4, 8) within `count` vectors; 0: all levels but the lowest (pairs)."""
    typed, codegen = _lanes
    return typed(source, target), codegen


# ------------------------------------------------------------- the same in Python


def _plain_lanes(array):
    return simd.BYTES // array.itemsize


def _levels(v, nearest, furthest):
    h = nearest
    while h < furthest:
        v = v.reshape(-1, 2, h)
        v = np.stack([v[:, 0] + v[:, 1], v[:, 0] - v[:, 1]], 1)
        h *= 2
    return v.reshape(-1)


def _plain_radix(source, target, i, which, h, vectors):
    width = vectors * _plain_lanes(source)
    places = i + h * np.arange(which)[:, None] + np.arange(width)
    target.put(places, _levels(source.take(places).reshape(-1), width, which * width))


def _plain_base(source, target, i, which, count, nearest=1, furthest=None):
    size = which * _plain_lanes(source)
    for start in range(i, i + count * size, size):
        span = start + np.arange(size)
        target.put(span, _levels(source.take(span), nearest, furthest or size))


def _plain_lane_base(source, target, i, which, count):
    width = _plain_lanes(source)
    furthest = min(which, width) if which else width
    _plain_base(source, target, i, 1, count, 1 if which else 2, furthest)


if numba.config.DISABLE_JIT:
    # Kernels are Python functions then, for debugging and to have every index checked.
    lanes, radix, base, lane_base = _plain_lanes, _plain_radix, _plain_base, _plain_lane_base
