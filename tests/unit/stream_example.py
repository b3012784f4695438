"""A stream of rows through Python and through generated C: what each decides, at which row, with which bits."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgewright.core.input.recordings import Windower
from edgewright.core.prediction.executor import Decider
from edgewright.core.records.package import WindowSpec

Floats = NDArray[np.float32]
Answer = Callable[[Floats], Floats]
StreamDecision = tuple[int, int, bool, int]
"""Row, place of the label, whether it is an alarm, bits of the confidence."""


def bits(value: float) -> int:
    return int(np.float32(value).view(np.uint32))


def in_python(
    rows: Floats, gaps: Mapping[int, int], window: WindowSpec | None, decider: Decider, answer: Answer, rate: float
) -> tuple[list[StreamDecision], list[Floats]]:
    """Decisions, and the means after each window.

    Args:
        rows: shape (n, channels).
        gaps: rows lost before a row, by its number in `rows`.
        window: None where every row is answered.
        decider: as new.
        answer: windows (n, channels, samples), or rows, to probabilities (n, labels).
        rate: rows a second.
    """
    reported: list[StreamDecision] = []
    means: list[Floats] = []
    number = 0

    def fresh() -> Windower | None:
        if window is None:
            return None
        return Windower(window.samples, window.step, rows.shape[1], fill_start=window.fill_start)

    windower = fresh()
    for index, row in enumerate(rows):
        if index in gaps:
            number += gaps[index]
            decider.gap()
            windower = fresh()
        for sample in windower.push(row) if windower else [row]:
            decision = decider.push(answer(sample[None])[0], number / rate)
            means.append(decider.means.copy())
            if decision is not None:
                reported.append((number, decision.label, decision.alarm, bits(decision.confidence)))
        number += 1
    return reported, means


class CStream:
    """The functions of NAME_stream.c in a shared object."""

    def __init__(self, library: Path, name: str, labels: int) -> None:
        loaded = ctypes.CDLL(str(library))
        self._push, self._gap, self._init = (getattr(loaded, f"{name}_{word}") for word in ("push", "gap", "init"))
        self._means = getattr(loaded, f"{name}_means")
        self._means.restype = ctypes.POINTER(ctypes.c_float)
        self._labels = labels
        # More than any of them takes.
        self._context = ctypes.create_string_buffer(1 << 20)

    def run(self, rows: Floats, gaps: Mapping[int, int]) -> tuple[list[StreamDecision], list[Floats]]:
        """Decisions, and the means whenever they are others."""
        event = _Event()
        reported: list[StreamDecision] = []
        means: list[Floats] = []
        self._init(self._context)
        rows = np.ascontiguousarray(rows, np.float32)
        for index, row in enumerate(rows):
            if index in gaps:
                self._gap(self._context, ctypes.c_uint32(gaps[index]))
            if self._push(self._context, row.ctypes.data_as(ctypes.c_void_p), ctypes.byref(event)):
                reported.append((event.row, event.label, event.kind == 2, bits(event.confidence)))
            means.append(np.ctypeslib.as_array(self._means(self._context), (self._labels,)).copy())
        return reported, means


class _Event(ctypes.Structure):
    _fields_ = (
        ("kind", ctypes.c_int),
        ("label", ctypes.c_int),
        ("confidence", ctypes.c_float),
        ("row", ctypes.c_uint32),
        ("flags", ctypes.c_uint),
    )
