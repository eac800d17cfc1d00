"""Other people's matrices: arrays, sparse arrays and operators as structured matrices.

`lift` is the one place that recognises them; `Operator` holds a LinearOperator, `Adjoint` is the
adjoint of a matrix that offers only an adjoint product.
"""

import numpy as np
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from structmat import _checks, _rules
from structmat._backend.arrays import is_array
from structmat.matrices.base import StructuredMatrix

__all__ = ["Adjoint", "Operator", "lift"]


class Adjoint(StructuredMatrix):
    """A^H for an operator that offers only its adjoint product."""

    _parameters = ("matrix",)

    def __init__(self, matrix):
        if not hasattr(matrix, "_apply_adjoint"):
            name = type(matrix).__name__
            raise NotImplementedError(f"{name} defines neither _adjoint nor _apply_adjoint")
        self.matrix = matrix
        super().__init__(matrix.dtype, matrix.shape[::-1])

    def _apply(self, X):
        return self.matrix._apply_adjoint(X)

    def _adjoint(self):
        return self.matrix


class Operator(StructuredMatrix):
    """Somebody else's LinearOperator, so that it mixes with ours.

    Parameters
    ----------
    operator : scipy.sparse.linalg.LinearOperator, shape (m, n)
        Anything that :func:`scipy.sparse.linalg.aslinearoperator` returns, with a dtype.

    Raises
    ------
    TypeError
        Not an operator, or one without a dtype; and, in a product, when a real one gives complex
        results.
    NotImplementedError
        In a product with the adjoint, when the operator was given no ``rmatvec``.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> from scipy.sparse.linalg import LinearOperator
    >>> flip = LinearOperator((3, 3), matvec=lambda x: x[::-1], dtype=float)
    >>> (sm.Identity(3) + sm.aslinearoperator(flip)) @ np.arange(3.0)
    array([2., 2., 2.])
    """

    _parameters = ("operator",)

    def __init__(self, operator):
        if not isinstance(operator, LinearOperator):
            raise TypeError(
                f"`operator` must be a LinearOperator; got {type(operator).__name__}. "
                "structmat.aslinearoperator takes arrays and sparse arrays too"
            )
        if operator.dtype is None:  # which NumPy would read as float64
            raise TypeError(f"a {type(operator).__name__} without a dtype: set its `dtype`")
        self.operator = operator
        super().__init__(_checks.result_dtype(operator.dtype, "an operator"), operator.shape)

    def _apply(self, X):
        return self._declared(self.operator.matmat(X), X)

    def _apply_adjoint(self, X):
        try:
            return self._declared(self.operator.rmatmat(X), X)
        except (NotImplementedError, TypeError) as error:
            # SciPy calls the rmatvec that is not there.
            if isinstance(error, TypeError) and "'NoneType' object is not call" not in str(error):
                raise
            raise NotImplementedError(
                "this needs products with the adjoint and the operator has none; give the "
                "LinearOperator an `rmatvec`, or use A.toarray()"
            ) from error

    def _declared(self, Y, X):
        """The operator's result in the dtype that it declares, in memory of its own."""
        Y = np.asarray(Y)
        if Y.dtype.kind == "c" and self.dtype.kind != "c":
            raise TypeError(
                f"the operator declares dtype {self.dtype} and returned {Y.dtype}: give it "
                f"dtype={Y.dtype}, or the imaginary part is lost"
            )
        return Y.astype(self.dtype, copy=bool(np.may_share_memory(X, Y)))

    def _adjoint(self):
        return Adjoint(self)

    def _conj(self):
        return self if self.dtype.kind != "c" else Operator(_Conjugate(self.operator))

    def astype(self, dtype):
        """Act on another dtype; a real operator acts on both parts of complex vectors."""
        dtype = _checks.result_dtype(dtype, "a matrix")
        return self if dtype == self.dtype else Operator(_Recast(self.operator, dtype))

    def copy(self):
        """Another Operator around the same foreign one, which cannot be copied."""
        return Operator(self.operator)


class _Conjugate(LinearOperator):
    """conj(A) x = conj(A conj(x))."""

    def __init__(self, operator):
        self.operator = operator
        super().__init__(operator.dtype, operator.shape)

    def _matmat(self, X):
        return self.operator.matmat(X.conj()).conj()

    def _adjoint(self):
        return _Conjugate(self.operator.H)


class _Recast(LinearOperator):
    """The same operator on blocks of another dtype (a real one acts on both parts)."""

    def __init__(self, operator, dtype):
        self.operator = operator
        super().__init__(dtype, operator.shape)

    def _matmat(self, X):
        if self.dtype.kind == "c" and self.operator.dtype.kind != "c":
            return self.operator.matmat(X.real) + 1j * self.operator.matmat(X.imag)
        return self.operator.matmat(X)

    def _adjoint(self):
        return _Recast(self.operator.H, self.dtype)


_rules.maker("adjoint")(Adjoint)


@_rules.maker("lift")
def lift(A):
    """An array, sparse array or LinearOperator as a StructuredMatrix."""
    if isinstance(A, LinearOperator):
        return Operator(A)
    if _checks.is_sparse(A):
        return _rules.make("sparse", A)
    if hasattr(A, "matvec") and hasattr(A, "shape") and not is_array(A):
        return Operator(aslinearoperator(A))
    A = _checks.as_array(A, "A")
    if A.ndim > 2:
        raise _checks.stack_refused(f"an array of shape {A.shape}")
    if A.ndim < 2:
        raise ValueError(f"a matrix is needed; got an array of shape {A.shape}")
    return _rules.make("dense", A)
