"""A few singular triplets by randomised block Krylov iteration.

SciPy's ``svds`` goes through ``A^H A``, which halves the digits, or one vector at a time; this one
multiplies blocks, keeps all digits, and says how large the residuals are.
"""

from typing import Any, NamedTuple

import numpy as np

from structmat import _checks
from structmat._backend.arrays import namespace_of
from structmat.iterative.columns import (
    Tamed,
    default_rtol,
    gaussian,
    host,
    norms,
    rounding,
)

__all__ = ["KrylovSVD", "krylov_space", "svds"]


class KrylovSVD(NamedTuple):
    """The k largest singular triplets, with their certificate.

    Attributes
    ----------
    U, S, Vh : (m, k), (k,), (k, n) arrays
        S descends.
    residual : (k,) ndarray
        ``max(|A v - s u|, |A^H u - s v|) / s_1`` of each triplet, recomputed at the end. A singular
        value of A lies within ``residual * s_1`` of each s.
    n_iter : int
        Products of A with a block (as many with A^H).
    converged : bool
        All residuals meet the tolerance.
    """

    U: Any
    S: Any
    Vh: Any
    residual: Any
    n_iter: int
    converged: bool


def svds(
    apply,
    apply_adjoint,
    shape,
    dtype,
    k,
    *,
    rtol=None,
    maxiter=None,
    rng=None,
    xp=np,
    callback=None,
):
    """The k largest singular values and vectors, by randomised block Krylov iteration.

    Parameters
    ----------
    apply, apply_adjoint : callable
        ``X`` (n, b) to ``A X`` (m, b), and ``Y`` (m, b) to ``A^H Y`` (n, b).
    shape, dtype
        Of A; float32, float64, complex64 or complex128.
    k : int
        How many, ``0 < k <= min(m, n)``.
    rtol : float, optional
        Bound of the residuals relative to the largest singular value; 1e-10 by default, 1e-5 in
        single precision.
    maxiter : int, optional
        Most products with A; 300 by default.
    rng : Generator, int or None
        For the start block. None is a fixed seed: the answer depends on it by rounding only.
    xp : module
        numpy or cupy.
    callback : callable, optional
        ``callback(S)`` after each round with its k singular values.

    Returns
    -------
    KrylovSVD

    Raises
    ------
    ValueError
        When k is not in ``1 .. min(m, n)``.

    Notes
    -----
    Musco and Musco (2015): the Krylov space of ``A A^H`` and a Gaussian block of k + 10 columns,
    here built with full reorthogonalisation (directions that vanish are dropped, so that any rank
    will do), and restarted from the best k + 10 vectors. About ``(m + n) d^2`` operations and ``(m
    + n) d`` numbers for a space of d = 7 (k + 10) dimensions, besides the products.

    Examples
    --------
    >>> import numpy as np
    >>> d = np.arange(1.0, 101.0)[:, None]
    >>> result = svds(lambda X: d * X, lambda Y: d * Y, (100, 100), np.float64, 2)
    >>> np.round(result.S, 10), result.converged
    (array([100.,  99.]), True)
    """
    m, n = (_checks.size(s, "shape") for s in shape)
    dtype = _checks.result_dtype(dtype)
    k = _checks.count(k, min(m, n))
    rtol = default_rtol(dtype) if rtol is None else _checks.tolerance(rtol, "rtol")
    maxiter = 300 if maxiter is None else max(_checks.size(maxiter, "maxiter"), 2)
    rng = np.random.default_rng(0 if rng is None else rng)
    A = Tamed(apply)
    AH = A.twin(apply_adjoint)

    width = min(k + 10, m, n)
    space = min(7 * width, m, n)
    start = A(gaussian(rng, (n, width), dtype, xp))
    n_iter = 1
    while True:
        Q, B, steps = krylov_space(A, AH, start, space, maxiter - n_iter, rng, at_least=k)
        n_iter += steps
        # B = A^H Q = V S Uq^H, so that Q Q^H A = (Q Uq) S V^H.
        V, S, Uh = xp.linalg.svd(B, full_matrices=False)
        start = A(xp.ascontiguousarray(V[:, :width]))
        n_iter += 1
        U, S, V = Q @ Uh[:k].conj().T, S[:k], xp.ascontiguousarray(V[:, :k])
        unit = S[0] if float(S[0]) > 0 else S[0] + 1
        residual = norms(start[:, :k] - U * S) / unit
        if callback is not None:
            callback(S * A.scale)
        # A space of all dimensions has nothing to gain from another round.
        whole = Q.shape[1] >= min(m, n)
        if float(residual.max()) <= rtol or whole or n_iter + 2 > maxiter:
            break
    # A^H U = V S holds by construction; it is recomputed all the same.
    residual = xp.maximum(residual, norms(AH(xp.ascontiguousarray(U)) - V * S) / unit)
    residual = host(residual).astype(np.float64)
    return KrylovSVD(U, S * A.scale, V.conj().T, residual, n_iter, bool((residual <= rtol).all()))


def krylov_space(A, AH, start, space, steps, rng, at_least=1):
    """Orthonormal Q spanning the Krylov space of ``A A^H`` and a block, with ``B = A^H Q``.

    Parameters
    ----------
    A, AH : Tamed
    start : (m, b) array
        Any block; its independent directions count.
    space : int
        Most dimensions of Q.
    steps : int
        Most products with A.
    at_least : int
        Random directions complete a space that closes earlier than this.

    Returns
    -------
    Q, B, steps : (m, d) array, (n, d) array, int
    """
    xp = namespace_of(start)
    m = start.shape[0]
    Q = xp.empty((m, space), start.dtype)
    block = start
    d = taken = 0
    B = None
    while True:
        new = _complement(Q[:, :d], block)[:, : space - d]
        if new.shape[1] == 0 and d < at_least:
            fresh = gaussian(rng, (m, at_least - d), start.dtype, xp)
            new = _complement(Q[:, :d], fresh)
        if new.shape[1] == 0:
            break
        width = new.shape[1]
        Q[:, d : d + width] = new
        product = AH(xp.ascontiguousarray(new))
        if B is None:
            B = xp.empty((product.shape[0], space), start.dtype)
        B[:, d : d + width] = product
        d += width
        if d >= space or taken >= steps:
            break
        block = A(product)
        taken += 1
    return Q[:, :d], B[:, :d], taken


def _complement(Q, W):
    """Orthonormal basis of what W adds to the span of the orthonormal Q; maybe no columns."""
    xp = namespace_of(W)
    before = float(norms(W).max()) if W.shape[1] else 0.0
    if not before > 0:
        return W[:, :0]
    tiny = rounding(W) * before
    for _ in range(2):
        W = W - Q @ (Q.conj().T @ W)
        # QR, then the SVD of the small triangle: directions by size, the vanished ones dropped.
        W, R = xp.linalg.qr(W)
        left, sizes, _ = xp.linalg.svd(R)
        kept = int((sizes > tiny).sum())
        if kept == 0:
            return W[:, :0]
        W = W @ left[:, :kept]
        tiny = 0.5  # what is left of unit vectors that were orthogonal to rounding has size 1
    return W
