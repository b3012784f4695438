"""The studio's pages of a fleet: what they show, sort and filter, what they ask before they stop a rollout."""

from __future__ import annotations

import hashlib
import math
import re
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import msgspec
import pytest

from cli_runner import Cli
from edgewright.fleet.protocol.plans.reasons import reason
from edgewright.fleet.repository.creation import USUAL, create_fleet
from edgewright.fleet.repository.operations import plan_of, publish, releases_of, sign_plan
from edgewright.fleet.server.rollouts.scheduler import MAX_POINTS, extended, points_of
from edgewright.fleet.simulator.practice import (
    create_practice,
    plan_options,
    practice_settings,
    practise,
    write_settings,
)
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_api import AuditPage
from edgewright.schema.fleet_folder import FleetSettings
from edgewright.schema.fleet_watch import (
    AbortRollout,
    GateSeen,
    RolloutMap,
    RolloutSeen,
    StageDevices,
    StartRollout,
)
from edgewright.studio.pages import fleet as view
from edgewright.studio.pages.fleet import colours, line, pieces
from edgewright.studio.view.fleet_map import dot_size, draw_map
from fleet_folder import package
from studio_example import Client, client, record
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


def test_without_a_fleet_the_page_creates_one(tmp_path: Path) -> None:
    studio = client(tmp_path)
    for address in ("/fleet", "/fleet/devices", ROLLOUT, "/fleet/new"):
        text = page(studio, address)
        assert "Practise with simulated devices" in text
        assert "edgewright studio --fleet" in text


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


def test_versions_are_counted_by_every_trait_and_sorts(studio: Client, fleet: Watched) -> None:
    text = page(studio, "/fleet/versions")
    assert "30 devices" in text
    rows = re.findall(r'<a href="/fleet/devices\?tag=([a-z-]+)">\1</a></th>\s*<td[^>]*>(\d+)</td>', text)
    assert [int(count) for _, count in rows] == sorted((int(count) for _, count in rows), reverse=True)
    named = page(studio, "/fleet/versions?sort=name&order=up")
    matches = re.findall(r'<a href="/fleet/devices\?tag=([a-z-]+)">\1</a></th>', named)
    assert matches == sorted(matches)
    assert 'aria-sort="ascending"' in named
    for by in ("profile", "product", "batch", "version", "phase", "nonsense"):
        assert "Versions" in page(studio, f"/fleet/versions?by={by}")
    for svg in re.findall(r'<svg class="share".*?</svg>', text, re.DOTALL):
        assert sum(float(width) for width in re.findall(r'width="([\d.]+)"', svg)) == pytest.approx(100.0, abs=0.01)


def test_what_devices_say_stays_text(studio: Client, fleet: Watched) -> None:
    drifting = next(one.id for one in fleet.devices[:-1] if one not in fleet.canaries())
    for address in ("/fleet/attention", f"/fleet/device/{drifting}"):
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


def test_the_map_has_a_dot_for_every_device(studio: Client, fleet: Watched) -> None:
    for address in ("/fleet", ROLLOUT):
        text = page(studio, address)
        dots = re.findall(r'<path class="(\w+)" d="((?:M[^"]*?)+)"/>', text.partition('<ol class="steps')[2])
        count = {state: sum(path.count("M") for kind, path in dots if kind == state) for state, _ in dots}
        assert count == {"healthy": len(fleet.canaries()) - 1, "failed": 1, "waiting": 29 - len(fleet.canaries())}
        assert "A dot is a device." in text
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
    known = colours([1, 5, 3, 3])
    assert known == {5: 0, 3: 1, 1: 2}
    segments = pieces({1: 1, 3: 2, 5: 1}, known)
    assert [(one.counter, one.start, one.width) for one in segments] == [(5, 0, 25), (3, 25, 50), (1, 75, 25)]
    assert pieces({}, known) == []
    assert line("x", [], "") is None
    assert line("x", [(0.0, float("nan"))], "") is None
    single = line("x", [(5.0, 0.002)], "s")
    assert single is not None
    assert single[1:] == ("2 ms", "2 ms")
    many = line("x", [(float(at), at % 7 / 10) for at in range(1000)], "share")
    assert many is not None
    assert many[2] == "60 %"


def test_ten_thousand_devices_are_a_thousand_dots() -> None:
    parts = tuple(StageDevices(name=str(n), states={"waiting": 2499, "failed": 1}) for n in range(4))
    rollout_map = draw_map(RolloutMap(stages=parts, outside=0))
    assert rollout_map.per_dot == 10
    assert [mark.count for mark in rollout_map.legend] == [4, 9996]
    for stage in rollout_map.stages:
        assert [mark.path.count("M5 5m") + mark.path.count("M") for mark in stage.marks][1] == 250
        assert stage.marks[0].state == "failed"
    assert sum(len(mark.path) for stage in rollout_map.stages for mark in stage.marks) < 15_000
    assert [dot_size(count) for count in (0, 1, 1000, 1001, 5001, 10_001, 1_000_000)] == [1, 1, 1, 2, 10, 20, 1000]


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


def new_fleet(tmp_path: Path, **fields: str) -> tuple[Client, Path]:
    """Return a studio with a fleet of real devices, and the fleet's folder."""
    studio = client(tmp_path / "runs")
    answer = studio.post("/fleet/new", data={"kind": "real", "name": "pumps", **fields})
    assert answer.status_code == 303, answer.text
    return studio, tmp_path / "runs" / ".edgewright" / "fleets" / "pumps"


def test_a_fleet_is_created_and_opened_in_the_browser(tmp_path: Path) -> None:
    studio, folder = new_fleet(tmp_path)
    assert (folder / "keys" / "offline" / "root-1.key").stat().st_mode & 0o777 == 0o600
    text = page(studio, "/fleet")
    assert "No devices yet" in text
    assert "simulated" not in text
    answer = sent(studio, folder, "/fleet/token", {})
    assert re.search(r"<pre>ew1\.[^<]{60,}</pre>", answer.text)
    assert sent(studio, folder, "/fleet/practice", {"act": "start"}).status_code == 404
    for name in ("pumps", "../evil", "Big", "", "a/b"):
        refused = studio.post("/fleet/new", data={"kind": "real", "name": name})
        assert refused.status_code == 400
        assert 'role="alert"' in refused.text
    another = studio.post("/fleet/new", data={"kind": "real", "name": "valves"})
    assert another.status_code == 303
    assert 'value="pumps"' in page(studio, "/fleet/new")
    assert studio.post("/fleet/open", data={"fleet": "pumps"}).status_code == 303
    assert studio.post("/fleet/open", data={"fleet": "../.."}).status_code == 404
    assert "Practise with" not in page(client(tmp_path / "runs"), "/fleet")  # a new studio shows the newest


def test_nothing_is_created_or_signed_from_another_site(tmp_path: Path) -> None:
    studio, folder = new_fleet(tmp_path)
    evil = {"origin": "http://evil.example"}
    for address in (
        "/fleet/new",
        "/fleet/open",
        "/fleet/practice",
        "/fleet/token",
        "/fleet/publish",
        "/fleet/roll-out",
    ):
        assert studio.post(address, data={"name": "x", "run": "pump"}, headers=evil).status_code == 403
    assert [path.name for path in folder.parent.iterdir()] == ["pumps"]


def test_a_run_is_published_and_rolled_out_after_a_second_look(tmp_path: Path) -> None:
    studio, folder = new_fleet(tmp_path)
    assert "No run has a package yet" in page(studio, "/fleet/publish")
    record(tmp_path / "runs", "pump")
    package(tmp_path / "runs" / "pump")
    assert "<option>pump</option>" in page(studio, "/fleet/publish")
    sha256 = hashlib.sha256((tmp_path / "runs" / "pump" / "activity-0.edge").read_bytes()).hexdigest()
    sure = page(studio, "/fleet/publish?run=pump")
    assert "becomes the first release" in sure
    assert str(folder / "keys") in sure
    assert "Fleet <b>pumps</b>" in sure
    assert f'name="sha256" value="{sha256}"' in sure
    other = sent(studio, folder, "/fleet/publish", {"run": "pump", "sha256": "0" * 64})
    assert other.status_code == 409
    assert "the package of the page before" in other.text
    assert "Nothing is published yet" in page(studio, "/fleet/roll-out")
    answer = sent(studio, folder, "/fleet/publish", {"run": "pump", "sha256": sha256})
    assert (answer.status_code, answer.headers["location"]) == (303, "/fleet/roll-out?release=1")
    assert "It is already published" in sent(studio, folder, "/fleet/publish", {"run": "pump", "sha256": sha256}).text
    assert sent(studio, folder, "/fleet/publish", {"run": "../../pump"}).status_code == 404
    assert "Sign and start" in page(studio, "/fleet/roll-out?release=1&pace=hour")
    assert sent(studio, folder, "/fleet/roll-out", {"release": "9", "pace": "day"}).status_code == 409
    answer = sent(studio, folder, "/fleet/roll-out", {"release": "1", "pace": "day"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/fleet")
    assert "running" in page(studio, "/fleet")
    assert "one rollout of a product at a time" in sent(studio, folder, "/fleet/roll-out", {"release": "1"}).text


def test_a_fleet_of_two_products_asks_for_one(tmp_path: Path) -> None:
    settings = FleetSettings(name="two", products=("pumps", "valves"))
    folder = create_fleet(tmp_path / "fleet", settings, USUAL, None, time.time())[0].folder
    studio = client(tmp_path / "runs", fleet=folder)
    assert '<select id="product" name="product">' in page(studio, "/fleet")
    assert sent(studio, folder, "/fleet/token", {}).status_code == 400
    assert "<pre>ew1." in sent(studio, folder, "/fleet/token", {"product": "valves"}).text
    record(tmp_path / "runs", "pump")
    sha256 = hashlib.sha256(package(tmp_path / "runs" / "pump").read_bytes()).hexdigest()
    assert "the first release of valves" in page(studio, "/fleet/publish?run=pump&product=valves")
    fields = {"run": "pump", "sha256": sha256}
    assert sent(studio, folder, "/fleet/publish", fields).status_code == 409
    answer = sent(studio, folder, "/fleet/publish", {**fields, "product": "valves"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/fleet/roll-out?release=1&product=valves")
    assert 'name="product" value="valves"' in page(studio, answer.headers["location"])
    assert "Nothing is published yet" in page(studio, "/fleet/roll-out?product=pumps")
    answer = sent(studio, folder, "/fleet/roll-out", {"release": "1", "pace": "day", "product": "valves"})
    assert answer.status_code == 303
    assert "valves 1" in page(studio, "/fleet")


def test_a_form_of_one_fleet_changes_no_other(tmp_path: Path) -> None:
    studio, folder = new_fleet(tmp_path)
    record(tmp_path / "runs", "pump")
    package(tmp_path / "runs" / "pump")
    forms = {
        address: dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page(studio, address)))
        for address in ("/fleet", "/fleet/publish?run=pump")
    }
    assert {fields["fleet"] for fields in forms.values()} == {str(folder)}
    assert studio.post("/fleet/new", data={"kind": "real", "name": "valves"}).status_code == 303
    plan = ("promote", "pause", "resume", "abort")
    for address, fields in (
        ("/fleet/publish", forms["/fleet/publish?run=pump"]), ("/fleet/token", forms["/fleet"]),
        ("/fleet/practice", {**forms["/fleet"], "act": "start"}),
        ("/fleet/roll-out", {**forms["/fleet"], "release": "1", "pace": "day"}),
        (f"/fleet/device/{'0' * 32}/retry", forms["/fleet"]),
        *((f"{ROLLOUT}/{act}", {**forms["/fleet"], "why": "x"}) for act in plan), ("/fleet/token", {}),
    ):  # fmt: skip
        answer = studio.post(address, data=fields)
        assert answer.status_code == 409, address
        assert "The studio now shows the fleet valves" in answer.text
    assert releases_of(folder) == releases_of(folder.parent / "valves") == []
    assert studio.post("/fleet/open", data={"fleet": "pumps"}).status_code == 303
    assert studio.post("/fleet/publish", data=forms["/fleet/publish?run=pump"]).status_code == 303
    assert len(releases_of(folder)) == 1


def test_a_key_that_was_moved_away_signs_nothing_here(tmp_path: Path) -> None:
    studio, folder = new_fleet(tmp_path)
    record(tmp_path / "runs", "pump")
    package(tmp_path / "runs" / "pump")
    for key in (folder / "keys" / "offline").glob("releases-*"):
        key.unlink()
    sha256 = hashlib.sha256((tmp_path / "runs" / "pump" / "activity-0.edge").read_bytes()).hexdigest()
    answer = sent(studio, folder, "/fleet/publish", {"run": "pump", "sha256": sha256})
    assert answer.status_code == 409
    assert "releases" in re.findall(r'role="alert">([^<]+)<', answer.text)[0]
    assert releases_of(folder) == []


def test_simulated_devices_follow_a_rollout_and_a_bad_one_is_halted(tmp_path: Path) -> None:
    folder, ended = tmp_path / "fleet", Event()
    create_practice(folder, "practice", "main", 12)
    settings = practice_settings(folder)
    assert settings is not None
    with pytest.raises(InputError, match="a fault to practise with"):
        write_settings(folder, msgspec.structs.replace(settings, faults={"2": "fire"}))
    write_settings(folder, msgspec.structs.replace(settings, faults={"2": "slow-model"}))
    started = Event()
    thread = Thread(target=lambda: practise(folder, lambda number: started.set(), ended))
    thread.start()
    try:
        assert started.wait(60.0)
        (tmp_path / "runs").mkdir()
        release = publish(folder, package(tmp_path / "runs"))
        plan = plan_of(folder, plan_options(), release.counter, 12)
        sign_plan(folder, plan)
        assert asked_of(folder, RolloutSeen, "POST", "/v1/fleet/rollouts", StartRollout(plan=plan.id)).under_way
        until = time.monotonic() + 120.0
        while (halted := asked_of(folder, RolloutSeen, "GET", f"/v1/fleet/rollouts/{plan.id}")).under_way:
            assert time.monotonic() < until, halted
            time.sleep(0.5)
        assert (halted.state, halted.revert) == ("aborted", True)
        assert reason(halted).startswith("Halted in stage '")
        assert halted.history
    finally:
        ended.set()
        thread.join(60.0)
    assert not thread.is_alive()
