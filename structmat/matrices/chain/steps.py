"""How a chain is applied on the CPU: a plan of steps, and the layout of numbers each one takes.

A chain is applied from its last factor to its first, in steps:

    Stages   successive square 2 x 2 factors of strides h, 2h, 4h ...: up to three of them at a time
             while 2, 4 or 8 rows are in registers
    Blocks   one factor: a d products of a (b, c) block with its c rows, which are d rows apart. The
             kernels take them where they are: no permutation is ever carried out

and, between them, permutations. Where the dense matrix is less work than the factors, or so small
that the calls would take longer than the arithmetic, it is multiplied out once.

For one column the coefficients are all the traffic, so they are packed in the order of use at the
first product with a vector; for blocks of columns they are read as they are stored.
"""

import itertools
import threading

import numpy as np

from structmat._backend import memory, workers
from structmat.matrices.chain import cpu, products
from structmat.matrices.chain.kronecker_sparse import KroneckerSparse

__all__ = ["plan", "steps"]

_SMALL = 2**12  # entries of a matrix that is applied as a dense one: the calls take longer
_LITTLE, _FEW = 2**14, 16  # the same for few columns
_LINE = 2**18  # bytes: the same for one column
_LARGE = 2**22  # entries above which none is, whatever its factors cost
_NEAR = 2**18  # bytes of a block of rows that stays in the L2 cache
_STRIP = 2**9  # bytes of a row of a strip of columns
_TASK = 2**17  # numbers from which work is cut into tasks: a parallel call costs 5-10 us
_PARTS = 8  # into which rows are cut for several threads
_DENSE_TASK = 2**20  # the same for multiplications of the GEMM kernel
_TINY = 64  # b c up to which loops beat a call of BLAS for each block


def plan(A):
    """A function X -> A @ X for a chain or a factor of arrays on the host."""
    if not hasattr(A, "factors"):
        return Blocks(A)
    whole = _whole(A)
    if A.shape == A.full_shape:
        return whole
    return lambda X: products.cropped(whole, A, X)


def _whole(A):
    factors = A.factors
    m, n = A.full_shape
    held = sum(F.pattern.nnz for F in factors if isinstance(F, KroneckerSparse))
    if m * n <= max(_SMALL, min(held, _LARGE)):
        return products.multiplied_out(factors).dot
    found = steps(factors)
    several = found[0] if len(found) == 1 else _Sequence(found)
    # From one column on to how many the dense matrix is faster, where it is at all.
    first = 2 if len(found) == 1 and isinstance(found[0], Stages) else 1
    last = _FEW if m * n <= _LITTLE else 1 if m * n * A.dtype.itemsize <= _LINE else 0
    if last < first:
        return several
    dense = products.multiplied_out(factors)
    return lambda X: dense.dot(X) if first <= X.shape[1] <= last else several(X)


def steps(factors):
    """The steps of a chain, in the order of application."""
    found = []
    for is_sparse, some in itertools.groupby(
        factors[::-1], lambda F: isinstance(F, KroneckerSparse)
    ):
        if not is_sparse:
            found += [_Gather(P) for P in some]
            continue
        for run in _runs(list(some)):
            found.append(Blocks(run[0]) if len(run) == 1 else Stages(run))
    return found


class _Gather:
    """A permutation."""

    def __init__(self, P):
        self.P = P

    def __call__(self, X, room=None):
        return self.P._apply(X)


# What lies between two steps is in one of two pieces of memory a thread, which stay in the cache
# from call to call: fresh memory is cold, and to fault it in takes as long as a small product.
# Whoever borrows a piece takes it away, so that nothing can use it twice at once.
_local = threading.local()
_KEEP = 2**22  # bytes; what is larger is allocated
_COLD = 2**15  # bytes; what is smaller comes warm from the allocator


class _Sequence:
    """One step after another."""

    def __init__(self, found):
        self.steps = found

    def __call__(self, X):
        if X.nbytes < _COLD:
            for step in self.steps:
                X = step(X)
            return X
        rooms = getattr(_local, "rooms", None) or [None, None]
        _local.rooms = None
        last = len(self.steps) - 1
        for i, step in enumerate(self.steps):
            X = step(X, rooms if i < last else None)
        _local.rooms = rooms
        return X


def _output(rooms, size, dtype):
    """Memory for `size` numbers: new, or of the rooms the one that is not in use."""
    nbytes = size * dtype.itemsize
    if rooms is None or nbytes > _KEEP:
        return np.empty(size, dtype)
    rooms.reverse()  # the other one holds what is read
    if rooms[0] is None or rooms[0].nbytes < nbytes:
        rooms[0] = memory.aligned(max(2**16, 1 << (nbytes - 1).bit_length()), np.dtype(np.uint8))
    return rooms[0][:nbytes].view(dtype)


def _runs(factors):
    """Factors in the order of application, those of one butterfly together."""
    run = [factors[0]]
    step = 0  # 1 for ascending strides, -1 for descending ones
    for F in factors[1:]:
        turn = _follows(run[-1].pattern, F.pattern) if F.dtype.kind != "c" else 0
        if turn and step in (0, turn):
            step = turn
            run.append(F)
        else:
            yield run
            run, step = [F], 0
    yield run


def _follows(p, q):
    """1 if the 2 x 2 factor q has twice the stride of p, -1 if half, 0 otherwise."""
    if (p.b, p.c, q.b, q.c) != (2, 2, 2, 2) or p.shape != q.shape:
        return 0
    return 1 if q.d == 2 * p.d else -1 if p.d == 2 * q.d else 0


def _width(dtype):
    """Elements of a vector on this machine."""
    from structmat._backend import simd

    return simd.BYTES // dtype.itemsize


# ---------------------------------------------------------------- stages


class Stages:
    """Successive 2 x 2 factors, strides ascending or descending in the order of application."""

    def __init__(self, run):
        self.descending = run[0].pattern.d > run[-1].pattern.d
        self.ascending = run[::-1] if self.descending else run
        self.rows, self.stride = run[0].shape[0], self.ascending[0].pattern.d
        self.width = width = _width(run[0].dtype)
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

    # ------------------------------------------------------------ one column

    def _line(self, X, rooms):
        if self._packed is None:
            self._packed = self._pack(X.dtype)
        packed, passes, runs = self._packed
        n, x, y = self.rows, memory.flat(X), _output(rooms, self.rows, X.dtype)
        if packed.size < 4 * _TASK or workers.get_workers() == 1:
            cpu.stages_line(x, y, packed, passes, 0, len(passes), 0, n)
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
        x, out = memory.flat(X), _output(rooms, n * k, X.dtype)
        if k == 0:
            return out.reshape(n, k)
        if whole == k <= strip:
            self._strip(x, k, out, k, out, k, k, parallel=n * k >= 2 * _TASK)
            return out.reshape(n, k)

        def through(c, w):
            room = memory.aligned(n * w, X.dtype)
            self._strip(x[c:], k, room, w, out[c:], k, w, parallel=False)

        tasks = workers.chunks(whole, strip)
        tasks = [(first, last - first) for first, last in tasks]
        if n * whole >= 2 * _TASK:
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


# ---------------------------------------------------------------- one factor


class Blocks:
    """One Kronecker-sparse factor."""

    def __init__(self, F):
        self.pattern, self.values = F.pattern, F.values
        a, b, c, d = F.pattern
        self.width = _width(F.dtype)
        self.real, self.empty = F.dtype.kind != "c", 0 in F.pattern
        self.rows = F.shape[0]
        self.heavy = a * b * c * d >= 2 * _TASK
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
            return self._gemm(X, rooms)
        if b * c <= _TINY:
            return self._loops(X)
        Y = np.empty((a, b, d, k), X.dtype)
        np.matmul(
            self.values,
            X.reshape(a, c, d, k).transpose(0, 2, 1, 3),
            out=Y.transpose(0, 2, 1, 3),
        )
        return Y.reshape(-1, k)

    def _laid_out(self):
        if self._flat is None:
            self._flat = memory.flat(np.ascontiguousarray(self.values))
        return self._flat

    def _gemm(self, X, rooms):
        a, b, c, d = self.pattern
        k = X.shape[1]
        x, out = memory.flat(X), _output(rooms, a * b * d * k, X.dtype)
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
        _run(lambda first, last: cpu.loops(V, x, Y, first, last), a * d, b * c * k, _TASK)
        return Y.reshape(-1, k)

    def _line(self, X, rooms):
        if self._packed is None:
            self._packed = self._pack()
        kernel, W, columns, rows = self._packed
        x = (X if X.flags.writeable else memory.flat(X)).reshape(columns)
        y = (
            np.empty(rows, X.dtype)
            if rooms is None
            else _output(rooms, self.rows, X.dtype).reshape(rows)
        )
        if self.heavy:
            _run(lambda first, last: kernel(W, x, y, first, last), len(W), W[0].size, _TASK)
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
