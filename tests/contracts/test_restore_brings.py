"""What a restore brings back, and keys that a control plane takes in."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import permutations
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgewright.cli.main import cli
from edgewright.core.errors import InputError, RolloutStateError
from edgewright.fleet.protocol.layout import ONLINE
from edgewright.fleet.repository import key_rotation, metadata
from edgewright.fleet.repository.acceptance import online_signers, sign_online, waiting
from edgewright.fleet.repository.folder import open_fleet, read_published, write_roles
from edgewright.fleet.server.control_plane import open_plane
from edgewright.fleet.server.rollouts.worker import _not_behind, conductor
from fleet_folder import apply, judge, package
from rollout_example import HOUR, Example


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing."""


def ask(*words: str) -> str:
    """Return what a command that succeeds prints."""
    result = CliRunner().invoke(cli, ["fleet", *words])
    if result.exception is not None:
        raise result.exception
    return result.output


@contextmanager
def cached(folder: Path) -> Iterator[str]:
    """Provide a web server over a folder, as a cache before the fleet would be."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(30)


@pytest.fixture
def lost(tmp_path: Path) -> Path:
    """Return a folder as its backup has it: without the second release, its rollback and a new key of `snapshot`."""
    here, folder = str(tmp_path / "fleet"), tmp_path / "fleet"
    ask("init", here)
    ask("publish", str(package(tmp_path, "0")), "--fleet", here)
    ask("rollout", "start", "--id", "winter", "--fleet", here)  # takes in what was signed
    shutil.copytree(folder, tmp_path / "backup")
    ask("publish", str(package(tmp_path, "1")), "--fleet", here)
    ask("key", "rotate", "snapshot", "--fleet", here)
    ask("rollout", "abort", "--fleet", here)
    ask("rollout", "start", "--id", "spring", "--fleet", here)
    ask("export", here, str(tmp_path / "www"))
    folder.rename(tmp_path / "burnt")
    (tmp_path / "backup").rename(folder)
    (folder / "keys" / "online" / "signed.json").unlink(missing_ok=True)
    return folder


def packages(public: Path) -> dict[str, bytes]:
    """Return the packages below a folder that is served."""
    return {path.name: path.read_bytes() for path in (public / "targets" / "packages").iterdir()}


@pytest.mark.slow
def test_what_was_published_after_the_backup_is_fetched_and_a_lost_key_is_named(lost: Path, tmp_path: Path) -> None:
    before = packages(lost / "public")
    with cached(tmp_path / "www") as address:
        text = ask("restore", "--fleet", str(lost), "--from", address)
    brought = packages(lost / "public")
    assert len(brought) > len(before)
    assert brought == packages(tmp_path / "burnt" / "public")
    assert f"files downloaded from {address}" in text
    assert f"warning: no key of snapshot is here: edgewright fleet key rotate snapshot --fleet {lost}" in text
    assert "no key of timestamp" not in text
    assert "missing" not in text


@pytest.mark.slow
def test_what_is_damaged_there_is_not_taken_and_told(lost: Path, tmp_path: Path) -> None:
    before = packages(lost / "public")
    for path in (tmp_path / "www" / "targets" / "packages").iterdir():
        if path.name not in before:
            path.write_bytes(b"other bytes")
    with cached(tmp_path / "www") as address:
        record = json.loads(ask("restore", "--fleet", str(lost), "--from", address, "--json"))
    new = packages(tmp_path / "burnt" / "public").keys() - before.keys()
    assert {name.removeprefix("packages/") for name in record["missing"]} == new
    assert new
    assert not packages(lost / "public").keys() & new
    assert record["keyless"] == ["snapshot"]


@pytest.mark.slow
def test_what_is_published_next_takes_a_number_that_nobody_used(lost: Path, tmp_path: Path) -> None:
    """The folder is whole before the next command: a number of the lost releases would be refused by devices."""
    with cached(tmp_path / "www") as address:
        ask("restore", "--fleet", str(lost), "--from", address)
    assert published(lost) == published(tmp_path / "burnt")
    printed = ask("publish", str(package(tmp_path, "2")), "--fleet", str(lost))
    (waiting,) = (lost / "incoming").iterdir()
    assert "main 5: " in printed, printed
    packages = {name for name in waiting.read_text().split('"') if name.startswith("packages/")}
    assert not {name for name in packages if (tmp_path / "burnt" / "public" / "targets" / name).exists()}


@pytest.mark.slow
def test_a_change_that_was_published_after_the_backup_does_not_come_again(lost: Path, tmp_path: Path) -> None:
    """The backup was made while a signed change waited; devices have it by now, and another of the same number."""
    ask("publish", str(package(tmp_path, "3")), "--fleet", str(lost))  # as another machine did, unknown to devices
    waiting = sorted((lost / "incoming").iterdir())
    assert len(waiting) == 1
    with cached(tmp_path / "www") as address:
        text = ask("restore", "--fleet", str(lost), "--from", address)
    assert not list((lost / "incoming").iterdir())
    assert "warning: withdrew a signed change that what is published replaces" in text
    assert "main 5: " in ask("publish", str(package(tmp_path, "2")), "--fleet", str(lost))


def published(folder: Path) -> dict[str, bytes]:
    """Return the metadata that a device reads, by role."""
    return read_published(open_fleet(folder))


FAR = 1 << 30


def rotate(example: Example, roles: tuple[str, ...]) -> None:
    for role in roles:
        change, keys = key_rotation.rotate(example.fleet, role, example.now)
        with key_rotation.kept_when_done(example.fleet, keys):
            assert not apply(example.fleet, change, example.now)


def stolen(example: Example) -> None:
    """Publish what a thief of all online keys could: versions that nobody reaches again."""
    published = read_published(example.fleet)
    signers = online_signers(example.fleet, published)
    write_roles(example.fleet, sign_online(published, {}, signers, example.now, {}, above=dict.fromkeys(ONLINE, FAR)))


@pytest.mark.parametrize("roles", list(permutations(ONLINE)))
def test_keys_are_rotated_in_any_order_after_a_thief_ran_ahead(example: Example, roles: tuple[str, ...]) -> None:
    example.started()
    stolen(example)
    with pytest.raises(RolloutStateError):
        example.rollouts.steer("first", "ann", "paused")
    rotate(example, roles)
    example.scheduler.tick()
    assert not waiting(example.fleet)
    assert metadata.version(read_published(example.fleet), "timestamp") < FAR
    assert judge(example.fleet).read("plans/first.json") is not None


def test_a_server_that_was_stopped_begins_with_the_keys_that_wait(example: Example) -> None:
    example.started()
    stolen(example)
    example.close()
    plane = open_plane(example.fleet.folder)
    try:
        service = conductor(plane, example.new_signer().sign)
        with pytest.raises(RolloutStateError):
            _not_behind(plane, service)
        rotate(example, ONLINE)
        _not_behind(plane, service)
    finally:
        plane.close()
    assert metadata.version(read_published(example.fleet), "timestamp") < FAR
    example.open()


def test_a_key_that_was_rotated_after_the_clock_was_put_right_does_not_wait_behind_other_changes(
    example: Example,
) -> None:
    example.started()
    example.now += 100 * HOUR
    example.rollouts.refresh()
    example.now -= 99 * HOUR
    apply(example.fleet, key_rotation.refresh(example.fleet, ["releases"], example.now), example.now)
    assert [h.kind for h in example.scheduler.tick()] == ["failed", "stale"]
    rotate(example, ("timestamp",))
    assert [h.kind for h in example.scheduler.tick()] == ["taken"]
    example.rollouts.refresh()


def test_a_change_that_cannot_be_taken_in_keeps_none_of_those_before_it(example: Example) -> None:
    example.started()
    apply(example.fleet, key_rotation.refresh(example.fleet, ["releases"], example.now), example.now)
    apply(example.fleet, key_rotation.refresh(example.fleet, ["targets"], example.now), example.now)
    first, second = waiting(example.fleet)
    second.path.write_text(second.path.read_text().replace("packages/*", "packages/?"))
    assert [h.kind for h in example.scheduler.tick()] == ["failed"]
    assert [one.path for one in waiting(example.fleet)] == [second.path]
    example.scheduler.tick()
    released = metadata.read(first.change.roles["releases"].encode(), "releases").signed.version
    assert metadata.version(read_published(example.fleet), "releases") == released


def test_what_the_signer_never_gave_away_is_not_taken_up_by_a_restore(example: Example) -> None:
    example.started()
    example.close()
    requested = ["fleet", "restore", "--fleet", str(example.fleet.folder)]
    assert "nothing new" in CliRunner().invoke(cli, requested).output
    stolen(example)
    refused = CliRunner().invoke(cli, requested).exception
    assert isinstance(refused, InputError)
    assert "rotate all three first" in str(refused)
    record = example.fleet.online / "signed.json"
    record.rename(record.with_suffix(".old"))  # who says that it was no thief
    assert "restored" in CliRunner().invoke(cli, requested).output
    example.open()
