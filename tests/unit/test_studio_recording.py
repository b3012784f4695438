"""Parts of a recording are put together, in any order, and become a file of data or go."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import pytest

from studio_example import client

NAME = "0123456789abcdef"
ADDRESS = f"/recording/{NAME}"
BACK = "/coach/tiny.coach?as=ann"


def test_parts_in_any_order_are_one_recording(tmp_path: Path) -> None:
    browser = client(tmp_path)
    parts = {4: b"\3\0" * 16_000, 0: b"\1\0\2\0"}
    for at, samples in parts.items():
        assert browser.post(ADDRESS, params={"at": at, "back": BACK}, content=samples).status_code == 204
    browser.post(ADDRESS, params={"at": 0, "back": BACK}, content=parts[0])
    text = browser.get("/jobs").text
    assert f'href="{BACK}#recording={NAME}"' in text
    assert "1.00 s are recorded" in text
    with wave.open(io.BytesIO(browser.get(ADDRESS).content)) as file:
        assert (file.getframerate(), file.getnframes()) == (16_000, 16_002)
        assert file.readframes(3) == b"\1\0\2\0\3\0"
    answer = browser.post(f"{ADDRESS}/end", data={"do": "keep"})
    assert answer.headers["location"] == "/data/at/data/recording.wav"
    with wave.open(str(tmp_path / "data" / "recording.wav")) as file:
        assert file.getnframes() == 16_002
    assert "are recorded" not in browser.get("/jobs").text
    assert browser.get(ADDRESS).status_code == 404


def test_a_recording_is_deleted(tmp_path: Path) -> None:
    browser = client(tmp_path)
    browser.post(ADDRESS, params={"at": 0, "back": BACK}, content=b"\1\0")
    assert browser.post(f"{ADDRESS}/end", data={"do": "delete"}).status_code == 303
    assert browser.get(ADDRESS).status_code == 404
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("name", "back", "at", "status"),
    [
        ("UPPERCASE", BACK, 0, 404), (NAME, "//elsewhere", 0, 400), (NAME, "javascript:x", 0, 400),
        (NAME, "/" + "a" * 600, 0, 400), (NAME, BACK, 99_999_999, 400),
    ],
)  # fmt: skip
def test_what_is_no_part_is_refused(tmp_path: Path, name: str, back: str, at: int, status: int) -> None:
    answer = client(tmp_path).post(f"/recording/{name}", params={"at": at, "back": back}, content=b"\0\0")
    assert answer.status_code == status
    assert not (tmp_path / ".edgewright" / "recordings").exists()


def test_too_many_recordings_are_refused(tmp_path: Path) -> None:
    browser = client(tmp_path)
    sent = [
        browser.post(f"/recording/{i:08x}", params={"at": 0, "back": BACK}, content=b"\0\0").status_code
        for i in range(21)
    ]
    assert sent == [204] * 20 + [400]
