"""Record of a tuning, and its blocks: the curve, the choice, and how the choice does on other people."""

from __future__ import annotations

from typing import Literal

import msgspec

from edgewright.core.formatting import number, percent, plural
from edgewright.core.records.device import DecisionSpec
from edgewright.core.records.trace import Part
from edgewright.core.records.trace_flow import Interval
from edgewright.trace.blocks.records import Block, Facts, Grid, Heading, Paragraph
from edgewright.trace.sentences.facts import interval_text

# Points of the front that a terminal shows; the record has all.
_MAX_POINTS = 12


def tuning_blocks(record: TuneRecord) -> tuple[Block, ...]:
    """Return what is printed."""
    return (*_head(record), *_curve(record), *_choice(record), *_notes(record))


def _head(record: TuneRecord) -> tuple[Block, ...]:
    unit = "days" if record.per == "day" else "thousand windows"
    events = record.before.events
    rows = (
        ("recordings", f"{record.data}: {plural(record.windows, 'window')}, {number(record.exposure)} {unit} outside "
                       f"of events"),
        ("events", f"{plural(events, 'stretch', 'stretches')} of {', '.join(record.alarms)}"),
        ("found", f"if an alarm occurs between its start and {number(record.tolerance)} "
                  f"{'s' if record.per == 'day' else 'rows'} after its end; any other alarm is false"),
        ("cost", f"false alarm {record.false_alarm_cost:g}, missed event {record.miss_cost:g}"),
        ("model", f"{record.form}, engine {record.engine}; {record.point_count:,} decisions were tried"),
    )  # fmt: skip
    return (Facts(rows=rows),)


def _curve(record: TuneRecord) -> tuple[Block, ...]:
    heads = ("point", "missed", "share (95 %)", f"false a {record.per} (95 %)", "delay", "cost", "decision")
    count = len(record.points)
    shown = list(range(count))
    if count > _MAX_POINTS:
        even = {round(i * (count - 1) / (_MAX_POINTS - 2)) for i in range(_MAX_POINTS - 1)}
        shown = sorted(even | {record.chosen})
    rows = tuple(
        _row(f"{index + 1}{' chosen' * (index == record.chosen)}", record.points[index], record) for index in shown
    )
    rows += (_row("before", record.before, record),)
    left = count - len(shown)
    caption = (
        "Decision: windows averaged, windows that agree, threshold (- where the largest probability decides), time "
        "without another alarm. No other decision has both fewer false alarms and fewer missed events; other costs "
        "(--cost) select another point."
    )
    if left:
        caption += f" {plural(left, 'point')} in between not shown; tune.json has all."
    return (Heading(text="Curve"), Grid(headers=heads, rows=rows, figures=(1, 2, 3, 4, 5), caption=caption))


def _row(mark: str, point: TunePoint, record: TuneRecord) -> tuple[str, ...]:
    unit = " s" if record.per == "day" else ""
    return (
        mark,
        f"{point.missed} of {point.events}",
        interval_text(point.missed_share, percent),
        interval_text(point.false_rate, _rate),
        "-" if point.delay is None else f"{number(point.delay)}{unit}",
        f"{point.cost:g}",
        f"{point.smoothing}, {point.debounce}, {_threshold(point)}, {point.refractory:g}{unit}",
    )


def _threshold(point: TunePoint) -> str:
    if point.thresholds:
        return " ".join(f"{label} {value:g}" for label, value in point.thresholds.items())
    return f"{point.threshold:g}" if point.threshold else "-"


def _rate(value: float) -> str:
    """Three digits are more than a rate is known to; below a hundredth it is none."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}" if value >= 0.01 else "0"


def _choice(record: TuneRecord) -> tuple[Block, ...]:
    texts, others, before = [tuning_sentence(record)], record.held_out, record.before
    if others is not None:
        texts.append(
            f"Chosen on the others, evaluated on each of {plural(len(record.people), 'person', 'people')} in turn: "
            f"{others.missed} of {others.events} events missed, {interval_text(others.missed_share, percent)}; false "
            f"alarms a {record.per} {interval_text(others.false_rate, _rate)}; cost {others.cost:g}. Expect this for "
            "new people."
        )
        if others.cost >= before.cost:
            texts.append(
                f"That is no better than before, which cost {before.cost:g}: the choice overfits these people. Add "
                "more people, or keep the old package."
            )
        if record.test is not None:
            texts.append(f"Exact test of that cost against the one before: p {record.test.p:.2g}; {record.test.power}.")
    return (Heading(text="Choice"), *(Paragraph(text=text) for text in texts))


def tuning_sentence(record: TuneRecord) -> str:
    """Return what was chosen and what it gives."""
    point, before = record.points[record.chosen], record.before
    how = f"smoothing over {plural(point.smoothing, 'window')}, {plural(point.debounce, 'window')} that agree"
    how += f", threshold {_threshold(point)}" if point.threshold or point.thresholds else ", the largest probability"
    how += f", {point.refractory:g} s between alarms" if point.refractory else ""
    return (
        f"{how[:1].upper()}{how[1:]}: {point.missed} of {point.events} events missed and "
        f"{interval_text(point.false_rate, _rate)} false alarms a {record.per}, cost {point.cost:g}; before "
        f"{before.missed} missed and {interval_text(before.false_rate, _rate)}, cost {before.cost:g}."
    )


def _notes(record: TuneRecord) -> tuple[Block, ...]:
    return tuple(Paragraph(text=text if text.endswith(".") else f"{text}.") for text in record.notes)


TUNE_VERSION = 1


class TunePoint(Part, frozen=True, kw_only=True):
    """One way to decide, and what it gives.

    Attributes:
        smoothing, debounce, refractory: as in `DecisionSpec`.
        threshold: of every label that alarms; 0 where the largest probability decides, or they differ.
        thresholds: by label, where they differ; else empty.
        events: of the labels that alarm; `missed` of them raised none.
        missed_share: of the events, with its interval.
        false: alarms outside of events; `false_rate` of them a day (1,000 windows), with its interval.
        delay: median of seconds (windows) from the beginning of a found event to its first alarm; None where none was
            found.
        cost: of all that was missed or false.
        front: whether no other point has both fewer false alarms and fewer missed events.
    """

    smoothing: int
    debounce: int
    threshold: float
    thresholds: dict[str, float] = msgspec.field(default_factory=dict)
    refractory: float
    events: int
    missed: int
    missed_share: Interval
    false: int
    false_rate: Interval
    delay: float | None
    cost: float
    front: bool = False


class TuneTest(Part, frozen=True, kw_only=True):
    """An exact test over few people: its two-sided p, and what such a test can show, in a sentence."""

    p: float
    power: str


class TuneRecord(Part, frozen=True, kw_only=True):
    """A tuning.

    Attributes:
        name: name of the package.
        package_hash: SHA-256 of the package that answered.
        form: of the model, and the engine it ran on.
        data: what was looked at, in words; `people` the groups or recordings it was judged by.
        alarms: labels that call for somebody.
        false_alarm_cost, miss_cost: of one.
        chosen_by: 'cost'; 0.2.0 also had 'point', and 'most' with the accepted false alarms a day as `maximum`.
        tolerance: seconds after the end of an event in which an alarm still belongs to it.
        per: 'day', or '1000 windows' where nobody knows the rate.
        exposure: days (1,000 windows) outside of events.
        windows: answers that were judged.
        point_count: number of points that were compared.
        points: of the front, from the fewest missed on; they are numbered from 1.
        chosen: place of the chosen point.
        held_out: the choice, thresholds of labels included, made without a person and judged on that person, over all
            of them; None with only one.
        before: the package's own decision with the same alarms.
        test: of the cost of `held_out` against that of `before`, where people are few; None with many or one.
        decision: in the new package.
        notes: what a reader must know.
    """

    version: int = TUNE_VERSION
    name: str
    package_hash: str
    form: str
    engine: str
    data: str
    people: tuple[str, ...]
    alarms: tuple[str, ...]
    false_alarm_cost: float
    miss_cost: float
    chosen_by: Literal["cost", "point", "most"] = msgspec.field(default="cost", name="taken")
    maximum: float | None = msgspec.field(default=None, name="most")
    tolerance: float
    per: Literal["day", "1000 windows"]
    exposure: float
    windows: int
    point_count: int = msgspec.field(name="tried")
    points: tuple[TunePoint, ...]
    chosen: int
    held_out: TunePoint | None
    before: TunePoint
    test: TuneTest | None = None
    decision: DecisionSpec
    notes: tuple[str, ...] = ()
