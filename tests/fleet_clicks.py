"""A fleet of simulated devices by clicks in the studio: created, and a run published and rolled out to it."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from looking import looked_at

LONG_MS = 180_000


def create(page: Page, count: int) -> None:
    """Create a fleet, and wait until all its devices enrolled."""
    page.get_by_label("Studio").get_by_role("link", name="Fleet").click()
    looked_at(page)
    page.get_by_role("spinbutton", name="Devices").fill(str(count))
    page.get_by_role("button", name="Create and start").click()
    expect(page.get_by_text(f"{count} simulated devices run here")).to_be_visible()
    looked_at(page)
    while f"{count} devices" not in page.locator("h1").inner_text():
        page.wait_for_timeout(500)
        page.reload()


def publish(page: Page, run: str, fault: str = "") -> None:
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
