"""First inspection of the data: kinds of files, columns, row counters, and what there is for a public set."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from edgewright.core.units import MISSING_NUMBERS, is_number
from edgewright.data.preview import read_preview
from edgewright.data.public import public_set
from edgewright.data.table_proposal import proposed_target
from edgewright.pipeline.config import read_config, shipped
from edgewright.schema.advice import Existing
from edgewright.schema.data import Labels
from edgewright.schema.errors import InputError

_TABLES = (".csv", ".tsv", ".txt", ".csv.gz", ".txt.gz", ".tsv.gz")
# Minimum mean number of words per cell for a column of sentences instead of names.
_SENTENCE = 2.5


@dataclass(frozen=True)
class Inspection:
    """Result of an inspection.

    Attributes:
        location: file or folder; None for the name of a pipeline.
        endings: number of files by file extension.
        columns: cells of a text table by column; empty for other data.
        words: mean number of words per cell of each text column.
        target: column to predict, where its name says so; empty where none does.
    """

    location: Path | None
    endings: Counter[str] = field(default_factory=Counter)
    columns: dict[str, Labels] = field(default_factory=dict)
    words: dict[str, float] = field(default_factory=dict)
    target: str = ""

    @property
    def header(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self.columns)

    @property
    def sentences(self) -> tuple[str, ...]:
        """Columns with sentences."""
        return tuple(name for name, words in self.words.items() if words >= _SENTENCE)

    def few_valued(self) -> tuple[str, ...]:
        """Return columns with 2 to 12 values of at least 3 rows each, which could be targets."""
        names = []
        for name, cells in self.columns.items():
            counts = Counter(cells.tolist())
            if 1 < len(counts) <= 12 and min(counts.values()) >= 3 and name not in self.sentences:
                names.append(name)
        return tuple(names)


def inspect(data: str, *, skip_bad_rows: bool = False) -> Inspection:
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
        preview = read_preview(data, skip_bad_rows=skip_bad_rows)
        target = proposed_target(preview, {}, ())
    except InputError:
        return Inspection(file_path, endings)
    if len(columns := preview.columns) < 2:
        return Inspection(file_path, endings)
    words = {name: count for name, cells in columns.items() if (count := _words(cells.tolist())) > 0}
    return Inspection(file_path, endings, columns, words, target)


def _ending(name: str) -> str:
    return "".join(Path(name.removesuffix(".gz")).suffixes[-1:]).lower()


def _words(cells: list[str]) -> float:
    """Return the mean number of words per cell where most cells are not numbers; 0 otherwise."""
    lines = [cell for cell in cells if cell.lower() not in MISSING_NUMBERS]
    if not lines or sum(not is_number(cell) for cell in lines) <= len(lines) // 2:
        return 0.0
    return sum(len(cell.split()) for cell in lines) / len(lines)


def pipeline_of(name: str) -> str:
    """Return the shipped pipeline for a public set; empty where there is none."""
    for pipeline in shipped():
        if name and read_config(pipeline).data.get("kind") == name:
            return pipeline
    return ""


def known_set(name: str, path: str) -> tuple[Existing, ...]:
    """Return the public set and its pipeline as existing solutions."""
    if not name:
        return ()
    known = public_set(name)
    lines = [Existing(name=f"public set {name}", purpose=f"{known.title}; {known.task}; licence: {known.licence}",
                     command="edgewright data list")]  # fmt: skip
    pipeline = pipeline_of(name)
    if pipeline:
        summary = f"Edgewright ships a complete pipeline for this set: {read_config(pipeline).title}"
        lines.append(
            Existing(name=f"pipeline {pipeline}", purpose=summary, command=f"edgewright run {pipeline} --data {path}")
        )
    return tuple(lines)
