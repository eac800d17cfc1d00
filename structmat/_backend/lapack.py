"""The ground under `dense`: LAPACK routines by dtype, arrays as it takes them, the LU object."""

import math
from typing import Any

import numpy as np
from numpy.linalg import LinAlgError
from scipy.linalg import lapack

__all__ = [
    "LU",
    "NOT_FINITE",
    "as_lapack",
    "joined",
    "moderating_scale",
    "right_hand_sides",
    "routine",
    "square",
]

NOT_FINITE = "array must not contain infs or NaNs"
_LETTER = {"f": "s", "d": "d", "F": "c", "D": "z"}
_routines: dict[str, Any] = {}  # LAPACK routines by their full name, such as "dgetrf"


def routine(name: str, dtype: np.dtype) -> Any:
    """Return the LAPACK routine `name` for `dtype`, e.g. dgetrf for ("getrf", float64)."""
    full = _LETTER[dtype.char] + name
    try:
        return _routines[full]
    except KeyError:
        return _routines.setdefault(full, getattr(lapack, full))


def as_lapack(A: Any, check_finite: bool = False) -> np.ndarray:
    """Return `A` as LAPACK can take it: 2-D, one of four native dtypes, finite if asked."""
    A = np.asarray(A)
    if A.ndim != 2:
        raise ValueError(f"expected a 2-D array, got {A.ndim}-D with shape {A.shape}")
    if A.dtype.char not in _LETTER or not A.dtype.isnative:
        if A.dtype.kind in "biu":
            A = A.astype(np.float64)
        elif A.dtype.char in _LETTER:
            A = A.astype(A.dtype.newbyteorder("="))
        else:
            raise TypeError(
                f"dense linear algebra needs float32, float64, complex64 or complex128; "
                f"got {A.dtype}. Convert with astype first."
            )
    if check_finite and not np.isfinite(A).all():
        raise ValueError(NOT_FINITE)
    return A


def square(A: np.ndarray) -> np.ndarray:
    """Return `A`, or raise ValueError if it is not square."""
    if A.shape[0] != A.shape[1]:
        raise ValueError(f"expected square matrix, got shape {A.shape}")
    return A


def moderating_scale(top: float, dtype: np.dtype) -> float:
    """Return a power of two that brings the modulus `top` towards 1, or 1 where it is not extreme.

    Extreme is what LAPACK's eigenvalue drivers would scale themselves. A product with a power of
    two is exact (subnormal numbers aside), and the power and its inverse are both representable.
    """
    limits = np.finfo(dtype)
    small = 2 * math.sqrt(limits.tiny) / float(limits.eps)
    if top == 0 or not math.isfinite(top) or small < top < 1 / small:
        return 1.0
    bound = -limits.minexp - 2
    return 2.0 ** max(-bound, min(bound, -math.frexp(top)[1]))


def right_hand_sides(
    B: Any, n: int, dtype: np.dtype, check_finite: bool
) -> tuple[np.ndarray, bool]:
    """Return right-hand sides of `dtype`, and whether they are complex ones split in two."""
    B = as_lapack(B, check_finite)
    if B.shape[0] != n:
        raise ValueError(f"incompatible shapes: a.shape={(n, n)} and b.shape={B.shape}")
    split = B.dtype.kind == "c" and dtype.kind == "f"
    if split:
        B = np.concatenate([B.real, B.imag], axis=1)
    if not np.can_cast(B.dtype, dtype):
        raise TypeError(f"the factorisation is {dtype}, the right-hand side {B.dtype}; convert one")
    return B.astype(dtype, copy=False), split


def joined(X: np.ndarray, split: bool) -> np.ndarray:
    """Undo the splitting of `right_hand_sides`."""
    if not split:
        return X
    k = X.shape[1] // 2
    return X[:, :k] + 1j * X[:, k:]


class LU:
    """LU factorisation with partial pivoting of a square matrix, P A = L U.

    Attributes
    ----------
    factors : (n, n) ndarray
        L below the diagonal, U on and above it, as LAPACK's getrf leaves them, of ``A * scale``.
    pivots : (n,) ndarray of int
        Row ``i`` was interchanged with row ``pivots[i]``.
    zero_pivot : int or None
        Index of the first pivot that is exactly zero; then `solve` raises and the matrix is
        singular.
    scale : float
        1, or a power of two below 1 where the column sums of `A` overflow.
    """

    __slots__ = ("_norm1", "_rcond", "factors", "pivots", "scale", "zero_pivot")

    def __init__(
        self, factors: Any, pivots: Any, zero_pivot: int | None, norm1: float, scale: float
    ):
        self.factors = factors
        self.pivots = pivots
        self.zero_pivot = zero_pivot
        self.scale = scale
        self._norm1 = norm1
        self._rcond: float | None = None

    @property
    def rcond(self) -> float:
        """Estimate of 1 / (||A||_1 ||A^-1||_1) by gecon, 0 when a pivot is zero, 1 when n = 0."""
        if self._rcond is None:
            self._rcond = self._estimate_rcond()
        return self._rcond

    def _estimate_rcond(self) -> float:
        if self.zero_pivot is not None:
            return 0.0
        if self.factors.shape[0] == 0:
            return 1.0
        return float(routine("gecon", self.factors.dtype)(self.factors, self._norm1)[0])

    def solve(self, B: Any, adjoint: bool = False, check_finite: bool = True) -> Any:
        """Solve A X = B, or A^H X = B.

        Parameters
        ----------
        B : (n, k) ndarray
            Of the factorisation's dtype, or a complex block beside a real factorisation.
        adjoint : bool
            Solve with the conjugate transpose.
        check_finite : bool
            Look for NaN and infinities in `B`.

        Returns
        -------
        (n, k) ndarray
            In column-major order, as LAPACK leaves it.
        """
        if self.zero_pivot is not None:
            raise LinAlgError(f"singular matrix: pivot {self.zero_pivot} is exactly zero")
        n, dtype = self.factors.shape[0], self.factors.dtype
        B, split = right_hand_sides(B, n, dtype, check_finite)
        if B.size == 0:
            return joined(np.empty(B.shape, dtype), split)
        X, _ = routine("getrs", dtype)(self.factors, self.pivots, B, trans=2 if adjoint else 0)
        if self.scale != 1:
            X *= self.scale
        return joined(X, split)

    def inv(self) -> Any:
        """Return A^-1 by getri, an (n, n) ndarray."""
        if self.zero_pivot is not None:
            raise LinAlgError(f"singular matrix: pivot {self.zero_pivot} is exactly zero")
        n, dtype = self.factors.shape[0], self.factors.dtype
        if n == 0:
            return np.empty((0, 0), dtype)
        work = int(routine("getri_lwork", dtype)(n)[0].real * 1.01)
        X, _ = routine("getri", dtype)(self.factors, self.pivots, lwork=max(work, n))
        return X if self.scale == 1 else X * self.scale

    def slogdet(self) -> tuple[Any, float]:
        """Return (sign, log |det A|): Python numbers, (0.0, -inf) when a pivot is zero.

        The sign is a float, or a complex number of modulus one for a complex matrix. The logarithms
        of single-precision pivots are summed in double precision.
        """
        n, diagonal = self.factors.shape[0], self.factors.diagonal()
        complex_ = self.factors.dtype.kind == "c"
        if self.zero_pivot is not None:
            return (0j if complex_ else 0.0), -math.inf
        modulus = np.abs(diagonal)
        logdet = float(np.log(modulus).sum(dtype=np.float64))
        if self.scale != 1:
            logdet -= n * math.log(self.scale)
        odd = np.count_nonzero(self.pivots != np.arange(n)) & 1
        if complex_:
            sign = complex((diagonal / modulus).prod(dtype=np.complex128))
            sign /= abs(sign)
            return (-sign if odd else sign), logdet
        odd ^= np.count_nonzero(diagonal < 0) & 1
        return (-1.0 if odd else 1.0), logdet
