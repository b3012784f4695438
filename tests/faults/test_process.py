"""The installed command as a process: pipes that close, Ctrl-C, disks that are full."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli_runner import Cli
from edgewright.cli.main import run
from small_pipeline import names, rows, run_small, write_rows, write_toml
from support import left_out, small_disk

COMMAND = str(Path(sys.executable).with_name("edgewright"))
PATIENCE = 120


# What a child needs set before the command takes its place. Not a function run in the fork: JAX has threads here.
CTRL_C = "signal.signal(signal.SIGINT, signal.SIG_DFL)"  # a test run in the background ignores it
# The command under three limits of the size of a file, one after another, and what each run left.
FILES = """
import os, resource, signal, sys
from edgewright.cli.main import run
from edgewright.trace.journal import FOLDER
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for size in (200, 3000, 12_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    code = run(sys.argv[1:])
    print(f"ended with {code}: {[name for name in os.listdir(sys.argv[-1]) if name != FOLDER]}", flush=True)
"""


def prepared(setting: str, *arguments: str) -> list[str]:
    """Return the command, started with a setting."""
    start = f"import os, resource, signal, sys; {setting}; os.execv(sys.argv[1], sys.argv[1:])"
    return [sys.executable, "-c", start, COMMAND, *arguments]


def ask(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COMMAND, *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    return run_small(write_toml(folder / "small.toml", write_rows(folder / "rows.csv")), folder / "runs").folder


@pytest.mark.slow
def test_predict_answers_in_words_json_and_exit_codes(model: Path) -> None:
    completed = ask("predict", str(model), "--values", "1,2")
    assert (completed.returncode, completed.stderr) == (0, "")
    assert completed.stdout.endswith(" %\n")
    completed = ask("predict", str(model), "--values", "1,2", "--json")
    assert set(json.loads(completed.stdout)) == {"label", "confidence", "unsure", "probabilities"}
    completed = ask("predict", str(model), "--values", "1,abc")
    assert (completed.returncode, completed.stdout) == (2, "")
    assert (
        completed.stderr
        == "edgewright: error[csv-number]: expected a number, got 'abc' - at --values place 2, column b\n"
    )


@pytest.mark.slow
def test_a_reader_that_leaves_ends_the_command_quietly(model: Path, tmp_path: Path) -> None:
    many = write_rows(tmp_path / "many.csv", rows(count=20_000))
    process = subprocess.Popen(
        [COMMAND, "predict", str(model), "--csv", str(many), "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert b'"label"' in process.stdout.readline()
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait(PATIENCE) == 74


@pytest.mark.slow
@pytest.mark.parametrize(("options", "left"), [(("--verbose",), []), ((), ["small"])], ids=["verbose", "brief"])
def test_a_run_whose_reader_leaves_is_quiet_and_leaves_nothing_half(
    small: Path, tmp_path: Path, options: tuple[str, ...], left: list[str]
) -> None:
    """One that prints as it goes ends; one that prints at its end stands by then."""
    process = subprocess.Popen(
        [COMMAND, "run", str(small), *options, "--out", str(tmp_path / "runs")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait(PATIENCE) == 74
    assert names(tmp_path / "runs") == left
    assert all((tmp_path / "runs" / name / "trace.html").is_file() for name in left)


def test_no_output_at_all_is_no_error(model: Path) -> None:
    script = f'exec "{COMMAND}" predict "{model}" --values 1,2 >&-'
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_output_to_a_full_device(model: Path) -> None:
    if not Path("/dev/full").exists():
        left_out("/dev/full")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [COMMAND, "predict", str(model), "--values", "1,2"],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
    assert done.returncode == 74
    assert done.stderr.count("\n") == 1
    assert "No space left on device" in done.stderr


@pytest.mark.slow
def test_a_file_that_may_not_grow_ends_the_run_and_leaves_nothing(small: Path, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    # One process: most of its time goes into libraries that load.
    command = [sys.executable, "-c", FILES, "run", str(small), "--out", str(tmp_path / "runs")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert [line for line in done.stdout.splitlines() if line.startswith("ended")] == ["ended with 74: []"] * 3
    assert done.stderr.count("\n") == 3, done.stderr
    assert done.stderr.count("File too large") == 3


@pytest.mark.slow
@pytest.mark.parametrize("size", ["8k", "24k", "40k"])
def test_a_full_disk_ends_the_run_and_leaves_nothing(small: Path, tmp_path: Path, size: str, cli: Cli) -> None:
    with small_disk(tmp_path / "disk", size) as disk:
        text = cli("run", small, "--out", disk, code=74)
        assert text.count("\n") == 1
        assert "No space left on device" in text
        assert names(disk) == []


@pytest.mark.slow
def test_a_full_disk_spares_the_run_that_stands(small: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "350k") as disk:  # a run takes about 220 kB
        assert run(["run", str(small), "--out", str(disk)]) == 0
        before = {path: path.read_bytes() for path in (disk / "small").rglob("*") if path.is_file()}
        assert run(["run", str(small), "--out", str(disk), "--force"]) == 74
        assert {path: path.read_bytes() for path in (disk / "small").rglob("*") if path.is_file()} == before
        assert names(disk) == ["small"]


def in_training(process: subprocess.Popen[bytes]) -> None:
    """Read what the run prints until its first epoch stands."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.split()[:1] == [b"1"]:
            return
    pytest.fail(f"no epoch was printed; exit code {process.wait()}")


def loads_libraries(process: subprocess.Popen[bytes]) -> None:
    """Wait until the first of the desk's libraries is mapped into the child."""
    maps = Path(f"/proc/{process.pid}/maps")
    if not maps.exists():
        left_out("/proc, which tells what a process has loaded")
    until = time.monotonic() + PATIENCE
    while "numpy" not in maps.read_text():
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wait", "number", "code"), [(0.0, signal.SIGINT, 130), (0.3, signal.SIGINT, 130), (0.3, signal.SIGTERM, 143)]
)
def test_ctrl_c_or_a_termination_signal_while_training_leaves_nothing(
    small: Path, tmp_path: Path, wait: float, number: int, code: int
) -> None:
    out = tmp_path / "runs"
    process = subprocess.Popen(
        prepared(CTRL_C, "run", str(small), "--verbose", "--out", str(out), "--set", "training.epochs=100000"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    in_training(process)
    assert len(names(out)) == 1
    time.sleep(wait)
    process.send_signal(number)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == code
    assert err == b"edgewright: interrupted; no partial files were left\n"
    assert names(out) == []


@pytest.mark.slow
@pytest.mark.parametrize("wait", [0.0, 0.3, 0.6])
def test_ctrl_c_while_libraries_load_leaves_nothing(small: Path, tmp_path: Path, wait: float) -> None:
    out = tmp_path / "runs"
    process = subprocess.Popen(
        prepared(CTRL_C, "run", str(small), "--out", str(out), "--set", "training.epochs=100000"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    loads_libraries(process)
    time.sleep(wait)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert err == b"edgewright: interrupted; no partial files were left\n"
    assert names(out) == []


@pytest.mark.slow
def test_ctrl_c_ends_predict_that_waits_for_rows(model: Path) -> None:
    process = subprocess.Popen(
        prepared(CTRL_C, "predict", str(model), "-"),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"a,b\n1,2\n")
    process.stdin.flush()
    assert b'"label"' in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (130, b"edgewright: interrupted; no partial files were left\n")
