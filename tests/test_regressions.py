"""One test for each bug that was found by trying to break the library; the name states the law."""

import io
import json
import zipfile

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator

import structmat as sm
from structmat.estimators import gp

TRIDIAGONAL = sm.Tridiagonal(np.arange(1.0, 5.0), np.arange(10.0, 15.0), np.arange(20.0, 24.0))
DENSE = TRIDIAGONAL.toarray()


# ---------------------------------------------------------------- the base class


@pytest.mark.parametrize("c", [np.float32(3), np.int8(3), np.uint8(3), np.complex64(3)])
def test_division_is_done_in_the_precision_of_the_result(c):
    quotient = sm.Diagonal([1.0, 7.0]) / c
    assert quotient.dtype == (np.array([1.0]) / c).dtype
    np.testing.assert_allclose(quotient.diagonal(), np.array([1.0, 7.0]) / 3, rtol=4e-16)


@pytest.mark.parametrize(
    ("dtype", "a", "c"),
    [
        (np.float64, 1e-310, 1e-310),
        (np.float64, 1e300, 1.5e308),
        (np.float32, 1e-30, 1e-38),
        (np.complex128, 1e-310j, 1e-310),
    ],
)
def test_division_survives_a_reciprocal_that_overflows(dtype, a, c):
    quotient = sm.Diagonal(np.array([a], dtype)) / c
    assert quotient.dtype == dtype
    np.testing.assert_allclose(quotient.diagonal(), [a / c], rtol=1e-6)


def test_an_adjoint_of_a_family_without_one_says_so():
    class OneWay(sm.StructuredMatrix):
        _parameters = ("values",)

        def __init__(self, values):
            self.values = values
            super().__init__(values.dtype, (len(values), len(values)))

        def _apply(self, X):
            return self.values[:, None] * X

    with pytest.raises(NotImplementedError, match="OneWay defines neither _adjoint"):
        _ = OneWay(np.ones(2)).H


# ---------------------------------------------------------------- indexing


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.uint64])
def test_positions_of_any_integer_type_pick_the_same_entries(dtype):
    A = sm.Banded(np.arange(1.0, 901.0).reshape(3, 300), 1, 1)
    i, j = np.array([0, 1, 100], dtype), np.array([1, 0, 2], dtype)
    np.testing.assert_array_equal(A[i, j], A.toarray()[i, j])


@pytest.mark.parametrize(
    "key",
    [
        (),
        np.array(1),
        (np.array(1), np.array(2)),
        (slice(None), np.array(1)),
        ([[0, 1], [2, 3]], slice(None)),
        (slice(1, 3), [[0, 1], [2, 3]]),
        ([[0, 1]], 0),
        (0, [[0, 1]]),
    ],
)
def test_an_index_gives_the_shape_that_numpy_gives(key):
    np.testing.assert_array_equal(TRIDIAGONAL[key], DENSE[key])


def test_a_bool_is_not_the_row_number_one():
    with pytest.raises(IndexError, match="bool"):
        TRIDIAGONAL[True]


# ---------------------------------------------------------------- NumPy's functions


@pytest.mark.parametrize("axes", [(0, 1), (1, 0), (-1, -2)])
def test_trace_and_diagonal_honour_their_axes(axes):
    assert np.trace(TRIDIAGONAL, 1, *axes) == np.trace(DENSE, 1, *axes)
    expected = np.diagonal(DENSE, 1, *axes)
    np.testing.assert_array_equal(np.diagonal(TRIDIAGONAL, 1, *axes), expected)


@pytest.mark.parametrize("axes", [None, (0, 1), [1, 0], (-1, -2)])
def test_transpose_honours_its_axes(axes):
    expected = np.transpose(DENSE, axes)
    np.testing.assert_array_equal(np.transpose(TRIDIAGONAL, axes).toarray(), expected)


def test_norms_honour_axis_and_keepdims():
    for options in ({"axis": (-2, -1)}, {"axis": (1, 0)}, {"keepdims": True}):
        found = np.linalg.norm(TRIDIAGONAL, 1, **options)
        np.testing.assert_allclose(found, np.linalg.norm(DENSE, 1, **options), strict=True)
    found = np.linalg.matrix_norm(TRIDIAGONAL, keepdims=True)
    np.testing.assert_allclose(found, np.linalg.matrix_norm(DENSE, keepdims=True), strict=True)


def test_a_keyword_that_is_not_honoured_is_refused():
    for function in (np.trace, np.linalg.trace, np.sum):
        with pytest.raises(TypeError, match="dtype|axis"):
            function(TRIDIAGONAL, dtype=np.float32)
    assert np.size(TRIDIAGONAL, (0, 1)) == 25


def test_real_and_imaginary_parts_neither_overflow_nor_make_nan():
    assert not np.imag(sm.Diagonal([np.inf])).toarray().any()
    z = sm.Diagonal(np.array([1.7e308 - 1.7e308j]))
    np.testing.assert_array_equal(np.real(z).diagonal(), [1.7e308])
    np.testing.assert_array_equal(np.imag(z).diagonal(), [-1.7e308])


# ---------------------------------------------------------------- the verbs


@pytest.mark.parametrize("verb", [sm.linalg.sqrtm, sm.linalg.logm])
def test_functions_of_a_permutation_that_is_not_symmetric(verb):
    P = sm.Permutation([2, 0, 1, 4, 3])
    f = verb(P)
    back = f @ f if verb is sm.linalg.sqrtm else sm.linalg.expm(f)
    np.testing.assert_allclose(back.toarray(), P.toarray(), atol=1e-13)


def test_least_squares_of_a_huge_square_matrix_does_not_overflow_unseen():
    A = sm.Diagonal([1e200, 3e200])
    np.testing.assert_allclose(sm.linalg.lstsq(A, np.array([1e200, 3e200])).x, [1, 1])
    B = sm.Dense(np.random.default_rng(0).standard_normal((5, 5)) * 1e200)
    assert sm.linalg.lstsq(B, np.full(5, 1e200)).residuals.shape == (0,)


def test_determinant_in_single_precision_is_not_rounded_in_its_logarithm():
    A = sm.Diagonal(np.array([1e18, 1e18], np.float32))
    assert A.det() == np.float32(np.prod(A.values, dtype=np.float64))


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_extreme_eigenvalues_of_a_band_at_the_ends_of_the_range(scale):
    G = np.random.default_rng(0).standard_normal((6, 6))
    H = np.triu(np.tril(G + G.T, 2), -2)
    found = sm.linalg.eigsh(sm.Banded.from_dense(H * scale), 2, "LA").eigenvalues
    np.testing.assert_allclose(found / scale, np.linalg.eigvalsh(H)[-2:], rtol=1e-13)


def test_qr_and_cond_refuse_nan():
    for A in (sm.Diagonal([np.nan, 1.0]), sm.Dense([[np.nan, 0.0], [0.0, 1.0]])):
        for verb in (sm.linalg.qr, sm.linalg.cond):
            with pytest.raises(ValueError, match="infs or NaNs"):
                verb(A)


@pytest.mark.parametrize("verb", ["inv", "slogdet", "svd", "svdvals", "eig", "eigvals", "cond"])
def test_a_scaled_matrix_refuses_a_scalar_that_is_nan(verb):
    with pytest.raises(ValueError, match="infs or NaNs"):
        getattr(np.nan * sm.Permutation([1, 0]), verb)()


def test_a_scalar_too_large_for_the_dtype_is_an_error():
    with pytest.raises(OverflowError, match="too large for float32"):
        1e39 * sm.Permutation([1, 0], np.float32)
    with pytest.raises(np.linalg.LinAlgError):  # it underflows: this matrix is zero
        (1e-60 * sm.Permutation([1, 0], np.float32)).solve(np.ones(2, np.float32))
    with pytest.raises(TypeError, match="a number only"):
        sm.Scaled("2", np.eye(2))


def test_sparse_refuses_indices_with_fractions():
    with pytest.raises(TypeError, match="`indices` must hold integers"):
        sm.Sparse(([1.0], [0.5], [0, 1, 1], (2, 2)))
    assert sm.Sparse(sp.csr_array((2, 2))).nnz == 0


def test_a_block_without_a_pivot_is_a_singular_matrix(monkeypatch):
    def fails(*args):
        raise RuntimeError("failed to factorize matrix at line 111 in file csnode_bmod.c")

    monkeypatch.setattr("scipy.sparse.linalg.splu", fails)
    A = sm.Sparse(sp.csr_array([[1.0, 2.0], [0.0, 0.0]]))
    assert A.slogdet() == (0, -np.inf)
    with pytest.raises(np.linalg.LinAlgError, match="structural rank 1 of 2"):
        A.solve(np.ones(2))


@pytest.mark.parametrize(("which", "value"), [("LI", 2 + 3j), ("SI", -5j)])
def test_imaginary_parts_of_a_complex_matrix_are_compared_with_their_sign(which, value):
    A = sm.Diagonal(np.array([1j, -5j, 2 + 3j]))
    np.testing.assert_array_equal(sm.linalg.eigs(A, 1, which).eigenvalues, [value])


# ---------------------------------------------------------------- other people's operators


def _one_way(n=4):
    weights = np.arange(1.0, n + 1)
    return LinearOperator((n, n), matvec=lambda x: weights * x.ravel(), dtype=np.float64)


def test_an_operator_without_adjoint_names_what_is_missing():
    A = sm.aslinearoperator(_one_way())
    for product in (lambda: A.H @ np.ones(4), lambda: np.ones(4) @ A, lambda: A[0]):
        with pytest.raises(NotImplementedError, match="rmatvec"):
            product()


def test_an_operator_without_adjoint_solves_and_tells_whether_it_is_hermitian():
    A = sm.aslinearoperator(_one_way())
    np.testing.assert_allclose(A.eigvalsh(), [1, 2, 3, 4])
    x = sm.linalg.solve(A, np.ones(4), method="iterative")
    np.testing.assert_allclose(x, 1 / np.arange(1.0, 5.0), rtol=1e-8)
    shift = LinearOperator((4, 4), matvec=lambda x: 2 * x + np.roll(x, 1), dtype=float)
    with pytest.raises(ValueError, match="Hermitian"):
        sm.linalg.eigh(sm.aslinearoperator(shift))


def test_an_operator_that_returns_complex_numbers_keeps_them_or_says_so():
    A = sm.aslinearoperator(LinearOperator((2, 2), matvec=lambda x: 1j * x, dtype=np.float64))
    with pytest.raises(TypeError, match="imaginary part"):
        A @ np.ones(2)


def test_an_operator_needs_a_dtype_and_must_be_one():
    class NoDtype(LinearOperator):
        def __init__(self):
            super().__init__(None, (2, 2))

        def _matvec(self, x):
            return x

    with pytest.raises(TypeError, match="without a dtype"):
        sm.aslinearoperator(NoDtype())
    with pytest.raises(TypeError, match="must be a LinearOperator; got ndarray"):
        sm.Operator(np.eye(2))


def test_a_product_never_shares_memory_with_its_operand():
    same = LinearOperator((3, 3), matvec=lambda x: x, matmat=lambda X: X, dtype=np.float64)
    x = np.arange(3.0)
    y = sm.aslinearoperator(same) @ x
    y[:] = 7
    np.testing.assert_array_equal(x, [0, 1, 2])


# ---------------------------------------------------------------- files from strangers


def _archive(path, matrix, members):
    """An .npz with this header and these raw members."""
    with zipfile.ZipFile(path, "w") as archive:
        text = io.BytesIO()
        np.save(text, np.frombuffer(matrix, np.uint8))
        archive.writestr("header.npy", text.getvalue())
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def _declares(shape):
    head = io.BytesIO()
    described = {"descr": "<f8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(head, described)
    return head.getvalue() + b"abc"


@pytest.mark.parametrize("shape", [(10**13,), (10**30,), (2**62,), (1000,), (-1,)])
def test_load_checks_a_declared_length_before_it_allocates(tmp_path, shape):
    inside = {"family": "Diagonal", "parameters": {"values": {"array": "a0"}}}
    header = json.dumps({"structmat": 1, "matrix": inside}).encode()
    path = _archive(tmp_path / "m.npz", header, {"a0.npy": _declares(shape)})
    with pytest.raises(ValueError, match="declares"):
        sm.load(path)


_HEADER = b'{"structmat": 1, "matrix": {"family": "%s", "parameters": {"%s": {"value": 1}}}}'


@pytest.mark.parametrize(
    "header",
    [
        b'{"structmat": 1, "matrix": ' + b"[" * 100_000,
        b'{"structmat": 0, "matrix": {}}',
        _HEADER % (b"Operator", b"operator"),
        _HEADER % (b"Adjoint", b"matrix"),
    ],
)
def test_load_answers_a_broken_file_with_a_value_error(tmp_path, header):
    with pytest.raises(ValueError, match="structmat"):
        sm.load(_archive(tmp_path / "m.npz", header, {}))


def test_load_answers_an_empty_or_damaged_file_with_a_value_error(tmp_path):
    path = tmp_path / "m.npz"
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="not a structmat file"):
        sm.load(path)
    sm.save(path, TRIDIAGONAL)
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    for _ in range(60):
        damaged = np.frombuffer(whole, np.uint8).copy()
        damaged[rng.integers(0, len(damaged), 4)] = rng.integers(0, 256, 4)
        path.write_bytes(damaged.tobytes()[: rng.integers(1, 2 * len(damaged))])
        try:
            sm.load(path)
        except ValueError:
            continue


# ---------------------------------------------------------------- Kronecker


@pytest.mark.parametrize(
    "first", [np.array([[-1j]]), np.diag([-2j, -1j]), np.array([[1j]]), np.diag([1 + 1j, 2 + 2j])]
)
def test_functions_of_a_hermitian_product_times_a_phase(first):
    A = sm.Kronecker(first, np.array([[2, 1], [1, 3]], complex))
    X = sm.linalg.sqrtm(A)
    assert np.allclose((X @ X).toarray(), A.toarray())
    L = sm.linalg.logm(A)
    assert np.allclose(sm.linalg.expm(L).toarray(), A.toarray())


def test_a_product_of_identities_does_not_return_its_operand():
    x = np.ones(4)
    A = sm.Kronecker(sm.Identity(2), sm.Identity(2))
    for y in (A @ x, A.H @ x, x @ A, A.matvec(x)):
        y[0] = 7
        assert x[0] == 1


def test_the_real_part_is_real():
    A = sm.Dense(np.array([[1.0 + 2j, 3.0], [0.0, 1j]]))
    assert np.real(A).dtype == np.float64
    assert np.array_equal(np.real(A).toarray(), A.toarray().real)
    assert np.array_equal(np.imag(A).toarray(), A.toarray().imag)


# ---------------------------------------------------------------- Gaussian processes


@pytest.mark.parametrize(
    "K",
    [
        np.array([[1.0, 2.0], [0.0, 1.0]]),
        sm.Kronecker(np.array([[1.0, 0.5], [0.0, 1.0]]), np.eye(2)),
    ],
)
def test_a_covariance_that_is_not_symmetric_is_refused(K):
    with pytest.raises(ValueError, match="symmetric"):
        gp.sample_normal(K, rng=0)
    with pytest.raises(ValueError, match="symmetric"):
        gp.log_marginal_likelihood(K, np.ones(K.shape[0]), noise=0.1)


def test_noise_of_a_variance_at_each_point_is_refused_with_the_way_out():
    with pytest.raises(TypeError, match="Diagonal"):
        gp.log_marginal_likelihood(np.eye(3), np.ones(3), noise=np.ones(3))
    with pytest.raises(TypeError, match="Diagonal"):
        gp.GaussianProcess(gp.GridKernel(np.arange(3.0)), noise=np.ones(3)).fit(np.ones(3))


# ---------------------------------------------------------------- transforms and Toeplitz


@pytest.mark.parametrize(
    "A", [sm.Hadamard(24), sm.DFT(5), sm.DCT(6), sm.Haar(8), sm.Toeplitz([2, 1])]
)
def test_a_saved_transform_can_be_inspected(A, tmp_path, capsys):
    from structmat.__main__ import main

    path = tmp_path / "A.npz"
    A.save(path)
    assert main(["inspect", str(path)]) == 0
    assert type(A).__name__ in capsys.readouterr().out


def test_the_nearest_circulant_of_a_large_toeplitz_matrix_needs_no_dense_one():
    n = 200_000
    T = sm.Toeplitz(0.5 ** np.arange(n))
    result = sm.project(T, sm.Circulant)
    k = np.arange(n)
    expected = ((n - k) * T.c + k * np.append(T.c[0], T.c[:0:-1])) / n
    np.testing.assert_allclose(result.matrix.c, expected, atol=1e-16)
    assert sm.project(T, sm.Toeplitz).error == 0
    H = sm.Hankel(np.arange(50_000.0))
    assert sm.project(H, sm.Hankel).error == 0


@pytest.mark.parametrize("symmetric", [True, False])
def test_functions_of_a_circulant_are_circulant_and_real(symmetric, rng):
    import scipy.linalg

    c = rng.standard_normal(9)
    c = c + np.append(c[0], c[:0:-1]) if symmetric else c
    C = sm.Circulant(c)
    for f, reference in ((np.exp, scipy.linalg.expm), (np.sin, scipy.linalg.sinm)):
        F = sm.linalg.funm(C, f)
        assert isinstance(F, sm.Circulant)
        assert F.dtype == np.float64
        np.testing.assert_allclose(
            F.toarray(), reference(C.toarray()), atol=1e-12 * np.exp(abs(c).sum())
        )
    rotated = sm.linalg.funm(C, lambda w: 1j * w)
    assert isinstance(rotated, sm.Circulant)
    np.testing.assert_allclose(rotated.toarray(), 1j * C.toarray(), atol=1e-13)
    with pytest.raises(ValueError, match="same shape"):
        sm.linalg.funm(C, lambda w: w[:2])
    with pytest.raises(ValueError, match="infs or NaNs"), np.errstate(all="ignore"):
        sm.linalg.funm(sm.Circulant([0.0, 0.0]), np.log)


def test_explain_of_a_small_toeplitz_system_says_why_it_is_dense():
    found = sm.Toeplitz(0.5 ** np.arange(100)).explain("solve")
    assert "dense" in found.algorithm
    assert "own rule" in found.reason


@pytest.mark.parametrize("family", [sm.Toeplitz, sm.Circulant, sm.Hankel])
def test_a_matrix_where_a_sequence_is_meant_names_project(family):
    with pytest.raises(ValueError, match="structmat.project"):
        family(np.eye(3))


def test_a_high_power_without_a_rule_is_not_a_product_of_as_many_factors():
    assert sm.Haar(4) ** 3 == sm.Product(sm.Haar(4), sm.Haar(4), sm.Haar(4))
    A = sm.Haar(4) ** (10**9)
    expected = np.linalg.matrix_power(sm.Haar(4).toarray(), 10**9)
    np.testing.assert_allclose(A.toarray(), expected, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_certificate_of_a_right_hand_side_near_the_largest_number(dtype):
    b = np.full(8, 0.3 * np.finfo(dtype).max, dtype)
    x, info = sm.linalg.solve(
        sm.Circulant(np.array([4, 1, 0, 0, 0, 0, 0, 0], dtype)), b, return_info=True
    )
    np.testing.assert_allclose(x, b / 5, rtol=1e-5)
    assert info.backward_error < 10 * np.finfo(dtype).eps
    assert info.residual < 100 * np.finfo(dtype).eps


def test_a_high_power_keeps_the_structure_that_it_has():
    n = 400
    bands = np.full(n - 1, 0.25)
    T = sm.Tridiagonal(bands, np.full(n, 0.5), bands)
    for A in (T, T.to(sm.Sparse), sm.Triangular(np.tril(np.full((8, 8), 0.2)))):
        power = A**100
        assert not isinstance(power, sm.Dense), type(A).__name__
        expected = np.linalg.matrix_power(A.toarray(), 100)
        np.testing.assert_allclose(power.toarray(), expected, atol=1e-13)
    assert isinstance(T**5000, sm.Dense)  # 5,000 factors cost more than 400^2 entries
