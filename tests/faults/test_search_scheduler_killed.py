"""A search on a real Dask cluster in another folder: its scheduler is killed, and the study goes on here and there."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgewright.cli.main import run
from search_study import PIPELINE, kept_trials, write_people

pytest.importorskip("distributed")
pytestmark = [pytest.mark.slow, pytest.mark.heavy]

CODE = "import sys; from edgewright.cli.main import run; sys.exit(run(sys.argv[1:]))"


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def _cluster(port: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Provide a scheduler and a worker that work in another folder; gives the scheduler."""
    folder.mkdir(exist_ok=True)
    dask = [sys.executable, "-m", "dask"]
    roles = (
        ["scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"],
        ["worker", f"127.0.0.1:{port}", "--nthreads", "1", "--no-nanny", "--no-dashboard"],
    )
    with (folder / "log").open("ab") as log:
        started = [subprocess.Popen([*dask, *words], cwd=folder, stdout=log, stderr=log) for words in roles]
        try:
            yield started[0]
        finally:
            for process in started:
                process.kill()
                process.wait()


def test_a_killed_scheduler_costs_one_batch_and_the_study_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    write_people(tmp_path / "there" / "rows.csv")
    (tmp_path / "small.toml").write_text(PIPELINE, encoding="utf-8")
    out, port = tmp_path / "study", _free_port()
    # Relative to the folder of who searches; the worker is in another one.
    words = ["search", "small.toml", "--data", "there/rows.csv", "--judge", "0", "--out", "study"]
    there = [*words, "--cluster", f"dask://127.0.0.1:{port}"]
    with _cluster(port, tmp_path / "elsewhere") as scheduler:
        process = _begun([*there, "--trials", "100000"], tmp_path)
        try:
            until = time.monotonic() + 300
            while not kept_trials(out):
                assert time.monotonic() < until and process.poll() is None, (tmp_path / "told").read_text()
                time.sleep(0.1)
            scheduler.send_signal(signal.SIGKILL)
            assert process.wait(timeout=300) == 74
        finally:
            process.kill()
            process.wait()
    text = (tmp_path / "told").read_text(encoding="utf-8")
    kept = kept_trials(out)
    assert kept % 16 == 0 and f"{kept} trials are kept. Continue with: edgewright search small.toml" in text
    assert "the scheduler stopped responding" in text and "Traceback" not in text
    # Gone on with here, then on a cluster again.
    assert run([*words, "--trials", str(kept + 1), "--resume"]) == 0
    with _cluster(port, tmp_path / "elsewhere"):
        until = time.monotonic() + 300
        while run([*there, "--trials", str(kept + 2), "--resume"]) != 0:  # no worker yet
            text = capsys.readouterr().err
            assert time.monotonic() < until and "expected a Dask" in text, text
    assert kept_trials(out) == kept + 2


def _begun(words: list[str], folder: Path) -> subprocess.Popen[bytes]:
    """Return the search in a process of its own; it waits for the worker, which may take a while to come."""
    until = time.monotonic() + 300
    while True:
        with (folder / "told").open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-c", CODE, *words], cwd=folder, stdout=subprocess.DEVNULL, stderr=output,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )  # fmt: skip
        while not kept_trials(folder / "study") and process.poll() is None:
            time.sleep(0.1)
        text = (folder / "told").read_text(encoding="utf-8")
        if process.poll() is None or "expected a Dask" not in text or time.monotonic() > until:
            return process
