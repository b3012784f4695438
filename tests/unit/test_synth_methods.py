"""Each way to make signals: what it changes, what it leaves, and which nonsense it refuses."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.core.input.riff import read_wav
from edgewright.language.synthesis.methods import Windows, method_of
from edgewright.language.synthesis.speech import PROGRAM, resampled, speak
from edgewright.schema.errors import InputError, UnknownNameError
from support import left_out


def windows(rate: float = 50.0, count: int = 12, samples: int = 200) -> Windows:
    rng = np.random.default_rng(1)
    time = np.arange(samples) / rate
    phase = rng.uniform(0, 6, (count, 1, 1))
    x = np.sin(2 * np.pi * np.array([1.0, 2.0, 3.0])[None, :, None] * time * rate / 50 + phase) + 9.0
    noisy = np.asarray(x + 0.05 * rng.normal(size=x.shape), np.float32)
    return Windows(x=noisy, y=np.array(["a", "b"] * (count // 2)), rate=rate, columns=("acc_x", "acc_y", "acc_z"))


def synthesised(name: str, given: Windows, seed: int = 0, **options: object) -> NDArray[np.float32]:
    method, config = method_of(name, options)
    return method.apply(config, given, np.random.default_rng(seed))


@pytest.mark.parametrize("kind", ["white", "pink"])
@pytest.mark.parametrize("snr", [-10.0, 0.0, 20.0])
def test_noise_has_the_ratio_that_was_asked_for(kind: str, snr: float) -> None:
    given = windows()
    added = synthesised("noise", given, snr=snr, kind=kind) - given.x
    ratio = 10 * np.log10(given.x.var(axis=2) / added.astype(np.float64).var(axis=2))
    np.testing.assert_allclose(ratio, snr, atol=0.1)


def test_a_range_of_ratios() -> None:
    given = windows(count=60)
    added = synthesised("noise", given, snr=0.0, until=20.0) - given.x
    ratio = 10 * np.log10(given.x.var(axis=2) / added.var(axis=2)).mean(axis=1)
    assert ratio.min() > -0.5
    assert ratio.max() < 20.5
    assert ratio.max() - ratio.min() > 10


def test_rotation_keeps_lengths() -> None:
    given = windows()
    new = synthesised("rotation", given, degrees=90.0)
    np.testing.assert_allclose(np.linalg.norm(new, axis=1), np.linalg.norm(given.x, axis=1), rtol=1e-5)


def test_time_warp_keeps_ends_and_values() -> None:
    given = windows()
    new = synthesised("time_warp", given, spread=0.5)
    np.testing.assert_allclose(new[:, :, [0, -1]], given.x[:, :, [0, -1]], atol=1e-5)
    assert new.min() >= given.x.min()
    assert new.max() <= given.x.max()


@pytest.mark.parametrize("gap", [1.0, 20.0])
def test_dropout_loses_its_share_in_gaps_of_that_length(gap: float) -> None:
    given = windows(count=100, samples=400)
    lost = np.isnan(synthesised("dropout", given, share=0.3, gap=gap))
    assert (lost == lost[:, :1]).all(), "a row is lost with all of its channels"
    assert abs(lost.mean() - 0.3) < 0.05
    changes = np.diff(lost[:, 0].astype(int), axis=1)
    length = lost[:, 0].sum() / (changes == 1).sum()
    assert length == pytest.approx(gap if gap > 1 else 1.4, rel=0.35)
    assert not lost[:, :, 0].any()


def test_dropout_of_everything_and_of_nothing() -> None:
    given = windows()
    assert np.isnan(synthesised("dropout", given, share=1.0)[:, :, 1:]).all()
    np.testing.assert_array_equal(synthesised("dropout", given, share=0.0), given.x)
    dropout = synthesised("dropout", given, share=1.0, fill="hold")
    np.testing.assert_array_equal(dropout, np.repeat(given.x[:, :, :1], 200, axis=2))


def test_a_room_keeps_the_loudness_and_adds_a_tail() -> None:
    click = np.zeros((1, 1, 8000), np.float32)
    click[0, 0, 100] = 1.0
    given = Windows(x=click, y=np.array(["a"]), rate=8000.0, columns=("sound",))
    new = synthesised("room", given, seconds=0.4, direct=0.0)[0, 0]
    assert np.sqrt((new**2).mean()) == pytest.approx(np.sqrt((click**2).mean()), rel=1e-3)
    assert not new[:100].round(6).any(), "nothing sounds before it was said"
    early, late = (new[200:1000] ** 2).mean(), (new[2200:3000] ** 2).mean()
    assert late < early / 10


def test_a_microphone_is_a_filter_of_its_own() -> None:
    noise = np.random.default_rng(3).normal(size=(1, 1, 8000)).astype(np.float32)
    given = Windows(x=np.repeat(noise, 20, axis=0), y=np.array(["a"] * 20), rate=8000.0, columns=("sound",))
    gains = np.abs(np.fft.rfft(synthesised("microphone", given)[:, 0]) / np.fft.rfft(given.x[:, 0]))
    # One hertz a bin: little passes at 5 Hz, and above the corner the responses differ by a few decibels.
    assert np.median(gains[:, 5]) < 0.05
    decibels = 20 * np.log10(gains[:, 300:3900])
    assert 2.0 < decibels.std(axis=0).mean() < 8.0
    flat = synthesised("microphone", given, decibels=0.0, lowest=1e-3)
    np.testing.assert_allclose(flat, given.x - given.x.mean(), atol=1e-4)


def test_drawn_windows_are_copies_of_none_and_like_their_class() -> None:
    rng = np.random.default_rng(0)
    time = np.arange(128) / 50
    slow = np.sin(2 * np.pi * 1.5 * time + rng.uniform(0, 6, (40, 1, 1))) * rng.uniform(0.8, 1.2, (40, 1, 1)) + 1
    fast = np.sin(2 * np.pi * 8.0 * time + rng.uniform(0, 6, (40, 1, 1))) * rng.uniform(2.8, 3.2, (40, 1, 1)) - 1
    x = np.asarray(np.concatenate([slow, fast]), np.float32)
    given = Windows(x=x, y=np.array(["slow"] * 40 + ["fast"] * 40), rate=50.0, columns=("a",))
    new = synthesised("generate", given)
    nearest = np.abs(new[:, None] - x[None]).max(axis=(2, 3)).min(axis=1)
    assert nearest.min() > 1e-3
    for part, mean, spread in ((new[:40], 1.0, 0.7), (new[40:], -1.0, 2.1)):
        assert part.mean() == pytest.approx(mean, abs=0.2)
        assert part.std(axis=2).mean() == pytest.approx(spread, rel=0.25)
    power = np.abs(np.fft.rfft(new - new.mean(axis=2, keepdims=True), axis=2))[:, 0].argmax(axis=1)
    assert (power[:40] < 8).mean() > 0.9
    assert (power[40:] > 12).mean() > 0.9


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("nosie", {}, "Did you mean 'noise'?"),
        ("noise", {"snr": float("nan")}, "snr"),
        ("noise", {"snr": float("inf")}, "snr"),
        ("noise", {"snr": 1e6}, "at most 100"),
        ("noise", {"snr": "loud"}, "a number"),
        ("noise", {"snr": 10, "until": 5}, "`until` of at least"),
        ("noise", {"colour": "red"}, "no key 'colour'"),
        ("noise", {"kind": "mauve"}, "mauve"),
        ("noise", {"file": "none.wav"}, "a WAV file of noise"),
        ("jitter", {"level": 0}, "level"),
        ("jitter", {"level": float("nan")}, "level"),
        ("rotation", {"degrees": 1e9}, "at most 180"),
        ("time_warp", {"knots": 10**9}, "at most 1000"),
        ("dropout", {"share": 1.5}, "share"),
        ("dropout", {"gap": 0.5}, "gap"),
        ("room", {}, "sound of at least 1 kHz"),
        ("room", {"seconds": 1e5}, "seconds"),
        ("microphone", {}, "sound of at least 1 kHz"),
    ],
)
def test_nonsense_is_refused(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        synthesised(name, windows(), 0, **options)
    assert message in str(caught.value)


def test_what_a_method_needs() -> None:
    given = windows()
    with pytest.raises(InputError, match="x, y and z"):
        synthesised("rotation", Windows(x=given.x, y=given.y, rate=50.0, columns=("a", "b", "c")))
    with pytest.raises(InputError, match="at least 5 windows"):
        synthesised("generate", windows(count=6))
    holes = given.x.copy()
    holes[0, 0, 5] = np.nan
    with pytest.raises(InputError, match="missing"):
        synthesised("generate", Windows(x=holes, y=given.y, rate=50.0, columns=given.columns))
    with pytest.raises(UnknownNameError):
        method_of("__init__", {})


def test_speech_by_espeak_ng(tmp_path: Path) -> None:
    if shutil.which(PROGRAM) is None:
        left_out(PROGRAM)
    spoken = speak(["stop", "go on"], ("en-gb", "en-us"), 2, 0, tmp_path)
    assert len(spoken.recordings) == 8
    assert spoken.rate == 22050
    assert all(recording.name.startswith("synthetic/speech/") for recording in spoken.recordings)
    assert {str(recording.target[0]) for recording in spoken.recordings} == {"stop", "go on"}
    assert (tmp_path / "go-on_en-us_2.wav").is_file()
    # Words, not hum: of the length of a word or two, loud, no two alike, and hardly any silence at the end.
    sounds = [np.asarray(recording.values[:, 0]) for recording in spoken.recordings]
    assert all(0.2 < len(sound) / spoken.rate < 1.5 and 0.3 < np.abs(sound).max() <= 1 for sound in sounds)
    assert len({sound.tobytes() for sound in sounds}) == 8
    assert all(np.flatnonzero(np.abs(sound) > 0.01)[-1] > 0.75 * len(sound) for sound in sounds)
    for words, voices, text in (
        (["stop"], ("xx",), "voice"), (["stop"], ("../x",), "names of voices"), (["--version"], ("en-gb",), "to say"),
        (["stop", "stop"], ("en-gb",), "different words"), (["go on", "go-on"], ("en-gb",), "different words"),
        (["?!"], ("en-gb",), "words to say"), (["_"], ("en-gb",), "silence"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=text):
            speak(words, voices, 1, 0, tmp_path)


def test_speakers_of_espeak_ng_with_other_microphones(tmp_path: Path) -> None:
    if shutil.which(PROGRAM) is None:
        left_out(PROGRAM)
    plain, recorded = tmp_path / "plain", tmp_path / "recorded"
    for folder in (plain, recorded):
        folder.mkdir()
    first = speak(["one", "two"], ("en-gb", "en-us"), 1, 0, plain, speakers=8, rate=8000)
    assert first.rate == 8000
    voices = {str(recording.groups[0]) for recording in first.recordings if recording.groups is not None}
    assert len(voices) == 8 and all("+" in voice for voice in voices)
    files = sorted(plain.glob("*.wav"))
    assert len(files) == len(first.recordings) == 16
    assert {read_wav(file.read_bytes(), file.name).rate for file in files} == {8000}
    second = speak(["one", "two"], ("en-gb", "en-us"), 1, 0, recorded, speakers=8, rate=8000, recorded=True)
    for one in second.recordings:
        assert np.abs(one.values).max() == pytest.approx(0.5, abs=1e-3)
    assert all(0.15 < len(one.values) / 8000 < 1.5 for one in (*first.recordings, *second.recordings))
    with pytest.raises(InputError, match="at most"):
        speak(["one"], ("en-gb",), 1, 0, tmp_path, speakers=1000)


def test_another_rate_keeps_a_tone() -> None:
    time = np.arange(22050) / 22050
    shape = np.hanning(22050)
    tone = np.asarray(shape * np.sin(2 * np.pi * 440 * time), np.float32)
    new = resampled(tone, 22050, 8000)
    assert len(new) == 8000
    later = np.arange(8000) / 8000
    wanted = np.interp(later, time, shape) * np.sin(2 * np.pi * 440 * later)
    np.testing.assert_allclose(new, wanted, atol=1e-3)
    high = np.asarray(shape * np.sin(2 * np.pi * 5000 * time), np.float32)
    assert np.abs(resampled(high, 22050, 8000)).max() < 0.01, "what the rate cannot hold is gone"


def test_speech_without_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="the program espeak-ng, got none on the PATH"):
        speak(["stop"], ("en-gb",), 1, 0, tmp_path)
