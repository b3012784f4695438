"""Which rung is chosen with few people, and how it does on all others: `python -m benchmarks.search few`.

People are drawn from WISDM 1.1 (28, rows) and from the WISDM watch (39, windows of 6.4 s). The ladder sees
those alone; its choice is fitted on them and judged by everybody else. The rule was chosen on WISDM 1.1 alone.
"""

from __future__ import annotations

import sys
from dataclasses import fields, replace

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # of scikit-learn, without types

from benchmarks.datasets import activities
from benchmarks.language.row import DATA
from benchmarks.search._curve_cases import quiet
from edgewright.data.public import register_sets
from edgewright.race.heats import HeatFold
from edgewright.race.judge import ComparisonCriteria
from edgewright.race.metrics import METRICS, codes
from edgewright.race.problem import Problem
from edgewright.race.stage_outputs import StageOutputs
from edgewright.schema.config import PipelineConfig, WindowConfig
from edgewright.search.ladder.measurement import Ladder
from edgewright.search.ladder.model_comparison import LadderState, choose_with_few
from edgewright.search.ladder.setup import problem_and_config

register_sets(activities.SETS)
RUNGS = ("majority", "threshold", "rules", "linear", "tree", "forest", "small_network")
METRIC = "balanced-accuracy"
PEOPLE, DRAWS = (3, 4, 6, 8, 10), {"wisdm": 8, "stairs": 8, "watch": 4}


class Many(ComparisonCriteria):
    """Takes few people for many, as the ladder did before."""

    few = property(lambda self: False)


def problem_of(name: str) -> tuple[Problem, PipelineConfig]:
    """Return a set by its name here."""
    if name == "watch":
        window = WindowConfig(samples=128, step=256)
        return problem_and_config(str(DATA / "har-wisdm-watch"), {"kind": "wisdm_watch"}, window=window)[:2]
    problem, config, _ = problem_and_config(str(DATA / "har-wisdm-v1.1"), {"kind": "wisdm"})
    if name == "stairs":
        problem = replace(problem, y=np.where(np.isin(problem.y, ("Upstairs", "Downstairs")), "stairs", "other"))
    return problem, config


def choices(ladder: Ladder, sizes: dict[str, tuple[float, float]]) -> tuple[str, str, str]:
    """Return the rung by corrected intervals, by the rule for few people, and the one with the best score."""
    judge = ladder.judge
    many, few = LadderState(Many(**{f.name: getattr(judge, f.name) for f in fields(judge)}), 0), LadderState(judge, 0)
    for name, answers in ((name, ladder.crossed(name)) for name in sizes):
        many.step(name, answers, size=sizes[name])
        few.step(name, answers, size=sizes[name])
    choose_with_few(few)
    return many.chosen, few.chosen, max(few.measured_rungs, key=lambda name: few.measured_rungs[name].score)


def row_of(problem: Problem, config: PipelineConfig, people: int, draw: int) -> list[tuple[float, float]] | None:
    """Score on all others and kB of flash for each way to choose; None where the people lack a class."""
    count = int(problem.units.max()) + 1
    chosen = np.sort(np.random.default_rng(1000 * people + draw).permutation(count)[:people])
    mine = np.isin(problem.units, chosen)
    rows, others = np.flatnonzero(mine), np.flatnonzero(~mine)
    part = problem.subset(rows)
    if len(np.unique(part.y)) < len(problem.classes):
        return None
    ladder = Ladder(replace(part, units=np.searchsorted(chosen, part.units)), config,
                    quiet, metric=METRIC, patience=0, rungs=RUNGS)  # fmt: skip
    record = ladder.climb()
    sizes = {r.name: (r.footprint.flash.value, r.footprint.ram.value) for r in record.rungs if r.footprint is not None}
    outcomes = []
    for name in choices(ladder, sizes):
        fold = HeatFold(StageOutputs(problem), rows, others, others, (0, len(rows)))
        with threadpool_limits(1):
            answers = ladder.heats.fit(fold, ladder.standing(name).entrant).answers(others)
        outcomes.append((METRICS[METRIC].score(codes(problem)[others], answers), sizes[name][0] / 1000))
    return outcomes


def main(wanted: list[str]) -> int:
    """Print a table; 1 where the rule for few does worse on others than corrected intervals do."""
    worse = 0
    print("| set | draws | intervals, corrected | rule for few people | best score |\n|---|---|---|---|---|")
    for name in wanted or list(DRAWS):
        problem, config = problem_of(name)
        outcomes = [row for people in PEOPLE for draw in range(DRAWS[name])
                    if (row := row_of(problem, config, people, draw)) is not None]  # fmt: skip
        table = np.array(outcomes)
        lines = [f"{table[:, k, 0].mean():.3f}, {np.median(table[:, k, 1]):.1f} kB" for k in range(3)]
        print(f"| {name} | {len(outcomes)} | {' | '.join(lines)} |", flush=True)
        worse += table[:, 1, 0].mean() < table[:, 0, 0].mean()
    return int(worse > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
