"""Kernels of chains on the CPU: butterfly stages fused in registers, blocks by small products.

All arrays are one-dimensional; a block of k columns is (rows, k) in C order. Which kernel a factor
goes to, and how its numbers are laid out for it, is for `steps`.
"""

import numpy as np

from structmat._backend.cpu import deferred, jit

__all__ = [
    "block_columns",
    "block_wide",
    "blocks",
    "line",
    "line_loops",
    "loops",
    "stages_line",
    "stages_rows",
]

simd = deferred("structmat._backend.simd")
butterfly = deferred("structmat._backend.simd_butterfly")


# ------------------------------------------------------------- stages of 2 x 2 blocks


@jit
def stages_line(x, y, packed, passes, first, last, start, size):
    """Passes first .. last - 1 on entries start .. start + size of one column, from x to y.

    passes: rows (which, h, offset in packed, stages within a vector or 0), see `simd_butterfly`.
    A pass whose rows are further apart than `size` is done for these entries of its first row, and
    those below them of the others.
    """
    width = butterfly.lanes(x)
    source = x if first == 0 else y
    for g in range(first, last):
        which, h, at, inner = passes[g]
        if inner:
            p = at + start * 2 * inner
            butterfly.lanes_of(source, start, y, start, packed, p, which, size // width)
        else:
            fused = abs(which)
            for i in range(start, start + size, h << fused):
                skipped = i if size > h else i << fused
                p = at + skipped * 2 * fused
                butterfly.line(source, i, y, i, packed, p, which, h, min(h, size) // width)
        source = y


@jit
def line(x, y, packed, passes):
    """All of `stages_line`: with half of the arguments, which cost as much as a pass over 1,000."""
    stages_line(x, y, packed, passes, 0, passes.shape[0], 0, x.shape[0])


@jit
def stages_rows(
    X, ldx, Y, ldy, Z, ldz, values, passes, first, last, block, start, size, vectors, apart
):
    """Passes first .. last - 1 on rows start .. start + size, `block` rows after another.

    From X, which the first of all passes reads, to Z, which the last one writes, by way of Y (which
    may be either). passes: rows (which, h, offset in values of the narrowest stage); a pass whose
    rows are further apart than `block` is done as in `stages_line`.
    """
    count = passes.shape[0]
    for top in range(start, start + size, block):
        for g in range(first, last):
            which, h, at = passes[g]
            source, lds = (X, ldx) if g == 0 else (Y, ldy)
            target, ldt = (Z, ldz) if g == count - 1 else (Y, ldy)
            for i in range(top, top + block, h << abs(which)):
                p = at + (2 * i if block > h else 4 * i)
                butterfly.rows(
                    source, i * lds, target, i * ldt, values, p,
                    which, lds, ldt, h, apart, min(h, block), vectors,
                )  # fmt: skip


@jit
def widen(X, first, block):
    """Columns of X from `first` on to those of a block, and zeros to the rest of them."""
    n, k = X.shape
    for i in range(n):
        for j in range(first, k):
            block[i, j - first] = X[i, j]
        for j in range(k - first, block.shape[1]):
            block[i, j] = 0


@jit
def narrow(block, Y, first):
    """The first columns of a block to those of Y from `first` on."""
    n, k = Y.shape
    for i in range(n):
        for j in range(first, k):
            Y[i, j] = block[i, j - first]


# ------------------------------------------------------------- one factor (a, b, c, d)


@jit
def blocks(V, X, Y, b, c, d, k, first, last, panel, columns):
    """Blocks first .. last - 1 of the a d: Y[i, :, l] (b, k) = V[i, l] (b, c) X[i, :, l] (c, k)."""
    for block in range(first, last):
        i, l = block // d, block % d
        simd.gemm_packed(
            V, block * b * c, c, b, X, (i * c * d + l) * k, d * k, Y, (i * b * d + l) * k, d * k,
            c, k, 1, 0, 0, panel, 0, columns,
        )  # fmt: skip


# Arrays of several dimensions from here on: an index that is a sum may be negative for all that
# Numba knows, and the test for it keeps a loop from being vectorised (7 times slower).


@jit(fast=True)
def block_columns(W, x, y, first, last):
    """Blocks first .. last - 1 on one column, by columns of the block.

    W (a d, c, b), x (a, c, d), y (a, b, d).
    """
    _, c, b = W.shape
    d = x.shape[2]
    room = np.empty(b, y.dtype)
    for block in range(first, last):
        i, l = block // d, block % d
        for j in range(b):
            room[j] = 0
        whole = c // 4 * 4
        for k in range(0, whole, 4):
            x0, x1, x2, x3 = x[i, k, l], x[i, k + 1, l], x[i, k + 2, l], x[i, k + 3, l]
            for j in range(b):
                room[j] += (
                    W[block, k, j] * x0
                    + W[block, k + 1, j] * x1
                    + W[block, k + 2, j] * x2
                    + W[block, k + 3, j] * x3
                )
        for k in range(whole, c):
            x0 = x[i, k, l]
            for j in range(b):
                room[j] += W[block, k, j] * x0
        for j in range(b):
            y[i, j, l] = room[j]


@jit(fast=True)
def block_wide(W, x, y, first, last):
    """Rows first .. last - 1 of the a b of all blocks of one i, on one column.

    W (a b, c, d), x (a, c, d), y (a b, d).
    """
    _, c, d = W.shape
    b = W.shape[0] // x.shape[0]
    for row in range(first, last):
        i = row // b
        for l in range(d):
            y[row, l] = 0
        whole = c // 4 * 4
        for k in range(0, whole, 4):
            for l in range(d):
                y[row, l] += (
                    W[row, k, l] * x[i, k, l]
                    + W[row, k + 1, l] * x[i, k + 1, l]
                    + W[row, k + 2, l] * x[i, k + 2, l]
                    + W[row, k + 3, l] * x[i, k + 3, l]
                )
        for k in range(whole, c):
            for l in range(d):
                y[row, l] += W[row, k, l] * x[i, k, l]


@jit
def loops(V, X, Y, first, last):
    """`blocks` for small blocks of any dtype, without vectors of our own.

    V (a d, b, c), X (a, c, d, k), Y (a, b, d, k).
    """
    _, b, c = V.shape
    _, _, d, k = X.shape
    for block in range(first, last):
        i, l = block // d, block % d
        for j in range(b):
            for q in range(k):
                Y[i, j, l, q] = V[block, j, 0] * X[i, 0, l, q]
            for r in range(1, c):
                v = V[block, j, r]
                for q in range(k):
                    Y[i, j, l, q] += v * X[i, r, l, q]


@jit
def line_loops(V, x, y, first, last):
    """`loops` for one column: V (a d, b, c), x (a, c, d), y (a, b, d)."""
    _, b, c = V.shape
    d = x.shape[2]
    for block in range(first, last):
        i, l = block // d, block % d
        for j in range(b):
            total = V[block, j, 0] * x[i, 0, l]
            for k in range(1, c):
                total += V[block, j, k] * x[i, k, l]
            y[i, j, l] = total
