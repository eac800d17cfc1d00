"""The leading singular subspace of many small slices at once, with what is left of each.

A slice S with orthonormal U has ``B = U^H S`` and the residual ``R = S - U B``; the error of
``U B`` is ``|R|``, summed from the entries of R. What the best approximation of rank r leaves
behind is at least the larger of two numbers:

- ``|S|^2`` less an upper bound on the r largest eigenvalues of ``S S^H``. Rounding in the Gram
  matrix costs a multiple of ``eps |S|^2``, too much where little is left.
- ``|R|^2 - sum_i f(e_i)`` with ``f(e) = (sqrt(eta^2 + 4 e^2) - eta) / 2``, where e_i are the
  singular values of ``R B^H`` and eta the distance between the spectra of ``B B^H`` and ``R R^H``:
  the residual bound for a Hermitian matrix in 2 by 2 blocks [1]_. Nothing cancels here.

Slices where neither is close to ``|R|^2`` (a small gap and little left) go to LAPACK's SVD.

References
----------
.. [1] B. N. Parlett, *The Symmetric Eigenvalue Problem*, SIAM, 1998, chapter 11.
"""

from typing import Any, NamedTuple

import numpy as np

from structmat._backend.arrays import namespace_of

__all__ = ["Leading", "leading", "squares", "tails"]

_EPS = float(np.finfo(np.float64).eps)
# Squarings of a Gram matrix before LAPACK's eigenvectors: they separate eigenvalues that differ by
# a part in 400, as those of nearly all slices do, at a fifth of the cost.
_SQUARINGS = 13
_SEPARATED = 2e-5
# Relative distance of the two bounds on a squared tail at which a slice is done.
_AGREE = 1e-9
# Squared norms below which squares have lost digits to underflow: such a slice goes to LAPACK.
_TINY = 2.0**-900
# Sums of squares may be too large by rounding; a lower bound is not.
_ROUNDED = 1 - 1e-13
# Bytes of slices that are worked on at a time: their Gram matrices and residuals stay in cache.
_CHUNK_BYTES = 4 * 2**20


class Leading(NamedTuple):
    """Orthonormal U (N, s, r), B = U^H S (N, r, p), and squared errors: made, least possible."""

    U: Any
    B: Any
    error2: Any
    lower2: Any


def squares(X):
    """Sum of squared absolute values of every slice of a stack."""
    xp = namespace_of(X)
    X = xp.ascontiguousarray(X)
    X = X.view(X.real.dtype).reshape(len(X), -1)
    return xp.einsum("ij,ij->i", X, X)


def tails(S):
    """Summed squared singular values that ranks 0, 1, ..., min(s, p) leave of a stack (N, s, p)."""
    xp = namespace_of(S)
    values = xp.linalg.svd(S, compute_uv=False)
    each = (values**2).sum(0)
    left = xp.concatenate([xp.cumsum(each[::-1])[::-1], xp.zeros(1)])
    return [float(x) for x in left]


def leading(S, r):
    """The best approximations of rank r of a stack of slices (N, s, p), in double precision."""
    N, s, p = S.shape
    if r >= min(s, p):
        return _whole(S, r)
    step = max(1, _CHUNK_BYTES // (s * p * S.dtype.itemsize))
    if step >= N:
        return _leading(S, r)
    xp = namespace_of(S)
    out = Leading(
        xp.empty((N, s, r), S.dtype), xp.empty((N, r, p), S.dtype), xp.empty(N), xp.empty(N)
    )
    for i in range(0, N, step):
        for whole, part in zip(out, _leading(S[i : i + step], r)):
            whole[i : i + step] = part
    return out


def _whole(S, r):
    """No truncation: U is the identity where slices are wide, else the Q of a QR factorisation."""
    N, s, p = S.shape
    xp, full = namespace_of(S), min(s, p)
    U, B = xp.zeros((N, s, r), S.dtype), xp.zeros((N, r, p), S.dtype)
    if s <= p:
        diagonal = xp.arange(s)
        U[:, diagonal, diagonal] = 1
        B[:, :full] = S
    else:
        U[:, :, :full], B[:, :full] = xp.linalg.qr(S)
    return Leading(U, B, xp.zeros(N), xp.zeros(N))


def _leading(S, r):
    _, s, p = S.shape
    xp = namespace_of(S)
    if s <= p:
        U, top, below = _subspace(S, r)
    else:
        V, top, below = _subspace(xp.ascontiguousarray(S.transpose(0, 2, 1)), r)
        U = _orthonormal(S @ V.conj())
    found, done = _certified(S, U, top, below)
    if not bool(done.all()):
        bad = xp.flatnonzero(~done)
        for whole, part in zip(found, _by_svd(S[bad], r)):
            whole[bad] = part
    return found


def _orthonormal(Y):
    """Orthonormal columns for every Y (N, s, r); a single column is divided by its norm."""
    xp = namespace_of(Y)
    if Y.shape[2] > 1:
        return xp.linalg.qr(Y)[0]
    size = xp.sqrt(squares(Y))
    Y = Y / xp.where(size == 0, 1, size)[:, None, None]
    Y[xp.flatnonzero(size == 0), 0] = 1
    return Y


def _slack(s, p):
    """Rounding in an s x s Gram matrix of rows of length p, relative to |S|^2."""
    return (p + 8 * s) * _EPS


def _certified(S, U, top, below):
    """(Leading, which slices are done), from a subspace and bounds on eigenvalues of S S^H.

    `top` bounds the sum of the r largest from above, `below` the next one, both but for rounding.
    """
    _, s, p = S.shape
    r = U.shape[2]
    xp = namespace_of(S)
    B = U.conj().transpose(0, 2, 1) @ S
    R = S - U @ B
    size2, error2 = squares(S), squares(R)
    slack = _slack(min(s, p), max(s, p)) * size2
    by_gram = size2 - top - slack
    Bh = xp.ascontiguousarray(B.conj().transpose(0, 2, 1))
    if r == 1:
        least = squares(B)
    else:
        least = xp.linalg.eigvalsh(B @ Bh)[:, 0] - slack
    # Any r + 1 orthonormal vectors see at most the r + 1 largest eigenvalues (Ky Fan).
    others = xp.minimum(error2, top + below + 2 * slack - squares(B))
    eta, e2 = least - others, squares(R @ Bh)
    # For eta > 0, f(e) <= min(e, e^2 / eta).
    near = xp.minimum(xp.sqrt(r * e2), e2 / xp.where(eta > 0, eta, 1))
    moved = xp.where(eta > 0, near, size2)
    lower2 = xp.maximum(xp.maximum(by_gram, error2 - moved), 0)
    done = (error2 - lower2 <= _AGREE * error2) | (error2 <= (16 * _EPS) ** 2 * size2)
    tiny = xp.flatnonzero(size2 < _TINY)
    if len(tiny):
        done[tiny] = ~(S[tiny] != 0).any((1, 2))
    lower = _ROUNDED * xp.sqrt(xp.minimum(lower2, error2)) - 8 * _EPS * xp.sqrt(size2)
    return Leading(U, B, error2, xp.maximum(lower, 0) ** 2), done


def _subspace(S, r):
    """(U, top, below) of wide slices: an orthonormal basis of the r leading left vectors."""
    xp = namespace_of(S)
    if S.shape[1] == 2:
        return _two_rows(S)
    G = S @ xp.ascontiguousarray(S.conj().transpose(0, 2, 1))
    return _dominant(G) if r == 1 else _eigenvectors(G, r)


def _eigenvectors(G, r):
    """(U, top, below) from LAPACK."""
    w, V = namespace_of(G).linalg.eigh(G)
    return V[:, :, : -r - 1 : -1], w[:, -r:].sum(1), w[:, -r - 1]


def _two_rows(S):
    """The leading left vector of 2 x p slices in closed form: one Jacobi rotation."""
    xp = namespace_of(S)
    x, y = S[:, 0], S[:, 1]
    a, c = squares(x), squares(y)
    b = (x * y.conj()).sum(1)
    size = abs(b)
    size = xp.where(size < _TINY, 0, size)
    angle = xp.arctan2(2 * size, a - c) / 2
    phase = b.conj() / xp.where(size == 0, 1, size)
    U = xp.empty((len(S), 2, 1), S.dtype)
    U[:, 0, 0] = xp.cos(angle)
    U[:, 1, 0] = xp.sin(angle) * xp.where(size == 0, 1, phase)
    half = xp.hypot((a - c) / 2, size)
    return U, (a + c) / 2 + half, (a + c) / 2 - half


def _dominant(G):
    """(U, top, below) of Hermitian G (N, q, q), G >= 0, for one vector, by repeated squaring.

    With trace one, ``|G_k|_F^2`` is the trace of the next power, and ``lambda_1 <=
    tr(G^(2^k))^(2^-k)`` falls to lambda_1; rounding of step k counts by 2^-k. Where G_k is of rank
    one but for x, ``lambda_2 <= lambda_1 x^(2^-k)``. What is not after a few steps goes to LAPACK.
    """
    xp = namespace_of(G)
    N, q = G.shape[:2]
    trace = xp.einsum("ijj->i", G).real.copy()
    zero = trace < _TINY
    G = G / xp.where(zero, 1, trace)[:, None, None]
    G[xp.flatnonzero(zero)] = xp.eye(1, q * q).reshape(q, q)
    U, top, below = xp.empty((N, q, 1), G.dtype), xp.zeros(N), xp.empty(N)
    live, power = xp.arange(N), G
    for k in range(_SQUARINGS):
        f2 = squares(power)
        top[live] += xp.log(f2) / 2 ** (k + 1)
        done = 1 - f2 <= _SEPARATED
        if bool(done.any()):
            now, left = live[done], xp.maximum(1 - f2[done], q * _EPS)
            U[now] = _column(power[done])
            below[now] = xp.exp(top[now] + xp.log(left) / 2**k)
            live, power, f2 = live[~done], power[~done], f2[~done]
            if len(live) == 0:
                break
        power = power @ power
        power *= (1 / f2)[:, None, None]
    top = xp.exp(top)
    if len(live):
        U[live], top[live], below[live] = _eigenvectors(G[live], 1)
    trace = xp.where(zero, 0, trace)
    return U, trace * top, trace * below


def _column(G):
    """The vector of matrices that are nearly of rank one: one more product with the best column."""
    xp = namespace_of(G)
    best = xp.einsum("ijj->ij", G).real.argmax(1)
    return _orthonormal(G @ G[xp.arange(len(G)), :, best][:, :, None])


def _by_svd(S, r):
    """LAPACK's truncated SVD; singular values are right to a multiple of eps times the first."""
    xp = namespace_of(S)
    U, s, Vh = xp.linalg.svd(S, full_matrices=False)
    error2 = (s[:, r:] ** 2).sum(1)
    lower = _ROUNDED * xp.sqrt(error2) - max(S.shape[1:]) * _EPS * s[:, 0]
    return Leading(U[:, :, :r], s[:, :r, None] * Vh[:, :r], error2, xp.maximum(lower, 0) ** 2)
