"""Arrays as kernels want them: of the one type they are compiled for, and on a cache line."""

import numpy as np

__all__ = ["aligned", "flat"]

_LINE = 64  # bytes; also the widest vector


class _Memory:
    pass


def flat(X):
    """C-contiguous X in one dimension, writeable: a kernel for read-only arrays takes seconds more.

    Only for kernels that do not write to it.
    """
    if X.flags.writeable:
        return X.reshape(-1)
    view = _Memory()
    view.__array_interface__ = {**X.__array_interface__, "data": (X.ctypes.data, False)}
    view.owner = X
    return np.asarray(view).reshape(-1)


def aligned(n, dtype):
    """np.empty on a cache line (NumPy aligns to 16 bytes): no vector store straddles two lines."""
    raw = np.empty(n * dtype.itemsize + _LINE, np.uint8)
    start = -raw.__array_interface__["data"][0] % _LINE
    return raw[start : start + n * dtype.itemsize].view(dtype)
