"""Orders of 2^m items against their definitions, bit by bit and sign change by sign change."""

import itertools
import time

import fake_cupy
import numpy as np
import pytest
from scipy.linalg import hadamard

from structmat.transforms import orders

SIZES = [2**m for m in range(11)]
sizes = pytest.mark.parametrize("n", SIZES)
PUBLIC = (orders.bit_reversal, orders.gray_code, orders.inverse_gray_code, orders.sequency)
functions = pytest.mark.parametrize("function", PUBLIC, ids=lambda f: f.__name__)


@sizes
def test_bit_reversal_reverses_the_digits(n):
    m = n.bit_length() - 1
    expected = [int(format(i, f"0{m}b")[::-1], 2) if m else 0 for i in range(n)]
    assert orders.bit_reversal(n).tolist() == expected


@sizes
def test_bit_reversal_is_its_own_inverse(n):
    p = orders.bit_reversal(n)
    assert np.array_equal(p[p], np.arange(n))


@sizes
def test_neighbours_in_the_gray_code_differ_in_one_bit(n):
    p = orders.gray_code(n)
    assert sorted(p) == list(range(n))
    assert p[0] == 0
    assert all(int(a ^ b).bit_count() == 1 for a, b in itertools.pairwise(p))
    assert p.tolist() == [i ^ (i >> 1) for i in range(n)]


@sizes
def test_inverse_gray_code_inverts(n):
    assert np.array_equal(orders.inverse_gray_code(n)[orders.gray_code(n)], np.arange(n))
    assert np.array_equal(orders.gray_code(n)[orders.inverse_gray_code(n)], np.arange(n))


@sizes
def test_sequency_counts_sign_changes(n):
    rows = hadamard(n)[orders.sequency(n)]
    assert np.array_equal(np.count_nonzero(np.diff(rows, axis=1), axis=1), np.arange(n))


@sizes
def test_dyadic_rows_are_products_of_rademacher_functions(n):
    # Paley: row sum_j 2^j b_j is the product of the functions sign(sin(2^(j+1) pi t)) with b_j = 1.
    t = np.arange(n)
    rows = np.ones((n, n), dtype=int)
    for i in range(n):
        for j in range(n.bit_length() - 1):
            if i >> j & 1:
                rows[i] *= 1 - 2 * ((2 ** (j + 1) * t // n) % 2)
    assert np.array_equal(hadamard(n)[orders.permutation("dyadic", n)] if n > 1 else rows, rows)


@sizes
def test_permutation_by_name(n):
    assert orders.permutation("natural", n) is None
    assert np.array_equal(orders.permutation("dyadic", n), orders.bit_reversal(n))
    assert np.array_equal(orders.permutation("sequency", n), orders.sequency(n))


def test_large_permutations_are_permutations():
    n = 2**18
    for p in (f(n) for f in PUBLIC):
        assert np.array_equal(np.bincount(p, minlength=n), np.ones(n))
    p = orders.permutation("sequency", n)
    assert np.array_equal(p, orders.sequency(n))
    assert not p.flags.writeable


@functions
def test_results_are_intp_and_the_callers_own(function):
    p = function(8)
    assert p.dtype == np.intp
    p[:] = 0
    assert function(8)[-1] != 0


def test_kept_permutations_cannot_be_overwritten():
    p = orders.permutation("dyadic", 16)
    with pytest.raises(ValueError, match="read-only"):
        p[0] = 1
    assert orders.permutation("dyadic", 16) is p


@functions
@pytest.mark.parametrize("n", [0, 3, 12, 1023])
def test_other_lengths_are_refused_with_a_way_out(function, n):
    with pytest.raises(ValueError, match="must be a power of two; got .* or pad"):
        function(n)


@functions
def test_wrong_arguments(function):
    with pytest.raises(TypeError, match="must be an integer"):
        function(8.0)
    with pytest.raises(TypeError, match="not bool"):
        function(True)
    with pytest.raises(ValueError, match="non-negative"):
        function(-8)


@functions
@pytest.mark.parametrize("m", [40, 63, 200])
def test_what_cannot_fit_is_refused_at_once(function, m):
    start = time.perf_counter()
    with pytest.raises(MemoryError, match="more than half"):
        function(2**m)
    assert time.perf_counter() - start < 1


def test_unknown_order():
    with pytest.raises(ValueError, match="'dyadic', 'natural', 'sequency'"):
        orders.permutation("paley", 8)
    with pytest.raises(ValueError, match="power of two"):
        orders.permutation("natural", 12)


@pytest.mark.parametrize("order", ["dyadic", "sequency"])
def test_indices_on_the_device(monkeypatch, order):
    cupy = fake_cupy.install(monkeypatch)
    p = orders.permutation(order, 64, cupy)
    assert isinstance(p, cupy.ndarray)
    assert np.array_equal(p.get(), orders.permutation(order, 64))
