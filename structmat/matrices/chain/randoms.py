"""Random factors and chains: near the identity where they are square, of any shape."""

import math

import numpy as np

from structmat import _checks
from structmat.matrices.chain import patterns as _patterns
from structmat.matrices.chain.project import layouts

__all__ = ["butterfly", "chain", "factor", "monarch"]


def factor(shape, rng, dtype, pattern=None):
    """Values of one factor; by default with a and d near the cube root of what divides `shape`."""
    m, n = shape
    if pattern is None:
        common = math.gcd(m, n) or 1
        a = _divisor(common, round(common ** (1 / 3)))
        d = _divisor(common // a, round(common ** (1 / 3)))
        pattern = a, m // (a * d), n // (a * d), d
    pattern = _patterns.checked(pattern)
    if pattern.shape != (m, n):
        raise ValueError(f"`pattern` gives a matrix of shape {pattern.shape}; got shape {(m, n)}")
    return _blocks(pattern, rng, dtype)


def butterfly(shape, rng, dtype, radices=None, patterns=None, block_rank=None):
    """Values of every factor, of a chain that covers `shape`; layouts as for a projection."""
    if patterns is None:
        chosen = layouts.radices_of(*shape, radices)
        rank = 1 if block_rank is None else _checks.size(block_rank, "block_rank")
        rows, columns = [p.b for p in chosen], [p.c for p in chosen]
        patterns = _patterns.rectangular(rows, columns, rank)
    elif radices is not None or block_rank is not None:
        raise ValueError("`patterns` says all: give no `radices` or `block_rank` with it")
    patterns = tuple(_patterns.checked(p) for p in patterns)
    return [_blocks(p, rng, dtype, len(patterns)) for p in patterns]


def chain(shape, rng, dtype, radices=None, patterns=None, block_rank=None):
    """(values of every factor, index of a permutation of the columns that stay)."""
    values = butterfly(shape, rng, dtype, radices, patterns, block_rank)
    a, d, _, c = values[-1].shape
    n = min(shape[1], a * c * d)
    return values, np.concatenate([rng.permutation(n), np.arange(n, a * c * d)])


def monarch(shape, rng, dtype, block_rank=None, blocks=None):
    """(left, right) of shapes (l, s, k, r), (k, l, r, p); a square matrix gets square factors."""
    m, n = shape
    r = 1 if block_rank is None else _checks.size(block_rank, "block_rank")
    if blocks is None and m == n and n and r:
        l, _, k, _ = layouts.blocks_of(-(-n // r), -(-n // r))
        s, p = k * r, l * r
    else:
        l, s, k, p = layouts.blocks_of(m, n, blocks)
    left, right = (_blocks(q, rng, dtype, 2) for q in _patterns.monarch(l, s, k, p, r))
    return left.reshape(l, s, k, r), right.reshape(k, r, l, p).transpose(0, 2, 1, 3)


def _blocks(pattern, rng, dtype, count=1):
    """Square blocks I + G / (4 L sqrt(b)): products of L, and their leading parts, stay near I."""
    a, b, c, d = pattern
    G = rng.standard_normal((a, d, b, c))
    if dtype.kind == "c":
        G = (G + 1j * rng.standard_normal((a, d, b, c))) / np.sqrt(2)
    if b == c:
        return (np.eye(b) + G / (4 * count * math.sqrt(max(b, 1)))).astype(dtype)
    return (G / math.sqrt(max(c, 1))).astype(dtype)


def _divisor(n, at_most):
    """The largest divisor of n up to a bound."""
    return next(p for p in range(max(min(n, at_most), 1), 0, -1) if n % p == 0)
