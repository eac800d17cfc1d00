"""Haar: the orthogonal matrix of averages and differences on dyadic intervals."""

import math

import numpy as np

from structmat import _checks, _rules, transforms
from structmat.matrices.fourier.angles import indices
from structmat.matrices.fourier.scale import order_of
from structmat.matrices.fourier.small import HAAR
from structmat.matrices.fourier.transform import Transform

__all__ = ["Haar"]


class Haar(Transform):
    """The Haar transform: averages and differences of halves, orthogonal.

    One level maps x to the sums and differences ``(x[2 i] +- x[2 i + 1]) / sqrt(2)``; the next one
    acts on the sums. Rows from coarse to fine; for n = 4 and two levels, with r = sqrt(1/2)::

        [1/2  1/2  1/2  1/2]     averages
        [1/2  1/2 -1/2 -1/2]     differences of level 2
        [ r   -r    0    0 ]     differences of level 1
        [ 0    0    r   -r ]

    =================  ============================================================================
    product, solve     at most 4 n operations, by :func:`structmat.transforms.haar`
    inverse            the transpose
    svd, qr, slogdet   in closed form: all singular values are 1
    norms              in closed form
    eigenvalues        of the dense matrix
    entries            0 or a power of sqrt(1/2), with its sign
    =================  ============================================================================

    Parameters
    ----------
    n : int
        Order, a multiple of 2^levels.
    levels : int, optional
        How often the averages are halved; by default as often as `n` can be: k for n = odd * 2^k.
    dtype : dtype, optional
        float32, float64 (default), complex64 or complex128.

    Raises
    ------
    ValueError
        `n` is less than 1 or not a multiple of 2^levels.

    Notes
    -----
    Relative error of a product and of a solve: at most 2 levels eps in the 2-norm. For an odd n
    there is no level, and the matrix is the identity.

    References
    ----------
    .. [1] A. Haar, Zur Theorie der orthogonalen Funktionensysteme, Math. Ann. 69 (1910) 331-371.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> W = sm.Haar(4)
    >>> np.round(W @ np.array([1.0, 1.0, 5.0, 1.0]), 4)
    array([ 4.    , -2.    ,  0.    ,  2.8284])
    >>> W.H @ W == sm.Identity(4)
    True
    """

    _parameters = ("n", "levels", "dtype")
    _algorithm = "Haar lifting"

    def __init__(self, n, levels=None, dtype=np.float64):
        self.n = order_of(n)
        most = (self.n & -self.n).bit_length() - 1
        self.levels = most if levels is None else _checks.size(levels, "levels")
        if levels is None and most == 0 and self.n > 1:
            raise ValueError(
                f"Haar: an odd order ({n}) allows no level; pad to an even one, or say levels=0"
            )
        if self.levels > most:
            raise ValueError(
                f"Haar of {self.levels} levels needs `n` to be a multiple of 2**{self.levels}; "
                f"got {n}, which has {most}"
            )
        self._root = -1 if self.n == 2 and self.levels == 1 else None
        super().__init__(self.n, _checks.result_dtype(dtype, "Haar"), 1, 0.0, HAAR)

    def _fast(self, X):
        return transforms.haar(X, levels=self.levels, axis=0)

    def _fast_adjoint(self, X):
        return transforms.ihaar(X, levels=self.levels, axis=0)

    def _entries(self, i, j):
        """Row n / 2^l + b of level l is 2^(-l/2) on [b 2^l, (b+1) 2^l), negative on its right."""
        i, j = np.broadcast_arrays(indices(i, self.n), indices(j, self.n))
        coarse = self.n >> self.levels
        value = np.where((i < coarse) & (j >> self.levels == i), _root_half(self.levels), 0.0)
        for level in range(1, self.levels + 1):
            first = self.n >> level
            inside = (i >= first) & (i < 2 * first) & (j >> level == i - first)
            right = (j >> (level - 1)) & 1 == 1
            value = np.where(inside, np.where(right, -1, 1) * _root_half(level), value)
        return value.astype(self.dtype)

    def _toarray(self):
        j = np.arange(self.n)
        dense = np.zeros((self.n, self.n), self.dtype)
        dense[j >> self.levels, j] = _root_half(self.levels)
        for level in range(1, self.levels + 1):
            right = (j >> (level - 1)) & 1
            dense[(self.n >> level) + (j >> level), j] = (1 - 2 * right) * _root_half(level)
        return dense

    # ------------------------------------------------------------ what the verbs need to know

    def _unit(self):
        return "Haar", self.n, self.levels

    def _unit_adjoint(self):
        return self._unit() if self._is_symmetric() else (*self._unit(), "transposed")

    def _is_symmetric(self):
        return self.levels == 0 or self.n == 2

    def _with_norm(self, norm):
        return self

    def _norm_name(self):
        return "ortho"

    def _is_hermitian(self):
        return self._is_symmetric()

    def _cholesky(self):
        if self.levels == 0:
            return _rules.make("identity", self.n, self.dtype)
        return super()._cholesky()

    def _has_eigenbasis(self):
        return self.levels == 0

    def _eigenbasis(self):
        if self.levels:
            return NotImplemented
        I = _rules.make("identity", self.n, self.dtype)
        return I.diagonal(), I

    def _det_sign(self):
        """A level of h pairs: h reflections, and h (h - 1) / 2 interchanges to sort its results."""
        pairs = [self.n >> level for level in range(1, self.levels + 1)]
        return -1.0 if sum(h * (h + 1) // 2 for h in pairs) % 2 else 1.0

    def _sum_norm(self, ord):
        """Every column has an entry of each level; a row of level l has 2^l of them."""
        if ord in (1, -1):
            return sum(_root_half(l) for l in range(1, self.levels + 1)) + _root_half(self.levels)
        return 1 / _root_half(self.levels if ord > 0 else min(self.levels, 1))

    def _flops(self):
        return 4.0 * self.n

    @classmethod
    def _random(cls, shape, rng, dtype):
        """The Haar matrix of this order with all its levels: there is nothing to draw."""
        return super()._random(shape, rng, dtype)


def _root_half(level):
    """2^(-level / 2), exact for even levels."""
    return math.ldexp(math.sqrt(0.5) if level % 2 else 1.0, -(level // 2))


_rules.maker("haar")(Haar)
