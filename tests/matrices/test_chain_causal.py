"""Causal Monarch matrices and the sequence mixer, against loops over the definition."""

import itertools

import fake_cupy
import numpy as np
import pytest
import scipy.linalg
import scipy.signal

import structmat as sm
from structmat.matrices.chain.exact import causal, sequences

METHODS = ("fft", "gemm")
SIZES = [(1, 2), (2, 2), (4, 4), (8, 8), (3, 6), (5, 2), (7, 10)]


def basis(rng, p, q, size=0.2, kind=float):
    """S and T that meet both conditions, with a dominant diagonal."""

    def lower(*shape):
        x = np.tril(rng.standard_normal(shape), -1).astype(kind)
        if kind is complex:
            x = x * np.exp(1j)
        return np.eye(shape[-1]) + size * x

    S, T = lower(p, p), lower(p, q, q)
    T[:, q // 2 :, : q // 2] = 0
    return S, T


def polynomials(S, T):
    """Columns, by degree: coefficients of g_k(X) h_(k,i)(X^p), multiplied out term by term."""
    (p, _), q = S.shape, T.shape[1]
    C = np.zeros((p * q, p * q), np.result_type(S, T))
    for i, k in itertools.product(range(q), range(p)):
        for a, b in itertools.product(range(p), range(q)):
            C[b * p + a, i * p + k] += S[a, k] * T[k, b, i]
    return C


def padded(x, N):
    return np.concatenate([x, np.zeros((*x.shape[:-2], N - x.shape[-2], x.shape[-1]))], axis=-2)


def convolved(u, kernel, causal=True):
    """By loops over time."""
    y = np.zeros(u.shape, np.result_type(u, kernel))
    length = u.shape[-2]
    for t, s in itertools.product(range(length), repeat=2):
        if s <= t or not causal:
            y[..., t, :] += kernel[(t - s) % length] * u[..., s, :]
    return y


# ---------------------------------------------------------------- the matrix


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("kind", [float, complex])
def test_causal_monarch_holds_values_of_polynomials(sizes, kind, rng):
    """M[r, t] is polynomial t at w^r, w = exp(-2 pi i / N)."""
    p, q = sizes
    S, T = basis(rng, p, q, kind=kind)
    M = causal.causal_monarch(S, T)
    F = np.fft.fft(np.eye(p * q), axis=0)
    assert isinstance(M, sm.Chain)
    assert M.patterns == ((1, p, p, q), (p, q, q, 1), None)
    assert np.abs(M.toarray() - F @ polynomials(S, T)).max() < 1e-13 * p * q


def test_the_identity_gives_the_fourier_transform():
    for p, q in SIZES:
        M = causal.causal_monarch(np.eye(p), np.broadcast_to(np.eye(q), (p, q, q)))
        assert np.abs(M.toarray() - np.fft.fft(np.eye(p * q), axis=0)).max() < 1e-13


def test_the_condition_number_is_that_of_the_basis(rng):
    S, T = basis(rng, 4, 6, 0.5)
    M = causal.causal_monarch(S, T).toarray()
    exact = np.linalg.cond(polynomials(S, T))
    assert abs(np.linalg.cond(M) / exact - 1) < 1e-12
    bound = (
        np.linalg.cond(S)
        * max(np.linalg.norm(t, 2) for t in T)
        * max(np.linalg.norm(np.linalg.inv(t), 2) for t in T)
    )
    assert exact <= bound * (1 + 1e-12)


@pytest.mark.parametrize("sizes", SIZES)
def test_its_convolutions_are_causal(sizes, rng):
    """First N/2 entries of M^-1 ((M k) * (M u)), M dense: the theorem itself."""
    p, q = sizes
    S, T = basis(rng, p, q)
    M, N = causal.causal_monarch(S, T).toarray(), p * q
    kernel = rng.standard_normal((N // 2, 1))

    def mix(u):
        spectrum = (M @ padded(kernel, N)) * (M @ padded(u, N))
        return np.linalg.solve(M, spectrum)[..., : N // 2, :]

    assert causal.causality_leak(mix, N // 2) <= 1e-11


def test_without_the_second_condition_they_are_not(rng):
    """N = 64, p = q = 8: degrees above N/2 wrap around."""
    p = q = 8
    S, T = basis(rng, p, q, 1.0)
    broken = T + np.tril(rng.standard_normal((p, q, q)), -1)
    F = np.fft.fft(np.eye(p * q), axis=0)
    kernel = rng.standard_normal((32, 1))
    leaks = []
    for blocks in (T, broken):
        M = F @ polynomials(S, blocks)

        def mix(u, M=M):
            spectrum = (M @ padded(kernel, 64)) * (M @ padded(u, 64))
            return np.linalg.solve(M, spectrum)[..., :32, :]

        leaks.append(causal.causality_leak(mix, 32))
    assert leaks[0] < 1e-9
    assert leaks[1] > 1e-2


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("S", 0, 1), 0.1, r"`S` must be lower triangular.*\(0, 1\)"),
        (("S", 2, 2), 0.0, r"`S` must have no zero on its diagonal.*\(2, 2\)"),
        (("S", 1, 0), np.nan, "`S` must not contain infs or NaNs"),
        (("T", 1, 0, 3), 1e-300, r"`T` must be lower triangular.*\(1, 0, 3\)"),
        (("T", 2, 3, 3), 0.0, r"`T` must have no zero on its diagonal.*\(2, 3, 3\)"),
        (("T", 1, 2, 0), 0.5, r"lower left quarter is zero.*wrap.*\(1, 2, 0\)"),
        (("T", 1, 3, 1), np.inf, "`T` must not contain infs or NaNs"),
    ],
)
def test_a_violated_condition_is_named(place, value, message, rng):
    given = dict(zip("ST", basis(rng, 4, 4)))
    given[place[0]][place[1:]] = value
    with pytest.raises(ValueError, match=message):
        causal.causal_monarch(**given)
    with pytest.raises(ValueError, match=message):
        causal.monarch_mix(np.ones((8, 1)), np.ones((8, 1)), **given)


def test_shapes_of_a_basis(rng):
    S, T = basis(rng, 4, 4)
    for s, t, message in (
        (S[:3], T, "shape"),
        (S, T[:3], "shape"),
        (S, T[:, :2], "shape"),
        (S, T[0], "dimension"),
        (np.ones((0, 0)), np.ones((0, 2, 2)), "not empty"),
        (np.eye(2), np.stack([np.eye(3)] * 2), "even order"),
    ):
        with pytest.raises(ValueError, match=message):
            causal.causal_monarch(s, t)


def test_lost_digits_are_said(rng):
    S, T = basis(rng, 32, 4, 3.0)
    with pytest.warns(scipy.linalg.LinAlgWarning, match="causal Monarch"):
        causal.causal_monarch(S, T)
    with pytest.warns(scipy.linalg.LinAlgWarning, match="causal Monarch") as said:
        causal.monarch_mix(np.ones((4, 1)), np.ones((4, 1)), S=S, T=T)
    assert said[0].filename == __file__
    with pytest.raises(OverflowError, match="inverse"):
        causal.causal_monarch(np.eye(2) * 1e-310, np.stack([np.eye(2)] * 2))


# ---------------------------------------------------------------- the mixer


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("length", [1, 2, 3, 7, 8, 13, 30, 64])
@pytest.mark.parametrize("kind", [float, complex])
def test_the_mixer_is_the_definition(length, kind, method, rng):
    u, kernel = rng.standard_normal((3, length, 2)), rng.standard_normal((length, 2))
    u, kernel = (x.astype(kind) * (1 if kind is float else np.exp(1j)) for x in (u, kernel))
    for past in (True, False):
        y = causal.monarch_mix(u, kernel, past, method=method)
        assert y.dtype == kind
        exact = convolved(u, kernel, past)
        assert np.abs(y - exact).max() <= 1e-13 * max(1, np.abs(exact).max())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("length", [509, 1000, 1024, 4096])
def test_long_sequences_are_those_of_scipy(length, method, rng):
    u, kernel = rng.standard_normal((2, length, 2)), rng.standard_normal((length, 2))
    y = causal.monarch_mix(u, kernel, method=method)
    exact = scipy.signal.fftconvolve(u, kernel[None], axes=1)[:, :length]
    assert np.abs(y - exact).max() <= 1e-12 * np.abs(exact).max()
    y = causal.monarch_mix(u, kernel, False, method=method)
    exact = np.fft.irfft(np.fft.rfft(u, axis=1) * np.fft.rfft(kernel, axis=0), length, axis=1)
    assert np.abs(y - exact).max() <= 1e-12 * np.abs(exact).max()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("kind", [float, complex])
def test_the_mixer_in_another_basis(sizes, kind, method, rng):
    """Against M^-1 ((M k) * (M u)) with M dense, for lengths up to N/2."""
    p, q = sizes
    N = p * q
    S, T = basis(rng, p, q, kind=kind)
    M = np.fft.fft(np.eye(N), axis=0) @ polynomials(S, T)
    for length in {1, (N // 2 + 1) // 2, N // 2}:
        u, kernel = rng.standard_normal((2, 3, length, 2)), rng.standard_normal((length, 2))
        spectrum = (M @ padded(kernel, N)) * (M @ padded(u, N))
        exact = np.linalg.solve(M, spectrum)[..., :length, :]
        y = causal.monarch_mix(u, kernel, S=S, T=T, method=method)
        assert y.dtype == kind
        assert np.abs(y - exact).max() <= 1e-12 * np.abs(exact).max() * np.linalg.cond(M)
        leak = causal.causality_leak(
            lambda v, k=kernel: causal.monarch_mix(v, k, S=S, T=T, method=method), length, 2
        )
        assert leak <= 1e-11


def test_the_identity_basis_is_the_plain_convolution(rng):
    u, kernel = rng.standard_normal((2, 12, 3)), rng.standard_normal((12, 3))
    S, T = np.eye(4), np.stack([np.eye(6)] * 4)
    y = causal.monarch_mix(u, kernel, S=S, T=T, method="gemm")
    for batch, channel in itertools.product(range(2), range(3)):
        exact = np.convolve(kernel[:, channel], u[batch, :, channel])[:12]
        assert np.abs(y[batch, :, channel] - exact).max() < 1e-13


@pytest.mark.parametrize("method", METHODS)
def test_shapes_and_dtypes(method, rng):
    kernel = rng.standard_normal((5, 2))
    for shape in ((5, 2), (1, 5, 2), (2, 0, 5, 2), (2, 3, 4, 5, 2)):
        u = rng.standard_normal(shape)
        y = causal.monarch_mix(u, kernel, method=method)
        assert y.shape == shape
        assert np.allclose(y, convolved(u, kernel), atol=1e-14)
    assert causal.monarch_mix(np.ones((0, 2)), np.ones((0, 2)), method=method).shape == (0, 2)
    assert causal.monarch_mix(np.ones((3, 0)), np.ones((3, 0)), False, method=method).size == 0
    for left, right in itertools.product((np.float32, np.float64, np.complex64, int), repeat=2):
        u, k = np.ones((5, 2), left), np.ones((5, 2), right)
        y = causal.monarch_mix(u, k, method=method)
        wide = [np.float64 if kind is int else kind for kind in (left, right)]
        assert y.dtype == np.result_type(*wide)
        assert np.allclose(y, np.arange(1, 6)[:, None], rtol=1e-6)
    for size in (np.float32, np.float64):
        S, T = basis(rng, 2, 6)
        y = causal.monarch_mix(
            np.ones((5, 2), np.float32), np.ones((5, 2), np.float32), S=S.astype(size), T=T
        )
        assert y.dtype == np.float64


@pytest.mark.parametrize("method", METHODS)
def test_strides_scales_and_read_only_arguments(method, rng):
    u, kernel = rng.standard_normal((4, 2, 9)), rng.standard_normal((2, 18))
    u, kernel = u.transpose(0, 2, 1), kernel[:, ::2].T
    for x in (u, kernel):
        x.flags.writeable = False
    kept, exact = u.copy(), convolved(u, kernel)
    assert np.abs(causal.monarch_mix(u, kernel, method=method) - exact).max() < 1e-13
    assert (u == kept).all()
    for scale in (1e150, 1e-150):
        y = causal.monarch_mix(scale * u, kernel / scale, method=method)
        assert np.abs(y - exact).max() < 1e-13
        y = causal.monarch_mix(scale * u, kernel, method=method) / scale
        assert np.abs(y - exact).max() < 1e-13
    assert not causal.monarch_mix(0 * u, kernel, method=method).any()
    tiny = causal.monarch_mix(1e-160 * u, 1e-160 * kernel, method=method)
    assert np.abs(tiny).max() <= 1e-317


@pytest.mark.parametrize("method", METHODS)
def test_overflow_and_bad_numbers_are_errors(method):
    ones = np.ones((8, 1))
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="`u`"):
            causal.monarch_mix(np.full((8, 1), bad), ones, method=method)
        with pytest.raises(ValueError, match="`kernel`"):
            causal.monarch_mix(ones, np.full((8, 1), bad), method=method)
    with pytest.raises(OverflowError, match="monarch_mix"):
        causal.monarch_mix(1e200 * ones, 1e200 * ones, method=method)


def test_a_residue_that_is_not_rounding_is_an_error():
    Y = np.ones((1, 1, 2, 2)) + 1e-14j
    assert sequences._real(Y, np.ones((1, 1, 1, 1))).dtype == np.float64
    with pytest.raises(ArithmeticError, match="imaginary"):
        sequences._real(Y, np.full((1, 1, 1, 1), 1e-3))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: causal.monarch_mix(np.ones(4), np.ones((4, 1))), ValueError, "length, dim"),
        (lambda: causal.monarch_mix(np.ones((4, 2)), np.ones((4, 1))), ValueError, r"\(4, 1\)"),
        (lambda: causal.monarch_mix(np.ones((4, 1)), np.ones((3, 1))), ValueError, "length"),
        (
            lambda: causal.monarch_mix(np.ones((4, 1)), np.ones((4, 1)), S=np.eye(2)),
            ValueError,
            "together",
        ),
        (
            lambda: causal.monarch_mix(
                np.ones((4, 1)), np.ones((4, 1)), False, np.eye(2), np.stack([np.eye(4)] * 2)
            ),
            ValueError,
            "causal mixer",
        ),
        (
            lambda: causal.monarch_mix(
                np.ones((5, 1)), np.ones((5, 1)), True, np.eye(2), np.stack([np.eye(4)] * 2)
            ),
            ValueError,
            "at most p q / 2 = 4",
        ),
        (
            lambda: causal.monarch_mix(np.ones((4, 1)), np.ones((4, 1)), "yes"),
            TypeError,
            "causal",
        ),
        (
            lambda: causal.monarch_mix(np.ones((4, 1)), np.ones((4, 1)), method="fast"),
            ValueError,
            "method",
        ),
        (lambda: causal.causality_leak(lambda u: u[0], 4), ValueError, "keep the shape"),
        (lambda: causal.causality_leak(lambda u: u, 0), ValueError, "at least 1"),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_the_leak_of_known_maps():
    assert causal.causality_leak(lambda u: u, 5) == 0.0
    assert causal.causality_leak(lambda u: 0 * u, 5, 3) == 0.0
    assert causal.causality_leak(lambda u: u[:, ::-1], 4) == 1.0
    ahead = np.eye(4) + 0.25 * np.eye(4, k=1)
    assert causal.causality_leak(lambda u: ahead @ u, 4) == 0.25
    assert causal.causality_leak(lambda u: ahead.T @ u, 4, 2, np.float32) == 0.0
    assert np.isnan(causal.causality_leak(lambda u: u * np.nan, 4))


def test_on_the_device(monkeypatch, rng):
    cupy = fake_cupy.install(monkeypatch)
    u, kernel = rng.standard_normal((2, 8, 3)), rng.standard_normal((8, 3))
    S, T = basis(rng, 4, 4)
    d = cupy.asarray
    for method, past in itertools.product(METHODS, (True, False)):
        y = causal.monarch_mix(d(u), d(kernel), past, method=method)
        assert type(y) is cupy.ndarray
        assert np.allclose(y.get(), convolved(u, kernel, past), atol=1e-13)
    y = causal.monarch_mix(d(u), d(kernel), S=d(S), T=d(T), method="gemm")
    assert np.allclose(y.get(), causal.monarch_mix(u, kernel, S=S, T=T), atol=1e-13)
    M = causal.causal_monarch(d(S), d(T))
    assert np.allclose(M.toarray().get(), causal.causal_monarch(S, T).toarray())
    with pytest.raises(sm.MixedDevicesError):
        causal.monarch_mix(d(u), kernel)
    leak = causal.causality_leak(lambda v: causal.monarch_mix(d(v), d(kernel)), 8, 3)
    assert leak < 1e-13


# ---------------------------------------------------------------- range, lengths


@pytest.mark.parametrize("method", ["fft", "gemm"])
@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_what_is_representable_is_computed(method, dtype):
    """The sums of a spectrum overflow where the convolution does not."""
    u, kernel = np.full((3, 1), 1e308, dtype), np.array([[1.0], [-1.0], [0.0]], dtype)
    y = causal.monarch_mix(u, kernel, method=method).ravel()
    assert np.abs(y / 1e308 - [1, 0, 0]).max() < 1e-15
    y = causal.monarch_mix(u * 1e-308 * 5e-324, kernel, method=method).ravel()
    assert np.array_equal(y, np.array([5e-324, 0, 0]))
    with pytest.raises(OverflowError, match="monarch_mix"):
        causal.monarch_mix(u, -2 * kernel, method=method)


def test_every_sequence_has_a_range_of_its_own(rng):
    scales = np.array([1e300, 1.0, 1e-300])
    u, kernel = rng.standard_normal((2, 9, 3)), rng.standard_normal((9, 3))
    y = causal.monarch_mix(u * scales, kernel)
    assert np.abs(y / scales - causal.monarch_mix(u, kernel)).max() < 1e-14


@pytest.mark.parametrize("length", [1, 2, 97, 101, 257])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
def test_circular_convolutions_of_prime_length(length, dtype, rng):
    u, kernel = rng.standard_normal((2, length, 2)), rng.standard_normal((length, 2))
    u, kernel = u.astype(dtype), kernel.astype(dtype)
    if np.dtype(dtype).kind == "c":
        u, kernel = u * (1 + 2j), kernel * (2 - 1j)
    y = causal.monarch_mix(u, kernel, causal=False)
    assert y.dtype == dtype
    wide = np.result_type(dtype, np.float64)
    for c in range(2):
        C = scipy.linalg.circulant(kernel[:, c].astype(wide))
        error = np.abs(y[..., c] - u[..., c] @ C.T).max()
        size = np.linalg.norm(kernel[:, c]) * np.linalg.norm(u[..., c], axis=1).max()
        assert error < 30 * np.finfo(dtype).eps * size
