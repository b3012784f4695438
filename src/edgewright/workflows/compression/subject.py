"""What is compressed: a run with its network and data, or a model from elsewhere with data beside it."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import CompressionError, OptionFormatError
from edgewright.core.package import read_package
from edgewright.core.prediction.objects import refuse_objects
from edgewright.core.records.config import PipelineConfig, WindowConfig
from edgewright.core.records.data import Floats
from edgewright.core.records.network import Graph, Node
from edgewright.data.table_proposal import propose_table
from edgewright.data.targets import as_text
from edgewright.graph.from_onnx import read_model
from edgewright.graph.stage import Context
from edgewright.models.base import Network
from edgewright.pipeline.debounce import debounce_of
from edgewright.pipeline.fitting import Flow, first_context, graph_of
from edgewright.pipeline.material import Material, prepare
from edgewright.pipeline.plan import data_plan
from edgewright.pipeline.run_folder.folder import judged_of
from edgewright.pipeline.run_folder.store import data_path, load_fitted, remembered
from edgewright.trace.page_model import read_trace

KINDS = ("structured", "magnitude")


@dataclass(frozen=True)
class Pruning:
    """`structured` takes away that share of the multiply-accumulates, `magnitude` sets that share of weights to 0."""

    kind: str
    share: float

    @property
    def name(self) -> str:
        """'structured-50'."""
        return f"{self.kind}-{100 * self.share:g}"


@dataclass(frozen=True)
class Wanted:
    """Forms to make, and the limit they are held to.

    Attributes:
        int8: post-training int8 of every network.
        qat: int8 with quantisation-aware training.
        prune: what is left out; a network for each.
        distil: run folder, package or ONNX file of the teacher; empty for none.
        max_drop: largest loss of accuracy as a fraction; the configuration's own when None.
        epochs: passes of fine-tuning; those of the run when None.
        keep: form to package instead of the one that is chosen; empty for none.
        device: profile whose budget holds; the configuration's own when empty.
    """

    int8: bool = False
    qat: bool = False
    prune: tuple[Pruning, ...] = ()
    distil: str = ""
    max_drop: float | None = None
    epochs: int | None = None
    keep: str = ""
    device: str = ""

    @property
    def trains(self) -> tuple[str, ...]:
        """What is asked for that needs training, as options."""
        requested = [("--qat", self.qat), ("--prune", self.prune), ("--distil", self.distil)]
        return tuple(name for name, given in requested if given)

    @property
    def options(self) -> tuple[str, ...]:
        """The options as written on the command line."""
        options = ["--int8"] if self.int8 else []
        options += ["--qat"] if self.qat else []
        options += [f"--prune {cut.kind}:{cut.share:g}" for cut in self.prune]
        options += ["--distil"] if self.distil else []
        options += [f"--keep {self.keep}"] if self.keep else []
        options += [f"--device {self.device}"] if self.device else []
        options += [] if self.max_drop is None else [f"--max-drop {100 * self.max_drop:g}%"]
        return tuple(options) + (() if self.epochs is None else (f"--epochs {self.epochs}",))


def names(wanted: Wanted) -> tuple[str, ...]:
    """Return names of the forms that will be made, in the order of the table, float first."""
    whole = ["float", *(["distilled"] if wanted.distil else [])]
    cuts = [cut.name if base == "float" else f"{base}-{cut.name}" for base in whole for cut in wanted.prune]
    kinds = [kind for kind, given in (("int8", wanted.int8), ("qat", wanted.qat)) if given]
    words: list[str] = []
    for base in (*whole, *cuts):
        words += [base, *(kind if base == "float" else f"{base}-{kind}" for kind in kinds)]
    return tuple(words)


def read_pruning(text: str) -> Pruning:
    """'structured:0.5' or 'magnitude:0.8'.

    Raises:
        InputError: another word, or a share that is not between 0 and 1.
    """
    kind, _, number = text.partition(":")
    if kind not in KINDS:
        raise OptionFormatError(
            "structured:SHARE or magnitude:SHARE", repr(text), "--prune", "For example: structured:0.5"
        )
    share = _number(number, "--prune")
    if not 0.0 < share < 1.0:
        raise OptionFormatError(
            "a share above 0 and below 1", repr(number), f"--prune {kind}", f"For example: {kind}:0.5"
        )
    return Pruning(kind, share)


def read_drop(text: str) -> float:
    """'0.5%' or 0.005 as a fraction.

    Raises:
        InputError: no number, or none from 0 to 1.
    """
    word = text.strip()
    drop = _number(word.removesuffix("%"), "--max-drop") / (100.0 if word.endswith("%") else 1.0)
    if not 0.0 <= drop <= 1.0:
        raise OptionFormatError("a loss of 0% to 100%", repr(text), "--max-drop", "For example: 0.5%")
    return drop


def _number(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise OptionFormatError("a number", repr(text), where) from None


# Samples on which ranges are watched.
_CALIBRATION = 2048


@dataclass(frozen=True)
class Subject:
    """A float model and the samples it is judged on.

    Attributes:
        config: of the run; of a foreign model made from its data.
        material: samples and their split.
        graph: the whole float model.
        flow: the samples behind the fitted stages; None for a foreign model.
        model: the fitted network; None for a foreign model.
        data_path: absolute path of the data; empty where they are made up or a public set's own.
        understood: how data of a foreign model were read, in a line; empty where that goes without saying.
        debounce: windows in a row that must agree before a decision changes, as in the run.
    """

    config: PipelineConfig
    material: Material
    graph: Graph
    flow: Flow | None = None
    model: Network | None = None
    data_path: str = ""
    understood: str = ""
    debounce: int = 1

    @property
    def calibration(self) -> NDArray[np.int64]:
        """Training samples on which ranges are watched, drawn with the run's seed."""
        train = self.material.sides.train
        if len(train) <= _CALIBRATION:
            return train
        return np.sort(np.random.default_rng(self.config.seed).choice(train, _CALIBRATION, replace=False))

    def whole(self, model: Network) -> Graph:
        """Return the whole model with another network after the same stages."""
        steps = [] if self.flow is None else self.flow.steps
        samples = self.material.samples
        return graph_of([*steps, ("model", model)], tuple(samples.X.shape[1:]), self.config.name, samples.columns)

    def training(self) -> tuple[Any, NDArray[Any]]:
        """Training samples as the network takes them, augmented copies after them, and their targets."""
        flow = self._flow()
        train, y = self.material.sides.train, self.material.samples.y
        targets = y[train]
        if self.material.extra is not None:
            targets = np.concatenate([targets, self.material.extra_y])
        return flow.training_rows(train), targets

    def raw_training(self) -> Floats:
        """Return the samples of `training` as they arrive at the whole model."""
        given = np.asarray(self.material.samples.X[self.material.sides.train], np.float32)
        return given if self.material.extra is None else np.concatenate([given, self.material.extra])

    def validation(self) -> tuple[Any, NDArray[Any]]:
        """Return validation samples as the network takes them, and their targets."""
        chosen = self.material.sides.validation
        return self._flow().rows(chosen), self.material.samples.y[chosen]

    def features(self, indices: NDArray[np.int64]) -> Floats:
        """Return some samples as the network takes them."""
        return self._flow().array(indices)

    def _flow(self) -> Flow:
        if self.flow is None:
            raise CompressionError("a run, which can be trained further", "an imported model", self.config.name)
        return self.flow


def open_run(folder: Path, data: str | None) -> Subject:
    """Open a run with its data, split as it was; its judged fit, where the package holds another.

    Args:
        folder: of the run.
        data: path of its data, where the configuration names none or another.

    Raises:
        InputError: no run, other data, no validation samples to choose on, or a model that is no network.
    """
    index, steps = load_fitted(judged_of(folder) / "pipeline")
    model = steps[-1][1]
    if not isinstance(model, Network):
        do = "It stays float. Run again with --set model.kind=network, and compress that"
        raise CompressionError("a run with a network", f"a model of kind {index.config.model.kind!r}", str(folder), do)
    refuse_objects(index.task, f"edgewright compress {folder}")
    known = remembered(folder)
    material = prepare(data_plan(index.config), data or known.data_location())
    if known.changed(material.sha256):
        raise CompressionError(
            "the data the run was fitted on",
            "others" if data else "samples that have changed since",
            data or known.path or str(index.config.data.get("kind")),
            "Its training samples could be in the test set; pass its own data with --data",
        )
    _refuse_no_validation(material, index.config.name)
    shape = tuple(material.samples.X.shape[1:])
    graph = graph_of(steps, shape, index.config.name, material.samples.columns)
    flow = _behind(material, steps[:-1], [stage.context for stage in index.stages], index.task)
    path = data_path(index.config.data, data or known.path)
    return Subject(index.config, material, graph, flow, model, path, debounce=_debounce(folder, index.config))


def _debounce(folder: Path, config: PipelineConfig) -> int:
    """Return the number of the package, or what was chosen where the run has none."""
    package, trace = folder / f"{config.name}.edge", folder / "trace.json"
    if package.exists():
        return read_package(package).manifest.decision.debounce
    return debounce_of(config.decision, read_trace(trace).debounce if trace.exists() else None)


def _behind(material: Material, steps: list[tuple[str, Any]], contexts: list[Context], task: str) -> Flow:
    """Return the samples behind fitted stages; what is too large to keep is made again whenever it is asked for."""
    context = first_context(material.samples, task, 0)
    flow = Flow(material.samples.X, material.extra, context, steps=steps, contexts=contexts)
    for _, stage in steps:
        shape = np.asarray(stage.transform(flow.array(np.arange(1, dtype=np.int64)))).shape[1:]
        flow.move(stage, shape)
        flow.context = dataclasses.replace(flow.context, shape=shape)
    return flow


def _channels_first(graph: Graph) -> Graph:
    """Return a graph over windows (samples, channels) as one over (channels, samples), which is how rows are cut."""
    source = graph.inputs[0]
    readers = [node for node in graph.nodes if source.name in node.inputs]
    if len(source.shape) != 2 or len(readers) != 1 or readers[0].op != "Transpose":
        return graph
    if tuple(np.ravel(readers[0].attributes.get("perm", ()))) != (0, 2, 1):
        return graph
    (turned,) = readers[0].outputs

    def renamed(node: Node) -> Node:
        inputs = tuple(source.name if name == turned else name for name in node.inputs)
        return msgspec.structs.replace(node, inputs=inputs)

    rearranged = msgspec.structs.replace(
        graph,
        inputs=(msgspec.structs.replace(source, shape=source.shape[::-1]),),
        nodes=tuple(renamed(node) for node in graph.nodes if node is not readers[0]),
    )
    return msgspec.structs.replace(rearranged, boundary=source.name) if graph.boundary == turned else rearranged


def open_model(path: Path, data: str | None, target: str, group: str) -> Subject:
    """Return a model from elsewhere with data to calibrate and judge it on.

    Args:
        path: of the ONNX file.
        data: file or folder of rows.
        target: column that is predicted.
        group: column with the person or machine; empty where unknown.

    Raises:
        InputError: no data, data of another shape, or a model outside the dialect.
    """
    graph = _channels_first(read_model(path))
    if not data or not target:
        raise CompressionError(
            "data for calibration and testing", "none" if not data else "no target", "edgewright compress",
            "For an imported model set --data FILE --target COLUMN [--group COLUMN]",
        )  # fmt: skip
    shape = graph.inputs[0].shape
    proposed = propose_table(data, {"target": target, "group": group})
    table: dict[str, Any] = proposed.table
    config = PipelineConfig(
        name=re.sub(r"[^A-Za-z0-9_.-]", "-", path.stem).lstrip("_.-")[:64] or "model",
        task="classification" if _columns(graph, path) > 1 else "regression",
        data=table,
        window=WindowConfig(samples=shape[1]) if len(shape) == 2 else None,
    )
    material = prepare(data_plan(config), None)
    arrived = tuple(material.samples.X.shape[1:])
    if arrived != tuple(shape):
        raise CompressionError(
            f"samples of shape {tuple(shape)}", f"shape {arrived}", data, f"{path.name} takes no other"
        )
    _refuse_no_validation(material, config.name)
    if config.task == "classification":
        graph = _labelled(graph, material, path)
    return Subject(config, material, graph, data_path=data_path(table, data), understood=proposed.sentence)


def _columns(graph: Graph, path: Path) -> int:
    """How many numbers the model answers with.

    Raises:
        InputError: several answers, of which none is known.
    """
    outputs = {value.name: value for value in graph.outputs}
    chosen = outputs.get("probabilities") or outputs.get("prediction")
    if chosen is None or len(chosen.shape) > 1:
        raise CompressionError("one output with one number, or one number per class", ", ".join(outputs), path.name)
    return chosen.shape[0] if chosen.shape else 1


def _labelled(graph: Graph, material: Material, path: Path) -> Graph:
    """Return the graph with labels: its own, or the classes of the data in their order, as scikit-learn sorts them."""
    classes = tuple(str(label) for label in np.unique(as_text(material.samples.y)))
    if set(classes) <= set(graph.labels):
        return graph
    outputs = _columns(graph, path)
    if len(classes) != outputs or not all(label.isdigit() for label in graph.labels):
        own = ", ".join(graph.labels) or f"{outputs} outputs without names"
        got = f"{len(classes)} in the data: {', '.join(classes[:6])}"
        raise CompressionError(f"the classes of {path.name} ({own})", got, f"target {material.dataset.target_name}")
    return _channels_first(read_model(path, labels=classes))


def _refuse_no_validation(material: Material, name: str) -> None:
    if not len(material.sides.validation):
        raise CompressionError(
            "validation samples to choose a form", "none", f"{name} [split] validation",
            "Run the pipeline again with --set split.validation=0.2",
        )  # fmt: skip
