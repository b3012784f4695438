"""Recordings of a serial line and of a CSV file that grows, from the studio's form to a label set."""

from __future__ import annotations

import importlib.util
import io
import os
import pty
import re
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewright.device.recording import RowWriter
from edgewright.language.labelling.project import Project
from edgewright.schema.device import Packet
from edgewright.studio.pages.line import LineRecordings, is_line
from edgewright.studio.paths import keep
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


def _recorded(studio: Client, location: str, start: Callable[[], None] | None = None) -> str:
    """Return where two seconds of a source are kept."""
    begun = studio.post("/line", data={"source": location})
    assert begun.status_code == 303, begun.text
    address = begun.headers["location"]
    if start is not None:
        # A line that was silent for half a second begins with its first byte.
        time.sleep(1.0)
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


def test_two_clicks_at_once_keep_a_recording_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keeping = threading.Event()

    def slowly(*given: Any) -> str:  # noqa: ANN401 - arguments of `keep`
        keeping.set()
        time.sleep(0.5)
        return keep(*given)

    monkeypatch.setattr("edgewright.studio.pages.line.keep", slowly)
    left = tmp_path / FOLDER / "lines" / "a.csv"
    left.parent.mkdir(parents=True)
    left.write_text("time,x\n0.000000,1\n")
    studio = client(tmp_path)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(studio.post, "/line/a", data={"do": "keep"})
        assert keeping.wait(PATIENCE_S)
        assert studio.post("/line/a", data={"do": "keep"}).status_code == 404
        assert first.result().status_code == 303
    assert len(list((tmp_path / "data").iterdir())) == 1


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"source": "/dev/null"}, "a serial line such as"), ({"source": "/dev/none"}, "a serial line such as"),
        ({"source": "none.csv"}, "a CSV file below"), ({"source": "../up.csv"}, "a CSV file below"),
        ({"source": "live.csv", "rate": "fast"}, "rows a second as numbers above 0, got &#39;fast&#39;"),
        ({"source": "/dev/tty"}, "a serial line such as"), ({"source": "folder"}, "a folder"),
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


def test_a_terminal_in_which_somebody_works_is_no_line(tmp_path: Path) -> None:
    far, near = pty.openpty()
    # A session of its own, whose terminal this is.
    code = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); print(flush=True); input()"
    command = [sys.executable, "-S", "-c", code]
    process = subprocess.Popen(command, stdin=near, stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"\n"
        answer = client(tmp_path).post("/line", data={"source": os.ttyname(near)})
        assert answer.status_code == 400
        assert "a serial line such as" in answer.text
    finally:
        process.kill()
        process.communicate()
        free = is_line(Path(os.ttyname(near)))
        os.close(near)
        os.close(far)
    assert free
    assert not any(is_line(path) for path in (Path("/dev/null"), Path("/dev/tty"), tmp_path))


def test_two_studios_of_a_folder_do_not_end_each_others_recordings(tmp_path: Path) -> None:
    growing = Rows(tmp_path / "live.csv")
    try:
        studio, other = client(tmp_path), client(tmp_path)
        address = studio.post("/line", data={"source": "live.csv"}).headers["location"]
        _until(lambda: studio.get(address).text, r"\d rows of")
        for do in ("keep", "delete"):
            assert other.post(address, data={"do": do}).status_code == 404
        assert address not in other.get("/line").text
        assert studio.post(address, data={"do": "keep"}).status_code == 303
    finally:
        growing.close()


@pytest.mark.parametrize("at_end", [True, False])
def test_a_row_that_waits_for_the_next_one_is_written_at_the_end(at_end: bool) -> None:
    file = io.StringIO()
    writer = RowWriter(("x",), 10.0, lambda: file)
    # The clock jumps by an hour with the last row: it is doubted until another one confirms it.
    times = np.array([0.0, 0.1, 0.2, 3600.0])
    writer.push(Packet(stream="", values=np.arange(4, dtype=np.float32)[:, None], time=times))
    if at_end:
        writer.finish()
    rows = file.getvalue().splitlines()
    assert rows[:4] == ["time,x", "0.000000,0", "0.100000,1", "0.200000,2"]
    assert rows[4:] == (["3600.000000,3"] if at_end else [])
    assert writer.rows == len(rows) - 1


def test_whatever_ends_a_recording_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "live.csv").write_text("a,b\n")

    def fail(*_: object, **__: object) -> None:
        raise ValueError("a defect")

    monkeypatch.setattr("edgewright.studio.pages.line.probe_source", fail)
    studio = client(tmp_path)
    address = studio.post("/line", data={"source": "live.csv"}).headers["location"]
    assert "The recording failed (ValueError)" in _until(lambda: studio.get(address).text, 'role="alert"')


def test_so_many_at_once_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "live.csv").write_text("a,b\n")
    studio = client(tmp_path)
    answers = [studio.post("/line", data={"source": "live.csv"}) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [303] * 4 + [400]
    lines = studio.app.state.studio.shared["lines"]
    assert isinstance(lines, LineRecordings)
    for answer in answers[:4]:
        assert studio.post(answer.headers["location"], data={"do": "delete"}).headers["location"] == "/line"
