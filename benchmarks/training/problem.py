"""The work all three are given. Needs NumPy alone: it is imported in the peers' environments too."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

EPOCHS, BATCH, LEARNING_RATE = 20, 64, 1e-3


def data(sizes: list[int], rows: int) -> tuple[Any, Any]:
    """Draw normal features of shape (rows, sizes[0]) and classes that depend on them with noise, from a fixed seed."""
    rng = np.random.default_rng(0)
    classes = max(2, sizes[-1])
    x = rng.standard_normal((rows, sizes[0])).astype(np.float32)
    score = x @ rng.standard_normal((sizes[0], classes)) + rng.standard_normal((rows, classes)) * sizes[0] ** 0.5
    return x, np.argmax(score, axis=1)


def _once(make: Callable[[list[int], Any, Any, bool], Callable[[], float]], sizes: list[int], x: Any, y: Any) -> float:  # noqa: ANN401
    """Processor seconds of one fit of an architecture, with all that it takes to build and compile it."""
    began = time.process_time()
    make(sizes, x, y, False)()
    return time.process_time() - began


def measure(make: Callable[[list[int], Any, Any, bool], Callable[[], float]]) -> None:
    """Run the case of the command line and print processor seconds of the first and of later fits as JSON.

    With `sweep`, a list of layer sizes, each is fitted once, one after another, in this process.

    Args:
        make: (layer sizes, x, y, whether later fits may use what the first one built) -> a function that does one
            whole fit and gives the last epoch's training loss.
    """
    case = json.loads(sys.argv[1])
    x, y = data(case["sizes"], case["rows"])
    if "sweep" in case:
        print(json.dumps({"sweep": [_once(make, sizes, x, y) for sizes in case["sweep"]]}))
        return
    spent, losses = [], []
    fit = None
    for _ in range(1 + case["warm"]):
        began = time.process_time()
        fit = fit or make(case["sizes"], x, y, case["again"])
        losses.append(fit())
        spent.append(time.process_time() - began)
    print(json.dumps({"first": spent[0], "warm": spent[1:], "loss": losses[-1]}))
