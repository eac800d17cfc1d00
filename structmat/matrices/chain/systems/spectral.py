"""Singular values, eigenvalues, norms and conditions of a chain, where one factor has them.

``A = U_1 F U_2`` with isometries U_1, U_2 (transforms, permutations) has the singular values of F,
and ``A = X F X^-1`` its eigenvalues. Everything else has no closed form and is left to the dense
matrix or to iteration, save the condition number of a large chain of square factors: the inverse is
a chain, and its largest singular value the reciprocal of A's smallest.
"""

import math

import numpy as np

from structmat import _checks, linalg
from structmat._backend.arrays import namespace_of
from structmat._results import Cost, EighResult, EigResult, SVDResult
from structmat.linalg import _door
from structmat.matrices.chain import entries
from structmat.matrices.chain.systems import balance, blocks, direct, inverses
from structmat.matrices.chain.systems.isometries import normalized, scale_of_isometry
from structmat.matrices.elementary import Diagonal, Identity, Permutation

__all__ = ["cond", "cost", "eig", "eigh", "eigvals", "eigvalsh", "norm", "svd", "svds", "svdvals"]


def _even(A):
    """As `balance.out_of_range`; ValueError names the factor and block of a NaN or infinity."""
    for i, F in enumerate(A.factors):
        if not isinstance(F, Permutation):
            inverses.require_finite(F.values, f"factor {i} (KroneckerSparse)")
    return balance.out_of_range(A)


# ---------------------------------------------------------------- one factor between isometries


def _core(A):
    """(left isometries, the one factor that is none, right ones, their scale), or None.

    The left ones have orthonormal columns, the right ones orthonormal rows, after division by
    their scales. Where every factor is an isometry, the core is the last.
    """
    if A.cropped or 0 in A.shape:
        return None
    factors, scale = A.factors, 1.0
    left, right = [], []
    for F in factors[:-1]:
        s = scale_of_isometry(F)
        if s is None:
            break
        left.append(normalized(F, s))
        scale *= s
    for F in factors[: len(left) : -1]:
        s = scale_of_isometry(F._adjoint())
        if s is None:
            return None
        right.append(normalized(F, s))
        scale *= s
    core = factors[len(left)]
    # Singular values are lost on neither side only if the core is as narrow as A.
    if min(core.shape) != min(A.shape) or not 0 < scale < math.inf:
        return None
    return left, core, right[::-1], scale


def _scaled(S, scale):
    return S if scale == 1 else (S * scale).astype(S.dtype, copy=False)


def svd(A, full_matrices):
    """U_1 U, s S, Vh U_2 from the core's U, S, Vh: chains, with a permutation that sorts."""
    even = _even(A)
    if even is not None:
        U, S, Vh = linalg.svd(even[0], full_matrices)
        return SVDResult(U, _raised(S, even[1], "singular values"), Vh)
    found = _core(A)
    if found is None:
        return NotImplemented
    left, core, right, scale = found
    if full_matrices and not all(F.shape[0] == F.shape[1] for F in (*left, *right)):
        return NotImplemented  # completing an isometry is beyond its blocks
    U, S, Vh = core._svd(full_matrices)
    return SVDResult(_product([*left, U]), _scaled(S, scale), _product([Vh, *right]))


def _product(parts):
    """The product of factors, chains, permutations and products of these: one chain if it can."""
    flat = [F for part in parts for F in _flat(part)]
    flat = [F for F in flat if not isinstance(F, Identity)] or flat[:1]
    return flat[0] if len(flat) == 1 else balance.chain_of(flat)


def _flat(M):
    """The factors of a lazy product or of a chain."""
    inner = getattr(M, "factors", None)
    return [M] if inner is None else [F for part in inner for F in _flat(part)]


def _raised(values, e, what):
    """Numbers times 2^e, or OverflowError."""
    with np.errstate(over="ignore", under="ignore"):
        return _checks.representable(balance.shifted(values, e), what)


def svdvals(A):
    """Those of the core."""
    even = _even(A)
    if even is not None:
        return _raised(linalg.svdvals(even[0]), even[1], "singular values")
    found = _core(A)
    if found is None:
        return NotImplemented
    _, core, _, scale = found
    return _scaled(core._svdvals(), scale)


def svds(A, k):
    """U_1 u, s S, v U_2 for the core's k largest triplets."""
    found = _core(A)
    if found is None:
        return NotImplemented
    left, core, right, scale = found
    U, S, Vh = core._svds(k)
    for F in left[::-1]:
        U = F._apply(U)
    V = Vh.conj().T
    for F in right:
        V = F._adjoint()._apply(namespace_of(V).ascontiguousarray(V))
    return SVDResult(U, _scaled(S, scale), V.conj().T)


# ---------------------------------------------------------------- norms and conditions


def norm(A, ord):
    """Frobenius from the slices; 2, -2 and nuclear from exact singular values."""
    if ord == "fro":
        return entries.frobenius(A)
    # NaN is for the sums of moduli to return, and for singular values to refuse.
    even = None if 0 in A.shape else (_even if ord in (2, -2, "nuc") else balance.out_of_range)(A)
    if even is not None:
        value = np.asarray(linalg.norm(even[0], ord))
        return float(_raised(value, even[1], f"the {ord} norm"))
    if ord not in (2, -2, "nuc"):
        return NotImplemented
    S = svdvals(A)
    if S is NotImplemented:
        return _smallest(A) if ord == -2 else NotImplemented
    return float(S.sum(dtype=np.float64) if ord == "nuc" else S[0] if ord == 2 else S[-1])


def _smallest(A):
    """1 / |A^-1|_2 of a chain that is too large for a dense matrix; else NotImplemented."""
    if _door.small(A) or not direct.all_square(A):
        return NotImplemented
    try:
        inverse = direct.inv(A)
    except np.linalg.LinAlgError:
        return 0.0
    return 1 / float(linalg.svds(inverse, 1).S[0])


def cond(A, p):
    """Ratio of the extreme singular values, exact or of a small matrix; else left to the norms."""
    if 0 in A.shape:
        return NotImplemented
    even = _even(A)
    if even is not None:
        return linalg.cond(even[0], p)
    if p not in (2, -2):
        return NotImplemented
    S = svdvals(A)
    if S is NotImplemented and _door.small(A):
        S = _door.dense(A, "cond")._svdvals()  # once, for both ends
    if S is NotImplemented:
        return NotImplemented
    largest, smallest = (float(S[0]), float(S[-1])) if p == 2 else (float(S[-1]), float(S[0]))
    return largest / smallest if smallest else math.inf


# ---------------------------------------------------------------- eigenvalues


def _similar(A):
    """(outer factors X, middle factor or None, s) with A = s X M X^-1, or None.

    Pairs of outer factors are peeled off while the last times the first is a multiple of the
    identity.
    """
    if not direct.all_square(A) or 0 in A.shape:
        return None
    outer, inner, scale = [], list(A.factors), 1.0
    while len(inner) > 1:
        s = _multiple(inner[-1], inner[0])
        if s is None:
            return None
        outer.append(inner[0])
        scale *= s
        inner = inner[1:-1]
    if not 0 < abs(scale) < math.inf:
        return None
    return outer, (inner[0] if inner else None), scale


def _multiple(G, F):
    """s with G F = s I to rounding, block by block, or None."""
    if isinstance(F, Permutation) or isinstance(G, Permutation):
        inverse = isinstance(F, Permutation) and isinstance(G, Permutation) and G == F._adjoint()
        return 1.0 if inverse else None
    if F.pattern != G.pattern:
        return None
    b = F.pattern.b
    product = blocks.stack(G) @ blocks.stack(F)
    s = complex(product[0, 0, 0])
    with np.errstate(invalid="ignore"):
        error = float(abs(product - s * namespace_of(product).eye(b)).max())
    rounding = 8 * b * float(np.finfo(F.dtype).eps) * abs(s)
    if s == 0 or not error <= rounding:
        return None
    return s if abs(s.imag) > rounding else s.real


def eig(A):
    """Eigenvalues of the middle factor; vectors X V."""
    even = _even(A)
    if even is not None:
        w, V = linalg.eig(even[0])
        return EigResult(_raised(w, even[1], "eigenvalues"), V)
    found = _similar(A)
    if found is None:
        return NotImplemented
    outer, middle, scale = found
    if middle is None:
        n = A.shape[0]
        return EigResult(_constant(A, scale), Identity(n, A.dtype))
    found = middle._eig()
    if found is NotImplemented:
        return NotImplemented
    w, V = found
    V = _unit_columns([_of_size_one(F) for F in outer], V)
    return NotImplemented if V is None else EigResult(_times(w, scale), V)


def _of_size_one(F):
    """A factor times a power of two: its eigenvectors may have any length on the way."""
    if isinstance(F, Permutation):
        return F
    return type(F)(balance.shifted(F.values, -math.frexp(inverses.largest(F.values))[1]))


def _unit_columns(outer, V):
    """X V D with D > 0 diagonal and columns of norm one; None where rounding left a zero column."""
    scales = [scale_of_isometry(F) for F in outer]
    if None not in scales:  # V has columns of norm one
        return _applied([normalized(F, s) for F, s in zip(outer, scales, strict=True)], V)
    X = _applied(outer, V)
    xp = X._namespace or np
    lengths = [_lengths(block) for _, block in _door.columns(X)]
    lengths = xp.concatenate(lengths)
    if not bool(((lengths > 0) & (lengths < math.inf)).all()):
        return None
    return X @ Diagonal((1 / lengths).astype(X.dtype))


def _lengths(block):
    """2-norms of columns, in double precision and without squares out of range."""
    xp = namespace_of(block)
    size = abs(block).astype(np.float64)
    top = size.max(0)
    divisor = xp.where(top > 0, top, 1)
    return divisor * xp.sqrt(((size / divisor) ** 2).sum(0))


def _applied(outer, V):
    """The product of outer factors and vectors: one chain where V is a factor."""
    if not outer:
        return V
    if all(hasattr(F, "pattern") or isinstance(F, Permutation | Identity) for F in _flat(V)):
        return _product([*outer, V])
    return balance.chain_of(outer) @ V


def eigvals(A):
    """Eigenvalues of the middle factor."""
    even = _even(A)
    if even is not None:
        return _raised(linalg.eigvals(even[0]), even[1], "eigenvalues")
    found = _similar(A)
    if found is None:
        return NotImplemented
    _, middle, scale = found
    if middle is None:
        return _constant(A, scale)
    w = middle._eigvals()
    return NotImplemented if w is NotImplemented else _times(w, scale)


def _constant(A, scale):
    xp = A._namespace or np
    kind = A.dtype if not isinstance(scale, complex) else np.result_type(A.dtype, np.complex64)
    return xp.full(A.shape[0], scale, kind)


def _times(w, scale):
    if scale == 1:
        return w
    kind = w.dtype if not isinstance(scale, complex) else np.result_type(w.dtype, np.complex64)
    wide = np.result_type(kind, np.float64)
    with np.errstate(over="ignore"):
        w = (w.astype(wide) * scale).astype(kind, copy=False)
    return _checks.representable(w, "eigenvalues")


def _unitarily_similar(A):
    """As `_similar`, with X of orthonormal columns and a real s; None also where it is not so."""
    found = _similar(A)
    if found is None or found[1] is None or isinstance(found[2], complex):
        return None
    outer, middle, scale = found
    sizes = [scale_of_isometry(F) for F in outer]
    if None in sizes:
        return None
    return [normalized(F, s) for F, s in zip(outer, sizes, strict=True)], middle, scale


def eigh(A):
    """Eigenvalues of the middle factor of a Hermitian chain, ascending; orthonormal vectors X V."""
    found = _unitarily_similar(A)
    if found is None or not found[1]._is_hermitian():
        return NotImplemented
    outer, middle, scale = found
    vectors = middle._eigh()
    if vectors is NotImplemented:
        return NotImplemented
    w, V = vectors
    X, w = _applied(outer, V), _times(w, scale)
    if scale > 0:
        return EighResult(w, X)
    backwards = (A._namespace or np).arange(len(w))[::-1]
    return EighResult(w[::-1].copy(), X @ Permutation(backwards.copy(), X.dtype))


def eigvalsh(A):
    """Eigenvalues of the middle factor of a Hermitian chain, ascending."""
    found = _unitarily_similar(A)
    if found is None or not found[1]._is_hermitian():
        return NotImplemented
    w = found[1]._eigvalsh()
    if w is NotImplemented:
        return NotImplemented
    w = _times(w, found[2])
    return w if found[2] > 0 else w[::-1].copy()


# ---------------------------------------------------------------- cost


def cost(A, verb):
    """Cost of the exact singular values; NotImplemented for everything else."""
    found = _core(A) if verb == "svd" else None
    if found is None:
        return NotImplemented
    inner = found[1]._cost("svd", 1)
    return Cost("svd of the one factor that is no isometry", inner.flops, inner.bytes)
