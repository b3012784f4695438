"""A CSV source as blocks of whole lines: opening, decompressing, line ends, encoding."""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from edgewright.schema.errors import InputError

BLOCK_BYTES = 1 << 18  # a megabyte takes 22 MB more at work, on a board that has 512, and is no faster
# A quoted cell may hold line breaks, so a block ends where quotes are balanced. A stray quote would make the whole
# file one block: beyond this length it is an error instead.
LONGEST_LINE = 1 << 24
_BOM = b"\xef\xbb\xbf"
# How files begin that people hand over for CSV.
_OTHERS = {
    b"RIFF": "a sound file (WAV)",
    b"PK\x03\x04": "a ZIP file or a spreadsheet",
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "a gzip file without the ending .gz",
    b"\xfd7zXZ": "an xz file without the ending .xz",
    b"\x93NUMPY": "a NumPy file",
}


@dataclass(frozen=True)
class Block:
    """Whole lines, each ended by a line feed; `line` is the number of the first one, counted from 1."""

    data: bytes
    line: int


def blocks(source: Path | TextIO, name: str) -> Iterator[Block]:
    """Read a source block by block, as soon as whole lines have arrived.

    Args:
        source: a file, plain or compressed (by its suffix .gz or .xz), or an open stream.
        name: for messages.

    Raises:
        InputError: missing or damaged file, not UTF-8, NUL bytes, or a quote that is never closed.
    """
    held, line = b"", 1
    for piece in _pieces(source, name):
        held += piece
        cut = _cut(held)
        if cut:
            block = _clean(held[:cut], line, name)
            yield block
            line += block.data.count(b"\n")
            held = held[cut:]
        elif len(held) > LONGEST_LINE:
            raise InputError(
                "a line end or a closing quote",
                f"{len(held)} bytes without",
                f"{name} line {line}",
                "Close the quote, or check that this is a CSV file",
            )
    if held:
        yield _clean(held + b"\n", line, name)


def _cut(held: bytes) -> int:
    """Return length of the whole lines at the start of `held`: up to the last line end outside quotes."""
    cut = held.rfind(b"\n") + 1
    if cut and held.count(b'"', 0, cut) % 2:
        # The last line end is inside a quoted cell: the cell began after an even number of quotes.
        opened = held.rfind(b'"', 0, cut)
        cut = held.rfind(b"\n", 0, opened) + 1
        if held.count(b'"', 0, cut) % 2:
            return 0
    return cut


def _clean(data: bytes, line: int, name: str) -> Block:
    if line == 1:
        other = next((kind for start, kind in _OTHERS.items() if data.startswith(start)), "")
        if other:
            raise InputError("a CSV file", other, name, "Write its rows as CSV, a column a channel")
    if line == 1 and data.startswith(_BOM):
        data = data[len(_BOM) :]
    if not data.isascii():
        try:
            data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                "UTF-8 text",
                f"the byte 0x{data[error.start]:02x}",
                _where(data, error.start, line, name),
                "Save the file as UTF-8",
            ) from None
    at = data.find(b"\0")
    if at >= 0:
        do = "This is not a CSV file, or writing it was interrupted"
        raise InputError("text", "a NUL byte", _where(data, at, line, name), do)
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return Block(data, line)


def _where(data: bytes, at: int, line: int, name: str) -> str:
    before = data.count(b"\n", 0, at)
    return f"{name} line {line + before}"


def _pieces(source: Path | TextIO, name: str) -> Iterator[bytes]:
    if not isinstance(source, Path):
        yield from _stream(source)
        return
    try:
        with _open(source) as file:
            while piece := file.read(BLOCK_BYTES):
                yield piece
    except FileNotFoundError:
        raise InputError("a CSV file", "no such file", name, "Check the path") from None
    except (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
        raise InputError("a whole compressed file", str(error), name, "Fetch or write the file again") from None
    except OSError as error:
        raise InputError("a file that can be read", error.strerror or str(error), name) from None


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
