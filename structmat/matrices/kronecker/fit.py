"""The nearest Kronecker product, or sum of several, to a matrix: `structmat.project`."""

import functools
import math
import operator

import numpy as np

from structmat import _checks, _rules
from structmat._backend import dense as lapack
from structmat._backend.arrays import is_array, namespace_of
from structmat._results import ProjectionResult
from structmat.linalg import _door
from structmat.matrices.elementary import Dense, Diagonal, Identity, Sparse
from structmat.matrices.kronecker.hermitian import adjoint_phase
from structmat.matrices.kronecker.matrix import Kronecker
from structmat.matrices.kronecker.modes import size_of, times_power
from structmat.matrices.kronecker.rearranged import ActionMatrix, DenseTensor, SparseTensor, tail
from structmat.matrices.lazy import Scaled, Sum

__all__ = ["preconditioner", "project"]

# Sums of three and more factors have no bound on how many terms they need; this is where we stop.
_MOST_TERMS = 32
_SWEEPS = 500


def project(M, rtol, budget, shapes, terms):
    """The nearest sum of Kronecker products with factors of given shapes, in the Frobenius norm.

    Parameters
    ----------
    M : array, sparse array, LinearOperator or StructuredMatrix, shape (m, n)
        The target. An operator is read by its products with unit vectors.
    rtol : float or None
        Terms are added until the relative error is at most this.
    budget : int or None
        At most so many numbers in the factors.
    shapes : sequence of (int, int)
        Shape of every factor, with products m and n.
    terms : int or None
        How many Kronecker products (at most, beside `rtol`); default 1.

    Returns
    -------
    ProjectionResult
        A Kronecker, or a sum of several. For two factors it is the best there is: the truncated SVD
        of the rearranged matrix [1]_. For more, it is a local optimum (alternating least squares
        from higher-order SVD), and `lower_bound` tells how far the best can be.

    Notes
    -----
    A Hermitian M gets Hermitian factors (or, in further terms, pairs of skew-symmetric ones), and a
    positive definite M positive definite ones ([1]_, Theorem 5.8).

    References
    ----------
    .. [1] C. F. Van Loan and N. Pitsianis, Approximation with Kronecker products, in *Linear
       Algebra for Large Scale and Real-Time Applications*, Kluwer, 1993, 293-314.
    """
    M, shapes = _arguments(M, shapes)
    most = _limit(shapes, rtol, budget, terms)
    if len(shapes) == 1:
        return ProjectionResult(Kronecker(M), 0.0, 0.0, 0.0)
    source, bases, exponent = _source(M, shapes)
    if source.norm == 0 or 0 in M.shape:
        zero = Kronecker(*(np.zeros(s, M.dtype) for s in shapes))
        return ProjectionResult(zero, 0.0, 0.0, 0.0)
    hermitian = _is_hermitian(M, shapes)
    fit = _by_svd if len(shapes) == 2 else _by_sweeps
    columns, error, lower = fit(source, most, rtol, hermitian and bases is None, shapes)
    if bases is not None:
        columns = [Q @ A for Q, A in zip(bases, columns)]
    matrix = _assembled(columns, shapes, hermitian, exponent)
    error, lower = error / source.norm, min(lower, error) / source.norm
    return ProjectionResult(matrix, error, lower, error)


# ---------------------------------------------------------------- arguments


def _arguments(M, shapes):
    if not is_array(M):
        M = _rules.lift(M)
        M = M.array if isinstance(M, Dense) else M
    if shapes is None:
        raise ValueError(
            "project onto Kronecker needs `shapes`, one (m_i, n_i) a factor, for example "
            f"shapes=[(m1, n1), (m2, n2)] with m1 * m2 = {M.shape[0]} and n1 * n2 = {M.shape[1]}"
        )
    shapes = [tuple(_checks.size(s, "shapes") for s in shape) for shape in shapes]
    if not shapes or any(len(s) != 2 for s in shapes):
        raise ValueError(f"`shapes` must be a list of pairs (m_i, n_i); got {shapes}")
    product = size_of(m for m, _ in shapes), size_of(n for _, n in shapes)
    if product != tuple(M.shape):
        raise ValueError(
            f"`shapes` {shapes} multiply to {product}; the matrix has shape {tuple(M.shape)}"
        )
    return M, shapes


def _limit(shapes, rtol, budget, terms):
    each = sum(m * n for m, n in shapes)
    most = 1 if rtol is None and budget is None else _MOST_TERMS
    if len(shapes) == 2:
        whole = min(m * n for m, n in shapes)
        most = 1 if most == 1 else max(whole, 1)
    if terms is not None:
        most = _checks.count(terms, max(_MOST_TERMS, *(m * n for m, n in shapes)), "terms")
        if len(shapes) == 2:
            most = min(most, max(whole, 1))
    if budget is not None:
        if budget < each:
            raise ValueError(f"`budget` must be at least {each}, one term; got {budget}")
        most = min(most, budget // max(each, 1))
    return most


def _source(M, shapes):
    """(rearrangement of M * 2**-exponent, orthonormal bases of its axes or None, exponent)."""
    if is_array(M):
        exponent = _exponent(lapack.norm(M, "max"))
        return DenseTensor.of_matrix(times_power(M, -exponent), shapes), None, exponent
    terms = _terms_of(M, shapes)
    if terms is not None:
        return *_compressed(terms, shapes), 0
    if isinstance(M, Sparse):
        S = M.tosparse()
        exponent = _exponent(float(abs(S.data).max(initial=0)))
        S.data = times_power(S.data, -exponent)
        return SparseTensor.of_matrix(S, shapes), None, exponent
    small = _checks.dense_bytes(M.shape, M.dtype) <= _checks.DENSIFY_WARN_BYTES
    if small:
        return DenseTensor.of_matrix(M.toarray(), shapes), None, 0
    if len(shapes) > 2:
        raise NotImplementedError(
            f"project: more than two factors of an operator of shape {M.shape} need its entries; "
            "pass M.tosparse() or M.toarray(), or fit two factors and then the second again"
        )
    return ActionMatrix(M, shapes), None, 0


def _exponent(top):
    """A power of two as large as the largest entry: squares of 1e150 overflow."""
    return math.frexp(top)[1] if 0 < top < math.inf else 0


def _terms_of(M, shapes):
    """[(A_1, ..., A_d)] with M = sum of A_1 (x) ... (x) A_d, where that is what M is; else None."""
    if isinstance(M, Sum):
        parts = [_terms_of(T, shapes) for T in M.terms]
        return None if any(p is None for p in parts) else [t for p in parts for t in p]
    if isinstance(M, Scaled):
        inner = _terms_of(M.matrix, shapes)
        return inner and [(M.scalar * t[0], *t[1:]) for t in inner]
    if isinstance(M, Kronecker):
        return [_arrays(M._parts)] if [tuple(F.shape) for F in M.factors] == shapes else None
    if any(m != n for m, n in shapes):
        return None
    sizes = [n for n, _ in shapes]
    if isinstance(M, Identity):
        return [tuple(np.eye(n, dtype=M.dtype) for n in sizes)]
    if isinstance(M, Diagonal):
        return _diagonal_terms(M, sizes)
    first, second = getattr(M, "first", None), getattr(M, "second", None)
    if isinstance(first, Kronecker) and isinstance(second, Kronecker):
        parts = _terms_of(first, shapes), _terms_of(second, shapes)
        return None if None in parts else parts[0] + parts[1]
    if type(M).__name__ == "KroneckerSum" and [F.shape[0] for F in M.factors] == sizes:
        eyes = [np.eye(n, dtype=M.dtype) for n in sizes]
        own = _arrays(M.factors)
        return [(*eyes[:i], own[i], *eyes[i + 1 :]) for i in range(len(sizes))]
    return None


def _arrays(factors):
    return tuple(F if is_array(F) else F.toarray() for F in factors)


def _diagonal_terms(D, sizes):
    """A diagonal on a grid as a sum of Kronecker products of diagonals, by its own SVD."""
    if len(sizes) != 2:
        return None
    U, S, Vh = lapack.svd(D.values.reshape(sizes))
    keep = S > max(sizes) * float(np.finfo(S.dtype).eps) * S[:1].sum()
    return [(np.diag(s * u), np.diag(v)) for u, s, v in zip(U.T[keep], S[keep], Vh[keep])] or [
        tuple(np.zeros((n, n), D.dtype) for n in sizes)
    ]


def _compressed(terms, shapes):
    """A sum of t Kronecker products is a tensor whose axes have rank at most t: (core, bases)."""
    bases, small = [], []
    for i, (m, n) in enumerate(shapes):
        columns = np.stack([t[i].reshape(m * n) for t in terms], axis=1)
        Q, R = lapack.qr(columns)
        bases.append(Q)
        small.append(R)
    core = small[0]
    for R in small[1:]:
        core = (core[:, None, :] * R[None, :, :]).reshape(-1, R.shape[1])
    return DenseTensor(core.sum(1).reshape([Q.shape[1] for Q in bases])), bases


def _is_hermitian(M, shapes):
    if M.shape[0] != M.shape[1] or any(m != n for m, n in shapes):
        return False
    return adjoint_phase(M) == 1 if is_array(M) else _door.is_hermitian(M)


# ---------------------------------------------------------------- fits


def _by_svd(source, most, rtol, hermitian, shapes):
    """(columns, error, lower bound) by the SVD of the rearranged matrix: Eckart and Young."""
    r = most if rtol is None else min(most, 8)
    while True:
        U, S, V, whole, above = source.leading(0, r)
        if rtol is None:
            break
        small = [q for q in range(1, min(r, len(S)) + 1) if _met(S, q, whole, source.norm, rtol)]
        if small or r >= most:
            r = small[0] if small else min(most, len(S))
            break
        # All values are known after a whole SVD; an iteration is asked for twice as many.
        r = min(most, 2 * r)
    U, V, kept = U[:, :r], V[:, :r], S[:r]
    if U.shape[1] == 1 and hermitian:
        return _symmetric_pair(source, U, shapes)
    columns = [U * kept**0.5, V.conj() * kept**0.5]
    if whole:
        error = tail(S, r, True, source.norm)
        return columns, error, error
    return columns, source.distance(columns), tail(above, r, False, source.norm)


def _met(S, q, whole, norm, rtol):
    return tail(S, q, whole, norm) <= rtol * norm


def _symmetric_pair(source, U, shapes):
    """The leading pair of a Hermitian matrix with a Hermitian left factor.

    Taking the Hermitian part commutes with the rearrangement, so the part of a leading singular
    vector is one again, also where the leading value is repeated.
    """
    A = U[:, 0].reshape(shapes[0])
    A, _ = _hermitian_part(A)
    a = A.reshape(-1, 1)
    a = a / lapack.norm(a)
    b = source.against(1, [a, None])
    size = lapack.norm(b)
    columns = [a * size**0.5, b / size**0.5]
    error = source.distance(columns)
    return columns, error, error


def _by_sweeps(source, most, rtol, hermitian, shapes):
    """Alternating least squares for d axes, from the higher-order SVD and a random start."""
    r = most if rtol is None else 1
    while True:
        best = None
        starts = [_hosvd_start(source, r)]
        if r > 1:
            starts.append(_random_start(source, r))
        for start in starts:
            columns = _alternate(source, start)
            found = source.distance(columns), columns
            best = found if best is None or found[0] < best[0] else best
        error, columns = best
        if rtol is None or error <= rtol * source.norm or r >= most:
            return columns, error, _lower_bound(source, r)
        r += 1


def _lower_bound(source, r):
    """No sum of r products is nearer than the best matrix of rank r to any unfolding."""
    bound = 0.0
    for i in range(len(source.dims)):
        found = source.leading(i, r)
        bound = max(bound, tail(found.above, r, found.whole, source.norm))
    return bound


def _hosvd_start(source, r):
    columns = []
    for i, p in enumerate(source.dims):
        U = source.leading(i, r)[0]
        if U.shape[1] < r:
            extra = _gaussian((p, r - U.shape[1]), source.dtype, seed=i)
            U = namespace_of(U).concatenate([U, extra / max(p, 1) ** 0.5], axis=1)
        columns.append(U)
    return columns


def _random_start(source, r):
    return [_gaussian((p, r), source.dtype, seed=i + 1) for i, p in enumerate(source.dims)]


def _gaussian(shape, dtype, seed):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def _alternate(source, columns):
    """Sweeps of linear least squares, one factor at a time, until the fit stands still."""
    columns, d = list(columns), len(columns)
    eps = float(np.finfo(source.dtype).eps)
    before = math.inf
    for _ in range(_SWEEPS):
        for i in range(d):
            grams = [A.T @ A.conj() for j, A in enumerate(columns) if j != i]
            gram = functools.reduce(operator.mul, grams)
            right = source.against(i, columns)
            A = right @ np.linalg.pinv(gram, hermitian=True).astype(source.dtype, copy=False)
            columns[i] = A
            if i < d - 1:
                sizes = np.sqrt((abs(A) ** 2).sum(0))
                columns[i] = A / (sizes + (sizes == 0))
        # At a least-squares solution |T - K|^2 = |T|^2 - <T, K>.
        fit = float((columns[-1].conj() * right).sum().real)
        if abs(fit - before) <= 4 * eps * source.norm**2:
            break
        before = fit
    return columns


# ---------------------------------------------------------------- factors


def _hermitian_part(A):
    """(H, c) with A = c H to rounding where A is Hermitian but for a phase: H is its nearest."""
    if A.dtype.kind != "c":
        if float((A * A.T).sum()) >= 0:
            return (A + A.T) / 2, 1.0
        return (A - A.T) / 2, 1.0
    # For A = exp(i t) H the sum of A[p, q] A[q, p] is exp(2 i t) |H|^2.
    angle = float(np.angle(complex((A * A.T).sum()))) / 2
    c = complex(math.cos(angle), math.sin(angle))
    A = A * A.dtype.type(c.conjugate())
    return (A + A.conj().T) / 2, c


def _assembled(columns, shapes, hermitian, exponent):
    """The sum of Kronecker products of reshaped columns, of even sizes and positive traces."""
    d, total = len(shapes), None
    powers = [exponent // d + (i < exponent % d) for i in range(d)]
    for t in range(columns[0].shape[1]):
        factors = [A[:, t].reshape(shape) for A, shape in zip(columns, shapes)]
        if hermitian:
            factors = _symmetrised(factors)
        factors = _evened(factors)
        factors = [times_power(F, p) for F, p in zip(factors, powers)]
        term = Kronecker(*factors)
        total = term if total is None else total + term
    return total


def _symmetrised(factors):
    """Hermitian factors, where that changes rounding only, of positive trace but for the first."""
    parts = [_hermitian_part(F) for F in factors]
    eps = float(np.finfo(factors[0].dtype).eps)
    for F, (H, c) in zip(factors, parts):
        if lapack.norm(F - F.dtype.type(c) * H) > eps**0.5 * lapack.norm(F):
            return factors
    phase = math.prod(c for _, c in parts)
    sign = -1 if phase.real < 0 else 1
    factors = [H for H, _ in parts]
    for i, H in enumerate(factors[1:], 1):
        if float(H.trace().real) < 0:
            factors[i], sign = -H, -sign
    factors[0] = factors[0] * sign
    return factors


def _evened(factors):
    """Factors of equal norm."""
    sizes = [lapack.norm(F) for F in factors]
    if not all(sizes):
        return factors
    mean = math.exp(math.fsum(math.log(s) for s in sizes) / len(sizes))
    return [F * F.real.dtype.type(mean / s) for F, s in zip(factors, sizes)]


# ---------------------------------------------------------------- preconditioner of a sum


def preconditioner(terms):
    """Inverse of the Kronecker product nearest to a sum of them; else NotImplemented."""
    model = next(T for T in terms if isinstance(T, Kronecker))
    shapes = [tuple(F.shape) for F in model.factors]
    if any(m != n or m > _door.DENSE_ORDER for m, n in shapes) or len(shapes) < 2:
        return NotImplemented
    found = [_terms_of(T, shapes) for T in terms]
    if any(f is None for f in found):
        return NotImplemented
    source, bases = _compressed([t for f in found for t in f], shapes)
    if source.norm == 0:
        return NotImplemented
    fit = _by_svd if len(shapes) == 2 else _by_sweeps
    columns, _, _ = fit(source, 1, None, False, shapes)
    hermitian = all(T._is_hermitian() is True for T in terms)
    nearest = _assembled([Q @ A for Q, A in zip(bases, columns)], shapes, hermitian, 0)
    try:
        return nearest._inv()
    except np.linalg.LinAlgError:
        return NotImplemented
