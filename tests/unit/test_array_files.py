"""Files of arrays that are damaged, or declare more than they hold: one clear error, within memory and time."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from edgewright.core import array_files
from edgewright.core.array_files import main, read_mat, read_npy, read_npz
from edgewright.core.csv.rows import read_csv
from edgewright.core.errors import ArrayFileError, EdgewrightError, FileTooLargeError
from edgewright.data.load import load_data

VALUES = np.random.default_rng(0).normal(size=(50, 3))
LABELS = np.array(["on", "off"] * 25)


def header(shape: tuple[int, ...], descr: str = "<f8") -> bytes:
    """Return the header of an .npy file."""
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def archive(content: bytes, kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", kind) as file:
        file.writestr("X.npy", content)
    return stream.getvalue()


def test_arrays_are_read_as_numpy_reads_them(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", X=VALUES, y=LABELS, t=np.asfortranarray(VALUES.astype(np.float32)))
    with np.load(tmp_path / "a.npz") as expected:
        read = read_npz(tmp_path / "a.npz", "a.npz")
        assert list(read) == expected.files
        for name in read:
            np.testing.assert_array_equal(read[name], expected[name])
    assert list(read_npz(tmp_path / "a.npz", "a.npz", ["y", "z"])) == ["y"]
    np.save(tmp_path / "a.npy", np.float32(3))
    assert read_npy(tmp_path / "a.npy", "a.npy") == 3


@pytest.mark.parametrize(
    "content",
    [
        header((1 << 40,)),
        header((1 << 31, 1 << 31, 1 << 31)),
        header((3, -1)) + bytes(100),
        header((1 << 62,), "|S0"),
        header((4,), "|O") + bytes(100),
        header((4,)) + bytes(31),
        header((4,), "no type") + bytes(100),
        b"\x93NUMPY\x01\x00\xff\xff{",
        b"\x93NUMPY\x09\x00" + bytes(100),
        b"",
        b"text",
    ],
)  # fmt: skip
def test_a_shape_that_the_file_cannot_hold_is_refused_before_it_is_allocated(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    (tmp_path / "a.npz").write_bytes(archive(content))
    tracemalloc.start()
    for read in (lambda: read_npy(tmp_path / "a.npy", "a"), lambda: read_npz(tmp_path / "a.npz", "a")):
        with pytest.raises(ArrayFileError):
            read()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


def test_arrays_beyond_the_free_memory_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "a.npz", X=np.zeros(10_000))
    monkeypatch.setattr(array_files, "free_bytes", lambda: 50_000.0)
    with pytest.raises(FileTooLargeError):
        read_npz(tmp_path / "a.npz", "a.npz")


@pytest.mark.parametrize("kind", ["npy", "npz", "stored"])
def test_damaged_arrays_are_values_or_a_clear_error(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{'npy' if kind == 'npy' else 'npz'}"
    if kind == "npy":
        np.save(path, VALUES)
    else:
        (np.savez_compressed if kind == "npz" else np.savez)(path, X=VALUES, y=LABELS)
    whole, rng = path.read_bytes(), np.random.default_rng(1)
    for trial in range(150):
        data = bytearray(whole[: rng.integers(1, len(whole))] if trial % 3 == 0 else whole)
        for index in rng.integers(0, len(data), 1 + trial % 5):
            data[index] = rng.integers(256)
        path.write_bytes(data)
        for read in (lambda: load_data({"kind": "numpy", "path": str(path)}, seed=0),
                     lambda: read_csv(path, name="a", text_columns=["y"]) if kind != "npy" else None):  # fmt: skip
            try:
                read()
            except EdgewrightError as error:
                assert "\n" not in str(error)


def test_matlab_files_are_read_in_a_process_of_their_own(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"X": VALUES, "y": LABELS, "arr_0": np.arange(50)}, do_compression=True)
    read = read_mat(tmp_path / "a.mat", "a.mat")
    np.testing.assert_array_equal(read["X"], VALUES)
    assert np.char.strip(read["y"]).tolist() == LABELS.tolist()
    assert read["arr_0"].ravel().tolist() == list(range(50))
    savemat(tmp_path / "b.mat", {"cells": np.array([{"a": 1}, "b"], dtype=object)})
    with pytest.raises(ArrayFileError) as caught:
        read_mat(tmp_path / "b.mat", "b.mat")
    assert caught.value.where == "b.mat cells"


def test_a_reader_that_takes_too_long_or_too_much_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    savemat(tmp_path / "a.mat", {"X": VALUES})
    with monkeypatch.context() as patch:
        patch.setattr(array_files, "BASE_S", 0.01)
        with pytest.raises(ArrayFileError, match="0 s"):
            read_mat(tmp_path / "a.mat", "slow")
    with monkeypatch.context() as patch:
        patch.setattr(array_files, "BASE_BYTES", 1 << 20)
        patch.setattr(array_files, "BYTES_PER_BYTE", 0)
        patch.setattr(array_files, "free_bytes", lambda: 0.0)
        with pytest.raises(ArrayFileError):
            read_mat(tmp_path / "a.mat", "large")
    assert read_mat(tmp_path / "a.mat", "a.mat")["X"].shape == VALUES.shape


def test_a_truncated_matlab_file_is_a_clear_error(tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                                  monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    """The part that reads runs here, without its limits, which would be those of the tests."""
    monkeypatch.setattr("resource.setrlimit", lambda kind, limits: None)
    savemat(tmp_path / "a.mat", {"X": VALUES})
    whole = (tmp_path / "a.mat").read_bytes()
    for length in range(0, len(whole) - 8, 97):
        (tmp_path / "a.mat").write_bytes(whole[:length])
        assert main([str(tmp_path / "a.mat"), str(tmp_path / "out.npz"), "0"]) == 0
        assert '"error"' in capsys.readouterr().out or length < 128
