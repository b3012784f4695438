"""JSON lines: an object a row, whose keys are columns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from edgewright.core.csv.formats import Format
from edgewright.core.csv.text import whole_text
from edgewright.schema.errors import InputError

_LINE = re.compile(r"[^\n]*\n?")


def _rows(path: Path, name: str) -> Iterator[Sequence[object]]:
    text = whole_text(path, name)
    # Twice, because the last row may have a key more: all rows at once would take seven times the memory of the file.
    columns: dict[str, None] = {}
    for row in _objects(text, name):
        columns.update(dict.fromkeys(row))
    yield list(columns)
    yield from ([row.get(column) for column in columns] for row in _objects(text, name))


def _objects(text: str, name: str) -> Iterator[dict[str, object]]:
    decoder = msgspec.json.Decoder(dict[str, object])
    for number, line in enumerate(_LINE.finditer(text), 1):
        if not line[0].strip():
            continue
        try:
            row = decoder.decode(line[0])
        except msgspec.MsgspecError as error:
            raise InputError("a JSON object", str(error), f"{name} line {number}", "Write one object a row") from None
        for key, value in row.items():
            if isinstance(value, list | dict):
                got = "a list" if isinstance(value, list) else "an object"
                do = "Write one value a key, and a row a reading"
                raise InputError("a number or a text", got, f"{name} line {number}, {key}", do)
        yield row


FORMAT = Format((".jsonl", ".ndjson"), _rows)
