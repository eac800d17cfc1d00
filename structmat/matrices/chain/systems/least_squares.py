"""Least squares, pseudo-inverse and rank of a chain, where the factors settle them.

``(X Y)^+ = Y^+ X^+`` holds for X of full column rank and Y of full row rank, and for orthonormal
columns of X or rows of Y beside anything [1]_. So a chain whose factors are, in this order, unitary
ones, one tall, square ones, one wide, unitary ones has the product of their pseudo-inverses for its
own. Whether the ranks are full is decided for the product: ``cond(A) <= prod cond(F_i)`` along such
a chain, and where that bound does not exclude a smaller numerical rank, the general way decides.

References
----------
.. [1] T. N. E. Greville, Note on the generalized inverse of a matrix product, SIAM Review 8 (1966)
   518-521.
"""

import numpy as np

from structmat import _checks, linalg
from structmat._results import LstsqResult
from structmat.matrices.chain.systems import balance, blocks, direct
from structmat.matrices.chain.systems.isometries import scale_of_isometry
from structmat.matrices.elementary import Permutation, stacks

__all__ = ["lstsq", "pinv", "rank"]


def lstsq(A, B, rcond):
    """x = A^+ b with one step of refinement, x + A^+ (b - A x)."""
    even = balance.out_of_range(A)
    if even is not None and B.size:
        return _lstsq_of_extreme(*even, B, rcond)
    inverse = _pinv_within(A, min(1 / rcond if rcond else np.inf, _accurate(A)))
    if inverse is NotImplemented:
        return NotImplemented
    x = inverse._apply(B)
    x += inverse._apply(B - A._apply(x))
    return LstsqResult(x, None, min(n for F in A.factors for n in F.shape), None)


def _lstsq_of_extreme(even, e, B, rcond):
    """The same for 2^e times a chain, with powers of two apart."""
    sizes = balance.exponents(abs(B).max(0))
    found = linalg.lstsq(even, balance.shifted(B, -sizes), rtol=rcond)
    with np.errstate(over="ignore", under="ignore"):
        x = _checks.representable(balance.shifted(found.x, sizes - e), "lstsq")
        S = found.singular_values
        S = None if S is None else _checks.representable(balance.shifted(S, e), "singular values")
    return LstsqResult(x, None, found.rank, S)


def pinv(A, rcond):
    """F_L^+ ... F_1^+, a chain of the mirrored patterns."""
    found = _pinv_within(A, min(1 / rcond if rcond else np.inf, _accurate(A)))
    return found if found is NotImplemented else direct.representable(found, "pinv")


def _accurate(A):
    """The condition up to which a product of pseudo-inverses keeps half of the digits."""
    return float(np.finfo(A.dtype).eps) ** -0.5


def rank(A, rtol):
    """The smallest dimension, where the factors prove that no singular value falls below rtol.

    Factors of full column rank, then factors of full row rank, have a product of full rank.
    """
    if A.cropped or not 0 < rtol < 1 or 0 in A.shape:
        return NotImplemented
    shapes = [F.shape for F in A.factors]
    waist = min(range(len(shapes) + 1), key=lambda i: _dimension(shapes, i))
    tall, wide = shapes[:waist], shapes[waist:]
    if any(m < n for m, n in tall) or any(m > n for m, n in wide):
        return NotImplemented
    bound = 1.0
    for F in A.factors:
        bound *= _condition(F)
        if not bound < 1 / rtol:
            return NotImplemented
    return _dimension(shapes, waist)


def _dimension(shapes, i):
    return shapes[i][0] if i < len(shapes) else shapes[-1][1]


def _condition(F):
    """Largest over smallest singular value of a factor, infinite where one is zero."""
    if isinstance(F, Permutation) or 0 in F.shape:
        return 1.0
    S = blocks.svdvals(F)
    return float(S[0]) / float(S[-1]) if S[-1] > 0 else np.inf


def _pinv_within(A, limit):
    """The chain of pseudo-inverses if the product of the factors' conditions is below `limit`."""
    if A.cropped or any(0 in F.shape for F in A.factors) or not _in_order(A.factors):
        return NotImplemented
    found, bound = [], 1.0
    for i, F in enumerate(A.factors):
        inverse, condition = _inverted(F, i)
        bound *= condition
        if not bound < limit:
            return NotImplemented
        found.append(inverse)
    return A._reversed(found)


def _in_order(factors):
    """Isometries, one tall, square, one wide, isometries: no other order has the product rule."""
    tall = [i for i, F in enumerate(factors) if F.shape[0] > F.shape[1]]
    wide = [i for i, F in enumerate(factors) if F.shape[0] < F.shape[1]]
    # Columns of those left of the last tall factor must be orthonormal; so must the rows of those
    # right of the first wide one.
    left = factors[: tall[-1]] if tall else ()
    right = factors[wide[0] + 1 :] if wide else ()
    if tall and wide and tall[-1] > wide[0]:
        return False
    return all(scale_of_isometry(F) for F in left) and all(
        scale_of_isometry(F._adjoint()) for F in right
    )


def _inverted(F, i):
    """(pseudo-inverse of a factor of full rank, bound of its condition, infinite if it is not)."""
    if isinstance(F, Permutation):
        return F._adjoint(), 1.0
    if F.shape[0] == F.shape[1]:
        try:
            inverse = direct.block_inverse(F, i)
        except np.linalg.LinAlgError:
            return None, np.inf
        return type(F)(inverse.values), inverse.bound
    U, S, Vh = stacks.svd(blocks.stack(F), False)
    top, bottom = float(S.max()), float(S.min())
    if not bottom > 0:
        return None, np.inf
    values = stacks.adjoint(Vh) @ (stacks.adjoint(U) / S[:, :, None])
    return blocks.like(F, values.astype(F.dtype, copy=False)), top / bottom
