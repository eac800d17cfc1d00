"""Singular vectors and eigenvectors of a BlockDiagonal: those of the blocks, in one order.

U = BlockDiagonal(U_i) @ P with the permutation P that sorts the values, so the vectors stay as
sparse as the matrix.
"""

import numpy as np

from structmat import linalg
from structmat._results import EighResult, SVDResult
from structmat.matrices.elementary import stacks
from structmat.matrices.elementary.groups import as_stack, joined, starts
from structmat.matrices.elementary.permutation import Permutation
from structmat.matrices.elementary.zeros import Zeros

__all__ = ["eigh", "pinv", "svd"]


def eigh(A):
    """Ascending eigenvalues and eigenvectors of a matrix with square Hermitian blocks."""
    parts = A._parts(stacks.eigh, linalg.eigh)
    xp = A._namespace or np
    w = joined(A._groups, [xp.atleast_2d(part[0]) for part in parts], A._heights, xp)
    order = xp.argsort(w)
    vectors = A._like([as_stack(part[1]) for part in parts])
    return EighResult(w[order], _with_columns(vectors, _host(order)))


def svd(A, full_matrices):
    """U, S, Vh with S descending; shapes as numpy.linalg.svd."""
    heights, widths = A._heights, A._widths
    ranks = np.minimum(heights, widths)
    # With tall and wide blocks together, fewer than min(m, n) values come from the blocks: the
    # rest are zeros, and their vectors the null vectors of the blocks.
    missing = min(A.shape) - int(ranks.sum())
    full = full_matrices or missing > 0
    parts = A._parts(
        lambda stack: stacks.svd(stack, full), lambda M: linalg.svd(M, full_matrices=full)
    )
    xp = A._namespace or np
    S = joined(A._groups, [xp.atleast_2d(part[1]) for part in parts], ranks, xp)
    order = xp.argsort(-S)
    chosen = _host(order)
    U = A._like([as_stack(part[0]) for part in parts])
    Vh = A._like([as_stack(part[2]) for part in parts])
    left, right = _selection(U._widths, ranks, chosen), _selection(Vh._heights, ranks, chosen)
    if not full_matrices and missing > 0:
        # _like, not BlockDiagonal: this module lies below it.
        keep_left, keep_right = (_kept(s, ranks, missing) for s in (U._widths, Vh._heights))
        U = type(A)([u[:, :c] for u, c in zip(U.blocks, keep_left, strict=True)])
        Vh = type(A)([v[:c] for v, c in zip(Vh.blocks, keep_right, strict=True)])
        left, right = _selection(keep_left, ranks, chosen), _selection(keep_right, ranks, chosen)
    S = xp.concatenate([S[order], xp.zeros(missing, S.dtype)])
    return SVDResult(_with_columns(U, left), S, _with_columns(Vh._adjoint(), right)._adjoint())


def pinv(A, rcond):
    """Pseudo-inverse block by block, with one cutoff relative to the largest value of all."""
    values = A._svdvals()
    cutoff = rcond * float(values[0]) if len(values) else 0.0

    def of_stack(stack):
        U, S, Vh = stacks.svd(stack, False)
        keep = S > cutoff
        return stacks.adjoint(Vh) @ ((keep / (S + ~keep))[:, :, None] * stacks.adjoint(U))

    def of_matrix(M):
        largest = linalg.norm(M, 2) if 0 not in M.shape else 0.0
        if largest <= cutoff:
            return Zeros(*M.shape[::-1], M.dtype)
        return linalg.pinv(M, rtol=cutoff / largest)

    return A._each(of_stack, of_matrix)


def _host(x):
    return x if isinstance(x, np.ndarray) else x.get()


def _selection(sizes, ranks, order):
    """Columns of block-diagonal vectors: those with a value, in `order`, then all others."""
    within = np.arange(int(ranks.sum())) - np.repeat(starts(ranks)[:-1], ranks)
    valued = np.repeat(starts(sizes)[:-1], ranks) + within
    rest = np.ones(int(sizes.sum()), bool)
    rest[valued] = False
    return np.concatenate([valued[order], np.flatnonzero(rest)])


def _kept(sizes, ranks, missing):
    """Sizes with `missing` null vectors in all, those of the first blocks that have any."""
    spare = sizes - ranks
    return np.clip(missing - (np.cumsum(spare) - spare), 0, spare) + ranks


def _with_columns(vectors, chosen):
    """`vectors` with its columns in the order `chosen`: times a permutation, unless in order."""
    if (chosen == np.arange(len(chosen))).all():
        return vectors
    xp = vectors._namespace or np
    return vectors @ Permutation(xp.asarray(np.argsort(chosen)), vectors.dtype)
