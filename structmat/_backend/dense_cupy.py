"""The twin of `dense` for CuPy arrays: cuSOLVER and cuBLAS through cupy.linalg and cupyx.

The same names, signatures and results as in `structmat._backend.dense`, which imports this module
when the first CuPy array comes. What cuSOLVER does not offer (general eigenvalues before CuPy 14,
the Schur form) raises NotImplementedError and names the way out; nothing moves to the host behind
the caller's back but error codes.
"""

import math
import warnings
from typing import Any

import cupy as xp
import cupyx
from cupyx.scipy import linalg as cla
from numpy.linalg import LinAlgError

from structmat._backend.lapack import LU, NOT_FINITE, moderating_scale

__all__ = [
    "cho_solve",
    "cholesky",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "lu_factor",
    "norm",
    "qr",
    "rcond_triangular",
    "schur",
    "solve_triangular",
    "svd",
    "svdvals",
]


def _device(A: Any, check_finite: bool = False) -> Any:
    if A.ndim != 2:
        raise ValueError(f"expected a 2-D array, got {A.ndim}-D with shape {A.shape}")
    if A.dtype.kind in "biu":
        A = A.astype(xp.float64)
    if A.dtype.char not in "fdFD":
        raise TypeError(
            f"dense linear algebra needs float32, float64, complex64 or complex128; got {A.dtype}. "
            "Convert with astype first."
        )
    if check_finite and not bool(xp.isfinite(A).all()):
        raise ValueError(NOT_FINITE)
    return A


def _square(A: Any) -> Any:
    if A.shape[0] != A.shape[1]:
        raise ValueError(f"expected square matrix, got shape {A.shape}")
    return A


def _rhs(B: Any, n: int, dtype: Any, check_finite: bool) -> Any:
    """Return right-hand sides for a factor of `dtype`; complex ones will make it complex."""
    B = _device(B, check_finite)
    if B.shape[0] != n:
        raise ValueError(f"incompatible shapes: a.shape={(n, n)} and b.shape={B.shape}")
    wanted = xp.result_type(dtype, xp.complex64) if B.dtype.kind == "c" else dtype
    if not xp.can_cast(B.dtype, wanted):
        raise TypeError(f"the factorisation is {dtype}, the right-hand side {B.dtype}; convert one")
    return B.astype(wanted, copy=False)


def _scale(A: Any) -> float:
    """Return 1, or the power of two that brings an extreme matrix to modulus 1."""
    return moderating_scale(float(abs(A).max()), A.dtype)


class _DeviceLU(LU):
    """LU with its factors on the device, where the condition is estimated too."""

    __slots__ = ()

    def _solve(self, B: Any, trans: int) -> Any:
        factors = self.factors.astype(B.dtype, copy=False)
        return cla.lu_solve((factors, self.pivots), B, trans=trans, check_finite=False)

    def solve(self, B: Any, adjoint: bool = False, check_finite: bool = True) -> Any:
        if self.zero_pivot is not None:
            raise LinAlgError(f"singular matrix: pivot {self.zero_pivot} is exactly zero")
        B = _rhs(B, self.factors.shape[0], self.factors.dtype, check_finite)
        if B.size == 0:
            return B.copy()
        X = self._solve(B, 2 if adjoint else 0)
        return X if self.scale == 1 else X * self.scale

    def inv(self) -> Any:
        return self.solve(
            xp.eye(self.factors.shape[0], dtype=self.factors.dtype), check_finite=False
        )

    def slogdet(self) -> tuple[Any, float]:
        # n numbers and n indices come to the host: one transfer, not a synchronisation a step.
        diagonal, pivots = xp.asnumpy(self.factors.diagonal()), xp.asnumpy(self.pivots)
        host = LU(_Diagonal(diagonal), pivots, self.zero_pivot, self._norm1, self.scale)
        return LU.slogdet(host)

    def _estimate_rcond(self) -> float:
        if self.zero_pivot is not None:
            return 0.0
        if self.factors.shape[0] == 0:
            return 1.0
        inverse = _onenorm_estimate(self.factors.shape[0], self.factors.dtype, self._solve)
        product = inverse * self._norm1
        return 1.0 / product if product > 0 and math.isfinite(product) else 0.0


class _Diagonal:
    """The diagonal of a factor, in the place of the factor: all that a determinant reads."""

    def __init__(self, values: Any):
        self._values, self.shape, self.dtype = values, values.shape, values.dtype

    def diagonal(self) -> Any:
        return self._values


def _onenorm_estimate(n: int, dtype: Any, solve: Any) -> float:
    """Estimate ||A^-1||_1 by Hager's method (Higham, Accuracy and Stability, algorithm 15.1).

    ``solve(B, trans)`` solves with A (0) or its conjugate transpose (2). At most five pairs of
    solves, as in LAPACK's lacn2, and its alternating vector as a safeguard.
    """
    x = xp.full((n, 1), 1.0 / n, dtype=dtype)
    estimate, last = 0.0, -1
    for _ in range(5):
        y = solve(x, 0)
        new = float(abs(y).sum())
        if not math.isfinite(new):
            return math.inf
        if new <= estimate:
            break
        estimate = new
        modulus = abs(y)
        signs = xp.where(modulus == 0, xp.ones_like(y), y / xp.where(modulus == 0, 1, modulus))
        z = abs(solve(signs.astype(dtype, copy=False), 2))
        j = int(z.argmax())
        if j == last or n == 1:
            break
        last = j
        x = xp.zeros((n, 1), dtype=dtype)
        x[j] = 1
    steps = xp.arange(n)
    alternating = ((1 - 2 * (steps % 2)) * (1 + steps / max(n - 1, 1))).astype(dtype)[:, None]
    return max(estimate, 2 * float(abs(solve(alternating, 0)).sum()) / (3 * n))


def lu_factor(A: Any, check_finite: bool = True) -> LU:
    A = _square(_device(A, check_finite))
    n = A.shape[0]
    if n == 0:
        return _DeviceLU(xp.empty((0, 0), A.dtype), xp.empty(0, xp.int32), None, 0.0, 1.0)
    scale = _scale(A)
    if scale != 1:
        A = A * A.dtype.type(scale)
    norm1 = float(abs(A).sum(axis=0).max())
    with warnings.catch_warnings():  # a zero pivot is reported by its index, not by CuPy's warning
        warnings.simplefilter("ignore")
        factors, pivots = cla.lu_factor(A, check_finite=False)
    zeros = factors.diagonal() == 0
    zero_pivot = int(zeros.argmax()) if bool(zeros.any()) else None
    return _DeviceLU(factors, pivots, zero_pivot, norm1, scale)


def cholesky(A: Any, check_finite: bool = True) -> tuple[Any, int | None]:
    A = _square(_device(A, check_finite))
    if A.shape[0] == 0:
        return xp.empty((0, 0), A.dtype), None
    try:
        with cupyx.errstate(linalg="raise"):
            return xp.linalg.cholesky(A), None
    except LinAlgError:
        # cuSOLVER's index does not reach Python: a failed factorisation is done once more on the
        # host for it.
        from structmat._backend import dense

        minor = dense.cholesky(xp.asnumpy(A), check_finite=False).failing_minor
        return xp.full_like(A, xp.nan), minor if minor is not None else A.shape[0]


def cho_solve(L: Any, B: Any, check_finite: bool = True) -> Any:
    Y = solve_triangular(L, B, lower=True, check_finite=check_finite)
    return solve_triangular(L, Y, lower=True, adjoint=True, check_finite=False)


def solve_triangular(
    T: Any,
    B: Any,
    lower: bool = False,
    adjoint: bool = False,
    unit_diagonal: bool = False,
    check_finite: bool = True,
) -> Any:
    T = _square(_device(T))
    B = _rhs(B, T.shape[0], T.dtype, check_finite)
    if B.size == 0:
        return B.copy()
    if not unit_diagonal and bool((zeros := T.diagonal() == 0).any()):
        raise LinAlgError(f"singular matrix: diagonal entry {int(zeros.argmax())} is exactly zero")
    T = T.astype(B.dtype, copy=False)
    return cla.solve_triangular(
        T,
        B,
        trans=2 if adjoint else 0,
        lower=lower,
        unit_diagonal=unit_diagonal,
        check_finite=False,
    )


def rcond_triangular(T: Any, lower: bool = False) -> float:
    T = _square(_device(T))
    if T.shape[0] == 0:
        return 1.0
    if bool((T.diagonal() == 0).any()):
        return 0.0
    triangle = xp.tril(T) if lower else xp.triu(T)
    norm1 = float(abs(triangle).sum(axis=0).max())

    def solve(B: Any, trans: int) -> Any:
        return cla.solve_triangular(T, B, trans=trans, lower=lower, check_finite=False)

    product = norm1 * _onenorm_estimate(T.shape[0], T.dtype, solve)
    return 1.0 / product if product > 0 and math.isfinite(product) else 0.0


def qr(A: Any, check_finite: bool = True) -> tuple[Any, Any]:
    A = _device(A, check_finite)
    m, n = A.shape
    if min(m, n) == 0:
        return xp.empty((m, 0), A.dtype), xp.empty((0, n), A.dtype)
    Q, R = xp.linalg.qr(A, mode="reduced")
    return Q, R


def svd(A: Any, full_matrices: bool = False, check_finite: bool = True) -> tuple[Any, Any, Any]:
    A = _device(A, check_finite)
    m, n = A.shape
    if min(m, n) == 0:
        U = xp.eye(m, m if full_matrices else 0, dtype=A.dtype)
        Vh = xp.eye(n if full_matrices else 0, n, dtype=A.dtype)
        return U, xp.empty(0, A.real.dtype), Vh
    scale = _scale(A)
    with cupyx.errstate(linalg="raise"):
        U, S, Vh = xp.linalg.svd(A * A.dtype.type(scale), full_matrices=full_matrices)
    return U, S / S.dtype.type(scale), Vh


def svdvals(A: Any, check_finite: bool = True) -> Any:
    A = _device(A, check_finite)
    if A.size == 0:
        return xp.empty(0, A.real.dtype)
    scale = _scale(A)
    with cupyx.errstate(linalg="raise"):
        S = xp.linalg.svd(A * A.dtype.type(scale), compute_uv=False)
    return S / S.dtype.type(scale)


def eigh(A: Any, check_finite: bool = True) -> tuple[Any, Any]:
    A = _square(_device(A, check_finite))
    if A.size == 0:
        return xp.empty(0, A.real.dtype), xp.empty((0, 0), A.dtype)
    scale = _scale(A)
    with cupyx.errstate(linalg="raise"):
        w, V = xp.linalg.eigh(A * A.dtype.type(scale), UPLO="L")
    return w / w.dtype.type(scale), V


def eigvalsh(A: Any, check_finite: bool = True) -> Any:
    A = _square(_device(A, check_finite))
    if A.size == 0:
        return xp.empty(0, A.real.dtype)
    scale = _scale(A)
    with cupyx.errstate(linalg="raise"):
        w = xp.linalg.eigvalsh(A * A.dtype.type(scale), UPLO="L")
    return w / w.dtype.type(scale)


def _needs(name: str) -> Any:
    verb = getattr(xp.linalg, name, None)
    if verb is None:
        raise NotImplementedError(
            f"{name} of a general matrix needs CuPy 14 or newer; install it, or move the matrix "
            'to the host first: A.to_device("cpu")'
        )
    return verb


def eig(A: Any, check_finite: bool = True) -> tuple[Any, Any]:
    A = _square(_device(A, check_finite))
    if A.size == 0:
        return xp.empty(0, A.dtype), xp.empty((0, 0), A.dtype)
    scale = _scale(A)
    w, V = _needs("eig")(A * A.dtype.type(scale))
    w = w / w.real.dtype.type(scale)
    if A.dtype.kind == "f" and not bool(w.imag.any()):
        return w.real.copy(), V.real.copy()
    return w, V


def eigvals(A: Any, check_finite: bool = True) -> Any:
    A = _square(_device(A, check_finite))
    if A.size == 0:
        return xp.empty(0, A.dtype)
    scale = _scale(A)
    w = _needs("eigvals")(A * A.dtype.type(scale))
    w = w / w.real.dtype.type(scale)
    return w.real.copy() if A.dtype.kind == "f" and not bool(w.imag.any()) else w


def schur(A: Any, output: str = "real", check_finite: bool = True) -> tuple[Any, Any]:
    raise NotImplementedError(
        "the Schur form is not available on the device; move the matrix to the host first: "
        'A.to_device("cpu")'
    )


def norm(A: Any, ord: Any = "fro") -> float:
    A = _device(A)
    if A.size == 0:
        return 0.0
    if not bool(xp.isfinite(A).all()):
        return math.nan if bool(xp.isnan(A).any()) else math.inf
    if ord in (2, -2, "nuc"):
        S = svdvals(A, check_finite=False)
        return float(S[-1] if ord == -2 else S[0] if ord == 2 else S.sum())
    modulus = abs(A)
    if ord == "max":
        return float(modulus.max())
    if ord == "fro":
        scale = _scale(A)
        return float(xp.linalg.norm((modulus * modulus.dtype.type(scale)).ravel())) / scale
    sums = modulus.sum(axis=0 if ord in (1, -1) else 1)
    return float(sums.min() if ord in (-1, -math.inf) else sums.max())
