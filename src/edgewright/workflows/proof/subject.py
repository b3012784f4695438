"""Reading what is to be proven: a run folder, a package, or a model alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgewright.core.input.input_ranges import Ranges, read_ranges
from edgewright.core.integer.reader import rounding_of
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.package import Package, read_package
from edgewright.core.predictor import package_path
from edgewright.graph.ensembles import is_ensemble
from edgewright.graph.extract import integer_network
from edgewright.graph.from_onnx import read_model, read_with_notes
from edgewright.graph.from_tflite import read_contents
from edgewright.graph.from_tflite_graph import contents_graph
from edgewright.graph.library_comparison import NOT_COMPARED
from edgewright.graph.onnx_writer import to_onnx
from edgewright.pipeline.pipeline import Pipeline
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Graph
from edgewright.schema.integer import IntegerNetwork
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
        raise InputError("a run folder, a package or a model", "no such file", str(path), "Check the path")
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
        raise InputError("a float or an int8 form", "neither", name)
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
        raise InputError("a run folder with models", "a folder without them", str(folder))
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
            raise InputError(
                f"the class names of its {form} model ({', '.join(graph.labels)})", ", ".join(own) or "none",
                f"{package.manifest.name}.edge, manifest", "Predictions use the names of the manifest",
            )  # fmt: skip
    return subject_of(package.manifest.name, graphs, models, pipeline=pipeline, package=package, device=device)
