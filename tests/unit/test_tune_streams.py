"""Recordings as tuning hears them are recordings as the device hears them; events are what the labels say."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.core.errors import ColumnMissingError, TuningError
from edgewright.core.input.recordings import Windower
from edgewright.core.package import package_bytes, parse_package
from edgewright.core.prediction.executor import Decider
from edgewright.core.predictor import Predictor
from edgewright.core.records.data import Column, DataSet, Recording
from edgewright.core.records.network import Graph
from edgewright.core.records.package import WindowSpec
from edgewright.graph.builder import Builder
from edgewright.workflows.tuning.recordings import tapes_of
from edgewright.workflows.tuning.selection import decision, decisions
from runtime_example import numbers, parts

LABELS = ("calm", "fall")
SPEC = WindowSpec(samples=8, step=3, rate=50.0)


def network() -> Graph:
    """Return windows of 2 channels and 8 samples to two probabilities."""
    builder = Builder("falls", (2, 8), labels=LABELS)
    flat = builder.op("Flatten", builder.input)
    value = builder.op("Gemm", flat, builder.constant(3 * numbers(16, 2)), builder.constant(numbers(2)))
    probabilities = builder.op("Softmax", value, axis=-1)
    label = builder.op("ArgMax", probabilities, axis=1, keepdims=0)
    confidence = builder.op("ReduceMax", probabilities, builder.integers(1), keepdims=0)
    return builder.finish(
        {
            "label": (label, "int64", ()),
            "probabilities": (probabilities, "float32", (2,)),
            "confidence": (confidence, "float32", ()),
        }
    )


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    columns = (Column(name="x"), Column(name="y"))
    manifest, files = parts(network(), name="falls", columns=columns, shape=(2, 8), window=SPEC, labels=LABELS)
    return Predictor(parse_package(package_bytes(manifest, files), "falls"), engine="numpy")


def recording(
    rows: int = 300, *, name: str = "r", people: tuple[str, ...] = (), gap: int = 0, clock: bool = True
) -> Recording:
    values = numbers(rows, 3, seed=rows)
    target = np.full(rows, "calm", "<U4")
    target[50:80] = "fall"
    target[80:90] = ""
    target[90:95] = "fall"
    time: NDArray[np.float64] = np.arange(rows) / 50.0
    if gap:
        time[gap:] += 2.0
    groups = np.repeat(np.array(people), rows // len(people)) if people else None
    return Recording(name=name, values=values, target=target, groups=groups, time=time if clock else None)


def dataset(*recordings: Recording, rate: float | None = 50.0) -> DataSet:
    return DataSet(
        name="d", columns=tuple(Column(name=n) for n in ("y", "z", "x")), recordings=recordings, rate=rate,
        target_name="label",
    )  # fmt: skip


def streamed(predictor: Predictor, one: Recording, gap: int) -> list[tuple[int, float, float]]:
    """Return what the device decides: row by row, a new windower and a gap where time jumps."""
    decider, windower = Decider(decision(("fall",), 2, 1, 0.6, 0.3), LABELS), Windower(8, 3, 2)
    assert one.time is not None
    decided = []
    for index, row in enumerate(one.values[:, [2, 0]]):
        if gap and index == gap:
            decider.gap()
            windower = Windower(8, 3, 2)
        for window in windower.push(row):
            decision_made = decider.push(predictor.predict(window[None]).probabilities[0], float(one.time[index]))
            if decision_made is not None:
                decided.append((decision_made.label, decision_made.time, decision_made.confidence))
    return decided


@pytest.mark.parametrize("gap", [0, 101])
def test_tuning_decides_as_the_device_does_row_by_row(predictor: Predictor, gap: int) -> None:
    one = recording(gap=gap)
    (tape,), per_second = tapes_of(predictor, dataset(one), ("fall",))
    decided = decisions(tape, decision(("fall",), 2, 1, 0.6, 0.3), LABELS)
    expected = streamed(predictor, one, gap)
    assert [(d.label, d.time) for d in decided] == [(label, time) for label, time, _ in expected]
    # An engine may sum a batch in another order than a window alone.
    assert [d.confidence for d in decided] == pytest.approx([c for *_, c in expected], abs=1e-5)
    assert len(decided) > 10
    assert per_second == pytest.approx(50 / 3)
    assert len(tape.pieces) == 1 + bool(gap)


def test_events_are_stretches_of_the_labels_that_alarm(predictor: Predictor) -> None:
    (tape,), _ = tapes_of(predictor, dataset(recording()), ("fall",))
    assert [event.label for event in tape.events] == ["fall", "fall"]
    assert [(e.start, e.end) for e in tape.events] == [pytest.approx((1.0, 1.6)), pytest.approx((1.8, 1.9))]
    assert tape.step == pytest.approx(0.06)
    assert tape.group == "r"
    # Windows end every .06 s from .14 s on; those from 1.0 to 1.7 and from 1.8 to 2.0 are inside.
    times = tape.pieces[0][1]
    inside = ((times >= 1.0) & (times <= 1.7)) | ((times >= 1.8) & (times <= 2.0))
    assert tape.exposure(0.1) == pytest.approx(0.06 * (~inside).sum())
    (calm,), _ = tapes_of(predictor, dataset(recording()), ("calm",))
    assert len(calm.events) == 2


def test_people_are_kept_apart_and_chosen(predictor: Predictor) -> None:
    both = dataset(recording(people=("anna", "ben")), recording(240, name="s", people=("ben",)))
    tapes, _ = tapes_of(predictor, both, ("fall",))
    assert [(t.name, t.group) for t in tapes] == [("r", "anna"), ("r", "ben"), ("s", "ben")]
    assert tapes[1].pieces[0][1][0] == pytest.approx(3.0 + 7 / 50)
    chosen, _ = tapes_of(predictor, both, ("fall",), ("ben",))
    assert [t.name for t in chosen] == ["r", "s"]


def test_without_a_clock_the_rate_counts_and_what_is_wrong_is_said(predictor: Predictor) -> None:
    timed, _ = tapes_of(predictor, dataset(recording()), ("fall",))
    untimed, _ = tapes_of(predictor, dataset(recording(clock=False)), ("fall",))
    assert (timed[0].pieces[0][1] == untimed[0].pieces[0][1]).all()
    other = DataSet(name="d", columns=(Column(name="x"),), recordings=(recording(),))
    with pytest.raises(ColumnMissingError, match="the columns x, y, got no y"):
        tapes_of(predictor, other, ("fall",))
    with pytest.raises(TuningError):
        tapes_of(predictor, dataset(recording(5)), ("fall",))
