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
        gains = simulate(ran.folder, ScoreRequest(), Examples(config.seconds, "first" if config.first else "seconds"))
    worst = min(gains.people, key=lambda person: person.after)
    losers = [person.name for person in gains.people if person.before - person.after > POINT]
    lost = f"Worse by more than a point: {', '.join(losers)}" if losers else "Nobody loses more than a point"
    used = sum(person.used for person in gains.people)
    return StepRecord(
        command=f"edgewright adapt simulate {ran.folder.name} "
        f"--{'first' if config.first else 'examples'} {config.seconds:g}s",
        says=(
            f"The learned layer answers for {used} of {len(gains.people)} people; the guard keeps the factory's layer "
            f"for the others. {lost}.",
        ),
        figures=(
            JobFigure.of_interval("before", "accuracy before", gains.before),
            JobFigure.of_interval("after", "accuracy after", gains.after),
            JobFigure.of_interval("gain", "gain", gains.gain),
            JobFigure.of("worst", f"worst person after: {worst.name}", worst.after),
            JobFigure.of("losers", "people who lose more than a point", len(losers), "1"),
        ),
    )


STEP = Step(Config, "Learning from the wearer", _adapt)
