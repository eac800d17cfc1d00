"""The two-type rule table: what `A + B`, `A @ B`, `kron(A, B)` become for two structured types.

Rules live with the families. The most specific pair of types wins; a rule may decline by returning
`NotImplemented`, and the next one is asked. The defaults (lazy sums and products) are registered by
`matrices/lazy.py`, so `base.py` reaches them through this table only and imports no subclass.
"""

import importlib
from itertools import product
from typing import Any

__all__ = ["combine", "lift", "make", "register"]

_plugged: list[str] = []
OPERATIONS = ("add", "matmul", "kron", "solve", "hadamard")
_table: dict[str, dict] = {op: {} for op in OPERATIONS}
_makers: dict = {}  # lazy wrappers by name: "scaled", "inverse", "dense", "sparse", "operator" ...


def register(op, left, right):
    """Register a rule for a binary operation of two types (a decorator).

    Parameters
    ----------
    op : {"add", "matmul", "kron", "solve", "hadamard"}
        The operation. "solve" is the structured result of ``solve(A, B)`` for a matrix ``B``.
    left, right : type
        Types of the two operands; subclasses match too, the most specific pair first.

    Returns
    -------
    callable
        Decorator for ``rule(A, B)``, which returns a matrix or ``NotImplemented`` to decline.

    Raises
    ------
    ValueError
        For an unknown operation.

    Examples
    --------
    >>> import structmat as sm
    >>> class Ones(sm.Diagonal):
    ...     "A diagonal that knows that it is the identity."
    >>> @sm.register("matmul", Ones, Ones)
    ... def _(A, B):
    ...     return A
    """
    if op not in _table:
        raise ValueError(f"`op` must be one of {OPERATIONS}; got {op!r}")

    def add(rule):
        _table[op][left, right] = rule
        return rule

    return add


def combine(op, A, B):
    """Ask the rules for `op`, from the most specific pair of types to the least."""
    rules = _table[op]
    pairs = product(enumerate(type(A).__mro__), enumerate(type(B).__mro__))
    found = [(i + j, rules[s, t]) for (i, s), (j, t) in pairs if (s, t) in rules]
    for _, rule in sorted(found, key=lambda entry: entry[0]):
        result = rule(A, B)
        if result is not NotImplemented:
            return result
    return NotImplemented


def maker(name):
    """Decorate the constructor that `make(name, ...)` calls (a lazy result or a wrapper)."""

    def add(constructor):
        _makers[name] = constructor
        return constructor

    return add


def plug_in(module):
    """Name the module that registers every rule and maker; it is loaded at the first question."""
    _plugged.append(module)


def make(name: str, *args: Any) -> Any:
    """Build a lazy result or wrapper by name; the families register them when they are loaded."""
    if name not in _makers:
        # The verbs may be imported before any family (`from structmat.linalg import solve`). The
        # face, above everything, said where the families are; nothing down here knows.
        for module in _plugged:
            importlib.import_module(module)
    return _makers[name](*args)


def lift(A):
    """Any array, sparse array or LinearOperator as a StructuredMatrix; one of ours as it is."""
    return A if hasattr(A, "_factorize") else make("lift", A)
