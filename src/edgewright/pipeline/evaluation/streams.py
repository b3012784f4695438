"""Whole recordings answered window by window, as a device answers them: across changes of label and unlabelled time."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.input.input_ranges import unanswered
from edgewright.data.samples import cut_streams
from edgewright.data.synthetic import is_synthetic
from edgewright.pipeline.material import Material
from edgewright.pipeline.run_folder.job import AnsweredStream
from edgewright.pipeline.whole_graph import limit_of
from edgewright.schema.config import WindowConfig
from edgewright.schema.data import Floats

_PIECE = 2048


def units_of(material: Material, rows: NDArray[np.int64]) -> tuple[str, ...]:
    """Return what a split keeps whole, groups or sessions, of some samples; nothing that nobody measured."""
    samples = material.samples
    names = samples.groups if material.sides.by == "group" and samples.groups is not None else samples.sessions
    return tuple(str(name) for name in np.unique(names[rows][~is_synthetic(samples.sessions[rows])]))


def answer_streams(
    steps: list[tuple[str, Any]], material: Material, window: WindowConfig, units: Container[str]
) -> list[AnsweredStream]:
    """Return the answers of fitted steps, the model last, to whole recordings.

    Args:
        steps: by name.
        material: recordings, and whether they are split by group or session.
        window: how a device cuts.
        units: groups or sessions that are answered.
    """
    classes = tuple(str(name) for name in steps[-1][1].classes_)
    answers = []
    for stream in cut_streams(material.dataset, window, units, material.sides.by):
        without = msgspec.structs.replace(stream, windows=stream.windows[:0])
        answers.append(AnsweredStream(_probabilities(steps, stream.windows), classes, without))
    return answers


def _probabilities(steps: list[tuple[str, Any]], windows: Floats) -> Floats:
    *stages, (_, model) = steps
    limit, pieces = limit_of(steps), []
    for start in range(0, len(windows), _PIECE):
        X = np.ascontiguousarray(windows[start : start + _PIECE], np.float32)
        none = unanswered(X, limit)
        answers = np.zeros((len(X), len(model.classes_)), np.float32)
        if not none.all():
            rows = X[~none]
            for _, step in stages:
                rows = np.asarray(step.transform(rows), np.float32)
            answers[~none] = model.predict_proba(rows)
        pieces.append(answers)
    return np.concatenate(pieces)
