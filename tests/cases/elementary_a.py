"""Identity, Zeros, Diagonal, Permutation, Dense, Sparse, Banded, Tridiagonal, Triangular."""

import numpy as np
import scipy.sparse as sp
from support import DTYPES, Case, randn

import structmat as sm

SQUARE = {"square"}


def cases():
    for dtype in DTYPES:
        yield from _plain(np.random.default_rng(3), dtype)
    yield from _empty_and_one()
    yield from _odd()


def _name(family, dtype):
    return f"{family}-{np.dtype(dtype).name}"


def _posdef_values(rng, n, dtype):
    return rng.uniform(0.5, 2, n).astype(dtype)


def _plain(rng, dtype):
    complex_ = np.dtype(dtype).kind == "c"
    n = 7
    yield Case(
        _name("identity", dtype), sm.Identity(n, dtype), diagonal(np.ones(n, dtype)),
        {"square", "hermitian", "posdef", "orthogonal"},
    )  # fmt: skip
    yield Case(_name("zeros-tall", dtype), sm.Zeros(6, 3, dtype), np.zeros((6, 3), dtype),
               {"tall", "singular"})  # fmt: skip
    yield Case(_name("zeros-square", dtype), sm.Zeros(4, 4, dtype), np.zeros((4, 4), dtype),
               {"square", "hermitian", "singular"})  # fmt: skip

    d = randn(n, rng, dtype)
    yield Case(_name("diagonal", dtype), sm.Diagonal(d), diagonal(d),
               SQUARE if complex_ else {"square", "hermitian"})  # fmt: skip
    d = _posdef_values(rng, n, dtype)
    yield Case(_name("diagonal-posdef", dtype), sm.Diagonal(d), diagonal(d),
               {"square", "hermitian", "posdef"})  # fmt: skip

    p = [3, 0, 1, 2, 6, 5, 4, 8, 9, 7]  # cycles of length 4, 2, 1, 3
    yield Case(_name("permutation", dtype), sm.Permutation(p, dtype), permutation(p, dtype),
               {"square", "orthogonal"})  # fmt: skip
    p = [1, 0, 2, 5, 4, 3]
    yield Case(_name("permutation-symmetric", dtype), sm.Permutation(p, dtype),
               permutation(p, dtype), {"square", "hermitian", "orthogonal"})  # fmt: skip

    for shape, tag in (((5, 5), "square"), ((8, 3), "tall"), ((3, 8), "wide")):
        X = randn(shape, rng, dtype)
        yield Case(_name(f"dense-{tag}", dtype), sm.Dense(X), X, {tag})
        S = np.where(rng.uniform(size=shape) < 0.6, X, 0)
        if tag == "square":
            S = S + diagonal(np.full(5, 4, dtype))
        yield Case(_name(f"sparse-{tag}", dtype), sm.Sparse(sp.csr_array(S)), S, {tag})
    X = randn((6, 6), rng, dtype)
    H = X @ X.conj().T + 3 * np.eye(6, dtype=dtype)
    H = ((H + H.conj().T) / 2).astype(dtype)
    yield Case(_name("dense-posdef", dtype), sm.Dense(H), H, {"square", "hermitian", "posdef"})
    S = H * (np.abs(np.subtract.outer(np.arange(6), np.arange(6))) != 2)
    S += 10 * np.eye(6, dtype=dtype)
    yield Case(_name("sparse-posdef", dtype), sm.Sparse(sp.csc_array(S)), S,
               {"square", "hermitian", "posdef"})  # fmt: skip

    yield from _bands(rng, dtype)
    yield from _tridiagonals(rng, dtype)
    for lower in (True, False):
        A = randn((6, 6), rng, dtype) + 3 * np.eye(6, dtype=dtype)
        side = "lower" if lower else "upper"
        yield Case(_name(f"triangular-{side}", dtype), sm.Triangular(A, lower),
                   triangle(A, lower), SQUARE)  # fmt: skip
    A = randn((5, 5), rng, dtype) / 2
    yield Case(_name("triangular-unit", dtype), sm.Triangular(A, True, True),
               triangle(A, True, unit=True), SQUARE)  # fmt: skip


def _bands(rng, dtype):
    for (m, n), lower, upper in (
        ((8, 8), 2, 1), ((9, 6), 1, 2), ((5, 9), 2, 3), ((7, 7), 0, 2), ((7, 7), 2, 0),
    ):  # fmt: skip
        bands = randn((lower + upper + 1, n), rng, dtype)
        bands[upper] += 5
        tag = "square" if m == n else ("tall" if m > n else "wide")
        yield Case(_name(f"banded-{m}x{n}-{lower}-{upper}", dtype),
                   sm.Banded(bands, lower, upper, (m, n)),
                   banded(bands, lower, upper, (m, n)), {tag})  # fmt: skip
    n, w = 8, 2
    bands = np.full((2 * w + 1, n), np.nan, dtype)  # what lies outside the matrix is never read
    for r in range(1, w + 1):
        values = randn(n - r, rng, dtype)
        bands[w - r, r:] = values
        bands[w + r, : n - r] = values.conj()
    bands[w] = rng.uniform(6, 8, n)
    yield Case(_name("banded-posdef", dtype), sm.Banded(bands, w, w),
               banded(bands, w, w, (n, n)), {"square", "hermitian", "posdef"})  # fmt: skip


def _tridiagonals(rng, dtype):
    n = 9
    l, u = randn(n - 1, rng, dtype), randn(n - 1, rng, dtype)
    d = randn(n, rng, dtype) + 2
    yield Case(_name("tridiagonal", dtype), sm.Tridiagonal(l, d, u), tridiagonal(l, d, u), SQUARE)
    d = rng.standard_normal(n).astype(dtype)
    yield Case(_name("tridiagonal-hermitian", dtype), sm.Tridiagonal(l, d, l.conj()),
               tridiagonal(l, d, l.conj()), {"square", "hermitian"})  # fmt: skip
    d = (np.abs(d) + 8).astype(dtype)
    yield Case(_name("tridiagonal-posdef", dtype), sm.Tridiagonal(l, d, l.conj()),
               tridiagonal(l, d, l.conj()), {"square", "hermitian", "posdef"})  # fmt: skip


def _empty_and_one():
    empty = np.zeros((0, 0))
    tags = {"square", "hermitian", "posdef"}
    z = np.zeros(0)
    yield Case("identity-empty", sm.Identity(0), empty, tags)
    yield Case("zeros-empty", sm.Zeros(0, 0), empty, {"square", "hermitian"})
    yield Case("zeros-0x3", sm.Zeros(0, 3), np.zeros((0, 3)), {"wide"})
    yield Case("diagonal-empty", sm.Diagonal(z), empty, tags)
    yield Case("permutation-empty", sm.Permutation([]), empty, {"square", "hermitian"})
    yield Case("dense-empty", sm.Dense(empty), empty, tags)
    yield Case("dense-3x0", sm.Dense(np.zeros((3, 0))), np.zeros((3, 0)), {"tall"})
    yield Case("sparse-empty", sm.Sparse(sp.csr_array((0, 0))), empty, {"square", "hermitian"})
    yield Case("sparse-3x0", sm.Sparse(sp.csr_array((3, 0))), np.zeros((3, 0)), {"tall"})
    yield Case("banded-empty", sm.Banded(np.zeros((3, 0)), 1, 1), empty, tags)
    yield Case("banded-0x3", sm.Banded(np.ones((2, 3)), 0, 1, (0, 3)), np.zeros((0, 3)), {"wide"})
    yield Case("tridiagonal-empty", sm.Tridiagonal(z, z, z), empty, tags)
    yield Case("triangular-empty", sm.Triangular(empty), empty, tags)
    two, one = np.full((1, 1), 2.0), np.ones((1, 1))
    yield Case("identity-1", sm.Identity(1), one, tags)
    yield Case("diagonal-1", sm.Diagonal([2.0]), two, tags)
    yield Case("permutation-1", sm.Permutation([0]), one, {"square", "hermitian"})
    yield Case("dense-1", sm.Dense(two), two, tags)
    yield Case("sparse-1", sm.Sparse(sp.csr_array(two)), two, {"square", "hermitian"})
    yield Case("banded-1", sm.Banded([[7.0], [2.0], [7.0]], 1, 1), two, tags)
    yield Case("tridiagonal-1", sm.Tridiagonal(z, [2.0], z), two, tags)
    yield Case("tridiagonal-2", sm.Tridiagonal([1.0], [3.0, 2.0], [1.0]),
               np.array([[3.0, 1.0], [1.0, 2.0]]), tags)  # fmt: skip
    yield Case("triangular-1", sm.Triangular(two), two, {"square", "hermitian", "posdef"})


def _odd():
    rng = np.random.default_rng(5)
    d = np.array([2.0, 0.0, -1.0, 0.0])
    yield Case("diagonal-singular", sm.Diagonal(d), diagonal(d),
               {"square", "hermitian", "singular"})  # fmt: skip
    d = np.arange(1.0, 13.0)[::3]
    yield Case("diagonal-strided", sm.Diagonal(d), diagonal(d), {"square", "hermitian", "posdef"})
    yield Case("diagonal-constant", 3 * sm.Identity(4), diagonal(np.full(4, 3.0)),
               {"square", "hermitian", "posdef"})  # fmt: skip
    X = rng.standard_normal((6, 9))[::2, ::-2]
    yield Case("dense-strided", sm.Dense(X), X, {"wide"})
    X = np.outer([1.0, 2.0, 3.0], [1.0, 0.5, 2.0])
    yield Case("dense-singular", sm.Dense(X), X, {"square", "singular"})
    A = rng.standard_normal((6, 6)).T
    yield Case("triangular-column-major", sm.Triangular(A), triangle(A, True), SQUARE)
    A = rng.standard_normal((10, 10))[::2, ::2] + 3 * np.eye(5)
    yield Case("triangular-strided", sm.Triangular(A, False), triangle(A, False), SQUARE)
    A = np.tril(np.ones((3, 3)))
    A[1, 1] = 0
    yield Case("triangular-singular", sm.Triangular(A), A, {"square", "singular"})
    l, u = np.ones(3), np.ones(3)
    d = np.zeros(4)
    d[0], d[3] = 1.0, 0.0
    T = tridiagonal(l, d, u)
    yield Case("tridiagonal-nearly-zero-diagonal", sm.Tridiagonal(l, d, u), T,
               {"square", "hermitian"})  # fmt: skip
    l, d, u = np.array([0.0, 1.0]), np.array([1.0, 0.0, 2.0]), np.array([1.0, 0.0])
    yield Case("tridiagonal-singular", sm.Tridiagonal(l, d, u), tridiagonal(l, d, u),
               {"square", "singular"})  # fmt: skip
    bands = rng.standard_normal((6, 10))[::2, ::2]
    yield Case("banded-strided", sm.Banded(bands, 1, 1), banded(bands, 1, 1, (5, 5)), SQUARE)
    bands = rng.standard_normal((9, 3))  # more diagonals than the matrix has
    bands[4] += 6
    yield Case("banded-too-wide", sm.Banded(bands, 4, 4), banded(bands, 4, 4, (3, 3)), SQUARE)
    bands = np.ones((2, 4))
    bands[1, 2] = 0
    yield Case("banded-singular", sm.Banded(bands, 0, 1), banded(bands, 0, 1, (4, 4)),
               {"square", "singular"})  # fmt: skip
    S = np.array([[1.0, 0.0, 2.0], [0.0, 0.0, 0.0], [3.0, 0.0, 1.0]])
    yield Case("sparse-singular", sm.Sparse(sp.coo_array(S)), S, {"square", "singular"})
    twice = sp.coo_array(([1.0, 2.0, 5.0], ([0, 0, 1], [1, 1, 0])), (2, 2))
    yield Case("sparse-duplicates", sm.Sparse(twice), np.array([[0.0, 3.0], [5.0, 0.0]]), SQUARE)
    d = np.array([1e-5, 1.0, 1e5, -3.0])
    yield Case("diagonal-graded", sm.Diagonal(d), diagonal(d), {"square", "hermitian", "hard"})


# ---------------------------------------------------------------- definitions, by literal loops


def diagonal(d):
    A = np.zeros((len(d), len(d)), np.asarray(d).dtype)
    for i in range(len(d)):
        A[i, i] = d[i]
    return A


def permutation(p, dtype):
    A = np.zeros((len(p), len(p)), dtype)
    for i in range(len(p)):
        A[i, p[i]] = 1
    return A


def banded(bands, lower, upper, shape):
    m, n = shape
    A = np.zeros(shape, bands.dtype)
    for i in range(m):
        for j in range(n):
            if -upper <= i - j <= lower:
                A[i, j] = bands[upper + i - j, j]
    return A


def tridiagonal(lower, diag, upper):
    n = len(diag)
    A = np.zeros((n, n), np.result_type(lower, diag, upper))
    for i in range(n):
        A[i, i] = diag[i]
        if i + 1 < n:
            A[i + 1, i] = lower[i]
            A[i, i + 1] = upper[i]
    return A


def triangle(array, lower, unit=False):
    n = len(array)
    A = np.zeros((n, n), array.dtype)
    for i in range(n):
        for j in range(n):
            if (j <= i) if lower else (i <= j):
                A[i, j] = 1 if unit and i == j else array[i, j]
    return A
