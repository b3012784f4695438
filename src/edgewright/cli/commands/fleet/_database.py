"""Commands that keep the database of a fleet: copies, the next version, another database."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.commands.fleet._folder import FLEET
from edgewright.core.errors import FleetInUseError

if TYPE_CHECKING:
    from edgewright.fleet.server.database.migration import Migration


@declare(example="my-fleet my-fleet-monday.sqlite")
def backup(
    folder: Path = argument(metavar="DIR"),
    file: Path = argument(metavar="FILE"),
) -> Result:
    """Copy the database of the fleet in DIR to FILE, as a consistent snapshot without keys or signed files.

    The copy is a SQLite file, whichever database the fleet uses.
    """
    from edgewright.fleet.server.database.migration import write_backup

    size = write_backup(folder, file)
    return Result({"file": str(file), "bytes": size}, [f"{click.format_filename(file)}: {size:,} bytes"], compact=True)


@declare(example="--fleet my-fleet --backup monday.sqlite")
def restore(
    folder: Path = FLEET,
    backup: Path | None = option(metavar="FILE", help="Copy of the database that `fleet backup` made."),
    address: str = option("--from", metavar="URL", help="Address at which devices read, if DIR/public is lost too."),
    ca_file: Path | None = option(help="CA certificates to trust, for --from."),
) -> Result:
    """Restore the control plane from a backup and from what is published.

    A backup is older than what devices have seen: version numbers would repeat, and an abort would be forgotten.
    Therefore the server refuses to start on a backup until this command has run. Rollouts are then in the state that
    devices know, and the next report of each device is accepted whatever its nonce. With --from, missing packages are
    downloaded too. Stop all servers first.
    """
    from sqlalchemy import Connection

    from edgewright.fleet.protocol.layout import ONLINE
    from edgewright.fleet.protocol.transport import HttpTransport
    from edgewright.fleet.repository import metadata
    from edgewright.fleet.repository.folder import open_fleet
    from edgewright.fleet.server import device_access, restore
    from edgewright.fleet.server.control_plane import open_plane
    from edgewright.fleet.server.database import tables
    from edgewright.fleet.server.rollouts.scheduler import Publisher
    from edgewright.fleet.server.signer.supervisor import SOCKET, check_given

    fleet = open_fleet(folder)
    there = _signer(fleet.online / SOCKET)
    if there:
        raise FleetInUseError("a fleet that is not served", f"a signer: {there}", str(folder), "Stop fleet serve first")
    if backup is not None:
        _lay(backup, folder)
    transport = HttpTransport(address, str(ca_file or "")) if address else None
    plane = open_plane(folder, thread=False)
    try:
        now = plane.clock.wall()
        read = restore.from_address(transport) if transport else restore.from_folder(plane.public)
        published = restore.published(read, restore.first_root(fleet))
        check_given(fleet, {role: metadata.version(published.role_files, role) for role in ONLINE})
        without = restore.keyless(fleet, published.role_files)
        files = restore.bring(fleet, read, published.role_files)
        news = restore.take_up(plane.database, plane.committer, published, "restore", now)

        def welcome(connection: Connection) -> tuple[str, ...]:
            device_access.forget_nonces(connection)
            tables.append_audit_row(connection, at=now, who="restore", action="nonces.forgotten")
            return device_access.apply_retirements(folder, connection)

        retired = plane.committer.submit(welcome).result()
        # The next command reads the folder: a release that it does not show would have its number given away again.
        withdrawn = restore.withdraw_replaced(fleet, read, published.role_files)
        Publisher(fleet, plane.database).publish(again=True)
    finally:
        plane.close()
        if transport:
            transport.close()
    record = {
        "news": news, "versions": {role: metadata.version(published.role_files, role) for role in ONLINE},
        "rollouts": published.standings, "brought": files.brought, "missing": files.missing, "keyless": without,
        "withdrawn": withdrawn, "retired": retired,
    }  # fmt: skip
    return Result(record, _restore_lines(record, folder, address), compact=True)


def _restore_lines(record: dict[str, Any], folder: Path, address: str) -> Iterator[str]:
    text = ", ".join(f"{role} {version}" for role, version in record["versions"].items())
    yield f"{'restored' if record['news'] else 'nothing new'}: {text}; {len(record['rollouts'])} rollouts"
    yield from (f"  {rollout.plan}: {rollout.state}, stage {rollout.stage + 1}" for rollout in record["rollouts"])
    if record["brought"]:
        yield f"files downloaded from {address}: {len(record['brought'])}"
    yield from (f"retired again: {name}" for name in record["retired"])
    for name in record["missing"]:
        yield f"warning: targets/{name} is missing or altered; restore it from another backup or export"
    for about in record["withdrawn"]:
        yield f"warning: withdrew a signed change that what is published replaces; prepare it again: {about}"
    for role in record["keyless"]:
        yield f"warning: no key of {role} is here: edgewright fleet key rotate {role} --fleet {folder}"
    yield f"next: edgewright fleet serve {folder}"


def _signer(socket: Path, patience: float = 10.0) -> str:
    """Return what signer is there, empty for none; one whose server was killed gets so many seconds to notice it."""
    from edgewright.fleet.server.signer.supervisor import probe

    until = time.monotonic() + patience
    while (server := probe(socket)).how != "gone":
        if time.monotonic() > until:
            return f"process {server.pid}" + (", which hangs: stop it with kill -9" if server.how == "silent" else "")
        time.sleep(0.1)
    return ""


def _lay(backup: Path, folder: Path) -> None:
    """Copy a backup to where the database belongs, migrated to this version's revision.

    Raises:
        InputError: there is no backup, a newer Edgewright made it, or a database is in its place.
        OutputError: it cannot be written.
    """
    from edgewright.fleet.server.database import migration, postgres
    from edgewright.fleet.server.database.migration import upgrade_file
    from edgewright.fleet.server.database.sqlite import NAME, copy_file

    address, path = postgres.address(folder), folder / NAME
    if not address and path.exists():
        do = f"Check if it is still usable; if not, move it away: mv {path} {path}.old"
        raise FleetInUseError("no database at the target of the backup", "one", str(path), do)
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=folder) as location:
        migrated = Path(location) / NAME
        copy_file(backup, migrated)
        upgrade_file(migrated)
        if address:
            migration.fill(address, migrated)
            return
        for left in folder.glob(f"{NAME}-*"):  # of the database that was there: they would be read into the backup
            left.unlink()
        copy_file(migrated, path)


@declare(example="my-fleet --dry-run")
def migrate(
    folder: Path = argument(metavar="[DIR]", default=Path()),
    dry_run: bool = option(help="Print what would change, and change nothing."),
    backup: Path | None = option(
        metavar="FILE", help="Where to write the backup. [default: a new file in DIR/backups]"
    ),
) -> Result:
    """Migrate the database of the fleet in DIR to this version, after a backup.

    No other command of a newer version changes an older database, except serve --migrate. Over SQLite, stop the server
    first. Over PostgreSQL, servers of the version before may go on; upgrade them one after the other.
    """
    from edgewright.fleet.repository.folder import open_fleet
    from edgewright.fleet.server.database.migration import upgrade

    path = open_fleet(folder).folder
    done = upgrade(path, dry_run=dry_run, backup=backup)
    return Result(done, _migrate_lines(done, dry_run), compact=True)


def _migrate_lines(done: Migration, dry_run: bool) -> Iterator[str]:
    if not done.steps:
        yield f"nothing to do: the database has revision {done.after}"
        return
    for number, title in done.steps:
        yield f"  {number}: {title}"
    if dry_run and done.reports:
        space = f"with the backup {done.bytes_needed / 1e6:,.0f} MB of free space"
        yield f"  an index over some {done.reports:,} reports: about {max(1.0, done.seconds):,.0f} s, {space}"
    if dry_run:
        yield f"would migrate from revision {done.before} to {done.after}; nothing was changed"
    else:
        yield f"migrated from revision {done.before} to {done.after}; the backup is {done.backup}"


@declare(example="my-fleet --to postgresql://fleet@10.0.0.5/fleet")
def database(
    *,
    folder: Path = argument(metavar="[DIR]", default=Path()),
    address: str = option("--to", metavar="URL", help="Move everything to this empty PostgreSQL database."),
) -> Result:
    """Show which database the fleet in DIR uses; with --to, move it to PostgreSQL.

    One SQLite file is enough until one machine is not (see docs/scale.md). Stop all servers first. The SQLite file is
    kept under another name.
    """
    from edgewright.fleet.repository.folder import open_fleet
    from edgewright.fleet.server.database import migration, postgres, sqlite

    path = open_fleet(folder).folder
    if not address:
        database = postgres.address(path)
        shown = postgres.shown(database) if database else str(path / sqlite.NAME)
        return Result({"database": shown}, [shown], compact=True)
    counts = migration.move(path, address)

    def text() -> Iterator[str]:
        total = sum(counts.values())
        yield f"{postgres.shown(address)}: {total:,} rows in {len(counts)} tables; the audit log is whole"
        yield f"next: edgewright fleet serve {click.format_filename(folder)}"

    return Result({"database": postgres.shown(address), "rows": counts}, text(), compact=True)
