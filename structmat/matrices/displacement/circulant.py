"""Circulant: every column is the one before it, moved down by one place."""

import math

import numpy as np

from structmat import _checks, _rules
from structmat._results import (
    Cost,
    EighResult,
    EigResult,
    LstsqResult,
    SVDResult,
)
from structmat.matrices.displacement import convolve, fit
from structmat.matrices.displacement.division import CirculantFactorization
from structmat.matrices.displacement.scaling import moderate, times_power
from structmat.matrices.displacement.windows import Windows, sequence
from structmat.matrices.elementary import _shared
from structmat.matrices.elementary.permutation import Permutation

__all__ = ["Circulant"]


class Circulant(Windows):
    """A circulant matrix: C[i, j] = c[(i - j) mod n].

    For c = (a, b, d)::

        [a d b]
        [b a d]
        [d b a]

    It is diagonal in the basis of the discrete Fourier transform, C = F^H diag(fft(c)) F with the
    unitary F, and so is every function of it [1]_.

    ==================  ====================================================================
    product, solve      FFTs of length n, O(n log n) a column
    slogdet, norms      from n eigenvalues, O(n log n)
    eig, eigh, svd      O(n log n), with structured vectors
    inverse, functions  circulant again, O(n log n)
    ==================  ====================================================================

    Parameters
    ----------
    c : array, shape (n,)
        First column.

    Raises
    ------
    ValueError
        Not one-dimensional.
    TypeError
        Of a dtype that is not supported.

    Notes
    -----
    A real circulant has real results: its determinant, inverse, singular vectors, and the
    eigenvectors of a symmetric one, which are those of the Hartley transform,
    ``cos + sin``. Solves are normwise backward stable, refined where the 1-norm asks for more than
    the 2-norm does; the condition number in their certificate is that in the 2-norm. An eigenvalue
    is accurate to a few ``eps sqrt(n) norm(c)``, so that one far below the largest has few digits,
    as the reciprocal condition number tells. Arguments of any scale are taken: an
    :exc:`OverflowError` says that the result is too large.

    References
    ----------
    .. [1] P. J. Davis, *Circulant Matrices*, 2nd ed., AMS Chelsea, 1994, theorem 3.2.2.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> C = sm.Circulant([4.0, 1.0, 0.0])
    >>> C.toarray()
    array([[4., 0., 1.],
           [1., 4., 0.],
           [0., 1., 4.]])
    >>> round(float(C.det()), 12)
    65.0
    >>> C @ C.inv()
    <3x3 Circulant of dtype float64, 24 B, 0.33 of dense>
    """

    _parameters = ("c",)

    def __init__(self, c):
        self.c = sequence(c, "c", "Circulant")
        n = self.c.shape[0]
        super().__init__(self.c.dtype, (n, n))
        self._set_sequence(self._namespace.concatenate([self.c[1:], self.c]))

    def _apply(self, X):
        return convolve.cycle(self._namespace, self.c, self._h, X)

    def _transpose(self):
        return Circulant(self._namespace.concatenate([self.c[:1], self.c[:0:-1]]))

    def _adjoint(self):
        return self._transpose()._conj()

    # ------------------------------------------------------------ the spectrum

    def _spectrum(self):
        """(s, e): eigenvalues s 2^e by frequency, s of moderate size.

        Up to n / 2 for a real matrix, whose others are conjugate.
        """
        fft = convolve.transforms(self._namespace)
        c, exponent = moderate(_checks.finite(self.c))
        if not len(c):
            return c.astype(np.result_type(c.dtype, np.complex64)), 0
        return fft.fft(c) if c.dtype.kind == "c" else fft.rfft(c), exponent

    def _true(self, values, exponent):
        """values 2^exponent, which must be numbers."""
        with np.errstate(all="ignore"):
            values = times_power(values, exponent)
        return _checks.representable(values, "the eigenvalues of a Circulant")

    def _of_spectrum(self, spectrum, exponent=0, verb="the matrix"):
        """The circulant with eigenvalues spectrum 2^exponent, real if this one is."""
        n = self.shape[0]
        if not n:
            return self
        fft = convolve.transforms(self._namespace)
        real = self.dtype.kind != "c"
        _checks.representable(spectrum, verb)
        c = fft.irfft(spectrum, n) if real else fft.ifft(spectrum)
        with np.errstate(all="ignore"):
            c = times_power(c, exponent).astype(self.dtype, copy=False)
        return Circulant(_checks.representable(c, verb))

    def _filter(self, spectrum, X, divide=False):
        """F^H diag(spectrum) F X, or with the reciprocals; all of moderate size."""
        n, k = X.shape
        xp = self._namespace
        fft, options = convolve.transforms(xp), convolve.workers(xp, n * k)
        real = self.dtype.kind != "c"
        forward, back = (fft.rfft, fft.irfft) if real else (fft.fft, fft.ifft)
        Y, spectrum = forward(X, axis=0, **options), spectrum[:, None]
        return back(Y / spectrum if divide else spectrum * Y, n, axis=0, **options)

    def _all(self, values):
        """Those of all frequencies 0 ... n - 1; exactly real if C is Hermitian."""
        xp, n = self._namespace, self.shape[0]
        if self.dtype.kind != "c":
            values = xp.concatenate([values, values[1 : (n + 1) // 2][::-1].conj()])
        # With imaginary parts of +0, not -0: a logarithm tells them apart.
        return values.real.astype(values.dtype) if self._is_hermitian() else values

    def _eigenvalues(self):
        """All eigenvalues by frequency, complex."""
        values, exponent = self._spectrum()
        return self._true(self._all(values), exponent)

    def _moduli(self):
        return abs(self._eigenvalues())

    def _invertible(self):
        spectrum, exponent = self._spectrum()
        zero = _shared.first_zero(spectrum)
        if zero is not None:
            raise _checks.singular("Circulant", f"the eigenvalue at frequency {zero} is zero")
        return spectrum, exponent

    # ------------------------------------------------------------ systems and numbers

    def _factorize(self):
        return CirculantFactorization(self)

    def _inv(self):
        spectrum, exponent = self._invertible()
        return self._of_spectrum(1 / spectrum, -exponent, "inv")

    def _reciprocals(self, rcond):
        """(1 / eigenvalue where it counts, else 0; the exponent of that; how many count)."""
        xp, (spectrum, exponent) = self._namespace, self._spectrum()
        size = abs(self._all(spectrum))
        cut = rcond * float(size.max()) if len(size) else 0.0
        keep = abs(spectrum) > cut
        return keep / xp.where(keep, spectrum, 1), -exponent, int((size > cut).sum())

    def _pinv(self, rcond):
        inverse, exponent, _ = self._reciprocals(rcond)
        return self._of_spectrum(inverse, exponent, "pinv")

    def _lstsq(self, B, rcond):
        inverse, exponent, rank = self._reciprocals(rcond)
        x = B.copy()
        if B.size:
            B, its = moderate(B)
            with np.errstate(all="ignore"):
                x = times_power(self._filter(inverse, B), its + exponent)
        return LstsqResult(_checks.representable(x, "lstsq"), None, rank, self._svdvals())

    def _rank(self, rtol):
        return self._reciprocals(rtol)[2]

    def _slogdet(self):
        """Conjugate pairs have positive products: a real matrix has a real sign."""
        (spectrum, exponent), n = self._spectrum(), self.shape[0]
        shift = n * int(exponent) * math.log(2)
        if self.dtype.kind == "c" or not n:
            sign, value = _shared.slogdet(spectrum)
            return sign, value + shift
        alone = spectrum[:: n // 2].real if n % 2 == 0 else spectrum[:1].real
        sign, value = _shared.slogdet(alone)
        _, pairs = _shared.slogdet(spectrum[1 : (n + 1) // 2])
        return (sign if pairs > -math.inf else 0.0), value + 2 * pairs + shift

    def _norm(self, ord):
        if ord == "fro":
            return math.sqrt(self.shape[0]) * _shared.norm_of(self.c)
        if ord in (2, -2, "nuc"):
            return _shared.norm_of(self._moduli(), ord)
        return _shared.norm_of(self.c, "nuc")  # every column and row has this sum

    def _cond(self, p):
        if p not in (2, -2) or not self.shape[0]:
            return NotImplemented
        size = abs(self._all(self._spectrum()[0]))
        ends = float(size.max()), float(size.min())
        top, bottom = ends if p == 2 else ends[::-1]
        return top / bottom if bottom else math.inf

    def _is_hermitian(self):
        return _shared.same_to_rounding(self.c, self._adjoint().c)

    # ------------------------------------------------------------ vectors

    def _basis(self):
        """Orthonormal eigenvectors by frequency; real ones where eigenvalues come in equal pairs.

        Re((1 + i) F) = cos + sin, the Hartley transform, spans what e^(+i), e^(-i) span.
        """
        F = self._fourier()
        if self.dtype.kind == "c":
            return F._adjoint()
        return _rules.make("real", (1 + 1j) * F) if self.shape[0] else self

    def _fourier(self):
        """The unitary F with C = F^H diag(eigenvalues) F."""
        n, wide = self.shape[0], np.result_type(self.dtype, np.complex64)
        return _rules.make("dft", n, "ortho", wide) if n else _rules.make("identity", n, wide)

    def _eig(self):
        if self.dtype.kind != "c" and self._is_hermitian():
            return self._eigh()
        return EigResult(self._eigenvalues(), self._fourier()._adjoint())

    def _eigvals(self):
        """Real for a real symmetric matrix, as NumPy's are."""
        values = self._eigenvalues()
        real = self.dtype.kind != "c" and self._is_hermitian()
        return values.real.copy() if real else values

    def _eigh(self):
        values = self._eigenvalues().real
        order = self._namespace.argsort(values)
        P = Permutation(order, self.dtype)
        return EighResult(values[order], self._basis() @ P._adjoint())

    def _eigvalsh(self):
        return self._namespace.sort(self._eigenvalues().real)

    def _svd(self, full_matrices):
        """C = W |C| with W unitary and both circulant; U = W V for eigenvectors V of |C|."""
        xp, (spectrum, exponent) = self._namespace, self._spectrum()
        size = abs(spectrum)
        nonzero = size > 0
        W = self._of_spectrum(xp.where(nonzero, spectrum / xp.where(nonzero, size, 1), 1))
        values = self._true(abs(self._all(spectrum)), exponent)
        order = xp.argsort(-values)
        V = self._basis() @ Permutation(order, self.dtype)._adjoint()
        return SVDResult(W @ V, values[order], V._adjoint())

    def _svdvals(self):
        return self._namespace.sort(self._moduli())[::-1]

    # ------------------------------------------------------------ functions

    def _power(self, n):
        with np.errstate(all="ignore"):
            return self._of_spectrum(self._true(*self._spectrum()) ** n, 0, "A ** n")

    def _expm(self):
        with np.errstate(all="ignore"):
            values = self._namespace.exp(self._true(*self._spectrum()))
            return self._of_spectrum(values, 0, "expm")

    def _sqrtm(self):
        return self._principal(self._namespace.sqrt)

    def _logm(self):
        self._invertible()
        return self._principal(self._namespace.log)

    def _funm(self, f):
        """f of the eigenvalues; real for real matrices where f(conj(w)) = conj(f(w)) there."""
        if not self.shape[0]:
            return self
        xp, values = self._namespace, self._eigenvalues()
        fw = f(values.real.copy() if self._is_hermitian() else values)
        c = convolve.transforms(xp).ifft(fw).astype(np.result_type(self.dtype, np.complex64))
        mirrored = xp.concatenate([fw[:1], fw[:0:-1]]).conj()
        bound = 100 * float(np.finfo(self.dtype).eps) * float(abs(fw).max())
        real = self.dtype.kind != "c" and float(abs(fw - mirrored).max()) <= bound
        return Circulant(c.real.copy() if real else c)

    def _principal(self, f):
        """Real where no eigenvalue of a real matrix lies on the cut of f, the negative axis."""
        values = self._eigenvalues()
        if not len(values):
            return self
        c = convolve.transforms(self._namespace).ifft(f(values))
        on_cut = bool(((values.imag == 0) & (values.real < 0)).any())
        return Circulant(c if self.dtype.kind == "c" or on_cut else c.real.copy())

    def _scale(self, c):
        return Circulant(self.c * c)

    def _cost(self, verb, ncols):
        n, item = float(self.shape[0]), self.dtype.itemsize
        each = 5.0 if self.dtype.kind == "c" else 2.5
        once = each * n * math.log2(n + 2)
        if verb in ("matmul", "solve"):
            if verb == "matmul" and n * n <= convolve.SMALL:
                return super()._cost(verb, ncols)
            return Cost("FFT", once * (1 + 2 * ncols), item * n * (1.0 + 2 * ncols))
        return Cost("FFT of the first column", once, item * n)

    @classmethod
    def _random(cls, shape, rng, dtype):
        """One on the diagonal and little beside it."""
        if shape[0] != shape[1]:
            raise ValueError(f"a Circulant is square; got shape {shape}")
        n = shape[0]
        x = rng.standard_normal(n)
        if dtype.kind == "c":
            x = (x + 1j * rng.standard_normal(n)) / np.sqrt(2)
        x /= 4 * np.sqrt(max(n, 1))
        x[:1] += 1
        return cls(x.astype(dtype))

    @classmethod
    def _project(cls, M, rtol, budget):
        return fit.circulant(M, cls)
