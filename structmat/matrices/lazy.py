"""Sum, Product, Scaled: what closure gives where no rule applies.

They hold their parts and act through them, and still answer the verbs sensibly: a product of
invertible matrices solves by solving in turn, its log-determinant is a sum. Importing this module
registers them as the default of the two-type rules.
"""

import math
from itertools import pairwise

import numpy as np

from structmat import _checks, _rules
from structmat._results import Cost, Factorization
from structmat.matrices import protocols
from structmat.matrices.base import StructuredMatrix

__all__ = ["Product", "Scaled", "Sum"]


def _promoted(A, dtype):
    return A if A.dtype == dtype else A.astype(dtype)


def _common(matrices):
    dtype = np.result_type(*(A.dtype for A in matrices))
    return dtype, tuple(_promoted(A, dtype) for A in matrices)


class Sum(StructuredMatrix):
    """A_1 + A_2 + ... of matrices of one shape, applied term by term.

    Parameters
    ----------
    *terms : StructuredMatrix, shape (m, n)
        At least one; sums among them are flattened.

    Examples
    --------
    >>> import structmat as sm
    >>> (sm.Permutation([1, 0]) + sm.Diagonal([1.0, 2.0])).toarray()
    array([[1., 1.],
           [1., 2.]])
    """

    _parameters = ("terms",)

    def __init__(self, *terms):
        if not terms:
            raise ValueError("Sum needs at least one term")
        terms = [_rules.lift(A) for A in terms]
        flat = [B for A in terms for B in (A.terms if isinstance(A, Sum) else (A,))]
        for A in flat[1:]:
            if A.shape != flat[0].shape:
                raise _checks.pair_mismatch("A + B", flat[0], A)
        dtype, self.terms = _common(flat)
        super().__init__(dtype, flat[0].shape)

    @classmethod
    def _from_parameters(cls, terms):
        return cls(*terms)

    def _apply(self, X):
        Y = self.terms[0]._apply(X)
        if len(self.terms) > 1:
            Y = Y + self.terms[1]._apply(X)
        for A in self.terms[2:]:
            Y += A._apply(X)
        return Y

    def _adjoint(self):
        return Sum(*(A._adjoint() for A in self.terms))

    def _transpose(self):
        return Sum(*(A._transpose() for A in self.terms))

    def _toarray(self):
        return sum(A._toarray() for A in self.terms[1:]) + self.terms[0]._toarray()

    def _diagonal(self):
        return sum(A.diagonal() for A in self.terms)

    def _trace(self):
        return sum(A.trace() for A in self.terms)

    def _entries(self, i, j):
        parts = [A._entries(i, j) for A in self.terms]
        return NotImplemented if any(p is NotImplemented for p in parts) else sum(parts)

    def _scale(self, c):
        return Sum(*(c * A for A in self.terms))

    def _is_hermitian(self):
        # All Hermitian is enough; otherwise the parts may still cancel, and the probe decides.
        known = [A._is_hermitian() for A in self.terms]
        return True if all(h is True for h in known) else NotImplemented

    def _preconditioner(self):
        """The inverse of the sum's nearest easy matrix, where its terms' family knows one."""
        for A in self.terms:
            build = getattr(type(A), "_precondition_sum", None)
            if build is not None:
                inverse = build(self.terms)
                if inverse is not NotImplemented:
                    return inverse
        return NotImplemented

    def _cost(self, verb, ncols):
        parts = [A._cost(verb, ncols) for A in self.terms]
        if verb != "matmul" or any(p is NotImplemented for p in parts):
            return NotImplemented
        return Cost("term by term", sum(p.flops for p in parts), sum(p.bytes for p in parts))


class Product(StructuredMatrix):
    """A_1 @ A_2 @ ..., applied from the right.

    Parameters
    ----------
    *factors : StructuredMatrix
        At least one, shapes chained; products among them are flattened.

    Examples
    --------
    >>> import structmat as sm
    >>> A = sm.Permutation([1, 0]) @ sm.Diagonal([1.0, 2.0])
    >>> A.solve([2.0, 1.0])
    array([1., 1.])
    """

    _parameters = ("factors",)

    def __init__(self, *factors):
        if not factors:
            raise ValueError("Product needs at least one factor")
        factors = [_rules.lift(A) for A in factors]
        flat = [B for A in factors for B in (A.factors if type(A) is Product else (A,))]
        for A, B in pairwise(flat):
            if A.shape[1] != B.shape[0]:
                raise _checks.pair_mismatch("A @ B", A, B)
        dtype, self.factors = _common(flat)
        super().__init__(dtype, (flat[0].shape[0], flat[-1].shape[1]))

    @classmethod
    def _from_parameters(cls, factors):
        return cls(*factors)

    def _apply(self, X):
        for A in reversed(self.factors):
            Y = A._apply(X)
            X = Y if Y.flags.c_contiguous else Y.copy(order="C")
        return X

    def _adjoint(self):
        return Product(*(A._adjoint() for A in reversed(self.factors)))

    def _transpose(self):
        return Product(*(A._transpose() for A in reversed(self.factors)))

    def _toarray(self):
        dense = self.factors[0]._toarray()
        for A in self.factors[1:]:
            dense = dense @ A._toarray()
        return dense

    def _all_square(self):
        return all(A.shape[0] == A.shape[1] for A in self.factors)

    def _factorize(self):
        """(A B)^-1 = B^-1 A^-1, when every factor is square."""
        if not self._all_square():
            m = min(min(A.shape) for A in self.factors)
            if m < self.shape[0]:
                raise _checks.singular("Product", f"its rank is at most {m} of {self.shape[0]}")
            return NotImplemented
        parts = [A._factorize() for A in self.factors]
        return NotImplemented if any(p is NotImplemented for p in parts) else _InTurn(self, parts)

    def _slogdet(self):
        if not self._all_square():
            rank_too_low = min(min(A.shape) for A in self.factors) < self.shape[0]
            return (0.0, -math.inf) if rank_too_low else NotImplemented
        sign, total = 1.0, 0.0
        for A in self.factors:
            s, value = A.slogdet()
            if s == 0:
                return 0.0, -math.inf
            sign, total = sign * s, total + value
        return sign, total

    def _inv(self):
        if not self._all_square():
            return NotImplemented
        return _rules_product([A.inv() for A in reversed(self.factors)])

    def _scale(self, c):
        return Product(c * self.factors[0], *self.factors[1:])

    def _cost(self, verb, ncols):
        if verb not in ("matmul", "solve", "slogdet"):
            return NotImplemented
        if verb != "matmul" and not self._all_square():
            return NotImplemented
        parts = [A._cost(verb, ncols) for A in self.factors]
        if any(p is NotImplemented for p in parts):
            return NotImplemented
        return Cost("factor by factor", sum(p.flops for p in parts), sum(p.bytes for p in parts))


class _InTurn(Factorization):
    """Factors of a product, solved one after the other."""

    def __init__(self, A, parts):
        self.shape, self.dtype, self.structure = A.shape, A.dtype, "Product"
        self.parts = parts
        self.method = "factor by factor: " + ", ".join(p.method for p in parts)
        # cond(A B) <= cond(A) cond(B): a lower bound of the reciprocal.
        self.rcond = math.prod(p.rcond for p in parts)

    def _solve(self, B):
        for part in self.parts:
            B = (
                np.ascontiguousarray(part._solve(B))
                if isinstance(B, np.ndarray)
                else part._solve(B)
            )
        return B


def _rules_product(factors):
    result = factors[0]
    for A in factors[1:]:
        result = result @ A
    return result


class Scaled(StructuredMatrix):
    """c * A for a family that has no rule of its own for it.

    Parameters
    ----------
    scalar : number
        c.
    matrix : StructuredMatrix, shape (m, n)
        A.

    Examples
    --------
    >>> import structmat as sm
    >>> (2 * sm.Permutation([1, 0])).toarray()
    array([[0., 2.],
           [2., 0.]])
    """

    _parameters = ("scalar", "matrix")

    def __init__(self, scalar, matrix):
        matrix, scalar = _rules.lift(matrix), protocols.scalar(scalar)
        if isinstance(matrix, Scaled):
            scalar, matrix = scalar * matrix.scalar, matrix.matrix
        dtype = np.result_type(matrix.dtype, scalar)
        with np.errstate(over="ignore"):
            self.scalar = dtype.type(scalar).item()
        if np.isfinite(scalar) and not np.isfinite(self.scalar):
            raise OverflowError(
                f"c * A: {scalar!r} is too large for {dtype}; use a wider dtype (A.astype)"
            )
        self.matrix = _promoted(matrix, dtype)
        super().__init__(dtype, matrix.shape)

    def _apply(self, X):
        return self._c() * self.matrix._apply(X)

    def _c(self):
        return self.dtype.type(self.scalar)

    def _finite(self):
        """The factor where it must be a number: everywhere but in products."""
        return _checks.finite(self._c(), "the scalar of a Scaled")

    def _adjoint(self):
        return Scaled(self.scalar.conjugate(), self.matrix._adjoint())

    def _transpose(self):
        return Scaled(self.scalar, self.matrix._transpose())

    def _toarray(self):
        return self._c() * self.matrix._toarray()

    def _factorize(self):
        if self._finite() == 0 and self.shape[0]:
            raise _checks.singular("Scaled", "the scalar is zero")
        inner = self.matrix._factorize()
        return inner if inner is NotImplemented else _ScaledFactorization(self, inner)

    def _inv(self):
        if self._finite() == 0 and self.shape[0]:
            raise _checks.singular("Scaled", "the scalar is zero")
        return self.matrix.inv() / self.scalar

    def _slogdet(self):
        self._finite()
        return _scaled_slogdet(self, self.matrix.slogdet())

    def _diagonal(self):
        return self._c() * self.matrix.diagonal()

    def _trace(self):
        return self._c() * self.matrix.trace()

    def _entries(self, i, j):
        values = self.matrix._entries(i, j)
        return values if values is NotImplemented else self._c() * values

    def _svd(self, full_matrices):
        self._finite()
        inner = self.matrix._svd(full_matrices)
        if inner is NotImplemented or self.scalar == 0:
            return NotImplemented
        U, S, Vh = inner
        phase = self.scalar / abs(self.scalar)
        return U, abs(self._c()) * S, phase * Vh

    def _svdvals(self):
        S = self.matrix._svdvals()
        return S if S is NotImplemented else abs(self._finite()) * S

    def _eig(self):
        inner = self.matrix._eig()
        return inner if inner is NotImplemented else (self._finite() * inner[0], inner[1])

    def _eigvals(self):
        w = self.matrix._eigvals()
        return w if w is NotImplemented else self._finite() * w

    def _norm(self, ord):
        value = self.matrix._norm(ord)
        return value if value is NotImplemented else abs(self.scalar) * value

    def _is_hermitian(self):
        return self.matrix._is_hermitian() if self.dtype.kind != "c" else NotImplemented

    def _scale(self, c):
        return Scaled(self.scalar * c, self.matrix)

    def _cost(self, verb, ncols):
        return self.matrix._cost(verb, ncols)


class _ScaledFactorization(Factorization):
    def __init__(self, A, inner):
        self.shape, self.dtype, self.inner = A.shape, A.dtype, inner
        self.matrix, self.structure = A, inner.structure
        self.method, self.rcond = inner.method, inner.rcond

    def _solve(self, B):
        return self.inner._solve(B) / self.matrix._c()

    def _slogdet(self):
        return _scaled_slogdet(self.matrix, self.inner._slogdet())


def _scaled_slogdet(A, inner):
    """det(c A) = c^n det(A)."""
    sign, value = inner
    n, c = A.shape[0], A.scalar
    if n and (c == 0 or sign == 0):
        return 0.0, -math.inf
    if not n:
        return sign, value
    if isinstance(c, complex):
        phase = complex(math.cos(n * np.angle(c)), math.sin(n * np.angle(c)))
    else:
        phase = -1.0 if c < 0 and n % 2 else 1.0
    return sign * phase, value + n * math.log(abs(c))


# ---------------------------------------------------------------- the defaults


@_rules.register("add", StructuredMatrix, StructuredMatrix)
def _add(A, B):
    return Sum(A, B)


@_rules.register("matmul", StructuredMatrix, StructuredMatrix)
def _matmul(A, B):
    return Product(A, B)


@_rules.register("hadamard", StructuredMatrix, StructuredMatrix)
def _hadamard(A, B):
    raise NotImplementedError(
        f"the elementwise product of {type(A).__name__} and {type(B).__name__} has no structure "
        "that is known here; use A.toarray() * B.toarray()"
    )


_rules.maker("sum")(Sum)
_rules.maker("product")(Product)


@_rules.maker("scaled")
def _scaled(c, A):
    return Scaled(c, A)
