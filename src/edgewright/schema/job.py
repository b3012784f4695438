"""A job: the table `job.toml` of its steps, and the record `job.json` of a run of them. Versioned."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from edgewright.schema.trace import Interval, Part

JOB_VERSION = 1
Text = Annotated[str, msgspec.Meta(min_length=1)]


class Target(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table `[[targets]]`: what a figure of a step is to reach.

    Attributes:
        step: name of the step.
        figure: name of its figure.
        minimum, maximum: bound; one of them.
        source: of the bound: what the trade needs, or a published figure; never one's own result.
        measured: what the last run of the job before a release measured, for the table of docs/jobs.md.
    """

    step: Text
    figure: Text
    minimum: float | None = None
    maximum: float | None = None
    source: str = ""
    measured: float | None = None


class JobSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole `job.toml`.

    Attributes:
        title: a question that the job answers.
        users: who has the problem that it solves.
        today: what they do without it, and what that costs.
        error: what a wrong answer costs.
        shows: what of the product it uses, in a sentence.
        answer: to the question, with figures as `{step.figure}`; empty for none.
        picture: step whose time line, lane view or first chart comes first on the page; empty for none.
        minutes: of CPU time that it takes; 0 where nobody measured it: then its steps tell what they take.
        limits: what the figures do not show.
        steps: each a table with `kind`, a file of `jobs/steps`, optionally `name`, and that step's own keys.
        targets: of the figures.
    """

    title: Text
    shows: Text
    steps: Annotated[tuple[dict[str, Any], ...], msgspec.Meta(min_length=1)]
    users: str = ""
    today: str = ""
    error: str = ""
    answer: str = ""
    picture: str = ""
    minutes: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    limits: tuple[str, ...] = ()
    targets: tuple[Target, ...] = ()


class JobFigure(Part, frozen=True, kw_only=True):
    """A figure of a step.

    Attributes:
        name: by which targets name it.
        title: in words.
        value: itself, with its 95 % interval where one is known.
        interval: None where there is none.
        unit: '' for shares of one, 'B', 's', '1' for counts, or another.
    """

    name: str
    title: str
    value: float
    interval: Interval | None = None
    unit: str = ""

    @classmethod
    def of(cls, name: str, title: str, value: float, unit: str = "") -> JobFigure:
        """Return a figure without an interval."""
        return cls(name=name, title=title, value=value, unit=unit)

    @classmethod
    def of_interval(cls, name: str, title: str, interval: Interval, unit: str = "") -> JobFigure:
        """Return a figure that is known with an interval."""
        return cls(name=name, title=title, value=interval.value, interval=interval, unit=unit)


class Stretch(Part, frozen=True, kw_only=True):
    """Seconds from `start` to `end` with one label."""

    label: str
    start: float
    end: float


class Mark(Part, frozen=True, kw_only=True):
    """A moment of a time line: an event with its `kind` ('alarm', 'false alarm', 'missed' or 'event') and words."""

    time: float
    kind: str
    text: str


class JobCurve(Part, frozen=True, kw_only=True):
    """One curve of a chart: points (x, y) in order of x."""

    name: str
    points: tuple[tuple[float, float], ...]


class Timeline(Part, frozen=True, kw_only=True):
    """A replayed recording.

    Attributes:
        title: whose.
        seconds: it lasts.
        labels: lanes, from the top.
        truth, answers: stretches of labels, and of what was decided.
        states: stretches of a state table's states; none where no table ran.
        marks: alarms and other events.
        keys: what `truth`, `answers` and `states` are called.
        note: what the marks mean; empty where they are alarms.
        signals: lanes above the others, each with up to two curves over the seconds on one scale.
        unit: of `seconds` where they count something else, such as cycles; empty for seconds.
    """

    title: str
    seconds: float
    labels: tuple[str, ...]
    truth: tuple[Stretch, ...]
    answers: tuple[Stretch, ...]
    states: tuple[Stretch, ...] = ()
    marks: tuple[Mark, ...] = ()
    keys: tuple[str, str, str] = ("truth", "answer", "states")
    note: str = ""
    signals: tuple[tuple[JobCurve, ...], ...] = ()
    unit: str = ""


class LaneFrame(Part, frozen=True, kw_only=True):
    """A moment on a road: what the own car does, and others by metres ahead of it and to its right."""

    time: float
    action: str
    others: tuple[tuple[float, float], ...]


class LaneView(Part, frozen=True, kw_only=True):
    """The road around a car, from above.

    Attributes:
        title: what is shown.
        lanes: how many.
        lane: of the own car, from the left, counted from 0.
        width: of a lane, in metres.
        frames: in order of time.
    """

    title: str
    lanes: int
    lane: int
    width: float
    frames: tuple[LaneFrame, ...]


class JobChart(Part, frozen=True, kw_only=True):
    """A line chart of a step.

    Attributes:
        title: what the y axis shows.
        x_title: name of the x axis.
        curves: up to four.
        label: sentence for those who do not see it.
        unit: of the y axis: 'share', 's', 'B' or nothing.
    """

    title: str
    x_title: str
    curves: tuple[JobCurve, ...]
    label: str
    unit: str = ""


class Choice(Part, frozen=True, kw_only=True):
    """A decision of a step.

    Attributes:
        question: that it answers.
        options: what was measured of each, titled as the option; none where only one was tried.
        chosen: option that goes on.
        why: what decided, in a sentence.
    """

    question: str
    options: tuple[JobFigure, ...] = ()
    chosen: str
    why: str


class StepRecord(Part, frozen=True, kw_only=True):
    """What a step did.

    Attributes:
        name, kind, title: of the step.
        command: line that does the same by hand.
        says: what came of it, in sentences.
        figures: measured.
        timeline: of a replay.
        lane_view: of a drive.
        charts: line charts.
        choice: what it decided; None for nothing.
        folder: of what it left, within the job's folder; empty for nothing.
        passed: whether its check said yes.
        seconds: it took.
    """

    name: str = ""
    kind: str = ""
    title: str = ""
    command: str = ""
    says: tuple[str, ...] = ()
    figures: tuple[JobFigure, ...] = ()
    timeline: Timeline | None = None
    lane_view: LaneView | None = None
    charts: tuple[JobChart, ...] = ()
    choice: Choice | None = None
    folder: str = ""
    passed: bool = True
    seconds: float = 0.0


class StepProgress(Part, frozen=True):
    """A step of a job that goes on: its name, title and state, and the seconds it took."""

    name: str
    title: str
    state: Literal["waiting", "running", "finished", "failed"]
    seconds: float = 0.0


class JobRecord(Part, frozen=True, kw_only=True):
    """A job that ran: its table, its answer with the figures that were measured, and the record of each step."""

    version: int = JOB_VERSION
    name: str
    title: str
    shows: str
    limits: tuple[str, ...]
    targets: tuple[Target, ...]
    steps: tuple[StepRecord, ...]
    users: str = ""
    today: str = ""
    error: str = ""
    answer: str = ""
    picture: str = ""

    @property
    def passed(self) -> bool:
        """Whether every check said yes; a missed target is no failed check."""
        return all(step.passed for step in self.steps)
