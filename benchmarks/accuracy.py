"""The worst LAPACK ratio of every structure and verb, over spectra, dtypes and scales.

    python benchmarks/accuracy.py [--json OUT] [--table docs/accuracy.csv]

Matrices are random, graded, clustered, nearly singular and scaled to 1e+-150 (1e+-15 in single
precision). Ratios are those of `tests/support.py`: the solve ratio is xGET02's, without a factor n;
the others divide by n. `--table` writes the last column of the accuracy table of the docs.
"""

import argparse
import csv
import json
import math
import pathlib
import sys
import warnings

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support import (  # noqa: E402
    dense,
    eps,
    norm1,
    orthogonal,
    randn,
    randsvd,
    ratio_eigh,
    ratio_orthogonal,
    ratio_solve,
    ratio_svd,
)

import structmat as sm  # noqa: E402

KINDS = ("even", "graded", "clustered", "random", "near-singular")
SEEDS = range(3)


def square(n, kind, seed, dtype):
    limit = 1 / eps(np.ones(1, dtype))
    cond = limit**0.9 if kind == "near-singular" else limit**0.25
    return randsvd(n, "graded" if kind == "near-singular" else kind, cond, seed, dtype)


def hermitian(n, kind, seed, dtype, definite=True):
    S = np.linalg.svd(square(n, kind, seed, dtype).astype(np.complex128), compute_uv=False)
    Q = orthogonal(n, np.random.default_rng(seed), dtype)
    signs = 1 if definite else np.where(np.arange(n) % 2, -1, 1)
    H = (Q * (S * signs)) @ Q.conj().T
    return ((H + H.conj().T) / 2).astype(dtype)


# ------------------------------------------------------------ members: (matrix, dense definition)


def dense_(kind, seed, dtype, scale):
    A = square(30, kind, seed, dtype) * scale
    return sm.Dense(A), A


def dense_hermitian(kind, seed, dtype, scale):
    A = hermitian(30, kind, seed, dtype, False) * scale
    return sm.Dense(A), A


def diagonal(kind, seed, dtype, scale):
    d = np.linalg.svd(square(30, kind, seed, dtype).astype(complex), compute_uv=False)
    d = (d * scale).astype(dtype)
    return sm.Diagonal(d), np.diag(d)


def block_diagonal(kind, seed, dtype, scale):
    blocks = np.array([square(6, kind, seed + i, dtype) for i in range(5)]) * scale
    full = np.zeros((30, 30), dtype)
    for i, block in enumerate(blocks):
        full[6 * i : 6 * i + 6, 6 * i : 6 * i + 6] = block
    return sm.BlockDiagonal(blocks), full


def banded(kind, seed, dtype, scale):
    full = np.triu(np.tril(square(30, kind, seed, dtype), 2), -2) * scale
    return sm.project(full, sm.Banded, lower=2, upper=2).matrix, full


def tridiagonal(kind, seed, dtype, scale):
    full = np.triu(np.tril(square(30, kind, seed, dtype), 1), -1) * scale
    d = [np.diagonal(full, k).copy() for k in (-1, 0, 1)]
    return sm.Tridiagonal(*d), full


def triangular(kind, seed, dtype, scale):
    full = np.tril(square(30, kind, seed, dtype)) * scale
    return sm.Triangular(full), full


def sparse(kind, seed, dtype, scale):
    import scipy.sparse as sp

    full = square(30, kind, seed, dtype) * scale
    full[np.random.default_rng(seed).random(full.shape) < 0.7] = 0
    full += np.diag(np.full(30, scale, dtype))
    return sm.Sparse(sp.csr_array(full)), full


def low_rank(kind, seed, dtype, scale):
    rng = np.random.default_rng(seed)
    U, V = randn((30, 5), rng, dtype), randn((30, 5), rng, dtype) * dtype(scale)
    return sm.LowRank(U, V), U @ V.conj().T


def diagonal_plus_low_rank(kind, seed, dtype, scale):
    rng = np.random.default_rng(seed)
    d = diagonal(kind, seed, dtype, scale)[0].values
    U, V = randn((30, 3), rng, dtype), randn((30, 3), rng, dtype) * dtype(scale)
    return sm.DiagonalPlusLowRank(d, U, V), np.diag(d) + U @ V.conj().T


def root(scale):
    return scale ** (1 / 3)


def kronecker(kind, seed, dtype, scale):
    F = [square(n, kind, seed + n, dtype) * dtype(root(scale)) for n in (3, 4, 5)]
    return sm.Kronecker(*F), np.kron(np.kron(F[0], F[1]), F[2])


def kronecker_hermitian(kind, seed, dtype, scale):
    F = [hermitian(n, kind, seed + n, dtype, False) * dtype(root(scale)) for n in (3, 4, 5)]
    return sm.Kronecker(*F), np.kron(np.kron(F[0], F[1]), F[2])


def kronecker_sum(kind, seed, dtype, scale):
    A, B = (square(n, kind, seed + n, dtype) * dtype(scale) for n in (6, 7))
    return sm.KroneckerSum(A, B), np.kron(A, np.eye(7, dtype=dtype)) + np.kron(
        np.eye(6, dtype=dtype), B
    )


def kronecker_plus_diagonal(kind, seed, dtype, scale):
    A, B = (hermitian(n, kind, seed + n, dtype) * dtype(math.sqrt(scale)) for n in (6, 7))
    s = dtype(0.01 * scale)
    return sm.Kronecker(A, B) + sm.Diagonal(np.full(42, s)), np.kron(A, B) + s * np.eye(
        42, dtype=dtype
    )


def kronecker_two_term(kind, seed, dtype, scale):
    A, B, C, D = (square(5, kind, seed + i, dtype) * dtype(math.sqrt(scale)) for i in range(4))
    return sm.Kronecker(A, B) + sm.Kronecker(C, D), np.kron(A, B) + np.kron(C, D)


def khatri_rao(kind, seed, dtype, scale):
    A, B = (square(5, kind, seed + i, dtype) * dtype(math.sqrt(scale)) for i in range(2))
    full = np.stack([np.kron(A[:, j], B[:, j]) for j in range(5)], axis=1)
    return sm.KhatriRao(A, B), full


def _sequence(kind, seed, dtype, n=40):
    """Diagonals of a Toeplitz matrix, t[n - 1 + i - j], easy to hard."""
    rng = np.random.default_rng(seed)
    k = np.arange(1 - n, n)
    t = randn(2 * n - 1, rng, dtype)
    if kind == "graded":
        t = t * np.exp(-abs(k) / 2)
    elif kind == "clustered":  # Kac-Murdock-Szego, condition about 2e3
        t = 0.95 ** abs(k) + 0 * t
    elif kind == "random":  # a zero diagonal: singular leading principal minors
        t = np.where(k == 0, 0, t)
    elif kind == "near-singular":  # the prolate matrix, condition above 1 / eps
        t = 0.5 * np.sinc(0.5 * k) + 0 * t
    return t.astype(dtype)


def toeplitz(kind, seed, dtype, scale):
    n = 40
    t = _sequence(kind, seed, dtype) * dtype(scale)
    full = np.array([[t[n - 1 + i - j] for j in range(n)] for i in range(n)])
    return sm.Toeplitz(t[n - 1 :], t[n - 1 :: -1]), full


def toeplitz_by_structure(kind, seed, dtype, scale):
    """Large enough that the structured LU runs first in every dtype."""
    n = 520
    t = _sequence(kind, seed, dtype, n) * dtype(scale)
    index = n - 1 + np.subtract.outer(np.arange(n), np.arange(n))
    return sm.Toeplitz(t[n - 1 :], t[n - 1 :: -1]), t[index]


def hankel(kind, seed, dtype, scale):
    n = 40
    t = _sequence(kind, seed, dtype) * dtype(scale)
    full = np.array([[t[i + j] for j in range(n)] for i in range(n)])
    return sm.Hankel(t[:n], t[n - 1 :]), full


def circulant(kind, seed, dtype, scale):
    n = 39
    c = _sequence(kind, seed, dtype, 20) * dtype(scale)
    full = np.array([[c[(i - j) % n] for j in range(n)] for i in range(n)])
    return sm.Circulant(c), full


def transform(kind, seed, dtype, scale):
    """Hadamard of order 24 and a DCT-II, DFT where complex; the definition in double precision."""
    n = 24
    if np.dtype(dtype).kind == "c":
        A = sm.DFT(n, dtype=dtype)
        k = np.outer(np.arange(n), np.arange(n)) % n
        return A * scale, (np.exp(-2j * np.pi * k / n) * scale).astype(dtype)
    if seed % 2:
        A = sm.Hadamard(n, dtype=dtype)
        return A * scale, (A.toarray() * scale).astype(dtype)
    i, j = np.ogrid[:n, :n]
    full = 2 * np.cos(np.pi * i * (2 * j + 1) / (2 * n))
    return sm.DCT(n, dtype=dtype) * scale, (full * scale).astype(dtype)


def kronecker_sparse(kind, seed, dtype, scale):
    blocks = [square(4, kind, seed + i, dtype) for i in range(12)]
    A = sm.KroneckerSparse(np.stack(blocks).reshape(3, 4, 4, 4) * dtype(scale))
    return A, A.toarray()


def monarch(kind, seed, dtype, scale):
    """Of an order that is not multiplied out; the product of the factors in double precision."""
    p, q = 16, 17
    left = np.stack([square(p, kind, seed + i, dtype) for i in range(q)]) * dtype(math.sqrt(scale))
    right = np.stack([square(q, kind, seed + q + i, dtype) for i in range(p)]) * dtype(
        math.sqrt(scale)
    )
    A = sm.Monarch(left[:, :, :, None], right[:, :, None])
    wide = A.astype(np.complex128 if np.dtype(dtype).kind == "c" else np.float64)
    return A, wide.toarray().astype(dtype)


# ------------------------------------------------------------ ratios


def solve(A, full, rng):
    b = randn((len(full), 2), rng, full.dtype)
    b = (b * norm1(full)).astype(full.dtype)
    return ratio_solve(full, A.solve(b), b)


def slogdet(A, full, rng):
    wide = full.astype(np.complex128 if full.dtype.kind == "c" else np.float64)
    # A power of two brings the reference into range; its logarithm goes back in.
    shift = 2.0 ** -round(math.log2(np.abs(wide).max()))
    _, expected = np.linalg.slogdet(wide * shift)
    expected -= len(full) * math.log(shift)
    cond = np.linalg.cond(wide * shift)
    if cond * eps(full) > 1e-3:
        return 0.0  # the determinant of the rounded matrix itself is undetermined
    _, actual = A.slogdet()
    n = len(full)
    return abs(actual - expected) / ((abs(expected) + n) * eps(full) * max(1.0, cond / n))


def svd(A, full, rng):
    U, S, Vh = A.svd()
    return max(
        ratio_svd(full, U, S, Vh), ratio_orthogonal(U, S), ratio_orthogonal(dense(Vh).conj().T, S)
    )


def eigh(A, full, rng):
    w, V = A.eigh()
    return max(ratio_eigh(full, w, V), ratio_orthogonal(V, full))


def lstsq(A, full, rng):
    """|A^H (b - A x)| / (|A| (|A| |x| + |b|) max(m, n) eps), zero at the exact minimum."""
    b = (randn(len(full), rng, full.dtype) * norm1(full)).astype(full.dtype)
    x = A.lstsq(b).x
    wide = full.astype(np.result_type(full, np.float64)) / norm1(full)
    b, x = b / norm1(full), np.asarray(x)
    gradient = np.abs(wide.conj().T @ (b - wide @ x)).sum()
    return gradient / ((np.abs(x).sum() + np.abs(b).sum()) * max(full.shape) * eps(full))


# (row of the table of the docs, members, verbs)
ROWS = [
    (("Dense", "solve, inverse, slogdet"), dense_, (solve, slogdet)),
    (("Dense", "svd, eigh"), dense_hermitian, (svd, eigh)),
    (("Diagonal", "product, solve"), diagonal, (solve, slogdet)),
    (("BlockDiagonal", "solve, slogdet"), block_diagonal, (solve, slogdet, svd)),
    (("Banded Tridiagonal", "solve, slogdet"), banded, (solve, slogdet)),
    (("Banded Tridiagonal", "solve, slogdet"), tridiagonal, (solve, slogdet)),
    (("Triangular", "solve"), triangular, (solve,)),
    (("Sparse", "solve"), sparse, (solve, slogdet)),
    (("LowRank", "svd, lstsq"), low_rank, (svd, lstsq)),
    (("DiagonalPlusLowRank", "solve"), diagonal_plus_low_rank, (solve, slogdet)),
    (("Kronecker", "solve, inverse"), kronecker, (solve,)),
    (("Kronecker", "slogdet"), kronecker, (slogdet,)),
    (("Kronecker", "svd, eigh"), kronecker, (svd,)),
    (("Kronecker", "svd, eigh"), kronecker_hermitian, (svd, eigh)),
    (("KroneckerSum", "solve"), kronecker_sum, (solve,)),
    (("KroneckerPlusDiagonal", "solve, slogdet"), kronecker_plus_diagonal, (solve, slogdet)),
    (("KroneckerTwoTerm", "solve"), kronecker_two_term, (solve,)),
    (("KhatriRao", "lstsq"), khatri_rao, (lstsq,)),
    (("KroneckerSparse", "solve, slogdet, svd"), kronecker_sparse, (solve, slogdet, svd)),
    (("Chain Butterfly Monarch", "solve, slogdet"), monarch, (solve, slogdet)),
    (("Circulant", "solve, slogdet"), circulant, (solve, slogdet)),
    (("Toeplitz Hankel", "solve, slogdet"), toeplitz, (solve, slogdet)),
    (("Toeplitz Hankel", "solve, slogdet"), hankel, (solve, slogdet)),
    (("Toeplitz Hankel", "solve, slogdet"), toeplitz_by_structure, (solve,)),
    (("Hadamard DFT DCT DST Haar", "solve, slogdet, svd"), transform, (solve, slogdet, svd)),
]


def measure():
    """The worst ratio of every row of the table, and where it was seen."""
    worst = {}
    for key, member, verbs in ROWS:
        for dtype in (np.float32, np.float64, np.complex64, np.complex128):
            single = np.dtype(dtype).char in "fF"
            for scale in (1.0, 1e15, 1e-15) if single else (1.0, 1e150, 1e-150):
                for kind in KINDS:
                    for seed in SEEDS:
                        one(worst, key, member, verbs, dtype, scale, kind, seed)
    return worst


def one(worst, key, member, verbs, dtype, scale, kind, seed):
    A, full = member(kind, seed, dtype, scale)
    for verb in verbs:
        try:
            ratio = float(verb(A, full, np.random.default_rng(seed)))
        except np.linalg.LinAlgError:
            continue  # singular to working precision, and said so
        where = f"{verb.__name__}, {kind}, {np.dtype(dtype)}, scale {scale:g}"
        if not ratio <= worst.get(key, (0.0, ""))[0]:
            worst[key] = (ratio, where)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--table", type=pathlib.Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # near-singular members warn, as they should
    worst = measure()
    for (structure, verb), (ratio, where) in worst.items():
        print(f"{structure:24s} {verb:26s} {ratio:8.2f}   {where}")
    if options.json:
        rows = [
            {"structure": s, "verb": v, "worst ratio": r, "seen in": w}
            for (s, v), (r, w) in worst.items()
        ]
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    if options.table:
        with options.table.open(newline="") as file:
            header, *table = list(csv.reader(file))
        for row in table:
            if (row[0], row[1]) in worst:
                row[-1] = f"{worst[row[0], row[1]][0]:.2g}"
        with options.table.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *table])


if __name__ == "__main__":
    main()
