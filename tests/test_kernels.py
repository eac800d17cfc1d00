"""The CPU back end: kernels against literal np.kron, threads, and a lazy, forgiving Numba."""

import os
import signal
import subprocess
import sys
import threading
import time
from functools import reduce
from pathlib import Path

import numpy as np
import pytest

import structmat as sm
from structmat._backend import cpu as policy
from structmat._backend import workers
from structmat.matrices.kronecker import cpu, sweeps

DTYPES = ("float32", "float64", "complex64", "complex128")
SHAPES = (
    ((1, 1),),
    ((5, 5),),
    ((33, 33),),
    ((1, 1), (33, 33), (1, 1)),
    ((2, 2),) * 7,
    ((3, 3), (7, 7), (5, 5)),
    ((8, 8), (8, 8), (8, 8)),
    ((4, 4),) * 4,
    ((16, 16), (16, 16)),
    ((9, 9), (17, 17)),
    ((17, 16), (16, 17)),
    ((3, 5), (5, 3), (2, 7)),
    ((33, 9), (16, 8), (1, 2)),
    ((2, 16), (16, 2), (8, 16)),
    ((7, 1), (1, 7), (2, 2)),
)
COLUMNS = (0, 1, 2, 3, 63, 64, 65)


@pytest.fixture
def kernels(monkeypatch):
    """Every real product goes through the kernels, however small, and in several tasks."""
    monkeypatch.setattr(cpu, "_SMALL", 1)
    monkeypatch.setattr(sweeps, "_SERIAL", 0)
    monkeypatch.setattr(sweeps, "_TASK", 2**12)
    sweeps.plan.cache_clear()
    yield
    sweeps.plan.cache_clear()


def integers(rng, shape, dtype):
    """Small integers: every sum is exact in every order."""
    x = rng.integers(-3, 4, shape)
    if dtype.startswith("complex"):
        x = x + 1j * rng.integers(-3, 4, shape)
    return x.astype(dtype)


def draw(rng, shapes, k, dtype):
    factors = [integers(rng, shape, dtype) for shape in shapes]
    return factors, integers(rng, (int(np.prod([n for _, n in shapes])), k), dtype)


# ------------------------------------------------------------- products


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_product_is_the_literal_kronecker_product(rng, kernels, shapes, dtype):
    for k in COLUMNS:
        factors, X = draw(rng, shapes, k, dtype)
        Y = cpu.apply(factors, X)
        expected = reduce(np.kron, factors) @ X
        assert Y.dtype == X.dtype
        assert Y.shape == expected.shape
        assert Y.flags.c_contiguous
        np.testing.assert_array_equal(Y, expected, err_msg=f"{k} columns")


@pytest.mark.parametrize("dtype", DTYPES)
def test_small_products_use_no_kernel_and_agree(rng, dtype):
    for shapes in SHAPES:
        factors, X = draw(rng, shapes, 3, dtype)
        np.testing.assert_array_equal(cpu.apply(factors, X), reduce(np.kron, factors) @ X)


@pytest.mark.parametrize("k", [1, 3, 64])
def test_sizes_above_the_threshold_of_the_kernels(rng, k):
    shapes = ((16, 16), (24, 12), (8, 16)) if k > 1 else ((16, 16), (32, 32), (33, 32))
    factors, X = draw(rng, shapes, k, "float64")
    Y = X.reshape(shapes[0][1], shapes[1][1], shapes[2][1], k)
    expected = np.einsum("ai,bj,cl,ijlk->abck", *factors, Y, optimize=True)
    np.testing.assert_array_equal(cpu.apply(factors, X), expected.reshape(-1, k))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_strides_of_factors_do_not_matter(rng, kernels, dtype):
    shapes = ((16, 8), (9, 16))
    factors, X = draw(rng, shapes, 5, dtype)
    expected = cpu.apply(factors, X)
    wide = [np.zeros((2 * m, 3 * n), dtype) for m, n in shapes]
    for W, A in zip(wide, factors):
        W[::2, ::3] = A
    for other in (
        [np.asfortranarray(A) for A in factors],
        [W[::2, ::3] for W in wide],
        [A[::-1, ::-1].copy()[::-1, ::-1] for A in factors],
    ):
        np.testing.assert_array_equal(cpu.apply(other, X), expected)


@pytest.mark.parametrize("k", [1, 16])
def test_read_only_operands_are_taken_and_unharmed(rng, kernels, k):
    factors, X = draw(rng, ((16, 16), (8, 8)), k, "float64")
    before = X.copy()
    expected = cpu.apply(factors, X)
    for A in (*factors, X):
        A.flags.writeable = False
    count = len(cpu._columns.signatures) if hasattr(cpu._columns, "signatures") else None
    np.testing.assert_array_equal(cpu.apply(factors, X), expected)
    np.testing.assert_array_equal(X, before)
    if count is not None:  # no second compilation for read-only arrays
        assert len(cpu._columns.signatures) == count


def test_empty_sides(kernels):
    for shapes, k in (
        (((0, 3), (2, 2)), 4),
        (((3, 0), (2, 2)), 4),
        (((0, 0),), 2),
        (((2, 2), (3, 3)), 0),
    ):
        factors = [np.ones(shape) for shape in shapes]
        Y = cpu.apply(factors, np.ones((int(np.prod([n for _, n in shapes])), k)))
        np.testing.assert_array_equal(Y, np.zeros((int(np.prod([m for m, _ in shapes])), k)))


def test_result_is_a_new_array(kernels):
    for X in (np.ones((1, 3)), np.ones((8, 64))):
        Y = cpu.apply([np.eye(len(X))], X)
        assert not np.shares_memory(X, Y)


def test_nan_and_inf_spread_as_in_matmul(rng, kernels):
    factors = [rng.standard_normal((16, 16)), rng.standard_normal((8, 8))]
    for k in (1, 3, 65):
        X = rng.standard_normal((128, k))
        X[5, 0], X[70, -1] = np.nan, np.inf
        with np.errstate(invalid="ignore"):
            expected = np.kron(*factors) @ X
            Y = cpu.apply(factors, X)
        np.testing.assert_array_equal(np.isnan(Y), np.isnan(expected))
        np.testing.assert_array_equal(np.isposinf(Y), np.isposinf(expected))
        good = np.isfinite(expected)
        np.testing.assert_allclose(Y[good], expected[good], rtol=1e-12)


def test_factors_are_never_merged(kernels):
    # The product of the two factors overflows; A (B x) does not.
    factors = [1e200 * np.eye(8), 1e200 * np.eye(8)]
    Y = cpu.apply(factors, np.full((64, 8), 1e-300))
    np.testing.assert_allclose(Y, 1e100)


@pytest.mark.parametrize("right", [1, 3, 40])
def test_one_mode(rng, kernels, right):
    A, X = integers(rng, (9, 16), "float32"), integers(rng, (6, 16, right), "float32")
    expected = np.einsum("mn,anr->amr", A, X)
    np.testing.assert_array_equal(cpu.apply_mode(A, X, 6, right), expected)


def test_rectangular_order_is_the_cheapest():
    def flops(order, shapes):
        sizes, total = [n for _, n in shapes], 0
        for i in order:
            total += shapes[i][0] * np.prod(sizes)
            sizes[i] = shapes[i][0]
        return total

    from itertools import permutations

    for shapes in (((2, 30), (40, 3), (5, 5)), ((9, 4), (4, 9), (1, 6)), ((7, 2), (3, 8), (8, 3))):
        best = min(flops(order, shapes) for order in permutations(range(3)))
        assert flops(sweeps.order(shapes), shapes) == best


# ------------------------------------------------------------- memory


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_kernels_stay_inside_their_buffers(rng, kernels, monkeypatch, dtype):
    """Every buffer lies between guards, which hold what they held; NaN guards are not read."""
    guard, guarded = 64, []

    def fenced(n, dtype):
        whole = np.full(n + 2 * guard, np.nan, dtype)
        guarded.append((whole, n))
        return whole[guard : guard + n]

    monkeypatch.setattr(cpu.memory, "aligned", fenced)
    monkeypatch.setattr(cpu, "_borrow", lambda n, dtype: (fenced(n, dtype), None))
    for shapes in SHAPES:
        for k in (1, 3, 7, 16, 65):
            factors, X = draw(rng, shapes, k, dtype)
            x = fenced(X.size, X.dtype)
            x[:] = X.ravel()
            Y = cpu.apply(factors, x.reshape(X.shape))
            np.testing.assert_array_equal(Y, reduce(np.kron, factors) @ X)
            for whole, n in guarded:
                assert np.isnan(whole[:guard]).all()
                assert np.isnan(whole[guard + n :]).all()
            guarded.clear()


def test_kernels_run_as_plain_python():
    """With the compiler off every index is checked by NumPy, in the intrinsics too."""
    code = (
        "import numpy as np\n"
        "from functools import reduce\n"
        "from structmat.matrices.kronecker import cpu\n"
        "cpu._SMALL = 0\n"
        "for shapes in (((9, 9),), ((2, 3), (8, 8)), ((3, 3), (2, 2), (8, 8)), ((10, 2),)):\n"
        "    for k in (1, 3, 9):\n"
        "        F = [np.ones(s) + np.arange(s[1]) for s in shapes]\n"
        "        X = np.arange(float(k * np.prod([n for _, n in shapes]))).reshape(-1, k)\n"
        "        assert np.array_equal(cpu.apply(F, X), reduce(np.kron, F) @ X), (shapes, k)\n"
        "print('same')"
    )
    assert python(code, NUMBA_DISABLE_JIT="1") == "same"


# ------------------------------------------------------------- threads


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("k", [1, 3, 65])
def test_bits_do_not_depend_on_the_number_of_workers(rng, kernels, dtype, k):
    factors = [rng.standard_normal((n, n)).astype(dtype) for n in (16, 7, 16)]
    X = rng.standard_normal((16 * 7 * 16, k)).astype(dtype)
    results = []
    for count in (1, 2, 3):
        with sm.set_workers(count):
            results.append(cpu.apply(factors, X))
    assert results[0].tobytes() == results[1].tobytes() == results[2].tobytes()
    np.testing.assert_allclose(
        results[0], reduce(np.kron, factors) @ X, rtol=0, atol=1e-3 if dtype == "float32" else 1e-11
    )


def test_set_workers_is_a_function_and_a_context():
    before = workers.get_workers()
    with sm.set_workers(3):
        assert workers.get_workers() == 3
        with sm.set_workers(1):
            assert workers.get_workers() == 1
        assert workers.get_workers() == 3
    assert workers.get_workers() == before
    sm.set_workers(2)
    assert workers.get_workers() == 2
    assert repr(sm.set_workers(None)) == "set_workers(None)"
    assert workers.get_workers() == before
    with pytest.raises(ValueError, match="at least 1, got 0"):
        sm.set_workers(0)
    with pytest.raises(TypeError, match="integer"):
        sm.set_workers(1.5)


def test_every_task_runs_once_and_on_several_threads():
    seen, threads, gate = [], set(), threading.Barrier(3, timeout=10)

    def task(i):
        if i < 3:
            gate.wait()  # only three threads at once get past
        seen.append(i)
        threads.add(threading.get_ident())

    with sm.set_workers(3):
        workers.run(task, [(i,) for i in range(20)])
    assert sorted(seen) == list(range(20))
    assert len(threads) == 3


def test_nested_use_is_serial():
    inner = []

    def outer(i):
        me = threading.get_ident()
        workers.run(lambda _: inner.append(threading.get_ident() == me), [(j,) for j in range(4)])

    with sm.set_workers(2):
        workers.run(outer, [(i,) for i in range(4)])
    assert inner == [True] * 16


def test_first_error_is_raised_and_the_pool_survives():
    def task(i):
        if i == 2:
            raise RuntimeError("task 2")

    with sm.set_workers(2):
        with pytest.raises(RuntimeError, match="task 2"):
            workers.run(task, [(i,) for i in range(8)])
        done = []
        workers.run(done.append, [(i,) for i in range(8)])
    assert sorted(done) == list(range(8))


def test_many_callers_share_the_pool(rng, kernels):
    factors, X = draw(rng, ((16, 16), (8, 8)), 40, "float64")
    expected = np.kron(*factors) @ X
    good = []

    def caller():
        for _ in range(20):
            good.append(np.array_equal(cpu.apply(factors, X), expected))

    with sm.set_workers(3):
        threads = [threading.Thread(target=caller) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert good == [True] * 80


def test_keyboard_interrupt_stops_between_tasks():
    done = []

    def task(i):
        if i == 0:
            signal.raise_signal(signal.SIGINT)
        time.sleep(0.001)
        done.append(i)

    with sm.set_workers(1), pytest.raises(KeyboardInterrupt):
        workers.run(task, [(i,) for i in range(50)])
    assert len(done) < 50


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_makes_its_own_pool():
    code = (
        "import os, numpy as np\n"
        "from structmat._backend import workers\n"
        "from structmat.matrices.kronecker import cpu, sweeps\n"
        "workers.set_workers(2)\n"
        "cpu._SMALL = sweeps._SERIAL = 0; sweeps._TASK = 4096\n"
        "F, X = [np.eye(16), np.eye(8)], np.ones((128, 64))\n"
        "cpu.apply(F, X)\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    os._exit(0 if np.array_equal(cpu.apply(F, X), X) else 1)\n"
        "print(os.waitpid(pid, 0)[1], np.array_equal(cpu.apply(F, X), X))"
    )
    # Python 3.12 and later warn that the process has threads: that is the point.
    assert python(code, PYTHONWARNINGS="ignore") == "0 True"


# ------------------------------------------------------------- the Numba policy


def python(code, cwd=None, **environment):
    """What a fresh interpreter prints; a value of None removes the variable."""
    env = {**os.environ, "PYTHONPATH": str(Path(sm.__file__).parents[1])}
    for name, value in environment.items():
        env.pop(name, None)
        if value is not None:
            env[name] = value
    # -P: what runs is on PYTHONPATH, not in the current folder.
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_numba_arrives_with_the_first_large_product():
    code = (
        "import sys, numpy as np, structmat as sm\n"
        "small, large = sm.Kronecker(*[np.eye(8)] * 2), sm.Kronecker(*[np.eye(32)] * 3)\n"
        "small @ np.ones(64); small @ np.ones((64, 5)); before = 'numba' in sys.modules\n"
        "large @ np.ones(32**3); print(before, 'numba' in sys.modules)"
    )
    assert python(code) == "False True"


KERNEL = (
    "import numpy as np\n"
    "from structmat._backend.cpu import jit\n"
    "from structmat.matrices.kronecker import cpu\n"
    "out = np.empty((3, 2)); x = np.arange(6.0).reshape(2, 3)\n"
    "cpu._transpose(x.reshape(-1), out.reshape(-1), 2, 3)\n"
    "assert np.array_equal(out, x.T)\n"
)


@pytest.fixture
def copied(tmp_path):
    """A copy of the package, whose folders can be made read-only."""
    import shutil

    source = Path(sm.__file__).parent
    shutil.copytree(source, tmp_path / "structmat", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def cached(folder):
    return sorted(folder.rglob("*.nbi"))


def test_kernels_are_cached_where_the_package_can_be_written(copied):
    python(KERNEL, PYTHONPATH=str(copied), NUMBA_CACHE_DIR=None)
    assert cached(copied)


def test_no_cache_on_request(copied):
    python(KERNEL, PYTHONPATH=str(copied), NUMBA_CACHE_DIR=None, STRUCTMAT_NO_CACHE="1")
    assert not cached(copied)


def test_nowhere_to_cache_is_no_error(copied):
    # Neither beside the source nor in a home: files where the folders would be made.
    for folder in [p for p in copied.rglob("*") if p.is_dir()]:
        (folder / "__pycache__").write_text("not a folder")
    blocked = copied / "blocked"
    blocked.write_text("not a folder")
    python(
        KERNEL,
        PYTHONPATH=str(copied),
        PYTHONDONTWRITEBYTECODE="1",
        NUMBA_CACHE_DIR=None,
        HOME=str(blocked),
        XDG_CACHE_HOME=str(blocked),
    )
    assert not cached(copied)


def test_a_damaged_cache_is_no_error(copied):
    python(KERNEL, PYTHONPATH=str(copied), NUMBA_CACHE_DIR=None)
    for path in copied.rglob("*.nb[ci]"):
        path.write_bytes(b"damaged")
    python(KERNEL, PYTHONPATH=str(copied), NUMBA_CACHE_DIR=None)


TWO_DTYPES = """
import numpy as np
from structmat.transforms import cpu
for dtype in (np.float64, np.float32):
    x = np.arange(32, dtype=dtype)
    y = np.empty_like(x)
    cpu._multiply(x, 0, 32, dtype(2))
    assert x.tolist() == [2.0 * i for i in range(32)], x
"""


def test_a_cache_entry_for_another_dtype_is_not_run(copied):
    """Two processes that compile one kernel at once may write one file and name it for both."""
    python(TWO_DTYPES, PYTHONPATH=str(copied), NUMBA_CACHE_DIR=None)
    files = sorted(copied.rglob("cpu._multiply-*.nbc"))
    assert len(files) == 2
    files[1].write_bytes(files[0].read_bytes())
    python(TWO_DTYPES, PYTHONPATH=str(copied), NUMBA_CACHE_DIR=None)


def test_an_empty_cache_variable_leaves_nothing_in_the_current_folder(copied, tmp_path_factory):
    here = tmp_path_factory.mktemp("here")
    for folder in [p for p in copied.rglob("*") if p.is_dir()]:
        (folder / "__pycache__").write_text("not a folder")
    python(
        KERNEL,
        cwd=here,
        PYTHONPATH=str(copied),
        PYTHONDONTWRITEBYTECODE="1",
        NUMBA_CACHE_DIR=None,
        XDG_CACHE_HOME="",
    )
    assert not list(here.iterdir())


@policy.jit
def _nothing_but_finite(x):
    for value in x:  # noqa: SIM110 - a loop for Numba
        if not np.isfinite(value):
            return False
    return True


@policy.jit(fast=True)
def _total_if_finite(x):
    total = 0.0
    for value in x:
        if not np.isfinite(value):
            return 0.0
        total += value
    return total


@policy.jit
def _halves(x, y):
    return x / y


def test_policy_keeps_nan_and_divides_as_numpy():
    x = np.array([1.0, np.nan, 2.0])
    assert not _nothing_but_finite(x)
    assert _total_if_finite(x) == 0.0
    assert _total_if_finite(x[::2].copy()) == 3.0
    assert _halves(1.0, 0.0) == np.inf


def test_a_kernel_is_replaced_in_its_file():
    assert type(_halves).__name__ != "Kernel" or _halves(3.0, 2.0) == 1.5
    lonely = policy.jit(_halves.py_func)
    assert "not compiled" in repr(lonely)
    assert lonely(3.0, 2.0) == 1.5
    assert "not compiled" not in repr(lonely)


@pytest.mark.parametrize("shape", [(33, 40), (40, 33), (32, 32)])
def test_the_way_through_blas_gives_the_same_product(shape, monkeypatch, rng):
    # With several BLAS threads factors of 32 and more go to BLAS; the suite runs with one.
    factors = [rng.standard_normal(shape) for _ in range(2)]
    X = rng.standard_normal((shape[1] ** 2, 17))
    own = cpu.apply(factors, X)
    mode = cpu.apply_mode(factors[0], X, 1, shape[1] * 17)
    monkeypatch.setattr(cpu.workers, "blas_threads", lambda: 2)
    for ours, theirs in (
        (own, cpu.apply(factors, X)),
        (mode, cpu.apply_mode(factors[0], X, 1, shape[1] * 17)),
    ):
        assert ours.shape == theirs.shape
        assert np.allclose(ours, theirs, rtol=0, atol=1e-12 * np.abs(ours).max())
