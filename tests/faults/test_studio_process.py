"""The studio's process: its port, its end, its children."""

from __future__ import annotations

import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from edgewright.cli.main import run
from edgewright.studio.authentication import add_user
from edgewright.studio.phone.certificate import own_certificate
from studio_server import PATIENCE, START, StudioAddress, started

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioAddress]:
    """Provide a studio for those tests that leave it as it is."""
    with started(tmp_path_factory.mktemp("studio") / "runs") as (address, process):
        yield address
        assert process.poll() is None


@pytest.fixture(scope="module")
def studio(address: StudioAddress) -> int:
    return int(address.rpartition(":")[2])


def test_ctrl_c_ends_it_quietly(tmp_path: Path) -> None:
    with started(tmp_path / "runs") as (address, process):
        page = urllib.request.Request(address, headers=address.headers)  # noqa: S310 - our own
        with urllib.request.urlopen(page) as answer:  # noqa: S310
            assert answer.status == 200
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
        assert (process.returncode, err) == (130, "")


def test_it_ends_though_a_page_listens(tmp_path: Path, small: Path) -> None:
    out = tmp_path / "runs"
    with started(out) as (address, process):
        port = int(address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as listening:
            head = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {address.token}\r\n\r\n"
            listening.sendall(head.encode())
            listening.recv(100)
            begun = time.monotonic()
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=PATIENCE)
            assert (process.returncode, err) == (0, "")
            assert time.monotonic() - begun < 6


def test_a_shared_studio_answers_its_users_over_tls_only(tmp_path: Path) -> None:
    certificate = own_certificate(["127.0.0.1"], tmp_path / "tls")
    users = tmp_path / "users.json"
    token = add_user(users, "ada", "view")
    options = ["--users", users, "--certificate", certificate.certificate, "--key", certificate.key]
    command = [sys.executable, "-u", "-c", START, "studio", str(tmp_path / "runs"), "--no-open", "--port", "0"]
    with subprocess.Popen([*command, *map(str, options)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        address = next(word for word in line.split() if word.startswith("https://"))
        assert token not in line
        assert "token" not in line
        with httpx.Client(verify=ssl.create_default_context(cafile=certificate.certificate)) as client:
            assert client.get(address).status_code == 401
            assert client.get(address, headers={"authorization": f"Bearer {token}"}).status_code == 200
            form = {"token": token, "to": "/"}
            signed_in = client.post(f"{address}sign-in", data=form, headers={"origin": address.rstrip("/")})
            assert (signed_in.status_code, client.get(address).status_code) == (303, 200)
            refused = client.post(f"{address}cancel", data={}, headers={"origin": address.rstrip("/")})
            assert refused.status_code == 403
        with pytest.raises(httpx.HTTPError):
            httpx.get(address.replace("https", "http"))
        process.send_signal(signal.SIGINT)


def test_only_loopback_listens(studio: int) -> None:
    listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if " 0A " in line]
    mine = [address for address in listening if address.endswith(f":{studio:04X}")]
    assert mine == [f"0100007F:{studio:04X}"]


@pytest.mark.parametrize(
    "path", ["/page/..%2f..%2fetc", "/page/%2e%2e/%2e%2e/etc/passwd", "/../../../etc/passwd", "//etc/passwd"]
)
def test_raw_paths_lead_nowhere(address: StudioAddress, studio: int, path: str) -> None:
    with socket.create_connection(("127.0.0.1", studio)) as raw:
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{studio}\r\nAuthorization: Bearer {address.token}\r\n"
        raw.sendall(f"{head}Connection: close\r\n\r\n".encode())
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
    for missing in ("starlette", "uvicorn", "httptools", "python_multipart"):
        done = subprocess.run(
            [sys.executable, "-c", code, missing, str(tmp_path / "runs")], capture_output=True, text=True, check=False,
            timeout=PATIENCE,
        )  # fmt: skip
        assert done.returncode == 2
        assert "pip install 'edgewright[studio]'" in done.stderr
