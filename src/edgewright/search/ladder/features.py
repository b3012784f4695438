"""Samples behind the common stages of a rung, these fitted on training samples only."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from edgewright.pipeline.fitting import fit_stages
from edgewright.pipeline.parts import parts
from edgewright.schema.config import PipelineConfig
from edgewright.schema.trace import StageRecord
from edgewright.search.ladder.contract import FEATURES, Columns, Part
from edgewright.search.ladder.default_stages import feature_stages, plain_stages
from edgewright.search.problem import Indices, Problem
from edgewright.training.augment import augmented


def config_of(config: PipelineConfig, problem: Problem, columns: Columns) -> PipelineConfig:
    """The pipeline with the common stages of plain columns, or of features.

    A pipeline's own stages are its features; its lower rungs see the plain columns of its samples.
    """
    if columns == FEATURES:
        return msgspec.structs.replace(config, stages=config.stages or feature_stages(problem))
    training = msgspec.structs.replace(config.training, augment=())
    return msgspec.structs.replace(config, stages=plain_stages(problem), training=training)


def part_of(problem: Problem, config: PipelineConfig, train: Indices) -> Part:
    """All samples behind the common stages, these fitted on `train` alone.

    Copies of training windows that the pipeline asks for (`training.augment`) go the same way.

    Raises:
        InputError: a stage cannot take the samples.
    """
    samples = msgspec.structs.replace(problem.samples, y=problem.y)
    extra, extra_y = None, np.asarray(problem.y)[:0]
    if config.training.augment:
        windows, origin = augmented(config.training.augment, samples.X[train], config.seed)
        extra, extra_y = windows[len(train) :], np.asarray(problem.y)[train][origin[len(train) :]]
    flow = fit_stages(samples, train, parts(config.stages, config.name), problem.task, config.seed, extra, _unheard)
    return Part(
        X=flow.array(np.arange(len(problem.y), dtype=np.int64)),
        names=tuple(flow.context.names),
        train=train,
        extra=None if flow.extra is None else np.asarray(flow.extra, np.float32),
        extra_y=extra_y,
        steps=tuple(flow.steps),
        problem=problem,
        config=config,
    )


def _unheard(card: StageRecord) -> Any:  # noqa: ANN401 - a listener's answer is not used
    """Nobody looks at the cards of a fold."""
