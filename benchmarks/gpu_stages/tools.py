"""Stages 4 and 6: compute-sanitizer on the smallest cases, ncu on some kernels, where there."""

import csv
import glob
import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ENTRY = Path(__file__).resolve().parent.parent / "gpu_run.py"
CHECKS = ("memcheck", "racecheck")
FAULTS = 86  # exit status for a fault found, unlike any of Python's
METRICS = {
    "dram__bytes_read.sum": "dram_read",
    "dram__bytes_write.sum": "dram_write",
    "sm__warps_active.avg.pct_of_peak_sustained_active": "occupancy_pct",
    "l1tex__data_bank_conflicts_pipe_lsu.sum": "bank_conflicts",
    "gpu__time_duration.sum": "duration",
}
PROFILED = 6


def find(name):
    """Path of a program of the CUDA toolkit, or None."""
    places = [os.environ.get(key, "") + "/bin" for key in ("CUDA_HOME", "CUDA_PATH")]
    places += [*glob.glob("/usr/local/cuda*/bin"), *glob.glob("/opt/nvidia/nsight-compute/*")]
    places += [f"{folder}/nvidia/*/bin" for folder in sys.path if folder]
    places = [match for place in places for match in glob.glob(place)]
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(places))


def plan_sanitizer():
    from . import chains, correctness

    for check in CHECKS:
        yield f"compute-sanitizer {check}, where there is one, over"
    for case in (*correctness.smallest(0), *chains.smallest(0)):
        yield str(case)


def run_sanitizer(context):
    program = find("compute-sanitizer")
    if program is None:
        yield "sanitizer", {"skipped": "no compute-sanitizer"}
        return
    for i, check in enumerate(CHECKS):
        options = [f"--tool={check}", f"--error-exitcode={FAULTS}", "--target-processes=all"]
        seconds = context.left() / (len(CHECKS) - i)
        code, text = _under([program, *options], "smallest", context, seconds)
        found = {"ok": {0: True, FAULTS: False}.get(code), "exit": code, "tail": text[-1500:]}
        yield "sanitizer", {check: found}


def plan_profile():
    yield f"ncu, where there is one, over {PROFILED} kernels: {', '.join(METRICS.values())}"


def run_profile(context):
    program = find("ncu")
    if program is None:
        yield "notes", "profile skipped: no ncu"
        return
    options = [
        "--csv",
        "--clock-control=none",
        "--target-processes=all",
        f"--launch-count={PROFILED * 4}",
    ]
    options += ["--kernel-name=regex:fwht", f"--metrics={','.join(METRICS)}"]
    code, text = _under([program, *options], "profiled", context, context.left())
    profiles = parse_profile(text)
    if not profiles:
        yield "notes", f"ncu gave no profile (exit status {code}): {text[-1500:]}"
    for profile in profiles:
        yield "profiles", profile


def run_profiled(context):
    """What ncu watches: one launch of a few cases, large enough to leave the cache."""
    import cupy

    from structmat.transforms import gpu

    for outer, n, inner in SHAPES[:PROFILED]:
        x = cupy.random.standard_normal((outer, n, inner), dtype="float32")
        gpu.fwht(x, x, outer, n, inner, float(n) ** -0.5)
        cupy.cuda.runtime.deviceSynchronize()
    yield "notes", f"profiled: {SHAPES[:PROFILED]}"


SHAPES = (
    *((1 << 14, 1 << 12, 1), (1 << 11, 1 << 15, 1), (1 << 6, 1 << 20, 1)),
    *((1, 1 << 26, 1), (1, 1 << 14, 1 << 12), (1 << 22, 16, 1)),
)


def _under(prefix, stage, context, seconds):
    """Run a stage of ours under a program; (exit status or None at the deadline, its output)."""
    with tempfile.TemporaryDirectory() as folder:
        command = [*prefix, sys.executable, str(ENTRY), "--stage", stage]
        command += ["--records", f"{folder}/records", "--seed", str(context.seed)]
        command += ["--deadline", str(max(seconds, 1.0))]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=max(seconds, 1.0), check=False
            )
        except subprocess.TimeoutExpired as error:
            return None, _text(error.stdout) + _text(error.stderr) + " (past its deadline)"
        except OSError as error:
            return None, str(error)
    return done.returncode, done.stdout + done.stderr


def _text(output):
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""


def parse_profile(text):
    """Kernels with their metrics from the CSV that ncu prints among other lines."""
    lines = text.splitlines()
    start = next((i for i, row in enumerate(lines) if row.startswith('"ID"')), None)
    if start is None:
        return []
    found = {}
    for row in csv.DictReader(io.StringIO("\n".join(lines[start:]))):
        name = METRICS.get(row.get("Metric Name"))
        if name is None:
            continue
        profile = found.setdefault(row["ID"], {"kernel": row["Kernel Name"]})
        value = (row["Metric Value"] or "").replace(",", "")
        profile[name] = float(value) if _is_number(value) else value
        profile[f"{name}_unit"] = row.get("Metric Unit")
    return list(found.values())


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True
