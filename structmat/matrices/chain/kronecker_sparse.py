"""KroneckerSparse: one factor with the support I_a (x) ones(b, c) (x) I_d."""

import numpy as np

from structmat import _checks
from structmat._backend.arrays import namespace_of
from structmat.matrices.base import StructuredMatrix
from structmat.matrices.chain import patterns, products, randoms
from structmat.matrices.chain.patterns import Pattern
from structmat.matrices.chain.systems import blocks

__all__ = ["KroneckerSparse"]


class KroneckerSparse(StructuredMatrix):
    """A matrix with the support of ``I_a (x) ones(b, c) (x) I_d``: a d interleaved dense blocks.

    Block (i, l) has the rows ``i b d + j d + l`` and the columns ``i c d + k d + l``. For the
    pattern (2, 2, 2, 2) the blocks are, by their first index::

        [0 . 0 . . . . .]        a    block diagonals: the outer grid
        [. 1 . 1 . . . .]        b c  the size of a block
        [0 . 0 . . . . .]        d    interleaved blocks: strides of rows and columns
        [. 1 . 1 . . . .]
        [. . . . 2 . 2 .]
        [. . . . . 3 . 3]
        [. . . . 2 . 2 .]
        [. . . . . 3 . 3]

    =====================  =====================================================================
    product                2 a b c d a column
    solve, inv, slogdet    LU with pivoting of the a d blocks, a d b^3
    svd, eigh, eig, qr,    of the blocks, all at once; the vectors are a KroneckerSparse (times a
    cholesky, norms        permutation where values are sorted)
    lstsq, pinv, rank      SVD of the blocks, with one cut-off for all
    expm, sqrtm, logm      of the blocks
    A + B, A o B           one pattern: KroneckerSparse again
    =====================  =====================================================================

    Parameters
    ----------
    values : array, shape (a, d, b, c)
        ``values[i, l, j, k]`` is the entry in row ``i b d + j d + l``, column ``i c d + k d + l``.
        Stored as given.
    pattern : (int, int, int, int), optional
        (a, b, c, d), to be checked against `values`.

    Attributes
    ----------
    pattern : structmat.matrices.chain.patterns.Pattern
        (a, b, c, d).

    Raises
    ------
    ValueError
        `values` is not four-dimensional, or does not fit `pattern`.

    See Also
    --------
    Chain, Butterfly, Monarch

    References
    ----------
    .. [1] L. Zheng, Q.-T. Le, E. Riccietti and R. Gribonval, Butterfly factorization with error
       guarantees, SIAM J. Matrix Anal. Appl. 46(4), 2025.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> A = sm.KroneckerSparse(np.array([[[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]]]))
    >>> tuple(A.pattern)
    (1, 2, 2, 2)
    >>> A.toarray()
    array([[1., 0., 2., 0.],
           [0., 5., 0., 6.],
           [3., 0., 4., 0.],
           [0., 7., 0., 8.]])
    >>> type(A.inv()).__name__
    'KroneckerSparse'
    """

    _parameters = ("values",)
    _plan = None  # how the kernels take it, made at the first product

    def __init__(self, values, pattern=None):
        self.values = _checks.as_parameter(values, "values", ndim=4)
        a, d, b, c = self.values.shape
        self.pattern = Pattern(a, b, c, d)
        if pattern is not None and patterns.checked(pattern) != self.pattern:
            a, b, c, d = pattern
            raise ValueError(
                f"`values` of pattern (a, b, c, d) = {(a, b, c, d)} must have shape (a, d, b, c) = "
                f"{(a, d, b, c)}; got {self.values.shape}"
            )
        super().__init__(self.values.dtype, self.pattern.shape)

    def _apply(self, X):
        plan = self._plan
        return products.apply(self, X) if plan is None else plan(X)

    def _adjoint(self):
        values = self.values.transpose(0, 1, 3, 2)
        return KroneckerSparse(values.conj() if self.dtype.kind == "c" else values)

    def _transpose(self):
        return KroneckerSparse(self.values.transpose(0, 1, 3, 2))

    def _toarray(self):
        a, b, c, d = self.pattern
        xp = namespace_of(self.values)
        full = xp.zeros((a, b, d, a, c, d), self.dtype)
        i, l = xp.arange(a)[:, None], xp.arange(d)[None, :]
        # Advanced indices first: full[i, :, l, i, :, l] has shape (a, d, b, c).
        full[i, :, l, i, :, l] = self.values
        return full.reshape(self.shape)

    def tosparse(self):
        """The matrix as a :class:`scipy.sparse.csr_array` of its a b c d entries."""
        from scipy.sparse import csr_array

        a, b, c, d = self.pattern
        values = self.values if self._host else self.values.get()
        i, _, l, k = np.ogrid[:a, :b, :d, :c]
        columns = np.broadcast_to(i * c * d + k * d + l, (a, b, d, c)).reshape(-1)
        starts = np.arange(a * b * d + 1) * c
        # Rows (i, j, l), and in each the columns (i, k, l) in ascending order.
        rows = values.transpose(0, 2, 1, 3).reshape(-1)
        return csr_array((rows.copy(), columns, starts), self.shape)

    # ------------------------------------------------------------ entries

    def _entries(self, i, j):
        _, b, c, d = self.pattern
        xp = namespace_of(self.values)
        i, j = np.broadcast_arrays(i, j)
        found = xp.zeros(i.shape, self.dtype)
        if not self.values.size:
            return found
        inside = (i // (b * d) == j // (c * d)) & (i % d == j % d)
        r, s = i[inside], j[inside]
        where = [xp.asarray(x) for x in (r // (b * d), r % d, r // d % b, s // d % c)]
        found[xp.asarray(inside)] = self.values[tuple(where)]
        return found

    def _diagonal(self):
        if self.pattern.b != self.pattern.c:
            return NotImplemented
        return self.values.diagonal(axis1=2, axis2=3).transpose(0, 2, 1).reshape(-1).copy()

    def _scale(self, c):
        return KroneckerSparse(self.values * c)

    def _real(self):
        return KroneckerSparse(self.values.real.copy())

    def expand(self, first, second):
        """Two factors of given patterns whose product is this one: the way back from merging.

        Parameters
        ----------
        first, second : (int, int, int, int)
            Chainable patterns whose product has the pattern of this factor.

        Returns
        -------
        left, right : KroneckerSparse
            ``left @ right`` equals this factor. Patterns that can set every number of the product
            (redundant ones) hold it exactly, one factor being zeros and ones; others hold it to
            rounding when every slice has a rank that they allow.

        Raises
        ------
        ValueError
            The patterns do not multiply to that of the factor, or its slices have a higher rank;
            `structmat.project` finds the nearest product then.

        Notes
        -----
        Costs a singular value decomposition of the slices, at most ``a b c d min(b, c)``.

        Examples
        --------
        >>> import numpy as np, structmat as sm
        >>> F = sm.KroneckerSparse(np.arange(16.0).reshape(1, 1, 4, 4))
        >>> left, right = F.expand((1, 4, 4, 1), (1, 4, 4, 1))
        >>> bool(np.array_equal(left.toarray() @ right.toarray(), F.toarray()))
        True
        """
        from structmat.matrices.chain import fuse

        return fuse.expanded(self, patterns.checked(first), patterns.checked(second))

    # ------------------------------------------------------------ systems

    _factorize = blocks.factorize
    _inv = blocks.inv
    _slogdet = blocks.slogdet
    _lstsq = blocks.lstsq
    _pinv = blocks.pinv
    _rank = blocks.rank

    # ------------------------------------------------------------ spectra, factors and norms

    _is_hermitian = blocks.is_hermitian
    _svd = blocks.svd
    _svdvals = blocks.svdvals
    _svds = blocks.svds
    _eig = blocks.eig
    _eigvals = blocks.eigvals
    _eigh = blocks.eigh
    _eigvalsh = blocks.eigvalsh
    _eigsh = blocks.eigsh
    _norm = blocks.norm
    _cond = blocks.cond
    _qr = blocks.qr
    _cholesky = blocks.cholesky
    _power = blocks.power
    _expm = blocks.expm
    _sqrtm = blocks.sqrtm
    _logm = blocks.logm
    _cost = blocks.cost

    # ------------------------------------------------------------ algebra

    def _rows(self, op, s):
        """Rows multiplied or divided by s: `op` is the namespace's multiply or divide."""
        a, b, _, d = self.pattern
        return KroneckerSparse(op(self.values, s.reshape(a, b, d).transpose(0, 2, 1)[..., None]))

    def _columns(self, op, s):
        a, _, c, d = self.pattern
        return KroneckerSparse(
            op(self.values, s.reshape(a, c, d).transpose(0, 2, 1)[:, :, None, :])
        )

    @classmethod
    def _random(cls, shape, rng, dtype, pattern=None):
        return cls(randoms.factor(shape, rng, dtype, pattern))

    @classmethod
    def _project(cls, M, rtol, budget, pattern=None):
        from structmat.matrices.chain.project import fit

        return fit.project_kronecker_sparse(M, rtol, budget, pattern)
