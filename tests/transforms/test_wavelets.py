"""The Haar transform against a dense W built level by level from its definition."""

import fake_cupy
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import DTYPES, eps, layouts, randn

import structmat as sm
from structmat.transforms import haar, haar2, ihaar, ihaar2, wavelets_cpu

dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.__name__)
SHAPES = [(1, 0), (2, 1), (4, 1), (4, 2), (6, 1), (8, 3), (24, 2), (24, 3), (64, 6), (96, 5)]
shapes = pytest.mark.parametrize(("n", "levels"), SHAPES)


def definition(n, levels):
    """W: averages and differences of neighbours, then again of the averages; by literal loops."""
    W = np.eye(n)
    size = n
    for _ in range(levels):
        step = np.eye(n)
        step[:size, :size] = 0
        for i in range(size // 2):
            step[i, 2 * i] = step[i, 2 * i + 1] = np.sqrt(0.5)
            step[size // 2 + i, 2 * i] = np.sqrt(0.5)
            step[size // 2 + i, 2 * i + 1] = -np.sqrt(0.5)
        W = step @ W
        size //= 2
    return W


def pyramid(X, levels):
    """Mallat's 2-D transform: one level of both axes, then again of the averages."""
    X = X.copy()
    m, n = X.shape
    for _ in range(levels):
        X[:m, :n] = definition(m, 1) @ X[:m, :n] @ definition(n, 1).T
        m, n = m // 2, n // 2
    return X


def ratio(got, expected, levels):
    """Error over (levels + 1) eps in the 2-norm."""
    got = np.asarray(got)
    error = np.linalg.norm(np.ravel(got.astype(np.result_type(got, np.float64)) - expected))
    return error / (np.linalg.norm(np.ravel(expected)) * eps(got) * (levels + 1))


@dtypes
@shapes
def test_definition(n, levels, dtype, rng):
    W = definition(n, levels)
    x = randn((3, n), rng, dtype)
    wide = x.astype(np.result_type(dtype, np.float64))
    for axis, host in ((-1, x), (0, x.T), (0, np.ascontiguousarray(x.T))):
        y = haar(host, levels=levels, axis=axis)
        z = ihaar(host, levels=levels, axis=axis)
        assert y.dtype == z.dtype == dtype
        if axis == 0:
            y, z = y.T, z.T
        assert ratio(y, wide @ W.T, levels) < 2
        assert ratio(z, wide @ W, levels) < 2


@shapes
def test_orthogonal(n, levels):
    W = haar(np.eye(n), levels=levels, axis=0)
    assert np.abs(W @ W.T - np.eye(n)).max() < 4 * (levels + 1) * eps(W)
    assert np.abs(ihaar(np.eye(n), levels=levels, axis=0) - W.T).max() < 4 * (levels + 1) * eps(W)


def test_whole_numbers_of_two_levels_are_exact():
    # Two levels together scale by 1/2: the averages of 4^k equal numbers are exact.
    x = np.full(64, 3.0)
    assert np.array_equal(haar(x), [24.0] + 63 * [0.0])
    assert np.array_equal(ihaar(haar(x, levels=4), levels=4), x)


@dtypes
@pytest.mark.parametrize(
    ("n", "levels"),
    [
        (2**12, 12),
        (2**13, 13),
        (2**14, 12),
        (2**14, 1),
        (2**14, 14),
        (3 * 2**14, 14),
        (5 * 2**13, 13),
        (10002, 1),
        (3 * 4100, 2),
        (2**17, 17),
    ],
)
def test_rounds_and_chunks_of_the_kernel(n, levels, dtype, rng):
    x = randn((2, n), rng, dtype)
    plain = np.asfortranarray(x)  # not contiguous along the axis: plain array code
    y = haar(x, levels=levels)
    assert ratio(y, haar(plain, levels=levels), levels) < 0.1
    assert np.array_equal(y, haar(plain, levels=levels))
    assert np.array_equal(ihaar(y, levels=levels), ihaar(np.asfortranarray(y), levels=levels))
    assert ratio(ihaar(y, levels=levels), x, levels) < 1
    assert abs(np.linalg.norm(y) / np.linalg.norm(x) - 1) < 4 * (levels + 1) * eps(y)


@dtypes
def test_round_trip_to_log2_n_eps(dtype, rng):
    for m in range(15):
        x = randn(2**m, rng, dtype)
        error = np.linalg.norm(ihaar(haar(x)) - x) / np.linalg.norm(x)
        assert error <= m * eps(x), m


@given(
    st.integers(1, 5),
    st.integers(0, 7),
    st.data(),
    st.sampled_from(DTYPES),
    st.integers(0, 2**32 - 1),
)
def test_properties(odd, m, data, dtype, seed):
    n = (2 * odd - 1) * 2**m
    levels = data.draw(st.integers(0, m))
    x, y = randn((2, n), np.random.default_rng(seed), dtype)
    assert ratio(ihaar(haar(x, levels=levels), levels=levels), x, levels) < 2
    scale = np.linalg.norm(x) * np.linalg.norm(y)
    adjoint = np.vdot(haar(x, levels=levels), y) - np.vdot(x, ihaar(y, levels=levels))
    assert abs(adjoint) <= 4 * (levels + 1) * eps(x) * scale


@dtypes
@pytest.mark.parametrize(
    ("m", "n", "levels"), [(2, 2, 1), (8, 8, 3), (8, 8, 1), (4, 12, 2), (24, 16, 3), (1, 1, 0)]
)
def test_both_axes(m, n, levels, dtype, rng):
    X = randn((m, n), rng, dtype)
    wide = X.astype(np.result_type(dtype, np.float64))
    standard = definition(m, levels) @ wide @ definition(n, levels).T
    for layout, expected in (("standard", standard), ("mallat", pyramid(wide, levels))):
        Y = haar2(X, levels=levels, layout=layout)
        assert Y.dtype == dtype
        assert ratio(Y, expected, 2 * levels) < 2
        assert ratio(ihaar2(Y, levels=levels, layout=layout), wide, 2 * levels) < 2
        T = haar2(np.ascontiguousarray(X.T), levels=levels, axes=(1, 0), layout=layout)
        assert ratio(T.T, expected, 2 * levels) < 2
        assert ratio(ihaar2(T, levels=levels, axes=(1, 0), layout=layout).T, wide, levels) < 4


def test_standard_is_a_kronecker_product_and_mallat_is_not(rng):
    X = randn((8, 8), rng)
    W = definition(8, 3)
    assert np.allclose(haar2(X).ravel(), np.kron(W, W) @ X.ravel())
    assert not np.allclose(haar2(X, layout="mallat"), haar2(X))
    M = haar2(np.eye(64).reshape(64, 8, 8), layout="mallat").reshape(64, 64)
    assert np.abs(M @ M.T - np.eye(64)).max() < 1e-14


def test_default_levels(rng):
    x = randn(24, rng)
    assert np.array_equal(haar(x), haar(x, levels=3))
    X = randn((8, 12), rng)
    assert np.array_equal(haar2(X), haar(haar(X, levels=2), levels=3, axis=0))
    assert np.array_equal(haar2(X, layout="mallat"), haar2(X, levels=2, layout="mallat"))
    assert np.array_equal(ihaar2(X, layout="mallat"), ihaar2(X, levels=2, layout="mallat"))


@dtypes
def test_layouts_and_axes(dtype, rng):
    X = randn((4, 16, 8), rng, dtype)
    for axis in (-3, -2, -1, 0, 1, 2):
        expected = np.moveaxis(haar(np.moveaxis(X, axis, -1).copy(), levels=2), -1, axis)
        for name, x in layouts(X):
            before = x.copy()
            y = haar(x, levels=2, axis=axis)
            assert y.dtype == dtype, name
            assert ratio(y, expected, 2) < 1, name
            assert ratio(ihaar(y, levels=2, axis=axis), X, 2) < 1, name
            for layout in ("standard", "mallat"):
                z = haar2(x, levels=1, axes=(0, axis % 2 + 1), layout=layout)
                assert ratio(ihaar2(z, levels=1, axes=(0, axis % 2 + 1), layout=layout), X, 2) < 1
            assert np.array_equal(x, before), name


def test_zero_levels_are_a_copy(rng):
    x = randn(15, rng)
    for function in (haar, ihaar):
        y = function(x, levels=0)
        assert np.array_equal(y, x)
        assert not np.shares_memory(y, x)
    X = randn((3, 5), rng)
    for function in (haar2, ihaar2):
        for layout in ("standard", "mallat"):
            Y = function(X, levels=0, layout=layout)
            assert np.array_equal(Y, X)
            assert not np.shares_memory(Y, X)


def test_the_result_does_not_depend_on_workers(rng):
    x = randn((9, 2**14), rng)
    with sm.set_workers(1):
        y = haar(x), ihaar(x)
    with sm.set_workers(3):
        z = haar(x), ihaar(x)
    assert all(np.array_equal(a, b) for a, b in zip(y, z))


@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_scales(scale, rng):
    x = scale * randn(64, rng)
    assert ratio(haar(x), definition(64, 6) @ x, 6) < 2
    assert ratio(ihaar(haar(x)), x, 6) < 2


def test_nan_stays_where_it_is():
    x = np.ones(64)
    x[5] = np.nan
    y = haar(x)
    # One coefficient of each level, and the average.
    assert np.count_nonzero(np.isnan(y)) == 7
    assert np.isnan(y[[0, 1, 32 + 2]]).all()
    assert np.isnan(haar2(np.diag([np.nan, 1.0]))).all()


def test_integers_lists_and_empty_arrays():
    assert haar([1, 2, 3, 4]).dtype == np.float64
    assert np.array_equal(haar(np.arange(8, dtype=np.int16)), haar(np.arange(8.0)))
    for function in (haar, ihaar):
        assert function(np.ones((0, 8), np.float32)).shape == (0, 8)
        assert function(np.ones((3, 0))).shape == (3, 0)
        assert function(np.ones((3, 0)), levels=2).shape == (3, 0)
    for layout in ("standard", "mallat"):
        assert haar2(np.ones((0, 4)), layout=layout).shape == (0, 4)
        assert ihaar2(np.ones((3, 0, 4), np.complex64), layout=layout).dtype == np.complex64


@pytest.mark.parametrize("function", [haar, ihaar])
def test_refusals(function):
    with pytest.raises(ValueError, match=r"divisible by 2\*\*3; got 12, which allows 2"):
        function(np.ones(12), levels=3)
    with pytest.raises(ValueError, match="Use fewer levels, or pad"):
        function(np.ones(12), levels=10**9)
    with pytest.raises(ValueError, match="15 is odd and allows no level; pad .* levels=0"):
        function(np.ones(15))
    with pytest.raises(ValueError, match="non-negative"):
        function(np.ones(8), levels=-1)
    with pytest.raises(TypeError, match="`levels` must be an integer"):
        function(np.ones(8), levels=1.0)
    with pytest.raises(ValueError, match="at least one dimension"):
        function(2.0)
    with pytest.raises(np.exceptions.AxisError):
        function(np.ones(8), axis=1)
    for dtype in (np.float16, np.longdouble, object):
        with pytest.raises(TypeError, match="not supported"):
            function(np.ones(8, dtype))


@pytest.mark.parametrize("function", [haar2, ihaar2])
def test_refusals_of_two_axes(function):
    with pytest.raises(ValueError, match="at least two dimensions"):
        function(np.ones(8))
    with pytest.raises(ValueError, match="repeated axis"):
        function(np.ones((4, 4)), axes=(0, -2))
    with pytest.raises(ValueError, match="must be two axes"):
        function(np.ones((4, 4)), axes=(0,))
    with pytest.raises(ValueError, match=r"'mallat', 'standard'\}; got 'pyramid'"):
        function(np.ones((4, 4)), layout="pyramid")
    with pytest.raises(ValueError, match="6, which allows 1"):
        function(np.ones((4, 6)), levels=2)
    with pytest.raises(ValueError, match="a length of 5 is odd"):
        function(np.ones((4, 5)), layout="mallat")


@dtypes
def test_device_arrays(dtype, monkeypatch, rng):
    cupy = fake_cupy.install(monkeypatch)
    X = randn((8, 48), rng, dtype)
    for function, options in (
        (haar, {}),
        (ihaar, {"axis": 0}),
        (haar2, {"levels": 2}),
        (ihaar2, {"levels": 3, "layout": "mallat"}),
        (haar2, {"layout": "mallat"}),
    ):
        y = function(cupy.asarray(X), **options)
        assert isinstance(y, cupy.ndarray)
        assert y.dtype == dtype
        assert np.array_equal(y.get(), function(X, **options))


def test_the_kernel_is_what_contiguous_rows_use(monkeypatch, rng):
    seen = []
    monkeypatch.setattr(wavelets_cpu, "forward", lambda x, levels: seen.append(levels) or x)
    haar(randn(64, rng))
    haar(randn((64, 4), rng), axis=0)
    assert seen == [6]
