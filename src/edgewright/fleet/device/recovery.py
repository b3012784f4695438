"""The agent's start: whatever a crash or a power cut left is made one of the states that the machine knows."""

from __future__ import annotations

import msgspec

from edgewright.fleet.device.package_slots import NAMES
from edgewright.fleet.device.ports import Slot, Slots
from edgewright.fleet.device.state_database import State
from edgewright.schema.errors import InputError


def recover(state: State, slots: Slots, product: str, wall: float) -> str:
    """Floors from wherever they are highest, an active slot whose bytes are right, and cut-off starts counted.

    Args:
        state: open.
        slots: of the same store.
        product: that the device follows from now; a store follows one for ever.
        wall: seconds since 1970, for outcomes.

    Returns:
        One line about what was found wrong; empty for nothing.

    Raises:
        InputError: the store follows another product.
        OutputError: the disk is full or broken.
    """
    held = state.held
    if held.product and held.product != product:
        raise InputError(f"the product {held.product!r} that this store follows", repr(product), "--product",
                         "Name another folder with --store")  # fmt: skip
    floor = max(held.floors.get(product, 0), *(slots.floor(slot) for slot in NAMES))
    if not held.begun:
        slot = _confirmed(slots, product, floor)
        found = slots.holds(slot) if slot else None
        counter = found.counter if found else 0
        state.change(begun=True, product=product, active=slot, counter=counter, floors={product: floor})
    elif floor > held.floor:
        state.change(floors={product: floor})
    slots.raise_floor(floor)
    return _sound(state, slots, wall) or _cut_off(state)


def _confirmed(slots: Slots, product: str, floor: int) -> Slot:
    """The slot of the release that was confirmed last, as the floors say it: the floor rises with each confirmation."""
    for slot in NAMES:
        release = slots.holds(slot)
        if release is not None and release.product == product and release.counter == floor:
            return slot
    return ""


def _sound(state: State, slots: Slots, wall: float) -> str:
    """The active slot's bytes are those of its release; otherwise the device goes back, or fetches it again."""
    held = state.held
    release = slots.holds(held.active) if held.active else None
    if not held.active or (release is not None and release.counter == held.counter):
        return ""
    if held.trial is not None:
        go_back(state, slots, "damaged", "the package in the active slot is damaged", wall)
        return "the package on trial was damaged on this device"
    told = state.tell("refused", held.counter, held.plan, wall, "damaged", "the active slot's bytes have changed")
    state.change([told], active="", counter=0, plan="", fetched=None)
    return "the active package was damaged on this device; it is fetched again"


def _cut_off(state: State) -> str:
    trial = state.held.trial
    if trial is None or not trial.running:
        return ""
    state.change(trial=msgspec.structs.replace(trial, running=False, boots=trial.boots + 1))
    return f"the device was cut off during the trial, {trial.boots + 1} of {trial.limits.boots} times"


def go_back(state: State, slots: Slots, because: str, detail: str, wall: float) -> None:
    """The trial is lost: the slot before is active again and the counter burned, in one transaction.

    Where the slot before holds nothing that may run, none is active until the next release is there.
    """
    held = state.held
    trial = held.trial
    assert trial is not None  # noqa: S101 - callers have looked
    before = slots.holds(trial.previous) if trial.previous else None
    there = before is not None and before.counter == trial.before and trial.before >= held.floor
    told = state.tell("reverted", trial.counter, trial.plan, wall, because, detail)  # type: ignore[arg-type]
    state.change(
        [told], active=trial.previous if there else "", counter=trial.before if there else 0,
        plan=trial.plan_before if there else "", trial=None, fetched=None, because=because,
        burned=(*held.burned, trial.counter),
    )  # fmt: skip
