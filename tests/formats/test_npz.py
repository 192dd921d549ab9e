"""Reading .npz files that may lie."""

import io
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sopo.errors import UserError
from sopo.formats.npz import open_npz, parse_npy, read_npy, read_npy_header


def packed(**arrays: np.ndarray) -> io.BytesIO:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4),
        np.asfortranarray(np.arange(12, dtype=np.int16).reshape(3, 4)),
        np.array("male"),
        np.array(b"female"),
        np.array(120.0),
        np.zeros((0, 3)),
        np.array([True, False]),
    ],
)
def test_what_numpy_wrote_comes_back(array: np.ndarray) -> None:
    with open_npz(packed(a=array), "x.npz") as npz:
        again = npz["a"]
    assert again.dtype == array.dtype and again.shape == array.shape and (again == array).all()


def test_arrays_that_are_not_asked_for_may_be_anything(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, poses=np.ones(3), labels=np.array([{"a": 1}], dtype=object))
    with open_npz(path, path) as npz:
        assert npz.names == ("poses", "labels") and (npz["poses"] == 1).all()
        with pytest.raises(UserError, match="labels: holds pickled objects"):
            npz["labels"]
        with pytest.raises(UserError, match="no array 'trans'; it holds poses, labels"):
            npz["trans"]


def test_files_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.arange(6.0).reshape(2, 3))
    values = read_npy(path)
    values[0] = 0  # whoever reads an array may change it
    with path.open("rb") as file:
        assert read_npy_header(file, "a") == ((2, 3), False, np.dtype(float))
    path.write_bytes(path.read_bytes()[:-1])
    for strange, says in ((path, "truncated"), (tmp_path, "cannot be read"), (tmp_path / "b.npy", "no such file")):
        with pytest.raises(UserError, match=says):
            read_npy(strange)
    with path.open("wb") as file:
        file.truncate(1 << 40)  # a hole: it takes no place on the disk
    with pytest.raises(UserError, match="above 256 MiB"):
        read_npy(path)


@pytest.mark.parametrize("shape", ["(2000000000, 30000)", "(-2, -3)", "(2, 2)", "(2**9, 3)"])
def test_a_header_that_promises_what_is_not_there_allocates_nothing(shape: str) -> None:
    honest = npy(np.zeros((2, 3)))
    lying = re.sub(rb"\(2, 3\), } {%d}" % (len(shape) - 6), shape.encode() + b", }", honest)
    if len(shape) == 6:
        lying = honest.replace(b"(2, 3)", shape.encode())
    with pytest.raises(UserError, match=r"not what follows|not a NumPy array"):
        parse_npy(lying, "x")


def test_a_member_that_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sopo.formats.npz.MAX_BYTES", 1 << 20)
    with open_npz(packed(poses=np.zeros(1 << 17), small=np.zeros(9)), "x.npz") as npz:
        assert len(npz["small"]) == 9
        with pytest.raises(UserError, match="above 1 MiB"):
            npz["poses"]


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packings_that_unpack_without_bound_are_refused(packing: int) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packing) as archive:
        archive.writestr("poses.npy", npy(np.zeros(3)))
    with open_npz(file, "x.npz") as npz, pytest.raises(UserError, match="packed in a way"):
        npz["poses"]


def test_any_damage_is_one_line() -> None:
    good = packed(poses=np.arange(300.0).reshape(100, 3), gender=np.array("male")).getvalue()
    rng = np.random.default_rng(0)
    for _ in range(300):
        bad = bytearray(good)
        for at in rng.integers(0, len(bad), size=3):
            bad[at] = rng.integers(0, 256)
        bad = bad[: rng.integers(1, len(bad) + 1)]
        try:
            with open_npz(io.BytesIO(bytes(bad)), "x.npz") as npz:
                for name in npz.names:
                    npz[name]
        except UserError as error:
            assert "\n" not in str(error)
