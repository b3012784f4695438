"""What the signer remembers: durable before a signature is given away, and for one signer at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from edgewright.fleet.protocol.file_lock import lock_within
from edgewright.fleet.protocol.layout import ROOT, TIMESTAMP
from edgewright.fleet.repository import metadata
from edgewright.fleet.server.publishing.restore import Published
from edgewright.fleet.server.signer.rules import Known
from edgewright.schema.errors import InputError, OutputError
from edgewright.schema.fleet_plan import Plan, Standings

_OTHERS = 20.0
"""Seconds for which one waits for another signer's record: less than who asks waits."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What the signer remembers.

    Attributes:
        root: newest that it trusts; empty before the first.
        versions: highest given away, by role; offline roles as well.
        digests: SHA-256 of the content of that version.
        issued: latest signed time; `timekeys` that signed it.
        known: by plan.
    """

    format: int = 1
    root: bytes = b""
    versions: dict[str, int] = {}
    digests: dict[str, str] = {}
    issued: float = 0.0
    timekeys: str = ""
    known: dict[str, Known] = {}


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """One signer at a time: two with one record would give a version away twice.

    Raises:
        OutputError: the folder cannot be written, or another signer keeps the record for too long.
    """
    try:
        handle = path.with_suffix(".lock").open("a")
    except OSError as error:
        raise OutputError("to open the signer's record", error.strerror or str(error), str(path)) from None
    with handle:
        if not lock_within(handle, _OTHERS):
            got, do = "one that another signer keeps", "End that process: it hangs"
            raise OutputError("the signer's record for itself", got, str(path), do)
        yield


def begun_from(found: Published) -> Record:
    """What a signer remembers that signed what is published, and nothing else."""
    plans = {name: msgspec.json.decode(body, type=Plan) for name, body in found.plans.items()}
    return Record(
        root=found.roots[-1],
        versions={role: metadata.version(found.held, role) for role in found.held},
        digests={role: metadata.sha256(data) for role, data in found.held.items()},
        issued=msgspec.json.decode(found.index, type=Standings).issued if found.index else 0.0,
        timekeys=timekeys(found.roots[-1]),
        known={one.plan: Known(standing=one, plan=plans[one.plan]) for one in found.standings},
    )


def timekeys(root: bytes) -> str:
    """Ids of the keys that sign the timestamp."""
    return ",".join(sorted(metadata.read(root, ROOT).signed.roles[TIMESTAMP].keyids))


def read_record(path: Path, begun: Callable[[], Record]) -> Record:
    """The record of a file; `begun` where there is none.

    Raises:
        InputError: it is damaged.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return begun()
    try:
        return msgspec.json.decode(content, type=Record)
    except msgspec.DecodeError as error:
        # Without its memory it could sign a second content for a version: better it signs nothing.
        do = "Restore it, or remove it and rotate the online keys: edgewright fleet key rotate"
        raise InputError("the signer's record", str(error), str(path), do) from None
