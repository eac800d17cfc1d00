"""Certified: a fast solver that may lose accuracy, guarded by its own backward error.

Each solution is checked with one product, improved by iterative refinement, and handed to a stable
solver where that does not help. What no solver can certify is announced, never returned in silence.
"""

import warnings
from functools import partial

import numpy as np

from structmat._backend.arrays import namespace_of
from structmat._results import Factorization

__all__ = ["Certified", "norm1"]

_STEPS = 4  # of refinement: more than three are hardly ever needed below cond = 1 / eps


def norm1(apply, apply_adjoint, n, dtype, xp):
    """1-norm of a square operator, estimated from below as LAPACK's xLACN2 does.

    Two to five products with one vector, where `structmat.linalg.norm_est` spends a few times as
    many on blocks: what a factorisation can afford. Almost always within a factor 3.

    References
    ----------
    .. [1] N. J. Higham, FORTRAN codes for estimating the one-norm of a real or complex matrix, with
       applications to condition estimation, ACM Trans. Math. Softw. 14 (1988) 381-396, algorithm
       4.1.
    """
    if n == 0:
        return 0.0
    i = xp.arange(n)
    start = xp.empty((n, 2), dtype)
    start[:, 0] = 1 / n
    start[:, 1] = (1 - 2 * (i % 2)) * (1 + i / max(n - 1, 1))  # what cancellation cannot hide from
    Y = apply(start)
    sums = abs(Y).sum(0)
    best = max(float(sums[0]), float(sums[1]) * 2 / (3 * n))
    y, seen = Y[:, :1], -1
    for _ in range(4):
        size = abs(y)
        z = abs(apply_adjoint(xp.where(size > 0, y / xp.where(size > 0, size, 1), 1).astype(dtype)))
        j = int(z.argmax())
        if j == seen:
            break
        seen = j
        unit = xp.zeros((n, 1), dtype)
        unit[j] = 1
        y = apply(unit)
        found = float(abs(y).sum())
        if not found > best:
            break
        best = found
    return best


class Certified(Factorization):
    """Solve with A by ``fast``; where the backward error stays large, by ``stable``.

    Parameters
    ----------
    A : StructuredMatrix, shape (n, n)
        The matrix, whose products make the residuals.
    fast : object
        With ``solve(B, adjoint=False)``.
    stable : callable or None
        Makes the other solver, when it is first needed.
    structure, method, fallback : str
        For messages and certificates.

    Notes
    -----
    Fixed-precision refinement brings the normwise backward error to the level of rounding for any
    solver that has a few correct digits (N. J. Higham, *Accuracy and Stability of Numerical
    Algorithms*, 2nd ed., 2002, theorem 12.3).
    """

    def __init__(self, A, fast, stable, *, structure, method, fallback):
        self.shape, self.dtype, self.matrix = A.shape, A.dtype, A
        self.structure, self.method, self._fallback = structure, method, fallback
        self._fast, self._make_stable = fast, stable
        self._xp = A._namespace or np
        n = A.shape[0]
        # A product sums n terms, so the residual itself is known no better than this.
        self._goal = 4 * float(np.finfo(A.dtype).eps) * max(1.0, n**0.5 / 8)
        self._norm, self.rcond = norm1(A._apply, A._adjoint()._apply, n, A.dtype, self._xp), 1.0
        self.first_error = None  # of the probe, before refinement
        if n:
            x = np.random.default_rng(n).standard_normal((n, 2))
            self._solve(self._xp.asarray(x, dtype=A.dtype))  # a probe chooses the solver
            with np.errstate(all="ignore"):
                adjoint = partial(self._fast.solve, adjoint=True)
                inverse = norm1(self._fast.solve, adjoint, n, A.dtype, self._xp)
                size = self._norm * inverse
            self.rcond = 1 / size if np.isfinite(size) and size > 0 else 0.0

    def backward_error(self, X, R, B):
        """Normwise, worst column: |R|_1 / (|A|_1 |X|_1 + |B|_1)."""
        scale = self._norm * abs(X).sum(0) + abs(B).sum(0)
        errors = abs(R).sum(0) / (scale + (scale == 0))
        return float(errors.max()) if errors.size else 0.0

    def _refined(self, solver, B):
        """(X, backward error) after as many steps of refinement as help."""
        with np.errstate(all="ignore"):
            X = solver.solve(B)
            best, least = X, np.inf
            for _ in range(_STEPS):
                R = B - self.matrix._apply(self._xp.ascontiguousarray(X))
                error = self.backward_error(X, R, B)
                if self.first_error is None:
                    self.first_error = error
                if not error < 0.5 * least:
                    break
                best, least = X, error
                if error <= self._goal:
                    break
                X = X + solver.solve(R)
        return best, least

    def _solve(self, B):
        if B.size == 0:
            return B.copy()
        X, error = self._refined(self._fast, B)
        if error > self._goal and self._make_stable is not None:
            # From here on the stable solver is used for every right-hand side.
            self._fast, self._make_stable = self._make_stable(), None
            self.method = self._fallback
            X, error = self._refined(self._fast, B)
        if error > 8 * self._goal:
            self._announce(error)
        return namespace_of(X).ascontiguousarray(X)

    def _slogdet(self):
        return self.matrix._slogdet()

    def _announce(self, error):
        from scipy.linalg import LinAlgWarning

        advice = "use A.toarray(), or higher precision"
        if not error < float(np.finfo(self.dtype).eps) ** 0.5:
            raise np.linalg.LinAlgError(
                f"{self.structure}: no accurate solution by {self.method} "
                f"(backward error {error:.1g}); {advice}"
            )
        warnings.warn(
            f"{self.structure}: backward error {error:.1g} by {self.method}; {advice}",
            LinAlgWarning,
            stacklevel=5,
        )
