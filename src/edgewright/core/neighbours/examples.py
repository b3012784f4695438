"""Samples of a package from CSV files: a file or folder a label, or one file with a column that names it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgewright.core.csv.rows import read_csv
from edgewright.core.input.recordings import columns_of, names_of, stretches, times_of
from edgewright.core.input.windows import cut
from edgewright.schema.errors import InputError
from edgewright.schema.package import Manifest

Floats = NDArray[np.float32]
_SUFFIXES = (".csv", ".csv.gz", ".csv.xz")


def read_samples(path: Path, manifest: Manifest) -> tuple[Floats, list[str]]:
    """Return rows or windows of a CSV file, shape (n, *manifest.shape), and where each begins.

    Raises:
        InputError: no such file, columns that are missing, missing or infinite values, or less than one window.
    """
    parts = list(_stretches(path, manifest, ""))
    return np.concatenate([samples for _, samples, _ in parts]), [
        position for _, _, places in parts for position in places
    ]


def read_examples(path: Path, manifest: Manifest, column: str = "") -> dict[str, Floats]:
    """Return samples by label: of a folder with a CSV file or sub-folder a label, or of a file with a column of labels.

    Args:
        path: folder or file.
        manifest: of the package.
        column: of a file, that names the labels; windows are cut inside stretches of one.

    Raises:
        InputError: as `read_samples`; no examples, no column of labels, or rows without a label alone.
    """
    by_label: dict[str, list[Floats]] = {}
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.name.lower().endswith(_SUFFIXES) and p.is_file())
        for file in files:
            inner = file.relative_to(path).parts
            label = inner[0] if len(inner) > 1 else inner[0].lower().split(".csv")[0]
            by_label.setdefault(label, []).append(read_samples(file, manifest)[0])
    elif not path.exists():
        raise InputError("a folder or a file of examples", "no such file", str(path))
    elif not column:
        raise InputError("a folder with a file or folder a label, or --label-column of a file", "no column", str(path))
    else:
        for label, samples, _ in _stretches(path, manifest, column):
            if label:
                by_label.setdefault(label, []).append(samples)
    joined = {label: np.concatenate(parts) for label, parts in by_label.items()}
    joined = {label: samples for label, samples in joined.items() if len(samples)}
    if not joined:
        raise InputError(f"examples, {_unit(manifest)} each at least", "none", str(path))
    return joined


def _stretches(path: Path, manifest: Manifest, column: str) -> Iterator[tuple[str, Floats, list[str]]]:
    names = [entry.name for entry in manifest.columns]
    if not path.is_file():
        raise InputError("a CSV file", "no such file" if not path.exists() else "a folder", str(path))
    wanted = {*names, column} if column else set(names)
    extra = names_of(manifest) if manifest.window is not None else ()
    texts = [column, *extra] if column else extra
    times = times_of(manifest) if extra else ()
    rows = read_csv(
        path, name=path.name, text_columns=texts, time_columns=times, only_columns={*wanted, *extra},
        trained=manifest.columns,
    )  # fmt: skip
    absent = [name for name in names if name not in rows.names]
    if absent or (column and column not in rows.text):
        missing = ", ".join(absent) or column
        raise InputError(f"the columns {', '.join(sorted(wanted))}", f"no {missing}", path.name)
    values = rows.values[:, [rows.names.index(name) for name in names]]
    bad = ~np.isfinite(values).all(axis=1)
    if bad.any():
        line = int(rows.lines[int(bad.argmax())])
        raise InputError("a number in every cell", "a missing or infinite one", f"{path.name} line {line}",
                         "Examples must be complete: remove such rows")  # fmt: skip
    labels = np.char.strip(rows.text[column]) if column else np.full(len(values), "")
    begins = {start for start, _ in stretches(columns_of(manifest), rows.text, len(values), rows)}
    starts = sorted({*begins, *(np.flatnonzero(labels[1:] != labels[:-1]) + 1).tolist()})
    whole = 0
    for start, end in zip(starts, [*starts[1:], len(values)], strict=True):
        samples, at = _samples(values[start:end], manifest, begins=start in begins)
        whole += len(samples)
        yield str(labels[start]), samples, [f"line {rows.lines[start + k]}" for k in np.maximum(at, 0)]
    if not whole:
        raise InputError(f"at least {_unit(manifest)}", f"{len(values)} rows", path.name)


def _samples(values: Floats, manifest: Manifest, *, begins: bool) -> tuple[Floats, NDArray[np.int64]]:
    if manifest.window is None:
        return values.reshape(len(values), *manifest.shape), np.arange(len(values))
    window = manifest.window
    samples, at = cut(values, window.samples, window.step, fill_start=window.fill_start and begins)
    return np.ascontiguousarray(samples), at


def _unit(manifest: Manifest) -> str:
    return "one row" if manifest.window is None else f"{manifest.window.samples} rows, one window"
