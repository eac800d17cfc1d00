"""Cosine, sine and Hartley transforms as real chains: real parts of scaled Fourier transforms.

With the even-odd reordering Q, (Q x)[m] = x[2 m] in the first half and x[2 (n - 1 - m) + 1] in the
second, the types 2 and 4 are ``Re(diag(l) DFT_n diag(r)) Q`` [1]_, since an angle of row k and
column m differs from the Fourier one by a function of k and one of m. With e(x) = exp(-2 pi i x):

    DCT-II   l = 2 e(k / 4n)          r = 1
    DCT-IV   l = 2 e(k / 4n)          r = s e((4 m + 1) / 8n)
    DST-II   l = 2 i e((k + 1) / 4n)  r = s e(m / n)
    DST-IV   l = 2 i e(k / 4n)        r = e((4 m + 1) / 8n)

s is 1 in the first half and -1 in the second. Type 3 is type 2 transposed; type 1 is the leading
part of a transform of order 2 (n - 1) or 2 (n + 1), without Q.

References
----------
.. [1] J. Makhoul, A fast cosine transform in one and two dimensions, IEEE Trans. Acoust. Speech
   Signal Process. 28 (1980) 27-34.
"""

import math

import numpy as np

from structmat import _checks
from structmat.matrices.chain.exact.stages import (
    chain,
    digit_reversal,
    door,
    fourier_stages,
    order_of,
    radices_of,
    real_part,
    roots,
    scale,
    scaled_columns,
    scaled_rows,
    with_fours,
)
from structmat.matrices.chain.matrix import Chain

__all__ = ["dct", "dst", "hartley"]


@door
def dct(n, type=2, norm=None, radices=None, dtype=np.float64, orthogonalize=None):
    """The discrete cosine transform of type 1, 2, 3 or 4 as a real chain.

    The matrix of :func:`scipy.fft.dct`, entries as in :class:`structmat.DCT`.

    Parameters
    ----------
    n : int
        Order, at least 1 (2 for type 1).
    type : {1, 2, 3, 4}
        See above.
    norm : {None, "backward", "ortho", "forward"}
        Scale 1, 1/sqrt(L) or 1/L, with L = 2 n (type 1: 2 (n - 1)).
    radices : sequence of int, optional
        Factors of the order of the Fourier transform behind it: `n`, for type 1 2 (n - 1). By
        default the prime ones, 4 for 2 and 2.
    dtype : dtype, optional
        float32, float64 (default), complex64 or complex128.
    orthogonalize : bool, optional
        Scale the first row or column so that the matrix is a multiple of an orthogonal one; by
        default for ``norm="ortho"`` only.

    Returns
    -------
    Chain
        Kronecker-sparse factors of rank 2 between neighbours, and permutations.

    Raises
    ------
    ValueError
        `n` is too small, an unknown `type` or ``norm``, or unfit `radices`.

    Notes
    -----
    The real part of a chain of complex factors is a chain of real ones with interiors of twice the
    size; so no complex number is formed in a product. The interior factors are not square: their
    product is. About 4 n (r_1 + ... + r_L) numbers; two radices make a Monarch matrix of block rank
    2 between permutations.

    Examples
    --------
    >>> import numpy as np, scipy.fft, structmat as sm
    >>> x = np.arange(6.0)
    >>> bool(np.allclose(sm.Chain.dct(6) @ x, scipy.fft.dct(x)))
    True
    """
    return _transform(n, type, norm, radices, dtype, orthogonalize, _COSINE)


@door
def dst(n, type=2, norm=None, radices=None, dtype=np.float64, orthogonalize=None):
    """The discrete sine transform of type 1, 2, 3 or 4 as a real chain.

    The matrix of :func:`scipy.fft.dst`, entries as in :class:`structmat.DST`.

    Parameters
    ----------
    n : int
        Order, at least 1.
    type : {1, 2, 3, 4}
        See above.
    norm : {None, "backward", "ortho", "forward"}
        Scale 1, 1/sqrt(L) or 1/L, with L = 2 n (type 1: 2 (n + 1)).
    radices : sequence of int, optional
        Factors of the order of the Fourier transform behind it: `n`, for type 1 2 (n + 1). By
        default the prime ones, 4 for 2 and 2.
    dtype : dtype, optional
        float32, float64 (default), complex64 or complex128.
    orthogonalize : bool, optional
        Scale the last row (type 2) or column (type 3) so that the matrix is a multiple of an
        orthogonal one; by default for ``norm="ortho"`` only.

    Returns
    -------
    Chain
        As for the cosine transform.

    Raises
    ------
    ValueError
        `n` is less than 1, an unknown `type` or ``norm``, or unfit `radices`.

    Examples
    --------
    >>> import numpy as np, scipy.fft, structmat as sm
    >>> x = np.arange(6.0)
    >>> bool(np.allclose(sm.Chain.dst(6, 4) @ x, scipy.fft.dst(x, 4)))
    True
    """
    return _transform(n, type, norm, radices, dtype, orthogonalize, _SINE)


@door
def hartley(n, norm=None, radices=None, dtype=np.float64):
    """The discrete Hartley transform as a real chain: cos(2 pi j k / n) + sin(2 pi j k / n).

    Parameters
    ----------
    n : int
        Order, at least 1.
    norm : {None, "backward", "ortho", "forward"}
        Scale 1, 1/sqrt(n) (an orthogonal, symmetric matrix) or 1/n.
    radices : sequence of int, optional
        Factors of `n`; by default the prime ones, 4 for 2 and 2.
    dtype : dtype, optional
        float32, float64 (default), complex64 or complex128.

    Returns
    -------
    Chain
        Kronecker-sparse factors of rank 2 between neighbours, and the reversal of digits.

    Raises
    ------
    ValueError
        `n` is less than 1, an unknown ``norm``, or unfit `radices`.

    Notes
    -----
    The real part of (1 + i) DFT [1]_.

    References
    ----------
    .. [1] R. N. Bracewell, Discrete Hartley transform, J. Opt. Soc. Am. 73 (1983) 1832-1835.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> H = sm.Chain.hartley(12)
    >>> bool(np.allclose(H @ (H @ np.arange(12.0)), 12 * np.arange(12.0)))
    True
    """
    n, radices = order_of(n), radices_of(n, radices, with_fours)
    left = np.full(n, (1 + 1j) * n ** scale(norm))
    stages, p = _real_fourier(left, None, radices)
    return chain(stages, p, _checks.result_dtype(dtype, "hartley"))


# What differs between the two: the rows or columns that are scaled, by type, and the length of the
# even or odd extension of type 1.
_COSINE = ("dct", {1: (0, -1), 2: (0,), 3: (0,), 4: ()}, -1)
_SINE = ("dst", {1: (), 2: (-1,), 3: (-1,), 4: ()}, 1)


def _transform(n, type, norm, radices, dtype, orthogonalize, kind):
    name, ends, longer = kind
    n, e = order_of(n), scale(norm)
    type = _checks.choice(_checks.size(type, "type"), "type", (1, 2, 3, 4))
    dtype = _checks.result_dtype(dtype, name)
    if orthogonalize is None:
        orthogonalize = norm == "ortho"
    length = 2 * (n + longer) if type == 1 else 2 * n
    if length < 2:
        raise ValueError(f"a {name} of type 1 needs `n` >= 2; got {n}")
    rows, columns = np.full(n, float(length) ** e), np.ones(n)
    half = math.sqrt(0.5)
    for end in ends[type]:
        if _checks.flag(orthogonalize, "orthogonalize"):
            rows[end] *= half if type in (1, 2) else 1.0
            columns[end] *= half if type in (1, 3) else 1.0
        elif type in (1, 3):
            columns[end] *= 0.5
    if type == 1:
        stages, p = _first(n, length, rows, columns, radices_of(length, radices, with_fours), name)
        return Chain(chain(stages, p, dtype).factors, (n, n))
    radices = radices_of(n, radices, with_fours)
    if type == 3:
        return _reordered(n, 2, columns, rows, radices, dtype, name)._transpose()
    return _reordered(n, type, rows, columns, radices, dtype, name)


def _first(n, length, rows, columns, radices, name):
    """Type 1, in the leading n x n part: Re(DFT), or -Im(DFT) from row and column 1."""
    left, right = np.zeros(length, complex), np.zeros(length, complex)
    left[:n], right[:n] = 2 * rows, columns
    if name == "dst":
        k = np.arange(length)
        left *= 1j * roots(k + 1, length)
        right *= roots(k, length)
    return _real_fourier(left, right, radices)


def _reordered(n, type, rows, columns, radices, dtype, name):
    """Types 2 and 4, with the phases of the module's table; `columns` are those of the matrix."""
    k = np.arange(n)
    first = 2 * k < n
    q = np.where(first, 2 * k, 2 * (n - 1 - k) + 1)
    left = 2 * rows * roots(k + (1 if (name, type) == ("dst", 2) else 0), 4 * n)
    right = columns[q].astype(complex)
    if name == "dst":
        left = 1j * left
    if type == 4:
        right *= roots(4 * k + 1, 8 * n)
    elif name == "dst":
        right *= roots(k, n)
    if (name, type) in (("dct", 4), ("dst", 2)):
        right[~first] *= -1
    stages, p = _real_fourier(left, right, radices)
    return chain(stages, q[p], dtype)


def _real_fourier(left, right, radices):
    """(stages, p) of Re(diag(left) DFT diag(right)) = stages times the permutation p."""
    stages, p = fourier_stages(radices), digit_reversal(radices)
    stages[0] = scaled_rows(stages[0], left)
    if right is not None:
        stages[-1] = scaled_columns(stages[-1], right[p])
    return real_part(stages), p
