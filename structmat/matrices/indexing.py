"""A[i, j]: entries, rows, columns and blocks, without the dense matrix.

An entry hook (`_entries`) answers for any set of indices; a matrix known only by its action
multiplies by the unit vectors of the shorter side of what was asked for.
"""

import operator

import numpy as np

from structmat import _checks
from structmat._backend.arrays import namespace_of
from structmat.matrices import parameters

__all__ = ["take"]


def take(A, key):
    """A[key] for integers, slices, index arrays and boolean masks; a scalar or an ndarray."""
    rows, columns = _split(key)
    i, i_is_scalar = _positions(rows, A.shape[0], 0)
    j, j_is_scalar = _positions(columns, A.shape[1], 1)
    paired = not (
        i_is_scalar or j_is_scalar or isinstance(rows, slice) or isinstance(columns, slice)
    )
    if paired:
        # Two index arrays pick A[i0, j0], A[i1, j1] ... as NumPy does; np.ix_ makes a block.
        i, j = np.broadcast_arrays(i, j)
        return _entries(A, i, j)
    _checks.guard_dense((_count(i), _count(j)), A.dtype, "A[rows, columns]")
    i_shape, j_shape = _shape(i, i_is_scalar), _shape(j, j_is_scalar)
    i, j = _array(i).reshape(-1), _array(j).reshape(-1)
    block = _entries(A, i[:, None], j[None, :])
    if i_is_scalar and j_is_scalar:
        return block[0, 0]
    return block.reshape(*i_shape, *j_shape)


def _split(key):
    if not isinstance(key, tuple):
        key = (key,)
    if any(k is None for k in key):
        raise IndexError("a matrix stays two-dimensional: np.newaxis is not supported")
    if Ellipsis in [k for k in key if isinstance(k, type(Ellipsis))]:
        at = next(p for p, k in enumerate(key) if k is Ellipsis)
        fill = (slice(None),) * (2 - (len(key) - 1))
        key = key[:at] + fill + key[at + 1 :]
    if len(key) > 2:
        raise IndexError(f"too many indices: a matrix has 2 dimensions, got {len(key)}")
    return (*key, slice(None), slice(None))[:2]


def _positions(index, n, axis):
    """Non-negative positions, and whether a single integer asked for them."""
    if isinstance(index, slice):
        return range(*index.indices(n)), False  # an array only once it is known to be small
    if not isinstance(index, list | tuple) and np.ndim(index) == 0:
        try:
            p = operator.index(None if isinstance(index, bool) else index)
        except TypeError:
            raise IndexError(
                "only integers, slices, integer and boolean arrays are valid indices; "
                f"got {type(index).__name__}"
            ) from None
        if not -n <= p < n:
            raise IndexError(f"index {p} is out of bounds for axis {axis} with size {n}")
        return _object_safe([p % n]), True
    index = np.asarray(index)
    if index.dtype == bool:
        if index.shape != (n,):
            raise IndexError(
                f"boolean index of shape {index.shape} does not match axis of size {n}"
            )
        return np.flatnonzero(index), False
    if index.size == 0:
        index = index.astype(np.intp)
    if index.dtype.kind not in "iuO":
        raise IndexError(f"index arrays must hold integers; got dtype {index.dtype}")
    if index.size and not (-n <= int(index.min()) and int(index.max()) < n):
        raise IndexError(f"index out of bounds for axis {axis} with size {n}")
    # A narrow or unsigned type would wrap around in the arithmetic of positions.
    index = index.astype(np.int64 if n < 2**63 else object)
    return np.where(index < 0, index + n, index), False


def _count(positions):
    """Number of positions; `len` of a range overflows beyond 2**63."""
    if isinstance(positions, range):
        return max(0, -((positions.start - positions.stop) // positions.step))
    return positions.size


def _shape(positions, is_scalar):
    """What an index contributes to the shape of the answer."""
    if is_scalar:
        return ()
    return (_count(positions),) if isinstance(positions, range) else positions.shape


def _array(positions):
    if not isinstance(positions, range):
        return positions
    if max(abs(positions.start), abs(positions.stop)) < 2**62:
        return np.arange(positions.start, positions.stop, positions.step)
    return _object_safe(list(positions))


def _object_safe(values):
    """int64 where it fits; Python integers for matrices of more than 2**63 rows."""
    big = any(v >= 2**63 for v in values)
    return np.array(values, dtype=object if big else np.int64)


def _entries(A, i, j):
    values = A._entries(i, j)
    if values is not NotImplemented:
        return values
    shape = np.broadcast_shapes(i.shape, j.shape)
    xp = namespace_of(*parameters.leaves(A), default=np)
    columns, which_column = np.unique(j, return_inverse=True)
    rows, which_row = np.unique(i, return_inverse=True)
    by_columns = len(columns) <= len(rows)
    B, few, many = (A, columns, i) if by_columns else (A.T, rows, j)
    which = (which_column if by_columns else which_row).reshape((j if by_columns else i).shape)
    _checks.guard_dense((B.shape[1], len(few)), A.dtype, "A[rows, columns]")
    unit = xp.zeros((B.shape[1], len(few)), A.dtype)
    unit[few, np.arange(len(few))] = 1
    many, which = (np.broadcast_to(p, shape) for p in (many, which))
    return (B @ unit)[many, which]
