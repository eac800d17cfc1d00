"""Linear algebra of one Kronecker-sparse factor: that of its a d dense blocks, all at once.

A factor is ``P_r diag(A_0, A_1, ...) P_c^T``: P_r takes row j of block (i, l) from place (i, l, j)
to place (i, j, l), and P_c does so for columns. For b = c the two are one permutation, so that the
factor is similar to its blocks; the results of every verb below are factors again.
"""

import math

import numpy as np

from structmat import _checks, linalg
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
from structmat.matrices.chain.systems import balance, inverses
from structmat.matrices.elementary import Permutation, stacks
from structmat.matrices.elementary.block_lu import _solve_stack

__all__ = [
    "cholesky", "cond", "cost", "determinant", "eig", "eigh", "eigsh", "eigvals", "eigvalsh",
    "expm", "factorize", "gather", "has_plain_size", "inv", "is_hermitian", "like", "logm", "lstsq",
    "norm", "pinv", "power", "qr", "rank", "scatter", "slogdet", "sqrtm", "stack", "svd", "svds",
    "svdvals",
]  # fmt: skip


def stack(A):
    """The blocks, shape (a d, b, c)."""
    a, b, c, d = A.pattern
    return A.values.reshape(a * d, b, c)


def like(A, blocks):
    """The factor with other blocks, (a d, p, q), in the places of A's."""
    a, _, _, d = A.pattern
    return type(A)(blocks.reshape(a, d, *blocks.shape[1:]))


def gather(X, a, rows, d):
    """Rows (i, j, l) of a block of columns, by blocks: (a d, rows, k)."""
    k = X.shape[1]
    return X.reshape(a, rows, d, k).transpose(0, 2, 1, 3).reshape(a * d, rows, k)


def scatter(Y, a, d):
    """Undo ``gather``."""
    _, rows, k = Y.shape
    return Y.reshape(a, d, rows, k).transpose(0, 2, 1, 3).reshape(a * rows * d, k)


def _flat(values, a, d):
    """Numbers (a d, r) of the blocks in the order (i, r, l) of rows and columns."""
    return values.reshape(a, d, values.shape[1]).transpose(0, 2, 1).reshape(-1)


def _square(A):
    return A.pattern.b == A.pattern.c


# ---------------------------------------------------------------- systems


class KroneckerSparseLU(Factorization):
    """LU of every block: its inverse, refined; LU itself where that is not enough."""

    structure = "KroneckerSparse"
    method = "LU with partial pivoting, block by block (condition of the worst block)"

    def __init__(self, A):
        self.shape, self.dtype, self.matrix = A.shape, A.dtype, A
        blocks = stack(A)
        found = inverses.inverse(A.values, "KroneckerSparse").values.reshape(blocks.shape)
        self._inverse, self._rconds = found, _rconds(blocks, found)
        self.rcond = float(self._rconds.min()) if blocks.size else 1.0

    def _solve(self, B):
        if B.size == 0:
            return B.copy()
        a, b, _, d = self.matrix.pattern
        Y = gather(B, a, b, d)
        return scatter(_solve_stack(stack(self.matrix), self._inverse, self._rconds, Y), a, d)

    def _slogdet(self):
        return slogdet(self.matrix)


def factorize(A):
    """KroneckerSparseLU of a square factor."""
    return KroneckerSparseLU(A) if _square(A) else NotImplemented


def inv(A):
    """The inverse of every block."""
    if not _square(A):
        return NotImplemented
    inverse = inverses.inverse(A.values, "KroneckerSparse")
    if inverse.bound >= 1 / np.finfo(A.dtype).eps:
        rcond = float(_rconds(stack(A), inverse.values.reshape(stack(A).shape)).min())
        if rcond < np.finfo(A.dtype).eps:
            _checks.ill_conditioned(rcond, "KroneckerSparse", stacklevel=4)
    return type(A)(inverse.values)


def _rconds(blocks, inverse):
    """1 / (|A_i|_1 |A_i^-1|_1)."""
    if not blocks.size:
        return namespace_of(blocks).ones(len(blocks), np.finfo(blocks.dtype).dtype)
    with np.errstate(over="ignore"):
        return 1 / abs(blocks).sum(1).max(1) / abs(inverse).sum(1).max(1)


def slogdet(A):
    """The two permutations of a square factor are one: their signs cancel."""
    if not _square(A):
        return NotImplemented
    sign, value, exponent = determinant(A, has_plain_size(A))
    return sign, value + exponent * math.log(2) if sign != 0 else -math.inf


def has_plain_size(A):
    """True where no entry is large enough for logarithms that lose digits when they cancel."""
    return not A.values.size or 2.0**-16 <= inverses.largest(A.values) <= 2.0**16


def determinant(A, plain=False, structure="KroneckerSparse"):
    """(sign, log, e) of a determinant ``sign exp(log) 2^e``; e = 0 for `plain`.

    Otherwise the rows and columns of blocks are scaled to moduli of about one.
    """
    inverses.require_finite(A.values, structure)
    blocks, exponent = stack(A), 0
    if plain or not blocks.size:
        return *stacks.slogdet(blocks), 0
    for axis in (1, 2):
        e = namespace_of(blocks).frexp(abs(blocks).max(axis, keepdims=True))[1]
        blocks = balance.shifted(blocks, -e)
        exponent += int(e.sum())
    return *stacks.slogdet(blocks), exponent


def lstsq(A, B, rcond):
    """V S^+ U^H b block by block, with one cutoff relative to the largest value of all."""
    a, b, _, d = A.pattern
    U, S, Vh = stacks.svd(stack(A), False)
    xp = namespace_of(S)
    keep = S > rcond * _top(S)
    Y = stacks.adjoint(U) @ gather(B, a, b, d)
    X = stacks.adjoint(Vh) @ ((keep / (S + ~keep))[:, :, None] * Y)
    x = scatter(X.astype(A.dtype, copy=False), a, d)
    return LstsqResult(x, None, int(keep.sum()), xp.sort(S.reshape(-1))[::-1].copy())


def pinv(A, rcond):
    """The pseudo-inverse of every block, with one cutoff relative to the largest value of all."""
    U, S, Vh = stacks.svd(stack(A), False)
    keep = S > rcond * _top(S)
    inverse = stacks.adjoint(Vh) @ ((keep / (S + ~keep))[:, :, None] * stacks.adjoint(U))
    return like(A, inverse.astype(A.dtype, copy=False))


def _top(S):
    return float(S.max()) if S.size else 0.0


def rank(A, rtol):
    """How many singular values exceed rtol times the largest."""
    S = svdvals(A)
    return int((S > rtol * float(S[0])).sum()) if len(S) else 0


# ---------------------------------------------------------------- singular values


def svd(A, full_matrices):
    """U and Vh are factors times permutations that sort the values."""
    a, b, c, d = A.pattern
    U, S, Vh = stacks.svd(stack(A), full_matrices)
    S = _flat(S, a, d)
    xp = namespace_of(S)
    order = xp.argsort(-S)
    left = _places(order, a, d, min(b, c), U.shape[2], xp)
    right = _places(order, a, d, min(b, c), Vh.shape[1], xp)
    V = _ordered(like(A, stacks.adjoint(Vh)), right)
    return SVDResult(_ordered(like(A, U), left), S[order], V._adjoint())


def _places(order, a, d, r, columns, xp):
    """Columns (i, k, l), k < columns, of the vectors: those of values in order, then the others."""
    place = xp.arange(a * columns * d).reshape(a, columns, d)
    return xp.concatenate([place[:, :r].reshape(-1)[order], place[:, r:].reshape(-1)])


def _ordered(V, chosen):
    """V with its columns in the order ``chosen``."""
    xp = namespace_of(chosen)
    if bool((chosen == xp.arange(len(chosen))).all()):
        return V
    return V @ Permutation(xp.argsort(chosen), V.dtype)


def svdvals(A):
    """Singular values of all blocks, descending."""
    S = stacks.svdvals(stack(A)).reshape(-1)
    return namespace_of(S).sort(S)[::-1].copy()


def svds(A, k):
    """The k largest triplets, as arrays."""
    a, b, c, d = A.pattern
    U, S, Vh = stacks.svd(stack(A), False)
    S = S.reshape(-1)
    order = namespace_of(S).argsort(-S)[:k]
    block, r = order // min(b, c), order % min(b, c)
    left = _columns(U[block, :, r], block, a, d)
    return SVDResult(left, S[order], _columns(Vh[block, r], block, a, d).T)


def _columns(vectors, block, a, d):
    """Vectors (k, rows) of the blocks named, as columns (a rows d, k)."""
    k, rows = vectors.shape
    xp = namespace_of(vectors)
    full = xp.zeros((a, d, rows, k), vectors.dtype)
    full[block // d, block % d, :, xp.arange(k)] = vectors
    return full.transpose(0, 2, 1, 3).reshape(a * rows * d, k)


def cond(A, p):
    """Ratio of the extreme singular values; else left to the norms."""
    if p not in (2, -2) or 0 in A.shape:
        return NotImplemented
    S = svdvals(A)
    largest, smallest = (float(S[0]), float(S[-1])) if p == 2 else (float(S[-1]), float(S[0]))
    return largest / smallest if smallest else math.inf


def norm(A, ord):
    """Norm from the blocks; every row and column lies in one."""
    if 0 in A.shape:
        return NotImplemented
    with np.errstate(over="ignore", invalid="ignore"):
        found = _norm(A, ord)
        if not math.isfinite(found) and bool(namespace_of(A.values).isfinite(A.values).all()):
            raise OverflowError(f"the {ord} norm passes the largest number")
    return found


def _norm(A, ord):
    if ord in (2, -2, "nuc"):
        S = svdvals(A)
        return float(S.sum(dtype=np.float64) if ord == "nuc" else S[0] if ord == 2 else S[-1])
    return stacks.norm(stack(A), ord)


# ---------------------------------------------------------------- eigenvalues, functions


def is_hermitian(A):
    """Whether every block is, to rounding."""
    return _square(A) and stacks.is_hermitian(stack(A))


def eig(A):
    """Eigenvalues and vectors block by block."""
    if not _square(A):
        return NotImplemented
    a, _, _, d = A.pattern
    w, V = stacks.eig(stack(A))
    return EigResult(_flat(w, a, d), like(A, V))


def eigvals(A):
    """Eigenvalues of all blocks."""
    a, _, _, d = A.pattern
    return _flat(stacks.eig(stack(A), False), a, d) if _square(A) else NotImplemented


def eigh(A):
    """Ascending eigenvalues; the vectors are a factor times the permutation that sorts them."""
    if not _square(A):
        return NotImplemented
    a, _, _, d = A.pattern
    w, V = stacks.eigh(stack(A))
    w = _flat(w, a, d)
    order = namespace_of(w).argsort(w)
    return EighResult(w[order], _ordered(like(A, V), order))


def eigvalsh(A):
    """Ascending eigenvalues of all blocks."""
    if not _square(A):
        return NotImplemented
    w = stacks.eigh(stack(A), False).reshape(-1)
    return namespace_of(w).sort(w)


def eigsh(A, k, which):
    """k extreme eigenpairs, as arrays."""
    if not _square(A):
        return NotImplemented
    a, b, _, d = A.pattern
    w, V = stacks.eigh(stack(A))
    w = w.reshape(-1)
    xp = namespace_of(w)
    key = {"LM": -abs(w), "SM": abs(w), "LA": -w, "SA": w}[which]
    chosen = xp.argsort(key)[:k]
    chosen = chosen[xp.argsort(w[chosen])]
    block, r = chosen // b, chosen % b
    return EighResult(w[chosen], _columns(V[block, :, r], block, a, d))


def qr(A):
    """Q and R of every block: upper triangular blocks make an upper triangular factor."""
    Q, R = stacks.qr(stack(A))
    return QRResult(like(A, Q), like(A, R))


def cholesky(A):
    """The lower factor of every block; LinAlgError names the first that is not definite."""
    if not _square(A):
        return NotImplemented
    try:
        return like(A, stacks.cholesky(stack(A), lambda i: inverses.place(i, A.pattern.d)))
    except np.linalg.LinAlgError as error:
        words = str(error).replace("BlockDiagonal", "KroneckerSparse")
        raise np.linalg.LinAlgError(words) from None


def power(A, n):
    """Every block to the power n."""
    if not _square(A):
        return NotImplemented
    with np.errstate(over="ignore", invalid="ignore"):
        blocks = namespace_of(A.values).linalg.matrix_power(stack(A), n)
    if not bool(namespace_of(blocks).isfinite(blocks).all()):
        inverses.require_finite(A.values, "KroneckerSparse")
        _checks.representable(blocks, "matrix_power")
    return like(A, blocks)


def expm(A):
    """The exponential of every block."""
    return like(A, stacks.expm(stack(A))) if _square(A) else NotImplemented


def sqrtm(A):
    """The principal square root of every block."""
    return _principal(A, np.sqrt, linalg.sqrtm)


def logm(A):
    """The principal logarithm of every block."""
    return _principal(A, np.log, linalg.logm)


def _principal(A, f, verb):
    if not _square(A):
        return NotImplemented
    return like(A, stacks.principal(stack(A), f, lambda block: verb(block).toarray()))


def cost(A, verb, ncols):
    """Operation counts of one dense block, times a d."""
    a, b, c, d = (float(x) for x in A.pattern)
    small, large = min(b, c), max(b, c)
    flops = {
        "matmul": 2 * b * c * ncols,
        "solve": 8 / 3 * b**3 + 6 * b * b * ncols,
        "slogdet": 2 / 3 * b**3,
        "svd": 6 * large * small**2 + 20 * small**3,
        "eigh": 9 * b**3,
    }[verb]
    moved = A.nbytes + math.fsum(A.shape) * ncols * A.dtype.itemsize
    factor = 4.0 if A.dtype.kind == "c" else 1.0
    return Cost("block by block, batched", factor * a * d * flops, float(moved))
