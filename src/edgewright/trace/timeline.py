"""The time line of a replayed recording as SVG: a lane a label with truth above answer, states and alarms below."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup, escape

from edgewright.core.formatting import percent
from edgewright.schema.job import Mark, Stretch, Timeline

_WIDTH, _LANE, _BAR, _TOP, _RIGHT = 960.0, 26.0, 9.0, 6.0, 12.0
_LETTER = 6.4
# Units of the axis, with the seconds of one and the longest recording that is told in it.
_UNITS = (("s", 1.0, 300.0), ("min", 60.0, 3 * 3600.0), ("h", 3600.0, 4 * 86400.0), ("days", 86400.0, float("inf")))
_STEPS = (0.5, 1, 2, 5, 10, 15, 20, 30, 60, 90, 120, 240, 500)
_SHAPES = {
    "alarm": ("M0 -6L5 4H-5Z", "good"),
    "false alarm": ("M0 -6L5 4H-5Z", "bad"),
    "missed": ("M-5 -5L5 5M5 -5L-5 5", "bad"),
    "event": ("M-3 -3H3V3H-3Z", "series-3"),
}


class _Drawing:
    """Places and times of one time line."""

    def __init__(self, line: Timeline) -> None:
        self.line = line
        self.unit, self.length, _ = next(one for one in _UNITS if line.seconds <= one[2])
        self.left = 14 + _LETTER * max(map(len, ("events", line.keys[2], *line.labels)))
        self._scale = (_WIDTH - self.left - _RIGHT) / max(line.seconds, 1e-9)

    def at(self, seconds: float) -> float:
        return self.left + seconds * self._scale

    def moment(self, seconds: float) -> str:
        return f"{seconds / self.length:.4g}"

    def name(self, text: str, top: float) -> str:
        return (
            f'<text x="{self.left - 8:.1f}" y="{top + 13:.1f}" text-anchor="end" fill="var(--ink)">{escape(text)}'
            f'</text><path d="M{self.left:.1f} {top + _BAR:.1f}H{_WIDTH - _RIGHT:g}" stroke="var(--line)"/>'
        )

    def bar(self, one: Stretch, top: float, colour: str, kind: str) -> str:
        x, width = self.at(one.start), max(0.6, self.at(one.end) - self.at(one.start))
        told = f"{kind}: {one.label}, {self.moment(one.start)} to {self.moment(one.end)} {self.unit}"
        return (
            f'<rect x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" height="{_BAR - 1:g}" fill="var(--{colour})">'
            f"<title>{escape(told)}</title></rect>"
        )

    def lanes(self) -> Iterator[str]:
        for number, label in enumerate(self.line.labels):
            top = _TOP + number * _LANE
            yield self.name(label, top)
            truth, answer, _ = self.line.keys
            drawn = ((self.line.truth, top, "series-1", truth), (self.line.answers, top + _BAR, "series-2", answer))
            for stretches, y, colour, kind in drawn:
                yield from (self.bar(one, y, colour, kind) for one in stretches if one.label == label)

    def states(self, top: float) -> Iterator[str]:
        yield self.name(self.line.keys[2], top)
        for number, one in enumerate(self.line.states):
            yield self.bar(one, top + _BAR * (number % 2), "series-3", self.line.keys[2].removesuffix("s"))
            if (self.at(one.end) - self.at(one.start)) > _LETTER * (len(one.label) + 1):
                # The other half of the lane is free behind it.
                yield _figure(self.at(one.start) + 2, top + _BAR * (1 - number % 2) + 8, one.label, "start")

    def marks(self, top: float) -> Iterator[str]:
        yield self.name("events", top)
        # Edges would hide neighbours; what went wrong lies above right alarms.
        for mark in sorted(self.line.marks, key=lambda one: [*_SHAPES].index(one.kind)):
            yield self._mark(mark, top + _BAR)

    def _mark(self, mark: Mark, y: float) -> str:
        shape, colour = _SHAPES[mark.kind]
        told = f"{mark.kind}: {mark.text} at {self.moment(mark.time)} {self.unit}"
        paint = f'stroke="var(--{colour})" stroke-width="2"' if mark.kind == "missed" else f'fill="var(--{colour})"'
        return (
            f'<path d="{shape}" transform="translate({self.at(mark.time):.1f} {y:.1f})" {paint}>'
            f"<title>{escape(told)}</title></path>"
        )

    def axis(self, top: float) -> Iterator[str]:
        whole = self.line.seconds / self.length
        step = next((one for one in _STEPS if whole / one <= 12), _STEPS[-1])
        for number in range(int(whole / step) + 1):
            x = self.at(number * step * self.length)
            yield f'<path d="M{x:.1f} {_TOP:g}V{top:.1f}" stroke="var(--line)" stroke-dasharray="2 3"/>'
            yield _figure(x, top + 14, f"{number * step:g}", "middle")
        yield _figure(_WIDTH - _RIGHT, top + 28, self.unit, "end")


def _figure(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="var(--quiet)">{escape(text)}</text>'


def timeline_html(line: Timeline) -> Markup:
    """Return the drawing with its legend; pointing at a part tells its label and times."""
    drawing = _Drawing(line)
    bottom = _TOP + len(line.labels) * _LANE
    parts = [*drawing.lanes()]
    for lane in ((drawing.states,) if line.states else ()) + ((drawing.marks,) if line.marks else ()):
        parts += lane(bottom)
        bottom += _LANE
    parts = [*drawing.axis(bottom), *parts]
    svg = (
        f'<svg class="timeline" role="img" aria-label="{escape(_words(line, drawing))}" '
        f'viewBox="0 0 {_WIDTH:g} {bottom + 34:g}" font-size="11">{"".join(parts)}</svg>'
    )
    drawn = zip(line.keys, (line.truth, line.answers, line.states), range(1, 4), strict=True)
    legend = "".join(
        f'<span class="key k{number}">{escape(key)}</span>' for key, stretches, number in drawn if stretches
    )
    note = f"{line.title}."
    if line.note:
        note += f" {line.note}"
    elif any(mark.kind != "event" for mark in line.marks):
        note += " Triangles are alarms, red ones false; a cross is a missed event."
    if not line.note and any(mark.kind == "event" for mark in line.marks):
        note += " Squares are actions of the state table."
    return Markup(  # noqa: S704 - figures only; texts are escaped where they enter
        f'<p class="legend" aria-hidden="true">{legend}</p>'
        f'<div class="scroll" role="group" tabindex="0" aria-label="Time line">{svg}</div>'
        f'<p class="note">{escape(note)}</p>'
    )


def _words(line: Timeline, drawing: _Drawing) -> str:
    """Return what the drawing shows, for those who do not see it."""
    kinds = [mark.kind for mark in line.marks]
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in _SHAPES if kind in kinds)
    known = sum(one.end - one.start for one in line.truth)
    shares = ", ".join(f"{label} {percent(_share(line.truth, label, known))}" for label in line.labels)
    labelled = f"; labelled time: {shares}" if line.truth else ""
    return f"{line.title}: {drawing.moment(line.seconds)} {drawing.unit}{labelled}. {counts}".rstrip(" .")


def _share(stretches: Sequence[Stretch], label: str, whole: float) -> float:
    return sum(one.end - one.start for one in stretches if one.label == label) / whole if whole else 0.0
