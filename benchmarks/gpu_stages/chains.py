"""Stage 3, chains: butterflies, small and large blocks, against batched products in float64."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from structmat.matrices.chain import gpu
from structmat.matrices.chain.patterns import Pattern, square, transpose

from . import reference, verdicts

DTYPES = ("float32", "float64", "complex64", "complex128")
SAMPLED = 8  # columns that are compared where the whole is too large for a reference


@dataclass(frozen=True)
class Case:
    """A chain of `patterns`, in the order of application, times k columns."""

    name: str
    dtype: str
    patterns: tuple
    k: int
    flipped: bool = False  # the blocks are stored transposed
    seed: int = 0
    sampled: bool = False

    def __str__(self):
        short = [str(tuple(p)) for p in self.patterns]
        many = [*short[:2], f"... {len(short)} factors"] if len(short) > 3 else short
        stored = " stored transposed" if self.flipped else ""
        return f"{self.name} {self.dtype} {' '.join(many)} k {self.k}{stored} seed {self.seed}"

    def header(self):
        shape = [self.patterns[-1].shape[0], self.patterns[0].shape[1], self.k]
        return {"op": self.name, "dtype": self.dtype, "shape": shape, "seed": self.seed}

    def product(self, xp, values, X):
        """What is judged and timed: the library's product, given what a chain holds."""
        return gpu._product(self.patterns, values, [None] * len(values), X)

    def judged(self, xp):
        """Twice, against products of stacks in double precision."""
        if self.sampled:
            xp.get_default_memory_pool().free_all_blocks()
        values, X = drawn(xp, self)
        copy = None if self.sampled else X.copy()
        first = self.product(xp, values, X)
        second = self.product(xp, values, X)
        unchanged = copy is None or bool((X == copy).all())
        if self.sampled:
            at = np.unique(np.linspace(0, self.k - 1, SAMPLED).astype(int))
            X, first, second = (
                xp.stack([Y[:, j] for j in at.tolist()], 1) for Y in (X, first, second)
            )
        expected = by_stacks(xp, values, X)
        tol = reference.tolerance(
            self.dtype, max(4, *(p.c for p in self.patterns)) * expected.shape[0]
        )
        return verdicts.judge(xp, first, second, expected, tol, unchanged=unchanged)


def by_stacks(xp, values, X):
    """Factor by factor, each as a product of stacks of matrices, in double precision."""
    dtype = "complex128" if X.dtype.kind == "c" else "float64"
    Y, k = X.astype(dtype), X.shape[1]
    for V in values:
        a, d, b, c = V.shape
        V, Y = V.astype(dtype), Y.reshape(a, c, d, k).transpose(0, 2, 1, 3)
        if c <= 4:  # a library of matrix products is not made for so many of them
            Z = sum(V[:, :, :, j, None] * Y[:, :, j, None] for j in range(c))
        else:
            Z = xp.matmul(V, Y)
        Y = xp.ascontiguousarray(Z.transpose(0, 2, 1, 3)).reshape(a * b * d, k)
    return Y


def drawn(xp, case):
    """(values, X): rotations for dyadic factors, so that nothing grows; else normal numbers."""
    rng = np.random.default_rng(case.seed)
    values = [xp.asarray(_block(rng, p, case.dtype)) for p in case.patterns]
    if case.flipped:
        values = [
            xp.ascontiguousarray(V.transpose(0, 1, 3, 2)).transpose(0, 1, 3, 2) for V in values
        ]
    n = case.patterns[0].shape[1]
    if n * case.k <= 1 << 18:
        return values, xp.asarray(_normal(rng, (n, case.k), case.dtype))
    xp.random.seed(case.seed % 2**32)
    return values, normal(xp, (n, case.k), case.dtype)


def normal(xp, shape, dtype):
    """Normal numbers drawn on the device."""
    if np.dtype(dtype).kind != "c":
        return xp.random.standard_normal(shape, dtype=dtype)
    part = "float32" if dtype == "complex64" else "float64"
    return xp.random.standard_normal((*shape[:-1], 2 * shape[-1]), dtype=part).view(dtype)


def _normal(rng, shape, dtype):
    x = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


def _block(rng, p, dtype):
    a, b, c, d = p
    if (b, c) != (2, 2):
        return _normal(rng, (a, d, b, c), dtype) / np.asarray(c**0.5, dtype)
    angle = rng.uniform(0, 2 * np.pi, (a, d))
    found = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], -1)
    if np.dtype(dtype).kind == "c":
        found = found * np.exp(1j * rng.uniform(0, 2 * np.pi, (a, d, 1)))
    return found.reshape(a, d, 2, 2).astype(dtype)


def butterfly(n, outer=1, depth=1):
    """Patterns of a dyadic butterfly on (outer, n, depth), in the order of application."""
    L = n.bit_length() - 1
    return tuple(Pattern(outer << i, 2, 2, (n >> (i + 1)) * depth) for i in range(L - 1, -1, -1))


def down(patterns):
    """The order of application of the transpose."""
    return tuple(transpose(p) for p in patterns[::-1])


def square_blocks(n, b, d):
    """The pattern of order n of square blocks of order b."""
    return Pattern(n // (b * d), b, b, d)


# ---------------------------------------------------------------- cases


def cases(seed, memory):
    """Butterflies of all sizes, odd shapes, blocks; then what takes time and memory."""
    found = [case for dtype in DTYPES for case in (*_butterflies(dtype), *_blocks(dtype))]
    found += [case for dtype in DTYPES for case in _large(dtype, memory)]
    return _seeded(found, seed)


def _seeded(found, seed):
    return [dataclasses.replace(case, seed=seed + i) for i, case in enumerate(found)]


def _butterflies(dtype):
    for L in range(1, 15):
        for i, k in enumerate((1, 5, 64)):
            up = butterfly(1 << L)
            yield Case("butterfly", dtype, up, k)
            if (L + i) % 2 or L in (4, 6, 8, 10):
                yield Case("butterfly", dtype, down(up), k, flipped=True)
    for L in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10):  # the columns alone: there is a line below
        for k in (32, 40, 31):
            up = butterfly(1 << L, 3, 5)
            yield Case("butterfly", dtype, up, k)
            yield Case("butterfly", dtype, down(up), k, flipped=True)
    yield Case("butterfly", dtype, butterfly(64), 16, flipped=True)  # stored the other way
    yield Case("butterfly", dtype, down(butterfly(64)), 16)
    yield Case("butterfly", dtype, butterfly(32), 0)
    yield Case("butterfly", dtype, square((3, 2, 2, 2, 5))[::-1], 17)


def _blocks(dtype):
    shapes = [
        (4, 3, 2, 5),
        (2, 4, 4, 8),
        (3, 7, 8, 1),
        (1, 8, 7, 9),
        (5, 16, 16, 3),
        (1, 20, 12, 2),
    ]
    shapes += [(4, 32, 24, 1), (1, 40, 32, 6), (3, 20, 33, 5), (1, 64, 64, 64)]
    shapes += [
        (64, 64, 64, 1),
        (2, 1, 40, 3),
        (2, 40, 1, 3),
        (1, 300, 17, 1),
        (3, 2, 2, 7),
        (70000, 4, 4, 1),
    ]
    for i, shape in enumerate(shapes):
        for k in (1, 8, 33) if shape[0] < 1000 else (3,):
            yield Case("block factor", dtype, (Pattern(*shape),), k, flipped=(i + k) % 2 == 0)


def _large(dtype, memory):
    itemsize = np.dtype(dtype).itemsize
    yield Case("butterfly", dtype, butterfly(1 << 18), 1)
    yield Case("butterfly", dtype, down(butterfly(1 << 18)), 1, flipped=True)
    yield Case("butterfly", dtype, butterfly(1 << 17), 3)
    wide = (1 << 21) + 32  # n k beyond 2^31 for n = 2^10
    if dtype == "float32" and 4 * itemsize * wide << 10 < memory:
        yield Case("butterfly", dtype, butterfly(1 << 10), wide, sampled=True)
        yield Case("butterfly", dtype, down(butterfly(1 << 14)), wide >> 4, True, sampled=True)
        yield Case("block factor", dtype, (Pattern(128, 8, 8, 1),), wide, sampled=True)
        yield Case("block factor", dtype, (Pattern(1, 64, 64, 16),), wide, sampled=True)


def smallest(seed):
    """For memcheck and racecheck: every kernel, on few columns."""
    found = []
    for dtype in DTYPES:
        packet = 16 // np.dtype(dtype).itemsize
        for L in range(1, 11):
            for k in sorted({packet * 9, 9}):
                up = butterfly(1 << L, 2, 4)
                found.append(Case("butterfly", dtype, up, k))
                found.append(Case("butterfly", dtype, down(up), k, flipped=True))
        found.append(Case("butterfly", dtype, butterfly(1 << 13), 1))
        for shape in ((2, 3, 4, 5), (2, 5, 7, 3), (1, 8, 16, 9)):
            found.append(Case("block factor", dtype, (Pattern(*shape),), 9))
    return _seeded(found, seed)


def plan(memory=80 << 30):
    for case in cases(0, memory):
        yield str(case)


def run(context):
    import cupy

    yield from verdicts.verdicts(context, cases(context.seed + 40_000, context.memory()), cupy)
    for note in context.notes:
        yield "notes", f"chains: {note}"


def run_smallest(context):
    """What the sanitizer watches; see `correctness.run_smallest`."""
    import cupy

    for case in context.in_time(smallest(context.seed)):
        values, X = drawn(cupy, case)
        case.product(cupy, values, X)
        cupy.cuda.runtime.deviceSynchronize()
