"""What only the transforms promise: their orders, exactness, closed forms, closure and refusals."""

import itertools
import math
import sys

import numpy as np
import pytest
import scipy.fft
import scipy.linalg
from cases.fourier import hadamard, sign_changes
from hypothesis import given
from hypothesis import strategies as st
from support import eps, norm1, ratio_orthogonal

import structmat as sm
from structmat.matrices.fourier import AdjointTransform, paley

M2K = [12, 20, 28, 24, 40, 56, 12 * 64, 20 * 32, 28 * 16]
NORMS = [None, "ortho", "forward"]
TRIGONOMETRIC = [
    (family, type) for family in (sm.DCT, sm.DST) for type in (1, 2, 3, 4)
]  # fmt: skip
trigonometric = pytest.mark.parametrize(("family", "type"), TRIGONOMETRIC)


def scipys(A):
    """The matrix of scipy.fft for a DCT, DST or DFT, in double precision."""
    eye = np.eye(A.n)
    if isinstance(A, sm.DFT):
        return scipy.fft.fft(eye, axis=0, norm=A.normalization)
    function = scipy.fft.dct if isinstance(A, sm.DCT) else scipy.fft.dst
    return function(eye, A.type, axis=0, norm=A.normalization, orthogonalize=A.orthogonalize)


# ---------------------------------------------------------------- Hadamard


@pytest.mark.parametrize("k", range(11))
def test_hadamard_equals_scipys_exactly(k):
    n = 2**k
    expected = scipy.linalg.hadamard(n)
    H = sm.Hadamard(n)
    assert np.array_equal(H.toarray(), expected)
    x = np.random.default_rng(k).integers(-1000, 1001, (n, 2))
    assert np.array_equal(H @ x, expected @ x)
    assert np.array_equal(H @ x[:, 0], expected @ x[:, 0])
    i, j = np.random.default_rng(k).integers(0, n, (2, 50))
    assert np.array_equal(H[i, j], expected[i, j])


@pytest.mark.parametrize("n", [1, 2, 4, 64, 256])
def test_row_i_in_sequency_order_has_i_sign_changes(n):
    rows = sm.Hadamard(n, "sequency").toarray().tolist()
    assert [sign_changes(row) for row in rows] == list(range(n))
    assert sorted(rows) == sorted(scipy.linalg.hadamard(n).astype(float).tolist())


@pytest.mark.parametrize("order", ["natural", "sequency", "dyadic"])
@pytest.mark.parametrize("n", [1, 2, 4, 8, 32, 1024])
def test_the_three_orders_are_symmetric(n, order):
    H = sm.Hadamard(n, order)
    assert H.T is H
    assert np.array_equal(H.toarray(), H.toarray().T)
    assert np.array_equal(H.toarray(), hadamard(n, order))


@pytest.mark.parametrize("n", M2K)
def test_tables_times_powers_of_two_are_hadamard_matrices(n):
    dense = sm.Hadamard(n).toarray()
    assert set(np.unique(dense)) == {-1.0, 1.0}
    assert np.array_equal(dense @ dense.T, n * np.eye(n))
    assert np.array_equal(dense, hadamard(n))


@pytest.mark.parametrize("n", M2K)
@pytest.mark.parametrize("norm", NORMS)
def test_the_adjoint_is_the_transpose_and_not_the_matrix_itself(n, norm, rng):
    H = sm.Hadamard(n, norm=norm)
    symmetric = n % 28 == 0
    assert (H.H == H) is symmetric
    x, y = rng.standard_normal((2, n, 3))
    left, right = np.vdot(y, H @ x), np.vdot(H.H @ y, x)
    size = np.linalg.norm(H, 2) * np.linalg.norm(x) * np.linalg.norm(y)
    assert abs(left - right) <= 10 * math.log2(n) * eps(x) * size
    if not symmetric:  # what the forward kernel gives in place of the adjoint is far away
        assert abs(np.vdot(y, H @ x) - np.vdot(H @ y, x)) > 1e-3 * size / n
    assert np.abs(H.inv() @ (H @ x) - x).max() <= 10 * math.log2(n) * eps(x) * np.abs(x).max()
    assert np.array_equal(H.T.toarray(), H.toarray().T)


@pytest.mark.parametrize("n", M2K)
@pytest.mark.parametrize("columns", [None, 1, 4])
def test_products_with_tables_are_exact_in_integers(n, columns, rng):
    x = rng.integers(-100, 101, n if columns is None else (n, columns))
    H, dense = sm.Hadamard(n), hadamard(n)
    assert np.array_equal(H @ x, dense @ x)
    assert np.array_equal(H.T @ x, dense.T @ x)


def test_orders_that_do_not_exist_are_refused_with_the_nearest():
    for n, nearest in [(3, "2 and 4"), (6, "4 and 8"), (36, "32 and 40"), (52, "48 and 56")]:
        with pytest.raises(ValueError, match=f"order {n} here; the nearest orders are {nearest}"):
            sm.Hadamard(n)
    known = {m << k for m in paley.ORDERS for k in range(14)}
    for n in range(2, 3000):
        if n not in known:
            below, above = max(p for p in known if p < n), min(p for p in known if p > n)
            assert paley.neighbours(n) == (below, above)
    with pytest.raises(ValueError, match="nearest orders are 1099511627776 and 1374389534720"):
        sm.Hadamard(2**40 + 1)  # at once, not by search


def test_orders_of_rows_are_for_powers_of_two():
    with pytest.raises(ValueError, match='order="natural"'):
        sm.Hadamard(12, "sequency")
    with pytest.raises(ValueError, match="'dyadic', 'natural', 'sequency'"):
        sm.Hadamard(8, "walsh")


def test_entries_of_a_matrix_that_no_memory_holds():
    k = 70
    H = sm.Hadamard(2**k)
    i, j = (1 << 69) + 5, (1 << 69) + 4
    assert H[i, j] == (-1) ** (i & j).bit_count()
    assert sm.Hadamard(2**k, "sequency")[1, 1 << 69] == -1
    assert sm.Hadamard(2**k, "sequency")[1, 1] == 1
    values = sm.Hadamard(12 * 2**40)[[5 << 40, 1], [7 << 40, 1]]
    assert np.array_equal(values, [hadamard(12)[5, 7], -1])
    W = sm.Haar(2**k)
    assert W[0, 5] == 2.0**-35
    assert W[1 << 69, 0] == -W[1 << 69, 1] == math.sqrt(0.5)
    assert abs(sm.DFT(2**k)[1 << 68, 1] - -1j) == 0
    assert sm.DST(2**k, 1, "ortho")[0, 0] == pytest.approx(math.pi * 2.0**-104.5, rel=1e-12)
    assert sm.DCT(2**k, 2)[2**k - 1, 2**k - 1] == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize(("a", "b"), [(1, 8), (8, 16), (12, 4), (28, 2)])
def test_kronecker_products_of_hadamard_matrices_are_hadamard(a, b):
    for norm in NORMS:
        K = np.kron(sm.Hadamard(a, norm=norm), sm.Hadamard(b, norm=norm))
        assert K == sm.Hadamard(a * b, norm=norm)
        expected = np.kron(sm.Hadamard(a, norm=norm).toarray(), sm.Hadamard(b, norm=norm).toarray())
        assert np.abs(K.toarray() - expected).max() <= 4 * eps(expected)


def test_other_kronecker_products_stay_kronecker_products():
    for A, B in [
        (sm.Hadamard(4), sm.Hadamard(12)),
        (sm.Hadamard(4), sm.Hadamard(4, norm="ortho")),
        (sm.Hadamard(4, "sequency"), sm.Hadamard(4)),
    ]:
        K = np.kron(A, B)
        assert isinstance(K, sm.Kronecker)
        assert np.allclose(K.toarray(), np.kron(A.toarray(), B.toarray()))


@pytest.mark.parametrize("n", [2, 16, 64, 12, 20, 24, 40, 80, 28, 56, 112])
def test_hadamard_eigenvectors_are_a_unitary_kronecker_product(n):
    H = sm.Hadamard(n)
    w, V = H.eig()
    dense = H.toarray()
    assert isinstance(V, sm.StructuredMatrix)
    assert ratio_orthogonal(V, dense) < 10
    V = V.toarray()
    assert norm1(dense @ V - V * w) < 10 * n * eps(dense) * norm1(dense)
    assert np.allclose(abs(w), math.sqrt(n), rtol=4e-16, atol=0)


def test_eigenvectors_of_a_large_hadamard_matrix_are_never_formed():
    n = 2**15
    w, V = np.linalg.eigh(sm.Hadamard(n))
    assert (w[: n // 2] == -w[n // 2 :]).all()
    x = np.random.default_rng(0).standard_normal(n)
    y = sm.Hadamard(n) @ x
    assert np.linalg.norm(V @ (w * (V.H @ x)) - y) <= 100 * eps(x) * np.linalg.norm(y)


# ---------------------------------------------------------------- equality with SciPy


@trigonometric
def test_equals_scipy_for_every_length_norm_and_end(family, type):
    for n, norm, orthogonalize in itertools.product(range(1, 18), NORMS, (None, True, False)):
        if family is sm.DCT and type == 1 and n == 1:
            continue
        A = family(n, type, norm, orthogonalize=orthogonalize)
        expected = scipys(A)
        bound = 4 * n * eps(expected) * np.abs(expected).max()
        assert np.abs(A.toarray() - expected).max() <= bound, (n, norm, orthogonalize)
        assert np.abs(A.inv() @ expected - np.eye(n)).max() <= 50 * n * eps(expected)


@trigonometric
def test_closed_forms_of_every_length_norm_and_end(family, type):
    for n, norm, orthogonalize in itertools.product((2, 3, 4, 5, 9, 30), NORMS, (True, False)):
        A = family(n, type, norm, orthogonalize=orthogonalize)
        dense = scipys(A)
        sign, value = A.slogdet()
        expected = np.linalg.slogdet(dense)
        assert sign == expected[0], (n, norm, orthogonalize)
        assert abs(value - expected[1]) <= 30 * n * eps(dense) * (1 + abs(value))
        S = np.linalg.svd(dense, compute_uv=False)
        assert np.abs(A.svdvals() - S).max() <= 30 * n * eps(dense) * S[0]
        assert A.cond() == pytest.approx(S[0] / S[-1], rel=1e-12)
        if type in (1, 4):
            w = np.sort(np.linalg.eigvals(dense).real)
            assert np.abs(np.sort(A.eigvals()) - w).max() <= 100 * n * eps(dense) * S[0]


@trigonometric
@pytest.mark.parametrize("n", [509, 768])
@pytest.mark.parametrize("dtype", [np.float32, np.complex128])
def test_fast_paths_agree_with_the_definition(family, type, n, dtype, rng):
    X = rng.standard_normal((n, 3)).astype(dtype)
    for A in (family(n, type, dtype=dtype), family(n, type, dtype=dtype).H):
        dense = A.astype(np.result_type(dtype, np.float64)).toarray()
        bound = 20 * math.log2(n) * eps(X) * np.linalg.norm(A, 2) * np.linalg.norm(X)
        assert np.linalg.norm(A @ X - dense @ X) <= bound
        assert np.linalg.norm(A._fast(X[:, 0]) - dense @ X[:, 0]) <= bound
        assert np.linalg.norm(A @ X[:, 0] - dense @ X[:, 0]) <= bound


@trigonometric
def test_the_second_difference_is_diagonalised_by_its_sine_transform(family, type):
    """Strang's matrices: each type belongs to a boundary condition at either end."""
    if type in (2, 3):
        return
    n = 12
    T = 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)
    if family is sm.DCT and type == 4:
        T[0, 0], T[-1, -1] = 1, 3
    elif family is sm.DST and type == 4:
        T[0, 0], T[-1, -1] = 3, 1
    elif family is sm.DCT:
        T[0, 1] = T[1, 0] = T[-1, -2] = T[-2, -1] = -math.sqrt(2)
    Q = family(n, type, "ortho").toarray()
    D = Q @ T @ Q.T
    assert np.abs(D - np.diag(np.diagonal(D))).max() < 100 * eps(D)


# ---------------------------------------------------------------- DFT


@pytest.mark.parametrize("n", [1, 2, 3, 8, 15, 127, 360, 512, 600])
@pytest.mark.parametrize("norm", NORMS)
def test_dft_equals_the_fft(n, norm, rng):
    F = sm.DFT(n, norm)
    X = rng.standard_normal((n, 2)) + 1j * rng.standard_normal((n, 2))
    expected = scipy.fft.fft(X, axis=0, norm=norm)
    bound = 10 * math.log2(n + 1) * eps(X) * np.linalg.norm(expected)
    assert np.linalg.norm(F @ X - expected) <= bound
    assert np.linalg.norm(F @ X[:, 0] - expected[:, 0]) <= bound
    assert np.linalg.norm(F.solve(expected) - X) <= 10 * eps(X) * n**0.5 * np.linalg.norm(X)
    assert np.abs(F.toarray() - scipys(F)).max() <= 4 * math.log2(n + 1) * eps(X)


@pytest.mark.parametrize("n", range(1, 41))
def test_dft_determinant_and_spectrum(n):
    F = sm.DFT(n)
    dense = scipys(F)
    sign, value = F.slogdet()
    expected = np.linalg.slogdet(dense)
    assert sign in (1, 1j, -1, -1j)  # exactly
    assert abs(sign - expected[0]) < 1e-12
    assert value == pytest.approx(n / 2 * math.log(n), rel=1e-15, abs=1e-15)
    w, V = F.eig()
    V = V.toarray()
    assert V.dtype == np.float64
    assert ratio_orthogonal(V, dense) < 10
    assert norm1(dense @ V - V * w) < 10 * n * eps(V) * norm1(dense)
    counts = [int((abs(w - u * n**0.5) < 1e-8).sum()) for u in (1, -1, -1j, 1j)]
    # McClellan and Parks' table: multiplicities of 1, -1, -i, i.
    assert counts == [n // 4 + 1, (n + 2) // 4, (n + 1) // 4, (n - 1) // 4]


@pytest.mark.parametrize("n", [256, 499])
def test_dft_eigenvectors_stay_orthonormal(n):
    F = sm.DFT(n, "ortho")
    w, V = F.eig()
    V = V.toarray()
    assert ratio_orthogonal(V, V) < 1
    scale = norm1(F.toarray())
    assert norm1(F @ V - V * w) < n * eps(V) * scale
    w, U = F.H.eig()
    assert norm1(F.H @ U.toarray() - U.toarray() * w) < n * eps(V) * scale


def test_an_angle_is_reduced_before_it_is_rounded():
    """exp(-2 pi i j k / n) with j k far above 2^53."""
    n = 10**12 + 39
    F = sm.DFT(n)
    j, k = 10**11 + 3, 10**11 + 9
    angle = -2 * math.pi * (j * k % n) / n
    assert abs(F[j, k] - complex(math.cos(angle), math.sin(angle))) < 4e-16
    C = sm.DCT(n, 2)
    angle = math.pi * (j * (2 * k + 1) % (4 * n)) / (2 * n)
    assert abs(C[j, k] - 2 * math.cos(angle)) < 4e-16 * 4
    assert sm.DFT(8).toarray()[1, 2] == -1j
    assert sm.DCT(3)[1, 1] == 0


# ---------------------------------------------------------------- Haar


def haar_of(n):
    """With as many levels as n allows; none is to be said."""
    return sm.Haar(n, 0 if n % 2 else None)


@pytest.mark.parametrize("n", [2, 4, 12, 64, 1024])
def test_haar_of_two_levels_and_more(n, rng):
    for levels in range((n & -n).bit_length()):
        W = sm.Haar(n, levels)
        dense = W.toarray()
        assert ratio_orthogonal(dense, dense) < 10
        X = rng.standard_normal((n, 2))
        assert np.abs(W @ X - dense @ X).max() <= 20 * eps(X) * np.abs(X).max() * n**0.5
        assert np.abs(W.T @ (W @ X[:, 0]) - X[:, 0]).max() <= 20 * eps(X) * np.abs(X).max()
        for ord in (1, -1, np.inf, -np.inf):
            assert W.norm(ord) == pytest.approx(np.linalg.norm(dense, ord), rel=1e-13)
        assert W.slogdet().sign == np.sign(np.linalg.slogdet(dense)[0])


def test_haar_is_the_matrix_of_the_two_dimensional_transform(rng):
    X = rng.standard_normal((8, 16))
    W = sm.Kronecker(sm.Haar(8), sm.Haar(16))
    expected = sm.transforms.haar2(X)
    assert np.abs((W @ X.ravel()).reshape(8, 16) - expected).max() <= 20 * eps(X)


def test_haar_refuses_levels_that_do_not_fit():
    with pytest.raises(ValueError, match=r"multiple of 2\*\*3; got 12"):
        sm.Haar(12, 3)
    with pytest.raises(TypeError, match="levels"):
        sm.Haar(8, 1.5)
    assert sm.Haar(7, 0).levels == 0
    with pytest.raises(ValueError, match="levels=0"):  # as transforms.haar says it
        sm.Haar(7)


# ---------------------------------------------------------------- what a matrix is


def test_norm_is_the_verb_and_normalization_the_parameter():
    for A in (sm.Hadamard(4, norm="ortho"), sm.DFT(4, "forward"), sm.DCT(4), sm.DST(4)):
        assert A.norm(2) == pytest.approx(np.linalg.norm(A.toarray(), 2))
    assert sm.DFT(4, "backward") == sm.DFT(4)
    assert sm.DFT(4, "backward").normalization is None
    assert sm.DCT(4, norm="ortho") == sm.DCT(4, norm="ortho", orthogonalize=True)


@pytest.mark.parametrize(
    ("build", "error", "words"),
    [
        (lambda: sm.DFT(0), ValueError, "at least 1"),
        (lambda: sm.DFT(-3), ValueError, "non-negative"),
        (lambda: sm.DFT(2.0), TypeError, "integer"),
        (lambda: sm.DFT(True), TypeError, "bool"),
        (lambda: sm.DFT(4, "unitary"), ValueError, "'backward', 'forward', 'ortho'"),
        (lambda: sm.DFT(4, dtype=float), TypeError, "complex64 or complex128.*DCT"),
        (lambda: sm.DFT(4).astype(float), TypeError, "imaginary part"),
        (lambda: sm.DCT(1, 1), ValueError, "type 1 needs `n` >= 2; got 1"),
        (lambda: sm.DCT(4, 5), ValueError, "{1, 2, 3, 4}; got 5"),
        (lambda: sm.DST(4, "2"), TypeError, "`type` must be an integer"),
        (lambda: sm.DCT(4, orthogonalize="yes"), TypeError, "`orthogonalize` must be True or"),
        (lambda: sm.DCT(4, dtype=np.float16), TypeError, "float16"),
        (lambda: sm.Hadamard(0), ValueError, "at least 1"),
        (lambda: AdjointTransform(sm.Identity(3)), TypeError, "DFT, Hadamard, DCT, DST or Haar"),
        (lambda: AdjointTransform(sm.DFT(3).H), TypeError, "got AdjointTransform"),
        (lambda: sm.random(sm.Haar, (3, 4)), ValueError, "square"),
        (lambda: sm.random(sm.Hadamard, 6), ValueError, "nearest orders are 4 and 8"),
    ],
)
def test_refusals(build, error, words):
    with pytest.raises(error, match=words):
        build()


def test_random_members():
    for family in (sm.DCT, sm.DST, sm.Haar, sm.Hadamard):
        assert sm.random(family, 8, dtype=np.float32).dtype == np.float32
    assert sm.random(sm.DFT, 5).dtype == np.complex128


def test_conjugates_and_transposes():
    F, H = sm.DFT(5), sm.Hadamard(12, dtype=complex)
    assert F.T is F
    assert F.conj() == F.H
    assert F.H.T == F.H
    assert F.H.conj() == F
    assert F.H.H is F
    assert H.conj() is H
    assert H.T.conj() == H.T == H.H
    assert sm.DCT(5, norm="ortho").T == sm.DCT(5, 3, norm="ortho")


# ---------------------------------------------------------------- small orders


@given(data=st.data())
def test_one_column_and_many_give_the_same(data):
    family = data.draw(st.sampled_from([sm.DFT, sm.DCT, sm.DST, haar_of]))
    n = data.draw(st.integers(1, 700))
    A = family(n)
    if data.draw(st.booleans()):
        A = A.H
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    X = rng.standard_normal((n, 2)).astype(A.dtype)
    Y = A @ X
    for column in (A @ X[:, 0], (A @ X[:, :1])[:, 0]):
        bound = 20 * eps(X) * A.norm(2) * np.linalg.norm(X) * math.log2(n + 1)
        assert np.linalg.norm(column - Y[:, 0]) <= bound + 1e-300


@given(n=st.integers(1, 3000), seed=st.integers(0, 2**32))
def test_parseval_and_round_trip(n, seed):
    x = np.random.default_rng(seed).standard_normal(n)
    for A in (sm.DFT(n, "ortho"), sm.DCT(n, 4, "ortho"), sm.DST(n, 2, "ortho"), haar_of(n)):
        y = A @ x
        size = np.linalg.norm(x)
        assert abs(np.linalg.norm(y) - size) <= 20 * eps(x) * math.log2(n + 1) * size
        back = A.solve(y)
        assert np.linalg.norm(back - x) <= 20 * eps(x) * math.log2(n + 1) * size


def test_makers_by_name():
    from structmat import _rules

    assert _rules.make("dft", 6, None, np.complex64) == sm.DFT(6, dtype=np.complex64)
    assert _rules.make("hadamard_matrix", 8) == sm.Hadamard(8)
    assert _rules.make("dct", 4, 3) == sm.DCT(4, 3)
    assert _rules.make("dst", 4) == sm.DST(4)
    assert _rules.make("haar", 4) == sm.Haar(4)


def test_importing_loads_no_fft_and_no_kernels():
    import subprocess

    code = (
        "import sys, structmat as sm\n"
        "sm.DFT(8), sm.Hadamard(8), sm.DCT(8), sm.Haar(8)\n"
        "print([m for m in ('numba', 'scipy.fft', 'cupy') if m in sys.modules])\n"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
