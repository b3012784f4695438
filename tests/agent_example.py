"""An agent for tests: packages of rows and of windows whose answers follow from a column, recordings, a run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.package import vector_files, write_package
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.data import Column
from edgewright.core.records.device import Event, Packet
from edgewright.core.records.network import Graph
from edgewright.core.records.package import Manifest, ReferenceColumn, WindowSpec
from edgewright.device.agent.process_status import Report
from edgewright.device.agent.settings import check_settings
from edgewright.device.agent.startup import run_agent
from edgewright.device.sources import Source, Stream, short_source
from edgewright.graph.builder import Builder
from edgewright.graph.onnx_writer import to_onnx

LABELS = ("off", "on")
RATE = 50.0
Floats = NDArray[np.float32]


def graph(channels: int = 2, samples: int = 10) -> Graph:
    """Probability of 'on': sigmoid of eight times the mean of the first channel over the window."""
    builder = Builder("switch", (channels, samples), labels=LABELS)
    mean = builder.op("ReduceMean", builder.input, builder.integers(2), keepdims=0)
    weights = np.zeros((channels, 2), np.float32)
    weights[0] = (-4.0, 4.0)
    value = builder.op("MatMul", mean, builder.constant(weights))
    probabilities = builder.op("Softmax", value, axis=-1)
    label = builder.op("ArgMax", probabilities, axis=1, keepdims=0)
    confidence = builder.op("ReduceMax", probabilities, builder.integers(1), keepdims=0)
    return builder.finish(
        {
            "label": (label, "int64", ()),
            "probabilities": (probabilities, "float32", (2,)),
            "confidence": (confidence, "float32", ()),
        },
        {"licence": "Apache-2.0"},
    )


def manifest(**changes: Any) -> Manifest:  # noqa: ANN401 - fields of different types
    fields: dict[str, Any] = {
        "name": "switch", "task": "classification", "shape": (2, 10),
        "columns": (Column(name="level", unit="V", minimum=-10.0, maximum=10.0), Column(name="heat")),
        "window": WindowSpec(samples=10, step=5, rate=RATE), "labels": LABELS, "target": "state",
        "thresholds": {"confidence": 0.6}, "vectors": 4, "tolerance": {"float": 1e-5},
        "forms": {"float": "model.onnx"}, "default": "float", "reference": (), "licences": ("Apache-2.0",),
        "provenance": {"seed": "0"}, "files": (),
    }  # fmt: skip
    return Manifest(**{**fields, **changes})


def package(path: Path, *, wrong: float = 0.0, **changes: Any) -> Path:  # noqa: ANN401
    """Write the package of a switch; `wrong` moves what it says its test vectors give."""
    package_manifest = manifest(**changes)
    inputs = np.random.default_rng(1).normal(size=(4, *package_manifest.shape)).astype(np.float32)
    network = graph(*package_manifest.shape)
    expected = compile_graph(network)(inputs)["probabilities"] + np.float32(wrong)
    write_package(path, package_manifest, {"model.onnx": to_onnx(network), **vector_files(inputs, {"float": expected})})
    return path


def reference(level: tuple[float, float], heat: tuple[float, float]) -> tuple[ReferenceColumn, ...]:
    """Smallest and largest in training."""
    columns = []
    for name, (low, high) in (("level", level), ("heat", heat)):
        quantiles = tuple(np.linspace(low, high, 9).tolist())
        mean, deviation = (low + high) / 2, (high - low) / 4
        columns.append(ReferenceColumn(name=name, mean=mean, deviation=deviation, missing=0.0, quantiles=quantiles))
    return tuple(columns)


def reference_of(values: Floats) -> tuple[ReferenceColumn, ...]:
    """Return what rows of the two columns looked like."""
    shares = (0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1)
    return tuple(
        ReferenceColumn(
            name=name,
            mean=float(column.mean()),
            deviation=float(column.std()),
            missing=0.0,
            quantiles=tuple(np.quantile(column, shares).tolist()),
        )
        for name, column in zip(("level", "heat"), values.T.astype(np.float64), strict=True)
    )


def signal(seconds: float, period: float = 8.0, seed: int = 0) -> Floats:
    """'level' is on for half of each period; 'heat' is noise around 20; never the same value twice in a row."""
    rows = int(seconds * RATE)
    rng = np.random.default_rng(seed)
    level = np.where((np.arange(rows) / RATE) % period < period / 2, -1.0, 1.0) + rng.normal(size=rows) * 0.05
    return np.stack([level, 20 + rng.normal(size=rows)], 1).astype(np.float32)


def recording(path: Path, values: Floats, *, begin: float = 0.0, header: str = "time,level,heat") -> Path:
    """Return a CSV file of rows with their time."""
    lines = [header]
    for index, row in enumerate(values.tolist()):
        cells = ["" if value != value else f"{value:.5f}" for value in row]
        lines.append(",".join([f"{begin + index / RATE:.3f}", *cells]))
    path.write_text("\n".join(lines) + "\n")
    return path


class Given(Stream):
    """A source that gives packets as they are listed, then `more`, and ends."""

    kind = "given"

    def __init__(self, listed: Iterable[Packet], live: bool = False, rate: float | None = RATE) -> None:
        self.rate, self.live = rate, live
        self.asked: tuple[str, ...] = ()
        self._left = iter(listed)
        self._done = False

    def open(self, columns: tuple[str, ...]) -> Given:
        self.asked = columns
        return self

    def read(self, timeout: float) -> Sequence[Packet]:
        packet = next(self._left, None)
        self._done = packet is None
        return [] if packet is None else [packet]

    def ended(self) -> bool:
        return self._done

    def close(self) -> None:
        self._done = True


def packets(values: Floats, rows: int = 50, *, stream: str = "", begin: float = 0.0) -> list[Packet]:
    """Return rows in packets of so many."""
    times = begin + np.round(np.arange(len(values)) / RATE, 3)
    return [
        Packet(stream=stream, values=values[at : at + rows], time=times[at : at + rows])
        for at in range(0, len(values), rows)
    ]


def stretch(values: Floats, begin: int, end: int, rows: int = 50) -> list[Packet]:
    """Return some rows of a recording with their own times, in packets of so many."""
    (whole,) = packets(values, len(values))
    assert whole.time is not None
    return [
        Packet(values=values[at : min(end, at + rows)], time=whole.time[at : min(end, at + rows)])
        for at in range(begin, end, rows)
    ]


def given(
    folder: Path, listed: Iterable[Packet], *, settings: dict[str, Any] | None = None, printed: list[str] | None = None,
    live: bool = False,
) -> tuple[list[Event], Report]:  # fmt: skip
    """Run the agent on packets."""
    return _run(folder, Given(listed, live), settings, printed)


def run(
    folder: Path, source: str, *, settings: dict[str, Any] | None = None, printed: list[str] | None = None
) -> tuple[list[Event], Report]:
    """Run the agent to the end of its source, with the package `switch.edge` of the folder unless told otherwise."""
    return _run(folder, short_source(source), settings, printed)


def _run(
    folder: Path, source: Source | Given, settings: dict[str, Any] | None, printed: list[str] | None
) -> tuple[list[Event], Report]:
    events: list[Event] = []
    table = {"packages": [{"path": "switch.edge"}], **(settings or {})}
    configured = check_settings(table, folder, "device.toml")
    report = run_agent(
        configured, source, folder / "store", stop=lambda: False,  # type: ignore[arg-type]
        say=(printed if printed is not None else []).append, publish=events.extend, begin=lambda _: None,
    )  # fmt: skip
    return events, report


def event_lines(events: Sequence[Event], *kinds: str) -> list[tuple[float, str, str]]:
    """Return time, kind and label of events of these kinds."""
    return [(round(event.time, 3), event.kind, event.label) for event in events if not kinds or event.kind in kinds]


def lines(events: Sequence[Event]) -> list[str]:
    """As JSON, to compare byte for byte."""
    return [msgspec.json.encode(event).decode() for event in events]


def parsed(text: str) -> list[dict[str, Any]]:
    """Return events that the command printed with --json."""
    return [json.loads(line) for line in text.splitlines()]
