"""The generated C on an emulated microcontroller, when `--device` names one."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from edgewright.core.errors import InputError, UnknownNameError
from edgewright.core.records.proof import Numbers
from edgewright.graph.extract import layers, preprocessing
from edgewright.proof.tolerance import BYTES, GENERATED, LABEL, RANGE, Form, Samples, Stages
from edgewright.workflows.proof.forms import Forms, Run, Subject
from edgewright.workflows.proof.forms.c99 import NAME, Files, c_stages, written
from edgewright.workflows.proof.forms.ethosu import has_compiler
from edgewright.workflows.proof.forms.verilog import DEVICES as SIMULATED
from edgewright.workflows.proof.stages import shapes

# An emulated core runs some ten million instructions a second.
_ROWS = 100
_UPPER = NAME.upper()
# Stages with more values than this stay inside: the host would wait for the semihosting of the emulator.
_SHOWN = 2048


def _make(subject: Subject) -> Iterator[Form]:
    if not subject.device or subject.device in SIMULATED:
        return
    tools = importlib.import_module("edgewright.export.emulator")
    if subject.device not in tools.devices():
        if subject.serial:
            return
        if not has_compiler(subject.device):
            raise UnknownNameError("emulated device", subject.device, (*tools.devices(), *SIMULATED))
        subject.missing(f"C99 on an emulated {subject.device}", "no emulator has this core")
        return
    numbers: Numbers = "int8" if subject.network is not None else "float"
    name = f"{numbers} C99 on an emulated {subject.device}"
    if missing := tools.missing_tools(subject.device):
        hint = tools.how_to_install(subject.device)
        subject.missing(name, f"{', '.join(missing)} not installed: {hint}", needed=True)
        return
    lines: list[str] = []
    yield Form(
        name=name,
        numbers=numbers,
        run=_run(subject, numbers, tools, lines),
        max_samples=_ROWS,
        notes=lines,
        needed=True,
        source=GENERATED,
    )


def _run(
    subject: Subject,
    numbers: Numbers,
    tools: Any,  # noqa: ANN401 - `export.emulator`
    lines: list[str],
) -> Run:
    def run(samples: Samples, boundary: Samples) -> Stages:
        files = written(subject, numbers, subject.device)
        images = importlib.import_module("edgewright.export.c99_graph.graph")
        given = images.pixels(samples) if images.image_channels(subject.graphs[numbers]) == "first" else samples
        rows = np.ascontiguousarray(given, np.float32).reshape(len(samples), -1)
        try:
            seen = stages_in(files[f"{NAME}.c"], NAME, subject, numbers)
            done, answer = _call(tools, files, subject, rows, seen)
        except InputError as error:
            # The stages need memory of their own: a small device answers without showing them.
            seen = {}
            done, answer = _call(tools, files, subject, rows, seen)
            lines.append(f"not enough memory to check stages ({error})")
        lines.append(
            f"{done.instructions:,} instructions, {done.flash:,} bytes of flash, {done.ram:,} of RAM and "
            f"{done.stack:,} of stack{', stages included' if seen else ''} ({done.tools})"
        )
        return read_answers(subject, numbers, answer, seen)

    return run


def stages_in(text: str, name: str, subject: Subject, numbers: Numbers) -> dict[int, tuple[str, int]]:
    """Return the number of a stage in the C -> its name and how many values it has; a single rule has no stages."""
    lines = text.partition(f"{name}_stage_names[")[2].partition("};")[0].splitlines()[1:]
    names = [line.strip().strip(',"') for line in lines if line.strip().startswith('"')]
    counts = _counts(subject, numbers)
    return {i: (name, counts[name]) for i, name in enumerate(names) if counts.get(name, _SHOWN + 1) <= _SHOWN}


def _counts(subject: Subject, numbers: Numbers) -> dict[str, int]:
    graph = subject.graphs[numbers]
    sizes = {stage: int(np.prod(shape)) for stage, shape in shapes(graph, preprocessing(graph)).items()}
    if subject.network is not None and numbers == "int8":
        values = subject.network.values
        sizes[BYTES] = int(np.prod(values[subject.network.input].shape))
        sizes |= {stage: int(np.prod(values[number].shape)) for stage, number in layers(subject.network).items()}
    return sizes


def _call(
    tools: Any,  # noqa: ANN401 - `export.emulator`
    files: Files,
    subject: Subject,
    rows: Samples,
    seen: dict[int, tuple[str, int]],
) -> tuple[Any, Any]:
    """Run rows on the device; return its description, and each row's answer and stages as float32 words."""
    answer = fields_of(subject)
    words = sum(answer.values())
    lines = [f"static {NAME}_context context; {NAME}_predict(&context, (const float *)in, ({NAME}_answer *)out);"]
    for number, (_, count) in seen.items():
        lines.append(
            f"{{ const float *seen; int count; {NAME}_stage({number}, &seen, &count); "
            f"for (int i = 0; i < {count}; ++i) ((float *)out)[{words} + i] = seen[i]; }}"
        )
        words += count
    head = f"#ifndef {_UPPER}_TAPS\n#define {_UPPER}_TAPS\n#endif\n" if seen else ""
    sources = {name: head + text for name, text in files.items()}
    entry = tools.Entry(f"{NAME}.h", "\n".join(lines), rows.shape[1] * 4, words * 4)
    done = tools.run_on_device(sources, entry, subject.device, rows)
    return done, done.outputs.view(np.float32)


def fields_of(subject: Subject) -> dict[str, int]:
    """Return fields of the answer in the order of the header, with their 4-byte words."""
    outputs = subject.reference.outputs
    words = {v.name: max(1, int(np.prod(v.shape))) for v in outputs if v.name != LABEL}
    labels = {LABEL: 1} if any(v.name == LABEL for v in outputs) else {}
    return {**words, **labels, RANGE: 1}


def read_answers(
    subject: Subject,
    numbers: Numbers,
    answer: Any,  # noqa: ANN401 - words of float32
    seen: dict[int, tuple[str, int]],
) -> Stages:
    """Return words of answers and stages, shape (n, words), as a proof compares them."""
    answers: dict[str, Any] = {}
    start = 0
    for name, count in (*fields_of(subject).items(), *seen.values()):
        answers[name] = np.ascontiguousarray(answer[:, start : start + count])
        start += count
    if LABEL in answers:
        answers[LABEL] = answers[LABEL].view(np.int32)[:, 0]
    stages = {name: answers[name] for name, _ in seen.values()}
    return c_stages(subject, numbers, answers[RANGE].view(np.uint32)[:, 0], stages, answers)


FORMS = Forms(rank=70, make=_make, targets=("c99", "library"))
