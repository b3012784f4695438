"""A fleet from a phone-sized browser alone: created, practised with, published, rolled out, halted and steered."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from fleet_folder import package
from looking import too_wide, violations
from studio_example import record
from studio_server import started

pytestmark = pytest.mark.slow
Opener = Callable[..., Page]
ANSWERS: tuple[str, ...] = ()
PHONE = {"width": 390, "height": 844}
LONG_MS = 180_000
_SMALL = """() => [...document.querySelectorAll('main a.button, main button, main select, main summary, main .tabs a')]
    .map(e => [e.textContent.trim().slice(0, 40), e.getBoundingClientRect()])
    .filter(([, box]) => box.width && (box.height < 24 || box.width < 24)).map(([text]) => text)"""
_WORDS = """() => [...document.querySelectorAll('main p, main li')]
    .filter(e => e.checkVisibility() && !e.closest('.steps, .legend, table, .row'))
    .map(e => e.innerText).join(' ').split(/\\s+/).filter(w => w).length"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    runs = tmp_path_factory.mktemp("runs")
    for number, name in enumerate(("pump-1", "pump-2")):
        record(runs, name)
        package(runs / name, str(number))
    with started(runs) as (where, _):
        yield where


def looked_at(page: Page) -> None:
    """Assert that a page fits, that its targets can be hit, that it explains little, and that axe is content."""
    page.wait_for_load_state()
    assert too_wide(page) == []
    assert page.evaluate(_SMALL) == []
    assert page.evaluate(_WORDS) <= 60
    assert violations(page) == []


def published(page: Page, run: str, fault: str = "") -> None:
    """Publish a run, and start its rollout at the pace of the practice."""
    page.get_by_role("link", name="Publish…").click()
    page.get_by_label("Run").select_option(run)
    page.get_by_label("On simulated devices").select_option(fault)
    looked_at(page)
    page.get_by_role("button", name="Continue").click()
    assert run in page.locator("main").inner_text()
    looked_at(page)
    page.get_by_role("button", name="Sign and publish").click()
    expect(page.locator("h1")).to_have_text(re.compile("Roll out main"))
    looked_at(page)
    page.get_by_role("button", name="Sign and start").click()
    expect(page.locator("h2 + .state, .head .state")).to_have_text("running")


def test_a_bad_release_is_halted_and_a_good_one_is_steered(opener: Opener) -> None:
    page = opener("/", viewport=PHONE)
    page.set_default_timeout(60_000)
    page.get_by_label("Studio").get_by_role("link", name="Fleet").click()
    looked_at(page)
    page.get_by_role("spinbutton", name="Devices").fill("20")
    page.get_by_role("button", name="Create and start").click()
    expect(page.get_by_text("20 simulated devices run here")).to_be_visible()
    looked_at(page)
    while "20 devices" not in page.locator("h1").inner_text():
        page.wait_for_timeout(500)
        page.reload()

    published(page, "pump-1", "slow-model")
    looked_at(page)
    expect(page.locator("#why")).to_contain_text("Halted in stage", timeout=LONG_MS)
    assert re.search(r"the limit is 30 %|reported to be healthy|p99 latency", page.locator("#why").inner_text())
    # Devices that have it go back, and the map follows by itself.
    page.wait_for_selector(".steps path.returned, .steps path.failed", state="attached", timeout=LONG_MS)
    looked_at(page)

    published(page, "pump-2")
    page.get_by_role("link", name="Pause…").click()
    page.get_by_label("Reason, for the audit log").fill("a look first")
    page.get_by_role("button", name="Pause").click()
    assert "Paused: a look first." in page.locator("#why").inner_text()
    page.get_by_role("link", name="Resume…").click()
    assert "The gates keep watching" in page.locator("main").inner_text()
    looked_at(page)
    page.get_by_role("button", name="Resume").click()
    page.get_by_label("Studio").get_by_role("link", name="Fleet").click()
    # A path of one dot has no box, so a browser calls it invisible.
    page.wait_for_selector(".steps path.healthy, .steps path.trial", state="attached", timeout=LONG_MS)
    page.get_by_role("link", name="Abort…").click()
    looked_at(page)
    page.get_by_label("Roll devices that have it back").check()
    page.get_by_role("button", name="Abort permanently").click()
    assert "devices are rolled back" in page.get_by_role("status").inner_text()
    page.get_by_label("Studio").get_by_role("link", name="Fleet").click()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("20 simulated devices stand still")).to_be_visible()
