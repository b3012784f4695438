"""What every file of `data/sources` and `data/sets` offers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import msgspec

from edgewright.schema.data import DataSet, TextSet
from edgewright.schema.errors import InputError

SINGLE_FILES = (".txt", ".dat")
"""Endings of files that are tables where they are named; in a folder they may be notes or bytes."""

PARQUET = (".parquet", ".pq")
"""Endings of Parquet files."""
FileCount = Annotated[int, msgspec.Meta(ge=0)]
"""How many files of a folder are read, drawn by chance; 0 for all."""
LABELS_FILE = "labels.csv"
"""Name of a file that labels the recordings of a folder."""


class SourceConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every source's configuration: the table `[data]` without its `kind`.

    Attributes:
        path: file or folder; `--data PATH` on the command line overrides it.
    """

    path: str = ""


class SchemaConfig(SourceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of columns beside a file's own words.

    Attributes:
        units: unit of a column by its name, such as {temp = "C"}.
        ranges: smallest and largest value a column's sensor can give, such as {temp = [-40, 85]}.
        rate: samples a second; overrides what the file says.
    """

    units: dict[str, str] = msgspec.field(default_factory=dict)
    ranges: dict[str, tuple[float, float]] = msgspec.field(default_factory=dict)
    rate: Annotated[float, msgspec.Meta(gt=0.0, le=1e9)] | None = None


def need_path(path: str, expected: str, there: Callable[[Path], bool] = Path.exists) -> Path:
    """Return the path of a configuration.

    Raises:
        InputError: when it is empty or not there.
    """
    if not path:
        raise InputError(expected, "none", "[data] path, or --data")
    if not there(Path(path)):
        raise InputError(expected, "no such folder" if there is Path.is_dir else "no such file", path)
    return Path(path)


S = TypeVar("S", bound=SourceConfig)
C = TypeVar("C", DataSet, TextSet)


@dataclass(frozen=True)
class Source(Generic[S]):
    """The one object `SOURCE` of a source's file; the file name is its `kind`.

    Attributes:
        config: the configuration's struct.
        load: (config, seed) -> data set. Raises `InputError` with file, line and column.
        suffixes: file name endings this source is chosen for when only a path is given, such as '.csv'.
        in_parts: (config, seed, folder) -> data set whose values may lie in a file without a name in that folder.
        whole: whether no reading can be missing, as in sound.
        simulated: whether no sensor measured the rows.
    """

    config: type[S]
    load: Callable[[S, int], DataSet]
    suffixes: tuple[str, ...] = ()
    in_parts: Callable[[S, int, Path], DataSet] | None = None
    whole: bool = False
    simulated: bool = False


@dataclass(frozen=True)
class RemoteFile:
    """A file at its origin. Where the origin changes it, `sha256` is empty and `check` says what is verified.

    Its name is that at the end of the address where none is given.
    """

    url: str
    name: str = ""
    sha256: str = ""
    check: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or self.url.rsplit("/", 1)[-1])


@dataclass(frozen=True)
class Documented:
    """Counts that a complete copy of a public set has: what is verified after loading.

    Attributes:
        copy: which copy, 'whole set' or 'plain copy, 21 of 30 people'.
        recordings: how many; None when not documented.
        rows: how many; None when not documented.
        classes: rows by label; empty when not documented.
    """

    copy: str
    recordings: int | None = None
    rows: int | None = None
    classes: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Facts of a public set.

    Attributes:
        title: one line.
        homepage: the original page.
        licence, citation: as stated at the origin.
        task: one line, 'activities of people: 6 classes, split by person'.
        folder: its folder in a collection of plain copies, such as `har-hapt`.
        documented: counts of the complete copies, with the loader's default configuration.
        url: the one file that `data get` downloads, with what is verified of it in `check`.
        files: what is downloaded where it is more than one file.
        file: name of its one file, where it has one: a file of another name is read as this one.
        marks: files and folders that together no other data have, without .gz and .xz; '|' between patterns of one.
        whole: whether no reading can be missing, as in sound.
        simulated: whether no sensor measured the rows.
    """

    title: str
    homepage: str
    licence: str
    citation: str
    task: str
    folder: str
    documented: tuple[Documented, ...]
    url: str = ""
    check: str = ""
    files: tuple[RemoteFile, ...] = ()
    file: str = ""
    marks: tuple[str, ...] = ()
    whole: bool = False
    simulated: bool = False

    @property
    def downloads(self) -> tuple[RemoteFile, ...]:
        """The files at the origin; an archive is named after the folder. None for a set that is no download."""
        if self.files or not self.url:
            return self.files
        ending = next((end for end in (".zip", ".tar.gz") if self.url.endswith(end)), "")
        return (RemoteFile(self.url, self.folder + ending if ending else "", check=self.check),)

    def with_origin(self, data: C) -> C:
        """Return the data with the origin, licence and citation of this set."""
        return msgspec.structs.replace(data, origin=self.homepage, licence=self.licence, citation=self.citation)


@dataclass(frozen=True, kw_only=True)
class PublicSet(Facts, Generic[S]):
    """A public set of rows: an entry of `SETS` of a file of `data/sets`.

    Attributes:
        loader: (config, folder) -> data set without origin; reads the original layout and that of a plain copy.
        config: configuration of the loader, with `path` for a local folder.
        carried: folder of a copy that an installed package carries; None when there is none.
    """

    loader: Callable[[S, Path], DataSet]
    config: type[S] = SourceConfig  # type: ignore[assignment]  # where there is nothing to set but the path
    carried: Callable[[], Path] | None = None

    def load(self, folder: Path, config: S | None = None) -> DataSet:
        """Load the set from a folder, with the loader's default configuration unless one is given."""
        return self.with_origin(self.loader(self.config() if config is None else config, folder))


@dataclass(frozen=True, kw_only=True)
class PublicText(Facts):
    """A public set of texts: an entry of `SETS` of a file of `data/sets`.

    Attributes:
        loader: folder -> texts without origin.
    """

    loader: Callable[[Path], TextSet]

    def load(self, folder: Path) -> TextSet:
        """Load the texts from a folder."""
        return self.with_origin(self.loader(folder))


Public = PublicSet[Any] | PublicText
