"""A dialogue as a picture (SVG) or as text for Mermaid: states as boxes by distance from the first, and arrows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

import msgspec

from edgewright.core.state_machine.validation import CheckedTable, states_of
from edgewright.schema.state_table import EVERY, TIMEOUT, Step

_LONGEST = 34


class Arrow(msgspec.Struct, frozen=True):
    """From a state to another, with a line for every step that goes there."""

    before: str
    after: str
    lines: tuple[str, ...]


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


def ways(checked: CheckedTable) -> Ways:
    """Return the arrows of a table that was checked."""
    table = checked.table
    going: dict[tuple[str, str], list[str]] = {}
    stays: dict[str, list[str]] = {state: [] for state in table.states}
    for step in table.steps:
        for state in states_of(step, table):
            if step.to and step.to != state:
                going.setdefault((state, step.to), []).append(named(step))
            else:
                stays[state].append(named(step))
    arrows = tuple(Arrow(before, after, tuple(lines)) for (before, after), lines in going.items())
    return Ways(arrows, {state: tuple(lines) for state, lines in stays.items()}, _ranks(checked, arrows))


def named(step: Step) -> str:
    """Return a step in a few words: `dispense_drink [drink]`, `after 30 s`, `anything else`."""
    if step.event == TIMEOUT:
        return f"after {step.after:g} s"
    event = "anything else" if step.event == EVERY else step.event
    guard = f" [{step.when.strip()}]" if step.when.strip() else ""
    whole = event + guard
    return whole if len(whole) <= _LONGEST else whole[: _LONGEST - 1] + "…"


def _ranks(checked: CheckedTable, arrows: tuple[Arrow, ...]) -> dict[str, int]:
    ranks, open_ = {checked.table.initial: 0}, [checked.table.initial]
    for state in open_:
        for arrow in arrows:
            if arrow.before == state and arrow.after not in ranks:
                ranks[arrow.after] = ranks[state] + 1
                open_.append(arrow.after)
    return {state: ranks.get(state, 0) for state in checked.table.states}


def mermaid(checked: CheckedTable) -> str:
    """Return the diagram as text for Mermaid (`stateDiagram-v2`)."""
    table, found = checked.table, ways(checked)
    plain = {state: f"s{number}" for number, state in enumerate(table.states)}
    lines = ["stateDiagram-v2", *(f'    state "{state}" as {plain[state]}' for state in table.states)]
    lines.append(f"    [*] --> {plain[table.initial]}")
    shown = [(a.before, a.after, line) for a in found.arrows for line in a.lines]
    shown += [(state, state, line) for state, stays in found.stays.items() for line in stays]
    lines += [f"    {plain[before]} --> {plain[after]}: {_plain(line)}" for before, after, line in shown]
    lines += [f"    {plain[state]} --> [*]" for state in table.final]
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Mermaid reads ';', '#' and ':' as its own."""
    return text.replace("#", "#35;").replace(";", "#59;").replace(":", "#58;")


_LETTER, _LINE, _PAD = 7.4, 15, 10
_APART, _MARGIN = 190, 24
_STYLE = (
    "text{font:12px ui-monospace,monospace;fill:#1b1b1b}.s{fill:#eef3fb;stroke:#2a5599;stroke-width:1.5}"
    ".f{stroke-width:4}.n{font-weight:bold;font-size:13px}.w{fill:none;stroke:#555;stroke-width:1.3}"
    ".l{fill:#fff;fill-opacity:.93}.q{fill:#555}.a{fill:#555}"
    "@media(prefers-color-scheme:dark){svg{background:#16181d}text{fill:#e8e8e8}.s{fill:#22304a;stroke:#7aa7ee}"
    ".w{stroke:#aaa}.l{fill:#16181d}.q,.a{fill:#aaa}}"
)


@dataclass
class _Box:
    state: str
    lines: tuple[str, ...]
    x: float = 0.0
    y: float = 0.0
    wide: float = 0.0
    high: float = 0.0


def svg(checked: CheckedTable) -> str:
    """Return the picture, 12 px letters; it reads without colours, and in dark surroundings.

    Arrows that go up a row end right of those that go down.
    """
    table, found = checked.table, ways(checked)
    boxes, gap = _placed(checked, found)
    width = max(box.x + box.wide for box in boxes.values()) + _MARGIN
    height = max(box.y + box.high for box in boxes.values()) + _MARGIN
    parts, labels = [], []
    ends = _ends(boxes, found.arrows)
    taken: list[tuple[float, float, float, float]] = [(b.x, b.y, b.wide, b.high) for b in boxes.values()]
    for number, arrow in enumerate(found.arrows):
        a, b = boxes[arrow.before], boxes[arrow.after]
        path, at = _path(a, b, ends[number], gap)
        parts.append(f'<path class="w" marker-end="url(#a)" d="{path}"/>')
        label, (right, low) = _label(arrow, at, 0.5 if a.y == b.y else 1.0 if b.y > a.y else 0.0, taken)
        labels.append(label)
        width, height = max(width, right + _MARGIN), max(height, low + _MARGIN)
    for box in boxes.values():
        final = " f" if box.state in table.final else ""
        parts.append(f'<rect class="s{final}" x="{box.x:.0f}" y="{box.y:.0f}" width="{box.wide:.0f}" '
                     f'height="{box.high:.0f}" rx="8"/>')  # fmt: skip
        parts.append(_text(box.x + _PAD, box.y + 20, box.state, "n"))
        parts += [_text(box.x + _PAD, box.y + 22 + _LINE * n, f"stays: {line}" if n == 1 else f"       {line}", "q")
                  for n, line in enumerate(box.lines, 1)]  # fmt: skip
    first = boxes[table.initial]
    parts.append(f'<circle class="a" cx="{first.x + 20:.0f}" cy="{_MARGIN - 14}" r="5"/><path class="w" '
                 f'marker-end="url(#a)" d="M{first.x + 20:.0f} {_MARGIN - 9}V{first.y:.0f}"/>')  # fmt: skip
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" role="img"><title>{escape(table.name)}: {len(table.states)} states, '
        f'{len(table.steps)} steps</title><style>{_STYLE}</style><defs><marker id="a" viewBox="0 0 8 8" refX="8" '
        'refY="4" markerWidth="8" markerHeight="8" orient="auto"><path class="a" d="M0 0L8 4L0 8z"/></marker></defs>'
    )
    return head + "".join([*parts, *labels]) + "</svg>\n"


def _placed(checked: CheckedTable, found: Ways) -> tuple[dict[str, _Box], float]:
    """Boxes with their places; rows are centred, and apart by as much as the labels between them need."""
    boxes: dict[str, _Box] = {}
    rows: dict[int, list[_Box]] = {}
    for state in checked.table.states:
        lines = found.stays[state]
        longest = max([len(state) * 1.1, *(len(line) + 7 for line in lines)])
        box = _Box(state, lines, wide=max(130.0, longest * _LETTER + 2 * _PAD), high=32.0 + _LINE * len(lines))
        boxes[state] = box
        rows.setdefault(found.ranks[state], []).append(box)
    # Labels between two rows stand under one another: the gap holds those of the busiest row.
    between: dict[int, int] = {}
    for arrow in found.arrows:
        low = min(found.ranks[arrow.before], found.ranks[arrow.after])
        between[low] = between.get(low, 0) + len(arrow.lines)
    gap = 70.0 + _LINE * max(between.values(), default=1) * 0.9
    widest = max(sum(b.wide for b in row) + _APART * (len(row) - 1) for row in rows.values())
    y = float(_MARGIN + 20)
    for rank in sorted(rows):
        row = rows[rank]
        x = _MARGIN + (widest - sum(b.wide for b in row) - _APART * (len(row) - 1)) / 2
        for box in row:
            box.x, box.y = x, y
            x += box.wide + _APART
        y += max(b.high for b in row) + gap
    return boxes, gap


def _ends(boxes: dict[str, _Box], arrows: tuple[Arrow, ...]) -> list[tuple[float, float]]:
    """Where each arrow leaves and enters, as shares of the boxes' widths: in the order of where the others are."""
    sides: dict[tuple[str, str], list[tuple[float, int, int]]] = {}
    for number, arrow in enumerate(arrows):
        a, b = boxes[arrow.before], boxes[arrow.after]
        level = a.y == b.y
        down = b.y > a.y
        leave, enter = ("bottom", "bottom") if level else ("bottom", "top") if down else ("top", "bottom")
        slack = 0.1 if down else 0.4
        sides.setdefault((arrow.before, leave), []).append((b.x + b.wide / 2 + slack, number, 0))
        sides.setdefault((arrow.after, enter), []).append((a.x + a.wide / 2 + slack, number, 1))
    found = [[0.5, 0.5] for _ in arrows]
    for points in sides.values():
        for index, (_, number, end) in enumerate(sorted(points), 1):
            found[number][end] = index / (len(points) + 1)
    return [(leave, enter) for leave, enter in found]


def _path(a: _Box, b: _Box, ends: tuple[float, float], gap: float) -> tuple[str, tuple[float, float]]:
    """Return a curve between two boxes and where its words stand."""
    x0, x1 = a.x + a.wide * ends[0], b.x + b.wide * ends[1]
    if a.y == b.y:
        y0, y1 = a.y + a.high, b.y + b.high
        # One to the left hangs deeper than one to the right.
        bend = max(y0, y1) + gap * (0.45 if x1 > x0 else 0.8)
        at = ((x0 + x1) / 2, y0 + (bend - y0) * 0.75)
        return f"M{x0:.0f} {y0:.0f}C{x0:.0f} {bend:.0f} {x1:.0f} {bend:.0f} {x1:.0f} {y1:.0f}", at
    down = b.y > a.y
    y0, y1 = (a.y + a.high, b.y) if down else (a.y, b.y + b.high)
    middle = (y0 + y1) / 2
    # Near the lower box, where curves run upright: words of a way down stand left of it, those of a way up right.
    t = 0.87 if down else 0.13
    before = (1 - t) ** 2 * (1 + 2 * t)
    y = (1 - t) ** 3 * y0 + 3 * (1 - t) * t * middle + t**3 * y1
    at = (x0 * before + x1 * (1 - before), y)
    return f"M{x0:.0f} {y0:.0f}C{x0:.0f} {middle:.0f} {x1:.0f} {middle:.0f} {x1:.0f} {y1:.0f}", at


def _label(
    arrow: Arrow, at: tuple[float, float], left: float, taken: list[tuple[float, float, float, float]]
) -> tuple[str, tuple[float, float]]:
    """Return the words of an arrow, moved down or up until they lie on nothing else; and their right and lower end.

    `left` says how much of them stands left of the point.
    """
    wide = max(len(line) for line in arrow.lines) * _LETTER + 8
    high = _LINE * len(arrow.lines) + 4
    x = max(2.0, at[0] - wide * left + (2 - 4 * left))
    y = at[1] - high / 2
    for turn in range(200):
        moved = y + math.ceil(turn / 2) * 6 * (1 if turn % 2 else -1)
        if all(x + wide <= u or u + w <= x or moved + high <= v or v + h <= moved for u, v, w, h in taken):
            y = moved
            break
    taken.append((x, y, wide, high))
    words = "".join(_text(x + 4, y + 13 + _LINE * n, line) for n, line in enumerate(arrow.lines))
    return f'<rect class="l" x="{x:.0f}" y="{y:.0f}" width="{wide:.0f}" height="{high}"/>{words}', (x + wide, y + high)


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.0f}" y="{y:.0f}" xml:space="preserve">{escape(text)}</text>'
