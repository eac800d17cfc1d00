"""The CPU kernels of chains: every step against the definition, in every layout it takes."""

import os
import subprocess
import sys

import numpy as np
import pytest

import structmat as sm
from structmat.matrices.chain import fused_stages, patterns, steps

REAL = (np.float64, np.float32)
DTYPES = (*REAL, np.complex128, np.complex64)
COLUMNS = (1, 2, 3, 7, 8, 15, 16, 17, 64, 65, 131)


def draw(rng, pattern, dtype):
    a, b, c, d = pattern
    v = rng.standard_normal((a, d, b, c))
    if np.dtype(dtype).kind == "c":
        v = v + 1j * rng.standard_normal((a, d, b, c))
    return (v / np.sqrt(c)).astype(dtype)


def chain(rng, some, dtype):
    return sm.Chain([draw(rng, p, dtype) for p in some])


def defined(A, X):
    """Factor by factor, entry by entry of the pattern, in double precision."""
    Y = X.astype(np.result_type(X, np.float64))
    for F in A.factors[::-1]:
        if not hasattr(F, "pattern"):
            Y = F.toarray() @ Y
            continue
        a, b, c, d = F.pattern
        k = Y.shape[1]
        Y = np.einsum("iljk,iklq->ijlq", F.values, Y.reshape(a, c, d, k)).reshape(-1, k)
    return Y


def agrees(A, X):
    Y = X
    for step in steps.steps(A.factors):
        Y = step(Y)
    R = defined(A, X)
    assert Y.dtype == X.dtype
    assert Y.flags.c_contiguous
    error = np.linalg.norm(Y - R) / max(np.linalg.norm(R), np.finfo(float).tiny)
    assert error <= 10 * len(A.factors) * np.finfo(X.dtype).eps, (error, X.shape)


PATTERNS = {
    "dyadic": patterns.dyadic(256),
    "dyadic-transposed": [patterns.transpose(p) for p in patterns.dyadic(512)[::-1]],
    "from-a-stride-of-three": patterns.square((2,) * 6 + (3,)),
    "from-a-long-stride": patterns.square((2,) * 4 + (64,)),
    "radix-4": patterns.square((4,) * 4),
    "mixed": patterns.square((5, 2, 2, 2, 2, 3)),
    "up-and-down": [
        *patterns.dyadic(128),
        *[patterns.transpose(p) for p in patterns.dyadic(128)[::-1]],
    ],
    "monarch": patterns.monarch(16, 16, 16, 16),
    "monarch-of-rank-2": patterns.monarch(6, 30, 11, 7, 2),
    "monarch-large": patterns.monarch(40, 50, 48, 33),
    "one-stage": [patterns.Pattern(64, 2, 2, 8), patterns.Pattern(32, 2, 2, 16)],
    "wide-and-tall": [patterns.Pattern(3, 50, 20, 4), patterns.Pattern(2, 30, 70, 4)],
    "low-rank": [patterns.Pattern(1, 90, 3, 1), patterns.Pattern(1, 3, 110, 1)],
}


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda t: np.dtype(t).name)
@pytest.mark.parametrize("name", PATTERNS)
def test_steps_agree_with_the_definition(rng, name, dtype):
    A = chain(rng, PATTERNS[name], dtype)
    for k in COLUMNS:
        agrees(A, draw(rng, (1, A.shape[1], k, 1), dtype)[0, 0])


@pytest.mark.parametrize("dtype", REAL, ids=lambda t: np.dtype(t).name)
@pytest.mark.parametrize("transposed", [False, True])
def test_work_in_tasks_agrees_and_is_the_same_for_every_worker_count(
    rng, monkeypatch, dtype, transposed
):
    monkeypatch.setattr(fused_stages, "_LONG", 2**19)
    for n, k in ((2**15, 1), (2**14, 16), (2**13, 80), (2**12, 200)):
        A = chain(rng, patterns.dyadic(n), dtype)
        A = A.T if transposed else A
        X = rng.standard_normal((n, k)).astype(dtype)
        with sm.set_workers(1):
            one = A @ X
        with sm.set_workers(2):
            two = A @ X
        np.testing.assert_array_equal(one, two)
        error = np.linalg.norm(one - defined(A, X)) / np.linalg.norm(one)
        assert error <= 10 * len(A.factors) * np.finfo(dtype).eps


def test_small_chains_are_applied_as_a_dense_matrix_and_dense_ones_too(rng):
    small = chain(rng, patterns.dyadic(64), np.float64)
    assert steps.plan(small).__self__.shape == small.shape
    # 100 numbers a row in the factors, 60 in the product.
    full = chain(rng, [(1, 200, 120, 1), (1, 120, 60, 1)], np.float64)
    assert steps.plan(full).__self__.shape == full.shape
    monarch = chain(rng, patterns.monarch(8, 16, 16, 8), np.float64)  # for one column only
    for A in (small, full, monarch):
        for k in (1, 5):
            X = rng.standard_normal((A.shape[1], k))
            np.testing.assert_allclose(A @ X, defined(A, X), atol=1e-12)


def test_runs_of_stages_are_found():
    def kinds(some):
        A = sm.Chain([np.ones((p.a, p.d, p.b, p.c)) for p in some])
        return [
            len(s.ascending) if isinstance(s, steps.Stages) else type(s).__name__
            for s in steps.steps(A.factors)
        ]

    assert kinds(patterns.dyadic(256)) == [8]
    assert kinds(PATTERNS["up-and-down"]) == [7, 7]
    assert kinds(PATTERNS["mixed"]) == ["Blocks", 4, "Blocks"]
    assert kinds(PATTERNS["radix-4"]) == ["Blocks"] * 4


def test_a_permutation_between_factors(rng):
    some = [draw(rng, p, np.float64) for p in patterns.dyadic(128)]
    P = sm.Permutation(rng.permutation(128))
    A = sm.Chain([*some[:3], P, *some[3:], P])
    for k in (1, 5, 16):
        agrees(A, rng.standard_normal((128, k)))


def test_operands_that_may_not_be_written_and_none_is(rng):
    A = chain(rng, patterns.dyadic(256), np.float64)
    B = chain(rng, patterns.monarch(16, 16, 16, 16), np.float64)
    for M in (A, B):
        for k in (1, 8, 9):
            X = rng.standard_normal((256, k))
            before = X.copy()
            X.setflags(write=False)
            np.testing.assert_allclose(M @ X, defined(M, X), atol=1e-12)
            np.testing.assert_array_equal(X, before)
    values = draw(rng, (1, 40, 40, 40), np.float64)
    values.setflags(write=False)
    K = sm.KroneckerSparse(values)
    np.testing.assert_allclose(K @ np.ones(1600), K.toarray() @ np.ones(1600), atol=1e-12)


def test_no_columns(rng):
    for some in (patterns.dyadic(256), patterns.monarch(16, 16, 16, 16)):
        A = chain(rng, some, np.float64)
        assert (A @ np.ones((256, 0))).shape == (256, 0)


@pytest.mark.parametrize("dtype", REAL, ids=lambda t: np.dtype(t).name)
def test_kernels_stay_inside_their_buffers(rng, monkeypatch, dtype):
    """Scratch memory lies between guards of NaN, which are neither changed nor read."""
    guard, guarded = 64, []

    def fenced(n, dtype):
        whole = np.full(n + 2 * guard, np.nan, dtype)
        guarded.append((whole, n))
        return whole[guard : guard + n]

    monkeypatch.setattr(steps.memory, "aligned", fenced)
    for name in ("dyadic", "dyadic-transposed", "monarch-large", "from-a-long-stride"):
        A = chain(rng, PATTERNS[name], dtype)
        for k in COLUMNS:
            agrees(A, rng.standard_normal((A.shape[1], k)).astype(dtype))
            for whole, n in guarded:
                assert np.isnan(whole[:guard]).all()
                assert np.isnan(whole[guard + n :]).all()
            guarded.clear()


def test_nan_stays_in_its_column(rng):
    """The last columns go through a block padded with zeros, never with what was there."""
    A = chain(rng, patterns.dyadic(256), np.float64)
    X = rng.standard_normal((256, 11))
    X[7, 4] = np.nan
    Y = A @ X
    assert np.isnan(Y[:, 4]).any()
    assert np.isfinite(np.delete(Y, 4, 1)).all()


def test_kernels_run_as_plain_python():
    """With the compiler off every index is checked by NumPy, in the intrinsics too."""
    code = (
        "import numpy as np, structmat as sm\n"
        "from structmat.matrices.chain import patterns, steps\n"
        "rng = np.random.default_rng(0)\n"
        "for some in (patterns.dyadic(128), [patterns.transpose(p) for p in\n"
        "             patterns.dyadic(128)[::-1]], patterns.monarch(9, 9, 9, 9)):\n"
        "    A = sm.Chain([rng.standard_normal((p.a, p.d, p.b, p.c)) for p in some])\n"
        "    D = A.toarray()\n"
        "    for k in (1, 3, 8, 17):\n"
        "        X = rng.standard_normal((A.shape[1], k))\n"
        "        assert np.allclose(A @ X, D @ X), (some, k)\n"
        "print('same')"
    )
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert done.stdout.strip() == "same", done.stderr
