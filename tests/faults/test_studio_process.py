"""The studio's process: its port, its end, its children."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgewright.cli.main import run
from studio_server import PATIENCE, started

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Provide the port of a studio for those tests that leave it as it is."""
    with started(tmp_path_factory.mktemp("studio") / "runs") as (address, process):
        yield int(address.rpartition(":")[2])
        assert process.poll() is None


def test_ctrl_c_ends_it_quietly(tmp_path: Path) -> None:
    with started(tmp_path / "runs") as (address, process):
        with urllib.request.urlopen(address) as answer:  # noqa: S310 - our own
            assert answer.status == 200
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
        assert (process.returncode, err) == (130, "")


def test_it_ends_though_a_page_listens(tmp_path: Path, small: Path) -> None:
    out = tmp_path / "runs"
    with started(out) as (address, process):
        port = int(address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as listening:
            listening.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
            listening.recv(100)
            begun = time.monotonic()
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=PATIENCE)
            assert (process.returncode, err) == (0, "")
            assert time.monotonic() - begun < 6


def test_only_loopback_listens(studio: int) -> None:
    listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if " 0A " in line]
    mine = [address for address in listening if address.endswith(f":{studio:04X}")]
    assert mine == [f"0100007F:{studio:04X}"]


@pytest.mark.parametrize(
    "path", ["/page/..%2f..%2fetc", "/page/%2e%2e/%2e%2e/etc/passwd", "/../../../etc/passwd", "//etc/passwd"]
)
def test_raw_paths_lead_nowhere(studio: int, path: str) -> None:
    with socket.create_connection(("127.0.0.1", studio)) as raw:
        raw.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{studio}\r\nConnection: close\r\n\r\n".encode())
        status = raw.recv(200).split(b"\r\n")[0]
    assert status.split()[1] in (b"404", b"400")


def test_a_port_in_use_is_said(studio: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["studio", str(tmp_path / "other"), "--port", str(studio), "--no-open"]) == 2
    err = capfd.readouterr().err
    assert f"expected a free port, got {studio}, which another program uses" in err
    assert "--port 0" in err
    assert not (tmp_path / "other").exists()


def test_a_file_and_a_run_are_no_folder_of_runs(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "trace.json").write_text("{}")
    assert run(["studio", str(tmp_path / "trace.json"), "--no-open"]) == 2
    assert "expected a folder of runs, got a file" in capfd.readouterr().err
    assert run(["studio", str(tmp_path), "--no-open"]) == 2
    assert "expected a folder of runs, got a run" in capfd.readouterr().err


def test_a_missing_extra_is_named(tmp_path: Path) -> None:
    code = (
        "import sys\nclass Gone:\n    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] == sys.argv[1]:\n            raise ModuleNotFoundError(name=name)\n"
        "sys.meta_path.insert(0, Gone())\nfrom edgewright.cli.main import run\n"
        "sys.exit(run(['studio', sys.argv[2], '--no-open']))"
    )
    import sys

    for missing in ("starlette", "uvicorn", "httptools", "python_multipart"):
        done = subprocess.run(
            [sys.executable, "-c", code, missing, str(tmp_path / "runs")], capture_output=True, text=True, check=False,
            timeout=PATIENCE,
        )  # fmt: skip
        assert done.returncode == 2
        assert "pip install 'edgewright[studio]'" in done.stderr
