"""What every file of `data/sources` and `data/sets` offers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from edgewright.schema.data import DataSet


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
    """

    config: type[S]
    load: Callable[[S, int], DataSet]
    suffixes: tuple[str, ...] = ()


@dataclass(frozen=True)
class RemoteFile:
    """A file at its origin. Where the origin changes it, `sha256` is empty and `check` says what is verified."""

    url: str
    name: str
    sha256: str = ""
    check: str = ""


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
    """

    title: str
    homepage: str
    files: tuple[RemoteFile, ...]
    licence: str
    citation: str
    task: str
    config: type[S]
    load: Callable[[S, Path], DataSet]
