"""What the intervals beside a heartbeat are worth: `python -m benchmarks.beats --data FOLDER`.

Networks of two inputs on MIT-BIH DS1. Records are left out in four folds; DS2 is never read. Each network is trained
once.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score
from sklearn.model_selection import GroupKFold

from benchmarks.table import markdown
from edgewright.data.load import load_data
from edgewright.models.network import NetworkClassifier
from edgewright.training.metrics import accuracy_interval

FOLDS, BEATS, EPOCHS, SHAPE = 4, 20_000, 6, 200
CONVOLUTIONS = (
    {"kind": "conv1d", "filters": 8, "kernel": 9, "stride": 4},
    {"kind": "conv1d", "filters": 16, "kernel": 5, "stride": 2},
)
# Columns beside the 200 of the shape: seconds from the beat before; it and the next as shares of the last ten.
INPUTS: dict[str, tuple[int, ...]] = {
    "shape alone": (),
    "shape and interval in seconds": (SHAPE,),
    "shape and intervals as shares": (SHAPE, SHAPE + 1, SHAPE + 2),
}


def main() -> int:
    """Print accuracy and F1 of the two classes that matter for each input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="folder of the set mitdb")
    table_of_set = {"kind": "mitdb", "part": "DS1", "intervals": True}
    recordings = load_data(table_of_set, seed=0, path=parser.parse_args().data).recordings
    beats = np.concatenate([r.values for r in recordings])
    truth = np.concatenate([np.asarray(r.target) for r in recordings])
    records = np.concatenate([np.asarray(r.groups) for r in recordings])
    table = []
    for name, extra_columns in INPUTS.items():
        answers = _answers(beats[:, [*range(SHAPE), *extra_columns]], truth, records)
        interval = accuracy_interval(truth, answers, records)
        accuracy = f"{interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"
        both = f1_score(truth, answers, labels=["V", "S"], average=None)
        table.append([name, accuracy, *(f"{f1:.2f}" for f1 in both)])
    print(markdown(["input", "accuracy", "F1 of V", "F1 of S"], table))
    return 0


def _answers(beats: NDArray[np.float32], truth: NDArray[Any], records: NDArray[Any]) -> NDArray[Any]:
    """Return answers to all beats, each by a network that has seen no beat of its record."""
    extra_count = beats.shape[1] - SHAPE
    parts: list[dict[str, Any]] = [{"inputs": SHAPE, "channels": 1, "layers": CONVOLUTIONS}]
    if extra_count:
        parts.append({"inputs": extra_count})
    layers = ({"kind": "branches", "units": 32, "parts": tuple(parts)}, {"kind": "dense", "units": 16})
    answers = np.empty_like(truth)
    for fitted, test_rows in GroupKFold(FOLDS).split(beats, truth, records):
        sampled = np.random.default_rng(0).choice(fitted, BEATS, replace=False)
        mean, deviation = beats[sampled].mean(axis=0), beats[sampled].std(axis=0)
        network = NetworkClassifier(layers, epochs=EPOCHS, batch=128, seed=0)
        network.fit((beats[sampled] - mean) / deviation, truth[sampled])
        answers[test_rows] = network.predict((beats[test_rows] - mean) / deviation)
    return answers


if __name__ == "__main__":
    raise SystemExit(main())
