"""Products with few diagonals: loops that vectorise over rows or over columns of X."""

from structmat._backend.cpu import jit

__all__ = ["banded_block", "banded_vector", "tridiagonal_block", "tridiagonal_vector"]


@jit
def tridiagonal_vector(lower, diag, upper, x, y):  # (n-1,), (n,), (n-1,), (n,), (n,)
    n = len(diag)
    if n == 1:
        y[0] = diag[0] * x[0]
    elif n > 1:
        y[0] = diag[0] * x[0] + upper[0] * x[1]
        for i in range(1, n - 1):
            y[i] = lower[i - 1] * x[i - 1] + diag[i] * x[i] + upper[i] * x[i + 1]
        y[n - 1] = lower[n - 2] * x[n - 2] + diag[n - 1] * x[n - 1]


@jit
def tridiagonal_block(lower, diag, upper, X, Y):  # (n-1,), (n,), (n-1,), (n, k), (n, k)
    n, k = X.shape
    for i in range(n):
        d = diag[i]
        for c in range(k):
            Y[i, c] = d * X[i, c]
        if i > 0:
            l = lower[i - 1]
            for c in range(k):
                Y[i, c] += l * X[i - 1, c]
        if i < n - 1:
            u = upper[i]
            for c in range(k):
                Y[i, c] += u * X[i + 1, c]


@jit
def banded_vector(bands, upper, x, y):  # (w, n), int, (n,), (m,)
    w, n = bands.shape
    m = len(y)
    # A tile of y stays in the first-level cache while all diagonals are added to it.
    for start in range(0, m, 2048):
        stop = min(m, start + 2048)
        for i in range(start, stop):
            y[i] = 0
        for r in range(w):
            down = r - upper
            for j in range(max(start - down, 0), min(stop - down, n)):
                y[j + down] += bands[r, j] * x[j]


@jit
def banded_block(bands, upper, X, Y):  # (w, n), int, (n, k), (m, k)
    w, n = bands.shape
    m, k = Y.shape
    for i in range(m):
        for c in range(k):
            Y[i, c] = 0
        for r in range(w):
            j = i + upper - r
            if 0 <= j < n:
                a = bands[r, j]
                for c in range(k):
                    Y[i, c] += a * X[j, c]
