"""Chains of Kronecker-sparse factors against the definition, entry by entry."""

import functools

import numpy as np
from support import DTYPES, Case, randn, randsvd

import structmat as sm
from structmat.matrices.chain import patterns


def factor(values):
    """The definition: values[i, l, j, k] in row i b d + j d + l, column i c d + k d + l."""
    values = np.asarray(values)
    a, d, b, c = values.shape
    full = np.zeros((a * b * d, a * c * d), np.result_type(values, np.float64))
    for i in range(a):
        for l in range(d):
            for j in range(b):
                for k in range(c):
                    full[i * b * d + j * d + l, i * c * d + k * d + l] = values[i, l, j, k]
    return full


def permutation(p):
    """Row i has its 1 in column p[i]."""
    full = np.zeros((len(p), len(p)))
    for i in range(len(p)):
        full[i, p[i]] = 1
    return full


def product(factors, shape=None):
    """The dense product of dense factors, its leading part."""
    full = functools.reduce(np.matmul, factors)
    m, n = full.shape if shape is None else shape
    return full[:m, :n]


def monarch(left, right, shape=None):
    """M[s l_count + l, k p_count + p] = sum over r of L[l, s, k, r] R[k, l, r, p]."""
    left, right = np.asarray(left), np.asarray(right)
    lc, sc, kc, rc = left.shape
    pc = right.shape[3]
    full = np.zeros((sc * lc, kc * pc), np.result_type(left, right, np.float64))
    for l in range(lc):
        for s in range(sc):
            for k in range(kc):
                for r in range(rc):
                    for p in range(pc):
                        full[s * lc + l, k * pc + p] += left[l, s, k, r] * right[k, l, r, p]
    m, n = full.shape if shape is None else shape
    return full[:m, :n]


def coarse(shape, rng, dtype=np.float64, steps=8):
    """Multiples of 1 / steps: products of a few, and so the dense matrix, are exact in float32."""
    return (np.round(randn(shape, rng, dtype) * steps) / steps).astype(dtype)


def near(shape, rng, dtype=np.float64):
    """Blocks near the identity: invertible, and so are the leading parts of their products."""
    values = coarse(shape, rng, dtype) / 8
    return (values + np.eye(*shape[2:])).astype(dtype)


def draw(pattern, rng, dtype=np.float64):
    a, b, c, d = pattern
    return near((a, d, b, c), rng, dtype) if b == c else coarse((a, d, b, c), rng, dtype)


def sparse_case(name, values, tags):
    A = sm.KroneckerSparse(values)
    return Case(f"kronsparse-{name}", A, factor(values).astype(A.dtype), tags)


def chain_case(name, factors, tags, shape=None, cls=sm.Chain):
    """Factors given as arrays of values or as index arrays of a permutation."""
    dense = [permutation(F) if np.ndim(F) == 1 else factor(F) for F in factors]
    built = [sm.Permutation(F) if np.ndim(F) == 1 else sm.KroneckerSparse(F) for F in factors]
    A = cls(built, shape)
    return Case(f"{cls.__name__.lower()}-{name}", A, product(dense, shape).astype(A.dtype), tags)


def monarch_case(name, left, right, tags, shape=None):
    A = sm.Monarch(left, right, shape)
    return Case(f"monarch-{name}", A, monarch(left, right, shape).astype(A.dtype), tags)


def butterfly(name, chain, rng, tags, dtype=np.float64, shape=None):
    values = [draw(p, rng, dtype) for p in chain]
    return chain_case(name, values, tags, shape, sm.Butterfly)


def blocks_of_randsvd(shape, kind, cond):
    a, d, b, _ = shape
    blocks = [randsvd(b, kind, cond, seed) for seed in range(a * d)]
    return np.array(blocks).reshape(shape)


def sparse_cases(rng):
    for dtype in DTYPES:
        name = np.dtype(dtype).name
        yield sparse_case(name, draw((2, 3, 3, 2), rng, dtype), {"square"})
        yield sparse_case(f"tall-{name}", draw((2, 3, 2, 2), rng, dtype), {"tall"})
        yield sparse_case(f"wide-{name}", draw((2, 1, 3, 2), rng, dtype), {"wide"})
        G = coarse((2, 2, 3, 3), rng, dtype)
        H = (G + G.conj().transpose(0, 1, 3, 2)).astype(dtype)
        yield sparse_case(f"hermitian-{name}", H, {"square", "hermitian"})
        S = (G @ G.conj().transpose(0, 1, 3, 2) + np.eye(3)).astype(dtype)
        yield sparse_case(f"posdef-{name}", S, {"square", "hermitian", "posdef"})
    yield sparse_case("one-block", draw((1, 4, 4, 1), rng), {"square"})
    yield sparse_case("block-diagonal", draw((3, 2, 2, 1), rng), {"square"})
    yield sparse_case("strided-blocks", draw((1, 2, 2, 4), rng), {"square"})
    yield sparse_case("diagonal", 2 + coarse((2, 3, 1, 1), rng) / 8, {"square", "hermitian"})
    yield sparse_case("one-by-one", np.full((1, 1, 1, 1), -2.0), {"square", "hermitian"})
    yield sparse_case("column", coarse((1, 1, 5, 1), rng), {"tall"})
    yield sparse_case("row", coarse((1, 1, 1, 5), rng), {"wide"})
    yield sparse_case("empty", np.zeros((0, 2, 3, 3)), {"square"})
    yield sparse_case("no-rows", np.zeros((2, 2, 0, 3)), {"wide"})
    yield sparse_case("no-columns", np.zeros((2, 2, 3, 0)), {"tall"})
    yield sparse_case("integers", np.arange(24).reshape(2, 3, 2, 2) % 5 + np.eye(2, dtype=int) * 7,
                      {"square"})  # fmt: skip
    singular = draw((2, 2, 2, 2), rng)
    singular[1, 0] = [[1.0, 2.0], [2.0, 4.0]]
    yield sparse_case("singular", singular, {"square", "singular"})
    swap = np.broadcast_to(np.array([[0.0, 1.0], [1.0, 0.0]]), (2, 3, 2, 2))
    yield sparse_case("swaps", swap, {"square", "hermitian", "orthogonal"})
    wide = coarse((2, 4, 3, 6), rng)
    yield sparse_case("strided-values", wide[:, ::-2, :, ::2], {"square"})
    yield sparse_case("graded", blocks_of_randsvd((1, 2, 4, 4), "graded", 1e6), {"square", "hard"})


def chain_cases(rng):
    order = np.array([3, 0, 7, 1, 6, 2, 5, 4])
    for dtype in DTYPES:
        name = np.dtype(dtype).name
        F, G = draw((1, 2, 2, 4), rng, dtype), draw((4, 2, 2, 1), rng, dtype)
        yield chain_case(f"permuted-{name}", (F, order, G), {"square"})
    F, G, H = (draw(p, rng) for p in patterns.dyadic(8))
    yield chain_case("one-factor", (F,), {"square"})
    yield chain_case("permutations-outside", (order, F, G, order[::-1]), {"square"})
    yield chain_case("permutations-in-a-row", (order, order, F, order[::-1], order), {"square"})
    yield chain_case("only-permutations", (order, order[::-1]), {"square", "orthogonal"})
    yield chain_case("not-chainable", (H, F, draw((2, 4, 4, 1), rng)), {"square"})
    yield chain_case("cropped", (order, F, G, H), {"tall"}, (7, 5))
    yield chain_case("cropped-inside", (F, order, H), {"square", "singular"}, (5, 5))
    # M M^H of a Monarch matrix: refined to the right, then to the left.
    L, R = draw((1, 3, 4, 2), rng), draw((2, 4, 3, 1), rng)
    adjoint = [x.transpose(0, 1, 3, 2) for x in (R, L)]
    yield chain_case("times-its-adjoint", (L, R, *adjoint), {"square", "hermitian", "posdef"})
    yield chain_case("square-of-rectangular", (draw((2, 3, 2, 2), rng), draw((1, 2, 3, 4), rng)),
                     {"square", "singular"})  # fmt: skip
    yield chain_case("rectangular", (draw((2, 3, 2, 2), rng), draw((1, 2, 2, 4), rng)), {"tall"})
    yield chain_case("empty", (np.zeros((0, 2, 3, 3)), np.zeros((0, 1, 6, 2))), {"square"})
    yield chain_case("no-rows", (np.zeros((2, 2, 0, 3)), np.ones((1, 12, 1, 1))), {"wide"})
    yield chain_case("no-inside", (np.zeros((1, 1, 3, 0)), np.zeros((1, 1, 0, 2))), {"tall"})
    rank_one = G.copy()
    rank_one[1, 0] = [[1.0, 2.0], [2.0, 4.0]]
    yield chain_case("one-by-one", (np.full((1, 1, 1, 1), 3.0), [0]), {"square", "hermitian"})
    yield chain_case("singular", (F, rank_one, H), {"square", "singular"})
    scales = 1e150, 1e-150
    yield chain_case("scaled", [s * x for s, x in zip(scales, (F, G))], {"square", "hard"})


def butterfly_cases(rng):
    for dtype in DTYPES:
        name = np.dtype(dtype).name
        yield butterfly(f"8-{name}", patterns.dyadic(8), rng, {"square"}, dtype)
    yield butterfly("2", patterns.dyadic(2), rng, {"square"})
    yield butterfly("1", patterns.dyadic(1), rng, {"square", "hermitian", "posdef"})
    yield butterfly("16", patterns.dyadic(16), rng, {"square"})
    yield butterfly("12-mixed-radix", patterns.square((2, 3, 2)), rng, {"square"})
    mirrored = [patterns.transpose(p) for p in patterns.square((3, 2, 2))[::-1]]
    yield butterfly("mirrored", mirrored, rng, {"square"})
    yield butterfly("cropped-13", patterns.dyadic(16), rng, {"square"}, shape=(13, 13))
    chain = (1, 2, 4, 6), (2, 6, 6, 2), (6, 4, 3, 1)  # ranks 2 and 2
    chain = [patterns.Pattern(*p) for p in chain]
    yield butterfly("rank-2", chain, rng, {"wide"})
    yield butterfly("rank-2-cropped", chain, rng, {"wide"}, shape=(11, 17))
    yield butterfly("tall", patterns.rectangular((3, 2, 2), (2, 1, 3)), rng, {"tall"})
    yield butterfly("wide-complex", patterns.rectangular((2, 2), (2, 3)), rng, {"wide"}, complex)
    H = np.array([[1.0, 1.0], [1.0, -1.0]]) / np.sqrt(2)
    values = [np.broadcast_to(H, (p.a, p.d, 2, 2)) for p in patterns.dyadic(8)]
    yield chain_case("hadamard", values, {"square", "hermitian", "orthogonal"}, cls=sm.Butterfly)
    hard = [blocks_of_randsvd((p.a, p.d, 2, 2), "even", 50.0) for p in patterns.dyadic(8)]
    yield chain_case("ill-conditioned", hard, {"square", "hard"}, cls=sm.Butterfly)


def monarch_cases(rng):
    for dtype in DTYPES:
        name = np.dtype(dtype).name
        L, R = _invertible_monarch(3, 4, 1, rng, dtype)
        yield monarch_case(name, L, R, {"square"})
        L, R = coarse((3, 4, 2, 2), rng, dtype), coarse((2, 3, 2, 4), rng, dtype)
        yield monarch_case(f"tall-{name}", L, R, {"tall"})
    L, R = _invertible_monarch(2, 2, 2, rng)
    yield monarch_case("rank-2-square-factors", L, R, {"square"})
    L, R = coarse((2, 4, 2, 3), rng), coarse((2, 2, 3, 4), rng)
    yield monarch_case("rank-3-square-product", L, R, {"square"})
    yield monarch_case("wide", coarse((2, 3, 4, 1), rng), coarse((4, 2, 1, 2), rng), {"wide"})
    L, R = _invertible_monarch(4, 4, 1, rng)
    yield monarch_case("cropped-13", L, R, {"square"}, (13, 13))
    yield monarch_case("cropped-11x14", L, R, {"wide"}, (11, 14))
    yield monarch_case("one-by-one", np.full((1, 1, 1, 1), 2.0), np.full((1, 1, 1, 1), -3.0),
                       {"square", "hermitian"})  # fmt: skip
    yield monarch_case("no-rank", np.zeros((2, 2, 3, 0)), np.zeros((3, 2, 0, 2)), {"wide"})
    yield monarch_case("empty", np.zeros((2, 0, 3, 1)), np.zeros((3, 2, 1, 0)), {"square"})
    # l = k = 1: one slice, a low-rank matrix.
    yield monarch_case("low-rank", coarse((1, 5, 1, 2), rng), coarse((1, 1, 2, 5), rng),
                       {"square", "singular"})  # fmt: skip
    # k = 1: one slice a row of blocks, with its rows interleaved.
    yield monarch_case("one-column-of-slices", coarse((4, 2, 1, 1), rng), coarse((1, 4, 1, 3), rng),
                       {"tall"})  # fmt: skip


def _invertible_monarch(l, k, r, rng, dtype=np.float64):
    """Both factors square, blocks near the identity: s = k r and p = l r."""
    left = near((l, 1, k * r, k * r), rng, dtype).reshape(l, k * r, k, r)
    right = near((k, 1, l * r, l * r), rng, dtype).reshape(k, l, r, l * r)
    return left, right


def cases():
    rng = np.random.default_rng(41)
    yield from sparse_cases(rng)
    yield from chain_cases(rng)
    yield from butterfly_cases(rng)
    yield from monarch_cases(rng)
