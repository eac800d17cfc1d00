"""Balancing of a chain by powers of two, so that no product of its factors leaves the number range.

``F_1 F_2 ... F_L = 2^e (F_1 D_1) (D_1^-1 F_2 D_2) ...`` with diagonal D of powers of two: the same
matrix to the last bit, held by factors whose columns have moduli about 1.
"""

import numpy as np

from structmat._backend.arrays import namespace_of
from structmat.matrices.chain.systems.inverses import largest
from structmat.matrices.elementary import Permutation

__all__ = ["balanced", "chain_of", "exponents", "is_moderate", "is_tame", "out_of_range", "shifted"]

_MODERATE = 64  # columns within 2^(+-64) of 1 are left alone (2^(+-8) in single precision)


def exponents(x):
    """e with x = m 2^e, 0.5 <= m < 1; 0 for x = 0."""
    return namespace_of(x).frexp(x)[1]


def shifted(X, e):
    """X 2^e, e a number or an array that broadcasts."""
    xp = namespace_of(X)
    if X.dtype.kind != "c":
        return xp.ldexp(X, xp.asarray(e))
    result = xp.empty(np.broadcast_shapes(X.shape, np.shape(e)), X.dtype)
    result.real[...], result.imag[...] = (
        xp.ldexp(X.real, xp.asarray(e)),
        xp.ldexp(X.imag, xp.asarray(e)),
    )
    return result


def balanced(factors):
    """(factors, e) with the product of `factors` times 2^e; the same factors where all is well."""
    if all(is_moderate(F) for F in factors):
        return factors, 0
    found, total, carried = [], 0, None
    for i, F in enumerate(factors):
        if carried is not None:
            F = _rows_shifted(F, carried)
        if isinstance(F, Permutation):
            found.append(F)
            carried = None if carried is None else _moved(carried, F)
            continue
        sizes = _columns(F)
        top = int(sizes.max()) if sizes.size else 0
        total += top
        last = all(isinstance(G, Permutation) for G in factors[i + 1 :])
        if last:
            found.append(type(F)(shifted(F.values, -top)))
            carried = None
        else:
            found.append(_columns_shifted(F, -sizes))
            carried = sizes - top
    return tuple(found), total


def out_of_range(A):
    """(chain, e) with A its product times 2^e, where the entries of A pass the number range.

    None where they are far from its ends.
    """
    factors, e = balanced(A.factors)
    if abs(e) <= np.finfo(A.dtype).maxexp // 2:
        return None
    from structmat.matrices.chain.matrix import Chain

    return Chain(factors, A.shape), e


def is_moderate(F):
    """True where no column of a factor is extreme: nothing is gained by balancing."""
    if isinstance(F, Permutation) or not F.values.size:
        return True
    # Mostly the first rows of the blocks show it, which saves a pass with a temporary.
    limit = 2.0 ** (_limit(F) - 1)
    if largest(F.values) <= limit and bool((abs(F.values[:, :, 0]) >= 1 / limit).all()):
        return True
    return int(abs(_columns(F)).max()) <= _limit(F)


def is_tame(F):
    """True where the largest modulus of a factor is not extreme.

    Nothing that matters, normwise, under- or overflows in a product of such factors.
    """
    if isinstance(F, Permutation) or not F.values.size:
        return True
    limit = 2.0 ** _limit(F)
    return 1 / limit <= largest(F.values) <= limit


def _limit(F):
    return _MODERATE if np.finfo(F.dtype).eps < 1e-10 else _MODERATE // 8


def _columns(F):
    """Exponent of the largest modulus of every column, in order; 0 for a column of zeros."""
    return exponents(abs(F.values).max(2).transpose(0, 2, 1).reshape(-1))


def _columns_shifted(F, e):
    a, _, c, d = F.pattern
    return type(F)(shifted(F.values, e.reshape(a, c, d).transpose(0, 2, 1)[:, :, None, :]))


def _rows_shifted(F, e):
    if isinstance(F, Permutation):
        return F
    a, b, _, d = F.pattern
    return type(F)(shifted(F.values, e.reshape(a, b, d).transpose(0, 2, 1)[:, :, :, None]))


def _moved(e, P):
    """e' with diag(e) P = P diag(e')."""
    result = namespace_of(e).empty_like(e)
    result[P.p] = e
    return result


def chain_of(factors):
    """A Chain of these factors, of whatever patterns."""
    from structmat.matrices.chain.matrix import Chain

    return Chain(factors)
