"""DFT: the discrete Fourier transform as a matrix."""

import numpy as np

from structmat import _checks, _rules
from structmat._backend.arrays import namespace_of
from structmat._results import EigResult
from structmat.matrices.fourier.angles import products, root_of_unity, tabulated
from structmat.matrices.fourier.hermite import fourier_eigenvectors
from structmat.matrices.fourier.scale import EXPONENT, normalisation, order_of
from structmat.matrices.fourier.small import fft_limits
from structmat.matrices.fourier.transform import Transform

__all__ = ["DFT"]


class DFT(Transform):
    """The discrete Fourier transform: ``F[j, k] = exp(-2 pi i j k / n)``, ``F @ F.H = n I``.

    As :func:`scipy.fft.fft` of the identity. With w = exp(-2 pi i / n), for n = 4::

        [1   1   1   1]        [1   1   1   1]
        [1   w  w^2 w^3]   =   [1  -i  -1   i]
        [1  w^2 w^4 w^6]       [1  -1   1  -1]
        [1  w^3 w^6 w^9]       [1   i  -1  -i]

    =================  ============================================================================
    product, solve     about 5 n log2(n) operations, by the FFT, any n
    inv, svd, qr,      in closed form: all singular values are sqrt(n)
    slogdet, norms
    eigenvalues        sqrt(n) times 1, -i, -1, i, about n / 4 times each
    eigenvectors       real and orthonormal, O(n^2), an array of n^2 numbers
    powers, functions  F^2 = n times a permutation (k to -k); f(F) is a sum of four terms, for
                       :func:`structmat.linalg.funm` too
    trace              Gauss's sum, in closed form
    entries            a root of unity each
    =================  ============================================================================

    Parameters
    ----------
    n : int
        Order, at least 1.
    norm : {None, "ortho", "forward"}
        Scale: None (or "backward") as above, "ortho" for a unitary matrix, "forward" for 1/n.
    dtype : dtype, optional
        complex128 (default) or complex64.

    Raises
    ------
    TypeError
        A real dtype.
    ValueError
        `n` is less than 1, or an unknown ``norm``.

    Notes
    -----
    F is symmetric, so that its adjoint is its conjugate. The determinant is
    ``n^(n/2) (-i)^(0 + 1 + ... + (n-1))`` for odd n, the last exponent n instead of n - 1 for even
    n [1]_. Eigenvectors are those of a tridiagonal matrix that commutes with F on the even and the
    odd vectors [2]_: orthonormal to rounding, in the order of the Hermite functions that they
    sample. The relative error of a product is of order eps log2(n) in the 2-norm.

    References
    ----------
    .. [1] J. H. McClellan and T. W. Parks, Eigenvalue and eigenvector decomposition of the discrete
       Fourier transform, IEEE Trans. Audio Electroacoust. 20 (1972) 66-74, Table 1.
    .. [2] C. Candan, M. A. Kutay and H. M. Ozaktas, The discrete fractional Fourier transform, IEEE
       Trans. Signal Process. 48 (2000) 1329-1337, section III.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> F = sm.DFT(8)
    >>> x = np.arange(8.0)
    >>> bool(np.allclose(F @ x, np.fft.fft(x)))
    True
    >>> F @ F == 8 * sm.Permutation([0, 7, 6, 5, 4, 3, 2, 1], complex)
    True
    >>> F.slogdet().sign
    np.complex128(-1j)
    """

    _parameters = ("n", "normalization", "dtype")
    _algorithm = "FFT"
    _root = -1j
    _real_entries = False

    def __init__(self, n, norm=None, dtype=np.complex128):
        self.n = order_of(n)
        self.normalization = normalisation(norm)
        dtype = _checks.result_dtype(dtype, "DFT")
        if dtype.kind != "c":
            raise TypeError(
                f"a DFT is complex: `dtype` must be complex64 or complex128; got {dtype}. "
                "For real matrices see DCT and DST"
            )
        limits = fft_limits(self.n, dtype)
        super().__init__(self.n, dtype, self.n, EXPONENT[self.normalization], limits)

    def _fast(self, X):
        return _fft("fft", X, self.normalization)

    def _fast_adjoint(self, X):
        # conj(F) is n times the inverse: the same FFT with the other sign, scaled the other way.
        return _fft(
            "ifft",
            X,
            {None: "forward", "forward": None}.get(self.normalization, self.normalization),
        )

    def _transpose(self):
        return self

    def _conj(self):
        return self._adjoint()

    def _entries(self, i, j):
        values = tabulated(root_of_unity, products(i, j, self.n), self.n, self.n)
        return (self._modulus() * values).astype(self.dtype)

    def _toarray(self):
        j = np.arange(self.n)
        return self._entries(j[:, None], j)

    # ------------------------------------------------------------ what the verbs need to know

    def _unit(self):
        return "DFT", self.n

    def _unit_adjoint(self):
        return self._unit() if self.n <= 2 else (*self._unit(), "adjoint")

    def _with_norm(self, norm):
        return DFT(self.n, norm, self.dtype)

    def _sum_norm(self, ord):
        return self._modulus() * self.n

    def _hermite_numbers(self):
        """Which powers of -i are eigenvalues: 0, 1, ..., n - 1, but n for n - 1 when n is even."""
        k = np.arange(self.n)
        if self.n % 2 == 0:
            k[-1] = self.n
        return k

    def _det_sign(self):
        total = self.n * (self.n - 1) // 2 + (self.n % 2 == 0)
        return (1, -1j, -1, 1j)[total % 4] * (1 + 0j)

    def _present(self):
        """-1 and i are no eigenvalues of the smallest orders."""
        return {1: (0,), 2: (0, 2), 3: (0, 1, 2), 4: (0, 1, 2)}.get(self.n, (0, 1, 2, 3))

    def _trace(self):
        """Gauss's sum: 1, -i, -1 and i are eigenvalues about n / 4 times each."""
        n = self.n
        values = (1, -1j, -1, 1j)
        times = (n // 4 + 1, (n + 1) // 4, (n + 2) // 4, (n - 1) // 4)
        return self._scale_to(1) * sum(v * (m - times[0]) for v, m in zip(values, times))

    def _eigvals(self):
        self._guard_values("eigenvalues")
        unit = np.array([1, -1j, -1, 1j])[self._hermite_numbers() % 4]
        return (self._scale_to(1) * unit).astype(self.dtype)

    def _has_eigenbasis(self):
        return True

    def _eigenbasis(self):
        _checks.guard_dense(self.shape, self.dtype, "eigenvectors of a DFT")
        V = fourier_eigenvectors(self.n)
        return EigResult(self._eigvals(), _rules.lift(V.astype(np.finfo(self.dtype).dtype)))

    def _unit_power(self, r):
        """(A / s)^2 maps k to -k, (A / s)^3 is the inverse of A / s."""
        if r % 2:
            return self if r == 1 else self._adjoint()
        return _rules.make("identity", self.n, self.dtype) if r == 0 else self._reversal()

    def _reversal(self):
        return _rules.make("permutation", -np.arange(self.n) % self.n, self.dtype)

    @classmethod
    def _random(cls, shape, rng, dtype):
        """The DFT of this order: there is nothing to draw. A real dtype gives its complex one."""
        return super()._random(shape, rng, np.result_type(dtype, np.complex64))


def _fft(name, X, norm):
    xp = namespace_of(X)
    if xp is not np:
        return getattr(xp.fft, name)(X, axis=0, norm=norm)
    import scipy.fft

    from structmat._backend.workers import get_workers

    threads = get_workers() if X.size >= _LARGE else None
    return getattr(scipy.fft, name)(X, axis=0, norm=norm, workers=threads)


# SciPy's threads cost 20 microseconds a call; they pay from this many entries on.
_LARGE = 2**16

_rules.maker("dft")(DFT)
