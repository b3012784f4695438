"""`edgewright learn`: a run told as a lesson, in one of nine ways."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.interrupt import loading
from edgewright.core.errors import OptionError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edgewright.trace.blocks.records import Block


@dataclass(frozen=True, kw_only=True)
class LearnOptions:
    """Options of the command."""

    run: Path = argument()
    mode: str = option(
        default="trace",
        metavar="MODE",
        help="trace, summary, steps, formulas, code, what-if, compare, quiz or glossary.",
    )
    changes: tuple[str, ...] = option(
        "--set",
        metavar="NAME=VALUE",
        help="what-if: change features, layers, epochs, bits, or any key a.b, and run again.",
    )
    data: str | None = option(metavar="PATH", help="what-if: where the data are now. [default: as recorded in the run]")
    out: Path | None = option(help="what-if: folder for runs. [default: next to RUN]")


@declare(example="runs/activity --mode quiz")
def command(options: LearnOptions) -> Result:
    """Explain RUN (a run folder) as a lesson.

    On a terminal, `steps` advances with keys (space, p, q), and the quiz is answered with a-d or 1-4 and scored.
    `what-if` with --set runs the pipeline again with one change, next to RUN under the next number, and shows the
    difference; without --set, it lists what can be changed.
    """
    from edgewright.trace.modes import modes
    from edgewright.workflows.comparison import read_run, settings_of

    name, known = options.mode.replace("_", "-"), modes()
    if name not in known:
        raise UnknownNameError("learning mode", options.mode, known, "--mode")
    _refuse_options(name, options)
    if options.changes:
        return _what_if(options)
    folder, trace = read_run(options.run)
    if not trace.config:
        trace = msgspec.structs.replace(trace, config=dict(settings_of(folder, trace) or {}))
    blocks = known[name].blocks(trace)
    lesson = {"mode": name, "run": trace.name, "blocks": blocks}
    if name == "quiz":
        return _quiz(lesson, blocks)
    return Result(lesson, _lesson(name, f"{known[name].title}: {' '.join(trace.name.split())}", blocks))


def _refuse_options(mode: str, options: LearnOptions) -> None:
    """Refuse options of another mode.

    Raises:
        InputError: naming the first one.
    """
    given = {
        "--set": ("what-if", bool(options.changes)),
        "--data": ("what-if", options.data is not None),
        "--out": ("what-if", options.out is not None),
    }
    for name, (wanted, is_given) in given.items():
        if is_given and mode != wanted:
            raise OptionError(f"{name} with --mode {wanted}", f"--mode {mode}", "edgewright learn")


def _lesson(name: str, title: str, blocks: Sequence[Block]) -> Iterator[Any]:
    """Yield a lesson; on a terminal its steps advance with keys."""
    from edgewright.cli.lessons import step_through
    from edgewright.trace.page import Terminal

    yield title
    console = Terminal()
    if name == "steps" and console.is_terminal and sys.stdin.isatty():
        step_through(console, blocks)
    else:
        yield from blocks


def _quiz(lesson: dict[str, Any], blocks: Sequence[Block]) -> Result:
    """Ask with keys on a terminal, or print the questions with their answers."""
    from edgewright.cli.lessons import ask
    from edgewright.trace.blocks.records import Question
    from edgewright.trace.page import Terminal

    questions = [block for block in blocks if isinstance(block, Question)]

    def view() -> Iterator[Any]:
        console = Terminal()
        if questions and console.is_terminal and sys.stdin.isatty():
            correct, answered = ask(console, questions)
            yield f"{correct} of {answered} right"
        else:
            yield from blocks

    return Result(lesson, view())


def _what_if(options: LearnOptions) -> Result:
    with loading():
        from edgewright.cli.listeners import refusal, working
        from edgewright.trace.compare import comparison_blocks
        from edgewright.workflows.comparison import what_if

    done = what_if(options.run, options.changes, data=options.data, out=options.out, listener=working())
    folder = done.result.folder
    return Result(
        {"mode": "what-if", "run": str(folder), "comparison": done.comparison},
        [*comparison_blocks(done.comparison), f"run folder {click.format_filename(folder)}"],
        failure=refusal(done.result.refused, folder),
    )
