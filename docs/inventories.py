"""Intersphinx inventories of the names that a docstring may link to, made from what is installed.

The build then needs no network: the addresses are written by rule, as NumPy and SciPy lay out their
reference pages, and nothing is asked of them.
"""

import builtins
import importlib
import inspect
import zlib
from pathlib import Path

MODULES = {
    "numpy": ["numpy", "numpy.linalg", "numpy.fft", "numpy.random"],
    "scipy": [
        "scipy.linalg",
        "scipy.fft",
        "scipy.optimize",
        "scipy.sparse",
        "scipy.sparse.linalg",
        "scipy.linalg.interpolative",
    ],
}


def _role(value) -> str:
    if inspect.isclass(value):
        return "exception" if issubclass(value, BaseException) else "class"
    return "function" if callable(value) else "data"


def _reference(module: str):
    """Yield (name, role, page) for the public names of a module."""
    namespace = importlib.import_module(module)
    page = (
        module.removeprefix("scipy.") if module.startswith("scipy.") else f"routines.{module[6:]}"
    )
    yield module, "module", f"reference/{page}.html#module-{module}"
    for name in getattr(namespace, "__all__", dir(namespace)):
        value = getattr(namespace, name, None)
        if name.startswith("_") or value is None or inspect.ismodule(value):
            continue
        full = f"{module}.{name}"
        yield full, _role(value), f"reference/generated/{full}.html#{full}"


def _python():
    for name, value in vars(builtins).items():
        if inspect.isclass(value) and not name.startswith("_"):
            page = "exceptions" if issubclass(value, BaseException) else "stdtypes"
            yield name, _role(value), f"library/{page}.html#{name}"


def _write(path: Path, project: str, entries) -> None:
    head = f"# Sphinx inventory version 2\n# Project: {project}\n# Version: \n"
    head += "# The remainder of this file is compressed using zlib.\n"
    lines = [f"{name} py:{role} 1 {page} -\n" for name, role, page in sorted(set(entries))]
    path.write_bytes(head.encode() + zlib.compress("".join(lines).encode()))


def write(folder: Path) -> None:
    """Write python.inv, numpy.inv and scipy.inv into `folder`."""
    folder.mkdir(exist_ok=True)
    _write(folder / "python.inv", "Python", _python())
    for project, modules in MODULES.items():
        entries = [entry for module in modules for entry in _reference(module)]
        if project == "numpy":
            page = "reference/arrays.ndarray.html#numpy.ndarray"
            entries.append(("numpy.ndarray", "class", page))
        _write(folder / f"{project}.inv", project, entries)
