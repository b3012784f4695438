"""First inspection of the data: kinds of files, columns, text columns and row counters."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgewright.core.csv.header import is_number

_ROWS = 20_000
_TABLES = (".csv", ".tsv", ".txt", ".csv.gz", ".txt.gz", ".tsv.gz")
_MISSING = {"", "na", "nan", "null", "none", "?", "-"}
# Minimum mean number of words per cell for a column of sentences instead of names.
_SENTENCE = 2.5


@dataclass(frozen=True)
class Inspection:
    """Result of an inspection.

    Attributes:
        place: file or folder; None for the name of a pipeline.
        endings: number of files by file extension.
        header: column names of a text table; empty for other data.
        rows: first rows of the table.
        words: mean number of words per cell of each text column.
        counters: columns that count rows: integers that increase, mostly by the same step.
    """

    place: Path | None
    endings: Counter[str] = field(default_factory=Counter)
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    words: dict[str, float] = field(default_factory=dict)
    counters: tuple[str, ...] = ()

    @property
    def sentences(self) -> tuple[str, ...]:
        """Columns with sentences."""
        return tuple(name for name, words in self.words.items() if words >= _SENTENCE)

    def column(self, name: str) -> list[str]:
        """Return the cells of a column in the first rows."""
        position = self.header.index(name)
        return [row[position] for row in self.rows]

    def few_valued(self) -> tuple[str, ...]:
        """Return columns with 2 to 12 values of at least 3 rows each, which could be targets."""
        found = []
        for name in self.header:
            counts = Counter(self.column(name))
            if 1 < len(counts) <= 12 and min(counts.values()) >= 3 and name not in self.sentences:
                found.append(name)
        return tuple(found)


def inspect(data: str) -> Inspection:
    """Inspect a file or folder; data other than a text table has no columns."""
    file_path = Path(data)
    if not file_path.exists():
        return Inspection(None)
    if file_path.is_dir():
        names = (path for path in file_path.rglob("*") if path.is_file() and not path.name.startswith("."))
        return Inspection(file_path, Counter(_ending(path.name) for path in names))
    endings = Counter([_ending(file_path.name)])
    if not file_path.name.lower().endswith(_TABLES):
        return Inspection(file_path, endings)
    header, rows = _table(file_path)
    words = {name: found for i, name in enumerate(header) if (found := _words([row[i] for row in rows])) > 0}
    counters = tuple(name for i, name in enumerate(header) if _counts([row[i] for row in rows]))
    return Inspection(file_path, endings, header, rows, words, counters)


def _ending(name: str) -> str:
    return "".join(Path(name.removesuffix(".gz")).suffixes[-1:]).lower()


def _table(path: Path) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Read the header and the first rows; both are empty where the file is not a table."""
    try:
        with gzip.open(path, "rb") if path.name.endswith(".gz") else path.open("rb") as file:
            lines = [file.readline(65536) for _ in range(_ROWS + 1)]
        text = b"".join(lines).decode("utf-8-sig")
        dialect = csv.Sniffer().sniff("\n".join(text.splitlines()[:20]), delimiters=",;\t|")
        read = [tuple(cell.strip() for cell in row) for row in csv.reader(io.StringIO(text), dialect) if row]
    except (OSError, EOFError, UnicodeDecodeError, csv.Error):
        return (), ()
    if len(read) < 2 or len(read[0]) < 2:
        return (), ()
    header, rows = read[0], read[1:]
    if Counter(len(row) for row in rows).most_common(1)[0][0] == len(header) + 1:
        header = ("", *header)  # R writes row names without a header
    return header, tuple(row for row in rows if len(row) == len(header))


def _words(cells: Sequence[str]) -> float:
    """Return the mean number of words per cell where most cells are not numbers; 0 otherwise."""
    lines = [cell for cell in cells if cell.lower() not in _MISSING]
    if not lines or sum(not is_number(cell) for cell in lines) <= len(lines) // 2:
        return 0.0
    return sum(len(cell.split()) for cell in lines) / len(lines)


def _counts(cells: Sequence[str]) -> bool:
    """Return whether cells are integers that always increase, with a most frequent step of 1 or 2."""
    if len(cells) < 30 or not all(cell.isdecimal() for cell in cells):
        return False
    steps = Counter(int(b) - int(a) for a, b in itertools.pairwise(cells))
    step, often = steps.most_common(1)[0]
    rising = min(steps) > 0
    return rising and step <= 2 and often >= 0.4 * len(cells)
