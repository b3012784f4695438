"""`python -m benchmarks.estimate`: fit the coefficients of `edgewright estimate` to measured programs.

`counts.json` has the operators of generated programs with the flash, RAM and instructions that a cross compiler and an
emulator gave for them. Non-negative least squares on relative errors gives the coefficients; cross-validation by fifths
of the programs gives the errors. With --write the coefficients of the package are replaced. With --measure CORE other
programs are compiled and counted, and compared with their estimates.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from benchmarks.estimate.simple import simple_subjects
from benchmarks.estimate.subjects import Subject, hapt_subjects, row_subjects
from benchmarks.table import markdown
from edgewright.profiles import footprint
from edgewright.profiles.catalogue import load_profile

COUNTS = Path(__file__).with_name("counts.json")
QUANTITIES = {"flash": "code", "ram": "code", "instructions": "run"}
# Below these figures an absolute error counts instead of a relative one.
SMALLEST = {"flash": 300.0, "ram": 60.0, "instructions": 300.0}
FOLDS, ROUNDS, COVERED = 5, 4, 0.9
Floats = NDArray[np.float64]


class Measured(NamedTuple):
    """A measured program: name, form, counts of its code and of its work, and figures beyond what is exact."""

    name: str
    form: str
    code: dict[str, float]
    run: dict[str, float]
    figures: dict[str, float]
    exact: dict[str, float]


def measured_programs(core: str) -> list[Measured]:
    """Return the measured programs of a core."""
    data: dict[str, Any] = msgspec.json.decode(COUNTS.read_bytes())
    works = data["run"]
    return [
        Measured(name, "int8" if int8 else "float", code, works[name], dict(zip(QUANTITIES, figures, strict=True)),
                 {"flash": constants, "ram": values, "instructions": 0})
        for name, int8, code, figures, constants, values in data["cores"][core]
    ]  # fmt: skip


def matrix(programs: Sequence[Measured], quantity: str) -> tuple[list[str], Floats, Floats]:
    """Return the names of the columns, the counts of each program, and its measured figures."""
    counts = [getattr(program, QUANTITIES[quantity]) for program in programs]
    names = sorted({name for own in counts for name in own})
    X = np.array([[1.0, *(own.get(name, 0.0) for name in names)] for own in counts])
    return ["", *names], X, np.array([program.figures[quantity] for program in programs], np.float64)


def fit(X: Floats, y: Floats, smallest: float) -> Floats:
    """Return non-negative coefficients; the weights follow the mean of estimate and figure, so neither side wins."""
    scale = np.maximum(y, smallest)
    for _ in range(ROUNDS):
        coefficients = nnls(X / scale[:, None], y / scale, maxiter=50 * X.shape[1])[0]
        scale = np.maximum(np.sqrt(np.maximum(X @ coefficients, smallest) * np.maximum(y, smallest)), smallest)
    return np.asarray(coefficients)


def cross_validated(programs: Sequence[Measured], quantity: str) -> tuple[Floats, Floats]:
    """Return estimates by fits without the fifth of the programs that each is in, and the figures."""
    _, X, y = matrix(programs, quantity)
    folds = np.array([int(program.name.split(" ")[0].rpartition(".")[2]) % FOLDS for program in programs])
    estimates = np.empty(len(y))
    for fold in range(FOLDS):
        estimates[folds == fold] = X[folds == fold] @ fit(X[folds != fold], y[folds != fold], SMALLEST[quantity])
    return estimates, y


def fitted(core: str, made_with: str) -> tuple[footprint.Coefficients, list[tuple[str, ...]]]:
    """Return the coefficients of a core, and rows with the cross-validated errors."""
    programs, errors = measured_programs(core), dict[str, dict[str, float]]()
    rows: list[tuple[str, ...]] = []
    tables: dict[str, dict[str, float]] = {}
    for quantity in QUANTITIES:
        names, X, y = matrix(programs, quantity)
        solved = fit(X, y, SMALLEST[quantity])
        tables[quantity] = {name: float(f"{value:.4g}") for name, value in zip(names, solved, strict=True)}
        estimates, _ = cross_validated(programs, quantity)
        exact = np.array([program.exact[quantity] for program in programs])
        for form in ("int8", "float"):
            own = np.array([program.form == form for program in programs])
            smallest = SMALLEST[quantity] / 4
            ratio = np.abs(np.log(np.maximum(estimates[own], smallest) / np.maximum(y[own], smallest)))
            errors.setdefault(form, {})[quantity] = round(float(np.exp(np.quantile(ratio, COVERED))), 3)
            whole = np.abs(estimates - y)[own] / (exact + y)[own]
            shown = f"median {np.median(whole):.1%}, nine of ten {np.quantile(whole, COVERED):.0%}"
            rows.append((f"{core}, {form}", quantity, f"{shown} of {own.sum()}"))
    core_table = footprint.Coefficients(
        made_with=made_with, subjects=len(programs), code=tables["flash"], stack=tables["ram"],
        longest=int(max(program.figures["instructions"] for program in programs)),
        smallest=int(min(program.figures["flash"] for program in programs)), instructions=tables["instructions"],
        errors=errors,
    )  # fmt: skip
    return core_table, rows


def fresh_subjects() -> Iterator[Subject]:
    """Yield programs that no coefficients were fitted to."""
    yield from hapt_subjects(8, 71)
    yield from row_subjects(4, 72)
    yield from simple_subjects(10, 73)


def compare(core: str) -> list[tuple[str, ...]]:
    """Return rows with the estimates of other programs and what was compiled and counted."""
    profile = load_profile(core)
    rows: list[tuple[str, ...]] = []
    for subject in fresh_subjects():
        estimate, truth = subject.estimate(profile), subject.truth(core)
        for quantity in QUANTITIES:
            spread, true = getattr(estimate, quantity), getattr(truth, quantity)
            inside = spread is not None and spread.low <= true <= spread.high
            value = "unknown" if spread is None else f"{spread.value:,.0f} ({spread.value / true - 1:+.0%})"
            rows.append((subject.name, quantity, f"{value}; {true:,} found, {'inside' if inside else 'OUTSIDE'}"))
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the errors; 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.estimate")
    parser.add_argument("--write", action="store_true", help="replace the coefficients of the package")
    parser.add_argument("--measure", metavar="CORE", help="compile and count other programs on an emulated core")
    given = parser.parse_args(arguments)
    if given.measure:
        print(markdown(["program", "figure", "estimate and truth"], compare(given.measure)))
        return 0
    data: dict[str, Any] = msgspec.json.decode(COUNTS.read_bytes())
    tables, rows = {}, []
    for core in data["cores"]:
        tables[core], own = fitted(core, data["made_with"])
        rows += own
    print(markdown(["core and form", "figure", "cross-validated error of the whole"], rows))
    if given.write:
        path = Path(footprint.__file__).with_name("coefficients.json")
        path.write_bytes(msgspec.json.format(msgspec.json.encode(tables), indent=1) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
