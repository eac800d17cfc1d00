"""Stage 3, the public face: transforms of arrays in every layout, families, cupyx, DLPack."""

from dataclasses import dataclass, field

import numpy as np

from structmat import transforms

from . import families, reference, verdicts

LAYOUTS = ("C", "F", "strided", "reversed", "misaligned", "transposed", "broadcast")
ORDERS = ("natural", "sequency", "dyadic")
NORMS = (None, "backward", "ortho", "forward")
DTYPES = ("float32", "float64", "complex64", "complex128", "int32", "int64", "bool")


@dataclass(frozen=True)
class Case:
    """`fwht` or `ifwht` of an array of `shape` in a layout, along an axis."""

    shape: tuple
    dtype: str = "float64"
    axis: int = -1
    layout: str = "C"
    order: str = "natural"
    norm: str | None = None
    inverse: bool = False
    how: str = "returned"  # or out, strided out, overwritten
    seed: int = 0
    options: dict = field(default_factory=dict)

    def __str__(self):
        name = "ifwht" if self.inverse else "fwht"
        return (
            f"{name} of {self.dtype} {self.shape} axis {self.axis} {self.layout}"
            f" order {self.order} norm {self.norm} {self.how} seed {self.seed}"
        )

    def header(self):
        return {
            "op": f"transforms.{'ifwht' if self.inverse else 'fwht'}",
            "dtype": self.dtype,
            "shape": list(self.shape),
            "seed": self.seed,
            "case": str(self),
        }

    def judged(self, xp):
        return judged(xp, self)


def cases(seed):
    """One property at a time from a common case, and some together."""
    found = [Case((5, 1 << L)) for L in (0, 1, 2, 5, 10, 12, 16)]
    found += [Case((0, 8)), Case((8,)), Case((1,)), Case((3, 0, 4))]
    found += [Case((6, 256), dtype) for dtype in DTYPES]
    found += [Case((64, 6), dtype, axis=0) for dtype in DTYPES]
    for layout in LAYOUTS:
        found += [Case((12, 64), dtype, -1, layout) for dtype in ("float32", "complex128")]
        found += [Case((64, 12), "float32", 0, layout), Case((3, 32, 5), "float64", 1, layout)]
    found += [Case((4, 128), order=o, norm=norm) for o in ORDERS for norm in NORMS]
    found += [Case((4, 128), order=o, norm=n, inverse=True) for o in ORDERS for n in NORMS]
    found += [Case((3, 1 << 13), "float32", order=order) for order in ORDERS]
    for how in ("out", "strided out", "overwritten"):
        found += [Case((7, 64), how=how), Case((64, 7), "complex64", 0, how=how)]
        found += [Case((2, 1 << 17), "float32", how=how)]
        found += [Case((7, 64), how=how, order="sequency")]
    return [Case(**{**vars(case), "seed": seed + i}) for i, case in enumerate(found)]


def plan():
    for case in cases(0):
        yield str(case)
    yield from families.plan()


def run(context):
    import cupy

    every = [*families.cases(context.seed + 20_000), *cases(context.seed + 10_000)]
    yield from verdicts.verdicts(context, every, cupy)
    for note in context.notes:
        yield "notes", f"interface: {note}"


def judged(xp, case):
    """Run one case twice and compare it."""
    host = drawn(case.shape, case.dtype, case.seed)
    x = laid_out(xp, host, case.layout)
    host = host[:1].repeat(len(host), 0) if case.layout == "broadcast" else host
    expected = xp.asarray(expected_of(case, host))
    transform = transforms.ifwht if case.inverse else transforms.fwht
    options = {"axis": case.axis, "order": case.order, "norm": case.norm, **case.options}
    tol = reference.tolerance(case.dtype, case.shape[case.axis])
    if case.dtype in ("int32", "int64", "bool") and reference.factor(2, case.norm) != 1:
        tol = reference.tolerance("float64", 1)
    copy = x.copy()
    if case.how == "returned":
        first, second = (transform(x, **options) for _ in range(2))
        return verdicts.judge(xp, first, second, expected, tol, unchanged=bool((x == copy).all()))
    if case.how == "overwritten":
        first, second = (transform(x.copy(), overwrite_x=True, **options) for _ in range(2))
        return verdicts.judge(xp, first, second, expected, tol)

    def act(out):
        if case.how == "out":
            same = transform(x, out=out, **options)
        else:
            wide = xp.zeros((*out.shape[:-1], 2 * out.shape[-1]), dtype=out.dtype)
            same = transform(x, out=wide[..., ::2], **options)
            out[...] = same
            if bool((wide[..., 1::2] != 0).any()):
                raise AssertionError("wrote between the elements of a strided out")
        if same.shape != out.shape:
            raise AssertionError("what was returned is not out")

    return verdicts.written(xp, act, x.shape, x.dtype, expected, tol, kept=[(x, copy)])


def drawn(shape, dtype, seed):
    """Normal numbers, or integers whose transform is exact, on the host."""
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtype).kind
    if kind == "b":
        return rng.random(shape) < 0.5
    if kind == "i":
        return rng.integers(-1000, 1000, shape).astype(dtype)
    x = rng.standard_normal(shape)
    if kind == "c":
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


def laid_out(xp, host, layout):
    """The values of `host` on the device, in a layout."""
    x = xp.asarray(host)
    if layout == "F":
        return xp.asfortranarray(x)
    if layout == "reversed":
        return xp.ascontiguousarray(x[::-1])[::-1]
    if layout == "strided":
        wide = xp.zeros(tuple(2 * s for s in x.shape), dtype=x.dtype)
        view = wide[tuple(slice(None, None, 2) for _ in x.shape)]
    elif layout == "misaligned":  # not to 16 bytes
        view = xp.zeros(x.size + 1, dtype=x.dtype)[1:].reshape(x.shape)
    elif layout == "transposed":  # a transposed view of a contiguous array
        return xp.moveaxis(xp.ascontiguousarray(xp.moveaxis(x, -1, 0)), 0, -1)
    elif layout == "broadcast":
        return xp.broadcast_to(x[:1], x.shape)
    else:
        return x
    view[...] = x
    return view


def expected_of(case, host):
    """From the definition, on the host: dense products, rows in their order, the factor of norm."""
    n = case.shape[case.axis]
    X = np.moveaxis(host.astype(np.result_type(host.dtype, np.float64)), case.axis, -1)
    shape = X.shape
    rows = reference.ordered(n, case.order) if case.order != "natural" else slice(None)
    if case.inverse and case.order != "natural":  # the input is in that order
        natural = np.empty_like(X)
        natural[..., rows] = X
        X = natural
    Y = reference.transform(np, np.ascontiguousarray(X), n).reshape(shape)
    if not case.inverse:
        Y = Y[..., rows]
    return np.moveaxis(Y * reference.factor(n, case.norm, case.inverse), -1, case.axis)
