"""Rows that stay in files for workers: samples as they are where this process reads, and what is refused by name."""

from __future__ import annotations

import pickle  # noqa: TID251 - as between a client and its workers
import shutil
import warnings
import wave
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from edgewright.cluster.contract import engine_for
from edgewright.cluster.mapping import on_engine
from edgewright.data import file_rows
from edgewright.data.file_rows import in_files
from edgewright.data.load import load_data
from edgewright.data.remote import located
from edgewright.data.samples import cut_in_parts, part_of
from edgewright.data.sources.csv import CsvConfig, read_table
from edgewright.data.tabular import Table, TableConfig
from edgewright.schema.config import WindowConfig
from edgewright.schema.data import DataSet, Samples
from edgewright.schema.errors import DataWarning, InputError

WINDOWS = {
    "rows": None,
    "label": WindowConfig(samples=8, step=3),
    "recording": WindowConfig(samples=8, step=5, within="recording"),
    "filled": WindowConfig(samples=8, step=3, within="recording", fill_start=True),
    "padded": WindowConfig(samples=16, step=4, pad=True),
}
TABLES: dict[str, dict[str, object]] = {
    "csv": {"kind": "csv", "target": "label", "group": "who", "time": "t", "session": "s"},
    "parquet": {"kind": "parquet", "target": "label", "group": "who"},
    "wav": {"kind": "wav", "pattern": "{label}_{person}"},
    "sounds": {"kind": "folder"},
    "folder": {"kind": "folder", "pattern": "{label}/{person}", "ignore": ["label", "who", "s", "t"]},
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Provide a folder for each kind, whose files have their columns in several orders, gaps and missing values."""
    root, draw = tmp_path_factory.mktemp("readings"), np.random.default_rng(5)
    for kind in TABLES:
        (root / kind).mkdir()
    for number in range(5):
        count = 40 + 7 * number
        values = draw.normal(size=(count, 2))
        columns = {
            "a": [f"{value:.4f}" if value < 2 else "" for value in values[:, 0]],
            "b": [f"{value:.4f}" for value in values[:, 1]],
            "label": ["" if row % 19 == 5 else "walk" if row // 13 % 2 else "stand" for row in range(count)],
            "who": [f"p{number // 2}"] * count,
            "s": [f"s{row // 25}" for row in range(count)],
            "t": [f"{row / 10 + (3 if row > 30 else 0):.1f}" for row in range(count)],
        }
        names = list(columns) if number % 2 else list(columns)[::-1]
        lines = [",".join(names), *(",".join(row) for row in zip(*(columns[name] for name in names), strict=True))]
        (root / "csv" / f"{number}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        sound = (1000 * values).astype(np.int16)
        label = "walk" if number % 2 else "stand"
        (root / "sounds" / label).mkdir(exist_ok=True)
        for path in (root / "wav" / f"{label}_p{number}.wav", root / "sounds" / label / f"{number}.wav"):
            with wave.open(str(path), "wb") as file:
                file.setparams((2, 2, 50, count, "NONE", ""))
                file.writeframes(sound.tobytes())
        of_label = root / "folder" / ("walk" if number % 2 else "stand")
        of_label.mkdir(exist_ok=True)
        shutil.copy(root / "csv" / f"{number}.csv", of_label / f"p{number}.csv")
        frame = pl.DataFrame({"a": values[:, 0], "b": values[:, 1], "label": columns["label"], "who": columns["who"]})
        frame.select([name for name in names if name in frame.columns]).write_parquet(
            root / "parquet" / f"{number}.parquet"
        )
    return root


def _loaded(folder: Path, kind: str) -> DataSet:
    table = {**TABLES[kind], "path": str(folder / kind)}
    return load_data(table, seed=0, mixed_rates=True, by_workers=True)


def _arrays(samples: Samples) -> list[object]:
    columns = (samples.X, samples.y, samples.groups, samples.sessions, samples.starts, samples.seconds)
    return [None if column is None else np.asarray(column).tobytes() for column in columns]


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("kind", TABLES)
def test_samples_are_those_that_this_process_reads(folders: Path, kind: str, window: str, last: bool) -> None:
    here = _loaded(folders, kind)
    with on_engine(engine_for("local:1")):
        there = _loaded(folders, kind)
    assert not any(in_files(recording.values) for recording in here.recordings)
    assert all(in_files(recording.values) for recording in there.recordings)
    assert (there.columns, there.rate, there.target_name) == (here.columns, here.rate, here.target_name)
    parts = [list(cut_in_parts(dataset, WINDOWS[window], 3, last=last)) for dataset in (here, there)]
    assert len(parts[0]) > 1
    for mine, others in zip(*parts, strict=True):
        assert in_files(others.X) is not None
        assert others.X.shape == mine.X.shape
        # As a worker gets them.
        assert _arrays(pickle.loads(pickle.dumps(others))) == _arrays(mine)  # noqa: S301 - just written
        assert _arrays(part_of(others, np.array([len(mine.X) - 1, 0]))) == _arrays(
            part_of(mine, np.array([len(mine.X) - 1, 0]))
        )


def test_what_travels_grows_with_neither_columns_nor_rows(folders: Path) -> None:
    with on_engine(engine_for("local:1")):
        rows = _loaded(folders, "csv").recordings[4].values
    assert len(rows) == 68
    assert abs(len(pickle.dumps(rows)) - len(pickle.dumps(rows[:2]))) < 20
    assert len(pickle.dumps(rows)) < 1500


def test_a_file_that_a_worker_does_not_see_or_that_changed_is_refused(folders: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folders, tmp_path / "readings")
    with on_engine(engine_for("local:1")):
        first = _loaded(copy, "csv").recordings[0].values
        for number in range(5):
            (copy / "csv" / f"{number}.csv").rename(copy / f"{number}.csv")
            other = (copy / f"{number}.csv").read_text(encoding="utf-8").replace("1", "2")
            (copy / "csv" / f"{number}.csv").write_text(other, encoding="utf-8")
        _loaded(copy, "csv")  # other files are in memory now
        with pytest.raises(InputError, match=r"the rows that were read first, got others - at .*0\.csv on "):
            np.asarray(first)
        (copy / "csv" / "0.csv").unlink()
        with pytest.raises(
            InputError, match=r"the file on every worker, got no such file - at .*0\.csv on .*--cluster"
        ):
            np.asarray(first)


def _with_warning(path: Path, config: TableConfig, name: str) -> Table:
    warnings.warn(f"{name}: the first sheet is read", DataWarning, 1)  # as of a spreadsheet
    return read_table(path, config, name)


def test_warnings_of_a_file_reach_the_client(folders: Path) -> None:
    config = CsvConfig(target="label", ignore=("who", "s", "t"))
    files = [(folders / "csv" / name, name) for name in ("0.csv", "1.csv")]
    with on_engine(engine_for("local:1")), pytest.warns(DataWarning, match="the first sheet") as caught:
        tables = file_rows.read_spread(_with_warning, files, config)
    assert [str(warning.message) for warning in caught] == [f"{n}.csv: the first sheet is read" for n in range(2)]
    assert tables[1].text["label"].tolist() == read_table(*files[1][:1], config, "1.csv").text["label"].tolist()


def test_files_at_an_address_are_read_from_the_copy_of_each_machine(
    folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "client"))
    pytest.importorskip("fsspec")
    address = (folders / "csv").as_uri()
    with on_engine(engine_for("local:1")):
        rows = load_data({**TABLES["csv"], "path": address}, seed=0, by_workers=True).recordings[1].values
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "worker"))
    other = load_data({**TABLES["csv"]}, seed=0, path=located(address))
    shutil.rmtree(tmp_path / "client")
    shutil.rmtree(tmp_path / "worker")
    monkeypatch.setattr(file_rows, "_KEPT", {})
    assert np.array_equal(np.asarray(rows), other.recordings[1].values, equal_nan=True)
    assert list((tmp_path / "worker").rglob("1.csv"))
