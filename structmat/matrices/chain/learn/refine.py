"""Refinement of the factors of a chain, warm started: alternating least squares, then all at once.

With the other factors fixed, ``M ~ L K R`` is linear in the values of K. Two cases:

- In a chainable chain every block of K sees slices of M that no other block sees. With left factors
  orthonormalised, ``K = T R^H (R R^H)^-1`` slice by slice, where ``T = L^H M`` shrinks from factor
  to factor: a sweep costs O(m n), as the sweep of truncated SVDs [1]_ that it follows.
- In any other chain the blocks are coupled through ``L^H L`` and ``R R^H``. Conjugate gradients on
  the normal equations, preconditioned by the blocks, cost O(m n (b + c)) a step; they start from
  the factor at hand, so that a few steps are enough and the error cannot grow. When sweeps gain
  little, Levenberg-Marquardt steps over all factors (`joint`) take over.

References
----------
.. [1] L. Zheng, Q.-T. Le, E. Riccietti and R. Gribonval, Butterfly factorization with error
   guarantees, SIAM J. Matrix Anal. Appl. 46(4), 2025.
"""

import math

import numpy as np

from structmat._backend.arrays import namespace_of
from structmat.matrices.chain import patterns, products
from structmat.matrices.chain.learn.joint import Joint, adjoint, conj, left, multiplied, rows
from structmat.matrices.chain.patterns import Pattern

__all__ = ["refine", "rescaled"]

# Eigenvalues of a preconditioner's blocks below this multiple of the largest are raised to it.
_RIDGE = 1e-14
# Steps of conjugate gradients for one factor: the next factor changes the problem anyway.
_COUPLED_STEPS = 8
# A sweep that gains less than this part of the error hands over to steps over all factors.
_SLOW = 0.1


def refine(M, factors, sweeps=20, rtol=1e-4, callback=None):
    """Chain factors after alternating least squares, and their relative Frobenius error.

    `factors` are value arrays (a, d, b, c), to be improved, or index arrays of permutations, kept.
    Any chain will do. Stops when a sweep gains less than `rtol` of the error, or at rounding; what
    comes back is never worse than what came in. `callback` gets the error after every sweep.
    """
    xp = namespace_of(M)
    dtype = np.result_type(M.dtype, *(F.dtype for F in factors if F.ndim == 4))
    work = np.result_type(dtype, np.float64)
    scale = float(abs(M).max()) if M.size else 0.0
    if scale == 0.0:
        return [F if F.ndim == 1 else xp.zeros(F.shape, dtype) for F in factors], 0.0
    given = [_cast(F, dtype) for F in factors]
    target = M.astype(work) / scale
    best = rescaled([_cast(F, work) for F in factors], 1 / scale)
    start = error = _distance(target, best)
    current, steps = best, _steps_for(best)
    for i in range(sweeps):
        if error <= 4 * float(np.finfo(dtype).eps):
            break
        current = rescaled(steps(i)(target, current), 1.0)
        reached = _distance(target, current)
        gain = error - reached
        if gain > 0:
            error, best = reached, current
        if callback is not None:
            callback(error)
        if not gain > rtol * error:
            break
        if gain < _SLOW * error:
            steps = steps.slow()
    best = [_cast(F, dtype) for F in rescaled(best, scale)]
    rounded = _distance(target, rescaled([_cast(F, work) for F in best], 1 / scale))
    return (best, rounded) if rounded < start else (given, start)


def _cast(F, dtype):
    return F if F.ndim == 1 else F.astype(dtype)


class _Steps:
    """Which step comes i-th: two sweeps in turn, and what follows when they become slow."""

    def __init__(self, sweeps, after=None):
        self.sweeps, self.after = sweeps, after

    def __call__(self, i):
        return self.sweeps[i % len(self.sweeps)]

    def slow(self):
        """The steps to go on with."""
        return self if self.after is None else _Steps([self.after])


def _steps_for(factors):
    """The steps that a chain allows."""
    if all(F.ndim == 4 for F in factors):
        chain = [Pattern(a, b, c, d) for a, d, b, c in (F.shape for F in factors)]
        if not any(map(patterns.redundant, chain, chain[1:])):
            if patterns.refines(*chain):
                return _Steps([_from_left, _from_right])
            if patterns.chainable(*chain):
                return _Steps([_mirrored(_from_right), _mirrored(_from_left)])
    return _Steps([_coupled, _mirrored(_coupled)], Joint())


def _mirrored(sweep):
    """The sweep on the transposed chain."""
    return lambda M, factors: _reversed(sweep(M.T, _reversed(factors)))


def _reversed(factors):
    """The factors of the transpose."""
    return [conj(adjoint(F)) for F in factors[::-1]]


def rescaled(factors, scale):
    """The factors of `scale` times the product, all with the same largest entry."""
    xp = namespace_of(*factors)
    peaks = [float(abs(F).max()) if F.size else 0.0 for F in factors if F.ndim == 4]
    if not all(peaks):
        return [F if F.ndim == 1 else xp.zeros_like(F) for F in factors]
    each = math.exp((sum(map(math.log, peaks)) + math.log(scale)) / len(peaks))
    scales = iter([each / peak for peak in peaks])
    return [F if F.ndim == 1 else F * next(scales) for F in factors]


def _distance(target, factors):
    """Relative Frobenius error."""
    xp = namespace_of(target)
    error = xp.linalg.norm(target - multiplied(factors, target)) / xp.linalg.norm(target)
    return float(error)


# ---------------------------------------------------------------- chainable chains


def _from_left(M, factors):
    """Every factor of a chain that refines to the right, from the left."""
    suffixes = [factors[-1]]
    for F in factors[-2::-1]:
        suffixes.append(products.merged_values(F, suffixes[-1]))
    rest, found = _on_support(M, suffixes.pop().shape), []
    for F in factors[:-1]:
        S = suffixes.pop()
        T, _, G = _slices(rest, F, S)
        # With orthonormal rows in place of those of G, the best left slice is T G^H.
        Q = _basis(T @ _basis(_adjoints(G)))
        found.append(_first(Q, F.shape))
        rest = _second(_adjoints(Q) @ T, S.shape)
    return [*found, rest]


def _from_right(M, factors):
    """Every factor of a chain that refines to the right, from the right."""
    prefixes = [factors[0]]
    for F in factors[1:]:
        prefixes.append(products.merged_values(prefixes[-1], F))
    rest, found = _on_support(M, prefixes.pop().shape), []
    for F in factors[:0:-1]:
        S = prefixes.pop()
        T, G, _ = _slices(rest, S, F)
        Q = _basis(_adjoints(T) @ _basis(G))
        found.append(_second(_adjoints(Q), F.shape))
        rest = _first(T @ Q, S.shape)
    return [rest, *found[::-1]]


def _basis(X):
    """Orthonormal columns whose span holds that of X, for a stack."""
    return namespace_of(X).linalg.qr(X)[0]


def _adjoints(X):
    return conj(X.swapaxes(-1, -2))


def _slices(product, first, second):
    """Stacks over (i, l, t, u) of the slices of a product and of its two factors.

    ``P[i, l, (j, t), (u, k)] = sum_r F[i, (t, l), j, (u, r)] G[(i, u), l, (r, t), k]``, as in
    ``products.merged_values``.
    """
    a1, d1, b1, c1 = first.shape
    a2, d2, _, c2 = second.shape
    alpha, delta, r = a2 // a1, d1 // d2, a1 * c1 // a2
    P = product.reshape(a1, d2, b1, delta, alpha, c2).transpose(0, 1, 3, 4, 2, 5)
    F = first.reshape(a1, delta, d2, b1, alpha, r).transpose(0, 2, 1, 4, 3, 5)
    G = second.reshape(a1, alpha, d2, r, delta, c2).transpose(0, 2, 4, 1, 3, 5)
    return P, F, G


def _first(slices, shape):
    """The left factor of a product from its slices."""
    return slices.transpose(0, 2, 1, 4, 3, 5).reshape(shape)


def _second(slices, shape):
    """The right factor of a product from its slices."""
    return slices.transpose(0, 3, 1, 4, 2, 5).reshape(shape)


def _on_support(M, shape):
    """Values of M on the support of a factor of this shape."""
    a, d, b, c = shape
    xp = namespace_of(M)
    i, l = xp.arange(a)[:, None], xp.arange(d)[None, :]
    return M.reshape(a, b, d, a, c, d)[i, :, l, i, :, l]


# ---------------------------------------------------------------- any chain


def _coupled(M, factors):
    """Every factor once, from the left, in any chain."""
    xp = namespace_of(M)
    suffixes = [xp.eye(M.shape[1], dtype=M.dtype)]
    for F in factors[:0:-1]:
        suffixes.append(left(F, suffixes[-1]))
    P, G, found = M, xp.eye(M.shape[0], dtype=M.dtype), []
    for F in factors:
        R = suffixes.pop()
        if F.ndim == 4:
            F = _one_factor(F, P, G, R)
        Fh = adjoint(F)
        P, G = left(Fh, P), _adjoints(left(Fh, _adjoints(left(Fh, G))))
        found.append(F)
    return found


def _one_factor(K, P, G, R):
    """K after conjugate gradients on ``min |M - L K R|``, from P = L^H M, G = L^H L and R."""
    a, d, b, c = K.shape
    H = R @ _adjoints(R)
    right = _adjoints(rows(H, c, K.shape))
    at_left = _inverse(_on_support(G, (a, d, b, b)))
    at_right = _inverse(_on_support(H, (a, d, c, c)))

    def normal(X):
        """L^H L X R R^H on the support."""
        return rows(_adjoints(left(adjoint(X), G)), b, K.shape) @ right

    residual = rows(P, b, K.shape) @ _adjoints(rows(R, c, K.shape)) - normal(K)
    Z = at_left @ residual @ at_right
    D, rho = Z, _inner(residual, Z)
    for _ in range(_COUPLED_STEPS):
        image = normal(D)
        curvature = _inner(D, image)
        if not (rho > 0 and curvature > 0):
            break
        K = K + (rho / curvature) * D
        residual = residual - (rho / curvature) * image
        Z = at_left @ residual @ at_right
        before, rho = rho, _inner(residual, Z)
        D = Z + (rho / before) * D
    return K


def _inner(X, Y):
    return float(namespace_of(X).vdot(X, Y).real)


def _inverse(A):
    """Inverses of stacked Hermitian positive semidefinite matrices; singular ones are damped."""
    xp = namespace_of(A)
    w, V = xp.linalg.eigh(A)
    w = xp.maximum(w, _RIDGE * w[..., -1:])
    return (V / xp.where(w > 0, w, 1)[..., None, :]) @ _adjoints(V)
