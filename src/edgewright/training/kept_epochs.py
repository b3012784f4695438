"""What trainings have done so far, in a folder: a run that was stopped goes on behind its last whole epoch.

Every epoch draws its numbers from the seed and its own number, so that what goes on ends bit for bit as what was never
stopped.
"""

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

from edgewright.core.archive import read_arrays, write_arrays
from edgewright.schema.trace import EpochRecord
from edgewright.training.backend import jax
from edgewright.training.contract import Tree

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
