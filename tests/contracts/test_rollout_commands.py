"""The commands of rollouts on a fleet's folder, as a person types them."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli_runner import Cli
from edgewright.cli.main import cli, run
from edgewright.core.errors import EdgewrightError
from edgewright.fleet.protocol.api_records import NewOperator, OperatorMade
from edgewright.fleet.server.api.client import local_client
from edgewright.fleet.server.control_plane import open_plane
from fleet_folder import package
from fleet_plane import Client, Device, enrolled_devices
from fleet_servers import Server


def ask(*words: str) -> Result:
    """Return a command that succeeds."""
    result = CliRunner().invoke(cli, ["fleet", *words])
    if result.exception is not None:
        raise result.exception
    return result


def enrol_again(folder: Path, device: Device) -> int:
    """Return the status of the answer to a new token with the device's key."""

    async def go() -> int:
        plane = open_plane(folder)
        try:
            device.client = Client(plane)
            answer = await device.enrol(await device.client.token(product="main"), product="main")
            return answer.status_code
        finally:
            plane.close()

    return asyncio.run(go())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    fleet_folder = tmp_path / "fleet"
    ask("init", str(fleet_folder))
    for seed in ("0", "1"):
        ask("publish", str(package(tmp_path, seed)), "--fleet", str(fleet_folder))
    return fleet_folder


@pytest.mark.slow
def test_a_rollout_from_start_to_abort(folder: Path) -> None:
    here = ("--fleet", str(folder))
    started = ask(
        "rollout", "start", *here, "--release", "latest", "--stages", "canary:1%,50%@2h,100%", "--gate", "alarms<=5",
        "--gate", "latency<=x2", "--cohort", "tag=north", "--window", "sat,sun 02:00-05:00", "--pace", "100/h",
        "--holdout", "5%", "--id", "spring",
    )  # fmt: skip
    assert "spring: main 2" in started.output
    assert "running at stage 1 of 3 'canary', 1 %" in started.output
    plan = json.loads(next((folder / "public" / "targets" / "plans").glob("*.spring.json")).read_bytes())
    assert [gate["measure"] for gate in plan["gates"]] == ["alarms", "latency"]
    assert plan["cohorts"]["chosen"]["tags"] == ["north"]
    assert plan["windows"] == [{"format": 1, "days": [5, 6], "start": 120, "end": 300}]
    assert (plan["pace"], plan["holdout"], plan["revert"]["counter"]) == (100.0, 5.0, 3)
    with pytest.raises(EdgewrightError, match="after its dwell"):
        ask("rollout", "promote", "spring", "canary", "--reason", "looked at it", *here)
    assert "paused" in ask("rollout", "pause", *here).output
    assert "resumed by" in ask("rollout", "resume", "spring", *here).output
    with pytest.raises(EdgewrightError, match="at a time"):
        ask("rollout", "start", *here)
    stopped = json.loads(ask("rollout", "abort", *here, "--revert", "--why", "smoke", "--json").output)
    assert (stopped["state"], stopped["revert"], stopped["why"]) == ("aborted", True, "smoke")
    with pytest.raises(EdgewrightError, match="paused"):
        ask("rollout", "resume", "spring", *here)
    seen = json.loads(ask("rollout", "status", *here, "--all", "--json").output)
    assert [one["plan"] for one in seen["rollouts"]] == ["spring"]


def test_a_plan_file_says_all_that_options_do(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "plan.toml"
    file.write_text(
        """
        holdout = 10.0
        days = 7
        silence = 60.0
        [[stages]]
        name = "canary"
        percent = 5.0
        cohorts = ["labs"]
        dwell = 60.0
        [[stages]]
        name = "all"
        percent = 100.0
        dwell = 60.0
        [[gates]]
        measure = "unsure"
        limit = 0.2
        [cohorts.labs]
        tags = ["lab"]
        [trial]
        seconds = 120.0
        """
    )
    ask("rollout", "start", "--fleet", str(folder), "--plan", str(file), "--id", "filed", "--gate", "drift<=50%")
    plan = json.loads(next((folder / "public" / "targets" / "plans").glob("*.filed.json")).read_bytes())
    assert [stage["cohorts"] for stage in plan["stages"]] == [["labs"], []]
    assert [gate["measure"] for gate in plan["gates"]] == ["drift"]
    assert plan["trial"]["seconds"] == 120.0
    assert plan["expires"] - plan["starts"] == 7 * 86_400


@pytest.mark.slow
def test_who_waits_for_a_plan_hears_that_it_was_aborted_before_the_first_look(folder: Path, cli: Cli) -> None:
    here = ("--fleet", str(folder))
    ask("rollout", "start", *here, "--id", "spring")
    ask("rollout", "abort", *here)
    assert "aborted: spring" in cli("fleet", "watch", *here, "--plan", "spring", code=1)
    assert run(["fleet", "watch", *here, "--until-over"]) == 0
    assert "expected a rollout, got 'summer' - at --plan" in cli("fleet", "watch", *here, "--plan", "summer", code=2)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--stages", "50%,10%"), "at least the 50 %"),
        (("--stages", "ten"), "stages as"),
        (("--gate", "speed<=5"), "measure"),
        (("--window", "noon"), "window"),
        (("--release", "main:9"), "release 9"),
        (("--release", "nine"), "--release"),
        (("--holdout", "5%", "--stages", "100%"), "two stages"),
        (("--id", "Not An Id"), "a plan"),
        (("--plan", "nowhere.toml"), "a plan file"),
    ],
)
def test_a_wrong_wish_is_told_and_nothing_is_signed(folder: Path, words: tuple[str, ...], why: str) -> None:
    with pytest.raises(EdgewrightError, match=why):
        ask("rollout", "start", "--fleet", str(folder), *words)
    assert not list((folder / "incoming").glob("*.json")) if (folder / "incoming").exists() else True


def test_without_a_rollout_the_commands_say_so(folder: Path) -> None:
    for act in ("status", "pause", "abort"):
        with pytest.raises(EdgewrightError, match="none was started yet"):
            ask("rollout", act, "--fleet", str(folder))


@pytest.mark.slow
def test_restore_takes_up_the_abort_that_the_backup_does_not_know(folder: Path, tmp_path: Path) -> None:
    here = ("--fleet", str(folder))
    ask("rollout", "start", *here, "--id", "spring")
    copy = tmp_path / "copy.sqlite"
    shutil.copy(folder / "fleet.sqlite", copy)
    ask("rollout", "abort", *here, "--revert")
    with pytest.raises(EdgewrightError, match="no database"):
        ask("restore", *here, "--backup", str(copy))
    (folder / "fleet.sqlite").unlink()
    assert "spring: aborted" in ask("restore", *here, "--backup", str(copy)).output
    assert "nothing new" in ask("restore", *here).output
    assert "aborted" in ask("rollout", "status", *here).output


@pytest.mark.slow
def test_restore_retires_again_whom_the_backup_does_not_know_as_retired_or_at_all(folder: Path, tmp_path: Path) -> None:
    here = ("--fleet", str(folder))
    (stolen,) = enrolled_devices(folder, 1)
    copy = tmp_path / "copy.sqlite"
    shutil.copy(folder / "fleet.sqlite", copy)
    (later,) = enrolled_devices(folder, 1)
    for device in (stolen, later):
        ask("device", "retire", device.id, "--reason", "stolen from site 4", *here)
    assert (folder / "retired.jsonl").stat().st_mode & 0o077 == 0
    with (folder / "retired.jsonl").open("a") as file:
        file.write('{"id": "half')  # the power went: that retirement was not answered
    for ending in ("", "-wal", "-shm"):
        (folder / f"fleet.sqlite{ending}").unlink(missing_ok=True)
    assert ask("restore", *here, "--backup", str(copy)).output.count("retired again: ") == 2
    assert "retired again" not in ask("restore", *here).output
    for device in (stolen, later):
        shown = json.loads(ask("devices", device.id, "--json", *here).output)["history"]["device"]
        assert shown["status"] == "retired"
        assert "stolen from site 4" in shown["quarantine_reason"]
        assert enrol_again(folder, device) == 410


@pytest.mark.slow
def test_a_plan_that_was_signed_here_is_begun_from_elsewhere_without_folder_or_keys(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = ask("rollout", "start", "--sign-only", "--id", "spring", "--fleet", str(folder)).output
    assert "--signed spring" in text
    with local_client(folder) as desk:
        operator = desk.ask(OperatorMade, "POST", "/v1/fleet/operators", NewOperator(name="ada", role="operator"))
    token = tmp_path / "ada.token"
    token.write_text(operator.token)
    server = Server(folder).wait()
    afar = ("--url", server.address, "--token-file", str(token))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    try:
        with pytest.raises(
            EdgewrightError, match=r"offline keys to sign a plan, got --url .* alone - at .*--sign-only"
        ):
            ask("rollout", "start", *afar)
        with pytest.raises(EdgewrightError, match="a plan that was signed offline and published, got 'autumn'"):
            ask("rollout", "start", *afar, "--signed", "autumn")
        seen = json.loads(ask("rollout", "start", *afar, "--signed", "spring", "--json").output)
        assert (seen["plan"], seen["state"], seen["started_by"]) == ("spring", "running", "ada")
        assert "spring: main 2" in ask("rollout", "start", *afar, "--signed", "spring").output  # the same again
        for words in (
            ("rollout", "status"), ("rollout", "pause"), ("rollout", "resume"), ("rollout", "abort"), ("devices",),
            ("audit", "show"), ("audit", "verify"), ("token", "list"), ("watch", "--once"),
        ):  # fmt: skip
            assert ask(*words, *afar).output, words
    finally:
        assert server.end() == 0


@pytest.mark.parametrize(
    "words", [("publish", "x.edge"), ("releases",), ("key", "rotate", "root"), ("stick", "write", "x")]
)
def test_a_command_that_needs_the_folder_says_so(words: tuple[str, ...], cli: Cli) -> None:
    text = cli("fleet", *words, "--url", "https://fleet.example", code=2)
    assert "expected the fleet's own folder, got --url - at fleet " in text
    assert "run it on that machine" in text


def test_what_a_plan_finds_is_printed_before_it_is_signed(folder: Path) -> None:
    here = ("--fleet", str(folder))
    enrolled_devices(folder, 20)
    printed = ask("rollout", "start", *here, "--dry-run").stderr
    assert "found from" in printed
    assert "kills one device in four is found only in stage 3 '100', after it began on up to 20 devices" in printed
    assert "shows within 1 d of the activation shows before the next stage begins" in printed
    assert "takes 3.12 d at least" in printed
    rows = json.loads(ask("rollout", "start", *here, "--dry-run", "--json", "--find-within", "1h").stdout)
    assert [(row["name"], row["dwell"], row["tolerated"]) for row in rows] == [
        ("canary", 7200.0, 0), ("50", 7200.0, 0), ("100", 7200.0, 0)
    ]  # fmt: skip
    assert (
        "WARNING: a fault that shows later than 1 h"
        in ask("rollout", "start", *here, "--dry-run", "--find-within", "1h").stderr
    )
    with pytest.raises(EdgewrightError, match="at least 25 h, to find faults that show within 1 d"):
        ask("rollout", "start", *here, "--find-within", "24h", "--dwell", "1h")
    assert not (folder / "public" / "targets" / "plans").exists()
    ask("rollout", "start", *here, "--id", "usual")
    seen = json.loads(ask("rollout", "status", *here, "usual", "--json").stdout)
    assert [row["devices"] for row in seen["rollouts"][0]["detection"]] == [4, 10, 20]
    assert "found from" in ask("rollout", "status", *here, "usual").stdout


def test_a_stated_percentage_is_kept_although_it_marks_the_default_in_a_plan(folder: Path, tmp_path: Path) -> None:
    enrolled_devices(folder, 200)
    files = {"stated": "unconfirmed = 1.99\n", "other": "pace = 5.0\n"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    def quorums(*words: str) -> list[int]:
        text = ask("rollout", "start", "--fleet", str(folder), "--dry-run", "--json", *words).stdout
        return [row["quorum"] for row in json.loads(text)]

    assert min(quorums()) > 0 and quorums("--plan", str(tmp_path / "other")) == quorums()
    for words in (("--unconfirmed", "1.99%"), ("--plan", str(tmp_path / "stated"))):
        assert set(quorums(*words)) == {0}


def test_a_folder_that_no_control_plane_serves_gets_no_database_by_planning(folder: Path) -> None:
    assert not (folder / "fleet.sqlite").exists()
    printed = ask("rollout", "start", "--fleet", str(folder), "--dry-run").stderr
    assert "what the stages find is unknown" in printed
    assert not (folder / "fleet.sqlite").exists()
