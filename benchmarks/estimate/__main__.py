"""`python -m benchmarks.estimate`: fits what generated C costs on each core, and judges estimates on other programs.

Coefficients are fitted on random programs, their error bars are misses of the same, each estimated without a fifth of
them that it is in. Both are judged on seventy programs of other families, ten detectors among them, on designs of
recurrent networks, and on cores without floats on trees, rules and boosting of other data. With --write the
coefficients and the misses that come with Edgewright are replaced.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.estimate.detectors import DetectorSubject
from benchmarks.estimate.fitting import WITHOUT_FLOATS, Pair, fit_core, fit_more
from benchmarks.estimate.held_out import held_out
from benchmarks.estimate.kernels import OWN as OF_KERNELS
from benchmarks.estimate.machines import OWN as OF_MACHINES
from benchmarks.estimate.recurrent import OWN as OF_STATES
from benchmarks.estimate.recurrent import recurrent_held_out
from benchmarks.estimate.simple import held_out_row_programs
from benchmarks.estimate.subjects import Subject
from benchmarks.estimate.truth import (
    Fitted,
    Part,
    detectors,
    kernels,
    machines,
    parts,
    recurrent,
    rows,
    sampled_parts,
    truths,
)
from benchmarks.table import TargetReport, markdown
from edgewright.export.detector_program import PREFIX
from edgewright.export.emulator import board
from edgewright.profiles import cores
from edgewright.profiles.catalogue import load_profile
from edgewright.profiles.footprint import KERNELS, MACHINES, RECURRENT, ROWS, population_of, strange
from edgewright.profiles.misses import SHIPPED, Miss, Misses, shipped
from edgewright.schema.footprint import DETECTOR, Program, Spread
from edgewright.workflows.estimation.workflow import Truth

# The first is counted in full; the others start from its coefficients, and are fitted on a part of the programs.
CORES = ("cortex-m4", "cortex-m7", "cortex-m33", "cortex-m0plus", "riscv32", "riscv32v")
# Cores that start from another.
_NEAR = {"riscv32v": "riscv32"}
SHARE = 0.4
FOLDS = 5
# Misses of what is judged: median and worst; of ten bars nine are to hold.
LIMITS = {"flash": (0.03, None), "ram": (0.05, None), "instructions": (0.15, 0.40)}
TRUE = 0.9
FittedTruth = tuple[Fitted, Truth]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; 1 when a target is missed, 2 without the tools."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.estimate")
    parser.add_argument("--core", action="append", choices=CORES, help="this core only; may be repeated")
    parser.add_argument("--truths", type=Path, help="folder in which what was compiled and counted is kept")
    parser.add_argument("--write", action="store_true", help="replace the coefficients and misses of the package")
    parser.add_argument("--detectors", action="store_true", help="with --write: what detectors take more, nothing else")
    parser.add_argument("--recurrent", action="store_true", help="recurrent networks, nothing else")
    parser.add_argument("--kernels", action="store_true", help="with --write: what counts of patterns take more")
    parser.add_argument("--machines", action="store_true", help="with --write: what kernel machines take more")
    parser.add_argument("--rows", action="store_true", help="programs on rows, nothing else; cores without floats")
    parser.add_argument("--fit-only", action="store_true", help="judge nothing: programs to judge stay unseen")
    given = parser.parse_args(arguments)
    chosen = given.core or CORES
    if missing := [tool for core in chosen for tool in board(core).tools.missing]:
        print(f"needs {', '.join(dict.fromkeys(missing))}", file=sys.stderr)
        return 2
    report = TargetReport()
    for core in chosen:
        if given.write:
            alone = [name for name in ("detectors", "recurrent", "kernels", "machines", "rows") if getattr(given, name)]
            if not alone:
                _write_programs(core, given.truths)
            if not alone or given.detectors:
                _write_detectors(core, given.truths)
            if not alone or given.recurrent:
                _write_more(core, given.truths, recurrent, OF_STATES)
            if not alone or given.kernels:
                _write_more(core, given.truths, kernels, OF_KERNELS)
            if not alone or given.machines:
                _write_more(core, given.truths, machines, OF_MACHINES)
            if core in WITHOUT_FLOATS and (not alone or given.rows):
                _write_rows(core, given.truths)
        if given.fit_only:
            continue
        if core in WITHOUT_FLOATS and not given.recurrent:
            _judge(report, core, f"{core}, rows", truths(core, held_out_row_programs(), given.truths))
        if given.rows:
            continue
        if not given.recurrent:
            _judge(report, core, core, truths(core, held_out(), given.truths))
        _judge(report, core, f"{core}, recurrent", truths(core, recurrent_held_out(), given.truths))
    print(markdown(["estimate before compiling", "found", "target", ""], report.rows))
    return 0 if report.reached else 1


def _write_programs(core: str, kept: Path | None) -> None:
    """Fit a core on programs without detectors and keep its misses, each of a fit without the program."""
    made_with = f"{_made_with(core)}; {' '.join(board(core).options)}"
    first, near = core == CORES[0], _near(core)
    fitted = list(truths(core, sampled_parts(parts(1.0 if first else SHARE), core), kept))
    _save(fit_core(core, [(subject.exactly(core), truth) for subject, truth in fitted], made_with, near))
    _keep(core, _by_family_of(fitted), lambda pairs: fit_core(core, pairs, "", near))


def _near(core: str) -> cores.Core | None:
    """Return the core whose coefficients a fit starts from."""
    return None if core == CORES[0] else cores.core(_NEAR.get(core, CORES[0]))


def _by_family_of(fitted: list[FittedTruth]) -> list[tuple[list[FittedTruth], list[FittedTruth]]]:
    """Return each fifth of the programs, and the others; a family of integer networks is in one fifth."""
    families = list(dict.fromkeys(family for subject, _ in fitted if (family := _family(subject))))
    folds = [families.index(family) % FOLDS if (family := _family(subject)) else index % FOLDS
             for index, (subject, _) in enumerate(fitted)]  # fmt: skip
    return _parted(fitted, folds)


def _family(subject: Fitted) -> str:
    """Return what draws an integer network: the word in '21.4 separable int8', or its set; empty for other programs."""
    if not isinstance(subject, Subject) or subject.integers is None:
        return ""
    first, *words = subject.name.removesuffix(" portable").split(" ")
    return words[0] if words else first.partition(".")[0]


def _write_detectors(core: str, kept: Path | None) -> None:
    """Fit what detectors take more on a core, and keep its misses, as of other programs."""
    first, near, table = core == CORES[0], _near(core), cores.core(core)
    fitted = list(truths(core, sampled_parts(detectors(1.0 if first else SHARE), core), kept))

    def fit(pairs: list[Pair]) -> cores.Core:
        return fit_more(table, pairs, lambda kind: kind.startswith(PREFIX), near)

    _save(fit([(subject.exactly(core), truth) for subject, truth in fitted]))
    _keep(core, _by_first_block(fitted), fit)


def _by_first_block(fitted: list[FittedTruth]) -> list[tuple[list[FittedTruth], list[FittedTruth]]]:
    """Detectors that begin with each sort of code, and those without any of it: a new detector has code of its own."""
    blocks = [one.blocks if isinstance(one, DetectorSubject) else () for one, _ in fitted]
    return [
        (
            [pair for pair, own in zip(fitted, blocks, strict=True) if own[:1] == (name,)],
            [pair for pair, own in zip(fitted, blocks, strict=True) if name not in own],
        )
        for name in sorted({own[0] for own in blocks if own})
    ]


def _write_more(
    core: str, kept: Path | None, programs: Callable[[float], tuple[Part, ...]], own: re.Pattern[str]
) -> None:
    """Fit what programs with kinds of their own take more on a core, and keep their misses, as of other programs."""
    first, near, table = core == CORES[0], _near(core), cores.core(core)
    fitted = list(truths(core, sampled_parts(programs(1.0 if first else SHARE), core), kept))

    def fit(pairs: list[Pair]) -> cores.Core:
        return fit_more(table, pairs, own.match, near)

    _save(fit([(subject.exactly(core), truth) for subject, truth in fitted]))
    _keep(core, _by_number(fitted), fit)


def _write_rows(core: str, kept: Path | None) -> None:
    """Fit programs on rows on a core without float instructions, and keep their misses, as of other programs."""
    near, made_with = cores.core(core), f"{_made_with(core)}; {' '.join(board(core).options)}"
    fitted = list(truths(core, sampled_parts(rows(), core), kept))

    def fit(pairs: list[Pair]) -> cores.Core:
        return fit_core(core, pairs, made_with, near)

    _save(fit([(subject.exactly(core), truth) for subject, truth in fitted]), cores.ROWS)
    _keep(core, _by_number(fitted), fit)


def _by_number(fitted: list[FittedTruth]) -> list[tuple[list[FittedTruth], list[FittedTruth]]]:
    """Return each fifth of the programs, and the others; all forms of a network are in one fifth."""
    folds = [int(subject.name.partition(" ")[0].rpartition(".")[2]) % FOLDS for subject, _ in fitted]
    return _parted(fitted, folds)


def _parted(fitted: list[FittedTruth], folds: list[int]) -> list[tuple[list[FittedTruth], list[FittedTruth]]]:
    """Return the programs of each fold, and the others."""
    return [
        (
            [one for one, own in zip(fitted, folds, strict=True) if own == fold],
            [one for one, own in zip(fitted, folds, strict=True) if own != fold],
        )
        for fold in range(FOLDS)
    ]


def _save(table: cores.Core, folder: Path = cores.FOLDER) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / f"{table.name}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(table), indent=1) + b"\n")
    cores.core.cache_clear()
    cores.known.cache_clear()
    cores.rows.cache_clear()


def _keep(
    core: str, folds: list[tuple[list[FittedTruth], list[FittedTruth]]], fit: Callable[[list[Pair]], cores.Core]
) -> None:
    """Replace the misses of such programs on a core.

    Args:
        core: name of it.
        folds: programs, and those that the fit by which they are estimated has seen.
        fit: to programs as they are counted.
    """
    profile, fresh = load_profile(core), []
    for evaluated, seen in folds:
        without = fit([(subject.exactly(core), truth) for subject, truth in seen])
        for subject, truth in evaluated:
            program = subject.before(core)
            if strange(without, program):
                continue
            past = population_of(profile, program)
            for quantity, estimated, true, exact in _quantities(without, program, truth):
                fresh.append(Miss(kind=past.kind, quantity=quantity, estimated=round(estimated - exact, 1),
                                  measured=true - exact, subject=subject.name))  # fmt: skip
    replaced = {_fit_of(miss) for miss in fresh}
    others = [miss for miss in shipped() if miss.kind.split(" ")[0] != core or _fit_of(miss) not in replaced]
    data = Misses(misses=(*others, *fresh), made_with=_made_with(CORES[0]))
    lines = b",\n".join(msgspec.json.encode(miss) for miss in data.misses)
    head = msgspec.json.encode(data.made_with)
    SHIPPED.write_bytes(b'{"version":%d,"made_with":%s,"misses":[\n%s\n]}\n' % (data.version, head, lines))
    shipped.cache_clear()
    _by_family(core, fresh)


def _fit_of(miss: Miss) -> str:
    """Return which fit a miss is of: that of programs with kinds of their own, or, empty, of all others."""
    sort = miss.kind.partition(" ")[2]
    return sort if sort in (DETECTOR, KERNELS, MACHINES, RECURRENT, ROWS) else ""


def _made_with(core: str) -> str:
    tools = board(core).tools
    return f"{_version(tools.compiler)}, -O2; {_version(tools.emulator)}, -icount"


def _by_family(core: str, misses: Sequence[Miss]) -> None:
    """Print how far off the families of the fitted programs were, each estimated without itself."""
    kinds = dict.fromkeys((miss.kind, miss.quantity) for miss in misses)
    for kind, quantity in kinds:
        each = np.array([miss.relative for miss in misses if (miss.kind, miss.quantity) == (kind, quantity)])
        shown = f"median {np.median(each):.1%}, nine of ten {np.quantile(each, 0.9):.1%} of {len(each)}"
        print(f"{core}: {kind}, {quantity}, of what is not exact: {shown}", file=sys.stderr)


def _version(tool: str) -> str:
    message = subprocess.run([tool, "--version"], capture_output=True, text=True, check=True).stdout
    return message.splitlines()[0]


def _quantities(core: cores.Core, program: Program, truth: Truth) -> list[tuple[str, float, float, int]]:
    """Name, estimate, truth and what of it is exact."""
    flash = program.constants + cores.weighed(core.code, program.written)
    ram = program.values + cores.weighed(core.stack, program.written)
    return [
        ("flash", flash, truth.flash, program.constants),
        ("ram", ram, truth.ram, program.values),
        ("instructions", cores.weighed(core.instructions, program.run), truth.instructions, 0),
    ]


def _judge(report: TargetReport, core: str, title: str, evaluated: Iterable[FittedTruth]) -> None:
    """Print each of the programs, and tells how far off estimates of the core are and how often bars hold."""
    profile = load_profile(core)
    misses: dict[str, list[float]] = {name: [] for name in LIMITS}
    within: dict[str, int] = dict.fromkeys(LIMITS, 0)
    rows = []
    for subject, truth in evaluated:
        estimate = subject.estimate(profile)
        cells = [subject.name]
        for name in LIMITS:
            spread, true = getattr(estimate, name), getattr(truth, name)
            if spread is None or spread.how == "at least":
                cells.append(f"unknown; {true:,}")
                continue
            misses[name].append(spread.value / true - 1)
            within[name] += spread.low <= true <= spread.high
            cells.append(_cell(spread, true))
        rows.append((*cells, ""))
    print(markdown([title, "flash", "RAM", "instructions", ""], rows), end="\n\n")
    for name, (middle, worst) in LIMITS.items():
        each = np.abs(misses[name])
        median, maximum = float(np.median(each)), float(each.max())
        shown = f"median {median:.1%}, nine of ten {np.quantile(each, 0.9):.1%}, worst {maximum:.1%} of {len(each)}"
        limit = f"median {middle:.0%}" + (f", worst {worst:.0%}" if worst else "")
        report(f"{title}, {name}", shown, limit, median <= middle and (worst is None or maximum <= worst))
        share = within[name] / len(each)
        report(f"{title}, bars of {name}", f"true for {within[name]} of {len(each)}", f"{TRUE:.0%}", share >= TRUE)
    unknown = len(rows) - len(misses["instructions"])
    report(f"{title}, unknown", f"{unknown} of {len(rows)}", "", True)


def _cell(spread: Spread, true: float) -> str:
    outside = "" if spread.low <= true <= spread.high else " (outside)"
    return f"{spread.value:,.0f} of {true:,} ({spread.value / true - 1:+.1%}){outside}"


if __name__ == "__main__":
    sys.exit(main())
