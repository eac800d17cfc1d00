"""Matrices on the device against the same matrices on the host; cupyx and PyTorch at the doors."""

from dataclasses import dataclass

import numpy as np

import structmat as sm
from structmat.matrices.chain import patterns

from . import verdicts

EPS = {"float32": 2.0**-23, "float64": 2.0**-52, "complex64": 2.0**-23, "complex128": 2.0**-52}
COLUMNS = 5


@dataclass(frozen=True)
class Case:
    """A verb of a member of a family."""

    name: str
    verb: str
    dtype: str
    seed: int

    def __str__(self):
        return f"{self.name}.{self.verb} {self.dtype} seed {self.seed}"

    def header(self):
        op = f"{self.name}.{self.verb}"
        return {"op": op, "dtype": self.dtype, "shape": [], "seed": self.seed}

    def judged(self, xp):
        if self.name not in MEMBERS:
            return VERBS[self.verb](xp, self.seed)
        rng = np.random.default_rng(self.seed)
        A = MEMBERS[self.name](rng, self.dtype)
        X = _randn(rng, (A.shape[0 if self.verb == "adjoint" else 1], COLUMNS), self.dtype)
        return {"shape": list(A.shape)} | VERBS[self.verb](xp, A, A.to_device("cuda"), X)


def _randn(rng, shape, dtype):
    x = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


def _square(rng, n, dtype):
    """Well conditioned."""
    return (_randn(rng, (n, n), dtype) + 2 * n * np.eye(n)).astype(dtype)


def _definite(rng, n, dtype="float64"):
    G = _randn(rng, (n, n), dtype)
    return (G @ G.conj().T / n + np.eye(n)).astype(dtype)


def _blocks(rng, a, d, order, dtype):
    """Values of a factor of a*d well conditioned blocks."""
    blocks = _randn(rng, (a, d, order, order), dtype) / (4 * order**0.5)
    return (blocks + np.eye(order)).astype(dtype)


def _falling(rng, n, dtype):
    """A first column that makes its Toeplitz and circulant matrices diagonally dominant."""
    c = _randn(rng, n, dtype) / n
    c[0] += 4
    return c


def _toeplitz(rng, dtype):
    c = _falling(rng, 48, dtype)
    r = _falling(rng, 48, dtype)
    r[0] = c[0]
    return sm.Toeplitz(c, r)


MEMBERS = {
    "Kronecker": lambda rng, dt: sm.Kronecker(*(_square(rng, n, dt) for n in (6, 5, 4))),
    "KroneckerSum": lambda rng, dt: sm.KroneckerSum(*(_definite(rng, n, dt) for n in (6, 7))),
    "KhatriRao": lambda rng, dt: sm.KhatriRao(*(_randn(rng, (n, 5), dt) for n in (4, 6))),
    "Diagonal": lambda rng, dt: sm.Diagonal(_falling(rng, 40, dt) + 1),
    "Permutation": lambda rng, dt: sm.Permutation(rng.permutation(40)),
    "BlockDiagonal": lambda rng, dt: sm.BlockDiagonal(
        np.stack([_square(rng, 6, dt) for _ in range(5)])
    ),
    "LowRank": lambda rng, dt: sm.LowRank(*(_randn(rng, (n, 3), dt) for n in (30, 20))),
    "DiagonalPlusLowRank": lambda rng, dt: sm.DiagonalPlusLowRank(
        _falling(rng, 30, dt) + 2, *(_randn(rng, (30, 2), dt) for _ in range(2))
    ),
    "Triangular": lambda rng, dt: sm.Triangular(np.tril(_square(rng, 30, dt))),
    "Dense": lambda rng, dt: sm.Dense(_square(rng, 30, dt)),
    "Hadamard": lambda rng, dt: sm.Hadamard(64),
    "DFT": lambda rng, dt: sm.DFT(48),
    "DCT": lambda rng, dt: sm.DCT(48),
    "DST": lambda rng, dt: sm.DST(48),
    "Haar": lambda rng, dt: sm.Haar(64),
    "KroneckerSparse": lambda rng, dt: sm.KroneckerSparse(_blocks(rng, 3, 4, 20, dt)),
    "Chain": lambda rng, dt: sm.Chain(
        [_blocks(rng, 1, 8, 6, dt), sm.Permutation(rng.permutation(48)), _blocks(rng, 8, 3, 2, dt)]
    ),
    "Butterfly": lambda rng, dt: sm.Butterfly(
        [_blocks(rng, p.a, p.d, p.b, dt) for p in patterns.dyadic(64)]
    ),
    "Monarch": lambda rng, dt: sm.Monarch(
        _blocks(rng, 1, 6, 8, dt)[0].reshape(6, 8, 8, 1),
        _blocks(rng, 8, 1, 6, dt).reshape(8, 6, 1, 6),
    ),
    "Circulant": lambda rng, dt: sm.Circulant(_falling(rng, 48, dt)),
    "Toeplitz": _toeplitz,
}
TALL = ("KhatriRao", "LowRank")  # no solve, no determinant
CHAINS = ("KroneckerSparse", "Chain", "Butterfly", "Monarch")
COMPLEX = ("Kronecker", "Diagonal", "Circulant", "Toeplitz", "DFT", "Dense", *CHAINS)


def cases(seed):
    """Products, adjoint products, solutions and determinants; then cupyx and PyTorch."""
    found = []
    for name in MEMBERS:
        dtypes = ["float32", "float64"] + ["complex128"] * (name in COMPLEX)
        verbs = ["matmul", "adjoint"] + ["solve", "slogdet"] * (name not in TALL)
        found += [(name, verb, dtype) for verb in verbs for dtype in dtypes]
    found += [("cupyx", verb, "float64") for verb in ("cg", "eigsh")]
    found += [("torch", verb, "float64") for verb in ("fwht", "product")]
    return [Case(*case, seed + i) for i, case in enumerate(found)]


def plan():
    for case in cases(0):
        yield str(case)


# ------------------------------------------------------------- the verbs


def _same(xp, first, second, expected, tol):
    for y in (first, second):
        if type(y).__module__.partition(".")[0] != "cupy":
            raise TypeError(f"the result is a {type(y).__name__}, not an array of CuPy's")
    if first.dtype != expected.dtype:
        raise TypeError(f"the result is {first.dtype}; on the host it is {expected.dtype}")
    return verdicts.judge(xp, first, second, xp.asarray(expected), tol)


def _tolerance(expected, factor=100):
    return factor * EPS[np.dtype(expected.dtype).name]


def matmul(xp, A, B, X):
    expected, Y = A @ X, xp.asarray(X)
    return _same(xp, B @ Y, B @ Y, expected, _tolerance(expected))


def adjoint(xp, A, B, X):
    expected, Y = A.H @ X, xp.asarray(X)
    return _same(xp, B.H @ Y, B.H @ Y, expected, _tolerance(expected))


def solve(xp, A, B, X):
    """By the backward error |b - A x| / (|A| |x|), in the precision of the host."""
    b = xp.asarray(X)
    x, again = B.solve(b), B.solve(b)
    full, host = A.toarray(), x.get()
    residual = np.linalg.norm(X - full @ host.astype(np.result_type(host, np.float64)))
    error = residual / (np.linalg.norm(full, 2) * np.linalg.norm(host))
    found = _same(xp, x, again, host, _tolerance(host))
    tol = _tolerance(host)
    return {**found, "err": float(error), "tol": tol, "ok": bool(found["ok"] and error <= tol)}


def slogdet(xp, A, B, X):
    """The logarithm relative to |log det| + n."""
    sign, logdet = np.linalg.slogdet(A.toarray().astype(np.result_type(A.dtype, np.float64)))
    results = [tuple(complex(v) for v in B.slogdet()) for _ in range(2)]
    (s, l), again = results
    err = max(abs(s - sign), abs(l - logdet) / (abs(logdet) + len(X)))
    tol = 100 * EPS[np.dtype(A.dtype).name]
    same = results[0] == again
    return {"err": float(err), "tol": tol, "ok": bool(err <= tol and same), "deterministic": same}


# ------------------------------------------------------------- the doors of others


def cg(xp, seed):
    """CuPy's conjugate gradients with a structured matrix as its operator."""
    import cupyx.scipy.sparse.linalg as cupyx_linalg

    rng = np.random.default_rng(seed)
    A = sm.Kronecker(*(_definite(rng, n) for n in (12, 10)))
    b = rng.standard_normal(120)
    operator = A.to_device("cuda").to_cupyx()
    results = [cupyx_linalg.cg(operator, xp.asarray(b), rtol=1e-12) for _ in range(2)]
    (x, info), (again, _) = results
    full, host = A.toarray(), x.get()
    err = np.linalg.norm(b - full @ host) / np.linalg.norm(b)
    same = bool((x == again).all())
    ok = info == 0 and err <= 1e-11
    return {"err": float(err), "tol": 1e-11, "ok": bool(ok), "deterministic": same}


def eigsh(xp, seed):
    """CuPy's Lanczos with a structured matrix as its operator."""
    import cupyx.scipy.sparse.linalg as cupyx_linalg

    rng = np.random.default_rng(seed)
    A = sm.Kronecker(*(_definite(rng, n) for n in (12, 10)))
    operator = A.to_device("cuda").to_cupyx()
    w = np.sort(cupyx_linalg.eigsh(operator, k=3, return_eigenvectors=False).get())
    expected = np.linalg.eigvalsh(A.toarray())[-3:]
    err = np.abs(w - expected).max() / expected[-1]
    return {"err": float(err), "tol": 1e-8, "ok": bool(err <= 1e-8), "deterministic": None}


def torch_fwht(xp, seed):
    """A CUDA tensor in, a result that PyTorch takes, without a copy through the host."""
    from structmat import transforms

    return _through_torch(seed, transforms.fwht, lambda X: sm.Hadamard(X.shape[-1]) @ X.T, True)


def torch_product(xp, seed):
    rng = np.random.default_rng(seed)
    A = sm.Kronecker(*(_square(rng, n, "float64") for n in (8, 8)))
    B = A.to_device("cuda")
    return _through_torch(seed, lambda t: B @ t.T, lambda X: A @ X.T, False)


def _through_torch(seed, on_device, on_host, transposed):
    try:
        import torch
    except ImportError:
        return {"ok": None, "error": "skipped: no PyTorch"}
    X = np.random.default_rng(seed).standard_normal((COLUMNS, 64))
    t = torch.from_numpy(X).cuda()
    first, second = (torch.from_dlpack(on_device(t)) for _ in range(2))
    if not first.is_cuda:
        raise TypeError("the result left the device")
    expected = on_host(X)
    host = first.cpu().numpy()
    host = host.T if transposed else host
    err = np.linalg.norm(host - expected) / np.linalg.norm(expected)
    same = bool(torch.equal(first, second))
    ok = bool(err <= 1e-13 and same)
    return {"err": float(err), "tol": 1e-13, "ok": ok, "deterministic": same}


VERBS = {
    "matmul": matmul,
    "adjoint": adjoint,
    "solve": solve,
    "slogdet": slogdet,
    "cg": cg,
    "eigsh": eigsh,
    "fwht": torch_fwht,
    "product": torch_product,
}
