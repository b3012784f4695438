"""The rows a proof runs on: a file that is named, the run's own test samples, the package's test vectors, or drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.archive import from_npy
from edgewright.core.csv.rows import read_csv
from edgewright.core.input.recordings import names_of, rate_in_training, times_of
from edgewright.core.input.samples import to_samples
from edgewright.core.package import Package
from edgewright.data.load import load_data
from edgewright.data.remote import located
from edgewright.data.resampling import refuse_other_rates
from edgewright.data.samples import cut
from edgewright.data.splits import split
from edgewright.data.targets import encode_target, task_of
from edgewright.pipeline.material import sha256
from edgewright.pipeline.run_folder.folder import judged_of
from edgewright.pipeline.run_folder.provenance import remembered
from edgewright.schema.config import PipelineConfig
from edgewright.schema.data import Floats
from edgewright.schema.errors import InputError
from edgewright.workflows.proof.forms import Subject

# Rows drawn for a model that comes without any.
_MAX_ROWS = 256
_TABLES = (".csv", ".csv.gz", ".csv.xz")


@dataclass(frozen=True)
class Chosen:
    """Samples of a proof.

    Attributes:
        samples: shape (n, ...).
        origins: where each came from.
        source: where those of the data came from, in words.
        notes: further sentences.
        constructed: which of them were made by construction, shape (n,); None where none was.
    """

    samples: Floats
    origins: tuple[str, ...]
    source: str
    notes: tuple[str, ...] = ()
    constructed: NDArray[np.bool_] | None = None


def choose_rows(subject: Subject, path: Path, data: str | None, count: int, seed: int) -> Chosen:
    """Return rows for a proof.

    Args:
        subject: what is proven.
        path: the run folder, package or model it was read from.
        data: file or folder that was named; None for none.
        count: most rows that are taken.
        seed: of the choice among more rows, and of drawn ones.

    Raises:
        InputError: for rows that do not fit.
    """
    if data is not None and (data.lower().endswith((*_TABLES, ".npy")) or subject.pipeline is None):
        return _few(_file(subject, data), count, seed)
    notes: tuple[str, ...] = ()
    config = None if subject.pipeline is None else subject.pipeline.config
    if config is not None:
        try:
            return _few(_tested(subject, config, data, path), count, seed)
        except InputError as error:
            if data is not None or subject.manifest is None:
                raise
            notes = (f"the run's own data could not be read again: {error}",)
    if subject.package is not None:
        return replace(_few(_vectors(subject.package), count, seed), notes=notes)
    return _synthetic(subject, min(count, _MAX_ROWS), seed)


def _few(chosen: Chosen, count: int, seed: int) -> Chosen:
    """At most `count` of the samples, in their order."""
    total = len(chosen.samples)
    if not total:
        raise InputError("at least one row", "none", chosen.source)
    if total <= count:
        return chosen
    kept = np.sort(np.random.default_rng(seed).choice(total, count, replace=False))
    source = f"{count:,} of {total:,} {chosen.source}"
    return replace(chosen, samples=chosen.samples[kept], origins=tuple(chosen.origins[i] for i in kept), source=source)


def _tested(subject: Subject, config: PipelineConfig, data: str | None, run: Path) -> Chosen:
    """Return the run's test samples, read from its data again; other data are split alike, and said to be others."""
    known = remembered(run)
    path = data or known.data_location()
    dataset = load_data(config.data, seed=config.seed, path=path, mixed_rates=True)
    if subject.manifest is not None:
        refuse_other_rates(dataset, rate_in_training(subject.manifest))
    samples = cut(dataset, config.window)
    whole = msgspec.structs.replace(samples, y=encode_target(samples.y, task_of(samples.y, config.task)))
    window = config.window.samples if config.window else None
    rows = split(whole, config.split, seed=config.seed, window=window).test
    source = f"test samples of {config.name}"
    notes: tuple[str, ...] = ()
    if known.changed(sha256(whole)):
        source = f"test samples of {path or config.data.get('kind')}"
        since = "are not those of the run" if data else "have changed since the run"
        notes = (f"these data {since}; the samples differ from those of its test",)
    if judged_of(run) != run:
        notes += ("the package was also fitted on these samples: forms are compared, accuracy is not measured",)
    origins = tuple(f"test sample {i}" for i in range(len(rows)))
    return Chosen(np.ascontiguousarray(samples.X[rows], np.float32), origins, source, notes)


def _vectors(package: Package) -> Chosen:
    vectors = package.vectors()
    origins = tuple(f"test vector {i}" for i in range(len(vectors)))
    return Chosen(np.ascontiguousarray(vectors, np.float32), origins, "test vectors of the package")


def _file(subject: Subject, data: str) -> Chosen:
    """Rows of a named file in the order of the model's columns; a model without names takes what fits its shape."""
    path = Path(located(data))
    shape = tuple(subject.reference.inputs[0].shape)
    if not path.exists():
        raise InputError("a file with rows", "no such file", data, "Check the path")
    if path.suffix == ".npy":
        array = np.asarray(from_npy(path.read_bytes(), path.name), np.float32)
        if array.shape[1:] != shape:
            raise InputError(f"samples of shape (n, {', '.join(map(str, shape))})", f"shape {array.shape}", path.name)
        return Chosen(array, tuple(f"row {i}" for i in range(len(array))), f"samples of {path.name}")
    wanted = None if subject.manifest is None else [column.name for column in subject.manifest.columns]
    extra = () if subject.manifest is None or wanted is None else names_of(subject.manifest)
    rows = read_csv(
        path, name=path.name, only_columns=wanted and [*wanted, *extra], text_columns=extra,
        time_columns=() if subject.manifest is None else times_of(subject.manifest),
        trained=() if subject.manifest is None else subject.manifest.columns,
    )  # fmt: skip
    if subject.manifest is not None:
        samples = to_samples(rows, subject.manifest)
    elif rows.values.shape[1:] == shape:
        samples = rows.values
    else:
        raise InputError(f"{shape[0]} columns of numbers", f"{rows.values.shape[1]}", path.name)
    windowed = subject.manifest is not None and subject.manifest.window is not None
    origins = tuple(f"window {i}" for i in range(len(samples))) if windowed else tuple(f"line {n}" for n in rows.lines)
    return Chosen(samples, origins, f"{'windows' if windowed else 'rows'} of {path.name}")


def _synthetic(subject: Subject, count: int, seed: int) -> Chosen:
    """Return rows for a model that comes alone: within the declared ranges, normal where none is declared."""
    shape = tuple(subject.reference.inputs[0].shape)
    if any(length < 1 for length in shape):
        raise InputError("an input of fixed shape", f"shape {shape}", subject.name, "Pass rows with --data")
    generator = np.random.default_rng(seed)
    samples = generator.standard_normal((count, *shape)).astype(np.float32)
    for column, (_, low, high) in enumerate(subject.ranges):
        if low is not None and high is not None:
            samples[:, column] = generator.uniform(low, high, samples[:, column].shape)
    origins = tuple(f"drawn row {i}" for i in range(count))
    return Chosen(samples, origins, "random rows", ("no --data was set; these rows are random",))
