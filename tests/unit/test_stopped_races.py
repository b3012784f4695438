"""Races that are stopped go on behind their finished fits, and their model is that of a race that never stopped."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from cli_runner import Cli
from edgewright.cli.listeners import Working
from edgewright.core.archive import read_arrays, write_arrays
from edgewright.core.errors import INTERRUPTED, OUTPUT_FAILED, OutputError
from edgewright.core.files import write_atomic
from edgewright.core.records.config import PipelineConfig
from edgewright.core.records.data import Column, DataSet, Samples
from edgewright.core.records.race import RaceRecord
from edgewright.core.records.trace import Trace
from edgewright.pipeline.config import config_hash, read_config
from edgewright.pipeline.run import run_pipeline
from edgewright.pipeline.run_folder.folder import (
    FINISHED_EPOCHS,
    FINISHED_FITS,
    FITS,
    locked,
    new_run_folder,
    stopped_folders,
    work_folder,
)
from edgewright.pipeline.run_folder.store import _settings, kept_trainings
from edgewright.race import fold_fits
from edgewright.race.heats import HeatFold, Heats
from edgewright.race.pipeline_end import Entrant, entrants_of
from edgewright.race.problem import Fitted, Problem, candidates
from edgewright.workflows.own_data import proposal
from race_problems import table
from small_pipeline import names

FIT = Heats.fit


class Header(msgspec.Struct, frozen=True):
    number: float


class Other(msgspec.Struct, frozen=True):
    text: str


@pytest.fixture(autouse=True)
def _worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep every fit, however short the race is."""
    monkeypatch.setattr(fold_fits, "WORTH_S", 0.0)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return table(tmp_path_factory.mktemp("rows") / "rows.csv", kind="product")


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let few pipelines race, which are quick."""

    def entrants(problem: Problem, config: PipelineConfig) -> tuple[Entrant, ...]:
        return entrants_of(problem, config, candidates(("majority", "threshold", "linear", "tree", "forest")))

    monkeypatch.setattr(proposal, "entrants_of", entrants)


def fits(monkeypatch: pytest.MonkeyPatch, stop: Callable[[], None] | None = None, at: int = 0) -> list[str]:
    """Return a list that grows by the pipeline of every fit; behind so many fits `stop` is called in place of one."""
    fitted: list[str] = []

    def fit(self: Heats, fold: HeatFold, entrant: Entrant) -> Fitted:
        if stop is not None and len(fitted) == at:
            stop()
        fitted.append(entrant.name)
        return FIT(self, fold, entrant)

    monkeypatch.setattr(Heats, "fit", fit)
    return fitted


def interrupt() -> None:
    raise KeyboardInterrupt


def end(self: Working) -> None:
    """End the command where Ctrl-C ended the race, as a second one and a signal to terminate do."""
    raise KeyboardInterrupt


def race_of(run: Path) -> RaceRecord:
    race = msgspec.json.decode((run / "trace.json").read_bytes(), type=Trace).race
    assert race is not None
    return race


def same(run: Path, whole: Path) -> None:
    assert names(run) == names(whole)
    for file in ("rows.edge", "model.onnx"):
        assert (run / file).read_bytes() == (whole / file).read_bytes()
    entrants = [
        {entrant.name: (entrant.score, entrant.footprint, entrant.says) for entrant in race_of(one).entrants}
        for one in (run, whole)
    ]
    assert entrants[0] == entrants[1]


@pytest.mark.parametrize("damaged", [Header, Other])
def test_a_file_of_arrays_is_whole_or_not_there(tmp_path: Path, damaged: type[msgspec.Struct]) -> None:
    path = tmp_path / "file"
    assert read_arrays(path, Header) is None
    write_arrays(path, Header(np.inf), {"answers": np.arange(3, dtype=np.float32)})
    header, arrays = read_arrays(path, Header) or (None, {})
    assert header == Header(np.inf)
    assert arrays["answers"].tolist() == [0, 1, 2]
    if damaged is Other:
        assert read_arrays(path, Other) is None
        return
    content = path.read_bytes()
    for index in range(0, len(content), 5):
        path.write_bytes(content[:index])
        assert read_arrays(path, Header) is None
        path.write_bytes(content[:index] + bytes([content[index] ^ 1]) + content[index + 1 :])
        assert read_arrays(path, Header) is None


@pytest.mark.slow
@pytest.mark.usefixtures("few")
def test_a_race_that_was_stopped_goes_on(cli: Cli, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = tmp_path / "runs"
    given = ("run", rows, "--target", "y", "--out", runs)
    with monkeypatch.context() as patch:
        every = fits(patch)
        cli(*given[:-1], tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(Working, "interrupted", end)
        before = fits(patch, interrupt, 8)
        text = cli(*given, code=INTERRUPTED)
    assert "what was trained is kept. Go on with: edgewright run" in text
    (kept,) = stopped_folders(runs, "rows", FINISHED_FITS)
    stored = sorted(path for path in (kept / FITS).iterdir() if path.suffix != ".json")
    assert len(stored) == len(before) == 8
    with locked(kept):
        assert "got one that another process goes on with" in cli(*given, "--resume", code=2)
    stored[0].write_bytes(stored[0].read_bytes()[:-1])
    stored[1].write_bytes(b"")
    with monkeypatch.context() as patch:
        after = fits(patch)
        cli(*given, "--resume")
    assert len(every) == len(after) + 6
    assert names(runs) == ["rows"]
    same(runs / "rows", tmp_path / "whole" / "rows")
    # What the stopped race spent counts.
    assert all(entrant.cpu_seconds > 0 for entrant in race_of(runs / "rows").entrants if entrant.heats)
    assert "got none" in cli(*given, "--resume", code=2)


@pytest.mark.slow
@pytest.mark.usefixtures("few")
def test_a_race_of_other_rows_begins_anew_and_says_so(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = table(tmp_path / "rows.csv", kind="product")
    given = ("init", rows, "--target", "y", "--yes", "--out", tmp_path / "mine")
    with monkeypatch.context() as patch:
        patch.setattr(Working, "interrupted", end)
        fits(patch, interrupt, 8)
        cli(*given, code=INTERRUPTED)
    (kept,) = stopped_folders(tmp_path / "mine", "rows", FINISHED_FITS)
    assert names(tmp_path / "mine") == [kept.name]
    text = rows.read_text()
    rows.write_text(text + text.splitlines()[-1] + "\n")
    with monkeypatch.context() as patch:
        after = fits(patch)
        cli(*given, "--resume")
    assert "changed since the race was stopped: it begins anew" in cli.err
    assert names(tmp_path / "mine") == ["data.md", "pipeline.toml"]
    with monkeypatch.context() as patch:
        every = fits(patch)
        cli(*given, "--force")
    assert after == every
    assert "anew" not in cli.err


@pytest.mark.slow
@pytest.mark.usefixtures("few")
def test_a_run_of_other_rows_trains_anew(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, runs = table(tmp_path / "rows.csv", kind="product"), tmp_path / "runs"
    given = ("run", rows, "--target", "y", "--out", runs)
    with monkeypatch.context() as patch:
        # Of the last run; those of leaders are heard by nobody.
        patch.setattr("edgewright.cli.listeners.run_and_show", keep_a_training)
        cli(*given, code=INTERRUPTED)
    assert len(stopped_folders(runs, "rows", FINISHED_FITS)) == len(stopped_folders(runs, "rows", FINISHED_EPOCHS)) == 1
    text = rows.read_text()
    rows.write_text(text + text.splitlines()[-1] + "\n")
    cli(*given, "--resume")
    assert "it begins anew" in cli.err
    assert [name for name in names(runs) if name.startswith(".")] == []


def keep_a_training(*_: object, config: PipelineConfig, out: Path, **__: object) -> None:
    """Leave what a run leaves that is stopped while it trains on other rows."""
    with new_run_folder(out, config.name) as location, kept_trainings(
        location.work, config_hash(config), "others", resumed=False
    ):  # fmt: skip
        (location.work / FINISHED_EPOCHS).write_text(f"{_settings(config_hash(config))}\nothers")
        raise KeyboardInterrupt


@pytest.mark.slow
@pytest.mark.usefixtures("few")
def test_an_init_that_was_stopped_goes_on(
    cli: Cli, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ("init", rows, "--target", "y", "--yes")
    cli(*given, "--out", tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(Working, "interrupted", end)
        fits(patch, interrupt, 8)
        text = cli(*given, "--out", tmp_path / "mine", code=INTERRUPTED)
    assert "Go on with: edgewright init" in text
    cli(*given, "--out", tmp_path / "mine", "--resume")
    assert "anew" not in cli.err
    texts = [(tmp_path / name / "pipeline.toml").read_text().split("\n", 3)[3] for name in ("mine", "whole")]
    assert texts[0] == texts[1]


@pytest.mark.slow
@pytest.mark.usefixtures("few")
def test_what_fails_beside_a_race_leaves_its_fits(
    cli: Cli, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ("init", rows, "--yes", "--out", tmp_path, "--target")
    with monkeypatch.context() as patch:
        patch.setattr(Working, "interrupted", end)
        fits(patch, interrupt, 8)
        cli(*given, "y", code=INTERRUPTED)
    cli(*given, "label", "--resume", code=2)
    cli("run", rows, "--out", tmp_path, "--target", "label", "--resume", code=2)
    cli("run", tmp_path / "rows", "--out", tmp_path, "--resume", code=2)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full_disk)
        assert "go on with --resume" in cli(*given, "y", "--resume", code=OUTPUT_FAILED)
    assert len(stopped_folders(tmp_path, "rows", FINISHED_FITS)) == 1
    cli(*given, "y", "--resume")
    assert "anew" not in cli.err
    assert names(tmp_path) == ["data.md", "pipeline.toml"]


def full_disk(_: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.slow
@pytest.mark.usefixtures("few")
def test_a_run_that_took_the_name_of_a_leader_stays(
    cli: Cli, rows: Path, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = tmp_path / "runs"
    given = ("run", rows, "--target", "y", "--out", runs)
    with monkeypatch.context() as patch:
        patch.setattr("edgewright.cli.listeners.run_and_show", stopped_run)
        cli(*given, code=INTERRUPTED)
    (leader,) = stopped_folders(runs, "rows", FINISHED_FITS)
    assert [name for name in names(runs) if name != leader.name] == ["rows"]
    run_pipeline(msgspec.structs.replace(read_config(str(small)), name="rows"), out=runs, force=True)
    package = (runs / "rows" / "rows.edge").read_bytes()
    cli(*given, "--resume")
    assert names(runs) == ["rows", "rows-2"]
    assert (runs / "rows" / "rows.edge").read_bytes() == package


def stopped_run(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.slow
@pytest.mark.usefixtures("few")
def test_a_leader_leaves_the_stopped_training_of_the_winner(
    cli: Cli, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = tmp_path / "runs"
    given = ("run", rows, "--target", "y", "--out", runs)
    kept: list[int] = []

    def count(*_: object, **__: object) -> None:
        kept.append(len(stopped_folders(runs, "rows", FINISHED_EPOCHS)))

    with monkeypatch.context() as patch:
        patch.setattr("edgewright.cli.listeners.run_and_show", stopped_run)
        cli(*given, code=INTERRUPTED)
    with suppress(KeyboardInterrupt), new_run_folder(runs, "rows") as location:
        (location.work / FINISHED_EPOCHS).write_text("of the winner")
        raise KeyboardInterrupt
    for leaders in runs.glob(f".rows-*.tmp/{FITS}/leaders.json"):
        leaders.unlink()
    with monkeypatch.context() as patch:
        patch.setattr("edgewright.cli.listeners.run_and_show", count)
        cli(*given, "--resume")
    assert "package: " in cli.err
    assert kept == [1]


def test_a_full_disk_in_a_run_of_a_race_says_what_the_run_keeps(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match="go on with --resume"),
        work_folder(tmp_path, "rows"),
        new_run_folder(tmp_path, "rows") as location,
    ):
        (location.work / FINISHED_EPOCHS).write_text("")
        full_disk(0)


def test_a_race_whose_first_fits_were_too_short_to_keep_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fold_fits.FinishedFits, "_path", lambda *_: tmp_path / "fit")
    anew: list[int] = []
    arguments: Any = (None, None, np.zeros(2), fold_fits.FinishedFit())
    columns, places = (Column(name="a"),), np.arange(2, dtype=np.int64)
    samples = Samples(X=np.zeros((2, 1), np.float32), y=np.arange(2), groups=None, starts=places,
                      sessions=np.full(2, "s"), columns=columns, rate=None)  # fmt: skip
    dataset = DataSet(name="d", columns=columns, recordings=(), target_name="y")
    problem = Problem("d", dataset, samples, samples.y, "classification", None, "row", places)
    for resume in (False, True):
        with (
            suppress(KeyboardInterrupt),
            fold_fits.finished_fits(tmp_path, "rows", resume=resume, on_anew=partial(anew.append, 1)),
        ):
            races = [fold_fits.begin(problem, number) for number in range(2)]
            assert races[1]
            races[1].write(*arguments, priced=False)
            raise KeyboardInterrupt
    assert anew == []


@pytest.mark.slow
@pytest.mark.usefixtures("few")
def test_a_full_disk_ends_a_race_and_leaves_its_fits(
    cli: Cli, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ("init", rows, "--target", "y", "--yes", "--out", tmp_path)

    def full(path: Path, data: bytes, mode: int = 0o644) -> int:
        if len(written) == 8:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(path)
        return write_atomic(path, data, mode)

    written: list[Path] = []
    with monkeypatch.context() as patch:
        patch.setattr("edgewright.core.archive.write_atomic", full)
        text = cli(*given, code=OUTPUT_FAILED)
    assert "got No space left on device" in text and "go on with --resume" in text
    with monkeypatch.context() as patch:
        after = fits(patch)
        cli(*given, "--resume")
    assert names(tmp_path) == ["data.md", "pipeline.toml"]
    with monkeypatch.context() as patch:
        every = fits(patch)
        cli(*given, "--force")
    assert len(every) == len(after) + 8


COMMAND = [
    sys.executable, "-c",
    "import sys\n"
    "from edgewright.cli.main import run\n"
    "from edgewright.race import finished_fits\n"
    "finished_fits.WORTH_S = 0.0\n"
    "sys.exit(run(sys.argv[1:]))",
]  # fmt: skip


@pytest.mark.slow
def test_a_race_that_is_killed_again_and_again_ends_as_one_that_never_was(rows: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    given: list[Any] = [*COMMAND, "run", rows, "--target", "y", "--out"]
    subprocess.run([*given, tmp_path / "whole"], check=True, capture_output=True)
    given.append(runs)
    for number, fitted in enumerate((1, 7, 20)):
        with subprocess.Popen([*given, *(["--resume"] if number else [])], stderr=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL) as process:  # fmt: skip
            while len(list(runs.glob(f".rows-*.tmp/{FITS}/?*"))) < fitted:
                assert process.poll() is None
                time.sleep(0.002)
            os.kill(process.pid, signal.SIGKILL)
    subprocess.run([*given, "--resume"], check=True, capture_output=True)
    assert names(runs) == ["rows"]
    same(runs / "rows", tmp_path / "whole" / "rows")
