"""Signed metadata on a device: believed as a whole, kept durably, never older than before."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import MetaFile, Timestamp
from tuf.ngclient import Updater

from edgewright.core.errors import EnrollmentTokenMissingError, OutputError, TrustRootError
from edgewright.core.records.fleet import Standing
from edgewright.fleet.device.trust.client import Client
from edgewright.fleet.device.trust.pinned_root import FILE, pin, recover
from edgewright.fleet.protocol.layout import DAY, INDEX, Refused, Unreachable
from signed_fleet import START, HandClock, Served, SignedFleet

PACKAGE = b"bytes of a package" * 100


class Bench:
    """A fleet, the way to it and one device."""

    def __init__(self, folder: Path) -> None:
        self.fleet, self.clock = SignedFleet(), HandClock()
        self.net = Served(self.fleet)
        self.folder = folder
        root = self.fleet.held["root"]
        pin(folder, root, hashlib.sha256(root).hexdigest())
        self.client = self.boot()

    def boot(self) -> Client:
        """Return the device starts again."""
        self.client = Client(self.folder, self.net, self.clock)
        return self.client

    def on(self, seconds: float) -> None:
        """Time goes on, here and there."""
        self.fleet.now += seconds
        self.clock.now += seconds

    def standing(self, stage: int = 0, **changes: Any) -> Standing:  # noqa: ANN401 - fields differ
        given: dict[str, Any] = {"plan": "plan-1", "sha256": "ab" * 32, "product": "pump", "state": "running"}
        return Standing(**(given | {"stage": stage} | changes))


def refused(act: Callable[[], object], kind: str) -> str:
    """Check that metadata is refused for a reason; return the message."""
    with pytest.raises(Refused) as raised:
        act()
    assert raised.value.kind == kind
    return str(raised.value)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "trust")


def test_a_word_is_verified_and_kept_over_a_restart(bench: Bench) -> None:
    bench.fleet.standings(bench.standing(1))
    seen = bench.client.refresh()
    assert seen.changed and seen.fresh and seen.signed == START
    assert seen.standings is not None and seen.standings.rollouts[0].stage == 1
    bench.net.cut = True
    after_boot = bench.boot().latest()
    assert after_boot.standings == seen.standings and after_boot.versions == seen.versions and after_boot.fresh


def test_nothing_new_costs_one_request(bench: Bench) -> None:
    bench.client.refresh()
    bench.net.asked.clear()
    for _ in range(3):
        seen = bench.client.refresh()
        assert not seen.changed and seen.fresh
    assert bench.net.asked == ["/metadata/timestamp.json"] * 3


def test_it_is_no_longer_fresh_when_a_role_that_it_rests_on_expires(bench: Bench) -> None:
    bench.fleet.standings(bench.standing())
    bench.client.refresh()
    bench.on(2 * DAY)
    latest = bench.client.latest()
    assert not latest.fresh and latest.standings is not None
    assert "by this device's clock" in refused(bench.client.refresh, "expired")
    assert bench.client.latest().standings == latest.standings


def test_a_plan_is_fetched_once_and_read_from_the_cache_after(bench: Bench) -> None:
    release = bench.fleet.release(PACKAGE)
    plan, sha256 = bench.fleet.plan(release)
    bench.client.refresh()
    assert bench.client.plan("plan-1", sha256)[0] == plan
    bench.net.cut = True
    assert bench.boot().plan("plan-1", sha256)[0] == plan


@pytest.mark.parametrize(
    "changes", [{"counter": 2}, {"length": 7}, {"sha256": "00" * 32}, {"target": "packages/no.edge"}]
)
def test_a_release_that_the_metadata_does_not_name_is_refused(bench: Bench, changes: dict[str, Any]) -> None:
    release = bench.fleet.release(PACKAGE)
    bench.fleet.targets["releases"][release.target].unrecognized_fields["custom"] = {"counter": 1}
    bench.fleet.sign_role("releases")
    bench.fleet.seal()
    bench.client.refresh()
    bench.client.check(release)
    refused(lambda: bench.client.check(msgspec.structs.replace(release, **changes)), "mixed")


def test_a_plan_of_another_hash_is_refused(bench: Bench) -> None:
    bench.fleet.plan(bench.fleet.release(PACKAGE))
    bench.client.refresh()
    refused(lambda: bench.client.plan("plan-1", "00" * 32), "mixed")


def test_forged_metadata_is_refused(bench: Bench) -> None:
    bench.client.refresh()
    bench.fleet.keys["timestamp"] = [CryptoSigner.generate_ed25519()]
    bench.fleet.standings(bench.standing())
    refused(bench.client.refresh, "signature")


@pytest.mark.parametrize("lose", [False, True])
def test_an_older_word_is_refused_also_where_the_cache_was_lost(bench: Bench, lose: bool) -> None:
    bench.client.refresh()
    old = dict(bench.fleet.files)
    bench.fleet.standings(bench.standing())
    bench.client.refresh()
    bench.fleet.files = old
    if lose:
        for path in bench.folder.glob("*.json"):
            if path.name != "pinned.root.json":
                path.unlink()
    refused(bench.boot().refresh, "older")


def test_mixed_files_are_refused_and_nothing_of_them_is_kept(bench: Bench) -> None:
    bench.client.refresh()
    before = {path.name: path.read_bytes() for path in bench.folder.glob("*.json")}
    bench.fleet.standings(bench.standing(1))
    location = next(
        path for path in bench.fleet.files if path.endswith(".rollouts.json") and path.startswith("/metadata/2")
    )
    bench.fleet.files[location] = bench.fleet.files[location.replace("/2.", "/1.")]
    with pytest.raises(Refused):
        bench.client.refresh()
    assert {path.name: path.read_bytes() for path in bench.folder.glob("*.json")} == before


def test_content_that_was_not_signed_is_refused(bench: Bench) -> None:
    bench.fleet.standings(bench.standing())
    for path in [path for path in bench.fleet.files if path.endswith("index.json")]:
        bench.fleet.files[path] = bench.fleet.files[path].replace(b"pump", b"punp")
    refused(bench.client.refresh, "hash")


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "rollouts", "targets"])
def test_metadata_that_wants_to_hold_too_long_is_refused(bench: Bench, role: str) -> None:
    far = datetime.fromtimestamp(START + 4000 * DAY, UTC)
    honest = bench.fleet.expires
    late = role
    bench.fleet.expires = lambda role: far if role == late else honest(role)  # type: ignore[method-assign]
    bench.fleet.sign_targets()
    bench.fleet.standings()
    refused(bench.client.refresh, "lifetime")
    bench.fleet.expires = honest  # type: ignore[method-assign]
    bench.fleet.sign_targets()
    bench.fleet.standings()
    assert bench.client.refresh().fresh


@pytest.mark.parametrize("clock", [0.0, START - 400 * DAY])
def test_a_clock_that_is_behind_is_not_believed(bench: Bench, clock: float) -> None:
    bench.clock.now = clock
    assert bench.client.refresh().fresh
    bench.fleet.now += 2 * DAY
    bench.fleet.standings()
    seen = bench.client.refresh()
    assert seen.fresh and seen.signed == START + 2 * DAY


def test_a_clock_that_is_ahead_refuses_until_it_is_corrected_and_leaves_no_trace(bench: Bench) -> None:
    bench.client.refresh()
    bench.clock.now += 400 * DAY
    with pytest.raises(Refused):
        bench.client.refresh()
    assert not bench.client.latest().fresh
    bench.clock.now -= 400 * DAY
    bench.fleet.standings(bench.standing())
    assert bench.client.refresh().fresh


def test_signed_time_does_not_fall(bench: Bench) -> None:
    bench.client.refresh()
    bench.fleet.standings(issued=START - 5000.0)
    refused(bench.client.refresh, "older")


def test_rotating_the_timestamp_key_resets_signed_time_that_a_stolen_key_set_ahead(bench: Bench) -> None:
    bench.client.refresh()
    honest, bench.fleet.now = bench.fleet.now, START + 900 * DAY
    bench.fleet.standings(issued=bench.fleet.now)
    bench.clock.now = START
    with pytest.raises(Refused):  # root and targets would be expired by such a time
        bench.client.refresh()
    bench.fleet.now = START + 300 * DAY
    bench.fleet.standings(issued=bench.fleet.now)
    assert bench.client.refresh().signed == START + 300 * DAY
    bench.fleet.now = honest + DAY
    bench.clock.now = bench.fleet.now
    old = bench.fleet.keys["timestamp"]
    bench.fleet.keys["timestamp"] = [CryptoSigner.generate_ed25519()]
    bench.fleet.sign_root()
    bench.fleet.standings()
    seen = bench.client.refresh()
    assert seen.fresh and seen.signed == bench.fleet.now and old


def test_a_version_that_a_stolen_key_ran_ahead_is_forgiven_when_its_keys_are_rotated(bench: Bench) -> None:
    bench.client.refresh()
    bench.fleet.version["timestamp"] = bench.fleet.version["snapshot"] = 2**30
    bench.fleet.standings()
    bench.client.refresh()
    bench.fleet.version["timestamp"] = bench.fleet.version["snapshot"] = 10
    bench.fleet.standings()
    with pytest.raises(Refused):
        bench.client.refresh()
    for role in ("timestamp", "snapshot"):
        bench.fleet.keys[role] = [CryptoSigner.generate_ed25519()]
    bench.fleet.sign_root()
    bench.fleet.standings(bench.standing(3))
    seen = bench.client.refresh()
    assert seen.standings is not None and seen.standings.rollouts[0].stage == 3


def test_twelve_roots_are_walked_and_kept(bench: Bench) -> None:
    bench.client.refresh()
    for _ in range(12):
        old = bench.fleet.keys["root"]
        bench.fleet.keys["root"] = [CryptoSigner.generate_ed25519()]
        bench.fleet.sign_root(old)
    bench.on(390 * DAY)
    bench.fleet.sign_root()
    bench.fleet.sign_targets()
    bench.fleet.standings()
    seen = bench.boot().refresh()
    assert seen.fresh and seen.versions["root"] == 14
    kept = {path.name for path in (bench.folder / "root_history").iterdir()}
    assert kept == {f"{number}.root.json" for number in range(1, 15)}


def test_a_root_that_the_one_before_did_not_sign_is_refused(bench: Bench) -> None:
    bench.client.refresh()
    bench.fleet.keys["root"] = [CryptoSigner.generate_ed25519()]
    bench.fleet.sign_root()
    bench.fleet.standings()
    with pytest.raises(Refused):
        bench.client.refresh()


def test_an_answer_that_never_ends_is_cut_off(bench: Bench) -> None:
    bench.client.refresh()
    bench.fleet.standings()
    bench.fleet.files["/metadata/timestamp.json"] += b" " * (1 << 20)
    with pytest.raises(Unreachable, match="larger"):
        bench.client.refresh()


def test_a_larger_snapshot_than_may_be_is_refused(bench: Bench) -> None:
    location = f"/metadata/{bench.fleet.version['snapshot']}.snapshot.json"
    bench.fleet.files[location] += b" " * 3_000_000
    refused(bench.client.refresh, "length")


def test_what_a_newer_fleet_says_is_refused_by_its_format(bench: Bench) -> None:
    bench.fleet.add("rollouts", INDEX, b'{"format":2,"issued":1.0,"rollouts":[],"hint":1}')
    bench.fleet.sign_role("rollouts")
    bench.fleet.seal()
    refused(bench.client.refresh, "format")


def test_without_a_network_all_stays_as_it_was(bench: Bench) -> None:
    bench.fleet.standings(bench.standing())
    before = bench.client.refresh()
    bench.net.cut = True
    with pytest.raises(Unreachable):
        bench.client.refresh()
    assert bench.client.latest().standings == before.standings


def test_no_root_no_trust(tmp_path: Path, bench: Bench) -> None:
    with pytest.raises(TrustRootError):
        Client(tmp_path / "elsewhere", bench.net, bench.clock)


def test_a_root_is_pinned_once_and_only_the_one_that_the_token_names(bench: Bench, tmp_path: Path) -> None:
    other = SignedFleet().held["root"]
    with pytest.raises(EnrollmentTokenMissingError):
        pin(tmp_path / "new", other, "00" * 32)
    with pytest.raises(TrustRootError):
        pin(bench.folder, other, hashlib.sha256(other).hexdigest())
    with pytest.raises(TrustRootError):
        forged = other.replace(b"true", b"false")
        pin(tmp_path / "new", forged, hashlib.sha256(forged).hexdigest())


@pytest.mark.parametrize("damaged", [False, True])
def test_another_root_is_trusted_by_hand(bench: Bench, damaged: bool) -> None:
    bench.client.refresh()
    bench.client.close()
    if damaged:
        for name in (FILE, "trust.copy"):
            (bench.folder / name).write_bytes(b"this is no database, and it is long enough to be looked at" * 20)
        with pytest.raises(OutputError, match="trust-root"):
            bench.boot()
    bench.fleet = SignedFleet(START + 5.0)
    bench.net.fleet = bench.fleet
    assert recover(bench.folder, bench.fleet.held["root"], "root.json") == 1
    seen = bench.boot().refresh()
    assert seen.fresh and seen.signed == START + 5.0
    assert (bench.folder / f"{FILE}.damaged").exists() == damaged


def test_a_timestamp_signed_for_another_snapshot_is_refused(bench: Bench) -> None:
    bench.client.refresh()
    bench.fleet.version["timestamp"] += 1
    lying = Timestamp(bench.fleet.version["timestamp"], None, bench.fleet.expires("timestamp"), MetaFile(99))
    bench.fleet.files["/metadata/timestamp.json"] = bench.fleet.sign(lying, "timestamp")
    with pytest.raises(Unreachable):
        bench.client.refresh()
    assert bench.client.latest().fresh


def test_the_hooks_of_python_tuf_are_where_they_were() -> None:
    """`checking.Checker` takes them over; a release of python-tuf that moves them must not go unnoticed."""
    for hook in ("_load_local_metadata", "_persist_metadata", "_persist_file", "_update_root_symlink", "_persist_root"):
        assert callable(getattr(Updater, hook))
    assert "self._persist_file(" in inspect.getsource(Updater._persist_root)
    assert "self._trusted_set = TrustedMetadataSet(" in inspect.getsource(Updater.__init__)
