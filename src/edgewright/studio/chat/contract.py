"""What a model that is served offers: a reply to a conversation, in pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

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
        what: for messages, such as 'an index of documents'.
        holds: a name in the archives that are read, the first bytes of the files, or their suffix.
        needs: the file that follows the comma in `PATH,PATH`; empty where none may.
        open: reads the file, and the one that follows it.
    """

    what: str
    holds: str
    needs: str
    open: Callable[[Path, Path | None], ServedModel]


def words_of(text: str) -> Iterator[str]:
    """Yield a text word by word, each with the space after it."""
    begin = 0
    for place, character in enumerate(text[:-1]):
        if character.isspace() and not text[place + 1].isspace():
            yield text[begin : place + 1]
            begin = place + 1
    if text:
        yield text[begin:]
