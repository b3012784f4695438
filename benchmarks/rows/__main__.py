"""Rows, accuracy, processor seconds and peak memory of `edgewright run` and of boosting by hand.

    python -m benchmarks.rows [--rows 10000,100000,1000000] [--seeds 3] [--kinds csv,parquet] [--no-peer]
    python -m benchmarks.rows --recordings [--rows 1000000] [--seeds 1] [--kinds parquet,csv,wav]

Of recordings, `check` of their folder and `score` and `prove` of the run are measured, too. Each command is a process
of its own; memory is the most that it and its children had in RAM.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.rows import recordings
from benchmarks.rows.cost import Cost, measured
from benchmarks.rows.generator import write
from benchmarks.table import markdown
from edgewright.trace.page_model import read_trace

HEADERS = ("rows", "file", "seed", "who", "accuracy", "CPU-s", "peak MB", "model")


def _edgewright(*arguments: str | Path) -> Cost:
    return measured([sys.executable, "-m", "edgewright", *map(str, arguments)])


def _cells(who: str, cost: Cost, accuracy: str = "", model: str = "") -> list[str]:
    return [who, accuracy, f"{cost.cpu_s:.0f}", f"{cost.peak_mb:.0f}", model]


def ours(path: Path, room: Path, *options: str) -> list[str]:
    """Return the cells of `edgewright run` on a file or folder."""
    cost = _edgewright("run", path, *options, "--out", room, "--force")
    trace = read_trace(room / path.stem / "trace.json")
    if trace.evaluation is None or trace.evaluation.accuracy is None or trace.race is None:
        raise SystemExit(f"{path.name}: nothing was raced and evaluated")
    accuracy = trace.evaluation.accuracy
    right = f"{accuracy.value:.4f} ({accuracy.low:.4f} to {accuracy.high:.4f})"
    return _cells("edgewright run", cost, right, trace.race.chosen)


def peer(path: Path) -> list[str]:
    """Return the cells of boosting by hand on a file."""
    cost = measured([sys.executable, "-m", "benchmarks.rows.peer", str(path)])
    return _cells("by hand", cost, f"{float(cost.output):.4f}", "HistGradientBoosting")


def of_tables(room: Path, count: int, seed: int, kind: str, *, with_peer: bool) -> Iterator[list[str]]:
    """Yield the cells of a table: who, accuracy, cost and model."""
    path = room / f"rows-{count}-{seed}-{kind}.{kind}"
    write(path, count, seed)
    yield ours(path, room / "runs")
    if with_peer:
        yield peer(path)
    path.unlink()


def of_recordings(room: Path, count: int, seed: int, kind: str) -> Iterator[list[str]]:
    """Yield the cells of a folder of recordings: `run`, and what is done with it before and after."""
    path = room / f"recordings-{count}-{seed}-{kind}"
    recordings.write(path, count, seed, kind)
    target = () if kind == "wav" else ("--target", "activity")
    yield _cells("edgewright check", _edgewright("check", path, *target))
    yield ours(path, room / "runs", *target)
    yield _cells("edgewright score", _edgewright("score", room / "runs" / path.stem, "--data", path))
    yield _cells("edgewright prove", _edgewright("prove", room / "runs" / path.stem))
    shutil.rmtree(path)


def main() -> int:
    """Print a row as each process ends, then the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", help="Sizes, with commas.")
    parser.add_argument("--seeds", type=int, help="Tables or folders of each size.")
    parser.add_argument("--kinds", help="csv, parquet, and of recordings wav, with commas.")
    parser.add_argument("--recordings", action="store_true", help="Folders of recordings instead of tables.")
    parser.add_argument("--no-peer", action="store_true", help="Leave boosting by hand out.")
    given = parser.parse_args()
    usual = ("1000000", 1, "parquet,csv,wav") if given.recordings else ("10000,100000,1000000", 3, "csv")
    sizes, seeds, kinds = given.rows or usual[0], given.seeds or usual[1], given.kinds or usual[2]
    rows: list[list[str]] = []
    with tempfile.TemporaryDirectory() as folder:
        room = Path(folder)
        for count in map(int, sizes.split(",")):
            for seed, kind in ((seed, kind) for seed in range(seeds) for kind in kinds.split(",")):
                each = (
                    of_recordings(room, count, seed, kind)
                    if given.recordings
                    else of_tables(room, count, seed, kind, with_peer=not given.no_peer)
                )
                for cells in each:
                    rows.append([f"{count:,}", kind, f"{seed}", *cells])
                    print(*rows[-1], sep=" | ", flush=True)
    print(markdown(HEADERS, rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
