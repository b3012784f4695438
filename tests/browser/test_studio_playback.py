"""The most confident mistakes of a run, each with its signal, which is played over time in a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from edgewright.pipeline.config import read_config
from edgewright.pipeline.run import run_pipeline
from edgewright.trace.page_model import read_trace
from labelled_folder import write_labels, write_recordings, write_toml
from looking import check_pages
from studio_server import started

pytestmark = pytest.mark.slow
Opener = Callable[..., Page]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Provide a folder with recordings and a run that mistakes a few test windows."""
    root = tmp_path_factory.mktemp("studio")
    labels = write_labels(write_recordings(root / "moves"))
    # Two seconds of rest with a wrong label: the model then mistakes rest of the test person.
    labels.write_text(labels.read_text().replace("6,12,rest,p3", "6,10,rest,p3") + "four.csv,10,12,shake,p3,\n")
    toml = write_toml(root / "first.toml", root / "moves")
    config = read_config(str(toml), ("training.epochs=100",))
    run_pipeline(config, out=root / "runs", force=True, command="edgewright run")
    return root


@pytest.fixture(scope="module")
def address(root: Path) -> Iterator[str]:
    with started(root) as (where, _):
        yield where


def cover(page: Page) -> tuple[float, float]:
    """Left end and width of what is not played yet, in per cent of the drawing."""
    left, width = page.locator(".cover").evaluate("e => [parseFloat(e.style.left), parseFloat(e.style.width)]")
    return left, width


def test_a_mistake_leads_to_its_window_which_is_played(root: Path, opener: Opener) -> None:
    record = read_trace(root / "runs" / "moved" / "trace.json")
    assert record.evaluation is not None
    worst = max(record.evaluation.mistakes, key=lambda one: (one.confidence, -one.row))
    page = opener("/page/runs/moved")
    table = page.locator("table", has_text="Most confident mistakes")
    page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true })")
    table.locator("tbody a").first.click()
    page.wait_for_url(f"**/data/run/runs/moved?view=map&sample={worst.row + 1}#signal")
    assert page.locator("#signal h2").inner_text() == f"Window {worst.row + 1}"
    facts = page.locator("#signal dd").all_inner_texts()
    assert facts[0].strip() == worst.truth
    assert facts[1].startswith(worst.answer)
    mark = page.locator("#signal rect.chosen").first
    begin, width = (float(str(mark.get_attribute(key)).rstrip("%")) for key in ("x", "width"))
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    expect(page.locator("#playhead")).not_to_have_value("0")
    page.get_by_role("button", name="Pause").click()
    share = float(page.locator("#playhead").input_value())
    assert 0 < share < 1
    assert cover(page) == pytest.approx((begin + share * width, (1 - share) * width), abs=0.01)
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    assert page.locator("#playhead").input_value() == "1"
    expect(page.locator("#signal output")).to_have_text("1 of 1 s, slowed 1.5 times")


def test_another_window_of_the_map_is_played_too(opener: Opener) -> None:
    page = opener("/data/run/runs/moved?view=map&sample=5")
    page.locator("svg.map a").nth(7).click(force=True)
    expect(page.locator("#signal h2")).not_to_have_text("Window 5")
    page.get_by_role("button", name="Play").click()
    expect(page.locator("#playhead")).not_to_have_value("0")
    assert page.locator(".cover").count() == 1


def test_without_motion_a_person_moves_the_position(opener: Opener) -> None:
    page = opener("/data/run/runs/moved?view=map&sample=5", reduced_motion="reduce")
    expect(page.locator("#playhead")).to_be_visible()
    assert page.get_by_role("button", name="Play").count() == 0
    page.locator("#playhead").focus()
    page.keyboard.press("End")
    expect(page.locator("#signal output")).to_have_text("1 of 1 s")


def test_pages_are_accessible_and_fit_a_phone(opener: Opener) -> None:
    check_pages(opener, ["/page/runs/moved", "/data/run/runs/moved?view=map&sample=5"])
