"""`edgewright device query`: events of a store."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from edgewright.cli.device._store import Moment, store_option, when
from edgewright.schema.errors import UnknownNameError

if TYPE_CHECKING:
    from edgewright.schema.store import Stored


@click.command("query", epilog="Example: edgewright device query --store DIR --kind alarm --since 7d")
@store_option
@click.option("--kind", default="", help="Kind of event: decision, alarm, anomaly, health, drift, state or summary.")
@click.option("--label", default="", help="Answer, alarm or channel, by name.")
@click.option("--stream", default=None, help="Only this stream.")
@click.option("--since", type=Moment(), default=None, help="Start: 2026-11-20T13:00, or 12h, 7d ago.")
@click.option("--until", type=Moment(), default=None, help="End, in the same form.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="Largest number of events.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def command(
    store: Path, kind: str, label: str, stream: str | None, since: float | None, until: float | None, limit: int,
    as_json: bool,
) -> None:  # fmt: skip
    """Print events of a store, newest first; the agent may be running."""
    from edgewright.device.store import reader
    from edgewright.schema.device import Kind

    known = typing.get_args(Kind)
    if kind and kind not in known:
        raise UnknownNameError("kind of event", kind, known, "--kind")
    line = msgspec.json.encode if as_json else _words
    for text in reader.read(store, lambda database: [
        line(stored) for stored in reader.events(database, kind, label, stream, since, until, limit)
    ]):  # fmt: skip
        click.echo(text)


def _words(stored: Stored) -> str:
    event = stored.event
    detail = " ".join(f"{name}={value}" for name, value in event.detail.items())
    where = f" [{event.stream}]" if event.stream else ""
    moment = when(event.wall if event.wall is not None else stored.written)
    return f"{moment}  {event.kind:<8} {event.label}{where}  {event.score:.3g}  {detail}".rstrip()
