"""Chains on the GPU: which factors go through memory together, and by which kernel of kernels.cu.

Columns of X lie side by side, so that a factor acts on rows of them, and the permutations between
factors are leading dimensions. Dyadic factors of neighbouring bits of the row index share a pass,
blocks of up to 16 columns have a kernel of their own, larger ones are cuBLAS's.
"""

import functools
from itertools import product
from typing import NamedTuple

import numpy as np

from structmat._backend import cublas, gpu
from structmat._backend.arrays import namespace_of

__all__ = ["INSTANCES", "Pass", "apply", "apply_factor", "cost", "passes"]

PACKET = 16  # bytes that a lane moves at a time
LINE = 128  # bytes that a warp should move side by side
SECTOR = 32  # bytes that memory moves at least
CHUNK = 16384  # bytes of consecutive elements that a block of `butterfly_rows` holds
ROW_STAGES = 12  # factors of a pass over such chunks
STAGES = {  # factors of a pass over columns, by bytes of an element and by columns of a lane
    (4, 4): tuple(range(1, 11)),
    (4, 1): (1, 2, 4, 6, 8),
    (8, 2): (1, 2, 3, 4, 6, 8, 10),
    (8, 1): (1, 2, 4, 6, 8),
    (16, 1): (1, 2, 3, 4, 6, 8),
}
SMALL, SMALL_BLOCK = (4, 8, 16), 256  # columns of a small block, and numbers of it
_TYPES = {  # in C++, and the type of its parts
    "float32": ("float", "float32"),
    "float64": ("double", "float64"),
    "complex64": ("Complex<float>", "float32"),
    "complex128": ("Complex<double>", "float64"),
}


class _Tile(NamedTuple):
    """As the Tile of the source."""

    lanes: int
    threads: int
    shared: int
    registers: int  # that its launch bounds leave


def _tile(dtype, stages, vector):
    itemsize = np.dtype(dtype).itemsize
    aim = {"float32": 80, "complex128": 168}.get(dtype, 128)
    wide = vector * itemsize
    held = min(stages, 4 if wide == 4 else 3)
    alone = held == stages
    line = min(LINE, 32768 >> stages)
    lanes = 128 if alone else max(line // wide, 64 >> (stages - held))
    threads = lanes << (stages - held)
    blocks = gpu.REGISTERS // (aim * threads)
    registers = min(255, gpu.REGISTERS // (blocks * threads) // 8 * 8)
    return _Tile(lanes, threads, 0 if alone else lanes * wide << stages, registers)


def _instance(name, part, arrays, numbers, threads, shared, registers):
    array = {"float32": "float*", "float64": "double*"}[part]
    signature = (f"const {array}", array, *(f"const {array}",) * arrays, *numbers)
    return gpu.Instance(__package__, "kernels.cu", name, signature, threads, shared, registers)


def _instances():
    for dtype, (name, part) in _TYPES.items():
        size = np.dtype(dtype).itemsize
        for (itemsize, vector), several in STAGES.items():
            for stages, down in product(several if itemsize == size else (), (False, True)):
                tile = _tile(dtype, stages, vector)
                yield (
                    ("butterfly_columns", dtype, (stages, vector, down)),
                    _instance(
                        f"butterfly_columns<{name}, {stages}, {vector}, {str(down).lower()}>",
                        *(part, 10, ("i64",) * 4),
                        *(tile.threads, tile.shared, tile.registers),
                    ),
                )
        numbers = ("i64",) + ("i32",) * 5
        yield (
            ("butterfly_rows", dtype, None),
            _instance(f"butterfly_rows<{name}>", part, ROW_STAGES, numbers, 256, CHUNK, 128),
        )
        for held in SMALL:
            registers = 64 if held * size <= 64 else 96 if held * size <= 128 else 168
            yield (
                ("small_blocks", dtype, held),
                _instance(
                    f"small_blocks<{name}, {held}>",
                    *(part, 1, ("i64",) * 3 + ("i32",) * 2, 128, 0, registers),
                ),
            )


INSTANCES = dict(_instances())


class Pass(NamedTuple):
    """One way through the memory: X is read once, and the result is written once."""

    kernel: str  # "blocks" is cuBLAS's, "permutation" an indexing
    size: object  # of the instance
    grid: int
    numbers: tuple[int, ...]  # the arguments behind the arrays
    factors: tuple[int, ...]  # numbers of the factors, in the order of their application
    down: bool  # the blocks are wanted transposed in memory, as the factors of a transpose are


# ---------------------------------------------------------------- planning


@functools.lru_cache(maxsize=1024)
def passes(patterns, flipped, k, dtype):
    """The passes of a chain over k columns, in the order of application.

    Parameters
    ----------
    patterns : tuple
        Pattern of each factor in the order of application (the last of a product first); None is a
        permutation.
    flipped : tuple of bool
        Whether the blocks of each factor are stored transposed.
    k : int
        Columns.
    dtype : str
        Name of the type of the numbers.

    Returns
    -------
    tuple of Pass

    Notes
    -----
    Bits that stand above fewer than 32 consecutive bytes are done by `butterfly_rows`. Else the
    fewest passes win; among equals the rows where less than a line lies side by side.
    """
    found, i = [], 0
    while i < len(patterns):
        until, down = _run(patterns, i, flipped[i])
        if until > i:
            found += _butterfly(patterns[i:until], i, down, k, dtype)
        else:
            until = i + 1
            found.append(_single(patterns[i], i, k))
        i = until
    return tuple(found)


def _run(patterns, i, down):
    """(end, downwards) of the longest run of dyadic factors of neighbouring bits from i on."""
    if patterns[i] is None or patterns[i][1:3] != (2, 2):
        return i, down
    until, direction = i + 1, None
    while until < len(patterns) and patterns[until] is not None:
        (a, _, _, d), following = patterns[until - 1], tuple(patterns[until])
        up, downwards = (a / 2, 2, 2, 2 * d), (2 * a, 2, 2, d / 2)
        step = {up: False, downwards: True}.get(following)
        if step is None or direction not in (None, step):
            break
        direction, until = step, until + 1
    return until, down if direction is None else direction


def _butterfly(run, first, down, k, dtype):
    """The passes of a run, whose first factor has the number `first`."""
    L, itemsize = len(run), np.dtype(dtype).itemsize
    outer, depth = (run[0].a, run[-1].d) if down else (run[-1].a, run[0].d)
    sizes = _split(L, depth * k, k, itemsize)
    found, low = [], 0
    for kernel, stages in sizes:
        begin = first + (L - low - stages if down else low)
        factors = tuple(range(begin, begin + stages))
        rows, deep = outer << (L - low - stages), depth << low
        if kernel == "butterfly_rows":
            together = min(rows, (CHUNK // itemsize) // (deep * k << stages))
            numbers = (rows * deep * k << stages, together, stages, deep * k, k, int(down))
            found.append(Pass(kernel, None, -(-rows // together), numbers, factors, down))
        else:
            vector = _vector(k, itemsize)
            columns = rows * deep * k // vector
            grid = -(-columns // _tile(dtype, stages, vector).lanes)
            numbers = (columns, deep * k, k, deep)
            found.append(Pass(kernel, (stages, vector, down), grid, numbers, factors, down))
        low += stages
    return found[::-1] if down else found


def _vector(k, itemsize):
    """Columns that a lane takes: a packet of them, or one where k is no multiple."""
    packet = PACKET // itemsize
    return packet if k % packet == 0 else 1


def _split(L, inner, k, itemsize):
    """(kernel, bits) from the low bits to the high ones, for `inner` elements below them."""
    several = STAGES[itemsize, _vector(k, itemsize)]
    columns = _parts_of(L, several)
    reach = min((CHUNK // itemsize // inner).bit_length() - 1, ROW_STAGES, L)
    found = []
    if reach > 0:
        rest = _parts_of(L - reach, several)
        fewer, side = 1 + len(rest) - len(columns), inner * itemsize
        if side < SECTOR or fewer < 0 or (fewer == 0 and side < LINE):
            found.append(("butterfly_rows", reach))
            columns = rest
    return found + [("butterfly_columns", stages) for stages in columns]


@functools.cache
def _parts_of(L, several):
    """The fewest of `several` whose sum is L, as even as they can be."""
    if not L:
        return ()
    found = [(stages, *_parts_of(L - stages, several)) for stages in several if stages <= L]
    return min(found, key=lambda parts: (len(parts), max(parts) - min(parts)))


def _single(pattern, i, k):
    if pattern is None:
        return Pass("permutation", None, 0, (), (i,), False)
    a, b, c, d = pattern
    if c <= SMALL[-1] and b * c <= SMALL_BLOCK:
        held = next(n for n in SMALL if c <= n)
        columns = a * d * k
        numbers = (columns, d * k, k, b, c)
        return Pass("small_blocks", held, -(-columns // 128), numbers, (i,), False)
    return Pass("blocks", None, 0, (), (i,), False)


# ---------------------------------------------------------------- products


def apply(A, X):
    """The product of all factors of a chain with X, C-contiguous and of its dtype; uncropped."""
    factors = A.factors[::-1]
    patterns = tuple(getattr(F, "pattern", None) for F in factors)
    values = [getattr(F, "values", None) for F in factors]
    permutations = [F if p is None else None for F, p in zip(factors, patterns)]
    return _product(patterns, values, permutations, X)


def apply_factor(values, X):
    """The product of one Kronecker-sparse factor, of values (a, d, b, c), with X."""
    from structmat.matrices.chain.patterns import Pattern

    a, d, b, c = values.shape
    return _product((Pattern(a, b, c, d),), [values], [None], X)


def _product(patterns, values, permutations, X):
    k = X.shape[1]
    if not X.size or any(p is not None and not p.nnz for p in patterns):
        last = patterns[-1]
        rows = permutations[-1].shape[0] if last is None else last.shape[0]
        return namespace_of(X).zeros((rows, k), X.dtype)
    if X.dtype.name in _TYPES:
        flipped = tuple(v is not None and _flipped(v) for v in values)
        plan = passes(patterns, flipped, k, X.dtype.name)
    else:
        kernels = ("permutation" if p is None else "blocks" for p in patterns)
        plan = [Pass(kernel, None, 0, (), (i,), False) for i, kernel in enumerate(kernels)]
    given = X
    for step in plan:
        i = step.factors[0]
        if step.kernel == "permutation":
            X = permutations[i]._apply(X)
        elif step.kernel == "blocks":
            X = _blocks(values[i], X)
        else:
            X = _launched(step, [values[j] for j in step.factors], X, X is not given)
    return X


def _flipped(values):
    """True for the blocks of a transpose: each is contiguous, column by column."""
    return not values.flags.c_contiguous and values.transpose(0, 1, 3, 2).flags.c_contiguous


def _blocks(values, X):
    """Large blocks: cuBLAS, or the product of stacks where it is out of reach."""
    a, d, b, c = values.shape
    xp, k = namespace_of(X), X.shape[1]
    X = xp.ascontiguousarray(X).reshape(a, c, d, k)
    Y = xp.empty((a, b, d, k), X.dtype)
    if X.dtype.name not in _TYPES or not cublas.block_products(values, X, Y):
        Y.transpose(0, 2, 1, 3)[...] = values @ X.transpose(0, 2, 1, 3)
    return Y.reshape(a * b * d, k)


def _launched(step, values, X, ours):
    """One pass by a kernel; a butterfly works in place on an X that is ours."""
    xp, k = namespace_of(X), X.shape[1]
    instance = INSTANCES[step.kernel, X.dtype.name, step.size]
    blocks = [_parts(v.transpose(0, 1, 3, 2) if step.down else v) for v in values]
    source = _aligned(xp.ascontiguousarray(X))
    if step.kernel == "small_blocks":
        a, d, b, _ = values[0].shape
        out = xp.empty((a * b * d, k), X.dtype)
    else:
        copied = source.data.ptr != X.data.ptr
        out = source if ours or copied else xp.empty(X.shape, X.dtype)
        spare = instance.signature.count(instance.signature[0]) - 1 - len(blocks)
        blocks += blocks[-1:] * spare
    gpu.launch(instance, step.grid, (_parts(source), _parts(out), *blocks, *step.numbers))
    return out


def _parts(x):
    """The numbers of an array in their order, complex ones as two; copied where they are not so."""
    flat = _aligned(namespace_of(x).ascontiguousarray(x)).reshape(-1)
    return flat.view(_TYPES[flat.dtype.name][1]) if flat.dtype.kind == "c" else flat


def _aligned(x):
    return x if x.data.ptr % gpu.ALIGNMENT == 0 else x.copy()


def cost(patterns, k, itemsize, complex_numbers=False):
    """(operations, bytes): the multiply-adds, and one read of the blocks and X and one write of Y.

    `patterns` in the order of application; a complex multiply-add counts as four.
    """
    found = [p for p in patterns if p is not None]
    numbers = sum(p.nnz for p in found)
    moved = numbers + (found[0].shape[1] + found[-1].shape[0]) * k
    return numbers * k * (4 if complex_numbers else 1), moved * itemsize
