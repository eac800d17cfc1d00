"""BlockDiagonal: independent blocks along the diagonal."""

import numpy as np

from structmat import _checks, _rules, linalg
from structmat._backend.arrays import is_array, namespace_of
from structmat._results import Cost, EigResult, QRResult, SVDResult
from structmat.matrices.base import StructuredMatrix
from structmat.matrices.elementary import block_lu, block_vectors, fit, stacks
from structmat.matrices.elementary.diagonal import Diagonal, closed_with_diagonal
from structmat.matrices.elementary.groups import (
    Group,
    as_block,
    as_stack,
    gathered,
    is_stack,
    joined,
    span,
    starts,
)
from structmat.matrices.elementary.identity import Identity

__all__ = ["BlockDiagonal"]


class BlockDiagonal(StructuredMatrix):
    """Blocks A_0, A_1, ... along the diagonal, zeros elsewhere; rectangular blocks are allowed.

    ==============  ==========================================================================
    product         2 sum p_i q_i flops a column, one batched GEMM for each shape of block
    solve, inverse  LU with partial pivoting of every block; sum p_i^3
    slogdet, eigh   block by block; also svd, eig, cholesky, qr, expm, sqrtm, logm, pinv
    ==============  ==========================================================================

    Parameters
    ----------
    blocks : array, shape (b, p, q), or sequence of matrices
        Equal blocks in one array, stored as given; or 2-D arrays and structured matrices of any
        shapes. Arrays of one shape are kept, and computed, together. For blocks as arguments of
        their own there is :func:`structmat.block_diag`.

    Raises
    ------
    ValueError
        A block is not a matrix.

    Notes
    -----
    Singular values and eigenvalues are sorted over all blocks; their vectors are a
    BlockDiagonal times a Permutation. Dense blocks in single precision are factored in double
    and rounded (``numpy.linalg``). The condition number of a factorisation is that of its worst
    block, since the blocks do not mix.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> A = sm.BlockDiagonal(np.array([[[2.0, 1.0], [1.0, 2.0]], [[4.0, 0.0], [0.0, 5.0]]]))
    >>> np.round(A.solve(np.array([3.0, 3.0, 4.0, 5.0])), 12)
    array([1., 1., 1., 1.])
    >>> A.eigvalsh()
    array([1., 3., 4., 5.])
    """

    _parameters = ("blocks",)

    def __init__(self, blocks):
        if not is_array(blocks):
            blocks = gathered([as_block(block, i) for i, block in enumerate(blocks)])
        if is_array(blocks):
            self.blocks = _checks.as_parameter(blocks, "blocks", ndim=3)
            b, p, q = self.blocks.shape
            self._groups = (Group(np.arange(b), self.blocks),)
            self._heights, self._widths = np.full(b, p), np.full(b, q)
            dtype = self.blocks.dtype
        else:
            self.blocks, self._groups = blocks
            self._heights, self._widths = np.array([block.shape for block in self.blocks]).T
            dtype = self.blocks[0].dtype
        super().__init__(dtype, (int(self._heights.sum()), int(self._widths.sum())))

    def _apply(self, X):
        k = X.shape[1]
        if is_array(self.blocks):
            b, p, q = self.blocks.shape
            return (self.blocks @ X.reshape(b, q, k)).reshape(b * p, k)
        Y = namespace_of(X).empty((self.shape[0], k), self.dtype)
        for group, rows, columns in self._located():
            body = group.body
            Y[rows] = body @ X[columns] if is_stack(body) else body._apply(X[columns])
        return Y

    def _adjoint(self):
        return self._each(stacks.adjoint, lambda M: M._adjoint())

    def _toarray(self):
        xp = self._namespace or np
        full = xp.zeros(self.shape, self.dtype)
        for group, rows, columns in self._located():
            if is_stack(group.body):
                full[rows[:, :, None], columns[:, None, :]] = group.body
            else:
                full[rows, columns] = xp.asarray(group.body._toarray())
        return full

    # ------------------------------------------------------------ from groups, to groups

    def _located(self):
        """(group, rows, columns) where X[columns] has shape (g, q, k), or (q, k) if structured."""
        row, column = starts(self._heights), starts(self._widths)
        xp = self._namespace or np
        for group in self._groups:
            rows = span(row[group.which], group.body, 0, xp)
            yield group, rows, span(column[group.which], group.body, 1, xp)

    def _parts(self, of_stack, of_matrix):
        """f of every group's body: one function for stacks, one for structured blocks."""
        return [of_stack(g.body) if is_stack(g.body) else of_matrix(g.body) for g in self._groups]

    def _each(self, of_stack, of_matrix):
        """The block-diagonal matrix of f(A_i)."""
        return self._like(self._parts(of_stack, of_matrix))

    def _like(self, bodies):
        """Blocks from one body a group, in the order of this matrix."""
        if is_array(self.blocks):
            return BlockDiagonal(bodies[0])
        blocks = [None] * len(self.blocks)
        for group, body in zip(self._groups, bodies, strict=True):
            for place, i in enumerate(group.which):
                blocks[i] = body[place] if is_array(body) and body.ndim == 3 else body
        return BlockDiagonal(blocks)

    def _join(self, values, sizes):
        return joined(self._groups, values, sizes, self._namespace or np)

    def _square_blocks(self):
        if is_array(self.blocks):
            return self.blocks.shape[1] == self.blocks.shape[2]
        return bool((self._heights == self._widths).all())

    def _singular_by_shape(self):
        """True when the matrix is square and its blocks are not."""
        return self.shape[0] == self.shape[1] and not self._square_blocks()

    # ------------------------------------------------------------ solving

    def _factorize(self):
        self._refuse_rectangular_blocks()
        return block_lu.BlockLU(self)

    def _refuse_rectangular_blocks(self):
        if self._singular_by_shape():
            i = int((self._heights != self._widths).argmax())
            shape = f"({self._heights[i]}, {self._widths[i]})"
            raise _checks.singular("BlockDiagonal", f"diagonal block {i} has shape {shape}")

    def _inv(self):
        self._refuse_rectangular_blocks()
        worst, bodies = 1.0, []
        for group in self._groups:
            if is_stack(group.body):
                inverse, rcond = stacks.inverse(group.body, group.name)
                worst = min(worst, float(rcond.min()) if rcond.size else 1.0)
            else:
                inverse = linalg.inv(group.body)
            bodies.append(inverse)
        if worst < np.finfo(self.dtype).eps:
            _checks.ill_conditioned(worst, "BlockDiagonal", stacklevel=4)
        return self._like(bodies)

    def _slogdet(self):
        if self._singular_by_shape():
            return 0.0, -np.inf
        sign, total = 1.0, 0.0
        for s, value in self._parts(stacks.slogdet, linalg.slogdet):
            if s == 0:
                return 0.0, -np.inf
            sign, total = sign * s, total + float(value)
        return sign, total

    # ------------------------------------------------------------ entries

    def _entries(self, i, j):
        i, j = (np.asarray(p, np.int64) for p in np.broadcast_arrays(i, j))
        row, column = starts(self._heights), starts(self._widths)
        # The last block that starts at or before an index: empty blocks are stepped over.
        block = np.searchsorted(row[:-1], i, side="right") - 1
        inside = block == np.searchsorted(column[:-1], j, side="right") - 1
        xp = self._namespace or np
        values = xp.zeros(i.shape, self.dtype)
        owner, place = np.zeros((2, len(self._heights)), np.intp)
        for g, group in enumerate(self._groups):
            owner[group.which], place[group.which] = g, np.arange(len(group.which))
        for g, group in enumerate(self._groups):
            here = inside & (owner[block] == g)
            if here.any():
                at = block[here]
                r, c = i[here] - row[at], j[here] - column[at]
                found = group.body[place[at], r, c] if is_stack(group.body) else group.body[r, c]
                values[xp.asarray(here)] = xp.asarray(found)
        return values

    def _diagonal(self):
        if not self._square_blocks():
            return NotImplemented
        asarray = (self._namespace or np).asarray  # a block without arrays has no device
        parts = self._parts(
            lambda S: S.diagonal(0, 1, 2), lambda M: asarray(linalg.diagonal(M))[None]
        )
        return self._join(parts, self._heights).copy()

    # ------------------------------------------------------------ singular values, eigenvalues

    def _svd(self, full_matrices):
        return block_vectors.svd(self, full_matrices)

    def _svdvals(self):
        xp = self._namespace or np
        parts = self._parts(lambda S: stacks.svdvals(S).reshape(-1), linalg.svdvals)
        missing = min(self.shape) - sum(len(S) for S in parts)
        return xp.sort(xp.concatenate([*parts, xp.zeros(missing, parts[0].dtype)]))[::-1].copy()

    def _svds(self, k):
        U, S, Vh = self._svd(False)
        return SVDResult(U[:, :k], S[:k], Vh[:k])

    def _pinv(self, rcond):
        return block_vectors.pinv(self, rcond)

    def _is_hermitian(self):
        if not self._square_blocks():
            return NotImplemented
        known = self._parts(stacks.is_hermitian, lambda M: M._is_hermitian())
        if any(h is False for h in known):
            return False
        return True if all(h is True for h in known) else NotImplemented

    def _eigh(self):
        return block_vectors.eigh(self) if self._square_blocks() else NotImplemented

    def _eigvalsh(self):
        if not self._square_blocks():
            return NotImplemented
        xp = self._namespace or np
        parts = self._parts(lambda S: stacks.eigh(S, False).reshape(-1), linalg.eigvalsh)
        return xp.sort(xp.concatenate(parts))

    def _eig(self):
        if not self._square_blocks():
            return NotImplemented
        xp = self._namespace or np
        parts = self._parts(stacks.eig, linalg.eig)
        w = self._join([xp.atleast_2d(part[0]) for part in parts], self._heights)
        return EigResult(w, self._like([as_stack(part[1]) for part in parts]))

    def _eigvals(self):
        if not self._square_blocks():
            return NotImplemented
        parts = self._parts(lambda S: stacks.eig(S, False), lambda M: linalg.eigvals(M)[None])
        return self._join(parts, self._heights)

    def _cholesky(self):
        if not self._square_blocks():
            return NotImplemented
        return self._like(
            [
                stacks.cholesky(g.body, g.name) if is_stack(g.body) else linalg.cholesky(g.body)
                for g in self._groups
            ]
        )

    def _qr(self):
        if int(np.minimum(self._heights, self._widths).sum()) != min(self.shape):
            return NotImplemented  # tall and wide blocks: null columns are missing
        parts = self._parts(stacks.qr, linalg.qr)
        Q, R = (self._like([as_stack(part[f]) for part in parts]) for f in (0, 1))
        return QRResult(Q, R)

    # ------------------------------------------------------------ functions, norms, scale

    def _power(self, n):
        if not self._square_blocks():
            return NotImplemented
        power = (self._namespace or np).linalg.matrix_power
        return self._each(lambda S: power(S, n), lambda M: linalg.matrix_power(M, n))

    def _expm(self):
        return self._each(stacks.expm, linalg.expm) if self._square_blocks() else NotImplemented

    def _sqrtm(self):
        return self._principal(np.sqrt, linalg.sqrtm)

    def _logm(self):
        return self._principal(np.log, linalg.logm)

    def _principal(self, f, verb):
        if not self._square_blocks():
            return NotImplemented
        return self._each(
            lambda S: stacks.principal(S, f, lambda block: verb(block).toarray()), verb
        )

    def _norm(self, ord):
        if 0 in self.shape:
            return NotImplemented
        if ord in (2, -2, "nuc"):
            S = self._svdvals()
            return float(S.sum(dtype=np.float64) if ord == "nuc" else S[0] if ord == 2 else S[-1])
        groups = [g.body for g in self._groups if 0 not in g.body.shape]
        parts = [stacks.norm(g, ord) if is_stack(g) else linalg.norm(g, ord) for g in groups]
        if ord == "fro":
            return float(np.hypot.reduce(parts))
        along, across = self._heights, self._widths
        if ord in (np.inf, -np.inf):
            along, across = across, along
        # A block without rows still has columns, zero ones; so has one without columns rows.
        empty = bool(((along == 0) & (across > 0)).any())
        return max(parts) if ord > 0 else 0.0 if empty else min(parts)

    def _scale(self, c):
        return self._each(lambda S: S * c, lambda M: M * c)

    def _rows(self, operation, values):
        """Rows multiplied or divided by `values`: diag(values)^(+-1) @ A."""
        bodies = []
        for group, rows, _ in self._located():
            if is_stack(group.body):
                bodies.append(operation(group.body, values[rows][:, :, None]))
                continue
            D = Diagonal(values[rows])
            divide = operation is self._namespace.divide
            bodies.append(linalg.solve(D, group.body) if divide else D @ group.body)
        return self._like(bodies)

    def _columns(self, operation, values):
        return self._transpose()._rows(operation, values)._transpose()

    def _cost(self, verb, ncols):
        p, q = self._heights.astype(float), self._widths.astype(float)
        small, large = np.minimum(p, q), np.maximum(p, q)
        flops = {
            "matmul": 2 * p * q * ncols,
            "solve": 8 / 3 * p**3 + 2 * p * p * ncols,
            "slogdet": 2 / 3 * p**3,
            "svd": 6 * large * small**2 + 20 * small**3,
            "eigh": 9 * p**3,
        }[verb]
        for group in self._groups:
            part = NotImplemented if is_stack(group.body) else group.body._cost(verb, ncols)
            if part is not NotImplemented:
                flops[group.which] = part.flops
        moved = self.nbytes + sum(self.shape) * ncols * self.dtype.itemsize
        return Cost("block by block, batched", float(flops.sum()), float(moved))

    @classmethod
    def _project(cls, M, rtol, budget, *, block_size=None, sizes=None):
        return fit.nearest_block_diagonal(cls, M, rtol, budget, block_size=block_size, sizes=sizes)

    @classmethod
    def _random(cls, shape, rng, dtype, *, block_size=None):
        return cls(fit.random_blocks(shape, rng, dtype, block_size))


# ---------------------------------------------------------------- closure


def _fit(A, B):
    """True when the partitions of two summands agree."""
    return np.array_equal(A._heights, B._heights) and np.array_equal(A._widths, B._widths)


def _blockwise(f, A, B):
    """Block-diagonal of f(A_i, B_i); pairs of dense blocks of one shape are computed together."""
    if is_array(A.blocks) and is_array(B.blocks):
        return BlockDiagonal(f(A.blocks, B.blocks))
    pairs, blocks = {}, [None] * len(A._heights)
    for i, (P, Q) in enumerate(zip(A.blocks, B.blocks, strict=True)):
        if is_array(P) and is_array(Q):
            pairs.setdefault((P.shape, Q.shape), []).append(i)
        else:
            blocks[i] = f(_rules.lift(P), _rules.lift(Q))
    xp = A._namespace or np
    for which in pairs.values():
        result = f(xp.stack([A.blocks[i] for i in which]), xp.stack([B.blocks[i] for i in which]))
        for place, i in enumerate(which):
            blocks[i] = result[place]
    return BlockDiagonal(blocks)


@_rules.register("matmul", BlockDiagonal, BlockDiagonal)
def _(A, B):
    if not np.array_equal(A._widths, B._heights):
        return NotImplemented
    return _blockwise(lambda P, Q: P @ Q, A, B)


@_rules.register("add", BlockDiagonal, BlockDiagonal)
def _(A, B):
    return _blockwise(lambda P, Q: P + Q, A, B) if _fit(A, B) else NotImplemented


@_rules.register("hadamard", BlockDiagonal, BlockDiagonal)
def _(A, B):
    def product(P, Q):
        return P * Q if is_array(P) else _rules.combine("hadamard", P, Q)

    return _blockwise(product, A, B) if _fit(A, B) else NotImplemented


@_rules.register("solve", BlockDiagonal, BlockDiagonal)
def _(A, B):
    if not np.array_equal(A._widths, B._heights):
        return NotImplemented
    return linalg.inv(A) @ B


def _plus_diagonal(A, values):
    """Square blocks plus a diagonal."""
    if not A._square_blocks():
        return NotImplemented
    bodies = []
    for group, rows, _ in A._located():
        if is_stack(group.body):
            p = group.body.shape[1]
            eye = A._namespace.eye(p, dtype=values.dtype)
            bodies.append(group.body + values[rows][:, :, None] * eye)
        else:
            bodies.append(group.body + Diagonal(values[rows]))
    return A._like(bodies)


@_rules.register("add", BlockDiagonal, Diagonal)
def _(A, B):
    return _plus_diagonal(A, B.values)


@_rules.register("add", Diagonal, BlockDiagonal)
def _(A, B):
    return _plus_diagonal(B, A.values)


@_rules.register("add", BlockDiagonal, Identity)
def _(A, B):
    return _plus_diagonal(A, (A._namespace or np).ones(B.n, B.dtype))


@_rules.register("add", Identity, BlockDiagonal)
def _(A, B):
    return _plus_diagonal(B, (B._namespace or np).ones(A.n, A.dtype))


closed_with_diagonal(BlockDiagonal)
_rules.maker("block_diagonal")(BlockDiagonal)
