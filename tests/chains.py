"""Kronecker-sparse factors for tests, and what they are by definition."""

import numpy as np
import support

import structmat as sm


def factor(pattern, rng, dtype=np.float64):
    a, b, c, d = pattern
    return sm.KroneckerSparse(support.randn((a, d, b, c), rng, dtype))


def well(pattern, rng, dtype=np.float64):
    """A factor with square blocks of condition at most 3."""
    a, b, _, d = pattern
    values = support.randn((a, d, b, b), rng, dtype)
    U, _, Vh = np.linalg.svd(values)
    return sm.KroneckerSparse(((U * np.linspace(1, 3, b)) @ Vh).astype(dtype))


def literal(F):
    """The dense matrix of a factor, entry by entry."""
    if isinstance(F, sm.Permutation):
        D = np.zeros(F.shape, F.dtype)
        for i, j in enumerate(F.p):
            D[i, j] = 1
        return D
    a, b, c, d = F.pattern
    D = np.zeros((a * b * d, a * c * d), F.dtype)
    for i in range(a):
        for l in range(d):
            for j in range(b):
                for k in range(c):
                    D[i * b * d + j * d + l, i * c * d + k * d + l] = F.values[i, l, j, k]
    return D


def product(A):
    work = np.result_type(A.dtype, np.float64)
    D = literal(A.factors[0]).astype(work)
    for F in A.factors[1:]:
        D = D @ literal(F)
    return D[: A.shape[0], : A.shape[1]]
