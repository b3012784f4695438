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
    arguments: list[str], kind: str = KIND, packages: Sequence[str] = (cases.__name__,), real: str = ""
) -> int:  # fmt: skip
    """Print the table; `--share 0.05` looks at so much of the states, names of cases and workloads choose some.

    Args:
        arguments: of the command.
        kind: package of the workloads.
        packages: packages of cases.
        real: package of faults of real processes, without a workload; empty for none.
    """
    if unknown := [name for name in arguments if name.startswith("-") and name != "--share"]:
        print(main.__doc__ if "--help" in unknown else f"no option {', '.join(unknown)}; there is --share")
        return 0 if "--help" in unknown else 2
    at = arguments.index("--share") if "--share" in arguments else len(arguments)
    share = float(arguments[at + 1]) if at < len(arguments) else 1.0
    chosen = {*arguments[:at], *arguments[at + 2 :]}
    places = {name: module_name for package in packages for name, module_name in _modules(package).items()}
    processes = _modules(real) if real else {}
    faults, programs = list(places), list(workloads(kind))
    if unknown := sorted(chosen - {*faults, *programs, *processes}):
        print(f"no {', '.join(unknown)}; there are {', '.join([*faults, *programs, *processes])}")
        return 2
    # Faults of real processes take longest: they begin first.
    some = [(processes[name], "", 0) for name in processes if not chosen or name in chosen]
    if not chosen <= set(processes) or not chosen:
        some += [
            (places[fault], program, variant)
            for fault in _of(faults, chosen)
            for program in _of(programs, chosen)
            for variant in range(len(workloads(kind)[program].variants()))
        ]
    started = time.perf_counter()
    # Forked while this process has one thread: a case forks too.
    with tempfile.TemporaryDirectory() as location:
        tempfile.tempdir = location  # what workers keep there goes with it: they are ended without a word
        with multiprocessing.get_context("fork").Pool(len(os.sched_getaffinity(0))) as pool:
            rows: list[Row] = []
            for some_rows in pool.imap(partial(_run, kind=kind, share=share), some):
                rows += some_rows
                for row in some_rows:
                    print(" | ".join(_cells(row)), file=sys.stderr, flush=True)
        tempfile.tempdir = None
    wall = time.perf_counter() - started
    print(markdown(["fault", "states", "of them", "wrong", "time"], [_cells(row) for row in rows]))
    wrong = [f"{title}: {problem}" for title, result, _ in rows for problem in result.wrong]
    print(f"{sum(result.count for _, result, _ in rows):,} states in {wall:.0f} s, {len(wrong)} wrong")
    for line in wrong[:_SHOWN]:
        print(line)
    return 1 if wrong else 0


def _modules(package: str) -> dict[str, str]:
    """Return the full names of a package's modules by their names."""
    path = importlib.import_module(package).__path__
    return {module.name: f"{package}.{module.name}" for module in pkgutil.iter_modules(path)}


def _of(names: list[str], chosen: set[str]) -> list[str]:
    """Those chosen, all where none is."""
    return [name for name in names if name in chosen] or names


def _run(chosen: tuple[str, str, int], kind: str, share: float) -> list[Row]:
    fault, program, variant = chosen
    module = importlib.import_module(fault)
    rows: list[Row] = []
    started = time.perf_counter()
    if program:
        workload = workloads(kind)[program].variants()[variant]
        about, results = workload.what, module.run(workload, share * workload.share)
    else:
        about, results = module.__name__, module.run(share)
    try:
        for label, result in results:
            rows.append((label, result, time.perf_counter() - started))
            started = time.perf_counter()
    except RuntimeError as error:  # the program could not even do its work
        failed = Result({}, [str(error).strip().splitlines()[-1]])
        rows.append((f"{about}: {module.__name__.rpartition('.')[2]}", failed, time.perf_counter() - started))
    return rows


def _cells(row: Row) -> list[str]:
    title, result, seconds = row
    ways = ", ".join(f"{count:,} {way}" for way, count in sorted(result.states.items()))
    return [title, f"{result.count:,}", ways, f"{len(result.wrong)}", f"{seconds:.0f} s"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
