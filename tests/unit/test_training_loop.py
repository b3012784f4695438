"""The training loop: chunks, seeds, stopping, cancelling, streamed rows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.core.errors import TrainingDivergedError, UnknownNameError
from edgewright.core.records.trace import EpochRecord
from edgewright.training import backend
from edgewright.training.contract import Tree
from edgewright.training.loop import OnEpoch, Result, Sampled, Settings, outputs, train
from edgewright.training.program import step_program
from edgewright.training.rows import ArrayRows, Rows, as_rows

RNG = np.random.default_rng(0)
X = RNG.standard_normal((300, 4)).astype(np.float32)
Y = (X[:, 0] * X[:, 1] > 0).astype(np.float32)
START = [
    {"weights": RNG.standard_normal((4, 8)).astype(np.float32), "bias": np.zeros(8, np.float32)},
    {"weights": RNG.standard_normal((8, 1)).astype(np.float32), "bias": np.zeros(1, np.float32)},
]
BASE: dict[str, Any] = {"loss": "sigmoid_cross_entropy", "epochs": 4, "batch": 16, "learning_rate": 0.01}


def network(parameters: Tree, x: Tree) -> Tree:
    first, second = parameters
    hidden = x @ first["weights"] + first["bias"]
    return (hidden * (hidden > 0)) @ second["weights"] + second["bias"]


def sampled(rows: Rows | None = None, weights: NDArray[np.float32] | None = None) -> Sampled:
    return Sampled(rows or ArrayRows(X), Y, np.ones(len(Y), np.float32) if weights is None else weights)


def run(samples: Sampled | None = None, validation: Sampled | None = None, **changes: Tree) -> Result:
    on_epoch = changes.pop("on_epoch", None)
    settings = Settings(**{**BASE, **changes})
    return train(network, START, samples or sampled(), settings, validation=validation, on_epoch=on_epoch)


def bits(result: Result) -> list[bytes]:
    return [a.tobytes() for layer in result.parameters for a in layer.values()]


@pytest.mark.slow
@pytest.mark.parametrize("chunk", [16, 80, 304, 100_000])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_chunks_do_not_change_a_bit(chunk: int, dropout: float) -> None:
    assert bits(run(chunk_rows=chunk, dropout=dropout)) == bits(run(dropout=dropout))


def test_the_seed_decides() -> None:
    assert bits(run(seed=1)) == bits(run(seed=1))
    assert bits(run(seed=1)) != bits(run(seed=2))


def test_start_is_left_as_it_was() -> None:
    before = [a.copy() for layer in START for a in layer.values()]
    run()
    after = [a for layer in START for a in layer.values()]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.slow
def test_the_last_batch_counts_only_real_samples() -> None:
    weights = np.ones(300, np.float32)
    record = run(sampled(weights=weights), epochs=1, batch=256).history[0]
    assert record.accuracy is not None
    assert abs(record.accuracy * 300 - round(record.accuracy * 300)) < 1e-3


def test_samples_of_weight_zero_are_not_learnt() -> None:
    weights = np.ones(300, np.float32)
    weights[150:] = 0
    changed = Sampled(ArrayRows(np.concatenate([X[:150], 100 * X[150:]])), Y, weights)
    assert bits(run(Sampled(ArrayRows(X), Y, weights))) == bits(run(changed))


@pytest.mark.slow
def test_early_stopping_keeps_the_best_weights() -> None:
    rng = np.random.default_rng(1)
    noise = Sampled(ArrayRows(X[:40]), rng.integers(0, 2, 40).astype(np.float32), np.ones(40, np.float32))
    watched = Sampled(ArrayRows(rng.standard_normal((60, 4)).astype(np.float32)), Y[:60], np.ones(60, np.float32))
    result = run(noise, watched, epochs=60, patience=3, learning_rate=0.05)
    assert result.stopped == "no better validation loss for 3 epochs"
    losses = [record.validation_loss for record in result.history]
    assert result.best_epoch == int(np.argmin(np.asarray(losses, np.float64))) + 1
    assert len(result.history) == result.best_epoch + 3
    shorter = run(noise, watched, epochs=60, patience=0, learning_rate=0.05, on_epoch=_stop_at(result.best_epoch))
    assert bits(shorter) == bits(result)


def _stop_at(epoch: int) -> OnEpoch:
    def on_epoch(record: EpochRecord) -> bool:
        return record.epoch == epoch

    return on_epoch


def test_data_sets_of_other_sizes_share_a_program() -> None:
    program = step_program(network, "mean_squared_error", "adam", "auto", 0.0)
    for count in (140, 300):
        part = Sampled(ArrayRows(X[:count]), Y[:count], np.ones(count, np.float32))
        run(part, loss="mean_squared_error", epochs=1, batch=8)
        assert list(program.programs) == [(128, 8, 4)]


def test_the_caller_can_cancel() -> None:
    result = run(on_epoch=_stop_at(2))
    assert result.stopped == "cancelled" and len(result.history) == 2 and result.best_epoch == 2


def test_interrupt_is_passed_on() -> None:
    def on_epoch(record: EpochRecord) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(on_epoch=on_epoch)


class Squares:
    """Rows made when asked for, the largest request remembered."""

    def __init__(self) -> None:
        self.largest = 0

    @property
    def shape(self) -> tuple[int, ...]:
        return X.shape

    def __len__(self) -> int:
        return len(X)

    def take(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        self.largest = max(self.largest, len(indices))
        rows: NDArray[np.float32] = X[indices]
        return rows


def test_streamed_rows_train_alike_and_never_exist_whole() -> None:
    rows = Squares()
    assert bits(run(sampled(rows), chunk_rows=64)) == bits(run())
    assert rows.largest == 64
    assert outputs(network, START, rows).shape == (300, 1)


def test_frames_are_arrays_not_rows() -> None:
    pandas = pytest.importorskip("pandas")
    assert isinstance(as_rows(pandas.DataFrame(X)), ArrayRows)
    rows = Squares()
    assert as_rows(rows) is rows


def test_one_program_serves_every_learning_rate_and_similar_length() -> None:
    program = step_program(network, "sigmoid_cross_entropy", "adam", "auto", 0.0)
    run()
    before = set(program.programs)
    assert before
    run(learning_rate=0.5, label_smoothing=0.1)
    run(Sampled(ArrayRows(X[:280]), Y[:280], np.ones(280, np.float32)))
    assert set(program.programs) == before


def test_a_loss_that_is_no_number_is_refused() -> None:
    broken = X.copy()
    broken[7, 2] = np.inf
    with pytest.raises(TrainingDivergedError, match="finite loss, got nan - at epoch 1"):
        run(sampled(ArrayRows(broken)))


def test_an_unknown_optimiser_lists_the_known() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'prodigy'"):
        run(optimiser="prodigi")


def test_the_environment_is_the_users_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=true")
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    backend.prepare()
    assert os.environ["XLA_FLAGS"] == "--xla_cpu_multi_thread_eigen=true"
    assert os.environ["JAX_PLATFORMS"] == "cuda"
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == str(tmp_path / "edgewright" / "jax")


@pytest.mark.slow
def test_a_damaged_cache_is_no_trouble(tmp_path: Path) -> None:
    code = (
        "import numpy as np; from edgewright.models.network import NetworkClassifier as N;"
        "X=np.eye(70,dtype='f4'); m=N(({'kind':'dropout'},),epochs=1).fit(X,np.arange(70)%3);"
        "print(m.predict_proba(X).sum())"
    )
    settings = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    settings.pop("JAX_COMPILATION_CACHE_DIR", None)
    command = [sys.executable, "-W", "error", "-c", code]
    whole = subprocess.run(command, check=True, capture_output=True, text=True, env=settings)
    entries = [p for p in (tmp_path / "edgewright" / "jax").iterdir() if p.name.endswith("-cache")]
    assert len(entries) >= 2
    for entry in entries:
        entry.write_bytes(entry.read_bytes()[:100])
    again = subprocess.run(command, check=True, capture_output=True, text=True, env=settings)
    assert (again.stdout, again.stderr, whole.stderr) == (whole.stdout, "", "")
