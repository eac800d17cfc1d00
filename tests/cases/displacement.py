"""Toeplitz, Hankel and circulant matrices, entry by entry from their definitions."""

import numpy as np
from support import DTYPES, Case, randn

import structmat as sm


def toeplitz(c, r):
    """T[i, j] = c[i - j] on and below the diagonal, r[j - i] above."""
    dense = np.zeros((len(c), len(r)), np.result_type(c, r))
    for i in range(len(c)):
        for j in range(len(r)):
            dense[i, j] = c[i - j] if i >= j else r[j - i]
    return dense


def hankel(c, r):
    """H[i, j] = c[i + j] while that is in c, then the entries of r after its first."""
    dense = np.zeros((len(c), len(r)), np.result_type(c, r))
    for i in range(len(c)):
        for j in range(len(r)):
            dense[i, j] = c[i + j] if i + j < len(c) else r[i + j - len(c) + 1]
    return dense


def circulant(c):
    """C[i, j] = c[(i - j) mod n]."""
    n = len(c)
    dense = np.zeros((n, n), np.asarray(c).dtype)
    for i in range(n):
        for j in range(n):
            dense[i, j] = c[(i - j) % n]
    return dense


def T(name, c, r, tags):
    c, r = np.asarray(c), np.asarray(r)
    return Case(f"toeplitz-{name}", sm.Toeplitz(c, r), toeplitz(c, r), tags)


def H(name, c, r, tags):
    c, r = np.asarray(c), np.asarray(r)
    return Case(f"hankel-{name}", sm.Hankel(c, r), hankel(c, r), tags)


def C(name, c, tags):
    c = np.asarray(c)
    return Case(f"circulant-{name}", sm.Circulant(c), circulant(c), tags)


def symmetric(c):
    """The vector made conjugate symmetric: c[k] = conj(c[-k])."""
    c = np.array(c)
    for k in range(len(c) // 2 + 1):
        c[-k] = np.conj(c[k])
    c[0] = c[0].real
    if len(c) % 2 == 0:
        c[len(c) // 2] = c[len(c) // 2].real
    return c


def cases():
    rng = np.random.default_rng(23)
    for dtype in DTYPES:
        yield from _of(dtype, np.dtype(dtype).name, rng)
    square, hermitian = {"square"}, {"square", "hermitian"}
    posdef, singular = hermitian | {"posdef"}, {"square", "singular"}
    # Orders where a formula could go wrong.
    yield T("empty", np.zeros(0), np.zeros(0), square)
    yield T("no-rows", np.zeros(0), np.ones(3), {"wide"})
    yield T("no-columns", np.ones(3), np.zeros(0), {"tall"})
    yield T("one-by-one", [3.0], [3.0], posdef)
    yield T("two-by-two", [1.0, 2.0], [1.0, -3.0], square)
    yield T("one-column", [1.0, 2.0, 4.0], [1.0], {"tall"})
    yield T("one-row", [1.0], [1.0, 2.0, 4.0], {"wide"})
    yield H("empty", np.zeros(0), np.zeros(0), square)
    yield H("one-by-one", [-3.0], [-3.0], hermitian)
    yield H("two-by-two", [1.0, 2.0], [2.0, -3.0], hermitian)
    yield C("empty", np.zeros(0), square)
    yield C("one-by-one", [-2.0], hermitian)
    yield C("two-by-two", [3.0, 1.0], posdef)
    # Leading principal minors that vanish, where Levinson's algorithm stops.
    yield T("zero-diagonal", [0.0, 1.0, 2.0, -1.0, 0.5], [0.0, 1.0, -1.0, 3.0, 2.0], square)
    yield T("singular-minors", [1.0, 1.0, 0.0, 2.0, 1.0], [1.0, 1.0, 3.0, 0.0, 1.0], square)
    yield T("lower", [2.0, 1.0, -1.0, 0.5], [2.0, 0.0, 0.0, 0.0], square)
    yield T("upper", [2.0, 0.0, 0.0, 0.0], [2.0, 1.0, -1.0, 0.5], square)
    yield T("second-difference", [2.0, -1, 0, 0, 0, 0, 0], [2.0, -1, 0, 0, 0, 0, 0], posdef)
    yield T("kms", 0.9 ** np.arange(9), 0.9 ** np.arange(9), posdef)
    yield T("ones", np.ones(4), np.ones(4), singular | {"hermitian"})
    yield T("zero", np.zeros(3), np.zeros(3), singular | {"hermitian"})
    yield T("lower-singular", [0.0, 1.0, 2.0], [0.0, 0.0, 0.0], singular)
    yield T("scaled", 1e150 * randn(6, rng), 1e150 * randn(6, rng), {"square", "hard"})
    yield T("scaled-down", 1e-150 * randn(6, rng), 1e-150 * randn(6, rng), {"square", "hard"})
    yield T("graded", 10.0 ** -np.arange(7), 10.0 ** -np.arange(0, 14, 2), square)
    k = np.arange(1, 12)
    prolate = np.concatenate([[0.8], np.sin(0.8 * np.pi * k) / (np.pi * k)])
    yield T("prolate", prolate, prolate, posdef | {"hard"})
    yield H("scaled", 1e150 * randn(5, rng), 1e150 * randn(5, rng), hermitian | {"hard"})
    yield H("triangular", [1.0, 2.0, 3.0, -1.0], np.zeros(4), hermitian)
    yield H("singular", np.arange(4.0), np.arange(3.0, 7.0), singular | {"hermitian"})
    yield C("shift", [0.0, 0.0, 1.0, 0.0, 0.0], square | {"orthogonal"})
    yield C("singular", [1.0, -1.0, 0.0, 0.0, 0.0, 0.0], singular)
    yield C("averaging", np.full(5, 0.2), singular | {"hermitian"})
    yield C("zero", np.zeros(3), singular | {"hermitian"})
    yield C("negative-definite", [-4.0, 1.0, 0.5, 0.5, 1.0], hermitian)
    yield C("decimals", [5.0, 1.0, 2.0, 0.0], square)
    yield C("scaled", 1e150 * randn(7, rng), {"square", "hard"})
    frozen = randn(7, rng)[::-1]
    frozen.flags.writeable = False
    yield T("strided-read-only", frozen, np.repeat(frozen, 2)[::2], square | {"hermitian"})


def _of(dtype, name, rng):
    double = np.finfo(dtype).dtype == np.float64  # the other shapes in double precision only
    eye = np.eye(1, 9, dtype=dtype)[0]
    c, r = randn(9, rng, dtype), randn(9, rng, dtype)
    r[0] = c[0]
    yield T(name, c, r, {"square"})
    if double:
        yield T(f"tall-{name}", c, r[:5], {"tall"})
        yield T(f"wide-{name}", c[:4], r, {"wide"})
    c = c.copy()
    c[0] = c[0].real
    yield T(f"hermitian-{name}", c, c.conj(), {"square", "hermitian"})
    p = (c / 8 + 3 * eye).astype(dtype)
    yield T(f"posdef-{name}", p, p.conj(), {"square", "hermitian", "posdef"})
    last = randn(8, rng, dtype)
    symmetric_tags = {"hermitian"} if np.dtype(dtype).kind != "c" else set()
    yield H(name, c, np.append(c[-1:], last), {"square"} | symmetric_tags)
    yield C(name, c, {"square"})
    yield C(f"hermitian-{name}", symmetric(c), {"square", "hermitian"})
    if double:
        yield H(f"tall-{name}", c[:6], np.append(c[5:6], last[:2]), {"tall"})
        yield C(f"even-{name}", c[:8], {"square"})
        s = (symmetric(c[:8]) / 8 + 3 * eye[:8]).astype(dtype)
        yield C(f"posdef-{name}", s, {"square", "hermitian", "posdef"})
