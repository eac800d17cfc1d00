"""Closure of chains under @, +, and the elementwise product."""

import numpy as np

from structmat._backend.arrays import namespace_of
from structmat._rules import register
from structmat.matrices.chain import patterns
from structmat.matrices.chain.butterfly import Butterfly
from structmat.matrices.chain.fuse import concatenated
from structmat.matrices.chain.kronecker_sparse import KroneckerSparse
from structmat.matrices.chain.matrix import Chain
from structmat.matrices.chain.monarch import Monarch
from structmat.matrices.elementary import Diagonal, Identity, Permutation
from structmat.matrices.elementary.diagonal import closed_with_diagonal
from structmat.matrices.lazy import Scaled

__all__ = ["assembled", "total"]

closed_with_diagonal(KroneckerSparse)
closed_with_diagonal(Chain)


def assembled(factors, shape):
    """The most special of KroneckerSparse, Butterfly and Chain that a product of factors is."""
    if len(factors) == 1 and hasattr(factors[0], "pattern") and shape == factors[0].shape:
        return factors[0]
    chain = [getattr(F, "pattern", None) for F in factors]
    kind = Butterfly if None not in chain and patterns.chainable(*chain) else Chain
    return kind(factors, shape)


# ---------------------------------------------------------------- products


def _matmul(A, B):
    """One chain; its middle is multiplied out where that takes fewer numbers."""
    left, right = _parts(A), _parts(B)
    if left[-1].shape[1] != right[0].shape[0]:
        return NotImplemented  # crops that leave different sizes between the two
    if A.shape[1] != left[-1].shape[1]:
        A = _cut(A)
        if A is NotImplemented:
            return NotImplemented
        left = _parts(A)
    dtype = np.result_type(A.dtype, B.dtype)
    factors = concatenated(_cast(left, dtype), _cast(right, dtype))
    return assembled(factors, (A.shape[0], B.shape[1]))


def _parts(A):
    """The factors for computing: those of a product may be multiplied out."""
    return A._parts if isinstance(A, Chain) else (A,)


def _given(A):
    return A.factors if isinstance(A, Chain) else (A,)


def _cast(factors, dtype):
    return [F.astype(dtype) for F in factors]


def _cut(A):
    """A cropped chain with zeros in the columns that are cropped."""
    xp = A._namespace
    kept = xp.arange(A.full_shape[1]) < A.shape[1]
    return A._columns(lambda values, s: xp.where(s, values, values.dtype.type(0)), kept)


for _left in (KroneckerSparse, Chain):
    for _right in (KroneckerSparse, Chain):
        register("matmul", _left, _right)(_matmul)


@register("matmul", Permutation, KroneckerSparse)
@register("matmul", Permutation, Chain)
def _(P, A):
    factors = _given(A)
    P = _extended(P, factors[0].shape[0])
    dtype = np.result_type(P.dtype, A.dtype)
    return assembled(concatenated([P.astype(dtype)], _cast(factors, dtype)), A.shape)


@register("matmul", KroneckerSparse, Permutation)
@register("matmul", Chain, Permutation)
def _(A, P):
    factors = _given(A)
    P = _extended(P, factors[-1].shape[1])
    dtype = np.result_type(P.dtype, A.dtype)
    return assembled(concatenated(_cast(factors, dtype), [P.astype(dtype)]), A.shape)


def _extended(P, n):
    """The permutation with the rows that a cropped chain leaves out, in their places."""
    xp = namespace_of(P.p)
    m = P.shape[0]
    return P if m == n else Permutation(xp.concatenate([P.p, xp.arange(m, n)]), P.dtype)


@register("matmul", Scaled, KroneckerSparse)
@register("matmul", Scaled, Chain)
def _(A, B):
    return A.matrix @ (A.scalar * B)


@register("matmul", KroneckerSparse, Scaled)
@register("matmul", Chain, Scaled)
def _(A, B):
    return (B.scalar * A) @ B.matrix


# ---------------------------------------------------------------- sums


@register("add", KroneckerSparse, KroneckerSparse)
def _(A, B):
    return KroneckerSparse(A.values + B.values) if A.pattern == B.pattern else NotImplemented


def _plus_diagonal(A, values):
    """Square blocks plus a diagonal, which lies in the support."""
    a, b, c, d = A.pattern
    if b != c:
        return NotImplemented
    xp = namespace_of(A.values)
    total = A.values.astype(np.result_type(A.dtype, values.dtype))
    j = xp.arange(b)
    total[:, :, j, j] += values.reshape(a, b, d).transpose(0, 2, 1)
    return KroneckerSparse(total)


@register("add", KroneckerSparse, Diagonal)
def _(A, B):
    return _plus_diagonal(A, B.values)


@register("add", Diagonal, KroneckerSparse)
def _(A, B):
    return _plus_diagonal(B, A.values)


@register("add", KroneckerSparse, Identity)
def _(A, B):
    return _plus_diagonal(A, namespace_of(A.values).ones(B.n, B.dtype))


@register("add", Identity, KroneckerSparse)
def _(A, B):
    return _plus_diagonal(B, namespace_of(B.values).ones(A.n, A.dtype))


@register("add", Monarch, Monarch)
def _(A, B):
    """Block ranks add; where one factor is the same array they stay: L R + L S = L (R + S)."""
    if not _same_grid(A, B):
        return NotImplemented
    if A.left is B.left:
        return Monarch(A.left, A.right + B.right, A.shape)
    if A.right is B.right:
        return Monarch(A.left + B.left, A.right, A.shape)
    xp = namespace_of(A.left)
    left = xp.concatenate([A.left, B.left], axis=3)
    return Monarch(left, xp.concatenate([A.right, B.right], axis=2), A.shape)


def _same_grid(A, B):
    return A.left.shape[:3] == B.left.shape[:3] and A.right.shape[3] == B.right.shape[3]


@register("add", Butterfly, Butterfly)
def _(A, B):
    """A Butterfly where it holds no more numbers than the two; else a lazy sum costs less."""
    found = total(A, B)
    if found is NotImplemented or _held(found) > _held(A) + _held(B):
        return NotImplemented
    return found


def _held(A):
    return sum(p.nnz for p in A.patterns)


def total(A, B):
    """A + B as one Butterfly, whose ranks are sums; NotImplemented if the blocks differ.

    Blocks lie side by side in the first factor and one below the other in the last; the interior
    factors are block-diagonal in the digits of the ranks, half of their numbers zeros.
    """
    return _combined(A, B, _sum)


def _sum(F, G, *, first, last):
    """Blocks (a, d, r, t, u, k) of two factors, r and k the digits of the ranks."""
    xp = namespace_of(F)
    if first and last:
        return F + G
    if first:
        return xp.concatenate([F, G], axis=5)
    if last:
        return xp.concatenate([F, G], axis=2)
    (a, d, r, t, u, k), (_, _, r2, _, _, k2) = F.shape, G.shape
    full = xp.zeros((a, d, r + r2, t, u, k + k2), F.dtype)
    full[:, :, :r, :, :, :k] = F
    full[:, :, r:, :, :, k:] = G
    return full


@register("hadamard", Butterfly, Butterfly)
def _(A, B):
    """Ranks multiply: the slices of an elementwise product are those of its operands, times."""
    found = _combined(A, B, _elementwise)
    if found is NotImplemented:
        return NotImplemented
    return Monarch.from_chain(found) if isinstance(A, Monarch) and isinstance(B, Monarch) else found


def _elementwise(F, G, *, first, last):
    """Kronecker products over the digits of the ranks, elementwise in the others."""
    (a, d, r, t, u, k), (_, _, r2, _, _, k2) = F.shape, G.shape
    full = F[:, :, :, None, :, :, :, None] * G[:, :, None, :, :, :, None, :]
    return full.reshape(a, d, r * r2, t, u, k * k2)


def _combined(A, B, combine):
    """A Butterfly of factors combined one by one; the blocks must agree but for the ranks."""
    if len(A.factors) != len(B.factors) or A.full_shape != B.full_shape:
        return NotImplemented
    ways = [patterns.refines(*A.patterns) and patterns.refines(*B.patterns)]
    ways += [] if ways[0] else [_mirrored(A) and _mirrored(B)]
    if not any(ways):
        return NotImplemented
    if not ways[0]:
        found = _combined(A._transpose(), B._transpose(), combine)
        return found if found is NotImplemented else found._transpose()
    if [(p.a, p.d) for p in A.patterns] != [(p.a, p.d) for p in B.patterns]:
        return NotImplemented
    if A.patterns[0].b != B.patterns[0].b or A.patterns[-1].c != B.patterns[-1].c:
        return NotImplemented
    dtype = np.result_type(A.dtype, B.dtype)
    A, B = A.astype(dtype), B.astype(dtype)
    last = len(A.factors) - 1
    factors = []
    for s, (F, G) in enumerate(zip(_digits(A), _digits(B))):
        values = combine(F, G, first=s == 0, last=s == last)
        a, d, r, t, u, k = values.shape
        factors.append(values.reshape(a, d, r * t, u * k))
    return Butterfly(factors, A.shape)


def _mirrored(A):
    return patterns.refines(*[patterns.transpose(p) for p in A.patterns[::-1]])


def _digits(A):
    """Values (a, d, r, t, u, k) of a chain that refines to the right: ranks r before, k after."""
    ranks = (1, *A.ranks, 1)
    for s, F in enumerate(A._parts):
        a, b, c, d = F.pattern
        r, k = ranks[s], ranks[s + 1]
        t = b // r if r else (A.patterns[s - 1].d // d if d else 0)
        u = c // k if k else (A.patterns[s + 1].a // a if a else 0)
        yield F.values.reshape(a, d, r, t, u, k)


# ---------------------------------------------------------------- elementwise products


@register("hadamard", KroneckerSparse, KroneckerSparse)
def _(A, B):
    if A.pattern != B.pattern:
        return NotImplemented
    return KroneckerSparse(A.values * B.values)
