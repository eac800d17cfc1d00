"""explain: which algorithm a verb takes, what it costs, and how that compares with dense."""

import functools
import math
import time
from dataclasses import dataclass

import numpy as np

from structmat import _checks, _rules
from structmat._results import Cost
from structmat.linalg import _door

__all__ = ["Explanation", "explain"]

VERBS = ("matmul", "solve", "slogdet", "svd", "eigh")


@dataclass(frozen=True)
class Explanation:
    """What `explain` found; printing it gives a few lines of text.

    Attributes
    ----------
    verb, algorithm, reason : str
        What was asked, what runs, why.
    flops, bytes : float
        Floating-point operations and bytes moved, predicted.
    seconds, dense_seconds : float
        Predicted from the rates measured on this machine, and the same for LAPACK on the dense
        matrix.
    """

    verb: str
    algorithm: str
    reason: str
    flops: float
    bytes: float
    seconds: float
    dense_seconds: float

    def __str__(self):
        ratio = self.dense_seconds / self.seconds if self.seconds else math.inf
        return (
            f"{self.verb}: {self.algorithm}\n"
            f"  why      {self.reason}\n"
            f"  cost     {self.flops:.3g} flops, {_checks.human_bytes(self.bytes)} moved, "
            f"about {self.seconds:.2g} s\n"
            f"  dense    about {self.dense_seconds:.2g} s, {ratio:.3g} times as long"
        )

    __repr__ = __str__


def explain(A, verb="solve", ncols=1):
    """Which algorithm a verb would take on this matrix, why, and at what cost.

    Parameters
    ----------
    A : StructuredMatrix, array, sparse array or LinearOperator
        The matrix.
    verb : {"matmul", "solve", "slogdet", "svd", "eigh"}
        The question.
    ncols : int
        Number of columns of the operand or right-hand side.

    Returns
    -------
    Explanation
        Prints as a few lines; the figures are attributes. Nothing is computed but two rates of the
        machine, once (some milliseconds).

    Notes
    -----
    Predicted time is the larger of flops / rate and bytes / bandwidth plus one microsecond: a
    model for choosing between orders of magnitude, not a measurement.

    Examples
    --------
    >>> import numpy as np, structmat as sm
    >>> A = sm.Kronecker(*[np.eye(64)] * 2)
    >>> A.explain("solve").dense_seconds > A.explain("solve").seconds
    True
    """
    A = _rules.lift(A)
    _checks.choice(verb, "verb", VERBS)
    ncols = _checks.size(ncols, "ncols")
    if verb in ("solve", "slogdet", "eigh"):
        _checks.square(A, verb)
    dense = _dense_cost(A, verb, ncols)
    cost = A._cost(verb, ncols)
    if cost is not NotImplemented:
        reason = f"{type(A).__name__} has its own rule"
    elif verb == "matmul":
        cost = Cost("products of the parts", 2.0 * A.nbytes / A.dtype.itemsize * ncols, A.nbytes)
        reason = f"{type(A).__name__} is applied from its {_checks.human_bytes(A.nbytes)}"
    elif _door.small(A) or verb != "solve":
        cost = dense
        reason = (
            f"{type(A).__name__} has no structured rule for {verb}; order {max(A.shape)} "
            f"is {'at most' if _door.small(A) else 'above'} {_door.DENSE_ORDER}"
        )
    else:
        once = A._cost("matmul", ncols)
        once = Cost("", 2.0 * A.nbytes * ncols, A.nbytes) if once is NotImplemented else once
        steps = 100
        cost = Cost(f"Krylov iteration ({steps} steps assumed)", *(steps * c for c in once[1:]))
        reason = f"no structured rule, and order {A.shape[0]} is above {_door.DENSE_ORDER}"
    return Explanation(
        verb, cost.algorithm, reason, cost.flops, cost.bytes, _seconds(cost), _seconds(dense)
    )


def _dense_cost(A, verb, ncols):
    """Golub & Van Loan's operation counts for the dense matrix."""
    m, n = (float(s) for s in A.shape)
    k = float(ncols)
    small = min(m, n)
    complex_factor = 4.0 if A.dtype.kind == "c" else 1.0
    flops = {
        "matmul": 2 * m * n * k,
        "solve": 2 / 3 * n**3 + 2 * n * n * k,
        "slogdet": 2 / 3 * n**3,
        "svd": 6 * max(m, n) * small**2 + 20 * small**3,
        "eigh": 9 * n**3,
    }[verb]
    names = {"matmul": "dense product", "solve": "dense LU", "slogdet": "dense LU"}
    moved = float(_checks.dense_bytes(A.shape, A.dtype))
    return Cost(names.get(verb, f"dense {verb}"), complex_factor * flops, moved)


def _seconds(cost):
    flops_per_second, bytes_per_second = _rates()
    return max(cost.flops / flops_per_second, cost.bytes / bytes_per_second) + 1e-6


@functools.cache
def _rates():
    """(flops/s of a 256 x 256 product, bytes/s of a 16 MiB sum), each the best of five."""
    A = np.ones((256, 256))
    x = np.ones(2**21)
    product = min(_timed(lambda: A @ A) for _ in range(5))
    sweep = min(_timed(x.sum) for _ in range(5))
    return 2 * 256**3 / product, x.nbytes / sweep


def _timed(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
