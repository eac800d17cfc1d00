"""Back substitution over several modes: triangular Kronecker sums and two-term sums.

With Schur forms A_i = Z_i T_i Z_i^H a Kronecker sum becomes one of upper triangles, which is upper
triangular, of order N = n_1 ... n_d, and never formed. Row j of the first mode asks for a system of
the same kind in the other modes,

    (T_1[j, j] I + T_2 (+) ... (+) T_d) x_j = b_j - sum_{l > j} T_1[j, l] x_l,

and so on down to the last mode, where BLAS takes it (trsm). The sums over l are GEMMs, because rows
are taken in halves, recursively. This is the method of Bartels and Stewart (Comm. ACM 15, 1972) for
d modes; the two-term sum T_1 (x) T_2 + S_1 (x) S_2 is that of Gardiner, Laub, Amato and Moler (ACM
TOMS 18, 1992). Cost: N (n_1 + ... + n_d) multiplications. On the host only, as the Schur form is.
"""

import math

import numpy as np
from scipy.linalg import get_blas_funcs

from structmat._backend.dense import norm
from structmat.matrices.kronecker.modes import outer_sum, size_of, times_power

__all__ = [
    "inverse_norm",
    "pair_solver",
    "reciprocal",
    "reciprocal_condition",
    "solved",
    "sum_solver",
    "triangular_norm",
]

# Neighbouring small triangles are multiplied out up to this order: fewer and longer calls of BLAS.
MERGED = 64


def _ascending(sizes):
    """Order of the modes with the largest last, so that BLAS gets the longest system."""
    return sorted(range(len(sizes)), key=lambda i: sizes[i])


def _halves(lo, hi, row, update):
    """Rows hi - 1 ... lo: `row(j)` solves one, `update(lo, mid, hi)` moves known rows across."""
    if hi - lo <= 1:
        if hi > lo:
            row(lo)
        return
    mid = (lo + hi) // 2
    _halves(mid, hi, row, update)
    update(lo, mid, hi)
    _halves(lo, mid, row, update)


def _flipped(T):
    """J T^H J: upper triangular again. Reversing every mode reverses the vector."""
    return np.ascontiguousarray(T.conj().T[::-1, ::-1])


def _trsm(dtype):
    """x := T^-1 x in place for C-contiguous (n, k) blocks and column-major T."""
    trsm, trsv = get_blas_funcs(("trsm", "trsv"), dtype=dtype)

    def solve(T, X):
        if X.shape[1] == 1:
            X[:, 0] = trsv(T, X[:, 0])
        else:
            # X^T is column-major: X^T T^T = B^T needs no copy.
            X[...] = trsm(1.0, T, X.T, side=1, trans_a=1, overwrite_b=1).T

    return solve


def _merge(triangles, join):
    """Multiply out neighbouring small triangles while the order stays at most `MERGED`."""
    merged = []
    for T in triangles:
        if merged and len(merged[-1][0]) * len(T[0]) <= MERGED:
            merged[-1] = join(merged[-1], T)
        else:
            merged.append(T)
    return merged


class TriangularSum:
    """T_1 (+) ... (+) T_p (+) diag(shift), solved in place.

    Parameters
    ----------
    triangles : list of (n_i, n_i) arrays
        Upper triangular, one common dtype, smallest order first.
    shift : (D,) array
        The eigenvalue sums of all modes that are diagonal; ``zeros(1)`` without such modes.
    """

    def __init__(self, triangles, shift):
        def join(a, b):
            (A,), (B,) = a, b
            return (np.kron(A, np.eye(len(B), dtype=B.dtype)) + _repeat(B, len(A)),)

        self.triangles = [T for (T,) in _merge([(T,) for T in triangles], join)]
        self.shift = shift
        self._trsm = _trsm(triangles[0].dtype)

    def solve(self, X):
        """Solve in place; X is C-contiguous of shape (t_1 ... t_p, D, k)."""
        *_, D, k = X.shape
        last = np.array(self.triangles[-1], order="F")
        shape = tuple(len(T) for T in self.triangles)
        if 0 in X.shape:
            return
        self._solve(0, self.shift[:, None], X.reshape(*shape, D, k), last)

    def adjoint(self):
        """The solver of J A^H J, whose vectors are reversed."""
        flipped = TriangularSum.__new__(TriangularSum)
        flipped.triangles = [_flipped(T) for T in self.triangles]
        flipped.shift, flipped._trsm = self.shift[::-1].conj(), self._trsm
        return flipped

    def _solve(self, mode, shift, X, last):
        T = self.triangles[mode]
        n, D, k = len(T), X.shape[-2], X.shape[-1]
        diagonal = T.diagonal()
        if mode == len(self.triangles) - 1 and n >= D:
            # One triangular system for each diagonal entry of the other modes; only the diagonal of
            # the work copy changes between them.
            work = last.ravel(order="K")[:: n + 1]
            for q in range(D):
                work[:] = diagonal + shift[q, 0]
                block = X.reshape(n, k) if D == 1 else np.ascontiguousarray(X[:, q])
                self._trsm(last, block)
                if D > 1:
                    X[:, q] = block
            return
        rows = X.reshape(n, -1)

        def update(lo, mid, hi):
            rows[lo:mid] -= T[lo:mid, mid:hi] @ rows[mid:hi]

        if mode == len(self.triangles) - 1:

            def row(j):
                X[j] /= diagonal[j] + shift

        else:

            def row(j):
                self._solve(mode + 1, shift + diagonal[j], X[j], last)

        _halves(0, n, row, update)


def _repeat(B, times):
    """I (x) B, upper triangular."""
    return np.kron(np.eye(times, dtype=B.dtype), B)


class TriangularPair:
    """2^e (a T_1 (x) ... (x) T_p + b S_1 (x) ... (x) S_p), upper triangular, solved in place.

    Parameters
    ----------
    pairs : list of (T_i, S_i)
        Upper triangular arrays of one dtype, smallest order first, entries of modulus at most
        about 1. S_i is None for the identity, in all pairs or in none.
    scalars : (a, b)
        Of modulus at most about 1.
    exponent : int
        e.
    """

    def __init__(self, pairs, scalars, exponent):
        def join(a, b):
            S = None if a[1] is None else np.kron(a[1], b[1])
            return np.kron(a[0], b[0]), S

        self.pairs = _merge(list(pairs), join)
        self.scalars, self.exponent = scalars, exponent
        self._trsm = _trsm(pairs[0][0].dtype)

    def solve(self, X):
        """Solve in place; X is C-contiguous of shape (t_1 ... t_p, k)."""
        if 0 in X.shape:
            return
        shape = tuple(len(T) for T, _ in self.pairs)
        self._solve(0, *self.scalars, X.reshape(*shape, X.shape[-1]))
        if self.exponent:
            X[...] = times_power(X, -self.exponent)

    def adjoint(self):
        """The solver of J A^H J, whose vectors are reversed."""
        flipped = TriangularPair.__new__(TriangularPair)
        flipped.pairs = [(_flipped(T), None if S is None else _flipped(S)) for T, S in self.pairs]
        flipped.scalars = tuple(np.conj(c) for c in self.scalars)
        flipped.exponent, flipped._trsm = self.exponent, self._trsm
        return flipped

    def _solve(self, mode, a, b, X):
        T, S = self.pairs[mode]
        n = len(T)
        rows = X.reshape(n, -1)
        if mode == len(self.pairs) - 1:
            work = np.multiply(T, a, dtype=T.dtype, order="F")
            if S is None:
                work.ravel(order="K")[:: n + 1] += b
            else:
                work += np.multiply(S, b, dtype=S.dtype)
            self._trsm(work, rows)
            return
        # The other modes' products with the rows that are known, each taken once.
        through_T = np.empty_like(rows)
        through_S = None if S is None else np.empty_like(rows)

        def row(j):
            a_j = a * T[j, j]
            b_j = b if S is None else b * S[j, j]
            self._solve(mode + 1, a_j, b_j, X[j])
            through_T[j] = self._rest(mode, 0, X[j]).reshape(-1)
            if S is not None:
                through_S[j] = self._rest(mode, 1, X[j]).reshape(-1)

        def update(lo, mid, hi):
            rows[lo:mid] -= (a * T[lo:mid, mid:hi]) @ through_T[mid:hi]
            if S is not None:
                rows[lo:mid] -= (b * S[lo:mid, mid:hi]) @ through_S[mid:hi]

        _halves(0, n, row, update)

    def _rest(self, mode, which, X):
        """(T_{mode+1} (x) ...) x for one row."""
        left, size = 1, X.size
        for pair in self.pairs[mode + 1 :]:
            A = pair[which]
            size //= len(A)
            X = np.matmul(A, X.reshape(left, len(A), size))
            left *= len(A)
        return X


def inverse_norm(solve, solve_adjoint, n, dtype, xp=np):
    """Estimate of |A^-1|_2 from below: one step of inverse iteration from a random vector.

    Dixon (SIAM J. Numer. Anal. 20, 1983): the chance to be off by more than a factor t is of order
    sqrt(n) / t for one vector.
    """
    if not n:
        return 0.0
    x = xp.asarray(np.random.default_rng(n).standard_normal((n, 1)).astype(dtype))
    size = 1.0
    with np.errstate(all="ignore"):
        for step in (solve, solve_adjoint):
            x = x / _size(x)
            x = step(x)
            size = _size(x)
            if not (math.isfinite(size) and size > 0):
                return math.inf
    return size


def _size(x):
    top = float(abs(x).max())
    if not (math.isfinite(top) and top > 0):
        return math.inf
    return top * math.sqrt(float((abs(x / top) ** 2).sum(dtype=np.float64)))


def sum_solver(modes):
    """(triangular solver, forward, back) for modes of which at least one is a triangle.

    `forward` brings a block of shape (N, k) to the solver's order of modes, `back` undoes it.
    """
    sizes = [len(m.T) for m in modes]
    dtype = np.result_type(*(m.T.dtype for m in modes))
    full = [i for i, m in enumerate(modes) if m.T.ndim == 2]
    flat = [i for i, m in enumerate(modes) if m.T.ndim == 1]
    order = [full[i] for i in _ascending([sizes[i] for i in full])] + flat
    shift = outer_sum([modes[i].T for i in flat]) if flat else np.zeros(1)
    triangles = [modes[i].T.astype(dtype) for i in order[: len(full)]]
    solver = TriangularSum(triangles, shift.astype(dtype))
    lead = size_of(sizes[i] for i in full)
    forward, back = _permuted(sizes, order, lambda k: (lead, len(shift), k), dtype)
    return solver, forward, back


def pair_solver(pairs, scalars, exponent):
    """As `sum_solver`, for the two-term sum of triangles."""
    sizes = [len(T) for T, _ in pairs]
    order = _ascending(sizes)
    solver = TriangularPair([pairs[i] for i in order], scalars, exponent)
    N = size_of(sizes)
    forward, back = _permuted(sizes, order, lambda k: (N, k), pairs[0][0].dtype)
    return solver, forward, back


def solved(solver, forward, back, X, adjoint=False):
    """T^-1 X, or T^-H X, out of place and in the natural order of the modes."""
    Y = forward(X)
    if not adjoint:
        solver.solve(Y)
        return back(Y)
    flat = size_of(Y.shape[:-1]), Y.shape[-1]
    flipped = np.ascontiguousarray(Y.reshape(flat)[::-1]).reshape(Y.shape)
    solver.adjoint().solve(flipped)
    return back(np.ascontiguousarray(flipped.reshape(flat)[::-1]).reshape(Y.shape))


def triangular_norm(T):
    """A bound of |T|_2, at most sqrt(n) above it: sqrt(|T|_1 |T|_inf); exact for a diagonal."""
    if T.shape[0] == 0:
        return 0.0
    if T.ndim == 1:
        return float(abs(T).max())
    return math.sqrt(norm(T, 1)) * math.sqrt(norm(T, math.inf))


def reciprocal_condition(triangular, dtype, size):
    """Estimate of 1 / (|A|_2 |A^-1|_2), size >= |A|_2; `triangular` is what `solved` takes."""
    solver, forward, back, N = triangular
    inverse = inverse_norm(
        lambda x: solved(solver, forward, back, x),
        lambda x: solved(solver, forward, back, x, adjoint=True),
        N,
        dtype,
    )
    return reciprocal(size, inverse)


def reciprocal(size, inverse):
    """1 / (size * inverse) without overflow, at most 1; 1 for an empty matrix."""
    if size == 0 or inverse == 0:
        return 1.0
    return min(1.0, (1 / size) / inverse) if math.isfinite(inverse) else 0.0


def _permuted(sizes, order, shape, dtype):
    inverse = [order.index(i) for i in range(len(order))]

    def forward(X):
        k = X.shape[1]
        Y = X.reshape(*sizes, k).transpose(*order, len(sizes))
        return np.array(Y, dtype=dtype, order="C").reshape(shape(k))

    def back(Y):
        k = Y.shape[-1]
        Y = Y.reshape(*(sizes[i] for i in order), k).transpose(*inverse, len(sizes))
        return np.ascontiguousarray(Y).reshape(size_of(sizes), k)

    return forward, back
