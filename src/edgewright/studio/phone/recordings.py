"""Recordings that a phone sends: checked, and kept as CSV files that `check` and `run` read."""

from __future__ import annotations

import csv
import io
import math
import re
from pathlib import Path

import msgspec

from edgewright.core.files import write_atomic
from edgewright.schema.errors import InputError

FOLDER = "data/phone"
"""Folder below the studio's that recordings are kept in."""
_LONGEST = 60
_MOST = 1_000_000
_COLUMN = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TAKEN = ("session", "person", "time", "label")


class Recording(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a phone recorded.

    Attributes:
        label: what it shows.
        person: whose it is.
        session: when it was, in the words of the phone's clock.
        rate: rows a second.
        columns: names of the values of a row.
        rows: of values; None where a sensor gave none.
    """

    label: str
    person: str
    session: str
    rate: float
    columns: list[str]
    rows: list[list[float | None]]


def keep_recording(root: Path, body: bytes) -> tuple[str, int]:
    """Write a recording to a file of its own, whole or not at all.

    Args:
        root: folder of the studio.
        body: the recording as JSON.

    Returns:
        Where it lies below `root`, and how many rows it has.

    Raises:
        InputError: what is no recording.
        OutputError: it cannot be written.
    """
    try:
        given = msgspec.json.decode(body, type=Recording)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        text = " ".join(str(error).split())[:200]
        raise InputError("a whole recording", text, "the upload", "Record it again") from None
    _check(given)
    sheet = io.StringIO()
    writer = csv.writer(sheet, lineterminator="\n")
    writer.writerow(["session", "person", "time", *given.columns, "label"])
    for i, row in enumerate(given.rows):
        values = ["" if value is None else f"{value:.9g}" for value in row]
        writer.writerow([given.session, given.person, f"{i / given.rate:.6f}", *values, given.label])
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    stem = "-".join(_plain(text) for text in (given.label, given.person, given.session))
    number = 1
    while (folder / (name := f"{stem}.csv" if number == 1 else f"{stem}-{number}.csv")).exists():
        number += 1
    write_atomic(folder / name, sheet.getvalue().encode())
    return f"{FOLDER}/{name}", len(given.rows)


def labels_of(root: Path) -> list[str]:
    """Return the labels of the recordings that are there, each once."""
    found = set()
    for path in sorted((root / FOLDER).glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            found.add(next((row.get("label") or "" for row in rows), ""))
    return sorted(found - {""})


def _check(given: Recording) -> None:
    for name in ("label", "person", "session"):
        text = getattr(given, name)
        if not text.strip() or text != text.strip() or len(text) > _LONGEST or not text.isprintable():
            got = repr(text[:_LONGEST]) if text else "nothing"
            raise InputError(f"a {name} of 1 to {_LONGEST} letters", got, "the recording", f"Type a {name}")
        if text[0] in "=+-@":
            raise InputError(f"a {name} that begins with a letter or digit", repr(text), "the recording")
    if not (math.isfinite(given.rate) and 0 < given.rate <= 1000):
        raise InputError("a rate of at most 1,000 rows a second", f"{given.rate:g}", "the recording")
    wrong = [name for name in given.columns if not _COLUMN.fullmatch(name) or name in _TAKEN]
    if wrong or not given.columns or len(set(given.columns)) != len(given.columns):
        raise InputError("names of columns", f"{wrong or given.columns}"[:_LONGEST], "the recording")
    if not 1 <= len(given.rows) <= _MOST:
        raise InputError(f"1 to {_MOST:,} rows", f"{len(given.rows):,}", "the recording", "Record it again")
    for i, row in enumerate(given.rows):
        if len(row) != len(given.columns):
            raise InputError(f"{len(given.columns)} values", f"{len(row)}", f"the recording, row {i + 1}")


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-")[:_LONGEST] or "x"
