"""`detect`: a detector of labelled events, judged on people or machines left out, or on later time of the only one."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import numpy as np

from edgewright.core.formatting import plural
from edgewright.data.load import load_data
from edgewright.jobs.group_figures import ratio, with_and_without
from edgewright.jobs.steps import Step, StepConfig, Work
from edgewright.monitor.detector_stream import write_detector
from edgewright.schema.data import DataSet, Recording
from edgewright.schema.errors import InputError
from edgewright.schema.job import JobFigure, StepRecord
from edgewright.schema.package import WindowSpec
from edgewright.schema.trace import Interval
from edgewright.training.metrics import SHARE
from edgewright.workflows.detection.fit import fit_detector, scored
from edgewright.workflows.detection.rows import Watched, watched_of
from edgewright.workflows.detection.selection import choose
from edgewright.workflows.detection.threshold import Counts, ThresholdRequest, counted, events_of, rate, share
from edgewright.workflows.tuning.recordings import parts_of

_HOUR = 3600.0


class Config(StepConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A detector.

    Attributes:
        data: table of the rows, as `[data]` of a pipeline; its labels say what is odd.
        normal: labels that are normal.
        detector: its kind; 'auto' compares all of them on the rows that fit.
        samples: rows of a window; 0 watches rows.
        step: rows from one window to the next; half a window when 0.
        false_alarms: accepted a day where the rows that fit have no events.
        later: share of a recording that judges, where there is one person or machine.
    """

    data: dict[str, Any]
    normal: tuple[str, ...]
    detector: str = "auto"
    samples: Annotated[int, msgspec.Meta(ge=0)] = 0
    step: Annotated[int, msgspec.Meta(ge=0)] = 0
    false_alarms: Annotated[float, msgspec.Meta(ge=0)] = 24.0
    later: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.5


class _GroupCounts(msgspec.Struct, frozen=True):
    """What a detector that has not seen them says of the rows of a person or machine."""

    name: str
    counts: Counts
    hours: float


def _detect(config: Config, work: Work) -> StepRecord:
    dataset = _by_group(load_data(config.data, seed=0, path=work.path_of(config.data)))
    window = None
    if config.samples:
        window = WindowSpec(samples=config.samples, step=config.step or config.samples // 2, rate=dataset.rate)
    names = sorted({_of(item) for item in dataset.recordings})
    judgements = []
    for name in work.each("Judging the detector", names, len(names)):
        fits, judges = _sides(dataset, name, len(names) > 1, config.later)
        judgements.append(_judge(config, name, _watched(config, fits, window), _watched(config, judges, window)))
    whole = _watched(config, dataset, window)
    fitted = fit_detector(whole, _kind(config, whole), request=ThresholdRequest(false_alarms=config.false_alarms))
    file = work.out / f"{config.step_name}.detector"
    write_detector(file, fitted.spec, fitted.learnt)
    events = sum(item.counts.detected + item.counts.missed for item in judgements)
    by = f"{plural(len(names), 'group')}, each left out" if len(names) > 1 else f"the later part of {names[0]}, alone"
    none = "" if events else ". No row that judges is labelled as an event: what would be missed is not known"
    hours = sum(item.hours for item in judgements)
    return StepRecord(
        command=f"edgewright detect fit DATA --detector {fitted.spec.kind} --out {file.name}",
        says=(f"{fitted.spec.kind} judged on {by}: {hours:.3g} hours outside of events{none}",),
        figures=tuple(_figures(judgements, events, hours)),
    )


def _by_group(dataset: DataSet) -> DataSet:
    """Return the rows with one group in each recording."""
    parts = [_part(recording, start, end) for recording in dataset.recordings for _, start, end in parts_of(recording)]
    return msgspec.structs.replace(dataset, recordings=tuple(parts))


def _of(recording: Recording) -> str:
    return recording.name if recording.groups is None else str(recording.groups[0])


def _sides(dataset: DataSet, name: str, others: bool, later: float) -> tuple[DataSet, DataSet]:
    """Return rows that fit and rows that judge."""
    if others:
        sides = [
            tuple(recording for recording in dataset.recordings if (_of(recording) == name) == mine)
            for mine in (False, True)
        ]
        return tuple(msgspec.structs.replace(dataset, recordings=side) for side in sides)  # type: ignore[return-value]
    edges = [round(len(recording.values) * (1 - later)) for recording in dataset.recordings]
    first = tuple(_part(recording, 0, edge) for recording, edge in zip(dataset.recordings, edges, strict=True))
    last = tuple(
        _part(recording, edge, len(recording.values)) for recording, edge in zip(dataset.recordings, edges, strict=True)
    )
    return msgspec.structs.replace(dataset, recordings=first), msgspec.structs.replace(dataset, recordings=last)


def _part(recording: Recording, start: int, end: int) -> Recording:
    rows = {
        key: value[start:end]
        for key in ("values", "target", "groups", "time", "sessions")
        if (value := getattr(recording, key)) is not None
    }
    return msgspec.structs.replace(recording, **rows)


def _watched(config: Config, dataset: DataSet, window: WindowSpec | None) -> Watched:
    if not dataset.target_name:
        raise InputError("rows with labels that say what is odd", "none", dataset.name, "Name the column in data")
    return watched_of(dataset, window, normal=config.normal, target=dataset.target_name)


def _kind(config: Config, watched: Watched) -> str:
    if config.detector != "auto":
        return config.detector
    return choose(watched, ThresholdRequest(false_alarms=config.false_alarms), lambda _: None).candidates[0].kind


def _judge(config: Config, name: str, fits: Watched, judges: Watched) -> _GroupCounts:
    fitted = fit_detector(fits, _kind(config, fits), request=ThresholdRequest(false_alarms=config.false_alarms))
    counts = Counts()
    for stretch in judges.stretches:
        odd = scored(fitted.spec.kind, fitted.learnt, stretch) >= fitted.spec.threshold.value
        counts = sum(counted(odd, events_of(stretch), fitted.spec.refractory), counts)
    return _GroupCounts(name, counts, counts.calm / (judges.per_second or 1.0) / _HOUR)


def _figures(judgements: list[_GroupCounts], events: int, hours: float) -> list[JobFigure]:
    detected, false, exposure = (
        np.array([judgement.counts.detected for judgement in judgements], np.float64),
        np.array([judgement.counts.false for judgement in judgements], np.float64),
        np.array([judgement.hours for judgement in judgements]),
    )
    known = np.array([judgement.counts.detected + judgement.counts.missed for judgement in judgements], np.float64)
    figures = [JobFigure.of("events", "events", events, "1")]
    if len(judgements) == 1:
        if events:
            figures.append(_alone("found", "events found", share(int(detected[0]), events), "Wilson", ""))
        return [*figures, _alone("false_alarms", "false alarms an hour", rate(int(false[0]), hours), "Byar", "1")]
    names = [judgement.name for judgement in judgements]
    worst, loudest = int((detected / np.maximum(known, 1)).argmin()), int((false / exposure).argmax())
    hourly = ratio(false, exposure)
    return [
        *figures,
        *with_and_without("found", "events found", names, worst, ratio(detected, known), SHARE),
        *with_and_without("false_alarms", "false alarms an hour", names, loudest, hourly, (0.0, np.inf), "1"),
    ]


def _alone(name: str, title: str, estimate: tuple[float, float, float], method: str, unit: str) -> JobFigure:
    value, low, high = estimate
    interval = Interval(value=value, low=low, high=high, method=f"{method}, one group")
    return JobFigure.of_interval(name, title, interval, unit)


STEP = Step(Config, "Events by a detector", _detect)
