"""Data and labels of the studio in a real browser: plots, the map, an edited label that a run reads, two tabs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from edgewright.pipeline.config import read_config
from edgewright.pipeline.run import run_pipeline
from labelled_folder import HOSTILE, write_labels, write_recordings, write_toml
from looking import check_pages
from studio_server import started

pytestmark = pytest.mark.slow
Opener = Callable[..., Page]
# What a form that was changed elsewhere, or says something wrong, is answered with; the browser notes both.
ANSWERS = ("status of 409", "status of 400")
EDITOR = "/labels/at/moves?recording=one.csv&rate=50"


def _run(root: Path, name: str) -> object:
    toml = write_toml(root / f"{name}.toml", root / "moves")
    return run_pipeline(read_config(str(toml)), out=root / "runs", force=True, command="edgewright run").trace


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Provide a folder with recordings and a run that learned from them, and one with names like HTML."""
    root = tmp_path_factory.mktemp("studio")
    write_labels(write_recordings(root / "moves"))
    write_labels(write_recordings(root / "odd", columns=(HOSTILE, "y")))
    _run(root, "first")
    return root


@pytest.fixture(scope="module")
def address(root: Path) -> Iterator[str]:
    with started(root) as (where, _):
        yield where


PAGES = (
    "/data", "/data?in=moves", "/data/run/runs/moved", "/data/run/runs/moved?view=signal",
    "/data/run/runs/moved?view=spread", "/data/run/runs/moved?view=map&sample=5", "/data/at/odd?view=signal&rate=50",
    "/data/at/odd?rate=wrong", "/data/run/runs/moved?view=map&errors=1", "/labels/at/moves", EDITOR,
)  # fmt: skip


def test_every_page_is_accessible_and_fits_a_phone(opener: Opener) -> None:
    check_pages(opener, PAGES)


def test_a_recording_is_drawn_with_its_labels_and_windows(opener: Opener) -> None:
    page = opener("/data/run/runs/moved")
    page.get_by_role("link", name="four.csv").click()
    page.wait_for_load_state()  # with the styles that give the drawing its width
    assert page.locator("figure.channel").count() == 2
    assert page.locator("path.line").first.bounding_box()["width"] > 900  # type: ignore[index]
    assert page.locator(".bands text").all_text_contents() == ["shake", "rest"]
    assert page.locator(".boxes a").count() == 22
    page.locator(".panel.view").focus()
    page.keyboard.press("+")
    page.wait_for_url("**from=150&to=450**")
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**from=300&to=600**")
    box = page.locator(".signals").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 80)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 80, steps=3)
    page.mouse.up()
    page.wait_for_url("**from=375&to=450**")
    assert page.locator(".bands text").all_text_contents() == ["rest"]


@pytest.mark.parametrize("script", [True, False])
def test_a_click_on_the_map_shows_the_signal(script: bool, opener: Opener) -> None:
    page = opener("/data/run/runs/moved?view=map", java_script_enabled=script)
    assert page.locator("#signal figure").count() == 0
    point = page.locator("svg.map a").nth(7)
    named = point.get_attribute("aria-label")
    assert named is not None
    point.click(force=True)
    page.wait_for_selector("#signal figure.channel")
    number = named.split()[1].rstrip(",")
    assert page.locator("#signal h2").inner_text() == f"Window {number}"
    assert page.locator("#signal dd").first.inner_text().strip() == named.split(", ")[1]
    assert page.locator("#signal rect.chosen").count() == 2
    assert f"sample={number}" in page.url
    page.get_by_role("link", name="Explain layer by layer").click()
    page.wait_for_url(f"**/predict/runs/moved?row={number}")
    assert "Explained" in page.locator("main").inner_text()


def test_the_map_is_walked_with_arrow_keys(opener: Opener) -> None:
    page = opener("/data/run/runs/moved?view=map")
    assert page.locator("svg.map a[tabindex='0']").count() == 1
    page.locator("svg.map a[tabindex='0']").focus()
    seen = {page.evaluate("document.activeElement.getAttribute('aria-label')")}
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp"):
        page.keyboard.press(key)
        seen.add(page.evaluate("document.activeElement.getAttribute('aria-label')"))
    assert len(seen) >= 3
    page.keyboard.press("Enter")
    page.wait_for_selector("#signal figure.channel")


def test_a_label_that_is_dragged_and_saved_is_what_a_run_reads(root: Path, opener: Opener) -> None:
    page = opener(EDITOR)
    page.get_by_label("End of event 2").fill("9")
    page.get_by_label("Label of the new event").focus()
    box = page.locator(".signals").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.80, box["y"] + 80)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.99, box["y"] + 80, steps=4)
    page.mouse.up()
    assert 9.5 < float(page.get_by_label("Start of the new event").input_value()) < 9.7
    page.keyboard.type("jump")
    page.keyboard.press("Control+s")
    page.wait_for_selector(".notice.good")
    assert page.locator(".bands text").all_text_contents() == ["shake", "rest", "jump"]
    assert (root / "moves" / "labels.csv").read_text().count("jump") == 1
    trace = _run(root, "second")
    assert "jump (3)" in str(trace)  # windows of that label that the run learned from
    # Undone, the run's labels are as they were.
    page.get_by_text("Earlier versions").click()
    page.get_by_role("button", name="Restore the version").first.click()
    page.wait_for_selector(".notice.good")
    assert "jump" not in (root / "moves" / "labels.csv").read_text()


def test_the_second_of_two_tabs_is_told(root: Path, opener: Opener) -> None:
    first, second = opener(EDITOR), opener(EDITOR, java_script_enabled=False)
    first.get_by_label("Label of event 1").fill("mine")
    first.get_by_role("button", name="Save", exact=True).click()
    first.wait_for_selector(".notice.good")
    content = (root / "moves" / "labels.csv").read_bytes()
    second.get_by_label("Label of event 1").fill(HOSTILE)
    second.get_by_role("button", name="Save", exact=True).click()
    text = second.get_by_role("alert").inner_text()
    assert "Your changes are not saved" in text
    assert (root / "moves" / "labels.csv").read_bytes() == content
    assert "mine" in second.locator("[aria-labelledby=theirs]").inner_text()
    assert HOSTILE in second.locator("[aria-labelledby=mine]").inner_text()
    assert second.locator("main img").count() == 0
    assert second.get_by_label("Label of event 1").input_value() == HOSTILE
    second.get_by_role("button", name="Overwrite with my version").click()
    second.wait_for_selector(".notice.good")
    assert HOSTILE in second.locator(".bands text").first.text_content()  # type: ignore[operator]
    write_labels(root / "moves")


def test_names_from_data_stay_text(opener: Opener) -> None:
    page = opener("/data/at/odd?view=signal&rate=50")
    assert page.evaluate("window.harmed") is None
    assert page.locator("main img").count() == 0
    assert page.locator("figcaption .name").first.inner_text() == HOSTILE


def test_an_event_is_split_and_changed_by_keyboard_without_script(root: Path, opener: Opener) -> None:
    page = opener(EDITOR, java_script_enabled=False)
    page.get_by_role("button", name="Split event 1").focus()
    page.keyboard.press("Enter")
    assert "Not saved yet" in page.get_by_role("status").inner_text()
    page.get_by_label("Label of event 2").fill("slow")
    # Enter in a field saves, it does not press the first button of a row.
    page.keyboard.press("Enter")
    page.wait_for_selector(".notice.good")
    assert "one.csv,3,6,slow,p0" in (root / "moves" / "labels.csv").read_text()
    write_labels(root / "moves")


def test_a_drag_and_a_digit_label_a_span(root: Path, opener: Opener) -> None:
    page = opener("/labels/at/odd?recording=two.csv&rate=50")
    page.wait_for_load_state()
    names = page.locator("#digits").inner_text().split("press ")[1].split(", ")
    box = page.locator(".signals").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 60, steps=4)
    page.mouse.up()
    page.keyboard.press("2")
    expect(page.get_by_label("Label of event 3")).to_have_value(names[1].partition(" ")[2])
    assert float(page.get_by_label("Start of event 3").input_value()) == pytest.approx(3, abs=0.1)
    assert float(page.get_by_label("End of event 3").input_value()) == pytest.approx(6, abs=0.1)
    assert page.evaluate("document.activeElement.matches('.panel.view')")
