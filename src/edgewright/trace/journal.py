"""The journal of a run that goes on: one JSON line an event; its record can be read before the run ends."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args

import msgspec

from edgewright.core.errors import FormatNewerError, RunError
from edgewright.core.records import trace as records
from edgewright.core.records.race import RaceRecord
from edgewright.core.records.trace_flow import Part
from edgewright.trace.sentences.observations import observe

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
        version: version of the journal's format.
        process: number of the process, and `ticks`, when it started: both together name one process.
        name: name of the pipeline; `title`, `command` and `config` as in the record; `profile` of the device.
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
        path: path of the file, which must not exist; its folder is made.
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
    files: list[tuple[float, Path]] = []
    for path in journals(runs).glob("*.jsonl"):
        with suppress(OSError):
            files.append((path.stat().st_mtime, path))
    surplus = len(files) - kept
    for _, path in sorted(files):
        if surplus <= 0:
            return
        with suppress(OSError):
            with path.open("rb") as file:
                first = opening(file.readline())
            if first is not None and (first.version > JOURNAL_VERSION or alive(first.process, first.ticks)):
                continue
            path.unlink()
            surplus -= 1


def stat_fields(process: int | str) -> list[str]:
    """Return what `/proc/PID/stat` tells from field 3 on; nothing where the process is gone."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    # The name, field 2, stands in brackets and may itself hold brackets and blanks.
    return text.rpartition(")")[2].split()


def start_ticks(process: int) -> int:
    """When a process started, in clock ticks since the machine did; 0 where it is gone or the system does not say.

    Source: field 22 of `/proc/PID/stat`, proc_pid_stat(5). A process that has ended but was not yet asked for its exit
    code (state Z) counts as gone.
    """
    fields = stat_fields(process)
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


SILENT = "the process exited unexpectedly"
T = TypeVar("T")


@dataclass
class Progress:
    """A run as far as its journal tells.

    Attributes:
        identity: name of the journal without its ending.
        opening: its first line.
        state, reason: 'running' only while its process lives.
        folder: of the finished run, beside the journals' folder.
        begun, latest: when the first and the last event happened, seconds since 1970.
        doing: what it does now, in a few words.
        total_epochs: as configured; 0 before training.
        classes: number of classes; 0 for regression and before training.
        points: trainings of the comparison over data sizes: done and of how many.
    """

    identity: str
    opening: Opening
    state: Literal["finished", "running", "cancelled", "failed"] = "running"
    reason: str = ""
    folder: str = ""
    begun: float = 0.0
    latest: float = 0.0
    doing: str = ""
    total_epochs: int = 0
    classes: int = 0
    points: tuple[int, int] = (0, 0)
    race: RaceRecord | None = None
    stages: list[records.StageRecord] = field(default_factory=list)
    epochs: list[records.EpochRecord] = field(default_factory=list)
    layers: tuple[records.LayerRecord, ...] = ()
    trained: records.TrainingRecord | None = None
    evaluation: records.EvaluationRecord | None = None
    compression: records.CompressionRecord | None = None
    device: records.DeviceRecord | None = None
    scaling: records.ScalingRecord | None = None
    predictions: list[records.PredictionRecord] = field(default_factory=list)
    insight: records.Insight | None = None

    def trace(self) -> records.Trace:
        """Return the record with the parts that stand."""
        begun = self.opening
        return records.Trace(
            name=begun.name,
            title=begun.title,
            task=_task(self),
            verdict=self.reason,
            insight=self.insight or records.Insight(sentence="", numbers={}),
            stages=tuple(self.stages),
            layers=self.layers,
            training=self.trained or _training(self),
            evaluation=self.evaluation,
            predictions=tuple(self.predictions),
            compression=self.compression,
            device=self.device,
            race=self.race,
            scaling=self.scaling,
            provenance=records.Provenance(
                command=begun.command,
                seed=int(seed) if isinstance(seed := begun.config.get("seed"), int) else 0,
                config_hash="",
                data_hash="",
                versions={"edgewright": begun.edgewright} if begun.edgewright else {},
                platform="",
                licences=(),
                started=begun.started,
            ),
            config=begun.config,
            state=self.state,
            reason=self.reason,
        )


def read_journal(path: Path) -> records.Trace:
    """Return the partial record of a run.

    Raises:
        InputError: absent, no journal, or of a newer version.
    """
    return read_progress(path).trace()


def read_progress(path: Path) -> Progress:
    """Return what a journal tells; as `read_journal`, with what only a page of the running run needs."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RunError("the journal of a run", error.strerror or str(error), str(path)) from None
    return parse_progress(content, path)


def parse_progress(content: bytes, path: Path) -> Progress:
    """Return what the lines in `content` tell; a last line that is cut off is not read.

    Raises:
        InputError: as `read_journal`.
    """
    lines = content.split(b"\n")[:-1]
    first = opening(lines[0]) if lines else None
    if first is None:
        raise RunError("a journal that begins with its run", "none", str(path), "Remove the file")
    if first.version > JOURNAL_VERSION:
        raise FormatNewerError(
            f"a journal of version {JOURNAL_VERSION} or older", f"version {first.version}", str(path),
            "Update edgewright",
        )  # fmt: skip
    progress = Progress(path.stem, first)
    ended = False
    for event in _events(lines):
        progress.begun = progress.begun or event.time
        progress.latest = event.time
        note = _NOTES.get(event.event)
        if note is not None:
            note(progress, event.data)
        ended = ended or event.event == "end"
    if not ended and not alive(first.process, first.ticks):
        progress.state, progress.reason = "failed", SILENT
    return progress


def _events(lines: list[bytes]) -> Iterator[Event]:
    """Yield events in order; a line that is none is left out."""
    for line in lines:
        try:
            yield msgspec.json.decode(line, type=Event)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue


Data = dict[str, msgspec.Raw]


def _read(data: Data, key: str, kind: type[T]) -> T | None:
    """One argument; None where it is absent or another version's."""
    try:
        return msgspec.json.decode(data[key], type=kind)
    except (KeyError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def _kept(attribute: str, kind: Any, key: str = "record") -> Callable[[Progress, Data], None]:  # noqa: ANN401 - a type form
    """Keep one argument as an attribute, or at the end of the list that it is."""

    def note(progress: Progress, data: Data) -> None:
        value = _read(data, key, kind)
        if value is not None and isinstance(many := getattr(progress, attribute), list):
            many.append(value)
        elif value is not None:
            setattr(progress, attribute, value)

    return note


def _started(progress: Progress, data: Data) -> None:
    with suppress(msgspec.DecodeError):
        progress.opening = msgspec.json.decode(msgspec.json.encode(data), type=Opening)


def _training_started(progress: Progress, data: Data) -> None:
    progress.total_epochs = _read(data, "total_epochs", int) or 0
    progress.classes = _read(data, "classes", int) or 0
    progress.epochs.clear()


def _point(progress: Progress, data: Data) -> None:
    progress.points = (_read(data, "done", int) or 0, _read(data, "total", int) or 0)


def _end(progress: Progress, data: Data) -> None:
    state = _read(data, "state", str)
    progress.state = cast(Ended, state) if state in get_args(Ended) else "failed"
    progress.reason = _read(data, "reason", str) or ""
    progress.folder = _read(data, "folder", str) or ""


_NOTES: dict[str, Callable[[Progress, Data], None]] = {
    "start": _started,
    "race": _kept("race", RaceRecord),
    "stage": _kept("stages", records.StageRecord),
    "layers": _kept("layers", tuple[records.LayerRecord, ...], "records"),
    "doing": _kept("doing", str, "label"),
    "training_started": _training_started,
    "epoch": _kept("epochs", records.EpochRecord),
    "training": _kept("trained", records.TrainingRecord),
    "evaluation": _kept("evaluation", records.EvaluationRecord),
    "compression": _kept("compression", records.CompressionRecord),
    "device": _kept("device", records.DeviceRecord),
    "scaling_point": _point,
    "scaling": _kept("scaling", records.ScalingRecord),
    "prediction": _kept("predictions", records.PredictionRecord),
    "insight": _kept("insight", records.Insight),
    "end": _end,
}


def _task(progress: Progress) -> str:
    """Return what the configuration says, else what training was begun with; empty before that."""
    record = progress.opening.config.get("task")
    if isinstance(record, str) and record != "auto":
        return record
    if progress.classes:
        return "classification"
    # Without classes and epochs, training has not begun, or the model has no epochs.
    return "regression" if progress.total_epochs else ""


def _training(progress: Progress) -> records.TrainingRecord | None:
    """Return a record of the epochs so far, where training has not ended."""
    if not progress.epochs:
        return None
    table = progress.opening.config.get("training")
    settings = table if isinstance(table, dict) else {}
    epochs = observe(progress.epochs, progress.classes)
    best = min(epochs, key=lambda e: e.loss if e.validation_loss is None else e.validation_loss)
    return records.TrainingRecord(
        samples=0, validation_samples=0, batch=int(settings.get("batch", 0)),
        optimiser=str(settings.get("optimiser", "")), loss_name="", epochs=epochs, best_epoch=best.epoch,
        stopped="" if progress.state == "running" else f"interrupted after epoch {epochs[-1].epoch}", temperature=1.0,
        seconds=sum(epoch.seconds for epoch in epochs), cpu_seconds=0.0,
    )  # fmt: skip
