"""One person with one device: labels before and after it has learned from the examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgewright.core.adaptation.affine import (
    WAYS,
    AffineFactory,
    AffineLearner,
    board_bytes,
    turned,
    way_text,
)
from edgewright.core.adaptation.factory import Factory, Numbers
from edgewright.core.adaptation.learner import Learner
from edgewright.core.adaptation.predictor import CHUNK, AdaptedPredictor, OutputLayer, learnable, origin_of
from edgewright.core.adaptation.slots import memory_bytes
from edgewright.core.package import Package
from edgewright.core.parts import parts
from edgewright.core.predictor import Answers, Predictor
from edgewright.schema.data import Floats
from edgewright.schema.errors import InputError


@dataclass(frozen=True)
class Rehearsed:
    """What a device answers.

    Attributes:
        before: labels of the factory's model, shape (n,), -1 where too many values are missing for an answer.
        learned: labels of what was learned, whether it is used or not.
        used: whether it is used.
        refused: examples that teach nothing, as `AdaptedPredictor.learn` counts them.
    """

    before: NDArray[np.int64]
    learned: NDArray[np.int64]
    used: bool
    refused: int


class Rehearsal(Protocol):
    """Learns and answers.

    Attributes:
        layer: that learns.
        memory: bytes of RAM of a board.
    """

    layer: str
    memory: int

    def __call__(self, X: Floats, truth: Numbers, order: Numbers) -> Rehearsed:
        """Return what is answered to all samples once those of `order` were learned one by one."""


class LayerRehearsal:
    """The last layer of an int8 network."""

    def __init__(self, package: Package, factory: Factory) -> None:
        self._predictor, self._factory = AdaptedPredictor(package), factory
        self.layer: str = factory.spec.layer
        self.memory = memory_bytes(factory.spec)

    def __call__(self, X: Floats, truth: Numbers, order: Numbers) -> Rehearsed:
        """Return what is answered to all samples once those of `order` were learned one by one."""
        made = [self._seen(X[part]) for part in parts(X.shape, CHUNK)]
        fine, missing, hidden, outputs = (np.concatenate(some) for some in zip(*made, strict=True))
        taken, factory, learner = order[fine[order]], outputs.argmax(axis=1), Learner(self._factory)
        for index in taken.tolist():
            learner.learn(hidden[index], int(factory[index]), int(truth[index]))
        before, learned = (np.where(missing, -1, one) for one in (factory, learner.outputs(hidden).argmax(axis=1)))
        return Rehearsed(before, learned, bool(learner.state.used), len(order) - len(taken))

    def _seen(self, samples: Floats) -> tuple[NDArray[np.bool_], NDArray[np.bool_], Numbers, NDArray[np.int8]]:
        """Return which samples teach, which have no answer, what the layer receives, and what the factory's gives."""
        answers = self._predictor.predict(samples)
        assert isinstance(self._predictor.layer, OutputLayer)  # noqa: S101 - `rehearsal_of` has seen to it
        return learnable(self._factory, samples, answers), answers.missing, *self._predictor.layer.seen


class AxesRehearsal:
    """The axes of sensors, before the preprocessing.

    Args:
        package: of the model.
        factory: of the package.
        worn: number of the way in which the sensors are worn; 0 is as recorded.
    """

    layer = "affine"

    def __init__(self, package: Package, factory: AffineFactory, worn: int) -> None:
        self._predictor, self._factory, self._worn = Predictor(package, engine="numpy"), factory, worn
        self.memory = board_bytes(factory)

    def __call__(self, X: Floats, truth: Numbers, order: Numbers) -> Rehearsed:
        """Return what is answered to all samples once those of `order` were learned one by one."""
        spec = self._factory.spec
        X, learner = turned(spec, X, self._worn), AffineLearner(self._factory)
        answers = self._predictor.predict(X)
        taken = order[learnable(self._factory, X, answers)[order]]
        for index in taken.tolist():
            learner.learn(X[index], int(truth[index]))
        after = self._predictor.predict(turned(spec, X, learner.state.way))
        refused = len(order) - len(taken)
        return Rehearsed(self._labels(answers), self._labels(after), bool(learner.state.used), refused)

    def _labels(self, answers: Answers) -> NDArray[np.int64]:
        found = np.searchsorted(np.asarray(self._predictor.manifest.labels), answers.labels)
        return np.where(answers.missing, -1, found)


def rehearsal_of(package: Package, worn: str = "") -> Rehearsal:
    """Return what a package's devices learn, ready to be judged.

    Args:
        package: to judge.
        worn: what the axes of the sensors show, such as '-x,y,-z'; as recorded when empty.

    Raises:
        InputError: a package that does not learn, or no such axes.
    """
    factory = origin_of(package)
    if isinstance(factory, AffineFactory):
        return AxesRehearsal(package, factory, _way(worn))
    if worn:
        raise InputError("a package with [adapt] layer = 'affine'", f"'{factory.spec.layer}'", f"--worn {worn}")
    return LayerRehearsal(package, factory)


def _way(text: str) -> int:
    """Return the number of a way to wear a sensor."""
    names = {way_text(way): way for way in range(WAYS)}
    plain = text.replace(" ", "").replace("+", "")
    if plain and plain not in names:
        raise InputError("three axes, each once and perhaps negative, such as -x,y,-z", text, "--worn")
    return names[plain] if plain else 0
