"""How gpu_run judges: references, tolerances, poison and canaries; wrong kernels do not pass."""

import sys
import types

import fake_cupy
import numpy as np
import pytest
import scipy.linalg
from gpu_run_support import emulated_card
from gpu_stages import correctness, families, guard, interface, record, reference, verdicts
from gpu_stages.context import Context

from structmat._backend import gpu as backend
from structmat.transforms import gpu as transforms_gpu


@pytest.fixture
def cupy(monkeypatch):
    return fake_cupy.install(monkeypatch)


@pytest.fixture
def device(monkeypatch):
    return emulated_card(monkeypatch)


# ------------------------------------------------------------- poison and canaries


@pytest.fixture(params=["numpy", "cupy"])
def xp(request):
    return np if request.param == "numpy" else request.getfixturevalue("cupy")


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "int64"])
@pytest.mark.parametrize("shape", [(3, 5), (0, 4), (1,)])
def test_an_output_is_poisoned_inside_its_canaries(xp, dtype, shape):
    guarded = guard.poisoned(xp, shape, dtype)
    assert guarded.array.shape == shape
    assert guarded.array.dtype == np.dtype(dtype)
    assert guarded.intact()
    if dtype == "int64":
        assert bool((guarded.array == -1).all())
    else:
        assert bool(xp.isnan(guarded.array).all())
    guarded.array[...] = 1
    assert guarded.intact()
    for i in (0, guard.ZONE - 1, len(guarded.raw) - guard.ZONE, len(guarded.raw) - 1):
        raw = guard.poisoned(xp, shape, dtype)
        raw.raw[i : i + 1] = 0
        assert not raw.intact(), i


def test_bytes_are_compared_nan_and_signed_zero_included(xp):
    x = xp.asarray(np.array([1.0, np.nan, 0.0]))
    assert guard.same_bytes(xp, x, x.copy())
    assert not guard.same_bytes(xp, x, xp.asarray(np.array([1.0, np.nan, -0.0])))
    assert guard.same_bytes(xp, x[:0], x[:0])


# ------------------------------------------------------------- reference


@pytest.mark.parametrize("n", [1, 2, 8, 64])
def test_the_reference_matrix_is_sylvesters(n):
    np.testing.assert_array_equal(reference.entries(n), scipy.linalg.hadamard(n))


@pytest.mark.parametrize("inner", [0, 1, 3])
@pytest.mark.parametrize("n", [1, 4, 32, 256])
def test_the_reference_is_the_dense_product_whatever_the_pieces(xp, n, inner, monkeypatch, rng):
    monkeypatch.setattr(reference, "LARGEST", 8)
    X = rng.standard_normal((3, n, inner))
    expected = np.einsum("ij,ajb->aib", scipy.linalg.hadamard(n).astype(float), X)
    Y = reference.transform(xp, xp.asarray(X), n, inner)
    np.testing.assert_allclose(Y if xp is np else Y.get(), expected, rtol=0, atol=1e-12)


def test_orders_are_those_of_their_definitions():
    H = reference.entries(8)
    W = H[reference.ordered(8, "sequency")]
    assert list((W[:, 1:] != W[:, :-1]).sum(1)) == list(range(8))
    assert list(reference.ordered(8, "dyadic")) == [0, 4, 2, 6, 1, 5, 3, 7]
    assert list(reference.ordered(1, "dyadic")) == [0]


def test_factors_make_the_inverse():
    for norm in (None, "backward", "ortho", "forward"):
        forward, back = (reference.factor(16, norm, inverse) for inverse in (False, True))
        assert forward * back * 16 == pytest.approx(1)
    assert reference.factor(16, "forward") == 1 / 16


def test_tolerances_grow_with_the_logarithm_to_a_cap():
    assert reference.tolerance("float64", 1 << 20) == 1e-13
    assert reference.tolerance("float32", 1 << 10) == pytest.approx(5e-6)
    assert reference.tolerance("complex64", 1 << 28) == 1e-5
    assert reference.tolerance("float32", 1) == 5e-7
    assert reference.tolerance("int64", 64) == 0


# ------------------------------------------------------------- judgement

SMALL = correctness.Case("float32", 3, 16, 5, 0.5, seed=3)


def host_fwht(x, out, outer, n, inner, scale):
    X = x._host.reshape(outer, n, inner)
    Y = np.einsum("ij,ajb->aib", scipy.linalg.hadamard(n).astype(X.dtype), X)
    out._host.reshape(X.shape)[...] = Y * np.asarray(scale, X.dtype)


@pytest.fixture
def judge(cupy, monkeypatch):
    """The verdict on a case when the kernels are those of `kernel`."""

    def verdict(case, kernel):
        monkeypatch.setattr(transforms_gpu, "fwht", kernel)
        found, _ = verdicts.verdict(case, cupy)
        assert record.parse(record.line("checks", found))[1] == []
        return found

    return verdict


def test_a_right_kernel_passes(judge):
    for case in (SMALL, correctness.Case("float64", 2, 8, 1, in_place=True, seed=4)):
        found = judge(case, host_fwht)
        assert found["ok"] is True, found
        assert found["deterministic"] is True
        assert found["kernels"] == []


def test_integers_are_exact_or_wrong(judge):
    case = correctness.Case("int64", 3, 64, 1, -3, seed=5)
    assert judge(case, host_fwht)["ok"]

    def off_by_one(x, out, *rest):
        host_fwht(x, out, *rest)
        out._host.reshape(-1)[7] += 1

    assert not judge(case, off_by_one)["ok"]


def unwritten(x, out, *rest):
    host_fwht(x, out, *rest)
    out._host.reshape(-1)[-1] = np.frombuffer(b"\xff" * 4, np.float32)[0]


def stray(x, out, *rest):
    host_fwht(x, out, *rest)
    base = out._host
    while base.base is not None:
        base = base.base
    base[guard.ZONE + out.nbytes] = 0


def spoils_input(x, out, *rest):
    host_fwht(x, out, *rest)
    x._host[0, 0, 0] = 9


def racing(x, out, *rest, calls=[]):  # noqa: B006
    calls.append(1)
    host_fwht(x, out, *rest)
    out._host.reshape(-1)[0] *= 1 + 1e-7 * len(calls)


def slightly_wrong(x, out, *rest):
    host_fwht(x, out, *rest)
    out._host.reshape(-1)[3] *= 1.001


def swapped(x, out, outer, n, inner, scale):
    host_fwht(x, out, outer * inner, n, 1, scale)


@pytest.mark.parametrize(
    ("kernel", "words"),
    [
        (unwritten, None),
        (stray, "outside"),
        (spoils_input, "changed its input"),
        (racing, None),
        (slightly_wrong, None),
        (swapped, None),
        (lambda *a: None, None),
        (lambda x, out, *r: out.fill(np.nan), None),
        (lambda *a: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_a_wrong_kernel_fails(judge, kernel, words):
    found = judge(SMALL, kernel)
    assert found["ok"] is False
    if words:
        assert words in found["error"]
    if kernel is racing:
        assert found["deterministic"] is False


class OutOfMemoryError(MemoryError):
    """As CuPy's."""


def test_a_reference_that_does_not_fit_is_no_verdict(judge):
    def kernel(*args):
        raise OutOfMemoryError("out of memory allocating 8,589,934,592 bytes")

    found = judge(SMALL, kernel)
    assert found["ok"] is None
    assert "out of memory" in found["error"]


class CUDARuntimeError(RuntimeError):
    """As CuPy's, known by its name."""


def test_an_error_of_the_device_is_recorded_and_ends_the_stage(cupy, monkeypatch):
    errors = [IndexError("any other"), CUDARuntimeError("cudaErrorIllegalAddress")]

    def kernel(*args):
        raise errors.pop(0)

    monkeypatch.setattr(transforms_gpu, "fwht", kernel)
    stage = verdicts.verdicts(Context(0, 60.0, {}), [SMALL] * 3, cupy)
    for words in ("IndexError: any other", "CUDARuntimeError: cudaErrorIllegalAddress"):
        _, found = next(stage)
        assert found["ok"] is False
        assert found["error"].startswith(words)
    with pytest.raises(CUDARuntimeError):
        next(stage)


def test_beyond_2_31_elements_lines_and_the_norm_are_judged(cupy, monkeypatch):
    """On a small array."""
    rng = np.random.default_rng(0)
    cupy.random = types.SimpleNamespace(
        seed=lambda s: None,
        standard_normal=lambda shape, dtype: cupy.asarray(rng.standard_normal(shape).astype(dtype)),
    )
    case = correctness.Case("float64", 40, 32, 30, 32**-0.5, in_place=True, seed=2)
    monkeypatch.setattr(transforms_gpu, "fwht", host_fwht)
    found = correctness.judged_by_lines(cupy, case)
    assert found["ok"], found
    assert found["lines"] < 20
    left_out = []

    def one_line_left_out(x, out, *rest):
        keep = x._host.copy()
        host_fwht(x, out, *rest)
        left_out.append(1)
        out._host[20, :, 15] = 2 * keep[20, :, 15]

    monkeypatch.setattr(transforms_gpu, "fwht", one_line_left_out)
    found = correctness.judged_by_lines(cupy, case)
    assert left_out
    assert found["err"] < 1e-13  # the line is not among those looked at
    assert not found["ok"]


def test_every_instance_is_launched_by_the_cases_and_by_the_smallest():
    for cases in (correctness.cases(0, 80 << 30), correctness.smallest(0)):
        reached = {
            (p.kernel, case.dtype, p.size)
            for case in cases
            for p in transforms_gpu.passes(*case.shape, np.dtype(case.dtype).itemsize)
        }
        assert reached == set(transforms_gpu.INSTANCES)


def test_cases_have_seeds_of_their_own_and_reach_beyond_2_31():
    cases = correctness.cases(100, 80 << 30)
    assert [case.seed for case in cases] == list(range(100, 100 + len(cases)))
    assert max(case.elements for case in cases) > 1 << 31
    assert all(8 * case.elements < 8 << 30 for case in correctness.cases(0, 8 << 30))


def test_names_of_instances_are_unique():
    names = [instance.name for instance in backend.instances()]
    assert len(set(names)) == len(names)


# ------------------------------------------------------------- the public face


@pytest.mark.parametrize("layout", interface.LAYOUTS)
def test_layouts_hold_the_values(xp, layout, rng):
    host = rng.standard_normal((6, 4))
    x = interface.laid_out(xp, host, layout)
    x = x if xp is np else x.get()
    expected = host[:1].repeat(6, 0) if layout == "broadcast" else host
    np.testing.assert_array_equal(x, expected)


def test_layouts_are_what_they_are_called(rng):
    host = rng.standard_normal((6, 4))
    made = {layout: interface.laid_out(np, host, layout) for layout in interface.LAYOUTS}
    assert made["F"].flags.f_contiguous
    assert made["strided"].strides == (128, 16)
    assert made["reversed"].strides == (-32, 8)
    assert made["misaligned"].ctypes.data % 16
    assert made["misaligned"].flags.c_contiguous
    assert made["broadcast"].strides == (0, 8)
    assert not made["transposed"].flags.c_contiguous


@pytest.mark.parametrize("order", interface.ORDERS)
@pytest.mark.parametrize("norm", interface.NORMS)
def test_expected_values_invert_each_other(order, norm, rng):
    host = rng.standard_normal((3, 16, 2))
    case = interface.Case(host.shape, axis=1, order=order, norm=norm)
    back = interface.Case(host.shape, axis=1, order=order, norm=norm, inverse=True)
    there = interface.expected_of(case, host)
    np.testing.assert_allclose(interface.expected_of(back, there), host, rtol=0, atol=1e-13)


def test_the_public_transform_on_the_host_passes_its_own_cases():
    failed = []
    for case in interface.cases(1):
        found, _ = verdicts.verdict(case, np)
        if not found["ok"]:
            failed.append((str(case), found))
    assert not failed


class Tensor:
    """A CUDA tensor of PyTorch's, as far as DLPack goes."""

    is_cuda = True

    def __init__(self, host):
        self.host = host

    def __dlpack__(self, **kwargs):
        return self.host.__dlpack__()

    def __dlpack_device__(self):
        return (2, 0)

    T = property(lambda self: Tensor(self.host.T))
    ndim = property(lambda self: self.host.ndim)
    cuda = cpu = lambda self: self

    def numpy(self):
        return self.host


@pytest.fixture
def others(device, monkeypatch):
    """PyTorch's doors, and CuPy's solvers by dense algebra."""
    torch = types.ModuleType("torch")
    torch.from_numpy = Tensor
    torch.from_dlpack = lambda x: Tensor(np.from_dlpack(fake_cupy._Exported(x)))
    torch.equal = lambda a, b: np.array_equal(a.host, b.host)
    monkeypatch.setitem(sys.modules, "torch", torch)

    def full(operator):
        return (operator @ device.asarray(np.eye(operator.shape[1])))._host

    def cg(operator, b, *, rtol):
        return device.asarray(np.linalg.solve(full(operator), b._host)), 0

    def eigsh(operator, k, *, return_eigenvectors):
        return device.asarray(np.linalg.eigvalsh(full(operator))[-k:])

    linalg = sys.modules["cupyx.scipy.sparse.linalg"]
    linalg.cg, linalg.eigsh = cg, eigsh
    return device


@pytest.mark.parametrize("case", families.cases(3), ids=str)
def test_families_agree_with_the_host_on_the_stand_in(others, case):
    found = case.judged(others)
    assert found["ok"], found


def test_kernels_of_the_library_pass_on_the_emulator(device):
    cases = [c for c in correctness.smallest(5) if c.elements <= 1 << 12]
    assert len(cases) > 20
    seen = set()
    for case in cases:
        found, _ = verdicts.verdict(case, device)
        assert found["ok"], (str(case), found)
        seen.update(found["kernels"])
    assert seen <= {instance.name for instance in backend.instances()}
    assert len(seen) > 5


def test_the_public_transform_on_the_emulator_passes_its_own_cases(device):
    failed = []
    for case in interface.cases(1):
        if np.prod(case.shape) > 1 << 12:
            continue
        found, _ = verdicts.verdict(case, device)
        if not found["ok"]:
            failed.append((str(case), found))
    assert not failed
