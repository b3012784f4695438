"""Measures of a fleet: what devices report or a control plane counts, and what gates limit.

Every file of this folder registers measures by name. Gates, columns and sums of the control plane, its early check, the
command line and the pages derive from them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from edgewright.core.catalogue import Registry
from edgewright.core.records.fleet import Vitals

DAY = 86_400.0
COUNTS = ("seconds", "windows", "unsure", "alarms", "anomalies", "crashes", "memory", "channels", "processor")
"""Columns with the same names as fields of `Vitals`."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A measure; the value of a device is `scale * column / over` of the totals of its reports.

    Attributes:
        meaning: what it is, in a line.
        column: number of a report; empty where the control plane works the votes out from its other tables.
        total: how the numbers of several reports become one.
        over: number of a report whose sum divides; empty for none.
        scale: factor, such as `DAY` for a rate.
        read: reading in the model's process, 0 where it cannot be taken. Of a sum, its rise counts while rows arrive;
            else it is read for each report. A `column` that is no field of `Vitals` is one of its own in the control
            plane: `python tools/make_migration.py` writes its migration.
        unit: text after a value, with the space between.
        share: whether it is a share of devices; the gate compares a quantile of all others.
        default: limit and ratio of the default gate; None for no such gate.
        rank: place of that gate in a plan.
    """

    meaning: str
    column: str = ""
    total: Literal["sum", "avg", "max"] = "sum"
    over: str = ""
    scale: float = 1.0
    read: Callable[[], float] | None = None
    unit: str = ""
    share: bool = False
    default: tuple[float, float] | None = None
    rank: int = 100

    def value(self, numbers: Mapping[str, float]) -> float | None:
        """Return the value from totals by column; None where the reports do not contain it.

        A total of 0 is none of a reading, a mean or a largest number, but a count as any other.
        """
        counted = self.total == "sum" and self.read is None
        if not self.column or not (counted or numbers[self.column] > 0) or (self.over and numbers[self.over] <= 0):
            return None
        return self.scale * numbers[self.column] / (numbers[self.over] if self.over else 1.0)

    @property
    def is_fraction(self) -> bool:
        """Whether values are shown in percent."""
        return bool(self.over) and self.scale == 1.0


register: Registry[Measure] = Registry(__name__)
"""Registers a measure under its name."""


@cache
def measures() -> Mapping[str, Measure]:
    """Return all measures by name, in alphabetical order."""
    return dict(sorted(register.known.items()))


def meaning(name: str) -> str:
    """Return what a measure is, in a line."""
    return measures()[name].meaning


@cache
def added() -> tuple[str, ...]:
    """Return the columns that only `Vitals.measured` has."""
    return tuple(measure.column for measure in measures().values() if measure.read and measure.column not in COUNTS)


def columns(vitals: Vitals) -> dict[str, float]:
    """Return the numbers of a report by column; 0 for what the device does not measure."""
    return {
        **{name: getattr(vitals, name) for name in COUNTS},
        "latency_p50": vitals.latency[0], "latency_p99": vitals.latency[1], "drifting": len(vitals.drifting),
        **{name: (vitals.measured or {}).get(name, 0.0) for name in added()},
    }  # fmt: skip
