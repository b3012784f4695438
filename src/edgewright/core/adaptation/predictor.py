"""A package that answers and learns from labelled examples, with the integers that generated C computes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.adaptation.affine import AffineFactory, AffineLearner, AffineState, axes_of, read_affine
from edgewright.core.adaptation.learner import Factory, Learner, Numbers, State, read_factory
from edgewright.core.errors import AdaptationUnavailableError, LabelUnknownError, UnknownNameError
from edgewright.core.input.recordings import parts
from edgewright.core.input.samples import to_samples
from edgewright.core.integer.network import Int8, NetworkFunction
from edgewright.core.integer.qdq import compile_fused
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.package import Package
from edgewright.core.prediction.executor import Run
from edgewright.core.predictor import Answers, Predictor
from edgewright.core.records.data import Floats
from edgewright.core.records.network import Graph, IntegerNetwork, IntegerOperator

FORM = "int8"
# Most samples of a pass whose hidden values are kept.
CHUNK = 512


def last_layer(network: IntegerNetwork) -> IntegerOperator:
    """Return the dense operator that ends a network.

    Raises:
        InputError: it ends with another one, or has fewer than three outputs.
    """
    last = network.operators[-1]
    if last.kind != "dense" or last.activation or len(network.values[last.inputs[0]].shape) != 1:
        raise AdaptationUnavailableError("a network that ends with a dense layer", last.kind, f"network {network.name}")
    classes = network.values[last.output].shape[0]
    if classes < 3:
        raise AdaptationUnavailableError(
            "three or more classes", "two, which one sigmoid tells apart", f"network {network.name}",
            "Leave out the table [adapt]",
        )  # fmt: skip
    return last


class SplitNetwork:
    """A network in two parts: up to the input of its last layer, and that layer, the factory's or a learned one."""

    def __init__(self, network: IntegerNetwork) -> None:
        last = last_layer(network)
        number = last.inputs[0]
        self._zero = network.values[number].zero
        self._hidden = (
            NetworkFunction(msgspec.structs.replace(network, operators=network.operators[:-1], output=number))
            if len(network.operators) > 1
            else None
        )
        self._last = NetworkFunction(
            msgspec.structs.replace(network, operators=(last,), input=number, output=last.output)
        )
        self.learner: Learner | None = None
        self.seen: tuple[Numbers, Int8] | None = None

    def __call__(self, x: Int8) -> Int8:
        """Return raw outputs, int8, shape (n, classes); keeps what the layer received and the factory's outputs."""
        hidden = x if self._hidden is None else self._hidden(x)
        factory = self._last(hidden)
        shifted = hidden.astype(np.int64) - self._zero
        self.seen = shifted, factory
        if self.learner is None or not self.learner.state.used:
            return factory
        return self.learner.outputs(shifted).astype(np.int8)


def hidden_of(graph: Graph, samples: Any) -> tuple[Numbers, Int8]:  # noqa: ANN401 - an array
    """Return what the last layer of an int8 graph receives, less its zero point, and its output bytes."""
    parts: list[SplitNetwork] = []

    def make(network: IntegerNetwork) -> SplitNetwork:
        parts.append(SplitNetwork(network))
        return parts[0]

    run, pairs = compile_fused(graph, make), []
    for start in range(0, len(samples), CHUNK):
        run(samples[start : start + CHUNK])
        assert parts[0].seen is not None  # noqa: S101 - the run has set it
        pairs.append(parts[0].seen)
    return np.concatenate([pair[0] for pair in pairs]), np.concatenate([pair[1] for pair in pairs])


@dataclass(frozen=True)
class Learned:
    """What became of some labelled examples.

    Attributes:
        learned: examples that were learned from.
        refused: examples with missing values or values that their sensor cannot give.
        used: whether the learned layer answers now.
    """

    learned: int
    refused: int
    used: bool


class Layer(Protocol):
    """What learns within a predictor."""

    learner: Any

    def run(self, samples: Floats) -> dict[str, NDArray[Any]]:
        """Return the model's outputs, what was learned included."""

    def learn(self, index: int, sample: Floats, label: int) -> None:
        """Learn that a sample, of this number in the last run, belongs to a class."""


class OutputLayer:
    """The last layer of a package's int8 network."""

    def __init__(self, package: Package, factory: Factory) -> None:
        parts: list[SplitNetwork] = []

        def make(network: IntegerNetwork) -> SplitNetwork:
            parts.append(SplitNetwork(network))
            return parts[0]

        self.run = compile_fused(read_onnx(package.model(FORM)), make)
        self._split = parts[0]

    @property
    def learner(self) -> Learner | None:
        """What the device has learned."""
        return self._split.learner

    @learner.setter
    def learner(self, learner: Learner) -> None:
        self._split.learner = learner

    @property
    def seen(self) -> tuple[Numbers, Int8]:
        """What the layer received in the last run, less its zero point, and the factory's output bytes."""
        assert self._split.seen is not None  # noqa: S101 - the run has set it
        return self._split.seen

    def learn(self, index: int, sample: Floats, label: int) -> None:
        """Learn that a sample, of this number in the last run, belongs to a class."""
        assert self._split.learner is not None  # noqa: S101 - the predictor has set it
        hidden, outputs = self.seen
        self._split.learner.learn(hidden[index], int(outputs[index].argmax()), label)


class AxesLayer:
    """The axes of a package's sensors, before its preprocessing.

    Args:
        run: the model.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self.learner: AffineLearner | None = None

    def run(self, samples: Floats) -> dict[str, NDArray[Any]]:
        """Return outputs for windows as a sensor that is worn right would give them."""
        return self._run(samples if self.learner is None else self.learner.turned(samples))

    def learn(self, index: int, sample: Floats, label: int) -> None:
        """Learn that a window as the sensor gave it belongs to a class."""
        assert self.learner is not None  # noqa: S101 - the predictor has set it
        self.learner.learn(sample, label)


class AdaptedPredictor(Predictor):
    """A package that learns from labelled samples: its last layer, or the axes of its sensors.

    Args:
        package: with a table `adapt` or `affine` in its manifest.

    Raises:
        InputError: a package that does not learn.
    """

    def __init__(self, package: Package) -> None:
        factory = origin_of(package)
        self.factory = factory
        super().__init__(package, form=None if isinstance(factory, AffineFactory) else FORM, engine="numpy")
        self.layer: Layer = (
            AxesLayer(self._run) if isinstance(factory, AffineFactory) else OutputLayer(package, factory)
        )
        self._run = self.layer.run
        self.restore(None)

    @property
    def learner(self) -> Learner | AffineLearner:
        """What the device has learned, at work."""
        current: Learner | AffineLearner = self.layer.learner
        return current

    @property
    def state(self) -> State | AffineState:
        """What the device has learned."""
        return self.learner.state

    def restore(self, state: State | AffineState | None) -> None:
        """Take another state; a fresh one when None."""
        self.layer.learner = learner_of(self.factory, state)

    def learn(self, X: Any, labels: Sequence[str]) -> Learned:  # noqa: ANN401 - as `predict`
        """Learn from labelled samples, in their order.

        Args:
            X: samples, as `predict` takes them.
            labels: right label of each.

        Raises:
            InputError: samples that the model cannot take, or another number of labels.
            UnknownNameError: a label that the package does not have.
        """
        samples = to_samples(X, self.manifest)
        if len(samples) != len(labels):
            raise LabelUnknownError(f"{len(samples)} labels", str(len(labels)), "labelled examples")
        self.check_labels(labels)
        learned = 0
        for part in parts(samples.shape, CHUNK) if len(samples) else ():
            some, its = samples[part], labels[part]
            # What is learned meanwhile changes neither what was seen nor the factory's answers.
            for index in np.flatnonzero(learnable(self.factory, some, self.predict(some))).tolist():
                self.layer.learn(index, some[index], self.manifest.labels.index(its[index]))
                learned += 1
        return Learned(learned, len(samples) - learned, bool(self.state.used))

    def check_labels(self, labels: Iterable[str]) -> None:
        """Refuse labels that the package does not have.

        Raises:
            UnknownNameError: naming the first one.
        """
        for label in labels:
            if label not in self.manifest.labels:
                raise UnknownNameError("label", label, self.manifest.labels, "labelled examples")


def learnable(factory: Factory | AffineFactory, samples: Floats, answers: Answers) -> NDArray[np.bool_]:
    """Return which samples teach: those with an answer and without a value that their sensor cannot give.

    Axes learn of whole windows alone; the model fills gaps before its last layer.

    Args:
        factory: of the package.
        samples: shape (n, *sample).
        answers: of the package to them.
    """
    fine = np.array([not columns for columns in answers.out_of_range], np.bool_) & ~answers.missing
    if isinstance(factory, AffineFactory):
        fine &= np.isfinite(samples[:, axes_of(factory.spec)]).all(axis=(1, 2))
    return fine


def learner_of(factory: Factory | AffineFactory, state: State | AffineState | None = None) -> Learner | AffineLearner:
    """Return what a device has learned, at work; `state` is a fresh one when None."""
    if isinstance(factory, AffineFactory):
        assert state is None or isinstance(state, AffineState)  # noqa: S101 - of the same package
        return AffineLearner(factory, state)
    assert state is None or isinstance(state, State)  # noqa: S101 - of the same package
    return Learner(factory, state)


def origin_of(package: Package) -> Factory | AffineFactory:
    """Return what a package's devices may change: its last layer or its axes.

    Raises:
        InputError: a package whose devices learn nothing.
    """
    spec = package.manifest.affine
    if isinstance(spec, msgspec.UnsetType):
        return factory_of(package)
    return read_affine(spec, package.files, f"package {package.manifest.name}")


def factory_of(package: Package) -> Factory:
    """Return the last layer that a package's devices may change.

    Raises:
        InputError: a package without one.
    """
    spec = package.manifest.adapt
    if isinstance(spec, msgspec.UnsetType) and not isinstance(package.manifest.affine, msgspec.UnsetType):
        raise AdaptationUnavailableError(
            "a package whose last layer learns", "one that learns its axes", f"package {package.manifest.name}",
            "Use [adapt] layer = 'output' or 'prototypes'",
        )  # fmt: skip
    if isinstance(spec, msgspec.UnsetType):
        raise AdaptationUnavailableError(
            "a package that learns on its device", "one without [adapt]", f"package {package.manifest.name}",
            "Add a table [adapt] to the pipeline and run it again",
        )  # fmt: skip
    return read_factory(spec, package.files, f"package {package.manifest.name}")
