"""A line chart that is drawn again each time an epoch has ended: a few numbers, so a few points of SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edgewright.trace.axes import WRITERS, round_marks
from edgewright.trace.words import percent

WIDTH, HEIGHT = 520, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 22, 12, 26
# More points than this no screen shows; each is then the last of its neighbours.
_MOST = 400


@dataclass(frozen=True)
class Curve:
    """What the template draws, in units of the drawing.

    Attributes:
        first, second: points of the two lines as SVG has them; empty where there is no second.
        ends: last point of each line with its class.
        marks: heights with their text; `steps`: epochs with theirs.
        sentence: what the chart shows, for those who do not see it.
    """

    name: str
    first: str
    second: str
    ends: tuple[tuple[float, float, str], ...]
    marks: tuple[tuple[float, str], ...]
    steps: tuple[tuple[float, str], ...]
    sentence: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT


def curve(
    name: str, first: Sequence[float | None], second: Sequence[float | None], last: int, *, share: bool = False
) -> Curve:
    """The chart of a figure over the epochs.

    Args:
        name: of the figure.
        first, second: of training and validation, one an epoch from 1; None where there is none.
        last: epoch at the right end.
        share: the figure is a share of one.
    """
    values = [v for v in (*first, *second) if v is not None and math.isfinite(v)]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    marks = round_marks(low, high)
    low, high = min(low, marks[0]), max(high, marks[-1])

    def x(epoch: float) -> float:
        return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * (epoch - 1) / max(1, last - 1), 1)

    def y(value: float) -> float:
        return round(_TOP + (HEIGHT - _TOP - _BOTTOM) * (1 - (value - low) / ((high - low) or 1.0)), 1)

    def points(line: Sequence[float | None]) -> list[tuple[float, float]]:
        step = max(1, math.ceil(len(line) / _MOST))
        kept = [i for i in range(len(line)) if i % step == 0 or i == len(line) - 1]
        return [(x(i + 1), y(v)) for i in kept if (v := line[i]) is not None and math.isfinite(v)]

    lines = [points(first), points(second)]
    text = (lambda v: percent(v, 0)) if share else WRITERS[""]
    said = [v for v in first if v is not None]
    sentence = f"{name} over {len(first)} epochs"
    if said:
        sentence += f": from {text(said[0])} to {text(said[-1])} in training"
    held_out = [v for v in second if v is not None]
    if held_out:
        sentence += f", from {text(held_out[0])} to {text(held_out[-1])} in validation"
    return Curve(
        name=name,
        first=_svg(lines[0]),
        second=_svg(lines[1]),
        ends=tuple((*line[-1], kind) for line, kind in zip(lines, ("one", "two"), strict=True) if line),
        marks=tuple((y(v), text(v)) for v in marks),
        steps=tuple((x(e), str(e)) for e in sorted({1, (last + 1) // 2, last})),
        sentence=sentence,
    )


def _svg(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in points)
