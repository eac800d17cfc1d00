"""The Walsh-Hadamard transform against its peers; transforms and Toeplitz matrices against dense.

``python benchmarks/bench_transforms.py`` prints the tables on one thread (and ours on two);
``--json OUT`` also writes the numbers. Run it with ``OPENBLAS_NUM_THREADS=1``, which it insists on.
A ratio is time(other) / time(structmat), the median over interleaved pairs in one process: above 1
means that structmat is faster. Peers that are not there leave their rows out:

- FFHT (Andoni, Indyk, Laarhoven, Razenshteyn, Schmidt): ``--ffht FILE``, its shared library
- a plain C transform of the same depth-first order, recursive, radix 4, ``gcc -O3 -march=native``
- qmctoolscl (its C back end) and QMCPy, float64 only

asv runs the classes: ``asv run --bench Transforms``.
"""

import argparse
import ctypes
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import structmat as sm
from benchmarks.pairs import paired, quiet, ratio
from structmat.transforms import cpu, fwht

LENGTHS = (10, 12, 14, 16, 18, 20, 22, 24)
DTYPES = ("float64", "float32")
# Bars as (from log2 n, at least this ratio); the last that applies counts.
BARS = {
    "FFHT": ((12, 1.2), (19, 1.0)),
    "FFHT, kernels": ((12, 1.2), (19, 1.0)),
    "C radix 4": ((12, 2.5),),
    "qmctoolscl": ((12, 25.0), (17, 13.0)),
    "QMCPy": ((12, 50.0),),
}
NOTES = [
    "FFHT is called through ctypes with prepared arguments, structmat by its public function, of "
    'which Python takes about a microsecond, and in "kernels" by its compiled entry',
    '"2 sweeps / ours": twice the time of np.multiply(x, 1, out=x), the least that a transform '
    "beyond the caches takes",
]
C_SOURCE = """
#include <stddef.h>
/* Four quarters, then one pass that joins them; below 4096 entries pass by pass. */
#define FWHT(name, T)                                                                        \\
  static void name##_small(T* x, size_t n) {                                                 \\
    for (size_t h = 1; h < n; h *= 2)                                                        \\
      for (size_t i = 0; i < n; i += 2 * h)                                                  \\
        for (size_t j = i; j < i + h; ++j) {                                                 \\
          T a = x[j], b = x[j + h];                                                          \\
          x[j] = a + b;                                                                      \\
          x[j + h] = a - b;                                                                  \\
        }                                                                                    \\
  }                                                                                          \\
  void name(T* x, size_t n) {                                                                \\
    if (n <= 4096) {                                                                         \\
      name##_small(x, n);                                                                    \\
      return;                                                                                \\
    }                                                                                        \\
    size_t q = n / 4;                                                                        \\
    for (int k = 0; k < 4; ++k) name(x + k * q, q);                                          \\
    T *p0 = x, *p1 = x + q, *p2 = x + 2 * q, *p3 = x + 3 * q;                                \\
    for (size_t j = 0; j < q; ++j) {                                                         \\
      T s = p0[j] + p1[j], t = p0[j] - p1[j], u = p2[j] + p3[j], v = p2[j] - p3[j];          \\
      p0[j] = s + u;                                                                         \\
      p1[j] = t + v;                                                                         \\
      p2[j] = s - u;                                                                         \\
      p3[j] = t - v;                                                                         \\
    }                                                                                        \\
  }
FWHT(fwht_float32, float)
FWHT(fwht_float64, double)
"""


# ------------------------------------------------------------- peers: name -> call of an array


def c_transform(folder):
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        return None
    source, library = Path(folder) / "fwht.c", Path(folder) / "fwht.so"
    source.write_text(C_SOURCE)
    command = [compiler, "-O3", "-march=native", "-shared", "-fPIC", source, "-o", library]
    subprocess.run(command, check=True)
    loaded = ctypes.CDLL(str(library))

    def make(x):
        function = getattr(loaded, f"fwht_{x.dtype}")
        return partial(function, ctypes.c_void_p(x.ctypes.data), ctypes.c_size_t(x.size))

    return make


def ffht(library):
    if library is None:
        return None
    loaded = ctypes.CDLL(library)

    def make(x):
        function = loaded.fht_double if x.dtype == np.float64 else loaded.fht_float
        return partial(
            function, ctypes.c_void_p(x.ctypes.data), ctypes.c_int(x.size.bit_length() - 1)
        )

    return make


def qmctoolscl():
    if importlib.util.find_spec("qmctoolscl") is None:
        return None
    import qmctoolscl as library

    def make(x):
        if x.dtype != np.float64:
            return None
        one, half = np.uint64(1), np.uint64(x.size // 2)
        return partial(library.fwht_1d_radix2, one, one, half, x, backend="c")

    return make


def qmcpy():
    if importlib.util.find_spec("qmcpy") is None:
        return None
    from qmcpy import fwht as function

    def make(x):
        return partial(function, x) if x.dtype == np.float64 and x.size <= 2**20 else None

    return make


# ------------------------------------------------------------- tables


def bar(other, m):
    applying = [at_least for first, at_least in BARS[other] if m >= first]
    return applying[-1] if applying else None


def walsh_hadamard(library):
    """One row for each length: every peer, two threads, and the part of two in-place sweeps."""
    with tempfile.TemporaryDirectory() as folder:
        peers = {
            "FFHT": ffht(library),
            "C radix 4": c_transform(folder),
            "qmctoolscl": qmctoolscl(),
            "QMCPy": qmcpy(),
        }
        rows = []
        for dtype in DTYPES:
            for m in LENGTHS:
                rows.append(_length(dtype, m, peers))
                print("  ".join(f"{k}={v}" for k, v in rows[-1].items()), flush=True)
    return rows


def _length(dtype, m, peers):
    x = np.zeros(2**m, dtype)  # no overflow after many calls; adding zeros costs the same
    ours = partial(fwht, x, overwrite_x=True)
    # What fwht runs, called as FFHT is: by its compiled entry, without the door of the function.
    kernel = partial(cpu.fwht, x, x, 1, x.size, 1, 1) if x.nbytes >= 2**22 else None
    ours()  # turns the kernels of the file into compiled ones
    kernel = kernel or partial(cpu._line, x, x)
    row = {"log2 n": m, "dtype": dtype}
    with sm.set_workers(1):
        times = paired({"structmat": ours, "sweep": partial(np.multiply, x, 1, out=x)}, cap_s=1)
        row["us"] = round(quiet(times["structmat"]) * 1e6, 2)
        for name, make in peers.items():
            other = make(x) if make else None
            if other is None:
                continue
            pair = paired({"structmat": ours, name: other, "kernel": kernel}, rounds=31)
            row[name] = round(ratio(pair, name), 2)
            if name == "FFHT":
                row["FFHT, kernels"] = round(ratio(pair, name, "kernel"), 2)
        row["2 sweeps / ours"] = round(2 * ratio(times, "sweep"), 2)
    two = {
        "structmat": partial(_with_workers, ours, 1),
        "2 threads": partial(_with_workers, ours, 2),
    }
    row["2 threads"] = round(1 / ratio(paired(two), "2 threads"), 2)
    missed = [k for k in BARS if k in row and (b := bar(k, m)) and not row[k] >= b]
    row["bars"] = "missed: " + ", ".join(missed) if missed else "met" if m >= 12 else "none"
    return row


def _with_workers(function, workers):
    with sm.set_workers(workers):
        function()


def against_dense():
    """A @ x and A.solve(B) against NumPy on the prepared dense array, one BLAS thread."""
    rng = np.random.default_rng(0)
    rows = []
    for n in (16, 64, 128, 256, 512, 1024, 2048):
        c, r = rng.standard_normal(n), rng.standard_normal(n)
        matrices = {
            "Toeplitz": sm.Toeplitz(c, r),
            "Hankel": sm.Hankel(c, r),
            "Circulant": sm.Circulant(c),
            "Hadamard": sm.Hadamard(n),
            "DFT": sm.DFT(n),
            "DCT": sm.DCT(n),
            "Haar": sm.Haar(n),
        }
        row = {"product with one column, n": n}
        for name, A in matrices.items():
            x = rng.standard_normal(n).astype(A.dtype)
            D = A.toarray()
            times = paired(
                {"structmat": partial(A.__matmul__, x), "dense": partial(D.__matmul__, x)}
            )
            row[name] = round(ratio(times, "dense"), 2)
            if n < 64:
                more = (quiet(times["structmat"]) - quiet(times["dense"])) * 1e6
                row[name] = f"{row[name]} ({more:+.1f} us)"
        rows.append(row)
        print("  ".join(f"{k}={v}" for k, v in row.items()), flush=True)
    return rows


def toeplitz_solves():
    """Toeplitz systems against np.linalg.solve on the prepared array and SciPy's Levinson."""
    import scipy.linalg

    rng = np.random.default_rng(1)
    rows = []
    for n in (100, 300, 1000, 2000):
        c, r = rng.standard_normal((2, n))
        c[0] = r[0]
        A, D = sm.Toeplitz(c, r), scipy.linalg.toeplitz(c, r)
        for k in (1, 64):
            B = rng.standard_normal((n, k))
            ways = {
                "structmat": partial(A.solve, B),
                "dense LU": partial(np.linalg.solve, D, B),
            }
            if n * k <= 64000:
                ways["solve_toeplitz"] = partial(scipy.linalg.solve_toeplitz, (c, r), B)
            times = paired(ways, rounds=9, cap_s=4)
            X = A.solve(B)
            size = np.abs(D).sum(0).max() * np.abs(X).sum(0)
            backward = (np.abs(D @ X - B).sum(0) / size).max()
            row = {
                "Toeplitz system, n": n,
                "columns": k,
                "ms": round(quiet(times["structmat"]) * 1e3, 2),
            }
            row |= {name: round(ratio(times, name), 2) for name in ways if name != "structmat"}
            row["backward error / eps"] = round(backward / np.finfo(float).eps, 2)
            rows.append(row)
            print("  ".join(f"{k}={v}" for k, v in row.items()), flush=True)
    return rows


def where():
    """What the figures were measured on, for the tables of the docs."""
    import numba
    import scipy
    from numba.core.codegen import get_host_cpu_features

    vectors = "AVX-512" if "+avx512f" in get_host_cpu_features() else "no AVX-512"
    return {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {vectors}",
        "versions": f"numpy {np.__version__}, scipy {scipy.__version__}, numba {numba.__version__}",
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", metavar="OUT", help="also write the numbers to this file")
    parser.add_argument("--ffht", metavar="FILE", help="shared library of FFHT")
    options = parser.parse_args()
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        parser.error("run it with OPENBLAS_NUM_THREADS=1: idle BLAS threads disturb every row")
    tables = {
        "transforms-fwht": (
            "The Walsh-Hadamard transform, one thread",
            walsh_hadamard(options.ffht),
        ),
        "transforms-dense": ("Products against the dense array, one thread", against_dense()),
        "transforms-toeplitz": ("Toeplitz systems, one thread", toeplitz_solves()),
    }
    if options.json:
        note = "time(other) / time(structmat); above 1 structmat is faster"
        folder = Path(options.json)
        folder.mkdir(parents=True, exist_ok=True)
        for name, (title, rows) in tables.items():
            notes = [note] + NOTES * (name == "transforms-fwht")
            result = {"title": title, **where(), "notes": notes, "rows": rows}
            (folder / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")


# ------------------------------------------------------------- asv


class Transforms:
    """fwht of one vector and of 64 columns."""

    params = (list(LENGTHS[:6]), list(DTYPES))
    param_names = ("log2_n", "dtype")

    def setup(self, m, dtype):
        self.x = np.zeros(2**m, dtype)
        self.X = np.zeros((2 ** max(m - 6, 0), 64), dtype)
        fwht(self.x)

    def time_vector(self, m, dtype):
        fwht(self.x, overwrite_x=True)

    def time_columns(self, m, dtype):
        fwht(self.X, axis=0, overwrite_x=True)


class ToeplitzSolve:
    params = ((100, 1000),)
    param_names = ("n",)

    def setup(self, n):
        rng = np.random.default_rng(1)
        self.A = sm.Toeplitz(*rng.standard_normal((2, n)))
        self.B = rng.standard_normal((n, 64))
        self.A.solve(self.B)

    def time_solve(self, n):
        self.A.solve(self.B)


if __name__ == "__main__":
    main()
