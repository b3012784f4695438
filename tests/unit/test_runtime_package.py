"""Packages: the same bytes each time, and no byte can change unseen."""

from __future__ import annotations

import hashlib
import io
import stat
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.core import archive
from edgewright.core.archive import from_npy, to_npy
from edgewright.core.errors import (
    FileTooLargeError,
    FormatNewerError,
    InputError,
    MissingFileError,
    OutputError,
    PackageDamagedError,
)
from edgewright.core.files import write_atomic
from edgewright.core.package import package_bytes, parse_package, read_package, write_package
from runtime_example import manifest, numbers, parts, window_parts

_BYTES = package_bytes(*parts())


def test_a_package_comes_back_as_it_was_written(tmp_path: Path) -> None:
    manifest, files = parts()
    path = tmp_path / "activity.edge"
    digest = write_package(path, manifest, files)
    package = read_package(path)
    assert digest == package.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert package.files == files
    assert msgspec.structs.replace(package.manifest, files=()) == manifest
    assert {entry.name for entry in package.manifest.files} == set(files)
    assert package.model("float") == files["model.onnx"]
    assert package.vectors().shape == (8, 10)
    assert package.expected("float").shape == (8, 3)
    with pytest.raises(PackageDamagedError, match="one of the forms float, got 'int4'"):
        package.model("int4")


def test_the_same_parts_give_the_same_bytes_and_any_tool_opens_them() -> None:
    manifest, files = parts()
    assert package_bytes(manifest, dict(reversed(files.items()))) == _BYTES
    with zipfile.ZipFile(io.BytesIO(_BYTES)) as opened:
        names = opened.namelist()
        assert opened.testzip() is None
        assert {member.date_time for member in opened.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert names == sorted(names)
    assert "manifest.json" in names


@pytest.mark.slow
@given(st.integers(0, len(_BYTES) - 1), st.integers(1, 255))
@settings(max_examples=300)
def test_any_changed_byte_is_refused(at: int, change: int) -> None:
    data = bytearray(_BYTES)
    data[at] ^= change
    with pytest.raises(InputError):
        parse_package(bytes(data), "p.edge")


@given(st.integers(0, len(_BYTES) - 1))
@settings(max_examples=100)
def test_any_cut_is_refused(length: int) -> None:
    with pytest.raises(PackageDamagedError):
        parse_package(_BYTES[:length], "p.edge")
    with pytest.raises(PackageDamagedError):
        parse_package(_BYTES + _BYTES[:length] + b"x", "p.edge")


def resealed(members: list[tuple[str, bytes]]) -> bytes:
    """Return an archive by somebody who knows how to seal: what is inside must still be refused."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in members:
            opened.writestr(name, data)
        opened.comment = archive._SEAL + b"0" * 64
    body = out.getvalue()[: -archive._SEAL_LENGTH]
    return body + archive._seal(body)


def members() -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(_BYTES)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_altered_members_are_refused_even_when_sealed_again() -> None:
    whole = members()
    altered = bytes([whole["model.onnx"][0] ^ 1]) + whole["model.onnx"][1:]
    extra = [*whole.items(), ("extra.bin", b"1")]
    missing = [(n, d) for n, d in whole.items() if n != "vectors/float.npy"]
    cases = {
        "at p.edge, model.onnx": [(n, altered if n == "model.onnx" else d) for n, d in whole.items()],
        "not listed: extra.bin": extra,
        "missing: vectors/float.npy": missing,
        "'model.onnx' twice": [*whole.items(), ("model.onnx", whole["model.onnx"])],
        "a file manifest.json in the package": [(n, d) for n, d in whole.items() if n != "manifest.json"],
        "plain names of files": [*whole.items(), ("../evil", b"1")],
        "a manifest of a package": [(n, b"{}" if n == "manifest.json" else d) for n, d in whole.items()],
    }
    for message, files in cases.items():
        with pytest.raises(PackageDamagedError, match=message):
            parse_package(resealed(files), "p.edge")


@pytest.mark.parametrize("name", ["/etc/passwd", "a/../b", "..", ".hidden", "a\\b", "C:x", "a//b", "a/", "", "é"])
def test_names_that_leave_the_folder_are_refused(name: str) -> None:
    with pytest.raises(PackageDamagedError):
        package_bytes(manifest(), {**parts()[1], name: b""})


def test_newer_format_is_refused_by_name() -> None:
    whole = members()
    newer = whole["manifest.json"].replace(b'"version": 1', b'"version": 3')
    assert newer != whole["manifest.json"]
    with pytest.raises(FormatNewerError):
        parse_package(resealed([(n, newer if n == "manifest.json" else d) for n, d in whole.items()]), "p.edge")


def test_bombs_are_refused_before_they_unpack() -> None:
    with pytest.raises(FileTooLargeError):
        parse_package(resealed([("zeros", bytes(20 << 20))]), "p.edge")


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PackageDamagedError, match="a file of another kind"):
        parse_package(b"rows,of,a,csv\n" * 20, "p.edge")
    with pytest.raises(MissingFileError, match="no such file"):
        read_package(tmp_path / "gone.edge")
    with pytest.raises(PackageDamagedError):
        read_package(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"forms": {"float": "model.onnx", "int8": "model.int8.onnx"}}, "model.int8.onnx"),
        ({"default": "int8"}, "a default form"),
        ({"tolerance": {}}, "a tolerance for every form"),
        ({"thresholds": {"confidence": float("nan")}}, "manifest"),
    ],
)
def test_a_package_that_would_be_refused_is_not_written(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    manifest, files = parts(**changes)
    with pytest.raises(PackageDamagedError, match=message):
        write_package(tmp_path / "p.edge", manifest, files)
    assert list(tmp_path.iterdir()) == []


def test_windows_and_regression_fit_too(tmp_path: Path) -> None:
    manifest, files = window_parts()
    write_package(tmp_path / "p.edge", manifest, files)
    assert read_package(tmp_path / "p.edge").vectors().shape == (8, 2, 8)


@given(st.binary(max_size=160))
@settings(max_examples=200)
def test_any_bytes_as_an_array_are_read_or_refused(data: bytes) -> None:
    good = to_npy(numbers(2, 3))
    for candidate in (data, good[:10] + data + good[10 + len(data) :], good[: len(data)]):
        try:
            array = from_npy(candidate, "vectors/input.npy")
        except InputError:
            continue
        assert isinstance(array, np.ndarray)


def test_arrays_of_objects_and_giants_are_refused() -> None:
    out = io.BytesIO()
    np.save(out, np.array([{}], object), allow_pickle=True)
    with pytest.raises(PackageDamagedError):
        from_npy(out.getvalue(), "a.npy")
    giant = to_npy(numbers(2, 3)).replace(b"(2, 3)", b"(99999999, 99999999)")
    with pytest.raises(PackageDamagedError):
        from_npy(giant, "a.npy")


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    write_atomic(path, b"one")
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]
    with pytest.raises(OutputError, match="expected to write 1 bytes"):
        write_atomic(tmp_path / "gone" / "a.bin", b"1")


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.bin").mkdir()
    with pytest.raises(OutputError) as caught:
        write_atomic(folder / "a.bin", b"1")
    assert caught.value.exit_code == 74
    assert [p.name for p in folder.iterdir()] == ["a.bin"]
