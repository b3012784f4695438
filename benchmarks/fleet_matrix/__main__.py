"""Run `python -m benchmarks.fleet_matrix`: every bad release x fleet size x plan; what ran before is not run again.

Each run is a line of the file of `--kept`, so that the command can be stopped and continued. The table has a row for
each fault and plan that ran, with devices exposed by size; a fault that went beyond its stage is in bold.
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import msgspec

from benchmarks.fleet_matrix.plans import PLANS
from benchmarks.table import markdown
from edgewright.fleet.simulator.exposure import Exposure, bad_releases, exposure

SIZES = (10, 100, 1000, 10_000)


class Cell(msgspec.Struct, frozen=True):
    """One run: what it found, and seconds of a processor."""

    plan: str
    found: Exposure
    seconds: float


def main() -> None:
    """Run what is missing, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet_matrix", description=__doc__)
    parser.add_argument("--kept", type=Path, default=Path("fleet_matrix.jsonl"), help="file of what ran")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, help="devices of the fleets")
    parser.add_argument("--faults", nargs="*", default=bad_releases(), help="names of bad releases")
    parser.add_argument("--plans", nargs="*", default=tuple(PLANS), help="names of plans")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=60.0, help="start no run after that time")
    asked = parser.parse_args()
    kept = _read(asked.kept)
    wanted = [(plan, size, fault) for size in asked.sizes for plan in asked.plans for fault in asked.faults]
    missing = [one for one in wanted if one not in {_key(cell) for cell in kept}]
    until = time.monotonic() + 60.0 * asked.minutes
    with ProcessPoolExecutor(asked.processes) as pool, asked.kept.open("a") as file:
        waiting = [pool.submit(_run, *one, until) for one in missing]
        for done in as_completed(waiting):
            cell = done.result()
            if cell is not None:
                kept.append(cell)
                file.write(msgspec.json.encode(cell).decode() + "\n")
                file.flush()
    print(_table([cell for cell in kept if _key(cell) in set(wanted)]))
    left = len(wanted) - len(kept)
    if left > 0:
        print(f"\n{left} of {len(wanted)} runs are missing: run it again")


def _run(plan: str, size: int, fault: str, until: float) -> Cell | None:
    if time.monotonic() > until:
        return None
    began = time.process_time()
    found = exposure(PLANS[plan][1], size, fault)
    return Cell(plan, found, round(time.process_time() - began, 1))


def _read(path: Path) -> list[Cell]:
    if not path.is_file():
        return []
    return [msgspec.convert(json.loads(line), Cell) for line in path.read_text().splitlines()]


def _key(cell: Cell) -> tuple[str, int, str]:
    return cell.plan, cell.found.devices, cell.found.fault


def _table(cells: list[Cell]) -> str:
    sizes = sorted({cell.found.devices for cell in cells})
    by_key = {_key(cell): cell.found for cell in cells}
    rows = []
    for fault in sorted({cell.found.fault for cell in cells}):
        for plan in PLANS:
            found = [by_key.get((plan, size, fault)) for size in sizes]
            if any(found):
                rows.append((fault, plan, *(_words(one) if one else "" for one in found)))
    beyond = sum(cell.found.beyond > 0 for cell in cells)
    spent = sum(cell.seconds for cell in cells)
    head = f"{len(cells)} runs, {beyond} beyond the stage; {spent / 60.0:,.0f} minutes of a processor\n\n"
    return head + markdown(("fault", "plan", *(f"{size:,} devices" for size in sizes)), rows)


def _words(one: Exposure) -> str:
    text = f"{one.exposed:,} ({one.stage}, {one.end})"
    return f"**{text}, {one.beyond:,} beyond**" if one.beyond else text


if __name__ == "__main__":
    main()
