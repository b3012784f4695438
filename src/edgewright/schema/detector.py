"""A fitted detector as a file: what it watches, from where on it is odd, and how it was chosen."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from edgewright.schema.data import Column, TimeUnit
from edgewright.schema.package import WindowSpec

DETECTOR_VERSION = 1


class Threshold(msgspec.Struct, frozen=True, kw_only=True):
    """From where on a score is odd, and what that rests on.

    Attributes:
        value: a score from here on is odd.
        by: 'quantile' of the training scores, 'labels', or 'given' by a person.
        quantile: of the training scores; NaN is never stored, 0 where none was used.
        margin: factor on that quantile.
        false_alarms: alarms a day (or in 1,000 rows, where nobody knows the rate) that the training rows gave.
        per: 'day' or '1000 rows'.
    """

    value: float
    by: Literal["quantile", "labels", "given"]
    quantile: float = 0.0
    margin: float = 1.0
    false_alarms: float = 0.0
    per: Literal["day", "1000 rows"] = "1000 rows"


class Skill(msgspec.Struct, frozen=True, kw_only=True):
    """How well one detector did where `auto` compared them.

    Attributes:
        kind: kind of the detector.
        skill: mean over the parts that were held out, 0 to 1.
        low, high: interval of 95 % of that mean.
        bytes: of what it learnt and what it remembers.
        why: a reason why it was left out; empty where it was not.
    """

    kind: str
    skill: float = 0.0
    low: float = 0.0
    high: float = 0.0
    bytes: int = 0
    why: str = ""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """How `auto` chose: by which measure, on what, and what each detector reached."""

    measure: str
    reason: str
    candidates: tuple[Skill, ...] = msgspec.field(name="tried")


class DetectorSpec(msgspec.Struct, frozen=True, kw_only=True):
    """`detector.json` of a detector's file; the arrays lie beside it.

    Attributes:
        version: version of the format; a newer one is refused by name.
        kind: a file of `monitor/detectors`.
        config: its settings.
        columns: channels in the order of a row.
        window: rows become windows first, and the detector sees their features; None for rows.
        rate: rows a second; None where nobody knows.
        time: column with the time of a row; empty for none.
        time_unit: of a time in numbers; 'auto' goes by the column's name and its magnitude.
        threshold: from where on a score is odd.
        refractory: rows (windows) after an alarm in which no other is raised; below 1, this share of the
            rows seen, of 20,000 at most.
        learnt: JSON part of what was learnt; `arrays` names the others, a file `arrays/NAME.npy` each.
        rows: that it was fitted on.
        choice: how it was chosen; None when it was named.
    """

    version: int = DETECTOR_VERSION
    kind: str
    config: dict[str, Any]
    columns: tuple[Column, ...]
    window: WindowSpec | None = None
    rate: float | None = None
    time: str = ""
    time_unit: TimeUnit = "auto"
    threshold: Threshold
    refractory: float = 0
    learnt: dict[str, Any] = {}
    arrays: tuple[str, ...] = ()
    rows: int = 0
    choice: Choice | None = None
