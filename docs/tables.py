"""Tables of measured speed, made from benchmarks/results/*.json; no number in the docs is typed.

A result file is one JSON object::

    {"title": "...", "machine": "...", "notes": ["..."], "rows": [{"case": "...", "ratio": 1.3}]}

The columns are the keys of the first row, in its order; everything but ``rows`` may be absent.
"""

import json
from pathlib import Path


def _cell(value) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return "" if value is None else str(value)


def _table(path: Path) -> list[str]:
    result = json.loads(path.read_text())
    rows = result.get("rows", []) if isinstance(result, dict) else result
    title = result.get("title", path.stem) if isinstance(result, dict) else path.stem
    lines = [title, "-" * len(title), ""]
    if isinstance(result, dict):
        lines += [
            line
            for key in ("machine", "date", "versions")
            if key in result
            for line in (f":{key}: {result[key]}",)
        ]
        lines += ["", *(f"- {note}" for note in result.get("notes", [])), ""]
    return [*lines, *(listing(rows) if rows else ["No rows.", ""])]


def listing(rows: list[dict]) -> list[str]:
    """The lines of a list-table of `rows`, whose columns are the keys of the first."""
    columns = list(rows[0])
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in [dict(zip(columns, columns)), *rows]:
        cells = [_cell(row.get(column)) for column in columns]
        lines += [f"   {'* ' if i == 0 else '  '}- {cell}".rstrip() for i, cell in enumerate(cells)]
    return [*lines, ""]


def write(folder: Path, results: Path) -> None:
    """Write speed.rst into `folder` from the JSON files in `results`."""
    folder.mkdir(exist_ok=True)
    files = sorted(results.glob("*.json")) if results.is_dir() else []
    lines = [line for path in files for line in _table(path)]
    none = [
        "No result has been recorded yet; ``python benchmarks/bench_kronecker.py`` makes one.",
        "",
    ]
    (folder / "speed.rst").write_text("\n".join(lines or none))
