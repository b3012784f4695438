"""How long it takes until something happens: importing, asking for help, and whole commands from a cold process."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.table import Spent, markdown, median, python, spent, verdict

REPEATS = 9
RUNS = 3
SAMPLES, COLUMNS, PEOPLE = 3_000, 10, 30


@dataclass
class Row:
    """A command that is measured, its name in the table, and its targets.

    Attributes:
        name: what the table says.
        command: program and arguments.
        cpu, wall: seconds at most; 0 for no target.
        repeats: of the measurement.
        fresh: whether it finds no cache.
        spent: what each run cost.
    """

    name: str
    command: list[str]
    cpu: float = 0.0
    wall: float = 0.0
    repeats: int = RUNS
    fresh: bool = False
    spent: list[Spent] = field(default_factory=list)

    def cells(self) -> tuple[list[str], bool]:
        """Return its cells in the table, and whether its targets are met."""
        wall, cpu = median([one.seconds for one in self.spent]), median([one.cpu_seconds for one in self.spent])
        targets = ((cpu, self.cpu, "CPU-s"), (wall, self.wall, "s"))
        met = all(value <= target or not target for value, target, _ in targets)
        limits = ", ".join(f"{target:g} {unit}" for _, target, unit in targets if target)
        return [self.name, f"{wall:.2f} s", f"{cpu:.2f} CPU-s", limits, verdict(met) if limits else ""], met


def rows_of(folder: Path) -> list[Row]:
    """Return what is measured, the cheap first; a proof comes after the run that it reads."""
    edgewright, data, runs = str(Path(python()).with_name("edgewright")), str(folder / "my.csv"), str(folder / "runs")
    own = [data, "--target", "label"]
    return [
        Row("an empty process", [python(), "-c", "pass"], repeats=REPEATS),
        Row("`import edgewright`", [python(), "-c", "import edgewright"], wall=0.08, repeats=REPEATS),
        Row("`edgewright --help`", [edgewright, "--help"], wall=0.3, repeats=REPEATS),
        Row(
            "`from edgewright import Pipeline`",
            [python(), "-c", "from edgewright import Pipeline"],
            wall=0.4,
            repeats=REPEATS,
        ),
        Row(
            "the class that `Pipeline` extends: `import sklearn.pipeline`",
            [python(), "-c", "import sklearn.pipeline"],
            repeats=REPEATS,
        ),
        Row(
            "`run my.csv --budget 0s`, 3,000 x 10",
            [edgewright, "run", *own, "--budget", "0s", "--out", runs, "--force"],
            2.5,
            2.5,
        ),
        Row(
            "`init my.csv --budget 0s --yes`",
            [edgewright, "init", *own, "--budget", "0s", "--yes", "--out", str(folder / "init"), "--force"],
            wall=1.5,
        ),
        Row("`prove` of that run", [edgewright, "prove", f"{runs}/my"], wall=4.0),
        Row(
            "`run activity`, nothing cached",
            [edgewright, "run", "activity", "--out", runs, "--force"],
            15.0,
            fresh=True,
        ),
        Row("the same, compiled programs cached", [edgewright, "run", "activity", "--out", runs, "--force"], 15.0),
    ]


def write_rows(path: Path) -> None:
    """Write rows of people with a label that two columns and a product tell."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(SAMPLES, COLUMNS))
    y = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(int) + (X[:, 3] > 1)
    lines = [",".join(["person", *(f"c{column}" for column in range(COLUMNS)), "label"])]
    for index, row in enumerate(X):
        lines.append(f"p{index * PEOPLE // SAMPLES},{','.join(f'{value:.4f}' for value in row)},k{y[index]}")
    path.write_text("\n".join(lines) + "\n")


def main() -> int:
    """Print the table; 1 when a target is missed."""
    with tempfile.TemporaryDirectory() as room:
        folder = Path(room)
        write_rows(folder / "my.csv")
        rows = rows_of(folder)
        # Interleaved, so that a slow moment of the machine meets all of them; the first round fills the file cache.
        for number in range(REPEATS + 1):
            for row in rows:
                if number <= row.repeats:
                    cache = {"XDG_CACHE_HOME": f"{folder}/cache-{number if row.fresh else ''}"}
                    row.spent.append(spent(row.command, cache))
        for row in rows:
            del row.spent[0]
    cells = [row.cells() for row in rows]
    print(markdown(["start", "wall", "processor", "at most", ""], [line for line, _ in cells]))
    return 0 if all(met for _, met in cells) else 1


if __name__ == "__main__":
    sys.exit(main())
