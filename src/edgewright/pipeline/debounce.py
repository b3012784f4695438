"""How many windows in a row must agree before a decision changes, chosen on recordings that no fit has learned from.

Samples that train end where their label ends, and a device goes on: whole recordings are answered, changes of label and
unlabelled time included. A false switch has a price in seconds of wrong decision, and so has a change of label that is
never decided. A label that is short, such as a fall, must not be waited away: a number that hides one is not taken.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import OptionError
from edgewright.core.formatting import plural
from edgewright.core.input.recordings import ANSWERED_BYTES, parts
from edgewright.core.input.samples import unanswered
from edgewright.core.prediction.executor import Decider
from edgewright.core.records.config import DecisionConfig, WindowConfig
from edgewright.core.records.data import Floats
from edgewright.core.records.device import DecisionSpec
from edgewright.core.records.trace_flow import DebounceRecord, DebounceRow
from edgewright.data.samples import StreamWindows, cut_streams
from edgewright.data.synthetic import is_synthetic
from edgewright.pipeline.fitting import limit_of
from edgewright.pipeline.material import Material
from edgewright.pipeline.plan import Plan
from edgewright.pipeline.refit import Fit
from edgewright.pipeline.run_folder.store import AnsweredStream, Job

COUNTS = (1, 2, 3, 4)
# Of the changes to a label that single answers decide, a number may hide such a share.
MOST_HIDDEN = 0.25
_HOUR = 3600.0


@dataclass(frozen=True)
class _Tally:
    """What happens on some streams under one number.

    Attributes:
        labelled, wrong: windows whose last row has a label, and those of them that are decided otherwise.
        false: switches to a label that no row of the window has.
        delays: each change of label by its new label, with the rows until its decision; None where there was none.
    """

    labelled: int = 0
    wrong: int = 0
    false: int = 0
    delays: tuple[tuple[str, int | None], ...] = ()

    def __add__(self, other: _Tally) -> _Tally:
        return _Tally(
            self.labelled + other.labelled, self.wrong + other.wrong, self.false + other.false,
            self.delays + other.delays,
        )  # fmt: skip

    @property
    def decided(self) -> Counter[str]:
        """Decided changes by label."""
        return Counter(label for label, delay in self.delays if delay is not None)

    def hidden(self, each: _Tally) -> tuple[str, ...]:
        """Return the labels of which too many changes are not decided that single answers decide."""
        mine = self.decided
        return tuple(
            label
            for label, count in sorted(each.decided.items())
            if count - mine[label] > math.floor(MOST_HIDDEN * count)
        )


def is_chosen(decision: DecisionConfig | msgspec.UnsetType) -> bool:
    """Return whether a run is to choose the number of windows."""
    return isinstance(decision, DecisionConfig) and decision.debounce == "auto"


def debounce_of(decision: DecisionConfig | msgspec.UnsetType, record: DebounceRecord | None) -> int:
    """Return the number that the package gets: the chosen one, or that of the configuration."""
    if record is not None:
        return record.chosen
    return decision.debounce if isinstance(decision, DecisionConfig) and decision.debounce != "auto" else 1


def refuse_decision(plan: Plan, task: str) -> None:
    """Refuse `[decision]` where no stream of windows is classified.

    Raises:
        InputError: rows, pictures or amounts.
    """
    windowed = plan.data.window is not None
    if isinstance(plan.config.decision, DecisionConfig) and not (windowed and task == "classification"):
        got = f"a {task}" if windowed else "samples without a window"
        raise OptionError("classes of windows", got, f"{plan.data.name} [decision]", "Leave [decision] out")


def choose_debounce(job: Job, fit: Fit) -> DebounceRecord | None:
    """Choose the number of windows that must agree; None where the configuration does not ask for it.

    Groups that were left out in turn choose where there are such, each answered by the fit on the others, else those
    that validate. Test groups never choose.

    Args:
        job: configuration, and the streams of groups that were left out.
        fit: judged.
    """
    decision, window = job.config.decision, job.config.window
    if not is_chosen(decision) or not isinstance(decision, DecisionConfig) or window is None:
        return None
    with job.listener.doing("Choosing when a decision changes"):
        return _chosen(job, fit, decision, window)


def _chosen(job: Job, fit: Fit, decision: DecisionConfig, window: WindowConfig) -> DebounceRecord:
    material, samples = fit.material, fit.material.samples
    rate, step = samples.rate, window.step or max(1, window.samples // 2)
    if material.sides.by not in ("group", "session"):
        return _unchosen(f"the split is by {material.sides.by}, so that no whole recording was left out of the fit")
    if rate is None:
        return _unchosen("no rate is known, so that wrong time has no length")
    unit = "session" if material.sides.by == "session" else str(job.config.data.get("group") or "group")
    streams, chosen_on = job.streams, f"{plural(len(job.streamed), unit)} left out in turn"
    if not streams:
        units = units_of(material, material.sides.validation)
        streams = answer_streams(fit.steps, material, window, units)
        chosen_on = f"{plural(len(units), unit)} that validated the run"
    if not streams:
        return _unchosen("every recording trains or tests; split.validation leaves some out of both")
    price = decision.false_switch_s
    false_switch_s = window.samples / rate if isinstance(price, msgspec.UnsetType) else price
    scale = _Scale(step / rate, rate, false_switch_s)
    tallies = {number: _tally(streams, number) for number in COUNTS}
    changes = len(tallies[1].delays)
    if not changes:
        return _unchosen("no recording that chooses holds a change of label, so that a delay has no weight")
    rows = tuple(scale.row(number, tally, tallies[1]) for number, tally in tallies.items())
    best = min((row for row in rows if not row.hidden), key=lambda row: (row.cost_s, row.debounce))
    units = units_of(material, material.sides.test)
    others = answer_streams(fit.steps, material, window, units)
    each = _tally(others, 1)
    scored = tuple(scale.row(number, _tally(others, number), each) for number in dict.fromkeys((1, best.debounce)))
    record = DebounceRecord(
        chosen=best.debounce,
        why=_why(best, rows, false_switch_s),
        false_switch_s=false_switch_s,
        chosen_on=chosen_on,
        hours=tallies[1].labelled * scale.step_s / _HOUR,
        changes=changes,
        rows=rows,
    )
    if not others:
        return record
    return msgspec.structs.replace(
        record, judged_on=f"{plural(len(units), unit)} that tested the run", judged_rows=scored
    )


def _unchosen(why: str) -> DebounceRecord:
    return DebounceRecord(chosen=1, why=f"Each answer is a decision (decision.debounce 1 was not compared): {why}")


def _why(best: DebounceRow, rows: Sequence[DebounceRow], false_switch_s: float) -> str:
    price = f"where a false switch costs {false_switch_s:.3g} s of wrong decision (decision.false_switch_s)"
    cheapest = min(rows, key=lambda row: (row.cost_s, row.debounce))
    text = f"Each answer is a decision: waiting for more windows that agree costs more, {price}"
    if best.debounce > 1:
        text = (
            f"{best.debounce} windows in a row must agree before a decision changes: that costs {best.cost_s:,.0f} s "
            f"an hour instead of {rows[0].cost_s:,.0f} {price}"
        )
    elif cheapest is not best:
        text = f"Each answer is a decision, which costs {best.cost_s:,.0f} s an hour {price}"
    if cheapest is best:
        return text
    hidden = ", ".join(cheapest.hidden)
    return f"{text}; {cheapest.debounce} windows that agree cost {cheapest.cost_s:,.0f} s, but hide changes to {hidden}"


@dataclass(frozen=True)
class _Scale:
    """Seconds of a step and of a false switch, and rows a second."""

    step_s: float
    rate: float
    false_switch_s: float

    def row(self, debounce: int, tally: _Tally, each: _Tally) -> DebounceRow:
        """Return the figures of a tally, by the labelled hour; `each` is that of single answers."""
        delays = [delay for _, delay in tally.delays if delay is not None]
        missed = len(tally.delays) - len(delays)
        hours = max(tally.labelled, 1) * self.step_s / _HOUR
        return DebounceRow(
            debounce=debounce,
            wrong=tally.wrong / max(tally.labelled, 1),
            false_per_hour=tally.false / hours,
            delay_s=float(np.median(delays)) / self.rate if delays else None,
            missed=missed,
            cost_s=(tally.wrong * self.step_s + (tally.false + missed) * self.false_switch_s) / hours,
            hidden=tally.hidden(each),
        )


def _tally(streams: Sequence[AnsweredStream], debounce: int) -> _Tally:
    return sum((_of_stream(stream, debounce) for stream in streams), _Tally())


def _of_stream(stream: AnsweredStream, debounce: int) -> _Tally:
    y, last = stream.windows.y, stream.windows.last
    decider = Decider(DecisionSpec(debounce=debounce), stream.classes)
    decisions = decider.push_all(stream.probabilities, list(range(len(last))))
    at = np.array([*decisions], np.int64)
    labels = np.array(["", *(stream.classes[decision.label] for decision in decisions.values())], np.str_)
    decided = labels[np.searchsorted(at, np.arange(len(last)), side="right")]
    return _Tally(
        labelled=int((y[last] != "").sum()),
        wrong=int(((decided != y[last]) & (y[last] != "")).sum()),
        false=sum(_is_false(stream.windows, index, label) for index, label in zip(at, labels[1:], strict=True)),
        delays=_delays(stream.windows, decided),
    )


def _is_false(windows: StreamWindows, index: int, label: Any) -> bool:  # noqa: ANN401 - text of NumPy
    """Return whether a switch is to a label that no row of its window has; unlabelled windows tell nothing."""
    last = int(windows.last[index])
    inside = windows.y[max(0, last + 1 - windows.windows.shape[2]) : last + 1]
    inside = inside[inside != ""]
    return bool(len(inside)) and label not in inside


def _delays(windows: StreamWindows, decided: NDArray[np.str_]) -> tuple[tuple[str, int | None], ...]:
    """Return each change of label, with the rows until a window that has a row of it decides for it."""
    y, last, samples = windows.y, windows.last, windows.windows.shape[2]
    edges = np.concatenate(([0], np.flatnonzero(y[1:] != y[:-1]) + 1, [len(y)]))
    before, delays = "", []
    for begin, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        label = str(y[begin])
        if not label:
            continue
        if before and label != before:
            first, behind = np.searchsorted(last, (begin, end + samples - 1)).tolist()
            there = np.flatnonzero(decided[first:behind] == label)
            delays.append((label, int(last[first + there[0]]) - begin if len(there) else None))
        before = label
    return tuple(delays)


def units_of(material: Material, rows: NDArray[np.int64]) -> tuple[str, ...]:
    """Return what a split keeps whole, groups or sessions, of some samples; nothing that nobody measured."""
    samples = material.samples
    names = samples.groups if material.sides.by == "group" and samples.groups is not None else samples.sessions
    return tuple(str(name) for name in np.unique(names[rows][~is_synthetic(samples.sessions[rows])]))


def answer_streams(
    steps: list[tuple[str, Any]], material: Material, window: WindowConfig, units: Container[str]
) -> list[AnsweredStream]:
    """Return the answers of fitted steps, the model last, to whole recordings.

    Args:
        steps: by name.
        material: recordings, and whether they are split by group or session.
        window: how a device cuts.
        units: groups or sessions that are answered.
    """
    classes = tuple(str(name) for name in steps[-1][1].classes_)
    answers = []
    for stream in cut_streams(material.dataset, window, units, material.sides.by):
        without = msgspec.structs.replace(stream, windows=stream.windows[:0])
        answers.append(AnsweredStream(_probabilities(steps, stream.windows), classes, without))
    return answers


def _probabilities(steps: list[tuple[str, Any]], windows: Floats) -> Floats:
    *stages, (_, model) = steps
    limit, pieces = limit_of(steps), []
    for part in parts(windows.shape, size_bytes=ANSWERED_BYTES):
        X = np.ascontiguousarray(windows[part], np.float32)
        none = unanswered(X, limit)
        answers = np.zeros((len(X), len(model.classes_)), np.float32)
        if not none.all():
            rows = X[~none]
            for _, step in stages:
                rows = np.asarray(step.transform(rows), np.float32)
            answers[~none] = model.predict_proba(rows)
        pieces.append(answers)
    return np.concatenate(pieces)
