"""Named tuples and certificates: what the verbs return."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from structmat import _checks
from structmat._backend import blocks

__all__ = [
    "Cost",
    "EigResult",
    "EighResult",
    "Factorization",
    "Info",
    "LstsqResult",
    "ProjectionResult",
    "QRResult",
    "SVDResult",
    "SlogdetResult",
]


class SlogdetResult(NamedTuple):
    """Sign (or phase) and logarithm of the absolute value of a determinant."""

    sign: Any
    logabsdet: Any


class SVDResult(NamedTuple):
    """A = U @ diag(S) @ Vh; U and Vh are arrays or structured matrices."""

    U: Any
    S: Any
    Vh: Any


class EigResult(NamedTuple):
    """A @ V = V @ diag(w), in no particular order."""

    eigenvalues: Any
    eigenvectors: Any


class EighResult(NamedTuple):
    """A = V @ diag(w) @ V.H with ascending w."""

    eigenvalues: Any
    eigenvectors: Any


class QRResult(NamedTuple):
    """A = Q @ R."""

    Q: Any
    R: Any


class LstsqResult(NamedTuple):
    """Least-squares solution, squared residual norms, rank, singular values (or None)."""

    x: Any
    residuals: Any
    rank: Any
    singular_values: Any


class ProjectionResult(NamedTuple):
    """The nearest member found in a family; errors are relative in the Frobenius norm.

    `lower_bound <= best possible error <= error <= upper_bound`.
    """

    matrix: Any
    error: float
    lower_bound: float
    upper_bound: float


@dataclass(frozen=True)
class Info:
    """The certificate of an answer.

    Attributes
    ----------
    method : str
        The algorithm that ran, in words.
    backward_error : float or None
        Normwise relative backward error ``|b - A x| / (|A| |x| + |b|)`` (Rigal and Gaches, 1967).
    cond : float or None
        Condition number, or an estimate of it, in the 1-norm unless `method` says otherwise.
    residual : float or None
        Relative residual ``|b - A x| / |b|``.
    n_iter : int
        Iterations; 0 for a direct method.
    converged : bool
        False only where a partial result was asked for.
    notes : dict
        What else a method has to say, by name; mostly empty.
    """

    method: str
    backward_error: float | None = None
    cond: float | None = None
    residual: float | None = None
    n_iter: int = 0
    converged: bool = True
    notes: dict = field(default_factory=dict)


class Cost(NamedTuple):
    """Predicted cost of an algorithm: floating-point operations and bytes moved."""

    algorithm: str
    flops: float
    bytes: float


class Factorization:
    """A matrix that was factored once and solves many times. What ``A.factorize()`` returns.

    Attributes
    ----------
    shape, dtype
        Of the matrix.
    method : str
        How it was factored.
    structure : str
        What was factored, for messages.
    rcond : float
        Reciprocal condition number in the 1-norm (estimated); 1.0 for perfectly conditioned.
    """

    method = "direct"
    structure = "matrix"
    rcond = 1.0
    n_iter = 0
    shape = (0, 0)
    dtype = None

    def _solve(self, B):
        """X with A X = B for a 2-D C-contiguous block of A's dtype (what a family defines)."""
        raise NotImplementedError

    def _slogdet(self):
        """(sign, log|det|) of A, from the factors; NotImplemented when they do not tell."""
        return NotImplemented

    def solve(self, b):
        """Solve A x = b with the factors.

        Parameters
        ----------
        b : array, shape (n,) or (n, k)
            Right-hand side, of at most the precision of the factors.

        Returns
        -------
        array
            The solution, in the shape of `b`.

        Raises
        ------
        ValueError
            The shapes do not fit, or NaN or infinity in `b`.
        TypeError
            `b` has a higher precision than the factors.

        Warns
        -----
        scipy.linalg.LinAlgWarning
            The reciprocal condition number is below the unit roundoff.
        """
        b = _checks.as_array(b, "b")
        if b.ndim not in (1, 2) or b.shape[0] != self.shape[0]:
            raise _checks.rhs_mismatch(self, b, "solve")
        _checks.finite(b, "b")
        common = blocks.common_dtype(self.dtype, b)
        if blocks.matrix_dtype(self.dtype, common) != self.dtype:
            raise TypeError(
                f"these factors are {self.dtype} and `b` is {b.dtype}: factor "
                f"A.astype({str(blocks.matrix_dtype(self.dtype, common))!r}), or convert `b`"
            )
        if self.rcond < np.finfo(self.dtype).eps:
            _checks.ill_conditioned(self.rcond, self.structure)
        B, undo = blocks.prepare(b if b.ndim == 2 else b[:, None], self.dtype, common)
        X = undo(self._solve(B))
        return X if b.ndim == 2 else X[:, 0]

    def slogdet(self):
        """Sign and logarithm of the absolute determinant.

        Returns
        -------
        SlogdetResult
            ``(sign, logabsdet)``.

        Raises
        ------
        NotImplementedError
            These factors do not tell it.
        """
        result = self._slogdet()
        if result is NotImplemented:
            raise NotImplementedError(f"{self.method} does not give a determinant")
        return SlogdetResult(*result)

    def __repr__(self):
        return f"<{type(self).__name__} of {self.structure}, {self.method}, rcond={self.rcond:.2g}>"
