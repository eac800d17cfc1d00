"""Every solver of scipy.sparse.linalg that takes an operator takes ours, for every family."""

import inspect
import warnings

import numpy as np
import pytest
import scipy.linalg.interpolative as interpolative
import scipy.sparse.linalg as spla
from support import all_cases, norm1

import structmat as sm

FLOATS = (np.float64, np.complex128)
CASES = [c for c in all_cases() if c.dense.dtype in FLOATS and 3 <= min(c.dense.shape)]


def first_of_each(cases):
    chosen = {}
    for case in cases:
        chosen.setdefault((type(case.matrix).__name__, case.dense.dtype.kind), case)
    return list(chosen.values())


def param(cases):
    return pytest.mark.parametrize("case", first_of_each(cases), ids=lambda c: c.name)


def good(case):
    return np.linalg.cond(case.dense) < 1e4


SQUARE = [c for c in CASES if "square" in c.tags and "singular" not in c.tags and good(c)]
POSDEF = [c for c in SQUARE if "posdef" in c.tags]
HERMITIAN = [c for c in SQUARE if "hermitian" in c.tags]
ANY = [c for c in CASES if np.linalg.matrix_rank(c.dense) == min(c.dense.shape) and good(c)]


def rhs(case):
    b = np.linspace(1, 2, case.dense.shape[0])
    return b.astype(case.dense.dtype)


def assert_solves(case, x, rtol=1e-5):
    b = rhs(case)
    assert np.linalg.norm(case.dense @ x - b) <= rtol * np.linalg.norm(b) * np.linalg.cond(
        case.dense
    )


@param(POSDEF)
def test_cg(case):
    x, flag = spla.cg(case.matrix, rhs(case), rtol=1e-10)
    assert flag == 0
    assert_solves(case, x)


@param(HERMITIAN)
def test_minres(case):
    if case.dense.dtype.kind == "c":
        return  # SciPy's minres is for real matrices
    x, _ = spla.minres(case.matrix, rhs(case), rtol=1e-12)
    assert_solves(case, x)


@param(SQUARE)
def test_gmres_with_our_inverse_as_preconditioner(case):
    b = rhs(case)
    x, flag = spla.gmres(case.matrix, b, rtol=1e-10, restart=len(b), maxiter=20)
    assert flag == 0
    assert_solves(case, x)
    x, flag = spla.gmres(case.matrix, b, M=np.linalg.inv(case.matrix), rtol=1e-10)
    assert flag == 0
    assert_solves(case, x)


@param(POSDEF)
def test_bicgstab(case):
    x, flag = spla.bicgstab(case.matrix, rhs(case), rtol=1e-8)
    assert flag == 0
    assert_solves(case, x)


@param(POSDEF)
@pytest.mark.parametrize("name", ["bicg", "cgs", "qmr", "lgmres", "gcrotmk", "tfqmr"])
def test_other_krylov_methods(case, name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        x, flag = getattr(spla, name)(case.matrix, rhs(case), rtol=1e-8)
    assert flag == 0
    assert_solves(case, x)


@param(ANY)
@pytest.mark.parametrize("name", ["lsqr", "lsmr"])
def test_least_squares(case, name):
    options = {"atol": 1e-13, "btol": 1e-13, "conlim": 1e12}
    x = getattr(spla, name)(case.matrix, rhs(case), **options)[0]
    gradient = case.dense.conj().T @ (rhs(case) - case.dense @ x)
    assert np.linalg.norm(gradient) <= 1e-6 * norm1(case.dense) ** 2 * len(rhs(case)) + 1e-9


@param([c for c in SQUARE if len(c.dense) > 4])
def test_eigs(case):
    w = spla.eigs(case.matrix, k=1, v0=rhs(case), return_eigenvectors=False)
    expected = abs(np.linalg.eigvals(case.dense)).max()
    assert abs(w).max() == pytest.approx(expected, rel=1e-6)


@param([c for c in HERMITIAN if len(c.dense) > 4])
def test_eigsh(case):
    w = spla.eigsh(case.matrix, k=1, v0=rhs(case), return_eigenvectors=False)
    assert abs(w).max() == pytest.approx(abs(np.linalg.eigvalsh(case.dense)).max(), rel=1e-6)


@param([c for c in ANY if min(c.dense.shape) > 4])
@pytest.mark.parametrize("solver", ["arpack", "lobpcg"])
def test_svds(case, solver):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lobpcg warns on matrices as small as these
        _, s, _ = spla.svds(case.matrix, k=1, solver=solver, random_state=0, maxiter=500)
    assert s[0] == pytest.approx(np.linalg.norm(case.dense, 2), rel=1e-3)


@param([c for c in POSDEF if len(c.dense) > 6])
def test_lobpcg(case):
    X = np.random.default_rng(0).standard_normal((len(case.dense), 1)).astype(case.dense.dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        w, _ = spla.lobpcg(case.matrix, X, maxiter=200, tol=1e-8)
    assert w[0] == pytest.approx(np.linalg.eigvalsh(case.dense)[-1], rel=1e-4)


@param(SQUARE)
def test_expm_multiply(case):
    A = case.matrix / norm1(case.dense)
    dense = case.dense / norm1(case.dense)
    import scipy.linalg

    y = spla.expm_multiply(A, rhs(case), traceA=np.trace(dense))
    assert np.allclose(y, scipy.linalg.expm(dense) @ rhs(case))


@param(SQUARE)
def test_onenormest(case):
    assert spla.onenormest(case.matrix) <= norm1(case.dense) * (1 + 1e-10)
    assert spla.onenormest(case.matrix) >= norm1(case.dense) / 3


@param(CASES)
def test_operator_algebra_with_scipys(case):
    A = spla.aslinearoperator(case.matrix)
    assert A is case.matrix
    theirs = spla.LinearOperator(
        (case.dense.shape[1],) * 2, matvec=lambda x: 2 * x, rmatvec=lambda x: 2 * x,
        dtype=case.dense.dtype,
    )  # fmt: skip
    x = np.linspace(0, 1, case.dense.shape[1])
    assert np.allclose((A @ theirs) @ x, 2 * case.dense @ x)
    assert np.allclose((theirs @ A.H) @ (case.dense @ x), 2 * case.dense.conj().T @ case.dense @ x)
    assert np.allclose((A @ theirs).H @ (case.dense @ x), 2 * case.dense.conj().T @ case.dense @ x)


@param(ANY)
def test_interpolative(case):
    rank = interpolative.estimate_rank(case.matrix, 1e-10)
    assert rank >= np.linalg.matrix_rank(case.dense) - 1


class TestScipy118:
    """The contract of SciPy 1.18 on the class file of the installed one (1.18 needs Python 3.12).

    1.18 sets `_xp` and `ndim` in `LinearOperator.__init__`, calls `_matmat` for an (n, 1)
    operand of `@` and hands batches to the hooks. Our doors are our own, so what is
    checked is that nothing of ours depends on, or collides with, those internals.
    """

    @param(CASES)
    def test_init_was_called(self, case):
        # A subclass that only assigns shape and dtype dies with AttributeError: _xp (issue 26148).
        source = inspect.getsource(sm.StructuredMatrix.__init__)
        assert "super().__init__(dtype" in source
        assert case.matrix.ndim == 2

    @param(CASES)
    def test_hooks_take_vectors_columns_and_blocks(self, case):
        A, dense = case.matrix, case.dense
        n = dense.shape[1]
        assert np.allclose(A._matvec(np.ones(n)), dense @ np.ones(n))
        assert A._matmat(np.ones((n, 1))).shape == (dense.shape[0], 1)
        assert A._rmatmat(np.ones((dense.shape[0], 2))).shape == (n, 2)
        assert A._adjoint().shape == dense.shape[::-1]
        assert A._transpose().shape == dense.shape[::-1]

    @param(CASES)
    def test_at_takes_batches_of_matrices(self, case):
        n = case.dense.shape[1]
        x = np.arange(2.0 * n * 3).reshape(2, n, 3)
        assert np.allclose(case.matrix @ x, case.dense @ x)

    def test_an_attribute_named_xp_does_not_disturb(self):
        A = sm.Diagonal(np.array([1.0, 2.0]))
        A._xp = np
        assert np.array_equal(A @ np.ones(2), [1.0, 2.0])
