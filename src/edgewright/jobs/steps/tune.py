"""`tune`: how answers become alarms, chosen on the run's validation people."""

from __future__ import annotations

import shlex
from typing import Annotated

import msgspec

from edgewright.core.formatting import percent, plural
from edgewright.jobs.steps import Step, StepConfig, Work
from edgewright.schema.job import Choice, JobFigure, StepRecord
from edgewright.workflows.tuning.document import tuning_sentence
from edgewright.workflows.tuning.selection import Cost
from edgewright.workflows.tuning.workflow import TuningRequest, tune

_DAY_HOURS = 24


class Config(StepConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tuning.

    Attributes:
        run: step whose run is tuned; the newest when empty.
        alarms: labels that call for somebody; all but those that mean 'normal' when empty.
        false_alarm, miss: costs.
        hourly: false alarms an hour that are accepted, in place of costs: of what keeps to it the decision that misses
            least is taken; 0 for costs.
    """

    run: str = ""
    alarms: tuple[str, ...] = ()
    false_alarm: float = 1.0
    miss: float = 10.0
    hourly: Annotated[float, msgspec.Meta(ge=0)] = 0.0


def _tune(config: Config, work: Work) -> StepRecord:
    ran = work.run_of(config.run)
    folder = ran.folder
    daily = _DAY_HOURS * config.hourly
    request = TuningRequest(Cost(config.false_alarm, config.miss), maximum=daily or None, alarms=config.alarms)
    tuned = tune(folder, request, out=work.out / f"{folder.name}-tuned", listener=work.listener)
    record = tuned.record
    ran.decision = record.decision
    reason = f"misses least at {config.hourly:g} or fewer false alarms an hour" if daily else "costs least"
    point = record.held_out or record.points[record.chosen]
    missed = point.missed_share
    alarms = "".join(f" --alarm {shlex.quote(label)}" for label in config.alarms)
    cost = f"--cost false-alarm={config.false_alarm:g},miss={config.miss:g}"
    by = f"--alarms-per-day {daily:g}" if daily else cost
    of = "of people whom the choice did not see" if record.held_out else "of the people who chose it"
    return StepRecord(
        command=f"edgewright tune {folder.name}{alarms} {by}",
        says=(tuning_sentence(record), f"Expect {percent(missed.value)} of events missed, {of}."),
        figures=(
            JobFigure.of_interval("missed", f"events missed, {of}", missed),
            JobFigure.of_interval("false_alarms", f"false alarms a {record.per}", point.false_rate, "1"),
        ),
        choice=Choice(
            question="When does an answer become an alarm?", chosen=tuning_sentence(record),
            why=f"of {plural(record.point_count, 'setting')} it {reason} on the validation people",
        ),
        folder=tuned.folder.name,
    )  # fmt: skip


STEP = Step(Config, "Alarms", _tune)
