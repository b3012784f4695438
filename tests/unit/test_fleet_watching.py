"""What operators are told of a fleet: over the API, as a list, as a device's history, and as a picture that changes."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgewright.cli.commands.fleet.watch import Changes, Snapshot, looks, picture, shown, taken_snapshot
from edgewright.cli.main import run
from edgewright.core.errors import OutputError
from edgewright.fleet.server.api.client import local_client
from edgewright.fleet.server.database.tables import devices
from edgewright.fleet.server.views import whereabouts
from fleet_plane import plane_of
from studio_server import START
from watched_fleet import HOSTILE, PLAN, Watched, asked_of, awaited, in_thread, watched

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with watched(tmp_path_factory.mktemp("watching")) as example:
        yield example


def ask(fleet: Watched, path: str) -> Any:  # noqa: ANN401 - of any endpoint
    answer = awaited(fleet.client.ask("GET", path, local=True))
    assert answer.status_code == 200, answer.text
    return answer.json()


def listed(fleet: Watched, *options: str) -> dict[str, Any]:
    page: dict[str, Any] = ask(fleet, f"/v1/fleet/devices?limit=1000{''.join(f'&{o}' for o in options)}")
    return page


def by_name(fleet: Watched) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in listed(fleet)["devices"]}


def test_every_trait_counts_every_device_once_and_tags_as_often_as_they_are_had(fleet: Watched) -> None:
    everything = listed(fleet)["devices"]
    for by in ("product", "profile", "batch", "version", "phase"):
        parts = ask(fleet, f"/v1/fleet/spread?by={by}")["parts"]
        assert sum(part["total"] for part in parts) == len(everything), by
        assert all(sum(part["counters"].values()) == part["total"] for part in parts)
    tags = {part["value"]: part for part in ask(fleet, "/v1/fleet/spread?by=tag")["parts"]}
    for tag, part in tags.items():
        having = [one for one in everything if tag in one["tags"]]
        assert part["total"] == len(having)
        newest = sum(one["counter"] == fleet.new.counter for one in having)
        assert part["counters"].get(str(fleet.new.counter), 0) == newest
    short = ask(fleet, "/v1/fleet/spread?by=tag&limit=2")
    assert len(short["parts"]) == 2
    assert short["more"] == len(tags) - 2
    assert ask(fleet, "/v1/fleet/spread?product=nothing")["parts"] == []


def test_what_needs_a_look_is_named_with_numbers(fleet: Watched) -> None:
    attention = ask(fleet, "/v1/fleet/attention?silence=7000")
    drifting = attention["drifting"]
    assert len(drifting) == attention["totals"]["drifting"] == 1
    assert drifting[0]["value"] == pytest.approx(2 / 6)
    assert attention["channels"] == {"current": 1, HOSTILE: 1}
    # Four alarms and one crash in a report of an hour.
    assert attention["alarming"][0]["value"] == pytest.approx(96.0)
    assert attention["crashing"][0]["value"] == pytest.approx(24.0)
    assert [one["id"] for one in attention["silent"]] == [fleet.devices[-1].id]
    assert "two devices have this key" in attention["quarantined"][0]["what"]
    ids = {one["id"] for kind in ("drifting", "alarming", "crashing", "silent") for one in attention[kind]}
    assert attention["quarantined"][0]["id"] not in ids


def test_events_are_the_newest_and_those_of_a_plan_or_a_device_are_its_own(fleet: Watched) -> None:
    events = ask(fleet, "/v1/fleet/events?limit=500")["events"]
    assert [one["at"] for one in events] == sorted((one["at"] for one in events), reverse=True)
    kinds = {one["kind"] for one in events}
    assert {"outcome", "alarm", "rollout.started", "rollout.stage", "device.quarantined"} <= kinds
    assert not kinds & {"device.enrolled", "token.made", "metadata.taken"}
    assert len({one["key"] for one in events}) == len(events)
    of_plan = ask(fleet, f"/v1/fleet/events?plan={PLAN}&limit=500")["events"]
    assert {one["kind"] for one in of_plan} == {"outcome", "rollout.started", "rollout.stage"}
    one = fleet.canaries()[0]
    of_device = ask(fleet, f"/v1/fleet/events?device={one.id}")["events"]
    assert [e["text"] for e in of_device] == [
        "reverted release 2 (latency: p99 0.62 s, at most 0.5 s)", "activated release 2", "tested release 2",
        "device enrolled by enrolment",
    ]  # fmt: skip
    alarms = ask(fleet, "/v1/fleet/events?kind=alarm")["events"]
    assert [e["text"] for e in alarms] == ["alarm leak on pump-1", "alarm worn on pump-1"]
    assert len(ask(fleet, "/v1/fleet/events?limit=3")["events"]) == 3


def test_the_control_plane_says_why_with_the_rule_of_the_devices(fleet: Watched) -> None:
    back = ask(fleet, f"/v1/fleet/devices/{fleet.canaries()[0].id}/whereabouts")
    assert back["rollouts"][0]["why"] == f"release {fleet.new.counter} failed here before"
    assert back["intents"][0]["go"] is True
    done = ask(fleet, f"/v1/fleet/devices/{fleet.canaries()[1].id}/whereabouts")
    assert done["rollouts"][0]["why"] == f"release {fleet.new.counter} is active"
    for one in fleet.devices:
        word = ask(fleet, f"/v1/fleet/devices/{one.id}/whereabouts")["rollouts"][0]
        if word["why"].startswith("place"):
            # The canary is over: half of the devices are meant now.
            assert word["go"] is (word["place"] < 50.0)


def test_a_device_that_is_not_there_has_no_whereabouts(fleet: Watched) -> None:
    for path in (f"{'0' * 32}/whereabouts", "short/whereabouts"):
        assert awaited(fleet.client.ask("GET", f"/v1/fleet/devices/{path}", local=True)).status_code == 404
    refused = awaited(fleet.client.ask("GET", f"/v1/fleet/devices/{fleet.devices[0].id}/whereabouts"))
    assert refused.status_code == 401


def test_without_rollouts_nothing_is_made_up(tmp_path: Path) -> None:
    with plane_of(tmp_path) as plane, plane.database.reading() as connection:
        row = dict.fromkeys(devices.c.keys(), "") | {"given": (), "counter": 0, "floor": 0}
        location = whereabouts(connection, row, 0.0)
        assert (location.rollouts, location.intents) == ((), ())


def run_cli(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = in_thread(lambda: run(list(arguments)))
    out = capsys.readouterr()
    return code, out.out, out.err


def test_devices_lists_filters_sorts_and_pages(fleet: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    here = ("--fleet", str(fleet.folder))
    code, out, _ = run_cli(capsys, "fleet", "devices", *here, "--limit", "7")
    assert code == 0
    assert out.splitlines()[-1] == "1 to 7 of 30; next page: --after 7"
    code, rest, _ = run_cli(capsys, "fleet", "devices", *here, "--after", "7")
    names = [line.split()[0] for line in (out.splitlines()[1:8] + rest.splitlines()[1:-1])]
    assert names == sorted(by_name(fleet))
    _, out, _ = run_cli(capsys, "fleet", "devices", *here, "--tag", "south", "--sort", "-counter", "--json")
    document = json.loads(out)["devices"]
    assert document
    assert all("south" in one["tags"] for one in document)
    assert [one["counter"] for one in document] == sorted((one["counter"] for one in document), reverse=True)
    _, out, _ = run_cli(capsys, "fleet", "devices", *here, "--quarantined")
    assert "quarantined: two devices have this key" in out
    assert out.splitlines()[-1] == "1 device"
    _, out, _ = run_cli(capsys, "fleet", "devices", *here, "--silent", "7000s")
    assert "enrolled, never reported" in out
    _, out, _ = run_cli(capsys, "fleet", "devices", *here, "--counter", "99")
    assert out == "no device matches\n"
    code, _, err = run_cli(capsys, "fleet", "devices", *here, "--silent", "soon")
    assert code == 2
    assert "90s, 15m, 12h or 7d" in err


def test_a_device_is_found_by_name_or_id_and_tells_its_history(
    fleet: Watched, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    here = ("--fleet", str(fleet.folder))
    one = next(d for d in listed(fleet)["devices"] if d["id"] == fleet.canaries()[0].id)
    code, by_its_name, _ = run_cli(capsys, "fleet", "devices", one["name"], *here)
    assert code == 0
    _, by_id, _ = run_cli(capsys, "fleet", "devices", one["id"], *here)
    assert by_id == by_its_name
    for word in ("failed here before", "p99 0.62 s", "may activate", "1,800 windows", "floor 1"):
        assert word in by_id
    _, out, _ = run_cli(capsys, "fleet", "devices", one["id"], "--json", *here)
    assert set(json.loads(out)) == {"history", "whereabouts", "events"}
    for wrong in ("south", "0" * 32, "nobody"):
        code, _, err = run_cli(capsys, "fleet", "devices", wrong, *here)
        assert (code, err.count("\n")) == (2, 1), err


def test_text_of_a_device_moves_no_terminal(fleet: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    one = fleet.devices[-2]
    fleet.report([one], why="\x1b[2J\x1b[31mred")
    for arguments in (("devices", "--limit", "1000"), ("devices", one.id), ("watch", "--once")):
        _, out, _ = run_cli(capsys, "fleet", *arguments, "--fleet", str(fleet.folder))
        assert "\x1b" not in out


def snapshot(fleet: Watched) -> Snapshot:
    def look() -> Snapshot:
        with local_client(fleet.folder) as desk:
            return taken_snapshot(desk, time.time(), 86_400.0, 12)

    return in_thread(look)


def test_the_picture_fits_its_screen_and_says_where_the_rollout_is(fleet: Watched) -> None:
    seen = snapshot(fleet)
    for width, height in ((160, 60), (80, 24), (30, 8)):
        lines = picture(seen, width, height)
        assert len(lines) <= height
        assert max(map(len, lines)) <= width
    whole = "\n".join(picture(seen, 160, 100))
    for word in ("30 devices", "RUNNING", "canary", ">  half", "9 allowed", "gate pass", "look at: 1 drift"):
        assert word in whole


def test_the_newest_of_a_product_is_shown_when_none_is_under_way(fleet: Watched) -> None:
    one = snapshot(fleet).rollouts[0]
    over = [msgspec.structs.replace(one, plan=name, state="finished") for name in ("new", "old")]
    assert [seen.plan for seen in shown(tuple(over))] == ["new"]
    other = msgspec.structs.replace(one, plan="other", product="valve", state="aborted")
    assert [seen.plan for seen in shown((one, *over, other))] == [one.plan, "other"]


def test_a_line_for_each_change_and_none_where_nothing_changed(fleet: Watched) -> None:
    seen, changes = snapshot(fleet), Changes()
    first = changes.of(seen)
    assert any("rollout winter: running at stage 2 of 3 'half'" in line for line in first)
    assert not any("alarm" in line for line in first), "what lies in the past is no change"
    assert changes.of(seen) == []
    event = msgspec.structs.replace(seen.events[0], key="new", kind="alarm", subject="pump", text="alarm leak")
    stopped = msgspec.structs.replace(seen.rollouts[0], state="aborted", why="worse", revert=True)
    later = msgspec.structs.replace(seen, rollouts=(stopped,), events=(event, *seen.events))
    lines = changes.of(later)
    assert len(lines) == 2
    assert "aborted at stage 2 of 3" in lines[0]
    assert "devices are called back" in lines[0]
    assert lines[1].endswith("alarm pump: alarm leak")
    assert (changes.over(seen), changes.over(later), changes.aborted) == (False, True, {PLAN})


class Away:
    """A control plane that answers as it is told to."""

    def __init__(self, fleet: Watched) -> None:
        self.fleet, self.there, self.notes = fleet, True, list[str]()

    def ask(self, kind: Any, method: str, path: str) -> Any:  # noqa: ANN401 - of any endpoint
        if not self.there:
            raise OutputError("an answer of the control plane", "refused")
        return asked_of(self.fleet.folder, kind, method, path)

    def note(self, line: str) -> None:
        self.notes.append(line)


def test_a_control_plane_that_is_away_is_told_once_and_asked_again(fleet: Watched) -> None:
    away: Any = Away(fleet)
    seen = looks(away, 86_400.0, away)
    assert next(seen) is not None
    away.there = False
    assert [next(seen) for _ in range(3)] == [None] * 3
    assert len(away.notes) == 1
    away.there = True
    assert next(seen) is not None
    away.there = False
    assert next(seen) is None
    assert len(away.notes) == 2
    with pytest.raises(OutputError):
        next(looks(away, 86_400.0, away))


def test_watching_a_pipe_ends_with_130_at_ctrl_c(fleet: Watched) -> None:
    command = [sys.executable, "-u", "-c", START, "fleet", "watch", "--every", "1s", "--fleet", str(fleet.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "rollout winter: running" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert process.returncode == 130
        assert "Traceback" not in out + err


def test_watching_on_a_terminal_draws_over_the_last_picture(fleet: Watched) -> None:
    command = [sys.executable, "-u", "-c", START, "fleet", "watch", "--every", "1s"]
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*command, "--fleet", str(fleet.folder)], stdout=theirs, stderr=subprocess.DEVNULL, close_fds=True,
        env={**os.environ, "COLUMNS": "100", "LINES": "40"},
    ) as process:  # fmt: skip
        os.close(theirs)
        text = b""
        while text.count(b"30 devices") < 2:
            text += os.read(ours, 65_536)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
        os.close(ours)
        assert process.returncode == 130
    second = text[text.index(b"30 devices") + 1 :]
    assert b"F\x1b[J" in second[: second.index(b"30 devices")]
    assert max(len(line) for line in text.decode().replace("\r", "").split("\n")) < 120


def test_watching_until_it_is_over_ends_at_once_where_nothing_is_under_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    watched = Watched(tmp_path, 0, 60.0)
    try:
        code, out, _ = run_cli(capsys, "fleet", "watch", "--until-over", "--fleet", str(watched.folder))
        assert (code, "in quarantine: 0" in out) == (0, True)
        code, out, _ = run_cli(capsys, "fleet", "watch", "--once", "--fleet", str(watched.folder))
        assert "no rollout was started yet" in out
        code, out, _ = run_cli(capsys, "fleet", "devices", "--fleet", str(watched.folder))
        assert out == "no device matches\n"
    finally:
        watched.close()
    code, _, err = run_cli(capsys, "fleet", "watch", "--once", "--fleet", str(tmp_path / "nothing"))
    assert (code, err.count("\n")) == (2, 1)
