"""Orthonormal columns completed to a basis, without forming the basis.

The block reflector of Schreiber and Parlett maps the first k unit vectors to any k orthonormal
vectors (up to a k x k unitary factor). It is the identity plus a matrix of rank k, so that the null
vectors of a low-rank matrix of order 10^6 take no more memory than its factors.
"""

from structmat import _rules
from structmat._backend import dense
from structmat._backend.arrays import namespace_of
from structmat.matrices.elementary.identity import Identity
from structmat.matrices.elementary.zeros import Zeros

__all__ = ["completed"]


def completed(Q, W, columns):
    """m x `columns` orthonormal matrix whose first k columns are Q @ W.

    With the polar decomposition Q[:k] = P H, S = -P and Z = Q - E S, where E holds the first k
    unit vectors, B = I - Z (I + H)^-1 Z^H is unitary and B E S = Q; so the answer is
    ``B @ blkdiag(S W, I)``. I + H lies between I and 2 I: nothing is ill-conditioned here.

    Parameters
    ----------
    Q : array, shape (m, k)
        Orthonormal columns.
    W : array, shape (k, k)
        Unitary.
    columns : int
        Number of columns wanted, k <= columns <= m.

    References
    ----------
    .. [1] R. Schreiber and B. Parlett, Block reflectors: theory and computation, SIAM J. Numer.
       Anal. 25 (1988) 189-205, section 3.
    """
    m, k = Q.shape
    if columns == k:
        return Q @ W
    xp = namespace_of(Q)
    if k == 0:
        blocks = (Identity(columns, Q.dtype), Zeros(m - columns, 0, Q.dtype))
        return _rules.make("block_diagonal", blocks)
    L, S, Rh = dense.svd(Q[:k])
    P = L @ Rh
    Z = Q.copy()
    Z[:k] += P
    core = (Rh.conj().T / (1 + S)) @ Rh
    ones = xp.broadcast_to(xp.ones(1, Q.dtype), (m,))
    B = _rules.make("diagonal_plus_low_rank", ones, -(Z @ core), Z)
    blocks = [-(P @ W), Identity(columns - k, Q.dtype), Zeros(m - columns, 0, Q.dtype)]
    return B @ _rules.make("block_diagonal", blocks)
