"""Cases of the kernels, a module for each room: CASES = [(instance, function), ...].

`function(cp, rng)` runs the library on arrays of `cp` so that `instance` is launched, and asserts
the result against a float64 reference. Sizes are small: a thread's turn costs about 0.1 us.
"""

import importlib
import pkgutil


def all_cases():
    """Every (instance, function) of the modules in this folder."""
    rooms = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return [case for room in rooms for case in importlib.import_module(f"{__name__}.{room}").CASES]
