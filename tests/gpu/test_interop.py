"""CuPy's operators and DLPack: what goes in, what comes out, and what is refused."""

import sys

import fake_cupy
import numpy as np
import pytest

import structmat as sm
from structmat import _checks

KRONECKER = sm.Kronecker(np.eye(2) + 1, np.arange(9.0).reshape(3, 3))


@pytest.fixture
def cupy(monkeypatch):
    return fake_cupy.install(monkeypatch)


# ---------------------------------------------------------------- cupyx operators


def test_an_operator_is_cupyx_and_acts_in_one_product(cupy, monkeypatch):
    base = sys.modules["cupyx.scipy.sparse.linalg"].LinearOperator
    monkeypatch.setattr(base, "by_columns", 0)
    widths = []
    apply = sm.Kronecker._apply
    monkeypatch.setattr(
        sm.Kronecker, "_apply", lambda self, X: widths.append(X.shape[1]) or apply(self, X)
    )
    A = KRONECKER.to_device("cuda").to_cupyx()
    assert isinstance(A, base)
    X = cupy.asarray(np.ones((6, 7)))
    for product in (A.matmat, A.rmatmat, A.H.matmat, A.T.matmat, A.H.T.rmatmat, A.__matmul__):
        product(X)
    assert widths == [7] * 6
    assert base.by_columns == 0


def test_the_hooks_that_cupyx_would_take_apart_are_overridden(cupy):
    base = sys.modules["cupyx.scipy.sparse.linalg"].LinearOperator
    kind = type(KRONECKER.to_device("cuda").to_cupyx())
    for hook in ("_matvec", "_matmat", "_rmatvec", "_rmatmat", "_adjoint", "_transpose"):
        assert getattr(kind, hook) is not getattr(base, hook, None)
    assert type(KRONECKER.to_device("cuda").to_cupyx()) is kind


def test_complex_adjoint_and_transpose(cupy, rng):
    M = rng.standard_normal((3, 4)) + 1j * rng.standard_normal((3, 4))
    A = sm.Dense(M).to_device("cuda").to_cupyx()
    assert A.dtype == np.complex128
    X = rng.standard_normal((3, 2)) + 1j * rng.standard_normal((3, 2))
    for B, expected in ((A.H, M.conj().T), (A.T, M.T), (A.H.T, M.conj())):
        x = X if B.shape[1] == 3 else np.vstack((X, X[:1]))
        np.testing.assert_allclose(B.matmat(cupy.asarray(x)).get(), expected @ x, rtol=1e-14)


def test_a_matrix_without_arrays_belongs_to_every_device(cupy):
    y = sm.Identity(3).to_cupyx() @ cupy.asarray(np.arange(3.0))
    assert isinstance(y, cupy.ndarray)
    np.testing.assert_array_equal(y.get(), np.arange(3.0))


def test_a_host_matrix_is_refused_with_the_way_out(cupy):
    with pytest.raises(sm.MixedDevicesError, match=r'holds NumPy arrays.*A\.to_device\("cuda"\)'):
        KRONECKER.to_cupyx()


def test_a_host_vector_is_refused(cupy):
    with pytest.raises(sm.MixedDevicesError, match="cupy"):
        KRONECKER.to_device("cuda").to_cupyx().matvec(np.ones(6))


def test_without_cupy(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(ImportError, match=r"structmat\[cuda13\]"):
        KRONECKER.to_cupyx()


def test_without_a_device(cupy, monkeypatch):
    monkeypatch.setattr(cupy.cuda, "is_available", lambda: False)
    with pytest.raises(RuntimeError, match="no CUDA device answers"):
        KRONECKER.to_cupyx()


def test_without_the_libraries_of_the_toolkit(cupy, monkeypatch):
    A = KRONECKER.to_device("cuda")
    monkeypatch.setitem(sys.modules, "cupyx.scipy.sparse.linalg", None)
    with pytest.raises(ImportError, match=r"libraries of the CUDA toolkit.*structmat\[cuda13\]"):
        A.to_cupyx()


# ---------------------------------------------------------------- DLPack


class Tensor:
    """A foreign array, which offers DLPack and nothing else."""

    def __init__(self, array, device=1, refuses=None):
        self.array = array
        self.device = device
        self.refuses = refuses
        self.streams = []

    @property
    def shape(self):
        return self.array.shape

    @property
    def ndim(self):
        return self.array.ndim

    def __dlpack_device__(self):
        return (self.device, 0)

    def __dlpack__(self, *, stream=None, **options):
        self.streams.append(stream)
        if self.refuses:
            raise self.refuses
        return self.array.__dlpack__(**options)


@pytest.mark.parametrize("device", [1, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_a_host_tensor_comes_out_as_a_numpy_array(device, dtype):
    x = np.arange(6).astype(dtype)
    y = KRONECKER.astype(dtype) @ Tensor(x, device)
    assert type(y) is np.ndarray
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, KRONECKER.astype(dtype) @ x)


@pytest.mark.parametrize("device", [2, 13])
def test_a_cuda_tensor_comes_out_as_a_cupy_array_that_dlpack_takes_out(cupy, device):
    x = np.arange(6.0)
    y = KRONECKER.to_device("cuda") @ Tensor(x, device)
    assert type(y) is cupy.ndarray
    assert y.__dlpack_device__()[0] == 2
    np.testing.assert_array_equal(cupy.from_dlpack(y).get(), KRONECKER @ x)


def test_a_tensor_is_viewed_not_copied():
    x = np.arange(6.0)
    assert np.shares_memory(_checks.from_dlpack(Tensor(x), "x"), x)


def test_a_tensor_as_a_parameter(cupy):
    assert sm.Diagonal(Tensor(np.arange(3.0))) == sm.Diagonal(np.arange(3.0))
    on_device = sm.Diagonal(Tensor(np.arange(3.0), 2))
    assert isinstance(on_device.values, cupy.ndarray)


def test_host_and_device_tensors_do_not_mix(cupy):
    with pytest.raises(sm.MixedDevicesError, match="move one of them"):
        KRONECKER @ Tensor(np.arange(6.0), 2)
    with pytest.raises(sm.MixedDevicesError, match="move one of them"):
        KRONECKER.to_device("cuda") @ Tensor(np.arange(6.0))


def test_a_read_only_tensor_is_taken_and_unharmed():
    x = np.arange(6.0)
    x.flags.writeable = False
    try:
        y = KRONECKER @ Tensor(x)
    except TypeError as error:  # NumPy before 2.1 does not hand out read-only arrays
        assert "cannot be read through DLPack" in str(error)
    else:
        np.testing.assert_array_equal(y, KRONECKER @ x)
    np.testing.assert_array_equal(x, np.arange(6.0))


@pytest.mark.parametrize("device", [1, 2])
@pytest.mark.parametrize(
    "error",
    [
        BufferError("Can't export tensors that require gradient, use tensor.detach()"),
        BufferError("Can't export tensors with the conjugate bit set"),
        RuntimeError("Unsupported dtype"),
        TypeError("can't convert a sparse tensor"),
        ValueError("non-native byte order"),
    ],
)
def test_a_tensor_that_cannot_be_handed_over(cupy, device, error):
    tensor = Tensor(np.arange(6.0), device, refuses=error)
    with pytest.raises(TypeError, match="`x` .*Tensor.* cannot be read through DLPack") as caught:
        KRONECKER @ tensor
    assert str(error) in str(caught.value)
    assert "records no gradients" in str(caught.value)


@pytest.mark.parametrize("device", [4, 8, 10, 14])
def test_a_tensor_of_another_kind_of_device(device):
    with pytest.raises(TypeError, match=rf"another kind \(DLPack device type {device}\)"):
        KRONECKER @ Tensor(np.arange(6.0), device)


def test_a_cuda_tensor_without_cupy(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(ImportError, match=r"`x` lives on a GPU, which needs CuPy.*cuda13"):
        KRONECKER @ Tensor(np.arange(6.0), 2)


@pytest.mark.parametrize("dtype", ["int32", "bool", "uint8"])
def test_integers_become_float64(dtype):
    x = np.array([0, 1, 0, 1, 1, 0]).astype(dtype)
    y = KRONECKER @ Tensor(x)
    assert y.dtype == np.float64
    np.testing.assert_array_equal(y, KRONECKER @ x.astype(float))


def test_a_tensor_of_half_precision_is_refused():
    with pytest.raises(TypeError, match="float16 is not supported"):
        KRONECKER @ Tensor(np.arange(6).astype(np.float16))
