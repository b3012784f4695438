"""The plot in characters and the numbers beside it."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.trace.blocks.terminal import plot, plot_text, spark
from edgewright.trace.blocks.view_blocks import Curve


def test_falling_line_starts_at_the_top_and_ends_at_the_bottom() -> None:
    lines = plot_text(
        plot(
            [Curve("loss", tuple(zip((1, 2, 3), (3.0, 2.0, 1.0), strict=True)))],
            width=20,
            height=5,
            unicode=False,
            x_name="epoch",
        )
    ).splitlines()
    assert lines[0] == "* loss"
    assert lines[1].startswith("3 |*")
    assert lines[5].endswith("*")
    assert lines[6] == "  +" + "-" * 17
    assert lines[7].split() == ["1", "epoch", "3"]


def test_braille_only_in_unicode() -> None:
    series = [
        Curve("a", tuple(zip((0, 1, 2), (0.0, 5.0, 1.0), strict=True))),
        Curve("b", tuple(zip((0, 1, 2), (1.0, 1.0, 1.0), strict=True))),
    ]
    text = plot_text(plot(series, width=40, height=6, unicode=True))
    assert any("⠀" < c <= "⣿" for c in text)
    assert "•" in text
    assert plot_text(plot(series, width=40, height=6, unicode=False)).isascii()


def test_nothing_finite_nothing_drawn() -> None:
    assert plot([Curve("a", tuple(zip((1.0,), (math.nan,), strict=True)))], width=30, height=5, unicode=True) == []
    assert plot([], width=30, height=5, unicode=True) == []


@settings(max_examples=60)
@given(
    st.lists(st.floats(-1e9, 1e9) | st.just(math.nan) | st.just(math.inf), min_size=1, max_size=40),
    st.integers(24, 120),
    st.integers(1, 12),
    st.booleans(),
)
def test_never_wider_than_asked(values: list[float], width: int, height: int, unicode: bool) -> None:
    x = tuple(float(i) for i in range(len(values)))
    lines = plot([Curve("s", tuple(zip(x, values, strict=True)))], width=width, height=height, unicode=unicode)
    assert all(sum(len(p.text) for p in line) <= width for line in lines)
    assert len(lines) in (0, height + 3)


def test_spark() -> None:
    assert spark((0.0, -1.0, 1.0, 2.0), unicode=True) == "  ▄█"
    assert spark((0.0, 0.0), unicode=False) == "  "
    assert spark((), unicode=True) == ""
    assert spark((math.nan, 1.0), unicode=False) == " @"
