"""Which files of a folder are its data: those of its main kind, not notes, lock files and tables beside them."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from edgewright.core.csv.formats import formats
from edgewright.core.formatting import plural, some_of
from edgewright.data.contract import PARQUET, SINGLE_FILES
from edgewright.schema.errors import DataWarning

_PACKED = (".gz", ".xz")
# Spreadsheet programs keep such a file beside one that is open.
_LOCK = "~$"
_NO_DATA = ("readme", "license", "licence")


def is_hidden(path: Path) -> bool:
    """Return whether a file is hidden, or the lock of a spreadsheet."""
    return path.name.startswith((".", _LOCK))


def is_single(path: Path) -> bool:
    """Return whether a file is a table where it is named, and may be anything beside others: .txt, .xlsx, .jsonl."""
    return _ending(path) in {*SINGLE_FILES, *formats()} - {*PARQUET}


def data_files(files: Iterable[Path]) -> list[Path]:
    """Return the files that are data: CSV, Parquet and WAV files; without any, those of the most frequent ending.

    Args:
        files: that some source reads.
    """
    shown = [path for path in files if not is_hidden(path)]
    usual = [path for path in shown if not is_single(path)]
    if usual:
        return usual
    shown = [path for path in shown if path.stem.lower() not in _NO_DATA]
    endings = Counter(map(_kind, shown))
    return [path for path in shown if _kind(path) == max(endings, key=lambda kind: endings[kind])]


def told_left_out(files: Iterable[Path], data: Sequence[Path]) -> str:
    """Return which tables lie beside the data and are not read, in words; empty for none."""
    left = [path.name for path in files if not is_hidden(path) and path.stem.lower() not in _NO_DATA]
    left = [name for name in left if name not in {path.name for path in data}]
    return f"without {plural(len(left), 'file')} of another kind ({some_of(left, 3)})" if left else ""


def files_of(files: Iterable[Path], name: str) -> list[Path]:
    """Return the data of a folder whose recordings are loaded; a warning says which tables beside them are not."""
    there = list(files)
    data = data_files(there)
    if left := told_left_out(there, data):
        warnings.warn(f"{name}: read {left}", DataWarning, 2)
    return data


def _ending(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    return suffixes[-2] if len(suffixes) > 1 and suffixes[-1] in _PACKED else "".join(suffixes[-1:])


def _kind(path: Path) -> str:
    """Return the ending, one for all plain texts."""
    return SINGLE_FILES[0] if _ending(path) in SINGLE_FILES else _ending(path)
