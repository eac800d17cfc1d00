"""benchmarks/gpu_run.py without a GPU: the script, the runner of its stages, its file."""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import time

import numpy as np
import pytest
from gpu_run_support import CHECK, SCRIPT, a_result, gpu_run
from gpu_stages import record, report, runner
from gpu_stages.context import Context

from structmat._backend import gpu as backend

# ------------------------------------------------------------- the script


def script(*arguments, env=None):
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, env=env
    )


@pytest.mark.skipif(importlib.util.find_spec("cupy") is not None, reason="CuPy is installed")
def test_without_cupy_it_ends_at_once_and_writes_nothing(tmp_path):
    started = time.monotonic()
    done = script("--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert time.monotonic() - started < 20
    assert "CuPy is not installed" in done.stderr
    assert "structmat[cuda13]" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_dry_run_lists_every_stage_and_imports_no_cupy():
    code = (
        "import sys; sys.modules['cupy'] = None; sys.argv = ['gpu_run.py', '--dry-run'];"
        "import runpy\n"
        f"try: runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
        "except SystemExit as e: assert e.code == 0, e.code\n"
        "assert sys.modules['cupy'] is None and 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for stage in gpu_run.STAGES:
        assert f"\n{stage.name} (" in "\n" + done.stdout
    for text in (
        "FW4 float32 1 x 268435456 x 1",
        "Toeplitz.solve float64",
        "ifwht of",
        "racecheck",
    ):
        assert text in done.stdout
    for instance in backend.instances():
        assert instance.name in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--out DIR"),
        (["--out", "x", "--budget", "0"], "must be positive"),
        (["--out", "x", "--only", "kernel"], "no stage kernel; there are env, ceilings"),
    ],
)
def test_wrong_options_are_refused(arguments, words, capsys):
    with pytest.raises(SystemExit) as refused:
        gpu_run.main(arguments)
    assert refused.value.code == 2
    assert words in capsys.readouterr().err


CARD = """
class cuda:
    class runtime:
        getDeviceCount = staticmethod(lambda: {count})
        runtimeGetVersion = driverGetVersion = staticmethod(lambda: 13000)
        memGetInfo = staticmethod(lambda: (1 << 30, 1 << 31))
        getDeviceProperties = staticmethod(lambda i: dict(name=b"NVIDIA Stub 9000", major=9,
            minor=0, multiProcessorCount=4, totalGlobalMem=1 << 31, l2CacheSize=1 << 20))
    class nvrtc:
        getVersion = staticmethod(lambda: (13, 0))
__version__ = "stub"
"""


def stub(tmp_path, count):
    """A CuPy that answers the first stage only."""
    (tmp_path / "cupy.py").write_text(CARD.format(count=count))
    return os.environ | {"PYTHONPATH": str(tmp_path)}


def test_without_a_device_nothing_is_written(tmp_path):
    done = script("--out", str(tmp_path / "out"), env=stub(tmp_path, 0))
    assert done.returncode == 2
    assert "no CUDA device answers" in done.stderr
    assert not (tmp_path / "out").exists()


def test_stages_that_fail_cost_only_themselves(tmp_path):
    done = script(
        *("--out", str(tmp_path / "out"), "--budget", "100", "--only", "compile,ceilings"),
        *("--seed", "7"),
        env=stub(tmp_path, 1),
    )
    assert done.returncode == 1, done.stdout + done.stderr
    (path,) = (tmp_path / "out").iterdir()
    result = record.validate(json.loads(path.read_text()))
    assert path.name.startswith("gpu-stub-9000-2")
    assert result["env"]["card"] == "NVIDIA Stub 9000"
    assert result["env"]["versions"]["numpy"] == np.__version__
    assert result["seed"] == 7
    errors = {s["name"]: s["error"] for s in result["stages"]}
    assert errors["env"] is None
    assert "AttributeError" in errors["ceilings"]
    assert "AttributeError" in errors["compile"]
    assert "stage ceilings" in done.stdout


def test_a_result_passes_only_if_nothing_failed():
    good = a_result()
    assert gpu_run.passed(good)
    for spoil in (
        lambda r: r["checks"][0].update(ok=False),
        lambda r: r["sanitizer"].update(racecheck={"ok": False}),
        lambda r: r["kernels"][0].update(error="does not compile"),
        lambda r: r["stages"].append({"name": "x", "seconds": 1.0, "error": "crashed"}),
    ):
        bad = a_result()
        spoil(bad)
        assert not gpu_run.passed(bad)


# ------------------------------------------------------------- the runner


def run_code(tmp_path, code, deadline=20.0):
    """A child that has `out`, the file of records, and runs `code`."""
    program = f"import sys, os, time\nout = open(sys.argv[1], 'a')\n{code}"
    records = tmp_path / "records"
    command = [sys.executable, "-c", program, str(records)]
    return runner.run(command, records, tmp_path / "log", deadline)


NOTE = r"""out.write('["notes", "one"]\n'); out.flush()
"""
END = r"""out.write('["end", {}]\n')
"""


def test_a_stage_that_ends(tmp_path):
    outcome = run_code(tmp_path, NOTE + END)
    assert outcome.error is None
    assert outcome.records == [("notes", "one")]


def test_a_stage_that_crashes_keeps_what_it_found(tmp_path):
    outcome = run_code(tmp_path, NOTE + "print('case 3', flush=True); os.abort()")
    assert outcome.records == [("notes", "one")]
    assert "exit status -6" in outcome.error
    assert "case 3" in outcome.error


def test_a_stage_that_raises_is_quoted(tmp_path):
    outcome = run_code(tmp_path, "raise RuntimeError('sticky')")
    assert outcome.records == []
    assert "exit status 1" in outcome.error
    assert "RuntimeError: sticky" in outcome.error


def test_a_stage_that_hangs_is_ended_with_its_children(tmp_path):
    code = NOTE + (
        "import subprocess\n"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(p.pid)); time.sleep(60)"
    )
    outcome = run_code(tmp_path, code, deadline=3.0)
    assert 3.0 <= outcome.seconds < 20
    assert "past its deadline of 3.0 s" in outcome.error
    assert outcome.records == [("notes", "one")]
    status = pathlib.Path("/proc") / (tmp_path / "pid").read_text() / "status"
    for _ in range(50):  # the orphan is reaped by another process, or not at all
        if not status.exists() or "zombie" in status.read_text():
            break
        time.sleep(0.1)
    else:
        pytest.fail("the child of the stage still runs")


def test_a_stage_that_prints_garbage(tmp_path):
    code = NOTE + "print('\\x00 garbage'); out.write('{]\\n[1, 2]\\n[\"kernels\", 3]\\n')\n" + END
    outcome = run_code(tmp_path, code)
    assert outcome.records == [("notes", "one")]
    assert "3 lines are no records, the first: '{]'" in outcome.error


def test_a_stage_that_leaves_early(tmp_path):
    outcome = run_code(tmp_path, NOTE + "out.flush(); os._exit(0)")
    assert outcome.error.startswith("ended early")


def test_time_that_a_stage_leaves_goes_to_the_others():
    share = runner.shares([10, 30, 60], 100.0)
    assert share(0, 0.0) == pytest.approx(10)
    assert share(1, 1.0) == pytest.approx(33)  # 99 s for 30 of 90
    assert share(2, 2.0) == pytest.approx(98)
    assert share(2, 120.0) == 0


def test_a_stage_stops_by_itself_when_its_time_is_out(capsys):
    context = Context(0, 10.0, {"env": {}})
    reached = []
    for case in context.in_time("abcd"):
        reached.append(case)
        if case == "b":
            context.started -= 60
    assert reached == ["a", "b"]
    assert context.notes == ["out of time: 2 of 4 cases left out"]
    assert capsys.readouterr().out.split() == ["a", "b"]


# ------------------------------------------------------------- the file


def test_the_file_survives_a_round_trip():
    result = a_result()
    again = record.validate(json.loads(record.dumps(result)))
    assert again == result
    assert again["kernels"] == [again["kernels"][0]]  # completed, not doubled
    assert again["kernels"][0]["warm_ms"] == 3.0
    assert record.file_name(again) == "gpu-h200-20260102T030405Z.json"


def test_records_pass_through_lines():
    kernel = {"name": "k", "regs": np.int64(3), "compile_ms": float("nan")}
    lines = record.line("kernels", kernel) + record.line("checks", CHECK)
    found, strange = record.parse(lines)
    assert not strange
    assert found == [
        ("kernels", {"name": "k", "regs": 3, "compile_ms": None}),
        ("checks", CHECK),
    ]


def test_incomplete_records_are_strange():
    row = record.line("checks", {k: v for k, v in CHECK.items() if k != "tol"})
    assert record.parse(row) == ([], [row.rstrip("\n")])


def test_a_kernel_known_to_the_warm_stage_only_can_be_written():
    result = record.empty("2026-01-02T03:04:05Z", None, None, 7)
    record.add(result, "kernels", {"name": "k", "warm_ms": 3.0})
    assert json.loads(record.dumps(result))["kernels"][0]["compile_ms"] is None


@pytest.mark.parametrize("spoil", ["schema", "checks", "date", "field"])
def test_what_a_reader_cannot_rely_on_is_refused(spoil):
    result = a_result()
    if spoil == "schema":
        result["schema"] = 2
    elif spoil == "field":
        del result["timings"][0]["ratio"]
    else:
        del result[spoil]
    with pytest.raises(ValueError, match="schema 1|lacks"):
        record.dumps(result)


def test_the_report_names_what_failed():
    result = a_result()
    record.add(result, "checks", CHECK | {"ok": False, "err": None, "error": "wrote outside"})
    record.add(result, "kernels", {"name": "other", "error": "no such type"})
    text = "\n".join(report.lines(result))
    assert "1 of 2 passed" in text
    assert "FAILED fwht float32 [1, 8, 1] seed 1: err - tol 1e-06 wrote outside" in text
    assert "1 compiled, 1 failed" in text
    assert "no such type" in text
    assert "memcheck: clean" in text
    assert "torch.clone 2: 0.5 ms  1.00 x ours" in text


# ------------------------------------------------------------- after a case that broke the device


def outcomes(monkeypatch, *processes):
    """What the runs of a stage give when its processes end as told; and the cases they skip."""
    skipped, left = [], list(processes)

    def stage(stage, folder, result, deadline, skip):
        skipped.append(skip)
        judged, code = left.pop(0)
        error = None if code == 0 else f"ended with {code}"
        return runner.Outcome([("checks", CHECK)] * judged, 1.0, error, code)

    monkeypatch.setattr(gpu_run, "_stage", stage)
    kernels = next(s for s in gpu_run.STAGES if s.name == "kernels")
    assert kernels.resumes
    found = list(gpu_run._outcomes(kernels, None, a_result(), 100.0))
    return len(found), skipped


def test_a_stage_goes_on_after_the_case_that_broke_the_device(monkeypatch):
    assert outcomes(monkeypatch, (5, 1), (2, -11), (9, 0)) == (3, [0, 5, 8])


def test_a_stage_that_judges_nothing_is_not_tried_again(monkeypatch):
    assert outcomes(monkeypatch, (0, 1)) == (1, [0])
    assert outcomes(monkeypatch, (3, 1), (0, 1)) == (2, [0, 3])


def test_a_stage_at_its_deadline_is_not_tried_again(monkeypatch):
    assert outcomes(monkeypatch, (3, None)) == (1, [0])


def test_a_process_skips_the_cases_of_its_predecessors():
    assert list(Context(0, 10.0, {}, skip=2).in_time("abcd")) == ["c", "d"]
