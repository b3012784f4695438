"""`edgewright learn`: a run told as a lesson, in one of nine ways."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgewright.schema.errors import CheckFailedError, InputError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgewright.schema.lesson import Block, Question
    from edgewright.schema.trace import Trace


@click.command("learn", epilog="Example: edgewright learn runs/activity --mode quiz")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--mode",
    default="trace",
    show_default=True,
    metavar="MODE",
    help="trace, summary, steps, formulas, code, what-if, compare, quiz or glossary.",
)
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="NAME=VALUE",
    help="what-if: change features, layers, epochs, bits, or any key a.b, and run again.",
)
@click.option("--answers", metavar="a,c,b", help="quiz: answer without keys, the first question first.")
@click.option("--data", metavar="PATH", help="what-if: where the data lie now; the run remembers it otherwise.")
@click.option("--out", type=click.Path(path_type=Path), help="what-if: folder of runs. [default: beside RUN]")
@click.option("--json", "as_json", is_flag=True, help="Print the lesson as JSON.")
def command(
    run: Path,
    mode: str,
    changes: tuple[str, ...],
    answers: str | None,
    data: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Tell RUN (a run folder) as a lesson.

    On a terminal `steps` goes on with keys (space, p, q), and the quiz is answered with a-d or 1-4 and scored. With
    --set what-if runs the pipeline again with one thing changed, beside RUN under the next number, and shows the
    difference; without, it says what can be changed.
    """
    from edgewright.trace.modes import modes
    from edgewright.workflows.comparison.runs import read_run, settings_of

    name, known = mode.replace("_", "-"), modes()
    if name not in known:
        raise UnknownNameError("learning mode", mode, known, "--mode")
    told = known[name]
    _only(name, "quiz", "--answers", answers is not None)
    for option, given in (("--set", bool(changes)), ("--data", data is not None), ("--out", out is not None)):
        _only(name, "what-if", option, given)
    if changes:
        _what_if(run, changes, data, out, as_json)
        return
    folder, trace = read_run(run)
    if not trace.config:
        import msgspec

        trace = msgspec.structs.replace(trace, config=dict(settings_of(folder, trace) or {}))
    blocks = told.tell(trace)
    if name == "quiz":
        _quiz(trace, blocks, answers, as_json)
    elif as_json:
        _json({"mode": name, "run": trace.name, "blocks": blocks})
    else:
        _print(name, told.title, trace, blocks)


def _only(mode: str, wanted: str, option: str, given: bool) -> None:
    if given and mode != wanted:
        raise InputError(f"{option} with --mode {wanted}", f"--mode {mode}", "edgewright learn")


def _print(name: str, title: str, trace: Trace, blocks: Sequence[Block]) -> None:
    from edgewright.cli.lessons import show_blocks, step_through
    from edgewright.cli.terminal import Terminal

    console = Terminal()
    click.echo(f"{title}: {' '.join(trace.name.split())}")
    if name == "steps" and console.is_terminal and sys.stdin.isatty():
        step_through(console, blocks)
    else:
        show_blocks(console, blocks)


def _quiz(trace: Trace, blocks: Sequence[Block], answers: str | None, as_json: bool) -> None:
    """Asked with keys on a terminal, scored from --answers, printed with its answers otherwise."""
    from edgewright.cli.lessons import ask, judged, read_answers, show, show_blocks
    from edgewright.cli.terminal import Terminal
    from edgewright.schema.lesson import Question
    from edgewright.trace.blocks_terminal import question_parts

    questions: list[Question] = [block for block in blocks if isinstance(block, Question)]
    if answers is not None:
        chosen = read_answers(answers, questions)
        right = sum(q.options[c].right for q, c in zip(questions, chosen, strict=False))
        if as_json:
            _json({"mode": "quiz", "run": trace.name, "blocks": blocks, "answered": len(chosen), "right": right})
            return
        console = Terminal()
        for question, choice in zip(questions, chosen, strict=False):
            show(console, [*question_parts(question), *judged(question, choice)])
        click.echo(f"{right} of {len(chosen)} right")
        return
    if as_json:
        _json({"mode": "quiz", "run": trace.name, "blocks": blocks})
        return
    console = Terminal()
    if questions and console.is_terminal and sys.stdin.isatty():
        right, answered = ask(console, questions)
        click.echo(f"{right} of {answered} right")
    else:
        show_blocks(console, blocks)


def _what_if(run: Path, changes: tuple[str, ...], data: str | None, out: Path | None, as_json: bool) -> None:
    from edgewright.cli.interrupt import loading

    with loading():
        from edgewright.cli.lessons import show_blocks
        from edgewright.cli.progress import Working
        from edgewright.cli.show import Quiet
        from edgewright.cli.terminal import Terminal
        from edgewright.trace.compare import comparison_blocks
        from edgewright.workflows.comparison.what_if import what_if

    console = Terminal()
    done = what_if(run, changes, data=data, out=out, listener=Quiet() if as_json else Working(console))
    if as_json:
        _json({"mode": "what-if", "run": str(done.result.folder), "comparison": done.comparison})
    else:
        show_blocks(console, comparison_blocks(done.comparison))
        click.echo(f"run folder {click.format_filename(done.result.folder)}")
    if done.result.refused:
        raise CheckFailedError(done.result.refused, do=f"See {click.format_filename(done.result.folder)}")


def _json(made: dict[str, Any]) -> None:
    import msgspec

    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n")
    sys.stdout.buffer.flush()


COMMAND = command
