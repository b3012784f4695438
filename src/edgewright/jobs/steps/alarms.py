"""`alarms`: whole recordings of those who judge, through the device's network and the tuned decision."""

from __future__ import annotations

import msgspec

from edgewright.core.package import read_package
from edgewright.core.predictor import Predictor, package_path
from edgewright.data.load import load_data
from edgewright.jobs.alarm_figures import alarm_figures
from edgewright.jobs.steps import Step, StepConfig, Work
from edgewright.jobs.steps.replay import unseen
from edgewright.pipeline.package.variants import recording_engine
from edgewright.pipeline.run_folder.folder import judged_of
from edgewright.schema.errors import InputError
from edgewright.schema.job import StepRecord
from edgewright.workflows.tuning.grid import Tally, evaluated
from edgewright.workflows.tuning.recordings import tapes_of
from edgewright.workflows.tuning.workflow import usual_tolerance


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
    figures, each = alarm_figures(tallies, alarms)
    return StepRecord(
        command=f"edgewright jobs run {name}", figures=tuple(figures), says=(f"By group: {each}.",),
    )  # fmt: skip


STEP = Step(Config, "Alarms of those who judge", _alarms)
