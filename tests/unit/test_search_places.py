"""A study is known by what is in its pipeline and data, not by how their paths are written."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edgewright.cli.main import run
from edgewright.pipeline.config import parse, with_absolute_paths
from edgewright.schema.errors import InputError
from edgewright.search.architecture.study import KEPT, changes, read_pipeline
from search_study import PIPELINE, write_people


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Provide a working directory with a pipeline over 120 rows of six people."""
    monkeypatch.chdir(tmp_path)
    write_people(tmp_path / "rows.csv", 120)
    (tmp_path / "a").mkdir()
    (tmp_path / "small.toml").write_text(PIPELINE, encoding="utf-8")
    return tmp_path


def _search(pipeline: str, out: Path, trials: int, *more: str) -> int:
    return run(["search", pipeline, "--trials", str(trials), "--judge", "0", "--out", str(out), *more])


@pytest.mark.slow
def test_the_same_pipeline_goes_on_however_its_path_is_written(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _search("a/../small.toml", here / "one", 2, "--budget", "flash=64kB,ram=16kB") == 0
    assert _search("small.toml", here / "one", 3, "--budget", "ram=16000B,flash=64kB", "--resume") == 0
    assert _search("./a/../small.toml", here / "one", 4, "--budget", "flash=64kB,ram=16kB", "--resume") == 0
    assert "4 of 4 trials" in capsys.readouterr().err
    # Its points find their rows from any folder.
    assert _search("small.toml", here / "two", 2, "--data", "rows.csv") == 0
    for out in (here / "one", here / "two"):
        assert run(["search", "small.toml", "--out", str(out), "--take", "1"]) == 0
        assert f'path = "{here / "rows.csv"}"' in (out / "points" / "1.toml").read_text(encoding="utf-8").replace(
            "a/../", ""
        )
    # Another pipeline is refused by what has changed in it, another budget by both.
    (here / "small.toml").write_text(PIPELINE.replace("epochs = 3", "epochs = 4"), encoding="utf-8")
    assert _search("small.toml", here / "two", 3, "--data", "rows.csv", "--resume") == 2
    assert "changes in training.epochs (3, now 4) - at" in capsys.readouterr().err
    (here / "small.toml").write_text(PIPELINE, encoding="utf-8")
    assert _search("small.toml", here / "one", 5, "--budget", "flash=65kB,ram=16kB", "--resume") == 2
    assert "study of the budget 'flash=65kB,ram=16kB', got one of 'flash=64kB,ram=16kB'" in capsys.readouterr().err
    (here / "one" / KEPT).write_text("{}", encoding="utf-8")
    assert run(["search", "small.toml", "--out", str(here / "one"), "--take", "1"]) == 2
    assert "Restore it with --resume" in capsys.readouterr().err


def test_paths_mean_the_same_in_every_folder(here: Path) -> None:
    config = parse(PIPELINE.replace('"cortex-m4"', '"own.toml"'), "small.toml")
    placed = with_absolute_paths(config)
    assert placed.data["path"] == str(here / "rows.csv")
    assert placed.device.profile == str(here / "own.toml")
    assert changes(config, placed) == []


def test_what_has_changed_is_named_by_its_keys(here: Path) -> None:
    before = parse(PIPELINE, "small.toml")
    now = parse(PIPELINE.replace("units = 8", "units = 12").replace('kind = "scale"', 'kind = "impute"'), "small.toml")
    assert changes(before, now) == ["model.layers.0.units (8, now 12)", "stages.0.kind (scale, now impute)"]
    longer = msgspec.structs.replace(before, title="x" * 50)
    assert changes(before, longer) == [f"title (, now {'x' * 29}…)"]
    with pytest.raises(InputError, match="the pipeline of a study, got No such file"):
        read_pipeline(here)
