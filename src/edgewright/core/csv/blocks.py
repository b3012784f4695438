"""A CSV source as blocks of whole lines: opening, decompressing, line ends."""

from __future__ import annotations

import gzip
import lzma
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from edgewright.core.csv.text import Block, TextDecoder
from edgewright.core.errors import CsvBadRowsError, CsvError, CsvQuotesError, DataWarning, InputError, MissingFileError

BLOCK_BYTES = 1 << 18  # a megabyte takes 22 MB more at work, on a board that has 512, and is no faster
# A quoted cell may hold line breaks, so a block ends where quotes are balanced. A stray quote would make the whole
# file one block: beyond this length it is an error instead.
LONGEST_LINE = 1 << 24


def blocks(
    source: Path | TextIO, name: str, report: Callable[[InputError], None] | None = None, *, by_line: bool = False
) -> Iterator[Block]:
    """Read a source block by block, as soon as whole lines have arrived.

    Args:
        source: a file, plain, compressed (by its suffix .gz or .xz) or of one of the formats, or an open stream.
        name: for messages.
        report: receives what is wrong with each overlong line of a source that is read by line.
        by_line: end blocks at line ends inside quotes too, so that one stray quote does not hold back what follows.

    Raises:
        InputError: missing or damaged file, an encoding that is not known, NUL bytes, or a quote that is never closed.
    """
    pending, line, text = b"", 1, TextDecoder(name, by_line=by_line)
    overlong = False
    pieces = text.plain(_pieces(source, name))
    for piece in pieces:
        if not by_line and piece.endswith(b"\0") and (count := _end_of_zeros(piece, pieces)):
            pending = _before_zeros((pending + piece).rstrip(b"\0"), count, name, line)
            break
        if overlong:
            _, end, piece = piece.partition(b"\n")
            overlong, line = not end, line + len(end)
        pending += piece
        cut = pending.rfind(b"\n") + 1 if by_line else _cut(pending)
        if cut:
            block = text.clean(pending[:cut], line)
            yield block
            line += block.data.count(b"\n")
            pending = pending[cut:]
        elif len(pending) > LONGEST_LINE:
            error = CsvQuotesError(
                "a line end or a closing quote",
                f"{len(pending)} bytes without",
                f"{name} line {line}",
                "Close the quote, or check that this is a CSV file",
            )
            if report is None:
                raise error
            report(error)
            pending, overlong = b"", True
    if pending:
        yield text.clean(pending + b"\n", line)


def _end_of_zeros(piece: bytes, others: Iterator[bytes]) -> int:
    """Return the number of NUL bytes that end a piece and are all of the others; 0 if something follows them."""
    count = len(piece) - len(piece.rstrip(b"\0"))
    for other in others:
        if other.strip(b"\0"):
            return 0
        count += len(other)
    return count


def _before_zeros(data: bytes, count: int, name: str, line: int) -> bytes:
    """Return the whole lines before a block of NUL bytes, and warn of what is left out."""
    cut = data.rfind(b"\n") + 1
    lost = f" and the cut line {line + data.count(10)}" if cut < len(data) else ""
    if cut:
        text = f"{name}: {count:,} NUL bytes at the end{lost} are left out, as after a power cut"
        warnings.warn(text, DataWarning, 2)
    return data[:cut]


def _cut(pending: bytes) -> int:
    """Return length of the whole lines at the start of `pending`: up to the last line end outside quotes."""
    cut = pending.rfind(b"\n") + 1
    if cut and pending.count(b'"', 0, cut) % 2:
        # The last line end is inside a quoted cell: the cell began after an even number of quotes.
        opened = pending.rfind(b'"', 0, cut)
        cut = pending.rfind(b"\n", 0, opened) + 1
        if pending.count(b'"', 0, cut) % 2:
            return 0
    return cut


def _pieces(source: Path | TextIO, name: str) -> Iterator[bytes]:
    if not isinstance(source, Path):
        yield from _stream(source)
        return
    from edgewright.core.csv.formats import csv_pieces  # noqa: PLC0415 - readers of other formats start slowly

    try:
        if (table := csv_pieces(source, name)) is not None:
            yield from table
            return
        with _open(source) as file:
            while piece := file.read(BLOCK_BYTES):
                yield piece
    except FileNotFoundError:
        raise MissingFileError("a CSV file", "no such file", name, "Check the path") from None
    except (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
        raise CsvError("a whole compressed file", str(error), name, "Fetch or write the file again") from None
    except OSError as error:
        raise CsvBadRowsError("a file that can be read", error.strerror or str(error), name) from None


def _open(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        return cast(BinaryIO, gzip.open(path, "rb"))
    if path.suffix == ".xz":
        return cast(BinaryIO, lzma.open(path, "rb"))
    return path.open("rb")


def _stream(source: TextIO) -> Iterator[bytes]:
    binary = getattr(source, "buffer", None)
    if binary is not None and hasattr(binary, "read1"):
        # read1 gives what has arrived: rows typed or piped in are answered at once, not when a block is full.
        while piece := binary.read1(BLOCK_BYTES):
            yield piece
        return
    while text := source.read(BLOCK_BYTES):
        yield text.encode("utf-8", "surrogatepass")
