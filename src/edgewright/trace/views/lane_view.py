"""The road around a car from above: a strip for each moment, with the own car at the same place in all."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup, escape

from edgewright.core.formatting import plural
from edgewright.schema.job import LaneFrame, LaneView
from edgewright.trace.blocks.charts import drawing, svg_text

# Units of the drawing: its width, room for the time, a metre, and between strips; metres in sight behind, and of a car.
_WIDTH, _TIME, _METRE, _BETWEEN = 960.0, 130.0, 7.0, 12.0
_BEHIND, _LONG, _WIDE = 12.0, 5.0, 2.0


def lane_view_html(view: LaneView) -> Markup:
    """Return the strips with a sentence below; pointing at a car tells how far ahead it is."""
    height = view.lanes * view.width * _METRE
    parts = [
        part for row, frame in enumerate(view.frames) for part in _strip(view, frame, row * (height + _BETWEEN), height)
    ]
    words = "; ".join(
        f"{frame.time:g} s: {frame.action}, {plural(len(frame.others), 'car')} in sight" for frame in view.frames
    )
    whole = len(view.frames) * (height + _BETWEEN)
    return Markup(  # noqa: S704 - figures only; texts are escaped where they enter
        '<div class="scroll" role="group" tabindex="0" aria-label="Road from above">'
        f"{drawing(parts, words, _WIDTH, whole, 12, 'timeline')}</div>"
        f'<p class="note">{escape(view.title)}. The own car is at the left in each strip; all drive to the right.</p>'
    )


def _strip(view: LaneView, frame: LaneFrame, top: float, height: float) -> Iterator[str]:
    yield f'<rect x="{_TIME:g}" y="{top:g}" width="{_WIDTH - _TIME:g}" height="{height:g}" fill="var(--tint)"/>'
    for lane in range(1, view.lanes):
        y = top + lane * view.width * _METRE
        yield f'<path d="M{_TIME:g} {y:g}H{_WIDTH:g}" stroke="var(--quiet)" stroke-dasharray="14 12"/>'
    yield _car(view, 0.0, 0.0, top, "series-1", f"the own car: {frame.action}")
    for ahead, right in frame.others:
        if -_BEHIND + _LONG / 2 <= ahead <= (_WIDTH - _TIME) / _METRE - _BEHIND - _LONG / 2:
            yield _car(view, ahead, right, top, "series-2", f"another car, {ahead:.0f} m ahead")
    middle = top + height / 2
    for text, y, fill in ((f"{frame.time:g} s", middle - 3, "quiet"), (frame.action, middle + 13, "ink")):
        yield svg_text(_TIME - 10, y, text, "end", fill)


def _car(view: LaneView, ahead: float, right: float, top: float, colour: str, name: str) -> str:
    x = _TIME + (ahead + _BEHIND - _LONG / 2) * _METRE
    y = top + ((view.lane + 0.5) * view.width + right - _WIDE / 2) * _METRE
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{_LONG * _METRE:g}" height="{_WIDE * _METRE:g}" rx="4" '
        f'fill="var(--{colour})"><title>{escape(name)}</title></rect>'
    )
