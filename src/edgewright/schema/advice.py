"""The records of an advice (`advice.json`) and of learning curves (`curve.json`). Versioned."""

from __future__ import annotations

import msgspec

from edgewright.schema.footprint import Footprint
from edgewright.schema.race import LadderRecord
from edgewright.schema.trace import Interval, Part

CURVE_VERSION = 1


class CurvePoint(Part, frozen=True, kw_only=True):
    """One size.

    Attributes:
        size: samples that were trained on, or parameters of the network.
        errors: of every repeat.
    """

    size: float
    errors: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over the repeats."""
        return sum(self.errors) / len(self.errors)


class CurveRecord(Part, frozen=True, kw_only=True):
    """Error against size, and what the fitted power law says of another.

    Attributes:
        points: smallest size first.
        exponent: of the power law; `floor` the error that no size removes.
        at: the size that is predicted, `predicted` its error with its interval, as the mean over seeds of the model.
        gain: how much the error falls from the largest size to that one, with its interval.
        single: how far one training lies from the mean over seeds, in nine of ten, in the unit of the error.
        unanswerable: why the prediction says too little, before anything is measured; empty where it says enough.
        measured: the error at that size where it was measured afterwards.
    """

    points: tuple[CurvePoint, ...]
    exponent: Interval
    floor: float
    at: float
    predicted: Interval
    gain: Interval
    single: float = 0.0
    unanswerable: str = ""
    measured: float | None = None

    @property
    def inside(self) -> bool | None:
        """Whether what was measured lies in the interval; None before."""
        if self.measured is None:
            return None
        return self.predicted.low <= self.measured <= self.predicted.high

    @property
    def broken(self) -> bool:
        """Whether something was promised and did not come true."""
        return not self.unanswerable and self.inside is False

    @property
    def lowest(self) -> float:
        """The lowest error that was measured; no floor lies above it."""
        known = [point.mean for point in self.points]
        return min(known if self.measured is None else [*known, self.measured])


class Curves(Part, frozen=True, kw_only=True):
    """What was looked at, and both curves.

    Attributes:
        name: name of the data; `model` what was trained, `error` what is counted, in words.
        share: whether the error is a share of one, so that its changes are points.
        unit: what a subset keeps whole, such as 'group' or 'row'.
        data: against the amount of data; `parameters` against the size of the network, None for other models.
        verdict: in a sentence.
        judges: samples that judge, where the error is a share of them; else 0.
        fingerprint: of data, model and metric: another record's prediction is of the same thing only where it agrees.
        cpu_seconds: spent in all.
    """

    version: int = CURVE_VERSION
    name: str
    model: str
    error: str
    share: bool
    unit: str
    data: CurveRecord
    parameters: CurveRecord | None = None
    verdict: str = ""
    judges: int = 0
    fingerprint: str = ""
    cpu_seconds: float = 0.0


ADVICE_VERSION = 1


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
        commands: that go on from here.
        left_out: columns that are no part of the problem, with the reason.
    """

    task: str
    why: tuple[str, ...]
    capabilities: tuple[Capability, ...]
    commands: tuple[str, ...]
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


class Measured(Part, frozen=True, kw_only=True):
    """What data and models gave, before places are compared.

    Attributes:
        name, target: of the data, and what is predicted.
        frame: step 1.
        existing: step 3.
        ladder: steps 4 and 5; None for framings that no ladder measures. `measured` are then the options that were.
        choice: name of the rung or method, `choice_why` a sentence.
        unmet: needs that are not met, by how much, with what comes nearest.
        curve: what more data is worth; `curve_note` says it, or why it was not measured.
        flips: what would change the choice.
        costs: what it will cost, name and figure.
        commands: to go on with.
        notes: what a reader should know.
    """

    name: str
    target: str = ""
    frame: Frame
    existing: tuple[Existing, ...] = ()
    ladder: LadderRecord | None = None
    measured: tuple[tuple[str, str], ...] = ()
    choice: str
    choice_why: str
    unmet: tuple[str, ...] = ()
    curve: Curves | None = None
    curve_note: str = ""
    flips: tuple[Flip, ...] = ()
    costs: tuple[tuple[str, str], ...] = ()
    commands: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Advice(Measured, frozen=True, kw_only=True):
    """A decision record.

    Attributes:
        device: profile; `radio` the link; `battery` whether it runs on a cell.
        needs, parameters, traffic, places: step 2; `place` is the one that is advised, `place_why` with its margin.
        footprint: of the choice on the device.
        met: whether every need is.
    """

    version: int = ADVICE_VERSION
    device: str
    radio: str
    battery: bool = True
    seed: int = 0
    needs: tuple[Need, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    traffic: Traffic
    places: tuple[Placement, ...]
    location: str = msgspec.field(name="place")
    place_why: str
    footprint: Footprint | None = None
    met: bool = True
