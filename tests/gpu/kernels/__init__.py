"""Small kernel sources on which the emulator is tested."""

from pathlib import Path

from structmat._backend import gpu

FOLDER = Path(__file__).parent


def source(name):
    """The text of a source as the loader assembles it."""
    return gpu.with_port((FOLDER / f"{name}.cu").read_text(), f"tests/gpu/kernels/{name}.cu")
