"""`law`: how the loss of a model of text falls with data, and whether the law's promise of twice the data was kept."""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np

from edgewright.core.formatting import percent
from edgewright.jobs.steps import Step, StepConfig, Work
from edgewright.language.texts.corpus import read_corpus
from edgewright.pipeline.run_folder.listener import Listener
from edgewright.schema.advice import CurvePoint, CurveRecord
from edgewright.schema.job import JobChart, JobCurve, JobFigure, StepRecord
from edgewright.search.curves.language_learners import TextLearner
from edgewright.search.curves.measure import WIDTHS, check_split, check_widths, record_of, trainings
from edgewright.training.metrics import wilson


class Config(StepConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A law and its check.

    Attributes:
        texts: files or folders of the data, each a corpus of its own; all of the data as one when empty.
        model: 'ngram' or 'gru'.
        splits: in turn of each corpus: other articles judge, and another half predicts.
    """

    texts: tuple[str, ...] = ()
    model: str = "ngram"
    splits: Annotated[int, msgspec.Meta(ge=1)] = 10


def _law(config: Config, work: Work) -> StepRecord:
    corpora = []
    for path in work.texts(config.texts):
        with work.listener.doing(f"Reading {path.name}"):
            corpora.append((path.stem, read_corpus(path)))
    learners = [TextLearner(*corpora[k % len(corpora)], config.model, k // len(corpora)) for k in range(config.splits)]
    checks: list[tuple[CurveRecord, CurvePoint]] = []
    with work.listener.doing("Training on parts of the texts", sum(map(trainings, learners))) as advance:
        checks += [check_split(learner, advance) for learner in learners]
    widths = _widths(learners[0], work.listener) if learners[0].scalable else None
    inside = sum(bool(record.inside) for record, _ in checks)
    kept = wilson(inside, len(checks))
    (first, whole), learner = checks[0], learners[0]
    ahead = record_of((*first.points, whole), 2 * learner.samples, None)
    exponents = [record.exponent.value for record, _ in checks]
    spans = [(record.predicted.high - record.predicted.low) / record.predicted.value for record, _ in checks]
    lines = [
        _line(f"split {number}, {of.name}", record)
        for number, (of, (record, _)) in enumerate(zip(learners, checks, strict=True), 1)
    ]
    says = (
        f"The learning-curve law of {learner.model} predicts the loss at twice the text: it lies in the 90 % interval "
        f"in {inside} of {len(checks)} splits. The interval spans {percent(float(np.mean(spans)))} of the loss.",
        *lines,
        *([] if widths is None else [_line(f"{learner.name} by parameters", widths)]),
    )
    return StepRecord(
        command=f"edgewright curve TEXTS --texts --rung {config.model} --check",
        says=says,
        charts=(
            _chart(learner.name, first, "characters"),
            *([] if widths is None else [_chart(learner.name, widths, "parameters")]),
        ),
        figures=(
            JobFigure.of_interval("inside", "splits whose loss at twice the data lies in the 90 % interval", kept),
            JobFigure.of("bits", f"bits per byte with all data of {learner.name}", whole.mean, "bits"),
            JobFigure.of("exponent", "exponent of the law, mean of the splits", float(np.mean(exponents)), "1"),
            JobFigure.of_interval(
                "predicted", f"bits per byte of {learner.name} promised at {ahead.at:,.0f} characters",
                ahead.predicted, "bits",
            ),
            *([] if widths is None else _figures(learner.name, widths)),
        ),
    )  # fmt: skip


def _widths(learner: TextLearner, listener: Listener) -> CurveRecord:
    with listener.doing("Training networks of other widths", sum(repeats for _, repeats in WIDTHS)) as advance:
        return check_widths(learner, advance)


def _line(name: str, check: CurveRecord) -> str:
    interval = f"90 % interval {check.predicted.low:.3f} to {check.predicted.high:.3f}"
    end = "" if check.inside else ": outside the interval"
    measured = f"{check.measured or 0.0:.3f} bits per byte measured"
    return f"{name}: {measured}, {check.predicted.value:.3f} predicted ({interval}){end}"


def _figures(name: str, check: CurveRecord) -> list[JobFigure]:
    """Return what parameters are worth: the law's promise, what came of it, and how fast the loss falls."""
    size = f"{check.at:,.0f} parameters"
    return [
        JobFigure.of_interval("predicted_wide", f"bits per byte of {name} promised at {size} by smaller networks",
                              check.predicted, "bits"),
        JobFigure.of("measured_wide", f"bits per byte of {name} at {size}", check.measured or 0.0, "bits"),
        JobFigure.of("exponent_wide", "exponent of the law of parameters", check.exponent.value, "1"),
    ]  # fmt: skip


def _chart(name: str, check: CurveRecord, unit: str) -> JobChart:
    """Return a curve: measured, and the prediction of its end from the points before, with the interval."""
    half, predicted, size, error = check.points[-1], check.predicted, check.at, check.measured or 0.0
    measured = (*((point.size, point.mean) for point in check.points), (size, error))
    curves = [JobCurve(name="measured", points=measured)]
    for label, value in (("predicted", predicted.value), ("low, 90 %", predicted.low), ("high, 90 %", predicted.high)):
        curves.append(JobCurve(name=label, points=((half.size, half.mean), (size, value))))
    label = (
        f"{name}: {half.mean:.3f} at {half.size:,.0f} {unit} predict {predicted.value:.3f} at {size:,.0f}; "
        f"measured {error:.3f}."
    )
    return JobChart(title="bits per byte", x_title=unit, curves=tuple(curves), label=label)


STEP = Step(Config, "What more text is worth", _law)
