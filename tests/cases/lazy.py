"""Cases of what closure gives: sums, products, multiples, inverses, real parts."""

import numpy as np
from support import Case, randn

import structmat as sm


def cases():
    rng = np.random.default_rng(11)
    for dtype in (np.float32, np.float64, np.complex64, np.complex128):
        yield from _of(dtype, np.dtype(dtype).name, rng)
    A = randn((5, 4), rng, np.complex128)
    yield Case("real-part", np.real(sm.Dense(A)), A.real.copy(), {"tall"})
    yield Case("imaginary-part", np.imag(sm.Dense(A)), A.imag.copy(), {"tall"})


def _of(dtype, name, rng):
    n = 6
    P = np.zeros((n, n), dtype)
    p = rng.permutation(n)
    for i in range(n):
        P[i, p[i]] = 1
    A = randn((n, n), rng, dtype) + 4 * np.eye(n, dtype=dtype)
    W = randn((n, 3), rng, dtype)
    permutation, general = sm.Permutation(p, dtype), sm.Dense(A)
    d = np.abs(randn(n, rng, dtype)).astype(dtype) + 1
    D = np.diag(d)
    S = 3 * D + P + P.T
    yield Case(f"sum-{name}", sm.Sum(permutation, sm.Diagonal(d)), P + D, {"square"})
    yield Case(f"product-{name}", sm.Product(general, permutation), A @ P, {"square"})
    yield Case(f"product-tall-{name}", sm.Product(permutation, sm.Dense(W)), P @ W, {"tall"})
    scaled = sm.Scaled(dtype(-2), permutation)
    yield Case(f"scaled-{name}", scaled, -2 * P, {"square"})
    inverse = np.linalg.inv(A.astype(np.result_type(dtype, np.float64))).astype(dtype)
    yield Case(f"inverse-{name}", sm.Inverse(general), inverse, {"square"})
    symmetric = sm.Sum(3 * sm.Diagonal(d), permutation, permutation.T)
    yield Case(f"sum-hermitian-{name}", symmetric, S, {"square", "hermitian"})
