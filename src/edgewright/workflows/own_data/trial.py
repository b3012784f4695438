"""Comparison of pipelines on validation samples; test samples are never looked at."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import f1_score, r2_score

from edgewright.pipeline.fitting import fit_stages
from edgewright.pipeline.job import Job
from edgewright.pipeline.learning import answers_of, learn
from edgewright.pipeline.listener import Listener
from edgewright.pipeline.material import prepare
from edgewright.pipeline.plan import resolve
from edgewright.schema.config import PipelineConfig
from edgewright.schema.data import DataSet


def validation_score(config: PipelineConfig, dataset: DataSet) -> float:
    """Fit a pipeline on its training samples and score it on its validation samples.

    Args:
        config: with a validation share.
        dataset: read already.

    Returns:
        Macro F1 of classes, in 0..1; R² of amounts.
    """
    material = prepare(config, None, dataset)
    job, sides = Job(resolve(config), Listener()), material.sides
    flow = fit_stages(
        material.samples, sides.train, job.plan.stages, material.task, config.seed, material.extra, job.listener.stage
    )
    model = learn(job, material, flow)
    answers, truth = answers_of(model, flow, sides.validation, material.task), material.samples.y[sides.validation]
    if material.task == "classification":
        return float(
            f1_score(truth, np.asarray(model.classes_)[answers.argmax(axis=1)].astype(np.str_), average="macro")
        )
    return float(r2_score(truth.astype(np.float64), answers.ravel()))
