"""What several elementary families need: numbers from a diagonal, norms, SVD from eigenvectors."""

import math

import numpy as np

from structmat import _checks, _rules, iterative
from structmat._backend.arrays import namespace_of
from structmat._results import ProjectionResult, SVDResult

__all__ = []


def first_zero(values):
    """Index of the first exact zero, None if there is none."""
    zeros = values == 0
    return int(zeros.argmax()) if bool(zeros.any()) else None


def slogdet(values):
    """(sign, log|product|) of a 1-D array, as Python numbers; (0, -inf) with a zero among them."""
    _checks.finite(values)
    if first_zero(values) is not None:
        return 0.0, -math.inf
    xp = namespace_of(values)
    if values.dtype.kind != "c":
        odd = int((values < 0).sum()) & 1
        # In double precision: det takes the exponential, which multiplies the error by |log|.
        logarithms = xp.log(abs(values).astype(np.float64, copy=False))
        return (-1.0 if odd else 1.0), float(logarithms.sum())
    values = values.astype(np.complex128, copy=False)
    # |z| overflows for |re|, |im| near the largest number, z / max(|re|, |im|) does not.
    largest = xp.maximum(abs(values.real), abs(values.imag))
    values = values / largest
    modulus = abs(values)
    sign = complex((values / modulus).prod())
    return sign / abs(sign) if values.size else 1.0, float(
        (xp.log(largest) + xp.log(modulus)).sum()
    )


def parity(pivots):
    """-1 or 1: the sign of LAPACK's sequence of row interchanges, counted from 0."""
    return -1.0 if np.count_nonzero(pivots != np.arange(len(pivots))) & 1 else 1.0


def norm_of(values, ord="fro"):
    """A norm of a list of entries or singular values, without overflow on the way."""
    if values.size == 0:
        return 0.0
    modulus = abs(values)
    largest = float(modulus.max())
    if ord == "fro":
        if largest == 0 or not math.isfinite(largest):
            return largest
        # In double precision: squares of single-precision numbers are then safe as well.
        scaled = modulus.astype(np.float64) / largest
        return largest * math.sqrt(float((scaled * scaled).sum()))
    if ord == "nuc":
        return float(modulus.sum(dtype=np.float64))
    return largest if ord > 0 else float(modulus.min())


def sum_norm(sums, ord):
    """Largest (ord > 0) or smallest of the column or row sums."""
    if sums.size == 0:
        return 0.0
    return float(sums.max() if ord > 0 else sums.min())


def same_to_rounding(left, right):
    """True where two arrays agree to a few units in the last place of their largest entry.

    A^H is compared with A so: A matrix that was computed (L @ L.T, say) is Hermitian to rounding,
    and to refuse it would help nobody.
    """
    if left.size == 0:
        return True
    eps = float(np.finfo(left.dtype).eps)
    with np.errstate(all="ignore"):
        return bool(abs(left - right).max() <= 8 * eps * abs(left).max())


def power_of_two_below(norm, terms, values):
    """1.0, or a power of two that keeps sums of `terms` entries finite where `norm` overflowed."""
    if math.isfinite(norm):
        return 1.0
    _checks.finite(values)
    return 2.0 ** -(int(terms).bit_length() + 2)


def reciprocal_condition(solve, solve_adjoint, norm1, shape, dtype):
    """1 / (|A|_1 |A^-1|_1) from a few solves; 0 where they overflow."""
    with np.errstate(all="ignore"):
        inverse = iterative.norm1(solve, solve_adjoint, shape, dtype, rng=0).value
    cond = float(inverse) * norm1
    return 1 / cond if 0 < cond < math.inf else 0.0


def svd_from_eigh(w, V):
    """SVD of a Hermitian matrix: |w| in descending order, U = V sign(w)."""
    xp = namespace_of(w)
    order = xp.argsort(-abs(w), stable=True) if xp is np else xp.argsort(-abs(w))
    w, V = w[order], V[:, order]
    sign = xp.where(w < 0, -1, 1).astype(w.dtype)
    return SVDResult(V * sign, abs(w), V.conj().T)


def chosen(w, k, which):
    """(first, last) positions of the k wanted among ascending eigenvalues, if they are adjacent."""
    n = len(w)
    if which == "LA":
        return n - k, n - 1
    if which == "SA":
        return 0, k - 1
    # The k smallest in modulus are adjacent: a window of k whose worst member is least bad.
    worst = np.maximum(abs(w[: n - k + 1]), abs(w[k - 1 :]))
    first = int(worst.argmin())
    return first, first + k - 1


def projection(M, matrix):
    """The ProjectionResult of a nearest matrix: its error is exact, hence its own bounds."""
    from structmat import linalg

    total = linalg.norm(M)
    error = linalg.norm(M - matrix) / total if total else 0.0
    return ProjectionResult(matrix, error, error, error)


def lifted(M):
    """The target of a projection as one of ours."""
    return _rules.lift(M)
