"""Next commands after advice on labelled readings."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from edgewright.pipeline.folder import free_name
from edgewright.race.problem import Problem, are_pictures
from edgewright.schema.config import PipelineConfig
from edgewright.search.advise.contract import AdviceRequest
from edgewright.search.ladder.rung_run import run_name

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
    made = [f"--{key} {shlex.quote(str(value))}" for key, value in setup.named.items() if key != "ignore"]
    ignored = setup.named.get("ignore")
    made += [f"--ignore {shlex.quote(str(name))}" for name in ignored] if isinstance(ignored, list) else []
    window = setup.problem.window
    if setup.named and window is not None and (request.window or not window.pad):
        made.append(f"--window {window.samples}")
        made += [f"--step {window.step}"] if window.step else []
        made += [f"--window-target {window.target}"] if window.target != "last" else []
    if setup.named and request.held_out:
        made.append(f"--leave-out {','.join(request.held_out)}")
    if setup.named and request.task in ("classification", "regression"):
        made.append(f"--task {request.task}")
    made += [f"--metric {request.metric}"] if request.metric else []
    made += [f"--seed {request.seed}"] if request.seed and setup.named else []
    if request.by != "auto":
        made.append(f"--by {request.by}")
    if request.device != "cortex-m4":
        made.append(f"--device {shlex.quote(request.device)}")
    return made
