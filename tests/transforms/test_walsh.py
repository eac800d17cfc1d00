"""fwht and ifwht: against the definition, exactly in integers, in every layout and order."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st
from support import eps, layouts, randn

import structmat as sm
from structmat.transforms import cpu, fwht, ifwht

DTYPES = (np.float32, np.float64, np.complex64, np.complex128)


def hadamard(n):
    """H[i, j] = (-1) ** (number of bits that i and j share), by literal loops."""
    H = np.empty((n, n), np.int64)
    for i in range(n):
        for j in range(n):
            H[i, j] = -1 if bin(i & j).count("1") % 2 else 1
    return H


def sign_changes(row):
    return int((np.diff(row) != 0).sum())


@pytest.mark.parametrize("m", range(11))
def test_equals_scipy_hadamard_exactly_in_integers(m):
    n = 2**m
    H = scipy.linalg.hadamard(n) if n > 1 else np.ones((1, 1), int)
    got = fwht(np.eye(n, dtype=np.int64), axis=0)
    assert got.dtype == np.int64
    assert np.array_equal(got, H)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 2, 4, 8, 16, 64, 256])
def test_equals_the_definition_along_every_axis(n, dtype, rng):
    H = hadamard(n)
    for shape, axis in [((n,), 0), ((3, n), -1), ((n, 5), 0), ((2, n, 3), 1), ((3, 2, n), 2)]:
        x = randn(shape, rng, dtype)
        y = fwht(x, axis=axis)
        expected = np.moveaxis(
            np.tensordot(H, x.astype(np.result_type(dtype, "f8")), (1, axis)), 0, axis
        )
        assert y.dtype == dtype
        assert y.shape == shape
        bound = (np.log2(n) + 1) * eps(x) * np.abs(x).sum(axis, keepdims=True)
        assert (np.abs(y - expected) <= bound).all()


@pytest.mark.parametrize("inner", [1, 2, 3, 4, 6, 7, 8, 16, 17, 24, 31, 32, 40, 100, 2048, 4100])
@pytest.mark.parametrize("dtype", ["i8", "f4", "f8"])
def test_every_width_of_rows_is_exact(inner, dtype, rng):
    for n in (1, 2, 4, 8, 16, 32, 128, 1024):
        for outer in (1, 2):
            if outer * n * inner > 2**18:
                continue
            x = rng.integers(-9, 10, (outer, n, inner))
            expected = np.einsum("ij,ajk->aik", hadamard_fast(n), x)
            got = fwht(x.astype(dtype), axis=1)
            assert np.array_equal(got, expected.astype(dtype)), (outer, n)


def hadamard_fast(n):
    return scipy.linalg.hadamard(n) if n > 1 else np.ones((1, 1), int)


def kronecker_reference(x):
    """H_n x as H_a X H_b for n = a b: two products of exact integers in float64."""
    m = x.size.bit_length() - 1
    a, b = 2 ** (m // 2), 2 ** (m - m // 2)
    return (hadamard_fast(a) @ x.reshape(a, b).astype(float) @ hadamard_fast(b)).reshape(-1)


@pytest.mark.parametrize("m", range(11, 23))
@pytest.mark.parametrize("dtype", ["f4", "f8", "i8"])
def test_long_transforms_through_every_cache_level(m, dtype, rng):
    if dtype == "i8" and m > 20:
        return
    x = rng.integers(-1, 2, 2**m).astype(dtype)
    y = fwht(x)
    assert np.array_equal(y, kronecker_reference(x).astype(dtype))


def test_a_block_of_columns_larger_than_any_cache(rng):
    n, k = 512, 4099
    x = rng.integers(-1, 2, (n, k)).astype("f4")
    assert np.array_equal(fwht(x, axis=0), (hadamard_fast(n) @ x.astype(float)).astype("f4"))


@pytest.mark.parametrize("shape", [(2**21,), (64, 2**16), (2**10, 3 * 2**10), (5, 2**9, 2**9)])
def test_bit_identical_for_every_number_of_workers(shape, rng):
    x = rng.standard_normal(shape)
    axis = 0 if len(shape) != 3 else 1
    results = []
    for workers in (1, 2, 3):
        with sm.set_workers(workers):
            results.append(fwht(x, axis=axis).tobytes())
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("order", ["natural", "sequency", "dyadic"])
@pytest.mark.parametrize("n", [1, 2, 4, 8, 32, 128])
def test_orders(order, n):
    W = fwht(np.eye(n, dtype=np.int64), axis=0, order=order)
    H = hadamard(n)
    assert np.array_equal(W, W.T)
    assert np.array_equal(W @ W, n * np.eye(n, dtype=int))
    if order == "sequency":
        assert [sign_changes(row) for row in W] == list(range(n))
    elif order == "dyadic":
        bits = n.bit_length() - 1
        reverse = [int(format(i, f"0{bits}b")[::-1], 2) if bits else 0 for i in range(n)]
        assert np.array_equal(W, H[reverse])
    else:
        assert np.array_equal(W, H)


@pytest.mark.parametrize("norm", [None, "backward", "ortho", "forward"])
@pytest.mark.parametrize("order", ["natural", "sequency", "dyadic"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_round_trip_to_log_n_eps(norm, order, dtype, rng):
    for n in (1, 2, 8, 64, 1024, 2**14):
        x = randn((2, n), rng, dtype)
        back = ifwht(fwht(x, norm=norm, order=order), norm=norm, order=order)
        assert back.dtype == dtype
        error = np.linalg.norm(back - x) / np.linalg.norm(x)
        # "ortho" multiplies twice by 1 / sqrt(n), which is rounded itself for odd log2(n).
        roundings = np.log2(n) + (norm == "ortho")
        assert error <= max(1, roundings) * eps(x)


@pytest.mark.parametrize("dtype", DTYPES)
def test_parseval(dtype, rng):
    for n in (2, 64, 4096):
        x = randn(n, rng, dtype)
        y = fwht(x, norm="ortho")
        ratio = abs(np.linalg.norm(y) / np.linalg.norm(x) - 1) / ((np.log2(n) + 1) * eps(x))
        assert ratio < 1


def test_scales_of_the_norms():
    x = np.ones(16)
    assert fwht(x)[0] == 16
    assert fwht(x, norm="backward")[0] == 16
    assert fwht(x, norm="ortho")[0] == 4
    assert fwht(x, norm="forward")[0] == 1
    assert ifwht(x)[0] == 1
    assert ifwht(x, norm="ortho")[0] == 4
    assert ifwht(x, norm="forward")[0] == 16


@given(
    m=st.integers(0, 7),
    outer=st.integers(0, 4),
    inner=st.integers(0, 9),
    dtype=st.sampled_from(["f4", "f8", "c8", "c16", "i4", "u1", "?"]),
    order=st.sampled_from(["natural", "sequency", "dyadic"]),
    seed=st.integers(0, 9),
)
def test_any_shape_and_dtype(m, outer, inner, dtype, order, seed):
    rng = np.random.default_rng(seed)
    n = 2**m
    x = rng.integers(0, 2, (outer, n, inner)).astype(dtype)
    W = fwht(np.eye(n, dtype=int), axis=0, order=order)
    y = fwht(x, axis=1, order=order)
    assert np.array_equal(y, np.einsum("ij,ajk->aik", W, x.astype(np.result_type(dtype, "i8"))))
    expected = np.int64 if np.dtype(dtype).kind in "iub" else dtype
    assert y.dtype == expected


@pytest.mark.parametrize("dtype", [np.float64, np.complex64])
def test_every_layout_and_the_input_is_unharmed(dtype, rng):
    x = randn((8, 16), rng, dtype)
    for name, layout in layouts(x):
        before = layout.copy()
        for axis in (0, 1):
            y = fwht(layout, axis=axis)
            assert np.array_equal(layout, before), name
            assert y.dtype.isnative
            assert not np.shares_memory(y, layout)
            np.testing.assert_array_equal(y, fwht(np.array(x), axis=axis), err_msg=name)


def test_out_and_overwrite(rng):
    x = rng.standard_normal((4, 64))
    expected = fwht(x)
    out = np.full_like(x, np.nan)
    assert fwht(x, out=out) is out
    assert np.array_equal(out, expected)
    strided = np.zeros((8, 64))[::2]
    assert fwht(x, out=strided) is strided
    assert np.array_equal(strided, expected)
    for order in ("sequency", "dyadic"):
        assert fwht(x, out=out, order=order) is out
        assert np.array_equal(out, fwht(x, order=order))
    y = x.copy()
    assert fwht(y, out=y) is y
    assert np.array_equal(y, expected)
    y = x.copy()
    assert fwht(y, overwrite_x=True) is y
    assert np.array_equal(y, expected)
    frozen = x.copy()
    frozen.flags.writeable = False
    assert np.array_equal(fwht(frozen, overwrite_x=True), expected)
    assert np.array_equal(frozen, x)
    column_major = np.asfortranarray(x)
    assert np.array_equal(fwht(column_major, out=column_major), expected)
    assert np.array_equal(column_major, expected)


def test_out_that_overlaps_the_input(rng):
    buffer = rng.standard_normal(96)
    x, expected = buffer[:64], fwht(buffer[:64].copy())
    fwht(x, out=buffer[32:])
    assert np.array_equal(buffer[32:], expected)


def test_overwrite_of_a_view_of_other_data_is_never_a_write_to_it():
    data = [1, 2, 3, 4]
    assert fwht(data, overwrite_x=True).tolist() == [10, -2, -4, 0]
    assert data == [1, 2, 3, 4]
    ints = np.arange(8)
    assert fwht(ints).dtype == np.int64
    assert ints.tolist() == list(range(8))
    fwht(ints, norm="ortho", overwrite_x=True)
    assert ints.tolist() == list(range(8))


def test_a_torch_like_array_is_not_written_to(rng):
    class Foreign:
        def __init__(self, host):
            self.host = host

        def __dlpack__(self, **kwargs):
            return self.host.__dlpack__()

        def __dlpack_device__(self):
            return self.host.__dlpack_device__()

    x = rng.standard_normal(8)
    before = x.copy()
    y = fwht(Foreign(x))
    assert np.array_equal(x, before)
    assert np.array_equal(y, fwht(x))


def test_integers_that_may_overflow_are_refused():
    assert fwht(np.full(2, 2**61)).tolist() == [2**62, 0]
    with pytest.raises(OverflowError, match="float64"):
        fwht(np.full(4, 2**61))
    with pytest.raises(OverflowError, match="float64"):
        fwht(np.array([-(2**63), 0]))
    with pytest.raises(OverflowError, match="int64"):
        fwht(np.array([2**63, 0], np.uint64))
    assert fwht(np.full(4, 2**61), norm="ortho").dtype == np.float64


@pytest.mark.parametrize("n", [0, 3, 6, 100])
def test_other_lengths_are_refused(n):
    with pytest.raises(ValueError, match="power of two"):
        fwht(np.ones(n))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: fwht(1.0), ValueError, "at least one axis"),
        (lambda: fwht(np.ones(4), axis=1), np.exceptions.AxisError, "axis 1"),
        (lambda: fwht(np.ones((4, 4)), axis=(0, 1)), TypeError, "one after the other"),
        (lambda: fwht(np.ones(4), axis="0"), TypeError, "integer"),
        (lambda: fwht(np.ones(12)), ValueError, r"Hadamard\(12\)"),
        (lambda: fwht(np.ones(0)), ValueError, "empty"),
        (lambda: fwht(np.ones(4), norm="orthonormal"), ValueError, "'ortho'"),
        (lambda: fwht(np.ones(4), order="walsh"), ValueError, "'sequency'"),
        (lambda: fwht(np.ones(4, np.float16)), TypeError, "float16"),
        (lambda: fwht(np.ones(4, np.longdouble)), TypeError, "float64"),
        (lambda: fwht(np.ma.ones(4)), TypeError, "masked"),
        (lambda: fwht(np.array(["a", "b"])), TypeError, "not supported"),
        (lambda: fwht(np.ones(4), out=np.ones(2)), ValueError, "`out`"),
        (lambda: fwht(np.ones(4), out=np.ones(4, "f4")), ValueError, "float64"),
        (lambda: fwht(np.ones(4), out=[1, 2, 3, 4]), TypeError, "list"),
        (lambda: fwht(np.ones(4), out=np.ma.ones(4)), TypeError, "Masked"),
        (lambda: fwht(np.ones(4), overwrite_x="no"), TypeError, "True or False"),
        (lambda: fwht(np.ones(4), axis=0.0), TypeError, "integer"),
        (lambda: fwht(np.ones(4), axis=False), TypeError, "integer"),
        (lambda: fwht(np.ones(4), order=np.array(["a", "b"])), ValueError, "'natural'"),
        (lambda: fwht(np.ones(4), order="dyadic", out=np.ones(2)), ValueError, "`out`"),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_out_of_a_subclass_is_written_and_returned_as_it_is(tmp_path):
    class Named(np.ndarray):
        """Reshapes to two dimensions always, as np.matrix does."""

        def reshape(self, *shape):
            return super().reshape(1, -1)

    out = np.zeros((2, 4)).view(Named)
    assert fwht(np.ones((2, 4)), out=out) is out
    assert np.array_equal(out, [[4, 0, 0, 0]] * 2)
    mapped = np.memmap(tmp_path / "y", np.float64, "w+", shape=(4,))
    assert fwht(np.ones(4), out=mapped) is mapped
    assert mapped.tolist() == [4, 0, 0, 0]


def test_the_dtype_does_not_depend_on_the_length():
    for x in ([3], [3, 1]):
        assert fwht(np.array(x)).dtype == np.int64
        assert ifwht(np.array(x), norm="forward").dtype == np.int64
        assert ifwht(np.array(x)).dtype == np.float64
        for norm in ("ortho", "forward"):
            assert fwht(np.array(x), norm=norm).dtype == np.float64
    assert fwht(np.array([-(2**63)])).tolist() == [-(2**63)]
    assert fwht(np.array([2**63, 2**63], np.uint64), norm="forward").tolist() == [2.0**63, 0]


def test_integers_through_dlpack_stay_exact():
    class Foreign:
        def __init__(self, host):
            self.host = host

        def __dlpack__(self, **kwargs):
            return self.host.__dlpack__(**kwargs)

        def __dlpack_device__(self):
            return self.host.__dlpack_device__()

    y = fwht(Foreign(np.array([2**53 + 1, 0])))
    assert y.dtype == np.int64
    assert y.tolist() == [2**53 + 1] * 2


@pytest.mark.parametrize("inner", [3, 5, 8, 12, 31])
@pytest.mark.parametrize("dtype", ["f4", "f8", "c8"])
def test_narrow_blocks_have_the_bits_of_their_columns(inner, dtype, rng):
    x = randn((2, 4096, inner), rng, dtype)
    y = fwht(x, axis=1)
    for j in range(inner):
        assert np.array_equal(y[..., j], fwht(np.ascontiguousarray(x[..., j])))
    frozen = x.copy()
    frozen.flags.writeable = False
    assert np.array_equal(fwht(frozen, axis=1), y)
    assert fwht(x, axis=1, out=x) is x
    assert np.array_equal(x, y)


def test_read_only_input_compiles_nothing_new(rng):
    x = rng.standard_normal(4096)
    expected = fwht(x)
    compiled = len(cpu._transform.signatures)
    x.flags.writeable = False
    assert np.array_equal(fwht(x), expected)
    assert len(cpu._transform.signatures) == compiled


def test_nan_infinity_and_extreme_scales():
    x = np.ones(16)
    x[3] = np.nan
    assert np.isnan(fwht(x)).all()
    x[3] = np.inf
    assert np.isinf(fwht(x)).all()
    for scale in (1e300, 1e-300, 5e-324):
        assert np.array_equal(fwht(np.full(4, scale)), [4 * scale, 0, 0, 0])
    big = np.full(2**12, 1e308)
    assert np.isinf(fwht(big)[0])


def test_empty_batches():
    assert fwht(np.ones((0, 4))).shape == (0, 4)
    assert fwht(np.ones((4, 0)), axis=0).shape == (4, 0)
    assert fwht(np.ones((0, 4)), order="sequency").shape == (0, 4)


def test_kernels_in_plain_python(rng):
    """The same loops uncompiled: every index is checked by NumPy."""
    import subprocess
    import sys

    code = """
import numpy as np, scipy.linalg
from structmat.transforms import fwht
for shape, axis in [((64,), 0), ((3, 2), 1), ((512,), 0), ((16, 3), 0), ((32, 16), 0), ((8, 2), 0)]:
    for dtype in (np.float32, np.float64, np.int64):
        x = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
        H = scipy.linalg.hadamard(shape[axis])
        expected = np.moveaxis(np.tensordot(H, x, (1, axis)), 0, axis)
        assert np.array_equal(fwht(x, axis=axis), expected), (shape, dtype)
"""
    import os

    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("features", "dtype"), [("+avx,+avx2", "f8"), ("+sse2", "f4")])
def test_narrower_vectors_give_the_same_bits(features, dtype, rng):
    """The kernels of a machine with AVX2 or SSE only, as far as this machine can run them."""
    import os
    import subprocess
    import sys

    code = """
import sys
import numpy as np
from structmat.transforms import fwht
rng = np.random.default_rng(5)
parts = []
for dtype in sys.argv[1:]:
    for shape, axis in [((2**12,), 0), ((5, 4), 1), ((64, 3), 0), ((256, 2), 0), ((2**9, 40), 0)]:
        x = rng.integers(-9, 9, shape).astype(dtype)
        parts.append(fwht(x, axis=axis).tobytes())
import hashlib
print(hashlib.sha256(b"".join(parts)).hexdigest())
"""
    results = set()
    for chosen in (features, ""):
        environment = dict(os.environ)
        if chosen:
            environment |= {"NUMBA_CPU_FEATURES": chosen, "NUMBA_CPU_NAME": "generic"}
        done = subprocess.run(
            [sys.executable, "-c", code, dtype], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        results.add(done.stdout)
    assert len(results) == 1


def test_cost_of_a_call_is_the_kernel_and_a_door(rng):
    """The kernel writes where it is told and allocates nothing."""
    x = rng.standard_normal(256)
    out = np.empty_like(x)
    cpu.fwht(x, out, 1, 256, 1, 0.5)
    assert np.array_equal(out, 0.5 * fwht(x))
