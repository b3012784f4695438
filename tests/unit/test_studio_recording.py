"""Parts of a recording are put together, and become a file of data or go."""

from __future__ import annotations

import io
import os
import time
import wave
from pathlib import Path

import pytest

from edgewright.studio.recordings import recordings
from studio_example import PORT, client

NAME = "0123456789abcdef"
ADDRESS = f"/recording/{NAME}"
BACK = "/coach/tiny.coach?as=ann"


# Of a page that was left for another.
LEFT = {"referer": f"http://127.0.0.1:{PORT}{BACK}"}


def _folder(root: Path) -> Path:
    return root / ".edgewright" / "recordings"


def test_parts_are_one_recording(tmp_path: Path) -> None:
    browser = client(tmp_path)
    parts = {0: b"\1\0\2\0", 4: b"\3\0" * 16_000}
    for at, samples in parts.items():
        assert browser.post(ADDRESS, params={"at": at, "back": BACK}, content=samples).status_code == 204
    browser.post(ADDRESS, params={"at": 0, "back": BACK}, content=parts[0])
    text = browser.get("/data", headers=LEFT).text
    assert f'href="{BACK}#recording={NAME}"' in text
    assert "1.00 s are recorded" in text
    with wave.open(io.BytesIO(browser.get(ADDRESS).content)) as file:
        assert (file.getframerate(), file.getnframes()) == (16_000, 16_002)
        assert file.readframes(3) == b"\1\0\2\0\3\0"
    answer = browser.post(f"{ADDRESS}/end", data={"do": "keep"})
    assert answer.headers["location"] == "/data/at/data/recording.wav"
    with wave.open(str(tmp_path / "data" / "recording.wav")) as file:
        assert file.getnframes() == 16_002
    assert "are recorded" not in browser.get("/data", headers=LEFT).text
    assert browser.get(ADDRESS).status_code == 404


@pytest.mark.parametrize("do", ["keep", "delete"])
def test_a_part_after_the_end_makes_no_file(tmp_path: Path, do: str) -> None:
    browser = client(tmp_path)
    browser.post(ADDRESS, params={"at": 0, "back": BACK}, content=b"\1\0\2\0")
    gap = browser.post(ADDRESS, params={"at": 6, "back": BACK}, content=b"\1\0")
    assert (gap.status_code, "a gap" in gap.text, "<" in gap.text) == (400, True, False)
    assert browser.post(f"{ADDRESS}/end", data={"do": do}).status_code == 303
    late = browser.post(ADDRESS, params={"at": 4, "back": BACK}, content=b"\1\0")
    assert (late.status_code, "kept or deleted" in late.text) == (400, True)
    assert list(_folder(tmp_path).iterdir()) == []


def test_another_tab_offers_a_recording_when_its_page_has_stopped(tmp_path: Path) -> None:
    browser = client(tmp_path)
    browser.post(ADDRESS, params={"at": 0, "back": BACK}, content=b"\1\0")
    assert "are recorded" not in browser.get("/data").text
    assert "are recorded" in browser.get("/data", headers=LEFT).text
    before = time.time() - 5
    os.utime(_folder(tmp_path) / NAME, (before, before))
    assert "are recorded" in browser.get("/data").text


def test_other_files_of_the_folder_are_skipped(tmp_path: Path) -> None:
    browser = client(tmp_path)
    browser.post(ADDRESS, params={"at": 0, "back": BACK}, content=b"\1\0")
    (_folder(tmp_path) / "abcdef01").mkdir()
    (_folder(tmp_path) / "abcdef02").symlink_to("nowhere")
    (_folder(tmp_path) / "abcdef03").touch()
    (_folder(tmp_path) / ".DS_Store").write_text(BACK)
    assert [recording.name for recording in recordings(tmp_path)] == [NAME]
    assert browser.get("/data").status_code == 200


def test_a_form_that_is_accepted_deletes_its_recording(tmp_path: Path) -> None:
    browser = client(tmp_path)
    browser.post(ADDRESS, params={"at": 0, "back": BACK}, content=b"\1\0" * 16_000)
    file = {"file": ("recording.wav", browser.get(ADDRESS).content, "audio/wav")}
    form = {"classes": "", "seconds": "0.5", "recording": NAME}
    assert browser.post("/label", data=form, files=file).status_code == 400
    assert (_folder(tmp_path) / NAME).is_file()
    for name in ("../recordings/" + NAME, NAME):
        assert (_folder(tmp_path) / NAME).is_file()
        answer = browser.post("/label", data={**form, "classes": "tone", "recording": name}, files=file)
        assert answer.status_code == 303
    assert list(_folder(tmp_path).iterdir()) == []


def test_a_recording_is_deleted(tmp_path: Path) -> None:
    browser = client(tmp_path)
    browser.post(ADDRESS, params={"at": 0, "back": BACK}, content=b"\1\0")
    assert browser.post(f"{ADDRESS}/end", data={"do": "other"}).status_code == 400
    assert browser.get(ADDRESS).status_code == 200
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
