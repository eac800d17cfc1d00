"""save and load: one ``.npz`` with a JSON header, never pickle.

The header tells the version, the family and its parameters; arrays are the members `a0`, `a1` ...
of the archive. On reading, nothing is executed: families are looked up by name among those that are
loaded, and their constructors check every length.
"""

import json
import math
import os
import struct
import tempfile
import zipfile
import zlib

import numpy as np

from structmat import _rules
from structmat._backend.arrays import is_array, move
from structmat.matrices import parameters
from structmat.matrices.base import StructuredMatrix

__all__ = ["load", "save"]

VERSION = 1
_SCALARS = (bool, int, float, str, type(None))
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")  # how an archive begins, and an empty one
# What a damaged or hostile archive makes zipfile, zlib, NumPy, json and the constructors raise.
_BROKEN = (
    KeyError, TypeError, AttributeError, OverflowError, RecursionError, EOFError, struct.error,
    NotImplementedError, UnicodeDecodeError, zlib.error, zipfile.BadZipFile, json.JSONDecodeError,
)  # fmt: skip


def save(path, A):
    """Write a matrix to an ``.npz`` file.

    Parameters
    ----------
    path : str or os.PathLike
        File name; ``.npz`` is appended when missing. The file appears whole or not at all.
    A : StructuredMatrix
        The matrix. Arrays on a GPU are copied to the host.

    Raises
    ------
    TypeError
        A holds something that is not an array, a matrix or a plain value (an Operator).

    Examples
    --------
    >>> import structmat as sm, tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "matrix.npz")
    >>> sm.save(path, sm.Diagonal([1.0, 2.0]))
    >>> sm.load(path) == sm.Diagonal([1.0, 2.0])
    True
    """
    if not isinstance(A, StructuredMatrix):
        raise TypeError(f"`A` must be a StructuredMatrix; got {type(A).__name__}. Arrays: np.save")
    path = os.fspath(path)
    path = path if path.endswith(".npz") else path + ".npz"
    arrays = {}
    header = json.dumps({"structmat": VERSION, "matrix": _describe(A, arrays)})
    folder = os.path.dirname(os.path.abspath(path))
    handle, temporary = tempfile.mkstemp(suffix=".npz", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            text = np.frombuffer(header.encode(), dtype=np.uint8)
            np.savez(file, header=text, **arrays)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _describe(p, arrays):
    if parameters.is_matrix(p):
        inside = {name: _describe(q, arrays) for name, q in parameters.values(p).items()}
        return {"family": type(p).__name__, "parameters": inside}
    if isinstance(p, tuple):
        return {"tuple": [_describe(q, arrays) for q in p]}
    if is_array(p):
        name = f"a{len(arrays)}"
        arrays[name] = move(p, "cpu")
        return {"array": name}
    if isinstance(p, np.dtype):
        return {"dtype": p.str}
    if isinstance(p, complex):
        return {"complex": [p.real, p.imag]}
    if isinstance(p, _SCALARS):
        return {"value": p}
    raise TypeError(f"a {type(p).__name__} cannot be saved; only arrays, matrices and plain values")


def load(path):
    """Read a matrix written by :func:`save`.

    Parameters
    ----------
    path : str or os.PathLike
        File name, with its ``.npz``.

    Returns
    -------
    StructuredMatrix
        The matrix, on the host.

    Raises
    ------
    ValueError
        Not such a file, a newer version, an unknown family, or parameters that do not fit.

    Notes
    -----
    Safe on files from strangers: no pickle, no code; a family is looked up by name. For one that is
    defined elsewhere, import its module first.

    Examples
    --------
    See :func:`save`.
    """
    try:
        # Opened here, because NumPy leaves the file of a broken archive open.
        with open(path, "rb") as file:
            if file.read(4) not in _ZIP:
                # NumPy would take it for a pickle, and say how to open that.
                raise ValueError(f"{path} is not a structmat file: it is no .npz archive")
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                return _read(archive, path)
    except _BROKEN as error:
        raise ValueError(f"{path} is not a structmat file: {error}") from error


def _read(archive, path):
    header = json.loads(bytes(_array(archive, "header")).decode())
    version = header["structmat"]
    if not isinstance(version, int) or not 1 <= version <= VERSION:
        raise ValueError(f"{path}: version {version}; this structmat reads up to {VERSION}")
    return _build(header["matrix"], archive)


def _array(archive, name):
    """A member of the archive, once its declared length is what the file holds."""
    member = archive.zip.getinfo(f"{name}.npy")
    with archive.zip.open(member) as file:
        major, _ = np.lib.format.read_magic(file)
        shape, _, dtype = getattr(np.lib.format, f"read_array_header_{major}_0")(file)
        declared, held = math.prod(shape) * dtype.itemsize, member.file_size - file.tell()
    if dtype.hasobject:
        raise ValueError(f"the array {name!r} holds Python objects; structmat never writes such")
    if declared != held:
        raise ValueError(f"the array {name!r} declares {declared} bytes and holds {held}")
    return archive[name]


def _build(described, archive):
    ((kind, value),) = [("family", described)] if "family" in described else list(described.items())
    if kind == "family":
        name = described["family"]
        if name not in parameters.families:
            raise ValueError(f"unknown family {name!r}; import the package that defines it")
        cls = parameters.families[name]
        inside = {n: _build(p, archive) for n, p in described["parameters"].items()}
        if tuple(inside) != tuple(cls._parameters):
            raise ValueError(f"{name} has parameters {cls._parameters}; the file {tuple(inside)}")
        return cls._from_parameters(**inside)
    return {
        "tuple": lambda: tuple(_build(p, archive) for p in value),
        "array": lambda: _array(archive, value),
        "dtype": lambda: np.dtype(value),
        "complex": lambda: complex(*value),
        "value": lambda: value,
    }[kind]()


_rules.maker("save")(save)
