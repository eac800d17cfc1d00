"""Solvers for diag(d) + U V^H: Woodbury without its small pivots, and a stable banded embedding."""

import math

import numpy as np

from structmat import _checks
from structmat._backend import dense, lapack
from structmat._backend.arrays import namespace_of
from structmat.matrices.elementary import _shared

__all__ = ["Embedding", "Normalised", "Woodbury"]


class Normalised:
    """The same matrix with balanced factors: A = (diag(d) + L R^H) / scale, L^H L a multiple of I.

    `scale` is a power of two that brings the entries near 1, so that nothing overflows; factors
    that nearly cancel (U ill-conditioned, V its counterpart) come out harmless.
    """

    def __init__(self, d, U, V):
        xp = namespace_of(U)
        for x in (d, U, V):
            _checks.finite(x)
        Q, T = dense.qr(U, check_finite=False)
        W = V @ T.conj().T
        limits = np.finfo(U.dtype)
        top = max((float(abs(x).max()) for x in (d, W) if x.size), default=0.0)
        bound = -limits.minexp - 2
        exponent = min(max(-math.frexp(top)[1], -bound), bound) if 0 < top < math.inf else 0
        self.scale = 2.0**exponent
        self.d = d * U.dtype.type(self.scale)
        W = W * U.dtype.type(self.scale)
        weight = math.sqrt(dense.norm(W) / math.sqrt(max(W.shape[1], 1)) or 1.0)
        self.L, self.R = Q * U.dtype.type(weight), W / U.dtype.type(weight)
        self.n, self.k, self.dtype, self.xp = len(d), Q.shape[1], U.dtype, xp


class Woodbury:
    """Elimination of the large entries of d; the k smallest stay in a pivoted system of order 2 k.

    With y = R^H x the equations are ``D x + L y = b``, ``R^H x - y = 0``. Woodbury's formula
    eliminates all of x, hence divides by every d_i. By Weyl's inequalities all but k entries of d
    exceed the smallest singular value of A in modulus; those are safe to divide by, the others
    (indices T) are kept and LU with partial pivoting solves

        [ D_T    L_T                  ] [x_T]   [ b_T             ]
        [ R_T^H  -(I + R_S^H D_S^-1 L_S)] [ y ] = [ -R_S^H D_S^-1 b_S ]

    References
    ----------
    .. [1] N. J. Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed., 2002,
       section 26.5.3 and problem 26.2.
    .. [2] E. L. Yip, A note on the stability of solving a rank-p modification of a linear system by
       the Sherman-Morrison-Woodbury formula, SIAM J. Sci. Stat. Comput. 7 (1986) 507-513.
    """

    def __init__(self, parts):
        self.parts = parts
        xp, n, k = parts.xp, parts.n, parts.k
        zeros = int(xp.count_nonzero(parts.d == 0))
        if zeros > k:
            raise _checks.singular(
                "DiagonalPlusLowRank", f"{zeros} zeros on the diagonal and an update of rank {k}"
            )
        t = min(n, k)
        self.kept = xp.argpartition(abs(parts.d), t - 1)[:t] if t else xp.arange(0)
        with np.errstate(all="ignore"):
            self.inverse_d = 1 / parts.d
            self.inverse_d[self.kept] = 0
            self.core, self.bulk = self._core(parts.L, parts.R)
            self.usable = bool(xp.isfinite(self.core).all())
            self.lu = dense.lu_factor(self.core, check_finite=False) if self.usable else None
        if self.usable and self.lu.zero_pivot is not None:
            self.usable = False

    def _core(self, L, R):
        """The small matrix, and a bound of the sizes that were summed in it (for `slogdet`)."""
        parts, T, xp = self.parts, self.kept, self.parts.xp
        t, k = len(T), parts.k
        core = xp.zeros((t + k, t + k), parts.dtype)
        core[xp.arange(t), xp.arange(t)] = parts.d[T]
        core[:t, t:], core[t:, :t] = L[T], R[T].conj().T
        scaled = self.inverse_d[:, None] * L
        core[t:, t:] = -(xp.eye(k) + R.conj().T @ scaled)
        bulk = abs(core)
        bulk[t:, t:] = xp.eye(k) + abs(R).T @ abs(scaled)
        return core, bulk

    def solve(self, B, adjoint=False):
        """X with A X = B, or A^H X = B; all NaN when the small matrix is singular."""
        parts, T, xp = self.parts, self.kept, self.parts.xp
        if not self.usable:
            return xp.full(B.shape, np.nan, B.dtype)
        L, R = (parts.R, parts.L) if adjoint else (parts.L, parts.R)
        inverse = (self.inverse_d.conj() if adjoint else self.inverse_d)[:, None]
        small = xp.concatenate([B[T], -(R.conj().T @ (inverse * B))])
        z = self.lu.solve(small, adjoint=adjoint, check_finite=False)
        X = (B - L @ z[len(T) :]) * inverse
        X[T] = z[: len(T)]
        return X * parts.dtype.type(parts.scale)

    def slogdet(self):
        """(sign, log|det|), or None where rounding of the small matrix may spoil digits of it.

        d log det M = trace(M^-1 dM), and dM is at most a few eps of the sizes summed in M.
        """
        parts = self.parts
        if not self.usable:
            return None
        sign, value = self.lu.slogdet()
        with np.errstate(all="ignore"):
            spread = float((abs(self.lu.inv()).T * self.bulk).sum())
        others = parts.xp.delete(parts.d, self.kept)
        sign_d, value_d = _shared.slogdet(others)
        sign, value = sign * sign_d * (-1.0) ** parts.k, value + value_d
        eps = float(np.finfo(parts.dtype).eps)
        if not spread * eps <= 100 * eps * (parts.n + abs(value)):
            return None
        return sign, value - parts.n * math.log(parts.scale)


class Embedding:
    """LU with partial pivoting of a banded matrix that contains A: stable whatever d is.

    Indices are cut into blocks of s; block i has the unknowns x_i, p_i = p_{i-1} + R_i^H x_i and
    t_i = t_{i+1}, with t = p in the last block, so that t_i = R^H x everywhere and
    ``d_i x_i + L_i t_i = b_i``. Blocks touch only their neighbours: bandwidth s + 2 k, O(n k^2)
    work for s = k. The determinant is that of A.

    References
    ----------
    .. [1] S. Chandrasekaran and M. Gu, Fast and stable algorithms for banded plus semiseparable
       systems of linear equations, SIAM J. Matrix Anal. Appl. 25 (2003) 373-384 (the same system
       by orthogonal transformations).
    """

    def __init__(self, parts):
        self.parts = parts
        n, k = parts.n, parts.k
        self.s = s = max(k, 8)
        self.blocks = b = -(-n // s)
        width = s + 2 * k
        self.order, self.band = b * width, width
        base = width * np.arange(b)[:, None, None]
        i, j, a = np.arange(s), np.arange(k), np.arange(s)[:, None]
        x = base + i[:, None]  # rows and columns of x_i, as (b, s, 1)
        pad = b * s - n  # unit rows at the end complete the last block
        d = np.concatenate([parts.d, np.ones(pad, parts.dtype)]).reshape(b, s, 1)
        L, R = (np.concatenate([M, np.zeros((pad, k), M.dtype)]).reshape(b, s, k)
                for M in (parts.L, parts.R))  # fmt: skip
        storage = np.zeros((3 * width + 1, self.order), parts.dtype, order="F")

        def put(row, column, values):
            row, column, values = np.broadcast_arrays(row, column, values)
            storage[2 * width + row - column, column] = values

        p, t = base[:, :, 0] + s + j, base[:, :, 0] + s + k + j  # (b, k)
        put(x, x, d)
        put(base + a, t[:, None, :], L)
        put(p[:, None, :], base + a, -R.conj())
        put(p, p, 1)
        put(p[1:], p[:-1], -1)
        put(t, t, 1)
        put(t[:-1], t[1:], -1)
        put(t[-1:], p[-1:], -1)
        self.places = (base[:, 0, :] + i).reshape(-1)[:n]
        gbtrf = lapack.routine("gbtrf", parts.dtype)
        self.lu, self.pivots, info = gbtrf(storage, width, width, overwrite_ab=True)
        if info > 0:
            first = (info - 1) // width * s
            raise _checks.singular("DiagonalPlusLowRank", f"a pivot from row {first} on")

    def solve(self, B, adjoint=False):
        """X with A X = B, or A^H X = B."""
        wide = np.zeros((self.order, B.shape[1]), self.parts.dtype, order="F")
        wide[self.places] = B
        gbtrs = lapack.routine("gbtrs", self.parts.dtype)
        X, _ = gbtrs(
            self.lu, self.band, self.band, wide, self.pivots, trans=2 if adjoint else 0,
            overwrite_b=True,
        )  # fmt: skip
        return X[self.places] * self.parts.dtype.type(self.parts.scale)

    def slogdet(self):
        """(sign, log|det|)."""
        sign, value = _shared.slogdet(self.lu[2 * self.band])
        return sign * _shared.parity(self.pivots), value - self.parts.n * math.log(self.parts.scale)
