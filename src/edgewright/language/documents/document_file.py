"""Documents in files of any kind, and PDF by pypdf.

PDF is read in a process of its own: a hostile file can take no more than its time and memory.

Headings are the document's own outline where it has one, else lines that are larger than most. Lines that stand at the
head or foot of most pages belong to no passage.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import msgspec

from edgewright.core.errors import (
    DocumentUnreadableError,
    FileTooLargeError,
    MissingExtraError,
    MissingFileError,
)
from edgewright.language.documents._pdf_worker import Page, PdfLine
from edgewright.language.documents.index import Block
from edgewright.language.documents.readers import (
    LARGEST,
    LONGEST_HEADING,
    MARKDOWN,
    TEXT,
    WEB,
    Headings,
    Reader,
    Reading,
)
from edgewright.nlp.records import Document

# Text of all pages together.
LARGEST_TEXT = 64 << 20
# A heading is so much larger than what most letters are set in.
_LARGER = 1.12
_FEWEST_REPEATED = 4
_ITEM = re.compile(r"\s*(?:[-*\u2022\u25cf\u25aa\u2013]|\d{1,3}[.)]|\([a-z0-9]\))\s+")
# A line of a table of contents or an index: it names a place and says nothing itself.
_LEADERS = re.compile(r"(?:\.\s?){5,}\s*\w{1,6}\s*$")
_STOPS = (".", "!", "?", ":")
_DO = {
    "encrypted": "Save it without a password first",
    "broken": "Save it again with another program, or use another copy",
    "memory": "Split it, or save it as text",
}


def read_pdf(reading: Reading) -> Iterator[Block]:
    """Yield blocks of a PDF.

    Raises:
        InputError: it is encrypted, broken, scanned, or takes too much time or memory.
        MissingExtraError: pypdf is not installed.
    """
    pages = _pages(reading)
    reading.pages = len(pages)
    empty = [page.number for page in pages if not any(line.text.strip() for line in page.lines)]
    if len(empty) == len(pages):
        got = "only images of pages" if any(page.pictures for page in pages) else "pages without text"
        raise reading.wrong("a PDF with text", got, "Run text recognition (OCR) first, then index the result")
    if empty:
        some = ", ".join(map(str, empty[:10])) + (" ..." if len(empty) > 10 else "")
        reading.notes.append(f"{len(empty)} of {len(pages)} pages have no text and cannot be found: {some}")
    lost = sum(line.text.count("\ufffd") for page in pages for line in page.lines)
    if lost:
        reading.notes.append(f"{lost} characters were skipped: their font has no character mapping")
    yield from _blocks(pages)


def _pages(reading: Reading) -> list[Page]:
    """All pages, from the process that reads them."""
    command = [sys.executable, "-m", "edgewright.language.documents._pdf_worker", str(reading.path.absolute())]
    pages: list[Page] = []
    size = 0
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL)
        late = threading.Timer(max(reading.seconds_left(), 0.0), process.kill)
        late.start()
        try:
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            for row in process.stdout:
                size += len(row)
                if size > LARGEST_TEXT:
                    raise reading.wrong(f"at most {LARGEST_TEXT >> 20} MB of text", "more", "Split it")
                pdf_line = msgspec.json.decode(row, type=PdfLine)
                if pdf_line.trouble:
                    raise _trouble(reading, pdf_line)
                if pdf_line.page is not None:
                    pages.append(pdf_line.page)
        except msgspec.DecodeError:
            raise reading.wrong("a PDF that can be read", "one that crashes the reader", _DO["broken"]) from None
        finally:
            late.cancel()
            process.kill()
            code = process.wait()
            process.stdout.close() if process.stdout else None
    reading.go_on()
    if not pages or code not in (0, -9):
        raise reading.wrong("a PDF that can be read", "one that crashes the reader", _DO["broken"])
    return pages


def _trouble(reading: Reading, pdf_line: PdfLine) -> Exception:
    if pdf_line.trouble == "missing":
        return MissingExtraError("language", "pypdf, which reads PDF,")
    expected = {"encrypted": "a PDF without a password", "memory": "a PDF that fits in memory"}
    got = {"encrypted": "an encrypted one", "memory": "one that needs more than 2 GB of memory"}
    return reading.wrong(
        expected.get(pdf_line.trouble, "a PDF that can be read"),
        got.get(pdf_line.trouble, f"a broken one ({pdf_line.why})"),
        _DO.get(pdf_line.trouble, _DO["broken"]),
    )


def _blocks(pages: Sequence[Page]) -> Iterator[Block]:
    repeated = _repeated(pages)
    outline = any(page.titles for page in pages)
    body = _body_size(pages)
    levels = _levels(pages, body, repeated)
    headings = Headings()
    for page in pages:
        titles = {_plain(title): (level, title) for level, title in page.titles}
        waiting: list[str] = []
        for line in page.lines:
            text = line.text.strip()
            if not text or _masked(text) in repeated or _LEADERS.search(text):
                continue
            known = titles.pop(_plain(text), None)
            level = known[0] if known else 0 if outline else levels.get(_rounded(line.size), 0)
            if level and (known or _may_be_heading(text)):
                yield from _paragraphs(headings.path, page.number, waiting)
                waiting = []
                headings.take(level, known[1] if known else text)
            else:
                waiting.append(text)
        # Titles that stand nowhere on their page as a line: they begin it.
        if titles and waiting and not any(_plain(line.text) in titles for line in page.lines):
            for level, title in titles.values():
                headings.take(level, title)
        yield from _paragraphs(headings.path, page.number, waiting)


def _paragraphs(path: tuple[str, ...], page: int, waiting: Sequence[str]) -> Iterator[Block]:
    """Yield lines joined as long as they go on."""
    width = max((len(line) for line in waiting), default=0)
    text = before = ""
    for line in waiting:
        ended = before.endswith(_STOPS) and len(before) < 0.8 * width
        if text and (_ITEM.match(line) or ended):
            yield Block(path, page, text)
            text = ""
        if text.endswith("-") and line[:1].islower() and text[-2:-1].isalpha():
            text = text[:-1] + line
        else:
            text = f"{text} {line}" if text else line
        before = line
    if text:
        yield Block(path, page, text)


def _repeated(pages: Sequence[Page]) -> set[str]:
    """Return heads and feet: lines at the ends of more than half of the pages, whatever number they hold."""
    if len(pages) < _FEWEST_REPEATED:
        return set()
    counts: Counter[str] = Counter()
    for page in pages:
        lines = [line.text.strip() for line in page.lines if line.text.strip()]
        counts.update({_masked(line) for line in (*lines[:2], *lines[-2:])})
    return {line for line, count in counts.items() if count > len(pages) / 2}


def _levels(pages: Sequence[Page], body: float, repeated: set[str]) -> dict[float, int]:
    """Sizes of headings, the largest first; at most six."""
    sizes = {
        _rounded(line.size)
        for page in pages
        for line in page.lines
        if line.size > body * _LARGER
        and _may_be_heading(line.text.strip())
        and _masked(line.text.strip()) not in repeated
    }
    return {size: min(level, 6) for level, size in enumerate(sorted(sizes, reverse=True), 1)}


def _body_size(pages: Sequence[Page]) -> float:
    counts: Counter[float] = Counter()
    for page in pages:
        for line in page.lines:
            counts[_rounded(line.size)] += len(line.text)
    return counts.most_common(1)[0][0] if counts else 0.0


def _may_be_heading(text: str) -> bool:
    return 1 < len(text) <= LONGEST_HEADING and any(c.isalpha() for c in text) and not text.endswith((".", ",", ";"))


def _rounded(size: float) -> float:
    return round(size * 2) / 2


def _masked(text: str) -> str:
    return re.sub(r"\d+", "0", text)


def _plain(text: str) -> str:
    """How a title of the outline and a line are compared: without the number in front, which one of them may lack."""
    words = re.findall(r"\w+", text.casefold())
    while len(words) > 1 and words[0].isdigit():
        words.pop(0)
    return " ".join(words)


PDF = Reader("pdf", (".pdf",), read_pdf)


class DocumentFile:
    """A document in a file.

    Args:
        path: path of the file; its suffix says what it is.

    Raises:
        InputError: no such file, a kind that is not known, or one that is too large.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        reader = readers().get(path.suffix.lower())
        if not path.is_file():
            raise MissingFileError("a document", "a folder" if path.is_dir() else "no such file", str(path))
        if reader is None:
            known = ", ".join(sorted(readers()))
            raise DocumentUnreadableError(f"a document ({known})", repr(path.suffix or path.name), str(path))
        if path.stat().st_size > LARGEST:
            raise FileTooLargeError(
                f"at most {LARGEST >> 20} MB", f"{path.stat().st_size >> 20} MB", str(path), "Split it"
            )
        self._reader, self._reading = reader, Reading(path)

    def blocks(self) -> Iterator[Block]:
        """Yield blocks in order.

        Raises:
            InputError: the document cannot be read; the message says why.
        """
        self._reading.begin()
        try:
            yield from self._reader.read(self._reading)
        except OSError as error:
            reason = error.strerror or str(error)
            raise DocumentUnreadableError("a document that can be read", reason, str(self.path)) from None

    def document(self) -> Document:
        """Return what was read; ask when all blocks were taken."""
        with self.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        reading = self._reading
        return Document(name=self.path.name, kind=self._reader.kind, sha256=digest, pages=reading.pages,
                        notes=tuple(reading.notes))  # fmt: skip


@cache
def readers() -> dict[str, Reader]:
    """Return readers by suffix."""
    return {suffix: reader for reader in (MARKDOWN, PDF, TEXT, WEB) for suffix in reader.suffixes}
