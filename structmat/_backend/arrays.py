"""Which array library and device an array belongs to. The array that you pass decides.

CuPy is never imported to answer: an array of CuPy's can only exist when CuPy is in `sys.modules`.
"""

import sys

import numpy as np

from structmat import _checks

__all__ = ["is_array", "move", "namespace_of", "require_cupy"]


def is_array(x):
    """True for NumPy and CuPy arrays (not for scalars)."""
    return isinstance(x, np.ndarray) or _is_cupy(x)


def _is_cupy(x):
    return type(x).__module__.partition(".")[0] == "cupy"


def namespace_of(*arrays, default=None):
    """numpy or cupy, whichever the arrays belong to; `default` where there is no array.

    Raises
    ------
    MixedDevicesError
        Host and device arrays together: nothing is copied implicitly.
    """
    found = default
    seen = None
    for x in arrays:
        if isinstance(x, np.ndarray):
            this = np
        elif _is_cupy(x):
            this = sys.modules["cupy"]
        else:
            continue
        if seen is not None and this is not seen:
            raise _checks.MixedDevicesError(
                "NumPy and CuPy arrays in one matrix; move them to one device first "
                "(cupy.asarray(x), or x.get())"
            )
        found = seen = this
    return found


def move(x, device):
    """The array on "cpu" or "cuda"; itself when it is there already."""
    _checks.choice(device, "device", ("cpu", "cuda"))
    if device == "cpu":
        return x.get() if _is_cupy(x) else x
    if _is_cupy(x):
        return x
    return require_cupy().asarray(x)


def require_cupy():
    """The cupy module, when it is installed and a device answers.

    Raises
    ------
    ImportError
        CuPy is not installed.
    RuntimeError
        It is, and no CUDA device answers.
    """
    cupy = sys.modules.get("cupy")
    if cupy is None:
        try:
            import cupy
        except ImportError:
            raise _checks.cupy_missing() from None
    if not cupy.cuda.is_available():
        raise _checks.device_missing()
    return cupy
