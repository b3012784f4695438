"""Steps of a job that learn from texts: the law of their loss, and suggested words."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from cli_runner import Cli
from edgewright.jobs.steps.typing import _timeline, _Word
from edgewright.nlp.texts.model_file import read_text_model
from edgewright.schema.job import JobRecord, StepRecord
from text_example import write_texts

JOB = """
title = "Which words follow?"
shows = "A law and a model."
minutes = 0.1
[[steps]]
kind = "law"
texts = ["manuals"]
splits = 2
[[steps]]
kind = "suggest"
texts = "manuals"
size = "20kB"
models = ["ngram"]
words = 20
examples = ["The remote contr"]
[[steps]]
kind = "prove"
file = "suggest/suggest.text"
[[steps]]
kind = "typing"
passages = 3
words = 8
key_s = 0.5
"""


@pytest.fixture
def job(tmp_path: Path) -> Path:
    write_texts(tmp_path / "data" / "manuals")
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "job.toml").write_text(JOB)
    return tmp_path / "words"


@pytest.mark.slow
def test_a_job_of_texts(job: Path, tmp_path: Path, cli: Cli) -> None:
    cli("jobs", "run", job, "--data", tmp_path / "data", "--out", tmp_path / "runs")
    record = msgspec.json.decode((tmp_path / "runs" / "words" / "job.json").read_bytes(), type=JobRecord)
    law, suggested, proven, typed = record.steps
    assert record.passed
    assert proven.figures[0].value > 0
    _typed_as_told(typed)
    figures = {figure.name: figure for figure in law.figures}
    assert figures["inside"].value in (0.0, 0.5, 1.0)
    assert figures["predicted"].interval is not None
    assert law.charts[0].curves[0].name == "measured"
    assert "of 2 splits" in law.says[0]
    values = {figure.name: figure.value for figure in suggested.figures}
    assert values["bytes"] <= 20_000
    assert values["ngram_without_a_limit_bits"] <= values["chosen_bits"]
    assert "control" in suggested.says[-1]
    assert read_text_model(tmp_path / "runs" / "words" / "suggest" / "suggest.text")[0].kind == "ngram"
    assert "bits per byte" in (tmp_path / "runs" / "words" / "job.html").read_text()


def _typed_as_told(typed: StepRecord) -> None:
    """Check a session whose sentences the model knows in other orders: choices and keys fill the time line."""
    values = {figure.name: figure.value for figure in typed.figures}
    assert 0.1 < values["saved"] < 0.9
    assert values["next_word"] <= values["chosen"] <= 1
    assert values["network"] == 0
    assert 10e6 < values["memory"] < 200e6
    line = typed.timeline
    assert line is not None
    assert len(line.states) == len(line.marks) == 8
    chosen = sum(mark.kind == "alarm" for mark in line.marks)
    assert sum(one.label == "chosen" for one in line.answers) == chosen > 0
    # No key is left out, and none falls in another's time.
    assert all(a.end <= b.start + 1e-9 for a, b in pairwise(line.answers))
    assert line.seconds == pytest.approx(line.states[-1].end)
    assert "[" in line.title


def test_texts_that_are_not_there(job: Path, tmp_path: Path, cli: Cli) -> None:
    assert "texts in --data DIR with manuals" in cli("jobs", "run", job, "--out", tmp_path / "runs", code=2)
    message = cli("jobs", "run", "language-model", "--out", tmp_path / "runs", code=2)
    assert "xquad.en.json into DIR/xquad-en, " in message
    assert "data_full.json into DIR/clinc150, " in message
    (tmp_path / "xquad-en").mkdir()
    message = cli("jobs", "run", "language-model", "--data", tmp_path, "--out", tmp_path / "runs", code=2)
    assert "clinc150. Download https://" in message
    message = cli("jobs", "run", job, "--data", tmp_path, "--out", tmp_path / "runs", code=2)
    assert f"nothing there - at {tmp_path / 'manuals'}" in message
    assert not (tmp_path / "runs" / "words").exists()


def test_a_timeline_has_every_keystroke_and_the_parts_that_were_chosen() -> None:
    passage = "Press the red button, then wait."
    words = [_Word("Press", 0, 2, True), _Word("the", 6, 3, False), _Word("red", 10, 0, True),
             _Word("button", 14, 4, True), _Word("then", 22, 4, False), _Word("wait", 27, 1, True)]  # fmt: skip
    timeline = _timeline(passage, words, 0.5)
    # A choice is a key, the space behind a typed word, and each further sign between words.
    begins, keys = [0, 3, 7, 8, 14, 19], [3, 4, 1, 5, 5, 2]
    assert timeline.seconds == 0.5 * (begins[-1] + keys[-1])
    assert [(part.label, part.start, part.end) for part in timeline.states] == [
        (word.text, 0.5 * begin, 0.5 * (begin + count)) for word, begin, count in zip(words, begins, keys, strict=True)
    ]
    assert [(part.label, part.start, part.end) for part in timeline.answers] == [
        ("typed", 0.0, 1.0), ("chosen", 1.0, 1.5), ("typed", 1.5, 3.5), ("chosen", 3.5, 4.0), ("typed", 4.0, 6.0),
        ("chosen", 6.0, 6.5), ("typed", 7.0, 9.5), ("typed", 9.5, 10.0), ("chosen", 10.0, 10.5),
    ]  # fmt: skip
    assert [(mark.kind, mark.time, mark.text) for mark in timeline.marks] == [
        ("alarm", 1.0, "Press after 2 of 5"), ("missed", 3.5, "the"), ("alarm", 3.5, "red after 0 of 3"),
        ("alarm", 6.0, "button after 4 of 6"), ("missed", 9.5, "then"), ("alarm", 10.0, "wait after 1 of 4"),
    ]  # fmt: skip
    assert timeline.title.startswith("“Pr[ess] the [red] butt[on], then w[ait]”")
