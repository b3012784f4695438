"""A review in the terminal and over a pipe: what is typed, taken back, refused, and where it goes on."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.core.errors import LabelsError
from edgewright.language.labelling.audit import draw
from edgewright.language.labelling.project import Project
from edgewright.language.labelling.review import bars, meant
from label_example import TRUTH, suggested, write_project


def piped(monkeypatch: pytest.MonkeyPatch, path: Path, lines: str, *options: str) -> int:
    """Return the exit code of a review that reads these lines."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
    return run(["label", "review", str(path), "--as", "ann", *options])


def labels(path: Path) -> list[tuple[str, str]]:
    """Return labels by people and how they came about, in their order."""
    with Project(path) as project:
        return [(one.label, one.how) for one in project.reviews()]


def test_lines_label_take_back_and_go_on_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_project(tmp_path)
    suggested(path).close()
    assert piped(monkeypatch, path, "\nfood\n/undo\n/none\n/skip\n+drink\nlam\n1\n/quit\n") == 0
    assert labels(path) == [
        ("lamp", "accepted"),
        ("", "typed"),
        ("drink", "typed"),
        ("lamp", "accepted"),
        ("drink", "typed"),
    ]
    assert "5 labelled by ann, 75 left" in capsys.readouterr().out
    assert piped(monkeypatch, path, "lamp\n", "--json") == 0
    assert json.loads(capsys.readouterr().out)["labelled"] == 1
    assert len(labels(path)) == 6
    with Project(path) as project:
        before = project.reviews()
    assert piped(monkeypatch, path, "food\n", "--item", str(before[0].item)) == 0
    with Project(path) as project:
        assert [(one.item, one.label) for one in project.reviews()[6:]] == [(before[0].item, "food")]


def test_a_line_that_means_nothing_ends_a_piped_review_and_keeps_what_was_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_project(tmp_path)
    assert piped(monkeypatch, path, "lamp\nfod\nlamp\n") == 2
    captured = capsys.readouterr()
    assert "line 2" in captured.err
    assert "Did you mean 'food'" in captured.err
    assert "1 labelled by ann" in captured.out
    assert labels(path) == [("lamp", "typed")]
    # An empty line takes nothing where nothing is suggested.
    assert piped(monkeypatch, path, "\n") == 2


def test_an_audit_does_not_show_what_the_machine_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_project(tmp_path)
    with suggested(path) as project:
        draw(project, 3, seed=0)
    assert piped(monkeypatch, path, "lamp\n\n", "--audit") == 2
    assert "90 %" not in capsys.readouterr().out
    assert labels(path) == [("lamp", "blind")]
    assert run(["label", "audit", str(path)]) == 1
    assert "1 of 3 answered" in capsys.readouterr().out


def test_an_audit_says_what_its_answers_mean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_project(tmp_path)
    with suggested(path, wrong=80) as project:
        draw(project, 4, seed=0)
        answers = "\n".join(TRUTH[item.content] for n in _sample(project) if (item := project.item(n)))
    assert piped(monkeypatch, path, answers + "\n", "--audit") == 0
    capsys.readouterr()
    assert run(["label", "audit", str(path), "--json"]) == 1
    record = json.loads(capsys.readouterr().out)
    assert (record["state"], record["errors"], record["high"]) == ("done", 4, 1.0)
    assert run(["label", "audit", str(path), "--draw", "3"]) == 2


def _sample(project: Project) -> list[int]:
    rows = project.execute("SELECT item FROM population WHERE rank < 4 ORDER BY rank")
    return [row[0] for row in rows]


def test_two_people_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    path = write_project(tmp_path)
    assert piped(monkeypatch, path, "lamp\nfood\n") == 0
    monkeypatch.setattr(sys, "stdin", io.StringIO("lamp\nlamp\n"))
    cli("label", "review", path, "--as", "bob", "--second")
    text = cli("label", "status", path)
    assert "ann and bob agree on 1 of 2: Cohen's kappa 0.00" in text
    assert "1 item with two labels" in text


@pytest.mark.parametrize(
    ("line", "label"), [("walk", "walk"), ("RU", "run"), ("2", "walk"), ("/none", ""), ("", "run"), ("wa", "walk")]
)
def test_what_a_line_means(line: str, label: str) -> None:
    assert meant(line, ["run", "walk", "walking"][: 3 if line == "walk" else 2], "run") == label


def test_an_unclear_line_is_refused() -> None:
    with pytest.raises(LabelsError, match="which 2 begin with"):
        meant("wa", ["walk", "walking"], "")
    # A class that is a number is meant by its name, before places in the list.
    assert meant("2", ["1", "2", "3", "0"], "") == "2"


def test_a_reviewer_needs_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("lamp\n"))
    assert run(["label", "review", str(write_project(tmp_path)), "--as", " "]) == 2


def test_windows_are_drawn_in_characters() -> None:
    import numpy as np

    rows = list(bars(np.array([[0, 1, 2, 3], [np.nan] * 4], np.float32).tobytes(), ["x", "long"]))
    assert rows[0].split() == ["x", "0", "▁▃▆█", "3"]
    assert rows[1].endswith("all missing")
