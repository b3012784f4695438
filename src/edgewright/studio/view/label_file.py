"""A labels file as its cells, so that what is not edited stays as it was written."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgewright.core.csv.blocks import Block
from edgewright.core.csv.header import read_header
from edgewright.data.labels import column_parts, name_in, names_recording, read_name
from edgewright.data.sources.folder import FolderConfig, labels_file, recording_files
from edgewright.schema.errors import InputError
from edgewright.studio.view.file_history import ABSENT, bytes_of

Cells = tuple[str, ...]


@dataclass(frozen=True)
class LabelFile:
    """A labels file.

    Attributes:
        columns: header.
        rows: cells, each as long as `columns`.
        delimiter: between cells.
        mark: SHA-256 of its bytes, or `ABSENT`.
        parts: which column plays which part ('file', 'start', 'end', 'label', 'group', 'session'), '' for none.
    """

    columns: Cells
    rows: tuple[Cells, ...]
    delimiter: str
    mark: str
    parts: dict[str, str]

    def cell(self, row: Cells, part: str) -> str:
        """Return the cell that plays a part, empty where no column does."""
        name = self.parts[part]
        return row[self.columns.index(name)].strip() if name else ""

    def of(self, recording: str) -> tuple[Cells, ...]:
        """Return the lines that label a recording: those that name it, all where files are not named."""
        if not any(self.cell(row, "file") for row in self.rows):
            return self.rows
        return tuple(row for row in self.rows if names_recording(self.cell(row, "file"), recording))

    def part_mark(self, recording: str) -> str:
        """Change when what labels this recording does, or what the columns are."""
        text = repr((self.columns, self.delimiter, self.of(recording)))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    def with_rows(self, recording: str, mine: Sequence[Cells]) -> LabelFile:
        """Return the file with other lines for a recording, where its first one stood, else at the end."""
        old = self.of(recording)
        rest = [row for row in self.rows if row not in old]
        at = next((i for i, row in enumerate(self.rows) if row in old), len(rest))
        return replace(self, rows=(*rest[:at], *mine, *rest[at:]))

    def with_columns(self, needed: Sequence[str]) -> LabelFile:
        """Return the file with columns for parts that it had none for."""
        more = [part for part in needed if not self.parts[part]]
        parts = {**self.parts, **{part: part for part in more}}
        rows = tuple((*row, *[""] * len(more)) for row in self.rows)
        return replace(self, columns=(*self.columns, *more), rows=rows, parts=parts)

    def content(self) -> bytes:
        """Return the bytes to be saved."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, delimiter=self.delimiter, lineterminator="\n")
        writer.writerow(self.columns)
        # The reader takes a line without any cell for a blank one.
        writer.writerows(self.rows)
        return text.getvalue().encode()


def read(config: FolderConfig) -> LabelFile:
    """Return the labels file of a folder; where there is none, what the names of its files say.

    Raises:
        InputError: for a file that cannot be edited, with the reason.
    """
    path = labels_file(config)
    if not path.exists() and not path.is_symlink():
        return _from_names(config)
    content = bytes_of(path)
    mark = hashlib.sha256(content).hexdigest()
    return parse(content, mark, path.name)


def parse(content: bytes, mark: str, name: str) -> LabelFile:
    """Return a labels file from its bytes.

    Raises:
        InputError: no label column, ragged lines, or bytes that are not UTF-8.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"byte {error.object[error.start]:#x}"
        raise InputError("text in UTF-8", message, name, "Save the labels file as UTF-8") from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    header, _ = read_header(Block(text.encode(), 1), name, None, None)
    try:
        lines = [line for line in csv.reader(io.StringIO(text), delimiter=header.delimiter, strict=True) if any(line)]
    except csv.Error as error:
        raise InputError("well-formed quotes", str(error), name, "Correct the quotes") from None
    width = len(header.names)
    for number, line in enumerate(lines[1:], 2):
        if len(line) != width:
            message = f"{len(line)} cells in line {number}"
            raise InputError(f"{width} cells in every line", message, name, "Correct the line in an editor")
    parts = column_parts(header.names, name)
    return LabelFile(header.names, tuple(tuple(line) for line in lines[1:]), header.delimiter, mark, parts)


def _from_names(config: FolderConfig) -> LabelFile:
    """Return what a labels file would say that changes nothing: once there is one, names of files count no more."""
    root = Path(config.path)
    rows = []
    for file in recording_files(config):
        name = file.relative_to(root).as_posix()
        label = read_name(name, config.pattern).label
        if label:
            rows.append((name, "", "", label))
    columns = ("file", "start", "end", "label")
    parts = {**dict.fromkeys(("group", "session"), ""), **{part: part for part in columns}}
    return LabelFile(columns, tuple(rows), ",", ABSENT, parts)


def refuse_shared(file: LabelFile, names: Sequence[str]) -> None:
    """Refuse to edit a line that several recordings share.

    Raises:
        InputError: naming the line's file and two recordings.
    """
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(name_in(name), []).append(name)
    if len(names) > 1 and file.rows and not any(file.cell(row, "file") for row in file.rows):
        raise InputError("a column file that names the labelled recording", "none", "the labels file")
    for text in dict.fromkeys(file.cell(row, "file") for row in file.rows):
        meant = [name for name in alike.get(name_in(text), []) if names_recording(text, name)]
        if len(meant) > 1:
            raise InputError(
                "lines that each name one recording", f"{text!r}, which means {meant[0]} and {meant[1]}",
                "the labels file", f"Write {meant[0]} or {meant[1]} in its column file",
            )  # fmt: skip
