"""tr(A^-1 B) and diag(C A^-1 C^H) through the structure of A, exactly.

The gradient of a log-determinant and the variance of a prediction are the two places where the
inverse of a covariance seems to be needed entry by entry. With A = Q diag(w) Q^H and Q, B, C
Kronecker products, both are Kronecker products too [1]_::

    tr(A^-1 B)       = sum_j diag(Q^H B Q)_j / w_j,     diag(Q^H B Q) = (x)_i diag(Q_i^H B_i Q_i)
    diag(C A^-1 C^H) = |C Q|^2 (1 / w),                 |C Q|^2 = (x)_i |C_i Q_i|^2

at O(N sum n_i) operations. A family with another structure gives its factorisation methods
``_trace_solve(B)`` and ``_quadratic_diagonal(C)``, which are asked first.

References
----------
.. [1] Y. Saatci, *Scalable Inference for Structured Gaussian Process Models*, PhD thesis,
   University of Cambridge, 2011, chapter 5.
"""

import functools

import numpy as np

from structmat import _rules
from structmat._backend.arrays import is_array, namespace_of
from structmat.matrices.elementary import (
    BlockDiagonal,
    Diagonal,
    DiagonalPlusLowRank,
    Identity,
)
from structmat.matrices.kronecker import Kronecker
from structmat.matrices.kronecker.khatri_rao import FaceSplitting
from structmat.matrices.lazy import Scaled, Sum

__all__ = ["quadratic_diagonal", "trace_solve"]

# Up to this order a trace is found by solving for every column of B, as linalg's dense way.
DENSE_ORDER = 2048
# Entries of a block of columns that is solved at once.
BLOCK = 2**22


def trace_solve(A, B, factor=None):
    """tr(A^-1 B) of real matrices, exactly.

    Parameters
    ----------
    A : StructuredMatrix, shape (n, n)
        An invertible matrix.
    B : StructuredMatrix or array, shape (n, n)
        The other matrix.
    factor : Factorization, optional
        ``A.factorize()``, when it is at hand.

    Returns
    -------
    float
        The trace.

    Raises
    ------
    NotImplementedError
        There is no structure for it and n is above 2048.
    TypeError
        Complex matrices.

    Examples
    --------
    >>> import structmat as sm
    >>> from structmat.estimators.gp import trace_solve
    >>> trace_solve(sm.Diagonal([1.0, 2.0]), sm.Diagonal([3.0, 8.0]))
    7.0
    """
    A, B = _real(A), _real(B)
    factor = A.factorize() if factor is None else factor
    own = getattr(factor, "_trace_solve", None)
    result = NotImplemented if own is None else own(B)
    if result is NotImplemented:
        result = _trace_by_structure(A, B, factor)
    if result is NotImplemented:
        result = _trace_by_columns(A, B, factor)
    return float(result)


def _trace_by_structure(A, B, factor):
    found = congruence(factor)
    if found is not None:
        middle = _diagonal_in(found[0], B)
        if middle is not NotImplemented:
            quotients = middle / found[1]
            return quotients.sum(dtype=np.result_type(quotients, np.float64)).real
    if isinstance(B, Scaled):
        inner = _trace_by_structure(A, B.matrix, factor)
        return inner if inner is NotImplemented else B.scalar * inner
    if isinstance(A, Kronecker) and isinstance(B, Kronecker) and _same_sizes(A, B):
        # (A_1 (x) A_2)^-1 (B_1 (x) B_2), factor by factor.
        pairs = zip(A.factors, B.factors)
        return functools.reduce(lambda total, pair: total * trace_solve(*pair), pairs, 1.0)
    if isinstance(A, Diagonal):
        return (B.diagonal() / A.values).sum(dtype=np.float64)
    return _trace_of_product(A._inv(), B)


def _trace_of_product(X, B):
    """tr(X B) where the closure of X and B knows it: low-rank updates, blocks."""
    if X is NotImplemented:
        return NotImplemented
    if isinstance(X, DiagonalPlusLowRank):
        # tr(D B) + tr(U V^H B), the second as the sum of conj(V) * (B U).
        return (X.d * B.diagonal()).sum() + (X.V.conj() * (B @ X.U)).sum()
    P = X @ B
    return P.trace() if isinstance(P, BlockDiagonal) else NotImplemented


def _trace_by_columns(A, B, factor):
    n = A.shape[0]
    if n > DENSE_ORDER:
        raise NotImplementedError(
            f"tr(A^-1 B) of a {type(A).__name__} and a {type(B).__name__} of order {n} has no "
            "structure that is known here; estimate it with structmat.linalg.trace_est(A.inv() @ B)"
        )
    X = factor.solve(B.toarray())
    return X.diagonal().sum(dtype=np.float64)


def quadratic_diagonal(A, C, factor=None):
    """diag(C A^-1 C^T) of real matrices, exactly.

    Parameters
    ----------
    A : StructuredMatrix, shape (n, n)
        A symmetric invertible matrix.
    C : StructuredMatrix or array, shape (m, n)
        The matrix on both sides.
    factor : Factorization, optional
        ``A.factorize()``, when it is at hand.

    Returns
    -------
    array, shape (m,)
        The diagonal.

    Notes
    -----
    Without a structure it costs a solve for every row of C, in blocks.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> from structmat.estimators.gp import quadratic_diagonal
    >>> quadratic_diagonal(sm.Diagonal([1.0, 2.0]), np.array([[1.0, 2.0]]))
    array([3.])
    """
    A, C = _real(A), _real(C)
    factor = A.factorize() if factor is None else factor
    own = getattr(factor, "_quadratic_diagonal", None)
    result = NotImplemented if own is None else own(C)
    if result is NotImplemented and congruence(factor) is not None:
        result = _quadratic_by_structure(C, *congruence(factor))
    return _quadratic_by_rows(C, factor) if result is NotImplemented else result


def _quadratic_by_structure(C, Q, values):
    if not isinstance(C, Kronecker | FaceSplitting):
        return NotImplemented
    if [F.shape[1] for F in C.factors] != [V.shape[0] for V in Q.factors]:
        return NotImplemented
    pairs = zip(C.factors, Q.factors)
    squared = type(C)(*(abs(_array(F @ _array(V))) ** 2 for F, V in pairs))
    return squared @ (1 / values)


def _quadratic_by_rows(C, factor):
    m, n = C.shape
    xp = C._namespace or np
    step = max(1, BLOCK // max(n, 1))
    parts = [xp.zeros(0, C.dtype)]
    for start in range(0, m, step):
        chosen = xp.zeros((m, min(step, m - start)), C.dtype)
        chosen[xp.arange(start, start + chosen.shape[1]), xp.arange(chosen.shape[1])] = 1
        rows = C.T @ chosen
        parts.append((rows * factor.solve(rows)).sum(0))
    return xp.concatenate(parts)


# ---------------------------------------------------------------- diagonals in an eigenbasis


def congruence(factor):
    """(Q, w) with A^-1 = Q diag(1 / w) Q^H and a Kronecker product Q, or None.

    Q is unitary for K + s I, and not for K + D_1 (x) D_2. A has as many negative eigenvalues as w
    has negative entries (Sylvester's law of inertia).
    """
    Q = getattr(factor, "vectors", getattr(factor, "Y", None))
    return (Q, factor.values) if isinstance(Q, Kronecker) and is_array(factor.values) else None


def _diagonal_in(Q, B):
    """diag(Q^H B Q), or NotImplemented."""
    if isinstance(B, Identity):
        return _outer([(abs(_array(V)) ** 2).sum(0) for V in Q.factors])
    if isinstance(B, Diagonal):
        squared = Kronecker(*((abs(_array(F)) ** 2).T for F in Q.factors))
        return squared @ namespace_of(B.values).ascontiguousarray(B.values)
    if isinstance(B, Scaled):
        inner = _diagonal_in(Q, B.matrix)
        return inner if inner is NotImplemented else B.scalar * inner
    if isinstance(B, Sum):
        parts = [_diagonal_in(Q, term) for term in B.terms]
        return NotImplemented if any(p is NotImplemented for p in parts) else sum(parts)
    if not isinstance(B, Kronecker) or not _same_sizes(Q, B):
        return NotImplemented
    pairs = zip(map(_array, Q.factors), B.factors)
    return _outer([(V.conj() * _array(F @ V)).sum(0) for V, F in pairs])


def _outer(parts):
    return functools.reduce(lambda a, b: (a[:, None] * b).reshape(-1), parts)


def _same_sizes(A, B):
    return [F.shape for F in A.factors] == [F.shape for F in B.factors]


def _real(A):
    A = _rules.lift(A)
    if A.dtype.kind == "c":
        raise TypeError(f"real matrices are needed; got {A.dtype}")
    return A


def _array(F):
    return F if is_array(F) else F.toarray()
