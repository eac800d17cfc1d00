"""StructuredMatrix: the doors, the hooks, and closure. Never a numerical method.

A door (`@`, `matvec`, `toarray`, `A[i, j]` ...) checks its arguments once and hands a 2-D,
C-contiguous block of the matrix's own dtype to a hook (`_apply` ...), which trusts it. A hook that
a family does not write answers `NotImplemented`, and the verbs in `structmat.linalg` then take
another way.
"""

import numbers

import numpy as np
from scipy.sparse.linalg import LinearOperator

from structmat import _checks, _rules, linalg
from structmat._backend import blocks, interop
from structmat._backend.arrays import move, namespace_of
from structmat.matrices import indexing, parameters, protocols

__all__ = ["StructuredMatrix"]


class StructuredMatrix(LinearOperator):
    """A matrix that is held by few parameters; base class of every family.

    It is a :class:`scipy.sparse.linalg.LinearOperator`, so every SciPy solver that takes an
    operator takes it, and it answers NumPy's functions (``np.linalg.solve(A, b)``,
    ``np.trace(A)``) by the algorithm its structure allows. It is never converted to a dense array
    implicitly: :meth:`toarray` is the only door.

    Subclasses set their parameters as attributes, name them in ``_parameters``, call
    ``super().__init__(dtype, shape)`` and define ``_apply``, ``_adjoint`` and ``_toarray``.
    See "Add a family" in the documentation. Parameters are stored as given, not copied, and
    checked once; changing them later is undefined.

    Attributes
    ----------
    shape : tuple of int
        Rows and columns, as Python integers of any size.
    dtype : numpy.dtype
        float32, float64, complex64 or complex128.
    """

    _parameters: tuple = ()
    __hash__ = None  # type: ignore[assignment]
    __iter__ = None
    ndim = 2

    def __init__(self, dtype, shape):
        if _checks.result_dtype(dtype, "a matrix") != dtype:
            raise TypeError(
                f"a matrix holds float32, float64, complex64 or complex128; {type(self).__name__} "
                f"gave {np.dtype(dtype)}. Take parameters through np.asarray(x, dtype=float)"
            )
        dtype = np.dtype(dtype)
        m, n = (int(s) for s in shape)
        super().__init__(dtype, (m, n))
        self._namespace = namespace_of(*parameters.leaves(self))
        self._host = self._namespace in (np, None)

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        parameters.remember(cls)

    @classmethod
    def _from_parameters(cls, **values):
        return cls(**values)

    # ------------------------------------------------------------ hooks of a family

    def _apply(self, X):
        """A @ X for a 2-D, C-contiguous X of A's dtype."""
        raise NotImplementedError(f"{type(self).__name__} does not define _apply")

    def _adjoint(self):
        """The conjugate transpose, a matrix."""
        return _rules.make("adjoint", self)

    def _transpose(self):
        return self._adjoint() if self.dtype.kind != "c" else self._adjoint()._conj()

    def _conj(self):
        """conj(A(p)) = A(conj(p)) for every family that is built by algebra from its parameters."""
        if self.dtype.kind != "c":
            return self
        return parameters.rebuild(self, parameters.conjugate)

    def _toarray(self):
        """Dense, from the definition; here, for matrices known by their action only, A @ I."""
        return self @ namespace_of(*parameters.leaves(self), default=np).eye(
            self.shape[1], dtype=self.dtype
        )

    def _declines(self, *args):
        return NotImplemented

    _factorize = _inv = _slogdet = _diagonal = _trace = _entries = _declines
    _svd = _svdvals = _svds = _eigh = _eigvalsh = _eig = _eigvals = _eigsh = _declines
    _qr = _cholesky = _norm = _pinv = _lstsq = _rank = _cond = _declines
    _power = _expm = _sqrtm = _logm = _funm = _scale = _real = _declines
    _cost = _is_hermitian = _preconditioner = _declines

    # ------------------------------------------------------------ products

    def __matmul__(self, x):
        # The common case costs under a microsecond; SciPy's own operator costs two to four.
        if type(x) is np.ndarray and x.dtype is self.dtype and self._host:
            shape = x.shape
            if shape[0:1] == self.shape[1:]:
                flags = x.flags
                if flags.c_contiguous and flags.aligned:
                    if len(shape) == 1:
                        return self._apply(x.reshape(-1, 1) if shape[0] else x[:, None]).reshape(-1)
                    if len(shape) == 2:
                        return self._apply(x)
        if isinstance(x, LinearOperator):
            return self._combine("matmul", x)
        if np.ndim(x) == 0 and not _checks.is_sparse(x):
            raise ValueError("Scalar operands are not allowed, use '*' instead")
        return self._product(x)

    def _product(self, x):
        """A @ x for anything that is an array, in any layout and dtype."""
        if _checks.is_sparse(x):
            _checks.guard_dense(x.shape, x.dtype, "A @ sparse")
            x = x.toarray()
        x = _checks.as_array(x, "x")
        if x.ndim == 0:
            raise ValueError("Scalar operands are not allowed, use '*' instead")
        axis = 0 if x.ndim == 1 else -2
        if x.shape[axis] != self.shape[1]:
            raise _checks.operand_mismatch(self, x)
        self._same_device(x)
        if x.ndim > 2:  # np.matmul's stacks: the stack becomes more columns of one block
            xp = namespace_of(x)
            k = x.shape[-1]
            stacked = xp.moveaxis(x, -2, 0)
            wide = self._product(stacked.reshape(x.shape[-2], _prod(x.shape[:-2]) * k))
            wide = wide.reshape(self.shape[0], *x.shape[:-2], k)
            return xp.ascontiguousarray(xp.moveaxis(wide, 0, -2))
        block = x if x.ndim == 2 else x[:, None]
        common = blocks.common_dtype(self.dtype, x)
        dtype = blocks.matrix_dtype(self.dtype, common)
        A = self if dtype == self.dtype else self.astype(dtype)
        X, undo = blocks.prepare(block, dtype, common)
        Y = undo(A._apply(X))
        return Y if x.ndim == 2 else Y.reshape(self.shape[0])

    def __rmatmul__(self, x):
        if isinstance(x, LinearOperator):
            return _rules.lift(x)._combine("matmul", self)
        if _checks.is_sparse(x):
            _checks.guard_dense((x.shape[0], self.shape[1]), self.dtype, "sparse @ A")
            x = x.toarray()
        if np.ndim(x) == 0:
            raise ValueError("Scalar operands are not allowed, use '*' instead")
        x = _checks.as_array(x, "x")
        if x.shape[-1] != self.shape[0]:
            raise _checks.operand_mismatch(self, x, side="left")
        if x.ndim == 1:
            return self._transpose() @ x
        xp = namespace_of(x)
        Y = self._transpose()._product(xp.swapaxes(x, -1, -2))
        return xp.swapaxes(Y, -1, -2)

    def dot(self, x):
        """A @ x for an array or matrix, A * x for a scalar (as SciPy's LinearOperator.dot)."""
        return self * x if isinstance(x, numbers.Number) else self @ x

    __call__ = dot

    def matvec(self, x):
        """A @ x for one vector, shape (n,) or (n, 1); the result has the same form."""
        return self._vector(self, x)

    def rmatvec(self, x):
        """A.H @ x for one vector, shape (m,) or (m, 1)."""
        return self._vector(self._adjoint(), x)

    def matmat(self, X):
        """A @ X for a block of columns, shape (n, k)."""
        return self._block(self, X)

    def rmatmat(self, X):
        """A.H @ X for a block of columns, shape (m, k)."""
        return self._block(self._adjoint(), X)

    @staticmethod
    def _vector(A, x):
        x = x if hasattr(x, "ndim") and hasattr(x, "dtype") else np.asarray(x)
        if x.shape not in ((A.shape[1],), (A.shape[1], 1)):
            raise _checks.operand_mismatch(A, x)
        return A @ x

    @staticmethod
    def _block(A, X):
        X = X if hasattr(X, "ndim") and hasattr(X, "dtype") else np.asarray(X)
        if X.ndim != 2 or X.shape[0] != A.shape[1]:
            raise _checks.operand_mismatch(A, X)
        return A @ X

    # What SciPy's own wrappers call; they reach the same kernels.
    def _matvec(self, x):
        return self @ x

    def _matmat(self, X):
        return self @ X

    def _rmatvec(self, x):
        return self._adjoint() @ x

    def _rmatmat(self, X):
        return self._adjoint() @ X

    def _same_device(self, x):
        if self._namespace is not None and namespace_of(x) is not self._namespace:
            raise _checks.MixedDevicesError(
                f"the matrix is a {self._namespace.__name__} one and `x` a {type(x).__module__} "
                "array; move one of them (A.to_device(...))"
            )

    # ------------------------------------------------------------ transposes, conversions

    @property
    def H(self):
        """Conjugate transpose."""
        return self._adjoint()

    @property
    def T(self):
        """Transpose."""
        return self._transpose()

    mT = T

    def adjoint(self):
        """Conjugate transpose, as :attr:`H`."""
        return self._adjoint()

    def transpose(self):
        """Transpose, as :attr:`T`."""
        return self._transpose()

    def conj(self):
        """Elementwise complex conjugate; the matrix itself when it is real."""
        return self._conj()

    conjugate = conj

    @property
    def size(self):
        """Number of entries of the dense matrix (a Python int of any size)."""
        return self.shape[0] * self.shape[1]

    def toarray(self):
        """The dense matrix, shape (m, n).

        Raises MemoryError at once when it would take more than half of the machine's memory.
        """
        _checks.guard_dense(self.shape, self.dtype, "toarray")
        return self._toarray()

    def tosparse(self):
        """The matrix as a :class:`scipy.sparse.csr_array` of its non-zero entries."""
        from scipy.sparse import csr_array

        return csr_array(move(self.toarray(), "cpu"))

    def to(self, cls, **options):
        """Convert to another family, exactly; TypeError if there is no conversion."""
        return _rules.make("convert", self, cls, options)

    def __getitem__(self, key):
        return indexing.take(self, key)

    # ------------------------------------------------------------ the matrix is its parameters

    def astype(self, dtype):
        """The matrix with parameters of another dtype (itself when nothing changes)."""
        dtype = _checks.result_dtype(dtype, "a matrix")
        if dtype == self.dtype:
            return self
        if self.dtype.kind == "c" and dtype.kind != "c":
            raise TypeError(f"cannot convert {self.dtype} to {dtype}: the imaginary part is lost")
        return parameters.rebuild(self, lambda p: parameters.cast(p, dtype))

    def copy(self):
        """A matrix with its own copy of every parameter."""
        return parameters.rebuild(self, parameters.duplicate)

    def __copy__(self):
        return self.copy()

    def to_device(self, device):
        """The matrix with its arrays on "cpu" or "cuda"."""
        return parameters.rebuild(self, lambda p: parameters.on_device(p, device))

    def to_cupyx(self):
        """A `cupyx.scipy.sparse.linalg.LinearOperator` that acts as this matrix of CuPy arrays.

        For CuPy's own solvers (``cg``, ``eigsh``, ``svds`` ...), which do not know SciPy's
        operators. A block of vectors is one product, and so is one with the adjoint.
        """
        return interop.to_cupyx(self)

    @property
    def nbytes(self):
        """Bytes held by the parameters."""
        return parameters.nbytes(self)

    def save(self, path):
        """Write to an ``.npz`` file; :func:`structmat.load` reads it. Never pickle."""
        _rules.make("save", path, self)

    def __reduce__(self):
        return parameters.restore, (type(self), parameters.values(self))

    def __eq__(self, other):
        """Structural equality: same family, same parameters. Not an elementwise comparison."""
        if not isinstance(other, StructuredMatrix):
            return NotImplemented
        return parameters.equal(self, other)

    def __repr__(self):
        dense = _checks.dense_bytes(self.shape, self.dtype)
        ratio = f", {self.nbytes / dense:.2g} of dense" if dense else ""
        return (
            f"<{self.shape[0]}x{self.shape[1]} {type(self).__name__} of dtype {self.dtype}, "
            f"{_checks.human_bytes(self.nbytes)}{ratio}>"
        )

    # ------------------------------------------------------------ closure

    def _combine(self, op, other):
        """Apply the two-type rules of `op`; sizes are checked here, once."""
        other = _rules.lift(other)
        fits = self.shape[1] == other.shape[0] if op == "matmul" else self.shape == other.shape
        if not fits and op != "kron":
            raise _checks.pair_mismatch(
                {"matmul": "A @ B", "add": "A + B"}.get(op, op), self, other
            )
        return _rules.combine(op, self, other)

    def __add__(self, other):
        return self._plus(other, 1)

    __radd__ = __add__

    def __sub__(self, other):
        return self._plus(other, -1)

    def __rsub__(self, other):
        return (-self)._plus(other, 1)

    def _plus(self, other, sign):
        if isinstance(other, LinearOperator) or _checks.is_sparse(other):
            other = _rules.lift(other)
            return self._combine("add", other if sign == 1 else -other)
        if np.ndim(other) == 0:
            if isinstance(other, numbers.Number) and other == 0:
                return self  # so that sum([A, B]) works
            return NotImplemented
        other = _checks.as_array(other, "other")
        if other.shape != self.shape:
            raise _checks.pair_mismatch("A + B", self, other)
        return self.toarray() + other if sign == 1 else self.toarray() - other

    def __mul__(self, c):
        return self._scaled(c, left=False)

    def __rmul__(self, c):
        return self._scaled(c, left=True)

    def _scaled(self, c, *, left):
        if np.ndim(c) != 0 or isinstance(c, LinearOperator):
            raise _checks.elementwise_product(left)
        c = protocols.scalar(c)
        result = self._scale(c)
        return _rules.make("scaled", c, self) if result is NotImplemented else result

    def __truediv__(self, c):
        if np.ndim(c) != 0 or isinstance(c, LinearOperator):
            raise TypeError("a matrix can be divided by a scalar only; to solve use A.solve(b)")
        c = protocols.scalar(c)
        if c == 0:
            raise ZeroDivisionError("division of a matrix by zero")
        A = self
        if isinstance(c, np.generic):  # the reciprocal must not be rounded to a narrow c's dtype
            A, c = self.astype(np.result_type(self.dtype, c)), c.item()
        first, second = protocols.reciprocal(c, A.dtype)
        return A * first if second == 1 else A * first * second

    def __neg__(self):
        return self * -1

    def __pos__(self):
        return self

    def __pow__(self, n):
        return linalg.matrix_power(self, n)

    __array_ufunc__ = protocols.array_ufunc
    __array_function__ = protocols.array_function

    # ------------------------------------------------------------ verbs: one function, two names

    solve = linalg.solve
    factorize = linalg.factorize
    lstsq = linalg.lstsq
    inv = linalg.inv
    pinv = linalg.pinv
    det = linalg.det
    slogdet = linalg.slogdet
    logdet = linalg.logdet
    trace = linalg.trace
    diagonal = linalg.diagonal
    svd = linalg.svd
    svdvals = linalg.svdvals
    eig = linalg.eig
    eigvals = linalg.eigvals
    eigh = linalg.eigh
    eigvalsh = linalg.eigvalsh
    qr = linalg.qr
    cholesky = linalg.cholesky
    norm = linalg.norm
    cond = linalg.cond
    matrix_rank = linalg.matrix_rank
    explain = linalg.explain


def _prod(shape):
    total = 1
    for s in shape:
        total *= int(s)
    return total
