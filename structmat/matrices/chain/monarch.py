"""Monarch: two block-diagonal factors with a permutation between them, of any block rank."""

import numpy as np

from structmat import _checks
from structmat.matrices.chain import patterns, randoms, scale
from structmat.matrices.chain.butterfly import Butterfly
from structmat.matrices.chain.kronecker_sparse import KroneckerSparse

__all__ = ["Monarch"]


class Monarch(Butterfly):
    """A grid of l k interleaved slices of size s x p, each of rank r at most.

    ``M[s l_count + l, k p_count + p] = sum over r of L[l, s, k, r] R[k, l, r, p]``: the row index
    has l fastest, the column index k slowest. Fixing l and k leaves an s x p slice, the product of
    an s x r and an r x p matrix. It is a block-diagonal matrix (k blocks of l r x p) followed by
    a permutation and l interleaved blocks (s x k r).

    With sides near sqrt(n) and r = 1 it holds 2 n^1.5 numbers; few and large blocks (k = l = 4,
    r = n / 16, say) are what trains fast [1]_. Low-rank matrices are those of l = k = 1.

    ========================  ==================================================================
    product                   ``2 r (l n + k m)`` a column for an m x n matrix: two batched GEMMs
    entries, diagonal, trace  r multiplications an entry
    Frobenius norm            one pass over L and R
    solve, inv, slogdet       s = k r and p = l r: LU with pivoting of k + l blocks
    A + B, A o B              Monarch; block ranks add, multiply
    A.H, A.T                  a Butterfly of two factors
    ========================  ==================================================================

    Parameters
    ----------
    left : array, shape (l, s, k, r)
        L.
    right : array, shape (k, l, r, p)
        R.
    shape : (int, int), optional
        Keep the leading (m, n) part of the (l s) x (k p) matrix only.

    Attributes
    ----------
    block_rank : int
        r.

    Raises
    ------
    ValueError
        The shapes of `left` and `right` do not fit, or `shape` is larger than their product.

    See Also
    --------
    Butterfly : Of p factors: the order-p Monarch matrix.

    References
    ----------
    .. [1] T. Dao, B. Chen, N. Sohoni, A. Desai, M. Poli, J. Grogan, A. Liu, A. Rao, A. Rudra and
       C. Re, Monarch: expressive structured matrices for efficient and accurate training, ICML
       2022.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> left, right = np.arange(12.0).reshape(2, 3, 2, 1), np.arange(12.0).reshape(2, 2, 1, 3)
    >>> A = sm.Monarch(left, right)
    >>> A.shape, A.block_rank
    ((6, 6), 1)
    >>> float(A[1, 4]), float(left[1, 0, 1, 0] * right[1, 1, 0, 1])
    (70.0, 70.0)
    >>> (A + 2 * A).block_rank, (A + sm.Monarch(left + 1, right - 1)).block_rank
    (1, 2)
    """

    _parameters = ("left", "right", "shape")

    def __init__(self, left, right, shape=None):
        left, right = (
            _checks.as_parameter(x, name, ndim=4) for x, name in ((left, "left"), (right, "right"))
        )
        l, s, k, r = left.shape
        if right.shape[:3] != (k, l, r):
            raise ValueError(
                f"`left` of shape (l, s, k, r) = {(l, s, k, r)} needs a `right` of shape "
                f"(k, l, r, p) = ({k}, {l}, {r}, p); got {right.shape}"
            )
        p = right.shape[3]
        dtype = np.result_type(left, right)
        left, right = (x.astype(dtype, copy=False) for x in (left, right))
        self.left, self.right = left, right
        super().__init__(
            (
                KroneckerSparse(left.reshape(1, l, s, k * r)),
                KroneckerSparse(right.transpose(0, 2, 1, 3).reshape(k, 1, r * l, p)),
            ),
            shape,
        )

    @classmethod
    def from_chain(cls, A):
        """The Monarch matrix that a chain of two suitable factors is.

        Parameters
        ----------
        A : Chain
            Two factors of the patterns (1, s, k r, l) and (k, l r, p, 1), as :class:`Butterfly`
            of two levels and ``A.fuse(2)`` have them.

        Returns
        -------
        Monarch
            The same matrix; numbers are reordered at most.

        Raises
        ------
        TypeError
            The factors are others.

        Examples
        --------
        >>> import structmat as sm
        >>> A = sm.random(sm.Butterfly, 16, rng=0)
        >>> sm.Monarch.from_chain(A.fuse(2)).left.shape
        (4, 4, 4, 1)
        """
        found = _from_factors(cls, A.factors, A.shape)
        if found is None:
            named = ", ".join("permutation" if p is None else str(tuple(p)) for p in A.patterns)
            raise TypeError(
                "a Monarch matrix has two factors of the patterns (1, s, k r, l), (k, l r, p, 1); "
                f"these are {named}"
            )
        return found

    @property
    def block_rank(self):
        """r, the largest rank of a slice."""
        return self.left.shape[3]

    def _like(self, factors, shape=None):
        found = _from_factors(Monarch, factors, self.shape if shape is None else shape)
        return super()._like(factors, shape) if found is None else found

    def _reversed(self, factors):
        return Butterfly(factors[::-1], self.shape[::-1])

    def _scale(self, c):
        if scale.chosen(self, c) == 0:
            return Monarch(self.left * c, self.right, self.shape)
        return Monarch(self.left, self.right * c, self.shape)

    @classmethod
    def _from_parameters(cls, left, right, shape):
        return cls(left, right, shape)

    @classmethod
    def _random(cls, shape, rng, dtype, *, block_rank=None, blocks=None):
        return cls(*randoms.monarch(shape, rng, dtype, block_rank, blocks), shape)

    @classmethod
    def _project(cls, M, rtol, budget, block_rank=None, blocks=None, permutation=None):
        from structmat.matrices.chain.project import fit

        return fit.project_monarch(M, rtol, budget, block_rank, blocks, permutation)


def _from_factors(cls, factors, shape):
    """A Monarch matrix of two factors, None where the patterns are others."""
    chain = [getattr(F, "pattern", None) for F in factors]
    if len(chain) != 2 or None in chain or not patterns.refines(*chain):
        return None
    F, G = chain
    if F.a != 1 or G.d != 1:
        return None
    l, k, r = F.d, G.a, patterns.rank(F, G)
    left = factors[0].values.reshape(l, F.b, k, r)
    return cls(left, factors[1].values.reshape(k, r, l, G.c).transpose(0, 2, 1, 3), shape)
