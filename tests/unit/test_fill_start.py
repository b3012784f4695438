"""Windows whose start is filled with copies of the first row: the same at the desk, in the agent and in C."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import numpy as np
import pytest

from c99_examples import WARNINGS, call, need
from edgewright.core.csv.rows import read_csv
from edgewright.core.input.recordings import Windower
from edgewright.core.input.recordings import cut as cut_windows
from edgewright.core.input.samples import to_samples
from edgewright.core.neighbours import read_samples
from edgewright.core.package import package_bytes, parse_package
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.prediction_input import answer_rows
from edgewright.core.predictor import Predictor
from edgewright.core.records.config import WindowConfig
from edgewright.core.records.data import Column, DataSet, Floats, Recording, Samples
from edgewright.core.records.device import DecisionSpec
from edgewright.core.records.network import Graph
from edgewright.data.samples import cut, cut_in_parts
from edgewright.device.agent.feed import WindowCutter
from edgewright.device.timeline import Ready
from edgewright.export.c99_code.header import CodeOptions
from edgewright.export.c99_code.pipeline import write_c99
from edgewright.export.c99_stream.stream import write_stream_c99
from edgewright.export.contract import Stream
from edgewright.graph.builder import Builder
from edgewright.pipeline.package.packaging import window_spec
from edgewright.studio.view import data_cache
from edgewright.workflows.scoring.workflow import window_of
from runtime_example import window_parts
from stream_example import CStream

LABELS = ("rest", "walk", "fall")
SAMPLES = 6
# Rows without a gap, one after the other: a recording, another one that is shorter than a window and comes right after
# it, and two stretches of a third, between which rows are missing.
STRETCHES = (17, 4, 9, 5)


def _model() -> Graph:
    """Means of three probabilities over a window."""
    builder = Builder("means", (3, SAMPLES), labels=LABELS)
    value = builder.op("Flatten", builder.op("GlobalAveragePool", builder.input), axis=1)
    label = builder.op("ArgMax", value, axis=1, keepdims=0)
    confidence = builder.op("ReduceMax", value, builder.integers(1), keepdims=0)
    return builder.finish({
        "label": (label, "int64", ()),
        "probabilities": (value, "float32", (3,)),
        "confidence": (confidence, "float32", ()),
    })  # fmt: skip


def _rows() -> list[Floats]:
    rng = np.random.default_rng(7)
    return [rng.dirichlet((0.7, 0.7, 0.7), n).astype(np.float32) for n in STRETCHES]


def _dataset() -> DataSet:
    a, b, c, d = _rows()
    clock = np.concatenate([np.arange(len(c)), np.arange(len(d)) + 1000.0])
    return DataSet(
        name="filled",
        columns=tuple(Column(name=name) for name in "abc"),
        recordings=tuple(
            Recording(name=name, values=values, target=np.arange(len(values)) + 10.0 * number, time=time)
            for number, (name, values, time) in enumerate(
                (("one", a, None), ("two", b, None), ("three", np.concatenate([c, d]), clock))
            )
        ),
        target_name="amount",
    )


@pytest.mark.parametrize("step", [1, 4, 8])
def test_desk_agent_and_c_answer_the_same_windows_to_the_bit(step: int, tmp_path: Path) -> None:
    need("gcc")
    config = WindowConfig(samples=SAMPLES, step=step, within="recording", fill_start=True)
    samples = cut(_dataset(), config)
    spec, graph, rows = window_spec(config, None), _model(), _rows()
    cutter, cuts = WindowCutter(spec, 3), []
    for values in rows:
        for at, row in enumerate(values):
            time, well = np.array([float(at)]), np.ones(1, np.bool_)
            batch = cutter.push(Ready(values=row[None], time=time, gap_before=at == 0, healthy=well))
            if batch is not None:
                assert batch.healthy.all()
                cuts.append((int(batch.times[0]), batch.samples))
    assert [at for at, _ in cuts] == [at for n in STRETCHES for at in range(0, n, step)]
    assert samples.X.tobytes() == np.concatenate([window for _, window in cuts]).tobytes()

    stream = Stream(spec, LABELS, DecisionSpec())
    files = write_c99(graph, CodeOptions("m")) | write_stream_c99(stream, (3, SAMPLES), 3, name="m")
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    sources = [name for name in files if name.endswith(".c")]
    call(tmp_path, "gcc", *WARNINGS, "-O1", "-ffp-contract=off", "-shared", "-fPIC", *sources, "-o", "m.so", "-lm")
    begins = np.cumsum([0, *STRETCHES[:-1]])
    _, means = CStream(tmp_path / "m.so", "m", 3).run(np.concatenate(rows), {int(at): 0 for at in begins[1:]})
    places = [int(begin) + at for begin, n in zip(begins, STRETCHES, strict=True) for at in range(0, n, step)]
    answers = compile_graph(graph)(samples.X)["probabilities"]
    assert np.asarray(answers, np.float32).tobytes() == np.array(means)[places].tobytes()


def _of(samples: Samples, name: str) -> tuple[list[float], list[int]]:
    mine = samples.sessions == name
    return np.asarray(samples.y)[mine].tolist(), samples.starts[mine].tolist()


def test_a_window_tells_the_amount_of_its_last_row_from_the_first_on() -> None:
    config = WindowConfig(samples=SAMPLES, step=1, within="recording", fill_start=True)
    samples = cut(_dataset(), config)
    assert _of(samples, "two") == ([10.0, 11.0, 12.0, 13.0], [-5, -4, -3, -2])
    # A gap begins anew: its first window ends with the first row behind it.
    assert _of(samples, "three")[1] == [*range(-5, 4), *range(4, 9)]
    mean = cut(_dataset(), WindowConfig(samples=2, step=1, within="recording", fill_start=True, target="mean"))
    assert _of(mean, "two")[0] == [10.0, 10.5, 11.5, 12.5]
    shown = data_cache.windows(_dataset(), samples, fill_start=True)
    assert [shown.recording[samples.sessions == name].tolist() for name in ("one", "two")] == [[0] * 17, [1] * 4]
    assert shown.row[samples.sessions == "two"].tolist() == [-5, -4, -3, -2]
    (last,) = cut_in_parts(_dataset(), config, 100, last=True)
    assert _of(last, "two") == ([13.0], [-2])
    assert last.X[last.sessions == "two"].tobytes() == samples.X[samples.sessions == "two"][-1:].tobytes()


def test_a_change_of_label_is_not_filled() -> None:
    values = np.arange(10, dtype=np.float32)[:, None]
    one = Recording(name="one", values=values, target=np.repeat(["a", "b"], 5))
    dataset = DataSet(name="labels", columns=(Column(name="x"),), recordings=(one,), target_name="kind")
    samples = cut(dataset, WindowConfig(samples=3, step=1, fill_start=True))
    assert samples.X[:, 0, -1].tolist() == [0, 1, 2, 3, 4, 7, 8, 9]
    assert samples.y.tolist() == ["a"] * 5 + ["b"] * 3
    assert samples.X[0, 0].tolist() == [0, 0, 0]


def test_a_row_that_is_not_well_makes_windows_with_its_copies_not_well() -> None:
    spec = window_spec(WindowConfig(samples=3, step=1, fill_start=True), None)
    healthy = np.array([False, True, True, True])
    ready = Ready(values=np.zeros((4, 1), np.float32), time=np.arange(4.0), gap_before=True, healthy=healthy)
    batch = WindowCutter(spec, 1).push(ready)
    assert batch is not None
    assert batch.healthy.tolist() == [False, False, False, True]


def test_a_stream_is_filled_once() -> None:
    windower = Windower(3, 1, 1, fill_start=True)
    windows = [window for row in range(3) for window in windower.push(np.array([row]))]
    assert [window[0].tolist() for window in windows] == [[0, 0, 0], [0, 0, 1], [0, 1, 2]]


def test_rows_of_a_file_are_answered_from_the_first_on(tmp_path: Path) -> None:
    manifest, files = window_parts()
    assert manifest.window is not None
    manifest = msgspec.structs.replace(manifest, window=msgspec.structs.replace(manifest.window, fill_start=True))
    predictor = Predictor(parse_package(package_bytes(manifest, files), "p"))
    rows = np.random.default_rng(1).normal(size=(6, 2)).astype(np.float32)
    text = "x,y\n" + "".join(f"{x!r},{y!r}\n" for x, y in rows.tolist())
    windows, starts = cut_windows(rows, 8, 4, fill_start=True)
    expected = np.asarray(predictor.predict(np.ascontiguousarray(windows)).predictions, np.float64).tolist()
    answers = list(answer_rows(predictor, io.StringIO(text), "rows"))
    assert [(one["place"], one["prediction"]) for one in answers] == list(
        zip(("row 1", "row 5"), expected, strict=True)
    )
    (tmp_path / "rows.csv").write_text(text)
    assert to_samples(read_csv(tmp_path / "rows.csv", name="rows"), manifest).tobytes() == windows.tobytes()
    samples, places = read_samples(tmp_path / "rows.csv", manifest)
    assert (samples.tobytes(), places) == (windows.tobytes(), ["line 2", "line 2"])
    assert starts.tolist() == [-7, -3]
    window = window_of(manifest)
    assert window is not None
    assert window.fill_start
