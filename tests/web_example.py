"""Exported apps of windows of an accelerometer and of a microphone, with the C that they were made of."""

from __future__ import annotations

import importlib.util
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgewright.compression.int8 import quantise
from edgewright.core.records.data import Column
from edgewright.core.records.device import DecisionSpec
from edgewright.core.records.package import WindowSpec
from edgewright.export.c99_host.host import CModel, load_c99
from edgewright.export.contract import Stream, Subject
from edgewright.export.targets import c99, web
from edgewright.export.web.module import WasmModel
from edgewright.features.log_mel import LogMel
from edgewright.models.network import NetworkClassifier
from edgewright.pipeline.pipeline import Pipeline
from edgewright.preprocessing.scale import Scale
from example_sources import read_set
from proof_example import SHAPE, fitted, samples, subject
from support import left_out, shared_data

RATE = 25.0
SOUND_RATE, WINDOW = 8000.0, 4000
_LAYERS = ({"kind": "conv1d", "filters": 12, "kernel": 5, "stride": 2}, {"kind": "global_max_pool"})


def need_web() -> None:
    """Leave the test out where the extra `web` is not installed."""
    for name in ("ziglang", "wasmtime"):
        if importlib.util.find_spec(name) is None:
            left_out(f"{name} (pip install 'edgewright[web]')")


@cache
def motion_subject() -> Subject:
    """Return windows of three accelerations of a phone, int8, with decisions and an alarm."""
    graph = subject().graphs["int8"]
    labels = tuple(str(name) for name in fitted()[-1].classes_)
    columns = tuple(Column(name=f"acc_{axis}", unit="g", minimum=-8.0, maximum=8.0) for axis in "xyz")
    window = WindowSpec(samples=SHAPE[1], step=SHAPE[1] // 2, rate=RATE)
    decision = DecisionSpec(smoothing=2, alarms=(labels[0],))
    return Subject("motion", graph, columns=columns, stream=Stream(window, labels, decision))


@cache
def speech() -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    """Return recordings of people who say a digit, at 8 kHz: half a second of each, and the digit."""
    data = read_set("fsdd", shared_data("fsdd"))
    chosen = [one for one in data.recordings if one.name[0] in "0136"][::5]
    X = np.zeros((len(chosen), 1, WINDOW), np.float32)
    for into, one in zip(X, chosen, strict=True):
        values = one.values[:WINDOW, 0]
        into[0, : len(values)] = values
    return X, np.array([one.name[0] for one in chosen])


@cache
def sound_subject() -> Subject:
    """Return windows of a microphone, int8: bands of loudness and a convolution, with decisions."""
    X, y = speech()
    steps = [
        ("bands", LogMel(16, 200, 80, 256, 20.0, 4000.0, rate=SOUND_RATE, names=("sound",))),
        ("scale", Scale("standard")),
        ("model", NetworkClassifier(_LAYERS, epochs=15, batch=16, learning_rate=0.01)),
    ]
    pipeline = Pipeline(steps)
    pipeline.fit(X, y)
    labels = tuple(str(name) for name in pipeline[-1].classes_)
    window = WindowSpec(samples=WINDOW, step=WINDOW // 2, rate=SOUND_RATE)
    columns = (Column(name="sound", minimum=-1.0, maximum=1.0),)
    return Subject(
        "digits",
        quantise(pipeline.graph(X.shape[1:], "digits"), X),
        columns=columns,
        stream=Stream(window, labels, DecisionSpec()),
    )


def app_of(chosen: Subject) -> dict[str, bytes]:
    """Return the files of the app."""
    return web.TARGET.files(chosen)


def write_app(folder: Path, chosen: Subject) -> Path:
    """Write the app into a folder; return it."""
    need_web()
    for name, content in app_of(chosen).items():
        (folder / name).write_bytes(content)
    return folder


def written_c(chosen: Subject) -> dict[str, str]:
    """Return the C of the same subject, its self-test left away."""
    sources = {name: content.decode() for name, content in c99.TARGET.files(chosen).items()}
    return {name: text for name, text in sources.items() if "_self_test" not in name}


def compiled(chosen: Subject) -> CModel:
    """Return the same C by the compiler of this machine."""
    with tempfile.TemporaryDirectory() as folder:
        return load_c99(written_c(chosen), Path(folder), taps=False)


def many_rows(count: int) -> NDArray[np.float32]:
    """Return rows of a stream of three channels; some values are missing."""
    flat = samples().samples.transpose(0, 2, 1).reshape(-1, SHAPE[0])
    return np.ascontiguousarray(np.tile(flat, (1 + count // len(flat), 1))[:count])


def wasm_events(module: Path, rows: NDArray[np.float32]) -> list[tuple[float, ...]]:
    """Return the events of a module's stream of rows, none of them lost, as a page is told them."""
    answer = WasmModel(module.read_bytes()).run(rows, np.zeros(len(rows), np.int64))
    return [
        tuple(event[name] for name in ("row", "kind", "label", "flags", "confidence")) for _, event in answer.events
    ]
