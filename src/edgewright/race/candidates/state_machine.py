"""State machine: a threshold with hysteresis that switches when the column is high or low for long enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.records.config import PipelineConfig
from edgewright.core.records.data import Floats
from edgewright.models.rules import combined
from edgewright.race.candidates.rows import THRESHOLD
from edgewright.race.pipeline_end import PipelineEnd, fit_end
from edgewright.race.problem import Candidate, Fitted, Indices, Part, Problem, candidate

# Quantiles of the column that are tried as thresholds, and numbers of samples that a change has to last.
_LEVELS = np.linspace(0.02, 0.98, 49)
_DURATIONS = (1, 2, 3, 5, 8, 15)
_TWO = 2


@dataclass(frozen=True)
class Machine:
    """A fitted state machine on the column of a fitted threshold.

    Attributes:
        base: fitted threshold; its answers are the outputs of the states on and off.
        column: name of the column, and its values for all samples.
        up: whether high values switch on.
        on, off: thresholds, with off <= on; the column is negated where low values switch on.
        duration: number of samples that a change has to last.
    """

    base: PipelineEnd
    column: tuple[str, Floats]
    up: bool
    on: float
    off: float
    duration: int

    def answers(self, rows: Indices) -> Floats:
        """Return the answers of the states; the machine restarts where samples are not consecutive."""
        samples = self.base.part.samples
        order, first = in_time(rows, samples.sessions, samples.starts)
        value = self.column[1][rows[order]] * (1.0 if self.up else -1.0)
        state = states(value, first, self.on, self.off, self.duration)
        record = self.base.model.table.answers
        probabilities = np.empty((len(rows), record.shape[1]), np.float32)
        probabilities[order] = np.where(state[:, None], record[0], record[-1])
        return probabilities

    def says(self) -> str:
        """Return both thresholds and the duration as text."""
        classes = self.base.model.classes_
        record = self.base.model.table.answers
        first, other = classes[int(np.argmax(record[0]))], classes[int(np.argmax(record[-1]))]
        on, off = (self.on, self.off) if self.up else (-self.on, -self.off)
        signs = (">=", "<") if self.up else ("<=", ">")
        lasting = f" for {self.duration} samples" if self.duration > 1 else ""
        name = self.column[0]
        rise = f"{name} {signs[0]} {on:.5g}{lasting} -> {first}"
        return f"{rise}; {name} {signs[1]} {off:.5g}{lasting} -> {other}; else as before"

    def steps(self) -> tuple[tuple[str, Any], ...]:
        """Return the steps of the threshold; the machine itself is a state table next to the package."""
        return self.base.steps()


def in_time(rows: Indices, sessions: NDArray[np.str_], starts: Indices) -> tuple[Indices, NDArray[np.bool_]]:
    """Return the time order of samples, and which of them start a segment at a new session or after a gap."""
    codes = np.unique(sessions[rows], return_inverse=True)[1]
    order = np.lexsort((starts[rows], codes)).astype(np.int64)
    gap = np.diff(starts[rows][order])
    usual = int(np.median(gap)) if len(gap) else 1
    new = (gap > 5 * max(1, usual)) | (np.diff(codes[order]) != 0)
    return order, np.concatenate([[True], new])


def states(value: Floats, first: NDArray[np.bool_], on: float, off: float, duration: int) -> NDArray[np.bool_]:
    """Return whether the machine is on after each sample, shape (n,); the first sample sets the state of a segment."""
    high, low = value >= on, value < off
    begins = np.flatnonzero(first)
    location = np.arange(len(value))
    since = location - begins[np.cumsum(first) - 1]
    event = np.zeros(len(value), np.int8)
    for flags, sign in ((high, 1), (low, -1)):
        broken = np.maximum.accumulate(np.where(flags, -1, location))
        run = np.minimum(location - broken, since + 1)
        event[flags & (run >= duration)] = sign
    event[first] = np.where(value[first] >= (on + off) / 2, 1, -1)
    last = np.maximum.accumulate(np.where(event != 0, location, 0))
    above: NDArray[np.bool_] = event[last] > 0
    return above


def _fit(part: Part, config: PipelineConfig) -> Fitted:
    base = fit_end(part, config)
    table = base.model.table
    if len(table.terms) != 1:
        return base
    kind, left, right = (int(n) for n in table.terms[0])
    column, up = combined(part.X, kind, left, right), bool(table.at_least[0])
    train = part.train
    order, first = in_time(train, part.samples.sessions, part.samples.starts)
    value = column[train][order] * (1.0 if up else -1.0)
    wanted = part.y[train][order] == base.model.classes_[int(np.argmax(table.answers[0]))]
    weight = np.where(wanted, 0.5 / max(1, wanted.sum()), 0.5 / max(1, (~wanted).sum()))
    alone = float(table.thresholds[0]) * (1.0 if up else -1.0)
    near = np.unique(np.append(np.quantile(value[np.isfinite(value)], _LEVELS), alone))
    best = (-1.0, alone, alone, 1)
    for duration in _DURATIONS:
        # First search the on threshold without hysteresis, then the off threshold below it.
        for on in near:
            best = max(best, _cuts(value, first, wanted, weight, (float(on), float(on), duration)), key=_right)
        for off in near[near <= best[1]]:
            best = max(best, _cuts(value, first, wanted, weight, (best[1], float(off), duration)), key=_right)
    return Machine(base, (part.names[left], column), up, best[1], best[2], best[3])


def _right(counts: tuple[float, float, float, int]) -> float:
    return counts[0]


def _cuts(
    value: Floats,
    first: NDArray[np.bool_],
    wanted: NDArray[np.bool_],
    weight: NDArray[np.float64],
    setting: tuple[float, float, int],
) -> tuple[float, float, float, int]:
    """Return the balanced accuracy of a setting, and the setting."""
    right = states(value, first, *setting) == wanted
    return (float(weight[right].sum()), *setting)


def _unsupported_reason(problem: Problem) -> str:
    if problem.task != "classification" or len(problem.classes) != _TWO:
        return "it needs two classes"
    if problem.samples.rate is None:
        return "it needs the time order of the samples"
    if problem.window is not None and problem.window.within == "label":
        return "windows cut at label boundaries would leak where a label ends"
    return ""


def _extra_files(fitted: Fitted, problem: Problem) -> dict[str, bytes]:
    """Return the machine as a TOML state table for the agent; empty for windows or without a rate."""
    if not isinstance(fitted, Machine) or problem.window is not None or problem.samples.rate is None:
        return {}
    name = f"`{fitted.column[0]}`"
    on, off = (fitted.on, fitted.off) if fitted.up else (-fitted.on, -fitted.off)
    rise, fall = (
        (f"{name} >= {on:.9g}", f"{name} < {off:.9g}") if fitted.up else (f"{name} <= {on:.9g}", f"{name} > {off:.9g}")
    )
    # Wait half a sample less than the duration, so that the last sample that has to be high is still tested.
    wait = round((fitted.duration - 0.5) / problem.samples.rate, 9) if fitted.duration > 1 else 0.0
    record = fitted.base.model.table.answers
    first, other = (str(fitted.base.model.classes_[int(np.argmax(answer))]) for answer in (record[0], record[-1]))
    from edgewright.core.state_machine.table import switch_text  # noqa: PLC0415 - of the files of this candidate only

    return {"state-table.toml": switch_text(rise, fall, wait, (first, other)).encode()}


candidate("state_machine")(
    Candidate(
        rank=40,
        title="state machine",
        tail=THRESHOLD.tail,
        fit=_fit,
        unsupported_reason=_unsupported_reason,
        extra_files=_extra_files,
    )
)
