"""Parts of the benchmark: which faults are planted in which pipeline, and a process that judges them."""

from __future__ import annotations

import importlib
import json
import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.proof_faults.pipelines import FILES, RUNS

CORRECT = 60
"""Models without a fault."""
# Faults that are planted in each pipeline, by part.
NETWORKS = ("rows", "windows", "sound", "picture", "recurrent")
PARTS: dict[str, dict[str, int]] = {
    "c99": dict.fromkeys(RUNS[:-1], 20),
    "onnx": dict.fromkeys(RUNS[:-1], 10),
    "tflite": dict.fromkeys(NETWORKS[:-1], 10),
    "streams": {"windows": 12, "recurrent": 8, "adapted": 10, **dict.fromkeys(FILES, 12)},
    "python": dict.fromkeys(RUNS[:-1], 6),
    "python streams": {"windows": 6, "recurrent": 4, "adapted": 6, **dict.fromkeys(FILES, 6)},
    "verilog": {"rows": 12, "adapted": 9},
    "cortex-m4": dict.fromkeys(NETWORKS[:-1], 6),
    "riscv": {"sound": 8, "picture": 8},
    "wasm": {"rows": 6, "windows": 6},
}
_BLOCK = 10


def tasks(parts: Sequence[str]) -> Iterator[tuple[str, str, int]]:
    """Yield part, pipeline and number of faults; blocks of models without a fault."""
    for part in parts:
        if part == "correct":
            yield from ((part, str(begin), _BLOCK) for begin in range(0, CORRECT, _BLOCK))
        else:
            yield from ((part, pipeline, count) for pipeline, count in PARTS[part].items())


def run(part: str, pipeline: str, count: int, out: Path, seed: int) -> int:
    """Judge the faults of a part in a pipeline that have no result yet; runs in a process of its own."""
    os.environ["OMP_NUM_THREADS"] = "1"
    correct, in_c, in_files, in_python, in_streams, judging = (
        importlib.import_module(f"benchmarks.proof_faults.{name}")
        for name in ("correct", "in_c", "in_files", "in_python", "in_streams", "judging")
    )

    rng = random.Random(f"{seed} {part} {pipeline}")  # noqa: S311 - nobody guards anything with it
    file = out / f"results-{seed}-{part.replace(' ', '-')}-{pipeline}.jsonl"
    done = {json.loads(line)["name"] for line in file.read_text("utf-8").splitlines()} if file.exists() else set()
    if f"{part} {pipeline} is done" in done:
        return 0
    places = out / "pipelines"
    if part == "correct":
        cases: Any = correct.cases(seed, range(int(pipeline), int(pipeline) + count))
    else:
        compiled = judging.Compiled(out / "compiled")
        if part == "streams":
            cases = in_streams.remembering(pipeline, places, compiled).cases(rng, count)
        elif part == "python streams":
            remembering = in_streams.remembering(pipeline, places, compiled)
            cases = in_python.remembering_cases(remembering, rng, count)
        else:
            bench = judging.Bench(pipeline, places, compiled)
            makers: dict[str, Any] = {
                "c99": in_c.cases, "wasm": in_c.wasm_cases, "verilog": in_files.verilog_cases,
                "onnx": in_files.onnx_cases, "tflite": in_files.tflite_cases, "python": in_python.run_cases,
            }  # fmt: skip
            cases = makers[part](bench, rng, count) if part in makers else in_c.core_cases(bench, rng, count, part)
    judgements = 0
    with file.open("a", encoding="utf-8") as results:
        for case in cases:
            if case.name in done:
                continue
            verdict = judging.judge_apart(case)
            record = {"name": case.name, "form": case.form, "pipeline": case.pipeline, "rule": case.rule,
                      "where": case.where, "change": case.change, "verdict": vars(verdict)}  # fmt: skip
            results.write(json.dumps(record) + "\n")
            results.flush()
            judgements += 1
            if verdict.result in ("missed", "stopped", "late") and part != "correct":
                judging.say(f"{verdict.result}: {case.name} {verdict.right} {verdict.why}")
        results.write(json.dumps({"name": f"{part} {pipeline} is done"}) + "\n")
    return judgements
