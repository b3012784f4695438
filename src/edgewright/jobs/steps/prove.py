"""`prove`: the same raw samples through every form of a run's package."""

from __future__ import annotations

from typing import Annotated

import msgspec

from edgewright.core.formatting import plural
from edgewright.jobs.steps import Step, StepConfig, Work
from edgewright.schema.job import JobFigure, StepRecord
from edgewright.workflows.proof.workflow import ROWS, prove_place


class Config(StepConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A proof.

    Attributes:
        run: step whose run is proven; the newest when empty.
        file: that a step left and that is proven on its own, such as a coach, in place of a run.
        rows: most samples.
        device: profile whose processor is emulated, too; empty for none.
    """

    run: str = ""
    file: str = ""
    rows: Annotated[int, msgspec.Meta(ge=1)] = ROWS
    device: str = ""


def _prove(config: Config, work: Work) -> StepRecord:
    folder = work.out / config.file if config.file else work.run_of(config.run).folder
    with work.listener.doing("Proving"):
        record = prove_place(str(folder), rows=config.rows, device=config.device)
    device = f" --device {config.device}" if config.device else ""
    absent = [f"{form.name} did not run: {form.reason}." for form in record.absent]
    pairs = sum(len(part.pairs) for part in (record, *record.parts))
    word = "do not all agree" if record.disagrees else "agree"
    broken = f" The forms differ at stage {record.breaks.stage}." if record.breaks is not None else ""
    return StepRecord(
        command=f"edgewright prove {folder.name} --rows {config.rows}{device}",
        says=(f"{plural(pairs, 'pair')} of {len(record.forms)} forms {word}.{broken}", *absent),
        figures=(JobFigure.of("pairs", "pairs compared", pairs, "1"),),
        passed=not record.disagrees and pairs > 0,
    )  # fmt: skip


STEP = Step(Config, "Proof", _prove)
