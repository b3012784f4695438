"""The app of `export --to web` in a real browser: bits of the C, sensors in, offline, accessible."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from file_server import serving
from looking import too_wide, violations
from proof_example import samples
from web_example import compiled, many_rows, motion_subject, wasm_events, write_app

pytestmark = pytest.mark.slow
Opener = Callable[..., Page]
ROWS = 2000
# Chromium says so of a device without sensors before they are overridden.
ANSWERS = ("devicemotion",)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an exported app of windows."""
    return write_app(tmp_path_factory.mktemp("app"), motion_subject())


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """Return where the app is."""
    with serving(folder) as address:
        yield address


def test_samples_and_streams_have_the_bits_of_the_c(opener: Opener, folder: Path) -> None:
    page = opener("/")
    expect(page.locator("#status")).to_contain_text("Ready")
    X = np.concatenate([samples().samples * np.float32(scale) for scale in np.geomspace(0.1, 12.0, 17)])[:ROWS]
    rows = many_rows(ROWS)
    script = """async ([X, rows]) => {
        const model = await (await import("./model.js")).load();
        const real = (row) => row.map((value) => value ?? NaN);
        const started = performance.now();
        const answers = X.map((row) => model.predict(real(row)));
        const us = 1000 * (performance.now() - started) / X.length;
        return { answers, us, events: rows.map((row) => model.push(real(row))).filter(Boolean) };
    }"""
    given = [
        [[None if np.isnan(v) else float(v) for v in row] for row in part.reshape(len(part), -1)] for part in (X, rows)
    ]
    values = page.evaluate(script, given)
    answer = compiled(motion_subject()).predict(X)
    assert np.array_equal(
        np.array([one["given"] for one in values["answers"]], np.float32), answer.outputs["probabilities"]
    )
    assert [one["label"] for one in values["answers"]] == answer.outputs["label"].tolist()
    assert [one["flags"] for one in values["answers"]] == answer.flags.tolist()
    print(f"{values['us']:.1f} µs a window of {X[0].size} numbers in Chromium")
    theirs = wasm_events(folder / "model.wasm", rows)
    assert [(e["row"], e["kind"], e["label"], e["flags"], e["value"]) for e in values["events"]] == theirs
    assert len(theirs) > 10


def test_motion_sensors_become_rows_and_answers(opener: Opener, folder: Path) -> None:
    page = opener("/")
    client = page.context.new_cdp_session(page)
    for kind in ("accelerometer", "gyroscope", "linear-acceleration"):
        client.send("Emulation.setSensorOverrideEnabled", {"enabled": True, "type": kind})
    page.evaluate("""() => {
        window.taken = [];
        addEventListener("edgewright-row", ({ detail }) => window.taken.push(detail));
    }""")
    expect(page.locator("#status")).to_contain_text("Ready")
    page.get_by_role("button", name="Start").click()
    for step in range(120):
        swing = 9.8 * np.sin(step)
        for kind, push in (("accelerometer", 1.0), ("linear-acceleration", 0.5), ("gyroscope", 0.1)):
            reading = {"xyz": {"x": push * swing, "y": push * 4.9, "z": push * 19.6}}
            client.send("Emulation.setSensorOverrideReadings", {"type": kind, "reading": reading})
        page.wait_for_timeout(25)
    page.wait_for_function("() => window.taken.length >= 60")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#status")).to_have_text("Stopped.")
    recorded = page.evaluate("() => window.taken")
    rows = np.array([one["values"] for one in recorded], np.float64).astype(np.float32)
    assert np.allclose(rows[:, 1:], [0.5, 2.0], atol=0.02)
    assert np.ptp(rows[:, 0]) > 1.0
    events = [one["event"] for one in recorded if one["event"]]
    theirs = wasm_events(folder / "model.wasm", rows)
    assert [(e["row"], e["kind"], e["label"], e["flags"], e["value"]) for e in events] == theirs
    assert theirs
    expect(page.locator("#events li")).to_have_count(len(theirs))


def test_it_works_offline_after_the_first_visit(opener: Opener, folder: Path) -> None:
    page = opener("/")
    expect(page.locator("#status")).to_contain_text("Ready")
    page.evaluate("() => navigator.serviceWorker.ready.then(() => true)")
    page.reload()
    page.context.set_offline(True)
    page.reload()
    expect(page.locator("#status")).to_contain_text("Ready")
    page.locator("summary").click()
    rows = "\n".join(",".join("" if np.isnan(v) else f"{v:.9g}" for v in row) for row in many_rows(200))
    page.get_by_label("One row a line").fill(f"acc_x,acc_y,acc_z\n{rows}")
    page.get_by_role("button", name="Answer all rows").click()
    expect(page.locator("#status")).to_contain_text("200 rows")
    theirs = wasm_events(folder / "model.wasm", many_rows(200))
    expect(page.locator("#events li")).to_have_count(len(theirs))
    assert theirs


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("acc_x,acc_y\n1,2", "lacks the column acc_z"),
        ("acc_x,acc_y,acc_z\n1,two,3", "Row 1, column acc_y: expected a number"),
    ],
)
def test_wrong_rows_are_told_in_a_line(opener: Opener, text: str, message: str) -> None:
    page = opener("/")
    expect(page.locator("#status")).to_contain_text("Ready")
    page.locator("summary").click()
    page.get_by_label("One row a line").fill(text)
    page.get_by_role("button", name="Answer all rows").press("Enter")
    expect(page.locator("#status")).to_contain_text(message)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_scrolls_sideways(opener: Opener, scheme: str) -> None:
    page = opener("/", scheme=scheme, viewport={"width": 360, "height": 740})
    expect(page.locator("#status")).to_contain_text("Ready")
    page.locator("summary").click()
    assert violations(page) == []
    assert too_wide(page) == []
