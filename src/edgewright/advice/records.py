"""Record of an advice (`advice.json`). Versioned."""

from __future__ import annotations

import msgspec

from edgewright.core.records.footprint import Footprint
from edgewright.core.records.race import RaceRecord
from edgewright.core.records.trace import Part

ADVICE_VERSION = 2


class Capability(Part, frozen=True, kw_only=True):
    """Zero-shot, reasoning, retrieval or generation: whether the problem needs it, and why."""

    name: str
    needed: bool
    why: str


class Frame(Part, frozen=True, kw_only=True):
    """How a problem is framed.

    Attributes:
        task: 'classification', 'regression', 'clustering', 'anomaly', 'forecasting', 'intent' or 'retrieval'.
        why: sentences, each with what in the data says so.
        capabilities: all four.
        left_out: columns that are no part of the problem, with the reason.
    """

    task: str
    why: tuple[str, ...]
    capabilities: tuple[Capability, ...]
    left_out: tuple[tuple[str, str], ...] = ()


class Need(Part, frozen=True, kw_only=True):
    """What was asked for.

    Attributes:
        name: 'latency', 'offline', ...
        text: as it was given.
        limit: in seconds, bytes, bytes a day, US dollars a year, days or a score; None for what has no amount.
    """

    name: str
    text: str
    limit: float | None = None


class Parameter(Part, frozen=True, kw_only=True):
    """A figure of the arithmetic: its value, unit, source, and whether the user gave it."""

    name: str
    value: float
    unit: str
    source: str
    given: bool = False


class Traffic(Part, frozen=True, kw_only=True):
    """What is read and answered in a day.

    Attributes:
        rows_day: readings of all columns.
        answers_day: answers, one a row or one a window.
        told_day: answers that are sent when they are worked out on the device: only those that differ from the one
            before, where the data says how often that is.
        raw_bytes_day: of all readings.
        how: where these are from, a sentence each.
    """

    rows_day: float
    answers_day: float
    told_day: float
    raw_bytes_day: float
    how: tuple[str, ...] = ()


class Placement(Part, frozen=True, kw_only=True):
    """Where the model could run, in numbers for one device.

    Attributes:
        name: 'device', 'gateway' or 'server'; `runs_on` the profile there.
        bytes_day, messages_day: that the device sends, headers included.
        radio_j_day, compute_j_day, sleep_j_day: of the device's own energy, joules.
        elsewhere_j_day: that the gateway or the server spends on the answers.
        battery_days: that the cell lasts.
        latency_s: from the last reading to the answer at the device.
        silent_hours_day: hours a day without answers because a link is down.
        cost_year: US dollars for one device, of data, energy or cells, answers and a share of the gateway.
        leaves: what leaves the device.
        computing: whether it is known what an answer takes of a processor; latency and energy are without it else.
        misses: needs that are not met, each by how much.
        beyond: factor by which the need that is missed most is missed; 0 where all are met.
    """

    name: str
    runs_on: str
    bytes_day: float
    messages_day: float
    radio_j_day: float
    compute_j_day: float
    sleep_j_day: float
    elsewhere_j_day: float
    battery_days: float
    latency_s: float
    silent_hours_day: float
    cost_year: float
    leaves: str
    computing: bool = True
    misses: tuple[str, ...] = ()
    beyond: float = 0.0

    @property
    def energy_j_day(self) -> float:
        """Of the device, joules a day."""
        return self.radio_j_day + self.compute_j_day + self.sleep_j_day


class Existing(Part, frozen=True, kw_only=True):
    """A solution that exists or needs no training: what it is, what it reached here ('' where not measured), how."""

    name: str
    purpose: str = msgspec.field(name="what")
    measured: str = ""
    command: str = ""


class Flip(Part, frozen=True, kw_only=True):
    """What would change the choice, and to what."""

    when: str
    then: str


class Advice(Part, frozen=True, kw_only=True):
    """A decision record in five steps.

    Attributes:
        name: name of the data; `target` the column that is predicted.
        frame: step 1.
        device: name of the profile; `radio` the link; `battery` whether the device runs on a battery.
        needs, parameters, traffic, places: step 2; `location` is the advised place, `place_why` the reason.
        existing: step 3, solutions that exist or need no training.
        race: steps 4 and 5, an explained race; None for tasks that no race compares.
        choice: title of the model or method; `choice_why` the reason.
        footprint: footprint of the choice on the device; None if it is unknown.
        unmet: needs that are not met, and by how much.
        flips: changes that would lead to another advice.
        costs: name and figure of each cost.
        commands: next shell commands.
        notes: findings and assumptions.
        met: whether every need is met.
    """

    version: int = ADVICE_VERSION
    name: str
    target: str = ""
    frame: Frame
    device: str
    radio: str = ""
    battery: bool = True
    needs: tuple[Need, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    traffic: Traffic | None = None
    places: tuple[Placement, ...] = ()
    location: str = msgspec.field(default="", name="place")
    place_why: str = ""
    existing: tuple[Existing, ...] = ()
    race: RaceRecord | None = None
    choice: str
    choice_why: str
    footprint: Footprint | None = None
    unmet: tuple[str, ...] = ()
    flips: tuple[Flip, ...] = ()
    costs: tuple[tuple[str, str], ...] = ()
    commands: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    met: bool = True
