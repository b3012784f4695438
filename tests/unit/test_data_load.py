"""The table [data] and guessing a source from a path."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cli_runner import Cli
from edgewright.core.errors import (
    ConfigError,
    DataError,
    DataKindUnknownError,
    MissingFileError,
    UnknownNameError,
)
from edgewright.data.load import guess, load_data
from edgewright.data.set_files import VARIABLE, register_sources

COINS = """
import numpy as np
from edgewright.data.contract import Source, SourceConfig
from edgewright.core.records.data import Column, DataSet, Recording
def load(config, seed):
    recording = Recording(name="a", values=np.array([[1.0], [2.0]], np.float32))
    return DataSet(name="coins", columns=(Column(name="weight"),), recordings=(recording,))
SOURCES = {"coins": Source(SourceConfig, load)}
"""


def test_kind_key_and_type_errors_name_their_place() -> None:
    with pytest.raises(DataKindUnknownError, match=r"expected a kind, got none - at p\.toml \[data\]. Known: .*csv"):
        load_data({}, seed=0, where="p.toml [data]")
    with pytest.raises(UnknownNameError, match=r"no kind of data 'cvs'.*Did you mean 'csv'\? - at \[data\]"):
        load_data({"kind": "cvs"}, seed=0)
    with pytest.raises(ConfigError, match=r"expected text, got 3 - at \[data\] target"):
        load_data({"kind": "csv", "target": 3}, seed=0)
    with pytest.raises(ConfigError, match=r"expected a number above 0, got -1 - at \[data\] rate"):
        load_data({"kind": "csv", "rate": -1}, seed=0)


def test_a_path_overrides_the_table_and_can_stand_alone(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("a,y\n1,x\n2,z\n")
    table: dict[str, object] = {"kind": "csv", "path": "elsewhere.csv", "target": "y"}
    assert load_data(table, seed=0, path=str(file)).origin == str(file)
    assert table == {"kind": "csv", "path": "elsewhere.csv", "target": "y"}
    assert load_data({"target": "y"}, seed=0, path=str(file)).target_name == "y"


def test_arrays_that_are_columns_are_a_table(tmp_path: Path, cli: Cli) -> None:
    values, labels = np.random.default_rng(0).normal(size=(60, 2)), np.array(["x", "z"] * 30)
    np.savez(tmp_path / "columns.npz", a=values[:, 0], b=values[:, 1], target=labels)
    np.savez(tmp_path / "samples.npz", X=values[:, 0], y=labels)
    assert load_data({"target": "target"}, seed=0, path=str(tmp_path / "columns.npz")).target_name == "target"
    assert guess(str(tmp_path / "samples.npz"))["kind"] == "numpy"
    assert "columns: 60 rows, 2 columns" in cli("check", tmp_path / "columns.npz", "--target", "target")


def test_a_public_set_without_its_folder_says_where_it_is_from() -> None:
    with pytest.raises(DataError):
        load_data({"kind": "hapt"}, seed=0)
    with pytest.raises(MissingFileError, match="no such folder - at nowhere"):
        load_data({"kind": "hapt"}, seed=0, path="nowhere")


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        (["a.csv", "README.txt"], "csv"),
        (["a.csv.gz", "b.csv.gz"], "csv"),
        (["a.wav"], "wav"),
        (["yes/a.wav", "no/b.wav"], "folder"),
        (["a.csv", "labels.csv"], "folder"),
        (["a.txt", "labels.csv"], "folder"),
        (["a.txt"], "csv"),
        (["a.jsonl", "b.jsonl", "~$c.xlsx"], "csv"),
        (["yes/a.jsonl", "no/b.jsonl", "notes.xlsx"], "folder"),
        (["a.wav", "a.jsonl", "notes.xlsx"], "wav"),
        (["a.parquet", "a.csv.gz", "sub/notes.ods"], "folder"),
        (["a.csv", "sub/notes.ods"], "csv"),
        (["a.csv", "b.parquet"], "folder"),
        (["info.labels", "a.json"], "edge_impulse"),
    ],
)
def test_a_folder_tells_its_source(tmp_path: Path, files: list[str], kind: str) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    assert guess(str(tmp_path)) == {"kind": kind, "path": str(tmp_path)}


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.CSV", "csv"), ("a.tsv", "csv"), ("a.txt", "csv"), ("a.parquet", "parquet"), ("a.npz", "numpy"),
     ("a.wav", "wav"), ("a.zip", "wav")],
)  # fmt: skip
def test_a_suffix_tells_its_source(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / name).write_text("")
    assert guess(str(tmp_path / name))["kind"] == kind


def test_what_nothing_reads(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"no such file - at nowhere\.csv"):
        guess("nowhere.csv")
    (tmp_path / "a.xyz").write_text("")
    with pytest.raises(DataKindUnknownError):
        guess(str(tmp_path / "a.xyz"))
    with pytest.raises(DataKindUnknownError):
        guess(str(tmp_path))
    (tmp_path / "readme.txt").write_text("x\n1\n")
    with pytest.raises(DataKindUnknownError):
        guess(str(tmp_path))


def test_a_removed_kind_names_its_replacement_and_a_file_offers_further_kinds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match=r"wisdm, which was removed - at p\.toml\. Read its files as your own data"):
        load_data({"kind": "wisdm", "path": str(tmp_path)}, seed=0, where="p.toml")
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(DataError, match=r"hapt, which was moved.*EDGEWRIGHT_SOURCES=examples/activity/activities\.py"):
        load_data({"kind": "hapt", "path": str(tmp_path)}, seed=0)
    (tmp_path / "coins.py").write_text(COINS, encoding="utf-8")
    register_sources(tmp_path / "coins.py")
    assert load_data({"kind": "coins"}, seed=0).recordings[0].values.tolist() == [[1.0], [2.0]]
    with monkeypatch.context() as patch:
        patch.setenv(VARIABLE, str(tmp_path / "nothing.py"))
        with pytest.raises(MissingFileError, match="no such file"):
            load_data({"kind": "coin"}, seed=0)
