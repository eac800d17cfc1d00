"""Successive 2 x 2 factors of a chain on the CPU: up to three while rows are in registers.

For one column the coefficients are all the traffic, so they are packed in the order of use at the
first product with a vector; for blocks of columns they are read as they are stored.
"""

import numpy as np

from structmat._backend import memory, workers
from structmat.matrices.chain import cpu
from structmat.matrices.chain.block_products import TASK, Blocks, width_of

__all__ = ["Stages"]

_NEAR = 2**18  # bytes of a block of rows that stays in the L2 cache
_STRIP = 2**9  # bytes of a row of a strip of columns
_SHORT = 2**13  # entries of a column that cost less than to place it well
_LONG = 2**22  # numbers of a column's stages from which two threads help: at 2^21 they lose
_PARTS = 8  # into which rows are cut for several threads


class Stages:
    """Successive 2 x 2 factors, strides ascending or descending in the order of application."""

    def __init__(self, run):
        self.descending = run[0].pattern.d > run[-1].pattern.d
        self.ascending = run[::-1] if self.descending else run
        self.rows, self.stride = run[0].shape[0], self.ascending[0].pattern.d
        self.width = width = width_of(run[0].dtype)
        self.inner = width.bit_length() - 1 if self.stride == 1 else 0
        # One column: stages within a vector, then strides of whole vectors; else factor by factor.
        starts = self.inner and len(run) >= self.inner and self.rows % width == 0
        self.singles = None if starts or self.stride % width == 0 else [Blocks(F) for F in run]
        self._values = self._packed = None
        self._passes = {}

    def __call__(self, X, rooms=None):
        """The stages applied to the columns of X."""
        if X.shape[1] != 1:
            return self._columns(X, rooms)
        if self.singles is None:
            return self._line(X, rooms)
        for step in self.singles:
            X = step(X)
        return X

    def _cuts(self, which, h, block, first, last):
        """(start, size, block) of the tasks of some passes: parts, or slices of the widest pass."""
        n = self.rows
        if last - first == 1 and h << abs(which) == n:
            size = -(-h // _PARTS) // self.width * self.width or h
            return [(i, min(size, h - i), min(size, h - i)) for i in range(0, h, size)]
        size = max(n // _PARTS // block * block, block)
        return [(i, min(size, n - i), block) for i in range(0, n, size)]

    @staticmethod
    def _output(rooms, size, dtype):
        if rooms is None:
            return memory.aligned(size, dtype)
        return memory.output(rooms, size, dtype)

    # ------------------------------------------------------------ one column

    def _line(self, X, rooms):
        if self._packed is None:
            self._packed = self._pack(X.dtype)
        packed, passes, runs = self._packed
        n = self.rows
        x = X.reshape(n) if X.flags.writeable else memory.flat(X)
        if n <= _SHORT:
            y = np.empty(n, X.dtype)
            cpu.line(x, y, packed, passes)
            return y.reshape(n, 1)
        y = self._output(rooms, n, X.dtype)
        if packed.size < _LONG or workers.get_workers() == 1:
            cpu.line(x, y, packed, passes)
            return y.reshape(n, 1)
        for first, last, cuts in runs:
            tasks = [(x, y, packed, passes, first, last, start, size) for start, size, _ in cuts]
            workers.run(cpu.stages_line, tasks)
        return y.reshape(n, 1)

    def _pack(self, dtype):
        """(numbers in the order of use, passes, tasks of successive runs of passes)."""
        order = [(0, self.inner, True)] if self.inner else []
        order += [(*group, False) for group in _groups(self.inner, len(self.ascending))]
        pieces, passes, offset = [], [], 0
        for first, some, inner in order[::-1] if self.descending else order:
            h, sign = self.stride << first, -1 if self.descending else 1
            values = [F.values for F in self.ascending[first : first + some]]
            if inner:
                pieces.append(_pack_lanes(values, self.width, self.descending))
                passes.append((sign, h, offset, some))
            else:
                pieces.append(_pack_group(values, h, self.width, self.descending))
                passes.append((sign * some, h, offset, 0))
            offset += pieces[-1].size
        packed = memory.aligned(offset, dtype)
        np.concatenate(pieces, out=packed)
        spans = [h << (inner or abs(which)) for which, h, _, inner in passes]
        runs = [
            (first, last, self._cuts(*passes[first][:2], block, first, last))
            for first, last, block in _cut(spans, self.rows // _PARTS, self.rows)
        ]
        return packed, np.array(passes, np.int64), runs

    # ------------------------------------------------------------ columns

    def _columns(self, X, rooms):
        if self._values is None:
            self._values = np.concatenate([F.values.reshape(-1) for F in self.ascending])
        n, k = X.shape
        width, strip = self.width, _STRIP // X.itemsize
        whole = k // width * width
        x, out = memory.flat(X), self._output(rooms, n * k, X.dtype)
        if k == 0:
            return out.reshape(n, k)
        if whole == k <= strip:
            self._strip(x, k, out, k, out, k, k, parallel=n * k >= 2 * TASK)
            return out.reshape(n, k)

        def through(c, w):
            room = memory.aligned(n * w, X.dtype)
            self._strip(x[c:], k, room, w, out[c:], k, w, parallel=False)

        tasks = workers.chunks(whole, strip)
        tasks = [(first, last - first) for first, last in tasks]
        if n * whole >= 2 * TASK:
            workers.run(through, tasks)
        else:
            for task in tasks:
                through(*task)
        if whole < k:  # the last columns, in a block of whole vectors
            room = memory.aligned(n * width, X.dtype).reshape(n, width)
            cpu.widen(x.reshape(n, k), whole, room)
            self._strip(*[room.reshape(-1), width] * 3, width, parallel=False)
            cpu.narrow(room, out.reshape(n, k), whole)
        return out.reshape(n, k)

    def _strip(self, x, ldx, y, ldy, z, ldz, w, *, parallel):
        """Columns 0 .. w of x to those of z, through y."""
        passes, runs = self._row_passes(w * x.itemsize)
        n, arguments = self.rows, (x, ldx, y, ldy, z, ldz, self._values, passes)
        rest = w // self.width, 2 * n
        for first, last, block, cuts in runs:
            if parallel and workers.get_workers() > 1:
                tasks = [
                    (*arguments, first, last, block, start, size, *rest)
                    for start, size, block in cuts
                ]
                workers.run(cpu.stages_rows, tasks)
            else:
                cpu.stages_rows(*arguments, first, last, block, 0, n, *rest)

    def _row_passes(self, row_bytes):
        """(passes, runs (first, last, rows of a block, tasks)) for rows of so many bytes."""
        found = self._passes.get(row_bytes)
        if found is None:
            sign, size = -1 if self.descending else 1, 2 * self.rows
            groups = list(_groups(0, len(self.ascending)))
            passes = [(sign * some, self.stride << i, size * i) for i, some in groups][::sign]
            spans = [h << abs(which) for which, h, _ in passes]
            runs = [
                (first, last, block, self._cuts(*passes[first][:2], block, first, last))
                for first, last, block in _cut(spans, _NEAR // row_bytes, self.rows)
            ]
            found = self._passes[row_bytes] = np.array(passes, np.int64), runs
        return found


def _cut(spans, near, n):
    """Runs (first, last, block) of passes: those within `near` rows together, the others alone."""
    runs, first = [], 0
    while first < len(spans):
        last, block = first + 1, n
        if spans[first] <= near:
            while last < len(spans) and spans[last] <= near:
                last += 1
            block = max(spans[first:last])
        runs.append((first, last, block))
        first = last
    return runs


def _groups(first, last):
    """Stages first .. last - 1 in groups of three, and at most two of two: (first stage, count)."""
    left = last - first
    while left:
        some = 2 if left in (2, 4) else min(left, 3)
        yield last - left, some
        left -= some


def _pack_group(values, h, width, descending):
    """For each vector of columns of the pairs of a group, entries 00, 01, 10, 11 of its blocks."""
    from structmat._backend.simd_butterfly import pairs

    stages, found = len(values), []
    for t, j, _ in pairs(stages, descending):
        v = values[t].reshape(-1, 1 << (stages - 1 - t), 1 << t, h, 4)
        v = v[:, j >> (t + 1), j % (1 << t)]  # (blocks of rows, h, 4)
        found.append(v.reshape(-1, width, 4).transpose(0, 2, 1))
    return np.stack(found, 1).reshape(-1)


def _pack_lanes(values, width, descending):
    """For each vector and stage, factors of the entries themselves and of their partners."""
    found = []
    for v in values:
        own = np.stack([v[:, :, 0, 0], v[:, :, 1, 1]], 1).reshape(-1, width)
        other = np.stack([v[:, :, 0, 1], v[:, :, 1, 0]], 1).reshape(-1, width)
        found.append(np.stack([own, other], 1))
    return np.stack(found[::-1] if descending else found, 1).reshape(-1)
