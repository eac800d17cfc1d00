"""Kronecker products: against np.matmul on reshaped arrays, the large-GEMM rate, and the peers.

``python benchmarks/bench_kronecker.py`` prints the tables twice, with BLAS on one thread and with
its default; ``--blas-threads 1`` or ``unset`` prints one, ``--json OUT`` also writes the numbers.
Every library runs in its own process, because thread pools of two libraries spin against each
other. A ratio is time(other) / time(structmat), the median over interleaved pairs: above 1 means
that structmat is faster. A peer that is not installed leaves a row that says so.

asv runs the classes: ``asv run --bench Kronecker``.
"""

import argparse
import importlib.util
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import structmat as sm
from benchmarks.pairs import paired, quiet, ratio
from structmat.matrices.kronecker import cpu

CELLS = {"64^2": (64, 2), "256^2": (256, 2), "32^3": (32, 3), "16^4": (16, 4), "8^6": (8, 6)}
COLUMNS = (1, 64)
DTYPES = ("float64", "float32")
# Bars: at least this ratio; a cell named here overrides the first number.
BARS = {
    "np.matmul": (0.95, {"16^4": 1.3, "8^6": 1.3}),
    "PyLops": (4.0, {}),
    "linear_operator": (1.4, {}),
    "PyKronecker": (1.3, {}),
    "FastKron": (1.0, {}),
}


def problem(cell, k, dtype, seed=0):
    n, d = CELLS[cell]
    rng = np.random.default_rng(seed)
    factors = [(rng.standard_normal((n, n)) / np.sqrt(n)).astype(dtype) for _ in range(d)]
    X = rng.standard_normal((n**d, k)).astype(dtype)
    return factors, X


def flops(cell, k):
    n, d = CELLS[cell]
    return 2 * d * n ** (d + 1) * k


# ------------------------------------------------------------- the reference and the peers


def reference(factors, X):
    """Mode products as a careful NumPy user writes them: no transposition, no copy."""
    k = X.shape[1]
    left, right = 1, X.size
    for A in factors:
        m, n = A.shape
        right //= n
        if right == 1:
            X = X.reshape(left, n) @ A.T
        else:
            X = np.matmul(A, X.reshape(left, n, right))
        left *= m
    return X.reshape(left, k)


def with_pylops(factors, X):
    import pylops

    K = pylops.MatrixMult(factors[-1], dtype=X.dtype)
    for A in factors[-2::-1]:
        K = pylops.Kronecker(pylops.MatrixMult(A, dtype=X.dtype), K, dtype=X.dtype)
    if X.shape[1] == 1:
        x = X[:, 0].copy()
        return lambda: K.matvec(x)[:, None]
    return lambda: K.matmat(X)


def with_linear_operator(factors, X):
    import torch
    from linear_operator.operators import DenseLinearOperator, KroneckerProductLinearOperator

    K = KroneckerProductLinearOperator(*[DenseLinearOperator(torch.from_numpy(A)) for A in factors])
    x = torch.from_numpy(X)
    return lambda: K @ x


def with_pykronecker(factors, X):
    import jax

    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp
    from pykronecker import KroneckerProduct

    K = KroneckerProduct([jnp.asarray(A) for A in factors])
    # A single column goes in as a vector: it returns a wrong shape for (n, 1).
    x = jnp.asarray(X[:, 0] if X.shape[1] == 1 else X)
    return lambda: (K @ x).block_until_ready().reshape(X.shape)  # dispatch is asynchronous


def with_fastkron(factors, X):
    from pyfastkron import fastkronnumpy

    return lambda: fastkronnumpy.gekmm(factors, X)


PEERS = {
    "PyLops": (("pylops",), with_pylops),
    "linear_operator": (("linear_operator", "torch"), with_linear_operator),
    "PyKronecker": (("pykronecker", "jax"), with_pykronecker),
    "FastKron": (("pyfastkron",), with_fastkron),
}


# ------------------------------------------------------------- what one process measures


def gemm_rate(dtype, n=1024):
    """GFLOP/s of a large product: what the arithmetic of this machine allows BLAS."""
    A = np.random.default_rng(0).standard_normal((n, n)).astype(dtype)
    return 2 * n**3 / quiet(paired({"gemm": lambda: A @ A}, rounds=9)["gemm"]) / 1e9


def against_numpy():
    rows = []
    for dtype in DTYPES:
        floor = gemm_rate(dtype)
        for cell, k in itertools.product(CELLS, COLUMNS):
            factors, X = problem(cell, k, dtype)
            A = sm.Kronecker(*factors)
            ours, theirs = partial(A.__matmul__, X), partial(reference, factors, X)
            times = paired({"structmat": ours, "np.matmul": theirs})
            rate = flops(cell, k) / quiet(times["structmat"]) / 1e9
            rows.append(
                row("np.matmul", cell, k, dtype, times)
                | {"gflops": rate, "gemm_gflops": floor, "fraction": rate / floor}
            )
    return rows


def row(other, cell, k, dtype, times):
    bar, exceptions = BARS[other]
    return {
        "other": other,
        "cell": cell,
        "columns": k,
        "dtype": dtype,
        "structmat_s": quiet(times["structmat"]),
        "other_s": quiet(times[other]),
        "ratio": ratio(times, other),
        "bar": exceptions.get(cell, bar),
    }


def against_peer(peer):
    modules, make = PEERS[peer]
    if any(importlib.util.find_spec(module) is None for module in modules):
        return [{"other": peer, "missing": True}]
    rows = []
    for dtype, cell, k in itertools.product(DTYPES, CELLS, COLUMNS):
        factors, X = problem(cell, k, dtype)
        if peer == "PyLops" and X.size > 2**22:
            continue  # column by column in Python: minutes
        other = make(factors, X)
        A = sm.Kronecker(*factors)
        error = np.abs(np.asarray(other()) - A @ X).max()
        if not error < (1e-3 if dtype == "float32" else 1e-10):
            raise RuntimeError(f"{peer} {cell}: results differ by {error}")
        times = paired({"structmat": partial(A.__matmul__, X), peer: other})
        rows.append(row(peer, cell, k, dtype, times))
    return rows


def verbs():
    """Solve and slogdet of 64 (x) 64 (x) 64, and what the class adds to its kernel."""
    import scipy.linalg

    rng = np.random.default_rng(0)
    factors = [rng.standard_normal((64, 64)) + 8 * np.eye(64) for _ in range(3)]
    A = sm.Kronecker(*factors)
    b = rng.standard_normal(64**3)
    times = paired(
        {
            "solve": lambda: A.solve(b),
            "product": lambda: A @ b,
            "factors": lambda: [scipy.linalg.lu_factor(F) for F in factors],
        }
    )
    solve = statistics.median(
        s / (2 * p + f) for s, p, f in zip(times["solve"], times["product"], times["factors"])
    )
    times = paired(
        {
            "slogdet": lambda: A.slogdet(),
            "np.linalg.slogdet": lambda: [np.linalg.slogdet(F) for F in factors],
        }
    )
    slogdet = statistics.median(a / b for a, b in zip(*times.values()))
    small = sm.Kronecker(rng.standard_normal((8, 8)), rng.standard_normal((8, 8)))
    x = rng.standard_normal(64)
    X = x.reshape(64, 1)
    times = paired({"A @ x": lambda: small @ x, "kernel": lambda: cpu.apply(small.factors, X)})
    dispatch = statistics.median(a - b for a, b in zip(*times.values()))
    return [
        {"what": "solve 64x64x64 / (2 products + 3 lu)", "value": solve, "goal": 1.0},
        {"what": "slogdet 64x64x64 / 3 np.linalg.slogdet", "value": slogdet, "goal": 1.5},
        {"what": "A @ x over its kernel, us", "value": dispatch * 1e6, "goal": 1.5},
    ]


# ------------------------------------------------------------- processes and tables


def environment(threads):
    """Variables of a process with BLAS on `threads` ("1") or on its default ("unset")."""
    env = dict(os.environ)
    names = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
    for name in names:
        env.pop(name, None)
    if threads != "unset":
        env.update(dict.fromkeys(names, threads))
        env["XLA_FLAGS"] = (
            "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=" + threads
        )
    return env


def in_own_process(part, threads):
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "rows.json"
        command = [sys.executable, __file__, "--part", part, "--json", str(out)]
        done = subprocess.run(command, env=environment(threads), check=False)
        if done.returncode:
            return [{"other": part, "failed": True}]
        return json.loads(out.read_text())


def measure(part):
    threads = os.environ.get("OPENBLAS_NUM_THREADS")
    if threads is not None:
        sm.set_workers(int(threads))
    if part == "np.matmul":
        return against_numpy()
    return verbs() if part == "verbs" else against_peer(part)


def show(rows):
    for r in rows:
        if "what" in r:
            verdict = "reached" if r["value"] <= r["goal"] else "MISSED"
            print(f"{r['what']:42s} {r['value']:8.2f}   goal <= {r['goal']:.1f}  {verdict}")
        elif r.get("missing") or r.get("failed"):
            print(f"{r['other']:16s} {'not installed' if r.get('missing') else 'FAILED'}")
        else:
            verdict = "reached" if r["ratio"] >= r["bar"] else "MISSED"
            rate = (
                f"{r['gflops']:7.1f} GFLOP/s = {r['fraction']:4.0%} of GEMM"
                if "gflops" in r
                else ""
            )
            print(
                f"{r['other']:16s} {r['dtype']:8s} {r['cell']:6s} k={r['columns']:<3d}"
                f" {r['structmat_s'] * 1e6:10.1f} us  ratio {r['ratio']:7.2f}"
                f"  bar {r['bar']:.2f}  {verdict}  {rate}"
            )


def report(threads, peers):
    print(
        f"\nOPENBLAS_NUM_THREADS={threads}; structmat workers: "
        f"{threads if threads != 'unset' else 'default'}; numpy {np.__version__}"
    )
    rows = []
    for part in ("np.matmul", "verbs", *(PEERS if peers else ())):
        rows += (found := in_own_process(part, threads))
        show(found)
    return rows


def tabulated(result):
    """The ratios as a table of the docs: a row a case, a column a library."""
    rows = {}
    notes = ["time(other) / time(structmat); above 1 structmat is faster"]
    for threads, measured in result.items():
        for r in measured:
            if "ratio" in r:
                key = (threads, r["cell"], r["columns"], r["dtype"])
                row = dict(zip(("BLAS threads", "factors", "columns", "dtype"), key))
                rows.setdefault(key, row)[r["other"]] = round(r["ratio"], 2)
                if "fraction" in r:
                    rows[key]["of large GEMM"] = f"{100 * r['fraction']:.0f}%"
            elif "what" in r:
                notes.append(
                    f"BLAS threads {threads}: {r['what']}: {r['value']:.3g} (goal {r['goal']})"
                )
    names = [name for row in rows.values() for name in row]
    columns = list(dict.fromkeys(names))
    table = [{name: row.get(name) for name in columns} for row in rows.values()]
    return {"title": "Kronecker products", "notes": notes, "rows": table}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blas-threads", choices=["1", "unset"], help="default: both, in turn")
    parser.add_argument("--json", metavar="OUT", help="also write the numbers to this file")
    parser.add_argument("--no-peers", action="store_true", help="np.matmul and the verbs only")
    parser.add_argument("--part", help=argparse.SUPPRESS)  # what a child process measures
    options = parser.parse_args()
    if options.part:
        result = measure(options.part)
    else:
        both = [options.blas_threads] if options.blas_threads else ["1", "unset"]
        result = {threads: report(threads, not options.no_peers) for threads in both}
    if options.json:
        written = result if options.part else {**tabulated(result), "measured": result}
        Path(options.json).write_text(json.dumps(written, indent=1) + "\n")


# ------------------------------------------------------------- asv


class Kronecker:
    """Products of every shape, and of the same shapes by np.matmul."""

    params = (list(CELLS), list(COLUMNS), list(DTYPES))
    param_names = ("shape", "columns", "dtype")

    def setup(self, cell, k, dtype):
        self.factors, self.X = problem(cell, k, dtype)
        self.A = sm.Kronecker(*self.factors)
        self.A @ self.X  # kernels are compiled or loaded here

    def time_structmat(self, cell, k, dtype):
        self.A @ self.X

    def time_numpy(self, cell, k, dtype):
        reference(self.factors, self.X)


class KroneckerVerbs:
    def setup(self):
        rng = np.random.default_rng(0)
        self.factors = [rng.standard_normal((64, 64)) + 8 * np.eye(64) for _ in range(3)]
        self.A = sm.Kronecker(*self.factors)
        self.b = rng.standard_normal(64**3)
        self.A @ self.b

    def time_solve(self):
        self.A.solve(self.b)

    def time_slogdet(self):
        self.A.slogdet()


if __name__ == "__main__":
    main()
