"""Rows of a stream for a proof: stretches of samples with gaps between them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.input.samples import Ranges
from edgewright.core.integer.network import to_integers
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.predictor import Predictor
from edgewright.core.records.data import Floats
from edgewright.core.records.device import DecisionSpec
from edgewright.core.records.network import Graph
from edgewright.core.records.package import Manifest
from edgewright.device.agent.feed import SampleBatch, WindowCutter
from edgewright.device.agent.packages import Answered, Answerer, VerifiedPackage
from edgewright.device.agent.stream_decisions import DecisionStream
from edgewright.device.timeline import Ready
from edgewright.graph.extract import preprocessing
from edgewright.proof import tolerance
from edgewright.proof.stage import distance
from edgewright.proof.tolerance import PREDICTION, PROBABILITIES, Samples
from edgewright.workflows.proof.forms import Subject
from edgewright.workflows.proof.forms.integers import network_stages
from edgewright.workflows.proof.stages import boundary_value
from edgewright.workflows.proof.subject import Chosen

# Labels whose alarms are tried.
_ALARMS = 3
# Part of a quantisation step by which both forms' floats may differ at most: far less than a fault moves, and more than
# the last digits of a logarithm.
_NEAR = 0.01


class CompiledPredictor(Predictor):
    """A predictor whose answers the compiled model gives."""

    def __init__(self, own: Predictor, model: Any) -> None:  # noqa: ANN401 - `c99_host.host.CModel`
        super().__init__(own.package, form=own.form, engine=own.engine.name, self_test=False)
        self._run = lambda samples: _outputs(model.predict(samples))


def _outputs(answer: Any) -> dict[str, NDArray[Any]]:  # noqa: ANN401 - `c99_host.host.CAnswer`
    """Return outputs as an engine names them."""
    outputs: dict[str, NDArray[Any]] = dict(answer.outputs)
    if "probabilities" in outputs:
        shown = outputs["probabilities"] = outputs["probabilities"].reshape(len(answer.flags), -1)
        chance = shown if shown.shape[1] > 1 else np.concatenate([1 - shown, shown], axis=1)
        outputs.setdefault("label", chance.argmax(axis=1))
        outputs.setdefault("confidence", chance.max(axis=1))
    return outputs


def cut_rows(rows: StreamRows, manifest: Manifest) -> list[SampleBatch]:
    """Return samples of the rows, one a cut, as the agent cuts them where rows come as the firmware has them."""
    window, cuts = manifest.window, []
    cutter = WindowCutter(window, rows.values.shape[1])
    times, well = rows.times, np.ones(1, np.bool_)
    for begin, end in stretches(rows):
        each = window.step if window is not None else 1
        for at in range(begin, end, each):
            part = slice(at, min(at + each, end))
            values, healthy = rows.values[part], np.repeat(well, part.stop - part.start)
            cut = cutter.push(Ready(values=values, time=times[part], gap_before=at == begin, healthy=healthy))
            if cut is not None:
                cuts.append(cut)
    return cuts


def decided(rows: StreamRows, manifest: Manifest, predictor: Predictor) -> list[tuple[int, str, bool]]:
    """Return the number of the row, label, and whether it is an alarm, of each decision."""
    cuts = cut_rows(rows, manifest)
    judge = judge_of(predictor, rows.rate, manifest.decision)
    if not cuts:
        return []
    answers, decisions = predictor.predict(np.concatenate([cut.samples for cut in cuts])), []
    for index, cut in enumerate(cuts):
        row = int(rows.numbers[int(np.searchsorted(rows.times, cut.times[0]))])
        decisions += [
            (row, decision.decided, decision.alarm)
            for decision in judge.take(Answered(cut, answers.part(slice(index, index + 1))))[0]
            if decision.decided
        ]
    return decisions


def alarm_rows(chosen: Chosen, manifest: Manifest, rate: float, predictor: Predictor) -> StreamRows | None:
    """Return alarms of one label just before its refractory time is over, just when it is, and just after.

    Args:
        chosen: samples.
        manifest: whose decision is tried.
        rate: rows a second.
        predictor: by whose answers it decides.

    Returns:
        Rows, or None where no label raises two alarms.
    """
    spec = manifest.decision
    samples = chosen.samples if chosen.samples.ndim == 3 else chosen.samples[:, :, None]
    length, step = samples.shape[2], manifest.window.step if manifest.window else 1
    times = math.ceil((spec.smoothing + spec.debounce + 1) * step / length) + 1
    answers = predictor.predict(chosen.samples)
    quiet = math.ceil(max(0.0, spec.refractory) * rate)
    best: StreamRows | None = None
    for label in [label for label in spec.alarms if label in answers.labels][:_ALARMS]:
        others = np.flatnonzero(answers.labels != label)
        if not len(others):
            continue
        mine = np.flatnonzero(answers.labels == label)
        sure, other = (int(part[np.argmax(answers.confidence[part])]) for part in (mine, others))
        first = joined(samples, [other] * times + [sure] * times, chosen.origins, rate)
        far = int(quiet + 10 * length)
        twice = behind(first, far).followed_by(behind(first, 1))
        rows = [row for row, name, _ in decided(twice, manifest, predictor) if name == label]
        if len(rows) != 2:
            continue
        distance = rows[1] - rows[0]
        for target in (quiet - 1, quiet, quiet + 1) if quiet > distance + 1 else (distance,):
            part = behind(first, far).followed_by(behind(first, 1 + target - distance))
            best = part if best is None else best.followed_by(part)
    return best


def judge_of(predictor: Predictor, rate: float, spec: DecisionSpec) -> DecisionStream:
    """Return what follows the answers of a stream in the agent."""
    proven = VerifiedPackage(name=predictor.manifest.name, predictor=predictor)
    return DecisionStream(Answerer(proven, ("*",), rate, spec), math.inf, ruled=False)


# Since 1970, as devices count; parts of a day matter to some detectors.
_BEGIN = 1.7e9
_STRETCHES = 8
# Of the last stretch, again: this share of cells is missing, and of so many rows each kind of one without any value.
_MISSING, _EMPTY = 0.01, 150
# Columns whose declared limits are met.
_LIMITED = 4
# Rows that are missing before a stretch, in turn: some follow without a gap.
_LOST = (50, 0, 7, 100_000)


@dataclass(frozen=True)
class StreamRows:
    """Rows in the order in which they are pushed.

    Attributes:
        values: shape (n, channels), float32.
        lost: rows that are missing before each, shape (n,).
        origins: of each, in words.
        rate: rows a second.
    """

    values: Floats
    lost: NDArray[np.int64]
    origins: tuple[str, ...]
    rate: float

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Number of each row, lost ones counted."""
        return np.asarray(np.arange(len(self.values)) + np.cumsum(self.lost), np.int64)

    @property
    def times(self) -> NDArray[np.float64]:
        """Seconds since 1970 of each row."""
        return np.asarray(_BEGIN + self.numbers / self.rate, np.float64)

    def followed_by(self, other: StreamRows) -> StreamRows:
        """Return these rows, then the others."""
        return StreamRows(
            np.concatenate([self.values, other.values]),
            np.concatenate([self.lost, other.lost]),
            self.origins + other.origins,
            self.rate,
        )


def natural_rows(
    chosen: Chosen, rate: float, maximum: int, minimum: int = 1, holes: bool = False, ranges: Ranges = ()
) -> StreamRows:
    """Return stretches of the samples in their order, with gaps between most of them; few samples come again and again.

    Args:
        chosen: samples, shape (n, channels, samples) or (n, columns).
        rate: rows a second.
        maximum: rows at most, about.
        minimum: rows of a stretch, so that what follows them is decided.
        holes: whether the last stretch comes again with missing values.
        ranges: declared of the columns; the last stretch comes again with a value at each limit, and just beyond.
    """
    samples = chosen.samples if chosen.samples.ndim == 3 else chosen.samples[:, :, None]
    count, length = len(samples), samples.shape[2]
    each = max(-(-minimum // length), min(count, maximum // length) // _STRETCHES, 1)
    begins = np.unique(np.linspace(0, max(0, count - each), _STRETCHES).astype(np.int64)).tolist()
    begins = begins if len(begins) > 1 else [0, 0]
    parts = [joined(samples, [number % count for number in range(b, b + each)], chosen.origins, rate) for b in begins]
    parts += [*_at_limits(parts[-1], ranges), *([_holed(parts[-1])] if holes else [])]
    rows = parts[0]
    for index, part in enumerate(parts[1:]):
        rows = rows.followed_by(behind(part, _LOST[index % len(_LOST)]))
    return rows


def _at_limits(rows: StreamRows, ranges: Ranges) -> Iterator[StreamRows]:
    """Yield the rows within the declared ranges but for one value, which is a limit or the float beyond it."""
    low, high = (
        np.array([default if ends[i] is None else ends[i] for _, *ends in ranges], np.float32)
        for i, default in ((0, -np.inf), (1, np.inf))
    )
    for column, (name, *_) in enumerate(ranges[:_LIMITED]):
        for limit, away in ((low[column], -np.inf), (high[column], np.inf)):
            beyond = np.nextafter(limit, np.float32(away))
            for word, value in (("at", limit), ("just beyond", beyond)) if np.isfinite(limit) else ():
                values = np.clip(rows.values, low, high)
                values[len(values) // 2, column] = value
                origins = tuple(f"{origin}, with {name} {word} its limit" for origin in rows.origins)
                yield StreamRows(values, rows.lost, origins, rows.rate)


def _holed(rows: StreamRows) -> StreamRows:
    """Return the same rows with cells, rows and numbers missing."""
    values = rows.values.copy()
    values[np.random.default_rng(0).random(values.shape) < _MISSING] = np.nan
    for begin, wrong in enumerate((np.nan, np.inf, -np.inf)):
        values[(begin + 1) * _EMPTY // 3 :: _EMPTY] = wrong
    return StreamRows(values, rows.lost, tuple(f"{origin}, cells missing" for origin in rows.origins), rows.rate)


def inserted(rows: StreamRows, index: int, row: Floats, origin: str) -> StreamRows:
    """Return the same rows with another one before the row of this place."""
    lost = np.insert(rows.lost, index, rows.lost[index])
    lost[index + 1] = 0
    origins = (*rows.origins[:index], origin, *rows.origins[index:])
    return StreamRows(np.insert(rows.values, index, row, axis=0), lost, origins, rows.rate)


def stretches(rows: StreamRows) -> list[tuple[int, int]]:
    """Begin and end of each run of rows without a gap."""
    begins = [0, *(int(at) for at in np.flatnonzero(rows.lost) if at)]
    return list(zip(begins, [*begins[1:], len(rows.values)], strict=True))


def joined(samples: Floats, places: Sequence[int], origins: Sequence[str], rate: float) -> StreamRows:
    """Sample one after the other as rows; samples of shape (n, channels, length)."""
    length = samples.shape[2]
    values = np.concatenate([samples[index].T for index in places])
    lines = [origins[index] if length == 1 else f"{origins[index]}, row {i}" for index in places for i in range(length)]
    return StreamRows(np.ascontiguousarray(values, np.float32), np.zeros(len(values), np.int64), tuple(lines), rate)


def behind(rows: StreamRows, lost: int) -> StreamRows:
    """Return the same rows, with so many missing before the first."""
    gaps = rows.lost.copy()
    gaps[0] = lost
    return StreamRows(rows.values, gaps, rows.origins, rows.rate)


def answers_of_bytes(
    subject: Subject, stages: Mapping[str, NDArray[Any]], samples: Samples, answers: Floats
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the answers; where the forms' inputs round to two sides of a step, those of the other form's bytes.

    Args:
        subject: of the proof, with its integer network.
        stages: what the other form has at each stage that it shows, shape (n, ...).
        samples: shape (n, ...).
        answers: of the reference, shape (n, k).

    Returns:
        The answers, and which of them come from the other form's bytes; none where it does not show its inputs.
    """
    moved = np.zeros(len(samples), np.bool_)
    graph, network = subject.graphs["int8"], subject.network
    stage = next((name for name, value in preprocessing(graph).items() if value == graph.boundary), "")
    if network is None or stage not in stages:
        return answers, moved
    grid, own = network.values[network.input], boundary_value(graph, samples)
    theirs = np.asarray(stages[stage], np.float32).reshape(own.shape)
    ours, others = to_integers(grid, own), to_integers(grid, theirs)
    gaps = distance(own, theirs)
    near = gaps <= _NEAR * grid.scale
    if not near.all():
        near |= gaps <= _lost_digits(graph, samples).reshape(own.shape)
    moved = (ours != others).reshape(len(samples), -1).any(1) & near.reshape(len(samples), -1).all(1)
    if not moved.any():
        return answers, moved
    outputs = network_stages(graph, network, others[moved], samples[moved])
    result = answers.copy()
    result[moved] = outputs[PROBABILITIES if PROBABILITIES in outputs else PREDICTION].reshape(-1, answers.shape[1])
    return result, moved


def _lost_digits(graph: Graph, samples: Samples) -> NDArray[np.float64]:
    """Return by how much the last digits of readings and of results before the boundary move it, shape (n, ...)."""
    run, name = compile_graph(graph, (graph.boundary,)), graph.boundary
    moved = [run(rows) for rows in tolerance.perturbed_readings(samples)]
    moved += tolerance.rounded(graph, (name,), samples)
    return tolerance.last_digits(run(samples), moved)[name]
