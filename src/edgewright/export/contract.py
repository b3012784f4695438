"""What every target of `edgewright export` offers, and what it is given."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import UnsetType
from numpy.typing import NDArray

from edgewright.core import catalogue
from edgewright.core.errors import ExportError, MissingFileError, ModelError, UnknownNameError
from edgewright.core.input.samples import read_ranges
from edgewright.core.integer.network import foreign_operators, rounding_of
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.package import Package, read_package
from edgewright.core.predictor import package_path
from edgewright.core.records.data import Column
from edgewright.core.records.device import DecisionSpec
from edgewright.core.records.network import Graph, IntegerNetwork, Rounding
from edgewright.core.records.package import IntervalSpec, WindowSpec
from edgewright.graph.ensembles import is_ensemble
from edgewright.graph.extract import float_network, integer_network, refuse_scattered

if TYPE_CHECKING:
    from edgewright.core.adaptation.affine import AffineFactory
    from edgewright.core.adaptation.learner import Factory

TARGETS = "edgewright.export.targets"


@dataclass(frozen=True)
class Stream:
    """How a stream of rows reaches a model, and how its answers become decisions.

    Attributes:
        window: None where every row is answered.
        labels: classes in the order of the probabilities; empty for a number.
        decision: over successive answers.
    """

    window: WindowSpec | None
    labels: tuple[str, ...]
    decision: DecisionSpec


@dataclass(frozen=True)
class Subject:
    """What is exported.

    Attributes:
        name: of the pipeline or model.
        graph: one form of it, whole.
        rounding: which kernels an int8 network equals.
        columns: names, units and declared ranges of the columns or channels; empty where they are not known.
        read: the network as a .tflite file had it, None for graphs.
        stream: of a package of rows or windows; None for a model alone or one of whole recordings.
        model: the ONNX bytes that a package holds of this graph, by which engines find what was compiled from them;
            empty where there is no package.
        detectors: files of those that travel in a package, by name.
        confidence: below it an answer is unsure; 0 where nobody says so.
        core: for whose instructions C is written; portable where empty.
        flash: bytes of that device; 0 where they are not known.
        vectors: test vectors of a package, raw samples; None where there is no package.
        interval: of the amounts that a package predicts; None where nobody measured it.
        learned: the last layer or the axes that a package's devices may change; None where they learn nothing.
        systems: that native modules are built for; all of them where none are named.
        notes: what a user of an imported model must know.
    """

    name: str
    graph: Graph
    rounding: Rounding = "litert"
    columns: tuple[Column, ...] = ()
    read: IntegerNetwork | None = field(default=None, repr=False)
    stream: Stream | None = None
    model: bytes = field(default=b"", repr=False)
    detectors: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    confidence: float = 0.0
    core: str = ""
    flash: float = 0.0
    vectors: NDArray[Any] | None = field(default=None, repr=False, compare=False)
    interval: IntervalSpec | None = None
    learned: Factory | AffineFactory | None = field(default=None, repr=False, compare=False)
    systems: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def word(self) -> str:
        """The name as C and Python take it: letters, digits and underscores."""
        word = re.sub(r"\W", "_", self.name, flags=re.ASCII)[:40] or "model"
        return word if not word[0].isdigit() else f"m_{word}"[:40]

    @property
    def form(self) -> str:
        """'int8' where the network after the boundary is integers, 'float' otherwise."""
        graph = self.graph
        quantised = bool(graph.boundary) and any(
            node.op == "QuantizeLinear" and node.inputs[0] == graph.boundary for node in graph.nodes
        )
        return "int8" if quantised else "float"

    @cached_property
    def integers(self) -> IntegerNetwork | None:
        """The integers after the boundary; None for a float form.

        Raises:
            InputError: for a quantised model whose integers are no network.
        """
        if self.form == "int8":
            return integer_network(self.graph, self.rounding)
        refuse_scattered(self.graph)
        return None

    @cached_property
    def network(self) -> IntegerNetwork:
        """The network alone, as it was read or from the boundary to the raw outputs.

        Raises:
            InputError: when the graph has none.
        """
        if self.read is not None:
            return self.read
        if not self.graph.boundary:
            got = f"operators up to {self.graph.nodes[-1].op}" if self.graph.nodes else "no operators"
            foreign = foreign_operators(self.graph)
            got = f"{foreign} between its layers" if foreign else got
            raise ExportError("a model that ends with a network", got, f"model {self.name}", "Export it to c99 or onnx")
        return self.integers or float_network(self.graph)


@dataclass(frozen=True)
class Exported:
    """What a target writes of a file that is no pipeline: bytes by file name, and what a user of them must know."""

    files: dict[str, bytes]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Target:
    """The one object `TARGET` of a file in `export/targets`; the file name is the target's name.

    Attributes:
        description: what it writes, in a few words.
        files: subject -> bytes by file name, the same for the same subject; raises `InputError` for a model that the
            target cannot hold.
        check: raises what `files` raises for such a model, without the compiler that `files` starts; None where it
            starts none.
        note: subject -> what a user of the files must know, empty for nothing.
        watches: whether it writes the detectors that travel in a package.
        networks: whether it writes the network alone of a denoiser or a language model.
        forms: of models that it takes.
        not_run: why `prove` runs no such form by itself, and what runs one.
        writers: for kinds of files that the target writes whole ('forecaster', 'denoiser', 'language model'): content
            of the file and prefix of names -> files and notes.
    """

    description: str
    files: Callable[[Subject], dict[str, bytes]]
    check: Callable[[Subject], object] | None = None
    note: Callable[[Subject], str] = lambda _subject: ""
    watches: bool = False
    networks: bool = True
    forms: tuple[str, ...] = ("float", "int8")
    not_run: str = "compared where given --with its folder"
    writers: Mapping[str, Callable[[Any, str], Exported]] = field(default_factory=dict)

    def notes(self, subject: Subject) -> str:
        """Return the target's note, and the detectors that it leaves out."""
        lines = [self.note(subject), *subject.notes]
        if subject.detectors and not self.watches:
            names = ", ".join(sorted(subject.detectors))
            lines.append(f"skipped: detector {names}. --to c99 writes detectors with the model")
        return "\n".join(line for line in lines if line)


def need_int8(subject: Subject, why: str) -> None:
    """Refuse a float model of our own, as a target that takes integers alone does.

    Raises:
        InputError: with `why` floats are not taken.
    """
    if subject.form != "int8" and subject.read is None:
        _ = subject.network  # refuses what has none, such as trees, which nothing quantises
        raise ExportError(
            "an int8 model", f"a float one, {why}", f"model {subject.name}",
            "Quantise it: edgewright compress --int8, or export it with --form int8",
        )  # fmt: skip


def find_target(name: str, kind: str = "", where: str = "", *, network: bool = False) -> Target:
    """Return the target of this name.

    Args:
        name: of a file in `export/targets`.
        kind: of the file to export, as in `Target.writers`; empty for a pipeline or a model.
        where: the file.
        network: whether the network alone is an export of this kind of file.

    Raises:
        UnknownNameError: no target of this name writes such a file; it lists those that do.
        InputError: the name is of a tool that a target writes for, such as 'arduino'.
    """

    def find(target_name: str) -> Target:
        known: Target = catalogue.find(TARGETS, target_name, "TARGET", "export target")
        return known

    for other_name in target_names() if name not in target_names() else ():
        # A tool or system that a description names, such as Arduino, begins with a capital letter.
        if name.lower() in (word.lower() for word in re.findall(r"\b[A-Z][\w-]*", find(other_name).description)):
            raise ExportError(f"--to {other_name}, which writes {find(other_name).description}", f"--to {name}", where)
    target = find(name)
    if kind and kind not in target.writers and not (network and target.networks):
        others = [
            other_name
            for other_name in target_names()
            if kind in find(other_name).writers or (network and find(other_name).networks)
        ]
        raise UnknownNameError(f"export target of a {kind}", name, others, where)
    return target


def target_names() -> tuple[str, ...]:
    """Return the names of all targets."""
    return catalogue.names(TARGETS)


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
        raise MissingFileError("a run folder, a package, or a model", "no such file", str(path), "Check the path")
    mark = _mark(path)
    if path.suffix == ".tflite" or mark[4:] == b"TFL3":
        _none_of(path, {"--form": form, "--shape": shape, "--missing": missing is not None})
        from edgewright.graph.from_tflite import read_contents  # noqa: PLC0415 - most exports read no foreign file
        from edgewright.graph.from_tflite_graph import contents_graph  # noqa: PLC0415

        contents = read_contents(path, rounding=rounding or "litert")
        network = contents.network if contents.is_network else None
        return Subject(path.stem, contents_graph(contents), rounding or "litert", read=network)
    if path.suffix == ".onnx" or is_ensemble(path):
        _none_of(path, {"--form": form})
        from edgewright.graph.from_onnx import read_with_notes  # noqa: PLC0415 - most exports read no foreign file

        graph, notes = read_with_notes(path, shape=shape, missing=missing)
        columns = tuple(Column(name=n, minimum=low, maximum=high) for n, low, high in read_ranges(graph.metadata))
        return Subject(path.stem, graph, rounding or rounding_of(graph), columns, notes=notes)
    _none_of(path, {"--shape": shape, "--missing": missing is not None})
    if path.suffix == ".detector":
        raise ModelError(
            "a run folder, a package, or a model", "a detector", str(path),
            f"Write it as C with: edgewright export {path} --to c99",
        )  # fmt: skip
    if path.is_file() and (path.suffix not in _PACKAGES or mark[:2] != b"PK"):
        raise ModelError(
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
        detectors=import_module("edgewright.monitor.detector_stream").detectors_in(package.files),
        confidence=manifest.thresholds.get("confidence", 0.0),
        vectors=package.vectors(),
        interval=None if isinstance(manifest.interval, UnsetType) else manifest.interval,
        learned=_learned(package, form or manifest.default),
    )


def _learned(package: Package, form: str) -> Factory | AffineFactory | None:
    """Return what learns in this form: a last layer is that of the int8 network."""
    if not package.learns:
        return None
    predictor = import_module("edgewright.core.adaptation.predictor")  # few packages learn
    origin: Factory | AffineFactory = predictor.origin_of(package)
    return origin if isinstance(origin, predictor.AffineFactory) or form == predictor.FORM else None


def _none_of(path: Path, options: dict[str, object]) -> None:
    """Refuse options that say nothing about what was read, instead of leaving them out unseen."""
    for option, value in options.items():
        if value:
            of = {"--form": "a run or a package, which have forms", "--missing": "boosted trees"}.get(option, _ONNX)
            raise ExportError(f"{option} with {of}", str(value), str(path), f"Omit {option}")


def _mark(path: Path) -> bytes:
    """Return the first eight bytes of a file."""
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        return file.read(8)
