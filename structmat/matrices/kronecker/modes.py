"""Factors of a Kronecker structure, one mode at a time.

A vector of length N = n_1 n_2 ... n_d, read as an array of shape (n_1, ..., n_d), has d modes. A
factor is an ndarray, or one of our matrices where it has a structure of its own; every function
here takes both.
"""

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import rsf2csf

from structmat import _checks, _rules
from structmat._backend import dense as lapack
from structmat._backend.arrays import is_array, namespace_of
from structmat.matrices import parameters

__all__ = [
    "Mode",
    "adjoint",
    "apply_mode",
    "as_factors",
    "constant_of",
    "dense_factor",
    "describe_shift",
    "digits",
    "each",
    "eigenvalues",
    "exponent_of",
    "hermitian_mode",
    "is_hermitian",
    "outer_product",
    "outer_sum",
    "partial_products",
    "partial_sums",
    "place",
    "random_factor",
    "schur_mode",
    "size_of",
    "sizes_like",
]

# Eigenvalues that are formed at a time where only a sum or an extreme of all of them is needed.
CHUNK = 2**18


# ---------------------------------------------------------------- factors as parameters


def as_factors(factors, family, *, square):
    """(dtype, factors): ndarrays stay ndarrays, other matrices become ours; one common dtype.

    Raises
    ------
    ValueError
        No factor, or a rectangular one where `square` is asked for.
    """
    if not factors:
        raise ValueError(f"{family} needs at least one factor; got none")
    kept = [_as_factor(A, i) for i, A in enumerate(factors)]
    for i, A in enumerate(kept):
        if square and A.shape[0] != A.shape[1]:
            raise ValueError(
                f"{family} needs square factors; factor {i} has shape {tuple(A.shape)}. A sum "
                "A (x) I + I (x) B of other shapes is structmat.Kronecker(A, I) + "
                "structmat.Kronecker(I, B)"
            )
    dtype = np.result_type(*(A.dtype for A in kept))
    return dtype, tuple(parameters.cast(A, dtype) for A in kept)


def _as_factor(A, i):
    if parameters.is_matrix(A) or _checks.is_sparse(A) or hasattr(A, "matvec"):
        return _rules.lift(A)
    return _checks.as_parameter(A, f"factors[{i}]", ndim=2)


def size_of(sizes):
    """Product of the sizes as a Python int, which cannot overflow."""
    return math.prod(int(n) for n in sizes)


def sizes_like(n):
    """Two sizes with product n, as equal as its divisors allow (for random members)."""
    p = next(p for p in range(math.isqrt(max(n, 1)), 0, -1) if n % p == 0)
    return (p, n // p)


def random_factor(n, rng, dtype):
    """2 I + G / (4 sqrt(n)): eigenvalues within about 0.3 of 2."""
    G = rng.standard_normal((n, n))
    if dtype.kind == "c":
        G = (G + 1j * rng.standard_normal((n, n))) / math.sqrt(2)
    return (2 * np.eye(n) + G / (4 * math.sqrt(max(n, 1)))).astype(dtype)


def constant_of(D):
    """c if the Diagonal D is c I, else None."""
    d = D.values
    if not d.shape[0]:
        return None
    if d.strides[0] == 0 or bool((d == d[0]).all()):
        return d.dtype.type(d[0])
    return None


def dense_factor(A, xp=None):
    """The factor as an ndarray, in the namespace `xp` (a matrix without arrays has none)."""
    if is_array(A):
        return A
    A = A.toarray()
    return A if xp is None else xp.asarray(A)


def adjoint(A):
    """A^H; a view of a real array."""
    if is_array(A):
        return A.T if A.dtype.kind != "c" else A.conj().T
    return A._adjoint()


def is_hermitian(A):
    """Whether a factor equals its adjoint to a few units in the last place of its largest entry."""
    if A.shape[0] != A.shape[1]:
        return False
    if not is_array(A):
        known = A._is_hermitian()
        if known is not NotImplemented:
            return bool(known)
    A = dense_factor(A)
    if not A.shape[0]:
        return True
    with np.errstate(all="ignore"):
        return bool(abs(A - adjoint(A)).max() <= 8 * float(np.finfo(A.dtype).eps) * abs(A).max())


def digits(index, sizes):
    """The index in each mode: mixed-radix digits of flat indices of any integer size."""
    result = []
    for n in reversed(sizes):
        result.append(np.asarray(index % n, dtype=np.intp))
        index = index // n
    return result[::-1]


def each(factors, reduce):
    """`reduce` of every factor, once for a factor that is used several times."""
    found = {}
    for A in factors:
        if id(A) not in found:
            found[id(A)] = reduce(A)
    return [found[id(A)] for A in factors]


def place(index, sizes, rank=None):
    """Where in words: 'eigenvalue 2 of factor 0 and eigenvalue 5 of factor 1'."""
    where = digits(np.asarray(index), sizes)
    if rank is not None:
        where = [r[i] for r, i in zip(rank, where, strict=True)]
    return [f"eigenvalue {int(i)} of factor {mode}" for mode, i in enumerate(where)]


def describe_shift(sizes, s):
    """Words for the zero among products of eigenvalues plus s."""

    def describe(index):
        names = " times ".join(place(index, sizes))
        return f"{names} is minus the shift {s:.6g}"

    return describe


# ---------------------------------------------------------------- products


def apply_mode(A, X, left, right):
    """A along the middle mode of X, of shape (left, n, right) in any reshape; (left, m, right).

    One batched GEMM without a transposition; a factor with a structure of its own gets the mode in
    front.
    """
    m, n = A.shape
    if is_array(A):
        if right == 1:
            return (X.reshape(left, n) @ A.T).reshape(left, m, 1)
        return namespace_of(A).matmul(A, X.reshape(left, n, right))
    xp = namespace_of(X)
    front = xp.ascontiguousarray(xp.moveaxis(X.reshape(left, n, right), 1, 0))
    Y = A._apply(front.reshape(n, left * right)).reshape(m, left, right)
    return xp.moveaxis(Y, 0, 1)


def outer_sum(values):
    """All sums v_1[i_1] + ... + v_d[i_d] as a vector of length N, in the order of np.kron."""
    total = values[0]
    for v in values[1:]:
        total = (total[:, None] + v).reshape(-1)
    return total


def outer_product(values):
    """All products of one entry of each vector, in the order of np.kron.

    Each vector is scaled to at most 1 by a power of two, so that (1e200) (1e200) (1e-300) is found;
    a product below the smallest number is zero.
    """
    scaled, exponent = _scaled(values)
    total = scaled[0]
    for v in scaled[1:]:
        total = (total[:, None] * v).reshape(-1)
    return times_power(total, exponent)


def times_power(v, e):
    """v * 2**e for any integer e, in steps that do not overflow on the way."""
    limit = 120 if v.dtype.char in "fF" else 1000
    with np.errstate(over="ignore", under="ignore"):
        while e:
            step = max(-limit, min(limit, e))
            v = v * v.real.dtype.type(2.0**step)
            e -= step
    return v


def partial_sums(values):
    """All sums of one entry of each vector, in double precision, a bounded chunk at a time.

    The trailing modes form the chunk, the leading ones are walked, so that nothing of size N is
    held. The sums of chunk c are those at c * len(chunk), ...
    """
    wide = [v.astype(np.result_type(v.dtype, np.float64)) for v in values]
    cut = _cut(wide)
    tail = outer_sum(wide[cut:])
    for head in itertools.product(*wide[:cut]):
        yield sum(head) + tail if head else tail


def partial_products(values):
    """All products of one entry of each vector, as `partial_sums`."""
    wide = [v.astype(np.result_type(v.dtype, np.float64)) for v in values]
    cut = _cut(wide)
    scaled, exponent = _scaled(wide)
    tail = scaled[cut]
    for v in scaled[cut + 1 :]:
        tail = (tail[:, None] * v).reshape(-1)
    for head in itertools.product(*scaled[:cut]):
        yield times_power(math.prod(head) * tail if head else tail, exponent)


def _cut(values):
    """Where the trailing modes begin that are formed at once: at least the last one."""
    cut, size = len(values) - 1, len(values[-1])
    while cut and size * len(values[cut - 1]) <= CHUNK:
        cut -= 1
        size *= len(values[cut])
    return cut


def exponent_of(A):
    """e such that the entries of A 2**-e are at most 1; 0 for a zero or empty array."""
    top = float(abs(A).max()) if A.size else 0.0
    return math.frexp(top)[1] if 0 < top < math.inf else 0


def _scaled(values):
    """The vectors scaled by powers of two to at most 1, and the sum of the exponents."""
    scaled, exponent = [], 0
    for v in values:
        e = exponent_of(v)
        scaled.append(times_power(v, -e))
        exponent += e
    return scaled, exponent


# ---------------------------------------------------------------- eigenvalues and Schur forms


class Mode(NamedTuple):
    """A factor in its Schur form, Z T Z^H with Z unitary.

    `T` is a vector where the factor is normal (its eigenvalues), else an upper triangle. `Z` is an
    array, or a matrix with a structure.
    """

    T: Any
    Z: Any

    @property
    def values(self):
        """Eigenvalues, (n,)."""
        return self.T if self.T.ndim == 1 else self.T.diagonal()


def hermitian_mode(A, xp=np):
    """Eigenvalues (ascending) and vectors of a Hermitian factor."""
    if not is_array(A):
        found = A._eigh()
        if found is not NotImplemented:
            return Mode(_checks.finite(xp.asarray(found[0])), found[1])
    return Mode(*lapack.eigh(dense_factor(A, xp)))


def schur_mode(A, xp=np):
    """Schur form of any square factor: diagonal if it is normal, real where it can be.

    A real factor with complex eigenvalues gets the complex form: its triangle has no 2 x 2 blocks
    for the substitution to step around.
    """
    if is_hermitian(A):
        return hermitian_mode(A, xp)
    A = dense_factor(A, xp)
    T, Z = lapack.schur(A, "real")
    if T.dtype.kind != "c" and bool(xp.any(T.diagonal(-1) != 0)):
        # Its rotations square the entries: at 1e150 they would be wrong without a word.
        e = exponent_of(T)
        T, Z = rsf2csf(times_power(T, -e), Z, check_finite=False)
        T = times_power(T, e)
    T = xp.triu(T)
    off = lapack.norm(xp.triu(T, 1))
    # Off the diagonal a normal matrix leaves rounding only: dropping it is a backward error of eps.
    if off <= 10 * float(np.finfo(T.dtype).eps) * lapack.norm(T):
        T = T.diagonal().copy()
    return Mode(T, Z)


def eigenvalues(A, hermitian, xp=np):
    """Eigenvalues of a factor, without vectors."""
    if not is_array(A):
        values = A._eigvalsh() if hermitian else A._eigvals()
        if values is not NotImplemented:
            return _checks.finite(xp.asarray(values))
    A = dense_factor(A, xp)
    return lapack.eigvalsh(A) if hermitian else lapack.eigvals(A)
