"""What Toeplitz, Hankel and circulant matrices share: rows are windows of one sequence."""

import math

import numpy as np

from structmat import _checks
from structmat._results import Cost
from structmat.matrices.base import StructuredMatrix
from structmat.matrices.displacement import convolve, cpu
from structmat.matrices.elementary import _shared

__all__ = ["DENSE_BELOW", "Windows", "sequence", "window_sums"]

# Orders below which LAPACK's LU of the dense matrix takes less time than the structured one, by
# dtype (one core, with 1 to 64 right-hand sides).
DENSE_BELOW = {"f": 640, "d": 384, "F": 448, "D": 256}


class Windows(StructuredMatrix):
    """A matrix whose row i is the window h[i : i + n], read backwards where `_flip` says so.

    Families hand h (shape (m + n - 1,), contiguous; empty for an empty matrix) to `_set_sequence`
    after ``super().__init__``. It is as short as the parameters and derived from them.
    """

    _flip = True

    def _set_sequence(self, h):
        """Hold h, and the shape of vectors if products are direct for every number of columns."""
        self._h = h
        short = self._host and 0 < self.shape[0] * self.shape[1] <= convolve.SMALL
        self._short = (self.shape[1],) if short else None

    def __matmul__(self, x):
        # At order 64 a product with a dense array takes 1.2 us, and so does this one; the way
        # through the base class to a hook would add 1.3 us to that, a function here 0.4 us.
        if type(x) is np.ndarray and x.dtype is self.dtype:
            shape, flags = x.shape, x.flags
            if shape[:1] == self._short and flags.c_contiguous and flags.aligned:
                if len(shape) == 1 or shape[1:] == (1,):
                    v, y = x if len(shape) == 1 else x.reshape(-1), np.empty(self.shape[0], x.dtype)
                    if self.dtype.kind == "c":
                        cpu.correlate_complex(self._h, v, y, self._flip)
                    else:
                        cpu.correlate_vector(self._h, v, y, self._flip)
                    return y if v is x else y.reshape(-1, 1)
                if len(shape) == 2:
                    return convolve.direct(self._h, x, self.shape[0], self._flip)
        return super().__matmul__(x)

    def _apply(self, X):
        return convolve.correlate(self._namespace, self._h, X, self.shape[0], self._flip)

    def _toarray(self):
        m, n = self.shape
        if not (m and n):
            return self._namespace.zeros((m, n), self.dtype)
        if self._host:
            rows = np.lib.stride_tricks.sliding_window_view(self._h, n)
            return np.ascontiguousarray(rows[:, ::-1] if self._flip else rows)
        i = self._namespace.arange
        return self._h[self._place(i(m)[:, None], i(n))]

    def _place(self, i, j):
        """Where entry (i, j) stands in h."""
        return self.shape[1] - 1 + i - j if self._flip else i + j

    def _entries(self, i, j):
        xp = self._namespace
        return self._h[self._place(xp.asarray(i), xp.asarray(j))]

    def _diagonal(self):
        if self._flip:
            n = self.shape[1]
            return self._namespace.repeat(self._h[n - 1 : n], min(self.shape))
        return self._h[: 2 * min(self.shape) : 2].copy()

    def _trace(self):
        return self._diagonal().sum()

    def _norm(self, ord):
        m, n = self.shape
        if ord == "fro":
            xp, size = self._namespace, len(self._h)
            ends = xp.minimum(xp.arange(size) + 1, size - xp.arange(size))
            count = xp.minimum(ends, min(m, n))  # entries on each diagonal
            return _shared.norm_of(abs(self._h).astype(np.float64) * xp.sqrt(count))
        if ord in (1, -1):
            return _shared.sum_norm(window_sums(abs(self._h), m), ord)
        if ord in (math.inf, -math.inf):
            return _shared.sum_norm(window_sums(abs(self._h), n), ord)
        return NotImplemented

    def _factored_in_memory(self):
        """Whether an array of n^2 numbers in double precision fits, on the host."""
        wide = np.result_type(self.dtype, np.float64)
        return self._host and _checks.fits(_checks.dense_bytes(self.shape, wide))

    def _cost(self, verb, ncols):
        m, n = self.shape
        each = 4.0 if self.dtype.kind == "c" else 1.0
        item = self.dtype.itemsize
        if verb == "matmul":
            moved = item * (m + n + (m + n) * float(ncols))
            by_fft = each * 2.5 * (m + n) * math.log2(m + n + 2) * (1 + 2 * ncols)
            if 2 * each * m * n * ncols < by_fft or m * n <= convolve.SMALL:
                return Cost("windows of one sequence", each * 2.0 * m * n * ncols, moved)
            return Cost("FFT of an embedding circulant matrix", by_fft, moved)
        if verb in ("solve", "slogdet") and m == n and self._factored_in_memory():
            k = ncols if verb == "solve" else 0
            if n < DENSE_BELOW[self.dtype.char]:
                flops = each * n * n * (2 / 3 * n + 2.0 * k)
                return Cost("LU of the dense matrix", flops, 2.0 * item * n * n)
            # Eight generators pass through the registers at every step: 8 to 9 ns an entry were
            # measured in float64, the time of 16 numbers from memory.
            wide = np.result_type(self.dtype, np.float64).itemsize
            flops = each * n * n * (40.0 + 4 * k)
            return Cost("LU of the Cauchy-like form", flops, 16.0 * wide * n * n)
        return NotImplemented


def sequence(x, name, family):
    """A one-dimensional parameter; a matrix in its place is told the way to the nearest member."""
    x = _checks.as_array(x, name)
    if x.ndim != 1:
        raise ValueError(
            f"`{name}` must be one-dimensional, a column or row of the matrix; got shape "
            f"{tuple(x.shape)}. For the nearest {family} of a matrix M use "
            f"structmat.project(M, structmat.{family})"
        )
    return x


def window_sums(values, width):
    """Sums of all windows of `width` consecutive values, without a subtraction.

    A window is the end of one block of `width` values and the start of the next; differences of
    running sums would lose small sums beside large ones.
    """
    xp = _shared.namespace_of(values)
    count = len(values) - width + 1
    if not (width and count > 0 and len(values)):
        return values[:0]
    blocks = -(-len(values) // width) + 1
    padded = xp.zeros(blocks * width, values.dtype)
    padded[: len(values)] = values
    padded = padded.reshape(blocks, width)
    starts = xp.zeros((blocks, width), values.dtype)
    starts[:, 1:] = padded[:, :-1]
    with np.errstate(over="ignore"):
        ends = padded[:-1, ::-1].cumsum(1)[:, ::-1]
        return (ends + starts.cumsum(1)[1:]).reshape(-1)[:count]
