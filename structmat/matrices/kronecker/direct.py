"""Factorisations of a Kronecker product from its factors': LU, QR, inverses, determinants."""

import math

import numpy as np

from structmat import _checks, linalg
from structmat._backend import dense as lapack
from structmat._backend.arrays import is_array
from structmat._results import Factorization
from structmat.matrices.elementary import Permutation
from structmat.matrices.kronecker.modes import size_of
from structmat.matrices.kronecker.products import each, moved
from structmat.matrices.kronecker.triangles import Substitution, row_order

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
            inverse = np.argsort(row_order(part))
            P.append(Permutation(inverse, self.dtype))
            L.append(np.tril(part.factors, -1) + np.eye(n, dtype=self.dtype))
            U.append(np.triu(part.factors) / part.scale)
        return Kronecker(*P), Kronecker(*L), Kronecker(*U)


def _is_lu(part):
    return isinstance(part, lapack.LU)


def _on_host(part):
    return isinstance(part.factors, np.ndarray)


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
