"""Learning curves made from half of the data, held against the whole: ten public sets, one prediction each.

Half of the training samples of each fold (whole people, or stretches of time where there are few) is all that a
prediction may train on; the samples that judge are the same for both. Which model a set gets is the ladder's choice
from half of the data (`_curve_cases.py`), not ours. Two things are counted: how many intervals hold (coverage) and how
many are at most a third of the error wide (sharpness). Where a curve says beforehand that it cannot answer, nothing is
promised. `--keep DIR` keeps what was measured, with the rung, and trains nothing that is there.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from benchmarks.search._curve_cases import CASES, HALF, MAJORITY, Case
from benchmarks.search._curve_records import curve, kept
from benchmarks.table import markdown
from edgewright.schema.advice import CurveRecord
from edgewright.search.curves.measure import Learner, figure
from edgewright.search.curves.noise import MAX_RELATIVE_WIDTH

WANTED = 0.8


def width(record: CurveRecord) -> float:
    """Of the interval, as a share of what is predicted."""
    return (record.predicted.high - record.predicted.low) / record.predicted.value


def row_of(case: Case, folder: Path | None) -> tuple[CurveRecord | None, list[str]]:
    """Return the curve of a set, None where its model is no model, and its row of the table."""
    began = time.process_time()
    there = sorted(folder.glob(f"{case.name}.*.json")) if folder is not None else []
    if there:
        rung, record = there[0].name.split(".")[1], curve(folder, there[0].stem, HALF, _nothing)
    else:
        rung, learner = case.model()
        record = curve(folder, f"{case.name}.{rung}", HALF, learner)
    spent = record.cpu_seconds if there else time.process_time() - began
    judges = record.judges
    data, share = record.data, record.share
    interval, last = data.predicted, data.points[-1].mean
    row = [
        case.name,
        f"{record.model}, {record.error}",
        figure(last, share),
        f"{last * judges:,.0f}" if judges else "",
        f"{figure(interval.value, share)} ({figure(interval.low, share)} to {figure(interval.high, share)})",
        f"{width(data):.2f}",
        data.unanswerable or "yes",
        figure(data.measured or 0.0, share),
        "inside" if data.inside else "outside",
        f"{spent:.0f} s",
    ]
    print("  " + " | ".join(row), file=sys.stderr, flush=True)
    return data if case.counted and rung != MAJORITY else None, row


def _nothing() -> Learner:
    raise AssertionError("the record is there")


def run(wanted: list[str]) -> int:
    """As `python -m benchmarks.search curves SET ... --keep DIR`."""
    return main(wanted)


def main(wanted: list[str]) -> int:
    """Print the table; 1 when fewer than 80 % of what was promised came true."""
    names, folder = kept(wanted)
    unknown = sorted(set(names) - {case.name for case in CASES})
    if unknown:
        print(f"no {', '.join(unknown)}; there are {', '.join(case.name for case in CASES)}")
        return 2
    rows, records = [], []
    for case in CASES:
        if names and case.name not in names:
            continue
        print(f"{case.name} ...", file=sys.stderr, flush=True)
        data, row = row_of(case, folder)
        rows.append(row)
        records += [data] if data is not None else []
    heads = [
        "set", "model, error", "half", "wrong answers", "predicted for the whole, 80 %", "width", "answerable",
        "measured", "", "CPU",
    ]  # fmt: skip
    print(markdown(heads, rows))
    print(summary(records))
    promised = [one for one in records if not one.unanswerable]
    return int(sum(bool(one.inside) for one in promised) < WANTED * len(promised))


def summary(records: list[CurveRecord]) -> str:
    """Coverage and sharpness, of all and of those that say beforehand that they can answer."""
    inside, sharp = sum(bool(one.inside) for one in records), sum(width(one) <= MAX_RELATIVE_WIDTH for one in records)
    promised = [one for one in records if not one.unanswerable]
    right = sum(bool(one.inside) for one in promised)
    return (
        f"coverage: {inside} of {len(records)} inside; sharpness: {sharp} of {len(records)} at most a third of the "
        f"error wide; declared answerable beforehand: {len(promised)}, of which {right} inside"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
