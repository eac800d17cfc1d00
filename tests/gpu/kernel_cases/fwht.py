"""The fast Walsh-Hadamard transform: each kernel, out of place and in place, on small shapes."""

from functools import partial

import numpy as np

from structmat.transforms import gpu


def by_definition(x, scale=1):
    """scale * (I ⊗ H_n ⊗ I) x for x of shape (outer, n, inner), H_n[i, j] = (-1)^popcount(i & j).

    In float64, or in int64 exactly. H_n = H_a ⊗ H_b above n = 256, so that no factor is large.
    """
    outer, n, inner = x.shape
    x = x.astype(np.int64 if x.dtype.kind == "i" else np.float64)
    low = min(n, 256)
    i = np.arange(low)
    signs = 1 - 2 * (np.bitwise_count(i[:, None] & i).astype(x.dtype) % 2)
    y = (signs @ x.reshape(-1, low, inner)).reshape(outer, n // low, low * inner)
    if low < n:
        y = by_definition(y)
    return scale * y.reshape(x.shape)


def run(cp, x, scale=1, *, in_place=False):
    """The transform of x, (outer, n, inner), through the library; `out` holds rubbish before."""
    rubbish = np.iinfo(x.dtype).min if x.dtype.kind == "i" else np.nan
    given = cp.asarray(x.copy())
    out = given if in_place else cp.asarray(np.full(x.shape, rubbish, x.dtype))
    gpu.fwht(given, out, *x.shape, int(scale) if x.dtype.kind == "i" else float(scale))
    if not in_place:
        np.testing.assert_array_equal(given.get(), x, "the input was written")
    return out.get()


def integers(rng, shape, dtype):
    """Integers whose transforms up to 2^15 are exact in float32 too."""
    return rng.integers(-99, 100, shape).astype(dtype)


def check(dtype, shape, cp, rng):
    x = integers(rng, shape, dtype)
    expected = by_definition(x, 4)
    np.testing.assert_array_equal(run(cp, x, 4), expected)
    np.testing.assert_array_equal(run(cp, x, 4, in_place=True), expected)


# By kernel and size: chunks of several rows, a last chunk that is not full, an inner dimension;
# columns that fill several tiles and part of another.
SHAPES = {
    ("fwht_rows", 12): (5, 2**11, 1),
    ("fwht_rows", 13): (2, 2**12, 2),
    ("fwht_rows", 14): (1, 2**14, 1),
    ("fwht_rows", 15): (1, 2**15, 1),
    **{("fwht_columns", size): (3, 2**size, 47) for size in (3, 5, 6, 7, 8)},
    ("fwht_columns", 9): (1, 2**9, 33),
}
CASES = [
    (instance, partial(check, dtype, SHAPES[kernel, size]))
    for (kernel, dtype, size), instance in gpu.INSTANCES.items()
]
