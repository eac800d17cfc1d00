"""fft_br and ifft_br against the sum that defines them, in every layout, dtype and scale."""

import fake_cupy
import numpy as np
import pytest
import scipy.fft
from hypothesis import given
from hypothesis import strategies as st
from support import DTYPES, eps, layouts, randn

import structmat as sm
from structmat.transforms import bitreversed_cpu
from structmat.transforms.bitreversed import fft_br, ifft_br
from structmat.transforms.orders import bit_reversal

NORMS = (None, "backward", "ortho", "forward")
dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.__name__)
norms = pytest.mark.parametrize("norm", NORMS)


def definition(n):
    """F[k, i] = exp(-2 pi 1j k rev(i) / n), by literal loops."""
    m = n.bit_length() - 1
    F = np.empty((n, n), complex)
    for i in range(n):
        rev = int(format(i, f"0{m}b")[::-1], 2) if m else 0
        for k in range(n):
            F[k, i] = np.exp(-2j * np.pi * ((k * rev) % n) / n)
    return F


def ratio(got, expected, n):
    """Error over eps log2(2 n) in the 2-norm."""
    error = np.linalg.norm(np.ravel(np.asarray(got, complex) - expected))
    return error / (np.linalg.norm(np.ravel(expected)) * eps(got) * np.log2(2 * n))


@dtypes
@norms
@pytest.mark.parametrize("n", [1, 2, 4, 8, 32, 128])
def test_definition(n, norm, dtype, rng):
    F = definition(n)
    x = randn((n, 3), rng, dtype)
    scale = {None: 1, "backward": 1, "ortho": n**-0.5, "forward": 1 / n}[norm]
    y = fft_br(x, axis=0, norm=norm)
    assert y.dtype == np.result_type(dtype, np.complex64)
    assert ratio(y, scale * (F @ x.astype(complex)), n) < 2
    z = ifft_br(x, axis=0, norm=norm)
    assert z.dtype == y.dtype
    assert ratio(z, F.conj().T @ x.astype(complex) / (n * scale), n) < 2


@dtypes
@norms
def test_round_trip(dtype, norm, rng):
    for n in (1, 2, 64, 2**12):
        x = randn(n, rng, dtype)
        assert ratio(ifft_br(fft_br(x, norm=norm), norm=norm), x, n) < 1
        assert ratio(fft_br(ifft_br(x, norm=norm), norm=norm), x, n) < 1


def test_ortho_is_unitary(rng):
    x, y = randn((2, 256), rng, complex)
    forward, back = fft_br(x, norm="ortho"), ifft_br(y, norm="ortho")
    assert abs(np.vdot(y, forward) - np.vdot(back, x)) < 1e-12
    assert abs(np.linalg.norm(forward) - np.linalg.norm(x)) < 1e-13


def test_lattice_gram_matrix_is_diagonalised(rng):
    # The use it is made for: K[i, j] = f(rev(i) - rev(j) mod n).
    n = 64
    rev = bit_reversal(n)
    f = rng.standard_normal(n)
    K = f[(rev[:, None] - rev[None]) % n]
    D = fft_br(fft_br(K, axis=1, norm="ortho").conj(), axis=0, norm="ortho")  # F K F^H
    assert np.abs(D - np.diag(fft_br(K[:, 0]))).max() < 1e-12


@dtypes
def test_layouts_and_axes(dtype, rng):
    X = randn((4, 16, 8), rng, dtype)
    for axis in (-3, -2, -1, 0, 1, 2):
        rows = np.moveaxis(X, axis, -1)
        expected = np.moveaxis(np.fft.fft(rows[..., bit_reversal(rows.shape[-1])]), -1, axis)
        for name, x in layouts(X):
            before = x.copy()
            y = fft_br(x, axis=axis)
            assert y.shape == X.shape, name
            assert ratio(y, expected, 16) < 2, name
            assert ratio(ifft_br(y, axis=axis), X, 16) < 1, name
            assert np.array_equal(x, before), name


@dtypes
@pytest.mark.parametrize("shape", [(2**18,), (2, 2**19)])
def test_long_rows_are_reversed_in_tiles(shape, dtype, rng):
    n = shape[-1]
    assert n >= bitreversed_cpu.WORTHWHILE
    x = randn(shape, rng, dtype)
    p = bit_reversal(n)
    assert np.array_equal(bitreversed_cpu.reverse(x.reshape(-1, n)).reshape(shape), x[..., p])
    y = fft_br(x)
    assert np.array_equal(y, scipy.fft.fft(x[..., p]))
    assert np.array_equal(ifft_br(y), scipy.fft.ifft(y)[..., p])
    assert np.array_equal(fft_br(x[..., ::-1]), fft_br(x[..., ::-1].copy()))


def test_the_result_does_not_depend_on_workers(rng):
    x = randn((3, 2**18), rng, complex)
    with sm.set_workers(1):
        y = fft_br(x), ifft_br(x), fft_br(x.T, axis=0)
    with sm.set_workers(3):
        z = fft_br(x), ifft_br(x), fft_br(x.T, axis=0)
    assert all(np.array_equal(a, b) for a, b in zip(y, z))


@given(st.integers(0, 9), st.sampled_from(DTYPES), st.integers(0, 2**32 - 1))
def test_shift_in_natural_order_is_a_phase(m, dtype, seed):
    n = 2**m
    x = randn(n, np.random.default_rng(seed), dtype)
    p = bit_reversal(n)
    shifted = np.roll(x[p], 1)[p]  # in natural order one place to the right
    phase = np.exp(-2j * np.pi * np.arange(n) / n)
    assert ratio(fft_br(shifted), phase * fft_br(x), n) < 4


@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_scales(scale, rng):
    x = scale * randn(64, rng)
    assert ratio(fft_br(x), np.fft.fft(x[bit_reversal(64)]), 64) < 2
    assert ratio(ifft_br(fft_br(x)), x, 64) < 1


def test_nan_and_inf_stay_visible():
    for bad in (np.nan, np.inf):
        x = np.ones(8)
        x[3] = bad
        assert not np.isfinite(fft_br(x)).any()
        assert not np.isfinite(ifft_br(x)).any()


def test_integers_and_lists():
    assert fft_br([1, 2, 3, 4]).dtype == np.complex128
    assert np.array_equal(fft_br(np.arange(8, dtype=np.int8)), fft_br(np.arange(8.0)))
    assert np.array_equal(ifft_br([True, False]), [0.5, 0.5])


def test_empty_batch():
    for function in (fft_br, ifft_br):
        assert function(np.ones((0, 8), np.float32)).shape == (0, 8)
        assert function(np.ones((0, 8), np.float32)).dtype == np.complex64


@pytest.mark.parametrize("function", [fft_br, ifft_br])
def test_refusals(function):
    with pytest.raises(ValueError, match=r"length of `x` along axis 1 .* got 6 \(use 4 or 8"):
        function(np.ones((4, 6)))
    with pytest.raises(ValueError, match="power of two; got 0"):
        function(np.ones(0))
    with pytest.raises(ValueError, match="at least one dimension"):
        function(np.float64(1.0))
    with pytest.raises(ValueError, match="`norm` must be one of"):
        function(np.ones(4), norm="none")
    with pytest.raises(np.exceptions.AxisError):
        function(np.ones(4), axis=1)
    for dtype in (np.float16, np.longdouble, object):
        with pytest.raises(TypeError, match="not supported"):
            function(np.ones(4, dtype))
    with pytest.raises(TypeError, match="masked"):
        function(np.ma.masked_array([1.0, 2.0]))


def test_device_arrays(monkeypatch, rng):
    cupy = fake_cupy.install(monkeypatch)
    cupy.fft = _fake_fft()
    x = randn((3, 16), rng, np.complex64)
    for function in (fft_br, ifft_br):
        for axis, host in ((1, x), (0, x.T)):
            y = function(cupy.asarray(host), axis=axis, norm="ortho")
            assert isinstance(y, cupy.ndarray)
            assert y.dtype == np.complex64
            assert ratio(y.get(), function(host, axis=axis, norm="ortho"), 16) < 1


def _fake_fft():
    import types

    wrap = fake_cupy._function
    return types.SimpleNamespace(fft=wrap(np.fft.fft), ifft=wrap(np.fft.ifft))
