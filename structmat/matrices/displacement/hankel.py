"""Hankel: constant along antidiagonals."""

import numpy as np

from structmat._backend.arrays import namespace_of
from structmat._results import Factorization
from structmat.matrices.displacement import fit
from structmat.matrices.displacement.toeplitz import Toeplitz, _noise
from structmat.matrices.displacement.windows import Windows, sequence

__all__ = ["Hankel"]


class Hankel(Windows):
    """A Hankel matrix: H[i, j] = h[i + j], with h = (c[0], ..., c[m-1], r[1], ..., r[n-1]).

    For c = (a, b, d) and r = (., e, f)::

        [a b d]
        [b d e]
        [d e f]

    It is a Toeplitz matrix with its columns in reverse order, H = T J, and has its costs.

    ==================  ====================================================================
    product             the smaller of 2 m n flops and 3 FFTs of length m + n, a column
    solve, slogdet      O(n^2), of T
    norms, trace        O(m + n): 1, inf and Frobenius norms
    svd, eig, qr        of the dense matrix
    ==================  ====================================================================

    Parameters
    ----------
    c : array, shape (m,)
        First column.
    r : array, shape (n,), optional
        Last row, whose first entry is ignored in favour of c[-1]. Default zeros, n = m.

    Raises
    ------
    ValueError
        Not one-dimensional.
    TypeError
        Of a dtype that is not supported.

    Notes
    -----
    The arguments are those of :func:`scipy.linalg.hankel`. How systems are solved, and how well, is
    told at :class:`Toeplitz`; iterations have no preconditioner here.

    References
    ----------
    .. [1] G. Heinig and K. Rost, *Algebraic Methods for Toeplitz-like Matrices and Operators*,
       Birkhauser, 1984, section 0.1.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> H = sm.Hankel([1.0, 2.0, 3.0], [3.0, 4.0, 5.0])
    >>> H.toarray()
    array([[1., 2., 3.],
           [2., 3., 4.],
           [3., 4., 5.]])
    >>> H @ np.ones(3)
    array([ 6.,  9., 12.])
    """

    _parameters = ("c", "r")
    _flip = False

    def __init__(self, c, r=None):
        c = sequence(c, "c", "Hankel")
        r = namespace_of(c).zeros_like(c) if r is None else sequence(r, "r", "Hankel")
        dtype = np.result_type(c.dtype, r.dtype)
        self.c, self.r = c.astype(dtype, copy=False), r.astype(dtype, copy=False)
        m, n = len(c), len(r)
        super().__init__(dtype, (m, n))
        if m and n and self.r[0] != self.c[-1]:
            self.r = self.r.copy()
            self.r[0] = self.c[-1]
        xp = self._namespace
        self._set_sequence(xp.concatenate([self.c, self.r[1:]]) if m and n else self.c[:0])

    @classmethod
    def _of(cls, h, m):
        """The Hankel matrix with m rows of a sequence."""
        return cls(h[:m], h[m - 1 :]) if len(h) else cls(h, h)

    def _toeplitz(self):
        """T with H = T J."""
        n = self.shape[1]
        return Toeplitz(self._h[n - 1 :], self._h[:n][::-1]) if len(self._h) else Toeplitz(self.c)

    def _adjoint(self):
        return self._transpose()._conj()

    def _transpose(self):
        m, n = self.shape
        return Hankel(self._h[:n], self._h[n - 1 :]) if m and n else Hankel(self.r, self.c)

    def _factorize(self):
        factored = self._toeplitz()._factored("Hankel")
        return factored if factored is NotImplemented else _Reversed(factored)

    def _is_hermitian(self):
        if self.shape[0] != self.shape[1]:
            return False
        return self.dtype.kind != "c" or not bool(self._h.imag.any())

    def _scale(self, c):
        return Hankel(self.c * c, self.r * c)

    @classmethod
    def _random(cls, shape, rng, dtype):
        """One on the antidiagonal and little beside it."""
        c, r = (_noise(size, rng, dtype, max(*shape, 1)) for size in shape)
        c[-1:] += 1
        return cls(c, r)

    @classmethod
    def _project(cls, M, rtol, budget):
        return fit.hankel(M, cls)


class _Reversed(Factorization):
    """H = T J: the solution is that of the Toeplitz system upside down, the 1-norms are equal."""

    structure = "Hankel"

    def __init__(self, factored):
        self.shape, self.dtype, self._factored = factored.shape, factored.dtype, factored

    @property
    def method(self):
        return self._factored.method

    @property
    def rcond(self):
        return self._factored.rcond

    def _solve(self, B):
        return np.ascontiguousarray(self._factored._solve(B)[::-1])

    def _slogdet(self):
        sign, value = self._factored._slogdet()
        return (-sign if self.shape[0] // 2 % 2 else sign), value
