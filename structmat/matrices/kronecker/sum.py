"""KroneckerSum: A (+) B (+) ..., the matrix of a separable differential operator."""

import math

import numpy as np

from structmat import _checks, _rules, linalg
from structmat._backend import dense as lapack
from structmat._backend.arrays import is_array, namespace_of
from structmat._results import Cost, EighResult, EigResult
from structmat.matrices.base import StructuredMatrix
from structmat.matrices.elementary import Identity
from structmat.matrices.kronecker import modes as _modes
from structmat.matrices.kronecker.eigenbasis import (
    EigenbasisFactorization,
    KroneckerEigenbasis,
    describe_sum,
    extreme_sums,
    log_of_chunks,
    vectors_of,
)
from structmat.matrices.kronecker.khatri_rao import KhatriRao
from structmat.matrices.kronecker.matrix import Kronecker
from structmat.matrices.kronecker.modes import (
    dense_factor,
    outer_sum,
    partial_sums,
    random_factor,
    size_of,
)
from structmat.matrices.kronecker.schur import SchurSum

__all__ = ["KroneckerSum"]


class KroneckerSum(StructuredMatrix):
    """A_1 (+) A_2 (+) ... (+) A_d, for two factors A (x) I + I (x) B.

    In the order of :func:`numpy.kron`: with x read as an array of shape (n_1, ..., n_d),
    ``(A_1 (+) A_2) x = A_1 X + X A_2^T``. Solving is the Sylvester equation. With N = n_1 ... n_d
    and ``s = n_1 + ... + n_d``:

    ====================  ========================================================================
    product               2 N s; no identity is formed
    solve                 eigenvectors (Hermitian factors) or Schur forms of the factors, about
                          ``25 sum n_i^3``, then 4 N s to 6 N s for each right-hand side
    slogdet               eigenvalues of the factors, then N
    eig, eigh, svd        values sorted; vectors are a Kronecker product times a permutation
    eigsh                 k log k by a heap over sorted factor eigenvalues
    expm                  the Kronecker product of the factors' exponentials
    ====================  ========================================================================

    Parameters
    ----------
    *factors : array, sparse array, LinearOperator or StructuredMatrix, shape (n_i, n_i)
        At least one; brought to a common dtype, otherwise stored as given.

    Raises
    ------
    ValueError
        No factor, or a factor that is not square.

    Notes
    -----
    The matrix is singular exactly if some sum of one eigenvalue of each factor is zero; solving
    then raises LinAlgError and names the eigenvalues. Eigenvectors of normal factors and Schur
    forms of others give a small residual [1]_. ``rcond`` of the factorisation is in the 2-norm,
    exact for normal factors, otherwise estimated by one step of inverse iteration.

    References
    ----------
    .. [1] R. H. Bartels and G. W. Stewart, Solution of the matrix equation AX + XB = C, Comm. ACM
       15 (1972) 820-826; N. J. Higham, *Accuracy and Stability of Numerical Algorithms*, ch. 16.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> second = np.diag([2.0, 2.0]) - np.diag([1.0], 1) - np.diag([1.0], -1)
    >>> A = sm.KroneckerSum(second, second)  # five-point Laplacian
    >>> A.toarray()
    array([[ 4., -1., -1.,  0.],
           [-1.,  4.,  0., -1.],
           [-1.,  0.,  4., -1.],
           [ 0., -1., -1.,  4.]])
    >>> A.solve(np.ones(4))
    array([0.5, 0.5, 0.5, 0.5])
    """

    _parameters = ("factors",)

    def __init__(self, *factors):
        dtype, self.factors = _modes.as_factors(factors, "KroneckerSum", square=True)
        n = size_of(self._sizes())
        super().__init__(dtype, (n, n))

    @classmethod
    def _from_parameters(cls, factors):
        return cls(*factors)

    def _sizes(self):
        return [int(A.shape[0]) for A in self.factors]

    def _apply(self, X):
        sizes, k = self._sizes(), X.shape[1]
        left, right = 1, self.shape[0] * k
        total = None
        for A, n in zip(self.factors, sizes):
            right = right // n if n else 0
            Y = _modes.apply_mode(A, X, left, right).reshape(X.shape)
            if total is None:
                total = Y
            else:
                total += Y
            left *= n
        return total

    def _adjoint(self):
        return KroneckerSum(*(_modes.adjoint(A) for A in self.factors))

    def _toarray(self):
        xp = self._namespace or np
        out = xp.zeros(self.shape, self.dtype)
        left, right = 1, self.shape[0]
        for A in self.factors:
            n = A.shape[0]
            right = right // n if n else 0
            # Entry ((l, a, r), (l', b, r')) is A[a, b] where l = l' and r = r'.
            blocks = out.reshape(left, n, right, left, n, right)
            at_left, at_right = xp.arange(left)[:, None], xp.arange(right)
            blocks[at_left, :, at_right, at_left, :, at_right] += dense_factor(A, xp)
            left *= n
        return out

    # ------------------------------------------------------------ solving

    def _schur_modes(self):
        return _modes.each(self.factors, lambda A: _modes.schur_mode(A, self._namespace or np))

    def _hermitian_modes(self):
        return _modes.each(self.factors, lambda A: _modes.hermitian_mode(A, self._namespace or np))

    def _factorize(self):
        parts = self._schur_modes()
        if all(m.T.ndim == 1 for m in parts):
            values = outer_sum([m.T for m in parts])
            method = "eigenvectors of the factors"
            return EigenbasisFactorization(
                self, vectors_of(parts), values, method, describe_sum(parts)
            )
        return SchurSum(self, parts)

    def _eigenbasis(self):
        """The matrix in its eigenbasis if every factor is Hermitian, else None."""
        if not all(_modes.is_hermitian(A) for A in self.factors):
            return None
        parts = self._hermitian_modes()
        return parts, KroneckerEigenbasis(vectors_of(parts), outer_sum([m.T for m in parts]))

    def _inv(self):
        found = self._eigenbasis()
        if found is None:
            return NotImplemented
        parts, matrix = found
        matrix._place = describe_sum(parts)
        return matrix._inv()

    def _slogdet(self):
        if not self.shape[0]:
            return 1.0, 0.0
        return log_of_chunks(partial_sums(self._factor_eigenvalues()), real=self.dtype.kind != "c")

    # ------------------------------------------------------------ entries

    def _diagonal(self):
        xp = self._namespace or np
        return outer_sum([xp.asarray(A.diagonal()) for A in self.factors]).copy()

    def _trace(self):
        N = self.shape[0]
        return sum((N // A.shape[0]) * A.trace() for A in self.factors) if N else 0

    def _entries(self, i, j):
        rows, columns = (_modes.digits(index, self._sizes()) for index in (i, j))
        different = [r != c for r, c in zip(rows, columns)]
        count = sum(d.astype(int) for d in different)
        xp = self._namespace or np
        values = xp.zeros(count.shape, self.dtype)
        for A, r, c, differs in zip(self.factors, rows, columns, different):
            r, c = np.broadcast_arrays(r, c)
            # Factor m counts where the indices of all other modes agree.
            values += xp.where(xp.asarray(count == differs), A[r, c], 0)
        return values

    # ------------------------------------------------------------ spectrum

    def _is_hermitian(self):
        if not self.shape[0] or all(_modes.is_hermitian(A) for A in self.factors):
            return True
        # Complex factors may still add up: (A + i I) (+) (B - i I) is A (+) B.
        return False if self.dtype.kind != "c" else NotImplemented

    def _factor_eigenvalues(self):
        hermitian = self._is_hermitian() is True and self.shape[0] > 0
        return _modes.each(
            self.factors, lambda A: _modes.eigenvalues(A, hermitian, self._namespace or np)
        )

    def _eigvals(self):
        return outer_sum(self._factor_eigenvalues())

    def _eigvalsh(self):
        if self._is_hermitian() is not True:
            return NotImplemented
        return np.sort(self._eigvals())

    def _eig(self):
        if all(_modes.is_hermitian(A) for A in self.factors):
            return self._eigenbasis()[1]._eig()
        pairs = [lapack.eig(dense_factor(A, self._namespace)) for A in self.factors]
        dtype = np.result_type(*(a.dtype for pair in pairs for a in pair))
        values = outer_sum([w.astype(dtype, copy=False) for w, _ in pairs])
        return EigResult(values, Kronecker(*(V.astype(dtype, copy=False) for _, V in pairs)))

    def _eigh(self):
        found = self._eigenbasis()
        return NotImplemented if found is None else found[1]._eigh()

    def _eigsh(self, k, which):
        if self._is_hermitian() is not True or not all(map(_modes.is_hermitian, self.factors)):
            return NotImplemented
        parts = self._hermitian_modes()
        values = [m.T for m in parts]
        if which == "SM" and float(sum(v[0] for v in values)) >= 0:
            which = "SA"  # all values are positive: the smallest are the lowest
        elif which == "SM" and float(sum(v[-1] for v in values)) <= 0:
            which = "LA"
        if which == "SM":
            # Interior: no order of the factors' values helps.
            _checks.guard_dense((self.shape[0], 1), np.float64, "eigsh")
            w = outer_sum(values)
            chosen = np.argsort(abs(w), kind="stable")[:k]
            chosen = chosen[np.argsort(w[chosen], kind="stable")]
            where = _modes.digits(chosen, self._sizes())
        else:
            where = np.array(extreme_sums(values, k, which)).reshape(-1, len(values)).T
        w = sum(v[i] for v, i in zip(values, where))
        return EighResult(
            w, KhatriRao(*(dense_factor(m.Z, self._namespace)[:, i] for m, i in zip(parts, where)))
        )

    def _svd(self, full_matrices):
        found = self._eigenbasis()
        return NotImplemented if found is None else found[1]._svd(full_matrices)

    def _svdvals(self):
        if self._is_hermitian() is not True:
            return NotImplemented
        return np.sort(abs(self._eigvals()))[::-1]

    def _rank(self, rtol):
        if self._is_hermitian() is not True:
            return NotImplemented
        values = self._factor_eigenvalues()
        cutoff = rtol * self._norm(2)
        return sum(int((abs(s) > cutoff).sum()) for s in partial_sums(values))

    # ------------------------------------------------------------ functions and norms

    def _expm(self):
        """exp(A (+) B) = exp(A) (x) exp(B); a shift c I of one against another cancels in it."""
        if not self.shape[0]:
            return Kronecker(*self.factors)
        means = [float((A.trace() / A.shape[0]).real) for A in self.factors]
        common = sum(means) / len(means)
        shifts = [common - mean if abs(common - mean) > 100 else 0.0 for mean in means]
        moved = [shifted(A, s) if s else A for A, s in zip(self.factors, shifts)]
        return Kronecker(*(linalg.expm(A) for A in moved))

    def _sqrtm(self):
        found = self._eigenbasis()
        return NotImplemented if found is None else found[1]._sqrtm()

    def _logm(self):
        found = self._eigenbasis()
        return NotImplemented if found is None else found[1]._logm()

    def _norm(self, ord):
        if not self.shape[0]:
            return 0.0
        if ord == "fro":
            return self._frobenius()
        if ord in (1, -1, np.inf, -np.inf, "max"):
            return self._sums_norm(ord)
        if self._is_hermitian() is not True:
            return NotImplemented
        values = self._factor_eigenvalues()
        if ord == 2:
            return max(abs(sum(float(v[at]) for v in values)) for at in (0, -1))
        parts = (abs(s) for s in partial_sums(values))
        return float(sum(p.sum() for p in parts) if ord == "nuc" else min(p.min() for p in parts))

    def _split(self):
        """Each factor's diagonal, and what is off it, in double precision."""
        for A in self.factors:
            A = dense_factor(A, self._namespace)
            A = A.astype(np.result_type(A.dtype, np.float64))
            d = A.diagonal().copy()
            yield d, A - namespace_of(d).diag(d)

    def _frobenius(self):
        """Off the diagonal the factors do not meet; on it, means add and variances add."""
        N, total, mean = float(self.shape[0]), 0.0, 0.0
        for d, off in self._split():
            n, m = len(d), d.mean()
            mean = mean + m
            inside = math.hypot(lapack.norm(off), lapack.norm((d - m)[:, None]))
            total = math.hypot(total, inside / math.sqrt(n))
        return math.sqrt(N) * math.hypot(total, float(abs(mean)))

    def _sums_norm(self, ord):
        """Column (row) sums: they add up off the diagonal; on it, moduli come after the sum."""
        diagonals, sums = [], []
        for d, off in self._split():
            diagonals.append(d)
            off = abs(off)
            sums.append(off.max(axis=0) if ord == "max" else off.sum(0 if ord in (1, -1) else 1))
        on = (abs(s) for s in partial_sums(diagonals))
        if ord == "max":
            return max(max(float(s.max()) for s in on), *(float(s.max()) for s in sums), 0.0)
        both = (a + b for a, b in zip(on, partial_sums(sums)))
        pick = (max, np.max) if ord > 0 else (min, np.min)
        return float(pick[0](pick[1](s) for s in both))

    def _scale(self, c):
        return KroneckerSum(*(c * A for A in self.factors))

    def _cost(self, verb, ncols):
        sizes, N = self._sizes(), float(self.shape[0])
        wide = 4 if self.dtype.kind == "c" else 1
        apply, cubes = wide * 2 * N * sum(sizes) * ncols, wide * sum(float(n) ** 3 for n in sizes)
        moved = self.nbytes + 2.0 * len(sizes) * N * ncols * self.dtype.itemsize
        hermitian = self._is_hermitian() is True
        if verb == "matmul":
            return Cost("one product a mode", apply, moved)
        if verb == "solve":
            how = "eigenvectors" if hermitian else "Schur forms"
            flops = (9 if hermitian else 25) * cubes + (2 if hermitian else 6) * apply
            return Cost(f"{how} of the factors", flops, 3 * moved)
        if verb in ("slogdet", "eigh"):
            cost = (4 / 3 if hermitian else 10) * cubes + 20 * N
            return Cost("eigenvalues of the factors", cost, moved)
        return Cost("eigenvectors of the factors", 9 * cubes + 10 * N, moved) if hermitian else (
            NotImplemented
        )  # fmt: skip

    @classmethod
    def _random(cls, shape, rng, dtype, sizes=None):
        if shape[0] != shape[1]:
            raise ValueError(f"a KroneckerSum is square; got shape {shape}")
        sizes = _modes.sizes_like(shape[0]) if sizes is None else tuple(sizes)
        if size_of(sizes) != shape[0]:
            raise ValueError(f"`sizes` {sizes} do not multiply to {shape[0]}")
        return cls(*(random_factor(n, rng, dtype) for n in sizes))


_rules.maker("kronecker_sum")(KroneckerSum)


def shifted(A, c):
    """A + c I for a factor."""
    if is_array(A):
        A = A.astype(np.result_type(A.dtype, c))  # a copy
        A[range(A.shape[0]), range(A.shape[0])] += c
        return A
    return A + c * Identity(A.shape[0], A.dtype)
