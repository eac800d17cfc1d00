"""Pairs of cases under +, @, kron and solve: right, structured, and still able to answer verbs."""

import numpy as np
import pytest
from support import all_cases, eps, norm1, ratio_solve

import structmat as sm
from structmat import StructuredMatrix

CASES = [c for c in all_cases() if c.dense.dtype == np.float64 and c.dense.size]


def one_per_family():
    """The first two usable cases of every family keep the number of pairs quadratic but small."""
    seen = {}
    for case in CASES:
        key = type(case.matrix).__name__
        if len(seen.setdefault(key, [])) < 1 and max(case.dense.shape) <= 16:
            seen[key].append(case)
    return [case for group in seen.values() for case in group]


REPRESENTATIVES = one_per_family()


def fit(case, shape, rng):
    """A member of the case's family with the wanted shape, or None."""
    if case.dense.shape == shape:
        return case.matrix, case.dense
    try:
        A = sm.random(type(case.matrix), shape, rng=rng)
    except (NotImplementedError, ValueError, TypeError):
        return None
    return A, A.toarray()


PAIRS = [(a, b) for a in REPRESENTATIVES for b in REPRESENTATIVES]
pairs = pytest.mark.parametrize(
    ("left", "right"), PAIRS, ids=[f"{a.name}-{b.name}" for a, b in PAIRS]
)


def check(B, expected, scale):
    assert isinstance(B, StructuredMatrix)
    assert B.shape == expected.shape
    bound = 100 * max(expected.shape) * eps(expected) * scale
    assert not np.abs(B.toarray() - expected).max(initial=0) > bound
    x = np.linspace(-1, 1, expected.shape[1])
    assert not np.abs(B @ x - expected @ x).max(initial=0) > bound * len(x)
    y = np.linspace(1, 2, expected.shape[0])
    assert not np.abs(B.H @ y - expected.T @ y).max(initial=0) > bound * 2 * len(y)


@pairs
def test_sum(left, right, rng):
    found = fit(right, left.dense.shape, rng)
    if found is None:
        with pytest.raises(ValueError, match="shape"):
            left.matrix + right.matrix
        return
    B, dense = found
    scale = norm1(left.dense) + norm1(dense)
    check(left.matrix + B, left.dense + dense, scale)
    check(left.matrix - B, left.dense - dense, scale)


@pairs
def test_product(left, right, rng):
    n = left.dense.shape[1]
    found = fit(right, (n, n), rng)
    if found is None:
        found = fit(right, (n, right.dense.shape[1]), rng)
    if found is None:
        with pytest.raises(ValueError, match="shape"):
            left.matrix @ right.matrix
        return
    B, dense = found
    check(left.matrix @ B, left.dense @ dense, norm1(left.dense) * norm1(dense))


@pairs
def test_kron(left, right):
    K = np.kron(left.matrix, right.matrix)
    check(K, np.kron(left.dense, right.dense), norm1(left.dense) * norm1(right.dense))


@pairs
def test_solve_with_a_structured_right_hand_side(left, right, rng):
    n = left.dense.shape[0]
    if "square" not in left.tags or {"singular", "hard"} & left.tags:
        return
    found = fit(right, (n, n), rng)
    if found is None:
        return
    B, dense = found
    X = np.linalg.solve(left.matrix, B)
    assert isinstance(X, StructuredMatrix)
    cond = np.linalg.cond(left.dense)
    expected = np.linalg.solve(left.dense, dense)
    bound = 300 * n * eps(dense) * cond * max(np.abs(expected).max(), 1e-300)
    assert not np.abs(X.toarray() - expected).max() > bound


@pytest.mark.parametrize("case", REPRESENTATIVES, ids=lambda c: c.name)
def test_a_product_solves_in_turn_and_its_slogdet_is_a_sum(case, rng):
    if "square" not in case.tags or {"singular", "hard"} & case.tags:
        return
    n = len(case.dense)
    P = sm.Permutation(rng.permutation(n))
    A, dense = case.matrix @ P, case.dense @ P.toarray()
    b = rng.standard_normal(n)
    assert ratio_solve(dense, A.solve(b), b) < 30
    sign, value = A.slogdet()
    expected_sign, expected = np.linalg.slogdet(dense)
    assert sign == pytest.approx(expected_sign)
    assert value == pytest.approx(expected, abs=1e-8 * max(n, abs(expected)))


@pytest.mark.parametrize("case", REPRESENTATIVES, ids=lambda c: c.name)
def test_a_lazy_sum_answers_the_verbs(case, rng):
    if "square" not in case.tags:
        return
    n = len(case.dense)
    P = sm.Permutation(np.roll(np.arange(n), 1))
    shift = 3 * (norm1(case.dense) + norm1(case.dense.T)) or 1.0
    A = case.matrix + shift * P
    dense = case.dense + shift * P.toarray()
    b = rng.standard_normal(n)
    assert ratio_solve(dense, A.solve(b), b) < 30
    assert np.allclose(np.linalg.slogdet(A), np.linalg.slogdet(dense))
    assert np.allclose(np.linalg.svdvals(A), np.linalg.svdvals(dense))
    assert np.trace(A) == pytest.approx(np.trace(dense), abs=1e-10 * shift * n)


@pytest.mark.parametrize("case", REPRESENTATIVES, ids=lambda c: c.name)
def test_sparse_arrays_mix(case):
    import scipy.sparse as sp

    m, n = case.dense.shape
    left = sp.random_array((3, m), density=0.5, rng=1, format="csr")
    right = sp.random_array((n, 3), density=0.5, rng=2, format="csr")
    same = sp.random_array((m, n), density=0.5, rng=3, format="csr")
    scale = np.abs(case.dense).max()
    for actual, expected in (
        (left @ case.matrix, left.toarray() @ case.dense),
        (case.matrix @ right, case.dense @ right.toarray()),
    ):
        assert isinstance(actual, np.ndarray)
        assert np.allclose(actual, expected, atol=1e-12 * scale * max(m, n))
    for total in (case.matrix + same, same + case.matrix):
        assert isinstance(total, StructuredMatrix)
        assert np.allclose(total.toarray(), case.dense + same.toarray(), atol=1e-12 * scale)


@pytest.mark.parametrize("case", REPRESENTATIVES, ids=lambda c: c.name)
def test_numpy_functions(case):
    A, dense = case.matrix, case.dense
    scale = np.abs(dense).max()
    assert np.shape(A) == dense.shape
    assert np.ndim(A) == 2
    assert np.size(A) == dense.size
    assert np.iscomplexobj(A) is False
    assert np.isrealobj(A) is True
    assert np.result_type(A, np.float32) == np.float64
    assert np.common_type(A) is np.float64
    assert np.allclose(A, dense)
    assert np.allclose(A - A, 0 * dense)
    assert np.array_equal(A, A)
    assert np.allclose(np.transpose(A).toarray(), dense.T)
    assert np.allclose(np.real(A).toarray(), dense)
    assert np.allclose(np.imag(A).toarray(), 0)
    assert np.allclose(np.conj(A).toarray(), dense)
    assert np.allclose(np.negative(A).toarray(), -dense)
    assert np.allclose(np.multiply(2.0, A).toarray(), 2 * dense)
    assert np.allclose((np.float64(3) * A).toarray(), 3 * dense)
    assert np.allclose(np.sum(A), dense.sum(), atol=1e-10 * scale * dense.size)
    for axis in (0, 1):
        assert np.allclose(np.sum(A, axis=axis), dense.sum(axis), atol=1e-10 * scale * dense.size)
    with pytest.raises(TypeError, match="toarray"):
        np.linalg.tensorinv(A)
    with pytest.raises(TypeError, match="toarray"):
        np.sort(A)
    with pytest.raises(TypeError):
        np.add(A, A, out=np.empty(dense.shape))


@pytest.mark.parametrize("case", REPRESENTATIVES, ids=lambda c: c.name)
def test_asarray_is_never_silently_dense(case):
    assert np.asarray(case.matrix).shape == ()
