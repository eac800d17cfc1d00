"""The commands of `python -m structmat`, and the scenes on a small picture."""

import importlib.util
import re
import subprocess
import sys

import numpy as np
import pytest

import structmat as sm
from structmat import demo
from structmat.__main__ import main
from structmat.demo import _stage, photograph, transform

HAS_MATPLOTLIB = importlib.util.find_spec("matplotlib") is not None


@pytest.fixture
def picture():
    """Smooth, with an edge; 24 x 31 pixels."""
    i, j = np.mgrid[0:1:24j, 0:1:31j]
    return 0.5 + 0.3 * np.sin(5 * i) * np.cos(4 * j) + 0.15 * (i > j)


def test_scenes_are_found():
    assert "photograph" in demo.scenes()
    assert not any(name.startswith("_") for name in demo.scenes())
    with pytest.raises(ValueError, match="photograph"):
        demo.run(["no such scene"])


def test_every_scene_has_a_title_and_runs():
    for name in demo.scenes():
        scene = importlib.import_module(f"structmat.demo.{name}")
        assert scene.TITLE
        assert callable(scene.run)


def test_denoising_raises_the_likelihood_and_the_quality(picture):
    noisy = photograph.with_noise(picture)
    mean, process = photograph.denoise(noisy)
    assert process.converged_
    assert process.log_marginal_likelihood_ > process.initial_log_marginal_likelihood_ + 1
    assert process.info_.backward_error < 1e-15
    assert abs(process.parameters_["noise"] ** 0.5 - photograph.NOISE) < 0.01
    assert photograph.psnr(picture, mean) > photograph.psnr(picture, noisy) + 5


def test_the_photograph_from_beginning_to_end(picture, tmp_path, capsys, monkeypatch):
    if not HAS_MATPLOTLIB:  # the extra `test` does not bring it: all but the figure is run then
        monkeypatch.setattr(_stage, "require", lambda *modules: None)
        monkeypatch.setattr(photograph, "figure", lambda *pictures: _NoFigure())
    measured = photograph.run(tmp_path, picture=picture)
    text = capsys.readouterr().out
    assert measured["figure"].stat().st_size > 0
    assert measured["unknowns"] == picture.size
    assert measured["dense_bytes"] == 8 * picture.size**2
    assert measured["log_likelihood_after"] > measured["log_likelihood_before"]
    for words in ("unknowns", "as dense", "per evaluation", "backward error", "PSNR", "figure"):
        assert words in text
    assert len(re.findall(r"^  likelihood +\d+: ", text, re.M)) == measured["evaluations"]


class _NoFigure:
    def savefig(self, path, **options):
        path.write_bytes(b"not a figure")


def test_transforms_are_found_and_others_are_not():
    found = {name: transform.find(table) for name, table in transform.tables(32).items()}
    assert found["Fourier"].error < 1e-14
    assert [p for p in found["Fourier"].matrix.patterns if p] == [
        (2**i, 2, 2, 16 >> i) for i in range(5)
    ]
    for name in ("cosine", "random"):  # real splits of rank one hold neither
        assert 0.3 < found[name].lower_bound <= found[name].error < 1
    cosine = transform.tables(32)["cosine"]
    exact = transform.find(cosine, rtol=transform.RTOL)
    assert exact.error < 1e-14
    np.testing.assert_allclose(exact.matrix.toarray(), cosine, atol=1e-14)


def test_compression_keeps_the_largest_coefficients(picture):
    picture = transform.cropped(picture)
    assert picture.shape == (16, 16)
    kept = transform.compressed(picture, sm.Kronecker(*2 * [sm.DCT(16, norm="ortho")]))
    dense = np.kron(*2 * [transform.tables(16)["cosine"]])
    expected = dense @ picture.reshape(-1)
    order = np.argsort(abs(expected))
    expected[order[: -round(transform.KEPT * 256)]] = 0
    np.testing.assert_allclose(kept.reshape(-1), dense.T @ expected, atol=1e-13)


def test_the_transform_from_beginning_to_end(picture, tmp_path, capsys, monkeypatch):
    if not HAS_MATPLOTLIB:
        monkeypatch.setattr(_stage, "require", lambda *modules: None)
        monkeypatch.setattr(transform, "figure", lambda *pictures: _NoFigure())
    measured = transform.run(tmp_path, picture=picture)
    text = capsys.readouterr().out
    assert measured["figure"].stat().st_size > 0
    assert measured["order"] == 16
    assert measured["Fourier"]["error"] < 1e-14
    assert measured["Fourier"]["permuted"]
    assert measured["cosine"]["error"] < 1e-14
    assert measured["random"]["lower_bound"] > 0.3
    assert measured["agreement"] < 1e-14
    assert measured["psnr"] > 20
    assert measured["transform_dense_bytes"] == 8 * 256**2
    for words in ("sparse factors and a permutation", "no fast transform", "SciPy's", "PSNR"):
        assert words in text


def test_the_photograph_is_the_one_in_scikit_learn():
    pytest.importorskip("sklearn")
    pytest.importorskip("PIL")
    picture = photograph.load()
    assert picture.shape == (427, 640)
    assert 0 <= picture.min() < picture.max() <= 1


def test_missing_packages_name_the_extra(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r"structmat\[demo\]"):
        photograph.load()
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert main(["demo", "photograph", "--output", str(tmp_path)]) == 1
    assert "pip install 'structmat[demo]'" in capsys.readouterr().err


def test_progress_overwrites_on_a_terminal(capsys, monkeypatch):
    progress = _stage.Progress()
    progress("one")
    progress.close()
    assert capsys.readouterr().out == "one\n"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    progress = _stage.Progress()
    progress("a long line")
    progress("short")
    progress.close()
    assert capsys.readouterr().out == "\ra long line\rshort      \n"


def test_decimal_bytes():
    assert _stage.decimal_bytes(8 * 273_280**2) == "597 GB"
    assert _stage.decimal_bytes(12) == "12 B"
    assert _stage.peak_memory() is None or _stage.peak_memory() > 2**20


def test_without_arguments_there_is_help(capsys):
    assert main([]) == 0
    out = capsys.readouterr().out
    for command in ("demo", "doctor", "inspect"):
        assert command in out


def test_as_a_module():
    command = [sys.executable, "-m", "structmat", "demo", "--list"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert {"photograph", "transform"} <= set(done.stdout.split())


def test_unknown_scene_is_told(capsys):
    assert main(["demo", "nowhere"]) == 2
    assert "photograph" in capsys.readouterr().err


def test_doctor(capsys):
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert np.__version__ in out
    for word in ("workers", "cache", "GPU", "BLAS"):
        assert word in out


def test_inspect(capsys, tmp_path):
    path = tmp_path / "matrix.npz"
    sm.save(path, sm.Kronecker(np.eye(3), np.ones((2, 2))) + 0.5 * sm.eye(6))
    assert main(["inspect", str(path)]) == 0
    out = capsys.readouterr().out
    assert "6x6 KroneckerPlusDiagonal" in out
    assert "slogdet" in out
    assert main(["inspect", str(tmp_path / "missing.npz")]) == 1
    path.write_bytes(b"something else")
    assert main(["inspect", str(path)]) == 1
    assert "Traceback" not in capsys.readouterr().err
