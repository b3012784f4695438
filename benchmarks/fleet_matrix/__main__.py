"""Run `python -m benchmarks.fleet_matrix`: every release x fleet size x plan x seed; what ran before is not run again.

Each run is a line of the file of `--kept`, so that the command can be stopped and continued. The table has a row for
each fault and plan that ran and a cell for each size: the stages in which the rollouts ended with the number of seeds,
and the devices that ran the release, as the median and the largest of the seeds. A fault that went beyond its stage is
in bold. `absent=2%` is a good release while so many devices are away at any moment, each for hours.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from random import Random

import msgspec

from benchmarks.fleet_matrix.plans import PLANS
from benchmarks.table import markdown
from edgewright.fleet.simulator.rollout_plan import HOUR
from edgewright.fleet.simulator.simulation import Exposure, Simulation, bad_releases, exposure

SIZES = (10, 100, 1000, 10_000)
SEEDS = tuple(range(10, 20))
"""Constants were chosen on the seeds 0 to 9."""
SHARES = ("hangs=25%", "hangs=10%")
ABSENT = "absent"
_AWAY_H = (0.5, 3.5)
"""Hours for which a device is away, drawn evenly."""


class Cell(msgspec.Struct, frozen=True):
    """One run: its fault as on the command line, what it reached, and seconds of a processor."""

    plan: str
    fault: str
    seed: int
    reached: Exposure
    seconds: float


def main() -> None:
    """Run what is missing, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet_matrix", description=__doc__)
    parser.add_argument("--kept", type=Path, default=Path("fleet_matrix.jsonl"), help="file of what ran")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, help="devices of the fleets")
    parser.add_argument("--faults", nargs="*", default=(*bad_releases(), *SHARES), help="bad releases, absent=2%%")
    parser.add_argument("--plans", nargs="*", default=("default",), help=f"names of plans: {', '.join(PLANS)}")
    parser.add_argument("--seeds", type=int, nargs="*", default=SEEDS)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=60.0, help="start no run after that time")
    options = parser.parse_args()
    cells = _read(options.kept)
    wanted = [
        (plan, size, fault, seed)
        for size in options.sizes for seed in options.seeds for plan in options.plans for fault in options.faults
    ]  # fmt: skip
    missing = [key for key in wanted if key not in {_key(cell) for cell in cells}]
    until = time.monotonic() + 60.0 * options.minutes
    with ProcessPoolExecutor(options.processes) as pool, options.kept.open("a") as file:
        waiting = [pool.submit(_run, *key, until) for key in missing]
        for done in as_completed(waiting):
            cell = done.result()
            if cell is not None:
                cells.append(cell)
                file.write(msgspec.json.encode(cell).decode() + "\n")
                file.flush()
    shown = [cell for cell in cells if _key(cell) in set(wanted)]
    print(_table(shown))
    left = len(wanted) - len(shown)
    if left > 0:
        print(f"\n{left} of {len(wanted)} runs are missing: run it again")


def _run(plan: str, size: int, fault: str, seed: int, until: float) -> Cell | None:
    if time.monotonic() > until:
        return None
    began = time.process_time()
    name, _, text = fault.partition("=")
    rate = float(text.removesuffix("%")) / 100.0 if text else None
    options = PLANS[plan][1]
    if name == ABSENT:
        reached = exposure(options, size, "none", seed, ready=_absences(rate or 0.0, seed))
    else:
        reached = exposure(options, size, name, seed, rate=rate)
    return Cell(plan, fault, seed, reached, round(time.process_time() - began, 1))


def _absences(rate: float, seed: int) -> Callable[[Simulation], None]:
    """Return what takes devices away again and again, so that a share of them is away at any moment."""

    def prepare(simulation: Simulation) -> None:
        fleet, chance = simulation.fleet, Random(seed)  # noqa: S311 - no secret
        gap = (1.0 - rate) / rate * sum(_AWAY_H) / 2.0
        for device in fleet.devices:
            at = fleet.events.now + chance.uniform(0.0, 2.0 * gap) * HOUR
            while at < fleet.end:
                end = at + chance.uniform(*_AWAY_H) * HOUR
                device.link.away.append((at, end))
                at = end + chance.uniform(0.0, 2.0 * gap) * HOUR

    return prepare


def _read(path: Path) -> list[Cell]:
    if not path.is_file():
        return []
    return [msgspec.convert(json.loads(line), Cell) for line in path.read_text().splitlines()]


def _key(cell: Cell) -> tuple[str, int, str, int]:
    return cell.plan, cell.reached.devices, cell.fault, cell.seed


def _table(cells: list[Cell]) -> str:
    sizes = sorted({cell.reached.devices for cell in cells})
    rows = []
    for fault in sorted({cell.fault for cell in cells}):
        for plan in PLANS:
            some = [cell.reached for cell in cells if (cell.fault, cell.plan) == (fault, plan)]
            if some:
                rows.append((f"`{fault}`", plan, *(_words([e for e in some if e.devices == size]) for size in sizes)))
    beyond = sum(cell.reached.beyond > 0 for cell in cells)
    spent = sum(cell.seconds for cell in cells)
    head = f"{len(cells)} runs, {beyond} beyond the stage; {spent / 60.0:,.0f} minutes of a processor\n\n"
    return head + markdown(("fault", "plan", *(f"{size:,} devices" for size in sizes)), rows)


def _words(runs: list[Exposure]) -> str:
    if not runs:
        return ""
    ends = Counter(f"{run.end} in {run.stage}" for run in runs)
    reached = [run.exposed for run in runs]
    text = f"{', '.join(f'{count} {end}' for end, count in ends.most_common())}; "
    text += f"{statistics.median(reached):,.0f} ({max(reached):,})"
    beyond = max(run.beyond for run in runs)
    return f"**{text}, {beyond:,} beyond**" if beyond else text


if __name__ == "__main__":
    main()
