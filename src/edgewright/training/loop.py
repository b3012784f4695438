"""The training loop: shuffles on the host, hands chunks of batches to the compiled program, watches validation."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.archive import read_arrays, write_arrays
from edgewright.core.errors import TrainingDivergedError
from edgewright.core.records.trace import EpochRecord
from edgewright.training.backend import jax
from edgewright.training.contract import Changes, Tree
from edgewright.training.losses import LOSSES
from edgewright.training.program import (
    Apply,
    NumpyProgram,
    StepProgram,
    block_of,
    capacity_of,
    forward,
    is_small,
    measured,
    step_program,
)
from edgewright.training.rows import Rows, shuffled

# What took less than this together is not kept: to begin again is as fast.
WORTH_S = 5.0
# An epoch is written when so much time has passed since the last one that was.
_EVERY_S = 5.0


@dataclass
class Epochs:
    """A training behind an epoch.

    Attributes:
        carry: what the loop hands on from batch to batch.
        history: records of the epochs.
        best: parameters of the best one; None where the last ones answer, and before the first.
        best_epoch: number of the best one, 0 for none.
        best_loss: its loss on validation samples.
        ended: why the training ended; empty where it goes on.
    """

    carry: Tree
    history: list[EpochRecord] = field(default_factory=list)
    best: Tree = None
    best_epoch: int = 0
    best_loss: float = math.inf
    ended: str = ""


class _Header(msgspec.Struct, frozen=True, kw_only=True):
    """What is written besides arrays."""

    label: str = msgspec.field(name="what")
    history: list[EpochRecord]
    best_epoch: int
    best_loss: float
    ended: str


@dataclass
class Keeper:
    """Keeps trainings in the order in which they begin.

    Attributes:
        folder: of the files, one a training.
        mark: called before the first file, so that the folder stays.
        trainings: that have begun.
        began: when the first one did.
    """

    folder: Path
    mark: Callable[[], object]
    trainings: int = 0
    began: float = field(default_factory=time.perf_counter)

    def begin(self, label: str) -> KeptTraining:
        """Return what is kept of the next training."""
        self.trainings += 1
        return KeptTraining(self, self.folder / f"training-{self.trainings:03d}.kept", label)


@dataclass
class KeptTraining:
    """The file of a training.

    Attributes:
        keeper: of all trainings.
        path: path of the file.
        label: which training this is.
        written: when the file was.
    """

    keeper: Keeper
    path: Path
    label: str
    written: float = field(default_factory=time.perf_counter)

    def read(self, start: Tree, answering: Callable[[Tree], Tree]) -> Epochs | None:
        """Return what was done; None for nothing, or for another training.

        Args:
            start: what the loop hands on, for its structure.
            answering: gives the parameters that answer.
        """
        stored = read_arrays(self.path, _Header)
        if stored is None or stored[0].label != self.label:
            return None
        header, arrays = stored
        carry, best = ([arrays[f"{name}-{i}"] for i in range(int(arrays[name]))] for name in ("carry", "best"))
        carried = jax.tree.unflatten(jax.tree.structure(start), carry)
        parameters = jax.tree.unflatten(jax.tree.structure(answering(carried)), best) if best else None
        return Epochs(carried, header.history, parameters, header.best_epoch, header.best_loss, header.ended)

    def write(self, done: Epochs) -> None:
        """Keep an epoch, where that is worth it."""
        now = time.perf_counter()
        if now - self.keeper.began < WORTH_S or (not done.ended and now - self.written < _EVERY_S):
            return
        header = _Header(
            label=self.label,
            history=done.history,
            best_epoch=done.best_epoch,
            best_loss=done.best_loss,
            ended=done.ended,
        )
        arrays: dict[str, Any] = {}
        for name, tree in (("carry", done.carry), ("best", done.best)):
            leaves = jax.tree.leaves(tree)
            arrays |= {name: len(leaves), **{f"{name}-{index}": np.asarray(leaf) for index, leaf in enumerate(leaves)}}
        self.keeper.mark()
        write_arrays(self.path, header, arrays)
        self.written = now


# Of the thread that trains: another one's trainings are other work.
_KEEPER: ContextVar[Keeper | None] = ContextVar("keeper", default=None)


@contextmanager
def keeping(folder: Path, mark: Callable[[], object]) -> Iterator[None]:
    """Keep the trainings of a block in a folder, and go on with those that lie there."""
    token = _KEEPER.set(Keeper(folder, mark))
    try:
        yield
    finally:
        _KEEPER.reset(token)


def begin(label: str) -> KeptTraining | None:
    """Return what is kept of a training that begins; None where nobody keeps any."""
    keeper = _KEEPER.get()
    return None if keeper is None else keeper.begin(label)


Floats = NDArray[np.float32]
Program = StepProgram | NumpyProgram
OnEpoch = Callable[[EpochRecord], bool | None]
# A chunk is what exists in memory at once: 65,536 rows of 230 polynomial features are 60 MB.
CHUNK_ROWS, CHUNK_BYTES = 65_536, 64 * 2**20
# Means and variances are measured on so many batches.
_MEASURED = 8


@dataclass(frozen=True)
class Settings:
    """How to train; the fields are those of `TrainingConfig`, `augment` only what is drawn anew in every epoch."""

    loss: str
    epochs: int = 20
    batch: int = 64
    optimiser: str = "adam"
    learning_rate: float = 1e-3
    schedule: str = "auto"
    warm_up: float = 0.15
    weight_decay: float = 0.0
    patience: int = 0
    label_smoothing: float = 0.0
    dropout: float = 0.0
    mixup: float = 0.0
    augment: tuple[dict[str, Any], ...] = ()
    seed: int = 0
    chunk_rows: int = CHUNK_ROWS


@dataclass(frozen=True)
class Sampled:
    """Samples with their targets and weights, (n,) float32 each."""

    rows: Rows
    targets: Floats
    weights: Floats


@dataclass(frozen=True)
class Result:
    """What training gives: the parameters that answer as NumPy arrays, and the record's figures."""

    parameters: Tree
    history: tuple[EpochRecord, ...]
    best_epoch: int
    stopped: str
    seconds: float
    cpu_seconds: float
    compile_seconds: float
    compile_cpu_seconds: float


def outputs(apply: Apply, parameters: Tree, rows: Rows) -> Floats:
    """Raw outputs of the network for all samples, shape (n, k), block by block."""
    block = block_of(tuple(rows.shape[1:]))
    starts = range(0, len(rows), block)
    indices = (np.arange(start, min(start + block, len(rows)), dtype=np.int64) for start in starts)
    return np.concatenate([forward(apply, parameters, rows.take(part)) for part in indices])


def evaluate(apply: Apply, parameters: Tree, samples: Sampled, settings: Settings) -> tuple[float, float]:
    """Weighted mean loss and share of right answers."""
    raw = outputs(apply, parameters, samples.rows)
    loss, right = LOSSES[settings.loss](np, raw, samples.targets, np.float32(settings.label_smoothing))
    return float(np.average(loss, weights=samples.weights)), float(np.mean(right))


def train(
    apply: Apply,
    parameters: Tree,
    samples: Sampled,
    settings: Settings,
    *,
    validation: Sampled | None = None,
    on_epoch: OnEpoch | None = None,
) -> Result:
    """Train a network.

    Args:
        apply: the network; the same object for the same network, so that its program is compiled once.
        parameters: where training starts.
        samples: what is fitted.
        settings: how.
        validation: samples that are watched and stop training early; never fitted on.
        on_epoch: told of every epoch; training ends when it answers True.

    Returns:
        The parameters of the best epoch when `patience` is set and there is validation, else of the last.

    Raises:
        InputError: when the loss is no longer a number.
    """
    began, cpu_began = time.perf_counter(), time.process_time()
    program = _program(apply, parameters, len(samples.rows), settings)
    changes = Changes(settings.augment)
    compiled_before, cpu_compiled_before = program.compile_seconds, program.compile_cpu_seconds
    kept = begin(f"{type(program).__name__} {settings} {samples.rows.shape} {validation is not None}")
    done = _done(kept, program, program.start(parameters), on_epoch)
    watch = settings.patience > 0 and validation is not None
    for epoch in range(len(done.history) + 1, settings.epochs + 1 if not done.ended else 0):
        epoch_began = time.perf_counter()
        done.carry = _epoch(program, done.carry, samples, settings, epoch, changes)
        answering: Tree = None
        watched: tuple[float, float] | None = None
        if validation is not None:
            answering = _answering(program, done.carry, samples, settings, changes)
            watched = evaluate(apply, answering, validation, settings)
        record = _record(done.carry, epoch, watched, settings, program, time.perf_counter() - epoch_began)
        done.history.append(record)
        if record.validation_loss is not None and record.validation_loss < done.best_loss:
            done.best_epoch, done.best_loss = epoch, record.validation_loss
            done.best = program.copied(answering) if watch else None
        cancelled = on_epoch is not None and on_epoch(record)
        done.ended = _ended(settings, epoch, epoch - done.best_epoch if watch else 0, cancelled=bool(cancelled))
        if kept is not None and not cancelled:
            kept.write(done)
        if done.ended:
            break
    best, best_epoch = done.best, done.best_epoch
    if not watch:
        answering = _answering(program, done.carry, samples, settings, changes)
        best, best_epoch = program.copied(answering), len(done.history)
    if hasattr(apply, "folded"):
        best = apply.folded(best)
    return Result(
        parameters=best,
        history=tuple(done.history),
        best_epoch=best_epoch,
        stopped=done.ended,
        seconds=time.perf_counter() - began,
        cpu_seconds=time.process_time() - cpu_began,
        compile_seconds=program.compile_seconds - compiled_before,
        compile_cpu_seconds=program.compile_cpu_seconds - cpu_compiled_before,
    )


def _program(apply: Apply, parameters: Tree, count: int, settings: Settings) -> Program:
    """Return what trains a network on so many samples."""
    names = settings.loss, settings.optimiser
    steps = settings.epochs * -(-count // settings.batch)
    if not settings.mixup and is_small(apply, *names, parameters, steps, settings.batch):
        return NumpyProgram(apply, *names, settings.schedule)
    return step_program(apply, *names, settings.schedule, settings.mixup)


def _answering(
    program: Program,
    carry: tuple[Tree, Tree, Floats],
    samples: Sampled,
    settings: Settings,
    changes: Changes,
) -> Tree:
    """Return the parameters that answer; those that normalise get means and variances of training samples."""
    answering = program.answering(carry[0], carry[1])
    measure = getattr(program.apply, "measure", None)
    if measure is None:
        return answering
    rng = np.random.default_rng([settings.seed, 3])
    chosen = rng.permutation(len(samples.rows))[: _MEASURED * settings.batch]
    parts = [chosen[start : start + settings.batch] for start in range(0, len(chosen), settings.batch)]
    whole = [part for part in parts if len(part) == len(parts[0])]
    losses = [measured(measure, answering, changes.changed(samples.rows.take(part), rng)) for part in whole]
    return jax.tree.map(lambda *arrays: np.mean(arrays, axis=0, dtype=np.float64).astype(np.float32), *losses)


def _done(kept: KeptTraining | None, program: Program, start: Tree, on_epoch: OnEpoch | None) -> Epochs:
    """Return where the training begins: behind the epochs that are kept, which are told of again."""
    restored = None if kept is None else kept.read(start, lambda carry: program.answering(carry[0], carry[1]))
    if restored is not None and on_epoch is not None:
        for record in restored.history:
            on_epoch(record)
    return restored or Epochs(start)


def _ended(settings: Settings, epoch: int, worse: int, *, cancelled: bool) -> str:
    """Why training ends with this epoch; empty where it goes on. `worse`: epochs since the best one."""
    if cancelled:
        return "cancelled"
    if settings.patience and worse >= settings.patience:
        return f"no better validation loss for {settings.patience} epochs"
    return "all epochs done" if epoch == settings.epochs else ""


def _record(
    carry: tuple[Tree, Tree, Floats],
    epoch: int,
    watched: tuple[float, float] | None,
    settings: Settings,
    program: Program,
    seconds: float,
) -> EpochRecord:
    loss_sum, weight_sum, right, count = (float(total) for total in np.asarray(carry[2]))
    loss = loss_sum / max(weight_sum, 1e-12)
    if not math.isfinite(loss):
        raise TrainingDivergedError(
            "a finite loss", str(loss), f"epoch {epoch}", "Scale the inputs, or take a smaller training.learning_rate"
        )
    classifies = settings.loss.endswith("entropy")
    return EpochRecord(
        epoch=epoch,
        loss=loss,
        accuracy=right / max(count, 1.0) if classifies else None,
        validation_loss=None if watched is None else watched[0],
        validation_accuracy=watched[1] if watched is not None and classifies else None,
        learning_rate=settings.learning_rate if program.optimiser.needs_learning_rate else None,
        seconds=seconds,
    )


def _epoch(
    program: Program,
    carry: tuple[Tree, Tree, Floats],
    samples: Sampled,
    settings: Settings,
    epoch: int,
    changes: Changes,
) -> tuple[Tree, Tree, Floats]:
    steps = -(-len(samples.rows) // settings.batch)
    number = int(np.random.default_rng([settings.seed, epoch, 2]).integers(1 << 24)) if program.draws else 0
    whole = (settings.learning_rate, settings.weight_decay, steps * settings.epochs, settings.label_smoothing)
    carry = (carry[0], carry[1], np.zeros(4, np.float32))
    done = 0
    for batches, count in _chunks(samples, settings, epoch, changes):
        rates = np.array([*whole, settings.warm_up, number, done], np.float32)
        carry = program(carry, rates, batches, count, epoch == 1 and done == 0)
        done += count
    return carry


def _chunks(
    samples: Sampled, settings: Settings, epoch: int, changes: Changes
) -> Iterator[tuple[tuple[Floats, Floats, Floats], int]]:
    """Shuffled batches, a chunk at a time, each with its number of steps.

    The last batch is filled with samples of weight 0: means and variances of a batch are those of real samples.
    """
    total, batch = len(samples.rows), settings.batch
    shape = tuple(samples.rows.shape[1:])
    maximum = min(settings.chunk_rows, CHUNK_BYTES // (4 * math.prod(shape)))
    capacity = capacity_of(-(-total // batch), max(1, maximum // batch))
    order = shuffled(samples.rows, np.random.default_rng([settings.seed, epoch]), capacity * batch)
    extra = np.random.default_rng([settings.seed, epoch, 1])
    for start in range(0, total, capacity * batch):
        indices = order[start : start + capacity * batch]
        values = changes.changed(samples.rows.take(indices), extra)
        if settings.dropout > 0:
            kept = extra.random(values.shape, dtype=np.float32) >= settings.dropout
            values = values * kept / np.float32(1.0 - settings.dropout)
        targets, weights = samples.targets[indices], samples.weights[indices]
        flat = [_filled(part, capacity * batch) for part in (values, targets, weights)]
        rest = np.arange(-len(values) % batch)
        flat[0][len(values) + rest] = values[rest % len(values)]
        x, y, w = (part.reshape(capacity, batch, *part.shape[1:]) for part in flat)
        yield (x, y, w), -(-len(indices) // batch)


def _filled(values: Floats, length: int) -> Floats:
    if len(values) == length:
        return np.ascontiguousarray(values, np.float32)
    filled = np.zeros((length, *values.shape[1:]), np.float32)
    filled[: len(values)] = values
    return filled
