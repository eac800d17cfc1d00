"""The singular values of L Q L^-1, L a scaling of two entries, Q symmetric and orthogonal."""

import math

import numpy as np

__all__ = ["end_values"]


def end_values(Q, ends):
    """Singular values of ``A = L Q L^-1`` that may differ from 1, L = diag(sqrt 2, 1, ..., sqrt 2).

    With E = [e_0, e_{n-1}] the subspace spanned by E and Q E is invariant under Q, because Q^2 = I,
    and under L, which is the identity off E. On its complement A is Q. On it A has the matrix
    ``B^T L B  B^T Q B  B^T L^-1 B`` in an orthonormal basis B, of order four at most.
    """
    n = Q.shape[0]
    Q = Q.astype(np.float64) if Q.dtype.kind != "c" else Q.astype(np.complex128)
    E = np.zeros((n, 2), Q.dtype)
    E[ends[0], 0] = E[ends[1], 1] = 1
    # The parts of Q E beside E; orthogonal to it by construction, of rank 2 or, for n < 4, n - 2.
    beside = Q @ E
    beside[list(ends)] = 0
    B = np.concatenate([E, _orthonormal(beside)], axis=1)
    core = B.conj().T @ (Q @ B)
    weight = np.ones(B.shape[1])
    weight[:2] = math.sqrt(2)
    return np.linalg.svd(weight[:, None] * core / weight, compute_uv=False)


def _orthonormal(X):
    """An orthonormal basis of the columns of X, without those that vanish."""
    U, S, _ = np.linalg.svd(X, full_matrices=False)
    return U[:, S > 1e-8]
