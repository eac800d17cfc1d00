"""From the text of a kernel source to a shared library, by g++, with a cache of what it made."""

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
HEADERS = sorted(FOLDER.glob("*.h"))
X86 = platform.machine() == "x86_64"

# The undefined behaviour that a GPU lets pass, each with a handler in launch.h.
CHECKS = (
    "alignment,null,bounds,shift,signed-integer-overflow,integer-divide-by-zero,float-cast-overflow"
)
FLAGS = [
    "-std=c++17",
    "-O1",
    "-w",
    "-fPIC",
    "-fno-exceptions",
    "-fno-strict-aliasing",  # packets of port.cuh
    "-ffp-contract=fast",  # as NVRTC contracts by default
    f"-fsanitize={CHECKS}",
    "-fsanitize-recover=all",
    f"-I{FOLDER}",
    *(["-mfma", "-fcf-protection=none"] if X86 else []),
]

# One kernel behind three C functions. Within the namespace, for the types that its name may name.
DOORS = """
static void emulator_call_{i}(void** a) {{ emulator::call(&kernels::{name}, a); }}
EMULATOR_EXPORT int emulator_describe_{i}(emulator::Parameter* p) {{
    return emulator::describe(&kernels::{name}, p);
}}
EMULATOR_EXPORT int emulator_run_{i}(void** arguments, const unsigned* grid, unsigned threads,
                                     size_t shared, int order, uint64_t seed) {{
    return emulator::launch(emulator_call_{i}, arguments, grid, threads, shared, order, seed);
}}
"""


class CompileError(RuntimeError):
    """g++ refuses the kernel source."""


def available():
    """True where the emulator can run: Linux with g++."""
    return platform.system() == "Linux" and shutil.which("g++") is not None


def library(code, names, options=()):
    """Path of the shared library of the kernels `names` of a source, compiled once."""
    text = "\n".join(
        [
            '#include "emulator.h"',
            "namespace kernels {",
            code,
            '#line 1 "doors"',
            *(DOORS.format(i=i, name=name) for i, name in enumerate(names)),
            "}",
        ]
    )
    flags = [*FLAGS, *options]
    path = _cache() / f"{_key(text, flags)}.so"
    if not path.exists():
        _compile(text, flags, path)
    return path


def _cache():
    users = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    for folder in (
        users / "structmat-tests",
        Path(tempfile.gettempdir()) / f"structmat-{os.getuid()}",
    ):
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    raise RuntimeError("no folder for compiled kernels can be written")


def _key(text, flags):
    parts = [text.encode(), " ".join(flags).encode(), platform.machine().encode()]
    parts += [header.read_bytes() for header in HEADERS]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:32]


def _compile(text, flags, path):
    # A name of its own and a rename: several test processes may compile the same kernel at once.
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        source, unit, result = (Path(folder) / name for name in ("k.cpp", "k.o", "k.so"))
        source.write_text(text)
        _run(["g++", "-c", str(source), "-o", str(unit), *flags])
        # Linked without -fsanitize: the handlers are the emulator's.
        _run(["g++", "-shared", str(unit), "-o", str(result), "-Wl,-Bsymbolic"])
        os.replace(result, path)


def _run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise CompileError("the kernel does not compile with g++:\n" + done.stderr)
