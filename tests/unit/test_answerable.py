"""Test samples without an answer are no part of a run's figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewright.core.errors import PipelineError
from edgewright.core.predictor import Predictor
from small_pipeline import rows, run_small, write_rows, write_toml


def emptied(table: list[list[str]], each: int) -> list[list[str]]:
    """Return the table with every so many rows without a measurement."""
    return [["", "", row[2]] if number % each == 0 else row for number, row in enumerate(table)]


def test_figures_are_of_the_samples_that_have_an_answer(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "rows.csv", emptied(rows(), 6))
    result = run_small(write_toml(tmp_path / "small.toml", data), tmp_path / "runs")
    assert not result.refused and result.package is not None
    (message,) = [text for text in result.trace.warnings if "have no answer" in text]
    count, total = int(message.split()[0]), int(message.split()[2])
    assert 0 < count < total and "lack more than 50 % of a row's values" in message
    evaluation = result.trace.evaluation
    assert evaluation is not None and sum(map(sum, evaluation.confusion)) == total - count
    answers = Predictor(result.package, engine="numpy").predict([[float("nan")] * 2, [0.5, float("nan")]])
    assert answers.missing.tolist() == [True, False]


def test_data_whose_every_test_sample_misses_too_much_is_refused(tmp_path: Path) -> None:
    table = [["", b, label] if n % 2 else [a, "", label] for n, (a, b, label) in enumerate(rows())]
    toml = write_toml(tmp_path / "small.toml", write_rows(tmp_path / "rows.csv", table))
    toml.write_text(toml.read_text().replace('kind = "impute"', 'kind = "impute"\nlimit = 0.4'))
    with pytest.raises(PipelineError, match=r"test samples that have an answer.*raise the `limit`"):
        run_small(toml, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
