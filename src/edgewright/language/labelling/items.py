"""Items of a label project: texts, windows or rows, pictures, sounds; with the labels that they brought along."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from edgewright.core.errors import (
    ExistingFileError,
    FileTooLargeError,
    LabelProjectError,
    LabelsError,
    MissingFileError,
    OutputError,
)
from edgewright.core.files import sync
from edgewright.core.formatting import MISSING_LABELS
from edgewright.core.records.data import LABEL_FROM, DataSet, Floats, Labels, Recording
from edgewright.data.audited_labels import marked
from edgewright.data.contract import read_utf8
from edgewright.data.load import load_data
from edgewright.data.synthetic import is_synthetic
from edgewright.data.table_proposal import propose_table
from edgewright.data.targets import as_text
from edgewright.language.labelling.project import Project
from edgewright.language.labelling.suggestion_round import start
from edgewright.language.utterances import read as read_utterances
from edgewright.nlp.records import OUT_OF_SCOPE


def make(path: Path, source: Path, read: Read, classes: Mapping[str, str], address: str = "") -> None:
    """Write a project, whole or not at all.

    Args:
        path: path of the project.
        source: of the items.
        read: items.
        classes: names with descriptions, besides those of the labels that the items brought along.
        address: where `source` was copied from; empty where it was not.

    Raises:
        InputError: the file is there.
        OutputError: it cannot be written.
    """
    if path.exists():
        raise ExistingFileError("a new file", "an existing one", str(path), "Choose another with --out")
    temporary = path.with_name(f".{path.name}.new")
    try:
        temporary.unlink(missing_ok=True)
        record = {
            "kind": read.kind, "name": path.name.split(".")[0], "hash": hash_of(source),
            "source": address or str(source.absolute()),
            "columns": read.columns, "units": read.units, "rate": read.rate, "window": read.window,
        }  # fmt: skip
        with Project.create(temporary, record) as project:
            with project.changing():
                for number, item in enumerate(read.items, 1):
                    data = None if item.data is None else item.data.tobytes()
                    if read.kind in ("pictures", "sounds"):
                        data = hashlib.sha256((source / item.content).read_bytes()).digest()
                    project.execute(
                        "INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?)",
                        (number, item.content, item.location, item.recording, item.person, item.first, data),
                    )
            start(project, {k: item.label for k, item in enumerate(read.items, 1) if item.label}, classes)
            project.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        temporary.replace(path)
        sync(path.parent)
    except OSError as error:
        raise OutputError("to write a label project", error.strerror or str(error), str(path)) from None
    finally:
        for ending in ("", "-wal", "-shm"):
            temporary.with_name(temporary.name + ending).unlink(missing_ok=True)


def hash_of(source: Path) -> str:
    """SHA-256 of a file, or of the names and sizes of a folder's files."""
    digest = hashlib.sha256()
    if source.is_dir():
        for file in sorted(p for p in source.rglob("*") if p.is_file()):
            digest.update(f"{file.relative_to(source).as_posix()}\0{file.stat().st_size}\0".encode())
        return digest.hexdigest()
    with source.open("rb") as opened:
        while block := opened.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def changed(project: Project) -> str:
    """Return a warning where the data changed since the project was created, else an empty text."""
    source = str(project.meta("source"))
    try:
        same = hash_of(project.source) == project.meta("hash")
    except OSError:
        return f"{source} does not exist any more; the project keeps its items"
    return "" if same else f"{source} has changed; the project keeps its original items"


Kind = Literal["text", "windows", "rows", "pictures", "sounds"]
LONGEST = 20_000
MAX_ITEMS, MAX_BYTES = 200_000, 1 << 30
_TEXTS, _PICTURES, _SOUNDS = (".txt", ".json", ".toml"), (".jpg", ".jpeg", ".png"), (".wav",)


class NewItem(msgspec.Struct, frozen=True):
    """An item before it has a number; `label` is what the data said, empty for nothing."""

    content: str
    location: str
    label: str = ""
    recording: str = ""
    person: str = ""
    first: int = 0
    data: Floats | None = None


class Read(msgspec.Struct, frozen=True):
    """What was read: items, what a window needs to be shown and written again, and how data were read, in a line."""

    kind: Kind
    items: list[NewItem]
    columns: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    rate: float = 0.0
    window: int = 0
    understood: str = ""


def read_items(
    path: Path, *, text: str = "", target: str = "", window: int = 0, rows: bool = False,
    table: dict[str, object] | None = None,
) -> Read:  # fmt: skip
    """Return items of a file or folder.

    Args:
        path: path of the data.
        text: column of the texts; `text` where a CSV has one.
        target: column of labels that are there already.
        window: rows in a window of recordings.
        rows: each row of recordings is an item.
        table: further keys of `[data]`, such as group and time.

    Raises:
        InputError: nothing to label, more than is taken, a text that is too long, or data that cannot be read.
    """
    if not path.exists():
        raise MissingFileError("a file or a folder", "no such file", str(path), "Check the path")
    if target and marked(path):
        raise LabelProjectError(
            "labels by people, or none", f"labels of a label project (column {LABEL_FROM})", str(path),
            "Continue that project, which keeps machine labels marked, or omit --target",
        )  # fmt: skip
    if path.is_dir() and not window and not rows and any(p.suffix.lower() in _PICTURES for p in path.rglob("*")):
        content = Read("pictures", list(_files(path, _PICTURES)))
    elif path.is_dir() and not window and not rows and any(p.suffix.lower() in _SOUNDS for p in path.rglob("*")):
        content = Read("sounds", list(_files(path, _SOUNDS)))
    elif not window and not rows and (path.suffix.lower() in _TEXTS or _has_text(path, text)):
        content = Read("text", list(_texts(path, text, target)))
    elif not window and not rows:
        raise LabelProjectError(
            "texts, pictures, sounds, or --window ROWS or --rows for recordings", path.name, str(path),
            "A CSV of texts needs a column 'text'; set another with --text",
        )  # fmt: skip
    else:
        content = _recorded(path, target, window, table or {})
    if not content.items:
        raise LabelsError("items to label", "nothing", str(path))
    size = sum(item.data.nbytes for item in content.items if item.data is not None)
    if len(content.items) > MAX_ITEMS or size > MAX_BYTES:
        raise FileTooLargeError(
            f"at most {MAX_ITEMS:,} items and {MAX_BYTES >> 20:,} MB",
            f"{len(content.items):,} items, {size >> 20:,} MB",
            str(path),
            "Use fewer items or longer windows",
        )
    return content


def _has_text(path: Path, text: str) -> bool:
    if path.suffix.lower() != ".csv":
        return False
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            names = next(csv.reader(file), [])
    except UnicodeDecodeError:
        # Whoever reads the texts says which byte.
        return True
    except (OSError, csv.Error):
        return False
    return bool(text) or "text" in [name.strip().lower() for name in names]


def _texts(path: Path, column: str, target: str) -> Iterator[NewItem]:
    if path.suffix.lower() in (".json", ".toml"):
        utterances = read_utterances(path)
        for number, utterance in enumerate(utterances.utterances + utterances.validation, 1):
            yield _text(utterance.text, utterance.where or f"{path.name} entry {number}", utterance.intent)
        return
    content = read_utf8(path, "a file that can be read")
    if path.suffix.lower() == ".txt":
        for number, line in enumerate(content.splitlines(), 1):
            if line.strip():
                yield _text(line, f"{path.name} line {number}")
        return
    try:
        reader = csv.DictReader(io.StringIO(content, newline=""), strict=True)
        names = {name.strip().lower(): name for name in reader.fieldnames or ()}
        wanted = [(column or "text").lower(), *([target.lower()] if target else [])]
        for name in wanted:
            if name not in names:
                raise LabelProjectError(f"a column {name!r}", ", ".join(names) or "an empty file", str(path))
        for row in reader:
            location = f"{path.name} line {reader.line_num}"
            reported = (row[names[wanted[0]]] or "").strip()
            if reported:
                yield _text(reported, location, (row[names[wanted[1]]] or "").strip() if target else "")
    except csv.Error as error:
        raise LabelProjectError("a CSV file", str(error), str(path)) from None


def _text(text: str, location: str, label: str = "") -> NewItem:
    if len(text) > LONGEST:
        raise LabelProjectError(
            f"texts of at most {LONGEST:,} characters",
            f"{len(text):,}",
            location,
            "Split it into passages, or remove it",
        )
    if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise LabelProjectError("whole characters of text", "a null or half a character", location)
    return NewItem(text.strip(), location, "out_of_scope" if label == OUT_OF_SCOPE else label)


def _files(path: Path, endings: tuple[str, ...]) -> Iterator[NewItem]:
    for file in sorted(path.rglob("*")):
        if file.suffix.lower() in endings and file.is_file() and not file.name.startswith("."):
            yield NewItem(file.relative_to(path).as_posix(), str(file.relative_to(path)))


def _recorded(path: Path, target: str, window: int, table: dict[str, object]) -> Read:
    named = {**table, "target": target}
    source = str(named.pop("kind", ""))
    proposed = propose_table(str(path), named, source, texts=False)
    data = load_data(proposed.table, seed=0, where="label")
    kind: Kind = "windows" if window else "rows"
    names, units = tuple(c.name for c in data.columns), tuple(c.unit for c in data.columns)
    items = list(windows(data, window or 1, labelled=bool(target)))
    return Read(kind, items, names, units, float(data.rate or 0.0), window or 1, proposed.sentence)


def windows(data: DataSet, length: int, *, labelled: bool) -> Iterator[NewItem]:
    """Yield windows beside each other, none across two sessions or people; a rest that is too short is left out.

    Raises:
        InputError: synthetic rows: nobody can say what they are.
    """
    for recording in data.recordings:
        sessions = _names(recording.sessions, recording)
        if is_synthetic(sessions).any() or is_synthetic(np.array([recording.name])).any():
            raise LabelProjectError("measured rows", "synthetic ones", recording.name, "Label what was measured")
        people = _names(recording.groups, recording, "")
        target = as_text(recording.target) if labelled and recording.target is not None else None
        changes = np.flatnonzero((sessions[1:] != sessions[:-1]) | (people[1:] != people[:-1])) + 1
        edges = [0, *changes.tolist(), len(recording.values)]
        for begin, end in pairwise(edges):
            for at in range(begin, end - length + 1, length):
                label = _label_of_window(target[at : at + length]) if target is not None else ""
                name = f"{recording.name} row {at + 1:,}" + (f" to {at + length:,}" if length > 1 else "")
                values = np.ascontiguousarray(recording.values[at : at + length].T, np.float32)
                yield NewItem(name, name, label, str(sessions[at]), str(people[at]), at, values)


def _names(given: Labels | None, recording: Recording, absent: str | None = None) -> Labels:
    if given is None:
        return np.full(len(recording.values), recording.name if absent is None else absent)
    return np.asarray(given, np.str_)


def _label_of_window(labels: Labels) -> str:
    """Return the label of a window whose rows have one only."""
    first = str(labels[0])
    return first if first.lower() not in MISSING_LABELS and bool((labels == first).all()) else ""
