"""DCT and DST: the discrete cosine and sine transforms of types 1 to 4 as matrices."""

import math

import numpy as np

from structmat import _checks, _rules, transforms
from structmat.matrices.fourier.angles import cos_pi, indices, products, sin_pi, tabulated
from structmat.matrices.fourier.scale import DUAL, EXPONENT, normalisation, order_of
from structmat.matrices.fourier.small import trigonometric_limits
from structmat.matrices.fourier.special import end_values
from structmat.matrices.fourier.transform import Transform

__all__ = ["DCT", "DST"]

_TRANSPOSED = {1: 1, 2: 3, 3: 2, 4: 4}


class _Trigonometric(Transform):
    """Entry (k, j) is 2 cos (or sin) of pi (a k + b) (a' j + b') / q, halved at the ends."""

    _parameters = ("n", "type", "normalization", "dtype", "orthogonalize")

    def __init__(self, n, type=2, norm=None, dtype=np.float64, orthogonalize=None):
        name = self.__class__.__name__
        self.n = order_of(n)
        self.type = _checks.choice(_checks.size(type, "type"), "type", (1, 2, 3, 4))
        at = self.type - 1
        if self.n < self._least[at]:
            raise ValueError(f"a {name} of type {type} needs `n` >= 2; got {n}")
        self.normalization = normalisation(norm)
        if orthogonalize is None:
            orthogonalize = self.normalization == "ortho"
        self.orthogonalize = _checks.flag(orthogonalize, "orthogonalize")
        self._ends = self._ends_of_type[at]
        if not self.orthogonalize:
            self._weights = _WEIGHTS[self.type] if self._ends else (1.0, 1.0)
        self._root = -1 if self.type in (1, 4) else None
        length = 2 * (self.n + self._longer[at])
        dtype = _checks.result_dtype(dtype, name)
        limits = trigonometric_limits(length if self.type == 1 else self.n, dtype)
        super().__init__(self.n, dtype, length, EXPONENT[self.normalization], limits)

    def _variant(self, type, norm, orthogonalize):
        return self.__class__(self.n, type, norm, self.dtype, orthogonalize)

    def _fast(self, X):
        return self._transform(
            X, self.type, axis=0, norm=self.normalization, orthogonalize=self.orthogonalize
        )

    def _fast_adjoint(self, X):
        """A^T = R (s Q^T) L, and s Q^T is the transform of the transposed type, orthogonalised."""
        left, right = self._weights
        X = _scaled_rows(X, self._ends, left)
        Y = self._transform(
            X, _TRANSPOSED[self.type], axis=0, norm=self.normalization, orthogonalize=True
        )
        return _scaled_rows(Y, self._ends, right)

    def _conjugate_transpose(self):
        if self._weights != (1.0, 1.0):
            return _rules.make("adjoint_transform", self)
        if self.type in (1, 4):
            return self
        A = self._variant(_TRANSPOSED[self.type], self.normalization, self.orthogonalize)
        A._partner = self
        return A

    def _inv(self):
        """Types 1 and 4 invert themselves, 2 and 3 each other, under the dual normalisation."""
        return self._variant(_TRANSPOSED[self.type], DUAL[self.normalization], self.orthogonalize)

    def _entries(self, k, j):
        k, j = indices(k, self.n), indices(j, self.n)
        q, left, right = self._angles(k, j)
        period = 2 * q
        value = tabulated(self._function_of_angle, products(left, right, period), period, q)
        for index, weight in zip((k, j), self._squares()):
            for end in self._ends:  # Python integers, of any size
                value = value * np.where(index == end % self.n, math.sqrt(weight), 1.0)
        return (2 * self._modulus() * value).astype(self.dtype)

    def _squares(self):
        """Squares of the factors of the rows and columns at the ends: 1/2 in Q, times L^2, R^2."""
        halves = {1: (0.5, 0.5), 2: (0.5, 1.0), 3: (1.0, 0.5), 4: (1.0, 1.0)}[self.type]
        return [half * weight for half, weight in zip(halves, self._weights)]

    def _toarray(self):
        i = np.arange(self.n)
        return self._entries(i[:, None], i[None, :])

    # ------------------------------------------------------------ what the verbs need to know

    def _unit(self):
        return self.__class__.__name__, self.n, self.type

    def _unit_adjoint(self):
        return self.__class__.__name__, self.n, _TRANSPOSED[self.type]

    def _with_norm(self, norm):
        return self._variant(self.type, norm, self.orthogonalize)

    def _ortho(self):
        return self._variant(self.type, "ortho", True)

    def _spectrum(self):
        if not self._conjugated():
            return super()._spectrum()
        s = self._scale_to(1)
        odd = end_values(self._ortho(), self._ends)
        pairs = [(s * value, 1) for value in odd] + [(s, self.n - len(odd))]
        return sorted((pair for pair in pairs if pair[1]), reverse=True)

    def _det_sign(self):
        """(-1)^(n (n-1) / 2) for all: a Vandermonde matrix in falling nodes.

        The rows are polynomials of degree k in cos(theta_j) with positive leading coefficients
        (Chebyshev's of the four kinds), times something positive.
        """
        return -1.0 if self.n % 4 in (2, 3) else 1.0

    def _negative(self):
        return self.n // 2

    @classmethod
    def _random(cls, shape, rng, dtype):
        """The orthogonal matrix of type 2 of this order: there is nothing to draw."""
        if shape[0] != shape[1]:
            raise ValueError(f"a {cls.__name__} is square; got shape {shape}")
        return cls(shape[0], 2, "ortho", dtype)


# What scipy.fft leaves at the ends when it does not orthogonalise: squares of L and R.
_WEIGHTS = {1: (2.0, 0.5), 2: (2.0, 1.0), 3: (1.0, 0.5), 4: (1.0, 1.0)}


class DCT(_Trigonometric):
    """The discrete cosine transform of type 1, 2, 3 or 4: ``scipy.fft.dct`` of the identity.

    Entry (k, j), k and j from 0, without normalisation; those marked * are halved in columns where
    the cosine does not change sign from row to row but by (-1)^k (the first; the last of type 1)::

        type 1   2 cos(pi k j / (n - 1)) *             L = 2 (n - 1)
        type 2   2 cos(pi k (2 j + 1) / (2 n))         L = 2 n
        type 3   2 cos(pi (2 k + 1) j / (2 n)) *       L = 2 n
        type 4   2 cos(pi (2 k + 1) (2 j + 1) / (4 n))  L = 2 n

    =================  ============================================================================
    product, solve     O(n log n), by :func:`structmat.transforms.dct`
    inverse            a DCT: types 1 and 4 are their own, 2 and 3 each other's
    singular values    sqrt(L), one of them times sqrt(2) or its inverse in types 2 and 3 unless
                       orthogonalised; four of type 1 by a problem of order four
    eigenvalues        sqrt(L) and -sqrt(L) for types 1 and 4; of the dense matrix for 2 and 3
    slogdet, norms     from the singular values; the sign of det is (-1)^(n (n-1) / 2)
    entries            a cosine each
    =================  ============================================================================

    Parameters
    ----------
    n : int
        Order, at least 1 (2 for type 1).
    type : {1, 2, 3, 4}
        See above.
    norm : {None, "ortho", "forward"}
        Scale: None (or "backward") as above, "ortho" times 1/sqrt(L), "forward" times 1/L.
    dtype : dtype, optional
        float32, float64 (default), complex64 or complex128.
    orthogonalize : bool, optional
        Scale the first row or column (of type 1 the last as well) by 1/sqrt(2) or sqrt(2) so that
        the matrix is a multiple of an orthogonal one. By default for ``norm="ortho"`` only.

    Raises
    ------
    ValueError
        `n` is too small, or an unknown ``type`` or ``norm``.

    Notes
    -----
    The transpose of a matrix that is not orthogonalised is no DCT; it is applied through the DCT of
    the transposed type. Relative error of a product and of a solve: of order eps log2(n) in the
    2-norm.

    References
    ----------
    .. [1] G. Strang, The discrete cosine transform, SIAM Rev. 41 (1999) 135-147.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> C = sm.DCT(4, norm="ortho")
    >>> C.H @ C == sm.Identity(4)
    True
    >>> sm.DCT(4).inv() == sm.DCT(4, 3, norm="forward")
    True
    """

    _algorithm = "fast cosine transform"
    _least = (2, 1, 1, 1)
    _longer = (-1, 0, 0, 0)
    _ends_of_type = ((0, -1), (0,), (0,), ())
    _function_of_angle = staticmethod(cos_pi)

    @staticmethod
    def _transform(X, type, **options):
        return transforms.dct(X, type, **options)

    def _angles(self, k, j):
        """(q, a, b): the angle of entry (k, j) is pi a b / q."""
        n = self.n
        return {
            1: (n - 1, k, j),
            2: (2 * n, k, 2 * j + 1),
            3: (2 * n, 2 * k + 1, j),
            4: (4 * n, 2 * k + 1, 2 * j + 1),
        }[self.type]


class DST(_Trigonometric):
    """The discrete sine transform of type 1, 2, 3 or 4: ``scipy.fft.dst`` of the identity.

    Entry (k, j), k and j from 0, without normalisation; the last column of type 3 is halved::

        type 1   2 sin(pi (k + 1) (j + 1) / (n + 1))     L = 2 (n + 1)
        type 2   2 sin(pi (k + 1) (2 j + 1) / (2 n))     L = 2 n
        type 3   2 sin(pi (2 k + 1) (j + 1) / (2 n)) *   L = 2 n
        type 4   2 sin(pi (2 k + 1) (2 j + 1) / (4 n))   L = 2 n

    =================  ============================================================================
    product, solve     O(n log n), by :func:`structmat.transforms.dst`
    inverse            a DST: types 1 and 4 are their own, 2 and 3 each other's
    singular values    sqrt(L), one of them times sqrt(2) or its inverse in types 2 and 3 unless
                       orthogonalised
    eigenvalues        sqrt(L) and -sqrt(L) for types 1 and 4; of the dense matrix for 2 and 3
    slogdet, norms     from the singular values; the sign of det is (-1)^(n (n-1) / 2)
    entries            a sine each
    =================  ============================================================================

    Parameters
    ----------
    n : int
        Order, at least 1.
    type : {1, 2, 3, 4}
        See above.
    norm : {None, "ortho", "forward"}
        Scale: None (or "backward") as above, "ortho" times 1/sqrt(L), "forward" times 1/L.
    dtype : dtype, optional
        float32, float64 (default), complex64 or complex128.
    orthogonalize : bool, optional
        Scale the last row (type 2) or column (type 3) by 1/sqrt(2) or sqrt(2) so that the matrix is
        a multiple of an orthogonal one. By default for ``norm="ortho"`` only.

    Raises
    ------
    ValueError
        `n` is less than 1, or an unknown ``type`` or ``norm``.

    Notes
    -----
    As :class:`DCT`. Type 1 diagonalises the second difference matrix tridiag(-1, 2, -1).

    References
    ----------
    .. [1] G. Strang, The discrete cosine transform, SIAM Rev. 41 (1999) 135-147.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> S = sm.DST(3, 1, norm="ortho")
    >>> T = sm.Tridiagonal([-1.0, -1.0], [2.0, 2.0, 2.0], [-1.0, -1.0])
    >>> np.round((S @ T @ S).diagonal(), 4)
    array([0.5858, 2.    , 3.4142])
    """

    _algorithm = "fast sine transform"
    _least = (1, 1, 1, 1)
    _longer = (1, 0, 0, 0)
    _ends_of_type = ((), (-1,), (-1,), ())
    _function_of_angle = staticmethod(sin_pi)

    @staticmethod
    def _transform(X, type, **options):
        return transforms.dst(X, type, **options)

    def _angles(self, k, j):
        """(q, a, b): the angle of entry (k, j) is pi a b / q."""
        n = self.n
        return {
            1: (n + 1, k + 1, j + 1),
            2: (2 * n, k + 1, 2 * j + 1),
            3: (2 * n, 2 * k + 1, j + 1),
            4: (4 * n, 2 * k + 1, 2 * j + 1),
        }[self.type]


def _scaled_rows(X, rows, square):
    """X with the given rows times sqrt(square)."""
    if square == 1:
        return X
    X = X.copy()
    for row in rows:
        X[row] *= X.dtype.type(math.sqrt(square))
    return X


_rules.maker("dct")(DCT)
_rules.maker("dst")(DST)
