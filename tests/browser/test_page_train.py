"""Training in the page: its curves against JAX's on the same samples, its controls, its goals, its look."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from edgewright.core.records.trace import EpochRecord
from edgewright.models.network import NetworkClassifier, NetworkRegressor
from edgewright.pipeline.config import read_config
from edgewright.pipeline.run import RunResult, run_pipeline
from edgewright.trace.html import PAGE_LIMIT
from edgewright.training.program import always_compiled
from looking import SCREENS, too_wide, violations
from small_pipeline import rows, write_rows, write_toml
from support import shared_data

if TYPE_CHECKING:
    from conftest import Lesson

pytestmark = pytest.mark.slow
Opener = Callable[..., Page]
LESSONS = ("activity", "latency", "scalability")
# JAX adds in float32, in an order of its own, and the page in float64: a sum differs by a few units in its last of 24
# bits, 6e-8 each. The lessons' losses differ by 3e-7 after their last epoch; 1e-5 leaves room for another processor.
CLOSE = 1e-5


@pytest.fixture
def opener(browser: Browser) -> Iterator[Opener]:
    """Open a page's tab; fails at a request and at what the browser complains of."""
    pages: list[Page] = []
    troubles: list[str] = []

    def opened(path: Path, **settings: object) -> Page:
        page = browser.new_context(**settings).new_page()  # type: ignore[arg-type]
        pages.append(page)
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on(
            "request", lambda request: None if request.url.startswith(path.as_uri()) else troubles.append(request.url)
        )
        page.goto(f"{path.as_uri()}#train")
        page.wait_for_selector("#train-form:not([hidden])")
        return page

    yield opened
    for page in pages:
        page.context.close()
    assert troubles == []


def train(page: Page) -> list[dict[str, Any]]:
    """Press Train, wait for the last epoch, and return the page's epochs."""
    page.click("#train-play")
    page.locator("#train-play", has_text="Train on").wait_for(timeout=180_000)
    return history(page)


def history(page: Page) -> list[dict[str, Any]]:
    epochs: list[dict[str, Any]] = json.loads(page.locator("#train-form").get_attribute("data-history") or "")
    return epochs


def figures(page: Page, row: int = 0) -> list[str]:
    """Return the cells of a network that was trained."""
    return page.locator("#train-networks tbody tr").nth(row).locator("th, td").all_inner_texts()


def unpacked(page: Page, name: str) -> bytes:
    return zlib.decompress(base64.b64decode(page.locator("#train-data").get_attribute(f"data-{name}") or ""))


def program(page: Page, layers: tuple[dict[str, Any], ...] | None = None) -> tuple[EpochRecord, ...]:
    """Train the page's network in JAX on the samples that the page holds; `layers` of a network over windows."""
    recipe = json.loads(page.locator("#train-data").text_content() or "")
    raw, shape = unpacked(page, "values"), (-1, len(recipe["names"]), recipe["samples"])
    if recipe["encoding"] == "uint8":
        low, step = (np.array(recipe[name])[:, None] for name in ("low", "step"))
        X = (low + step * np.frombuffer(raw, np.uint8).reshape(shape)).astype(np.float32)
    else:
        X = np.frombuffer(raw, recipe["encoding"]).reshape(shape).astype(np.float32)
    if recipe["samples"] == 1:
        X = X[:, :, 0]
        X = np.concatenate([X, X[:, recipe["left"]] * X[:, recipe["right"]]], axis=1)
    y = np.frombuffer(unpacked(page, "targets"), np.uint8 if recipe["classes"] else np.float32)
    names = ("optimiser", "learning_rate", "schedule", "warm_up", "weight_decay", "batch", "epochs", "label_smoothing",
             "dropout", "seed")  # fmt: skip
    if layers is None:
        layers = tuple(
            {name: layer[name] for name in ("kind", "units", "activation")} for layer in recipe["layers"][:-1]
        )
    kind = NetworkClassifier if recipe["classes"] else NetworkRegressor
    weights = "balanced" if recipe["balanced"] else "none"
    model = kind(layers, calibrate=False, class_weights=weights, **{name: recipe[name] for name in names})
    n = recipe["training"]
    with always_compiled():  # NumPy would train a small network, whose losses differ by 1e-6 at first and 1e-3 later
        return tuple(model.fit(X[:n], y[:n], validation=(X[n:], y[n:])).history_)


def check_curves(page: Page, wanted: tuple[EpochRecord, ...], close: float = CLOSE) -> None:
    epochs = history(page)
    assert len(epochs) == len(wanted)
    for epoch, record in zip(epochs, wanted, strict=True):
        assert epoch["loss"] == pytest.approx(record.loss, rel=close)
        assert epoch["validation"]["loss"] == pytest.approx(record.validation_loss, rel=close)
        if record.accuracy is not None:
            assert epoch["accuracy"] == pytest.approx(record.accuracy, abs=1e-3)
            assert epoch["validation"]["accuracy"] == pytest.approx(record.validation_accuracy, abs=1e-3)


@pytest.mark.parametrize("name", LESSONS)
def test_the_curves_are_those_of_the_program_on_the_same_samples(
    name: str, lesson: Callable[[str], Lesson], opener: Opener
) -> None:
    page = opener(lesson(name).folder / "trace.html")
    train(page)
    wanted = program(page)
    check_curves(page, wanted)


def test_a_run_whose_samples_all_fit_is_repeated(lesson: Callable[[str], Lesson], opener: Opener) -> None:
    planned = lesson("latency")
    page = opener(planned.folder / "trace.html")
    assert planned.trace.training is not None
    train(page)
    assert "the curves are the run's own" in page.locator("#train .lead").inner_text()
    check_curves(page, planned.trace.training.epochs)


@pytest.mark.parametrize(
    "changes",
    [
        (
            "training.optimiser=adamw",
            "training.schedule=one_cycle",
            "training.weight_decay=0.03",
            "training.dropout=0.2",
            "training.label_smoothing=0.05",
            'model.layers=[{kind="dense", units=9, activation="sigmoid"}]',
        ),
        (
            "training.optimiser=sgd",
            "training.schedule=constant",
            "training.weight_decay=0.01",
            "training.learning_rate=0.05",
            "training.class_weights=balanced",
        ),
        ("training.optimiser=adamw", "task=regression", "model.layers=[]", "training.batch=7"),
    ],
    ids=["adamw", "sgd", "regression"],
)
def test_optimisers_schedules_and_losses_are_those_of_the_program(
    changes: tuple[str, ...], tmp_path: Path, opener: Opener
) -> None:
    table = rows(("low", "middle", "high") if "sgd" in changes[0] else ("off", "on"))
    if "task=regression" in changes:
        table = [[a, b, f"{float(a) - 2 * float(b):.3f}"] for a, b, _ in table]
    toml = write_toml(tmp_path / "small.toml", write_rows(tmp_path / "rows.csv", table))
    config = read_config(str(toml), (*changes, "training.epochs=6"))
    run = run_pipeline(config, out=tmp_path / "runs")
    assert run.trace.training is not None
    page = opener(run.folder / "trace.html")
    train(page)
    check_curves(page, program(page))
    check_curves(page, run.trace.training.epochs)


WINDOWS = """\
name = "window"
seed = 3
refit = false
data = {{kind = "hapt", path = "{path}"}}
window = {{samples = 128, step = 256, within = "label"}}
split = {{by = "group", test_groups = ["26", "27", "28", "29", "30"], validation = 0.12}}
stages = [{{kind = "scale", method = "standard"}}]
training = {{epochs = 3, {training}}}
compression = {{int8 = false}}
model = {{layers = [{layers}]}}
"""
# A pool of each kind, each padding, a stride and a dilation; with settings of training.
NETWORKS = {
    "convolutions": (
        '{kind="conv1d", filters=12, kernel=5, stride=2}, {kind="max_pool", kernel=3, stride=2}, '
        '{kind="depthwise_separable", filters=16, kernel=5, padding="valid"}, '
        '{kind="average_pool", kernel=3, stride=2}, {kind="flatten"}, {kind="dense", units=16, activation="sigmoid"}',
        'optimiser="adamw", schedule="one_cycle", weight_decay=0.03, dropout=0.1, batch=32',
    ),
    "causal": (
        '{kind="conv1d", filters=8, kernel=3, padding="causal", activation="sigmoid"}, '
        '{kind="depthwise_separable", filters=12, kernel=4, stride=2, padding="causal", dilation=2, '
        'depthwise_activation="linear"}, '
        '{kind="last_sample"}, {kind="dense", units=9}',
        'class_weights="balanced", batch=32',
    ),
    "means": (
        '{kind="conv1d", filters=10, kernel=7, stride=3, dilation=2}, {kind="global_average_pool"}',
        "learning_rate=0.01, batch=32",
    ),
    "largest": ('{kind="conv1d", filters=10, kernel=5, activation="linear"}, {kind="global_max_pool"}', "batch=16"),
}


@pytest.fixture(scope="module", params=NETWORKS)
def windowed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """Return a run over windows of a phone at the waist, of one of the networks."""
    folder = tmp_path_factory.mktemp(request.param)
    layers, training = NETWORKS[request.param]
    text = WINDOWS.format(path=shared_data("har-hapt"), layers=layers, training=training)
    (folder / "window.toml").write_text(text, encoding="utf-8")
    return run_pipeline(read_config(str(folder / "window.toml")), out=folder / "runs")


def test_windows_are_trained_as_the_program_trains_them(windowed: RunResult, opener: Opener) -> None:
    path = windowed.folder / "trace.html"
    assert path.stat().st_size < PAGE_LIMIT
    known = windowed.trace.trainable
    assert known is not None
    page = opener(path)
    recipe = json.loads(page.locator("#train-data").text_content() or "")
    assert 40 <= recipe["training"] <= known.training < known.training_samples
    words = f"{recipe['training']:,} of its {known.training_samples:,} training samples"
    assert words in page.locator("#train .lead").inner_text()
    parameters = sum(layer.parameters for layer in windowed.trace.layers)
    assert f": {parameters:,} parameters" in page.locator("#train-sizes").inner_text()
    train(page)
    model = windowed.trace.config["model"]
    assert isinstance(model, dict)
    check_curves(page, program(page, tuple(model["layers"])))
    assert violations(page) == []
    assert too_wide(page) == []


def test_the_first_lesson_finds_227_parameters_that_do_what_5059_do(
    lesson: Callable[[str], Lesson], opener: Opener
) -> None:
    page = opener(lesson("activity").folder / "trace.html")
    goals = page.locator(".goals li")
    assert goals.count() == 2
    train(page)
    expect(goals.nth(0)).to_have_class("done")
    page.click("text=Remove a layer")
    page.fill("label:has-text('Hidden layer 1') input", "16")
    page.press("label:has-text('Hidden layer 1') input", "Enter")
    assert page.locator("#train-sizes").inner_text() == "10-16-3: 227 parameters, 908 B"
    page.select_option("#train-rate", "0.01")
    train(page)
    expect(goals.nth(1)).to_have_class("done")
    assert "227 parameters (10-16-3) do what 5,059 do" in goals.nth(1).inner_text()


def test_the_second_lesson_finds_where_int8_is_faster(lesson: Callable[[str], Lesson], opener: Opener) -> None:
    page = opener(lesson("latency").folder / "trace.html")
    goal = page.locator("[data-goal=faster]")
    assert "At 1,281 parameters about" in goal.inner_text()
    for _ in range(3):
        for layer in (1, 2):
            page.click(f"[aria-label='Double Hidden layer {layer}']")
    assert "At 67,585 parameters" in goal.inner_text()
    # Where int8 becomes faster depends on the processor: from 20,000 parameters on, or from 70,000.
    for _ in range(3):
        if goal.get_attribute("class") != "done":
            page.click("text=Add a layer")
    expect(goal).to_have_class("done")
    now, turn = re.findall("([0-9]+) parameters", goal.inner_text().replace(",", ""))
    assert 1_281 < int(turn) <= 1.01 * int(now)  # of two digits


def test_the_third_lesson_weighs_width_against_depth(lesson: Callable[[str], Lesson], opener: Opener) -> None:
    page = opener(lesson("scalability").folder / "trace.html")
    train(page)
    for layer in (1, 2):
        page.click(f"[aria-label='Double Hidden layer {layer}']")
    train(page)
    goal = page.locator("[data-goal=grows]")
    assert "Twice as wide: 33,301 parameters" in goal.inner_text()
    page.click("summary:has-text('More settings')")
    page.click("#train-restore")
    page.click("#train-add")
    page.click("#train-add")
    train(page)
    expect(goal).to_have_class("done")
    assert "Twice as deep: 19,251 parameters" in goal.inner_text()
    assert "As it is: 14,151 parameters" in goal.inner_text()


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Return the page of a run over 120 rows of two columns, of two epochs."""
    toml = write_toml(tmp_path / "small.toml", write_rows(tmp_path / "rows.csv"))
    return run_pipeline(read_config(str(toml)), out=tmp_path / "runs").folder / "trace.html"


def test_it_plays_pauses_steps_and_resets(lesson: Callable[[str], Lesson], opener: Opener) -> None:
    page = opener(lesson("activity").folder / "trace.html")
    now, play = page.locator("#train-now"), page.locator("#train-play")
    assert now.inner_text() == "32 batches an epoch"
    page.click("#train-step")
    assert now.inner_text().startswith("epoch 1, batch 1 of 32: loss 1.")
    # A wide network takes seconds, so that the click on Pause comes in time.
    for layer in (1, 2):
        page.fill(f"label:has-text('Hidden layer {layer}') input", "200")
        page.press(f"label:has-text('Hidden layer {layer}') input", "Enter")
    play.click()
    expect(play).to_have_text("Pause")
    page.locator("#train-now", has_text=re.compile(r"epoch [2-9]")).wait_for()
    play.click()
    expect(play).to_have_text("Go on")
    paused = now.inner_text()
    page.wait_for_timeout(200)
    assert now.inner_text() == paused
    page.click("#train-step")
    assert now.inner_text() != paused
    page.click("summary:has-text('More settings')")
    page.click("#train-restore")
    wanted = train(page)
    assert len(wanted) == 15
    page.click("#train-reset")
    expect(play).to_have_text("Train")
    assert history(page) == []
    assert train(page) == wanted
    assert len(train(page)) == 30


def test_every_setting_changes_the_training(small: Path, opener: Opener) -> None:
    page = opener(small)
    curves = [train(page)]
    page.click("summary:has-text('More settings')")
    for name, value in (("rate", "0.03"), ("batch", "8"), ("l2", "0.1"), ("dropout", "0.5")):
        page.select_option(f"#train-{name}", value)
        curves.append(train(page))
    page.fill("#train-seed", "4")
    page.press("#train-seed", "Enter")
    curves.append(train(page))
    page.click("[aria-label='Halve Hidden layer 1']")
    curves.append(train(page))
    page.uncheck("#train-features label:has-text('a') input")
    assert page.locator("#train-columns").inner_text() == "Features: 1 of 2 on"
    assert page.locator("#train-sizes").inner_text().startswith("1-4-1: 13 parameters")
    curves.append(train(page))
    losses = [curve[-1]["loss"] for curve in curves]
    assert len(set(losses)) == len(losses)
    page.click("#train-restore")
    assert train(page) == curves[0]


def test_smaller_forms_show_their_accuracy_and_bytes(lesson: Callable[[str], Lesson], opener: Opener) -> None:
    page = opener(lesson("activity").folder / "trace.html")

    def rows() -> list[list[str]]:
        return [row.locator("th, td").all_inner_texts() for row in page.locator("#train-bits tbody tr").all()]

    assert {(row[1], row[2]) for row in rows()} == {("–", "–")}, "nothing was trained"
    train(page)
    table = rows()
    assert [row[0].strip() for row in table] == ["32", "8", "6", "4", "2"]
    # Of 4,928 weights, a byte each; four bytes for each of 131 biases and scales.
    assert [row[3] for row in table] == ["20.2 kB", "6.0 kB", "4.7 kB", "3.5 kB", "2.3 kB"]
    right = [float(row[1].removesuffix(" %")) for row in table]
    assert right[1] == pytest.approx(right[0], abs=1.0)
    assert right[4] < right[0] - 3.0
    picture = page.locator("#train-map").get_attribute("aria-label")
    page.locator("#train-bits label", has_text="2").last.click()
    assert page.locator("#train-map").get_attribute("aria-label") != picture
    page.locator("#train-pruned").fill("90")
    pruned = rows()
    assert page.locator("#train-pruned-share").inner_text() == "90 %"
    assert pruned[0][3] == "3.1 kB"
    assert float(pruned[0][1].removesuffix(" %")) < right[0]


def test_a_network_of_half_the_width_learns_from_the_larger_one(
    lesson: Callable[[str], Lesson], opener: Opener
) -> None:
    page = opener(lesson("activity").folder / "trace.html")
    train(page)
    page.click("#train-distil")
    assert page.locator("#train-sizes").inner_text().startswith("10-32-32-3: 1,507 parameters")
    assert "answers of 10-64-64-3" in page.locator("#train-teacher").inner_text()
    epochs = train(page)
    assert epochs[-1]["validation"]["accuracy"] > 0.8
    assert figures(page)[0] == "10-32-32-3 taught"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", SCREENS, ids=["desk", "phone"])
@pytest.mark.parametrize("name", LESSONS)
def test_it_fits_three_screens_and_axe_finds_nothing(
    name: str, viewport: dict[str, int], scheme: str, lesson: Callable[[str], Lesson], opener: Opener
) -> None:
    path = lesson(name).folder / "trace.html"
    assert path.stat().st_size < PAGE_LIMIT
    page = opener(path, viewport=viewport, color_scheme=scheme)
    box = page.locator("#train").bounding_box()
    assert box is not None
    assert box["height"] <= 3 * viewport["height"]
    train(page)
    page.evaluate("document.querySelectorAll('#train details').forEach(d => d.open = true)")
    assert too_wide(page) == []
    assert violations(page) == []
    small = (
        page.locator("#train")
        .locator("button, select, input")
        .evaluate_all(
            "all => all.map(e => [e.id || e.name, e.closest('label') ?? e])"
            ".map(([n, e]) => [n, e.getBoundingClientRect()]).filter(([, b]) => b.height < 24).map(([n]) => n)"
        )
    )
    assert small == []


def test_it_waits_until_its_tab_is_opened(lesson: Callable[[str], Lesson], browser: Browser) -> None:
    page = browser.new_page()
    page.goto((lesson("activity").folder / "trace.html").as_uri())
    page.click(".tabs a[href='#quiz']")
    page.wait_for_timeout(300)
    assert page.locator("#train-form").count() == 0
    page.click(".tabs a[href='#train']")
    page.wait_for_selector("#train-form:not([hidden])")
    page.close()


def test_without_script_it_says_so(lesson: Callable[[str], Lesson], browser: Browser) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto((lesson("activity").folder / "trace.html").as_uri())
    assert "Training needs JavaScript" in page.locator("#train").inner_text()
    assert not page.locator("#train-form").is_visible()
    page.context.close()
