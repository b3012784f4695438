"""Changes that wait together come in together: new keys never wait behind what cannot be done without them."""

from __future__ import annotations

from itertools import permutations

import pytest
from click.testing import CliRunner

from edgewright.cli.main import cli
from edgewright.fleet.protocol.layout import ONLINE
from edgewright.fleet.repository import key_rotation, metadata
from edgewright.fleet.repository.acceptance import online_signers, waiting
from edgewright.fleet.repository.online import sign_online
from edgewright.fleet.repository.public_files import read_published, write_roles
from edgewright.fleet.server.control_plane import open_plane
from edgewright.fleet.server.rollouts.worker import _not_behind, conductor
from edgewright.schema.errors import InputError
from fleet_folder import apply, judge
from rollout_example import HOUR, Example

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
    with pytest.raises(InputError, match="rotate all three first"):
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
        with pytest.raises(InputError, match="rotate all three first"):
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
