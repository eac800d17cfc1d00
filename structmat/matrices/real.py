"""RealPart: what np.real and np.imag give of a complex matrix."""

import numpy as np

from structmat import _checks, _rules
from structmat.matrices.base import StructuredMatrix

__all__ = ["RealPart"]


class RealPart(StructuredMatrix):
    """The real part of a complex matrix, applied through it: Re(A) x = Re(A x) for real x.

    Parameters
    ----------
    matrix : StructuredMatrix, shape (m, n)
        A complex matrix. The imaginary part of A is the real part of -i A.

    Notes
    -----
    A product costs one with the complex matrix.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> A = sm.Diagonal([1 + 2j, 3 - 1j])
    >>> np.real(A) @ np.ones(2), np.imag(A) @ np.ones(2)
    (array([1., 3.]), array([ 2., -1.]))
    """

    _parameters = ("matrix",)

    def __init__(self, matrix):
        self.matrix = _rules.lift(matrix)
        super().__init__(np.finfo(self.matrix.dtype).dtype, self.matrix.shape)

    def _apply(self, X):
        return (self.matrix @ X).real.copy()

    def _adjoint(self):
        return RealPart(self.matrix._transpose())

    def _toarray(self):
        return self.matrix.toarray().real.copy()

    def _diagonal(self):
        return self.matrix.diagonal().real

    def _entries(self, i, j):
        values = self.matrix._entries(i, j)
        return values if values is NotImplemented else values.real

    def astype(self, dtype):
        """The same part in another precision; a complex copy of it is dense."""
        dtype = _checks.result_dtype(dtype, "a matrix")
        if dtype == self.dtype:
            return self
        if dtype.kind == "c":
            return _rules.make("dense", self.toarray().astype(dtype))
        return RealPart(self.matrix.astype(np.result_type(dtype, np.complex64)))

    def _conj(self):
        return self


@_rules.maker("real")
def real_part(A):
    """Re A in A's own family where it has one, else lazily."""
    found = A._real()
    return RealPart(A) if found is NotImplemented else found
