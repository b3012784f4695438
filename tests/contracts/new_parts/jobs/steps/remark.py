"""`remark`: a sentence of a job's author."""

from __future__ import annotations

from edgewright.jobs.steps import Step, StepConfig, Work
from edgewright.schema.job import StepRecord


class Config(StepConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A remark.

    Attributes:
        text: what is said.
    """

    text: str = ""


def _remark(config: Config, work: Work) -> StepRecord:
    return StepRecord(says=(config.text,))


STEP = Step(Config, "Remark", _remark)
