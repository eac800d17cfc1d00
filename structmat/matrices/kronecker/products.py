"""What multiplies over the factors of a Kronecker product: the factors themselves, sizes, norms."""

import math

import numpy as np

from structmat import _rules, linalg
from structmat._backend import dense as lapack
from structmat._backend.arrays import is_array, namespace_of
from structmat._results import Cost
from structmat.matrices.elementary import Diagonal, Identity
from structmat.matrices.kronecker.modes import size_of, times_power

__all__ = [
    "along",
    "apply",
    "balanced",
    "cost",
    "digits",
    "each",
    "moved",
    "norm",
    "order",
    "power",
    "real_product",
    "scaled",
    "split",
    "together",
]


def each(function, factors):
    """[function(F) for F in factors], once for a factor that repeats (A (x) A (x) A)."""
    done: dict = {}
    results = []
    for F in factors:
        if id(F) not in done:
            done[id(F)] = function(F)
        results.append(done[id(F)])
    return results


def together(arrays):
    """The arrays in one namespace: a factor without arrays (an identity) answers on the host."""
    device = next((namespace_of(x) for x in arrays if namespace_of(x) is not np), np)
    return [x if namespace_of(x) is device else device.asarray(x) for x in arrays]


def digits(index, sizes):
    """Mixed-radix digits of flat indices, the last size fastest; exact beyond 2**63."""
    index = np.asarray(index)
    if index.dtype != object and max(sizes, default=0) >= 2**62:
        index = index.astype(object)
    result = []
    for n in reversed(sizes):
        digit, index = index % n, index // n
        result.append(digit.astype(np.intp) if n < 2**62 else digit)
    return result[::-1]


# ---------------------------------------------------------------- the product with a block


def order(factors):
    """Order of application with the fewest operations.

    Where factor i costs c_i operations a vector, i before j is better exactly if
    ``(m_i / n_i - 1) / (c_i / n_i)`` is smaller (exchange argument): the most shrinking goes first.
    """

    def key(i):
        m, n = factors[i].shape
        work = _work(factors[i])
        return 0.0 if m == n or not work else (m - n) / work

    return sorted(range(len(factors)), key=key)


def _work(F):
    """Multiplications of F with a vector."""
    if is_array(F):
        return F.shape[0] * F.shape[1]
    known = F._cost("matmul", 1)
    return F.nbytes // F.dtype.itemsize if known is NotImplemented else known.flops / 2


def apply(factors, X):
    """(A_1 (x) ... (x) A_d) @ X for factors of any kind, X (prod n_i, k) in either namespace.

    Dense factors are batched matrix products on (left, n_i, right); a factor with a structure gets
    its axis moved to the front, and acts on all of it as one block.
    """
    xp = namespace_of(X)
    sizes = [F.shape[1] for F in factors]
    k = X.shape[1]
    rows = size_of(F.shape[0] for F in factors)
    if 0 in (rows, X.shape[0], k) or 0 in sizes:
        return xp.zeros((rows, k), X.dtype)
    Y = X
    for i in order(factors):
        left, right = size_of(sizes[:i]), size_of(sizes[i + 1 :]) * k
        Y = along(factors[i], Y, left, right)
        sizes[i] = factors[i].shape[0]
    return X.copy() if Y is X else Y.reshape(rows, k)  # identities alone return their operand


def along(F, X, left, right):
    """F along the middle axis of X, (left, n, right) in any shape; contiguous (left, m, right)."""
    n = F.shape[1]
    if is_array(F):
        if right == 1:
            return X.reshape(left, n) @ F.T
        return namespace_of(X).matmul(F, X.reshape(left, n, right))
    if isinstance(F, Identity):
        return X
    if isinstance(F, Diagonal):
        return X.reshape(left, n, right) * F.values[:, None]
    return moved(F._apply, X, left, n, right)


def moved(function, X, left, n, right):
    """A function of (n, columns) blocks along the middle axis of X, (left, n, right)."""
    xp = namespace_of(X)
    if left == 1:
        return xp.ascontiguousarray(function(X.reshape(n, right)))
    front = xp.ascontiguousarray(X.reshape(left, n, right).swapaxes(0, 1))
    Y = function(front.reshape(n, left * right))
    return xp.ascontiguousarray(Y.reshape(-1, left, right).swapaxes(0, 1))


# ---------------------------------------------------------------- magnitudes


def balanced(factors):
    """Factors of like magnitude with the same product, exactly; the same ones unless far apart.

    Partial products then lie between the operand and the result in size, so that
    1e200 (x) 1e200 (x) 1e-300 overflows only where its result does.
    """
    if len(factors) < 2:
        return factors
    limit = np.finfo(factors[0].dtype).maxexp // 8
    # Not LAPACK's lange, which takes ten times as long for the largest modulus.
    with np.errstate(over="ignore"):
        sizes = [float(abs(F).max(initial=0)) for F in factors]
    if not all(0 < s < math.inf for s in sizes):
        return factors
    exponents = [math.frexp(s)[1] for s in sizes]
    if max(exponents) - min(exponents) <= limit:
        return factors
    mean, rest = divmod(sum(exponents), len(factors))
    shifts = [mean + (i < rest) - e for i, e in enumerate(exponents)]
    shifted = tuple(times_power(F, s) for F, s in zip(factors, shifts))
    # Entries that sank below the smallest number would be lost: then nothing is moved.
    exact = all(bool((times_power(G, -s) == F).all()) for F, G, s in zip(factors, shifted, shifts))
    return shifted if exact else factors


def real_product(values):
    """Product of floats without overflow on the way; OverflowError when it is not representable."""
    if not all(math.isfinite(v) for v in values):
        return math.prod(values)
    mantissa, exponent = 1.0, 0
    for v in values:
        m, e = math.frexp(mantissa * v)
        mantissa, exponent = m, exponent + e
    try:
        return math.ldexp(mantissa, exponent)
    except OverflowError:
        raise OverflowError(
            f"a product of norms passes the largest number (about 2**{exponent})"
        ) from None


def norm(F, ord):
    """A norm of one factor, NotImplemented where there is none."""
    if is_array(F):
        return lapack.norm(F, ord)
    return F._norm("max") if ord == "max" else linalg.norm(F, ord)


def scaled(factors, c):
    """Factors of c times the product: the one factor is scaled that stays nearest to one.

    Signs go to the first factor, so that -(A (x) B) and (-A) (x) B are the same.
    """
    factors = list(factors)
    chosen = 0
    if abs(c) != 1:
        candidates = [i for i, F in enumerate(factors) if is_array(F) and F.size] or [0]
        if len(candidates) > 1:
            sizes = [float(abs(factors[i]).max()) for i in candidates]
            pick = min if abs(c) > 1 else max
            chosen = candidates[sizes.index(pick(sizes))]
        else:
            chosen = candidates[0]
    factors[chosen] = c * factors[chosen]
    return factors


def power(F, n):
    """F to the power n >= 2."""
    return namespace_of(F).linalg.matrix_power(F, n) if is_array(F) else linalg.matrix_power(F, n)


# ---------------------------------------------------------------- sizes and costs


def split(shape):
    """Shapes of two factors with a product of `shape`, each side as even as its divisors allow."""
    m, n = (_divisors(int(s)) for s in shape)
    return [(m[0], n[0]), (m[1], n[1])]


def _divisors(n):
    p = next(p for p in range(math.isqrt(max(n, 1)), 0, -1) if n % p == 0)
    return p, n // p


def cost(A, verb, ncols):
    """Operations by the best order, and bytes: every mode product reads and writes the block."""
    parts = [_rules.lift(F) for F in A.factors]
    flops = moved_entries = 0.0
    sizes = [F.shape[1] for F in A.factors]
    for i in order(A.factors):
        left_right = float(size_of(sizes[:i]) * size_of(sizes[i + 1 :]) * ncols)
        one = parts[i]._cost("matmul", 1)
        flops += left_right * (2.0 * _work(A.factors[i]) if one is NotImplemented else one.flops)
        moved_entries += left_right * sum(A.factors[i].shape)
        sizes[i] = A.factors[i].shape[0]
    moved_bytes = moved_entries * A.dtype.itemsize + A.nbytes
    if verb == "matmul":
        return Cost("mode products, one factor at a time", flops, moved_bytes)
    if verb in ("solve", "slogdet", "eigh") and not A._all_square():
        return NotImplemented
    own = sum(_factor_flops(F, verb) for F in A.factors)
    if A.dtype.kind == "c":
        own *= 4
    if verb == "solve":
        return Cost("LU of every factor, then mode by mode", own + flops, moved_bytes)
    if verb == "slogdet":
        return Cost("log-determinants of the factors", own, float(A.nbytes))
    k = float(min(A.shape))
    return Cost(f"{verb} of every factor; sorted products", own + 10 * k, A.nbytes + 8 * k)


def _factor_flops(F, verb):
    """Golub & Van Loan's counts for a dense factor, O(n) taken for a diagonal one."""
    m, n = (float(s) for s in F.shape)
    if isinstance(F, Diagonal | Identity):
        return m
    small = min(m, n)
    return {
        "solve": 2 / 3 * n**3,
        "slogdet": 2 / 3 * n**3,
        "svd": 6 * max(m, n) * small**2 + 20 * small**3,
        "eigh": 9 * n**3,
    }[verb]
