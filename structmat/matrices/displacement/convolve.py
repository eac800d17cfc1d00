"""Products with a matrix whose rows are windows of one sequence h: directly, or by FFT.

A[i, j] = h[i + j] (Hankel), or h[n - 1 + i - j] (Toeplitz, whose product is that of the Hankel
matrix with x upside down: `flip`). Either way takes h as it is; nothing is kept between products.
"""

import numpy as np

from structmat._backend.workers import get_workers
from structmat.matrices.displacement import cpu
from structmat.matrices.displacement.scaling import largest, moderate, times_power

__all__ = ["SMALL", "correlate", "cycle", "cyclic", "direct", "transforms", "workers"]

# Nanoseconds, on one core of an x86 server with 64-byte vectors: a multiply-add of float64 in a
# vector kernel and in a register tile, a point of a real transform, and the calls of one product.
_VECTOR, _TILE, _POINT, _CALLS = 0.063, 0.037, 4.5, 35e3
# Below this many entries the direct product is faster for any number of columns.
SMALL = 1 << 17


def transforms(xp):
    """The module of FFTs for a namespace, loaded at the first use."""
    if xp is np:
        import scipy.fft

        return scipy.fft
    return xp.fft


def workers(xp, points):
    """The `workers` of SciPy's transforms: more than one thread for large work only."""
    return {"workers": get_workers()} if xp is np and points >= 1 << 20 else {}


def correlate(xp, h, X, m, flip):
    """A @ X for X (n, k)."""
    n, k = X.shape
    if not (m and n and k):
        return xp.zeros((m, k), X.dtype)

    def by_fft(X):
        # Circular convolution of that length wraps into the first n - 1 results alone.
        return cyclic(xp, h, X if flip else X[::-1], length)[n - 1 : n - 1 + m]

    if xp is not np:
        length = 1 << (m + n - 2).bit_length()
        return by_fft(X)
    if m * n <= SMALL:
        return direct(h, X, m, flip)
    length = transforms(np).next_fast_len(m + n - 1, h.dtype.kind != "c")
    if _direct_is_faster(m, n, k, length, h.dtype):
        return direct(h, X, m, flip)
    return _where_finite(by_fft, h, X, m, flip)


def cycle(xp, c, h, X):
    """The same for the circulant matrix of column c, whose windows are h."""
    n, k = X.shape
    if not (n and k):
        return xp.zeros((n, k), X.dtype)
    if xp is not np:
        return cyclic(xp, c, X, n)
    if n * n <= SMALL or _direct_is_faster(n, n, k, n, c.dtype):
        return direct(h, X, n, True)
    return _where_finite(lambda X: cyclic(np, c, X, n), h, X, n, True)


def direct(h, X, m, flip):
    """A @ X with 2 m n flops a column; every entry to the accuracy of a dense product."""
    k, complex_ = X.shape[1], h.dtype.kind == "c"
    Y = np.empty((m, k), X.dtype)
    if k == 1:
        kernel = cpu.correlate_complex if complex_ else cpu.correlate_vector
        kernel(h, X.reshape(-1), Y.reshape(-1), flip)
    elif complex_:
        cpu.correlate_complex_block(h, X, Y, flip)
    else:
        cpu.correlate_block(h, X, Y, flip)
    return Y


def _direct_is_faster(m, n, k, length, dtype):
    complex_ = dtype.kind == "c"
    real_bytes = dtype.itemsize // (2 if complex_ else 1)
    each = (_VECTOR if k * (1 + complex_) == 1 else _TILE) * (4 if complex_ else 1) * real_bytes / 8
    by_fft = _CALLS + _POINT * length * (1 + 2 * k) * (1 + complex_)
    return each * m * n * k < by_fft


def _where_finite(by_fft, h, X, m, flip):
    """By FFT, which would spread an infinity to all entries: columns that hold one go directly."""
    if np.isfinite(largest(h)):
        size = largest(X)
        good = np.isfinite(size)
        if good.all():
            return by_fft(X)
    else:
        size, good = np.zeros(X.shape[1]), np.zeros(X.shape[1], bool)
    Y = np.full((m, X.shape[1]), np.nan, X.dtype)  # and so are products with a NaN in x
    infinite = ~good & ~np.isnan(size)
    if infinite.any():
        Y[:, infinite] = direct(h, np.ascontiguousarray(X[:, infinite]), m, flip)
    if good.any():
        Y[:, good] = by_fft(np.ascontiguousarray(X[:, good]))
    return Y


def cyclic(xp, c, X, length):
    """Circular convolution of c with the columns of X, both padded by zeros to `length`."""
    c, left = moderate(c)
    X, right = moderate(X)
    fft, real = transforms(xp), c.dtype.kind != "c"
    options = workers(xp, length * X.shape[1])
    forward, back = (fft.rfft, fft.irfft) if real else (fft.fft, fft.ifft)
    spectrum = forward(c, length)[:, None] * forward(X, length, axis=0, **options)
    Y = back(spectrum, length, axis=0, **options)
    with np.errstate(over="ignore", under="ignore"):
        return times_power(Y, left + right)
