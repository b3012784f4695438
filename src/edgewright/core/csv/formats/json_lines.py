"""JSON lines: an object a row, whose keys are columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from edgewright.core.csv.blocks import whole_text
from edgewright.core.csv.formats import Format
from edgewright.schema.errors import InputError


def _rows(path: Path, name: str) -> Iterator[Sequence[object]]:
    objects: list[dict[str, object]] = []
    for number, line in enumerate(whole_text(path, name).split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = msgspec.json.decode(line, type=dict[str, object])
        except msgspec.MsgspecError as error:
            raise InputError("a JSON object", str(error), f"{name} line {number}", "Write one object a row") from None
        for key, value in row.items():
            if isinstance(value, list | dict):
                got = "a list" if isinstance(value, list) else "an object"
                do = "Write one value a key, and a row a reading"
                raise InputError("a number or a text", got, f"{name} line {number}, {key}", do)
        objects.append(row)
    columns = list(dict.fromkeys(key for row in objects for key in row))
    yield columns
    yield from ([row.get(column) for column in columns] for row in objects)


FORMAT = Format((".jsonl", ".ndjson"), _rows)
