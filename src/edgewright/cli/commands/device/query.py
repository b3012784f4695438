"""`edgewright device query`: events of a store."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgewright.cli.command import Stream, declare, option
from edgewright.cli.commands.device._store import STORE, Moment, when
from edgewright.schema.errors import DONE, UnknownNameError

if TYPE_CHECKING:
    from edgewright.schema.store import Stored


def _words(stored: Stored) -> str:
    event = stored.event
    detail = " ".join(f"{name}={value}" for name, value in event.detail.items())
    where = f" [{event.stream}]" if event.stream else ""
    moment = when(event.wall if event.wall is not None else stored.written)
    return f"{moment}  {event.kind:<8} {event.label}{where}  {event.score:.3g}  {detail}".rstrip()


@declare(example="--store DIR --kind alarm --since 7d", view=_words, json="Print one JSON object per line.")
def command(
    store: Path = STORE,
    kind: str = option(help="Kind of event: decision, alarm, anomaly, health, drift, state or summary."),
    label: str = option(help="Answer, alarm or channel, by name."),
    stream: str | None = option(help="Only this stream."),
    since: float | None = option(type=Moment(), help="Start: 2026-11-20T13:00, or 12h, 7d ago."),
    until: float | None = option(type=Moment(), help="End, in the same form."),
    limit: int = option(type=click.IntRange(min=1), default=100, help="Largest number of events."),
) -> Stream:
    """Print events of a store, newest first; the agent may be running."""
    from edgewright.device.store import reader
    from edgewright.schema.device import Kind

    known = typing.get_args(Kind)
    if kind and kind not in known:
        raise UnknownNameError("kind of event", kind, known, "--kind")
    yield from reader.read(
        store, lambda database: list(reader.events(database, kind, label, stream, since, until, limit))
    )
    return DONE
