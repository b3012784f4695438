"""A review: which item comes next, what it looks like in characters, and what a typed line means."""

from __future__ import annotations

import csv
import difflib
import hashlib
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from edgewright.core.errors import ExistingFileError, FolderMissingError, LabelProjectError, LabelsError
from edgewright.core.files import write_together
from edgewright.core.records.data import HUMAN, LABEL_FROM, LabelRecord
from edgewright.data.audited_labels import encoded, record_path
from edgewright.language.labelling.audit import audited, contradictions, decided, disputed, unanswered
from edgewright.language.labelling.project import Item, Project, now
from edgewright.nlp.utterance.values import normalised

NONE = "/none"


class Shown(msgspec.Struct, frozen=True):
    """An item as it is shown; the suggestion is empty in an audit, and where the machine was not sure."""

    item: Item
    suggested: str
    confidence: float


def todo(project: Project, reviewer: str, *, audit: bool = False, second: bool = False) -> list[int]:
    """Return items that a reviewer is to label, in order.

    Args:
        project: of items.
        reviewer: whose own labels are not asked for again.
        audit: the audit's sample, in its random order, and items of it on which reviewers differ.
        second: items that others labelled, for agreement of two people, and those on which they differ.
    """
    review = project.reviews()
    mine = {answer.item for answer in review if answer.reviewer == reviewer}
    if audit:
        return [*unanswered(project), *disputed(project)]
    humans = decided(review)
    if second:
        return [item for item, answer in humans.items() if answer.disputed or item not in mine]
    queue = [row[0] for row in project.execute("SELECT item FROM queue ORDER BY rank")]
    rest = project.execute(
        "SELECT items.id FROM items LEFT JOIN suggestions ON item = items.id ORDER BY coalesce(confidence, 0), items.id"
    )
    sample = set(unanswered(project))
    return [i for i in dict.fromkeys([*queue, *(row[0] for row in rest)]) if i not in humans and i not in sample]


def shown(project: Project, number: int, *, audit: bool) -> Shown:
    """Return an item; an audit is blind.

    Raises:
        InputError: there is no such item.
    """
    item = project.item(number)
    if item is None:
        raise LabelProjectError("an item of this project", str(number), str(project.path))
    suggestion = None if audit else project.suggestion(number)
    return Shown(item, suggestion.label if suggestion else "", suggestion.confidence if suggestion else 0.0)


def how_of(project: Project, number: int, label: str, *, audit: bool) -> str:
    """Return what kind of label this is: 'blind', 'settled' between people who differ, 'accepted', or 'typed'."""
    humans = decided(project.reviews(number))
    if number in humans and humans[number].disputed:
        return "settled"
    if audit:
        return "blind"
    suggestion = project.suggestion(number)
    return "accepted" if suggestion and suggestion.label == label and label else "typed"


def meant(line: str, classes: list[str], suggested: str) -> str:
    """Return the label that a typed line means; '' is none of the classes.

    Args:
        line: a name, its unique beginning, its number in the list, or nothing, which accepts the suggestion.
        classes: in order.
        suggested: empty for none.

    Raises:
        InputError: nothing that could be meant, or several.
    """
    typed = line.strip()
    if not typed:
        if suggested:
            return suggested
        raise LabelsError("a class", "an empty line without a suggestion", do="Type a class, /none or /skip")
    if typed == NONE:
        return ""
    if typed in classes:
        return typed
    if typed.isdecimal() and 1 <= int(typed[:9]) <= len(classes):
        return classes[int(typed[:9]) - 1]
    begun = [name for name in classes if name.casefold().startswith(typed.casefold())]
    if len(begun) == 1:
        return begun[0]
    near = difflib.get_close_matches(typed, classes, n=1)
    text = f"Did you mean {near[0]!r}? " if near else ""
    got = f"{typed[:60]!r}, which {len(begun)} begin with" if begun else repr(typed[:60])
    raise LabelsError("a class", got, do=f"{text}Add a class with +NAME; list classes with /classes")


_BARS = " ▁▂▃▄▅▆▇█"
_WIDTH = 64


def bars(data: bytes, columns: Sequence[str]) -> Iterator[str]:
    """Yield a line a channel of a window: name, least and largest value, and means of at most 64 parts as bars.

    Args:
        data: float32, channels first.
        columns: names of the channels.
    """
    values = np.frombuffer(data, np.float32).reshape(len(columns), -1)
    widest = max(len(name) for name in columns)
    for name, row in zip(columns, values, strict=True):
        known = row[np.isfinite(row)]
        if not len(known):
            yield f"  {name:<{widest}} all missing"
            continue
        low, high = float(known.min()), float(known.max())
        if len(row) == 1:
            yield f"  {name:<{widest}} {low:.6g}"
            continue
        means = [part[np.isfinite(part)] for part in np.array_split(row, min(_WIDTH, len(row)))]
        span = (high - low) or 1.0
        line = "".join(
            "?" if not len(part) else _BARS[1 + round(7 * (float(part.mean()) - low) / span)] for part in means
        )
        yield f"  {name:<{widest}} {low:>9.4g} {line} {high:.4g}"


class Exported(msgspec.Struct, frozen=True):
    """What was written.

    Attributes:
        path: path of the data; its record lies beside it.
        record: as it lies there.
        table: `[data]` that reads the file; empty for texts, pictures and sounds.
        left: items without a label, disputed or none of the classes.
    """

    path: Path
    record: LabelRecord
    table: dict[str, str]
    left: int


def export(project: Project, out: Path, *, force: bool = False, human_only: bool = False) -> Exported:
    """Write labelled items as CSV (or, for recordings, Parquet).

    Args:
        project: is not changed.
        out: `.csv` or `.parquet`.
        force: replace files that are there.
        human_only: leave the machine's labels out.

    Raises:
        InputError: files that are there, no labels, another ending, or equal texts under two labels by people.
    """
    recorded = project.kind in ("windows", "rows")
    endings = (".csv", ".parquet") if recorded else (".csv",)
    if out.suffix.lower() not in endings:
        raise LabelProjectError(f"a file {' or '.join(endings)}", out.name, "--out")
    for path in (out, record_path(out)):
        if path.exists() and not force:
            raise ExistingFileError("a new file", "an existing one", str(path), "Use --force to replace it")
    if not out.parent.is_dir():
        raise FolderMissingError("a file in an existing folder", str(out.parent), "--out")
    items = project.items()
    if project.kind == "text":
        _refuse_contradictions(project, items)
    labels = labels_of(project, human_only=human_only)
    if project.kind == "text":
        human = {
            normalised(i.content): labels[i.id][0]
            for i in items
            if i.id in labels and labels[i.id][1].startswith(HUMAN)
        }
        for item in items:
            known = human.get(normalised(item.content))
            if item.id in labels and known is not None and labels[item.id][0] != known:
                del labels[item.id]
    if not labels:
        raise LabelsError("labelled items", "none", str(project.path), "edgewright label review PROJECT")
    content, table = _recordings(project, items, labels, out) if recorded else (_table(project, items, labels), {})
    record = LabelRecord(
        project=str(project.meta("name")), file=out.name, sha256=hashlib.sha256(content).hexdigest(),
        sources=dict(sorted(Counter(source for _, source, _ in labels.values()).items())), audit=audited(project),
        created=now(),
    )  # fmt: skip
    write_together({record_path(out): encoded(record), out: content})
    return Exported(out, record, table, len(items) - len(labels))


def labels_of(project: Project, *, human_only: bool = False) -> dict[int, tuple[str, str, float]]:
    """Label, who it is from, and confidence of each labelled item; people's labels come before a machine's."""
    labels: dict[int, tuple[str, str, float]] = {}
    if not human_only:
        labels = {i: (s.label, s.source, s.confidence) for i, s in project.suggestions().items() if s.label}
    for item, human in decided(project.reviews()).items():
        labels.pop(item, None)
        if human.label and not human.disputed:
            labels[item] = (human.label, f"{HUMAN}{human.reviewer}", 1.0)
    return labels


def _refuse_contradictions(project: Project, items: list[Item]) -> None:
    odd = contradictions(items, decided(project.reviews()))
    if odd:
        first, other, label, second = odd[0]
        more = f"; {len(odd) - 1} more such texts" if odd[1:] else ""
        raise LabelsError(
            "one label per text", f"{first.content[:60]!r} as {label!r} and as {second!r}{more}",
            f"{first.location} and {other.location}", f"Decide: edgewright label review PROJECT --item {other.id}",
        )  # fmt: skip


def _table(project: Project, items: list[Item], labels: dict[int, tuple[str, str, float]]) -> bytes:
    """Return texts with intents, or pictures or sounds with labels."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    texts = project.kind == "text"
    writer.writerow([*(("text", "intent") if texts else ("file", "label")), LABEL_FROM, "confidence"])
    for item in items:
        if item.id in labels:
            if not texts:
                path = project.source / item.content
                try:
                    same = hashlib.sha256(path.read_bytes()).digest() == project.data(item.id)
                except OSError as error:
                    raise LabelProjectError(
                        "the file that was labelled", error.strerror or str(error), str(path)
                    ) from None
                if not same:
                    raise LabelProjectError("the file that was labelled", "another one", str(path), "Restore it")
            label, source, sure = labels[item.id]
            writer.writerow([item.content, label, source, f"{sure:.4f}"])
    return text.getvalue().encode()


def _recordings(
    project: Project, items: list[Item], labels: dict[int, tuple[str, str, float]], out: Path
) -> tuple[bytes, dict[str, str]]:
    """Rows of all windows in order; those without a label have an empty one. The values are those that people saw."""
    import polars  # noqa: PLC0415 - slow to load, for recordings alone

    columns, window = [str(name) for name in project.meta("columns")], int(project.meta("window"))
    rate = float(project.meta("rate") or 0.0)
    shape = len(columns), window
    values = np.stack([np.frombuffer(project.data(item.id), np.float32).reshape(shape) for item in items])
    rows = values.transpose(0, 2, 1).reshape(-1, len(columns))
    frame: dict[str, Any] = {name: rows[:, k] for k, name in enumerate(columns)}
    used = set(columns)
    names = {part: _free(part, used) for part in ("time_s", "session", "person", "label")}
    if rate:
        steps = np.array([item.first for item in items])[:, None] + np.arange(window)
        frame[names["time_s"]] = steps.reshape(-1) / rate
    frame[names["session"]] = np.repeat(_sessions(items, window), window)
    if any(item.person for item in items):
        frame[names["person"]] = np.repeat([item.person for item in items], window)
    for index, name in ((0, names["label"]), (1, LABEL_FROM)):
        frame[name] = np.repeat([str(labels.get(item.id, ("", "", 0.0))[index]) for item in items], window)
    rows_frame = polars.DataFrame(frame)
    buffer = io.BytesIO()
    if out.suffix.lower() == ".parquet":
        rows_frame.write_parquet(buffer)
    else:
        rows_frame.write_csv(buffer)
    table = {"kind": "parquet" if out.suffix.lower() == ".parquet" else "csv", "path": str(out),
             "target": names["label"], "session": names["session"]}  # fmt: skip
    table |= {"time": names["time_s"]} if rate else {}
    return buffer.getvalue(), table | ({"group": names["person"]} if names["person"] in frame else {})


def _free(name: str, used: set[str]) -> str:
    while name in used:
        name += "_"
    return name


def _sessions(items: list[Item], window: int) -> list[str]:
    """Return the session of each window; one that goes on after a gap gets a number, so that no window crosses it."""
    sessions: list[str] = []
    parts: dict[tuple[str, str], int] = {}
    before: Item | None = None
    for item in items:
        key = (item.recording, item.person)
        if before is None or key != (before.recording, before.person) or item.first != before.first + window:
            parts[key] = parts.get(key, 0) + 1
        number = parts[key]
        sessions.append(item.recording if number == 1 else f"{item.recording}#{number}")
        before = item
    return sessions
