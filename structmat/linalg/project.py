"""project: the nearest member of a family. Each family brings its fit (`cls._project`)."""

import inspect
import warnings

from structmat import _checks
from structmat._results import ProjectionResult

__all__ = ["project"]


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
        The class is not a family, or has no projection, or not such an option.

    Warns
    -----
    RuntimeWarning
        The family cannot reach `rtol` (or not within its largest rank or number of terms); the
        nearest that was found is returned.

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
    the others        none: Circulant, Dense, Diagonal, Hankel, Sparse, Toeplitz, Tridiagonal, Zeros
    ================  ==========================================================================

    Monarch and Butterfly need `rtol`, `budget` or ``block_rank``, without which they are of block
    rank one; with a permutation the result is a Chain. Families that are not here have no
    projection.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> M = np.kron([[1.0, 2.0], [3.0, 4.0]], np.eye(3))
    >>> sm.project(M, sm.Kronecker, shapes=[(2, 2), (3, 3)]).error < 1e-14
    True
    """
    if not (isinstance(cls, type) and hasattr(cls, "_parameters")):
        raise TypeError(f"`cls` must be a family of structmat; got {cls!r}")
    if not hasattr(cls, "_project"):
        raise TypeError(f"{cls.__name__} has no projection; those that have are in the docstring")
    allowed = list(inspect.signature(cls._project).parameters)[3:]
    for name in options:
        if name not in allowed:
            listed = ", ".join(allowed) or "none"
            raise TypeError(
                f"{name!r} is not an option of {cls.__name__}; its options are: {listed}"
            )
    _checks.tolerance(rtol, "rtol")
    if budget is not None:
        budget = _checks.size(budget, "budget")
    if not hasattr(M, "matmat") and not _checks.is_sparse(M):
        M = _checks.as_array(M, "M")
        if M.ndim != 2:
            raise ValueError(f"`M` must be a matrix; got shape {M.shape}")
        _checks.finite(M, "M")
    result = cls._project(M, rtol, budget, **options)
    if result is NotImplemented:
        raise TypeError(f"{cls.__name__} has no projection")
    result = ProjectionResult(*result)
    if rtol is not None and result.error > rtol * (1 + 1e-6):
        warnings.warn(
            f"project: the nearest {cls.__name__} found has error {result.error:.3g}, above "
            f"rtol={rtol:.3g}",
            RuntimeWarning,
            stacklevel=2,
        )
    return result
