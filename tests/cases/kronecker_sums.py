"""KroneckerSum, KroneckerPlusDiagonal, KroneckerTwoTerm, KhatriRao: dense by np.kron of arrays."""

import numpy as np
from support import Case, orthogonal, randn, randsvd

import structmat as sm
from structmat.matrices.kronecker.eigenbasis import KroneckerEigenbasis

SQUARE = {"square"}
HERMITIAN = {"square", "hermitian"}
POSDEF = {"square", "hermitian", "posdef"}


def kronsum(*factors):
    """I (x) A_i (x) I, summed over i."""
    sizes = [len(A) for A in factors]
    total = 0
    for i, A in enumerate(factors):
        before = np.eye(int(np.prod(sizes[:i])), dtype=A.dtype)
        after = np.eye(int(np.prod(sizes[i + 1 :])), dtype=A.dtype)
        total = total + np.kron(np.kron(before, A), after)
    return total


def kron(*factors):
    total = np.eye(1, dtype=factors[0].dtype)
    for A in factors:
        total = np.kron(total, A)
    return total


def columnwise(*factors):
    r = factors[0].shape[1]
    m = int(np.prod([len(A) for A in factors]))
    out = np.zeros((m, r), np.result_type(*factors))
    for j in range(r):
        out[:, j] = kron(*(A[:, j : j + 1] for A in factors))[:, 0]
    return out


def spd(n, rng, dtype=np.float64):
    G = randn((n, n), rng, dtype)
    return short((G @ G.conj().T / max(n, 1) + np.eye(n)).astype(dtype))


def symmetric(n, rng, dtype=np.float64):
    G = randn((n, n), rng, dtype)
    return short(((G + G.conj().T) / 2).astype(dtype))


def general(n, rng, dtype=np.float64):
    """Well conditioned and not normal; its eigenvalues have modulus about 3."""
    return short((randn((n, n), rng, dtype) / max(n, 1) ** 0.5 + 3 * np.eye(n)).astype(dtype))


def short(A):
    """In single precision entries of a few bits, so that their products are exact as well."""
    return A if A.dtype.char in "dD" else (np.round(64 * A) / 64).astype(A.dtype)


def cases():
    yield from sums()
    yield from plus_diagonals()
    yield from two_terms()
    yield from khatri_raos()
    yield from eigenbases()


def sums():
    rng = np.random.default_rng(31)

    def case(name, factors, tags):
        return Case(f"kronecker-sum-{name}", sm.KroneckerSum(*factors), kronsum(*factors), tags)

    for dtype in (np.float32, np.float64, np.complex64, np.complex128):
        name = np.dtype(dtype).name
        yield case(name, [general(4, rng, dtype), general(5, rng, dtype)], SQUARE)
        yield case(f"spd-{name}", [spd(5, rng, dtype), spd(3, rng, dtype)], POSDEF)
    yield case("one-factor", [general(6, rng)], SQUARE)
    yield case("three", [general(n, rng) for n in (2, 3, 4)], SQUARE)
    yield case(
        "three-mixed", [symmetric(3, rng), general(3, rng) + 9 * np.eye(3), spd(2, rng)], SQUARE
    )
    yield case("four-hermitian", [spd(2, rng, np.complex128) for _ in range(4)], POSDEF)
    yield case("indefinite", [symmetric(4, rng), symmetric(6, rng)], HERMITIAN)
    rotation = orthogonal(4, rng)
    yield case("normal", [rotation, 3 * np.eye(5) + np.roll(np.eye(5), 1, 0)], SQUARE)
    yield case("1x1", [np.array([[2.0]]), np.array([[3.0]])], POSDEF)
    yield case("ones", [np.array([[2.0]]), general(4, rng), np.array([[1.0]])], SQUARE)
    yield case("empty", [np.zeros((0, 0)), general(3, rng)], SQUARE)
    yield case("strided", [general(8, rng)[::2, ::2], np.asfortranarray(general(4, rng))], SQUARE)
    A = np.diag([1.0, 2.0, 3.0])
    yield case("singular", [A, np.diag([-2.0, 5.0])], HERMITIAN | {"singular"})
    graded = [randsvd(5, "graded", 1e8, seed=s) for s in (1, 2)]
    yield case("graded", graded, {"square", "hard"})
    values = rng.uniform(1, 2, 4)
    G = general(3, rng)
    yield Case(
        "kronecker-sum-structured",
        sm.KroneckerSum(sm.Diagonal(values), sm.Dense(G), sm.Identity(2)),
        kronsum(np.diag(values), G, np.eye(2)),
        SQUARE,
    )


def plus_diagonals():
    rng = np.random.default_rng(32)

    def case(name, factors, shift, tags):
        A = sm.KroneckerPlusDiagonal(sm.Kronecker(*factors), shift)
        if isinstance(shift, tuple):
            D = np.diag(kron(*(d[:, None] for d in shift))[:, 0])
        else:
            D = np.diag(shift * np.ones(A.shape[0], A.dtype))
        dense = (kron(*factors) + D).astype(A.dtype)
        return Case(f"kronecker-plus-diagonal-{name}", A, dense, tags)

    for dtype in (np.float32, np.float64, np.complex64, np.complex128):
        name = np.dtype(dtype).name
        yield case(name, [spd(4, rng, dtype), spd(5, rng, dtype)], 0.5, POSDEF)
        yield case(f"general-{name}", [general(4, rng, dtype), general(3, rng, dtype)], 0.5, SQUARE)
        d = tuple(short(rng.uniform(1, 2, n).astype(np.zeros(1, dtype).real.dtype)) for n in (3, 4))
        yield case(f"separable-{name}", [spd(3, rng, dtype), spd(4, rng, dtype)], d, POSDEF)
    yield case("complex-shift", [symmetric(3, rng), symmetric(4, rng)], 1j, SQUARE)
    yield case("indefinite", [symmetric(3, rng), symmetric(4, rng)], -0.3, HERMITIAN)
    yield case("three", [spd(2, rng), spd(3, rng), spd(3, rng)], 1e-3, POSDEF)
    yield case("three-general", [general(2, rng), general(3, rng), general(3, rng)], 1.0, SQUARE)
    d = tuple(rng.uniform(1, 2, n) for n in (3, 4))
    yield case("general-separable", [general(3, rng), general(4, rng)], d, SQUARE)
    yield case("any", [spd(4, rng), spd(5, rng)], rng.uniform(1, 9, 20), POSDEF)
    yield case("any-complex", [spd(2, rng), spd(3, rng)], randn(6, rng, complex), SQUARE)
    yield case("zero", [spd(3, rng), spd(2, rng)], 0.0, POSDEF)
    yield case("one-factor", [spd(5, rng)], 2.0, POSDEF)
    yield case("1x1", [np.array([[2.0]]), np.array([[3.0]])], 1.0, POSDEF)
    yield case("empty", [np.zeros((0, 0)), np.eye(3)], 1.0, POSDEF)
    signs = [np.diag([1.0, 2.0]), np.diag([3.0, 1.0, 5.0])]
    yield case("singular", signs, -6.0, HERMITIAN | {"singular"})


def two_terms():
    rng = np.random.default_rng(33)

    def case(name, first, second, tags):
        A = sm.KroneckerTwoTerm(sm.Kronecker(*first), sm.Kronecker(*second))
        return Case(f"kronecker-two-term-{name}", A, kron(*first) + kron(*second), tags)

    for dtype in (np.float32, np.float64, np.complex64, np.complex128):
        name = np.dtype(dtype).name
        first, second = ([general(n, rng, dtype) for n in (4, 3)] for _ in range(2))
        yield case(name, first, second, SQUARE)
        first, second = ([spd(n, rng, dtype) for n in (4, 3)] for _ in range(2))
        yield case(f"spd-{name}", first, second, POSDEF)
    negative = [-spd(3, rng), symmetric(4, rng)], [-spd(3, rng), spd(4, rng)]
    yield case("indefinite", *negative, HERMITIAN)
    first, second = ([general(n, rng) for n in (2, 3, 2)] for _ in range(2))
    yield case("three", first, second, SQUARE)
    first, second = ([randn(s, rng) for s in ((4, 2), (3, 3))] for _ in range(2))
    yield case("tall", first, second, {"tall"})
    yield case("empty", [np.zeros((0, 0)), np.eye(2)], [np.zeros((0, 0)), np.eye(2)], SQUARE)
    yield case("1x1", [np.eye(1)] * 2, [3 * np.eye(1)] * 2, POSDEF)
    cancel = [np.diag([1.0, 2.0]), np.eye(2)], [-np.eye(2), np.eye(2)]
    yield case("singular", *cancel, HERMITIAN | {"singular"})


def khatri_raos():
    rng = np.random.default_rng(34)

    def case(name, factors, tags):
        return Case(f"khatri-rao-{name}", sm.KhatriRao(*factors), columnwise(*factors), tags)

    for dtype in (np.float32, np.float64, np.complex64, np.complex128):
        name = np.dtype(dtype).name
        factors = [short(randn((n, 5), rng, dtype)) for n in (4, 6)]
        yield case(name, factors, {"tall"})
        A = sm.KhatriRao(*factors).H
        yield Case(f"face-splitting-{name}", A, columnwise(*factors).conj().T, {"wide"})
    yield case("three", [randn((n, 4), rng) for n in (2, 3, 4)], {"tall"})
    yield case("wide", [randn((n, 9), rng) for n in (2, 3)], {"wide"})
    yield case("square", [randn((n, 6), rng) for n in (2, 3)], SQUARE)
    yield case("one-factor", [randn((5, 3), rng)], {"tall"})
    yield case("1x1", [np.array([[2.0]]), np.array([[3.0]])], SQUARE)
    yield case("no-columns", [np.zeros((3, 0)), np.zeros((2, 0))], {"tall"})
    yield case("no-rows", [np.zeros((0, 3)), np.zeros((2, 3))], {"wide"})
    yield case("strided", [randn((8, 6), rng)[::2, ::2], randn((3, 3), rng).T], {"tall"})
    twice = randn((4, 2), rng)[:, [0, 1, 0]]
    yield case("singular", [twice, randn((3, 2), rng)[:, [0, 1, 0]]], {"tall", "singular"})


def eigenbases():
    rng = np.random.default_rng(35)
    half = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2
    for dtype in (np.float32, np.float64, np.complex128):
        if dtype == np.float32:  # exact in single precision
            Qs, w = [half.astype(dtype)] * 2, np.arange(1, 17, dtype=dtype)
        else:
            Qs, w = [orthogonal(n, rng, dtype) for n in (3, 4)], rng.uniform(1, 2, 12)
        Q = kron(*Qs)
        yield Case(
            f"kronecker-eigenbasis-{np.dtype(dtype).name}",
            KroneckerEigenbasis(sm.Kronecker(*Qs), w),
            (Q * w) @ Q.conj().T,
            POSDEF,
        )
    w = rng.standard_normal(12)
    indefinite = KroneckerEigenbasis(sm.Kronecker(*(orthogonal(n, rng) for n in (3, 4))), w)
    Q = kron(*(np.asarray(F) for F in indefinite.vectors.factors))
    yield Case("kronecker-eigenbasis-indefinite", indefinite, (Q * w) @ Q.T, HERMITIAN)
