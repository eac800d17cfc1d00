"""Dense linear algebra on small blocks: the verbs of LAPACK, for arrays of either namespace.

A structured algorithm ends in dense factors: the 64 x 64 factors of a Kronecker product, the core
of a low-rank update, the diagonal blocks of a block-diagonal matrix. These functions take them.
They differ from ``numpy.linalg`` and ``scipy.linalg`` in four ways, each of them needed by a
caller:

- the arithmetic is in the array's own precision (``numpy.linalg`` computes float32 in double);
- a zero pivot or a failing minor is returned as an index, so that the caller can name the place;
- an LU factorisation carries its reciprocal condition number and solves with the adjoint;
- LAPACK is called directly, since three 64 x 64 factorisations may cost no more than three
  ``numpy.linalg.slogdet``.

Every function takes 2-D arrays (of any strides) and works for ``n = 0``. ``check_finite`` is True
where a factorisation starts; pass False for data that were checked. CuPy arrays go to
`structmat._backend.dense_cupy`, which is imported when the first one comes.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg as sla
from numpy.linalg import LinAlgError

from structmat._backend.arrays import namespace_of
from structmat._backend.lapack import (
    LU,
    NOT_FINITE,
    as_lapack,
    joined,
    moderating_scale,
    right_hand_sides,
    routine,
    square,
)

__all__ = [
    "LU",
    "CholeskyFactor",
    "cho_solve",
    "cholesky",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "finite",
    "lu_factor",
    "norm",
    "qr",
    "rcond_triangular",
    "schur",
    "slogdet",
    "solve_triangular",
    "svd",
    "svdvals",
    "zero_on_diagonal",
]


def _elsewhere(A: Any) -> Any:
    """Return the twin module when `A` lives on a device, None when it is NumPy's."""
    if type(A) is np.ndarray or namespace_of(A, default=np) is np:
        return None
    from structmat._backend import dense_cupy

    return dense_cupy


def finite(A: Any) -> Any:
    """Return `A`, or raise ValueError if it holds an infinity or a NaN."""
    if not namespace_of(A, default=np).isfinite(A).all():
        raise ValueError(NOT_FINITE)
    return A


# Triangular factorisations -----------------------------------------------------------------------


def lu_factor(A: Any, check_finite: bool = True) -> LU:
    """Factorise a square matrix by Gaussian elimination with partial pivoting.

    A singular matrix is no error here: `LU.zero_pivot` holds the place, and the caller says so in
    the words of its structure. ``rcond`` is computed when it is asked for.

    Parameters
    ----------
    A : (n, n) ndarray
        Left as it is.
    check_finite : bool
        Refuse NaN and infinities with ValueError.

    Returns
    -------
    LU
    """
    if (twin := _elsewhere(A)) is not None:
        return twin.lu_factor(A, check_finite)
    A = square(as_lapack(A))
    n, dtype = A.shape[0], A.dtype
    if n == 0:
        return LU(np.empty((0, 0), dtype), np.empty(0, np.int32), None, 0.0, 1.0)
    # One pass of lange is the 1-norm and the finiteness check in one: it lets NaN and inf through.
    # A row-major array is read as its transpose, whose inf-norm it is, so that nothing is copied.
    rows = A.flags.c_contiguous
    norm1, scale = float(routine("lange", dtype)("I" if rows else "1", A.T if rows else A)), 1.0
    if not math.isfinite(norm1):
        if np.isfinite(A).all():  # only the sum of a column overflowed
            scale = 2.0 ** -(n.bit_length() + 2)
            A = A * dtype.type(scale)
            norm1 = float(routine("lange", dtype)("1", A))
        elif check_finite:
            raise ValueError(NOT_FINITE)
    factors, pivots, info = routine("getrf", dtype)(np.array(A, order="F"), overwrite_a=True)
    return LU(factors, pivots, info - 1 if info > 0 else None, norm1, scale)


def slogdet(A: Any, check_finite: bool = True) -> tuple[Any, float]:
    """Return (sign, log |det A|) by LU, (0.0, -inf) for a singular matrix."""
    return lu_factor(A, check_finite).slogdet()


class CholeskyFactor(NamedTuple):
    """The factor of A = L L^H, and the order of the first minor that is not positive or None."""

    L: Any
    failing_minor: int | None


def cholesky(A: Any, check_finite: bool = True) -> CholeskyFactor:
    """Factorise a Hermitian positive definite matrix, A = L L^H, reading its lower triangle.

    Parameters
    ----------
    A : (n, n) ndarray
        Left as it is.
    check_finite : bool
        Refuse NaN and infinities with ValueError.

    Returns
    -------
    CholeskyFactor
        ``L`` (n, n) in row-major order with zeros above the diagonal, and ``failing_minor``: None,
        or the order (from 1) of the first leading minor that is not positive definite, with ``L``
        then unusable.
    """
    if (twin := _elsewhere(A)) is not None:
        return CholeskyFactor(*twin.cholesky(A, check_finite))
    A = square(as_lapack(A, check_finite))
    if A.shape[0] == 0:
        return CholeskyFactor(np.empty((0, 0), A.dtype), None)
    # The row-major lower triangle of A is the column-major upper triangle of conj(A) = U^H U, so L
    # = U^T.
    U, info = routine("potrf", A.dtype)(
        np.array(A, order="C").T, lower=0, clean=1, overwrite_a=True
    )
    return CholeskyFactor(U.T, info if info > 0 else None)


def cho_solve(L: Any, B: Any, check_finite: bool = True) -> Any:
    """Solve L L^H X = B with the lower factor of `cholesky`; `B` and the result are (n, k)."""
    if (twin := _elsewhere(L)) is not None:
        return twin.cho_solve(L, B, check_finite)
    L = square(as_lapack(L))
    B, split = right_hand_sides(B, L.shape[0], L.dtype, check_finite)
    if B.size == 0:
        return joined(np.empty(B.shape, L.dtype), split)
    # potrs on L^T (no copy of a row-major L) solves the conjugate system.
    X, _ = routine("potrs", L.dtype)(L.T, B.conj(), lower=0)
    return joined(X.conj(), split)


def zero_on_diagonal(T: Any) -> int | None:
    """Return the index of the first exact zero on the diagonal of `T`, None if there is none."""
    zeros = T.diagonal() == 0
    return int(zeros.argmax()) if bool(zeros.any()) else None


def solve_triangular(
    T: Any,
    B: Any,
    lower: bool = False,
    adjoint: bool = False,
    unit_diagonal: bool = False,
    check_finite: bool = True,
) -> Any:
    """Solve T X = B, or T^H X = B, by substitution; only one triangle of `T` is read.

    Raises
    ------
    numpy.linalg.LinAlgError
        If a diagonal entry is exactly zero; ask `zero_on_diagonal` for its index beforehand.
    """
    if (twin := _elsewhere(T)) is not None:
        return twin.solve_triangular(T, B, lower, adjoint, unit_diagonal, check_finite)
    T = square(as_lapack(T))
    B, split = right_hand_sides(B, T.shape[0], T.dtype, check_finite)
    if B.size == 0:
        return joined(np.empty(B.shape, T.dtype), split)
    trtrs = routine("trtrs", T.dtype)
    if T.flags.c_contiguous and not T.flags.f_contiguous:
        # Seen column-major, T is its transpose: T^T for T, and for T^H the conjugate of the system
        # with T^T.
        B = B.conj() if adjoint else B
        X, info = trtrs(T.T, B, lower=not lower, trans=0 if adjoint else 1, unitdiag=unit_diagonal)
        X = X.conj() if adjoint else X
    else:
        X, info = trtrs(T, B, lower=lower, trans=2 if adjoint else 0, unitdiag=unit_diagonal)
    if info > 0:
        raise LinAlgError(f"singular matrix: diagonal entry {info - 1} is exactly zero")
    return joined(X, split)


def rcond_triangular(T: Any, lower: bool = False) -> float:
    """Estimate 1 / (||T||_1 ||T^-1||_1) of a triangular matrix by trcon, 0 when it is singular."""
    if (twin := _elsewhere(T)) is not None:
        return twin.rcond_triangular(T, lower)
    T = square(as_lapack(T))
    if T.shape[0] == 0:
        return 1.0
    trcon = routine("trcon", T.dtype)
    if T.flags.c_contiguous:
        return float(trcon(T.T, norm="I", uplo="U" if lower else "L")[0])
    return float(trcon(T, norm="1", uplo="L" if lower else "U")[0])


# Orthogonal factorisations -----------------------------------------------------------------------


def qr(A: Any, check_finite: bool = True) -> tuple[Any, Any]:
    """Return the reduced factors Q (m, k) and R (k, n) of A = Q R, with k = min(m, n)."""
    if (twin := _elsewhere(A)) is not None:
        return twin.qr(A, check_finite)
    A = as_lapack(A, check_finite)
    m, n = A.shape
    if min(m, n) == 0:
        return np.empty((m, 0), A.dtype), np.empty((0, n), A.dtype)
    return sla.qr(A, mode="economic", check_finite=False)


def svd(A: Any, full_matrices: bool = False, check_finite: bool = True) -> tuple[Any, Any, Any]:
    """Return U, S, Vh with A = U diag(S) Vh and S descending.

    Divide and conquer (gesdd), and the QR algorithm (gesvd) where that does not converge.

    Parameters
    ----------
    A : (m, n) ndarray
    full_matrices : bool
        Complete U to (m, m) and Vh to (n, n).
    check_finite : bool
        Refuse NaN and infinities with ValueError.

    Raises
    ------
    numpy.linalg.LinAlgError
        If neither algorithm converges.
    """
    if (twin := _elsewhere(A)) is not None:
        return twin.svd(A, full_matrices, check_finite)
    A = as_lapack(A, check_finite)
    m, n = A.shape
    if min(m, n) == 0:
        U = np.eye(m, m if full_matrices else 0, dtype=A.dtype)
        Vh = np.eye(n if full_matrices else 0, n, dtype=A.dtype)
        return U, np.empty(0, A.real.dtype), Vh
    return _svd_lapack(A, full_matrices=full_matrices)


def svdvals(A: Any, check_finite: bool = True) -> Any:
    """Return the singular values, min(m, n) reals in descending order."""
    if (twin := _elsewhere(A)) is not None:
        return twin.svdvals(A, check_finite)
    A = as_lapack(A, check_finite)
    if A.size == 0:
        return np.empty(0, A.real.dtype)
    return _svd_lapack(A, compute_uv=False)


def _svd_lapack(A: np.ndarray, **options: Any) -> Any:
    try:
        return sla.svd(A, lapack_driver="gesdd", check_finite=False, **options)
    except LinAlgError:
        return sla.svd(A, lapack_driver="gesvd", check_finite=False, **options)


# Eigenvalues -------------------------------------------------------------------------------------


def eigh(A: Any, check_finite: bool = True) -> tuple[Any, Any]:
    """Return ascending eigenvalues, and eigenvectors, of a Hermitian matrix by its lower triangle.

    Divide and conquer (syevd, heevd): its vectors are orthogonal to working accuracy, those of the
    faster MRRR driver can be ten times worse.
    """
    if (twin := _elsewhere(A)) is not None:
        return twin.eigh(A, check_finite)
    A = square(as_lapack(A, check_finite))
    if A.size == 0:
        return np.empty(0, A.real.dtype), np.empty((0, 0), A.dtype)
    try:
        return sla.eigh(A, driver="evd", check_finite=False)
    except LinAlgError:
        return sla.eigh(A, driver="ev", check_finite=False)


def eigvalsh(A: Any, check_finite: bool = True) -> Any:
    """Return the eigenvalues of a Hermitian matrix, ascending, from its lower triangle."""
    if (twin := _elsewhere(A)) is not None:
        return twin.eigvalsh(A, check_finite)
    A = square(as_lapack(A, check_finite))
    if A.size == 0:
        return np.empty(0, A.real.dtype)
    return sla.eigh(A, eigvals_only=True, driver="evd", check_finite=False)


def _moderate(A: np.ndarray) -> tuple[np.ndarray, Any]:
    """Return ``scale * A`` of moderate modulus, and the scale: a power of two, nearly always 1.

    geev scales by itself, but scipy.linalg.eig of SciPy 1.17 returns wrong eigenvalues when it does
    (seen for matrices of 1e-150 and 1e150).
    """
    scale = A.real.dtype.type(moderating_scale(norm(A, "max"), A.dtype))
    return (A if scale == 1 else A * scale), scale


def _real_if_real(w: Any) -> Any:
    """Follow numpy.linalg.eig: eigenvalues of a real matrix are real if every one of them is."""
    return w.real.copy() if not bool(w.imag.any()) else w


def eig(A: Any, check_finite: bool = True) -> tuple[Any, Any]:
    """Return eigenvalues (in no order) and right eigenvectors of a square matrix.

    Both are real where a real matrix has real eigenvalues only, as in ``numpy.linalg.eig``.
    """
    if (twin := _elsewhere(A)) is not None:
        return twin.eig(A, check_finite)
    A = square(as_lapack(A, check_finite))
    if A.size == 0:
        return np.empty(0, A.dtype), np.empty((0, 0), A.dtype)
    A, scale = _moderate(A)
    w, V = sla.eig(A, check_finite=False)
    w = w / scale
    return (_real_if_real(w) if A.dtype.kind == "f" else w), V


def eigvals(A: Any, check_finite: bool = True) -> Any:
    """Return the eigenvalues of a square matrix in no order; real or complex as in `eig`."""
    if (twin := _elsewhere(A)) is not None:
        return twin.eigvals(A, check_finite)
    A = square(as_lapack(A, check_finite))
    if A.size == 0:
        return np.empty(0, A.dtype)
    A, scale = _moderate(A)
    w = sla.eigvals(A, check_finite=False) / scale
    return _real_if_real(w) if A.dtype.kind == "f" else w


def schur(A: Any, output: str = "real", check_finite: bool = True) -> tuple[Any, Any]:
    """Return T and Z with A = Z T Z^H; T is (quasi-)triangular.

    Parameters
    ----------
    A : (n, n) ndarray
    output : {"complex", "real"}
        For a real matrix: 2 x 2 blocks on the diagonal of a real T ("real"), or a complex triangle.
    check_finite : bool
        Refuse NaN and infinities with ValueError.
    """
    if output not in ("complex", "real"):
        raise ValueError(f"output must be one of 'complex', 'real'; got {output!r}")
    if (twin := _elsewhere(A)) is not None:
        return twin.schur(A, output, check_finite)
    A = square(as_lapack(A, check_finite))
    if A.size == 0:
        empty = np.empty(
            (0, 0), A.dtype if output == "real" else np.result_type(A.dtype, np.complex64)
        )
        return empty, empty.copy()
    return sla.schur(A, output=output, check_finite=False)


# Norms -------------------------------------------------------------------------------------------


def norm(A: Any, ord: Any = "fro") -> float:
    """Return a norm of the matrix without overflow on the way; NaN and infinities propagate.

    Parameters
    ----------
    A : (m, n) ndarray
    ord : {None, "fro", 1, -1, 2, -2, numpy.inf, -numpy.inf, "nuc", "max"}
        As in ``numpy.linalg.norm``; None is "fro", "max" is the largest modulus of an entry.
    """
    ord = "fro" if ord is None else ord
    if ord not in ("fro", 1, -1, 2, -2, math.inf, -math.inf, "nuc", "max"):
        raise ValueError(
            f"ord must be one of 'fro', 'max', 'nuc', 1, -1, 2, -2, inf, -inf; got {ord!r}"
        )
    if (twin := _elsewhere(A)) is not None:
        return twin.norm(A, ord)
    A = as_lapack(A)
    if A.size == 0:
        return 0.0
    if ord in (2, -2, "nuc"):
        if not np.isfinite(A).all():
            return math.nan if np.isnan(A).any() else math.inf
        S = svdvals(A, check_finite=False)
        with np.errstate(over="ignore"):
            return float(S[-1] if ord == -2 else S[0] if ord == 2 else S.sum())
    if ord in (-1, -math.inf):
        with np.errstate(over="ignore"):
            return float(np.abs(A).sum(axis=0 if ord == -1 else 1).min())
    letter = {"fro": "F", 1: "1", math.inf: "I", "max": "M"}[ord]
    if A.flags.c_contiguous:  # read as the transpose: no copy, rows and columns change places
        letter, A = {"1": "I", "I": "1"}.get(letter, letter), A.T
    return float(routine("lange", A.dtype)(letter, A))
