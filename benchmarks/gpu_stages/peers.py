"""What else transforms, or only copies, the same bytes on the same card in the same call."""

import numpy as np

from . import clock, reference


class Skipped(Exception):
    """A peer that is not here, or not for this case."""


def run(cupy, case, buffer):
    """Records of the peers on `case`; `buffer(cupy, case)` draws an input."""
    for name, peer in PEERS.items():
        shape = [case.outer, case.n, case.inner]
        row = {"case": case.case, "lib": name, "dtype": case.dtype, "shape": shape}
        print(case, name, flush=True)
        try:
            version, launch = peer(cupy, case, buffer)
            timing = clock.timed(cupy, launch)
        except Skipped as error:
            yield "notes", f"{case.case}: {name} skipped, {error}"
        except Exception as error:  # out of memory, say: it costs this peer only
            yield "notes", f"{case.case}: {name} failed, {type(error).__name__}: {error}"[:500]
        else:
            yield "peers", row | {"version": version, "ms": timing.ms, "iqr": timing.iqr}
        _release(cupy)


def _release(cupy):
    """The pools of two libraries compete for the memory of the card."""
    import sys

    cupy.get_default_memory_pool().free_all_blocks()
    if "torch" in sys.modules:
        sys.modules["torch"].cuda.empty_cache()


def _torch(case):
    try:
        import torch
    except ImportError:
        raise Skipped("no PyTorch") from None
    rows = case.outer * case.inner
    return torch, torch.randn(rows, case.n, device="cuda", dtype=getattr(torch, case.dtype))


def _copy(cupy, case, buffer):
    x = buffer(cupy, case)
    y = cupy.empty_like(x)
    return cupy.__version__, lambda i: cupy.copyto(y, x)


def _clone(cupy, case, buffer):
    torch, x = _torch(case)
    return torch.__version__, lambda i: x.clone()


def _reshaped(cupy, case, buffer):
    """log2 n passes over the reshaped tensor, as it is usually written."""
    torch, x = _torch(case)
    return torch.__version__, lambda i: reshaped(torch, x)


def reshaped(torch, x):
    """H_n along the last axis; also of NumPy arrays, with NumPy for `torch`."""
    y, n, h = x, x.shape[-1], 1
    while h < n:
        y = y.reshape(-1, n // (2 * h), 2, h)
        a, b = y[:, :, 0], y[:, :, 1]
        y = torch.stack((a + b, a - b), 2)
        h *= 2
    return y.reshape(x.shape)


def _dense(tf32):
    def peer(cupy, case, buffer):
        if case.n > reference.LARGEST:
            raise Skipped(f"a dense H of {case.n} is out of the question")
        torch, x = _torch(case)
        H = torch.from_numpy(reference.entries(case.n).astype(np.float32)).to(x)

        def product(i):
            torch.backends.cuda.matmul.allow_tf32 = tf32
            return x @ H

        return torch.__version__, product

    return peer


PEERS = {
    "cupy.copyto": _copy,
    "torch.clone": _clone,
    "PyTorch, reshaped": _reshaped,
    "PyTorch, x @ H in fp32": _dense(False),
    "PyTorch, x @ H in tf32": _dense(True),
}
