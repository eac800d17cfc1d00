"""KroneckerPlusDiagonal: K + s I and K + D, the covariance of a Gaussian process on a grid."""

import math

import numpy as np

from structmat._backend.arrays import is_array, namespace_of
from structmat._results import Cost, EighResult, EigResult
from structmat.matrices.base import StructuredMatrix
from structmat.matrices.kronecker import modes as _modes
from structmat.matrices.kronecker.eigenbasis import (
    EigenbasisFactorization,
    KroneckerEigenbasis,
    log_of_chunks,
    vectors_of,
)
from structmat.matrices.kronecker.matrix import Kronecker
from structmat.matrices.kronecker.modes import (
    describe_shift,
    outer_product,
    partial_products,
)
from structmat.matrices.kronecker.schur import ShiftedSchur
from structmat.matrices.kronecker.shift import extreme_products, has_imaginary, shift_parameter
from structmat.matrices.kronecker.two_term import factorize_pencils

__all__ = ["KroneckerPlusDiagonal"]


class KroneckerPlusDiagonal(StructuredMatrix):
    """K + D with K = A_1 (x) ... (x) A_d and D diagonal: what ``K + s * I`` returns.

    With N = n_1 ... n_d, s = n_1 + ... + n_d, and ``A_i = Q_i diag(w_i) Q_i^H``:

    =====================================  =======================================================
    K Hermitian, D = s I                   Q (w + s) Q^H: 9 sum n_i^3, then 4 N s for a solve and N
                                           for slogdet, eigenvalues, inverse, square root
    K Hermitian, D = D_1 (x) ... (x) D_d   one congruence a mode; as :class:`KroneckerTwoTerm`
    any K, D = s I                         Schur forms of the factors, and substitution
    any K and D = D_1 (x) ... (x) D_d      QZ, as :class:`KroneckerTwoTerm`
    K Hermitian, D any                     conjugate gradients preconditioned by K + the nearest
                                           of the above; slogdet has no structure
    =====================================  =======================================================

    Parameters
    ----------
    kronecker : Kronecker, shape (N, N)
        K, with square factors.
    shift : number, array of shape (N,), or tuple of d arrays of shape (n_i,)
        D as s I, as any diagonal, or as a Kronecker product of diagonals. An array that is such a
        product to rounding is kept as one.

    Raises
    ------
    ValueError
        A factor is not square, or the diagonal does not fit.

    Notes
    -----
    Eigenvalues are never clipped: a covariance matrix that rounding made indefinite answers with
    the sign of its determinant. The product of eigenvalues of K may underflow; beside s nothing is
    lost then, and with s = 0 the determinant is that of K, in logarithms.

    References
    ----------
    .. [1] Y. Saatci, Scalable inference for structured Gaussian process models, PhD thesis,
       Cambridge, 2011, chapter 5.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> K = sm.Kronecker([[2.0, 1.0], [1.0, 2.0]], [[1.0, 0.5], [0.5, 1.0]])
    >>> A = K + 0.1 * sm.eye(4)
    >>> A
    <4x4 KroneckerPlusDiagonal of dtype float64, 64 B, 0.5 of dense>
    >>> bool(np.allclose(A @ A.solve(np.ones(4)), 1))
    True
    >>> bool(np.isclose(A.logdet(), np.log(np.linalg.det(A.toarray()))))
    True
    """

    _parameters = ("kronecker", "shift")

    def __init__(self, kronecker, shift):
        if not isinstance(kronecker, Kronecker):
            raise TypeError(
                f"`kronecker` must be a structmat.Kronecker; got {type(kronecker).__name__}"
            )
        sizes = [int(A.shape[0]) for A in kronecker.factors]
        for i, A in enumerate(kronecker.factors):
            if A.shape[0] != A.shape[1]:
                raise ValueError(
                    "KroneckerPlusDiagonal needs square factors; factor "
                    f"{i} has shape {tuple(A.shape)}. For other products use "
                    "structmat.Sum(K, structmat.Diagonal(d))"
                )
        D = shift_parameter(shift, sizes)
        parts = D if isinstance(D, tuple) else (D,)
        dtype = np.result_type(kronecker.dtype, *parts)
        self.kronecker = kronecker.astype(dtype)
        if is_array(D):
            D = D.astype(dtype, copy=False)
        elif isinstance(D, tuple):
            D = tuple(d.astype(dtype, copy=False) for d in D)
        self.shift = D
        super().__init__(dtype, kronecker.shape)

    def _sizes(self):
        return [int(A.shape[0]) for A in self.kronecker.factors]

    def _is_scalar(self):
        return isinstance(self.shift, float | complex)

    def _d(self):
        """The diagonal of D: a scalar, or an array of shape (N,)."""
        if self._is_scalar():
            return self.dtype.type(self.shift)
        if isinstance(self.shift, tuple):
            return outer_product(self.shift)
        return self.shift

    def _apply(self, X):
        Y = self.kronecker._apply(X)
        d = self._d()
        return Y + (d * X if np.ndim(d) == 0 else d[:, None] * X)

    def _adjoint(self):
        return self._with(self.kronecker._adjoint(), lambda d: d.conjugate())

    def _transpose(self):
        return self._with(self.kronecker._transpose(), lambda d: d)

    def _with(self, kronecker, change):
        D = self.shift
        D = tuple(change(d) for d in D) if isinstance(D, tuple) else change(D)
        return KroneckerPlusDiagonal(kronecker, D)

    def _toarray(self):
        xp = self._namespace or np
        return self.kronecker._toarray() + xp.diag(self._d() * xp.ones(self.shape[0], self.dtype))

    # ------------------------------------------------------------ solving

    def _of_factors(self, reduce):
        xp = self._namespace or np
        return _modes.each(self.kronecker.factors, lambda A: reduce(A, xp))

    def _hermitian_factors(self):
        return all(_modes.is_hermitian(A) for A in self.kronecker.factors)

    def _factorize(self):
        D = self.shift
        if is_array(D):
            return NotImplemented
        if isinstance(D, tuple):
            diagonals = [namespace_of(d).diag(d) for d in D]
            return factorize_pencils(self, self.kronecker.factors, diagonals)
        if D == 0:
            return self.kronecker._factorize()
        parts = self._of_factors(_modes.schur_mode)
        if all(m.T.ndim == 1 for m in parts):
            values = outer_product([m.T for m in parts])
            # A Python number takes the precision of the array beside it.
            return EigenbasisFactorization(
                self, vectors_of(parts), values + D, "eigenvectors of the factors",
                describe_shift(self._sizes(), D),
            )  # fmt: skip
        return ShiftedSchur(self, parts)

    def _eigenbasis(self):
        """The matrix in its eigenbasis where K and s allow it, else None."""
        s = self.shift
        if not self._is_scalar() or complex(s).imag or not self._hermitian_factors():
            return None
        parts = self._of_factors(_modes.hermitian_mode)
        values = outer_product([m.T for m in parts])
        matrix = KroneckerEigenbasis(vectors_of(parts), values + values.dtype.type(s.real))
        matrix._place = describe_shift(self._sizes(), s)
        return matrix

    def _in_eigenbasis(self, hook, *args):
        matrix = self._eigenbasis()
        return NotImplemented if matrix is None else getattr(matrix, hook)(*args)

    def _inv(self):
        if self._is_scalar() and self.shift == 0:
            return self.kronecker._inv()
        return self._in_eigenbasis("_inv")

    def _pinv(self, rcond):
        return self._in_eigenbasis("_pinv", rcond)

    def _slogdet(self):
        if not self._is_scalar():
            return NotImplemented
        s = self.shift
        if s == 0:
            return self.kronecker._slogdet()
        chunks = (p + s for p in partial_products(self._factor_eigenvalues()))
        return log_of_chunks(chunks, real=self.dtype.kind != "c") if self.shape[0] else (1.0, 0.0)

    def _preconditioner(self):
        """Inverse of K + (x) d_i, or K + mean(D) I, for conjugate gradients."""
        D = self.shift
        if not is_array(D) or D.dtype.kind == "c" or not bool((D > 0).all()):
            return NotImplemented
        logs = namespace_of(D).log(D.astype(np.float64)).reshape(self._sizes())
        mean = float(logs.mean())
        d = len(self._sizes())
        # The product of diagonals nearest to D in its logarithm: row means of each mode.
        marginal = (logs.mean(tuple(j for j in range(d) if j != i)) for i in range(d))
        near = tuple(np.exp(m - mean * (d - 1) / d).astype(self.dtype) for m in marginal)
        return KroneckerPlusDiagonal(self.kronecker, near).inv()

    # ------------------------------------------------------------ entries and numbers

    def _diagonal(self):
        return self.kronecker.diagonal() + self._d()

    def _trace(self):
        if self._is_scalar():
            return self.kronecker.trace() + self.shape[0] * self.shift
        if isinstance(self.shift, tuple):
            return self.kronecker.trace() + math.prod(d.sum() for d in self.shift)
        return self.kronecker.trace() + self.shift.sum()

    def _entries(self, i, j):
        values = self.kronecker._entries(i, j)
        if values is NotImplemented:
            return values
        xp = namespace_of(values, default=np)
        if self._is_scalar():
            d = self._d()
        elif isinstance(self.shift, tuple):
            at = _modes.digits(np.asarray(i), self._sizes())
            d = math.prod(part[a] for part, a in zip(self.shift, at))
        else:
            d = self.shift[i]
        return values + xp.where(xp.asarray(i == j), d, self.dtype.type(0))

    def _is_hermitian(self):
        D = self.shift
        real = not any(has_imaginary(d) for d in (D if isinstance(D, tuple) else (D,)))
        known = self.kronecker._is_hermitian()
        if known is True and real:
            return True
        # For real matrices D does not matter; imaginary parts of K and D may cancel.
        return False if known is False and self.dtype.kind != "c" else NotImplemented

    def _norm(self, ord):
        if not self.shape[0]:
            return 0.0
        if ord not in (2, -2, "nuc") or not self._is_scalar() or not self._hermitian_factors():
            return NotImplemented
        values, s = self._factor_eigenvalues(), self.shift
        if ord == 2:
            low, high = extreme_products(values)
            return max(abs(low + s), abs(high + s))
        parts = (abs(p + s) for p in partial_products(values))
        return float(sum(p.sum() for p in parts) if ord == "nuc" else min(p.min() for p in parts))

    def _rank(self, rtol):
        return self._in_eigenbasis("_rank", rtol)

    # ------------------------------------------------------------ spectrum and functions

    def _factor_eigenvalues(self):
        hermitian = self._hermitian_factors()
        return self._of_factors(lambda A, xp: _modes.eigenvalues(A, hermitian, xp))

    def _eigh(self):
        return self._in_eigenbasis("_eigh")

    def _eigvalsh(self):
        return self._in_eigenbasis("_eigvalsh")

    def _svd(self, full_matrices):
        return self._in_eigenbasis("_svd", full_matrices)

    def _svdvals(self):
        return self._in_eigenbasis("_svdvals")

    def _eig(self):
        if not self._is_scalar():
            return NotImplemented
        found = self.kronecker._eig()
        if found is NotImplemented:
            return found
        return EigResult(found[0] + self.shift, found[1])

    def _eigvals(self):
        if not self._is_scalar():
            return NotImplemented
        return outer_product(self._factor_eigenvalues()) + self.shift

    def _eigsh(self, k, which):
        s = self.shift
        if not self._is_scalar() or complex(s).imag or not self._hermitian_factors():
            return NotImplemented
        low, high = (x + s.real for x in extreme_products(self._factor_eigenvalues()))
        if which in ("LM", "SM") and (low >= 0 or high <= 0):
            # All of one sign: the largest in modulus are at one end.
            which = "LA" if (which == "LM") == (low >= 0) else "SA"
        if which not in ("LA", "SA"):
            return NotImplemented
        found = self.kronecker._eigsh(k, which)
        if found is NotImplemented:
            return found
        return EighResult(found[0] + found[0].dtype.type(s.real), found[1])

    def _power(self, n):
        return self._in_eigenbasis("_power", n)

    def _expm(self):
        return self._in_eigenbasis("_expm")

    def _sqrtm(self):
        return self._in_eigenbasis("_sqrtm")

    def _logm(self):
        return self._in_eigenbasis("_logm")

    def _scale(self, c):
        D = self.shift
        if isinstance(D, tuple):  # c (D_1 (x) D_2) = (c D_1) (x) D_2
            return KroneckerPlusDiagonal(c * self.kronecker, (c * D[0], *D[1:]))
        return KroneckerPlusDiagonal(c * self.kronecker, c * D)

    def _cost(self, verb, ncols):
        sizes, N = self._sizes(), float(self.shape[0])
        wide = 4 if self.dtype.kind == "c" else 1
        apply, cubes = wide * 2 * N * sum(sizes) * ncols, wide * sum(float(n) ** 3 for n in sizes)
        moved = self.nbytes + 2.0 * len(sizes) * N * ncols * self.dtype.itemsize
        if verb == "matmul":
            return Cost("Kronecker product and diagonal", apply + N * ncols, moved)
        if is_array(self.shift) or (verb in ("svd", "eigh") and not self._is_scalar()):
            return NotImplemented
        how = {"slogdet": (4 / 3 * cubes + 20 * N), "solve": 9 * cubes + 2 * apply}
        return Cost("eigenvectors of the factors", how.get(verb, 9 * cubes + 10 * N), 2 * moved)

    @classmethod
    def _random(cls, shape, rng, dtype):
        """A covariance: positive definite factors, plus 1."""
        if shape[0] != shape[1]:
            raise ValueError(f"a KroneckerPlusDiagonal is square; got shape {shape}")
        factors = [_modes.random_factor(n, rng, dtype) for n in _modes.sizes_like(shape[0])]
        return cls(Kronecker(*(A @ A.conj().T for A in factors)), 1.0)
