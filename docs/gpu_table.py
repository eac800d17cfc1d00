"""Which kernel was verified on which card, from benchmarks/results/gpu/*.json and the sources.

A result is about the text of a kernel, which it names by its SHA-256. A kernel is verified when the
newest result about its present text launched it in at least one check, passed all of those, and met
no fault under the sanitizer. Change one character of a source and its kernels are unverified again.
"""

import json
from pathlib import Path

import tables

from structmat._backend import gpu

UNVERIFIED = "not yet verified on a GPU"


def results(folder: Path) -> list[dict]:
    """The results in `folder` that can be read, the newest first."""
    found = []
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else []:
        result = json.loads(path.read_text())
        if isinstance(result, dict) and result.get("schema") == 1:
            found.append(result)
    return sorted(found, key=lambda result: result["date"], reverse=True)


def state(name: str, digest: str, found: list[dict]) -> str:
    """Verified or not, in words: of the kernel `name` whose text has this digest."""
    for result in found:
        kernels = [k for k in result["kernels"] if (k["name"], k["digest"]) == (name, digest)]
        checks = [c for c in result["checks"] if name in c["kernels"] and c["ok"] is not None]
        if not kernels or not checks:
            continue
        where = f"on {result['env']['card']}, {result['date'][:10]}"
        faults = [v for v in result["sanitizer"].values() if isinstance(v, dict)]
        passed = all(c["ok"] and c["deterministic"] is not False for c in checks)
        clean = all(v["ok"] is not False for v in faults)
        if passed and clean and not kernels[0].get("error"):
            return f"verified {where}"
        return f"failed its checks {where}"
    return UNVERIFIED


def rows(found: list[dict]) -> list[dict]:
    """A row for each kernel of the package."""
    return [
        {
            "kernel": f"``{instance.name}``",
            "source": f"``{instance.package.replace('.', '/')}/{instance.source}``",
            "state": state(instance.name, gpu.digest(instance), found),
        }
        for instance in gpu.instances()
    ]


def measured(result: dict) -> list[str]:
    """The timings of a result against their floors, and the peers of the same run."""
    ceilings = result["ceilings"]
    lines = [
        f"Times on {result['env']['card']}, {result['date'][:10]}, commit "
        f"``{(result['git'] or 'unknown')[:12]}``. The floor is what the bytes and the arithmetic "
        f"take at the rates measured in the same run (copy {ceilings['copy_tbs']:.3g} "
        "TB/s); no kernel can be faster.",
        "",
    ]
    lines += tables.listing(
        [
            {
                "case": timing["case"],
                "shape": " x ".join(map(str, timing["shape"])),
                "dtype": timing["dtype"],
                "output": timing["variant"],
                "ms": timing["ms"],
                "floor, ms": timing["floor_ms"],
                "times the floor": timing["ratio"],
                "from Python, ms": timing["python_ms"],
            }
            for timing in result["timings"]
        ]
    )
    if result["peers"]:
        lines += tables.listing(
            [
                {"case": p["case"], "peer": f"{p['lib']} {p['version']}", "ms": p["ms"]}
                for p in result["peers"]
            ]
        )
    return lines


def write(folder: Path, recorded: Path) -> None:
    """Write gpu.rst into `folder` from the results in `recorded`."""
    folder.mkdir(exist_ok=True)
    found = results(recorded)
    lines = tables.listing(rows(found))
    timed = [r for r in found if r["timings"] and r["ceilings"].get("copy_tbs")]
    lines += measured(timed[0]) if timed else ["No run on a card has been recorded.", ""]
    (folder / "gpu.rst").write_text("\n".join(lines))
