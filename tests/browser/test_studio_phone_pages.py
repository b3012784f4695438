"""The phone's pages as a phone has them: over TLS, by the code, sensors to a file, and a run's model."""

from __future__ import annotations

import csv
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from looking import too_wide, violations
from studio_server import PATIENCE, START
from web_example import need_web

pytestmark = pytest.mark.slow


@pytest.fixture
def studio(tmp_path: Path, lesson: Callable[..., object]) -> Iterator[tuple[str, Path]]:
    """Provide the address of the code and the folder of a studio with one run."""
    need_web()
    folder = tmp_path / "runs"
    shutil.copytree(lesson("activity").folder, folder / "activity")  # type: ignore[attr-defined]
    words = ["--port", "0", "--no-open", "--phone", "--phone-address", "127.0.0.1", "--phone-port", "0"]
    environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "config")}
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", START, "studio", str(folder), *words], stdout=subprocess.PIPE, text=True,
        env=environment,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield next(match[0] for line in process.stdout if (match := re.search(r"https://\S+", line))), folder
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)


def test_a_phone_records_and_then_runs_the_model(studio: tuple[str, Path], browser: Browser) -> None:
    address, folder = studio
    context = browser.new_context(ignore_https_errors=True, viewport={"width": 360, "height": 740})
    page = context.new_page()
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    client = context.new_cdp_session(page)
    for kind in ("accelerometer", "gyroscope", "linear-acceleration"):
        client.send("Emulation.setSensorOverrideEnabled", {"enabled": True, "type": kind})
        reading = {"xyz": {"x": 1.0, "y": 9.8, "z": 4.9}}
        client.send("Emulation.setSensorOverrideReadings", {"type": kind, "reading": reading})
    page.goto(address)
    assert "token" not in page.url
    assert violations(page) == []
    assert too_wide(page) == []
    _left(page)
    _away(page)
    _recorded(page)
    assert troubles == []
    (kept,) = (folder / "data" / "phone").glob("waving-*.csv")
    (begun,) = (folder / "data" / "phone").glob("left-*.csv")
    assert 25 <= len(begun.read_text().splitlines()) - 1 < 1000
    with kept.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 100
    assert {(row["label"], row["person"]) for row in rows} == {("waving", "Ann")}
    values = np.array([[float(row[name]) for name in ("acc_x", "acc_y", "gyro_z")] for row in rows])
    assert np.allclose(values, [0.102, 1.0, 4.9], atol=0.05), values[:3]
    page.set_default_timeout(60_000)  # the app is made when it is asked for
    page.get_by_role("link", name="activity").click()
    expect(page.locator("#status")).to_contain_text("Ready", timeout=60_000)
    page.get_by_role("button", name="Answer", exact=True).click()
    expect(page.locator("#label")).not_to_have_text("–")
    other = browser.new_context(ignore_https_errors=True).new_page()
    other.goto(address)
    expect(other.locator("p")).to_contain_text("was used already")
    other.context.close()
    context.close()


def _recording(page: Page, label: str = "left", seconds: int = 20) -> None:
    page.get_by_label("Label").fill(label)
    page.get_by_label("Person").fill("Ann")
    page.get_by_label("Seconds").fill(str(seconds))
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#status")).to_contain_text(re.compile("Recording: .* [1-9] s"), timeout=20_000)


def _left(page: Page) -> None:
    """Leave the page while it records: the studio has what was recorded, and keeps or deletes it by a click."""
    left = page.locator("#left li")
    _recording(page)
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    expect(left).to_contain_text("s are recorded and not kept yet")
    page.get_by_role("button", name="Delete it").click()
    expect(left).to_have_count(0)
    _recording(page)
    page.goto(page.url.rstrip("/") + "/static/style.css")
    page.go_back()
    page.reload()
    expect(left).to_contain_text("left, Ann: ")
    assert violations(page) == []
    page.get_by_role("button", name="Keep it").click()
    expect(page.locator("#kept li")).to_contain_text("in data/phone/left-Ann-")
    expect(left).to_have_count(0)
    page.reload()
    expect(left).to_have_count(0)


def _away(page: Page) -> None:
    """Lose the connection while it records, and at its end: all of it is kept as soon as the studio answers."""
    _recording(page, "away", 6)
    page.context.set_offline(True)
    expect(page.locator("#status")).to_contain_text("The studio does not answer", timeout=20_000)
    page.context.set_offline(False)
    expect(page.locator("#kept li").first).to_contain_text("300 rows in data/phone/away-Ann-", timeout=20_000)


def _recorded(page: Page) -> None:
    page.get_by_label("Label").fill("waving")
    page.get_by_label("Person").fill("Ann")
    page.get_by_label("Seconds").fill("2")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#status")).to_contain_text("Starts in")
    expect(page.locator("#status")).to_contain_text("Kept", timeout=20_000)
    expect(page.locator("#kept li").first).to_contain_text("100 rows in data/phone/waving-Ann-")
