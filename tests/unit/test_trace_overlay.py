"""Curves of several runs in one chart, and the studio's comparison: results before settings."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgewright.core.records.trace import Trace
from edgewright.trace.blocks.view_blocks import CURVES
from edgewright.trace.sections.training import overlaid
from studio_example import client, record
from trace_example import epochs, trace


def run(count: int, **changes: object) -> Trace:
    """Return a run of so many epochs, each with something changed."""
    history = tuple(msgspec.structs.replace(epoch, **changes) for epoch in epochs(count))
    training = trace().training
    assert training is not None
    return msgspec.structs.replace(trace(), training=msgspec.structs.replace(training, epochs=history))


def test_each_run_is_a_curve_of_validation_loss_and_accuracy() -> None:
    overlay = overlaid({"a": run(12), "b": run(9)})
    assert overlay is not None
    assert [chart.title for chart in overlay.charts] == ["Validation loss", "Validation accuracy"]
    loss = overlay.charts[0]
    assert [(curve.name, len(curve.points)) for curve in loss.curves] == [("a", 12), ("b", 9)]
    assert loss.curves[0].points == tuple((float(e.epoch), e.validation_loss) for e in epochs(12))


def test_a_figure_that_one_run_lacks_is_left_out() -> None:
    overlay = overlaid({"a": run(12), "b": run(9, validation_loss=None, validation_accuracy=None)})
    assert overlay is not None
    assert [chart.title for chart in overlay.charts] == ["Loss"]


def test_one_run_with_epochs_has_nothing_to_compare_and_colours_are_not_shared() -> None:
    assert overlaid({"a": run(12), "b": msgspec.structs.replace(trace(), training=None)}) is None
    overlay = overlaid({str(i): run(5) for i in range(CURVES + 2)})
    assert overlay is not None
    assert [len(chart.curves) for chart in overlay.charts] == [CURVES, CURVES]


def test_the_studio_shows_results_then_curves_then_settings(tmp_path: Path) -> None:
    for name in ("one", "two"):
        record(tmp_path, name, training=run(12).training)
    text = client(tmp_path).get("/compare?run=one&run=two").text.partition("<main")[2]
    places = [text.index(part) for part in (">Result<", ">Verdict<", ">Training curves<", ">Configuration<", ">Data<")]
    assert places == sorted(places)
    assert text.count("<polyline") == 4
