"""Downloads against a real server on this machine: whole, resumed, dropped, altered, absent."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from edgewright.data.contract import RemoteFile
from edgewright.data.public import cache_folder, fetch, sha256_of
from edgewright.schema.errors import InputError, OutputError

BODY = bytes(range(256)) * 2_000
SHA = hashlib.sha256(BODY).hexdigest()


class Server:
    """Serves BODY; `ranges` False ignores Range; `drops` connections end after a third of what is left."""

    def __init__(self, ranges: bool = True, drops: int = 0, sized: bool = True, status: int = 200) -> None:
        self.ranges, self.drops, self.sized, self.status = ranges, drops, sized, status
        self.asked: list[str | None] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.answer(self)

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                """Keep the tests' output quiet."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=partial(self.http.serve_forever, poll_interval=0.01), daemon=True)
        self.thread.start()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        wanted = handler.headers.get("Range")
        self.asked.append(wanted)
        if self.status != 200:
            handler.send_error(self.status)
            return
        match = re.fullmatch(r"bytes=(\d+)-", wanted or "") if self.ranges else None
        start = int(match.group(1)) if match else 0
        if start >= len(BODY):
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(BODY)}")
            handler.end_headers()
            return
        body = BODY[start:]
        handler.send_response(206 if match else 200)
        if match:
            handler.send_header("Content-Range", f"bytes {start}-{len(BODY) - 1}/{len(BODY)}")
        if self.sized:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if self.drops > 0:
            self.drops -= 1
            body = body[: len(body) // 3]
        handler.wfile.write(body)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}/set.bin"

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@pytest.fixture
def serve() -> Iterator[type[Server]]:
    started: list[Server] = []

    class Counted(Server):
        def __init__(self, ranges: bool = True, drops: int = 0, sized: bool = True, status: int = 200) -> None:
            super().__init__(ranges, drops, sized, status)
            started.append(self)

    yield Counted
    for server in started:
        server.close()


def _file(server: Server, sha256: str = SHA) -> RemoteFile:
    return RemoteFile(url=server.url, name="set.bin", sha256=sha256)


def test_fetches_verifies_and_tells_progress(serve: type[Server], tmp_path: Path) -> None:
    server, records = serve(), []
    path = fetch(_file(server), tmp_path / "a" / "b", progress=lambda done, total: records.append((done, total)))
    assert path.read_bytes() == BODY
    assert records[-1] == (len(BODY), len(BODY))
    assert [done for done, _ in records] == sorted(done for done, _ in records)
    assert [p.name for p in path.parent.iterdir()] == ["set.bin"]
    assert fetch(_file(server), path.parent) == path
    assert len(server.asked) == 1, "a file that is there is not fetched again"


def test_a_part_is_taken_up_where_it_stopped(serve: type[Server], tmp_path: Path) -> None:
    server = serve()
    (tmp_path / "set.bin.part").write_bytes(BODY[:1000])
    assert fetch(_file(server), tmp_path).read_bytes() == BODY
    assert server.asked == ["bytes=1000-"]


def test_a_server_without_ranges_begins_again(serve: type[Server], tmp_path: Path) -> None:
    server = serve(ranges=False)
    (tmp_path / "set.bin.part").write_bytes(b"x" * 1000)
    assert fetch(_file(server), tmp_path).read_bytes() == BODY


@pytest.mark.parametrize("ranges", [True, False])
def test_a_connection_that_drops_is_taken_up(serve: type[Server], tmp_path: Path, ranges: bool) -> None:
    server = serve(ranges=ranges, drops=1)
    assert fetch(_file(server), tmp_path).read_bytes() == BODY
    assert server.asked == [None, f"bytes={len(BODY) // 3}-"]


def test_a_part_that_is_whole_needs_no_more(serve: type[Server], tmp_path: Path) -> None:
    server = serve()
    (tmp_path / "set.bin.part").write_bytes(BODY)
    assert fetch(_file(server), tmp_path).read_bytes() == BODY


def test_a_part_longer_than_the_file_begins_again(serve: type[Server], tmp_path: Path) -> None:
    server = serve()
    (tmp_path / "set.bin.part").write_bytes(BODY + b"more")
    assert fetch(_file(server), tmp_path).read_bytes() == BODY
    assert server.asked == [f"bytes={len(BODY) + 4}-", None]


def test_a_server_that_does_not_say_the_size(serve: type[Server], tmp_path: Path) -> None:
    reported: list[tuple[int, int | None]] = []
    server = serve(sized=False)
    path = fetch(_file(server), tmp_path, progress=lambda done, total: reported.append((done, total)))
    assert path.read_bytes() == BODY
    assert reported[-1] == (len(BODY), None)


def test_another_hash_is_refused_and_removed(serve: type[Server], tmp_path: Path) -> None:
    wrong = "0" * 64
    with pytest.raises(InputError) as caught:
        fetch(_file(serve(), wrong), tmp_path)
    assert wrong in str(caught.value)
    assert SHA in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_kept_file_of_another_hash_is_fetched_again(serve: type[Server], tmp_path: Path) -> None:
    (tmp_path / "set.bin").write_bytes(b"old")
    assert sha256_of(fetch(_file(serve()), tmp_path)) == SHA


def test_always_dropping_keeps_what_arrived(serve: type[Server], tmp_path: Path) -> None:
    server = serve(drops=100)
    with pytest.raises(InputError, match="to resume") as caught:
        fetch(_file(server), tmp_path)
    assert server.url in str(caught.value)
    arrived = (tmp_path / "set.bin.part").stat().st_size
    assert 0 < arrived < len(BODY)
    assert not (tmp_path / "set.bin").exists()
    server.drops = 0
    assert fetch(_file(server), tmp_path).read_bytes() == BODY


def test_no_server_names_the_address_and_the_way_out(serve: type[Server], tmp_path: Path) -> None:
    server = serve()
    url = server.url
    server.http.server_close()
    with pytest.raises(InputError, match="--from PATH") as caught:
        fetch(RemoteFile(url=url, name="set.bin"), tmp_path, timeout=5)
    assert url in str(caught.value)


@pytest.mark.parametrize("status", [403, 404, 500])
def test_an_answer_that_is_an_error(serve: type[Server], tmp_path: Path, status: int) -> None:
    with pytest.raises(InputError, match=f"HTTP {status}"):
        fetch(_file(serve(status=status)), tmp_path)


def test_a_silent_server_times_out(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/set.bin"
        with pytest.raises(InputError, match="timed out"):
            fetch(RemoteFile(url=url, name="set.bin"), tmp_path, timeout=0.2)


def test_files_of_this_machine(tmp_path: Path) -> None:
    origin = tmp_path / "origin.bin"
    origin.write_bytes(BODY)
    file = RemoteFile(url=origin.as_uri(), name="set.bin", sha256=SHA)
    assert fetch(file, tmp_path / "copy").read_bytes() == BODY


@pytest.mark.parametrize("url", ["ftp://example.org/a", "data:,a", "a.bin", "javascript:1"])
def test_other_addresses_are_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="http, https or file"):
        fetch(RemoteFile(url=url, name="a"), tmp_path)


def test_a_full_disk_is_an_output_error(serve: type[Server], tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("left out: this system has no /dev/full")
    (tmp_path / "set.bin.part").symlink_to(full)
    with pytest.raises(OutputError, match="room to write") as caught:
        fetch(_file(serve()), tmp_path)
    assert caught.value.exit_code == 74


def test_where_downloads_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EDGEWRIGHT_DATA", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    monkeypatch.delenv("EDGEWRIGHT_DATA")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "edgewright" / "data"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".local" / "share" / "edgewright" / "data"
