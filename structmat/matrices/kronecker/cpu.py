"""Products with A_1 (x) ... (x) A_d on the CPU: one mode product per factor, several per sweep.

``(A_1 (x) ... (x) A_d) X`` applies A_i along axis i of X seen as (n_1, ..., n_d, k). One mode
product reads and writes the whole array, so small factors, one at a time, run at the speed of
memory and not of arithmetic. A *sweep* takes adjacent factors together, tile by tile: a tile holds
all entries along the sweep's axes for a few columns, so that the passes between the first and the
last factor stay in the L2 cache. With L the axes before those of the sweep and R those after it
(k included),

    X (L, q, R)  ->  Y (L, p, R),    q = n_a ... n_b,   p = m_a ... m_b,

the columns of a tile fill vectors in one of three ways:

    COLUMNS   R is at least a vector: some of the R columns of one l
    LAST      R = 1 and m_b whole vectors: the columns of A_b^T, in X (L q / n_b, n_b) @ A_b^T
    ROWS      R is less than a vector: R columns of several l, transposed on the way in and out

Factors are fused, never merged: A_i (x) A_j may overflow where A_i (A_j x) does not.
"""

import math
import threading

import numpy as np

from structmat._backend import memory, workers
from structmat._backend.cpu import deferred, jit
from structmat.matrices.kronecker.sweeps import BLAS, LAST, order, plan

__all__ = ["apply", "apply_mode"]

simd = deferred("structmat._backend.simd")

# Below this many entries of X, np.matmul is within microseconds of the kernels, and a process that
# stays below never waits for Numba (0.3 s).
_SMALL = 2**14
# With BLAS on several threads, its idle threads spin, and ours share a core with them: on two cores
# the kernels then run at 0.4-0.9 of np.matmul for factors of 32 and more (1.0-1.2 on one thread).
_SPUN = 32


def _is_for_blas(X, shapes):
    if X.size < _SMALL or X.dtype.kind == "c":
        return True
    return min([min(s) for s in shapes]) >= _SPUN and workers.blas_threads() > 1


def apply(factors, X):
    """(A_1 (x) ... (x) A_d) @ X.

    Parameters
    ----------
    factors : sequence of (m_i, n_i) ndarray
        Any strides, all of X's dtype; the first factor is the slowest axis, as in `numpy.kron`.
    X : (prod n_i, k) ndarray
        C-contiguous, float32, float64, complex64 or complex128.

    Returns
    -------
    (prod m_i, k) ndarray
        New, C-contiguous.

    Notes
    -----
    Costs ``2 N k sum(m_i)`` flops for square factors, N = prod n_i. Rectangular factors are applied
    in ascending 1/n_i - 1/m_i (the most shrinking first), which minimises the flops. Each entry is
    the same sum whatever the number of threads.
    """
    if X.size < _SMALL:  # first: what follows costs as much as a product of order 64
        return _matmul(factors, X)
    shapes = tuple([A.shape for A in factors])
    if _is_for_blas(X, shapes):
        return _matmul(factors, X)
    if any([m == 0 for m, _ in shapes]):
        return np.zeros((0, X.shape[1]), X.dtype)
    return _sweeps(factors, X, plan(shapes, X.shape[1], X.itemsize)).reshape(-1, X.shape[1])


def apply_mode(A, X, left, right):
    """A along the middle axis of X seen as (left, n, right).

    Parameters
    ----------
    A : (m, n) ndarray
        Any strides.
    X : ndarray
        C-contiguous, ``left * n * right`` entries of A's dtype.
    left, right : int
        Products of the sizes of the axes before and after.

    Returns
    -------
    (left, m, right) ndarray
        New, C-contiguous.
    """
    m = A.shape[0]
    if m == 0 or _is_for_blas(X, (A.shape,)):
        return _mode(A, X, left, right).reshape(left, m, right)
    way = plan(((left, left), A.shape), right, X.itemsize, skip=1)
    return _sweeps((None, A), X, way).reshape(left, m, right)


# ------------------------------------------------------------- np.matmul, one factor at a time


def _mode(A, X, left, right, out=None):
    m, n = A.shape
    # ndarray.dot: half a microsecond less than matmul, which shows for a vector of 64^2.
    if right == 1:
        return X.reshape(left, n).dot(A.T, out=None if out is None else out.reshape(left, m))
    if left == 1:
        return A.dot(X.reshape(n, right), out=None if out is None else out.reshape(m, right))
    return np.matmul(
        A, X.reshape(left, n, right), out=None if out is None else out.reshape(left, m, right)
    )


def _matmul(factors, X):
    k = X.shape[1]
    Y, left, right = X, 1, X.size
    for A in factors:
        m, n = A.shape
        if m != n or right == 0:
            return _rectangular(factors, X)
        right //= n
        Y = _mode(A, Y, left, right)
        left *= m
    return Y.reshape(left, k) if Y is not X else X.copy()


def _rectangular(factors, X):
    k, shapes = X.shape[1], [A.shape for A in factors]
    rows, sizes, Y = math.prod([m for m, _ in shapes]), [n for _, n in shapes], X
    if rows * X.size == 0:
        return np.zeros((rows, k), X.dtype)
    for i in order(shapes):
        Y = _mode(factors[i], Y, math.prod(sizes[:i]), math.prod(sizes[i + 1 :]) * k)
        sizes[i] = shapes[i][0]
    return Y.reshape(rows, k)


# ------------------------------------------------------------- running a plan


def _sweeps(factors, X, way):
    x = memory.flat(X)
    size, spare, room = way.sizes
    result = memory.aligned(size, X.dtype)
    scratch, given = _borrow(spare + room + way.work, X.dtype)
    buffers = result, scratch[:spare], scratch[spare : spare + room]
    work = scratch[spare + room :]
    for sweep, target in zip(way.sweeps, way.targets):
        out = buffers[target][: sweep.size]
        if sweep.kind == BLAS:
            L, _, R = sweep.shape
            _mode(factors[sweep.factors[0]], x, L, R, out)
        else:
            _run(sweep, [factors[i] for i in sweep.factors], x, out, work)
        x = out
    _local.scratch = given
    return x


def _run(sweep, factors, x, out, work):
    if sweep.kind == LAST:
        factors[-1] = _transposed(factors[-1])
    if len(factors) == 1:
        A = memory.flat(np.ascontiguousarray(factors[0]))
    else:
        A = np.concatenate([F.ravel() for F in factors])
    # By name: the first call replaces the kernels among the globals of this file.
    kernel, tasks = (_columns, _last, _rows)[sweep.kind], sweep.tasks
    arguments = x, out, A, sweep.offsets, sweep.modes, sweep.geometry, sweep.half
    if len(tasks) == 1 or workers.get_workers() == 1:
        kernel(*arguments, work, 0, tasks[-1][1])
        return

    def task(first, last):
        work, given = _borrow(sweep.work, x.dtype)
        kernel(*arguments, work, first, last)
        _local.scratch = given

    workers.run(task, tasks)


# One block of memory a thread, kept from call to call: it is warm in the cache, and finding it
# costs less than the allocation. Who borrows it takes it away, so nothing can use it twice at once.
_local = threading.local()
_KEEP = 2**21


def _borrow(n, dtype):
    """(n entries on a cache line, what to put back as `_local.scratch` when done with them)."""
    nbytes = n * dtype.itemsize
    if nbytes > _KEEP:
        return memory.aligned(n, dtype), None
    block = getattr(_local, "scratch", None)
    _local.scratch = None
    if block is None:
        block = memory.aligned(_KEEP, np.dtype(np.uint8))
    return block[:nbytes].view(dtype), block


def _transposed(A):
    if not A.flags.c_contiguous:
        return np.ascontiguousarray(A.T)
    out = np.empty(A.shape[::-1], A.dtype)
    _transpose(memory.flat(A), out.reshape(-1), *A.shape)
    return out


# ------------------------------------------------------------- kernels
# X (L, q, R), Y (L, p, R), flat; Y may be X, for a tile is read whole before it is written.
# modes: for each factor in the order of application
#        (index in offsets, m, n, axes before it, axes after it, columns of a panel)
# work:  two halves of a tile, and from 2 * half on a panel


@jit
def _transpose(A, out, m, n):
    simd.transpose_block(A, 0, n, out, 0, m, m, n)


@jit
def _product(A, ia, m, n, outer, inner, B, ib, ldb, C, ic, ldc, w, work, ip, columns):
    # C (outer, m, inner, w) = A (m, n) along the second axis of B (outer, n, inner, w); the rows
    # of w entries are ldb and ldc apart.
    if ldb == w and ldc == w:
        w, ldb, ldc, inner = inner * w, inner * ldb, inner * ldc, 1
    # Packing pays from the third row of register tiles on, when B's rows overflow the L1 cache.
    if m <= 16 or n * inner * ldb <= 4096:
        columns = 0
    # A batch goes through the tiles together only where its parts are small: it runs over all of
    # them for three vectors of columns before the next three, which memory does not like.
    batch = outer if inner == 1 and n * ldb <= 2048 else 1
    for o in range(0, outer, batch):
        for j in range(inner):
            b = ib + (o * n * inner + j) * ldb
            c = ic + (o * m * inner + j) * ldc
            simd.gemm_packed(
                A, ia, n, m, B, b, inner * ldb, C, c, inner * ldc, n, w, batch, n * ldb, m * ldc,
                work, ip, columns,
            )  # fmt: skip


@jit
def _columns(X, Y, A, offsets, modes, geometry, half, work, first, last):
    q, p, R, across, lanes, direct_in = geometry
    end = modes.shape[0] - 1
    ip = 2 * half
    if R % lanes:  # the tile's rows end inside a vector, which is computed whole
        work[:ip] = 0
    for t in range(first, last):
        l, c = t // across, t % across
        start = c * (R // lanes) // across * lanes
        stop = (c + 1) * (R // lanes) // across * lanes if c < across - 1 else R
        w = stop - start
        ld = (w + lanes - 1) // lanes * lanes
        x, y = l * q * R + start, l * p * R + start
        source = 0
        if not direct_in:
            simd.copy_block(X, x, R, work, 0, ld, q, w)
        for s in range(end + 1):
            f, m, n, outer, inner, columns = modes[s]
            target = half - source
            if s == 0 and direct_in:
                B, b, ldb, wide = X, x, R, w
            else:
                B, b, ldb, wide = work, source, ld, ld
            if s == end:
                C, c, ldc, wide = Y, y, R, w
            else:
                C, c, ldc = work, target, ld
            _product(
                A, offsets[f], m, n, outer, inner, B, b, ldb, C, c, ldc, wide, work, ip, columns
            )
            source = target


@jit
def _last(X, Y, A, offsets, modes, geometry, half, work, first, last):
    # A holds the last factor transposed: (n, m).
    L, q, p, step = geometry
    end = modes.shape[0] - 1
    ip = 2 * half
    for t in range(first, last):
        l = t * step
        count = min(step, L - l)
        source = 0
        for s in range(end + 1):
            f, m, n, outer, inner, columns = modes[s]
            target = half - source
            out, o = (Y, l * p) if s == end else (work, target)
            if s == 0:
                # X (count * outer, n) @ A_b^T: here X is the left and the factor the right operand.
                if n * m <= 4096:
                    columns = 0
                left, a, right, b = X, l * q, A, offsets[f]
                rows, w, batch = count * outer, m, 1
            else:
                left, a, right, b = A, offsets[f], work, source
                rows, w, batch, columns = m, inner, count * outer, 0
            simd.gemm_packed(
                left, a, n, rows, right, b, w, out, o, w, n, w, batch, n * w, rows * w,
                work, ip, columns,
            )  # fmt: skip
            source = target


@jit
def _rows(X, Y, A, offsets, modes, geometry, half, work, first, last):
    L, q, p, R, step, lanes = geometry
    if L % lanes:
        work[: 2 * half] = 0
    for t in range(first, last):
        l = t * step
        used = min(step, L - l)
        b = (used + lanes - 1) // lanes * lanes
        simd.transpose_block(X, l * q * R, q * R, work, 0, b, used, q * R)
        source = 0
        for s in range(modes.shape[0]):
            f, m, n, outer, inner, columns = modes[s]
            target = half - source
            _product(
                A, offsets[f], m, n, outer, inner, work, source, R * b, work, target, R * b, R * b,
                work, 2 * half, columns,
            )  # fmt: skip
            source = target
        simd.transpose_block(work, source, b, Y, l * p * R, p * R, p * R, used)
