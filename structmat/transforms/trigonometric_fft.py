"""Cosine and sine transforms by the FFT of the array's own library, for devices.

CuPy offers types 2 and 3 and knows no `orthogonalize`; these functions take all four, and run on
NumPy arrays too. They are unnormalised, act on the last axis of real arrays, and follow the
definitions of `structmat.transforms.trigonometric`.
"""

import math

import numpy as np

from structmat._backend.arrays import namespace_of

__all__ = ["transform"]


def transform(name, x, type, axis, norm, orthogonalize):
    """`name` ("dct" or "dst") of x along `axis`, forward, with SciPy's options."""
    if x.dtype.kind == "c":
        real = transform(name, x.real, type, axis, norm, orthogonalize)
        return real + 1j * transform(name, x.imag, type, axis, norm, orthogonalize)
    xp = namespace_of(x)
    x = xp.moveaxis(x, axis, -1)
    # Orthogonal variants: the entries whose cosine (sine) is constant in one index.
    ends = {"dct": {1: (0, -1), 2: (0,), 3: (0,)}, "dst": {2: (-1,), 3: (-1,)}}[name].get(type, ())
    root = math.sqrt(2)
    if orthogonalize and type != 2 and ends:
        x = x.copy()
        for end in ends:
            x[..., end] *= root
    y = _TRANSFORMS[name, type](x, xp)
    if orthogonalize and type != 3:
        for end in ends:
            y[..., end] /= root
    n = x.shape[-1]
    length = 2 * (n + {("dct", 1): -1, ("dst", 1): 1}.get((name, type), 0))
    if norm == "ortho":
        y *= 1 / math.sqrt(length)
    elif norm == "forward":
        y *= 1 / length
    return xp.moveaxis(y, -1, axis)


def _phase(numerators, denominator, x, xp):
    """exp(-1j pi numerators / denominator), computed in double precision, in the dtype of x."""
    angle = (math.pi / denominator) * numerators
    return (xp.cos(angle) - 1j * xp.sin(angle)).astype(xp.result_type(x.dtype, np.complex64))


def _alternating(x, xp):
    """x_0, -x_1, x_2, ..."""
    return x * (1 - 2 * (xp.arange(x.shape[-1]) & 1)).astype(x.dtype)


def _dct1(x, xp):
    return xp.fft.rfft(xp.concatenate((x, x[..., -2:0:-1]), axis=-1)).real.copy()


def _dst1(x, xp):
    n = x.shape[-1]
    zero = xp.zeros((*x.shape[:-1], 1), x.dtype)
    return -xp.fft.rfft(xp.concatenate((zero, x, zero, -x[..., ::-1]), axis=-1)).imag[
        ..., 1 : n + 1
    ]


def _dct2(x, xp):
    # Makhoul: v = (x_0, x_2, ..., x_3, x_1), then y_k = 2 Re w^k V_k and y_{n-k} = -2 Im w^k V_k
    # with w = exp(-i pi / (2 n)).
    n = x.shape[-1]
    V = xp.fft.rfft(xp.concatenate((x[..., ::2], x[..., 1::2][..., ::-1]), axis=-1))
    V *= _phase(xp.arange(n // 2 + 1), 2 * n, x, xp)
    y = xp.empty(x.shape, x.dtype)
    y[..., : n // 2 + 1] = 2 * V.real
    y[..., n // 2 + 1 :] = -2 * V.imag[..., 1 : (n + 1) // 2][..., ::-1]
    return y


def _dct3(x, xp):
    # The steps of type 2 backwards: V_k = conj(w^k) (x_k - i x_{n-k}) / 2, times L = 2 n.
    n = x.shape[-1]
    half = n // 2 + 1
    V = xp.zeros((*x.shape[:-1], half), xp.result_type(x.dtype, np.complex64))
    V.real[...] = x[..., :half]
    V.imag[..., 1:] = -x[..., : (n - 1) // 2 : -1]
    V *= _phase(-xp.arange(half), 2 * n, x, xp)
    v = xp.fft.irfft(V, n=n, norm="forward")
    y = xp.empty(x.shape, x.dtype)
    y[..., ::2] = v[..., : (n + 1) // 2]
    y[..., 1::2] = v[..., (n + 1) // 2 :][..., ::-1]
    return y


def _dct4(x, xp):
    n = x.shape[-1]
    if n % 2:
        # y_k = 2 Re w^(2k+1)/2 sum_j (x_j w^j) exp(-2 pi i j k / (2 n)), w = exp(-i pi / (2 n)).
        k = xp.arange(n)
        V = xp.fft.fft(x * _phase(k, 2 * n, x, xp), n=2 * n)[..., :n]
        return 2 * (V * _phase(2 * k + 1, 4 * n, x, xp)).real
    # c_k = y_{2k} - i y_{n-1-2k} = 2 sum_j z_j exp(-i pi (4k+1)(4j+1) / (4n)) with
    # z_j = x_{2j} + i x_{n-1-2j}: half the length, between two rotations.
    rotation = _phase(8 * xp.arange(n // 2) + 1, 8 * n, x, xp)
    z = x[..., ::2] + 1j * x[..., ::-2]
    V = xp.fft.fft(z * rotation) * rotation
    y = xp.empty(x.shape, x.dtype)
    y[..., ::2] = 2 * V.real
    y[..., ::-2] = -2 * V.imag
    return y


# sin(pi (k+1) (2j+1) / (2n)) = (-1)^j cos(pi (n-1-k) (2j+1) / (2n)), and so on.
_TRANSFORMS = {
    ("dct", 1): _dct1,
    ("dct", 2): _dct2,
    ("dct", 3): _dct3,
    ("dct", 4): _dct4,
    ("dst", 1): _dst1,
    ("dst", 2): lambda x, xp: _dct2(_alternating(x, xp), xp)[..., ::-1],
    ("dst", 3): lambda x, xp: _alternating(_dct3(x[..., ::-1], xp), xp),
    ("dst", 4): lambda x, xp: _alternating(_dct4(x[..., ::-1], xp), xp),
}
