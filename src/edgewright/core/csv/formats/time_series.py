"""Series of sktime's .ts files: of one length and one channel a series a row, others a row a reading."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

from edgewright.core.csv.formats import Format
from edgewright.core.csv.text import whole_text
from edgewright.schema.errors import InputError


def _rows(path: Path, name: str) -> Iterator[Sequence[object]]:
    head: dict[str, str] = {}
    series: list[tuple[list[list[str]], str]] = []
    lines = iter(enumerate(whole_text(path, name).split("\n"), 1))
    for _, line in lines:
        key, _, value = line.strip().partition(" ")
        if key.lower() == "@data":
            break
        head |= {key.lower(): value.strip().lower()} if key.startswith("@") else {}
    labelled = head.get("@classlabel", head.get("@targetlabel", "false")).startswith("true")
    for number, line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        if "(" in line:
            raise InputError("series without time stamps", "pairs in brackets", f"{name} line {number}")
        parts = line.strip().split(":")
        label = parts.pop() if labelled else ""
        series.append(([part.split(",") for part in parts], label))
    if not series:
        raise InputError("a line @data and series", "none", name)
    lengths = {len(channel) for channels, _ in series for channel in channels}
    ends = ["label"] if labelled else []
    if len(lengths) == 1 and all(len(channels) == 1 for channels, _ in series):
        yield [*(f"t{index}" for index in range(lengths.pop())), *ends]
        yield from ([*channels[0], *([label] if labelled else [])] for channels, label in series)
        return
    yield ["recording", *(f"x{index}" for index in range(max(len(channels) for channels, _ in series))), *ends]
    for number, (channels, label) in enumerate(series):
        for cells in zip_longest(*channels, fillvalue=""):
            yield [number, *cells, *([label] if labelled else [])]


FORMAT = Format((".ts",), _rows)
