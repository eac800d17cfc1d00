"""Orders of 2^m items: bit reversal, Gray code, sequency; permutations as arrays of indices.

Row r of the natural (Sylvester) Hadamard matrix is ``(-1)^<r, c>``, <r, c> the number of common
ones of r and c. With rev the reversal of m bits and gray(i) = i XOR floor(i / 2),

    natural      row i is natural row i
    dyadic       row i is natural row rev(i)           (Paley)
    sequency     row i is natural row rev(gray(i))     (Walsh: i sign changes)

The permutations are built by doubling, p for 2 n items from p for n, in O(n) operations:

    rev          2 p,  2 p + 1
    rev(gray)    2 p,  2 p[::-1] + 1    since gray(n + j) = n + gray(n - 1 - j), a reflection
"""

import functools

import numpy as np

from structmat import _checks

__all__ = ["bit_reversal", "gray_code", "inverse_gray_code", "permutation", "sequency"]

ORDERS = ("natural", "sequency", "dyadic")
# Permutations up to this length are kept (32 of them, 512 KiB each at most).
_KEPT = 2**16


def log2(n, name="n"):
    """m for n = 2^m; ValueError with the nearest powers of two otherwise."""
    n = _checks.size(n, name)
    m = n.bit_length() - 1
    if n == 0 or n != 1 << m:
        way = f"use {1 << m} or {2 << m}" if n else "use 1 or 2"
        raise ValueError(f"{name} must be a power of two; got {n} ({way}, or pad with zeros)")
    return m


def bit_reversal(n):
    """The permutation that reverses the m bits of an index.

    Parameters
    ----------
    n : int
        Length, 2^m.

    Returns
    -------
    (n,) ndarray of intp
        ``p[b_0 + 2 b_1 + ... ] = 2^(m-1) b_0 + 2^(m-2) b_1 + ...``. It is its own inverse.

    Raises
    ------
    ValueError
        If n is not a power of two.
    MemoryError
        If the permutation does not fit into memory.

    Notes
    -----
    The van der Corput sequence in base 2 is ``bit_reversal(n) / n``, and ``x[bit_reversal(n)]`` is
    how a fast Fourier transform by decimation in time reads its input. O(n) operations.

    References
    ----------
    G. H. Golub and C. F. Van Loan, Matrix Computations, 4th ed., 2013, section 1.4.

    Examples
    --------
    >>> from structmat.transforms import bit_reversal
    >>> bit_reversal(8)
    array([0, 4, 2, 6, 1, 5, 3, 7])
    """
    return _doubled("dyadic", n, np)


def gray_code(n):
    """The binary reflected Gray code: neighbours differ in one bit.

    Parameters
    ----------
    n : int
        Length, 2^m.

    Returns
    -------
    (n,) ndarray of intp
        ``p[i] = i ^ (i >> 1)``.

    Raises
    ------
    ValueError
        If n is not a power of two.
    MemoryError
        If the permutation does not fit into memory.

    Examples
    --------
    >>> from structmat.transforms import gray_code
    >>> gray_code(8)
    array([0, 1, 3, 2, 6, 7, 5, 4])
    """
    _length(n, "gray_code")
    i = np.arange(n, dtype=np.intp)
    return i ^ (i >> 1)


def inverse_gray_code(n):
    """The place of every number in the binary reflected Gray code.

    Parameters
    ----------
    n : int
        Length, 2^m.

    Returns
    -------
    (n,) ndarray of intp
        ``p[g] = g ^ (g >> 1) ^ (g >> 2) ^ ...``, so that ``p[gray_code(n)]`` is 0, 1, ..., n - 1.

    Raises
    ------
    ValueError
        If n is not a power of two.
    MemoryError
        If the permutation does not fit into memory.

    Examples
    --------
    >>> from structmat.transforms import inverse_gray_code
    >>> inverse_gray_code(8)
    array([0, 1, 3, 2, 7, 6, 4, 5])
    """
    m = _length(n, "inverse_gray_code")
    p = np.arange(n, dtype=np.intp)
    shift = 1
    while shift < m:  # prefix sums over GF(2), doubling the span
        p ^= p >> shift
        shift *= 2
    return p


def sequency(n):
    """The natural rows of a Hadamard matrix by their number of sign changes.

    Parameters
    ----------
    n : int
        Order of the matrix, 2^m.

    Returns
    -------
    (n,) ndarray of intp
        Row ``p[i]`` of the natural Hadamard matrix has i sign changes: ``p[i]`` is the bit reversal
        of the Gray code of i.

    Raises
    ------
    ValueError
        If n is not a power of two.
    MemoryError
        If the permutation does not fit into memory.

    References
    ----------
    K. G. Beauchamp, Applications of Walsh and Related Functions, 1984.

    Examples
    --------
    >>> from structmat.transforms import sequency
    >>> sequency(8)
    array([0, 4, 6, 2, 3, 7, 5, 1])
    """
    return _doubled("sequency", n, np)


def permutation(order, n, xp=np):
    """Indices that turn natural order into `order`.

    Parameters
    ----------
    order : {"natural", "sequency", "dyadic"}
        Order of the rows of a Hadamard matrix.
    n : int
        Length, 2^m.
    xp : module
        numpy or cupy: where the indices are needed.

    Returns
    -------
    (n,) array of intp, or None
        p with ``ordered = natural[p]``; None for the natural order. Read-only for NumPy, because
        short permutations are kept and shared.

    Raises
    ------
    ValueError
        If n is not a power of two, or `order` is none of the three.
    MemoryError
        If the permutation does not fit into memory.

    Examples
    --------
    >>> from structmat.transforms.orders import permutation
    >>> permutation("dyadic", 4)
    array([0, 2, 1, 3])
    """
    _checks.choice(order, "order", ORDERS)
    if order == "natural":
        log2(n)
        return None
    if xp is not np:  # the memory of a device is not ours to keep
        return _doubled(order, n, xp)
    return _kept(order, n) if n <= _KEPT else _frozen(order, n)


def _frozen(order, n):
    p = _doubled(order, n, np)
    p.flags.writeable = False
    return p


_kept = functools.lru_cache(maxsize=32)(_frozen)


def _doubled(order, n, xp):
    m = _length(n, "bit_reversal" if order == "dyadic" else order)
    p = xp.zeros(1, dtype=xp.intp)
    for _ in range(m):
        p = 2 * p
        p = xp.concatenate((p, (p if order == "dyadic" else p[::-1]) + 1))
    return p


def _length(n, what):
    m = log2(n)
    _checks.guard_dense((n, 1), np.intp, what)
    return m
