"""Many right-hand sides at once: the loop around every Krylov solver, and what it returns.

A solver is a *sweep*: it takes a block of unit residuals and returns corrections, all columns in
step, so that an iteration costs one product with a block. The loop here owns what sweeps have in
common: scaling of the columns, the true residual after each sweep, a new sweep from it while that
helps (which is the restart of GMRES and the iterative refinement of CG), and giving up when it does
not.
"""

from typing import Any, NamedTuple

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
    take,
)

__all__ = ["KrylovResult", "Sweep", "solve_in_lockstep"]


class KrylovResult(NamedTuple):
    """Solutions of A X = B for a block of k right-hand sides, with their certificate.

    Attributes
    ----------
    X : (n, k) array
        The solutions, or the best iterates where `converged` is False.
    n_iter : int
        Iterations, each one product with a block.
    converged : bool
        True when the true residual of every column meets its tolerance.
    residual : (k,) ndarray
        ``|b - A x| / |b|`` by column, recomputed at the end; inf where A x is not finite.
    method : str
        The algorithm.
    indefinite : bool
        CG met a direction with ``p^H A p <= 0``: A is not positive definite.
    backward_error : (k,) ndarray or None
        An upper bound of ``|b - A x| / (|A|_2 |x| + |b|)``, the norm estimated from below.
    optimality : (k,) ndarray or None
        Least squares only: ``|A^H r| / (|A|_F |r|)``, the norm estimated from below.
    """

    X: Any
    n_iter: int
    converged: bool
    residual: Any
    method: str
    indefinite: bool = False
    backward_error: Any = None
    optimality: Any = None


class Sweep(NamedTuple):
    """What one sweep returns for its block: corrections (n, k), iterations, and two flags.

    `indefinite` is a (k,) host array. `worth_another` says that the sweep ended for want of room
    and the next will have more, even if this one gained nothing.
    """

    D: Any
    n_iter: int
    indefinite: Any
    worth_another: bool = False


def solve_in_lockstep(
    sweep,
    apply,
    B,
    *,
    method,
    preconditioner=None,
    x0=None,
    rtol=None,
    atol=0.0,
    maxiter=None,
    callback=None,
    gain=0.5,
    monotone=True,
):
    """Run `sweep` until the true residual of every column meets ``max(rtol |b|, atol)``.

    Parameters
    ----------
    sweep : callable
        ``sweep(A, M, R, goal, limit, observe) -> Sweep``: unit residuals R (n, k), goals (k,) for
        their norms, at most `limit` iterations; ``observe(columns, D)`` after each iteration, or
        None.
    gain : float
        A column whose residual a sweep does not bring below `gain` times what it was stagnates.
    monotone : bool
        The method minimises the residual: a sweep that increases it was rounding, and is undone.
    """
    B = as_block(B)
    xp = namespace_of(B)
    n, k = B.shape
    eps = epsilon(B.dtype)
    rtol = default_rtol(B.dtype) if rtol is None else _checks.tolerance(rtol, "rtol")
    atol = _checks.tolerance(atol, "atol") or 0.0
    maxiter = max(10 * n, 20) if maxiter is None else _checks.size(maxiter, "maxiter")
    A = Tamed(apply)
    M = None if preconditioner is None else Tamed(preconditioner)

    norm_b = norms(B)
    goal = xp.maximum(norm_b * rtol, xp.full_like(norm_b, atol))
    X, R = _start(apply, B, x0, norm_b)
    norm_r = norms(R)
    indefinite = np.zeros(k, bool)
    n_iter = 0
    todo = np.flatnonzero(host(norm_r > goal))
    while todo.size and n_iter < maxiter:
        r, wanted, size = take(todo, R, goal, norm_r)
        first = n_iter == 0

        observe = None
        if callback is not None:
            latest = X.copy()

            def observe(columns, D, latest=latest, todo=todo, size=size):
                # Columns that have left the sweep stay in `latest` as they were last seen.
                chosen = xp.asarray(todo[columns])
                latest[:, chosen] = X[:, chosen] + D * take(columns, size)[0] / A.scale
                callback(latest.copy())

        # Below one unit of rounding the recurrences have parted from the true residual anyway.
        # Overflow in a recurrence is no news: the true residual, computed afterwards, judges.
        with np.errstate(all="ignore"):
            aim = xp.maximum(wanted / size, eps)
            result = sweep(A, M, r / size, aim, maxiter - n_iter, observe)
        n_iter += result.n_iter
        indefinite[todo] |= result.indefinite
        with np.errstate(all="ignore"):
            old, b = take(todo, X, B)
            trial = old + result.D * size / A.scale
            _refuse_overflow(result.D, trial)
            trial_r = b - apply(trial)
            new_size = norms(xp.ascontiguousarray(trial_r))
        better = new_size < size
        if first and not monotone:
            better = xp.isfinite(new_size)
        columns = xp.asarray(todo)
        X[:, columns] = xp.where(better, trial, old)
        R[:, columns] = xp.where(better, trial_r, r)
        norm_r[columns] = xp.where(better, new_size, size)
        going = host(new_size > wanted) & (host(better & (new_size <= gain * size)))
        if result.worth_another:
            going |= host(new_size > wanted)
        if result.n_iter == 0:
            break
        todo = todo[going]

    met = host(norm_r <= goal)
    sizes, norm_b, norm_x = (host(x).astype(np.float64) for x in (norm_r, norm_b, norms(X)))
    with np.errstate(all="ignore"):
        residual = np.where(norm_b > 0, sizes / norm_b, 0)
        norm_a = A.norm * A.scale
        backward = np.where(norm_b > 0, sizes / (norm_a * norm_x + norm_b), 0)
    residual = np.where(np.isfinite(residual), residual, np.inf)
    backward = np.where(np.isfinite(backward), backward, np.inf)
    return KrylovResult(
        X,
        n_iter,
        bool(met.all()),
        residual,
        method,
        bool((indefinite & ~met).any()),
        backward,
    )


def _start(apply, B, x0, norm_b):
    """First iterates and their residuals; a zero right-hand side has the zero solution."""
    xp = namespace_of(B)
    if x0 is None:
        return xp.zeros_like(B), B.copy()
    x0 = as_block(x0, "x0")
    if x0.shape != B.shape:
        raise ValueError(f"`x0` must have the shape of `B`, {B.shape}; got {x0.shape}")
    if x0.dtype.kind == "c" and B.dtype.kind != "c":
        raise TypeError(f"`x0` is {x0.dtype} and `B` is {B.dtype}; use `B.astype({x0.dtype})`")
    X = xp.where(norm_b > 0, x0, 0).astype(B.dtype)
    return X, xp.ascontiguousarray(B - _checks.finite(apply(X), "A @ x0").astype(B.dtype))


def _refuse_overflow(D, trial):
    xp = namespace_of(D)
    if not bool(xp.isfinite(trial).all()) and bool(xp.isfinite(D).all()):
        raise OverflowError(
            f"the solution has entries beyond the largest {D.dtype}; scale the right-hand side"
        )
