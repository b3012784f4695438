"""What is exported, from a run folder, a package, or a model from elsewhere."""

from __future__ import annotations

from pathlib import Path

from msgspec import UnsetType

from edgewright.core.adaptation.affine import AffineFactory
from edgewright.core.adaptation.factory import Factory
from edgewright.core.adaptation.predictor import FORM, origin_of
from edgewright.core.input.input_ranges import read_ranges
from edgewright.core.integer.reader import rounding_of
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.package import Package, read_package
from edgewright.core.predictor import package_path
from edgewright.export.contract import Stream, Subject
from edgewright.graph.ensembles import is_ensemble
from edgewright.graph.from_onnx import read_with_notes
from edgewright.graph.from_tflite import read_contents
from edgewright.graph.from_tflite_graph import contents_graph
from edgewright.monitor.detector_stream import detectors_in
from edgewright.schema.data import Column
from edgewright.schema.errors import InputError
from edgewright.schema.integer import Rounding

_ONNX = "an ONNX model"
# Endings of files that may be packages: an archive of another tool begins with the same bytes.
_PACKAGES = ("", ".edge", ".zip")


def read_subject(
    path: Path,
    *,
    form: str = "",
    rounding: Rounding | None = None,
    shape: tuple[int, ...] | None = None,
    missing: float | None = None,
) -> Subject:
    """Read what is to be exported.

    Args:
        path: run folder, `.edge` package, `.onnx` or `.tflite` file, or boosted trees of LightGBM or XGBoost.
        form: 'float' or 'int8' of a package; its default when empty.
        rounding: of int8 networks; what the model says, else 'litert', when None.
        shape: of one sample of an ONNX model that leaves its axes open.
        missing: of boosted trees, the value that stands for a missing one.

    Raises:
        InputError: nothing there, damaged, of another kind, or asked for a form or shape that it does not have.
    """
    if not path.exists():
        raise InputError("a run folder, a package, or a model", "no such file", str(path), "Check the path")
    mark = _mark(path)
    if path.suffix == ".tflite" or mark[4:] == b"TFL3":
        _none_of(path, {"--form": form, "--shape": shape, "--missing": missing is not None})
        contents = read_contents(path, rounding=rounding or "litert")
        network = contents.network if contents.is_network else None
        return Subject(path.stem, contents_graph(contents), rounding or "litert", read=network)
    if path.suffix == ".onnx" or is_ensemble(path):
        _none_of(path, {"--form": form})
        graph, notes = read_with_notes(path, shape=shape, missing=missing)
        columns = tuple(Column(name=n, minimum=low, maximum=high) for n, low, high in read_ranges(graph.metadata))
        return Subject(path.stem, graph, rounding or rounding_of(graph), columns, notes=notes)
    _none_of(path, {"--shape": shape, "--missing": missing is not None})
    if path.suffix == ".detector":
        raise InputError(
            "a run folder, a package, or a model", "a detector", str(path),
            f"Write it as C with: edgewright detect c99 {path}",
        )  # fmt: skip
    if path.is_file() and (path.suffix not in _PACKAGES or mark[:2] != b"PK"):
        raise InputError(
            "a run folder, a package (.edge), or a model (.onnx, .tflite, LightGBM, XGBoost)", "a file of another kind",
            str(path), "Export a model of another kind to ONNX first",
        )  # fmt: skip
    return package_subject(read_package(package_path(path)), form=form, rounding=rounding)


def package_subject(package: Package, *, form: str = "", rounding: Rounding | None = None) -> Subject:
    """Return what is exported of a package.

    Args:
        package: as read.
        form: 'float' or 'int8'; its default when empty.
        rounding: of int8 networks; what the model says when None.

    Raises:
        InputError: asked for a form that it does not have.
    """
    manifest = package.manifest
    model = package.model(form or manifest.default)
    graph = read_onnx(model)
    # Without windows, a sample of several axes is a recording as a whole, not a row of a stream.
    streams = manifest.window is not None or len(manifest.shape) == 1
    stream = Stream(manifest.window, manifest.labels, manifest.decision) if streams else None
    return Subject(
        manifest.name,
        graph,
        rounding or rounding_of(graph),
        manifest.columns,
        stream=stream,
        model=model,
        detectors=detectors_in(package.files),
        confidence=manifest.thresholds.get("confidence", 0.0),
        vectors=package.vectors(),
        interval=None if isinstance(manifest.interval, UnsetType) else manifest.interval,
        learned=_learned(package, form or manifest.default),
    )


def _learned(package: Package, form: str) -> Factory | AffineFactory | None:
    """Return what learns in this form: a last layer is that of the int8 network."""
    origin = origin_of(package) if package.learns else None
    return origin if isinstance(origin, AffineFactory) or form == FORM else None


def _none_of(path: Path, options: dict[str, object]) -> None:
    """Refuse options that say nothing about what was read, instead of leaving them out unseen."""
    for option, value in options.items():
        if value:
            of = {"--form": "a run or a package, which have forms", "--missing": "boosted trees"}.get(option, _ONNX)
            raise InputError(f"{option} with {of}", str(value), str(path), f"Omit {option}")


def _mark(path: Path) -> bytes:
    """Return the first eight bytes of a file."""
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        return file.read(8)
