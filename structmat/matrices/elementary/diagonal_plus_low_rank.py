"""DiagonalPlusLowRank: a diagonal matrix and an update of low rank."""

import math

import numpy as np

from structmat import _checks, _rules, linalg
from structmat._backend import dense
from structmat._results import Cost, EighResult, EigResult, SVDResult
from structmat.matrices.base import StructuredMatrix
from structmat.matrices.elementary import fit, stacks
from structmat.matrices.elementary.certified import Certified, norm1
from structmat.matrices.elementary.completion import completed
from structmat.matrices.elementary.diagonal import Diagonal, closed_with_diagonal
from structmat.matrices.elementary.identity import Identity
from structmat.matrices.elementary.low_rank import LowRank
from structmat.matrices.elementary.permutation import Permutation
from structmat.matrices.elementary.woodbury import Embedding, Normalised, Woodbury

__all__ = ["DiagonalPlusLowRank"]

_SMALL = 180  # below, LU of the array takes less time than the certificates (measured, r = 2)


class DiagonalPlusLowRank(StructuredMatrix):
    """A = diag(d) + U V^H: A[i, j] = (i == j) d[i] + sum over k of U[i, k] conj(V[j, k]).

    ====================  =====================================================================
    product               2 n (2 r + 1) flops a column
    solve, slogdet, inv   Woodbury with pivoting and refinement, O(n r^2); a banded embedding
                          of O(n r^2), with a larger constant, where that loses accuracy
    svd, eigh, expm, ...  O(n r^2) where d is constant, else dense
    ====================  =====================================================================

    Parameters
    ----------
    d : array, shape (n,)
        The diagonal; zeros are allowed.
    U, V : array, shape (n, r)
        Factors of the update; V is not conjugated.

    Raises
    ------
    ValueError
        Shapes do not fit.

    Notes
    -----
    Woodbury's formula divides by d and may lose all digits although A is well-conditioned. Here the
    r smallest entries of d are kept in a pivoted system, every solution is checked by its
    backward error and refined, and a solver that is backward stable for every d takes over where
    that fails. On a GPU there is no such second solver: the failure is a LinAlgError. Below order
    180, or for r > n / 4, LU of the dense array is cheaper and is what solve and slogdet use.

    References
    ----------
    .. [1] N. J. Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed., 2002, section
       26.5.3.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> A = sm.DiagonalPlusLowRank([1e-16, 1.0, 1.0], np.ones((3, 1)), np.ones((3, 1)))
    >>> np.round(A.solve(A @ np.array([1.0, 2.0, 3.0])), 12)
    array([1., 2., 3.])
    """

    _parameters = ("d", "U", "V")

    def __init__(self, d, U, V):
        d = _checks.as_parameter(d, "d", ndim=1)
        U = _checks.as_parameter(U, "U", ndim=2)
        V = _checks.as_parameter(V, "V", ndim=2)
        n = d.shape[0]
        if U.shape[0] != n or U.shape != V.shape:
            raise ValueError(
                f"`d` (n,), `U` (n, r) and `V` (n, r) must fit; got {d.shape}, {U.shape} and "
                f"{V.shape}"
            )
        dtype = np.result_type(d.dtype, U.dtype, V.dtype)
        self.d, self.U, self.V = (x if x.dtype == dtype else x.astype(dtype) for x in (d, U, V))
        super().__init__(dtype, (n, n))

    def _apply(self, X):
        return self.d[:, None] * X + self.U @ (self.V.conj().T @ X)

    def _adjoint(self):
        return DiagonalPlusLowRank(self.d.conj(), self.V, self.U)

    def _toarray(self):
        full = self.U @ self.V.conj().T
        i = self._namespace.arange(self.shape[0])
        full[i, i] += self.d
        return full

    # ------------------------------------------------------------ parts

    def _update(self):
        return LowRank(self.U, self.V)

    def _constant(self):
        """c when d = (c, c, ..., c), else None."""
        if not len(self.d):
            return None
        c = self.d[0]
        return c.item() if self.d.strides == (0,) or bool((self.d == c).all()) else None

    def _dense_is_cheaper(self):
        n, r = self.U.shape
        return n < _SMALL or 4 * r > n

    # ------------------------------------------------------------ solving

    def _factorize(self):
        return NotImplemented if self._dense_is_cheaper() else self._certified()

    def _certified(self):
        """The structured factorisation, whatever the order."""
        parts = Normalised(self.d, self.U, self.V)
        return Certified(
            self,
            Woodbury(parts),
            (lambda: Embedding(parts)) if self._namespace is np else None,
            structure="DiagonalPlusLowRank",
            method=f"Woodbury with pivoting in a system of order {2 * parts.k} and refinement",
            fallback="banded LU of the embedded system, with refinement",
        )

    def _slogdet(self):
        return NotImplemented if self._dense_is_cheaper() else self._structured_slogdet()

    def _structured_slogdet(self):
        parts = Normalised(self.d, self.U, self.V)
        try:
            result = Woodbury(parts).slogdet()
            if result is None and self._namespace is np:
                result = Embedding(parts).slogdet()
        except np.linalg.LinAlgError:
            return 0.0, -math.inf
        if result is None:
            raise np.linalg.LinAlgError(
                "DiagonalPlusLowRank: the determinant lemma loses all accuracy here; use "
                "A.to_device('cpu') or A.toarray()"
            )
        return result

    def _inv(self):
        """D^-1 - D^-1 U (I + V^H D^-1 U)^-1 V^H D^-1, if a probe of four columns confirms it."""
        n, r = self.U.shape
        if 4 * r > n or not bool((self.d != 0).all()):
            return NotImplemented
        xp = self._namespace
        parts = Normalised(self.d, self.U, self.V)
        with np.errstate(all="ignore"):
            inverse_d = 1 / parts.d
            left, right = inverse_d[:, None] * parts.L, inverse_d.conj()[:, None] * parts.R
            core = xp.eye(parts.k, dtype=self.dtype) + parts.R.conj().T @ left
            if not bool(xp.isfinite(core).all()):
                return NotImplemented
            lu = dense.lu_factor(core, check_finite=False)
            if lu.zero_pivot is not None:
                return NotImplemented
            scale = self.dtype.type(parts.scale)
            left = -lu.solve(left.conj().T, adjoint=True, check_finite=False).conj().T
            X = DiagonalPlusLowRank(inverse_d * scale, left * scale, right)
            return X if self._is_inverse(X, parts) else NotImplemented

    def _is_inverse(self, X, parts):
        """|b - A X b| is at the level of rounding for random b, in general and in range(U)."""
        xp, n = self._namespace, self.shape[0]
        rng = np.random.default_rng(n)
        B = xp.asarray(rng.standard_normal((n, 2)), dtype=self.dtype)
        C = parts.L @ xp.asarray(rng.standard_normal((parts.k, 2)), dtype=self.dtype)
        B = xp.ascontiguousarray(xp.concatenate([B, C], axis=1))
        Y = X._apply(B)
        R = B - self._apply(Y)
        # The bound of LAPACK's test of an inverse (xGET03), for each column.
        size = _norm(self) * _norm(X) * abs(B).sum(0)
        eps = float(np.finfo(self.dtype).eps)
        return bool((abs(R).sum(0) <= 8 * eps * max(1.0, n**0.5 / 8) * size).all())

    # ------------------------------------------------------------ entries

    def _entries(self, i, j):
        xp = self._namespace
        values = self._update()._entries(i, j)
        i, j = xp.broadcast_arrays(xp.asarray(i), xp.asarray(j))
        on = i == j
        values[on] += self.d[i[on]]
        return values

    def _diagonal(self):
        return self.d + self._update()._diagonal()

    # ------------------------------------------------------------ spectra, for a constant diagonal

    def _svd(self, full_matrices):  # square: full and reduced are the same
        """c outside the space of U and V, a matrix of order 2 r inside."""
        c, (n, r), xp = self._constant(), self.U.shape, self._namespace
        if c is None or 2 * r >= n:
            return NotImplemented
        Q, K = self._compressed(c)
        W, S, Zh = dense.svd(K)
        rest = n - len(S)
        S = xp.concatenate([S, xp.full(rest, abs(c), S.dtype)])
        order = xp.argsort(-S)
        sort = Permutation(xp.argsort(order), self.dtype)
        phase = self.dtype.type(c / abs(c) if c else 1)
        phases = xp.concatenate([xp.ones(n - rest, self.dtype), xp.full(rest, phase)])
        U = completed(Q, W, n) @ Diagonal(phases) @ sort
        return SVDResult(U, S[order], (completed(Q, Zh.conj().T, n) @ sort)._adjoint())

    def _compressed(self, c):
        """Q, K with range(U), range(V) in range(Q) and A = Q K Q^H + c (I - Q Q^H)."""
        xp = self._namespace
        Q, T = dense.qr(xp.concatenate([self.U, self.V], axis=1))
        r = self.U.shape[1]
        return Q, c * xp.eye(2 * r, dtype=self.dtype) + T[:, :r] @ T[:, r:].conj().T

    def _svdvals(self):
        c, (n, r), xp = self._constant(), self.U.shape, self._namespace
        if c is None or 2 * r >= n:
            return NotImplemented
        S = dense.svdvals(self._compressed(c)[1])
        return xp.sort(xp.concatenate([S, xp.full(n - len(S), abs(c), S.dtype)]))[::-1].copy()

    def _is_hermitian(self):
        if bool((self.d.imag != 0).any()):
            return False if not self._namespace.any(self.U) else NotImplemented
        return self._update()._is_hermitian()

    def _shifted(self, result, make):
        """Eigenvalues of the update, plus c."""
        c = self._constant()
        if c is None or result is NotImplemented:
            return NotImplemented
        w, V = result
        return make(w + w.dtype.type(c) if w.dtype.kind == "c" else w + _real(c, w), V)

    def _eigh(self):
        if self._constant() is None:
            return NotImplemented
        return self._shifted(self._update()._eigh(), EighResult)

    def _eig(self):
        if self._constant() is None:
            return NotImplemented
        return self._shifted(self._update()._eig(), EigResult)

    def _eigvals(self):
        c = self._constant()
        w = NotImplemented if c is None else self._update()._eigvals()
        return w if w is NotImplemented else w + _real(c, w)

    # ------------------------------------------------------------ functions, likewise

    def _function(self, f):
        """f(c I + U V^H) = f(c) I + U g(V^H U) V^H, where g(z) = (f(c + z) - f(c)) / z.

        g(C) is the upper right block of f([[c I + C, I], [0, c I]]) (N. J. Higham, *Functions of
        Matrices*, SIAM, 2008, theorem 4.12), so nothing is divided and nothing cancels.
        """
        c, (n, r), xp = self._constant(), self.U.shape, self._namespace
        if c is None or 4 * r > n:
            return NotImplemented
        core = xp.zeros((2 * r, 2 * r), self.dtype)
        core[:r, :r] = self.V.conj().T @ self.U
        core[:r, r:] = xp.eye(r)
        i = xp.arange(2 * r)
        core[i, i] += c
        value = f(xp.asarray([[c]], dtype=self.dtype))[0, 0]
        return DiagonalPlusLowRank(
            xp.broadcast_to(xp.asarray(value), (n,)), self.U @ f(core)[:r, r:], self.V
        )

    def _power(self, n):
        return self._function(lambda X: self._namespace.linalg.matrix_power(X, n))

    def _expm(self):
        return self._function(lambda X: stacks.expm(X[None])[0])

    def _sqrtm(self):
        return self._principal(linalg.sqrtm)

    def _logm(self):
        return self._principal(linalg.logm)

    def _principal(self, verb):
        c = self._constant()
        if not c or (np.imag(c) == 0 and np.real(c) < 0):
            return NotImplemented  # no derivative there
        return self._function(lambda X: verb(X).toarray())

    # ------------------------------------------------------------ norms, scale

    def _norm(self, ord):
        """|A|^2 = |diag A|^2 + |U V^H|^2 - |diag U V^H|^2, where that is accurate."""
        if ord != "fro" or 0 in self.shape:
            return NotImplemented
        update = self._update()
        total = update._norm("fro")
        diagonal, inner = dense.norm(self._diagonal()[None]), dense.norm(update._diagonal()[None])
        top = max(total, diagonal)
        if top == 0 or not math.isfinite(top):
            return top if top == 0 else NotImplemented
        square = (diagonal / top) ** 2 + (total / top) ** 2 - (inner / top) ** 2
        # The difference is rounded to eps |update|^2; the columns one by one do not cancel.
        return top * math.sqrt(square) if (total / top) ** 2 <= 4 * square else NotImplemented

    def _scale(self, c):
        return DiagonalPlusLowRank(self.d * c, self.U * c, self.V)

    def _rows(self, operation, values):
        return DiagonalPlusLowRank(
            operation(self.d, values), operation(self.U, values[:, None]), self.V
        )

    def _columns(self, operation, values):
        V = operation(self.V, values.conj()[:, None])
        return DiagonalPlusLowRank(operation(self.d, values), self.U, V)

    def _cost(self, verb, ncols):
        n, r = self.U.shape
        constant = self._constant() is not None
        if verb in ("svd", "eigh") and not (constant and 2 * r < n):
            return NotImplemented
        if verb in ("solve", "slogdet") and self._dense_is_cheaper():
            return NotImplemented
        flops = {
            "matmul": 2.0 * n * (2 * r + 1) * ncols,
            "solve": 8.0 * n * r * r + 16.0 * r**3 + 3 * 8.0 * n * r * (ncols + 12),
            "slogdet": 8.0 * n * r * r + 16.0 * r**3,
            "svd": 8.0 * n * r * r + 200.0 * r**3,
            "eigh": 8.0 * n * r * r + 9.0 * r**3,
        }[verb]
        moved = self.nbytes + 2 * n * ncols * self.dtype.itemsize
        names = {"solve": "Woodbury with refinement", "slogdet": "determinant lemma"}
        return Cost(names.get(verb, "diagonal and thin factors"), flops, float(moved))

    @classmethod
    def _random(cls, shape, rng, dtype, *, rank=None):
        m, n = shape
        if m != n:
            raise ValueError(f"DiagonalPlusLowRank is square; got shape {shape}")
        U, V = fit.random_factors(shape, rng, dtype, rank)
        return cls(rng.uniform(1, 2, n).astype(dtype), U / 4, V)


def _norm(A):
    return norm1(A._apply, A._adjoint()._apply, A.shape[0], A.dtype, A._namespace)


def _real(c, w):
    """The constant as a number that leaves the dtype of real eigenvalues alone."""
    return c.real if w.dtype.kind != "c" and isinstance(c, complex) and c.imag == 0 else c


# ---------------------------------------------------------------- closure


def _joined(P, Q):
    join = P._namespace.concatenate
    return join([P.U, Q.U], axis=1), join([P.V, Q.V], axis=1)


@_rules.register("add", DiagonalPlusLowRank, DiagonalPlusLowRank)
def _(A, B):
    return DiagonalPlusLowRank(A.d + B.d, *_joined(A, B))


@_rules.register("add", DiagonalPlusLowRank, LowRank)
def _(A, B):
    return DiagonalPlusLowRank(A.d, *_joined(A, B))


@_rules.register("add", LowRank, DiagonalPlusLowRank)
def _(A, B):
    return DiagonalPlusLowRank(B.d, *_joined(A, B))


def _plus(A, values):
    """A low-rank matrix, or a diagonal plus one, plus a diagonal."""
    d = A.d + values if isinstance(A, DiagonalPlusLowRank) else values
    return DiagonalPlusLowRank(d, A.U, A.V)


def _ones(A, B):
    """The diagonal of an identity, stored once."""
    xp = A._namespace
    return xp.broadcast_to(xp.ones(1, B.dtype), (B.n,))


for _cls in (LowRank, DiagonalPlusLowRank):
    _rules.register("add", _cls, Diagonal)(lambda A, B: _plus(A, B.values))
    _rules.register("add", Diagonal, _cls)(lambda A, B: _plus(B, A.values))
    _rules.register("add", _cls, Identity)(lambda A, B: _plus(A, _ones(A, B)))
    _rules.register("add", Identity, _cls)(lambda A, B: _plus(B, _ones(B, A)))


@_rules.register("matmul", DiagonalPlusLowRank, DiagonalPlusLowRank)
def _(A, B):
    """(D + U V^H)(E + X Y^H) = D E + U (E^H V)^H + (D X + U (V^H X)) Y^H."""
    xp = A._namespace
    left = xp.concatenate([A.U, A @ B.U], axis=1)
    right = xp.concatenate([B.d.conj()[:, None] * A.V, B.V], axis=1)
    return DiagonalPlusLowRank(A.d * B.d, left, right)


closed_with_diagonal(DiagonalPlusLowRank)
_rules.maker("diagonal_plus_low_rank")(DiagonalPlusLowRank)
