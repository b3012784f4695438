"""Models that `edgewright serve` can serve: every file offers `KIND`, a `ServedKind` that opens a `ServedModel`."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from edgewright.core.catalogue import find, listing
from edgewright.core.own_models import choose
from edgewright.schema.errors import InputError

DEFAULT_TOKENS = 256


@dataclass(frozen=True)
class Message:
    """What somebody said.

    Attributes:
        role: 'user' or 'assistant'.
        text: without pictures or sounds.
    """

    role: str
    text: str


@dataclass(frozen=True)
class Sampling:
    """How a model that generates text chooses; other models have one answer.

    Attributes:
        max_tokens: pieces at most.
        temperature: 0 takes the likeliest piece.
        seed: of the choice; None chooses anew each time.
    """

    max_tokens: int = DEFAULT_TOKENS
    temperature: float = 0.0
    seed: int | None = None


@dataclass(frozen=True)
class Reply:
    """What a model says.

    Attributes:
        pieces: of the text, in order; each counts as one token.
        details: for programs: citations, intents, states.
    """

    pieces: Iterator[str]
    details: Mapping[str, Any] = field(default_factory=dict)


class ServedModel(Protocol):
    """A model that was opened. One thread opens it, asks it and closes it.

    Attributes:
        title: what it is, for people.
        completes: whether it continues a text, for the older completion API.
    """

    title: str
    completes: bool

    def reply(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        """Answer a conversation whose last message is the user's.

        Raises:
            InputError: a message that cannot be answered, such as an empty one.
        """
        ...

    def close(self) -> None:
        """Close its files."""
        ...


@dataclass(frozen=True)
class ServedKind:
    """The one object `KIND` of a file of `studio/chat/models`.

    Attributes:
        title: for messages, such as 'an index of documents'.
        holds: a name in the archives that are read, the first bytes of the files, or their suffix.
        needs: the file that follows the comma in `PATH,PATH`; empty where none may.
        open: reads the file, and the one that follows it.
    """

    title: str
    holds: str
    needs: str
    open: Callable[[Path, Path | None], ServedModel]


def words_of(text: str) -> Iterator[str]:
    """Yield a text word by word, each with the space after it."""
    begin = 0
    for index, character in enumerate(text[:-1]):
        if character.isspace() and not text[index + 1].isspace():
            yield text[begin : index + 1]
            begin = index + 1
    if text:
        yield text[begin:]


_HEAD = 16
_LONGEST = 100


class ModelRequest(NamedTuple):
    """A model as the command line names it: `[NAME=]PATH[,PATH]`."""

    name: str
    path: Path
    other: Path | None


def parse_model(text: str) -> ModelRequest:
    """Read a model of the command line; without a name it has that of its file.

    Raises:
        InputError: an empty path, or a name that is empty, long or not printable.
    """
    name, path = "", text
    if not Path(text).exists():
        before, separator, after = text.partition("=")
        name, path = (before, after) if separator else ("", text)
        if separator and not name:
            raise InputError("a name before '='", repr(text), "edgewright serve")
    first, _, second = (path, "", "") if Path(path).exists() else path.partition(",")
    if not first:
        raise InputError("[NAME=]PATH[,PATH]", repr(text), "edgewright serve")
    name = name or Path(first).stem
    if len(name) > _LONGEST or not name.isprintable():
        raise InputError(
            f"a name of at most {_LONGEST} printable characters", repr(name[:_LONGEST]), "edgewright serve"
        )
    return ModelRequest(name, Path(first), Path(second) if second else None)


def kind_of(path: Path) -> tuple[str, ServedKind]:
    """Return what a file holds.

    Raises:
        InputError: no such file, or one of no model that can be served.
    """
    if not path.is_file():
        got = "a folder" if path.is_dir() else "no such file"
        raise InputError("the file of a model", got, str(path), "Check the path")
    known: dict[str, ServedKind] = {
        name: find(__name__, name, "KIND", "kind of model") for name in listing(__name__, "KIND")
    }
    with path.open("rb") as file:
        head = file.read(_HEAD).decode("latin-1")
    marks = {path.suffix}
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            marks.update(archive.namelist())
    for name, kind in known.items():
        if kind.holds in marks or head.startswith(kind.holds):
            return name, kind
    raise InputError(
        f"one of: {', '.join(kind.title for kind in known.values())}", "another file", str(path), "Check the path"
    )


def open_model(request: ModelRequest) -> tuple[str, ServedModel]:
    """Return the kind of a model and the model itself, in the thread that will ask it.

    Raises:
        InputError: a file of another kind, damaged, or with a second file that it does not need.
    """
    path = request.path if request.path.exists() else choose("phrasing", request.path)[0] or request.path
    name, kind = kind_of(path)
    if request.other is not None and not kind.needs:
        raise InputError(f"{kind.title} alone", f"{request.other} after a comma", str(path))
    return name, kind.open(path, request.other)
