"""Numbers about a matrix that is known by its products only: trace, diagonal, 1-norm, 2-norm.

Each is a random variable, comes with what is known of its error, and takes `rng`.

===========  =====================================================  ================================
function     method                                                 what the error is
===========  =====================================================  ================================
`trace`      Hutch++                                                `stderr`; 0 from n samples on
`diagonal`   Bekas's estimator after deflation (Diag++)             `stderr`; 0 from n samples on
`norm1`      block 1-norm estimator of Higham and Tisseur           a lower bound, mostly exact
`norm2`      block Krylov                                           certain `lower`, likely `upper`
===========  =====================================================  ================================
"""

import math
from typing import Any, NamedTuple

import numpy as np

from structmat import _checks
from structmat._backend.arrays import namespace_of
from structmat.iterative.block_krylov import krylov_space
from structmat.iterative.columns import Tamed, epsilon, gaussian, host, inner, rounding

__all__ = ["Estimate", "diagonal", "norm1", "norm2", "trace"]

# Columns of the identity in one product, where a result is computed exactly.
BLOCK = 64


class Estimate(NamedTuple):
    """A random estimate and its error.

    Attributes
    ----------
    value : scalar or array
        The estimate.
    stderr : float, array or None
        Standard error of the mean over the samples; inf for one sample, 0.0 where `value` is exact
        to rounding, None where the error is not that of a mean.
    n_samples : int
        Products of A (and of A^H) with a vector.
    lower, upper : float or None
        Bounds, for norms. `lower` holds to rounding, `upper` as the function says.
    """

    value: Any
    stderr: Any
    n_samples: int
    lower: Any = None
    upper: Any = None


def trace(apply, n, dtype, n_samples=60, *, rng=None, xp=np):
    """Trace of A by Hutch++: a low-rank part exactly, the rest by Hutchinson's estimator.

    Parameters
    ----------
    apply : callable
        ``X`` (n, b) to ``A X``.
    n, dtype
        Order and dtype of A.
    n_samples : int
        Products with a vector. From n on the answer is the sum of the n diagonal entries, exact to
        rounding; below 6 it is Hutchinson's alone.
    rng : Generator, int or None
        As `numpy.random.default_rng`.
    xp : module
        numpy or cupy.

    Returns
    -------
    Estimate
        Unbiased; the relative error for a positive semidefinite matrix falls as 1/n_samples.

    Notes
    -----
    Meyer, Musco, Musco and Woodruff (2021), algorithm 1: a third of the products for a range, a
    third for its trace, a third for the rest. Random signs (for complex A random fourth roots of
    1).

    Examples
    --------
    >>> import numpy as np
    >>> d = np.arange(1.0, 201.0)[:, None]
    >>> estimate = trace(lambda X: d * X, 200, np.float64, 90, rng=0)
    >>> bool(abs(estimate.value - d.sum()) < 4 * estimate.stderr + 1e-6)
    True
    """
    n, dtype, n_samples = _arguments(n, dtype, n_samples)
    if n_samples >= n:
        total = sum(entries.sum() for _, entries in _diagonal_blocks(apply, n, dtype, xp))
        return Estimate(dtype.type(host(total)) if n else dtype.type(0), 0.0, n)
    rng = np.random.default_rng(rng)
    rank = n_samples // 3 if n_samples >= 6 else 0
    G = _signs(rng, (n, n_samples - 2 * rank), dtype, xp)
    value = dtype.type(0)
    if rank:
        Q, _ = xp.linalg.qr(apply(_signs(rng, (n, rank), dtype, xp)))
        Q = xp.ascontiguousarray(Q)
        value = dtype.type(host(inner(Q, apply(Q)).sum()))
        G = xp.ascontiguousarray(G - Q @ (Q.conj().T @ G))
    samples = host(inner(G, apply(G)))
    value = dtype.type(value + samples.mean())
    return Estimate(value, float(_stderr(samples)), n_samples)


def diagonal(apply, n, dtype, n_samples=60, *, apply_adjoint=None, rng=None, xp=np):
    """Diagonal of A: a low-rank part exactly, the rest by Bekas's estimator.

    Parameters
    ----------
    apply, n, dtype, rng, xp
        As in `trace`.
    n_samples : int
        Products with a vector. From n on the answer is exact to rounding.
    apply_adjoint : callable, optional
        ``Y`` to ``A^H Y``. With it the low-rank part is the right one for matrices that are far
        from normal; without it the estimate is still unbiased.

    Returns
    -------
    Estimate
        `value` and `stderr` are (n,) arrays.

    Notes
    -----
    ``A = A Q Q^H + A (I - Q Q^H)``: the diagonal of the first term is computed, that of the second
    estimated from random signs g as the mean of ``conj(g) * (A (I - Q Q^H) g)`` (Bekas, Kokiopoulou
    and Saad, 2007; deflation as Diag++ of Baston and Nakatsukasa, 2022).

    Examples
    --------
    >>> import numpy as np
    >>> A = np.diag([1.0, 2.0, 3.0]) + 0.1
    >>> np.round(diagonal(lambda X: A @ X, 3, np.float64).value, 12)
    array([1.1, 2.1, 3.1])
    """
    n, dtype, n_samples = _arguments(n, dtype, n_samples)
    if n_samples >= n:
        value = xp.zeros(n, dtype)
        for rows, entries in _diagonal_blocks(apply, n, dtype, xp):
            value[rows] = entries
        return Estimate(value, xp.zeros(n, value.real.dtype), n)
    rng = np.random.default_rng(rng)
    rank = n_samples // 3 if n_samples >= 6 else 0
    G = _signs(rng, (n, n_samples - 2 * rank), dtype, xp)
    value = xp.zeros(n, dtype)
    rest = G
    if rank:
        sketch = (apply_adjoint or apply)(_signs(rng, (n, rank), dtype, xp))
        Q = xp.ascontiguousarray(xp.linalg.qr(sketch)[0])
        value = (apply(Q) * Q.conj()).sum(axis=1)
        rest = xp.ascontiguousarray(G - Q @ (Q.conj().T @ G))
    samples = G.conj() * apply(rest)
    value = value + samples.mean(axis=1)
    return Estimate(value, _stderr(samples), n_samples)


def norm1(apply, apply_adjoint, shape, dtype, *, t=2, maxiter=5, rng=None, xp=np):
    """1-norm of A (the largest column sum of moduli), estimated from below.

    Parameters
    ----------
    apply, apply_adjoint : callable
        ``X`` (n, t) to ``A X`` (m, t), and ``Y`` (m, t) to ``A^H Y`` (n, t).
    shape, dtype
        Of A. With the adjoint's callables exchanged it is the infinity norm; with solves, the norm
        of the inverse, hence the condition number.
    t : int
        Columns in step; more are surer.
    maxiter : int
        Most iterations; each costs 2 t products with a vector.
    rng : Generator, int or None
        As `numpy.random.default_rng`.
    xp : module
        numpy or cupy.

    Returns
    -------
    Estimate
        ``value == lower <= |A|_1``, to rounding: the 1-norm of a column of A, or of A x for a
        vector of 1-norm 1. Up to ``n = 32`` every column is looked at, and `upper` is the value as
        well.

    Notes
    -----
    Higham and Tisseur (2000), algorithm 2.4. Almost always within a factor 3, most often exact.

    Examples
    --------
    >>> import numpy as np
    >>> d = np.arange(1.0, 101.0)[:, None]
    >>> float(norm1(lambda X: d * X, lambda Y: d * Y, (100, 100), np.float64, rng=0).value)
    100.0
    """
    m, n = (_checks.size(s, "shape") for s in shape)
    dtype = _checks.result_dtype(dtype)
    t = _checks.count(t, max(n, t), "t")
    if m == 0 or n == 0:
        return Estimate(0.0, None, 0, 0.0, 0.0)
    if n <= 32:
        value = float(abs(apply(xp.eye(n, dtype=dtype))).sum(axis=0).max())
        return Estimate(value, None, n, value, value)
    rng = np.random.default_rng(rng)
    real = dtype.kind != "c"
    X = rng.choice([-1.0, 1.0], (n, t))
    X[:, 0] = 1.0
    X = xp.asarray((X / n).astype(dtype))
    best, S_old, seen, products = -1.0, None, [], 0
    chosen = None
    for step in range(maxiter + 1):
        Y = apply(X)
        products += t
        sums = host(abs(Y).sum(axis=0))
        j = int(np.argmax(sums))
        if step and not sums[j] > best:
            break
        best = float(sums[j])
        if step == maxiter or not math.isfinite(best):
            break
        size = abs(Y)
        S = xp.where(size > 0, Y / xp.where(size > 0, size, 1), 1).astype(dtype)
        if real:
            if S_old is not None and _all_parallel(S, S_old):
                break
            S = _refresh(S, S_old, rng)
        h = host(abs(apply_adjoint(xp.ascontiguousarray(S))).max(axis=1))
        products += t
        if chosen is not None and h.max() == h[chosen[j]]:
            break
        order = np.argsort(-h, kind="stable")
        fresh = order[~np.isin(order, seen)]
        if np.isin(order[:t], seen).all() or not fresh.size:
            break
        chosen = fresh[:t]
        if chosen.size < t:
            chosen = np.resize(chosen, t)
        seen.extend(chosen.tolist())
        X = xp.zeros((n, t), dtype)
        X[xp.asarray(chosen), xp.arange(t)] = 1
        S_old = S
    return Estimate(best, None, products, best, None)


def _all_parallel(S, S_old):
    """True when every column of signs in S is plus or minus one of S_old (no new information)."""
    return bool((abs(S_old.T @ S).max(axis=0) == S.shape[0]).all())


def _refresh(S, S_old, rng):
    """Columns of signs that repeat another, here or in S_old, replaced by random ones."""
    xp = namespace_of(S)
    m, t = S.shape
    others = S if S_old is None else xp.concatenate([S_old, S], axis=1)
    gram = host(abs(others.T @ S))
    offset = others.shape[1] - t
    for j in range(t):  # t is 2, or a little more
        if (gram[: offset + j, j] == m).any():
            S[:, j] = xp.asarray(rng.choice([-1.0, 1.0], m).astype(S.dtype))
    return S


def norm2(apply, apply_adjoint, shape, dtype, *, rtol=0.1, width=4, failure=1e-10, rng=None, xp=np):
    """2-norm of A (its largest singular value) with an interval that holds it.

    Parameters
    ----------
    apply, apply_adjoint, shape, dtype, rng, xp
        As in `norm1`, with blocks of `width` columns.
    rtol : float
        Relative width of the interval ``[lower, upper]``, in (0, 1). The value is the lower end and
        as a rule far more accurate than that.
    width : int
        Random start vectors.
    failure : float
        Probability that `upper` is too small.

    Returns
    -------
    Estimate
        ``lower <= |A|_2`` for certain (to rounding), ``|A|_2 <= upper`` with probability
        ``1 - failure`` over `rng`, whatever the matrix.

    Notes
    -----
    Lanczos on ``A^H A`` from a random vector misses the norm squared by more than a factor
    ``1 - eps`` after q steps with probability at most ``1.648 sqrt(n) exp(-sqrt(eps) (2 q - 1))``
    (Kuczynski and Wozniakowski, 1992, theorem 4.2); the block Krylov space holds those of its
    `width` independent vectors, so that the probabilities multiply. q follows from `rtol` and
    `failure` in advance. A complex space of dimension n is a real one of 2 n.

    Examples
    --------
    >>> import numpy as np
    >>> d = np.arange(1.0, 101.0)[:, None]
    >>> estimate = norm2(lambda X: d * X, lambda Y: d * Y, (100, 100), np.float64, rng=0)
    >>> bool(estimate.lower <= 100.0 * (1 + 1e-14) and 100.0 <= estimate.upper)
    True
    """
    m, n = (_checks.size(s, "shape") for s in shape)
    dtype = _checks.result_dtype(dtype)
    if not 0 < rtol < 1 or not 0 < failure < 1:
        raise ValueError(f"`rtol` and `failure` must lie in (0, 1); got {rtol} and {failure}")
    if m == 0 or n == 0:
        return Estimate(0.0, None, 0, 0.0, 0.0)
    width = min(_checks.count(width, max(width, 1), "width"), m, n)
    rng = np.random.default_rng(rng)
    A = Tamed(apply)
    AH = A.twin(apply_adjoint)
    dimension = n if dtype.kind != "c" else 2 * n
    # (1.648 sqrt(n) e^{-x})^width = failure for x = sqrt(eps) (2 q - 1), and upper = value/sqrt(1 -
    # eps).
    x = math.log(1.648 * math.sqrt(dimension)) - math.log(failure) / width
    gap = 1 - (1 + rtol) ** -2
    q = math.ceil((x / math.sqrt(gap) + 1) / 2)
    space = min(q * width, m, n)
    start = A(gaussian(rng, (n, width), dtype, xp))
    Q, B, steps = krylov_space(A, AH, start, space, q - 1, rng)
    value = float(xp.linalg.svd(B, compute_uv=False)[0]) * A.scale
    slack = 1 + rounding(B)
    closed = Q.shape[1] >= min(m, n) or Q.shape[1] < q * width
    upper = value * slack if closed else value * slack * (1 + rtol)
    products = (1 + steps) * width + Q.shape[1]
    return Estimate(value, None, products, value / slack, upper)


# Parts -------------------------------------------------------------------------------------------


def _arguments(n, dtype, n_samples):
    n_samples = _checks.size(n_samples, "n_samples")
    if n_samples == 0:
        raise ValueError("`n_samples` must be at least 1; got 0")
    return _checks.size(n, "n"), _checks.result_dtype(dtype), n_samples


def _signs(rng, shape, dtype, xp):
    roots = [1, -1] if dtype.kind != "c" else [1, 1j, -1, -1j]
    return xp.asarray(rng.choice(np.array(roots, dtype), shape))


def _stderr(samples):
    """Standard error of the mean over the last axis; inf where there is one sample only."""
    xp = namespace_of(samples)
    count = samples.shape[-1]
    deviation = abs(samples - samples.mean(axis=-1)[..., None])
    squares = (deviation**2).sum(axis=-1)
    if count == 1:
        return squares + xp.inf
    # Equal samples differ by rounding, which the mean has as well.
    return xp.sqrt(squares / (count * (count - 1))) + epsilon(samples.dtype) * abs(samples).max(-1)


def _diagonal_blocks(apply, n, dtype, xp):
    """The diagonal as (slice, entries), BLOCK at a time, from products with unit vectors."""
    for first in range(0, n, BLOCK):
        width = min(BLOCK, n - first)
        E = xp.zeros((n, width), dtype)
        E[xp.arange(first, first + width), xp.arange(width)] = 1
        product = apply(E)
        yield (
            slice(first, first + width),
            product[xp.arange(first, first + width), xp.arange(width)],
        )
