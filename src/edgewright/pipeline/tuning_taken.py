"""Which point of the curve goes into the package: the cheapest, the one that is named, or within a rate of alarms."""

from __future__ import annotations

from collections.abc import Sequence

from edgewright.pipeline.tuning_asked import Asked
from edgewright.pipeline.tuning_choice import AtMost, Rule, best, rate_of
from edgewright.pipeline.tuning_grid import Tried
from edgewright.schema.errors import InputError


def taken(tried: Sequence[Tried], places: Sequence[int], asked: Asked, day: float | None) -> tuple[Rule, int]:
    """The point of the curve that was asked for.

    The curve itself is the same whichever is taken, so that a number read from one is good for the next call.

    Args:
        tried: decisions over all tapes.
        places: of those on the curve, the fewest missed first.
        asked: what.
        day: seconds of exposure in one; None where nobody knows the rate.

    Returns:
        By what others may judge it, and its place on the curve. A named point is what one takes who accepts as many
        false alarms as it has.

    Raises:
        InputError: no such point, no decision with so few alarms, or a rate where nobody knows that of the rows.
    """
    everyone = range(len(tried[0].tallies))
    if asked.point is not None:
        if not 1 <= asked.point <= len(places):
            raise InputError(f"a point of the curve, 1 to {len(places)}", str(asked.point), "--point")
        return AtMost(rate_of(tried[places[asked.point - 1]].tallies)), asked.point - 1
    rule: Rule = asked.cost
    if asked.most is not None:
        if day is None:
            raise InputError("recordings whose rate is known, to count alarms a day", "rows without time or rate",
                             "--alarms-per-day", "Name a point of the curve instead: --point")  # fmt: skip
        rule = within = AtMost(asked.most / day)
        least = tried[places[-1]].tallies
        if not within.keeps(least):
            raise InputError(
                f"a decision with at most {asked.most:g} false alarms a day",
                f"at least {rate_of(least) * day:.4g} (point {len(places)} of the curve)",
                "--alarms-per-day",
                "Accept as many, or let more windows agree: --smoothing, --debounce",
            )
    return rule, places.index(best(tried, rule, everyone, among=places))
