"""A pipeline drawn in the studio with real clicks: blocks, controls, previews, budget, undo, TOML, problems, a run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from looking import SCREENS, too_wide, violations
from small_pipeline import write_rows, write_toml
from studio_server import started

pytestmark = pytest.mark.slow
Opener = Callable[..., Page]
ANSWERS = ("status of 400 (Bad Request)",)
LONG = 60_000
PHONE = SCREENS[1]
PATHS = (
    "/start", "/start?pipeline=demo&block=stages.0", "/start?pipeline=latency&block=model",
    "/start?pipeline=scalability&block=add.1", "/start?pipeline=latency&block=device", "/start?pipeline=demo",
    "/start?pipeline=small.toml",
)  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pipelines")
    write_toml(folder / "small.toml", write_rows(folder / "rows.csv"))
    return folder


@pytest.fixture(scope="module")
def address(runs: Path) -> Iterator[str]:
    with started(runs) as (where, _):
        yield where


def block(page: Page, name: str) -> None:
    """Click a block of the picture and wait for its settings."""
    page.locator("#canvas .block", has_text=name).click()
    expect(page.locator("#canvas .block", has_text=name)).to_have_attribute("aria-pressed", "true")


def titles(page: Page) -> list[str]:
    return page.locator("#canvas .block b").all_inner_texts()


def used(page: Page, name: str) -> str:
    row = page.locator("#budget div", has=page.locator("dt", has_text=re.compile(f"^{name}$")))
    return row.locator("b").inner_text()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: str(screen["width"]))
def test_every_block_is_accessible_narrow_and_large_enough(path: str, screen: dict[str, int], opener: Opener) -> None:
    page = opener(path, viewport=screen)
    expect(page.locator("[data-reading]")).to_have_count(0, timeout=LONG)
    page.evaluate("document.querySelectorAll('#panel details').forEach(one => { one.open = true })")
    assert too_wide(page) == []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert violations(page) == []
    small = page.evaluate(
        """() => [...document.querySelectorAll("main button, main select, main summary, main input:not([type=hidden])")]
        .map(one => one.closest("label") ?? one).filter(one => one.checkVisibility() && !one.matches(".hide"))
        .map(one => [one.outerHTML.slice(0, 80), one.getBoundingClientRect()])
        .filter(([, box]) => box.width < 24 || box.height < 24)
        .map(([html, box]) => `${html} ${box.width}x${box.height}`)"""
    )
    assert small == []


def test_the_first_view_explains_in_at_most_60_words(opener: Opener) -> None:
    page = opener("/start?pipeline=latency")
    words = page.locator("main").inner_text().split()
    prose = " ".join(page.locator("main p:visible, main li > small:visible").all_inner_texts()).split()
    assert len(prose) <= 60
    # With the names of blocks and settings, and the values of a sample.
    assert len(words) < 250


def test_a_block_opens_and_a_change_moves_its_preview_and_the_budget(opener: Opener) -> None:
    page = opener("/start?pipeline=latency")
    block(page, "Feature selection")
    leaves = page.locator("#preview figure").nth(1)
    expect(leaves.locator("figcaption small")).to_have_text("5 columns")
    slider, flash = page.get_by_label("K", exact=True), used(page, "flash")
    before = leaves.locator("svg").inner_html()
    assert slider.get_attribute("type") == "range"
    assert (slider.get_attribute("min"), slider.get_attribute("max")) == ("1", "10")
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(leaves.locator("figcaption small")).to_have_text("8 columns")
    expect(page.locator("output[for=stages-1-k]")).to_have_text("8")
    assert leaves.locator("svg").inner_html() != before
    assert used(page, "flash") != flash
    expect(page.locator("#budget .change").first).to_contain_text("+")
    # All steps of the slider are one change.
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_label("K", exact=True)).to_have_value("5")
    assert used(page, "flash") == flash
    arrives = page.locator("#preview figure").first.locator("dl").inner_text()
    page.get_by_label("Sample", exact=True).select_option(label="yes 1")
    expect(page.locator("#preview figure").first.locator("dl")).not_to_have_text(arrives)
    block(page, "cortex-m4")
    page.get_by_label("Profile", exact=True).select_option("nrf52840")
    expect(page.locator("#budget dt", has_text="energy").locator("xpath=..").locator("b")).to_contain_text("µJ")
    assert page.locator("#budget svg").count() == 4


def test_stages_and_layers_are_added_moved_removed_and_undone(opener: Opener) -> None:
    page = opener("/start?pipeline=latency")
    first = titles(page)
    page.get_by_role("button", name="Add a stage before Network").click()
    page.locator("#panel").get_by_role("button", name="PCA").click()
    expect(page.locator("#canvas .block")).to_have_count(6)
    assert titles(page) == [*first[:3], "PCA", *first[3:]]
    page.get_by_role("button", name="← Earlier").click()
    expect(page.locator("#canvas .block b").nth(2)).to_have_text("PCA")
    page.locator("#canvas [data-index='1']").drag_to(page.locator("#canvas [data-index='0']"))
    expect(page.locator("#canvas .block b").nth(1)).to_have_text("PCA")
    page.get_by_role("button", name="Remove").click()
    expect(page.locator("#canvas .block")).to_have_count(5)
    # Presses that come while the server answers are all done.
    page.evaluate("for (let i = 0; i < 4; i++) document.getElementById('undo').click()")
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()
    assert titles(page) == first
    page.get_by_role("button", name="Redo").click()
    expect(page.locator("#canvas .block")).to_have_count(6)
    block(page, "Network")
    page.get_by_text("Add to layers").click()
    page.get_by_role("button", name="dropout").click()
    layers = page.locator(".tables > li")
    expect(layers).to_have_count(3)
    page.get_by_role("button", name="Move dropout 3 up").click()
    expect(layers.nth(1)).to_contain_text("dropout")
    flash = used(page, "flash")
    page.get_by_role("button", name="Remove dense 1").click()
    expect(layers).to_have_count(2)
    assert used(page, "flash") != flash
    page.keyboard.press("Control+z")
    expect(layers).to_have_count(3)


def test_the_toml_and_the_blocks_stay_in_step(opener: Opener) -> None:
    page = opener("/start?pipeline=latency")
    block(page, "Network")
    page.get_by_label("Epochs", exact=True).fill("33")
    page.get_by_role("button", name="TOML").click()
    text = page.get_by_role("textbox", name="TOML", exact=True)
    expect(text).to_have_value(re.compile(r"# A faster answer.*epochs = 33", re.DOTALL))
    text.fill(text.input_value().replace('title = "Feature selection"', 'title = "The best ones"'))
    expect(page.locator("#canvas .block b").nth(2)).to_have_text("The best ones")
    expect(text).to_be_focused()
    text.fill(text.input_value() + "\nwrong = = 3")
    expect(page.locator("#typed")).to_contain_text("Expected valid TOML")
    assert titles(page)[2] == "The best ones"
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#typed")).to_have_text("")
    page.get_by_role("button", name="Settings").click()
    expect(page.get_by_label("Epochs", exact=True)).to_have_value("33")


def test_problems_stand_at_their_blocks(opener: Opener) -> None:
    page = opener("/start?pipeline=latency&block=model")
    page.get_by_label("Epochs", exact=True).fill("-2")
    wrong = page.locator("#canvas .wrong")
    expect(wrong).to_have_count(1)
    expect(wrong).to_contain_text("Network")
    expect(page.locator("#training-epochs-error")).to_contain_text("Expected a whole number of at least 1")
    page.get_by_role("button", name="Train").click()
    expect(page.get_by_role("alert")).to_have_text("Nothing was started. Correct the marked blocks.")
    page.get_by_label("Epochs", exact=True).fill("2")
    expect(wrong).to_have_count(0)
    page.get_by_text("Add to layers").click()
    page.get_by_role("button", name="lstm").click()
    expect(page.locator(".tables > li.wrong")).to_contain_text("windows")
    expect(page.locator("#canvas .wrong")).to_have_count(1)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#canvas .wrong")).to_have_count(0)


def test_a_pipeline_is_drawn_on_a_phone_and_trained(opener: Opener) -> None:
    page = opener("/start?pipeline=small.toml", viewport=PHONE)
    page.set_default_timeout(LONG)
    block(page, "Network")
    expect(page.get_by_role("heading", name="Network", exact=True)).to_be_in_viewport()
    page.get_by_label("Epochs", exact=True).fill("3")
    page.get_by_label("Units", exact=True).fill("4")
    expect(page.locator("#canvas .block[aria-pressed=true] small")).to_have_text("17 parameters")
    page.get_by_role("button", name="Train").click()
    page.wait_for_url("**/page/small", timeout=LONG)
    assert too_wide(page) == []


def test_own_data_are_drawn_from_the_guided_start(opener: Opener) -> None:
    page = opener("/new", viewport=PHONE)
    page.set_default_timeout(LONG)
    page.get_by_role("button", name="Machine").click()
    page.get_by_role("button", name="Draw the pipeline").click()
    page.wait_for_url("**/start?pipeline=pipelines/machine-*")
    expect(page.locator("#canvas .block").last).to_contain_text("fits", timeout=LONG)
    assert titles(page)[0] == "Csv"
    assert page.locator("#canvas .wrong").count() == 0
    assert too_wide(page) == []
    page.get_by_text("Use a file of mine").click()
    page.set_input_files(
        "#file", {"name": "mine.csv", "mimeType": "text/csv", "buffer": b"a,label\n" + b"1,x\n2,y\n" * 40}
    )
    page.get_by_role("button", name="Upload").last.click()
    expect(page.locator("#canvas .block").first).to_contain_text("1 column")


def test_blocks_work_without_script(opener: Opener) -> None:
    page = opener("/start?pipeline=latency", java_script_enabled=False)
    page.locator("#block-model").click()
    page.get_by_label("Epochs", exact=True).fill("7")
    page.locator("#block-device").click()
    page.locator("#block-model").click()
    assert page.get_by_label("Epochs", exact=True).input_value() == "7"
    page.get_by_role("button", name="Undo").click()
    assert page.get_by_label("Epochs", exact=True).input_value() == "20"
