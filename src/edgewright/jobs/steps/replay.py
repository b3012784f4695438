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

from edgewright.core.formatting import plural
from edgewright.core.package import read_package
from edgewright.core.predictor import package_path
from edgewright.data.load import load_data
from edgewright.device.agent.settings import Configured, read_settings
from edgewright.device.agent.startup import run_agent
from edgewright.device.sources import short_source
from edgewright.jobs.group_figures import with_and_without
from edgewright.jobs.steps import Ran, Step, StepConfig, Work
from edgewright.pipeline.folder import judged_of
from edgewright.pipeline.material import cut_and_split
from edgewright.schema.data import DataSet, Recording
from edgewright.schema.device import DecisionSpec, Event
from edgewright.schema.device_config import PackageEntry
from edgewright.schema.errors import InputError
from edgewright.schema.job import JobFigure, Mark, StepRecord, Stretch, Timeline
from edgewright.schema.package import WindowSpec
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
        most: recordings of one group; 0 for all.
        smoothing: windows whose answers are averaged in place of the tuned decision, which alarms; 0 keeps that.
    """

    run: str = ""
    device: str = "device.toml"
    tolerance: float = 10.0
    most: Annotated[int, msgspec.Meta(ge=0)] = 0
    smoothing: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0


@dataclass(frozen=True)
class _Tape:
    """A recording that was replayed: rows' times and truth, the answer at each row, and the events of the agent."""

    name: str
    group: str
    time: NDArray[np.float64]
    truth: tuple[Labelled, ...]
    events: tuple[Event, ...]

    @property
    def end(self) -> float:
        return float(self.time[-1])

    def stretches_of(self, kind: str) -> tuple[Stretch, ...]:
        """From each event of a kind to the next: its label, or the table's state, also before the first event."""
        events = [event for event in self.events if event.kind == kind]
        found = [(str(event.detail["from"]), 0.0) for event in events[:1] if "from" in event.detail]
        found += [(str(event.detail.get("to", event.label)), event.time) for event in events]
        return tuple(
            Stretch(label=label, start=start, end=end)
            for (label, start), (_, end) in pairwise([*found, ("", self.end)])
            if end > start
        )

    def judged(self, back: float = 0.0) -> tuple[float, float]:
        """Seconds of labelled time behind the first answer, and of those answered right, answers dated back."""
        answers = [
            msgspec.structs.replace(one, start=one.start - back, end=one.end - back * (one.end < self.end))
            for one in self.stretches_of("decision")
        ]
        if not answers:
            return 0.0, 0.0
        first = answers[0].start
        known = sum(max(0.0, event.end - max(first, event.start)) for event in self.truth)
        right = sum(
            max(0.0, min(event.end, one.end) - max(event.start, one.start))
            for event in self.truth
            for one in answers
            if one.label == event.label
        )
        return known, right


def _replay(config: Config, work: Work) -> StepRecord:
    ran = work.run_of(config.run)
    if config.smoothing:
        ran = replace(ran, decision=DecisionSpec(smoothing=config.smoothing))
    dataset = load_data(ran.config.data, seed=ran.config.seed, path=ran.data)
    parts = _fewest(unseen(ran, dataset), config.most)
    configured = _settings(work.folder / config.device, ran)
    tapes = []
    with work.listener.doing("Replaying recordings", len(parts)) as advance:
        for recording, part in parts:
            tapes.append(_played(recording, part, dataset, configured))
            advance(1)
    return _record(config, ran, tapes)


def unseen(ran: Ran, dataset: DataSet) -> list[tuple[Recording, Part]]:
    """Return recordings, with group and rows of each, whose samples judge and do nothing else."""
    samples, sides = cut_and_split(ran.config, dataset)
    if sides.by == "time":
        # The last part of every session judges.
        first = {
            name: max(0, int(samples.starts[sides.test][samples.sessions[sides.test] == name].min()))
            for name in np.unique(samples.sessions[sides.test]).tolist()
        }
        return [(one, (one.name, first[one.name], len(one.values))) for one in dataset.recordings if one.name in first]
    if sides.by not in ("group", "session"):
        do = "Set split.by to 'group', 'session' or 'time'"
        raise InputError("a run that keeps groups or time apart", f"one split by {sides.by}", ran.config.name, do)
    names = samples.groups if samples.groups is not None else samples.sessions
    judging = frozenset(np.unique(names[sides.test]).tolist())
    return [(one, part) for one in dataset.recordings for part in parts_of(one) if part[0] in judging]


def _fewest(parts: list[tuple[Recording, Part]], most: int) -> list[tuple[Recording, Part]]:
    """Return the first so many recordings of each group; all for 0."""
    seen: Counter[str] = Counter()
    kept = []
    for recording, part in parts:
        seen[part[0]] += 1
        if not 0 < most < seen[part[0]]:
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
            tell=events.extend, begin=lambda _: None,
        )  # fmt: skip
    if trouble:
        raise InputError("a recording that the agent can replay", trouble[0], recording.name)
    return _Tape(recording.name, group, time, stretches(recording, start, end, time, period), tuple(events))


def _rows(time: NDArray[np.float64], values: NDArray[np.float32]) -> Iterator[list[str]]:
    for moment, row in zip(time.tolist(), values, strict=True):
        yield [repr(moment), *("" if np.isnan(value) else str(value) for value in row)]


def _record(config: Config, ran: Ran, tapes: Sequence[_Tape]) -> StepRecord:
    names = np.array([tape.group for tape in tapes])
    judged, back = [tape.judged() for tape in tapes], _delay(ran)
    told = [("right", "labelled time answered right", judged)]
    if back:
        dated = [tape.judged(back) for tape in tapes]
        told.append(("right_dated", f"the same, answers dated back {back:.3g} s", dated))
    figures = [figure for name, title, one in told for figure in _right(name, title, names, one)]
    alarms = ran.decision.alarms if ran.decision else ()
    # A recording without an event shows no miss, however wrong its answers are.
    calling = [place for place, tape in enumerate(tapes) if _alarms(tape, alarms)[0]] or list(range(len(tapes)))
    worst = min(calling, key=lambda place: judged[place][1] / judged[place][0] if judged[place][0] else 1.0)
    drawn = tapes[worst]
    if alarms:
        figures += _alarm_figures(tapes, alarms, config.tolerance)
    people = len(set(names.tolist()))
    hours = sum(tape.end for tape in tapes) / 3600
    says = (
        f"{plural(len(tapes), 'recording')} of {plural(people, 'group')}, {hours:.3g} hours, that took no part in "
        f"training or choosing. Drawn is {drawn.name}, the one with the fewest right answers"
        f"{' of those with an event' if len(calling) < len(tapes) else ''}.",
    )
    return StepRecord(
        command=f"edgewright device run {ran.folder.name} --config {config.device} --source replay:recording.csv",
        says=says, figures=tuple(figures), timeline=_timeline(drawn, alarms, config.tolerance),
    )  # fmt: skip


def _right(name: str, title: str, names: NDArray[np.str_], judged: Sequence[tuple[float, float]]) -> list[JobFigure]:
    """Return the share of labelled time that was answered right, over groups, and without the worst of them."""
    groups = np.unique(names)
    known, right = np.array([np.array(judged)[names == group].sum(axis=0) for group in groups]).T
    if not known.sum():
        return []

    def share(rows: NDArray[np.int64]) -> float:
        return float(right[rows].sum() / max(float(known[rows].sum()), 1e-9))

    worst = int((right / np.maximum(known, 1e-9)).argmin())
    return with_and_without(name, title, groups.tolist(), worst, share, SHARE, joint=", ")


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
        for place, amount in enumerate((len(truth), len(result.first), len(result.false), tape.end / 3600)):
            mine[place] += amount
    groups = list(counts)
    events, found, false, hours = np.array(list(counts.values())).T

    def missed(rows: NDArray[np.int64]) -> float:
        return float(1 - found[rows].sum() / events[rows].sum()) if events[rows].sum() else 0.0

    def rate(rows: NDArray[np.int64]) -> float:
        return float(false[rows].sum() / hours[rows].sum())

    made = [JobFigure(name="events", title=f"events of {', '.join(alarms)}", value=int(events.sum()), unit="1")]
    for name, title, statistic, bad, within, unit in (
        ("missed", "events missed", missed, int((events - found).argmax()), SHARE, ""),
        ("false_alarms", "false alarms an hour", rate, int((false / hours).argmax()), (0.0, np.inf), "1"),
    ):
        made += with_and_without(name, title, groups, bad, statistic, within, unit, joint=", ")
    return made


def _alarms(tape: _Tape, alarms: Sequence[str]) -> tuple[list[Labelled], list[tuple[str, float]]]:
    truth = [one for one in tape.truth if one.label in alarms]
    told = [event for event in tape.events if event.kind == "alarm" and "table" not in event.detail]
    return truth, [(event.label, event.time) for event in told]


def _timeline(tape: _Tape, alarms: Sequence[str], tolerance: float) -> Timeline:
    truth, sounded = _alarms(tape, alarms)
    result = matched(truth, sounded, tolerance)
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
    known = dict.fromkeys([*(one.label for one in tape.truth), *alarms])
    if len({*known, *(one.label for one in answers)}) > _ROWS:
        answers = tuple(one if one.label in known else msgspec.structs.replace(one, label=_REST) for one in answers)
    labels = dict.fromkeys([*known, *(one.label for one in answers)])
    return Timeline(
        title=tape.name,
        seconds=tape.end,
        labels=tuple(sorted(labels)),
        truth=tuple(Stretch(label=one.label, start=one.start, end=one.end) for one in tape.truth),
        answers=answers,
        states=tape.stretches_of("state"),
        marks=tuple(sorted(marks, key=lambda mark: mark.time)),
    )


STEP = Step(Config, "Replay on the device", _replay)
