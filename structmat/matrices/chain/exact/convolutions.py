"""Circulant and Toeplitz matrices and circular convolutions as chains: F^-1 diag(F c) F.

With DFT = B P (stages and the reversal of digits) and DFT = DFT^T, the reversals cancel:

    F^-1 D F = (conj(B) P / n) D (P^T B^T) = conj(B) (P D P^T / n) B^T,

and the two factors that meet in the middle have one pattern, so that they are one factor: its
blocks are circulant matrices, the convolutions of one digit.
"""

import math

import numpy as np

from structmat import _checks
from structmat._backend.arrays import namespace_of
from structmat.matrices.chain.exact.stages import (
    between_identities,
    digit_reversal,
    door,
    fourier_stages,
    radices_of,
    real_part,
    sizes_of,
    with_fours,
)
from structmat.matrices.chain.matrix import Chain

__all__ = ["circulant", "convolution", "toeplitz"]


@door
def convolution(kernel, shape=None):
    """Circular convolution with a kernel of any number of axes, as a chain.

    On an array of the given shape, as a vector in C order:
    ``y[i] = sum over j of kernel[j] x[(i - j) mod shape]``.

    Parameters
    ----------
    kernel : array, shape (n_1,) or (n_1, n_2), ...
        Its first entry acts in place; real or complex, NumPy or CuPy.
    shape : tuple of int, optional
        Shape of the arrays that are convolved, at least that of the kernel, which is continued by
        zeros. By default that of the kernel.

    Returns
    -------
    Chain
        Square, of order n_1 n_2 ..., real for a real kernel; on the device of the kernel.

    Raises
    ------
    ValueError
        The kernel has no axis, is empty or not finite, or does not fit in `shape`.
    OverflowError
        Its Fourier transform is too large.
    MemoryError
        A size with a large prime factor, which is one dense block.

    Notes
    -----
    For an order N of L radices (its primes, 4 for 2 and 2) 2 L - 1 factors with about
    2 N (r_1 + ... + r_L) complex numbers; a real chain has four real numbers for a complex one. The
    error of an entry is a few L eps of the 1-norm of the kernel, not of the entry.

    References
    ----------
    .. [1] P. J. Davis, *Circulant Matrices*, 2nd ed., AMS Chelsea, 1994, theorem 3.2.2.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> A = sm.Chain.convolution([1.0, -1.0], shape=(4,))
    >>> np.round(A @ np.array([1.0, 4.0, 9.0, 16.0]), 12)
    array([-15.,   3.,   5.,   7.])
    """
    kernel = _checks.finite(_checks.as_array(kernel, "kernel"), "`kernel`")
    shape = kernel.shape if shape is None else sizes_of(shape, "shape")
    fits = len(shape) == kernel.ndim and all(m <= n for m, n in zip(kernel.shape, shape))
    if not kernel.size or not kernel.ndim or not fits:
        raise ValueError(
            "`kernel` must have at least one axis and one entry, and fit in `shape`; got shapes "
            f"{kernel.shape} and {shape}"
        )
    return Chain(_convolved(kernel, shape))


@door
def circulant(c):
    """The circulant matrix of a first column, ``C[i, j] = c[(i - j) mod n]``, as a chain.

    Parameters
    ----------
    c : array, shape (n,)
        First column, as for :func:`scipy.linalg.circulant`; real or complex, NumPy or CuPy.

    Returns
    -------
    Chain
        n x n, real for a real `c`. Where `n` has a large prime factor, the leading part of a
        circulant matrix of order 2^k or 3 2^k, at least 2 n - 1.

    Raises
    ------
    ValueError
        Not one-dimensional, empty, or not finite.
    OverflowError
        Its Fourier transform is too large.

    Notes
    -----
    As for the circular convolution, of which this is the case of one axis.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> np.round(sm.Chain.circulant([4.0, 1.0, 0.0]).toarray(), 12) + 0.0
    array([[4., 0., 1.],
           [1., 4., 0.],
           [0., 1., 4.]])
    """
    c = _sequence(c, "c")
    n = len(c)
    longer = _padded_order(2 * n - 1)
    if n * sum(with_fours(n)) <= longer * sum(with_fours(longer)):
        return Chain(_convolved(c, (n,)))
    return _windows(c, c[1:], longer, (n, n))


@door
def toeplitz(c, r=None):
    """The Toeplitz matrix of a first column and row as a chain: part of a circulant one.

    Parameters
    ----------
    c : array, shape (m,)
        First column.
    r : array, shape (n,), optional
        First row, whose first entry is ignored; by default conj(c), as
        :func:`scipy.linalg.toeplitz`.

    Returns
    -------
    Chain
        m x n, the leading part of a circulant matrix of order 2^k or 3 2^k, at least m + n - 1.

    Raises
    ------
    ValueError
        Not one-dimensional, empty, or not finite.
    OverflowError
        A Fourier transform is too large.

    Notes
    -----
    As for the circular convolution.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> T = sm.Chain.toeplitz([2.0, 1.0, 0.0], [2.0, 3.0])
    >>> np.round(T.toarray(), 12) + 0.0
    array([[2., 3.],
           [1., 2.],
           [0., 1.]])
    """
    c = _sequence(c, "c")
    r = c.conj() if r is None else _sequence(r, "r")
    m, n = len(c), len(r)
    return _windows(c, r[:0:-1], _padded_order(m + n - 1), (m, n))


def _windows(c, end, order, shape):
    """The leading part of the circulant matrix of (c, 0, ..., 0, end)."""
    xp = namespace_of(c, end)
    column = xp.zeros(order, np.result_type(c.dtype, end.dtype))
    column[: len(c)] = c
    column[order - len(end) :] = end
    return Chain(_convolved(column, (order,)), shape)


def _convolved(kernel, shape):
    """Factors of the circular convolution on arrays of a shape."""
    xp, axes = namespace_of(kernel), range(kernel.ndim)
    radices = [_held(n) for n in shape]
    with np.errstate(over="ignore", invalid="ignore"):
        spectrum = xp.fft.fftn(kernel.astype(np.complex128), shape, axes)
    wide = _checks.representable(spectrum, "the Fourier transform of a kernel")
    for axis, digits in zip(axes, radices):
        wide = wide.take(xp.asarray(digit_reversal(digits)), axis=axis)
    stages, before, after = [], 1, math.prod(shape)
    for axis, n, digits in zip(axes, shape, radices):
        after //= n
        # The last stage of all is the one in the middle, of which its blocks are known.
        count = len(digits) - (axis == axes[-1])
        stages += [between_identities(V, before, after) for V in fourier_stages(digits, count)]
        before *= n
    stages = [xp.asarray(V) for V in stages]
    # Scaled by 1/n stage by stage: the chain neither grows nor shrinks on its way.
    outer = [V.conj() / V.shape[2] for V in stages]
    columns = xp.fft.ifft(wide.reshape(-1, radices[-1][-1]), axis=1)
    if not outer and kernel.dtype.kind != "c":
        columns = columns.real  # one dense block: no complex copy of it
    middle = _circulant_blocks(columns)
    stages = [*outer, middle, *(V.transpose(0, 1, 3, 2) for V in stages[::-1])]
    if stages[0].dtype.kind == "c" and kernel.dtype.kind != "c":
        stages = real_part(stages)
    with np.errstate(over="ignore"):
        stages = [xp.ascontiguousarray(V, kernel.dtype) for V in stages]
    return [_checks.representable(V, "a circular convolution as a chain") for V in stages]


def _circulant_blocks(columns):
    """Values (a, 1, r, r) of circulant blocks with these first columns, (a, r)."""
    xp = namespace_of(columns)
    a, r = columns.shape
    # A period of r in rows of r + 1 numbers: c[(j + m) mod r] at [j, m], and m = r - k.
    shifted = xp.broadcast_to(columns[:, None], (a, r + 1, r)).reshape(a, r, r + 1)
    return xp.ascontiguousarray(shifted[:, None, :, :0:-1])


def _held(n):
    """Radices of a convolution of order n, if the numbers of both directions fit."""
    radices = radices_of(n, default=with_fours)
    # Complex stages, their conjugates, and one after the other as real factors, twice as large.
    what = f"a circular convolution of radices {radices}"
    _checks.guard_dense((3 * n, sum(radices)), np.complex128, what)
    return radices


def _sequence(c, name):
    c = _checks.as_parameter(c, name, ndim=1)
    if not len(c):
        raise ValueError(f"`{name}` must have at least one entry")
    return _checks.finite(c, f"`{name}`")


def _padded_order(n):
    """The least order of at least n that is a power of two, or three times one."""
    power = 1 << (n - 1).bit_length()
    return 3 * power // 4 if n <= 3 * power // 4 and power >= 4 else power
