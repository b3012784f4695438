"""A whole job from the studio alone: begun by a click, watched step by step, and its page at the end."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from looking import check_pages, too_wide, violations
from small_pipeline import write_rows, write_toml
from studio_server import started

pytestmark = pytest.mark.slow
Opener = Callable[..., Page]
ANSWERS = ("status of 400",)
LONG = 120_000
JOB = """
title = "Does the pump run?"
shows = "A network on a device."
answer = "Yes, right {run.accuracy} of the time."
[[steps]]
kind = "run"
pipeline = "pump.toml"
[[steps]]
kind = "prove"
"""
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("studio")
    (root / "mine" / "desk").mkdir(parents=True)
    write_toml(root / "mine" / "desk" / "pump.toml", write_rows(root / "rows.csv"))
    (root / "mine" / "desk" / "job.toml").write_text(JOB)
    return root


@pytest.fixture(scope="module")
def address(root: Path) -> Iterator[str]:
    with started(root) as (where, _):
        yield where


def test_a_job_is_run_on_a_phone_from_the_list_to_its_page_and_both_are_accessible(root: Path, opener: Opener) -> None:
    page = opener("/", viewport=PHONE)
    page.set_default_timeout(LONG)
    page.get_by_role("link", name="Jobs", exact=True).click()
    page.get_by_role("button", name="Run mine/desk").click()
    page.wait_for_url(re.compile("/live/"))
    steps = page.locator(".time-steps li")
    expect(steps.first).to_be_visible()
    expect(page.locator(".time-steps .running").first).to_be_visible()
    going = page.url
    page.wait_for_url("**/job/desk")
    expect(page.locator(".time-steps li .finished")).to_have_count(steps.count())
    assert page.locator("svg.time-line rect").count() == steps.count()
    assert (root / "desk" / "job.json").is_file()
    expect(page.locator("p.lead")).to_have_text(re.compile(r"^Yes, right \d+\.\d % of the time\.$"))
    page.goto(going)
    expect(page).to_have_url(re.compile("/job/desk$"))
    page.get_by_role("link", name="Open its page").click()
    expect(page.locator("h1")).to_contain_text("Does the pump run?")
    page.goto(going.partition("/live/")[0] + "/jobs")
    assert page.get_by_role("link", name="desk", exact=True).count() == 1
    check_pages(opener, ["/jobs", "/job/desk"])


def test_a_job_of_own_data_is_made_and_run_on_a_phone(root: Path, opener: Opener) -> None:
    page = opener("/jobs", viewport=PHONE)
    page.set_default_timeout(LONG)
    page.get_by_text("Make a job of your own").click()
    assert violations(page) == []
    assert too_wide(page) == []
    page.get_by_label("Name").fill("pump")
    page.get_by_role("button", name="Make the job").click()
    expect(page.get_by_role("alert")).to_contain_text("Choose a file or a folder")
    expect(page.get_by_label("Name")).to_have_value("pump")
    page.get_by_label("Data", exact=True).select_option("rows.csv")
    page.get_by_label("Compare models for").select_option("5 seconds")
    page.get_by_role("button", name="Make the job").click()
    page.wait_for_url("**/job/pump")
    assert (root / "jobs" / "pump" / "job.toml").is_file()
    expect(page.locator("h1")).to_have_text("What do rows.csv tell?")
    expect(page.locator(".time-steps li")).to_have_text(["ladder", "run", "prove"])
    assert violations(page) == []
    assert too_wide(page) == []
    page.get_by_role("button", name="Run").click()
    page.wait_for_url(re.compile("/live/"))
    expect(page.locator(".time-steps li").first).to_contain_text("running")
    page.get_by_role("button", name="Cancel").click()


def test_what_is_no_job_is_refused(opener: Opener) -> None:
    page = opener("/jobs")
    page.evaluate("document.querySelector('form.job input[name=job]').value = '../secret'")
    page.locator("form.job button").first.click()
    expect(page.locator("[role=alert]")).to_contain_text("Expected one of the jobs listed")
