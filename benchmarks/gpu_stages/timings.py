"""Stage 5: named cases and a sweep of sizes, against their floors and peers of the same call."""

from dataclasses import dataclass

import numpy as np

from structmat.transforms import gpu

from . import clock, floors, peers

# gpu.md 1.1: 2^28 elements each, in rows of growing length.
NAMED = {"FW1": (16, 12), "FW2": (13, 15), "FW3": (8, 20), "FW4": (0, 28)}
PEERS_OF = ("FW1", "FW2", "FW3")
SHORT_MS = 0.05


@dataclass(frozen=True)
class Case:
    """One transform, timed in place or from one buffer into another."""

    case: str
    dtype: str
    outer: int
    n: int
    inner: int = 1
    in_place: bool = True

    def __str__(self):
        shape = f"{self.outer} x {self.n} x {self.inner}"
        return f"{self.case} {self.dtype} {shape} {self.variant}"

    @property
    def variant(self):
        return "in place" if self.in_place else "into out"

    @property
    def scale(self):
        """Makes the transform its own inverse, so that repeated runs neither grow nor fade."""
        return 1 if self.dtype == "int64" else float(self.n) ** -0.5

    def cost(self):
        """(operations, bytes) of the transform."""
        return gpu.cost(self.outer, self.n, self.inner, np.dtype(self.dtype).itemsize)


def cases(memory):
    """The named cases, halved until four times their bytes fit, then the sweep."""
    found = []
    for name, (rows, length) in NAMED.items():
        for dtype in ("float32", "float64"):
            less = 1 if dtype == "float64" else 0  # the same bytes
            while 4 * (np.dtype(dtype).itemsize << (rows + length - less)) > memory:
                less += 1
            r = max(rows - less, 0)
            outer, n = 1 << r, 1 << (length - (less - (rows - r)))
            found += [Case(name, dtype, outer, n, 1, place) for place in (True, False)]
    total = 26
    while 4 * 4 << total > memory:
        total -= 1
    for L in (*range(2, min(26, total) + 1, 2), 9, 11, 13, 15, 17):
        if total >= L:
            found.append(Case("sweep", "float32", 1 << (total - L), 1 << L))
    for L in (6, 10, 13, 16, 20):
        if total >= L + 6:
            found.append(Case("batch last", "float32", 1, 1 << L, 1 << (total - L)))
            found.append(Case("inner 64", "float32", 1 << (total - L - 6), 1 << L, 64))
    found += [Case("small", "float32", 1, n) for n in (64, 1024, 1 << 15)]
    rows = 1 << max(total - 13, 0)
    found += [Case("integers", "int64", rows, 1 << 12, in_place=False)]  # in place they overflow
    return found


def plan(memory=80 << 30):
    for case in cases(memory):
        yield str(case)
    yield f"peers of {', '.join(PEERS_OF)}: {', '.join(peers.PEERS)}"
    yield "all of it twice, the difference is the noise; small cases also as a graph"


def run(context):
    import cupy

    from structmat import transforms

    memory = context.memory()
    found = []
    for case in context.in_time(cases(memory)):
        row = _time(cupy, gpu.fwht, transforms.fwht, case, context, memory)
        found.append((case, row))
        yield "timings", row
        if case.case in PEERS_OF and case.dtype == "float32" and case.in_place:
            yield from peers.run(cupy, case, buffer)
        cupy.get_default_memory_pool().free_all_blocks()
    again = []
    for case, row in found:
        if context.left() < 2:
            break
        if case.case in NAMED:
            ms = _kernel(cupy, gpu.fwht, case, context, memory).ms
            again.append(abs(ms - row["ms"]) / row["ms"])
            cupy.get_default_memory_pool().free_all_blocks()
    if again:
        yield "ceilings", {"noise": max(again)}
    for note in context.notes:
        yield "notes", f"timings: {note}"


def _time(cupy, kernel, public, case, context, memory):
    """The record of one case."""
    timing = _kernel(cupy, kernel, case, context, memory)
    flops, nbytes = case.cost()
    floor = floors.floor_ms(nbytes, flops, case.dtype, context.found["ceilings"])
    shape = [case.outer, case.n, case.inner]
    x = buffer(cupy, case)
    python = clock.from_python(cupy, lambda: public(x, axis=1), samples=3, calls=3)
    return {
        "case": case.case,
        "variant": case.variant,
        "dtype": case.dtype,
        "shape": shape,
        "ms": timing.ms,
        "iqr": timing.iqr,
        "launches": timing.launches,
        "bytes": nbytes,
        "flops": flops,
        "passes": len(gpu.passes(*shape, np.dtype(case.dtype).itemsize)),
        "floor_ms": floor,
        "ratio": timing.ms / floor if floor else None,
        "python_ms": python,
        "graph_ms": _graph(cupy, kernel, case) if timing.ms < SHORT_MS else None,
    }


def _kernel(cupy, kernel, case, context, memory):
    _, nbytes = case.cost()
    held = nbytes // 2 if case.in_place else nbytes
    count = floors.buffers(held, context.card_cache(), memory)
    drawn = (buffer(cupy, case) for _ in range(count))
    pairs = [(x, x if case.in_place else cupy.empty_like(x)) for x in drawn]

    def launch(i):
        x, out = pairs[i % count]
        kernel(x, out, case.outer, case.n, case.inner, case.scale)

    return clock.timed(cupy, launch)


def buffer(cupy, case):
    shape = case.outer, case.n, case.inner
    if case.dtype == "int64":
        return cupy.random.randint(-1000, 1000, shape, dtype=case.dtype)
    return cupy.random.standard_normal(shape, dtype=case.dtype)


def _graph(cupy, kernel, case):
    x = buffer(cupy, case)
    out = x if case.in_place else cupy.empty_like(x)
    shape = case.outer, case.n, case.inner
    try:
        return clock.replayed(cupy, lambda i: kernel(x, out, *shape, case.scale))
    except Exception as error:  # a graph is a second opinion; the timing stands without it
        print(f"no graph of {case}: {error}", flush=True)
        return None
