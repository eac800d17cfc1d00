"""Toeplitz: constant along diagonals."""

import numpy as np

from structmat import _checks
from structmat._results import Cost
from structmat.matrices.displacement import fit
from structmat.matrices.displacement.circulant import Circulant
from structmat.matrices.displacement.substitution import Substitution
from structmat.matrices.displacement.toeplitz_lu import ToeplitzLU
from structmat.matrices.displacement.windows import DENSE_BELOW, Windows, sequence
from structmat.matrices.elementary import _shared

__all__ = ["Toeplitz"]


class Toeplitz(Windows):
    """A Toeplitz matrix: T[i, j] = c[i - j] for i >= j, r[j - i] for j > i.

    For c = (a, b, d) and r = (., e, f)::

        [a e f]
        [b a e]
        [d b a]

    ==================  ====================================================================
    product             the smaller of 2 m n flops and 3 FFTs of length m + n, a column
    solve, slogdet      LU with partial pivoting in O(n^2) of the Cauchy-like form [1]_;
                        triangular: substitution with O(n) memory
    norms, trace        O(m + n): 1, inf and Frobenius norms
    svd, eig, qr        of the dense matrix
    ==================  ====================================================================

    Parameters
    ----------
    c : array, shape (m,)
        First column.
    r : array, shape (n,), optional
        First row, whose first entry is ignored in favour of c[0]. Default conj(c), a Hermitian
        matrix if c[0] is real.

    Raises
    ------
    ValueError
        Not one-dimensional.
    TypeError
        Of a dtype that is not supported.

    Notes
    -----
    The arguments are those of :func:`scipy.linalg.toeplitz`. Solves take an array of n^2 numbers;
    a matrix for which it does not fit in half of the memory, or whose arrays live on a GPU, is
    solved iteratively above order 2048, with T. Chan's circulant matrix as a preconditioner [2]_.
    Every solution is certified: a residual that is not small is refined, and a column for which
    that does not help (an ill-conditioned matrix with an exponentially growing solution) goes to
    LAPACK, which `method` in the certificate then says. No minor needs to be regular, as Levinson's
    algorithm has it (:func:`scipy.linalg.solve_toeplitz`, 4 to 8 times faster for one right-hand
    side where it works). Arguments of any scale are taken: an :exc:`OverflowError` says that the
    result is too large. In a product by FFT, a column with an infinity is multiplied directly.

    References
    ----------
    .. [1] I. Gohberg, T. Kailath and V. Olshevsky, Fast Gaussian elimination with partial pivoting
       for matrices with displacement structure, Math. Comp. 64 (1995) 1557-1576, section 2.
    .. [2] T. F. Chan, An optimal circulant preconditioner for Toeplitz systems, SIAM J. Sci.
       Statist. Comput. 9 (1988) 766-771, eq. (2.3).

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> T = sm.Toeplitz([2.0, 1.0, 0.0], [2.0, 3.0, 5.0])
    >>> T.toarray()
    array([[2., 3., 5.],
           [1., 2., 3.],
           [0., 1., 2.]])
    >>> T @ np.ones(3)
    array([10.,  6.,  3.])
    >>> bool(np.allclose(T.solve([10.0, 6.0, 3.0]), 1.0))
    True
    """

    _parameters = ("c", "r")

    def __init__(self, c, r=None):
        c = sequence(c, "c", "Toeplitz")
        r = (c.conj() if c.dtype.kind == "c" else c) if r is None else r
        r = sequence(r, "r", "Toeplitz")
        dtype = np.result_type(c.dtype, r.dtype)
        self.c, self.r = c.astype(dtype, copy=False), r.astype(dtype, copy=False)
        m, n = len(c), len(r)
        super().__init__(dtype, (m, n))
        if m and n and self.r[0] != self.c[0]:
            self.r = self.r.copy()
            self.r[0] = self.c[0]
        xp = self._namespace
        self._set_sequence(xp.concatenate([self.r[:0:-1], self.c]) if m and n else self.c[:0])

    def _adjoint(self):
        if self.dtype.kind != "c":
            return self._transpose()
        return Toeplitz(self.r.conj(), self.c.conj())

    def _transpose(self):
        return Toeplitz(self.r, self.c)

    def _factorize(self):
        return self._factored("Toeplitz")

    def _factored(self, structure):
        if self._host and self.shape[0] and self._is_triangular():
            _checks.finite(self._h)
            lower = bool(self.c[1:].any())
            return Substitution(self.c if lower else self.r, lower, structure)
        if not self._factored_in_memory():
            return NotImplemented
        return ToeplitzLU(self, structure, self.shape[0] < DENSE_BELOW[self.dtype.char])

    def _is_triangular(self):
        return not (self.c[1:].any() and self.r[1:].any())

    def _preconditioner(self):
        """Inverse of the nearest circulant C (T. Chan), of |C| for a Hermitian matrix."""
        if not self.shape[0]:
            return NotImplemented
        C = Circulant(fit.circulant_column(self.c, self.r))
        spectrum, _ = C._spectrum()  # a power of two more or less does not matter here
        if self._is_hermitian():
            spectrum = abs(spectrum.real) + 0j  # positive definite, as conjugate gradients need
        size = abs(spectrum)
        if not float(size.min()) > float(np.finfo(self.dtype).eps) ** 0.5 * float(size.max()):
            return NotImplemented
        return C._of_spectrum(1 / spectrum)

    def _cost(self, verb, ncols):
        if verb == "solve" and self._host and self.shape[0] and self._is_triangular():
            n, each = float(self.shape[0]), 4.0 if self.dtype.kind == "c" else 1.0
            return Cost("substitution", each * n * n * (1 + ncols), self.dtype.itemsize * n)
        return super()._cost(verb, ncols)

    def _is_hermitian(self):
        return self.shape[0] == self.shape[1] and _shared.same_to_rounding(self.c, self.r.conj())

    def _scale(self, c):
        return Toeplitz(self.c * c, self.r * c)

    @classmethod
    def _random(cls, shape, rng, dtype):
        """One on the diagonal and little beside it."""
        c, r = (_noise(size, rng, dtype, max(*shape, 1)) for size in shape)
        c[:1] += 1
        return cls(c, r)

    @classmethod
    def _project(cls, M, rtol, budget):
        return fit.toeplitz(M, cls)


def _noise(size, rng, dtype, n):
    x = rng.standard_normal(size)
    if dtype.kind == "c":
        x = (x + 1j * rng.standard_normal(size)) / np.sqrt(2)
    return (x / (4 * np.sqrt(n))).astype(dtype)
