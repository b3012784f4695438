"""The page of a coach: its list, a recording judged and drawn, the log, and what is refused."""

from __future__ import annotations

import re

import numpy as np
import pytest

from coach_example import has_speech, random_coach
from edgewright.core.input.riff import wav_bytes
from edgewright.language.pronunciation.coach import write_coach
from edgewright.schema.coach import PhoneVerdict, WordVerdict
from edgewright.studio.pages.coach import waveform_svg
from studio_example import HOSTILE, Client, client
from support import left_out


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Client:
    root = tmp_path_factory.mktemp("studio")
    (root / "job").mkdir()
    write_coach(root / "job" / "my.coach", random_coach())
    return client(root)


def wav(seconds: float) -> tuple[str, bytes, str]:
    sound = np.random.default_rng(0).normal(0, 0.1, (round(8000 * seconds), 1))
    return ("a.wav", wav_bytes(sound, 8000), "audio/wav")


def test_a_coach_is_listed_and_shown_and_others_are_not_there(studio: Client) -> None:
    assert 'href="/coach/job/my.coach"' in studio.get("/coach").text
    assert "Read a sentence" in studio.get("/coach/job/my.coach").text
    for address in ("job", "absent.coach", "%2e%2e/my.coach"):
        assert studio.get(f"/coach/{address}").status_code == 404


def test_what_is_no_reading_is_refused_in_a_sentence(studio: Client) -> None:
    answer = studio.post("/coach/job/my.coach", data={"text": HOSTILE}, files={"file": ("a.wav", b"RIFF", "audio/wav")})
    assert answer.status_code == 400
    assert HOSTILE not in answer.text
    assert "Expected" in answer.text
    assert studio.post("/coach/job/my.coach", data={"text": "a bear"}).status_code == 400


def test_a_recording_is_judged_drawn_and_kept(studio: Client) -> None:
    if not has_speech():
        left_out("espeak-ng is not installed")
    address = "/recording/0123456789abcdef"
    studio.post(address, params={"at": 0, "back": "/coach/job/my.coach"}, content=b"\1\0")
    form = {"text": "A red bear", "keep": "yes", "recording": "0123456789abcdef"}
    assert studio.get(address).status_code == 200
    answer = studio.post("/coach/job/my.coach", data=form, files={"file": wav(2.0)})
    assert answer.status_code == 200
    assert re.findall(r'<th scope="row">(\w+)</th><td>[A-Z ]+</td>', answer.text) == ["a", "red", "bear"]
    assert '<svg class="waveform"' in answer.text
    assert studio.get(address).status_code == 404
    assert "Progress" in studio.get("/coach/job/my.coach").text
    short = studio.post("/coach/job/my.coach", data=form, files={"file": wav(0.1)})
    assert short.status_code == 400
    assert "a reading of all 3 words" in short.text
    long = studio.post("/coach/job/my.coach", data=form, files={"file": wav(61.0)})
    assert "at most 60 s of sound" in long.text


def test_phones_are_coloured_where_they_lie() -> None:
    phones = (
        PhoneVerdict(phone="B", begin_s=0.5, end_s=0.7, mistake=-1.0),
        PhoneVerdict(phone="EH", begin_s=0.7, end_s=1.0, mistake=1.0, instead="AE"),
    )
    word = WordVerdict(word="<BE>", begin_s=0.5, end_s=1.0, known_s=1.2, mistake=0.0, phones=phones)
    svg = str(waveform_svg(np.sin(np.arange(2000) / 10).astype(np.float32), 1000, [word]))
    matches = re.findall(r'<rect x="([\d.]+)" y="0" width="([\d.]+)"[^>]*fill="var\(--(\w+)\)"', svg)
    assert matches == [("240.0", "95.0", "good"), ("336.0", "143.0", "bad")]
    assert "EH, sounds like AE" in svg
    assert "<be>" not in svg
