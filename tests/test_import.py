"""Importing is free, and loads nothing heavy."""

import subprocess
import sys

import structmat as sm

HEAVY = ("numba", "llvmlite", "cupy", "dask", "matplotlib", "torch", "sklearn")


def run(code):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_import_loads_nothing_heavy():
    code = f"import structmat, sys; print([m for m in {HEAVY} if m in sys.modules])"
    assert run(code) == "[]"


def test_using_small_matrices_loads_nothing_heavy():
    code = (
        "import numpy as np, structmat as sm, sys\n"
        "A = sm.Kronecker(np.eye(3), np.ones((2, 2)) + np.eye(2))\n"
        "A @ np.ones(6); A.solve(np.ones(6)); A.svd(); A.slogdet()\n"
        f"print([m for m in {HEAVY} if m in sys.modules])"
    )
    assert run(code) == "[]"


def test_import_alone_loads_no_scipy_either():
    assert run("import structmat, sys; print('scipy' in sys.modules)") == "False"


def test_every_public_name_loads():
    for name in sm.__all__:
        assert getattr(sm, name) is not None, name
    assert set(dir(sm)) == set(sm.__all__)


def test_unknown_name_is_an_attribute_error():
    try:
        sm.NoSuchThing
    except AttributeError as error:
        assert "NoSuchThing" in str(error)
    else:
        raise AssertionError("no AttributeError")


def test_verbs_can_be_imported_first():
    code = (
        "from structmat.linalg import solve; import numpy as np;"
        "print(solve(2 * np.eye(2), np.ones(2)))"
    )
    assert run(code) == "[0.5 0.5]"
