"""The exported library on a real board at the end of a serial line, when `--serial` names one."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.core.errors import CheckFailedError, StoppedError
from edgewright.core.records.proof import Numbers
from edgewright.device.boards.link import ANSWER, BoardHello, ModelLine, open_link
from edgewright.proof.tolerance import GENERATED, Form, Samples, Stages
from edgewright.workflows.proof.forms import Forms, Run, Subject
from edgewright.workflows.proof.forms.emulator import fields_of, read_answers, stages_in

_ROWS = 100


def _make(subject: Subject) -> Iterator[Form]:
    if not subject.serial or subject.path is None:
        return
    link = subject.serial if subject.serial.startswith(("tcp:", "serial:")) else f"serial:{subject.serial}"
    with open_link(link) as port:
        hello = ModelLine(port, subject.serial).hello()
    numbers, code = _model(subject, subject.path, hello)
    lines: list[str] = []
    if not hello.stages:
        lines.append(f"the board shows no stages: compile its firmware with -D{hello.name.upper()}_TAPS")
    name = f"{numbers} C99 on the board at {subject.serial}"
    run = _run(subject, numbers, stages_in(code, hello.name, subject, numbers) if hello.stages else {}, link, lines)
    yield Form(name=name, numbers=numbers, run=run, max_samples=_ROWS, notes=lines, source=GENERATED)


def _model(subject: Subject, file: Path, hello: BoardHello) -> tuple[Numbers, str]:
    """Return the numbers of the form that the board runs, and its code.

    Raises:
        CheckFailedError: none of the forms of what is proven has this code.
    """
    library: Any = importlib.import_module("edgewright.export.targets.library")
    reader: Any = importlib.import_module("edgewright.export.contract")
    forms: tuple[Numbers, ...] = tuple(form for form in ("float", "int8") if form in subject.graphs)
    for form in forms:
        exported = replace(reader.read_subject(file, form=form if subject.package else ""), name=hello.name)
        files = library.C99.files(exported)
        if library.model_hash(files, hello.name) == hello.hash:
            return form, files[f"{hello.name}.c"].decode()
    raise CheckFailedError(
        f"the board at {subject.serial} runs another model ({hello.name}, code {hello.hash.hex()[:12]}) than "
        f"{subject.name}: export it with --to library, and write the firmware again"
    )


def _run(subject: Subject, numbers: Numbers, seen: dict[int, tuple[str, int]], link: str, lines: list[str]) -> Run:
    def run(samples: Samples, boundary: Samples) -> Stages:
        images = importlib.import_module("edgewright.export.c99_graph.graph")
        given = images.pixels(samples) if images.image_channels(subject.graphs[numbers]) == "first" else samples
        rows = np.ascontiguousarray(given, "<f4").reshape(len(samples), -1)
        answers, cycles, stack, painted = [], [], 0, 0
        with open_link(link) as port:
            board = ModelLine(port, subject.serial)
            for row in rows:
                took, used, painted = board.run(row.tobytes())
                cycles.append(took)
                stack = max(stack, used)
                answers.append(b"".join(board.read(stage) for stage in (ANSWER, *seen)))
        words = sum(fields_of(subject).values()) + sum(count for _, count in seen.values())
        table = np.frombuffer(b"".join(answers), "<f4").reshape(len(rows), -1)
        if table.shape[1] != words:
            raise StoppedError(f"the board answers {table.shape[1]} words a sample; expected {words}")
        median = int(np.median(cycles))
        counted = f"{median:,} cycles a sample (median)" if median else "no counter of cycles"
        prefix = "at least " if stack == painted else ""
        lines.append(f"{counted}, {prefix}{stack:,} bytes of stack{', stages included' if seen else ''}")
        if subject.device and median:
            lines.append(_remembered(subject, numbers, median))
        return read_answers(subject, numbers, table, seen)

    return run


def _remembered(subject: Subject, numbers: Numbers, cycles: int) -> str:
    """Keep a measured time, from which later estimates of the profile learn; return what was kept."""
    estimation: Any = importlib.import_module("edgewright.workflows.estimation")
    profile = importlib.import_module("edgewright.profiles.catalogue").load_profile(subject.device)
    latency = 1e6 * cycles / profile.clock.value
    form = numbers if subject.package else ""
    estimation.estimate_place(subject.path, profile, form=form, compiled=False, measured={"latency": latency})
    return f"{latency:,.0f} us at the clock of {subject.device} were kept for estimates"


FORMS = Forms(rank=75, make=_make, targets=("c99", "library"))
