"""Making the forms that were asked for: networks first, then the integer forms of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.compression import qat, retraining
from edgewright.compression.int8 import quantise
from edgewright.compression.qat import Masks, Shaped, masked
from edgewright.compression.retraining import Lesson, finished, lesson, taught, trained, with_parameters
from edgewright.core.engines import Answer, choose
from edgewright.core.errors import CompressionError, InputError
from edgewright.core.formatting import plural
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.package import read_package
from edgewright.core.records.data import Floats
from edgewright.core.records.network import Graph
from edgewright.core.records.trace import EpochRecord
from edgewright.graph.onnx_writer import to_onnx
from edgewright.graph.stage import Parameters
from edgewright.models.architecture import function
from edgewright.models.base import Network
from edgewright.pipeline.cost import told_by_first
from edgewright.pipeline.run_folder.journal import Listener
from edgewright.workflows.compression.subject import Pruning, Subject, Wanted

_PIECE = 4096
# Rows that add up to 1 within this are probabilities already; else they are logits.
_SUM = 1e-3


def teacher_answers(location: str, raw: Floats, features: Floats, labels: tuple[str, ...]) -> Floats:
    """Return what a teacher answers to the training samples.

    Args:
        location: a run folder, a package, or an ONNX file.
        raw: samples as the sensors gave them.
        features: the same as the student's network takes them, for a teacher without preprocessing of its own.
        labels: the student's classes in their order; empty for a regression.

    Returns:
        Probabilities (n, classes) in the order of `labels`, or answers (n, 1) of a regression.

    Raises:
        InputError: no model, one that takes neither, or one with other classes.
    """
    content, known = _read(location)
    try:
        ask = choose(None).load(content)
    except InputError:
        raise CompressionError(
            "a run folder, a package or an ONNX file", "a file that no engine can load", location
        ) from None
    rows = next((rows for rows in (raw, features) if _takes(ask, rows)), None)
    if rows is None:
        raise CompressionError(
            f"a teacher of samples of shape {raw.shape[1:]} or of features of shape {features.shape[1:]}",
            "another input", location,
        )  # fmt: skip
    answers = np.concatenate([_numbers(ask(rows[i : i + _PIECE]), location) for i in range(0, len(rows), _PIECE)])
    return _ordered(answers, known, labels, location) if labels else answers[:, :1]


def _read(location: str) -> tuple[bytes, tuple[str, ...]]:
    """Return the model's bytes, and its labels where it says them."""
    path = Path(location)
    file = path / "model.onnx" if path.is_dir() else path
    if file.suffix == ".edge":
        package = read_package(file)
        content = package.model("float" if "float" in package.manifest.forms else package.manifest.default)
        return content, package.manifest.labels
    try:
        content = file.read_bytes()
    except OSError as error:
        raise CompressionError(
            "a run folder, a package or an ONNX file", error.strerror or str(error), str(file),
            "Pass the teacher after --distil",
        ) from None  # fmt: skip
    try:
        return content, read_onnx(content).labels
    except InputError:
        # Operators we do not know: the engine may know them, and labels stand in our own models only.
        return content, ()


def _takes(ask: Answer, rows: Floats) -> bool:
    try:
        ask(np.ascontiguousarray(rows[:1], np.float32))
    except InputError:
        return False
    return True


def _numbers(given: dict[str, NDArray[Any]], location: str) -> Floats:
    """Return the first output of float numbers, as (n, k)."""
    named = [given[name] for name in ("probabilities", "prediction") if name in given]
    floats = named or [a for a in given.values() if isinstance(a, np.ndarray) and a.dtype.kind == "f" and a.ndim <= 2]
    if not floats:
        raise CompressionError("probabilities or logits as a float output", "none", location)
    return np.asarray(floats[0], np.float32).reshape(len(floats[0]), -1)


def _ordered(answers: Floats, known: tuple[str, ...], labels: tuple[str, ...], location: str) -> Floats:
    """Return probabilities in the order of the student's classes; without names they are taken to be sorted alike."""
    if answers.shape[1] == 1 and len(labels) == 2:
        inside = bool(((answers >= 0) & (answers <= 1)).all())
        second = answers if inside else 1.0 / (1.0 + np.exp(-answers))
        answers = np.concatenate([1.0 - second, second], axis=1)
    if (known and set(known) != set(labels)) or answers.shape[1] != len(labels):
        raise CompressionError(
            f"a teacher of the classes {', '.join(labels)}",
            ", ".join(known) or f"{answers.shape[1]} outputs", location,
        )  # fmt: skip
    if known:
        answers = answers[:, [known.index(label) for label in labels]]
    if (answers < -_SUM).any() or (np.abs(answers.sum(axis=1) - 1.0) > _SUM).any():
        powers = np.exp(answers - answers.max(axis=1, keepdims=True))
        answers = powers / powers.sum(axis=1, keepdims=True)
    return np.asarray(answers, np.float32)


@dataclass(frozen=True)
class Base:
    """A float network and what belongs to it: zeros that stay, and the samples it was trained on."""

    name: str
    recipe: str
    model: Network | None
    graph: Graph
    masks: Masks | None = None
    lesson: Lesson | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class CompressForm:
    """A form of the table: its graph and bytes, and the float network it comes from."""

    name: str
    recipe: str
    graph: Graph
    model: bytes
    base: Base
    integer: bool
    seconds: float


class Maker:
    """Makes forms of a subject, one after the other.

    Args:
        subject: what is compressed.
        wanted: forms to make.
        listener: hears what is being done, and may cancel.

    Raises:
        InputError: training is asked for but there is no run, or the teacher does not fit.
    """

    def __init__(self, subject: Subject, wanted: Wanted, listener: Listener) -> None:
        self.subject, self.wanted, self.listener = subject, wanted, listener
        if subject.model is None and wanted.trains:
            raise CompressionError(
                "a run, which can be trained further", "an imported model",
                f"edgewright compress {' '.join(wanted.trains)}", "An imported model supports only --int8",
            )  # fmt: skip
        self.calibration = subject.calibration
        self.epochs = wanted.epochs or subject.config.training.epochs
        self._count = self._estimated()

    def forms(self) -> Iterator[CompressForm]:
        """Float first; then every network that was asked for, each followed by its integer forms."""
        for base in self.networks():
            yield CompressForm(base.name, base.recipe, base.graph, to_onnx(base.graph), base, False, base.seconds)
            if self.wanted.int8:
                yield self._int8(base)
            if self.wanted.qat:
                yield self._qat(base)

    def networks(self) -> Iterator[Base]:
        """Yield the run's own network, the distilled one, and each pruned."""
        subject = self.subject
        plain = None
        if subject.model is not None and self.wanted.trains:
            plain = lesson(subject.model, *subject.training(), subject.validation())
        first = Base("float", "as the run left it", subject.model, subject.graph, None, plain)
        yield first
        whole = [first]
        if self.wanted.distil:
            whole.append(self._distilled(first))
            yield whole[-1]
        for base in whole:
            for cut in self.wanted.prune:
                yield self._structured(base, cut) if cut.kind == "structured" else self._magnitude(base, cut)

    def _estimated(self) -> Callable[[int], None]:
        """Return what to call after each epoch: the first of them tell what all trainings take."""
        whole = 1 + bool(self.wanted.distil)
        bases = whole * (1 + len(self.wanted.prune))
        trainings = bases - 1 + (bases if self.wanted.qat else 0)
        work = f"Training {plural(trainings, 'network')}"
        # The first epoch also compiles.
        return told_by_first(lambda _: None, self.listener.ahead, work, trainings * self.epochs, skipped=1)

    def _distilled(self, base: Base) -> Base:
        model, plain = _own(base)
        subject = self.subject
        features = plain.samples.rows.take(np.arange(len(plain.samples.rows), dtype=np.int64))
        with self.listener.doing("Asking the teacher"):
            answers = teacher_answers(self.wanted.distil, subject.raw_training(), features, subject.graph.labels)
        return self._learn(
            replace(
                base, name="distilled", recipe="learned from the teacher and the labels", lesson=taught(plain, answers)
            ),
            model,
            gentle=False,
        )

    def _structured(self, base: Base, cut: Pruning) -> Base:
        model, _ = _own(base)
        smaller = retraining.structured(model, cut.share)
        share_removed = 1 - retraining.macs(smaller) / retraining.macs(model)
        text = f"{100 * share_removed:.0f} % fewer multiply-accumulates, fine-tuned"
        return self._learn(replace(base, name=_joined(base, cut.name), recipe=text), smaller)

    def _magnitude(self, base: Base, cut: Pruning) -> Base:
        model, _ = _own(base)
        masks = retraining.smallest(model, cut.share)
        start = with_parameters(model, masked(model.parameters_, masks), model.tables)
        text = f"{100 * cut.share:g} % of the weights are zero, fine-tuned: saves compressed bytes only"
        return self._learn(replace(base, name=_joined(base, cut.name), recipe=text, masks=masks), start)

    def _learn(self, base: Base, start: Network, gentle: bool = True) -> Base:
        """Train a network and puts it behind the stages."""
        network = start.network()
        apply: Any = function(network) if base.masks is None else Shaped(network, base.masks)
        model, seconds = self._train(base, start, apply, gentle)
        return replace(base, model=model, graph=self.subject.whole(model), seconds=base.seconds + seconds)

    def _train(self, base: Base, start: Network, apply: Any, gentle: bool = True) -> tuple[Network, float]:  # noqa: ANN401
        _, plan = _own(base)

        with self.listener.doing(f"Training {base.name}", self.epochs) as advance:

            def on_epoch(record: EpochRecord) -> bool:
                del record
                advance(1)
                self._count(1)
                return self.listener.cancelled()

            result = trained(
                start, plan, apply, start.parameters_, epochs=self.epochs, gentle=gentle, on_epoch=on_epoch
            )
        parameters: list[Parameters] = finished(start, plan, apply, result.parameters)
        if base.masks is not None:
            parameters = masked(parameters, base.masks)
        return with_parameters(start, parameters, start.tables), result.seconds

    def _int8(self, base: Base) -> CompressForm:
        given = self.subject.config.compression
        name = _joined(base, "int8")
        with self.listener.doing(f"Calibrating {name}"):
            small = quantise(
                base.graph,
                self.subject.material.samples.X[self.calibration],
                method=given.method,
                percentile=given.percentile,
                per_channel=given.per_channel,
            )
        return CompressForm(name, "int8 after training", small, to_onnx(small), base, True, base.seconds)

    def _qat(self, base: Base) -> CompressForm:
        model, _ = _own(base)
        given, features = self.subject.config.compression, self.subject.features(self.calibration)
        ranges = qat.find_ranges(model, features, method=given.method, percentile=given.percentile)
        rounding = qat.rounding_of(model, ranges, per_channel=given.per_channel)
        apply = Shaped(model.network(), base.masks, rounding)
        trained, seconds = self._train(replace(base, name=_joined(base, "qat")), model, apply)
        # The float network beside it in a package is the one it was made from.
        tuned = replace(base, model=trained, graph=self.subject.whole(trained))
        small = qat.as_trained(tuned.graph, ranges, features, trained, per_channel=given.per_channel)
        name, spent = _joined(base, "qat"), base.seconds + seconds
        return CompressForm(name, "int8, trained with its rounding", small, to_onnx(small), tuned, True, spent)


def _own(base: Base) -> tuple[Network, Lesson]:
    """Return the network and its samples.

    Raises:
        InputError: a model from elsewhere has neither.
    """
    if base.model is None or base.lesson is None:
        raise CompressionError("a run, which can be trained further", "an imported model", base.name)
    return base.model, base.lesson


def _joined(base: Base, name: str) -> str:
    return name if base.name == "float" else f"{base.name}-{name}"
