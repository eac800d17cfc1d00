"""Inverse: what `inv` gives where a family cannot hold its own inverse."""

import numpy as np

from structmat import _checks, _rules
from structmat._results import Factorization
from structmat.matrices.base import StructuredMatrix

__all__ = ["Inverse"]


class Inverse(StructuredMatrix):
    """A^-1 as an action: A is factored once, at construction, and every product is a solve.

    Parameters
    ----------
    matrix : StructuredMatrix, shape (n, n)
        An invertible matrix.

    Raises
    ------
    numpy.linalg.LinAlgError
        It is exactly singular.

    Examples
    --------
    >>> import structmat as sm
    >>> A = sm.DiagonalPlusLowRank([1.0, 1.0], [[1.0], [0.0]], [[1.0], [0.0]])
    >>> float((A @ (A.inv() @ [1.0, 2.0]))[1])
    2.0
    """

    _parameters = ("matrix",)

    def __init__(self, matrix):
        matrix = _rules.lift(matrix)
        _checks.square(matrix, "inv")
        self.matrix = matrix
        self._factored = matrix._factorize()
        if self._factored is NotImplemented and matrix.shape[0] <= 2048:
            self._factored = matrix.factorize()
        super().__init__(matrix.dtype, matrix.shape)

    def _apply(self, X):
        if self._factored is NotImplemented:
            return self.matrix.solve(X)
        if self._factored.rcond < np.finfo(self.dtype).eps:
            _checks.ill_conditioned(self._factored.rcond, self._factored.structure)
        return self._factored._solve(X)

    def _adjoint(self):
        return Inverse(self.matrix._adjoint())

    def _toarray(self):
        xp = self._namespace or np
        return self._apply(xp.eye(self.shape[0], dtype=self.dtype))

    def _inv(self):
        return self.matrix

    def _factorize(self):
        return _Action(self)

    def _slogdet(self):
        sign, value = self.matrix.slogdet()
        return sign.conjugate(), -value

    def _is_hermitian(self):
        return self.matrix._is_hermitian()


class _Action(Factorization):
    """Solving with an inverse is a product."""

    method = "product with the matrix that was inverted"

    def __init__(self, inverse):
        self.shape, self.dtype = inverse.shape, inverse.dtype
        self.matrix, self.structure = inverse.matrix, type(inverse.matrix).__name__

    def _solve(self, B):
        return self.matrix._apply(B)

    def _slogdet(self):
        sign, value = self.matrix.slogdet()
        return sign.conjugate(), -value


_rules.maker("inverse")(Inverse)
