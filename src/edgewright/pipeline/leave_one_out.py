"""Each of few groups left out once: how well a pipeline does on a person or machine that it has never seen.

Without groups, a run with few test samples is cross-validated the same way: folds take the place of groups.
"""

from __future__ import annotations

import math
import time
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.cluster.mapping import BatchError, outcomes
from edgewright.core.errors import PipelineError
from edgewright.core.formatting import duration_text
from edgewright.core.prediction.objects import MAPPED
from edgewright.core.records.config import PipelineConfig
from edgewright.core.records.data import Floats, Split
from edgewright.core.records.trace import GroupRow, Interval, LeftOutRecord, SimplestRecord
from edgewright.data.splits import choose, touching
from edgewright.data.synthetic import is_synthetic
from edgewright.data.targets import WindowViews
from edgewright.pipeline.config import with_absolute_paths
from edgewright.pipeline.cost import told_by_first
from edgewright.pipeline.debounce import answer_streams, is_chosen, units_of
from edgewright.pipeline.evaluation.class_metric import VerdictMetric, rare_confidence, verdict_metric
from edgewright.pipeline.evaluation.evaluate import is_simplest, score_of, simplest_answers
from edgewright.pipeline.fitting import fit_stages
from edgewright.pipeline.learning import answers_of, as_target, learn
from edgewright.pipeline.material import Material, with_sides
from edgewright.pipeline.plan import resolve
from edgewright.pipeline.run_folder.journal import Listener
from edgewright.pipeline.run_folder.store import AnsweredStream, Job
from edgewright.profiles.records import Profile
from edgewright.training.metrics import SHARE, errors, group_interval, mean_interval

FEW = 12
"""Groups below which each of them is left out once."""
MIN_TEST_SAMPLES = 30
"""Test samples below which all samples are also evaluated, by folds, if no groups are known."""
FOLDS = 10
FOLD = "fold"
_SHOWN = "Leaving each group out once"


@dataclass(frozen=True)
class _Left:
    """A group that was left out: what the pipeline, the usual answer and one column score on it.

    Attributes:
        row: for the record.
        truth, answers, simplest_answers: labels or amounts, shape (n,): the true ones, those of the model and those of
            one column with thresholds.
        confidence: of the model in the rarest class, shape (n,); None if it has none.
        streams: answers to the whole recordings of the group, where they choose how a device decides.
    """

    row: GroupRow
    model: float
    majority: float
    simplest: float
    truth: NDArray[Any]
    answers: NDArray[Any]
    simplest_answers: NDArray[Any]
    confidence: Floats | None
    streams: list[AnsweredStream] | None


@dataclass(frozen=True)
class _Fits:
    """What fits without a group need; a worker gets configuration, device and samples, and resolves other parts."""

    job: Job
    material: Material
    metric: VerdictMetric | None

    def __reduce__(self) -> tuple[Any, ...]:
        if not isinstance(self.material.samples.X, np.ndarray | WindowViews):
            raise PipelineError(
                "samples that fit in memory", "rows that are read in parts", "--cluster", "Leave it out"
            )
        return _arrived, (with_absolute_paths(self.job.config), self.job.plan.profile, self.material, self.metric)


def _arrived(config: PipelineConfig, profile: Profile, material: Material, metric: VerdictMetric | None) -> _Fits:
    return _Fits(Job(resolve(config, profile), Listener()), material, metric)


class _Quiet(Listener):
    """Hears nothing of the fits, and ends them as the run's own listener does."""

    def __init__(self, of: Listener) -> None:
        self._of = of

    def cancelled(self) -> bool:
        return self._of.cancelled()


def leave_one_out(job: Job, material: Material, fit_s: float) -> LeftOutRecord | None:
    """Fit the pipeline once for each group without it, and score it on that group.

    Stages, copies, epochs to keep and confidence come from the other groups only. Groups are left out in an order
    drawn by the run's seed, as many as `split.leave_one_out_s` has time for.

    Args:
        job: configuration and listener; a warning says where time did not suffice.
        material: all samples of the run.
        fit_s: seconds that one fit of stages and model took.

    Returns:
        The scores; None where it is not asked for, groups are unknown, one, or many, or time suffices for fewer than
        two of them.
    """
    limit = job.config.split.leave_one_out_s
    if isinstance(limit, msgspec.UnsetType) or not limit or material.task in MAPPED:
        return None
    by = str(job.config.data.get("group") or "group")
    if material.sides.by in _FOLDED and len(material.sides.test) < MIN_TEST_SAMPLES:
        by, material = FOLD, _with_folds(material, job.config.seed)
    elif material.sides.by != "group":
        return None
    groups = material.samples.groups
    if groups is None:
        return None
    names = np.unique(groups[~is_synthetic(material.samples.sessions)])
    if not 2 <= len(names) < FEW or job.listener.cancelled():
        return None
    metric = verdict_metric(material.samples.y) if material.task == "classification" else None
    left_out: list[_Left] = []
    why, started, longest = "", time.perf_counter(), fit_s
    try:
        order = [str(name) for name in np.random.default_rng(job.config.seed).permutation(names)]
        with (
            job.listener.doing(_SHOWN, len(names)) as advance,
            closing(outcomes(_leave_out, _Fits(job, material, metric), order)) as fits,
        ):
            advance = told_by_first(advance, job.listener.ahead, _SHOWN, len(names), limit_s=limit)
            for name in order:
                begun = time.perf_counter()
                left = None if begun - started + longest > limit else next(fits)
                if isinstance(left, BatchError):
                    why = f"a fit failed on the cluster: {left.reason}"
                    break
                if left is None:
                    why = f"a fit takes {duration_text(longest)}, and split.leave_one_out_s is {limit:g}"
                    break
                if left.streams is not None:
                    job.streams += left.streams
                    job.streamed.append(name)
                left_out.append(left)
                longest = max(longest, time.perf_counter() - begun)
                advance(1)
    except KeyboardInterrupt:
        job.listener.interrupted()
        why = "Ctrl-C came, and the run went on without the others"
    if why:
        job.warnings.append(f"{len(left_out)} of {len(names)} groups were left out in turn: {why}")
    if len(left_out) < 2:
        return None
    return msgspec.structs.replace(
        _record(left_out, metric, len(names), by, is_simplest(job)), seconds=time.perf_counter() - started
    )


# What a split keeps whole where folds may take the place of groups.
_FOLDED = ("row", "session")


def _with_folds(material: Material, seed: int) -> Material:
    """Return the material with folds as groups: whole recordings, dealt by class."""
    samples = material.samples
    sessions = samples.sessions if material.sides.by == "session" else np.arange(len(samples.y))
    units, first = np.unique(sessions, return_index=True)
    order = np.random.default_rng(seed).permutation(len(units))
    order = order[np.argsort(samples.y[first[order]], kind="stable")]
    fold = np.empty(len(units), np.int64)
    fold[order] = np.arange(len(units)) % min(FOLDS, len(units))
    of_sample = fold[np.searchsorted(units, sessions)]
    names = np.array([f"{FOLD} {number + 1}" for number in range(int(fold.max()) + 1)])
    return replace(material, samples=msgspec.structs.replace(samples, groups=names[of_sample]))


def _leave_out(fits: _Fits, name: str) -> _Left | None:
    """Score a group by a fit on the others; None where somebody asked for the end meanwhile."""
    job, material, metric, streams = fits.job, fits.material, fits.metric, None
    sides = _sides(job, material, name)
    task, seed, y = material.task, job.config.seed, material.samples.y
    quiet = Job(job.plan, _Quiet(job.listener))
    classes, counts = np.unique(y[sides.train], return_counts=True)
    usual = classes[counts.argmax()] if task == "classification" else y[sides.train].astype(np.float64).mean()
    always = np.full(len(sides.test), usual)
    answers, simplest, confidence = always, always, None
    if task == "regression" or len(classes) > 1:
        part = with_sides(material, sides)
        flow = fit_stages(
            part.samples,
            part.fitted_on,
            job.plan.stages,
            task,
            seed,
            part.extra,
            quiet.listener.stage,
            part.sides.train,
        )
        model = learn(quiet, part, flow)
        streams = _answered_streams(job, material, [*flow.steps, ("model", model)], name)
        given = answers_of(model, flow, sides.test, task)
        answers = as_target(model, given, task)
        confidence = None if metric is None else rare_confidence(metric, given, model.classes_)
        simplest = always if is_simplest(job) else simplest_answers(material, sides.train, sides.test, seed)
    if job.listener.cancelled():
        return None
    truth = y[sides.test]
    classify, accurate = metric is not None, None if metric is None else replace(metric, name="accuracy")
    score = score_of(truth, answers, accurate)
    figures = {} if classify else errors(answers - truth.astype(np.float64))
    return _Left(
        row=GroupRow(group=name, samples=len(truth), accuracy=score if classify else None, regression=figures),
        model=score,
        majority=score_of(truth, always, accurate),
        simplest=score_of(truth, simplest, accurate),
        truth=truth,
        answers=answers,
        simplest_answers=simplest,
        confidence=confidence,
        streams=streams,
    )


def _answered_streams(
    job: Job, material: Material, steps: list[tuple[str, Any]], name: str
) -> list[AnsweredStream] | None:
    """Answer the whole recordings of a group that does not test, where they are to choose how a device decides."""
    window = material.plan.window
    if (
        material.sides.by != "group"
        or not is_chosen(job.config.decision)
        or window is None
        or name in units_of(material, material.sides.test)
    ):
        return None
    return list(answer_streams(steps, material, window, (name,)))


def _sides(job: Job, material: Material, name: str) -> Split:
    """Return the split that leaves a group out; of the others some validate only where they end the training."""
    config, samples = job.config, material.samples
    groups: NDArray[Any] = samples.groups  # type: ignore[assignment]  # asked before
    mine, made_up = groups == name, is_synthetic(samples.sessions)
    test, rest = np.flatnonzero(mine & ~made_up), np.flatnonzero(~mine & ~made_up)
    length = config.window.samples if config.window else 1
    if length > 1:
        rest = rest[~touching(samples, rest, test, length)]
    validation = rest[:0]
    if config.training.patience and config.split.validation:
        units = np.unique(groups[rest], return_inverse=True)[1].astype(np.int64)
        chosen = choose(units, np.zeros_like(units), config.split.validation, np.random.default_rng(config.seed))
        if chosen is not None:
            rest, validation = rest[~chosen[units]], rest[chosen[units]]
    return Split(train=rest, validation=validation, test=test, by="group")


def _record(left_out: list[_Left], metric: VerdictMetric | None, known: int, by: str, simplest: bool) -> LeftOutRecord:
    sign = -1.0 if metric is None else 1.0
    model = np.array([left.model for left in left_out])
    of_column = np.array([left.simplest for left in left_out])
    truth, answers = (
        np.concatenate(parts) for parts in zip(*((left.truth, left.answers) for left in left_out), strict=True)
    )
    majority = mean_interval(sign * (model - [left.majority for left in left_out]), by)
    column = SimplestRecord(score=float(of_column.mean()), gain=mean_interval(sign * (model - of_column), by))
    if metric is not None and metric.name != "accuracy":
        majority, column = _gains(left_out, metric, by)
    return LeftOutRecord(
        groups=tuple(sorted((left.row for left in left_out), key=lambda row: row.group)),
        known=known,
        by=by,
        score=mean_interval(model, by, (0.0, math.inf) if metric is None else SHARE, len(truth)),
        majority=majority,
        simplest=None if simplest else column,
        r2=_r2(truth, answers) if metric is None else None,
    )  # fmt: skip


def _gains(left_out: list[_Left], metric: VerdictMetric, by: str) -> tuple[Interval, SimplestRecord]:
    """Return the gains over a constant prediction and over one column, of all samples that were left out.

    A group may lack a class, so a metric of uneven classes is not a mean over groups.
    """
    groups = np.concatenate([np.full(len(left.truth), index) for index, left in enumerate(left_out)])
    truth, answers, column = (
        np.concatenate(parts)
        for parts in zip(*((left.truth, left.answers, left.simplest_answers) for left in left_out), strict=True)
    )
    sure = np.concatenate([metric.confidence_of(left.answers, left.confidence) for left in left_out])

    def model(rows: NDArray[np.int64]) -> float:
        return metric.score(truth[rows], answers[rows], sure[rows])

    over_constant = group_interval(groups, lambda rows: model(rows) - metric.constant(truth[rows]), by=by)
    gain = group_interval(groups, lambda rows: model(rows) - metric.score(truth[rows], column[rows]), by=by)
    return over_constant, SimplestRecord(score=metric.score(truth, column), gain=gain)


def _r2(truth: NDArray[Any], answers: NDArray[Any]) -> float:
    truth = truth.astype(np.float64)
    spread = float(((truth - truth.mean()) ** 2).sum())
    return 1.0 - float(((truth - answers) ** 2).sum()) / spread if spread > 0 else -math.inf
