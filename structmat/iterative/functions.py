"""Functions of a matrix times a block: f(A) B by Lanczos, exp(A) B by SciPy."""

import numpy as np

from structmat import _checks
from structmat._backend.arrays import namespace_of
from structmat.iterative.columns import (
    Bases,
    as_block,
    default_rtol,
    host,
    norms,
    real_dtype,
)
from structmat.iterative.lockstep import KrylovResult

__all__ = ["expm_multiply", "lanczos_funm"]


def lanczos_funm(apply, B, f, *, rtol=None, maxiter=None, callback=None):
    """f(A) B for Hermitian A, by the Lanczos method with full reorthogonalisation, in lockstep.

    Parameters
    ----------
    apply : callable
        ``X`` (n, k) to ``A X``, Hermitian.
    B : (n, k) array
        float32, float64, complex64 or complex128, NumPy or CuPy.
    f : callable
        Takes an array of real numbers between the extreme eigenvalues of A, and returns f of each;
        real or complex.
    rtol : float, optional
        A column is done when two steps in a row, each a quarter longer, change it by no more than
        this, relative to its norm; 1e-10 by default, 1e-5 in single precision.
    maxiter : int, optional
        Most products with a block; ``min(n, 500)`` by default.
    callback : callable, optional
        ``callback(X)`` after each check. What it raises, propagates.

    Returns
    -------
    KrylovResult
        `residual` is the last relative change of each column (there is no residual of a function);
        0 where the Krylov space is invariant, and the answer exact.

    Raises
    ------
    ValueError
        When f is not finite on the interval; its place is named.

    Notes
    -----
    ``|b| V f(T) e_1`` (Druskin and Knizhnerman, 1989; Higham, Functions of Matrices, section 13.2).
    For a polynomial of degree d it is exact after d + 1 products. All j basis vectors of each
    column are kept: ``n k j`` numbers.

    Examples
    --------
    >>> import numpy as np
    >>> d = np.linspace(1.0, 4.0, 50)
    >>> B = np.ones((50, 1))
    >>> result = lanczos_funm(lambda X: d[:, None] * X, B, np.sqrt)
    >>> bool(np.allclose(result.X[:, 0], np.sqrt(d), atol=1e-9))
    True
    """
    B = as_block(B)
    xp = namespace_of(B)
    n, k = B.shape
    rtol = default_rtol(B.dtype) if rtol is None else _checks.tolerance(rtol, "rtol")
    maxiter = min(n, 500) if maxiter is None else min(_checks.size(maxiter, "maxiter"), n)
    size = norms(B)
    V = B / xp.where(size > 0, size, 1)
    if n == 0 or k == 0 or not bool((size > 0).any()) or maxiter == 0:
        done = not bool((size > 0).any())
        change = np.where(host(size) > 0, np.inf, 0.0)
        return KrylovResult(xp.zeros_like(B), 0, done, change, "Lanczos")
    bases = Bases(V, min(maxiter, 30) + 1)
    room = maxiter
    T = xp.zeros((k, room, room), real_dtype(B.dtype))
    ended = ~(size > 0)
    old, change, before = None, xp.full(k, xp.inf), xp.full(k, xp.inf)
    check = min(4, maxiter)
    step = 0
    while True:
        j = step
        W = apply(V)
        if W.dtype.kind == "c" and B.dtype.kind != "c":
            raise TypeError(f"the operator is complex; give B its dtype: `B.astype({W.dtype})`")
        h, W, beta, broken = bases.orthogonalise(xp.ascontiguousarray(W.astype(B.dtype)))
        step += 1
        # A column that has ended runs on with zero vectors: T is then block diagonal, f(T) e_1 as
        # it was, and the Ritz values of the padding repeat one that f has met already.
        T[:, j, j] = xp.where(ended, T[:, 0, 0], h[:, j].real)
        ended = ended | broken
        stop = step == maxiter or bool(ended.all())
        if step == check or stop:
            y = _first_column(T[:, :step, :step], f, size > 0)
            if old is not None:
                difference = y.copy()
                difference[:, : old.shape[1]] -= old
                scale = norms(y.T)
                before = change
                change = norms(difference.T) / xp.where(scale > 0, scale, 1)
            change = xp.where(ended, 0, change)
            old = y
            check = step + max(2, step // 4)
            if callback is not None:
                callback(bases.combine(y) * size)
            settled = ended | ((change <= rtol) & (before <= rtol))
            # n steps are a basis of the whole space.
            if stop or step == n or bool(settled.all()):
                break
        beta = xp.where(ended, 0, beta)
        T[:, j, j + 1] = T[:, j + 1, j] = beta
        V = W / xp.where(beta > 0, beta, 1)
        V = xp.where(beta > 0, V, 0)
        bases.append(V)
    if step == n:
        settled = settled | True
        change = change * 0
    X = bases.combine(old) * size
    change = host(change).astype(np.float64)
    return KrylovResult(X, step, bool(settled.all()), change, "Lanczos")


def _first_column(T, f, used):
    """f(T) e_1 for a batch (k, j, j) of real symmetric matrices: (k, j)."""
    xp = namespace_of(T)
    theta, Z = xp.linalg.eigh(T)
    # A column of zeros has no interval; let f see the others' values only.
    theta = xp.where(used[:, None], theta, theta[xp.argmax(used.astype(xp.int64))])
    values = f(theta)
    finite = xp.isfinite(values)
    if not bool(finite.all()):
        place = float(host(theta[~finite])[0])
        raise ValueError(
            f"f is not finite at {place:.6g}, within the spectrum (to rounding) of this "
            f"matrix; its Ritz values lie in [{float(theta.min()):.6g}, {float(theta.max()):.6g}]. "
            "Shift the matrix, or give an f that is defined there, like `np.sqrt(np.maximum(x, 0))`"
        )
    return xp.matmul(Z, (values * Z[:, 0, :])[:, :, None])[:, :, 0]


def expm_multiply(
    apply,
    apply_adjoint,
    B,
    *,
    trace=None,
    start=None,
    stop=None,
    num=None,
    endpoint=None,
):
    """exp(t A) B, for one time or many, by SciPy's ``expm_multiply``.

    Parameters
    ----------
    apply, apply_adjoint : callable
        ``X`` (n, k) to ``A X`` and ``A^H X``, NumPy arrays.
    B : (n, k) or (n,) array
        NumPy, of the dtype of the result.
    trace : scalar, optional
        Trace of A, or a guess. It shifts the spectrum, which saves products when it is right and
        changes nothing but rounding when it is not; 0 by default.
    start, stop, num, endpoint
        Times, as in SciPy; t = 1 where none is given.

    Returns
    -------
    ndarray
        Shape of B, with a leading axis of times where these are given.

    Raises
    ------
    NotImplementedError
        For CuPy arrays, since CuPy has none: `lanczos_funm` serves Hermitian A there.

    Notes
    -----
    Al-Mohy and Higham (2011).

    Examples
    --------
    >>> import numpy as np
    >>> d = np.array([0.0, 1.0])
    >>> expm_multiply(lambda X: d[:, None] * X, lambda X: d[:, None] * X, np.ones(2))
    array([1.        , 2.71828183])
    """
    xp = namespace_of(B)
    if xp is not None and xp is not np:
        raise NotImplementedError(
            "expm_multiply of CuPy arrays: CuPy has no such routine. For Hermitian A use "
            "lanczos_funm with xp.exp, else the dense `expm(A.toarray()) @ B`"
        )
    B = _checks.finite(_checks.as_array(B, "B"), "`B`")
    if B.ndim not in (1, 2):
        raise ValueError(f"`B` must have shape (n,) or (n, k); got {B.shape}")
    n = B.shape[0]
    if n == 0:
        return B.copy()
    from scipy.sparse.linalg import LinearOperator
    from scipy.sparse.linalg import expm_multiply as scipy_expm_multiply

    def vector(g):
        return lambda x: g(np.ascontiguousarray(x.reshape(n, 1))).reshape(n)

    def block(g):
        return lambda X: g(np.ascontiguousarray(X))

    A = LinearOperator(
        (n, n),
        matvec=vector(apply),
        rmatvec=vector(apply_adjoint),
        matmat=block(apply),
        rmatmat=block(apply_adjoint),
        dtype=B.dtype,
    )
    result = scipy_expm_multiply(
        A,
        B,
        start=start,
        stop=stop,
        num=num,
        endpoint=endpoint,
        traceA=0.0 if trace is None else trace,
    )
    return _checks.finite(result, "exp(A) B")
