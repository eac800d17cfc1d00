"""Discrete cosine and sine transforms of types 1 to 4: SciPy's on the host, by cuFFT on a device.

With L the *logical* length (2 n, for DCT-I 2 (n - 1), for DST-I 2 (n + 1)), the unnormalised
transforms are

    DCT-I    y_k = x_0 + (-1)^k x_{n-1} + 2 sum_{0<j<n-1} x_j cos(pi j k / (n - 1))
    DCT-II   y_k = 2 sum_j x_j cos(pi k (2 j + 1) / (2 n))
    DCT-III  y_k = x_0 + 2 sum_{j>0} x_j cos(pi (2 k + 1) j / (2 n))
    DCT-IV   y_k = 2 sum_j x_j cos(pi (2 k + 1) (2 j + 1) / (4 n))
    DST-I    y_k = 2 sum_j x_j sin(pi (k + 1) (j + 1) / (n + 1))
    DST-II   y_k = 2 sum_j x_j sin(pi (k + 1) (2 j + 1) / (2 n))
    DST-III  y_k = (-1)^k x_{n-1} + 2 sum_{j<n-1} x_j sin(pi (2 k + 1) (j + 1) / (2 n))
    DST-IV   y_k = 2 sum_j x_j sin(pi (2 k + 1) (2 j + 1) / (4 n))

I and IV are their own inverses up to L, II and III each other's.
"""

import numpy as np

from structmat import _checks
from structmat._backend.arrays import namespace_of

__all__ = ["dct", "dst", "idct", "idst"]

NORMS = (None, "backward", "ortho", "forward")
INVERSE = {1: 1, 2: 3, 3: 2, 4: 4}
# SciPy's threads cost 20 microseconds a call; they pay from this many entries on.
_LARGE = 2**16


def dct(x, type=2, *, axis=-1, norm=None, orthogonalize=None):
    """Discrete cosine transform.

    Parameters
    ----------
    x : (..., n, ...) array_like or CuPy array
        Real or complex, of any memory layout; float32 and complex64 are kept, integers become
        float64.
    type : {1, 2, 3, 4}
        Which of the definitions below.
    axis : int
        The axis to transform.
    norm : {None, "backward", "ortho", "forward"}
        Scale of the result: 1 (None and "backward"), ``1/sqrt(L)`` or ``1/L``, where L is 2 n, for
        type 1 2 (n - 1).
    orthogonalize : bool, optional
        Scale the entries at the ends by sqrt(2) or its inverse, so that with ``norm="ortho"`` the
        matrix of the transform is orthogonal. By default True for ``norm="ortho"`` only.

    Returns
    -------
    array
        Same shape and dtype as `x` (float64 for integers).

    Raises
    ------
    ValueError
        If the axis is empty, or has one entry where type 1 needs two.

    See Also
    --------
    idct : the inverse.

    Notes
    -----
    The definitions and options are those of `scipy.fft.dct`, which does the work for NumPy arrays.
    For a CuPy array it is one FFT of n entries (types 2, 3), L entries (type 1), n/2 or, for odd n,
    2 n complex entries (type 4). O(n log n) operations, relative error of order eps log(n) in the
    2-norm.

    References
    ----------
    J. Makhoul, "A fast cosine transform in one and two dimensions", IEEE Trans. Acoust. Speech
    Signal Process. 28, 1980.

    Examples
    --------
    >>> from structmat.transforms import dct, idct
    >>> dct([1.0, 2.0, 3.0]).round(4) + 0.0
    array([12.    , -3.4641,  0.    ])
    >>> idct(dct([1.0, 2.0, 3.0], 4), 4).round(12)
    array([1., 2., 3.])
    """
    return _transform("dct", x, type, axis, norm, orthogonalize)


def idct(x, type=2, *, axis=-1, norm=None, orthogonalize=None):
    """Inverse discrete cosine transform: ``idct(dct(x, type), type)`` is `x`.

    Parameters
    ----------
    x : (..., n, ...) array_like or CuPy array
        Real or complex, of any memory layout; float32 and complex64 are kept, integers become
        float64.
    type : {1, 2, 3, 4}
        The type of the transform to be inverted.
    axis : int
        The axis to transform.
    norm : {None, "backward", "ortho", "forward"}
        Scale of the result: ``1/L`` (None and "backward"), ``1/sqrt(L)`` or 1, where L is 2 n, for
        type 1 2 (n - 1).
    orthogonalize : bool, optional
        As in `dct`.

    Returns
    -------
    array
        Same shape and dtype as `x` (float64 for integers).

    Raises
    ------
    ValueError
        If the axis is empty, or has one entry where type 1 needs two.

    See Also
    --------
    dct : the definitions, cost and accuracy.

    Examples
    --------
    >>> from structmat.transforms import idct
    >>> idct([6.0, 0.0, 0.0])
    array([1., 1., 1.])
    """
    return _transform("idct", x, type, axis, norm, orthogonalize)


def dst(x, type=2, *, axis=-1, norm=None, orthogonalize=None):
    """Discrete sine transform.

    Parameters
    ----------
    x : (..., n, ...) array_like or CuPy array
        Real or complex, of any memory layout; float32 and complex64 are kept, integers become
        float64.
    type : {1, 2, 3, 4}
        Which of the definitions of `scipy.fft.dst`.
    axis : int
        The axis to transform.
    norm : {None, "backward", "ortho", "forward"}
        Scale of the result: 1 (None and "backward"), ``1/sqrt(L)`` or ``1/L``, where L is 2 n, for
        type 1 2 (n + 1).
    orthogonalize : bool, optional
        Scale the last entry by sqrt(2) or its inverse (types 2 and 3), so that with
        ``norm="ortho"`` the matrix of the transform is orthogonal. By default True for
        ``norm="ortho"`` only.

    Returns
    -------
    array
        Same shape and dtype as `x` (float64 for integers).

    Raises
    ------
    ValueError
        If the axis is empty.

    See Also
    --------
    idst : the inverse.

    Notes
    -----
    As `dct`.

    Examples
    --------
    >>> from structmat.transforms import dst
    >>> dst([1.0, 2.0, 1.0], 1).round(4) + 0.0
    array([ 6.8284,  0.    , -1.1716])
    """
    return _transform("dst", x, type, axis, norm, orthogonalize)


def idst(x, type=2, *, axis=-1, norm=None, orthogonalize=None):
    """Inverse discrete sine transform: ``idst(dst(x, type), type)`` is `x`.

    Parameters
    ----------
    x : (..., n, ...) array_like or CuPy array
        Real or complex, of any memory layout; float32 and complex64 are kept, integers become
        float64.
    type : {1, 2, 3, 4}
        The type of the transform to be inverted.
    axis : int
        The axis to transform.
    norm : {None, "backward", "ortho", "forward"}
        Scale of the result: ``1/L`` (None and "backward"), ``1/sqrt(L)`` or 1, where L is 2 n, for
        type 1 2 (n + 1).
    orthogonalize : bool, optional
        As in `dst`.

    Returns
    -------
    array
        Same shape and dtype as `x` (float64 for integers).

    Raises
    ------
    ValueError
        If the axis is empty.

    See Also
    --------
    dst : the definitions, cost and accuracy.

    Examples
    --------
    >>> from structmat.transforms import dst, idst
    >>> idst(dst([1.0, 2.0, 1.0])).round(12)
    array([1., 2., 1.])
    """
    return _transform("idst", x, type, axis, norm, orthogonalize)


def _transform(name, x, type, axis, norm, orthogonalize):
    x = _checks.as_array(x, "x")
    if x.ndim == 0:
        raise ValueError(f"{name} needs an array of at least one dimension; got a scalar")
    axis = np.lib.array_utils.normalize_axis_index(axis, x.ndim)
    type = _checks.choice(_checks.size(type, "type"), "type", (1, 2, 3, 4))
    _checks.choice(norm, "norm", NORMS)
    if orthogonalize is None:
        orthogonalize = norm == "ortho"
    orthogonalize = _checks.flag(orthogonalize, "orthogonalize")
    n = x.shape[axis]
    least = 2 if name.endswith("dct") and type == 1 else 1
    if n < least:
        raise ValueError(
            f"{name} of type {type} needs at least {least} entries along axis {axis}; "
            f"got shape {tuple(x.shape)}"
        )
    if not x.size:
        return x.copy()
    if namespace_of(x) is np:
        return _scipy(name, x, type, axis, norm, orthogonalize)
    from structmat.transforms import trigonometric_fft

    if name.startswith("i"):
        name, type = name[1:], INVERSE[type]
        norm = {"ortho": "ortho", "forward": None}.get(norm, "forward")
    return trigonometric_fft.transform(name, x, type, axis, norm, orthogonalize)


def _scipy(name, x, type, axis, norm, orthogonalize):
    import scipy.fft

    from structmat._backend.workers import get_workers

    threads = get_workers() if x.size >= _LARGE else 1
    function = getattr(scipy.fft, name)
    options = {"axis": axis, "norm": norm, "orthogonalize": orthogonalize, "workers": threads}
    if x.dtype.kind != "c":
        return function(x, type, **options)
    # SciPy (1.17) transforms complex arrays too, but without regard to `orthogonalize`. Real and
    # imaginary parts side by side are transformed together, faster than one after the other, unless
    # they are one long line, which leaves the cache.
    if x.size == x.shape[axis] >= _LARGE:
        y = np.empty(x.shape, x.dtype)
        y.real = function(x.real, type, **options)
        y.imag = function(x.imag, type, **options)
        return y
    pairs = np.ascontiguousarray(x)[..., None].view(x.real.dtype)
    y = np.ascontiguousarray(function(pairs, type, **options))
    return y.view(x.dtype)[..., 0]
