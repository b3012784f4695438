"""JSON that carries the version of its format: newer ones are refused by name before anything else is asked of them."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from edgewright.schema.errors import InputError

T = TypeVar("T")


class _Versioned(msgspec.Struct):
    version: int


def decode_versioned(text: bytes, kind: type[T], newest: int, what: str, expected: str, where: str, do: str) -> T:
    """JSON of a type whose field `version` says the format.

    Args:
        text: JSON.
        kind: type.
        newest: version that is read.
        what: has that format, such as 'detector'.
        expected: in messages, such as 'a file detector.json of a detector'.
        where: name in messages.
        do: about JSON that does not fit.

    Raises:
        InputError: no such JSON, or of a newer version.
    """
    try:
        version = msgspec.json.decode(text, type=_Versioned).version
        if version > newest:
            raise InputError(
                f"{what} format {newest} or older", str(version), where,
                f"{what.capitalize()} format {version} is newer than this Edgewright reads ({newest}): upgrade",
            )  # fmt: skip
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(expected, str(error), where, do) from None
