"""Butterfly: a chain of chainable factors, log2 n of them by default."""

from structmat import _checks
from structmat._backend.arrays import is_array
from structmat.matrices.chain import patterns, randoms
from structmat.matrices.chain.kronecker_sparse import KroneckerSparse
from structmat.matrices.chain.matrix import Chain

__all__ = ["Butterfly"]


class Butterfly(Chain):
    """A product of Kronecker-sparse factors in which neighbours are chainable.

    With square 2 x 2 blocks and n = 2^L it is the classical butterfly matrix, the pattern of the
    fast Fourier transform: L factors of n / 2 blocks, 2 n log2 n numbers. Mixed radices,
    rectangular blocks and splits of any rank are the same class, and so is the transpose. A
    Butterfly of p factors with blocks of order n^(1/p) is the order-p Monarch matrix, of
    p n^(1 + 1/p) numbers.

    It is exactly the set of matrices whose slices, at every split, have at most the split's rank
    [1]_; so it has a projection with a guarantee (:func:`structmat.project`).

    ========================  ==================================================================
    product                   2 a b c d a column and factor: 4 n log2 n for 2 x 2 blocks
    entries, diagonal, trace  one multiplication a factor and entry, for splits of rank one
    solve, inv, slogdet       square blocks: LU with pivoting, block by block
    A + B                     two factors, equal blocks: ranks add; longer: a lazy sum
    A o B                     equal blocks: a Butterfly in which the ranks multiply
    A.H, A.T                  the mirrored Butterfly
    ========================  ==================================================================

    Parameters
    ----------
    factors : sequence of KroneckerSparse or arrays of shape (a, d, b, c), or one array
        Neighbours must be chainable, all to the right or all to the left. One array of shape
        (log2 n, n/2, 2, 2) is the square dyadic butterfly: factor i has the pattern
        (2^i, 2, 2, n / 2^(i+1)), the array's item i reshaped.
    shape : (int, int), optional
        Keep the leading (m, n) part of the product only.

    Raises
    ------
    ValueError
        Neighbours are not chainable, or an array is not of the shape above.
    TypeError
        A factor is a permutation (use :class:`Chain`) or of another kind.

    References
    ----------
    .. [1] L. Zheng, Q.-T. Le, E. Riccietti and R. Gribonval, Butterfly factorization with error
       guarantees, SIAM J. Matrix Anal. Appl. 46(4), 2025.
    .. [2] T. Dao, A. Gu, M. Eichhorn, A. Rudra and C. Re, Learning fast algorithms for linear
       transforms using butterfly factorizations, ICML 2019.

    Examples
    --------
    The Hadamard matrix of order 8:

    >>> import numpy as np, structmat as sm
    >>> A = sm.Butterfly(np.broadcast_to(np.array([[1.0, 1.0], [1.0, -1.0]]), (3, 4, 2, 2)))
    >>> [tuple(p) for p in A.patterns]
    [(1, 2, 2, 4), (2, 2, 2, 2), (4, 2, 2, 1)]
    >>> A[3]
    array([ 1., -1., -1.,  1.,  1., -1., -1.,  1.])
    >>> bool(np.allclose(A @ (A @ np.ones(8)), 8))
    True
    """

    def __init__(self, factors, shape=None):
        super().__init__(_dyadic(factors) if is_array(factors) else factors, shape)
        for i, F in enumerate(self.factors):
            if not isinstance(F, KroneckerSparse):
                raise TypeError(f"`factors[{i}]` is a {type(F).__name__}; use Chain for it")
        if not patterns.chainable(*self.patterns):
            named = ", ".join(str(tuple(p)) for p in self.patterns)
            raise ValueError(
                f"patterns (a, b, c, d) = {named} are not chainable: neighbours need a1 | a2, "
                "d2 | d1 and an integer a1 c1 / a2 = b2 d2 / d1, or the same from right to left. "
                "Chain takes any factors"
            )

    @property
    def ranks(self):
        """The rank of every split: how many numbers pass between two factors, a slice."""
        return tuple(patterns.rank(p, q) for p, q in zip(self.patterns, self.patterns[1:]))

    def _like(self, factors, shape=None):
        chain = [getattr(F, "pattern", None) for F in factors]
        kind = Butterfly if None not in chain and patterns.chainable(*chain) else Chain
        return kind(factors, self.shape if shape is None else shape)

    @classmethod
    def _random(cls, shape, rng, dtype, *, radices=None, patterns=None, block_rank=None):
        return cls(randoms.butterfly(shape, rng, dtype, radices, patterns, block_rank), shape)

    @classmethod
    def _project(
        cls,
        M,
        rtol,
        budget,
        radices=None,
        patterns=None,
        block_rank=None,
        permutation=None,
        refine=0,
    ):
        from structmat.matrices.chain.project import fit

        return fit.project_butterfly(
            M, rtol, budget, radices, patterns, block_rank, permutation, refine
        )


def _dyadic(values):
    """The factors of an array (log2 n, n/2, 2, 2)."""
    values = _checks.as_parameter(values, "factors", ndim=4)
    levels, half, b, c = values.shape
    if (b, c) != (2, 2) or levels < 1 or half != 2 ** (levels - 1):
        raise ValueError(
            "one array of factors must have shape (log2 n, n/2, 2, 2), as (3, 4, 2, 2) for n = 8; "
            f"got {values.shape}"
        )
    return [values[i].reshape(p.a, p.d, 2, 2) for i, p in enumerate(patterns.dyadic(2 * half))]
