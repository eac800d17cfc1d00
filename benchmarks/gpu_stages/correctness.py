"""Stage 3, kernels: the Walsh-Hadamard kernels over sizes, layouts, scales, and beyond 2^31."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from structmat.transforms import gpu

from . import chains, reference, verdicts

LARGE = 1 << 18  # elements beyond which inputs are drawn on the device
DTYPES = ("float32", "float64", "int64")
BATCHES = (1, 5, 33)
TILES = (2, 3, 31, 32, 33, 100)


@dataclass(frozen=True)
class Case:
    """H_n along the middle axis of (outer, n, inner), times `scale`."""

    dtype: str
    outer: int
    n: int
    inner: int = 1
    scale: float = 1.0
    in_place: bool = False
    size: float = 1.0  # standard deviation of the input
    seed: int = 0

    def __str__(self):
        place = "in place" if self.in_place else "into out"
        return (
            f"fwht {self.dtype} {self.outer} x {self.n} x {self.inner} {place}"
            f" scale {self.scale:.3g} size {self.size:g} seed {self.seed}"
        )

    def header(self):
        return {
            "op": "fwht in place" if self.in_place else "fwht",
            "dtype": self.dtype,
            "shape": list(self.shape),
            "seed": self.seed,
            "scale": self.scale,
            "size": self.size,
        }

    @property
    def shape(self):
        return self.outer, self.n, self.inner

    @property
    def elements(self):
        return self.outer * self.n * self.inner

    @property
    def integer(self):
        return self.dtype == "int64"

    def transform(self, x, out):
        gpu.fwht(x, out, *self.shape, (int if self.integer else float)(self.scale))

    def judged(self, xp):
        """Run it and compare: whole arrays up to 2^31 elements, beyond them line by line."""
        if self.elements > LARGE:
            xp.get_default_memory_pool().free_all_blocks()
        return judged_by_lines(xp, self) if self.elements >= 1 << 31 else judged_whole(xp, self)


def cases(seed, memory):
    """Small ones of all dtypes first, then those that take time and memory."""
    found = [case for dtype in DTYPES for case in (*_batches(dtype), *_tiles(dtype))]
    found += [case for dtype in DTYPES for case in (*_odd(dtype), *_long(dtype))]
    found += [case for dtype in DTYPES[:2] for case in _large(dtype, memory)]
    return _seeded(found, seed)


def _seeded(found, seed):
    return [dataclasses.replace(case, seed=seed + i) for i, case in enumerate(found)]


def _batches(dtype):
    """Every power of two, batches off a power of two, three scales, in place and not."""
    for L in range(18):
        scales = (1, 2, -3) if dtype == "int64" else (1.0, 2.0 ** (-L / 2), 0.3)
        for i, outer in enumerate(BATCHES):
            yield Case(dtype, outer, 1 << L, 1, scales[i], in_place=(L + i) % 2 == 1)


def _tiles(dtype):
    """An inner dimension, one above and one below what a warp takes."""
    for L in (1, 3, 4, 5, 6, 7, 8, 9, 10, 13, 15, 16):
        for i, inner in enumerate(TILES):
            yield Case(dtype, 1 + 2 * (i % 2), 1 << L, inner, in_place=i % 3 == 0)


def _odd(dtype):
    """Nothing to do; many blocks, beyond what the y and z of a grid could count; scales."""
    shapes = [(0, 64, 1), (3, 64, 0), (257, 1024, 1), (70000, 16, 1), (70000, 4, 3), (2, 2, 70001)]
    for shape in shapes:
        yield Case(dtype, *shape)
    if dtype != "int64":
        for size in (1e6, 1e-6):
            yield Case(dtype, 3, 1 << 12, size=size)


def _long(dtype):
    for shape in ((2, 1 << 18, 5), (3, 1 << 20, 1), (1, 1 << 24, 1)):
        yield Case(dtype, *shape)


def _large(dtype, memory):
    """2^28 points against the reference; beyond 2^31 elements, where 32-bit indices overflow."""
    if 12 * 8 << 28 < memory:  # the reference in float64 takes several copies
        yield Case(dtype, 1, 1 << 28, 1, 2.0**-14, in_place=True)
    for outer, n, inner in (
        ((1 << 19) + 3, 1 << 12, 1),
        (1, 1 << 15, (1 << 16) + 32),
        (1, 1 << 20, (1 << 11) + 8),
        (3, 1 << 30, 1),
    ):
        held = np.dtype(dtype).itemsize * outer * n * inner
        if 1.2 * held + 56 * n < memory:  # a line of n points has its reference in float64
            yield Case(dtype, outer, n, inner, float(n) ** -0.5, in_place=True)


def smallest(seed):
    """For memcheck and racecheck, under which a kernel is a hundred times slower."""
    shapes = [(3, 1 << L, 1) for L in (1, 5, 10, 12, 13, 14, 15, 16)]
    shapes += [(1, 1 << L, 33) for L in (3, 5, 6, 7, 8, 9)] + [(2, 64, 3), (1, 1 << 16, 5)]
    return _seeded([Case(dtype, *shape) for dtype in DTYPES for shape in shapes], seed)


def plan(memory=80 << 30):
    for case in cases(0, memory):
        yield str(case)


def run(context):
    import cupy

    yield "notes", f"seed of the run: {context.seed}"
    yield from verdicts.verdicts(context, cases(context.seed, context.memory()), cupy)
    for note in context.notes:
        yield "notes", f"kernels: {note}"


def run_smallest(context):
    """What the sanitizer watches: no reference, no pool, which would hide a stray access."""
    import cupy

    cupy.cuda.set_allocator(None)
    for case in context.in_time(smallest(context.seed)):
        x = _drawn(cupy, case)
        case.transform(x, cupy.empty_like(x))
        cupy.cuda.runtime.deviceSynchronize()
    chains.run_smallest(context)
    yield "sanitizer", {"cases": len(smallest(0)) + len(chains.smallest(0))}


def judged_whole(xp, case):
    x = _drawn(xp, case)
    expected = reference.transform(xp, x.astype("float64"), case.n, case.inner) * case.scale
    tol = reference.tolerance(case.dtype, case.n)
    return verdicts.written(
        xp,
        lambda out: case.transform(out if case.in_place else x, out),
        x.shape,
        case.dtype,
        expected,
        tol,
        start=x if case.in_place else None,
        kept=[] if case.in_place else [(x, x.copy())],
    )


def _drawn(xp, case):
    if case.elements <= LARGE:
        rng = np.random.default_rng(case.seed)
        if case.integer:
            return xp.asarray(rng.integers(-1000, 1000, case.shape))
        return xp.asarray((rng.standard_normal(case.shape) * case.size).astype(case.dtype))
    xp.random.seed(case.seed % 2**32)
    if case.integer:
        return xp.random.randint(-1000, 1000, case.shape, dtype="int64")
    return xp.random.standard_normal(case.shape, dtype=case.dtype)


def judged_by_lines(xp, case):
    """In place, once: some lines against the reference, and all of them by Parseval's identity."""
    outer, n, inner = case.shape
    x = xp.empty(case.shape, case.dtype)
    xp.random.seed(case.seed % 2**32)
    for part in _parts(x):
        part[...] = xp.random.standard_normal(part.shape, dtype=case.dtype)
    before = _square(xp, x)
    rng = np.random.default_rng(case.seed)
    ends = {(0, 0), (outer - 1, inner - 1), (outer - 1, 0), (0, inner - 1)}
    more = {(int(rng.integers(outer)), int(rng.integers(inner))) for _ in range(12)}
    several = sorted(ends | more) if n <= 1 << 20 else sorted(ends)[-1:]
    lines = {at: x[at[0], :, at[1]].copy() for at in several}
    case.transform(x, x)
    worst, tol = 0.0, reference.tolerance(case.dtype, n)
    for (i, j), line in lines.items():
        expected = reference.transform(xp, line.astype("float64"), n) * case.scale
        err, most = reference.errors(xp, x[i, :, j], expected)
        err = max(err, most / 10)
        worst = err if not err <= worst else worst
        del expected
    grown = _square(xp, x) / (before * n * case.scale**2)
    ok = worst <= tol and abs(grown - 1) <= 20 * tol
    return {
        "err": worst,
        "tol": tol,
        "ok": bool(ok),
        "deterministic": None,
        "lines": len(lines),
        "parseval": abs(grown - 1),
    }


def _parts(x, size=1 << 27):
    """Views of `x` of about `size` elements, one after the other."""
    flat = x.reshape(-1)
    return (flat[i : i + size] for i in range(0, flat.size, size))


def _square(xp, x):
    return sum(float((part.astype("float64") ** 2).sum()) for part in _parts(x))
