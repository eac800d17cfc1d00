"""KroneckerTwoTerm: A (x) B + C (x) D, by pencils: two factors of one mode are reduced together."""

import math

import numpy as np
import scipy.linalg as sla

from structmat import _checks
from structmat._backend import dense as lapack
from structmat._backend.arrays import namespace_of
from structmat._results import Cost, Factorization
from structmat.matrices.base import StructuredMatrix
from structmat.matrices.kronecker import modes as _modes
from structmat.matrices.kronecker import substitution
from structmat.matrices.kronecker.eigenbasis import log_of_chunks, log_product
from structmat.matrices.kronecker.matrix import Kronecker
from structmat.matrices.kronecker.modes import dense_factor, outer_product

__all__ = ["KroneckerTwoTerm", "factorize_pencils"]


class KroneckerTwoTerm(StructuredMatrix):
    """A_1 (x) ... (x) A_d + C_1 (x) ... (x) C_d, usually A (x) B + C (x) D.

    What the sum of two :class:`Kronecker` of the same factor shapes is. Solving it is the
    generalised Sylvester equation ``A X B^T + C X D^T = F``. With N = n_1 ... n_d and
    s = n_1 + ... + n_d:

    ==========  ================================================================================
    product     4 N s
    solve       if one term has positive definite and the other Hermitian factors: both are
                diagonalised by one congruence a mode, about ``14 sum n_i^3``, then 4 N s; else
                QZ, about ``66 sum n_i^3``, and substitution, 8 N s, in complex arithmetic
    slogdet     from the same factors, N
    ==========  ================================================================================

    Parameters
    ----------
    first, second : Kronecker
        The terms, with the same shape of factors mode by mode; brought to a common dtype.

    Raises
    ------
    ValueError
        The factors' shapes differ.

    Notes
    -----
    QZ is backward stable. The congruence is used while the definite term's condition number is at
    most 1 / sqrt(eps), and its solutions are refined once or twice by their residual.

    References
    ----------
    .. [1] J. D. Gardiner, A. J. Laub, J. J. Amato and C. B. Moler, Solution of the Sylvester matrix
       equation AXB^T + CXD^T = E, ACM Trans. Math. Softw. 18 (1992) 223-231.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> mass, stiff = np.array([[2.0, 1.0], [1.0, 2.0]]), np.array([[1.0, -1.0], [-1.0, 1.0]])
    >>> A = sm.Kronecker(stiff, mass) + sm.Kronecker(mass, stiff + mass)
    >>> type(A).__name__
    'KroneckerTwoTerm'
    >>> bool(np.allclose(A @ A.solve(np.ones(4)), 1))
    True
    """

    _parameters = ("first", "second")

    def __init__(self, first, second):
        for name, K in (("first", first), ("second", second)):
            if not isinstance(K, Kronecker):
                raise TypeError(
                    f"`{name}` must be a structmat.Kronecker; got {type(K).__name__}. "
                    "Write structmat.Kronecker(A, B)"
                )
        if _shapes(first) != _shapes(second):
            raise ValueError(
                "KroneckerTwoTerm needs factors of the same shapes, mode by mode; got "
                f"{_shapes(first)} and {_shapes(second)}. Other sums: structmat.Sum(first, second)"
            )
        dtype = np.result_type(first.dtype, second.dtype)
        self.first, self.second = first.astype(dtype), second.astype(dtype)
        super().__init__(dtype, first.shape)

    def _apply(self, X):
        Y = self.first._apply(X)
        return Y + self.second._apply(X)

    def _adjoint(self):
        return KroneckerTwoTerm(self.first._adjoint(), self.second._adjoint())

    def _toarray(self):
        return self.first._toarray() + self.second._toarray()

    def _factorize(self):
        factors = [*self.first.factors, *self.second.factors]
        if any(A.shape[0] != A.shape[1] for A in factors):
            return NotImplemented
        return factorize_pencils(self, self.first.factors, self.second.factors)

    def _diagonal(self):
        return self.first.diagonal() + self.second.diagonal()

    def _trace(self):
        return self.first.trace() + self.second.trace()

    def _entries(self, i, j):
        return self.first._entries(i, j) + self.second._entries(i, j)

    def _is_hermitian(self):
        if self.shape[0] != self.shape[1]:
            return False
        known = self.first._is_hermitian(), self.second._is_hermitian()
        # Terms that are not Hermitian may still add up to a Hermitian sum: the probe decides.
        return True if all(h is True for h in known) else NotImplemented

    def _scale(self, c):
        return KroneckerTwoTerm(c * self.first, c * self.second)

    def _preconditioner(self):
        return Kronecker._precondition_sum((self.first, self.second))

    def _cost(self, verb, ncols):
        sizes = [A.shape[0] for A in self.first.factors]
        N, cubes = float(self.shape[0]), float(sum(n**3 for n in sizes))
        wide = 4 if self.dtype.kind == "c" else 1
        moved = self.nbytes + 4.0 * len(sizes) * N * ncols * self.dtype.itemsize
        if verb == "matmul":
            parts = [K._cost(verb, ncols) for K in (self.first, self.second)]
            return Cost("term by term", sum(p.flops for p in parts), sum(p.bytes for p in parts))
        if verb in ("solve", "slogdet") and self.shape[0] == self.shape[1]:
            each = 16 * N * sum(sizes) * ncols if verb == "solve" else 20 * N
            return Cost("pencils of the factors", wide * (66 * cubes + each), moved)
        return NotImplemented

    @classmethod
    def _random(cls, shape, rng, dtype):
        if shape[0] != shape[1]:
            raise ValueError(f"a random KroneckerTwoTerm is square; got shape {shape}")
        sizes = _modes.sizes_like(shape[0])
        first, second = (
            Kronecker(*(_modes.random_factor(n, rng, dtype) for n in sizes)) for _ in range(2)
        )
        return cls(first, second)


def _shapes(K):
    return [tuple(A.shape) for A in K.factors]


# ---------------------------------------------------------------- pencils


def factorize_pencils(A, firsts, seconds):
    """Factorisation of the matrix A = (x) firsts + (x) seconds from square factors."""
    xp = A._namespace or np
    firsts, seconds = (tuple(dense_factor(F, xp) for F in part) for part in (firsts, seconds))
    for F in (*firsts, *seconds):
        _checks.finite(F)
    if all(map(_modes.is_hermitian, (*firsts, *seconds))):
        for hermitian, definite in ((firsts, seconds), (seconds, firsts)):
            reduced = _congruence(hermitian, definite)
            if reduced is not None:
                return _DefinitePencils(A, *reduced)
    return _SchurPencils(A, firsts, seconds)


def _congruence(hermitian, definite):
    """(Y, w, log-determinants, sign) with Y_i^H C_i Y_i = +-I and Y_i^H A_i Y_i = diag(w_i).

    None unless every C_i is positive or negative definite and the product of them is well
    conditioned enough: the backward error of this route grows with its condition number.
    """
    eps = float(np.finfo(definite[0].dtype).eps)
    sign, cond, Ys, ws, logs = 1.0, 1.0, [], [], []
    factored = []
    for C in definite:
        if C.shape[0] and float(C[0, 0].real) < 0:
            C, sign = -C, -sign
        L, failed = lapack.cholesky(C)
        if failed is not None:
            return None
        rcond = lapack.rcond_triangular(L, lower=True)
        cond *= 1 / rcond**2 if rcond > 0 else math.inf
        factored.append(L)
    if not cond * math.sqrt(eps) <= 1:
        return None
    for A, L in zip(hermitian, factored):
        half = lapack.solve_triangular(L, A, lower=True)
        M = lapack.solve_triangular(L, half.conj().T, lower=True)
        w, Q = lapack.eigh((M + M.conj().T) / 2)
        Ys.append(lapack.solve_triangular(L, Q, lower=True, adjoint=True))
        ws.append(w)
        logs.append(2 * log_product(L.diagonal().real)[1])
    return Ys, ws, logs, sign, cond


class _Pencils(Factorization):
    """What both reductions share: the matrix, for residuals, and words."""

    def __init__(self, A):
        self.shape, self.dtype, self.structure = A.shape, A.dtype, type(A).__name__

    def _refuse(self, denominators, sizes):
        zero = denominators == 0
        if bool(zero.any()):
            where = _modes.place(int(zero.argmax()), sizes)
            names = " and ".join(w.replace("factor", "pencil") for w in where)
            raise _checks.singular(self.structure, f"the two terms cancel at {names}")


class _DefinitePencils(_Pencils):
    """Y^H A Y = diag(w): (x) A_i + sign (x) C_i, C_i definite."""

    method = "congruences of definite pencils"

    def __init__(self, A, Ys, ws, logs, sign, cond):
        super().__init__(A)
        self.matrix, self.sizes = A, [len(w) for w in ws]
        self.Y = Kronecker(*Ys)
        self.logs, self.sign = logs, sign
        self.values = outer_product(ws) + ws[0].dtype.type(sign)
        self._refuse(self.values, self.sizes)
        # Each step of refinement costs a product and a solve; well conditioned congruences do not
        # need any.
        self.refinements = 2 if cond > 100 else 0
        self.rcond = self._estimate_rcond()

    def _estimate_rcond(self):
        of = self.shape[0], self.dtype, namespace_of(self.values)
        inverse = substitution.inverse_norm(self._once, self._once, *of)
        # Two steps of the power method are enough of a norm here.
        size = substitution.inverse_norm(self.matrix._apply, self.matrix._apply, *of)
        return substitution.reciprocal(size, inverse)

    def _once(self, B):
        Z = self.Y._adjoint()._apply(B)
        return self.Y._apply(namespace_of(Z).ascontiguousarray(Z / self.values[:, None]))

    def _solve(self, B):
        X = self._once(B)
        for _ in range(self.refinements):
            D = self._once(B - self.matrix._apply(namespace_of(X).ascontiguousarray(X)))
            X = X + D
        return X

    def _slogdet(self):
        """det = prod(w + sign) prod det(C_i)^(N / n_i)."""
        sign, total = log_product(self.values)
        N = self.shape[0]
        return sign, total + sum((N // n) * value for n, value in zip(self.sizes, self.logs) if n)


class _SchurPencils(_Pencils):
    """A_i = Q_i T_i Z_i^H, C_i = Q_i S_i Z_i^H: generalised Schur forms (QZ) of each mode."""

    method = "generalised Schur forms of the factors (QZ)"

    def __init__(self, A, firsts, seconds):
        super().__init__(A)
        if namespace_of(*firsts, *seconds) is not np:
            raise NotImplementedError(
                'the QZ algorithm runs on the host only; use A.to_device("cpu")'
            )
        firsts, e = _normalised(firsts)
        seconds, f = _normalised(seconds)
        forms = [_qz(F, S) for F, S in zip(firsts, seconds)]
        dtype = np.result_type(*(X.dtype for form in forms for X in form))
        forms = [tuple(X.astype(dtype, copy=False) for X in form) for form in forms]
        self.Q = Kronecker(*(form[2] for form in forms))
        self.Z = Kronecker(*(form[3] for form in forms))
        top = max(e, f)
        self.scalars = tuple(math.ldexp(1.0, max(x - top, -1070)) for x in (e, f))
        self.exponent = top
        pairs = [(T, S) for T, S, *_ in forms]
        self.sizes = [len(T) for T, _ in pairs]
        a, b = self.scalars
        self.pivots = a * outer_product([T.diagonal() for T, _ in pairs]) + b * outer_product(
            [S.diagonal() for _, S in pairs]
        )
        self._refuse(self.pivots, self.sizes)
        self._triangular = substitution.pair_solver(pairs, self.scalars, 0)
        size = a * math.prod(substitution.triangular_norm(T) for T, _ in pairs)
        size += b * math.prod(substitution.triangular_norm(S) for _, S in pairs)
        self.rcond = substitution.reciprocal_condition(
            (*self._triangular, self.shape[0]), dtype, size
        )

    def _solve(self, B):
        B = B.astype(self.Q.dtype, copy=False)
        Y = self.Q._adjoint()._apply(_modes.times_power(B, -self.exponent))
        X = self.Z._apply(substitution.solved(*self._triangular, Y))
        return X.real.astype(self.dtype) if X.dtype.kind != self.dtype.kind else X

    def _slogdet(self):
        """Pivots, times the phases of det(Q_i) / det(Z_i), each N / n_i times."""
        real = self.dtype.kind != "c"
        phase, total = log_of_chunks([self.pivots], real=False)
        N, angle = self.shape[0], math.atan2(phase.imag, phase.real)
        for n, Q, Z in zip(self.sizes, self.Q.factors, self.Z.factors):
            for sign, U in ((1, Q), (-1, Z)):
                value = lapack.slogdet(U)[0] if n else 1.0
                turn = math.atan2(complex(value).imag, complex(value).real)
                angle += sign * (N // n if n else 0) * turn
        total += N * self.exponent * math.log(2)
        if real:
            return (-1.0 if round(angle / math.pi) % 2 else 1.0), total
        return complex(math.cos(angle), math.sin(angle)), total


def _normalised(factors):
    """The factors scaled by powers of two to entries of at most 1, and the sum of the exponents."""
    scaled, exponent = [], 0
    for A in factors:
        e = _modes.exponent_of(A)
        scaled.append(_modes.times_power(A, -e))
        exponent += e
    return scaled, exponent


def _qz(A, C):
    """T, S, Q, Z, complex: real forms would have 2 x 2 blocks in the way of the substitution."""
    if not A.shape[0]:
        return A, C, A, A
    T, S, Q, Z = sla.qz(A, C, output="complex")
    return np.triu(T), np.triu(S), Q, Z
