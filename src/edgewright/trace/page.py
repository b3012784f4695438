"""What every view of the terminal shares: width, characters, colours, tables and cards."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

ACCENT, QUIET, GOOD, BAD, WARN = "bold cyan", "dim", "bold green", "bold red", "yellow"
SERIES = ("cyan", "magenta", "green", "yellow")


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
        """The facts that are not empty, on one line."""
        return self.dot.join(fact for fact in facts if fact)

    def card(self, title: str, parts: Iterable[RenderableType], *, right: str = "") -> RenderableType:
        """A titled block: framed on a terminal, a heading with indented lines elsewhere."""
        head = Text(title, style=ACCENT)
        if self.terminal:
            foot = Text(right, style=QUIET) if right else None
            frame = box.ROUNDED if self.unicode else box.ASCII
            style = "bright_black"
            return Panel(
                Group(*parts), title=head, title_align="left", subtitle=foot, subtitle_align="right", box=frame,
                border_style=style, width=self.width, padding=(0, 2),
            )  # fmt: skip
        tail = f"{self.dot}{right}" if right else ""
        return Group(Text(f"{title}{tail}"), Padding(Group(*parts), (0, 0, 1, 4)))

    def heading(self, title: str) -> RenderableType:
        """A heading of a part of the trace."""
        rule = ("─" if self.unicode else "-") * max(0, self.width - len(title) - 1)
        return Group(Text(""), Text.assemble((title, "bold"), " ", (rule, "bright_black")))


def page_of(console: Console) -> Page:
    """The page a console gives; at least 40 columns, at most 120, where lines are still easy to follow."""
    unicode = console.encoding.lower().startswith("utf")
    return Page(width=max(40, min(console.width, 120)), unicode=unicode, terminal=console.is_terminal)


def print_parts(parts: Iterable[RenderableType], console: Console, page: Page) -> None:
    """Prints parts one below the other, no wider than the page.

    Off a terminal lines end without blanks, and what the encoding lacks is a question mark.
    """
    for part in parts:
        if page.terminal and page.unicode:
            console.print(part, markup=False, highlight=False, emoji=False, width=page.width)
            continue
        sheet = io.StringIO()
        paper = Console(file=sheet, width=page.width, color_system=None, legacy_windows=False)
        paper.print(part, markup=False, highlight=False, emoji=False)
        text = "\n".join(line.rstrip() for line in sheet.getvalue().splitlines())
        printable = text.encode(console.encoding, "replace").decode(console.encoding)
        console.print(Text(printable), soft_wrap=True, highlight=False)


def table(headers: Sequence[str], right: Iterable[int] = (), *, gap: int = 2) -> Table:
    """A table without lines; the columns named in `right` hold figures and stand to the right."""
    figures = set(right)
    made = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False, show_header=any(headers), header_style=QUIET)
    for i, header in enumerate(headers):
        made.add_column(
            Text(header), justify="right" if i in figures else "left", overflow="fold", no_wrap=i in figures
        )
    return made


def add(made: Table, *cells: RenderableType, style: str = "") -> None:
    """A row of plain text: names of columns and people may hold square brackets, which are no markup here."""
    made.add_row(*(Text(cell, style=style) if isinstance(cell, str) else cell for cell in cells))


def note(text: str, style: str = QUIET) -> Text:
    """A line beside the main thing."""
    return Text(text, style=style)
