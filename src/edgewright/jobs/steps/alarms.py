"""`alarms`: whole recordings of those who judge, through the device's network and the tuned decision."""

from __future__ import annotations

import msgspec
import numpy as np

from edgewright.core.formatting import plural
from edgewright.core.package import read_package
from edgewright.core.predictor import Predictor, package_path
from edgewright.data.load import load_data
from edgewright.jobs.group_figures import ratio, with_and_without
from edgewright.jobs.steps import Step, StepConfig, Work
from edgewright.jobs.steps.replay import unseen
from edgewright.pipeline.package.variants import recording_engine
from edgewright.pipeline.run_folder.folder import judged_of
from edgewright.schema.errors import InputError
from edgewright.schema.job import JobFigure, StepRecord
from edgewright.schema.trace import Interval
from edgewright.training.metrics import SHARE
from edgewright.workflows.detection.threshold import rate
from edgewright.workflows.tuning.grid import Tally, evaluated
from edgewright.workflows.tuning.recordings import tapes_of
from edgewright.workflows.tuning.workflow import usual_tolerance

_HOUR = 3600.0


class Config(StepConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A judgement of alarms.

    Attributes:
        run: step whose package answers, as it was judged, by the decision that a step `tune` chose; the newest when
            empty.
    """

    run: str = ""


def _alarms(config: Config, work: Work) -> StepRecord:
    ran = work.run_of(config.run)
    if ran.decision is None or not ran.decision.alarms:
        raise InputError("a tuned decision", "none", f"{work.folder.name} job.toml", "Put a step 'tune' before")
    dataset = load_data(ran.config.data, seed=ran.config.seed, path=ran.data)
    parts = unseen(ran, dataset)
    package = read_package(package_path(judged_of(ran.folder)))
    form = package.manifest.default
    predictor = Predictor(package, form=form, engine=recording_engine(package.model(form)).name)
    judging = msgspec.structs.replace(
        dataset, recordings=tuple({recording.name: recording for recording, _ in parts}.values())
    )
    people = sorted({group for _, (group, _, _) in parts})
    with work.listener.doing("Listening", len(judging.recordings)) as advance:
        tapes, _ = tapes_of(predictor, judging, ran.decision.alarms, people, advance)
    tolerance = usual_tolerance(package.manifest, tapes[0])
    tallies: dict[str, list[Tally]] = {}
    for tape, tally in zip(
        tapes, evaluated(tapes, ran.decision, package.manifest.labels, tolerance).tallies, strict=True
    ):
        tallies.setdefault(tape.group, []).append(tally)
    return record_of(work.folder.name, ran.decision.alarms, tallies)


def record_of(name: str, alarms: tuple[str, ...], tallies: dict[str, list[Tally]]) -> StepRecord:
    """Return what alarms say of those who judge.

    Args:
        name: name of the job.
        alarms: labels that call for somebody.
        tallies: of the recordings of each of them.
    """
    groups = sorted(tallies)
    events, missed, false, seconds = (
        np.array([sum(getattr(tally, key) for tally in tallies[group]) for group in groups], np.float64)
        for key in ("events", "missed", "false", "exposure")
    )
    hours = float(seconds.sum()) / _HOUR
    called = np.flatnonzero(events)
    value, low, high = rate(int(false.sum()), hours)
    alarmed = Interval(value=value, low=low, high=high, method="Byar")
    figures = [JobFigure.of("events", f"times {', '.join(alarms)} was said", int(events.sum()), "1")]
    if len(called):
        misses, calls, names = missed[called], events[called], [groups[row] for row in called]
        worst = int((misses / calls).argmax())
        figures += with_and_without("missed", "missed", names, worst, ratio(misses, calls), SHARE, joint=", ")
    figures += [
        JobFigure.of_interval("false_alarms", "false alarms an hour", alarmed, "1"),
        JobFigure.of("hours", "hours of other sound", hours, "1"),
    ]
    each = "; ".join(
        f"{group} {lost:g} of {spoken:g}, {plural(int(wrong), 'false alarm')} in {length / 60:.3g} min"
        for group, spoken, lost, wrong, length in zip(groups, events, missed, false, seconds, strict=True)
    )
    return StepRecord(
        command=f"edgewright jobs run {name}", figures=tuple(figures),
        says=(f"Times missed, by speaker: {each}.",) if len(groups) <= 12 else (f"{len(groups)} judged.",),
    )  # fmt: skip


STEP = Step(Config, "Alarms of those who judge", _alarms)
