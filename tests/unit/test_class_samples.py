"""Samples of each class for the page: never from the test side, and shaded where the answer rests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

import trace_example as example
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.prediction.executor import compile_graph
from edgewright.pipeline.config import read_config
from edgewright.pipeline.evaluation.class_metric import class_samples
from edgewright.pipeline.material import Material, prepare
from edgewright.pipeline.plan import data_plan
from edgewright.trace.html import page_html
from edgewright.trace.sections.data import values_of
from edgewright.trace.sentences.opening import opening
from small_pipeline import run_small


def test_a_run_shows_samples_it_was_not_tested_on(small: Path, tmp_path: Path) -> None:
    run = run_small(small, tmp_path / "runs")
    known = run.trace.samples
    assert known is not None
    material = prepare(data_plan(read_config(str(small))), None)
    assert [sample.truth for sample in known.samples] == ["off", "on"]
    assert known.side == "validation"
    for sample in known.samples:
        assert sample.row in material.sides.validation
        assert str(material.samples.y[sample.row]) == sample.truth
        np.testing.assert_array_equal(values_of(sample, known.shape), material.samples.X[sample.row])
    graph = read_onnx((run.folder / "model.onnx").read_bytes())
    answers = compile_graph(graph)(np.stack([values_of(sample, known.shape) for sample in known.samples]))
    np.testing.assert_allclose([s.confidence for s in known.samples], answers["confidence"], rtol=1e-5)


def _planted() -> tuple[Material, str]:
    """Return windows whose class is told by the first quarter of channel 1 alone."""
    material = prepare(data_plan(read_config("demo")), None)
    X = np.random.default_rng(0).normal(size=(80, 6, 100)).astype(np.float32)
    y = np.array(["low", "high"])[np.arange(80) % 2]
    X[:, 1, :25] += np.where(y == "high", 4.0, -4.0)[:, None]
    samples = msgspec.structs.replace(material.samples, X=X, y=y)
    return replace(material, samples=samples), "acceleration_y"


def test_the_shading_finds_where_the_signal_is() -> None:
    from edgewright.graph.builder import Builder

    material, _ = _planted()
    builder = Builder("planted", (6, 100), labels=("high", "low"))
    flat = builder.op("Reshape", builder.input, builder.integers(-1, 600))
    weights = np.zeros((600, 2), np.float32)
    weights[100:125] = (0.1, -0.1)
    scores = builder.op("MatMul", flat, builder.constant(weights))
    value = builder.op("Softmax", scores, axis=1)
    builder.stage("model", value)
    graph = builder.finish({"probabilities": (value, "float32", (2,))})
    known = class_samples(material, graph, ())
    assert known is not None
    assert known.score == "log-odds"
    assert {sample.truth for sample in known.samples} == {"high", "low"}
    for sample in known.samples:
        drops = np.array(sample.drops)
        assert sample.answer == sample.truth
        assert np.abs(drops[1, :4]).min() > 1
        assert np.abs(np.delete(drops, 1, axis=0)).max() < 1e-4
        assert np.abs(drops[1, 5:]).max() < 1e-4


@pytest.mark.parametrize("origin", ["simulated by edgewright.data.sources.wearable", "rows.csv"])
def test_the_page_begins_with_what_the_run_is(origin: str) -> None:
    trace = example.trace()
    trace = msgspec.structs.replace(trace, provenance=msgspec.structs.replace(trace.provenance, origin=origin))
    text = opening(trace)
    simulated = origin.startswith("simulated")
    assert text.startswith("The data are simulated") is simulated
    first = page_html(trace).split('<p class="kicker">')[1].split("</p>")[0]
    assert ("Simulated data" in first) is simulated
    assert trace.evaluation is not None
    assert trace.evaluation.accuracy is not None
    for word in (*trace.evaluation.labels, f"{100 * trace.evaluation.accuracy.value:.1f} %", "phone-arm64"):
        assert word in text, word
    running = msgspec.structs.replace(trace, state="running")
    assert opening(running) == ""


def test_trees_have_no_weights_to_speak_of() -> None:
    trace = example.trace()
    assert trace.compression is not None
    assert " of weights" in opening(trace)
    forms = tuple(msgspec.structs.replace(form, weight_bytes=0) for form in trace.compression.variants)
    bare = msgspec.structs.replace(trace, compression=msgspec.structs.replace(trace.compression, variants=forms))
    assert " of weights" not in opening(bare) and "an estimated" in opening(bare)
