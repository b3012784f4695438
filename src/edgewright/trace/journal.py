"""The journal of a run that goes on: one JSON line an event, from which a page can be made before the run ends."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec

from edgewright.schema.trace_flow import Part
from edgewright.trace.processes import alive

JOURNAL_VERSION = 1
FOLDER = ".edgewright"
"""Folder in the folder of runs for what belongs to no finished run: `journals/NAME-PROCESS-TIME.jsonl`."""
KEPT = 20
"""Journals of runs that did not finish are kept up to this many."""

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


class Opening(Part, frozen=True, kw_only=True):
    """What the first line says.

    Attributes:
        version: of the journal's format.
        process: number of the process, and `ticks`, when it started: both together name one process.
        name: of the pipeline; `title`, `command` and `config` as in the record; `profile` of the device.
        started: as in the record's provenance.
        edgewright: version of the program.
    """

    version: int
    process: int = 0
    ticks: int = 0
    name: str = ""
    title: str = ""
    profile: str = ""
    command: str = ""
    started: str = ""
    edgewright: str = ""
    config: dict[str, object] = msgspec.field(default_factory=dict)


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

    def remove(self) -> None:
        """Closes and removes the file, and its folders where nothing else lies in them."""
        self.close()
        self.path.unlink(missing_ok=True)
        for folder in (self.path.parent, self.path.parent.parent):
            with suppress(OSError):
                folder.rmdir()


def journals(runs: Path) -> Path:
    """The folder of journals in a folder of runs."""
    return runs / FOLDER / "journals"


def journal_path(runs: Path, name: str) -> Path:
    """Where a run of this process keeps its journal."""
    return journals(runs) / f"{name}-{os.getpid()}-{time.time_ns() // 1_000_000}.jsonl"


def opening(line: bytes) -> Opening | None:
    """What a journal's first line says; None where it is cut off or another file's."""
    try:
        event = msgspec.json.decode(line, type=Event)
        return msgspec.json.decode(msgspec.json.encode(event.data), type=Opening) if event.event == "start" else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def sweep(runs: Path, kept: int = KEPT) -> None:
    """Removes the oldest journals beyond `kept`; never that of a process that lives, never a newer version's."""
    found: list[tuple[float, Path]] = []
    for path in journals(runs).glob("*.jsonl"):
        with suppress(OSError):
            found.append((path.stat().st_mtime, path))
    surplus = len(found) - kept
    for _, path in sorted(found):
        if surplus <= 0:
            return
        with suppress(OSError):
            with path.open("rb") as file:
                first = opening(file.readline())
            if first is not None and (first.version > JOURNAL_VERSION or alive(first.process, first.ticks)):
                continue
            path.unlink()
            surplus -= 1
