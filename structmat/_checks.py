"""Every refusal of structmat and its words. Imports nothing of ours.

A message says what is needed, what came, and the way out. Families call these functions instead of
writing their own, so that the same mistake reads the same everywhere.
"""

import math
import operator
import os
import warnings

import numpy as np

__all__ = ["ConvergenceError", "DensifyWarning", "MixedDevicesError"]

# The four dtypes that every kernel knows; everything else is converted or refused at the door.
SUPPORTED = frozenset("fdFD")
# Above this many bytes a dense copy that the user did not ask for by name is announced.
DENSIFY_WARN_BYTES = 32 * 2**20


class DensifyWarning(UserWarning):
    """A structured matrix above 32 MiB (as dense) was turned into a dense array to answer."""


class ConvergenceError(RuntimeError):
    """An iteration did not converge. `.result` is the partial result, `.info` its certificate."""

    def __init__(self, message, result=None, info=None):
        super().__init__(message)
        self.result = result
        self.info = info


class MixedDevicesError(TypeError):
    """Host and device arrays met in one call; nothing is copied between them implicitly."""


# ---------------------------------------------------------------- dtypes and arrays


def result_dtype(dtype, what="array"):
    """float32/float64/complex64/complex128 for `dtype`, integers and bool promoted to float64."""
    dtype = np.dtype(dtype)
    if dtype.char in SUPPORTED:
        return np.dtype(dtype.type)  # native, and the one object that `is` can recognise
    if dtype.kind in "biu":
        return np.dtype(np.float64)
    if dtype == np.float16:
        raise TypeError(f"float16 is not supported for {what}; convert to float32")
    raise TypeError(
        f"dtype {dtype} is not supported for {what}; use float32, float64, complex64 or complex128"
    )


def is_sparse(x):
    """True for SciPy (or CuPy) sparse arrays and matrices, without importing scipy.sparse."""
    return hasattr(x, "tocsr") and hasattr(x, "nnz")


def as_array(x, name, what="an array"):
    """`x` as a plain ndarray (or CuPy array) of a supported dtype; itself when it is one."""
    if type(x) is np.ndarray:
        if x.dtype.char in SUPPORTED and x.dtype.isnative:
            return x
    elif isinstance(x, np.ma.MaskedArray):
        raise TypeError(
            f"`{name}` is a masked array; fill it first, for example `{name}.filled(0)`"
        )
    elif is_sparse(x):
        raise ValueError(
            f"`{name}` is sparse where {what} is needed; use `structmat.Sparse({name})` "
            f"or `{name}.toarray()`"
        )
    elif type(x).__module__.partition(".")[0] == "cupy":
        dtype = result_dtype(x.dtype, f"`{name}`")
        return x if x.dtype == dtype else x.astype(dtype)
    elif hasattr(x, "__dlpack__") and not isinstance(x, np.ndarray | np.generic):
        x = from_dlpack(x, name)
        if not isinstance(x, np.ndarray):
            return as_array(x, name, what)
    x = np.asarray(x)
    dtype = result_dtype(x.dtype, f"`{name}`")
    return x if x.dtype == dtype and x.dtype.isnative else x.astype(dtype)


# DLPack's numbers for where an array lives.
_HOST = {1, 3}  # pageable, pinned
_CUDA = {2, 13}  # device, managed


def from_dlpack(x, name):
    """A NumPy or CuPy view of a foreign array (a torch tensor, say); no copy.

    What is computed from it is an array of the library that the view belongs to: a CPU tensor gives
    NumPy arrays, a CUDA tensor CuPy arrays. Both offer ``__dlpack__``, so ``torch.from_dlpack(y)``
    takes a result back without a copy. A CUDA array is handed over on CuPy's current stream, as the
    protocol says: work that its library queued before is waited for on the device.

    Raises
    ------
    TypeError
        An array that the protocol cannot hand over (one that records gradients, a lazily conjugated
        or sparse one, a dtype that neither library has), or of another kind of device.
    ImportError, RuntimeError
        A CUDA array without CuPy, or without a device that answers.
    """
    kind = int(x.__dlpack_device__()[0])
    if kind in _HOST:
        take = np.from_dlpack
    elif kind in _CUDA:
        try:
            import cupy
        except ImportError:
            raise cupy_missing(f"`{name}` lives on a GPU, which") from None
        take = cupy.from_dlpack
    else:
        raise TypeError(
            f"`{name}` lives on a device of another kind (DLPack device type {kind}); move it to "
            "the CPU or to a CUDA device"
        )
    try:
        return take(x)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise TypeError(
            f"`{name}` ({type(x).__module__}.{type(x).__name__}) cannot be read through DLPack: "
            f"{error}. Pass a dense array of float32, float64, complex64 or complex128 that "
            "records no gradients"
        ) from error


def cupy_missing(what="the GPU"):
    """ImportError that names the extra."""
    return ImportError(f"{what} needs CuPy: pip install 'structmat[cuda13]' (or [cuda12])")


def device_missing():
    """RuntimeError for CuPy without a device."""
    return RuntimeError(
        "no CUDA device answers; CuPy is installed, the driver or the device is missing"
    )


def as_parameter(x, name, ndim=None):
    """A constructor's array: supported dtype, `ndim` dimensions, not copied when already right."""
    x = as_array(x, name)
    if ndim is not None and x.ndim != ndim:
        raise ValueError(f"`{name}` must have {ndim} dimension(s); got shape {x.shape}")
    return x


def as_index(x, name, n):
    """1-D array of intp with all values in 0..n-1; floats and bools are refused."""
    x = np.asarray(x)
    if x.size == 0:
        x = x.astype(np.intp)
    if x.dtype.kind not in "iu":
        raise TypeError(f"`{name}` must hold integers; got dtype {x.dtype}")
    if x.ndim != 1:
        raise ValueError(f"`{name}` must be one-dimensional; got shape {x.shape}")
    if x.size and (int(x.min()) < 0 or int(x.max()) >= n):
        raise ValueError(f"`{name}` must lie in 0..{n - 1}; got {x.min()}..{x.max()}")
    return x.astype(np.intp, copy=False)


def finite(x, name="array"):
    """Raise ValueError when `x` holds NaN or infinity; returns `x`."""
    # One reduction instead of a boolean array: a sum is finite unless an entry is not, or the
    # entries overflow, and only that doubtful case pays for the exact scan.
    with np.errstate(all="ignore"):
        total = x.sum()
    if not math.isfinite(abs(total)):
        isfinite = getattr(type(x), "isfinite", None) or _namespace(x).isfinite
        if not bool(isfinite(x).all()):
            raise ValueError(f"{name} must not contain infs or NaNs")
    return x


def _namespace(x):
    import sys

    return np if isinstance(x, np.ndarray | np.generic) else sys.modules["cupy"]


# ---------------------------------------------------------------- shapes and arguments


def size(n, name):
    """A non-negative Python int; floats give TypeError, bools are refused."""
    if isinstance(n, bool | np.bool_):
        raise TypeError(f"`{name}` must be an integer, not bool")
    try:
        n = operator.index(n)
    except TypeError:
        raise TypeError(f"`{name}` must be an integer; got {type(n).__name__}") from None
    if n < 0:
        raise ValueError(f"`{name}` must be non-negative; got {n}")
    return n


def count(k, limit, name="k"):
    """`k` with 0 < k <= limit (how many singular or eigenvalues, which rank)."""
    k = size(k, name)
    if not 0 < k <= limit:
        raise ValueError(f"`{name}` must be an integer satisfying `0 < {name} <= {limit}`; got {k}")
    return k


def flag(value, name):
    """True or False; a string, which would be true whatever it says, is refused."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"`{name}` must be True or False; got {value!r}")
    return bool(value)


def choice(value, name, allowed):
    """`value` if it is one of the allowed names, else ValueError with the sorted list."""
    if value not in allowed:
        listed = ", ".join(repr(a) for a in sorted(allowed, key=str))
        raise ValueError(f"`{name}` must be one of {{{listed}}}; got {value!r}")
    return value


def options(given, allowed, family):
    """Refuse keyword arguments that a family's projection or random member does not have."""
    for name in given:
        if name not in allowed:
            listed = ", ".join(allowed) or "none"
            raise TypeError(f"{name!r} is not an option of {family}; its options are: {listed}")


def tolerance(value, name):
    """A tolerance: None, or a non-negative finite number."""
    if value is None:
        return None
    try:
        if isinstance(value, str):
            raise TypeError
        value = float(value)
    except TypeError:
        raise TypeError(f"`{name}` must be a number; got {type(value).__name__}") from None
    if not (value >= 0 and math.isfinite(value)):
        raise ValueError(f"`{name}` must be a non-negative number; got {value}")
    return value


def square(A, verb):
    """Raise ValueError unless A is square; returns its order."""
    m, n = A.shape
    if m != n:
        way = {
            "solve": "; for a rectangular matrix use structmat.linalg.lstsq",
            "inv": "; for a rectangular matrix use structmat.linalg.pinv",
            "eig": "; for a rectangular matrix use structmat.linalg.svd",
            "eigvals": "; for a rectangular matrix use structmat.linalg.svdvals",
            "eigs": "; for a rectangular matrix use structmat.linalg.svds",
        }.get(verb, "")
        raise ValueError(f"{verb}: expected a square matrix, got shape {A.shape}{way}")
    return n


def operand_mismatch(A, x, side="right"):
    """ValueError for A @ x (or x @ A) with both shapes."""
    shape = tuple(x.shape)
    if side == "right":
        n = A.shape[1]
        return ValueError(
            f"dimension mismatch: `A @ x` with A of shape {A.shape} needs `x` of shape "
            f"({n},) or ({n}, k); got {shape}"
        )
    m = A.shape[0]
    return ValueError(
        f"dimension mismatch: `x @ A` with A of shape {A.shape} needs `x` of shape "
        f"({m},) or (k, {m}); got {shape}"
    )


def rhs_mismatch(A, b, verb):
    """ValueError for a right-hand side that does not fit."""
    return ValueError(
        f"{verb}: incompatible shapes: A.shape={A.shape} and b.shape={tuple(b.shape)}; "
        f"`b` must have shape ({A.shape[0]},) or ({A.shape[0]}, k)"
    )


def pair_mismatch(op, A, B):
    """ValueError for two matrices that do not fit an operation."""
    return ValueError(f"{op}: incompatible shapes {tuple(A.shape)} and {tuple(B.shape)}")


def stack_refused(what="a stack of matrices"):
    """ValueError for operands of 3 dimensions where a matrix is meant."""
    return ValueError(
        f"{what} is not a matrix; use structmat.BlockDiagonal for a batch of blocks, or a loop"
    )


def elementwise_product(left):
    """TypeError for `A * array`, which is a matrix product to some and elementwise to others."""
    example = "A @ structmat.Diagonal(s)" if not left else "structmat.Diagonal(s) @ A"
    return TypeError(
        "`*` takes scalars only; to scale columns or rows write "
        f"`{example}`, for the elementwise product of two matrices `structmat.hadamard(A, B)`"
    )


# ---------------------------------------------------------------- accuracy


def singular(structure, place=None):
    """LinAlgError that names the structure and, where known, the place."""
    where = f": {place}" if place else ""
    return np.linalg.LinAlgError(f"singular matrix: {structure}{where}")


def not_positive_definite(structure, place=None):
    """LinAlgError for a Cholesky factorisation that met a non-positive pivot."""
    where = f" ({place})" if place else ""
    return np.linalg.LinAlgError(f"{structure} is not positive definite{where}")


def ill_conditioned(rcond, structure, stacklevel=3):
    """Warn with SciPy's LinAlgWarning that an answer has few or no correct digits."""
    from scipy.linalg import LinAlgWarning

    warnings.warn(
        f"ill-conditioned matrix ({structure}, rcond={float(rcond):.3g}): "
        "the result may not be accurate",
        LinAlgWarning,
        stacklevel=stacklevel + 1,
    )


def not_hermitian(structure, verb):
    """ValueError: eigh and cholesky do not guess which triangle was meant."""
    general = {"eigh": "eig", "eigvalsh": "eigvals", "eigsh": "eigs", "cholesky": "A.factorize()"}
    return ValueError(
        f"{verb} needs a Hermitian (symmetric) matrix; this {structure} is not. "
        f"Use {general.get(verb, 'the general verb')}, or symmetrise with (A + A.H) / 2"
    )


def representable(x, verb):
    """OverflowError when a result of finite parameters is too large for its dtype; returns `x`."""
    if not bool(_namespace(x).isfinite(x).all()):
        raise OverflowError(
            f"{verb}: the result is too large for {x.dtype}; scale the matrix, or use a wider dtype"
        )
    return x


def host_only(A, verb):
    """NotImplementedError for a device matrix whose algorithm exists in host LAPACK only."""
    if A._namespace not in (np, None):
        raise NotImplementedError(
            f"{verb} of a {type(A).__name__} runs on the host only; "
            'move it first with A.to_device("cpu")'
        )


# ---------------------------------------------------------------- memory


def dense_bytes(shape, dtype):
    """Bytes of a dense array, as a Python int (never overflows)."""
    m, n = shape
    return int(m) * int(n) * np.dtype(dtype).itemsize


def physical_memory():
    """Bytes of memory on this machine, or 16 GiB where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):  # pragma: no cover - other systems
        return 16 * 2**30


def fits(nbytes):
    """True when a dense array of `nbytes` is less than half of the memory."""
    return nbytes <= physical_memory() // 2


def guard_dense(shape, dtype, what):
    """MemoryError at once, before any work, when the dense array cannot fit."""
    nbytes = dense_bytes(shape, dtype)
    if not fits(nbytes):
        raise MemoryError(
            f"{what}: a dense array of shape {tuple(shape)} needs {human_bytes(nbytes)}, "
            "more than half of this machine's memory"
        )


def densify(A, verb, stacklevel=3):
    """`A.toarray()` for a verb without a structured rule: guarded, never silent when large."""
    nbytes = dense_bytes(A.shape, A.dtype)
    guard_dense(A.shape, A.dtype, verb)
    if nbytes > DENSIFY_WARN_BYTES:
        warnings.warn(
            f"{verb}: {type(A).__name__} of shape {A.shape} has no structured rule for this and is "
            f"turned into a dense array of {human_bytes(nbytes)}; call it on A.toarray() to say so",
            DensifyWarning,
            stacklevel=stacklevel + 1,
        )
    return A.toarray()


def human_bytes(n):
    """1536 -> '1.5 KiB'."""
    n = float(n)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB", "PiB"):
        if n < 1024:
            return f"{n:.4g} {unit}"
        n /= 1024
    return f"{n:.3g} EiB"
