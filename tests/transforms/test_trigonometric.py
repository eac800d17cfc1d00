"""Cosine and sine transforms against their defining sums, on the host and by the device's FFT."""

import types

import fake_cupy
import numpy as np
import pytest
import scipy.fft
from hypothesis import given
from hypothesis import strategies as st
from support import DTYPES, eps, layouts, randn

import structmat as sm
from structmat.transforms import trigonometric_fft
from structmat.transforms.trigonometric import dct, dst, idct, idst

NORMS = (None, "backward", "ortho", "forward")
NAMED = {"dct": dct, "idct": idct, "dst": dst, "idst": idst}
dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.__name__)
norms = pytest.mark.parametrize("norm", NORMS)
kinds = pytest.mark.parametrize("type", [1, 2, 3, 4])
names = pytest.mark.parametrize("name", ["dct", "dst"])
SIZES = (1, 2, 3, 4, 7, 8, 15, 16, 30, 100, 101)


def cospi(a, b):
    """cos(pi a / b) with the angle reduced in integers."""
    return np.cos(np.pi * (a % (2 * b)) / b)


def sinpi(a, b):
    return np.sin(np.pi * (a % (2 * b)) / b)


def entry(name, type, n, k, j):
    """The unnormalised transform's entry, as the module docstring defines it."""
    if name == "dct":
        if type == 1:
            if j == 0:
                return 1.0
            return (-1.0) ** k if j == n - 1 else 2 * cospi(j * k, n - 1)
        if type == 2:
            return 2 * cospi(k * (2 * j + 1), 2 * n)
        if type == 3:
            return 1.0 if j == 0 else 2 * cospi((2 * k + 1) * j, 2 * n)
        return 2 * cospi((2 * k + 1) * (2 * j + 1), 4 * n)
    if type == 1:
        return 2 * sinpi((k + 1) * (j + 1), n + 1)
    if type == 2:
        return 2 * sinpi((k + 1) * (2 * j + 1), 2 * n)
    if type == 3:
        return (-1.0) ** k if j == n - 1 else 2 * sinpi((2 * k + 1) * (j + 1), 2 * n)
    return 2 * sinpi((2 * k + 1) * (2 * j + 1), 4 * n)


def definition(name, type, n):
    return np.array([[entry(name, type, n, k, j) for j in range(n)] for k in range(n)])


def logical(name, type, n):
    return 2 * (n + {("dct", 1): -1, ("dst", 1): 1}.get((name, type), 0))


def ratio(got, expected):
    """Error over eps log2(2 n) in the 2-norm."""
    error = np.linalg.norm(np.ravel(got.astype(np.result_type(got, np.float64)) - expected))
    return error / (np.linalg.norm(np.ravel(expected)) * eps(got) * np.log2(2 * len(got)))


@dtypes
@kinds
@names
def test_definition(name, type, dtype, rng):
    for n in SIZES:
        if (name, type, n) == ("dct", 1, 1):
            continue
        T = definition(name, type, n)
        x = randn((n, 2), rng, dtype)
        wide = x.astype(np.result_type(dtype, np.float64))
        for norm, scale in (
            (None, 1),
            ("backward", 1),
            ("forward", 1 / logical(name, type, n)),
        ):
            y = NAMED[name](x, type, axis=0, norm=norm)
            assert y.dtype == dtype
            assert ratio(y, scale * (T @ wide)) < 2, n
            assert ratio(NAMED["i" + name](y, type, axis=0, norm=norm), wide) < 2, n


@dtypes
@kinds
@names
def test_by_fft_is_the_same_transform(name, type, dtype, rng):
    """The device's algorithm on NumPy arrays."""
    for n in (*SIZES, 1024):
        if (name, type, n) == ("dct", 1, 1):
            continue
        x = randn((n, 2), rng, dtype)
        wide = x.astype(np.result_type(dtype, np.float64))
        for norm in NORMS:
            for orthogonalize in (False, True):
                y = trigonometric_fft.transform(name, x, type, 0, norm, orthogonalize)
                expected = NAMED[name](wide, type, axis=0, norm=norm, orthogonalize=orthogonalize)
                assert y.dtype == dtype
                assert ratio(y, expected) < 2, (n, norm, orthogonalize)


@kinds
@names
def test_ortho_is_orthogonal(name, type):
    for n in SIZES[1:]:
        T = NAMED[name](np.eye(n), type, axis=0, norm="ortho")
        assert np.abs(T @ T.T - np.eye(n)).max() < 20 * n**0.5 * eps(T)
        assert np.abs(NAMED["i" + name](np.eye(n), type, axis=0, norm="ortho") - T.T).max() < 1e-14


@norms
@kinds
@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("orthogonalize", [None, False, True])
def test_complex_is_real_and_imaginary_part(name, type, norm, orthogonalize, rng):
    # scipy.fft.dct(complex, orthogonalize=...) forgets `orthogonalize` (SciPy 1.17).
    z = randn((3, 9), rng, complex)
    options = {"norm": norm, "orthogonalize": orthogonalize}
    real = getattr(scipy.fft, name)(z.real, type, **options)
    imag = getattr(scipy.fft, name)(z.imag, type, **options)
    assert np.array_equal(NAMED[name](z, type, **options), real + 1j * imag)


@pytest.mark.parametrize("name", NAMED)
@dtypes
def test_layouts_and_axes(name, dtype, rng):
    X = randn((4, 6, 5), rng, dtype)
    for type in (1, 2, 3, 4):
        for axis in (-3, -2, -1, 0, 1, 2):
            expected = getattr(scipy.fft, name)(X, type, axis=axis)
            for layout, x in layouts(X):
                before = x.copy()
                y = NAMED[name](x, type, axis=axis)
                assert y.shape == X.shape, layout
                assert y.dtype == dtype, layout
                assert np.allclose(y, expected, rtol=0, atol=40 * eps(y)), layout
                assert np.array_equal(x, before), layout


@given(
    st.sampled_from(sorted(NAMED)),
    st.integers(1, 4),
    st.integers(2, 40),
    st.sampled_from(NORMS),
    st.integers(0, 2**32 - 1),
)
def test_inverse_pairs(name, type, n, norm, seed):
    x = randn((n, 2), np.random.default_rng(seed))
    other = name[1:] if name.startswith("i") else "i" + name
    y = NAMED[other](NAMED[name](x, type, axis=0, norm=norm), type, axis=0, norm=norm)
    assert ratio(y, x) < 2


def test_the_result_does_not_depend_on_workers(rng):
    x = randn((7, 2**14), rng)
    with sm.set_workers(1):
        y = dct(x), dst(x.T, 4, axis=0)
    with sm.set_workers(3):
        z = dct(x), dst(x.T, 4, axis=0)
    assert all(np.array_equal(a, b) for a, b in zip(y, z))


@pytest.mark.parametrize("scale", [1e-150, 1e150])
@names
@kinds
def test_scales(name, type, scale, rng):
    x = scale * randn(16, rng)
    expected = definition(name, type, 16) @ x
    assert ratio(NAMED[name](x, type), expected) < 2
    assert ratio(trigonometric_fft.transform(name, x, type, 0, None, False), expected) < 2
    assert ratio(NAMED["i" + name](NAMED[name](x, type), type), x) < 2


@pytest.mark.parametrize("name", NAMED)
def test_nan_and_inf_stay_visible(name):
    for bad in (np.nan, np.inf):
        x = np.ones(8)
        x[3] = bad
        assert not np.isfinite(NAMED[name](x)).any()


@pytest.mark.parametrize("name", NAMED)
def test_integers_lists_and_empty_batches(name):
    assert NAMED[name]([1, 2, 3]).dtype == np.float64
    assert np.array_equal(NAMED[name](np.arange(5, dtype=np.uint8)), NAMED[name](np.arange(5.0)))
    empty = NAMED[name](np.ones((0, 8), np.complex64))
    assert empty.shape == (0, 8)
    assert empty.dtype == np.complex64


@pytest.mark.parametrize("name", NAMED)
def test_refusals(name):
    function = NAMED[name]
    with pytest.raises(ValueError, match=rf"{name} of type 2 .* along axis 1; got shape \(4, 0\)"):
        function(np.ones((4, 0)))
    with pytest.raises(ValueError, match="at least one dimension"):
        function(1.0)
    with pytest.raises(ValueError, match=r"`type` must be one of \{1, 2, 3, 4\}; got 5"):
        function(np.ones(4), 5)
    with pytest.raises(TypeError, match="`type` must be an integer"):
        function(np.ones(4), "II")
    with pytest.raises(ValueError, match="`norm` must be one of"):
        function(np.ones(4), norm="orthogonal")
    with pytest.raises(TypeError, match="`orthogonalize` must be True or False"):
        function(np.ones(4), orthogonalize="no")
    with pytest.raises(np.exceptions.AxisError):
        function(np.ones(4), axis=-2)
    for dtype in (np.float16, np.longdouble, object):
        with pytest.raises(TypeError, match="not supported"):
            function(np.ones(4, dtype))
    if name.endswith("dct"):
        with pytest.raises(ValueError, match="type 1 needs at least 2 entries along axis 0"):
            function(np.ones((1, 3)), 1, axis=0)
    else:
        assert np.allclose(function(np.ones(1), 1, norm="ortho"), 1)


@dtypes
@pytest.mark.parametrize("name", NAMED)
def test_device_arrays(name, dtype, monkeypatch, rng):
    cupy = fake_cupy.install(monkeypatch)
    fft = {f: fake_cupy._function(getattr(np.fft, f)) for f in ("fft", "rfft", "irfft")}
    cupy.fft = types.SimpleNamespace(**fft)
    x = randn((6, 5), rng, dtype)
    for type in (1, 2, 3, 4):
        for norm in NORMS:
            for axis in (0, 1):
                y = NAMED[name](cupy.asarray(x), type, axis=axis, norm=norm)
                expected = NAMED[name](
                    x.astype(np.result_type(dtype, float)), type, axis=axis, norm=norm
                )
                assert isinstance(y, cupy.ndarray)
                assert y.dtype == dtype
                assert ratio(y.get(), expected) < 2


@dtypes
@names
def test_complex_arrays_of_any_layout(name, dtype, rng):
    """Real and imaginary parts are transformed side by side; a long line one after the other."""
    dtype = np.result_type(dtype, np.complex64)
    z = randn((6, 5, 4), rng, complex).astype(dtype)
    read_only = z.copy()
    read_only.flags.writeable = False
    long = randn(2**16 + 1, rng, complex).astype(dtype)
    for x in (z, z[::-1, ::2], z.T, np.asfortranarray(z), read_only, z[0, 0], z[:1], long,
              long[::-1], long[:, None], long[:1000]):  # fmt: skip
        before = x.copy()
        for axis in range(x.ndim):
            if x.shape[axis] == 1:
                continue
            y = NAMED[name](x, 2, axis=axis, norm="ortho")
            expected = NAMED[name](x.real, 2, axis=axis, norm="ortho") + 1j * NAMED[name](
                x.imag, 2, axis=axis, norm="ortho"
            )
            assert y.dtype == dtype
            assert y.flags.writeable
            assert np.abs(y - expected).max() <= 20 * eps(y) * np.abs(expected).max()
            assert np.array_equal(x, before)
