"""project: the nearest member of a family. Each family brings its fit (`cls._project`)."""

import inspect
import warnings

from structmat import _checks
from structmat._results import ProjectionResult

__all__ = ["project"]

# Bytes of a dense matrix from which on it is worth a warning that nothing is saved: order 64.
_WORTH = 2**15


def project(M, cls, *, rtol=None, budget=None, **options):
    """The nearest matrix of a family in the Frobenius norm, with its error.

    Parameters
    ----------
    M : array, sparse array, LinearOperator or StructuredMatrix, shape (m, n)
        The target.
    cls : type
        The family, for example :class:`structmat.Kronecker` or :class:`structmat.LowRank`.
    rtol : float, optional
        Largest relative error wanted; the family chooses ranks or terms to reach it.
    budget : int, optional
        Largest number of parameters instead.
    **options
        Of the family, see Notes.

    Returns
    -------
    ProjectionResult
        ``.matrix, .error, .lower_bound, .upper_bound``, errors relative to ``norm(M)``.

    Raises
    ------
    TypeError
        The class is not a family, or has no projection, or not such an option; M is a function.

    Warns
    -----
    RuntimeWarning
        The family cannot reach `rtol` (or not within its largest rank or number of terms), and the
        nearest that was found is returned; or it takes more bytes for it than the dense matrix.

    Notes
    -----
    ================  ==========================================================================
    Kronecker         ``shapes=[(m_1, n_1), ...]``, always; ``terms=`` for a sum of several
    Monarch           ``blocks=l`` or ``(l, k)``, ``block_rank=``, ``permutation=``
    Butterfly         ``radices=`` or ``patterns=``, ``block_rank=``, ``permutation=``, ``refine=``
    Chain             ``patterns=``, ``block_rank=``, ``permutation=``, ``refine=``
    KroneckerSparse   ``pattern=(a, b, c, d)``, always
    LowRank           ``rank=``; without it or `rtol` or `budget`, all that is above rounding
    Banded            ``lower=``, ``upper=``
    BlockDiagonal     ``sizes=[n_1, ...]`` or of pairs, or ``block_size=``
    Triangular        ``lower=``
    ================  ==========================================================================

    Circulant, Dense, Diagonal, Hankel, Sparse, Toeplitz, Tridiagonal and Zeros have a projection
    without options; families that are not named here have none.

    Monarch, Butterfly and Chain are of block rank one without `rtol`, `budget` or ``block_rank``;
    with a permutation the result is a Chain. What their options mean is on the page of the family.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> M = np.kron([[1.0, 2.0], [3.0, 4.0]], np.eye(3))
    >>> sm.project(M, sm.Kronecker, shapes=[(2, 2), (3, 3)]).error < 1e-14
    True
    """
    M = _target(M, cls)
    allowed = list(inspect.signature(cls._project).parameters)[3:]
    _checks.options(options, allowed, cls.__name__)
    rtol = _checks.tolerance(rtol, "rtol")
    if budget is not None:
        budget = _checks.size(budget, "budget")
    result = cls._project(M, rtol, budget, **options)
    if result is NotImplemented:
        raise _no_projection(cls)
    result = ProjectionResult(*result)
    if rtol is not None:
        _judge(result, cls, rtol)
    return result


def _no_projection(cls):
    return TypeError(
        f"{cls.__name__} has no projection; help(structmat.project) names the families that have"
    )


def _target(M, cls):
    """M, an array where it is no operator, once it and the family are what they should be."""
    if isinstance(M, type):
        raise TypeError(
            f"`M` must be a matrix; got the class {M.__name__}. Arguments swapped? It is "
            "project(M, cls)"
        )
    if not (isinstance(cls, type) and hasattr(cls, "_parameters")):
        came = repr(cls) if isinstance(cls, str | type) else f"an object of {type(cls)!r}"
        raise TypeError(f"`cls` must be a family of structmat, a class; got {came}")
    if not hasattr(cls, "_project"):
        raise _no_projection(cls)
    if hasattr(M, "matmat") or _checks.is_sparse(M):
        return M
    if callable(M):
        raise TypeError(
            "`M` is a function; structmat.fit_butterfly takes one and its `shape`, and project a "
            "scipy.sparse.linalg.LinearOperator made of it"
        )
    M = _checks.as_array(M, "M")
    if M.ndim != 2:
        raise ValueError(f"`M` must be a matrix; got shape {M.shape}")
    _checks.finite(M, "M")
    return M


def _judge(result, cls, rtol):
    """Warn where the tolerance was not reached, or costs more than the matrix it is to replace."""
    if result.error > rtol * (1 + 1e-6):
        warnings.warn(
            f"project: the nearest {cls.__name__} found has error {result.error:.3g}, above "
            f"rtol={rtol:.3g}",
            RuntimeWarning,
            stacklevel=3,
        )
    A = result.matrix
    held, dense = A.nbytes, _checks.dense_bytes(A.shape, A.dtype)
    if held > dense >= _WORTH:
        m, n = A.shape
        warnings.warn(
            f"project: a {cls.__name__} with rtol={rtol:.3g} takes {_checks.human_bytes(held)}, "
            f"the dense {m}x{n} matrix {_checks.human_bytes(dense)}; ask for less accuracy, or "
            "keep the array",
            RuntimeWarning,
            stacklevel=3,
        )
