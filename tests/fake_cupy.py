"""A stand-in for CuPy on a machine without a GPU: NumPy behind CuPy's manners.

An array of `cupy` refuses NumPy's conversion (`__array__`), refuses to meet a NumPy array in an
operation, and is made by functions of its own namespace only. Code that passes here shares its
paths with the GPU through the array namespace; what the device computes is checked on a device.
"""

import contextlib
import sys
import types

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse

# What this module offers of numpy's names; a name that CuPy lacks must fail here too.
_FUNCTIONS = """
abs absolute all allclose any arange argmax argmin argsort array_equal ascontiguousarray
asfortranarray atleast_1d atleast_2d can_cast block broadcast_arrays broadcast_to clip concatenate
conj conjugate copy cos cumsum diag diagonal diff divide dot einsum empty empty_like exp
expand_dims eye fill_diagonal finfo flatnonzero full full_like hstack hypot imag isfinite isinf
isnan ix_ kron linspace log log1p log2 logical_and logical_not logical_or matmul max maximum mean
median min minimum moveaxis multiply nan_to_num ndim nonzero ones ones_like outer power prod
put_along_axis ravel ravel_multi_index real reciprocal repeat reshape result_type roll rollaxis
searchsorted shape sign sin size sort sqrt square squeeze stack std sum swapaxes take
take_along_axis tanh tensordot tile trace transpose count_nonzero delete append argpartition
partition cross nanmax nansum ldexp frexp signbit isclose sinh cosh arctan2 tri tril triu unique
unravel_index vdot vstack where zeros zeros_like errstate iscomplexobj isrealobj angle round floor
isin add subtract negative bincount copyto array asarray
""".split()
_LINALG = """
cholesky det eigh eigvalsh inv lstsq matrix_power matrix_rank norm pinv qr slogdet solve svd eig
eigvals
""".split()
_FFT = "fft ifft rfft irfft fft2 ifft2 fftn ifftn rfftn irfftn hfft ihfft".split()


class ndarray(np.lib.mixins.NDArrayOperatorsMixin):
    """A NumPy array that behaves as one of CuPy's."""

    __array_priority__ = 100

    def __init__(self, host):
        self._host = host

    def __array__(self, *args, **kwargs):
        raise TypeError("Implicit conversion to a NumPy array is not allowed; use `.get()`")

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        if any(hasattr(x, "_parameters") for x in inputs):
            return NotImplemented
        result = getattr(ufunc, method)(
            *map(_unwrap, inputs), **kwargs, **({"out": _unwrap(out)} if out else {})
        )
        if out is not None:
            return out[0]
        return _wrap(result)

    def get(self):
        return self._host.copy()

    @property
    def device(self):
        return types.SimpleNamespace(id=0)

    @property
    def data(self):
        return types.SimpleNamespace(ptr=self._host.ctypes.data if self._host.size else 0)

    def __dlpack__(self, **kwargs):
        return self._host.__dlpack__()

    def __dlpack_device__(self):
        return (2, 0)

    def item(self, *args):
        return self._host.item(*args)

    def view(self, *args):
        return _wrap(self._host.view(*args))

    def __getitem__(self, key):
        return ndarray(np.asarray(self._host[_unwrap_key(key)]))

    def __setitem__(self, key, value):
        self._host[_unwrap_key(key)] = _unwrap(value)

    def __len__(self):
        return len(self._host)

    def __float__(self):
        return float(self._host)

    def __complex__(self):
        return complex(self._host)

    def __int__(self):
        return int(self._host)

    def __index__(self):
        return self._host.__index__()

    def __bool__(self):
        return bool(self._host)

    def __iter__(self):
        return (self[i] for i in range(len(self._host)))

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        value = getattr(self._host, name)
        if callable(value):
            return lambda *args, **kwargs: _wrap(
                value(*map(_unwrap, args), **{k: _unwrap(v) for k, v in kwargs.items()})
            )
        return _wrap(value)


ndarray.__module__ = "cupy"


def _wrap(x):
    if isinstance(x, np.ndarray | np.generic):
        return ndarray(np.asarray(x))
    if type(x) is tuple:
        return tuple(map(_wrap, x))
    if isinstance(x, tuple):  # NumPy's named tuples
        return type(x)(*map(_wrap, x))
    return [_wrap(y) for y in x] if isinstance(x, list) else x


def _unwrap(x):
    if isinstance(x, ndarray):
        return x._host
    if isinstance(x, np.ndarray) and x.ndim:
        raise TypeError("Unsupported type <class 'numpy.ndarray'>")
    if isinstance(x, tuple | list):
        return type(x)(map(_unwrap, x))
    return x


def _unwrap_key(key):
    if isinstance(key, tuple):
        return tuple(map(_unwrap_key, key))
    return key._host if isinstance(key, ndarray) else key


def _function(f):
    def call(*args, **kwargs):
        return _wrap(f(*map(_unwrap, args), **{k: _unwrap(v) for k, v in kwargs.items()}))

    return call


def _from_host(x, dtype=None, **kwargs):
    return ndarray(np.array(x._host if isinstance(x, ndarray) else x, dtype=dtype, copy=None))


def module():
    """A module object named cupy."""
    cupy = types.ModuleType("cupy")
    for name in _FUNCTIONS:
        setattr(cupy, name, _function(getattr(np, name)))
    constants = "float32 float64 complex64 complex128 int32 int64 intp bool_ inf nan pi newaxis"
    for name in (*constants.split(), "dtype", "errstate", "finfo", "result_type"):
        setattr(cupy, name, getattr(np, name))
    cupy.asarray = cupy.array = _from_host
    cupy.ascontiguousarray = lambda x, dtype=None: ndarray(
        np.ascontiguousarray(x._host if isinstance(x, ndarray) else x, dtype)
    )
    cupy.ndarray = ndarray
    cupy.linalg = types.ModuleType("cupy.linalg")
    for name in _LINALG:
        setattr(cupy.linalg, name, _function(getattr(np.linalg, name)))
    cupy.fft = types.ModuleType("cupy.fft")
    for name in _FFT:
        setattr(cupy.fft, name, _function(getattr(np.fft, name)))
    cupy.RawModule = _no_compiler
    cupy.cuda = types.SimpleNamespace(
        is_available=lambda: True,
        Device=lambda i=0: types.SimpleNamespace(
            attributes={"MaxSharedMemoryPerBlockOptin": 227 * 1024}
        ),
        runtime=types.SimpleNamespace(getDevice=lambda: 0, deviceSynchronize=lambda: None),
    )
    cupy.asnumpy = lambda x: x.get() if isinstance(x, ndarray) else np.asarray(x)
    cupy.from_dlpack = lambda x: ndarray(np.from_dlpack(_Exported(x)))
    return cupy


def _no_compiler(**arguments):
    """In the place of cupy.RawModule where no emulator runs kernels (tests/gpu/emulated.py)."""
    pytest.skip("a kernel needs the emulator: Linux and g++")


class _Exported:
    """A foreign device array as NumPy may read it: the memory of the stand-in is the host's."""

    def __init__(self, x):
        self._x = x

    def __dlpack__(self, **kwargs):
        return self._x.__dlpack__()

    def __dlpack_device__(self):
        return (1, 0)


class LinearOperator:
    """The doors of cupyx's LinearOperator, and its defaults that go column by column."""

    ndim = 2
    by_columns = 0  # products that a default took apart

    def __init__(self, dtype, shape):
        self.dtype, self.shape = np.dtype(dtype), tuple(shape)

    def _column_by_column(self, product, X):
        LinearOperator.by_columns += 1
        return sys.modules["cupy"].hstack([product(X[:, i : i + 1]) for i in range(X.shape[1])])

    def _matmat(self, X):
        return self._column_by_column(self.matvec, X)

    def _rmatmat(self, X):
        return self._column_by_column(self.rmatvec, X)

    def _vector(self, product, x, rows, columns):
        if x.shape not in ((columns,), (columns, 1)):
            raise ValueError("dimension mismatch")
        return product(x).reshape((rows,) if x.ndim == 1 else (rows, 1))

    def matvec(self, x):
        return self._vector(self._matvec, x, *self.shape)

    def rmatvec(self, x):
        return self._vector(self._rmatvec, x, *self.shape[::-1])

    def matmat(self, X):
        return self._matmat(X)

    def rmatmat(self, X):
        return self._rmatmat(X)

    def __matmul__(self, x):
        return self.matvec(x) if x.ndim == 1 else self.matmat(x)

    __call__ = dot = __matmul__

    H = property(lambda self: self._adjoint())
    T = property(lambda self: self._transpose())


class csr_matrix:
    """CuPy's sparse rows, as far as a product and a sum need them."""

    __array_ufunc__ = None

    def __init__(self, arg, shape=None):
        if isinstance(arg, tuple):
            arg = scipy.sparse.csr_array(tuple(map(_unwrap, arg)), shape)
        self._csr = arg.tocsr()

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        value = getattr(self._csr, name)
        if callable(value):
            return lambda *args: self._out(value(*map(_unwrap, args)))
        return self._out(value)

    @staticmethod
    def _out(x):
        return csr_matrix(x) if scipy.sparse.issparse(x) else _wrap(x)

    def __matmul__(self, other):
        return self._out(self._csr @ _unwrap(getattr(other, "_csr", other)))

    def __add__(self, other):
        return self._out(self._csr + other._csr)


def _cupyx():
    cupyx = types.ModuleType("cupyx")
    cupyx.errstate = lambda **_: contextlib.nullcontext()
    cupyx.scipy = types.ModuleType("cupyx.scipy")
    cupyx.scipy.linalg = types.ModuleType("cupyx.scipy.linalg")
    for name in ("lu_factor", "lu_solve", "solve_triangular"):
        setattr(cupyx.scipy.linalg, name, _function(getattr(scipy.linalg, name)))
    cupyx.scipy.sparse = types.ModuleType("cupyx.scipy.sparse")
    cupyx.scipy.sparse.csr_matrix = csr_matrix
    cupyx.scipy.sparse.linalg = types.ModuleType("cupyx.scipy.sparse.linalg")
    cupyx.scipy.sparse.linalg.LinearOperator = LinearOperator
    return cupyx


def install(monkeypatch):
    """Put the stand-in into sys.modules for one test."""
    cupy, cupyx = module(), _cupyx()
    for name, fake in {
        "cupy": cupy,
        "cupy.linalg": cupy.linalg,
        "cupy.fft": cupy.fft,
        "cupyx": cupyx,
        "cupyx.scipy": cupyx.scipy,
        "cupyx.scipy.linalg": cupyx.scipy.linalg,
        "cupyx.scipy.sparse": cupyx.scipy.sparse,
        "cupyx.scipy.sparse.linalg": cupyx.scipy.sparse.linalg,
    }.items():
        monkeypatch.setitem(sys.modules, name, fake)
    # The twin of the dense backend binds CuPy when it is imported; let it bind this one.
    monkeypatch.delitem(sys.modules, "structmat._backend.dense_cupy", raising=False)
    import structmat._backend as backend

    monkeypatch.delattr(backend, "dense_cupy", raising=False)
    return cupy
