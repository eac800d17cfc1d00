"""Vector instructions for Numba kernels: a register tile of a product, a copy, a transposition.

Each intrinsic emits LLVM vector code for the widest vectors of this machine (64 bytes with AVX-512,
32 with AVX, else 16). It trusts its arguments as a C pointer would, so a kernel calls the functions
below the line, which take any width and size: whole vectors go through the intrinsics, what is left
over is done element by element. Numba is imported here: reach this file through `cpu.deferred`.

All arrays are one-dimensional and contiguous, of float32 or float64; offsets count elements.
"""

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.codegen import get_host_cpu_features
from numba.extending import intrinsic

__all__ = ["copy_block", "gemm", "gemm_packed", "lanes", "transpose_block"]


def _features():
    """Features of the CPU that Numba compiles for, which the user may have restricted."""
    if numba.config.CPU_FEATURES is not None:
        return numba.config.CPU_FEATURES
    return get_host_cpu_features()


def _target():
    """(bytes of a vector, rows of a register tile) for this machine."""
    features = _features().split(",")
    if "+avx512f" in features:
        return 64, 8  # 32 registers: 8x3 sums, 3 of B, 1 of A
    if "+avx" in features:
        return 32, 4  # 16 registers: 4x3 sums, 3 of B, 1 of A
    return 16, 4


BYTES, ROWS = _target()
HALF = ROWS // 2


def _vector(dtype):
    """(LLVM vector type, number of lanes, alignment of an element) for an element type."""
    if dtype not in (types.float32, types.float64):
        raise numba.errors.TypingError(f"vector kernels take float32 and float64, not {dtype}")
    size = dtype.bitwidth // 8
    element = ir.FloatType() if size == 4 else ir.DoubleType()
    return ir.VectorType(element, BYTES // size), BYTES // size, size


def _start(context, builder, array_type, array, offset):
    """Pointer to element `offset` of an array."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [offset])


def _load(builder, pointer, vector, align):
    return builder.load(builder.bitcast(pointer, vector.as_pointer()), align=align)


def _store(builder, value, pointer, align):
    builder.store(value, builder.bitcast(pointer, value.type.as_pointer()), align=align)


def _index(offset, value):
    return ir.Constant(offset.type, value)


@intrinsic
def lanes(typingctx, array):
    """Elements of a vector for the dtype of `array` (a constant in compiled code)."""
    width = _vector(array.dtype)[1]

    def codegen(context, builder, signature, args):
        return ir.Constant(ir.IntType(64), width)

    return types.int64(array), codegen


def _make_tile(rows, vectors, full):
    """C[i, :] = sum_k A[i, k] B[k, :], whole vectors; m <= rows, or a multiple of it if full.

    For `batch` pairs of B and C, step_b and step_c apart, with one A: a call for each would cost as
    much as the arithmetic of an 8x8 factor.
    """

    @intrinsic
    def tile(typingctx, A, ia, lda, m, B, ib, ldb, C, ic, ldc, n, batch, step_b, step_c):
        i64 = types.int64
        signature = types.void(A, *[i64] * 3, B, i64, i64, C, *[i64] * 6)
        dtype = A.dtype

        def codegen(context, builder, signature, args):
            A, ia, lda, m, B, ib, ldb, C, ic, ldc, n, batch, step_b, step_c = args
            function = _tile_function(builder.module, dtype, rows, vectors, full)
            left = _start(context, builder, signature.args[0], A, ia)
            right = _start(context, builder, signature.args[4], B, ib)
            out = _start(context, builder, signature.args[7], C, ic)
            builder.call(function, [left, lda, right, ldb, out, ldc, n, m, batch, step_b, step_c])
            return context.get_dummy_value()

        return signature, codegen

    return tile


def _tile_function(module, dtype, rows, vectors, full):
    """The LLVM function of a tile, once a module: inlined at every use it took 29 s to compile."""
    name = f"structmat_tile_{dtype}_{BYTES}_{rows}_{vectors}_{'full' if full else 'part'}"
    if name in module.globals:
        return module.globals[name]
    vector, width, align = _vector(dtype)
    pointer, i64 = vector.element.as_pointer(), ir.IntType(64)
    function = ir.Function(
        module,
        ir.FunctionType(ir.VoidType(), [pointer, i64] * 3 + [i64] * 5),
        name,
    )
    function.linkage = "linkonce_odr"
    function.attributes.add("noinline")
    left, lda, right, ldb, out, ldc, n, m, batch, step_b, step_c = function.args
    builder = ir.IRBuilder(function.append_basic_block())
    sums = [[cgutils.alloca_once(builder, vector) for _ in range(vectors)] for _ in range(rows)]
    lane0 = ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width)

    def block(left, right, out):
        last = builder.sub(m, _index(m, 1))
        sources = []
        for i in range(rows):
            row = _index(m, i)
            if not full:
                # A tile of fewer rows reads its last row again and does not store the copies: no
                # read leaves A, and the loop over k stays free of branches.
                row = builder.select(builder.icmp_signed("<", row, last), row, last)
            sources.append(builder.gep(left, [builder.mul(row, lda)]))
        for row in sums:
            for s in row:
                builder.store(ir.Constant(vector, [0.0] * width), s)
        with cgutils.for_range(builder, n, intp=i64) as loop:
            accumulate(loop.index, sources, right)
        for i, row in enumerate(sums):
            if full:
                write(out, i, row)
            else:
                with builder.if_then(builder.icmp_signed("<", _index(m, i), m), likely=True):
                    write(out, i, row)

    def accumulate(k, sources, right):
        start = builder.gep(right, [builder.mul(k, ldb)])
        b = [
            _load(builder, builder.gep(start, [_index(k, u * width)]), vector, align)
            for u in range(vectors)
        ]
        for source, row in zip(sources, sums):
            a = builder.load(builder.gep(source, [k]), align=align)
            a = builder.insert_element(
                ir.Constant(vector, ir.Undefined), a, ir.Constant(ir.IntType(32), 0)
            )
            a = builder.shuffle_vector(a, a, lane0)
            for u, s in enumerate(row):
                # "contract" makes one fused instruction where the CPU has it, and needs no library
                # call where it has not.
                product = builder.fmul(a, b[u], flags=("contract",))
                value = builder.fadd(builder.load(s), product, flags=("contract",))
                builder.store(value, s)

    def write(out, i, row):
        target = builder.gep(out, [builder.mul(ldc, _index(m, i))])
        for u, s in enumerate(row):
            _store(builder, builder.load(s), builder.gep(target, [_index(m, u * width)]), align)

    with cgutils.for_range(builder, batch, intp=i64) as loop:
        b = builder.gep(right, [builder.mul(loop.index, step_b)])
        c = builder.gep(out, [builder.mul(loop.index, step_c)])
        if full:
            with cgutils.for_range(builder, builder.sdiv(m, _index(m, rows)), intp=i64) as inner:
                first = builder.mul(inner.index, _index(m, rows))
                block(
                    builder.gep(left, [builder.mul(first, lda)]),
                    b,
                    builder.gep(c, [builder.mul(first, ldc)]),
                )
        else:
            block(left, b, c)
    builder.ret_void()
    return function


full3, full2, full1 = (_make_tile(ROWS, u, True) for u in (3, 2, 1))
part2, part1 = (_make_tile(ROWS, u, False) for u in (2, 1))
half2, half1 = (_make_tile(HALF, u, False) for u in (2, 1))


@intrinsic
def copy_vector(typingctx, source, i, target, j):
    """target[j : j + lanes] = source[i : i + lanes]."""
    signature = types.void(source, types.int64, target, types.int64)
    vector, _, align = _vector(source.dtype)

    def codegen(context, builder, signature, args):
        source, i, target, j = args
        value = _load(
            builder, _start(context, builder, signature.args[0], source, i), vector, align
        )
        _store(builder, value, _start(context, builder, signature.args[2], target, j), align)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def transpose_vectors(typingctx, source, i, lds, target, j, ldt):
    """target[j + c*ldt + r] = source[i + r*lds + c] for r, c < lanes, in registers."""
    i64 = types.int64
    signature = types.void(source, i64, i64, target, i64, i64)
    vector, width, align = _vector(source.dtype)

    def codegen(context, builder, signature, args):
        source, i, lds, target, j, ldt = args
        first = _start(context, builder, signature.args[0], source, i)
        v = [
            _load(builder, builder.gep(first, [builder.mul(lds, _index(i, r))]), vector, align)
            for r in range(width)
        ]
        # Exchange the off-diagonal halves of every 2h x 2h block, h = 1, 2, 4 ...
        h = 1
        while h < width:
            mask_type = ir.VectorType(ir.IntType(32), width)
            low = [c if not c & h else width + c - h for c in range(width)]
            high = [c + h if not c & h else width + c for c in range(width)]
            for r in range(width):
                if not r & h:
                    a, b = v[r], v[r + h]
                    v[r] = builder.shuffle_vector(a, b, ir.Constant(mask_type, low))
                    v[r + h] = builder.shuffle_vector(a, b, ir.Constant(mask_type, high))
            h *= 2
        first = _start(context, builder, signature.args[3], target, j)
        for c in range(width):
            _store(builder, v[c], builder.gep(first, [builder.mul(ldt, _index(i, c))]), align)
        return context.get_dummy_value()

    return signature, codegen


# ------------------------------------------------------------- the same in Python


def _span(start, n):
    return np.arange(start, start + n)


def _plain_lanes(array):
    return BYTES // array.itemsize


def _plain_tile(vectors):
    def tile(A, ia, lda, m, B, ib, ldb, C, ic, ldc, n, batch, step_b, step_c):
        w = vectors * lanes(A)
        for t in range(batch):
            b = [B.take(_span(ib + t * step_b + k * ldb, w)) for k in range(n)]
            for i in range(m):
                a = A.take(_span(ia + i * lda, n))
                C.put(_span(ic + t * step_c + i * ldc, w), sum(x * y for x, y in zip(a, b)))

    return tile


def _plain_copy(source, i, target, j):
    target.put(_span(j, lanes(source)), source.take(_span(i, lanes(source))))


def _plain_transpose(source, i, lds, target, j, ldt):
    v = lanes(source)
    for r in range(v):
        target.put(j + r + _span(0, v) * ldt, source.take(_span(i + r * lds, v)))


if numba.config.DISABLE_JIT:
    # Kernels are Python functions then, for debugging and to have every index checked.
    lanes, copy_vector, transpose_vectors = _plain_lanes, _plain_copy, _plain_transpose
    full3, full2, full1 = (_plain_tile(u) for u in (3, 2, 1))
    part2, part1, half2, half1 = (_plain_tile(u) for u in (2, 1, 2, 1))


# ------------------------------------------------------------- what kernels call: any size


@numba.njit(nogil=True, forceinline=True)
def _columns(A, ia, lda, m, B, ib, ldb, C, ic, ldc, n, vectors, batch, step_b, step_c):
    """One column of tiles: m rows, 1 to 3 vectors wide."""
    i = m // ROWS * ROWS
    if i and vectors == 3:
        full3(A, ia, lda, i, B, ib, ldb, C, ic, ldc, n, batch, step_b, step_c)
    elif i and vectors == 2:
        full2(A, ia, lda, i, B, ib, ldb, C, ic, ldc, n, batch, step_b, step_c)
    elif i:
        full1(A, ia, lda, i, B, ib, ldb, C, ic, ldc, n, batch, step_b, step_c)
    rows = m - i
    a = ia + i * lda
    done = 0
    while rows and done < vectors:
        b = ib + done * lanes(A)
        c = ic + i * ldc + done * lanes(A)
        if vectors - done >= 2:
            if rows > HALF:
                part2(A, a, lda, rows, B, b, ldb, C, c, ldc, n, batch, step_b, step_c)
            else:
                half2(A, a, lda, rows, B, b, ldb, C, c, ldc, n, batch, step_b, step_c)
            done += 2
        else:
            if rows > HALF:
                part1(A, a, lda, rows, B, b, ldb, C, c, ldc, n, batch, step_b, step_c)
            else:
                half1(A, a, lda, rows, B, b, ldb, C, c, ldc, n, batch, step_b, step_c)
            done += 1


@numba.njit(nogil=True)
def gemm(A, ia, lda, m, B, ib, ldb, C, ic, ldc, n, w, batch, step_b, step_c):
    """C (m, w) = A (m, n) B (n, w): offsets ia ib ic, strides between rows lda ldb ldc; n >= 1.

    For `batch` pairs of B and C, step_b and step_c apart. C overlaps neither A nor B. Every entry
    is the same chain of n multiply-adds wherever its tile ends. Fast while the n rows of three
    vectors of B stay in the L1 cache: see `gemm_packed`.
    """
    v = lanes(A)
    c = 0
    while w >= v and c < w:
        # The last columns, where fewer than a vector, with finished ones before them.
        c = min(c, w - v)
        vectors = (w - c) // v
        # Four vectors go as 2 + 2: 3 + 1 would leave a tile with too few sums to hide the latency.
        vectors = 3 if vectors >= 3 and vectors != 4 else min(vectors, 2)
        _columns(A, ia, lda, m, B, ib + c, ldb, C, ic + c, ldc, n, vectors, batch, step_b, step_c)
        c += vectors * v
    if w < v:
        for t in range(batch):
            for i in range(m):
                for j in range(w):
                    b = ib + t * step_b + j
                    s = A[ia + i * lda] * B[b]
                    for k in range(1, n):
                        s += A[ia + i * lda + k] * B[b + k * ldb]
                    C[ic + t * step_c + i * ldc + j] = s


@numba.njit(nogil=True)
def gemm_packed(
    A, ia, lda, m, B, ib, ldb, C, ic, ldc, n, w, batch, step_b, step_c, panel, ip, columns
):
    """`gemm` through panels of `columns` columns of B, copied to panel[ip : ip + n * 2 * columns].

    For rows of B that are far apart: a power of two between them lets a handful of cache lines
    compete for all of them, and every row of tiles would fetch them again. ``columns = 0`` copies
    nothing (one call for both, because a second copy of `gemm` in a kernel costs a second to
    compile).
    """
    c = t = 0
    while t < batch:
        wide = w - c
        if columns == 0:
            source, b, ld, together = B, ib, ldb, batch
        else:
            if wide >= 2 * columns:
                wide = columns
            copy_block(B, ib + t * step_b + c, ldb, panel, ip, wide, n, wide)
            source, b, ld, together = panel, ip, wide, 1
        to = ic + t * step_c + c
        gemm(A, ia, lda, m, source, b, ld, C, to, ldc, n, wide, together, step_b, step_c)
        c += wide
        if c == w:
            c = 0
            t += together


@numba.njit(nogil=True)
def copy_block(source, i, lds, target, j, ldt, m, w):
    """target (m, w) = source (m, w), offsets i j, strides between rows lds ldt."""
    v = lanes(source)
    for r in range(m):
        c = 0
        while c + v <= w:
            copy_vector(source, i + r * lds + c, target, j + r * ldt + c)
            c += v
        while c < w:
            target[j + r * ldt + c] = source[i + r * lds + c]
            c += 1


@numba.njit(nogil=True)
def transpose_block(source, i, lds, target, j, ldt, m, w):
    """target (w, m) = source (m, w) transposed, offsets i j, strides between rows lds ldt."""
    v = lanes(source)
    r = 0
    while r + v <= m:
        c = 0
        while c + v <= w:
            transpose_vectors(source, i + r * lds + c, lds, target, j + c * ldt + r, ldt)
            c += v
        while c < w:
            for q in range(r, r + v):
                target[j + c * ldt + q] = source[i + q * lds + c]
            c += 1
        r += v
    while r < m:
        for c in range(w):
            target[j + c * ldt + r] = source[i + r * lds + c]
        r += 1
