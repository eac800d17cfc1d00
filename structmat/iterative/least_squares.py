"""Least squares with several right-hand sides: `lsmr` in lockstep."""

import numpy as np

from structmat import _checks
from structmat._backend.arrays import namespace_of
from structmat.iterative.columns import (
    Tamed,
    as_block,
    default_rtol,
    epsilon,
    host,
    norms,
    real_dtype,
    take,
)
from structmat.iterative.lockstep import KrylovResult

__all__ = ["lsmr"]


def lsmr(apply, apply_adjoint, B, *, rtol=None, atol=0.0, maxiter=None, callback=None):
    """Minimise ``|A x - b|`` for every column b of B; of all minimisers, the shortest.

    Parameters
    ----------
    apply, apply_adjoint : callable
        ``X`` (n, k) to ``A X`` (m, k), and ``Y`` (m, k) to ``A^H Y`` (n, k); k may shrink as
        columns converge. A may have any shape and rank.
    B : (m, k) array
        Right-hand sides; float32, float64, complex64 or complex128, NumPy or CuPy.
    rtol, atol : float, optional
        A column is done when ``|r| <= rtol (|A| |x| + |b|) + atol`` (b in the range of A) or
        ``|A^H r| <= rtol |A| |r|`` (it is not), with ``|A|`` the Frobenius norm of the bidiagonal
        matrix so far, which grows towards that of A. `rtol` is 1e-10 by default, 1e-5 in single
        precision. These are the stopping rules of the paper; x has about ``rtol cond(A)`` of error.
    maxiter : int, optional
        Most iterations; ``4 min(m, n)``, at least 100, by default.
    callback : callable, optional
        ``callback(X)`` once an iteration, X a fresh (n, k) array. What it raises, propagates.

    Returns
    -------
    KrylovResult
        `residual` is ``|b - A x| / |b|`` and `optimality` ``|A^H r| / (|A| |r|)``, both recomputed.

    Raises
    ------
    ValueError
        For NaN or infinity in B, and for shapes that do not fit.

    Notes
    -----
    Fong and Saunders (2011), without damping. One product with A and one with A^H an iteration, and
    five (n, k) or (m, k) blocks of memory.

    Examples
    --------
    >>> import numpy as np
    >>> A = np.array([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]])
    >>> result = lsmr(lambda X: A @ X, lambda Y: A.T @ Y, np.array([[1.0], [4.0], [5.0]]))
    >>> np.round(result.X[:, 0], 12)
    array([1., 2.])
    """
    B = as_block(B)
    xp = namespace_of(B)
    m, k = B.shape
    rtol = default_rtol(B.dtype) if rtol is None else _checks.tolerance(rtol, "rtol")
    eps = epsilon(B.dtype)
    rtol = max(rtol, eps)
    atol = _checks.tolerance(atol, "atol") or 0.0
    A = Tamed(apply)
    AH = A.twin(apply_adjoint)

    norm_b = norms(B)
    nonzero = xp.where(norm_b > 0, norm_b, 1)
    gradient = AH(B / nonzero)  # zero columns stay zero
    n = gradient.shape[0]
    maxiter = max(4 * min(m, n), 100) if maxiter is None else _checks.size(maxiter, "maxiter")
    # A column whose b is orthogonal to the range (b = 0 too) has the answer zero.
    todo = np.flatnonzero(host(norms(gradient) > 0))
    X = xp.zeros((n, k), B.dtype)
    norm_a = xp.zeros(k, real_dtype(B.dtype))

    observe = None
    R = B.copy()
    size_r = norm_b
    n_iter = 0
    best = np.full(k, np.inf)
    optimality = np.zeros(k)
    met = np.ones(k, bool)
    met[todo] = False
    while todo.size and n_iter < maxiter:
        r, b, x, size, size_b, a = take(todo, R, B, X, size_r, norm_b, norm_a)
        if callback is not None:
            latest = X.copy()

            def observe(columns, D, latest=latest, todo=todo, size=size):
                # Columns that have left the sweep stay in `latest` as they were last seen.
                chosen = xp.asarray(todo[columns])
                latest[:, chosen] = X[:, chosen] + D * take(columns, size)[0] / A.scale
                callback(latest.copy())

        # What of the stopping rule does not change during the sweep, in units of its right-hand
        # side.
        base = (size_b + a * norms(x)) / size
        D, steps, a = _lsmr_sweep(
            A, AH, r / size, rtol, base, atol / size, maxiter - n_iter, observe
        )
        n_iter += steps
        a = xp.maximum(norm_a[xp.asarray(todo)], a)
        with np.errstate(all="ignore"):
            trial = x + D * size / A.scale
            _checks.finite(trial, "the least-squares solution")
            trial_r = xp.ascontiguousarray(b - apply(trial))
            new_size = norms(trial_r)
            level = a * (norms(trial) * A.scale) + size_b
            slope = norms(AH(trial_r / xp.where(new_size > 0, new_size, 1)))
            # Rounding in r itself, eps (|A| |x| + |b|), is not the iteration's to remove.
            noise = 10 * eps * level / xp.where(new_size > 0, new_size, 1)
            small = new_size <= rtol * level + atol
            optimal = slope <= a * (rtol + noise)
            score = host(xp.minimum(new_size / level, slope / a)).astype(np.float64)
        better = score < best[todo]
        columns = todo[better]
        index, chosen = xp.asarray(columns), np.flatnonzero(better)
        X[:, index], R[:, index], size_r[index], norm_a[index] = take(
            chosen, trial, trial_r, new_size, a
        )
        optimality[columns] = host(slope / a)[better]
        met[columns] = host(small | optimal)[better]
        going = better & (score <= 0.5 * best[todo]) & ~met[todo]
        best[columns] = score[better]
        todo = todo[going]

    residual = np.where(host(norm_b) > 0, host(size_r) / host(nonzero), 0).astype(np.float64)
    return KrylovResult(X, n_iter, bool(met.all()), residual, "LSMR", optimality=optimality)


def _lsmr_sweep(A, AH, U, rtol, base, atol, limit, observe):
    """Minimise |A X - U| for unit columns U (m, k); returns X, iterations and |A|_F so far."""
    xp = namespace_of(U)
    k = U.shape[1]
    V = AH(U)
    out, out_norm = xp.zeros_like(V), xp.zeros(k, real_dtype(V.dtype))
    columns = np.arange(k)
    alpha = norms(V)
    V = V / xp.where(alpha > 0, alpha, 1)
    one = xp.ones(k, alpha.dtype)
    zero = one * 0
    # Names of the paper, section 3.2; rhobar_old and so on are the values of the step before.
    zetabar, alphabar, rho, rhobar, cbar, sbar = alpha, alpha, one, one, one, zero
    Hn, Hbar, X = V, xp.zeros_like(V), xp.zeros_like(V)
    # The residual norm, section 5.2.
    betadd, betad, rhod_old, tau_old, theta_old, zeta = one, zero, one, zero, zero, zero
    norm_a = alpha
    eps = epsilon(V.dtype)
    step = 0
    while step < limit:
        step += 1
        U = A(V) - alpha * U
        beta = norms(U)
        # Nothing but rounding is left: the bidiagonalisation has ended.
        beta = xp.where(beta > 10 * eps * norm_a, beta, 0)
        U = xp.where(beta > 0, U / xp.where(beta > 0, beta, 1), 0)
        V_next = AH(U) - beta * V
        alpha_next = norms(V_next)
        alpha_next = xp.where(
            (beta > 0) & (alpha_next > 10 * eps * xp.hypot(norm_a, beta)), alpha_next, 0
        )
        norm_a = xp.hypot(norm_a, xp.hypot(beta, alpha_next))
        V = xp.where(alpha_next > 0, V_next / xp.where(alpha_next > 0, alpha_next, 1), 0)

        rho_old, rho = rho, xp.hypot(alphabar, beta)
        c, s = alphabar / rho, beta / rho
        theta_new = s * alpha_next
        alphabar = c * alpha_next
        rhobar_old, zeta_old = rhobar, zeta
        thetabar = sbar * rho
        rho_times_c = cbar * rho
        rhobar = xp.hypot(rho_times_c, theta_new)
        cbar, sbar = rho_times_c / rhobar, theta_new / rhobar
        zeta = cbar * zetabar
        zetabar = -sbar * zetabar
        Hbar = Hn - (thetabar * rho / (rho_old * rhobar_old)) * Hbar
        X = X + (zeta / (rho * rhobar)) * Hbar
        Hn = V - (theta_new / rho) * Hn
        if observe is not None:
            observe(columns, X)

        betahat, betadd = c * betadd, -s * betadd
        thetatilde_old = theta_old
        rhotilde = xp.hypot(rhod_old, thetabar)
        ctilde, stilde = rhod_old / rhotilde, thetabar / rhotilde
        theta_old = stilde * rhobar
        rhod_old = ctilde * rhobar
        betad = -stilde * betad + ctilde * betahat
        tau_old = (zeta_old - thetatilde_old * tau_old) / rhotilde
        tau = (zeta - theta_old * tau_old) / rhod_old
        size = xp.hypot(betad - tau, betadd)

        level = norm_a * norms(X) + base
        small = size <= rtol * level + atol
        optimal = abs(zetabar) <= norm_a * (rtol * size + eps * level)
        going = host(~(small | optimal) & (alpha_next > 0) & (beta > 0))
        alpha = alpha_next
        if not going.all():
            stopped = xp.asarray(columns[~going])
            out[:, stopped], out_norm[stopped] = take(np.flatnonzero(~going), X, norm_a)
            columns = columns[going]
            if not columns.size:
                break
            kept = np.flatnonzero(going)
            U, V, X, Hn, Hbar = take(kept, U, V, X, Hn, Hbar)
            alpha, norm_a, zetabar, alphabar, rho, rhobar, cbar, sbar = take(
                kept, alpha, norm_a, zetabar, alphabar, rho, rhobar, cbar, sbar
            )
            betadd, betad, rhod_old, tau_old, theta_old, zeta, base, atol = take(
                kept, betadd, betad, rhod_old, tau_old, theta_old, zeta, base, atol
            )
    if columns.size:
        chosen = xp.asarray(columns)
        out[:, chosen], out_norm[chosen] = X, norm_a
    return out, step, out_norm
