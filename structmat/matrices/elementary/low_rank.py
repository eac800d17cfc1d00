"""LowRank: a product of a tall and a wide matrix."""

import numpy as np

from structmat import _checks, _rules
from structmat._backend import dense
from structmat._results import Cost, EighResult, EigResult, LstsqResult, QRResult, SVDResult
from structmat.matrices.base import StructuredMatrix
from structmat.matrices.elementary import fit, stacks
from structmat.matrices.elementary.completion import completed
from structmat.matrices.elementary.diagonal import Diagonal, closed_with_diagonal
from structmat.matrices.elementary.identity import Identity
from structmat.matrices.elementary.permutation import Permutation
from structmat.matrices.elementary.zeros import Zeros

__all__ = ["LowRank"]


class LowRank(StructuredMatrix):
    """A = U V^H with r columns in U and V: A[i, j] = sum over k of U[i, k] conj(V[j, k]).

    =====================  ===================================================================
    product                2 (m + n) r flops a column
    svd, eigh, pinv, norm  QR of U and V and a problem of order r, O((m + n) r^2)
    solve                  singular for r < n: LinAlgError; use lstsq or pinv
    A + B, A @ B, A * B    low rank again, ranks add, the smaller rank, ranks multiply
    =====================  ===================================================================

    Parameters
    ----------
    U : array, shape (m, r)
        Left factor.
    V : array, shape (n, r)
        Right factor, not conjugated.

    Raises
    ------
    ValueError
        The factors have different numbers of columns.

    Notes
    -----
    Singular values are accurate to ``eps * norm(A)``. Null vectors, which fill the full SVD and
    the eigenvectors, are held as a block reflector, never as an array. Ranks grow with sums;
    :meth:`round` takes them down again.

    References
    ----------
    .. [1] G. H. Golub and C. F. Van Loan, *Matrix Computations*, 4th ed., 2013, section 2.4.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> A = sm.LowRank(np.array([[3.0], [4.0]]), np.array([[1.0], [0.0], [0.0]]))
    >>> A.svdvals()
    array([5., 0.])
    >>> (A + A).round().U.shape
    (2, 1)
    """

    _parameters = ("U", "V")

    def __init__(self, U, V):
        U = _checks.as_parameter(U, "U", ndim=2)
        V = _checks.as_parameter(V, "V", ndim=2)
        if U.shape[1] != V.shape[1]:
            raise ValueError(
                f"`U` and `V` must have the same number of columns; got {U.shape} and {V.shape}. "
                "`V` is (n, r), as in A = U @ V.conj().T"
            )
        dtype = np.result_type(U.dtype, V.dtype)
        self.U, self.V = U.astype(dtype, copy=False), V.astype(dtype, copy=False)
        super().__init__(dtype, (U.shape[0], V.shape[0]))

    def _apply(self, X):
        return self.U @ (self.V.conj().T @ X)

    def _adjoint(self):
        return LowRank(self.V, self.U)

    def _toarray(self):
        return self.U @ self.V.conj().T

    # ------------------------------------------------------------ the small problem

    def _deficient(self):
        """True when the number of columns says that the rank is below min(m, n)."""
        return self.U.shape[1] < min(self.shape)

    def _bases(self):
        """Qu, C, Qv with A = Qu C Qv^H, orthonormal Qu, Qv and a C of order at most r."""
        Qu, Ru = dense.qr(self.U)
        Qv, Rv = dense.qr(self.V)
        return Qu, Ru @ Rv.conj().T, Qv

    def _triplets(self):
        """The SVD without its zeros: U (m, k), S (k,), V (n, k), k = min(m, n, r)."""
        Qu, C, Qv = self._bases()
        W, S, Zh = dense.svd(C)
        return Qu @ W, S, Qv @ Zh.conj().T

    def _truncated(self, rtol):
        """U, S, V with the singular values above `rtol` times the largest."""
        U, S, V = self._triplets()
        rank = int((S > rtol * S[0]).sum()) if len(S) else 0
        return U[:, :rank], S[:rank], V[:, :rank]

    def round(self, rtol=None):
        """The matrix with the smallest rank whose relative error in the Frobenius norm is `rtol`.

        Parameters
        ----------
        rtol : float, optional
            Default ``max(m, n) * eps``.

        Returns
        -------
        LowRank
            With factors of equal norms.
        """
        rtol = _checks.tolerance(rtol, "rtol")
        if rtol is None:
            rtol = max(self.shape) * float(np.finfo(self.dtype).eps)
        Qu, Ru = dense.qr(self.U)
        Qv, Rv = dense.qr(self.V)
        W, S, Zh = dense.svd(Ru @ Rv.conj().T)
        # What is left where columns cancel (A - A) is rounding of the factors, not a matrix.
        noise = self.U.shape[1] * float(np.finfo(self.dtype).eps)
        noise *= dense.norm(abs(Ru) @ abs(Rv).T)
        rank = int((fit.tails(S) > max(rtol * dense.norm(S[None]), noise)).sum())
        root = S[:rank] ** 0.5
        return LowRank((Qu @ W[:, :rank]) * root, (Qv @ Zh[:rank].conj().T) * root)

    # ------------------------------------------------------------ solving

    def _factorize(self):
        if self._deficient():
            m, r = self.U.shape
            raise _checks.singular("LowRank", f"its rank is at most {r} of {m}")
        return NotImplemented

    _inv = _factorize

    def _slogdet(self):
        return (0.0, -np.inf) if self._deficient() else NotImplemented

    def _pinv(self, rcond):
        U, S, V = self._truncated(rcond)
        return LowRank(V / S, U)

    def _lstsq(self, B, rcond):
        U, S, V = self._truncated(rcond)
        return LstsqResult(V @ ((U.conj().T @ B) / S[:, None]), None, len(S), self._svdvals())

    # ------------------------------------------------------------ entries

    def _entries(self, i, j):
        xp = self._namespace
        i, j = xp.asarray(i), xp.asarray(j)
        if i.ndim == j.ndim == 2 and i.shape[1] == 1 and j.shape[0] == 1:
            return self.U[i[:, 0]] @ self.V[j[0]].conj().T
        return (self.U[i] * self.V[j].conj()).sum(-1)

    def _diagonal(self):
        k = min(self.shape)
        return (self.U[:k] * self.V[:k].conj()).sum(1)

    # ------------------------------------------------------------ singular values, eigenvalues

    def _svd(self, full_matrices):
        if not self._deficient():
            return NotImplemented
        (m, n), k = self.shape, min(self.shape)
        Qu, C, Qv = self._bases()
        W, S, Zh = dense.svd(C)
        U = completed(Qu, W, m if full_matrices else k)
        V = completed(Qv, Zh.conj().T, n if full_matrices else k)
        S = self._namespace.concatenate([S, self._namespace.zeros(k - len(S), S.dtype)])
        return SVDResult(U, S, V.conj().T)

    def _svdvals(self):
        S = dense.svdvals(self._bases()[1])
        return self._namespace.concatenate(
            [S, self._namespace.zeros(min(self.shape) - len(S), S.dtype)]
        )

    def _svds(self, k):
        if k > self.U.shape[1]:
            return NotImplemented
        U, S, V = self._triplets()
        return SVDResult(U[:, :k], S[:k], V[:, :k].conj().T)

    def _is_hermitian(self):
        """U V^H - V U^H from a QR factorisation of [U, V]: zero up to rounding of the factors."""
        if self.shape[0] != self.shape[1]:
            return False
        if self._symmetric_factors():
            return True
        xp, r = self._namespace, self.U.shape[1]
        _, R = dense.qr(xp.concatenate([self.U, self.V], axis=1), check_finite=False)
        A = R[:, :r] @ R[:, r:].conj().T
        bound = dense.norm(abs(R[:, :r]) @ abs(R[:, r:]).T)
        return dense.norm(A - A.conj().T) <= 8 * float(np.finfo(self.dtype).eps) * bound

    def _symmetric_factors(self):
        return self.U is self.V or bool((self.U == self.V).all())

    def _restricted(self):
        """Q, C with range(A) in range(Q) and C = Q^H A Q, for a Hermitian A."""
        Q, R = dense.qr(self.U)
        C = R @ (self.V.conj().T @ Q)
        return Q, (C + C.conj().T) / 2

    def _eigh(self):
        if not self._deficient():
            return NotImplemented
        xp, n = self._namespace, self.shape[0]
        if self._symmetric_factors():
            Q, R = dense.qr(self.U)
            W, S, _ = dense.svd(R)
            w = S * S
        else:
            Q, C = self._restricted()
            w, W = dense.eigh(C)
        w = xp.concatenate([w, xp.zeros(n - len(w), w.dtype)])
        order = xp.argsort(w)
        V = completed(Q, W, n) @ Permutation(xp.argsort(order), self.dtype)
        return EighResult(w[order], V)

    def _eigsh(self, k, which):
        if not self._deficient():
            return NotImplemented
        w, V = self._eigh()
        key = {"LM": -abs(w), "SM": abs(w), "LA": -w, "SA": w}[which]
        chosen = self._namespace.sort(key.argsort()[:k])
        return EighResult(w[chosen], V[:, chosen])

    def _eigvals(self):
        if not self._deficient():
            return NotImplemented
        Q, R = dense.qr(self.U)
        w = dense.eigvals(R @ (self.V.conj().T @ Q))
        xp = self._namespace
        return xp.concatenate([w, xp.zeros(self.shape[0] - len(w), w.dtype)])

    def _eig(self):
        """Eigenvectors in range(A), by a matrix of order r, and a basis of the null space."""
        if not self._deficient():
            return NotImplemented
        xp, n = self._namespace, self.shape[0]
        # Factors of full rank, so that the null space is exactly that of V^H.
        U, S, V = self._truncated(n * float(np.finfo(self.dtype).eps))
        k = len(S)
        w, W = dense.eig(V.conj().T @ (U * S))
        null = completed(V, xp.eye(k, dtype=self.dtype), n)
        select = _rules.make(
            "block_diagonal", (Zeros(k, 0, self.dtype), Identity(n - k, self.dtype))
        )
        vectors = (U * S) @ W
        vectors = vectors / _norms(vectors)
        V = _rules.make("block", [[vectors, _rules.lift(null) @ select]])
        return EigResult(xp.concatenate([w, xp.zeros(n - k, w.dtype)]), V)

    def _cholesky(self):
        if self._deficient():
            m, r = self.U.shape
            raise _checks.not_positive_definite("LowRank", f"its rank is at most {r} of {m}")
        return NotImplemented

    def _qr(self):
        if not self._deficient():
            return NotImplemented
        k = min(self.shape)
        Q, R = dense.qr(self.U)
        W, R = dense.qr(R @ self.V.conj().T)
        below = Zeros(k - R.shape[0], self.shape[1], self.dtype)
        return QRResult(completed(Q, W, k), _rules.make("block", [[R], [below]]))

    # ------------------------------------------------------------ norms, functions, scale

    def _norm(self, ord):
        if 0 in self.shape or ord not in ("fro", 2, -2, "nuc"):
            return NotImplemented
        if ord == -2 and self._deficient():
            return 0.0
        return dense.norm(self._bases()[1], ord) if self.U.shape[1] else 0.0

    def _power(self, n):
        """(U V^H)^n = U (V^H U)^(n-1) V^H."""
        core = self.V.conj().T @ self.U
        return LowRank(self.U @ self._namespace.linalg.matrix_power(core, n - 1), self.V)

    def _expm(self):
        """exp(U V^H) = I + U phi(V^H U) V^H with phi(z) = (e^z - 1) / z."""
        xp, r = self._namespace, self.U.shape[1]
        core = xp.zeros((1, 2 * r, 2 * r), self.dtype)
        core[0, :r, :r] = self.V.conj().T @ self.U
        core[0, :r, r:] = xp.eye(r)
        phi = stacks.expm(core)[0, :r, r:]  # Higham, Functions of Matrices, 2008, eq. (10.40)
        ones = xp.broadcast_to(xp.ones(1, self.dtype), (self.shape[0],))
        return _rules.make("diagonal_plus_low_rank", ones, self.U @ phi, self.V)

    def _sqrtm(self):
        if not (self.shape[0] == self.shape[1] and self._symmetric_factors()):
            return NotImplemented
        Q, R = dense.qr(self.U)
        W, S, _ = dense.svd(R)
        return LowRank(Q @ (W * S), Q @ W)

    def _scale(self, c):
        return LowRank(self.U * c, self.V)

    def _rows(self, operation, values):
        return LowRank(operation(self.U, values[:, None]), self.V)

    def _columns(self, operation, values):
        return LowRank(self.U, operation(self.V, values.conj()[:, None]))

    def _cost(self, verb, ncols):
        (m, n), r = self.shape, self.U.shape[1]
        flops = {
            "matmul": 2.0 * (m + n) * r * ncols,
            "svd": 6.0 * (m + n) * r * r + 20 * r**3,
            "eigh": 8.0 * n * r * r + 9 * r**3,
            "slogdet": 0.0,
            "solve": 0.0,
        }[verb]
        moved = self.nbytes + (m + n) * ncols * self.dtype.itemsize
        if verb in ("solve", "slogdet"):
            return Cost("none: singular", 0.0, 0.0) if self._deficient() else NotImplemented
        names = {"matmul": "two thin products", "svd": "QR of the factors and an SVD of order r"}
        return Cost(names.get(verb, "QR of a factor and eigenvalues of order r"), flops, moved)

    @classmethod
    def _project(cls, M, rtol, budget, *, rank=None):
        return fit.nearest_low_rank(cls, M, rtol, budget, rank=rank)

    @classmethod
    def _random(cls, shape, rng, dtype, *, rank=None):
        return cls(*fit.random_factors(shape, rng, dtype, rank))


def _norms(X):
    """2-norms of columns, 1 for zero ones."""
    top = abs(X).max(0) if X.shape[0] else abs(X).sum(0)
    top = top + (top == 0)
    return top * ((abs(X / top) ** 2).sum(0)) ** 0.5


# ---------------------------------------------------------------- closure


@_rules.register("matmul", LowRank, StructuredMatrix)
def _(A, B):
    return LowRank(A.U, B._adjoint() @ A.V)


@_rules.register("matmul", StructuredMatrix, LowRank)
def _(A, B):
    return LowRank(A @ B.U, B.V)


@_rules.register("matmul", LowRank, LowRank)
def _(A, B):
    core = A.V.conj().T @ B.U
    if A.U.shape[1] <= B.U.shape[1]:
        return LowRank(A.U, B.V @ core.conj().T)
    return LowRank(A.U @ core, B.V)


@_rules.register("solve", StructuredMatrix, LowRank)
def _(A, B):
    return LowRank(A.solve(B.U), B.V)


@_rules.register("add", LowRank, LowRank)
def _(A, B):
    join = A._namespace.concatenate
    return LowRank(join([A.U, B.U], axis=1), join([A.V, B.V], axis=1))


@_rules.register("hadamard", LowRank, LowRank)
def _(A, B):
    """Row-wise Kronecker products of the factors."""

    def rows(P, Q):
        return (P[:, :, None] * Q[:, None, :]).reshape(P.shape[0], P.shape[1] * Q.shape[1])

    return LowRank(rows(A.U, B.U), rows(A.V, B.V))


@_rules.register("hadamard", LowRank, Diagonal)
def _(A, B):
    return Diagonal(A._diagonal() * B.values)


closed_with_diagonal(LowRank)
_rules.maker("low_rank")(LowRank)
