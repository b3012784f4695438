"""Labels for training: a data file that names who each label is from, and the record of the audit beside it."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from edgewright.core.files import write_together
from edgewright.data.audited_labels import encoded, record_path
from edgewright.language.labelling.agreement import contradictions, decided
from edgewright.language.labelling.audit import audited
from edgewright.language.labelling.project import Item, Project, now
from edgewright.nlp.utterance.normalise import normalised
from edgewright.schema.errors import InputError
from edgewright.schema.labelling import HUMAN, LABEL_FROM, LabelRecord


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
        raise InputError(f"a file {' or '.join(endings)}", out.name, "--out")
    for path in (out, record_path(out)):
        if path.exists() and not force:
            raise InputError("a new file", "an existing one", str(path), "Use --force to replace it")
    if not out.parent.is_dir():
        raise InputError("a file in an existing folder", str(out.parent), "--out")
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
        raise InputError("labelled items", "none", str(project.path), "edgewright label review PROJECT")
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
        raise InputError(
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
                    raise InputError("the file that was labelled", error.strerror or str(error), str(path)) from None
                if not same:
                    raise InputError("the file that was labelled", "another one", str(path), "Restore it")
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
