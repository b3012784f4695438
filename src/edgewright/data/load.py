"""Load the data set of a table [data]: its `kind` is a file of `data/sources` or a registered source."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np

from edgewright.core.catalogue import find, names
from edgewright.core.csv.formats import holds_columns
from edgewright.core.errors import (
    DataKindUnknownError,
    LabelUnknownError,
    MissingFileError,
    UnknownNameError,
)
from edgewright.core.records.data import LABEL_FROM, DataSet
from edgewright.core.toml_tables import convert_table
from edgewright.data.audited_labels import LIMIT_KEY, marked
from edgewright.data.contract import LABELS_FILE, SUFFIXES, Source, SourceConfig, data_files, is_hidden, is_single
from edgewright.data.near_duplicates import LINK_KEY, link_recordings
from edgewright.data.remote import located
from edgewright.data.resampling import KEY as RESAMPLE
from edgewright.data.resampling import at_one_rate, resampled
from edgewright.data.set_files import check_removed, registered_sources
from edgewright.data.simulated import is_simulated
from edgewright.data.targets import as_text

WITHOUT = "without"
"""Key of [data]: labels that are left out, such as goods that come later."""
SOURCES = "edgewright.data.sources"
_PICTURES = "pictures"
_OF_FILES = frozenset({"csv", "folder", "parquet", "wav"})


def load_data(
    table: dict[str, object], *, seed: int, path: str | None = None, where: str = "[data]", spool: Path | None = None,
    mixed_rates: bool = False,
) -> DataSet:  # fmt: skip
    """Load the data set a table describes.

    Args:
        table: `kind` and the keys of that source; `without` names labels that are left out; recordings of
            more rows a second than `resample` are averaged to it; `label_errors` is for who trains on them.
        seed: of what a source makes up itself.
        path: file, folder or address; overrides the table's own.
        where: the file and table, for errors, such as `pipeline.toml [data]`.
        spool: folder for values that are too large to be loaded, where their source can read in parts.
        mixed_rates: whether recordings may have different sampling rates, as where each row is a sample; else they
            are averaged to the lowest.

    Raises:
        UnknownNameError: for an unknown kind or key.
        InputError: for a missing path, bad data, or recordings of fewer rows a second than `resample`.
    """
    keys = {key: value for key, value in table.items() if key not in (LIMIT_KEY, WITHOUT, RESAMPLE, LINK_KEY)}
    kind = keys.pop("kind", None)
    path = None if path is None else located(path)
    if kind is None and path is not None:
        kind = guess(path)["kind"]
    if not isinstance(kind, str) or not kind:
        known = ", ".join(sorted({*names(SOURCES), *registered_sources()}))
        raise DataKindUnknownError("a kind", "none" if kind is None else repr(kind), where, f"Known: {known}")
    if path is not None:
        keys["path"] = path
    elif isinstance(keys.get("path"), str):
        keys["path"] = located(str(keys["path"]))
    part = find_kind(kind, where)
    if keys.get("path") and part.simulated and not part.reads_folder:
        raise DataKindUnknownError(
            f"no data with the kind {kind!r}, which generates its own rows", repr(keys["path"]), where,
            "Use a pipeline, or --kind where the command has it, that reads files",
        )  # fmt: skip
    spool = None if RESAMPLE in table else spool
    dataset = _loaded(part, convert_table(_without_marks(keys), part.config, where), seed, spool)
    if LINK_KEY in table and convert_table({LINK_KEY: table[LINK_KEY]}, _Link, where).near_duplicates:
        dataset = link_recordings(dataset)[0]
    if RESAMPLE in table:
        dataset = resampled(dataset, convert_table({RESAMPLE: table[RESAMPLE]}, _Resample, where).resample)
    elif not mixed_rates:
        dataset = at_one_rate(dataset)
    if WITHOUT in table:
        dataset = _without(dataset, convert_table({WITHOUT: table[WITHOUT]}, _Without, where).without, where)
    return msgspec.structs.replace(dataset, name=f"{dataset.name} (simulated)") if part.simulated else dataset


class _Without(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Labels that are left out."""

    without: tuple[str, ...]


class _Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether near-duplicate recordings are one session."""

    near_duplicates: bool


class _Resample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows a second."""

    resample: Annotated[float, msgspec.Meta(gt=0.0)]


def _without(dataset: DataSet, labels: tuple[str, ...], where: str) -> DataSet:
    """Return a data set whose rows of some labels have none.

    Raises:
        InputError: amounts instead of labels.
        UnknownNameError: a label that no row has.
    """
    targets = [recording.target for recording in dataset.recordings if recording.target is not None]
    if not targets or any(target.dtype.kind == "f" for target in targets):
        raise LabelUnknownError("labels that can be left out", "amounts" if targets else "none", f"{where} {WITHOUT}")
    known = {str(label) for target in targets for label in np.unique(as_text(target))}
    if unknown := [label for label in labels if label not in known]:
        raise UnknownNameError("label", unknown[0], known, f"{where} {WITHOUT}")
    recordings = tuple(
        recording
        if recording.target is None
        else msgspec.structs.replace(
            recording, target=np.where(np.isin(as_text(recording.target), labels), "", as_text(recording.target))
        )
        for recording in dataset.recordings
    )
    return msgspec.structs.replace(dataset, recordings=recordings)


def _loaded(part: Source[Any], config: SourceConfig, seed: int, spool: Path | None) -> DataSet:
    if spool is None or part.in_parts is None:
        return part.load(config, seed)
    return part.in_parts(config, seed, spool)


def simulated_title(title: str, table: dict[str, object]) -> str:
    """Return a title for a table [data]; it begins with "Simulated data" where no sensor measured the rows."""
    kind, path = table.get("kind"), table.get("path")
    simulated = isinstance(kind, str) and find_kind(kind, "[data]").simulated
    simulated = simulated or (kind in _OF_FILES and isinstance(path, str) and is_simulated(Path(path)))
    return f"Simulated data. {title}".rstrip() if simulated else title


def _without_marks(keys: dict[str, object]) -> dict[str, object]:
    """Return the column of labelled data that says who a label is from is no measurement."""
    location, ignored = keys.get("path"), keys.get("ignore") or ()
    if (
        not isinstance(location, str)
        or not location
        or not marked(Path(location))
        or not isinstance(ignored, list | tuple)
    ):
        return keys
    return {**keys, "ignore": [*ignored, *([] if LABEL_FROM in ignored else [LABEL_FROM])]}


def find_kind(kind: str, where: str) -> Source[Any]:
    """Return the source of this name.

    Raises:
        UnknownNameError: with the names of all sources.
    """
    sources = names(SOURCES)
    if kind in sources:
        source: Source[Any] = find(SOURCES, kind, "SOURCE", "source", where)
        return source
    if kind in registered_sources():
        return registered_sources()[kind]
    check_removed(kind, where)
    raise UnknownNameError("kind of data", kind, {*sources, *registered_sources()}, where)


def guess(path: str) -> dict[str, object]:
    """Return the table that reads a path: by the suffix of a file, or by what lies in a folder.

    Args:
        path: file or folder.

    Raises:
        InputError: when the path does not exist or nothing reads it.
    """
    file_path = Path(located(path))
    if not file_path.exists():
        raise MissingFileError("a file or a folder", "no such file", path, "Check the path")
    if file_path.is_file():
        kind = _in_zip(file_path) or _by_suffix(file_path.name)
        if not kind:
            raise DataKindUnknownError(
                "a file that a source reads", f"{file_path.name!r}", path, f"Known endings: {_endings()}"
            )
        if file_path.suffix.lower() == ".npz" and holds_columns(file_path):
            kind = "csv"
        return {"kind": kind, "path": path}
    if any((file_path / name).is_file() for name in ("info.labels", "training/info.labels")):
        return {"kind": "edge_impulse", "path": path}
    files = [p for p in sorted(file_path.rglob("*")) if p.is_file() and not is_hidden(p)]
    kinds = {p: kind for p in files if (kind := _by_suffix(p.name))}
    labels = file_path / LABELS_FILE
    data = {kind for p, kind in kinds.items() if p != labels and not is_single(p)}
    if data == {_PICTURES} or any(_in_zip(p) == _PICTURES for p in files):
        return {"kind": _PICTURES, "path": path}
    # Plots beside recordings are no data.
    tables = data_files(p for p, kind in kinds.items() if kind != _PICTURES and p != labels)
    flat = {kinds[p] for p in tables if p.parent == file_path}
    nested = any(p.parent != file_path for p in tables)
    if not nested and len(flat) == 1 and not labels.is_file() and flat <= {"csv", "parquet", "wav"}:
        return {"kind": flat.pop(), "path": path}
    if nested or flat:
        return {"kind": "folder", "path": path}
    raise DataKindUnknownError("a folder with files that a source reads", "none", path, f"Known endings: {_endings()}")


def _in_zip(path: Path) -> str:
    """Return the source of what is in a ZIP file; empty for other files and a damaged one, which is left to sources."""
    if path.suffix.lower() != ".zip":
        return ""
    try:
        with zipfile.ZipFile(path) as archive:
            kinds = {_by_suffix(name) for name in archive.namelist()}
    except (OSError, zipfile.BadZipFile):
        return ""
    return _PICTURES if _PICTURES in kinds else "folder" if kinds & {"csv", "parquet"} and "wav" not in kinds else ""


def _by_suffix(name: str) -> str:
    """Return the source with the longest suffix that fits; empty when none does."""
    fits = [(len(s), kind) for kind, suffixes in SUFFIXES.items() for s in suffixes if name.lower().endswith(s)]
    return max(fits)[1] if fits else ""


def _endings() -> str:
    """All endings, for a message."""
    return ", ".join(sorted(s for suffixes in SUFFIXES.values() for s in suffixes))
