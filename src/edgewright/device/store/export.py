"""Events and rows as files, through an allow-list: a column that nobody named does not leave."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import msgspec

from edgewright.device.store.allow_list import AllowList
from edgewright.device.store.database import Database
from edgewright.schema.errors import InputError, UnknownNameError
from edgewright.schema.store import Stored, Stretch

Form = Literal["csv", "jsonl"]
EVENT_COLUMNS = ("boot", "sequence", "written", "kind", "stream", "time", "wall", "doubt", "label", "score")


def event_lines(
    device: str, found: Iterable[Stored], form: Form, detail: Sequence[str], columns: Sequence[str] = EVENT_COLUMNS
) -> Iterator[bytes]:
    """Yield lines of a file of events.

    Args:
        device: name of the device, in every line.
        found: events.
        form: CSV with a header, or one JSON object a line.
        detail: keys of the events' detail that may leave; in CSV each is a column.
        columns: of `EVENT_COLUMNS`, in this order.

    Raises:
        InputError: a column that events do not have.
    """
    for name in columns:
        if name not in EVENT_COLUMNS:
            raise InputError(f"one of {', '.join(EVENT_COLUMNS)}", repr(name), "--column")
    gate = AllowList(detail, ())
    if form == "csv":
        yield _csv(["device", *columns, *detail])
    for stored in found:
        whole = {
            "boot": stored.boot,
            "sequence": stored.sequence,
            "written": stored.written,
            **gate.event(stored.event),
        }
        record: dict[str, Any] = {"device": device, **{name: whole[name] for name in columns}}
        allowed = whole.get("detail", {})
        if form == "csv":
            yield _csv([*record.values(), *(_cell(allowed.get(name)) for name in detail)])
        else:
            yield msgspec.json.encode({**record, **({"detail": allowed} if allowed else {})}) + b"\n"


def rows_kept(database: Database) -> bool:
    """Return whether any raw row lies in the store."""
    return database.value("SELECT 1 FROM rows LIMIT 1") is not None


def row_lines(device: str, found: Iterable[Stretch], form: Form, columns: Sequence[str]) -> Iterator[bytes]:
    """Yield lines of a file of raw rows: `columns` by name and nothing else; empty where a stretch does not have one.

    Raises:
        InputError: no column is named, or a named one is encrypted and its key was not given.
        UnknownNameError: rows were found, and none of them has a column that is named; told at the end.
    """
    if not columns:
        raise InputError("the raw columns that may leave, by name", "none", "--column",
                         "Raw data stays on the device unless you name a column")  # fmt: skip
    if form == "csv":
        yield _csv(["device", "boot", "sequence", "stream", "time", *columns])
    known: set[str] = set()
    for stretch in found:
        known.update(stretch.values, stretch.sealed)
        closed = [name for name in columns if name in stretch.sealed]
        if closed:
            raise InputError(f"the key of column {closed[0]!r}", "none that opens it", "--key")
        if not any(name in stretch.values for name in columns):
            continue
        for index, time in enumerate(stretch.times.tolist()):
            cells = [_value(stretch.values[n][index]) if n in stretch.values else None for n in columns]
            head: list[Any] = [device, stretch.boot, stretch.sequence, stretch.stream, time]
            if form == "csv":
                yield _csv([*head, *cells])
            else:
                names = ("device", "boot", "sequence", "stream", "time", *columns)
                yield msgspec.json.encode(dict(zip(names, [*head, *cells], strict=True))) + b"\n"
    for name in columns if known else ():
        if name not in known:
            raise UnknownNameError("column", name, known, "--column")


def _value(value: Any) -> float | None:  # noqa: ANN401 - a number of NumPy's
    # The shortest decimal that is this float32 again.
    return float(str(value)) if value == value else None


def _cell(value: Any) -> Any:  # noqa: ANN401 - JSON
    return msgspec.json.encode(value).decode() if isinstance(value, list | dict) else value


def _csv(cells: Sequence[Any]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(["" if cell is None else cell for cell in cells])
    return line.getvalue().encode()
