"""CPU kernels: correlation of a vector or a block, substitution, LU of a Cauchy-like matrix."""

import numpy as np

from structmat._backend.cpu import deferred, jit

simd = deferred("structmat._backend.simd")

__all__ = [
    "cauchy_lu",
    "correlate_block",
    "correlate_complex",
    "correlate_complex_block",
    "correlate_vector",
    "substitute",
]


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


@jit(fast=True)
def _correlate_pair(h, x, y):  # (m + n - 1,), (2, n), (2, m)
    """y[c][i] = sum_j h[i + j] x[c][j]: the loads of h serve two columns."""
    m, n = y.shape[1], x.shape[1]
    a, b = x[0], x[1]
    u, v = y[0], y[1]
    u[:] = 0
    v[:] = 0
    j = 0
    while j + 4 <= n:
        a0, a1, a2, a3 = a[j], a[j + 1], a[j + 2], a[j + 3]
        b0, b1, b2, b3 = b[j], b[j + 1], b[j + 2], b[j + 3]
        g = h[j : j + m + 3]
        for i in range(m):
            g0, g1, g2, g3 = g[i], g[i + 1], g[i + 2], g[i + 3]
            u[i] += (g0 * a0 + g1 * a1) + (g2 * a2 + g3 * a3)
            v[i] += (g0 * b0 + g1 * b1) + (g2 * b2 + g3 * b3)
        j += 4
    while j < n:
        g = h[j : j + m]
        for i in range(m):
            u[i] += g[i] * a[j]
            v[i] += g[i] * b[j]
        j += 1


@jit
def correlate_block(h, X, Y, flip):  # (m + n - 1,), (n, k), (m, k), bool
    """Y[i] = sum_j h[i + j] X[j], or X[n - 1 - j] if flip.

    A register tile of whole vectors of columns, whose left factor is never materialised: its row i
    is h from i on, so that its leading dimension is 1. Columns that are fewer than a vector come
    transposed, Y^T = X^T A^T: then A^T is the right factor, its row j is h from j on, and the long
    dimension fills the vectors.
    """
    m, n, k = Y.shape[0], X.shape[0], X.shape[1]
    wide = k - k % simd.lanes(h)
    if wide:
        first, step = ((n - 1) * k, -k) if flip else (0, k)
        simd.gemm(h, 0, 1, m, X.reshape(-1), first, step, Y.reshape(-1), 0, k, n, wide, 1, 0, 0)
    rest = k - wide
    if not rest:
        return
    x, y = np.empty((rest, n), h.dtype), np.empty((rest, m), h.dtype)
    rows = X[::-1] if flip else X
    for c in range(rest):
        for j in range(n):
            x[c, j] = rows[j, wide + c]
    # A tile has four rows or eight; one or two left over take less time on their own.
    tiled = rest if rest % 4 == 3 else rest - rest % 4
    if m < simd.lanes(h):
        tiled = 0
    if tiled:
        simd.gemm(x.reshape(-1), 0, n, tiled, h, 0, 1, y.reshape(-1), 0, m, n, m, 1, 0, 0)
    for c in range(tiled, rest - 1, 2):
        _correlate_pair(h, x[c : c + 2], y[c : c + 2])
    if (rest - tiled) % 2:
        correlate_vector(h, x[rest - 1], y[rest - 1], False)
    for c in range(rest):
        for i in range(m):
            Y[i, wide + c] = y[c, i]


@jit(fast=True)
def correlate_complex(h, x, y, flip):  # (m + n - 1,), (n,), (m,), bool
    """`correlate_vector` for complex numbers, real and imaginary parts apart.

    Four terms a pass: 16 multiply-adds of a vector for eight loads from h.
    """
    m, n = y.size, x.size
    first, step = (n - 1, -1) if flip else (0, 1)
    real, imag = h.real.copy(), h.imag.copy()
    u, v = np.zeros(m, real.dtype), np.zeros(m, real.dtype)
    j = 0
    while j + 4 <= n:
        at = first + step * j
        x0, x1, x2, x3 = x[at], x[at + step], x[at + 2 * step], x[at + 3 * step]
        a0, a1, a2, a3 = x0.real, x1.real, x2.real, x3.real
        b0, b1, b2, b3 = x0.imag, x1.imag, x2.imag, x3.imag
        g, f = real[j : j + m + 3], imag[j : j + m + 3]
        for i in range(m):
            g0, g1, g2, g3 = g[i], g[i + 1], g[i + 2], g[i + 3]
            f0, f1, f2, f3 = f[i], f[i + 1], f[i + 2], f[i + 3]
            u[i] += ((g0 * a0 + g1 * a1) + (g2 * a2 + g3 * a3)) - (
                (f0 * b0 + f1 * b1) + (f2 * b2 + f3 * b3)
            )
            v[i] += ((g0 * b0 + g1 * b1) + (g2 * b2 + g3 * b3)) + (
                (f0 * a0 + f1 * a1) + (f2 * a2 + f3 * a3)
            )
        j += 4
    while j < n:
        x0 = x[first + step * j]
        g, f = real[j : j + m], imag[j : j + m]
        for i in range(m):
            u[i] += g[i] * x0.real - f[i] * x0.imag
            v[i] += g[i] * x0.imag + f[i] * x0.real
        j += 1
    for i in range(m):
        y[i] = u[i] + 1j * v[i]


@jit
def correlate_complex_block(h, X, Y, flip):  # (m + n - 1,), (n, k), (m, k), bool
    """`correlate_block` for complex numbers.

    The real and the imaginary parts of X, side by side, times those of h.
    """
    m, n, k = Y.shape[0], X.shape[0], X.shape[1]
    real, imag = h.real.copy(), h.imag.copy()
    parts = np.empty((n, 2 * k), real.dtype)
    for j in range(n):
        for c in range(k):
            parts[j, c] = X[j, c].real
            parts[j, k + c] = X[j, c].imag
    U, V = np.empty((m, 2 * k), real.dtype), np.empty((m, 2 * k), real.dtype)
    correlate_block(real, parts, U, flip)
    correlate_block(imag, parts, V, flip)
    for i in range(m):
        for c in range(k):
            Y[i, c] = (U[i, c] - V[i, k + c]) + 1j * (U[i, k + c] + V[i, c])


@jit(fast=True)
def substitute(c, X):  # (n,), (k, n)
    """Solve in place with the lower triangular Toeplitz matrix of first column c, row by row of X.

    Eight unknowns a pass, whose terms then go from all that follow in one sweep.
    """
    n = c.size
    tail = c[1:]
    for b in X:
        j = 0
        while j < n:
            stop = min(j + 8, n)
            for i in range(j, stop):
                s = b[i]
                for q in range(j, i):
                    s -= c[i - q] * b[q]
                b[i] = s / c[0]
            if stop == n:
                break
            x0, x1, x2, x3 = b[j], b[j + 1], b[j + 2], b[j + 3]
            x4, x5, x6, x7 = b[j + 4], b[j + 5], b[j + 6], b[j + 7]
            rest = b[stop:]
            g = tail[: rest.size + 7]
            for i in range(rest.size):
                rest[i] -= (
                    (g[i + 7] * x0 + g[i + 6] * x1)
                    + (g[i + 5] * x2 + g[i + 4] * x3)
                    + (g[i + 3] * x4 + g[i + 2] * x5)
                    + (g[i + 1] * x6 + g[i] * x7)
                )
            j = stop


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
