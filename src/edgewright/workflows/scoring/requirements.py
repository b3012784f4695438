"""Needs such as `accuracy>=0.9`, held against the figures of a score."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence

from edgewright.schema.errors import InputError, UnknownNameError
from edgewright.schema.score import NeedRow
from edgewright.schema.trace import Interval

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt,
}  # fmt: skip
_NEED = re.compile(r"\s*(.+?)\s*(>=|<=|>|<)\s*([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*(%?)\s*")


def check_needs(needs: Sequence[str], figures: Mapping[str, Interval]) -> tuple[NeedRow, ...]:
    """Each need with its figure, and whether it is met.

    Args:
        needs: such as `accuracy>=0.9`, `accuracy.low>=90%`, `rmse<15`; several may stand in one text, with commas.
        figures: by name.

    Raises:
        InputError: a need that cannot be read.
        UnknownNameError: a figure that the score does not have.
    """
    return tuple(_checked(need, figures) for text in needs for need in text.split(",") if need.strip())


def _checked(text: str, figures: Mapping[str, Interval]) -> NeedRow:
    match = _NEED.fullmatch(text)
    if match is None:
        raise InputError("a need such as accuracy>=0.9 or rmse<=15", repr(text), "--need")
    name, sign, amount, share = match.groups()
    stem, _, end = name.rpartition(".")
    if name not in figures and end in ("low", "high") and stem in figures:
        figure = getattr(figures[stem], end)
    elif name in figures:
        figure = figures[name].value
    else:
        raise UnknownNameError("figure", name, figures, "--need")
    limit = float(amount) / (100 if share else 1)
    # A figure that is not a number meets nothing: every comparison with it is false.
    return NeedRow(text=text.strip(), figure=figure, met=_COMPARE[sign](figure, limit))
