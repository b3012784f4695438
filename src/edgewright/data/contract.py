"""What every file of `data/sources`, and every file of further sources, offers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Generic, Literal, TypeVar

import msgspec

from edgewright.core.csv.formats import formats
from edgewright.core.errors import MissingFileError
from edgewright.core.input.pictures import ENDINGS
from edgewright.core.records.data import DataSet

SINGLE_FILES = (".txt", ".dat")
"""Endings of files that are tables where they are named; in a folder they may be notes or bytes."""

PARQUET = (".parquet", ".pq")
"""Endings of Parquet files."""

SUFFIXES: dict[str, tuple[str, ...]] = {
    # An .npz file of windows has its own source; an .npz file that holds a table is read as CSV.
    "csv": (
        ".csv",
        ".csv.gz",
        ".csv.xz",
        ".tsv",
        ".tsv.gz",
        ".tab",
        ".dat",
        ".txt",
        ".txt.gz",
        *sorted(formats().keys() - {".npz", *PARQUET}),
    ),
    "numpy": (".npz", ".npy"),
    "parquet": PARQUET,
    "pictures": tuple(sorted(ENDINGS)),
    "wav": (".wav", ".zip"),
}
"""File name endings by source; the longest one that fits chooses the source if only a path is given.

The table is not in the files of the sources, so that choosing one loads no other.
"""
FileCount = Annotated[int, msgspec.Meta(ge=0)]
"""How many files of a folder are read, drawn by chance; 0 for all."""
LABELS_FILE = "labels.csv"
"""Name of a file that labels the recordings of a folder."""


class SourceConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every source's configuration: the table `[data]` without its `kind`.

    Attributes:
        path: file or folder; `--data PATH` on the command line overrides it.
    """

    path: str = ""


class SchemaConfig(SourceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of columns beside a file's own words.

    Attributes:
        units: unit of a column by its name, such as {temp = "C"}.
        ranges: smallest and largest value a column's sensor can give, such as {temp = [-40, 85]}.
        rate: samples a second; overrides what the file says.
    """

    units: dict[str, str] = msgspec.field(default_factory=dict)
    ranges: dict[str, tuple[float, float]] = msgspec.field(default_factory=dict)
    rate: Annotated[float, msgspec.Meta(gt=0.0, le=1e9)] | None = None


def need_path(path: str, expected: str, there: Callable[[Path], bool] = Path.exists) -> Path:
    """Return the path of a configuration.

    Raises:
        InputError: when it is empty or not there.
    """
    if not path:
        raise MissingFileError(expected, "none", "[data] path, or --data")
    if not there(Path(path)):
        raise MissingFileError(expected, "no such folder" if there is Path.is_dir else "no such file", path)
    return Path(path)


S = TypeVar("S", bound=SourceConfig)


@dataclass(frozen=True)
class Source(Generic[S]):
    """The one object `SOURCE` of a source's file; the file name is its `kind`.

    Attributes:
        config: the configuration's struct.
        load: (config, seed) -> data set. Raises `InputError` with file, line and column.
        in_parts: (config, seed, folder) -> data set whose values may lie in a file without a name in that folder.
        whole: whether no reading can be missing, as in sound.
        simulated: whether no sensor measured the rows.
        reads_folder: whether it reads the folder of a public set, whose columns and labels it knows.
    """

    config: type[S]
    load: Callable[[S, int], DataSet]
    in_parts: Callable[[S, int, Path], DataSet] | None = None
    whole: bool = False
    simulated: bool = False
    reads_folder: bool = False


Severity = Literal["error", "warning", "note"]


class Finding(msgspec.Struct, frozen=True):
    """One fact about the data.

    Attributes:
        kind: what was looked for, such as 'missing', 'gap', 'same-group'.
        severity: 'error' makes results wrong, 'warning' may, 'note' is good to know.
        sentence: for a reader, with the numbers and the place.
        column: the column it is about; empty when it is about rows.
        numbers: the figures of the sentence by name.
    """

    kind: str
    severity: Severity
    sentence: str
    column: str = ""
    numbers: dict[str, float] = msgspec.field(default_factory=dict)


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """What the data are like.

    Attributes:
        rows: of all recordings.
        labelled: rows that carry a label.
        recordings: their number.
        columns: their number.
        groups: number of persons or machines; 0 when unknown.
        rate: samples a second, estimated from the times; None without times.
        classes: labelled rows by class; empty for amounts and unlabelled data.
        findings: the worst first.
    """

    rows: int
    labelled: int
    recordings: int
    columns: int
    groups: int
    rate: float | None
    classes: dict[str, int]
    findings: tuple[Finding, ...]


_ORDER: tuple[Severity, ...] = ("error", "warning", "note")


def worst_first(findings: list[Finding]) -> tuple[Finding, ...]:
    """Return findings by severity, in the order they were made within it."""
    return tuple(sorted(findings, key=lambda finding: _ORDER.index(finding.severity)))


def by_column(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings for people, one a column: the worst of a column says the others too.

    Args:
        findings: the worst first, as `worst_first` returns them.
    """
    joined: dict[tuple[str, int], Finding] = {}
    for number, finding in enumerate(findings):
        key = (finding.column, 0 if finding.column else number)
        if (worst := joined.get(key)) is None:
            joined[key] = finding
        else:
            further = finding.sentence.removeprefix(f"{finding.column}: ").removeprefix(f"{finding.column} ")
            sentence = f"{worst.sentence}. Also: {further}"
            joined[key] = msgspec.structs.replace(worst, sentence=sentence)
    return tuple(joined.values())


def percent(share: float) -> str:
    """Return a share as a reader writes it: 0.0312 gives '3.1 %'."""
    if share >= 0.001 or share < 1e-9:
        # Less than a thousand-millionth is what rounding leaves of nothing.
        return f"{100 * share:.1f} %" if share >= 0.001 else "0 %"
    return f"{100 * share:.2g} %"


def few(names: list[str], maximum: int = 5) -> str:
    """Return names in a sentence: the first ones and how many more there are."""
    more = f" and {len(names) - maximum} more" if len(names) > maximum else ""
    return ", ".join(names[:maximum]) + more
