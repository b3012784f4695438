"""`make faults`: every fault on every workload, the states it left by way, and how many were wrong; 1 when one was."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import pkgutil
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from typing import TypeAlias

from benchmarks.faults import cases
from benchmarks.faults.states import Result
from benchmarks.faults.workload import KIND, workloads
from benchmarks.table import markdown

_SHOWN = 10
Row: TypeAlias = tuple[str, Result, float]


def main(
    arguments: list[str], kind: str = KIND, tried: Sequence[str] = (cases.__name__,)
) -> int:  # fmt: skip
    """Print the table; `--share 0.05` looks at so much of the states, names of cases and workloads choose some.

    Args:
        arguments: of the command.
        kind: package of the workloads.
        tried: packages of cases.
    """
    if unknown := [name for name in arguments if name.startswith("-") and name != "--share"]:
        print(main.__doc__ if "--help" in unknown else f"no option {', '.join(unknown)}; there is --share")
        return 0 if "--help" in unknown else 2
    at = arguments.index("--share") if "--share" in arguments else len(arguments)
    share = float(arguments[at + 1]) if at < len(arguments) else 1.0
    chosen = {*arguments[:at], *arguments[at + 2 :]}
    places = {
        module.name: f"{package}.{module.name}"
        for package in tried
        for module in pkgutil.iter_modules(importlib.import_module(package).__path__)
    }
    faults, programs = list(places), list(workloads(kind))
    if unknown := sorted(chosen - {*faults, *programs}):
        print(f"no {', '.join(unknown)}; there are {', '.join([*faults, *programs])}")
        return 2
    some = [(places[fault], program) for fault in _of(faults, chosen) for program in _of(programs, chosen)]
    started = time.perf_counter()
    # Forked while this process has one thread: a case forks too.
    with tempfile.TemporaryDirectory() as location:
        tempfile.tempdir = location  # what workers keep there goes with it: they are ended without a word
        with multiprocessing.get_context("fork").Pool(len(os.sched_getaffinity(0))) as pool:
            rows = [row for found in pool.imap(partial(_run, kind=kind, share=share), some) for row in found]
        tempfile.tempdir = None
    wall = time.perf_counter() - started
    print(markdown(["fault", "states", "of them", "wrong", "time"], [_cells(row) for row in rows]))
    wrong = [f"{what}: {problem}" for what, result, _ in rows for problem in result.wrong]
    print(f"{sum(result.count for _, result, _ in rows):,} states in {wall:.0f} s, {len(wrong)} wrong")
    for line in wrong[:_SHOWN]:
        print(line)
    return 1 if wrong else 0


def _of(names: list[str], chosen: set[str]) -> list[str]:
    """Those chosen, all where none is."""
    return [name for name in names if name in chosen] or names


def _run(pair: tuple[str, str], kind: str, share: float) -> list[Row]:
    fault, program = pair
    rows: list[Row] = []
    started = time.perf_counter()
    found = workloads(kind)[program]
    for what, result in importlib.import_module(fault).run(found, share * found.share):
        rows.append((what, result, time.perf_counter() - started))
        started = time.perf_counter()
    return rows


def _cells(row: Row) -> list[str]:
    what, result, seconds = row
    ways = ", ".join(f"{count:,} {way}" for way, count in sorted(result.states.items()))
    return [what, f"{result.count:,}", ways, f"{len(result.wrong)}", f"{seconds:.0f} s"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
