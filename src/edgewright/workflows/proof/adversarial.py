"""Rows made by construction, where data seldom stand: limits, saturation, ties, zeros and single channels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core.arithmetic import half_away
from edgewright.core.input.recordings import ANSWERED_BYTES, parts
from edgewright.core.prediction.executor import Run, compile_graph
from edgewright.core.records.data import Floats
from edgewright.core.records.network import Graph, IntegerValue
from edgewright.graph.builder import Mask, without_mask
from edgewright.graph.extract import preprocessing
from edgewright.proof.stage import flags_of
from edgewright.proof.tolerance import EXTREME, PROBABILITIES, UNSURE
from edgewright.workflows.proof.forms import Subject
from edgewright.workflows.proof.stages import boundary_value, comparisons
from edgewright.workflows.proof.subject import Chosen

# Rows at most.
MAX_ROWS = 256
# How far beyond the data a saturated channel goes, in widths of what the data hold there.
_BEYOND = 4.0
# How many times as wide a window moves.
_WIDER = 10.0
_CORNERS = 16
# Ties: values of the boundary, crossings of a step for each, points of a line that are looked at, halvings of a part.
_VALUES, _CROSSINGS, _POINTS, _HALVINGS = 24, 2, 17, 48
# Comparisons of a model that are tried, rows that are mixed to come to every node of its trees and to unsure answers,
# and pairs of an unsure and a sure one between which the threshold of the confidence is looked for.
_SPLITS, _MIXED, _PAIRS = 64, 2000, 8
Row = tuple[str, Floats]


def with_constructed(subject: Subject, chosen: Chosen) -> Chosen:
    """Return the samples with rows by construction spread among them, so that the first ones hold some of every kind.

    Args:
        subject: whose ranges, shape and scales say where such rows stand.
        chosen: samples, shape (n, ...).
    """
    constructed = [row for rows in zip_longest(*_kinds(subject, chosen.samples)) for row in rows if row is not None][
        :MAX_ROWS
    ]
    if not constructed:
        return chosen
    ours, theirs = len(chosen.samples), len(constructed)
    places = np.concatenate([(np.arange(ours) + 0.5) / ours, (np.arange(theirs) + 0.75) / theirs])
    order = np.argsort(places, kind="stable")
    samples = np.concatenate([chosen.samples, np.stack([row for _, row in constructed])]).astype(np.float32)
    origins = (*chosen.origins, *(name for name, _ in constructed))
    return replace(
        chosen,
        samples=np.ascontiguousarray(samples[order]),
        origins=tuple(origins[i] for i in order),
        constructed=order >= ours,
    )


def _kinds(subject: Subject, samples: Floats) -> list[list[Row]]:
    whole = samples[np.isfinite(samples.reshape(len(samples), -1)).all(axis=1)]
    if not len(whole):
        whole = np.nan_to_num(samples[:1], posinf=0.0, neginf=0.0)
    channels, mask = _Channels(whole), without_mask(subject.reference)[1]
    return [
        list(_limits(subject, channels.base)),
        list(channels.saturated()),
        list(channels.alone()),
        list(channels.constant()),
        list(channels.corners()),
        # A model from elsewhere says nothing of what is missing.
        [] if mask is None else [*channels.missing(), *channels.nearly_missing(mask)],
        # Where something fills what is missing, and takes the largest number for a reading.
        [] if mask is None or mask.needed == mask.readings else list(channels.largest()),
        list(_ties(subject, whole)),
        list(_splits(subject, whole)),
        list(_paths(subject, whole)),
        list(_unsure(subject, whole)),
    ]


class _Channels:
    """What the data hold, channel by channel; the first axis of a sample.

    Args:
        samples: finite, shape (n, channels, ...).
    """

    def __init__(self, samples: Floats) -> None:
        self.base = samples[len(samples) // 2]
        flat = np.moveaxis(samples, 1, 0).reshape(samples.shape[1], -1).astype(np.float64)
        self.low, self.high = flat.min(axis=1), flat.max(axis=1)
        self.width = np.where(self.high > self.low, self.high - self.low, np.maximum(np.abs(self.high), 1.0))
        self.top: Floats = (self.high + _BEYOND * self.width).astype(np.float32)
        self.bottom: Floats = (self.low - _BEYOND * self.width).astype(np.float32)

    def saturated(self) -> Iterator[Row]:
        """One channel far beyond the data, and all of them; of windows also moving as they do, and far wider."""
        if self.base.ndim > 1:
            middle = self.base.mean(axis=tuple(range(1, self.base.ndim)), keepdims=True)
            yield "every channel with far too large changes", middle + np.float32(_WIDER) * (self.base - middle)
        for name, values in (("high", self.top), ("low", self.bottom)):
            yield f"every channel far too {name}", self._filled(values)
            for channel, value in enumerate(values):
                row = self.base.copy()
                row[channel] = value
                yield f"channel {channel} far too {name}", row

    def alone(self) -> Iterator[Row]:
        """Nothing but one channel, the last one first; of windows also one sample of it."""
        for channel in reversed(range(len(self.base))):
            row = np.zeros_like(self.base)
            row[channel] = self.high[channel] or self.width[channel]
            yield f"channel {channel} alone", row
            if row.ndim > 1 and channel in (0, len(row) - 1):
                for index, word in ((-1, "last"), (0, "first")):
                    sample = np.zeros_like(row)
                    sample[channel].reshape(-1)[index] = row[channel].reshape(-1)[0]
                    yield f"channel {channel} alone, its {word} sample", sample

    def constant(self) -> Iterator[Row]:
        """Zero, its negative, and channels that do not move."""
        yield "all zero", np.zeros_like(self.base)
        yield "all negative zero", np.full_like(self.base, -0.0)
        for name, values in (("smallest", self.low), ("largest", self.high), ("middle", (self.low + self.high) / 2)):
            yield f"every channel constant at its {name} value", self._filled(values)

    def missing(self) -> Iterator[Row]:
        """Yield values that are no number: one, all of a channel, all of a reading, and all."""
        for name, value in (("missing", np.nan), ("infinite", np.inf), ("negative infinite", -np.inf)):
            flat = self.base.reshape(len(self.base), -1)
            for channel in sorted({0, len(flat) - 1}):
                row = flat.copy()
                row[channel, -1] = value
                yield f"the last value of channel {channel} {name}", row.reshape(self.base.shape)
                whole = flat.copy()
                whole[channel] = value
                yield f"channel {channel} {name}", whole.reshape(self.base.shape)
            reading = flat.copy()
            reading[:, flat.shape[1] // 2] = value
            yield f"a reading of every channel {name}", reading.reshape(self.base.shape)
            yield f"every value {name}", np.full_like(self.base, value)

    def largest(self) -> Iterator[Row]:
        """Yield the largest number and its negative, which are not missing: the first one behind them is."""
        for channel in sorted({0, len(self.base) - 1}):
            for word, value in (("largest", EXTREME), ("most negative", -EXTREME)):
                row = self.base.reshape(len(self.base), -1).copy()
                row[channel, -1] = value
                yield f"the last value of channel {channel} the {word} number", row.reshape(self.base.shape)

    def nearly_missing(self, mask: Mask) -> Iterator[Row]:
        """Yield the fewest values of a channel that have an answer, and one fewer."""
        for word, count in (("as few values as have an answer", mask.needed), ("a value too few", mask.needed - 1)):
            for channel in sorted({0, mask.channels - 1}):
                row = self.base.reshape(mask.channels, mask.readings).copy()
                row[channel, max(0, count) :] = np.nan
                if 0 <= count < mask.readings:
                    yield f"channel {channel} with {word}", row.reshape(self.base.shape)

    def corners(self) -> Iterator[Row]:
        """Every channel at one of its ends or beyond, by chance; of windows also every reading."""
        generator = np.random.default_rng(0)
        ends = np.stack([self.low, self.high, self.bottom, self.top])
        for number in range(_CORNERS):
            picked = ends[generator.integers(0, len(ends), ends.shape[1]), np.arange(ends.shape[1])]
            yield f"ends of all channels by chance {number}", self._filled(picked)
            if self.base.ndim > 1:
                flat = self.base.reshape(len(self.base), -1)
                chosen = generator.integers(0, len(ends), flat.shape)
                readings = np.take_along_axis(ends.T, chosen, axis=1).astype(np.float32)
                yield f"ends of all readings by chance {number}", readings.reshape(self.base.shape)

    def _filled(self, values: NDArray[Any]) -> Floats:
        shape = (len(values), *(1,) * (self.base.ndim - 1))
        return np.broadcast_to(values.astype(np.float32).reshape(shape), self.base.shape).copy()


def _limits(subject: Subject, base: Floats) -> Iterator[Row]:
    """Every declared limit, and the float32 on either side of it, in the last sample of a channel."""
    for channel, (name, low, high) in enumerate(subject.ranges):
        for word, limit in (("smallest", low), ("largest", high)):
            if limit is None:
                continue
            at = np.float32(limit)
            for where, value in (
                ("at", at),
                ("a step below", np.nextafter(at, np.float32(-np.inf))),
                ("a step above", np.nextafter(at, np.float32(np.inf))),
            ):
                row = base.copy()
                row.reshape(len(row), -1)[channel, -1] = value
                yield f"{name} {where} its {word} value {limit:g}", row


def _ties(subject: Subject, samples: Floats) -> Iterator[Row]:
    """Yield rows on either side of a step of the int8 boundary, as near as float32 goes: a tie where it can be met."""
    if subject.network is None:
        return
    grid, graph = subject.network.values[subject.network.input], subject.graphs["int8"]
    for value, word, row in _either_side(lambda rows: _steps(graph, grid, rows), samples, _VALUES):
        yield f"value {value} of the boundary just {word} a step", row


def _splits(subject: Subject, samples: Floats) -> Iterator[Row]:
    """Yield rows on either side of a comparison of a tree or rule: often one has the very value of the split."""
    graph = subject.reference
    last = next(reversed(preprocessing(graph).values()), graph.inputs[0].name)
    compared = comparisons(graph, last)
    if not compared:
        return
    run = _answering(graph, compared)

    def answers(rows: Floats) -> NDArray[np.int64]:
        values = run(rows)
        return np.concatenate([values[name].reshape(len(rows), -1) for name in compared], axis=1).astype(np.int64)

    for split, word, row in _either_side(answers, samples, _SPLITS):
        yield f"comparison {split} just {word} another answer", row


def _paths(subject: Subject, samples: Floats) -> Iterator[Row]:
    """Yield rows that come to nodes of trees at which no sample comes."""
    graph = subject.reference
    last = next(reversed(preprocessing(graph).values()), graph.inputs[0].name)
    compared = set(comparisons(graph, last))
    nodes = [node.outputs[0] for node in graph.nodes if node.op == "Where" and node.inputs[0] in compared]
    if not nodes:
        return
    run = _answering(graph, nodes)

    def visited(rows: Floats) -> NDArray[np.int64]:
        values = run(rows)
        return np.concatenate([values[name].reshape(len(rows), -1) for name in nodes], axis=1).astype(np.int64)

    mixed = _mixed(samples)
    seen = {*np.unique(visited(samples)).tolist()}
    for row, places in zip(mixed, visited(mixed), strict=True):
        if not seen.issuperset(places.tolist()):
            seen.update(places.tolist())
            yield "channels of two samples mixed for another path", row


def _unsure(subject: Subject, samples: Floats) -> Iterator[Row]:
    """Yield rows whose confidence is just below and just above where answers become unsure, and the least sure one."""
    threshold = subject.confidence
    for graph in subject.graphs.values():
        if not threshold or all(value.name != PROBABILITIES for value in graph.outputs):
            continue
        run = _answering(graph, (PROBABILITIES,))

        def flags(rows: Floats, run: Run = run) -> NDArray[np.int64]:
            return flags_of(run(rows)[PROBABILITIES], threshold)[:, None]

        def labels(rows: Floats, run: Run = run) -> NDArray[np.int64]:
            chances = run(rows)[PROBABILITIES].reshape(len(rows), -1)
            return np.asarray(chances.argmax(axis=1)[:, None], np.int64)

        # Where the answer changes, two classes are equally likely.
        ties = [row[None] for _, _, row in _either_side(labels, samples, 1)]
        rows = np.concatenate([samples, _mixed(samples), *ties])
        probabilities = run(rows)[PROBABILITIES]
        chances = probabilities.reshape(len(rows), -1).max(axis=1)
        chances = np.where(chances > 0, chances, np.inf)
        yield "the least sure answer", rows[int(np.argmin(chances))]
        # Of integers no answer may lie close to the threshold: the nearest ones stand on either side of it.
        sure = np.where(chances >= np.float32(threshold), chances, np.inf)
        yield "the least sure answer that is sure enough", rows[int(np.argmin(sure))]
        below = np.where(chances < np.float32(threshold), chances, 0)
        yield "the surest answer that is unsure", rows[int(np.argmax(below))]
        unsure = flags_of(probabilities, threshold) == UNSURE
        count = min(_PAIRS, int(unsure.sum()), int((~unsure).sum()))
        pairs = np.concatenate([rows[unsure][:count], rows[~unsure][:count]])
        for _, word, row in _either_side(flags, pairs, 1):
            yield f"confidence just {word} its threshold", row


def _answering(graph: Graph, names: Sequence[str]) -> Run:
    """Return what computes values of a graph, 1 MiB of rows at a time: its layers take some hundred times as many."""
    run = compile_graph(graph, names)

    def answer(rows: Floats) -> dict[str, NDArray[Any]]:
        given = [run(rows[part]) for part in parts(rows.shape, size_bytes=ANSWERED_BYTES)]
        return {name: np.concatenate([each[name] for each in given]) for name in given[0]}

    return answer


def _mixed(samples: Floats) -> Floats:
    """Return rows of which each channel is that of one of two samples, of another size."""
    generator = np.random.default_rng(0)
    first, second = (samples[generator.integers(0, len(samples), _MIXED)] for _ in range(2))
    shape = (_MIXED, samples.shape[1], *(1,) * (samples.ndim - 2))
    sizes = generator.choice(np.array([1, 1, 0, -1, 0.3, 3], np.float32), shape)
    return np.asarray(np.where(generator.random(shape) < 0.5, first, second) * sizes, np.float32)


def _either_side(
    steps: Callable[[Floats], NDArray[np.int64]], samples: Floats, maximum: int
) -> Iterator[tuple[int, str, Floats]]:
    """Yield (value, word, row) for rows just before and just after some values change, as near as float32 goes.

    Args:
        steps: of rows, shape (n, values).
        samples: finite; rows lie between them.
        maximum: values that are tried.
    """
    crossings = list(_crossings(steps, samples, maximum)) if len(samples) > 1 else []
    if not crossings:
        return
    first = np.stack([samples[sample] for sample, _, _, _, _ in crossings]).astype(np.float64)
    way = np.stack([samples[other] for _, other, _, _, _ in crossings]).astype(np.float64) - first
    at = (np.arange(len(crossings)), np.array([value for _, _, value, _, _ in crossings]))
    low, high = np.array([sample[3] for sample in crossings]), np.array([sample[4] for sample in crossings])

    def rows(shares: NDArray[np.float64]) -> Floats:
        return (first + shares.reshape(-1, *(1,) * (first.ndim - 1)) * way).astype(np.float32)

    start = steps(rows(low))[at]
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        same = steps(rows(middle))[at] == start
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    for index, sides in enumerate(zip(rows(low), rows(high), strict=True)):
        for word, row in zip(("before", "after"), sides, strict=True):
            yield crossings[index][2], word, row


def _crossings(
    steps: Callable[[Floats], NDArray[np.int64]], samples: Floats, maximum: int
) -> Iterator[tuple[int, int, int, float, float]]:
    """Yield (sample, another, value, share of the way before it changes, share after)."""
    shares = np.linspace(0.0, 1.0, _POINTS)
    size = steps(samples[:1]).shape[1]
    values = np.unique(np.linspace(0, size - 1, min(size, maximum)).astype(int))
    left = dict.fromkeys(values.tolist(), _CROSSINGS)
    count = len(samples)
    for sample in range(0, count, max(1, count // 8)):
        other = (sample + max(1, (count // 2 + 1) % count)) % count
        if not left:
            break
        way = samples[other].astype(np.float64) - samples[sample]
        line = (samples[sample] + shares.reshape(-1, *(1,) * way.ndim) * way).astype(np.float32)
        along = steps(line)
        for value in list(left):
            places = np.flatnonzero(np.diff(along[:, value]))
            if len(places):
                index = int(places[len(places) // 2])
                yield sample, other, value, float(shares[index]), float(shares[index + 1])
                left[value] -= 1
                if not left[value]:
                    del left[value]


def _steps(graph: Graph, grid: IntegerValue, samples: Floats) -> NDArray[np.int64]:
    """Return bytes of the boundary, halves away from zero, shape (n, values)."""
    values = boundary_value(graph, samples).reshape(len(samples), -1)
    with np.errstate(all="ignore"):
        steps = half_away(values / np.float32(grid.scale))
    return np.asarray(np.clip(np.nan_to_num(steps) + grid.zero, -128, 127), np.int64)
