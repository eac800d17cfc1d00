"""How one case is judged: twice into poisoned outputs between canaries, against the reference."""

import contextlib
import traceback

from structmat._backend import gpu

from . import guard, reference


@contextlib.contextmanager
def launches():
    """The set of names of the kernels that are launched inside."""
    names, prepared = set(), gpu._prepared

    def seen(cp, instance, device):
        names.add(instance.name)
        return prepared(cp, instance, device)

    gpu._prepared = seen
    try:
        yield names
    finally:
        gpu._prepared = prepared


def verdicts(context, cases, xp):
    """The records of `cases`, by their method `judged(xp)`, as far as the time reaches.

    Ends with the error of a case that broke the device: nothing that follows in this process can be
    trusted.
    """
    for case in context.in_time(cases):
        found, error = verdict(case, xp)
        yield "checks", found
        if error is not None and sticky(error):
            raise error


def verdict(case, xp):
    """(the header of `case` and what `case.judged(xp)` found, its error or None)."""
    found = {"err": None, "tol": None, "ok": False, "deterministic": None}
    failure = None
    with launches() as names:
        try:
            found |= case.judged(xp)
        except Exception as error:
            failure = error
            where = traceback.extract_tb(error.__traceback__)[-1]
            text = f"{type(error).__name__}: {error} ({where.filename}:{where.lineno})"
            found["error"] = text[:1000]
            if type(error).__name__ == "OutOfMemoryError":  # of the reference, as a rule
                found["ok"] = None
    return {**case.header(), **found, "kernels": sorted(names)}, failure


def sticky(error):
    """True for an error after which the context of the device is lost."""
    kind = type(error).__name__
    return kind in ("CUDARuntimeError", "CUDADriverError") and "memory allocation" not in str(error)


def written(xp, act, shape, dtype, expected, tol, *, start=None, kept=()):
    """Judge `act(out)`, which fills `out` (in place where `start` is given).

    `kept` are pairs (array, copy of it) of inputs that `act` may not change.
    """
    runs = []
    for _ in range(2):
        target = guard.poisoned(xp, shape, dtype) if start is None else guard.holding(xp, start)
        act(target.array)
        runs.append(target)
    first, second = runs
    return judge(
        xp,
        first.array,
        second.array,
        expected,
        tol,
        intact=first.intact() and second.intact(),
        unchanged=all(guard.same_bytes(xp, x, copy) for x, copy in kept),
    )


def judge(xp, first, second, expected, tol, *, intact=True, unchanged=True):
    """The verdict over two runs of one case; NaN in a result fails every comparison here."""
    if first.shape != expected.shape:
        raise ValueError(f"the result has shape {first.shape}; expected {expected.shape}")
    err, worst = reference.errors(xp, first, expected)
    deterministic = guard.same_bytes(xp, first, second)
    within = err <= tol and worst <= 10 * tol
    found = {"err": err, "worst": worst, "tol": tol, "deterministic": deterministic}
    if not intact:
        found["error"] = "wrote outside its output"
    if not unchanged:
        found["error"] = "changed its input"
    return {**found, "ok": bool(within and deterministic and intact and unchanged)}
