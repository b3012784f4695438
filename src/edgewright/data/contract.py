"""What every file of `data/sources` and `data/sets` offers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from edgewright.schema.data import DataSet, TextSet


class SourceConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every source's configuration: the table `[data]` without its `kind`.

    Attributes:
        path: file or folder; `--data PATH` on the command line overrides it.
    """

    path: str = ""


S = TypeVar("S", bound=SourceConfig)


@dataclass(frozen=True)
class Source(Generic[S]):
    """The one object `SOURCE` of a source's file; the file name is its `kind`.

    Attributes:
        config: the configuration's struct.
        load: (config, seed) -> data set. Raises `InputError` with file, line and column.
        suffixes: file name endings this source is chosen for when only a path is given, such as '.csv'.
        in_parts: (config, seed, folder) -> data set whose values lie in a file without a name in that folder, or None
            where they are better loaded.
        whole: whether no reading can be missing, as in sound.
        simulated: whether no sensor measured the rows.
    """

    config: type[S]
    load: Callable[[S, int], DataSet]
    suffixes: tuple[str, ...] = ()
    in_parts: Callable[[S, int, Path], DataSet | None] | None = None
    whole: bool = False
    simulated: bool = False


@dataclass(frozen=True)
class RemoteFile:
    """A file at its origin. Where the origin changes it, `sha256` is empty and `check` says what is verified."""

    url: str
    name: str
    sha256: str = ""
    check: str = ""


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


@dataclass(frozen=True)
class PublicSet(Generic[S]):
    """The one object `SET` of a public set's file; the file name is its name.

    Attributes:
        title: one line.
        homepage: the original page.
        files: what `data get` downloads.
        licence, citation: as stated at the origin.
        task: one line, 'activities of people: 6 classes, split by person'.
        config: configuration of the loader, with `path` for a local folder.
        load: (config, folder) -> data set; reads the original layout and the layout of a plain copy.
        folder: its folder in a collection of plain copies, such as `har-hapt`.
        documented: counts of the complete copies, with the loader's default configuration.
        carried: folder of a copy that an installed package carries; None when there is none.
        whole: whether no reading can be missing, as in sound.
        file: name of its one file, where it has one: a file of another name is read as this one.
        simulated: whether no sensor measured the rows.
    """

    title: str
    homepage: str
    files: tuple[RemoteFile, ...]
    licence: str
    citation: str
    task: str
    config: type[S]
    load: Callable[[S, Path], DataSet]
    folder: str = ""
    documented: tuple[Documented, ...] = ()
    carried: Callable[[], Path] | None = None
    whole: bool = False
    file: str = ""
    simulated: bool = False


@dataclass(frozen=True)
class PublicText:
    """The one object `TEXT` of a public set of texts; the same fields as `PublicSet`, without a configuration.

    Attributes:
        title, homepage, files, licence, citation, task, folder, file: as in `PublicSet`.
        load: folder -> texts.
        documented: rows of the complete copies.
    """

    title: str
    homepage: str
    files: tuple[RemoteFile, ...]
    licence: str
    citation: str
    task: str
    load: Callable[[Path], TextSet]
    folder: str = ""
    documented: tuple[Documented, ...] = ()
    file: str = ""
