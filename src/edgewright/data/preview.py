"""Rows of a file or folder as text by column, and what file names mean, before anybody says what columns are."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from edgewright.core.clocks.reader import joined, joined_name
from edgewright.core.csv.cells import Plan, parse
from edgewright.core.csv.formats import is_table, text_of
from edgewright.core.csv.header import Header
from edgewright.core.csv.rows import BadLines, iter_csv, open_csv
from edgewright.core.csv.text import Block, plain_cells
from edgewright.core.errors import DataKindUnknownError, InputError, ParquetDamagedError
from edgewright.core.input.pictures import ENDINGS, size_of
from edgewright.core.records.data import Labels
from edgewright.data.clock import split_clock
from edgewright.data.contract import LABELS_FILE, data_files, folder_of, stored_files, told_left_out
from edgewright.data.labels import name_in
from edgewright.data.load import guess
from edgewright.data.matching import MOST_CLASSES, few_texts, is_text
from edgewright.data.polars import pl
from edgewright.data.remote import located
from edgewright.data.roles import GROUPS, RECORDING_WORDS
from edgewright.data.sources.csv import files_in
from edgewright.data.sources.folder import reader_of, tables_below
from edgewright.data.table_reader import KEY as SKIP_BAD_ROWS
from edgewright.data.table_reader import list_bad_rows, readable, rows_of_numbers

# So many rows of a file are looked at one by one, and so many of every further block of rows: fewer once there are many
# rows. Of a block whose other rows are not looked at, only columns of text are read whole.
_ROWS, _ROWS_A_BLOCK = 50_000, 1000
_MANY, _ROWS_OF_MANY = 100_000, 100
# Of a folder with many files fewer rows of each: so many of all of them, and at least so many of one.
_ROWS_OF_FILES, _FEWEST_ROWS = 200_000, 20
# Share of pictures that may be scaled up to the size of the others.
_SMALLEST_SHARE = 0.05
_TABLES = ("csv", "parquet")


@dataclass(frozen=True)
class Preview:
    """Text of rows.

    Attributes:
        table: `kind`, `path` and, where files carry labels in their names, `pattern`, as in `[data]`.
        columns: cells by column, each of shape (rows,); none for sound. A clock of two columns is a further one.
        top: of the first file of text; its forms are those of the columns whose cells are numbers here.
        texts: different texts of the columns of text, of all rows where `columns` has some of them.
        pattern_values: number of values of each part of the pattern.
        note: what else was understood, in words: a loader that reads the data.
        left_out: tables beside the data that are not read, in words.
    """

    table: dict[str, object]
    columns: dict[str, Labels] = field(default_factory=dict)
    pattern_values: dict[str, int] = field(default_factory=dict)
    texts: dict[str, set[str]] = field(default_factory=dict)
    top: Header = field(default_factory=lambda: Header((), ","))
    note: str = ""
    left_out: str = ""

    @property
    def units(self) -> dict[str, str]:
        """Units of columns, where a line below the header or the cells hold them."""
        return {name: unit for name in self.top.names if (unit := self.top.unit(name))}

    def sentence(self, columns: Collection[str], *, loaded: bool = False) -> str:
        """Return what was understood that does not go without saying.

        Args:
            columns: those read as numbers.
            loaded: whether the data are loaded, too, which warns of tables that are not read; sounds warn of none.
        """
        left_out = "" if loaded and self.table["kind"] != "wav" else self.left_out
        return ", ".join(part for part in (self.top.assumptions(columns), self.note, left_out) if part)

    @property
    def is_folder(self) -> bool:
        """Whether there may be several files, whose names may be labels."""
        return self.table["kind"] == "folder" or Path(str(self.table["path"])).is_dir()


def read_preview(path: str, *, named: bool = True, skip_bad_rows: bool = False) -> Preview:
    """Read rows: all of a small file, some from every part of a large one.

    Args:
        path: file or folder.
        named: whether a person says what columns are; else the loader of a public set reads a copy of it.
        skip_bad_rows: leave out rows and files that cannot be read.

    Raises:
        InputError: nothing reads the path, the file is empty, or it is not a table.
    """
    table, file_path = _table(path, named), Path(located(path))
    if skip_bad_rows:
        table = {**table, SKIP_BAD_ROWS: True}
    if table["kind"] == "folder":
        with folder_of(file_path, reader_of) as folder:
            preview = _with_left_out(_previewed(table, folder), folder)
            return replace(preview, table={**preview.table, "path": path})
    preview = _previewed(table, file_path)
    return _with_left_out(preview, file_path) if file_path.is_dir() and table["kind"] in (*_TABLES, "wav") else preview


def _with_left_out(preview: Preview, folder: Path) -> Preview:
    """Return a preview that says what is left out of a folder."""
    tables = [file for file in tables_below(folder) if file.name != LABELS_FILE]
    return replace(preview, left_out=told_left_out(tables, data_files(tables)))


def _previewed(table: dict[str, object], file_path: Path) -> Preview:
    kind, path = str(table["kind"]), str(table["path"])
    if kind == "wav":
        names = [name for name, _ in stored_files(file_path, (".wav",), "WAV file")]
        pattern, values = guess_pattern(names)
        return Preview({**table, "pattern": pattern} if pattern else table, pattern_values=values)
    if kind == "pictures":
        return Preview({**table, **_picture_size(file_path, SKIP_BAD_ROWS in table)})
    if kind not in (*_TABLES, "folder"):
        raise DataKindUnknownError(
            "a CSV, Parquet or WAV file, pictures, or a folder of them",
            f"data of kind {kind!r}",
            path,
            "Write the pipeline by hand: docs/pipeline.md lists every key",
        )
    files = tables_in(file_path, kind)
    texts: dict[str, set[str]] = {}
    tops: list[Header] = []
    columns = _cells(files, texts, tops, SKIP_BAD_ROWS in table)
    top = tops[0] if tops else Header((), ",")
    if clock := split_clock({name: cells.tolist() for name, cells in columns.items()}):
        columns[joined_name(*clock)] = joined(*(columns[half].tolist() for half in clock))
    if len(files) < 2 or (file_path / LABELS_FILE).is_file():
        return Preview(table, columns, texts=texts, top=top)
    pattern, values = guess_pattern([file.relative_to(file_path).as_posix() for file in files])
    if kind in _TABLES and pattern:
        table = {**table, "kind": "folder"}
    return Preview({**table, "pattern": pattern} if pattern else table, columns, values, texts, top)


def _picture_size(folder: Path, skip_bad_rows: bool) -> dict[str, int]:
    """Return height and width of pictures that the usual size would scale up, but for one in twenty."""
    stored = stored_files(folder, ENDINGS, "picture")

    def read(name: str, content: bytes) -> tuple[int, int]:
        return size_of(content, name)

    sizes = np.array(list(readable(stored, read, str(folder), "picture", skip=skip_bad_rows)))
    width, height = np.quantile(sizes, _SMALLEST_SHARE, axis=0, method="lower").tolist()
    from edgewright.data.sources.pictures import SMALLEST_SIDE, PicturesConfig  # noqa: PLC0415 - of pictures only

    usual = PicturesConfig(path="")
    edges = {"height": (height, usual.height), "width": (width, usual.width)}
    return {side: max(own, SMALLEST_SIDE) for side, (own, smallest_side) in edges.items() if own < smallest_side}


def _table(path: str, named: bool) -> dict[str, object]:
    """Return the table that reads a path; arrays that are columns are read as CSV."""
    file_path = Path(path)
    if file_path.suffix.lower() == ".npz" and is_table(file_path):
        return {"kind": "csv", "path": path}
    return guess(path)


def tables_in(folder: Path, kind: str) -> list[Path]:
    """Return the files of a folder, or the file, that a source of tables reads."""
    if folder.is_file():
        return [folder]
    if kind == "csv":
        return files_in(folder)
    return data_files(file for file in tables_below(folder) if file.name != LABELS_FILE)


def _cells(files: list[Path], texts: dict[str, set[str]], tops: list[Header], skip_bad_rows: bool) -> dict[str, Labels]:
    """Return cells of the columns that the files share.

    `texts` takes all the texts of those that may be categories, and `tops` what the files of text begin with.
    """
    count = max(1, len(files))
    share = max(_ROWS // count, min(_ROWS_A_BLOCK, _ROWS_OF_FILES // count), _FEWEST_ROWS)

    def read(name: str, file: Path) -> dict[str, Labels]:
        return _some_rows(file, share, texts, tops, skip_bad_rows)

    named = ((file.name, file) for file in files)
    where = str(files[0].parent) if files else ""
    parts = [part for part in readable(named, read, where, "file", skip=skip_bad_rows) if part]
    shared = [name for name in (parts[0] if parts else {}) if all(name in part for part in parts)]
    return {name: np.concatenate([part[name] for part in parts]) for name in shared}


def _collect(texts: dict[str, set[str]], columns: Mapping[str, Labels], first: bool = True) -> None:
    """Add texts of columns that have few; those of text show in the first rows of a file.

    More texts than a category may have are not all counted.
    """
    for name, cells in columns.items():
        if name in texts or (first and is_text(cells[:_ROWS_A_BLOCK])):
            known = texts.setdefault(name, set())
            if len(known) <= MOST_CLASSES:
                known |= few_texts(cells)


def _some_rows(
    file: Path, share: int, texts: dict[str, set[str]], tops: list[Header], skip_bad_rows: bool
) -> dict[str, Labels]:
    name = file.name.lower()
    if name.endswith((".parquet", ".pq")):
        return _parquet_rows(file, share, texts)
    if name.endswith(".wav"):
        return {}
    try:
        return _csv_rows(file, share, texts, tops, BadLines(file.name) if skip_bad_rows else None)
    except InputError as error:
        raise (error if skip_bad_rows else list_bad_rows(error, file, file.name)) from None


def _csv_rows(
    file: Path, share: int, texts: dict[str, set[str]], tops: list[Header], bad: BadLines | None
) -> dict[str, Labels]:
    opened = open_csv(file, file.name, bad=bad)
    names = opened.columns
    pieces: list[dict[str, Labels]] = []
    rows, header, blocks = 0, Header((), ","), _SampledBlocks(opened.stream)
    for piece in iter_csv(replace(opened, stream=blocks.read()), name=file.name, text_columns=names, bad=bad):
        header = piece.header
        keep = max(share - rows, min(share, _ROWS_A_BLOCK if rows < _MANY else _ROWS_OF_MANY))
        whole = blocks.whole
        _collect(texts, piece.text if whole is None else _text_cells(whole, header, file.name, texts), first=not rows)
        pieces.append({column: cells[:keep] for column, cells in piece.text.items()})
        rows += len(piece.lines) if whole is None else whole.data.count(b"\n")
        # Of the next block only so many rows are kept.
        blocks.maximum = 0 if rows < share else _ROWS_A_BLOCK if rows < _MANY else _ROWS_OF_MANY
    texts_of = {column: np.concatenate([piece[column] for piece in pieces]) for column in names}
    numbers = {column: plain_cells(texts_of[column], forms) for column, forms in header.forms.items()}
    read = {column: header.forms[column] for column, cells in numbers.items() if cells is not texts_of[column]}
    tops.append(replace(header, forms=read))
    cells_of = {**texts_of, **numbers}
    if bad is None:
        return cells_of
    good = rows_of_numbers(cells_of)
    return {column: cells[good] for column, cells in cells_of.items()}


@dataclass
class _SampledBlocks:
    """Blocks of which only the first rows are passed on.

    Attributes:
        stream: the blocks.
        maximum: rows of the next block that are passed on; 0 for all.
        whole: the block that was passed on last, where some of its rows were not; None where all were.
    """

    stream: Iterator[Block]
    maximum: int = 0
    whole: Block | None = None

    def read(self) -> Iterator[Block]:
        """Yield the blocks; those with quotes or empty lines, where a line may be no row, as they are."""
        for block in self.stream:
            cut = 0
            if self.maximum and b'"' not in block.data and b"\n\n" not in block.data:
                ends = np.flatnonzero(np.frombuffer(block.data, np.uint8) == ord("\n"))
                cut = int(ends[self.maximum - 1]) + 1 if len(ends) > self.maximum else 0
            self.whole = block if cut else None
            yield replace(block, data=block.data[:cut]) if cut else block


def _text_cells(block: Block, header: Header, name: str, texts: Mapping[str, set[str]]) -> dict[str, Labels]:
    """Return all cells of a block of the columns that may still be categories."""
    columns = header.names
    places = [index for index, column in enumerate(columns) if len(texts.get(column, ())) <= MOST_CLASSES]
    places = [index for index in places if columns[index] in texts]
    plan = Plan(name=name, delimiter=header.delimiter, columns=columns, numbers=(), wide=(), text=tuple(places))
    report = (lambda fault: None) if block.by_line else None
    return {columns[index]: cells for index, cells in parse(block, plan, report).text.items()} if places else {}


def _parquet_rows(file: Path, share: int, texts: dict[str, set[str]]) -> dict[str, Labels]:
    try:
        frame = pl.read_parquet(file, use_pyarrow=False)
        _collect(texts, {name: text_of(frame[name].unique()) for name, kind in frame.schema.items()
                         if kind in (pl.String, pl.Categorical, pl.Enum)})  # fmt: skip
        frame = frame.gather_every(max(1, len(frame) // share))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ParquetDamagedError("a whole Parquet file", str(error).splitlines()[0][:120], file.name) from error
    return {column: text_of(frame[column]) for column in frame.columns}


# Words before a number that names a person or machine, as in the names of columns: `exp01_user03`.
_PERSONS = {*GROUPS, "subj", "sub"}
_NUMBERED = re.compile(r"([A-Za-z]+)\d+")

# A label or a person names two files or more, and at most so many different ones are classes.
_FILES, _MOST_LABELS = 2, 50


def guess_pattern(files: Sequence[str]) -> tuple[str, dict[str, int]]:
    """Guess what the parts between '_' or '-' in file names mean.

    The part with the most different values counts the files (`index`); of the others the first with several values is
    the label and the second the person. Numbers behind a word that means a person (`user03`) are persons. Files below
    folders are labelled by their folder and need no pattern.

    Args:
        files: paths below the folder that is read, with '/'.

    Returns:
        The pattern, empty where names say nothing, and the number of values of each part.
    """
    stems = [name_in(file) for file in files]
    if len(stems) < _FILES * 2 or any("/" in file for file in files):
        return "", {}
    mark = next((m for m in "_-" if len({len(stem.split(m)) for stem in stems}) == 1 and m in stems[0]), "")
    if not mark:
        return "", {}
    parts = list(zip(*(stem.split(mark) for stem in stems), strict=True))
    values = [len(set(part)) for part in parts]
    changing = [p for p, count in enumerate(values) if count > 1]
    heads = [_head(part) for part in parts]
    person = next((p for p in changing if heads[p].lower() in _PERSONS), None)
    counted = [p for p in changing if heads[p].lower() in RECORDING_WORDS]
    numbers = [p for p in changing if p in counted or all(text.isdecimal() for text in parts[p])]
    free = [p for p in changing if p != person]
    index = max(numbers or (free[-1:] if person is None else []), key=lambda p: values[p], default=None)
    maximum = min(_MOST_LABELS, len(stems) // _FILES)
    named = [p for p in free if p != index and p not in counted and values[p] <= maximum]
    if not named and person is None:
        return "", {}
    meaning = dict(zip(named, ("label", "group") if person is None else ("label",), strict=False))
    if person is not None:
        meaning[person] = "group"
    if index is not None:
        meaning[index] = "index"
    meaning |= {p: f"part{p}" for p in changing if p not in meaning}
    before = [heads[p] if p == person or p in counted else "" for p in range(len(parts))]
    pattern = mark.join(before[p] + "{" + meaning[p] + "}" if p in meaning else parts[p][0] for p in range(len(parts)))
    return pattern, {meaning[p]: values[p] for p in sorted(meaning)}


def _head(part: Sequence[str]) -> str:
    """Return the word before the number that all texts of a part share; empty where there is none."""
    heads = {match[1] if (match := _NUMBERED.fullmatch(text)) else "" for text in part}
    return heads.pop() if len(heads) == 1 else ""
