"""Exact constructors of chains and conversions, against scipy and literal definitions."""

import itertools
import math
import tracemalloc

import fake_cupy
import numpy as np
import pytest
import scipy.fft
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

import structmat as sm
from structmat import _checks
from structmat.matrices.chain.exact import (
    constructors,
    convolutions,
    random_features,
    stages,
    trigonometric,
)

POWERS = [2**k for k in range(11)]
MIXED = [3, 5, 7, 15, 27, 36, 42, 43, 47, 48, 85, 168, 196, 720, 1000]
NORMS = (None, "ortho", "forward")


def close(A, dense, rtol=1e-13):
    """A chain equals a dense matrix, dtype and shape included, and its products do."""
    assert isinstance(A, sm.Chain)
    full = A.toarray()
    assert full.shape == A.shape == dense.shape
    assert full.dtype == A.dtype
    assert np.linalg.norm(full - dense) <= rtol * np.linalg.norm(dense)
    x = np.random.default_rng(1).standard_normal((dense.shape[1], 2)).astype(A.dtype)
    y = dense @ x
    size = np.linalg.norm(dense) * np.linalg.norm(x)
    assert np.linalg.norm(A @ x - y) <= rtol * size
    return A


# ---------------------------------------------------------------- Fourier


@pytest.mark.parametrize("n", POWERS + MIXED)
def test_dft_is_scipys(n):
    identity = np.eye(n)
    for norm in NORMS if n <= 200 else (None,):
        close(constructors.dft(n, norm), scipy.fft.fft(identity, axis=0, norm=norm))
        close(constructors.dft(n, norm, inverse=True), scipy.fft.ifft(identity, axis=0, norm=norm))


def root_of_unity(p, n):
    """exp(-2 pi i p / n) in extended precision, p reduced as a Python integer."""
    angle = 8 * np.arctan(np.longdouble(1)) * (np.longdouble(int(p) % n) / n)
    return complex(np.cos(angle)) - 1j * complex(np.sin(angle))


def test_every_entry_of_a_dft_has_all_digits():
    for n in (3, 8, 12, 15, 30):
        F = constructors.dft(n).toarray()
        for j, k in itertools.product(range(n), repeat=2):
            assert abs(F[j, k] - root_of_unity(j * k, n)) < 2e-15


def test_roots_of_unity_are_reduced_in_integers():
    n = 2**40 + 15
    p = np.array([0, n // 5, 3, n - 3, 10**12, 5 * n + 3])
    exact = [root_of_unity(q, n) for q in p]
    assert np.abs(stages.roots(p, n) - exact).max() < 2.3e-16


@pytest.mark.parametrize("radices", [(8, 8), (4, 4, 4), (2, 32), (64,), (16, 2, 2)])
def test_dft_in_any_radices(radices):
    A = close(constructors.dft(64, radices=radices), scipy.fft.fft(np.eye(64), axis=0))
    assert [p.b for p in A.patterns if p] == list(radices)
    before = 1
    for p in A.patterns[: len(radices)]:
        assert p == (before, p.b, p.b, 64 // (before * p.b))
        before *= p.b


def test_dft_in_two_radices_is_a_monarch_matrix_times_a_permutation():
    F = constructors.dft(15, radices=(3, 5))
    M = sm.Butterfly(F.factors[:2]).to(sm.Monarch)
    assert M.block_rank == 1
    assert np.allclose(M.toarray(), F.toarray() @ F.factors[2].toarray().T, atol=1e-14)


def test_factors_of_a_unitary_dft_are_unitary():
    for F in constructors.dft(90, "ortho").factors:
        dense = F.toarray()
        assert np.abs(dense @ dense.conj().T - np.eye(90)).max() < 1e-14


@pytest.mark.parametrize("shape", [(1, 1), (4, 6), (5, 8), (1, 7), (7, 1)])
def test_dft2_is_numpys(shape, rng):
    m, n = shape
    X = rng.standard_normal(shape)
    for norm in NORMS:
        A = constructors.dft2(m, n, norm)
        y = (A @ X.reshape(-1)).reshape(shape)
        assert np.abs(y - np.fft.fft2(X, norm=norm or "backward")).max() < 1e-13 * m * n
        B = constructors.dft2(m, n, norm, inverse=True)
        assert np.allclose((B @ (A @ X.reshape(-1))).reshape(shape), X, atol=1e-13)


def test_the_reference_sizes_of_two_dimensions():
    """(42 | 160 | 161) x (85 | 512)."""
    rng = np.random.default_rng(3)
    for m, n in itertools.product((42, 160, 161), (85, 512)):
        X = rng.standard_normal((m, n))
        Y = (constructors.dft2(m, n) @ X.reshape(-1)).reshape(m, n)
        exact = scipy.fft.fft2(X)
        assert np.linalg.norm(Y - exact) <= 1e-13 * np.linalg.norm(exact)


# ---------------------------------------------------------------- cosines, sines, Hartley


@pytest.mark.parametrize("n", POWERS + MIXED)
@pytest.mark.parametrize("name", ["dct", "dst"])
def test_trigonometric_transforms_are_scipys(name, n):
    identity, scipys = np.eye(n), getattr(scipy.fft, name)
    for type in (1, 2, 3, 4):
        if (name, type, n) == ("dct", 1, 1):
            continue
        for norm in NORMS if n <= 200 else ("ortho",):
            A = getattr(trigonometric, name)(n, type, norm)
            assert A.dtype == np.float64
            close(A, scipys(identity, type, axis=0, norm=norm))


@pytest.mark.parametrize("name", ["dct", "dst"])
def test_orthogonalised_or_not(name):
    identity, scipys = np.eye(6), getattr(scipy.fft, name)
    for type, norm, flag in itertools.product((1, 2, 3, 4), NORMS, (True, False)):
        A = getattr(trigonometric, name)(6, type, norm, orthogonalize=flag)
        close(A, scipys(identity, type, axis=0, norm=norm, orthogonalize=flag))


@pytest.mark.parametrize("n", POWERS + MIXED)
def test_hartley_is_its_definition(n):
    jk = np.outer(np.arange(n), np.arange(n)) % n
    dense = np.cos(2 * np.pi * jk / n) + np.sin(2 * np.pi * jk / n)
    A = close(trigonometric.hartley(n), dense)
    assert A.dtype == np.float64
    close(trigonometric.hartley(n, "ortho"), dense / np.sqrt(n))


def test_hartley_and_cosines_in_two_radices_have_block_rank_two():
    for A in (trigonometric.hartley(64, radices=(8, 8)), trigonometric.dct(64, radices=(8, 8))):
        M = sm.Butterfly([F for F in A.factors if isinstance(F, sm.KroneckerSparse)]).to(sm.Monarch)
        assert M.block_rank == 2


# ---------------------------------------------------------------- Hadamard and Haar


@pytest.mark.parametrize("n", POWERS)
def test_hadamard_is_scipys_exactly(n):
    A = constructors.hadamard(n)
    assert isinstance(A, sm.Butterfly)
    assert (A.toarray() == scipy.linalg.hadamard(n)).all()
    close(constructors.hadamard(n, "ortho"), scipy.linalg.hadamard(n) / np.sqrt(n))
    close(constructors.hadamard(n, "forward"), scipy.linalg.hadamard(n) / n)


@pytest.mark.parametrize("n", [12, 20, 24, 28, 80])
def test_hadamard_of_paleys_orders(n):
    H = constructors.hadamard(n).toarray()
    assert (H == sm.Hadamard(n).toarray()).all()
    assert (H @ H.T == n * np.eye(n)).all()


def test_haar_from_its_recursion():
    """W_n = [W_(n/2) averages; differences]."""

    def recursive(n, levels):
        if not levels:
            return np.eye(n)
        averages, differences = np.zeros((2, n // 2, n))
        for i in range(n // 2):
            averages[i, 2 * i : 2 * i + 2] = np.sqrt(0.5), np.sqrt(0.5)
            differences[i, 2 * i : 2 * i + 2] = np.sqrt(0.5), -np.sqrt(0.5)
        return np.vstack([recursive(n // 2, levels - 1) @ averages, differences])

    for n, levels in ((2, 1), (8, 3), (12, 2), (12, 1), (64, 6), (5, 0), (1024, 10)):
        close(constructors.haar(n, levels), recursive(n, levels))
    close(constructors.haar(1), np.eye(1))
    close(constructors.haar(24), recursive(24, 3))


# ---------------------------------------------------------------- circulants


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 15, 47, 64, 101, 196, 509, 1024])
def test_circulants_are_scipys(n, rng):
    c = rng.standard_normal(n)
    A = close(convolutions.circulant(c), scipy.linalg.circulant(c))
    assert A.dtype == np.float64
    z = c + 1j * rng.standard_normal(n)
    close(convolutions.circulant(z), scipy.linalg.circulant(z))


def test_a_large_prime_is_embedded_and_a_smooth_order_is_not(monkeypatch, rng):
    assert convolutions.circulant(rng.standard_normal(96)).full_shape == (96, 96)
    # Even where no dense block of that order fits.
    monkeypatch.setattr(_checks, "physical_memory", lambda: 2**21)
    with pytest.raises(MemoryError):
        constructors.dft(509)
    A = convolutions.circulant(rng.standard_normal(509))
    assert (A.shape, A.full_shape) == ((509, 509), (1024, 1024))


def test_padded_orders_are_the_least_of_their_kind():
    kind = sorted([2**k for k in range(12)] + [3 * 2**k for k in range(10)])
    for n in range(1, 1025):
        order = convolutions._padded_order(n)
        assert order == min(m for m in kind if m >= n)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (4, 4), (7, 10), (33, 32), (200, 57)])
def test_toeplitz_is_scipys(shape, rng):
    c, r = rng.standard_normal(shape[0]), rng.standard_normal(shape[1])
    A = close(convolutions.toeplitz(c, r), scipy.linalg.toeplitz(c, r))
    assert A.dtype == np.float64
    z = c + 1j * rng.standard_normal(shape[0])
    close(convolutions.toeplitz(z), scipy.linalg.toeplitz(z))
    close(convolutions.toeplitz(z, r), scipy.linalg.toeplitz(z, r))


@pytest.mark.parametrize("shape", [(6,), (4, 6), (5, 3), (2, 3, 4), (1, 1), (1, 8)])
@pytest.mark.parametrize("kind", [float, complex])
def test_circular_convolution_by_loops(shape, kind, rng):
    kernel = rng.standard_normal(shape).astype(kind)
    if kind is complex:
        kernel += 1j * rng.standard_normal(shape)
    n = kernel.size
    dense = np.zeros((n, n), kind)
    places = list(itertools.product(*map(range, shape)))
    for row, i in enumerate(places):
        for column, j in enumerate(places):
            dense[row, column] = kernel[tuple((a - b) % m for a, b, m in zip(i, j, shape))]
    assert close(convolutions.convolution(kernel), dense).dtype == kind


def test_a_kernel_is_continued_by_zeros(rng):
    kernel, image = rng.standard_normal((3, 2)), rng.standard_normal((8, 12))
    A = convolutions.convolution(kernel, image.shape)
    y = (A @ image.reshape(-1)).reshape(image.shape)
    exact = np.fft.ifft2(np.fft.fft2(kernel, image.shape) * np.fft.fft2(image)).real
    assert np.abs(y - exact).max() < 1e-13


def test_the_scale_of_a_kernel_does_not_matter(rng):
    c = rng.standard_normal(12)
    for scale in (1e-150, 1e150):
        close(convolutions.circulant(scale * c), scale * scipy.linalg.circulant(c))
    single = (1e15 * c).astype(np.float32)
    close(convolutions.circulant(single), scipy.linalg.circulant(single), 1e-5)


def test_overflow_is_an_error():
    with pytest.raises(OverflowError, match="Fourier"):
        convolutions.circulant(np.full(16, 1.7e308))
    with pytest.raises(OverflowError, match="circular convolution"):
        convolutions.circulant(np.full(16, 3e38, np.float32))


# ---------------------------------------------------------------- random features


def test_hd_is_its_definition(rng):
    H, D = scipy.linalg.hadamard(16) / 4, rng.standard_normal((3, 16))
    dense = H @ np.diag(D[0]) @ H @ np.diag(D[1]) @ H @ np.diag(D[2])
    close(random_features.hd(D), dense)
    close(random_features.hd(D, k=3, norm=None), dense * 64)
    close(random_features.hd(D[0], 2), H @ np.diag(D[0]) @ H @ np.diag(D[0]))
    close(random_features.hd(D[1]), H @ np.diag(D[1]))
    close(random_features.hd(D[:1, :1]), D[:1, :1])
    assert random_features.hd(D[1] + 1j).dtype == np.complex128


def test_fastfood_is_its_definition(rng):
    n, sigma = 32, 0.7
    s, g, b = rng.standard_normal((3, n))
    p = rng.permutation(n)
    H, P = scipy.linalg.hadamard(n), np.eye(n)[p]
    dense = np.diag(s) @ H @ np.diag(g) @ P @ H @ np.diag(b) / (sigma * np.sqrt(n))
    close(random_features.fastfood(s, g, p, b, sigma), dense)
    close(random_features.fastfood(s[:1], g[:1], [0], b[:1]), np.array([[s[0] * g[0] * b[0]]]))


def test_fastfood_estimates_the_gaussian_kernel():
    """Le, Sarlos and Smola: E cos(z^T V (x - y)) = exp(-|x - y|^2 / (2 sigma^2))."""
    rng = np.random.default_rng(0)
    n, sigma, difference = 256, 2.0, rng.standard_normal(256)
    difference *= 1.5 / np.linalg.norm(difference)
    angles = []
    for _ in range(40):
        g, b = rng.standard_normal(n), rng.choice([-1.0, 1.0], n)
        s = np.sqrt(rng.chisquare(n, n)) / np.linalg.norm(g)
        V = random_features.fastfood(s, g, rng.permutation(n), b, sigma)
        angles.append(V @ difference)
    estimate = np.cos(np.concatenate(angles)).mean()
    assert abs(estimate - np.exp(-(1.5**2) / (2 * sigma**2))) < 0.02


@pytest.mark.parametrize("n", [1, 2, 3, 8, 15, 64])
def test_acdc_is_its_definition(n, rng):
    a, d = rng.standard_normal((2, 2, n))
    j = np.arange(n)
    C = np.sqrt(2 / n) * np.cos(np.pi * (2 * j[:, None] + 1) * j / (2 * n))
    C[:, 0] *= np.sqrt(0.5)
    layers = [np.diag(a[i]) @ C @ np.diag(d[i]) @ np.linalg.inv(C) for i in (0, 1)]
    close(random_features.acdc(a[0], d[0]), layers[0])
    close(random_features.acdc(a, d), layers[0] @ layers[1])
    close(random_features.acdc(a[0], d[0] + 1j), layers[0] + 1j * np.diag(a[0]))


# ---------------------------------------------------------------- Kronecker products


def chains(rng):
    """Square, wide, tall, cropped and permuted ones."""
    return [
        constructors.dft(6),
        sm.Chain([rng.standard_normal((1, 2, 3, 2)), rng.standard_normal((2, 2, 1, 3))]),
        sm.Chain([rng.standard_normal((1, 1, 2, 5))]),
        convolutions.toeplitz(rng.standard_normal(3), rng.standard_normal(5)),
        constructors.hadamard(4),
        sm.Chain([sm.Permutation([2, 0, 1])]),
    ]


def test_kronecker_products_of_chains(rng):
    for A, B in itertools.product(chains(rng), repeat=2):
        close(constructors.kron_chains(A, B), np.kron(A.toarray(), B.toarray()))
    for A, B, C in itertools.permutations(chains(rng)[1:5], 3):
        dense = np.kron(np.kron(A.toarray(), B.toarray()), C.toarray())
        close(constructors.kron_chains(A, B, C), dense)
    assert isinstance(constructors.kron_chains(chains(rng)[4], chains(rng)[4]), sm.Butterfly)


def test_kronecker_products_hold_the_fewest_numbers(rng):
    """Over all orders of three dense factors, by counting."""
    shapes = [(2, 7), (5, 1), (3, 4)]
    arrays = [rng.standard_normal(shape) for shape in shapes]
    A = sm.Kronecker(*arrays).to(sm.Chain)

    def numbers(order):
        sizes, total = [n for _, n in shapes], 0
        for i in order:
            rest = np.prod(sizes) // sizes[i]
            total += int(rest) * shapes[i][0] * shapes[i][1]
            sizes[i] = shapes[i][0]
        return total

    held = sum(p.nnz for p in A.patterns)
    assert held == min(map(numbers, itertools.permutations(range(3))))


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=2),
    st.lists(st.integers(1, 4), min_size=1, max_size=2),
)
def test_dft_of_a_product_of_drawn_radices(left, right):
    """Any factorisation, in any order, and Kronecker products of two."""
    chosen = [[r for r in drawn if r > 1] or [1] for drawn in (left, right)]
    dense, made = [], []
    for radices in chosen:
        n = int(np.prod(radices))
        made.append(constructors.dft(n, radices=radices))
        dense.append(np.fft.fft(np.eye(n), axis=0))
        assert np.abs(made[-1].toarray() - dense[-1]).max() < 1e-13
    A = constructors.kron_chains(*made)
    assert np.abs(A.toarray() - np.kron(*dense)).max() < 1e-13


# ---------------------------------------------------------------- dtypes, doors, refusals


def test_single_precision():
    for A, dense in (
        (constructors.dft(360, dtype=np.complex64), np.fft.fft(np.eye(360))),
        (trigonometric.dct(100, dtype=np.float32), scipy.fft.dct(np.eye(100), axis=0)),
        (trigonometric.dst(100, 4, dtype=np.float32), scipy.fft.dst(np.eye(100), 4, axis=0)),
        (constructors.hadamard(64, "ortho", np.float32), scipy.linalg.hadamard(64) / 8),
        (constructors.haar(64, dtype=np.float32), sm.Haar(64).toarray()),
    ):
        assert A.dtype in (np.float32, np.complex64)
        close(A, dense, 2e-6)
    c = np.arange(1, 13, dtype=np.float32)
    for A, dense in (
        (convolutions.circulant(c), scipy.linalg.circulant(c)),
        (convolutions.toeplitz(c), scipy.linalg.toeplitz(c)),
        (random_features.hd(c[:8]), scipy.linalg.hadamard(8) / np.sqrt(8) * c[:8]),
        (random_features.acdc(c, c), random_features.acdc(*2 * [c.astype(float)]).toarray()),
    ):
        assert A.dtype == np.float32
        close(A, dense, 2e-6)


def test_integers_are_doubles():
    assert convolutions.circulant([1, 2, 3]).dtype == np.float64
    assert (np.round(convolutions.toeplitz([1, 2]).toarray(), 12) == [[1, 2], [2, 1]]).all()


DOORS = (
    "acdc circulant convolution dct dft dft2 dst fastfood haar hadamard hartley hd toeplitz".split()
)


@pytest.mark.parametrize("name", DOORS)
def test_every_constructor_is_a_static_method_of_chain(name):
    method = sm.Chain.__dict__[name]
    assert isinstance(method, staticmethod)
    assert getattr(sm.Chain, name).__doc__.count("Examples") == 1


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: constructors.dft(0), ValueError, "at least 1"),
        (lambda: constructors.dft(-3), ValueError, "non-negative"),
        (lambda: constructors.dft(2.0), TypeError, "integer"),
        (lambda: constructors.dft(4, dtype=np.float64), TypeError, "complex"),
        (lambda: constructors.dft(4, "orto"), ValueError, "norm"),
        (lambda: constructors.dft(4, "orto", inverse=True), ValueError, "norm"),
        (lambda: constructors.dft(4, inverse="no"), TypeError, "inverse"),
        (lambda: constructors.dft(12, radices=(3, 5)), ValueError, r"12.*\(3, 5\)"),
        (lambda: constructors.dft(12, radices=(12, 1)), ValueError, "at least 2"),
        (lambda: constructors.dft(12, radices=()), ValueError, "radices"),
        (lambda: constructors.dft(2**61 - 1), MemoryError, "2305843009213693951"),
        (lambda: trigonometric.dct(1, 1), ValueError, ">= 2"),
        (lambda: trigonometric.dct(4, 5), ValueError, "type"),
        (lambda: trigonometric.dct(4, orthogonalize="yes"), TypeError, "orthogonalize"),
        (lambda: trigonometric.dst(4, norm=2), ValueError, "norm"),
        (lambda: trigonometric.hartley(0), ValueError, "at least 1"),
        (lambda: constructors.hadamard(6), ValueError, "nearest orders are 4 and 8"),
        (lambda: constructors.haar(12, 3), ValueError, "multiple of 2"),
        (lambda: constructors.haar(5), ValueError, "odd order"),
        (lambda: convolutions.circulant([]), ValueError, "at least one entry"),
        (lambda: convolutions.circulant(np.ones((2, 2))), ValueError, "dimension"),
        (lambda: convolutions.circulant([1.0, np.nan]), ValueError, "NaN"),
        (lambda: convolutions.toeplitz([1.0], [1.0, np.inf]), ValueError, "infs"),
        (lambda: convolutions.convolution(1.0), ValueError, "axis"),
        (lambda: convolutions.convolution(np.ones((2, 0))), ValueError, "one entry"),
        (lambda: convolutions.convolution(np.ones((3, 3)), (2, 9)), ValueError, "fit"),
        (lambda: convolutions.convolution(np.ones(3), (3, 3)), ValueError, "fit"),
        (lambda: random_features.hd(np.ones((2, 6))), ValueError, "Hadamard"),
        (lambda: random_features.hd(np.ones((2, 8)), 3), ValueError, "2 rows"),
        (lambda: random_features.hd(np.ones(8), 0), ValueError, "k"),
        (lambda: random_features.hd(np.ones((1, 2, 8))), ValueError, "shape"),
        (
            lambda: random_features.fastfood(np.ones(4), np.ones(4), [0, 1], np.ones(4)),
            ValueError,
            "one length",
        ),
        (
            lambda: random_features.fastfood(*np.ones((2, 2)), [0, 0], np.ones(2)),
            ValueError,
            "repeated",
        ),
        (
            lambda: random_features.fastfood(*np.ones((2, 2)), [0, 1], np.ones(2), 0.0),
            ValueError,
            "sigma",
        ),
        (lambda: random_features.acdc(np.ones(3), np.ones(4)), ValueError, "one shape"),
        (lambda: constructors.kron_chains(), ValueError, "none"),
        (lambda: constructors.kron_chains(sm.Identity(2)), TypeError, "Identity"),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_arguments_are_left_alone(rng):
    c = rng.standard_normal(8)
    kept = c.copy()
    c.flags.writeable = False
    convolutions.circulant(c)
    convolutions.toeplitz(c[::2], c[::-1])
    random_features.hd(c, 2)
    random_features.acdc(c, c)
    assert (c == kept).all()


def test_on_the_device_of_the_argument(monkeypatch, rng):
    cupy = fake_cupy.install(monkeypatch)
    c, g, b = rng.standard_normal((3, 8))
    p = rng.permutation(8)
    d = cupy.asarray
    for of_device, of_host in (
        (convolutions.circulant(d(c)), convolutions.circulant(c)),
        (convolutions.toeplitz(d(c), d(g)), convolutions.toeplitz(c, g)),
        (convolutions.convolution(d(c.reshape(2, 4))), convolutions.convolution(c.reshape(2, 4))),
        (random_features.hd(d(c), 2), random_features.hd(c, 2)),
        (random_features.fastfood(d(c), d(g), p, d(b)), random_features.fastfood(c, g, p, b)),
        (random_features.acdc(d(c), d(g)), random_features.acdc(c, g)),
    ):
        assert all(
            type(F.values) is cupy.ndarray for F in of_device.factors if hasattr(F, "values")
        )
        assert np.abs(of_device.toarray().get() - of_host.toarray()).max() < 1e-13
    T = convolutions.toeplitz(d(c), d(g))
    squared = constructors.kron_chains(T, T).toarray().get()
    assert np.allclose(squared, np.kron(*2 * [scipy.linalg.toeplitz(c, g)]))


# ---------------------------------------------------------------- conversions


def convertible(rng):
    z = rng.standard_normal((5, 2)) + 1j * rng.standard_normal((5, 2))
    return [
        sm.Kronecker(*(rng.standard_normal(s) for s in ((3, 2), (2, 4), (2, 2)))),
        sm.Kronecker(rng.standard_normal((2, 2)), sm.DFT(6), sm.Permutation([1, 0])),
        sm.Kronecker(rng.standard_normal((2, 3)), convolutions.toeplitz([1.0, 2.0, 3.0])),
        sm.DFT(12),
        sm.DFT(7, "ortho", np.complex64),
        *(sm.DCT(6, type, norm) for type in (1, 2, 3, 4) for norm in NORMS),
        *(sm.DST(6, type, norm) for type in (1, 2, 3, 4) for norm in NORMS),
        sm.DCT(5, 2, None, np.float32, orthogonalize=True),
        *(sm.Hadamard(8, order) for order in ("natural", "sequency", "dyadic")),
        sm.Hadamard(16, "sequency", "ortho", np.float32),
        sm.Hadamard(24, norm="forward"),
        sm.Haar(12),
        sm.Haar(8, 1),
        sm.Circulant(rng.standard_normal(13)),
        sm.Toeplitz(rng.standard_normal(4), z[:, 0]),
        sm.Hankel(rng.standard_normal(4), rng.standard_normal(7)),
        sm.Hankel(rng.standard_normal(1), rng.standard_normal(1)),
        sm.Diagonal(z[:, 0]),
        sm.Identity(4, np.float32),
        sm.Permutation([2, 0, 1]),
        sm.BlockDiagonal(rng.standard_normal((3, 2, 4))),
        sm.LowRank(z, z[:3]),
        sm.LowRank(np.zeros((4, 0)), np.zeros((3, 0))),
        sm.Dense(rng.standard_normal((3, 2))),
        sm.KroneckerSparse(rng.standard_normal((2, 3, 4, 1))),
        sm.Monarch(rng.standard_normal((2, 3, 4, 5)), rng.standard_normal((4, 2, 5, 3))),
        constructors.hadamard(8),
    ]


def test_conversions_to_chain(rng):
    for A in convertible(rng):
        C = A.to(sm.Chain)
        rtol = 1e-13 if np.finfo(A.dtype).eps < 1e-10 else 2e-6
        assert C.dtype == A.dtype, A
        close(C, A.toarray(), rtol)


def test_conversions_to_sparse_hold_no_more_than_the_factors(rng):
    K = sm.KroneckerSparse(rng.standard_normal((2, 3, 4, 5)))
    S = K.to(sm.Sparse)
    assert S.tosparse().nnz == K.values.size
    assert (S.toarray() == K.toarray()).all()
    assert sm.KroneckerSparse(np.ones((0, 1, 2, 3))).to(sm.Sparse).shape == (0, 0)
    for A in convertible(rng):
        C = A.to(sm.Chain)
        assert np.allclose(C.to(sm.Sparse).toarray(), C.toarray(), atol=1e-5)
    # Of order 2^40 entries if dense.
    big = sm.Chain([np.ones((2**19, 1, 2, 2)), sm.Permutation(np.arange(2**20)[::-1].copy())])
    assert big.to(sm.Sparse).tosparse().nnz == 2**21


def test_conversions_to_one_factor(rng):
    for A in (
        sm.Diagonal(rng.standard_normal(3)),
        sm.Identity(3),
        sm.Dense(rng.standard_normal((2, 3))),
        sm.BlockDiagonal(rng.standard_normal((3, 2, 4))),
    ):
        K = A.to(sm.KroneckerSparse)
        assert type(K) is sm.KroneckerSparse
        assert (K.toarray() == A.toarray()).all()
    assert sm.BlockDiagonal(np.ones((3, 2, 4))).to(sm.KroneckerSparse).pattern == (3, 2, 4, 1)


def test_monarch_butterfly_and_chain_are_one_another(rng):
    M = sm.Monarch(rng.standard_normal((2, 3, 4, 5)), rng.standard_normal((4, 2, 5, 3)), (5, 11))
    for way in ([sm.Chain], [sm.Butterfly], [sm.Butterfly, sm.Chain]):
        A = M
        for cls in way:
            A = A.to(cls)
            assert type(A) is cls
        assert (A.toarray() == M.toarray()).all()
        assert A.to(sm.Monarch) == M
    K = sm.Kronecker(rng.standard_normal((3, 2)), rng.standard_normal((4, 5)))
    assert np.allclose(K.to(sm.Monarch).toarray(), K.toarray(), atol=1e-15)
    assert K.to(sm.Monarch).block_rank == 1
    L = sm.LowRank(rng.standard_normal((3, 2)), rng.standard_normal((4, 2)))
    assert np.allclose(L.to(sm.Monarch).toarray(), L.toarray(), atol=1e-15)
    assert L.to(sm.Monarch).block_rank == 2


def test_conversions_that_do_not_exist(rng):
    with pytest.raises(TypeError, match="use Chain"):
        sm.DFT(8).to(sm.Butterfly)
    with pytest.raises(TypeError, match=r"\(1, 2, 2, 4\).*structmat.project"):
        sm.Hadamard(8).to(sm.Monarch)
    with pytest.raises(TypeError, match="two arrays"):
        sm.Kronecker(*[np.eye(2)] * 3).to(sm.Monarch)
    with pytest.raises(TypeError, match="blocks"):
        sm.BlockDiagonal([np.eye(2), np.eye(3)]).to(sm.Chain)
    with pytest.raises(TypeError, match="no exact conversion"):
        sm.Tridiagonal([1.0], [1.0, 2.0], [3.0]).to(sm.Chain)
    with pytest.raises(TypeError, match="no exact conversion"):
        sm.Kronecker(np.eye(2), sm.Tridiagonal([1.0], [1.0, 2.0], [3.0])).to(sm.Chain)
    with pytest.raises(TypeError, match="chainable"):
        convolutions.circulant(rng.standard_normal(8)).to(sm.Butterfly)


# ---------------------------------------------------------------- prime orders, arguments


@pytest.mark.parametrize("shape", [(1,), (2,), (7,), (13,), (28,), (3, 5), (4, 6), (2, 3, 5)])
@pytest.mark.parametrize("kind", [float, complex])
def test_convolutions_by_definition(shape, kind, rng):
    """The middle factor is gathered from the inverse transform of its digit."""
    kernel = rng.standard_normal(shape).astype(kind)
    if kind is complex:
        kernel *= 1 + 2j
    D = np.zeros((math.prod(shape),) * 2, kind)
    for i, to in enumerate(np.ndindex(shape)):
        for j, of in enumerate(np.ndindex(shape)):
            D[i, j] = kernel[tuple((a - b) % n for a, b, n in zip(to, of, shape))]
    close(sm.Chain.convolution(kernel), D)


def test_a_prime_convolution_is_one_dense_block_of_its_kernel(rng):
    kernel = rng.standard_normal(1009)
    tracemalloc.start()
    A = sm.Chain.convolution(kernel)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(A.factors) == 1
    assert A.dtype == np.float64
    assert peak < 3 * A.nbytes
    assert np.abs(A.toarray() - scipy.linalg.circulant(kernel)).max() < 1e-13


def test_a_dense_block_that_does_not_fit_is_refused_before_any_work():
    tracemalloc.start()
    for make in (lambda: sm.Chain.convolution(np.ones(200003)), lambda: sm.Chain.dft(200003)):
        with pytest.raises(MemoryError, match="200003"):
            make()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**24


def test_fastfood_keeps_single_precision(rng):
    s, g, b = rng.standard_normal((3, 8)).astype(np.float32)
    p = rng.permutation(8)
    A = sm.Chain.fastfood(s, g, p, b, sigma=2.0)
    assert A.dtype == np.float32
    assert sm.Chain.fastfood(s, g, sm.Permutation(p), b, sigma=2.0) == A
    with pytest.raises(OverflowError, match="sigma"):
        sm.Chain.fastfood(s.astype(float), g, p, b, sigma=1e-320)


def test_conversions_of_lazy_matrices():
    F, H = sm.DFT(12), sm.Toeplitz([1.0, 2.0, 3.0])
    matrices = [
        2 * F, F.H, F.inv(), F @ F.inv(), sm.Hadamard(8) @ sm.DFT(8), sm.DCT(8).T, 1j * sm.DCT(5),
        -sm.DFT(4), 3 * H, H @ H, 3 * sm.Permutation([1, 2, 0]),
        sm.Permutation([1, 0]) @ sm.Hadamard(2),
        sm.Toeplitz([]), sm.Circulant([]), sm.Hankel([]), sm.Toeplitz([], np.zeros(3)),
        sm.Toeplitz(np.zeros(2, complex), []),
    ]  # fmt: skip
    for A in matrices:
        C = A.to(sm.Chain)
        assert isinstance(C, sm.Chain)
        assert (C.shape, C.dtype) == (A.shape, A.dtype)
        assert np.abs(C.toarray() - A.toarray()).max(initial=0) < 1e-13
    K = sm.Kronecker(np.zeros((0, 0), complex), np.eye(2))
    assert K.to(sm.Sparse).dtype == np.complex128


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: sm.Circulant(np.arange(8.0)).to(sm.Butterfly), TypeError, "Circulant.*Butterfly"),
        (lambda: sm.DFT(16).to(sm.Monarch), TypeError, "DFT .* Monarch.*structmat.project"),
        (lambda: sm.random(sm.Monarch, 16, rng=0).T.to(sm.Monarch), TypeError, "to Monarch: "),
        (lambda: sm.DFT(12).to(sm.Chain, foo=1), TypeError, "no options; got 'foo'"),
        (lambda: sm.DFT(12).to("Chain"), TypeError, "give the class"),
        (lambda: sm.Chain.dft(12, radices=12), TypeError, "`radices`"),
        (lambda: sm.Chain.dft(12, radices=()), ValueError, "`radices`"),
        (lambda: sm.Chain.convolution([1, 2, 3], shape=4), TypeError, "`shape`"),
        (lambda: sm.Chain.fastfood([1.0], [1.0], None, [1.0]), TypeError, "`p`"),
        (lambda: sm.Chain.fastfood([1.0], [1.0], [0], [1.0], 1j), TypeError, "`sigma`"),
    ],
)
def test_arguments_are_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_an_order_of_one_may_have_no_radices():
    assert sm.Chain.dft(1, radices=()).toarray() == 1
