"""`replay`: the agent of a device over whole recordings of people or machines that took no part in any choice."""

from __future__ import annotations

import csv
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.formatting import elapsed_text, plural
from edgewright.core.package import read_package
from edgewright.core.predictor import package_path
from edgewright.data.load import load_data
from edgewright.device.agent.settings import Configured, read_settings
from edgewright.device.agent.startup import run_agent
from edgewright.device.sources import short_source
from edgewright.jobs.group_figures import ratio, with_and_without
from edgewright.jobs.steps import Ran, Step, StepConfig, Work
from edgewright.pipeline.material import cut_and_split
from edgewright.pipeline.plan import data_plan
from edgewright.pipeline.run_folder.folder import judged_of
from edgewright.schema.data import DataSet, Recording
from edgewright.schema.device import DecisionSpec, Event
from edgewright.schema.device_config import PackageEntry
from edgewright.schema.errors import InputError, UnknownNameError
from edgewright.schema.job import JobCurve, JobFigure, Mark, StepRecord, Stretch, Timeline
from edgewright.schema.package import WindowSpec
from edgewright.trace.blocks.charts import outline
from edgewright.training.metrics import SHARE
from edgewright.workflows.tuning.grid import matched
from edgewright.workflows.tuning.recordings import Labelled, parts_of, stretches

# Labels of a time line that fit below each other; of more, answers that call for nobody share one.
_ROWS, _REST = 12, "any other"

Part = tuple[str, int, int]
"""A group, its first row in a recording and the one behind its last."""


class Config(StepConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A replay.

    Attributes:
        run: step whose package answers, as it was judged, with the tuned decision; the newest when empty.
        device: configuration of the agent, without packages and source.
        tolerance: seconds after an event in which an alarm belongs to it.
        maximum: recordings of one group; 0 for all.
        smoothing: windows whose answers are averaged in place of the tuned decision, which alarms; 0 keeps that.
        signals: columns that are drawn above the time line; `sample_*` draws columns that end with their offset from
            the row, such as `sample_-90`, as one curve.
        shape_rate: of such columns, offsets a second.
        span: seconds that are drawn, around the first alarm; 0 for the whole recording.
    """

    run: str = ""
    device: str = "device.toml"
    tolerance: float = 10.0
    maximum: Annotated[int, msgspec.Meta(ge=0)] = msgspec.field(default=0, name="most")
    smoothing: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0
    signals: Annotated[tuple[str, ...], msgspec.Meta(max_length=3)] = ()
    shape_rate: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    span: Annotated[float, msgspec.Meta(ge=0)] = 0.0


@dataclass(frozen=True)
class _Tape:
    """A recording that was replayed: rows' times and truth, the agent's events, and the columns that are drawn."""

    name: str
    group: str
    time: NDArray[np.float64]
    truth: tuple[Labelled, ...]
    events: tuple[Event, ...]
    rows: NDArray[np.float32]

    @property
    def end(self) -> float:
        return float(self.time[-1])

    def stretches_of(self, kind: str) -> tuple[Stretch, ...]:
        """From each event of a kind to the next: its label, or the table's state, also before the first event."""
        events = [event for event in self.events if event.kind == kind]
        starts = [(str(event.detail["from"]), 0.0) for event in events[:1] if "from" in event.detail]
        starts += [(str(event.detail.get("to", event.label)), event.time) for event in events]
        return tuple(
            Stretch(label=label, start=start, end=end)
            for (label, start), (_, end) in pairwise([*starts, ("", self.end)])
            if end > start
        )

    def answered_time(self, back: float = 0.0) -> tuple[float, float]:
        """Seconds of labelled time behind the first answer, and of those answered right, answers dated back."""
        answers = [
            msgspec.structs.replace(answer, start=answer.start - back, end=answer.end - back * (answer.end < self.end))
            for answer in self.stretches_of("decision")
        ]
        if not answers:
            return 0.0, 0.0
        first = answers[0].start
        known = sum(max(0.0, event.end - max(first, event.start)) for event in self.truth)
        right = sum(
            max(0.0, min(event.end, answer.end) - max(event.start, answer.start))
            for event in self.truth
            for answer in answers
            if answer.label == event.label
        )
        return known, right


def _replay(config: Config, work: Work) -> StepRecord:
    ran = work.run_of(config.run)
    if config.smoothing:
        ran = replace(ran, decision=DecisionSpec(smoothing=config.smoothing))
    dataset = load_data(ran.config.data, seed=ran.config.seed, path=ran.data)
    parts = _fewest(unseen(ran, dataset), config.maximum)
    configured = _settings(work.folder / config.device, ran)
    names = [column.name for column in dataset.columns]
    shapes = {name: _columns_of(name, names, f"{work.folder.name} job.toml signals") for name in config.signals}
    shown = work.each("Replaying recordings", parts, len(parts))
    tapes = [_played(recording, part, dataset, configured) for recording, part in shown]
    return _record(config, ran, tapes, shapes)


def _columns_of(name: str, names: Sequence[str], where: str) -> dict[int, int]:
    """Return the place of each column of a signal, by its offset from the row.

    Raises:
        UnknownNameError: no such column.
    """
    if not name.endswith("*"):
        if name not in names:
            raise UnknownNameError("column", name, names, where)
        return {0: names.index(name)}
    offsets = {column.removeprefix(name[:-1]): index for index, column in enumerate(names)}
    known = {int(text): index for text, index in offsets.items() if text.lstrip("-").isdecimal()}
    if not known:
        raise UnknownNameError("column", name, names, where)
    return known


def _curve(
    name: str, tape: _Tape, offsets: dict[int, int], rate: float, start: float, end: float
) -> tuple[JobCurve, ...]:
    """Return the lowest and the highest value of each part of the seconds that are drawn."""
    near = (tape.time >= start - max(map(abs, offsets)) / rate) & (tape.time <= end + max(map(abs, offsets)) / rate)
    moments = tape.time[near][:, None] + np.array([*offsets], np.float64) / rate
    values = tape.rows[near][:, [*offsets.values()]]
    seen = np.isfinite(values) & (moments >= start) & (moments <= end)
    order = np.argsort(moments[seen], kind="stable")
    moments, values = moments[seen][order] - start, values[seen][order]
    points = tuple((float(moments[index]), float(values[index])) for index in outline(values))
    return (JobCurve(name=name.rstrip("_*"), points=points),)


def unseen(ran: Ran, dataset: DataSet) -> list[tuple[Recording, Part]]:
    """Return recordings, with group and rows of each, whose samples judge and do nothing else."""
    samples, sides = cut_and_split(data_plan(ran.config), dataset)
    if sides.by == "time":
        # The last part of every session judges.
        first = {
            name: max(0, int(samples.starts[sides.test][samples.sessions[sides.test] == name].min()))
            for name in np.unique(samples.sessions[sides.test]).tolist()
        }
        return [
            (recording, (recording.name, first[recording.name], len(recording.values)))
            for recording in dataset.recordings
            if recording.name in first
        ]
    if sides.by not in ("group", "session"):
        do = "Set split.by to 'group', 'session' or 'time'"
        raise InputError("a run that keeps groups or time apart", f"one split by {sides.by}", ran.config.name, do)
    names = samples.groups if samples.groups is not None else samples.sessions
    judging = frozenset(np.unique(names[sides.test]).tolist())
    return [(recording, part) for recording in dataset.recordings for part in parts_of(recording) if part[0] in judging]


def _fewest(parts: list[tuple[Recording, Part]], maximum: int) -> list[tuple[Recording, Part]]:
    """Return the first so many recordings of each group; all for 0."""
    seen: Counter[str] = Counter()
    kept = []
    for recording, part in parts:
        seen[part[0]] += 1
        if not 0 < maximum < seen[part[0]]:
            kept.append((recording, part))
    return kept


def _settings(path: Path, ran: Ran) -> Configured:
    """Return the agent's settings with the package of the run as it was judged; nothing leaves the device."""
    configured = read_settings(path)
    entry = PackageEntry(path=str(package_path(judged_of(ran.folder))), name=ran.config.name, decision=ran.decision)
    settings = msgspec.structs.replace(configured.settings, packages=(entry,), sink=())
    return msgspec.structs.replace(configured, settings=settings, ways=())


def _played(recording: Recording, part: Part, dataset: DataSet, configured: Configured) -> _Tape:
    group, start, end = part
    period = 1 / dataset.rate if dataset.rate else 1.0
    clock = np.arange(start, end) * period if recording.time is None else recording.time[start:end]
    time = np.asarray(clock - clock[0], np.float64)
    events: list[Event] = []
    trouble: list[str] = []
    with tempfile.TemporaryDirectory() as room:
        file = Path(room) / "recording.csv"
        names = [column.name for column in dataset.columns]
        with file.open("w", newline="", encoding="utf-8") as handle:
            writer = csv.writer(handle)
            writer.writerow(["time", *names])
            writer.writerows(_rows(time, recording.values[start:end]))
        run_agent(
            configured, short_source(f"replay:{file}"), Path(room) / "store", stop=lambda: False, say=trouble.append,
            publish=events.extend, begin=lambda _: None,
        )  # fmt: skip
    if trouble:
        raise InputError("a recording that the agent can replay", trouble[0], recording.name)
    truth = stretches(recording, start, end, time, period)
    return _Tape(recording.name, group, time, truth, tuple(events), recording.values[start:end])


def _rows(time: NDArray[np.float64], values: NDArray[np.float32]) -> Iterator[list[str]]:
    for moment, row in zip(time.tolist(), values, strict=True):
        yield [repr(moment), *("" if np.isnan(value) else str(value) for value in row)]


def _record(config: Config, ran: Ran, tapes: Sequence[_Tape], shapes: dict[str, dict[int, int]]) -> StepRecord:
    names = np.array([tape.group for tape in tapes])
    answered, back = [tape.answered_time() for tape in tapes], _delay(ran)
    measures = [("right", "labelled time answered right", answered)]
    if back:
        dated = [tape.answered_time(back) for tape in tapes]
        measures.append(("right_dated", f"the same, answers dated back {back:.3g} s", dated))
    figures = [figure for name, title, times in measures for figure in _right(name, title, names, times)]
    alarms = ran.decision.alarms if ran.decision else ()
    # A recording without an event shows no miss, however wrong its answers are.
    calling = [index for index, tape in enumerate(tapes) if _alarms(tape, alarms)[0]] or list(range(len(tapes)))
    worst = min(calling, key=lambda index: answered[index][1] / answered[index][0] if answered[index][0] else 1.0)
    shown = tapes[worst]
    if alarms:
        figures += _alarm_figures(tapes, alarms, config.tolerance)
    people = len(set(names.tolist()))
    hours = sum(tape.end for tape in tapes) / 3600
    says = (
        f"{plural(len(tapes), 'recording')} of {plural(people, 'group')}, {hours:.3g} hours, that took no part in "
        f"training or choosing. Drawn is {shown.name}, the one with the fewest right answers"
        f"{' of those with an event' if len(calling) < len(tapes) else ''}.",
    )
    return StepRecord(
        command=f"edgewright device run {ran.folder.name} --config {config.device} --source replay:recording.csv",
        says=says, figures=tuple(figures), timeline=_timeline(shown, alarms, config, shapes),
    )  # fmt: skip


def _right(name: str, title: str, names: NDArray[np.str_], answered: Sequence[tuple[float, float]]) -> list[JobFigure]:
    """Return the share of labelled time that was answered right, over groups, and without the worst of them."""
    groups = np.unique(names)
    known, right = np.array([np.array(answered)[names == group].sum(axis=0) for group in groups]).T
    if not known.sum():
        return []
    worst = int((right / np.maximum(known, 1e-9)).argmin())
    return with_and_without(name, title, groups.tolist(), worst, ratio(right, known), SHARE, joint=", ")


def _delay(ran: Ran) -> float:
    manifest = read_package(package_path(ran.folder)).manifest
    return delay(manifest.window, ran.decision or manifest.decision)


def delay(window: WindowSpec | None, decision: DecisionSpec) -> float:
    """Return by how many seconds an answer is behind what it rests on, middle to middle; 0 for rows.

    It rests on a window, or on those that are averaged or agree, and holds for a step.
    """
    if window is None or not window.rate:
        return 0.0
    return (window.samples / 2 + window.step * (decision.debounce - 1 + decision.smoothing / 2)) / window.rate


def _alarm_figures(tapes: Sequence[_Tape], alarms: Sequence[str], tolerance: float) -> list[JobFigure]:
    counts: dict[str, list[float]] = {}
    for tape in tapes:
        truth, sounded = _alarms(tape, alarms)
        result = matched(truth, sounded, tolerance)
        mine = counts.setdefault(tape.group, [0.0, 0.0, 0.0, 0.0])
        for index, amount in enumerate((len(truth), len(result.first), len(result.false), tape.end / 3600)):
            mine[index] += amount
    groups = list(counts)
    events, detected, false, hours = np.array(list(counts.values())).T
    missed = events - detected
    loudest, hourly = int((false / hours).argmax()), ratio(false, hours)
    return [
        JobFigure.of("events", f"events of {', '.join(alarms)}", int(events.sum()), "1"),
        *with_and_without(
            "missed", "events missed", groups, int(missed.argmax()), ratio(missed, events), SHARE, joint=", "
        ),
        *with_and_without("false_alarms", "false alarms an hour", groups, loudest, hourly, (0.0, np.inf), "1", ", "),
    ]


def _alarms(tape: _Tape, alarms: Sequence[str]) -> tuple[list[Labelled], list[tuple[str, float]]]:
    truth = [event_truth for event_truth in tape.truth if event_truth.label in alarms]
    sounded = [event for event in tape.events if event.kind == "alarm" and "table" not in event.detail]
    return truth, [(event.label, event.time) for event in sounded]


def _timeline(tape: _Tape, alarms: Sequence[str], config: Config, shapes: dict[str, dict[int, int]]) -> Timeline:
    truth, sounded = _alarms(tape, alarms)
    result = matched(truth, sounded, config.tolerance)
    marks = [
        Mark(time=time, kind="false alarm" if number in result.false else "alarm", text=label)
        for number, (label, time) in enumerate(sounded)
    ]
    marks += [
        Mark(time=event.start, kind="missed", text=event.label)
        for number, event in enumerate(truth)
        if number not in result.first
    ]
    marks += [
        Mark(time=event.time, kind="event", text=event.label)
        for event in tape.events
        if "table" in event.detail and event.label != event.detail["to"]
    ]
    answers = tape.stretches_of("decision")
    known = dict.fromkeys([*(stretch.label for stretch in tape.truth), *alarms])
    if len({*known, *(stretch.label for stretch in answers)}) > _ROWS:
        answers = tuple(
            stretch if stretch.label in known else msgspec.structs.replace(stretch, label=_REST) for stretch in answers
        )
    labels = dict.fromkeys([*known, *(stretch.label for stretch in answers)])
    start, end = _drawn_seconds(marks, tape.end, config.span)
    line = Timeline(
        title=tape.name,
        seconds=tape.end,
        labels=tuple(sorted(labels)),
        truth=tuple(Stretch(label=stretch.label, start=stretch.start, end=stretch.end) for stretch in tape.truth),
        answers=answers,
        states=tape.stretches_of("state"),
        marks=tuple(sorted(marks, key=lambda mark: mark.time)),
        signals=tuple(
            _curve(name, tape, offsets, config.shape_rate, start, end) for name, offsets in shapes.items()
        ),
    )  # fmt: skip
    return line if (start, end) == (0.0, tape.end) else _cut(line, start, end)


def _drawn_seconds(marks: Sequence[Mark], whole: float, span: float) -> tuple[float, float]:
    """Return the seconds around the first right alarm, or the first mark; all where there are no more."""
    if not 0 < span < whole:
        return 0.0, whole
    ordered = sorted(marks, key=lambda mark: (mark.kind != "alarm", mark.time))
    start = max(0.0, min((ordered[0].time if ordered else 0.0) - span / 2, whole - span))
    return start, start + span


def _cut(line: Timeline, start: float, end: float) -> Timeline:
    """Keep what lies in the seconds, counted from where they begin; signals are cut already."""

    def inside(stretches: tuple[Stretch, ...]) -> tuple[Stretch, ...]:
        return tuple(
            Stretch(label=one.label, start=max(one.start, start) - start, end=min(one.end, end) - start)
            for one in stretches if one.end > start and one.start < end
        )  # fmt: skip

    return msgspec.structs.replace(
        line, title=f"{line.title}, {elapsed_text(end - start)} from {elapsed_text(start)} on", seconds=end - start,
        truth=inside(line.truth), answers=inside(line.answers), states=inside(line.states),
        marks=tuple(
            msgspec.structs.replace(mark, time=mark.time - start) for mark in line.marks if start <= mark.time <= end
        ),
    )  # fmt: skip


STEP = Step(Config, "Replay on the device", _replay)
