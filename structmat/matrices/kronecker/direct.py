"""Factorisations of a Kronecker product from its factors': LU, QR, inverses, determinants."""

import math

import numpy as np

from structmat import _checks, _rules, linalg
from structmat._backend import dense as lapack
from structmat._backend.arrays import is_array
from structmat._backend.lapack import routine
from structmat._results import Factorization
from structmat.matrices.kronecker.modes import size_of
from structmat.matrices.kronecker.products import each, moved

__all__ = ["KroneckerFactorization", "factorize", "inverses", "qr", "slogdet"]


def per_factor(function, factors):
    """function(F) for every factor; a LinAlgError is told with the factor's number.

    "singular matrix: Diagonal: entry 3 is zero" becomes
    "singular matrix: Kronecker factor 1 (Diagonal): entry 3 is zero".
    """
    results, done = [], {}
    for i, F in enumerate(factors):
        if id(F) not in done:
            try:
                done[id(F)] = function(F)
            except np.linalg.LinAlgError as error:
                words = str(error).removeprefix("singular matrix: ")
                structure, _, place = words.partition(": ")
                raise _checks.singular(f"Kronecker factor {i} ({structure})", place) from None
        results.append(done[id(F)])
    return results


def _lu(F):
    lu = lapack.lu_factor(F)
    if lu.zero_pivot is not None:
        raise _checks.singular("Dense", f"pivot {lu.zero_pivot}")
    return lu


def factorize(A):
    """KroneckerFactorization of a square A, NotImplemented when a large factor has none."""
    if 0 in A.shape:
        return KroneckerFactorization(A, [])
    try:
        parts = per_factor(lambda F: _lu(F) if is_array(F) else linalg.factorize(F), A._parts)
    except NotImplementedError:
        return NotImplemented
    return KroneckerFactorization(A, parts)


class KroneckerFactorization(Factorization):
    """LU (or what its structure allows) of every factor.

    Attributes
    ----------
    parts : list
        A factorisation for each factor, in order.
    rcond : float
        Product of the factors' values: the 1-norm condition number of a Kronecker product is the
        product of those of its factors.
    """

    structure = "Kronecker"

    def __init__(self, A, parts):
        self.shape, self.dtype, self.parts = A.shape, A.dtype, parts
        self.sizes = [F.shape[0] for F in A.factors]
        names = {"LU with partial pivoting" if _is_lu(p) else p.method for p in parts}
        self.method = "factor by factor: " + (", ".join(sorted(names)) or "nothing to factor")
        self._substitutions = {}

    @property
    def rcond(self):
        """1 / (|A|_1 |A^-1|_1), estimated factor by factor."""
        return math.prod(part.rcond for part in self.parts)

    def _solve(self, B):
        if B.size == 0:
            return B.copy()
        X, left, right = B, 1, B.size
        for part, n in zip(self.parts, self.sizes):
            right //= n
            X = self._solve_mode(part, X, left, n, right)
            left *= n
        return X.reshape(B.shape)

    def _solve_mode(self, part, X, left, n, right):
        if not _is_lu(part):
            return moved(part._solve, X, left, n, right)
        if isinstance(X, np.ndarray) and left * right >= 4 * n:
            substitution = self._substitutions.get(id(part))
            if substitution is None:
                substitution = self._substitutions[id(part)] = Substitution(part)
            return substitution(X, left, right)
        return moved(lambda Y: part.solve(Y, check_finite=False), X, left, n, right)

    def _slogdet(self):
        if not self.parts:
            return 1.0, 0.0
        logs = each(lambda p: p.slogdet() if _is_lu(p) else p._slogdet(), self.parts)
        return combined_slogdet(logs, self.sizes, self.shape[0])

    def lu(self):
        """P, L and U of the product, A = P @ L @ U, each a Kronecker product.

        Returns
        -------
        tuple of Kronecker
            Permutation, unit lower triangular, upper triangular.

        Raises
        ------
        NotImplementedError
            A factor has a structure of its own and hence no LU factors.

        Examples
        --------
        >>> import numpy as np, structmat as sm
        >>> A = sm.Kronecker([[1.0, 2.0], [3.0, 4.0]], [[0.0, 1.0], [1.0, 0.0]])
        >>> P, L, U = A.factorize().lu()
        >>> bool(np.allclose((P @ L @ U).toarray(), A.toarray()))
        True
        """
        from structmat.matrices.kronecker.matrix import Kronecker

        if not self.parts or not all(_is_lu(p) and _on_host(p) for p in self.parts):
            raise NotImplementedError(
                "lu needs every factor to be a dense array on the host; "
                "the factorisations of structured factors are in `.parts`"
            )
        P, L, U = [], [], []
        for part in self.parts:
            n = part.factors.shape[0]
            inverse = np.argsort(_row_order(part))
            P.append(_rules.make("permutation", inverse, self.dtype))
            L.append(np.tril(part.factors, -1) + np.eye(n, dtype=self.dtype))
            U.append(np.triu(part.factors) / part.scale)
        return Kronecker(*P), Kronecker(*L), Kronecker(*U)


def _is_lu(part):
    return isinstance(part, lapack.LU)


def _on_host(part):
    return isinstance(part.factors, np.ndarray)


def _row_order(lu):
    """p with P A = A[p] for LAPACK's sequence of interchanges."""
    n = lu.factors.shape[0]
    column = np.arange(n, dtype=np.float64)[:, None]
    column = routine("laswp", column.dtype)(column, lu.pivots, overwrite_a=True)
    return column[:, 0].astype(np.intp)


class Substitution:
    """L U X = P B for very many columns, along any axis and without moving it.

    BLAS's triangular solve is two to three times slower than a product at order 64, and it wants
    the axis in front. Products with L^-1 P and U^-1 want neither, and they are as backward stable
    as substitution up to a factor of |L| |L^-1| and |U| |U^-1| (componentwise; Higham, section
    14.2). These factors, which do not see the scaling of rows, are computed, and above 10 n the
    triangular solve is taken after all.
    """

    def __init__(self, lu):
        self.lu = lu
        factors = lu.factors
        n, dtype = factors.shape[0], factors.dtype
        trtri = routine("trtri", dtype)
        self.order = _row_order(lu)
        lower, _ = trtri(factors, lower=1, unitdiag=1)
        lower = np.tril(lower, -1)
        lower[np.arange(n), np.arange(n)] = 1
        upper = np.triu(trtri(factors, lower=0)[0])
        modulus = abs(factors)
        below = np.tril(modulus, -1).sum(0) + 1
        above = np.triu(modulus).sum(0)
        with np.errstate(all="ignore"):
            growth = max((below @ abs(lower)).max(), (above @ abs(upper)).max())
        self.stable = bool(growth <= 10 * n)
        if self.stable:
            self.lower = np.empty((n, n), dtype)
            self.lower[:, self.order] = lower
            self.upper = np.ascontiguousarray(upper)

    def __call__(self, X, left, right):
        n = self.lu.factors.shape[0]
        X = self._products(X, left, n, right) if self.stable else self._trsm(X, left, n, right)
        if self.lu.scale != 1:
            X *= X.dtype.type(self.lu.scale)
        return X

    def _products(self, X, left, n, right):
        h = n // 2 if n >= 32 else 0  # the zero block of U^-1 saves a quarter of its product
        if right == 1:
            Y = X.reshape(left, n) @ self.lower.T
            out = np.empty_like(Y)
            np.matmul(Y, self.upper[:h].T, out=out[:, :h])
            np.matmul(Y[:, h:], self.upper[h:, h:].T, out=out[:, h:])
            return out
        Y = np.matmul(self.lower, X.reshape(left, n, right))
        out = np.empty_like(Y)
        np.matmul(self.upper[:h], Y, out=out[:, :h])
        np.matmul(self.upper[h:, h:], Y[:, h:], out=out[:, h:])
        return out

    def _trsm(self, X, left, n, right):
        from scipy.linalg.blas import get_blas_funcs

        trsm = get_blas_funcs("trsm", dtype=X.dtype)

        def substitute(Y):
            # (n, columns) in C order is B^T in Fortran order, and B^T = X^T U^T L^T.
            Z = Y[self.order].T
            Z = trsm(1.0, self.lu.factors, Z, side=1, lower=1, trans_a=1, diag=1, overwrite_b=1)
            return trsm(1.0, self.lu.factors, Z, side=1, lower=0, trans_a=1, overwrite_b=1).T

        return moved(substitute, X, left, n, right)


# ---------------------------------------------------------------- determinants


def slogdet(A):
    """(sign, log|det|) of a Kronecker product of square factors."""
    if 0 in A.shape:
        return 1.0, 0.0
    logs = each(_factor_slogdet, A._parts)
    return combined_slogdet(logs, [F.shape[0] for F in A.factors], A.shape[0])


def _factor_slogdet(F):
    if is_array(F):
        return lapack.slogdet(F)
    # The hooks before the verb: they keep double precision for a single-precision factor.
    result = F._slogdet()
    return linalg.slogdet(F) if result is NotImplemented else result


def combined_slogdet(logs, sizes, N):
    """det(A_1 (x) ... (x) A_d) = prod det(A_i)^(N / n_i), exact exponents."""
    sign, terms = 1.0, []
    for (s, value), n in zip(logs, sizes):
        if s == 0:
            return 0.0, -math.inf
        copies = N // n
        sign = sign * phase_power(s, copies)
        if value != 0:
            terms.append(copies * float(value) if copies < 2**1000 else _too_large(value))
    return sign, math.fsum(terms)


def _too_large(value):
    raise OverflowError(
        f"log|det| of this Kronecker product passes the largest number: a factor's {value:.3g} "
        "counts more than 2**1000 times"
    )


def phase_power(sign, exponent):
    """sign ** exponent for a number of modulus one and an integer of any size."""
    if sign.imag == 0:
        return -1.0 if sign.real < 0 and exponent & 1 else 1.0
    result, square = 1.0, complex(sign)
    while exponent:
        if exponent & 1:
            result *= square
        square *= square
        square /= abs(square)
        exponent >>= 1
    return result / abs(result)


# ---------------------------------------------------------------- inverse, QR


def inverses(factors):
    """The inverse of every factor; LinAlgError names the singular one."""
    return per_factor(lambda F: _lu(F).inv() if is_array(F) else linalg.inv(F), factors)


def qr(factors):
    """(Q_i), (R_i) with R = R_1 (x) ... (x) R_d upper triangular, else NotImplemented.

    Tall and square factors will do. A wide one makes R a trapezoid, which only the first factor can
    be, and only beside square ones.
    """
    first_wide = factors[0].shape[0] < factors[0].shape[1]
    for F in factors[1:]:
        m, n = F.shape
        if m < n or (first_wide and m != n):
            return NotImplemented
    if size_of(F.shape[0] for F in factors) == 0:
        return NotImplemented
    pairs = each(lambda F: lapack.qr(F) if is_array(F) else linalg.qr(F), factors)
    return [Q for Q, _ in pairs], [R for _, R in pairs]
