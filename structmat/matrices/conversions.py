"""A.to(cls): a matrix in another family, exactly. The one module that may import two families.

Every family goes to Dense and Sparse. Between the others only conversions that are exact for every
member are listed; for the nearest member of a family use :func:`structmat.project`.
"""

import numpy as np

from structmat import _rules
from structmat._backend.arrays import is_array, namespace_of
from structmat.matrices.base import StructuredMatrix
from structmat.matrices.chain import Butterfly, Chain, KroneckerSparse, Monarch, patterns
from structmat.matrices.chain.exact import constructors, convolutions, trigonometric
from structmat.matrices.chain.rules import total
from structmat.matrices.displacement import Circulant, Hankel, Toeplitz
from structmat.matrices.elementary import (
    Banded,
    BlockDiagonal,
    Dense,
    Diagonal,
    Identity,
    LowRank,
    Permutation,
    Sparse,
    Tridiagonal,
    Zeros,
)
from structmat.matrices.foreign import Adjoint
from structmat.matrices.fourier import DCT, DFT, DST, AdjointTransform, Haar, Hadamard
from structmat.matrices.fourier.paley import natural_row
from structmat.matrices.kronecker import Kronecker, KroneckerSum
from structmat.matrices.lazy import Product, Scaled, Sum

__all__ = ["convert"]

_table: dict = {}


def _conversion(source, target):
    def add(function):
        _table[source, target] = function
        return function

    return add


@_rules.maker("convert")
def convert(A, cls, options):
    """`A` as a `cls`, by the rule of the nearest base class; TypeError when there is none."""
    if not (isinstance(cls, type) and issubclass(cls, StructuredMatrix)):
        raise TypeError(f"give the class, such as structmat.Chain; got {cls!r}")
    if options:
        raise TypeError(
            f"a conversion to {cls.__name__} has no options; got {', '.join(map(repr, options))}. "
            "structmat.project has some"
        )
    if type(A) is cls:
        return A
    if cls is Dense:
        return Dense(A.toarray())
    for base in type(A).__mro__:
        if (base, cls) in _table:
            return _table[base, cls](A)
    if cls is Sparse:
        return Sparse(A.tosparse())
    raise _impossible(A, cls)


def _impossible(A, cls, why="there is no rule for the two"):
    """TypeError that names the two families, and the way out."""
    name = cls.__name__
    return TypeError(
        f"{type(A).__name__} has no exact conversion to {name}: {why}. For the nearest one use "
        f"structmat.project(A, structmat.{name})"
    )


@_conversion(Identity, Diagonal)
def _(A):
    return Diagonal(np.ones(A.shape[0], A.dtype))


@_conversion(Diagonal, Tridiagonal)
def _(A):
    zeros = np.zeros(max(A.shape[0] - 1, 0), A.dtype)
    return Tridiagonal(zeros, A.values, zeros)


@_conversion(Diagonal, Banded)
def _(A):
    return Banded(A.values[None, :], 0, 0)


@_conversion(Tridiagonal, Banded)
def _(A):
    n = A.shape[0]
    bands = np.zeros((3, n), A.dtype)
    bands[1] = A.diag
    bands[0, 1:], bands[2, : max(n - 1, 0)] = A.upper, A.lower
    return Banded(bands, 1, 1)


@_conversion(Permutation, Sparse)
def _(A):
    n = A.shape[0]
    return Sparse((np.ones(n, A.dtype), A.p, np.arange(n + 1), (n, n)))


@_conversion(Zeros, LowRank)
def _(A):
    return LowRank(*(np.zeros((size, 0), A.dtype) for size in A.shape))


@_conversion(Diagonal, Sparse)
def _(A):
    n = A.shape[0]
    return Sparse((A.values, np.arange(n), np.arange(n + 1), (n, n)))


@_conversion(Kronecker, Sparse)
def _(A):
    """Kronecker product of the factors' sparse arrays: cost and memory of the non-zeros only."""
    from scipy.sparse import csr_array, kron

    result = csr_array(np.ones((1, 1), A.dtype))
    for factor in A.factors:
        result = kron(result, _rules.lift(factor).to(Sparse).tosparse(), format="csr")
    return Sparse(csr_array(result, dtype=A.dtype))  # of nothing, kron makes float64


@_conversion(KroneckerSum, Kronecker)
def _(A):
    """Only a Kronecker sum of one factor is a Kronecker product."""
    if len(A.factors) != 1:
        raise TypeError("a Kronecker sum of several factors is not a Kronecker product")
    return Kronecker(*A.factors)


# ---------------------------------------------------------------- one Kronecker-sparse factor


@_conversion(Diagonal, KroneckerSparse)
def _(A):
    return KroneckerSparse(A.values[:, None, None, None])


@_conversion(Identity, KroneckerSparse)
def _(A):
    return KroneckerSparse(np.ones((A.shape[0], 1, 1, 1), A.dtype))


@_conversion(Dense, KroneckerSparse)
def _(A):
    return KroneckerSparse(A.array[None, None])


@_conversion(BlockDiagonal, KroneckerSparse)
def _(A):
    """Equal dense blocks (b, p, q) are the pattern (b, p, q, 1)."""
    if not is_array(A.blocks):
        raise TypeError(
            "a BlockDiagonal is Kronecker-sparse where its blocks are arrays of one shape; here "
            "they differ, or have a structure"
        )
    return KroneckerSparse(A.blocks[:, None])


@_conversion(KroneckerSparse, Sparse)
def _(A):
    """Row i b d + j d + l holds the c entries of row j of block (i, l), d columns apart."""
    from scipy.sparse import csr_array

    a, b, c, d = A.pattern
    i, _, l, k = np.ogrid[:a, :b, :d, :c]
    columns = np.broadcast_to(i * (c * d) + k * d + l, (a, b, d, c)).reshape(-1)
    indptr = np.arange(A.shape[0] + 1) * c
    values = A.values if A._namespace is np else A.values.get()
    data = values.transpose(0, 2, 1, 3).reshape(-1)
    return Sparse(csr_array((data, columns, indptr), A.shape))


# ---------------------------------------------------------------- chains


@_conversion(KroneckerSparse, Chain)
@_conversion(Permutation, Chain)
def _(A):
    return Chain((A,))


@_conversion(Diagonal, Chain)
@_conversion(Identity, Chain)
@_conversion(BlockDiagonal, Chain)
@_conversion(Dense, Chain)
def _(A):
    return Chain((convert(A, KroneckerSparse, {}),))


@_conversion(Chain, Chain)  # of its subclasses: the same factors, without the promise
def _(A):
    return Chain(A.factors, A.shape)


@_conversion(LowRank, Chain)
def _(A):
    return Butterfly((A.U[None, None], A.V.conj().T[None, None]))


@_conversion(Kronecker, Chain)
def _(A):
    """Every factor between identities, in the order that holds the fewest numbers."""
    return constructors.kron_chains(
        *(Chain((F[None, None],)) if is_array(F) else convert(F, Chain, {}) for F in A.factors)
    )


@_conversion(DFT, Chain)
def _(A):
    return constructors.dft(A.n, A.normalization, dtype=A.dtype)


@_conversion(DCT, Chain)
def _(A):
    return trigonometric.dct(A.n, A.type, A.normalization, None, A.dtype, A.orthogonalize)


@_conversion(DST, Chain)
def _(A):
    return trigonometric.dst(A.n, A.type, A.normalization, None, A.dtype, A.orthogonalize)


@_conversion(Hadamard, Chain)
def _(A):
    """Rows of the other two orders are those of the natural one, permuted."""
    H = constructors.hadamard(A.n, A.normalization, A.dtype)
    if A.order == "natural":
        return H
    rows = natural_row(np.arange(A.n), A.n.bit_length() - 1, A.order)
    return Chain((Permutation(rows), *H.factors))


@_conversion(Haar, Chain)
def _(A):
    return constructors.haar(A.n, A.levels, A.dtype)


@_conversion(Circulant, Chain)
def _(A):
    return _empty(A) if 0 in A.shape else convolutions.circulant(A.c)


@_conversion(Toeplitz, Chain)
def _(A):
    return _empty(A) if 0 in A.shape else convolutions.toeplitz(A.c, A.r)


@_conversion(Hankel, Chain)
def _(A):
    """Columns of a Toeplitz matrix from the last to the first: H[i, j] = h[i + j]."""
    m, n = A.shape
    if 0 in A.shape:
        return _empty(A)
    xp = namespace_of(A.c, A.r)
    h = xp.concatenate([A.c, A.r[1:]])
    T = convolutions.toeplitz(h[n - 1 :], h[n - 1 :: -1])
    back = np.arange(T.full_shape[1])
    back[:n] = back[:n][::-1]
    return Chain((*T.factors, Permutation(xp.asarray(back))), (m, n))


def _empty(A):
    """A chain of no entries."""
    xp = A._namespace or np
    return Chain((KroneckerSparse(xp.zeros((1, 1, *A.shape), A.dtype)),))


@_conversion(Scaled, Chain)
def _(A):
    """One factor takes the scalar; before permutations alone stands one that does."""
    chain = convert(A.matrix, Chain, {})
    found = _as_chain(A.scalar * chain)
    if found is not None:
        return found
    n = chain.full_shape[0]
    scalars = (A._namespace or np).full((n, 1, 1, 1), A.scalar, A.dtype)
    return Chain((KroneckerSparse(scalars), *chain.factors), chain.shape)


@_conversion(Adjoint, Chain)
@_conversion(AdjointTransform, Chain)
def _(A):
    return convert(A.matrix, Chain, {})._adjoint()


@_conversion(Product, Chain)
def _(A):
    """The factors of all, where no cropped chain stands in the way."""
    found = convert(A.factors[0], Chain, {})
    for F in A.factors[1:]:
        found = _as_chain(found @ convert(F, Chain, {}))
        if found is None:
            raise _impossible(A, Chain, "the rows that one factor crops are columns of another")
    return found


def _as_chain(A):
    """A chain or one factor as a Chain; None for anything else."""
    if isinstance(A, KroneckerSparse | Permutation):
        return Chain((A,))
    return A if isinstance(A, Chain) else None


@_conversion(Chain, Sparse)
def _(A):
    """The product of sparse factors: its entries that may differ from zero are held, no others."""
    product = None
    for F in A.factors[::-1]:
        S = convert(F, Sparse, {}).tosparse()
        product = S if product is None else S @ product
    return Sparse(product[: A.shape[0], : A.shape[1]])


# ---------------------------------------------------------------- butterflies and Monarch matrices


@_conversion(StructuredMatrix, Butterfly)
def _(A):
    """Where the chain has chainable factors and no permutation."""
    return _butterfly(A, Butterfly)


def _butterfly(A, target):
    """A as a Butterfly, on its way to `target`; TypeError that says what its chain has."""
    chain = convert(A, Chain, {})
    if None in chain.patterns:
        raise _impossible(A, target, "its chain has a permutation, use Chain")
    if not patterns.chainable(*chain.patterns):
        named = ", ".join(str(tuple(p)) for p in chain.patterns)
        why = f"the patterns (a, b, c, d) of its chain, {named}, are not chainable"
        raise _impossible(A, target, why)
    return Butterfly(chain.factors, chain.shape)


@_conversion(Sum, Butterfly)
def _(A):
    """Ranks add, where the terms are chains of the same blocks."""
    parts = [convert(term, Butterfly, {}) for term in A.terms]
    found = parts[0]
    for part in parts[1:]:
        found = total(found, part)
        if found is NotImplemented:
            raise TypeError(
                "a sum is one Butterfly where the blocks of its terms agree; they differ"
            )
    return found


@_conversion(Kronecker, Monarch)
def _(A):
    """A (x) B for two arrays: L[l, s, k, 0] = A[s, k] and R[k, l, 0, p] = B[l, p]."""
    if len(A.factors) != 2 or not all(is_array(F) for F in A.factors):
        raise TypeError("a Kronecker product of two arrays is a Monarch matrix, no other is")
    left, right = A.factors
    xp = namespace_of(left)
    L = xp.broadcast_to(left[None, :, :, None], (len(right), *left.shape, 1))
    R = xp.broadcast_to(right[None, :, None], (left.shape[1], len(right), 1, right.shape[1]))
    return Monarch(L.copy(), R.copy())


@_conversion(StructuredMatrix, Monarch)
def _(A):
    """Patterns (1, s, k r, l) and (k, l r, p, 1) are those of a Monarch matrix."""
    chain = _butterfly(A, Monarch)
    if len(chain.factors) == 2:
        (one, s, kr, l), (k, lr, p, last) = chain.patterns
        if one == last == 1 and k and kr % k == 0 and kr // k * l == lr:
            r = kr // k
            left = chain.factors[0].values.reshape(l, s, k, r)
            right = chain.factors[1].values.reshape(k, r, l, p).transpose(0, 2, 1, 3)
            return Monarch(left, right, chain.shape)
    named = ", ".join(str(tuple(pattern)) for pattern in chain.patterns)
    why = f"a Monarch matrix has two factors, (1, s, k r, l) and (k, l r, p, 1), this one {named}"
    raise _impossible(A, Monarch, why)
