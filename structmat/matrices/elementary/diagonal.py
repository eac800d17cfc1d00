"""Diagonal: one number a row."""

import math

import numpy as np

from structmat import _checks, _rules
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
from structmat.matrices.elementary import _shared
from structmat.matrices.elementary.dense import Dense, closed_with_dense
from structmat.matrices.elementary.identity import Identity
from structmat.matrices.elementary.permutation import Permutation

__all__ = ["Diagonal"]


class Diagonal(StructuredMatrix):
    """A diagonal matrix: A[i, i] = values[i], zero elsewhere.

    Every verb costs O(n), or O(n log n) where values are sorted. Solves are accurate to the last
    place in every component, whatever the condition number.

    Parameters
    ----------
    values : array, shape (n,)
        The diagonal; stored as given. An array with stride 0 (``np.broadcast_to``) stores a
        constant diagonal in O(1).

    Raises
    ------
    ValueError
        Not one-dimensional.
    TypeError
        Of a dtype that is not supported.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> D = sm.Diagonal([1e-200, 2.0, 1e200])
    >>> round(float(D.logdet()), 12)
    0.69314718056
    >>> D @ sm.Diagonal([1.0, 2.0, 3.0])
    <3x3 Diagonal of dtype float64, 24 B, 0.33 of dense>
    """

    _parameters = ("values",)

    def __init__(self, values):
        self.values = _checks.as_parameter(values, "values", ndim=1)
        n = self.values.shape[0]
        super().__init__(self.values.dtype, (n, n))

    def _apply(self, X):
        return self.values[:, None] * X

    def _adjoint(self):
        return self._conj()

    def _transpose(self):
        return self

    def _toarray(self):
        xp, n = self._namespace, self.shape[0]
        dense = xp.zeros((n, n), self.dtype)
        dense[xp.arange(n), xp.arange(n)] = self.values
        return dense

    def tosparse(self):
        """The matrix as a :class:`scipy.sparse.csr_array`."""
        from scipy.sparse import csr_array

        n = self.shape[0]
        values = self.values.copy() if self._host else self.values.get()
        return csr_array((values, np.arange(n), np.arange(n + 1)), self.shape)

    def _factorize(self):
        return _DiagonalFactorization(self)

    def _inv(self):
        self._invertible()
        return self._function(lambda values: 1 / values, "inv")

    def _invertible(self):
        zero = _shared.first_zero(_checks.finite(self.values))
        if zero is not None:
            raise _checks.singular("Diagonal", f"entry {zero} is zero")
        return self.values

    def _slogdet(self):
        return _shared.slogdet(self.values)

    def _diagonal(self):
        return self.values.copy()

    def _trace(self):
        return self.values.sum()

    def _entries(self, i, j):
        xp = self._namespace
        i, j = xp.asarray(i), xp.asarray(j)
        return xp.where(i == j, self.values[i], self.dtype.type(0))

    # ------------------------------------------------------------ spectra

    def _sign(self):
        """values / |values|, 1 where zero."""
        xp = self._namespace
        if self.dtype.kind != "c":
            return xp.where(self.values < 0, -1, 1).astype(self.dtype)
        # Scaled first: |z| of a subnormal z has few digits.
        largest = xp.maximum(abs(self.values.real), abs(self.values.imag))
        nonzero = largest > 0
        scaled = xp.where(nonzero, self.values / xp.where(nonzero, largest, 1), 1)
        return scaled / abs(scaled)

    def _descending(self):
        xp = self._namespace
        modulus = abs(_checks.finite(self.values))
        return modulus, xp.argsort(-modulus)

    def _svd(self, full_matrices):
        """A = sum of (sign_i e_i) |a_i| e_i^T, the terms in descending order."""
        modulus, order = self._descending()
        P = Permutation(order, self.dtype)
        return SVDResult(Diagonal(self._sign()) @ P._adjoint(), modulus[order], P)

    def _svdvals(self):
        modulus, order = self._descending()
        return modulus[order]

    def _svds(self, k):
        modulus, order = self._descending()
        order = order[:k]
        V = self._units(order)
        return SVDResult(self._sign()[:, None] * V, modulus[order], V.T)

    def _units(self, positions):
        """Unit vectors as columns, shape (n, len(positions))."""
        xp = self._namespace
        V = xp.zeros((self.shape[0], len(positions)), self.dtype)
        V[positions, xp.arange(len(positions))] = 1
        return V

    def _eigh(self):
        values = _checks.finite(self.values).real
        order = self._namespace.argsort(values)
        return EighResult(values[order], Permutation(order, self.dtype)._adjoint())

    def _eigvalsh(self):
        return self._namespace.sort(_checks.finite(self.values).real)

    def _eigsh(self, k, which):
        xp = self._namespace
        values = _checks.finite(self.values).real
        key = {"LM": -abs(values), "SM": abs(values), "LA": -values, "SA": values}[which]
        wanted = xp.argsort(key)[:k]
        wanted = wanted[xp.argsort(values[wanted])]
        return EighResult(values[wanted], self._units(wanted))

    def _eig(self):
        values = _checks.finite(self.values).copy()
        return EigResult(values, Identity(self.shape[0], self.dtype))

    def _eigvals(self):
        return _checks.finite(self.values).copy()

    def _is_hermitian(self):
        return self.dtype.kind != "c" or not bool(self.values.imag.any())

    # ------------------------------------------------------------ factors and functions

    def _qr(self):
        _checks.finite(self.values)
        return QRResult(Diagonal(self._sign()), Diagonal(abs(self.values).astype(self.dtype)))

    def _cholesky(self):
        values = _checks.finite(self.values).real
        failing = ~(values > 0)
        if bool(failing.any()):
            place = f"diagonal entry {int(failing.argmax())}"
            raise _checks.not_positive_definite("Diagonal", place)
        return Diagonal(self._namespace.sqrt(values).astype(self.dtype, copy=False))

    def _norm(self, ord):
        if ord in ("fro", "nuc"):
            return _shared.norm_of(self.values, ord)
        return _shared.norm_of(self.values, math.inf if ord > 0 else -math.inf)

    def _kept(self, rcond):
        modulus = abs(_checks.finite(self.values))
        return modulus > rcond * modulus.max() if modulus.size else modulus > 0

    def _pinv(self, rcond):
        keep = self._kept(rcond)
        return Diagonal(keep / self._namespace.where(keep, self.values, 1).astype(self.dtype))

    def _lstsq(self, B, rcond):
        keep = self._kept(rcond)
        safe = self._namespace.where(keep, self.values, 1).astype(self.dtype)
        x = self._namespace.where(keep[:, None], B / safe[:, None], 0).astype(self.dtype)
        return LstsqResult(x, None, int(keep.sum()), self._svdvals())

    def _rank(self, rtol):
        return int(self._kept(rtol).sum())

    def _power(self, n):
        return self._function(lambda values: values**n, "A ** n")

    def _expm(self):
        return self._function(self._namespace.exp, "expm")

    def _sqrtm(self):
        return self._function(lambda values: self._namespace.sqrt(self._complex(values)), "sqrtm")

    def _logm(self):
        self._invertible()
        return self._function(lambda values: self._namespace.log(self._complex(values)), "logm")

    def _complex(self, values):
        """Complex where a root or a logarithm of a negative number would be."""
        if values.dtype.kind == "c" or not bool((values < 0).any()):
            return values
        return values.astype(np.result_type(values.dtype, np.complex64))

    def _function(self, f, verb):
        _checks.finite(self.values)
        with np.errstate(all="ignore"):
            return Diagonal(_checks.representable(f(self.values), verb))

    def _scale(self, c):
        return Diagonal(self.values * c)

    def _cost(self, verb, ncols):
        n, item = self.shape[0], self.dtype.itemsize
        if verb in ("matmul", "solve"):
            each = 6.0 if self.dtype.kind == "c" else 1.0
            return Cost("scaling of rows", each * n * ncols, item * n * (1.0 + 2 * ncols))
        sort = n * math.log2(n + 2) if verb in ("svd", "eigh") else float(n)
        return Cost("sorted diagonal" if verb != "slogdet" else "sum of logarithms", sort, item * n)

    @classmethod
    def _random(cls, shape, rng, dtype):
        """Moduli between 1 and 2, random signs or phases."""
        if shape[0] != shape[1]:
            raise ValueError(f"a Diagonal is square; got shape {shape}")
        n = shape[0]
        sign = rng.choice([-1.0, 1.0], n)
        if dtype.kind == "c":
            sign = np.exp(2j * np.pi * rng.uniform(size=n))
        return cls((rng.uniform(1, 2, n) * sign).astype(dtype))

    @classmethod
    def _project(cls, M, rtol, budget):
        M = _shared.lifted(M)
        if M.shape[0] != M.shape[1]:
            raise ValueError(f"a Diagonal is square; got `M` of shape {M.shape}")
        return _shared.projection(M, cls(M.diagonal()))

    def _rows(self, op, s):
        return Diagonal(op(self.values, s))

    _columns = _rows


class _DiagonalFactorization(Factorization):
    method = "division by the diagonal"
    structure = "Diagonal"

    def __init__(self, A):
        self.shape, self.dtype, self.matrix = A.shape, A.dtype, A
        modulus = abs(A._invertible())
        self.rcond = float(modulus.min()) / float(modulus.max()) if modulus.size else 1.0

    def _solve(self, B):
        return B / self.matrix.values[:, None]

    def _slogdet(self):
        return self.matrix._slogdet()


# ---------------------------------------------------------------- closure

_rules.maker("diagonal")(Diagonal)
closed_with_dense(Diagonal)


def closed_with_diagonal(cls):
    """Register D @ A, A @ D and solve(D, A): a family whose rows and columns can be scaled."""

    @_rules.register("matmul", Diagonal, cls)
    def _(A, B):
        return B._rows(A._namespace.multiply, A.values)

    @_rules.register("matmul", cls, Diagonal)
    def _(A, B):
        return A._columns(B._namespace.multiply, B.values)

    @_rules.register("solve", Diagonal, cls)
    def _(A, B):
        return B._rows(A._namespace.divide, A._invertible())


closed_with_diagonal(Dense)
closed_with_diagonal(Diagonal)


@_rules.register("add", Diagonal, Diagonal)
def _(A, B):
    return Diagonal(A.values + B.values)


@_rules.register("add", Diagonal, Identity)
def _(A, B):
    return Diagonal(A.values + B.dtype.type(1))


@_rules.register("add", Identity, Diagonal)
def _(A, B):
    return Diagonal(B.values + A.dtype.type(1))


@_rules.register("add", Identity, Identity)
def _(A, B):
    return 2 * _rules.combine("matmul", A, B)


@_rules.register("add", Dense, Identity)
def _(A, B):
    total = A.array.astype(np.result_type(A.dtype, B.dtype))
    i = A._namespace.arange(B.n)
    total[i, i] += 1
    return Dense(total)


@_rules.register("add", Identity, Dense)
def _(A, B):
    return _rules.combine("add", B, A)


@_rules.register("kron", Diagonal, Diagonal)
def _(A, B):
    return Diagonal((A.values[:, None] * B.values).reshape(-1))


@_rules.register("kron", Diagonal, Identity)
def _(A, B):
    ones = A._namespace.ones(B.n, B.dtype)
    return Diagonal((A.values[:, None] * ones).reshape(-1))


@_rules.register("kron", Identity, Diagonal)
def _(A, B):
    ones = B._namespace.ones((A.n, 1), A.dtype)
    return Diagonal((ones * B.values).reshape(-1))


def _diagonal_of(A, B):
    """The diagonal of A in the dtype of A o B."""
    return A.diagonal().astype(np.result_type(A.dtype, B.dtype), copy=False)


@_rules.register("hadamard", Diagonal, StructuredMatrix)
@_rules.register("hadamard", Identity, StructuredMatrix)
@_rules.register("hadamard", StructuredMatrix, Diagonal)
@_rules.register("hadamard", StructuredMatrix, Identity)
@_rules.register("hadamard", Diagonal, Diagonal)
@_rules.register("hadamard", Diagonal, Identity)
@_rules.register("hadamard", Identity, Diagonal)
def _(A, B):
    if isinstance(A, Identity):
        return Diagonal(_diagonal_of(B, A))
    if isinstance(B, Identity):
        return Diagonal(_diagonal_of(A, B))
    return Diagonal(A.diagonal() * B.diagonal())


@_rules.register("hadamard", Permutation, StructuredMatrix)
def _(A, B):
    """One entry a row, in the columns of the permutation."""
    if isinstance(B, Diagonal | Identity):
        return NotImplemented
    values = B._entries(A._namespace.arange(A.shape[0]), A.p)
    return values if values is NotImplemented else Diagonal(A.dtype.type(1) * values) @ A


@_rules.register("hadamard", StructuredMatrix, Permutation)
def _(A, B):
    return NotImplemented if isinstance(A, Permutation) else _rules.combine("hadamard", B, A)
