"""Recordings of a serial line and of a CSV file that grows, from the studio's form to a label set."""

from __future__ import annotations

import importlib.util
import os
import pty
import re
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgewright.language.labelling.project import Project
from edgewright.studio.view.line_recordings import LineRecordings
from edgewright.trace.journal import FOLDER
from growing_rows import Rows
from studio_example import Client, client
from support import left_out

PATIENCE_S = 60.0


@contextmanager
def board(rate: float = 100.0) -> Iterator[tuple[str, Callable[[], None]]]:
    """Provide the port of a board that writes lines of CSV, and what starts it, as opening its port does."""
    if importlib.util.find_spec("serial") is None:
        left_out("pyserial is not installed")
    far, near = pty.openpty()
    tty.setraw(near)
    end, opened = threading.Event(), threading.Event()

    def write() -> None:
        opened.wait(PATIENCE_S)
        sent, begun = 0, time.monotonic()
        while not end.wait(0.01):
            while sent < (time.monotonic() - begun) * rate:
                os.write(far, b"time,x,y\n" * (sent % 50 == 0) + f"{sent / rate:.3f},{sent},{sent % 7}\n".encode())
                sent += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield os.ttyname(near), opened.set
    finally:
        end.set()
        opened.set()
        thread.join()
        os.close(near)
        os.close(far)


def _until(page: Callable[[], str], pattern: str) -> str:
    end = time.monotonic() + PATIENCE_S
    while not re.search(pattern, text := page()):
        assert time.monotonic() < end, text
        time.sleep(0.1)
    return text


def _recorded(studio: Client, location: str, start: Callable[[], None] = lambda: None) -> str:
    """Return where two seconds of a source are kept."""
    begun = studio.post("/line", data={"source": location})
    assert begun.status_code == 303, begun.text
    address = begun.headers["location"]
    # A line that was silent for half a second begins with its first byte.
    time.sleep(2.0)
    start()
    text = _until(lambda: studio.get(address).text, r"(?:[2-9]|\d\d)\.\d+ s, ")
    assert "data-again" in text
    assert location in studio.get("/line").text
    kept = studio.post(address, data={"do": "keep"})
    assert studio.get(address).status_code == 404
    match = re.fullmatch(r"/label\?data=(data%2Frecording[-\d]*\.csv)", kept.headers["location"])
    assert match, kept.text
    return match[1].replace("%2F", "/")


def test_a_serial_line_becomes_a_label_set(tmp_path: Path) -> None:
    studio = client(tmp_path)
    with board() as (port, start):
        location = _recorded(studio, port, start)
    rows = (tmp_path / location).read_text().splitlines()
    assert rows[0] == "time,x,y"
    assert len(rows) >= 150
    assert f'value="{location}"' in studio.get(f"/label?data={location}").text
    answer = studio.post("/label", data={"data": location, "classes": "low, high", "seconds": "0.5"})
    assert answer.headers["location"] == "/label/recording.labelling", answer.text
    with Project(tmp_path / "recording.labelling") as project:
        assert project.kind == "windows"
        assert len(project.items()) >= 3


def test_what_is_appended_to_a_file_is_recorded(tmp_path: Path) -> None:
    growing = Rows(tmp_path / "live.csv")
    try:
        location = _recorded(client(tmp_path), "live.csv")
    finally:
        growing.close()
    assert (tmp_path / location).read_text().startswith("time,level,heat\n0.000000,")


def test_a_recording_of_a_studio_that_ended_is_kept_by_the_next(tmp_path: Path) -> None:
    growing = Rows(tmp_path / "live.csv")
    try:
        studio = client(tmp_path)
        address = studio.post("/line", data={"source": "live.csv"}).headers["location"]
        _until(lambda: studio.get(address).text, r"\d rows of")
        # A studio that is killed writes nothing more: the next one knows the file alone.
        (left,) = (tmp_path / FOLDER / "lines").glob("*.csv")
        content = left.read_text()
        assert content.count("\n") > 10
        studio.post(address, data={"do": "delete"})
        assert not left.exists()
        left.write_text(content)
    finally:
        growing.close()
    following = client(tmp_path)
    assert "of an earlier studio" in following.get(address).text
    assert following.post(address, data={"do": "keep"}).headers["location"].startswith("/label?data=")
    assert not left.exists()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"source": "/dev/null"}, "rows from the source"), ({"source": "/dev/none"}, "a serial line such as"),
        ({"source": "none.csv"}, "a CSV file below"), ({"source": "../up.csv"}, "a CSV file below"),
        ({"source": "live.csv", "rate": "fast"}, "rows a second as numbers"),
        ({"source": "/dev/tty", "baud": "1"}, "rows a second as numbers"), ({"source": "folder"}, "a folder"),
    ],
)  # fmt: skip
def test_what_cannot_be_recorded_is_said(tmp_path: Path, given: dict[str, str], words: str) -> None:
    (tmp_path / "live.csv").write_text("a,b\n")
    (tmp_path / "folder").mkdir()
    studio = client(tmp_path)
    answer = studio.post("/line", data=given)
    if answer.status_code == 303:
        address = answer.headers["location"]
        text = _until(lambda: studio.get(address).text, 'role="alert"')
        assert studio.post(address, data={"do": "keep"}).status_code == 400
    else:
        assert answer.status_code == 400
        text = answer.text
    assert words in text


def test_so_many_at_once_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "live.csv").write_text("a,b\n")
    studio = client(tmp_path)
    answers = [studio.post("/line", data={"source": "live.csv"}) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [303] * 4 + [400]
    lines = studio.app.state.studio.shared["lines"]
    assert isinstance(lines, LineRecordings)
    for answer in answers[:4]:
        assert studio.post(answer.headers["location"], data={"do": "delete"}).headers["location"] == "/line"
