"""CPU kernels: correlation of a vector or a block, and LU of a Cauchy-like matrix."""

import numpy as np

from structmat._backend.cpu import deferred, jit

simd = deferred("structmat._backend.simd")

__all__ = ["cauchy_lu", "correlate_block", "correlate_complex", "correlate_vector"]


@jit(fast=True)
def correlate_vector(h, x, y, flip):  # (m + n - 1,), (n,), (m,), bool
    """y[i] = sum_j h[i + j] x[j], or x[n - 1 - j] if flip.

    Eight terms a pass: nine loads and one store for eight multiply-adds of a whole vector, all of
    them from the L1 cache, where a dense product reads n^2 numbers from memory.
    """
    m, n = y.size, x.size
    first, step = (n - 1, -1) if flip else (0, 1)
    y[:] = 0
    j = 0
    while j + 8 <= n:
        at = first + step * j
        x0, x1, x2, x3 = x[at], x[at + step], x[at + 2 * step], x[at + 3 * step]
        x4, x5, x6, x7 = x[at + 4 * step], x[at + 5 * step], x[at + 6 * step], x[at + 7 * step]
        g = h[j : j + m + 7]
        for i in range(m):
            y[i] += (
                (g[i] * x0 + g[i + 1] * x1)
                + (g[i + 2] * x2 + g[i + 3] * x3)
                + (g[i + 4] * x4 + g[i + 5] * x5)
                + (g[i + 6] * x6 + g[i + 7] * x7)
            )
        j += 8
    while j < n:
        x0 = x[first + step * j]
        g = h[j : j + m]
        for i in range(m):
            y[i] += g[i] * x0
        j += 1


@jit
def correlate_complex(h, x, y, flip):  # (m + n - 1,), (n,), (m,), bool
    """`correlate_vector` for complex numbers, by four real ones that are whole vectors."""
    real, imag = h.real.copy(), h.imag.copy()
    left, right = x.real.copy(), x.imag.copy()
    u, v = np.empty(y.size, left.dtype), np.empty(y.size, left.dtype)
    correlate_vector(real, left, u, flip)
    correlate_vector(imag, right, v, flip)
    for i in range(y.size):
        y[i] = u[i] - v[i]
    correlate_vector(real, right, u, flip)
    correlate_vector(imag, left, v, flip)
    for i in range(y.size):
        y[i] += 1j * (u[i] + v[i])


@jit
def correlate_block(h, X, Y, flip):  # (m + n - 1,), (n, k), (m, k), bool
    """Y[i] = sum_j h[i + j] X[j], or X[n - 1 - j] if flip.

    The left factor is never materialised: its row i is h from i on, so that its leading dimension
    is 1. A block narrower than a vector is taken column by column.
    """
    m, n, k = Y.shape[0], X.shape[0], X.shape[1]
    if k >= simd.lanes(h):
        first, step = ((n - 1) * k, -k) if flip else (0, k)
        simd.gemm(h, 0, 1, m, X.reshape(-1), first, step, Y.reshape(-1), 0, k, n, k, 1, 0, 0)
        return
    x, y = np.empty(n, h.dtype), np.empty(m, h.dtype)
    for c in range(k):
        for j in range(n):
            x[j] = X[j, c]
        correlate_vector(h, x, y, flip)
        for i in range(m):
            Y[i, c] = y[i]


@jit(fast=True)
def cauchy_lu(G, H, sums, differences, W, p, every):  # (4, n) twice, (2n,), (2n - 1,), (n, n), (n,)
    """P M = L U, M[k, l] = (G[:, k] . H[:, l]) sums[k + l] differences[k - l + n - 1].

    U comes on and above the diagonal of W, and J L J, transposed, below it (J the reversal): then
    every row of U and every column of L lies in a row of W. Row k of P M is row p[k] of M. G and H
    are overwritten. Returns the first step without a pivot, n if there is none.
    """
    n = G.shape[1]
    g0, g1, g2, g3 = G[0], G[1], G[2], G[3]
    h0, h1, h2, h3 = H[0], H[1], H[2], H[3]
    column, exchanged = np.empty(n, G.dtype), np.empty(n, np.intp)
    for i in range(n):
        p[i] = i
    for k in range(n):
        if k % every == 0:
            _orthonormalise(G, H, k)
        a0, a1, a2, a3 = h0[k], h1[k], h2[k], h3[k]
        s, t = sums[k:], differences[n - 1 - k :]
        for i in range(k, n):
            x = (g0[i] * a0 + g1[i] * a1) + (g2[i] * a2 + g3[i] * a3)
            column[i] = x * (s[p[i]] * t[p[i]])
        row, largest = k, 0.0
        for i in range(k, n):
            size = abs(column[i].real) + abs(column[i].imag)
            if size > largest:
                row, largest = i, size
        if largest == 0:
            return k
        exchanged[k] = row
        p[k], p[row] = p[row], p[k]
        pivot, column[row] = column[row], column[k]
        b0, g0[row] = g0[row], g0[k]
        b1, g1[row] = g1[row], g1[k]
        b2, g2[row] = g2[row], g2[k]
        b3, g3[row] = g3[row], g3[k]
        inverse = 1 / pivot
        lower = W[n - 1 - k]
        for i in range(k + 1, n):
            x = column[i] * inverse
            lower[i - k - 1] = x
            g0[i] -= x * b0
            g1[i] -= x * b1
            g2[i] -= x * b2
            g3[i] -= x * b3
        upper = W[k]
        upper[k] = pivot
        first, last = p[k], p[k] + n - 1
        for i in range(k + 1, n):
            x = (h0[i] * b0 + h1[i] * b1) + (h2[i] * b2 + h3[i] * b3)
            x *= sums[first + i] * differences[last - i]
            upper[i] = x
            x *= inverse
            h0[i] -= x * a0
            h1[i] -= x * a1
            h2[i] -= x * a2
            h3[i] -= x * a3
    for k in range(n - 1):
        _settle_column(W[n - 1 - k, : n - 1 - k], exchanged[k + 1 :], k + 1)
    return n


@jit
def _settle_column(column, exchanged, first):
    """Apply the exchanges of rows that came after a column of L was made; then reverse it."""
    n = column.size
    for i in range(n):
        j = exchanged[i] - first
        column[i], column[j] = column[j], column[i]
    for i in range(n // 2):
        column[i], column[n - 1 - i] = column[n - 1 - i], column[i]


@jit(fast=True)
def _orthonormalise(G, H, k):  # (4, n), (4, n)
    """Orthonormal rows of G[:, k:] with the same G^T H.

    Modified Gram-Schmidt: large generators of a small matrix would cancel in every entry.
    """
    n = G.shape[1]
    for a in range(4):
        row, weights = G[a], H[a]
        total = 0.0
        for i in range(k, n):
            total += row[i].real * row[i].real + row[i].imag * row[i].imag
        if total > 0:
            size = np.sqrt(total)
            inverse = 1 / size
            for i in range(k, n):
                row[i] *= inverse
                weights[i] *= size
        for b in range(a + 1, 4):
            other, its = G[b], H[b]
            overlap = 0 * row[0]
            for i in range(k, n):
                overlap += np.conj(row[i]) * other[i]
            for i in range(k, n):
                other[i] -= overlap * row[i]
                weights[i] += overlap * its[i]
