"""Reading and writing `trace.json`."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from edgewright.schema.errors import InputError, OutputError
from edgewright.schema.trace import TRACE_VERSION, Trace


class _Version(msgspec.Struct, frozen=True):
    """The one field that is read before the rest is believed."""

    version: int


def trace_bytes(trace: Trace) -> bytes:
    """The record as JSON: fields in the order of the schema, keys of tables sorted, two blanks of indent."""
    return msgspec.json.format(msgspec.json.encode(trace, order="sorted"), indent=2) + b"\n"


def write_trace(trace: Trace, path: Path) -> None:
    """Writes the record whole or not at all.

    Raises:
        OutputError: when the file cannot be written, a full disk for example.
    """
    write_whole(path, trace_bytes(trace), "the trace")


def write_whole(path: Path, content: bytes, what: str) -> None:
    """Writes a file whole or not at all; `what` names it in messages.

    Raises:
        OutputError: as `write_trace`.
    """
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise OutputError(f"to write {what}", error.strerror or str(error), str(path)) from error


def as_it_was(config: dict[str, Any]) -> None:
    """Adds to a stored configuration what keys that it lacks meant when it was stored, all defaults included."""
    if config:
        config.setdefault("refit", False)
    if isinstance(window := config.get("window"), dict):
        window.setdefault("target", "mean")


def read_trace(path: Path) -> Trace:
    """Reads a record of this version or an older one.

    Raises:
        InputError: when the file is absent, is no record, is cut off, or was written by a newer version.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            "a trace.json", error.strerror or str(error), str(path), "Give the folder of a finished run"
        ) from error
    return parse_trace(content, str(path))


def parse_trace(content: bytes, where: str) -> Trace:
    """The record in `content`; `where` names the file in messages.

    Raises:
        InputError: as `read_trace`.
    """
    try:
        version = msgspec.json.decode(content, type=_Version).version
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError("a whole trace.json", _reason(error), where, "Run the pipeline again") from error
    if version > TRACE_VERSION:
        raise InputError(
            f"a trace of version {TRACE_VERSION} or older", f"version {version}", where, "Update edgewright"
        )
    if version < 1:
        raise InputError("a trace of version 1 or newer", f"version {version}", where)
    try:
        trace = msgspec.json.decode(content, type=Trace)
        as_it_was(trace.config)
        return trace
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError("a trace with every part", _reason(error), where, "Run the pipeline again") from error


def _reason(error: Exception) -> str:
    """The decoder's message, which names the place, as part of a sentence."""
    text = str(error).replace("`", "'")
    return text[:1].lower() + text[1:]
