"""What `bench_chain` measures: problems, the tables of cases made of them, and the bars."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

import structmat as sm
from benchmarks import chain_peers as peers

__all__ = ["BARS", "DTYPES", "butterfly", "monarch", "projection", "system", "tables"]

F64, F32 = ("float64",), ("float32",)
DTYPES = F64 + F32
ONE = "one thread each"
GEMM = (
    '"of GEMM": GFLOP/s over those of a product of two 1024 x 1024 arrays, timed in the same pairs '
    "with the faster library for it here (torch if it is there, else NumPy)"
)
FAUST_NOTE = '"pyfaust": a product of sparse factors; "optimised pyfaust": its opt_butterfly_faust'
READ = (
    '"of reading": bytes of coefficients a second over those of a dot product of 256 MiB, timed in '
    "the same pairs"
)


# ------------------------------------------------------------- problems


class Peer(NamedTuple):
    """A way of `chain_peers`, for n up to `largest`: more does not fit or is minutes to set up."""

    name: str
    make: Callable
    largest: float = float("inf")


class Problem(NamedTuple):
    """Our call and what else is timed beside it; flops and bytes are those of our call."""

    ours: Callable
    as_array: Callable
    others: dict[str, Callable]  # name -> function that returns (call, as_array)
    flops: float = 0
    read: float = 0
    beside: Mapping[str, Callable] = MappingProxyType(
        {}
    )  # calls whose answer is another thing, not compared


class Case(NamedTuple):
    labels: dict[str, Any]
    make: Callable[[], Problem]
    seconds: float = 2.0


def butterfly(n, dtype, columns=1, ways=()):
    rng = np.random.default_rng(n)
    values = (rng.standard_normal((n.bit_length() - 1, n // 2, 2, 2)) / np.sqrt(2)).astype(dtype)
    A, X = sm.Butterfly(values), operand(rng, n, columns, dtype)
    return product(A, X, ways, 2 * values.size * columns, values.nbytes)


def monarch(n, blocks, columns, dtype, ways=()):
    A = square_monarch(n, blocks, dtype)
    X = operand(np.random.default_rng(n), n, columns, dtype)
    numbers = A.left.size + A.right.size
    return product(A, X, ways, 2 * numbers * columns, numbers * X.itemsize)


def square_monarch(n, blocks, dtype, diagonal=0.0):
    """`blocks` blocks a factor, of normal entries, of norm about 2 + `diagonal`."""
    rng, p = np.random.default_rng(n), n // blocks
    left = rng.standard_normal((blocks, p, blocks)) / np.sqrt(p)
    right = rng.standard_normal((blocks, blocks, p)) / np.sqrt(p)
    left, right = (x + diagonal * np.eye(*x.shape[1:]) for x in (left, right))
    return sm.Monarch(left[..., None].astype(dtype), right[:, :, None].astype(dtype))


def operand(rng, n, columns, dtype):
    shape = n if columns == 1 else (n, columns)
    return rng.standard_normal(shape).astype(dtype)


def product(A, X, ways, flops=0, read=0):
    others = {p.name: partial(p.make, A, X) for p in ways if len(X) <= p.largest}
    return Problem(partial(A.__matmul__, X), np.asarray, others, flops, read)


def of_class(n, dtype, **label):
    A = sm.random(getattr(sm, label["class"]), n, rng=0, dtype=np.dtype(dtype))
    return product(A, operand(np.random.default_rng(0), n, 1, dtype), DENSE)


def two_workers(n, columns, dtype):
    ours = butterfly(n, dtype, columns).ours

    def call(workers):
        with sm.set_workers(workers):
            return ours()

    one = partial(call, 1)
    return Problem(partial(call, 2), np.asarray, {"1 worker": lambda: (one, np.asarray)})


def system(verb, columns, n, blocks, dtype):
    """A.inv(), compared by its product with a vector, or A.solve(B)."""
    A = square_monarch(n, blocks, dtype, diagonal=4)
    B = operand(np.random.default_rng(1), n, columns, dtype)
    ways = {"inv": INVERSES, "solve": SOLVES}[verb]
    others = {p.name: partial(p.make, A, B) for p in ways}
    if verb == "inv":
        return Problem(A.inv, lambda found: found @ B, others)
    return Problem(partial(A.solve, B), np.asarray, others)


def projection(n, blocks, dtype, beside=False):
    """A Monarch matrix and a tenth of noise, against ksd or beside a product of two dense arrays.

    The answers compared are the errors.
    """
    rng = np.random.default_rng(n)
    M = square_monarch(n, blocks, "float64").toarray()
    M += 0.1 * np.linalg.norm(M) / n * rng.standard_normal((n, n))
    M = M.astype(dtype)
    ours = partial(sm.project, M, sm.Monarch, blocks=blocks, block_rank=1)

    def error(found):
        return np.linalg.norm(M - found.matrix.toarray()) / np.linalg.norm(M)

    if beside:
        return Problem(ours, error, {}, beside={"one dense product": partial(np.matmul, M, M)})
    return Problem(ours, error, {"lazylinop ksd": partial(peers.ksd, M, blocks)})


# ------------------------------------------------------------- the tables


DENSE = (Peer("dense", peers.dense, 4096),)
LAZYLINOP = (
    Peer("lazylinop", peers.lazylinop),
    Peer("lazylinop, scipy", peers.lazylinop_scipy, 4096),  # set up row by row, in Python
    Peer("lazylinop, torch", peers.lazylinop_torch),
)
FAUST = (Peer("pyfaust", peers.pyfaust), Peer("optimised pyfaust", peers.pyfaust_optimised))
SCIPY = (Peer("scipy chain", peers.scipy_chain),)
BATCHED = (Peer("np.matmul", peers.np_matmul), Peer("torch.bmm", peers.torch_bmm))
INVERSES = (
    Peer("np.linalg.inv of blocks", peers.batched_inverses),
    Peer("lazylinop", peers.lazylinop_inverse),
    Peer("dense", peers.dense_inverse),
)
SOLVES = (
    Peer("np.linalg.solve of blocks", peers.batched_solves),
    Peer("dense", peers.dense_solve),
)


def cases(make, keys, points, dtypes=DTYPES, seconds=2.0, **more):
    """A case for each precision and point; `make` takes the labels and `more` by name."""
    named = [dict(zip(keys.split(), point)) for point in points]
    labels = [x | {"dtype": dtype} for dtype in dtypes for x in named]
    return [Case(x, partial(make, **x, **more), seconds) for x in labels]


def tables(library):
    """name -> (title, notes, cases); `library` is the file of the compiled torch_butterfly."""
    chains = (Peer("Hazy C++", partial(peers.hazy, library=library)), *FAUST, *LAZYLINOP, *SCIPY)
    chains += DENSE
    powers = (64, 256, 1024, 4096, 2**14, 2**16, 2**20)
    blocks = ((64, 64), (1024, 64), (4096, 64), (2**14, 64), (2**16, 64), (1024, 256), (4096, 256))
    parallel = ((2**16, 1), (2**18, 1), (2**20, 1), (2**14, 64), (2**16, 64))
    stacks = ((4096, 64, 1), *((b * b, b, k) for b in (32, 64, 128) for k in (64, 1024)))
    verbs = (("inv", 1), ("solve", 1), ("solve", 64))
    sizes = [(kind, n) for kind in ("Butterfly", "Monarch") for n in (64, 128, 256, 512, 1024)]
    return {
        "vector": (
            "Butterfly times a vector",
            [ONE, READ, FAUST_NOTE],
            cases(butterfly, "n", [(n,) for n in powers], ways=chains),
        ),
        "columns": (
            "Butterfly times a block of columns",
            [ONE, GEMM, FAUST_NOTE],
            cases(butterfly, "n columns", blocks, ways=chains),
        ),
        "workers": (
            "Butterfly on two workers",
            ["against one worker; nothing else runs in the process"],
            cases(two_workers, "n columns", parallel),
        ),
        "monarch": (
            "Monarch times a vector and a block of columns",
            [ONE, GEMM, '"blocks": as many a factor, square'],
            cases(monarch, "n blocks columns", stacks, ways=(*BATCHED, *LAZYLINOP, *DENSE)),
        ),
        "systems": (
            "Monarch: inverse and systems, n = 2304 in 48 blocks a factor",
            [ONE, '"of blocks": two stacks of 48 and, for a system, the permutations of columns'],
            cases(system, "verb columns", verbs, F64, seconds=6.0, n=2304, blocks=48),
        ),
        "projection": (
            "Projection onto Monarch matrices of block rank one",
            [ONE, "of a Monarch matrix and a tenth of noise; lazylinop's error was the same"],
            cases(projection, "n blocks", [(1024, 32)], seconds=4.0)
            + cases(projection, "n blocks", [(4096, 64)], seconds=10.0, beside=True),
        ),
        "dense": (
            "Butterfly and Monarch times a vector against dense",
            [ONE],
            cases(of_class, "class n", sizes),
        ),
    }


class Bar(NamedTuple):
    """A column has to be at least `least` in the rows whose labels are among those of `where`."""

    table: str
    column: str  # the first word of a column; the least of those that begin so counts
    least: float
    where: Mapping[str, tuple] = MappingProxyType({})
    extreme: bool = False


MIDDLE = {"n": (1024, 4096)}
BARS = (
    Bar("vector", "dense", 1.0),
    Bar("vector", "dense", 100, MIDDLE),
    Bar("vector", "Hazy", 8, MIDDLE),
    Bar("vector", "pyfaust", 10, MIDDLE),
    Bar("vector", "lazylinop", 2, {"n": (1024,), "dtype": F64}),
    Bar("vector", "of reading", 0.8, {"n": (2**20,)}),
    Bar("vector", "", 2.5, {"n": (2**20,)}),
    Bar("vector", "Hazy", 10, MIDDLE, extreme=True),
    Bar("vector", "optimised pyfaust", 10, MIDDLE, extreme=True),
    Bar("columns", "scipy chain", 8, {"n": (4096,), "columns": (64,), "dtype": F64}),
    Bar("columns", "scipy chain", 7, {"n": (64, 1024), "columns": (64,), "dtype": F64}),
    Bar("columns", "Hazy", 15, {"n": (64, 1024, 4096), "columns": (64,), "dtype": F64}),
    Bar("columns", "GFLOP/s", 45, {"n": (64, 1024, 4096), "columns": (64,), "dtype": F64}),
    Bar("columns", "dense", 1.0),
    Bar("columns", "", 12, {"n": (64, 1024, 4096), "columns": (64,)}, extreme=True),
    Bar("workers", "1 worker", 1.7, {"n": (2**16, 2**18, 2**20)}),
    Bar("monarch", "lazylinop", 1.0, {"n": (4096,), "columns": (1, 64), "dtype": F32}),
    Bar("monarch", "np.matmul", 0.95, {"columns": (64, 1024)}),
    Bar("monarch", "torch.bmm", 0.95, {"columns": (64, 1024)}),
    Bar("monarch", "of GEMM", 0.7, {"n": (1024, 4096), "columns": (64,)}),
    Bar("monarch", "np.matmul", 1.1, {"n": (1024, 4096), "columns": (64,)}),
    Bar("monarch", "np.matmul", 1.0, {"columns": (64, 1024)}, extreme=True),
    Bar("monarch", "torch.bmm", 1.0, {"columns": (64, 1024)}, extreme=True),
    Bar("monarch", "of GEMM", 0.8, {"n": (1024, 4096), "columns": (64,)}, extreme=True),
    Bar("monarch", "of GEMM", 0.65, {"n": (16384,), "columns": (64, 1024)}, extreme=True),
    Bar("systems", "np.linalg.inv", 1.0, {"verb": ("inv",)}),
    Bar("systems", "lazylinop", 1.0, {"verb": ("inv",)}),
    Bar("projection", "lazylinop", 1.0),
    Bar("projection", "one dense product", 0.25),
    Bar("dense", "dense", 1.0),
)  # fmt: skip
