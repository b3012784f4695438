"""What training will take of a processor, told before it begins where that is long."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from edgewright.core.formatting import duration_text

if TYPE_CHECKING:
    # It brings JAX, which telling does without.
    from edgewright.models.architecture import Architecture

Ahead = Callable[[str], None]
Progress = Callable[[str, int | None], AbstractContextManager[Callable[[int], None]]]
"""Shows work by its label and its number of steps, where that is known."""
LONG_S = 20.0
# Parts are measured for so long before they say what all of them take.
_MEASURED_S = 1.0
# CPU seconds of a two-core x86 machine for a network in JAX, by the number of dimensions that a layer takes (features,
# windows, pictures): the start, and a multiply-accumulate of one sample forwards and back; then a batch. Another
# machine differs, by two or three times.
_COSTS_S = {1: (1.2, 1.2e-10), 2: (3.0, 1e-9), 3: (12.0, 2.5e-9)}
_BATCH_S = 6e-5
# CPU seconds of such a machine for a byte of a table: 1,000,000 rows of ten columns of CSV are 79 MB and take 12.5.
_READ_BYTE_S, _TABLES = 1.6e-7, (".csv", ".tsv", ".txt", ".parquet", ".pq")


def training_s(network: Architecture, looks: float, batch: int) -> float:
    """CPU seconds that training takes at most.

    Args:
        network: to be trained.
        looks: samples looked at, all epochs together.
        batch: samples of a step.
    """
    start_s = look_s = 0.0
    for layer, config, shape in zip(network.layers, network.configs, network.shapes, strict=False):
        layer_start_s, mac_s = _COSTS_S[min(len(shape), 3)]
        start_s = max(start_s, layer_start_s)
        look_s += layer.macs(config, shape) * mac_s
    return start_s + looks * look_s + looks / batch * _BATCH_S


def reading_s(path: str) -> float:
    """Return the CPU seconds that reading, checking and dividing tables takes; 0 of other files and of addresses.

    Args:
        path: file or folder.
    """
    location = Path(path)
    files = location.iterdir() if location.is_dir() else [location]
    tables = (file for file in files if file.suffix.lower() in _TABLES and file.is_file())
    return _READ_BYTE_S * sum(file.stat().st_size for file in tables)


def tell_ahead(ahead: Ahead, work: str, seconds: float) -> None:
    """Tell what work takes, before it begins, where that is over `LONG_S`.

    Args:
        ahead: takes the sentence, as `Listener.ahead`.
        work: what is done, as 'Training at growing sizes'.
        seconds: of a processor, at most.
    """
    if seconds > LONG_S:
        text = duration_text(float(f"{seconds:.2g}"))
        ahead(f"{work} takes up to about {text} of CPU time (estimated; press Ctrl-C to stop)")


def told_by_first(
    advance: Callable[[int], None], ahead: Ahead, work: str, parts: int, *, skipped: int = 0, limit_s: float = math.inf
) -> Callable[[int], None]:
    """Return what to call after each of several like parts of work; the first of them give the estimate of all.

    Args:
        advance: called with every amount of parts, in any case.
        ahead: takes the sentence, as `Listener.ahead`.
        work: what is done, as 'Trying decisions'.
        parts: all of them.
        skipped: calls that are not measured, because their part also compiles or draws what all of them need.
        limit_s: seconds behind which no further part begins.
    """
    started = time.process_time()
    calls = measured = 0
    is_announced = False

    def step(amount: int) -> None:
        nonlocal started, calls, measured, is_announced
        calls += 1
        if calls <= skipped:
            started = time.process_time()
        elif not is_announced:
            measured += amount
            passed_s = time.process_time() - started
            is_announced = passed_s >= _MEASURED_S
            if is_announced:
                tell_ahead(ahead, work, min(limit_s, passed_s / max(1, measured) * parts))
        advance(amount)

    return step
