"""What was followed long ago is removed from folder and database; what a device may still need stays."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from edgewright.core.records.fleet import Standings
from edgewright.fleet.protocol.layout import DAY, INDEX
from edgewright.fleet.repository import metadata
from edgewright.fleet.repository.acceptance import KEPT, UNNAMED
from edgewright.fleet.repository.acceptance import publish as sign_again
from edgewright.fleet.repository.folder import locked, root_versions
from edgewright.fleet.repository.publication import prepare_release, publish_plan
from edgewright.fleet.server import restore
from edgewright.fleet.server.database.tables import rollouts, signed, signed_files
from edgewright.fleet.server.restore import check, from_folder, published
from edgewright.fleet.server.retention import prune
from edgewright.fleet.server.signer.service import Record
from fleet_folder import apply, fleet, judge, package
from rollout_example import HOUR, NOW, Example
from rollout_example import plan as rollout_plan


def half_days(example: Example, count: int) -> None:
    """Signatures twice a day, as a server gives them."""
    for _ in range(count):
        example.now += 12 * HOUR
        example.rollouts.refresh()


def pruned(example: Example) -> int:
    return prune(example.fleet, example.database, example.committer, example.now)


def counted(example: Example) -> dict[str, int]:
    """Return rows and files by kind."""
    with example.database.reading() as connection:
        rows = {
            table.name: int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())
            for table in (signed, signed_files, rollouts)
        }
    files = example.fleet.metadata, example.fleet.targets / "rollouts"
    return {**rows, **{folder.name + "/": len(list(folder.iterdir())) for folder in files}}


@pytest.mark.slow
def test_a_fleet_does_not_grow_with_its_signatures_and_devices_go_on(example: Example) -> None:
    plan = example.started()
    away, early = judge(example.fleet), judge(example.fleet)
    assert away.read(INDEX) is not None
    half_days(example, 24)
    assert early.read(INDEX) is not None
    before, week = counted(example), counted(example)
    assert pruned(example) > 50
    week = counted(example)
    assert all(week[name] < before[name] for name in before if name != "rollouts")
    assert pruned(example) == 0
    half_days(example, 24)
    pruned(example)
    assert counted(example) == week  # a week of signatures, however long it goes on
    for device in (away, early, judge(example.fleet)):
        index = device.read(INDEX)
        assert index is not None
        assert [one.plan for one in msgspec.json.decode(index, type=Standings).rollouts] == [plan]
        assert device.read("packages/main-1.edge") is not None
    assert root_versions(example.fleet) == [1]
    example.close()
    example.open()  # and so does a server
    assert not example.publisher.publish()
    check(example.database, published(from_folder(example.fleet.metadata.parent), away.root))
    assert example.rollouts.steer(plan, "ann", "paused").state == "paused"


def test_nothing_is_removed_that_was_followed_within_the_week(example: Example) -> None:
    example.started()
    example.now += 60 * DAY
    with example.database.reading() as connection:
        before = {
            f"{metadata.version(role_files, role)}.{role}.json"
            for role_files in [restore.role_files(connection)]
            for role in role_files
        }
    example.rollouts.refresh()
    pruned(example)  # what was there for two months was followed now: a device may be in the middle of it
    there = {path.name for path in example.fleet.metadata.iterdir()}
    assert {name for name in before if "timestamp" not in name} <= there
    example.now += KEPT + 1.0
    example.rollouts.refresh()
    assert pruned(example) > 0


@pytest.mark.slow
def test_files_that_are_not_published_yet_keep_those_that_are(example: Example) -> None:
    example.started()
    half_days(example, 24)
    stamp = example.fleet.metadata / "timestamp.json"
    kept = stamp.read_bytes()
    example.rollouts.refresh()
    stamp.write_bytes(kept)  # killed before the last file
    files = sorted(path.name for path in example.fleet.metadata.iterdir())
    pruned(example)
    assert sorted(path.name for path in example.fleet.metadata.iterdir()) == files


def test_a_prepared_package_and_a_writers_rest_stay_for_their_time(example: Example) -> None:
    example.started()
    targets = example.fleet.targets / "packages"
    prepared, rest = targets / f"{'e' * 64}.main-9.edge", targets / ".main-9.edge.abc"
    for path in (prepared, rest):
        path.write_bytes(b"x")
        os.utime(path, (NOW, NOW))
    example.now = NOW + 2 * DAY
    pruned(example)
    assert prepared.exists() and not rest.exists()
    example.now = NOW + UNNAMED + DAY
    assert pruned(example) > 0
    assert not prepared.exists()
    assert {path.name.partition(".")[2] for path in targets.iterdir()} == {"main-1.edge", "main-2.edge", "main-3.edge"}


def test_the_signer_forgets_a_rollout_of_which_nothing_can_come(example: Example) -> None:
    plan = example.started(expires=NOW + 2 * DAY)
    example.now = NOW + 3 * DAY
    assert example.scheduler.tick()[0].kind == "finished"

    def known() -> list[str]:
        return list(msgspec.json.decode((example.fleet.online / "signed.json").read_bytes(), type=Record).known)

    example.now += 500 * DAY
    example.rollouts.refresh()
    assert known() == [plan]  # the last of its product stays
    change, (release, back) = prepare_release(example.fleet, package(example.folder, "2"), example.now, product="main")
    apply(example.fleet, change, example.now)
    following = rollout_plan(
        id="second", release=release.release, revert=back.release, starts=example.now, enrolled=example.now,
        expires=example.now + DAY,
    )  # fmt: skip
    body = publish_plan(example.fleet.folder, following, now=example.now)
    example.scheduler.tick()
    example.rollouts.start(body, "ann")
    assert known() == [plan, "second"]
    example.now += 2 * DAY
    example.scheduler.tick()
    assert known() == ["second"]


def test_a_folder_without_a_server_is_kept_small_too(tmp_path: Path) -> None:
    device_fleet = fleet(tmp_path / "fleet", NOW)
    device = judge(device_fleet)
    with locked(device_fleet):
        for day in range(30):
            sign_again(device_fleet, {}, NOW + day * DAY)
    assert len(list(device_fleet.metadata.glob("*.snapshot.json"))) < 12
    assert device.read(INDEX) is not None
