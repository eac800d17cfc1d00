"""L U X = P B for very many columns along any axis: substitution by blocks, as matrix products."""

import functools

import numpy as np
from scipy.linalg import get_blas_funcs

from structmat._backend.lapack import routine
from structmat.matrices.kronecker.products import moved

__all__ = ["Substitution", "row_order"]

# Order of the diagonal blocks: large enough for BLAS, small enough to be inverted safely.
_BLOCK = 16
# Bytes of a chunk of columns: all steps of a substitution find it in the L2 cache.
_CHUNK = 2**18
# Rows that are transposed together.
_SQUARE = 64
# Growth of the backward error through inverted diagonal blocks at which they are not used.
_GROWTH = 50.0


def row_order(lu):
    """p with P A = A[p] for LAPACK's sequence of interchanges."""
    column = np.arange(lu.factors.shape[0], dtype=np.float64)[:, None]
    column = routine("laswp", column.dtype)(column, lu.pivots, overwrite_a=True)
    return column[:, 0].astype(np.intp)


@functools.cache
def _masks(n):
    """0 and 1 in the lower and the upper triangle of order n."""
    lower = np.tri(n, dtype=np.float32)
    return lower, np.ascontiguousarray(lower.T)


class Substitution:
    """An LU factorisation that solves along the middle axis of (left, n, right).

    BLAS's triangular solve is two to three times slower than a product at order 64, and it wants
    the axis in front. Here row block j of X is one product,

        y_j = [-L_jj^-1 L_j  L_jj^-1] [y_1 ... y_(j-1), b_j],

    and likewise upwards with U: for four blocks, 5/8 of the operations of a whole product each. It
    is backward stable up to the growth |T_jj| |T_jj^-1| |T_jj| / |T| of the diagonal blocks T_jj
    of L and U (componentwise products; Higham, section 14.2). This growth, which does not see the
    scaling of rows, is computed, and above 50 the triangular solve is taken after all.
    """

    def __init__(self, lu):
        self.lu, self.order = lu, row_order(lu)
        F = lu.factors
        n, size = F.shape[0], _BLOCK
        count = -(-n // size)
        # Padded by an identity to whole blocks; diagonal blocks as one stack.
        padded = np.eye(count * size, dtype=F.dtype)
        padded[:n, :n] = F
        at = np.arange(count)
        blocks = padded.reshape(count, size, count, size)
        diagonal = blocks[at, :, at, :]
        below, above = _masks(size)
        lower, upper = diagonal * below, diagonal * above
        lower[:, np.arange(size), np.arange(size)] = 1
        trtri = routine("trtri", F.dtype)
        with np.errstate(all="ignore"):
            lower_inverse = np.stack([trtri(T, lower=1, unitdiag=1)[0] for T in lower]) * below
            upper_inverse = np.stack([trtri(T)[0] for T in upper]) * above
            growth = max(
                _growth(lower, lower_inverse),
                _growth(upper, upper_inverse),
            )
        self.stable = growth <= _GROWTH
        if not self.stable:
            return
        # Block row j of -L with its diagonal block replaced by I, and of -U beside it.
        blocks[at, :, at, :] = -np.eye(size, dtype=F.dtype)
        others = -padded[:n, :n]
        down, up = [], []
        for j in range(count):
            target = slice(j * size, min(j * size + size, n))
            r = target.stop - target.start
            known, rest = slice(0, target.stop), slice(target.start, n)
            down.append((target, known, lower_inverse[j, :r, :r] @ others[target, known]))
            up.append((target, rest, upper_inverse[j, :r, :r] @ others[target, rest]))
        self.steps = down + up[::-1]

    def __call__(self, X, left, right):
        """X with A X = B along the axis; B (left, n, right) in any shape, C-contiguous."""
        n = self.lu.factors.shape[0]
        solve = self._blocks if self.stable else self._trsm
        X = solve(X, left, n, right)
        if self.lu.scale != 1:
            X *= X.dtype.type(self.lu.scale)
        return X

    def _blocks(self, B, left, n, right):
        B = B.reshape(left, n, right)
        out = np.empty_like(B)
        width = max(1, _CHUNK // (n * B.itemsize))  # columns of a chunk
        if right == 1:
            # The axis is last: it is turned upright in small squares, which the L1 cache holds.
            side = min(left, _SQUARE)
            whole = left - left % side
            self._upright(B[:whole, :, 0], out[:whole, :, 0], side, width)
            if whole < left:
                self._upright(B[whole:, :, 0], out[whole:, :, 0], left - whole, width)
            return out
        if right >= width or left == 1:
            for i in range(left):
                for at in range(0, right, width):
                    part = slice(at, at + width)
                    out[i, :, part] = self._run(B[i, :, part].take(self.order, axis=0))
            return out
        rows = max(1, width // right)
        for at in range(0, left, rows):
            part = slice(at, at + rows)
            out[part] = self._run(B[part].take(self.order, axis=1))
        return out

    def _upright(self, B, out, side, width):
        n = B.shape[1]
        B, out = B.reshape(-1, side, n), out.reshape(-1, side, n)
        squares = max(1, width // side)
        for at in range(0, len(B), squares):
            part = slice(at, at + squares)
            W = np.ascontiguousarray(B[part].swapaxes(1, 2)).take(self.order, axis=1)
            out[part] = self._run(W).swapaxes(1, 2)

    def _run(self, W):
        for target, source, M in self.steps:
            W[..., target, :] = M @ W[..., source, :]
        return W

    def _trsm(self, X, left, n, right):
        trsm = get_blas_funcs("trsm", dtype=X.dtype)
        factors = self.lu.factors

        def substitute(Y):
            # (n, columns) in C order is B^T in Fortran order, and B^T = X^T U^T L^T.
            Z = Y[self.order].T
            Z = trsm(1.0, factors, Z, side=1, lower=1, trans_a=1, diag=1, overwrite_b=1)
            return trsm(1.0, factors, Z, side=1, lower=0, trans_a=1, overwrite_b=1).T

        return moved(substitute, X, left, n, right)


def _growth(T, inverse):
    """Largest 1-norm of |T| |T^-1| |T| over a stack of blocks, relative to that of |T|."""
    T, inverse = abs(T), abs(inverse)
    sums = T.sum(1, keepdims=True)
    return float((sums @ inverse @ T).max() / sums.max())
