"""Solve, inverse and determinant of a chain of square factors, block by block.

``A^-1 = F_L^-1 ... F_1^-1``. Every block is inverted once, by elimination with pivoting; a solution
is improved with residuals of the whole product, so that an error which the factors magnify is one
that A itself magnifies.
"""

import math
import warnings

import numpy as np

from structmat import _checks, iterative
from structmat._results import Cost, Factorization
from structmat.linalg import _door
from structmat.matrices.chain.systems import balance, blocks, inverses
from structmat.matrices.elementary import Dense, Permutation, stacks
from structmat.matrices.elementary.certified import Certified, norm1

__all__ = [
    "ChainLU",
    "all_square",
    "block_inverse",
    "cost",
    "factorize",
    "inv",
    "representable",
    "slogdet",
]

_DENSE = 256  # up to this order a dense LU is cheaper than the certificate of a structured one
# ``| |F_1| ... |F_L| |_1 / |A|_1`` from which factors are said to undo each other. It was 1 to 40
# for transforms, convolutions, and random factors up to order 512.
_CANCELS = 1e3
_FIRST_CYCLE = 30


def all_square(A):
    """True when every block is square and nothing is cropped: A has a determinant by factors."""
    return not A.cropped and all(
        isinstance(F, Permutation) or F.pattern.b == F.pattern.c for F in A.factors
    )


def narrow_waist(A):
    """Where the product is singular by shape: (i, size) of an interior dimension below n, or None.

    ``rank(A)`` is at most each of the dimensions between the factors.
    """
    size, i = min(((F.shape[1], i) for i, F in enumerate(A.factors[:-1])), default=(math.inf, 0))
    return (i, size) if size < min(A.shape) else None


def _require_rank(A):
    waist = narrow_waist(A)
    if waist is not None:
        i, size = waist
        between = f"factors {i} and {i + 1} meet in {size} dimensions, fewer than {A.shape[0]}"
        raise _checks.singular(type(A).__name__, between)


def block_inverse(F, i):
    """BlockInverse of factor i; a LinAlgError names it."""
    return inverses.inverse(F.values, f"factor {i} (KroneckerSparse)")


def _inverses(factors):
    """(inverse of every factor, product of upper bounds of their condition numbers)."""
    found, bound = [], 1.0
    for i, F in enumerate(factors):
        if isinstance(F, Permutation):
            found.append(F._adjoint())
            continue
        inverse = block_inverse(F, i)
        found.append(type(F)(inverse.values))
        bound *= inverse.bound
    return found, bound


# ---------------------------------------------------------------- solve


class _ByInverses:
    """x = F_L^-1 ... F_1^-1 b."""

    def __init__(self, inverse):
        self.inverse, self._adjoint = inverse, None

    def solve(self, B, adjoint=False):
        if not adjoint:
            return self.inverse._apply(B)
        if self._adjoint is None:
            self._adjoint = self.inverse._adjoint()
        return self._adjoint._apply(B)


class _ByElimination:
    """The same with a fresh LU of every block for every right-hand side."""

    def __init__(self, factors):
        self.factors = factors

    def solve(self, B, adjoint=False):
        for F in self.factors[::-1] if adjoint else self.factors:
            F = F._adjoint() if adjoint else F
            if isinstance(F, Permutation):
                B = F._adjoint()._apply(B)
            else:
                a, b, _, d = F.pattern
                B = blocks.scatter(stacks.solve(blocks.stack(F), blocks.gather(B, a, b, d)), a, d)
        return B


class ChainLU(Factorization):
    """Pivoted elimination of every block of every factor, certified by residuals of the product.

    Attributes
    ----------
    rcond : float
        1 / (|A|_1 |A^-1|_1), estimated for the product, not bounded by those of the factors; where
        these undo each other, ``| |F_1| ... |F_L| |_1`` stands for |A|_1: A is known no better than
        to eps times that.

    Notes
    -----
    Factors whose scales differ by more than ``2**64`` are balanced first: columns of each are
    divided by powers of two, which the rows of the next take up, and one power of two is left over.
    No rounding is made by that.
    """

    structure = "Chain"

    def __init__(self, A):
        self.shape, self.dtype, self.matrix = A.shape, A.dtype, A
        self.structure = type(A).__name__
        factors, self._exponent = balance.balanced(A.factors)
        found, _ = _inverses(factors)
        even = A if factors is A.factors else balance.chain_of(factors)
        self._solver = Certified(
            even,
            _ByInverses(balance.chain_of(found[::-1])),
            lambda: _ByElimination(factors),
            structure=self.structure,
            method="LU with partial pivoting of every block of every factor, refined",
            fallback="LU with partial pivoting, block by block for every right-hand side, refined",
        )
        self._lost = _moduli(factors) / (self._solver._norm or 1.0)
        if self._lost > _CANCELS:
            _undone(self._lost * float(np.finfo(A.dtype).eps), self.structure)

    @property
    def method(self):
        """What the last solution took."""
        return self._solver.method

    @property
    def rcond(self):
        """Reciprocal condition number of the product."""
        return self._solver.rcond / self._lost if self._lost > _CANCELS else self._solver.rcond

    def _solve(self, B):
        if self._exponent == 0 or not B.size:
            return self._solver._solve(B)
        size = balance.exponents(abs(B).max(0))
        X = self._solver._solve(balance.shifted(B, -size))
        with np.errstate(over="ignore"):
            X = balance.shifted(X, size - self._exponent)
        return _checks.representable(X, "solve")

    def _slogdet(self):
        return slogdet(self.matrix)


def factorize(A):
    """ChainLU where every factor is square; LinAlgError where an interior dimension is below n.

    Up to order 256 one LU of the dense matrix costs less than its certificate; where that finds A
    ill-conditioned, the factors are asked, which know a singular block for sure.

    Rectangular factors of a square product (a Monarch of block rank 2 or more) have no LU of their
    own. Written out as one sparse system in x and all that lies between the factors, they fill in
    completely: what is left after the blocks are eliminated is a dense system of order n (r - 1),
    and its sparse LU took 3 to 11 times as long as LU of the dense n x n matrix (n = 256 to 1024).
    So they, and cropped chains, take the general way, iteration above order 2048; unless a first
    cycle of GMRES stalls, for then LU of the dense matrix is at hand sooner (2 to 5 times, for
    n = 2304 and 4096).
    """
    _require_rank(A)
    if not all_square(A):
        _announce_undone(A)
        return _stalled_lu(A)
    return _small_lu(A) or ChainLU(A)


def _announce_undone(A):
    """Warns where the factors undo each other: neither LU nor iteration sees that of a product."""
    xp, n = A._namespace or np, A.shape[0]
    if n == 0 or not all(balance.is_tame(F) for F in A.factors):
        return
    size = norm1(A._apply, A._adjoint()._apply, n, A.dtype, xp)
    lost = _moduli(A.factors, A.shape) / size if size > 0 else 0.0
    if lost > _CANCELS:
        _undone(lost * float(np.finfo(A.dtype).eps), type(A).__name__)


def _stalled_lu(A):
    """LU of the dense matrix, announced, where iteration makes no headway; else NotImplemented."""
    n = A.shape[0]
    if _door.small(A) or not _checks.fits(_checks.dense_bytes(A.shape, A.dtype)):
        return NotImplemented
    xp = A._namespace or np
    b = xp.asarray(np.random.default_rng(n).standard_normal((n, 1)).astype(A.dtype))
    with np.errstate(all="ignore"):
        found = iterative.gmres(A.__matmul__, b, maxiter=_FIRST_CYCLE)
    if float(found.residual[0]) <= 0.5:
        return NotImplemented
    return _door.dense(A, "solve")._factorize()


def _undone(error, structure):
    """Says that no residual of such a product is known better than to `error`."""
    from scipy.linalg import LinAlgWarning

    if not error < 1:
        raise np.linalg.LinAlgError(
            f"{structure}: no accurate solution: the factors undo each other, and no digit of "
            "their product is known; use higher precision"
        )
    warnings.warn(
        f"{structure}: the factors undo each other; their product, and the backward error of a "
        f"solution, are known to {error:.1g} only; use higher precision",
        LinAlgWarning,
        stacklevel=5,
    )


class _DenseLU(Factorization):
    """LU of the dense matrix of a small chain; the determinant is that of the factors."""

    method = "LU of the dense matrix with partial pivoting; determinant block by block"

    def __init__(self, A, factored):
        self.shape, self.dtype, self.matrix = A.shape, A.dtype, A
        self.structure, self.rcond = type(A).__name__, factored.rcond
        self._solve = factored._solve

    def _slogdet(self):
        return slogdet(self.matrix)


def _small_lu(A):
    """LU of the dense matrix of a small and well-conditioned chain, or None."""
    if A.shape[0] > _DENSE or not all(balance.is_tame(F) for F in A.factors):
        return None
    try:
        with np.errstate(all="ignore"):
            dense = Dense(A._toarray())
            # Factors that undo each other: the residual of a product cannot show it.
            if not _moduli(A.factors) <= _CANCELS * dense._norm(1):
                return None
            factored = dense._factorize()
    except (np.linalg.LinAlgError, ValueError):
        return None
    if not factored.rcond > float(np.finfo(A.dtype).eps) ** 0.5:
        return None
    return _DenseLU(A, factored)


def _moduli(factors, shape=None):
    """``| |F_1| |F_2| ... |F_L| |_1``, to which the rounding errors of products are relative.

    Of the leading part of a shape, where one is given.
    """
    full = factors[0].shape[0], factors[-1].shape[1]
    m, n = full if shape is None else shape
    if 0 in (m, n):
        return 0.0
    sums = (factors[0]._namespace or np).ones((full[0], 1), np.finfo(factors[0].dtype).dtype)
    sums[m:] = 0
    for F in factors:
        if isinstance(F, Permutation):
            sums = sums[F._adjoint().p]
        else:
            sums = type(F)(abs(F.values).transpose(0, 1, 3, 2))._apply(sums)
    return float(sums[:n].max())


# ---------------------------------------------------------------- inverse, determinant


def inv(A):
    """F_L^-1 ... F_1^-1, a chain of the mirrored patterns.

    The condition number is estimated, by products, only where its bound by the factors' own leaves
    a doubt.
    """
    _require_rank(A)
    if not all_square(A):
        return NotImplemented
    found, bound = _inverses(A.factors)
    inverse = A._reversed(found)
    eps = float(np.finfo(A.dtype).eps)
    if not bound < 1 / eps:
        rcond = _rcond(A, inverse)
        if rcond < eps:
            _checks.ill_conditioned(rcond, type(A).__name__, stacklevel=4)
    return representable(inverse, "inv")


def representable(inverse, verb):
    """An inverse, or OverflowError where its factors are in range and their product is not."""
    if all(balance.is_moderate(F) for F in inverse.factors):
        return inverse
    n = inverse.shape[1]
    xp = inverse._namespace or np
    with np.errstate(all="ignore"):
        _checks.representable(inverse._apply(xp.full((n, 1), 1 / n, inverse.dtype)), verb)
    return inverse


def _rcond(A, inverse):
    xp, n = A._namespace or np, A.shape[0]
    with np.errstate(all="ignore"):
        sizes = [norm1(M._apply, M._adjoint()._apply, n, A.dtype, xp) for M in (A, inverse)]
    size = math.prod(sizes)
    # Factors of extreme scales overflow on the way through their product.
    return 1 / size if math.isfinite(size) and size > 0 else ChainLU(A).rcond


def slogdet(A):
    """Sums over all blocks of all factors; a permutation gives its sign."""
    if narrow_waist(A) is not None:
        return 0.0, -math.inf
    if not all_square(A):
        return NotImplemented
    sign, terms, exponent = 1.0, [], 0
    plain = all(isinstance(F, Permutation) or blocks.has_plain_size(F) for F in A.factors)
    for i, F in enumerate(A.factors):
        if isinstance(F, Permutation):
            sign = sign * F._slogdet()[0]
            continue
        s, value, e = blocks.determinant(F, plain, f"factor {i} (KroneckerSparse)")
        if s == 0:
            return 0.0, -math.inf
        sign = sign * s
        terms.append(float(value))
        exponent += e
    # Powers of two are exact, and those of factors that undo each other leave before they round.
    return sign / abs(sign), math.fsum((*terms, exponent * math.log(2)))


# ---------------------------------------------------------------- cost


def cost(A, verb, ncols):
    """Products and solves factor by factor; the other verbs where they are exact."""
    if verb == "matmul":
        return _total(A, "factor by factor", verb, ncols)
    if verb in ("solve", "slogdet"):
        return _cost_by_factors(A, verb, ncols) if all_square(A) else NotImplemented
    from structmat.matrices.chain.systems import spectral

    return spectral.cost(A, verb)


def _cost_by_factors(A, verb, ncols):
    if verb != "solve" or A.shape[0] > _DENSE:
        name = "LU with partial pivoting of every block of every factor, refined"
        return _total(A, name, verb, ncols)
    n, complex_factor = float(A.shape[0]), 4.0 if A.dtype.kind == "c" else 1.0
    made = _total(A, "", "matmul", n)
    flops = made.flops + complex_factor * (2 / 3 * n**3 + 2 * n * n * ncols)
    return Cost("LU of the dense matrix, the cheaper one at this order", flops, made.bytes)


def _total(A, name, verb, ncols):
    parts = [F._cost(verb, ncols) for F in A.factors]
    return Cost(name, math.fsum(p.flops for p in parts), math.fsum(p.bytes for p in parts))
