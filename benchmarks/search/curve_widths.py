"""How wide intervals of curves must be: predictions on sets that are none of the ten, one set left out at a time.

Every set is asked twice with each model: from half for the whole, and from a quarter for half. The factor that
`promise` widens by is the quantile that split conformal prediction owes, of how far measured errors lay from predicted
ones in halves of the interval. Here each set is judged by the factor of the others. `--keep DIR` keeps what was
measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.datasets import activities
from benchmarks.language.row import DATA
from benchmarks.search._curve_records import curve, kept
from benchmarks.table import markdown
from edgewright.data.public import register_sets
from edgewright.race.metrics import choose
from edgewright.race.problem import problem_of_pipeline
from edgewright.schema.config import PipelineConfig, WindowConfig
from edgewright.schema.errors import InputError
from edgewright.search.curves.measure import Learner
from edgewright.search.curves.noise import FEWEST_WRONG, INTERVAL_FACTOR, LEVEL, MAX_RELATIVE_WIDTH
from edgewright.search.curves.rung_learner import RungLearner
from edgewright.search.ladder.setup import problem_and_config

register_sets(activities.SETS)
POOLS = (0.5, 0.25)
_RUNGS = ("linear", "tree", "neighbours", "threshold")
_SETS: tuple[tuple[str, str, dict[str, object], WindowConfig | None, tuple[str, ...]], ...] = (
    ("machine", "", {"kind": "machine", "rows": 4000, "machines": 40}, None, ("linear",)),
    ("machine", "few", {"kind": "machine", "rows": 1500, "machines": 15}, None, ("linear", "tree", "threshold")),
    ("wearable", "", {"kind": "wearable"}, None, _RUNGS),
    ("plant", "", {"kind": "plant", "rows": 6000}, None, ("linear", "tree")),
    ("wisdm", "har-wisdm-v1.1", {"kind": "wisdm"}, None, _RUNGS),
    ("pamap2", "pamap2-excerpt", {"kind": "pamap2"}, WindowConfig(samples=200, step=100), _RUNGS),
)


@dataclass(frozen=True)
class CurveWidth:
    """A prediction and what became of it.

    Attributes:
        group: set that it is of.
        title: for a reader.
        value, measured: the error that was predicted, and what came.
        low, high: logarithms of the ends, over the value, before anything was widened.
        wrong: answers at the largest size.
    """

    group: str
    title: str
    value: float
    measured: float
    low: float
    high: float
    wrong: float

    @property
    def off(self) -> float:
        """How far the measured error lies from the predicted one, in halves of the interval."""
        log_ratio = math.log(self.measured / self.value)
        return log_ratio / self.high if log_ratio > 0 else log_ratio / self.low

    def width(self, factor: float) -> float:
        """Of the widened interval, as a share of what is predicted."""
        return math.exp(factor * self.high) - math.exp(factor * self.low)

    def answerable(self, factor: float) -> bool:
        """Return whether anything is promised."""
        return self.width(factor) <= MAX_RELATIVE_WIDTH and self.wrong >= FEWEST_WRONG


def factor_of(some: Sequence[CurveWidth]) -> float:
    """Return the quantile that so many exchangeable predictions owe (Lei et al., 2018)."""
    off = sorted(one.off for one in some)
    return off[min(math.ceil((len(off) + 1) * LEVEL), len(off)) - 1]


def main(wanted: list[str]) -> int:
    """Print both tables; 1 when less than `LEVEL` of what is promised comes true with a set left out."""
    names, folder = kept(wanted)
    widths = [one for entry in _SETS if not names or entry[0] in names for one in _of_set(entry, folder)]
    print(markdown(["prediction", "wrong answers", "predicted", "measured", "in halves of the interval"], [
        [one.title, f"{one.wrong:,.0f}", f"{one.value:.4f}", f"{one.measured:.4f}", f"{one.off:.2f}"] for one in widths
    ]))  # fmt: skip
    groups = list(dict.fromkeys(one.group for one in widths))
    rows, promised, kept_promises, inside = [], 0, 0, 0
    for group in groups:
        own, others = ([one for one in widths if (one.group == group) == mine] for mine in (True, False))
        factor = factor_of(others)
        answers = [one for one in own if one.answerable(factor)]
        counts = sum(one.off <= factor for one in own), sum(one.off <= factor for one in answers)
        rows.append([group, f"{factor:.2f}", f"{counts[0]} of {len(own)}", f"{counts[1]} of {len(answers)}"])
        inside, promised, kept_promises = inside + counts[0], promised + len(answers), kept_promises + counts[1]
    rows.append(["all", f"{factor_of(widths):.2f}", f"{inside} of {len(widths)}", f"{kept_promises} of {promised}"])
    print(markdown(["set left out", "factor of the others", "inside", "answerable: inside"], rows))
    print(f"promise widens by {INTERVAL_FACTOR}")
    return int(kept_promises < LEVEL * promised)


def _of_set(
    entry: tuple[str, str, dict[str, object], WindowConfig | None, tuple[str, ...]], folder: Path | None
) -> list[CurveWidth]:
    group, location, table, window, rungs = entry
    curve_widths = []
    for rung in rungs:
        for pool in POOLS:
            title = f"{group}{', few' if location == 'few' else ''}, {rung}, {pool:g} to {2 * pool:g}"
            try:
                record = curve(folder, title, pool, partial(_learner, location, table, window, rung))
            except InputError:  # too few people or blocks for three sizes
                continue
            interval, last = record.data.predicted, record.data.points[-1].mean
            low, high = (math.log(end / interval.value) / INTERVAL_FACTOR for end in (interval.low, interval.high))
            curve_widths.append(
                CurveWidth(group, title, interval.value, record.data.measured or 0.0, low, high, last * record.judges)
            )
    return curve_widths


def _learner(source: str, table: dict[str, object], window: WindowConfig | None, rung: str) -> Learner:
    if source in ("", "few"):
        config = PipelineConfig(name=str(table["kind"]), data=table)
        problem = problem_of_pipeline(config)
    else:
        problem, config, _ = problem_and_config(str(DATA / source), table, window=window)
    return RungLearner(problem, config, rung, choose(problem, "accuracy")[0])
