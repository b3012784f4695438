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
    (tmp_path / "latency").mkdir()
    (tmp_path / "latency" / "rows.csv").write_text(
        "a,b,label\n" + "".join(f"{n},{n % 7},{'on' if n > 30 else 'off'}\n" for n in range(60)), encoding="utf-8"
    )
    return tmp_path


@pytest.mark.parametrize("command", ["curve", "advise"])
def test_a_folder_named_as_a_pipeline_is_not_taken_for_it(here: Path, command: str, cli: Cli) -> None:
    text = cli(command, "latency", "--target", "label", code=2)
    assert "either the pipeline 'latency' or the folder './latency', got a name that matches both" in text
    assert "For the folder write ./latency" in text and "set its data with --data" in text
    # With --data the pipeline is meant, and the folder of that name is not looked at.
    assert "elsewhere" in cli(command, "latency", "--data", here / "elsewhere", code=2)


def test_what_is_a_pipeline_and_what_is_data(here: Path) -> None:
    assert names_pipeline("demo") and names_pipeline("nothing") and names_pipeline("there/is/none.toml")
    assert names_pipeline("latency", "somewhere")
    for name in ("./latency", "latency/", str(here / "latency"), "rows.csv"):
        assert not names_pipeline(name)
