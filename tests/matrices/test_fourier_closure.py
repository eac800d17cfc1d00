"""Transforms under algebra: products, functions, factors that keep structure, large orders."""

import math

import numpy as np
import pytest
import scipy.linalg
from cases.fourier import dct, dst
from support import eps, norm1, ratio_eigh, ratio_solve

import structmat as sm

NORMS = [None, "ortho", "forward"]
TRIGONOMETRIC = [(family, type) for family in (sm.DCT, sm.DST) for type in (1, 2, 3, 4)]
trigonometric = pytest.mark.parametrize(("family", "type"), TRIGONOMETRIC)


# ---------------------------------------------------------------- closure and functions

SQUARED = [
    (sm.Hadamard(16), 16), (sm.Hadamard(24), 24), (sm.DFT(9), 9), (sm.Haar(8), 1),
    (sm.DCT(7, 4), 14), (sm.DST(6, 1), 14), (sm.DCT(5, norm="ortho"), 1),
    (sm.DCT(5, orthogonalize=True), 10), (sm.Hadamard(8, "sequency", "forward"), 1 / 8),
]  # fmt: skip


@pytest.mark.parametrize(("A", "square"), SQUARED, ids=lambda v: str(v))
def test_a_transform_times_its_adjoint_is_a_multiple_of_the_identity(A, square):
    n = A.shape[0]
    for product in (A @ A.H, A.H @ A):
        expected = sm.Identity(n, A.dtype) if square == 1 else square * sm.Identity(n, A.dtype)
        assert product == expected
    assert A @ A.inv() == sm.Identity(n, A.dtype)
    assert A.solve(A) == sm.Identity(n, A.dtype)
    assert A.inv().inv() == A


@trigonometric
@pytest.mark.parametrize("norm", NORMS)
def test_products_of_transforms_that_are_not_orthogonal(family, type, norm):
    A = family(6, type, norm, orthogonalize=False)
    dense = (dct if family is sm.DCT else dst)(6, type, norm, orthogonalize=False)
    assert A @ A.inv() == sm.Identity(6)
    assert A.inv() @ A == sm.Identity(6)
    for left, right in ((A, A.H), (A.H, A)):
        product, expected = left @ right, left.toarray() @ right.toarray()
        assert np.abs(product.toarray() - expected).max() <= 50 * eps(dense) * norm1(expected)
    diagonal = type in (2, 4) or (family is sm.DST and type == 1)
    if diagonal:
        assert isinstance(A @ A.H, sm.Diagonal | sm.Identity)
    if type in (3, 4):
        assert isinstance(A.H @ A, sm.Diagonal | sm.Identity)


def test_two_fourier_matrices_reflect():
    F = sm.DFT(5)
    P = sm.Permutation([0, 4, 3, 2, 1], complex)
    assert F @ F == 5 * P
    assert F.H @ F.H == 5 * P
    assert sm.DFT(5, "ortho") @ sm.DFT(5, "ortho") == P
    assert F**4 == 25 * sm.Identity(5, complex)
    assert (F**3).matrix == F.H
    assert sm.Hadamard(8) ** 5 == 64 * sm.Hadamard(8)


FUNCTIONS = [
    sm.Hadamard(8), sm.Hadamard(28, norm="ortho"), sm.DFT(6), sm.DFT(6).H, sm.DFT(4, "ortho"),
    sm.DCT(5, 1), sm.DCT(5, 1).H, sm.DST(4, 4, "forward"), sm.Haar(2),
]  # fmt: skip


@pytest.mark.parametrize("A", FUNCTIONS, ids=str)
def test_functions_are_polynomials_in_the_matrix(A):
    dense = A.toarray()
    E = sm.linalg.expm(A)
    assert isinstance(E, sm.Sum)
    assert np.abs(E.toarray() - scipy.linalg.expm(dense)).max() <= 1e-13 * math.exp(norm1(dense))
    R, L = sm.linalg.sqrtm(A), sm.linalg.logm(A)
    scale = norm1(dense)
    assert np.abs((R @ R).toarray() - dense).max() <= 1e-13 * scale
    assert np.abs(scipy.linalg.expm(L.toarray()) - dense).max() <= 1e-12 * scale
    # The principal branches: angles of the root within a quarter turn, of the logarithm a half.
    w = np.linalg.eigvals(R.toarray())
    assert (w.real > -1e-12).all()
    w = np.linalg.eigvals(L.toarray())
    assert (np.abs(w.imag) <= math.pi + 1e-9).all()


def test_a_function_that_overflows_says_so():
    with pytest.raises(OverflowError, match="expm"):
        sm.linalg.expm(sm.Hadamard(2**20))
    with pytest.raises(OverflowError, match="expm"):
        sm.linalg.expm(sm.Hadamard(2**14, dtype=np.float32))
    with pytest.raises(OverflowError):
        sm.Hadamard(2**20) ** 200


def test_indefinite_matrices_are_not_positive_definite():
    for A in (sm.Hadamard(2), sm.Hadamard(64), sm.DCT(8, 4), sm.DFT(2)):
        with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
            A.cholesky()
    assert sm.Haar(3, 0).cholesky() == sm.Identity(3)


# ---------------------------------------------------------------- structure of the factors


@trigonometric
@pytest.mark.parametrize("orthogonalize", [True, False])
def test_factors_keep_structure(family, type, orthogonalize):
    n = 4096  # dense factors would take 128 MiB, and a warning
    A = family(n, type, orthogonalize=orthogonalize)
    if (family, type, orthogonalize) == (sm.DCT, 1, False):
        assert len(A.svdvals()) == n
        return
    U, S, Vh = A.svd()
    x = np.random.default_rng(1).standard_normal(n)
    y = A @ x
    assert np.linalg.norm(U @ (S * (Vh @ x)) - y) <= 100 * eps(x) * np.linalg.norm(y)
    assert U.nbytes + Vh.nbytes <= 2 * 8 * n
    if type != 2 or orthogonalize:
        Q, R = A.qr()
        assert np.linalg.norm(Q @ (R @ x) - y) <= 100 * eps(x) * np.linalg.norm(y)
        assert Q.nbytes + R.nbytes <= 8 * n


@pytest.mark.parametrize("A", [sm.Hadamard(2**20), sm.DFT(10**6), sm.DST(10**6, 3), sm.Haar(2**20)],
                         ids=str)  # fmt: skip
def test_large_orders_answer_without_anything_large(A):
    n = A.shape[0]
    assert A.nbytes == 0
    assert A.cond() <= 1.4143
    assert A.slogdet().logabsdet == pytest.approx(n * math.log(A.norm(2)), rel=1e-6, abs=1)
    assert A.matrix_rank() == n
    b = np.ones(n, A.dtype)
    assert ratio_large(A, A.solve(b), b) <= 20 * math.log2(n) * eps(b)
    x = A.lstsq(b).x
    assert ratio_large(A, x, b) <= 20 * math.log2(n) * eps(b)
    assert sm.linalg.svds(A, 2).S[0] == pytest.approx(A.norm(2))


def ratio_large(A, x, b):
    return np.linalg.norm(A @ x - b) / (A.norm(2) * np.linalg.norm(x) + np.linalg.norm(b))


def test_a_cutoff_above_the_smallest_singular_value_is_obeyed():
    A = sm.DCT(6)  # singular values 1.41 s and s
    assert sm.linalg.matrix_rank(A, rtol=0.9) == 1
    P = sm.linalg.pinv(A, rtol=0.9)
    expected = np.linalg.pinv(A.toarray(), rcond=0.9)
    assert np.abs(P.toarray() - expected).max() < 1e-14
    b = np.arange(6.0)
    assert np.allclose(sm.linalg.lstsq(A, b, rtol=0.9).x, expected @ b, atol=1e-14)


@pytest.mark.parametrize("n", [3, 12, 30])
def test_solves_pass_lapacks_ratio_at_both_ends_of_the_range(n, rng):
    for A in (sm.DFT(n), sm.DCT(n, 1), sm.DST(n, 3), sm.DCT(n).H):
        for scale in (1.0, 1e150, 1e-150):
            b = scale * rng.standard_normal((n, 2)).astype(A.dtype)
            assert ratio_solve(A.toarray(), A.solve(b), b) < 10


def test_eigh_of_a_symmetric_transform(rng):
    for A in (sm.DCT(9, 4), sm.DST(8, 1, "ortho"), sm.Hadamard(8, "dyadic"), sm.Hadamard(28)):
        w, V = np.linalg.eigh(A)
        assert ratio_eigh(A.toarray(), w, V) < 10
        assert np.abs(w - np.sort(A.eigvals())).max() <= 10 * len(w) * eps(w) * A.norm(2)
