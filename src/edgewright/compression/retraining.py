"""Training a fitted network further: on its own samples, from its own weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from edgewright.graph.layer import Parameters
from edgewright.models.base import Network
from edgewright.models.targets import class_weights, encode, numbers, sample_weights
from edgewright.schema.trace import EpochRecord
from edgewright.training.loop import Result, Sampled, outputs, train
from edgewright.training.losses import LOSSES, temperature
from edgewright.training.program import Apply, optimiser_named
from edgewright.training.rows import as_rows

Floats = NDArray[np.float32]
OnEpoch = Callable[[EpochRecord], bool | None]
# Weights that are good already are moved by smaller steps than new ones.
GENTLE = 0.3


@dataclass(frozen=True)
class Lesson:
    """What a network is trained on.

    Attributes:
        samples: with targets as the loss takes them: (n,), or with a teacher's answers (n, more).
        validation: watched and calibrated on, never fitted on; None without any.
        loss: a name of `LOSSES`; `plain` is the one without a teacher.
        middle, spread: of a regression's target, which is trained on scaled.
    """

    samples: Sampled
    validation: Sampled | None
    loss: str
    plain: str
    middle: float = 0.0
    spread: float = 1.0


def lesson(model: Network, X: Any, y: Any, validation: tuple[Any, Any] | None) -> Lesson:  # noqa: ANN401
    """Return the samples a model was fitted on, encoded as its `fit` does.

    Args:
        model: a fitted network.
        X: (n, ...) or an object that gives rows.
        y: (n,) labels, or numbers for a regression.
        validation: samples and targets that are never fitted on.
    """
    rows = as_rows(X)
    classes = getattr(model, "classes_", None)
    others = None if validation is None or not len(validation[1]) else as_rows(validation[0])
    if classes is None:
        values = numbers(y, len(rows))
        middle, spread = float(values.mean()), float(values.std()) or 1.0
        targets = ((values - middle) / spread).astype(np.float32)
        watched = None
        if others is not None and validation is not None:
            truth = ((numbers(validation[1], len(others)) - middle) / spread).astype(np.float32)
            watched = Sampled(others, truth, np.ones(len(others), np.float32))
        made = Sampled(rows, targets, sample_weights(None, len(rows)))
        return Lesson(made, watched, "mean_squared_error", "mean_squared_error", middle, spread)
    _, targets = encode(y, len(rows), classes)
    weights = class_weights(targets, model.class_weights)
    watched = None
    if others is not None and validation is not None:
        _, truth = encode(validation[1], len(others), classes)
        watched = Sampled(others, truth, weights[truth.astype(np.int64)])
    loss = "sigmoid_cross_entropy" if len(classes) == 2 else "softmax_cross_entropy"
    return Lesson(Sampled(rows, targets, weights[targets.astype(np.int64)]), watched, loss, loss)


def trained(
    model: Network,
    lesson: Lesson,
    apply: Apply,
    start: Sequence[Parameters],
    *,
    epochs: int,
    gentle: bool = True,
    on_epoch: OnEpoch | None = None,
) -> Result:
    """Train from the given weights, with the model's own settings.

    Args:
        model: whose settings are taken.
        lesson: what it learns.
        apply: the network's function, perhaps with rounding or zeros in it.
        start: weights as a fitted model holds them.
        epochs: passes over the samples.
        gentle: with smaller steps than at first.
        on_epoch: told of every epoch; training ends when it answers True.

    Returns:
        The loop's result; its parameters answer on the scale of the loss (see `finished`).
    """
    settings = replace(model.settings(lesson.loss), epochs=epochs)
    if not optimiser_named(settings.optimiser).needs_learning_rate:
        # An optimiser that finds its own steps would begin with those of new weights.
        settings = replace(settings, optimiser="adam", schedule="one_cycle", learning_rate=1e-3)
    if gentle:
        settings = replace(settings, learning_rate=settings.learning_rate * GENTLE)
    first = [dict(own) for own in start]
    last = first[-1]
    first[-1] = {"weights": last["weights"] / lesson.spread, "bias": (last["bias"] - lesson.middle) / lesson.spread}
    return train(apply, first, lesson.samples, settings, validation=lesson.validation, on_epoch=on_epoch)


def finished(model: Network, lesson: Lesson, apply: Apply, parameters: list[Parameters]) -> list[Parameters]:
    """Parameters that answer: a classifier's calibrated on the validation samples, a regression's on its own scale."""
    last = parameters[-1]
    if not hasattr(model, "classes_"):
        scaled = {"weights": last["weights"] * lesson.spread, "bias": last["bias"] * lesson.spread + lesson.middle}
    elif model.calibrate and lesson.validation is not None:
        raw = outputs(apply, parameters, lesson.validation.rows)
        heat = temperature(raw, _labels(lesson.validation), LOSSES[lesson.plain])
        scaled = {name: a / np.float32(heat) for name, a in last.items()}
    else:
        return parameters
    return [*parameters[:-1], {name: np.asarray(a, np.float32) for name, a in scaled.items()}]


def _labels(samples: Sampled) -> Floats:
    return samples.targets if samples.targets.ndim == 1 else samples.targets[:, 0]


def with_parameters(model: Network, parameters: list[Parameters], layers: Sequence[dict[str, Any]]) -> Network:
    """Return a fitted network of other layers and weights, its classes and settings those of `model`."""
    made: Network = clone(model)
    made.layers = tuple(layers)
    made.fitted_ = {**{k: v for k, v in model.fitted_.items() if k != "layers"}, "parameters": parameters}
    return made
