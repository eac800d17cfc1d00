"""The house keeps its rules: storeys, words, examples, and no assertion used as a check."""

import ast
import doctest
import importlib
import inspect
import pathlib
import pkgutil
import subprocess
import sys

import pytest

import structmat as sm

ROOT = pathlib.Path(sm.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
files = pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
MODULES = sorted(
    m.name
    for m in pkgutil.walk_packages([str(ROOT)], "structmat.")
    if not m.name.endswith(("__main__", "_cupy"))  # what needs CuPy is checked on a device
)


def test_imports_run_down_only():
    project = ROOT.parent / "pyproject.toml"
    if not project.exists():
        pytest.skip("an installed package carries no contracts")
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
    done = subprocess.run(command, cwd=ROOT.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@files
def test_no_assert_is_used_as_a_check(path):
    if path.name == "testing.py":
        return  # its job is to assert
    tree = ast.parse(path.read_text())
    asserts = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    assert not asserts, f"assert in lines {asserts}: python -O would skip it; use _checks"


@files
def test_every_file_says_what_it_is(path):
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), "no docstring"


@files
def test_one_idea_a_file(path):
    lines = len(path.read_text().splitlines())
    assert lines <= 470, f"{lines} lines: does it hold one idea?"


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    module = importlib.import_module(name)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    result = doctest.testmod(module, optionflags=flags)
    assert result.failed == 0


def public():
    for name in sm.__all__:
        thing = getattr(sm, name)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            yield f"structmat.{name}", thing
    for name in sm.linalg.__all__:
        yield f"structmat.linalg.{name}", getattr(sm.linalg, name)


@pytest.mark.parametrize("named", list(public()), ids=lambda named: named[0])
def test_public_names_are_documented(named):
    name, thing = named
    text = inspect.getdoc(thing) or ""
    assert len(text) > 40, f"{name} has no docstring"
    if inspect.isclass(thing) and issubclass(thing, Exception):
        return
    if inspect.isfunction(thing):
        for section in ("Parameters", "Returns", "Examples"):
            if section == "Returns" and name in ("structmat.save",):
                continue
            assert section in text, f"{name}: no {section} section"
        documented = text.split("Parameters", 1)[1]
        for parameter in inspect.signature(thing).parameters:
            assert parameter in documented, f"{name}: `{parameter}` is not documented"


def test_one_function_two_spellings():
    for name in ("solve", "svd", "slogdet", "eigh", "inv", "norm", "lstsq", "explain"):
        assert getattr(sm.StructuredMatrix, name) is getattr(sm.linalg, name)
