"""Hadamard, DFT, DCT, DST, Haar, and adjoints that are none of these."""

import cmath
import itertools
import math

import numpy as np
from support import Case

import structmat as sm

SQUARE = {"square"}
SYMMETRIC = {"square", "hermitian"}
POSDEF = {"square", "hermitian", "posdef"}
REAL = (np.float64, np.float32, np.complex128, np.complex64)


def cases():
    yield from _hadamard()
    yield from _dft()
    yield from _cosines_and_sines()
    yield from _haar()
    yield from _adjoints()


def _hadamard():
    norms = (None, "ortho", "forward")
    for i, (n, order) in enumerate(
        # The first one of a family stands for it in the tests of pairs.
        [(8, "natural"), (2, "natural"), (4, "dyadic"), (8, "sequency"), (16, "natural"),
         (12, "natural"), (20, "natural"), (24, "natural"), (28, "natural"), (40, "natural"),
         (32, "dyadic"), (64, "sequency"), (1, "natural")]
    ):  # fmt: skip
        norm, dtype = norms[i % 3], REAL[(i // 2) % 4]
        A = sm.Hadamard(n, order, norm, dtype)
        tags = POSDEF if n == 1 else SQUARE if n in (12, 20, 24, 40) else SYMMETRIC
        yield Case(
            _name("hadamard", n, order, norm, dtype), A, hadamard(n, order, norm, dtype), tags
        )


def _dft():
    for n, norm, dtype in [
        (1, None, np.complex128), (2, "ortho", np.complex64), (3, "forward", np.complex128),
        (4, None, np.complex64), (5, "ortho", np.complex128), (8, None, np.complex128),
        (12, None, np.complex128), (15, "forward", np.complex64),
    ]:  # fmt: skip
        tags = {1: POSDEF, 2: SYMMETRIC}.get(n, SQUARE)
        yield Case(_name("dft", n, norm, dtype), sm.DFT(n, norm, dtype), dft(n, norm, dtype), tags)


def _cosines_and_sines():
    sizes = {1: (2, 7, 3), 2: (1, 8, 5), 3: (3, 2, 6), 4: (1, 4, 9)}
    options = [(None, None), ("ortho", None), ("forward", True), ("ortho", False)]
    count = 0
    for name, family, build in (("dct", sm.DCT, dct), ("dst", sm.DST, dst)):
        yield Case(f"{name}-8", family(8), build(8, 2), SQUARE)
        for type in (1, 2, 3, 4):
            for i, n in enumerate(sizes[type]):
                norm, orthogonalize = options[(i + type) % 4]
                dtype = REAL[count % 4]
                count += 1
                A = family(n, type, norm, dtype, orthogonalize)
                dense = build(n, type, norm, dtype, orthogonalize)
                # Of order two or less a matrix may be symmetric by chance.
                exact = np.abs(dense - dense.T).max() <= 4 * np.finfo(dtype).eps
                tags = POSDEF if n == 1 else SYMMETRIC if exact else SQUARE
                yield Case(_name(name, n, type, norm, orthogonalize, dtype), A, dense, tags)


def _haar():
    for n, levels, dtype in [
        (8, None, np.float64), (1, None, np.float64), (2, None, np.float32),
        (12, 1, np.float64), (12, None, np.complex64), (7, 0, np.float32),
        (16, 3, np.complex128),
    ]:  # fmt: skip
        tags = POSDEF if n % 2 else SYMMETRIC if n == 2 else SQUARE
        yield Case(_name("haar", n, levels, dtype), sm.Haar(n, levels, dtype),
                   haar(n, levels, dtype), tags)  # fmt: skip


def _adjoints():
    for name, A, dense in [
        ("dft", sm.DFT(6), dft(6)),
        ("hadamard", sm.Hadamard(12), hadamard(12)),
        ("dct1", sm.DCT(6, 1), dct(6, 1)),
        ("dct2", sm.DCT(5, 2), dct(5, 2)),
        ("dst3", sm.DST(5, 3, "forward", np.float32), dst(5, 3, "forward", np.float32)),
        ("haar", sm.Haar(8), haar(8)),
    ]:
        yield Case(f"adjoint-{name}", A.H, dense.conj().T, SQUARE)


def _name(family, *what):
    words = [np.dtype(w).name if isinstance(w, type) else str(w) for w in what]
    return "-".join([family, *words])


# ---------------------------------------------------------------- definitions, by literal loops


def hadamard(n, order="natural", norm=None, dtype=np.float64):
    """Order m 2^k: the table of order m, doubled k times by [H H; H -H], rows reordered."""
    m = next(m for m in (1, 12, 20, 28) if n % m == 0 and (n // m) & (n // m - 1) == 0)
    H = np.array([[1]]) if m == 1 else paley(m)
    while len(H) < n:
        H = np.block([[H, H], [H, -H]]) if m == 1 else _doubled(H, m)
    if order == "sequency":
        H = np.array(sorted(H.tolist(), key=sign_changes))
    if order == "dyadic":
        bits = n.bit_length() - 1
        H = H[[int(f"{i:b}".zfill(bits)[::-1], 2) if bits else 0 for i in range(n)]]
    return (H * {None: 1, "ortho": n**-0.5, "forward": 1 / n}[norm]).astype(dtype)


def _doubled(H, m):
    """Table (x) H_2k from table (x) H_k: every block of the table's grid is doubled."""
    k = len(H) // m
    D = np.zeros((2 * len(H), 2 * len(H)), H.dtype)
    for a in range(m):
        for b in range(m):
            B = H[a * k : (a + 1) * k, b * k : (b + 1) * k]
            D[2 * a * k : 2 * (a + 1) * k, 2 * b * k : 2 * (b + 1) * k] = np.block(
                [[B, B], [B, -B]]
            )
    return D


def sign_changes(row):
    return sum(a != b for a, b in itertools.pairwise(row))


def paley(m):
    """Paley I for q = 11 and 19, II for q = 13."""
    q = {12: 11, 20: 19, 28: 13}[m]

    def chi(a):
        return 0 if a % q == 0 else 1 if any(i * i % q == a % q for i in range(1, q)) else -1

    B = np.zeros((q + 1, q + 1), int)
    for i in range(q + 1):
        for j in range(q + 1):
            if i and j:
                B[i, j] = chi(i - j)
            elif i != j:
                B[i, j] = 1 if i == 0 or m == 28 else -1
    if m != 28:
        return B + np.eye(m, dtype=int)
    H = np.zeros((28, 28), int)
    for i in range(14):
        for j in range(14):
            block = [[1, -1], [-1, -1]] if i == j else [[1, 1], [1, -1]]
            H[2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = np.array(block) * (1 if i == j else B[i, j])
    return H


def dft(n, norm=None, dtype=np.complex128):
    F = np.zeros((n, n), complex)
    for j in range(n):
        for k in range(n):
            F[j, k] = cmath.exp(-2j * math.pi * (j * k % n) / n)
    return (F * {None: 1, "ortho": n**-0.5, "forward": 1 / n}[norm]).astype(dtype)


def dct(n, type, norm=None, dtype=np.float64, orthogonalize=None):
    """The formulas in the documentation of scipy.fft.dct."""
    A = np.zeros((n, n))
    for k in range(n):
        for j in range(n):
            angle = {
                1: lambda k, j: k * j / (n - 1),
                2: lambda k, j: k * (2 * j + 1) / (2 * n),
                3: lambda k, j: (2 * k + 1) * j / (2 * n),
                4: lambda k, j: (2 * k + 1) * (2 * j + 1) / (4 * n),
            }[type](k, j)
            A[k, j] = 2 * math.cos(math.pi * angle)
    if type == 1:
        A[:, [0, n - 1]] /= 2
    elif type == 3:
        A[:, 0] /= 2
    rows = {1: (0, n - 1), 2: (0,)}.get(type, ())
    columns = {1: (0, n - 1), 3: (0,)}.get(type, ())
    length = 2 * (n - 1) if type == 1 else 2 * n
    return _normalised(A, rows, columns, length, norm, dtype, orthogonalize)


def dst(n, type, norm=None, dtype=np.float64, orthogonalize=None):
    """The formulas in the documentation of scipy.fft.dst."""
    A = np.zeros((n, n))
    for k in range(n):
        for j in range(n):
            angle = {
                1: lambda k, j: (k + 1) * (j + 1) / (n + 1),
                2: lambda k, j: (k + 1) * (2 * j + 1) / (2 * n),
                3: lambda k, j: (2 * k + 1) * (j + 1) / (2 * n),
                4: lambda k, j: (2 * k + 1) * (2 * j + 1) / (4 * n),
            }[type](k, j)
            A[k, j] = 2 * math.sin(math.pi * angle)
    if type == 3:
        A[:, n - 1] /= 2
    rows = (n - 1,) if type == 2 else ()
    columns = (n - 1,) if type == 3 else ()
    length = 2 * (n + 1) if type == 1 else 2 * n
    return _normalised(A, rows, columns, length, norm, dtype, orthogonalize)


def _normalised(A, rows, columns, length, norm, dtype, orthogonalize):
    """Orthogonalised: outputs in `rows` over sqrt(2), inputs in `columns` times sqrt(2)."""
    if orthogonalize or (orthogonalize is None and norm == "ortho"):
        for k in rows:
            A[k] /= math.sqrt(2)
        for j in columns:
            A[:, j] *= math.sqrt(2)
    return (A * {None: 1, "ortho": length**-0.5, "forward": 1 / length}[norm]).astype(dtype)


def haar(n, levels=None, dtype=np.float64):
    """A product of levels, each of pairwise sums over pairwise differences."""
    A, m = np.eye(n), n
    while m % 2 == 0 and levels != 0:
        W = np.eye(n)
        W[:m, :m] = 0
        for i in range(m // 2):
            W[i, 2 * i] = W[i, 2 * i + 1] = W[m // 2 + i, 2 * i] = math.sqrt(0.5)
            W[m // 2 + i, 2 * i + 1] = -math.sqrt(0.5)
        A, m = W @ A, m // 2
        levels = None if levels is None else levels - 1
    return A.astype(dtype)
