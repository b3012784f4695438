"""A window of a sound recording is served as a WAV file; other data and other windows are not there."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.core.input.riff import read_wav
from labelled_folder import write_recordings
from sound_folder import RATE, tone, write_sounds
from studio_example import Client, client


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Client:
    root = tmp_path_factory.mktemp("studio")
    write_sounds(root / "tones")
    write_recordings(root / "moves")
    return client(root)


WINDOW = "window=4000&step=4000"


def test_a_window_is_the_part_of_its_recording(studio: Client) -> None:
    page = studio.get(f"/data/at/tones?{WINDOW}&view=map&sample=2").text
    assert f'src="/sound/at/tones?{WINDOW.replace("&", "&amp;")}&amp;sample=2"' in page
    answer = studio.get(f"/sound/at/tones?{WINDOW}&sample=2")
    assert answer.headers["content-type"] == "audio/wav"
    sound = read_wav(answer.content, "the answer")
    assert (sound.rate, sound.values.shape) == (RATE, (4000, 1))
    assert np.allclose(sound.values, tone("high")[4000:8000], atol=1e-4)
    other = read_wav(studio.get(f"/sound/at/tones?{WINDOW}&sample=9").content, "the answer")
    assert np.allclose(other.values, tone("low")[:4000], atol=1e-4)


@pytest.mark.parametrize("query", ["", "sample=0", "sample=17", "sample=-1", "sample=x", "sample=%00"])
def test_a_window_that_is_not_there(studio: Client, query: str) -> None:
    answer = studio.get(f"/sound/at/tones?{WINDOW}&{query}")
    assert (answer.status_code, "There is no such window." in answer.text) == (404, True)


def test_motion_makes_no_sound(studio: Client) -> None:
    assert "<audio" not in studio.get("/data/at/moves?rate=50&view=map&sample=1").text
    assert studio.get("/sound/at/moves?rate=50&sample=1").status_code == 404
    assert studio.get("/sound/at/%2e%2e/tones?sample=1").status_code == 404
    assert studio.get("/sound/elsewhere/tones?sample=1").status_code == 404
