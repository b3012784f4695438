"""A run started in the studio, watched to its end, cancelled, and seen in two tabs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from cli_runner import Cli
from edgewright.trace.page_model import read_trace
from looking import PHONE, too_wide, violations
from small_pipeline import run_small, write_rows, write_toml
from studio_server import started

pytestmark = pytest.mark.slow
LONG = 60_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    runs = tmp_path / "runs"
    runs.mkdir()
    write_toml(runs / "small.toml", write_rows(tmp_path / "rows.csv"))
    return runs


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


def begin(page: Page, address: str, epochs: str) -> None:
    """Start the small pipeline from the form and wait until it is shown."""
    page.goto(f"{address}/start?pipeline=small.toml&block=model")
    page.get_by_label("Epochs", exact=True).fill(epochs)
    page.get_by_role("button", name="Train").click()
    page.wait_for_url(re.compile("/(live|page)/"), timeout=LONG)


def test_a_run_is_watched_to_its_end(folder: Path, page: Page, browser: Browser) -> None:
    with started(folder) as (address, _):
        page.context.add_cookies([address.cookie])
        begin(page, address, "400")
        page.wait_for_url("**/page/small", timeout=LONG)
        expect(page.locator("h1")).to_contain_text("small")
        record = read_trace(folder / "small" / "trace.json")
        assert record.training is not None
        assert len(record.training.epochs) == 400
        # An address that was kept leads to the run.
        page.goto(f"{address}/")
        assert page.locator("h2", has_text="Going on").count() == 0


def test_epochs_are_drawn_as_they_come_and_cancel_ends_them(folder: Path, page: Page, browser: Browser) -> None:
    with started(folder) as (address, _):
        page.context.add_cookies([address.cookie])
        begin(page, address, "100000")
        counter = page.locator("dt", has_text="Epoch").first.locator("xpath=../dd")
        expect(page.locator("#epochs polyline")).to_have_count(4, timeout=LONG)
        before = counter.inner_text()
        expect(counter).not_to_have_text(before, timeout=LONG)
        other = browser.new_page()
        other.context.add_cookies([address.cookie])
        other.goto(page.url)
        expect(other.locator("#epochs polyline")).to_have_count(4)
        other.goto(f"{address}/")
        assert other.locator(".state.running").count() == 1
        other.go_back()
        page.get_by_role("button", name="Cancel this run").click()
        for tab in (page, other):
            expect(tab.locator(".notice")).to_contain_text("Cancelled after epoch", timeout=LONG)
            expect(tab.locator("#epochs polyline")).to_have_count(4)
        assert not (folder / "small").exists()
        other.close()
        kept = page.url
    with started(folder) as (address, _):
        page.context.add_cookies([address.cookie])
        # Another studio, started later, still shows what there was.
        page.goto(f"{address}/live/{kept.rpartition('/')[2]}")
        expect(page.locator(".notice")).to_contain_text("Cancelled after epoch")
        page.get_by_role("link", name="Run again with changes").click()
        page.locator("#block-model").click()
        expect(page.get_by_label("Epochs", exact=True)).to_have_value("100000")


def test_a_third_run_waits_and_is_cancelled(folder: Path, page: Page) -> None:
    page.set_default_timeout(LONG)
    # The page that waits stays as it is while it is looked at.
    page.route("**/static/studio.js", lambda route: route.fulfill(body="", content_type="text/javascript"))
    with started(folder) as (address, _):
        page.context.add_cookies([address.cookie])
        for _ in range(3):
            page.goto(f"{address}/start?pipeline=small.toml&block=model")
            page.get_by_label("Epochs", exact=True).fill("100000")
            page.get_by_role("button", name="Train").click()
            page.wait_for_url("**/started/*")
        expect(page.locator("[role=status]")).to_contain_text("Number 1 in the queue")
        waiting = page.url
        for path in (waiting, f"{address}/"):
            page.goto(path)
            for settings in ({"color_scheme": "light"}, {"color_scheme": "dark"}):
                page.emulate_media(**settings)  # type: ignore[arg-type]
                assert violations(page) == []
            page.set_viewport_size(PHONE)  # type: ignore[arg-type]
            assert too_wide(page) == []
        assert page.locator(".state.waiting").count() == 1
        page.get_by_role("button", name="Cancel small, number 1").click()
        expect(page.locator(".state.waiting")).to_have_count(0)


def test_a_run_is_changed_from_its_page_and_compared(folder: Path, page: Page) -> None:
    page.set_default_timeout(LONG)
    run_small(folder / "small.toml", folder)
    with started(folder) as (address, _):
        page.context.add_cookies([address.cookie])
        page.goto(f"{address}/page/small")
        page.get_by_role("link", name="Run again with changes").click()
        page.locator("#block-model").click()
        page.get_by_label("Epochs", exact=True).fill("3")
        page.get_by_role("button", name="Train").click()
        page.wait_for_url("**/page/small-2", timeout=LONG)
        page.get_by_role("link", name="compare both").click()
        expect(page.locator("main")).to_contain_text("training.epochs")
        config = json.loads((folder / "small-2" / "trace.json").read_text())["config"]
        assert config["training"]["epochs"] == 3
        page.goto(f"{address}/page/small-2")
        page.get_by_role("link", name="Find labels that are likely wrong").click()
        expect(page.locator("#doubts")).to_contain_text("Labels that are likely wrong")


def test_the_address_that_check_prints_opens_likely_errors(tmp_path: Path, page: Page, cli: Cli) -> None:
    page.set_default_timeout(LONG)
    write_rows(tmp_path / "my rows.csv")
    line = cli("check", tmp_path / "my rows.csv", "--target", "label").splitlines()[-1]
    match = re.search(r"edgewright studio (\S+), then open (/data/at/my%20rows\.csv\?\S+) there", line)
    assert match is not None
    assert Path(match[1]) == tmp_path
    with started(tmp_path) as (address, _):
        page.context.add_cookies([address.cookie])
        page.goto(address + match[2])
        doubts = page.locator("section", has=page.locator("#doubts"))
        expect(doubts).to_contain_text("of 120 rows, the likeliest first")


def test_a_race_is_a_picture_while_it_goes_on_and_on_the_page(tmp_path: Path, page: Page) -> None:
    page.set_default_timeout(LONG)
    with started(tmp_path) as (address, _):
        page.context.add_cookies([address.cookie])
        page.goto(f"{address}/new")
        page.get_by_role("button", name="Motion").click()
        page.get_by_role("button", name="Train").click()
        page.wait_for_url(re.compile("/live/"), timeout=LONG)
        points = page.locator("#race .entrant")
        expect(points.nth(2)).to_be_attached(timeout=LONG)
        before = points.count()
        expect(points.nth(before)).to_be_attached(timeout=LONG)
        assert "flash of cortex-m4" in (page.locator("#race svg").text_content() or "")
        page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        assert too_wide(page) == []
        page.get_by_role("button", name="Train the best so far").click()
        page.wait_for_url(re.compile("/page/"), timeout=LONG)
        record = read_trace(tmp_path / "motion" / "trace.json").race
        assert record is not None
        assert record.ended == "it was interrupted"
        measured = [entrant for entrant in record.entrants if entrant.score and entrant.footprint]
        assert page.locator("figure.race .entrant").count() == len(measured) >= before
        ringed = page.locator("figure.race g.entrant", has=page.locator("circle[r='8']")).locator("title")
        chosen = next(entrant for entrant in measured if entrant.name == record.chosen)
        assert chosen.title in str(ringed.text_content())
