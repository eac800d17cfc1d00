"""What the GPU tests share: the emulator where there is one, and a fake device to launch on."""

import os
import platform

import pytest
from gpu import emulated as stand_in
from gpu import emulator


@pytest.fixture(scope="session")
def compiler():
    """Skips where the emulator cannot run; where it must, fails instead."""
    if not emulator.available():
        if platform.system() == "Linux" and os.environ.get("CI"):
            pytest.fail("the emulator needs g++, which is not installed")
        pytest.skip("the emulator needs Linux and g++")


@pytest.fixture
def emulated(compiler, monkeypatch):
    """A fake `cupy`; the library's launches on its arrays run through the emulator."""
    return stand_in.install(monkeypatch)
