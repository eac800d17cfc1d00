"""check_matrix: the contract of a structured matrix, which any third-party family can run."""

import copy
import pickle

import numpy as np
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from structmat.matrices.base import StructuredMatrix

__all__ = ["check_matrix"]


def check_matrix(A, dense, *, seed=0):
    """Check that a matrix obeys every law of :class:`structmat.StructuredMatrix`.

    Parameters
    ----------
    A : StructuredMatrix, shape (m, n)
        The matrix to check; small, a few hundred entries.
    dense : ndarray, shape (m, n)
        The same matrix, built from its definition and not through A.
    seed : int
        Of the random vectors.

    Raises
    ------
    AssertionError
        A law does not hold; the message names it.

    Notes
    -----
    Laws: products in every shape and dtype agree with the dense matrix, linearity, the adjoint
    identity <A x, y> = <x, A^H y>, columns of A @ I, inputs unharmed, wrong shapes refused, entries
    and slices, transposes, copies, pickling, equality, conversion of dtype, SciPy's contract.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> from structmat.testing import check_matrix
    >>> check_matrix(sm.Diagonal([1.0, 2.0]), np.diag([1.0, 2.0]))
    """
    dense = np.asarray(dense)
    rng = np.random.default_rng(seed)
    for law in _LAWS:
        try:
            law(A, dense, rng)
        except AssertionError as error:
            raise AssertionError(f"{law.__name__.strip('_')}: {error}") from error


def _draw(rng, shape, dtype):
    x = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


def _close(actual, expected, like, what):
    """Normwise agreement to 100 n eps; infinities and NaN never agree by accident."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, f"{what}: shape {actual.shape}, not {expected.shape}"
    if not expected.size:
        return
    # The dense matrix itself is rounded to its dtype: a float64 product is no more exact.
    eps = max(np.finfo(x.dtype).eps for x in (actual, expected, like))
    size = max(like.shape) if like.size else 1
    scale = float(np.abs(expected).max()) or 1.0
    bound = 100 * size * eps * max(scale, _row_scale(like) if actual.ndim == 2 else 0.0)
    error = float(np.abs(actual - expected).max())
    assert error <= bound, f"{what}: error {error:.2g} above {bound:.2g}"


def _row_scale(dense):
    return float(np.abs(dense).sum(1).max()) if dense.size else 0.0


def _is_a_scipy_operator(A, dense, rng):
    assert isinstance(A, StructuredMatrix), "not a StructuredMatrix"
    assert isinstance(A, LinearOperator), "not a LinearOperator"
    assert aslinearoperator(A) is A, "aslinearoperator does not return it as it is"
    assert A.shape == dense.shape, f"shape {A.shape}, dense {dense.shape}"
    assert all(type(s) is int for s in A.shape), "shape must hold Python integers"
    assert A.dtype == dense.dtype, f"dtype {A.dtype}, dense {dense.dtype}"
    assert A.ndim == 2, "ndim"
    assert A.size == dense.size, "size"
    assert not hasattr(A, "__array__"), "__array__ must not be defined"
    assert isinstance(repr(A), str), "repr"


def _toarray_is_the_definition(A, dense, rng):
    full = A.toarray()
    assert type(full) is np.ndarray, "toarray must return an ndarray"
    assert full.dtype == dense.dtype, "dtype of toarray"
    _close(full, dense, dense, "toarray")


def _products_agree(A, dense, rng):
    m, n = dense.shape
    kinds = {A.dtype, np.dtype(np.float64), np.dtype(np.complex64)}
    for dtype in kinds:
        for shape in ((n,), (n, 1), (n, 3), (n, 0), (2, n, 3)):
            x = _draw(rng, shape, dtype)
            before = x.copy()
            y = A @ x
            expected = dense @ x
            assert y.dtype == np.result_type(A.dtype, dtype), f"dtype of A @ x is {y.dtype}"
            assert np.array_equal(x, before), "A @ x changed its operand"
            assert not np.shares_memory(y, x) or not y.size, "A @ x returned its operand's memory"
            _close(y, expected, dense, f"A @ x, x {shape} {dtype}")
        for shape in ((m,), (1, m), (3, m), (0, m)):
            x = _draw(rng, shape, dtype)
            _close(x @ A, x @ dense, dense.T, f"x @ A, x {shape} {dtype}")
            _close(np.matmul(x, A), x @ dense, dense.T, "np.matmul(x, A)")
    ints = rng.integers(-3, 4, n)
    _close(A @ ints, dense @ ints.astype(float), dense, "A @ integers")
    assert (A @ ints).dtype == np.result_type(A.dtype, np.float64), "integers promote to float64"


def _doors_agree(A, dense, rng):
    m, n = dense.shape
    x, X = _draw(rng, n, A.dtype), _draw(rng, (n, 2), A.dtype)
    y, Y = _draw(rng, m, A.dtype), _draw(rng, (m, 2), A.dtype)
    adjoint = dense.conj().T
    _close(A.matvec(x), dense @ x, dense, "matvec")
    _close(A.matvec(x[:, None]), dense @ x[:, None], dense, "matvec of a column")
    _close(A.matmat(X), dense @ X, dense, "matmat")
    _close(A.rmatvec(y), adjoint @ y, adjoint, "rmatvec")
    _close(A.rmatvec(y[:, None]), adjoint @ y[:, None], adjoint, "rmatvec of a column")
    _close(A.rmatmat(Y), adjoint @ Y, adjoint, "rmatmat")
    _close(A.dot(x), dense @ x, dense, "dot")
    _close(A(x), dense @ x, dense, "A(x)")
    _close(np.matmul(A, X), dense @ X, dense, "np.matmul(A, X)")


def _columns_are_products_with_unit_vectors(A, dense, rng):
    n = dense.shape[1]
    _close(A @ np.eye(n, dtype=A.dtype), dense, dense, "A @ I")


def _is_linear(A, dense, rng):
    n = dense.shape[1]
    x, y = _draw(rng, n, A.dtype), _draw(rng, n, A.dtype)
    _close(A @ (2 * x + y), 2 * (A @ x) + A @ y, dense, "A(2x + y)")


def _adjoint_identity(A, dense, rng):
    m, n = dense.shape
    x, y = _draw(rng, n, A.dtype), _draw(rng, m, A.dtype)
    left, right = np.vdot(y, A @ x), np.vdot(A.H @ y, x)
    size = np.linalg.norm(dense) * np.linalg.norm(x) * np.linalg.norm(y) if dense.size else 1.0
    eps = np.finfo(A.dtype).eps
    assert abs(left - right) <= 100 * max(m, n, 1) * eps * size, "<A x, y> != <x, A^H y>"


def _transposes(A, dense, rng):
    for name, B, expected in (
        ("A.T", A.T, dense.T),
        ("A.H", A.H, dense.conj().T),
        ("A.mT", A.mT, dense.T),
        ("A.conj()", A.conj(), dense.conj()),
        ("A.H.H", A.H.H, dense),
        ("np.transpose", np.transpose(A), dense.T),
    ):
        assert B.dtype == dense.dtype, f"dtype of {name}"
        _close(B.toarray(), expected, expected, name)
        x = _draw(rng, expected.shape[1], A.dtype)
        _close(B @ x, expected @ x, expected, f"{name} @ x")


def _wrong_shapes_are_refused(A, dense, rng):
    m, n = dense.shape
    for wrong in (np.ones(n + 1), np.ones((n + 1, 2)), np.ones((2, n + 1, 1))):
        _must_raise(ValueError, lambda w=wrong: A @ w, f"A @ {wrong.shape}")
    _must_raise(ValueError, lambda: np.ones(m + 1) @ A, "x @ A")
    _must_raise(ValueError, lambda: A.matvec(np.ones((n + 1, 1))), "matvec")
    _must_raise(ValueError, lambda: A.matmat(np.ones(n)), "matmat of a vector")
    _must_raise(ValueError, lambda: A @ 2.0, "A @ scalar")
    _must_raise(TypeError, lambda: A * np.ones(n), "A * array")
    _must_raise(TypeError, lambda: np.ones(n) * A, "array * A")
    _must_raise(TypeError, lambda: A @ np.ones(n, np.float16), "float16")
    _must_raise(TypeError, lambda: A @ np.ones(n, object), "object")
    _must_raise(TypeError, lambda: np.exp(A), "np.exp(A)")
    _must_raise(TypeError, lambda: hash(A), "hash")
    _must_raise(TypeError, lambda: iter(A), "iter")
    _must_raise(TypeError, lambda: len(A), "len")


def _must_raise(error, function, what):
    try:
        function()
    except error:
        return
    except Exception as other:
        raise AssertionError(f"{what}: raised {type(other).__name__}: {other}") from other
    raise AssertionError(f"{what}: did not raise {error.__name__}")


def _odd_layouts(A, dense, rng):
    n = dense.shape[1]
    x = _draw(rng, (n, 4), A.dtype)
    frozen = x.copy()
    frozen.flags.writeable = False
    variants = [np.asfortranarray(x), x[::-1][::-1], x.astype(x.dtype.newbyteorder(">")), frozen]
    for variant in variants:
        _close(A @ variant, dense @ x, dense, "A @ x in another layout")
    wide = np.repeat(x, 2, axis=1)[:, ::2]
    _close(A @ wide, dense @ x, dense, "A @ strided")
    same = np.broadcast_to(x[:, :1], (n, 3))
    _close(A @ same, dense @ same, dense, "A @ broadcast")
    _close(A @ x[:, 0].tolist(), dense @ x[:, 0], dense, "A @ list")


def _entries(A, dense, rng):
    m, n = dense.shape
    if not dense.size:
        assert A[:, :].shape == (m, n), "A[:, :] of an empty matrix"
        return
    i, j = int(rng.integers(m)), int(rng.integers(n))
    _close(A[i, j], dense[i, j], dense, "A[i, j]")
    _close(A[i - m, j - n], dense[i, j], dense, "A[-i, -j]")
    _close(A[i], dense[i], dense, "A[i]")
    _close(A[:, j], dense[:, j], dense, "A[:, j]")
    _close(A[i, :], dense[i, :], dense, "A[i, :]")
    _close(A[::2, ::-1], dense[::2, ::-1], dense, "A[::2, ::-1]")
    _close(A[[i, 0], [j, 0]], dense[[i, 0], [j, 0]], dense, "A[[i, 0], [j, 0]]")
    _close(A[..., j], dense[..., j], dense, "A[..., j]")
    _must_raise(IndexError, lambda: A[m, 0], "A[m, 0]")
    _must_raise(IndexError, lambda: A[0, 0, 0], "A[0, 0, 0]")
    _must_raise(IndexError, lambda: A[0.5, 0], "A[0.5, 0]")


def _diagonal_and_trace(A, dense, rng):
    _close(np.diagonal(A), np.diagonal(dense), dense, "diagonal")
    for offset in (-1, 1):
        _close(A.diagonal(offset), np.diagonal(dense, offset), dense, f"diagonal({offset})")
    # Relative to what is added: the trace itself may be zero by cancellation.
    size = float(np.abs(np.diagonal(dense)).sum())
    error = float(abs(np.trace(A) - np.trace(dense)))
    bound = 100 * max(dense.shape, default=1) * np.finfo(dense.dtype).eps * size
    assert error <= bound, f"trace: error {error:.2g} above {bound:.2g}"


def _is_its_parameters(A, dense, rng):
    for name, B in (
        ("copy", A.copy()),
        ("copy.copy", copy.copy(A)),
        ("copy.deepcopy", copy.deepcopy(A)),
        *((f"pickle {p}", pickle.loads(pickle.dumps(A, p))) for p in range(2, 6)),
    ):
        assert type(B) is type(A), f"{name}: {type(B).__name__}"
        assert B == A, f"{name} is not equal"
        _close(B.toarray(), dense, dense, name)
    assert (A != A.copy()) is False, "A != A.copy()"
    assert A != "a string", "A == a string"
    assert type(A.nbytes) is int, "nbytes must be an int"
    assert A.nbytes >= 0, "nbytes"


def _casts(A, dense, rng):
    double = np.result_type(A.dtype, np.float64)
    largest = np.abs(dense).max(initial=0)
    for dtype in (double, np.complex64, np.complex128):
        if np.can_cast(A.dtype, dtype, "same_kind") and largest < np.finfo(dtype).max / 4:
            B = A.astype(dtype)
            assert B.dtype == dtype, f"astype({dtype})"
            _close(B.toarray(), dense.astype(dtype), dense, f"astype({dtype})")
    if A.dtype.kind == "c":
        _must_raise(TypeError, lambda: A.astype(np.float64), "complex to real")
    _must_raise(TypeError, lambda: A.astype(np.float16), "astype(float16)")


def _closure(A, dense, rng):
    n = dense.shape[1]
    x = _draw(rng, n, A.dtype)
    c = A.dtype.type(3)
    for name, B, expected in (
        ("3 * A", 3 * A, 3 * dense),
        ("A * scalar", A * c, dense * c),
        ("scalar * A", c * A, c * dense),
        ("A / 2", A / 2, dense / 2),
        ("-A", -A, -dense),
        ("A - A", A - A, dense - dense),
        ("A + A", A + A, dense + dense),
        ("A @ A.H", A @ A.H, dense @ dense.conj().T),
    ):
        assert isinstance(B, StructuredMatrix), f"{name} is a {type(B).__name__}"
        assert B.dtype == dense.dtype, f"dtype of {name} is {B.dtype}"
        _close(B.toarray(), expected, dense if B.shape == dense.shape else expected, name)
    _close(((2 * A) - A) @ x, dense @ x, dense, "(2 A - A) @ x")
    _close(A + dense, 2 * dense, dense, "A + ndarray")
    _close(dense + A, 2 * dense, dense, "ndarray + A")
    _close(dense - A, dense - dense, dense, "ndarray - A")
    complex_scaled = 1j * A
    _close(complex_scaled.toarray(), 1j * dense, dense, "1j * A")
    B = LinearOperator(dense.shape, matvec=lambda v: dense @ v, dtype=dense.dtype) @ A.H
    y = _draw(rng, dense.shape[0], A.dtype)
    _close(B @ y, dense @ (dense.conj().T @ y), dense @ dense.conj().T, "LinearOperator @ A")


_LAWS = (
    _is_a_scipy_operator,
    _toarray_is_the_definition,
    _products_agree,
    _doors_agree,
    _columns_are_products_with_unit_vectors,
    _is_linear,
    _adjoint_identity,
    _transposes,
    _wrong_shapes_are_refused,
    _odd_layouts,
    _entries,
    _diagonal_and_trace,
    _is_its_parameters,
    _casts,
    _closure,
)
