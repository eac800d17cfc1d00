"""The result of a run: one JSON object, filled record by record; also what a reader may rely on.

Maps are merged, lists are appended to; a kernel that is there already is completed by later records
of the same name. A number that is not finite is written as null: JSON has no NaN.
"""

import json
import math
import re

SCHEMA = 1
MAPS = ("env", "ceilings", "sanitizer")
LISTS = {
    "kernels": ("name", "digest", "regs", "spill", "smem", "compile_ms"),
    "checks": ("op", "dtype", "shape", "seed", "err", "tol", "ok", "deterministic", "kernels"),
    "timings": (
        *("case", "variant", "dtype", "shape", "ms", "iqr", "bytes", "flops"),
        *("floor_ms", "ratio", "python_ms"),
    ),
    "peers": ("case", "lib", "version", "dtype", "ms"),
    "profiles": ("kernel",),
    "stages": ("name", "seconds", "error"),
    "notes": (),
}
HEADER = ("schema", "date", "git", "dirty", "seed")


def empty(date, git, dirty, seed):
    """A result without records."""
    header = dict(zip(HEADER, (SCHEMA, date, git, dirty, seed)))
    return header | {name: {} for name in MAPS} | {name: [] for name in LISTS}


def add(result, section, record):
    """Put one record where it belongs."""
    record = plain(record)
    if section in MAPS:
        result[section].update(record)
        return
    if section == "kernels":
        for known in result[section]:
            if known["name"] == record["name"]:
                known.update(record)
                return
        record = dict.fromkeys(LISTS[section]) | record
    result[section].append(record)


def plain(x):
    """`x` in the types of JSON: scalars of NumPy unwrapped, what is not finite is None."""
    if isinstance(x, dict):
        return {str(key): plain(value) for key, value in x.items()}
    if isinstance(x, list | tuple):
        return [plain(value) for value in x]
    if hasattr(x, "item"):
        x = x.item()
    if isinstance(x, float) and not math.isfinite(x):
        return None
    return x if isinstance(x, bool | int | float | str | None) else str(x)


def line(section, record):
    """One record as a line of the file through which a stage reports."""
    return json.dumps([section, plain(record)], allow_nan=False) + "\n"


def parse(text):
    """The records in the lines of `text`, and the lines that are none."""
    found, strange = [], []
    for row in text.splitlines():
        try:
            section, record = json.loads(row)
        except (TypeError, ValueError):  # a line that a dying process left half-written, too
            strange.append(row)
            continue
        if section in ("end", "notes") or _is_record(section, record):
            found.append((section, record))
        else:
            strange.append(row)
    return found, strange


def _is_record(section, record):
    if not isinstance(section, str) or not isinstance(record, dict):
        return False
    if section == "kernels":  # completed by several records
        return "name" in record
    return section in MAPS or (section in LISTS and set(LISTS[section]) <= set(record))


def validate(result):
    """Refuse a result that a reader of schema 1 cannot rely on; returns it."""
    if not isinstance(result, dict) or result.get("schema") != SCHEMA:
        raise ValueError(f"not a result of schema {SCHEMA}")
    missing = [name for name in (*HEADER, *MAPS, *LISTS) if name not in result]
    if missing:
        raise ValueError(f"the result lacks {', '.join(missing)}")
    for section, required in LISTS.items():
        for record in result[section]:
            lacks = [name for name in required if name not in record]
            if lacks:
                raise ValueError(f"a record of {section} lacks {', '.join(lacks)}: {record}")
    return result


def dumps(result):
    """The text of the file."""
    return json.dumps(plain(validate(result)), indent=1, allow_nan=False) + "\n"


def file_name(result):
    """gpu-<card>-<utc>.json, in small letters."""
    card = re.sub(r"[^a-z0-9]+", "-", result["env"].get("card", "unknown").lower())
    stamp = re.sub(r"[^0-9TZ]", "", result["date"])
    return f"gpu-{card.removeprefix('nvidia-').strip('-')}-{stamp}.json"
