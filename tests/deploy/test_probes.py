"""The probes of `deploy/blackbox.yml`, by the blackbox exporter, against a real TLS server and a real database."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from deploy_files import DEPLOY
from fleet_servers import until
from postgres_database import server as database_server
from support import left_out

pytestmark = pytest.mark.slow
_DAYS = 9


@contextmanager
def web(folder: Path) -> Iterator[int]:
    """Provide the port of a server with TLS over a folder with one published file."""
    (folder / "metadata").mkdir()
    (folder / "metadata" / "timestamp.json").write_text("{}")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-days", str(_DAYS), "-subj", "/CN=fleet.example", "-keyout", f"{folder}/k", "-out", f"{folder}/c"]
    subprocess.run(command, check=True, capture_output=True)
    serving = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "c", folder / "k")
    serving.socket = context.wrap_socket(serving.socket, server_side=True)
    thread = threading.Thread(target=serving.serve_forever, daemon=True)
    thread.start()
    try:
        yield serving.server_port
    finally:
        serving.shutdown()
        serving.server_close()
        thread.join(30)


def test_probes_find_what_answers_and_when_its_certificate_expires(tmp_path: Path) -> None:
    program = shutil.which("prometheus-blackbox-exporter") or shutil.which("blackbox_exporter")
    if program is None:
        left_out("the blackbox exporter is not installed here")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = [f"--config.file={DEPLOY / 'blackbox.yml'}", f"--web.listen-address=127.0.0.1:{port}"]
    process = subprocess.Popen([program or "", *settings], stderr=subprocess.DEVNULL)
    try:
        with web(tmp_path) as https, httpx.Client(trust_env=False, timeout=30) as client:

            def answers() -> bool:
                try:
                    return client.get(f"http://127.0.0.1:{port}/-/healthy").status_code == 200
                except httpx.TransportError:
                    return False

            def probe(module: str, target: str) -> dict[str, float]:
                answer = client.get(f"http://127.0.0.1:{port}/probe", params={"module": module, "target": target})
                return {name: float(value) for name, value in re.findall(r"^(probe_\w+) (\S+)$", answer.text, re.M)}

            until(answers)
            metrics = probe("https_file", f"https://127.0.0.1:{https}/metadata/timestamp.json")
            assert metrics["probe_success"] == 1
            assert abs(metrics["probe_ssl_earliest_cert_expiry"] - time.time() - _DAYS * 86_400) < 300
            assert probe("https_file", f"https://127.0.0.1:{https}/metadata/none.json")["probe_success"] == 0
            parts = urlsplit(database_server())
            assert probe("tcp", f"{parts.hostname}:{parts.port or 5432}")["probe_success"] == 1
        with httpx.Client(trust_env=False, timeout=30) as client:
            answer = client.get(
                f"http://127.0.0.1:{port}/probe", params={"module": "tcp", "target": f"127.0.0.1:{https}"}
            )
        assert "probe_success 0" in answer.text
    finally:
        process.terminate()
        process.wait(30)
