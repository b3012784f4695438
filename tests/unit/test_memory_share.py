"""Some files of a folder: as many as somebody says, or as memory is for."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cli_runner import Cli
from edgewright.core import files
from edgewright.core.input.riff import wav_bytes
from edgewright.data import memory_share, preview
from edgewright.data.contract import some_files
from edgewright.data.load import load_data
from edgewright.data.preview import read_preview
from edgewright.pipeline.check import check_data
from edgewright.workflows.own_data.proposal import OwnDataRequest, look

_PEOPLE, _ROWS = 12, 400


@pytest.fixture
def strolls(tmp_path: Path) -> Path:
    """Return a folder with a Parquet file of each person, who walks and then rests."""
    folder = tmp_path / "strolls"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for person in range(_PEOPLE):
        strength = np.repeat([3.0, 0.2], _ROWS // 2)[:, None]
        left, right = (strength * generator.normal(size=(_ROWS, 2))).T
        frame = pl.DataFrame({"left": left, "right": right, "activity": ["walk"] * 200 + ["rest"] * 200})
        frame = frame.with_columns(person=pl.lit(f"p{person:02}"), time=pl.Series(np.arange(_ROWS) / 50))
        frame.write_parquet(folder / f"part-{person:02}.parquet")
    return folder


def with_room_for(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Have a run believe that memory is for so many rows of two columns."""
    monkeypatch.setattr(memory_share, "free_bytes", lambda: float(7 * rows * 3 * (4 * 2 + 32)))


def test_those_of_a_smaller_count_are_among_those_of_a_larger_one(tmp_path: Path) -> None:
    files = [tmp_path / f"{number:02}" for number in range(30)]
    few, more = some_files(files, 5), some_files(files, 12)
    assert len(few) == 5
    assert set(few) < set(more)
    assert more == sorted(more)
    assert more != files[:12]
    assert some_files(files, 0) == some_files(files, 30) == some_files(files, 99) == files


@pytest.mark.parametrize("kind", ["csv", "parquet", "folder", "wav"])
def test_every_source_of_a_folder_reads_so_many_of_its_files(tmp_path: Path, kind: str) -> None:
    for number in range(6):
        values = np.full((20, 1), number / 10, np.float32)
        if kind == "wav":
            (tmp_path / f"{number}.wav").write_bytes(wav_bytes(values, 100))
        elif kind == "parquet":
            pl.DataFrame({"a": values[:, 0]}).write_parquet(tmp_path / f"{number}.parquet")
        else:
            pl.DataFrame({"a": values[:, 0]}).write_csv(tmp_path / f"{number}.csv")
    every = load_data({"kind": kind, "path": str(tmp_path)}, seed=0)
    some = load_data({"kind": kind, "path": str(tmp_path), "files": 2}, seed=0)
    assert len(every.recordings) == 6
    names = [recording.name for recording in some.recordings]
    assert names == [path.name for path in some_files([tmp_path / recording.name for recording in every.recordings], 2)]


def test_a_folder_that_memory_is_not_for_is_read_in_part_and_the_pipeline_says_so(
    strolls: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    whole = look(OwnDataRequest(path=str(strolls)))
    assert len(whole.dataset.recordings) == _PEOPLE
    with_room_for(monkeypatch, 8 * _ROWS)
    data = look(OwnDataRequest(path=str(strolls)))
    assert 6 <= len(data.dataset.recordings) <= 9
    count = len(data.dataset.recordings)
    text = f"{count} of {_PEOPLE} files, drawn by chance, because memory is for some "
    assert text in data.preview.sentence((), loaded=True)
    assert text in check_data(str(strolls), target="activity").columns
    monkeypatch.chdir(strolls.parent)
    cli("init", strolls, "--yes", "--budget", "0s")
    assert tomllib.loads(Path("pipeline.toml").read_text())["data"]["files"] == len(data.dataset.recordings)


def test_one_file_stays_where_memory_is_for_none(strolls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_room_for(monkeypatch, 0)
    table: dict[str, object] = {"kind": "parquet", "path": str(strolls), "ignore": ["activity", "person"]}
    assert memory_share.fitting_files(table)[0] == 1
    assert memory_share.fitting_files({**table, "files": 5}) == (0, "")
    assert memory_share.fitting_files({**table, "path": str(strolls / "part-00.parquet")}) == (0, "")


def test_the_least_of_what_limits_memory_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "limit_bytes", lambda: None)
    machine = tmp_path / "meminfo"
    machine.write_text("MemTotal:  4000 kB\nMemAvailable:  3000 kB\n")
    assert list(files._limits(tmp_path, machine)) == [3000 * 1024]
    (tmp_path / "memory.max").write_text("max\n")
    assert list(files._limits(tmp_path, machine)) == [3000 * 1024]
    (tmp_path / "memory.max").write_text(f"{1 << 40}\n")
    assert min(files._limits(tmp_path, machine)) == 3000 * 1024
    assert len(list(files._limits(tmp_path, machine))) == 2
    assert list(files._limits(tmp_path / "none", tmp_path / "none")) == []


def test_a_limit_of_addresses_leaves_what_libraries_do_not_map() -> None:
    code = "from edgewright.core.files import free_bytes; print(free_bytes())"
    # The shell sets the limit: a fork of this process would copy the threads of JAX, where another test imported it.
    command = f"ulimit -v {3 << 19}; exec {shlex.quote(sys.executable)} -c {shlex.quote(code)}"
    printed = subprocess.run(["sh", "-c", command], check=True, capture_output=True, text=True, timeout=60).stdout
    assert 0 < float(printed) <= 1 << 29


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_preview_of_many_files_has_few_rows_of_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    for number in range(20):
        frame = pl.DataFrame({"a": np.arange(100.0), "kind": [f"k{number % 3}"] * 100})
        (frame.write_csv if ending == "csv" else frame.write_parquet)(tmp_path / f"{number:02}.{ending}")
    assert len(read_preview(str(tmp_path)).columns["a"]) == 2000
    for name, rows in (("_ROWS", 100), ("_ROWS_A_BLOCK", 50), ("_ROWS_OF_FILES", 200)):
        monkeypatch.setattr(preview, name, rows)
    some = read_preview(str(tmp_path))
    assert len(some.columns["a"]) == 20 * preview._FEWEST_ROWS
    assert some.texts["kind"] == {"k0", "k1", "k2"}
