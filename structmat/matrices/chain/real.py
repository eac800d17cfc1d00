"""The real part of a complex chain is a real chain in which the interior sizes double.

With z = x + iy read as (x, y), multiplication by F is ``[[Re F, -Im F], [Im F, Re F]]``; the first
factor keeps the upper half of it and the last one, which meets a real vector, the left half. The
new digit e (0 for real, 1 for imaginary parts) is put where it keeps neighbours chainable: beside
the digit of the rank. Across neighbours that are not chainable it is the slowest of its block, and
a permutation leads from the one order to the other.
"""

from itertools import pairwise

import numpy as np

from structmat._backend.arrays import namespace_of
from structmat.matrices.chain import patterns
from structmat.matrices.elementary import Permutation

__all__ = ["real_part"]


def real_part(A):
    """Re A as a chain of the same kind; the imaginary part of A is the real part of -i A."""
    if A.dtype.kind != "c":
        return A
    dtype = np.finfo(A.dtype).dtype
    where = [i for i, F in enumerate(A.factors) if hasattr(F, "pattern")]
    if not where:
        return A._like([type(P)(P.p, dtype) for P in A.factors])
    joints = [A.factors[i : j + 1] for i, j in pairwise(where)]
    real = [type(P)(P.p, dtype) for P in A.factors[: where[0]]]
    for s, i in enumerate(where):
        rows = _around(joints[s - 1], rows=True) if s else None
        columns = _around(joints[s], rows=False) if s < len(joints) else None
        real.append(type(A.factors[i])(_doubled(A.factors[i].values, rows, columns)))
        real += _between(joints[s], dtype) if s < len(joints) else []
    real += [type(P)(P.p, dtype) for P in A.factors[where[-1] + 1 :]]
    return A._like(real)


def _direct(joint):
    """True for chainable neighbours with nothing between."""
    return len(joint) == 2 and patterns.rank(joint[0].pattern, joint[1].pattern) is not None


def _around(joint, *, rows):
    """Sizes of the block index before and after the new digit, of G's rows or of F's columns.

    Chainable to the right: columns (u, r) of F become (u, e, r), rows (r, t) of G (e, r, t); to the
    left the other way round. Otherwise e goes first.
    """
    F, G = joint[0].pattern, joint[-1].pattern
    size = G.b if rows else F.c
    outer = 1
    if _direct(joint) and patterns.refines(F, G) != rows:
        outer = max(F.a, G.a) // max(min(F.a, G.a), 1)
    return outer, size // outer


def _doubled(values, rows, columns):
    """The real blocks of a factor; None for rows or columns that are not doubled."""
    xp = namespace_of(values)
    a, d, b, c = values.shape
    (before, r), (left, k) = rows or (1, b), columns or (1, c)
    x = values.real.reshape(a, d, before, 1, r, left, 1, k)
    y = values.imag.reshape(x.shape)
    full = x if columns is None else xp.concatenate([x, -y], axis=6)
    if rows is not None:
        lower = y if columns is None else xp.concatenate([y, x], axis=6)
        full = xp.concatenate([full, lower], axis=3)
    return full.reshape(a, d, b * (1 if rows is None else 2), c * (1 if columns is None else 2))


def _between(joint, dtype):
    """The permutations of a joint, acting on both halves, as one; none where it is direct."""
    if _direct(joint):
        return []
    F, G = joint[0], joint[-1]
    xp = namespace_of(F.values)
    p = xp.arange(F.shape[1])
    for P in joint[1:-1]:
        p = P.p[p]
    q = xp.arange(F.shape[1])
    moved = xp.empty(2 * len(p), p.dtype)
    for e in (0, 1):
        here = _placed(q, e, F.pattern.c * F.pattern.d)
        moved[here] = _placed(p, e, G.pattern.b * G.pattern.d)
    return [] if bool((moved == xp.arange(len(moved))).all()) else [Permutation(moved, dtype)]


def _placed(q, e, block):
    """Index q, half e, in the order in which every block of the given size is doubled."""
    block = max(block, 1)
    return q // block * (2 * block) + e * block + q % block
