"""Rolls back a release on trial: one transaction that the agent and its launcher share."""

from __future__ import annotations

from contextlib import suppress

from edgewright.fleet.device.ports import Slots
from edgewright.fleet.device.state_database import State
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_report import Because


def go_back(state: State, slots: Slots, because: Because, detail: str, wall: float) -> None:
    """Roll back: activate the previous slot and burn the counter, in one transaction.

    If the previous slot contains no permitted release, no slot is active until the next release is there.
    """
    held = state.held
    trial = held.trial
    assert trial is not None  # noqa: S101 - callers check it
    before = None
    with suppress(InputError):  # a label by a newer version
        before = slots.holds(trial.previous) if trial.previous else None
    there = before is not None and before.counter == trial.before and trial.before >= held.floor
    outcome = state.tell("reverted", trial.counter, trial.plan, wall, because, detail)
    state.change(
        [outcome], active=trial.previous if there else "", counter=trial.before if there else 0,
        plan=trial.plan_before if there else "", trial=None, fetched=None, because=because,
        burned=(*held.burned, trial.counter), environment=trial.environment, environment_before=trial.environment,
    )  # fmt: skip
