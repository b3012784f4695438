"""`shield`: the state table that limits a policy, written from assumptions and checked in every state of its grid."""

from __future__ import annotations

import msgspec

from edgewright.core.files import write_atomic
from edgewright.core.formatting import percent, plural
from edgewright.core.state_machine.validation import read_table
from edgewright.jobs.simulation.envelope import check_shield, read_envelope, shield_table
from edgewright.jobs.steps import Step, StepConfig, Work
from edgewright.pipeline.toml_text import toml_text, value_text
from edgewright.schema.job import JobFigure, StepRecord

TABLE = "shield.toml"


class Config(StepConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A shield.

    Attributes:
        envelope: its assumptions, a table of the job's folder.
    """

    envelope: str = "envelope.toml"


def _shield(config: Config, work: Work) -> StepRecord:
    envelope = read_envelope(work.folder / config.envelope)
    folder = work.out / (config.name or config.kind)
    folder.mkdir()
    table = msgspec.to_builtins(shield_table(envelope))
    rows = table.pop("steps")
    write_atomic(folder / TABLE, f"{toml_text(table)}steps = {value_text(rows, lines=True)}\n".encode())
    # What is checked is the file that a device reads.
    checked = read_table(folder / TABLE)
    with work.listener.doing("Checking every state"):
        found = check_shield(envelope, checked)
    says = [
        f"The table has {plural(len(rows), 'row')}; more than hardest braking is allowed in {percent(found.free)} of "
        f"{found.states:,} states. After each of {found.transitions:,} allowed transitions braking still ends before "
        "the one ahead."
        if not found.broken
        else f"{len(found.broken):,} of {found.transitions:,} transitions lead where braking does not help any more, "
        f"the first: {found.broken[0]}."
    ]
    return StepRecord(
        command=f"edgewright jobs run {work.folder.name}",
        says=tuple(says),
        figures=(
            JobFigure(name="states", title="states checked", value=found.states, unit="1"),
            JobFigure(name="transitions", title="transitions checked", value=found.transitions, unit="1"),
            JobFigure(name="broken", title="transitions into a collision", value=len(found.broken), unit="1"),
        ),
        folder=folder.name,
        passed=not found.broken,
    )


STEP = Step(Config, "The shield's table, every state", _shield)
