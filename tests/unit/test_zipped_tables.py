"""ZIP files of tables are read as the folders that they were made of; hostile ones are refused in a line."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cli_runner import Cli
from edgewright.core.errors import ArchiveDamagedError, InputError
from edgewright.data import contract
from edgewright.data.load import guess, load_data
from edgewright.workflows.own_data.proposal import OwnDataRequest, look


def folder_of_labels(folder: Path) -> Path:
    """Write recordings that are labelled by their folders, with what may lie beside them."""
    rng = np.random.default_rng(0)
    for label, strength in (("walk", 3.0), ("rest", 0.1)):
        (folder / label).mkdir(parents=True)
        for number in range(4):
            rows = "".join(f"{a:.3f},{b:.3f}\n" for a, b in rng.normal(0, strength, (60, 2)))
            (folder / label / f"{number}.csv").write_text("a,b\n" + rows)
    (folder / "notes.jsonl").write_text('{"a": 1}\n')
    (folder / "README.txt").write_text("about\n")
    return folder


@pytest.mark.filterwarnings("ignore::edgewright.core.errors.DataWarning")
def test_a_zip_file_gives_what_its_folder_gives(tmp_path: Path, cli: Cli) -> None:
    folder = folder_of_labels(tmp_path / "both")
    expected = look(OwnDataRequest(path=str(folder)))
    for name, root in (("plain", folder), ("packed", tmp_path)):
        archive = Path(shutil.make_archive(str(tmp_path / name), "zip", root, "both" if root == tmp_path else "."))
        data_report = look(OwnDataRequest(path=str(archive)))
        assert data_report.preview.table == {"kind": "folder", "path": str(archive)}
        assert (
            data_report.preview.sentence([])
            == expected.preview.sentence([])
            == "without 1 file of another kind (notes.jsonl)"
        )
        assert [r.name for r in data_report.dataset.recordings] == [r.name for r in expected.dataset.recordings]
        assert data_report.dataset.origin == str(archive)
        for one, other in zip(data_report.dataset.recordings, expected.dataset.recordings, strict=True):
            assert np.array_equal(one.values, other.values)
            assert np.array_equal(one.target, other.target)
        archive.unlink()
    archive = Path(shutil.make_archive(str(tmp_path / "both"), "zip", folder))
    assert "rest" in cli("check", archive)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ((("../a.csv", "a\n1\n"), ("b.csv", "a\n1\n")), "inside the ZIP file's own folder, got '../a.csv'"),
        ((("/a.csv", "a\n1\n"),), "inside the ZIP file's own folder, got '/a.csv'"),
        ((("x\\..\\..\\a.csv", "a\n1\n"),), "inside the ZIP file's own folder"),
        ((("a.csv", "a\n1\n"), ("a.csv", "a\n2\n")), "files of different names, got a.csv twice"),
        ((("a.csv", "a\n" + "1\n" * 2000),), "tables of at most 0 GiB in all"),
    ],
)
def test_a_hostile_zip_file_is_a_line(
    members: tuple[tuple[str, str], ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contract, "LARGEST", 2000)
    path = tmp_path / "data.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members:
            if name in archive.namelist():
                with pytest.warns(UserWarning, match="Duplicate name"):
                    archive.writestr(name, text)
            else:
                archive.writestr(name, text)
    assert guess(str(path)) == {"kind": "folder", "path": str(path)}
    with pytest.raises(InputError, match=message.replace("\\", ".")):
        load_data({"kind": "folder", "path": str(path)}, seed=0)
    assert [file.name for file in tmp_path.iterdir()] == ["data.zip"]


def test_a_damaged_zip_file_and_other_files_are_a_line(tmp_path: Path, cli: Cli) -> None:
    path = tmp_path / "data.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", "a,y\n" + "".join(f"{i * 37 % 101},{'on' if i % 2 else 'off'}\n" for i in range(500)))
    whole = path.read_bytes()
    path.write_bytes(whole[:60] + b"\xff\xff\xff\xff" + whole[64:])
    assert cli("init", path, "--yes", "--out", tmp_path / "out", code=2).count("\n") == 1
    locked = bytearray(whole)
    locked[6] |= 1
    locked[whole.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(locked))
    assert "without a password" in cli("init", path, "--yes", "--out", tmp_path / "out", code=2)
    (tmp_path / "a.csv").write_text("a\n1\n")
    with pytest.raises(ArchiveDamagedError, match="a folder or a ZIP file of tables, got another file"):
        load_data({"kind": "folder", "path": str(tmp_path / "a.csv")}, seed=0)
