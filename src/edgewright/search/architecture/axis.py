"""One thing that a search varies, and the values it may take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

Value: TypeAlias = bool | int | float | str
Point: TypeAlias = dict[str, Value]


@dataclass(frozen=True)
class Axis:
    """One thing that varies.

    Attributes:
        name: key of a point.
        choices: values; empty for a range.
        low, high: of a range, both ends in it.
        step: of whole numbers; 0 for a range of real numbers, on a logarithmic scale.
    """

    name: str
    choices: tuple[Value, ...] = ()
    low: float = 0.0
    high: float = 0.0
    step: int = 0

    def nearest(self, value: Value) -> Value:
        """The value it may take that is nearest to one that it may not."""
        if self.choices:
            if value in self.choices:
                return value
            numbers = all(isinstance(choice, int | float) for choice in self.choices)
            if not numbers or isinstance(value, str):
                return self.choices[0]
            return min(self.choices, key=lambda choice: abs(float(choice) - float(value)))
        inside = min(max(float(value), self.low), self.high)
        return inside if not self.step else int(self.low + round((inside - self.low) / self.step) * self.step)

    def least(self) -> Value:
        """The smallest value, or the first of those that are no numbers."""
        if self.choices:
            numbers = [choice for choice in self.choices if isinstance(choice, int | float)]
            return min(numbers) if len(numbers) == len(self.choices) else self.choices[0]
        return int(self.low) if self.step else self.low
