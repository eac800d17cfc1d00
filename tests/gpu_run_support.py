"""What the tests of benchmarks/gpu_run.py share: its modules on the path, a small result."""

import pathlib
import sys
import types

import fake_cupy
import numpy as np
import pytest
import scipy.fft

ROOT = pathlib.Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "benchmarks" / "gpu_run.py"
if not SCRIPT.exists():
    pytest.skip("an installed package carries no benchmarks", allow_module_level=True)
for _folder in ("benchmarks", "docs"):
    if str(ROOT / _folder) not in sys.path:
        sys.path.append(str(ROOT / _folder))

import gpu_run  # noqa: E402, F401
import gpu_table  # noqa: E402, F401
from gpu_stages import record  # noqa: E402

CHECK = {
    **{"op": "fwht", "dtype": "float32", "shape": [1, 8, 1], "seed": 1, "err": 0.0, "tol": 1e-6},
    **{"ok": True, "deterministic": True, "kernels": ["k<float>"]},
}
TIMING = {
    **{"case": "FW1", "variant": "in place", "dtype": "float32", "shape": [1, 8, 1], "ms": 0.5},
    **{"iqr": 0.01, "bytes": 64, "flops": 24, "floor_ms": 0.25, "ratio": 2.0, "python_ms": 1.0},
}

PEER = {"case": "FW1", "lib": "torch.clone", "version": "2", "dtype": "float32", "ms": 0.5}


def a_result(date="2026-01-02T03:04:05Z", digest="d" * 64, name="k<float>"):
    result = record.empty(date, "c" * 40, False, 7)
    kernel = {"name": name, "digest": digest, "regs": 32, "budget": 40, "spill": 0, "smem": 0}
    for section, item in (
        ("env", {"card": "NVIDIA H200", "memory": 1}),
        ("ceilings", {"copy_tbs": 4.3}),
        ("kernels", kernel | {"compile_ms": 120.0}),
        ("kernels", {"name": name, "warm_ms": 3.0}),
        ("checks", CHECK | {"kernels": [name]}),
        ("timings", TIMING),
        ("peers", PEER),
        ("sanitizer", {"memcheck": {"ok": True, "exit": 0, "tail": ""}}),
        ("stages", {"name": "env", "seconds": 1.0, "error": None}),
        ("notes", "a note"),
    ):
        record.add(result, section, item)
    return result


def emulated_card(monkeypatch):
    """The stand-in with kernels that run on the emulator, and the FFTs of the host."""
    emulated = pytest.importorskip("gpu.emulated")
    if not emulated.emulator.available():
        pytest.skip("the emulator needs g++")
    cupy = emulated.install(monkeypatch)
    for name, module in (("cupy.fft", np.fft), ("cupyx.scipy.fft", scipy.fft)):
        if name not in sys.modules:
            monkeypatch.setitem(sys.modules, name, _wrapped(name, module))
    cupy.fft = sys.modules["cupy.fft"]
    sys.modules["cupyx"].scipy.fft = sys.modules["cupyx.scipy.fft"]
    return cupy


def _wrapped(name, module):
    wrapped = types.ModuleType(name)
    for function in "fft ifft rfft irfft fft2 ifft2 dct idct dst idst".split():
        if hasattr(module, function):
            setattr(wrapped, function, fake_cupy._function(getattr(module, function)))
    return wrapped
