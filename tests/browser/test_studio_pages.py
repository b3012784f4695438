"""The studio in a real browser: every page accessible and narrow, no request elsewhere; lists, quiz, predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Page, expect

from edgewright.core.formatting import bytes_text
from edgewright.core.package import write_package
from looking import PHONE, SCREENS, too_wide, violations
from runtime_example import parts
from small_pipeline import break_off, run_small, write_rows, write_toml
from studio_example import HOSTILE, record
from studio_server import started

if TYPE_CHECKING:
    from conftest import Lesson

pytestmark = pytest.mark.slow
Opener = Callable[..., Page]
# A form that says something wrong is answered with 400, which the browser notes.
ANSWERS = ("status of 400 (Bad Request)",)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs with packages, records alone, one with names like HTML, and one that broke off."""
    folder = tmp_path_factory.mktemp("studio")
    out = folder / "runs"
    toml = write_toml(folder / "small.toml", write_rows(folder / "rows.csv"))
    run_small(toml, out)
    run_small(toml, out, "training.epochs=3")
    record(out, "lesson")
    record(out, "float")
    write_package(out / "float" / "float.edge", *parts())
    record(out, "hostile", title=HOSTILE, verdict=f"not ready: {HOSTILE}")
    break_off(out, HOSTILE)
    return out


@pytest.fixture(scope="module")
def address(runs: Path) -> Iterator[str]:
    with started(runs) as (where, _):
        yield where


def journal(runs: Path) -> str:
    (journal,) = (runs / ".edgewright" / "journals").iterdir()
    return journal.stem


PAGES = (
    "/", "/?q=none", "/start", "/start?pipeline=scalability", "/page/small",
    "/page/lesson#formulas", "/page/lesson#quiz", "/predict/small", "/predict/lesson",
    "/export/small", "/compare", "/compare?run=small&run=small-2", "/live/JOURNAL", "/page/hostile",
)  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_accessible_and_narrow(path: str, opener: Opener, runs: Path) -> None:
    path = path.replace("JOURNAL", journal(runs))
    page = opener(path, "light")
    assert violations(page) == []
    page.emulate_media(color_scheme="dark")
    assert violations(page) == []
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert too_wide(page) == []
    assert page.locator("img").count() == 0


def test_figures_of_axes_are_whole_on_a_phone(opener: Opener, runs: Path) -> None:
    page = opener(f"/live/{journal(runs)}", viewport=PHONE)
    cut = """() => [...document.querySelectorAll("figure.plot")].flatMap(plot => {
        const frame = plot.getBoundingClientRect();
        return [...plot.querySelectorAll("text")].filter(one => {
            const svg = one.closest("svg"), clipped = getComputedStyle(svg).overflow !== "visible";
            const { left } = one.getBoundingClientRect();
            return left < (clipped ? svg.getBoundingClientRect().left : frame.left);
        }).map(one => one.textContent);
    })"""
    assert page.locator("figure.plot text").count() > 8
    assert page.evaluate(cut) == []


def test_pages_work_without_script(opener: Opener, runs: Path) -> None:
    page = opener("/", java_script_enabled=False)
    page.get_by_label("Search name").fill("small-2")
    page.get_by_role("button", name="Show").click()
    assert page.locator("th.main a[href^='/page/']").all_inner_texts() == ["small-2"]
    page.goto(page.url.split("?")[0] + f"live/{journal(runs)}")
    assert page.locator("table tbody tr").count() == 12
    assert page.locator("svg polyline").count() == 4


def test_lists_are_sorted_and_searched_by_keyboard(opener: Opener) -> None:
    page = opener("/")
    page.get_by_label("Search name").focus()
    page.keyboard.type("small")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=small**")
    names = page.locator("th.main a[href^='/page/']")
    assert sorted(names.all_inner_texts()) == ["float", "lesson", "small", "small-2"]
    page.get_by_role("link", name="Run", exact=True).focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**sort=name**")
    assert names.all_inner_texts() == ["float", "lesson", "small", "small-2"]
    page.goto(page.url.split("?")[0])
    page.get_by_label("Verdict", exact=True).select_option("not ready")
    page.wait_for_url("**verdict=not+ready**")
    assert "hostile" in names.all_inner_texts()


def test_two_runs_are_compared(opener: Opener) -> None:
    page = opener("/")
    page.get_by_label("Choose small to compare").check()
    page.get_by_label("Choose small-2 to compare").check()
    page.get_by_role("button", name="Compare selected runs").click()
    page.wait_for_url("**/compare?**")
    assert "training.epochs" in page.locator(".lesson").inner_text()


def test_a_row_is_predicted_and_explained(opener: Opener) -> None:
    page = opener("/predict/small")
    page.get_by_label("a", exact=True).fill("0.5")
    page.get_by_label("b", exact=True).fill("1,5")
    page.get_by_role("button", name="Predict").first.click()
    assert "Expected a number with a point, got '1,5' - at column b" in page.locator("[role=alert]").inner_text()
    page.get_by_label("b", exact=True).fill("1.5")
    page.get_by_role("button", name="Predict").first.click()
    assert page.locator(".answer strong").inner_text() in ("off", "on")
    assert page.locator("meter").count() == 2
    page.get_by_role("button", name="Explain layer by layer").first.click()
    assert "To the network" in page.locator(".lesson").inner_text()


def test_a_file_is_predicted(opener: Opener, tmp_path: Path) -> None:
    page = opener("/predict/small")
    file = tmp_path / "<b>new.csv"
    file.write_text("b,a\n1,2\n-1,-2\n,0.5\n", encoding="utf-8")
    page.get_by_label("File").set_input_files(file)
    page.locator("form", has_text="A CSV file").get_by_role("button", name="Predict").click()
    assert page.locator(".panel table tbody tr").count() == 3
    assert "<b>new.csv: 3 answers" in page.locator("[role=status]").inner_text()
    bad = tmp_path / "bad.csv"
    bad.write_text("a\nx\n", encoding="utf-8")
    page.get_by_label("File").set_input_files(bad)
    page.locator("form", has_text="A CSV file").get_by_role("button", name="Predict").click()
    assert "bad.csv" in page.locator("[role=alert]").inner_text()


def test_exports_are_downloaded_with_the_size_that_is_shown(opener: Opener, runs: Path) -> None:
    page = opener("/export/small", viewport=SCREENS[1])
    assert too_wide(page) == []
    expect(page.locator("dl.sums dt").first).to_have_text("Flash on phone-arm64, int8")
    with page.expect_download() as waited:
        page.get_by_role("button", name="Download the package").click()
    assert Path(waited.value.path()).read_bytes() == (runs / "small" / "small.edge").read_bytes()
    for target, ending in (("onnx", ".onnx"), ("c99", ".zip"), ("tflite", ".zip")):
        with page.expect_download() as waited:
            page.get_by_role("button", name=f"Download {target}", exact=True).click()
        assert waited.value.suggested_filename.endswith(ending)
        size = Path(waited.value.path()).stat().st_size
        assert size > 500
        shown = page.locator("li", has=page.get_by_role("heading", name=f"{target} ", exact=False)).locator(".state")
        assert f"int8, {bytes_text(size)}" in shown.all_inner_texts()
    with page.expect_download() as waited:
        page.get_by_role("button", name="Download onnx as float", exact=True).click()
    assert Path(waited.value.path()).read_bytes() == (runs / "small" / "model.onnx").read_bytes()


def test_what_a_model_cannot_become_is_unfolded_with_the_reason(opener: Opener) -> None:
    page = opener("/export/float", viewport=SCREENS[1])
    assert page.get_by_role("button", name="Download verilog").count() == 0
    page.get_by_text("Not possible with this model: ").click()
    assert violations(page) == []
    assert too_wide(page) == []
    expect(page.locator("#not-possible")).to_contain_text("for which the Verilog has no arithmetic")


def test_old_addresses_of_modes_open_their_tabs_and_two_runs_are_compared(opener: Opener) -> None:
    page = opener("/page/lesson", viewport={"width": 1280, "height": 900})
    tiles, tabs = (page.locator(name).bounding_box() for name in (".top > .flow", "main nav.tabs, .page nav.tabs"))
    assert tiles is not None
    assert tabs is not None
    assert tabs["y"] - tiles["y"] - tiles["height"] < 60
    page.goto(page.url.replace("/page/", "/quiz/"))
    page.locator("#quiz-1").wait_for(state="visible")
    page.goto(page.url.partition("/page/")[0] + "/learn/lesson?mode=formulas")
    page.locator("#formulas").wait_for(state="visible")
    page.locator(".tabs a[href='#compare']").click()
    compare = page.locator("#compare form")
    compare.get_by_label("Compare with").select_option("small")
    assert violations(page) == []
    compare.get_by_role("button", name="Compare").click()
    page.wait_for_url("**/compare?run=lesson&run=small")
    expect(page.get_by_role("checkbox")).to_have_count(2)
    expect(page.locator("main")).to_contain_text("Configuration")


def test_the_lesson_of_a_run_is_told(lesson: Callable[[str], Lesson], browser: Browser) -> None:
    folder = lesson("activity").folder
    with started(folder.parent) as (where, _):
        page = browser.new_page()
        page.context.add_cookies([where.cookie])
        page.goto(f"{where}/page/activity")
        assert page.locator(".insight > p").first.inner_text().rstrip(".") == lesson("activity").trace.insight.sentence
        page.goto(f"{where}/predict/activity?row=17")
        assert "row 17 of the data" in page.locator(".lesson").inner_text()
        page.close()


def test_a_run_is_trained_in_the_studio(opener: Opener) -> None:
    page = opener("/page/small#train")
    page.wait_for_selector("#train-form:not([hidden])")
    page.click("#train-play")
    page.locator("#train-play", has_text="Train on").wait_for()
    assert page.locator("#train-now").inner_text().startswith("epoch 2: loss ")
    assert page.locator("#train-networks tbody tr").count() == 1
    assert violations(page) == []
