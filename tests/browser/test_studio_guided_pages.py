"""The guided start in a real browser: from a dropped file to C that compiles, every page on the way accessible."""

from __future__ import annotations

import re
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from edgewright.core.records.config import PipelineConfig
from edgewright.core.toml_tables import convert_table
from edgewright.trace.page_model import read_trace
from looking import too_wide, violations
from small_pipeline import rows
from studio_server import started

pytestmark = pytest.mark.slow
Opener = Callable[..., Page]
# Data that cannot be used are answered with 400, which the browser notes.
ANSWERS = ("status of 400 (Bad Request)",)
# The first page with data loads the libraries of training.
LONG = 120_000
SMALL = {"width": 390, "height": 800}
WIDE = {"width": 1280, "height": 900}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def address(root: Path) -> Iterator[str]:
    with started(root) as (where, _):
        yield where


def table() -> str:
    """Rows of six people with a clock, two readings and a state."""
    csv_lines = rows(count=360)
    order = [csv_lines[(7 * i) % len(csv_lines)] for i in range(len(csv_lines))]
    lines = [f"p{i // 60},{i % 60},{a},{b},{label}" for i, (a, b, label) in enumerate(order)]
    return "\n".join(["who,t,a,b,state", *lines]) + "\n"


def drop(page: Page, name: str, text: str) -> None:
    """Drop a file on the form; nobody hears of it before the script of the page has run."""
    page.wait_for_load_state()
    carried = page.evaluate_handle(
        "([name, text]) => { const c = new DataTransfer(); c.items.add(new File([text], name)); return c; }",
        [name, text],
    )
    page.dispatch_event("[data-drop]", "drop", {"dataTransfer": carried})


def patient(page: Page) -> Page:
    """Return the page, which waits long enough for a busy machine."""
    page.set_default_timeout(LONG)
    expect.set_options(timeout=LONG)
    return page


def fine(page: Page) -> None:
    """Assert that axe finds nothing in light and dark, and that nothing scrolls sideways on a phone."""
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        assert violations(page) == [], (page.url, scheme)
    page.set_viewport_size(SMALL)  # type: ignore[arg-type]
    assert too_wide(page) == [], page.url
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]


def compiled(archive: Path, folder: Path) -> None:
    """Assert that the C in a downloaded ZIP compiles without a warning."""
    with zipfile.ZipFile(archive) as files:
        files.extractall(folder)
    sources = [path.name for path in folder.rglob("*.c")]
    assert sources
    done = subprocess.run(
        ["gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-c", *sources], cwd=folder / "my_rows",
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_from_a_dropped_file_to_c(root: Path, opener: Opener, tmp_path: Path) -> None:
    page = patient(opener("/"))
    fine(page)
    drop(page, "my rows.csv", table())
    page.wait_for_url("**/new/data/my-rows.csv")
    assert (root / "data" / "my-rows.csv").read_text() == table()
    expect(page.locator("#target")).to_contain_text("state (recognised)")
    fine(page)
    page.get_by_label("Person or machine").select_option("who")
    expect(page.locator(".notice.warn").first).to_contain_text("Only 6 people or machines")
    expect(page).to_have_url(re.compile("group=who"))
    page.get_by_label("Device", exact=True).select_option("esp32-s3")
    expect(page.locator("#device-hint")).to_contain_text("ESP32-S3")
    # The page that waits stays as it is while it is looked at.
    page.route("**/static/studio.js", lambda route: route.fulfill(body="", content_type="text/javascript"))
    page.get_by_role("button", name="Train").click()
    page.wait_for_url("**/started/*")
    fine(page)
    page.unroute("**/static/studio.js")
    page.reload()
    page.wait_for_url("**/page/my-rows")
    fine(page)
    page.get_by_role("link", name="Export", exact=True).click()
    fine(page)
    with page.expect_download() as waited:
        page.get_by_role("button", name="Download c99", exact=True).click()
    compiled(Path(waited.value.path()), tmp_path / "c")
    with page.expect_download() as waited:
        page.get_by_role("button", name="Download library", exact=True).click()
    with zipfile.ZipFile(waited.value.path()) as files:
        assert {"my_rows/library.properties", "my_rows/src/my_rows.c", "my_rows/src/my_rows.h"} <= set(files.namelist())
    with page.expect_download() as waited:
        page.get_by_role("button", name="Download the package", exact=True).click()
    assert Path(waited.value.path()).read_bytes() == (root / "my-rows" / "my-rows.edge").read_bytes()
    config = convert_table(read_trace(root / "my-rows" / "trace.json").config, PipelineConfig, "my-rows")
    assert config.data["group"] == "who"
    assert config.device.profile == "esp32-s3"


def test_a_window_is_changed_and_the_map_follows(opener: Opener) -> None:
    page = patient(opener("/new"))
    page.get_by_role("button", name="Motion").click()
    page.wait_for_url("**/new/data/motion.csv")
    points = page.locator("svg.map .point")
    before = points.count()
    page.locator("#rows").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#decision")).to_have_value("window")
    expect(page.locator("figure.separation figcaption")).to_have_text("How the windows lie apart")
    expect(page.locator("output[for=rows]")).to_have_text("65")
    assert 0 < points.count() < before
    assert page.evaluate("document.activeElement.id") == "rows"
    fine(page)


def test_features_are_chosen_and_values_and_map_follow(opener: Opener) -> None:
    page = patient(opener("/new"))
    page.get_by_role("button", name="Motion").click()
    page.wait_for_url("**/new/data/motion.csv")
    expect(page.locator("figure.spread")).to_have_count(6)
    note = page.locator("figure.separation .note")
    expect(note).to_contain_text("components of 20 features")
    before = page.locator("svg.map .point").first.get_attribute("transform")
    page.locator("#features").fill("2")
    expect(page.locator("#keep")).to_have_value("best")
    expect(page.locator("figure.spread")).to_have_count(2)
    expect(note).to_contain_text("components of 2 features")
    assert page.locator("svg.map .point").first.get_attribute("transform") != before
    fine(page)


def test_it_works_without_script(root: Path, opener: Opener, tmp_path: Path) -> None:
    page = patient(opener("/", java_script_enabled=False))
    file = tmp_path / "rows.csv"
    file.write_text(table(), encoding="utf-8")
    page.get_by_label("Choose a file").set_input_files(file)
    page.get_by_role("button", name="Upload").click()
    page.get_by_label("Person or machine").select_option("who")
    page.get_by_role("button", name="Refresh").click()
    assert "Only 6 people or machines" in page.locator(".notice.warn").first.inner_text()
    page.get_by_role("button", name="Train").click()
    page.get_by_role("link", name="Refresh").wait_for()
    assert "/started/" in page.url


def test_a_file_that_is_no_table_is_one_line(root: Path, opener: Opener) -> None:
    page = patient(opener("/new"))
    drop(page, "empty.csv", "")
    expect(page.locator("[role=alert]")).to_contain_text("Expected rows, got an empty file - at empty.csv")
    fine(page)
    drop(page, "photo.jpg", "JFIF")
    expect(page.locator("[role=alert]")).to_contain_text("a CSV, TSV, Parquet or WAV file")
    drop(page, "one.csv", "label\nx\ny\nx\ny\nx\ny\n")
    expect(page.locator("[role=alert]")).to_contain_text("at least one column of numbers, or of few texts")
    fine(page)
    assert page.get_by_role("button", name="Train").is_disabled()
