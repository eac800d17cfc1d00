"""The demonstrations of ``python -m structmat demo``: one file a scene.

A scene is a module of this package whose name has no leading underscore, with a one-line ``TITLE``
and a function ``run(folder)`` that tells what it does with :mod:`structmat.demo._stage`, writes its
figure into the folder and returns what it measured as a dict. Adding a scene is adding a file.
"""

import importlib
import pathlib
import pkgutil

from structmat.demo import _stage
from structmat.demo._stage import MissingPackageError

__all__ = ["MissingPackageError", "run", "scenes"]


def scenes():
    """Names of the scenes, sorted."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def run(names=(), folder="."):
    """Run scenes, all of them by default; figures are written into `folder`.

    Parameters
    ----------
    names : sequence of str
        Which scenes.
    folder : str or path
        Made if it does not exist.

    Returns
    -------
    dict
        What each scene measured, by its name.

    Raises
    ------
    ValueError
        There is no scene of that name.
    MissingPackageError
        A package of the extra ``structmat[demo]`` is missing.
    """
    unknown = sorted(set(names) - set(scenes()))
    if unknown:
        raise ValueError(f"no scene {unknown[0]!r}; there are {', '.join(scenes())}")
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    measured = {}
    for name in names or scenes():
        scene = importlib.import_module(f"{__name__}.{name}")
        _stage.say(scene.TITLE)
        measured[name] = scene.run(folder)
    return measured
