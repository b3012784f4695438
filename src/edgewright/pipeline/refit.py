"""The last fit: on all samples, once the test samples have said what they say of the fit before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.engines import choose
from edgewright.core.errors import InputError
from edgewright.core.input.recordings import ANSWERED_BYTES, parts
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.data import Floats
from edgewright.core.records.network import Graph, Value
from edgewright.core.records.trace import EpochRecord, EvaluationRecord, RefitRecord, TrainingRecord
from edgewright.data.targets import as_text
from edgewright.graph.builder import prune
from edgewright.graph.onnx_writer import to_onnx
from edgewright.pipeline.cost import measured, tell_ahead
from edgewright.pipeline.evaluation.robustness import F1, graph_f1
from edgewright.pipeline.fitting import Flow, fit_stages, graph_of, rows_at
from edgewright.pipeline.learning import answers_of, fit_rows_of
from edgewright.pipeline.material import Material, every_row, every_sample, subset_rows
from edgewright.pipeline.package.budget import Fitted, forms_as_repaired
from edgewright.pipeline.package.variants import Form, alarm_accuracy, answering
from edgewright.pipeline.run_folder.store import Job
from edgewright.proof.tolerance import PROBABILITY, RELATIVE, SPREAD, last_digits, perturbed_readings, rounded
from edgewright.training import metrics

_VALUES = "values"
# So few samples are looked at again, by what rounding inside of the stages can change: a mistake is in more of them.
# What it can change by more than this share of its spread has no digits left, and is no agreement.
_AGAIN, _DIGITS_LEFT = 100, 1e-3


@dataclass(frozen=True)
class Agreement:
    """How many of `samples` agree in features and in answers, the largest differences, and both in a sentence."""

    samples: int
    same_features: int
    same_answers: int
    feature_share: float
    answer_difference: float
    engine: str

    @property
    def whole(self) -> bool:
        """Whether every sample agrees."""
        return self.samples == self.same_features == self.same_answers

    @property
    def sentence(self) -> str:
        """For the record."""
        return (
            f"float ONNX in {self.engine} gives the Python pipeline's features on {self.same_features:,} of "
            f"{self.samples:,} test samples (largest difference {self.feature_share:.2f} of the tolerance) and its "
            f"answers on {self.same_answers:,} (largest difference {self.answer_difference:.1e})"
        )


def agreement(form: Form, X: Floats, features: Floats, answers: Floats) -> Agreement:
    """Feed the same float32 samples to the graph and compare.

    Args:
        form: float form of the whole pipeline.
        X: raw samples, shape (n, ...).
        features: what the Python stages make of them, shape (n, ...).
        answers: what the Python model answers, shape (n, k).
    """
    share = feature_shares(form.graph, X, features)
    ask = answering(form.model)
    given = ask(X)
    moved = [{_VALUES: ask(samples)} for samples in perturbed_readings(X)]
    scale = 1.0 if form.graph.labels else float(np.ptp(answers)) or 1.0
    # Features that differ by what the last digits of the readings change lead to answers that do.
    allowed = PROBABILITY * scale + last_digits({_VALUES: given}, moved)[_VALUES]
    difference = np.abs(given - answers)
    return Agreement(
        samples=len(X),
        same_features=int((share <= 1.0).sum()),
        same_answers=int((difference <= allowed).all(axis=1).sum()),
        feature_share=float(share.max(initial=0.0)),
        answer_difference=float(difference.max(initial=0.0)),
        engine=choose(None).name,
    )


def feature_shares(graph: Graph, X: Floats, features: Floats) -> NDArray[np.float64]:
    """For each sample the largest difference of a feature at the boundary, as a share of its tolerance, shape (n,)."""
    if graph.boundary == graph.inputs[0].name:
        return np.zeros(len(X))
    end = Value(name=graph.boundary, shape=tuple(int(n) for n in features.shape[1:]))
    before = prune(msgspec.structs.replace(graph, outputs=(end,), boundary="", labels=(), stages=()))
    name, ask = graph.boundary, choose(None).load(to_onnx(before))
    wanted = features.reshape(len(features), -1)
    spread = wanted.std(axis=0, dtype=np.float64)
    shares = np.zeros(len(X))
    for piece in parts(X.shape, size_bytes=ANSWERED_BYTES):
        samples = np.ascontiguousarray(X[piece], np.float32)
        given = ask(samples)
        digits = last_digits(given, [ask(each) for each in perturbed_readings(samples)])
        shares[piece] = _shares(given[name], wanted[piece], spread, digits[name])
    beyond = np.flatnonzero(shares > 1.0)
    if 0 < len(beyond) <= _AGAIN:
        samples = np.ascontiguousarray(X[beyond], np.float32)
        lost = last_digits(compile_graph(before, (name,))(samples), list(rounded(before, (name,), samples)))[name]
        digits_left = np.minimum(lost.reshape(len(beyond), -1), _DIGITS_LEFT * spread)
        shares[beyond] = _shares(ask(samples)[name], wanted[beyond], spread, digits_left)
    return shares


def _shares(
    given: Floats, wanted: Floats, spread: NDArray[np.float64], digits: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the largest difference of each sample as a share of what rounding allows."""
    expected = wanted.astype(np.float64)
    difference = np.abs(given.reshape(expected.shape) - expected)
    allowed = RELATIVE * np.abs(expected) + SPREAD * spread + digits.reshape(expected.shape)
    # A constant feature has no spread and may be zero: then only equality will do.
    share = np.divide(difference, allowed, out=np.where(difference > 0, np.inf, 0.0), where=allowed > 0)
    return np.asarray(share.max(axis=1), np.float64)


@dataclass(frozen=True)
class Fit:
    """Fitted stages and model.

    Attributes:
        material: its samples; the training ones are those that it was fitted on.
        flow: the samples behind the stages.
        model: fitted.
    """

    material: Material
    flow: Flow
    model: Any

    @property
    def steps(self) -> list[tuple[str, Any]]:
        """Stages by name, the model last."""
        return [*self.flow.steps, ("model", self.model)]


def fit_all(job: Job, material: Material, trained: TrainingRecord) -> Fit:
    """Fit stages and model on all samples, as long as the judged fit was and with its temperature.

    Args:
        job: configuration and listener.
        material: of the judged fit.
        trained: record of the judged model: how many epochs were kept, and its temperature.
    """
    whole = every_sample(material)
    flow = fit_stages(
        whole.samples, whole.fitted_on, job.plan.stages, whole.task, whole.plan.seed, whole.extra,
        lambda card: None,
    )  # fmt: skip
    model = job.plan.build_model(whole.task)
    y = rows_at(whole.samples.y, whole.sides.train)
    if whole.extra is not None:
        y = np.concatenate([y, whole.extra_y])
    with job.listener.doing("Refitting on all samples", trained.best_epoch or None) as advance:
        model.fit(flow.training_rows(whole.sides.train), y, on_epoch=_until(trained.best_epoch, job, advance))
    if trained.temperature != 1.0:
        model.apply_temperature(trained.temperature)
    return Fit(whole, flow, model)


class Cancelled(Exception):  # noqa: N818 - no error: the judged fit stays
    """Somebody asked for the end."""


def _until(epochs: int, job: Job, advance: Callable[[int], None]) -> Callable[[EpochRecord], bool]:
    def on_epoch(record: EpochRecord) -> bool:
        advance(1)
        if job.listener.cancelled():
            raise Cancelled
        return record.epoch >= epochs

    return on_epoch


def refit(
    job: Job, judged_fit: Fit, evaluation: EvaluationRecord, repair: str = ""
) -> tuple[RefitRecord, Fit | None, list[Form]]:
    """Return the refitted stages and model with their forms; None and a reason where the judged fit is to stay.

    A refitted model has seen the samples that judged: nothing is judged on it. It is only kept from being packaged
    where it answers them worse than a fit that had not seen them, or where its exported forms differ from it. Its int8
    form is repaired as that of the judged fit was, `repair`.
    """
    had = len(judged_fit.material.sides.train)
    crossed = job.crossed is not None and job.crossed.evaluates
    record = RefitRecord(
        samples=len(every_row(judged_fit.material)), judged_samples=had, epochs=judged_fit.model.training_.best_epoch,
        folds=job.crossed.folds if job.crossed is not None and crossed else 0,
    )  # fmt: skip
    if job.listener.cancelled():
        return _kept(record, "training was cancelled"), None, []
    trained = judged_fit.model.training_
    # A model without epochs is fitted once more as it was; a network for the epochs that were kept.
    share = trained.best_epoch / len(trained.epochs) if trained.epochs else 1.0
    stages = sum(card.cpu_seconds for card in job.cards[1:] if card.kind != "model")
    seconds = (stages + share * trained.cpu_seconds) * record.samples / max(1, had)
    tell_ahead(job.listener.ahead, "Refitting on all samples", seconds)
    try:
        done = measured(lambda: fit_all(job, judged_fit.material, trained))
    except Cancelled:
        return _kept(record, "refitting was cancelled"), None, []
    except InputError as error:
        return _kept(record, str(error)), None, []
    fit = done.value
    if fit.material.task == "detection":
        fit.model.apply_threshold(judged_fit.model.objects_)
    samples = fit.material.samples
    shape = tuple(samples.X.shape[1:])
    graph = graph_of(fit.steps, shape, job.config.name, samples.columns)
    forms = forms_as_repaired(job, Fitted(graph, fit.material, fit.flow, fit.model), repair)
    rows = subset_rows(samples, np.arange(len(samples.X))) if crossed else judged_fit.material.compared
    answers = answers_of(fit.model, fit.flow, rows, fit.material.task)
    same = agreement(forms[0], samples.X[rows], fit.flow.array(rows), answers)
    why = "" if same.whole else f"the exported model differs from the Python pipeline: {same.sentence}"
    why = why or _worse(job.config.compression.max_drop, fit.material, rows, forms, evaluation)
    fit_rows = fit_rows_of(fit.model, record.samples)
    if fit_rows < record.samples and not fit.model.training_.epochs:
        record = msgspec.structs.replace(record, fit_rows=fit_rows)
    spent = msgspec.structs.replace(record, seconds=done.cost.seconds, cpu_seconds=done.cost.cpu_seconds)
    return (_kept(spent, why), None, []) if why else (spent, fit, forms)


def _kept(record: RefitRecord, why: str) -> RefitRecord:
    return msgspec.structs.replace(record, kept=False, why=why)


def _worse(
    max_drop: float, material: Material, rows: NDArray[np.int64], forms: list[Form], evaluation: EvaluationRecord
) -> str:
    """Why the forms cannot be trusted though they have seen the test samples; empty where they can."""
    X, y = material.samples.X[rows], material.samples.y[rows]
    answers = [answering(form.model)(X) for form in forms]
    if evaluation.anomalies is not msgspec.UNSET and evaluation.accuracy is not None:
        first, *rest = (alarm_accuracy(y, answer, form) for answer, form in zip(answers, forms, strict=True))
        limit, drop = evaluation.accuracy.low, first - min([first, *rest])
        worse = first < limit
    elif evaluation.accuracy is not None:
        names = np.asarray(forms[0].graph.labels)
        first, *rest = (float(np.mean(names[np.argmax(answer, axis=1)] == as_text(y))) for answer in answers)
        limit, worse, drop = evaluation.accuracy.low, first < evaluation.accuracy.low, first - min([first, *rest])
    elif evaluation.objects is not msgspec.UNSET:
        pairs = zip(answers, forms, strict=True)
        first, *rest = (graph_f1(y, answer, form.graph, None).value for answer, form in pairs)
        limit, drop = evaluation.intervals[F1].low, first - min([first, *rest])
        worse = first < limit
    else:
        truth = np.asarray(y, np.float64)
        first, *rest = (metrics.errors(np.ravel(answer) - truth)["rmse"] for answer in answers)
        limit = evaluation.intervals["rmse"].high
        worse, drop = first > limit, max([first, *rest]) / first - 1 if first else 0.0
    if worse:
        return f"it scores {first:.4g} on test samples it was trained on; the tested fit scored {limit:.4g}"
    return f"its int8 form loses {drop:.4f}, more than max_drop {max_drop}" if drop > max_drop else ""
