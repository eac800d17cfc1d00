"""The table of the GPU page: which kernel is verified on which card."""

from gpu_run_support import a_result, gpu_table
from gpu_stages import record

from structmat._backend import gpu as backend

# ------------------------------------------------------------- the table of the docs


def test_without_results_nothing_is_verified(tmp_path):
    gpu_table.write(tmp_path / "generated", tmp_path / "absent")
    text = (tmp_path / "generated" / "gpu.rst").read_text()
    assert text.count(gpu_table.UNVERIFIED) == len(backend.instances())
    assert "- verified on" not in text
    assert "No run on a card has been recorded" in text


def test_a_kernel_is_verified_by_its_digest(tmp_path):
    instance = backend.instances()[0]
    result = a_result(digest=backend.digest(instance), name=instance.name)
    (tmp_path / "r.json").write_text(record.dumps(result))
    gpu_table.write(tmp_path / "generated", tmp_path)
    text = (tmp_path / "generated" / "gpu.rst").read_text()
    assert text.count("verified on NVIDIA H200, 2026-01-02") == 1
    assert text.count(gpu_table.UNVERIFIED) == len(backend.instances()) - 1
    assert "copy 4.3 TB/s" in text
    assert "torch.clone 2" in text


def states(*found):
    return gpu_table.state("k<float>", "d" * 64, list(found))


def test_what_does_not_verify_a_kernel():
    assert states(a_result()) == "verified on NVIDIA H200, 2026-01-02"
    assert states(a_result(digest="e" * 64)) == gpu_table.UNVERIFIED
    unchecked = a_result()
    unchecked["checks"][0]["kernels"] = ["another"]
    assert states(unchecked) == gpu_table.UNVERIFIED
    skipped = a_result()
    skipped["checks"][0]["ok"] = None
    assert states(skipped) == gpu_table.UNVERIFIED
    for spoil in (
        lambda r: r["checks"][0].update(ok=False),
        lambda r: r["checks"][0].update(deterministic=False),
        lambda r: r["sanitizer"].update(racecheck={"ok": False}),
        lambda r: r["kernels"][0].update(error="does not compile"),
    ):
        bad = a_result()
        spoil(bad)
        assert states(bad) == "failed its checks on NVIDIA H200, 2026-01-02"


def test_the_newest_result_about_the_present_text_decides(tmp_path):
    bad = a_result("2026-03-01T00:00:00Z")
    bad["checks"][0]["ok"] = False
    other_text = a_result("2026-04-01T00:00:00Z", digest="e" * 64)
    for i, result in enumerate((a_result(), bad, other_text)):
        (tmp_path / f"{i}.json").write_text(record.dumps(result))
    found = gpu_table.results(tmp_path)
    assert [r["date"][:7] for r in found] == ["2026-04", "2026-03", "2026-01"]
    assert states(*found).startswith("failed its checks on NVIDIA H200, 2026-03-01")
    assert states(found[0], found[2]).startswith("verified on NVIDIA H200, 2026-01-02")
