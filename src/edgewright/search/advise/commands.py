"""Commands that go on from an advice on labelled readings."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from edgewright.pipeline.folder import free_name
from edgewright.schema.config import PipelineConfig
from edgewright.search.advise.contract import AdviceRequest
from edgewright.search.ladder.rung_run import run_name
from edgewright.search.problem import Problem

# Options of a ladder that `check` does not take.
_NOT_CHECKED = ("--device", "--by", "--leave-out", "--step", "--window-target", "--metric", "--task")


@dataclass(frozen=True)
class Setup:
    """What a ladder is made of, and what it took to get there.

    Attributes:
        problem, config: as the ladder takes them.
        data: as it is typed: quoted, or a pipeline with its --data.
        known: public set that the data is of; empty for none.
        why: how samples were cut, in sentences.
        left_out: columns that are no part of the problem, with the reason.
        named: what `[data]` says; empty for a pipeline.
    """

    problem: Problem
    config: PipelineConfig
    data: str
    known: str
    why: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]
    named: dict[str, object]


def commands(setup: Setup, request: AdviceRequest, rung: str) -> tuple[str, ...]:
    """Return what to go on with, ready to be typed.

    Args:
        setup: of the ladder.
        request: what the adviser was told.
        rung: name of the chosen one; 'check' for the first steps alone.
    """
    options = _options(setup, request)
    data = setup.data
    if rung == "check":
        if not setup.named:
            return (f"edgewright ladder {data}",)
        common = " ".join(part for part in options if not part.startswith(_NOT_CHECKED))
        return (f"edgewright check {data} {common}".rstrip(),)
    # An older run of this name keeps its folder: the commands mean the new one.
    run = shlex.quote(str(free_name(Path("runs"), run_name(setup.config.name, rung))))
    return (
        f"edgewright ladder {data} {' '.join(options)} --run {rung}".replace("  ", " "),
        f"edgewright prove {run}",
        f"edgewright estimate {run} --device {shlex.quote(request.device)}",
        f"edgewright export {run} --to c99 --out firmware",
        f"edgewright predict {run} --csv new.csv",
    )


def _options(setup: Setup, request: AdviceRequest) -> list[str]:
    """Return options of `ladder` that say the same as the advice was given."""
    made = [f"--{key} {shlex.quote(str(value))}" for key, value in setup.named.items() if key != "ignore"]
    ignored = setup.named.get("ignore")
    made += [f"--ignore {shlex.quote(str(name))}" for name in ignored] if isinstance(ignored, list) else []
    window = setup.problem.window
    if setup.named and window is not None and (request.window or not window.pad):
        made.append(f"--window {window.samples}")
        made += [f"--step {window.step}"] if window.step else []
        made += [f"--window-target {window.target}"] if window.target != "last" else []
    if setup.named and request.held:
        made.append(f"--leave-out {','.join(request.held)}")
    if setup.named and request.task in ("classification", "regression"):
        made.append(f"--task {request.task}")
    made += [f"--metric {request.metric}"] if request.metric else []
    made += [f"--seed {request.seed}"] if request.seed and setup.named else []
    if request.by != "auto":
        made.append(f"--by {request.by}")
    if request.device != "cortex-m4":
        made.append(f"--device {shlex.quote(request.device)}")
    return made
