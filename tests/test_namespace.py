"""The array that you pass decides: every family on arrays that refuse to become NumPy's.

`fake_cupy` stands in for CuPy, so the paths that a GPU will take run on any machine; where the
emulator of tests/gpu can run, their kernels run too. Where a family needs a host-only LAPACK
routine it must say so, with the way out, and never convert silently.
"""

import fake_cupy
import numpy as np
import pytest
from gpu import emulated, emulator
from support import all_cases, eps, norm1

import structmat as sm

CASES = [
    c for c in all_cases() if c.dense.dtype in (np.float64, np.complex128) and "hard" not in c.tags
]
cases = pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)


@pytest.fixture
def cupy(monkeypatch):
    return (emulated if emulator.available() else fake_cupy).install(monkeypatch)


def on_device(case):
    return case.matrix.to_device("cuda")


def host(x):
    x = x.toarray() if hasattr(x, "toarray") else x
    return x.get() if hasattr(x, "get") else np.asarray(x)


def attempt(function):
    """The result, or None when the family says that this needs the host."""
    try:
        return function()
    except NotImplementedError as error:
        assert "cpu" in str(error), str(error)
        return None


def close(actual, expected, case, factor=1e3):
    scale = max(np.abs(expected).max(initial=0), norm1(case.dense), norm1(case.dense.T))
    bound = factor * max(*case.dense.shape, 1) * eps(case.dense) * scale
    return not np.abs(host(actual) - expected).max(initial=0) > bound


@cases
def test_products_stay_on_the_device(case, cupy):
    A = on_device(case)
    for shape in ((case.dense.shape[1],), (case.dense.shape[1], 3)):
        x = np.linspace(-1, 1, int(np.prod(shape))).reshape(shape)
        y = attempt(lambda x=x: A @ cupy.asarray(x))
        if y is None:
            return
        assert isinstance(y, cupy.ndarray)
        assert close(y, case.dense @ x, case)
        z = A.rmatvec(cupy.asarray(np.ones(case.dense.shape[0])))
        assert isinstance(z, cupy.ndarray)
        assert close(z, case.dense.conj().T @ np.ones(case.dense.shape[0]), case)


@cases
def test_host_and_device_do_not_mix_silently(case, cupy):
    A = on_device(case)
    from structmat.matrices import parameters

    if not parameters.leaves(A):
        return  # a matrix without arrays belongs to every device
    with pytest.raises(TypeError, match="cupy|numpy|device"):
        A @ np.ones(case.dense.shape[1])
    with pytest.raises(TypeError, match="cupy|numpy|device"):
        case.matrix @ cupy.asarray(np.ones(case.dense.shape[1]))


@cases
def test_round_trip_to_the_device(case, cupy):
    assert on_device(case).to_device("cpu") == case.matrix


@cases
def test_a_device_array_on_the_left(case, cupy):
    x = np.ones(case.dense.shape[0])
    y = attempt(lambda: cupy.asarray(x) @ on_device(case))
    if y is not None:
        assert isinstance(y, cupy.ndarray)
        assert close(y, x @ case.dense, case)


@pytest.mark.parametrize(
    "case",
    [c for c in CASES if "square" in c.tags and "singular" not in c.tags],
    ids=lambda c: c.name,
)
def test_solve_and_slogdet_on_the_device(case, cupy):
    A = on_device(case)
    b = np.ones(len(case.dense))
    x = attempt(lambda: A.solve(cupy.asarray(b)))
    if x is not None:
        assert isinstance(x, cupy.ndarray)
        residual = np.abs(case.dense @ host(x) - b).sum()
        scale = norm1(case.dense) * np.abs(host(x)).sum() + b.sum()
        assert not residual > 100 * max(len(b), 1) * eps(case.dense) * scale
    result = attempt(A.slogdet)
    if result is not None:
        expected = np.linalg.slogdet(case.dense)
        assert float(host(result.logabsdet)) == pytest.approx(expected[1], abs=1e-8)


@cases
def test_diagonal_trace_and_toarray_on_the_device(case, cupy):
    A = on_device(case)
    full = attempt(A.toarray)
    if full is not None:
        assert close(full, case.dense, case)
    d = attempt(A.diagonal)
    if d is not None:
        assert close(d, np.diagonal(case.dense), case)


def test_elementwise_families_need_no_host(cupy):
    for A in (
        sm.Diagonal([1.0, 2.0]),
        sm.Kronecker(np.eye(2) + 1, np.eye(3) + 1),
        sm.LowRank(np.ones((3, 1)), np.ones((3, 1))),
        sm.BlockDiagonal(np.ones((2, 3, 3)) + np.eye(3)),
    ):
        y = A.to_device("cuda") @ cupy.asarray(np.ones(A.shape[1]))
        assert np.allclose(host(y), A @ np.ones(A.shape[1]))


@cases
def test_cupyx_operator_of_every_family(case, cupy, rng):
    A, dense = on_device(case).to_cupyx(), case.dense
    assert (A.shape, A.dtype) == (dense.shape, dense.dtype)
    x, X = rng.standard_normal(dense.shape[1]), rng.standard_normal((dense.shape[1], 3))
    y, Y = rng.standard_normal(dense.shape[0]), rng.standard_normal((dense.shape[0], 3))
    for product, operand, expected in (
        (A.matvec, x, dense @ x),
        (A.matvec, x[:, None], dense @ x[:, None]),
        (A.matmat, X, dense @ X),
        (A.rmatvec, y, dense.conj().T @ y),
        (A.rmatmat, Y, dense.conj().T @ Y),
        (A.H.matmat, Y, dense.conj().T @ Y),
        (A.H.rmatmat, X, dense @ X),
        (A.T.matmat, Y, dense.T @ Y),
        (A.T.rmatvec, x, dense.conj() @ x),
    ):
        z = attempt(lambda product=product, operand=operand: product(cupy.asarray(operand)))
        if z is not None:
            assert isinstance(z, cupy.ndarray)
            assert z.shape == expected.shape
            assert close(z, expected, case)
