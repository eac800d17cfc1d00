"""Banded: a few diagonals around the main one."""

import math

import numpy as np

from structmat import _checks
from structmat._backend.lapack import routine
from structmat._results import Cost, EighResult
from structmat.matrices.base import StructuredMatrix
from structmat.matrices.elementary import _shared, cpu
from structmat.matrices.elementary.banded_solve import BandedLU, TriangularBand
from structmat.matrices.elementary.dense import Dense, closed_with_dense
from structmat.matrices.elementary.diagonal import closed_with_diagonal

__all__ = ["Banded"]


class Banded(StructuredMatrix):
    """A banded matrix: A[i, j] = bands[upper + i - j, j] for -upper <= i - j <= lower, else 0.

    SciPy's and LAPACK's diagonal-ordered form, as :func:`scipy.linalg.solve_banded` takes it. For
    n = 4 and lower = upper = 1 (places marked * are never read)::

        bands = [  *   a01  a12  a23 ]
                [ a00  a11  a22  a33 ]
                [ a10  a21  a32   *  ]

    With l, u for the bandwidths, w = l + u + 1:

    ==================  ==================================================
    product             2 w n flops a column, compiled loops
    solve, slogdet      2 n l (l + u), LU with partial pivoting (gbtrf)
    cholesky            n l^2 (pbtrf)
    eigh                tridiagonalisation of the band, O(n^2 l) + O(n^3)
    ==================  ==================================================

    Parameters
    ----------
    bands : array, shape (lower + upper + 1, n)
        The diagonals, highest first; stored as given.
    lower, upper : int
        How many diagonals below and above the main one.
    shape : (int, int), optional
        (m, n) of a rectangular matrix; default (n, n).

    Raises
    ------
    ValueError
        Sizes do not fit.
    NotImplementedError
        A factorisation of CuPy bands: LAPACK's band routines run on the host.

    References
    ----------
    .. [1] G. H. Golub and C. F. Van Loan, *Matrix Computations*, 4th ed., 2013, section 4.3.

    Examples
    --------
    >>> import structmat as sm
    >>> A = sm.Banded([[0.0, 1.0, 1.0], [4.0, 4.0, 4.0], [2.0, 2.0, 0.0]], 1, 1)
    >>> A.toarray()
    array([[4., 1., 0.],
           [2., 4., 1.],
           [0., 2., 4.]])
    >>> A @ A
    <3x3 Banded of dtype float64, 120 B, 1.7 of dense>
    """

    _parameters = ("bands", "lower", "upper", "shape")

    def __init__(self, bands, lower, upper, shape=None):
        self.bands = _checks.as_parameter(bands, "bands", ndim=2)
        self.lower, self.upper = _checks.size(lower, "lower"), _checks.size(upper, "upper")
        w, n = self.bands.shape
        if w != self.lower + self.upper + 1:
            raise ValueError(
                f"`bands` must have lower + upper + 1 = {self.lower + self.upper + 1} rows; "
                f"got shape {self.bands.shape}"
            )
        shape = (n, n) if shape is None else tuple(_checks.size(s, "shape") for s in shape)
        if len(shape) != 2 or shape[1] != n:
            raise ValueError(f"`shape` must be (m, {n}), as `bands` has {n} columns; got {shape}")
        super().__init__(self.bands.dtype, shape)
        self._kernel_bands = np.ascontiguousarray(self.bands) if self._host else None

    @classmethod
    def from_dense(cls, array, lower=None, upper=None):
        """The band of a dense matrix, which must be zero outside it.

        Parameters
        ----------
        array : array, shape (m, n)
            The matrix.
        lower, upper : int, optional
            Bandwidths; found from the zeros when not given.

        Returns
        -------
        Banded
            The same matrix.

        Raises
        ------
        ValueError
            There are non-zero entries outside the band; ``structmat.project`` drops them.

        Examples
        --------
        >>> import numpy as np, structmat as sm
        >>> sm.Banded.from_dense(np.eye(3)).lower
        0
        """
        array = _checks.as_parameter(array, "array", ndim=2)
        i, j = (index.astype(np.int64) for index in array.nonzero())
        below = int((i - j).max()) if len(i) else 0
        above = int((j - i).max()) if len(i) else 0
        lower, upper = (max(found, 0) if given is None else _checks.size(given, "bandwidth")
                        for found, given in ((below, lower), (above, upper)))  # fmt: skip
        if below > lower or above > upper:
            raise ValueError(
                f"`array` has entries outside lower={lower}, upper={upper}: its bandwidths are "
                f"({below}, {above}). structmat.project(array, Banded, ...) drops them"
            )
        return cls._of_band(Dense(array), lower, upper)

    @classmethod
    def _of_band(cls, M, lower, upper):
        """The band of any matrix, diagonal by diagonal."""
        from structmat import linalg

        m, n = M.shape
        xp = M._namespace or np
        bands = xp.zeros((lower + upper + 1, n), M.dtype)
        for r in range(lower + upper + 1):
            offset = upper - r
            values = linalg.diagonal(M, offset)
            start = max(offset, 0)
            bands[r, start : start + len(values)] = xp.asarray(values)
        return cls(bands, lower, upper, (m, n))

    def _apply(self, X):
        bands = self._kernel_bands
        if bands is None:
            return self._apply_by_diagonals(X)
        Y = np.empty((self.shape[0], X.shape[1]), self.dtype)
        if X.shape[1] == 1:
            cpu.banded_vector(bands, self.upper, X.reshape(-1), Y.reshape(-1))
        else:
            cpu.banded_block(bands, self.upper, X, Y)
        return Y

    def _apply_by_diagonals(self, X):
        """The same on a device: one fused multiply-add of vectors a diagonal."""
        xp, (m, n) = self._namespace, self.shape
        Y = xp.zeros((m, X.shape[1]), self.dtype)
        for r in range(len(self.bands)):
            down = r - self.upper
            first, last = max(0, -down), min(n, m - down)
            if first < last:
                Y[first + down : last + down] += self.bands[r, first:last, None] * X[first:last]
        return Y

    def _adjoint(self):
        xp, (m, n) = self._namespace, self.shape
        w = len(self.bands)
        # Entry (i, j) of diagonal r moves to column i of diagonal w - 1 - r.
        r = xp.arange(w)[::-1, None]
        j = xp.arange(m) + (self.upper - r)
        inside = (j >= 0) & (j < n)
        gathered = self.bands[r, xp.where(inside, j, 0)] if n else xp.zeros((w, m), self.dtype)
        bands = xp.where(inside, gathered.conj() if self.dtype.kind == "c" else gathered, 0)
        return Banded(bands.astype(self.dtype, copy=False), self.upper, self.lower, (n, m))

    def _toarray(self):
        xp, (m, n) = self._namespace, self.shape
        dense = xp.zeros((m, n), self.dtype)
        for r in range(len(self.bands)):
            j = xp.arange(max(0, self.upper - r), min(n, m + self.upper - r))
            dense[j + (r - self.upper), j] = self.bands[r, j]
        return dense

    def tosparse(self):
        """The stored entries inside the matrix as a :class:`scipy.sparse.csr_array`."""
        from scipy.sparse import csr_array, dia_array

        host = self if self._host else self.to_device("cpu")
        if 0 in self.shape:
            return csr_array(self.shape, dtype=self.dtype)
        diagonals = self.upper - np.arange(len(self.bands))
        # SciPy's DIA format keeps the same numbers in the same places.
        return dia_array((host.bands, diagonals), shape=self.shape).tocsr()

    # ------------------------------------------------------------ the band

    def _inside(self):
        """Which stored numbers are entries of the matrix, shape (w, n)."""
        xp, (m, n) = self._namespace, self.shape
        i = xp.arange(n) + (xp.arange(len(self.bands)) - self.upper)[:, None]
        return (i >= 0) & (i < m)

    def _clean(self):
        """`bands` with zeros where nothing of the matrix is stored."""
        return self._namespace.where(self._inside(), self.bands, self.dtype.type(0))

    def _widened(self, lower, upper):
        """The clean bands inside wider ones."""
        xp = self._namespace
        wide = xp.zeros((lower + upper + 1, self.shape[1]), self.dtype)
        wide[upper - self.upper : upper + self.lower + 1] = self._clean()
        return wide

    def _trimmed(self):
        """(clean bands, lower, upper) with no diagonal that lies outside the matrix."""
        m, n = self.shape
        lower, upper = min(self.lower, max(m - 1, 0)), min(self.upper, max(n - 1, 0))
        return self._clean()[self.upper - upper : self.upper + lower + 1], lower, upper

    def _factorize(self):
        _checks.host_only(self, "a factorisation")
        bands, lower, upper = self._trimmed()
        _checks.finite(bands)
        kind = BandedLU if lower and upper else TriangularBand
        return kind(self, bands, lower, upper)

    def _diagonal(self):
        return self.bands[self.upper, : min(self.shape)].copy()

    def _entries(self, i, j):
        xp = self._namespace
        i, j = xp.asarray(i), xp.asarray(j)
        r = i - j + self.upper
        inside = (r >= 0) & (r < len(self.bands))
        return xp.where(inside, self.bands[xp.where(inside, r, 0), j], self.dtype.type(0))

    def _is_hermitian(self):
        if self.shape[0] != self.shape[1]:
            return False
        width = max(self.lower, self.upper)
        adjoint = self._adjoint()
        return _shared.same_to_rounding(self._widened(width, width), adjoint._widened(width, width))

    # ------------------------------------------------------------ Hermitian bands

    def _lower_band(self):
        """LAPACK's lower form of a Hermitian band."""
        _checks.host_only(self, "eigh or cholesky")
        bands, _, upper = self._trimmed()
        return _checks.finite(bands[upper:])

    def _cholesky(self):
        band = self._lower_band()
        if not self.shape[0]:
            return self
        L, info = routine("pbtrf", self.dtype)(np.asfortranarray(band), lower=1)
        if info > 0:
            raise _checks.not_positive_definite("Banded", f"leading minor of order {info}")
        return Banded(L, len(band) - 1, 0)

    def _eig_banded(self, **options):
        from scipy.linalg import eig_banded

        # Bisection fails near the ends of the range: the largest entry is brought to one.
        band = self._lower_band()
        scale = 2.0 ** (math.frexp(float(abs(band).max()))[1] // 2)
        found = eig_banded(band / scale / scale, lower=True, check_finite=False, **options)
        if options.get("eigvals_only"):
            return found * scale * scale
        w, V = found
        return w * scale * scale, V

    def _eigh(self):
        if not self.shape[0]:
            return EighResult(np.empty(0, np.finfo(self.dtype).dtype), self._toarray())
        return EighResult(*self._eig_banded())

    def _eigvalsh(self):
        if not self.shape[0]:
            return np.empty(0, np.finfo(self.dtype).dtype)
        return self._eig_banded(eigvals_only=True)

    def _eigsh(self, k, which):
        if which == "LM":  # the two ends of the spectrum, not adjacent
            return NotImplemented
        w = self._eigvalsh() if which == "SM" else np.empty(self.shape[0])
        window = _shared.chosen(w, k, which)
        return EighResult(*self._eig_banded(select="i", select_range=window))

    def _svd(self, full_matrices):
        return _shared.svd_from_eigh(*self._eigh()) if self._is_hermitian() else NotImplemented

    def _svdvals(self):
        if not self._is_hermitian():
            return NotImplemented
        return np.sort(abs(self._eigvalsh()))[::-1]

    def _norm(self, ord):
        if ord == "fro":
            return _shared.norm_of(self._clean())
        if ord in (1, -1):
            return _shared.sum_norm(abs(self._clean()).sum(0), ord)
        if ord in (math.inf, -math.inf):
            return self._adjoint()._norm(math.copysign(1, ord))
        return NotImplemented

    def _scale(self, c):
        return Banded(self.bands * c, self.lower, self.upper, self.shape)

    def _cost(self, verb, ncols):
        n, l, u = float(self.shape[1]), float(self.lower), float(self.upper)
        each = 4.0 if self.dtype.kind == "c" else 1.0
        factor = each * 2 * n * l * (l + u + 1)
        if verb == "matmul":
            return Cost("sum over diagonals", each * 2 * (l + u + 1) * n * ncols, self.nbytes)
        if verb == "solve":
            solve = each * 2 * n * (2 * l + u + 1) * ncols
            return Cost("band LU", factor + solve, 2.0 * self.nbytes)
        return Cost("band LU", factor, 2.0 * self.nbytes) if verb == "slogdet" else NotImplemented

    @classmethod
    def _random(cls, shape, rng, dtype, lower=2, upper=2):
        """Diagonally dominant: the main diagonal is twice the sum of the rest of its row."""
        bands = rng.uniform(-1, 1, (lower + upper + 1, shape[1]))
        if dtype.kind == "c":
            bands = bands * np.exp(2j * np.pi * rng.uniform(size=bands.shape))
        bands[upper] = 2 * (lower + upper + 1)
        return cls(bands.astype(dtype), lower, upper, shape)

    @classmethod
    def _project(cls, M, rtol, budget, *, lower=None, upper=None):
        """The band of M; bandwidths from `rtol` (smallest that reaches it) or `budget`."""
        M = _shared.lifted(M)
        if lower is None or upper is None:
            if rtol is None and budget is None:
                raise TypeError("project to Banded needs lower= and upper=, or rtol=, or budget=")
            lower, upper = _bandwidths(M, rtol, budget)
        return _shared.projection(M, cls._of_band(M, lower, upper))

    def _rows(self, op, s):
        xp, (m, n) = self._namespace, self.shape
        i = xp.arange(n) + (xp.arange(len(self.bands)) - self.upper)[:, None]
        inside = (i >= 0) & (i < m)
        weights = s[xp.where(inside, i, 0)] if m else xp.ones(i.shape, s.dtype)
        # Where nothing is stored a division by zero must not warn.
        bands = op(xp.where(inside, self.bands, 0), xp.where(inside, weights, 1))
        dtype = np.result_type(self.dtype, s.dtype)
        return Banded(bands.astype(dtype, copy=False), self.lower, self.upper, self.shape)

    def _columns(self, op, s):
        return Banded(op(self.bands, s), self.lower, self.upper, self.shape)


def _bandwidths(M, rtol, budget):
    """Grow the band by the heavier neighbour until the rest is small or the budget is spent."""
    dense = _checks.densify(M, "project") if not isinstance(M, Dense) else M.array
    m, n = M.shape
    scale = float(abs(dense).max()) if dense.size else 0.0
    mass = [float((abs(dense.diagonal(d) / (scale or 1.0)) ** 2).sum()) for d in range(1 - m, n)]
    # What lies further than w from the main diagonal, summed outside in: no cancellation.
    below = np.concatenate([np.cumsum(mass[: m - 1])[::-1], [0.0]])
    above = np.concatenate([np.cumsum(mass[: m - 1 : -1])[::-1], [0.0]])
    limit = 0.0 if rtol is None else rtol * rtol * sum(mass)
    lower = upper = 0
    while below[lower] + above[upper] > limit:
        if budget is not None and (lower + upper + 2) * n > budget:
            break
        gain_below = below[lower] - below[lower + 1] if lower < m - 1 else -1.0
        gain_above = above[upper] - above[upper + 1] if upper < n - 1 else -1.0
        lower, upper = (lower + 1, upper) if gain_below >= gain_above else (lower, upper + 1)
    return lower, upper


# ---------------------------------------------------------------- closure

closed_with_dense(Banded)
closed_with_diagonal(Banded)
