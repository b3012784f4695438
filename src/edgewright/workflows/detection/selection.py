"""`--detector auto`: every detector on parts in time that were held out; the simplest that is as good as the best."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgewright.core import catalogue
from edgewright.core.errors import DetectorError, EdgewrightError, LabelsMissingError
from edgewright.core.records.data import Floats
from edgewright.monitor.detector_stream import state_bytes
from edgewright.monitor.detectors import kind
from edgewright.monitor.records import Choice, Skill
from edgewright.pipeline.cost import Ahead, tell_ahead
from edgewright.workflows.detection.fit import BLOCKS, DETECTORS, blocks, configured, learn, scored, windowed
from edgewright.workflows.detection.rows import Stretch, Watched, with_limit
from edgewright.workflows.detection.threshold import Counts, ThresholdRequest, bootstrap, counted, interval, threshold

_Rng = np.random.Generator
# The shortest and the longest event, and from one to the next, rows.
SHORT, LONG, SPACING = 10, 60, 300


def _spike(x: Floats, unit: float, rng: _Rng) -> Floats:
    out = x.copy()
    out[:2] += np.float32(rng.choice([-1, 1]) * rng.uniform(6, 12) * unit)
    return out


def _shift(x: Floats, unit: float, rng: _Rng) -> Floats:
    return np.asarray(x + np.float32(rng.choice([-1, 1]) * rng.uniform(2, 5) * unit), np.float32)


def _drift(x: Floats, unit: float, rng: _Rng) -> Floats:
    ramp = np.linspace(0, rng.choice([-1, 1]) * rng.uniform(3, 8) * unit, len(x))
    return np.asarray(x + ramp, np.float32)


def _noise(x: Floats, unit: float, rng: _Rng) -> Floats:
    return np.asarray(x + rng.normal(0, rng.uniform(2, 4) * unit, len(x)), np.float32)


def _stuck(x: Floats, unit: float, rng: _Rng) -> Floats:
    return np.full_like(x, x[0])


def _reversed(x: Floats, unit: float, rng: _Rng) -> Floats:
    """Return the same values backwards: each is possible, their order is not."""
    return x[::-1].copy()


KINDS: dict[str, Callable[[Floats, float, _Rng], Floats]] = {
    "spike": _spike, "shift": _shift, "drift": _drift, "noise": _noise, "stuck": _stuck, "reversed": _reversed,
}  # fmt: skip
"""How an anomaly changes a stretch of one channel: (values, the channel's deviation, generator) -> values."""


def inject(stretch: Stretch, seed: int) -> Stretch:
    """Put events into a stretch, the kinds in turn, each into one or two channels, one in every `SPACING` rows.

    Args:
        stretch: taken as normal.
        seed: of places, channels and sizes.

    Returns:
        The changed rows, with the events as labels.
    """
    rng = np.random.default_rng(seed)
    values = stretch.values.copy()
    odd = np.zeros(len(values), np.bool_)
    unit = _units(values)
    moving = np.flatnonzero(unit > 0)
    kinds = rng.permutation(sorted(KINDS)).tolist()
    for turn, begin in enumerate(range(0, len(values) - LONG + 1, SPACING)):
        name = kinds[turn % len(kinds)]
        length = 2 if name == "spike" else int(rng.integers(SHORT, LONG))
        # In the middle of its rows, so that what follows one event does not count for the next.
        start = begin + int(rng.integers(SPACING // 3, SPACING // 2))
        end = min(start + length, len(values))
        if end - start < 2 or not len(moving):
            continue
        for channel in rng.choice(moving, min(len(moving), int(rng.integers(1, 3))), replace=False):
            values[start:end, channel] = KINDS[name](values[start:end, channel], float(unit[channel]), rng)
        odd[start:end] = True
    return replace(stretch, values=values, odd=odd)


def _units(values: Floats) -> NDArray[np.float64]:
    """Deviation of every channel by its middle 68 %, which a few odd rows do not move; 0 for one that stands still."""
    unit = np.zeros(values.shape[1])
    for channel in range(values.shape[1]):
        column = values[np.isfinite(values[:, channel]), channel]
        if len(column):
            low, high = np.quantile(column, [0.16, 0.84])
            unit[channel] = (high - low) / 2 or float(column.std())
    return unit


# For one channel without labels: best on every family of public streams by those of the other families.
ALONE = "own_past"
WHY_ALONE = (
    "own_past goes on from these rows; on public streams of one channel with real events 42 % of its alarms were right "
    "and 11 % of those of the detector that is best at injected anomalies"
)
# Rows that are looked at: enough for some forty injected events, and half a minute of scoring.
MAX_ROWS = 12_000
# CPU seconds of a two-core x86 machine that one detector takes for a row and for a value of it, with one part held out.
# Fitted to a stream of NAB, ETT, SKAB and WISDM (1 to 43 columns, 3 to 5 parts): all eight detectors within 25 %.
_ROW_S, _VALUE_S = 2.2e-5, 2.2e-6
_LABELLED = "event F1 on labelled rows, cross-validated over {parts} blocks in time"
_INJECTED = "event F1 on anomalies injected into unlabelled rows ({kinds}), cross-validated over {parts} blocks in time"


@dataclass(frozen=True)
class _Attempt:
    """One detector's results by pieces of what was held out, and its size."""

    name: str
    counts: tuple[Counts, ...]
    bytes: int


def choose(watched: Watched, request: ThresholdRequest, ahead: Ahead = lambda _: None) -> Choice:
    """Compare all detectors and say which is taken and why; it is the first of `candidates`.

    Without labels the parts get injected anomalies of several kinds: a proxy, which is said. It ranks the detectors of
    one channel otherwise than real events do, so that `ALONE` is taken there.

    Args:
        watched: rows or windows.
        request: how the threshold is found; its refractory time holds in the comparison, too.
        ahead: gets the estimate of long work before it begins.

    Raises:
        InputError: no detector can be judged on so few rows.
    """
    some = with_limit(watched, MAX_ROWS)
    labels = some.labelled
    parts = blocks(some.stretches, max(BLOCKS, min(5, len(some.stretches))))
    names = catalogue.listing(DETECTORS, "DETECTOR") if watched.window is None else windowed()
    tell_ahead(ahead, f"Comparing {len(names)} detectors", len(names) * len(parts) * sum(map(_part_s, some.stretches)))
    attempts, failed = [], []
    for name in names:
        try:
            attempts.append(_try(name, parts, labels, request, watched.per_second))
        except (EdgewrightError, ModuleNotFoundError) as error:
            failed.append(Skill(kind=name, why=" ".join(str(error).split())[:160]))
    if not attempts:
        rows = sum(len(s.values) for s in some.stretches)
        unit = "rows" if watched.window is None else "windows"
        raise DetectorError(f"some {2 * BLOCKS * SPACING:,} {unit} to choose a detector on", f"{rows}", watched.name,
                         "Add rows, or set --detector")  # fmt: skip
    best = max(attempts, key=lambda t: (_f1(t), -t.bytes))
    draws = {t.name: bootstrap(t.counts) for t in attempts}
    equal = [t for t in attempts if _may_be_equal(t, best, draws)]
    chosen = min(equal, key=lambda t: (t.bytes, t.name))
    reason = _reason(chosen, best, equal)
    alone = [t for t in attempts if t.name == ALONE]
    if alone and not labels and watched.window is None and len(watched.columns) == 1:
        chosen, reason = alone[0], WHY_ALONE
    skills = []
    for t in sorted(attempts, key=lambda t: (t is not chosen, -_f1(t))):
        low, high = interval(draws[t.name])
        skills.append(Skill(kind=t.name, skill=_f1(t), low=low, high=high, bytes=t.bytes))
    measure = _LABELLED.format(parts=len(parts))
    if not labels:
        measure = _INJECTED.format(kinds=", ".join(KINDS), parts=len(parts))
    return Choice(measure=measure, reason=reason, candidates=(*skills, *failed))


def _part_s(stretch: Stretch) -> float:
    """CPU seconds that one detector takes with a stretch while one part is held out."""
    return len(stretch.values) * _ROW_S + stretch.values.size * _VALUE_S


def _try(
    name: str, parts: list[tuple[Stretch, ...]], labels: bool, request: ThresholdRequest, per_second: float | None
) -> _Attempt:
    """One detector on every part that is held out in its turn."""
    config = configured(name, {})
    counts: list[Counts] = []
    size = 0
    for index, part in enumerate(parts):
        others = tuple(s for k, other in enumerate(parts) if k != index for s in other)
        learnt = learn(name, config, others)
        own = [(s, scored(name, learnt, s)) for s in others]
        limit = threshold(
            own, ThresholdRequest(false_alarms=request.false_alarms, refractory=request.refractory), per_second
        ).value
        for position, s in enumerate(part):
            evaluated = s if labels else inject(s, 1000 * index + position)
            odd = scored(name, learnt, evaluated) >= limit
            counts += counted(odd, evaluated.odd, request.refractory)
        size = max(size, state_bytes(learnt) + state_bytes(kind(name).start(learnt).state()))
    if not sum(c.detected + c.missed for c in counts):
        raise LabelsMissingError("at least one event in the compared rows", "none")
    return _Attempt(name, tuple(counts), size)


def _f1(attempt: _Attempt) -> float:
    return sum(attempt.counts, Counts()).f1


def _may_be_equal(attempt: _Attempt, best: _Attempt, draws: dict[str, NDArray[np.float64]]) -> bool:
    """Within one standard error of the best (Breiman and others, 1984), and not without skill where the best has some.

    The middle 95 % of a difference would hold 0 for whatever is compared on few events.
    """
    if attempt is best:
        return True
    error = float(np.std(draws[best.name] - draws[attempt.name]))
    return _f1(best) - _f1(attempt) <= error and (_f1(attempt) > 0 or _f1(best) == 0)


def _reason(chosen: _Attempt, best: _Attempt, equal: list[_Attempt]) -> str:
    size = f"{math.ceil(chosen.bytes / 100) / 10:g} kB"
    count = sum(c.detected + c.missed for c in chosen.counts)
    events = f"{count} event{'s' if count > 1 else ''}"
    if not _f1(best):
        return f"no detector found any of {events}; {chosen.name} is the smallest ({size}). Add rows, or set --detector"
    if chosen is best and len(equal) == 1:
        return f"{chosen.name} is the best by more than a standard error (F1 {_f1(chosen):.2f}, {size}, {events})"
    if chosen is best:
        return (
            f"{chosen.name} is the best (F1 {_f1(chosen):.2f}) and the smallest of those that may be as good ({size})"
        )
    return (
        f"{chosen.name} (F1 {_f1(chosen):.2f}, {size}) is the smallest of {len(equal)} within a standard error of the "
        f"best, {best.name} (F1 {_f1(best):.2f}), on {events}"
    )
