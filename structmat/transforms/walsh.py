"""The Walsh-Hadamard transform of an array along an axis: fwht, ifwht."""

import math
import operator

import numpy as np

from structmat import _checks
from structmat._backend.arrays import is_array, namespace_of
from structmat.transforms import cpu, orders

__all__ = ["fwht", "ifwht"]

NATURAL = "natural"
NORMS = ("backward", "ortho", "forward")


def fwht(x, *, axis=-1, order=NATURAL, norm=None, out=None, overwrite_x=False):
    """Fast Walsh-Hadamard transform, ``y[k] = sum_j (-1)**popcount(j & k) x[j]``.

    Parameters
    ----------
    x : array, NumPy or CuPy
        Real, complex, integer or bool; its size n along `axis` is a power of two.
    axis : int
        Axis to transform.
    order : {"natural", "sequency", "dyadic"}
        Order of the coefficients: of the Hadamard matrix H_2 (x) ... (x) H_2 (natural), by their
        number of sign changes (sequency, of Walsh), or with the bits of k reversed (dyadic, of
        Paley).
    norm : {None, "backward", "ortho", "forward"}
        As in :func:`scipy.fft.fft`: no factor ("backward", the default), ``1 / sqrt(n)``
        ("ortho"), ``1 / n`` ("forward").
    out : array, optional
        Where to write the result, of its shape and dtype.
    overwrite_x : bool
        Allow the result to take the memory of `x`; it does where `x` is C-contiguous and of the
        result's dtype.

    Returns
    -------
    array
        In the shape of `x`. float32, float64, complex64 and complex128 keep their dtype. Integers
        and bool give int64, exactly, when no factor is asked for, and float64 otherwise.

    Raises
    ------
    ValueError
        n is not a power of two, or `out` does not fit.
    TypeError
        The dtype is not supported, or `out` is no array.
    OverflowError
        Integers so large that a sum of n of them may not fit int64.

    Notes
    -----
    n log2(n) additions; any axis of a C-contiguous array is transformed where it is, another layout
    is copied once, and so is one with few columns after the axis (3 to 15 real ones in single
    precision, 3 to 7 in double). Every entry is a sum of n terms by a binary tree, with an error of
    at most ``log2(n) eps`` times the sum of moduli [1]_. NaN and infinities spread to the whole
    transform.

    References
    ----------
    .. [1] N. J. Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed., 2002, eq. (4.6).

    Examples
    --------
    >>> import numpy as np
    >>> from structmat.transforms import fwht
    >>> fwht(np.array([1, 0, 0, 2]))
    array([ 3, -1, -1,  3])
    >>> fwht(np.array([1.0, 2.0, 3.0, 4.0]), order="sequency", norm="ortho")
    array([ 5., -2.,  0., -1.])
    """
    plain = norm is None and out is None and order is NATURAL and axis == -1
    if plain and type(x) is np.ndarray and x.ndim == 1 and type(overwrite_x) is bool:
        y = cpu.vector(x, overwrite_x)
        if y is not None:
            return y
    return _transform(x, axis, order, norm, out, overwrite_x, inverse=False)


def ifwht(x, *, axis=-1, order="natural", norm=None, out=None, overwrite_x=False):
    """Inverse of :func:`fwht` with the same `order` and `norm`.

    Parameters
    ----------
    x : array, NumPy or CuPy
        Coefficients, in `order` along `axis`.
    axis, order, norm, out, overwrite_x
        As in :func:`fwht`. The factor is ``1 / n`` for "backward", ``1 / sqrt(n)`` for "ortho" and
        none for "forward".

    Returns
    -------
    array
        In the shape of `x`.

    Raises
    ------
    ValueError, TypeError, OverflowError
        As :func:`fwht`.

    Notes
    -----
    The matrix is symmetric in every one of the three orders, so its inverse is itself divided by n.

    Examples
    --------
    >>> import numpy as np
    >>> from structmat.transforms import fwht, ifwht
    >>> ifwht(fwht(np.arange(4.0)))
    array([0., 1., 2., 3.])
    """
    return _transform(x, axis, order, norm, out, overwrite_x, inverse=True)


def _transform(x, axis, order, norm, out, overwrite_x, inverse):
    natural = isinstance(order, str) and order == "natural"
    _checks.choice(order if isinstance(order, str) else repr(order), "order", orders.ORDERS)
    _checks.flag(overwrite_x, "overwrite_x")
    _checks.choice(norm, "norm", (None, *NORMS))
    # Integers stay integers unless a factor is asked for, whatever its value.
    exact = norm != "ortho" and (norm == "forward") == inverse
    x, given = _array(x, exact), x
    if x.ndim == 0:
        raise ValueError("the transform needs an array with at least one axis; got a scalar")
    axis = _axis(axis, x.ndim)
    n = x.shape[axis]
    if n & (n - 1) or not n:
        raise ValueError(_lengths(n, axis))
    if x.dtype.kind == "i":
        _refuse_overflow(x, n)
    scale = _factor(n, norm, inverse)
    target = None if out is None else _target(out, x)
    y = _natural(x, given, axis, n, scale, target if natural else None, overwrite_x)
    if not natural:
        xp = namespace_of(y)
        y = xp.take(y, orders.permutation(order, n, xp), axis=axis)
    if out is None:
        return y
    if y is not target:
        target[...] = y
    return out


def _axis(axis, ndim):
    try:
        index = operator.index(axis)
    except TypeError:
        index = None
    if index is None or isinstance(axis, bool | np.bool_):
        raise TypeError(
            f"`axis` must be one integer; got {axis!r}. Transform several axes one after the other"
        )
    if not -ndim <= index < ndim:
        raise np.exceptions.AxisError(index, ndim)
    return index % ndim


def _lengths(n, axis):
    """The refusal of a length that is no power of two, with what can be done instead."""
    if not n:
        return f"the size of axis {axis} must be a power of two; got an empty axis"
    lower = 1 << (n.bit_length() - 1)
    way = f"pad with zeros to {2 * lower}, or take {lower}"
    if any(n % m == 0 and not (n // m) & (n // m - 1) for m in (12, 20, 28)):
        way = f"structmat.Hadamard({n}) has this order; or {way}"
    return f"the size of axis {axis} must be a power of two; got {n}: {way}"


def _natural(x, given, axis, n, scale, out, overwrite_x):
    """The transform in natural order; in `out` or in the caller's own array where that works."""
    xp = namespace_of(x)
    source = x if x.flags.c_contiguous else xp.ascontiguousarray(x)
    if xp is np and not source.flags.aligned:
        source = source.copy()
    if out is not None and _is_plain(out, xp) and not _overlap(out, x):
        y = out
    elif source is not x or (x is not given and not _shares(x, given)):
        y = source  # a copy of our own
    elif overwrite_x and _is_plain(x, xp):
        y = x
    else:
        y = xp.empty(x.shape, x.dtype)
    outer, inner = math.prod(x.shape[:axis]), math.prod(x.shape[axis + 1 :])
    if x.size:
        real = x.dtype.char.lower() if x.dtype.kind == "c" else None
        a, b = (source.view(real), y.view(real)) if real else (source, y)
        _kernels(xp).fwht(a, b, outer, n, 2 * inner if real else inner, scale)
    return y


def _kernels(xp):
    if xp is np:
        return cpu
    from structmat.transforms import gpu

    return gpu


def _array(x, exact):
    """`x` as an array that the kernels know; integers as int64 where the result is to be exact."""
    if type(x) is np.ndarray and x.dtype.char in _checks.SUPPORTED and x.dtype.isnative:
        return x
    if not is_array(x):
        x = _checks.from_dlpack(x, "x") if hasattr(x, "__dlpack__") else np.asarray(x)
    if x.dtype.kind in "biu" and exact and not isinstance(x, np.ma.MaskedArray):
        if x.dtype == np.uint64 and x.size and int(x.max()) >= 2**63:
            raise OverflowError("integers above 2**63 - 1 do not fit int64; convert to float64")
        return namespace_of(x).asarray(x).astype(np.int64, copy=False)
    return _checks.as_array(x, "x")


def _factor(n, norm, inverse):
    if norm is None:
        return 1 / n if inverse else 1
    if norm == "ortho":
        return 1 / math.sqrt(n)
    _checks.choice(norm, "norm", (None, *NORMS))
    return 1 / n if (norm == "backward") == inverse else 1


def _refuse_overflow(x, n):
    if n > 1 and x.size and max(-int(x.min()), int(x.max())) > (2**63 - 1) // n:
        raise OverflowError(
            f"a sum of {n} of these integers may exceed int64; convert `x` to float64 first"
        )


def _target(out, like):
    """`out` as a plain array to write to; it must be like the result."""
    if not is_array(out) or isinstance(out, np.ma.MaskedArray):
        raise TypeError(f"`out` must be a NumPy or CuPy array; got {type(out).__name__}")
    if namespace_of(out) is not namespace_of(like):
        raise _checks.MixedDevicesError("`out` and `x` are on different devices")
    if out.shape != like.shape or out.dtype != like.dtype:
        raise ValueError(
            f"`out` must be an array of {like.dtype}, shape {like.shape}; got {out.dtype} of "
            f"shape {out.shape}"
        )
    return (
        out.view(np.ndarray) if isinstance(out, np.ndarray) and type(out) is not np.ndarray else out
    )


def _is_plain(y, xp):
    """True for memory that a kernel may write to."""
    return y.flags.c_contiguous and (xp is not np or (y.flags.writeable and y.flags.aligned))


def _overlap(out, x):
    """True where `out` is neither `x` itself nor apart from it."""
    if out is x:
        return False
    if not isinstance(out, np.ndarray):
        return True  # decide nothing about device memory: a copy is always right
    same = out.__array_interface__["data"] == x.__array_interface__["data"]
    if same and out.strides == x.strides:
        return False
    return np.may_share_memory(out, x)


def _shares(x, given):
    return (
        not isinstance(given, np.ndarray)
        or not isinstance(x, np.ndarray)
        or np.may_share_memory(x, given)
    )
