"""Commands and pages that only read change no file: a fresh folder, none at all, a read-only one, one beside a server.

Every command of `edgewright fleet` and `edgewright device` is listed here as one that reads or one that writes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import httpx
import pytest
from starlette.routing import Route

from cli_runner import Cli
from edgewright.cli.folder import FolderOfCommands
from edgewright.cli.main import run
from edgewright.fleet.server.api.client import NO_DATABASE
from edgewright.fleet.server.database import sqlite
from edgewright.fleet.server.database.postgres import SERVING
from edgewright.studio import pages
from fleet_servers import Server
from store_example import event, opened
from studio_example import client

DEVICE, NAME = "0" * 32, "pump-1"
READS: dict[str, tuple[str, ...]] = {
    "fleet audit show": (), "fleet audit verify": (), "fleet backup": ("{fleet}", "{out}/copy.sqlite"),
    "fleet database": ("{fleet}",),
    "fleet device logs": (NAME, "--stored"), "fleet device diagnose": (NAME, "--stored"), "fleet devices": (),
    "fleet key list": (), "fleet migrate": ("{fleet}", "--dry-run"), "fleet operator list": (), "fleet releases": (),
    "fleet rollout status": ("--all",), "fleet token list": (), "fleet waiting": (), "fleet watch": ("--once",),
    "device check": ("{out}/device.toml",), "device export": ("--store", "{store}", "--out", "{out}/events.csv"),
    "device find": ("{out}/no-finder", "{out}/picture.png"), "device query": ("--store", "{store}"),
    "device status": ("--store", "{store}", "--check"),
}  # fmt: skip
"""Arguments of each command that changes nothing; commands of a fleet get `--fleet` unless they name the folder."""
WRITES = {
    "fleet device block", "fleet device deploy", "fleet device rename", "fleet device retire", "fleet device retry",
    "fleet device tag", "fleet device unblock", "fleet enroll", "fleet export", "fleet finish", "fleet init",
    "fleet key new", "fleet key refresh", "fleet key revoke", "fleet key rotate", "fleet key sign",
    "fleet lift", "fleet operator add", "fleet operator revoke", "fleet practice", "fleet publish", "fleet restore",
    "fleet rollout abort", "fleet rollout confirm", "fleet rollout pause", "fleet rollout promote",
    "fleet rollout resume", "fleet rollout start", "fleet serve", "fleet simulate", "fleet stick init",
    "fleet stick write", "fleet token new", "fleet token revoke", "fleet weights", "device board revert",
    "device board status", "device board update", "device label", "device purge", "device record", "device run",
    "device trust-root", "device watch",
}  # fmt: skip
LACKING = {
    "fleet backup", "fleet device logs", "fleet device diagnose", "fleet migrate", "device find",
}  # fmt: skip
"""Commands that need a database, a device or a finder, and are refused without."""
PAGES = (
    "/fleet", "/fleet/devices", f"/fleet/device/{DEVICE}", f"/fleet/device/{DEVICE}/retry", "/fleet/rollout/none",
    "/fleet/rollout/none/pause",
)  # fmt: skip


def commands(group: click.Command, path: str = "") -> Iterator[str]:
    """Yield the commands below a group, as they are typed."""
    if not isinstance(group, click.Group):
        yield path
        return
    context = click.Context(group, info_name=path)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield from commands(command, f"{path} {name}".strip())


def all_commands() -> set[str]:
    groups = {name: FolderOfCommands(f"edgewright.cli.commands.{name}") for name in ("fleet", "device")}
    return {line for name, group in groups.items() for line in commands(group, name)}


def test_every_command_is_listed_as_one_that_reads_or_one_that_writes() -> None:
    assert all_commands() == READS.keys() | WRITES
    assert not READS.keys() & WRITES


def test_every_page_of_the_studio_that_reads_a_fleet_is_listed() -> None:
    known = [
        route.path
        for page in pages.pages()
        for route in page.routes
        if isinstance(route, Route) and route.path.startswith("/fleet") and "GET" in (route.methods or ())
    ]
    assert len(known) == len(PAGES), known


class Installation:
    """A fleet's folder, a device's store, and a folder for what commands write elsewhere."""

    def __init__(self, folder: Path) -> None:
        self.fleet, self.store, self.out = folder / "fleet", folder / "store", folder / "out"

    def make(self) -> Installation:
        """Create a fleet as `fleet init` does, and the store of an agent that has stopped."""
        assert run(["fleet", "init", str(self.fleet)]) == 0
        self.store.mkdir()
        store = opened(self.store)
        store.append_events([event()])
        store.close()
        self.out.mkdir()
        (self.out / "device.toml").write_text('[source]\nkind = "csv"\npath = "rows.csv"\n')
        return self

    def watched(self) -> dict[str, tuple[str, int, str]]:
        """Return every file and folder with its inode, modification time and content."""
        return {
            str(path): (
                str(path.stat().st_ino), path.stat().st_mtime_ns,
                hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
            )
            for root in (self.fleet, self.store)
            for path in (root, *root.rglob("*"))
            if not path.is_socket()
        }  # fmt: skip

    def arguments(self, name: str) -> list[str]:
        given = [one.format(fleet=self.fleet, store=self.store, out=self.out) for one in READS[name]]
        named = name.startswith("device ") or any(str(self.fleet) in one for one in given)
        return [*name.split(), *given, *(() if named else ("--fleet", str(self.fleet)))]


def read_all(
    installation: Installation, cli: Cli, *, known: bool = False, unchanged: Callable[[], object]
) -> dict[str, str]:
    """Run every command and page that reads, and check that each changes no file.

    Args:
        installation: where.
        cli: runs commands.
        known: whether there is a database with the device.
        unchanged: what must stay the same.

    Returns:
        Standard error by command.
    """
    errors: dict[str, str] = {}
    before = unchanged()
    for name in READS:
        refused = name in LACKING and not (known and name in ("fleet backup", "fleet migrate"))
        cli(*installation.arguments(name), code=2 if refused else 0)
        errors[name] = cli.err
        assert unchanged() == before, name
        (installation.out / "copy.sqlite").unlink(missing_ok=True)
        (installation.out / "events.csv").unlink(missing_ok=True)
    studio = client(installation.out, fleet=installation.fleet)
    for page in PAGES:
        assert studio.get(page).status_code in (200, 404), page
        assert unchanged() == before, page
    return errors


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path).make()


@pytest.mark.slow
def test_reading_a_fresh_fleet_makes_no_database_and_says_that_there_is_none(
    installation: Installation, cli: Cli
) -> None:
    errors = read_all(installation, cli, unchanged=installation.watched)
    assert not (installation.fleet / sqlite.NAME).exists()
    for name in ("fleet devices", "fleet token list", "fleet audit show", "fleet watch"):
        assert NO_DATABASE in errors[name], name


def test_reading_a_folder_without_a_fleet_is_refused_and_makes_nothing(tmp_path: Path, cli: Cli) -> None:
    installation = Installation(tmp_path)
    installation.fleet.mkdir()
    installation.store.mkdir()
    before = installation.watched()
    for name in READS:
        assert "expected" in cli(*installation.arguments(name), code=2), name
        assert installation.watched() == before, name
    shutil.rmtree(installation.fleet)
    for name in READS:
        cli(*installation.arguments(name), code=2)
        assert not installation.fleet.exists(), name


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Take away every right to write below a folder; root, which ignores modes, becomes another user meanwhile."""
    root = os.geteuid() == 0
    nobody = 65_534
    for path in (folder, *folder.rglob("*")):
        if root:
            os.chown(path, nobody, nobody)
        path.chmod(0o555 if path.is_dir() else 0o444)
    (folder / "out").chmod(0o755)
    if root:
        os.seteuid(nobody)
    try:
        with pytest.raises(PermissionError):
            (folder / "fleet" / "new").touch()
        yield
    finally:
        if root:
            os.seteuid(0)
        for path in (folder, *folder.rglob("*")):
            if path.is_dir():
                path.chmod(0o755)


@pytest.mark.slow
@pytest.mark.parametrize("database", [False, True])
def test_reading_works_where_nothing_can_be_written(cli: Cli, database: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:  # other users can enter it, unlike a folder of pytest
        Path(folder).chmod(0o755)
        installation = Installation(Path(folder)).make()
        if database:
            enrol(installation, cli)
        with read_only(Path(folder)):
            read_all(installation, cli, known=database, unchanged=installation.watched)


def enrol(installation: Installation, cli: Cli) -> None:
    """Enrol a device over a server, which then stops in order."""
    server = Server(installation.fleet).wait()
    try:
        enrol_at(server, installation, cli)
    finally:
        server.end()
    assert not (installation.fleet / f"{sqlite.NAME}-wal").exists()


def enrol_at(server: Server, installation: Installation, cli: Cli, name: str = NAME) -> None:
    token = installation.out / "token"
    token.write_text(cli.json("fleet", "token", "new", "--fleet", installation.fleet)["token"])
    (installation.out / name).mkdir()
    cli("fleet", "enroll", server.address, "--token-file", token, "--store", installation.out / name, "--name", name)


@pytest.mark.slow
def test_reading_beside_a_server_and_after_its_death_leaves_its_log(installation: Installation, cli: Cli) -> None:
    """A reader that closes last must not delete the log of a server, nor write it back."""
    log = installation.fleet / f"{sqlite.NAME}-wal"

    def kept() -> dict[str, tuple[str, int, str]]:
        own = (str(log), str(installation.fleet / f"{sqlite.NAME}-shm"), str(installation.fleet / sqlite.NAME))
        return {name: state for name, state in installation.watched().items() if name not in own}

    server = Server(installation.fleet).wait()
    try:
        enrol_at(server, installation, cli)
        time.sleep(3.0)  # the server's first round is over
        read_all(installation, cli, known=True, unchanged=lambda: (log.stat().st_ino, kept()))
        enrol_at(server, installation, cli, "pump-2")
        assert httpx.get(f"{server.address}/readyz", timeout=5, trust_env=False).status_code == 200
    finally:
        server.end(signal.SIGKILL)
    assert log.stat().st_size > 0
    read_all(installation, cli, known=True, unchanged=installation.watched)
    assert {one["name"] for one in cli.json("fleet", "devices", "--fleet", installation.fleet)["devices"]} == {
        NAME,
        "pump-2",
    }
    (installation.fleet / f"{sqlite.NAME}-shm").unlink()
    read_all(installation, cli, known=True, unchanged=installation.watched)
    assert server.address and (installation.fleet / SERVING).exists()


def test_publishing_asks_for_a_control_plane_and_not_for_a_database(tmp_path: Path, cli: Cli) -> None:
    """`fleet devices` made a database once, and every publication then waited for a server that does not exist."""
    from fleet_folder import package

    cli("fleet", "init", tmp_path / "fleet")
    cli("fleet", "token", "new", "--fleet", tmp_path / "fleet")
    assert (tmp_path / "fleet" / sqlite.NAME).exists()
    assert "published" in cli("fleet", "publish", package(tmp_path), "--fleet", tmp_path / "fleet")
    assert cli("fleet", "waiting", "--fleet", tmp_path / "fleet") == "nothing waits\n"
