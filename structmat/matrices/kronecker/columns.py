"""Products and norms of columnwise Kronecker products, from two factors of about sqrt(M) rows."""

import math

import numpy as np

from structmat._backend.arrays import namespace_of
from structmat.matrices.kronecker.modes import exponent_of, size_of, times_power

__all__ = [
    "column_norms",
    "column_products",
    "columns_product",
    "columnwise",
    "halves",
    "ldexp",
    "rows_product",
]

# Up to this many right-hand sides each gets its own GEMM; above, rows are formed, a block of BATCH
# entries (a share of the second-level cache) at a time.
FEW = 8
BATCH = 2**17


def columnwise(factors):
    """The columnwise Kronecker product as an array."""
    out = factors[0]
    for A in factors[1:]:
        shape = out.shape[0] * A.shape[0], A.shape[1]
        out = (out[:, None, :] * A[None, :, :]).reshape(shape)
    return out


def halves(factors):
    """Two factors of about sqrt(M) rows each, multiplied out: the product is then one GEMM."""
    if len(factors) == 1:
        A = factors[0]
        return namespace_of(A).ones((1, A.shape[1]), A.dtype), A
    total = size_of(A.shape[0] for A in factors)
    cut = min(
        range(1, len(factors)),
        key=lambda c: abs(size_of(A.shape[0] for A in factors[:c]) ** 2 - total),
    )
    return tuple(
        part[0] if len(part) == 1 else columnwise(part) for part in (factors[:cut], factors[cut:])
    )


def columns_product(A, B, X):
    """sum_j A[i, j] X[j, c] B[l, j] as an array ((i, l), c).

    For few columns c one GEMM each, ``A (B diag(x_c))^T``; for many, blocks of rows of the matrix
    are formed, a little at a time, since forming them costs less than the GEMM that takes them.
    """
    p, q, k = A.shape[0], B.shape[0], X.shape[1]
    xp = namespace_of(X)
    out = xp.empty((p * q, k), X.dtype)
    if k <= FEW:
        scaled = X.T[:, :, None] * B.T  # (k, r, q)
        out[...] = xp.matmul(A, scaled).reshape(k, p * q).T
        return out
    for rows, block in _blocks(A, B):
        xp.matmul(block, X, out=out[rows])
    return out


def rows_product(A, B, X):
    """sum_(i, l) A[i, j] X[(i, l), c] B[l, j] as an array (j, c): the transpose of the above."""
    (p, r), (q, k) = A.shape, (B.shape[0], X.shape[1])
    xp = namespace_of(X)
    if k <= FEW:
        block = xp.ascontiguousarray(X.T).reshape(k, p, q)
        return xp.ascontiguousarray(xp.einsum("cij,ij->jc", xp.matmul(block, B), A))
    out = xp.zeros((r, k), X.dtype)
    for rows, block in _blocks(A, B):
        out += block.T @ X[rows]
    return out


def _blocks(A, B):
    """Rows of the columnwise product of A and B, a block of at most about `BATCH` entries each."""
    (p, r), q = A.shape, B.shape[0]
    step = max(1, BATCH // max(q * r, 1))
    for i in range(0, p, step):
        block = A[i : i + step, None, :] * B
        yield slice(i * q, (i + block.shape[0]) * q), block.reshape(block.shape[0] * q, r)


def column_products(factors, measure):
    """Products over factors of a measure of each column, scaled by a power of two: (array, e)."""
    total, exponent = 1.0, 0
    for A in factors:
        e = exponent_of(A)
        total = total * measure(times_power(A, -e).astype(np.result_type(A.dtype, np.float64)))
        exponent += e
    return total, exponent


def column_norms(A):
    """Euclidean norms of the columns."""
    return np.sqrt((abs(A) ** 2).sum(0))


def ldexp(x, e):
    """x * 2**e, infinite where that is not representable."""
    return math.ldexp(x, e) if e < 1024 or x == 0 else math.inf
