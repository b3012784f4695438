"""Labelled rows for a package that is scored: as its own loader reads them, or by the names in a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from edgewright.core.catalogue import names
from edgewright.core.clocks.reader import parts_of
from edgewright.core.clocks.units import SCALE, differs
from edgewright.core.csv.header import EQUALS, text_inputs
from edgewright.core.errors import InputError, LabelsMissingError, MissingFileError, ScoringError, UnknownNameError
from edgewright.core.input.recordings import columns_of, rate_in_training
from edgewright.core.prediction.objects import MAPPED
from edgewright.core.records.config import PipelineConfig
from edgewright.core.records.data import DataSet, Floats, Recording
from edgewright.core.records.package import Manifest
from edgewright.data.contract import read_columns
from edgewright.data.load import SOURCES, find_kind, guess, load_data
from edgewright.data.matching import check_names, conversion, find_labels, find_name, find_names, renamed
from edgewright.data.polars import pl
from edgewright.data.resampling import KEY as RESAMPLE
from edgewright.data.resampling import at_one_rate, is_at_rate, refuse_other_rates
from edgewright.data.set_files import registered_sources
from edgewright.data.targets import as_text, written_labels

# Columns that play a part; a run folder knows their names.
_PARTS = ("target", "group", "session", "time")
# Of a pipeline's own table what names columns, which another file may call otherwise, and how many files it draws.
_NAMING = {"path", "files", "columns", "ignore", "units", "ranges", "labels", "boxes", "part", "categories", *_PARTS}


@dataclass(frozen=True)
class ScoreRequest:
    """What a model is scored on.

    Attributes:
        data: file or folder; empty for a run folder's own.
        kind: source that reads it; judged by the path and by what the package was made of when empty.
        part: of a public set, or of a run's own split.
        target, group, session, time: columns; as in the run, or in the package, when empty.
        names: column or label of the data -> that of the model.
        settings: further keys of the loader.
        last: only the last sample of each session.
        normal: labels that are normal, for detectors.
        engine: that answers; the one that records take when empty.
        encoder: directory of the encoder of a language model or an index.
    """

    data: str = ""
    kind: str = ""
    part: str = ""
    target: str = ""
    group: str = ""
    session: str = ""
    time: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, object] = field(default_factory=dict)
    last: bool = False
    normal: tuple[str, ...] = ()
    engine: str = ""
    encoder: str = ""


def read_labelled(manifest: Manifest, config: PipelineConfig | None, request: ScoreRequest, spool: Path) -> DataSet:
    """Return rows with labels, columns in the order and labels by the names of a package.

    Args:
        manifest: of the package.
        config: of its run; None where the package alone is at hand.
        request: what it is scored on.
        spool: folder for values that are too large to be loaded.

    Raises:
        InputError: rows that cannot be read or are of another kind, a missing column, no labels, an unknown label.
    """
    if not request.kind and not Path(request.data).exists():
        raise MissingFileError("a file or a folder", "no such file", request.data, "Check the path")
    loader = _loader(manifest, config)
    own = str(loader.get("kind", ""))
    by_loader = own in names(SOURCES) or own in registered_sources()
    by_loader = by_loader and find_kind(own, "--kind").reads_folder
    # A folder of the set can have the package's columns, and codes in place of its labels.
    wants_loader = by_loader and (Path(request.data).is_dir() or not _fits(manifest, request))
    kind = request.kind or (own if wants_loader else "")
    table: dict[str, object] = {"kind": kind} if kind else guess(request.data)
    if not kind and loader.get("pattern") and not request.target and Path(request.data).is_dir():
        table["kind"] = own  # names of files are labels, as they were in training
    source = find_kind(str(table["kind"]), "--kind")
    keys = source.config.__struct_fields__
    mine = loader if own == table["kind"] else {}
    table.update({key: value for key, value in mine.items() if key in keys and key not in _NAMING})
    if source.reads_folder:
        refuse_columns(request, f"the loader of {kind!r}", "Read other columns of a table with --kind csv")
    if request.part:
        if "part" not in keys:
            raise ScoringError(
                "data with parts", f"{table['kind']!r}, which has none", "--part",
                "Without --data, a run folder has the parts of its split",
            )  # fmt: skip
        table["part"] = request.part
    if "columns" in keys:
        header = None if table["kind"] == own == "folder" else _header(request.data)
        table.update(_named(manifest, mine, request, keys, header))
    texts = written_labels(manifest.labels)
    if texts and "text_labels" in keys:
        table["text_labels"] = [*texts]
    if RESAMPLE in loader:
        table[RESAMPLE] = loader[RESAMPLE]
    table.update(request.settings)
    if manifest.task == "detection" and not table.get("boxes"):
        raise LabelsMissingError("a file with the boxes around objects", "none", "--data", "Pass it: --set boxes=FILE")
    seed = 0 if config is None else config.seed
    try:
        dataset = _loaded(manifest, table, seed, request.data, spool)
    except InputError:
        if kind or not by_loader:
            raise
        # The columns have the package's names, but what is in them is what the set publishes, such as letters.
        return read_labelled(manifest, config, replace(request, kind=own), spool)
    if unit := _unit_by_rate(dataset, manifest, table):
        table["time_unit"] = unit
        dataset = _loaded(manifest, table, seed, request.data, spool)
    _check_names(dataset, manifest, request, mine)
    return as_trained(dataset, manifest, request)


def _loaded(manifest: Manifest, table: dict[str, object], seed: int, location: str | None, spool: Path) -> DataSet:
    """Return rows; those of windows at the package's rate where all have it but for lost rows, else at their lowest."""
    dataset = load_data(table, seed=seed, path=location, where="--data", spool=spool, mixed_rates=True)
    rate = rate_in_training(manifest)
    if dataset.rate is not None or manifest.window is None:
        return dataset
    is_timed = any(recording.time is not None for recording in dataset.recordings)
    if rate and is_timed and not dataset.citation and is_at_rate(dataset, rate):
        return msgspec.structs.replace(dataset, rate=rate)
    return at_one_rate(dataset)


def _unit_by_rate(dataset: DataSet, manifest: Manifest, table: Mapping[str, object]) -> str:
    """Return the unit in which a clock has the package's rate, where an older package does not say it; else empty."""
    rate = rate_in_training(manifest)
    if not rate or not dataset.rate or not table.get("time") or table.get("time_unit", "auto") != "auto":
        return ""
    fit = (unit for unit, scale in SCALE.items() if not differs(rate, dataset.rate / scale))
    return next(fit, "") if differs(rate, dataset.rate) else ""


def _check_names(dataset: DataSet, manifest: Manifest, request: ScoreRequest, mine: Mapping[str, Any]) -> None:
    """Refuse names of `--map` that neither the data nor the package has."""
    there = {*(_header(request.data) or ()), *(column.name for column in dataset.columns), *_label_names(dataset)}
    own = {*(column.name for column in manifest.columns), *manifest.labels, manifest.target}
    check_names(request.names, there, own | {str(mine.get(key, "")) for key in _PARTS})


def _label_names(dataset: DataSet) -> set[str]:
    """Return labels of a data set, amounts as text."""
    targets = (np.asarray(r.target) for r in dataset.recordings if r.target is not None)
    return {str(name) for target in targets for name in np.unique(as_text(target))}


def refuse_columns(request: ScoreRequest, reader: str, do: str) -> None:
    """Refuse options that name columns where the columns are given.

    Raises:
        InputError: naming the first such option.
    """
    for key in _PARTS:
        if record := getattr(request, key):
            raise ScoringError(f"no --{key} with {reader}, which sets its own columns", repr(record), f"--{key}", do)


def _loader(manifest: Manifest, config: PipelineConfig | None) -> dict[str, Any]:
    """Return the table that read the data of the training, as far as it is known."""
    if config is not None:
        return dict(config.data)
    try:
        return msgspec.json.decode(manifest.provenance.get("loader", "{}"), type=dict[str, Any])
    except msgspec.DecodeError:
        return {}


def as_trained(dataset: DataSet, manifest: Manifest, request: ScoreRequest) -> DataSet:
    """Return a data set with the columns, units and labels of a package.

    Raises:
        InputError: a column that is not there, no labels, labels of another kind, or an unknown label.
    """
    there = [column.name for column in dataset.columns]
    wanted = [column.name for column in manifest.columns]
    matched = find_names(wanted, there, request.names, dataset.name)
    order = [there.index(name) for name in matched]
    named = [f"{column.name} [{column.unit}]" if column.unit else column.name for column in dataset.columns]
    factors = [
        conversion(column, named[index], dataset.name) for column, index in zip(manifest.columns, order, strict=True)
    ]
    refuse_other_rates(dataset, rate_in_training(manifest))
    labels = _labels(dataset, manifest, request) if manifest.task == "classification" else {}
    same = order == list(range(len(there))) and all(factor == (1.0, 0.0) for factor in factors)
    recordings = tuple(
        msgspec.structs.replace(
            recording,
            values=recording.values if same else _matched(recording.values[:], order, factors),
            target=_target(recording, manifest, labels, dataset.name),
        )
        for recording in dataset.recordings
    )
    return msgspec.structs.replace(dataset, columns=manifest.columns, recordings=recordings)


def _matched(rows: Floats, order: Sequence[int], factors: Sequence[tuple[float, float]]) -> Floats:
    """Return columns in the order and units of a package."""
    values = np.array(rows, np.float32)[:, list(order)]
    for index, (factor, offset) in enumerate(factors):
        if (factor, offset) != (1.0, 0.0):
            values[:, index] = values[:, index].astype(np.float64) * factor + offset
    return np.ascontiguousarray(values)


def _labels(dataset: DataSet, manifest: Manifest, request: ScoreRequest) -> dict[str, str]:
    """Return what each label of the data is called in the package."""
    there = _label_names(dataset)
    if not sum(len(recording.values) for recording in dataset.recordings):
        raise LabelsMissingError("labelled rows", "a table without rows", dataset.name)
    if not there - {""}:
        raise LabelsMissingError("labelled rows", "none", dataset.name, "Set the column of labels with --target COLUMN")
    where = f"{dataset.name}, {dataset.target_name or 'labels'}"
    names = {**written_labels(manifest.labels), **request.names}
    return find_labels(manifest.labels, sorted(there), names, where)


def _target(recording: Recording, manifest: Manifest, labels: Mapping[str, str], where: str) -> Any:  # noqa: ANN401
    if recording.target is None:
        return None
    if manifest.task == "classification":
        return renamed(as_text(recording.target), labels)
    if manifest.task in MAPPED:
        return as_text(recording.target)
    target = np.asarray(recording.target)
    if target.dtype.kind == "U":
        example = next((str(text) for text in target if text), "")
        raise ScoringError(
            f"numbers, as the package predicts ({manifest.target or 'an amount'})", f"text such as {example!r}",
            f"{where}, {recording.name}", "Set the column of numbers with --target COLUMN",
        )  # fmt: skip
    return target


def _fits(manifest: Manifest, request: ScoreRequest) -> bool:
    """Return whether a file names the package's columns itself, so that no loader of a set is needed."""
    header = _header(request.data)
    if header is None:
        return False
    names = [column.name for column in manifest.columns]
    texts = text_inputs(names, header)
    wanted = [name for name in (*names, request.target or manifest.target) if name.partition(EQUALS)[0] not in texts]
    return all(find_name(name, header, request.names) is not None for name in wanted)


def _header(data: str) -> tuple[str, ...] | None:
    """Return names of the columns of a table; None for what has no header."""
    path = Path(data)
    if not path.exists():
        return None
    try:
        table = guess(data)
        if table["kind"] == "parquet":
            file = path if path.is_file() else min(path.glob("*.parquet"))
            return tuple(pl.read_parquet_schema(file))
        if table["kind"] == "csv":
            file = path if path.is_file() else min(p for p in path.iterdir() if ".csv" in p.name or ".tsv" in p.name)
            return read_columns(file, file.name)
    except (InputError, OSError, ValueError):
        return None
    return None


def _named(
    manifest: Manifest,
    mine: Mapping[str, Any],
    request: ScoreRequest,
    keys: tuple[str, ...],
    header: tuple[str, ...] | None,
) -> dict[str, object]:
    """Map the keys that name columns to the file's names; to those of the training, `mine`, without a header.

    Raises:
        InputError: a column of the package that is not there, or no labels.
        UnknownNameError: a column that was asked for by name.
    """
    named = columns_of(manifest)
    own = {"group": named.group, "session": named.session, "time": named.time}
    own |= {key: str(mine[key]) for key in _PARTS if key in mine}
    if header is None:
        kept = {key: mine[key] for key in ("columns", "ignore", "categories") if key in mine}
        return {
            **kept,
            **{key: value for key in _PARTS if key in keys and (value := getattr(request, key) or own.get(key, ""))},
        }
    arguments: dict[str, object] = {}
    for key in _PARTS:
        record = getattr(request, key)
        known = own.get(key, "") or (manifest.target if key == "target" else "")
        match = find_name(record or known, header, request.names) if record or known else None
        if record and match is None and not parts_of(record, header):
            raise UnknownNameError("column", record, header, f"{request.data}, --{key}")
        if key == "time" and parts_of(record or known, header):
            match = record or known
        if match is not None:
            arguments[key] = match
    if "target" not in arguments:
        raise LabelsMissingError(
            f"a column with labels{f', such as {manifest.target!r}' if manifest.target else ''}",
            ", ".join(header), request.data, "Set it with --target COLUMN",
        )  # fmt: skip
    wanted = [column.name for column in manifest.columns]
    texts = text_inputs(wanted, header)
    if texts:
        arguments["categories"] = {text: list(values) for text, values in texts.items()}
        wanted = [name for name in wanted if name.partition(EQUALS)[0] not in texts]
    arguments["columns"] = find_names(
        wanted, [name for name in header if name != arguments["target"]], request.names, request.data
    )
    used = set(arguments["columns"])  # type: ignore[call-overload]
    for key in _PARTS[1:]:
        if arguments.get(key) in used:
            del arguments[key]  # a column that the model reads plays no other part
    if "time" in arguments and "time_unit" in keys and mine.get("time_unit", "auto") == "auto":
        arguments["time_unit"] = named.time_unit
    return arguments
