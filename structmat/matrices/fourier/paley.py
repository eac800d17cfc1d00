"""Hadamard matrices of order 12, 20 and 28 by Paley's constructions, and signs from bit counts.

With q a prime, chi(a) = 1, -1, 0 for squares, non-squares and zero modulo q, and the Jacobsthal
matrix ``Q[i, j] = chi(i - j)``, ``Q Q^T = q I - J`` [1]_:

    I,   q = 3 mod 4, order q + 1:      H = I + S,   S = [ 0  1^T]
                                                         [-1   Q ],  S^T = -S
    II,  q = 1 mod 4, order 2 (q + 1):  H = C (x) [1  1] + I (x) [ 1 -1],   C = [0 1^T]
                                                  [1 -1]         [-1 -1]        [1  Q ],  C^T = C

Order 12 (q = 11) and 20 (q = 19) are I + skew, normal and not symmetric, with the eigenvalues
``1 +- i sqrt(q)``; order 28 (q = 13) is symmetric.

References
----------
.. [1] R. E. A. C. Paley, On orthogonal matrices, J. Math. Phys. 12 (1933) 311-320.
"""

import functools

import numpy as np

__all__ = [
    "ORDERS",
    "SYMMETRIC",
    "decompose",
    "natural_row",
    "neighbours",
    "parity",
    "signs",
    "table",
]

ORDERS = (1, 12, 20, 28)
SYMMETRIC = (1, 28)


@functools.cache
def table(m):
    """The Hadamard matrix of order m in 1, 12, 20, 28; read-only, float64."""
    if m == 1:
        H = np.ones((1, 1))
    elif m == 28:
        C = _bordered(13, 1)
        H = np.kron(C, [[1, 1], [1, -1]]) + np.kron(np.eye(14), [[1, -1], [-1, -1]])
    else:
        H = np.eye(m) + _bordered(m - 1, -1)
    H.flags.writeable = False
    return H


def _bordered(q, corner):
    """[0, 1^T; corner 1, Q] with the Jacobsthal matrix Q of the prime q."""
    squares = {i * i % q for i in range(1, q)}
    chi = np.array([0] + [1 if a in squares else -1 for a in range(1, q)], dtype=float)
    i = np.arange(q)
    B = np.zeros((q + 1, q + 1))
    B[0, 1:], B[1:, 0] = 1, corner
    B[1:, 1:] = chi[(i[:, None] - i) % q]
    return B


def decompose(n):
    """(m, k) with n = m 2^k and m in 1, 12, 20, 28; None if there is no such m."""
    for m in ORDERS:
        size, rest = divmod(n, m)
        if rest == 0 and size > 0 and size & (size - 1) == 0:
            return m, size.bit_length() - 1
    return None


def neighbours(n):
    """The largest order below n and the smallest above."""
    halves = [(m, max(n // m, 1).bit_length()) for m in ORDERS]
    orders = [m << k for m, bits in halves for k in (bits - 1, bits)]
    return max(p for p in orders if p < n), min(p for p in orders if p > n)


# ---------------------------------------------------------------- entries of powers of two


def parity(x):
    """Number of ones of each integer, modulo 2; Python integers in an object array too."""
    if x.dtype == object:
        return np.asarray(np.frompyfunc(lambda v: int(v).bit_count() & 1, 1, 1)(x), dtype=np.int64)
    return (np.bitwise_count(x) & 1).astype(np.int64)


def signs(i, j):
    """(-1)^<i, j>: the entries of the Hadamard matrix of order 2^k in natural order."""
    return 1 - 2 * parity(np.asarray(i & j))


def natural_row(i, k, order):
    """The natural row of row i in dyadic or sequency order of k bits."""
    if order == "natural":
        return i
    if order == "sequency":
        i = i ^ (i >> 1)
    reverse = i & 0
    for bit in range(k):
        reverse = reverse | (((i >> bit) & 1) << (k - 1 - bit))
    return reverse
