"""A name that a shipped pipeline and a folder in the working directory both have is not guessed about."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli_runner import Cli
from edgewright.pipeline.config import names_pipeline


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Provide a working directory with a folder that is named as a shipped pipeline is."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hapt").mkdir()
    (tmp_path / "hapt" / "rows.csv").write_text(
        "a,b,label\n" + "".join(f"{n},{n % 7},{'on' if n > 30 else 'off'}\n" for n in range(60)), encoding="utf-8"
    )
    return tmp_path


@pytest.mark.parametrize("command", ["ladder", "curve", "advise"])
def test_a_folder_named_as_a_pipeline_is_not_taken_for_it(here: Path, command: str, cli: Cli) -> None:
    text = cli(command, "hapt", "--target", "label", code=2)
    assert "either the pipeline 'hapt' or the folder './hapt', got a name that matches both" in text
    assert "For the folder write ./hapt" in text and "set its data with --data" in text
    # With --data the pipeline is meant, and the folder of that name is not looked at.
    assert "elsewhere" in cli(command, "hapt", "--data", here / "elsewhere", code=2)


def test_what_is_a_pipeline_and_what_is_data(here: Path) -> None:
    assert names_pipeline("demo") and names_pipeline("nothing") and names_pipeline("there/is/none.toml")
    assert names_pipeline("hapt", "somewhere")
    for name in ("./hapt", "hapt/", str(here / "hapt"), "rows.csv"):
        assert not names_pipeline(name)


def test_a_command_that_takes_pipelines_alone_takes_the_shipped_one(here: Path, cli: Cli) -> None:
    assert "elsewhere" in cli("search", "hapt", "--data", "elsewhere", "--out", here / "s", code=2)
    # A folder is told from a pipeline by its path.
    assert "a folder" in cli("search", "./hapt", "--out", here / "s", code=2)
