"""Weka's ARFF: names in lines @attribute, then rows of comma-separated cells."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgewright.core.csv.formats import Format
from edgewright.core.csv.text import whole_text
from edgewright.schema.errors import InputError

_ATTRIBUTE = re.compile(r"@attribute\s+(?:'([^']*)'|\"([^\"]*)\"|(\S+))\s+\S", re.IGNORECASE)


def _rows(path: Path, name: str) -> Iterator[Sequence[object]]:
    lines = whole_text(path, name).split("\n")
    columns: list[str] = []
    start = len(lines)
    for number, line in enumerate(lines):
        if match := _ATTRIBUTE.match(line.strip()):
            columns.append(next(part for part in match.groups() if part is not None))
        elif line.strip().lower() == "@data":
            start = number + 1
            break
    if not columns or start == len(lines):
        raise InputError("lines @attribute, a line @data and rows", "none", name)
    yield columns
    for number, line in enumerate(lines[start:], start + 1):
        text = line.strip()
        if not text or text.startswith("%"):
            continue
        if text.startswith("{"):
            raise InputError("a cell for every attribute", "a sparse row", f"{name} line {number}", "Write all cells")
        quote = '"' if '"' in text and "'" not in text else "'"
        yield [cell.strip() for cell in next(csv.reader([text], quotechar=quote, skipinitialspace=True))]


FORMAT = Format((".arff",), _rows)
