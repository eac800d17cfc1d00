"""Several butterflies near a matrix, ``B_1 B_2^T B_3 ...``.

The product refines and then coarsens: its slices overlap, no sweep exists, and alternating least
squares with Levenberg-Marquardt steps (`refine`) goes down from several starts.
"""

import math

import numpy as np

from structmat._backend.arrays import namespace_of
from structmat.matrices.chain import patterns
from structmat.matrices.chain.learn.one_butterfly import EXACT, Found, merit, ordered, refined, told
from structmat.matrices.chain.learn.refine import refine
from structmat.matrices.chain.project import sweep

__all__ = ["best_product"]

# Sweeps that every start gets, and how many of them go on.
_FIRST_SWEEPS, _KEPT = 8, 3
# Above this order a sweep takes seconds: no random starts, columns as they are, one start goes on.
_LARGE = 256


def best_product(M, depth, permutation, restarts, rng, refining):
    """The best of several starts after alternating least squares."""
    maxiter, tol, callback = refining
    n = M.shape[0]
    start = Found(None, np.arange(n), np.arange(n), math.inf)
    if permutation is None:
        orders = [start]
    elif isinstance(permutation, str) and permutation == "auto":
        reversed_ = start._replace(columns=told("bit_reversal", n))
        orders = [start, reversed_] if n <= _LARGE else [start]
    else:
        orders = [start._replace(columns=told(permutation, n))]
    found = []
    for order in orders:
        B = ordered(M, order)
        for values in _starts(B, depth, restarts if n <= _LARGE else 0, rng):
            values, error = refine(B, values, min(_FIRST_SWEEPS, maxiter), tol)
            found.append(order._replace(values=values, error2=error**2))
    found.sort(key=merit)
    refining = max(maxiter - _FIRST_SWEEPS, 0), tol, callback
    ended = []
    for start in found[: _KEPT if n <= _LARGE else 1]:
        ended.append(refined(M, start, refining))
        if ended[-1].error2 <= EXACT:
            break
    return min(ended, key=merit)


def _shapes(n, depth):
    """Shapes of the values of B_1 B_2^T B_3 ..., equal neighbours merged."""
    one = [(p.a, p.d, p.b, p.c) for p in patterns.dyadic(n)]
    found = list(one)
    for i in range(1, depth):
        found += (one[::-1] if i % 2 else one)[1:]
    return found


def _starts(M, depth, restarts, rng):
    """Chains to start from: a swept butterfly in each place with identities about it; rotations."""
    xp, n = namespace_of(M), M.shape[0]
    shapes = _shapes(n, depth)
    one = patterns.dyadic(n)
    steps = len(one) - 1
    for i in range(depth):
        values = [_identity(xp, shape, M.dtype) for shape in shapes]
        B = M.T if i % 2 else M
        swept = sweep.sweep(B[None, None], one).values
        values[i * steps : i * steps + len(one)] = (
            [F.transpose(0, 1, 3, 2) for F in swept[::-1]] if i % 2 else swept
        )
        yield values
    for _ in range(restarts):
        yield [_rotations(xp, shape, M.dtype, rng) for shape in shapes]


def _identity(xp, shape, dtype):
    return xp.zeros(shape, dtype) + xp.eye(*shape[2:], dtype=dtype)


def _rotations(xp, shape, dtype, rng):
    """Random orthogonal (unitary) blocks."""
    X = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        X = X + 1j * rng.standard_normal(shape)
    return xp.linalg.qr(xp.asarray(X))[0]
