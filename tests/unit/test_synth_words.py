"""Synthetic words: speech of espeak-ng, windows, streams and copies of takes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from edgewright.core.errors import InputError, SpeechProgramError
from edgewright.core.input.riff import read_wav
from edgewright.language.synthesis import PROGRAM, resampled, speak
from support import left_out
from words import copy_of, stream_of, window_of

WORD = np.full(3000, 0.5, np.float32)


def test_a_wake_word_lies_whole_in_its_window_and_another_word_by_half_at_least() -> None:
    rng = np.random.default_rng(0)
    sample_counts = {
        whole: [np.count_nonzero(window_of(WORD, 8000, rng, whole=whole)) for _ in range(300)]
        for whole in (True, False)
    }
    assert set(sample_counts[True]) == {3000}
    assert 1500 <= min(sample_counts[False]) < 1700
    assert max(sample_counts[False]) == 3000
    assert {len(window_of(np.ones(9000, np.float32), 8000, rng, whole=True)) for _ in range(9)} == {8000}


def test_a_stream_says_where_each_word_is_and_has_noise_between() -> None:
    values, places = stream_of([WORD, WORD], (0.5, 1.0), 8000, np.random.default_rng(1))
    assert places[0] == (8000, 11000)
    assert 4000 <= places[1][0] - places[0][1] <= 8000
    assert len(values) == places[1][1] + 8000
    for start, end in places:
        assert values[start:end].mean() == pytest.approx(0.5, abs=0.05)
    assert 0 < np.abs(values[:8000]).max() < 0.3


def test_a_copy_is_faster_or_slower_and_louder_or_quieter() -> None:
    copies = [copy_of(WORD, np.random.default_rng(seed)) for seed in range(50)]
    lengths = [len(one) for one in copies]
    assert 2500 < min(lengths) < 2700 and 3300 < max(lengths) < 3600
    assert min(one.max() for one in copies) < 0.2 and max(one.max() for one in copies) > 0.8


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
    with pytest.raises(SpeechProgramError):
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
    with pytest.raises(SpeechProgramError, match="the program espeak-ng, got none on the PATH"):
        speak(["stop"], ("en-gb",), 1, 0, tmp_path)
