"""Ten small pipelines in whose forms faults are planted: runs, and files that are proven on their own."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgewright.core.input.riff import wav_bytes
from edgewright.core.package import read_package, write_package
from edgewright.core.records.data import Column
from edgewright.core.records.device import DecisionSpec
from edgewright.language.forecasting.selection import ForecastRequest, fit_forecaster
from edgewright.monitor.detector_stream import write_detector
from edgewright.monitor.detectors import kind as detector_kind
from edgewright.monitor.forecaster import write_forecaster
from edgewright.monitor.records import DetectorSpec, Threshold
from edgewright.nlp.records import LanguageSpec, StudentSpec, TaggerSpec, Vector
from edgewright.nlp.utterance.parse import write_language
from edgewright.nlp.utterance.student import Student, attributes, keys
from edgewright.nlp.utterance.values import tokens
from edgewright.pipeline.config import checked
from edgewright.pipeline.run import run_pipeline
from edgewright.workflows.detection.fit import learn
from edgewright.workflows.detection.rows import Stretch

Table = dict[str, Any]
Floats = NDArray[np.float64]
RUNS = ("rows", "windows", "sound", "picture", "trees", "recurrent", "adapted")
FILES = ("detector", "forecaster", "language")
PIPELINES = (*RUNS, *FILES)
_LABELS = ("slow", "middle", "fast")
_RATE, _SOUND_RATE = 25.0, 4000
_QUICK: Table = {"epochs": 15, "batch": 16, "learning_rate": 0.02}
_ANY: Table = {"max_drop": 1.0}


def prepared(name: str, folder: Path) -> Path:
    """Return the run folder or file of a pipeline; it is fitted where it is not there yet.

    Args:
        name: one of `PIPELINES`.
        folder: of all of them.
    """
    parent = folder / name
    done = parent / "done"
    if not done.exists():
        parent.mkdir(parents=True, exist_ok=True)
        done.write_text(str(_MAKERS[name](parent)), encoding="utf-8")
    return Path(done.read_text("utf-8"))


def _run(folder: Path, name: str, table: Table) -> Path:
    config = checked({"name": name, "seed": 3, "refit": False, "compression": _ANY, **table}, name)
    return run_pipeline(config, out=folder / "runs", force=True).folder


def _csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [",".join(header), *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def _rows(folder: Path) -> Path:
    """Two columns, one of them with a declared range, and some missing values."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(240, 2)) * [1.0, 4.0] + [0.5, 20.0]
    score = values[:, 0] + (values[:, 1] - 20) / 4
    labels = np.digitize(score, np.quantile(score, [1 / 3, 2 / 3]))
    text = np.round(values, 3).astype(str)
    text[rng.random(values.shape) < 0.03] = ""
    rows = [[*numbers, _LABELS[label]] for numbers, label in zip(text.tolist(), labels.tolist(), strict=True)]
    path = _csv(folder / "rows.csv", ("a", "b", "label"), rows)
    return _run(folder, "rows", {
        "data": {"kind": "csv", "path": path, "target": "label", "ranges": {"a": [-1.5, 2.5]}},
        "stages": [{"kind": "impute"}, {"kind": "scale", "method": "standard"}],
        "model": {"layers": [{"kind": "dense", "units": 10}, {"kind": "dense", "units": 6}]},
        "training": _QUICK,
    })  # fmt: skip


def _waves(rng: np.random.Generator, label: int, count: int) -> Floats:
    time = np.arange(count) / _RATE
    waves = np.sin(2 * np.pi * (1.5 + 2.0 * label) * time + rng.uniform(0, 6, (3, 1)))
    return np.asarray((waves * np.array([[1.0], [0.6], [0.3]]) + 0.25 * rng.standard_normal((3, count))).T)


def _motion(folder: Path, name: str, table: Table) -> Path:
    """Three channels whose frequency is the class, in recordings of two people each, in windows of 32 rows."""
    rng, rows = np.random.default_rng(5), []
    for part in range(18):
        waves = np.round(_waves(rng, part % 3, 160), 4).tolist()
        rows += [[*value, _LABELS[part % 3], f"r{part}", f"p{part % 6}"] for value in waves]
    path = _csv(folder / "rows.csv", ("x", "y", "z", "label", "recording", "person"), rows)
    return _run(folder, name, {
        "data": {"kind": "csv", "path": path, "target": "label", "session": "recording", "group": "person",
                 "rate": _RATE, "ranges": {"x": [-2.0, 2.0]}},
        "window": {"samples": 32, "step": 16},
        "split": {"by": "group"},
        **table,
    })  # fmt: skip


def _windows(folder: Path) -> Path:
    """Spectral and statistical features before a dense network, with decisions and alarms over the stream."""
    stages = [
        {"kind": "union", "parts": [
            {"kind": "spectral", "edges": [0.5, 3.0, 6.0, 12.0]},
            {"kind": "statistics", "features": ["mean", "std", "zero_crossings"], "correlations": "all"},
        ]},
        {"kind": "scale", "method": "standard"},
    ]  # fmt: skip
    layers = [{"kind": "dense", "units": 12}, {"kind": "dense", "units": 8}]
    run = _motion(folder, "windows", {"stages": stages, "model": {"layers": layers}, "training": _QUICK})
    path = next(run.glob("*.edge"))
    package = read_package(path)
    spec = DecisionSpec(smoothing=3, debounce=2, alarms=("fast", "slow"), refractory=4.0, thresholds={"fast": 0.4})
    files = {name: data for name, data in package.files.items() if name != "manifest.json"}
    write_package(path, msgspec.structs.replace(package.manifest, decision=spec), files)
    return run


def _trees(folder: Path) -> Path:
    features = ["mean", "std", "min", "max", "zero_crossings", "mean_abs_diff"]
    stages = [{"kind": "statistics", "features": features}]
    return _motion(folder, "trees", {"stages": stages, "model": {"kind": "forest", "trees": 6, "size_bytes": 900}})


def _recurrent(folder: Path) -> Path:
    """Return a causal convolution, an LSTM and a GRU, which run step by step as well."""
    stages = [{"kind": "scale", "method": "standard"}]
    layers = [
        {"kind": "conv1d", "filters": 4, "kernel": 3, "stride": 2, "padding": "causal"},
        {"kind": "lstm", "units": 5, "sequence": True},
        {"kind": "gru", "units": 4},
    ]
    return _motion(folder, "recurrent", {"stages": stages, "model": {"layers": layers}, "training": _QUICK})


def _sound(folder: Path) -> Path:
    """Bands of sound before a convolution."""
    rng = np.random.default_rng(2)
    for label, pitch in (("high", 900.0), ("low", 250.0)):
        (folder / "wav" / label).mkdir(parents=True, exist_ok=True)
        for number in range(6):
            time = np.arange(_SOUND_RATE) / _SOUND_RATE
            tone = 0.4 * np.sin(2 * np.pi * (pitch + 20 * number) * time) + 0.05 * rng.standard_normal(len(time))
            file = folder / "wav" / label / f"{number}.wav"
            file.write_bytes(wav_bytes(tone[:, None].astype(np.float32), _SOUND_RATE))
    return _run(folder, "sound", {
        "data": {"kind": "wav", "path": str(folder / "wav")},
        "window": {"samples": 800, "step": 400},
        "stages": [
            {"kind": "log_mel", "mels": 10, "frame": 0.03, "hop": 0.02},
            {"kind": "scale", "method": "standard"},
        ],
        "model": {"layers": [
            {"kind": "conv1d", "filters": 6, "kernel": 3}, {"kind": "max_pool", "kernel": 2, "stride": 2},
            {"kind": "depthwise_separable", "filters": 6, "kernel": 3}, {"kind": "global_average_pool"},
        ]},
        "training": _QUICK,
    })  # fmt: skip


def _picture(folder: Path) -> Path:
    """Discs and squares of 16 x 16 pixels before convolutions."""
    rng, side = np.random.default_rng(0), 16
    y, x = np.mgrid[:side, :side]
    for shape in ("disc", "square"):
        (folder / "png" / shape).mkdir(parents=True, exist_ok=True)
        for number in range(30):
            down, right = rng.uniform(5, side - 5, 2).tolist()
            distances = np.stack([np.abs(y - down), np.abs(x - right)])
            inside = np.hypot(*distances) < 4 if shape == "disc" else distances.max(axis=0) < 4
            pixels = rng.integers(0, 60, (side, side, 3))
            pixels[inside] += rng.integers(90, 190, 3)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / "png" / shape / f"{number:03d}.png")
    return _run(folder, "picture", {
        "data": {"kind": "pictures", "path": str(folder / "png"), "height": side, "width": side},
        "stages": [{"kind": "resize", "height": 12, "width": 12}],
        "model": {"layers": [
            {"kind": "conv2d", "filters": 6, "kernel": 3, "stride": 2},
            {"kind": "inverted_residual", "filters": 6, "expand": 2},
            {"kind": "global_average_pool"},
        ]},
        "training": {**_QUICK, "epochs": 4},
    })  # fmt: skip


def _adapted(folder: Path) -> Path:
    """Rows of eight people before a layer that learns on the device."""
    rng, rows = np.random.default_rng(4), []
    middle = np.array([[0, 0, 0, 0], [4, 4, 0, -2], [0, 4, 4, 2]], float)
    for person in range(8):
        for number, label in enumerate(_LABELS):
            values = middle[number] + rng.normal(0, 0.2, 4) + rng.normal(0, 0.5, (40, 4))
            rows += [[f"p{person}", label, *numbers] for numbers in np.round(values, 3).tolist()]
    path = _csv(folder / "rows.csv", ("person", "label", "c0", "c1", "c2", "c3"), rows)
    return _run(folder, "adapted", {
        "data": {"kind": "csv", "path": path, "target": "label", "group": "person"},
        "split": {"by": "group", "test_groups": ["p6", "p7"]},
        "stages": [{"kind": "scale", "method": "standard"}],
        "model": {"layers": [{"kind": "dense", "units": 12}]},
        "training": _QUICK, "adapt": {"layer": "output"},
    })  # fmt: skip


def _detector(folder: Path) -> Path:
    """Return a detector of what correlated channels do not explain."""
    rng = np.random.default_rng(0)
    time = 10.0 * np.arange(400, dtype=np.float64)
    wave = np.sin(2 * np.pi * time / 600)
    clean = np.stack([wave, 20 + 3 * np.sin(2 * np.pi * time / 410), np.cos(2 * np.pi * time / 600)], 1)
    rows = (clean + 0.05 * rng.standard_normal(clean.shape)).astype(np.float32)
    config = msgspec.convert({"mean": 4}, detector_kind("pca").config)
    spec = DetectorSpec(
        kind="pca", config={"mean": 4}, columns=tuple(Column(name=name) for name in "abc"), rate=0.1,
        threshold=Threshold(value=2.0, by="given"), refractory=3,
    )  # fmt: skip
    path = folder / "watch.detector"
    write_detector(path, spec, learn("pca", config, (Stretch("", rows, time),)))
    return path


def _forecaster(folder: Path) -> Path:
    values = np.sin(np.arange(200) * 2 * np.pi / 12) + 0.1 * np.random.default_rng(0).normal(size=200)
    path = folder / "wave.forecaster"
    write_forecaster(path, fit_forecaster(values, ForecastRequest(6, (12,))))
    return path


_INTENTS = ("drink", "food", "stop")
_TAGS = ("O", "B-drink", "I-drink", "B-number", "I-number")
_LISTS = {"drink": {"soda": "soda", "cola": "soda", "green tea": "tea"}, "city": {"new york city": "NYC", "new": "new"}}
UTTERED = (
    *("one", "twenty", "hundred", "and", "half", "a", "ten", "five", "seconds", "hours", "min", "weeks", "days", "7"),
    *("tomorrow", "friday", "today", "2026-02-28", "7:30", "soda", "colas", "green", "tea", "new", "york", "city"),
)


def _language(folder: Path) -> Path:
    """Return a student with random weights, a tagger and two lists: every path of its code is taken."""
    chance, rng = random.Random(1), np.random.default_rng(2)  # noqa: S311 - no secret
    texts = [" ".join(chance.choice(UTTERED) for _ in range(chance.randrange(2, 9))) for _ in range(60)]
    hidden, rows = 8, 300
    student = StudentSpec(characters=(3,), words=(1,), rows=rows, hidden=hidden, factor=700_000_000, shift=24,
                          scale=0.002, threshold=-(1 << 31))  # fmt: skip
    arrays: dict[str, NDArray[Any]] = {
        "table": rng.integers(-127, 128, (rows, hidden)).astype(np.int8),
        "bias": rng.integers(-2000, 9000, hidden).astype(np.int32),
        "head": rng.integers(-127, 128, (hidden, len(_INTENTS))).astype(np.int8),
        "last": rng.integers(-300, 300, len(_INTENTS)).astype(np.int32),
    }
    known = Student(student, arrays, len(_INTENTS), "here")
    vectors = tuple(Vector(text=text, logits=tuple(known.logits(text).tolist())) for text in texts)
    rows_of = [row for text in texts for intent in _INTENTS for row in attributes(text, tokens(text), intent)]
    names = np.unique(keys(rows_of))
    counts = rng.integers(1, 3, len(names)).astype(np.uint8)
    total = int(counts.sum())
    arrays |= {
        "tagger_keys": names, "tagger_counts": counts,
        "tagger_labels": rng.integers(0, len(_TAGS), total).astype(np.uint8),
        "tagger_weights": rng.integers(-127, 128, total).astype(np.int8),
        "tagger_moves": rng.normal(0, 2, (len(_TAGS), len(_TAGS))).astype(np.float32),
    }  # fmt: skip
    spec = LanguageSpec(name="words", intents=_INTENTS, student=student, gazetteers=_LISTS, vectors=vectors,
                        tagger=TaggerSpec(labels=_TAGS, scale=0.013))  # fmt: skip
    path = folder / "words.language"
    write_language(path, spec, arrays)
    return path


_MAKERS: dict[str, Callable[[Path], Path]] = {
    "rows": _rows, "windows": _windows, "sound": _sound, "picture": _picture, "trees": _trees,
    "recurrent": _recurrent, "adapted": _adapted, "detector": _detector, "forecaster": _forecaster,
    "language": _language,
}  # fmt: skip
