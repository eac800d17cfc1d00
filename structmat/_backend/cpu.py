"""The one Numba policy. A kernel file says ``@jit`` and nothing else.

Numba costs 0.1-0.7 s to import and 0.2 s more at the first kernel, so nothing here imports it
before a kernel is called: ``@jit`` leaves a `Kernel`, and the first call of any kernel of a file
turns all kernels of that file into Numba dispatchers, in place, so that kernels may call each other
and later calls cost Numba's own dispatch (70 ns an array argument). Compiled code is nogil, cached
on disk, with NumPy's division and IEEE arithmetic.

What a kernel file may hold, because a cached kernel does not see edits elsewhere: kernels that call
kernels of their own file and the intrinsics of `simd*` (whose hash is in the key of the cache), and
globals that never change.
"""

import hashlib
import importlib
import logging
import os
import threading

__all__ = ["Kernel", "deferred", "jit"]

_log = logging.getLogger("structmat")
_lock = threading.RLock()
# What `fast=True` allows. Never "nnan" or "ninf": with them a test for NaN is optimised away.
_FAST = frozenset({"reassoc", "contract", "nsz"})


def jit(function=None, *, fast=False):
    """Compile a module-level function with Numba at its first call.

    Parameters
    ----------
    function : callable
        The kernel: arrays and scalars in, arrays written in place; no `self`, no raise.
    fast : bool
        Allow sums to be reordered and contracted (`reassoc`, `contract`, `nsz`). For reductions
        that should vectorise; never where a compensated sum or a fixed order is meant.

    Returns
    -------
    Kernel
        Callable like the function.

    Notes
    -----
    ``STRUCTMAT_NO_CACHE=1`` in the environment turns the disk cache off. A cache that cannot be
    written or read is never an error: the kernel is then compiled once per process.
    """
    if function is None:
        return lambda f: Kernel(f, fast)
    return Kernel(function, fast)


class Kernel:
    """A function waiting for its first call, when Numba takes its place in its module."""

    __slots__ = ("_compiled", "_fast", "py_func")

    def __init__(self, function, fast):
        self.py_func = function
        self._fast = fast
        self._compiled = None

    def __call__(self, *args):
        compiled = self._compiled
        if compiled is None:
            _settle(self.py_func.__globals__)
            compiled = self._compiled or self._compile()
        return compiled(*args)

    def _compile(self):
        with _lock:
            if self._compiled is None:
                self._compiled = _dispatcher(self.py_func, self._fast)
            return self._compiled

    def __repr__(self):
        state = "not compiled" if self._compiled is None else "compiled"
        return f"<kernel {self.py_func.__module__}.{self.py_func.__qualname__}, {state}>"


class _Deferred:
    """Stands in a kernel file for a module that imports Numba at its top."""

    __slots__ = ("name",)

    def __init__(self, name):
        self.name = name

    def __getattr__(self, attribute):
        return getattr(importlib.import_module(self.name), attribute)


def deferred(name):
    """The module `name`, imported when the first kernel of this file is called."""
    return _Deferred(name)


def _settle(namespace):
    """Replace every kernel and deferred module among the globals of a file by the real thing."""
    with _lock:
        for name, value in list(namespace.items()):
            if isinstance(value, _Deferred):
                namespace[name] = importlib.import_module(value.name)
            elif isinstance(value, Kernel):
                namespace[name] = value._compile()


def _dispatcher(function, fast):
    import numba

    kernel = numba.njit(nogil=True, error_model="numpy", fastmath=set(_FAST) if fast else False)(
        function
    )
    if kernel is not function and _may_cache():
        _enable_cache(kernel)
    return kernel


def _may_cache():
    if os.environ.get("STRUCTMAT_NO_CACHE", "") not in ("", "0"):
        return False
    # With XDG_CACHE_HOME="" Numba may leave a folder in whatever directory is the current one.
    users = os.environ.get("XDG_CACHE_HOME", os.sep)
    return os.path.isabs(users) or bool(os.environ.get("NUMBA_CACHE_DIR"))


def _enable_cache(kernel):
    try:
        kernel._cache = _cache_class()(kernel.py_func)
    except (RuntimeError, OSError) as error:
        # "no locator available": neither the package's folder nor the user's can be written.
        _log.debug("kernels are not cached on disk: %s", error)


_class = None


def _cache_class():
    """Numba's function cache, which never fails and which knows the intrinsics it was built on."""
    global _class
    if _class is not None:
        return _class
    from numba.core.caching import FunctionCache

    folder = os.path.dirname(__file__)
    intrinsics = hashlib.sha256()
    for name in sorted(os.listdir(folder)):
        if name.startswith("simd") and name.endswith(".py"):
            with open(os.path.join(folder, name), "rb") as file:
                intrinsics.update(file.read())
    intrinsics = intrinsics.hexdigest()

    class Cache(FunctionCache):
        def _index_key(self, sig, codegen):
            return (*super()._index_key(sig, codegen), intrinsics)

        def load_overload(self, sig, target_context):
            try:
                found = super().load_overload(sig, target_context)
            except Exception as error:  # a truncated or foreign file: compile again
                _log.debug("cached kernel not readable: %s", error)
                return None
            # Numba numbers the files of a kernel without a lock: two processes that compile it at
            # the same time, for different dtypes, may write one file and name it for both.
            if found is not None and tuple(found.signature.args) != tuple(sig):
                _log.debug("cached kernel is for %s, not %s", found.signature.args, sig)
                return None
            return found

        def save_overload(self, sig, data):
            try:
                super().save_overload(sig, data)
            except Exception as error:  # a full disk, a folder that became read-only
                _log.debug("kernel not cached: %s", error)

    _class = Cache
    return Cache
