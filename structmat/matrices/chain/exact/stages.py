"""Stages: the Kronecker-sparse factors of a transform as arrays, before they are a chain.

A transform of order n = r_1 r_2 ... r_L is a product of L stages of the patterns
(r_1 ... r_(i-1), r_i, r_i, r_(i+1) ... r_L), times a permutation. A stage is an array (a, d, b, c),
as KroneckerSparse has it, in double precision until the last step.
"""

import math
from collections.abc import Iterable

import numpy as np

from structmat import _checks, _rules
from structmat._backend.arrays import namespace_of
from structmat.matrices.chain.matrix import Chain
from structmat.matrices.elementary import Permutation

__all__ = [
    "between_identities",
    "chain",
    "digit_reversal",
    "door",
    "fourier_stages",
    "hadamard_stages",
    "inverted",
    "order_of",
    "prime_factors",
    "radices_of",
    "real_part",
    "roots",
    "scale",
    "scaled_columns",
    "scaled_rows",
    "sizes_of",
    "with_fours",
]

# The scale of a transform of length n is n^e; that of the inverse has the other name.
_EXPONENT = {None: 0.0, "backward": 0.0, "ortho": -0.5, "forward": -1.0}
_INVERSE = {None: "forward", "backward": "forward", "ortho": "ortho", "forward": None}


def door(function):
    """Offer a constructor as a static method of Chain too: ``Chain.dft(n)``."""
    setattr(Chain, function.__name__, staticmethod(function))
    return function


def between_identities(values, before, after):
    """Values of I_before (x) F (x) I_after."""
    a, d, b, c = values.shape
    values = values.repeat(after, axis=1)
    xp = namespace_of(values)
    return xp.ascontiguousarray(
        xp.broadcast_to(values, (before, *values.shape)).reshape(before * a, d * after, b, c)
    )


def fourier_stages(radices, count=None):
    """B of DFT = B P: with N = r_i ... r_L and d = N / r_i, w_N^(k (d j + l)) in block (., l).

    All stages, or the first `count`.
    """
    stages, before, N = [], 1, math.prod(radices)
    for r in radices[:count]:
        d = N // r
        l, j, k = np.ogrid[:d, :r, :r]
        block = roots(k * (d * j + l), N)
        stages.append(np.broadcast_to(block, (before, d, r, r)).copy())
        before, N = before * r, d
    return stages


def hadamard_stages(n):
    """H_m (x) I, I (x) H_2 (x) I, ..., entries 1 and -1."""
    _rules.make("hadamard_matrix", n)  # speaks where there is none of this order
    odd = n // (n & -n)
    m = 4 * odd if odd > 1 else 1
    blocks = [_rules.make("hadamard_matrix", m).toarray()] if m > 1 else []
    blocks += [np.array([[1.0, 1.0], [1.0, -1.0]])] * ((n // m).bit_length() - 1)
    stages, before = [], 1
    for H in blocks or [np.ones((1, 1))]:
        r = len(H)
        stages.append(np.broadcast_to(H, (before, n // (before * r), r, r)).copy())
        before *= r
    return stages


def digit_reversal(radices):
    """The index t_1 + r_1 (t_2 + r_2 (...)) of digits that are read in the other order."""
    return np.arange(math.prod(radices)).reshape(radices[::-1]).T.reshape(-1)


def real_part(stages):
    """Stages of Re(F_1 ... F_L): a number x + i y of the interior becomes [[x, -y], [y, x]].

    The digit of the pair stands right above the coarser of the two strides that meet, where it
    belongs to the block of either factor; the blocks of square stages allow that.
    """
    strides = [V.shape[1] for V in stages]
    real = []
    for V, before, after in zip(stages, [0, *strides], [*strides[1:], 0]):
        a, d, b, c = V.shape
        xp = namespace_of(V)
        t, s = max(d, before) // d, max(d, after) // d
        pair = xp.stack([xp.stack([V.real, -V.imag]), xp.stack([V.imag, V.real])])
        pair = pair.reshape(2, 2, a, d, b // t, t, c // s, s).transpose(2, 3, 4, 0, 5, 6, 1, 7)
        pair = pair[:, :, :, : 2 if before else 1, :, :, : 2 if after else 1]
        real.append(pair.reshape(a, d, b * pair.shape[3], c * pair.shape[6]))
    return real


def scaled_rows(values, x):
    """Values of diag(x) F."""
    a, d, b, _ = values.shape
    return values * x.reshape(a, b, d).transpose(0, 2, 1)[..., None]


def scaled_columns(values, x):
    """Values of F diag(x)."""
    a, d, _, c = values.shape
    return values * x.reshape(a, c, d).transpose(0, 2, 1)[:, :, None, :]


# ---------------------------------------------------------------- arguments


def chain(stages, p, dtype):
    """The chain of stages and a permutation on the right, which is left out where it is none."""
    xp = namespace_of(*stages)
    factors = [xp.ascontiguousarray(V, dtype) for V in stages]
    if not np.array_equal(p, np.arange(len(p))):
        factors.append(Permutation(xp.asarray(p), dtype))
    return Chain(factors)


def roots(p, n):
    """exp(-2 pi i p / n), correctly reduced: entries of the DFT as a matrix."""
    return _rules.make("dft", n)._entries(np.asarray(p) % n, np.ones((), np.int64))


def order_of(n):
    """An order of a transform: at least 1."""
    n = _checks.size(n, "n")
    if n == 0:
        raise ValueError("`n` must be at least 1: there is no transform of length 0")
    return n


def prime_factors(n):
    """The primes whose product is n, ascending; (1,) for 1."""
    found, rest, r = [], n, 2
    while r * r <= rest:
        while rest % r == 0:
            found.append(r)
            rest //= r
        r += 1
    return (*found, rest) if rest > 1 or n == 1 else tuple(found)


def with_fours(n):
    """The same with 4 for 2 and 2: as many numbers in half the factors.

    Real chains and convolutions, which no kernel for blocks of 2 x 2 takes, are about twice as fast
    so (orders 256 to 4096, one column and 64).
    """
    primes = prime_factors(n)
    twos = primes.count(2)
    return (4,) * (twos // 2) + primes[twos - twos % 2 :]


def radices_of(n, radices=None, default=prime_factors):
    """`radices` if their product is n; by default those of another function."""
    # Before the factors are looked for: their sum is at least 3 log3(n) > log2(n).
    _checks.guard_dense((n, n.bit_length()), np.complex128, f"a chain of order {n}")
    if radices is None:
        radices = default(n)
    else:
        radices = sizes_of(radices, "radices")
        radices = radices or (1,)
        if math.prod(radices) != n or (n > 1 and min(radices) < 2):
            raise ValueError(
                f"`radices` must be factors of n = {n}, each at least 2, whose product is n; "
                f"got {radices}"
            )
    # A stage is made of indices, its numbers, and a copy that is scaled: up to four times its size.
    _checks.guard_dense((4 * n, max(radices)), np.complex128, f"a chain of radices {radices}")
    _checks.guard_dense((n, sum(radices)), np.complex128, f"a chain of radices {radices}")
    return radices


def sizes_of(values, name):
    """A tuple of non-negative integers."""
    if not isinstance(values, Iterable) or isinstance(values, str):
        raise TypeError(f"`{name}` must be a sequence of integers; got {values!r}")
    return tuple(_checks.size(value, name) for value in values)


def scale(norm):
    """The exponent e of a scale n^e."""
    return _EXPONENT[_checks.choice(norm, "norm", tuple(_EXPONENT))]


def inverted(norm):
    """The normalisation whose scale is that of the inverse."""
    return _INVERSE[_checks.choice(norm, "norm", tuple(_INVERSE))]
