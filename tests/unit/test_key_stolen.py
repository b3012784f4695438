"""`edgewright fleet key stolen`: one act that revokes, aborts, cancels and tells, wherever it is cut off."""
# ruff: noqa: ANN401 - JSON, and functions of any kind that are replaced

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from cli_runner import Cli
from edgewright.cli.commands.fleet.key import stolen as command
from edgewright.fleet.protocol.layout import INDEX, ONLINE
from edgewright.fleet.repository import acceptance, key_rotation, offline
from edgewright.fleet.repository.acceptance import online_signers, read_held
from edgewright.fleet.repository.folder import open_fleet
from edgewright.fleet.repository.online import sign_online
from edgewright.fleet.repository.public_files import read_published, write_roles
from edgewright.fleet.server import stolen_key_response
from edgewright.fleet.server.database.tables import intents
from edgewright.schema.errors import InputError, OutputError
from edgewright.schema.fleet_folder import StolenKey
from fleet_servers import Server, Signed, until

PLAN = "plan-1"


class Theft:
    """A fleet with a rollout under way that three devices may follow, and a token from before."""

    def __init__(self, folder: Path, cli: Cli) -> None:
        self.signed, self.cli = Signed(folder, {}, {}), cli
        self.fleet = self.signed.folder
        cli("fleet", "rollout", "start", "--signed", PLAN, "--fleet", self.fleet)
        self.signed.token()
        self.device_names = self.signed.devices(3)
        counter = self.signed.plans[0].release.counter
        rows = [
            {"device": name, "plan": PLAN, "counter": counter, "stage": 0, "asked_at": 5.0, "go": True, "at": 10.0 + n,
             "why": ""}
            for n, name in enumerate(self.device_names)
        ]  # fmt: skip
        with self.signed.database() as database, database.writing.begin() as connection:
            connection.execute(sa.insert(intents), rows)

    def key(self, role: str) -> str:
        return offline.role_of(read_held(open_fleet(self.fleet)), role).keyids[0]

    def act(self, key: str, *more: object, code: int = 0) -> Any:
        return self.cli.json("fleet", "key", "stolen", key[:16], "--fleet", self.fleet, *more, code=code)

    def files(self) -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in self.fleet.rglob("*") if path.is_file()}

    def audited(self, action: str) -> int:
        rows = self.cli.json("fleet", "audit", "show", "--last", 1000, "--fleet", self.fleet)["rows"]
        return sum(row["what"] == action for row in rows)

    def is_over(self, old: set[str]) -> None:
        """Check that all is done, once, and that a device sees it."""
        published = read_held(open_fleet(self.fleet))
        assert not old & {key for role in offline.ROLES for key in offline.role_of(published, role).keyids}
        assert all(len(offline.role_of(published, role).keyids) == 1 for role in ONLINE)
        assert self.signed.states() == {PLAN: "aborted"}
        assert self.cli.json("fleet", "token", "list", "--fleet", self.fleet)["tokens"] == []
        assert self.audited("key.stolen") == self.audited("rollout.aborted") == 1
        assert self.cli("fleet", "audit", "verify", "--fleet", self.fleet)
        assert self.signed.seen()[PLAN].state == "aborted"


@pytest.fixture
def theft(tmp_path: Path, cli: Cli) -> Theft:
    return Theft(tmp_path, cli)


def online_keys(theft: Theft) -> set[str]:
    return {theft.key(role) for role in ONLINE}


@pytest.mark.slow
@pytest.mark.parametrize("role", ONLINE)
def test_one_act_ends_what_a_stolen_online_key_can_do(theft: Theft, role: str) -> None:
    old, key = online_keys(theft), theft.key(role)
    fleet = open_fleet(theft.fleet)
    thief, published = online_signers(fleet, read_published(fleet)), read_published(fleet)
    before = theft.files()
    plan = theft.act(key, "--dry-run")
    assert {key for keys in plan["would_revoke"].values() for key in keys} == old
    assert plan["response"]["tokens"] == 1 and plan["response"]["rollouts"][0]["plan"] == PLAN
    assert theft.files() == before
    done = theft.act(key)
    (exposure,) = done["response"]["rollouts"]
    assert (exposure["state"], exposure["count"], exposure["first"], exposure["last"]) == ("aborted", 3, 10.0, 12.0)
    assert done["response"]["tokens"] == 1 and done["confirmed"] == [PLAN] and not done["trusted"]
    assert any("3 (d, d, d)" in line for line in done["remains"])
    assert sum("delete the old key" in line for line in done["remains"]) == 3
    theft.is_over(old)
    # What the thief signs from now on counts nowhere.
    counted = dict.fromkeys(ONLINE, 1 << 20)
    targets = {INDEX: theft.signed.device.read(INDEX) or b""}
    write_roles(fleet, sign_online(published, targets, thief, time.time(), {}, above=counted))
    with pytest.raises(Exception, match=r"signed by|threshold|signature"):
        theft.signed.device.read(INDEX)


@pytest.mark.slow
def test_it_works_beside_a_server(theft: Theft) -> None:
    old, key = online_keys(theft), theft.key("timestamp")
    server = Server(theft.fleet).wait()
    try:
        done = theft.act(key, "--revert")
        assert not done["trusted"] and done["response"]["troubles"] == []
        until(lambda: not acceptance.waiting(open_fleet(theft.fleet)), lambda: "".join(server.log))
        until(server.ready)
        theft.is_over(old)
    finally:
        server.end()
    again = Server(theft.fleet).wait()
    again.end()
    theft.act(key)
    theft.is_over(old)


class Killed(BaseException):
    """The process ends here."""


STEPS: dict[str, tuple[Any, str, bool]] = {
    "before the record": (key_rotation, "record_stolen", False),
    "after the record": (key_rotation, "record_stolen", True),
    "before the change": (acceptance, "accept", False), "after the change": (acceptance, "accept", True),
    "before the changes are taken in": (stolen_key_response, "take_in", False),
    "after the changes are taken in": (stolen_key_response, "take_in", True),
    "after the aborts": (stolen_key_response, "_abort", True),
    "before the tokens": (stolen_key_response, "_record", False),
    "after the tokens": (command, "_respond", True), "before the offline aborts": (command, "_confirm", False),
    "after the offline aborts": (command, "_confirm", True),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_killed_anywhere_it_goes_on(theft: Theft, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    old, key = online_keys(theft), theft.key("rollouts")
    module, name, after = STEPS[step]
    real: Callable[..., Any] = getattr(module, name)

    def dying(*given: Any, **named: Any) -> Any:
        if after:
            real(*given, **named)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(module, name, dying)
        with pytest.raises(Killed):
            theft.act(key)
    assert not theft.act(key)["trusted"]
    theft.is_over(old)
    assert theft.act(key)["revoked"] is None
    theft.is_over(old)


@pytest.mark.slow
def test_without_the_offline_keys_the_rest_is_done_first(theft: Theft, tmp_path: Path) -> None:
    old, key = online_keys(theft), theft.key("snapshot")
    shutil.move(theft.fleet / "keys" / "offline", tmp_path / "usb")
    done = theft.act(key, code=1)
    assert done["trusted"] and done["revoked"] is None and done["confirmed"] == []
    assert "the stolen key still counts" in done["failures"][0]
    assert any(f"rollout confirm {PLAN}" in line for line in done["remains"])
    assert theft.signed.states() == {PLAN: "aborted"}
    assert done["response"]["tokens"] == 1
    assert not theft.act(key, "--keys", tmp_path / "usb")["trusted"]
    theft.is_over(old)


@pytest.mark.slow
def test_others_sign_the_revocation_elsewhere(theft: Theft, tmp_path: Path, cli: Cli) -> None:
    old, key = online_keys(theft), theft.key("rollouts")
    shutil.move(theft.fleet / "keys" / "offline", tmp_path / "usb")
    change = tmp_path / "revoke.json"
    done = theft.act(key, "--prepare", change, code=1)
    assert done["revoked"]["state"] == "prepared" and done["trusted"]
    cli("fleet", "key", "sign", change, "--keys", tmp_path / "usb")
    cli("fleet", "finish", change, "--fleet", theft.fleet)
    theft.act(key, "--keys", tmp_path / "usb")
    theft.is_over(old)


@pytest.mark.slow
def test_a_second_run_calls_devices_back_and_aborts_nothing_that_began_later(theft: Theft) -> None:
    old, key = online_keys(theft), theft.key("timestamp")
    assert [one["reverted"] for one in theft.act(key)["response"]["rollouts"]] == [False]
    theft.cli("fleet", "rollout", "start", "--signed", "plan-2", "--fleet", theft.fleet)
    theft.signed.token()
    (first,) = theft.act(key, "--revert")["response"]["rollouts"]
    assert (first["plan"], first["reverted"]) == (PLAN, True)
    assert theft.signed.seen()[PLAN].revert
    assert theft.signed.states() == {PLAN: "aborted", "plan-2": "running"}
    assert len(theft.cli.json("fleet", "token", "list", "--fleet", theft.fleet)["tokens"]) == 1
    assert not old & {
        key for role in ONLINE for key in offline.role_of(read_held(open_fleet(theft.fleet)), role).keyids
    }
    assert theft.act(key, "--dry-run")["response"]["rollouts"][0]["plan"] == PLAN
    assert theft.act(sorted(old)[0], "--revert")["response"]["rollouts"] == [first]


@pytest.mark.slow
def test_what_begins_while_the_stolen_key_counts_ends_with_it(theft: Theft, tmp_path: Path) -> None:
    key = theft.key("snapshot")
    shutil.move(theft.fleet / "keys" / "offline", tmp_path / "usb")
    theft.act(key, code=1)
    theft.signed.token()
    theft.cli("fleet", "rollout", "start", "--signed", "plan-2", "--fleet", theft.fleet)
    done = theft.act(key, "--keys", tmp_path / "usb")
    assert (done["response"]["tokens"], done["trusted"]) == (1, False)
    assert theft.signed.states() == {PLAN: "aborted", "plan-2": "aborted"}
    assert theft.cli.json("fleet", "token", "list", "--fleet", theft.fleet)["tokens"] == []


@pytest.mark.slow
def test_a_key_counts_until_its_replacement_is_published(theft: Theft, monkeypatch: pytest.MonkeyPatch) -> None:
    key = theft.key("timestamp")

    def failing(*_: Any) -> int:
        raise InputError("a signer", "none")

    with monkeypatch.context() as patch:
        patch.setattr(stolen_key_response, "take_in", failing)
        done = theft.act(key, code=1)
    assert done["trusted"] and done["revoked"]["state"] == "waiting"
    assert any("wait for the control plane" in line for line in done["failures"])
    done = theft.act(key)
    assert (done["trusted"], done["failures"]) == (False, [])


@pytest.mark.slow
@pytest.mark.parametrize("there", ["prepared", "foreign"])
def test_a_revocation_is_prepared_again(theft: Theft, tmp_path: Path, there: str) -> None:
    """The same file serves again; a file of something else stays as it is, and the rest is done."""
    key, change = theft.key("rollouts"), tmp_path / "revoke.json"
    shutil.move(theft.fleet / "keys" / "offline", tmp_path / "usb")
    if there == "foreign":
        change.write_text("{}")
    done = [theft.act(key, "--prepare", change, code=1) for _ in range(2)]
    keys = sorted((theft.fleet / "keys").rglob("timestamp-*"))
    assert theft.signed.states() == {PLAN: "aborted"}
    if there == "foreign":
        assert change.read_text() == "{}"
        assert all(str(change) in one["failures"][0] for one in done)
        return
    assert done[0]["revoked"] == done[1]["revoked"] and done[1]["revoked"]["lacking"]
    assert len(keys) == 4
    theft.cli("fleet", "key", "sign", change, "--keys", tmp_path / "usb")
    assert theft.act(key, "--prepare", change, code=1)["revoked"]["lacking"] == []
    theft.cli("fleet", "finish", change, "--fleet", theft.fleet)
    assert not theft.act(key, "--prepare", change, "--keys", tmp_path / "usb")["trusted"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "name"),
    [(key_rotation, "record_stolen"), (key_rotation, "revocation"), (command, "_respond"), (command, "_confirm")],
)
def test_an_act_that_fails_leaves_none_of_the_others_undone(
    theft: Theft, monkeypatch: pytest.MonkeyPatch, module: Any, name: str
) -> None:
    old, key = online_keys(theft), theft.key("rollouts")

    def failing(*_: Any) -> Any:
        raise OutputError("room", "a full disk", "keys")

    with monkeypatch.context() as patch:
        patch.setattr(module, name, failing)
        done = theft.act(key, code=1)
    assert any("a full disk" in line for line in done["failures"])
    assert theft.signed.states() == {PLAN: "running" if name == "_respond" else "aborted"}
    assert bool(done["revoked"]) == (name in ("_respond", "_confirm"))
    assert not theft.act(key)["trusted"]
    theft.is_over(old)


def test_digits_that_several_keys_share_name_none(tmp_path: Path, cli: Cli) -> None:
    cli("fleet", "init", tmp_path / "fleet")
    fleet = open_fleet(tmp_path / "fleet")
    live = offline.role_of(read_held(fleet), "timestamp").keyids[0]
    for key in (live[:6] + "0" * 58, "abcd" + "0" * 60, "abcd" + "1" * 60):
        key_rotation.record_stolen(fleet, StolenKey(key=key, role="root", keys=(key,), at=1.0))
    for digits in (live[:6], "abcd"):
        with pytest.raises(InputError, match="one key's id"):
            key_rotation.find_stolen(fleet, digits, 2.0)
    assert key_rotation.find_stolen(fleet, "abcd0", 2.0).at == 1.0
    assert key_rotation.find_stolen(fleet, live[:8], 2.0).key == live


def test_a_stolen_offline_key_is_replaced_and_its_threshold_said(tmp_path: Path, cli: Cli) -> None:
    cli("fleet", "init", tmp_path / "fleet")
    published = read_held(open_fleet(tmp_path / "fleet"))
    for role, text in (("root", "needs 2 signatures"), ("releases", "enough to publish")):
        key = offline.role_of(published, role).keyids[0]
        done = cli.json("fleet", "key", "stolen", key[:16], "--fleet", tmp_path / "fleet")
        assert done["revoked"]["state"] == "published" and not done["trusted"]
        assert any(text in line for line in done["remains"])
        after = offline.role_of(read_held(open_fleet(tmp_path / "fleet")), role)
        before = offline.role_of(published, role)
        assert key not in after.keyids and len(after.keyids) == len(before.keyids)
        assert after.threshold == before.threshold


def test_a_key_that_nobody_knows_is_refused(tmp_path: Path, cli: Cli) -> None:
    cli("fleet", "init", tmp_path / "fleet")
    assert "one key's id" in cli("fleet", "key", "stolen", "0123456789", "--fleet", tmp_path / "fleet", code=2)
    assert not (tmp_path / "fleet" / "keys" / key_rotation.RECORD).exists()
