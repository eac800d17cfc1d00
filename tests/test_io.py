"""Files: whole or not at all, versioned, never pickle, safe to read from strangers."""

import json
import os

import numpy as np
import pytest

import structmat as sm


@pytest.fixture
def A():
    return sm.Kronecker(np.array([[2.0, 1.0], [0.0, 3.0]]), sm.Diagonal([1.0, 2.0, 4.0]))


def rewrite(path, change):
    with np.load(path) as archive:
        members = dict(archive)
    header = json.loads(bytes(members["header"]).decode())
    change(header, members)
    members["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    np.savez(path, **members)


def test_round_trip_appends_the_suffix(A, tmp_path):
    sm.save(tmp_path / "a", A)
    assert os.listdir(tmp_path) == ["a.npz"]
    assert sm.load(tmp_path / "a.npz") == A


def test_nested_and_lazy_matrices(A, tmp_path):
    P = sm.Permutation([5, 4, 3, 2, 1, 0])
    B = (A @ P + sm.Identity(6)) * 2j
    sm.save(tmp_path / "b.npz", B)
    assert sm.load(tmp_path / "b.npz") == B


def test_no_pickle_is_inside(A, tmp_path):
    path = tmp_path / "a.npz"
    A.save(path)
    with np.load(path, allow_pickle=False) as archive:
        assert all(archive[name].dtype != object for name in archive)


def test_a_failed_write_leaves_nothing(tmp_path):
    from scipy.sparse.linalg import LinearOperator

    foreign = sm.aslinearoperator(LinearOperator((2, 2), matvec=lambda x: x, dtype=float))
    with pytest.raises(TypeError, match="cannot be saved"):
        sm.save(tmp_path / "x.npz", foreign)
    assert os.listdir(tmp_path) == []


def test_newer_version_is_refused(A, tmp_path):
    path = tmp_path / "a.npz"
    A.save(path)
    rewrite(path, lambda header, _: header.update(structmat=99))
    with pytest.raises(ValueError, match="version 99"):
        sm.load(path)


def test_unknown_family_is_refused(A, tmp_path):
    path = tmp_path / "a.npz"
    A.save(path)
    rewrite(path, lambda header, _: header["matrix"].update(family="os.system"))
    with pytest.raises(ValueError, match="unknown family"):
        sm.load(path)


def test_missing_array_is_refused(A, tmp_path):
    path = tmp_path / "a.npz"
    A.save(path)
    rewrite(path, lambda _, members: members.pop("a0"))
    with pytest.raises(ValueError, match="not a structmat file"):
        sm.load(path)


def test_shapes_that_do_not_fit_are_refused(tmp_path):
    path = tmp_path / "p.npz"
    sm.save(path, sm.Permutation([1, 0]))
    rewrite(path, lambda _, members: members.update(a0=np.array([1, 7])))
    with pytest.raises(ValueError, match="0..1"):
        sm.load(path)


PICKLE = b"\x80\x04]\x94K\x01a."


@pytest.mark.parametrize(
    "content", [b"", b"not a zip", b"PK\x03\x04 broken", PICKLE, b"\x93NUMPY\x01\x00 broken"]
)
def test_other_files_are_refused(content, tmp_path):
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="x.npz is not a structmat file") as caught:
        sm.load(path)
    assert "pickle" not in str(caught.value)


@pytest.mark.parametrize("saved", [np.eye(2), np.array([{}], dtype=object)])
def test_a_single_array_is_refused(saved, tmp_path):
    np.save(tmp_path / "x.npy", saved, allow_pickle=True)
    with pytest.raises(ValueError, match="not a structmat file") as caught:
        sm.load(tmp_path / "x.npy")
    assert "pickle" not in str(caught.value)


def test_a_header_of_objects_is_refused_unread(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, header=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="holds Python objects"):
        sm.load(path)


def test_a_header_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, header=np.frombuffer(b"\xff\xfe", np.uint8))
    with pytest.raises(ValueError, match="not a structmat file"):
        sm.load(path)


def test_plain_npz_is_refused(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, a=np.ones(2))
    with pytest.raises(ValueError, match="not a structmat file"):
        sm.load(path)


def test_arrays_are_not_saved_as_matrices(tmp_path):
    with pytest.raises(TypeError, match="np.save"):
        sm.save(tmp_path / "x.npz", np.eye(2))
