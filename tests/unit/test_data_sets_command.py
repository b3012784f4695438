"""`edgewright data` and what it rests on: archives, folders of downloads, files of rows."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from edgewright.cli.folder import FolderOfCommands
from edgewright.data.contract import Documented, RemoteFile
from edgewright.data.load import load_data
from edgewright.data.public import REMOVED, download, folder_of, names, public_set, public_sets, unpack, verify
from edgewright.data.sets import machines, series
from edgewright.schema.errors import CheckFailedError, InputError, UnknownNameError

HEAD = '"date","Temperature","Humidity","Light","CO2","HumidityRatio","Occupancy"'
ROWS = (
    '"1","2015-02-04 17:51:00",23.18,27.272,426,721.25,0.0048,1',
    '"2","2015-02-04 17:52:00",23.15,27.2675,,714,0.0047,0',
)


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(FolderOfCommands("edgewright.cli.commands.data"), arguments)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Provide a small folder in the form of the set occupancy."""
    folder = tmp_path / "copy"
    folder.mkdir()
    (folder / "datatraining.txt").write_text("\n".join([HEAD, *ROWS]) + "\n")
    return folder


def test_list_names_every_set() -> None:
    text = _run("list")
    assert text.exit_code == 0
    rows = json.loads(_run("list", "--json").output)
    assert [row["name"] for row in rows] == list(names())
    for row in rows:
        assert row["name"] in text.output
        assert row["task"] in text.output
        assert row["licence"] in text.output


def test_get_sums_a_folder_up(copy: Path) -> None:
    result = _run("get", "occupancy", "--from", str(copy))
    assert result.exit_code == 0, result.output
    for words in ("temperature (°C)", "rows        2", "empty 1, occupied 1", "no documented copy", "Candanedo"):
        assert words in result.output
    summary = json.loads(_run("get", "occupancy", "--from", str(copy), "--json").output)
    assert (summary["recordings"], summary["rows"], summary["classes"]) == (1, 2, {"empty": 1, "occupied": 1})


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_get_writes_rows(copy: Path, tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"rows.{ending}"
    assert _run("get", "occupancy", "--from", str(copy), "--out", str(out)).exit_code == 0
    frame = pl.read_parquet(out) if ending == "parquet" else pl.read_csv(out)
    assert frame.columns == ["recording", "time", *(c.name for c in series.OCCUPANCY_COLUMNS), "occupancy"]
    assert frame["light"].to_list() == [426.0, None]
    assert frame["occupancy"].to_list() == ["occupied", "empty"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["copy", out.name]


def test_get_refuses_before_it_works(copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(public_sets(), "of_several_origins", replace(public_set("occupancy"), url="", files=()))
    for arguments, error, text in (
        (("nope",), UnknownNameError, "no public set 'nope'"),
        (("ocupancy", "--from", str(copy)), UnknownNameError, "Did you mean 'occupancy'"),
        (("occupancy", "--from", str(tmp_path / "absent")), InputError, "no such path"),
        (("occupancy", "--from", str(copy), "--out", str(tmp_path / "a.xlsx")), InputError, r".parquet or .csv"),
        (("occupancy", "--from", str(copy), "--out", str(tmp_path / "no" / "a.csv")), InputError, "existing folder"),
        (("of_several_origins",), InputError, "--from PATH"),
        *(((name,), InputError, f"{name}, which was removed") for name in REMOVED),
    ):
        result = _run("get", *arguments)
        assert isinstance(result.exception, error), arguments
        assert text in str(result.exception)


def test_get_reads_an_archive(copy: Path, tmp_path: Path) -> None:
    packed = tmp_path / "series.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(copy / "datatraining.txt", "inside/deeper/datatraining.txt")
    assert json.loads(_run("get", "occupancy", "--from", str(packed), "--json").output)["rows"] == 2


def test_download_unpacks_verifies_and_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEWRIGHT_DATA", str(tmp_path / "kept"))
    with pytest.raises(InputError, match="edgewright data get ai4i2020"):
        folder_of("ai4i2020", machines.SETS["ai4i2020"])
    head = "UDI,Product ID,Type,Air temperature [K],Process temperature [K],Rotational speed [rpm],Torque [Nm]"
    body = (
        f"{head},Tool wear [min],Machine failure\n1,M1,M,298.1,308.6,1551,42.8,0,0\n2,L2,L,298.2,308.7,1408,46.3,3,1\n"
    )
    inner, outer = io.BytesIO(), tmp_path / "origin.zip"
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("ai4i2020.csv", body)
    with zipfile.ZipFile(outer, "w") as archive:
        archive.writestr("set.zip", inner.getvalue())
    known = machines.SETS["ai4i2020"]
    other = replace(known, files=(RemoteFile(url=outer.as_uri(), name="a.zip", check="two rows"),))
    monkeypatch.setitem(public_sets(), "ai4i2020", other)
    result = _run("get", "ai4i2020")
    # The rows are there, but two are not the documented ten thousand: a check says no.
    assert isinstance(result.exception, CheckFailedError)
    assert "no documented copy" in result.output
    assert "[####" in result.stderr or "a.zip" in result.stderr
    data = load_data({"kind": "ai4i2020"}, seed=0)
    assert data.recordings[0].values.shape == (2, 6)
    assert folder_of("ai4i2020", machines.SETS["ai4i2020"]) == tmp_path / "kept" / "ai4i2020"
    assert not (tmp_path / "kept" / ".downloads" / "ai4i2020").exists()


def test_a_damaged_archive_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEWRIGHT_DATA", str(tmp_path / "kept"))
    origin = tmp_path / "origin.zip"
    origin.write_bytes(b"PK but no more")
    part = type(machines.SETS["ai4i2020"])(
        **{**vars(machines.SETS["ai4i2020"]), "files": (RemoteFile(url=origin.as_uri(), name="a.zip"),)}
    )
    with pytest.raises(InputError, match="a whole archive"):
        download("ai4i2020", part, lambda file: None)
    assert [p for p in (tmp_path / "kept").rglob("*") if p.is_file()] == []


def test_unpack_stays_in_its_folder(tmp_path: Path) -> None:
    bad = tmp_path / "bad.tar.gz"
    with tarfile.open(bad, "w:gz") as archive:
        member = tarfile.TarInfo("../outside.txt")
        member.size = 2
        archive.addfile(member, io.BytesIO(b"no"))
    with pytest.raises(InputError, match="inside the archive's own folder"):
        unpack(bad, tmp_path / "set")
    sneaky = tmp_path / "sneaky.zip"
    with zipfile.ZipFile(sneaky, "w") as zipped:
        zipped.writestr("../outside.txt", "no")
    unpack(sneaky, tmp_path / "set")
    assert not (tmp_path / "outside.txt").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.tar.gz", "set", "sneaky.zip"]


def test_verify_compares_what_is_documented() -> None:
    part = public_set("ai4i2020")
    whole = Documented("x", recordings=1, rows=10_000, classes=(("no", 9_661), ("yes", 339)))
    assert verify(part, whole) == "whole set"
    assert verify(part, Documented("x", recordings=1, rows=10_000, classes=(("no", 9_660), ("yes", 340)))) == ""


def test_texts_become_rows_of_text(tmp_path: Path) -> None:
    folder = tmp_path / "clinc"
    folder.mkdir()
    (folder / "data_full.json").write_text(json.dumps({"train": [["what is it", "oos"], ["pay it", "pay_bill"]]}))
    out = tmp_path / "rows.csv"
    result = _run("get", "clinc150", "--from", str(folder), "--out", str(out))
    assert result.exit_code == 0, result.output
    assert pl.read_csv(out).rows() == [("train", "what is it", "oos"), ("train", "pay it", "pay_bill")]
