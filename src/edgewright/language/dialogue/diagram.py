"""The picture of a dialogue as SVG and Mermaid: states by distance from the first."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import Literal

import msgspec

from edgewright.core.state_machine.table import EVERY, TIMEOUT, StateTable, Step, states_of

_LONGEST = 34


class Arrow(msgspec.Struct, frozen=True):
    """From a state to another, with a line for every step that goes there, and its place in the table."""

    before: str
    after: str
    lines: tuple[str, ...]
    places: tuple[int, ...]


class Ways(msgspec.Struct, frozen=True):
    """What is drawn.

    Attributes:
        arrows: in order of the table.
        stays: by state: the events after which it stays.
        ranks: by state: steps from the first state.
    """

    arrows: tuple[Arrow, ...]
    stays: dict[str, tuple[str, ...]]
    ranks: dict[str, int]


def ways(table: StateTable) -> Ways:
    """Return the arrows of a table, whose steps name known states."""
    going: dict[tuple[str, str], list[tuple[str, int]]] = {}
    stays: dict[str, list[str]] = {state: [] for state in table.states}
    for index, step in enumerate(table.steps):
        for state in states_of(step, table):
            if step.to and step.to != state:
                going.setdefault((state, step.to), []).append((named(step), index))
            else:
                stays[state].append(named(step))
    arrows = tuple(
        Arrow(before, after, tuple(line for line, _ in steps), tuple(index for _, index in steps))
        for (before, after), steps in going.items()
    )
    return Ways(arrows, {state: tuple(lines) for state, lines in stays.items()}, _ranks(table, arrows))


def named(step: Step) -> str:
    """Return a step in a few words: `dispense_drink [drink]`, `after 30 s`, `anything else`."""
    if step.event == TIMEOUT:
        return f"after {step.after:g} s"
    event = "anything else" if step.event == EVERY else step.event
    guard = f" [{step.when.strip()}]" if step.when.strip() else ""
    whole = event + guard
    return whole if len(whole) <= _LONGEST else whole[: _LONGEST - 1] + "…"


def _ranks(table: StateTable, arrows: tuple[Arrow, ...]) -> dict[str, int]:
    ranks, open_ = {table.initial: 0}, [table.initial]
    for state in open_:
        for arrow in arrows:
            if arrow.before == state and arrow.after not in ranks:
                ranks[arrow.after] = ranks[state] + 1
                open_.append(arrow.after)
    return {state: ranks.get(state, 0) for state in table.states}


LETTER, LINE, PAD, MARGIN, TOP = 7.4, 15, 10, 24, 44
"""Width of a letter and height of a line of 12 px, and spaces: pixels."""
_GAP = 190
_Side = Literal["top", "bottom"]
_Area = tuple[float, float, float, float]


@dataclass
class Box:
    """A state: its lines below the name, and where it stands."""

    state: str
    lines: tuple[str, ...]
    x: float = 0.0
    y: float = 0.0
    wide: float = 0.0
    high: float = 0.0

    @property
    def area(self) -> _Area:
        """Left, top, width and height."""
        return self.x, self.y, self.wide, self.high


@dataclass(frozen=True)
class Way:
    """An arrow as it is drawn: its curve, and the area of its lines."""

    arrow: Arrow
    path: str
    area: _Area


@dataclass(frozen=True)
class Drawing:
    """A picture of a dialogue."""

    boxes: tuple[Box, ...]
    ways: tuple[Way, ...]
    first: Box
    width: float
    height: float


def drawing(table: StateTable) -> Drawing:
    """Return the picture of a table, whose steps name known states.

    Arrows that go up a row end right of those that go down.
    """
    transitions = ways(table)
    boxes, gap = _placed(table, transitions)
    sides = [_sides(boxes[arrow.before], boxes[arrow.after]) for arrow in transitions.arrows]
    ends = _ends(boxes, transitions.arrows, sides)
    occupied = [box.area for box in boxes.values()]
    curves = []
    for number, arrow in enumerate(transitions.arrows):
        a, b = boxes[arrow.before], boxes[arrow.after]
        leave, enter = sides[number]
        if leave == enter:
            path, at, left = *_hanging(a, b, ends[number], gap), 0.5
        else:
            path, at, left = *_between_rows(a, b, ends[number]), float(leave == "bottom")
        curves.append(Way(arrow, path, _label(arrow, at, left, occupied)))
    return Drawing(
        tuple(boxes.values()), tuple(curves), boxes[table.initial], max(x + w for x, _, w, _ in occupied) + MARGIN,
        max(y + h for _, y, _, h in occupied) + MARGIN,
    )  # fmt: skip


def _placed(table: StateTable, transitions: Ways) -> tuple[dict[str, Box], float]:
    """Boxes with their places; rows are centred, and apart by as much as the labels between them need."""
    boxes: dict[str, Box] = {}
    rows: dict[int, list[Box]] = {}
    for state in table.states:
        lines = tuple(
            f"stays: {line}" if n == 0 else f"       {line}" for n, line in enumerate(transitions.stays[state])
        )
        if state in table.retrieve:
            lines = (f"looks up {table.retrieve[state].index}"[:40], *lines)
        longest = max([len(state) * 1.1, *map(len, lines)])
        box = Box(state, lines, wide=max(130.0, longest * LETTER + 2 * PAD), high=32.0 + LINE * len(lines))
        boxes[state] = box
        rows.setdefault(transitions.ranks[state], []).append(box)
    # Labels between two rows stand under one another: the gap holds those of the busiest row.
    between: dict[int, int] = {}
    for arrow in transitions.arrows:
        low = min(transitions.ranks[arrow.before], transitions.ranks[arrow.after])
        between[low] = between.get(low, 0) + len(arrow.lines)
    gap = 70.0 + LINE * max(between.values(), default=1) * 0.9
    widest = max(sum(b.wide for b in row) + _GAP * (len(row) - 1) for row in rows.values())
    y = float(TOP)
    for rank in sorted(rows):
        row = rows[rank]
        x = MARGIN + (widest - sum(b.wide for b in row) - _GAP * (len(row) - 1)) / 2
        for box in row:
            box.x, box.y = x, y
            x += box.wide + _GAP
        y += max(b.high for b in row) + gap
    return boxes, gap


def _sides(a: Box, b: Box) -> tuple[_Side, _Side]:
    """Return the sides at which an arrow leaves and enters."""
    return ("bottom", "bottom") if a.y == b.y else ("bottom", "top") if b.y > a.y else ("top", "bottom")


def _ends(boxes: dict[str, Box], arrows: tuple[Arrow, ...], of: list[tuple[_Side, _Side]]) -> list[tuple[float, float]]:
    """Where each arrow leaves and enters, as shares of the boxes' sides: in the order of where the others are."""
    sides: dict[tuple[str, str], list[tuple[float, int, int]]] = {}
    for number, (arrow, (leave, enter)) in enumerate(zip(arrows, of, strict=True)):
        a, b = boxes[arrow.before], boxes[arrow.after]
        slack = 0.1 if b.y > a.y else 0.4
        sides.setdefault((arrow.before, leave), []).append((b.x + b.wide / 2 + slack, number, 0))
        sides.setdefault((arrow.after, enter), []).append((a.x + a.wide / 2 + slack, number, 1))
    shares = [[0.5, 0.5] for _ in arrows]
    for points in sides.values():
        for index, (_, number, end) in enumerate(sorted(points), 1):
            shares[number][end] = index / (len(points) + 1)
    return [(leave, enter) for leave, enter in shares]


def _hanging(a: Box, b: Box, ends: tuple[float, float], gap: float) -> tuple[str, tuple[float, float]]:
    """Return a curve below two boxes of a row, and where its words stand; one to the left hangs deeper."""
    x0, x1, y0, y1 = a.x + a.wide * ends[0], b.x + b.wide * ends[1], a.y + a.high, b.y + b.high
    bend = max(y0, y1) + gap * (0.45 if x1 > x0 else 0.8)
    at = ((x0 + x1) / 2, y0 + (bend - y0) * 0.75)
    return f"M{x0:.0f} {y0:.0f}C{x0:.0f} {bend:.0f} {x1:.0f} {bend:.0f} {x1:.0f} {y1:.0f}", at


def _between_rows(a: Box, b: Box, ends: tuple[float, float]) -> tuple[str, tuple[float, float]]:
    """Return a curve from row to row, and where its words stand."""
    x0, x1 = a.x + a.wide * ends[0], b.x + b.wide * ends[1]
    down = b.y > a.y
    y0, y1 = (a.y + a.high, b.y) if down else (a.y, b.y + b.high)
    middle = (y0 + y1) / 2
    # Near the lower box, where curves run upright: words of a way down stand left of it, those of a way up right.
    t = 0.87 if down else 0.13
    before = (1 - t) ** 2 * (1 + 2 * t)
    y = (1 - t) ** 3 * y0 + 3 * (1 - t) * t * middle + t**3 * y1
    at = (x0 * before + x1 * (1 - before), y)
    return f"M{x0:.0f} {y0:.0f}C{x0:.0f} {middle:.0f} {x1:.0f} {middle:.0f} {x1:.0f} {y1:.0f}", at


def _label(arrow: Arrow, at: tuple[float, float], left: float, occupied: list[_Area]) -> _Area:
    """Return where the words of an arrow stand, moved down or up until they lie on nothing else.

    `left` says how much of them stands left of the point.
    """
    wide = max(len(line) for line in arrow.lines) * LETTER + 8
    high = LINE * len(arrow.lines) + 4
    x = max(2.0, at[0] - wide * left + (2 - 4 * left))
    y = at[1] - high / 2
    for turn in range(200):
        moved = y + math.ceil(turn / 2) * 6 * (1 if turn % 2 else -1)
        free = (x + wide <= u or u + w <= x or moved + high <= v or v + h <= moved for u, v, w, h in occupied)
        if moved >= 2 and all(free):
            y = moved
            break
    occupied.append((x, y, wide, high))
    return occupied[-1]


def mermaid(table: StateTable) -> str:
    """Return the diagram as text for Mermaid (`stateDiagram-v2`)."""
    transitions = ways(table)
    plain = {state: f"s{number}" for number, state in enumerate(table.states)}
    lines = ["stateDiagram-v2", *(f'    state "{state}" as {plain[state]}' for state in table.states)]
    lines.append(f"    [*] --> {plain[table.initial]}")
    shown = [(a.before, a.after, line) for a in transitions.arrows for line in a.lines]
    shown += [(state, state, line) for state, stays in transitions.stays.items() for line in stays]
    lines += [f"    {plain[before]} --> {plain[after]}: {_plain(line)}" for before, after, line in shown]
    lines += [f"    {plain[state]} --> [*]" for state in table.final]
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Mermaid reads ';', '#' and ':' as its own."""
    return text.replace("#", "#35;").replace(";", "#59;").replace(":", "#58;")


_STYLE = (
    "text{font:12px ui-monospace,monospace;fill:#1b1b1b}.s{fill:#eef3fb;stroke:#2a5599;stroke-width:1.5}"
    ".f{stroke-width:4}.n{font-weight:bold;font-size:13px}.w{fill:none;stroke:#555;stroke-width:1.3}"
    ".l{fill:#fff;fill-opacity:.93}.q{fill:#555}.a{fill:#555}"
    "@media(prefers-color-scheme:dark){svg{background:#16181d}text{fill:#e8e8e8}.s{fill:#22304a;stroke:#7aa7ee}"
    ".w{stroke:#aaa}.l{fill:#16181d}.q,.a{fill:#aaa}}"
)


def svg(table: StateTable) -> str:
    """Return the picture, 12 px letters; it reads without colours, and in dark surroundings."""
    picture = drawing(table)
    parts = [f'<path class="w" marker-end="url(#a)" d="{way.path}"/>' for way in picture.ways]
    for box in picture.boxes:
        final = " f" if box.state in table.final else ""
        parts.append(f'<rect class="s{final}" x="{box.x:.0f}" y="{box.y:.0f}" width="{box.wide:.0f}" '
                     f'height="{box.high:.0f}" rx="8"/>')  # fmt: skip
        parts.append(_text(box.x + PAD, box.y + 20, box.state, "n"))
        parts += [_text(box.x + PAD, box.y + 22 + LINE * n, line, "q") for n, line in enumerate(box.lines, 1)]
    x, y = picture.first.x + 20, picture.first.y
    parts.append(f'<circle class="a" cx="{x:.0f}" cy="{y - 34:.0f}" r="5"/><path class="w" marker-end="url(#a)" '
                 f'd="M{x:.0f} {y - 29:.0f}V{y:.0f}"/>')  # fmt: skip
    for way in picture.ways:
        x, y, wide, high = way.area
        parts.append(f'<rect class="l" x="{x:.0f}" y="{y:.0f}" width="{wide:.0f}" height="{high:.0f}"/>')
        parts += [_text(x + 4, y + 13 + LINE * n, line) for n, line in enumerate(way.arrow.lines)]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{picture.width:.0f}" height="{picture.height:.0f}" '
        f'viewBox="0 0 {picture.width:.0f} {picture.height:.0f}" role="img"><title>{escape(table.name)}: '
        f'{len(table.states)} states, {len(table.steps)} steps</title><style>{_STYLE}</style><defs><marker id="a" '
        'viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path class="a" '
        'd="M0 0L8 4L0 8z"/></marker></defs>'
    )
    return head + "".join(parts) + "</svg>\n"


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.0f}" y="{y:.0f}" xml:space="preserve">{escape(text)}</text>'
