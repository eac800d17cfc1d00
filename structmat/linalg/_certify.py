"""The certificate of the verbs that return factors: they must reproduce the matrix.

A certificate costs a few products with two fixed random vectors x. Factors that are meant to give
A back are applied to x and compared with A x; the error is relative to |A| |x| in the 1-norm. A
wrong factor passes only for x in a set of measure zero.
"""

import functools
import inspect

import numpy as np

from structmat import _rules, iterative
from structmat._results import Info
from structmat.linalg import _door

__all__ = ["certified", "norm_for_certificates", "relative"]

_KEYWORDS = [
    inspect.Parameter("method", inspect.Parameter.KEYWORD_ONLY, default="auto"),
    inspect.Parameter("return_info", inspect.Parameter.KEYWORD_ONLY, default=False),
]


def certified(reproduce):
    """Decorate a verb with the keywords `method` and `return_info`.

    ``reproduce(A, result, X)`` returns a pair of blocks that would be equal in exact arithmetic,
    and the size of what was added up to make them.
    """

    def decorate(verb):
        @functools.wraps(verb)
        def door(A, *args, method="auto", return_info=False, **options):
            if method == "auto" and not return_info:
                return verb(A, *args, **options)
            A = _rules.lift(A)
            with _door.route(A, verb.__name__, method) as B:
                result = verb(B, *args, **options)
                how = "dense LAPACK" if _door.trail.dense else f"rule of {type(A).__name__}"
            if not return_info:
                return result
            return result, _certificate(A, result, f"{verb.__name__}, {how}", reproduce)

        signature = inspect.signature(verb)
        parameters = [*signature.parameters.values(), *_KEYWORDS]
        door.__signature__ = signature.replace(parameters=parameters)
        return door

    return decorate


def _certificate(A, result, method, reproduce):
    m, n = A.shape
    xp = A._namespace or np
    x = np.random.default_rng(m + n).standard_normal((n, 2))
    X = xp.asarray(x.astype(_door.real_dtype(A.dtype)))
    left, right, size = reproduce(A, result, X)
    return Info(method, backward_error=relative(left - right, size))


def relative(R, size):
    """Largest |R|_1 / size over the columns, with 0 / 0 = 0."""
    R = abs(R).sum(0)
    zero = size == 0
    return float(np.max(_door.as_numpy(R / (size + zero)), initial=0.0))


def norm_for_certificates(A):
    """The 1-norm, exactly where the family knows it, else an estimate within a small factor."""
    value = A._norm(1)
    if value is NotImplemented:
        products = A.__matmul__, A._adjoint().__matmul__
        value = iterative.norm1(*products, A.shape, A.dtype, xp=A._namespace or np).value
    return value


def _scale(A, X):
    return norm_for_certificates(A) * abs(X).sum(0)


def orthogonal_triangular(A, result, X):
    """A = Q R; where R alone was asked for, A^H A = R^H R."""
    if hasattr(result, "Q"):
        return A @ X, result.Q @ (result.R @ X), _scale(A, X)
    AX, RX = A @ X, result @ X
    return A.H @ AX, result.conj().T @ RX, _scale(A.H, AX) + _scale(A.H, abs(AX))


def singular(A, result, X):
    """A = U diag(S) Vh."""
    U, S, Vh = result
    xp = A._namespace or np
    Y = S[:, None] * (Vh @ X)[: len(S)]
    if U.shape[1] > len(S):
        Y = xp.concatenate([Y, xp.zeros((U.shape[1] - len(S), X.shape[1]), Y.dtype)])
    return A @ X, U @ Y, _scale(A, X)


def eigen(A, result, X):
    """A V = V diag(w), on a random combination of the eigenvectors; zeros are none."""
    w, V = result
    X = X[: len(w)]
    VX = V @ X
    left = A @ VX
    if len(w):
        left[:, abs(VX).sum(0) == 0] = np.nan
    return left, V @ (w[:, None] * X), _scale(A, VX)


def square(A, L, X):
    """A = L L^H."""
    return A @ X, L @ (L.H @ X), _scale(A, X)


def root(A, R, X):
    """A = R R."""
    return A @ X, R @ (R @ X), _scale(A, X)


def inverse(A, inverse_of_a, X):
    """A Y = X for Y = A^-1 X, with the normwise backward error of a solve."""
    Y = inverse_of_a @ X
    return A @ Y, X, _scale(A, Y) + abs(X).sum(0)


def pseudo_inverse(A, P, X):
    """A P A = A, relative to |A| |P| |A x| (what xGET03 divides by)."""
    AX = A @ X
    return A @ (P @ AX), AX, norm_for_certificates(_rules.lift(P)) * _scale(A, AX)
