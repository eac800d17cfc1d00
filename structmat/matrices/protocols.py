"""What NumPy's own functions mean for a structured matrix (NEP 13 and NEP 18).

`np.linalg.solve(A, b)`, `np.trace(A)`, `ndarray @ A`, `np.float64(3) * A` run the structured code.
Everything that is not in these tables is a TypeError that names `A.toarray()`: nothing is ever
converted silently, and there is no `__array__`, because with it `csr @ A` would densify.
"""

import math
import operator

import numpy as np

from structmat import _rules, linalg
from structmat._backend.arrays import is_array

__all__ = ["array_function", "array_ufunc", "reciprocal", "scalar"]


def scalar(c):
    """A real or complex scalar from a Python, NumPy or 0-d array number."""
    if is_array(c) and c.ndim == 0:
        c = c[()] if isinstance(c, np.ndarray) else c.item()
    if isinstance(c, bool | np.bool_):
        return int(c)
    if not isinstance(c, int | float | complex | np.number):
        raise TypeError(f"a matrix can be scaled by a number only; got {type(c).__name__}")
    return c


def reciprocal(c, dtype):
    """(p, q) with p * q = 1 / c, neither beyond the range of `dtype` though 1 / c may be."""
    limits, whole = np.finfo(dtype), 1 / c
    if whole == 0 or c != c or limits.tiny <= abs(whole) <= limits.max:
        return whole, 1
    root = 2.0 ** (math.frexp(max(abs(c.real), abs(c.imag)))[1] // 2)
    return 1 / root, root / c


# ---------------------------------------------------------------- ufuncs

_UFUNCS = {
    np.matmul: operator.matmul,
    np.add: operator.add,
    np.subtract: operator.sub,
    np.multiply: operator.mul,
    np.true_divide: operator.truediv,
}
# The reflected method, called directly: with an ndarray on the left `operator.add` would come
# back here for ever.
_REFLECTED = {
    np.matmul: "__rmatmul__",
    np.add: "__radd__",
    np.subtract: "__rsub__",
    np.multiply: "__rmul__",
}
_UNARY = {np.negative: operator.neg, np.positive: operator.pos, np.conjugate: lambda A: A.conj()}


def array_ufunc(self, ufunc, method, *inputs, **kwargs):
    """NEP 13: matmul, add, subtract, multiply, true_divide, negative, positive, conjugate."""
    if method != "__call__" or kwargs or ufunc not in {*_UFUNCS, *_UNARY}:
        raise TypeError(
            f"np.{ufunc.__name__} is not defined for a {type(self).__name__}"
            f"{' with these options' if kwargs else ''}; for an array use A.toarray()"
        )
    if ufunc in _UNARY:
        return _UNARY[ufunc](inputs[0])
    left, right = inputs
    if is_array(left) or isinstance(left, np.generic):
        if ufunc not in _REFLECTED:
            raise TypeError(f"np.{ufunc.__name__}(array, {type(self).__name__}) is not defined")
        result = getattr(right, _REFLECTED[ufunc])(left)
        if result is NotImplemented:
            raise TypeError(f"np.{ufunc.__name__} of these operands; for arrays use A.toarray()")
        return result
    return _UFUNCS[ufunc](left, right)


# ---------------------------------------------------------------- functions

_FUNCTIONS = {}


def _implements(*functions):
    def add(ours):
        for function in functions:
            _FUNCTIONS[function] = ours
        return ours

    return add


def array_function(self, func, types, args, kwargs):
    """NEP 18: the table below, else TypeError."""
    if func not in _FUNCTIONS:
        name = f"{getattr(func, '__module__', 'numpy')}.{getattr(func, '__name__', func)}"
        raise TypeError(
            f"{name} is not defined for a {type(self).__name__}; call it on A.toarray()"
        )
    return _FUNCTIONS[func](*args, **kwargs)


for _name in ("solve", "inv", "det", "slogdet", "eig", "eigvals", "svdvals", "matrix_power"):
    _FUNCTIONS[getattr(np.linalg, _name)] = getattr(linalg, _name)

_FUNCTIONS[np.linalg.diagonal] = lambda A, *, offset=0: linalg.diagonal(A, offset)
_FUNCTIONS[np.linalg.trace] = lambda A, *, offset=0, dtype=None: _trace(A, offset, dtype=dtype)
_FUNCTIONS[np.linalg.matmul] = operator.matmul
_FUNCTIONS[np.linalg.matrix_norm] = lambda A, *, keepdims=False, ord="fro": _norm(
    A, ord, keepdims=keepdims
)


def _axes(axes, name):
    """The two axes as (0, 1) or (1, 0)."""
    try:
        first, second = (range(2)[operator.index(axis)] for axis in axes)
    except (TypeError, ValueError, IndexError):
        first = second = 0
    if first == second:
        raise ValueError(f"np.{name} of a matrix: the axes must be 0 and 1; got {axes}")
    return first, second


@_implements(np.linalg.eigh)
def _eigh(a, UPLO="L"):
    return linalg.eigh(a)


@_implements(np.linalg.eigvalsh)
def _eigvalsh(a, UPLO="L"):
    return linalg.eigvalsh(a)


@_implements(np.linalg.svd)
def _svd(a, full_matrices=True, compute_uv=True, hermitian=False):
    return linalg.svd(a, full_matrices=full_matrices) if compute_uv else linalg.svdvals(a)


@_implements(np.linalg.cond)
def _cond(x, p=None):
    return linalg.cond(x, p)


@_implements(np.linalg.norm)
def _norm(x, ord=None, axis=None, keepdims=False):
    if np.ndim(axis) == 0 and axis is not None:
        raise TypeError("np.linalg.norm of a structured matrix: the matrix norms only")
    turned = axis is not None and _axes(axis, "linalg.norm") == (1, 0)
    value = linalg.norm(x.T if turned else x, "fro" if ord is None else ord)
    return np.full((1, 1), value) if keepdims else value


@_implements(np.linalg.matrix_rank)
def _matrix_rank(A, tol=None, hermitian=False, *, rtol=None):
    return linalg.matrix_rank(A, rtol=rtol, tol=tol)


@_implements(np.linalg.pinv)
def _pinv(a, rcond=None, hermitian=False, *, rtol=None):
    return linalg.pinv(a, rtol=rcond if rtol is None else rtol)


@_implements(np.linalg.lstsq)
def _lstsq(a, b, rcond=None):
    return linalg.lstsq(a, b, rtol=rcond)


@_implements(np.linalg.cholesky)
def _cholesky(a, /, *, upper=False):
    L = linalg.cholesky(a)
    return L.conj().T if upper else L


@_implements(np.linalg.qr)
def _qr(a, mode="reduced"):
    return linalg.qr(a, mode=mode)


@_implements(np.trace)
def _trace(a, offset=0, axis1=0, axis2=1, dtype=None, out=None):
    if dtype is not None or out is not None:
        raise TypeError("np.trace of a structured matrix takes no `dtype` or `out`; use A.astype")
    return linalg.trace(a, offset if _axes((axis1, axis2), "trace") == (0, 1) else -offset)


@_implements(np.diagonal, np.diag)
def _diagonal(a, offset=0, axis1=0, axis2=1, k=0):
    turned = _axes((axis1, axis2), "diagonal") == (1, 0)
    return linalg.diagonal(a, -offset if turned else offset or k)


@_implements(np.kron)
def _kron(a, b):
    return _rules.combine("kron", _rules.lift(a), _rules.lift(b))


@_implements(np.transpose, np.matrix_transpose, np.linalg.matrix_transpose)
def _transpose(a, axes=None):
    return a.T if axes is None or _axes(axes, "transpose") == (1, 0) else a


@_implements(np.allclose)
def _allclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False):
    return np.allclose(_dense(a), _dense(b), rtol, atol, equal_nan)


@_implements(np.array_equal)
def _array_equal(a1, a2, equal_nan=False):
    return np.array_equal(_dense(a1), _dense(a2), equal_nan)


def _dense(x):
    return x.toarray() if hasattr(x, "toarray") else x


@_implements(np.shape)
def _shape(a):
    return a.shape


@_implements(np.ndim)
def _ndim(a):
    return 2


@_implements(np.size)
def _size(a, axis=None):
    if axis is None:
        return a.size
    return math.prod(a.shape[i] for i in (axis if isinstance(axis, tuple) else (axis,)))


@_implements(np.iscomplexobj)
def _iscomplexobj(x):
    return x.dtype.kind == "c"


@_implements(np.isrealobj)
def _isrealobj(x):
    return x.dtype.kind != "c"


@_implements(np.real)
def _real(val):
    return val if val.dtype.kind != "c" else _rules.make("real", val)


@_implements(np.imag)
def _imag(val):
    if val.dtype.kind != "c":
        return _rules.make("zeros", *val.shape, val.dtype)
    return _rules.make("real", -1j * val)


@_implements(np.result_type)
def _result_type(*args):
    return np.result_type(*(x.dtype if hasattr(x, "_parameters") else x for x in args))


@_implements(np.common_type)
def _common_type(*args):
    return np.common_type(*(np.empty(0, x.dtype) for x in args))


@_implements(np.sum)
def _sum(a, axis=None, dtype=None, out=None, keepdims=False, initial=0, where=True):
    extra = dtype is not None or out is not None or keepdims or where is not True
    if axis not in (None, 0, 1, -1, -2) or extra:
        raise TypeError("np.sum of a structured matrix takes `axis` only; see A.toarray()")
    if axis is None:
        return (a @ np.ones(a.shape[1], a.dtype)).sum() + initial
    B = a if axis in (1, -1) else a.T
    return B @ np.ones(B.shape[1], a.dtype) + initial
