"""One factor of a chain on the CPU: a d products of a (b, c) block with its c rows, d rows apart.

The kernels take the rows where they are: no permutation is ever carried out. For one column, the
values are laid out once for the kernel that fits the pattern; for more they are read as stored.
"""

import numpy as np

from structmat._backend import memory, workers
from structmat.matrices.chain import cpu

__all__ = ["Blocks", "width_of"]

TASK = 2**17  # numbers from which work is cut into tasks: a parallel call costs 5-10 us
_DENSE_TASK = 2**20  # the same for multiplications of the GEMM kernel
_BLAS = 16 * 16, 128 * 128  # b c of the blocks that np.matmul takes
_ONE_THREAD = 2**18  # multiplications up to which OpenBLAS uses one thread, whatever its setting
_TINY = 64  # b c up to which loops beat a call of BLAS for each block


def width_of(dtype):
    """Elements of a vector on this machine."""
    from structmat._backend import simd

    return simd.BYTES // dtype.itemsize


class Blocks:
    """One Kronecker-sparse factor."""

    def __init__(self, F):
        self.pattern, self.values = F.pattern, F.values
        a, b, c, d = F.pattern
        self.width = width_of(F.dtype)
        self.real, self.empty = F.dtype.kind != "c", 0 in F.pattern
        self.rows = F.shape[0]
        self.heavy = a * b * c * d >= 2 * TASK
        self._flat = self._packed = None

    def __call__(self, X, rooms=None):
        """F @ X."""
        a, b, c, d = self.pattern
        k = X.shape[1]
        if self.empty or k == 0:
            return np.zeros((a * b * d, k), X.dtype)
        if self.real and k == 1:
            return self._line(X, rooms)
        if self.real and k >= self.width:
            return self._blas(X, rooms) if self._is_for_blas(k) else self._gemm(X, rooms)
        if b * c <= _TINY:
            return self._loops(X)
        Y = np.empty((a, b, d, k), X.dtype)
        np.matmul(
            self.values,
            X.reshape(a, c, d, k).transpose(0, 2, 1, 3),
            out=Y.transpose(0, 2, 1, 3),
        )
        return Y.reshape(-1, k)

    def _is_for_blas(self, k):
        """From 16 to 128 BLAS is faster, by up to a half, where each product runs on one thread."""
        _, b, c, _ = self.pattern
        if not _BLAS[0] <= b * c < _BLAS[1] or min(b, c) < 8:
            return False
        return b * c * k <= _ONE_THREAD or workers.blas_threads() == 1

    def _blas(self, X, rooms):
        a, b, c, d = self.pattern
        k = X.shape[1]
        Y = memory.output(rooms, a * b * d * k, X.dtype)
        V, x = self.values, X.reshape(a, c, d, k).transpose(0, 2, 1, 3)
        y = Y.reshape(a, b, d, k).transpose(0, 2, 1, 3)
        if d > a:  # tasks are cut along the first axis
            V, x, y = (S.swapaxes(0, 1) for S in (V, x, y))

        def task(first, last):
            np.matmul(V[first:last], x[first:last], out=y[first:last])

        _run(task, len(V), a * d // len(V) * b * c * k, _DENSE_TASK)
        return Y.reshape(-1, k)

    def _laid_out(self):
        if self._flat is None:
            self._flat = memory.flat(np.ascontiguousarray(self.values))
        return self._flat

    def _gemm(self, X, rooms):
        a, b, c, d = self.pattern
        k = X.shape[1]
        x, out = memory.flat(X), memory.output(rooms, a * b * d * k, X.dtype)
        V = self._laid_out()
        # Rows a power of two apart compete for a few lines of the L1 cache: through a panel then.
        columns = 3 * self.width if d * k * X.itemsize % 1024 == 0 and c > 8 else 0

        def task(first, last):
            panel = memory.aligned(2 * columns * c, X.dtype)
            cpu.blocks(V, x, out, b, c, d, k, first, last, panel, columns)

        _run(task, a * d, b * c * k, _DENSE_TASK)
        return out.reshape(-1, k)

    def _loops(self, X):
        a, b, c, d = self.pattern
        k = X.shape[1]
        x, Y = memory.flat(X).reshape(a, c, d, k), np.empty((a, b, d, k), X.dtype)
        V = self._laid_out().reshape(a * d, b, c)
        _run(lambda first, last: cpu.loops(V, x, Y, first, last), a * d, b * c * k, TASK)
        return Y.reshape(-1, k)

    def _line(self, X, rooms):
        if self._packed is None:
            self._packed = self._pack()
        kernel, W, columns, rows = self._packed
        x = (X if X.flags.writeable else memory.flat(X)).reshape(columns)
        y = (
            np.empty(rows, X.dtype)
            if rooms is None
            else memory.output(rooms, self.rows, X.dtype).reshape(rows)
        )
        if self.heavy:
            _run(lambda first, last: kernel(W, x, y, first, last), len(W), W[0].size, TASK)
        else:
            kernel(W, x, y, 0, len(W))
        return y.reshape(-1, 1)

    def _pack(self):
        """(kernel for one column, values as it takes them, shapes of its operand and result)."""
        a, b, c, d = self.pattern
        rows = a, b, d
        if d >= self.width and b < 2 * self.width:
            kernel, values = cpu.block_wide, self.values.transpose(0, 2, 3, 1).reshape(a * b, c, d)
            rows = a * b, d
        elif b * c <= 16:
            kernel, values = cpu.line_loops, self.values.reshape(a * d, b, c)
        else:
            kernel = cpu.block_columns
            values = self.values.transpose(0, 1, 3, 2).reshape(a * d, c, b)
        W = memory.flat(np.ascontiguousarray(values)).reshape(values.shape)
        return kernel, W, (a, c, d), rows


def _run(task, count, numbers, least):
    """task(first, last) for all of `count` blocks, at least so many multiplications in each."""
    if count * numbers < 2 * least or workers.get_workers() == 1:
        task(0, count)
    else:
        workers.run(task, workers.chunks(count, max(1, least // max(numbers, 1))))
