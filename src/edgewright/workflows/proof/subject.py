"""Reading what is to be proven: a run folder, a package, or a model alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.archive import from_npy
from edgewright.core.csv.rows import read_csv
from edgewright.core.errors import CsvEmptyError, InputError, MissingFileError, ProofError, SampleShapeError
from edgewright.core.input.recordings import names_of, rate_in_training, times_of
from edgewright.core.input.samples import Ranges, read_ranges, to_samples
from edgewright.core.integer.network import rounding_of
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.package import Package, read_package
from edgewright.core.predictor import package_path
from edgewright.core.records.config import PipelineConfig
from edgewright.core.records.data import Floats
from edgewright.core.records.network import Graph, IntegerNetwork
from edgewright.data.load import load_data
from edgewright.data.remote import located
from edgewright.data.resampling import refuse_other_rates
from edgewright.data.samples import cut
from edgewright.data.splits import split
from edgewright.data.targets import encode_target, task_of
from edgewright.graph.ensembles import is_ensemble
from edgewright.graph.extract import integer_network
from edgewright.graph.from_onnx import read_model, read_with_notes
from edgewright.graph.from_tflite import read_contents
from edgewright.graph.from_tflite_graph import contents_graph
from edgewright.graph.onnx_writer import NOT_COMPARED, to_onnx
from edgewright.pipeline.material import sha256
from edgewright.pipeline.pipeline import Pipeline
from edgewright.pipeline.run_folder.folder import judged_of
from edgewright.pipeline.run_folder.store import remembered
from edgewright.workflows.proof.artifacts import read_artefacts
from edgewright.workflows.proof.forms import Subject
from edgewright.workflows.proof.forms.graphs import numbers_of

_FILES = {"float": "model.onnx", "int8": "model.int8.onnx"}
# What the reader of models from elsewhere notes in the graph.
_SOURCE = "source"
# Where a graph says which rounding its integers follow.


def read_subject(path: Path, device: str = "") -> Subject:
    """Read a run folder, a `.edge` package, an `.onnx` or a `.tflite` model, or boosted trees of another tool.

    Raises:
        InputError: nothing there, or nothing that can be proven.
    """
    if not path.exists():
        raise MissingFileError("a run folder, a package or a model", "no such file", str(path), "Check the path")
    if path.is_dir():
        return _run(path, device)
    if path.suffix == ".onnx":
        model = path.read_bytes()
        file = _package_of(model, path.parent)
        if file is not None:
            return _packed(file, None, device)
        graph = read_model(path)
        foreign = model if _SOURCE in graph.metadata else b""
        models: dict[str, bytes] | None = None if foreign else {numbers_of(graph): model}
        return subject_of(path.stem, {numbers_of(graph): graph}, models, device=device, original=foreign)
    if path.suffix == ".tflite":
        graph = contents_graph(read_contents(path))
        return subject_of(path.stem, {numbers_of(graph): graph}, device=device, original=path.read_bytes())
    if is_ensemble(path):
        graph, notes = read_with_notes(path)
        subject = subject_of(path.stem, {numbers_of(graph): graph}, device=device)
        for note in notes:
            # Where the library is installed, reading has compared its predictions.
            if note.startswith(NOT_COMPARED):
                subject.missing(f"{path.name} in its own library", note)
        return subject
    package = read_package(package_path(path))
    return _packed(package, None, device)


def with_artefacts(subject: Subject, path: Path, given: Sequence[str] = ()) -> Subject:
    """Return the subject with every model that lies beside it or is given, to be proven as it lies on the disk.

    Raises:
        InputError: for a file that is not there or damaged.
    """
    models: dict[str, bytes] = {}
    if subject.package is None and path.is_dir():
        models = {_FILES[form]: model for form, model in subject.models.items()}
    elif subject.package is None:
        models = {path.name: subject.original or next(iter(subject.models.values()))}
    artefacts = read_artefacts(path, subject.package, models, given)
    if subject.package is not None:
        head = artefacts.files[0].name.partition(": ")[0]
        sources = {form: f"{head}: {subject.package.manifest.forms[form]}" for form in subject.graphs}
    else:
        sources = {form: _FILES[form] if path.is_dir() else path.name for form in subject.graphs}
    return replace(subject, sources=sources, artefacts=tuple(artefacts.artefacts), files=tuple(artefacts.files))


def subject_of(
    name: str,
    graphs: dict[str, Graph],
    models: dict[str, bytes] | None = None,
    *,
    pipeline: Any = None,  # noqa: ANN401 - a scikit-learn pipeline
    package: Package | None = None,
    network: IntegerNetwork | None = None,
    device: str = "",
    original: bytes = b"",
) -> Subject:
    """Return a subject of graphs that are at hand.

    Args:
        name: for a reader.
        graphs: 'float' and 'int8', one at least.
        models: their bytes; written when left out.
        pipeline: fitted.
        package: whose columns and tolerances hold.
        network: of integers; read from the int8 graph when left out.
        device: to emulate.
        original: bytes of a model from elsewhere.
    """
    if not graphs:
        raise ProofError("a float or an int8 form", "neither", name)
    reason = ""
    if network is None and "int8" in graphs:
        try:
            network = integer_network(graphs["int8"], rounding_of(graphs["int8"]))
        except InputError as error:
            reason = str(error)
    manifest = None if package is None else package.manifest
    ranges: Ranges = ()
    if manifest is not None and any(c.minimum is not None or c.maximum is not None for c in manifest.columns):
        ranges = tuple((c.name, c.minimum, c.maximum) for c in manifest.columns)
    elif manifest is None:
        ranges = read_ranges(next(iter(graphs.values())).metadata)
    subject = Subject(
        name=name,
        pipeline=pipeline,
        graphs=graphs,
        models=models or {form: to_onnx(graph) for form, graph in graphs.items()},
        network=network,
        package=package,
        ranges=ranges,
        device=device,
        original=original,
    )
    if reason:
        subject.missing("integer reference", reason)
    return subject


def _run(folder: Path, device: str) -> Subject:
    pipeline = Pipeline.load(folder) if (folder / "pipeline").is_dir() else None
    packages = sorted(folder.glob("*.edge"))
    if len(packages) == 1:
        return _packed(read_package(packages[0]), pipeline, device)
    models = {form: (folder / file).read_bytes() for form, file in _FILES.items() if (folder / file).is_file()}
    if not models:
        raise ProofError("a run folder with models", "a folder without them", str(folder))
    graphs = {form: read_onnx(model) for form, model in models.items()}
    return subject_of(folder.name, graphs, models, pipeline=pipeline, device=device)


def _package_of(model: bytes, folder: Path) -> Package | None:
    """Return the package in a folder that carries this very model: its columns, ranges and test vectors hold."""
    for path in sorted(folder.glob("*.edge")):
        try:
            package = read_package(path)
        except InputError:
            continue
        if model in package.files.values():
            return package
    return None


def _packed(package: Package, pipeline: Pipeline | None, device: str) -> Subject:
    models = {form: package.model(form) for form in package.manifest.forms if form in _FILES}
    graphs = {form: read_onnx(model) for form, model in models.items()}
    own = package.manifest.labels
    for form, graph in graphs.items():
        if graph.labels and graph.labels != own:
            raise ProofError(
                f"the class names of its {form} model ({', '.join(graph.labels)})", ", ".join(own) or "none",
                f"{package.manifest.name}.edge, manifest", "Predictions use the names of the manifest",
            )  # fmt: skip
    return subject_of(package.manifest.name, graphs, models, pipeline=pipeline, package=package, device=device)


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
        raise CsvEmptyError("at least one row", "none", chosen.source)
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
        raise MissingFileError("a file with rows", "no such file", data, "Check the path")
    if path.suffix == ".npy":
        array = np.asarray(from_npy(path.read_bytes(), path.name), np.float32)
        if array.shape[1:] != shape:
            raise SampleShapeError(
                f"samples of shape (n, {', '.join(map(str, shape))})", f"shape {array.shape}", path.name
            )
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
        raise SampleShapeError(f"{shape[0]} columns of numbers", f"{rows.values.shape[1]}", path.name)
    windowed = subject.manifest is not None and subject.manifest.window is not None
    origins = tuple(f"window {i}" for i in range(len(samples))) if windowed else tuple(f"line {n}" for n in rows.lines)
    return Chosen(samples, origins, f"{'windows' if windowed else 'rows'} of {path.name}")


def _synthetic(subject: Subject, count: int, seed: int) -> Chosen:
    """Return rows for a model that comes alone: within the declared ranges, normal where none is declared."""
    shape = tuple(subject.reference.inputs[0].shape)
    if any(length < 1 for length in shape):
        raise SampleShapeError("an input of fixed shape", f"shape {shape}", subject.name, "Pass rows with --data")
    generator = np.random.default_rng(seed)
    samples = generator.standard_normal((count, *shape)).astype(np.float32)
    for column, (_, low, high) in enumerate(subject.ranges):
        if low is not None and high is not None:
            samples[:, column] = generator.uniform(low, high, samples[:, column].shape)
    origins = tuple(f"drawn row {i}" for i in range(count))
    return Chosen(samples, origins, "random rows", ("no --data was set; these rows are random",))
