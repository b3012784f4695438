"""What every view of the terminal shares: width, characters, colours, tables, cards and progress bars."""

from __future__ import annotations

import errno
import io
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

ACCENT, QUIET, GOOD, BAD, WARN = "bold cyan", "dim", "bold green", "bold red", "yellow"
SERIES = ("cyan", "magenta", "green", "yellow")


class Terminal(Console):
    """A console that raises when the reader of its pipe went away; rich would end the process with exit code 1."""

    def on_broken_pipe(self) -> None:
        """Raise an error because the reader went away.

        Raises:
            BrokenPipeError: always.
        """
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


@dataclass(frozen=True)
class Page:
    """How much room there is and what can be shown.

    Attributes:
        width: columns of text.
        unicode: the encoding carries box, braille and block characters.
        terminal: a person watches: frames and bars are drawn.
    """

    width: int
    unicode: bool
    terminal: bool

    @property
    def dot(self) -> str:
        """Separator between facts on one line."""
        return " · " if self.unicode else " - "

    @property
    def ellipsis(self) -> str:
        """Mark where text was cut."""
        return "…" if self.unicode else "~"

    @property
    def inner(self) -> int:
        """Columns inside a card."""
        return self.width - 6

    def facts(self, *facts: str) -> str:
        """Return the facts that are not empty, on one line."""
        return self.dot.join(fact for fact in facts if fact)

    def card(self, title: str, parts: Iterable[RenderableType]) -> RenderableType:
        """Return a titled block: framed on a terminal, a heading with indented lines elsewhere."""
        if not self.terminal:
            return Group(Text(title), Padding(Group(*parts), (0, 0, 1, 4)))
        return Panel(
            Group(*parts), title=Text(title, style=ACCENT), title_align="left", border_style="bright_black",
            box=box.ROUNDED if self.unicode else box.ASCII, width=self.width, padding=(0, 2),
        )  # fmt: skip

    def heading(self, title: str) -> RenderableType:
        """Return a heading of a part of the trace."""
        rule = ("─" if self.unicode else "-") * max(0, self.width - len(title) - 1)
        return Group(Text(""), Text.assemble((title, "bold"), " ", (rule, "bright_black")))


def page_of(console: Console) -> Page:
    """Return the page a console gives; at least 40 columns, at most 120, where lines are still easy to follow."""
    unicode = console.encoding.lower().startswith("utf")
    return Page(width=max(40, min(console.width, 120)), unicode=unicode, terminal=console.is_terminal)


class Listing(Text):
    """Code, whose lines are never broken."""


def print_parts(parts: Iterable[RenderableType], console: Console, page: Page | None = None) -> None:
    """Print parts one below the other, no wider than the page, without markup."""
    page = page or page_of(console)
    if not page.terminal or not page.unicode:
        print_plain("\n".join(plain_lines(parts, page)).strip("\n").splitlines(), console)
        return
    for part in parts:
        listing = isinstance(part, Listing)
        console.print(part, markup=False, highlight=False, emoji=False, soft_wrap=listing,
                      width=None if listing else page.width)  # fmt: skip


def plain_lines(parts: Iterable[RenderableType], page: Page) -> list[str]:
    """Return the lines of parts without colours and without blanks at their ends."""
    sheet = io.StringIO()
    paper = Console(file=sheet, width=page.width, color_system=None, legacy_windows=False)
    for part in parts:
        paper.print(part, markup=False, highlight=False, emoji=False, soft_wrap=isinstance(part, Listing))
    text = sheet.getvalue()
    if not page.unicode:
        text = text.replace("µ", "u").replace("°", "o")
    return [line.rstrip() for line in text.splitlines()]


def print_plain(lines: Iterable[str], console: Console) -> None:
    """Print lines as they are; characters that the encoding lacks become question marks."""
    text = "\n".join(lines).encode(console.encoding, "replace").decode(console.encoding)
    console.print(Text(text), soft_wrap=True, highlight=False)


def table(headers: Sequence[str], right: Iterable[int] = (), *, gap: int = 2) -> Table:
    """Return a table without lines; the columns named in `right` hold figures and stand to the right."""
    figures = set(right)
    grid = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False, show_header=any(headers), header_style=QUIET)
    for i, header in enumerate(headers):
        grid.add_column(
            Text(header), justify="right" if i in figures else "left", overflow="fold", no_wrap=i in figures
        )
    return grid


def add(grid: Table, *cells: RenderableType, style: str = "") -> None:
    """Add a row of plain text: square brackets in names are no markup."""
    grid.add_row(*(Text(cell, style=style) if isinstance(cell, str) else cell for cell in cells))


def note(text: str, style: str = QUIET) -> Text:
    """Return a line beside the main thing."""
    return Text(text, style=style)


DELAY_SECONDS = 1.0


@contextmanager
def progress(console: Console, label: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Give a function to call with the amount of work done since the last call.

    The bar appears when the work has lasted over a second, so that quick work leaves no trace of it, and goes when
    the work ends. Nothing is drawn when the console is no terminal. `total` None: the amount is not known.
    """
    if not console.is_terminal:
        yield lambda amount: None
        return
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=32),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
    task = bar.add_task(label, total=total)
    timer = threading.Timer(DELAY_SECONDS, bar.start)
    timer.daemon = True
    timer.start()
    try:
        yield lambda amount: bar.advance(task, amount)
    finally:
        timer.cancel()
        timer.join()
        bar.stop()
