"""A fleet from a phone-sized browser alone: created, practised with, published, rolled out, halted and steered."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from fleet_clicks import LONG_MS, create, publish
from fleet_folder import package
from looking import looked_at
from studio_example import record
from studio_server import started

pytestmark = pytest.mark.slow
Opener = Callable[..., Page]
ANSWERS: tuple[str, ...] = ()
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    runs = tmp_path_factory.mktemp("runs")
    for number, name in enumerate(("pump-1", "pump-2")):
        record(runs, name)
        package(runs / name, str(number))
    with started(runs) as (where, _):
        yield where


def test_a_bad_release_is_halted_and_a_good_one_is_steered(opener: Opener) -> None:
    page = opener("/", viewport=PHONE)
    page.set_default_timeout(60_000)
    create(page, 20)

    publish(page, "pump-1", "slow-model")
    looked_at(page)
    expect(page.locator("#why")).to_contain_text("Halted in stage", timeout=LONG_MS)
    assert re.search(r"the limit is 30 %|reported to be healthy|p99 latency", page.locator("#why").inner_text())
    # Devices that have it go back, and the map follows by itself.
    page.wait_for_selector(".steps path.returned, .steps path.failed", state="attached", timeout=LONG_MS)
    looked_at(page)

    publish(page, "pump-2")
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
