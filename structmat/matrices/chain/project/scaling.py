"""The scale of a target and of the factors that come out: padded, evened, and put back."""

import math

import numpy as np

from structmat._backend.arrays import namespace_of
from structmat.matrices.chain import products, scale
from structmat.matrices.chain.kronecker_sparse import KroneckerSparse
from structmat.matrices.chain.project import slices

__all__ = ["distance", "evened", "padded", "scaled", "shared"]


def padded(M, full, top):
    """(M * 2**-exponent in double precision with zeros around it, exponent); no copy of M itself.

    Squares of entries neither overflow nor vanish between 1e-100 and 1e100.
    """
    exponent = 0 if 1e-100 < top < 1e100 else math.frexp(top)[1]  # 0 for zero
    A = M.astype(np.result_type(M.dtype, np.float64), copy=False)
    A = _times_power(A, -exponent)
    if A.shape != full:
        A, inner = namespace_of(M).zeros(full, A.dtype), A
        A[: M.shape[0], : M.shape[1]] = inner
    return A, exponent


def _times_power(x, e):
    """x * 2**e in two steps, neither of which overflows where the result does not."""
    if e == 0:
        return x
    half, real = e // 2, x.real.dtype.type
    return x * real(2.0**half) * real(2.0 ** (e - half))


def evened(values):
    """Factors of largest entries within a factor of two, by powers of two: exact."""
    sizes = [scale.size(v) for v in values]
    if not all(sizes):
        return values
    tops = [math.frexp(size)[1] for size in sizes]
    powers = _shares(sum(tops), len(tops))
    return [_times_power(v, p - t) for v, p, t in zip(values, powers, tops)]


def scaled(values, exponent):
    """The factors of 2**exponent times their product."""
    return [_times_power(v, p) for v, p in zip(values, _shares(exponent, len(values)))]


def _shares(total, parts):
    """An integer as the sum of nearly equal ones."""
    return [total * (i + 1) // parts - total * i // parts for i in range(parts)]


def distance(A, values, inside=None):
    """Frobenius norm of A less the product, in double precision, over the rows and columns kept."""
    work = np.result_type(A.dtype, np.float64)
    R = A - products.multiplied_out([KroneckerSparse(v.astype(work)) for v in values])
    if inside is not None:
        rows, columns = (namespace_of(A).asarray(x) for x in inside)
        R = R[rows][:, columns]
    return math.sqrt(float(slices.squares(R[None])[0])) if R.size else 0.0


def shared(first, second):
    """Each singular value of a slice in equal parts; the left vectors are of norm one."""
    k, l = second.shape[0], first.shape[1]
    if 0 in second.shape:
        return [first, second]
    xp = namespace_of(first)
    _, _, rl, p = second.shape
    size = xp.sqrt(xp.sqrt(slices.squares(second.reshape(-1, p)))).reshape(k, rl // l, l)
    size = xp.where(size == 0, 1, size)
    first = first * size.transpose(2, 0, 1).reshape(1, l, 1, -1)
    return [first, second / size.reshape(k, 1, rl, 1)]
