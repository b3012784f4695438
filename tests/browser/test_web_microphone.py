"""The app of a model of sound: a real browser's microphone becomes rows at the rate of the model, with the C's bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page, expect

from edgewright.core.input.riff import wav_bytes
from edgewright.export.c99_host.probe import CStream
from file_server import serving
from web_example import SOUND_RATE, sound_subject, speech, wasm_events, write_app, written_c

pytestmark = pytest.mark.slow
Opener = Callable[..., Page]
DEVICE = 48_000
# What comes in and what the model takes, samples a second.
RATES = [(48_000, 8000), (44_100, 8000), (44_100, 16_000), (48_000, 16_000), (16_000, 44_100)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an exported app of spoken digits."""
    return write_app(tmp_path_factory.mktemp("digits"), sound_subject())


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """Return where the app is."""
    with serving(folder) as address:
        yield address


@contextmanager
def _listening(opener: Opener, rows: int) -> Iterator[Page]:
    """Provide the page after its microphone gave so many rows; they and their events are `window.taken`."""
    page = opener("/")
    expect(page.locator("#status")).to_contain_text("Ready")
    page.evaluate("""() => {
        window.taken = [];
        addEventListener("edgewright-row", ({ detail }) => window.taken.push([detail.values[0], detail.event]));
    }""")
    page.get_by_role("button", name="Start").click()
    page.wait_for_function("(rows) => window.taken.length >= rows", arg=rows, timeout=60_000)
    expect(page.locator("#status")).to_have_text("The microphone is on.")
    yield page
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#status")).to_have_text("Stopped.")


def _recorded(page: Page) -> tuple[NDArray[np.float32], list[Any]]:
    recorded = page.evaluate("() => window.taken")
    return np.array([value for value, _ in recorded], np.float32), [event for _, event in recorded if event]


def test_people_who_speak_get_the_answers_of_the_c(opener: Opener, folder: Path, microphone_file: Path) -> None:
    words = np.random.default_rng(1).permutation(speech()[0])[:72].reshape(-1, 1)
    microphone_file.write_bytes(wav_bytes(words, round(SOUND_RATE)))
    with _listening(opener, round(12 * SOUND_RATE)) as page:
        expect(page.locator("#sure")).to_contain_text("confidence")
    rows, events = _recorded(page)
    mine = [(one["row"], one["kind"], one["label"], one["flags"], one["value"]) for one in events]
    assert mine == wasm_events(folder / "model.wasm", rows[:, None])
    stream = CStream(written_c(sound_subject()), "digits", (), 4, "")
    times = np.arange(len(rows)) / SOUND_RATE
    theirs = [decision for _, decision in stream.run(rows[:, None], np.zeros(len(rows), np.int64), times).events]
    names = ("row", "kind", "label", "flags", "confidence")
    assert mine == [tuple(decision[name] for name in names) for decision in theirs]
    assert len(mine) > 10
    assert len({label for _, _, label, *_ in mine}) > 2
    # What was heard is what was said: the loudness of the bands of a second, wherever the second begins.
    assert _loudness(rows) == pytest.approx(_loudness(words[:, 0]), rel=0.25)
    print(f"{len(rows) / SOUND_RATE:.1f} s of speech, {len(mine)} events with the bits of the C")


def _loudness(samples: NDArray[np.float32]) -> list[float]:
    """Return the share of the power in four bands of equal width up to 3.6 kHz."""
    power = np.abs(np.fft.rfft(samples.astype(np.float64))) ** 2
    bands = np.array_split(power[: int(len(power) * 0.9)], 4)
    return [float(band.sum() / power.sum()) for band in bands]


def test_a_tone_above_half_the_rate_is_not_heard_as_another(opener: Opener, microphone_file: Path) -> None:
    for tone, amplitude in ((3500.0, 0.5), (5000.0, 0.0)):
        sound = 0.5 * np.sin(2 * np.pi * tone * np.arange(4 * DEVICE) / DEVICE)
        microphone_file.write_bytes(wav_bytes(sound[:, None], DEVICE))
        with _listening(opener, round(2.5 * SOUND_RATE)) as page:
            pass
        rows = _recorded(page)[0][-round(SOUND_RATE) :]
        spectrum = np.abs(np.fft.rfft(rows * np.hanning(len(rows)))) / (len(rows) / 4)
        print(f"{tone:g} Hz of amplitude .5: largest {spectrum.max():.5f} at {spectrum.argmax()} Hz")
        assert spectrum.max() == pytest.approx(amplitude, abs=0.005)


@pytest.mark.parametrize(("coming", "going"), RATES)
def test_the_filter_keeps_speech_and_folds_nothing_back(opener: Opener, coming: int, going: int) -> None:
    page = opener("/")
    limit = min(coming, going) / 2
    tones = [limit * share for share in (0.01, 0.5, 0.88)] + ([limit * 1.02, limit * 1.5] if coming > going else [])
    script = """async ([coming, going, tones]) => {
        const { Resampler } = await import("./microphone.js");
        const started = performance.now();
        const found = tones.map((tone) => {
            const step = (2 * Math.PI * tone) / coming;
            const sound = Float32Array.from({ length: coming / 2 }, (_, i) => Math.sin(step * i) / 2);
            const [whole, parts] = [new Resampler(coming, going), new Resampler(coming, going)];
            const made = [];
            for (let i = 0; i < sound.length; i += 128) {
                made.push(...parts.add(sound.slice(i, i + 128)));
            }
            return [Array.from(whole.add(sound)), made];
        });
        return [found, performance.now() - started];
    }"""
    resampled, spent = page.evaluate(script, [coming, going, tones])
    for tone, (whole, parts) in zip(tones, resampled, strict=True):
        assert whole == parts
        samples = np.array(whole)
        assert going / 2 - 60 * max(1, going / coming) < len(samples) <= going / 2
        expected = 0.5 * np.sin(2 * np.pi * tone * np.arange(len(samples)) / going)
        middle = slice(len(samples) // 4, 3 * len(samples) // 4)
        error = np.abs((samples - (expected if tone < limit else 0.0))[middle]).max()
        print(f"{coming} to {going} Hz, {tone:g} Hz: {20 * np.log10(error / 0.5):.0f} dB")
        assert error < 0.5 * 10 ** (-70 / 20)
    print(f"{spent / len(tones):.0f} ms a second of sound")


def test_the_models_own_rate_passes_unchanged_but_for_full_scale(opener: Opener) -> None:
    page = opener("/")
    script = """async () => {
        const { Resampler } = await import("./microphone.js");
        const whole = new Resampler(8000, 8000).add(Float32Array.of(0.25, -1.5, 1.01, -0.75));
        const square = Float32Array.from({ length: 4800 }, (_, i) => (i % 96 < 48 ? 1 : -1));
        return [Array.from(whole), Math.max(...new Resampler(48000, 8000).add(square))];
    }"""
    assert page.evaluate(script) == [[0.25, -1.0, 1.0, -0.75], 1.0]


def test_a_window_without_an_answer_says_why(opener: Opener) -> None:
    page = opener("/")
    expect(page.locator("#status")).to_contain_text("Ready")
    page.locator("summary").click()
    page.evaluate("""() => {
        const rows = Array.from({ length: 4000 }, (_, i) => 2 * Math.sin(i));
        document.getElementById("csv").value = ["sound", ...rows].join("\\n");
    }""")
    page.get_by_role("button", name="Answer all rows").click()
    expect(page.locator("#label")).to_have_text("no answer")
    expect(page.locator("#sure")).to_have_text("a value is outside its declared range")
