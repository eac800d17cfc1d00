"""How a chain is applied on the CPU: a plan of steps.

A chain is applied from its last factor to its first, in steps:

    Stages   successive square 2 x 2 factors of strides h, 2h, 4h ...: up to three of them at a time
             while 2, 4 or 8 rows are in registers
    Blocks   one factor: a d products of a (b, c) block with its c rows, which are d rows apart. The
             kernels take them where they are: no permutation is ever carried out

and, between them, permutations. Where the dense matrix is less work than the factors, or so small
that the calls would take longer than the arithmetic, it is multiplied out once.
"""

import itertools

from structmat._backend import memory
from structmat.matrices.chain import products
from structmat.matrices.chain.block_products import Blocks
from structmat.matrices.chain.fused_stages import Stages
from structmat.matrices.chain.kronecker_sparse import KroneckerSparse

__all__ = ["plan", "steps"]

_SMALL = 2**12  # entries of a matrix that is applied as a dense one: the calls take longer
_LITTLE, _FEW = 2**14, 16  # the same for few columns
_LINE = 2**18  # bytes: the same for one column
_LARGE = 2**22  # entries above which none is, whatever its factors cost


def plan(A):
    """A function X -> A @ X for a chain or a factor of arrays on the host."""
    if not hasattr(A, "factors"):
        m, n = A.shape
        return products.multiplied_out((A,)).dot if m * n <= _SMALL else Blocks(A)
    whole = _whole(A)
    if A.shape == A.full_shape:
        return whole
    return lambda X: products.cropped(whole, A, X)


def _whole(A):
    factors = A._parts
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
        rooms = memory.lend()
        last = len(self.steps) - 1
        for i, step in enumerate(self.steps):
            X = step(X, rooms if i < last else None)
        memory.take_back(rooms)
        return X


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
