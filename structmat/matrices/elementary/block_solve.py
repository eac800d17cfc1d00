"""Solving with a Block: substitution in triangular grids, Schur complements in 2 x 2 grids.

Both are certified: every solution is checked by its backward error and refined, and LU of the dense
matrix takes over, where that is small enough, when refinement does not help.
"""

from itertools import pairwise

import numpy as np

from structmat import _checks, _rules, linalg
from structmat._backend import dense
from structmat._backend.arrays import is_array
from structmat.linalg import _door
from structmat.matrices.elementary.certified import Certified
from structmat.matrices.elementary.groups import starts
from structmat.matrices.elementary.zeros import Zeros

__all__ = ["factorize"]

# Grids of arrays alone, up to this order, are cheaper as one array.
_DENSE = 512


def factorize(A):
    """Certified factorisation of a Block with square cells on its diagonal, or NotImplemented."""
    n, grid = len(A.grid), A.grid
    cells = [grid[i][i] for i in range(n)]
    if A.shape[0] <= _DENSE and all(c is None or _is_plain(c) for c in cells):
        return NotImplemented
    lower = all(_is_zero(grid[i][j]) for i in range(n) for j in range(i + 1, n))
    upper = all(_is_zero(grid[i][j]) for i in range(n) for j in range(i))
    try:
        if lower or upper:
            fast, method = _Substitution(A, lower), "block substitution"
        elif n == 2 and _has_pivot(A):
            fast, method = _Schur(A), "Schur complement of a diagonal cell, with refinement"
        else:
            return NotImplemented
    except np.linalg.LinAlgError:
        # A triangular grid with a singular cell is singular; a 2 x 2 grid need not be.
        if lower or upper:
            raise
        return NotImplemented
    if fast.unusable:
        return NotImplemented
    stable = (lambda: _DenseLU(A)) if _door.small(A) else None
    return _CertifiedBlock(
        A, fast, stable, structure="Block", method=method, fallback="LU of the dense matrix"
    )


def _is_plain(cell):
    return is_array(cell) or hasattr(cell, "array")


def _is_zero(cell):
    return cell is None or isinstance(cell, Zeros)


def _has_pivot(A):
    """True when the larger diagonal cell is structured, and the other small enough as an array."""
    first = int(A._heights[1] > A._heights[0])
    pivot = A.grid[first][first]
    return pivot is not None and not _is_plain(pivot) and A._heights[1 - first] <= _door.DENSE_ORDER


class _CertifiedBlock(Certified):
    def _slogdet(self):
        # What a solve shows without refinement, a determinant has too.
        if self.first_error > 100 * self._goal:
            return (self._make_stable or (lambda: _DenseLU(self.matrix)))().slogdet()
        return self._fast.slogdet()


class _Solvers:
    """Factorised diagonal cells; those of their adjoints are made when the first adjoint comes."""

    unusable = False

    def __init__(self, cells):
        self.cells = [_rules.lift(cell) for cell in cells]
        self.parts = [cell._factorize() for cell in self.cells]
        self.unusable = any(part is NotImplemented for part in self.parts)
        self.adjoints = None

    def solve(self, i, B, adjoint):
        """A_i^-1 B or A_i^-H B."""
        if adjoint and self.adjoints is None:
            self.adjoints = [linalg.factorize(cell._adjoint()) for cell in self.cells]
        return (self.adjoints if adjoint else self.parts)[i]._solve(_contiguous(B))


def _contiguous(B):
    return B if B.flags.c_contiguous else B.copy(order="C")


class _Substitution:
    """Forward or back substitution by blocks."""

    def __init__(self, A, lower):
        for i in range(len(A.grid)):
            if _is_zero(A.grid[i][i]) and A._heights[i]:
                raise _checks.singular("Block", f"triangular, and diagonal cell {i} is zero")
        self.matrix, self.lower = A, lower
        self.solvers = _Solvers([A.grid[i][i] for i in range(len(A.grid))])
        self.unusable = self.solvers.unusable
        row = starts(A._heights)
        self.rows = [slice(a, b) for a, b in pairwise(row)]

    def solve(self, B, adjoint=False):
        A = self.matrix._adjoint() if adjoint else self.matrix
        X = B.copy()
        n = len(self.rows)
        forward = self.lower != adjoint
        for i in range(n) if forward else reversed(range(n)):
            for j in range(i) if forward else range(i + 1, n):
                if A.grid[i][j] is not None:
                    X[self.rows[i]] -= A.grid[i][j] @ X[self.rows[j]]
            X[self.rows[i]] = self.solvers.solve(i, X[self.rows[i]], adjoint)
        return X

    def slogdet(self):
        return _product([cell.slogdet() for cell in self.solvers.cells])


class _Schur:
    """[[A, B], [C, D]] with S = D - C A^-1 B: the larger diagonal cell is eliminated."""

    def __init__(self, M):
        self.pivot = int(M._heights[1] > M._heights[0])
        p, q = self.pivot, 1 - self.pivot
        row = starts(M._heights)
        self.first, self.second = slice(row[p], row[p + 1]), slice(row[q], row[q + 1])
        self.solvers = _Solvers([M.grid[p][p]])
        self.unusable = self.solvers.unusable
        if self.unusable:
            return
        xp = M._namespace or np
        h, w = M._heights[p], M._heights[q]
        self.B = M.grid[p][q] if M.grid[p][q] is not None else Zeros(h, w, M.dtype)
        self.C = M.grid[q][p] if M.grid[q][p] is not None else Zeros(w, h, M.dtype)
        B = _contiguous(_array(self.B))
        D = xp.zeros((w, w), M.dtype) if M.grid[q][q] is None else _array(M.grid[q][q])
        self.lu = dense.lu_factor(D - self.C @ self.solvers.solve(0, B, False))
        if self.lu.zero_pivot is not None:
            raise _checks.singular("Block", f"pivot {self.lu.zero_pivot} of the Schur complement")

    def solve(self, R, adjoint=False):
        B, C = (_adjoint(self.C), _adjoint(self.B)) if adjoint else (self.B, self.C)
        X = R.copy()
        inner = self.solvers.solve(0, R[self.first], adjoint)
        y = self.lu.solve(R[self.second] - C @ inner, adjoint=adjoint, check_finite=False)
        X[self.second] = y
        X[self.first] = self.solvers.solve(0, R[self.first] - B @ _contiguous(y), adjoint)
        return X

    def slogdet(self):
        return _product([self.solvers.cells[0].slogdet(), self.lu.slogdet()])


class _DenseLU:
    """The stable way, for matrices that fit."""

    def __init__(self, A):
        self.lu = dense.lu_factor(_checks.densify(A, "solve"))
        if self.lu.zero_pivot is not None:
            raise _checks.singular("Block", f"pivot {self.lu.zero_pivot}")

    def solve(self, B, adjoint=False):
        return self.lu.solve(B, adjoint=adjoint, check_finite=False)

    def slogdet(self):
        return self.lu.slogdet()


def _array(cell):
    return cell if is_array(cell) else cell.toarray()


def _adjoint(cell):
    return cell.conj().T if is_array(cell) else cell._adjoint()


def _product(parts):
    sign, total = 1.0, 0.0
    for s, value in parts:
        if s == 0:
            return 0.0, -np.inf
        sign, total = sign * s, total + float(value)
    return sign, total
