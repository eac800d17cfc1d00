"""Matrices for the solvers of CuPy, which know cupyx's LinearOperator and not SciPy's."""

import functools

from structmat import _checks
from structmat._backend.arrays import require_cupy

__all__ = ["to_cupyx"]


def to_cupyx(A):
    """`A`, whose arrays are CuPy's, behind the interface of cupyx's linear operators.

    Raises
    ------
    MixedDevicesError
        The arrays of `A` are NumPy's.
    ImportError, RuntimeError
        CuPy, a library that its solvers need, or a device is missing.
    """
    cupy = require_cupy()
    if A._namespace not in (cupy, None):
        raise _checks.MixedDevicesError(
            f"to_cupyx: this {type(A).__name__} holds NumPy arrays; move it first with "
            'A.to_device("cuda")'
        )
    try:
        from cupyx.scipy.sparse.linalg import LinearOperator
    except ImportError as error:
        raise ImportError(
            f"cupyx.scipy.sparse.linalg cannot be imported ({error}); it needs libraries of the "
            "CUDA toolkit: pip install 'structmat[cuda13]' (or [cuda12])"
        ) from error
    return _operator(LinearOperator)(A)


@functools.cache
def _operator(base):
    """The class, made when its base is there. Each hook is overridden: cupyx's go by columns."""

    class Operator(base):
        def __init__(self, matrix):
            self.matrix = matrix
            super().__init__(matrix.dtype, matrix.shape)

        def _matmat(self, X):
            return self.matrix @ X

        def _rmatmat(self, X):
            return self.matrix.H @ X

        def _adjoint(self):
            return Operator(self.matrix.H)

        def _transpose(self):
            return Operator(self.matrix.T)

        _matvec, _rmatvec = _matmat, _rmatmat

    return Operator
