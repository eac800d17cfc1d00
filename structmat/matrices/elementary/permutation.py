"""Permutation: rows in another order."""

import math

import numpy as np

from structmat import _checks, _rules
from structmat._backend.arrays import namespace_of
from structmat._results import (
    Cost,
    EighResult,
    EigResult,
    Factorization,
    LstsqResult,
    QRResult,
    SVDResult,
)
from structmat.matrices.base import StructuredMatrix
from structmat.matrices.elementary.dense import Dense, closed_with_dense
from structmat.matrices.elementary.identity import Identity

__all__ = ["Permutation"]


class Permutation(StructuredMatrix):
    """A permutation: row i has its 1 in column p[i], so that ``A @ x = x[p]``.

    Every verb costs O(n) or, for eigenvalues, O(n log n); nothing is rounded but roots of
    unity. For n = 3 and p = (2, 0, 1)::

        [0 0 1]
        [1 0 0]
        [0 1 0]

    Parameters
    ----------
    p : array of int, shape (n,)
        Each of 0..n-1 once.
    dtype : dtype, optional
        float32, float64 (default), complex64 or complex128.

    Raises
    ------
    ValueError
        An index is missing or repeated.
    TypeError
        `p` does not hold integers.

    Notes
    -----
    The eigenvalues of a cycle of length L are the L-th roots of unity, with the columns of the
    discrete Fourier transform of order L as vectors [1]_.

    References
    ----------
    .. [1] P. J. Davis, *Circulant Matrices*, 2nd ed., AMS Chelsea, 1994, section 2.4.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> P = sm.Permutation([2, 0, 1])
    >>> P @ np.array([10.0, 20.0, 30.0])
    array([30., 10., 20.])
    >>> P.slogdet().sign
    np.float64(1.0)
    """

    _parameters = ("p", "dtype")

    def __init__(self, p, dtype=np.float64):
        self.p = _permutation(p)
        n = self.p.shape[0]
        super().__init__(_checks.result_dtype(dtype, "Permutation"), (n, n))

    def _apply(self, X):
        return X.take(self.p, axis=0)  # three times as fast as X[p]

    def _adjoint(self):
        return Permutation(inverse_of(self.p), self.dtype)

    def _conj(self):
        return self

    def _toarray(self):
        xp = self._namespace
        dense = xp.zeros(self.shape, self.dtype)
        dense[xp.arange(self.shape[0]), self.p] = 1
        return dense

    def tosparse(self):
        """The matrix as a :class:`scipy.sparse.csr_array`."""
        from scipy.sparse import csr_array

        n = self.shape[0]
        p = self.p if self._host else self.p.get()
        return csr_array((np.ones(n, self.dtype), p, np.arange(n + 1)), self.shape)

    def _factorize(self):
        return _PermutationFactorization(self)

    def _inv(self):
        return self._adjoint()

    def _pinv(self, rcond):
        return self._adjoint()

    def _slogdet(self):
        label, _, _ = self._cycles()
        # A cycle of even length is an odd permutation: parity of n minus the number of cycles.
        roots = int((label == self._namespace.arange(len(label))).sum())
        return (-1.0 if (self.shape[0] - roots) & 1 else 1.0), 0.0

    def _fixed(self):
        return self.p == self._namespace.arange(self.shape[0])

    def _diagonal(self):
        return self._fixed().astype(self.dtype)

    def _trace(self):
        return self.dtype.type(int(self._fixed().sum()))

    def _entries(self, i, j):
        xp = self._namespace
        return (self.p[xp.asarray(i)] == xp.asarray(j)).astype(self.dtype)

    def _cycles(self):
        """(label, length, position) of each index: smallest index of its cycle, and steps from it.

        By pointer doubling: log2(n) vectorised passes instead of a walk.
        """
        xp, n = self._namespace, self.shape[0]
        label, step = xp.arange(n), self.p
        passes = max(n - 1, 0).bit_length()
        for _ in range(passes):
            label = xp.minimum(label, label[step])
            step = step[step]
        length = xp.bincount(label, minlength=n)[label] if n else label
        at_root = label == xp.arange(n)
        step = xp.where(at_root, label, self.p)
        to_root = xp.where(at_root, 0, 1)
        for _ in range(passes):
            to_root = to_root + to_root[step]
            step = step[step]
        return label, length, xp.where(at_root, 0, length - to_root)

    def _eig(self):
        """x[p[i]] = z x[i] along a cycle, z a root of unity: x = z^t / sqrt(L) at position t."""
        label, length, position = (_host(v) for v in self._cycles())
        order = np.lexsort((position, label))
        # Column c belongs to the cycle at order[c] and to the root of unity k = position there.
        label, length, k = label[order], length[order], position[order]
        start = np.searchsorted(label, label)
        cols = np.repeat(np.arange(len(order)), length)
        indptr = np.concatenate([[0], np.cumsum(length)])
        t = np.arange(indptr[-1]) - indptr[cols]
        rows = order[start[cols] + t]
        values = _root_of_unity(k[cols] * t, length[cols]) / np.sqrt(length[cols])
        w = self._kind(_root_of_unity(k, length))
        values = values if w.dtype.kind == "c" else values.real
        from scipy.sparse import csc_array

        V = csc_array((values.astype(w.dtype), rows, indptr), self.shape)
        return EigResult(self._namespace.asarray(w), self._sparse(V))

    def _eigvals(self):
        _, length, position = (_host(v) for v in self._cycles())
        return self._namespace.asarray(self._kind(_root_of_unity(position, length)))

    def _kind(self, w):
        """Real where the matrix and all the values are, as numpy.linalg.eig; else complex."""
        if self.dtype.kind != "c" and not w.imag.any():
            return w.real.astype(self.dtype)
        return w.astype(np.result_type(self.dtype, np.complex64))

    def _sparse(self, V):
        V = _rules.make("sparse", V)
        return V if self._host else V.to_device("cuda")

    def _eigh(self):
        """A symmetric permutation swaps pairs: (e_i - e_j) for -1, e_i and (e_i + e_j) for 1."""
        from scipy.sparse import csc_array

        p, n = _host(self.p), self.shape[0]
        i = np.flatnonzero(np.arange(n) < p)
        j, fixed = p[i], np.flatnonzero(np.arange(n) == p)
        k = len(i)
        half = np.full(k, math.sqrt(0.5))
        values = np.concatenate([np.c_[half, -half].ravel(), np.ones(len(fixed)), np.tile(half, 2)])
        rows = np.concatenate([np.c_[i, j].ravel(), fixed, i, j])
        cols = np.concatenate(
            [np.repeat(np.arange(k), 2), np.arange(k, n - k), np.tile(np.arange(n - k, n), 2)]
        )
        V = csc_array((values.astype(self.dtype), (rows, cols)), self.shape)
        return EighResult(self._namespace.asarray(self._symmetric_values(k)), self._sparse(V))

    def _eigvalsh(self):
        swaps = (self.shape[0] - int(self._fixed().sum())) // 2
        return self._namespace.asarray(self._symmetric_values(swaps))

    def _symmetric_values(self, swaps):
        w = np.ones(self.shape[0], np.finfo(self.dtype).dtype)
        w[:swaps] = -1
        return w

    def _is_hermitian(self):
        return bool((self.p[self.p] == self._namespace.arange(self.shape[0])).all())

    def _svd(self, full_matrices):
        return SVDResult(self, self._svdvals(), Identity(self.shape[0], self.dtype))

    def _svdvals(self):
        return self._namespace.ones(self.shape[0], np.finfo(self.dtype).dtype)

    def _svds(self, k):
        xp, n = self._namespace, self.shape[0]
        U = xp.zeros((n, k), self.dtype)
        U[inverse_of(self.p)[:k], xp.arange(k)] = 1
        return SVDResult(U, self._svdvals()[:k], xp.eye(k, n, dtype=self.dtype))

    def _qr(self):
        return QRResult(self, Identity(self.shape[0], self.dtype))

    def _cholesky(self):
        moved = ~self._fixed()
        if bool(moved.any()):
            place = f"diagonal entry {int(moved.argmax())}"
            raise _checks.not_positive_definite("Permutation", place)
        return Identity(self.shape[0], self.dtype)

    def _norm(self, ord):
        n = self.shape[0]
        return {"fro": math.sqrt(n), "nuc": float(n)}.get(ord, 1.0) if n else 0.0

    def _lstsq(self, B, rcond):
        return LstsqResult(self._factorize()._solve(B), None, self.shape[0], self._svdvals())

    def _rank(self, rtol):
        return self.shape[0] if rtol < 1 else 0

    def _power(self, n):
        result, square = None, self.p
        while n:
            if n & 1:
                result = square if result is None else square[result]
            square, n = square[square], n >> 1
        return Permutation(result, self.dtype)

    def _cost(self, verb, ncols):
        n, item = self.shape[0], self.dtype.itemsize
        return Cost("gather of rows", 0.0, n * (self.p.itemsize + 2.0 * ncols * item))

    @classmethod
    def _random(cls, shape, rng, dtype):
        if shape[0] != shape[1]:
            raise ValueError(f"a Permutation is square; got shape {shape}")
        return cls(rng.permutation(shape[0]), dtype)


class _PermutationFactorization(Factorization):
    method = "inverse permutation"
    structure = "Permutation"

    def __init__(self, A):
        self.shape, self.dtype, self.matrix = A.shape, A.dtype, A

    def _solve(self, B):
        X = self.matrix._namespace.empty_like(B)
        X[self.matrix.p] = B
        return X

    def _slogdet(self):
        return self.matrix._slogdet()


def _permutation(p):
    """`p` as an array of intp that holds each of 0..n-1 once."""
    xp = namespace_of(p, default=np)
    if xp is np:
        n = np.shape(p)[0] if np.ndim(p) else 0
        p = _checks.as_index(p, "p", n)
        once = (np.bincount(p, minlength=n) == 1).all()
    else:
        if p.dtype.kind not in "iu" or p.ndim != 1:
            raise TypeError(f"`p` must hold integers, shape (n,); got {p.dtype}, shape {p.shape}")
        p = p.astype(np.intp, copy=False)
        once = (xp.sort(p) == xp.arange(len(p))).all()
    if not once:
        repeated = ""
        if xp is np:
            repeated = f"; {int((np.bincount(p, minlength=n) > 1).argmax())} is repeated"
        raise ValueError(f"`p` must hold each of 0..{len(p) - 1} once{repeated}")
    return p


def inverse_of(p):
    """q with q[p[i]] = i."""
    xp = namespace_of(p)
    q = xp.empty_like(p)
    q[p] = xp.arange(len(p))
    return q


def _host(x):
    return x if isinstance(x, np.ndarray) else x.get()


def _root_of_unity(k, n):
    """exp(2 pi i k / n), exact where it is 1, i, -1 or -i."""
    k, n = np.asarray(k) % n, np.asarray(n)
    # The angle is brought to [-1/8, 1/8] of a turn, where sine and cosine lose nothing.
    quarter = np.rint(4 * k / n).astype(np.int64)
    angle = (2 * math.pi) * ((4 * k - quarter * n) / (4 * n))
    return (np.cos(angle) + 1j * np.sin(angle)) * np.array([1, 1j, -1, -1j])[quarter % 4]


# ---------------------------------------------------------------- closure

closed_with_dense(Permutation)


@_rules.register("matmul", Permutation, Permutation)
def _(A, B):
    return Permutation(B.p[A.p], np.result_type(A.dtype, B.dtype))


@_rules.register("matmul", Permutation, Dense)
def _(A, B):
    return Dense(B.array.take(A.p, axis=0).astype(np.result_type(A.dtype, B.dtype), copy=False))


@_rules.register("matmul", Dense, Permutation)
def _(A, B):
    gathered = A.array[:, inverse_of(B.p)]
    return Dense(gathered.astype(np.result_type(A.dtype, B.dtype), copy=False))


@_rules.register("solve", Permutation, StructuredMatrix)
def _(A, B):
    return A._adjoint() @ B


@_rules.register("solve", Permutation, Dense)
def _(A, B):
    return A._adjoint() @ B


def _kron(p, q):
    """Index of the Kronecker product: i * n + j goes to p[i] * n + q[j]."""
    return (p[:, None] * len(q) + q).reshape(-1)


@_rules.register("kron", Permutation, Permutation)
def _(A, B):
    return Permutation(_kron(A.p, B.p), np.result_type(A.dtype, B.dtype))


@_rules.register("kron", Permutation, Identity)
def _(A, B):
    p = _kron(A.p, A._namespace.arange(B.n))
    return Permutation(p, np.result_type(A.dtype, B.dtype))


@_rules.register("kron", Identity, Permutation)
def _(A, B):
    p = _kron(B._namespace.arange(A.n), B.p)
    return Permutation(p, np.result_type(A.dtype, B.dtype))


_rules.maker("permutation")(Permutation)
