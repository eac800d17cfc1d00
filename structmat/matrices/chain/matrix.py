"""Chain: a product of Kronecker-sparse factors and permutations."""

import functools
from itertools import pairwise

import numpy as np

from structmat import _checks
from structmat.matrices import parameters
from structmat.matrices.base import StructuredMatrix
from structmat.matrices.chain import entries, fuse, products, randoms, real, scale
from structmat.matrices.chain.kronecker_sparse import KroneckerSparse
from structmat.matrices.chain.systems import direct, least_squares, spectral
from structmat.matrices.elementary import Permutation

__all__ = ["Chain"]


class Chain(StructuredMatrix):
    """The product F_1 F_2 ... F_L of Kronecker-sparse factors and permutations.

    Where neighbours are chainable, with splits of rank r_1 ... r_(L-1) (see
    the module ``structmat.matrices.chain``), and for factors of the patterns (a_i, b_i, c_i, d_i):

    =====================  =====================================================================
    product                ``2 (a_1 b_1 c_1 d_1 + ... + a_L b_L c_L d_L)`` a column
    entries, diagonal      ``r_1 + r_1 r_2 + ... + r_(L-1)`` multiplications each
    trace, Frobenius norm  the diagonal; one pass over the factors (chainable, or for the trace
                           chainable after a rotation, as A A^H)
    solve, inv, slogdet    factors with square blocks: LU with pivoting, block by block
    lstsq, pinv            tall, then square, then wide factors of full rank: a chain
    svd, cond, 2-norm      exact where all factors but one are unitary up to scale
    A @ B                  a chain of the factors of both
    fuse                   a chain of fewer and larger factors
    =====================  =====================================================================

    Parameters
    ----------
    factors : sequence of KroneckerSparse, Permutation, or array
        At least one; the columns of each are the rows of the next. An array of shape (a, d, b, c)
        is a Kronecker-sparse factor. The dtype is the common one.
    shape : (int, int), optional
        Keep the leading (m, n) part of the product only: how an order without suitable divisors,
        a prime one, is held. By default all of it.

    Attributes
    ----------
    full_shape : (int, int)
        Shape of the product before it is cropped.

    Raises
    ------
    ValueError
        No factor, shapes that do not fit, or a `shape` larger than the product.
    TypeError
        A factor of another kind.

    See Also
    --------
    Butterfly : Neighbours are chainable, which projection and uniqueness need.
    Monarch : Two factors.

    Notes
    -----
    Factors are stored as given; those far apart in size (1e150 and 1e-150) are rebalanced by powers
    of two for computing, which is exact. They are determined by the matrix up to an invertible
    r x r matrix between neighbours and slice: compare products, not factors.

    The first product lays the numbers out for the kernels and keeps that beside the factors: up to
    as many bytes again, for one column and for several, which ``nbytes`` does not count.

    References
    ----------
    .. [1] L. Zheng, Q.-T. Le, E. Riccietti and R. Gribonval, Butterfly factorization with error
       guarantees, SIAM J. Matrix Anal. Appl. 46(4), 2025.

    Examples
    --------
    The discrete Fourier transform of order 4 is two factors and a bit reversal [1]_:

    >>> import numpy as np, structmat as sm
    >>> sums = np.array([[1, 1], [1, -1]]) + 0j
    >>> twiddled = np.array([[1, -1j], [1, 1j]])
    >>> first = np.stack([sums, twiddled])[None]
    >>> F = sm.Chain([first, np.stack([sums, sums])[:, None], sm.Permutation([0, 2, 1, 3])])
    >>> bool(np.allclose(F @ np.eye(4), np.fft.fft(np.eye(4))))
    True
    >>> complex(F[1, 3])
    1j
    >>> len((F @ F.H).factors)
    3
    """

    _parameters: tuple = ("factors", "shape")
    _plan = None  # the steps of a product, made at the first one

    def __init__(self, factors, shape=None):
        if parameters.is_matrix(factors) or not np.iterable(factors):
            raise TypeError(f"`factors` must be a sequence; got a {type(factors).__name__}")
        self.factors = _linked([_factor(F, i) for i, F in enumerate(factors)])
        full = self.factors[0].shape[0], self.factors[-1].shape[1]
        shape = full if shape is None else _kept(shape, full)
        self.full_shape = full
        super().__init__(self.factors[0].dtype, shape)

    @property
    def patterns(self):
        """The pattern of every factor; None for a permutation."""
        return tuple(getattr(F, "pattern", None) for F in self.factors)

    @property
    def cropped(self):
        """True when `shape` keeps a part of the product only."""
        return self.shape != self.full_shape

    @functools.cached_property
    def _parts(self):
        """The factors for computing: exact multiples of `factors` where these are extreme."""
        return scale.balanced(self.factors)

    def _apply(self, X):
        plan = self._plan
        return products.apply(self, X) if plan is None else plan(X)

    def _adjoint(self):
        return self._reversed([F._adjoint() for F in self.factors])

    def _transpose(self):
        return self._reversed([F._transpose() for F in self.factors])

    def _reversed(self, factors):
        return self._like(factors[::-1], self.shape[::-1])

    def _like(self, factors, shape=None):
        """A chain of other factors, of the same kind where they are."""
        return Chain(factors, self.shape if shape is None else shape)

    def _toarray(self):
        return products.multiplied_out(self._parts)[: self.shape[0], : self.shape[1]]

    def astype(self, dtype):
        """The chain with factors of another dtype (itself when nothing changes)."""
        dtype = _checks.result_dtype(dtype, "a matrix")
        if dtype == self.dtype:
            return self
        # A factor of 1e150 beside one of 1e-150 goes into single precision rebalanced.
        return super(Chain, scale.balanced_for(self, dtype)).astype(dtype)

    # ------------------------------------------------------------ entries

    _entries = entries.entries
    _diagonal = entries.diagonal
    _trace = entries.trace
    _is_hermitian = scale.is_hermitian

    # ------------------------------------------------------------ systems

    _factorize = direct.factorize
    _inv = direct.inv
    _slogdet = direct.slogdet
    _lstsq = least_squares.lstsq
    _pinv = least_squares.pinv
    _rank = least_squares.rank

    # ------------------------------------------------------------ spectra and norms

    _svd = spectral.svd
    _svdvals = spectral.svdvals
    _svds = spectral.svds
    _eig = spectral.eig
    _eigvals = spectral.eigvals
    _eigh = spectral.eigh
    _eigvalsh = spectral.eigvalsh
    _norm = spectral.norm
    _cond = spectral.cond

    # ------------------------------------------------------------ algebra

    _scale = scale.times
    _rows = scale.rows
    _columns = scale.columns
    _cost = direct.cost
    _real = real.real_part

    def fuse(self, n_factors=None):
        """The same matrix as a chain of fewer and larger factors.

        Neighbours that are chainable are multiplied out, those whose product costs least more than
        they do. A chain of nine factors with 2 x 2 blocks becomes one of three with 8 x 8 blocks,
        say, which reads and writes its operand a third as often.

        Parameters
        ----------
        n_factors : int, optional
            How many Kronecker-sparse factors to keep. By default the number with the cheapest
            product, by a model of one pass over the operand a factor, with blocks of order 64 at
            most. Dyadic 2 x 2 factors of real numbers then stay as they are: the kernels take
            several of them through memory together.

        Returns
        -------
        Chain
            Equal to this one up to rounding; permutations stay where they are and are composed.

        Raises
        ------
        ValueError
            So few factors cannot be had: others are not chainable.

        Examples
        --------
        >>> import structmat as sm
        >>> A = sm.random(sm.Butterfly, 64, rng=0)
        >>> [tuple(p) for p in A.fuse(2).patterns]
        [(1, 8, 8, 8), (8, 8, 8, 1)]
        """
        return fuse.fused(self, n_factors)

    @classmethod
    def _random(cls, shape, rng, dtype, *, radices=None, patterns=None, block_rank=None):
        values, p = randoms.chain(shape, rng, dtype, radices, patterns, block_rank)
        return cls([*values, Permutation(p)], shape)

    @classmethod
    def _project(cls, M, rtol, budget, patterns=None, block_rank=None, permutation=None, refine=0):
        from structmat.matrices.chain.project import fit

        return fit.project_chain(M, rtol, budget, patterns, block_rank, permutation, refine)


def _kept(shape, full):
    """The leading part that stays, checked."""
    if np.ndim(shape) != 1 or len(shape) != 2:
        raise ValueError(f"`shape` must be two integers; got {shape!r}")
    m, n = (_checks.size(size, "shape") for size in shape)
    if m > full[0] or n > full[1]:
        raise ValueError(f"`shape` must be at most that of the product, {full}; got {(m, n)}")
    return m, n


def _factor(F, position):
    if isinstance(F, KroneckerSparse | Permutation):
        return F
    if parameters.is_matrix(F):
        raise TypeError(
            f"`factors[{position}]` must be a KroneckerSparse, a Permutation or an array of shape "
            f"(a, d, b, c); got a {type(F).__name__}. Others may have `.to(sm.Chain)`"
        )
    return KroneckerSparse(_checks.as_parameter(F, f"factors[{position}]", ndim=4))


def _linked(factors):
    """The factors with one dtype; their shapes must fit."""
    if not factors:
        raise ValueError("a chain needs at least one factor; got none")
    for i, (F, G) in enumerate(pairwise(factors)):
        if F.shape[1] != G.shape[0]:
            raise ValueError(
                f"`factors[{i}]` of shape {F.shape} does not fit `factors[{i + 1}]` of shape "
                f"{G.shape}"
            )
    # A permutation has no numbers: it takes the dtype of those that have.
    numbers = [F for F in factors if isinstance(F, KroneckerSparse)] or factors
    dtype = np.result_type(*(F.dtype for F in numbers))
    return tuple(F.astype(dtype) for F in factors)
