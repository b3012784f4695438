"""Edgewright: normalised convolutions, until an accuracy."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np

from edgewright.models.network import NetworkClassifier

FILTERS = (16, 32, 64)


def main() -> None:
    """Train the case of the command line and print processor seconds and accuracy after each epoch as JSON."""
    case = json.loads(sys.argv[1])
    with np.load(case["file"]) as arrays:
        x, y, test, test_y = (arrays[name] for name in ("train_X", "train_y", "test_X", "test_y"))
    began, epochs = time.process_time(), []
    kind = {"kind": "conv2d", "kernel": 3} if x.ndim == 4 else {"kind": "conv1d", "kernel": 5}
    layers = [{**kind, "filters": filters, "stride": 2, "normalise": True} for filters in FILTERS]

    def record_epoch(record: Any) -> bool:  # noqa: ANN401 - an `EpochRecord`
        epochs.append((time.process_time() - began, record.validation_accuracy))
        return bool(record.validation_accuracy >= case["until"])

    model = NetworkClassifier((*layers, {"kind": "global_average_pool"}), epochs=case["epochs"], seed=case["seed"])
    model.fit(x, y, validation=(test, test_y), on_epoch=record_epoch)
    print(json.dumps(epochs))


if __name__ == "__main__":
    main()
