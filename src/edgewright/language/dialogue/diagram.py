"""A dialogue as a picture (SVG) or as text for Mermaid: states as boxes, and arrows."""

from __future__ import annotations

from html import escape

from edgewright.language.dialogue.diagram_layout import LINE, PAD, drawing, ways
from edgewright.schema.state_table import StateTable


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
