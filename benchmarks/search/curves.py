"""Learning curves made from half of the data, held against the whole: ten public sets, one prediction each.

Half of the training samples of each fold (whole people, or stretches of time where there are few) is all that a
prediction may train on; the samples that judge are the same for both. Which model a set gets is the ladder's choice
from half of the data (`_curve_cases.py`), not ours. An interval wider than a third of the error does not count.
"""

from __future__ import annotations

import sys
import time

from benchmarks.search._curve_cases import CASES, HALF, MAJORITY, Case, quiet
from benchmarks.table import markdown, verdict
from edgewright.schema.curve import Curves
from edgewright.search.curves.measure import Asked, measure
from edgewright.search.curves.verdict import figure

WANTED = 8
WIDEST = 1 / 3


def counts(record: Curves) -> bool:
    """Whether the prediction came true in an interval that is narrow enough to say something."""
    told = record.data.predicted
    return bool(record.data.inside) and (told.high - told.low) <= WIDEST * told.value


def row_of(case: Case) -> tuple[bool, list[str]]:
    """Whether the prediction of a set counts, and its row of the table."""
    began = time.process_time()
    rung, learner = case.model()
    chosen = time.process_time() - began
    print(f"  {rung}, chosen in {chosen:.0f} s", file=sys.stderr, flush=True)
    record = measure(learner(), Asked(pool=HALF, check=True, parameters=False), quiet)
    told, share = record.data.predicted, record.share
    for point in record.data.points:
        print(f"  {point.size:,.0f}: {', '.join(figure(e, share) for e in point.errors)}", file=sys.stderr, flush=True)
    good = counts(record) and rung != MAJORITY
    spent = time.process_time() - began - chosen
    row = [
        case.name, f"{record.model}, {record.error}", f"{record.data.points[-1].size:,.0f}",
        figure(record.data.points[-1].mean, share),
        f"{figure(told.value, share)} ({figure(told.low, share)} to {figure(told.high, share)})",
        f"{(told.high - told.low) / told.value:.2f}", figure(record.data.measured or 0.0, share),
        "inside" if record.data.inside else "outside", verdict(good) if case.counted else "not one of the ten",
        f"{chosen:.0f} + {spent:.0f} s",
    ]  # fmt: skip
    print("  " + " | ".join(row), file=sys.stderr, flush=True)
    return good and case.counted, row


def run(wanted: list[str]) -> int:
    """As `python -m benchmarks.search curves SET ...`."""
    return main(wanted)


def main(wanted: list[str]) -> int:
    """Prints the table; 1 when fewer than eight predictions count."""
    unknown = sorted(set(wanted) - {case.name for case in CASES})
    if unknown:
        print(f"no {', '.join(unknown)}; there are {', '.join(case.name for case in CASES)}")
        return 2
    rows, good, done = [], 0, 0
    for case in CASES:
        if wanted and case.name not in wanted:
            continue
        print(f"{case.name} ...", file=sys.stderr, flush=True)
        came_true, row = row_of(case)
        rows.append(row)
        good, done = good + came_true, done + case.counted
    heads = [
        "set", "model, error", "half", "error", "predicted for the whole, 90 %", "width", "measured", "", "counts",
        "CPU, ladder + curve",
    ]  # fmt: skip
    print(markdown(heads, rows))
    ten = sum(case.counted for case in CASES)
    print(f"{good} of {done} inside, and narrower than a third of the error; {WANTED} of {ten} asked for")
    return int(not wanted and good < WANTED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
