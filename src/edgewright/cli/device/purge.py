"""`edgewright device purge`: deletes from a store, by will."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.device._store import amount, store_option
from edgewright.cli.output import print_json
from edgewright.schema.errors import InputError


@click.command("purge", epilog="Example: edgewright device purge --store DIR --table rows --days 7")
@store_option
@click.option(
    "--table", "tables", multiple=True, metavar="NAME", help="events, rows, outbox or learnt; may be repeated."
)
@click.option("--days", type=click.FloatRange(min=0), default=0.0, show_default=True,
              help="Only what is older than this many days of running time; 0 deletes all.")  # fmt: skip
@click.option("--set-aside", "aside", is_flag=True, help="Delete files that were set aside as damaged.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(store: Path, tables: tuple[str, ...], days: float, aside: bool, as_json: bool) -> None:
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
    gone: dict[str, int] = {}
    freed = reader.held(store)
    with Store.open(store, purge.patient(store)) as opened:
        if tables:
            gone = purge.purge(opened, dict.fromkeys(tables), days)
        files = purge.remove_set_aside(store) if aside else []
    now = reader.held(store)
    reported = sum(freed.values()) - sum(now.values())
    if as_json:
        print_json({"deleted": gone, "files": files, "freed_bytes": reported})
        return
    for name, count in gone.items():
        click.echo(f"{name}: {count:,} {'parts' if name == purge.LEARNT else 'entries'} deleted")
    for name in files:
        click.echo(f"deleted {name}")
    click.echo(f"the files are {amount(max(0, reported))} smaller")
