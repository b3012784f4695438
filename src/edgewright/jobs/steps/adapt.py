"""`adapt`: what learning on the device would gain for people never seen, and for whom it would lose."""

from __future__ import annotations

from typing import Annotated

import msgspec

from edgewright.jobs.steps import Step, StepConfig, Work
from edgewright.schema.job import JobFigure, StepRecord
from edgewright.workflows.adaptation.examples import Examples
from edgewright.workflows.adaptation.simulation import POINT, simulate
from edgewright.workflows.scoring.rows import ScoreRequest


class Config(StepConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A simulated calibration.

    Attributes:
        run: step whose package learns; the newest when empty.
        seconds: labelled of each class.
        first: label the first `seconds` of each person instead, of whatever class.
    """

    run: str = ""
    seconds: Annotated[float, msgspec.Meta(gt=0)] = 30.0
    first: bool = False


def _adapt(config: Config, work: Work) -> StepRecord:
    ran = work.run_of(config.run)
    with work.listener.doing("Learning from each person"):
        found = simulate(ran.folder, ScoreRequest(), Examples(config.seconds, "first" if config.first else "seconds"))
    worst = min(found.people, key=lambda one: one.after)
    losers = [one.name for one in found.people if one.before - one.after > POINT]
    lost = f"Worse by more than a point: {', '.join(losers)}" if losers else "Nobody loses more than a point"
    used = sum(one.used for one in found.people)
    return StepRecord(
        command=f"edgewright adapt simulate {ran.folder.name} "
        f"--{'first' if config.first else 'examples'} {config.seconds:g}s",
        says=(
            f"The learned layer answers for {used} of {len(found.people)} people; the guard keeps the factory's layer "
            f"for the others. {lost}.",
        ),
        figures=(
            JobFigure(name="before", title="accuracy before", value=found.before.value, interval=found.before),
            JobFigure(name="after", title="accuracy after", value=found.after.value, interval=found.after),
            JobFigure(name="gain", title="gain", value=found.gain.value, interval=found.gain),
            JobFigure(name="worst", title=f"worst person after: {worst.name}", value=worst.after),
            JobFigure(name="losers", title="people who lose more than a point", value=len(losers), unit="1"),
        ),
    )


STEP = Step(Config, "Learning from the wearer", _adapt)
