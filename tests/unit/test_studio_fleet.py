"""The studio's pages of a fleet: what they show, sort and filter, what they ask before they stop a rollout."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli_runner import Cli
from edgewright.schema.fleet_api import AuditPage
from edgewright.schema.fleet_watch import RolloutSeen, SteerRollout
from edgewright.studio.view import fleet as view
from edgewright.studio.view.fleet import colours, line, pieces
from studio_example import Client, client
from watched_fleet import HOSTILE, PLAN, Watched, asked_of, watched

pytestmark = pytest.mark.slow
ROLLOUT = f"/fleet/rollout/{PLAN}"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with watched(tmp_path_factory.mktemp("studio-fleet")) as made:
        yield made


@pytest.fixture
def studio(fleet: Watched, tmp_path: Path) -> Client:
    return client(tmp_path / "runs", fleet=fleet.folder)


def page(studio: Client, address: str, status: int = 200) -> str:
    answer = studio.get(address)
    assert answer.status_code == status, answer.text
    return answer.text


def names(text: str) -> list[str]:
    return re.findall(r'<th scope="row" class="main"><a href="/fleet/device/[0-9a-f]{32}">([^<]+)</a>', text)


def test_without_a_fleet_the_page_says_how_to_make_one(tmp_path: Path) -> None:
    studio = client(tmp_path)
    for address in ("/fleet", "/fleet/devices", ROLLOUT):
        text = page(studio, address)
        assert "No fleet selected" in text
        assert "edgewright fleet init" in text
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
    made = Watched(tmp_path, 0, 60.0)
    try:
        studio = client(tmp_path / "runs", fleet=made.folder)
        text = page(studio, "/fleet")
        assert "No devices yet" in text
        assert "No rollouts yet" in text
        assert "No devices yet" in page(studio, "/fleet/devices")
    finally:
        made.close()


def test_the_map_counts_devices_by_every_trait_and_sorts(studio: Client, fleet: Watched) -> None:
    text = page(studio, "/fleet")
    assert "30 devices" in text
    rows = re.findall(r'<a href="/fleet/devices\?tag=([a-z-]+)">\1</a></th>\s*<td[^>]*>(\d+)</td>', text)
    assert [int(count) for _, count in rows] == sorted((int(count) for _, count in rows), reverse=True)
    named = page(studio, "/fleet?sort=name&order=up")
    found = re.findall(r'<a href="/fleet/devices\?tag=([a-z-]+)">\1</a></th>', named)
    assert found == sorted(found)
    assert 'aria-sort="ascending"' in named
    for by in ("profile", "product", "batch", "version", "phase", "nonsense"):
        assert "Versions" in page(studio, f"/fleet?by={by}")
    for drawn in re.findall(r'<svg class="share".*?</svg>', text, re.DOTALL):
        assert sum(float(width) for width in re.findall(r'width="([\d.]+)"', drawn)) == pytest.approx(100.0, abs=0.01)


def test_what_devices_say_stays_text(studio: Client, fleet: Watched) -> None:
    drifting = next(one.id for one in fleet.devices[:-1] if one not in fleet.canaries())
    for address in ("/fleet", f"/fleet/device/{drifting}"):
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


def test_a_rollout_shows_stages_gates_and_devices(studio: Client) -> None:
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
    page(studio, f"{ROLLOUT}/resume", 404)
    assert studio.post(f"{ROLLOUT}/resume", data={}).status_code == 404


def seen(fleet: Watched) -> RolloutSeen:
    return asked_of(fleet.folder, RolloutSeen, "GET", f"/v1/fleet/rollouts/{PLAN}")


def test_nothing_is_stopped_by_looking_or_from_elsewhere(studio: Client, fleet: Watched) -> None:
    assert "Pause winter?" in page(studio, f"{ROLLOUT}/pause")
    sure = page(studio, f"{ROLLOUT}/abort")
    assert "This cannot be undone" in sure
    for origin in ("http://evil.example", ""):
        assert studio.post(f"{ROLLOUT}/abort", data={"revert": "yes"}, headers={"origin": origin}).status_code == 403
    assert seen(fleet).state == "running"


def test_a_pause_asks_says_who_and_is_ended_by_a_person_only(studio: Client, fleet: Watched) -> None:
    answer = studio.post(f"{ROLLOUT}/pause", data={"why": f"too many alarms {HOSTILE}"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{ROLLOUT}?done=pause")
    text = page(studio, f"{ROLLOUT}?done=pause")
    assert "Done: it is paused" in text
    assert "too many alarms &lt;img" in text
    assert "edgewright fleet rollout resume winter" in text
    assert f"{ROLLOUT}/pause" not in text
    assert "There is nothing to pause" in page(studio, f"{ROLLOUT}/pause")
    row = asked_of(fleet.folder, AuditPage, "GET", "/v1/fleet/audit?limit=1").rows[0]
    assert (row.what, row.subject) == ("rollout.paused", PLAN)
    assert row.who.startswith("local:")
    again = SteerRollout(why="looked into")
    assert asked_of(fleet.folder, RolloutSeen, "POST", f"/v1/fleet/rollouts/{PLAN}/resume", again).state == "running"


def test_an_abort_calls_devices_back_and_is_the_last_word(studio: Client, fleet: Watched) -> None:
    answer = studio.post(f"{ROLLOUT}/abort", data={"why": "worse", "revert": "yes"})
    assert answer.status_code == 303
    found = seen(fleet)
    assert (found.state, found.revert) == ("aborted", True)
    text = page(studio, ROLLOUT)
    assert "called back" in text
    assert f"{ROLLOUT}/abort" not in text
    late = studio.post(f"{ROLLOUT}/pause", data={"why": "again"})
    assert late.status_code == 409
    assert 'role="alert"' in late.text


def test_drawings_are_whole() -> None:
    known = colours([1, 5, 3, 3])
    assert known == {5: 0, 3: 1, 1: 2}
    drawn = pieces({1: 1, 3: 2, 5: 1}, known)
    assert [(one.counter, one.start, one.width) for one in drawn] == [(5, 0, 25), (3, 25, 50), (1, 75, 25)]
    assert pieces({}, known) == []
    assert line("x", [], "") is None
    assert line("x", [(0.0, float("nan"))], "") is None
    single = line("x", [(5.0, 0.002)], "s")
    assert single is not None
    assert single[1:] == ("2 ms", "2 ms")
    many = line("x", [(float(at), at % 7 / 10) for at in range(1000)], "share")
    assert many is not None
    assert many[2] == "60 %"
