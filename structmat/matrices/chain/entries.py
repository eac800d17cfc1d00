"""Entries, diagonal, trace and Frobenius norm of a chain, without the dense matrix.

Slices of a chainable product are disjoint: between row i and column j the inner index of a split
runs over r values only, the rank of the split [1]_. An entry is therefore a product of L matrices
of the sizes 1 x r_1, r_1 x r_2, ..., r_(L-1) x 1, whatever the order of the matrix. Permutations
at either end renumber rows and columns. A chain that has neighbours which are not chainable, or a
permutation inside, is asked by products with unit vectors.

References
----------
.. [1] L. Zheng, Q.-T. Le, E. Riccietti and R. Gribonval, Butterfly factorization with error
   guarantees, SIAM J. Matrix Anal. Appl. 46(4), 2025.
"""

import itertools

import numpy as np

from structmat._backend.arrays import namespace_of
from structmat.matrices import parameters
from structmat.matrices.chain import scale
from structmat.matrices.chain.frobenius import frobenius
from structmat.matrices.chain.runs import flipped, pattern_of, ranks, run_of

__all__ = ["diagonal", "entries", "frobenius", "trace"]

_CHUNK = 2**16  # entries at a time: their index arrays stay in the second-level cache
_BLOCK = 2**22  # numbers of a block of whole columns at a time
# What reading one number through an index array costs in multiply-adds of a product (measured:
# 6-12 ns against 0.5-1 ns).
_GATHER = 8


def entries(A, i, j):
    """A[i, j] for index arrays that broadcast against each other."""
    i, j = np.asarray(i), np.asarray(j)
    shape = np.broadcast_shapes(i.shape, j.shape)
    if 0 in shape:
        return namespace_of(*parameters.leaves(A)).zeros(shape, A.dtype)
    A = scale.even(A)
    run = run_of(A.factors)
    if i.ndim == j.ndim == 2 and i.shape[1] == j.shape[0] == 1:
        return _block(A, run, i[:, 0], j[0])
    if run is None:
        return _pairs_by_products(A, i, j, shape)
    return _along_digits(run, i, j, shape, A.dtype)


# ---------------------------------------------------------------- blocks of rows and columns


def _block(A, run, i, j):
    """Rows i and columns j: entry by entry, or whole columns (or rows) where these cost less."""
    by_columns = j.size <= i.size
    B, many, few = (A, i, j) if by_columns else (A._transpose(), j, i)
    if run is not None:
        each = sum(p * q for p, q in itertools.pairwise(ranks(run.values)))
        column = min(_GATHER * _reached(run, by_columns), sum(v.size for v in run.values))
        if _GATHER * each * many.size <= column:
            return _along_digits(run, i[:, None], j, (i.size, j.size), A.dtype)
        run = run_of(B.factors)
    xp = namespace_of(*parameters.leaves(A))
    found = xp.empty((many.size, few.size), A.dtype)
    width = max(1, _BLOCK // max(1, *A.full_shape))
    for at in range(0, few.size, width):
        found[:, at : at + width] = _columns(B, run, few[at : at + width])[xp.asarray(many)]
    return found if by_columns else found.T


def _columns(A, run, j):
    """Whole columns of A, shape (m, J): by what they reach, or by a product."""
    xp = namespace_of(*parameters.leaves(A))
    j = xp.asarray(j)
    if run is not None and _GATHER * _reached(run, True) <= sum(v.size for v in run.values):
        j = j if run.columns is None else run.columns[j]
        full = _rows_of(flipped(run.values), j) if run.mirrored else _columns_of(run.values, j)
        return (full if run.rows is None else full[run.rows])[: A.shape[0]]
    unit = xp.zeros((A.shape[1], j.size), A.dtype)
    unit[j, xp.arange(j.size)] = 1
    return A._apply(unit)


def _reached(run, by_columns):
    """How many numbers of the factors meet one column (or row) of the run."""
    values = flipped(run.values) if run.mirrored else run.values
    chain, rank = [pattern_of(v) for v in values], ranks(values)
    if by_columns != run.mirrored:
        return sum(p.d // max(chain[-1].d, 1) * p.b * r for p, r in zip(chain, rank[1:]))
    return sum(p.a // max(chain[0].a, 1) * p.c * r for p, r in zip(chain, rank))


def _columns_of(values, j):
    """Columns j of a chain that refines to the right, shape (m, J): from the last factor back.

    Behind factor s a column lives in one block i and in the lanes ``l = t d_L + j mod d_L``.
    """
    xp = namespace_of(j)
    chain, rank = [pattern_of(v) for v in values], ranks(values)
    n, last = chain[-1].shape[1], chain[-1].d
    lane = j % last
    w = xp.ones((j.size, 1, 1), values[0].dtype)  # (J, rank, lanes t)
    for s in range(len(chain) - 1, -1, -1):
        a, b, c, d = chain[s]
        r, lanes = rank[s + 1], d // last
        block = j // (n // a)
        slot = j // last % c if s == len(chain) - 1 else j // (n // chain[s + 1].a) % (c // r)
        index = xp.arange(lanes) * last + lane[:, None]
        parts = values[s].reshape(a, d, b, c // r, r)
        met = parts[block[:, None], index, :, slot[:, None]]  # (J, t, b, r)
        y = (met * w.transpose(0, 2, 1)[:, :, None, :]).sum(-1)
        w = y.transpose(0, 2, 1).reshape(j.size, max(rank[s], 1), -1)
    full = xp.zeros((chain[0].shape[0], j.size), w.dtype)
    a, b, c, d = chain[0]
    rows = (j // (n // a) * b + xp.arange(b)[:, None])[:, None] * d + index.T[None]
    full[rows, xp.arange(j.size)] = y.transpose(2, 1, 0)
    return full


def _rows_of(values, i):
    """Rows i of a chain that refines to the right, as columns (n, J): from the first factor on.

    Before factor s a row lives in one lane, ``i mod d``, and in the blocks of its block of F_1.
    """
    xp = namespace_of(i)
    chain, rank = [pattern_of(v) for v in values], ranks(values)
    m, first = chain[0].shape[0], chain[0].a
    start = i // (m // first)
    w = xp.ones((i.size, 1, 1), values[0].dtype)  # (J, blocks u, rank)
    for s, (a, b, c, d) in enumerate(chain):
        r, count = rank[s], a // first
        step = chain[s - 1].d if s else m // first
        slot = i % step // d
        index = start[:, None] * count + xp.arange(count)
        parts = values[s].reshape(a, d, r, b // r, c)
        met = parts[index, (i % d)[:, None], :, slot[:, None]]  # (J, u, r, c)
        w = (met * w[:, :, :, None]).sum(2)  # (J, u, c)
        w = w.reshape(i.size, -1, rank[s + 1])
    full = xp.zeros((chain[-1].shape[1], i.size), w.dtype)
    d = chain[-1].d
    columns = xp.arange(w.shape[1]) * d + (start * (w.shape[1] * d) + i % d)[:, None]
    full[columns.T, xp.arange(i.size)] = w[:, :, 0].T
    return full


# ---------------------------------------------------------------- pairs of positions


def _pairs_by_products(A, i, j, shape):
    """Pairs of positions from whole columns, or rows, of those that occur; some at a time."""
    if np.unique(i).size < np.unique(j).size:
        return _pairs_by_products(A._transpose(), j, i, shape)
    xp = namespace_of(*parameters.leaves(A))
    i, j = (np.broadcast_to(x, shape).reshape(-1) for x in (i, j))
    order = np.argsort(j, kind="stable")
    unique, start = np.unique(j[order], return_index=True)
    start = np.append(start, j.size)
    found = xp.empty(j.size, A.dtype)
    width = max(1, _BLOCK // max(1, *A.full_shape))
    for at in range(0, unique.size, width):
        chosen = unique[at : at + width]
        block = _columns(A, None, chosen)
        places = order[start[at] : start[at + chosen.size]]
        which = np.searchsorted(chosen, j[places])
        found[xp.asarray(places)] = block[xp.asarray(i[places]), xp.asarray(which)]
    return found.reshape(shape)


def _along_digits(run, i, j, shape, dtype):
    """Entry by entry, each a product of L small matrices."""
    xp = namespace_of(*run.values)
    i, j = (xp.asarray(np.broadcast_to(x, shape).reshape(-1)) for x in (i, j))
    if run.rows is not None:
        i = run.rows[i]
    if run.columns is not None:
        j = run.columns[j]
    values = run.values
    if run.mirrored:
        i, j, values = j, i, flipped(values)
    if any(0 in v.shape for v in values):
        return xp.zeros(shape, dtype)
    found = xp.empty(i.size, dtype)
    for at in range(0, i.size, _CHUNK):
        here = slice(at, at + _CHUNK)
        found[here] = _refined_entries(values, i[here], j[here])
    return found.reshape(shape)


def _refined_entries(values, i, j):
    """Entries of a chain that refines to the right, one number per pair of positions.

    Between factors s and s + 1 the inner index is ``q = i2 b2 d2 + rho d1 + i mod d1`` for
    rho = 0 .. r - 1, where i2, the block of factor s + 1, is read off the leading digits of j.
    """
    xp = namespace_of(i)
    chain, rank = [pattern_of(v) for v in values], ranks(values)
    n = chain[-1].shape[1]
    inside = (i // (chain[0].shape[0] // chain[0].a) == j // (n // chain[0].a)) & (
        i % chain[-1].d == j % chain[-1].d
    )
    row = xp.ones((i.size, 1), values[0].dtype)
    before = i[:, None]
    for s, (p, v) in enumerate(zip(chain, values)):
        if s + 1 < len(chain):
            q = chain[s + 1]
            start = (j // (n // q.a) * (q.b * q.d) + i % p.d)[:, None]
            after = start + xp.arange(rank[s + 1]) * p.d
        else:
            start = after = j[:, None]
        block, lane = start // (p.c * p.d), start % p.d
        left, right = before // p.d % p.b, after // p.d % p.c
        # (N, r1, r2): every path through this factor.
        paths = v[block[:, :, None], lane[:, :, None], left[:, :, None], right[:, None, :]]
        row = (row[:, :, None] * paths).sum(1)
        before = after
    return xp.where(inside, row[:, 0], row.dtype.type(0))


# ---------------------------------------------------------------- diagonal, trace


def diagonal(A):
    """Entries (i, i); NotImplemented where every one would take a product of its own."""
    run = run_of(A._parts)
    if run is None:
        return NotImplemented
    index = np.arange(min(A.shape))
    return _along_digits(run, index, index, index.shape, A.dtype)


def trace(A):
    """Sum of the diagonal, of the rotation of the factors that is chainable where there is one.

    tr(F_1 F_2 ... F_L) = tr(F_2 ... F_L F_1): a chain times its adjoint becomes chainable when it
    is cut in the middle.
    """
    if A.cropped or A.shape[0] != A.shape[1] or 0 in A.shape:
        return NotImplemented
    for k in range(len(A._parts)):
        turned = A._parts[k:] + A._parts[:k]
        run = run_of(turned)
        if run is not None:
            index = np.arange(turned[0].shape[0])
            return _along_digits(run, index, index, index.shape, A.dtype).sum()
    return NotImplemented
