"""Labels of files and events: a CSV with `file,label` or `start,end,label`, or patterns of file names."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import LabelsError, UnknownNameError
from edgewright.core.formatting import MISSING_LABELS
from edgewright.core.records.data import DataSet, Labels, Recording
from edgewright.data.checks_columns import target_of
from edgewright.data.contract import Finding, percent, read_text
from edgewright.data.resampling import sessions_of
from edgewright.data.targets import as_text, labelled, task_of

_PART = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_GROUP = ("group", "person", "speaker", "user", "subject", "machine", "device")


class Meaning(msgspec.Struct, frozen=True, kw_only=True):
    """What a file's name says about its rows; empty where it says nothing."""

    label: str = ""
    group: str = ""
    session: str = ""


def name_in(file: str) -> str:
    """Return the file name without folder and endings: `walk/a.csv.gz` gives `a`."""
    return PurePath(file).name.split(".")[0]


def read_name(file: str, pattern: str) -> Meaning:
    """Return what a file's name means.

    Args:
        file: path below the folder that is read, with '/'.
        pattern: text with `{label}`, `{group}` (also person, speaker, user, subject, machine, device), `{session}`;
            other names in braces match and are not used. With a '/' it is matched against folders and name, else
            against the name; endings are left out. Empty: the folder the file lies in is its label.

    Raises:
        InputError: when the file does not match, or the pattern has no part or one twice.
    """
    path = PurePath(file)
    if not pattern:
        return Meaning(label=path.parent.name)
    names = _PART.findall(pattern)
    if not names or len(set(names)) < len(names):
        raise LabelsError("parts such as {label}_{group}_{index}, each once", repr(pattern), "pattern")
    text = "/".join([*path.parent.parts, name_in(file)]) if "/" in pattern else name_in(file)
    pieces = _PART.split(pattern)
    form = "".join(re.escape(piece) if i % 2 == 0 else f"(?P<{piece}>[^/]+?)" for i, piece in enumerate(pieces))
    match = re.fullmatch(form, text)
    if not match:
        raise LabelsError(f"a name like {pattern}", repr(text), file)
    parts = match.groupdict()
    group = next((parts[name] for name in _GROUP if name in parts), "")
    return Meaning(label=parts.get("label", ""), group=group, session=parts.get("session", ""))


LabelUnit = Literal["auto", "seconds", "samples"]
_ALIASES = {
    "file": ("file", "filename", "name", "recording", "path"),
    "start": ("start", "start_s", "start_seconds", "start_sample", "begin"),
    "end": ("end", "end_s", "end_seconds", "end_sample", "stop"),
    "label": ("label", "class", "event", "activity", "target"),
    "group": ("group", "person", "speaker", "user", "subject", "machine", "device"),
    "session": ("session",),
}
# Seconds beyond this are an epoch (after 1973), not a place in a recording.
_EPOCH = 1e8


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A label of a file or of a stretch of it; `start` and `end` are empty for the whole file."""

    label: str
    file: str = ""
    start: str = ""
    end: str = ""
    group: str = ""
    session: str = ""
    where: str = ""


class Marks(msgspec.Struct, frozen=True, kw_only=True):
    """All labels of a labels file; `samples`: start and end are called samples there; `named`: by name of the file."""

    marks: tuple[Mark, ...]
    samples: bool
    where: str
    named: dict[str, list[Mark]]


def read_marks(path: Path) -> Marks:
    """Read a labels file: columns label, and file, start, end, group, session where they are there.

    Raises:
        InputError: for a file without a label column, or a start without an end.
    """
    columns, lines = read_text(path)
    parts = column_parts(tuple(columns), path.name)
    marks = tuple(
        Mark(**{part: str(columns[name][i]) for part, name in parts.items() if name}, where=f"{path.name} line {line}")
        for i, line in enumerate(lines)
    )
    named: defaultdict[str, list[Mark]] = defaultdict(list)
    for mark in marks:
        named[name_in(mark.file)].append(mark)
    return Marks(marks=marks, samples="sample" in parts["start"].lower(), where=path.name, named=named)


def column_parts(columns: Sequence[str], where: str) -> dict[str, str]:
    """Which column plays which part of a labels file: 'file', 'start', 'end', 'label', 'group', 'session'; '' for none.

    Raises:
        InputError: no label column, or a start without an end.
    """
    lower = {name.lower().strip(): name for name in columns}
    parts = {part: next((lower[a] for a in names if a in lower), "") for part, names in _ALIASES.items()}
    if not parts["label"]:
        raise UnknownNameError("column", "label", columns, where)
    if bool(parts["start"]) != bool(parts["end"]):
        raise LabelsError("columns start and end, or neither", f"{', '.join(columns)}", where)
    return parts


def with_meaning(recording: Recording, meaning: Meaning) -> Recording:
    """Return the recording with what its file's name means, where its own columns say nothing."""
    rows = len(recording.values)
    parts = {"target": meaning.label, "groups": meaning.group, "sessions": meaning.session}
    columns = {k: np.broadcast_to(np.array(v), rows) for k, v in parts.items() if v and getattr(recording, k) is None}
    return msgspec.structs.replace(recording, **columns)


def marked(
    recording: Recording, marks: Marks | None, unit: LabelUnit, *, alone: bool, rate: float | None, origin: float
) -> Recording:
    """Return a recording with the labels of a labels file: those that name it, or all where no file is named.

    Args:
        recording: with its path as its name.
        marks: of the labels file; None leaves the recording as it is.
        unit: as of `label_rows`.
        alone: whether it is the only recording.
        rate: as of `label_rows`.
        origin: as of `label_rows`.

    Raises:
        InputError: when files are not named and there are several; as `label_rows`.
    """
    if marks is None:
        return recording
    chosen: Sequence[Mark] = marks.marks
    if any(marks.named):
        # Only marks of this name are compared: a folder may hold ten thousand recordings.
        named = marks.named.get(name_in(recording.name), ())
        chosen = [mark for mark in named if names_recording(mark.file, recording.name)]
    elif not alone:
        raise LabelsError("a column file that names the labelled recording", "none", marks.where)
    return label_rows(recording, chosen, unit=unit, samples=marks.samples, rate=rate, origin=origin)


def names_recording(file: str, recording: str) -> bool:
    """Whether what stands in the column file names a recording: by its name, endings or not, with its folder if given.

    `a.csv` and `a` name `walk/a.csv` and `run/a.csv`; `walk/a.csv` names the first alone.
    """
    if name_in(file) != name_in(recording):
        return False
    mine, other = (str(PurePath(text).with_name(name_in(text))) for text in (file, recording))
    within = ("/" + mine).endswith("/" + other) or ("/" + other).endswith("/" + mine)
    return within or "/" not in file or "/" not in recording


def label_rows(
    recording: Recording, marks: Sequence[Mark], *, unit: LabelUnit, samples: bool, rate: float | None, origin: float
) -> Recording:
    """Return the recording with labels from events; rows outside every event are unlabelled ('').

    Args:
        recording: whose target, if it has one, is replaced.
        marks: events; a row belongs to one when start <= its place < end.
        unit: what start and end count; 'auto' takes samples where the columns say so or no time is known.
        samples: the columns of the labels file are called samples.
        rate: samples a second, for a recording without times.
        origin: time of the first row in seconds, for starts and ends written as dates or epochs.

    Raises:
        InputError: for events that are turned round, overlap, or lie outside the recording; the line is named.
    """
    rows = len(recording.values)
    if rows and len(marks) == 1 and _whole(marks[0]):
        # One text for all rows: a row's own would take several times the bytes of a sample of sound.
        target: Labels = np.broadcast_to(np.array(_label(marks[0])), rows)
    else:
        counted = counts_samples(recording, unit=unit, samples=samples, rate=rate)
        target = _event_labels(recording, marks, places_of(recording, counted=counted, rate=rate), origin, counted)
    group = next((mark.group for mark in marks if mark.group), "")
    session = next((mark.session for mark in marks if mark.session), "")
    return msgspec.structs.replace(
        recording,
        target=target,
        groups=np.broadcast_to(np.array(group), rows) if group else recording.groups,
        sessions=np.broadcast_to(np.array(session), rows) if session else recording.sessions,
    )


def _event_labels(
    recording: Recording, marks: Sequence[Mark], places: NDArray[np.float64], origin: float, counted: bool
) -> Labels:
    target = np.full(len(places), "", dtype=f"U{max([len(mark.label) for mark in marks], default=1) or 1}")
    # In rows by the order of time an event is a slice: millions of them may have thousands of events.
    ordered = bool((places[1:] >= places[:-1]).all())
    for mark in marks:
        start, end = (0.0, np.inf) if _whole(mark) else span_of(mark, origin, counted)
        inside: Any = slice(*np.searchsorted(places, (start, end)))
        if not ordered:
            inside = (places >= start) & (places < end)
        if not len(places[inside]):
            raise LabelsError(f"an event within {recording.name}", f"{mark.start}..{mark.end}", mark.where)
        if (target[inside] != "").any():
            raise LabelsError("events that do not overlap", f"{mark.start}..{mark.end}", mark.where)
        target[inside] = _label(mark)
    return target


def _whole(mark: Mark) -> bool:
    """Return whether a mark is of the whole recording."""
    return not mark.start and not mark.end


def _label(mark: Mark) -> str:
    return "" if mark.label.lower() in MISSING_LABELS else mark.label


def counts_samples(recording: Recording, *, unit: LabelUnit, samples: bool, rate: float | None) -> bool:
    """Return whether start and end of events count samples; seconds otherwise. Arguments as of `label_rows`."""
    return unit == "samples" or (unit == "auto" and (samples or (recording.time is None and rate is None)))


def places_of(recording: Recording, *, counted: bool, rate: float | None) -> NDArray[np.float64]:
    """Place of every row in what start and end of events count: shape (rows,).

    Raises:
        InputError: for seconds where neither times nor a rate are known.
    """
    places = np.arange(len(recording.values), dtype=np.float64)
    if counted:
        return places
    if recording.time is None and rate is None:
        raise LabelsError("a time column or rate for labels in seconds", "neither", recording.name)
    return recording.time if recording.time is not None else places / (rate or 1.0)


def span_of(mark: Mark, origin: float, counted: bool) -> tuple[float, float]:
    """Start and end of an event in the recording's own count.

    Raises:
        InputError: for what is no number or date, or an event that is turned round.
    """
    start, end = (_moment(text, mark.where, origin, counted) for text in (mark.start, mark.end))
    if not start < end:
        raise LabelsError("an event that ends after its start", f"{mark.start}..{mark.end}", mark.where)
    return start, end


def _moment(text: str, location: str, origin: float, counted: bool) -> float:
    """Return a number of samples or seconds, or a date, relative to the first row."""
    try:
        number = float(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise LabelsError("a number or a date", repr(text), location) from None
        number = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        return number - origin
    if not np.isfinite(number):
        raise LabelsError("a finite number or a date", repr(text), location)
    return number - origin if not counted and number > _EPOCH and origin > _EPOCH else number


KEY = "fill_labels"
"""Key of [data]: whether an empty label is that of the last labelled row above it."""
SPARSE_LABELS = "sparse-labels"
"""Kind of the finding."""
# At most this share of the rows is labelled, and at least this share of these rows stands alone and differs from the
# labelled row before it. Labels drawn at random from three classes differ in two thirds.
_MOST_LABELLED, _ALONE, _DIFFERENT = 0.2, 0.9, 0.8
_FEWEST = 5


def fill_down(target: Any, *names: Labels | None) -> Any:  # noqa: ANN401 - text or float64
    """Return a target whose empty labels are those of the last labelled row above them.

    Args:
        target: shape (rows,).
        names: person and session of each row, which no label crosses; None where unknown.
    """
    rows = np.arange(len(target))
    begins = np.zeros(len(target), np.bool_)
    begins[:1] = True
    for cells in names:
        if cells is not None:
            begins[1:] |= cells[1:] != cells[:-1]
    first = np.maximum.accumulate(np.where(begins, rows, 0))
    last = np.maximum.accumulate(np.where(labelled(target), rows, -1))
    return np.where(last >= first, target[np.maximum(last, 0)], "" if target.dtype.kind == "U" else np.nan)


def labelled_share(dataset: DataSet) -> float | None:
    """Return the share of labelled rows where labels stand only where they change; None otherwise."""
    y = target_of(dataset)
    if y is None or not (known := labelled(y)).any() or task_of(y[known]) != "classification":
        return None
    count = alone = pairs = different = 0
    for recording in dataset.recordings:
        if recording.target is None:
            continue
        names = as_text(recording.target)
        for _, rows in sessions_of(recording):
            places = np.flatnonzero(names[rows] != "")
            count += len(places)
            separate: NDArray[np.bool_] = np.diff(places) > 1
            alone += int(np.append(separate, places[-1] < len(rows) - 1).sum()) if len(places) else 0
            pairs += len(separate)
            different += int((names[rows[places[1:]]] != names[rows[places[:-1]]]).sum())
    if count < _FEWEST or not pairs or count > _MOST_LABELLED * len(y):
        return None
    return count / len(y) if alone >= _ALONE * count and different >= _DIFFERENT * pairs else None


def sparse_label_findings(dataset: DataSet) -> Iterator[Finding]:
    """Find labels that stand only where they change, for `edgewright check`."""
    if (share := labelled_share(dataset)) is not None:
        sentence = (
            f"{dataset.target_name} is empty in {percent(1 - share)} of the rows and stands only where it changes: "
            f"--fill-labels ({KEY} = true in [data]) fills it down"
        )
        yield Finding(SPARSE_LABELS, "warning", sentence, dataset.target_name, {"empty": 1 - share})
