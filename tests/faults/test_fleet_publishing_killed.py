"""Publishing and rotating, killed at every durable step: devices find what was there or what is there, never half."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from benchmarks.faults.forking import fork
from tuf.api.exceptions import RepositoryError

from edgewright.fleet.protocol.layout import INDEX, package_target
from edgewright.fleet.repository import acceptance, key_rotation, metadata
from edgewright.fleet.repository.acceptance import settle, writing
from edgewright.fleet.repository.folder import Fleet, open_fleet, read_published
from edgewright.fleet.repository.publication import prepare_release
from fleet_folder import Judge, fleet, package

NOW = time.time()
KILLED, WHOLE = 9, 0
pytestmark = [pytest.mark.slow, pytest.mark.heavy]


def release(repository: Fleet, path: Path) -> None:
    """Publish a package, as the command does."""
    with writing(repository, NOW):
        change, _ = prepare_release(repository, path, NOW, product="main")
        settle(repository, change, repository.ring(), NOW)


def rotate(repository: Fleet, role: str) -> None:
    """Rotate the keys of a role by the command."""
    with writing(repository, NOW):
        change, keys = key_rotation.rotate(repository, role, NOW)
        with key_rotation.kept_when_done(repository, keys):
            settle(repository, change, repository.ring(), NOW)


def killed_at(step: int, work: Callable[[], None]) -> int:
    """Run work in a process that ends without a word before its so-manieth durable step; how it ended."""
    child = fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    real, left = os.fsync, step

    def counted(fd: Any) -> None:  # noqa: ANN401 - as os.fsync takes it
        nonlocal left
        if left == 0:
            os._exit(KILLED)
        left -= 1
        real(fd)

    os.fsync = counted
    try:
        work()
        os._exit(WHOLE)
    except BaseException:  # noqa: BLE001 - a child of pytest must never go back into it
        os._exit(1)


def states(origin: Path, root: Path, work: Callable[[Fleet], None]) -> list[Fleet]:
    """Return the folder as it lies after a kill at each step, the last one whole."""
    copies: list[Fleet] = []
    while True:
        folder = root / f"killed-{len(copies)}" / "fleet"
        shutil.copytree(origin, folder)
        copied = open_fleet(folder)
        ended = killed_at(len(copies), lambda copied=copied: work(copied))  # type: ignore[misc]
        assert ended in (KILLED, WHOLE)
        copies.append(copied)
        if ended == WHOLE:
            return copies


def test_publishing_killed_anywhere_is_not_seen_by_devices(tmp_path: Path) -> None:
    device_fleet = fleet(tmp_path / "fleet", NOW)
    release(device_fleet, package(tmp_path, "1"))
    root = (device_fleet.metadata / "1.root.json").read_bytes()
    two, three = package(tmp_path, "2"), package(tmp_path, "3")
    killed = states(device_fleet.folder, tmp_path, lambda copy: release(copy, two))
    assert len(killed) > 10
    for copy in killed:
        device = Judge(copy.metadata.parent, root)
        seen = device.read(package_target("main", 2))
        assert seen in (None, two.read_bytes())
        assert device.read(package_target("main", 1)) is not None
        release(copy, three)
        assert not acceptance.waiting(copy)
        listed = metadata.listed(read_published(copy))
        assert [one.release.counter for one in listed] == list(range(1, len(listed) + 1))
        newest = [one for one in listed if not one.revert][-1].release
        assert device.read(newest.target) == three.read_bytes()
        if seen is not None:
            assert device.read(package_target("main", 2)) == two.read_bytes()


@pytest.mark.parametrize("role", ["timestamp", "root", "rollouts", "releases"])
def test_rotating_killed_anywhere_is_finished_by_the_next_command(tmp_path: Path, role: str) -> None:
    device_fleet = fleet(tmp_path / "fleet", NOW)
    root = (device_fleet.metadata / "1.root.json").read_bytes()
    killed = states(device_fleet.folder, tmp_path, lambda copy: rotate(copy, role))
    assert len(killed) > 8
    for copy in killed:
        device = Judge(copy.metadata.parent, root)
        # Between a new root and its timestamp a device refuses what it finds, and keeps what it has.
        with suppress(RepositoryError):
            assert device.read(INDEX) is not None
        release(copy, package(tmp_path, "1"))
        assert not acceptance.waiting(copy)
        for seen in (device, Judge(copy.metadata.parent, root)):
            assert seen.read(package_target("main", 1)) is not None
