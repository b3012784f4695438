"""`edgewright init`, and `run` with a file of one's own."""

from __future__ import annotations

import io
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from cli_runner import Cli
from edgewright.pipeline.config import read_config
from edgewright.race import pipeline_end
from edgewright.race.problem import candidates

pytestmark = pytest.mark.usefixtures("two_candidates")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def two_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a threshold and a linear model race alone: networks would have to be compiled."""
    few = {name: candidate for name, candidate in candidates().items() if name in ("threshold", "linear")}
    monkeypatch.setattr(pipeline_end, "candidates", lambda: few)


def table(path: str = "my.csv", *, people: int = 6, rows: int = 120) -> str:
    generator = np.random.default_rng(0)
    lines = ["UDI,person,temp,vib,label"]
    for row in range(rows):
        on = row % 2
        a, b = generator.normal(size=2).round(3)
        lines.append(f"{row + 1},p{row * people // rows},{20 + a},{3 * on + b},{'on' if on else 'off'}")
    Path(path).write_text("\n".join(lines) + "\n")
    return path


def test_init_makes_the_folder_it_writes_into(cli: Cli) -> None:
    cli("init", table(), "--yes", "--out", "deep/new")
    written = tomllib.loads(Path("deep/new/pipeline.toml").read_text())
    assert written["data"]["path"] == "../../my.csv"
    assert Path("deep/new/data.md").is_file()


def test_a_file_becomes_a_pipeline_with_the_reason_of_each_choice(cli: Cli) -> None:
    out = cli("init", table(people=20), "--yes")
    assert "then: edgewright export runs/my --to c99" in out
    text = Path("pipeline.toml").read_text()
    assert len(text.splitlines()) < 40
    written = tomllib.loads(text)
    assert written["data"] == {
        "kind": "csv", "path": "my.csv", "target": "label", "group": "person", "ignore": ["UDI"]
    }  # fmt: skip
    assert (written["split"]["by"], written["device"]["profile"]) == ("group", "cortex-m4")
    assert written["model"] == {"kind": "linear"}
    assert read_config("pipeline.toml").name == "my"
    notes = Path("data.md").read_text()
    assert "Column UDI is left out: counts the rows" in notes
    assert "on whole groups that were not trained on, of 96 training samples" in notes
    assert re.search(r"\| linear \| 0\.9\d\d \(.*\| chosen \|", notes)
    assert re.search(r"\| threshold \| 0\.[89]\d\d \(", notes)


def test_few_people_race_with_each_as_a_fold(cli: Cli) -> None:
    cli("init", table(), "--yes", "--need", "0.95")
    assert "6 people or machines; those who test are not seen in training. They are few: each" in cli.err
    written = tomllib.loads(Path("pipeline.toml").read_text())
    split, model = written["split"], written["model"]
    assert (split["leave_one_out_s"], written["need"], model["kind"]) == (600.0, 0.95, "threshold")
    assert "## Race" in Path("data.md").read_text()
    assert "0<x<1" in cli("init", "my.csv", "--yes", "--need", "95", code=2)


def test_too_few_people_to_race_take_the_prior_and_say_so(cli: Cli) -> None:
    cli("init", table(people=3), "--yes")
    assert tomllib.loads(Path("pipeline.toml").read_text())["model"]["kind"] == "linear"
    assert "no race: only 2 people or machines train" in Path("data.md").read_text()
    assert "## Race" not in Path("data.md").read_text()


def test_the_budget_of_the_race_is_a_length_of_time(cli: Cli) -> None:
    cli("init", table(people=20), "--yes", "--budget", "2m")
    assert "of 120 CPU seconds" in Path("data.md").read_text()
    cli("init", "my.csv", "--yes", "--force", "--budget", "0.01s")
    assert "ended because its 0 CPU seconds were used" in Path("data.md").read_text()
    assert "expected a length of time" in cli("init", "my.csv", "--yes", "--force", "--budget", "much", code=2)
    assert "at --budget" in cli("run", "activity", "--budget", "1m", code=2)


def test_a_file_is_replaced_only_by_force(cli: Cli) -> None:
    cli("init", table(), "--yes")
    Path("pipeline.toml").write_text("mine")
    assert "--force" in cli("init", "my.csv", "--yes", code=2)
    assert Path("pipeline.toml").read_text() == "mine"
    cli("init", "my.csv", "--yes", "--force", "--device", "esp32-s3")
    assert 'device.profile = "esp32-s3"' in Path("pipeline.toml").read_text()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file"),
        (b"temp\x81,label\n1,a\n", "Save the file as UTF-8"),
        (b"pressure,air_temp\n1.5,2.5\n2.5,3.5\n3.5,1.5\n", "Name it with --target COLUMN"),
        (b"a,b,label\n1.5,2.5,x\n2.5,3.5,y\n3.5,1.5,x\n", "expected"),
        (b"note,label\n" + b"hello,x\nbye,y\n" * 9, "at least one column of numbers"),
        (b"note,label\n" + b"hello you,x\nbye you,y\n" * 9, "Name the columns text and intent, then train"),
    ],
)
def test_data_without_a_pipeline_are_an_error_and_leave_nothing(cli: Cli, content: bytes, message: str) -> None:
    Path("bad.csv").write_bytes(content)
    err = cli("init", "bad.csv", "--yes", code=2)
    assert message in err
    assert "Traceback" not in err
    assert [path.name for path in Path().iterdir()] == ["bad.csv"]


def test_a_missing_file_is_said_by_init_and_run(cli: Cli) -> None:
    for command in ("init", "run"):
        assert "no such file" in cli(command, "none.csv", code=2)


def test_no_terminal_takes_the_defaults_and_says_so(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    cli("init", table())
    assert "no questions were asked" in cli.err


def test_questions_on_a_terminal_take_answers_and_defaults(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = io.StringIO("lable\nlabel\nnone\n\n\nnrf52840\n")
    answers.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr("sys.stdin", answers)
    cli("init", table())
    assert cli.err.count("?") == 1  # Did you mean 'label'?
    assert "Which column is to be predicted [label]" in cli.err
    written = tomllib.loads(Path("pipeline.toml").read_text())
    assert "group" not in written["data"]
    assert written["device"]["profile"] == "nrf52840"


def test_run_refuses_columns_for_a_pipeline(cli: Cli) -> None:
    assert "--target" in cli("run", "activity", "--target", "label", code=2)
