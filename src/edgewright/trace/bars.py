"""Small bars of the page: the values of a layer, and a budget with what is used of it."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape


def bars(values: Sequence[float], label: str) -> Markup:
    """A row of small bars, one a value, from a common base line; what is zero stays a dot on that line."""
    shown = [float(value) for value in values]
    top, bottom = max([0.0, *shown]), min([0.0, *shown])
    span = top - bottom or 1.0
    height = 28.0
    base = height * top / span if span else height
    path = []
    for i, value in enumerate(shown):
        size = height * value / span
        y = base - max(size, 0.0)
        if value == 0:
            path.append(f"M{4 * i} {_short(min(base, height) - 1)}h3v1h-3z")
        else:
            path.append(f"M{4 * i} {_short(y)}h3v{_short(max(abs(size), 0.5))}h-3z")
    return Markup(  # noqa: S704 - figures only; the label is escaped
        f'<svg class="bars" role="img" aria-label="{escape(label)}" viewBox="0 0 {max(4 * len(shown) - 1, 1)} 28" '
        f'preserveAspectRatio="none"><path d="{"".join(path)}"/></svg>'
    )


def _short(value: float) -> str:
    text = f"{value:.1f}".rstrip("0").rstrip(".")
    return text if text not in ("-0", "") else "0"


def budget_bar(used: float, low: float, high: float, available: float, state: str, label: str) -> Markup:
    """Used against available as a bar, the budget as its whole width; the interval of an estimate lies over it."""
    scale = 100 / available

    def place(value: float) -> str:
        return _short(min(100.0, max(0.0, value * scale)))

    span = ""
    if high > low:
        x, width = place(low), _short(max(0.6, float(place(high)) - float(place(low))))
        span = f'<rect class="span" x="{x}" y="3" width="{width}" height="4"/>'
    width = _short(max(0.6, float(place(used)))) if used > 0 else "0"
    return Markup(  # noqa: S704 - figures only; the label is escaped
        f'<svg class="budget {state}" role="img" aria-label="{escape(label)}" viewBox="0 0 100 10" '
        f'preserveAspectRatio="none"><rect class="all" width="100" height="10"/>'
        f'<rect class="used" width="{width}" height="10"/>{span}</svg>'
    )
