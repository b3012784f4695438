"""Upscalers of motion and of photographs on people and shops that were left out, and what a classifier gains by them.

Data in ../shared/data: HAPT, people 26 to 30 left out, and grocery photographs, those of the part `val`, taken in other
shops, left out. What is upscaled was lowered from them: a signal by means, a picture by Pillow's bicubic reduction.

The classifiers learn from signals and pictures as they are, without those people and shops, and answer for them three
times: as they are, and lowered and upscaled by cubic interpolation and by the network. Of HAPT it is the shipped
pipeline, of the photographs a linear layer behind the first layers of a public network (docs/research/pictures.md).

    python -m benchmarks.upscale [motion] [pictures]
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks import HAPT
from benchmarks.hapt.answers import Answers, Text
from benchmarks.table import ROOT, TargetReport, markdown, python, spent
from edgewright.core.package import read_package
from edgewright.core.predictor import Predictor
from edgewright.core.records.data import DataSet, Floats
from edgewright.core.records.trace import Interval
from edgewright.data.load import load_data
from edgewright.graph.restoration import UpscalerFile, read_as
from edgewright.pipeline.config import checked, read_config
from edgewright.pipeline.material import prepare
from edgewright.pipeline.plan import data_plan
from edgewright.pipeline.run import run_pipeline
from edgewright.training.metrics import interval_of
from edgewright.workflows.restoration.upscaler import PEAK, cubic, lowered

DATA = ROOT.parent / "shared" / "data"
FACTORS = (2, 4)
_AS_IS, _CUBIC, _NETWORK = "as it is", "cubic", "int8"
Way = Callable[[Floats], Floats]
"""From what was lowered, (channels, ...), to what is answered for."""
Classified = Callable[[Callable[[Floats], Floats]], Answers]
"""From a function that changes signals or pictures (channels, ...) that were left out to the answers to them."""


@dataclass(frozen=True)
class Task:
    """Data that is upscaled: arguments of the commands, and a classifier of it, trained in a folder."""

    name: str
    data: tuple[str, ...]
    held_out: str
    classifier: Callable[[Path], Classified]


def motion_classifier(folder: Path) -> Classified:
    """Train the shipped pipeline of HAPT on the people who are not left out."""
    path = str(DATA / "har-hapt")
    config = read_config(HAPT, ("refit=false",))
    package = _package(run_pipeline(config, data=path, out=folder, force=True).package)
    dataset = load_data(config.data, seed=config.seed, path=path)
    predictor, labels = Predictor(package, form="int8"), np.asarray(package.manifest.labels)

    def classified(change: Callable[[Floats], Floats]) -> Answers:
        material = prepare(data_plan(config), None, _changed(dataset, config.split.test_groups, change))
        test = material.sides.test
        answer: Text = labels[predictor.predict(material.samples.X[test]).probabilities.argmax(axis=1)]
        return Answers(np.asarray(material.samples.y)[test], answer, np.asarray(material.samples.groups)[test])

    return classified


def _changed(dataset: DataSet, groups: Sequence[str], change: Callable[[Floats], Floats]) -> DataSet:
    """Return a data set in which the recordings of some people are changed."""
    recordings = []
    for recording in dataset.recordings:
        if recording.groups is not None and str(recording.groups[0]) in groups:
            values = np.ascontiguousarray(change(np.asarray(recording.values, np.float32).T).T)
            recording = msgspec.structs.replace(recording, values=values)
        recordings.append(recording)
    return msgspec.structs.replace(dataset, recordings=tuple(recordings))


def picture_classifier(folder: Path) -> Classified:
    """Train a linear layer behind the first layers of a public network on the photographs of the training part."""
    source = {"kind": "grocery", "path": str(DATA / "grocery"), "target": "coarse", "height": 96, "width": 96}
    table = {
        "name": "goods",
        "refit": False,
        "data": source,
        "split": {"by": "group", "test_groups": ["val"], "validation_groups": ["train-9"]},
        "model": {
            "backbone": str(DATA / "mlperf-tiny" / "models" / "vww_96_int8.tflite"), "depth": 0.22, "freeze": 1.0,
        },
        "training": {"epochs": 60, "batch": 32, "learning_rate": 0.01},
        "compression": {"max_drop": 0.05},
        "device": {"profile": "gateway-arm64"},
    }  # fmt: skip
    config = checked(table, "goods")
    package = _package(run_pipeline(config, out=folder, force=True).package)
    predictor, labels = Predictor(package, form="int8"), np.asarray(package.manifest.labels)
    (recording,) = load_data(config.data, seed=config.seed).recordings
    val = np.asarray(recording.groups, str) == "val"
    pictures, truth = np.asarray(recording.values, np.float32)[val], np.asarray(recording.target, str)[val]

    def classified(change: Callable[[Floats], Floats]) -> Answers:
        given = np.stack([np.clip(np.rint(change(picture)), 0, PEAK) for picture in pictures])
        answer: Text = labels[predictor.predict(given).probabilities.argmax(axis=1)]
        return Answers(truth, answer, np.arange(len(truth)).astype(str))

    return classified


def _package(path: Path | None) -> Any:  # noqa: ANN401 - a package
    if path is None:
        raise SystemExit("nothing to report: the classifier has no package")
    return read_package(path)


TASKS = (
    Task("motion", (str(DATA / "har-hapt"), "--kind", "hapt"), "26,27,28,29,30", motion_classifier),
    Task("pictures", (str(DATA / "grocery"), "--kind", "grocery"), "val", picture_classifier),
)


def main(names: Sequence[str]) -> int:
    """Print the tables; 1 where int8 is not one decibel better than cubic interpolation."""
    report = TargetReport()
    edgewright = str(Path(python()).with_name("edgewright"))
    psnr: list[list[str]] = []
    accuracy: list[list[str]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for task in TASKS:
            if names and task.name not in names:
                continue
            classified = task.classifier(Path(scratch) / "runs")
            whole = classified(lambda values: values)
            accuracy.append([f"{task.name}, as it is", _share(_right(whole), whole.people), "", ""])
            for factor in FACTORS:
                title, file = f"{task.name}, {factor} times", Path(scratch) / f"{task.name}{factor}.upscaler"
                used = spent([edgewright, "restore", "upscale", *task.data, "--factor", str(factor), "--hold-out",
                              task.held_out, "--out", str(file)])  # fmt: skip
                completed = subprocess.run([edgewright, "restore", "score", str(file), *task.data, "--json"],
                                           check=True, capture_output=True)  # fmt: skip
                score = json.loads(completed.stdout)
                rows = {row["method"]: row for row in score["rows"]}
                over, spec = rows["cubic"]["over"], read_as(UpscalerFile, file).spec
                psnr.append([title, str(score["recordings"]), *(f"{rows[name]['psnr']['value']:.1f}" for name in rows),
                             _span(over), f"{spec.parameters:,}", f"{used.cpu_seconds:.0f}"])  # fmt: skip
                report(title, f"{over['value']:.2f} dB", "1 dB", over["value"] >= 1.0)
                accuracy += _accuracies(title, whole, classified, _ways(file))
    print(markdown(["PSNR, dB", "left out", "int8", "float", "cubic", "linear", "int8 less cubic (95 % CI)", "numbers",
                    "training, CPU-s"], psnr))  # fmt: skip
    print()
    print(markdown(["right answers", "share (95 % CI)", "less those as it is", "less cubic"], accuracy))
    print()
    print(markdown(["int8 over cubic interpolation", "measured", "at least", ""], report.rows))
    return 0 if report.reached else 1


def _ways(file: Path) -> dict[str, Callable[[Floats], Floats]]:
    """Return functions that lower signals or pictures and give back as many samples or pixels."""
    upscaler = read_as(UpscalerFile, file)
    factor = upscaler.spec.factor
    factors = (1, factor) if upscaler.spec.rate else (factor, factor)

    def there_and_back(values: Floats, raised: Way) -> Floats:
        sides = tuple(size // factor * factor for size in values.shape[1:])
        low = lowered(values[(slice(None), *(slice(side) for side in sides))], factors)
        # What is no whole multiple goes on with the last value.
        rest = [(0, 0), *((0, size - side) for size, side in zip(values.shape[1:], sides, strict=True))]
        return np.pad(raised(low), rest, mode="edge")

    ways: Mapping[str, Way] = {_CUBIC: partial(cubic, factors=factors), _NETWORK: upscaler.start().whole}
    return {name: partial(there_and_back, raised=way) for name, way in ways.items()}


def _accuracies(
    title: str, whole: Answers, classified: Classified, ways: Mapping[str, Callable[[Floats], Floats]]
) -> list[list[str]]:
    """Return a row for each way, with differences on the same windows or pictures."""
    answers = {name: classified(way) for name, way in ways.items()}
    full, people = _right(whole), whole.people
    rows = []
    for name, given in answers.items():
        right = _right(given)
        against = "" if name == _CUBIC else _share(right - _right(answers[_CUBIC]), people)
        rows.append([f"{title}, {name}", _share(right, people), _share(right - full, people), against])
    return rows


def _right(answers: Answers) -> NDArray[np.float64]:
    return np.asarray(answers.truth == answers.answer, np.float64)


def _share(values: NDArray[np.float64], people: Text) -> str:
    """Return a mean with the interval of drawing people (or pictures) anew."""
    interval: Interval = interval_of(people, len(values), lambda rows: float(values[rows].mean()), by="recording")
    return _span(msgspec.to_builtins(interval), places=3)


def _span(figure: Mapping[str, Any], places: int = 2) -> str:
    value, low, high = (f"{figure[name]:.{places}f}" for name in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
