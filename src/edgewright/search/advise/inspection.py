"""First inspection of the data: kinds of files, columns, text columns and row counters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from edgewright.core.csv.header import is_number
from edgewright.schema.data import Labels
from edgewright.schema.errors import InputError
from edgewright.workflows.own_data.columns import no_reading
from edgewright.workflows.own_data.preview import read_preview

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
        columns: cells of a text table by column; empty for other data.
        words: mean number of words per cell of each text column.
        no_readings: why a column of numbers is no reading, such as one that counts rows, as a run decides it.
    """

    place: Path | None
    endings: Counter[str] = field(default_factory=Counter)
    columns: dict[str, Labels] = field(default_factory=dict)
    words: dict[str, float] = field(default_factory=dict)
    no_readings: dict[str, str] = field(default_factory=dict)

    @property
    def header(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self.columns)

    @property
    def sentences(self) -> tuple[str, ...]:
        """Columns with sentences."""
        return tuple(name for name, words in self.words.items() if words >= _SENTENCE)

    def no_measurements(self, used: Collection[str]) -> list[tuple[str, str]]:
        """Return columns that hold no readings with the reason to exclude them; not those that are used otherwise."""
        found = [(name, "it holds text, not measurements") for name in self.words]
        found += self.no_readings.items()
        return [(name, why) for name, why in found if name and name not in used]

    def few_valued(self) -> tuple[str, ...]:
        """Return columns with 2 to 12 values of at least 3 rows each, which could be targets."""
        found = []
        for name, cells in self.columns.items():
            counts = Counter(cells.tolist())
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
    try:
        columns = read_preview(data).columns
    except InputError:
        columns = {}
    if len(columns) < 2:
        return Inspection(file_path, endings)
    words = {name: found for name, cells in columns.items() if (found := _words(cells.tolist())) > 0}
    others = {name: why for name in columns if name not in words and (why := no_reading(name, columns))}
    return Inspection(file_path, endings, columns, words, others)


def _ending(name: str) -> str:
    return "".join(Path(name.removesuffix(".gz")).suffixes[-1:]).lower()


def _words(cells: list[str]) -> float:
    """Return the mean number of words per cell where most cells are not numbers; 0 otherwise."""
    lines = [cell for cell in cells if cell.lower() not in _MISSING]
    if not lines or sum(not is_number(cell) for cell in lines) <= len(lines) // 2:
        return 0.0
    return sum(len(cell.split()) for cell in lines) / len(lines)
