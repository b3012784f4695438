"""The lessons as a reader meets them: key figures within bands, and the sections of the page in order."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from edgewright.pipeline.config import read_config
from edgewright.pipeline.run import run_pipeline

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Lesson

Ask = Callable[[str], "Lesson"]
# Parts of a record that differ from run to run and from machine to machine.
VOLATILE = {"seconds", "cpu_seconds", "compile_seconds", "compile_cpu_seconds", "peak_bytes", "latency_p50_us",
            "latency_p99_us", "latency_us", "float_us", "int8_us", "started", "platform", "versions",
            "command"}  # fmt: skip

# Accuracy on people or machines that were not trained on, and epochs. Bands, as the last digits of a float differ
# between processors: the figures measured when these were written are in the middle.
BANDS = {
    "activity": {
        "accuracy": (0.84, 0.95),
        "first_loss": (0.5, 1.1),
        "last_loss": (0.05, 0.30),
        "majority": (0.3, 0.45),
    },
    "latency": {"accuracy": (0.85, 0.97), "first_loss": (0.5, 0.8), "last_loss": (0.15, 0.45), "majority": (0.5, 0.7)},
    "scalability": {"accuracy": (0.6, 1.0), "first_loss": (0.2, 0.9), "last_loss": (0.05, 0.7), "majority": (0.4, 0.9)},
}
SECTIONS = {
    "activity": ["Data flow", "Training trace", "Data flow", "Model", "Evaluation", "Compression", "Data flow",
                 "Device fit", "Data flow", "Prediction trace", "Key insight", "Verdict"],
    "latency": ["Data flow", "Training trace", "Data flow", "Model", "Evaluation", "Compression", "Data flow",
                "Device fit", "Data flow", "Prediction trace", "Key insight", "Verdict"],
    "scalability": ["Data flow", "Scaling", "Data flow", "Scaling", "Training trace", "Data flow", "Model",
                    "Evaluation", "Compression", "Device fit", "Data flow", "Prediction trace", "Key insight",
                    "Verdict"],
}  # fmt: skip
LESSONS = [pytest.param(name, marks=[pytest.mark.slow] * (name != "activity")) for name in sorted(BANDS)]


def steady(part: Any) -> Any:  # noqa: ANN401 - JSON of any shape
    """Return the record without what time and the machine decide: figures named above, and text that quotes them."""
    if isinstance(part, dict):
        return {key: steady(value) for key, value in part.items() if key not in VOLATILE}
    if isinstance(part, list):
        return [steady(value) for value in part]
    return re.sub(r"\d[\d.,]* ?(?:µs|ms|s)\b", "#", part) if isinstance(part, str) else part


@pytest.mark.parametrize("name", LESSONS)
def test_key_figures_stay_in_their_bands(name: str, lesson: Ask) -> None:
    trace = lesson(name).trace
    assert trace.training is not None
    assert trace.evaluation is not None
    assert trace.evaluation.accuracy is not None
    assert trace.evaluation.majority is not None
    epochs = trace.training.epochs
    values = {
        "accuracy": trace.evaluation.accuracy.value,
        "first_loss": epochs[0].loss,
        "last_loss": epochs[-1].loss,
        "majority": trace.evaluation.majority,
    }
    for figure, (low, high) in BANDS[name].items():
        assert low <= values[figure] <= high, f"{figure} {values[figure]:.4f}"
    assert values["last_loss"] < values["first_loss"]
    assert trace.evaluation.accuracy.value > trace.evaluation.majority
    assert trace.evaluation.accuracy.low < trace.evaluation.accuracy.value < trace.evaluation.accuracy.high
    assert trace.compression is not None
    assert trace.compression.within
    assert trace.evaluation.calibration_error is not None
    assert trace.evaluation.calibration_error < 0.12


@pytest.mark.parametrize("name", LESSONS)
def test_the_terminal_shows_the_sections_in_order(name: str, lesson: Ask) -> None:
    lines = lesson(name).text.splitlines()
    headings = [line.split(" ─")[0] for line in lines if re.match(r"\S.* ─{3,}$", line)]
    assert headings == SECTIONS[name]
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize("name", LESSONS)
def test_the_terminal_numbers_the_cards_as_in_the_record(name: str, lesson: Ask) -> None:
    planned = lesson(name)
    shown = re.findall(r"^(\d+)\. (.*)$", planned.text, re.MULTILINE)
    assert shown == [(str(number), stage.name) for number, stage in enumerate(planned.trace.stages, 1)]
    for stage in planned.trace.stages:
        assert " x ".join(f"{n:,}" for n in stage.shape_out) in planned.text


@pytest.mark.parametrize("name", LESSONS)
def test_the_terminal_shows_every_epoch_the_insight_and_the_verdict(name: str, lesson: Ask) -> None:
    planned = lesson(name)
    flat = " ".join(planned.text.split())
    assert planned.trace.training is not None
    for epoch in planned.trace.training.epochs:
        assert re.search(rf"^ +{epoch.epoch}  ", planned.text, re.MULTILINE)
        assert epoch.observation in flat
    assert planned.trace.insight.sentence in flat
    assert planned.trace.verdict in flat
    assert planned.trace.provenance.package_hash[:12] in flat
    assert planned.trace.insight.numbers


@pytest.mark.slow
def test_what_a_run_says_is_the_same_every_time(lesson: Ask, tmp_path: Path) -> None:
    first = lesson("latency")
    again = run_pipeline(read_config("latency"), out=tmp_path)
    ours, theirs = (
        steady(msgspec.json.decode((folder / "trace.json").read_bytes())) for folder in (first.folder, again.folder)
    )
    for record in (ours, theirs):
        # The insight's comparison of latencies may turn out either way; its other numbers are the data's.
        for figure in [key for key in record["insight"]["numbers"] if "latency" in key]:
            record["insight"]["numbers"].pop(figure)
        record["insight"].pop("sentence")
        record.pop("verdict")
    assert ours == theirs
