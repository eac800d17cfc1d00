"""Hadamard: entries of one modulus and orthogonal columns; orders 2^k and 12, 20, 28 times 2^k."""

import functools
import math

import numpy as np

from structmat import _checks, _rules, transforms
from structmat._backend.arrays import namespace_of
from structmat._results import EigResult
from structmat.matrices.fourier import paley
from structmat.matrices.fourier.angles import indices
from structmat.matrices.fourier.scale import EXPONENT, normalisation, order_of, power_of
from structmat.matrices.fourier.small import WALSH
from structmat.matrices.fourier.transform import Transform

__all__ = ["Hadamard"]


class Hadamard(Transform):
    """A Hadamard matrix: entries 1 and -1, orthogonal rows and columns, ``H @ H.T = n I``.

    Of order n = m 2^k with m one of 1, 12, 20, 28: the table of order m times Sylvester's matrix,
    ``H_m (x) H_2 (x) ... (x) H_2``. For n = 4, in the three orders of rows::

        natural           dyadic            sequency
        [1  1  1  1]      [1  1  1  1]      [1  1  1  1]      0 sign changes
        [1 -1  1 -1]      [1  1 -1 -1]      [1  1 -1 -1]      1
        [1  1 -1 -1]      [1 -1  1 -1]      [1 -1 -1  1]      2
        [1 -1 -1  1]      [1 -1 -1  1]      [1 -1  1 -1]      3

    =================  ============================================================================
    product, solve     n (k + m) additions, by :func:`structmat.transforms.fwht`
    inv, svd, qr,      in closed form: all singular values are sqrt(n)
    slogdet, norms
    eigenvalues        sqrt(n) and -sqrt(n); for m = 12 and 20 sqrt(n / m) (+-1 +- i sqrt(m - 1))
    eigenvectors       in natural order a Kronecker product of rotations by pi / 8, times those of
                       the table; in the other orders those of the dense matrix
    entries            the parity of the common ones of i and j
    =================  ============================================================================

    Parameters
    ----------
    n : int
        Order: 2^k, 12 * 2^k, 20 * 2^k or 28 * 2^k.
    order : {"natural", "sequency", "dyadic"}
        Order of the rows; row i in sequency (Walsh) order has i sign changes, dyadic is Paley's
        order. Other than natural only for powers of two.
    norm : {None, "ortho", "forward"}
        Scale: None (or "backward") for entries of 1, "ortho" for an orthogonal matrix, "forward"
        for 1/n: the transpose of that is the inverse of the first.
    dtype : dtype, optional
        float32, float64 (default), complex64 or complex128.

    Raises
    ------
    ValueError
        There is no Hadamard matrix of this order here; the message names the nearest two.

    Notes
    -----
    Symmetric for m = 1 (in all three orders) and m = 28; **for m = 12 and 20 the transpose is
    another matrix** (the table is I + skew), and so are the adjoint product and the inverse.
    Additions only, unless scaled: integers below 2^53 are transformed exactly. The relative error
    of a product is at most (k + m) eps in the 2-norm.

    References
    ----------
    .. [1] J. J. Sylvester, Thoughts on inverse orthogonal matrices, Phil. Mag. 34 (1867) 461-475.
    .. [2] R. E. A. C. Paley, On orthogonal matrices, J. Math. Phys. 12 (1933) 311-320.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> H = sm.Hadamard(4)
    >>> H @ np.array([1.0, 2.0, 3.0, 4.0])
    array([10., -2., -4.,  0.])
    >>> H @ H == 4 * sm.Identity(4)
    True
    >>> sm.Hadamard(12)[0, 1], sm.Hadamard(12)[1, 0]
    (np.float64(1.0), np.float64(-1.0))
    >>> sm.Hadamard(6)
    Traceback (most recent call last):
    ValueError: there is no Hadamard matrix of order 6 here; the nearest orders are 4 and 8
    """

    _parameters = ("n", "order", "normalization", "dtype")
    _algorithm = "fast Walsh-Hadamard transform"

    def __init__(self, n, order="natural", norm=None, dtype=np.float64):
        self.n = order_of(n)
        self.order = _checks.choice(order, "order", ("natural", "sequency", "dyadic"))
        self.normalization = normalisation(norm)
        found = paley.decompose(self.n)
        if found is None:
            raise _no_such_order(self.n)
        self._m, self._k = found
        if self._m > 1 and order != "natural":
            raise ValueError(
                f"{order} order is defined for powers of two; a Hadamard matrix of order {n} has "
                'rows in natural order only (order="natural")'
            )
        self._root = -1 if self._m in paley.SYMMETRIC else None
        dtype = _checks.result_dtype(dtype, "Hadamard")
        limits = WALSH[self._m == 1]
        super().__init__(self.n, dtype, self.n, EXPONENT[self.normalization], limits)

    def _fast(self, X):
        return self._transformed(X, transposed=False)

    def _fast_adjoint(self, X):
        return self._transformed(X, transposed=True)

    def _transformed(self, X, *, transposed):
        """The table along the slow digit of the rows, butterflies along the others."""
        if self._m == 1:
            return _fwht(X, 0, self.order, self.normalization)
        H = paley.table(self._m)
        H = namespace_of(X).asarray((H.T if transposed else H).astype(self.dtype))
        Y = (H @ X.reshape(self._m, -1)).reshape(self._m, 1 << self._k, -1)
        if self.normalization is not None:  # of the table; fwht scales by the power of two
            Y *= self.dtype.type(power_of(self._m, EXPONENT[self.normalization] - 0.5))
        return _fwht(Y, 1, "natural", self.normalization).reshape(X.shape)

    def _entries(self, i, j):
        i, j = indices(i, self.n), indices(j, self.n)
        sign = self._table_entries(i >> self._k, j >> self._k)
        low = (1 << self._k) - 1
        row = paley.natural_row(i & low, self._k, self.order)
        return (self._modulus() * sign * paley.signs(row, j & low)).astype(self.dtype)

    def _table_entries(self, i, j):
        if self._m == 1:
            return 1
        return paley.table(self._m)[i.astype(np.intp), j.astype(np.intp)]

    def _toarray(self):
        i = np.arange(self.n)
        return self._entries(i[:, None], i)

    # ------------------------------------------------------------ what the verbs need to know

    def _unit(self):
        return "Hadamard", self.n, self.order

    def _unit_adjoint(self):
        return self._unit() if self._m in paley.SYMMETRIC else (*self._unit(), "transposed")

    def _with_norm(self, norm):
        return Hadamard(self.n, self.order, norm, self.dtype)

    def _signs(self):
        """The trace of the matrix of signs: that of H_2 vanishes, and with it that of a product.

        In dyadic order entry (i, i) counts every pair of bits b, k - 1 - b of i twice, and a middle
        bit once, which then is 1 as often as 0. In sequency order a middle bit is always left.
        """
        if self._k == 0:
            return int(np.trace(paley.table(self._m)))
        return self.n if self.order == "dyadic" and self._k % 2 == 0 else 0

    def _trace(self):
        return self._modulus() * self._signs()

    def _negative(self):
        return (self.n - self._signs() // math.isqrt(self.n)) // 2

    def _det_sign(self):
        """det(A (x) B) = det(A)^n det(B)^m; a reordering of rows is odd for n = 4 at most.

        The Gray code and the bit reversal act on the k bits as matrices over GF(2), and for k > 2
        those permute the 2^k numbers evenly; for k = 2 both are single swaps.
        """
        if self._k == 0:
            return -1.0 if self._m in paley.SYMMETRIC and self._negative() % 2 else 1.0
        odd = (self._m == 1 and self._k == 1) or (self._k == 2 and self.order == "dyadic")
        return -1.0 if odd else 1.0

    def _sum_norm(self, ord):
        return self._modulus() * self.n

    def _eigvals(self):
        if self._m in paley.SYMMETRIC:
            return super()._eigvals()
        return self._eigenbasis()[0]

    def _eigenbasis(self):
        """Kronecker products of those of the factors; H_2 = R diag(sqrt 2, -sqrt 2) R^T."""
        if not self._has_eigenbasis():
            return NotImplemented
        self._guard_values("eigenvalues")
        table_values, table_vectors = _table_basis(self._m)
        sign = paley.signs(np.arange(1 << self._k), (1 << self._k) - 1)
        w = self._scale_to(1) * (table_values[:, None] * sign).reshape(-1)
        dtype = np.result_type(self.dtype, *([np.complex64] if w.dtype.kind == "c" else []))
        factors = [table_vectors] if self._m > 1 or self._k == 0 else []
        factors += [_rotation(min(4, self._k - at)) for at in range(0, self._k, 4)]
        parts = [_rules.lift(F.astype(dtype)) for F in factors]
        V = functools.reduce(functools.partial(_rules.combine, "kron"), parts)
        return EigResult(w.astype(dtype), V)

    def _has_eigenbasis(self):
        return self.order == "natural" or self._k < 2

    def _flops(self):
        return float(self.n) * (self._k + (2 * self._m if self._m > 1 else 0))

    @classmethod
    def _random(cls, shape, rng, dtype):
        """The Hadamard matrix of this order: there is nothing to draw."""
        return super()._random(shape, rng, dtype)


def _fwht(X, axis, order, norm):
    return transforms.fwht(X, axis=axis, order=order, norm=norm)


def _no_such_order(n):
    below, above = paley.neighbours(n)
    return ValueError(
        f"there is no Hadamard matrix of order {n} here; the nearest orders are {below} and {above}"
    )


@functools.cache
def _table_basis(m):
    """(w, V) of the table of order m over sqrt(m), V unitary."""
    H = paley.table(m)
    if m in paley.SYMMETRIC:
        w, V = np.linalg.eigh(H)
        return np.sign(w), V
    # H = I + S, S skew: i S is Hermitian with the eigenvalues +-sqrt(m - 1).
    w, V = np.linalg.eigh(1j * (H - np.eye(m)))
    return (1 - 1j * math.sqrt(m - 1) * np.sign(w)) / math.sqrt(m), V


@functools.cache
def _rotation(k):
    """The rotation by pi/8, Kronecker product of k of them, read-only."""
    c, s = math.cos(math.pi / 8), math.sin(math.pi / 8)
    R = functools.reduce(np.kron, [np.array([[c, -s], [s, c]])] * k)
    R.flags.writeable = False
    return R


_rules.maker("hadamard_matrix")(Hadamard)
