"""What every transform of this family is: a multiple of a unitary matrix, but for its ends.

Each one is ``A = s L Q R``: s > 0 a power of its length, Q unitary, L and R the identity but for a
factor at the first or the last index (or at both), which only the cosine and sine transforms that
are not orthogonalised have. From these four every verb follows.
"""

import math

import numpy as np

from structmat import _checks, _rules
from structmat._backend.arrays import namespace_of
from structmat._results import (
    Cost,
    EighResult,
    EigResult,
    Factorization,
    LstsqResult,
    QRResult,
    SVDResult,
)
from structmat.matrices.fourier.products import TransformProduct
from structmat.matrices.fourier.scale import DUAL, EXPONENT, power_of

__all__ = ["Transform"]


class Transform(TransformProduct):
    """A = s L Q R; see the head of this module. Not for use by itself.

    A subclass calls ``super().__init__(n, dtype, base, exponent, limits)`` (the scale is
    ``base ** exponent``; `limits` are those of `small`) and writes `_fast` and `_fast_adjoint` (of
    a vector or a block), `_entries`, `_toarray`, `_unit` and `_unit_adjoint` (names that Q and Q^H
    share with their equals), `_with_norm` and `_det_sign`.
    """

    # (square of the factor in L, square of the factor in R), and where they stand.
    _weights = (1.0, 1.0)
    _ends: tuple = ()
    # A root of unity u with Q^m = I, u^m = 1: eigenvalues of Q are powers of u. None if not so.
    _root: complex | None = None

    def __init__(self, n, dtype, base, exponent, limits):
        self._base, self._exponent = base, exponent
        super().__init__(n, dtype, limits)

    def _conjugate_transpose(self):
        if self._unit() == self._unit_adjoint() and self._weights == (1.0, 1.0):
            return self
        return _rules.make("adjoint_transform", self)

    # ------------------------------------------------------------ scale and singular values

    def _scale_to(self, power):
        """s^power, in one rounding where base^(exponent power) is an integer power."""
        try:
            return power_of(self._base, self._exponent * power)
        except OverflowError:
            raise OverflowError(
                f"a power of this {type(self).__name__}, whose singular values are "
                f"{self._base}^{self._exponent * power:g}, is too large"
            ) from None

    def _modulus(self):
        """base^(e - 1/2): what the entries of the unnormalised transform are multiplied by."""
        return power_of(self._base, self._exponent - 0.5)

    def _ortho(self):
        """Q."""
        return self._with_norm("ortho")

    def _spectrum(self):
        """Singular values, descending, as pairs (value, multiplicity)."""
        s, n = self._scale_to(1), self.shape[0]
        weight = math.sqrt(self._weights[0] * self._weights[1])
        pairs = [(s * weight, 1), (s, n - 1)] if weight > 1 else [(s, n - 1), (s * weight, 1)]
        return [(value, m) for value, m in pairs if m]

    def _conjugated(self):
        """L R = I but L is not: then A is similar to s Q, with other singular values."""
        return self._weights != (1.0, 1.0) and self._weights[0] * self._weights[1] == 1

    def _cond2(self):
        spectrum = self._spectrum()
        return spectrum[0][0] / spectrum[-1][0]

    def _svdvals(self):
        self._guard_values("svdvals")
        values, times = zip(*self._spectrum())
        return np.repeat(np.array(values, np.finfo(self.dtype).dtype), times)

    def _guard_values(self, verb):
        """MemoryError before a list of n numbers that does not fit is begun."""
        _checks.guard_dense((self.shape[0], 1), self.dtype, verb)

    def _svd(self, full_matrices):
        """U and V are Q, the identity, and a permutation that brings the odd value to its place."""
        left, right = self._weights
        n, Q = self.shape[0], self._ortho()
        if left == right:
            return SVDResult(Q, self._svdvals(), _rules.make("identity", n, self.dtype))
        if self._conjugated():
            return NotImplemented
        at, place = self._ends[0], (0 if left * right > 1 else n - 1)
        P = self._moved(at, place)
        U, Vh = (P._adjoint(), P @ Q) if left != 1 else (Q @ P._adjoint(), P)
        return SVDResult(U, self._svdvals(), Vh)

    def _moved(self, at, place):
        """The permutation P with (P x)[place] = x[at], the others in their order."""
        if at == place:
            return _rules.make("identity", self.shape[0], self.dtype)
        order = np.roll(np.arange(self.shape[0]), place - at)
        return _rules.make("permutation", order, self.dtype)

    def _svds(self, k):
        result = self._svd(False)
        if result is NotImplemented:
            return NotImplemented
        U, S, Vh = result
        return SVDResult(U[:, :k], S[:k], Vh[:k])

    def _norm(self, ord):
        spectrum = self._spectrum()
        if ord in (2, -2):
            return spectrum[0 if ord > 0 else -1][0]
        if ord == "nuc":
            return sum(value * m for value, m in spectrum)
        if ord == "fro":
            return math.sqrt(sum(value * value * m for value, m in spectrum))
        return self._sum_norm(ord)

    def _sum_norm(self, ord):
        """The largest or smallest row or column sum of moduli."""
        return NotImplemented

    def _cond(self, p):
        if p not in (2, -2):
            return NotImplemented
        return self._cond2() if p == 2 else 1 / self._cond2()

    def _rank(self, rtol):
        spectrum = self._spectrum()
        return sum(m for value, m in spectrum if value > rtol * spectrum[0][0])

    # ------------------------------------------------------------ systems

    def _inv(self):
        """A^-1 = Q^H / s, the adjoint under the dual normalisation."""
        return self._with_norm(DUAL[self._norm_name()])._adjoint()

    def _norm_name(self):
        return next(name for name, e in EXPONENT.items() if e == self._exponent)

    def _factorize(self):
        return InverseTransform(self)

    def _pinv(self, rcond):
        return self._inv() if rcond * self._cond2() < 1 else NotImplemented

    def _lstsq(self, B, rcond):
        if rcond * self._cond2() >= 1:
            return NotImplemented
        S = namespace_of(B).asarray(self._svdvals())
        return LstsqResult(self._inv()._apply(B), None, self.shape[0], S)

    def _slogdet(self):
        return self._det_sign(), sum(m * math.log(value) for value, m in self._spectrum())

    def _qr(self):
        """Q times s R: triangular unless L is in the way."""
        left, right = self._weights
        if left != 1:
            return NotImplemented
        R = self._scale_to(1) * _rules.make("identity", self.shape[0], self.dtype)
        if right != 1:
            values = R.diagonal()
            values[list(self._ends)] *= math.sqrt(right)
            R = _rules.make("diagonal", values)
        return QRResult(self._ortho(), R)

    # ------------------------------------------------------------ eigenvalues and functions

    def _is_involution(self):
        """(A / s)^2 = I: Q is symmetric, and what L does R undoes."""
        return self._root == -1

    def _is_hermitian(self):
        if self._is_involution() and self._weights == (1.0, 1.0):
            return True
        if self.shape[0] > 2:
            return False
        dense = self._toarray()
        return bool(abs(dense - dense.conj().T).max() <= 4 * np.finfo(self.dtype).eps)

    def _negative(self):
        """How many eigenvalues are -s: the trace is s (n - 2 negative)."""
        trace = float(self.diagonal().real.sum(dtype=np.float64)) / self._scale_to(1)
        return (self.shape[0] - round(trace)) // 2

    def _diagonal(self):
        self._guard_values("diagonal")
        i = np.arange(self.shape[0])
        return self._entries(i, i)

    def _trace(self):
        if not self._is_involution():
            return NotImplemented
        return self._scale_to(1) * (self.shape[0] - 2 * self._negative())

    def _signed_values(self):
        self._guard_values("eigenvalues")
        negative, s = self._negative(), self._scale_to(1)
        values = np.full(self.shape[0], s, np.finfo(self.dtype).dtype)
        values[:negative] = -s
        return values

    def _eigvals(self):
        if not self._is_involution():
            return NotImplemented
        return self._signed_values().astype(self.dtype)

    def _eigvalsh(self):
        return self._signed_values() if self._is_involution() else NotImplemented

    def _eig(self):
        """An orthonormal eigenbasis where one is known."""
        found = self._eigenbasis()
        return found if found is NotImplemented else EigResult(*found)

    def _eigh(self):
        found = self._eigenbasis()
        if found is NotImplemented:
            return NotImplemented
        w, V = found
        w = w.real
        order = np.argsort(w, stable=True)
        return EighResult(w[order], V @ self._sorting(order))

    def _sorting(self, order):
        return _rules.make("permutation", order, self.dtype)._adjoint()

    def _eigsh(self, k, which):
        result = self._eigh()
        if result is NotImplemented:
            return NotImplemented
        w, V = result
        # Two values of one modulus: the first k are as small and as large as any.
        at = slice(len(w) - k, None) if which == "LA" else slice(0, k)
        return EighResult(w[at], V[:, at])

    def _has_eigenbasis(self):
        return False

    def _eigenbasis(self):
        """(w, V) with a unitary V, where `_has_eigenbasis`."""
        return NotImplemented

    def _cholesky(self):
        if self.shape[0] > 2 or self._negative():
            name = type(self).__name__
            raise _checks.not_positive_definite(name, "it has eigenvalues of both signs")
        return NotImplemented

    def _power(self, p):
        """A^p = s^p Q^(p mod m)."""
        if self._root is None:
            return NotImplemented
        r = p % self._period()
        return self._multiple(self._scale_to(p - r % 2), r, "A ** p")

    def _period(self):
        """m, with Q^m = I."""
        return 2 if self._root == -1 else 4

    def _unit_power(self, r):
        """Q^r for even r, s Q^r for odd r."""
        return self if r else _rules.make("identity", self.shape[0], self.dtype)

    def _multiple(self, c, r, verb):
        with np.errstate(over="ignore"):
            _checks.representable(np.asarray(abs(c), np.finfo(self.dtype).dtype), verb)
        return c * self._unit_power(r)

    def _present(self):
        """The j for which s u^j is an eigenvalue."""
        return range(self._period())

    def _function(self, f, verb):
        """f(A) = sum_r c_r (A / s)^r over r < m, with f(s u^j) = sum_r c_r u^(j r) for j < m."""
        if self._root is None or self.shape[0] < 2:
            return NotImplemented
        m, u, s = self._period(), self._root, self._scale_to(1)
        at = np.array([s * complex(u) ** j for j in self._present()])
        found = f(at.real.copy() if self._is_hermitian() else at)
        # What f is where there is no eigenvalue does not matter.
        values = dict(zip(self._present(), found.tolist()))
        terms = []
        for r in range(m):
            c = sum(value * (u ** (-j * r % m)) for j, value in values.items()) / m
            c = c.real if c.imag == 0 else c
            terms.append(self._multiple(c / s if r % 2 else c, r, verb))
        return _rules.make("sum", *terms)

    def _funm(self, f):
        narrow = np.result_type(self.dtype, np.complex64)
        real = np.finfo(narrow).dtype
        return self._function(
            lambda w: f(w.astype(narrow if w.dtype.kind == "c" else real)), "funm"
        )

    def _expm(self):
        return self._representable(np.exp, "expm")

    def _sqrtm(self):
        return self._function(_of_complex(np.sqrt), "sqrtm")

    def _logm(self):
        return self._function(_of_complex(np.log), "logm")

    def _representable(self, f, verb):
        with np.errstate(over="ignore"):
            largest = np.asarray(f(self._scale_to(1)), np.finfo(self.dtype).dtype)
        _checks.representable(largest, verb)
        return self._function(_of_complex(f), verb)

    # ------------------------------------------------------------ cost

    def _cost(self, verb, ncols):
        n = self.shape[0]
        wide = 2.0 if self.dtype.kind == "c" else 1.0
        moved = 2.0 * n * ncols * self.dtype.itemsize
        if verb in ("matmul", "solve"):
            return Cost(self._algorithm, wide * self._flops() * ncols, moved)
        if verb == "eigh" and not (self._is_involution() and self._has_eigenbasis()):
            return NotImplemented
        if verb == "svd" and self._conjugated():
            return NotImplemented
        return Cost("closed form", float(n), float(n * self.dtype.itemsize))

    _algorithm = "fast transform"

    def _flops(self):
        n = self.shape[0]
        return 2.5 * n * math.log2(n + 1)

    @classmethod
    def _random(cls, shape, rng, dtype):
        if shape[0] != shape[1]:
            raise ValueError(f"a {cls.__name__} is square; got shape {shape}")
        return cls(shape[0], dtype=dtype)


def _of_complex(f):
    """f of numbers as complex ones in double precision: roots and logarithms of negative ones."""
    return lambda w: f(w.astype(np.complex128))


class InverseTransform(Factorization):
    """Solving with a transform is applying its inverse."""

    method = "inverse transform (condition in the 2-norm)"

    def __init__(self, A):
        self.shape, self.dtype, self.structure = A.shape, A.dtype, type(A).__name__
        self.matrix, self.inverse = A, A._inv()
        self.rcond = 1 / A._cond2()

    def _solve(self, B):
        return self.inverse._apply(B)

    def _slogdet(self):
        return self.matrix._slogdet()
