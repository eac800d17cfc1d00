"""Every kernel on a real card: compiled, checked against float64, timed against floor and peers.

    python benchmarks/gpu_run.py --budget 540 --out benchmarks/results/gpu

Writes gpu-<card>-<utc>.json, from which docs/gpu_table.py says what is verified on which card, and
prints a short table last. Needs CuPy, and uses PyTorch, compute-sanitizer and ncu where they are.
Each stage runs in a process of its own with a deadline, so that one which fails costs only itself.

Exit status: 0 if every stage ended and every check passed, 1 if not, 2 without CuPy or a device
(then nothing is written). `--dry-run` lists the cases of all stages, on any machine.
"""

import argparse
import datetime
import importlib
import importlib.util
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

from gpu_stages import record, report, runner  # noqa: E402
from gpu_stages.context import Context  # noqa: E402


class Stage(NamedTuple):
    """`module` of gpu_stages, its functions, and its part of the budget: seconds, of 610."""

    name: str
    module: str
    run: str
    plan: str | None
    seconds: float
    resumes: bool = False  # after the case that broke the device, in a new process


STAGES = (
    Stage("env", "environment", "run", "plan", 20),
    Stage("ceilings", "ceilings", "run", "plan", 30),
    Stage("compile", "compiling", "run", "plan", 45),
    Stage("warm", "compiling", "run_warm", "plan", 15),
    Stage("chains", "chains", "run", "plan", 80, resumes=True),
    Stage("chain_timings", "chain_timings", "run", "plan", 100),
    Stage("kernels", "correctness", "run", "plan", 70, resumes=True),
    Stage("interface", "interface", "run", "plan", 80, resumes=True),
    Stage("sanitizer", "tools", "run_sanitizer", "plan_sanitizer", 40),
    Stage("timings", "timings", "run", "plan", 80),
    Stage("profile", "tools", "run_profile", "plan_profile", 40),
)
# What the tools of the toolkit run: not part of a run by themselves.
WATCHED = (
    Stage("smallest", "correctness", "run_smallest", None, 0),
    Stage("profiled", "tools", "run_profiled", None, 0),
)
RESERVE = 8.0  # seconds for the report and for processes to end


def main(arguments=None):
    options = _options(arguments)
    if options.stage:
        return child(options)
    if options.dry_run:
        return dry_run(_chosen(options.only))
    if importlib.util.find_spec("cupy") is None:
        return _nothing("CuPy is not installed: pip install 'structmat[cuda13]' (or [cuda12])")
    return parent(options, _chosen(options.only))


def _options(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=float, default=540, help="seconds in all")
    parser.add_argument("--out", type=Path, help="folder for the JSON file")
    parser.add_argument("--only", help="stages to run, separated by commas")
    parser.add_argument("--seed", type=int, help="of the random inputs; default: a fresh one")
    parser.add_argument("--dry-run", action="store_true", help="list the cases and stop")
    for name in ("stage", "records", "state", "deadline", "skip"):  # of the processes of stages
        parser.add_argument(f"--{name}", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if not (options.out or options.dry_run or options.stage):
        parser.error("--out DIR says where the JSON file goes")
    if not options.budget > 0:
        parser.error(f"--budget must be positive; got {options.budget}")
    unknown = set(filter(None, (options.only or "").split(","))) - {s.name for s in STAGES}
    if unknown:
        names = ", ".join(s.name for s in STAGES)
        parser.error(f"no stage {', '.join(sorted(unknown))}; there are {names}")
    return options


def _chosen(only):
    """The stages to run; the environment always, since the file is named after the card."""
    names = set(only.split(",")) | {"env"} if only else {s.name for s in STAGES}
    return tuple(s for s in STAGES if s.name in names)


def _last_line(text):
    return (text or "no reason given").splitlines()[-1]


def _nothing(reason):
    print(f"gpu_run: {reason}. Nothing was run and nothing is written.", file=sys.stderr)
    return 2


def _function(stage, name):
    return getattr(importlib.import_module(f"gpu_stages.{stage.module}"), name)


def dry_run(stages):
    for stage in stages:
        print(f"{stage.name} ({stage.seconds:.0f} of {sum(s.seconds for s in STAGES):.0f} parts)")
        for line in _function(stage, stage.plan)():
            print(f"  {line}")
    return 0


# ------------------------------------------------------------- the process of one stage


def child(options):
    stage = next(s for s in (*STAGES, *WATCHED) if s.name == options.stage)
    found = json.loads(Path(options.state).read_text()) if options.state else {"env": {}}
    context = Context(options.seed or 0, float(options.deadline), found, int(options.skip or 0))
    with open(options.records, "a", encoding="utf-8") as out:
        for section, item in _function(stage, stage.run)(context):
            out.write(record.line(section, item))
            out.flush()
        out.write(record.line("end", {}))
    return 0


# ------------------------------------------------------------- the run


def parent(options, stages):
    started = time.monotonic()
    seed = secrets.randbelow(1 << 31) if options.seed is None else options.seed
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    result = record.empty(now, _git("rev-parse", "HEAD"), _dirty(), seed)
    share = runner.shares([s.seconds for s in stages], max(options.budget - RESERVE, 1.0))
    with tempfile.TemporaryDirectory() as folder:
        for i, stage in enumerate(stages):
            deadline = share(i, time.monotonic() - started)
            for outcome in _outcomes(stage, Path(folder), result, deadline):
                for section, item in outcome.records:
                    record.add(result, section, item)
                ended = {"name": stage.name, "seconds": outcome.seconds, "error": outcome.error}
                record.add(result, "stages", ended)
                print(f"{stage.name}: {outcome.seconds:.1f} s {outcome.error or ''}", flush=True)
            if stage.name == "env" and "card" not in result["env"]:
                return _nothing(f"no CUDA device answers ({_last_line(outcome.error)})")
    path = write(result, options.out)
    print("\n".join(report.lines(result)))
    print(f"written: {path}")
    return 0 if passed(result) else 1


def _outcomes(stage, folder, result, deadline):
    """Of the stage, and of the rest of its cases after one that broke the device."""
    until, skip = time.monotonic() + deadline, 0
    while True:
        outcome = _stage(stage, folder, result, until - time.monotonic(), skip)
        yield outcome
        judged = sum(section == "checks" for section, _ in outcome.records)
        if not (stage.resumes and outcome.code and judged and time.monotonic() < until):
            return
        # A case that ends the process with a signal has left no record.
        skip += judged + (outcome.code < 0)


def _stage(stage, folder, result, deadline, skip):
    records, state = folder / f"{stage.name}.records", folder / "state.json"
    state.write_text(json.dumps(record.plain(result)))
    command = [sys.executable, str(HERE / "gpu_run.py"), "--stage", stage.name]
    command += ["--records", str(records), "--state", str(state)]
    command += ["--seed", str(result["seed"]), "--deadline", str(deadline), "--skip", str(skip)]
    # The cache starts empty and serves all stages; the cards of others are left alone.
    env = os.environ | {"CUPY_CACHE_DIR": str(folder / "cupy"), "PYTHONUNBUFFERED": "1"}
    return runner.run(command, records, folder / f"{stage.name}.log", deadline, env)


def passed(result):
    """True if every stage ended and nothing that was judged failed."""
    sanitized = [r for r in result["sanitizer"].values() if isinstance(r, dict)]
    judged = [*(c["ok"] for c in result["checks"]), *(r["ok"] for r in sanitized)]
    kernels = any("error" in k for k in result["kernels"])
    return False not in judged and not kernels and not any(s["error"] for s in result["stages"])


def write(result, folder):
    """Write the file; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / record.file_name(result)
    path.write_text(record.dumps(result))
    return path


def _git(*arguments):
    """The output of git, None outside a repository."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=HERE, capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _dirty():
    status = _git("status", "--porcelain")
    return None if status is None else bool(status)


if __name__ == "__main__":
    sys.exit(main())
