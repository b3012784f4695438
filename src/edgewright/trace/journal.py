"""The journal of a run that goes on: one JSON line an event, from which a page can be made before the run ends."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec

from edgewright.schema.trace_flow import Part

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
        """Append one event; its values are records, numbers or text."""
        raw = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in data.items()}
        self._file.write(msgspec.json.encode(Event(event=event, time=round(time.time(), 3), data=raw)) + b"\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def remove(self) -> None:
        """Close and remove the file, and its folders where nothing else lies in them."""
        self.close()
        self.path.unlink(missing_ok=True)
        for folder in (self.path.parent, self.path.parent.parent):
            with suppress(OSError):
                folder.rmdir()


def journals(runs: Path) -> Path:
    """Return the folder of journals in a folder of runs."""
    return runs / FOLDER / "journals"


def journal_path(runs: Path, name: str) -> Path:
    """Where a run of this process keeps its journal."""
    return journals(runs) / f"{name}-{os.getpid()}-{time.time_ns() // 1_000_000}.jsonl"


def opening(line: bytes) -> Opening | None:
    """Return what a journal's first line says; None where it is cut off or another file's."""
    try:
        event = msgspec.json.decode(line, type=Event)
        return msgspec.json.decode(msgspec.json.encode(event.data), type=Opening) if event.event == "start" else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def sweep(runs: Path, kept: int = KEPT) -> None:
    """Remove the oldest journals beyond `kept`; never that of a process that lives, never a newer version's."""
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


def start_ticks(process: int) -> int:
    """When a process started, in clock ticks since the machine did; 0 where it is gone or the system does not say.

    Source: field 22 of `/proc/PID/stat`, proc_pid_stat(5). A process that has ended but was not yet asked for its exit
    code (state Z) counts as gone.
    """
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    # The name, field 2, stands in brackets and may itself hold brackets and blanks.
    fields = text.rpartition(")")[2].split()
    return 0 if len(fields) < 20 or fields[0] in ("Z", "X") else int(fields[19])


def alive(process: int, ticks: int) -> bool:
    """Return whether the process of this number that started at `ticks` still lives."""
    if process <= 1:
        return False
    if ticks:
        return start_ticks(process) == ticks
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
