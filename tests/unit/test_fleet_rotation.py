"""A drill: every role rotated, a stolen key revoked, a dozen roots, thresholds lost; python-tuf's client follows."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from securesystemslib.signer import Signer
from tuf.api.exceptions import RepositoryError

from edgewright.core.errors import (
    MetadataVersionError,
    ReleaseError,
    SignatureError,
    SigningKeyError,
    UnknownNameError,
)
from edgewright.fleet.protocol.keys import Ring, make_key, read_public
from edgewright.fleet.protocol.layout import INDEX, ONLINE, KeyMade, package_target
from edgewright.fleet.repository import acceptance, changes, key_rotation, metadata
from edgewright.fleet.repository.acceptance import settle, sign_online
from edgewright.fleet.repository.folder import Fleet, read_published, root_versions, write_roles, write_targets
from fleet_folder import apply, fleet, judge, package, publish

NOW = time.time()


@pytest.fixture
def rotating(tmp_path: Path) -> Fleet:
    return fleet(tmp_path / "fleet", NOW)


def rotate(rotating: Fleet, role: str, **how: object) -> list[KeyMade]:
    change, keys = key_rotation.rotate(rotating, role, NOW, **how)  # type: ignore[arg-type]
    with key_rotation.kept_when_done(rotating, keys):
        assert apply(rotating, change, NOW)
    return keys


@pytest.mark.parametrize("role", metadata.ROLES)
def test_a_device_follows_new_keys_of_every_role(rotating: Fleet, tmp_path: Path, role: str) -> None:
    publish(rotating, package(tmp_path, "1"), NOW)
    device = judge(rotating)
    assert device.read(INDEX) is not None
    before = metadata.role_of(read_published(rotating), role).keyids
    keys = rotate(rotating, role)
    after = metadata.role_of(read_published(rotating), role).keyids
    assert not set(before) & set(after)
    assert sorted(key.key for key in keys) == sorted(after)
    publish(rotating, package(tmp_path, "2"), NOW)
    for seen in (device, judge(rotating)):
        assert seen.read(package_target("main", 2)) == package(tmp_path, "2").read_bytes()


def test_one_of_several_keys_goes_and_the_threshold_stays(rotating: Fleet) -> None:
    before = metadata.role_of(read_published(rotating), "root").keyids
    rotate(rotating, "root", remove=[before[0][:12]])
    after = metadata.role_of(read_published(rotating), "root")
    assert before[1] in after.keyids and before[0] not in after.keyids
    assert (len(after.keyids), after.threshold) == (2, 2)
    assert judge(rotating).read(INDEX) is not None


def test_another_persons_key_joins_and_two_must_sign(rotating: Fleet, tmp_path: Path) -> None:
    signer = make_key(tmp_path / "alice.key")
    add = [read_public(tmp_path / "alice.pub")]
    joins, _ = key_rotation.rotate(rotating, "releases", NOW, remove=[], make=0, add=add, threshold=3)
    with pytest.raises(SignatureError, match="releases has 2 of 3 signatures"):
        settle(rotating, joins, rotating.ring(), NOW)
    assert settle(rotating, joins, rotating.ring((tmp_path,)), NOW).state == "published"
    assert metadata.role_of(read_published(rotating), "releases").threshold == 3
    change = changes.change("test", metadata.refreshed(read_published(rotating), ["releases"], NOW))
    with pytest.raises(SignatureError, match="releases has 2 of 3 signatures"):
        settle(rotating, change, rotating.ring(), NOW)
    assert settle(rotating, change, rotating.ring((tmp_path,)), NOW).state == "published"
    signed = metadata.read(read_published(rotating)["releases"], "releases")
    assert signer.public_key.keyid in signed.signatures
    assert judge(rotating).read(INDEX) is not None


def test_what_a_stolen_and_revoked_online_key_signs_is_refused(rotating: Fleet, tmp_path: Path) -> None:
    device = judge(rotating)
    device.read(INDEX)
    stolen = acceptance.online_signers(rotating, read_published(rotating))
    for role in ONLINE:
        key = metadata.role_of(read_published(rotating), role).keyids[0]
        assert key_rotation.role_with(read_published(rotating), key[:10]) == role
        rotate(rotating, role, remove=[key])
    published = read_published(rotating)
    # The thief signs with the old keys, against the root of before; it only serves what it signed.
    old_root = {**published, "root": (rotating.metadata / "1.root.json").read_bytes()}
    old_root["targets"] = (rotating.metadata / "1.targets.json").read_bytes()
    forged = sign_online(old_root, {INDEX: b"{}"}, stolen, NOW, {}, above=dict.fromkeys(ONLINE, 1000))
    good = {path: path.read_bytes() for path in rotating.metadata.iterdir()}
    write_targets(rotating, {INDEX: b"{}"})
    write_roles(rotating, forged)
    for seen in (device, judge(rotating)):
        with pytest.raises(RepositoryError):
            seen.read(INDEX)
    shutil.rmtree(rotating.metadata)
    rotating.metadata.mkdir()
    for path, data in good.items():
        path.write_bytes(data)
    assert device.read(INDEX) is not None


@pytest.mark.slow
def test_a_device_that_was_away_for_a_dozen_roots_follows(rotating: Fleet) -> None:
    device = judge(rotating)
    for _ in range(12):
        rotate(rotating, "root")
    assert root_versions(rotating) == list(range(1, 14))
    assert device.read(INDEX) is not None
    updater = device.updater()
    updater.refresh()


def test_below_the_threshold_nothing_is_published_and_no_key_is_left_behind(rotating: Fleet) -> None:
    lost = metadata.role_of(read_published(rotating), "root").keyids[0]
    next(p for p in rotating.offline.glob("root-*.pub") if read_public(p).keyid == lost).with_suffix(".key").unlink()
    before = {p: p.read_bytes() for p in rotating.folder.rglob("*") if p.is_file() and p.name != ".lock"}
    for role in ("root", "timestamp", "targets", "snapshot"):
        change, keys = key_rotation.rotate(rotating, role, NOW)
        with (
            pytest.raises(SignatureError, match="root has 1 of 2 signatures"),
            key_rotation.kept_when_done(rotating, keys),
        ):
            settle(rotating, change, rotating.ring(), NOW)
    assert {p: p.read_bytes() for p in rotating.folder.rglob("*") if p.is_file() and p.name != ".lock"} == before
    rotate(rotating, "rollouts")
    assert judge(rotating).read(INDEX) is not None


def test_a_role_cannot_be_left_without_enough_keys(rotating: Fleet) -> None:
    first = metadata.role_of(read_published(rotating), "root").keyids[0]
    with pytest.raises(SignatureError):
        key_rotation.rotate(rotating, "root", NOW, remove=[first], make=0)
    with pytest.raises(ReleaseError):
        key_rotation.rotate(rotating, "timestamp", NOW, remove=[], make=1, threshold=2)
    assert len(list(rotating.online.iterdir())) == 6
    with pytest.raises(UnknownNameError, match="no role 'timestam'"):
        key_rotation.rotate(rotating, "timestam", NOW)
    with pytest.raises(SigningKeyError):
        key_rotation.role_with(read_published(rotating), "zz")


@pytest.mark.slow
def test_hash_bins_follow_new_keys_of_releases(
    rotating: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata, "BINS_ABOVE", 1)
    publish(rotating, package(tmp_path, "1"), NOW)
    publish(rotating, package(tmp_path, "2"), NOW)
    assert metadata.bins(read_published(rotating))
    device = judge(rotating)
    assert device.read(package_target("main", 2)) is not None
    rotate(rotating, "releases")
    publish(rotating, package(tmp_path, "3"), NOW)
    for seen in (device, judge(rotating)):
        assert seen.read(package_target("main", 4)) == package(tmp_path, "3").read_bytes()
        assert seen.read(package_target("main", 1)) == package(tmp_path, "1").read_bytes()


def test_roles_are_signed_again_before_they_expire(rotating: Fleet) -> None:
    published = read_published(rotating)
    assert key_rotation.due(published, NOW) == []
    assert key_rotation.due(published, NOW + 70 * 86400) == ["releases"]
    assert key_rotation.due(published, NOW + 380 * 86400) == ["root", "targets", "releases"]
    assert apply(rotating, key_rotation.refresh(rotating, ["root", "targets", "releases"], NOW + 60), NOW + 60)
    after = read_published(rotating)
    for role in ("root", "targets", "releases"):
        old, new = (metadata.read(h[role], role).signed for h in (published, after))
        assert new.version == old.version + 1 and new.expires > old.expires
    assert judge(rotating).read(INDEX) is not None


def test_a_rotation_cut_off_between_its_files_is_finished_by_the_next_change(
    rotating: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the new root was written and before the timestamp: the change still waits, and its key is kept."""
    from edgewright.fleet.repository import folder

    written = []

    def cut(path: Path, data: bytes) -> None:
        if path.name == "timestamp.json":
            raise KeyboardInterrupt
        written.append(path.name)
        path.write_bytes(data)

    change, keys = key_rotation.rotate(rotating, "timestamp", NOW)
    with monkeypatch.context() as patched:
        patched.setattr(folder, "write_atomic", cut)
        with pytest.raises(KeyboardInterrupt), key_rotation.kept_when_done(rotating, keys):
            apply(rotating, change, NOW)
    assert "2.root.json" in written
    assert Path(keys[0].file).exists()
    assert len(acceptance.waiting(rotating)) == 1
    publish(rotating, package(tmp_path), NOW)
    assert not acceptance.waiting(rotating)
    assert judge(rotating).read(package_target("main", 1)) is not None


def test_a_change_that_somebody_overtook_must_be_prepared_again(rotating: Fleet) -> None:
    first = key_rotation.refresh(rotating, ["releases"], NOW)
    second = key_rotation.refresh(rotating, ["releases"], NOW + 1)
    assert apply(rotating, first, NOW)
    with pytest.raises(MetadataVersionError):
        apply(rotating, second, NOW)


def test_a_key_that_no_role_names_signs_nothing(rotating: Fleet, tmp_path: Path) -> None:
    stranger = make_key(tmp_path / "stranger.key")
    refreshed = key_rotation.refresh(rotating, ["releases"], NOW)
    ring = Ring([tmp_path / "stranger.key"])
    published = read_published(rotating)
    assert changes.sign(published, refreshed, ring) == refreshed
    signers: list[Signer] = [stranger]
    forged = metadata.sign(metadata.read(refreshed.roles["releases"].encode(), "releases").signed, signers)
    with pytest.raises(SignatureError, match="releases has 0 of 1 signatures"):
        acceptance.accept(rotating, changes.change("forged", {"releases": forged}), NOW)
    assert not acceptance.waiting(rotating)
