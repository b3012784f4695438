"""Drawings of a fleet: bars of versions, progress of stages, lines over reports. Units of the drawing are percent."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgewright.schema.fleet_rollouts import RolloutSeen
from edgewright.studio.view.drawing import COLOURS
from edgewright.trace.words import percent

WIDTH, HEIGHT = 320, 84
_TOP, _BOTTOM, _MOST = 8, 6, 200


@dataclass(frozen=True)
class Piece:
    """A part of a bar: a release, its devices, where it begins and how wide it is, the number of its colour."""

    counter: int
    count: int
    start: float
    width: float
    colour: int

    @property
    def name(self) -> str:
        """For people."""
        return f"release {self.counter}" if self.counter else "not reported yet"


def colours(counters: Sequence[int]) -> dict[int, int]:
    """Numbers of colours by release, the newest first, so that it looks the same in every bar of a page."""
    return {counter: place % COLOURS for place, counter in enumerate(sorted(set(counters), reverse=True))}


def pieces(counters: Mapping[int, int], known: Mapping[int, int]) -> list[Piece]:
    """The parts of a bar, the newest release first."""
    total, start, made = sum(counters.values()) or 1, 0.0, []
    for counter, count in sorted(counters.items(), reverse=True):
        width = 100.0 * count / total
        made.append(Piece(counter, count, round(start, 3), round(width, 3), known.get(counter, 0)))
        start += width
    return made


@dataclass(frozen=True)
class Step:
    """A stage as it is drawn.

    Attributes:
        state: 'done', 'now', 'paused', 'ended' or 'later'.
        share: of its least time that has passed, from 0 to 1.
        left: seconds of it that are left at least.
    """

    name: str
    percent: float
    gated: bool
    dwell: float
    cohorts: tuple[str, ...]
    state: str
    share: float
    left: float


def steps(seen: RolloutSeen, now: float) -> list[Step]:
    """The stages of a rollout."""
    here = {"running": "now", "paused": "paused", "aborted": "ended", "finished": "done"}[seen.state]
    made = []
    for index, stage in enumerate(seen.stages):
        state = "done" if index < seen.stage else here if index == seen.stage else "later"
        lasts = max(1.0, seen.due - seen.entered)
        share = min(1.0, max(0.0, (now - seen.entered) / lasts)) if state in ("now", "paused") else 0.0
        made.append(
            Step(
                name=stage.name, percent=stage.percent, gated=stage.gated, dwell=stage.dwell, cohorts=stage.cohorts,
                state=state, share=1.0 if state == "done" else share, left=max(0.0, seen.due - now),
            )
        )  # fmt: skip
    return made


@dataclass(frozen=True)
class Line:
    """A figure over the reports of a device.

    Attributes:
        points: as SVG's polyline has them; empty below two reports.
        end: (x, y) of the latest.
        now, most: the latest and the largest value, as text.
        sentence: for those who do not see it.
    """

    name: str
    points: str
    end: tuple[float, float]
    now: str
    most: str
    sentence: str
    width: int = WIDTH
    height: int = HEIGHT


def line(name: str, values: Sequence[tuple[float, float]], unit: str) -> Line | None:
    """A drawing of (time, value) pairs, oldest first, from 0 to the largest; None where there is nothing to draw.

    Args:
        name: of the figure.
        values: more than some hundred are thinned, the largest of each few kept.
        unit: '%' for shares of one, else what follows the number.
    """
    known = [(at, value) for at, value in values if math.isfinite(value)]
    if not known:
        return None
    stride = -(-len(known) // _MOST)
    thinned = [max(known[at : at + stride], key=lambda pair: pair[1]) for at in range(0, len(known), stride)]
    first, span = known[0][0], max(known[-1][0] - known[0][0], 1.0)
    top = max(value for _, value in known) or 1.0
    inside = HEIGHT - _TOP - _BOTTOM
    drawn = [
        (round(4 + (WIDTH - 8) * (at - first) / span, 1), round(_TOP + inside * (1 - value / top), 1))
        for at, value in thinned
    ]
    latest, most = _text(known[-1][1], unit), _text(max(value for _, value in known), unit)
    return Line(
        name=name, points=" ".join(f"{x},{y}" for x, y in drawn) if len(drawn) > 1 else "", end=drawn[-1],
        now=latest, most=most, sentence=f"{name} over {len(known)} reports: now {latest}, at most {most}",
    )  # fmt: skip


def _text(value: float, unit: str) -> str:
    return percent(value, 1) if unit == "%" else f"{value:.3g}{unit}"
