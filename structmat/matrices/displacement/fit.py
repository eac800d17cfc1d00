"""The nearest Toeplitz, Hankel or circulant matrix: means along diagonals."""

import numpy as np

from structmat import _checks
from structmat.matrices.displacement.windows import Windows
from structmat.matrices.elementary import _shared
from structmat.matrices.elementary.dense import Dense

__all__ = ["circulant", "circulant_column", "hankel", "toeplitz"]


def toeplitz(M, cls):
    """Projection: the mean of every diagonal minimises the sum of squares along it."""
    M = _shared.lifted(M)
    n = M.shape[1]
    h = _diagonals(M)  # n - 1 + i - j
    return _shared.projection(M, cls(h[n - 1 :], h[:n][::-1]) if len(h) else _empty(cls, M))


def hankel(M, cls):
    """Projection: means of antidiagonals, which are diagonals of the columns in reverse order."""
    M = _shared.lifted(M)
    flipped = isinstance(M, Windows) and not M._flip
    h = M._h if flipped else _means(_dense(M)[:, ::-1])
    return _shared.projection(
        M, cls(h[: M.shape[0]], h[M.shape[0] - 1 :]) if len(h) else _empty(cls, M)
    )


def circulant(M, cls):
    """Projection: means of wrapped diagonals."""
    M = _shared.lifted(M)
    n = M.shape[0]
    if M.shape[1] != n:
        raise ValueError(f"a Circulant is square; got `M` of shape {M.shape}")
    if not n:
        return _shared.projection(M, cls(_dense(M).reshape(-1)))
    h = _diagonals(M)
    return _shared.projection(M, cls(circulant_column(h[n - 1 :], h[:n][::-1])))


def circulant_column(c, r):
    """c_k = ((n - k) t_k + k t_(k-n)) / n: the nearest circulant of a Toeplitz matrix (c, r)."""
    xp, n = _shared.namespace_of(c), len(c)
    k = xp.arange(n).astype(c.real.dtype)
    wrapped = xp.concatenate([c[:1], r[:0:-1]])
    return (((n - k) / n) * c + (k / n) * wrapped).astype(c.dtype, copy=False)


def _diagonals(M):
    """The means along diagonals; those of a Toeplitz matrix are its parameters."""
    return M._h if isinstance(M, Windows) and M._flip else _means(_dense(M))


def _dense(M):
    return M.toarray() if isinstance(M, Dense) else _checks.densify(M, "project", stacklevel=6)


def _empty(cls, M):
    xp = M._namespace or np
    return cls(*(xp.zeros(size, M.dtype) for size in M.shape))


def _means(X):
    """Means over the entries (i, j) with n - 1 + i - j = k, for k = 0 ... m + n - 2."""
    m, n = X.shape
    if not (m and n):
        return X.reshape(-1)
    xp = _shared.namespace_of(X)
    # Rows of length m + n, read as rows of length m + n - 1, are each shifted by one.
    sheared = xp.zeros((m, m + n), X.dtype)
    sheared[:, :n] = X[:, ::-1]
    sheared = sheared.reshape(-1)[: m * (m + n - 1)].reshape(m, m + n - 1)
    k = xp.arange(m + n - 1)
    count = xp.minimum(xp.minimum(k + 1, m + n - 1 - k), min(m, n)).astype(X.real.dtype)
    return _checks.representable(sheared.sum(0) / count, "project")
