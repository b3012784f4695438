"""What `init --yes` does not read right yet: a list that only becomes shorter, because a test counts on each line."""

from __future__ import annotations

from dataclasses import dataclass

from odd_files.shape import SEEDS

ALL = tuple(range(SEEDS))


@dataclass(frozen=True)
class Lack:
    """What is missing for a shape, and the seeds whose files are refused, and read wrongly."""

    why: str
    refused: tuple[int, ...] = ()
    wrong: tuple[int, ...] = ()


NOT_YET = {
    "two_rates": Lack("recordings of one file have one rate", refused=ALL),
}
