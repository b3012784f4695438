"""Learning curves made from half of the data, held against the whole: ten public sets, one prediction each.

Half of the training samples (whole people, or stretches of time where there are few) is all that a prediction may
use; the samples that judge are the same for both. A small network is trained on features of windows and on rows, a
linear model and a forest on two tables (where the ladder stops at a threshold and at a rule list, whose error falls in
jumps that no power law follows), a student of intents on utterances. An interval wider than a third of the error does
not count.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from benchmarks.language.row import DATA
from benchmarks.table import markdown, verdict
from edgewright.language.utterances import read
from edgewright.schema.config import WindowConfig
from edgewright.schema.curve import Curves
from edgewright.search.curves.contract import Learner
from edgewright.search.curves.measure import Asked, measure
from edgewright.search.curves.of_samples import OfSamples
from edgewright.search.curves.of_text import OfText
from edgewright.search.curves.verdict import figure
from edgewright.search.ladder.metrics import choose
from edgewright.search.ladder.setup import problem_and_config

WANTED = 8
WIDEST = 1 / 3
_FAILURES = ("TWF", "HDF", "PWF", "OSF", "RNF")


@dataclass(frozen=True)
class Case:
    """A set and what is trained on it."""

    name: str
    learner: Callable[[], Learner]


def _samples(
    rung: str,
    data: str,
    table: dict[str, object],
    window: WindowConfig | None = None,
    metric: str = "",
    path: str | None = None,
) -> Learner:
    problem, config, _ = problem_and_config(data, table, window=window, path=path)
    return OfSamples(problem, config, rung, choose(problem, metric)[0])


def _set(rung: str, folder: str, window: WindowConfig | None = None, metric: str = "", **table: object) -> Case:
    place = str(DATA / folder)
    return Case(folder, partial(_samples, rung, place, dict(table), window, metric))


def _text(folder: str, size: int, *files: str) -> Case:
    def learner() -> Learner:
        place = DATA / folder
        found = [read(path) for file in files for path in sorted(place.glob(file))]
        judges = tuple(one for part in found for one in part.validation)
        return OfText(folder, tuple(one for part in found for one in part.utterances), judges, size=size)

    return Case(folder, learner)


CASES = (
    Case("har-hapt", partial(_samples, "small_network", "hapt", {}, None, "accuracy", str(DATA / "har-hapt"))),
    _set("small_network", "har-wisdm-watch", WindowConfig(samples=200, step=100), kind="wisdm_watch"),
    _set("small_network", "mitdb", metric="accuracy", kind="mitdb"),
    Case(
        "occupancy",
        partial(
            _samples, "linear", str(DATA / "occupancy" / "datatraining.txt"),
            {"target": "Occupancy", "time": "date"}, None, "accuracy",
        ),
    ),
    Case(
        "ai4i2020",
        partial(
            _samples, "forest", str(DATA / "ai4i2020" / "ai4i2020.csv"),
            {"target": "Machine failure", "ignore": [*_FAILURES, "UDI", "Product ID", "Type"]}, None, "accuracy",
        ),
    ),
    _set("small_network", "fsdd", WindowConfig(samples=8000, step=8000, within="recording", pad=True), kind="fsdd"),
    _text("snips", 64_000, "train_*_full.json"),
    _text("clinc150", 64_000, "data_full.json"),
    _set("small_network", "cmapss", metric="rmse", kind="cmapss"),
    _set(
        "small_network", "magic-wand-digits",
        WindowConfig(samples=160, step=160, within="recording", pad=True), kind="magic_wand",
    ),
)  # fmt: skip


@contextlib.contextmanager
def _quiet(label: str, total: int | None) -> Iterator[Callable[[int], None]]:
    yield lambda count: None


def counts(record: Curves) -> bool:
    """Whether the prediction came true in an interval that is narrow enough to say something."""
    told = record.data.predicted
    return bool(record.data.inside) and (told.high - told.low) <= WIDEST * told.value


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
        began = time.process_time()
        record = measure(case.learner(), Asked(pool=0.5, check=True, parameters=False), _quiet)
        told, share = record.data.predicted, record.share
        for point in record.data.points:
            print(
                f"  {point.size:,.0f}: {', '.join(figure(e, share) for e in point.errors)}", file=sys.stderr, flush=True
            )
        width = (told.high - told.low) / told.value
        good, done = good + counts(record), done + 1
        rows.append(
            [
                case.name, f"{record.model}, {record.error}", f"{record.data.points[-1].size:,.0f}",
                figure(record.data.points[-1].mean, share),
                f"{figure(told.value, share)} ({figure(told.low, share)} to {figure(told.high, share)})",
                f"{width:.2f}", figure(record.data.measured or 0.0, share), verdict(counts(record)),
                f"{time.process_time() - began:.0f} s",
            ]
        )  # fmt: skip
        print("  " + " | ".join(rows[-1]), file=sys.stderr, flush=True)
    heads = ["set", "model, error", "half", "error", "predicted for the whole, 90 %", "width", "measured", "", "CPU"]
    print(markdown(heads, rows))
    print(f"{good} of {done} inside, and narrower than a third of the error; {WANTED} of {len(CASES)} asked for")
    return int(not wanted and good < WANTED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
