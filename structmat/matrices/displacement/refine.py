"""Iterative refinement of the columns of a solution whose residual is not small."""

from structmat._backend.arrays import namespace_of

__all__ = ["ACCEPTED", "refine"]

# A column is accepted when |b - A x| <= ACCEPTED eps |A| |x| in the 1-norm, a ratio of 24 where
# LAPACK's threshold is 30; one step of refinement nearly always brings it below 1.
ACCEPTED = 12.0
_STEPS = 3


def refine(B, X, products, correct, bound):
    """Refine X in place; the columns whose residual stays larger than bound |x|, as indices.

    ``products = (quick, accurate)`` are two ways to A X. The error of the quick one, by FFT, is
    relative to |A|_2 |x|_2, up to sqrt(n) times more than the bound allows for x with few large
    entries: only then the accurate one is needed. ``correct(R)`` solves with the factors.
    """
    xp = namespace_of(X)

    def missed(R, X):
        error, size = abs(R).sum(0), abs(X).sum(0)
        return xp.flatnonzero(~((error <= bound * size) & xp.isfinite(size)))

    quick, accurate = products
    bad = missed(B - quick(X), X)
    for step in range(_STEPS + 1):
        if not bad.size:
            break
        some = X[:, bad]
        R = B[:, bad] - accurate(some)
        still = missed(R, some)
        bad = bad[still]
        if step < _STEPS and bad.size:
            correction = correct(xp.ascontiguousarray(R[:, still].astype(X.dtype, copy=False)))
            X[:, bad] += correction
    return bad
