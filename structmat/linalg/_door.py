"""The door of the verbs: arguments are checked and shaped here, once, for every family.

Dispatch is the same everywhere: the family's hook; where it answers `NotImplemented`, the dense
matrix when that is cheap (order up to `DENSE_ORDER`) or the only way and fits; else iteration.
"""

import contextlib
import threading

import numpy as np

from structmat import _checks, _rules
from structmat._backend import blocks
from structmat._backend.arrays import namespace_of

__all__ = ["DENSE_ORDER", "METHODS"]

# Up to this order LAPACK answers in a second or so and needs at most 32 MiB in float64: a dense
# answer is then cheaper than an iteration of unknown length, and nobody wants a warning.
DENSE_ORDER = 2048
METHODS = ("auto", "direct", "iterative", "dense")


def small(A):
    """True when the dense route is the sensible default."""
    return max(A.shape) <= DENSE_ORDER


# Whether the verb that runs took the dense route, for its certificate.
trail = threading.local()


def dense(A, verb):
    """A as a Dense matrix: guarded by memory, and announced when large."""
    if getattr(trail, "structured_only", False):
        raise NotImplementedError(
            f"{type(A).__name__} has no rule for {verb} in its structure; leave `method` at "
            '"auto", or ask for "dense"'
        )
    trail.dense = True
    return _rules.make("dense", _checks.densify(A, verb, stacklevel=4))


@contextlib.contextmanager
def route(A, verb, method):
    """A as the verb is to see it under `method`: itself, dense, or itself and never dense."""
    _checks.choice(method, "method", ("auto", "direct", "dense"))
    trail.dense = False
    if method == "dense":
        yield dense(A, verb)
        return
    trail.structured_only = method == "direct"
    try:
        yield A
    finally:
        trail.structured_only = False


def right_hand_side(A, b, verb):
    """(A, B, finish): A in the working dtype, b as a block for a hook, and the way back."""
    b = _checks.as_array(b, "b")
    if b.ndim not in (1, 2):
        if b.ndim == 0:
            raise _checks.rhs_mismatch(A, b, verb)
        raise _checks.stack_refused("a stack of right-hand sides")
    if b.shape[0] != A.shape[0]:
        raise _checks.rhs_mismatch(A, b, verb)
    A._same_device(b)
    _checks.finite(b, "b")
    common = blocks.common_dtype(A.dtype, b)
    dtype = blocks.matrix_dtype(A.dtype, common)
    A = A if dtype == A.dtype else A.astype(dtype)
    B, undo = blocks.prepare(b if b.ndim == 2 else b[:, None], dtype, common)
    if b.ndim == 2:
        return A, B, undo
    return A, B, lambda X: undo(X)[:, 0]


def eps(dtype):
    """Unit roundoff times two of a real or complex dtype (NumPy's `finfo.eps`)."""
    return float(np.finfo(dtype).eps)


def real_dtype(dtype):
    """float32 for complex64, float64 for complex128; a real dtype as it is."""
    return np.dtype(np.finfo(dtype).dtype)


def is_hermitian(A):
    """Exactly from the parameters where the family knows, else by probing with two vectors.

    The probe compares A x with A^H x; a matrix that passes is Hermitian to rounding except on a
    set of vectors of measure zero.
    """
    if A.shape[0] != A.shape[1]:
        return False
    known = A._is_hermitian()
    if known is not NotImplemented:
        return bool(known)
    n = A.shape[0]
    xp = A._namespace or np
    x = np.random.default_rng(n).standard_normal((n, 2)).astype(real_dtype(A.dtype))
    x = xp.asarray(x)
    left = A @ x
    try:
        right = A._adjoint() @ x
    except NotImplementedError:  # an operator known by its products alone
        left, right = x.T @ left, (x.T @ left).conj().T
        return float(abs(left - right).max()) <= 100 * eps(A.dtype) * float(_size(x, A @ x))
    scale = float(abs(left).max()) + float(abs(right).max()) if n else 0.0
    return not n or float(abs(left - right).max()) <= 100 * n**0.5 * eps(A.dtype) * scale


def _size(x, y):
    """The largest sum of moduli behind an entry of x^T y."""
    return (abs(x).T @ abs(y)).max()


def require_hermitian(A, verb):
    """ValueError unless A is Hermitian: no verb guesses which triangle was meant."""
    _checks.square(A, verb)
    if not is_hermitian(A):
        # NaN is not equal to its mirror image either: say what is really wrong.
        _checks.finite(A @ (A._namespace or np).ones(A.shape[1], A.dtype))
        raise _checks.not_hermitian(type(A).__name__, verb)


def columns(A, width=512):
    """Blocks A[:, j:j+width] as arrays, in order: the whole matrix in O(m width) memory."""
    n = A.shape[1]
    xp = A._namespace or np
    for start in range(0, n, width):
        stop = min(n, start + width)
        unit = xp.zeros((n, stop - start), A.dtype)
        unit[start:stop] = xp.eye(stop - start, dtype=A.dtype)
        yield start, A @ unit


def as_numpy(x):
    """A host copy of a small array for SciPy's host-only routines."""
    return x.get() if namespace_of(x) is not np else x


def scalar(x, dtype):
    """A NumPy scalar of `dtype` from a number, or from a 0-d array of either namespace."""
    return dtype.type(x.item() if hasattr(x, "item") else x)
