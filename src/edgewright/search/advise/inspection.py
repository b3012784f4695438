"""A first look at what a person names: kinds of files, columns, which of them hold text, which count rows."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

_ROWS = 20_000
_TABLES = (".csv", ".tsv", ".txt", ".csv.gz", ".txt.gz", ".tsv.gz")
_MISSING = {"", "na", "nan", "null", "none", "?", "-"}
# Words of a cell, in the mean, from which a column is sentences rather than names.
_SENTENCE = 2.5


@dataclass(frozen=True)
class Look:
    """What was seen.

    Attributes:
        place: file or folder; None for the name of a pipeline.
        endings: of the files in a folder, or of the file, with their number.
        header: columns of a table of text; empty for anything else.
        rows: the first rows of it.
        words: columns that hold no numbers, with the mean number of words in a cell.
        counters: columns that count rows: whole numbers that only rise, at even steps.
    """

    place: Path | None
    endings: Counter[str] = field(default_factory=Counter)
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    words: dict[str, float] = field(default_factory=dict)
    counters: tuple[str, ...] = ()

    @property
    def sentences(self) -> tuple[str, ...]:
        """Columns that hold sentences."""
        return tuple(name for name, words in self.words.items() if words >= _SENTENCE)

    def column(self, name: str) -> list[str]:
        """Return the cells of a column in the rows that were read."""
        position = self.header.index(name)
        return [row[position] for row in self.rows]

    def few_valued(self) -> tuple[str, ...]:
        """Return columns of two to twelve values, each of which occurs often: what a target could be."""
        found = []
        for name in self.header:
            counts = Counter(self.column(name))
            if 1 < len(counts) <= 12 and min(counts.values()) >= 3 and name not in self.sentences:
                found.append(name)
        return tuple(found)


def look(data: str) -> Look:
    """Look at a file or folder; what cannot be read as a table of text has no columns here."""
    file_path = Path(data)
    if not file_path.exists():
        return Look(None)
    if file_path.is_dir():
        names = (path for path in file_path.rglob("*") if path.is_file() and not path.name.startswith("."))
        return Look(file_path, Counter(_ending(path.name) for path in names))
    endings = Counter([_ending(file_path.name)])
    if not file_path.name.lower().endswith(_TABLES):
        return Look(file_path, endings)
    header, rows = _table(file_path)
    words = {name: found for i, name in enumerate(header) if (found := _words([row[i] for row in rows])) > 0}
    counters = tuple(name for i, name in enumerate(header) if _counts([row[i] for row in rows]))
    return Look(file_path, endings, header, rows, words, counters)


def _ending(name: str) -> str:
    return "".join(Path(name.removesuffix(".gz")).suffixes[-1:]).lower()


def _table(path: Path) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Header and first rows; both empty where it is no table."""
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
        header = ("", *header)  # as R writes its row names
    return header, tuple(row for row in rows if len(row) == len(header))


def _words(cells: Sequence[str]) -> float:
    """Return mean number of words where most cells are no numbers; 0 where they are."""
    lines = [cell for cell in cells if cell.lower() not in _MISSING]
    if not lines or sum(not _is_number(cell) for cell in lines) <= len(lines) // 2:
        return 0.0
    return sum(len(cell.split()) for cell in lines) / len(lines)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _counts(cells: Sequence[str]) -> bool:
    """Return whether cells are whole numbers that only rise, nearly always by as much."""
    if len(cells) < 30 or not all(cell.isdecimal() for cell in cells):
        return False
    steps = Counter(int(b) - int(a) for a, b in itertools.pairwise(cells))
    step, often = steps.most_common(1)[0]
    rising = min(steps) > 0
    return rising and step <= 2 and often >= 0.4 * len(cells)
