"""Numbers of a matrix: determinant, trace, diagonal, norms, condition."""

import math
import operator

import numpy as np

from structmat import _checks, _rules
from structmat._results import Info, SlogdetResult
from structmat.linalg import _door
from structmat.linalg.solve import factorize, inv
from structmat.linalg.svd import svds, svdvals

__all__ = ["cond", "det", "diagonal", "logdet", "norm", "slogdet", "trace"]

_NORMS: dict = {"fro": "fro", "nuc": "nuc", None: "fro", 1: 1, -1: -1, 2: 2, -2: -2}
_NORMS |= {math.inf: math.inf, -math.inf: -math.inf}


def slogdet(A, *, method="auto", return_info=False):
    """Sign and logarithm of the absolute value of the determinant.

    Parameters
    ----------
    A : StructuredMatrix, array, sparse array or LinearOperator, shape (n, n)
        The matrix.
    method : {"auto", "direct", "dense"}
        "direct" takes the family's rule or raises NotImplementedError, "dense" takes LAPACK on
        ``A.toarray()``, "auto" the first that there is.
    return_info : bool
        Also return a certificate :class:`structmat.linalg.Info` with the condition number of the
        factorisation, to which the relative error of the determinant is proportional.

    Returns
    -------
    SlogdetResult
        ``(sign, logabsdet)``; sign is a phase for complex matrices, and ``(0, -inf)`` tells a
        singular one.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> A = sm.Kronecker(*[1e-3 * np.eye(4)] * 3)
    >>> float(np.linalg.slogdet(A).logabsdet)  # doctest: +ELLIPSIS
    -1326.289...
    """
    A = _rules.lift(A)
    with _door.route(A, "slogdet", method) as B:
        sign, logabsdet = _unrounded(B, "slogdet")
    real = _door.real_dtype(A.dtype)
    result = SlogdetResult(_door.scalar(sign, A.dtype), _door.scalar(logabsdet, real))
    return (result, _certificate(A)) if return_info else result


def _certificate(A):
    try:
        factored = factorize(A)
    except np.linalg.LinAlgError as error:
        return Info(str(error), cond=math.inf)
    except NotImplementedError:
        return Info("dense LU")
    return Info(factored.method, cond=1 / factored.rcond if factored.rcond else math.inf)


def _unrounded(A, verb):
    """(sign, log|det|) as the family gives them, in double precision for most."""
    _checks.square(A, verb)
    result = A._slogdet()
    if result is NotImplemented:
        try:
            factored = A._factorize()
            result = factored if factored is NotImplemented else factored._slogdet()
        except np.linalg.LinAlgError:
            result = 0.0, -np.inf
    if result is NotImplemented:
        result = _door.dense(A, "slogdet")._slogdet()
    return result


def logdet(A):
    """Natural logarithm of the determinant of a matrix whose determinant is positive.

    Parameters
    ----------
    A : StructuredMatrix, array, sparse array or LinearOperator, shape (n, n)
        The matrix, usually positive definite.

    Returns
    -------
    float
        log(det(A)).

    Raises
    ------
    ValueError
        The determinant is not positive; :func:`slogdet` gives its sign.

    Examples
    --------
    >>> import structmat as sm
    >>> float(sm.Identity(3).logdet())
    0.0
    """
    sign, value = slogdet(A)
    if not (sign.real > 0 and abs(sign.imag) <= 1e3 * _door.eps(sign.dtype)):
        raise ValueError(
            f"logdet needs a positive determinant; its sign is {sign}. slogdet returns the sign"
        )
    return value


def det(A):
    """Determinant. Prefer :func:`slogdet`, which cannot overflow.

    Parameters
    ----------
    A : StructuredMatrix, array, sparse array or LinearOperator, shape (n, n)
        The matrix.

    Returns
    -------
    scalar
        Of the dtype of A.

    Raises
    ------
    OverflowError
        The determinant is too large for the dtype.

    Examples
    --------
    >>> import structmat as sm
    >>> float(sm.Diagonal([2.0, 3.0]).det())
    6.0
    """
    A = _rules.lift(A)
    # Not from slogdet: exp makes a relative error of the rounding of log|det|.
    sign, value = (x.item() if hasattr(x, "item") else x for x in _unrounded(A, "det"))
    if value > math.log(float(np.finfo(A.dtype).max)):
        raise OverflowError(f"det overflows (log|det| = {float(value):.6g}); use slogdet")
    return A.dtype.type(sign * math.exp(value))


def trace(A, offset=0):
    """Sum of a diagonal.

    Parameters
    ----------
    A : StructuredMatrix, array, sparse array or LinearOperator, shape (m, n)
        The matrix.
    offset : int
        Which diagonal: above (positive) or below (negative) the main one.

    Returns
    -------
    scalar
        The trace.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> float(np.trace(sm.Kronecker(np.eye(2), np.ones((3, 3)))))
    6.0
    """
    A = _rules.lift(A)
    if offset == 0:
        value = A._trace()
        if value is not NotImplemented:
            return _door.scalar(value, A.dtype)
    return _door.scalar(diagonal(A, offset).sum(), A.dtype)


def diagonal(A, offset=0):
    """A diagonal as an array.

    Parameters
    ----------
    A : StructuredMatrix, array, sparse array or LinearOperator, shape (m, n)
        The matrix.
    offset : int
        Which diagonal, as in :func:`numpy.diagonal`.

    Returns
    -------
    array
        Its entries; empty when the offset lies outside.

    Notes
    -----
    Without a rule of the family it costs one product with each unit vector, in blocks.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> np.diagonal(sm.Kronecker(np.eye(2), [[1.0, 2.0], [3.0, 4.0]]))
    array([1., 4., 1., 4.])
    """
    A = _rules.lift(A)
    offset = operator.index(offset)
    if offset == 0:
        values = A._diagonal()
        if values is not NotImplemented:
            return values
    m, n = A.shape
    length = max(0, min(m + min(offset, 0), n - max(offset, 0)))
    rows = np.arange(length) - min(offset, 0)
    values = A._entries(rows, rows + offset)
    if values is not NotImplemented:
        return values
    xp = A._namespace or np
    result = xp.empty(length, A.dtype)
    for start, block in _door.columns(A):
        j = np.arange(start, start + block.shape[1])
        i = j - offset
        inside = (i >= 0) & (i < m)
        at = i[inside] + min(offset, 0)
        result[at] = block[i[inside], np.flatnonzero(inside)]
    return result


def norm(A, ord="fro"):
    """Norm of a matrix.

    Parameters
    ----------
    A : StructuredMatrix, array, sparse array or LinearOperator, shape (m, n)
        The matrix.
    ord : {"fro", "nuc", 1, -1, 2, -2, inf, -inf, None}
        As in :func:`numpy.linalg.norm`; None is "fro".

    Returns
    -------
    float
        The norm. It does not overflow when it is representable.

    Notes
    -----
    The family's rule; else the Frobenius, 1- and inf-norms by columns in blocks, and the others
    from the singular values. For a quick estimate use :func:`structmat.linalg.norm_est`.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> float(np.linalg.norm(sm.Kronecker(np.eye(2), [[3.0, 0.0], [0.0, 4.0]]), 2))
    4.0
    """
    A = _rules.lift(A)
    try:
        ord = _NORMS[ord]
    except (KeyError, TypeError):
        _checks.choice(ord, "ord", tuple(_NORMS))
    value = A._norm(ord)
    if value is not NotImplemented:
        return float(value)
    if 0 in A.shape:
        return _rules.make("dense", A.toarray())._norm(ord)
    if ord in (2, -2, "nuc"):
        return _norm_from_values(A, ord)
    return _norm_from_columns(A, ord)


def _norm_from_values(A, ord):
    if ord == 2 and not _door.small(A) and A._svdvals() is NotImplemented:
        return float(svds(A, 1).S[0])
    S = svdvals(A)
    return float({2: S[0], -2: S[-1]}[ord] if ord != "nuc" else S.sum())


def _norm_from_columns(A, ord):
    """Column sums, row sums or the scaled sum of squares, a block of columns at a time."""
    if ord in (math.inf, -math.inf):
        total = sum(abs(block).sum(1) for _, block in _door.columns(A))
        return float(total.max() if ord > 0 else total.min())
    if ord in (1, -1):
        sums = [abs(block).sum(0) for _, block in _door.columns(A)]
        worst = [float(s.max() if ord > 0 else s.min()) for s in sums]
        return max(worst) if ord > 0 else min(worst)
    total = 0.0
    for _, block in _door.columns(A):
        total = math.hypot(total, _rules.make("dense", block)._norm("fro"))
    return total


def cond(A, p=None):
    """Condition number of a matrix, infinite when it is singular.

    Parameters
    ----------
    A : StructuredMatrix, array, sparse array or LinearOperator, shape (m, n)
        The matrix; square unless `p` is None, 2 or -2.
    p : {None, 1, -1, 2, -2, inf, -inf, "fro"}
        Norm; None is 2.

    Returns
    -------
    float
        ``norm(A, p) * norm(inv(A), p)``; for p = 2 the ratio of the extreme singular values.

    Examples
    --------
    >>> import structmat as sm
    >>> sm.Diagonal([4.0, 2.0]).cond()
    2.0
    """
    A = _rules.lift(A)
    p = 2 if p is None else p
    _checks.choice(p, "p", tuple(_NORMS))
    value = A._cond(p)
    if value is not NotImplemented:
        return float(value)
    if 0 in A.shape:
        raise np.linalg.LinAlgError("cond is not defined on empty matrices")
    if p in (2, -2):
        largest, smallest = norm(A, 2), norm(A, -2)
        _checks.finite(np.asarray(largest))
        if p == -2:
            largest, smallest = smallest, largest
        return largest / smallest if smallest else math.inf
    _checks.square(A, "cond")
    try:
        return norm(A, p) * norm(inv(A), p)
    except np.linalg.LinAlgError:
        return math.inf
