"""Fitting a detector: what it learns, and from where on a score is odd."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core import catalogue
from edgewright.core.errors import DetectorError, LabelsMissingError
from edgewright.core.toml_tables import convert_table
from edgewright.monitor.detector_stream import DetectorFile, state_bytes
from edgewright.monitor.detectors import DetectorConfig, kind
from edgewright.monitor.records import Choice, DetectorSpec
from edgewright.workflows.detection.rows import Stretch, Watched, named, read_watched, together
from edgewright.workflows.detection.threshold import (
    Counts,
    ThresholdRequest,
    bootstrap,
    counted,
    events_of,
    exposure,
    f1,
    interval,
    rate,
    share,
    threshold,
)


def judge(
    detector: DetectorFile, data: str, *, target: str = "", normal: tuple[str, ...] = (), kind: str = ""
) -> dict[str, Any]:
    """Return events found, their share among what was raised, false alarms a day, each with an interval of 95 %.

    What finds an event and what is false is said by `detect_events.count`; an event raised several times counts once,
    so that F1 is the harmonic mean of recall and precision.

    Args:
        detector: as read.
        data: file, folder or run folder.
        target: column with labels.
        normal: labels that are normal.
        kind: source or public set; judged by the path when empty.

    Raises:
        InputError: rows that cannot be read, or none that is labelled odd.
    """
    spec = detector.spec
    window = (spec.window.samples, spec.window.step) if spec.window else None
    watched = read_watched(
        data, kind=kind, target=target, time=spec.time, normal=normal, window=window,
        columns=tuple(column.name for column in spec.columns),
        time_unit="" if spec.time_unit == "auto" else spec.time_unit,
    )  # fmt: skip
    if not watched.labelled:
        raise LabelsMissingError(
            "rows labelled as anomalies", "none", data, "Set the column (--target) and normal label (--normal)"
        )
    parts: list[Counts] = []
    right = np.zeros(4, np.int64)
    for stretch in watched.stretches:
        odd = scored(spec.kind, detector.learnt, stretch) >= spec.threshold.value
        events = events_of(stretch)
        right += [(odd & events).sum(), (odd & ~events).sum(), (~odd & events).sum(), (~events).sum()]
        parts += counted(odd, events, spec.refractory)
    total = sum(parts, Counts())
    days, per = exposure(total.calm, watched.per_second)
    return {
        "kind": spec.kind, "threshold": spec.threshold.value, "rows": sum(len(s.values) for s in watched.stretches),
        "judged": "windows" if spec.window else "rows",
        "events": total.detected + total.missed, "found": total.detected, "alarms": total.alarms, "false": total.false,
        "recall": _three(share(total.detected, total.detected + total.missed)),
        "precision": _three(share(total.detected, total.detected + total.false)),
        "f1": _three((total.f1, *interval(bootstrap(parts)))),
        "false_alarms": {**_three(rate(total.false, days)), "per": per},
        "row_f1": f1(int(right[0]), int(right[1]), int(right[2])),
        "row_false": float(right[1] / right[3]) if right[3] else 0.0,
    }  # fmt: skip


def _three(values: tuple[float, float, float]) -> dict[str, float]:
    return dict(zip(("value", "low", "high"), values, strict=True))


DETECTORS = "edgewright.monitor.detectors"
# Fits that need more than the base install: (module of this room, function), found by the detector's name.
_TRAINED = "edgewright.workflows.detection.autoencoder:fit_autoencoder"
# Parts in time that are scored by a fit on the others, for the threshold and for the comparison.
BLOCKS = 3
_MIN_ROWS = 64
Array = NDArray[np.float64]


def configured(name: str, table: dict[str, object]) -> DetectorConfig:
    """Return the settings of a detector.

    Raises:
        UnknownNameError: no such detector or setting.
        InputError: a value of another type.
    """
    return convert_table(table, kind(name).config, f"detector {name}")


def learn(name: str, config: DetectorConfig, stretches: tuple[Stretch, ...]) -> dict[str, Any]:
    """Return what a detector learns from stretches; rows labelled odd are missing values to it.

    Raises:
        InputError: too few rows.
    """
    values, time = together(stretches)
    return _fitter(name)(config, values, time)


def _fitter(name: str) -> Callable[[Any, Any, Any], dict[str, Any]]:
    """Return the detector's own fit, or the one of this room that is called after it."""
    module, function = _TRAINED.split(":")
    if function == f"fit_{name}":
        trained: Callable[[Any, Any, Any], dict[str, Any]] = getattr(importlib.import_module(module), function)
        return trained
    return kind(name).fit


def scored(name: str, learnt: dict[str, Any], stretch: Stretch) -> Array:
    """Return scores of a stretch from a fresh start, -inf while the detector is learning."""
    scores = kind(name).start(learnt).update(stretch.values, stretch.time)
    return np.where(np.isfinite(scores), scores, -math.inf)


def blocks(stretches: tuple[Stretch, ...], parts: int = BLOCKS) -> list[tuple[Stretch, ...]]:
    """Return stretches in parts of about equal length, in order of time: whole recordings where there are enough."""
    filled = [s for s in stretches if len(s.values)]
    if len(filled) >= parts:
        ends = np.cumsum([len(s.values) for s in filled])
        side = np.minimum((ends - 1) * parts // ends[-1], parts - 1)
        sides = [tuple(s for s, k in zip(filled, side, strict=True) if k == part) for part in range(parts)]
        if all(sides):
            return sides
    cut: list[list[Stretch]] = [[] for _ in range(parts)]
    for s in filled:
        edges = _edges(s, parts)
        for part in range(parts):
            if edges[part + 1] > edges[part]:
                cut[part].append(s.part(edges[part], edges[part + 1]))
    return [tuple(part) for part in cut]


def _edges(stretch: Stretch, parts: int) -> list[int]:
    """First rows of equal parts, moved on to the end of an event that they would cut; and the end."""
    rows = len(stretch.values)
    edges = [rows * k // parts for k in range(parts + 1)]
    if stretch.odd is not None:
        for index in range(1, parts):
            edge = max(edges[index], edges[index - 1])
            while 0 < edge < rows and stretch.odd[edge - 1] and stretch.odd[edge]:
                edge += 1
            edges[index] = edge
    return edges


def held_out(name: str, config: DetectorConfig, stretches: tuple[Stretch, ...]) -> list[tuple[Stretch, Array]]:
    """Every part scored by a fit on the others; all by one fit on all where a part would be too short."""
    parts = blocks(stretches)
    short = min((sum(len(s.values) for s in part) for part in parts), default=0) < _MIN_ROWS
    pairs = []
    for index, part in enumerate(parts):
        others = stretches if short else tuple(s for k, other in enumerate(parts) if k != index for s in other)
        learnt = learn(name, config, others)
        pairs += [(s, scored(name, learnt, s)) for s in part]
    return pairs


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
    request: ThresholdRequest | None = None,
    time: str = "",
    choice: Choice | None = None,
) -> Fitted:
    """Fit one detector and finds its threshold.

    Rows labelled odd are never fitted on, so that their scores count as they are. Without labels the threshold rests on
    scores of rows that other rows have fitted: those of the training rows themselves are lower than new ones will be.

    Args:
        watched: rows.
        name: name of the detector.
        config: its settings.
        request: how the threshold is found.
        time: column with the time, remembered for `run`.
        choice: how it was chosen.

    Raises:
        UnknownNameError: no such detector or setting.
        InputError: too few rows, or settings that are not possible.
    """
    how = request or ThresholdRequest()
    settings = configured(name, config or {})
    _fits(name, watched, how.refractory)
    learnt = learn(name, settings, watched.stretches)
    if watched.labelled:
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
        time_unit=watched.time_unit,
        threshold=limit,
        refractory=how.refractory,
        rows=sum(len(s.values) for s in watched.stretches),
        choice=choice,
    )
    if (remember := kind(name).remember) is not None:
        learnt = remember(learnt, *together(watched.stretches))
    counts = tuple(c for s, own in pairs for c in counted(own >= limit.value, s.odd, how.refractory))
    running = kind(name).start(learnt)
    running.update(watched.stretches[0].values[:256], watched.stretches[0].time[:256])
    return Fitted(spec, learnt, state_bytes(learnt), state_bytes(running.state()), counts)


def _fits(name: str, watched: Watched, refractory: float) -> None:
    """Refuse a detector of samples on windows, and a pause that is a share of them.

    Raises:
        InputError: naming those that take windows.
    """
    if watched.window is not None and 0 < refractory < 1:
        raise DetectorError("a number of windows", f"{100 * refractory:g}%", "--refractory")
    if watched.window is not None and not kind(name).windows:
        takes = ", ".join(windowed())
        raise DetectorError(f"a detector that takes windows ({takes})", repr(name), "--detector", "Or watch rows")


def windowed() -> tuple[str, ...]:
    """Detectors that take features of windows."""
    return tuple(name for name in catalogue.listing(DETECTORS, "DETECTOR") if kind(name).windows)
