"""The live test in a real browser: rows of sensors and of CSV get the answers of `edgewright predict`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from edgewright.pipeline.config import read_config
from edgewright.pipeline.run import run_pipeline
from labelled_folder import write_labels, write_recordings, write_toml
from looking import check_pages
from small_pipeline import run_small, write_rows
from small_pipeline import write_toml as write_small
from studio_server import started

pytestmark = pytest.mark.slow
Opener = Callable[..., Page]
# Rows that are no numbers are answered with 400, which the browser notes.
ANSWERS = ("status of 400", "status of 404")
MOVED = """([rows, interval]) => { for (const [x, y] of rows) dispatchEvent(
    new DeviceMotionEvent("devicemotion", {accelerationIncludingGravity: {x, y, z: 0}, interval})) }"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("studio")
    write_labels(write_recordings(root / "moves"))
    toml = write_toml(root / "first.toml", root / "moves")
    run_pipeline(read_config(str(toml)), out=root / "runs", force=True, command="edgewright run")
    run_small(write_small(root / "small.toml", write_rows(root / "rows.csv")), root / "runs")
    return root


@pytest.fixture(scope="module")
def address(root: Path) -> Iterator[str]:
    with started(root) as (where, _):
        yield where


@pytest.fixture(scope="module")
def predicted(root: Path) -> list[dict[str, Any]]:
    """Return what `edgewright predict` answers to a recording."""
    command = ["predict", str(root / "runs" / "moved"), "--csv", str(root / "moves" / "one.csv"), "--json"]
    code = "from edgewright.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, text=True, timeout=120, check=True
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == 23
    assert len({answer["confidence"] for answer in answers}) > 15
    return answers


def answered(page: Page) -> list[dict[str, Any]]:
    """Return answers with the places that the page shows, the first one first."""
    answers = page.locator("#live-answers tr").evaluate_all(
        "all => all.map(e => ({...JSON.parse(e.dataset.answer), place: e.querySelector('th').textContent})).reverse()"
    )
    return list(answers)


def test_a_csv_file_gets_the_answers_of_predict(root: Path, opener: Opener, predicted: list[dict[str, Any]]) -> None:
    page = opener("/page/runs/moved")
    page.get_by_role("link", name="Live test").click()
    page.get_by_label("Or a file").set_input_files(root / "moves" / "one.csv")
    page.locator("#live-csv").get_by_role("button", name="Start").click()
    expect(page.locator("#live-state")).to_have_text("23 answers, the end of the rows.")
    assert answered(page) == predicted
    expect(page.locator("#live-answer")).to_have_text(predicted[-1]["label"])


def test_a_file_that_grows_is_answered_as_it_does(root: Path, opener: Opener, predicted: list[dict[str, Any]]) -> None:
    lines = (root / "moves" / "one.csv").read_text().splitlines(keepends=True)
    grown = root / "grown.csv"
    grown.write_text("".join(lines[:101]) + lines[101][:3])
    page = opener("/live-test/runs/moved")
    page.get_by_label("CSV file", exact=True).fill("grown.csv")
    page.get_by_role("button", name="Follow").click()
    expect(page.locator("#live-state")).to_have_text("3 answers")
    grown.write_text("".join(lines))
    expect(page.locator("#live-state")).to_have_text("23 answers")
    assert answered(page) == predicted
    grown.write_text("")
    expect(page.locator("#live-state")).to_have_text("grown.csv became shorter while it was followed.")
    page.get_by_label("CSV file", exact=True).fill("../secret.csv")
    page.get_by_role("button", name="Follow").click()
    expect(page.locator("#live-state")).to_have_text("The studio has no such file.")


def test_motion_events_get_the_answers_of_predict(root: Path, opener: Opener, predicted: list[dict[str, Any]]) -> None:
    lines = (root / "moves" / "one.csv").read_text().splitlines()[1:]
    rows = [[float(cell) for cell in line.split(",")] for line in lines]
    page = opener("/live-test/runs/moved")
    assert page.locator("#sensor-0").input_value() == "accelerationIncludingGravity.x"
    page.locator("#live-sensors").get_by_role("button", name="Start").click()
    for first in range(0, len(rows), 37):
        page.evaluate(MOVED, [rows[first : first + 37], 20])
    expect(page.locator("#live-state")).to_have_text("23 answers")
    assert answered(page) == predicted
    assert not page.locator("#live-rate").is_visible()
    page.evaluate(MOVED, [rows[:1], 10])
    expect(page.locator("#live-rate")).to_contain_text("100 samples a second, the model learned from 50")
    page.get_by_role("button", name="Stop").click()
    page.evaluate(MOVED, [rows[:100], 20])
    expect(page.locator("#live-state")).to_have_text("Stopped.")
    assert len(answered(page)) == 23


def test_a_row_is_answered_as_its_fields_change(root: Path, opener: Opener) -> None:
    page = opener("/live-test/runs/small", viewport={"width": 390, "height": 844})
    assert page.locator("#live-sensors, #live-microphone").count() == 0
    confidences = set()
    for values in (("2", "2"), ("2", "-2")):
        for field, text in zip(page.locator("#live-row input").all(), values, strict=True):
            field.fill(text)
        expect(page.locator("#live-answer")).not_to_have_text("No answer yet")
        shown = json.loads(str(page.locator("#live-answers tr").first.get_attribute("data-answer")))
        code = "from edgewright.cli.main import main; main()"
        command = ["predict", str(root / "runs" / "small"), "--values", ",".join(values), "--json"]
        done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=True)
        assert json.loads(done.stdout)["label"] == shown["label"]
        confidences.add(shown["confidence"])
    assert len(confidences) == 2


def test_what_cannot_be_answered_is_said(opener: Opener) -> None:
    page = opener("/live-test/runs/moved")
    page.get_by_label("Rows with a header line").fill("x,y\n" + "1,2\n" * 60 + "1,two\n" * 20)
    page.locator("#live-csv").get_by_role("button", name="Start").click()
    expect(page.locator("#live-state")).to_contain_text("Stopped after row 0: ")
    expect(page.locator("#live-state")).to_contain_text("'two'")
    page.get_by_label("Rows with a header line").fill("x,y\n1,2\n")
    page.locator("#live-csv").get_by_role("button", name="Start").click()
    expect(page.locator("#live-state")).to_have_text("Fewer rows than one window of 50.")
    page.locator("#live-sensors").get_by_role("button", name="Start").click()
    expect(page.locator("#live-state")).to_contain_text("this device", timeout=10_000)
    page.locator("#sensor-0").select_option("")
    page.locator("#sensor-1").select_option("")
    page.locator("#live-sensors").get_by_role("button", name="Start").click()
    expect(page.locator("#live-state")).to_have_text("Choose a sensor for a column first.")


def test_the_page_is_accessible_and_fits_a_phone(opener: Opener) -> None:
    check_pages(opener, ["/live-test/runs/moved"])
