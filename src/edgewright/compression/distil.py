"""Distillation: a network learns from a teacher's probabilities beside the labels (Hinton et al., 2015)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgewright.compression.retraining import Lesson
from edgewright.schema.errors import InputError
from edgewright.training.loop import Sampled

Floats = NDArray[np.float32]
# Softened this much, wrong classes still differ visibly; half of the loss is the teacher's.
TEMPERATURE, SHARE = 3.0, 0.5
_TINY = 1e-7


def softened(probabilities: Floats, heat: float) -> Floats:
    """Return probabilities (n, k) at another temperature: their logarithms divided by it, normalised anew."""
    logs = np.log(np.maximum(np.asarray(probabilities, np.float64), _TINY)) / heat
    powers = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def taught(lesson: Lesson, teacher: Floats, *, heat: float = TEMPERATURE, share: float = SHARE) -> Lesson:
    """Return the lesson with a teacher's answers to its samples.

    Args:
        lesson: with labels only.
        teacher: of the lesson's training samples in their order: probabilities (n, classes), or (n, 1) answers of a
            regression on the scale of the target.
        heat: temperature of the soft targets.
        share: of the loss that is the teacher's.

    Raises:
        InputError: answers for other samples, or that are no numbers.
    """
    count = len(lesson.samples.rows)
    if len(teacher) != count or not np.isfinite(teacher).all():
        raise InputError(f"{count} finite answers", f"{len(teacher)}, or not finite", "the teacher")
    if lesson.plain == "mean_squared_error":
        soft = (np.asarray(teacher, np.float32) - lesson.middle) / lesson.spread
    else:
        soft = softened(teacher, heat)
        soft = soft[:, 1:] if lesson.plain == "sigmoid_cross_entropy" else soft
    watched = lesson.validation
    if watched is not None:
        # The validation samples are judged by their labels alone.
        watched = _with(watched, np.zeros((len(watched.rows), soft.shape[1]), np.float32), 1.0, 0.0)
    return replace(
        lesson,
        samples=_with(lesson.samples, np.asarray(soft, np.float32), heat, share),
        validation=watched,
        loss=f"distilled_{lesson.plain}",
    )


def _with(samples: Sampled, soft: Floats, heat: float, share: float) -> Sampled:
    columns = np.tile(np.asarray([heat, share], np.float32), (len(soft), 1))
    targets = np.concatenate([samples.targets[:, None], columns, soft], axis=1).astype(np.float32)
    return replace(samples, targets=targets)
