"""Powers, functions and traces of transforms: ends of the range, closed forms, refusals."""

import math
import warnings

import numpy as np
import pytest
import scipy.linalg
from cases.fourier import hadamard
from support import eps, norm1

import structmat as sm

# ---------------------------------------------------------------- powers at the ends of the range


def test_a_power_too_large_for_its_dtype_says_so_for_even_and_odd_ones():
    H = sm.Hadamard(64, dtype=np.float32)
    for p in (44, 45, 50, 51):
        with pytest.raises(OverflowError, match="too large"):
            (H**p).toarray()
    with pytest.raises(OverflowError, match="float32"):
        H**50
    with pytest.raises(OverflowError):
        sm.DFT(64, dtype=np.complex64) ** 50
    assert (H**42).diagonal()[0] == np.float32(2.0**126)
    assert (H**43)[0, 1] == np.float32(2.0**126)
    assert (sm.DFT(4) ** 1022).trace() == pytest.approx(2 * 2.0**1022, rel=1e-15)


def test_an_odd_power_is_refused_by_its_entries_and_not_by_its_singular_values():
    # Entries of 2^1023, singular values of 2^1024.
    assert (sm.Hadamard(4) ** 1023)[0, 0] == 2.0**1022
    assert (sm.Hadamard(2**20) ** 103)[0, 1] == 2.0 ** (20 * 51)


def test_negative_powers_go_down_to_the_smallest_numbers_and_then_to_zero():
    assert (sm.Hadamard(4) ** -1060).diagonal()[0] == 2.0**-1060  # subnormal
    assert (sm.Hadamard(4) ** -1061)[0, 0] == 2.0**-1062
    assert (sm.Hadamard(4) ** -3000).diagonal()[0] == 0
    assert (sm.Hadamard(64, norm="forward") ** 400).diagonal()[0] == 0
    assert (sm.Hadamard(8, dtype=np.float32) ** -400).diagonal()[0] == 0
    assert (sm.Hadamard(64) ** -358).diagonal()[0] == 2.0**-1074
    assert (sm.DCT(18, 4) ** -600).diagonal()[0] == pytest.approx(
        36.0**-100 * 36.0**-200, rel=1e-13
    )
    with pytest.raises(OverflowError, match=r"4\^1100, is too large"):
        sm.Hadamard(4, norm="forward") ** -2200


# ---------------------------------------------------------------- traces


@pytest.mark.parametrize("order", ["natural", "sequency", "dyadic"])
@pytest.mark.parametrize("n", [2**k for k in range(9)])
def test_the_trace_of_a_hadamard_matrix_is_known(n, order):
    for norm in (None, "ortho", "forward"):
        H, dense = sm.Hadamard(n, order, norm), hadamard(n, order, norm)
        assert H.trace() == pytest.approx(np.trace(dense), rel=1e-14)
        w = np.linalg.eigvalsh(dense)
        assert np.abs(H.eigvals() - w).max() <= 10 * n * eps(w) * abs(w).max()


@pytest.mark.parametrize("n", [12, 20, 28, 24, 40, 56, 112])
def test_the_trace_of_a_table_and_its_multiples(n):
    for norm in (None, "ortho"):
        H = sm.Hadamard(n, norm=norm)
        assert H.trace() == pytest.approx(np.trace(hadamard(n, norm=norm)), rel=1e-14)
        assert H.H.trace() == H.trace()


@pytest.mark.parametrize("n", range(1, 14))
def test_the_trace_of_a_fourier_matrix_is_gausss_sum(n):
    for F in (sm.DFT(n), sm.DFT(n).H, sm.DFT(n, "forward")):
        dense = F.toarray()
        assert abs(F.trace() - np.trace(dense)) <= 10 * n * eps(dense) * F.norm(2)
    for A in [sm.DST(n, 1), sm.DCT(n, 4), sm.DST(n, 4, "ortho"), sm.DCT(n + 1, 1), sm.DCT(n)]:
        dense = A.toarray()
        assert abs(A.trace() - np.trace(dense)) <= 10 * (n + 1) * eps(dense) * A.norm(2)


def test_lists_that_no_memory_holds_are_refused_before_they_are_begun():
    n = 2**44
    H = sm.Hadamard(n)
    assert H.trace() == 0
    assert sm.Hadamard(n, "dyadic").trace() == n
    assert sm.DFT(n).trace() == 2**22 * (1 - 1j)
    for verb in ("eigvals", "eigvalsh", "eigh", "eig", "svdvals", "svd", "diagonal"):
        for A in (H, sm.DCT(n, 4), sm.DFT(n)):
            if verb in ("eigh", "eigvalsh") and isinstance(A, sm.DFT):
                continue
            with pytest.raises(MemoryError, match="memory"):
                getattr(A, verb)()
    assert sm.Hadamard(2**26).trace() == 0  # and not after a minute


def test_the_last_entry_of_a_cosine_matrix_of_any_order():
    assert sm.DCT(2**64, 1)[-1, -1] == -1
    assert sm.DCT(2**64 + 1, 1)[-1, -1] == 1
    assert sm.DCT(2**64, 1)[2**64 - 1, 3] == -2
    assert sm.DST(2**64, 3)[0, -1] == 1
    assert sm.DST(2**64, 3, orthogonalize=True)[0, -1] == pytest.approx(math.sqrt(2), rel=1e-15)
    assert sm.DCT(2**64, 2)[0, 7] == 2
    assert sm.DCT(5, 1)[-1, -1] == 1


def test_a_haar_matrix_of_absurdly_many_levels_is_refused_in_few_words():
    with pytest.raises(ValueError, match=r"multiple of 2\*\*1000000000; got 4, which has 2$"):
        sm.Haar(4, 10**9)


# ---------------------------------------------------------------- functions

INVOLUTIONS = [sm.Hadamard(8), sm.Hadamard(28, norm="ortho"), sm.DCT(5, 1), sm.DCT(5, 1).H,
               sm.DST(4, 4, "forward"), sm.Haar(2), sm.Hadamard(16, dtype=complex)]  # fmt: skip
FOURIER = [sm.DFT(n, norm) for n in (2, 3, 4, 5, 6, 9) for norm in (None, "ortho")]


@pytest.mark.parametrize("f", [np.cos, np.exp, np.sinh, lambda w: w**3 - 2 * w + 1])
@pytest.mark.parametrize("A", [*INVOLUTIONS, *FOURIER, sm.DFT(7).H], ids=str)
def test_funm_is_a_sum_of_a_few_terms(A, f):
    dense = A.toarray()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        F = sm.linalg.funm(A, f)
    assert isinstance(F, sm.Sum)
    w, V = np.linalg.eig(dense)
    expected = V @ np.diag(f(w.astype(complex))) @ np.linalg.inv(V)
    assert np.abs(F.toarray() - expected).max() <= 1e-11 * max(1, np.abs(f(w)).max())
    if A.dtype.kind != "c":
        assert F.dtype == A.dtype


def test_funm_sees_real_eigenvalues_of_a_symmetric_matrix_in_its_precision():
    seen = []
    sm.linalg.funm(sm.Hadamard(8, dtype=np.float32), lambda w: seen.append(w) or w)
    sm.linalg.funm(sm.DFT(8, dtype=np.complex64), lambda w: seen.append(w) or w)
    assert [w.dtype for w in seen] == [np.float32, np.complex64]
    assert np.array_equal(np.sort(seen[0]), np.float32([-(8**0.5), 8**0.5]))
    assert len(seen[1]) == 4


def test_funm_asks_for_no_value_where_there_is_no_eigenvalue():
    """1 and -1 are the eigenvalues of the DFT of order 2; i is none of that of order 4."""
    pole = sm.linalg.funm(sm.DFT(2, "ortho"), lambda w: 1 / (w - 1j))
    dense = sm.DFT(2, "ortho").toarray()
    assert np.allclose(pole.toarray(), np.linalg.inv(dense - 1j * np.eye(2)), atol=1e-14)
    pole = sm.linalg.funm(sm.DFT(4, "ortho"), lambda w: 1 / (w - 1j))
    dense = sm.DFT(4, "ortho").toarray()
    assert np.allclose(pole.toarray(), np.linalg.inv(dense - 1j * np.eye(4)), atol=1e-14)


def test_funm_refuses_what_f_does_not_give():
    for A in (sm.Hadamard(8), sm.DFT(8)):
        with pytest.raises(ValueError, match="same shape"):
            sm.linalg.funm(A, lambda w: w[:1])
        with pytest.raises(ValueError, match="NaN"):
            sm.linalg.funm(A, lambda w: w * np.nan)
    with pytest.raises(OverflowError, match="funm"):
        sm.linalg.funm(sm.Hadamard(8, dtype=np.float32), lambda w: w.astype(float) * 1e60)


def test_a_function_of_a_large_fourier_matrix_is_applied_and_not_formed():
    n = 2**16
    F = sm.linalg.funm(sm.DFT(n, "ortho"), np.cos)
    x = np.random.default_rng(0).standard_normal(n)
    # cos(w) = cos(1) for w = 1, -1 and cosh(1) for w = i, -i: a combination of I and F^2.
    c, d = math.cos(1), math.cosh(1)
    expected = (c + d) / 2 * x + (c - d) / 2 * x[-np.arange(n) % n]
    assert np.linalg.norm(F @ x - expected) <= 1e-13 * np.linalg.norm(x)


def test_roots_and_logarithms_are_principal_in_single_precision_too():
    for A in (sm.Hadamard(8, dtype=np.float32), sm.DFT(6, dtype=np.complex64)):
        dense = A.toarray()
        R = sm.linalg.sqrtm(A).toarray()
        assert norm1(R @ R - dense) <= 100 * eps(dense) * norm1(dense)
        E = scipy.linalg.expm(sm.linalg.logm(A).toarray())
        assert norm1(E - dense) <= 1000 * eps(dense) * norm1(dense)
