"""Fitting a detector: what it learns, and from where on a score is odd."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.graph.tables import convert_table
from edgewright.pipeline.detect_events import Counts, bootstrap, count, episodes, exposure, interval, pieces
from edgewright.pipeline.detect_rows import Stretch, Watched, named, together
from edgewright.runtime import catalogue
from edgewright.runtime.detectors import DetectorConfig, kind
from edgewright.runtime.watching import state_bytes
from edgewright.schema.detector import Choice, DetectorSpec, Threshold
from edgewright.schema.errors import InputError

DETECTORS = "edgewright.runtime.detectors"
# Fits that need more than the base install: (module of this room, function), found by the detector's name.
_TRAINED = "edgewright.pipeline.autoencoding:fit_autoencoder"
# Parts in time that are scored by a fit on the others, for the threshold and for the comparison.
BLOCKS = 3
# Alarms that are accepted where nobody says: one a day, or one in a thousand rows without a rate.
FALSE_ALARMS = 1.0
# Rows of a piece, between events, that is drawn again for an interval.
PIECE = 300
# Rows that may be odd without labels, however few alarms they make: an alarm that lasts for days is no answer.
MOST_ODD = 0.01
_CANDIDATES = 200
_LEAST = 64
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Asked:
    """How the threshold is found.

    Attributes:
        false_alarms: alarms a day (in 1,000 rows without a rate) accepted on rows taken as normal.
        quantile: of the training scores, instead; None where false alarms or labels say.
        margin: factor on the quantile.
        threshold: given by a person; None where it is found.
        refractory: rows after an alarm without another.
    """

    false_alarms: float = FALSE_ALARMS
    quantile: float | None = None
    margin: float = 1.0
    threshold: float | None = None
    refractory: int = 0


def configured(name: str, table: dict[str, object]) -> DetectorConfig:
    """The settings of a detector.

    Raises:
        UnknownNameError: no such detector or setting.
        InputError: a value of another type.
    """
    return convert_table(table, kind(name).config, f"detector {name}")


def learn(name: str, config: DetectorConfig, stretches: tuple[Stretch, ...]) -> dict[str, Any]:
    """What a detector learns from stretches; rows labelled odd are missing values to it.

    Raises:
        InputError: too few rows.
    """
    values, time = together(stretches)
    return _fitter(name)(config, values, time)


def _fitter(name: str) -> Callable[[Any, Any, Any], dict[str, Any]]:
    """The detector's own fit, or the one of this room that is called after it."""
    module, function = _TRAINED.split(":")
    if function == f"fit_{name}":
        trained: Callable[[Any, Any, Any], dict[str, Any]] = getattr(importlib.import_module(module), function)
        return trained
    return kind(name).fit


def scored(name: str, learnt: dict[str, Any], stretch: Stretch) -> Array:
    """Scores of a stretch from a fresh start, -inf while the detector is learning."""
    scores = kind(name).start(learnt).update(stretch.values, stretch.time)
    return np.where(np.isfinite(scores), scores, -math.inf)


def blocks(stretches: tuple[Stretch, ...], parts: int = BLOCKS) -> list[tuple[Stretch, ...]]:
    """Stretches in parts of about equal length, in order of time: whole recordings where there are enough."""
    filled = [s for s in stretches if len(s.values)]
    if len(filled) >= parts:
        ends = np.cumsum([len(s.values) for s in filled])
        side = np.minimum((ends - 1) * parts // ends[-1], parts - 1)
        made = [tuple(s for s, k in zip(filled, side, strict=True) if k == part) for part in range(parts)]
        if all(made):
            return made
    cut: list[list[Stretch]] = [[] for _ in range(parts)]
    for s in filled:
        edges = _edges(s, parts)
        for part in range(parts):
            if edges[part + 1] > edges[part]:
                cut[part].append(s.part(edges[part], edges[part + 1]))
    return [tuple(part) for part in cut]


def counted(odd: NDArray[np.bool_], events: NDArray[np.bool_] | None, refractory: int) -> list[Counts]:
    """Counts of pieces of a stretch; a refractory time would begin anew in every piece, so that it is then one."""
    labels = np.zeros(len(odd), np.bool_) if events is None else events
    return [count(odd, labels, refractory)] if refractory else pieces(odd, labels, PIECE)


def _edges(stretch: Stretch, parts: int) -> list[int]:
    """First rows of equal parts, moved on to the end of an event that they would cut; and the end."""
    rows = len(stretch.values)
    edges = [rows * k // parts for k in range(parts + 1)]
    if stretch.odd is not None:
        for place in range(1, parts):
            edge = max(edges[place], edges[place - 1])
            while 0 < edge < rows and stretch.odd[edge - 1] and stretch.odd[edge]:
                edge += 1
            edges[place] = edge
    return edges


def held_out(name: str, config: DetectorConfig, stretches: tuple[Stretch, ...]) -> list[tuple[Stretch, Array]]:
    """Every part scored by a fit on the others; all by one fit on all where a part would be too short."""
    parts = blocks(stretches)
    short = min((sum(len(s.values) for s in part) for part in parts), default=0) < _LEAST
    pairs = []
    for index, part in enumerate(parts):
        others = stretches if short else tuple(s for k, other in enumerate(parts) if k != index for s in other)
        learnt = learn(name, config, others)
        pairs += [(s, scored(name, learnt, s)) for s in part]
    return pairs


def threshold(pairs: Sequence[tuple[Stretch, Array]], asked: Asked, per_second: float | None) -> Threshold:
    """From where on a score is odd.

    With labels: the threshold of the largest event F1. Without: the lowest that raises no more alarms than accepted
    and calls no more than one row in 100 odd.

    Args:
        pairs: stretches with their scores.
        asked: how.
        per_second: judgements a second; None where nobody knows.

    Raises:
        InputError: no scores at all, or a quantile that is none.
    """
    scores = np.concatenate([s[np.isfinite(s)] for _, s in pairs]) if pairs else np.zeros(0)
    if not len(scores):
        raise InputError("rows that the detector gives a score for", "none", do="Give more rows, or a shorter warm-up")
    labels = any(s.odd is not None and bool(s.odd.any()) for s, _ in pairs)
    if asked.threshold is not None:
        value, by, quantile = asked.threshold, "given", 0.0
    elif asked.quantile is not None:
        if not 0 < asked.quantile <= 1 or asked.margin <= 0:
            raise InputError("a quantile above 0 up to 1 and a margin above 0", f"{asked.quantile:g}, {asked.margin:g}")
        calm = np.concatenate([s[np.isfinite(s) & ~_events(p)] for p, s in pairs])
        value, by, quantile = float(np.quantile(calm, asked.quantile)) * asked.margin, "quantile", asked.quantile
    else:
        tried = _candidates(scores)
        by = "labels" if labels else "quantile"
        value = _by_labels(pairs, tried, asked.refractory) if labels else _by_alarms(pairs, tried, asked, per_second)
        # 0 is 'not odd' by the contract: a threshold is above it, however still the rows were.
        value = max(value, float(np.nextafter(0, 1)))
        quantile = float(np.mean(scores < value)) if not labels else 0.0
    total = Counts()
    for stretch, own in pairs:
        total += count(own >= value, _events(stretch), asked.refractory)
    days, per = exposure(total.calm, per_second)
    return Threshold(
        value=value, by=by, quantile=quantile, margin=asked.margin,  # type: ignore[arg-type]  # one of three words
        false_alarms=total.false / days if days else 0.0, per=per,  # type: ignore[arg-type]
    )  # fmt: skip


def _events(stretch: Stretch) -> NDArray[np.bool_]:
    return np.zeros(len(stretch.values), np.bool_) if stretch.odd is None else stretch.odd


def _candidates(scores: Array) -> Array:
    """Thresholds that are tried: quantiles, closer together towards the largest, and above it."""
    shares = 1 - np.geomspace(0.5, 1 / (2 * len(scores)), _CANDIDATES)
    top = float(scores.max())
    return np.unique(np.concatenate([np.quantile(scores, shares), top * np.array([1.0, 1.1, 1.25, 1.5, 2.0])]))


def _by_labels(pairs: Sequence[tuple[Stretch, Array]], tried: Array, refractory: int) -> float:
    """The middle of the thresholds with the largest F1 of events."""
    results = []
    for value in tried:
        total = Counts()
        for stretch, own in pairs:
            total += count(own >= value, _events(stretch), refractory)
        results.append(total.f1)
    best = np.flatnonzero(np.isclose(results, max(results)))
    return float(tried[best[len(best) // 2]])


def _by_alarms(pairs: Sequence[tuple[Stretch, Array]], tried: Array, asked: Asked, per_second: float | None) -> float:
    """The lowest threshold with no more alarms than accepted, and no more odd rows than `MOST_ODD`, from there on."""
    rows = sum(len(s) for _, s in pairs)
    accepted = asked.false_alarms * exposure(rows, per_second)[0]
    value = float(tried[-1])
    for lower in tried[::-1]:
        odd = sum(int((own >= lower).sum()) for _, own in pairs)
        if odd > MOST_ODD * rows or sum(len(episodes(own >= lower, asked.refractory)) for _, own in pairs) > accepted:
            break
        value = float(lower)
    return value


@dataclass(frozen=True)
class Fitted:
    """A detector that was fitted: its file's contents, and what it takes in bytes.

    Attributes:
        counts: events and alarms on the rows that gave the threshold, by pieces of the rows.
    """

    spec: DetectorSpec
    learnt: dict[str, Any]
    learnt_bytes: int
    state_bytes: int
    counts: tuple[Counts, ...]

    def f1(self) -> tuple[float, float, float]:
        """F1 of events on the rows that gave the threshold, which flatters, with its interval."""
        total = sum(self.counts, Counts())
        return total.f1, *interval(bootstrap(self.counts))


def fit_detector(
    watched: Watched,
    name: str,
    *,
    config: dict[str, object] | None = None,
    asked: Asked | None = None,
    time: str = "",
    choice: Choice | None = None,
) -> Fitted:
    """Fits one detector and finds its threshold.

    Rows labelled odd are never fitted on, so that their scores count as they are. Without labels the threshold rests on
    scores of rows that other rows have fitted: those of the training rows themselves are lower than new ones will be.

    Args:
        watched: rows.
        name: of the detector.
        config: its settings.
        asked: how the threshold is found.
        time: column with the time, remembered for `run`.
        choice: how it was chosen.

    Raises:
        UnknownNameError: no such detector or setting.
        InputError: too few rows, or settings that are not possible.
    """
    how = asked or Asked()
    settings = configured(name, config or {})
    _fits(name, watched)
    learnt = learn(name, settings, watched.stretches)
    if how.quantile is not None or watched.labelled:
        pairs = [(s, scored(name, learnt, s)) for s in watched.stretches]
    else:
        pairs = held_out(name, settings, watched.stretches)
    limit = threshold(pairs, how, watched.per_second)
    spec = DetectorSpec(
        kind=name,
        config={field: getattr(settings, field) for field in settings.__struct_fields__},
        columns=named(watched.columns),
        window=watched.window,
        rate=watched.rate,
        time=time,
        threshold=limit,
        refractory=how.refractory,
        rows=sum(len(s.values) for s in watched.stretches),
        choice=choice,
    )
    counts = tuple(c for s, own in pairs for c in counted(own >= limit.value, s.odd, how.refractory))
    running = kind(name).start(learnt)
    running.update(watched.stretches[0].values[:256], watched.stretches[0].time[:256])
    return Fitted(spec, learnt, state_bytes(learnt), state_bytes(running.state()), counts)


def _fits(name: str, watched: Watched) -> None:
    """Refuses a detector of samples on windows.

    Raises:
        InputError: naming those that take windows.
    """
    if watched.window is not None and not kind(name).windows:
        takes = ", ".join(windowed())
        raise InputError(f"a detector that takes windows ({takes})", repr(name), "--detector", "Or watch rows")


def windowed() -> tuple[str, ...]:
    """Detectors that take features of windows."""
    return tuple(name for name in catalogue.listing(DETECTORS, "DETECTOR") if kind(name).windows)
