"""Rows that are read in parts: a disk that is full in the middle, and Ctrl-C, leave nothing but one sentence."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from edgewright.core.errors import OutputError
from edgewright.data.targets import Spool

pytestmark = [pytest.mark.slow]

TOML = """\
name = "parts"
refit = false
[data]
kind = "parquet"
path = "rows"
target = "label"
group = "person"
in_parts = "always"
[[stages]]
kind = "scale"
[[model.layers]]
kind = "dense"
units = 8
[training]
epochs = 100_000
[split]
test_groups = ["p00", "p10"]
"""
# What a test run in the background would ignore is heard; a limit of the size of files stands for a full disk.
CODE = """\
import resource, signal, sys
from edgewright.cli.main import run
signal.signal(signal.SIGINT, signal.default_int_handler)
if int(sys.argv[1]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
sys.exit(run(["run", "parts.toml", "--out", "runs"]))
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """Provide a pipeline that would train for hours on two files of 8 people with 16 columns."""
    (tmp_path / "rows").mkdir()
    for number in range(2):
        X = np.random.default_rng(number).normal(size=(8000, 16)).astype(np.float32)
        columns = {f"c{index}": X[:, index] for index in range(16)}
        person = [f"p{number}{row // 1000}" for row in range(8000)]
        label = np.where(X.sum(axis=1) > 0, "on", "off")
        frame = pl.DataFrame({**columns, "label": label, "person": person})
        frame.write_parquet(tmp_path / "rows" / f"part-{number}.parquet")
    (tmp_path / "parts.toml").write_text(TOML, encoding="utf-8")
    return tmp_path


def _left(here: Path) -> list[str]:
    """Return files below the folder of runs, but for the journal of what went on."""
    return [str(path) for path in (here / "runs").rglob("*") if path.is_file() and path.suffix != ".jsonl"]


def test_a_disk_that_fills_up_while_rows_are_written_is_told(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 16, 100_000)
    rows = np.zeros((1000, 16), np.float32)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(OutputError, match=r"room for 0\.01 GB of rows that are read in parts, got .*--out"):
            for _ in range(100):
                spool.append(rows)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert 0 < spool.count < 100_000
    assert list(tmp_path.iterdir()) == []


@pytest.mark.heavy
def test_a_run_ends_with_one_sentence_when_the_disk_is_full(here: Path) -> None:
    words = [sys.executable, "-c", CODE, "500000"]
    ended = subprocess.run(words, cwd=here, capture_output=True, text=True, timeout=600, check=False)
    assert ended.returncode == 74, ended.stderr
    assert "of rows that are read in parts, got" in ended.stderr and "Traceback" not in ended.stderr
    assert _left(here) == []


@pytest.mark.heavy
def test_an_interrupt_in_a_long_training_leaves_nothing(here: Path) -> None:
    with (here / "told").open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", CODE, "0"], cwd=here, stdout=subprocess.DEVNULL, stderr=output
        )
        try:
            until = time.monotonic() + 400
            while not any('"epoch"' in path.read_text() for path in here.glob("runs/.edgewright/journals/*.jsonl")):
                assert time.monotonic() < until and process.poll() is None
                time.sleep(0.1)
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=300) == 130
        finally:
            process.kill()
            process.wait()
    text = (here / "told").read_text(encoding="utf-8")
    assert "interrupted; no partial files were left" in text and "Traceback" not in text
    assert _left(here) == []
