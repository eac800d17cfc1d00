"""Stage 5, chains: butterflies and Monarch matrices against their floors and peers."""

from dataclasses import dataclass

import numpy as np

from structmat._backend import cublas
from structmat.matrices.chain import gpu
from structmat.matrices.chain.patterns import monarch

from . import chain_peers, chains, clock, floors

SAMPLES = 5
PEERS_OF = ("BF1", "BF2", "BF3", "MO1", "MO2")
SHORT_MS = 0.1


@dataclass(frozen=True)
class Case:
    """A chain times k columns, through the library, or each factor through cuBLAS."""

    case: str
    dtype: str
    patterns: tuple
    k: int
    variant: str = "product"
    flipped: bool = False

    def __str__(self):
        n = self.patterns[-1].shape[0]
        blocks = sorted({tuple(p)[1:3] for p in self.patterns})
        return (
            f"{self.case} {self.dtype} {n} x {self.k}, {len(self.patterns)} factors of blocks "
            f"{blocks} {self.variant}"
        )

    @property
    def shape(self):
        return [self.patterns[-1].shape[0], self.k]

    def cost(self):
        """(multiply-adds, bytes) of the product."""
        kind = np.dtype(self.dtype)
        return gpu.cost(self.patterns, self.k, kind.itemsize, kind.kind == "c")

    def floor_ms(self, ceilings):
        flops, nbytes = self.cost()
        double = self.dtype in ("float64", "complex128")
        return floors.floor_ms(nbytes, flops, "float64" if double else "float32", ceilings)

    def plan(self):
        """The passes of the library."""
        return gpu.passes(self.patterns, (self.flipped,) * len(self.patterns), self.k, self.dtype)

    def drawn(self, cupy):
        return chains.drawn(
            cupy, chains.Case(self.case, self.dtype, self.patterns, self.k, self.flipped, 1)
        )

    def product(self, cupy, values, X):
        if self.variant == "cuBLAS":
            for V in values:
                X = gpu._blocks(V, X)
            return X
        return gpu._product(self.patterns, values, [None] * len(values), X)


def cases(memory):
    """The named ones, halved until eight times their bytes fit, then blocks of growing size."""
    up, down = chains.butterfly, lambda n: chains.down(chains.butterfly(n))
    ks = _halved(memory)
    found = [
        Case("BF1", "float32", up(1 << 10), ks(1 << 10, 1 << 18, 4)),
        Case("BF1 transposed", "float32", down(1 << 10), ks(1 << 10, 1 << 18, 4), flipped=True),
        Case("BF1", "float64", up(1 << 10), ks(1 << 10, 1 << 17, 8)),
        Case("BF1", "complex64", up(1 << 10), ks(1 << 10, 1 << 17, 8)),
        Case("BF1 odd k", "float32", up(1 << 10), ks(1 << 10, 1 << 18, 4) - 1),
        Case("BF2", "float64", up(1 << 14), ks(1 << 14, 1 << 13, 8)),
        Case("BF2", "float32", up(1 << 14), ks(1 << 14, 1 << 14, 4)),
        Case("BF3", "float32", up(ks(1, 1 << 20, 160)), 1),
        Case("BF3", "complex64", up(ks(1, 1 << 20, 320)), 1),
        Case("BF 64 columns", "float32", up(1 << 12), 64),
    ]
    for name, n, b, k in (("MO1", 4096, 64, 1 << 16), ("MO2", 1024, 32, 1 << 18)):
        blocks = n // b
        patterns = monarch(blocks, n // blocks, blocks, n // blocks)[::-1]
        found.append(Case(name, "float32", patterns, ks(n, k, 4)))
    found.append(Case("MO1", "float64", found[-2].patterns, ks(4096, 1 << 15, 8)))
    for b in (4, 8, 16):
        n = 4096
        several = (chains.square_blocks(n, b, 1), chains.square_blocks(n, b, n // b))
        k = ks(n, 1 << 16, 4)
        for p, where in zip(several, ("d = 1", "a = 1")):
            for variant in ("product", "cuBLAS"):
                found.append(Case(f"blocks {b}, {where}", "float32", (p,), k, variant))
    for b in (32, 128):
        for d in (1, 8):
            k = ks(4096, 1 << 16, 4)
            found.append(
                Case(f"blocks {b}, d = {d}", "float32", (chains.square_blocks(4096, b, d),), k)
            )
    return found


def _halved(memory):
    def columns(n, k, itemsize):
        while k > 4 and 8 * n * k * itemsize > memory:
            k //= 2
        return k

    return columns


def plan(memory=80 << 30):
    for case in cases(memory):
        passes = ", ".join(step.kernel for step in case.plan())
        yield f"{case}: {passes if case.variant == 'product' else 'blocks'}"
    yield f"peers: {', '.join(chain_peers.PEERS)}"


def run(context):
    import cupy

    yield "notes", f"cuBLAS by leading dimensions: {cublas._bindings() is not None}"
    seen = set()
    for case in context.in_time(cases(context.memory())):
        try:
            yield "timings", _time(cupy, case, context)
        except Exception as error:
            yield "notes", f"{case} failed, {type(error).__name__}: {error}"[:500]
            continue
        finally:
            cupy.get_default_memory_pool().free_all_blocks()
        if case.case in PEERS_OF and (case.case, case.dtype) not in seen:
            yield from chain_peers.run(cupy, case)
        seen.add((case.case, case.dtype))
    for note in context.notes:
        yield "notes", f"chain timings: {note}"


def _time(cupy, case, context):
    """The record of one case; the factors and X are too large for the cache, or are rotated."""
    flops, nbytes = case.cost()
    count = floors.buffers(nbytes, context.card_cache(), context.memory() // 4)
    drawn = [case.drawn(cupy) for _ in range(min(count, 16))]

    def launch(i):
        case.product(cupy, *drawn[i % len(drawn)])

    timing = clock.timed(cupy, launch, samples=SAMPLES)
    floor = case.floor_ms(context.found["ceilings"])
    return {
        "case": case.case,
        "variant": case.variant,
        "dtype": case.dtype,
        "shape": case.shape,
        "ms": timing.ms,
        "iqr": timing.iqr,
        "launches": timing.launches,
        "bytes": nbytes,
        "flops": flops,
        "passes": len(case.plan()),
        "floor_ms": floor,
        "ratio": timing.ms / floor if floor else None,
        "python_ms": clock.from_python(cupy, lambda: launch(0), samples=3, calls=3),
        "graph_ms": _graph(cupy, case, drawn[0]) if timing.ms < SHORT_MS else None,
    }


def _graph(cupy, case, drawn):
    try:
        return clock.replayed(cupy, lambda i: case.product(cupy, *drawn))
    except Exception as error:  # a graph is a second opinion; the timing stands without it
        print(f"no graph of {case}: {error}", flush=True)
        return None
