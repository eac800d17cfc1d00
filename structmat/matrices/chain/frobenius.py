"""The Frobenius norm of a chain, exact to rounding, from its factors alone."""

import math

import numpy as np

from structmat._backend.arrays import namespace_of
from structmat.matrices.chain import scale
from structmat.matrices.chain.runs import flipped, masked

__all__ = ["frobenius"]

# Factors with larger entries are lowered by 2^64, so that sums of their entries stay finite.
_HIGH, _ROOM = 2.0**900, 64
_NONE = -(2**40)  # exponent of a slice of zeros, below all others


def frobenius(A):
    """The Frobenius norm of a chainable chain; NotImplemented for another, or one with NaN or inf.

    From the left, every slice of a partial product is replaced by the triangular factor of its QR
    factorisation, which has the same norm under whatever multiplies it from the right. Squares of
    moderate numbers are safe; otherwise every slice carries an exponent of its own.
    """
    run = masked(A)
    if run is None:
        return NotImplemented
    if any(0 in v.shape for v in run.values):
        return 0.0
    values = flipped(run.values) if run.mirrored else run.values
    xp = namespace_of(*values)
    values = [v.astype(np.result_type(v.dtype, np.float64), copy=False) for v in values]
    largest = [scale.size(v) for v in values]
    if not all(math.isfinite(x) for x in largest):
        return NotImplemented
    # How much a partial product can grow; what is lost below 2^-537 cannot grow back beyond it.
    growth = sum(
        max(0.0, math.log2(x * max(v.shape[2:]))) if x else 0.0 for x, v in zip(largest, values)
    )
    if growth < 200:
        R = _passed(values, None)[0]
        total = math.sqrt(float(_squares(R).sum()))
        if total > 2.0**-250 or 0 in largest:
            return total
    lowered = [x > _HIGH for x in largest]
    values = [v * 2.0**-_ROOM if low else v for v, low in zip(values, lowered)]
    R, exponent = _passed(values, xp.zeros((), np.int64))
    top = int(exponent.max())
    weights = xp.exp2(2.0 * xp.maximum(exponent - top, -600))
    top += _ROOM * sum(lowered)
    try:
        return math.ldexp(math.sqrt(float((_squares(R).sum((-2, -1)) * weights).sum())), top)
    except OverflowError:
        raise OverflowError(
            f"the Frobenius norm passes the largest number (about 2**{top})"
        ) from None


def _squares(X):
    return X * X if X.dtype.kind != "c" else X.real**2 + X.imag**2


def _passed(values, exponent):
    """(R, exponents) of the slices of the whole product; exponent None: nothing is scaled.

    R has shape (a, l, m, r) between two factors: one slice for every block of the next factor and
    every index mod d of the one before.
    """
    xp = namespace_of(*values)
    a, d, b, _ = values[0].shape
    R = xp.ones((a, b * d, 1, 1), values[0].dtype)
    exponent = None if exponent is None else xp.zeros((a, b * d), np.int64)
    for s, v in enumerate(values):
        a, d, b, c = v.shape
        r = R.shape[-1]
        delta = b // r
        alpha = values[s + 1].shape[0] // a if s + 1 < len(values) else c
        R = R.reshape(a, delta, d, -1, r)  # lanes (t, l): rows (r, t) of the blocks meet them
        if exponent is not None:
            top = exponent.reshape(a, delta, d).max(1)
            R = _times_power(R, xp.maximum(exponent.reshape(a, delta, d) - top[:, None], -600))
        blocks = v.reshape(a, d, r, delta, c).transpose(0, 3, 1, 2, 4)
        stacked = R * blocks if r == 1 else R @ blocks  # (a, t, l, m, c)
        slices = stacked.transpose(0, 2, 1, 3, 4).reshape(a, d, -1, alpha, c // alpha)
        slices = slices.transpose(0, 3, 1, 2, 4)  # (a, u, l, (t, m), k)
        if exponent is None:
            R = _triangular(slices)
        else:
            slices, shift = _normalised(slices)
            R, more = _normalised(_triangular(slices))
            exponent = (top[:, None] + shift + more).reshape(a * alpha, d)
        R = R.reshape(a * alpha, d, *R.shape[-2:])
    return R, exponent


def _times_power(X, e):
    return X * namespace_of(X).exp2(e.astype(np.float64))[..., None, None]


def _normalised(X):
    """(X / 2^e, e) slice by slice, the largest part in [1/2, 1); e is lowest for zero."""
    xp = namespace_of(X)
    parts = abs(X) if X.dtype.kind != "c" else xp.maximum(abs(X.real), abs(X.imag))
    largest = parts.max((-2, -1))
    _, e = xp.frexp(largest)
    e = xp.clip(e.astype(np.int64), -1000, 1000)
    return _times_power(X, -e), xp.where(largest == 0, _NONE, e)


def _triangular(X):
    """R with R^H R = X^H X for a stack of matrices; X itself where it is no taller than wide."""
    xp = namespace_of(X)
    m, r = X.shape[-2:]
    if m <= r:
        return X
    if r == 1:
        return xp.sqrt(_squares(X).sum(-2, keepdims=True)).astype(X.dtype, copy=False)
    if r > 8:
        return xp.linalg.qr(X, mode="r")
    # Modified Gram-Schmidt, whose R is backward stable; a LAPACK call costs more than such a slice.
    R = xp.zeros((*X.shape[:-2], r, r), X.dtype)
    columns = xp.moveaxis(X, -1, 0).copy()
    for k in range(r):
        q = columns[k]
        length = xp.sqrt(_squares(q).sum(-1))
        R[..., k, k] = length
        q = q / xp.where(length == 0, 1, length)[..., None]
        rest = columns[k + 1 :]
        coefficients = (q.conj() * rest).sum(-1)
        R[..., k, k + 1 :] = xp.moveaxis(coefficients, 0, -1)
        rest -= coefficients[..., None] * q
    return R
