"""What every test shares: cases, LAPACK's test ratios, and matrices with known spectra.

A ratio passes only if ``ratio < threshold``: LAPACK's own ``ratio >= threshold`` lets a NaN pass.
"""

import importlib
import pkgutil
from dataclasses import dataclass, field

import numpy as np

DTYPES = (np.float32, np.float64, np.complex64, np.complex128)


@dataclass(frozen=True)
class Case:
    """A structured matrix and the same matrix, dense, built from the definition by literal loops.

    Tags: square hermitian posdef singular tall wide orthogonal hard.
    """

    name: str
    matrix: object
    dense: np.ndarray
    tags: frozenset = field(default_factory=frozenset)

    def __post_init__(self):
        object.__setattr__(self, "tags", frozenset(self.tags))


def all_cases():
    """Cases of every file in tests/cases."""
    import cases

    found = []
    for module in pkgutil.iter_modules(cases.__path__):
        found += importlib.import_module(f"cases.{module.name}").cases()
    names = [case.name for case in found]
    assert len(set(names)) == len(names), "case names must be unique"
    return found


def eps(x):
    return float(np.finfo(np.asarray(x).dtype).eps)


def norm1(A):
    A = np.atleast_2d(np.asarray(A, dtype=np.result_type(A, np.float64)))
    return float(np.abs(A).sum(0).max()) if A.size else 0.0


def dense(A):
    return A.toarray() if hasattr(A, "toarray") else np.asarray(A)


def ratio_solve(A, x, b):
    """max over right-hand sides of |b - A x|_1 / (|A|_1 |x|_1 eps / 2)  (xGET02)."""
    if not np.size(x):
        return 0.0
    work = np.result_type(np.asarray(A), np.float64)
    # The dense matrix is rounded to its dtype, so a wider solution is no more exact than that.
    u = max(eps(x), eps(A)) / 2
    A = np.asarray(A, work)
    x = np.asarray(x, np.result_type(x, work)).reshape(A.shape[1], -1)
    b = np.asarray(b, np.result_type(b, work)).reshape(A.shape[0], -1)
    scale = norm1(A) or 1.0
    worst = 0.0
    for j in range(x.shape[1]):
        residual = np.abs(b[:, j] / scale - (A / scale) @ x[:, j]).sum()
        size = np.abs(x[:, j]).sum()
        if size == 0:
            worst = max(worst, 0.0 if residual == 0 else np.inf)
        else:
            ratio = residual / (size * u)
            worst = ratio if not ratio <= worst else worst
    return worst


def ratio_svd(A, U, S, Vh):
    """|A - U S Vh| / (|A| max(m, n) eps) in the 1-norm."""
    A, U, Vh = (np.asarray(dense(M), np.result_type(dense(M), np.float64)) for M in (A, U, Vh))
    k = len(S)
    scale = norm1(A) or 1.0
    R = A / scale - (U[:, :k] * (np.asarray(S, np.float64) / scale)) @ Vh[:k]
    return norm1(R) / (max(*A.shape, 1) * eps(S))


def ratio_orthogonal(U, like):
    """|I - U^H U| / (m eps) for orthonormal columns."""
    U = np.asarray(dense(U))
    if not U.size:
        return 0.0
    work = U.astype(np.result_type(U, np.float64))
    return norm1(np.eye(U.shape[1]) - work.conj().T @ work) / (U.shape[0] * eps(like))


def ratio_eigh(A, w, V):
    """|A V - V w| / (|A| n eps)."""
    A, V = np.asarray(dense(A)), np.asarray(dense(V))
    if not A.size:
        return 0.0
    scale = norm1(A) or 1.0
    work = np.result_type(A, np.float64)
    R = (A.astype(work) / scale) @ V - V * (np.asarray(w, np.float64) / scale)
    return norm1(R) / (A.shape[0] * eps(V))


def ratio_inverse(A, X):
    """|I - X A| / (n |A| |X| eps)  (xGET03)."""
    A, X = np.asarray(dense(A)), np.asarray(dense(X))
    if not A.size:
        return 0.0
    work = np.result_type(A, np.float64)
    R = np.eye(len(A)) - X.astype(work) @ A.astype(work)
    return norm1(R) / (len(A) * norm1(A) * norm1(X) * eps(X))


def ratio_factors(A, B):
    """|A - B| / (n |A| eps) for a matrix rebuilt from its factors."""
    A, B = np.asarray(dense(A)), np.asarray(dense(B))
    if not A.size:
        return 0.0
    work = np.result_type(A, np.float64)
    return norm1(A.astype(work) - B) / (max(A.shape) * (norm1(A) or 1.0) * eps(A))


def randsvd(n, kind="even", cond=1e6, seed=0, dtype=np.float64, m=None):
    """A random m x n matrix with a known spectrum of one of LAPACK's kinds.

    even, graded (geometric), clustered (all 1 but the last), random (logs uniform).
    """
    rng = np.random.default_rng(seed)
    m = n if m is None else m
    k = min(m, n)
    t = np.linspace(0, 1, k) if k > 1 else np.zeros(k)
    S = {
        "even": 1 - t * (1 - 1 / cond),
        "graded": cond**-t,
        "clustered": np.where(t < 1, 1.0, 1 / cond),
        "random": cond ** -rng.uniform(size=k),
    }[kind]
    U, V = (orthogonal(size, rng, dtype) for size in (m, n))
    return ((U[:, :k] * S) @ V[:, :k].conj().T).astype(dtype)


def orthogonal(n, rng, dtype=np.float64):
    X = rng.standard_normal((n, n))
    if np.dtype(dtype).kind == "c":
        X = X + 1j * rng.standard_normal((n, n))
    Q, R = np.linalg.qr(X)
    d = np.diagonal(R)
    return Q * (d / np.abs(d)) if n else Q


def randn(shape, rng, dtype=np.float64):
    X = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        X = X + 1j * rng.standard_normal(shape)
    return X.astype(dtype)


def layouts(X):
    """The same values in every memory layout that NumPy knows, read-only included."""
    yield "C", np.ascontiguousarray(X)
    yield "F", np.asfortranarray(X)
    padded = np.zeros(tuple(2 * s for s in X.shape), X.dtype)
    view = padded[tuple(slice(None, None, 2) for _ in X.shape)]
    view[...] = X
    yield "strided", view
    yield "negative", np.ascontiguousarray(X[::-1])[::-1]
    frozen = X.copy()
    frozen.flags.writeable = False
    yield "read-only", frozen
    raw = np.zeros(X.nbytes + 1, np.uint8)[1:]
    unaligned = raw.view(X.dtype).reshape(X.shape) if X.size else X
    unaligned[...] = X
    yield "unaligned", unaligned
    yield "big-endian", X.astype(X.dtype.newbyteorder(">"))
