"""`edgewright fleet restore`: go on after a backup, above what devices have seen."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import click

from edgewright.cli.fleet._api_options import print_json
from edgewright.cli.fleet._folder import FLEET
from edgewright.cli.options import declare, option
from edgewright.schema.errors import InputError


@declare("restore", epilog="Example: edgewright fleet restore --fleet my-fleet --backup monday.sqlite")
def command(
    folder: Path = FLEET,
    backup: Path | None = option(metavar="FILE", help="Copy of the database that `fleet backup` made."),
    address: str = option("--from", metavar="URL", help="Address at which devices read, if DIR/public is lost too."),
    ca_file: Path | None = option(help="CA certificates to trust, for --from."),
    as_json: bool = option("--json", help="Print JSON."),
) -> None:
    """Restore the control plane from a backup and from what is published.

    A backup is older than what devices have seen: version numbers would repeat, and an abort would be forgotten.
    Therefore the server refuses to start on a backup until this command has run. Rollouts are then in the state that
    devices know, and the next report of each device is accepted whatever its nonce. With --from, missing packages are
    downloaded too. Stop all servers first.
    """
    from sqlalchemy import Connection

    from edgewright.fleet.protocol.layout import ONLINE
    from edgewright.fleet.protocol.wire.transport import HttpTransport
    from edgewright.fleet.repository import metadata
    from edgewright.fleet.repository.folder import open_fleet
    from edgewright.fleet.server import device_access, retirements
    from edgewright.fleet.server.control_plane import open_plane
    from edgewright.fleet.server.database import audit_chain
    from edgewright.fleet.server.publishing import restore, restored_folder
    from edgewright.fleet.server.publishing.publisher import Publisher
    from edgewright.fleet.server.signer.process import check_given
    from edgewright.fleet.server.signer.socket import SOCKET

    fleet = open_fleet(folder)
    there = _signer(fleet.online / SOCKET)
    if there:
        raise InputError("a fleet that is not served", f"a signer: {there}", str(folder), "Stop fleet serve first")
    if backup is not None:
        _lay(backup, folder)
    transport = HttpTransport(address, str(ca_file or "")) if address else None
    plane = open_plane(folder, thread=False)
    try:
        now = plane.clock.wall()
        read = restore.from_address(transport) if transport else restore.from_folder(plane.public)
        found = restore.published(read, restore.first_root(fleet))
        check_given(fleet, {role: metadata.version(found.held, role) for role in ONLINE})
        without = restored_folder.keyless(fleet, found.held)
        files = restored_folder.bring(fleet, read, found.held)
        news = restore.take_up(plane.database, plane.committer, found, "restore", now)

        def welcome(connection: Connection) -> tuple[str, ...]:
            device_access.forget_nonces(connection)
            audit_chain.append(connection, at=now, who="restore", what="nonces.forgotten")
            return retirements.apply(folder, connection)

        retired = plane.committer.submit(welcome).result()
        # The next command reads the folder: a release that it does not show would have its number given away again.
        withdrawn = restored_folder.withdraw_replaced(fleet, read, found.held)
        Publisher(fleet, plane.database).publish(again=True)
    finally:
        plane.close()
        if transport:
            transport.close()
    record = {
        "news": news, "versions": {role: metadata.version(found.held, role) for role in ONLINE},
        "rollouts": found.standings, "brought": files.brought, "missing": files.missing, "keyless": without,
        "withdrawn": withdrawn, "retired": retired,
    }  # fmt: skip
    if as_json:
        print_json(record)
    else:
        _say(record, folder, address)


def _say(record: dict[str, Any], folder: Path, address: str) -> None:
    text = ", ".join(f"{role} {version}" for role, version in record["versions"].items())
    click.echo(f"{'restored' if record['news'] else 'nothing new'}: {text}; {len(record['rollouts'])} rollouts")
    for one in record["rollouts"]:
        click.echo(f"  {one.plan}: {one.state}, stage {one.stage + 1}")
    if record["brought"]:
        click.echo(f"files downloaded from {address}: {len(record['brought'])}")
    for name in record["retired"]:
        click.echo(f"retired again: {name}")
    for name in record["missing"]:
        click.echo(f"warning: targets/{name} is missing or altered; restore it from another backup or export")
    for about in record["withdrawn"]:
        click.echo(f"warning: withdrew a signed change that what is published replaces; prepare it again: {about}")
    for role in record["keyless"]:
        click.echo(f"warning: no key of {role} is here: edgewright fleet key rotate {role} --fleet {folder}")
    click.echo(f"next: edgewright fleet serve {folder}")


def _signer(socket: Path, patience: float = 10.0) -> str:
    """Return what signer is there, empty for none; one whose server was killed gets so many seconds to notice it."""
    from edgewright.fleet.server.signer.socket import heard

    until = time.monotonic() + patience
    while (found := heard(socket)).how != "gone":
        if time.monotonic() > until:
            return f"process {found.pid}" + (", which hangs: stop it with kill -9" if found.how == "silent" else "")
        time.sleep(0.1)
    return ""


def _lay(backup: Path, folder: Path) -> None:
    """Copy a backup to where the database belongs, migrated to this version's revision.

    Raises:
        InputError: there is no backup, a newer Edgewright made it, or a database is in its place.
        OutputError: it cannot be written.
    """
    from edgewright.fleet.server.database import copy as database_copy
    from edgewright.fleet.server.database import postgres
    from edgewright.fleet.server.database.sqlite import NAME
    from edgewright.fleet.server.database.sqlite import backup as copy
    from edgewright.fleet.server.database.upgrade import upgrade_file

    address, path = postgres.address(folder), folder / NAME
    if not address and path.exists():
        do = f"Check if it is still usable; if not, move it away: mv {path} {path}.old"
        raise InputError("no database at the target of the backup", "one", str(path), do)
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=folder) as location:
        migrated = Path(location) / NAME
        copy(backup, migrated)
        upgrade_file(migrated)
        if address:
            database_copy.fill(address, migrated)
            return
        for left in folder.glob(f"{NAME}-*"):  # of the database that was there: they would be read into the backup
            left.unlink()
        copy(migrated, path)
