"""Monarch and Butterfly against every other way to do it, on one thread; ours on two workers.

``python benchmarks/bench_chain.py --out FOLDER`` prints the tables and writes each as
``FOLDER/chain-TABLE.json``; ``--only TABLE ...`` makes some of them, ``--hazy FILE`` names the
compiled operators of HazyResearch's torch_butterfly. Every table is measured in a process of its
own with every BLAS and OpenMP on one thread, since pools of two libraries spin against each other.

A ratio is time(other) / time(structmat), the median over interleaved pairs in that process: above 1
means that structmat is faster. All answers are compared before anything is timed. A peer that is
not installed leaves its column out, and a note names it.

asv runs the classes: ``asv run --bench Chains``.
"""

import argparse
import importlib.metadata
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
from benchmarks.bench_transforms import where
from benchmarks.chain_cases import BARS, DTYPES, butterfly, monarch, projection, system, tables
from benchmarks.pairs import paired, ratio

TOLERANCE = {"float64": 1e-10, "float32": 1e-4}  # of a result, relative and in the 2-norm
PACKAGES = ("lazylinop", "pyfaust", "torch")
RATIO = (
    "time(other) / time(structmat), medians of pairs in one process; above 1 structmat is faster"
)
BARS_NOTE = (
    '"bars": what the table has to reach; "extreme": what is thought possible. lazylinop is '
    "judged by the fastest of its columns"
)
NOT_HERE = ("us", "GFLOP/s", "GB/s", "of GEMM", "of reading")  # columns that are no ratio


# ------------------------------------------------------------- the loop


def measure(table, case, missing):
    """One row: every way checked against ours, then all timed in turn."""
    problem = case.make()
    expected = problem.as_array(problem.ours())
    ways = {"structmat": problem.ours}
    for name, make in problem.others.items():
        try:
            call, as_array = make()
        except ImportError as error:
            missing[name] = str(error)
            continue
        check(name, as_array(call()), expected, case.labels)
        ways[name] = call
    ways |= problem.beside
    others = [name for name in ways if name != "structmat"]
    limits = {}
    if problem.flops:
        limits["of GEMM"], gemm_flops = gemm(case.labels["dtype"])
        if table == "vector":
            limits = {"of reading": reading()} if case.labels["n"] >= 2**20 else {}
    times = paired(ways | limits, cap_s=case.seconds)
    seconds = statistics.median(times["structmat"])
    row = case.labels | {"us": round(seconds * 1e6, 2)}
    if table in ("columns", "monarch"):
        share = ratio(times, "of GEMM") * problem.flops / gemm_flops
        row |= {"GFLOP/s": round(problem.flops / seconds / 1e9, 1), "of GEMM": round(share, 2)}
    if table == "vector":
        row["GB/s"] = round(problem.read / seconds / 1e9, 1)
        if limits:
            share = ratio(times, "of reading") * problem.read / READ_BYTES
            row["of reading"] = round(share, 2)
    row |= {name: round(ratio(times, name), 2) for name in others}
    if table == "projection":
        row["error"] = float(f"{expected:.3g}")
    return row | verdicts(table, row)


def check(name, found, expected, labels):
    difference = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    if not difference < TOLERANCE[labels["dtype"]]:
        raise RuntimeError(f"{name} {labels}: the answers differ by {difference}")


def verdicts(table, row):
    """{"bars": ..., "extreme": ...}: met, or the columns that fall short and by what."""
    found = {}
    for kind in ("bars", "extreme"):
        bars = [b for b in BARS if b.table == table and b.extreme == (kind == "extreme")]
        judged = [(b, least) for b in bars if (least := _least(b, row)) is not None]
        missed = [
            f"{b.column or 'best'} {x:g} < {b.least:g}" for b, x in judged if not x >= b.least
        ]
        found[kind] = "; ".join(missed) if missed else "met" if judged else None
    return found


def _least(bar, row):
    if any(row[label] not in allowed for label, allowed in bar.where.items()):
        return None
    if bar.column:
        found = [x for name, x in row.items() if name.startswith(bar.column)]
    else:  # every peer
        labels = (*NOT_HERE, "n", "columns", "blocks", "error")
        found = [x for name, x in row.items() if name not in labels and isinstance(x, float)]
    return min((x for x in found if isinstance(x, float)), default=None)


# ------------------------------------------------------------- the limits of the machine

READ_BYTES = 2**28


def gemm(dtype, n=1024):
    """A large product and its operations."""
    A = np.random.default_rng(0).standard_normal((n, n)).astype(dtype)
    try:
        import torch
    except ImportError:
        return partial(np.matmul, A, A), 2 * n**3
    A = torch.from_numpy(A)
    return partial(torch.mm, A, A), 2 * n**3


def reading():
    """A dot product of 256 MiB with itself: reads them once."""
    x = np.ones(READ_BYTES // 8)
    return partial(np.dot, x, x)


# ------------------------------------------------------------- processes and tables


def in_own_process(table, hazy):
    names = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
    environment = os.environ | dict.fromkeys(names, "1")
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--part", table, "--out", folder]
        command += ["--hazy", hazy] if hazy else []
        subprocess.run(command, env=environment, check=True)
        return json.loads((Path(folder) / f"chain-{table}.json").read_text())


def make(table, library):
    title, notes, cases = tables(library)[table]
    rows, missing = [], {}
    with sm.set_workers(1):
        for case in cases:
            rows.append(measure(table, case, missing))
            print("  ".join(f"{k}={v}" for k, v in rows[-1].items() if v is not None), flush=True)
    for name, why in missing.items():
        notes = [*notes, f"not measured: {name} ({why})"]
        print(notes[-1])
    columns = list(dict.fromkeys(name for row in rows for name in row))
    columns = [c for c in columns if c not in ("bars", "extreme")] + ["bars", "extreme"]
    rows = [{name: row.get(name) for name in columns} for row in rows]
    columns = [c for c in columns if any(row[c] is not None for row in rows)]
    found = where()
    found["versions"] += "".join(f", {name} {v}" for name in PACKAGES if (v := version(name)))
    return {
        "title": title,
        **found,
        "notes": [RATIO, *notes, BARS_NOTE],
        "rows": [{name: row[name] for name in columns} for row in rows],
    }


def version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = list(tables(None))
    parser.add_argument("--out", metavar="FOLDER", help="also write the tables into this folder")
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="default: all")
    parser.add_argument("--hazy", metavar="FILE", help="compiled operators of torch_butterfly")
    parser.add_argument("--part", choices=names, help=argparse.SUPPRESS)  # in a child process
    options = parser.parse_args()
    for table in [options.part] if options.part else options.only:
        if options.part:
            found = make(table, options.hazy)
        else:
            print(f"\n{table}", flush=True)
            found = in_own_process(table, options.hazy)
        if options.out:
            folder = Path(options.out)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"chain-{table}.json").write_text(json.dumps(found, indent=1) + "\n")


# ------------------------------------------------------------- asv


class Chains:
    """Products with a Butterfly of 2 x 2 blocks and with a Monarch matrix of square blocks."""

    params = ((1024, 4096, 2**14), (1, 64), DTYPES)
    param_names = ("n", "columns", "dtype")

    def setup(self, n, columns, dtype):
        self.butterfly = butterfly(n, dtype, columns).ours
        self.monarch = monarch(n, 2 ** (n.bit_length() // 2), columns, dtype).ours
        self.butterfly()
        self.monarch()

    def time_butterfly(self, n, columns, dtype):
        self.butterfly()

    def time_monarch(self, n, columns, dtype):
        self.monarch()


class ChainVerbs:
    """The inverse, a system of 64 columns and the projection."""

    def setup(self):
        self.inverse = system("inv", 1, 2304, 48, "float64").ours
        self.solve = system("solve", 64, 2304, 48, "float64").ours
        self.project = projection(1024, 32, "float64").ours

    def time_inv(self):
        self.inverse()

    def time_solve(self):
        self.solve()

    def time_project(self):
        self.project()


if __name__ == "__main__":
    main()
