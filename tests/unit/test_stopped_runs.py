"""Runs and compressions that are stopped while they train go on behind their last whole epoch, and end alike."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli_runner import Cli
from edgewright.cli.listeners import Quiet
from edgewright.core.errors import INTERRUPTED, OUTPUT_FAILED, CheckFailedError, InputError
from edgewright.core.records.trace import EpochRecord
from edgewright.pipeline.config import read_config
from edgewright.pipeline.run import run_pipeline
from edgewright.pipeline.run_folder.folder import FINISHED_EPOCHS, TRAININGS, locked, stopped_folders
from edgewright.training import loop as kept_epochs
from edgewright.training.loop import Result, Sampled, Settings, keeping, train
from edgewright.training.rows import ArrayRows
from small_pipeline import names

RNG = np.random.default_rng(0)
X = RNG.standard_normal((300, 4)).astype(np.float32)
Y = (X[:, 0] * X[:, 1] > 0).astype(np.float32)
START = [{"weights": RNG.standard_normal((4, 1)).astype(np.float32), "bias": np.zeros(1, np.float32)}]
SETTINGS: dict[str, Any] = {"loss": "sigmoid_cross_entropy", "epochs": 6, "batch": 16, "learning_rate": 0.01}


@pytest.fixture(autouse=True)
def _worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep every epoch, however short the training is."""
    monkeypatch.setattr(kept_epochs, "WORTH_S", 0.0)
    monkeypatch.setattr(kept_epochs, "_EVERY_S", 0.0)


def network(parameters: Any, x: Any) -> Any:  # noqa: ANN401 - arrays of NumPy or JAX
    return x @ parameters[0]["weights"] + parameters[0]["bias"]


def trained(folder: Path | None, stop_at: int = 0, **changes: Any) -> tuple[Result, list[int]]:  # noqa: ANN401
    """Return what training gives and the epochs that were told; it is stopped after an epoch where one is named."""
    epochs: list[int] = []

    def on_epoch(record: EpochRecord) -> None:
        epochs.append(record.epoch)
        if record.epoch == stop_at:
            raise KeyboardInterrupt

    samples = Sampled(ArrayRows(X), Y, np.ones(len(Y), np.float32))
    settings = Settings(**{**SETTINGS, **changes})
    if folder is None:
        return train(network, START, samples, settings, validation=samples, on_epoch=on_epoch), epochs
    with keeping(folder, lambda: None):
        return train(network, START, samples, settings, validation=samples, on_epoch=on_epoch), epochs


@pytest.mark.parametrize(
    "changes", [{}, {"patience": 3}, {"optimiser": "sgd", "dropout": 0.2}, {"optimiser": "schedule_free_adamw"}]
)
def test_a_training_that_goes_on_ends_bit_for_bit_as_one_that_was_never_stopped(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    whole, _ = trained(None, **changes)
    for stop_at in (4, 2, 5):
        with pytest.raises(KeyboardInterrupt):
            trained(tmp_path, stop_at, **changes)
    result, epochs = trained(tmp_path, **changes)
    assert epochs == list(range(1, len(whole.history) + 1))
    assert all((result.parameters[0][name] == whole.parameters[0][name]).all() for name in START[0])
    assert (result.best_epoch, result.stopped) == (whole.best_epoch, whole.stopped)
    assert [one.loss for one in result.history] == [one.loss for one in whole.history]


@pytest.mark.parametrize("damage", [b"", b"no file", b"PK"])
def test_another_training_or_a_damaged_file_is_not_gone_on_with(tmp_path: Path, damage: bytes) -> None:
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, 4)
    (file,) = tmp_path.iterdir()
    whole, _ = trained(None, seed=1)
    other, _ = trained(tmp_path, seed=1)
    assert (other.parameters[0]["weights"] == whole.parameters[0]["weights"]).all()
    file.write_bytes(damage)
    again, _ = trained(tmp_path, seed=1)
    assert (again.parameters[0]["weights"] == whole.parameters[0]["weights"]).all()


def test_a_short_training_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_epochs, "WORTH_S", 10.0)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, 4)
    assert names(tmp_path) == []


def test_threads_keep_their_own_trainings(tmp_path: Path) -> None:
    began: list[Path] = []
    keeps_both = threading.Barrier(2)

    def work(name: str) -> None:
        with keeping(tmp_path / name, lambda: None):
            keeps_both.wait(timeout=60)
            training = kept_epochs.begin("a training")
            assert training is not None
            began.append(training.path)
            keeps_both.wait(timeout=60)

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(began) == [tmp_path / name / "training-001.kept" for name in "ab"]
    assert kept_epochs.begin("a training") is None


def stop(patch: pytest.MonkeyPatch, epoch: int) -> None:
    """Press Ctrl-C when so many epochs of any trainings were heard of."""
    calls: list[int] = []

    def cancelled(self: Quiet) -> bool:
        calls.append(1)
        if len(calls) == epoch:
            raise KeyboardInterrupt
        return False

    patch.setattr(Quiet, "cancelled", cancelled)


def read(*_: object, **__: object) -> None:
    raise AssertionError("the data are read")


def test_a_run_that_was_stopped_goes_on(cli: Cli, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = tmp_path / "runs"
    given = ("run", small, "--out", runs, "--json", "--set", "training.epochs=5")
    whole = run_pipeline(read_config(str(small), ("training.epochs=5",)), out=tmp_path / "whole").folder
    with monkeypatch.context() as patch:
        stop(patch, 3)
        text = cli(*given, code=INTERRUPTED)
    assert f"what was trained is kept. Go on with: edgewright run {small}" in text
    (kept,) = stopped_folders(runs, "small", FINISHED_EPOCHS)
    (kept / "model.onnx").write_text("half")
    with locked(kept):
        assert "got one that another process goes on with" in cli(*given, "--resume", code=2)
    other = "the version of Edgewright that were stopped, got another one"
    with monkeypatch.context() as patch:
        patch.setattr("edgewright.pipeline.run.prepare", read)
        assert other in cli(*given, "--resume", "--set", "seed=2", code=2)
    rows = small.parent / "rows.csv"
    text = rows.read_text()
    rows.write_text(text.replace("1", "2", 1))
    assert other in cli(*given, "--resume", code=2)
    rows.write_text(text)
    cli(*given, "--resume")
    assert names(runs) == ["small"]
    assert names(runs / "small") == names(whole)
    assert (runs / "small" / "model.onnx").read_bytes() == (whole / "model.onnx").read_bytes()
    assert "a run that was stopped while it trained" in cli(*given, "--resume", code=2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("error", "code", "kept"),
    [
        (InputError("a model that passes its test vectors", "others"), 2, 0),
        (CheckFailedError("the package does not answer as it was trained"), 1, 0),
        (PermissionError(errno.EACCES, "Permission denied"), OUTPUT_FAILED, 0),
        (OSError(errno.ENOSPC, "No space left on device"), OUTPUT_FAILED, 1),
    ],
)
def test_a_run_that_fails_behind_its_training_keeps_it_for_a_full_disk_alone(
    error: Exception, code: int, kept: int, cli: Cli, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise error

    runs = tmp_path / "runs"
    given = ("run", small, "--out", runs, "--json")
    with monkeypatch.context() as patch:
        patch.setattr("edgewright.pipeline.run.deploy", fails)
        text = cli(*given, code=code)
    assert len(stopped_folders(runs, "small", FINISHED_EPOCHS)) == kept
    assert len(names(runs)) == kept
    assert ("go on with --resume" in text) == bool(kept)
    if kept:
        cli(*given, "--resume")
        assert names(runs) == ["small"]


def test_a_disk_that_is_full_while_an_epoch_is_kept_leaves_those_before(
    cli: Cli, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, flush = tmp_path / "runs", os.fsync
    given = ("run", small, "--out", runs, "--json", "--set", "training.epochs=5")

    def full(handle: int) -> None:
        written = list(runs.glob(".small-*.tmp/.trainings/*"))
        if any(path.name.startswith(".training") for path in written) and len(written) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        flush(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        text = cli(*given, code=OUTPUT_FAILED)
    assert "got No space left on device" in text and "go on with --resume" in text
    (kept,) = stopped_folders(runs, "small", FINISHED_EPOCHS)
    assert names(kept / TRAININGS) == ["training-001.kept"]
    cli(*given, "--resume")
    assert names(runs) == ["small"]


@pytest.mark.slow
def test_a_failure_while_a_run_goes_on_leaves_what_another_pipeline_keeps(
    cli: Cli, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ("run", small, "--out", tmp_path / "runs", "--json", "--set", "training.epochs=5")
    with monkeypatch.context() as patch:
        stop(patch, 3)
        cli(*given, code=INTERRUPTED)
    cli(*given, "--set", 'model.layers=[{kind="dense",units=0}]', code=2)
    cli(*given, "--resume", "--set", "seed=9", code=2)
    assert len(stopped_folders(tmp_path / "runs", "small", FINISHED_EPOCHS)) == 1
    cli(*given, "--resume")


@pytest.mark.slow
def test_a_compression_that_was_stopped_goes_on(
    cli: Cli, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_pipeline(read_config(str(small)), out=tmp_path / "runs").folder
    given = ("compress", run, "--prune", "structured:0.5", "--qat", "--epochs", 4, "--json")
    cli(*given, "--out", tmp_path / "whole")
    with monkeypatch.context() as patch:
        stop(patch, 6)
        text = cli(*given, "--out", tmp_path / "made", code=INTERRUPTED)
    assert "what was trained is kept" in text
    with monkeypatch.context() as patch:
        patch.setattr("edgewright.workflows.compression.workflow.open_run", read)
        assert "got another one" in cli(*given, "--out", tmp_path / "made", "--resume", "--epochs", 5, code=2)
    cli(*given, "--out", tmp_path / "made", "--resume")
    assert names(tmp_path / "made") == names(tmp_path / "whole")
    for file in (tmp_path / "whole").glob("*.onnx"):
        assert file.read_bytes() == (tmp_path / "made" / file.name).read_bytes()
