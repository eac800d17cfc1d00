"""Levenberg-Marquardt over all factors of a chain at once.

With ``M ~ F_1 ... F_L`` and L_i, R_i the products left and right of F_i, a step D = (D_1, ..., D_L)
solves ::

    min |E - sum_i L_i D_i R_i|^2 + mu sum_i |D_i|^2,    E = M - F_1 ... F_L

([1]_, section 10.3). Small problems form the Jacobian and its normal equations. Large ones take
conjugate gradients, and then neither the Jacobian nor any L_i is formed: both directions run factor
by factor over a block of the size of M, O(L m n (b + c)). Where factors must move together this
goes on while alternating least squares stands still.

References
----------
.. [1] J. Nocedal and S. J. Wright, *Numerical Optimization*, 2nd ed., Springer, 2006.
"""

from structmat._backend.arrays import namespace_of

__all__ = ["Joint", "adjoint", "conj", "left", "multiplied", "rows"]

# Damping relative to a curvature of the problem: where it starts, its least value (factors are
# unique up to scaling only, so the Jacobian is singular), and how far it grows before giving up.
_DAMPING, _LEAST, _GIVE_UP = 1e-4, 1e-12, 1e8
# Largest number of entries of a Jacobian that is formed.
_FORMED = 2**20
_CG_STEPS, _CG_RTOL = 40, 1e-2


# ---------------------------------------------------------------- products with factors


def rows(X, width, shape):
    """(a, d, width, columns): rows (i, j, l) of a dense X by the block (i, l) they belong to."""
    return X.reshape(shape[0], width, shape[1], -1).transpose(0, 2, 1, 3)


def left(F, X):
    """F @ X for values (a, d, b, c), or X[F] for the indices of a permutation."""
    if F.ndim == 1:
        return X[F]
    a, d, b, c = F.shape
    return (F @ rows(X, c, F.shape)).transpose(0, 2, 1, 3).reshape(a * b * d, X.shape[1])


def adjoint(F):
    """The factor of the adjoint."""
    if F.ndim == 4:
        return conj(F.swapaxes(-1, -2))
    xp = namespace_of(F)
    inverse = xp.empty_like(F)
    inverse[F] = xp.arange(F.shape[0])
    return inverse


def conj(X):
    """The conjugate; X itself where it is real."""
    return X.conj() if X.dtype.kind == "c" else X


def multiplied(factors, M):
    """The dense product, in the dtype of M."""
    X = namespace_of(M).eye(M.shape[1], dtype=M.dtype)
    for F in factors[::-1]:
        X = left(F, X)
    return X


# ---------------------------------------------------------------- steps


class Joint:
    """Steps from one chain to the next; remembers the damping."""

    def __init__(self):
        self.curvature = self.mu = None

    def __call__(self, M, factors):
        """The factors after one step that lowers the error; as they were where none was found."""
        xp = namespace_of(M)
        suffixes = _suffixes(M, factors)
        E = M - left(factors[0], suffixes[0])
        before = float(xp.linalg.norm(E))
        gradient = _pulled(E, factors, suffixes)
        if self.mu is None:
            size2 = _inner(gradient, gradient)
            pushed = _pushed(gradient, factors, suffixes)
            self.curvature = _norm2(pushed) / size2 if size2 else 1.0
            self.mu = _DAMPING * self.curvature
        unknowns = sum(F.size for F in factors if F.ndim == 4)
        solver = _by_normal_equations if unknowns * M.size <= _FORMED else _by_conjugate_gradients
        solve = solver(gradient, factors, suffixes)
        start = self.mu
        while self.mu <= _GIVE_UP * start:
            moved = _combined(factors, 1.0, solve(self.mu))
            after = float(xp.linalg.norm(M - multiplied(moved, M)))
            if after < before:
                self.mu = max(self.mu / 4, _LEAST * self.curvature)
                return moved
            self.mu *= 4
        return factors


def _by_normal_equations(gradient, factors, suffixes):
    """mu -> D from ``(J^H J + mu) D = J^H E`` with the Jacobian in full."""
    xp = namespace_of(*(F for F in factors if F.ndim == 4))
    J = _jacobian(factors, suffixes)
    normal = conj(J) @ J.T
    flat = xp.concatenate([g.reshape(-1) for g in gradient if g is not None])
    diagonal = xp.eye(len(flat), dtype=normal.dtype)

    def solve(mu):
        D, at, found = xp.linalg.solve(normal + mu * diagonal, flat), 0, []
        for g in gradient:
            found.append(None if g is None else D[at : at + g.size].reshape(g.shape))
            at += 0 if g is None else g.size
        return found

    return solve


def _jacobian(factors, suffixes):
    """(unknowns, entries of M): row (i, l, j, k) of a factor is a column of L times a row of R."""
    xp = namespace_of(*(F for F in factors if F.ndim == 4))
    m = factors[0].shape[0] * (
        1 if factors[0].ndim == 1 else factors[0].shape[1] * factors[0].shape[2]
    )
    Lt, found = xp.eye(m, dtype=suffixes[0].dtype), []
    for F, R in zip(factors, suffixes, strict=True):
        if F.ndim == 4:
            b, c = F.shape[2:]
            # (a, d, b, 1, m, 1) times (a, d, 1, c, 1, n)
            outer = rows(Lt, b, F.shape)[:, :, :, None, :, None]
            outer = outer * rows(R, c, F.shape)[:, :, None, :, None, :]
            found.append(outer.reshape(F.size, m * R.shape[1]))
        Lt = left(conj(adjoint(F)), Lt)
    return xp.concatenate(found)


def _by_conjugate_gradients(gradient, factors, suffixes):
    """mu -> D from ``(J^H J + mu) D = J^H E``, inexactly."""

    def solve(mu):
        D = [None if g is None else 0 * g for g in gradient]
        residual = direction = gradient
        rho = first = _inner(residual, residual)
        for _ in range(_CG_STEPS):
            if rho <= _CG_RTOL**2 * first:
                break
            pushed = _pushed(direction, factors, suffixes)
            image = _combined(_pulled(pushed, factors, suffixes), mu, direction)
            step = rho / (_norm2(pushed) + mu * _inner(direction, direction))
            D = _combined(D, step, direction)
            residual = _combined(residual, -step, image)
            before, rho = rho, _inner(residual, residual)
            direction = _combined(residual, rho / before, direction)
        return D

    return solve


def _suffixes(M, factors):
    """R_i for every factor: the dense product of those after it."""
    found = [namespace_of(M).eye(M.shape[1], dtype=M.dtype)]
    for F in factors[:0:-1]:
        found.append(left(F, found[-1]))
    return found[::-1]


def _pushed(D, factors, suffixes):
    """J D = sum_i L_i D_i R_i."""
    total = None
    for F, G, R in zip(factors[::-1], D[::-1], suffixes[::-1], strict=True):
        total = None if total is None else left(F, total)
        if G is not None:
            total = left(G, R) if total is None else total + left(G, R)
    return total


def _pulled(E, factors, suffixes):
    """J^H E: of every L_i^H E R_i^H what lies on the support of F_i; None for a permutation."""
    found = []
    for F, R in zip(factors, suffixes, strict=True):
        if F.ndim == 1:
            found.append(None)
        else:
            b, c = F.shape[2:]
            found.append(rows(E, b, F.shape) @ conj(rows(R, c, F.shape)).swapaxes(-1, -2))
        E = left(adjoint(F), E)
    return found


def _inner(X, Y):
    return sum(
        float(namespace_of(x).vdot(x, y).real) for x, y in zip(X, Y, strict=True) if x is not None
    )


def _norm2(X):
    return float(namespace_of(X).linalg.norm(X)) ** 2


def _combined(X, step, Y):
    """X + step Y, list by list; X where Y has None."""
    return [x if y is None else x + step * y for x, y in zip(X, Y, strict=True)]
