"""Products with a matrix whose rows are windows of one sequence h: directly, or by FFT.

A[i, j] = h[i + j] (Hankel), or h[n - 1 + i - j] (Toeplitz, whose product is that of the Hankel
matrix with x upside down: `flip`). Either way takes h as it is; nothing is kept between products.
"""

import numpy as np

from structmat._backend.workers import get_workers
from structmat.matrices.displacement import cpu

__all__ = ["SMALL", "correlate", "cycle", "direct", "transforms", "workers"]

# Nanoseconds, on one core of an x86 server with 64-byte vectors: a multiply-add of float64 in a
# vector kernel and in a register tile, a point of a real transform, and the calls of one product.
_VECTOR, _TILE, _POINT, _CALLS = 0.063, 0.037, 3.1, 20e3
# Below this many entries the direct product is faster for any number of columns.
SMALL = 1 << 16


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
    if xp is np:
        if m * n <= SMALL:
            return direct(h, X, m, flip)
        length = transforms(np).next_fast_len(m + n - 1, h.dtype.kind != "c")
        if _direct_is_faster(m, n, k, length, h.dtype):
            return direct(h, X, m, flip)
    else:
        length = 1 << (m + n - 2).bit_length()
    # Circular convolution of that length wraps into the first n - 1 results alone.
    return _cyclic(xp, h, X if flip else X[::-1], length)[n - 1 : n - 1 + m]


def cycle(xp, c, h, X):
    """The same for the circulant matrix of column c, whose windows are h."""
    n, k = X.shape
    if not (n and k):
        return xp.zeros((n, k), X.dtype)
    if xp is np and (n * n <= SMALL or _direct_is_faster(n, n, k, n, c.dtype)):
        return direct(h, X, n, True)
    return _cyclic(xp, c, X, n)


def direct(h, X, m, flip):
    """A @ X with 2 m n flops a column; every entry to the accuracy of a dense product."""
    n, k = X.shape
    Y = np.empty((m, k), X.dtype)
    if k == 1:
        kernel = cpu.correlate_complex if h.dtype.kind == "c" else cpu.correlate_vector
        kernel(h, X.reshape(-1), Y.reshape(-1), flip)
    elif h.dtype.kind != "c":
        cpu.correlate_block(h, X, Y, flip)
    else:
        parts = X.view(h.real.dtype).reshape(n, 2 * k)
        real, imag = (direct(np.ascontiguousarray(h_), parts, m, flip) for h_ in (h.real, h.imag))
        return real.view(h.dtype) + 1j * imag.view(h.dtype)
    return Y


def _direct_is_faster(m, n, k, length, dtype):
    complex_ = dtype.kind == "c"
    real_bytes = dtype.itemsize // (2 if complex_ else 1)
    each = (_VECTOR if k * (1 + complex_) < 8 else _TILE) * (4 if complex_ else 1) * real_bytes / 8
    by_fft = _CALLS + _POINT * length * (1 + 2 * k) * (1 + complex_)
    return each * m * n * k < by_fft


def _cyclic(xp, c, X, length):
    """Circular convolution of c with the columns of X, both padded by zeros to `length`."""
    fft, real = transforms(xp), c.dtype.kind != "c"
    options = workers(xp, length * X.shape[1])
    forward, back = (fft.rfft, fft.irfft) if real else (fft.fft, fft.ifft)
    # The factor 1 / length goes with c: nothing then exceeds what the result may be by far.
    spectrum = forward(c, length, norm="forward")[:, None]
    spectrum = spectrum * forward(X, length, axis=0, **options)
    return back(spectrum, length, axis=0, norm="forward", **options)
