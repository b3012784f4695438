"""What is signed and published, judged by python-tuf's own client."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import msgspec
import pytest
from tuf.api.exceptions import RepositoryError

from edgewright.core.errors import FleetMissingError, PlanError, ReleaseError, SignatureError
from edgewright.core.records.fleet import Release, Standings
from edgewright.fleet.protocol.layout import INDEX, LONGEST, ONLINE, package_target, plan_target
from edgewright.fleet.repository import acceptance, metadata
from edgewright.fleet.repository.acceptance import sign_online
from edgewright.fleet.repository.folder import Fleet, open_fleet, read_published, root_hash
from edgewright.fleet.repository.publication import publish_plan
from fleet_folder import Judge, apply, fleet, judge, newest_plan, package, publish, register_control

NOW = time.time()


@pytest.fixture
def repository(tmp_path: Path) -> Fleet:
    return fleet(tmp_path / "fleet", NOW)


def test_a_new_fleet_is_believed_by_a_device_that_knows_its_root(repository: Fleet) -> None:
    index = judge(repository).read(INDEX)
    assert index is not None
    assert msgspec.json.decode(index, type=Standings).issued == NOW
    assert root_hash(repository) == hashlib.sha256((repository.metadata / "1.root.json").read_bytes()).hexdigest()


def test_no_role_is_signed_for_longer_than_devices_accept(repository: Fleet) -> None:
    for role, data in read_published(repository).items():
        left = metadata.read(data, role).signed.expires.timestamp() - NOW
        assert LONGEST[role] - 1200 < left < LONGEST[role]


def test_a_package_and_its_way_back_are_signed_targets(repository: Fleet, tmp_path: Path) -> None:
    one, two = package(tmp_path, "1"), package(tmp_path, "2")
    assert [p.release.counter for p in publish(repository, one, NOW)] == [1]
    new, back = publish(repository, two, NOW)
    assert (new.release.counter, back.release.counter, back.revert, back.of) == (2, 3, True, 1)
    device = judge(repository)
    assert device.read(package_target("main", 1)) == one.read_bytes()
    assert device.read(package_target("main", 2)) == two.read_bytes()
    assert device.read(package_target("main", 3)) == one.read_bytes()
    assert device.read(package_target("main", 4)) is None
    info = device.updater()
    info.refresh()
    target_info = info.get_targetinfo(package_target("main", 2))
    assert target_info is not None
    assert (
        target_info.custom["product"] == "main"
        and target_info.custom["counter"] == 2
        and target_info.custom["format"] == 1
    )
    assert metadata.revert_of(read_published(repository), new.release) == back.release


def test_a_plan_is_a_signed_target(repository: Fleet, tmp_path: Path) -> None:
    publish(repository, package(tmp_path), NOW)
    data = publish_plan(repository.folder, newest_plan(repository, NOW), now=NOW)
    assert judge(repository).read(plan_target("first")) == data
    assert metadata.plans(read_published(repository)) == {"first": (hashlib.sha256(data).hexdigest(), len(data))}
    with pytest.raises(PlanError):
        publish_plan(repository.folder, newest_plan(repository, NOW), now=NOW)


def test_a_plan_cannot_name_a_release_that_nobody_signed(repository: Fleet, tmp_path: Path) -> None:
    publish(repository, package(tmp_path), NOW)
    honest = newest_plan(repository, NOW)
    forged = msgspec.structs.replace(honest.release, sha256="ab" * 32)
    with pytest.raises(SignatureError):
        publish_plan(repository.folder, msgspec.structs.replace(honest, release=forged), now=NOW)


@pytest.mark.slow
def test_packages_beyond_a_limit_move_into_hash_bins(repository: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "BINS_ABOVE", 3)
    for counter in range(1, 7):
        add(repository, counter)
    published = read_published(repository)
    assert [p.release.counter for p in metadata.listed(published)] == [1, 2, 3, 4, 5, 6]
    assert not metadata.read(published["releases"], "releases").signed.targets
    assert len(metadata.bins(published)) == 32
    device = judge(repository)
    for counter in range(1, 7):
        assert device.read(package_target("main", counter)) == b"%d" % counter
    publish_plan(repository.folder, newest_plan(repository, NOW), now=NOW)
    assert device.read(plan_target("first")) is not None
    assert device.read(package_target("main", 7)) is None


def add(repository: Fleet, counter: int) -> None:
    """Add a release of a few bytes, without the checks of a package."""
    from edgewright.fleet.protocol.layout import Published
    from edgewright.fleet.repository.changes import change
    from edgewright.fleet.repository.folder import write_targets

    data, path = b"%d" % counter, package_target("main", counter)
    release = Release(
        product="main", counter=counter, target=path, sha256=hashlib.sha256(data).hexdigest(), length=len(data)
    )
    file = metadata.package_file(Published(release=release, of=counter), data)
    roles = metadata.with_targets(acceptance.read_held(repository), [file], NOW)
    assert apply(repository, change("test", roles, write_targets(repository, {path: data})), NOW)


def test_online_roles_are_one_version_higher_and_checked_against_the_root(repository: Fleet) -> None:
    published = read_published(repository)
    signers = acceptance.online_signers(repository, published)
    index = msgspec.json.encode(Standings(issued=NOW + 5))
    signed = sign_online(published, {INDEX: index}, signers, NOW + 5, {})
    assert set(signed) == set(ONLINE)
    assert all(metadata.version(signed, role) == metadata.version(published, role) + 1 for role in ONLINE)
    above = sign_online(published, {INDEX: index}, signers, NOW, {}, above=dict.fromkeys(ONLINE, 70))
    assert all(metadata.version(above, role) == 71 for role in ONLINE)
    for role in ONLINE:
        other = next(signer for name, signer in signers.items() if name != role)
        with pytest.raises(SignatureError):
            sign_online(published, {}, {**signers, role: other}, NOW, {})
    with pytest.raises(SignatureError, match="none for snapshot"):
        sign_online(published, {}, {role: signers[role] for role in ("rollouts", "timestamp")}, NOW, {})


def test_the_online_role_names_nothing_but_rollouts(repository: Fleet) -> None:
    published = read_published(repository)
    with pytest.raises(ReleaseError):
        sign_online(
            published, {"packages/main-9.edge": b"x"}, acceptance.online_signers(repository, published), NOW, {}
        )


def test_an_offline_role_is_taken_only_with_its_signatures_and_a_higher_version(
    repository: Fleet, tmp_path: Path
) -> None:
    publish(repository, package(tmp_path), NOW)
    published = read_published(repository)
    signers = acceptance.online_signers(repository, published)
    unsigned = metadata.refreshed(published, ["releases"], NOW)
    with pytest.raises(SignatureError):
        sign_online(published, {}, signers, NOW, unsigned)
    old = (repository.metadata / "1.releases.json").read_bytes()
    with pytest.raises(ReleaseError):
        sign_online(published, {}, signers, NOW, {"releases": old})


def test_a_file_that_was_altered_is_not_built_upon(repository: Fleet) -> None:
    path = repository.metadata / "1.targets.json"
    path.write_bytes(path.read_bytes().replace(b"packages", b"packagez"))
    with pytest.raises(FleetMissingError):
        read_published(repository)
    with pytest.raises(RepositoryError):
        Judge(repository.metadata.parent, (repository.metadata / "1.root.json").read_bytes()).read(INDEX)


def test_what_a_control_plane_must_take_in_waits_in_order(repository: Fleet, tmp_path: Path) -> None:
    register_control(repository.folder, NOW)
    before = read_published(repository)
    from edgewright.fleet.repository.publication import prepare_release

    for seed in ("1", "2"):
        prepared, _ = prepare_release(repository, package(tmp_path, seed), NOW, product="main")
        assert not apply(repository, prepared, NOW)
    assert read_published(repository) == before
    waiting = acceptance.waiting(repository)
    assert [metadata.version({"releases": w.change.roles["releases"].encode()}, "releases") for w in waiting] == [2, 3]
    (repository.folder / "fleet.sqlite").unlink()
    assert acceptance.take_in(repository, NOW) == 2
    assert [p.release.counter for p in metadata.listed(read_published(repository))] == [1, 2, 3]
    assert judge(repository).read(package_target("main", 3)) == package(tmp_path, "1").read_bytes()


def test_a_stick_holds_for_its_own_time(tmp_path: Path) -> None:
    published = read_published(fleet(tmp_path / "stick", NOW, stick=True))
    for role in ONLINE:
        left = metadata.read(published[role], role).signed.expires.timestamp() - NOW
        assert 89 * 86400 < left <= 90 * 86400


def test_two_who_publish_at_once_both_do(repository: Fleet, tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from edgewright.fleet.repository.acceptance import settle, writing
    from edgewright.fleet.repository.publication import prepare_release

    paths = [package(tmp_path, seed) for seed in "1234"]

    def one(path: Path) -> str:
        with writing(repository, NOW):
            change, _ = prepare_release(repository, path, NOW, product="main")
            return settle(repository, change, repository.ring(), NOW).state

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, paths)) == ["published"] * 4
    assert [p.release.counter for p in metadata.listed(read_published(repository))] == list(range(1, 8))
    assert judge(repository).read(package_target("main", 7)) is not None


def test_a_clock_that_fell_back_signs_nothing_until_the_timestamp_has_new_keys(repository: Fleet) -> None:
    from edgewright.fleet.repository import key_rotation

    acceptance.publish(repository, {}, NOW + 5000)
    before = read_published(repository)
    with pytest.raises(SignatureError, match="5000 s behind"):
        acceptance.publish(repository, {}, NOW)
    assert read_published(repository) == before
    acceptance.publish(repository, {}, NOW + 4900)
    index = judge(repository).read(INDEX)
    assert index is not None and msgspec.json.decode(index, type=Standings).issued == NOW + 5000
    change, _ = key_rotation.rotate(repository, "timestamp", NOW)
    assert apply(repository, change, NOW)
    index = judge(repository).read(INDEX)
    assert index is not None and msgspec.json.decode(index, type=Standings).issued == NOW


def test_what_others_wrote_cannot_erase_lines_of_a_terminal() -> None:
    from edgewright.fleet.repository.changes import plain

    assert plain("a\x1b[2Kb\rc\nd é") == "a?[2Kb?c?d é"


def test_an_identity_provider_of_version_0_2_is_read_and_ignored(repository: Fleet) -> None:
    path = repository.folder / "fleet.toml"
    path.write_text(path.read_text() + '\n[oidc]\nissuer = "https://id.example"\naudience = "fleet"\n')
    assert open_fleet(repository.folder).settings.oidc is not None
