"""What the process that reads a PDF tells: one line of JSON a page."""

from __future__ import annotations

from typing import Literal

import msgspec

Trouble = Literal["", "encrypted", "broken", "memory", "missing"]


class Line(msgspec.Struct, frozen=True, array_like=True):
    """A line of a page.

    Attributes:
        text: as it is read.
        size: of its largest letters, in points; 0 where it is not known.
    """

    text: str
    size: float


class Page(msgspec.Struct, frozen=True):
    """A page.

    Attributes:
        number: counted from 1.
        lines: from top to bottom, as the file orders them.
        pictures: whether it holds any.
        titles: (level, title) of the outline's entries that point here.
    """

    number: int
    lines: list[Line]
    pictures: bool
    titles: list[tuple[int, str]]


class PdfLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line: a page, or why there is none.

    Attributes:
        page: the page.
        trouble: what is wrong with the document; '' for nothing.
        why: in the words of the library, short.
    """

    page: Page | None = None
    trouble: Trouble = ""
    why: str = ""
