"""A package that answers and learns from labelled examples, with the integers that generated C computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from edgewright.core.adaptation.factory import Factory, Numbers, read_factory
from edgewright.core.adaptation.learner import Learner, State
from edgewright.core.integer.fusion import compile_fused
from edgewright.core.integer.network import Int8, NetworkFunction
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.package import Package
from edgewright.core.predictor import Predictor
from edgewright.core.samples import to_samples
from edgewright.schema.errors import InputError, UnknownNameError
from edgewright.schema.graph import Graph
from edgewright.schema.integer import IntegerNetwork, IntegerOperator

FORM = "int8"


def last_layer(network: IntegerNetwork) -> IntegerOperator:
    """Return the dense operator that ends a network.

    Raises:
        InputError: it ends with another one, or has fewer than three outputs.
    """
    last = network.operators[-1]
    if last.kind != "dense" or last.activation or len(network.values[last.inputs[0]].shape) != 1:
        raise InputError("a network that ends with a dense layer", last.kind, f"network {network.name}")
    classes = network.values[last.output].shape[0]
    if classes < 3:
        raise InputError(
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

    run, made = compile_fused(graph, make), []
    for start in range(0, len(samples), 512):
        run(samples[start : start + 512])
        assert parts[0].seen is not None  # noqa: S101 - the run has set it
        made.append(parts[0].seen)
    return np.concatenate([one[0] for one in made]), np.concatenate([one[1] for one in made])


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


class AdaptedPredictor(Predictor):
    """A package whose last layer learns.

    Args:
        package: with a table `adapt` in its manifest and an int8 form.
        state: of the device; a fresh one when None.

    Raises:
        InputError: a package that does not learn.
    """

    def __init__(self, package: Package, state: State | None = None) -> None:
        self.factory = factory_of(package)
        super().__init__(package, form=FORM, engine="numpy")
        self._split: list[SplitNetwork] = []
        self._run = compile_fused(read_onnx(package.model(FORM)), self._made)
        self.restore(state)

    def _made(self, network: IntegerNetwork) -> SplitNetwork:
        self._split.append(SplitNetwork(network))
        return self._split[0]

    @property
    def state(self) -> State:
        """What the device has learned."""
        return self.learner.state

    def restore(self, state: State | None) -> None:
        """Take another state; a fresh one when None."""
        self.learner = Learner(self.factory, state)
        self._split[0].learner = self.learner

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
            raise InputError(f"{len(samples)} labels", str(len(labels)), "labelled examples")
        for label in labels:
            if label not in self.manifest.labels:
                raise UnknownNameError("label", label, self.manifest.labels, "labelled examples")
        learned = 0
        for start in range(0, len(samples), 512):
            answers = self.predict(samples[start : start + 512])
            seen = self._split[0].seen
            assert seen is not None  # noqa: S101 - the prediction has set it
            hidden, outputs = seen
            for index in range(len(answers)):
                if answers.missing[index] or answers.out_of_range[index]:
                    continue
                number = self.manifest.labels.index(labels[start + index])
                self.learner.learn(hidden[index], int(outputs[index].argmax()), number)
                learned += 1
        return Learned(learned, len(samples) - learned, bool(self.state.used))


def learns(package: Package) -> bool:
    """Return whether the devices of a package learn."""
    return not isinstance(package.manifest.adapt, msgspec.UnsetType)


def factory_of(package: Package) -> Factory:
    """Return the layer that a package's devices may change.

    Raises:
        InputError: a package without one.
    """
    spec = package.manifest.adapt
    if isinstance(spec, msgspec.UnsetType):
        raise InputError(
            "a package that learns on its device", "one without [adapt]", f"package {package.manifest.name}",
            "Add a table [adapt] to the pipeline and run it again",
        )  # fmt: skip
    return read_factory(spec, package.files, f"package {package.manifest.name}")
