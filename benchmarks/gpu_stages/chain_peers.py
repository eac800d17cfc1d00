"""What else multiplies by a chain on the same card: dense, bmm with permutes, stage by stage."""

from . import clock
from .peers import Skipped, _release

SAMPLES = 3
LARGEST = 4096  # order of a dense matrix


def run(cupy, case):
    """Records of the peers on `case`."""
    for name, peer in PEERS.items():
        row = {"case": case.case, "lib": name, "dtype": case.dtype, "shape": case.shape}
        print(case, name, flush=True)
        try:
            version, launch = peer(cupy, case)
            timing = clock.timed(cupy, launch, samples=SAMPLES, warm=2)
        except Skipped as error:
            yield "notes", f"{case.case}: {name} skipped, {error}"
        except Exception as error:  # out of memory, say: it costs this peer only
            yield "notes", f"{case.case}: {name} failed, {type(error).__name__}: {error}"[:500]
        else:
            yield "peers", row | {"version": version, "ms": timing.ms, "iqr": timing.iqr}
        launch = None
        _release(cupy)


def _torch():
    try:
        import torch
    except ImportError:
        raise Skipped("no PyTorch") from None
    return torch


def _drawn(torch, case):
    dtype = getattr(torch, case.dtype)
    values = [
        torch.randn(p.a, p.d, p.b, p.c, device="cuda", dtype=dtype) / p.c**0.5
        for p in case.patterns
    ]
    return values, torch.randn(case.patterns[0].shape[1], case.k, device="cuda", dtype=dtype)


def _copy(cupy, case):
    x = cupy.zeros((case.patterns[0].shape[1], case.k), case.dtype)
    y = cupy.empty_like(x)
    return cupy.__version__, lambda i: cupy.copyto(y, x)


def _dense(tf32):
    def peer(cupy, case):
        n = case.patterns[0].shape[1]
        if n > LARGEST:
            raise Skipped(f"a dense matrix of order {n} is out of the question")
        if tf32 and case.dtype != "float32":
            raise Skipped("tf32 is of float32")
        torch = _torch()
        _, X = _drawn(torch, case)
        A = torch.randn(n, n, device="cuda", dtype=X.dtype)

        def product(i):
            torch.backends.cuda.matmul.allow_tf32 = tf32
            return A @ X

        return torch.__version__, product

    return peer


def _permuted(cupy, case):
    """Each factor: permute, torch.bmm, permute."""
    torch = _torch()
    values, X = _drawn(torch, case)
    torch.backends.cuda.matmul.allow_tf32 = False
    return torch.__version__, lambda i: permuted(values, X)


def permuted(values, X):
    """The product by batched products of permuted copies; of tensors, or arrays of NumPy's."""
    k = X.shape[1]
    for V in values:
        a, d, b, c = V.shape
        Z = V.reshape(a * d, b, c) @ X.reshape(a, c, d, k).swapaxes(1, 2).reshape(a * d, c, k)
        X = Z.reshape(a, d, b, k).swapaxes(1, 2).reshape(a * b * d, k)
    return X


def _stages(cupy, case):
    """Each dyadic factor by sums of products of the reshaped tensor, as it is usually written."""
    if any(p.b != 2 or p.c != 2 for p in case.patterns):
        raise Skipped("not dyadic")
    torch = _torch()
    values, X = _drawn(torch, case)
    return torch.__version__, lambda i: stages(torch, values, X)


def stages(torch, values, X):
    """The product of dyadic factors; also of NumPy arrays, with NumPy for `torch`."""
    k = X.shape[1]
    for V in values:
        a, d = V.shape[:2]
        Y = X.reshape(a, 2, d, k)
        upper, lower = Y[:, 0], Y[:, 1]
        rows = [V[:, :, j, 0, None] * upper + V[:, :, j, 1, None] * lower for j in range(2)]
        X = torch.stack(rows, 1).reshape(2 * a * d, k)
    return X


PEERS = {
    "cupy.copyto": _copy,
    "PyTorch, stages": _stages,
    "PyTorch, bmm and permutes": _permuted,
    "PyTorch, dense in fp32": _dense(False),
    "PyTorch, dense in tf32": _dense(True),
}
