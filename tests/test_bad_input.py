"""Bad input and faults, written once for every family.

The numbers are those of the checklist in docs/accuracy: each test names the ones it covers.
"""

import copy
import os
import pickle
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from support import all_cases, eps, layouts, norm1

import structmat as sm

CASES = all_cases()
every = pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)


def one_each(cases):
    chosen = {}
    for case in cases:
        if case.dense.size and case.dense.dtype == np.float64:
            chosen.setdefault(type(case.matrix).__name__, case)
    return list(chosen.values())


FAMILIES = one_each(CASES)
SQUARE = one_each(c for c in CASES if "square" in c.tags and not {"singular", "hard"} & c.tags)
family = pytest.mark.parametrize("case", FAMILIES, ids=lambda c: c.name)
square = pytest.mark.parametrize("case", SQUARE, ids=lambda c: c.name)


# ------------------------------------------------------------------ 1-5: values


@family
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_01_products_propagate_nan_and_inf(case, bad):
    x = np.ones(case.dense.shape[1])
    x[0] = bad
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours, theirs = case.matrix @ x, case.dense @ x
    touched = case.dense[:, 0] != 0
    assert not np.isfinite(ours[touched]).any()
    assert np.isnan(theirs).any() or not np.isfinite(theirs[touched]).any()


@square
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_01_solves_refuse_nan_and_inf(case, bad):
    b = np.ones(len(case.dense))
    b[-1] = bad
    for verb in (np.linalg.solve, np.linalg.lstsq):
        with pytest.raises(ValueError, match="infs or NaNs"):
            verb(case.matrix, b)


@square
def test_01_factorisations_refuse_nan_parameters(case):
    A = poisoned(case.matrix)
    if A is None or np.isfinite(A.toarray()).all():  # a number that is stored but never read
        return
    for verb in ("solve", "svd", "slogdet", "eigvals"):
        arguments = (np.ones(len(case.dense)),) if verb == "solve" else ()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises((ValueError, np.linalg.LinAlgError)):
                getattr(A, verb)(*arguments)


def poisoned(A):
    """The same family with a NaN in its first floating array, or None if it has none."""
    done = []

    def poison(x):
        if isinstance(x, np.ndarray) and x.dtype.kind in "fc" and x.size and not done:
            done.append(True)
            x = x.copy()
            x.flat[0] = np.nan
        elif isinstance(x, sm.StructuredMatrix) and not done:
            inner = poisoned(x)
            if inner is not None:
                done.append(True)
                return inner
        return x

    from structmat.matrices import parameters

    try:
        B = parameters.rebuild(A, poison)
    except ValueError:
        return None  # the constructor itself refuses NaN
    return B if done else None


@square
@pytest.mark.parametrize("scale", [1e150, 1e-150])
def test_03_extreme_scales_are_solved(case, scale):
    A = case.matrix * scale
    b = np.linspace(1, 2, len(case.dense))
    x = A.solve(b)
    expected = case.matrix.solve(b)
    assert np.allclose(x * scale, expected, rtol=1e-9 * np.linalg.cond(case.dense), atol=0)
    assert np.isfinite(np.linalg.norm(A))
    assert np.linalg.norm(A) == pytest.approx(np.linalg.norm(case.matrix) * scale, rel=1e-9)
    S = np.linalg.svdvals(A)
    assert np.allclose(
        S / scale, np.linalg.svdvals(case.matrix), rtol=1e-9, atol=1e-9 * S[0] / scale
    )
    value = np.linalg.slogdet(A).logabsdet
    n = len(case.dense)
    expected = np.linalg.slogdet(case.matrix).logabsdet + n * np.log(scale)
    assert value == pytest.approx(expected, rel=1e-9, abs=1e-9 * n)


@square
def test_03_det_that_overflows_is_an_overflow_error(case):
    A = case.matrix * 1e150
    if len(case.dense) * 150 + np.linalg.slogdet(case.dense)[1] / np.log(10) < 320:
        return
    with pytest.raises(OverflowError, match="slogdet"):
        np.linalg.det(A)


@square
def test_03_no_hidden_runtime_warnings(case):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        case.matrix @ np.ones(len(case.dense))
        case.matrix.solve(np.ones(len(case.dense)))
        case.matrix.slogdet()
        case.matrix.svd()


@family
def test_04_subnormals_survive_a_product(case):
    tiny = np.full(case.dense.shape[1], 1e-310)
    expected = case.dense @ tiny
    bound = 8 * max(case.dense.shape) * 5e-324 + 1e-9 * np.abs(expected).max()
    bound += 1e-12 * 1e-310 * norm1(case.dense.T)
    assert np.abs(case.matrix @ tiny - expected).max() <= max(bound, 1e-320)


# ------------------------------------------------------------------ 6-11: dtypes


@family
@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint16, bool])
def test_06_integers_become_float64(case, dtype):
    x = np.ones(case.dense.shape[1], dtype)
    y = case.matrix @ x
    assert y.dtype == np.float64
    assert np.allclose(y, case.dense @ x, atol=1e-12 * norm1(case.dense.T))


@family
@pytest.mark.parametrize(
    "dtype", [np.float16, np.longdouble, np.clongdouble, object, "U3", "M8[s]"]
)
def test_07_08_other_dtypes_are_type_errors(case, dtype):
    x = np.zeros(case.dense.shape[1], dtype)
    if x.dtype in (np.dtype(np.float64), np.dtype(np.complex128)):
        return  # longdouble is float64 on this platform
    for use in (lambda: case.matrix @ x, lambda: x.reshape(1, -1) @ case.matrix.T):
        with pytest.raises(TypeError):
            use()
    with pytest.raises(TypeError, match="supported"):
        case.matrix.lstsq(np.zeros(case.dense.shape[0], dtype))


@square
def test_09_complex_parts_are_never_dropped(case):
    b = np.ones(len(case.dense)) + 1j * np.arange(len(case.dense))
    x = case.matrix.solve(b)
    assert x.dtype == np.complex128
    assert np.allclose(x.imag, case.matrix.solve(b.imag), rtol=1e-8, atol=1e-10 * np.abs(x).max())
    assert (case.matrix @ b).dtype == np.complex128
    assert np.allclose((case.matrix @ b).imag, case.matrix @ b.imag)


@family
def test_10_12_layouts_are_accepted_and_inputs_unharmed(case):
    X = np.linspace(-1, 1, case.dense.shape[1] * 3).reshape(-1, 3)
    expected = case.dense @ X
    for name, Y in layouts(X):
        before = Y.copy()
        assert np.allclose(case.matrix @ Y, expected, atol=1e-10 * norm1(case.dense.T)), name
        assert np.array_equal(Y, before), name
        assert (case.matrix @ Y).dtype.isnative


@square
def test_12_solve_accepts_layouts_and_leaves_them(case):
    B = np.linspace(-1, 1, len(case.dense) * 3).reshape(-1, 3)
    expected = case.matrix.solve(B)
    for name, C in layouts(B):
        before = C.copy()
        assert np.allclose(case.matrix.solve(C), expected), name
        assert np.array_equal(C, before), name


@square
def test_12_parameters_are_not_modified(case):
    before = pickle.dumps(case.matrix)
    A = case.matrix
    A @ np.ones(len(case.dense))
    A.solve(np.ones(len(case.dense)))
    A.svd(), A.slogdet(), A.inv(), A.qr(), A.eigvals(), A.norm(1), A.pinv()
    assert pickle.dumps(A) == before


@family
def test_11_mixed_precision_promotes(case):
    x = np.ones(case.dense.shape[1], np.float32)
    assert (case.matrix @ x).dtype == np.float64
    assert (case.matrix.astype(np.complex64) @ x).dtype == np.complex64
    assert (case.matrix.astype(np.complex64) @ x.astype(np.float64)).dtype == np.complex128
    assert (np.float32(2) * case.matrix).dtype == np.float64
    assert (2 * case.matrix).dtype == np.float64


# ------------------------------------------------------------------ 13-18: shapes and kinds


@family
def test_13_scalars_and_0d(case):
    for scalar in (2.0, np.float64(2), np.array(2.0)):
        with pytest.raises(ValueError, match="Scalar operands"):
            case.matrix @ scalar
        with pytest.raises(ValueError, match="Scalar operands"):
            scalar @ case.matrix if not isinstance(scalar, float) else case.matrix.__rmatmul__(2.0)


@every
def test_14_no_columns(case):
    m, n = case.dense.shape
    assert (case.matrix @ np.empty((n, 0), case.dense.dtype)).shape == (m, 0)
    if m == n and "singular" not in case.tags:
        assert case.matrix.solve(np.empty((n, 0), case.dense.dtype)).shape == (n, 0)


@family
def test_15_masked_arrays_and_sparse(case):
    m, n = case.dense.shape
    masked = np.ma.array(np.ones(n), mask=np.arange(n) == 0)
    with pytest.raises(TypeError, match="masked"):
        case.matrix @ masked
    with pytest.raises((ValueError, TypeError), match="sparse|toarray"):
        case.matrix.lstsq(sp.csr_array(np.ones((m, 1))))
    old = np.asarray(np.ones((n, 2))).view(np.matrix)
    assert type(case.matrix @ old) is np.ndarray


@family
def test_16_ragged_lists(case):
    with pytest.raises(ValueError, match="inhomogeneous"):
        case.matrix @ [[1.0], [1.0, 2.0]]


@family
def test_17_memmaps_and_subclasses(case, tmp_path):
    n = case.dense.shape[1]
    x = np.memmap(tmp_path / "x", dtype=np.float64, mode="w+", shape=(n, 2))
    x[:] = 1
    assert type(case.matrix @ x) is np.ndarray


@family
def test_19_wrong_shapes_name_both(case):
    m, n = case.dense.shape
    with pytest.raises(ValueError) as error:
        case.matrix @ np.ones(n + 2)
    assert str((m, n)) in str(error.value)
    assert str((n + 2,)) in str(error.value)
    with pytest.raises(ValueError) as error:
        case.matrix.lstsq(np.ones(m + 2))
    assert str((m, n)) in str(error.value)
    assert str((m + 2,)) in str(error.value)


@family
def test_19_square_verbs_refuse_rectangles(case):
    m, n = case.dense.shape
    if m == n:
        return
    for verb in (np.linalg.inv, np.linalg.slogdet, np.linalg.eig, np.linalg.eigh, np.linalg.det):
        with pytest.raises(ValueError, match="square|Hermitian"):
            verb(case.matrix)
    with pytest.raises(ValueError, match="lstsq"):
        case.matrix.solve(np.ones(m))


@family
@pytest.mark.parametrize(
    ("k", "error"),
    [(0, ValueError), (-1, ValueError), (10**6, ValueError), (1.5, TypeError), (True, TypeError)],
)
def test_21_k_is_checked(case, k, error):
    with pytest.raises(error, match="`k`"):
        sm.linalg.svds(case.matrix, k)


@square
def test_22_unknown_options_list_the_known(case):
    with pytest.raises(ValueError, match="'auto', 'dense', 'direct', 'iterative'"):
        case.matrix.solve(np.ones(len(case.dense)), method="magic")
    with pytest.raises(ValueError, match="'fro'"):
        np.linalg.norm(case.matrix, "max")
    with pytest.raises(ValueError, match="eigh"):
        case.matrix.explain("dance")


@square
@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_23_tolerances_are_checked(case, bad):
    with pytest.raises(ValueError, match="rtol"):
        case.matrix.solve(np.ones(len(case.dense)), rtol=bad)
    with pytest.raises(ValueError, match="rtol"):
        case.matrix.matrix_rank(rtol=bad)


@square
def test_24_numpy_integer_arguments(case):
    assert sm.linalg.svds(case.matrix, np.int32(1)).S.shape == (1,)
    assert (case.matrix ** np.int8(2)).shape == case.dense.shape


def test_25_too_large_is_said_at_once():
    A = sm.Identity(10**9)
    with pytest.raises(MemoryError, match="half of this machine"):
        A.toarray()
    with pytest.raises(MemoryError):
        A[:, :]


@family
def test_26_rng_accepts_all_forms(case):
    if case.dense.shape[0] != case.dense.shape[1]:
        return
    for rng in (None, 0, np.random.default_rng(0)):
        sm.linalg.trace_est(case.matrix, rng=rng)
    first, second = (sm.linalg.norm_est(case.matrix, 2, rng=7).value for _ in range(2))
    assert first == second


# ------------------------------------------------------------------ 27: convergence


def shifted_operator(n=3000):
    """Too large for the silent dense route, without a structured rule."""
    P = sm.Permutation(np.roll(np.arange(n), 1))
    return sm.Diagonal(np.linspace(4, 9, n)) + P


def test_27_not_converged_carries_the_partial_result():
    A = shifted_operator()
    b = np.ones(3000)
    with pytest.raises(sm.ConvergenceError, match="maxiter") as error:
        A.solve(b, method="iterative", maxiter=2)
    assert error.value.result.shape == (3000, 1)
    assert not error.value.info.converged
    assert np.isfinite(error.value.result).all()


def test_27_iterative_solves_certify():
    A = shifted_operator()
    b = np.ones(3000)
    x, info = sm.linalg.solve(A, b, return_info=True)
    assert info.converged
    assert info.n_iter > 0
    assert np.linalg.norm(A @ x - b) <= 1e-8 * np.linalg.norm(b)
    assert info.backward_error < 1e-8


def test_27_zero_right_hand_side_returns_at_once():
    x, info = sm.linalg.solve(shifted_operator(), np.zeros(3000), return_info=True)
    assert info.n_iter == 0
    assert not x.any()


def test_28_callback_exceptions_propagate():
    class Stop(Exception):
        pass

    def callback(_):
        raise Stop

    A = shifted_operator()
    with pytest.raises(Stop):
        A.solve(np.ones(3000), method="iterative", callback=callback)
    assert (A @ np.ones(3000)).shape == (3000,)


# ------------------------------------------------------------------ 2: singular, ill-conditioned


def test_02_ill_conditioned_warns_with_rcond_and_returns():
    A = sm.Dense(np.array([[1.0, 1.0], [1.0, 1.0 + 1e-17 + 2e-16]]))
    with pytest.warns(scipy.linalg.LinAlgWarning, match="rcond"):
        x = A.solve([1.0, 1.0])
    assert np.isfinite(x).all()


def test_densify_warning_above_the_stated_size():
    n = 2100
    A = sm.Permutation(np.roll(np.arange(n), 1)) + sm.Diagonal(np.linspace(2, 3, n))
    with pytest.warns(sm.DensifyWarning, match="32|MiB"):
        A.slogdet()


# ------------------------------------------------------------------ 30-40: process


@square
def test_30_threads_share_a_matrix(case):
    b = np.linspace(0, 1, len(case.dense))
    expected = case.matrix @ b, case.matrix.solve(b)
    wrong = []

    def work():
        for _ in range(5):
            if not (
                np.array_equal(case.matrix @ b, expected[0])
                and np.array_equal(case.matrix.solve(b), expected[1])
            ):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_31_works_after_a_fork():
    code = (
        "import os, numpy as np, structmat as sm\n"
        "A = sm.Kronecker(*[np.eye(16) + 0.1] * 4)\n"
        "x = np.ones(16**4); y = A @ x\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    os._exit(0 if np.array_equal(A @ x, y) else 3)\n"
        "print(os.waitpid(pid, 0)[1])\n"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert out.stdout.strip() == "0"


@family
def test_32_pickles_hold_no_closures(case):
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(case.matrix, protocol)) == case.matrix
    assert copy.deepcopy(case.matrix) == case.matrix


def test_36_37_missing_gpu_names_the_extra():
    A = sm.Diagonal([1.0])
    assert A.to_device("cpu") == A
    try:
        import cupy  # noqa: F401
    except ImportError:
        with pytest.raises(ImportError, match="cuda12|cuda13"):
            A.to_device("cuda")
    with pytest.raises(ValueError, match="'cpu', 'cuda'"):
        A.to_device("tpu")


def test_40_validation_survives_python_OO():
    code = (
        "import numpy as np, structmat as sm\n"
        "try:\n"
        "    sm.Diagonal([1.0, 2.0]) @ np.ones(3)\n"
        "except ValueError:\n"
        "    print(sm.Kronecker(np.eye(2), np.eye(2)).solve(np.ones(4)).sum())\n"
    )
    out = subprocess.run([sys.executable, "-OO", "-c", code], capture_output=True, text=True)
    assert out.stdout.strip() == "4.0", out.stderr


def test_40_locale_and_cwd_do_not_matter(tmp_path):
    code = "import structmat as sm; print(sm.Diagonal([0.5]).solve([1.0])[0])"
    env = {**os.environ, "LC_ALL": "C", "PYTHONPATH": os.getcwd()}
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=env
    )
    assert out.stdout.strip() == "2.0", out.stderr


# ------------------------------------------------------------------ properties


@given(data=st.data())
def test_products_for_any_layout_dtype_and_shape(data):
    case = data.draw(st.sampled_from(CASES))
    n = case.dense.shape[1]
    k = data.draw(st.integers(0, 5))
    dtype = data.draw(
        st.sampled_from([np.float32, np.float64, np.complex64, np.complex128, np.int32])
    )
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    X = rng.integers(-4, 5, (n, k)).astype(dtype)
    if np.dtype(dtype).kind == "c":
        X = X + (1j * rng.integers(-4, 5, (n, k))).astype(dtype)
    name, Y = data.draw(st.sampled_from(list(layouts(X))))
    result = case.matrix @ Y
    expected = case.dense.astype(np.result_type(case.dense, np.float64)) @ X
    bound = 100 * max(case.dense.shape) * eps(case.dense) * (norm1(case.dense.T) + 1) * 6
    assert not np.abs(result - expected).max(initial=0) > bound, (case.name, name)


@given(data=st.data())
def test_scaling_by_powers_of_two_is_exact(data):
    case = data.draw(st.sampled_from([c for c in CASES if "hard" not in c.tags]))
    power = 2.0 ** data.draw(st.integers(-20, 20))
    x = np.linspace(-1, 1, case.dense.shape[1]).astype(case.dense.dtype)
    assert np.array_equal(
        case.matrix @ (x * case.dense.dtype.type(power)), (case.matrix @ x) * power
    )


@given(data=st.data())
def test_solve_then_multiply_returns(data):
    case = data.draw(
        st.sampled_from([c for c in CASES if "square" in c.tags and not {"singular"} & c.tags])
    )
    seed = data.draw(st.integers(0, 2**32))
    b = np.random.default_rng(seed).standard_normal(len(case.dense)).astype(case.dense.dtype)
    x = case.matrix.solve(b)
    A = case.dense.astype(np.result_type(case.dense, np.float64))
    scale = norm1(A) * np.abs(x).sum() + np.abs(b).sum()
    assert not np.abs(A @ x - b).sum() > 30 * max(len(b), 1) * eps(case.dense) * scale


# ------------------------------------------------------------------ words


def test_project_says_which_options_a_family_has():
    M = np.eye(4)
    with pytest.raises(TypeError, match="rank"):
        sm.project(M, sm.LowRank, ranks=2)
    with pytest.raises(TypeError, match=r"no projection; help\(structmat.project\)"):
        sm.project(M, sm.KhatriRao)
    with pytest.raises(TypeError, match="family.*'Kronecker'"):
        sm.project(M, "Kronecker")


def test_project_with_arguments_swapped():
    with pytest.raises(TypeError, match="swapped") as caught:
        sm.project(sm.Monarch, np.eye(64))
    assert len(str(caught.value)) < 100
    with pytest.raises(TypeError, match="family.*ndarray"):
        sm.project(np.eye(64), np.eye(64))


def test_project_of_a_function_names_what_takes_one():
    with pytest.raises(TypeError, match="fit_butterfly.*LinearOperator"):
        sm.project(lambda X: X, sm.Monarch)


@pytest.mark.parametrize(
    ("family", "listed"), [(sm.Monarch, "block_rank, blocks"), (sm.Toeplitz, "none")]
)
def test_random_says_which_options_a_family_has(family, listed):
    with pytest.raises(TypeError, match=f"'rank'.*{family.__name__}.*{listed}"):
        sm.random(family, 16, rank=2)


def test_nan_in_a_hermitian_verb_is_called_nan():
    A = sm.Dense(np.array([[1.0, np.nan], [np.nan, 1.0]]))
    for verb in (np.linalg.eigh, np.linalg.eigvalsh, np.linalg.cholesky):
        with pytest.raises(ValueError, match="infs or NaNs"):
            verb(A)


def test_a_family_of_integers_is_told_what_to_do():
    class Ones(sm.StructuredMatrix):
        def __init__(self):
            super().__init__(np.int64, (2, 2))

    with pytest.raises(TypeError, match="dtype=float"):
        Ones()


def test_truthy_strings_are_not_flags():
    with pytest.raises(TypeError, match="`lower` must be True or False"):
        sm.Triangular(np.eye(2), "upper")


def test_34_interrupting_an_iteration_leaves_the_matrix_usable():
    A = shifted_operator()

    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        A.solve(np.ones(3000), method="iterative", callback=interrupt)
    assert np.isfinite(A.solve(np.ones(3000))).all()


def test_34_35_an_interrupted_or_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    A = sm.Diagonal([1.0, 2.0])
    A.save(path)
    for error in (KeyboardInterrupt, OSError(28, "No space left on device")):

        def fail(*_, _error=error, **__):
            raise _error

        with monkeypatch.context() as patch:
            patch.setattr(np, "savez", fail)
            with pytest.raises((KeyboardInterrupt, OSError)):
                sm.Diagonal([3.0]).save(path)
        assert sm.load(path) == A
        assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


def test_a_sum_of_three_kronecker_products_is_solved_by_a_preconditioned_iteration():
    rng = np.random.default_rng(0)
    n = 60

    def near(shift, size):
        return shift * np.eye(n) + size * rng.standard_normal((n, n)) / n**0.5

    terms = [sm.Kronecker(near(2, 0.3), near(2, 0.3))]
    terms += [sm.Kronecker(near(0.2, 0.1), near(0.2, 0.1)) for _ in range(2)]
    A = terms[0] + terms[1] + terms[2]
    b = rng.standard_normal(n * n)
    x, info = sm.linalg.solve(A, b, return_info=True)
    assert info.n_iter > 0
    assert info.n_iter < 60
    assert np.linalg.norm(A @ x - b) < 1e-8 * np.linalg.norm(b)


def test_project_says_when_a_tolerance_is_not_reached():
    M = np.arange(16.0).reshape(4, 4)
    with pytest.warns(RuntimeWarning, match="above rtol"):
        result = sm.project(M, sm.Diagonal, rtol=1e-3)
    assert result.error > 1e-3


@pytest.mark.parametrize("family", [sm.Monarch, sm.LowRank])
def test_project_says_when_a_tolerance_costs_more_than_the_matrix(family):
    M = np.random.default_rng(0).standard_normal((64, 64))
    with pytest.warns(RuntimeWarning, match="the dense 64x64 matrix 32 KiB"):
        result = sm.project(M, family, rtol=1e-12)
    assert result.error < 1e-12
    assert result.matrix.nbytes > M.nbytes


def test_project_is_silent_where_a_tolerance_saves_bytes_or_the_rank_was_given():
    M = np.random.default_rng(0).standard_normal((64, 64))
    assert sm.project(np.ones((64, 64)), sm.Monarch, rtol=1e-12).error < 1e-12
    assert sm.project(M, sm.Monarch, block_rank=8).error < 1e-12


@pytest.mark.parametrize("rtol", ["a", [1, 2], 1j])
def test_a_tolerance_that_is_no_number_is_named(rtol):
    with pytest.raises(TypeError, match="`rtol`"):
        sm.project(np.eye(4), sm.Monarch, rtol=rtol)
