"""Sound: a WAV file, a folder of them, or of ZIP files of them; each file is a recording."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from edgewright.core.input.riff import channel_names, read_wav
from edgewright.core.records.data import Column, DataSet, Recording
from edgewright.data.contract import (
    FileCount,
    Source,
    SourceConfig,
    files_below,
    need_path,
    read_whole,
    some_files,
    stored_files,
)
from edgewright.data.labels import LabelUnit, marked, read_marks, read_name, with_meaning
from edgewright.data.series import in_one_form
from edgewright.data.table_reader import readable
from edgewright.data.tabular import Table, TableConfig, known_columns, refuse_infinite, text_columns


class WavConfig(SourceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Configuration of sound.

    Attributes:
        pattern: what the parts of a file's name mean, such as {label}_{speaker}_{index}; left out, the folder a file
            lies in is its label.
        labels: path of a CSV with file,label (and group), or of events with file,start,end,label.
        labels_in: what start and end of events count: 'seconds' or 'samples'; 'auto' takes seconds unless the columns
            are called start_sample and end_sample.
        ranges: smallest and largest value of a channel, by its name.
        files: number of files of a folder that are read, drawn by chance; 0 for all.
        skip_bad_rows: leave out files that cannot be read; more than 5 % are an error.
    """

    pattern: str = ""
    labels: str = ""
    labels_in: LabelUnit = "auto"
    ranges: dict[str, tuple[float, float]] = msgspec.field(default_factory=dict)
    files: FileCount = 0
    skip_bad_rows: bool = False


def wav_files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name (below the folder or ZIP) and bytes of each WAV file, in the order of the names.

    Raises:
        InputError: for a damaged ZIP, or when there is no WAV file.
    """
    return stored_files(path, (".wav",), "WAV file")


def read_table(path: Path, config: TableConfig, name: str) -> tuple[Table, float]:
    """Return the samples of one file as rows, and their rate.

    Raises:
        InputError: for a damaged file, or a configured column other than its channels.
    """
    sound = read_wav(read_whole(path, name), name)
    names = channel_names(sound.values.shape[1])
    text_columns(config, names, name)
    table = Table(
        name=name,
        names=names,
        values=sound.values,
        row_name=partial(_row_name, name),
    )
    refuse_infinite(table.values, names, table.row_name)
    return table, float(sound.rate)


def _row_name(name: str, row: int) -> str:
    return f"{name} sample {row}"


def _sounds(path: Path, config: WavConfig) -> Iterator[tuple[str, Any, float]]:
    """Yield name, samples and rate of each file."""
    files = some_files(files_below(path, (".wav",)), config.files) if path.is_dir() else []
    named = [(file, file.relative_to(path).as_posix()) for file in files]
    stored = ((name, read_whole(file, str(file))) for file, name in named)

    def read(name: str, content: bytes) -> tuple[str, Any, float]:
        sound = read_wav(content, name)
        return name, sound.values, float(sound.rate)

    yield from readable(stored if files else wav_files(path), read, config.path, "WAV file", skip=config.skip_bad_rows)


def load(config: WavConfig, seed: int) -> DataSet:
    """Read the sound; the seed is not used."""
    path = need_path(config.path, "a WAV file, a folder or a ZIP of them")
    marks = read_marks(Path(config.labels)) if config.labels else None
    single = path.is_file() and path.suffix.lower() != ".zip"
    recordings: list[Recording] = []
    rates: list[float] = []
    for name, values, rate in _sounds(path, config):
        recording = with_meaning(Recording(name=name, values=values), read_name(name, config.pattern))
        recordings.append(marked(recording, marks, config.labels_in, alone=single, rate=rate, origin=0.0))
        rates.append(rate)
    recordings, rate = in_one_form(recordings, rates, config.path)
    names = channel_names(recordings[0].values.shape[1])
    known_columns(names, ranges=config.ranges)
    columns = []
    for column in names:
        low, high = config.ranges.get(column, (-1.0, 1.0))
        columns.append(Column(name=column, minimum=low, maximum=high))
    grouped = all(r.groups is not None for r in recordings)
    return DataSet(
        name=path.stem,
        columns=tuple(columns),
        recordings=tuple(recordings),
        rate=rate,
        target_name="label" if any(r.target is not None for r in recordings) else "",
        group_name="group" if grouped else "",
        origin=config.path,
    )


SOURCE = Source(config=WavConfig, load=load, whole=True)
