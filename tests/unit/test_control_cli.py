"""Commands of operators: on the fleet's own folder, in words and as JSON, and what is wrong with them."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.core.errors import InputError
from edgewright.fleet.server.control_plane import Plane
from edgewright.fleet.server.database.tables import devices
from fleet_plane import Client, enrolled, fleet_folder, plane_of


@pytest.fixture
def fleet(tmp_path: Path) -> str:
    return str(fleet_folder(tmp_path / "fleet"))


def test_a_token_is_made_shown_once_and_revoked(fleet: str, cli: Cli) -> None:
    token = cli("fleet", "token", "new", "--fleet", fleet, "--tag", "north", "--expires", "12h").strip()
    assert token.startswith("ew1.")
    assert token.endswith(".pump")
    listed = cli.json("fleet", "token", "list", "--fleet", fleet)["tokens"]
    assert [one["tags"] for one in listed] == [["north"]]
    assert 11.9 * 3600 < listed[0]["expires"] - listed[0]["made_at"] < 12.1 * 3600
    assert token.split(".")[1] not in str(listed)
    cli("fleet", "token", "revoke", listed[0]["id"], "--fleet", fleet)
    assert cli("fleet", "token", "list", "--fleet", fleet) == "no valid tokens\n"
    assert "another id" in cli("fleet", "token", "revoke", listed[0]["id"], "--fleet", fleet, code=2)


def test_operators_come_and_go_and_the_log_tells(fleet: str, cli: Cli) -> None:
    token = cli("fleet", "operator", "add", "ada", "--role", "admin", "--fleet", fleet).strip()
    assert token.startswith("ewo.ada.")
    assert "ada" in cli("fleet", "operator", "list", "--fleet", fleet)
    assert "an unused name" in cli("fleet", "operator", "add", "ada", "--fleet", fleet, code=1)
    assert (
        cli.json("fleet", "operator", "list", "--fleet", fleet)["operators"][0]["expires"] - time.time() > 89.9 * 86_400
    )
    cli("fleet", "operator", "revoke", "ada", "--fleet", fleet)
    shown = cli("fleet", "audit", "show", "--fleet", fleet)
    assert shown.index("operator.added") < shown.index("operator.revoked")
    assert token not in shown
    assert cli("fleet", "audit", "verify", "--fleet", fleet).startswith("2 rows are valid")
    copy = Path(fleet).parent / "copy.sqlite"
    assert cli.json("fleet", "backup", fleet, str(copy))["bytes"] == copy.stat().st_size


def test_a_changed_log_is_a_check_that_says_no(fleet: str, cli: Cli) -> None:
    import sqlite3

    cli("fleet", "operator", "add", "ada", "--fleet", fleet)
    connection = sqlite3.connect(Path(fleet) / "fleet.sqlite")
    connection.execute("UPDATE audit SET who = 'nobody'")
    connection.commit()
    connection.close()
    assert "row 1 was changed" in cli("fleet", "audit", "verify", "--fleet", fleet, code=1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["token", "new", "--expires", "soon"], "7d"),
        (["token", "new", "--product", "valve"], "pump"),
        (["token", "new", "--uses", "0"], "uses"),
        (["token", "new", "--tag", "a b"], "expected"),
        (["operator", "add", "Ada Lovelace"], "expected"),
        (["operator", "revoke", "../audit"], "expected"),
        (["operator", "add", "ada", "--days", "0"], "days"),
        (["token", "revoke", "zz"], "expected"),
        (["token", "list", "--url", "http://127.0.0.1:9"], "--token-file"),
        (["token", "list", "--url", "http://fleet.example", "--token-file", "TOKEN"], "TLS"),
        (["token", "list", "--url", "ftp://x", "--token-file", "TOKEN"], "https"),
        (["audit", "show", "--last", "0"], "last"),
    ],
)
def test_wrong_use_is_told_in_one_line(fleet: str, tmp_path: Path, cli: Cli, arguments: list[str], words: str) -> None:
    (tmp_path / "token").write_text("ewo.ada.x")
    given = [str(tmp_path / "token") if a == "TOKEN" else a for a in arguments]
    text = cli("fleet", *given, "--fleet", fleet, code=2)
    assert words in text
    assert len(text.strip().splitlines()) == 1


def test_where_no_fleet_is_and_where_none_answers(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "token").write_text("ewo.ada.x")
    nothing = ["--fleet", str(tmp_path)]
    assert "fleet.toml" in cli("fleet", "token", "list", *nothing, code=2)
    assert "fleet" in cli("fleet", "serve", str(tmp_path / "none"), code=2)
    assert "database" in cli("fleet", "backup", str(tmp_path), str(tmp_path / "x"), code=2)
    elsewhere = ["--url", "http://127.0.0.1:9", "--token-file", str(tmp_path / "token")]
    assert "127.0.0.1" in cli("fleet", "token", "list", *elsewhere, code=74)
    token = f"ew1.{'x' * 32}.1.{'0' * 64}.pump"
    joining = ["fleet", "enroll", "http://127.0.0.1:9", "--token", token, "--store", str(tmp_path / "device")]
    assert "later" in cli(*joining, code=74)
    assert "token" in cli(*joining[:4], "nonsense", *joining[5:], code=2)


def test_a_quarantine_is_lifted_with_a_reason_that_the_log_keeps(fleet: str, cli: Cli) -> None:
    async def forked(plane: Plane) -> str:
        client = Client(plane)
        device = await enrolled(client)
        return device.id

    with plane_of(Path(fleet)) as plane:
        device = asyncio.run(forked(plane))
        with plane.database.writing.begin() as connection:
            shut = {"quarantined": True, "quarantine_reason": "two with one key", "name": "pump-7"}
            connection.execute(sa.update(devices).values(**shut))
    near = cli("fleet", "lift", "pump-", "--reason", "x", "--fleet", fleet, code=2)
    assert "id or whole name" in near
    assert "pump-7" in near
    assert "is lifted" in cli("fleet", "lift", "pump-7", "--reason", "the copy was erased", "--fleet", fleet)
    again = cli("fleet", "lift", device, "--reason", "again", "--fleet", fleet, code=1)
    assert "a device in quarantine" in again
    assert "an enrolled device" in cli("fleet", "lift", "0" * 32, "--reason", "x", "--fleet", fleet, code=2)
    assert "the copy was erased" in cli("fleet", "audit", "show", "--fleet", fleet, "--json")


def test_a_desk_works_where_a_loop_is_running_already(fleet: str) -> None:
    async def inside() -> int:
        return run(["fleet", "token", "list", "--fleet", fleet])

    assert asyncio.run(inside()) == 0


@pytest.mark.slow
def test_one_device_is_changed_by_name_and_the_log_tells_who_did_what(fleet: str, cli: Cli) -> None:
    async def two(plane: Plane) -> list[str]:
        client = Client(plane)
        return [(await enrolled(client)).id for _ in range(2)]

    with plane_of(Path(fleet)) as plane:
        first, second = asyncio.run(two(plane))
    here = ("--fleet", fleet)
    cli("fleet", "device", "rename", first, "pump-1", *here)
    cli("fleet", "device", "rename", second, "pump-2", *here)
    cli("fleet", "device", "tag", "pump-1", "--add", "north", "--add", "lab", *here)
    cli("fleet", "device", "tag", "pump-1", "--remove", "lab", *here)
    assert "--add or --remove" in cli("fleet", "device", "tag", "pump-1", *here, code=2)
    assert "expected" in cli("fleet", "device", "rename", "pump-1", "no spaces", *here, code=2)
    cli("fleet", "device", "block", "pump-1", "--reason", "in repair", *here)
    shown = cli("fleet", "devices", "pump-1", *here)
    assert "tags north," in shown
    assert "blocked: in repair (by local:" in shown
    assert [one["name"] for one in cli.json("fleet", "devices", "--status", "blocked", *here)["devices"]] == ["pump-1"]
    cli("fleet", "device", "unblock", "pump-1", "--reason", "repaired", *here)
    assert "is retired" in cli("fleet", "device", "retire", "pump-2", "--reason", "scrapped", *here)
    assert "a device that is not retired" in cli("fleet", "device", "rename", "pump-2", "x", *here, code=1)
    assert "no" in cli("fleet", "device", "retry", "pump-1", *here, code=1)
    assert [one["name"] for one in cli.json("fleet", "devices", *here)["devices"]] == ["pump-1"]
    assert cli.json("fleet", "devices", "pump-2", *here)["history"]["device"]["status"] == "retired"
    rows = reversed(cli.json("fleet", "audit", "show", *here)["rows"])
    acts = [(row["what"], row["detail"]) for row in rows if row["who"].startswith("local:")]
    assert [action for action, _ in acts] == [
        "device.renamed", "device.renamed", "device.tagged", "device.tagged", "device.blocked", "device.unblocked",
        "device.retired",
    ]  # fmt: skip
    assert acts[3][1] == {"before": ["north", "lab"], "after": ["north"]}


def test_a_server_is_known_by_the_certificates_that_are_named(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(url: str, token: str, certificates: str) -> None:
        raise InputError("a server", f"{url} {token} {certificates}")

    monkeypatch.setattr("edgewright.fleet.server.api.client.remote_client", refused)
    (tmp_path / "token").write_text("secret")
    remote = ("--url", "https://fleet", "--token-file", tmp_path / "token", "--ca-file", tmp_path / "ca.pem")
    assert "Use edgewright fleet devices" in cli("fleet", "device", "list", *remote, code=2)
    text = cli("fleet", "devices", *remote, code=2)
    assert f"https://fleet secret {tmp_path / 'ca.pem'}" in text
