"""A fleet in the studio in a real browser: read by everybody, on every screen, and stopped after a second look."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page

from looking import check_pages
from studio_server import started
from watched_fleet import PLAN, Watched, watched

pytestmark = pytest.mark.slow
Opener = Callable[..., Page]
ANSWERS = ("status of 404",)
ROLLOUT = f"/fleet/rollout/{PLAN}"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with watched(tmp_path_factory.mktemp("fleet")) as example:
        yield example


@pytest.fixture(scope="module")
def address(fleet: Watched, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with started(tmp_path_factory.mktemp("runs"), "--fleet", str(fleet.folder)) as (where, _):
        yield where


@pytest.fixture(scope="module")
def pages(fleet: Watched) -> tuple[str, ...]:
    device = "/fleet/device/"
    drifting = next(one.id for one in fleet.devices[:-1] if one not in fleet.canaries())
    canary = device + fleet.canaries()[0].id
    return (
        "/fleet", "/fleet/devices",
        "/fleet/devices?tag=none", ROLLOUT, f"{ROLLOUT}/pause", f"{ROLLOUT}/abort", canary, f"{canary}/retry",
        device + drifting, device + fleet.devices[-1].id, device + "0" * 32,
    )  # fmt: skip


def test_every_page_is_accessible_and_fits_a_phone(opener: Opener, pages: tuple[str, ...]) -> None:
    check_pages(opener, pages)


def test_from_the_map_to_a_device_without_script(opener: Opener) -> None:
    page = opener("/fleet/devices?profile=jetson", java_script_enabled=False)
    assert "profile=jetson" in page.url
    page.get_by_label("Name begins with").fill("harbour-002")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="harbour-002").click()
    assert page.locator("h1").inner_text().startswith("harbour-002")
    assert page.get_by_text("leak on pump-1").count() == 1


def test_a_rollout_is_paused_and_aborted_by_keyboard_without_script(fleet: Watched, opener: Opener) -> None:
    page = opener(ROLLOUT, java_script_enabled=False)
    page.get_by_role("link", name="Pause").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Reason, for the audit log").fill("somebody rang")
    page.get_by_role("link", name="Cancel").click()
    assert page.locator("h1 .state").inner_text() == "running"
    page.get_by_role("link", name="Pause").click()
    page.get_by_label("Reason, for the audit log").fill("somebody rang")
    page.keyboard.press("Enter")
    assert page.get_by_role("status").inner_text() == "Done: it is paused."
    assert "Paused: somebody rang." in page.locator("#why").inner_text()
    page.get_by_role("link", name="Resume").click()
    assert "The gates keep watching" in page.locator("main").inner_text()
    page.get_by_role("button", name="Resume").click()
    assert page.get_by_role("status").inner_text() == "Done: it is running."
    page.get_by_role("link", name="Abort").click()
    page.get_by_label("Roll devices that have it back").check()
    page.get_by_role("button", name="Abort permanently").click()
    assert "devices are rolled back" in page.get_by_role("status").inner_text()
    assert page.get_by_role("link", name="Abort").count() == 0
