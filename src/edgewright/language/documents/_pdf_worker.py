"""The process that reads a PDF: `python -m edgewright.language.documents._pdf_worker FILE` prints a JSON line a page.

A process of its own, so that time and memory of a hostile file are bounded by the system, whatever the library does.
"""

from __future__ import annotations

import logging
import resource
import sys
import warnings
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from pypdf import PdfReader

Trouble = Literal["", "encrypted", "broken", "memory", "missing"]


class Line(msgspec.Struct, frozen=True, array_like=True):
    """A line of a page.

    Attributes:
        text: as it is read.
        size: size of its largest letters, in points; 0 where it is not known.
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


# Bytes of address space, and characters of a page.
_MEMORY = 2 << 30
_PAGE = 1 << 20
_PAGES = 20_000
_DEEPEST, _ENTRIES = 12, 20_000


def write_line(pdf_line: PdfLine) -> None:
    """Write one line."""
    sys.stdout.buffer.write(msgspec.json.encode(pdf_line) + b"\n")
    sys.stdout.buffer.flush()


def main(path: str) -> None:
    """Tell all pages, or what is wrong."""
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    try:
        from pypdf import PdfReader  # noqa: PLC0415 - an extra, and its absence is told
    except ImportError as error:
        write_line(PdfLine(trouble="missing", why=str(error)))
        return
    try:
        reader = PdfReader(path)
        if reader.is_encrypted and not _opened(reader):
            write_line(PdfLine(trouble="encrypted"))
            return
        titles = _outline(reader)
        count = min(len(reader.pages), _PAGES)
        for number in range(count):
            write_line(PdfLine(page=_page(reader, number, titles.get(number, []))))
        if not count:
            write_line(PdfLine(trouble="broken", why="no pages"))
    except MemoryError:
        write_line(PdfLine(trouble="memory"))
    except Exception as error:  # noqa: BLE001 - the library raises whatever a broken file makes it raise
        write_line(PdfLine(trouble="broken", why=f"{type(error).__name__}: {error}"[:200]))


def _opened(reader: PdfReader) -> bool:
    """Return whether an empty password opens it: such files are for everybody to read."""
    try:
        return bool(reader.decrypt(""))
    except Exception:  # noqa: BLE001 - a cipher that is not there, or garbage
        return False


def _page(reader: PdfReader, number: int, titles: list[tuple[int, str]]) -> Page:
    page = reader.pages[number]
    lines: list[list[Any]] = [["", 0.0]]
    left = _PAGE

    def take(text: str, _: Any, matrix: Any, __: Any, size: Any) -> None:  # noqa: ANN401 - of the library
        nonlocal left
        left -= len(text)
        if left < 0:
            return
        scale = 1.0
        with suppress(TypeError, IndexError, ValueError):
            scale = abs(float(matrix[3])) or abs(float(matrix[1])) or 1.0
        first, *others = text.split("\n")
        for part, fresh in ((first, False), *((other, True) for other in others)):
            if fresh:
                lines.append(["", 0.0])
            if part:
                lines[-1][0] += part
                if part.strip():
                    lines[-1][1] = max(lines[-1][1], float(size or 0) * scale)

    page.extract_text(visitor_text=take)
    pictures = False
    with suppress(Exception):
        pictures = any(True for _ in page.images.keys())  # noqa: SIM118 - the library's own mapping
    return Page(number + 1, [Line(text, round(size, 2)) for text, size in lines if text.strip()], pictures, titles)


def _outline(reader: PdfReader) -> dict[int, list[tuple[int, str]]]:
    """Return entries of the outline by page, counted from 0; a broken outline is none."""
    titles: dict[int, list[tuple[int, str]]] = defaultdict(list)
    with suppress(Exception):
        waiting: list[tuple[int, Any]] = [(1, entry) for entry in reversed(reader.outline)]
        entries = 0
        while waiting and entries < _ENTRIES:
            level, entry = waiting.pop()
            entries += 1
            if isinstance(entry, list):
                if level < _DEEPEST:
                    waiting += [(level + 1, inner) for inner in reversed(entry)]
                continue
            with suppress(Exception):
                page = reader.get_destination_page_number(entry)
                if page is not None and page >= 0:
                    titles[page].append((level, str(entry.title)[:200]))
    return dict(titles)


if __name__ == "__main__":
    main(sys.argv[1])
