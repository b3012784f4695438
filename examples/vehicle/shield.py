"""A shield: the state table that limits a policy, written from assumptions and checked in every state of its grid.

A state of the shield is the strongest action that it allows. An action is allowed where, after it lasted until the
watchdog calls while the one ahead braked as hard as assumed, one's own hardest braking still ends before the one
ahead (Shalev-Shwartz et al., 2017, "On a formal model of safe and scalable self-driving cars", rule 1).
"""

from __future__ import annotations

from collections import deque
from itertools import product
from math import inf
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec

from edgewright.core.errors import InputError
from edgewright.core.state_machine.machine import Machine
from edgewright.core.state_machine.table import LATE, Action, CheckedTable, StateTable, read_table
from edgewright.core.state_machine.table import Step as TableStep
from edgewright.core.toml_tables import convert_table, read_toml, toml_text, value_text

WINDOW, UNSURE = "window", "unsure"
Positive = Annotated[float, msgspec.Meta(gt=0)]


class Level(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An action as a state: its name, and its acceleration in m/s2."""

    state: str
    acceleration: float


class Envelope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Assumptions of a shield; all in metres and seconds.

    Attributes:
        name: name of the state table.
        period: between two decisions.
        frame: between two updates of the accelerations' effect; the simulator's.
        lead_brake: hardest braking of the one ahead.
        margin: kept at a standstill.
        fastest: own speed above which it always brakes.
        step: width of a cell of speeds.
        sight: gap that is told where nobody is seen.
        safe: state without perception; it allows the first level alone.
        patience: seconds without a sure answer until then; an action may last as long, in place of one period.
        doubts: answers that are missing or contradict earlier ones, so many `within` so many seconds: a safe stop.
        within: seconds.
        levels: the actions in their order, hardest braking first.
    """

    name: str = "shield"
    period: Positive
    frame: Positive
    lead_brake: Positive
    margin: Positive
    fastest: Positive
    step: Positive
    sight: Positive
    safe: str = "blind"
    patience: Positive
    doubts: Annotated[int, msgspec.Meta(ge=1)] = 4
    within: Positive = 5.0
    levels: Annotated[tuple[Level, ...], msgspec.Meta(min_length=2)]

    @property
    def states(self) -> tuple[str, ...]:
        """Of the levels, hardest braking first."""
        return tuple(level.state for level in self.levels)


def read_envelope(path: Path) -> Envelope:
    """Read assumptions.

    Raises:
        InputError: no TOML, a key that does not fit, or levels that are not in order of acceleration.
    """
    envelope = convert_table(read_toml(path, "the assumptions of a shield"), Envelope, path.name)
    accelerations = [level.acceleration for level in envelope.levels]
    if accelerations != sorted(accelerations) or accelerations[0] >= 0:
        raise InputError("levels from the hardest braking to the strongest acceleration", str(accelerations), path.name)
    if not envelope.period < envelope.patience < 2 * envelope.period:
        raise InputError(
            f"patience between one and two periods of {envelope.period:g} s", f"{envelope.patience:g}", path.name,
            "One decision without perception must reach the safe state, and none with it",
        )  # fmt: skip
    return envelope


def needed_gap(envelope: Envelope, speed: float, lead: float, acceleration: float) -> float:
    """Return the gap from which an action until the watchdog calls and hardest braking after it leave the margin.

    Frame after frame as simulators do: a distance by the speed before, then the speed.
    """
    frames, moved, closest = round(envelope.patience / envelope.frame), 0.0, 0.0
    number = 0
    while speed > 0 or number < frames:
        moved += (speed - lead) * envelope.frame
        closest = max(closest, moved)
        own = acceleration if number < frames else envelope.levels[0].acceleration
        speed = max(0.0, speed + own * envelope.frame)
        lead = max(0.0, lead - envelope.lead_brake * envelope.frame)
        number += 1
    return closest + envelope.margin


def shield_table(envelope: Envelope) -> StateTable:
    """Return the state table: a row for each cell of both speeds and each level but the first.

    A cell's row has its fastest own speed and its slowest one ahead, so that it holds for the whole cell.
    """
    count = round(envelope.fastest / envelope.step)
    edges = [index * envelope.step for index in range(count + 1)]
    states = (envelope.safe, *envelope.states)
    steps = []
    for level in envelope.levels[:0:-1]:
        for upper, lower in product(edges[:0:-1], edges[::-1]):
            gap = needed_gap(envelope, upper, lower, level.acceleration)
            if gap <= envelope.sight:
                when = f"speed < {upper:g} and lead >= {lower:g} and gap >= {gap:.2f}"
                steps.append(TableStep(state="*", event=WINDOW, when=when, to=level.state))
    steps.append(TableStep(state="*", event=WINDOW, to=envelope.levels[0].state))
    steps.append(TableStep(state="*", event=UNSURE, to=envelope.safe))
    steps.append(TableStep(state="*", event=LATE, actions=(Action(alarm="nothing is perceived: braking"),)))
    return StateTable(
        name=envelope.name, states=states, initial=envelope.safe, safe=envelope.safe, patience=envelope.patience,
        fallback="stay", steps=tuple(steps),
    )  # fmt: skip


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What a check of all states found.

    Attributes:
        states: of gap and both speeds that were looked at.
        transitions: of them, by every allowed action and every acceleration of the one ahead.
        free: share of the states in which more than the hardest braking is allowed.
        broken: transitions after which braking does not prevent a collision any more, though it did before.
    """

    states: int
    transitions: int
    free: float
    broken: tuple[str, ...]


def check_shield(envelope: Envelope, checked: CheckedTable) -> Checked:
    """Run the table itself on every state of a grid, and take every transition that it allows.

    The grid has gaps of whole metres and, of each cell of speeds, its fastest own and slowest speed ahead: within
    a cell more speed ahead and less of one's own only widen the gap. The one ahead brakes as hard as assumed, keeps its
    speed, or gains as much; an action lasts for a period, or until the watchdog calls. A state is lost where hardest
    braking ends in a collision already.
    """
    edges = [index * envelope.step for index in range(round(envelope.fastest / envelope.step) + 1)]
    changes, lasting = (-envelope.lead_brake, 0.0, envelope.lead_brake), (envelope.period, envelope.patience)
    states = transitions = free = 0
    broken: list[str] = []
    machine = Machine(checked)
    for speed, lead in product([edge - 1e-6 for edge in edges[1:]], edges):
        lost = _stopping(envelope, speed, lead)
        ways = [
            (level, _needed(envelope, speed, lead, own.acceleration, change, round(seconds / envelope.frame)))
            for (level, own), change, seconds in product(enumerate(envelope.levels), changes, lasting)
        ]
        for gap in range(int(envelope.sight) + 1):
            machine.push(WINDOW, {"speed": speed, "lead": lead, "gap": float(gap)}, 0.0)
            allowed = envelope.states.index(machine.state)
            states, free = states + 1, free + (allowed > 0)
            if allowed == 0 and gap <= lost:
                continue
            allowed_ways = [(level, needed) for level, needed in ways if level <= allowed]
            transitions += len(allowed_ways)
            broken += [
                f"speed {speed:.3g}, ahead {lead:.3g}, gap {gap}: {envelope.levels[level].state}"
                for level, needed in allowed_ways
                if gap <= needed
            ]
    return Checked(states=states, transitions=transitions, free=free / states, broken=tuple(broken))


class _Way(NamedTuple):
    """Metres by which a gap shrinks at most and in the end, and both speeds then."""

    closest: float
    end: float
    speed: float
    lead: float


def _way(speed: float, lead: float, own: float, other: float, frames: int, frame: float) -> _Way:
    """Drive so many frames with both accelerations."""
    closest, end = -inf, 0.0
    for _ in range(frames):
        end += (speed - lead) * frame
        closest = max(closest, end)
        speed, lead = max(0.0, speed + own * frame), max(0.0, lead + other * frame)
    return _Way(closest, end, speed, lead)


def _stopping(envelope: Envelope, speed: float, lead: float) -> float:
    """Return the gap up to which hardest braking ends in a collision when the one ahead brakes as hard as assumed."""
    brake = envelope.levels[0].acceleration
    frames = int(speed / -brake / envelope.frame) + 2
    return _way(speed, lead, brake, -envelope.lead_brake, frames, envelope.frame).closest


def _needed(envelope: Envelope, speed: float, lead: float, own: float, other: float, frames: int) -> float:
    """Return the gap up to which some frames with both accelerations, and braking then, end in a collision."""
    way = _way(speed, lead, own, other, frames, envelope.frame)
    return max(way.closest, way.end + _stopping(envelope, way.speed, way.lead))


class Shield:
    """A state table that says how much may be done.

    Args:
        envelope: its assumptions.
        checked: its table.

    Attributes:
        stopped: whether its assumptions broke so often that only the safe state is left.
    """

    def __init__(self, envelope: Envelope, checked: CheckedTable) -> None:
        self._within, self._doubts = envelope.within, deque[float](maxlen=envelope.doubts)
        self.stopped = False
        self._allows = {level.state: index for index, level in enumerate(envelope.levels)}
        self._slack = envelope.patience - envelope.period
        self.machine = Machine(checked)

    @property
    def state(self) -> str:
        """The present one."""
        return self.machine.state

    def limit(self, time: float, names: dict[str, float] | None, *, sure: bool, fits: bool = True) -> int:
        """Return the strongest action that is allowed now.

        Args:
            time: of the decision.
            names: what is perceived; None for nothing in time.
            sure: whether the policy is.
            fits: whether what is perceived agrees with what was perceived before.
        """
        if names is None or not fits:
            self._doubts.append(time)
            full = len(self._doubts) == self._doubts.maxlen
            self.stopped |= full and time - self._doubts[0] <= self._within
        if names is None:
            # The decision waits until the watchdog calls.
            self.machine.tick(time + self._slack + 1e-9)
        elif sure and fits and not self.stopped:
            self.machine.sure(time)
            self.machine.push(WINDOW, names, time)
        else:
            self.machine.push(UNSURE, names, time)
        return self._allows.get(self.machine.state, 0)


def write_shield(envelope: Envelope, path: Path) -> CheckedTable:
    """Write the state table of a shield, and return it as a device reads it."""
    table = msgspec.to_builtins(shield_table(envelope))
    rows = table.pop("steps")
    path.write_text(f"{toml_text(table)}steps = {value_text(rows, lines=True)}\n", encoding="utf-8")
    return read_table(path)
