"""The file of labels: what each is called, and one or several lines that describe it."""

from __future__ import annotations

import csv
import io
import tomllib
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgewright.data.headers import read_utf8
from edgewright.schema.errors import InputError

_LARGEST, _LONGEST = 4 << 20, 1000
_MOST = 10_000
_DO = 'Write a line such as: weather = "somebody asks about the weather", below [labels]'


@dataclass(frozen=True)
class Labels:
    """Labels and their descriptions.

    Attributes:
        names: at least two, in the order of the file.
        descriptions: of all of them, each text once.
        owners: number of the label of each description.
        others: descriptions of what is none of the labels; may be none.
    """

    names: tuple[str, ...]
    descriptions: tuple[str, ...]
    owners: tuple[int, ...]
    others: tuple[str, ...] = ()


def read_labels(path: Path) -> Labels:
    """Read a TOML file with `[labels]` (and `others = [...]` before it), or a CSV file with label and description.

    Raises:
        InputError: no such file or another form, fewer than two labels, one without a description, a description twice.
    """
    text, where = read_utf8(path, "a file of labels", _DO, _LARGEST), str(path)
    found, others = _csv(text, where) if path.suffix.lower() == ".csv" else _toml(text, where)
    return labels_of(found, others, where)


def labels_of(found: dict[str, list[str]], others: list[str], where: str = "labels") -> Labels:
    """Check and return labels.

    Args:
        found: descriptions by label.
        others: of what is none of them.
        where: in messages.

    Raises:
        InputError: as `read_labels`.
    """
    if len(found) < 2:
        got = "one label" if found else "none"
        raise InputError("at least two labels", got, where, "Add a second label. " + _DO)
    seen: dict[str, str] = {}
    texts, owners = [], []
    for number, (name, lines) in enumerate(found.items()):
        if not lines:
            raise InputError("a description", "none", f"{where}, label {name!r}", _DO)
        for line in lines:
            texts.append(_checked(line, name, seen, where))
            owners.append(number)
    outside = tuple(_checked(line, "others", seen, where) for line in others)
    if len(texts) + len(outside) > _MOST:
        raise InputError(f"at most {_MOST:,} descriptions", f"{len(texts) + len(outside):,}", where)
    return Labels(tuple(found), tuple(texts), tuple(owners), outside)


def _checked(line: str, name: str, seen: dict[str, str], where: str) -> str:
    text = " ".join(line.split())
    if not any(c.isalnum() for c in text) or len(text) > _LONGEST:
        got = f"{len(text):,} characters" if len(text) > _LONGEST else repr(line)
        raise InputError(f"a description in words, at most {_LONGEST:,} characters", got, f"{where}, label {name!r}")
    key = unicodedata.normalize("NFKC", text).casefold()
    if key in seen:
        twice = f"{text!r} under {seen[key]!r} and {name!r}"
        raise InputError("each description once", twice, where, "Remove it from one of them")
    seen[key] = name
    return text


def _toml(text: str, where: str) -> tuple[dict[str, list[str]], list[str]]:
    try:
        table: dict[str, Any] = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError("a TOML file of labels", str(error), where, _DO) from None
    unknown = sorted(table.keys() - {"labels", "others"})
    if unknown or not isinstance(table.get("labels"), dict):
        got = unknown[0] if unknown else "no table [labels]"
        raise InputError("a table [labels], and others = [...] before it", got, where, _DO)
    found = {name: _lines(value, f"{where}, label {name!r}") for name, value in table["labels"].items()}
    return found, _lines(table.get("others", []), f"{where}, others")


def _lines(value: object, where: str) -> list[str]:
    lines = [value] if isinstance(value, str) else value
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise InputError("a text or a list of texts", repr(value)[:60], where, _DO)
    return lines


def _csv(text: str, where: str) -> tuple[dict[str, list[str]], list[str]]:
    try:
        rows = csv.reader(io.StringIO(text, newline=""), strict=True)
        header = [cell.strip().lower() for cell in next(rows, [])]
        if not {"label", "description"} <= set(header):
            raise InputError("columns label and description", ", ".join(header) or "an empty file", where)
        at, of = header.index("label"), header.index("description")
        found: dict[str, list[str]] = {}
        for row in rows:
            if not row:
                continue
            if len(row) != len(header) or not row[at].strip():
                raise InputError(f"a label, and {len(header)} cells", repr(",".join(row))[:60],
                                 f"{where} line {rows.line_num}", "Quote descriptions with commas in them")  # fmt: skip
            found.setdefault(row[at].strip(), []).append(row[of])
    except csv.Error as error:
        raise InputError("a CSV file", str(error), where) from None
    return found, []
