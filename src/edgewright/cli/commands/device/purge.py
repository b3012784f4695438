"""`edgewright device purge`: deletes from a store, by will."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.command import Result, declare, option
from edgewright.cli.commands.device._store import STORE
from edgewright.core.formatting import bytes_text
from edgewright.schema.errors import InputError


@declare(example="--store DIR --table rows --days 7")
def command(
    store: Path = STORE,
    tables: tuple[str, ...] = option(
        "--table", metavar="NAME", help="events, rows, outbox or learnt; may be repeated."
    ),
    days: float = option(
        type=click.FloatRange(min=0),
        default=0.0,
        help="Only what is older than this many days of running time; 0 deletes all.",
    ),
    aside: bool = option("--set-aside", help="Delete files that were set aside as damaged."),
) -> Result:
    """Delete data from a store and overwrite it in the file. Stop the agent first.

    What the agent has learnt of its streams (`learnt`) comes from rows and events: deleting all of either deletes it
    too; with --days it stays.
    """
    from edgewright.device.store import purge, reader
    from edgewright.device.store.store import Store

    if not tables and not aside:
        raise InputError(
            "what to delete", "nothing", "--table", "Set --table events, rows, outbox or learnt, or --set-aside"
        )
    deleted: dict[str, int] = {}
    before = reader.disk_usage(store)
    with Store.open(store, purge.patient(store)) as opened:
        if tables:
            deleted = purge.purge(opened, dict.fromkeys(tables), days)
        files = purge.remove_set_aside(store) if aside else []
    freed = sum(before.values()) - sum(reader.disk_usage(store).values())
    lines = [
        f"{name}: {count:,} {'parts' if name == purge.LEARNT else 'entries'} deleted" for name, count in deleted.items()
    ]
    lines += [*(f"deleted {name}" for name in files), f"the files are {bytes_text(max(0, freed))} smaller"]
    return Result({"deleted": deleted, "files": files, "freed_bytes": freed}, lines)
