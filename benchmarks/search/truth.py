"""Estimates of 20 points of the front on har-hapt, made before training, against compiled and counted programs.

`python -m benchmarks.search truth --out STUDY`: each point is trained, made int8, compiled for a Cortex-M4 and counted
under emulation; needs arm-none-eabi-gcc and qemu-system-arm, and the study of `front`.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.table import ROOT, markdown, verdict
from edgewright.compression.int8 import quantise
from edgewright.export.contract import Subject
from edgewright.pipeline.config import read_config
from edgewright.pipeline.whole_graph import graph_of
from edgewright.profiles.catalogue import load_profile
from edgewright.race.pipeline_end import Entrant
from edgewright.schema.footprint import Footprint
from edgewright.search.architecture.estimates import Estimator, SearchSamples
from edgewright.search.architecture.space import space_of
from edgewright.search.architecture.study import front_of, open_study, spread_over
from edgewright.search.architecture.trial import POINT
from edgewright.workflows.estimation.workflow import truth_of

# Largest misses, relative to the truth; bars are true for so many.
LIMITS = {"flash": 0.05, "ram": 0.10, "instructions": 0.20}
TRUE = 0.9


def main(arguments: list[str]) -> int:
    """Print the table; 1 when a figure is missed."""
    shared = Path(os.environ.get("EDGEWRIGHT_SHARED", ROOT.parent / "shared")) / "data" / "har-hapt"
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search truth")
    parser.add_argument("--data", default=str(shared))
    parser.add_argument("--out", default=str(Path(tempfile.gettempdir()) / "edgewright-front"), help="of the study")
    parser.add_argument("--points", type=int, default=20)
    given = parser.parse_args(arguments)
    study = open_study(Path(given.out))
    points = spread_over(front_of(study.trials()), given.points)
    study.close()
    space = space_of(read_config("hapt"))
    samples = SearchSamples(space.config, given.data)
    estimator, rows = Estimator(load_profile("cortex-m4"), samples), []
    misses: dict[str, list[float]] = {name: [] for name in LIMITS}
    inside: dict[str, list[bool]] = {name: [] for name in LIMITS}
    for trial in points:
        # The window that is filled beside is no part of the program that is compiled.
        config = space.pipeline(trial.point)
        estimate = estimator.footprint(estimator.untrained(config), config)
        heats = samples.heats(config.window, 3)
        fold, X = heats.every[0], heats.problem.samples.X
        buffer = 4 * int(X[0].size)
        steps = heats.fit(fold, Entrant(config.name, POINT, config)).steps()
        graph = graph_of(list(steps), tuple(X.shape[1:]), config.name)
        small = quantise(graph, X[fold.train[:512]])
        truth = truth_of(small, Subject("model", small).integers, "cortex-m4")
        figures = {"flash": truth.flash, "ram": truth.ram + buffer, "instructions": truth.instructions}
        cells = [str(trial.number)]
        for name, value in figures.items():
            spread = getattr(estimate, name)
            misses[name].append(abs(spread.value / value - 1))
            inside[name].append(spread.low <= value <= spread.high)
            cells += [f"{spread.value:,.0f}", f"{value:,.0f}", f"{spread.value / value - 1:+.1%}"]
        print(" ".join(cells), file=sys.stderr, flush=True)
        rows.append([*cells, f"{_widest(estimate):.1%}"])
    head = ["trial", "flash", "compiled", "", "RAM", "compiled", "", "instructions", "counted", "", "widest bar"]
    print(markdown(head, rows))
    good = True
    for name, limit in LIMITS.items():
        within, true = max(misses[name]) <= limit, np.mean(inside[name]) >= TRUE
        good &= bool(within and true)
        print(f"{name}: at most {max(misses[name]):.1%} off (at most {limit:.0%}: {verdict(within)}); bars true for "
              f"{sum(inside[name])} of {len(rows)} ({verdict(bool(true))})")  # fmt: skip
    return 0 if good else 1


def _widest(estimate: Footprint) -> float:
    return max(float(1 - getattr(estimate, name).low / getattr(estimate, name).value) for name in LIMITS)
