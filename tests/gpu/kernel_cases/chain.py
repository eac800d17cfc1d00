"""Kronecker-sparse factors: each kernel, up and down a butterfly, on small shapes, exactly."""

from functools import partial

import numpy as np

from structmat.matrices.chain import gpu
from structmat.matrices.chain.patterns import Pattern


def by_definition(values, X):
    """The product of the factors `values`, the first of them first, in double precision."""
    Y = X.astype(np.result_type(X.dtype, np.float64))
    for V in values:
        a, d, b, c = V.shape
        Y = np.einsum("aljk,akln->ajln", V.astype(Y.dtype), Y.reshape(a, c, d, -1))
        Y = Y.reshape(a * b * d, -1)
    return Y


def integers(rng, shape, dtype, low=-1, high=1):
    """Small integers: products of twelve factors are exact in single precision."""
    x = rng.integers(low, high + 1, shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.integers(low, high + 1, shape)
    return x.astype(dtype)


def run_of(rng, A, L, D, dtype, down=False, stored=None):
    """Values of L dyadic factors on (A, 2^L, D) in the order of application.

    `stored`: whether the blocks lie transposed in memory, as in the transpose of a butterfly; by
    default those that go down do.
    """
    found = []
    for t in range(L):
        q = L - 1 - t if down else t
        V = integers(rng, (A << (L - 1 - q), D << q, 2, 2), dtype)
        transposed = down if stored is None else stored
        found.append(V.transpose(0, 1, 3, 2).copy().transpose(0, 1, 3, 2) if transposed else V)
    return found


def product(cp, values, X):
    """The product on the device, through the library; the input must stay as it is."""
    patterns = tuple(Pattern(a, b, c, d) for a, d, b, c in (V.shape for V in values))
    given = cp.asarray(X.copy())
    on_device = [_like(cp, V) for V in values]
    found = gpu._product(patterns, on_device, [None] * len(values), given)
    np.testing.assert_array_equal(given.get(), X, "the input was written")
    return found.get()


def _like(cp, V):
    """V on the device in its own memory layout."""
    if gpu._flipped(V):
        return cp.asarray(V.transpose(0, 1, 3, 2).copy()).transpose(0, 1, 3, 2)
    return cp.asarray(V.copy())


def check(values_of, rows, k, dtype, cp, rng):
    values = values_of(rng)
    X = integers(rng, (rows, k), dtype, -3, 3)
    found = product(cp, values, X)
    assert found.dtype == X.dtype
    np.testing.assert_array_equal(found, by_definition(values, X))


def dyadic(dtype, A, L, D, k, down, stored=None):
    values_of = partial(run_of, A=A, L=L, D=D, dtype=dtype, down=down, stored=stored)
    return partial(check, values_of, A * D << L, k, dtype)


def single(dtype, a, b, c, d, k):
    return partial(check, lambda rng: [integers(rng, (a, d, b, c), dtype)], a * c * d, k, dtype)


def cases_of(kernel, dtype, size):
    if kernel == "small_blocks":
        return [single(dtype, 2, 3, size, 5, 9), single(dtype, 3, 5, size - 1, 2, 16)]
    itemsize = np.dtype(dtype).itemsize
    if kernel == "butterfly_rows":
        most = (gpu.CHUNK // itemsize).bit_length() - 1
        shapes = [(1, most, 1, 1), (300 * 4 // itemsize, 4, 1, 1), (5, 5, 1, 3)]
        return [dyadic(dtype, *shape, down) for shape in shapes for down in (False, True)]
    stages, vector, down = size
    k = 3 * vector if vector > 1 else 5
    return [dyadic(dtype, 2, stages, 3 if vector > 1 or itemsize == 16 else 8, k, down)]


CASES = [
    (instance, case)
    for (kernel, dtype, size), instance in gpu.INSTANCES.items()
    for case in cases_of(kernel, dtype, size)
]
