"""The Walsh-Hadamard transform in float64 by dense products of matrices: none of our own code.

H_n[i, j] = (-1)^popcount(i & j). For n = p q it is the Kronecker product of H_p and H_q, so beyond
n = 4096 the transform is a few products with smaller matrices on the reshaped array.
"""

import functools

import numpy as np

LARGEST = 4096


def entries(n):
    """H_n from its definition, as int8 on the host."""
    i = np.arange(n, dtype=np.uint32)
    return 1 - 2 * (np.bitwise_count(i[:, None] & i) & 1).astype(np.int8)


@functools.lru_cache(maxsize=16)
def _matrix(xp, n):
    return xp.asarray(entries(n).astype(np.float64))


def transform(xp, X, n, inner=1):
    """H_n along the middle axis of `X`, of shape (outer, n, inner) or flat; float64 or complex."""
    shape = X.shape
    while n > 1 and X.size:
        p = min(n, LARGEST)
        if inner == 1:
            X = X.reshape(-1, p) @ _matrix(xp, p)  # H is symmetric
        else:
            X = xp.matmul(_matrix(xp, p), X.reshape(-1, p, inner))
        n, inner = n // p, inner * p
    return X.reshape(shape)


def ordered(n, order):
    """Indices into the natural order: row s of the ordered matrix is row ordered(n, order)[s] of H.

    Sequency from its definition, the number of sign changes along a row; dyadic (Paley) by the
    reversed binary digits.
    """
    if order == "sequency":
        H = entries(n)
        return np.argsort((H[:, 1:] != H[:, :-1]).sum(1), kind="stable")
    if order == "dyadic":
        digits = n.bit_length() - 1
        return np.array([int(f"{i:0{digits}b}"[::-1], 2) if digits else 0 for i in range(n)])
    return np.arange(n)


def factor(n, norm, inverse=False):
    """What the transform is multiplied by, as in scipy.fft."""
    if norm == "ortho":
        return n**-0.5
    return 1 / n if (norm == "forward") != inverse else 1.0


def tolerance(dtype, n):
    """Relative error allowed: 1e-13 in double; 5e-7 log2 n, at most 1e-5, in single precision."""
    dtype = np.dtype(dtype)
    if dtype.kind in "iub":
        return 0.0
    if dtype in (np.float64, np.complex128):
        return 1e-13
    return min(5e-7 * max(1.0, np.log2(max(n, 1))), 1e-5)


def errors(xp, actual, expected):
    """(in the 2-norm, the largest entry over the root mean square), both relative to `expected`."""
    if not expected.size:
        return 0.0, 0.0
    difference = xp.abs(actual.astype(expected.dtype) - expected).reshape(-1)
    size = float(xp.sqrt((xp.abs(expected).reshape(-1) ** 2).sum()))
    off = float(xp.sqrt((difference**2).sum()))
    if size == 0:
        return (0.0, 0.0) if off == 0 else (float("inf"), float("inf"))
    return off / size, float(difference.max()) / (size / expected.size**0.5)
