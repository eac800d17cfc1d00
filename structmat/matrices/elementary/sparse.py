"""Sparse: compressed sparse rows, with SuperLU behind the solves."""

import math

import numpy as np

from structmat import _checks, _rules
from structmat._backend.arrays import namespace_of
from structmat._backend.sparse import csr
from structmat._results import Cost, Factorization
from structmat.matrices.base import StructuredMatrix
from structmat.matrices.elementary import _shared
from structmat.matrices.elementary.banded import Banded
from structmat.matrices.elementary.dense import Dense, closed_with_dense
from structmat.matrices.elementary.diagonal import Diagonal, closed_with_diagonal
from structmat.matrices.elementary.identity import Identity
from structmat.matrices.elementary.permutation import Permutation
from structmat.matrices.elementary.tridiagonal import Tridiagonal

__all__ = ["Sparse"]


class Sparse(StructuredMatrix):
    """A sparse matrix in compressed rows: row i holds data[s:e] in the columns indices[s:e].

    Here s, e = indptr[i], indptr[i + 1]. A CSR matrix without duplicates is held as it is; other
    formats are converted.

    ==================  ====================================================
    product             2 nnz flops a column
    solve, slogdet      sparse LU with partial pivoting (SuperLU) [1]_
    eigsh, svds         iterative, from the products
    ==================  ====================================================

    Parameters
    ----------
    matrix : sparse array or matrix, shape (m, n), or tuple (data, indices, indptr, shape)
        SciPy's (or CuPy's) in any format, or the arrays of the CSR format.

    Raises
    ------
    ValueError
        The arrays are not a matrix in CSR format.
    TypeError
        Neither sparse nor such a tuple, or of a dtype that is not supported.

    References
    ----------
    .. [1] X. S. Li, An overview of SuperLU, ACM Trans. Math. Softw. 31 (2005) 302-325.

    Examples
    --------
    >>> import scipy.sparse, structmat as sm
    >>> A = sm.Sparse(scipy.sparse.diags_array([1.0, 2.0, 4.0]))
    >>> A.solve([1.0, 1.0, 1.0])
    array([1.  , 0.5 , 0.25])
    >>> round(float(A.logdet()), 6)
    2.079442
    """

    _parameters = ("data", "indices", "indptr", "shape")

    def __init__(self, matrix):
        self._csr = _canonical(matrix)
        self.data, self.indices, self.indptr = (
            self._csr.data, self._csr.indices, self._csr.indptr
        )  # fmt: skip
        super().__init__(self.data.dtype, self._csr.shape)

    @classmethod
    def _from_parameters(cls, data, indices, indptr, shape):
        return cls((data, indices, indptr, shape))

    @property
    def nnz(self):
        """Number of stored entries."""
        return int(self.data.shape[0])

    def _apply(self, X):
        return self._csr @ X if X.size else self._namespace.zeros(
            (self.shape[0], X.shape[1]), self.dtype
        )  # fmt: skip

    def _adjoint(self):
        return Sparse(self._csr.conj().T if self.dtype.kind == "c" else self._csr.T)

    def _transpose(self):
        return Sparse(self._csr.T)

    def _toarray(self):
        xp = self._namespace
        dense = xp.zeros(self.shape, self.dtype)
        dense[self._row_indices(), self.indices] = self.data
        return dense

    def tosparse(self):
        """A copy as :class:`scipy.sparse.csr_array`."""
        host = self if self._host else self.to_device("cpu")
        return host._csr.copy()

    def _row_indices(self):
        """Row of every stored entry."""
        if self._host:
            return np.repeat(np.arange(self.shape[0]), np.diff(self.indptr))
        # CuPy repeats by host lists only; a search stays on the device.
        xp = self._namespace
        return xp.searchsorted(self.indptr, xp.arange(self.nnz), side="right") - 1

    def _factorize(self):
        _checks.host_only(self, "a factorisation")
        return _SuperLU(self)

    def _diagonal(self):
        if 0 in self.shape:
            return self._namespace.zeros(0, self.dtype)
        return self._csr.diagonal()

    def _entries(self, i, j):
        """By a search among the stored positions, which are sorted by row and column."""
        xp, n = self._namespace, self.shape[1]
        i, j = xp.broadcast_arrays(xp.asarray(i), xp.asarray(j))
        if not self.nnz or not i.size:
            return xp.zeros(i.shape, self.dtype)
        stored = self._row_indices().astype(np.int64) * n + self.indices
        wanted = i.astype(np.int64) * n + j
        at = xp.minimum(xp.searchsorted(stored, wanted.reshape(-1)), self.nnz - 1)
        found = stored[at] == wanted.reshape(-1)
        return xp.where(found, self.data[at], self.dtype.type(0)).reshape(i.shape)

    def _is_hermitian(self):
        if self.shape[0] != self.shape[1]:
            return False
        difference = self - self._adjoint()
        eps = float(np.finfo(self.dtype).eps)
        largest = _shared.norm_of(self.data, math.inf)
        return bool(_shared.norm_of(difference.data, math.inf) <= 8 * eps * largest)

    def _norm(self, ord):
        if ord == "fro":
            return _shared.norm_of(self.data)
        if ord in (1, -1, math.inf, -math.inf):
            by_column = ord in (1, -1)
            index = self.indices if by_column else self._row_indices()
            size = self.shape[1] if by_column else self.shape[0]
            sums = self._namespace.bincount(
                index, weights=abs(self.data).astype(np.float64), minlength=size
            )
            return _shared.sum_norm(sums, ord)
        return NotImplemented

    def _scale(self, c):
        return self._with(self.data * c)

    def _with(self, data):
        """The same pattern with other entries."""
        return Sparse((data, self.indices, self.indptr, self.shape))

    def _cost(self, verb, ncols):
        each = 8.0 if self.dtype.kind == "c" else 2.0
        if verb == "matmul":
            return Cost("compressed rows", each * self.nnz * ncols, 1.0 * self.nbytes)
        if verb in ("solve", "slogdet"):
            # The fill is not known before the ordering: nested dissection of a plane mesh, n^1.5.
            n = float(self.shape[0])
            return Cost("sparse LU (fill of a plane mesh assumed)", each * 5 * n**1.5,
                        self.dtype.itemsize * 16 * n * math.log2(n + 2))  # fmt: skip
        return NotImplemented

    @classmethod
    def _random(cls, shape, rng, dtype, density=None):
        """Five entries a row beside a dominant diagonal (or the given density)."""
        from scipy.sparse import coo_array

        m, n = shape
        count = 5 * max(m, n) if density is None else int(density * m * n)
        count = count if m and n else 0
        i, j = rng.integers(0, max(m, 1), count), rng.integers(0, max(n, 1), count)
        values = rng.uniform(-1, 1, count)
        if dtype.kind == "c":
            values = values * np.exp(2j * np.pi * rng.uniform(size=count))
        off = coo_array((values, (i, j)), shape).tocsr()
        k = np.arange(min(m, n))
        row_sums = np.asarray(abs(off).sum(axis=1)).reshape(-1)[: len(k)]
        column_sums = np.asarray(abs(off).sum(axis=0)).reshape(-1)[: len(k)]
        heavy = 2 * (1 + np.maximum(row_sums, column_sums))
        return cls((off + coo_array((heavy, (k, k)), shape)).tocsr().astype(dtype))

    @classmethod
    def _project(cls, M, rtol, budget):
        """The entries of largest modulus: as many as `rtol` needs or `budget` allows."""
        from scipy.sparse import csr_array

        M = _shared.lifted(M)
        array = M.array if isinstance(M, Dense) else _checks.densify(M, "project")
        array = array if isinstance(array, np.ndarray) else array.get()
        modulus = abs(array).reshape(-1)
        order = np.argsort(-modulus, kind="stable")
        keep = int(np.count_nonzero(modulus))
        if rtol is not None and keep:
            scaled = (modulus[order].astype(np.float64) / float(modulus.max())) ** 2
            rest = np.append(np.cumsum(scaled[::-1])[::-1], 0.0)  # what is lost by keeping k
            keep = min(keep, int(np.argmax(rest <= rtol**2 * rest[0])))
        if budget is not None:
            keep = min(keep, budget)
        kept = np.zeros(modulus.shape, bool)
        kept[order[:keep]] = True
        nearest = cls(csr_array(np.where(kept.reshape(array.shape), array, 0)))
        return _shared.projection(Dense(array), nearest)

    def _rows(self, op, s):
        return self._with(op(self.data, s[self._row_indices()]))

    def _columns(self, op, s):
        return self._with(op(self.data, s[self.indices]))


def _canonical(matrix):
    """CSR of a supported dtype with sorted indices and no duplicates."""
    if isinstance(matrix, tuple) and len(matrix) == 4:
        data, indices, indptr, shape = matrix
        data = _checks.as_parameter(data, "data", ndim=1)
        if namespace_of(data) is np:
            indices, indptr = np.asarray(indices), np.asarray(indptr)
            for x, name in ((indices, "indices"), (indptr, "indptr")):
                if x.size and x.dtype.kind not in "iu":  # SciPy would cut off the fractions
                    raise TypeError(f"`{name}` must hold integers; got dtype {x.dtype}")
        A = csr(data, indices, indptr, tuple(_checks.size(s, "shape") for s in shape))
        if namespace_of(data) is np:
            A.check_format(full_check=True)
    elif _checks.is_sparse(matrix):
        if len(matrix.shape) != 2:
            raise ValueError(f"a matrix is needed; got a sparse array of shape {matrix.shape}")
        A = matrix.tocsr()
        A = csr(_checks.as_parameter(A.data, "data"), A.indices, A.indptr, A.shape)
    else:
        raise TypeError(
            "Sparse needs a sparse array or a tuple (data, indices, indptr, shape); got "
            f"{type(matrix).__name__}. For an array use structmat.Dense, or scipy.sparse.csr_array"
        )
    if not A.has_canonical_format:
        A = A.copy()
        A.sum_duplicates()
    return A


class _SuperLU(Factorization):
    """P_r A P_c = L U by SuperLU, with a fill-reducing column order."""

    method = "sparse LU (SuperLU)"
    structure = "Sparse"

    def __init__(self, A):
        from scipy.sparse.linalg import splu

        self.shape, self.dtype = A.shape, A.dtype
        self._rcond, self._lu, self._norm1 = None, None, A._norm(1)
        _checks.finite(A.data)
        if not self.shape[0]:
            self._rcond = 1.0
            return
        try:
            self._lu = splu(A._csr.tocsc())
        except RuntimeError as error:
            # Exactly singular, or a block without any pivot, which SuperLU fails to factorize.
            if not any(word in str(error) for word in ("singular", "failed to factorize")):
                raise
            raise _checks.singular("Sparse", _where_singular(A)) from None

    @property
    def rcond(self):
        """Estimated by Higham and Tisseur's method: a few solves, made when first asked for."""
        if self._rcond is None:
            self._rcond = _shared.reciprocal_condition(
                self._solve, self._solve_adjoint, self._norm1, self.shape, self.dtype
            )
        return self._rcond

    def _solve(self, B):
        return self._lu.solve(np.ascontiguousarray(B)) if B.size else B.copy()

    def _solve_adjoint(self, B):
        return self._lu.solve(np.ascontiguousarray(B), "H")

    def _slogdet(self):
        if self._lu is None:
            return 1.0, 0.0
        sign, value = _shared.slogdet(self._lu.U.diagonal())
        for p in (self._lu.perm_r, self._lu.perm_c):
            sign = sign * Permutation(p)._slogdet()[0]
        return sign, value


def _where_singular(A):
    """The place, if the pattern alone makes A singular: an unmatched column."""
    from scipy.sparse.csgraph import maximum_bipartite_matching

    pattern = A._csr.copy()
    pattern.eliminate_zeros()
    matched = maximum_bipartite_matching(pattern, perm_type="row")
    if (matched < 0).any():
        rank = int((matched >= 0).sum())
        column = int((matched < 0).argmax())
        return f"structural rank {rank} of {A.shape[0]}, no pivot for column {column}"
    return "a pivot is exactly zero"


# ---------------------------------------------------------------- closure

closed_with_dense(Sparse)
closed_with_diagonal(Sparse)
_rules.maker("sparse")(Sparse)


@_rules.register("matmul", Sparse, Sparse)
def _(A, B):
    return Sparse(A._csr @ B._csr)


@_rules.register("add", Sparse, Sparse)
def _(A, B):
    return Sparse(A._csr + B._csr)


@_rules.register("kron", Sparse, Sparse)
def _(A, B):
    if not (A._host and B._host):
        return NotImplemented
    from scipy.sparse import kron

    return Sparse(kron(A._csr, B._csr, format="csr"))


@_rules.register("hadamard", Sparse, StructuredMatrix)
def _(A, B):
    if isinstance(B, Diagonal | Identity | Banded | Tridiagonal):
        return NotImplemented
    values = B._entries(A._row_indices(), A.indices)
    return values if values is NotImplemented else A._with(A.data * values)


@_rules.register("hadamard", StructuredMatrix, Sparse)
def _(A, B):
    return NotImplemented if isinstance(A, Sparse) else _rules.combine("hadamard", B, A)


def _as_sparse(A):
    return A if isinstance(A, Sparse) else Sparse(A.tosparse())


def _mixed(op):
    """Rule for Sparse with a family whose entries are few as well."""

    def rule(A, B):
        if not (A._host and B._host):
            return NotImplemented
        return _rules.combine(op, _as_sparse(A), _as_sparse(B))

    return rule


for _family in (Diagonal, Identity, Permutation, Banded, Tridiagonal):
    _rules.register("add", Sparse, _family)(_mixed("add"))
    _rules.register("add", _family, Sparse)(_mixed("add"))
for _family in (Permutation, Banded, Tridiagonal):
    _rules.register("matmul", Sparse, _family)(_mixed("matmul"))
    _rules.register("matmul", _family, Sparse)(_mixed("matmul"))
