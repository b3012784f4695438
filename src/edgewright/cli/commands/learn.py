"""`edgewright learn`: a run told as a lesson, in one of nine ways."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from edgewright.cli.interrupt import loading
from edgewright.cli.options import argument, declare, option
from edgewright.cli.output import print_json
from edgewright.schema.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgewright.schema.lesson import Block, Question
    from edgewright.schema.trace import Trace


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
    answers: str | None = option(metavar="a,c,b", help="quiz: answers without keys, the first question first.")
    data: str | None = option(metavar="PATH", help="what-if: where the data are now. [default: as recorded in the run]")
    out: Path | None = option(help="what-if: folder for runs. [default: next to RUN]")
    as_json: bool = option("--json", help="Print the lesson as JSON.")


@declare("learn", epilog="Example: edgewright learn runs/activity --mode quiz")
def command(options: LearnOptions) -> None:
    """Explain RUN (a run folder) as a lesson.

    On a terminal, `steps` advances with keys (space, p, q), and the quiz is answered with a-d or 1-4 and scored.
    `what-if` with --set runs the pipeline again with one change, next to RUN under the next number, and shows the
    difference; without --set, it lists what can be changed.
    """
    from edgewright.trace.modes import modes
    from edgewright.workflows.comparison.runs import read_run, settings_of

    name, known = options.mode.replace("_", "-"), modes()
    if name not in known:
        raise UnknownNameError("learning mode", options.mode, known, "--mode")
    _refuse_options(name, options)
    if options.changes:
        _what_if(options)
        return
    folder, trace = read_run(options.run)
    if not trace.config:
        trace = msgspec.structs.replace(trace, config=dict(settings_of(folder, trace) or {}))
    blocks = known[name].tell(trace)
    if name == "quiz":
        _quiz(trace, blocks, options)
    elif options.as_json:
        print_json({"mode": name, "run": trace.name, "blocks": blocks})
    else:
        _print(name, known[name].title, trace, blocks)


def _refuse_options(mode: str, options: LearnOptions) -> None:
    """Refuse options of another mode.

    Raises:
        InputError: naming the first one.
    """
    given = {
        "--answers": ("quiz", options.answers is not None),
        "--set": ("what-if", bool(options.changes)),
        "--data": ("what-if", options.data is not None),
        "--out": ("what-if", options.out is not None),
    }
    for name, (wanted, is_given) in given.items():
        if is_given and mode != wanted:
            raise InputError(f"{name} with --mode {wanted}", f"--mode {mode}", "edgewright learn")


def _print(name: str, title: str, trace: Trace, blocks: Sequence[Block]) -> None:
    from edgewright.cli.lessons import show_blocks, step_through
    from edgewright.cli.listeners import Terminal

    console = Terminal()
    click.echo(f"{title}: {' '.join(trace.name.split())}")
    if name == "steps" and console.is_terminal and sys.stdin.isatty():
        step_through(console, blocks)
    else:
        show_blocks(console, blocks)


def _quiz(trace: Trace, blocks: Sequence[Block], options: LearnOptions) -> None:
    """Ask with keys on a terminal, score --answers, or print the questions with their answers."""
    from edgewright.cli.lessons import ask, judged, read_answers, show_blocks
    from edgewright.cli.listeners import Terminal
    from edgewright.schema.lesson import Question
    from edgewright.trace.blocks_terminal import question_parts
    from edgewright.trace.page import print_parts

    questions: list[Question] = [block for block in blocks if isinstance(block, Question)]
    chosen = [] if options.answers is None else read_answers(options.answers, questions)
    right = sum(q.options[c].right for q, c in zip(questions, chosen, strict=False))
    if options.as_json:
        score = {} if options.answers is None else {"answered": len(chosen), "right": right}
        print_json({"mode": "quiz", "run": trace.name, "blocks": blocks, **score})
        return
    console = Terminal()
    if options.answers is not None:
        for question, choice in zip(questions, chosen, strict=False):
            print_parts([*question_parts(question), *judged(question, choice)], console)
        click.echo(f"{right} of {len(chosen)} right")
    elif questions and console.is_terminal and sys.stdin.isatty():
        right, answered = ask(console, questions)
        click.echo(f"{right} of {answered} right")
    else:
        show_blocks(console, blocks)


def _what_if(options: LearnOptions) -> None:

    with loading():
        from edgewright.cli.lessons import show_blocks
        from edgewright.cli.listeners import Terminal, refuse, working
        from edgewright.trace.compare import comparison_blocks
        from edgewright.workflows.comparison.what_if import what_if

    listener = working(options.as_json)
    done = what_if(options.run, options.changes, data=options.data, out=options.out, listener=listener)
    if options.as_json:
        print_json({"mode": "what-if", "run": str(done.result.folder), "comparison": done.comparison})
    else:
        show_blocks(Terminal(), comparison_blocks(done.comparison))
        click.echo(f"run folder {click.format_filename(done.result.folder)}")
    refuse(done.result.refused, done.result.folder)
