"""Steps of a job that learn from texts: the law of their loss, and suggested words."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from cli_runner import Cli
from edgewright.nlp.texts.model_file import read_text_model
from edgewright.schema.job import JobRecord
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
    law, suggested = record.steps
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


def test_texts_that_are_not_there(job: Path, tmp_path: Path, cli: Cli) -> None:
    assert "texts in --data DIR with manuals" in cli("jobs", "run", job, "--out", tmp_path / "runs", code=2)
    said = cli("jobs", "run", job, "--data", tmp_path, "--out", tmp_path / "runs", code=2)
    assert f"nothing there - at {tmp_path / 'manuals'}" in said
    assert not (tmp_path / "runs" / "words").exists()
