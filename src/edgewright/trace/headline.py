"""The figure that leads wherever a run is shown: page, list of runs, comparison and quiz."""

from __future__ import annotations

from dataclasses import dataclass

from edgewright.core.formatting import number, percent, plural
from edgewright.schema.trace import Interval, LeftOutRecord
from edgewright.trace.readiness import says_little


@dataclass(frozen=True)
class Headline:
    """A figure with its 95 % interval, and what it was measured on.

    Attributes:
        measure: 'accuracy' or 'rmse'.
        by: what was left out once in turn, such as 'person'; empty for the test samples of one split.
        groups: how many were left out; 0 for test samples.
        interval: value and interval.
        little: whether so few groups say little about another one.
    """

    measure: str
    by: str
    groups: int
    interval: Interval
    little: bool = False

    @property
    def name(self) -> str:
        """Measure and source: 'accuracy, each person left out once'; 'test accuracy'."""
        return f"{self.measure}, each {self.by} left out once" if self.by else f"test {self.measure}"

    @property
    def figure(self) -> str:
        """The value as text."""
        return self._text(self.interval.value)

    @property
    def span(self) -> str:
        """The interval as text: '86.4 % to 89.2 %'."""
        return f"{self._text(self.interval.low)} to {self._text(self.interval.high)}"

    @property
    def source(self) -> str:
        """What so many groups say: 'by person, 4 groups'; empty for test samples."""
        little = ": says little" if self.little else ""
        return f"by {self.by}, {plural(self.groups, 'group')}{little}" if self.by else ""

    def _text(self, value: float) -> str:
        return percent(value, 1) if self.measure == "accuracy" else number(value)


def headline(accuracy: Interval | None, left_out: LeftOutRecord | None) -> Headline | None:
    """Return the figure that leads: of groups left out in turn, else the accuracy on the test samples.

    Args:
        accuracy: on the test samples of one split; None for an amount.
        left_out: each group left out once; None where it was not measured.

    Returns:
        The figure; None for an amount without groups left out, whose errors have no leading one.
    """
    if left_out is not None:
        measure = "accuracy" if left_out.r2 is None else "rmse"
        return Headline(measure, left_out.by, len(left_out.groups), left_out.score, says_little(left_out))
    return None if accuracy is None else Headline("accuracy", "", 0, accuracy)
