"""The journal of a run that goes on: one JSON line an event, from which a page can be made before the run ends."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Literal

import msgspec

from edgewright.schema.trace_flow import Part

JOURNAL_VERSION = 1
FOLDER = ".edgewright"
"""Folder in the folder of runs for what belongs to no finished run: `journals/NAME-PROCESS-TIME.jsonl`."""

Ended = Literal["finished", "cancelled", "failed"]


class Event(Part, frozen=True, kw_only=True):
    """One line.

    Attributes:
        event: name of the listener's method that was called: 'start', 'stage', 'epoch', ...; 'end' is the last.
        time: seconds since 1970.
        data: its arguments by name; records as in `trace.json`.
    """

    event: str
    time: float
    data: dict[str, msgspec.Raw] = msgspec.field(default_factory=dict)


class Journal:
    """Appends events to a file; a line is whole or, where a process was killed, the last one is cut and not read.

    Args:
        path: of the file, which must not exist; its folder is made.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = path.open("xb", buffering=0)

    def write(self, event: str, **data: object) -> None:
        """Appends one event; its values are records, numbers or text."""
        raw = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in data.items()}
        self._file.write(msgspec.json.encode(Event(event=event, time=round(time.time(), 3), data=raw)) + b"\n")

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def journal_path(runs: Path, name: str) -> Path:
    """Where a run of this process keeps its journal."""
    return runs / FOLDER / "journals" / f"{name}-{os.getpid()}-{time.time_ns() // 1_000_000}.jsonl"
