"""Kronecker: A1 (x) A2 (x) ... (x) Ad, in the order of numpy.kron."""

import math

import numpy as np

from structmat import _checks, _rules, linalg
from structmat._backend.arrays import is_array
from structmat._results import EighResult, EigResult, QRResult, SVDResult
from structmat.matrices import parameters
from structmat.matrices.base import StructuredMatrix
from structmat.matrices.elementary import Dense
from structmat.matrices.kronecker import cpu, direct, hermitian, least_squares, spectral
from structmat.matrices.kronecker import products as _products
from structmat.matrices.kronecker.modes import adjoint, size_of

__all__ = ["Kronecker"]


class Kronecker(StructuredMatrix):
    """The Kronecker product A1 (x) A2 (x) ... (x) Ad, the first factor slowest (numpy.kron).

    With N = n1 ... nd for square factors, s = n1 + ... + nd, and i = (i1, ..., id) in mixed radix,
    ``A[i, j] = A1[i1, j1] ... Ad[id, jd]``:

    =====================  ==================================================================
    product                2 N s a column, in the cheapest order of the factors
    solve                  LU of every factor, then 2 N s a column
    slogdet, inv, qr,      those of the factors, ``O(n1^3 + ... + nd^3)``
    cholesky, norms, rank
    svd, eigh, eig         of the factors; vectors stay a Kronecker product (times a permutation
                           where values are sorted)
    svds, eigsh            k log k candidates; no list of N values
    lstsq, pinv            SVD of the factors, the cut-off on products of singular values
    entries                d multiplications each
    =====================  ==================================================================

    Parameters
    ----------
    *factors : array, sparse array, LinearOperator or StructuredMatrix, shape (m_i, n_i)
        At least one, any shapes; Kronecker products among them are flattened, the dtype is the
        common one. Arrays are stored as given.

    Raises
    ------
    ValueError
        No factor, or one that is not a matrix.

    Notes
    -----
    Shapes are Python integers and may pass 2**63: nothing of that size is formed unless asked for.
    Solving factor by factor is normwise backward stable with respect to ``|A1| ... |Ad|``; a square
    product with a rectangular factor is singular by its shape. Factors of very different magnitude
    (1e200 and 1e-200) are rebalanced by powers of two for computing, which is exact.

    References
    ----------
    .. [1] C. F. Van Loan, The ubiquitous Kronecker product, J. Comput. Appl. Math. 123 (2000)
       85-100.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> A = sm.Kronecker([[1.0, 2.0], [3.0, 4.0]], np.eye(2))
    >>> A.toarray()
    array([[1., 0., 2., 0.],
           [0., 1., 0., 2.],
           [3., 0., 4., 0.],
           [0., 3., 0., 4.]])
    >>> float(sm.Kronecker(*[1e-3 * np.eye(4)] * 3).slogdet().logabsdet)  # doctest: +ELLIPSIS
    -1326.289...
    >>> sm.Kronecker(*[np.eye(1000)] * 10).shape[0] == 10**30
    True
    """

    _parameters = ("factors",)

    def __init__(self, *factors):
        if not factors:
            raise ValueError("Kronecker needs at least one factor; got none")
        flat = [F for i, factor in enumerate(factors) for F in _flattened(factor, i)]
        dtype = np.result_type(*(F.dtype for F in flat))
        self.factors = tuple(parameters.cast(F, dtype) for F in flat)
        shape = size_of(F.shape[0] for F in flat), size_of(F.shape[1] for F in flat)
        super().__init__(dtype, shape)
        self._all_arrays = all(is_array(F) for F in self.factors)
        self._on_cpu = self._all_arrays and self._host
        # What is computed with: the factors, or exact multiples of them of like magnitude.
        self._parts = _products.balanced(self.factors) if self._on_cpu else self.factors

    @classmethod
    def _from_parameters(cls, factors):
        return cls(*factors)

    def _apply(self, X):
        return cpu.apply(self._parts, X) if self._on_cpu else _products.apply(self._parts, X)

    def _adjoint(self):
        return Kronecker(*(adjoint(F) for F in self.factors))

    def _transpose(self):
        return Kronecker(*(F.T for F in self.factors))

    def _toarray(self):
        parts = _products.together([F if is_array(F) else F.toarray() for F in self._parts])
        total = parts[0].copy()
        for F in parts[1:]:
            (m, n), (p, q) = total.shape, F.shape
            total = (total[:, None, :, None] * F[None, :, None, :]).reshape(m * p, n * q)
        return total

    def astype(self, dtype):
        """The matrix with factors of another dtype (itself when nothing changes)."""
        # A factor of 1e150 beside one of 1e-150 goes into single precision rebalanced.
        A = self if self._parts is self.factors else Kronecker(*self._parts)
        return super(Kronecker, A).astype(dtype) if np.dtype(dtype) != self.dtype else self

    # ------------------------------------------------------------ entries

    def _all_square(self):
        return all(F.shape[0] == F.shape[1] for F in self.factors)

    def _entries(self, i, j):
        rows = _products.digits(i, [F.shape[0] for F in self.factors])
        columns = _products.digits(j, [F.shape[1] for F in self.factors])
        entries = [F[r, c] for F, r, c in zip(self._parts, rows, columns)]
        return math.prod(_products.together(entries))

    def _diagonal(self):
        length = min(self.shape)
        _checks.guard_dense((length, 1), self.dtype, "diagonal")
        if not self._all_square():
            index = np.arange(length)
            return self._entries(index, index)
        diagonals = [F.diagonal() if is_array(F) else linalg.diagonal(F) for F in self._parts]
        return spectral.outer(diagonals).copy()

    def _trace(self):
        if not self._all_square():
            return NotImplemented
        return math.prod(F.trace() if is_array(F) else linalg.trace(F) for F in self._parts)

    # ------------------------------------------------------------ systems

    def _factorize(self):
        """(A (x) B)^-1 = A^-1 (x) B^-1, when every factor is square."""
        self._refuse_rectangular_factors()
        return direct.factorize(self)

    def _refuse_rectangular_factors(self):
        if not self._all_square() and 0 not in self.shape:
            rank = size_of(min(F.shape) for F in self.factors)
            shapes = " (x) ".join(f"({F.shape[0]}, {F.shape[1]})" for F in self.factors)
            raise _checks.singular(
                "Kronecker", f"factors of shapes {shapes} have rank at most {rank}"
            )

    def _slogdet(self):
        """Sum of (N / n_i) log|det A_i|."""
        if not self._all_square() and 0 not in self.shape:
            return 0.0, -math.inf
        return direct.slogdet(self)

    def _inv(self):
        self._refuse_rectangular_factors()
        return self if 0 in self.shape else Kronecker(*direct.inverses(self._parts))

    def _pinv(self, rcond):
        return least_squares.pinv(self, rcond, Kronecker)

    def _lstsq(self, B, rcond):
        return least_squares.lstsq(self, B, rcond, Kronecker)

    def _rank(self, rtol):
        return least_squares.rank(self, rtol)

    # ------------------------------------------------------------ factors

    def _qr(self):
        factors = direct.qr(self._parts)
        if factors is NotImplemented:
            return NotImplemented
        return QRResult(Kronecker(*factors[0]), Kronecker(*factors[1]))

    def _is_hermitian(self):
        return hermitian.is_hermitian(self)

    def _cholesky(self):
        return Kronecker(*hermitian.cholesky(self))

    def _sqrtm(self):
        """Distributes over positive semidefinite factors; over others it does not."""
        roots = hermitian.principal(self, np.sqrt, strict=False)
        return roots if roots is NotImplemented else Kronecker(*roots)

    def _logm(self):
        """log(A (x) B) = log A (+) log B, for positive definite factors."""
        logarithms = hermitian.principal(self, np.log, strict=True)
        if logarithms is NotImplemented:
            return NotImplemented
        return _rules.make("kronecker_sum", *logarithms)

    # ------------------------------------------------------------ spectra

    def _svd(self, full_matrices):
        U, S, Vh = spectral.svd(self, full_matrices, Kronecker)
        return SVDResult(U, S, Vh)

    def _svdvals(self):
        return spectral.svdvals(self)

    def _svds(self, k):
        return spectral.svds(self, k)

    def _eigh(self):
        found = hermitian.eigh(self)
        if found is NotImplemented:
            return NotImplemented
        w, vectors, order = found
        return EighResult(w, spectral.columns(Kronecker(*vectors), order))

    def _eigvalsh(self):
        return hermitian.eigvalsh(self)

    def _eigsh(self, k, which):
        return hermitian.eigsh(self, k, which)

    def _eig(self):
        if not self._all_square():
            return NotImplemented
        w, vectors = spectral.eig(self._parts)
        return EigResult(w, Kronecker(*vectors).astype(np.result_type(w, *vectors)))

    def _eigvals(self):
        return spectral.eigvals(self._parts) if self._all_square() else NotImplemented

    # ------------------------------------------------------------ numbers

    def _norm(self, ord):
        """Every norm that np.linalg.norm knows multiplies."""
        if 0 in self.shape:
            return NotImplemented
        if ord == -2 and size_of(min(F.shape) for F in self.factors) < min(self.shape):
            return 0.0  # tall and wide factors: some singular values are zero by shape
        norms = [_products.norm(F, ord) for F in self._parts]
        return NotImplemented if NotImplemented in norms else _products.real_product(norms)

    def _cond(self, p):
        if 0 in self.shape:
            return NotImplemented
        if not self._all_square():
            if p not in (2, -2):
                return NotImplemented if self.shape[0] != self.shape[1] else math.inf
            if size_of(min(F.shape) for F in self.factors) < min(self.shape):
                return math.inf if p == 2 else 0.0
        conds = [float(linalg.cond(_rules.lift(F), p)) for F in self._parts]
        return math.inf if math.inf in conds else math.prod(conds)

    # ------------------------------------------------------------ algebra

    def _power(self, n):
        """(A (x) B)^n = A^n (x) B^n."""
        if not self._all_square():
            return NotImplemented
        return Kronecker(*(_products.power(F, n) for F in self._parts))

    def _scale(self, c):
        return Kronecker(*_products.scaled(self.factors, c))

    def _cost(self, verb, ncols):
        return _products.cost(self, verb, ncols)

    @classmethod
    def _random(cls, shape, rng, dtype):
        return cls(*(Dense._random(s, rng, dtype).array for s in _products.split(shape)))

    @classmethod
    def _project(cls, M, rtol, budget, shapes=None, terms=None):
        from structmat.matrices.kronecker import fit

        return fit.project(M, rtol, budget, shapes, terms)

    @staticmethod
    def _precondition_sum(terms):
        """Inverse of the nearest single Kronecker product to a sum of them."""
        from structmat.matrices.kronecker import fit

        return fit.preconditioner(terms)


def _flattened(factor, position):
    """The factors of one argument: arrays, or matrices with a structure of their own."""
    if isinstance(factor, Kronecker):
        return factor.factors
    if isinstance(factor, Dense):
        return (factor.array,)
    if parameters.is_matrix(factor):
        return (factor,)
    if _checks.is_sparse(factor) or hasattr(factor, "matvec"):
        return (_rules.lift(factor),)
    array = _checks.as_array(factor, f"factors[{position}]")
    if array.ndim > 2:
        raise _checks.stack_refused(f"factors[{position}] of shape {array.shape}")
    if array.ndim < 2:
        raise ValueError(
            f"`factors[{position}]` must be a matrix; got shape {array.shape}. "
            "A vector is one as a column, x[:, None], or as a row, x[None, :]"
        )
    return (array,)
