"""One stage in a process of its own: a fault of the device is sticky, and costs this process only.

The stage writes its records to a file, line by line, so what it found before a crash or a deadline
is kept; what it prints goes to a log, whose end becomes the error text.
"""

import contextlib
import os
import signal
import subprocess
import time
from typing import NamedTuple

from . import record


class Outcome(NamedTuple):
    """What came of a stage; `error` is None where it ran to its end, `code` at the deadline."""

    records: list
    seconds: float
    error: str | None
    code: int | None


def shares(weights, budget):
    """Deadlines are parts of what remains: a stage that ends early leaves its time to the rest.

    Returns a function (index, seconds spent) -> seconds that stage `index` may take.
    """

    def deadline(index, spent):
        return max(budget - spent, 0.0) * weights[index] / sum(weights[index:])

    return deadline


def run(command, records, log, deadline, env=None):
    """Run `command`, which writes to the file `records`, for at most `deadline` seconds."""
    started = time.monotonic()
    records.write_text("")
    with log.open("w") as sink:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a group, so that its own children end with it
            env=env,
        )
        try:
            code = process.wait(deadline)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _end(process)
    seconds = time.monotonic() - started
    found, strange = record.parse(records.read_text(errors="replace"))
    whole = [r for r in found if r[0] != "end"]
    return Outcome(whole, seconds, _error(code, found, strange, deadline, log), code)


def _end(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _error(code, found, strange, deadline, log):
    if code is None:
        return f"past its deadline of {deadline:.1f} s; {_tail(log)}"
    if code:
        return f"exit status {code}; {_tail(log)}"
    if strange:
        return f"{len(strange)} lines are no records, the first: {strange[0][:200]!r}"
    if not found or found[-1][0] != "end":
        return f"ended early; {_tail(log)}"
    return None


def _tail(log, size=2000):
    text = log.read_text(errors="replace").strip()
    return f"its last words: {text[-size:]}" if text else "it printed nothing"
