"""Batched products of blocks by cuBLAS, whose leading dimensions spare every permutation.

The one place that calls the bindings behind CuPy: `cupy.matmul` copies what is not contiguous. They
are its own, and not public, so a version without them is answered with False, never with an error.
"""

import functools
import importlib

import numpy as np

from structmat._backend.arrays import require_cupy

__all__ = ["block_products"]

LIMIT = 2**31 - 1  # of dimensions and leading dimensions in the 32-bit interface
_PREFIX = {"f": "s", "d": "d", "F": "c", "D": "z"}
_AS_IS, _TRANSPOSED = 0, 1


def block_products(values, X, Y):
    """Y[i, :, l] = values[i, l] @ X[i, :, l] for all i and l; False where cuBLAS is out of reach.

    Shapes (a, d, b, c), (a, c, d, k) and (a, b, d, k), of one dtype among the four of BLAS; X and Y
    are C-contiguous CuPy arrays and no dimension is zero. Both are columns of rows to cuBLAS, whose
    order is that of columns, so it is given Y.T = X.T values.T: k x c times c x b, of leading
    dimension d k. One of a and d is the batch; when both exceed 1, blocks are found by pointers.
    """
    a, d, b, c = values.shape
    k = X.shape[3]
    cublas = _bindings()
    if cublas is None or d * k > LIMIT or max(b, c) > LIMIT:
        return False
    values, operation, leading = _readable(values)
    outer, inner = (s // values.itemsize for s in values.strides[:2])
    one, zero = np.ones(1, values.dtype), np.zeros(1, values.dtype)
    shape = (require_cupy().cuda.Device().cublas_handle, _AS_IS, operation, k, b, c)
    gemm = getattr(cublas, f"{_PREFIX[values.dtype.char]}gemm{'Strided' * (1 in (a, d))}Batched")
    if 1 in (a, d):
        steps = (c * k, outer, b * k) if d == 1 else (k, inner, k)
        gemm(
            *(*shape, one.ctypes.data, X.data.ptr, d * k, steps[0]),
            *(values.data.ptr, leading, steps[1], zero.ctypes.data),
            *(Y.data.ptr, d * k, steps[2], a * d),
        )
        return True
    at = [
        _pointers(x, a, d, *steps)
        for x, steps in ((X, (c * d * k, k)), (values, (outer, inner)), (Y, (b * d * k, k)))
    ]
    gemm(
        *(*shape, one.ctypes.data, at[0].data.ptr, d * k, at[1].data.ptr, leading),
        *(zero.ctypes.data, at[2].data.ptr, d * k, a * d),
    )
    return True


@functools.cache
def _bindings():
    try:
        return importlib.import_module("cupy_backends.cuda.libs.cublas")
    except ImportError:
        return None


def _readable(values):
    """(values, operation on their blocks as BLAS sees them, leading dimension)."""
    b, c = values.shape[2:]
    row, column = (s // values.itemsize for s in values.strides[2:])
    if (column == 1 or c == 1) and (row >= c or b == 1):
        return values, _AS_IS, max(row, c) if b > 1 else c
    if (row == 1 or b == 1) and (column >= b or c == 1):
        return values, _TRANSPOSED, max(column, b) if c > 1 else b
    return _readable(values.copy(order="C"))


def _pointers(x, a, d, outer, inner):
    """Addresses of x[i outer + l inner] on the device, i < a, l < d."""
    cp = require_cupy()
    size = x.itemsize
    offsets = _offsets(cp, cp.cuda.runtime.getDevice(), a, d, outer * size, inner * size)
    return offsets + x.data.ptr


@functools.lru_cache(maxsize=128)
def _offsets(cp, device, a, d, outer, inner):
    i, l = cp.arange(a, dtype="uint64")[:, None], cp.arange(d, dtype="uint64")[None, :]
    return cp.ascontiguousarray((i * outer + l * inner).reshape(-1))
