"""The table [data] and guessing a source from a path."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmarks.datasets import activities

from cli_runner import Cli
from edgewright.data.load import guess, load_data
from edgewright.data.public import loaders, public_set, public_sets, register_sets, set_at
from edgewright.schema.errors import InputError, UnknownNameError


def test_kind_key_and_type_errors_name_their_place() -> None:
    with pytest.raises(InputError, match=r"expected a kind, got none - at p\.toml \[data\]. Known: .*csv"):
        load_data({}, seed=0, where="p.toml [data]")
    with pytest.raises(UnknownNameError, match=r"no kind of data 'cvs'.*Did you mean 'csv'\? - at \[data\]"):
        load_data({"kind": "cvs"}, seed=0)
    with pytest.raises(InputError, match=r"expected text, got 3 - at \[data\] target"):
        load_data({"kind": "csv", "target": 3}, seed=0)
    with pytest.raises(InputError, match=r"expected a number above 0, got -1 - at \[data\] rate"):
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


@pytest.mark.parametrize("name", sorted(loaders()))
def test_a_public_set_without_its_folder_says_how_to_get_it(name: str) -> None:
    if loaders()[name].carried is None:
        with pytest.raises(InputError, match=rf"edgewright data get {name}, or name its folder with --data PATH"):
            load_data({"kind": name}, seed=0)
    with pytest.raises(InputError, match=rf"no such folder - at nowhere. Download it with: edgewright data get {name}"):
        load_data({"kind": name}, seed=0, path="nowhere")


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
    with pytest.raises(InputError, match=r"no such file - at nowhere\.csv"):
        guess("nowhere.csv")
    (tmp_path / "a.xyz").write_text("")
    with pytest.raises(InputError, match=r"Known endings: .*\.csv.*\.wav"):
        guess(str(tmp_path / "a.xyz"))
    with pytest.raises(InputError, match="a folder with files that a source reads"):
        guess(str(tmp_path))
    (tmp_path / "readme.txt").write_text("x\n1\n")
    with pytest.raises(InputError, match="a folder with files that a source reads"):
        guess(str(tmp_path))


def test_a_removed_public_set_names_what_replaces_it_and_a_program_can_register_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "WISDM_ar_v1.1_transformed.csv").write_text("UNIQUE_ID,user,X0,class\n1,33,0.04,Jogging\n")
    table: dict[str, object] = {"kind": "wisdm", "path": str(tmp_path)}
    with pytest.raises(InputError, match=r"wisdm, which was removed - at p\.toml\. Read its files as your own data"):
        load_data(table, seed=0, where="p.toml")
    with monkeypatch.context() as patch:
        for name in activities.SETS:
            patch.setitem(public_sets(), name, public_set("occupancy"))  # removed again afterwards
        register_sets(activities.SETS)
        assert load_data(table, seed=0).recordings[0].target.tolist() == ["Jogging"]
        assert set_at(tmp_path) == "wisdm"
    assert set_at(tmp_path) == ""
