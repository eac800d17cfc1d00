"""Small transforms go through shared arrays: how many columns, which arrays, for how long."""

import gc
import threading

import numpy as np
import pytest
import scipy.fft
from support import eps

import structmat as sm
from structmat.matrices.fourier import small
from structmat.matrices.fourier.small import copies


@pytest.fixture
def empty():
    copies.clear()
    yield copies
    copies.clear()


def test_a_product_with_a_small_order_is_one_with_an_array_that_equal_matrices_share(empty):
    A, x = sm.DCT(64), np.arange(64.0)
    y = A @ x
    sm.DCT(64) @ x, A.matvec(x[:, None])
    assert len(empty) == 1
    assert not empty.of(A._key).flags.writeable
    y[:] = 0  # ours to keep, not the array's
    assert np.abs(A @ x - scipy.fft.dct(x)).max() < 1e-10
    assert sm.DCT(4096)._dense_columns == 0
    B = sm.DCT(100, dtype=complex)
    assert sm.DCT(100)._key == B._key  # complex columns go through the real array


def test_the_arrays_keep_to_a_budget_and_the_least_used_go_first():
    kept = small.Copies(3 * 8 * 16**2)
    keys = [sm.DCT(16, 2, norm)._key for norm in (None, "ortho", "forward")]
    first = [kept.of(key) for key in keys]
    assert all(kept.of(key) is array for key, array in zip(keys, first))
    kept.of(keys[0])
    kept.of(sm.DCT(16, 4)._key)  # in the place of the second, which was used longest ago
    assert len(kept) == 3
    assert kept.nbytes == 3 * 8 * 16**2
    assert kept.of(keys[0]) is first[0]
    assert kept.of(keys[1]) is not first[1]
    assert len(small.Copies(10)._arrays) == 0
    assert small.Copies(10).of(keys[0]).shape == (16, 16)  # larger than the budget: not kept


def test_many_small_matrices_in_turn_build_each_array_once(empty, monkeypatch):
    built = []
    build = sm.DCT._toarray
    monkeypatch.setattr(sm.DCT, "_toarray", lambda A: built.append(A.n) or build(A))
    As = [sm.DCT(64 + i) for i in range(40)]
    for _ in range(3):
        for A in As:
            A @ np.ones(A.n)
    assert sorted(built) == [A.n for A in As]


def test_an_array_that_the_budget_drops_is_built_again(empty):
    A = sm.DCT(200)
    x = np.random.default_rng(0).standard_normal(200)
    y = A @ x
    empty.clear()
    gc.collect()
    assert A._dense() is None
    assert np.array_equal(A @ x, y)
    assert len(empty) == 1


def test_the_arrays_are_safe_among_threads():
    kept = small.Copies(2 * 8 * 32**2)
    keys = [sm.DST(32, type)._key for type in (1, 2, 3, 4)]
    expected = [sm.DST(32, type).toarray() for type in (1, 2, 3, 4)]
    wrong = []

    def work(shift):
        for i in range(400):
            at = (i * i + shift) % 4
            if not np.array_equal(kept.of(keys[at]), expected[at]):
                wrong.append(at)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong
    assert kept.nbytes == sum(a.nbytes for a in kept._arrays.values()) <= kept.budget


# ---------------------------------------------------------------- columns


@pytest.mark.parametrize(
    "A",
    [sm.Hadamard(3 * 2**14), sm.DFT(2**16), sm.DCT(2**16).H, sm.Haar(2**17), sm.DST(5)],
    ids=str,
)
@pytest.mark.parametrize("dtype", [float, complex])
def test_no_columns_build_nothing(A, dtype, empty):
    B = np.ones((A.shape[1], 0), dtype)
    for Y in (A @ B, A.solve(B), A.H @ B, A.inv() @ B):
        assert Y.shape == B.shape
        assert Y.dtype == np.result_type(A.dtype, dtype)
    assert len(empty) == 0


def test_a_length_that_is_dear_to_the_fft_takes_its_array_for_any_number_of_columns():
    for A in (sm.DFT(67), sm.DFT(127), sm.DCT(127, 3), sm.DCT(128, 1), sm.DST(256, 1, dtype="f4")):
        assert A._dense_columns > 10**6, A
        assert A.astype(complex)._dense_columns > 10**6
        assert A.H._dense_columns == A._dense_columns
    # Their neighbours, of smooth lengths, do not.
    for A in (sm.DFT(64), sm.DCT(128), sm.DST(255, 1)):
        assert 1 <= A._dense_columns < 100, A
    assert sm.DFT(1021)._dense_columns == 0  # an array of 16 MiB


def test_one_column_may_be_faster_than_the_array_where_two_are_not(empty, rng):
    for A in (sm.Haar(512), sm.DCT(384), sm.Haar(512).H):
        x = rng.standard_normal((A.shape[0], 2))
        column = A @ x[:, 0]
        assert len(empty) == 0
        both = A @ x
        assert len(empty) == 1
        assert np.abs(both[:, 0] - column).max() <= 1e-12 * np.abs(column).max()
        empty.clear()


def test_an_order_with_no_small_factor_costs_nothing_to_construct():
    n = 2**89 - 1  # prime: no table and no trial division may run over it
    assert sm.DFT(n).shape == (n, n)
    assert sm.DST(n, 4)[0, 0] >= 0


REAL = [sm.DCT(40), sm.DST(127, 3), sm.Haar(64), sm.Hadamard(48), sm.DCT(40, 1).H, sm.DFT(64),
        sm.DFT(700), sm.DFT(700).H, sm.DCT(900), sm.Hadamard(1024), sm.Hadamard(768).H]  # fmt: skip


@pytest.mark.parametrize("A", REAL, ids=str)
@pytest.mark.parametrize("columns", [None, 1, 3, 50])
def test_complex_matrices_and_operands_of_either_kind(A, columns, rng):
    """Complex columns go in pairs of real ones, real ones of a complex matrix stay real."""
    n = A.shape[0]
    shape = (n,) if columns is None else (n, columns)
    z = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    for C in (A.astype(complex), A.astype(complex).astype(np.complex128)):
        dense = C.toarray()
        for x in (z, z.real.copy(), z.real, np.round(10 * z.imag).astype(int)):
            y = C @ x
            assert y.dtype == np.complex128
            assert y.shape == shape
            bound = 20 * np.log2(n) * eps(y) * A.norm(2) * np.linalg.norm(x)
            assert np.linalg.norm(y - dense @ x) <= bound
    narrow = A.astype(np.complex64)
    x = z.real.astype(np.float32)
    assert (narrow @ x).dtype == np.complex64
    assert (narrow @ z.real).dtype == np.complex128  # as NumPy promotes
    assert (narrow @ z).dtype == np.complex128
    y = narrow @ x
    bound = 20 * np.log2(n) * eps(y) * A.norm(2) * np.linalg.norm(x)
    assert np.linalg.norm(y - A.toarray() @ x) <= bound


def test_a_real_operand_of_a_fourier_matrix_meets_a_real_fft(monkeypatch, rng):
    seen = []
    fft = scipy.fft.fft
    monkeypatch.setattr(
        scipy.fft, "fft", lambda x, **options: seen.append(x.dtype) or fft(x, **options)
    )
    F = sm.DFT(2048)
    for x in (rng.standard_normal(2048), rng.standard_normal((4096, 3))[::2], np.arange(2048)):
        assert np.abs(F @ x - fft(x, axis=0)).max() <= 1e-12 * np.abs(fft(x, axis=0)).max()
    assert seen == [np.float64] * 3
    F.astype(np.complex64) @ np.ones(2048, np.float32)
    assert seen[3:] == [np.float32]


def test_transposes_are_made_once():
    for A in (sm.DCT(8, 4), sm.DCT(8, 1, "ortho"), sm.DST(8, 1), sm.Hadamard(8), sm.DFT(8),
              sm.Hadamard(56, dtype=complex)):  # fmt: skip
        assert A.T is A
    for A in (sm.DCT(8), sm.DCT(8, norm="ortho"), sm.Haar(8), sm.Hadamard(12), sm.DFT(8)):
        assert A.H is A.H
        assert A.H.H is A
        assert np.allclose(A.H.toarray(), A.toarray().conj().T, rtol=1e-15, atol=1e-15)
        assert A.copy().H == A.H


@pytest.mark.parametrize(
    "A",
    [sm.Hadamard(1024), sm.Hadamard(1024, dtype=complex), sm.DFT(64), sm.DCT(100, dtype=complex)],
    ids=str,
)
def test_unaligned_and_read_only_operands(A, rng):
    n = A.shape[0]
    dense = A.toarray()
    for dtype in (np.float64, np.complex128):
        x = rng.standard_normal(n).astype(dtype)
        memory = bytearray(x.nbytes + 1)
        unaligned = np.frombuffer(memory, np.uint8)[1:].view(dtype)
        unaligned[:] = x
        assert not unaligned.flags.aligned
        unaligned.flags.writeable = False
        y = A @ unaligned
        assert np.abs(y - dense @ x).max() <= 100 * eps(y) * A.norm(2) * np.linalg.norm(x)
