"""A matrix is its parameters: everything that follows from them alone.

A parameter is an array, a structured matrix, a plain scalar or string, `None`, or a tuple of
these. A family lists its parameters by name in `_parameters`; copies, conversion of dtype and
device, equality, pickling, size and files follow from the list.
"""

import numpy as np

from structmat._backend import arrays

__all__ = ["families"]

families: dict[str, type] = {}  # by class name: what load() may construct


def remember(cls):
    """Record a family by name, so that a file can name it."""
    families[cls.__name__] = cls


def values(A):
    """Parameters of A by name."""
    return {name: getattr(A, name) for name in A._parameters}


def restore(cls, parameters):
    """A matrix from its class and its parameters (pickle calls this)."""
    return cls._from_parameters(**parameters)


def rebuild(A, change):
    """The same family with `change` applied to every parameter."""
    return type(A)._from_parameters(**{name: each(p, change) for name, p in values(A).items()})


def each(p, change):
    """Apply `change` to a parameter or to every item of a tuple of parameters."""
    if isinstance(p, tuple):
        return tuple(each(q, change) for q in p)
    return change(p)


def leaves(A):
    """The arrays among the parameters, nested matrices included."""
    return [leaf for p in values(A).values() for leaf in _leaves(p)]


def _leaves(p):
    if isinstance(p, tuple):
        return [leaf for q in p for leaf in _leaves(q)]
    if is_matrix(p):
        return leaves(p)
    return [p] if arrays.is_array(p) else []


def is_matrix(p):
    """True for one of ours."""
    return hasattr(p, "_parameters")


# ---------------------------------------------------------------- changes


def conjugate(p):
    """conj of an array or matrix, anything else unchanged."""
    if is_matrix(p) or (arrays.is_array(p) and p.dtype.kind == "c"):
        return p.conj()
    return p.conjugate() if isinstance(p, complex) else p


def cast(p, dtype):
    """`p` for a matrix of `dtype`: floating arrays and matrices change, index arrays do not."""
    if isinstance(p, np.dtype):
        return dtype
    if is_matrix(p):
        return p.astype(dtype)
    return p.astype(dtype, copy=False) if arrays.is_array(p) and p.dtype.kind in "fc" else p


def duplicate(p):
    """An own copy of an array or matrix."""
    return p.copy() if is_matrix(p) or arrays.is_array(p) else p


def on_device(p, device):
    """An array or matrix on "cpu" or "cuda"."""
    if is_matrix(p):
        return p.to_device(device)
    return arrays.move(p, device) if arrays.is_array(p) else p


# ---------------------------------------------------------------- questions


def nbytes(A):
    """Bytes of all arrays; a broadcast (stride 0) axis is stored once and counted once."""
    return sum(_bytes(leaf) for leaf in leaves(A))


def _bytes(x):
    stored = 1
    for n, stride in zip(x.shape, x.strides, strict=True):
        stored *= int(n) if stride or n == 0 else 1
    return stored * x.dtype.itemsize


def equal(A, B):
    """Same family and same parameters, bit for bit (NaN equals NaN)."""
    if type(A) is not type(B) or A.shape != B.shape or A.dtype != B.dtype:
        return False
    return all(_same(p, q) for p, q in zip(values(A).values(), values(B).values(), strict=True))


def _same(p, q):
    if isinstance(p, tuple) and isinstance(q, tuple):
        return len(p) == len(q) and all(map(_same, p, q))
    if arrays.is_array(p) and arrays.is_array(q):
        if p.shape != q.shape or p.dtype != q.dtype:
            return False
        if arrays.namespace_of(p) is not arrays.namespace_of(q):
            return False
        return bool(((p == q) | ((p != p) & (q != q))).all())
    return type(p) is type(q) and bool(p == q)
