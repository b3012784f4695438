"""How many windows in a row must agree before a device decides, and why."""

from __future__ import annotations

from edgewright.schema.trace_flow import Part


class DebounceRow(Part, frozen=True, kw_only=True):
    """Whole recordings under one number of windows that must agree.

    Attributes:
        debounce: the number.
        wrong: share of the labelled time in which the decision is not the label, delays included.
        false_per_hour: decisions for a label that no row of their window has.
        delay_s: median time from a change of label to the decision for it; None where none was found.
        missed: changes of label that were never decided.
        cost_s: wrong seconds an hour, with the price of each false switch and of each change that was never decided.
        hidden: labels of which it hides so many changes that it is not taken.
    """

    debounce: int
    wrong: float
    false_per_hour: float
    delay_s: float | None
    missed: int
    cost_s: float
    hidden: tuple[str, ...] = ()


class DebounceRecord(Part, frozen=True, kw_only=True):
    """The choice of `decision.debounce`.

    Attributes:
        chosen: number of windows that must agree; 1 where none could be chosen.
        why: the choice, or why there was none, in a sentence.
        false_switch_s: price of a false switch, and of a missed one: so many seconds of wrong decision.
        chosen_on: whose recordings chose.
        hours, changes: labelled hours of them, and changes of label within.
        tried: all numbers on these recordings.
        judged_on: whose recordings took no part in the choice; empty where there are none.
        judged: 1 and the chosen number on those.
    """

    chosen: int
    why: str
    false_switch_s: float = 0.0
    chosen_on: str = ""
    hours: float = 0.0
    changes: int = 0
    tried: tuple[DebounceRow, ...] = ()
    judged_on: str = ""
    judged: tuple[DebounceRow, ...] = ()
