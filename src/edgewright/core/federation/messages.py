"""Messages of a secure sum, as MessagePack arrays; devices send the first kind, the server the second."""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec

from edgewright.schema.errors import InputError

MOST_BYTES = 1 << 18
_Key = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
_Context = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
_Number = Annotated[int, msgspec.Meta(ge=0, le=254)]
_Identity = Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)]
T = TypeVar("T")


class _Message(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One message."""


class OldJoin(_Message, frozen=True, tag=1):
    """A device offers itself whose agent sends changes, not their signs: it is refused."""

    identity: _Identity


class Join(_Message, frozen=True, tag=7):
    """A device offers itself for the next round of the package whose factory layer has this identity."""

    identity: _Identity


class Poll(_Message, frozen=True, tag=2):
    """A member of a group asks what is next."""

    context: _Context


class Advertise(_Message, frozen=True, tag=3):
    """Public keys of a member for cipher texts and for masks, and the hash of its own seed."""

    context: _Context
    cipher_key: _Key
    mask_key: _Key
    seed_hash: _Key


class Shares(_Message, frozen=True, tag=4):
    """Shares of a member's mask key and seed, encrypted for each other member."""

    context: _Context
    sealed: dict[_Number, bytes]


class Masked(_Message, frozen=True, tag=5):
    """Masked signs of a change: numbers modulo 2**32, little endian."""

    context: _Context
    values: bytes


class Revealed(_Message, frozen=True, tag=6):
    """Shares of the seeds of those who answered, and of the mask keys of those who did not."""

    context: _Context
    seeds: dict[_Number, bytes]
    keys: dict[_Number, bytes]


Request = Join | Poll | Advertise | Shares | Masked | Revealed


class Wait(_Message, frozen=True, tag=11):
    """Nothing to do yet: ask again after so many seconds."""

    seconds: float


class Begin(_Message, frozen=True, tag=18):
    """A device is a member of a group of this round.

    Attributes:
        context: random, of this round and group.
        identity: of the factory layer.
        member, size, threshold: number of the member, members of the group, and how many must stay to the end.
        layer: of the fleet, as `layer_bytes`.
        passes: over a device's examples.
        deviation: of the noise that each member adds to its signs; 0 for none.
    """

    context: _Context
    identity: _Identity
    member: _Number
    size: _Number
    threshold: _Number
    layer: bytes
    passes: int
    deviation: int


class Roster(_Message, frozen=True, tag=13):
    """The keys of the members that are here."""

    context: _Context
    members: dict[_Number, Advertise]


class Inbox(_Message, frozen=True, tag=14):
    """What other members encrypted for this one; its keys are the members whose masks count."""

    context: _Context
    sealed: dict[_Number, bytes]


class Reveal(_Message, frozen=True, tag=15):
    """Who answered with a masked change, and who did not."""

    context: _Context
    survivors: tuple[_Number, ...]
    dropped: tuple[_Number, ...]


class Finished(_Message, frozen=True, tag=16):
    """The group is done, or gave up; `more` says whether another round follows."""

    more: bool


class Refused(_Message, frozen=True, tag=17):
    """The message did not count."""

    reason: str


Reply = Wait | Begin | Roster | Inbox | Reveal | Finished | Refused


def encode(message: Request | Reply) -> bytes:
    """Return the bytes of a message."""
    return msgspec.msgpack.encode(message)


def parse_request(data: bytes) -> Request:
    """Return what a device sent.

    Raises:
        InputError: other bytes, or an agent that sends changes.
    """
    message: Request | OldJoin = _parsed(data, Request | OldJoin)
    if isinstance(message, OldJoin):
        raise InputError(
            "an agent that sends signs of its change", "an older one", "federation", "Update the agent of this device"
        )
    return message


def parse_reply(data: bytes) -> Reply:
    """Return what a server answered.

    Raises:
        InputError: other bytes.
    """
    return _parsed(data, Reply)


def _parsed(data: bytes, kind: object) -> T:  # type: ignore[type-var]
    if len(data) > MOST_BYTES:
        raise InputError(f"a message of at most {MOST_BYTES:,} bytes", f"{len(data):,} bytes", "federation")
    try:
        message: T = msgspec.msgpack.decode(data, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InputError("a message of a round", str(error)[:200], "federation") from None
    return message
