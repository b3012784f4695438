"""Opening a source by what stands behind `--source`, or by its table in device.toml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from edgewright.core.catalogue import listing
from edgewright.core.toml_tables import explain
from edgewright.device.sources import Stream, StreamConfig, StreamKind, kind
from edgewright.schema.errors import InputError, UnknownNameError

_STREAMS = "edgewright.device.sources"


def open_source(text: str, columns: tuple[str, ...] = (), rate: float | None = None) -> Stream:
    """The source of `--source KIND:PLACE?settings`.

    Args:
        text: such as 'serial:/dev/ttyUSB0@115200'.
        columns: channels wanted, in order; none: all there are.
        rate: rows a second that are expected; a source whose settings say no other stamps rows without a time by it.

    Raises:
        UnknownNameError: for a kind or setting that does not exist.
        InputError: for what will never work.
    """
    name, colon, rest = text.partition(":")
    if not colon:
        known = listing(_STREAMS, "STREAM")
        if name in known:
            raise InputError(f"a source such as {kind(name).example}", repr(text), "--source")
        raise InputError(f"a source KIND:PLACE with one of {', '.join(known)}", repr(text), "--source")
    part = kind(name)
    return part.open(rated(part, part.short(rest), rate), columns)


def open_table(table: Mapping[str, Any], columns: tuple[str, ...] = (), rate: float | None = None) -> Stream:
    """The source of a table `[source]`: its `kind` and its settings.

    Raises:
        UnknownNameError: for a kind or key that does not exist.
        InputError: for a value that does not fit, and what will never work.
    """
    settings = dict(table)
    part = kind(str(settings.pop("kind", "")))
    for key in settings:
        if key not in part.config.__struct_fields__:
            raise UnknownNameError("key", key, part.config.__struct_fields__, "[source]")
    try:
        config = msgspec.convert(settings, part.config)
    except msgspec.ValidationError as error:
        raise explain(error, settings, part.config, "[source]") from None
    return part.open(rated(part, config, rate), columns)


def rated(part: StreamKind[StreamConfig], config: StreamConfig, rate: float | None) -> StreamConfig:
    """The settings with the rate that is expected, where they leave it open: rows without a time are stamped by it."""
    if rate is None or getattr(config, "rate", rate) is not None:
        return config
    try:
        return msgspec.convert({**msgspec.to_builtins(config), "rate": rate}, part.config, strict=False)
    except msgspec.ValidationError:  # a rate of sound is whole
        return config
