"""Run `python -m benchmarks.fleet_matrix.absence`: stages of a good release while devices are away for hours.

It draws when devices are away and asks the functions by which the server ends and halts a stage, every 15 minutes. The
server itself is left out, so that thousands of stages take minutes.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

from benchmarks.table import markdown
from edgewright.fleet.protocol.plans.detection import BY_SIZE, beyond_chance, tolerated

STEP_H, DWELL_H = 0.25, 25.0
AWAY_H = (0.5, 3.5)
SILENT_H = 0.8
"""Silence of 30 minutes and 1.2 report intervals of 15 minutes."""
STAGES = ((1, 1500), (4, 800), (20, 300), (50, 150), (100, 80), (500, 16))
"""Devices of a stage, and how many such stages are drawn."""
Mask = NDArray[np.bool_]


def absences(chance: np.random.Generator, devices: int, rate: float, hours: float) -> tuple[Mask, Mask]:
    """Return when devices are away, and when they count as silent; both of shape (steps, devices)."""
    times = np.arange(int(hours / STEP_H)) * STEP_H
    away, silent = (np.zeros((len(times), devices), bool) for _ in range(2))
    gap = (1.0 - rate) / rate * sum(AWAY_H) / 2.0
    for device in range(devices):
        at = chance.uniform(-AWAY_H[1], 2.0 * gap)
        while at < hours:
            end = at + chance.uniform(*AWAY_H)
            away[:, device] |= (times >= at) & (times < end)
            silent[:, device] |= (times >= at + SILENT_H) & (times < end)
            at = end + chance.uniform(0.0, 2.0 * gap)
    return away, silent


def stage(chance: np.random.Generator, devices: int, rate: float) -> tuple[str, float]:
    """Return how a stage ended, and after how many hours beyond its dwell."""
    others = min(200, 19 * devices)
    away, silent = absences(chance, devices, rate, 3.0 * DWELL_H)
    _, elsewhere = absences(chance, others, rate, 3.0 * DWELL_H)
    for index in range(len(away)):
        hour = index * STEP_H
        absent = float(elsewhere[index].mean()) if others >= 5 else 0.0
        allowed = tolerated(BY_SIZE, devices, absent)
        if hour > DWELL_H and int(away[index].sum()) <= allowed:
            return "ended", hour - DWELL_H
        lost = int(silent[index].sum())
        if lost > allowed and beyond_chance(lost, devices, absent, (hour >= DWELL_H) + (hour >= 2.0 * DWELL_H)):
            return "halted", hour - DWELL_H
    return "held", 2.0 * DWELL_H


def main() -> None:
    """Print a row for each share of devices that are away."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet_matrix.absence", description=__doc__)
    parser.add_argument("--seed", type=int, default=10)
    parser.add_argument("--rates", type=float, nargs="*", default=(0.01, 0.02, 0.03, 0.05))
    options = parser.parse_args()
    chance = np.random.default_rng(options.seed)
    rows = []
    for rate in options.rates:
        ends = [stage(chance, devices, rate) for devices, count in STAGES for _ in range(count)]
        halted, holding = (sum(end == word for end, _ in ends) for word in ("halted", "held"))
        waits = [hours for end, hours in ends if end == "ended"]
        rows.append((
            f"{rate:.0%}", f"{len(ends):,}", f"{halted} ({halted / len(ends):.2%})", str(holding),
            f"{np.quantile(waits, 0.95):.2g} h",
        ))  # fmt: skip
    print(markdown(("devices away", "stages", "halted wrongly", "held for good", "95 % end within"), rows))


if __name__ == "__main__":
    main()
