"""The Fourier transform between bit-reversed and natural order.

Points of a lattice in van der Corput order, frac(z rev(i) / n), are what a fast Fourier transform
by decimation in time expects, so that Gram matrices of shift-invariant kernels on them are
diagonalised by this pair.
"""

import numpy as np

from structmat import _checks
from structmat._backend.arrays import namespace_of
from structmat.transforms.orders import log2, permutation

__all__ = ["fft_br", "ifft_br"]

NORMS = (None, "backward", "ortho", "forward")
# SciPy's threads cost 20 microseconds a call; they pay from this many entries on.
_LARGE = 2**16


def fft_br(x, *, axis=-1, norm=None):
    """Discrete Fourier transform of data in bit-reversed order.

    Parameters
    ----------
    x : (..., n, ...) array_like or CuPy array
        n = 2^m entries along `axis`, entry i belonging to the index rev(i). Real or complex, of any
        memory layout; float32 and complex64 are kept, integers become float64.
    axis : int
        The axis to transform.
    norm : {None, "backward", "ortho", "forward"}
        Scale of the result: 1 (None and "backward"), ``1/sqrt(n)`` or ``1/n``.

    Returns
    -------
    array of complex64 or complex128
        Same shape, natural order:
        ``y[k] = sum_i x[i] exp(-2 pi 1j k rev(i) / n)``, that is ``fft(x[bit_reversal(n)])``.

    Raises
    ------
    ValueError
        If n is not a power of two.

    See Also
    --------
    ifft_br : the inverse, from natural to bit-reversed order.

    Notes
    -----
    One gather, which is the only copy of `x`, and SciPy's (CuPy's) FFT: O(n log n) operations,
    relative error of order eps log(n) in the 2-norm.

    References
    ----------
    A. G. Sorokin, "A unified implementation of quasi-Monte Carlo generators, randomization
    routines, and fast kernel methods", 2025.

    Examples
    --------
    >>> import numpy as np
    >>> from structmat.transforms import fft_br, ifft_br
    >>> fft_br([1.0, 0.0, 1.0, 0.0])
    array([2.-0.j, 1.-1.j, 0.-0.j, 1.+1.j])
    >>> np.allclose(ifft_br(fft_br([1.0, 2.0, 3.0, 4.0])), [1, 2, 3, 4])
    True
    """
    x, axis = _door(x, axis, norm, "fft_br")
    return _fft("fft", _reversed(x, axis), axis, norm, x.dtype.kind == "c")


def ifft_br(x, *, axis=-1, norm=None):
    """Inverse discrete Fourier transform into bit-reversed order.

    Parameters
    ----------
    x : (..., n, ...) array_like or CuPy array
        n = 2^m Fourier coefficients along `axis` in natural order. Real or complex, of any memory
        layout; float32 and complex64 are kept, integers become float64.
    axis : int
        The axis to transform.
    norm : {None, "backward", "ortho", "forward"}
        Scale of the result: ``1/n`` (None and "backward"), ``1/sqrt(n)`` or 1. With the `norm` of
        `fft_br` the two are inverses.

    Returns
    -------
    array of complex64 or complex128
        Same shape, bit-reversed order:
        ``y[i] = 1/n sum_k x[k] exp(2 pi 1j k rev(i) / n)``, that is ``ifft(x)[bit_reversal(n)]``.

    Raises
    ------
    ValueError
        If n is not a power of two.

    See Also
    --------
    fft_br : the inverse, from bit-reversed to natural order.

    Notes
    -----
    As `fft_br`. With ``norm="ortho"`` this is its adjoint too.

    Examples
    --------
    >>> from structmat.transforms import ifft_br
    >>> ifft_br([2.0, 1.0 - 1.0j, 0.0, 1.0 + 1.0j])
    array([1.+0.j, 0.+0.j, 1.+0.j, 0.+0.j])
    """
    x, axis = _door(x, axis, norm, "ifft_br")
    return _reversed(_fft("ifft", x, axis, norm, False), axis)


def _door(x, axis, norm, name):
    x = _checks.as_array(x, "x")
    if x.ndim == 0:
        raise ValueError(f"{name} needs an array of at least one dimension; got a scalar")
    _checks.choice(norm, "norm", NORMS)
    axis = np.lib.array_utils.normalize_axis_index(axis, x.ndim)
    log2(x.shape[axis], f"the length of `x` along axis {axis}")
    return x, axis


def _reversed(x, axis):
    """A new array with `x` in bit-reversed order along `axis`."""
    n, xp = x.shape[axis], namespace_of(x)
    if xp is np and axis == x.ndim - 1 and x.flags.c_contiguous:
        from structmat.transforms import bitreversed_cpu

        if n >= bitreversed_cpu.WORTHWHILE and x.size:
            return bitreversed_cpu.reverse(x.reshape(-1, n)).reshape(x.shape)
    return xp.take(x, permutation("dyadic", n, xp), axis=axis)


def _fft(name, x, axis, norm, overwrite):
    xp = namespace_of(x)
    if xp is not np:
        return getattr(xp.fft, name)(x, axis=axis, norm=norm)
    if not x.size:
        return x.astype(np.result_type(x, np.complex64))
    import scipy.fft

    from structmat._backend.workers import get_workers

    threads = get_workers() if x.size >= _LARGE else 1
    function = getattr(scipy.fft, name)
    return function(x, axis=axis, norm=norm, overwrite_x=overwrite, workers=threads)
