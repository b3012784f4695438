"""What is signed and published, judged by python-tuf's own client."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import msgspec
import pytest
from tuf.api.exceptions import RepositoryError

from edgewright.fleet.protocol.layout import INDEX, LONGEST, ONLINE, package_target, plan_target
from edgewright.fleet.repository import acceptance, metadata, offline, releases
from edgewright.fleet.repository.folder import Fleet
from edgewright.fleet.repository.online import sign_online
from edgewright.fleet.repository.public_files import read_published, root_hash
from edgewright.fleet.repository.publication import publish_plan
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_plan import Release, Standings
from fleet_folder import Judge, apply, fleet, judge, newest_plan, package, publish, register_control

NOW = time.time()


@pytest.fixture
def made(tmp_path: Path) -> Fleet:
    return fleet(tmp_path / "fleet", NOW)


def test_a_new_fleet_is_believed_by_a_device_that_knows_its_root(made: Fleet) -> None:
    index = judge(made).read(INDEX)
    assert index is not None
    assert msgspec.json.decode(index, type=Standings).issued == NOW
    assert root_hash(made) == hashlib.sha256((made.metadata / "1.root.json").read_bytes()).hexdigest()


def test_no_role_is_signed_for_longer_than_devices_accept(made: Fleet) -> None:
    for role, data in read_published(made).items():
        left = metadata.read(data, role).signed.expires.timestamp() - NOW
        assert LONGEST[role] - 1200 < left < LONGEST[role]


def test_a_package_and_its_way_back_are_signed_targets(made: Fleet, tmp_path: Path) -> None:
    one, two = package(tmp_path, "1"), package(tmp_path, "2")
    assert [p.release.counter for p in publish(made, one, NOW)] == [1]
    new, back = publish(made, two, NOW)
    assert (new.release.counter, back.release.counter, back.revert, back.of) == (2, 3, True, 1)
    device = judge(made)
    assert device.read(package_target("main", 1)) == one.read_bytes()
    assert device.read(package_target("main", 2)) == two.read_bytes()
    assert device.read(package_target("main", 3)) == one.read_bytes()
    assert device.read(package_target("main", 4)) is None
    info = device.updater()
    info.refresh()
    found = info.get_targetinfo(package_target("main", 2))
    assert found is not None
    assert found.custom["product"] == "main" and found.custom["counter"] == 2 and found.custom["format"] == 1
    assert releases.revert_of(read_published(made), new.release) == back.release


def test_a_plan_is_a_signed_target(made: Fleet, tmp_path: Path) -> None:
    publish(made, package(tmp_path), NOW)
    data = publish_plan(made.folder, newest_plan(made, NOW), now=NOW)
    assert judge(made).read(plan_target("first")) == data
    assert releases.plans(read_published(made)) == {"first": (hashlib.sha256(data).hexdigest(), len(data))}
    with pytest.raises(InputError, match="not in use"):
        publish_plan(made.folder, newest_plan(made, NOW), now=NOW)


def test_a_plan_cannot_name_a_release_that_nobody_signed(made: Fleet, tmp_path: Path) -> None:
    publish(made, package(tmp_path), NOW)
    honest = newest_plan(made, NOW)
    forged = msgspec.structs.replace(honest.release, sha256="ab" * 32)
    with pytest.raises(InputError, match="signed release main 1"):
        publish_plan(made.folder, msgspec.structs.replace(honest, release=forged), now=NOW)


@pytest.mark.slow
def test_packages_beyond_a_limit_move_into_hash_bins(made: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(releases, "BINS_ABOVE", 3)
    for counter in range(1, 7):
        add(made, counter)
    held = read_published(made)
    assert [p.release.counter for p in releases.listed(held)] == [1, 2, 3, 4, 5, 6]
    assert not metadata.read(held["releases"], "releases").signed.targets
    assert len(offline.bins(held)) == 32
    device = judge(made)
    for counter in range(1, 7):
        assert device.read(package_target("main", counter)) == b"%d" % counter
    publish_plan(made.folder, newest_plan(made, NOW), now=NOW)
    assert device.read(plan_target("first")) is not None
    assert device.read(package_target("main", 7)) is None


def add(made: Fleet, counter: int) -> None:
    """Add a release of a few bytes, without the checks of a package."""
    from edgewright.fleet.repository.changes import change
    from edgewright.fleet.repository.public_files import write_targets
    from edgewright.schema.fleet_folder import Published

    data, path = b"%d" % counter, package_target("main", counter)
    release = Release(
        product="main", counter=counter, target=path, sha256=hashlib.sha256(data).hexdigest(), length=len(data)
    )
    file = releases.package_file(Published(release=release, of=counter), data)
    roles = releases.with_targets(acceptance.read_held(made), [file], NOW)
    assert apply(made, change("test", roles, write_targets(made, {path: data})), NOW)


def test_online_roles_are_one_version_higher_and_checked_against_the_root(made: Fleet) -> None:
    held = read_published(made)
    signers = acceptance.online_signers(made, held)
    index = msgspec.json.encode(Standings(issued=NOW + 5))
    signed = sign_online(held, {INDEX: index}, signers, NOW + 5, {})
    assert set(signed) == set(ONLINE)
    assert all(metadata.version(signed, role) == metadata.version(held, role) + 1 for role in ONLINE)
    above = sign_online(held, {INDEX: index}, signers, NOW, {}, above=dict.fromkeys(ONLINE, 70))
    assert all(metadata.version(above, role) == 71 for role in ONLINE)
    for role in ONLINE:
        other = next(signer for name, signer in signers.items() if name != role)
        with pytest.raises(InputError, match=f"{role} signed by the keys"):
            sign_online(held, {}, {**signers, role: other}, NOW, {})
    with pytest.raises(InputError, match="none for snapshot"):
        sign_online(held, {}, {role: signers[role] for role in ("rollouts", "timestamp")}, NOW, {})


def test_the_online_role_names_nothing_but_rollouts(made: Fleet) -> None:
    held = read_published(made)
    with pytest.raises(InputError, match="below rollouts/"):
        sign_online(held, {"packages/main-9.edge": b"x"}, acceptance.online_signers(made, held), NOW, {})


def test_an_offline_role_is_taken_only_with_its_signatures_and_a_higher_version(made: Fleet, tmp_path: Path) -> None:
    publish(made, package(tmp_path), NOW)
    held = read_published(made)
    signers = acceptance.online_signers(made, held)
    unsigned = offline.refreshed(held, ["releases"], NOW)
    with pytest.raises(InputError, match="releases signed by the keys"):
        sign_online(held, {}, signers, NOW, unsigned)
    old = (made.metadata / "1.releases.json").read_bytes()
    with pytest.raises(InputError, match="version of releases above 2"):
        sign_online(held, {}, signers, NOW, {"releases": old})


def test_a_file_that_was_altered_is_not_built_upon(made: Fleet) -> None:
    path = made.metadata / "1.targets.json"
    path.write_bytes(path.read_bytes().replace(b"packages", b"packagez"))
    with pytest.raises(InputError, match="bytes that were signed"):
        read_published(made)
    with pytest.raises(RepositoryError):
        Judge(made.metadata.parent, (made.metadata / "1.root.json").read_bytes()).read(INDEX)


def test_what_a_control_plane_must_take_in_waits_in_order(made: Fleet, tmp_path: Path) -> None:
    register_control(made.folder, NOW)
    before = read_published(made)
    from edgewright.fleet.repository.publication import prepare_release

    for seed in ("1", "2"):
        asked, _ = prepare_release(made, package(tmp_path, seed), NOW, product="main")
        assert not apply(made, asked, NOW)
    assert read_published(made) == before
    waiting = acceptance.waiting(made)
    assert [metadata.version({"releases": w.change.roles["releases"].encode()}, "releases") for w in waiting] == [2, 3]
    (made.folder / "fleet.sqlite").unlink()
    assert acceptance.take_in(made, NOW) == 2
    assert [p.release.counter for p in releases.listed(read_published(made))] == [1, 2, 3]
    assert judge(made).read(package_target("main", 3)) == package(tmp_path, "1").read_bytes()


def test_a_stick_holds_for_its_own_time(tmp_path: Path) -> None:
    held = read_published(fleet(tmp_path / "stick", NOW, stick=True))
    for role in ONLINE:
        left = metadata.read(held[role], role).signed.expires.timestamp() - NOW
        assert 89 * 86400 < left <= 90 * 86400


def test_two_who_publish_at_once_both_do(made: Fleet, tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from edgewright.fleet.repository.acceptance import settle, writing
    from edgewright.fleet.repository.publication import prepare_release

    paths = [package(tmp_path, seed) for seed in "1234"]

    def one(path: Path) -> str:
        with writing(made, NOW):
            change, _ = prepare_release(made, path, NOW, product="main")
            return settle(made, change, made.ring(), NOW).state

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, paths)) == ["published"] * 4
    assert [p.release.counter for p in releases.listed(read_published(made))] == list(range(1, 8))
    assert judge(made).read(package_target("main", 7)) is not None


def test_a_clock_that_fell_back_signs_nothing_until_the_timestamp_has_new_keys(made: Fleet) -> None:
    from edgewright.fleet.repository import key_rotation

    acceptance.publish(made, {}, NOW + 5000)
    before = read_published(made)
    with pytest.raises(InputError, match="5000 s behind"):
        acceptance.publish(made, {}, NOW)
    assert read_published(made) == before
    acceptance.publish(made, {}, NOW + 4900)
    index = judge(made).read(INDEX)
    assert index is not None and msgspec.json.decode(index, type=Standings).issued == NOW + 5000
    change, _ = key_rotation.rotate(made, "timestamp", NOW)
    assert apply(made, change, NOW)
    index = judge(made).read(INDEX)
    assert index is not None and msgspec.json.decode(index, type=Standings).issued == NOW


def test_what_others_wrote_cannot_erase_lines_of_a_terminal() -> None:
    from edgewright.fleet.repository.changes import plain

    assert plain("a\x1b[2Kb\rc\nd é") == "a?[2Kb?c?d é"
