"""The studio's pages of a fleet: what they show, sort and filter, what they ask before they stop a rollout."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from cli_runner import Cli
from edgewright.fleet.protocol.api_records import AuditPage
from edgewright.fleet.protocol.plans.gates import reason
from edgewright.fleet.protocol.rollout_records import (
    AbortRollout,
    GateSeen,
    RolloutMap,
    RolloutSeen,
    StageDevices,
)
from edgewright.fleet.server.rollouts.scheduler import MAX_POINTS, extended, points_of
from edgewright.studio.pages import fleet as view
from edgewright.studio.pages.fleet import counts_text, line
from studio_example import Client, client
from watched_fleet import HOSTILE, PLAN, Watched, asked_of, watched

pytestmark = pytest.mark.slow
ROLLOUT = f"/fleet/rollout/{PLAN}"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with watched(tmp_path_factory.mktemp("studio-fleet")) as example:
        yield example


@pytest.fixture
def studio(fleet: Watched, tmp_path: Path) -> Client:
    return client(tmp_path / "runs", fleet=fleet.folder)


def page(studio: Client, address: str, status: int = 200) -> str:
    answer = studio.get(address)
    assert answer.status_code == status, answer.text
    return answer.text


def sent(studio: Client, folder: Path, address: str, fields: dict[str, str]) -> httpx.Response:
    """Send a form of a page that shows the fleet of a folder."""
    return studio.post(address, data={"fleet": str(folder), **fields})


def names(text: str) -> list[str]:
    return re.findall(r'<th scope="row" class="main"><a href="/fleet/device/[0-9a-f]{32}">([^<]+)</a>', text)


def test_without_a_fleet_the_pages_say_how_to_open_one(tmp_path: Path) -> None:
    studio = client(tmp_path)
    for address in ("/fleet", "/fleet/devices", ROLLOUT):
        assert "edgewright studio --fleet" in page(studio, address)


def test_a_missing_library_is_named_with_its_extra(studio: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(module: str) -> Any:  # noqa: ANN401 - never gives anything
        raise ModuleNotFoundError("no", name="sqlalchemy")

    monkeypatch.setattr(view, "import_module", late)
    text = page(studio, "/fleet", 501)
    assert "sqlalchemy" in text
    assert "edgewright[fleet]" in text


def test_a_folder_that_is_no_fleet_is_refused_before_the_studio_starts(
    tmp_path: Path, cli: Cli
) -> None:  # fmt: skip
    assert "edgewright fleet init" in cli("studio", tmp_path, "--fleet", tmp_path / "no", "--no-open", code=2)


def test_a_fleet_that_went_away_is_a_sentence(tmp_path: Path) -> None:
    text = page(client(tmp_path, fleet=tmp_path / "gone"), "/fleet", 400)
    assert "the folder of a fleet" in text
    assert "Traceback" not in text


def test_an_empty_fleet_says_what_comes_next(tmp_path: Path) -> None:
    watched = Watched(tmp_path, 0, 60.0)
    try:
        studio = client(tmp_path / "runs", fleet=watched.folder)
        text = page(studio, "/fleet")
        assert "No devices yet" in text
        assert "No rollouts yet" in text
        assert "No devices yet" in page(studio, "/fleet/devices")
    finally:
        watched.close()


def test_what_devices_say_stays_text(studio: Client, fleet: Watched) -> None:
    drifting = next(one.id for one in fleet.devices[:-1] if one not in fleet.canaries())
    for address in (f"/fleet/device/{drifting}",):
        text = page(studio, address)
        assert "&lt;img src=x" in text
        assert HOSTILE not in text


def test_devices_are_filtered_sorted_and_paged_by_the_address(studio: Client, fleet: Watched) -> None:
    everything = names(page(studio, "/fleet/devices"))
    assert everything == sorted(everything)
    assert len(everything) == 30
    assert names(page(studio, "/fleet/devices?order=-name")) == everything[::-1]
    south = names(page(studio, "/fleet/devices?name=south"))
    assert south == [name for name in everything if name.startswith("south")]
    newest = names(page(studio, f"/fleet/devices?counter={fleet.new.counter}"))
    assert len(newest) == len(fleet.canaries()) - 1
    assert len(names(page(studio, "/fleet/devices?phase=quarantined"))) == 1
    assert len(names(page(studio, "/fleet/devices?phase=idle"))) == 29
    assert "No device matches" in page(studio, "/fleet/devices?tag=nowhere")
    for wrong in ("order=drop", "page=0", "page=-1", "page=9999999", "counter=x", "silent=1", "phase=dead"):
        assert len(names(page(studio, f"/fleet/devices?{wrong}"))) == 30
    assert "No device matches" in page(studio, "/fleet/devices?page=7")


def test_a_device_shows_why_and_what_happened(studio: Client, fleet: Watched) -> None:
    text = page(studio, f"/fleet/device/{fleet.canaries()[0].id}")
    for word in ("failed here before", "p99 0.62 s", "was allowed to", "its place is", "1800"):
        assert word in text
    silent = page(studio, f"/fleet/device/{fleet.devices[-1].id}")
    assert "No reports yet" in silent
    for wrong in ("0" * 32, "x", "..%2f..%2fetc"):
        page(studio, f"/fleet/device/{wrong}", 404)


def test_a_rollout_shows_stages_gates_and_devices(studio: Client, fleet: Watched) -> None:
    text = page(studio, ROLLOUT)
    assert "What the stages find" in text
    assert text.count("A release that kills one device in") == 3
    steps = re.findall(r'<li class="(\w+)"', text)
    assert steps == ["done", "now", "later"]
    assert text.count('class="state ready">pass') == 3  # two gates, and the health of the devices
    assert "have reported that they are healthy" in text
    for word in ("within the limit 30.0%", "Earliest end", "reverted"):
        assert word in text
    for wrong in ("nothing", "NO", "a%20b"):
        page(studio, f"/fleet/rollout/{wrong}", 404)
    page(studio, f"{ROLLOUT}/finish", 404)
    assert sent(studio, fleet.folder, f"{ROLLOUT}/finish", {}).status_code == 404


def test_a_rollout_counts_the_devices_of_each_state(studio: Client, fleet: Watched) -> None:
    canaries = len(fleet.canaries())
    for address in ("/fleet", ROLLOUT):
        text = page(studio, address)
        assert f"<p>{canaries - 1} healthy, 1 failed, {29 - canaries} waiting</p>" in text
        assert f"{canaries - 1} healthy, 1 failed;" in text.partition('<ol class="steps')[2]
        assert "1 device of the product is not part of it" in text  # in quarantine
        assert "Devices on which the release failed" in text
        assert "limit 30 %" in text


def test_only_devices_that_had_an_aborted_release_are_rolled_back(tmp_path: Path) -> None:
    watched = Watched(tmp_path, 30, 3 * 86_400.0)
    try:
        watched.report(watched.devices)
        watched.start(silence=600.0)
        watched.after(60.0)
        devices = watched.canaries()[:6]
        away, confirmed, tested, permitted, newer = devices[1:]  # the first one is never heard again
        watched.take(devices)
        watched.end([away, confirmed, newer])
        abort = AbortRollout(why="worse", revert=True)
        asked_of(watched.folder, RolloutSeen, "POST", f"/v1/fleet/rollouts/{PLAN}/abort", abort)
        watched.clock.now = time.time() - 60.0
        watched.end([tested], "reverted", "aborted")
        watched.report([permitted], counter=watched.old.counter)
        watched.report([confirmed], counter=watched.back.counter)
        watched.report([newer], counter=watched.back.counter + 1)
        stages = asked_of(watched.folder, RolloutMap, "GET", f"/v1/fleet/rollouts/{PLAN}/map").stages
        never_offered = len(watched.canaries()) - len(devices)
        assert stages[0].states == {"silent": 2, "returned": 2, "healthy": 1, "waiting": 1 + never_offered}
    finally:
        watched.close()


def test_a_stage_is_ended_by_hand_only_after_its_time_and_for_a_reason(studio: Client, fleet: Watched) -> None:
    assert f"{ROLLOUT}/promote" not in page(studio, ROLLOUT)
    assert "There is nothing to promote" in page(studio, f"{ROLLOUT}/promote")
    late = sent(studio, fleet.folder, f"{ROLLOUT}/promote", {"why": "now", "stage": "half"})
    assert late.status_code == 409
    assert "before its end" in late.text
    assert sent(studio, fleet.folder, f"{ROLLOUT}/promote", {"stage": "half"}).status_code == 400
    assert seen(fleet).stage == 1


def test_a_device_that_failed_may_retry_after_a_second_look(studio: Client, fleet: Watched) -> None:
    failed, healthy = (f"/fleet/device/{device.id}" for device in fleet.canaries()[:2])
    assert f"{failed}/retry" in page(studio, failed)
    assert f"{healthy}/retry" not in page(studio, healthy)
    assert "three times at most" in page(studio, f"{failed}/retry")
    answer = sent(studio, fleet.folder, f"{failed}/retry", {})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{failed}?done=retry")
    assert "may try the release again" in page(studio, f"{failed}?done=retry")
    assert sent(studio, fleet.folder, f"{healthy}/retry", {}).status_code == 409
    page(studio, f"/fleet/device/{'0' * 32}/retry", 404)


def seen(fleet: Watched) -> RolloutSeen:
    return asked_of(fleet.folder, RolloutSeen, "GET", f"/v1/fleet/rollouts/{PLAN}")


def test_nothing_is_stopped_by_looking_or_from_elsewhere(studio: Client, fleet: Watched) -> None:
    assert "Pause winter?" in page(studio, f"{ROLLOUT}/pause")
    sure = page(studio, f"{ROLLOUT}/abort")
    assert "This cannot be undone" in sure
    for origin in ("http://evil.example", ""):
        fields = {"fleet": str(fleet.folder), "revert": "yes"}
        assert studio.post(f"{ROLLOUT}/abort", data=fields, headers={"origin": origin}).status_code == 403
    assert seen(fleet).state == "running"


def test_a_pause_asks_says_who_and_is_ended_by_a_person_only(studio: Client, fleet: Watched) -> None:
    answer = sent(studio, fleet.folder, f"{ROLLOUT}/pause", {"why": f"too many alarms {HOSTILE}"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{ROLLOUT}?done=pause")
    text = page(studio, f"{ROLLOUT}?done=pause")
    assert "Done: it is paused" in text
    assert "too many alarms &lt;img" in text
    assert f"{ROLLOUT}/pause" not in text
    assert "There is nothing to pause" in page(studio, f"{ROLLOUT}/pause")
    row = asked_of(fleet.folder, AuditPage, "GET", "/v1/fleet/audit?limit=1").rows[0]
    assert (row.action, row.subject) == ("rollout.paused", PLAN)
    assert row.who.startswith("local:")
    sure = page(studio, f"{ROLLOUT}/resume")
    assert "it is for 21 devices, of which 12 wait" in sure
    assert sent(studio, fleet.folder, f"{ROLLOUT}/resume", {"why": "looked into"}).status_code == 303
    assert seen(fleet).state == "running"


def test_an_abort_calls_devices_back_and_is_the_last_word(studio: Client, fleet: Watched) -> None:
    answer = sent(studio, fleet.folder, f"{ROLLOUT}/abort", {"why": "worse", "revert": "yes"})
    assert answer.status_code == 303
    rollout = seen(fleet)
    assert (rollout.state, rollout.revert) == ("aborted", True)
    text = page(studio, ROLLOUT)
    assert "Aborted: worse." in text
    assert "go back to the one before" in text
    assert f"{ROLLOUT}/abort" not in text
    late = sent(studio, fleet.folder, f"{ROLLOUT}/pause", {"why": "again"})
    assert late.status_code == 409
    assert 'role="alert"' in late.text


def test_drawings_are_whole() -> None:
    assert line("x", [], "") is None
    assert line("x", [(0.0, float("nan"))], "") is None
    single = line("x", [(5.0, 0.002)], "s")
    assert single is not None
    assert single[1:] == ("2 ms", "2 ms")
    many = line("x", [(float(at), at % 7 / 10) for at in range(1000)], "share")
    assert many is not None
    assert many[2] == "60 %"


def test_the_states_of_devices_are_counted() -> None:
    parts = tuple(StageDevices(name=str(n), states={"waiting": 2499, "failed": 1}) for n in range(4))
    assert counts_text(parts) == "4 failed, 9,996 waiting"
    assert counts_text(()) == "no device"


def test_a_halt_is_explained_in_one_sentence(studio: Client, fleet: Watched) -> None:
    running = seen(fleet)
    gate = GateSeen(measure="latency", verdict="fail", value=0.62, allowed=0.05, counted=7, why="latency: too slow")
    halted = msgspec.structs.replace(running, state="aborted", stage=0, why="latency: too slow", gates=(gate,))
    assert reason(halted) == ("Halted in stage 'canary': p99 latency is 0.62 s, and the limit is 50.0 ms.")
    health = GateSeen(measure="confirmed", verdict="fail", value=0.3, counted=3, needed=8, why="confirmed: 3 of 9")
    dead = msgspec.structs.replace(halted, why="confirmed: 3 of 9", gates=(health,))
    assert reason(dead) == "Halted in stage 'canary': only 3 devices reported to be healthy, and 8 must."
    share = msgspec.structs.replace(gate, measure="failed", value=0.57, allowed=0.3)
    failed = msgspec.structs.replace(halted, gates=(share,))
    assert reason(failed) == (
        "Halted in stage 'canary': the release failed on 57 % of 7 devices, and the limit is 30 %."
    )
    assert reason(msgspec.structs.replace(halted, gates=(), why="by hand")) == "Aborted: by hand."


def test_a_gate_history_keeps_the_newest_points_and_thins_the_others() -> None:
    text = extended("[]", 1.0, (GateSeen(measure="failed", verdict="hold"),))
    assert text == "[]"
    for at in range(500):
        text = extended(text, float(at), (GateSeen(measure="failed", verdict="pass", value=at / 500, allowed=0.3),))
    points = points_of(text)
    assert len(points) <= MAX_POINTS
    assert [point.at for point in points[-40:]] == [float(at) for at in range(460, 500)]
    assert points[0].at == 0.0
    assert points[-1].values == {"failed": (0.998, 0.3)}


def test_a_gate_history_takes_no_number_that_json_lacks() -> None:
    infinite = GateSeen(measure="latency", verdict="fail", value=math.inf, allowed=0.5)
    limitless = GateSeen(measure="memory", verdict="fail", value=1.0, allowed=math.nan)
    assert extended("[]", 1.0, (infinite, limitless)) == "[]"
    known = GateSeen(measure="failed", verdict="pass", value=0.1)
    damaged = '[{"at":1.0,"values":{"latency":[null,0.5]}}]'
    assert points_of(damaged) == ()
    (point,) = points_of(extended(damaged, 2.0, (infinite, known)))
    assert (point.at, point.values) == (2.0, {"failed": (0.1, None)})
