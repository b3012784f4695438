"""Training the model on the samples behind the stages, and judging it on the test samples, once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import MissingValuesError
from edgewright.core.formatting import plural
from edgewright.core.prediction.objects import MAPPED
from edgewright.core.records.config import TrainingConfig
from edgewright.core.records.data import Floats
from edgewright.core.records.trace import EpochRecord, EvaluationRecord, PredictionRecord, StageRecord, TrainingRecord
from edgewright.data.near_duplicates import KEY as BURSTS
from edgewright.data.near_duplicates import burst_share
from edgewright.data.samples import unit_of
from edgewright.data.splits import same_recordings
from edgewright.data.targets import counted
from edgewright.models._plain import PlainModel
from edgewright.models.base import Network
from edgewright.pipeline.cost import Cost, measured, told_by_first
from edgewright.pipeline.evaluation.class_metric import metric_record, rare_confidence, verdict_metric
from edgewright.pipeline.evaluation.evaluate import (
    against_simplest,
    crossed_evaluation,
    evaluate_anomalies,
    evaluate_classes,
    evaluate_numbers,
)
from edgewright.pipeline.evaluation.robustness import evaluate_objects, sample_map
from edgewright.pipeline.explanation.explain import explain, one_right_one_wrong
from edgewright.pipeline.fitting import Flow
from edgewright.pipeline.material import Material
from edgewright.pipeline.run_folder.journal import sample_rows
from edgewright.pipeline.run_folder.store import Job
from edgewright.trace.sentences.observations import observe
from edgewright.training.contract import changing, copying

# Rules are told up to so many characters on their card.
_MAX_TEXT = 300


@dataclass(frozen=True)
class Evaluated:
    """What the test samples say.

    Attributes:
        evaluation, predictions: records.
        features: the compared test samples as the network takes them, by the Python pipeline.
        answers: its probabilities (n, classes) or predictions (n, 1) of them.
    """

    evaluation: EvaluationRecord
    predictions: tuple[PredictionRecord, ...]
    features: Floats
    answers: Floats


def learn(job: Job, material: Material, flow: Flow) -> Any:  # noqa: ANN401 - any model of the room
    """Train the model; its card, table and record go to the listener."""
    config, sides = job.config, material.sides
    model = job.plan.build_model(material.task)
    # What has no epochs looks at all rows at once.
    streams = flow.streams and isinstance(model, Network)
    rows = flow.rows(sides.train) if flow.streams and not streams else flow.training_rows(sides.train)
    if not streams:
        _refuse_missing(flow, sides.train)
    y = material.samples.y[sides.train]
    if material.extra is not None:
        y = np.concatenate([y, material.extra_y])
    validation = (flow.rows(sides.validation), material.samples.y[sides.validation]) if len(sides.validation) else None
    classes = len(counted(material.samples.y)[0]) if material.task == "classification" else 0
    epochs = 0
    if isinstance(model, Network):
        epochs = config.training.epochs
    job.listener.training_started(epochs, classes)
    with job.listener.doing("Training", epochs or None) as advance:
        # The first epoch also compiles.
        advance = told_by_first(advance, job.listener.ahead, "Training", epochs, skipped=1)

        def on_epoch(record: EpochRecord) -> bool:
            advance(1)
            job.listener.epoch(record)
            return job.listener.cancelled()

        done = measured(lambda: model.fit(rows, y, validation=validation, on_epoch=on_epoch))
    if isinstance(model, PlainModel) and classes and validation is not None and config.training.calibrate:
        model.calibrate(*validation)
    if job.crossed is not None and config.training.calibrate and hasattr(model, "apply_temperature"):
        model.apply_temperature(job.crossed.temperature)
    trained = training_record(model)
    job.listener.training(trained)
    job.card(_card(job, material, flow, model, len(rows), done.cost))
    job.listener.layers(model.layer_records())
    return model


def _refuse_missing(flow: Flow, train: NDArray[np.int64]) -> None:
    """Refuse missing values before a model, which cannot compute with them.

    Of rows that a network takes in pieces, one that is missing shows as a loss that is no number.

    Raises:
        InputError: naming the columns or channels with missing values.
    """
    step = flow.piece()
    pieces = (flow.array(train[at : at + step]) for at in range(0, len(train), step)) if flow.streams else (flow.X,)
    counts: Any = 0
    for piece in pieces:
        holes = np.isnan(piece)
        counts = counts + np.count_nonzero(holes, axis=tuple(axis for axis in range(holes.ndim) if axis != 1))
    if not np.any(counts):
        return
    names = [name for name, count in zip(flow.context.names, counts, strict=True) if count]
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4:,} more" if len(names) > 4 else "")
    raise MissingValuesError(
        "samples without missing values",
        f"{plural(int(np.sum(counts)), 'missing value')} in {shown}",
        "model",
        "Add an impute stage: [[stages]] kind = 'impute'",
    )


def training_record(model: Any) -> TrainingRecord:  # noqa: ANN401 - any model of the room
    """Return the model's record with an observation for every epoch."""
    record: TrainingRecord = model.training_
    return msgspec.structs.replace(record, epochs=observe(record.epochs, len(getattr(model, "classes_", ()))))


def judge(job: Job, material: Material, flow: Flow, model: Any) -> Evaluated:  # noqa: ANN401 - any model of the room
    """Look at the test samples: the evaluation, and one right and one wrong prediction layer by layer."""
    sides, samples = material.sides, material.samples
    truth = samples.y[sides.test]
    groups = None if samples.groups is None else samples.groups[sides.test]
    metric, confidence = None, None
    answers = answers_of(model, flow, sides.test, material.task)
    if material.task == "classification":
        names, counts = counted(samples.y[sides.train])
        majority = float(np.mean(truth == names[np.argmax(counts)]))
        metric = verdict_metric(samples.y[sides.train])
        confidence = rare_confidence(metric, answers, model.classes_)
        evaluation = evaluate_classes(
            truth, answers, list(model.classes_), groups, sides.test, split_by=sides.by, majority=majority
        )
        labels = as_target(model, answers, material.task)
        evaluation = msgspec.structs.replace(
            evaluation, metric=metric_record(metric, truth, labels, confidence, groups)
        )
        places = one_right_one_wrong(truth, answers, model.classes_)
    elif material.task == "anomaly":
        spec = sample_map(model.objects_, samples)
        evaluation, places = evaluate_anomalies(samples, sides.test, answers, spec, split_by=sides.by), [0]
    elif material.task == "detection":
        spec = sample_map(model.objects_, samples)
        evaluation, places = evaluate_objects(samples, sides.test, answers, spec, split_by=sides.by), [0]
    else:
        evaluation = evaluate_numbers(truth, answers, groups, split_by=sides.by)
        places = [0]
    need = job.config.need
    evaluation = msgspec.structs.replace(
        evaluation, unit=unit_of(samples.X), left_out=job.left_out,
        need=0.0 if isinstance(need, msgspec.UnsetType) else need, known=same_recordings(samples, sides),
        burst_share=burst_share(samples.sessions) if job.config.data.get(BURSTS) is True else msgspec.UNSET,
    )  # fmt: skip
    if job.crossed is not None:
        evaluation = crossed_evaluation(job.crossed, samples, evaluation)
    elif material.task not in MAPPED:
        simplest = against_simplest(job, material, as_target(model, answers, material.task), metric, confidence)
        evaluation = msgspec.structs.replace(evaluation, simplest=simplest)
    job.listener.evaluation(evaluation)
    predictions = tuple(
        explain(
            samples,
            int(sides.test[index]),
            flow.array(sides.test[index : index + 1]),
            model,
            feature_names=flow.context.names,
        )
        for index in places
    )
    compared = material.compared
    return Evaluated(evaluation, predictions, flow.array(compared), answers[np.searchsorted(sides.test, compared)])


def answers_of(model: Any, flow: Flow, rows: NDArray[np.int64], task: str) -> Floats:  # noqa: ANN401
    """Return a model's probabilities (n, classes), amounts (n, 1), or maps (n, values), for the samples at `rows`."""
    request = model.predict_proba if task == "classification" else model.predict
    return _answered(request, flow, rows).reshape(len(rows), -1)


def as_target(model: Any, answers: Floats, task: str) -> NDArray[Any]:  # noqa: ANN401
    """Return labels as text for probabilities (n, classes), or amounts (n,) for (n, 1)."""
    if task != "classification":
        return answers.ravel()
    labels: NDArray[Any] = np.asarray(model.classes_)[answers.argmax(axis=1)].astype(np.str_)
    return labels


def _answered(answer: Callable[[Any], Any], flow: Flow, rows: NDArray[np.int64]) -> Floats:
    """Return answers to samples; those that are made on demand are answered a piece at a time."""
    if not flow.streams:
        return np.asarray(answer(flow.array(rows)), np.float32)
    step = flow.piece()
    pieces = [answer(flow.array(rows[start : start + step])) for start in range(0, len(rows), step)]
    return np.concatenate([np.asarray(piece, np.float32) for piece in pieces])


def _card(job: Job, material: Material, flow: Flow, model: Any, fitted: int, cost: Cost) -> StageRecord:  # noqa: ANN401
    config, sides = job.config, material.sides
    rows = flow.array(sides.train[:3])
    classify = material.task == "classification"
    answer = np.asarray(model.predict_proba(rows) if classify else model.predict(rows)).reshape(len(rows), -1)
    seen = len(sides.train) + len(sides.validation)
    return StageRecord(
        name=config.cards.training,
        kind="model",
        shape_in=(seen, *flow.context.shape),
        shape_out=(seen, 1 if answer.shape[1] == 2 else int(answer.shape[1])),
        why=_why(job, material, flow, model),
        names_after=tuple(str(c) for c in getattr(model, "classes_", (material.dataset.target_name or "prediction",))),
        sample_before=sample_rows(rows),
        sample_after=sample_rows(answer),
        fitted_on=fit_rows_of(model, fitted),
        settings={"optimiser": config.training.optimiser, "epochs": config.training.epochs}
        if model.training_.epochs
        else {"model": config.model.kind},
        notes=(*_added(job, material), *_fit_rows_note(model, fitted)),
        **msgspec.structs.asdict(cost),
    )


def fit_rows_of(model: Any, count: int) -> int:  # noqa: ANN401 - any model of the room
    """Return how many of so many training samples a fit took: a model without epochs may draw some."""
    return min(count, int(getattr(model, "fit_rows_", count)))


def _fit_rows_note(model: Any, count: int) -> tuple[str, ...]:  # noqa: ANN401 - any model of the room
    fit_rows = fit_rows_of(model, count)
    return (f"fitted on {fit_rows:,} of {count:,} samples, drawn by chance: its memory holds no more",) * (
        fit_rows < count
    )


def _added(job: Job, material: Material) -> tuple[str, ...]:
    """Return what training samples were changed into."""
    notes = [f"{len(material.extra):,} {_kind_of_extra(job)} were added"] if material.extra is not None else []
    if kinds := [str(table["kind"]) for table in changing(job.config.training.augment)]:
        notes.append(f"changed anew in every epoch: {', '.join(kinds)}")
    return tuple(notes)


def _kind_of_extra(job: Job) -> str:
    training = job.config.training
    if not training.synthetic:
        return "augmented copies"
    return "augmented copies and synthetic samples" if copying(training.augment) else "synthetic samples"


def _why(job: Job, material: Material, flow: Flow, model: Any) -> str:  # noqa: ANN401
    """Who learns from which samples, or what a model without epochs found in them."""
    sides = material.sides
    if not model.training_.epochs and hasattr(model, "says"):
        says = str(model.says(tuple(flow.context.names)))
        text = says if len(says) <= _MAX_TEXT else f"{says[:_MAX_TEXT]} ..."
        count = fit_rows_of(model, len(sides.train))
        return f"Found in {count:,} training samples: {text}. {len(sides.test):,} others evaluate it."
    count = sum(layer.parameters for layer in model.layer_records())
    validation = _validation_text(job.config.training, len(sides.validation), material.task)
    return (
        f"A network of {count:,} parameters learns from {len(sides.train):,} of the training samples; "
        f"{validation}{len(sides.test):,} others evaluate it."
    )


def _validation_text(training: TrainingConfig, count: int, task: str) -> str:
    """Return what the validation samples do: they stop training only with patience, and calibrate only a classifier."""
    if not count:
        return ""
    uses = ["select the epoch" if training.patience else "monitor it"]
    if task == "classification" and training.calibrate:
        uses.append("calibrate confidence")
    if task in MAPPED:
        uses.append("choose the threshold")
    return f"{count:,} validation samples {' and '.join(uses)}; "
