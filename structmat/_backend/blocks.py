"""From what the user passed to what a kernel sees: 2-D, C-contiguous, of the matrix's own dtype.

Families and kernels hold no `if x.ndim == 1` and no dtype table: everything odd about an operand is
settled here, once. A complex block on a real matrix is handed over as a real block with twice as
many columns (its own memory, viewed), so real kernels never meet complex numbers and never drop an
imaginary part.
"""

import numpy as np

from structmat import _checks
from structmat._backend.arrays import namespace_of

__all__ = ["common_dtype", "matrix_dtype", "prepare"]


def common_dtype(dtype, x):
    """dtype of A @ x: NumPy's promotion, with integers and bool as float64."""
    return np.result_type(dtype, _checks.result_dtype(x.dtype, "this operand"))


def matrix_dtype(dtype, common):
    """dtype in which the matrix must be held to act on an operand with result dtype `common`."""
    if dtype.kind != "c" and common.kind == "c":
        return np.dtype(np.float32 if common == np.complex64 else np.float64)
    return common


def prepare(x, dtype, common):
    """(X, undo): the 2-D operand `x` as a kernel block of `dtype`, and the way back to `common`."""
    xp = namespace_of(x)
    if dtype.kind != "c" and common.kind == "c":
        X = _contiguous(xp, x, common)
        X = X.view(dtype).reshape(x.shape[0], 2 * x.shape[1])
        return X, lambda Y: xp.ascontiguousarray(Y).view(common)
    return _contiguous(xp, x, dtype), _identity


def _identity(Y):
    return Y


def _contiguous(xp, x, dtype):
    if xp is np:
        # Unaligned memory is legal NumPy and undefined behaviour in a vector load.
        return np.require(x, dtype, ["C", "A"]).view(np.ndarray)
    return xp.ascontiguousarray(x, dtype=dtype)
