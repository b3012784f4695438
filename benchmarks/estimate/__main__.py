"""`python -m benchmarks.estimate`: fits what generated C costs on each core, and judges estimates on other programs.

Three sets of pipelines that nobody has trained: one that coefficients are fitted on, one whose misses make the error
bars, one that both are judged on. With --write the coefficients and the misses that come with Edgewright are replaced.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.estimate.fitting import fit_core
from benchmarks.estimate.subjects import Subject
from benchmarks.estimate.truth import Part, truths
from benchmarks.table import Told, markdown
from edgewright.export import contract
from edgewright.export.emulator.boards import COMPILER, EMULATOR, board, missing_tools
from edgewright.export.program import program_of
from edgewright.pipeline.footprint import as_integers, footprint
from edgewright.pipeline.toolchain import Truth
from edgewright.profiles import cores
from edgewright.profiles.catalogue import load_profile
from edgewright.profiles.footprint import SMALLER
from edgewright.profiles.misses import SHIPPED, Miss, Misses, bar, shipped
from edgewright.schema.program import Program

CORES = ("cortex-m0plus", "cortex-m4", "cortex-m7", "cortex-m33")
# The first set has networks without biases, as they stand before a training; the last of each are rows of columns.
FITTED = (Part(110, 1, trained=False), Part(30, 4), Part(24, 5, rows=True))
MISSED = (Part(40, 2), Part(8, 6, rows=True))
JUDGED = (Part(30, 3), Part(8, 7, rows=True))
# Programs smaller than networks: a table of their own, misses relative to what is not exact.
SIMPLE = (Part(80, 11, simple=True),)
SIMPLE_MISSED = (Part(40, 12, simple=True), Part(30, 15, simple=True))
SIMPLE_JUDGED = (Part(30, 14, simple=True),)
SIMPLE_LIMITS = {"flash": 0.10, "ram": 0.10, "instructions": 0.25}
LIMITS = {"flash": 0.05, "ram": 0.10, "instructions": 0.20}
WIDEST, TRUE = 0.15, 0.9


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table; 1 when a target is missed, 2 without the tools."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.estimate")
    parser.add_argument("--core", action="append", choices=CORES, help="this core only; may be repeated")
    parser.add_argument("--truths", type=Path, help="folder in which what was compiled and counted is kept")
    parser.add_argument("--write", action="store_true", help="replace the coefficients and misses of the package")
    given = parser.parse_args(arguments)
    if missing_tools():
        print(f"needs {', '.join(missing_tools())}", file=sys.stderr)
        return 2
    told = Told()
    chosen = given.core or CORES
    if given.write:
        _write(chosen, given.truths)
    for core in chosen:
        _judge(told, core, given.truths)
        _judge_simple(told, core, given.truths)
    print(markdown(["estimate before compiling", "miss: median, nine of ten, largest", "target", ""], told.rows))
    return 0 if told.reached else 1


def _write(chosen: Sequence[str], kept: Path | None) -> None:
    """Fits the cores and keeps their misses on the second set."""
    made_with = f"{_version(COMPILER)}, -O2; {_version(EMULATOR)}, -icount"
    fresh: list[Miss] = []
    for core in chosen:
        pairs = [(_exactly(subject), truth) for subject, truth in truths(core, FITTED, kept)]
        options = " ".join(board(core).options)
        made = fit_core(core, pairs, f"{made_with}; {options}")
        path = cores.FOLDER / f"{core}.json"
        path.write_bytes(msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n")
        cores.core.cache_clear()
        cores.known.cache_clear()
        for subject, truth in truths(core, MISSED, kept):
            program = _before(subject)
            for quantity, estimated, found in _quantities(made, program, truth):
                fresh.append(
                    Miss(kind=core, quantity=quantity, estimated=round(estimated), found=found, subject=subject.name)
                )
        fresh += _write_simple(core, f"{made_with}; {options}", kept)
    others = [miss for miss in shipped() if miss.kind.split(" (")[0] not in chosen]
    data = Misses(misses=(*others, *fresh), made_with=made_with)
    lines = b",\n".join(msgspec.json.encode(miss) for miss in data.misses)
    head = msgspec.json.encode(data.made_with)
    SHIPPED.write_bytes(b'{"version":%d,"made_with":%s,"misses":[\n%s\n]}\n' % (data.version, head, lines))
    shipped.cache_clear()


def _write_simple(core: str, made_with: str, kept: Path | None) -> list[Miss]:
    """Fits programs smaller than networks, and gives their misses on others, relative to what is not exact."""
    made = fit_core(core, [(_exactly(s), truth) for s, truth in truths(core, SIMPLE, kept)], made_with, simple=True)
    cores.SIMPLE.mkdir(exist_ok=True)
    (cores.SIMPLE / f"{core}.json").write_bytes(msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n")
    cores.simple.cache_clear()
    found = []
    for subject, truth in truths(core, SIMPLE_MISSED, kept):
        program = _exactly(subject)
        exact = {"flash": program.constants, "ram": program.values}
        for quantity, estimated, true in _quantities(made, program, truth):
            less = exact.get(quantity, 0)
            found.append(Miss(kind=f"{core} ({SMALLER})", quantity=quantity, estimated=round(estimated - less),
                              found=true - less, subject=subject.name))  # fmt: skip
    return found


def _judge_simple(told: Told, core: str, kept: Path | None) -> None:
    """Rows of one core: programs smaller than networks; nine of ten are held to the limits."""
    profile = load_profile(core)
    misses: dict[str, list[float]] = {name: [] for name in SIMPLE_LIMITS}
    within: dict[str, int] = dict.fromkeys(SIMPLE_LIMITS, 0)
    for subject, truth in truths(core, SIMPLE_JUDGED, kept):
        found = footprint(profile, subject.graph, bits=32)
        for name in SIMPLE_LIMITS:
            spread, true = getattr(found, name), getattr(truth, name)
            misses[name].append(abs(spread.value - true) / true)
            within[name] += spread.low <= true <= spread.high
    for name, limit in SIMPLE_LIMITS.items():
        each = np.array(misses[name])
        most = float(np.quantile(each, 0.9))
        shown = f"{np.median(each):.1%}, {most:.1%}, {each.max():.1%} of {len(each)}; bars true for {within[name]}"
        told(f"{core}, smaller programs, {name}", shown, f"nine of ten {limit:.0%}", most <= limit)


def _version(tool: str) -> str:
    said = subprocess.run([tool, "--version"], capture_output=True, text=True, check=True).stdout
    return said.splitlines()[0]


def _exactly(subject: Subject) -> Program:
    """The program of the form that was compiled."""
    graph = subject.small or subject.graph
    return program_of(graph, contract.Subject("model", graph).integers)


def _before(subject: Subject) -> Program:
    """The program as it is counted from the float graph, before anything was calibrated."""
    graph = subject.graph if subject.small is None else as_integers(subject.graph)
    return program_of(graph, contract.Subject("model", graph).integers)


def _quantities(core: cores.Core, program: Program, truth: Truth) -> list[tuple[str, float, float]]:
    ram = program.values + core.beside + cores.weighed(core.stack, program.written)
    return [
        ("flash", program.constants + cores.weighed(core.code, program.written), truth.flash),
        ("ram", ram, truth.ram),
        ("instructions", cores.weighed(core.instructions, program.run), truth.instructions),
    ]


def _judge(told: Told, core: str, kept: Path | None) -> None:
    """Rows of one core: estimates from the float graph, against what was compiled and counted."""
    profile = load_profile(core)
    misses: dict[str, list[float]] = {name: [] for name in LIMITS}
    within: dict[str, int] = dict.fromkeys(LIMITS, 0)
    seconds = []
    for subject, truth in truths(core, JUDGED, kept):
        started = time.perf_counter()
        found = footprint(profile, subject.graph, bits=32 if subject.small is None else 8)
        seconds.append(time.perf_counter() - started)
        pairs = (
            ("flash", found.flash, truth.flash),
            ("ram", found.ram, truth.ram),
            ("instructions", found.instructions, truth.instructions),
        )
        for name, spread, true in pairs:
            misses[name].append(abs(spread.value - true) / true)
            within[name] += spread.low <= true <= spread.high
    for name, limit in LIMITS.items():
        each = np.array(misses[name])
        shown = f"{np.median(each):.1%}, {np.quantile(each, 0.9):.1%}, {each.max():.1%} of {len(each)}"
        told(f"{core}, {name}", shown, f"{limit:.0%}", bool(each.max() <= limit))
        width, held = bar(core, name).width, within[name] / len(each)
        shown = f"±{width:.1%}, true for {within[name]} of {len(each)}"
        told(f"{core}, error bar of {name}", shown, f"±{WIDEST:.0%}, {TRUE:.0%}", width <= WIDEST and held >= TRUE)
    middle, most = 1e3 * float(np.median(seconds)), 1e3 * max(seconds)
    told(f"{core}, time of an estimate", f"median {middle:.0f} ms, most {most:.0f} ms", "250 ms", middle <= 250)


if __name__ == "__main__":
    sys.exit(main())
