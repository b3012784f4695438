"""The studio on a phone, from its start page by touch and typing alone: lessons and a file of one's own."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from looking import SMALL, looked_at, too_wide
from studio_example import record
from studio_server import started

pytestmark = pytest.mark.slow
Opener = Callable[..., Page]
LONG_MS = 180_000
PERSONS, ROWS = 12, 14
# Heart rate, step rate, spread of the acceleration and skin temperature of who sits, walks and runs.
MEANS = {"sitting": (68, 0, 0.05, 33), "walking": (96, 105, 0.35, 32.5), "running": (148, 160, 0.95, 31.5)}
DEVIATIONS = (14, 30, 0.3, 0.5)
ANSWERS: tuple[str, ...] = ()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    runs = tmp_path_factory.mktemp("runs")
    record(runs, "pump-1")
    with started(runs) as (where, _):
        yield where


def phone_page(opener: Opener) -> Page:
    """Return the start page in a hand."""
    page = opener("/", viewport={"width": 390, "height": 844}, has_touch=True)
    page.set_default_timeout(LONG_MS)
    expect.set_options(timeout=LONG_MS)
    looked_at(page)
    return page


def fits(page: Page) -> None:
    """Assert that nothing of a page with many words of its own is too wide or too small."""
    page.wait_for_load_state()
    assert too_wide(page) == []
    assert page.evaluate(SMALL) == []


def tab(page: Page, strip: str, name: str) -> Locator:
    """Touch a tab, and return it once it is the current one and in sight."""
    touched = page.get_by_label(strip, exact=True).get_by_role("link", name=name, exact=True)
    touched.tap()
    expect(touched).to_have_attribute("aria-current", re.compile("true|page"))
    expect(touched).to_be_in_viewport()
    return touched


@pytest.mark.parametrize("lesson", ["latency", "activity", "scalability"])
def test_a_lesson_is_run_read_and_answered(opener: Opener, lesson: str) -> None:
    page = phone_page(opener)
    tab(page, "Studio", "Start")
    looked_at(page)
    page.get_by_role("button", name=lesson.capitalize(), exact=True).tap()
    expect(page.locator("h1")).to_have_text(f"Pipeline {lesson}")
    looked_at(page)
    page.get_by_role("button", name="Train", exact=True).tap()
    page.wait_for_url(f"**/page/{lesson}")
    fits(page)
    tabs = page.get_by_label("Ways to read this run").get_by_role("link").all_inner_texts()
    assert len(tabs) >= 9
    for name in tabs:
        tab(page, "Ways to read this run", name)
        assert page.get_by_role("heading", name=name, level=2).is_visible()
        fits(page)
    tab(page, "Ways to read this run", "Step through")
    page.get_by_role("button", name="Play").tap()
    expect(page.locator("#steps .layers > li.now")).to_contain_text("Answer")
    page.locator("#steps summary", has_text="Stage 1 of 6").tap()
    assert page.locator("#steps details[open]").first.is_visible()
    tab(page, "Ways to read this run", "Quiz")
    page.locator("#quiz-1 input:not(.right) + label").first.tap()
    expect(page.locator("#quiz-1 .reasons p:visible")).to_contain_text("No.")
    page.locator("#quiz-1 input.right + label").tap()
    expect(page.locator("#quiz-1 .reasons p:visible")).to_contain_text("Right.")


def table() -> str:
    """Rows of a wearable: eight people who sit, walk and run."""
    rng = np.random.default_rng(5)
    lines = ["person,heart_rate,step_rate,acceleration_spread,skin_temperature,activity"]
    for person in range(PERSONS):
        own = rng.normal(0, 0.6, 4)
        for _ in range(ROWS):
            for activity, means in MEANS.items():
                values = np.abs(rng.normal(means, DEVIATIONS) + own * DEVIATIONS)
                lines.append(",".join([f"p{person}", *(f"{value:.2f}" for value in values), activity]))
    return "\n".join(lines) + "\n"


def test_a_file_becomes_a_model_that_answers_and_is_downloaded(opener: Opener, tmp_path: Path) -> None:
    file = tmp_path / "My watch.csv"
    file.write_text(table(), encoding="utf-8")
    page = phone_page(opener)
    tab(page, "Studio", "Start")
    page.get_by_label("Choose a file").set_input_files(file)
    page.get_by_role("button", name="Upload").tap()
    expect(page.locator("h1")).to_have_text(
        f"My-watch.csv {PERSONS * ROWS * 3} rows, 4 readings, {PERSONS} people or machines, 3 classes"
    )
    looked_at(page)
    page.locator("summary", has_text="Help: decision").tap()
    assert page.locator("#decision-hint").is_visible()
    page.get_by_role("button", name="Train", exact=True).tap()
    page.wait_for_url("**/page/My-watch")
    fits(page)
    assert re.search("ready", page.locator(".verdict").inner_text())

    tab(page, "This run", "Predict")
    looked_at(page)
    for name, value in zip(("heart_rate", "step_rate", "acceleration_spread"), MEANS["running"][:3], strict=True):
        page.get_by_label(name).fill(str(value))
    page.get_by_role("button", name="Predict", exact=True).first.tap()
    expect(page.locator(".answer")).to_contain_text("running")
    fits(page)

    tab(page, "This run", "Live test")
    looked_at(page)
    for activity, means in MEANS.items():
        for name, value in zip(("heart_rate", "step_rate", "acceleration_spread"), means[:3], strict=True):
            page.get_by_label(name).first.fill(str(value))
        expect(page.locator("#live-answer")).to_have_text(activity)
        assert page.locator("#live-answer").is_visible()
        expect(page.locator("#live-answer")).to_be_in_viewport()

    tab(page, "This run", "Export")
    looked_at(page)
    with page.expect_download() as waited:
        page.get_by_role("button", name="Download c99", exact=True).tap()
    with zipfile.ZipFile(waited.value.path()) as files:
        assert any(name.endswith(".c") for name in files.namelist())
