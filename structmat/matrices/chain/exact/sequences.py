"""Convolutions of many sequences at once: by FFTs where they lie, or by two batched products.

Sequences are arrays (batch, length, dim), kernels (1, length, dim); for the products of matrices
they become (batch, dim, rows, p), rows of p entries.
"""

import functools
import math

import numpy as np

from structmat import _checks
from structmat._backend.arrays import namespace_of
from structmat.matrices.chain.exact.stages import roots
from structmat.matrices.chain.systems import balance

__all__ = ["along", "by_gemm", "folded", "in_basis", "layout", "moderate"]


def _changed(basis, X, dtype, back=False):
    """C u, or with the inverses C^-1 y: T_k along the coarse digit, S along the fine one."""
    S, T = (x.astype(dtype) for x in basis)
    if back:
        X = X @ S.T
    batch, dim, h, p = X.shape
    X = T @ X.reshape(batch * dim, h, p).transpose(2, 1, 0)
    X = X.transpose(2, 1, 0).reshape(batch, dim, h, p)
    return X if back else X @ S.T


def moderate(U, K):
    """(U, K, e) with U (batch, length, dim) and K lowered by powers of two, which e undoes.

    A spectrum sums the entries of a sequence, and may overflow where the convolution does not. None
    where there is no need.
    """
    tops = [_top(x, name) for x, name in ((U, "`u`"), (K, "`kernel`"))]
    limit = 2.0 ** (np.finfo(U.dtype).maxexp // 4)
    if all(top == 0 or 1 / limit <= top <= limit for top in tops):
        return U, K, None
    sizes = [_exponents(x) for x in (U, K)]
    U, K = (balance.shifted(x, -e) for x, e in zip((U, K), sizes))
    return U, K, sizes[0] + sizes[1]


def _top(x, name):
    """Largest modulus of a part; ValueError for NaN or infinity."""
    ends = [float(end) for part in _parts(x) for end in (part.max(), -part.min())]
    if not all(map(math.isfinite, ends)):
        _checks.finite(x, name)
    return max(ends)


def _parts(x):
    """The real numbers of x, in one array where they lie in one piece."""
    if x.dtype.kind != "c":
        return (x,)
    if x.flags.c_contiguous:
        return (x.view(np.finfo(x.dtype).dtype),)
    return x.real, x.imag


def _exponents(x):
    """Of the largest part of every sequence."""
    xp = namespace_of(x)
    parts = (x.real, x.imag) if x.dtype.kind == "c" else (x,)
    ends = [end for part in parts for end in (part.max(1), -part.min(1))]
    return xp.frexp(functools.reduce(xp.maximum, ends)[:, None])[1]


def along(axis, U, K, causal):
    """The convolution of U and K along an axis, 1 or 2, by FFTs where they lie."""
    import scipy.fft

    xp, length = namespace_of(U), U.shape[axis]
    fft = scipy.fft if xp is np else xp.fft
    real = U.dtype.kind != "c"
    forward, back = (fft.rfft, fft.irfft) if real else (fft.fft, fft.ifft)
    # A circular convolution of a length with large prime factors is a linear one that comes around.
    exact = not causal and scipy.fft.next_fast_len(length, real) == length
    size = length if exact else scipy.fft.next_fast_len(2 * length - 1, real)
    Y = forward(U, size, axis)
    Y *= forward(K, size, axis)
    Y = back(Y, size, axis).swapaxes(1, axis)
    if not causal and not exact:
        Y[:, : length - 1] += Y[:, length : 2 * length - 1]
    return xp.ascontiguousarray(Y[:, :length].swapaxes(1, axis))


def in_basis(U, K, change, plan, method):
    """C^-1 ((C u) conv (C v)), the sequences first as polynomials in the basis."""

    def convolved(X, K, plan, dtype):
        X, K = (_changed(change[:2], x, dtype) for x in (X, K))
        Y = (by_gemm if method == "gemm" else _by_fft)(X, K, plan, dtype)
        return _changed(change[2:], Y, dtype, back=True)

    return folded(convolved, U, K, plan)


def folded(convolved, U, K, plan):
    """The convolution by a function of matrices (batch, dim, rows, p): rows of p entries."""
    length = U.shape[1]
    Y = convolved(_padded(U, plan), _padded(K, plan), plan, U.dtype)
    Y = Y.reshape(*Y.shape[:2], -1)
    if plan[3] > plan[2]:  # all of the linear convolution: what is beyond the length comes around
        Y[..., :length] += Y[..., length : 2 * length]
    return namespace_of(Y).ascontiguousarray(Y[..., :length].transpose(0, 2, 1))


def layout(length, causal):
    """(p, q, first, last): N = p q points, in rows of p; how many rows go in and come out."""
    p = 1 << round(math.log2(2 * max(length, 1)) / 2)
    h = -(-length // p)
    padded = p, 2 * h, h, (h if causal else 2 * h)
    if causal or not length:
        return padded
    p = next(r for r in range(math.isqrt(length), 0, -1) if length % r == 0)
    q = length // p
    exact = p, q, q, q
    return min(exact, padded, key=lambda plan: plan[0] * plan[1] * (plan[0] + plan[1]))


def _padded(x, plan):
    """Sequences (batch, length, dim) as (batch, dim, rows, p), continued by zeros."""
    p, _, rows, _ = plan
    batch, length, dim = x.shape
    full = namespace_of(x).zeros((batch, dim, rows * p), x.dtype)
    full[..., :length] = x.transpose(0, 2, 1)
    return full.reshape(batch, dim, rows, p)


def _by_fft(X, K, plan, dtype):
    """The linear convolution of X and K (batch, dim, rows, p), as many rows as they have."""
    X, K = (x.reshape(*x.shape[:2], -1) for x in (X, K))
    return along(2, X, K, True).reshape(*X.shape[:2], plan[3], plan[0])


def by_gemm(X, K, plan, dtype):
    """The same, with the discrete Fourier transform as a Monarch matrix."""
    p, q, first, last = plan
    xp = namespace_of(X)
    wide = np.result_type(dtype, np.complex64)
    i, j = np.arange(p), np.arange(q)
    coarse = xp.asarray(roots(j[:, None] * j, q), wide)
    fine = xp.asarray(roots(i[:, None] * i, p), wide)
    twiddle = xp.asarray(roots(j[:, None] * i, p * q), wide)

    def spectrum(x):  # frequency l q + j at [j, l]
        y = coarse[:, :first] @ x.astype(wide, copy=False)
        y *= twiddle
        return y @ fine  # which is symmetric

    Y = spectrum(X)
    Y *= spectrum(K)
    Y = Y @ fine.conj()
    Y *= twiddle.conj() / wide.type(p * q)
    Y = coarse[:, :last].conj().T @ Y
    return Y if dtype.kind == "c" else _real(Y, _norm2(X) * _norm2(K))


def _norm2(x):
    """Of every sequence (batch, dim, rows, p), with squares in range."""
    largest = abs(x).max(axis=(2, 3), keepdims=True)
    largest[largest == 0] = 1
    return largest * ((x / largest) ** 2).sum(axis=(2, 3), keepdims=True) ** 0.5


def _real(Y, size):
    """The real part; ArithmeticError where the imaginary one is not rounding of this size."""
    limits = np.finfo(Y.dtype)
    bound = _RESIDUE * (limits.eps * size + limits.tiny)
    if bool((abs(Y.imag) > bound).any()):
        raise ArithmeticError(
            "monarch_mix: the imaginary part of a real result is not rounding; it exceeds its "
            f"bound by {float((abs(Y.imag) - bound).max()):.3g}"
        )
    return Y.real.copy()


# Residues were at most 0.3 eps of the product of the two norms, for lengths up to 2^14.
_RESIDUE = 1000
