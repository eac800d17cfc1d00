"""The scale of a transform, a power of its length: the name of a normalisation, and a number."""

import math

from structmat import _checks

__all__ = ["DUAL", "EXPONENT", "normalisation", "order_of", "power_of"]

# The scale of a transform of length L is L^e. The inverse has the exponent -e.
EXPONENT = {None: 0.5, "ortho": 0.0, "forward": -0.5}
DUAL = {None: "forward", "ortho": "ortho", "forward": None}


def normalisation(norm):
    """None, "ortho" or "forward"; "backward" is SciPy's other word for None."""
    _checks.choice(norm, "norm", (None, "backward", "ortho", "forward"))
    return None if norm == "backward" else norm


def order_of(n):
    """An order: at least 1, because no library transforms nothing."""
    n = _checks.size(n, "n")
    if n == 0:
        raise ValueError("`n` must be at least 1: there is no transform of length 0")
    return n


def power_of(base, e):
    """base^e for a multiple e of 1/2, with at most three roundings and none where it is exact.

    OverflowError above the range of double precision, below it subnormal numbers and zero.
    """
    whole, half = divmod(abs(e), 1)
    root = math.sqrt(base) if half else 1.0
    try:
        value = float(base) ** whole * root
        if math.isinf(value):
            raise OverflowError
    except OverflowError:
        if e > 0:
            raise OverflowError(f"{base}^{e:g} is too large") from None
        return _tiny(float(base), whole, root)
    return value if e >= 0 else 1 / value


def _tiny(base, whole, root):
    """1 / (base^whole root), a subnormal number or zero, where the divisor itself overflows."""
    half = whole // 2
    try:
        return 1 / (base**half * root) / base ** (whole - half)
    except OverflowError:
        return 0.0
