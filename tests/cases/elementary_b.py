"""BlockDiagonal, Block, LowRank, DiagonalPlusLowRank."""

import numpy as np
from support import DTYPES, Case, randn

import structmat as sm

SQUARE = {"square"}
POSDEF = {"square", "hermitian", "posdef"}
SINGULAR = {"square", "singular"}


def cases():
    for dtype in DTYPES:
        rng = np.random.default_rng(7)
        for family in (_block_diagonals, _blocks, _low_ranks, _diagonals_plus_low_rank):
            for name, *rest in family(rng, dtype):
                yield Case(f"{name}-{np.dtype(dtype).name}", *rest)
    yield from _empty_and_one()
    yield from _odd()


def _block_diagonals(rng, dtype):
    blocks = randn((3, 4, 4), rng, dtype) + 3 * np.eye(4, dtype=dtype)
    yield "block-diagonal", sm.BlockDiagonal(blocks), block_diagonal(blocks), SQUARE
    gram = blocks @ blocks.conj().transpose(0, 2, 1)
    gram = (gram + gram.conj().transpose(0, 2, 1)) / 2
    yield "block-diagonal-posdef", sm.BlockDiagonal(gram), block_diagonal(gram), POSDEF
    tall, wide = randn((2, 4, 3), rng, dtype), randn((3, 2, 3), rng, dtype)
    yield "block-diagonal-tall", sm.BlockDiagonal(tall), block_diagonal(tall), {"tall"}
    yield "block-diagonal-wide", sm.BlockDiagonal(wide), block_diagonal(wide), {"wide"}
    mixed = [*tall, *wide, randn((1, 1), rng, dtype)]
    yield "block-diagonal-mixed", sm.BlockDiagonal(mixed), block_diagonal(mixed), {"wide"}
    d = rng.uniform(1, 2, 3).astype(dtype)
    parts = [blocks[0], sm.Diagonal(d), blocks[1][:2, :2], blocks[2]]
    dense = [blocks[0], diagonal(d), blocks[1][:2, :2], blocks[2]]
    yield "block-diagonal-structured", sm.BlockDiagonal(parts), block_diagonal(dense), SQUARE
    parts, dense = [gram[0], sm.Diagonal(d), gram[1]], [gram[0], diagonal(d), gram[1]]
    yield "block-diagonal-mixed-posdef", sm.BlockDiagonal(parts), block_diagonal(dense), POSDEF


def _blocks(rng, dtype):
    d = rng.uniform(4, 6, 5).astype(dtype)
    B, C, D = (randn(s, rng, dtype) / 2 for s in ((5, 2), (2, 5), (2, 2)))
    D += 4 * np.eye(2, dtype=dtype)
    arrow = [[diagonal(d), B], [C, D]]
    yield "block-arrow", sm.Block([[sm.Diagonal(d), B], [C, D]]), block(arrow), SQUARE
    grid = [[diagonal(d), np.zeros((5, 2))], [C, D]]
    yield "block-lower", sm.Block([[sm.Diagonal(d), None], [C, D]]), block(grid), SQUARE
    grid = [[D, B.T], [np.zeros((5, 2)), diagonal(d)]]
    yield "block-upper", sm.Block([[D, B.T], [None, sm.Diagonal(d)]]), block(grid), SQUARE
    H = (D + D.conj().T) / 2 + 2 * np.eye(2, dtype=dtype)
    grid = [[diagonal(d), B], [B.conj().T, H]]
    yield "block-posdef", sm.Block([[sm.Diagonal(d), B], [B.conj().T, H]]), block(grid), POSDEF
    X, Y = randn((3, 4), rng, dtype), randn((2, 3), rng, dtype)
    grid = [[X, np.zeros((3, 3))], [np.zeros((2, 4)), Y]]
    yield "block-wide", sm.Block([[X, None], [None, Y]]), block(grid), {"wide"}


def _low_ranks(rng, dtype):
    for m, n, r, tag in ((7, 4, 2, "tall"), (4, 7, 2, "wide"), (6, 6, 2, "singular")):
        U, V = randn((m, r), rng, dtype), randn((n, r), rng, dtype)
        tags = SINGULAR if tag == "singular" else {tag}
        yield f"low-rank-{tag}", sm.LowRank(U, V), low_rank(U, V), tags
    U = randn((6, 2), rng, dtype)
    yield "low-rank-hermitian", sm.LowRank(U, U), low_rank(U, U), SINGULAR | {"hermitian"}
    s = np.array([2.0, -1.0], np.finfo(dtype).dtype)
    yield (
        "low-rank-indefinite", sm.LowRank(U * s, U), low_rank(U * s, U), SINGULAR | {"hermitian"},
    )  # fmt: skip
    U, V = np.linalg.qr(randn((4, 4), rng, dtype))[0], np.linalg.qr(randn((4, 4), rng, dtype))[0]
    U = (U * [3, 2, 1.5, 1]).astype(dtype)
    yield "low-rank-of-full-rank", sm.LowRank(U, V), low_rank(U, V), SQUARE


def _diagonals_plus_low_rank(rng, dtype):
    n, r = 12, 2
    d = rng.uniform(1, 3, n).astype(dtype) * np.where(np.arange(n) % 3, 1, -1).astype(dtype)
    U, V = randn((n, r), rng, dtype) / 2, randn((n, r), rng, dtype) / 2
    make = sm.DiagonalPlusLowRank
    yield "diagonal-low-rank", make(d, U, V), diagonal_plus(d, U, V), SQUARE
    d = np.abs(d).astype(dtype)
    yield "diagonal-low-rank-posdef", make(d, U, U), diagonal_plus(d, U, U), POSDEF
    c = np.full(n, 2, dtype)
    yield "identity-low-rank", make(c, U, V), diagonal_plus(c, U, V), SQUARE
    yield "identity-low-rank-posdef", make(c, U, U), diagonal_plus(c, U, U), POSDEF
    d = d.copy()
    d[[1, 7]] = 0
    yield "diagonal-low-rank-zeros", make(d, U, V), diagonal_plus(d, U, V), SQUARE
    d = d.copy()  # matrices keep what they were given
    d[4] = 0
    yield "diagonal-low-rank-singular", make(d, U, V), diagonal_plus(d, U, V), SINGULAR
    d, U, V = d[:4] + 2, U[:4], V[:4]
    yield "diagonal-high-rank", make(d, U, V), diagonal_plus(d, U, V), SQUARE


def _empty_and_one():
    empty, one, z = np.zeros((0, 0)), np.ones((1, 1)), np.zeros(0)
    yield Case("block-diagonal-none", sm.BlockDiagonal([]), empty, POSDEF)
    A = sm.BlockDiagonal(np.zeros((3, 0, 0)))
    yield Case("block-diagonal-empty", A, empty, POSDEF)
    A = sm.BlockDiagonal([np.zeros((0, 2)), one, np.zeros((1, 0))])
    yield Case("block-diagonal-empty-blocks", A, np.array([[0, 0, 1.0], [0, 0, 0]]), {"wide"})
    yield Case("block-diagonal-1", sm.BlockDiagonal(2 * one[None]), 2 * one, POSDEF)
    yield Case("block-1", sm.Block([[2 * one]]), 2 * one, POSDEF)
    yield Case("block-empty", sm.Block([[empty]]), empty, POSDEF)
    A = sm.Block([[empty, np.zeros((0, 1))], [np.zeros((1, 0)), 3 * one]])
    yield Case("block-empty-cell", A, 3 * one, POSDEF)
    yield Case("low-rank-empty", sm.LowRank(np.zeros((0, 1)), np.zeros((0, 1))), empty,
               {"square", "hermitian"})  # fmt: skip
    A = sm.LowRank(np.zeros((3, 0)), np.zeros((2, 0)))
    yield Case("low-rank-0", A, np.zeros((3, 2)), {"tall"})
    A = sm.LowRank(np.zeros((3, 0)), np.zeros((3, 0)))
    yield Case("low-rank-0-square", A, np.zeros((3, 3)), SINGULAR | {"hermitian"})
    yield Case("low-rank-1", sm.LowRank(2 * one, one), 2 * one, {"square", "hermitian"})
    make = sm.DiagonalPlusLowRank
    A = make(z, np.zeros((0, 1)), np.zeros((0, 1)))
    yield Case("diagonal-low-rank-empty", A, empty, POSDEF)
    A = make([1.0, 2.0, 4.0], np.zeros((3, 0)), np.zeros((3, 0)))
    yield Case("diagonal-low-rank-0", A, np.diag([1.0, 2.0, 4.0]), POSDEF)
    yield Case("diagonal-low-rank-1", make([1.0], one, one), 2 * one, POSDEF)


def _odd():
    rng = np.random.default_rng(11)
    blocks = rng.standard_normal((4, 6, 8))[::2, ::2, 1::3] + 3 * np.eye(3)
    yield Case("block-diagonal-strided", sm.BlockDiagonal(blocks), block_diagonal(blocks), SQUARE)
    blocks = np.array([[[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0], [2.0, 4.0]]])
    yield Case(
        "block-diagonal-singular", sm.BlockDiagonal(blocks), block_diagonal(blocks), SINGULAR
    )
    blocks = [np.ones((1, 2)), np.ones((2, 1))]
    A = sm.BlockDiagonal(blocks)
    yield Case("block-diagonal-singular-by-shape", A, block_diagonal(blocks), SINGULAR)
    blocks = np.eye(2) + rng.standard_normal((3, 2, 2)) / 4
    blocks = blocks * np.array([1e-6, 1.0, 1e6])[:, None, None]
    yield Case("block-diagonal-graded", sm.BlockDiagonal(blocks), block_diagonal(blocks),
               {"square", "hard"})  # fmt: skip
    zero = sm.Zeros(3, 2)
    grid = [[np.zeros((3, 3)), np.ones((3, 2))], [np.ones((2, 3)), np.eye(2)]]
    A = sm.Block([[sm.Diagonal(np.zeros(3)), grid[0][1]], [grid[1][0], sm.Identity(2)]])
    yield Case("block-singular-pivot", A, block(grid), SINGULAR | {"hermitian"})
    grid = [[np.eye(3), np.zeros((3, 2))], [np.ones((2, 3)), np.zeros((2, 2))]]
    A = sm.Block([[sm.Identity(3), zero], [grid[1][0], None]])
    yield Case("block-singular", A, block(grid), SINGULAR)
    U, V = rng.standard_normal((8, 9))[::2, ::3], rng.standard_normal((12, 6))[::-2, 1::2]
    yield Case("low-rank-strided", sm.LowRank(U, V), low_rank(U, V), {"wide"})
    U = rng.standard_normal((8, 1)) @ np.ones((1, 2))  # two columns, rank one
    yield Case("low-rank-deficient", sm.LowRank(U, U), low_rank(U, U), SINGULAR | {"hermitian"})
    n = 16
    U, V = rng.standard_normal((n, 2)), rng.standard_normal((n, 2))
    d = rng.uniform(1, 2, n)
    d[3], d[9] = 1e-16, -1e-300
    A = sm.DiagonalPlusLowRank(d, U, V)
    yield Case("diagonal-low-rank-tiny", A, diagonal_plus(d, U, V), {"square", "hard"})
    d = np.logspace(-4, 4, n)
    A = sm.DiagonalPlusLowRank(d, U, U)
    yield Case("diagonal-low-rank-graded", A, diagonal_plus(d, U, U), {*POSDEF, "hard"})


# ---------------------------------------------------------------- definitions, by literal loops


def diagonal(d):
    A = np.zeros((len(d), len(d)), np.asarray(d).dtype)
    for i in range(len(d)):
        A[i, i] = d[i]
    return A


def block_diagonal(blocks):
    m, n = sum(len(b) for b in blocks), sum(b.shape[1] for b in blocks)
    A = np.zeros((m, n), blocks[0].dtype)
    row = column = 0
    for b in blocks:
        for i in range(b.shape[0]):
            for j in range(b.shape[1]):
                A[row + i, column + j] = b[i, j]
        row, column = row + b.shape[0], column + b.shape[1]
    return A


def block(grid):
    m, n = sum(len(row[0]) for row in grid), sum(c.shape[1] for c in grid[0])
    A = np.zeros((m, n), grid[-1][-1].dtype)
    top = 0
    for row in grid:
        left = 0
        for c in row:
            for i in range(c.shape[0]):
                for j in range(c.shape[1]):
                    A[top + i, left + j] = c[i, j]
            left += c.shape[1]
        top += len(row[0])
    return A


def low_rank(U, V):
    A = np.zeros((len(U), len(V)), U.dtype)
    for i in range(len(U)):
        for j in range(len(V)):
            for k in range(U.shape[1]):
                A[i, j] += U[i, k] * V[j, k].conjugate()
    return A


def diagonal_plus(d, U, V):
    return low_rank(U, V) + diagonal(d)
