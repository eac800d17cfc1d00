"""General square systems with several right-hand sides: `gmres`."""

import numpy as np

from structmat import _checks
from structmat._backend.arrays import namespace_of
from structmat.iterative.columns import Bases, epsilon, real_dtype, rounding
from structmat.iterative.lockstep import Sweep, solve_in_lockstep

__all__ = ["gmres"]


def gmres(
    apply,
    B,
    *,
    preconditioner=None,
    x0=None,
    rtol=None,
    atol=0.0,
    maxiter=None,
    callback=None,
    restart=None,
):
    """Generalised minimal residuals in lockstep: A X = B for any square A.

    Parameters
    ----------
    apply, B, x0, rtol, atol, callback
        As in `cg`. With a callback the iterate is formed each iteration, which costs a product with
        the basis.
    preconditioner : callable, optional
        Block to block, close to the inverse of A. Applied from the right, so that residuals are
        true.
    maxiter : int, optional
        Most products with A (not cycles); ``10 n`` by default.
    restart : int, optional
        Length of a cycle. By default n up to n = 100, then 30, doubled after a cycle that stagnates
        (up to 240), since a cyclic shift of order n stands still until iteration n.

    Returns
    -------
    KrylovResult

    Notes
    -----
    Saad and Schultz (1986). Gram-Schmidt is applied twice; the rotations that triangularise the
    Hessenberg matrices are accumulated, so that a new column costs one batched product.

    Examples
    --------
    >>> import numpy as np
    >>> A = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    >>> result = gmres(lambda X: A @ X, np.array([[1.0], [2.0], [3.0]]))
    >>> np.round(result.X[:, 0], 12), result.n_iter
    (array([3., 1., 2.]), 3)
    """
    fixed = restart is not None
    if fixed and _checks.size(restart, "restart") == 0:
        raise ValueError("`restart` must be at least 1; got 0")
    length = [restart]

    def sweep(A, M, R, goal, limit, observe):
        n = R.shape[0]
        length[0] = length[0] or (n if n <= 100 else 30)
        D, step, estimate = _gmres_cycle(A, M, R, goal, min(limit, length[0]), observe)
        longest = min(n, 240)
        stalled = bool(((estimate > 0.5) & (estimate > goal)).any())
        longer = stalled and not fixed and length[0] < longest and step >= length[0]
        if longer:
            length[0] = min(2 * length[0], longest)
        return Sweep(D, step, np.zeros(R.shape[1], bool), longer)

    return solve_in_lockstep(
        sweep,
        apply,
        B,
        method="GMRES",
        preconditioner=preconditioner,
        x0=x0,
        rtol=rtol,
        atol=atol,
        maxiter=maxiter,
        callback=callback,
        gain=0.999,
    )


def _gmres_cycle(A, M, R, goal, length, observe):
    """One cycle: corrections (n, k), its steps, and the residual norms it expects (k,)."""
    xp = namespace_of(R)
    n, k = R.shape
    length = min(length, n)
    noise = rounding(R)
    bases = Bases(R, length + 1)
    # T is H triangularised by the rotations whose product is G; G e_1 is the rotated right-hand
    # side.
    T = xp.zeros((k, length, length), R.dtype)
    history = xp.ones((k, length), real_dtype(R.dtype))
    G = xp.zeros((k, length + 1, length + 1), R.dtype)
    place = xp.arange(length + 1)
    G[:, place, place] = 1
    used = xp.zeros(k, np.int64)  # basis vectors that the solution of this column takes
    alive = xp.ones(k, bool)
    largest = xp.zeros(k, real_dtype(R.dtype))
    estimate = xp.ones(k, real_dtype(R.dtype))
    V = R
    step = 0
    while step < length and bool(alive.any()):
        j = step
        W = A(V if M is None else M(V))
        h, W, below, _ = bases.orthogonalise(W)
        column = xp.matmul(G[:, : j + 1, : j + 1], h[:, :, None])[:, :, 0]
        a = column[:, j]
        r = xp.hypot(abs(a), below)
        largest = xp.maximum(largest, r)
        # A zero on the diagonal (A singular on this space), or NaN: the column ends one step
        # earlier.
        sound = alive & (r > noise * largest) & xp.isfinite(r)
        r = xp.where(sound, r, 1)
        c = xp.where(sound, a / r, 1)
        s = xp.where(sound, below / r, 0)
        T[:, :j, j] = xp.where(sound[:, None], column[:, :j], 0)
        T[:, j, j] = r
        row = G[:, j, : j + 1].copy()
        G[:, j, : j + 1] = c.conj()[:, None] * row
        G[:, j, j + 1] = s
        G[:, j + 1, : j + 1] = -s[:, None] * row
        G[:, j + 1, j + 1] = c
        history[:, j] = estimate
        used = xp.where(sound, j + 1, used)
        estimate = xp.where(sound, abs(G[:, j + 1, 0]), estimate)
        alive = sound & (below > 0) & (estimate > goal)
        V = xp.where(alive, W / xp.where(alive, below, 1), 0)
        bases.append(V)
        step += 1
        if observe is not None:
            observe(np.arange(k), _gmres_correction(bases, T, G, used, step, M))
    used = xp.minimum(used, _trustworthy(T[:, :step, :step], G[:, :step, 0], largest, history))
    return _gmres_correction(bases, T, G, used, step, M), step, estimate


def _trustworthy(T, g, largest, history):
    """How many steps (k,) of a cycle brought more than rounding, judged as in CG.

    The iterate of j steps has coordinates ``T_j^{-1} g_j``: running sums over the columns of
    T^{-1}.
    """
    xp = namespace_of(T)
    k, step, _ = T.shape
    if step == 0:
        return xp.zeros(k, np.int64)
    y = xp.cumsum(xp.linalg.inv(T) * g[:, None, :], axis=2)
    peak = abs(y).max(axis=1)
    peak = xp.where(peak > 0, peak, 1)
    size = peak * xp.sqrt((abs(y / peak[:, None]) ** 2).sum(axis=1))
    useful = epsilon(T.dtype) * largest[:, None] * size <= history[:, :step]
    return xp.where(useful.all(axis=1), step, xp.argmin(useful.astype(np.int64), axis=1))


def _gmres_correction(bases, T, G, used, step, M):
    xp = namespace_of(T)
    if step == 0:
        return bases.combine(T[:, 0, :0])
    right = xp.where(xp.arange(step) < used[:, None], G[:, :step, 0], 0)
    # LU of a triangular matrix is back substitution: partial pivoting finds nothing to exchange.
    y = xp.linalg.solve(T[:, :step, :step], right[:, :, None])[:, :, 0]
    D = bases.combine(y)
    return D if M is None else M(D)
