"""Hermitian systems with several right-hand sides: `cg` and `minres`.

They take a callable on blocks and a block ``B`` of shape (n, k). SciPy's solvers take one column,
and a loop over columns is k products with vectors where one product with a block costs little more
than one of them (for a fast transform or a Kronecker product often nothing more). Recurrences are
those of the papers, with (k,) coefficients; columns that have converged leave the block.

============  ============================  ============================================
A             use                           memory beyond A, in (n, k) blocks
============  ============================  ============================================
HPD           `cg`                          5
Hermitian     `minres`                      8
any square    `gmres` (in `arnoldi`)        `restart` + 4, up to 240 where it must grow
============  ============================  ============================================
"""

import numpy as np

from structmat._backend.arrays import namespace_of
from structmat.iterative.columns import (
    epsilon,
    host,
    norms,
    real_dtype,
    real_inner,
    rounding,
    take,
)
from structmat.iterative.lockstep import Sweep, solve_in_lockstep

__all__ = ["cg", "minres"]


def cg(
    apply,
    B,
    *,
    preconditioner=None,
    x0=None,
    rtol=None,
    atol=0.0,
    maxiter=None,
    callback=None,
):
    """Conjugate gradients in lockstep: A X = B for Hermitian positive definite A.

    Parameters
    ----------
    apply : callable
        ``apply(X)`` maps a C-contiguous (n, k) block to A X; k may shrink as columns converge.
    B : (n, k) array
        Right-hand sides; float32, float64, complex64 or complex128, NumPy or CuPy.
    preconditioner : callable, optional
        Block to block, Hermitian positive definite, close to the inverse of A.
    x0 : (n, k) array, optional
        First guess.
    rtol, atol : float, optional
        A column is done when its true residual is at most ``max(rtol |b|, atol)``. `rtol` is 1e-10
        by default, 1e-5 in single precision.
    maxiter : int, optional
        Most iterations; ``10 n`` by default.
    callback : callable, optional
        ``callback(X)`` once an iteration, X a fresh (n, k) array. What it raises, propagates.

    Returns
    -------
    KrylovResult
        `converged` is False, and `indefinite` True, when a direction with ``p^H A p <= 0`` was met.

    Raises
    ------
    ValueError
        For NaN or infinity in B, and for shapes that do not fit.
    OverflowError
        When the solution is not representable.

    Notes
    -----
    Hestenes and Stiefel (1952); one product and 10 n k operations an iteration. Where rounding has
    parted the recurrence from the true residual, it starts again from that residual.

    Examples
    --------
    >>> import numpy as np
    >>> d = np.array([1.0, 2.0, 4.0])
    >>> result = cg(lambda X: d[:, None] * X, np.ones((3, 1)))
    >>> result.X[:, 0], result.n_iter
    (array([1.  , 0.5 , 0.25]), 3)
    """
    return solve_in_lockstep(
        _cg_sweep,
        apply,
        B,
        method="conjugate gradients",
        preconditioner=preconditioner,
        x0=x0,
        rtol=rtol,
        atol=atol,
        maxiter=maxiter,
        callback=callback,
        monotone=False,
    )


def _cg_sweep(A, M, R, goal, limit, observe):
    xp = namespace_of(R)
    k = R.shape[1]
    D = xp.zeros_like(R)
    indefinite = np.zeros(k, bool)
    columns = np.arange(k)
    X = xp.zeros_like(R)
    eps = epsilon(R.dtype)
    size = xp.ones(k, real_dtype(R.dtype))
    Z = R if M is None else M(R)
    P = Z
    rho = real_inner(R, Z)
    step = 0
    while step < limit:
        step += 1
        Q = A(P)
        curvature = real_inner(P, Q)
        # False for NaN too: such a column stops where it is.
        positive = (curvature > 0) & (rho > 0)
        alpha = xp.where(positive, rho / xp.where(positive, curvature, 1), 0)
        # The residual of an iterate is known to eps |A| |x| at best. A step beyond that is
        # rounding: near the end a sign to start again from the true residual, else flight along a
        # null space.
        X_next = X + alpha * P
        useful = eps * A.norm * norms(X_next) <= size
        X = X_next if bool(useful.all()) else xp.where(useful, X_next, X)
        R = R - alpha * Q
        if observe is not None:
            observe(columns, X)
        size = norms(R)
        if M is None:
            Z, rho_next = R, size * size
        else:
            Z = M(R)
            rho_next = real_inner(R, Z)
        going = host(positive & useful & (size > goal) & (rho_next > 0))
        if not going.all():
            stopped = xp.asarray(columns[~going])
            D[:, stopped] = take(np.flatnonzero(~going), X)[0]
            indefinite[columns] |= host((curvature <= 0) & (rho > 0))
            columns = columns[going]
            if not columns.size:
                break
            kept = np.flatnonzero(going)
            X, R, Z, P, rho, rho_next, goal, size = take(
                kept, X, R, Z, P, rho, rho_next, goal, size
            )
        P = Z + (rho_next / rho) * P
        rho = rho_next
    if columns.size:
        D[:, xp.asarray(columns)] = X
    return Sweep(D, step, indefinite)


def minres(
    apply,
    B,
    *,
    preconditioner=None,
    x0=None,
    rtol=None,
    atol=0.0,
    maxiter=None,
    callback=None,
):
    """Minimal residuals in lockstep: A X = B for Hermitian A, definite or not.

    Parameters
    ----------
    apply, B, x0, rtol, atol, maxiter, callback
        As in `cg`.
    preconditioner : callable, optional
        Block to block, Hermitian positive definite (also where A is not).

    Returns
    -------
    KrylovResult
        A singular A is solved where B is in its range; where it is not, `converged` is False and
        X minimises the residual.

    Notes
    -----
    Paige and Saunders (1975); one product and 20 n k operations an iteration. With a preconditioner
    the 2-norm of the residual follows from ``r_k = s_k^2 r_{k-1} - c_k phi_k v_{k+1}`` (Choi, Paige
    and Saunders, 2011), so that `rtol` means the same with and without.

    Examples
    --------
    >>> import numpy as np
    >>> d = np.array([1.0, -2.0, 4.0])
    >>> result = minres(lambda X: d[:, None] * X, np.ones((3, 1)))
    >>> bool(np.allclose(result.X[:, 0], 1 / d)), result.n_iter
    (True, 3)
    """
    return solve_in_lockstep(
        _minres_sweep,
        apply,
        B,
        method="MINRES",
        preconditioner=preconditioner,
        x0=x0,
        rtol=rtol,
        atol=atol,
        maxiter=maxiter,
        callback=callback,
    )


def _minres_sweep(A, M, R, goal, limit, observe):
    xp = namespace_of(R)
    k = R.shape[1]
    noise, eps = rounding(R), epsilon(R.dtype)
    D = xp.zeros_like(R)
    columns = np.arange(k)
    X = xp.zeros_like(R)
    zero = xp.zeros(k, real_dtype(R.dtype))
    size = zero + 1
    # Lanczos: V are the vectors v_{j-1}, v_j before preconditioning, scaled by beta.
    R1, R2 = xp.zeros_like(R), R
    Y = R if M is None else M(R)
    beta = xp.sqrt(xp.maximum(real_inner(R, Y), 0))
    beta_old, dbar, tail, phibar, size_a = zero + 1, zero, zero, beta, zero
    c, s = zero - 1, zero
    W1, W = xp.zeros_like(R), xp.zeros_like(R)
    step = 0
    while step < limit:
        step += 1
        usable = beta > 0
        divisor = xp.where(usable, beta, 1)
        V = Y / divisor
        Y = A(V)
        Y = Y - (beta / beta_old) * R1
        alpha = real_inner(V, Y)
        Y = Y - (alpha / divisor) * R2
        R1, R2 = R2, Y
        if M is not None:
            Y = M(R2)
        beta_old = divisor
        square = real_inner(R2, Y) if M is not None else norms(R2) ** 2
        beta_next = xp.sqrt(xp.maximum(square, 0))
        size_a = xp.maximum(size_a, xp.hypot(alpha, xp.hypot(beta, beta_next)))
        beta = xp.where(beta_next > noise * size_a, beta_next, 0)

        # The previous rotation on the new column of T, then the one that annihilates beta.
        tail_old = tail
        delta = c * dbar + s * alpha
        gbar = s * dbar - c * alpha
        tail = s * beta
        dbar = -c * beta
        # |A r_{j-1}| = phibar * root: zero where r is orthogonal to the range (no solution).
        root = xp.hypot(gbar, dbar)
        gamma = xp.hypot(gbar, beta)
        sound = usable & (gamma > noise * size_a) & xp.isfinite(gamma)
        divisor = xp.where(sound, gamma, 1)
        c = xp.where(sound, gbar / divisor, 1)
        s = xp.where(sound, beta / divisor, 1)
        phi = xp.where(sound, c * phibar, 0)
        phibar = s * phibar
        W1, W = W, xp.where(sound, (V - tail_old * W1 - delta * W) / divisor, 0)
        X_next = X + phi * W
        sound &= eps * A.norm * norms(X_next) <= size  # as in CG
        X = X_next if bool(sound.all()) else xp.where(sound, X_next, X)
        if observe is not None:
            observe(columns, X)
        if M is None:
            size = phibar
        else:
            R = s * s * R - (phibar * c / xp.where(beta > 0, beta, 1)) * R2
            size = norms(R)
        going = sound & (beta > 0) & (size > goal) & (root > noise * size_a)
        going = host(going)
        if not going.all():
            D[:, xp.asarray(columns[~going])] = take(np.flatnonzero(~going), X)[0]
            columns = columns[going]
            if not columns.size:
                break
            kept = np.flatnonzero(going)
            X, Y, R1, R2, W1, W, goal, beta, beta_old, dbar, tail, phibar, size_a, c, s = take(
                kept, X, Y, R1, R2, W1, W, goal, beta, beta_old, dbar, tail, phibar, size_a, c, s
            )
            R, size = take(kept, R, size)
    if columns.size:
        D[:, xp.asarray(columns)] = X
    return Sweep(D, step, np.zeros(k, bool))
