"""Every stage of gpu_run on a stand-in for CuPy: costs, floors, clocks, tools, whole runs."""

import json
import types

import fake_cupy
import numpy as np
import pytest
import scipy.linalg
from gpu_run_support import emulated_card, gpu_run
from gpu_stages import (
    chain_timings,
    chains,
    clock,
    compiling,
    correctness,
    families,
    floors,
    interface,
    peers,
    record,
    report,
    timings,
    tools,
)
from gpu_stages.context import Context

from structmat._backend import gpu as backend


@pytest.fixture
def cupy(monkeypatch):
    return fake_cupy.install(monkeypatch)


@pytest.fixture
def device(monkeypatch):
    return emulated_card(monkeypatch)


# ------------------------------------------------------------- floors


def test_the_cost_counts_additions_and_one_read_and_one_write():
    flops, nbytes = timings.Case("FW1", "float32", 1 << 16, 1 << 12).cost()
    assert nbytes == 2 * 4 * 2**28
    assert flops == 12 * 2**28
    assert timings.Case("", "float64", 3, 8, 5).cost() == (3 * 120, 2 * 8 * 120)


def test_the_floor_is_the_larger_of_bytes_and_additions():
    ceilings = {"copy_tbs": 4.0, "gemm_fp32_tflops": 50.0, "gemm_fp64_tflops": 0.5}
    assert floors.floor_ms(4e9, 1e9, "float32", ceilings) == pytest.approx(1.0)
    assert floors.floor_ms(4e9, 1e9, "float64", ceilings) == pytest.approx(4.0)
    assert floors.floor_ms(4e9, 1e9, "float32", {"copy_tbs": 4.0}) == pytest.approx(1.0)
    assert floors.floor_ms(4e9, 1e9, "float32", {}) is None


def test_buffers_outgrow_the_cache_within_the_memory():
    for nbytes in (64, 1 << 20, 100 << 20, 200 << 20):
        count = floors.buffers(nbytes, 60 << 20, 80 << 30)
        assert count * nbytes > 3 * (60 << 20) or count == 4096
        assert count == 1 or (count - 2) * nbytes <= 3 * (60 << 20)
    assert floors.buffers(1 << 30, 60 << 20, 80 << 30) == 1
    assert floors.buffers(50 << 20, 60 << 20, 200 << 20) == 2
    assert floors.buffers(1 << 30, 60 << 20, 1 << 30) == 1


@pytest.mark.parametrize("memory", [2 << 30, 8 << 30, 80 << 30])
def test_named_cases_fit_the_memory(memory):
    cases = timings.cases(memory)
    assert {c.case for c in cases} >= set(timings.NAMED)
    for case in cases:
        if case.in_place or case.case in timings.NAMED:
            assert 4 * np.dtype(case.dtype).itemsize * case.outer * case.n * case.inner <= memory
    if memory == 80 << 30:
        full = [c for c in cases if c.case in timings.NAMED and c.dtype == "float32"]
        assert {c.outer * c.n for c in full} == {2**28}


# ------------------------------------------------------------- clocks


def a_clock(cupy, per_launch):
    """Events of a device that takes `per_launch` milliseconds a launch; and the launch."""
    now = [0.0]

    class Event:
        def record(self):
            self.at = now[0]

        def synchronize(self):
            pass

    cupy.cuda.Event = Event
    cupy.cuda.get_elapsed_time = lambda a, b: b.at - a.at

    def launch(i):
        now[0] += per_launch(i)

    return launch


def test_a_sample_lasts_long_enough(cupy):
    seen = []
    launch = a_clock(cupy, lambda i: seen.append(i) or 0.01)
    timing = clock.timed(cupy, launch, least_ms=50.0, samples=7)
    assert timing.ms == pytest.approx(0.01)
    assert timing.launches >= 5000
    assert len(seen) >= 7 * timing.launches
    slow = clock.timed(cupy, a_clock(cupy, lambda i: 200.0))
    assert slow.launches == 1
    assert slow.ms == pytest.approx(200.0)


def test_the_median_and_the_quartiles_are_taken(cupy):
    times = iter([1.0] * 5 + [5.0, 1.0, 2.0, 3.0, 4.0, 9.0, 2.5])
    timing = clock.timed(cupy, a_clock(cupy, lambda i: next(times)), least_ms=1.0, warm=3)
    assert timing.launches == 1
    assert timing.ms == 3.0
    assert timing.iqr == pytest.approx(4.5 - 2.25)


def test_the_peer_is_a_walsh_transform(rng):
    x = rng.standard_normal((3, 32))
    expected = x @ scipy.linalg.hadamard(32)
    np.testing.assert_allclose(peers.reshaped(np, x), expected, rtol=0, atol=1e-12)


# ------------------------------------------------------------- every stage, on the stand-in


class Event:
    """A clock on which all that lies between two events takes 60 ms."""

    count = 0

    def record(self):
        Event.count += 1
        self.at = 60.0 * Event.count

    def synchronize(self):
        pass


class Stream:
    def __init__(self, non_blocking):
        self.graph = types.SimpleNamespace(launch=lambda stream: None)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def synchronize(self):
        pass

    begin_capture = synchronize

    def end_capture(self):
        return self.graph


@pytest.fixture
def card(device, monkeypatch):
    """The stand-in with the rest of what the stages ask of CuPy."""
    from gpu import emulated

    rng = np.random.default_rng(0)
    for name, value in (("num_regs", 32), ("local_size_bytes", 0), ("shared_size_bytes", 0)):
        monkeypatch.setattr(emulated.RawKernel, name, value, raising=False)
    monkeypatch.setattr(fake_cupy.ndarray, "data", property(Pointer), raising=False)
    device.__version__ = "14.2.0"
    device.random = types.SimpleNamespace(
        seed=lambda seed: None,
        standard_normal=lambda shape, dtype: device.asarray(
            rng.standard_normal(shape).astype(dtype)
        ),
        randint=lambda low, high, shape, dtype: device.asarray(
            rng.integers(low, high, shape, dtype=dtype)
        ),
    )
    device.get_default_memory_pool = lambda: types.SimpleNamespace(free_all_blocks=lambda: None)
    device.RawKernel = lambda code, name: lambda grid, block, args: None
    device.ElementwiseKernel = lambda *_: lambda x, y: device.copyto(y, x)
    device.cuda.Event, device.cuda.Stream = Event, Stream
    device.cuda.get_elapsed_time = lambda a, b: b.at - a.at
    device.cuda.set_allocator = lambda allocator: None
    device.cuda.nvrtc = types.SimpleNamespace(getVersion=lambda: (13, 0))
    runtime = device.cuda.runtime
    runtime.getDeviceCount = lambda: 1
    runtime.memGetInfo = lambda: (1 << 17, 1 << 17)
    runtime.runtimeGetVersion = runtime.driverGetVersion = lambda: 13000
    properties = {"name": b"NVIDIA Stub 9000", "major": 9, "minor": 0, "multiProcessorCount": 4}
    properties |= {"totalGlobalMem": 1 << 17, "l2CacheSize": 1 << 14}
    runtime.getDeviceProperties = lambda i: properties
    return device


class Pointer:
    def __init__(self, array):
        self.array = array._host
        self.ptr = self.array.ctypes.data if self.array.size else 0

    def copy_from_device_async(self, source, nbytes):
        assert nbytes == self.array.nbytes == source.array.nbytes
        self.array[...] = source.array


def test_every_stage_runs_to_its_end_on_the_stand_in(card, monkeypatch):
    """All of gpu_run but processes: what cannot be typed wrong without this test failing."""
    few = correctness.cases(5, 1 << 20)
    few = [case for case in few if case.elements <= 256][::7]
    monkeypatch.setattr(correctness, "cases", lambda seed, memory: few)
    monkeypatch.setattr(correctness, "smallest", lambda seed: few[:2])
    monkeypatch.setattr(interface, "cases", lambda seed: [interface.Case((4, 8), seed=seed)])
    monkeypatch.setattr(families, "cases", lambda seed: [families.Case("DFT", "solve", "f8", 1)])
    monkeypatch.setattr(timings, "SHORT_MS", 1e9)
    monkeypatch.setattr(chain_timings, "SHORT_MS", 1e9)
    wide, flat = chains.butterfly(8), chains.square_blocks(32, 8, 2)
    judged = [
        chains.Case("butterfly", "float32", wide, 8, seed=1),
        chains.Case("block factor", "complex64", (flat,), 3, flipped=True, seed=2),
        chains.Case("butterfly", "float64", chains.down(wide), 40, True, 3, sampled=True),
    ]
    monkeypatch.setattr(chains, "cases", lambda seed, memory: judged)
    monkeypatch.setattr(chains, "smallest", lambda seed: judged[:1])
    clocked = [
        chain_timings.Case("BF1", "float32", wide, 8),
        chain_timings.Case("blocks", "float32", (flat,), 8, "cuBLAS"),
    ]
    monkeypatch.setattr(chain_timings, "cases", lambda memory: clocked)
    monkeypatch.setattr(tools, "SHAPES", ((2, 16, 1), (1, 8, 3)))
    all_timed = timings.cases(1 << 17)
    short = [case for case in all_timed if case.case in ("FW1", "batch last", "integers")]
    monkeypatch.setattr(timings, "cases", lambda memory: short)
    monkeypatch.setattr("gpu_stages.ceilings.GEMM", (32, 16, 8))
    monkeypatch.setattr("gpu_stages.ceilings.time.monotonic", iter(range(10**6)).__next__)
    monkeypatch.setattr(families, "EPS", families.EPS | {"f8": 2.0**-52})
    result = record.empty("2026-01-02T03:04:05Z", None, None, 5)
    for stage in (*gpu_run.STAGES, *gpu_run.WATCHED):
        if stage.module == "tools" and stage.name != "profiled":
            continue
        context = Context(5, 1e9, json.loads(json.dumps(record.plain(result))))
        for section, item in gpu_run._function(stage, stage.run)(context):
            found, strange = record.parse(record.line(section, item))
            assert not strange, (stage.name, item)
            record.add(result, *found[0])
    assert gpu_run.passed(record.validate(result)), "\n".join(report.lines(result))
    rates = result["ceilings"]
    assert rates["copy_tbs"] == pytest.approx(2 * rates["sweep_bytes"] / 60.0 / 1e9)
    assert {"gemm_fp32_tflops", "gemm_fp64_tflops", "launch_us", "noise"} <= set(rates)
    assert all(k["regs"] == 32 and k["warm_ms"] >= 0 for k in result["kernels"])
    assert len(result["checks"]) == len(few) + len(judged) + 2
    assert any(c["kernels"] for c in result["checks"])
    assert len(result["timings"]) == len(short) + len(clocked)
    for row in result["timings"]:
        assert row["ms"] == pytest.approx(60.0)
        assert row["ratio"] == pytest.approx(60.0 / row["floor_ms"])
        assert row["passes"] >= 1
        assert row["graph_ms"] == pytest.approx(3.0)
    assert {p["lib"] for p in result["peers"]} >= {"cupy.copyto"}
    assert any("no PyTorch" in note for note in result["notes"])
    assert record.file_name(result) == "gpu-stub-9000-20260102T030405Z.json"
    assert "\n".join(report.lines(result)).count("FAILED") == 0


# ------------------------------------------------------------- compiling, tools


def test_compiling_reports_what_the_kernels_take(cupy, monkeypatch):
    kernel = types.SimpleNamespace(num_regs=40, local_size_bytes=8, shared_size_bytes=16)

    def prepare(instance):
        if instance is backend.instances()[0]:
            raise RuntimeError("nvrtc: error")
        return kernel

    monkeypatch.setattr(backend, "prepare", prepare)
    context = Context(0, 60.0, {"env": {"shared_optin": 100 * 1024}})
    records = list(compiling.run(context))
    result = record.empty("d", None, None, 0)
    for section, item in records:
        record.add(result, section, item)
    fitting = [i for i in backend.instances() if i.shared <= 100 * 1024]
    assert [k["name"] for k in result["kernels"]] == [i.name for i in fitting]
    assert "nvrtc" in result["kernels"][0]["error"]
    other = result["kernels"][1]
    assert (other["regs"], other["spill"], other["smem"]) == (40, 8, fitting[1].shared + 16)
    assert other["digest"] == backend.digest(fitting[1])
    assert result["notes"][0].startswith("not for this card")
    record.dumps(result)


NCU = """==PROF== Connected to process 7
profiled
"ID","Process ID","Kernel Name","Section Name","Metric Name","Metric Unit","Metric Value"
"0","7","fwht_rows","x","dram__bytes_read.sum","Mbyte","1,073.5"
"0","7","fwht_rows","x","gpu__time_duration.sum","us","n/a"
"1","7","fwht_columns","x","dram__bytes_read.sum","Mbyte","12"
"1","7","fwht_columns","x","unknown","","12"
"""


def test_the_csv_of_ncu_is_read():
    first, second = tools.parse_profile(NCU)
    assert first == {
        **{"kernel": "fwht_rows", "dram_read": 1073.5, "dram_read_unit": "Mbyte"},
        **{"duration": "n/a", "duration_unit": "us"},
    }
    assert second["dram_read"] == 12
    assert tools.parse_profile("==ERROR== ERR_NVGPUCTRPERM") == []


def test_tools_that_are_not_there_are_recorded(monkeypatch):
    monkeypatch.setattr(tools, "find", lambda name: None)
    context = Context(0, 60.0, {"env": {}})
    assert list(tools.run_sanitizer(context)) == [
        ("sanitizer", {"skipped": "no compute-sanitizer"})
    ]
    assert list(tools.run_profile(context)) == [("notes", "profile skipped: no ncu")]


@pytest.mark.parametrize(("code", "ok"), [(0, True), (tools.FAULTS, False), (1, None)])
def test_the_sanitizer_is_believed_only_when_it_ran(tmp_path, monkeypatch, code, ok):
    program = tmp_path / "compute-sanitizer"
    program.write_text(f"#!/bin/sh\necho $1\nexit {code}\n")
    program.chmod(0o755)
    monkeypatch.setenv("CUDA_HOME", str(tmp_path.parent))
    monkeypatch.setattr(tools, "find", lambda name: str(program))
    found = dict(item for _, r in tools.run_sanitizer(Context(0, 60.0, {})) for item in r.items())
    assert set(found) == set(tools.CHECKS)
    assert found["racecheck"]["ok"] is ok
    assert "--tool=racecheck" in found["racecheck"]["tail"]
