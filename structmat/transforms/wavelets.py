"""The periodised Haar wavelet transform: orthogonal, of any number of levels, in 1-D and 2-D.

One level sends x of even length n to averages and differences of neighbours,

    a_i = (x_{2i} + x_{2i+1}) / sqrt(2),    d_i = (x_{2i} - x_{2i+1}) / sqrt(2),

and the next level takes a for x. After L levels the order is (a_L | d_L | d_{L-1} | ... | d_1),
from coarse to fine. The filters are as long as their shift, so periodic extension never wraps
around, and the matrix W of the transform is exactly orthogonal. For n = 4, L = 2:

    W = [[ 1/2,  1/2,  1/2,  1/2],
         [ 1/2,  1/2, -1/2, -1/2],
         [ r,   -r,    0,    0  ],
         [ 0,    0,    r,   -r  ]],   r = 1/sqrt(2).

Scaling by sqrt(2) is put off at odd levels, and two levels together scale by 2, which is exact.
"""

import math

import numpy as np

from structmat import _checks
from structmat._backend.arrays import namespace_of

__all__ = ["haar", "haar2", "ihaar", "ihaar2"]

LAYOUTS = ("standard", "mallat")
# From this many entries on the kernel is faster than NumPy's calls (6 against 20 microseconds).
_LARGE = 32


def haar(x, *, levels=None, axis=-1):
    """Haar wavelet transform along an axis.

    Parameters
    ----------
    x : (..., n, ...) array_like or CuPy array
        Real or complex, of any memory layout; float32 and complex64 are kept, integers become
        float64.
    levels : int, optional
        Number of levels; n must be divisible by ``2**levels``. By default as many as n allows, and
        an odd n > 1, which allows none, is refused.
    axis : int
        The axis to transform.

    Returns
    -------
    array
        Same shape and dtype: W x, the averages of the last level, then the differences from the
        coarsest level to the finest.

    Raises
    ------
    ValueError
        If n is not divisible by ``2**levels``.

    See Also
    --------
    ihaar : the inverse, which is the adjoint.

    Notes
    -----
    At most 4 n additions and 2 n multiplications, and one pass over an array on the host whose
    `axis` is contiguous. W is orthogonal: the 2-norm is kept to rounding, and the error is below
    eps times the number of levels.

    References
    ----------
    S. Mallat, A Wavelet Tour of Signal Processing, 3rd ed., 2009, section 7.3.

    Examples
    --------
    >>> from structmat.transforms import haar, ihaar
    >>> haar([4.0, 2.0, 5.0, 5.0])
    array([ 8.        , -2.        ,  1.41421356,  0.        ])
    >>> ihaar(haar([4.0, 2.0, 5.0, 5.0])).round(12)
    array([4., 2., 5., 5.])
    """
    return _along(x, levels, axis, "haar")


def ihaar(x, *, levels=None, axis=-1):
    """Inverse Haar wavelet transform along an axis.

    Parameters
    ----------
    x : (..., n, ...) array_like or CuPy array
        Coefficients in the order of `haar`. Real or complex, of any memory layout; float32 and
        complex64 are kept, integers become float64.
    levels : int, optional
        Number of levels, as in `haar`.
    axis : int
        The axis to transform.

    Returns
    -------
    array
        Same shape and dtype: W^T x.

    Raises
    ------
    ValueError
        If n is not divisible by ``2**levels``.

    See Also
    --------
    haar : the definition, cost and accuracy.

    Examples
    --------
    >>> from structmat.transforms import ihaar
    >>> ihaar([2.0, 0.0, 0.0, 0.0])
    array([1., 1., 1., 1.])
    """
    return _along(x, levels, axis, "ihaar")


def haar2(x, *, levels=None, axes=(-2, -1), layout="standard"):
    """Haar wavelet transform of two axes.

    Parameters
    ----------
    x : (..., m, ..., n, ...) array_like or CuPy array
        Real or complex, of any memory layout; float32 and complex64 are kept, integers become
        float64.
    levels : int, optional
        Number of levels for both axes. By default as many as the lengths allow: for "standard" of
        each axis by itself, for "mallat" of both.
    axes : pair of int
        The two axes to transform.
    layout : {"standard", "mallat"}
        "standard" transforms each axis in full: W_m X W_n^T, a Kronecker product. "mallat" takes
        one level of both axes, then goes on with the averages of averages.

    Returns
    -------
    array
        Same shape and dtype. In the layout of "mallat" a level leaves four blocks: averages of
        both axes in front (which the next level replaces), differences along the second axis to
        the right, along the first axis below, along both in the corner.

    Raises
    ------
    ValueError
        If a length is not divisible by ``2**levels``, or the axes are the same.

    See Also
    --------
    ihaar2 : the inverse, which is the adjoint.

    Notes
    -----
    Both are orthogonal. "mallat" costs 8/3 additions an entry, "standard" 4.

    References
    ----------
    S. Mallat, A Wavelet Tour of Signal Processing, 3rd ed., 2009, section 7.7.

    Examples
    --------
    >>> import numpy as np
    >>> from structmat.transforms import haar2
    >>> haar2(np.array([[4.0, 2.0], [1.0, 1.0]]))
    array([[4., 1.],
           [2., 1.]])
    """
    return _both(x, levels, axes, layout, "haar2")


def ihaar2(x, *, levels=None, axes=(-2, -1), layout="standard"):
    """Inverse Haar wavelet transform of two axes.

    Parameters
    ----------
    x : (..., m, ..., n, ...) array_like or CuPy array
        Coefficients in the order of `haar2`. Real or complex, of any memory layout; float32 and
        complex64 are kept, integers become float64.
    levels : int, optional
        Number of levels, as in `haar2`.
    axes : pair of int
        The two axes to transform.
    layout : {"standard", "mallat"}
        As in `haar2`.

    Returns
    -------
    array
        Same shape and dtype.

    Raises
    ------
    ValueError
        If a length is not divisible by ``2**levels``, or the axes are the same.

    See Also
    --------
    haar2 : the definition, cost and accuracy.

    Examples
    --------
    >>> import numpy as np
    >>> from structmat.transforms import haar2, ihaar2
    >>> x = np.arange(16.0).reshape(4, 4)
    >>> np.allclose(ihaar2(haar2(x, layout="mallat"), layout="mallat"), x)
    True
    """
    return _both(x, levels, axes, layout, "ihaar2")


# ---------------------------------------------------------------- the door


def _most(n):
    """The largest number of levels of length n: the exponent of 2 in n."""
    return (n & -n).bit_length() - 1 if n else 0


def _levels(levels, name, *sizes):
    """`levels` checked against lengths; by default the most that all of them allow."""
    if levels is None:
        levels = min(map(_most, sizes))
        for n in sizes:
            if n > 1 and levels == 0 and n % 2:
                raise ValueError(
                    f"{name}: a length of {n} is odd and allows no level; pad to an even length, "
                    "or say levels=0"
                )
        return levels
    levels = _checks.size(levels, "levels")
    for n in sizes:
        # Not `n % 2**levels`: a level count of 10^9 must be refused, not computed.
        if n and levels > _most(n):
            raise ValueError(
                f"{name}: {levels} level(s) need a length divisible by 2**{levels}; got {n}, which "
                f"allows {_most(n)}. Use fewer levels, or pad"
            )
    return levels if min(sizes) else 0


def _along(x, levels, axis, name):
    x = _checks.as_array(x, "x")
    if x.ndim == 0:
        raise ValueError(f"{name} needs an array of at least one dimension; got a scalar")
    axis = np.lib.array_utils.normalize_axis_index(axis, x.ndim)
    levels = _levels(levels, name, x.shape[axis])
    return (_forward if name == "haar" else _inverse)(x, levels, axis)


def _both(x, levels, axes, layout, name):
    x = _checks.as_array(x, "x")
    if x.ndim < 2:
        raise ValueError(
            f"{name} needs an array of at least two dimensions; got shape {tuple(x.shape)}"
        )
    if not hasattr(axes, "__len__") or len(axes) != 2:
        raise ValueError(f"`axes` must be two axes; got {axes!r}")
    first, second = np.lib.array_utils.normalize_axis_tuple(axes, x.ndim, "axes")
    _checks.choice(layout, "layout", LAYOUTS)
    m, n = x.shape[first], x.shape[second]
    if layout == "standard":
        levels_m, levels_n = _levels(levels, name, m), _levels(levels, name, n)
        step = _forward if name == "haar2" else _inverse
        return step(step(x, levels_n, second), levels_m, first)
    levels = _levels(levels, name, m, n)
    xp = namespace_of(x)
    x = xp.moveaxis(x, (first, second), (-2, -1))
    y = (_mallat if name == "haar2" else _imallat)(x, levels)
    return xp.moveaxis(y, (-2, -1), (first, second))


# ---------------------------------------------------------------- the transform


def _in_one_pass(x, axis, levels):
    return (
        levels > 0
        and x.size >= _LARGE
        and isinstance(x, np.ndarray)
        and axis == x.ndim - 1
        and x.flags.c_contiguous
    )


def _forward(x, levels, axis):
    if _in_one_pass(x, axis, levels):
        from structmat.transforms import wavelets_cpu

        return wavelets_cpu.forward(x, levels)
    xp = namespace_of(x)
    y = xp.empty(x.shape, x.dtype)
    a, out = x.swapaxes(axis, -1), y.swapaxes(axis, -1)
    root = math.sqrt(0.5)
    for level in range(1, levels + 1):
        even, odd = a[..., ::2], a[..., 1::2]
        half = even.shape[-1]
        odd_level = level % 2
        out[..., half : 2 * half] = (even - odd) * (root if odd_level else 0.5)
        a = even + odd
        if not odd_level:
            a *= 0.5
    out[..., : a.shape[-1]] = a * root if levels % 2 else a
    return y


def _inverse(x, levels, axis):
    if _in_one_pass(x, axis, levels):
        from structmat.transforms import wavelets_cpu

        return wavelets_cpu.inverse(x, levels)
    xp = namespace_of(x)
    coefficients = x.swapaxes(axis, -1)
    half = coefficients.shape[-1] >> levels
    a = coefficients[..., :half]
    a = a * math.sqrt(2) if levels % 2 else a.copy()
    for level in range(levels, 0, -1):
        d = coefficients[..., half : 2 * half]
        if level % 2:
            a *= 0.5
            d = d * math.sqrt(0.5)
        wider = xp.empty((*a.shape[:-1], 2 * half), x.dtype)
        wider[..., ::2] = a + d
        wider[..., 1::2] = a - d
        a, half = wider, 2 * half
    return a.swapaxes(axis, -1)


def _mallat(x, levels):
    y = x.copy()
    m, n = x.shape[-2:]
    for _ in range(levels):
        top, bottom = y[..., :m:2, :n], y[..., 1:m:2, :n]
        rows = (top + bottom, top - bottom)
        m, n = m // 2, n // 2
        for i, row in enumerate(rows):
            left, right = row[..., ::2], row[..., 1::2]
            block = y[..., i * m : (i + 1) * m, :]
            block[..., :n] = (left + right) * 0.5
            block[..., n : 2 * n] = (left - right) * 0.5
    return y


def _imallat(x, levels):
    xp = namespace_of(x)
    y = x.copy()
    m, n = (s >> levels for s in x.shape[-2:])
    for _ in range(levels):
        rows = xp.empty((*x.shape[:-2], 2 * m, 2 * n), x.dtype)
        a, d = y[..., : 2 * m, :n], y[..., : 2 * m, n : 2 * n]
        rows[..., ::2] = a + d
        rows[..., 1::2] = a - d
        top, bottom = rows[..., :m, :], rows[..., m:, :]
        m, n = 2 * m, 2 * n
        y[..., :m:2, :n] = (top + bottom) * 0.5
        y[..., 1:m:2, :n] = (top - bottom) * 0.5
    return y
