"""`python -m benchmarks.proof_faults [PART ...]`: faults planted in every form, and what a proof says of them.

Targets, set before anything was measured: 97 % of the faults are found, 90 % at the right stage, and none of 60 models
without a fault is refused. It goes on where it was stopped: `--out` has its results.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from benchmarks.proof_faults.judging import NO_FAULT
from benchmarks.proof_faults.parts import CORRECT, PARTS, run, tasks
from benchmarks.proof_faults.pipelines import PIPELINES, prepared
from benchmarks.table import ROOT, TargetReport, markdown

OUT = ROOT / ".benchmarks" / "proof_faults"
MIN_FOUND, RIGHT_STAGE, MIN_FAULTS = 0.97, 0.90, 300
_SHOWN = 60


def read(out: Path, seed: int, parts: Sequence[str]) -> list[dict[str, Any]]:
    """Return the results of parts, those of what is no fault left out."""
    chosen = {f"results-{seed}-{part.replace(' ', '-')}-{pipeline}.jsonl" for part, pipeline, _ in tasks(parts)}
    return [
        record
        for file in sorted(out.glob(f"results-{seed}-*.jsonl"))
        if file.name in chosen
        for record in map(json.loads, file.read_text("utf-8").splitlines())
        if record.get("verdict") and record["verdict"]["result"] != "none"
    ]


def report(records: list[dict[str, Any]]) -> int:
    """Print tables by form, by rule and by pipeline, the misses, and the targets; 1 where one is missed."""
    correct = [record for record in records if record["form"] == "correct"]
    faults = [record for record in records if record["form"] != "correct"]
    real = [record for record in faults if record["verdict"]["result"] not in NO_FAULT]
    outcomes = ("the same", "alike", "rounding", "late", "found", "right stage", "stopped or refused", "missed")
    for key in ("form", "rule", "pipeline"):
        groups: dict[str, Counter[str]] = defaultdict(Counter)
        for record in faults:
            groups[record[key]].update(_counts(record))
        print(
            markdown([key, "planted", *outcomes], [[name, *_cells(groups[name])] for name in sorted(groups)]),
            end="\n\n",
        )
    for record in [record for record in real if record["verdict"]["result"] == "missed"][:_SHOWN]:
        print(f"missed: {record['name']}: {record['verdict']['right']}, {record['verdict']['why']}")
    for record in [record for record in faults if record["verdict"]["result"] in ("alike", "rounding", "late")]:
        print(f"{record['verdict']['result']}: {record['name']}: {record['verdict']['why']}")
    targets = TargetReport()
    if real:
        seen = [record for record in real if record["verdict"]["result"] != "missed"]
        right = [r for r in seen if r["verdict"]["stage"] and r["verdict"]["stage"] == r["verdict"]["right"]]
        left = Counter(record["verdict"]["result"] for record in faults)
        others = f"{left['same']} the same, {left['alike']} that many thousands of other inputs do not show"
        others += f", {left['rounding']} within what right forms differ by"
        targets("faults", f"{len(real)}; {others}, {left['late']} late", f"at least {MIN_FAULTS}",
                len(real) >= MIN_FAULTS)  # fmt: skip
        targets("found", _share(len(seen), len(real)), f"{MIN_FOUND:.0%}", len(seen) >= MIN_FOUND * len(real))
        targets("at the right stage", _share(len(right), len(seen)), f"{RIGHT_STAGE:.0%}",
                len(right) >= RIGHT_STAGE * len(seen))  # fmt: skip
    if correct:
        alarms = [record for record in correct if record["verdict"]["result"] != "missed"]
        for record in alarms:
            print(f"false alarm: {record['pipeline']}: {record['verdict']}")
        targets("false alarms", f"{len(alarms)} of {len(correct)}", f"0 of {CORRECT}",
                not alarms and len(correct) >= CORRECT)  # fmt: skip
    print(markdown(["what", "here", "target", ""], targets.rows))
    return 0 if targets.reached else 1


def _counts(record: dict[str, Any]) -> list[str]:
    verdict = record["verdict"]
    counts = ["planted", verdict["result"]]
    if verdict["stage"] and verdict["stage"] == verdict["right"]:
        counts.append("right")
    return counts


def _cells(counts: Counter[str]) -> list[str]:
    stopped = counts["stopped"] + counts["refused"]
    known = (counts[name] for name in ("planted", "same", "alike", "rounding", "late", "found", "right"))
    return [str(number) for number in (*known, stopped, counts["missed"])]


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({part / max(1, whole):.1%})"


def main(arguments: list[str] | None = None) -> int:
    """Run parts, and print the tables of what there is."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.proof_faults")
    every = [*PARTS, "correct"]
    parser.add_argument("part", nargs="*", choices=[[], *every], help="all when left out")
    parser.add_argument("--seed", type=int, default=0, help="of the faults and of the models without one")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of pipelines and results")
    parser.add_argument("--again", action="store_true", help="judge again what has a result")
    given = parser.parse_args(arguments)
    chosen, started = given.part or every, time.perf_counter()
    out = given.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    if given.again:
        for part, pipeline, _ in tasks(chosen):
            (out / f"results-{given.seed}-{part.replace(' ', '-')}-{pipeline}.jsonl").unlink(missing_ok=True)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context, max_tasks_per_child=1) as pool:
        if set(chosen) & set(PARTS):
            absent = [name for name in PIPELINES if not (out / "pipelines" / name / "done").exists()]
            for ready in [pool.submit(prepared, name, out / "pipelines") for name in absent]:
                ready.result()
        futures = {pool.submit(run, *task, out, given.seed): task for task in tasks(chosen)}
        errors = ((futures[future], future.exception()) for future in as_completed(futures))
        failed = [f"{' '.join(map(str, task))}: {error}" for task, error in errors if error is not None]
    status = report(read(out, given.seed, chosen))
    print(f"\n{time.perf_counter() - started:.0f} s, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end")
    for line in failed:
        print(f"did not run: {line}")
    return 1 if failed else status


if __name__ == "__main__":
    sys.exit(main())
