"""Lines of a table that cannot be read: all of a file in one pass, and the rest without them."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgewright.core.formatting import percent, plural
from edgewright.schema.errors import InputError

MAX_SHARE = 0.05
"""A file with a larger share of lines that cannot be read is refused: it is more likely misunderstood than damaged."""
# Faults that a message describes, faults whose lines it names, and faults that are stored.
_DESCRIBED, _NAMED, _STORED = 8, 40, 1000


@dataclass
class BadLines:
    """Lines of one file that cannot be read.

    Attributes:
        name: name of the file, for messages.
        rows: lines below the header.
        count: of them those that cannot be read.
        above: lines above the header that are no comment.
        faults: what is wrong with the first lines, by their place in the file.
    """

    name: str
    rows: int = 0
    count: int = 0
    above: int = 0
    faults: dict[str, InputError] = field(default_factory=dict)

    def add(self, fault: InputError) -> None:
        """Take what is wrong with a line; further faults of the same line are left out."""
        line = fault.where.removeprefix(f"{self.name} ").partition(",")[0]
        if len(self.faults) < _STORED:
            self.faults.setdefault(line, fault)

    @property
    def share(self) -> float:
        """Share of the rows that cannot be read."""
        return self.count / max(1, self.rows)

    def __str__(self) -> str:
        # Within a block, lines of another length are found before cells that are no numbers.
        faults = [self.faults[line] for line in sorted(self.faults, key=lambda line: (len(line), line))]
        places = [fault.where.removeprefix(f"{self.name} ") for fault in faults]
        described = zip(places[:_DESCRIBED], faults, strict=False)
        parts = [f"{line}: {fault.got} instead of {fault.expected}" for line, fault in described]
        parts += [line.partition(",")[0] for line in places[_DESCRIBED:_NAMED]]
        more = self.count + self.above - len(parts)
        return "; ".join(parts) + (f"; and {plural(more, 'more line')}" if more > 0 else "")

    @property
    def summary(self) -> str:
        """How many lines are left out, and which."""
        above = f", and {plural(self.above, 'line')} above the header" if self.above else ""
        return f"{self.count:,} of {plural(self.rows, 'row')} ({percent(self.share, 2)}){above} cannot be read: {self}"

    def error(self, first: InputError, leave_out: str, max_share: float = MAX_SHARE) -> InputError:
        """Return an error that lists all lines that cannot be read.

        Args:
            first: error that reading the file raised.
            leave_out: how to read the file without these lines.
            max_share: share of bad rows above which the first error is returned.
        """
        if not self.faults or self.share > max_share:
            return first
        if len(self.faults) == 1:
            return InputError(
                first.expected, first.got, first.where, f"{first.do}, or {leave_out}".removeprefix(", or ")
            )
        return InputError("rows that can be read", self.summary, self.name, f"Correct them, or {leave_out}")

    def refuse_many(self) -> None:
        """Refuse a file with too many bad lines.

        Raises:
            InputError: the share is above `MAX_SHARE`.
        """
        if self.share > MAX_SHARE:
            raise InputError(f"at most {percent(MAX_SHARE)} of rows that cannot be read", self.summary, self.name,
                             "Correct the file, or check its delimiter and header")  # fmt: skip
