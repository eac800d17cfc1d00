"""Cosines of rational multiples of pi, correctly reduced: the entries of every transform here.

cos(pi p / q) of a large p loses digits when p / q is rounded first; p is an integer, so it is
reduced modulo 2 q exactly, and the rest to [-1/8, 1/8] of a turn.
"""

import numpy as np

__all__ = ["cos_pi", "indices", "products", "root_of_unity", "sin_pi", "tabulated"]


def indices(i, n):
    """Indices of a matrix of order n that may be doubled: Python integers where 64 bits are few."""
    return np.asarray(i) if n < 2**62 else np.asarray(i).astype(object)


def products(i, j, modulus):
    """i * j modulo `modulus` for arrays of indices, in Python integers where 64 bits would wrap."""
    i, j = np.asarray(i), np.asarray(j)
    if modulus >= 2**31:
        i, j = i.astype(object), j.astype(object)
    return (i % modulus) * (j % modulus) % modulus


def _reduced(p, q):
    """(quarter, angle) with pi p / q = quarter pi / 2 + angle, |angle| <= pi / 4."""
    p = np.asarray(p % (2 * q))
    quarter = (4 * p + q) // (2 * q)
    rest = 2 * p - quarter * q
    return (quarter % 4).astype(np.int64), np.pi * (rest.astype(np.float64) / (2 * q))


def cos_pi(p, q):
    """cos(pi p / q) for integers p and q, exact where it is 0, 1 or -1."""
    quarter, angle = _reduced(p, q)
    return _real_part(quarter, np.cos(angle), np.sin(angle))


def sin_pi(p, q):
    """sin(pi p / q) for integers p and q, exact where it is 0, 1 or -1."""
    quarter, angle = _reduced(p, q)
    return _real_part(quarter - 1, np.cos(angle), np.sin(angle))


def _real_part(quarter, c, s):
    """Re((c + i s) i^quarter)."""
    value = np.where(quarter & 1, s, c)
    # i^quarter: c, -s, -c, s; adding zero turns the -0.0 of a cosine that vanishes into 0.0.
    return np.where((quarter + 1) & 2, -value, value) + 0.0


def root_of_unity(p, n):
    """exp(-2 pi i p / n) for integers p and n, exact where it is 1, -i, -1 or i."""
    quarter, angle = _reduced(2 * np.asarray(p), n)
    c, s = np.cos(angle), np.sin(angle)
    return _real_part(quarter, c, s) - 1j * _real_part(quarter - 1, c, s)


def tabulated(function, p, period, q):
    """function(p, q) for p in 0..period-1, from a table where p repeats itself often."""
    if np.size(p) <= period:
        return function(p, q)
    return function(np.arange(period), q)[p]
