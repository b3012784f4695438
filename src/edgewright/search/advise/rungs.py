"""Choice of a rung under a budget, changes that would lead to another choice, and the next commands."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from pathlib import Path

from edgewright.pipeline.run_folder.folder import free_name
from edgewright.profiles.footprint import over_budget
from edgewright.race.problem import Problem, are_pictures
from edgewright.schema.advice import Flip, Need
from edgewright.schema.config import PipelineConfig
from edgewright.schema.footprint import Budget
from edgewright.schema.profile import Profile
from edgewright.schema.race import LadderRecord, RungRecord, rung_of
from edgewright.schema.trace import Interval
from edgewright.search.advise.contract import AdviceRequest
from edgewright.search.advise.figures import limit_of
from edgewright.search.ladder.measurement import run_name
from edgewright.search.ladder.model_comparison import compared, figure, rivals, signed, span
from edgewright.trace.sentences.readiness import NOT_READY

USUAL = "majority"
"""Rung that always gives the same answer."""


@dataclass(frozen=True)
class RungChoice:
    """A chosen rung, the reason, and the needs about the model that it does not meet, with the gap."""

    rung: RungRecord
    why: str
    unmet: tuple[str, ...] = ()


def budget_of(needs: tuple[Need, ...], profile: Profile, round_trip: float) -> Budget:
    """Return the limits of a rung: memory of the device or the needs, and a latency that only the device can meet.

    Args:
        needs: needs of the user.
        profile: device profile.
        round_trip: round-trip time of the link in seconds; another place can also meet a latency above it.
    """
    flash, ram, latency = (limit_of(needs, name) for name in ("flash", "ram", "latency"))
    return Budget(
        flash=int(min(flash or math.inf, profile.flash.value)),
        ram=int(min(ram or math.inf, profile.ram.value)),
        latency_us=latency * 1e6 if latency is not None and latency <= round_trip else None,
    )


def choose_rung(record: LadderRecord, budget: Budget, needs: tuple[Need, ...]) -> RungChoice:
    """Choose the ladder's rung if it fits the budget, else the highest climbed rung that fits, else the best that fits.

    If no rung fits, choose the rung that exceeds the fewest limits, then the smallest one. The rung that always answers
    the same is no choice.
    """
    measured = [rung for rung in record.rungs if rung.score is not None and rung.name != USUAL]
    beyond = {rung.name: over_budget(rung.footprint, budget) if rung.footprint else () for rung in measured}
    fitting = [rung for rung in measured if not beyond[rung.name]]
    climbed = [rung for rung in fitting if rung.climbed and (rung.gain is not None or len(fitting) == 1)]
    if (choice := rung_of(record, record.chosen)) in fitting and choice is not None:
        rung, why = choice, _why(record, choice)
    elif climbed:
        rung = climbed[-1]
        why = _why(record, rung)
    elif fitting:
        rung = max(fitting, key=lambda rung_record: _worth(rung_record, record))
        why = f"the best rung within the budget: {_why(record, rung)}"
    else:
        rung = min(measured, key=lambda rung_record: (len(beyond[rung_record.name]), _size(rung_record)))
        why = f"no rung is within the budget; {rung.title} is closest"
    wanted = limit_of(needs, "score")
    unmet = list(beyond[rung.name])
    if record.chosen == USUAL:
        unmet.append(f"{NOT_READY}: no gain over always answering the same is significant")
    if (
        wanted is not None
        and rung.score is not None
        and (rung.score.value < wanted if record.higher else rung.score.value > wanted)
    ):
        best = max(measured, key=lambda rung_record: _worth(rung_record, record))
        text = f"score: {record.metric_title} {figure(rung.score.value)} is {figure(abs(wanted - rung.score.value))} "
        text += f"short of {figure(wanted)}"
        if best.score is not None and best.name != rung.name:
            text += f"; the closest is {best.title} with {figure(best.score.value)}"
        unmet.append(text)
    return RungChoice(rung, why, tuple(unmet))


def _worth(rung: RungRecord, record: LadderRecord) -> float:
    value = rung.score.value if rung.score else math.nan
    return value if record.higher else -value


def _size(rung: RungRecord) -> float:
    return rung.footprint.flash.value if rung.footprint else math.inf


def _why(record: LadderRecord, rung: RungRecord) -> str:
    """Describe a rung: its score, its gain, and the change by the best rung tried above it."""
    assert rung.score is not None  # noqa: S101 - only measured rungs are chosen
    text = f"{record.metric_title} {figure(rung.score.value)} ({figure(rung.score.low)} to {figure(rung.score.high)})"
    text += compared(rung, record.rungs)
    above = rivals(rung, record.rungs)
    if above and above[0].gain is not None and above[0].p is None:
        text += f", {_verdict(above[0].gain)}"
    return f"{text}. {record.stopped}. {record.power}" if record.power else text


def _verdict(gain: Interval) -> str:
    if gain.high < 0:
        return "which is significantly worse"
    return "an interval that includes zero" if gain.low <= 0 else "which exceeds the budget"


def flips(record: LadderRecord, rung: RungRecord) -> tuple[Flip, ...]:
    """Return the changes of the data or the device that would lead to another rung."""
    records = []
    above = rivals(rung, record.rungs)
    able = [candidate for candidate in above if candidate.gain is not None and candidate.gain.value > 0]
    for candidate in able[:1]:
        assert candidate.gain is not None  # noqa: S101 - as above
        half = candidate.gain.value - candidate.gain.low
        if candidate.gain.low > 0:
            then = f"{candidate.title} would be chosen: {signed(candidate.gain.value)} ({span(candidate.gain)})"
            records.append(Flip(when=f"on a device with enough {candidate.beyond or 'memory'}", then=then))
            continue
        units = math.ceil(record.units * (half / candidate.gain.value) ** 2)
        many = f"{units:,} {record.kept}s instead of {record.units:,}"
        records.append(
            Flip(
                when=f"if {candidate.title} kept its gain of {signed(candidate.gain.value)} over {many}",
                then=f"the gain would be significant and {candidate.title} chosen (interval width falls as 1/sqrt(n))",
            )
        )
    surely = above[0].gain if not able and above else None
    if surely is not None and surely.high < 0:
        records.append(
            Flip(when="with more such data", then="no change likely: all rungs above are significantly worse")
        )
    elif surely is not None:
        best = surely
        records.append(
            Flip(
                when=f"if a rung above reached the upper end of its interval ({signed(best.high)})",
                then=f"it would be chosen; the best of them, {above[0].title}, measured {signed(best.value)}",
            )
        )
    records += [
        Flip(when=f"on a device with more {candidate.beyond}", then=f"{candidate.title} could be compared")
        for candidate in record.rungs
        if candidate.beyond
    ]
    untried = [candidate.title for candidate in record.rungs if candidate.left_out == "not tried"]
    if untried:
        records.append(
            Flip(
                when=f"with --patience 0 the ladder also tries {', '.join(untried)}",
                then=f"they were left out because {record.patience} rungs in a row gave no "
                f"{'better score' if record.power else 'significant gain'}",
            )
        )
    return tuple(records)


# Options of `ladder` that `check` does not accept.
_NOT_CHECKED = ("--device", "--by", "--leave-out", "--step", "--window-target", "--metric", "--task")


@dataclass(frozen=True)
class Setup:
    """Inputs of a ladder, and how the adviser chose them.

    Attributes:
        problem, config: inputs of the ladder.
        data: data argument for commands: a quoted path, or a pipeline with its --data option.
        known: name of the public set that the data is a copy of; empty for none.
        why: reasons for the columns and windows, in sentences.
        left_out: excluded columns, with the reason.
        named: options of `[data]`; empty for a pipeline.
    """

    problem: Problem
    config: PipelineConfig
    data: str
    known: str
    why: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]
    named: dict[str, object]


def commands(setup: Setup, request: AdviceRequest, rung: str) -> tuple[str, ...]:
    """Return the next shell commands.

    Args:
        setup: inputs of the ladder.
        request: options of the adviser.
        rung: name of the chosen rung; 'check' for the first command only.
    """
    options = _options(setup, request)
    data = setup.data
    if rung == "check":
        if not setup.named:
            return (f"edgewright ladder {data}",)
        common = " ".join(part for part in options if not part.startswith(_NOT_CHECKED))
        return (f"edgewright check {data} {common}".rstrip(),)
    # An older run with this name keeps its folder, so the commands name the folder of the new run.
    run = shlex.quote(str(free_name(Path("runs"), run_name(setup.config.name, rung))))
    return (
        f"edgewright ladder {data} {' '.join(options)} --run {rung}".replace("  ", " "),
        f"edgewright prove {run}",
        f"edgewright estimate {run} --device {shlex.quote(request.device)}",
        f"edgewright export {run} --to c99 --out firmware",
        f"edgewright predict {run} {'--pictures new' if are_pictures(setup.problem.samples) else '--csv new.csv'}",
    )


def _options(setup: Setup, request: AdviceRequest) -> list[str]:
    """Return the options of `ladder` that are equivalent to the options of the adviser."""
    given = {f"--{key.replace('_', '-')}": value for key, value in setup.named.items()}
    options = [f"{key} {shlex.quote(value)}" for key, value in given.items() if isinstance(value, str)]
    options += [key for key, value in given.items() if value is True]
    ignored = setup.named.get("ignore")
    options += [f"--ignore {shlex.quote(str(name))}" for name in ignored] if isinstance(ignored, list) else []
    window = setup.problem.window
    if setup.named and window is not None and (request.window or not window.pad):
        options.append(f"--window {window.samples}")
        options += [f"--step {window.step}"] if window.step else []
        options += [f"--window-target {window.target}"] if window.target != "last" else []
    if setup.named and request.held_out:
        options.append(f"--leave-out {','.join(request.held_out)}")
    if setup.named and request.task in ("classification", "regression"):
        options.append(f"--task {request.task}")
    options += [f"--metric {request.metric}"] if request.metric else []
    options += [f"--seed {request.seed}"] if request.seed and setup.named else []
    if request.by != "auto":
        options.append(f"--by {request.by}")
    if request.device != "cortex-m4":
        options.append(f"--device {shlex.quote(request.device)}")
    return options
