"""Block: a matrix of matrices."""

import math

import numpy as np

from structmat import _checks, _rules, linalg
from structmat._backend.arrays import is_array, namespace_of
from structmat._results import Cost
from structmat.matrices.base import StructuredMatrix
from structmat.matrices.elementary import _shared, block_solve
from structmat.matrices.elementary.dense import Dense
from structmat.matrices.elementary.groups import starts
from structmat.matrices.elementary.zeros import Zeros

__all__ = ["Block"]


class Block(StructuredMatrix):
    """A grid of matrices of any kind, [[A_00, A_01, ...], [A_10, ...], ...].

    ==========  ===============================================================================
    product     that of every cell
    solve       block-triangular grids by substitution; 2 x 2 grids with a large structured
                diagonal cell by its Schur complement, checked and refined; else dense
    ==========  ===============================================================================

    Parameters
    ----------
    grid : sequence of sequences
        Rows of cells: 2-D arrays, structured matrices, or None for zeros. Every row and every
        column needs one cell that is not None, which gives its size.

    Raises
    ------
    ValueError
        Rows of different lengths, cells that do not fit, a row or column of None.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> A = sm.Block([[sm.Diagonal([2.0, 4.0]), np.ones((2, 1))], [None, [[1.0]]]])
    >>> A.toarray()
    array([[2., 0., 1.],
           [0., 4., 1.],
           [0., 0., 1.]])
    >>> A.solve(np.array([3.0, 5.0, 1.0]))
    array([1., 1., 1.])
    """

    _parameters = ("grid",)

    def __init__(self, grid):
        grid = [[_as_cell(cell, i, j) for j, cell in enumerate(row)] for i, row in enumerate(grid)]
        if not grid or not grid[0] or any(len(row) != len(grid[0]) for row in grid):
            raise ValueError(
                f"`grid` needs rows of one length; got lengths {[len(row) for row in grid]}"
            )
        self._heights = np.array([_size(row, 0, f"row {i}") for i, row in enumerate(grid)])
        self._widths = np.array(
            [_size(column, 1, f"column {j}") for j, column in enumerate(zip(*grid, strict=True))]
        )
        dtype = np.result_type(*(c.dtype for row in grid for c in row if c is not None))
        self.grid = tuple(
            tuple(c if c is None or c.dtype == dtype else c.astype(dtype) for c in row)
            for row in grid
        )
        super().__init__(dtype, (int(self._heights.sum()), int(self._widths.sum())))

    def _apply(self, X):
        Y = namespace_of(X).zeros((self.shape[0], X.shape[1]), self.dtype)
        for (rows, columns), cell in self._cells():
            part = X[columns]
            Y[rows] += cell @ part if is_array(cell) else cell._apply(part)
        return Y

    def _adjoint(self):
        return Block(
            [[_adjoint(cell) for cell in column] for column in zip(*self.grid, strict=True)]
        )

    def _toarray(self):
        xp = self._namespace or np
        full = xp.zeros(self.shape, self.dtype)
        for place, cell in self._cells():  # a cell without arrays has no device of its own
            full[place] = cell if is_array(cell) else xp.asarray(cell._toarray())
        return full

    def _cells(self):
        """((rows, columns), cell) of every cell that is not None, as slices of the matrix."""
        row, column = starts(self._heights), starts(self._widths)
        for i, cells in enumerate(self.grid):
            for j, cell in enumerate(cells):
                if cell is not None:
                    yield (slice(row[i], row[i + 1]), slice(column[j], column[j + 1])), cell

    def _aligned(self):
        """True when every cell on the diagonal of the grid is square."""
        return np.array_equal(self._heights, self._widths)

    # ------------------------------------------------------------ hooks

    def _factorize(self):
        return block_solve.factorize(self) if self._aligned() else NotImplemented

    def _entries(self, i, j):
        i, j = (np.asarray(p, np.int64) for p in np.broadcast_arrays(i, j))
        xp = self._namespace or np
        values = xp.zeros(i.shape, self.dtype)
        for (rows, columns), cell in self._cells():
            here = (rows.start <= i) & (i < rows.stop) & (columns.start <= j) & (j < columns.stop)
            if here.any():
                found = cell[i[here] - rows.start, j[here] - columns.start]
                values[xp.asarray(here)] = xp.asarray(found)
        return values

    def _diagonal(self):
        if not self._aligned():
            return NotImplemented
        xp = self._namespace or np
        parts = [
            xp.zeros(self._heights[i], self.dtype)
            if row[i] is None
            else xp.asarray(row[i].diagonal())
            for i, row in enumerate(self.grid)
        ]
        return xp.concatenate(parts)

    def _is_hermitian(self):
        if not self._aligned():
            return NotImplemented
        known = [
            _same(self.grid[i][j], self.grid[j][i], on_diagonal=i == j)
            for i in range(len(self.grid))
            for j in range(i + 1)
        ]
        if any(h is False for h in known):
            return False
        return True if all(h is True for h in known) else NotImplemented

    def _norm(self, ord):
        if ord != "fro" or 0 in self.shape:
            return NotImplemented
        return math.hypot(*(linalg.norm(cell) for _, cell in self._cells() if 0 not in cell.shape))

    def _scale(self, c):
        return Block([[None if cell is None else cell * c for cell in row] for row in self.grid])

    def _cost(self, verb, ncols):
        if verb != "matmul":
            return NotImplemented
        flops = 0.0
        for _, cell in self._cells():
            part = NotImplemented if is_array(cell) else cell._cost(verb, ncols)
            dense = 2.0 * cell.shape[0] * cell.shape[1] * ncols
            flops += dense if part is NotImplemented else part.flops
        moved = self.nbytes + sum(self.shape) * ncols * self.dtype.itemsize
        return Cost("cell by cell", flops, float(moved))

    @classmethod
    def _random(cls, shape, rng, dtype):
        """Two by two cells (fewer where a side is one) of a well-conditioned array."""
        full = Dense._random(shape, rng, dtype).array
        rows, columns = ((n - n // 2, n // 2)[: max(1, min(n, 2))] for n in shape)
        i = np.cumsum((0, *rows))
        j = np.cumsum((0, *columns))
        return cls(
            [
                [full[i[p] : i[p + 1], j[q] : j[q + 1]] for q in range(len(columns))]
                for p in range(len(rows))
            ]
        )


# ---------------------------------------------------------------- cells


def _as_cell(cell, i, j):
    if cell is None:
        return None
    if hasattr(cell, "matmat") or _checks.is_sparse(cell):
        return _rules.lift(cell)
    return _checks.as_parameter(cell, f"grid[{i}][{j}]", ndim=2)


def _size(cells, axis, name):
    sizes = {cell.shape[axis] for cell in cells if cell is not None}
    if len(sizes) == 1:
        return sizes.pop()
    if sizes:
        raise ValueError(f"{name} of `grid` holds cells of different sizes {sorted(sizes)}")
    raise ValueError(f"{name} of `grid` is all None: give its size with structmat.Zeros(m, n)")


def _adjoint(cell):
    if cell is None:
        return None
    return cell.conj().T if is_array(cell) else cell._adjoint()


def _same(P, Q, *, on_diagonal):
    """Is P the adjoint of Q? True, False or NotImplemented."""
    if P is None and Q is None:
        return True
    if is_array(P) and is_array(Q):
        return P.shape == Q.shape[::-1] and _shared.same_to_rounding(P, Q.conj().T)
    if on_diagonal:
        return P._is_hermitian()
    if P is None or Q is None or is_array(P) or is_array(Q):
        return NotImplemented
    return True if P == Q._adjoint() else NotImplemented


# ---------------------------------------------------------------- closure


def _sum(cells, m, n, dtype):
    """Sum of cells, Zeros when all are None."""
    found = [cell for cell in cells if cell is not None]
    if not found:
        return Zeros(m, n, dtype)
    total = found[0]
    for cell in found[1:]:
        total = total + cell
    return total


@_rules.register("matmul", Block, Block)
def _(A, B):
    if not np.array_equal(A._widths, B._heights):
        return NotImplemented
    dtype = np.result_type(A.dtype, B.dtype)

    def cell(i, j):
        pairs = zip(A.grid[i], [row[j] for row in B.grid], strict=True)
        products = [None if P is None or Q is None else P @ Q for P, Q in pairs]
        return _sum(products, A._heights[i], B._widths[j], dtype)

    return Block([[cell(i, j) for j in range(len(B._widths))] for i in range(len(A._heights))])


@_rules.register("add", Block, Block)
def _(A, B):
    if not (np.array_equal(A._heights, B._heights) and np.array_equal(A._widths, B._widths)):
        return NotImplemented
    dtype = np.result_type(A.dtype, B.dtype)
    return Block(
        [
            [_sum((P, Q), m, n, dtype) for P, Q, n in zip(row, other, A._widths, strict=True)]
            for row, other, m in zip(A.grid, B.grid, A._heights, strict=True)
        ]
    )


_rules.maker("block")(Block)
