"""`python -m benchmarks.hapt`: what the shipped pipeline `hapt` reaches on people it has never seen.

First cross-validation over the 16 people who do not evaluate, on which everything was chosen; then one look at the
five who do. `--cv-only` stops before the look and never loads their recordings into a window.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import HAPT
from benchmarks.hapt.answers import Answers, f1_of_present, mean_over_people, share_right
from benchmarks.hapt.crossvalidation import cross_validate
from benchmarks.hapt.look import Look, look
from benchmarks.table import ROOT, markdown, verdict
from edgewright.core.errors import EdgewrightError
from edgewright.core.records.trace import Interval
from edgewright.pipeline.config import read_config

# What the shipped pipeline is held to: accuracy in cross-validation, macro-F1 of the look, bytes of the int8 network.
LEAST_ACCURACY, LEAST_F1, MOST_BYTES = {"hapt": 0.965}, 0.975, 30_000


def main(arguments: list[str] | None = None) -> int:
    """Print the tables; 1 when a figure is missed."""
    given = _arguments(arguments)
    changes = tuple(given.set)
    seeds = (
        [int(seed) for seed in given.seeds.split(",")] if given.seeds else [read_config(given.pipeline, changes).seed]
    )
    reached = True
    try:
        for seed in seeds:
            reached &= _cross_validation(given, changes, seed)
        if not given.cv_only:
            with tempfile.TemporaryDirectory() as folder:
                reached &= _look(look(given.data, Path(given.out or folder), changes))
    except EdgewrightError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"\n{time.process_time():.0f} CPU-seconds in all.")
    return 0 if reached else 1


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    shared = Path(os.environ.get("EDGEWRIGHT_SHARED", ROOT.parent / "shared")) / "data" / "har-hapt"
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hapt")
    parser.add_argument("--data", default=str(shared), help="folder of the set")
    parser.add_argument("--pipeline", default=HAPT, help="TOML file; another than hapt.toml with --cv-only")
    parser.add_argument("--cv-only", action="store_true", help="do not look at the people who evaluate")
    parser.add_argument("--every", type=int, default=1, help="people left out at a time")
    parser.add_argument("--seeds", default="", help="seeds of the cross-validation, with commas; the pipeline's own")
    parser.add_argument("--set", action="append", default=[], help="a change of the pipeline, key=value")
    parser.add_argument("--out", default="", help="folder that keeps the run of the look")
    return parser.parse_args(arguments)


def _cross_validation(given: argparse.Namespace, changes: tuple[str, ...], seed: int) -> bool:
    began = time.process_time()
    forms = cross_validate(
        given.data, changes=changes, seed=seed, every=given.every, report_line=_note, pipeline=given.pipeline
    )
    int8, minimum = forms["int8"], LEAST_ACCURACY.get(given.pipeline, 0.0)
    within = int8.accuracy().value >= minimum
    people = len(set(int8.people.tolist()))
    print(
        f"\nCross-validation over {people} people, each answered by a network that has not seen them (seed {seed}):\n"
    )
    print(_figures(forms, f"int8 accuracy at least {minimum}: {verdict(within)}"))
    print(f"\nint8 by person: {_by_person(int8.by_person(share_right))}")
    print(f"\nint8, rows are the truth ({', '.join(int8.labels)}):\n\n{int8.confusion()}")
    _note(f"{time.process_time() - began:.0f} CPU-seconds")
    return within


def _look(seen: Look) -> bool:
    int8 = seen.forms["int8"]
    good, small = int8.macro_f1().value >= LEAST_F1, seen.network_bytes <= MOST_BYTES
    print(f"\nOne look at {len(set(int8.people.tolist()))} people who took no part in any choice:\n")
    print(_figures(seen.forms, f"int8 macro-F1 at least {LEAST_F1}: {verdict(good)}"))
    print(f"\nint8 accuracy by person: {_by_person(int8.by_person(share_right))}")
    print(f"int8 macro-F1 by person: {_by_person(int8.by_person(f1_of_present))}")
    print(f"\nint8, rows are the truth ({', '.join(int8.labels)}):\n\n{int8.confusion()}\n")
    size = f"{seen.network_bytes:,} bytes as ONNX of its own, {seen.weight_bytes:,} of weights, biases and scales"
    rows = [["int8 network", size, f"at most {MOST_BYTES:,} bytes: {verdict(small)}"]]
    rows += [[f"int8, {r.disturbance}", f"accuracy {r.accuracy:.4f} ({r.change:+.4f})", ""] for r in seen.robustness]
    rows.append(["whole pipeline", seen.agreement, seen.refused or "package written"])
    print(markdown(["", "measured", ""], rows))
    return good and small and not seen.refused


def _figures(forms: dict[str, Answers], question_share: str) -> str:
    """Return a table with a row for each form; the last says what was asked."""
    rows = []
    for name, answers in forms.items():
        mean, half = mean_over_people(answers.by_person(share_right))
        f1, f1_half = mean_over_people(answers.by_person(f1_of_present))
        figures = [_text(answers.accuracy()), f"{mean:.4f} ± {half:.4f}", _text(answers.macro_f1())]
        asks = question_share if name == "int8" else ""
        rows.append([name, f"{len(answers.truth):,}", *figures, f"{f1:.4f} ± {f1_half:.4f}", asks])
    return markdown(
        ["form", "windows", "accuracy", "mean of people", "macro-F1", "mean of people", "asked"],
        rows,
    )


def _text(interval: Interval) -> str:
    """Return a figure with the 95 % interval of drawing people anew."""
    return f"{interval.value:.4f} ({interval.low:.4f} to {interval.high:.4f})"


def _by_person(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in values.items())


def _note(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
