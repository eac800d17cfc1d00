"""Arrays as kernels want them: of the one type they are compiled for, on a cache line, and warm."""

import threading

import numpy as np

__all__ = ["aligned", "flat", "lend", "output", "take_back"]

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
    """np.empty on a cache line (NumPy aligns to 16 bytes): no vector straddles two lines.

    It takes 4 us. Butterfly passes in place take two thirds of the time that they take off lines.
    """
    raw = np.empty(n * dtype.itemsize + _LINE, np.uint8)
    start = -raw.__array_interface__["data"][0] % _LINE
    return raw[start : start + n * dtype.itemsize].view(dtype)


# What lies between two steps of a computation is in one of two rooms that a thread keeps: fresh
# memory is cold, and to fault it in takes as long as a small product. Whoever borrows the rooms
# takes them away, so that nothing can use them twice at once.
_local = threading.local()
_KEEP = 2**22  # bytes of a room; what is larger is allocated


def lend():
    """The two rooms of this thread, for `output`; to be given to `take_back` when done."""
    rooms = getattr(_local, "rooms", None) or [None, None]
    _local.rooms = None
    return rooms


def take_back(rooms):
    """Keep the rooms for the next computation of this thread."""
    _local.rooms = rooms


def output(rooms, size, dtype):
    """`size` numbers: of the room that is not read from, or new where there are no rooms."""
    nbytes = size * dtype.itemsize
    if rooms is None or nbytes > _KEEP:
        return np.empty(size, dtype)
    rooms.reverse()
    if rooms[0] is None or rooms[0].nbytes < nbytes:
        rooms[0] = aligned(max(2**16, 1 << (nbytes - 1).bit_length()), np.dtype(np.uint8))
    return rooms[0][:nbytes].view(dtype)
