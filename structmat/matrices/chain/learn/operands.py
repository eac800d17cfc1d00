"""Operators that are known by their products alone, as arrays."""

import numpy as np

from structmat import _checks

__all__ = ["columns_of"]


def columns_of(operator, verb):
    """The dense matrix of a LinearOperator, in its dtype (float64 where it has none)."""
    dtype = getattr(operator, "dtype", None)
    dtype = np.dtype(np.float64) if dtype is None else _checks.result_dtype(dtype, verb)
    _checks.guard_dense(operator.shape, dtype, verb)
    M = _checks.as_array(operator.matmat(np.eye(operator.shape[1], dtype=dtype)), "A @ I")
    # A product in double precision of an operator that says single is rounded to what it says.
    return M.astype(dtype) if M.dtype.kind == dtype.kind else M
