"""factor_mm_star: a matrix as the product of a Monarch matrix and the adjoint of another."""

import warnings

import numpy as np

from structmat import _checks
from structmat._backend.arrays import namespace_of
from structmat._results import Info, ProjectionResult
from structmat.matrices.chain.kronecker_sparse import KroneckerSparse
from structmat.matrices.chain.learn.operands import columns_of
from structmat.matrices.chain.learn.refine import refine, rescaled
from structmat.matrices.chain.matrix import Chain

__all__ = ["factor_mm_star"]

# A larger residual means noise or another class: the factors are then fitted to the matrix.
_IN_CLASS, _SWEEPS = 1e-8, 20
# From here on it is not rounding, and said; the square root of eps in single precision.
_OUTSIDE = 1e-6


def factor_mm_star(M, blocks, *, rng=None, return_info=False):
    """Factors of a matrix in the class MM*: a Monarch matrix times the adjoint of a Monarch matrix.

    With n = b s and ``T_ij = M[i::b, j::b]``, such a matrix has ``T_ij = A_i D_ij C_j`` with s x s
    matrices A_i, C_j and diagonal D_ij, for all of i, j < b. The class holds circulant matrices
    [1]_, whose T_ij are circulant too: one Fourier transform diagonalises them all. A general
    Toeplitz matrix is not in it, only in a circulant one of twice the order. The factors are found
    from the eigenvectors that all ::

        F_ij = T_iq^-1 T_ij T_pj^-1 T_pq

    share.

    Parameters
    ----------
    M : array, LinearOperator or StructuredMatrix, shape (n, n)
        The matrix.
    blocks : int
        b, a divisor of n. The Monarch matrices have blocks of order b and of order n / b.
    rng : int or numpy.random.Generator, optional
        For the weights of one random combination of the F_ij.
    return_info : bool, optional
        Also return the certificate.

    Returns
    -------
    ProjectionResult
        ``.matrix`` is a :class:`structmat.Chain` of patterns (1, s, s, b), (s, b, b, 1) and
        (1, s, s, b) with ``.error`` relative to ``norm(M)`` in the Frobenius norm. A real matrix
        gets complex factors where the F_ij have complex eigenvalues. No lower bound is known: it
        is 0.
    Info, optional
        ``.residual`` is the largest entry off the diagonal of a ``A_i^-1 T_ij C_j^-1``, relative to
        the largest on it; ``.cond`` the condition number of the eigenvectors, by which errors grow.

    Raises
    ------
    ValueError
        M is not square, holds NaN or infinity, or its order is not a multiple of `blocks`.
    numpy.linalg.LinAlgError
        No p and q exist for which every T_iq and T_pj is invertible, or the F_ij have no basis of
        eigenvectors.

    Warns
    -----
    RuntimeWarning
        M is outside the class: the residual is above 1e-6, or the square root of eps if that is
        larger.

    Notes
    -----
    O(n^3 / b) operations. The pair (p, q) is that whose blocks are best conditioned; [1]_ takes the
    first and needs all T_ij to be invertible. A matrix outside the class, or with noise, leaves an
    error that alternating least squares from these factors reduces, to a local minimum.

    References
    ----------
    .. [1] T. Dao, B. Chen, N. S. Sohoni, A. Desai, M. Poli, J. Grogan, A. Liu, A. Rao, A. Rudra and
       C. Re, Monarch: expressive structured matrices for efficient and accurate training, ICML
       2022, section 4 and appendix C.

    Examples
    --------
    >>> import numpy as np, scipy.linalg, structmat as sm
    >>> rng = np.random.default_rng(0)
    >>> M = scipy.linalg.circulant(rng.standard_normal(36))
    >>> result = sm.factor_mm_star(M, blocks=6, rng=0)
    >>> result.error < 1e-10
    True
    >>> result.matrix.patterns[0]
    Pattern(a=1, b=6, c=6, d=6)
    """
    M = _matrix(M)
    n, b = _checks.square(M, "factor_mm_star"), _checks.size(blocks, "blocks")
    if n == 0 or b == 0 or n % b:
        raise ValueError(
            f"`blocks` must divide the order n of the matrix, n at least 1; got {b} for n = {n}"
        )
    s, rng = n // b, np.random.default_rng(rng)
    scale = float(np.abs(M).max()) if n else 0.0
    work = M.astype(np.result_type(M.dtype, np.float64)) / (scale or 1.0)
    if scale == 0.0:
        raise _checks.singular("every block of the zero matrix")
    T = np.ascontiguousarray(work.reshape(s, b, s, b).transpose(1, 3, 0, 2))
    p, q = _pivots(T)
    V, cond = _shared_eigenvectors(T, p, q, rng)
    A = T[:, q] @ V
    C = np.linalg.solve(A[p], T[p])
    D = np.linalg.solve(A[:, None], T) @ np.linalg.inv(C)
    d = np.einsum("ijkk->ijk", D)
    peak = np.abs(d).max(-1)
    off = np.abs(D - d[..., None] * np.eye(s)).max((-2, -1))
    residual = float((off / np.where(peak > 0, peak, 1)).max())
    values = [A[None], d.transpose(2, 0, 1)[:, None], C[None]]
    if residual > _IN_CLASS:
        values, _ = refine(work, values, _SWEEPS)
    kind = np.result_type(M.dtype, np.complex64) if np.iscomplexobj(V) else M.dtype
    matrix = Chain([KroneckerSparse(F.astype(kind)) for F in rescaled(values, scale)])
    error = float(np.linalg.norm(work - matrix.toarray() / scale) / np.linalg.norm(work))
    if residual > max(_OUTSIDE, float(np.finfo(M.dtype).eps) ** 0.5):
        warnings.warn(
            f"factor_mm_star: the matrix is not in the class MM* of {b} x {b} blocks (residual "
            f"{residual:.1g}); the factors are a fit with a relative error of {error:.2g}",
            RuntimeWarning,
            stacklevel=2,
        )
    result = ProjectionResult(matrix, error, 0.0, error)
    if not return_info:
        return result
    return result, Info("eigenvectors of a random combination", cond=cond, residual=residual)


def _matrix(M):
    if hasattr(M, "toarray"):
        _checks.guard_dense(M.shape, M.dtype, "factor_mm_star")
        M = M.toarray()
    elif hasattr(M, "matmat"):
        M = columns_of(M, "factor_mm_star")
    M = _checks.as_array(M, "M")
    if M.ndim != 2:
        raise ValueError(f"`M` must be a matrix; got shape {M.shape}")
    if namespace_of(M) is not np:
        raise NotImplementedError(
            "factor_mm_star runs on the host only, for want of nonsymmetric eigenvectors; "
            "move `M` first"
        )
    return _checks.finite(M, "M")


def _pivots(T):
    """(p, q): the row and the column of blocks whose worst condition number is smallest."""
    values = np.linalg.svd(T, compute_uv=False)
    rcond = values[..., -1] / np.where(values[..., 0] > 0, values[..., 0], 1)
    worst = np.minimum(rcond.min(1)[:, None], rcond.min(0)[None, :])
    p, q = np.unravel_index(worst.argmax(), worst.shape)
    if not worst[p, q] > T.shape[-1] * np.finfo(np.float64).eps:
        i, j = np.unravel_index(rcond.argmin(), rcond.shape)
        raise _checks.singular(
            "MM* factors need a row and a column of invertible blocks M[i::b, j::b]",
            f"block ({i}, {j}) is singular, and so is one in every other row or column",
        )
    return p, q


def _shared_eigenvectors(T, p, q, rng):
    """(V, its condition number) of sum_ij w_ij T_iq^-1 T_ij T_pj^-1 T_pq with random weights."""
    b = len(T)
    weights = rng.standard_normal((b, b))
    right = np.linalg.solve(T[p], T[p, q])
    inner = (weights[:, :, None, None] * (T @ right)).sum(1)
    V = np.linalg.eig(np.linalg.solve(T[:, q], inner).sum(0)).eigenvectors
    cond = float(np.linalg.cond(V))
    if not cond < 1 / np.finfo(np.float64).eps:
        raise np.linalg.LinAlgError(
            "MM* factors need a basis of eigenvectors; those of the blocks are dependent "
            f"(condition number {cond:.1e})"
        )
    return V, cond
