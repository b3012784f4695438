"""Faults in generated C: by gcc, on emulated cores with their assembly, and in WebAssembly."""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.proof_faults.judging import Bench, Case, SameError, Verdict, settled
from benchmarks.proof_faults.other_inputs import other_bytes
from benchmarks.proof_faults.rules import (
    ASSEMBLY_RULES,
    C_RULES,
    TextFault,
    faults_in,
    of_assembly,
    of_c,
    table_faults,
)
from edgewright.core.records.proof import Numbers
from edgewright.export import emulator as tools
from edgewright.export.c99_host.host import run_apart
from edgewright.export.web import module as web
from edgewright.proof.tolerance import Stages
from edgewright.workflows.proof.artifacts import Artefact
from edgewright.workflows.proof.forms import Subject, c99, emulator, wasm

Files = Mapping[str, str]
# Parts of the C that only a core has; the rest of it is planted in by gcc.
# Other inputs that an emulated core answers, and a module of WebAssembly.
_ON_CORE, _IN_WASM = 150, 1500
_CORES = {"cortex-m4": "cortex-m4", "riscv": "riscv32v"}


def choose(faults: Sequence[TextFault], count: int, rng: random.Random) -> list[TextFault]:
    """Return so many faults: the rules take turns, and each draws its own."""
    by_rule: dict[str, list[TextFault]] = defaultdict(list)
    for fault in faults:
        by_rule[fault.rule].append(fault)
    for listed in by_rule.values():
        rng.shuffle(listed)
    names = sorted(by_rule)
    chosen: list[TextFault] = []
    rng.shuffle(names)
    while len(chosen) < count and any(by_rule.values()):
        for name in names:
            if by_rule[name] and len(chosen) < count:
                chosen.append(by_rule[name].pop())
    return chosen


def c_faults(files: Files, rng: random.Random, count: int) -> list[TextFault]:
    """Return faults of the sources of generated C."""
    faults = []
    for name, text in sorted(files.items()):
        if name.endswith(".c"):
            faults += [*faults_in(text, name, C_RULES, of_c(text)), *table_faults(text, name)]
    return choose(faults, count, rng)


def changed(files: Files, fault: TextFault) -> dict[str, str]:
    """Return the files with the fault."""
    return {**files, fault.file: fault.text(files[fault.file])}


def digest(data: bytes) -> str:
    """Return what tells bytes from others."""
    return hashlib.sha256(data).hexdigest()


def cases(bench: Bench, rng: random.Random, count: int) -> Iterator[Case]:
    """Yield faults in the C of a run, of its int8 form where there is one, else of the float form, by gcc."""
    assert bench.right.passed  # noqa: S101 - asked there
    kinds: list[Numbers] = ["int8", "int8", "float"] if bench.subject.network is not None else ["float"]
    for numbers in dict.fromkeys(kinds):
        files = c99.written(bench.subject, numbers)
        share = round(count * kinds.count(numbers) / len(kinds))
        right = _others(bench, numbers, dict)
        for fault in c_faults(files, rng, share):
            yield Case.of("c99", bench.name, fault, partial(_by_gcc, bench, numbers, right, fault), numbers)
    yield from _label_cases(bench)


def _others(bench: Bench, numbers: Numbers, change: Callable[[Files], Files]) -> dict[str, Stages]:
    """Return what changed C gives for other inputs, and its integer network for other bytes."""
    answers = bench.others([c99.c_form(bench.subject, numbers, "C", change)])
    network = bench.subject.network
    if numbers == "int8" and network is not None:
        model = c99._loaded(change(c99.written(bench.subject, numbers)), "")
        given = other_bytes(int(np.prod(network.values[network.input].shape)))
        answers["C"]["raw output of other bytes"] = model.network(given)
    return answers


def _by_gcc(bench: Bench, numbers: Numbers, other: Mapping[str, Stages], fault: TextFault) -> Verdict:
    name = f"{numbers} C99 by gcc"
    right = {name: bench.form(name).run(bench.chosen.samples, bench.chosen.samples)}
    bench.compiled.digests.clear()
    c99._loaded(c99.written(bench.subject, numbers), "")
    right_bytes = bench.compiled.digests.pop()
    form = c99.c_form(bench.subject, numbers, name, lambda given: changed(given, fault))
    verdict = bench.proven([form], right)
    if bench.compiled.digests == [right_bytes]:
        raise SameError("gcc gives the same bytes")
    return settled(verdict, other, lambda: _others(bench, numbers, lambda given: changed(given, fault)))


def _label_cases(bench: Bench) -> Iterator[Case]:
    """Yield class names in another order in the header of an exported folder."""
    numbers: Numbers = "int8" if bench.subject.network is not None else "float"
    labels = bench.subject.reference.labels
    for first in range(len(labels) - 1):
        pair = labels[first], labels[first + 1]
        yield Case(
            "c99",
            bench.name,
            "label",
            f"model.h label {first}",
            f"{pair[0]} -> {pair[1]}",
            partial(_labels_turned, bench, numbers, first),
        )


def _labels_turned(bench: Bench, numbers: Numbers, first: int) -> Verdict:
    files, labels = dict(c99.written(bench.subject, numbers)), bench.subject.reference.labels
    texts = [f"/* Label {index}: {labels[index]} */" for index in (first, first + 1)]
    turned = [f"/* Label {index}: {labels[2 * first + 1 - index]} */" for index in (first, first + 1)]
    for old, new in zip(texts, turned, strict=True):
        assert old in files["model.h"]  # noqa: S101 - what the writer writes
        files["model.h"] = files["model.h"].replace(old, new)
    artefact = Artefact("model.c", "c99", {name: text.encode() for name, text in files.items()})
    subject = replace(bench.subject, artefacts=(artefact,))
    (form,) = c99._lying(subject, artefact)
    assert bench.right.passed  # noqa: S101 - asked there
    answers = form.run(bench.chosen.samples, bench.boundary)
    return bench.proven([form], {form.name: answers})


def core_cases(bench: Bench, rng: random.Random, count: int, kind: str) -> Iterator[Case]:
    """Yield faults in what only the C of a core has: its assembly, its tables and what it does in another way."""
    device = _CORES[kind]
    numbers: Numbers = "int8" if bench.subject.network is not None else "float"
    text, common = (c99.written(bench.subject, numbers, core)["model.c"] for core in (device, ""))
    lines = set(common.splitlines())
    faults = [
        fault
        for fault in (*faults_in(text, "model.c", C_RULES, of_c(text)), *table_faults(text, "model.c"))
        if text.splitlines()[fault.line - 1] not in lines
    ]
    assembly = list(faults_in(text, "model.c", ASSEMBLY_RULES, of_assembly(text)))
    half = count // 2 if assembly else count
    subject = replace(bench.subject, device=device)
    (form,) = emulator.FORMS.make(subject)
    # The program that is built now, before any fault.
    images: list[str] = []
    _watch_images(images)
    right = {form.name: form.run(bench.chosen.samples[: form.max_samples], bench.chosen.samples)}
    other = bench.others([form], _ON_CORE)
    assert bench.right.passed  # noqa: S101 - asked there
    for fault in [*choose(faults, half, rng), *choose(assembly, count - half, rng)]:
        yield Case.of(
            kind, bench.name, fault, partial(_on_core, bench, subject, (right, other), images, fault), numbers
        )


def _watch_images(images: list[str]) -> None:
    build = tools._build

    def watching(folder: Path, *given: Any) -> Path:  # noqa: ANN401 - of `_build`
        path = build(folder, *given)
        if folder.name == "model":
            images.append(digest(path.read_bytes()))
        return path

    tools._build = watching  # type: ignore[assignment]


def _on_core(
    bench: Bench, subject: Subject, right: tuple[Mapping[str, Any], ...], images: list[str], fault: TextFault
) -> Verdict:  # fmt: skip
    written, before = c99.written, images[0]
    forms: Any = emulator
    forms.written = lambda *given: changed(written(*given), fault)
    (form,) = emulator.FORMS.make(subject)
    verdict = bench.proven([form], right[0])
    if images[-1] == before and len(images) > 1:
        raise SameError("the compiler of the core gives the same bytes")
    return settled(verdict, right[1], lambda: bench.others([form], _ON_CORE))


def wasm_cases(bench: Bench, rng: random.Random, count: int) -> Iterator[Case]:
    """Yield faults in what calls the C from a browser, and in the C of the module."""
    numbers: Numbers = "int8" if bench.subject.network is not None else "float"
    files = c99.written(bench.subject, numbers)
    glue = {"module.c": web._room("module.c")}
    faults = [*c_faults(glue, rng, count // 2), *c_faults(files, rng, count - count // 2)]
    (form,) = (form for form in wasm.FORMS.make(bench.subject) if form.name.startswith(numbers))
    # The engine of WebAssembly starts threads, which a copy of this process would wait for.
    right = run_apart(lambda: {form.name: form.run(bench.chosen.samples, bench.chosen.samples)})
    other = run_apart(lambda: bench.others([form], _IN_WASM))
    expected = web.compile_wasm(files, c99.NAME, taps=True)
    assert bench.right.passed  # noqa: S101 - asked there
    for fault in faults:
        yield Case.of(
            "wasm", bench.name, fault, partial(_in_wasm, bench, numbers, (right, other), expected, fault), numbers
        )


def _in_wasm(
    bench: Bench, numbers: Numbers, right: tuple[Mapping[str, Any], ...], expected: bytes, fault: TextFault
) -> Verdict:  # fmt: skip
    files = c99.written(bench.subject, numbers)
    room, compiling = web._room, web.compile_wasm
    forms: Any = wasm
    if fault.file in files:
        forms.written = lambda *_: changed(files, fault)
    else:
        web._room = lambda file: fault.text(room(file)) if file == fault.file else room(file)

    modules = []

    def watching(given: Files, name: str, **options: bool) -> bytes:
        modules.append(compiling(given, name, **options))
        return modules[-1]

    web.compile_wasm = watching  # type: ignore[assignment]
    (form,) = (form for form in wasm.FORMS.make(bench.subject) if form.name.startswith(numbers))
    verdict = bench.proven([form], right[0])
    if expected in modules:
        raise SameError("zig gives the same bytes")
    return settled(verdict, right[1], lambda: bench.others([form], _IN_WASM))
