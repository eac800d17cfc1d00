"""Singular values, eigenvalues, norms and conditions of a chain, where one factor has them.

``A = U_1 F U_2`` with isometries U_1, U_2 (transforms, permutations) has the singular values of F,
and ``A = X F X^-1`` its eigenvalues. Everything else has no closed form and is left to the dense
matrix or to iteration, save the condition number of a large chain of square factors: the inverse is
a chain, and its largest singular value the reciprocal of A's smallest.
"""

import math

import numpy as np

from structmat import linalg
from structmat._backend.arrays import namespace_of
from structmat._results import Cost, EighResult, EigResult, SVDResult
from structmat.linalg import _door
from structmat.matrices.chain import entries
from structmat.matrices.chain.systems import balance, blocks, direct
from structmat.matrices.chain.systems.isometries import normalized, scale_of_isometry
from structmat.matrices.elementary import Identity, Permutation

__all__ = ["cond", "cost", "eig", "eigh", "eigvals", "eigvalsh", "norm", "svd", "svds", "svdvals"]


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


def svdvals(A):
    """Those of the core."""
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
    """Ratio of the extreme singular values where they are exact; else left to the norms."""
    S = svdvals(A) if p in (2, -2) else NotImplemented
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
    found = _similar(A)
    if found is None:
        return NotImplemented
    outer, middle, scale = found
    if middle is None:
        n = A.shape[0]
        return EigResult(_constant(A, scale), Identity(n, A.dtype))
    w, V = middle._eig()
    return EigResult(_times(w, scale), _product([*outer, V]))


def eigvals(A):
    """Eigenvalues of the middle factor."""
    found = _similar(A)
    if found is None:
        return NotImplemented
    _, middle, scale = found
    return _constant(A, scale) if middle is None else _times(middle._eigvals(), scale)


def _constant(A, scale):
    xp = A._namespace or np
    kind = A.dtype if not isinstance(scale, complex) else np.result_type(A.dtype, np.complex64)
    return xp.full(A.shape[0], scale, kind)


def _times(w, scale):
    if scale == 1:
        return w
    kind = w.dtype if not isinstance(scale, complex) else np.result_type(w.dtype, np.complex64)
    return (w * scale).astype(kind, copy=False)


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
    w, V = (middle if scale == 1 else middle._scale(scale))._eigh()
    return EighResult(w, _product([*outer, V]))


def eigvalsh(A):
    """Eigenvalues of the middle factor of a Hermitian chain, ascending."""
    found = _unitarily_similar(A)
    if found is None or not found[1]._is_hermitian():
        return NotImplemented
    w = _times(found[1]._eigvalsh(), found[2])
    return w if found[2] > 0 else w[::-1].copy()


# ---------------------------------------------------------------- cost


def cost(A, verb):
    """Cost of the exact singular values; NotImplemented for everything else."""
    found = _core(A) if verb == "svd" else None
    if found is None:
        return NotImplemented
    inner = found[1]._cost("svd", 1)
    return Cost("svd of the one factor that is no isometry", inner.flops, inner.bytes)
