"""The short form of a source, `KIND:REST`: a place, and settings behind a question mark, such as `x.csv?rate=50`."""

from __future__ import annotations

from typing import TypeVar
from urllib.parse import unquote

import msgspec

from edgewright.core.toml_tables import explain
from edgewright.device.sources import StreamConfig
from edgewright.schema.errors import InputError, UnknownNameError

C = TypeVar("C", bound=StreamConfig)


def split(rest: str) -> tuple[str, dict[str, str]]:
    """The place, and the settings by name: 'a.csv?rate=50&time=t' gives ('a.csv', {'rate': '50', 'time': 't'}).

    Raises:
        InputError: for a setting without a value.
    """
    place, _, query = rest.partition("?")
    settings = {}
    for part in query.split("&") if query else ():
        name, equals, value = part.partition("=")
        if not equals or not name:
            raise InputError("settings such as ?rate=50&time=t", repr(part), f"--source ...{rest}")
        settings[unquote(name)] = unquote(value)
    return place, settings


def settled(config: type[C], given: dict[str, str]) -> C:
    """Settings from text.

    Raises:
        UnknownNameError: for a key that the source does not have, with the known ones.
        InputError: for a value that is none of its kind.
    """
    for key in given:
        if key not in config.__struct_fields__:
            raise UnknownNameError("setting", key, config.__struct_fields__, "--source")
    listed = {field.name for field in msgspec.structs.fields(config) if isinstance(field.default, tuple)}
    values = {key: value.split(",") if key in listed else value for key, value in given.items()}
    try:
        return msgspec.convert(values, config, strict=False)
    except msgspec.ValidationError as error:
        raise explain(error, values, config, "--source") from None
