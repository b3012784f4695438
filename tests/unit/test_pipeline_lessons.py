"""The three lessons: the stages and shapes that PIPELINES.md promises."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from edgewright.core.package import read_package
from edgewright.core.predictor import load
from edgewright.core.records.trace import LayerTrace

if TYPE_CHECKING:
    from conftest import Lesson

Ask = Callable[[str], "Lesson"]


def flow(lesson: Lesson) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]]:
    return [(stage.name, stage.shape_in, stage.shape_out) for stage in lesson.trace.stages]


def steps(lesson: Lesson) -> list[tuple[str, int, str]]:
    """Layer, size and activation of the first prediction."""
    layers: tuple[LayerTrace, ...] = lesson.trace.predictions[0].layers
    return [(layer.name, layer.size, layer.activation) for layer in layers]


def test_activity_has_the_six_stages_and_their_shapes(lesson: Ask) -> None:
    assert flow(lesson("activity")) == [
        ("Raw data collection", (), (10_000, 20)),
        ("Preprocessing", (10_000, 20), (10_000, 20)),
        ("Feature engineering", (10_000, 20), (10_000, 10)),
        ("Training", (8_000, 10), (8_000, 3)),
        ("Deployment to the edge", (1, 20), (1, 3)),
        ("Local prediction", (1, 10), (1, 1)),
    ]


def test_activity_is_fitted_on_the_training_rows_of_other_people(lesson: Ask) -> None:
    trace = lesson("activity").trace
    assert [stage.fitted_on for stage in trace.stages[1:3]] == [8_000, 8_000]
    assert trace.stages[1].filled > 0
    assert trace.stages[1].columns_after[0].minimum == 0.0
    assert trace.stages[1].columns_after[0].maximum == 1.0
    assert len(trace.stages[2].dropped) == 10
    assert trace.evaluation is not None
    assert (trace.evaluation.samples, trace.evaluation.split_by) == (2_000, "group")
    assert trace.evaluation.labels == ("running", "sitting", "walking")
    assert trace.training is not None
    assert trace.training.samples + trace.training.validation_samples == 8_000


def test_activity_has_two_hidden_layers_and_5059_parameters(lesson: Ask) -> None:
    plan_of_lesson = lesson("activity")
    assert [layer.parameters for layer in plan_of_lesson.trace.layers] == [704, 4_160, 195]
    assert sum(layer.parameters for layer in plan_of_lesson.trace.layers) == 5_059
    assert steps(plan_of_lesson) == [("dense 1", 64, "relu"), ("dense 2", 64, "relu"), ("output", 3, "softmax")]
    prediction = plan_of_lesson.trace.predictions[0]
    assert (len(prediction.raw), len(prediction.features)) == (20, 10)
    assert prediction.right is True
    assert sum(p for _, p in prediction.probabilities) == pytest.approx(1, abs=1e-5)


def test_activity_is_packaged_within_two_megabytes(lesson: Ask) -> None:
    plan_of_lesson = lesson("activity")
    package = plan_of_lesson.folder / "activity.edge"
    assert package.stat().st_size <= 2_000_000
    assert plan_of_lesson.trace.device is not None
    assert plan_of_lesson.trace.device.profile == "phone-arm64"
    assert {row.name: row.available for row in plan_of_lesson.trace.device.rows}["package"] == 2_000_000
    assert plan_of_lesson.trace.device.fits
    manifest = read_package(package).manifest
    assert (manifest.shape, manifest.default) == ((20,), "int8")
    assert set(manifest.forms) == {"float", "int8"}
    # The answer of the last card is the package's own.
    answers = load(package).predict(
        [[float("nan") if v is None else v for v in plan_of_lesson.trace.predictions[0].raw]]
    )
    assert plan_of_lesson.trace.stages[-1].why.startswith(f"{answers.labels[0]}, ")


@pytest.mark.slow
def test_latency_has_the_six_stages_and_their_shapes(lesson: Ask) -> None:
    plan_of_lesson = lesson("latency")
    assert flow(plan_of_lesson) == [
        ("Data input", (), (1_000, 10)),
        ("Normalise", (1_000, 10), (1_000, 10)),
        ("Feature selection", (1_000, 10), (1_000, 5)),
        ("Train a smaller model", (800, 5), (800, 1)),
        ("Quantise", (1, 10), (1, 2)),
        ("Prediction", (1, 5), (1, 1)),
    ]
    assert steps(plan_of_lesson) == [("dense 1", 32, "relu"), ("dense 2", 32, "relu"), ("output", 1, "sigmoid")]
    assert sum(layer.parameters for layer in plan_of_lesson.trace.layers) == 1_281
    (value,) = plan_of_lesson.trace.stages[-1].sample_after[0]
    assert value is not None
    assert 0 <= value <= 1


@pytest.mark.slow
def test_latency_compares_float_and_int8_and_a_model_of_ten_megabytes(lesson: Ask) -> None:
    compression = lesson("latency").trace.compression
    assert compression is not None
    by_name = {variant.name: variant for variant in compression.variants if variant.how == "measured"}
    assert by_name["float"].weight_bytes / by_name["int8"].weight_bytes > 3
    for variant in by_name.values():
        assert variant.latency_p50_us is not None
        assert variant.latency_p99_us is not None
        assert 0 < variant.latency_p50_us <= variant.latency_p99_us
    (note,) = [note for note in compression.notes if "10.0" in note]
    assert "2.5" in note


@pytest.mark.slow
def test_scalability_grows_20_columns_to_230_and_answers_with_one_value(lesson: Ask) -> None:
    plan_of_lesson = lesson("scalability")
    assert flow(plan_of_lesson) == [
        ("Data input", (), (10_000, 20)),
        ("Normalise", (10_000, 20), (10_000, 20)),
        ("Polynomial features", (10_000, 20), (10_000, 230)),
        ("Architecture choice", (10_000, 230), (10_000, 230)),
        ("Training", (8_000, 230), (8_000, 1)),
        ("Prediction", (1, 230), (1, 1)),
    ]
    assert [size for _, size, _ in steps(plan_of_lesson)] == [50, 50, 1]


@pytest.mark.slow
def test_scalability_compares_both_architectures_at_every_size(lesson: Ask) -> None:
    scaling = lesson("scalability").trace.scaling
    assert scaling is not None
    assert {(point.architecture, point.rows) for point in scaling.points} == {
        (name, size) for name in ("small", "large") for size in (500, 1_000)
    }
    parameters = {point.architecture: point.parameters for point in scaling.points}
    assert parameters == {"small": 230 * 50 + 50 + 50 * 51 + 51, "large": 230 * 200 + 200 + 4 * 200 * 201 + 201}
    assert set(scaling.exponents) == {"small", "large"}
    assert "seconds" in scaling.exponents["large"]
    assert all(point.latency_us > 0 and point.seconds > 0 and 0 <= point.accuracy <= 1 for point in scaling.points)
    assert scaling.sentence
