"""Faults in the Python that runs on a device, in lines that a proof executes: kernels, streams, detectors, language."""

from __future__ import annotations

import ast
import gc
import importlib.util
import json
import os
import random
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

from tools.mutants import Change, changes

from benchmarks.proof_faults.in_c import choose
from benchmarks.proof_faults.in_streams import Remembering
from benchmarks.proof_faults.judging import (
    FILE,
    Bench,
    Case,
    NoFaultError,
    Verdict,
    first_difference,
    settled,
    verdict_of,
)
from benchmarks.proof_faults.rules import TextFault
from edgewright.core.errors import EdgewrightError, StoppedError
from edgewright.proof.stage import stage_order
from edgewright.proof.tolerance import Stages
from edgewright.workflows.proof.comparison import prove_subject
from edgewright.workflows.proof.stages import boundary_value, first_failing

_SPEC = importlib.util.find_spec("edgewright")
assert _SPEC is not None and _SPEC.origin is not None  # noqa: S101 - it is installed
_ROOT = Path(_SPEC.origin).parent
# What computes on a device: not what reads files, looks for engines, or refuses input.
ROOMS = (
    "core/operators/", "core/kernels/", "core/integer/", "core/arithmetic.py", "core/input/samples.py",
    "core/prediction/executor.py", "core/prediction/objects.py", "core/adaptation/learner.py",
    "core/adaptation/replay.py", "core/adaptation/affine.py", "device/agent/stream_decisions.py",
    "device/agent/feed.py",
    "graph/streaming.py", "monitor/detectors/", "monitor/detector_stream.py", "monitor/forecaster.py",
    "monitor/forecasters/", "nlp/utterance/",
)  # fmt: skip
_NO_NUMBERS = ("core/integer/qdq.py", "nlp/utterance/model_file.py")
_RULES = {ast.Compare: "comparison", ast.BinOp: "operator", ast.BoolOp: "operator", ast.UnaryOp: "operator"}
# Forms that compute with this Python, or are fed by it.
_FORMS = ("integer reference", "in NumPy", "step by step", ".tflite in LiteRT")
# Functions that read a package or a file.
_READERS = ("read_", "parse_", "check")
Lines = set[tuple[str, int]]


def executed(run: Callable[[], object]) -> Lines:
    """Return file and line of what runs of the Python of a device, in a process of its own."""
    into, out = os.pipe()
    process = os.fork()
    if not process:
        os.close(into)
        lines: Lines = set()
        wanted = tuple(str(_ROOT / room) for room in ROOMS)

        def trace(frame: FrameType, event: str, _: Any) -> Any:  # noqa: ANN401 - of `sys.settrace`
            name = frame.f_code.co_filename
            if event == "call":
                return trace if name.startswith(wanted) else None
            if event == "line":
                lines.add((name, frame.f_lineno))
            return trace

        sys.settrace(trace)
        try:
            run()
        finally:
            sys.settrace(None)
            with os.fdopen(out, "w", encoding="utf-8") as pipe:
                json.dump(sorted(lines), pipe)
            os._exit(0)
    os.close(out)
    with os.fdopen(into, encoding="utf-8") as answers:
        text = answers.read()
    os.waitpid(process, 0)
    return {(name, line) for name, line in json.loads(text)}


def faults(lines: Lines, rng: random.Random, count: int) -> list[TextFault]:
    """Return faults in lines that ran."""
    listed = []
    for file in sorted({name for name, _ in lines}):
        module = Path(file).relative_to(_ROOT).as_posix()
        if module in _NO_NUMBERS:
            continue
        text = Path(file).read_text("utf-8")
        skipped = _checks(text)
        listed += [
            TextFault(_rule(change), module, change.start, change.end, change.after, change.line, change.before)
            for change in changes(text)
            if (file, change.line) in lines and change.line not in skipped
        ]
    return choose(listed, count, rng)


def _rule(change: Change) -> str:
    node = ast.parse(change.before.strip(), mode="eval").body if _parses(change.before) else None
    return _RULES.get(type(node), "constant") if node is not None else "constant"


def _parses(text: str) -> bool:
    try:
        ast.parse(text.strip(), mode="eval")
    except SyntaxError:
        return False
    return True


def _checks(text: str) -> set[int]:
    """Return lines of conditions before which something is refused, and of asserts: they compute nothing."""
    lines: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        refusing = isinstance(node, ast.If) and any(isinstance(child, ast.Raise) for child in node.body)
        if refusing or isinstance(node, ast.Assert | ast.Raise):
            assert isinstance(node, ast.stmt)  # noqa: S101 - of the kinds above
            lines.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return lines


def plant(fault: TextFault) -> None:
    """Give every live function of the fault's module the code that it has with the fault.

    Raises:
        NoFaultError: no function has it.
    """
    file = _ROOT / fault.file
    data = file.read_bytes()
    text = data[: fault.start] + fault.after.encode() + data[fault.end :]
    codes: dict[tuple[str, int], CodeType] = {}

    def collect(code: CodeType) -> None:
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                codes[constant.co_qualname, constant.co_firstlineno] = constant
                collect(constant)

    collect(compile(text, str(file), "exec"))
    planted = False
    for function in gc.get_objects():
        if isinstance(function, FunctionType) and function.__code__.co_filename == str(file):
            code = codes.get((function.__code__.co_qualname, function.__code__.co_firstlineno))
            if code is not None and code.co_freevars == function.__code__.co_freevars:
                function.__code__ = code
                planted = True
    if not planted:
        raise NoFaultError


def run_cases(bench: Bench, rng: random.Random, count: int) -> Iterator[Case]:
    """Yield faults in the Python that answers the samples of a run."""
    right: dict[str, Stages] = {}

    def others() -> dict[str, Stages]:
        forms = [form for form in Bench.own_forms(replace(bench.subject)) if any(word in form.name for word in _FORMS)]
        answers = {**bench.others(forms), "bytes": bench.network_of_others()}
        return {**answers, "boundary": {"boundary": boundary_value(bench.subject.reference, bench.other[0])}}

    def proof() -> Verdict:
        fresh = replace(bench.subject)
        given: dict[str, Stages] = {}
        again = [form for form in Bench.own_forms(fresh) if any(word in form.name for word in _FORMS)]
        names = {form.name for form in again}
        kept = [replace(form, run=_keeping(form.name, form.run, given)) for form in again]
        others = [form for form in bench.forms if form.name not in names]
        try:
            record = prove_subject(fresh, bench.name, bench.chosen, [*others, *kept])
        except StoppedError as error:
            return Verdict("stopped", error.stage, _stopping(bench), why=str(error))
        given = {name: bench.answered(stages, bench.chosen.samples) for name, stages in given.items()}
        if not right:
            right.update(given)
        stops = _stopping(bench) if names - given.keys() else ""
        return verdict_of(record, _earlier(right, first_difference(right, given), stops), names)

    assert bench.right.passed  # noqa: S101 - asked there
    if proof().result != "missed":
        raise RuntimeError(f"{bench.name}: the right Python does not pass")
    lines, other = executed(proof), others()
    for fault in faults(lines, rng, count):
        yield Case.of(
            "python", bench.name, fault, partial(_proven_with, fault, lambda: settled(proof(), other, others))
        )


def _stopping(bench: Bench) -> str:
    """Return the first stage that Python cannot compute: of a form that stops, it is the first that differs."""
    subject = bench.subject
    stages = [
        first_failing(graph, subject.network if numbers == "int8" else None, bench.chosen.samples)
        for numbers, graph in subject.graphs.items()
        if numbers == "float" or subject.network is not None
    ]
    return next(filter(None, stages), "")


def _earlier(right: Mapping[str, Stages], *stages: str) -> str:
    """Return the first of some stages in the order of the forms; empty where none is named."""
    order = stage_order(right.values())
    return min(filter(None, stages), key=lambda s: order.index(s) if s in order else len(order), default="")


def remembering_cases(remembering: Remembering, rng: random.Random, count: int) -> Iterator[Case]:
    """Yield faults in the Python of what remembers."""
    remembering.measure()

    def settled_proof() -> Verdict:
        return settled(remembering.verdict(None), remembering.other, lambda: remembering.others(None))

    lines = executed(lambda: remembering.verdict(None))
    for fault in faults(lines, rng, count):
        yield Case.of(
            "python",
            remembering.pipeline,
            fault,
            partial(_proven_with, fault, settled_proof),
            remembering.kind,
        )


def _keeping(name: str, run: Any, given: dict[str, Stages]) -> Any:  # noqa: ANN401 - `Form.run`
    def answer(samples: Any, boundary: Any) -> Stages:  # noqa: ANN401
        given[name] = run(samples, boundary)
        return given[name]

    return answer


def _proven_with(fault: TextFault, prove: Callable[[], Verdict]) -> Verdict:
    plant(fault)
    try:
        return prove()
    except (NoFaultError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - a traceback of the faulty code ends the proof
        frames = traceback.extract_tb(error.__traceback__)
        last = frames[-1]
        # A reader runs the file's own test, and refuses a file whose answers have changed.
        if isinstance(error, EdgewrightError) and any(frame.name.startswith(_READERS) for frame in frames):
            return Verdict("refused", FILE, FILE, why=str(error))
        return Verdict("stopped", why=f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno}")
