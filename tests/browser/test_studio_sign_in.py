"""Signing in to the studio in a real browser: by the printed address, by the page of a file, by the form."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from studio_server import StudioAddress, started

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, state: Path) -> Iterator[StudioAddress]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(state))
        with started(tmp_path_factory.mktemp("studio") / "runs") as (where, _):
            yield where


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


def test_the_printed_address_signs_in_and_the_token_leaves_the_address(page: Page, address: StudioAddress) -> None:
    page.goto(f"{address}/data?token={address.token}")
    expect(page.locator("h1")).to_contain_text("Data of runs")
    assert page.url == f"{address}/data"
    (cookie,) = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert page.evaluate("document.cookie + document.referrer") == ""
    page.reload()
    expect(page.locator("h1")).to_contain_text("Data of runs")


def test_the_page_of_the_token_file_signs_in(page: Page, address: StudioAddress, state: Path) -> None:
    (file,) = (state / "edgewright" / "studio").glob("*.html")
    page.goto(file.as_uri())
    page.wait_for_url(f"{address}/**")
    expect(page.locator("nav.bar")).to_be_visible()
    assert address.token not in page.url


def test_the_form_signs_in(page: Page, address: StudioAddress) -> None:
    page.goto(f"{address}/data")
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Token").fill(address.token)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("nav.bar")).to_be_visible()


def test_a_link_of_another_site_carries_no_session_and_one_click_continues(
    page: Page, address: StudioAddress, tmp_path: Path
) -> None:
    page.context.add_cookies([address.cookie])
    (tmp_path / "link.html").write_text(f'<a href="{address}/data">studio</a>')
    page.goto((tmp_path / "link.html").as_uri())
    page.get_by_role("link", name="studio").click()
    expect(page.get_by_label("Token")).to_be_visible()
    page.get_by_role("link", name="Try again without a token").click()
    expect(page.locator("h1")).to_contain_text("Data of runs")
