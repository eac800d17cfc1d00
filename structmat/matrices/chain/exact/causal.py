"""Causal Monarch matrices and the long convolutions that they make: sequences mixed by GEMMs.

Let N = p q, w = exp(-2 pi i / N), and let M hold the values of N polynomials at the powers of w,
``M = F_N C``: column t = i p + k, i < q, k < p, has the coefficients of
``g_k(X) h_(k,i)(X^p)`` with g_k = sum_a S[a, k] X^a and h_(k,i) = sum_b T_k[b, i] Y^b. In the order
(k, i) of the columns this is a Monarch matrix,

    L[j, l, k] = sum_a w^((l q + j) a) S[a, k],      R[k, j, i] = sum_b w^(p j b) T_k[b, i],

and ``M^-1 ((M u) * (M v)) = C^-1 ((C u) conv (C v))``, the product of two polynomials in another
basis [1]_. On sequences that vanish from N/2 on, its first N/2 entries are causal (entry t depends
on u_0 ... u_t only) if C is lower triangular and no polynomial of the first half has a degree of
N/2 or more, so that nothing wraps around. Hence the two conditions:

1. S and all T_k are lower triangular, with non-zero diagonals;
2. q is even, and the lower left quarter of every T_k is zero.

S = T_k = I is the discrete Fourier transform, and the result the causal convolution.

References
----------
.. [1] D. Y. Fu et al., Monarch Mixer: a simple sub-quadratic GEMM-based architecture, NeurIPS 36,
   2023, section 4.
"""

import numpy as np

from structmat import _checks
from structmat._backend.arrays import namespace_of
from structmat.matrices.chain.exact.sequences import (
    along,
    by_gemm,
    folded,
    in_basis,
    layout,
    moderate,
)
from structmat.matrices.chain.exact.stages import order_of, roots
from structmat.matrices.chain.matrix import Chain
from structmat.matrices.chain.monarch import Monarch
from structmat.matrices.chain.systems import balance
from structmat.matrices.elementary import Permutation

__all__ = ["causal_monarch", "causality_leak", "monarch_mix"]


def causal_monarch(S, T):
    """A Monarch matrix M for which ``M^-1 ((M u) * (M v))`` is causal on zero-padded sequences.

    Parameters
    ----------
    S : array, shape (p, p)
        Lower triangular, with a diagonal without zeros.
    T : array, shape (p, q, q)
        T[k] lower triangular, with a diagonal without zeros and a lower left quarter of zeros: q is
        even.

    Returns
    -------
    Chain
        M, of order p q: the two factors of a Monarch matrix and the permutation that sorts its
        columns by degree. Complex.

    Raises
    ------
    ValueError
        A condition is violated (the message says which one and where), or shapes do not fit.

    Warns
    -----
    scipy.linalg.LinAlgWarning
        The condition number says that no digit of a convolution is correct.

    Notes
    -----
    ``M = F C`` with the Fourier matrix F of order p q, so that the condition numbers of M and C in
    the 2-norm agree; that of C is at most ``cond(S) max norm(T_k) max norm(inv(T_k))``. Triangular
    matrices of random entries have one that grows exponentially with their order: let the diagonal
    dominate.

    References
    ----------
    .. [1] D. Y. Fu et al., Monarch Mixer: a simple sub-quadratic GEMM-based architecture, NeurIPS
       36, 2023, section 4.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> rng = np.random.default_rng(0)
    >>> S = np.eye(4) + 0.1 * np.tril(rng.standard_normal((4, 4)), -1)
    >>> T = np.eye(4) + 0.1 * np.tril(rng.standard_normal((4, 4, 4)), -1)
    >>> T[:, 2:, :2] = 0
    >>> M = sm.causal_monarch(S, T)
    >>> u = np.concatenate([rng.standard_normal(8), np.zeros(8)])
    >>> y = M.solve((M @ u) ** 2)
    >>> bool(abs(y.imag).max() < 1e-12)
    True
    """
    S, T, _ = _basis(S, T)
    (p, _), q = S.shape, T.shape[1]
    xp = namespace_of(S, T)
    j, l, a = np.ogrid[:q, :p, :p]
    b = np.arange(q)
    left = xp.asarray(roots((l * q + j) * a, p * q)) @ S
    right = xp.asarray(roots(b[:, None] * b, q)) @ T
    dtype = np.result_type(S.dtype, np.complex64)
    M = Monarch(left.astype(dtype)[..., None], right.astype(dtype)[:, :, None])
    by_degree = np.arange(p * q).reshape(q, p).T.reshape(-1)
    return Chain((*M.factors, Permutation(xp.asarray(by_degree))))


def monarch_mix(u, kernel, causal=True, S=None, T=None, method="auto"):
    """Long convolution of sequences along their length, channel by channel.

    ``y[..., t, c] = sum over s <= t of kernel[t - s, c] u[..., s, c]``, or the sum over all s with
    t - s modulo the length where it is not causal: ``M^-1 ((M kernel) * (M u))``, where M is the
    discrete Fourier transform, or the causal Monarch matrix of S and T, which makes the convolution
    one in another basis.

    Parameters
    ----------
    u : array, shape (..., length, dim)
        Sequences; real or complex, NumPy or CuPy.
    kernel : array, shape (length, dim)
        One for every channel.
    causal : bool
        Linear, of the past only (default), or circular.
    S, T : array, shapes (p, p) and (p, q, q), optional
        As for the causal Monarch matrix, p q at least twice the length. Both or neither.
    method : {"auto", "gemm", "fft"}
        How the Fourier transforms are computed: in their form as Monarch matrices, by two batched
        products of matrices, or by the FFT ("auto").

    Returns
    -------
    array, shape (..., length, dim)
        Real for real arguments.

    Raises
    ------
    ValueError
        Shapes do not fit, an entry is not finite, or S and T are not those of a causal matrix.
    OverflowError
        The result is too large.
    ArithmeticError
        The imaginary part of a real result is not rounding.

    Warns
    -----
    scipy.linalg.LinAlgWarning
        S and T are so ill-conditioned that no digit is correct.

    Notes
    -----
    The products take about 16 (p + q) p q real operations a sequence, with p and q near the square
    root of p q = 2 length, the rows of zeros left out; nothing is sorted by frequency, since the
    product is pointwise; a circular convolution takes p q = length where the length has such
    factors. They are for hardware that multiplies matrices much faster than it moves numbers: on a
    CPU core the FFT was about ten times as fast at lengths 256 to 8192. A circular convolution of a
    length with large prime factors is a linear one that comes around. Errors are a few eps of the
    norms of kernel and sequence, times the condition number of the basis; large and small sequences
    are scaled by powers of two, so that nothing overflows that the result does not.

    References
    ----------
    .. [1] D. Y. Fu et al., Monarch Mixer: a simple sub-quadratic GEMM-based architecture, NeurIPS
       36, 2023, section 4.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> u = np.array([1.0, 2.0, 3.0])[None, :, None]
    >>> kernel = np.array([1.0, 10.0, 100.0])[:, None]
    >>> np.round(sm.monarch_mix(u, kernel).ravel(), 10)
    array([  1.,  12., 123.])
    >>> np.round(sm.monarch_mix(u, kernel, causal=False).ravel(), 10)
    array([231., 312., 123.])
    """
    u, kernel = _checks.as_array(u, "u"), _checks.as_array(kernel, "kernel")
    if u.ndim < 2 or kernel.shape != u.shape[-2:]:
        raise ValueError(
            "`u` must have shape (..., length, dim) and `kernel` (length, dim); got "
            f"{u.shape} and {kernel.shape}"
        )
    causal = _checks.flag(causal, "causal")
    if (S is None) != (T is None) or (S is not None and not causal):
        raise ValueError("`S` and `T` are given together, for a causal mixer, or not at all")
    method = _checks.choice(method, "method", ("auto", "gemm", "fft"))
    length, dim = kernel.shape
    if S is not None:
        S, T, change = _basis(S, T)
        p, q = len(S), T.shape[1]
        if 2 * length > p * q:
            raise ValueError(
                f"`S` and `T` of sizes p = {p} and q = {q} mix sequences of at most p q / 2 = "
                f"{p * q // 2} entries; got {length}"
            )
    given = (u, kernel) if S is None else (u, kernel, S, T)
    dtype = np.result_type(*(x.dtype for x in given))
    namespace_of(*given)  # one device, or MixedDevicesError
    if not u.size:
        for x, name in ((u, "`u`"), (kernel, "`kernel`")):
            _checks.finite(x, name)
        return u.astype(dtype)
    U, K = u.astype(dtype, copy=False).reshape(-1, length, dim), kernel.astype(dtype, copy=False)
    U, K, e = moderate(U, K[None])
    with np.errstate(over="ignore", invalid="ignore"):  # said below
        if S is not None:
            Y = in_basis(U, K, change, (p, q, q // 2, q // 2), method)
        elif method == "gemm":
            Y = folded(by_gemm, U, K, layout(length, causal))
        else:
            Y = along(1, U, K, causal)
        if e is not None:
            Y = balance.shifted(Y, e)
    return _checks.representable(Y, "monarch_mix").reshape(u.shape)


def causality_leak(mix, length, dim=1, dtype=np.float64):
    """How much a linear map of sequences looks ahead: 0 for a causal one.

    The largest entry of its Jacobian above the diagonal, relative to the largest of all.

    Parameters
    ----------
    mix : callable
        Maps an array of shape (batch, length, dim) to one of the same shape, linearly.
    length, dim : int
        Shape of a sequence.
    dtype : dtype, optional
        Of the sequences that are sent through it.

    Returns
    -------
    float
        NaN where the map returns one.

    Raises
    ------
    ValueError
        The map returns another shape.

    Notes
    -----
    One call with as many sequences as a sequence has entries: `length` times `length` times `dim`
    numbers. Channels are assumed not to mix.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> kernel = np.ones((4, 1))
    >>> sm.causality_leak(lambda u: sm.monarch_mix(u, kernel), 4) < 1e-14
    True
    >>> sm.causality_leak(lambda u: sm.monarch_mix(u, kernel, causal=False), 4)
    1.0
    """
    length, dim = order_of(length), order_of(dim)
    impulses = np.eye(length, dtype=_checks.result_dtype(dtype, "causality_leak"))
    J = mix(np.repeat(impulses[:, :, None], dim, axis=2))
    if np.shape(J) != (length, length, dim):
        raise ValueError(
            f"`mix` must keep the shape of what it maps, {(length, length, dim)}; it returned "
            f"{np.shape(J)}"
        )
    J = abs(J)
    xp = namespace_of(J, default=np)
    ahead = xp.where(xp.tri(length, k=-1, dtype=bool)[:, :, None], J, 0.0)
    largest = float(J.max())
    return float(ahead.max()) / largest if largest else 0.0


# ---------------------------------------------------------------- the basis


def _basis(S, T):
    """S, T, (S, T, S^-1, T^-1 of the first half), after both conditions are met."""
    S, T = _checks.as_parameter(S, "S", ndim=2), _checks.as_parameter(T, "T", ndim=3)
    (p, _), q = S.shape, T.shape[1]
    if not p or not q or S.shape != (p, p) or T.shape != (p, q, q):
        raise ValueError(
            f"`S` must have shape (p, p) and `T` (p, q, q), not empty; got {S.shape} and {T.shape}"
        )
    xp, dtype = namespace_of(S, T), np.result_type(S.dtype, T.dtype)
    S, T = S.astype(dtype, copy=False), T.astype(dtype, copy=False)
    for x, name in ((S, "`S`"), (T, "`T`")):
        _checks.finite(x, name)
        _refuse(
            xp.triu(x, 1) != 0,
            f"{name} must be lower triangular (a column's lowest degree is its own)",
        )
        _refuse(
            xp.eye(x.shape[-1], dtype=bool) & (x == 0), f"{name} must have no zero on its diagonal"
        )
    if q % 2:
        raise ValueError(f"`T` must have blocks of even order (they are split in halves); got {q}")
    h = q // 2
    late = xp.zeros((q, q), bool)
    late[h:, :h] = True
    _refuse(
        late & (T != 0),
        "`T` must have blocks whose lower left quarter is zero (or degrees pass N / 2 and wrap "
        "around)",
    )
    inverses = [xp.tril(xp.linalg.inv(x)) for x in (S, T)]
    rcond = 1.0
    for x, inverse in zip((S, T), inverses):
        _checks.representable(inverse, "the inverse of a causal basis")
        rcond /= float(_norm1(x).max()) * float(_norm1(inverse).max())
    if not rcond >= np.finfo(dtype).eps:
        _checks.ill_conditioned(rcond, "causal Monarch basis", stacklevel=3)
    return S, T, (S, T[:, :h, :h], inverses[0], inverses[1][:, :h, :h])


def _refuse(wrong, condition):
    """ValueError with the condition and the first place where it is wrong."""
    if bool(wrong.any()):
        place = tuple(int(i[0]) for i in wrong.nonzero())
        raise ValueError(f"{condition}; it is not so at {place}")


def _norm1(x):
    return abs(x).sum(axis=-2).max(axis=-1)
