"""Factors with orthonormal columns, up to one scale, recognised from their blocks."""

import math

import numpy as np

from structmat._backend.arrays import namespace_of
from structmat.matrices.chain.systems import blocks
from structmat.matrices.elementary import Permutation, stacks

__all__ = ["normalized", "scale_of_isometry"]

_UNITS = 8  # how many units of rounding a sum of b products may differ from its exact value


def scale_of_isometry(F):
    """s > 0 with F^H F = s^2 I to rounding, or None. Costs 2 a d b c^2 flops."""
    if isinstance(F, Permutation):
        return 1.0
    _, b, c, _ = F.pattern
    if c > b or not F.values.size:
        return None
    values = F.values
    xp = namespace_of(values)
    top = float(abs(values).max())
    if not 0 < top < math.inf:
        return None
    scaled = blocks.stack(F) / values.dtype.type(top)
    gram = stacks.adjoint(scaled) @ scaled
    square = float(gram[0, 0, 0].real)
    error = float(abs(gram - square * xp.eye(c, dtype=gram.dtype)).max())
    # Written so that NaN is no isometry.
    if not error <= _UNITS * b * float(np.finfo(F.dtype).eps) * square:
        return None
    mean = float(gram.trace(0, 1, 2).real.mean()) / c
    return top * math.sqrt(mean)


def normalized(F, s):
    """F / s."""
    return F if s == 1 else F._scale(1 / s)
