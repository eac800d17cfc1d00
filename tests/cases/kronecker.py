"""Kronecker products against numpy.kron of literal arrays."""

import functools

import numpy as np
import scipy.sparse as sp
from support import DTYPES, Case, randn, randsvd

import structmat as sm


def kron(*factors):
    return functools.reduce(np.kron, factors)


def case(name, factors, tags, dense=None):
    arrays = factors if dense is None else dense
    return Case(f"kronecker-{name}", sm.Kronecker(*factors), kron(*arrays), tags)


def draw(shape, rng, dtype=np.float64):
    """Multiples of 1/64: their products, and so the dense matrix, are exact in single precision."""
    return (np.round(randn(shape, rng, dtype) * 64) / 64).astype(dtype)


def spd(n, rng, dtype=np.float64):
    G = randn((n, n), rng, dtype)
    A = (np.round((G @ G.conj().T / 4 + np.eye(n)) * 64) / 64).astype(dtype)
    return ((A + A.conj().T) / 2).astype(dtype)


def cases():
    rng = np.random.default_rng(11)
    A = np.array([[4.0, 1.0, 0.0], [1.0, 3.0, -1.0], [2.0, 0.0, 5.0]])
    B = np.array([[2.0, -1.0], [1.0, 3.0]])
    for dtype in DTYPES:
        name = np.dtype(dtype).name
        F, G = draw((3, 3), rng, dtype) + 2 * np.eye(3), draw((4, 4), rng, dtype) + 3 * np.eye(4)
        yield case(name, (F.astype(dtype), G.astype(dtype)), {"square"})
        yield case(f"tall-{name}", (draw((4, 2), rng, dtype), draw((3, 3), rng, dtype)), {"tall"})
        yield case(f"wide-{name}", (draw((2, 3), rng, dtype), draw((2, 4), rng, dtype)), {"wide"})
        yield case(
            f"spd-{name}",
            (spd(3, rng, dtype), spd(4, rng, dtype)),
            {"square", "hermitian", "posdef"},
        )
        S = draw((3, 3), rng, dtype)
        T = draw((4, 4), rng, dtype)
        yield case(
            f"indefinite-{name}",
            ((S + S.conj().T).astype(dtype), (T + T.conj().T).astype(dtype)),
            {"square", "hermitian"},
        )
    yield case("one-factor", (A,), {"square"})
    yield case("three", (A, B, A[:2, :2]), {"square"})
    yield case("four-of-different-shapes", (B, A[:1], B[:, :1], A), {"wide"})
    yield case("mixed-tall-and-wide", (A[:, :2], B[:1], A[:2]), {"wide"})
    yield case("square-of-rectangular", (A[:, :2], A[:2]), {"square", "singular"})
    yield case("one-by-one", ([[2.0]], [[-3.0]]), {"square", "hermitian"})
    yield case("empty", (np.zeros((0, 0)), B), {"square"})
    yield case("no-rows", (np.zeros((0, 2)), B), {"wide"})
    yield case("no-columns", (A, np.zeros((2, 0))), {"tall"})
    yield case("singular", (A, np.array([[1.0, 2.0], [2.0, 4.0]])), {"square", "singular"})
    yield case("zero-factor", (A, np.zeros((2, 2))), {"square", "singular"})
    yield case("strided", (np.asfortranarray(A), A[::-1, ::-1]), {"square"})
    integers = [[1, 2], [3, 4]], [[0, 1], [1, 0]]
    yield case("integers", integers, {"square"}, tuple(np.array(F, float) for F in integers))
    minus = -spd(3, rng)
    yield case("minus-times-minus", (minus, -spd(2, rng)), {"square", "hermitian", "posdef"})
    skew, other = draw((3, 3), rng), draw((4, 4), rng)
    yield case(
        "skew-times-skew",
        (skew - skew.T, other - other.T),
        {"square", "hermitian", "singular"},
    )
    phase = np.exp(0.7j)
    yield case(
        "phases",
        (phase * spd(3, rng, complex), spd(2, rng, complex) / phase),
        {"square", "hermitian", "posdef"},
    )
    Q, _ = np.linalg.qr(draw((3, 3), rng))
    yield case("orthogonal", (Q, Q.T), {"square", "orthogonal"})
    # Structured factors: the definition is that of their dense forms.
    d, p = np.array([1.0, -2.0, 3.0]), np.array([2, 0, 1])
    P = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])
    yield case("diagonal-and-dense", (sm.Diagonal(d), B), {"square"}, (np.diag(d), B))
    yield case("dense-and-diagonal", (B, sm.Diagonal(d)), {"square"}, (B, np.diag(d)))
    yield case(
        "permutation-between",
        (B, sm.Permutation(p), sm.Identity(2)),
        {"square"},
        (B, P, np.eye(2)),
    )
    yield case("sparse", (sp.csr_array(A), B), {"square"}, (A, B))
    yield case("sparse-rectangular", (B, sp.csr_array(A[:2])), {"wide"}, (B, A[:2]))
    C = spd(2, rng)
    yield case(
        "identity-and-spd",
        (sm.Identity(3), C),
        {"square", "hermitian", "posdef"},
        (np.eye(3), C),
    )
    # Hard: ill-conditioned and badly scaled factors.
    for kind in ("graded", "clustered"):
        yield case(
            f"{kind}",
            (randsvd(5, kind, 1e5, 1), randsvd(4, kind, 1e6, 2)),
            {"square", "hard"},
        )
    yield case(
        "scaled",
        (1e150 * randsvd(4, "even", 1e2, 3), 1e-150 * randsvd(3, "even", 1e2, 4)),
        {"square", "hard"},
    )
