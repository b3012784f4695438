"""`python -m benchmarks.own_data`: `init --yes` and `run` against pipelines by hand that owe nothing to them.

    python -m benchmarks.own_data [--data FOLDER] [--folder FOLDER] [SET ...]

By hand, a pipeline is chosen by cross-validation on the samples that do not test, and fitted on all of those. Both
answer the test samples of the split that `init` makes. Folds keep whole what the split keeps whole.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.default.plain_files import FILES
from benchmarks.own_data.by_hand import ai4i2020, digits, occupancy, strokes, wisdm
from benchmarks.own_data.by_init import ProposedRun, found_by_init
from benchmarks.own_data.choosing import Candidate, chosen, score
from benchmarks.table import ROOT, markdown, verdict
from edgewright.core.records.data import Samples
from edgewright.core.records.trace import Interval
from edgewright.training import metrics

# Share of the score by hand that `init` and `run` are asked to reach.
MIN_RATIO = 0.97
# Rows of a time series that are drawn together for an interval.
_BLOCK = 60

Candidates = Callable[[Samples, Path], list[Candidate]]
BY_HAND: dict[str, dict[str, Candidates]] = {
    "wisdm": {"": wisdm.candidates},
    "strokes": {"": strokes.candidates},
    "strokes-text-ids": {"": strokes.candidates},
    "occupancy": {"": occupancy.candidates},
    "ai4i2020": {"": ai4i2020.candidates, ", numbers only by hand too": ai4i2020.numeric},
    "digits": {"": digits.candidates},
}


def main(arguments: list[str] | None = None) -> int:
    """Print the tables; 1 where a ratio is below what is asked."""
    given = _arguments(arguments)
    rows, people, reached = [], [], True
    with tempfile.TemporaryDirectory() as room:
        for name in given.sets or FILES:
            folder = Path(given.folder or room) / name
            folder.mkdir(parents=True, exist_ok=True)
            public, write = FILES[name]
            proposed = found_by_init(folder, write(given.data / public, folder))
            for more, candidates in BY_HAND[name].items():
                ways = candidates(proposed.samples, folder)
                row, ratio = _compared(proposed, ways)
                reached &= ratio >= MIN_RATIO
                rows.append([name + more, *row])
                print(f"{name}{more}: {row}", file=sys.stderr, flush=True)
            if proposed.left_out:
                people += _left_out(name, proposed, ways)
    print(markdown(["set", "tests", "by hand", "CV", "by hand, test", "`init` + `run`, test", "ratio",
                    "difference (95 % CI)", f"at least {MIN_RATIO:g}"], rows))  # fmt: skip
    if people:
        print("\nAccuracy on each person, by pipelines that have not seen the person:\n")
        print(markdown(["set, person", "by hand", "pipeline", "`init` + `run`"], people))
    print(f"\n{time.process_time():.0f} CPU-seconds by hand.")
    return 0 if reached else 1


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    shared = Path(os.environ.get("EDGEWRIGHT_SHARED", ROOT.parent / "shared")) / "data"
    parser = argparse.ArgumentParser(prog="python -m benchmarks.own_data")
    parser.add_argument("--data", type=Path, default=shared, help="folder of the public sets")
    parser.add_argument("--folder", help="where runs are kept; a run that is there is used again")
    parser.add_argument("sets", nargs="*", choices=[[], *FILES], metavar="SET", help=f"of {', '.join(FILES)}; all")
    return parser.parse_args(arguments)


def _compared(proposed: ProposedRun, ways: list[Candidate]) -> tuple[list[str], float]:
    """Choose a pipeline, let it answer the test samples, and return a row of the table and the ratio."""
    samples, test, by = proposed.samples, proposed.sides.test, proposed.sides.by
    best, validation = chosen(ways, samples, by, proposed.choosing)
    hand = best.answers(samples.y, proposed.choosing, test)
    truth = samples.y[test]
    by_hand, by_init = score(truth, hand), score(truth, proposed.answers)
    names = np.unique(samples.y)
    true, first, second = (np.searchsorted(names, labels) for labels in (truth, proposed.answers, hand))

    def difference(some: metrics.Numbers) -> float:
        scores = [metrics.macro_f1(true[some], answers[some], len(names)) for answers in (first, second)]
        return scores[0] - scores[1]

    units, units_text = _units(proposed)
    alone = metrics.group_interval(np.arange(len(test)), difference, by="sample")
    gap = metrics.widened(alone, units, difference)
    ratio = by_init / by_hand
    figures = [f"{validation:.3f}", f"{by_hand:.4f}", f"{by_init:.4f}", f"{ratio:.3f}", _signed(gap)]
    row = [units_text, best.name, *figures, verdict(ratio >= MIN_RATIO)]
    return row, ratio


def _units(proposed: ProposedRun) -> tuple[NDArray[np.generic] | None, str]:
    """Return what is drawn together for an interval, and what tests in words."""
    samples, test = proposed.samples, proposed.sides.test
    if proposed.sides.by == "group" and samples.groups is not None:
        groups = samples.groups[test]
        count = len(np.unique(groups))
        return groups, f"{len(test):,} samples of {count} " + ("person" if count == 1 else "people")
    if proposed.sides.by == "time":
        return samples.starts[test] // _BLOCK, f"{len(test):,} later rows"
    return None, f"{len(test):,} rows" if proposed.sides.by == "row" else f"{len(test):,} sessions"


def _left_out(name: str, proposed: ProposedRun, ways: list[Candidate]) -> list[list[str]]:
    """Return a row for each person: by hand, the others choose the pipeline too."""
    samples, rows, hand = proposed.samples, [], []
    groups = np.asarray(samples.groups)
    for person in sorted(proposed.left_out):
        test, others = np.flatnonzero(groups == person), np.flatnonzero(groups != person)
        best, _ = chosen(ways, samples, "group", others)
        hand.append(float(np.mean(best.answers(samples.y, others, test) == samples.y[test])))
        rows.append([f"{name}, {person}", f"{hand[-1]:.3f}", best.name, f"{proposed.left_out[person]:.3f}"])
    mine = np.array([accuracy for _, accuracy in sorted(proposed.left_out.items())])
    gains = mine - hand
    gap = metrics.group_interval(np.arange(len(gains)), lambda some: float(gains[some].mean()), by="person")
    summary = f"ratio {mine.mean() / np.mean(hand):.3f}, difference {_signed(gap)}"
    return [*rows, [f"{name}, mean", f"{np.mean(hand):.3f}", summary, f"{mine.mean():.3f}"]]


def _signed(gap: Interval) -> str:
    return f"{gap.value:+.3f} ({gap.low:+.3f} to {gap.high:+.3f})"


if __name__ == "__main__":
    sys.exit(main())
