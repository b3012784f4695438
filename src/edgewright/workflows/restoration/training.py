"""Training of denoisers and upscalers: clean recordings, their split, and the float and int8 training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from edgewright.compression.int8 import quantise, ranges_and_grids
from edgewright.core.errors import RateDiffersError, RestorationError
from edgewright.core.integer.network import marked
from edgewright.core.prediction.executor import equal_runs
from edgewright.core.records.data import DataSet, Floats, Recording
from edgewright.core.records.network import Graph
from edgewright.core.records.trace import EpochRecord
from edgewright.data.synthetic import is_synthetic
from edgewright.graph.onnx_writer import to_onnx
from edgewright.graph.restoration import DenoiserFile, UpscalerFile
from edgewright.graph.stage import Parameters
from edgewright.models.architecture import Grid
from edgewright.training.loop import Result, Sampled, Settings, train

# Shares of the groups or recordings that are held out and that validate.
_HELD_OUT, _VALIDATED = 0.25, 0.15
# Share of the samples at the end of the range from which a recording is called clipped.
_CLIPPED = 1e-3
# The second training, with values rounded as in int8, has a fifth of the epochs.
_ADAPT_SHARE = 5
OnEpoch = Callable[[EpochRecord], bool | None]


@dataclass(frozen=True, kw_only=True)
class Request:
    """Settings of both trainings.

    Attributes:
        windows: number of training windows, drawn once.
        epochs: passes over them.
        hold_out: names of groups or recordings; a quarter of them, drawn, when empty.
        seed: random seed.
        name: name of the network.
    """

    windows: int
    epochs: int = 20
    hold_out: tuple[str, ...] = ()
    seed: int = 0
    name: str = "restorer"


F = TypeVar("F", DenoiserFile, UpscalerFile)


@dataclass(frozen=True)
class Trained(Generic[F]):
    """Result of a training: the file, the record of the epochs, and notes for the user."""

    file: F
    result: Result
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Clean:
    """A clean signal (channels, samples) or picture (channels, rows, columns), and its group or recording."""

    name: str
    unit: str
    values: Floats


@dataclass(frozen=True)
class Sides:
    """Clean recordings by side; `held_by` is 'group' or 'recording'."""

    train: tuple[Clean, ...]
    validation: tuple[Clean, ...]
    held_out: tuple[Clean, ...]
    held_by: str


def clean_recordings(data: DataSet) -> tuple[tuple[Clean, ...], str, list[str]]:
    """Cut recordings where the person or machine changes.

    Returns:
        The recordings, what a split keeps together ('group' or 'recording'), and notes.

    Raises:
        InputError: no rate, missing values, or silence alone.
    """
    if not data.rate:
        raise RateDiffersError("recordings with a rate", "rows without a time", data.name, "Set the column with --time")
    cleans: list[Clean] = []
    silent = short = clipped = 0
    grouped = all(recording.groups is not None for recording in data.recordings)
    for recording in data.recordings:
        for begin, end, unit in _stretches(recording, grouped):
            values = np.ascontiguousarray(recording.values[begin:end].T)
            if recording.sessions is not None and is_synthetic(recording.sessions[begin:end]).any():
                short += 1
                continue
            if not np.isfinite(values).all():
                index = int(np.argwhere(~np.isfinite(values.T))[0][0]) + begin
                raise RestorationError("clean signals without gaps", "a missing value", f"{recording.name} row {index}",
                                 "Cut the gap out, or fill it first")  # fmt: skip
            # The deviation of equal numbers may be a rounding above zero.
            if not values.size or not np.ptp(values, axis=1).any():
                silent += 1
                continue
            clipped += _is_clipped(values, data)
            cleans.append(Clean(recording.name if begin == 0 else f"{recording.name} from row {begin}", unit, values))
    if not cleans:
        got = "nothing but silence" if silent else "none that was measured"
        raise RestorationError("clean signals", got, data.name)
    reported = (
        (silent, "silent: left out"),
        (short, "synthetic: left out"),
        (clipped, "clipped: what is cut off there is learned as clean"),
    )
    notes = [f"{n} recordings are {reason}" for n, reason in reported if n]
    return tuple(cleans), "group" if grouped else "recording", notes


def _stretches(recording: Recording, grouped: bool) -> list[tuple[int, int, str]]:
    if not grouped or recording.groups is None:
        return [(0, len(recording.values), recording.name)]
    names = np.asarray(recording.groups)
    return [(a, b, str(names[a])) for a, b in equal_runs(names)]


def _is_clipped(values: Floats, data: DataSet) -> bool:
    """Return whether a channel stays at an end of its declared range for more than a thousandth of the samples."""
    for channel, column in zip(values, data.columns, strict=True):
        if column.minimum is not None and column.maximum is not None:
            step = 1e-3 * (column.maximum - column.minimum)
            at_end = (channel >= column.maximum - step) | (channel <= column.minimum + step)
            if float(at_end.mean()) > _CLIPPED:
                return True
    return False


def sides_of(recordings: Sequence[Clean], held_by: str, request: Request) -> Sides:
    """Split recordings by group or recording.

    Raises:
        InputError: fewer than three groups or recordings, or names that are not there.
    """
    units = sorted({clean.unit for clean in recordings})
    word = "groups" if held_by == "group" else "recordings"
    if len(units) < 3:
        raise RestorationError(
            f"at least three {word}", str(len(units)), "the clean signals",
            "Training, validation and test each need one: add recordings, or set the person of each",
        )  # fmt: skip
    if absent := sorted(set(request.hold_out) - set(units)):
        raise RestorationError(f"{word} of the clean signals", ", ".join(absent), "--hold-out",
                         f"Known: {', '.join(units[:12])}")  # fmt: skip
    order = [units[i] for i in np.random.default_rng([request.seed, 1]).permutation(len(units)).tolist()]
    held_out = list(request.hold_out) or order[: max(1, round(_HELD_OUT * len(units)))]
    rest = [unit for unit in order if unit not in held_out]
    if len(rest) < 2:
        raise RestorationError(f"two {word} that are not held out", str(len(rest)), "--hold-out")
    validated = rest[: max(1, round(_VALIDATED * len(units)))][: len(rest) - 1]
    sides: tuple[list[Clean], ...] = ([], [], [])
    for clean in recordings:
        sides[2 if clean.unit in held_out else 1 if clean.unit in validated else 0].append(clean)
    return Sides(tuple(sides[0]), tuple(sides[1]), tuple(sides[2]), held_by)


def fit(
    layers: Any, start: Sequence[Parameters], samples: tuple[Sampled, Sampled], request: Request, loss: str,  # noqa: ANN401 - any stack
    batch: int, learning_rate: float, on_epoch: OnEpoch | None = None, epochs: int = 0,
) -> Result:  # fmt: skip
    """Train layers on samples for training and validation."""
    settings = Settings(loss=loss, epochs=epochs or request.epochs, batch=min(batch, request.windows),
                        learning_rate=learning_rate, schedule="one_cycle", seed=request.seed)  # fmt: skip
    return train(layers, start, samples[0], settings, validation=samples[1], on_epoch=on_epoch)


def adapt(
    result: Result, graph_of: Callable[[Result], Graph], layers_of: Callable[[tuple[Grid, ...]], Any], raw: Floats,
    samples: tuple[Sampled, Sampled], request: Request, loss: str, batch: int, learning_rate: float,
) -> tuple[Result, bytes, bytes]:  # fmt: skip
    """Find the ranges of all values, then train briefly with values and weights rounded as in int8.

    `raw` are windows as they arrive at the graph. Returns the second training, and the float and the int8 model as
    ONNX bytes.
    """
    ranges, grids = ranges_and_grids(graph_of(result), raw)
    epochs = max(2, request.epochs // _ADAPT_SHARE)
    adapted = fit(layers_of(grids), result.parameters, samples, request, loss, batch, learning_rate, None, epochs)
    graph = graph_of(adapted)
    integers = quantise(graph, raw, known=ranges, per_channel="always")
    return adapted, to_onnx(graph), to_onnx(marked(integers, "litert"))


def learnt_fields(data: DataSet, sides: Sides, request: Request, first: Result, adapted: Result) -> dict[str, Any]:
    """Return the fields of `graph.restoration_records.Learnt`."""
    trained, validated, held_out = (
        tuple(sorted({clean.unit for clean in side})) for side in (sides.train, sides.validation, sides.held_out)
    )
    kept = adapted.history[adapted.best_epoch - 1]
    return {
        "origin": data.origin or data.name, "held_by": sides.held_by, "trained": trained, "validated": validated,
        "held_out": held_out, "rows": sum(clean.values[0].size for clean in sides.train),
        "epochs": len(first.history) + len(adapted.history), "loss": kept.loss,
        "validation_loss": kept.loss if kept.validation_loss is None else kept.validation_loss, "seed": request.seed,
    }  # fmt: skip


def count_parameters(result: Result) -> int:
    """Return the number of parameters."""
    return sum(int(np.size(part)) for own in result.parameters for part in own.values())
