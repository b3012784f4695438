"""The events of one recording: a labels file as its cells, what a form changes, and the lines that it becomes."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.csv.header import read_header
from edgewright.core.csv.text import Block
from edgewright.core.errors import InputError, LabelsError, TextEncodingError
from edgewright.core.formatting import MISSING_LABELS
from edgewright.data.labels import (
    Mark,
    column_parts,
    counts_samples,
    label_rows,
    name_in,
    names_recording,
    places_of,
    read_name,
    span_of,
)
from edgewright.data.sources.folder import FolderConfig, Opened, labels_file, recording_files
from edgewright.studio.view.data_cache import Stretch
from edgewright.studio.view.file_history import ABSENT, bytes_of

Cells = tuple[str, ...]


@dataclass(frozen=True)
class LabelFile:
    """A labels file.

    Attributes:
        columns: header.
        rows: cells, each as long as `columns`.
        delimiter: between cells.
        mark: SHA-256 of its bytes, or `ABSENT`.
        parts: which column plays which part ('file', 'start', 'end', 'label', 'group', 'session'), '' for none.
    """

    columns: Cells
    rows: tuple[Cells, ...]
    delimiter: str
    mark: str
    parts: dict[str, str]

    def cell(self, row: Cells, part: str) -> str:
        """Return the cell that plays a part, empty where no column does."""
        name = self.parts[part]
        return row[self.columns.index(name)].strip() if name else ""

    def of(self, recording: str) -> tuple[Cells, ...]:
        """Return the lines that label a recording: those that name it, all where files are not named."""
        if not any(self.cell(row, "file") for row in self.rows):
            return self.rows
        return tuple(row for row in self.rows if names_recording(self.cell(row, "file"), recording))

    def part_mark(self, recording: str) -> str:
        """Change when what labels this recording does, or what the columns are."""
        text = repr((self.columns, self.delimiter, self.of(recording)))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    def with_rows(self, recording: str, mine: Sequence[Cells]) -> LabelFile:
        """Return the file with other lines for a recording, where its first one stood, else at the end."""
        old = self.of(recording)
        rest = [row for row in self.rows if row not in old]
        at = next((i for i, row in enumerate(self.rows) if row in old), len(rest))
        return replace(self, rows=(*rest[:at], *mine, *rest[at:]))

    def with_columns(self, needed: Sequence[str]) -> LabelFile:
        """Return the file with columns for parts that it had none for."""
        more = [part for part in needed if not self.parts[part]]
        parts = {**self.parts, **{part: part for part in more}}
        rows = tuple((*row, *[""] * len(more)) for row in self.rows)
        return replace(self, columns=(*self.columns, *more), rows=rows, parts=parts)

    def content(self) -> bytes:
        """Return the bytes to be saved."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, delimiter=self.delimiter, lineterminator="\n")
        writer.writerow(self.columns)
        # The reader takes a line without any cell for a blank one.
        writer.writerows(self.rows)
        return text.getvalue().encode()


def read(config: FolderConfig) -> LabelFile:
    """Return the labels file of a folder; where there is none, what the names of its files say.

    Raises:
        InputError: for a file that cannot be edited, with the reason.
    """
    path = labels_file(config)
    if not path.exists() and not path.is_symlink():
        return _from_names(config)
    content = bytes_of(path)
    mark = hashlib.sha256(content).hexdigest()
    return parse(content, mark, path.name)


def parse(content: bytes, mark: str, name: str) -> LabelFile:
    """Return a labels file from its bytes.

    Raises:
        InputError: no label column, ragged lines, or bytes that are not UTF-8.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"byte {error.object[error.start]:#x}"
        raise TextEncodingError("text in UTF-8", message, name, "Save the labels file as UTF-8") from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    header, _ = read_header(Block(text.encode(), 1), name)
    try:
        lines = [line for line in csv.reader(io.StringIO(text), delimiter=header.delimiter, strict=True) if any(line)]
    except csv.Error as error:
        raise LabelsError("well-formed quotes", str(error), name, "Correct the quotes") from None
    width = len(header.names)
    for number, line in enumerate(lines[1:], 2):
        if len(line) != width:
            message = f"{len(line)} cells in line {number}"
            raise LabelsError(f"{width} cells in every line", message, name, "Correct the line in an editor")
    parts = column_parts(header.names, name)
    return LabelFile(header.names, tuple(tuple(line) for line in lines[1:]), header.delimiter, mark, parts)


def _from_names(config: FolderConfig) -> LabelFile:
    """Return what a labels file would say that changes nothing: once there is one, names of files count no more."""
    root = Path(config.path)
    rows = []
    for file in recording_files(config):
        name = file.relative_to(root).as_posix()
        label = read_name(name, config.pattern).label
        if label:
            rows.append((name, "", "", label))
    columns = ("file", "start", "end", "label")
    parts = {**dict.fromkeys(("group", "session"), ""), **{part: part for part in columns}}
    return LabelFile(columns, tuple(rows), ",", ABSENT, parts)


def refuse_shared(file: LabelFile, names: Sequence[str]) -> None:
    """Refuse to edit a line that several recordings share.

    Raises:
        InputError: naming the line's file and two recordings.
    """
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(name_in(name), []).append(name)
    if len(names) > 1 and file.rows and not any(file.cell(row, "file") for row in file.rows):
        raise LabelsError("a column file that names the labelled recording", "none", "the labels file")
    for text in dict.fromkeys(file.cell(row, "file") for row in file.rows):
        meant = [name for name in alike.get(name_in(text), []) if names_recording(text, name)]
        if len(meant) > 1:
            raise LabelsError(
                "lines that each name one recording", f"{text!r}, which means {meant[0]} and {meant[1]}",
                "the labels file", f"Write {meant[0]} or {meant[1]} in its column file",
            )  # fmt: skip


LONGEST = 500
"""Characters of a label."""


@dataclass(frozen=True)
class Event:
    """A label of a stretch; `start` and `end` as written, both empty for the whole recording; `more` all its cells."""

    start: str
    end: str
    label: str
    more: Cells = ()


@dataclass(frozen=True)
class Problem:
    """What is wrong with an event: its place in the list, the field ('start', 'end', 'label'), the sentence."""

    event: int
    field: str
    message: str


@dataclass(frozen=True)
class Ground:
    """What events are judged by: a recording without a labels file's labels, and what start and end count."""

    config: FolderConfig
    opened: Opened
    counted: bool
    places: NDArray[np.float64]

    @property
    def unit(self) -> str:
        """What start and end count."""
        return "samples" if self.counted else "seconds"


def ground(config: FolderConfig, opened: Opened, file: LabelFile) -> Ground:
    """Return what events of a recording are judged by.

    Raises:
        InputError: labels in seconds where neither times nor a rate are known.
    """
    samples = "sample" in file.parts["start"].lower()
    counted = counts_samples(opened.recording, unit=config.labels_in, samples=samples, rate=opened.rate)
    return Ground(config, opened, counted, places_of(opened.recording, counted=counted, rate=opened.rate))


def events(file: LabelFile, recording: str) -> list[Event]:
    """Return the events of a recording as the file has them."""
    return [
        Event(file.cell(row, "start"), file.cell(row, "end"), file.cell(row, "label"), row)
        for row in file.of(recording)
    ]


def problems(listed: Sequence[Event], here: Ground) -> list[Problem]:
    """Return what is wrong: of every event by itself, then what the loader says of all together."""
    wrong = [p for i, event in enumerate(listed) for p in _alone(i, event, here)]
    if wrong:
        return wrong
    marks = [_mark(i, event) for i, event in enumerate(listed)]
    try:
        label_rows(
            here.opened.recording, marks, unit="samples" if here.counted else "seconds", samples=here.counted,
            rate=here.opened.rate, origin=here.opened.origin,
        )  # fmt: skip
    except InputError as error:
        if not error.where.isdecimal():
            raise
        return [Problem(int(error.where), "start", _sentence(error))]
    return []


def _mark(index: int, event: Event) -> Mark:
    return Mark(label=event.label, start=event.start, end=event.end, where=str(index))


def _sentence(error: InputError) -> str:
    return f"expected {error.expected}, got {error.got}"


def _alone(index: int, event: Event, here: Ground) -> list[Problem]:
    """Return what is wrong with one event, whatever the others are."""
    wrong_parts = []
    wrong = _label_problem(event.label)
    if wrong:
        wrong_parts.append(Problem(index, "label", wrong))
    if not event.start and not event.end:
        return wrong_parts
    for field, text in (("start", event.start), ("end", event.end)):
        if not text:
            message = "expected a number or a date, got nothing; start and end are both empty for the whole recording"
            return [*wrong_parts, Problem(index, field, message)]
    try:
        start, end = span_of(_mark(index, event), here.opened.origin, here.counted)
    except InputError as error:
        field = "end" if error.got == repr(event.end) or "ends after" in error.expected else "start"
        return [*wrong_parts, Problem(index, field, _sentence(error))]
    if not _rows(here, start, end)[2]:
        last = f"{here.places[0]:g} to {here.places[-1]:g} {here.unit}"
        message = f"expected an event within the recording ({last}), got {event.start} to {event.end}"
        wrong_parts.append(Problem(index, "start", message))
    return wrong_parts


def _label_problem(label: str) -> str:
    if not label:
        return "expected a label, got nothing; delete the event to label nothing"
    if label.lower() in MISSING_LABELS:
        return f"expected a label, got {label!r}, which counts as none"
    if len(label) > LONGEST:
        return f"expected at most {LONGEST} characters, got {len(label):,}"
    if any((ord(c) < 32 and c not in "\n\t") or 0xD800 <= ord(c) < 0xE000 for c in label):
        return "expected text, got a control character"
    return ""


def _rows(here: Ground, start: float, end: float) -> tuple[int, int, bool]:
    """First row and end of what lies between start and end, and whether there is any."""
    inside = np.flatnonzero((here.places >= start) & (here.places < end))
    return (int(inside[0]), int(inside[-1]) + 1, True) if len(inside) else (0, 0, False)


def bands(listed: Sequence[Event], here: Ground) -> list[Stretch]:
    """Return the events that can be drawn, in order."""
    stretches = []
    for index, event in enumerate(listed):
        if not event.start and not event.end:
            stretches.append(Stretch(0, len(here.places), event.label))
            continue
        try:
            first, end, there = _rows(here, *span_of(_mark(index, event), here.opened.origin, here.counted))
        except InputError:
            continue
        if there:
            stretches.append(Stretch(first, end, event.label))
    return sorted(stretches, key=lambda s: s.first)


def split(event: Event, at: str, here: Ground) -> tuple[Event, Event]:
    """Return an event as two: at a place if one within it is said, else in the middle.

    Raises:
        InputError: it is not right yet, or too short.
    """
    start, end = 0.0, float(here.places[-1]) + _step(here)
    if event.start or event.end:
        start, end = span_of(_mark(0, event), here.opened.origin, here.counted)
    try:
        middle = float(at)
    except ValueError:
        middle = start
    if not start < middle < end:
        middle = (start + end) / 2
    text = number_text(middle, here)
    if not start < float(text) < end:
        raise LabelsError("an event that can be split", f"{event.start} to {event.end}", "split")
    first = replace(event, start=event.start or number_text(start, here), end=text)
    return first, replace(event, start=text, end=event.end or number_text(end, here))


def _step(here: Ground) -> float:
    return 1.0 if here.counted or len(here.places) < 2 else float(np.median(np.diff(here.places)))


def number_text(value: float, here: Ground) -> str:
    """Return a place as it is written into a labels file: whole samples, seconds to the millisecond or finer."""
    if here.counted:
        return str(round(value))
    step = _step(here)
    digits = 3 if step >= 0.001 else min(9, 3 - int(np.floor(np.log10(step))) - 3)
    return f"{round(value, digits):.{digits}f}".rstrip("0").rstrip(".") or "0"


def to_lines(file: LabelFile, recording: str, listed: Sequence[Event], here: Ground) -> LabelFile:
    """Return the file with these events for a recording, in order of time.

    A line keeps what stood in its other columns; a new one gets the recording's person and session.
    """
    if any(event.start for event in listed):
        file = file.with_columns(("start", "end"))
    if not file.parts["file"] and not file.rows:
        file = file.with_columns(("file",))
    old = file.of(recording)
    inherited = {part: next((file.cell(row, part) for row in old if file.cell(row, part)), "") for part in _KEPT}
    order = sorted(range(len(listed)), key=lambda i: _begin(listed[i], here))
    lines = [_line(file, recording, listed[i], inherited) for i in order]
    return file.with_rows(recording, lines)


_KEPT = ("group", "session")


def _begin(event: Event, here: Ground) -> float:
    if not event.start:
        return -np.inf
    return span_of(_mark(0, event), here.opened.origin, here.counted)[0]


def _line(file: LabelFile, recording: str, event: Event, inherited: dict[str, str]) -> Cells:
    cells = dict(zip(file.columns, event.more, strict=False))
    if not event.more:
        cells = {
            file.parts[part]: value for part, value in {"file": recording, **inherited}.items() if file.parts[part]
        }
    for part, value in (("start", event.start), ("end", event.end), ("label", event.label)):
        if file.parts[part]:
            cells[file.parts[part]] = value
    return tuple(cells.get(column, "") for column in file.columns)


def pack(cells: Cells) -> str:
    """Return cells as a hidden field holds them."""
    return msgspec.json.encode(cells).decode() if cells else ""


def unpack(text: str, width: int) -> Cells:
    """Return cells of a hidden field; none where it is damaged or of a file with other columns."""
    try:
        cells = msgspec.json.decode(text.encode(), type=tuple[str, ...]) if text else ()
    except (msgspec.DecodeError, UnicodeEncodeError):
        return ()
    return cells if len(cells) <= width else ()


def relative(root: Path, path: Path) -> str:
    """Return a path as the page shows it."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
