"""The journal of a run: every event a line, read back to a partial record, kept only where a run broke off."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgewright.cli.main import run
from edgewright.core.errors import CheckFailedError, FormatNewerError, InputError, RunError
from edgewright.pipeline.config import read_config
from edgewright.pipeline.run import run_pipeline
from edgewright.pipeline.run_folder.journal import EVENTS, Journalling, Listener, Several, journalled
from edgewright.trace.journal import (
    FOLDER,
    JOURNAL_VERSION,
    KEPT,
    SILENT,
    alive,
    journals,
    parse_progress,
    read_journal,
    read_progress,
    start_ticks,
    sweep,
)
from trace_example import compression, device, epochs, evaluation, layers, prediction, stages, training

LISTENERS: list[Journalling] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Journals that a test leaves open are closed."""
    yield
    while LISTENERS:
        journal = LISTENERS.pop()._journal
        if journal is not None:
            journal.close()


def begun(runs: Path) -> Journalling:
    listener = Journalling(runs, read_config("activity", ("seed=7",)), "edgewright run activity")
    listener.start("activity", "a title", "phone-arm64")
    LISTENERS.append(listener)
    return listener


def only(runs: Path) -> Path:
    (path,) = journals(runs).iterdir()
    return path


def test_a_partial_record_has_what_was_told(tmp_path: Path) -> None:
    listener = begun(tmp_path)
    for record in stages()[:3]:
        listener.stage(record)
    listener.training_started(20, 3)
    for epoch in epochs(5):
        listener.epoch(epoch)
    partial = read_journal(only(tmp_path))
    assert (partial.state, partial.reason, partial.task) == ("running", "", "classification")
    assert (partial.name, partial.title, partial.provenance.seed) == ("activity", "a title", 7)
    assert partial.provenance.command == "edgewright run activity"
    assert partial.stages == stages()[:3]
    assert partial.training is not None
    assert [e.loss for e in partial.training.epochs] == [e.loss for e in epochs(5)]
    assert all(e.observation for e in partial.training.epochs)
    assert partial.config["training"]["epochs"] == 15  # type: ignore[index]


def test_every_record_of_a_run_is_read_back(tmp_path: Path) -> None:
    listener = begun(tmp_path)
    listener.training_started(20, 3)
    listener.training(training(20))
    listener.layers(layers())
    listener.evaluation(evaluation())
    listener.compression(compression())
    listener.device(device())
    listener.prediction(prediction())
    with listener.doing("Compressing and packaging"):
        progress = read_progress(only(tmp_path))
    trace = progress.trace()
    assert progress.doing == "Compressing and packaging"
    assert (trace.training, trace.layers, trace.evaluation) == (training(20), layers(), evaluation())
    assert (trace.compression, trace.device, trace.predictions) == (compression(), device(), (prediction(),))


def test_no_event_of_a_listener_is_forgotten() -> None:
    assert set(EVENTS) >= {"start", "stage", "epoch", "training", "finish", "insight", "scaling_point"}
    for name in EVENTS:
        assert name in vars(Several)
        assert name in vars(Journalling)


def test_a_finished_run_leaves_no_journal(small: Path, tmp_path: Path) -> None:
    out, config = tmp_path / "runs", read_config(str(small))
    with journalled(Journalling(out, config, "x"), Listener()) as listening:
        run_pipeline(config, out=out, listener=listening)
    assert sorted(path.name for path in out.iterdir()) == ["small"]


def test_who_reads_along_learns_of_the_end(tmp_path: Path) -> None:
    listener = begun(tmp_path)
    path = only(tmp_path)
    with path.open("rb") as open_file:
        listener.end("finished", "", "activity-3")
        assert not path.exists()
        progress = parse_progress(open_file.read(), path)
    assert (progress.state, progress.folder) == ("finished", "activity-3")


def test_how_a_run_broke_off_is_its_last_line(tmp_path: Path) -> None:
    config = read_config("activity")
    for error, state, reason in (
        (KeyboardInterrupt(), "cancelled", "interrupted"),
        (InputError("rows", "none"), "failed", "expected rows, got none"),
        (CheckFailedError("the split leaks"), "failed", "the split leaks"),
        (ValueError(), "failed", "ValueError"),
    ):
        runs = tmp_path / f"{state}-{reason[:3]}"
        with pytest.raises(type(error)), journalled(Journalling(runs, config), Listener()) as listening:
            listening.start("activity", "", "")
            raise error
        partial = read_journal(only(runs))
        assert (partial.state, partial.reason) == (state, reason)


@pytest.mark.slow
def test_a_killed_process_ended_without_a_word(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs"
    command = [
        sys.executable,
        "-c",
        "from edgewright.cli.main import main; main()",
        "run",
        str(small),
        "--out",
        str(out),
    ]
    process = subprocess.Popen([*command, "--set", "training.epochs=100000", "--json"], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not any(path.stat().st_size for path in journals(out).glob("*.jsonl")) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert read_journal(only(out)).state == "running"
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    partial = read_journal(only(out))
    assert (partial.state, partial.reason) == ("failed", SILENT)


def test_a_cut_last_line_and_lines_of_another_kind_are_left_out(tmp_path: Path) -> None:
    listener = begun(tmp_path)
    listener.training_started(5, 2)
    for epoch in epochs(3):
        listener.epoch(epoch)
    whole = only(tmp_path).read_bytes()
    for cut in range(whole.rfind(b"\n", 0, -1) + 1, len(whole), 17):
        assert len(parse_progress(whole[:cut], only(tmp_path)).epochs) == 2
    odd = whole + b'{"event":"later","time":1,"data":{"record":{}}}\nno json\n{"event":"epoch","time":1,"data":{}}\n'
    assert len(parse_progress(odd, only(tmp_path)).epochs) == 3


def test_versions_and_other_files_are_refused_by_name(tmp_path: Path) -> None:
    begun(tmp_path)
    newer = only(tmp_path).read_bytes().replace(b'"version":1', b'"version":99', 1)
    with pytest.raises(
        FormatNewerError, match=f"version {JOURNAL_VERSION} or older, got version 99.*Update edgewright"
    ):
        parse_progress(newer, only(tmp_path))
    for content in (b"", b"\n", b"hello\n", b'{"event":"epoch","time":1}\n'):
        with pytest.raises(RunError):
            parse_progress(content, only(tmp_path))
    with pytest.raises(RunError, match="No such file"):
        read_journal(tmp_path / "none.jsonl")


def test_the_oldest_journals_go_but_never_a_live_one(tmp_path: Path) -> None:
    begun(tmp_path)
    live = only(tmp_path)
    gone = live.read_bytes().replace(f'"process":{os.getpid()}'.encode(), b'"process":999999999', 1)
    for number in range(KEPT + 5):
        path = journals(tmp_path) / f"old-{number:02}.jsonl"
        path.write_bytes(gone)
        os.utime(path, (1000 + number, 1000 + number))
    os.utime(live, (1, 1))
    sweep(tmp_path)
    left = {path.name for path in journals(tmp_path).iterdir()}
    assert len(left) == KEPT
    assert live.name in left
    assert "old-00.jsonl" not in left
    assert f"old-{KEPT + 4:02}.jsonl" in left


def test_a_run_that_cannot_write_its_journal_goes_on(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs"
    out.mkdir()
    (out / FOLDER).write_text("a file where the folder should be")
    assert run(["run", str(small), "--out", str(out), "--json"]) == 0
    assert (out / "small" / "trace.json").is_file()


def test_a_full_disk_ends_the_journal_and_not_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listener = begun(tmp_path)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(listener._journal, "write", full)
    listener.stage(stages()[0])
    listener.end("failed", "x")
    assert json.loads(only(tmp_path).read_bytes().splitlines()[-1])["event"] == "start"


def test_a_process_is_named_by_its_number_and_its_start() -> None:
    ticks = start_ticks(os.getpid())
    assert ticks > 0
    assert alive(os.getpid(), ticks)
    assert not alive(os.getpid(), ticks + 1)
    assert not alive(999_999_999, 1)
    assert not alive(0, 0)
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    started = start_ticks(child.pid)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not alive(child.pid, started or 1)  # ended, and nobody has asked for its exit code
    child.wait()
