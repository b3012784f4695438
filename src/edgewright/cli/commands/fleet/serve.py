"""`edgewright fleet serve`: the control plane and the files of updates, in one process."""

from __future__ import annotations

import signal
from pathlib import Path

import click

from edgewright.cli.command import argument, declare, option
from edgewright.cli.interrupt import loading
from edgewright.core.errors import INTERRUPTED


@declare(example="my-fleet --port 8798")
def command(
    folder: Path = argument(metavar="[DIR]", default=Path()),
    host: str = option(default="127.0.0.1", help="Address to listen on."),
    port: int = option(type=click.IntRange(0, 65535), default=8798, help="Port to listen on; 0 takes a free one."),
    tls_cert: Path | None = option(help="Certificate chain in PEM."),
    tls_key: Path | None = option(help="Private key in PEM."),
    behind_proxy: bool = option(help="A reverse proxy terminates TLS."),
    database: str = option(
        metavar="URL", help="PostgreSQL database that the fleet was moved to, if at another address now."
    ),
    report_every: float = option(
        type=click.FloatRange(5.0, 86_400.0),
        default=60.0,
        metavar="SECONDS",
        help="How often devices report while nothing happens to them.",
    ),
    keep: float = option(
        type=click.FloatRange(2.0, 3660.0),
        default=30.0,
        metavar="DAYS",
        help="How long to keep reports and their items.",
    ),
    migrate: bool = option(help="Migrate the database of an older version first, after a backup in DIR/backups."),
) -> int:
    """Serve the fleet in DIR: signed files for devices, enrolment, reports, and the operators' API.

    One process and one SQLite file, nothing else to install. Only this machine can reach it unless TLS is configured.
    The log is JSON lines on standard error. Ctrl-C finishes the requests in progress and stops.

    With PostgreSQL, several servers can serve the same DIR, behind one address or several: devices do not notice which
    server answers. Give all of them the same --report-every and --keep.
    """
    with loading():
        from edgewright.fleet.repository.folder import DATABASE, open_fleet
        from edgewright.fleet.server.control_plane import Limits, open_plane
        from edgewright.fleet.server.database import postgres
        from edgewright.fleet.server.database.migration import move, upgrade
        from edgewright.fleet.server.http_server import Listening, serve
    fleet = open_fleet(folder)
    if fleet.settings.oidc is not None:
        click.echo("warning: [oidc] of fleet.toml is ignored; operators need tokens: fleet operator add", err=True)
    if database and postgres.address(fleet.folder) != postgres.checked(database, "--database"):
        moved = move(fleet.folder, database)
        click.echo(f"moved to {postgres.shown(database)}: {sum(moved.values()):,} rows")
    if migrate and (postgres.address(fleet.folder) or (fleet.folder / DATABASE).is_file()):
        done = upgrade(fleet.folder)
        if done.steps:
            click.echo(f"migrated from revision {done.before} to {done.after}; the backup is {done.backup}")
    where = Listening(host, port, tls_cert, tls_key, behind_proxy).checked()

    def ready(address: str) -> None:
        click.echo(f"fleet of {click.format_filename(folder)} at {address}  (Ctrl-C ends it)")

    limits = Limits(wait=report_every, keep=keep * 86_400.0)
    ended = serve(open_plane(folder, limits=limits, behind_proxy=behind_proxy), where, ready)
    return INTERRUPTED if ended == signal.SIGINT else 0
