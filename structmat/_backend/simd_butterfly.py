"""Vector instructions for butterfly kernels: products with many 2 x 2 blocks, stages in registers.

The companion of `simd`, with the same manners: LLVM vector code for the widest vectors of this
machine, arrays that are one-dimensional and contiguous, of float32 or float64, offsets that count
elements, and no checks. Numba is imported here: reach this file through `cpu.deferred`.

A *group* is up to three successive stages, done while 2, 4 or 8 rows are in registers: h apart are
the rows of its narrowest stage, 2h and 4h those of the others. Ascending groups begin with the
narrowest (rows h apart), descending ones, which transposed butterflies have, with the widest.

- `rows`: a block of columns. Coefficients are read as they are stored, four numbers a 2 x 2 block.
- `line`: one column. Coefficients, which are all the traffic then, are packed in the order of use:
  for every pair of vectors the vectors of entries 00, 01, 10, 11.
- `lanes_of`: the stages within a vector, in one column: out = A * x + B * (x with lanes swapped).
"""

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from structmat._backend import simd

__all__ = ["lanes", "lanes_of", "line", "rows"]

lanes = simd.lanes
_FUSE = ("contract",)  # a product and a sum in one instruction where the machine has one


def pairs(stages, descending):
    """[(stage, first row, second row)] of a group in order: rows i and i + 2^stage of 2^stages."""
    order = range(stages)[::-1] if descending else range(stages)
    found = []
    for t in order:
        g = 1 << t
        for i in range(0, 1 << stages, 2 * g):
            found += [(t, j, j + g) for j in range(i, i + g)]
    return found


def _function(module, name, dtype, arrays, numbers):
    """(function, builder): void name(pointers ..., numbers ...); builder None if it is there."""
    name = f"structmat_butterfly_{dtype}_{simd.BYTES}_{name}"
    if name in module.globals:
        return module.globals[name], None
    pointer, i64 = simd._vector(dtype)[0].element.as_pointer(), ir.IntType(64)
    kind = ir.FunctionType(ir.VoidType(), [pointer] * arrays + [i64] * numbers)
    function = ir.Function(module, kind, name)
    function.linkage = "linkonce_odr"
    function.attributes.add("noinline")
    return function, ir.IRBuilder(function.append_basic_block())


def _sum(builder, a, x, b, y):
    """a x + b y, of which one product is fused with the sum."""
    products = (builder.fmul(p, q, flags=_FUSE) for p, q in ((a, x), (b, y)))
    return builder.fadd(*products, flags=_FUSE)


def _pair(builder, a, b, c, d, x, y):
    """(a x + b y, c x + d y)."""
    return _sum(builder, a, x, b, y), _sum(builder, c, x, d, y)


def _splat(builder, value, vector):
    lane0 = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), [0] * vector.count)
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.IntType(32)(0))
    return builder.shuffle_vector(one, one, lane0)


def _rows_function(module, dtype, stages, descending):
    """void (source, target, values, lds, ldt, h, size, count, vectors); see `rows`."""
    name = f"rows{stages}_{'down' if descending else 'up'}"
    function, builder = _function(module, name, dtype, 3, 6)
    if builder is None:
        return function
    vector, width, align = simd._vector(dtype)
    source, target, values, lds, ldt, h, size, count, vectors = function.args
    order = pairs(stages, descending)
    radix = 1 << stages

    def at(number, k):
        return builder.mul(number, simd._index(number, k))

    with cgutils.for_range(builder, count, intp=h.type) as rows:
        l = rows.index
        # Pair (j, j + 2^t) of stage t is block (j >> t + 1) h 2^t + (j mod 2^t) h + l of the stage.
        blocks = [
            builder.add(
                builder.add(at(size, t), at(h, 4 * ((j >> (t + 1) << t) + j % (1 << t)))), at(l, 4)
            )
            for t, j, _ in order
        ]
        blocks = [builder.gep(values, [b]) for b in blocks]
        inputs = [
            builder.gep(source, [builder.mul(builder.add(at(h, j), l), lds)]) for j in range(radix)
        ]
        outputs = [
            builder.gep(target, [builder.mul(builder.add(at(h, j), l), ldt)]) for j in range(radix)
        ]

        def columns(first, some):
            """`some` vectors of columns from `first` on."""
            places = [builder.add(first, simd._index(first, u * width)) for u in range(some)]
            v = [
                [simd._load(builder, builder.gep(x, [p]), vector, align) for p in places]
                for x in inputs
            ]
            for (_, i, j), block in zip(order, blocks):
                entries = [
                    _splat(builder, builder.load(builder.gep(block, [simd._index(h, e)])), vector)
                    for e in range(4)
                ]
                for u in range(some):
                    v[i][u], v[j][u] = _pair(builder, *entries, v[i][u], v[j][u])
            for row, y in zip(v, outputs):
                for value, p in zip(row, places):
                    simd._store(builder, value, builder.gep(y, [p]), align)

        together = 2 if simd.BYTES == 64 or stages < 3 else 1
        whole = builder.sdiv(vectors, simd._index(vectors, together))
        with cgutils.for_range(builder, whole, intp=h.type) as loop:
            columns(at(loop.index, together * width), together)
        if together == 2:
            odd = builder.and_(vectors, simd._index(vectors, 1))
            with builder.if_then(builder.icmp_signed("!=", odd, simd._index(odd, 0))):
                columns(at(builder.sub(vectors, odd), width), 1)
    builder.ret_void()
    return function


def _line_function(module, dtype, stages, descending):
    """void (source, target, packed, h, vectors); see `line`."""
    name = f"line{stages}_{'down' if descending else 'up'}"
    function, builder = _function(module, name, dtype, 3, 2)
    if builder is None:
        return function
    vector, width, align = simd._vector(dtype)
    source, target, packed, h, vectors = function.args
    order = pairs(stages, descending)
    step = 4 * len(order) * width
    starts = [builder.mul(h, simd._index(h, j)) for j in range(1 << stages)]
    with cgutils.for_range(builder, vectors, intp=h.type) as loop:
        c = builder.mul(loop.index, simd._index(h, width))
        places = [builder.add(start, c) for start in starts]
        v = [simd._load(builder, builder.gep(source, [p]), vector, align) for p in places]
        entry = builder.gep(packed, [builder.mul(loop.index, simd._index(h, step))])
        for n, (_, i, j) in enumerate(order):
            entries = [
                simd._load(
                    builder,
                    builder.gep(entry, [simd._index(h, (4 * n + e) * width)]),
                    vector,
                    align,
                )
                for e in range(4)
            ]
            v[i], v[j] = _pair(builder, *entries, v[i], v[j])
        for value, p in zip(v, places):
            simd._store(builder, value, builder.gep(target, [p]), align)
    builder.ret_void()
    return function


def _lanes_function(module, dtype, descending):
    """void (source, target, packed, count); see `lanes_of`."""
    name = f"lanes_{'down' if descending else 'up'}"
    function, builder = _function(module, name, dtype, 3, 1)
    if builder is None:
        return function
    vector, width, align = simd._vector(dtype)
    source, target, packed, count = function.args
    stages = width.bit_length() - 1
    order = range(stages)[::-1] if descending else range(stages)
    with cgutils.for_range(builder, count, intp=count.type) as loop:
        place = builder.mul(loop.index, simd._index(count, width))
        v = simd._load(builder, builder.gep(source, [place]), vector, align)
        entry = builder.gep(packed, [builder.mul(place, simd._index(count, 2 * stages))])
        for n, t in enumerate(order):
            mask = [j ^ (1 << t) for j in range(width)]
            swapped = builder.shuffle_vector(
                v, v, ir.Constant(ir.VectorType(ir.IntType(32), width), mask)
            )
            a, b = (
                simd._load(
                    builder,
                    builder.gep(entry, [simd._index(count, (2 * n + e) * width)]),
                    vector,
                    align,
                )
                for e in range(2)
            )
            v = _sum(builder, a, v, b, swapped)
        simd._store(builder, v, builder.gep(target, [place]), align)
    builder.ret_void()
    return function


def _make(build, variants, numbers):
    """An intrinsic f(source, i, target, j, packed, p, which, *numbers) calling variant `which`."""

    def codegen(context, builder, signature, args):
        source, i, target, j, packed, p, which, *rest = args
        dtype = signature.args[0].dtype
        pointers = [
            simd._start(context, builder, signature.args[k], array, offset)
            for k, array, offset in ((0, source, i), (2, target, j), (4, packed, p))
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

    def typed(source, target, packed):
        i64 = types.int64
        return types.void(source, i64, target, i64, packed, i64, *[i64] * (1 + numbers))

    return typed, codegen


# `which` is the number of stages of a group, negative for a descending one.
_GROUPS = {s: (s, False) for s in (1, 2, 3)} | {-s: (s, True) for s in (1, 2, 3)}
_rows = _make(_rows_function, _GROUPS, 6)
_line = _make(_line_function, _GROUPS, 2)
_lanes = _make(_lanes_function, {1: (False,), -1: (True,)}, 1)


@intrinsic
def rows(typingctx, source, i, target, j, values, p, which, lds, ldt, h, size, count, vectors):
    """A group on rows l, l + h, l + 2h ... for l < `count`: `vectors` vectors of columns.

    Rows of source and target are `lds` and `ldt` apart; `size` numbers lie between the blocks of
    one stage, in `values`, and those of the next wider one. Target may be source.
    """
    typed, codegen = _rows
    return typed(source, target, values), codegen


@intrinsic
def line(typingctx, source, i, target, j, packed, p, which, h, vectors):
    """A group on one column: `vectors` vectors, h entries between rows."""
    typed, codegen = _line
    return typed(source, target, packed), codegen


@intrinsic
def lanes_of(typingctx, source, i, target, j, packed, p, which, count):
    """All stages within `count` vectors of one column; `which` is 1, or -1 if descending."""
    typed, codegen = _lanes
    return typed(source, target, packed), codegen


# ------------------------------------------------------------- the same in Python


def _plain_rows(source, i, target, j, values, p, which, lds, ldt, h, size, count, vectors):
    w = vectors * simd._plain_lanes(source) if vectors else 0
    stages = abs(which)
    for l in range(count):
        v = [
            source[i + (r * h + l) * lds : i + (r * h + l) * lds + w].copy()
            for r in range(1 << stages)
        ]
        for t, r, s in pairs(stages, which < 0):
            at = p + t * size + 4 * (((r >> (t + 1) << t) + r % (1 << t)) * h + l)
            a, b, c, d = values[at : at + 4]
            v[r], v[s] = a * v[r] + b * v[s], c * v[r] + d * v[s]
        for r, row in enumerate(v):
            target[j + (r * h + l) * ldt : j + (r * h + l) * ldt + w] = row


def _plain_line(source, i, target, j, packed, p, which, h, vectors):
    width = simd._plain_lanes(source)
    order = pairs(abs(which), which < 0)
    for c in range(vectors):
        v = [
            source[i + r * h + c * width : i + r * h + (c + 1) * width].copy()
            for r in range(1 << abs(which))
        ]
        for n, (_, r, s) in enumerate(order):
            at = p + (c * len(order) + n) * 4 * width
            a, b, e, d = packed[at : at + 4 * width].reshape(4, width)
            v[r], v[s] = a * v[r] + b * v[s], e * v[r] + d * v[s]
        for r, row in enumerate(v):
            target[j + r * h + c * width : j + r * h + (c + 1) * width] = row


def _plain_lanes_of(source, i, target, j, packed, p, which, count):
    width = simd._plain_lanes(source)
    stages = width.bit_length() - 1
    order = range(stages)[::-1] if which < 0 else range(stages)
    for c in range(count):
        v = source[i + c * width : i + (c + 1) * width].copy()
        at = p + c * width * 2 * stages
        for t in order:
            a, b = packed[at : at + 2 * width].reshape(2, width)
            v = a * v + b * v[np.arange(width) ^ (1 << t)]
            at += 2 * width
        target[j + c * width : j + (c + 1) * width] = v


if numba.config.DISABLE_JIT:
    # Kernels are Python functions then, for debugging and to have every index checked.
    rows, line, lanes_of = _plain_rows, _plain_line, _plain_lanes_of
