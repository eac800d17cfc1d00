"""Permutations that bring a transform into a chain: digit reversals and the BP permutations.

``A = F P`` with ``P x = x[p]`` means ``F = A[:, p]``. A DFT has slices of rank one after the digits
of its column index are reversed; the permutations of a BP matrix [1]_ apply the same choice of
three steps (even before odd; reverse the first half; reverse the second half) at every level.

References
----------
.. [1] T. Dao, A. Gu, M. Eichhorn, A. Rudra and C. Re, Learning fast algorithms for linear
   transforms using butterfly factorizations, ICML 2019, section 3.2.
"""

import itertools
import math

import numpy as np

from structmat import _checks
from structmat._backend.arrays import is_array, move, namespace_of
from structmat.matrices.chain import patterns
from structmat.matrices.chain.matrix import Chain
from structmat.matrices.elementary import Permutation

__all__ = [
    "applied",
    "bit_reversal",
    "bp",
    "candidates",
    "composed",
    "digit_reversal",
    "digits",
    "inside",
]

_NAMES = ("auto", "bit_reversal", "transpose")


def digits(chain):
    """(row digits, column digits) of the index sets that a chain's slices are made of."""
    if not patterns.refines(*chain):
        return digits([patterns.transpose(p) for p in chain[::-1]])[::-1]
    rows = [chain[0].b, *(p.d // q.d for p, q in itertools.pairwise(chain))]
    columns = [*(q.a // p.a for p, q in itertools.pairwise(chain)), chain[-1].c]
    return rows, columns


def digit_reversal(radices):
    """p with p[i] = the index whose digits are those of i in reverse order; i has `radices`."""
    n = math.prod(radices)
    order = range(len(radices))[::-1]
    return np.arange(n).reshape(tuple(radices)[::-1]).transpose(tuple(order)).ravel()


def bit_reversal(n):
    """The order in which a radix-2 transform of n = 2^k points reads its input."""
    return digit_reversal((2,) * (n.bit_length() - 1)) if n > 1 else np.arange(n)


def bp(n, even_odd, first, second):
    """The BP permutation of order n = 2^k that takes the same steps at every level."""
    p, size = np.arange(n), n
    while size > 1:
        p = _level(p.reshape(-1, size), even_odd, first, second).ravel()
        size //= 2
    return p


def _level(p, even_odd, first, second):
    h = p.shape[1] // 2
    if even_odd:
        p = np.concatenate([p[:, ::2], p[:, 1::2]], axis=1)
    left, right = p[:, :h], p[:, h:]
    return np.concatenate(
        [left[:, ::-1] if first else left, right[:, ::-1] if second else right], 1
    )


def _folded(radices):
    """Even entries, then odd ones backwards, then digit reversal: a DCT-II's input to a DFT."""
    p = np.arange(math.prod(radices))
    return np.concatenate([p[::2], p[1::2][::-1]])[digit_reversal(radices)]


def candidates(permutation, n, rows, columns):
    """What to try, in order: (side, p) with side "columns" or "rows", or None for no permutation.

    Parameters
    ----------
    permutation : None, str, array or Permutation
    n : int
        Columns of the target.
    rows, columns : sequence of int
        Digits of the two indices of the padded target.
    """
    padded = math.prod(columns)
    if permutation is None:
        return [None]
    if isinstance(permutation, str):
        name = _checks.choice(permutation, "permutation", _NAMES)
        if name == "transpose":
            return [("columns", digit_reversal(columns))]
        if name == "bit_reversal":
            if padded & (padded - 1):
                raise ValueError(
                    f"a bit reversal needs a power of two; the matrix has {padded} columns. "
                    'permutation="transpose" reverses the digits of any radices'
                )
            return [("columns", bit_reversal(padded))]
        return [None, *_distinct("columns", columns), *_distinct("rows", rows)]
    return [("columns", _given(permutation, n, padded))]


def _given(permutation, n, padded):
    if isinstance(permutation, Permutation):
        p = move(permutation.p, "cpu")
    elif is_array(permutation) or isinstance(permutation, list | tuple):
        try:
            p = move(Permutation(permutation).p, "cpu")
        except (TypeError, ValueError, IndexError) as error:
            raise type(error)(str(error).replace("`p`", "`permutation`")) from None
    else:
        raise TypeError(
            f"`permutation` must be None, one of {_NAMES}, a Permutation or an array of indices; "
            f"got {type(permutation).__name__}"
        )
    if len(p) not in (n, padded):
        raise ValueError(f"`permutation` has {len(p)} entries; the matrix has {n} columns")
    return np.concatenate([p, np.arange(len(p), padded)])


def _distinct(side, radices):
    """The digit reversal, the order of a DCT and, for a power of two, those of BP; none twice."""
    n = math.prod(radices)
    found = [digit_reversal(radices), _folded(radices)]
    if n > 1 and n & (n - 1) == 0:
        bits = (2,) * (n.bit_length() - 1)
        found += [digit_reversal(bits), _folded(bits)]
        found += [bp(n, *steps) for steps in itertools.product((False, True), repeat=3)]
    seen = {np.arange(n).tobytes()}
    return [(side, p) for p in found if not (p.tobytes() in seen or seen.add(p.tobytes()))]


# ---------------------------------------------------------------- at work


def applied(A, candidate):
    """F of A = F P (columns) or A = P F (rows)."""
    if candidate is None:
        return A
    side, p = candidate
    p = namespace_of(A).asarray(p)
    return A[:, p] if side == "columns" else A[p]


def inside(candidate, full, m, n):
    """Which rows and columns of F are part of the target."""
    rows, columns = np.arange(full[0]) < m, np.arange(full[1]) < n
    if candidate is not None:
        side, p = candidate
        rows, columns = (rows, columns[p]) if side == "columns" else (rows[p], columns)
    return rows, columns


def composed(A, candidate):
    """F P or P F as a chain of the factors of F and the permutation; F itself without one."""
    if candidate is None:
        return A
    side, p = candidate
    P = Permutation(namespace_of(A.factors[0].values).asarray(p), A.dtype)
    if side == "columns":
        return Chain([*A.factors, P], A.shape)
    return Chain([P._adjoint(), *A.factors], A.shape)
