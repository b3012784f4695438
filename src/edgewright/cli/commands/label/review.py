"""`edgewright label review`: people label items in the terminal, or line by line over a pipe."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgewright.cli.command import Result, Stream, declare, option, wants_json
from edgewright.cli.commands.label._options import PROJECT, REVIEWER, plain
from edgewright.schema.errors import DONE, InputError

if TYPE_CHECKING:
    from edgewright.language.labelling.project import Project

_KEYS = "Enter takes the suggestion; a name, its beginning or its number; /none, /skip, /undo, /classes, +NAME, /quit"


@declare(example="calls.labelling --as ann")
def command(
    project: Path = PROJECT,
    reviewer: str = REVIEWER,
    audit: bool = option(help="Answer the audit's sample; the machine's labels are hidden."),
    second: bool = option(help="Label what others labelled, to measure agreement; settles items where two differ."),
    item: int | None = option(type=click.IntRange(1), help="Review one item again, by its number."),
    count: int | None = option(type=click.IntRange(1), help="Stop after this many items."),
) -> Stream:
    """Label items one after the other.

    Each label is stored before the next item is shown. Ctrl-C, /quit or the end of the input stop; the next review
    continues there. In a pipe each line is an answer; an invalid line ends the review with exit code 2, so that no
    answer goes to the wrong item.
    """
    from edgewright.language.labelling.project import Project, refuse_reviewer
    from edgewright.language.labelling.review import todo

    refuse_reviewer(reviewer)
    with Project(project) as opened:
        work = [item] if item else todo(opened, reviewer, audit=audit, second=second)
        session = _Session(opened, reviewer, audit, quiet=wants_json())
        try:
            session.run(work if count is None else work[:count])
        except KeyboardInterrupt:
            click.echo(err=wants_json())  # the terminal wrote ^C on the line
            raise
        finally:
            record = {"project": str(project), "reviewer": reviewer, "labelled": session.labelled,
                    "left": max(0, len(work) - session.labelled)}  # fmt: skip
            yield Result(record, [f"{record['labelled']:,} labelled by {reviewer}, {record['left']:,} left"])
    return DONE


class _Session:
    """One person's review."""

    def __init__(self, project: Project, reviewer: str, audit: bool, quiet: bool) -> None:
        self.project, self.reviewer, self.audit, self.quiet = project, reviewer, audit, quiet
        self.labelled = 0
        self.lines = 0
        self.typed = sys.stdin.isatty()

    def run(self, work: list[int]) -> None:
        """Ask for one after the other; `/undo` goes back to the one that was labelled last."""
        if not work:
            self.say("no items to label")
            return
        self.say(_KEYS)
        position = 0
        while position < len(work):
            answer = self.ask(work[position], f"{position + 1}/{len(work)}")
            if answer == "quit":
                return
            if answer == "undo":
                back = self.project.undo(self.reviewer)
                if back is None:
                    self.say("nothing to undo")
                    continue
                self.labelled = max(0, self.labelled - 1)
                self.say(f"removed {back.label or 'none'} from item {back.item}")
                if back.item in work:
                    position = work.index(back.item)
                else:
                    work.insert(position, back.item)
                continue
            position += 1

    def ask(self, number: int, of: str) -> str:
        """Show an item until it has an answer: 'labelled', 'skip', 'undo' or 'quit'."""
        from edgewright.language.labelling.review import how_of, meant, shown

        seen = shown(self.project, number, audit=self.audit)
        self.say(f"\n[{of}] {plain(seen.item.content)}")
        self.window(number)
        if seen.suggested:
            self.say(f"  {seen.suggested}, {100 * seen.confidence:.0f} %")
        while True:
            if self.typed:
                click.echo("> ", nl=False, err=self.quiet)
            line = sys.stdin.readline()
            self.lines += 1
            command = line.strip()
            if not line or command == "/quit":
                return "quit"
            if command in ("/skip", "/undo"):
                return command[1:]
            if command == "/classes":
                self.classes()
                continue
            try:
                if command.startswith("+"):
                    self.project.add_class(command[1:].strip())
                    label = command[1:].strip()
                else:
                    label = meant(line.rstrip("\n"), list(self.project.classes()), seen.suggested)
            except InputError as error:
                if not self.typed:
                    raise InputError(error.expected, error.got, f"line {self.lines}", error.do) from None
                self.say(str(error))
                continue
            how = how_of(self.project, number, label, audit=self.audit)
            self.project.say(number, label, self.reviewer, how)
            self.labelled += 1
            return "labelled"

    def classes(self) -> None:
        """List them."""
        self.say("  " + "  ".join(f"{number} {name}" for number, name in enumerate(self.project.classes(), 1)))

    def window(self, number: int) -> None:
        """Print the values of a window as small bars, one line per channel."""
        if self.project.kind not in ("windows", "rows"):
            return
        from edgewright.language.labelling.review import bars

        for line in bars(self.project.data(number), list(self.project.meta("columns"))):
            self.say(line)

    def say(self, text: str) -> None:
        """Go to the standard error where the output is JSON."""
        click.echo(text, err=self.quiet)
