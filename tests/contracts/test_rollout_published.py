"""What is committed is what is published: intake, conflicts, and a control plane that comes back from a backup."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from edgewright.cli.main import cli
from edgewright.core.errors import ClockBehindError, FleetDatabaseError, RolloutStateError, SignatureError
from edgewright.core.records.fleet import Standings
from edgewright.fleet.protocol.layout import INDEX, RELEASES
from edgewright.fleet.repository import metadata
from edgewright.fleet.repository.acceptance import read_held, waiting
from edgewright.fleet.repository.distribution import export
from edgewright.fleet.repository.publication import prepare_release
from edgewright.fleet.server import restore
from edgewright.fleet.server.database.tables import rollouts
from edgewright.fleet.server.rollouts.scheduler import take_in
from fleet_folder import judge, package
from rollout_example import NOW, Example


def state(example: Example) -> str:
    index = judge(example.fleet).read(INDEX)
    assert index is not None
    return msgspec.json.decode(index, type=Standings).rollouts[0].state


def published(example: Example) -> restore.Published:
    with example.database.reading() as connection:
        root = restore.roots(connection)[0]
    return restore.published(restore.from_folder(example.fleet.metadata.parent), root)


def test_what_was_signed_offline_is_taken_in_once(example: Example) -> None:
    example.signed_plan()
    assert len(waiting(example.fleet)) == 1
    assert judge(example.fleet).read("plans/first.json") is None
    assert [h.kind for h in example.scheduler.tick()] == ["taken"]
    assert waiting(example.fleet) == []
    assert judge(example.fleet).read("plans/first.json") is not None
    assert example.scheduler.tick() == []


def test_a_change_is_waiting_or_published_at_every_moment(example: Example) -> None:
    """A command that reads the folder while the control plane publishes builds on the newest change."""
    seen: list[int] = []

    def publish() -> bool:
        seen.append(metadata.version(read_held(example.fleet), RELEASES))
        done = example.publisher.publish()
        seen.append(metadata.version(read_held(example.fleet), RELEASES))
        return done

    example.signed_plan()
    expected = metadata.version(read_held(example.fleet), RELEASES)
    example.rollouts.publish = publish
    assert take_in(example.fleet, example.rollouts) == 1
    assert set(seen) == {expected}
    assert waiting(example.fleet) == []


def test_a_change_that_was_taken_in_and_not_forgotten_does_no_harm(example: Example) -> None:
    example.signed_plan()
    kept = waiting(example.fleet)[0].path
    copy = kept.read_bytes()
    example.scheduler.tick()
    kept.write_bytes(copy)  # killed between the transaction and the removal
    assert [h.kind for h in example.scheduler.tick()] == ["taken"]
    assert judge(example.fleet).read("plans/first.json") is not None


def test_a_change_that_was_altered_is_not_taken_in_and_stays(example: Example) -> None:
    example.signed_plan()
    kept = waiting(example.fleet)[0].path
    text = kept.read_text()
    kept.write_text(text.replace("first.json", "forged.json"))
    happened = example.scheduler.tick()
    assert [h.kind for h in happened] == ["failed"]
    assert kept.exists()
    kept.write_text(text)
    assert [h.kind for h in example.scheduler.tick()] == ["taken"]


def test_missing_files_are_written_again_and_others_bytes_are_not_written_over(example: Example) -> None:
    example.started()
    files = {path: path.read_bytes() for path in example.fleet.metadata.iterdir()}
    newest = max(example.fleet.metadata.glob("*.rollouts.json"), key=lambda path: int(path.name.split(".")[0]))
    newest.unlink()
    example.close()
    example.open()
    assert example.publisher.publish()
    assert {path: path.read_bytes() for path in example.fleet.metadata.iterdir()} == files
    stranger = files[newest].replace(b'"spec_version"', b' "spec_version"')
    newest.write_bytes(stranger)
    example.close()
    example.open()
    with pytest.raises(RolloutStateError):
        example.publisher.publish()
    assert newest.read_bytes() == stranger  # the first seen wins


def test_a_restored_backup_is_refused_and_then_goes_on_above_what_is_published(example: Example) -> None:
    example.started()
    example.close()
    backup = example.folder / "backup.sqlite"
    shutil.copy(example.fleet.folder / "fleet.sqlite", backup)
    example.open()
    example.rollouts.steer("first", "ann", "aborted", revert=True)
    seen = published(example)
    restore.check(example.database, seen)
    example.close()
    for path in example.fleet.folder.glob("fleet.sqlite*"):
        path.unlink()
    shutil.copy(backup, example.fleet.folder / "fleet.sqlite")
    example.open()
    with pytest.raises(FleetDatabaseError):
        restore.check(example.database, seen)
    with pytest.raises(RolloutStateError, match="version"):
        example.publisher.publish()
    assert restore.take_up(example.database, example.committer, seen, "ann", example.now)
    assert not restore.take_up(example.database, example.committer, seen, "ann", example.now)
    restore.check(example.database, seen)
    with example.database.reading() as connection:
        row = connection.execute(sa.select(rollouts)).one()
    assert (row.state, row.revert) == ("aborted", True)  # the abort that the backup did not know
    before = metadata.version(seen.role_files, "timestamp")
    example.rollouts.refresh()
    assert metadata.version(published(example).role_files, "timestamp") > before
    assert state(example) == "aborted"


def test_a_database_that_was_lost_is_built_anew_from_what_is_published(example: Example) -> None:
    example.started()
    example.rollouts.steer("first", "ann", "paused")
    example.close()
    for path in example.fleet.folder.glob("fleet.sqlite*"):
        path.unlink()
    example.open()
    assert restore.take_up(example.database, example.committer, published(example), "ann", example.now) in (True, False)
    with example.database.reading() as connection:
        assert connection.execute(sa.select(rollouts.c.state)).scalars().all() == ["paused"]
    example.rollouts.steer("first", "ann", "running")
    assert state(example) == "running"


def test_what_is_published_is_verified_before_it_is_believed(example: Example) -> None:
    example.started()
    path = example.fleet.metadata / "timestamp.json"
    path.write_bytes(
        path.read_bytes().replace(b'"version": ', b'"version": 9').replace(b'"version":', b'"version":9', 1)
    )
    with pytest.raises(SignatureError):
        published(example)


def test_a_rotated_online_key_signs_from_the_change_on_that_brings_it(tmp_path: Path) -> None:
    example = Example(tmp_path / "rotated", time.time() - 60.0)
    try:
        example.started()
        device = judge(example.fleet)
        for role in ("timestamp", "rollouts"):
            done = CliRunner().invoke(cli, ["fleet", "key", "rotate", role, "--fleet", str(example.fleet.folder)])
            assert done.exception is None, done.exception
        assert len(waiting(example.fleet)) == 2
        example.now = time.time() + 1.0
        assert [h.kind for h in example.scheduler.tick()] == ["taken"]
        example.now -= 600.0
        with pytest.raises(ClockBehindError):
            example.rollouts.refresh()
        example.now += 700.0
        assert example.rollouts.steer("first", "ann", "paused").state == "paused"
        index = device.read(INDEX)
        assert index is not None
        assert msgspec.json.decode(index, type=Standings).rollouts[0].state == "paused"
    finally:
        example.close()


def test_what_a_thief_counted_far_ahead_is_written_over_once_its_key_no_longer_counts(example: Example) -> None:
    example.started()
    path = example.fleet.metadata / "timestamp.json"
    ours = path.read_bytes()
    forged = msgspec.json.decode(ours)
    forged["signed"]["version"] = 1 << 30
    forged["signatures"][0]["sig"] = "00" * 64  # as after a rotation: signed, but by nobody who counts
    path.write_bytes(msgspec.json.encode(forged))
    example.close()
    example.open()
    assert example.publisher.publish()
    assert path.read_bytes() == ours


def test_the_way_back_of_a_release_never_has_the_bytes_of_one_that_was_aborted(example: Example) -> None:
    first, second = example.releases
    plan = example.started()

    def way_back(**changes: Any) -> list[str]:  # noqa: ANN401 - of prepare_release
        _, published = prepare_release(
            example.fleet, package(example.folder, "2"), example.now, product="main", **changes
        )
        return [one.release.sha256 for one in published[1:]]

    assert way_back() == [second.sha256]
    example.rollouts.steer(plan, "tester", "aborted", revert=True)
    assert way_back() == [first.sha256]
    assert way_back(back=second.counter) == [second.sha256]  # who names it wants it


def test_two_timestamps_of_one_second_have_two_tags(example: Example, tmp_path: Path) -> None:
    def tag(path: Path) -> str:
        """Return the ETag as nginx makes it, from seconds and size."""
        role_files = path.stat()
        return f'"{int(role_files.st_mtime):x}-{role_files.st_size:x}"'

    contents: dict[str, bytes] = {}
    out = tmp_path / "www"
    exported: dict[str, bytes] = {}
    example.started()
    for number in range(6):
        example.rollouts.steer("first", "ada", "running" if number % 2 else "paused", f"{number}")
        path = example.fleet.metadata / "timestamp.json"
        assert contents.setdefault(tag(path), path.read_bytes()) == path.read_bytes()
        export(example.fleet, out, NOW)
        copied = out / "metadata" / "timestamp.json"
        assert exported.setdefault(tag(copied), copied.read_bytes()) == copied.read_bytes()
    assert len(set(contents.values())) == len(contents) == len(exported) == 6
